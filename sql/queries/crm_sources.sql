-- name: get_source(campaign_id)^
SELECT source, synced_at FROM crm_sources WHERE campaign_id = :campaign_id;

-- name: put_source(campaign_id, source)!
-- Another source has not been synced yet.
INSERT INTO crm_sources (campaign_id, source) VALUES (:campaign_id, :source)
ON CONFLICT (campaign_id) DO UPDATE SET source = excluded.source, synced_at = NULL;

-- name: remove_source(campaign_id)!
DELETE FROM crm_sources WHERE campaign_id = :campaign_id;

-- name: note_sync(campaign_id, source)!
-- Only of the source that was asked: another one may have been set meanwhile.
UPDATE crm_sources SET synced_at = now() WHERE campaign_id = :campaign_id AND source = :source;
