-- name: create_stage()!
-- Where an upload is laid down before it is judged as a whole. Gone with its transaction.
CREATE TEMPORARY TABLE staged_leads (
    position bigint GENERATED ALWAYS AS IDENTITY,
    number text, first_name text, last_name text, priority integer, ticket_id text, note text, lead_type text, custom jsonb,
    max_attempts integer, cooloff_s integer, cooloff_2nd_s integer, cooloff_3rd_s integer, time_zone text, alternate_numbers text[],
    skill text, extension text
) ON COMMIT DROP;

-- name: analyze_stage()!
-- Nobody else does it for a temporary table, and the plan of what follows depends on its size.
ANALYZE staged_leads;

-- name: analyze_leads()!
-- A daemon whose connections know the table as a small one would go on reading all of it: this makes them plan anew.
ANALYZE leads;

-- name: renew_staged_leads(campaign_id, renewable)^
-- Leads of the campaign that are staged again, and are in one of these states, begin anew with the staged data. Their history stays.
-- What is on a do-not-call list is blocked.
WITH staged AS (
    SELECT DISTINCT ON (number) * FROM staged_leads ORDER BY number, position
), before AS MATERIALIZED (
    SELECT leads.id, leads.state, leads.number
    FROM leads
    WHERE leads.campaign_id = :campaign_id AND leads.state = ANY (:renewable::lead_state[])
      AND leads.number IN (SELECT number FROM staged)
    ORDER BY leads.id  -- the order of all who lock many leads
    FOR NO KEY UPDATE
), listed AS (
    SELECT DISTINCT before.number
    FROM before
    JOIN campaigns ON campaigns.id = :campaign_id
    JOIN dnc_numbers ON dnc_numbers.number = before.number
     AND (dnc_numbers.account_id IS NULL OR dnc_numbers.account_id = campaigns.account_id)
     AND (dnc_numbers.expires_at IS NULL OR dnc_numbers.expires_at > now())
), renewed AS (
    UPDATE leads
    SET first_name = staged.first_name, last_name = staged.last_name, priority = staged.priority, ticket_id = staged.ticket_id,
        note = staged.note, lead_type = staged.lead_type, custom = staged.custom, max_attempts = staged.max_attempts,
        cooloff_s = staged.cooloff_s, cooloff_2nd_s = staged.cooloff_2nd_s, cooloff_3rd_s = staged.cooloff_3rd_s,
        time_zone = staged.time_zone, alternate_numbers = staged.alternate_numbers, skill = staged.skill, extension = staged.extension,
        state = CASE WHEN listed.number IS NULL THEN 'active' ELSE 'blocked' END::lead_state,
        on_dnc_at_import = listed.number IS NOT NULL,
        attempts_used = 0, dead_numbers = '{}', dials_at_reset = dials, not_before = NULL, held_by = NULL, due_at = now(), new_since = now(),
        callback_agent = NULL, result = ''
    FROM before JOIN staged ON staged.number = before.number LEFT JOIN listed ON listed.number = before.number
    WHERE leads.id = before.id
    RETURNING leads.id, leads.number, leads.on_dnc_at_import
), bell AS (
    SELECT pg_notify('dialerd', 'leads') FROM renewed LIMIT 1
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact, details)
    SELECT now(), :campaign_id, before.id, 'renewed', jsonb_build_object('from', before.state)
    FROM before JOIN renewed ON renewed.id = before.id
)
SELECT count(*) AS renewed,
       coalesce(array_agg(number ORDER BY id) FILTER (WHERE on_dnc_at_import), '{}') AS on_dnc,
       (SELECT count(*) FROM bell) AS told
FROM renewed;

-- name: add_staged_leads(campaign_id)^
-- The staged leads become leads of the campaign: the first of each number, and none that the campaign has already.
-- What is on a do-not-call list is stored, and blocked.
WITH listed AS (
    SELECT DISTINCT dnc_numbers.number
    FROM staged_leads
    JOIN dnc_numbers ON dnc_numbers.number = staged_leads.number
    JOIN campaigns ON campaigns.id = :campaign_id
    WHERE (dnc_numbers.account_id IS NULL OR dnc_numbers.account_id = campaigns.account_id)
      AND (dnc_numbers.expires_at IS NULL OR dnc_numbers.expires_at > now())
), added AS (
    INSERT INTO leads (campaign_id, number, first_name, last_name, priority, ticket_id, note, lead_type, custom, max_attempts,
                       cooloff_s, cooloff_2nd_s, cooloff_3rd_s, time_zone, alternate_numbers, skill, extension, state, on_dnc_at_import)
    SELECT :campaign_id, staged.number, first_name, last_name, priority, ticket_id, note, lead_type, custom, max_attempts,
           cooloff_s, cooloff_2nd_s, cooloff_3rd_s, time_zone, alternate_numbers, skill, extension,
           CASE WHEN listed.number IS NULL THEN 'active' ELSE 'blocked' END::lead_state, listed.number IS NOT NULL
    FROM staged_leads AS staged LEFT JOIN listed ON listed.number = staged.number
    ORDER BY staged.position
    ON CONFLICT (campaign_id, number) WHERE state <> 'deleted' DO NOTHING
    RETURNING id, number, on_dnc_at_import
)
SELECT (SELECT count(*) FROM staged_leads) AS staged,
       count(*) AS added,
       coalesce(array_agg(number ORDER BY id) FILTER (WHERE on_dnc_at_import), '{}') AS on_dnc
