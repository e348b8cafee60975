-- The core of dialerd: accounts, campaigns, leads, attempts, activity, do-not-call numbers, caller IDs, nodes.
-- State enums hold the same words as the Python tables in dialerd/domain (a test compares them).

CREATE TYPE campaign_status AS ENUM ('draft', 'scheduled', 'running', 'paused', 'stopped', 'completed', 'cancelled');
CREATE TYPE dial_mode AS ENUM ('progressive');
CREATE TYPE lead_state AS ENUM ('active', 'dialing', 'ringing', 'answered', 'retry', 'cooloff', 'voicemail',
                                'success', 'failed', 'blocked', 'abandoned');
CREATE TYPE attempt_state AS ENUM ('dialing', 'ringing', 'answered', 'queued', 'connected', 'ended');
CREATE TYPE outcome AS ENUM ('connected', 'abandoned', 'hung_up', 'no_answer', 'busy', 'congestion', 'rejected',
                             'invalid_number', 'cancelled', 'not_placed', 'unknown');

CREATE TABLE accounts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    time_zone       text NOT NULL DEFAULT 'UTC',
    default_region  text NOT NULL DEFAULT 'US' CHECK (default_region ~ '^[A-Z]{2}$'),
    caller_id_number text,
    caller_id_name  text NOT NULL DEFAULT ''
);
INSERT INTO accounts (name) VALUES ('default');

-- A daemon. At its start it lets go of every campaign that an earlier life of it held, so that writes of that life are told apart.
CREATE TABLE nodes (
    id           text PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    version      text NOT NULL
);

