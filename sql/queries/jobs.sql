-- name: create_job(account_id, campaign_id, kind, source, created_by)^
INSERT INTO jobs (account_id, campaign_id, kind, source, created_by)
VALUES (:account_id, :campaign_id, :kind, :source, :created_by)
RETURNING *;

-- name: get_job(job_id)^
SELECT * FROM jobs WHERE id = :job_id;

-- name: list_jobs(account_id, before, page)
-- The newest first.
SELECT * FROM jobs WHERE account_id = :account_id AND id < :before ORDER BY id DESC LIMIT :page;

-- name: start_job(job_id)$
-- Whether it was still waiting.
UPDATE jobs SET state = 'running', started_at = now(), heartbeat_at = now() WHERE id = :job_id AND state = 'queued' RETURNING true;

-- name: note_progress(job_id, rows_read, bad_rows)!
UPDATE jobs SET rows_read = :rows_read, bad_rows = :bad_rows, heartbeat_at = now() WHERE id = :job_id AND ended_at IS NULL;

-- name: finish_job(job_id, rows_read, bad_rows, report, flaws)$
-- Nothing comes back if it has been given up meanwhile.
UPDATE jobs
SET state = 'done', ended_at = now(), rows_read = :rows_read, bad_rows = :bad_rows, report = :report, flaws = :flaws
WHERE id = :job_id AND ended_at IS NULL
RETURNING true;

-- name: fail_job(job_id, rows_read, bad_rows, flaws, error)!
UPDATE jobs
SET state = 'failed', ended_at = now(), rows_read = :rows_read, bad_rows = :bad_rows, flaws = :flaws, error = :error
WHERE id = :job_id AND ended_at IS NULL;

-- name: give_up_silent_jobs(silent_for, error)!
-- Their process has died, or it is cut off from the database and will find that out.
UPDATE jobs SET state = 'failed', ended_at = now(), error = :error
WHERE ended_at IS NULL AND heartbeat_at < now() - :silent_for::interval;

-- name: forget_old_jobs(older_than)!
DELETE FROM jobs WHERE ended_at < now() - :older_than::interval;
