-- name: tell(event_type, campaign_id, lead_id, attempt_id, data, for_crm)!
SELECT tell(:event_type, :campaign_id, :lead_id, :attempt_id, :data, :for_crm);

-- name: moment()^
-- What can be seen now, for `events_since` to go on from.
SELECT pg_current_snapshot()::text AS snapshot, now() AS at;

-- name: events_since(seen, until, account_id, campaign_id, after_id, page)
-- Events that could not be seen in the one snapshot, and can in the other: each exactly once, in whatever order their transactions
-- have ended. NULL: of all accounts, of all campaigns.
SELECT outbox.*, accounts.name AS account
FROM outbox JOIN accounts ON accounts.id = outbox.account_id
WHERE xid >= pg_snapshot_xmin(:seen::text::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, :seen::text::pg_snapshot) AND pg_visible_in_snapshot(xid, :until::text::pg_snapshot)
  AND outbox.id > :after_id AND type <> 'ping'
  AND (:account_id::bigint IS NULL OR account_id = :account_id) AND (:campaign_id::bigint IS NULL OR campaign_id = :campaign_id)
ORDER BY outbox.id LIMIT :page;

-- name: clean_outbox(keep_for, keep_dead_for, batch)$
-- Events that have been kept for long enough, and that nobody is still to be told. How many.
WITH old AS MATERIALIZED (
    SELECT id FROM outbox
    WHERE at < now() - :keep_for::interval
      AND NOT EXISTS (SELECT FROM webhook_deliveries JOIN webhooks ON webhooks.id = webhook_id
                      WHERE outbox_id = outbox.id
                        AND (state = 'waiting' OR (state = 'dead' AND ended_at > now() - :keep_dead_for::interval)))
    ORDER BY at LIMIT :batch FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM outbox WHERE id IN (SELECT id FROM old) RETURNING id
)
SELECT count(*) FROM gone;
