-- name: create_campaign(account_id, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s, wrapup_s)^
INSERT INTO campaigns (account_id, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts,
                       cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s,
                       agent_dial_timeout_s, wrapup_s)
VALUES (:account_id, :name, :queue, :note, :dial_mode, :calls_per_second, :concurrency, :max_attempts,
        :cooloff_s, :cooloff_2nd_s, :cooloff_3rd_s, :ring_timeout_s, :customer_wait_sla_s,
        :agent_dial_timeout_s, :wrapup_s)
RETURNING *;

-- name: get_campaign(campaign_id)^
SELECT * FROM campaigns WHERE id = :campaign_id;

-- name: find_campaign(account, name)^
SELECT campaigns.* FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE accounts.name = :account AND campaigns.name = :name;

-- name: campaign_overviews(campaign_id)
-- What the list of campaigns shows: of one campaign, or (NULL) of all.
SELECT campaigns.*, accounts.name AS account,
       (SELECT jsonb_object_agg(state, leads)
          FROM (SELECT state, count(*) AS leads FROM leads WHERE campaign_id = campaigns.id GROUP BY state) AS counted
       ) AS leads_by_state,
       (SELECT count(*) FROM attempts WHERE campaign_id = campaigns.id AND ended_at IS NULL) AS open_attempts
FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE :campaign_id::bigint IS NULL OR campaigns.id = :campaign_id
ORDER BY campaigns.id;

-- name: dialable_campaigns()
SELECT * FROM campaigns WHERE status = 'running' ORDER BY id;

-- name: lock_campaign(campaign_id)^
-- The strongest lock, though only the status changes: open_next holds the row by FOR KEY SHARE, and waits for this one alone.
SELECT * FROM campaigns WHERE id = :campaign_id FOR UPDATE;

-- name: lock_campaign_for_edit(campaign_id)^
-- Edits exclude each other, and nothing else: dialing goes on meanwhile.
SELECT * FROM campaigns WHERE id = :campaign_id FOR NO KEY UPDATE;

-- name: share_campaign(campaign_id)^
-- Keeps the status as it is until the transaction ends.
SELECT * FROM campaigns WHERE id = :campaign_id FOR KEY SHARE;

-- name: edit_campaign(campaign_id, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s, wrapup_s)!
UPDATE campaigns
SET name = :name, queue = :queue, note = :note, dial_mode = :dial_mode, calls_per_second = :calls_per_second,
    concurrency = :concurrency, max_attempts = :max_attempts, cooloff_s = :cooloff_s, cooloff_2nd_s = :cooloff_2nd_s,
    cooloff_3rd_s = :cooloff_3rd_s, ring_timeout_s = :ring_timeout_s, customer_wait_sla_s = :customer_wait_sla_s,
    agent_dial_timeout_s = :agent_dial_timeout_s, wrapup_s = :wrapup_s
WHERE id = :campaign_id;

-- name: move_campaign(campaign_id, status)^
-- To another status. What held it back is history; who owns it is not: calls in flight are still that daemon's.
UPDATE campaigns
SET status = :status::campaign_status,
    started_at = CASE WHEN :status::campaign_status = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
    ended_at = CASE WHEN :status::campaign_status IN ('completed', 'cancelled') THEN now() END,
    held_by = NULL, hold_reason = NULL, hold_until = NULL
WHERE id = :campaign_id
RETURNING *;

-- name: renew_lease(campaign_id, node, duration)$
-- The epoch of the right to dial that this node still has.
UPDATE campaigns SET lease_until = now() + :duration::interval
WHERE id = :campaign_id AND owner = :node AND lease_until > now()
RETURNING epoch;

-- name: take_lease(campaign_id, node, duration)$
-- The epoch of a new right to dial. Nothing is taken while an attempt is just being opened under the old one: that holds the row.
UPDATE campaigns SET owner = :node, lease_until = now() + :duration::interval, epoch = epoch + 1
WHERE id = (SELECT id FROM campaigns
            WHERE id = :campaign_id AND (owner IS NULL OR owner = :node OR lease_until <= now())
            FOR UPDATE SKIP LOCKED)
RETURNING epoch;

-- name: give_lease_back(campaign_id, node, epoch)!
UPDATE campaigns SET owner = NULL, lease_until = NULL
WHERE id = :campaign_id AND owner = :node AND epoch = :epoch;

-- name: note_hold(campaign_id, node, epoch, held_by, sentence, until)!
UPDATE campaigns SET held_by = :held_by, hold_reason = :sentence, hold_until = :until
WHERE id = :campaign_id AND owner = :node AND epoch = :epoch AND status = 'running';

-- name: lock_leased_campaign(campaign_id, node, epoch)^
SELECT * FROM campaigns
WHERE id = :campaign_id AND status = 'running' AND owner = :node AND epoch = :epoch
FOR UPDATE;

-- name: has_work_left(campaign_id)$
SELECT EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id
                  AND state IN ('active', 'dialing', 'ringing', 'answered', 'retry', 'cooloff', 'voicemail'))
    OR EXISTS (SELECT FROM attempts WHERE campaign_id = :campaign_id AND ended_at IS NULL);

-- name: lead_facts(campaign_id)^
-- Whether the campaign has leads, and whether one of them can still be dialed or is being dialed.
SELECT EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id) AS any,
       EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id
                  AND state IN ('active', 'dialing', 'ringing', 'answered', 'retry', 'cooloff', 'voicemail')) AS unfinished;
