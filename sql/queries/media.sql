-- name: put_medium(account_id, name, content, sha256, duration_s, notes, by)^
-- `is_new`: there was none of this name.
INSERT INTO media (account_id, name, content, sha256, duration_s, notes, uploaded_by)
VALUES (:account_id, :name, :content, :sha256, :duration_s, :notes, :by)
ON CONFLICT (account_id, name) DO UPDATE
SET content = excluded.content, sha256 = excluded.sha256, duration_s = excluded.duration_s, notes = excluded.notes,
    uploaded_by = excluded.uploaded_by, uploaded_at = now()
RETURNING account_id, name, length(content) AS bytes, sha256, duration_s, notes, uploaded_by, uploaded_at, xmax = 0 AS is_new;

-- name: media_of_account(account_id, name, after, page)
-- By name; NULL: all. `present`: whether Asterisk has it, as a daemon has seen lately.
SELECT media.account_id, media.name, length(content) AS bytes, sha256, duration_s, notes, uploaded_by, uploaded_at,
       CASE WHEN pbx_sounds.seen_at > now() - interval '2 minutes' AND pbx_sounds.seen_at > uploaded_at THEN pbx_sounds.present END AS present
FROM media LEFT JOIN pbx_sounds ON pbx_sounds.name = 'dialerd-media/' || media.account_id || '/' || media.name
WHERE media.account_id = :account_id AND media.name = coalesce(:name, media.name) AND media.name > :after
ORDER BY media.name LIMIT :page;

-- name: content_of_medium(account_id, name)^
SELECT content, sha256 FROM media WHERE account_id = :account_id AND name = :name;

-- name: lock_medium(account_id, name)$
SELECT sha256 FROM media WHERE account_id = :account_id AND name = :name FOR UPDATE;

-- name: campaigns_with_sound(sound)
-- Of any account, that are not over.
SELECT name FROM campaigns WHERE (greeting = :sound OR agent_announcement = :sound) AND ended_at IS NULL ORDER BY id;

-- name: remove_medium(account_id, name)!
DELETE FROM media WHERE account_id = :account_id AND name = :name;

-- name: media_to_place()
SELECT account_id, name, sha256 FROM media ORDER BY account_id, name;
