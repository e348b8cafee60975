-- Who may be called, when, how often, and from which number: the rules of campaigns, leads and accounts.
-- A rule with an inner structure is jsonb in the shape of its Python value (dialerd/domain), which is what validates it.

-- --- Accounts ----------------------------------------------------------------------------------------------------------

ALTER TABLE accounts
    -- What a campaign may be set to at most.
    ADD COLUMN max_calls_per_second numeric(6, 3) NOT NULL DEFAULT 20 CHECK (max_calls_per_second > 0),
    ADD COLUMN max_concurrency      integer NOT NULL DEFAULT 50 CHECK (max_concurrency > 0),
    ADD COLUMN max_attempts         integer NOT NULL DEFAULT 5 CHECK (max_attempts > 0),
    ADD COLUMN max_pool             integer NOT NULL DEFAULT 50 CHECK (max_pool > 0),
    -- Rows of schedule.ScheduleRow in the account's zone, for campaigns without a schedule of their own. Empty: at any time.
    ADD COLUMN business_hours       jsonb NOT NULL DEFAULT '[]',
    -- What a lead's zone is where neither its number nor its row tells one: nothing (then it is not dialed), or the account's.
    ADD COLUMN unknown_zone         text NOT NULL DEFAULT 'block' CHECK (unknown_zone IN ('block', 'account')),
    -- Whether the zone that a lead came with replaces those of its number, instead of being used where the number has none.
    ADD COLUMN lead_zone_trusted    boolean NOT NULL DEFAULT false,
    -- Most calls to one number, by whatever campaign, in any 24 hours and 7 days. NULL: no cap.
    ADD COLUMN max_calls_24h        integer DEFAULT 5 CHECK (max_calls_24h > 0),
    ADD COLUMN max_calls_7d         integer DEFAULT 10 CHECK (max_calls_7d > 0),
    -- How long a number is left alone after a call to it was abandoned.
    ADD COLUMN abandon_lockout_h    integer NOT NULL DEFAULT 72 CHECK (abandon_lockout_h BETWEEN 0 AND 8760),
    -- Beginnings of numbers that may be dialed. NULL: every ordinary number.
    ADD COLUMN allowed_prefixes     text[],
    -- Country (ISO 3166) -> beginnings of the numbers that may be shown to its people. A country that is not listed: any.
    ADD COLUMN caller_id_prefixes   jsonb NOT NULL DEFAULT '{}',
    -- Compliance profile of campaigns that name none.
    ADD COLUMN profile              text NOT NULL DEFAULT 'none';

-- The account's main numbers, which its campaigns may show.
CREATE TABLE account_numbers (
    account_id bigint NOT NULL REFERENCES accounts,
    number     text NOT NULL CHECK (number ~ '^\+?[0-9]{3,15}$'),
    name       text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, number)
);

-- The phone number of a queue: shown by campaigns that have no caller ID of their own.
CREATE TABLE queue_numbers (
    account_id bigint NOT NULL REFERENCES accounts,
    queue      text NOT NULL CHECK (queue ~ '^[A-Za-z0-9_-]{2,40}$'),
    number     text NOT NULL CHECK (number ~ '^\+?[0-9]{3,15}$'),
    name       text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, queue)
);

