-- What is older than `until`: each kind is counted by one query, and deleted by another, page by page. A call goes only once its
-- campaign is over, and its recording is deleted or was never there.

-- name: drop_activity(until)$
SELECT drop_activity_months(:until);

-- name: count_activity(until)$
SELECT count(*) FROM activity WHERE at < :until;

-- name: delete_activity(until, page)$
-- What is left of months that are not over yet.
WITH gone AS (
    DELETE FROM activity WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM activity WHERE at < :until LIMIT :page) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_recordings(until)$
SELECT count(*) FROM recordings WHERE recorded_at < :until AND state IN ('deleted', 'missing');

-- name: delete_recordings(until, page)$
WITH gone AS (
    DELETE FROM recordings WHERE attempt_id IN (
        SELECT attempt_id FROM recordings WHERE recorded_at < :until AND state IN ('deleted', 'missing') LIMIT :page)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_offers(until)$
SELECT count(*) FROM offers JOIN campaigns ON campaigns.id = campaign_id
WHERE offered_at < :until AND state <> 'open' AND campaigns.ended_at IS NOT NULL;

-- name: delete_offers(until, page)$
WITH gone AS (
    DELETE FROM offers WHERE id IN (
        SELECT offers.id FROM offers JOIN campaigns ON campaigns.id = campaign_id
        WHERE offered_at < :until AND state <> 'open' AND campaigns.ended_at IS NOT NULL LIMIT :page)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_attempts(until)$
SELECT count(*) FROM attempts JOIN campaigns ON campaigns.id = campaign_id
WHERE opened_at < :until AND attempts.ended_at < :until AND campaigns.ended_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM recordings WHERE attempt_id = attempts.id AND (state NOT IN ('deleted', 'missing') OR recorded_at >= :until))
  AND NOT EXISTS (SELECT FROM offers WHERE attempt_id = attempts.id AND (offers.state = 'open' OR offered_at >= :until));

-- name: delete_attempts(until, page)$
WITH gone AS (
    DELETE FROM attempts WHERE id IN (
        SELECT attempts.id FROM attempts JOIN campaigns ON campaigns.id = campaign_id
        WHERE opened_at < :until AND attempts.ended_at < :until AND campaigns.ended_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM recordings WHERE attempt_id = attempts.id)
          AND NOT EXISTS (SELECT FROM offers WHERE attempt_id = attempts.id)
        LIMIT :page)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_outbox(until)$
SELECT count(*) FROM outbox
WHERE at < :until AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE outbox_id = outbox.id AND state = 'waiting');

-- name: delete_outbox(until, page)$
-- With what was delivered of it. What still waits to be told stays.
WITH gone AS (
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox
        WHERE at < :until AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE outbox_id = outbox.id AND state = 'waiting') LIMIT :page)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_jobs(until)$
SELECT count(*) FROM jobs WHERE ended_at < :until;

-- name: delete_jobs(until, page)$
WITH gone AS (
    DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE ended_at < :until LIMIT :page) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_audit_log(until)$
SELECT count(*) FROM audit_log WHERE at < :until;

-- name: delete_audit_log(until, page)$
WITH gone AS (
    DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < :until LIMIT :page) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: count_sessions(until)$
SELECT count(*) FROM sessions WHERE expires_at < :until;

-- name: delete_sessions(until, page)$
WITH gone AS (
    DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions WHERE expires_at < :until LIMIT :page) RETURNING 1
)
SELECT count(*) FROM gone;
