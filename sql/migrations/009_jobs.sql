-- Uploads as jobs of the web server, and the indexes by which people search.

CREATE TYPE job_state AS ENUM ('queued', 'running', 'done', 'failed');
-- What was begun by one request and is looked at by others. A job is done in the transaction that stores what it has read.
CREATE TABLE jobs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES accounts,
    campaign_id  bigint REFERENCES campaigns,
    kind         text NOT NULL CHECK (kind IN ('leads_upload', 'crm_sync', 'dnc_upload')),
    state        job_state NOT NULL DEFAULT 'queued',
    -- The name of the file, or whose API it was.
    source       text NOT NULL DEFAULT '',
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    -- When its process last said that it lives.
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    rows_read    bigint NOT NULL DEFAULT 0,
    bad_rows     bigint NOT NULL DEFAULT 0,
    -- What came of it: counts by name.
    report       jsonb NOT NULL DEFAULT '{}',
    -- The first of the rows that could not be used: [{"row", "column", "value", "reason"}].
    flaws        jsonb NOT NULL DEFAULT '[]',
    error        text,
    CHECK ((state IN ('done', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX jobs_of_account ON jobs (account_id, id);
CREATE INDEX jobs_alive ON jobs (heartbeat_at) WHERE ended_at IS NULL;

-- A campaign's leads by number: those in a state, those that a rule holds. (For all of them there is leads_number.)
DROP INDEX leads_by_state;
CREATE INDEX leads_by_state ON leads (campaign_id, state, number, id);
DROP INDEX leads_held;
CREATE INDEX leads_held ON leads (campaign_id, held_by, number, id) WHERE held_by IS NOT NULL;
-- By the beginning of the whole name, or of the last one; byte by byte, so that a beginning is a range.
CREATE INDEX leads_name ON leads (campaign_id, lower(first_name || ' ' || last_name) COLLATE "C", id);
CREATE INDEX leads_last_name ON leads (campaign_id, lower(last_name) COLLATE "C", id) WHERE last_name <> '';

-- Attempts by time: a campaign's, an agent's, all. The last is in a form of its own, for it must not seem good for the others: a campaign
-- of last year would be looked for from now on backwards.
DROP INDEX attempts_by_campaign;
CREATE INDEX attempts_by_campaign ON attempts (campaign_id, opened_at, id);
CREATE INDEX attempts_of_agent ON attempts (agent, opened_at, id) WHERE agent IS NOT NULL;
CREATE INDEX attempts_by_time ON attempts ((opened_at AT TIME ZONE 'UTC'), id);

-- The call log: what an attempt came to, with what is reckoned from its times. A phone that was picked up without a word of its
-- ringing rang for no time that is known. Who met a voice menu waited for an agent only from the choice on that leads to one.
CREATE VIEW logged_calls AS
SELECT attempts.id AS attempt_id, attempts.campaign_id, campaigns.account_id, lead_id, ordinal, number, caller_id_number AS caller_id,
       attempts.queue, opened_at, ringing_at, answered_at, agent, connected_at, attempts.ended_at, outcome, cause, tech_cause,
       extract(epoch FROM coalesce(answered_at, attempts.ended_at) - ringing_at)::double precision AS ring_s,
       extract(epoch FROM attempts.ended_at - connected_at)::double precision AS talk_s,
       flow, answered_by, wait.customer_wait_s,
       CASE WHEN wait.customer_wait_s IS NOT NULL
            THEN connected_at IS NOT NULL AND wait.customer_wait_s <= campaigns.customer_wait_sla_s END AS customer_wait_sla_met,
       ring.agent_ring_s,
       CASE WHEN agent_ringing_at IS NOT NULL
            THEN ring.agent_ring_s IS NOT NULL AND ring.agent_ring_s <= campaigns.agent_dial_timeout_s END AS agent_sla_met,
       abandoned, menu_result, disposition, attempts.note, recordings.name AS recording, recordings.state AS recording_state,
       recordings.duration_s AS recording_s
FROM attempts
JOIN campaigns ON campaigns.id = attempts.campaign_id
LEFT JOIN recordings ON recordings.attempt_id = attempts.id
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM coalesce(connected_at, attempts.ended_at)
                              - coalesce(waiting_since, CASE WHEN flow <> 'menu' THEN answered_at END))::double precision
           AS customer_wait_s
) AS wait
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM connected_at - agent_ringing_at)::double precision AS agent_ring_s
) AS ring;
