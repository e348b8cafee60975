"""Retention: what is older than somebody wants to keep it is removed, page by page, while daemons go on dialing."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("purge")

SHORTEST = timedelta(days=35)
"""Rules look back at calls for up to thirty days."""
KINDS = ("activity", "recordings", "offers", "attempts", "outbox", "jobs", "audit_log", "sessions")
"""In the order in which they go: what refers to a call before the call."""
PAGE = 5_000


class PurgeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self, until: datetime) -> Mapping[str, int]:
        """How many rows of each kind `purge` would remove."""
        return {kind: await self._count(kind, until) for kind in KINDS}

    async def purge(self, until: datetime) -> Mapping[str, int]:
        """Remove them; how many there were. Each page is a transaction of its own: what is interrupted goes on with the next run."""
        gone = {"activity": await self._drop_months(until)}
        for kind in KINDS:
            while removed := await self._delete(kind, until):
                gone[kind] = gone.get(kind, 0) + removed
        return {kind: gone.get(kind, 0) for kind in KINDS}

    @store_call
    async def _drop_months(self, until: datetime) -> int:
        return int(await _sql.drop_activity(self._pool, until=until))

    @store_call
    async def _count(self, kind: str, until: datetime) -> int:
        return int(await getattr(_sql, f"count_{kind}")(self._pool, until=until))

    @store_call
    async def _delete(self, kind: str, until: datetime) -> int:
        return int(await getattr(_sql, f"delete_{kind}")(self._pool, until=until, page=PAGE))
