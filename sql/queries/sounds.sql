-- name: sounds_of_campaigns()
SELECT DISTINCT sound.name
FROM campaigns CROSS JOIN LATERAL (VALUES (greeting), (agent_announcement)) AS sound (name)
WHERE ended_at IS NULL AND sound.name <> '';

-- name: sounds_of_media()
SELECT 'dialerd-media/' || account_id || '/' || name AS name FROM media;

-- name: every_menu()
SELECT menu FROM menus;

-- name: note_sounds(names, present)!
WITH gone AS (
    DELETE FROM pbx_sounds WHERE seen_at < now() - interval '1 day'
)
INSERT INTO pbx_sounds (name, present, seen_at)
SELECT name, present, now() FROM unnest(:names::text[], :present::boolean[]) AS told (name, present)
ON CONFLICT (name) DO UPDATE SET present = excluded.present, seen_at = now();

-- name: missing_sounds(names)
SELECT name FROM pbx_sounds
WHERE name = ANY (:names::text[]) AND NOT present AND seen_at > now() - interval '2 minutes' ORDER BY name;
