-- The queues' agents and callers, as each daemon sees them on its Asterisk. Written when something changes.

-- When the daemon last saw all of it. What is older than 15 s is not to be believed: it has stopped, or its Asterisk is away.
CREATE TABLE pbx_sight (
    node    text PRIMARY KEY REFERENCES nodes ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
);

CREATE TABLE pbx_callers (
    node    text NOT NULL REFERENCES nodes ON DELETE CASCADE,
    queue   text NOT NULL,
    waiting integer NOT NULL CHECK (waiting >= 0),
    PRIMARY KEY (node, queue)
);

CREATE TABLE pbx_agents (
    node         text NOT NULL REFERENCES nodes ON DELETE CASCADE,
    queue        text NOT NULL,
    interface    text NOT NULL,
    name         text NOT NULL,
    -- Asterisk's device state.
    state        text NOT NULL CHECK (state IN ('unknown', 'not_inuse', 'inuse', 'busy', 'invalid', 'unavailable', 'ringing', 'ringinuse',
                                                'onhold')),
    paused       boolean NOT NULL,
    pause_reason text NOT NULL,
    -- Whether the call is one of a queue.
    in_call      boolean NOT NULL,
    wrapup_until timestamptz,
    -- Since when it is so.
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (node, queue, interface)
);
CREATE INDEX pbx_agents_of_queue ON pbx_agents (queue, interface);

-- Counted for people, in campaigns of a million leads beside some of ten: along the index, whatever the planner believes of the table.
CREATE FUNCTION lead_counts(of_campaign bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(state, leads)
            FROM (SELECT state, count(*) AS leads FROM leads WHERE campaign_id = of_campaign GROUP BY state) AS counted);
END $$;

-- By rule: how many leads it holds back or has ended, and when the first of them is due.
CREATE FUNCTION held_counts(of_campaign bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    RETURN (SELECT jsonb_agg(jsonb_build_array(held_by, leads, until) ORDER BY leads DESC)
            FROM (SELECT held_by, count(*) AS leads, min(not_before) AS until
                  FROM leads WHERE campaign_id = of_campaign AND held_by IS NOT NULL GROUP BY held_by) AS held);
END $$;
