"""The daemons that share the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from dialerd.domain.nodes import Neighbour, NodeState, state_of
from dialerd.errors import NodeNameTaken, NotFound, StoreUnavailable
from dialerd.store.pool import (
    ACQUIRE_TIMEOUT_S,
    Pool,
    PoolConnection,
    give_back,
    store_call,
    store_errors,
    until_lost,
)
from dialerd.store.queries import queries_of

log = structlog.get_logger(__name__)

_sql = queries_of("nodes")

NAME_LOOK_S = 5.0
NAME_RETRY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    version: str
    started_at: datetime
    heartbeat_at: datetime
    silent_for: timedelta
    """Since its last heartbeat, by the database's clock."""
    pbx: str
    """Which Asterisk it dials through; empty: not known yet."""
    draining: bool
    campaigns: int
    """How many it owns just now."""
    open_calls: int

    @property
    def state(self) -> NodeState:
        return state_of(silent_for=self.silent_for, draining=self.draining)


@dataclass(frozen=True, kw_only=True)
class OldSnapshot:
    """A session that keeps Postgres from clearing away what has been changed since."""

    pid: int
    user: str
    application: str
    state: str
    """As Postgres has it, for example `idle in transaction`."""
    age: timedelta


class NodeName:
    """The right to run under a name: a lock in the database, which belongs to a connection and is lost with it.

    `held` is False from then until it is taken again: somebody else may have started under the name, so nothing is dialed.
    """

    def __init__(self, pool: Pool, node: str) -> None:
        self.held = False
        self._pool = pool
        self._node = node
        self._connection: PoolConnection | None = None
        self._pid = 0
        self._began = datetime.min.replace(tzinfo=UTC)

    async def take(self) -> None:
        """Raises NodeNameTaken, StoreUnavailable."""
        with store_errors():
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
            try:
                session = await _sql.lock_node_name(connection, node=self._node)
            except BaseException:
                await give_back(self._pool, connection)
                raise
        if not session["locked"]:
            await give_back(self._pool, connection)
            raise NodeNameTaken(f"another daemon called {self._node} is connected to this database")
        self._connection, self.held = connection, True
        self._pid, self._began = session["pid"], session["began"]

    async def keep(self, on_change: Callable[[], None]) -> None:
        """Notice when the lock is lost, and take it again. Never returns; raises NodeNameTaken if somebody else has taken it."""
        while True:
            await self._until_lost()
            log.warning("node_name_lost", node=self._node)
            on_change()
            await self._take_again()
            log.info("node_name_held_again", node=self._node)
            on_change()

    async def let_go(self) -> None:
        connection, self._connection, self.held = self._connection, None, False
        if connection is not None:
            with suppress(asyncpg.InterfaceError):  # it was lost meanwhile, and the lock with it
                connection.terminate()
            await give_back(self._pool, connection)

    async def _until_lost(self) -> None:
        with suppress(StoreUnavailable), store_errors():
            if self._connection is not None:
                await until_lost(self._connection, look_every_s=NAME_LOOK_S)
        await self.let_go()

    async def _take_again(self) -> None:
        """Once our own old session is over, of whose end the server may not know yet: only then a refusal comes from somebody else."""
        while not self.held:
            await asyncio.sleep(NAME_RETRY_S)
            with suppress(StoreUnavailable), store_errors():
                if not await _sql.end_session(self._pool, pid=self._pid, began=self._began):
                    await self.take()


class NodeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def name_reserved(self, node: str) -> AsyncIterator[NodeName]:
        """Nobody else runs under this name meanwhile. Raises NodeNameTaken, StoreUnavailable.

        Two daemons of one name would take each other's leases for their own. The lock belongs to a connection, so it
        ends with the process, however that ends; `NodeName.keep` is to run meanwhile, for it also ends with the server.
        """
        name = NodeName(self._pool, node)
        await name.take()
        try:
            yield name
        finally:
            await name.let_go()

    @store_call
    async def register(self, node: str, version: str) -> None:
        """At the start of a daemon: what an earlier life of it held is let go, and can no longer be written to."""
        await _sql.register_node(self._pool, node=node, version=version)

    @store_call
    async def heartbeat(self, node: str, *, asterisk_up: bool) -> None:
        await _sql.heartbeat(self._pool, node=node, asterisk_up=asterisk_up)

    @store_call
    async def note_pbx(self, node: str, pbx: str) -> None:
        """Its calls can be looked for only there."""
        await _sql.note_pbx(self._pool, node=node, pbx=pbx)

    @store_call
    async def neighbours(self, node: str) -> Sequence[Neighbour]:
        return [Neighbour(**row) async for row in _sql.neighbours(self._pool, node=node)]

    @store_call
    async def is_draining(self, node: str) -> bool:
        """Whether it starts no call: people want it so, or its Asterisk is away while another living node's is not."""
        return bool(await _sql.is_draining(self._pool, node=node))

    @store_call
    async def set_draining(self, node: str, draining: bool) -> None:
        """Whether it is to start no call any more, and to hand its campaigns to others. Raises NotFound."""
        if await _sql.set_draining(self._pool, node=node, draining=draining) is None:
            raise NotFound("node", node)

    @store_call
    async def list(self) -> Sequence[Node]:
        return [Node(**row) async for row in _sql.list_nodes(self._pool)]

    @store_call
    async def oldest_snapshot(self) -> OldSnapshot | None:
        """None: nobody but us looks at the rows."""
        row = await _sql.oldest_snapshot(self._pool)
        return OldSnapshot(**row) if row else None

    @store_call
    async def clock_difference(self) -> timedelta:
        """By how much the database's clock is ahead of ours, give or take half a round trip."""
        before = datetime.now(UTC)
        there: datetime = await _sql.database_time(self._pool)
        after = datetime.now(UTC)
        return there - (before + (after - before) / 2)
