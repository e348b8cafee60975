-- name: get_user(user_id, account_id)^
SELECT * FROM users WHERE id = :user_id AND account_id = :account_id;

-- name: find_user(login, account_id)^
SELECT * FROM users WHERE lower(login) = lower(:login) AND account_id = :account_id;

-- name: list_users(account_id, after, most)
SELECT * FROM users WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :most;

-- name: user_of_login(login)^
SELECT users.*, accounts.name AS account, coalesce(locked_until > now(), false) AS locked
FROM users JOIN accounts ON accounts.id = users.account_id WHERE lower(login) = lower(:login);

-- name: create_user(account_id, login, name, role, password_hash, agent)^
INSERT INTO users (account_id, login, name, role, password_hash, agent)
VALUES (:account_id, :login, :name, :role, :password_hash, :agent) RETURNING *;

-- name: lock_owners(account_id)
-- Two owners who disable each other at the same moment take turns.
SELECT id FROM users WHERE account_id = :account_id AND role = 'owner' AND NOT disabled ORDER BY id FOR UPDATE;

-- name: lock_user(user_id, account_id)^
SELECT * FROM users WHERE id = :user_id AND account_id = :account_id FOR UPDATE;

-- name: change_user(user_id, name, role, agent, disabled, unlock)^
UPDATE users SET name = :name, role = :role, agent = :agent, disabled = :disabled,
       failures = CASE WHEN :unlock THEN 0 ELSE failures END,
       locked_until = CASE WHEN :unlock THEN NULL ELSE locked_until END
WHERE id = :user_id RETURNING *;

-- name: set_password(user_id, password_hash)^
UPDATE users SET password_hash = :password_hash, failures = 0, locked_until = NULL WHERE id = :user_id RETURNING *;

-- name: renew_hash(user_id, old, password_hash)!
-- Of the same password, with other parameters; unless it has been changed meanwhile.
UPDATE users SET password_hash = :password_hash WHERE id = :user_id AND password_hash = :old;

-- name: note_failure(user_id, most, locked_for)^
UPDATE users SET failures = failures + 1,
       locked_until = CASE WHEN failures + 1 >= :most THEN now() + :locked_for::interval ELSE locked_until END
WHERE id = :user_id RETURNING *;

-- name: note_success(user_id, password_hash)$
-- True, unless others have guessed meanwhile until the lock fell, or user or password have changed.
UPDATE users SET failures = 0, locked_until = NULL
WHERE id = :user_id AND (locked_until IS NULL OR locked_until <= now()) AND NOT disabled AND password_hash = :password_hash RETURNING true;

-- name: open_session(token_hash, user_id, lifetime, address)$
INSERT INTO sessions (token_hash, user_id, expires_at, address) VALUES (:token_hash, :user_id, now() + :lifetime::interval, :address)
RETURNING expires_at;

-- name: close_session(token_hash)!
DELETE FROM sessions WHERE token_hash = :token_hash;

-- name: close_sessions(user_id, but)!
-- `but`: the hash of the one that stays, or NULL.
DELETE FROM sessions WHERE user_id = :user_id AND token_hash IS DISTINCT FROM :but;

-- name: close_old_sessions(user_id, most)!
-- Those that have ended, of anybody; and of this user all but the newest.
DELETE FROM sessions WHERE expires_at <= now()
    OR id IN (SELECT id FROM sessions WHERE user_id = :user_id ORDER BY id DESC OFFSET :most);

-- name: list_sessions(user_id, after, most)
SELECT id, created_at, expires_at, address, token_hash FROM sessions
WHERE user_id = :user_id AND expires_at > now() AND id > :after ORDER BY id LIMIT :most;

-- name: user_of_session(token_hash)^
SELECT users.*, accounts.name AS account FROM sessions JOIN users ON users.id = user_id JOIN accounts ON accounts.id = account_id
WHERE token_hash = :token_hash AND expires_at > now() AND NOT disabled;

-- name: get_token(token_hash)^
SELECT tokens.*, accounts.name AS account FROM tokens JOIN accounts ON accounts.id = account_id
WHERE token_hash = :token_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- name: note_token_used(token_id)!
-- Once a minute is enough to know whether anybody still uses it.
UPDATE tokens SET last_used_at = now() WHERE id = :token_id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: create_token(account_id, name, token_hash, role, scopes, agent, created_by, expires_at)^
INSERT INTO tokens (account_id, name, token_hash, role, scopes, agent, created_by, expires_at)
VALUES (:account_id, :name, :token_hash, :role, :scopes, :agent, :created_by, :expires_at) RETURNING *;

-- name: list_tokens(account_id, after, most)
SELECT * FROM tokens WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :most;

-- name: find_token(name, account_id)^
-- The one in force under this name, of which there is one at most.
SELECT * FROM tokens WHERE name = :name AND account_id = :account_id AND revoked_at IS NULL;

-- name: revoke_token(token_id, account_id)^
UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = :token_id AND account_id = :account_id RETURNING *;
