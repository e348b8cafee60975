"""The daemons that share the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from dialerd.errors import NodeNameTaken
from dialerd.store.pool import Pool, store_call, store_errors
from dialerd.store.queries import queries_of

_sql = queries_of("nodes")


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    version: str
    started_at: datetime
    heartbeat_at: datetime


class NodeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def name_reserved(self, node: str) -> AsyncIterator[None]:
        """Nobody else runs under this name meanwhile. Raises NodeNameTaken.

        Two daemons of one name would take each other's leases for their own. The lock belongs to a connection, so it
        ends with the process, however that ends.
        """
        with store_errors():
            connection = await self._pool.acquire()
        try:
            with store_errors():
                if not await _sql.lock_node_name(connection, node=node):
                    raise NodeNameTaken(f"another daemon called {node} is connected to this database")
            yield
        finally:
            with suppress(asyncpg.InterfaceError):  # it was lost meanwhile, and the lock with it
                connection.terminate()
            await self._pool.release(connection)

    @store_call
    async def register(self, node: str, version: str) -> None:
        """At the start of a daemon: what an earlier life of it held is let go, and can no longer be written to."""
        await _sql.register_node(self._pool, node=node, version=version)

    @store_call
    async def heartbeat(self, node: str) -> None:
        await _sql.heartbeat(self._pool, node=node)

    @store_call
    async def note_queues(self, names: Sequence[str]) -> None:
        """The queues that Asterisk has: a campaign whose queue is missing is refused its start."""
        await _sql.note_queues(self._pool, names=[name for name in names if name.isprintable()])

    @store_call
    async def list(self) -> Sequence[Node]:
        return [Node(**row) async for row in _sql.list_nodes(self._pool)]

    @store_call
    async def clock_difference(self) -> timedelta:
        """By how much the database's clock is ahead of ours, give or take half a round trip."""
        before = datetime.now(UTC)
        there: datetime = await _sql.database_time(self._pool)
        after = datetime.now(UTC)
        return there - (before + (after - before) / 2)
