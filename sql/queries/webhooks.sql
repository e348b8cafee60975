-- name: create_webhook(account_id, campaign_id, name, url, events, enabled, most)^
-- Nothing comes back where the account has enough of them.
INSERT INTO webhooks (account_id, campaign_id, name, url, events, enabled)
SELECT :account_id, :campaign_id, :name, :url, :events, :enabled
WHERE (SELECT count(*) FROM webhooks WHERE account_id = :account_id AND kind = 'webhook') < :most
RETURNING id, secret;

-- name: list_webhooks(account_id, campaign_id, webhook_id, after_id, page)
-- NULL: of any campaign; any of them.
SELECT webhooks.*,
       (SELECT count(*) FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'waiting') AS waiting,
       (SELECT count(*) FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'dead') AS dead
FROM webhooks
WHERE account_id = :account_id AND (:campaign_id::bigint IS NULL OR campaign_id = :campaign_id)
  AND (:webhook_id::bigint IS NULL OR id = :webhook_id) AND id > :after_id
ORDER BY id LIMIT :page;

-- name: lock_webhook(webhook_id, account_id)^
SELECT * FROM webhooks WHERE id = :webhook_id AND account_id = :account_id FOR NO KEY UPDATE;

-- name: edit_webhook(webhook_id, name, url, events, enabled)!
-- What was wrong with it is to be seen anew.
UPDATE webhooks
SET name = :name, url = :url, events = :events, enabled = :enabled, disabled_why = '', failures = 0, rests_until = '-infinity',
    last_error = ''
WHERE id = :webhook_id;

-- name: due_now(webhook_id)!
-- What has waited longest because of the failures before is tried at once.
UPDATE webhook_deliveries SET due_at = now() WHERE webhook_id = :webhook_id AND state = 'waiting' AND due_at > now();

-- name: renew_secret(webhook_id, account_id)$
UPDATE webhooks SET secret = DEFAULT WHERE id = :webhook_id AND account_id = :account_id RETURNING secret;

-- name: remove_webhook(webhook_id, account_id)$
-- Its deliveries go with the daemon's next cleaning.
DELETE FROM webhooks WHERE id = :webhook_id AND account_id = :account_id AND kind = 'webhook' RETURNING id;

-- name: ping(webhook_id, account_id, data)$
-- Also of one that is disabled. NULL: there is none.
WITH webhook AS (
    SELECT id, account_id, campaign_id FROM webhooks WHERE id = :webhook_id AND account_id = :account_id
), event AS (
    INSERT INTO outbox (type, account_id, campaign_id, data)
    SELECT 'ping', account_id, campaign_id, :data FROM webhook RETURNING id
), delivery AS (
    INSERT INTO webhook_deliveries (webhook_id, outbox_id, stream) SELECT webhook.id, event.id, 0 FROM webhook, event RETURNING id
)
SELECT id FROM delivery, LATERAL (SELECT pg_notify('dialerd_events', '')) AS told;

-- name: list_deliveries(webhook_id, account_id, state, delivery_id, after_id, page)
SELECT webhook_deliveries.*, event_id, type, at, campaign_id, lead_id, attempt_id, data, accounts.name AS account
FROM webhook_deliveries JOIN outbox ON outbox.id = outbox_id JOIN accounts ON accounts.id = outbox.account_id
WHERE webhook_id = :webhook_id AND outbox.account_id = :account_id AND (:state::text IS NULL OR state = :state)
  AND (:delivery_id::bigint IS NULL OR webhook_deliveries.id = :delivery_id) AND webhook_deliveries.id > :after_id
ORDER BY webhook_deliveries.id LIMIT :page;

-- name: replay(webhook_id, delivery_id, batch)$
-- Dead letters of it, one or (NULL) all, are tried again with new patience. How many.
WITH chosen AS MATERIALIZED (
    SELECT id FROM webhook_deliveries
    WHERE webhook_id = :webhook_id AND state = 'dead' AND (:delivery_id::bigint IS NULL OR id = :delivery_id)
    ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
), again AS (
    UPDATE webhook_deliveries SET state = 'waiting', ended_at = NULL, due_at = now(), since = now(), tries = 0
    WHERE id IN (SELECT id FROM chosen) RETURNING id
), bell AS (
    SELECT pg_notify('dialerd_events', '') FROM again LIMIT 1
)
SELECT count(*) FROM again WHERE (SELECT count(*) FROM bell) >= 0;

-- name: drop_dead(webhook_id, delivery_id, batch)$
WITH chosen AS MATERIALIZED (
    SELECT id FROM webhook_deliveries
    WHERE webhook_id = :webhook_id AND state = 'dead' AND (:delivery_id::bigint IS NULL OR id = :delivery_id)
    ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
), dropped AS (
    DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM chosen) RETURNING id
)
SELECT count(*) FROM dropped;

-- name: webhooks_with_due()
-- Those that may be told something now. One that is disabled, or rests, is told pings only.
SELECT id FROM webhooks
WHERE EXISTS (SELECT FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'waiting' AND due_at <= now()
                AND (stream = 0 OR (enabled AND rests_until <= now())));

