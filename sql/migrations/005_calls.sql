-- Every way a call can go: dial modes and targets, cards for agents, voice menus, recordings, dispositions, the abandonment ledger.

-- --- Campaigns ---------------------------------------------------------------------------------------------------------

CREATE TYPE call_flow AS ENUM ('progressive', 'menu', 'preview', 'agent_first');
CREATE TYPE target AS ENUM ('queue', 'agent', 'last_agent', 'menu');
CREATE TYPE gate AS ENUM ('free_agents', 'rate');
CREATE TYPE preview_order AS ENUM ('dial_first', 'accept_first');
CREATE TYPE no_agent AS ENUM ('queue', 'message', 'message_at_sla');
CREATE TYPE machine_detection AS ENUM ('off', 'listen', 'hang_up');
CREATE TYPE on_cap AS ENUM ('one_per_agent', 'pause');

ALTER TABLE campaigns
    ADD COLUMN target              target NOT NULL DEFAULT 'queue',
    ADD COLUMN target_agent        text NOT NULL DEFAULT '',
    ADD COLUMN menu                text NOT NULL DEFAULT '',
    ADD COLUMN preview_order       preview_order NOT NULL DEFAULT 'dial_first',
    ADD COLUMN offer_s             integer NOT NULL DEFAULT 30 CHECK (offer_s > 0),
    ADD COLUMN gate                gate NOT NULL DEFAULT 'free_agents',
    -- Sounds, as Asterisk names them; empty: none.
    ADD COLUMN greeting            text NOT NULL DEFAULT '',
    ADD COLUMN agent_announcement  text NOT NULL DEFAULT '',
    ADD COLUMN no_agent            no_agent NOT NULL DEFAULT 'queue',
    ADD COLUMN mask_lead_caller_id boolean NOT NULL DEFAULT false,
    ADD COLUMN send_lead_data      boolean NOT NULL DEFAULT false,
    ADD COLUMN recording           boolean NOT NULL DEFAULT false,
    ADD COLUMN machine_detection   machine_detection NOT NULL DEFAULT 'off',
    ADD COLUMN machine_audit_pct   integer NOT NULL DEFAULT 5 CHECK (machine_audit_pct BETWEEN 0 AND 100),
    ADD COLUMN abandonment_cap_pct double precision CHECK (abandonment_cap_pct > 0 AND abandonment_cap_pct <= 100),
    ADD COLUMN on_cap              on_cap NOT NULL DEFAULT 'one_per_agent',
    -- Rows of dispositions.Disposition.
    ADD COLUMN dispositions        jsonb NOT NULL DEFAULT '[{"code": "success", "title": "Success", "effect": "done"},
        {"code": "not_interested", "title": "Not interested", "effect": "done"},
        {"code": "voicemail", "title": "Voicemail", "effect": "voicemail"},
        {"code": "callback", "title": "Call back", "effect": "callback"},
        {"code": "try_again", "title": "Try again", "effect": "retry"},
        {"code": "wrong_number", "title": "Wrong number", "effect": "failed"},
        {"code": "do_not_call", "title": "Do not call", "effect": "opt_out"}]',
    DROP CONSTRAINT campaigns_queue_check,
    ADD CONSTRAINT campaigns_queue_check CHECK (queue ~ '^[A-Za-z0-9_-]{2,40}$' OR (queue = '' AND target = 'menu')),
    ADD CHECK (target <> 'menu' OR (menu <> '' AND dial_mode = 'progressive')),
    ADD CHECK (target <> 'agent' OR target_agent <> '');

-- menus.VoiceMenu.
CREATE TABLE menus (
    account_id bigint NOT NULL REFERENCES accounts,
    name       text NOT NULL CHECK (name ~ '^[A-Za-z0-9_-]{1,40}$'),
    menu       jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name)
);

-- Whether Asterisk has the sounds that campaigns and menus name, as a daemon last saw it.
CREATE TABLE pbx_sounds (
    name    text PRIMARY KEY,
    present boolean NOT NULL,
    seen_at timestamptz NOT NULL
);

