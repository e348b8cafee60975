-- name: schema_is_known()$
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- name: applied_migrations()
SELECT name FROM schema_migrations;
