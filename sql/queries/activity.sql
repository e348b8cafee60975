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

-- name: page_of_campaign(campaign_id, before, before_id, page)
-- The newest first.
SELECT * FROM activity WHERE campaign_id = :campaign_id AND at <= :before AND (at, id) < (:before, :before_id)
ORDER BY at DESC, id DESC LIMIT :page;

-- name: page_of_lead(lead_id, after_id, page)
SELECT * FROM activity WHERE lead_id = :lead_id AND id > :after_id ORDER BY id LIMIT :page;

-- name: call_log(campaign_id, after, after_id, page)
-- Ids, the oldest first.
SELECT id FROM attempts WHERE campaign_id = :campaign_id AND (opened_at, id) > (:after, :after_id) ORDER BY opened_at, id LIMIT :page;

-- name: get_calls(attempt_ids)
-- An agent is called as among the users, else as the queue says.
SELECT calls.*,
       (SELECT trim(first_name || ' ' || last_name) FROM leads WHERE leads.id = calls.lead_id) AS lead_name,
       coalesce((SELECT nullif(name, '') FROM users
                 WHERE users.account_id = calls.account_id AND users.agent = calls.agent AND users.agent <> '' AND NOT disabled),
                (SELECT nullif(name, '') FROM pbx_agents WHERE interface = calls.agent AND pbx_agents.queue = calls.queue LIMIT 1))
           AS agent_name
FROM logged_calls AS calls WHERE attempt_id = ANY (:attempt_ids::uuid[]);

-- name: last_lines(lead_ids)
-- When something last happened to each of these leads.
SELECT lead_id, last.at FROM unnest(:lead_ids::bigint[]) AS leads (lead_id)
CROSS JOIN LATERAL (SELECT at FROM activity WHERE activity.lead_id = leads.lead_id ORDER BY id DESC LIMIT 1) AS last;

-- name: walk_calls_of_lead(account_id, lead_id, campaign_id, number, agent, outcome, disposition, since, before, before_id, page)
-- Ids of the account's attempts, the newest first, as far as they fit: these of one lead. At most 5,000 are looked at: see walk_leads.
SELECT id, opened_at, fits, place
FROM (SELECT id, opened_at, row_number() OVER (ORDER BY opened_at DESC, id DESC) AS place,
             (:campaign_id::bigint IS NULL OR campaign_id = :campaign_id)
             AND (:number::text IS NULL OR number = :number)
             AND (:agent::text IS NULL OR agent = :agent) IS TRUE
             AND (:outcome::outcome IS NULL OR outcome = :outcome) IS TRUE
             AND (:disposition::text IS NULL OR disposition = :disposition) IS TRUE
             AND campaign_id IN (SELECT campaigns.id FROM campaigns WHERE account_id = :account_id) AS fits
      FROM (SELECT id, opened_at, campaign_id, number, agent, outcome, disposition FROM attempts
            WHERE lead_id = :lead_id AND opened_at >= :since AND opened_at <= :before AND (opened_at, id) < (:before, :before_id)
            ORDER BY opened_at DESC, id DESC LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY opened_at DESC, id DESC LIMIT :page;

-- name: walk_calls_of_number(account_id, number, campaign_id, agent, outcome, disposition, since, before, before_id, page)
-- The same, to one number.
SELECT id, opened_at, fits, place
FROM (SELECT id, opened_at, row_number() OVER (ORDER BY opened_at DESC, id DESC) AS place,
             (:campaign_id::bigint IS NULL OR campaign_id = :campaign_id)
             AND (:agent::text IS NULL OR agent = :agent) IS TRUE
             AND (:outcome::outcome IS NULL OR outcome = :outcome) IS TRUE
             AND (:disposition::text IS NULL OR disposition = :disposition) IS TRUE
             AND campaign_id IN (SELECT campaigns.id FROM campaigns WHERE account_id = :account_id) AS fits
      FROM (SELECT id, opened_at, campaign_id, agent, outcome, disposition FROM attempts
            WHERE number = :number AND opened_at >= :since AND opened_at <= :before AND (opened_at, id) < (:before, :before_id)
            ORDER BY opened_at DESC, id DESC LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY opened_at DESC, id DESC LIMIT :page;

-- name: walk_calls_of_agent(account_id, agent, campaign_id, outcome, disposition, since, before, before_id, page)
-- The same, of one agent.
SELECT id, opened_at, fits, place
FROM (SELECT id, opened_at, row_number() OVER (ORDER BY opened_at DESC, id DESC) AS place,
             (:campaign_id::bigint IS NULL OR campaign_id = :campaign_id)
             AND (:outcome::outcome IS NULL OR outcome = :outcome) IS TRUE
             AND (:disposition::text IS NULL OR disposition = :disposition) IS TRUE
             AND campaign_id IN (SELECT campaigns.id FROM campaigns WHERE account_id = :account_id) AS fits
      FROM (SELECT id, opened_at, campaign_id, outcome, disposition FROM attempts
            WHERE agent = :agent AND opened_at >= :since AND opened_at <= :before AND (opened_at, id) < (:before, :before_id)
            ORDER BY opened_at DESC, id DESC LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY opened_at DESC, id DESC LIMIT :page;

-- name: walk_calls_of_campaign(account_id, campaign_id, outcome, disposition, since, before, before_id, page)
-- The same, of one campaign.
SELECT id, opened_at, fits, place
FROM (SELECT id, opened_at, row_number() OVER (ORDER BY opened_at DESC, id DESC) AS place,
             (:outcome::outcome IS NULL OR outcome = :outcome) IS TRUE
             AND (:disposition::text IS NULL OR disposition = :disposition) IS TRUE
             AND campaign_id IN (SELECT campaigns.id FROM campaigns WHERE account_id = :account_id) AS fits
      FROM (SELECT id, opened_at, campaign_id, outcome, disposition FROM attempts
            WHERE campaign_id = :campaign_id AND opened_at >= :since AND opened_at <= :before AND (opened_at, id) < (:before, :before_id)
            ORDER BY opened_at DESC, id DESC LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY opened_at DESC, id DESC LIMIT :page;

-- name: walk_calls(account_id, outcome, disposition, since, before, before_id, page)
-- The same, of all. Others' are looked at, too.
SELECT id, opened_at, fits, place
FROM (SELECT id, opened_at, moment, row_number() OVER (ORDER BY moment DESC, id DESC) AS place,
             (:outcome::outcome IS NULL OR outcome = :outcome) IS TRUE
             AND (:disposition::text IS NULL OR disposition = :disposition) IS TRUE
             AND campaign_id IN (SELECT campaigns.id FROM campaigns WHERE account_id = :account_id) AS fits
      FROM (SELECT id, opened_at, opened_at AT TIME ZONE 'UTC' AS moment, campaign_id, outcome, disposition FROM attempts
            WHERE opened_at AT TIME ZONE 'UTC' >= :since::timestamptz AT TIME ZONE 'UTC'
              AND opened_at AT TIME ZONE 'UTC' <= :before::timestamptz AT TIME ZONE 'UTC'
              AND (opened_at AT TIME ZONE 'UTC', id) < (:before::timestamptz AT TIME ZONE 'UTC', :before_id)
            ORDER BY opened_at AT TIME ZONE 'UTC' DESC, id DESC LIMIT 5000) AS looked_at) AS judged
WHERE fits OR place = 5000
ORDER BY moment DESC, id DESC LIMIT :page;
