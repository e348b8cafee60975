-- name: create_campaign(account_id, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s, wrapup_s, dial_cycles, dial_cycles_time, outcome_rules, alternates, schedule, lead_window, day_plan, caller_id_enabled, rotation, profile, target, target_agent, menu, preview_order, offer_s, gate, greeting, agent_announcement, no_agent, mask_lead_caller_id, send_lead_data, recording, machine_detection, machine_audit_pct, abandonment_cap_pct, on_cap, dispositions)$
INSERT INTO campaigns (account_id, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts, cooloff_s,
                       cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s,
                       wrapup_s, dial_cycles, dial_cycles_time, outcome_rules, alternates, schedule, lead_window,
                       day_plan, caller_id_enabled, rotation, profile, target, target_agent, menu, preview_order,
                       offer_s, gate, greeting, agent_announcement, no_agent, mask_lead_caller_id, send_lead_data,
                       recording, machine_detection, machine_audit_pct, abandonment_cap_pct, on_cap, dispositions)
VALUES (:account_id, :name, :queue, :note, :dial_mode, :calls_per_second, :concurrency, :max_attempts, :cooloff_s, :cooloff_2nd_s,
        :cooloff_3rd_s, :ring_timeout_s, :customer_wait_sla_s, :agent_dial_timeout_s, :wrapup_s, :dial_cycles,
        :dial_cycles_time, :outcome_rules, :alternates, :schedule, :lead_window, :day_plan, :caller_id_enabled,
        :rotation, :profile, :target, :target_agent, :menu, :preview_order, :offer_s, :gate, :greeting,
        :agent_announcement, :no_agent, :mask_lead_caller_id, :send_lead_data, :recording, :machine_detection,
        :machine_audit_pct, :abandonment_cap_pct, :on_cap, :dispositions)
RETURNING id;

-- name: get_campaign(campaign_id)^
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id;

-- name: find_campaign(account, name)^
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE accounts.name = :account AND campaigns.name = :name;

-- name: campaign_overviews(ids, silent_after, with_held)
-- What the list of campaigns shows: of these campaigns, or (NULL) of all. Counting leads by the rule that holds them takes time, where
-- there are many.
SELECT campaigns.*, to_jsonb(accounts) AS account,
       lead_counts(campaigns.id) AS leads_by_state,
       CASE WHEN :with_held THEN held_counts(campaigns.id) END AS held_leads,
       CASE WHEN lease_until > now() THEN owner END AS dialed_by,
       (SELECT jsonb_build_object(
            'alive', count(*) FILTER (WHERE heartbeat_at > now() - :silent_after::interval),
            'draining', coalesce(jsonb_agg(id ORDER BY id)
                                 FILTER (WHERE draining AND heartbeat_at > now() - :silent_after::interval), '[]'),
            'last_owner', (SELECT id FROM nodes WHERE id = owner AND lease_until <= now()),
            'silent_since', (SELECT heartbeat_at FROM nodes WHERE id = owner AND lease_until <= now()))
        FROM nodes) AS daemons,
       (SELECT count(*) FROM attempts WHERE campaign_id = campaigns.id AND ended_at IS NULL) AS open_attempts
FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE :ids::bigint[] IS NULL OR campaigns.id = ANY (:ids)
ORDER BY campaigns.id;

-- name: page_of_campaigns(account_id, statuses, text, after, page)
SELECT id FROM campaigns
WHERE account_id = :account_id AND id > :after AND status = ANY (:statuses::campaign_status[])
  AND (:text = '' OR strpos(lower(name || ' ' || note || ' ' || queue), lower(:text)) > 0)
ORDER BY id LIMIT :page;

-- name: totals(account_id)
SELECT status, count(*) AS campaigns,
       coalesce(sum((SELECT count(*) FROM attempts WHERE campaign_id = campaigns.id AND ended_at IS NULL)), 0)::bigint AS in_flight
FROM campaigns WHERE account_id = :account_id GROUP BY status;

-- name: dialable_campaigns()
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE status = 'running' ORDER BY campaigns.id;

-- name: due_to_start()
-- Scheduled campaigns whose time has come.
SELECT id FROM campaigns WHERE status = 'scheduled' AND starts_at <= now() ORDER BY starts_at, id;

-- name: lock_campaign(campaign_id)^
-- The strongest lock, though only the status changes: open_next holds the row by FOR KEY SHARE, and waits for this one alone.
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id FOR UPDATE OF campaigns;

-- name: lock_campaign_for_edit(campaign_id)^
-- Edits exclude each other, and nothing else: dialing goes on meanwhile.
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id FOR NO KEY UPDATE OF campaigns;

-- name: share_campaign(campaign_id)^
-- Keeps the status as it is until the transaction ends.
SELECT * FROM campaigns WHERE id = :campaign_id FOR KEY SHARE;

