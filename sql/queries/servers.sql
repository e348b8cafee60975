-- name: server_state()^
-- Who answers, and how far it has written: the timeline (a promoted standby begins a new one; NULL while it is one) and the bytes of
-- WAL, which only grow unless the newest are lost.
SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
       CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_lsn() - '0/0')::bigint END AS written;

-- name: system_identifier()$
-- Of the cluster: the same for a standby, another for a dump that was restored elsewhere.
SELECT system_identifier FROM pg_control_system();
