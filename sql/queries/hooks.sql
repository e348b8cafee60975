-- name: note_caller(account_id, number, within)^
-- The lead whom somebody calls back from this number: of the newest call to it, by a campaign that goes on, or that has dialed it
-- within that time. A line is written that the lead has called.
WITH found AS (
    SELECT leads.id AS lead_id, leads.first_name, leads.last_name, leads.ticket_id, campaigns.id AS campaign_id,
           campaigns.name AS campaign, campaigns.queue, campaigns.mask_lead_caller_id AS masked, campaigns.send_lead_data,
           attempts.caller_id_number AS shown
    FROM attempts
    JOIN campaigns ON campaigns.id = attempts.campaign_id
    JOIN leads ON leads.id = attempts.lead_id
    WHERE attempts.number = :number AND campaigns.account_id = :account_id AND leads.state <> 'deleted'
      AND attempts.outcome IS DISTINCT FROM 'not_placed'
      AND (campaigns.status IN ('running', 'scheduled', 'paused') OR attempts.opened_at > now() - :within::interval)
    ORDER BY attempts.opened_at DESC LIMIT 1
), line AS (
    INSERT INTO activity (at, campaign_id, lead_id, fact) SELECT now(), campaign_id, lead_id, 'called_back' FROM found
)
SELECT * FROM found;
