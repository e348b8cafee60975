-- name: account_queues(account_id, agent, fresh_for)
-- Queues that Asterisk has and that campaigns of the account are bound to, and the agent in each. Those of campaigns that are over
-- count only where the agent is in them. Several daemons on one Asterisk see the same: the one that looked last is believed; on several
-- Asterisks the one where the phone can be reached, and then the one by name.
WITH sight AS (
    SELECT DISTINCT ON (coalesce(nullif(pbx, ''), node)) node
    FROM pbx_sight JOIN nodes ON nodes.id = node WHERE seen_at > now() - :fresh_for::interval
    ORDER BY coalesce(nullif(pbx, ''), node), seen_at DESC
), bound AS (
    SELECT queue, array_agg(name ORDER BY name) FILTER (WHERE status NOT IN ('completed', 'cancelled')) AS campaigns
    FROM campaigns WHERE account_id = :account_id AND queue <> '' GROUP BY queue
), told AS (
    SELECT DISTINCT ON (queue) pbx_agents.* FROM pbx_agents JOIN sight USING (node) WHERE interface = :agent
    ORDER BY queue, state IN ('unknown', 'invalid', 'unavailable'), node
)
SELECT bound.queue, coalesce(bound.campaigns, '{}') AS campaigns,
       EXISTS (SELECT FROM pbx_callers JOIN sight USING (node) WHERE queue = bound.queue) AS known,
       told.queue IS NOT NULL AS member, coalesce(told.fixed, false) AS fixed, coalesce(told.paused, false) AS paused,
       coalesce(told.pause_reason, '') AS pause_reason, told.state, coalesce(told.in_call, false) AS in_call,
       CASE WHEN told.wrapup_until > now() THEN told.wrapup_until END AS wrapup_until, told.calls_taken
FROM bound
JOIN pbx_queues ON pbx_queues.name = bound.queue AND pbx_queues.seen_at > now() - interval '2 minutes'
LEFT JOIN told ON told.queue = bound.queue
WHERE bound.campaigns IS NOT NULL OR told.queue IS NOT NULL
ORDER BY bound.queue;

-- name: wish(account_id, agent, action, queue, queues, reason, wished_by)$
-- What is long over is forgotten then.
WITH forgotten AS (
    DELETE FROM agent_wishes WHERE account_id = :account_id AND agent = :agent AND wished_at < now() - interval '30 days'
)
INSERT INTO agent_wishes (account_id, agent, action, queue, queues, reason, wished_by)
VALUES (:account_id, :agent, :action, :queue, :queues, :reason, :wished_by) RETURNING id;

-- name: told_wish(account_id, agent, wish_id, within)^
-- That one of the agent's, or (NULL) the last one. It waits until each Asterisk that a daemon reaches has answered, and never longer
-- than it may.
SELECT agent_wishes.*,
       CASE WHEN wished_at > now() - :within::interval AND (answers = 0 OR EXISTS (
           SELECT FROM nodes
           WHERE pbx <> '' AND asterisk_away_since IS NULL AND heartbeat_at > now() - interval '6 seconds'
             AND NOT EXISTS (SELECT FROM agent_wish_answers AS given WHERE given.wish_id = agent_wishes.id AND given.pbx = nodes.pbx)
       )) THEN 'waiting'
       WHEN refused IS NOT NULL THEN 'refused'
       WHEN done_at IS NOT NULL THEN 'done'
       ELSE 'refused' END AS state,
       done_at, coalesce(refused, elsewhere, '') AS why
FROM agent_wishes, LATERAL (
    SELECT count(*) AS answers, max(answered_at) FILTER (WHERE answer = 'done') AS done_at,
           string_agg(why, '; ' ORDER BY pbx) FILTER (WHERE answer = 'refused') AS refused,
           min(why) FILTER (WHERE answer = 'elsewhere') AS elsewhere
    FROM agent_wish_answers WHERE wish_id = agent_wishes.id
) AS answered
WHERE account_id = :account_id AND agent = :agent AND id = coalesce(:wish_id, id)
ORDER BY id DESC LIMIT 1;

-- name: open_wishes(node, within)
-- That the node's Asterisk has not answered, in the order in which they were wished. Of several daemons on one Asterisk that live, the
-- first by name carries them out.
SELECT agent_wishes.id, agent_wishes.agent, agent_wishes.action, agent_wishes.queues, agent_wishes.reason,
       coalesce((SELECT coalesce(nullif(name, ''), login) FROM users
                 WHERE account_id = agent_wishes.account_id AND agent = agent_wishes.agent AND NOT disabled
                 ORDER BY id LIMIT 1), '') AS name
FROM nodes AS me, agent_wishes
WHERE me.id = :node AND me.pbx <> '' AND wished_at > now() - :within::interval
  AND NOT EXISTS (SELECT FROM agent_wish_answers AS given WHERE given.wish_id = agent_wishes.id AND given.pbx = me.pbx)
  AND NOT EXISTS (
      SELECT FROM nodes AS other
      WHERE other.pbx = me.pbx AND other.id < me.id AND other.asterisk_away_since IS NULL
        AND other.heartbeat_at > now() - interval '6 seconds')
ORDER BY agent_wishes.id;

-- name: answer_wish(wish_id, node, answer, why)!
INSERT INTO agent_wish_answers (wish_id, pbx, answer, why)
SELECT :wish_id, pbx, :answer, :why FROM nodes WHERE id = :node AND pbx <> '' AND EXISTS (SELECT FROM agent_wishes WHERE id = :wish_id)
ON CONFLICT (wish_id, pbx) DO NOTHING;
