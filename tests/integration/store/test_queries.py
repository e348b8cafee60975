"""Every named query is one that this database understands."""

import asyncpg
import pytest

from dialerd.store.queries import queries_of
from dialerd.store.sql_files import sql_files, sql_folder

STAGES = {"leads": "create_stage", "dnc": "create_dnc_stage"}
TABLES = [file.name.removesuffix(".sql") for file in sql_files(sql_folder() / "queries")]


@pytest.mark.parametrize("table", TABLES)
async def test_every_query_can_be_prepared(database: str, table: str) -> None:
    queries = queries_of(table)
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        if table in STAGES:
            await getattr(queries, STAGES[table])(connection)
        for name in queries.available_queries:
            if not name.endswith("_cursor"):
                await connection.prepare(getattr(queries, name).sql)
    await connection.close()
