-- name: write_entry(account_id, actor, action, target, details, status, address)!
INSERT INTO audit_log (account_id, actor, action, target, details, status, address)
VALUES (:account_id, :actor, :action, :target, :details, :status, :address);

-- name: list_entries(account_id, before, actor, action, since, until, refused, most)
-- The newest first. What is NULL is not asked for.
SELECT * FROM audit_log
WHERE account_id = :account_id AND id < :before
  AND (:actor::text IS NULL OR actor = :actor)
  AND (:action::text IS NULL OR starts_with(action, :action))
  AND (:since::timestamptz IS NULL OR at >= :since)
  AND (:until::timestamptz IS NULL OR at < :until)
  AND (:refused::boolean IS NULL OR (status >= 400 OR (status = 1 AND starts_with(actor, 'command '))) = :refused)
ORDER BY id DESC LIMIT :most;
