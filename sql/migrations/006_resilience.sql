-- Several daemons, several trunks.

-- Which Asterisk a daemon dials through (Asterisk's entity id): a call can be looked for only where it was made. '' is not known yet.
ALTER TABLE nodes ADD COLUMN pbx text NOT NULL DEFAULT '';
-- Set by people: it starts no call any more, and hands its campaigns to the other daemons.
ALTER TABLE nodes ADD COLUMN draining boolean NOT NULL DEFAULT false;
CREATE TRIGGER nodes_bell AFTER UPDATE OF draining ON nodes FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();
-- A campaign that its daemon hands back is taken up by another one at once.
CREATE TRIGGER campaigns_free_bell AFTER UPDATE OF owner ON campaigns
    FOR EACH ROW WHEN (NEW.owner IS NULL AND OLD.owner IS NOT NULL) EXECUTE FUNCTION ring_the_bell();

-- How many agents of the queue other daemons on the same Asterisk have promised to calls for which no agent is rung yet; or whether
-- they have promised that one agent. Where there are such daemons, they look one after the other, each after the claim of the one
-- before is committed, and look afresh (which only a volatile function does). A daemon that is silent for longer promises nothing.
CREATE FUNCTION promised_elsewhere(of_node text, of_queue text, of_agent text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    of_pbx text := (SELECT pbx FROM nodes WHERE id = of_node);
BEGIN
    IF of_queue = '' OR coalesce(of_pbx, '') = '' OR NOT EXISTS (
        SELECT FROM nodes WHERE pbx = of_pbx AND id <> of_node AND heartbeat_at > now() - interval '2 minutes'
    ) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('dialerd agents'), hashtext(of_pbx || ' ' || of_queue));
    RETURN (SELECT count(*) FROM attempts JOIN nodes ON nodes.id = attempts.node
            WHERE ended_at IS NULL AND nodes.pbx = of_pbx AND nodes.id <> of_node AND queue = of_queue
              AND (of_agent IS NULL OR wanted_agent = of_agent) AND agent IS NULL AND agent_ringing_at IS NULL
              AND state <= 'answered' AND (flow <> 'menu' OR state = 'answered'));
END $$;

-- By which of the node's trunks the lead was dialed. '' where it was dialed before trunks had names.
ALTER TABLE attempts ADD COLUMN trunk text NOT NULL DEFAULT '';

-- When the rules of the account last changed: calls from before were made under others, and are not judged by these.
ALTER TABLE accounts ADD COLUMN edited_at timestamptz NOT NULL DEFAULT now();
CREATE FUNCTION note_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.edited_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_edited BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note_edit();
