-- name: register_node(node, version)!
-- A new life of this node: what an earlier life of it still held is let go, and its writes are fenced off.
WITH released AS (
    UPDATE campaigns SET owner = NULL, lease_until = NULL, epoch = epoch + 1 WHERE owner = :node
)
INSERT INTO nodes (id, started_at, heartbeat_at, version) VALUES (:node, now(), now(), :version)
ON CONFLICT (id) DO UPDATE SET started_at = now(), heartbeat_at = now(), version = :version;

-- name: heartbeat(node)!
UPDATE nodes SET heartbeat_at = now() WHERE id = :node;

-- name: note_queues(names)!
-- Told every few seconds, written far more seldom. All at once or none: while no daemon lives that could tell, they must not
-- grow too old for a start (start_facts) one after the other, or those that did so first would seem to be gone.
WITH gone AS (
    DELETE FROM pbx_queues WHERE seen_at < now() - interval '1 day'
), told AS (
    SELECT DISTINCT unnest(:names::text[]) AS name
)
INSERT INTO pbx_queues (name, seen_at) SELECT name, now() FROM told
WHERE EXISTS (SELECT FROM told LEFT JOIN pbx_queues USING (name) WHERE coalesce(seen_at, '-infinity') < now() - interval '30 seconds')
ON CONFLICT (name) DO UPDATE SET seen_at = now();

-- name: list_nodes()
SELECT id, started_at, heartbeat_at, version FROM nodes ORDER BY id;

-- name: database_time()$
SELECT clock_timestamp();

-- name: lock_node_name(node)$
SELECT pg_try_advisory_lock(hashtext('dialerd node'), hashtext(:node));
