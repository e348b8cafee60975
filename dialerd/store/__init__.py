"""Everything that dialerd remembers, in Postgres. One module a table family; the SQL stands in sql/queries, a file a table."""