-- --- Leads -------------------------------------------------------------------------------------------------------------

ALTER TABLE leads
    -- The agent whom the lead wants to be called back by, while a callback is agreed.
    ADD COLUMN callback_agent text,
    -- What the lead chose in the voice menu, or the agent said of it, last.
    ADD COLUMN result         text NOT NULL DEFAULT '';

CREATE OR REPLACE VIEW lead_rows AS
SELECT id AS lead_id, campaign_id AS lead_campaign_id, number AS lead_number, first_name AS lead_first_name,
       last_name AS lead_last_name, state AS lead_state, dials AS lead_dials, attempts_used AS lead_attempts_used,
       max_attempts AS lead_max_attempts, cooloff_s AS lead_cooloff_s, cooloff_2nd_s AS lead_cooloff_2nd_s,
       cooloff_3rd_s AS lead_cooloff_3rd_s, new_since AS lead_new_since, time_zone AS lead_time_zone,
       alternate_numbers AS lead_alternate_numbers, dead_numbers AS lead_dead_numbers, dials_at_reset AS lead_dials_at_reset,
       priority AS lead_priority, due_at AS lead_due_at, not_before AS lead_not_before,
       ticket_id AS lead_ticket_id, skill AS lead_skill, extension AS lead_extension, custom AS lead_custom,
       callback_agent AS lead_callback_agent
FROM leads;

-- What came of leads that came from a CRM, for it to be told. Delivery marks it.
CREATE TABLE crm_results (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id  bigint NOT NULL REFERENCES campaigns,
    lead_id      bigint NOT NULL REFERENCES leads,
    attempt_id   uuid NOT NULL,
    result       jsonb NOT NULL,
    queued_at    timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX crm_results_waiting ON crm_results (campaign_id, id) WHERE delivered_at IS NULL;

-- --- Attempts ----------------------------------------------------------------------------------------------------------

CREATE TYPE answered_by AS ENUM ('human', 'machine', 'not_sure');

ALTER TABLE attempts
    ADD COLUMN flow          call_flow NOT NULL DEFAULT 'progressive',
    -- The agent who is to be rung before the queue is asked; and the channel of one who has stayed from an earlier call.
    ADD COLUMN wanted_agent  text,
    ADD COLUMN kept_leg      uuid,
    ADD COLUMN answered_by   answered_by,
    -- Since when the lead waited for an agent.
    ADD COLUMN waiting_since timestamptz,
    ADD COLUMN menu_node     text NOT NULL DEFAULT '',
    ADD COLUMN menu_result   text NOT NULL DEFAULT '',
    -- What the agent says of it.
    ADD COLUMN disposition   text,
    ADD COLUMN note          text NOT NULL DEFAULT '',
    ADD COLUMN callback_at   timestamptz,
    ADD COLUMN callback_agent text,
    ADD COLUMN disposed_by   text,
    ADD COLUMN disposed_at   timestamptz,
    -- Whether a callback that was agreed in it gave the lead one attempt more.
    ADD COLUMN gave_attempt  boolean NOT NULL DEFAULT false,
    -- What it added to the abandonment ledger. NULL: nothing.
    ADD COLUMN in_time       boolean,
    ADD COLUMN abandoned     boolean,
    -- Name of the recording in Asterisk. Empty: it was not to be recorded.
    ADD COLUMN recording     text NOT NULL DEFAULT '',
    ADD CHECK (state <> 'menu' OR answered_at IS NOT NULL),
    ADD CHECK ((disposition IS NULL) = (disposed_at IS NULL)),
    ADD CHECK ((in_time IS NULL) = (abandoned IS NULL));
-- The agent who last spoke to a number.
CREATE INDEX attempts_talks ON attempts (number, connected_at DESC) WHERE agent IS NOT NULL AND connected_at IS NOT NULL;
-- The talk that an agent is to say something of.
CREATE INDEX attempts_by_agent ON attempts (agent, connected_at DESC) WHERE agent IS NOT NULL AND connected_at IS NOT NULL;

-- --- Recordings --------------------------------------------------------------------------------------------------------

CREATE TYPE recording_state AS ENUM ('pending', 'stored', 'missing', 'deleted');
CREATE TABLE recordings (
    attempt_id  uuid PRIMARY KEY REFERENCES attempts,
    node        text NOT NULL,               -- whose Asterisk has it
    name        text NOT NULL,               -- as Asterisk's REST interface names it
    state       recording_state NOT NULL DEFAULT 'pending',
    recorded_at timestamptz NOT NULL,
    looked_at   timestamptz,
    duration_s  double precision,
    bytes       bigint,
    sha256      text,
    -- When it is to be deleted. NULL: never.
    keep_until  timestamptz,
    CHECK ((state = 'stored') <= (duration_s IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL))
);
CREATE INDEX recordings_pending ON recordings (node, recorded_at) WHERE state = 'pending';
CREATE INDEX recordings_kept ON recordings (keep_until) WHERE state = 'stored';

-- --- Cards for agents ----------------------------------------------------------------------------------------------------

CREATE TYPE offer_state AS ENUM ('open', 'accepted', 'skipped', 'lapsed', 'withdrawn');
-- A lead's card before an agent. Of a call that is being dialed, the attempt; of one that waits for an agent first, none yet.
CREATE TABLE offers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns,
    lead_id     bigint NOT NULL REFERENCES leads,
    attempt_id  uuid REFERENCES attempts,
    -- Which of the attempt's offers it is.
    ordinal     integer NOT NULL DEFAULT 1 CHECK (ordinal > 0),
    agent       text NOT NULL,
    node        text NOT NULL,
    state       offer_state NOT NULL DEFAULT 'open',
    offered_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    answered_at timestamptz,
    -- Whether the daemon has acted on the answer.
    noticed     boolean NOT NULL DEFAULT false,
    CHECK ((state = 'open') = (answered_at IS NULL))
);
CREATE UNIQUE INDEX offers_one_open_per_lead ON offers (lead_id) WHERE state = 'open';
CREATE UNIQUE INDEX offers_one_open_per_agent ON offers (agent) WHERE state = 'open';
CREATE INDEX offers_unnoticed ON offers (node) WHERE NOT noticed;
CREATE INDEX offers_of_lead ON offers (lead_id, id);
-- An agent has answered. What the daemon itself writes tells it nothing: a statement that finds nothing to do rings no bell, either.
CREATE TRIGGER offers_bell AFTER UPDATE OF state ON offers FOR EACH ROW WHEN (NEW.state IN ('accepted', 'skipped'))
    EXECUTE FUNCTION ring_the_bell();

