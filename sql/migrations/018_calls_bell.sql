-- An agent's desktop sees the lead from the card to the end of the talk: whoever waits for the agent's card is told of calls, too.

-- The call that rings the agent, or goes on with the agent; and the card that the agent accepted last.
CREATE INDEX attempts_open_by_agent ON attempts (agent) WHERE ended_at IS NULL AND agent IS NOT NULL;
CREATE INDEX offers_accepted_by_agent ON offers (agent, id DESC) WHERE state = 'accepted';

-- The agent's phone rings, the two talk, the call is over, or it rings another agent now.
CREATE FUNCTION tell_of_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.agent IS NOT NULL THEN
        PERFORM pg_notify('dialerd_cards', NEW.agent);
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.agent IS DISTINCT FROM NEW.agent AND OLD.agent IS NOT NULL THEN
        PERFORM pg_notify('dialerd_cards', OLD.agent);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER attempts_call_made AFTER INSERT ON attempts FOR EACH ROW WHEN (NEW.agent IS NOT NULL) EXECUTE FUNCTION tell_of_call();
CREATE TRIGGER attempts_call_moved AFTER UPDATE OF agent, connected_at, ended_at ON attempts FOR EACH ROW
    WHEN ((NEW.agent, NEW.connected_at, NEW.ended_at) IS DISTINCT FROM (OLD.agent, OLD.connected_at, OLD.ended_at)
          AND (NEW.agent IS NOT NULL OR OLD.agent IS NOT NULL))
    EXECUTE FUNCTION tell_of_call();
-- The card is gone: answered at another desktop, or its time or its call is over.
CREATE TRIGGER offers_card_gone AFTER UPDATE OF state ON offers FOR EACH ROW WHEN (OLD.state = 'open' AND NEW.state <> 'open')
    EXECUTE FUNCTION tell_of_card();
