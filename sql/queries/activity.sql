-- name: write_line(campaign_id, lead_id, fact, details)!
INSERT INTO activity (at, campaign_id, lead_id, fact, details)
VALUES (now(), :campaign_id, :lead_id, :fact, :details);

-- name: lines_of_lead(lead_id, page)
-- In the order in which they were written: their times come from two clocks, ours and the database's.
SELECT * FROM activity WHERE lead_id = :lead_id ORDER BY id LIMIT :page;

-- name: lines_of_campaign(campaign_id, since, page)
-- The newest first.
SELECT * FROM activity WHERE campaign_id = :campaign_id AND at >= :since ORDER BY at DESC, id DESC LIMIT :page;

-- name: ensure_partitions()^
-- Room for the lines of this month and the next.
SELECT ensure_activity_partition(now()), ensure_activity_partition(now() + interval '1 month');
