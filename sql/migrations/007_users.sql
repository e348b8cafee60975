-- Who may do what over the API and in the portal, and what was changed by whom.

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    bigint NOT NULL REFERENCES accounts,
    -- What the user types in to sign in; unique over all accounts, whatever its case.
    login         text NOT NULL CHECK (login ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$'),
    name          text NOT NULL DEFAULT '',
    role          text NOT NULL CHECK (role IN ('owner', 'admin', 'supervisor', 'agent', 'read_only')),
    -- As argon2 writes it, with its parameters and salt.
    password_hash text NOT NULL,
    -- The phone of an agent, as the queue names it (PJSIP/1001). '': none.
    agent         text NOT NULL DEFAULT '',
    disabled      boolean NOT NULL DEFAULT false,
    -- Wrong passwords since the last right one, and until when none is looked at any more.
    failures      integer NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_login ON users (lower(login));
CREATE UNIQUE INDEX users_agent ON users (account_id, agent) WHERE agent <> '';

-- Signed-in browsers. Only the hash of the cookie is kept.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);

-- For programs. Only the hash of the token is kept.
CREATE TABLE tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES accounts,
    name         text NOT NULL CHECK (name <> ''),
    token_hash   bytea NOT NULL UNIQUE,
    -- What it may do at most: the permissions of a role, or of these those that are named. NULL: all of the role's.
    role         text NOT NULL CHECK (role IN ('owner', 'admin', 'supervisor', 'agent', 'read_only')),
    scopes       text[],
    agent        text NOT NULL DEFAULT '',
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

-- Every change, and every sign-in that failed. Append-only.
CREATE TABLE audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint REFERENCES accounts,
    at         timestamptz NOT NULL DEFAULT now(),
    -- `user anna`, `token nightly`, `command root`.
    actor      text NOT NULL,
    -- The method and the route, or the command.
    action     text NOT NULL,
    -- What it was done to: the values in the route.
    target     jsonb NOT NULL DEFAULT '{}',
    details    jsonb NOT NULL DEFAULT '{}',
    status     integer NOT NULL,
    address    text NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_of_account ON audit_log (account_id, id DESC);

-- Answers to requests that carried an Idempotency-Key: a repetition gets the same answer, and does nothing.
CREATE TABLE idempotency_keys (
    account_id bigint NOT NULL REFERENCES accounts,
    key        text NOT NULL,
    -- Of method, path and body: the same key with another request is refused.
    request    bytea NOT NULL,
    -- NULL while the first request is under way.
    status     integer,
    headers    jsonb NOT NULL DEFAULT '{}',
    body       bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
