-- name: claim_campaign(campaign_id, node, epoch)^
-- What is the same for all of its leads, if the campaign may be dialed under this lease.
-- It is locked: whoever pauses it waits for the attempt that is just being opened, and after that none is opened.
-- Renewing the lease, noting a hold or editing settings does not wait: FOR KEY SHARE conflicts with FOR UPDATE alone.
SELECT campaigns.*, to_jsonb(accounts) AS account, now() AS opened_at,
       caller_id_pool(campaigns.id, campaigns.account_id) AS pool,
       (SELECT jsonb_build_array(number, name) FROM queue_numbers
        WHERE queue_numbers.account_id = campaigns.account_id AND queue_numbers.queue = campaigns.queue) AS queue_number
FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id AND status = 'running'
  AND owner = :node AND epoch = :epoch AND lease_until > statement_timestamp()
FOR KEY SHARE OF campaigns;

-- name: claim_leads(campaign_id, account_id, sticky_campaign, batch, retries_first)
-- The next due leads, locked, with every fact that the rules need of them.
-- New leads and those due again stand in two lines of equal right: the higher priority first, and of equals one of each in
-- turn. So retries that become due all at once do not starve new leads, nor the other way round.
WITH fresh AS MATERIALIZED (
    SELECT * FROM lead_rows
    WHERE lead_campaign_id = :campaign_id AND lead_state = 'active' AND lead_not_before IS NULL
    ORDER BY lead_priority DESC, lead_due_at, lead_id
    LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), again AS MATERIALIZED (
    SELECT * FROM lead_rows
    WHERE lead_campaign_id = :campaign_id AND lead_state = 'retry' AND lead_not_before IS NULL
    ORDER BY lead_priority DESC, lead_due_at, lead_id
    LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), line AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY lead_state, lead_priority ORDER BY lead_due_at, lead_id) AS place,
           (lead_state = 'retry') <> :retries_first AS second
    FROM (SELECT * FROM fresh UNION ALL SELECT * FROM again) AS both_lines
    ORDER BY lead_priority DESC, place, second
    LIMIT :batch
)
SELECT line.*, facts.*
FROM line CROSS JOIN LATERAL
     lead_facts(line.lead_number || line.lead_alternate_numbers, :account_id, :sticky_campaign) AS facts
ORDER BY line.lead_priority DESC, line.place, line.second;

-- name: facts_of_lead(lead_id)^
-- The same facts of one lead, in whatever state, without a lock: to explain what the rules say of it.
SELECT campaigns.*, to_jsonb(accounts) AS account, now() AS opened_at, line.*, facts.*,
       caller_id_pool(campaigns.id, campaigns.account_id) AS pool,
       (SELECT jsonb_build_array(number, name) FROM queue_numbers
        WHERE queue_numbers.account_id = campaigns.account_id AND queue_numbers.queue = campaigns.queue) AS queue_number
FROM lead_rows AS line
JOIN campaigns ON campaigns.id = line.lead_campaign_id
JOIN accounts ON accounts.id = campaigns.account_id
CROSS JOIN LATERAL lead_facts(line.lead_number || line.lead_alternate_numbers, campaigns.account_id,
                              CASE WHEN campaigns.rotation = 'sticky' THEN campaigns.id END) AS facts
WHERE line.lead_id = :lead_id;

-- name: write_attempts(openings, account_id, day, queue, node, epoch)$
-- Write the attempts down, move the leads, count the caller IDs; how many attempts there are. The leads are locked by claim_leads.
-- Not opened are calls to a number that somebody else has called since claim_leads looked (see called_meanwhile).
WITH opening AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:openings)
        AS wanted (place integer, attempt_id uuid, lead_id bigint, lead_state lead_state, number text, known_calls integer,
                   pool_number_id bigint, caller_id_number text, caller_id_name text, admitted_by jsonb)
    WHERE NOT called_meanwhile(number, known_calls)
), lead AS (
    UPDATE leads SET state = opening.lead_state, dials = dials + 1, attempts_used = attempts_used + 1
    FROM opening WHERE leads.id = opening.lead_id
    RETURNING leads.id, leads.campaign_id, leads.dials
), used AS (
    UPDATE caller_ids
    SET uses = uses + times,
        turn = last_place + (SELECT max(turn) FROM caller_ids AS pool WHERE pool.campaign_id = caller_ids.campaign_id)
    FROM (SELECT pool_number_id, count(*) AS times, max(place) AS last_place FROM opening GROUP BY pool_number_id) AS shown
    WHERE caller_ids.id = shown.pool_number_id
), used_today AS (
    INSERT INTO caller_id_days (account_id, number, day, uses)
    SELECT :account_id, caller_id_number, :day::date, count(*) FROM opening
    WHERE caller_id_number <> '' GROUP BY caller_id_number
    ORDER BY caller_id_number  -- the order of all who count several
    ON CONFLICT (account_id, number, day) DO UPDATE SET uses = caller_id_days.uses + excluded.uses
), attempt AS (
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, caller_id_name, queue, node, epoch,
                          admitted_by, opened_at)
    SELECT attempt_id, campaign_id, lead_id, dials, number, caller_id_number, caller_id_name, :queue, :node, :epoch,
           admitted_by, now()
    FROM opening JOIN lead ON lead.id = opening.lead_id
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT opened_at, campaign_id, lead_id, id, 'opened', jsonb_build_object('ordinal', ordinal, 'caller_id', caller_id_number)
    FROM attempt
)
SELECT count(*) FROM attempt;