-- The queues that Asterisk knows, as a daemon last saw them.
CREATE TABLE pbx_queues (
    name    text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- --- Campaigns ---------------------------------------------------------------------------------------------------------

CREATE TYPE rotation AS ENUM ('round_robin', 'random', 'sticky', 'area_matched');
CREATE TYPE alternates AS ENUM ('off', 'when_dead', 'each_attempt');

ALTER TABLE campaigns
    ADD COLUMN starts_at         timestamptz,
    -- Rows of schedule.ScheduleRow in the account's zone. NULL: the account's business hours; empty: at any time.
    ADD COLUMN schedule          jsonb,
    -- schedule.LeadWindow ("Dial By Timezone") or schedule.DayPlan ("Dial by Schedule by Timezone") in the zone of each lead.
    ADD COLUMN lead_window       jsonb,
    ADD COLUMN day_plan          jsonb,
    ADD COLUMN dial_cycles       integer NOT NULL DEFAULT 0 CHECK (dial_cycles >= 0),
    ADD COLUMN dial_cycles_time  time NOT NULL DEFAULT '00:00',
    -- Outcome -> retry.OutcomeRule.
    ADD COLUMN outcome_rules     jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN alternates        alternates NOT NULL DEFAULT 'when_dead',
    ADD COLUMN caller_id_enabled boolean NOT NULL DEFAULT false,
    ADD COLUMN rotation          rotation NOT NULL DEFAULT 'round_robin',
    ADD COLUMN profile           text,
    -- Every rule with its verdict and the fact it used, as the daemon knew them when it last said why it does not dial.
    ADD COLUMN verdicts          jsonb NOT NULL DEFAULT '[]',
    -- Its rules have changed: leads that wait because of an earlier one are to be judged again.
    ADD COLUMN judge_anew        boolean NOT NULL DEFAULT false,
    ADD CHECK (lead_window IS NULL OR day_plan IS NULL),
    ADD CHECK (status <> 'scheduled' OR starts_at IS NOT NULL);
UPDATE campaigns SET caller_id_enabled = true WHERE EXISTS (SELECT FROM caller_ids WHERE campaign_id = campaigns.id);

-- --- Leads -------------------------------------------------------------------------------------------------------------

ALTER TABLE leads
    ADD COLUMN time_zone         text,
    ADD COLUMN alternate_numbers text[] NOT NULL DEFAULT '{}',
    -- Numbers of this lead that turned out to be none, or to refuse calls.
    ADD COLUMN dead_numbers      text[] NOT NULL DEFAULT '{}',
    ADD COLUMN skill             text NOT NULL DEFAULT '',
    ADD COLUMN extension         text NOT NULL DEFAULT '',
    -- When it came, or was last made new; attempts with a higher ordinal are those since then.
    ADD COLUMN new_since         timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN dials_at_reset    integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT leads_rest_without_wait CHECK (state <> 'deleted' OR not_before IS NULL),
    -- A lead that waits says for which rule; one that a rule has ended keeps its name, too.
    DROP CONSTRAINT leads_check3,
    ADD CONSTRAINT leads_wait_for_a_rule CHECK (not_before IS NULL OR held_by IS NOT NULL),
    DROP CONSTRAINT leads_campaign_id_number_key;
UPDATE leads SET new_since = created_at;
-- A lead that was deleted may come again.
CREATE UNIQUE INDEX leads_number ON leads (campaign_id, number) WHERE state <> 'deleted';

-- Two lines, the new leads and those that are due again, so that neither can starve the other.
DROP INDEX leads_due;
CREATE INDEX leads_due ON leads (campaign_id, state, priority DESC, due_at, id)
    WHERE state IN ('active', 'retry') AND not_before IS NULL;
-- Many may wait for one moment, the opening of a window: those of higher priority are found first.
DROP INDEX leads_waiting;
CREATE INDEX leads_waiting ON leads (campaign_id, not_before, priority DESC, due_at, id) WHERE not_before IS NOT NULL;
-- Counted by rule for people and metrics.
CREATE INDEX leads_held ON leads (campaign_id, held_by) WHERE held_by IS NOT NULL;

-- An upload is known by what was in it.
CREATE TABLE uploads (
    campaign_id bigint NOT NULL REFERENCES campaigns,
    sha256      text NOT NULL,
    source      text NOT NULL,
    added       integer NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, sha256)
);

-- Where leads come from besides files: lead_sources.crm_source.CrmSource.
CREATE TABLE crm_sources (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns,
    source      jsonb NOT NULL,
    synced_at   timestamptz
);

-- --- Attempts ----------------------------------------------------------------------------------------------------------

-- Caps and lock-outs hold for a number, whatever campaign calls it. The newest come first.
CREATE INDEX attempts_by_number ON attempts (number, opened_at DESC);
-- Nobody is called twice at the same time, even if two campaigns have the number.
CREATE UNIQUE INDEX attempts_one_open_per_number ON attempts (number) WHERE ended_at IS NULL;

-- --- Do-not-call numbers -------------------------------------------------------------------------------------------------

ALTER TABLE dnc_numbers
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN added_by   text NOT NULL DEFAULT '';

-- --- Caller IDs ----------------------------------------------------------------------------------------------------------

CREATE TYPE caller_id_type AS ENUM ('account', 'custom');
ALTER TABLE caller_ids
    ADD COLUMN type          caller_id_type NOT NULL DEFAULT 'custom',
    -- The place of its last use among those of the pool: the number that was shown longest ago is next.
    ADD COLUMN turn          bigint NOT NULL DEFAULT 0,
    ADD COLUMN daily_cap     integer CHECK (daily_cap > 0),
    ADD COLUMN resting_until timestamptz;

-- How often a number was shown on a day of the account's calendar, by whatever campaign.
CREATE TABLE caller_id_days (
    account_id bigint NOT NULL REFERENCES accounts,
    number     text NOT NULL,
    day        date NOT NULL,
    uses       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day, number)
);

-- --- What the rules ask for ------------------------------------------------------------------------------------------------

