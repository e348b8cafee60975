-- name: claim_lead(campaign_id, node, epoch)^
-- The next due lead, locked, with every fact that the rules need, if the campaign may be dialed under this lease.
-- The campaign is locked too: whoever pauses it waits for the attempt that is just being opened, and after that none is opened.
-- Renewing the lease, noting a hold or editing settings does not wait: FOR KEY SHARE conflicts with FOR UPDATE alone.
WITH campaign AS MATERIALIZED (
    SELECT * FROM campaigns
    WHERE id = :campaign_id AND status = 'running'
      AND owner = :node AND epoch = :epoch AND lease_until > statement_timestamp()
    FOR KEY SHARE
)
SELECT campaign.*, now() AS opened_at,
       lead.id AS lead_id, lead.campaign_id AS lead_campaign_id, lead.number AS lead_number,
       lead.first_name AS lead_first_name, lead.last_name AS lead_last_name, lead.state AS lead_state,
       lead.dials AS lead_dials, lead.attempts_used AS lead_attempts_used, lead.max_attempts AS lead_max_attempts,
       lead.cooloff_s AS lead_cooloff_s, lead.cooloff_2nd_s AS lead_cooloff_2nd_s, lead.cooloff_3rd_s AS lead_cooloff_3rd_s,
       EXISTS (SELECT FROM dnc_numbers
               WHERE dnc_numbers.number = lead.number
                 AND (dnc_numbers.account_id IS NULL OR dnc_numbers.account_id = campaign.account_id)) AS on_dnc_list,
       (SELECT jsonb_agg(jsonb_build_array(id, number, name, uses) ORDER BY id)
        FROM caller_ids WHERE caller_ids.campaign_id = campaign.id) AS pool,
       accounts.caller_id_number AS account_number, accounts.caller_id_name AS account_name
FROM campaign
JOIN accounts ON accounts.id = campaign.account_id
CROSS JOIN LATERAL (
    SELECT * FROM leads
    WHERE leads.campaign_id = campaign.id AND leads.state IN ('active', 'retry') AND leads.not_before IS NULL
    ORDER BY leads.priority DESC, leads.due_at, leads.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
) AS lead;

-- name: open_attempt(attempt_id, lead_id, lead_state, pool_number_id, caller_id_number, caller_id_name, queue, node, epoch, admitted_by)$
-- Write the attempt down, move the lead, count the caller ID. The lead is locked by claim_lead. Returns the ordinal.
WITH lead AS (
    UPDATE leads SET state = :lead_state, dials = dials + 1, attempts_used = attempts_used + 1
    WHERE id = :lead_id
    RETURNING id, campaign_id, number, dials
), used AS (
    UPDATE caller_ids SET uses = uses + 1 WHERE id = :pool_number_id
), attempt AS (
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, caller_id_name, queue, node, epoch,
                          admitted_by, opened_at)
    SELECT :attempt_id, campaign_id, id, dials, number, :caller_id_number, :caller_id_name, :queue, :node, :epoch,
           :admitted_by, now()
    FROM lead
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT opened_at, campaign_id, lead_id, id, 'opened', jsonb_build_object('ordinal', ordinal, 'caller_id', caller_id_number)
    FROM attempt
)
SELECT ordinal FROM attempt;

-- name: pass_over(lead_id, lead_state, rule, event, until)!
-- The lead may not be called: what that means for it, and why.
WITH lead AS (
    UPDATE leads
    SET state = :lead_state, not_before = :until, held_by = CASE WHEN :until::timestamptz IS NOT NULL THEN :rule::text END
    WHERE id = :lead_id
    RETURNING id, campaign_id
)
INSERT INTO activity (at, campaign_id, lead_id, fact, details)
SELECT now(), campaign_id, id, 'passed_over', jsonb_build_object('rule', :rule::text, 'event', :event::text, 'until', :until::timestamptz)
FROM lead;

-- name: record_progress(attempt_id, state, lead_state, ringing_at, answered_at, agent_ringing_at, connected_at, agent)!
-- Forward only: a row that is further, or ended, is left alone. A line of activity for each thing that had not happened before.
-- The order of the enums is the order of a call's life.
WITH before AS (
    SELECT * FROM attempts WHERE id = :attempt_id AND ended_at IS NULL AND state <= :state FOR UPDATE
), attempt AS (
    UPDATE attempts
    SET state = :state, agent = :agent,
        ringing_at = coalesce(attempts.ringing_at, :ringing_at),
        answered_at = coalesce(attempts.answered_at, :answered_at),
        agent_ringing_at = coalesce(attempts.agent_ringing_at, :agent_ringing_at),
        connected_at = coalesce(attempts.connected_at, :connected_at)
    FROM before WHERE attempts.id = before.id
    RETURNING attempts.*
), lead AS (
    UPDATE leads SET state = :lead_state
    FROM before
    WHERE leads.id = before.lead_id AND leads.state IN ('dialing', 'ringing', 'answered') AND leads.state < :lead_state
)
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
SELECT line.at, attempt.campaign_id, attempt.lead_id, attempt.id, line.fact, line.details
FROM before JOIN attempt ON attempt.id = before.id
CROSS JOIN LATERAL (VALUES
    (before.ringing_at IS NULL, attempt.ringing_at, 'ringing', '{}'::jsonb),
    (before.answered_at IS NULL, attempt.answered_at, 'answered', '{}'),
    (before.agent_ringing_at IS NULL, attempt.agent_ringing_at, 'agent_ringing', jsonb_build_object('agent', attempt.agent)),
    (before.state <> 'queued' AND attempt.state = 'queued', now(), 'queued', jsonb_build_object('queue', attempt.queue)),
    (before.connected_at IS NULL, attempt.connected_at, 'connected', jsonb_build_object('agent', attempt.agent))
) AS line (is_new, at, fact, details)
WHERE line.is_new AND line.at IS NOT NULL;

