-- name: claim_campaign(campaign_id, node, epoch)^
-- What is the same for all of its leads, if the campaign may be dialed under this lease.
-- It is locked: whoever pauses it waits for the attempt that is just being opened, and after that none is opened.
-- Renewing the lease, noting a hold or editing settings does not wait: FOR KEY SHARE conflicts with FOR UPDATE alone.
SELECT campaigns.*, to_jsonb(accounts) AS account, now() AS opened_at,
       CASE WHEN campaigns.target = 'menu' THEN
            (SELECT menus.menu FROM menus WHERE menus.account_id = campaigns.account_id AND menus.name = campaigns.menu)
       END AS voice_menu,
       caller_id_pool(campaigns.id, campaigns.account_id) AS pool,
       (SELECT jsonb_build_array(number, name) FROM queue_numbers
        WHERE queue_numbers.account_id = campaigns.account_id AND queue_numbers.queue = campaigns.queue) AS queue_number,
       promised_elsewhere(:node, campaigns.queue, CASE WHEN campaigns.target = 'agent' THEN campaigns.target_agent END)
       AS promised_elsewhere
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

-- name: lock_offered_lead(offer_id)$
-- Whose card an agent has accepted. Nothing: the lead has been taken off the list, is being called, or lies before another agent.
SELECT leads.id
FROM offers JOIN leads ON leads.id = offers.lead_id
WHERE offers.id = :offer_id AND offers.state = 'accepted' AND offers.attempt_id IS NULL AND leads.state IN ('active', 'retry')
  AND NOT EXISTS (SELECT FROM offers AS other WHERE other.lead_id = offers.lead_id AND other.state = 'open')
FOR NO KEY UPDATE OF leads;

-- name: last_agents(numbers, account_id)
-- Who of the account's agents spoke last to whom picked up at each number, as far as it is known.
SELECT one AS number, agent
FROM unnest(:numbers::text[]) AS one CROSS JOIN LATERAL (
    SELECT agent FROM attempts JOIN campaigns ON campaigns.id = attempts.campaign_id
    WHERE attempts.number = one AND agent IS NOT NULL AND connected_at IS NOT NULL AND agent LIKE '%/%'
      AND campaigns.account_id = :account_id
    ORDER BY connected_at DESC LIMIT 1
) AS talk;
