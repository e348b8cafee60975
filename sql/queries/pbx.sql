-- name: forget_sight(node)!
-- Of the node; and of those that nobody has heard of for a day.
WITH doomed AS (
    SELECT id FROM nodes LEFT JOIN pbx_sight ON pbx_sight.node = nodes.id
    WHERE id = :node OR seen_at < now() - interval '1 day'
), agents AS (
    DELETE FROM pbx_agents USING doomed WHERE node = doomed.id
), callers AS (
    DELETE FROM pbx_callers USING doomed WHERE node = doomed.id
)
DELETE FROM pbx_sight USING doomed WHERE node = doomed.id;

-- name: note_agents(node, queues, interfaces, names, states, paused, pause_reasons, in_call, wrapup_until, fixed, calls_taken)!
INSERT INTO pbx_agents (node, queue, interface, name, state, paused, pause_reason, in_call, wrapup_until, fixed, calls_taken, seen_at)
SELECT :node, told.*, now()
FROM unnest(:queues::text[], :interfaces::text[], :names::text[], :states::text[], :paused::boolean[], :pause_reasons::text[],
            :in_call::boolean[], :wrapup_until::timestamptz[], :fixed::boolean[], :calls_taken::integer[]) AS told
ON CONFLICT (node, queue, interface) DO UPDATE
SET name = excluded.name, state = excluded.state, paused = excluded.paused, pause_reason = excluded.pause_reason,
    in_call = excluded.in_call, wrapup_until = excluded.wrapup_until, fixed = excluded.fixed,
    calls_taken = excluded.calls_taken, seen_at = now();

-- name: forget_agents(node, queues, interfaces)!
DELETE FROM pbx_agents USING unnest(:queues::text[], :interfaces::text[]) AS gone (queue, interface)
WHERE pbx_agents.node = :node AND pbx_agents.queue = gone.queue AND pbx_agents.interface = gone.interface;

-- name: note_callers(node, queues, waiting)!
INSERT INTO pbx_callers (node, queue, waiting)
SELECT :node, told.* FROM unnest(:queues::text[], :waiting::integer[]) AS told
ON CONFLICT (node, queue) DO UPDATE SET waiting = excluded.waiting;

-- name: forget_callers(node, queues)!
DELETE FROM pbx_callers WHERE node = :node AND queue = ANY (:queues::text[]);

-- name: note_sight(node)!
INSERT INTO pbx_sight (node, seen_at) VALUES (:node, now()) ON CONFLICT (node) DO UPDATE SET seen_at = now();

-- name: note_queues(names, strategies)!
-- Told every few seconds, written far more seldom. All at once or none: while no daemon lives that could tell, they must not
-- grow too old for a start (start_facts) one after the other, or those that did so first would seem to be gone.
WITH gone AS (
    DELETE FROM pbx_queues WHERE seen_at < now() - interval '1 day'
), told AS (
    SELECT * FROM unnest(:names::text[], :strategies::text[]) AS queue (name, strategy)
)
INSERT INTO pbx_queues (name, strategy, seen_at) SELECT name, strategy, now() FROM told
WHERE EXISTS (
    SELECT FROM told LEFT JOIN pbx_queues AS noted USING (name)
    WHERE coalesce(seen_at, '-infinity') < now() - interval '30 seconds' OR noted.strategy <> told.strategy
)
ON CONFLICT (name) DO UPDATE SET strategy = excluded.strategy, seen_at = now();

-- name: page_of_queues(fresh_for, name, after, page)
-- Those that Asterisk has; of one name, or (NULL) all. Several daemons on one Asterisk see the same: the one that looked last is
-- believed. An agent who is in the queue on two Asterisks is there twice.
WITH sight AS (
    SELECT DISTINCT ON (coalesce(nullif(pbx, ''), node)) node
    FROM pbx_sight JOIN nodes ON nodes.id = node WHERE seen_at > now() - :fresh_for::interval
    ORDER BY coalesce(nullif(pbx, ''), node), seen_at DESC
)
SELECT name, strategy, known, waiting, agents, free, paused, in_call
FROM pbx_queues
LEFT JOIN LATERAL (
    SELECT sum(waiting)::integer AS waiting, count(*) > 0 AS known FROM pbx_callers JOIN sight USING (node) WHERE queue = pbx_queues.name
) AS calls ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS agents, count(*) FILTER (WHERE pbx_agents.paused) AS paused, count(*) FILTER (WHERE in_call) AS in_call,
           count(*) FILTER (WHERE state = 'not_inuse' AND NOT pbx_agents.paused AND coalesce(wrapup_until <= now(), true)) AS free
    FROM pbx_agents JOIN sight USING (node) WHERE queue = pbx_queues.name
) AS members ON true
WHERE seen_at > now() - interval '2 minutes' AND name > :after AND (:name::text IS NULL OR name = :name)
ORDER BY name LIMIT :page;

-- name: page_of_agents(queue, fresh_for, after, page)
WITH sight AS (
    SELECT DISTINCT ON (coalesce(nullif(pbx, ''), node)) node, pbx
    FROM pbx_sight JOIN nodes ON nodes.id = node WHERE seen_at > now() - :fresh_for::interval
    ORDER BY coalesce(nullif(pbx, ''), node), seen_at DESC
)
SELECT interface, name, state, paused, pause_reason, in_call, seen_at, pbx, node,
       CASE WHEN wrapup_until > now() THEN wrapup_until END AS wrapup_until
FROM pbx_agents JOIN sight USING (node)
WHERE queue = :queue AND interface || ' ' || node > :after
ORDER BY interface || ' ' || node LIMIT :page;
