-- name: write_attempts(openings, account_id, day, queue, flow, node, epoch, trunk)$
-- Write the attempts down, move the leads, count the caller IDs; how many attempts there are. The leads are locked by claim_leads.
-- Not opened are calls to a number that somebody else has called since claim_leads looked (see called_meanwhile). None is, and nothing
-- may stay written, where others have used up a shown number's day meanwhile: who counts it waits for whoever has counted it before.
WITH opening AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(:openings)
        AS wanted (place integer, attempt_id uuid, lead_id bigint, lead_state lead_state, number text, known_calls integer,
                   pool_number_id bigint, caller_id_number text, caller_id_name text, admitted_by jsonb, state attempt_state,
                   wanted_agent text, kept_leg uuid, agent text, recording text)
    WHERE NOT called_meanwhile(number, known_calls)
), lead AS (
    UPDATE leads
    SET state = opening.lead_state, dials = dials + 1, attempts_used = attempts_used + 1, not_before = NULL, held_by = NULL,
        callback_agent = NULL
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
    RETURNING number, uses
), attempt AS (
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, caller_id_name, queue, node, epoch,
                          admitted_by, opened_at, flow, state, wanted_agent, kept_leg, agent, recording, trunk)
    SELECT attempt_id, campaign_id, lead_id, dials, number, caller_id_number, caller_id_name, :queue, :node, :epoch,
           admitted_by, now(), :flow, state, wanted_agent, kept_leg, agent, recording, :trunk
    FROM opening JOIN lead ON lead.id = opening.lead_id
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT opened_at, campaign_id, lead_id, id, 'opened', jsonb_build_object('ordinal', ordinal, 'caller_id', caller_id_number, 'trunk', trunk)
    FROM attempt
)
SELECT count(*) FROM attempt
WHERE NOT EXISTS (SELECT FROM opening JOIN caller_ids ON caller_ids.id = pool_number_id JOIN used_today ON used_today.number = caller_id_number
                  WHERE used_today.uses > daily_cap);

-- name: record_progress(attempt_id, state, lead_state, ringing_at, answered_at, agent_ringing_at, connected_at, agent, wanted_agent, answered_by, waiting_since, menu_node, menu_result, trunk)!
-- Forward only: a row that is further, or ended, is left alone. A line of activity for each thing that had not happened before.
-- The order of the enums is the order of a call's life.
WITH before AS (
    SELECT * FROM attempts WHERE id = :attempt_id AND ended_at IS NULL AND state <= :state FOR UPDATE
), attempt AS (
    UPDATE attempts
    SET state = :state, agent = :agent, wanted_agent = :wanted_agent, menu_node = :menu_node, menu_result = :menu_result,
        trunk = :trunk,
        answered_by = coalesce(attempts.answered_by, :answered_by),
        waiting_since = coalesce(attempts.waiting_since, :waiting_since),
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
    (before.state <> 'message' AND attempt.state = 'message', now(), 'message', '{}'),
    (attempt.menu_result <> before.menu_result, now(), 'menu_choice',
     jsonb_build_object('node', attempt.menu_node, 'result', attempt.menu_result)),
    (before.connected_at IS NULL, attempt.connected_at, 'connected', jsonb_build_object('agent', attempt.agent))
) AS line (is_new, at, fact, details)
WHERE line.is_new AND line.at IS NOT NULL;

