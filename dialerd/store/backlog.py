"""How much waits in the database for somebody to do it."""

from dialerd.domain.activity import MOST_WAITING, BacklogCounted
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("backlog")


class BacklogStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def count(self) -> BacklogCounted:
        """Of all accounts."""
        deliveries = {row["state"]: row["deliveries"] async for row in _sql.deliveries(self._pool, most=MOST_WAITING)}
        jobs = {(row["kind"], row["state"]): row["jobs"] async for row in _sql.jobs(self._pool)}
        return BacklogCounted(webhook_deliveries=deliveries, jobs=jobs)
