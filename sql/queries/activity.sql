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

-- name: call_log(campaign_id, after, after_id, page)
-- The oldest first. A phone that was picked up without a word of its ringing rang for no time that is known.
SELECT id AS attempt_id, lead_id, ordinal, number, caller_id_number AS caller_id, queue, opened_at, ringing_at, answered_at, agent,
       connected_at, ended_at, outcome, cause, tech_cause,
       extract(epoch FROM coalesce(answered_at, ended_at) - ringing_at)::double precision AS ring_s,
       extract(epoch FROM ended_at - connected_at)::double precision AS talk_s
FROM attempts
WHERE campaign_id = :campaign_id AND (opened_at, id) > (:after, :after_id)
ORDER BY opened_at, id LIMIT :page;
