"""Calls of the last hour or day, bucket by bucket: what charts are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("history")

LONGEST_CALL = timedelta(hours=4)
"""What was opened earlier than this before the first bucket is not looked for."""


class Span(StrEnum):
    """How far back, and in which steps."""

    HOUR = "hour"
    DAY = "day"

    @property
    def bucket(self) -> timedelta:
        """How long each is. They begin at whole multiples of it, counted in UTC."""
        return timedelta(minutes=1 if self is Span.HOUR else 15)

    @property
    def buckets(self) -> int:
        """How many; the last is the present one, which is not over yet."""
        return 60 if self is Span.HOUR else 96


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What happened in it, each at its own time: who was dialed in one bucket may be answered in the next."""

    begins_at: datetime
    placed: int
    answered: int
    connected: int
    abandoned: int
    """Ended with this outcome."""
    in_flight: int
    """At its end; of the last one: now."""
    talk_s: float
    """Of all agents together, as far as their talks lie in the bucket."""


class HistoryStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def buckets(
        self, account_id: int, span: Span, *, campaign_id: int | None = None, now: datetime | None = None
    ) -> Sequence[Bucket]:
        """The oldest first, without a gap: of one campaign of the account, or (None) of all. Up to `now`; None: by the database's clock."""
        rows = _sql.call_history(
            self._pool,
            account_id=account_id,
            campaign_id=campaign_id,
            now=now,
            length=span.bucket,
            buckets=span.buckets,
            longest_call=LONGEST_CALL,
        )
        return [Bucket(**row) async for row in rows]
