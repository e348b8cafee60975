-- name: last_talk(agent, attempt_id, account_id)^
-- The newest of the agent, whether it is over or not; or the one that is named. NULL: of any account.
SELECT campaigns.*, lead.*,
       attempts.id AS attempt_id, attempts.ordinal AS attempt_ordinal, attempts.number AS attempt_number,
       attempts.outcome AS attempt_outcome, attempts.menu_result AS attempt_menu_result, attempts.connected_at AS attempt_connected_at,
       attempts.ended_at AS attempt_ended_at, attempts.disposition AS attempt_disposition, attempts.note AS attempt_note,
       attempts.callback_at AS attempt_callback_at, attempts.callback_agent AS attempt_callback_agent,
       attempts.disposed_by AS attempt_disposed_by, attempts.gave_attempt
FROM attempts
JOIN lead_rows AS lead ON lead.lead_id = attempts.lead_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.agent = :agent AND attempts.connected_at IS NOT NULL
  AND attempts.id = coalesce(:attempt_id, attempts.id) AND campaigns.account_id = coalesce(:account_id, campaigns.account_id)
ORDER BY attempts.connected_at DESC LIMIT 1;

-- name: campaign_of_attempt(attempt_id)$
SELECT campaign_id FROM attempts WHERE id = :attempt_id;

-- name: lock_attempt(attempt_id)$
-- Whoever closes it waits, or is waited for: what is said is applied once.
SELECT id FROM attempts WHERE id = :attempt_id FOR NO KEY UPDATE;

-- name: talk(attempt_id)^
-- With its lead, locked.
SELECT campaigns.*, lead.*, now() AS now,
       attempts.id AS attempt_id, attempts.ordinal AS attempt_ordinal, attempts.number AS attempt_number,
       attempts.outcome AS attempt_outcome, attempts.menu_result AS attempt_menu_result, attempts.connected_at AS attempt_connected_at,
       attempts.ended_at AS attempt_ended_at, attempts.disposition AS attempt_disposition, attempts.note AS attempt_note,
       attempts.callback_at AS attempt_callback_at, attempts.callback_agent AS attempt_callback_agent,
       attempts.disposed_by AS attempt_disposed_by, attempts.gave_attempt,
       EXISTS (SELECT FROM crm_sources WHERE crm_sources.campaign_id = campaigns.id) AS has_crm_source
FROM attempts
JOIN lead_rows AS lead ON lead.lead_id = attempts.lead_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
WHERE attempts.id = :attempt_id
FOR NO KEY UPDATE OF lead;

-- name: keep(attempt_id, disposition, note, callback_at, callback_agent, by)!
UPDATE attempts
SET disposition = :disposition, note = :note, callback_at = :callback_at, callback_agent = :callback_agent, disposed_by = :by,
    disposed_at = now()
WHERE id = :attempt_id;

-- name: move_lead(lead_id, lead_state, not_before, held_by, result, callback_agent, max_attempts)!
UPDATE leads
SET state = :lead_state, not_before = :not_before, held_by = :held_by, result = :result, callback_agent = :callback_agent,
    max_attempts = :max_attempts
WHERE id = :lead_id;

-- name: note_disposition(attempt_id, disposition, by, not_before, lead_state)!
INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
SELECT now(), campaign_id, lead_id, id, 'disposed',
       jsonb_build_object('disposition', :disposition::text, 'by', :by::text, 'not_before', :not_before::timestamptz,
                          'lead_state', :lead_state::lead_state)
FROM attempts WHERE id = :attempt_id;