-- name: end_attempt(attempt_id, outcome, ended_at, ringing_at, answered_at, agent_ringing_at, connected_at, agent, cause, tech_cause, answered_by, waiting_since, menu_node, menu_result, trunk)^
-- End an attempt that is still open, and lock its lead; no row means that somebody else has ended it. An end that lies before the
-- beginning, or in the future, by more than clocks may differ, was told by one that is wrong: a cool-off would be too short by it, or
-- too long. It is now, then.
WITH ended AS (
    UPDATE attempts
    SET state = 'ended', outcome = :outcome,
        ended_at = CASE WHEN :ended_at BETWEEN opened_at - interval '5 seconds' AND now() + interval '5 seconds'
                        THEN :ended_at ELSE now() END,
        agent = :agent, cause = :cause, tech_cause = :tech_cause,
        ringing_at = coalesce(ringing_at, :ringing_at), answered_at = coalesce(answered_at, :answered_at),
        agent_ringing_at = coalesce(agent_ringing_at, :agent_ringing_at), connected_at = coalesce(connected_at, :connected_at),
        answered_by = coalesce(answered_by, :answered_by), waiting_since = coalesce(waiting_since, :waiting_since),
        menu_node = :menu_node, menu_result = :menu_result, trunk = :trunk
    WHERE id = :attempt_id AND ended_at IS NULL
    RETURNING *
)
SELECT campaigns.*, lead.*, to_jsonb(accounts) AS account,
       ended.id AS attempt_id, ended.node AS attempt_node, ended.recording AS attempt_recording, ended.ordinal AS attempt_ordinal,
       ended.number AS attempt_number, ended.outcome AS attempt_outcome, ended.menu_result AS attempt_menu_result,
       ended.connected_at AS attempt_connected_at, ended.ended_at AS attempt_ended_at, ended.disposition AS attempt_disposition,
       ended.note AS attempt_note, ended.callback_at AS attempt_callback_at, ended.callback_agent AS attempt_callback_agent,
       ended.disposed_by AS attempt_disposed_by,
       EXISTS (SELECT FROM crm_sources WHERE crm_sources.campaign_id = campaigns.id) AS has_crm_source,
       (SELECT count(*) FROM attempts
        WHERE attempts.lead_id = lead.lead_id AND ordinal > lead.lead_dials_at_reset AND outcome = :outcome) + 1 AS alike
FROM ended
JOIN lead_rows AS lead ON lead.lead_id = ended.lead_id
JOIN campaigns ON campaigns.id = lead.lead_campaign_id
JOIN accounts ON accounts.id = campaigns.account_id
FOR NO KEY UPDATE OF lead;

-- name: settle_lead(lead_id, lead_state, counts, not_before, held_by, dead_number, result, callback_agent, one_more, attempt_id, ended_at, outcome, cause, tech_cause, agent)!
-- What the end of its attempt means for the lead.
WITH lead AS (
    UPDATE leads
    SET state = :lead_state, not_before = :not_before, held_by = :held_by, due_at = :ended_at,
        attempts_used = attempts_used - CASE WHEN :counts THEN 0 ELSE 1 END,
        dead_numbers = CASE WHEN :dead_number::text IS NULL THEN dead_numbers ELSE dead_numbers || :dead_number::text END,
        result = coalesce(nullif(:result, ''), result), callback_agent = :callback_agent,
        max_attempts = CASE WHEN :one_more THEN attempts_used + 1 ELSE max_attempts END
    WHERE id = :lead_id
    RETURNING id, campaign_id, state, not_before
)
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
SELECT :ended_at, campaign_id, id, :attempt_id, 'ended',
       jsonb_build_object('outcome', :outcome::text, 'cause', :cause::integer, 'tech_cause', :tech_cause::text,
                          'agent', :agent::text, 'lead_state', state, 'not_before', not_before)
FROM lead;

-- name: gave_attempt(attempt_id, gave)!
-- A callback that was agreed in it has given the lead one attempt more, or no longer does.
UPDATE attempts SET gave_attempt = :gave WHERE id = :attempt_id;

-- name: count_answer(attempt_id, campaign_id, period_start, in_time, abandoned)!
-- Into the ledger of the period, and beside the call itself.
WITH counted AS (
    UPDATE attempts SET in_time = :in_time, abandoned = :abandoned WHERE id = :attempt_id
)
INSERT INTO abandonment AS ledger (campaign_id, period_start, answered, in_time, abandoned)
VALUES (:campaign_id, :period_start, 1, :in_time::boolean::integer, :abandoned::boolean::integer)
ON CONFLICT (campaign_id, period_start) DO UPDATE
SET answered = ledger.answered + 1, in_time = ledger.in_time + excluded.in_time, abandoned = ledger.abandoned + excluded.abandoned;

