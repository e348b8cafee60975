-- A lead who calls back gets a card, too: which agents such a call rings, and which one talks to the lead.

CREATE TABLE calling_leads (
    node    text NOT NULL,
    -- The call, as Asterisk names its channel (Uniqueid).
    caller  text NOT NULL,
    agent   text NOT NULL,
    lead_id bigint NOT NULL REFERENCES leads ON DELETE CASCADE,
    stage   text NOT NULL CHECK (stage IN ('ringing', 'talking')),
    since   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, caller, agent)
);
CREATE INDEX calling_leads_agent ON calling_leads (agent);
CREATE INDEX calling_leads_lead ON calling_leads (lead_id);

CREATE FUNCTION tell_of_caller() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dialerd_cards', coalesce(NEW.agent, OLD.agent));
    RETURN NULL;
END $$;
CREATE TRIGGER calling_leads_changed AFTER INSERT OR UPDATE OR DELETE ON calling_leads FOR EACH ROW EXECUTE FUNCTION tell_of_caller();
