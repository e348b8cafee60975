-- name: create_stage()!
-- Where an upload is laid down before it is judged as a whole. Gone with its transaction.
CREATE TEMPORARY TABLE staged_leads (
    position bigint GENERATED ALWAYS AS IDENTITY,
    number text, first_name text, last_name text, priority integer, ticket_id text, note text, lead_type text, custom jsonb,
    max_attempts integer, cooloff_s integer, cooloff_2nd_s integer, cooloff_3rd_s integer
) ON COMMIT DROP;

-- name: add_staged_leads(campaign_id)^
-- The staged leads become leads of the campaign: the first of each number, and none that the campaign has already.
-- What is on a do-not-call list is stored, and blocked.
WITH listed AS (
    SELECT DISTINCT dnc_numbers.number
    FROM staged_leads
    JOIN dnc_numbers ON dnc_numbers.number = staged_leads.number
    JOIN campaigns ON campaigns.id = :campaign_id
    WHERE dnc_numbers.account_id IS NULL OR dnc_numbers.account_id = campaigns.account_id
), added AS (
    INSERT INTO leads (campaign_id, number, first_name, last_name, priority, ticket_id, note, lead_type, custom, max_attempts,
                       cooloff_s, cooloff_2nd_s, cooloff_3rd_s, state, on_dnc_at_import)
    SELECT :campaign_id, staged.number, first_name, last_name, priority, ticket_id, note, lead_type, custom, max_attempts,
           cooloff_s, cooloff_2nd_s, cooloff_3rd_s,
           CASE WHEN listed.number IS NULL THEN 'active' ELSE 'blocked' END::lead_state, listed.number IS NOT NULL
    FROM staged_leads AS staged LEFT JOIN listed ON listed.number = staged.number
    ORDER BY staged.position
    ON CONFLICT (campaign_id, number) DO NOTHING
    RETURNING number, on_dnc_at_import
)
SELECT (SELECT count(*) FROM staged_leads) AS staged,
       count(*) AS added,
       coalesce(array_agg(number) FILTER (WHERE on_dnc_at_import), '{}') AS on_dnc
FROM added;

-- name: note_upload(campaign_id, source, added, duplicates, on_dnc)!
INSERT INTO activity (at, campaign_id, fact, details)
VALUES (now(), :campaign_id, 'leads_added',
        jsonb_build_object('source', :source::text, 'added', :added::bigint, 'duplicates', :duplicates::bigint, 'on_dnc', :on_dnc::bigint));

-- name: list_leads(campaign_id, state, after_id, page)
SELECT * FROM leads
WHERE campaign_id = :campaign_id AND id > :after_id AND (:state::lead_state IS NULL OR state = :state)
ORDER BY id LIMIT :page;

-- name: get_lead(lead_id)^
SELECT * FROM leads WHERE id = :lead_id;

-- name: count_leads(campaign_id)
SELECT state, count(*) AS leads FROM leads WHERE campaign_id = :campaign_id GROUP BY state;

-- name: reset_lead(lead_id)^
-- Back to the start, whatever it has gone through; not while it is being called. Attempts and activity stay.
WITH before AS (
    SELECT * FROM leads WHERE id = :lead_id AND state NOT IN ('dialing', 'ringing', 'answered') FOR NO KEY UPDATE
), lead AS (
    UPDATE leads SET state = 'active', attempts_used = 0, not_before = NULL, held_by = NULL, due_at = now()
    FROM before WHERE leads.id = before.id
    RETURNING leads.*
), bell AS (
    SELECT pg_notify('dialerd', 'leads') FROM lead
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact, details)
    SELECT now(), campaign_id, id, 'reset', jsonb_build_object('from', state) FROM before
)
SELECT lead.* FROM lead, bell;