-- name: expect_recording(attempt_id, node, name, recorded_at)!
-- Asterisk has one of this call; it is still to be looked at.
INSERT INTO recordings (attempt_id, node, name, recorded_at) VALUES (:attempt_id, :node, :name, :recorded_at)
ON CONFLICT (attempt_id) DO NOTHING;

-- name: withdraw_cards(attempt_id, lead_id)!
-- The call is over: nobody is to accept its card any more.
UPDATE offers SET state = 'withdrawn', answered_at = now(), noticed = true
WHERE lead_id = :lead_id AND attempt_id = :attempt_id AND state = 'open';

-- name: lock_prepared(attempt_id)^
-- An attempt whose lead has not been dialed, of a campaign that may dial. Whoever halts the campaign waits until the row says
-- that the lead is dialed, or the lead is not dialed at all.
SELECT attempts.lead_id, attempts.number
FROM attempts JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.id = :attempt_id AND attempts.state = 'preparing' AND campaigns.status = 'running'
FOR KEY SHARE OF campaigns FOR NO KEY UPDATE OF attempts;

-- name: note_call_of_offer(offer_id, attempt_id)!
UPDATE offers SET attempt_id = :attempt_id WHERE id = :offer_id;

-- name: begin_dialing(attempt_id)!
UPDATE attempts SET state = 'dialing' WHERE id = :attempt_id;

-- name: whose_attempt(attempt_id)^
-- With the lead as it is, locked.
SELECT attempts.number AS attempt_number, campaigns.account_id, campaigns.id AS campaign_id, lead.*
FROM attempts
JOIN lead_rows AS lead ON lead.lead_id = attempts.lead_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.id = :attempt_id
FOR NO KEY UPDATE OF lead;

-- name: opt_lead_out(lead_id, lead_state, attempt_id, at)!
-- By a key that was pressed in the attempt. A lead that cannot move (NULL) is left where it is: the list says the rest.
WITH lead AS (
    UPDATE leads SET state = :lead_state, not_before = NULL, held_by = 'dnc', callback_agent = NULL
    WHERE id = :lead_id AND :lead_state::lead_state IS NOT NULL
)
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact)
SELECT :at, campaign_id, id, :attempt_id, 'opted_out' FROM leads WHERE id = :lead_id;

-- name: open_attempts()
SELECT campaigns.*, lead.*,
       attempts.id AS attempt_id, attempts.number AS attempt_number, attempts.queue AS attempt_queue,
       attempts.state AS attempt_state, attempts.caller_id_number, attempts.caller_id_name, attempts.node, attempts.opened_at,
       attempts.ringing_at, attempts.answered_at, attempts.agent_ringing_at, attempts.connected_at, attempts.agent,
       attempts.flow AS attempt_flow, attempts.wanted_agent, attempts.kept_leg, attempts.answered_by, attempts.waiting_since,
       attempts.menu_node, attempts.menu_result, attempts.recording AS attempt_recording, attempts.trunk AS attempt_trunk,
       CASE WHEN attempts.flow = 'menu' THEN
            (SELECT menus.menu FROM menus WHERE menus.account_id = campaigns.account_id AND menus.name = campaigns.menu)
       END AS voice_menu,
       (SELECT jsonb_agg(jsonb_build_array(offers.ordinal, offers.agent, CASE WHEN noticed THEN offers.state ELSE 'open' END)
                         ORDER BY offers.ordinal)
        FROM offers WHERE offers.lead_id = attempts.lead_id AND offers.attempt_id = attempts.id) AS cards
FROM attempts
JOIN lead_rows AS lead ON lead.lead_id = attempts.lead_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.ended_at IS NULL
ORDER BY attempts.opened_at;

