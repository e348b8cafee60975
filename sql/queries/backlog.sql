-- name: deliveries(most)
-- By their state, of each webhook no more than so many: while a receiver is away, there may be very many.
SELECT states.state, count(counted.webhook_id) AS deliveries
FROM (VALUES ('waiting'), ('dead')) AS states (state)
LEFT JOIN LATERAL (
    SELECT webhooks.id AS webhook_id FROM webhooks CROSS JOIN LATERAL (
        SELECT FROM webhook_deliveries
        WHERE webhook_id = webhooks.id AND webhook_deliveries.state = states.state LIMIT :most
    ) AS deliveries
) AS counted ON true
GROUP BY states.state;

-- name: jobs()
-- Failures of long ago are nobody's work any more.
SELECT kind, state, count(*) AS jobs FROM jobs
WHERE ended_at IS NULL OR (state = 'failed' AND ended_at > now() - interval '1 hour')
GROUP BY kind, state;
