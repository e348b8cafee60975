-- name: live_counts(campaign_ids, account_ids)
-- How campaigns stand just now: those that are named, and all of these accounts that run or are paused.
SELECT campaigns.id AS campaign_id, account_id, status, queue, calls_per_second::double precision, concurrency, held_by, hold_reason, hold_until,
       coalesce(lead_counts(campaigns.id), '{}') - 'deleted' AS leads_by_state,
       (SELECT count(*) FROM attempts WHERE campaign_id = campaigns.id AND ended_at IS NULL) AS in_flight,
       (SELECT count(*) FROM attempts WHERE campaign_id = campaigns.id AND opened_at > now() - interval '10 seconds') AS placed_10s
FROM campaigns
WHERE campaigns.id = ANY (:campaign_ids::bigint[])
   OR (account_id = ANY (:account_ids::bigint[]) AND status IN ('running', 'paused'))
ORDER BY campaigns.id;
