-- name: recordings_to_look_at(node, settled_for, most)
-- Those that ended so long ago, and were not missed within that time.
SELECT attempt_id, name, recorded_at FROM recordings
WHERE node = :node AND state = 'pending' AND recorded_at <= now() - :settled_for::interval
  AND (looked_at IS NULL OR looked_at <= now() - :settled_for::interval)
ORDER BY recorded_at LIMIT :most;

-- name: note_stored(attempt_id, duration_s, bytes, sha256, keep_until)!
-- Somebody may have asked already that it be deleted.
UPDATE recordings
SET state = 'stored', looked_at = now(), duration_s = :duration_s, bytes = :bytes, sha256 = :sha256,
    keep_until = least(keep_until, :keep_until)
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

-- name: recording_of_attempt(attempt_id, account_id)^
-- NULL: of any account.
SELECT recordings.*, attempts.campaign_id, attempts.lead_id, attempts.agent, coalesce(nodes.pbx, '') AS pbx, now() AS now
FROM recordings
JOIN attempts ON attempts.id = recordings.attempt_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
LEFT JOIN nodes ON nodes.id = recordings.node
WHERE recordings.attempt_id = :attempt_id AND campaigns.account_id = coalesce(:account_id, campaigns.account_id);

-- name: recordings_of_campaign(campaign_id, recording_state, since, until, behind_at, behind_id, page)
-- The newest first, behind a place in that order; NULL: in any state, at any time, from the newest on.
SELECT recordings.*, attempts.campaign_id, attempts.lead_id, attempts.agent, coalesce(nodes.pbx, '') AS pbx, now() AS now
FROM recordings
JOIN attempts ON attempts.id = recordings.attempt_id
LEFT JOIN nodes ON nodes.id = recordings.node
WHERE recordings.campaign_id = :campaign_id AND recordings.state = coalesce(:recording_state, recordings.state)
  AND recorded_at >= coalesce(:since::timestamptz, '-infinity') AND recorded_at < coalesce(:until::timestamptz, 'infinity')
  AND (recorded_at, attempt_id) < (coalesce(:behind_at::timestamptz, 'infinity'), :behind_id::uuid)
ORDER BY recorded_at DESC, attempt_id DESC LIMIT :page;

-- name: recordings_of_account(account_id, recording_state, since, until, behind_at, behind_id, page)
-- The same of all its campaigns: a walk of the index recordings_newest.
SELECT recordings.*, attempts.campaign_id, attempts.lead_id, attempts.agent, coalesce(nodes.pbx, '') AS pbx, now() AS now
FROM recordings
JOIN attempts ON attempts.id = recordings.attempt_id
JOIN campaigns ON campaigns.id = attempts.campaign_id
LEFT JOIN nodes ON nodes.id = recordings.node
WHERE campaigns.account_id = :account_id AND recordings.state = coalesce(:recording_state, recordings.state)
  AND recorded_at >= coalesce(:since::timestamptz, '-infinity') AND recorded_at < coalesce(:until::timestamptz, 'infinity')
  AND (recorded_at, attempt_id) < (coalesce(:behind_at::timestamptz, 'infinity'), :behind_id::uuid)
ORDER BY recorded_at DESC, attempt_id DESC LIMIT :page;

-- name: recordings_of_agent(account_id, agent, campaign_id, recording_state, since, until, behind_at, behind_id, page)
-- The same of one agent; NULL: in any campaign. An agent's calls are few enough to be sorted.
SELECT recordings.*, attempts.campaign_id, attempts.lead_id, attempts.agent, coalesce(nodes.pbx, '') AS pbx, now() AS now
FROM attempts
JOIN LATERAL (
    SELECT * FROM recordings WHERE attempt_id = attempts.id
    OFFSET 0  -- call by call, instead of all recordings until there are enough of this agent
) AS recordings ON true
JOIN campaigns ON campaigns.id = attempts.campaign_id
LEFT JOIN nodes ON nodes.id = recordings.node
WHERE attempts.agent = :agent AND campaigns.account_id = :account_id AND campaigns.id = coalesce(:campaign_id, campaigns.id)
  AND recordings.state = coalesce(:recording_state, recordings.state)
  AND recorded_at >= coalesce(:since::timestamptz, '-infinity') AND recorded_at < coalesce(:until::timestamptz, 'infinity')
  AND (recorded_at, attempt_id) < (coalesce(:behind_at::timestamptz, 'infinity'), :behind_id::uuid)
ORDER BY recorded_at DESC, attempt_id DESC LIMIT :page;

-- name: recorded_at(attempt_id)$
SELECT recorded_at FROM recordings WHERE attempt_id = :attempt_id;

-- name: mark_for_deletion(attempt_id)!
-- The archivist of its node deletes it. What was not looked for yet is deleted once it is found.
UPDATE recordings SET keep_until = least(keep_until, now()) WHERE attempt_id = :attempt_id AND state IN ('pending', 'stored');