FROM added;

-- name: uploaded_at(campaign_id, sha256)$
SELECT uploaded_at FROM uploads WHERE campaign_id = :campaign_id AND sha256 = :sha256;

-- name: take_upload(campaign_id, sha256, source, again)$
-- Write down that this content is being uploaded. Nothing comes back if it was before, unless it is to be taken again; who uploads
-- the same at the same time waits here for the other.
INSERT INTO uploads (campaign_id, sha256, source, added) VALUES (:campaign_id, :sha256, :source, 0)
ON CONFLICT (campaign_id, sha256) DO UPDATE SET source = excluded.source, uploaded_at = excluded.uploaded_at WHERE :again
RETURNING uploaded_at;

-- name: count_upload(campaign_id, sha256, added)!
UPDATE uploads SET added = :added WHERE campaign_id = :campaign_id AND sha256 = :sha256;

-- name: note_upload(campaign_id, source, added, renewed, duplicates, on_dnc)!
INSERT INTO activity (at, campaign_id, fact, details)
VALUES (now(), :campaign_id, 'leads_added',
        jsonb_build_object('source', :source::text, 'added', :added::bigint, 'renewed', :renewed::bigint,
                           'duplicates', :duplicates::bigint, 'on_dnc', :on_dnc::bigint));

-- name: list_leads(campaign_id, state, after_id, page)
-- Those that are deleted only if they are asked for.
SELECT * FROM leads
WHERE campaign_id = :campaign_id AND id > :after_id
  AND CASE WHEN :state::lead_state IS NULL THEN state <> 'deleted' ELSE state = :state END
ORDER BY id LIMIT :page;

-- name: get_leads(lead_ids)
SELECT * FROM leads WHERE id = ANY (:lead_ids::bigint[]);