-- name: take_deliveries(webhook_id, most, lease, give_up_after)
-- The first of each stream that is due; until the lease ends they are the taker's. While the webhook fails, one alone is tried.
WITH due AS MATERIALIZED (
    SELECT waiting.id FROM webhook_deliveries AS waiting JOIN webhooks ON webhooks.id = waiting.webhook_id
    WHERE waiting.webhook_id = :webhook_id AND waiting.state = 'waiting' AND waiting.due_at <= now()
      AND (waiting.stream = 0 OR (enabled AND rests_until <= now()))
      AND NOT EXISTS (SELECT FROM webhook_deliveries AS earlier
                      WHERE earlier.webhook_id = waiting.webhook_id AND earlier.stream = waiting.stream AND earlier.state = 'waiting'
                        AND earlier.id < waiting.id)
    ORDER BY waiting.due_at, waiting.id
    LIMIT (SELECT CASE WHEN failures > 0 THEN 1 ELSE :most END FROM webhooks WHERE id = :webhook_id)
    FOR UPDATE OF waiting SKIP LOCKED
), taken AS (
    UPDATE webhook_deliveries SET due_at = now() + :lease::interval, tries = tries + 1
    FROM due WHERE webhook_deliveries.id = due.id
    RETURNING webhook_deliveries.*
)
SELECT taken.*, event_id, type, at, outbox.campaign_id, lead_id, attempt_id, data, accounts.name AS account,
       webhooks.url, webhooks.secret, webhooks.failures, since + :give_up_after::interval <= now() AS over_patience,
       CASE WHEN webhooks.kind = 'crm' THEN coalesce(crm_sources.source, '{}') END AS crm_source
FROM taken
JOIN outbox ON outbox.id = taken.outbox_id
JOIN accounts ON accounts.id = outbox.account_id
JOIN webhooks ON webhooks.id = taken.webhook_id
LEFT JOIN crm_sources ON crm_sources.campaign_id = webhooks.campaign_id
ORDER BY taken.id;

-- name: note_delivered(delivery_id, status)!
-- After an outage whatever waits for its next try is due at once; a single message that is refused again and again is not.
WITH delivered AS (
    UPDATE webhook_deliveries SET state = 'delivered', ended_at = now(), status = :status, error = ''
    WHERE id = :delivery_id AND state = 'waiting' RETURNING webhook_id
), due AS (
    UPDATE webhook_deliveries SET due_at = now()
    FROM delivered JOIN webhooks ON webhooks.id = delivered.webhook_id
    WHERE webhooks.failures >= 3 AND webhook_deliveries.webhook_id = webhooks.id AND state = 'waiting' AND due_at > now()
      AND webhook_deliveries.id <> :delivery_id
)
UPDATE webhooks SET failures = 0, rests_until = '-infinity', last_error = '', last_told_at = now()
FROM delivered WHERE webhooks.id = delivered.webhook_id;

-- name: note_failed(delivery_id, status, error, retry_in, rest, dead)!
-- It is tried again after a while, or is dead; and the webhook rests. A ping is tried once.
WITH failed AS (
    UPDATE webhook_deliveries
    SET status = :status, error = :error,
        state = CASE WHEN :dead OR stream = 0 THEN 'dead' ELSE 'waiting' END,
        ended_at = CASE WHEN :dead OR stream = 0 THEN now() END,
        due_at = now() + :retry_in::interval
    WHERE id = :delivery_id AND state = 'waiting' RETURNING webhook_id
)
UPDATE webhooks SET failures = failures + 1, rests_until = now() + :rest::interval, last_error = :error
FROM failed WHERE webhooks.id = failed.webhook_id;

-- name: disable_webhook(webhook_id, why)!
UPDATE webhooks SET enabled = false, disabled_why = :why WHERE id = :webhook_id AND enabled;

-- name: give_up_old(give_up_after, batch)$
-- What has waited beyond all patience, though it was never tried, because its webhook fails or is disabled. How many.
WITH old AS MATERIALIZED (
    SELECT webhook_deliveries.id FROM webhook_deliveries JOIN webhooks ON webhooks.id = webhook_id
    WHERE state = 'waiting' AND since + :give_up_after::interval + interval '5 minutes' <= now()
      AND (webhooks.failures > 0 OR NOT webhooks.enabled)
    LIMIT :batch FOR UPDATE OF webhook_deliveries SKIP LOCKED
), dead AS (
    UPDATE webhook_deliveries SET state = 'dead', ended_at = now(), error = coalesce(nullif(error, ''), 'its webhook took nothing for too long')
    WHERE id IN (SELECT id FROM old) RETURNING id
)
SELECT count(*) FROM dead;

-- name: remove_orphans(batch)$
-- Deliveries of webhooks that there are no more. How many.
WITH orphans AS MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE NOT EXISTS (SELECT FROM webhooks WHERE webhooks.id = webhook_id)
    LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM orphans) RETURNING id
)
SELECT count(*) FROM gone;
