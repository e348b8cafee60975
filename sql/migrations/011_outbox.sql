-- What has happened, for whoever wants to be told: webhooks, the CRM that a campaign's leads came from, the live feed. An event is
-- written in the transaction of what it tells, so that neither is ever there without the other.

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What receivers know it by. Not the id: a database that was restored gives ids away once more.
    event_id    uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Ids are given before the commit: whoever goes on where he has ended asks which transactions he could not see then.
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    type        text NOT NULL CHECK (type IN ('attempt.ended', 'menu.result', 'disposition.set', 'lead.state_changed',
                                              'campaign.status_changed', 'ping')),
    account_id  bigint NOT NULL,
    campaign_id bigint,
    lead_id     bigint,
    attempt_id  uuid,
    data        jsonb NOT NULL,
    -- What the CRM that the lead came from is to know.
    for_crm     boolean NOT NULL DEFAULT false
);
CREATE INDEX outbox_xid ON outbox (xid);
CREATE INDEX outbox_at ON outbox (at);

CREATE TABLE webhooks (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES accounts,
    -- NULL: of all campaigns of the account.
    campaign_id    bigint REFERENCES campaigns,
    -- `crm` is that of a campaign whose CRM source says where results go; it comes and goes with that.
    kind           text NOT NULL DEFAULT 'webhook' CHECK (kind IN ('webhook', 'crm')),
    name           text NOT NULL DEFAULT '',
    url            text NOT NULL,
    events         text[] NOT NULL,
    -- What its messages are signed with. It has to be known to sign; it is never shown again.
    secret         text NOT NULL DEFAULT 'whsec_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
    enabled        boolean NOT NULL DEFAULT true,
    disabled_why   text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- Failures since the last success, and until when nothing more is tried because of them.
    failures       integer NOT NULL DEFAULT 0,
    rests_until    timestamptz NOT NULL DEFAULT '-infinity',
    last_error     text NOT NULL DEFAULT '',
    last_told_at   timestamptz,
    CHECK (kind <> 'crm' OR campaign_id IS NOT NULL)
);
CREATE INDEX webhooks_of_account ON webhooks (account_id, id);
CREATE UNIQUE INDEX webhooks_one_crm ON webhooks (campaign_id) WHERE kind = 'crm';

-- An event that a webhook is to be told. No foreign key to the webhook: a call's end must not wait for somebody who removes one.
CREATE TABLE webhook_deliveries (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id bigint NOT NULL,
    outbox_id  bigint NOT NULL REFERENCES outbox ON DELETE CASCADE,
    -- Of one stream, one after the other: a lead's id, or that of the campaign below zero.
    stream     bigint NOT NULL,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    tries      integer NOT NULL DEFAULT 0,
    -- When it may be tried next. Whoever tries it puts it off meanwhile, so that it comes again if he dies.
    due_at     timestamptz NOT NULL DEFAULT now(),
    -- From when its patience counts.
    since      timestamptz NOT NULL DEFAULT now(),
    status     integer,
    error      text NOT NULL DEFAULT '',
    ended_at   timestamptz,
    CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_in_line ON webhook_deliveries (webhook_id, stream, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, state, id);
CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (outbox_id);

-- The one way in: the event, a delivery for each webhook that wants it, and the bell of those who deliver and who watch.
CREATE FUNCTION tell(of_type text, of_campaign bigint, of_lead bigint, of_attempt uuid, said jsonb, crm boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_account bigint := (SELECT account_id FROM campaigns WHERE id = of_campaign);
    event bigint;
BEGIN
    INSERT INTO outbox (type, account_id, campaign_id, lead_id, attempt_id, data, for_crm)
    VALUES (of_type, of_account, of_campaign, of_lead, of_attempt, said, crm) RETURNING id INTO event;
    INSERT INTO webhook_deliveries (webhook_id, outbox_id, stream)
    SELECT id, event, coalesce(of_lead, -of_campaign) FROM webhooks
    WHERE account_id = of_account AND enabled AND (campaign_id IS NULL OR campaign_id = of_campaign)
      AND CASE kind WHEN 'crm' THEN crm ELSE of_type = ANY (events) END;
    PERFORM pg_notify('dialerd_events', '');
END $$;

-- Of a lead only for whoever asks: there are many, at the opening of a window all at once. A call's own steps are not told.
CREATE FUNCTION tell_lead_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM campaigns JOIN webhooks USING (account_id)
               WHERE campaigns.id = NEW.campaign_id AND webhooks.enabled AND 'lead.state_changed' = ANY (webhooks.events)
                 AND (webhooks.campaign_id IS NULL OR webhooks.campaign_id = NEW.campaign_id)) THEN
        PERFORM tell('lead.state_changed', NEW.campaign_id, NEW.id, NULL, jsonb_build_object(
            'from', OLD.state, 'to', NEW.state, 'ticket_id', NEW.ticket_id, 'number', NEW.number, 'not_before', NEW.not_before,
            'held_by', NEW.held_by, 'attempts_used', NEW.attempts_used, 'result', NEW.result));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER leads_tell AFTER UPDATE ON leads FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state NOT IN ('dialing', 'ringing', 'answered'))
    EXECUTE FUNCTION tell_lead_state();

CREATE FUNCTION tell_campaign_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell('campaign.status_changed', NEW.id, NULL, NULL,
                 jsonb_build_object('campaign', NEW.name, 'from', OLD.status, 'to', NEW.status));
    RETURN NULL;
END $$;
CREATE TRIGGER campaigns_tell AFTER UPDATE OF status ON campaigns FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION tell_campaign_status();

-- The webhook of a CRM source with `results`.
CREATE FUNCTION keep_crm_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NOT NEW.source ? 'results' THEN
        DELETE FROM webhooks WHERE campaign_id = OLD.campaign_id AND kind = 'crm';
        RETURN NULL;
    END IF;
    INSERT INTO webhooks (account_id, campaign_id, kind, name, url, events)
    SELECT account_id, id, 'crm', 'CRM of ' || name, NEW.source -> 'results' ->> 'url', '{}' FROM campaigns WHERE id = NEW.campaign_id
    ON CONFLICT (campaign_id) WHERE kind = 'crm'
    DO UPDATE SET url = excluded.url, enabled = true, disabled_why = '', failures = 0, rests_until = '-infinity';
    RETURN NULL;
END $$;
CREATE TRIGGER crm_sources_webhook AFTER INSERT OR DELETE OR UPDATE OF source ON crm_sources
    FOR EACH ROW EXECUTE FUNCTION keep_crm_webhook();

-- What was queued for CRMs is in the outbox from now on; daemons of the version before still write it here.
INSERT INTO outbox (at, type, account_id, campaign_id, lead_id, attempt_id, data, for_crm)
SELECT queued_at, 'attempt.ended', account_id, campaign_id, lead_id, attempt_id, result, true
FROM crm_results JOIN campaigns ON campaigns.id = campaign_id ORDER BY crm_results.id;
DROP TABLE crm_results;
CREATE VIEW crm_results AS
SELECT id, campaign_id, lead_id, attempt_id, data AS result, at AS queued_at FROM outbox WHERE for_crm;
CREATE FUNCTION tell_crm_result() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell('attempt.ended', NEW.campaign_id, NEW.lead_id, NEW.attempt_id, NEW.result, true);
    RETURN NEW;
END $$;
CREATE TRIGGER crm_results_tell INSTEAD OF INSERT ON crm_results FOR EACH ROW EXECUTE FUNCTION tell_crm_result();