-- name: walk_leads(campaign_id, prefix, below, time_zone, after_id, page)
-- Ids of the campaign's leads by number, as far as they fit, of those whose number begins with the prefix: it is below `below`. So that a
-- rare one costs no more than a common one, 5,000 leads are looked at, and no more: the last of them comes, too, if it does not fit,
-- and the walk goes on after it.
SELECT id, fits, place
FROM (SELECT id, number, row_number() OVER (ORDER BY number) AS place,
             (:time_zone::text IS NULL OR time_zone = :time_zone) IS TRUE AS fits
      FROM (SELECT id, number, time_zone FROM leads
            WHERE campaign_id = :campaign_id AND state <> 'deleted' AND number >= :prefix AND number < :below
              AND number > coalesce((SELECT number FROM leads WHERE id = :after_id), '')
            ORDER BY number LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY number LIMIT :page;

-- name: walk_leads_in_state(campaign_id, state, prefix, below, held_by, time_zone, after_id, page)
-- The same, of those in the state: also of the deleted ones, which may have a number in common.
SELECT id, fits, place
FROM (SELECT id, number, row_number() OVER (ORDER BY number, id) AS place,
             (:held_by::text IS NULL OR held_by = :held_by) IS TRUE
             AND (:time_zone::text IS NULL OR time_zone = :time_zone) IS TRUE AS fits
      FROM (SELECT id, number, held_by, time_zone FROM leads
            WHERE campaign_id = :campaign_id AND state = :state AND number >= :prefix AND number < :below
              AND (number, id) > (coalesce((SELECT number FROM leads WHERE id = :after_id), ''), :after_id)
            ORDER BY number, id LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY number, id LIMIT :page;

-- name: walk_leads_held(campaign_id, held_by, prefix, below, time_zone, after_id, page)
-- The same, of those that the rule holds.
SELECT id, fits, place
FROM (SELECT id, number, row_number() OVER (ORDER BY number, id) AS place,
             state <> 'deleted' AND (:time_zone::text IS NULL OR time_zone = :time_zone) IS TRUE AS fits
      FROM (SELECT id, number, state, time_zone FROM leads
            WHERE campaign_id = :campaign_id AND held_by = :held_by AND number >= :prefix AND number < :below
              AND (number, id) > (coalesce((SELECT number FROM leads WHERE id = :after_id), ''), :after_id)
            ORDER BY number, id LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY number, id LIMIT :page;

-- name: walk_leads_by_name(campaign_id, begins, prefix, state, held_by, time_zone, after_id, page)
-- The same, by name, of those whose whole name begins so.
SELECT id, fits, place
FROM (SELECT id, name, row_number() OVER (ORDER BY name, id) AS place,
             CASE WHEN :state::lead_state IS NULL THEN state <> 'deleted' ELSE state = :state END
             AND starts_with(number, :prefix) AND (:held_by::text IS NULL OR held_by = :held_by) IS TRUE
             AND (:time_zone::text IS NULL OR time_zone = :time_zone) IS TRUE AS fits
      FROM (SELECT id, lower(first_name || ' ' || last_name) COLLATE "C" AS name, number, state, held_by, time_zone FROM leads
            WHERE campaign_id = :campaign_id AND lower(first_name || ' ' || last_name) COLLATE "C" < lower(:begins) || chr(1114111)
              AND (lower(first_name || ' ' || last_name) COLLATE "C", id)
                  > (coalesce((SELECT lower(first_name || ' ' || last_name) FROM leads WHERE id = :after_id), lower(:begins)), :after_id)
            ORDER BY lower(first_name || ' ' || last_name) COLLATE "C", id LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY name, id LIMIT :page;

-- name: walk_leads_by_last_name(campaign_id, begins, prefix, state, held_by, time_zone, after_id, page)
-- The same, of those whose last name begins so, and the whole name does not.
SELECT id, fits, place
FROM (SELECT id, name, row_number() OVER (ORDER BY name, id) AS place,
             CASE WHEN :state::lead_state IS NULL THEN state <> 'deleted' ELSE state = :state END
             AND starts_with(number, :prefix) AND (:held_by::text IS NULL OR held_by = :held_by) IS TRUE
             AND (:time_zone::text IS NULL OR time_zone = :time_zone) IS TRUE
             AND NOT starts_with(lower(first_name || ' ' || last_name), lower(:begins)) AS fits
      FROM (SELECT id, lower(last_name) COLLATE "C" AS name, number, first_name, last_name, state, held_by, time_zone FROM leads
            WHERE campaign_id = :campaign_id AND last_name <> '' AND lower(last_name) COLLATE "C" < lower(:begins) || chr(1114111)
              AND (lower(last_name) COLLATE "C", id)
                  > (coalesce((SELECT lower(last_name) FROM leads WHERE id = :after_id), lower(:begins)), :after_id)
            ORDER BY lower(last_name) COLLATE "C", id LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY name, id LIMIT :page;

-- name: custom_names(campaign_id, state)$
-- What the leads' own fields are called, in alphabetical order.
SELECT coalesce(array_agg(DISTINCT name ORDER BY name), '{}')
FROM leads CROSS JOIN LATERAL jsonb_object_keys(custom) AS name
WHERE campaign_id = :campaign_id AND custom <> '{}'
  AND CASE WHEN :state::lead_state IS NULL THEN state <> 'deleted' ELSE state = :state END;

-- name: get_lead(lead_id)^
SELECT * FROM leads WHERE id = :lead_id;

-- name: count_leads(campaign_id)$
SELECT coalesce(lead_counts(:campaign_id), '{}');

-- name: sum_up_tallies()!
SELECT sum_up_lead_tallies();

-- name: ids_of_leads(campaign_id, state)$
SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM leads WHERE campaign_id = :campaign_id AND state = :state;

-- name: reset_leads(lead_ids)$
-- Back to the start, whatever they have gone through; not while one is being called, nor once it is deleted. Attempts and activity
-- stay. How many.
WITH before AS MATERIALIZED (
    SELECT id, campaign_id, state FROM leads
    WHERE id = ANY (:lead_ids::bigint[]) AND state NOT IN ('dialing', 'ringing', 'answered', 'deleted')
    ORDER BY id FOR NO KEY UPDATE
), reset AS (
    UPDATE leads
    SET state = 'active', attempts_used = 0, dead_numbers = '{}', dials_at_reset = dials, not_before = NULL, held_by = NULL, due_at = now(),
        new_since = now(), callback_agent = NULL, result = ''
    FROM before WHERE leads.id = before.id
    RETURNING leads.id
), bell AS (
    SELECT pg_notify('dialerd', 'leads') FROM reset LIMIT 1
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact, details)
    SELECT now(), campaign_id, id, 'reset', jsonb_build_object('from', state) FROM before
)
SELECT (SELECT count(*) FROM reset) FROM (SELECT count(*) FROM bell) AS told;

-- name: delete_leads(lead_ids)$
-- Off the list; not while one is being called. Attempts and activity stay. How many.
WITH before AS MATERIALIZED (
    SELECT id, campaign_id, state FROM leads
    WHERE id = ANY (:lead_ids::bigint[]) AND state NOT IN ('dialing', 'ringing', 'answered', 'deleted')
    ORDER BY id FOR NO KEY UPDATE
), deleted AS (
    UPDATE leads SET state = 'deleted', not_before = NULL, held_by = NULL
    FROM before WHERE leads.id = before.id
    RETURNING leads.id
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact, details)
    SELECT now(), campaign_id, id, 'deleted', jsonb_build_object('from', state) FROM before
)
SELECT count(*) FROM deleted;