-- name: put_back_attempt(attempt_id, campaign_id, lead_id, number, flow, state, opened_at, queue, caller_id_number, caller_id_name, trunk, recording, kept_leg, node)$
-- An attempt that was made, and that a database which has lost its newest rows may know nothing of. The lead has lost its dial
-- together with it, so the ordinal is the same again.
WITH lead AS (
    UPDATE leads
    SET state = 'dialing', dials = dials + 1, attempts_used = attempts_used + 1, not_before = NULL, held_by = NULL,
        callback_agent = NULL
    WHERE id = :lead_id AND campaign_id = :campaign_id AND state <> 'deleted' AND :number = ANY (number || alternate_numbers)
      AND NOT EXISTS (SELECT FROM attempts WHERE attempts.id = :attempt_id)
    RETURNING id, campaign_id, dials
), attempt AS (
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, caller_id_name, queue, node, epoch,
                          admitted_by, opened_at, flow, state, kept_leg, recording, trunk)
    SELECT :attempt_id, lead.campaign_id, lead.id, lead.dials, :number, :caller_id_number, :caller_id_name, :queue, :node,
           campaigns.epoch, '{"put_back": true}', :opened_at, :flow, :state, :kept_leg, :recording, :trunk
    FROM lead JOIN campaigns ON campaigns.id = lead.campaign_id
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT opened_at, campaign_id, lead_id, id, 'opened',
           jsonb_build_object('ordinal', ordinal, 'caller_id', caller_id_number, 'put_back', true)
    FROM attempt
)
SELECT CASE WHEN EXISTS (SELECT FROM attempts WHERE id = :attempt_id) THEN 'known'
            WHEN EXISTS (SELECT FROM attempt) THEN 'put_back'
            ELSE 'no_lead' END;

-- name: take_over_attempts(node, gone, silent_for, give_up_after)$
-- Attempts in flight of daemons that are gone, or have been silent for so long, become this node's. How many. Those on another
-- Asterisk cannot be looked for, and may still talk: they are left alone for far longer.
WITH lost AS MATERIALIZED (
    SELECT other.id FROM nodes AS me JOIN nodes AS other ON other.id <> me.id
    WHERE me.id = :node
      AND (other.heartbeat_at <= now() - :give_up_after::interval
        OR (other.pbx = me.pbx AND me.pbx <> ''
            AND (other.id = ANY(:gone::text[]) OR other.heartbeat_at <= now() - :silent_for::interval)))
), taken AS (
    UPDATE attempts SET node = :node WHERE ended_at IS NULL AND node IN (SELECT id FROM lost)
    RETURNING id
), cards AS (
    UPDATE offers SET node = :node WHERE NOT noticed AND node IN (SELECT id FROM lost)
)
SELECT count(*) FROM taken;

-- name: underway(campaign_id)^
-- The campaign's open attempts, whichever node's, and how long ago the last of all was opened.
SELECT coalesce((SELECT array_agg(id) FROM attempts WHERE campaign_id = :campaign_id AND ended_at IS NULL), '{}') AS open,
       now() - (SELECT max(opened_at) FROM attempts WHERE campaign_id = :campaign_id) AS last_opened_ago;

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
      AND state IN ('active', 'retry') AND held_by NOT IN ('not_placed', 'offered')
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

-- name: due_leads(campaign_id, most)$
SELECT count(*) FROM (
    SELECT FROM leads WHERE campaign_id = :campaign_id AND state IN ('active', 'retry') AND not_before IS NULL LIMIT :most
) AS due;

-- name: waiting_leads(campaign_id)
-- How many leads each rule holds back, and when the first of them is looked at again.
SELECT held ->> 0 AS rule, (held ->> 1)::bigint AS leads, (held ->> 2)::timestamptz AS until
FROM jsonb_array_elements(held_counts(:campaign_id)) AS held;
