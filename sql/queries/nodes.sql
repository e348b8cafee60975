-- name: register_node(node, version)!
-- A new life of this node: what an earlier life of it still held is let go, and its writes are fenced off.
WITH released AS (
    UPDATE campaigns SET owner = NULL, lease_until = NULL, epoch = epoch + 1 WHERE owner = :node
)
INSERT INTO nodes (id, started_at, heartbeat_at, version) VALUES (:node, now(), now(), :version)
ON CONFLICT (id) DO UPDATE SET started_at = now(), heartbeat_at = now(), version = :version;

-- name: heartbeat(node, asterisk_up)!
UPDATE nodes SET heartbeat_at = now(), asterisk_away_since = CASE WHEN NOT :asterisk_up THEN coalesce(asterisk_away_since, now()) END
WHERE id = :node;

-- name: list_nodes()
SELECT id, started_at, heartbeat_at, version, pbx, draining, now() - heartbeat_at AS silent_for,
       (SELECT count(*) FROM campaigns WHERE owner = nodes.id AND lease_until > now()) AS campaigns,
       (SELECT count(*) FROM attempts WHERE node = nodes.id AND ended_at IS NULL) AS open_calls
FROM nodes ORDER BY id;

-- name: note_pbx(node, pbx)!
UPDATE nodes SET pbx = :pbx WHERE id = :node AND pbx <> :pbx;

-- name: set_draining(node, draining)$
-- The node's name, if there is such a node.
UPDATE nodes SET draining = :draining WHERE id = :node RETURNING id;

-- name: is_draining(node)$
-- Because people want it, or because its Asterisk is away and another node's is not.
SELECT draining OR (asterisk_away_since <= now() - interval '5 seconds' AND EXISTS (
    SELECT FROM nodes AS other
    WHERE other.id <> nodes.id AND NOT other.draining AND other.asterisk_away_since IS NULL
      AND other.heartbeat_at > now() - interval '10 seconds'))
FROM nodes WHERE id = :node;

-- name: neighbours(node)
-- The other nodes on this node's Asterisk that have calls in flight or cards before agents, and for how long the database has
-- heard nothing of them.
SELECT other.id, now() - other.heartbeat_at AS silent_for
FROM nodes AS me JOIN nodes AS other ON other.pbx = me.pbx AND other.id <> me.id
WHERE me.id = :node AND me.pbx <> ''
  AND (EXISTS (SELECT FROM attempts WHERE ended_at IS NULL AND node = other.id)
    OR EXISTS (SELECT FROM offers WHERE NOT noticed AND node = other.id));

-- name: database_time()$
SELECT clock_timestamp();

-- name: oldest_snapshot()^
-- Who has looked at the rows for the longest, or changed some, without an end: what others have changed since cannot be cleared away,
-- so claims walk over it. Sessions of other users can be seen only by who may read all statistics.
SELECT pid, usename AS "user", application_name AS application, state, now() - xact_start AS age
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
ORDER BY greatest(age(backend_xmin), age(backend_xid)) DESC, xact_start
LIMIT 1;

-- name: lock_node_name(node)^
-- And which session has it then.
SELECT pg_try_advisory_lock(hashtext('dialerd node'), hashtext(:node)) AS locked, pid, backend_start AS began
FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: end_session(pid, began)$
-- How many there are of it: it is told to end, and releases its locks before it disappears from here.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :began;
