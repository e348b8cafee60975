-- name: begin_request(account_id, key, request)$
-- True for the first one. One that has been under way for so long has died with its process, and is taken over.
INSERT INTO idempotency_keys AS known (account_id, key, request) VALUES (:account_id, :key, :request)
ON CONFLICT (account_id, key) DO UPDATE SET created_at = now()
    WHERE known.status IS NULL AND known.request = excluded.request AND known.created_at < now() - interval '1 minute'
RETURNING true;

-- name: get_request(account_id, key)^
SELECT request, status, headers, body FROM idempotency_keys WHERE account_id = :account_id AND key = :key;

-- name: end_request(account_id, key, status, headers, body)!
UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body WHERE account_id = :account_id AND key = :key;

-- name: forget_request(account_id, key)!
DELETE FROM idempotency_keys WHERE account_id = :account_id AND key = :key AND status IS NULL;

-- name: forget_old_requests()!
DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day';
