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
-- The oldest first. A phone that was picked up without a word of its ringing rang for no time that is known. Who met a voice menu
-- waited for an agent only from the choice on that leads to one.
SELECT attempts.id AS attempt_id, lead_id, ordinal, number, caller_id_number AS caller_id, attempts.queue, opened_at, ringing_at,
       answered_at, agent, connected_at, attempts.ended_at, outcome, cause, tech_cause,
       extract(epoch FROM coalesce(answered_at, attempts.ended_at) - ringing_at)::double precision AS ring_s,
       extract(epoch FROM attempts.ended_at - connected_at)::double precision AS talk_s,
       flow, answered_by, wait.customer_wait_s,
       CASE WHEN wait.customer_wait_s IS NOT NULL
            THEN connected_at IS NOT NULL AND wait.customer_wait_s <= campaigns.customer_wait_sla_s END AS customer_wait_sla_met,
       ring.agent_ring_s,
       CASE WHEN agent_ringing_at IS NOT NULL
            THEN ring.agent_ring_s IS NOT NULL AND ring.agent_ring_s <= campaigns.agent_dial_timeout_s END AS agent_sla_met,
       abandoned, menu_result, disposition, attempts.note, recordings.name AS recording, recordings.state AS recording_state,
       recordings.duration_s AS recording_s
FROM attempts
JOIN campaigns ON campaigns.id = attempts.campaign_id
LEFT JOIN recordings ON recordings.attempt_id = attempts.id
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM coalesce(connected_at, attempts.ended_at)
                              - coalesce(waiting_since, CASE WHEN flow <> 'menu' THEN answered_at END))::double precision
           AS customer_wait_s
) AS wait
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM connected_at - agent_ringing_at)::double precision AS agent_ring_s
) AS ring
WHERE attempts.campaign_id = :campaign_id AND (opened_at, attempts.id) > (:after, :after_id)
ORDER BY opened_at, attempts.id LIMIT :page;