-- name: edit_campaign(campaign_id, judge_anew, name, queue, note, dial_mode, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s, wrapup_s, dial_cycles, dial_cycles_time, outcome_rules, alternates, schedule, lead_window, day_plan, caller_id_enabled, rotation, profile, target, target_agent, menu, preview_order, offer_s, gate, greeting, agent_announcement, no_agent, mask_lead_caller_id, send_lead_data, recording, machine_detection, machine_audit_pct, abandonment_cap_pct, on_cap, dispositions)!
UPDATE campaigns
SET name = :name, queue = :queue, note = :note, dial_mode = :dial_mode, calls_per_second = :calls_per_second,
    concurrency = :concurrency, max_attempts = :max_attempts, cooloff_s = :cooloff_s, cooloff_2nd_s = :cooloff_2nd_s,
    cooloff_3rd_s = :cooloff_3rd_s, ring_timeout_s = :ring_timeout_s, customer_wait_sla_s = :customer_wait_sla_s,
    agent_dial_timeout_s = :agent_dial_timeout_s, wrapup_s = :wrapup_s, dial_cycles = :dial_cycles,
    dial_cycles_time = :dial_cycles_time, outcome_rules = :outcome_rules, alternates = :alternates,
    schedule = :schedule, lead_window = :lead_window, day_plan = :day_plan, caller_id_enabled = :caller_id_enabled,
    rotation = :rotation, profile = :profile, target = :target, target_agent = :target_agent, menu = :menu,
    preview_order = :preview_order, offer_s = :offer_s, gate = :gate, greeting = :greeting,
    agent_announcement = :agent_announcement, no_agent = :no_agent, mask_lead_caller_id = :mask_lead_caller_id,
    send_lead_data = :send_lead_data, recording = :recording, machine_detection = :machine_detection,
    machine_audit_pct = :machine_audit_pct, abandonment_cap_pct = :abandonment_cap_pct, on_cap = :on_cap,
    dispositions = :dispositions,
    judge_anew = judge_anew OR :judge_anew
WHERE id = :campaign_id;

-- name: move_campaign(campaign_id, status, starts_at)!
-- To another status. What held it back is history; who owns it is not: calls in flight are still that daemon's.
UPDATE campaigns
SET status = :status::campaign_status, starts_at = :starts_at,
    started_at = CASE WHEN :status::campaign_status = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
    ended_at = CASE WHEN :status::campaign_status IN ('completed', 'cancelled') THEN now() END,
    held_by = NULL, hold_reason = NULL, hold_until = NULL, verdicts = '[]'
WHERE id = :campaign_id;

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

-- name: note_hold(campaign_id, node, epoch, held_by, sentence, until, verdicts)!
UPDATE campaigns SET held_by = :held_by, hold_reason = :sentence, hold_until = :until, verdicts = :verdicts
WHERE id = :campaign_id AND owner = :node AND epoch = :epoch AND status = 'running';

-- name: note_refused_start(campaign_id, sentence)!
-- Why a scheduled campaign has not started though its time has come.
UPDATE campaigns SET held_by = 'start_refused', hold_reason = :sentence
WHERE id = :campaign_id AND status = 'scheduled' AND hold_reason IS DISTINCT FROM :sentence;

-- name: lock_leased_campaign(campaign_id, node, epoch)^
SELECT campaigns.*, to_jsonb(accounts) AS account FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id AND status = 'running' AND owner = :node AND epoch = :epoch
FOR UPDATE OF campaigns;

-- name: has_work_left(campaign_id)$
SELECT EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id
                  AND state IN ('active', 'dialing', 'ringing', 'answered', 'retry', 'cooloff', 'voicemail'))
    OR EXISTS (SELECT FROM attempts WHERE campaign_id = :campaign_id AND ended_at IS NULL);

-- name: lead_facts(campaign_id)^
-- Whether the campaign has leads, and whether one of them can still be dialed or is being dialed.
SELECT EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id AND state <> 'deleted') AS any,
       EXISTS (SELECT FROM leads WHERE campaign_id = :campaign_id
                  AND state IN ('active', 'dialing', 'ringing', 'answered', 'retry', 'cooloff', 'voicemail')) AS unfinished;

-- name: start_facts(campaign_id, queue)^
-- What else a start asks for: numbers in the pool, and whether Asterisk knows the queue (NULL: no daemon lives that could tell).
SELECT (SELECT count(*) FROM caller_ids WHERE campaign_id = :campaign_id) AS pool,
       CASE WHEN EXISTS (SELECT FROM pbx_queues WHERE seen_at > now() - interval '2 minutes')
            THEN EXISTS (SELECT FROM pbx_queues WHERE name = :queue AND seen_at > now() - interval '2 minutes')
       END AS queue_known;

-- name: is_name_taken(account_id, name, campaign_id)$
-- By another campaign.
SELECT EXISTS (SELECT FROM campaigns WHERE account_id = :account_id AND name = :name AND id <> :campaign_id);

-- name: pool_of_campaign(campaign_id)
SELECT number, name, type, daily_cap FROM caller_ids WHERE campaign_id = :campaign_id ORDER BY id;

-- name: copy_source(campaign_id, clone)!
INSERT INTO crm_sources (campaign_id, source) SELECT :clone, source FROM crm_sources WHERE campaign_id = :campaign_id;

-- name: was_dialed(campaign_id)$
SELECT EXISTS (SELECT FROM attempts WHERE campaign_id = :campaign_id);

-- name: delete_leads(campaign_id, most)$
-- How many. Of a campaign that was never dialed, so nothing stands on them but cards that agents declined.
WITH doomed AS (
    SELECT id FROM leads WHERE campaign_id = :campaign_id LIMIT :most
), declined AS (
    DELETE FROM offers USING doomed WHERE offers.lead_id = doomed.id
), gone AS (
    DELETE FROM leads USING doomed WHERE leads.id = doomed.id RETURNING leads.id
)
SELECT count(*) FROM gone;

-- name: delete_campaign(campaign_id)!
WITH numbers AS (DELETE FROM caller_ids WHERE campaign_id = :campaign_id),
     source AS (DELETE FROM crm_sources WHERE campaign_id = :campaign_id),
     uploaded AS (DELETE FROM uploads WHERE campaign_id = :campaign_id)
DELETE FROM campaigns WHERE id = :campaign_id;

-- name: times(ids)
SELECT id, started_at, now() AS now FROM campaigns WHERE id = ANY (:ids::bigint[]);

-- name: ledgers(ids, periods)
SELECT campaign_id, answered, in_time, abandoned
FROM unnest(:ids::bigint[], :periods::timestamptz[]) AS asked (campaign_id, period_start)
JOIN abandonment USING (campaign_id, period_start);
