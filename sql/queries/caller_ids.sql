-- name: list_pool(campaign_id)
SELECT id, number, name, uses FROM caller_ids WHERE campaign_id = :campaign_id ORDER BY id;

-- name: empty_pool(campaign_id)
DELETE FROM caller_ids WHERE campaign_id = :campaign_id RETURNING number, uses;

-- name: add_to_pool(campaign_id, number, name, uses)!
INSERT INTO caller_ids (campaign_id, number, name, uses) VALUES (:campaign_id, :number, :name, :uses);
