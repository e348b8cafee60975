-- name: get_account(name)^
SELECT * FROM accounts WHERE name = :name;

-- name: lock_account(account_id)^
-- Edits exclude each other; rows that name the account are added meanwhile.
SELECT * FROM accounts WHERE id = :account_id FOR NO KEY UPDATE;

-- name: list_accounts()
SELECT * FROM accounts ORDER BY id;

-- name: create_account(name)^
INSERT INTO accounts (name) VALUES (:name) ON CONFLICT (name) DO NOTHING RETURNING *;

-- name: edit_account(account_id, default_region, time_zone, max_calls_per_second, max_concurrency, max_attempts, max_pool, caller_id_number, caller_id_name, business_hours, unknown_zone, lead_zone_trusted, max_calls_24h, max_calls_7d, abandon_lockout_h, allowed_prefixes, caller_id_prefixes, profile, pause_reasons)^
-- What the rules have put off is judged anew by them as they are now.
WITH account AS (
    UPDATE accounts
    SET default_region = :default_region, time_zone = :time_zone, max_calls_per_second = :max_calls_per_second,
        max_concurrency = :max_concurrency, max_attempts = :max_attempts, max_pool = :max_pool,
        caller_id_number = :caller_id_number, caller_id_name = :caller_id_name, business_hours = :business_hours,
        unknown_zone = :unknown_zone, lead_zone_trusted = :lead_zone_trusted, max_calls_24h = :max_calls_24h,
        max_calls_7d = :max_calls_7d, abandon_lockout_h = :abandon_lockout_h, allowed_prefixes = :allowed_prefixes,
        caller_id_prefixes = :caller_id_prefixes, profile = :profile, pause_reasons = :pause_reasons
    WHERE id = :account_id
    RETURNING *
), judged AS (
    UPDATE campaigns SET judge_anew = true FROM account
    WHERE campaigns.account_id = account.id AND campaigns.status NOT IN ('completed', 'cancelled')
)
SELECT * FROM account;
