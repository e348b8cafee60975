-- What the administration of users and tokens needs on top.

-- Somebody who is disabled has left the phone to somebody else.
DROP INDEX users_agent;
CREATE UNIQUE INDEX users_agent ON users (account_id, agent) WHERE agent <> '' AND NOT disabled;

-- To be told apart in a list, without their hash; and where they were begun.
ALTER TABLE sessions ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE;
ALTER TABLE sessions ADD COLUMN address text NOT NULL DEFAULT '';

-- The audit log says `token nightly`, which must be one.
CREATE UNIQUE INDEX tokens_name ON tokens (account_id, name) WHERE revoked_at IS NULL;
CREATE INDEX tokens_of_account ON tokens (account_id, id);
CREATE INDEX users_of_account ON users (account_id, id);
