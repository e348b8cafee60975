-- name: server_major()$
SELECT current_setting('server_version_num')::integer / 10000;

-- name: holds_tables()$
SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm'));

-- name: others_of_ours()$
-- Sessions of daemons, web servers and commands beside this one.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'dialerd%';

-- name: put_aside()!
ALTER SCHEMA public RENAME TO before_restore;

-- name: make_room()!
CREATE SCHEMA public;

-- name: drop_unfinished()!
DROP SCHEMA public CASCADE;

-- name: put_back()!
ALTER SCHEMA before_restore RENAME TO public;

-- name: drop_put_aside()!
DROP SCHEMA before_restore CASCADE;

-- name: pause_campaigns()$
-- Those that ran when the backup was made: of whom they have called since, it knows nothing.
WITH paused AS (
    UPDATE campaigns SET status = 'paused' WHERE status IN ('running', 'scheduled') RETURNING 1
)
SELECT count(*) FROM paused;
