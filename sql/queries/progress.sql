-- name: campaign_progress(ids)
-- What was dialed lately, for every one of these campaigns (NULL: of all) that dialed at all: a walk along the end of attempts_by_campaign.
SELECT campaigns.id AS campaign_id, lately.*
FROM campaigns CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE opened_at > now() - interval '1 minute') AS placed_last_minute,
           count(*) AS placed,
           count(*) FILTER (WHERE answered_at IS NOT NULL) AS answered,
           count(*) FILTER (WHERE connected_at IS NOT NULL) AS connected,
           count(*) FILTER (WHERE outcome = 'abandoned') AS abandoned
    FROM attempts
    WHERE attempts.campaign_id = campaigns.id AND opened_at > now() - interval '1 hour'
) AS lately
WHERE lately.placed > 0 AND (:ids::bigint[] IS NULL OR campaigns.id = ANY (:ids));
