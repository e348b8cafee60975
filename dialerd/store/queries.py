"""The named queries of sql/queries: a method for each, its name the query's. The stores give them types."""

from collections.abc import AsyncGenerator
from functools import cache
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter
from aiosql.types import ParamType

from dialerd.store.sql_files import sql_folder


class _Asyncpg(AsyncPGAdapter):
    """Asks the pool or connection itself; aiosql's own way inspects it at every call, and holds it while rows are read."""

    def values(self, query_name: str, parameters: ParamType) -> Any:
        return self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: ParamType, record_class: Any = None
    ) -> AsyncGenerator[Any, None]:
        for row in await conn.fetch(sql, *self.values(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: ParamType, record_class: Any = None
    ) -> Any:
        return await conn.fetchrow(sql, *self.values(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: ParamType) -> Any:
        return await conn.fetchval(sql, *self.values(query_name, parameters))

    async def insert_update_delete(self, conn: Any, query_name: str, sql: str, parameters: ParamType) -> Any:
        return await conn.execute(sql, *self.values(query_name, parameters))


@cache
def queries_of(table: str) -> Any:
    """The queries of one file, each as `await queries.<name>(connection, parameter=value, ...)`."""
    text = (sql_folder() / "queries" / f"{table}.sql").read_text(encoding="utf-8")
    return aiosql.from_str(text, _Asyncpg)


def next_beginning(prefix: str) -> str:
    """What comes after everything that begins with the prefix, byte by byte: +45 after +44."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
