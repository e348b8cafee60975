-- name: get_user(user_id, account_id)^
SELECT * FROM users WHERE id = :user_id AND account_id = :account_id;

-- name: user_of_login(login)^
SELECT users.*, accounts.name AS account FROM users JOIN accounts ON accounts.id = users.account_id WHERE lower(login) = lower(:login);

-- name: create_user(account_id, login, name, role, password_hash, agent)^
INSERT INTO users (account_id, login, name, role, password_hash, agent)
VALUES (:account_id, :login, :name, :role, :password_hash, :agent) RETURNING *;

-- name: note_failure(user_id, most, locked_for)^
UPDATE users SET failures = failures + 1,
       locked_until = CASE WHEN failures + 1 >= :most THEN now() + :locked_for::interval ELSE locked_until END
WHERE id = :user_id RETURNING *;

-- name: note_success(user_id)!
UPDATE users SET failures = 0, locked_until = NULL WHERE id = :user_id;

-- name: open_session(token_hash, user_id, lifetime)$
INSERT INTO sessions (token_hash, user_id, expires_at) VALUES (:token_hash, :user_id, now() + :lifetime::interval) RETURNING expires_at;

-- name: close_session(token_hash)!
DELETE FROM sessions WHERE token_hash = :token_hash;

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