-- A lead as the rules need it, its columns told apart from those of the campaign beside it.
CREATE VIEW lead_rows AS
SELECT id AS lead_id, campaign_id AS lead_campaign_id, number AS lead_number, first_name AS lead_first_name,
       last_name AS lead_last_name, state AS lead_state, dials AS lead_dials, attempts_used AS lead_attempts_used,
       max_attempts AS lead_max_attempts, cooloff_s AS lead_cooloff_s, cooloff_2nd_s AS lead_cooloff_2nd_s,
       cooloff_3rd_s AS lead_cooloff_3rd_s, new_since AS lead_new_since, time_zone AS lead_time_zone,
       alternate_numbers AS lead_alternate_numbers, dead_numbers AS lead_dead_numbers, dials_at_reset AS lead_dials_at_reset,
       priority AS lead_priority, due_at AS lead_due_at, not_before AS lead_not_before
FROM leads;

CREATE TYPE recent_call AS (number text, opened_at timestamptz, outcome outcome, lead_id bigint);

-- What follows is asked on every dial. PL/pgSQL keeps the plans of a session (SQL would make them anew at each call), and walks
-- indexes whatever the planner believes of the tables: a list of ten million numbers may have come since it last looked.

-- What the rules have to know of a lead's numbers: which are on a list, the calls to them that caps and lock-outs look at, and the
-- number of the campaign's pool that they saw last (of a campaign that wants it to be the same again; NULL: it does not).
CREATE FUNCTION lead_facts(numbers text[], of_account bigint, sticky_campaign bigint,
                           OUT listed text[], OUT recent recent_call[], OUT last_shown text)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    listed := ARRAY(SELECT one FROM unnest(numbers) AS one
                    WHERE (SELECT true FROM dnc_numbers
                           WHERE dnc_numbers.number = one AND (account_id IS NULL OR account_id = of_account)
                             AND (expires_at IS NULL OR expires_at > now())
                           LIMIT 1));
    recent := ARRAY(SELECT ROW(call.number, call.opened_at, call.outcome, call.lead_id)::recent_call
                    FROM unnest(numbers) AS one CROSS JOIN LATERAL (
                        SELECT * FROM attempts
                        WHERE attempts.number = one AND outcome IS DISTINCT FROM 'not_placed'
                        ORDER BY opened_at DESC LIMIT 200
                    ) AS call
                    ORDER BY call.opened_at DESC);
    IF sticky_campaign IS NOT NULL THEN
        last_shown := (SELECT caller_id_number FROM attempts
                       WHERE attempts.number = ANY (numbers)
                         AND caller_id_number IN (SELECT caller_ids.number FROM caller_ids WHERE campaign_id = sticky_campaign)
                       ORDER BY opened_at DESC LIMIT 1);
    END IF;
END $$;

-- Whether somebody else opens a call to the number just now, or has since lead_facts told of so many `known` ones in these minutes.
-- Caps hold for all campaigns, and what another transaction does is not seen by a statement that has begun: so nobody else may be
-- past this point for the same number, and it looks afresh (which only a volatile function does).
CREATE FUNCTION called_meanwhile(of_number text, known integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    RETURN NOT pg_try_advisory_xact_lock(hashtextextended(of_number, 0))
        OR (SELECT count(*) FROM attempts
            WHERE number = of_number AND opened_at > now() - interval '5 minutes' AND outcome IS DISTINCT FROM 'not_placed') > known;
END $$;

-- The numbers that a campaign may show, with what each is used for; days are those around today, since zones differ.
CREATE FUNCTION caller_id_pool(of_campaign bigint, of_account bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    RETURN (SELECT jsonb_agg(jsonb_build_array(caller_ids.id, number, name, caller_ids.uses, turn, type, daily_cap, resting_until, days)
                             ORDER BY caller_ids.id)
            FROM caller_ids LEFT JOIN (
                SELECT number, jsonb_object_agg(day, uses) AS days FROM caller_id_days
                WHERE account_id = of_account AND day >= current_date - 1
                GROUP BY number
            ) AS lately USING (number)
            WHERE campaign_id = of_campaign);
END $$;

-- --- The bell ------------------------------------------------------------------------------------------------------------

-- Every change of a campaign but the daemon's own notes, and of what its account says.
DROP TRIGGER campaigns_bell ON campaigns;
CREATE TRIGGER campaigns_bell AFTER INSERT OR UPDATE OF
    name, note, dial_mode, status, queue, calls_per_second, concurrency, max_attempts, cooloff_s, cooloff_2nd_s, cooloff_3rd_s, ring_timeout_s,
    customer_wait_sla_s, agent_dial_timeout_s, wrapup_s, starts_at, schedule, lead_window, day_plan, dial_cycles, dial_cycles_time,
    outcome_rules, alternates, caller_id_enabled, rotation, profile, judge_anew ON campaigns
    FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
CREATE TRIGGER accounts_bell AFTER UPDATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
CREATE TRIGGER caller_ids_bell AFTER INSERT OR UPDATE OF daily_cap, resting_until OR DELETE ON caller_ids
    FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