-- name: pass_over(refusals)!
-- The leads may not be called: what that means for each, and why. Its place in the line stays its own.
WITH refusal AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:refusals)
        AS refused (lead_id bigint, lead_state lead_state, rule text, event text, until timestamptz)
), lead AS (
    UPDATE leads
    SET state = refusal.lead_state, not_before = refusal.until, held_by = refusal.rule
    FROM refusal WHERE leads.id = refusal.lead_id
    RETURNING leads.id, leads.campaign_id
)
INSERT INTO activity (at, campaign_id, lead_id, fact, details)
SELECT now(), campaign_id, id, 'passed_over', jsonb_build_object('rule', rule, 'event', event, 'until', until)
FROM lead JOIN refusal ON refusal.lead_id = lead.id;

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
SELECT campaigns.*, lead.*,
       (SELECT count(*) FROM attempts
        WHERE attempts.lead_id = lead.lead_id AND ordinal > lead.lead_dials_at_reset AND outcome = :outcome) + 1 AS alike
FROM ended
JOIN lead_rows AS lead ON lead.lead_id = ended.lead_id
JOIN campaigns ON campaigns.id = lead.lead_campaign_id
FOR NO KEY UPDATE OF lead;

-- name: settle_lead(lead_id, lead_state, counts, not_before, held_by, dead_number, attempt_id, ended_at, outcome, cause, tech_cause, agent)!
-- What the end of its attempt means for the lead.
WITH lead AS (
    UPDATE leads
    SET state = :lead_state, not_before = :not_before, held_by = :held_by, due_at = :ended_at,
        attempts_used = attempts_used - CASE WHEN :counts THEN 0 ELSE 1 END,
        dead_numbers = CASE WHEN :dead_number::text IS NULL THEN dead_numbers ELSE dead_numbers || :dead_number::text END
    WHERE id = :lead_id
    RETURNING id, campaign_id, state, not_before
)
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
SELECT :ended_at, campaign_id, id, :attempt_id, 'ended',
       jsonb_build_object('outcome', :outcome::text, 'cause', :cause::integer, 'tech_cause', :tech_cause::text,
                          'agent', :agent::text, 'lead_state', state, 'not_before', not_before)
FROM lead;

-- name: open_attempts()
SELECT campaigns.*, lead.*,
       attempts.id AS attempt_id, attempts.number AS attempt_number, attempts.queue AS attempt_queue,
       attempts.state AS attempt_state, attempts.caller_id_number, attempts.caller_id_name, attempts.node, attempts.opened_at,
       attempts.ringing_at, attempts.answered_at, attempts.agent_ringing_at, attempts.connected_at, attempts.agent
FROM attempts
JOIN lead_rows AS lead ON lead.lead_id = attempts.lead_id
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
-- Leads whose waiting time is over become due: those that cooled off in the order in which that ended, those that a rule had put
-- off at the place in the line that they had. In batches: at the opening of a window there may be many.
WITH released AS (
    UPDATE leads
    SET state = CASE WHEN state IN ('cooloff', 'voicemail') THEN 'retry' ELSE state END,
        due_at = CASE WHEN state IN ('cooloff', 'voicemail') THEN not_before ELSE due_at END,
        not_before = NULL, held_by = NULL
    WHERE id IN (SELECT id FROM leads WHERE campaign_id = :campaign_id AND not_before <= now()
                 ORDER BY not_before, priority DESC, due_at, id LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
)
SELECT count(*) FROM released;

-- name: judge_anew(campaign_id, since, batch)^
-- Leads that a rule has put off are due again, since the rules have changed. Cool-offs keep their timers. In batches, by their times:
-- how many, and where to go on.
WITH put_off AS MATERIALIZED (
    SELECT id, not_before FROM leads
    WHERE campaign_id = :campaign_id AND not_before >= coalesce(:since::timestamptz, '-infinity')
      AND state IN ('active', 'retry') AND held_by <> 'not_placed'
    ORDER BY not_before LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE leads SET not_before = NULL, held_by = NULL FROM put_off WHERE leads.id = put_off.id
)
SELECT count(*) AS released, max(not_before) AS reached FROM put_off;

-- name: judge_blocked_anew(campaign_id, batch)$
-- Leads that a rule has blocked are due again, too; not those on a do-not-call list. How many.
WITH blocked AS MATERIALIZED (
    SELECT id FROM leads
    WHERE campaign_id = :campaign_id AND state = 'blocked' AND held_by IS NOT NULL AND held_by <> 'dnc'
    LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE leads SET state = 'retry', held_by = NULL FROM blocked WHERE leads.id = blocked.id
)
SELECT count(*) FROM blocked;

-- name: begin_to_judge_anew(campaign_id)!
-- An edit that comes meanwhile asks for it once more.
UPDATE campaigns SET judge_anew = false WHERE id = :campaign_id AND judge_anew;

-- name: waiting_leads(campaign_id)
-- How many leads each rule holds back, and when the first of them is looked at again.
SELECT held_by AS rule, count(*) AS leads, min(not_before) AS until
FROM leads WHERE campaign_id = :campaign_id AND held_by IS NOT NULL
GROUP BY held_by ORDER BY count(*) DESC;
