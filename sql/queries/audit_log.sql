-- name: write_entry(account_id, actor, action, target, details, status, address)!
INSERT INTO audit_log (account_id, actor, action, target, details, status, address)
VALUES (:account_id, :actor, :action, :target, :details, :status, :address);
