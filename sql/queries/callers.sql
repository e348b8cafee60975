-- name: note_caller(node, caller, lead_id, agents, stages)!
-- What agents do with the call just now; who is not named has nothing to do with it any more.
WITH told AS (
    SELECT * FROM unnest(:agents::text[], :stages::text[]) AS one (agent, stage)
), gone AS (
    DELETE FROM calling_leads WHERE node = :node AND caller = :caller AND agent <> ALL (:agents::text[])
)
INSERT INTO calling_leads (node, caller, agent, lead_id, stage)
SELECT :node, :caller, told.agent, leads.id, told.stage FROM told, leads WHERE leads.id = :lead_id
ON CONFLICT (node, caller, agent) DO UPDATE SET stage = excluded.stage, since = now() WHERE calling_leads.stage <> excluded.stage;

-- name: forget_callers(node)!
-- Of the node; and what others have left for a day.
DELETE FROM calling_leads WHERE node = :node OR since < now() - interval '1 day';
