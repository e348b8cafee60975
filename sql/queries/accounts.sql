-- name: get_account(name)^
SELECT * FROM accounts WHERE name = :name;

-- name: list_accounts()
SELECT * FROM accounts ORDER BY id;

-- name: create_account(name)^
INSERT INTO accounts (name) VALUES (:name) ON CONFLICT (name) DO NOTHING RETURNING *;

-- name: edit_account(account_id, time_zone, default_region, caller_id_number, caller_id_name)^
UPDATE accounts
SET time_zone = :time_zone, default_region = :default_region,
    caller_id_number = :caller_id_number, caller_id_name = :caller_id_name
WHERE id = :account_id
RETURNING *;