-- --- The abandonment ledger ------------------------------------------------------------------------------------------------

-- Calls that a person answered, by campaign and legal period; written in the transaction that closes the attempt.
CREATE TABLE abandonment (
    campaign_id  bigint NOT NULL REFERENCES campaigns,
    period_start timestamptz NOT NULL,
    answered     integer NOT NULL DEFAULT 0,
    in_time      integer NOT NULL DEFAULT 0,
    abandoned    integer NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign_id, period_start),
    CHECK (in_time + abandoned <= answered)
);

-- --- The bell ------------------------------------------------------------------------------------------------------------

DROP TRIGGER campaigns_bell ON campaigns;
CREATE TRIGGER campaigns_bell AFTER INSERT OR UPDATE OF
    name, note, dial_mode, status, queue, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s,
    customer_wait_sla_s, agent_dial_timeout_s, wrapup_s, starts_at, schedule, lead_window, day_plan, dial_cycles, dial_cycles_time,
    outcome_rules, alternates, caller_id_enabled, rotation, profile, judge_anew, target, target_agent, menu, preview_order, offer_s, gate,
    greeting, agent_announcement, no_agent, mask_lead_caller_id, send_lead_data, recording, machine_detection, machine_audit_pct,
    abandonment_cap_pct, on_cap, dispositions ON campaigns
    FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
CREATE TRIGGER menus_bell AFTER INSERT OR UPDATE ON menus FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