CREATE TABLE campaigns (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id          bigint NOT NULL REFERENCES accounts,
    name                text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    note                text NOT NULL DEFAULT '',
    dial_mode           dial_mode NOT NULL DEFAULT 'progressive',
    status              campaign_status NOT NULL DEFAULT 'draft',
    queue               text NOT NULL CHECK (queue ~ '^[A-Za-z0-9_-]{2,40}$'),
    calls_per_second    numeric(6, 3) NOT NULL CHECK (calls_per_second > 0),
    concurrency         integer NOT NULL CHECK (concurrency > 0),
    max_attempts        integer NOT NULL CHECK (max_attempts > 0),
    cooloff_s           integer NOT NULL CHECK (cooloff_s >= 0),
    cooloff_2nd_s       integer CHECK (cooloff_2nd_s >= 0),
    cooloff_3rd_s       integer CHECK (cooloff_3rd_s >= 0),
    ring_timeout_s      integer NOT NULL CHECK (ring_timeout_s BETWEEN 5 AND 120),
    customer_wait_sla_s integer NOT NULL CHECK (customer_wait_sla_s BETWEEN 0 AND 60),
    agent_dial_timeout_s integer NOT NULL CHECK (agent_dial_timeout_s BETWEEN 1 AND 300),
    wrapup_s            integer NOT NULL DEFAULT 0 CHECK (wrapup_s BETWEEN 0 AND 3600),
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    ended_at            timestamptz,
    -- Why it starts no call just now: the rule, the same in words, and until when. Written by the daemon that owns it.
    held_by             text,
    hold_reason         text,
    hold_until          timestamptz,
    -- Ownership: one daemon at a time, fenced by an epoch that only grows.
    owner               text REFERENCES nodes,
    epoch               bigint NOT NULL DEFAULT 0,
    lease_until         timestamptz,
    UNIQUE (account_id, name),
    CHECK ((status IN ('completed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((owner IS NULL) = (lease_until IS NULL)),
    CHECK ((held_by IS NULL) = (hold_reason IS NULL))
);

CREATE TABLE leads (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id   bigint NOT NULL REFERENCES campaigns,
    number        text NOT NULL CHECK (number ~ '^\+[1-9][0-9]{3,14}$'),
    first_name    text NOT NULL,
    last_name     text NOT NULL DEFAULT '',
    priority      integer NOT NULL DEFAULT 0,
    ticket_id     text NOT NULL DEFAULT '',
    note          text NOT NULL DEFAULT '',
    lead_type     text NOT NULL DEFAULT '',
    custom        jsonb NOT NULL DEFAULT '{}',
    max_attempts  integer CHECK (max_attempts > 0),
    cooloff_s     integer CHECK (cooloff_s >= 0),
    cooloff_2nd_s integer CHECK (cooloff_2nd_s >= 0),
    cooloff_3rd_s integer CHECK (cooloff_3rd_s >= 0),
    state         lead_state NOT NULL DEFAULT 'active',
    on_dnc_at_import boolean NOT NULL DEFAULT false,
    -- Every attempt ever opened (gives the ordinal), and those that count against the limit (a call that was never placed does not).
    dials         integer NOT NULL DEFAULT 0,
    attempts_used integer NOT NULL DEFAULT 0 CHECK (attempts_used >= 0 AND attempts_used <= dials),
    -- A lead that may not be dialed yet, until when, and which rule holds it. NULL: due now.
    not_before    timestamptz,
    held_by       text,
    -- Place in the line among leads of the same priority: when it became due.
    due_at        timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (campaign_id, number),
    CHECK (state NOT IN ('cooloff', 'voicemail') OR not_before IS NOT NULL),
    CHECK (state NOT IN ('dialing', 'ringing', 'answered', 'success', 'failed', 'blocked', 'abandoned') OR not_before IS NULL),
    CHECK ((not_before IS NULL) = (held_by IS NULL))
);
-- The claim walks this index from its head and stops at the first lead that no one else holds.
CREATE INDEX leads_due ON leads (campaign_id, priority DESC, due_at, id)
    WHERE state IN ('active', 'retry') AND not_before IS NULL;
-- Leads whose waiting time is over are found here.
CREATE INDEX leads_waiting ON leads (campaign_id, not_before) WHERE not_before IS NOT NULL;
CREATE INDEX leads_by_state ON leads (campaign_id, state);

CREATE TABLE attempts (
    id               uuid PRIMARY KEY,          -- also the Asterisk channel id
    campaign_id      bigint NOT NULL REFERENCES campaigns,
    lead_id          bigint NOT NULL REFERENCES leads,
    ordinal          integer NOT NULL CHECK (ordinal > 0),
    number           text NOT NULL,
    caller_id_number text NOT NULL DEFAULT '',
    caller_id_name   text NOT NULL DEFAULT '',
    queue            text NOT NULL,
    node             text NOT NULL,
    epoch            bigint NOT NULL,
    state            attempt_state NOT NULL DEFAULT 'dialing',
    -- The rule facts that admitted this call.
    admitted_by      jsonb NOT NULL,
    opened_at        timestamptz NOT NULL,
    ringing_at       timestamptz,
    answered_at      timestamptz,
    agent_ringing_at timestamptz,
    connected_at     timestamptz,
    ended_at         timestamptz,
    agent            text,
    outcome          outcome,
    cause            integer,                   -- Q.850
    tech_cause       text,                      -- e.g. the SIP status
    UNIQUE (lead_id, ordinal),
    CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
    CHECK ((state = 'ended') = (outcome IS NOT NULL)),
    CHECK (state NOT IN ('answered', 'queued', 'connected') OR answered_at IS NOT NULL),
    CHECK (state <> 'connected' OR connected_at IS NOT NULL),
    CHECK (outcome IS DISTINCT FROM 'connected' OR connected_at IS NOT NULL)
);
-- One open attempt per lead, ever (law L2).
CREATE UNIQUE INDEX attempts_one_open_per_lead ON attempts (lead_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_open_by_campaign ON attempts (campaign_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_campaign ON attempts (campaign_id, opened_at);

-- The cradle-to-grave record: append only, one partition a month.
CREATE TABLE activity (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    campaign_id bigint NOT NULL,
    lead_id     bigint,
    attempt_id  uuid,
    fact        text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (at);
CREATE TABLE activity_default PARTITION OF activity DEFAULT;
CREATE INDEX activity_by_campaign ON activity (campaign_id, at);
CREATE INDEX activity_by_lead ON activity (lead_id, at);

CREATE FUNCTION activity_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'activity is append-only: a row cannot be changed';
END $$;
CREATE TRIGGER activity_append_only BEFORE UPDATE ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_is_append_only();

-- Makes the partition of the month that holds `moment`, if it is missing and no row of that month lies in the default partition.
CREATE FUNCTION ensure_activity_partition(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first_day timestamptz := date_trunc('month', moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next_month timestamptz := (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    partition text := 'activity_' || to_char(first_day AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('dialerd activity partitions'));
    IF to_regclass(partition) IS NULL
       AND NOT EXISTS (SELECT 1 FROM activity_default WHERE at >= first_day AND at < next_month) THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF activity FOR VALUES FROM (%L) TO (%L)',
                       partition, first_day, next_month);
    END IF;
END $$;

-- A number that must not be called: by one account, or (account NULL) by anybody.
CREATE TABLE dnc_numbers (
    number     text COLLATE "C" NOT NULL CHECK (number ~ '^\+[1-9][0-9]{3,14}$'),
    account_id bigint REFERENCES accounts,
    reason     text NOT NULL DEFAULT '',
    source     text NOT NULL DEFAULT '',
    added_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (number, account_id)
);
CREATE UNIQUE INDEX dnc_numbers_global ON dnc_numbers (number) WHERE account_id IS NULL;

-- The number pool of a campaign, in the order in which it was given.
CREATE TABLE caller_ids (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns,
    number      text NOT NULL CHECK (number ~ '^\+?[0-9]{3,15}$'),
    name        text NOT NULL DEFAULT '',
    uses        bigint NOT NULL DEFAULT 0,
    UNIQUE (campaign_id, number)
);

-- A change of a campaign rings the bell: the notification says look, never what.
CREATE FUNCTION ring_the_bell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dialerd', TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER campaigns_bell AFTER INSERT OR UPDATE OF status, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s,
    cooloff_3rd_s, ring_timeout_s, customer_wait_sla_s, agent_dial_timeout_s, wrapup_s, queue ON campaigns
    FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
CREATE TRIGGER leads_bell AFTER INSERT ON leads FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
