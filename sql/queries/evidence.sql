-- What the judge is shown of the database (store/evidence.py). Nothing here writes.

-- name: campaigns_to_judge(campaign_ids, settings)
-- Of some campaigns, or (NULL) of all: the settings, when they last changed, how many leads came, and when it went on or off.
SELECT campaigns.*, to_jsonb(accounts) AS account,
       greatest(accounts.edited_at, (
           SELECT max(at) FROM activity
           WHERE activity.campaign_id = campaigns.id AND fact = 'edited' AND details ?| :settings::text[])) AS settled_at,
       (SELECT coalesce(sum((details->>'added')::bigint), 0) FROM activity
        WHERE activity.campaign_id = campaigns.id AND fact = 'leads_added') AS imported,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(at, details->>'to') ORDER BY id), '[]') FROM activity
        WHERE activity.campaign_id = campaigns.id AND fact = 'status') AS moves
FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE :campaign_ids::bigint[] IS NULL OR campaigns.id = ANY (:campaign_ids)
ORDER BY campaigns.id;

-- name: leads_to_judge(campaign_id)
-- Those that were deleted, too.
SELECT id, number, state, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, held_by, time_zone, new_since AS came_at,
       dials_at_reset AS dials_before, on_dnc_at_import AS was_listed
FROM leads WHERE campaign_id = :campaign_id ORDER BY id;

-- name: attempts_to_judge(campaign_ids, since)
-- All of the campaigns, and those of others since then: they count for what holds for a number.
SELECT campaign_id, lead_id, number, ordinal, opened_at, ringing_at, answered_at, ended_at, outcome, disposition, gave_attempt, node
FROM attempts
WHERE :campaign_ids::bigint[] IS NULL OR campaign_id = ANY (:campaign_ids) OR :since::timestamptz IS NULL OR opened_at >= :since
ORDER BY opened_at, id;

-- name: dnc_to_judge()
-- Of all who were dialed, or were to be.
SELECT number, account_id, added_at, expires_at FROM dnc_numbers
WHERE number IN (SELECT number FROM attempts UNION SELECT number FROM leads);

-- name: nodes_to_judge()
-- Daemons, and whether they are at work. One that beats no more has left its calls to others.
SELECT id, started_at, heartbeat_at > now() - interval '60 seconds' AS at_work FROM nodes;
