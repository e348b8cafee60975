-- name: cards(agent, account_id, after, page)
-- The card that lies before the agent, while there is time for it; NULL: those before all agents, of all accounts.
SELECT offers.*, campaigns.queue, campaigns.name AS campaign_name,
       CASE WHEN campaigns.mask_lead_caller_id THEN '' ELSE coalesce(attempts.number, leads.number) END AS number,
       leads.first_name, leads.last_name, leads.ticket_id, leads.note, leads.lead_type, leads.custom,
       leads.attempts_used - CASE WHEN attempts.ended_at IS NULL AND attempts.id IS NOT NULL THEN 1 ELSE 0 END AS attempts_used,
       last.outcome AS last_outcome, last.disposition AS last_disposition
FROM offers
JOIN campaigns ON campaigns.id = offers.campaign_id
JOIN leads ON leads.id = offers.lead_id
LEFT JOIN attempts ON attempts.id = offers.attempt_id
LEFT JOIN LATERAL (
    SELECT outcome, disposition FROM attempts AS earlier
    WHERE earlier.lead_id = leads.id AND earlier.ended_at IS NOT NULL AND earlier.outcome <> 'not_placed'
    ORDER BY ordinal DESC LIMIT 1
) AS last ON true
WHERE offers.agent = coalesce(:agent, offers.agent) AND offers.state = 'open' AND offers.expires_at > now()
  AND campaigns.account_id = coalesce(:account_id, campaigns.account_id) AND offers.agent > :after
ORDER BY offers.agent LIMIT :page;

-- name: accept(agent, offer_id, account_id)^
-- The card that the agent has seen, of the account; NULL: whichever lies there.
WITH accepted AS (
    UPDATE offers SET state = 'accepted', answered_at = now()
    FROM campaigns
    WHERE campaigns.id = offers.campaign_id AND campaigns.account_id = coalesce(:account_id, campaigns.account_id)
      AND agent = :agent AND state = 'open' AND expires_at > now() AND offers.id = coalesce(:offer_id, offers.id)
    RETURNING offers.*
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT now(), campaign_id, lead_id, attempt_id, 'accepted', jsonb_build_object('agent', agent) FROM accepted
)
SELECT accepted.*, campaigns.queue FROM accepted JOIN campaigns ON campaigns.id = accepted.campaign_id;

-- name: skip(agent, offer_id, account_id)^
WITH skipped AS (
    UPDATE offers SET state = 'skipped', answered_at = now()
    FROM campaigns
    WHERE campaigns.id = offers.campaign_id AND campaigns.account_id = coalesce(:account_id, campaigns.account_id)
      AND agent = :agent AND state = 'open' AND expires_at > now() AND offers.id = coalesce(:offer_id, offers.id)
    RETURNING offers.*
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT now(), campaign_id, lead_id, attempt_id, 'skipped', jsonb_build_object('agent', agent) FROM skipped
)
SELECT skipped.*, campaigns.queue FROM skipped JOIN campaigns ON campaigns.id = skipped.campaign_id;

-- name: agents_with_card(agents)
SELECT agent FROM offers WHERE agent = ANY (:agents::text[]) AND state = 'open';

-- name: declined_by(lead_id)
-- Who has let the card of this lead go since its last call.
SELECT DISTINCT agent FROM offers
WHERE lead_id = :lead_id AND state IN ('skipped', 'lapsed')
  AND offered_at > coalesce((SELECT max(opened_at) FROM attempts WHERE attempts.lead_id = :lead_id), '-infinity');

-- name: lay_card(campaign_id, lead_id, agent, node, lasts, aside)^
-- Of a lead that is dialed once the agent has accepted: it is put aside. Nothing: somebody else has laid a card before the agent.
WITH laid AS (
    INSERT INTO offers (campaign_id, lead_id, agent, node, expires_at)
    VALUES (:campaign_id, :lead_id, :agent, :node, now() + :lasts::interval)
    ON CONFLICT DO NOTHING
    RETURNING *
), lead AS (
    UPDATE leads SET not_before = laid.expires_at + :aside::interval, held_by = 'offered'
    FROM laid WHERE leads.id = laid.lead_id
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact, details)
    SELECT offered_at, campaign_id, lead_id, 'offered', jsonb_build_object('agent', agent) FROM laid
)
SELECT laid.*, campaigns.queue FROM laid JOIN campaigns ON campaigns.id = laid.campaign_id;

-- name: offer_of_call(attempt_id, lead_id, ordinal)^
SELECT offers.*, attempts.queue
FROM offers JOIN attempts ON attempts.id = offers.attempt_id
WHERE offers.lead_id = :lead_id AND offers.attempt_id = :attempt_id AND offers.ordinal = :ordinal AND offers.state = 'open';

-- name: lay_card_of_call(attempt_id, ordinal, agent, node, lasts)^
-- Of a call that is being dialed: whoever ends it waits until the card lies, and takes it away.
WITH call AS (
    SELECT * FROM attempts WHERE id = :attempt_id AND ended_at IS NULL FOR SHARE
), laid AS (
    INSERT INTO offers (campaign_id, lead_id, attempt_id, ordinal, agent, node, expires_at)
    SELECT campaign_id, lead_id, id, :ordinal, :agent, :node, now() + :lasts::interval FROM call
    ON CONFLICT DO NOTHING
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT offered_at, campaign_id, lead_id, attempt_id, 'offered', jsonb_build_object('agent', agent) FROM laid
)
SELECT laid.*, call.queue FROM laid JOIN call ON call.id = laid.attempt_id;