-- name: end_attempt(attempt_id, outcome, ended_at, ringing_at, answered_at, agent_ringing_at, connected_at, agent, cause, tech_cause)^
-- End an attempt that is still open, and lock its lead; no row means that somebody else has ended it.
WITH ended AS (
    UPDATE attempts
    SET state = 'ended', outcome = :outcome, ended_at = :ended_at, agent = :agent, cause = :cause, tech_cause = :tech_cause,
        ringing_at = coalesce(ringing_at, :ringing_at), answered_at = coalesce(answered_at, :answered_at),
        agent_ringing_at = coalesce(agent_ringing_at, :agent_ringing_at), connected_at = coalesce(connected_at, :connected_at)
    WHERE id = :attempt_id AND ended_at IS NULL
    RETURNING lead_id
)
SELECT campaigns.*,
       leads.id AS lead_id, leads.campaign_id AS lead_campaign_id, leads.number AS lead_number,
       leads.first_name AS lead_first_name, leads.last_name AS lead_last_name, leads.state AS lead_state,
       leads.dials AS lead_dials, leads.attempts_used AS lead_attempts_used, leads.max_attempts AS lead_max_attempts,
       leads.cooloff_s AS lead_cooloff_s, leads.cooloff_2nd_s AS lead_cooloff_2nd_s, leads.cooloff_3rd_s AS lead_cooloff_3rd_s
FROM ended
JOIN leads ON leads.id = ended.lead_id
JOIN campaigns ON campaigns.id = leads.campaign_id
FOR NO KEY UPDATE OF leads;

-- name: settle_lead(lead_id, lead_state, counts, not_before, held_by, attempt_id, ended_at, outcome, cause, tech_cause, agent)!
-- What the end of its attempt means for the lead.
WITH lead AS (
    UPDATE leads
    SET state = :lead_state, not_before = :not_before, held_by = :held_by, due_at = :ended_at,
        attempts_used = attempts_used - CASE WHEN :counts THEN 0 ELSE 1 END
    WHERE id = :lead_id
    RETURNING id, campaign_id, state, not_before
)
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
SELECT :ended_at, campaign_id, id, :attempt_id, 'ended',
       jsonb_build_object('outcome', :outcome::text, 'cause', :cause::integer, 'tech_cause', :tech_cause::text,
                          'agent', :agent::text, 'lead_state', state, 'not_before', not_before)
FROM lead;

-- name: open_attempts()
SELECT campaigns.*,
       leads.id AS lead_id, leads.campaign_id AS lead_campaign_id, leads.number AS lead_number,
       leads.first_name AS lead_first_name, leads.last_name AS lead_last_name, leads.state AS lead_state,
       leads.dials AS lead_dials, leads.attempts_used AS lead_attempts_used, leads.max_attempts AS lead_max_attempts,
       leads.cooloff_s AS lead_cooloff_s, leads.cooloff_2nd_s AS lead_cooloff_2nd_s, leads.cooloff_3rd_s AS lead_cooloff_3rd_s,
       attempts.id AS attempt_id, attempts.number AS attempt_number, attempts.queue AS attempt_queue,
       attempts.state AS attempt_state, attempts.caller_id_number, attempts.caller_id_name, attempts.node, attempts.opened_at,
       attempts.ringing_at, attempts.answered_at, attempts.agent_ringing_at, attempts.connected_at, attempts.agent
FROM attempts
JOIN leads ON leads.id = attempts.lead_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.ended_at IS NULL
ORDER BY attempts.opened_at;

-- name: take_over_attempts(node, silent_for)$
-- Attempts in flight whose daemon has been silent for so long become this node's. How many.
WITH taken AS (
    UPDATE attempts SET node = :node
    WHERE ended_at IS NULL AND node <> :node
      AND NOT EXISTS (SELECT FROM nodes WHERE nodes.id = attempts.node AND nodes.heartbeat_at > now() - :silent_for::interval)
    RETURNING id
)
SELECT count(*) FROM taken;

-- name: next_due_at(campaign_id)$
SELECT min(not_before) FROM leads WHERE campaign_id = :campaign_id AND not_before IS NOT NULL;

-- name: release_waiting(campaign_id, batch)$
-- Leads whose waiting time is over become due, in the order in which it ended. In batches: at the opening of a window there may be many.
WITH released AS (
    UPDATE leads
    SET state = CASE WHEN state IN ('cooloff', 'voicemail') THEN 'retry' ELSE state END,
        due_at = not_before, not_before = NULL, held_by = NULL
    WHERE id IN (SELECT id FROM leads WHERE campaign_id = :campaign_id AND not_before <= now()
                 ORDER BY not_before LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
)
SELECT count(*) FROM released;
