-- name: recordings_to_look_at(node, settled_for, most)
-- Those that ended so long ago, and were not missed within that time.
SELECT attempt_id, name, recorded_at FROM recordings
WHERE node = :node AND state = 'pending' AND recorded_at <= now() - :settled_for::interval
  AND (looked_at IS NULL OR looked_at <= now() - :settled_for::interval)
ORDER BY recorded_at LIMIT :most;

-- name: note_stored(attempt_id, duration_s, bytes, sha256, keep_until)!
UPDATE recordings
SET state = 'stored', looked_at = now(), duration_s = :duration_s, bytes = :bytes, sha256 = :sha256, keep_until = :keep_until
WHERE attempt_id = :attempt_id AND state IN ('pending', 'missing');

-- name: note_missing(attempt_id, for_good)!
UPDATE recordings SET looked_at = now(), state = CASE WHEN :for_good THEN 'missing' ELSE 'pending' END::recording_state
WHERE attempt_id = :attempt_id AND state = 'pending';

-- name: recordings_to_delete(node, most)
SELECT attempt_id, name, recorded_at FROM recordings
WHERE node = :node AND state = 'stored' AND keep_until <= now()
ORDER BY keep_until LIMIT :most;

-- name: note_deleted(attempt_id)!
UPDATE recordings SET state = 'deleted', looked_at = now() WHERE attempt_id = :attempt_id AND state = 'stored';

-- name: recording_of_attempt(attempt_id)^
SELECT recordings.*, attempts.campaign_id
FROM recordings JOIN attempts ON attempts.id = recordings.attempt_id
WHERE recordings.attempt_id = :attempt_id;

-- name: recordings_of_campaign(campaign_id, before, page)
-- The newest first.
SELECT recordings.*, attempts.campaign_id
FROM recordings JOIN attempts ON attempts.id = recordings.attempt_id
WHERE attempts.campaign_id = :campaign_id AND recorded_at < coalesce(:before::timestamptz, 'infinity')
ORDER BY recorded_at DESC, attempt_id LIMIT :page;