-- name: withdraw(attempt_id, ordinal)!
UPDATE offers SET state = 'withdrawn', answered_at = now(), noticed = true
WHERE lead_id = (SELECT lead_id FROM attempts WHERE id = :attempt_id) AND attempt_id = :attempt_id AND ordinal = :ordinal
  AND state = 'open';

-- name: lapse(node)
-- Cards whose time is over.
WITH lapsed AS (
    UPDATE offers SET state = 'lapsed', answered_at = now()
    WHERE node = :node AND NOT noticed AND state = 'open' AND expires_at <= now()
    RETURNING *
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact, details)
    SELECT now(), campaign_id, lead_id, attempt_id, 'lapsed', jsonb_build_object('agent', agent) FROM lapsed
)
SELECT lapsed.*, campaigns.queue FROM lapsed JOIN campaigns ON campaigns.id = lapsed.campaign_id;

-- name: notice(node)
-- What was answered, or has lapsed, and not been told yet.
WITH told AS (
    UPDATE offers SET noticed = true WHERE node = :node AND NOT noticed AND state <> 'open' RETURNING *
)
SELECT told.*, campaigns.queue FROM told JOIN campaigns ON campaigns.id = told.campaign_id ORDER BY told.answered_at, told.id;

-- name: open_offers(node)
SELECT offers.*, campaigns.queue FROM offers JOIN campaigns ON campaigns.id = offers.campaign_id
WHERE offers.node = :node AND NOT noticed AND offers.state = 'open' ORDER BY offers.id;

-- name: release_leads(lead_ids)!
-- Put aside for a card that came to nothing: due again, behind the others of its priority.
UPDATE leads SET not_before = NULL, held_by = NULL, due_at = now()
WHERE id = ANY (:lead_ids::bigint[]) AND held_by = 'offered' AND state IN ('active', 'retry');

-- name: call_of_agent(agent, account_id)^
-- The call that goes on with the agent, or rings the agent, by a campaign or by a lead who calls back; else the one that the agent is to
-- get, as the card was accepted. NULL: of any account. Of a card that was accepted before the lead was dialed, the call is the first one since.
WITH current AS (
    SELECT id AS attempt_id, lead_id, CASE WHEN connected_at IS NULL THEN 'ringing' ELSE 'talking' END AS stage,
           coalesce(connected_at, agent_ringing_at, opened_at) AS since, false AS calls_back
    FROM attempts WHERE agent = :agent AND ended_at IS NULL
), calling AS (
    SELECT NULL::uuid AS attempt_id, lead_id, stage, since, true AS calls_back
    FROM calling_leads JOIN nodes ON nodes.id = node
    WHERE agent = :agent AND heartbeat_at > now() - interval '15 seconds' AND since > now() - interval '4 hours'
), answer AS (
    SELECT lead_id, answered_at,
           coalesce(attempt_id, (SELECT id FROM attempts WHERE attempts.lead_id = offers.lead_id AND opened_at >= offers.answered_at
                                 ORDER BY ordinal LIMIT 1)) AS attempt_id
    FROM offers WHERE agent = :agent AND state = 'accepted' ORDER BY id DESC LIMIT 1
), awaited AS (
    SELECT answer.attempt_id, answer.lead_id, 'accepted' AS stage, answer.answered_at AS since, false AS calls_back
    FROM answer JOIN leads ON leads.id = answer.lead_id LEFT JOIN attempts ON attempts.id = answer.attempt_id
    WHERE CASE WHEN attempts.id IS NULL THEN leads.held_by = 'offered' AND leads.not_before > now()
               ELSE attempts.agent IS NULL AND attempts.state <= 'answered' END
)
SELECT call.*, leads.campaign_id, campaigns.name AS campaign_name, coalesce(attempts.queue, campaigns.queue) AS queue,
       CASE WHEN campaigns.mask_lead_caller_id THEN '' ELSE coalesce(attempts.number, leads.number) END AS number,
       calls_back OR attempts.answered_at IS NOT NULL AS lead_answered,
       leads.first_name, leads.last_name, leads.ticket_id, leads.note, leads.lead_type, leads.custom,
       leads.attempts_used - CASE WHEN attempts.id IS NULL THEN 0 ELSE 1 END AS attempts_used,
       last.outcome AS last_outcome, last.disposition AS last_disposition
FROM (SELECT * FROM current UNION ALL SELECT * FROM calling UNION ALL SELECT * FROM awaited) AS call
JOIN leads ON leads.id = call.lead_id
JOIN campaigns ON campaigns.id = leads.campaign_id
LEFT JOIN attempts ON attempts.id = call.attempt_id
LEFT JOIN LATERAL (
    SELECT outcome, disposition FROM attempts AS earlier
    WHERE earlier.lead_id = leads.id AND earlier.ended_at IS NOT NULL AND earlier.outcome <> 'not_placed'
    ORDER BY ordinal DESC LIMIT 1
) AS last ON true
WHERE campaigns.account_id = coalesce(:account_id, campaigns.account_id)
ORDER BY CASE call.stage WHEN 'talking' THEN 1 WHEN 'ringing' THEN 2 ELSE 3 END, call.since DESC LIMIT 1;
