"""The server behind the connections: whether it is still the one that has answered so far, with all that it has written.

A standby that was promoted, a backup that was restored, a disk that was set back: each may have lost the newest rows, and with
them attempts that were made. Whoever claims a lead there before they are put back would have it called twice.
"""

from dataclasses import dataclass

import asyncpg
import structlog

from dialerd.errors import StoreUnavailable
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of

log = structlog.get_logger(__name__)

_sql = queries_of("servers")


@dataclass(frozen=True, kw_only=True)
class _State:
    system: int | None
    """None: we may not ask."""
    timeline: str
    written: int

    def follows(self, before: "_State") -> bool:
        """Whether all that had been written before is still there."""
        same = (self.system, self.timeline) == (before.system, before.timeline)
        return same and self.written >= before.written


class KnownServer:
    """`changed` is set when another one answers, or the same without its newest rows, until that is `accept`ed."""

    def __init__(self) -> None:
        self.changed = False
        self._last: _State | None = None
        self._pool: Pool | None = None

    def watch(self, pool: Pool) -> None:
        """From now on `look` asks through this pool."""
        self._pool = pool

    @store_call
    async def look(self) -> None:
        """Also where no connection was lost, a proxy may have led us to another server."""
        if self._pool is not None:
            async with self._pool.acquire() as connection:
                await self.greet(connection)

    def accept(self) -> None:
        self.changed = False

    async def greet(self, connection: Connection) -> None:
        """Raises StoreUnavailable for a standby: it can be read, and not written."""
        before = self._last
        now = await _state(connection)
        if before is not None and not now.follows(before):
            log.error("database_may_have_lost_rows", before=str(before), now=str(now))
            self.changed = True
        if self._last is before or now.written > (self._last.written if self._last else 0):
            self._last = now

    async def guard(self, connection: Connection) -> None:
        """The same, and nobody gets through while the change is not accepted."""
        await self.greet(connection)
        if self.changed:
            raise StoreUnavailable("another database server answers: calls that it may have lost are put back first")


async def _state(connection: Connection) -> _State:
    row = await _sql.server_state(connection)
    if row["timeline"] is None:
        raise StoreUnavailable("the database server is a standby, which cannot write")
    return _State(system=await _system(connection), timeline=row["timeline"], written=row["written"])


async def _system(connection: Connection) -> int | None:
    try:
        identifier: int = await _sql.system_identifier(connection)
    except asyncpg.InsufficientPrivilegeError:
        return None
    return identifier
