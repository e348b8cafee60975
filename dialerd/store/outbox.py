"""The outbox: events, written in the transaction of what they tell, and read by whoever goes on from where he has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from dialerd.domain.webhooks import Event, EventType
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("outbox")

CHANNEL = "dialerd_events"
"""The bell that rings for every event. Not that of the dialer, which has nothing to do about them."""
PAGE = 500
BATCH = 1000


async def tell(
    connection: Connection,
    event_type: EventType,
    *,
    campaign_id: int,
    lead_id: int,
    attempt_id: UUID,
    data: Mapping[str, Any],
    for_crm: bool = False,
) -> None:
    """An event, and a delivery for every webhook that wants it."""
    await _sql.tell(
        connection,
        event_type=event_type,
        campaign_id=campaign_id,
        lead_id=lead_id,
        attempt_id=attempt_id,
        data=dict(data),
        for_crm=for_crm,
    )


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What could be seen at a moment: `snapshot` is Postgres's own way of saying which transactions had ended."""

    snapshot: str
    at: datetime


class OutboxStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def now(self) -> Moment:
        return Moment(**await _sql.moment(self._pool))

    @store_call
    async def since(
        self,
        seen: str,
        *,
        until: str,
        account_id: int | None = None,
        campaign_id: int | None = None,
        after_id: int = 0,
        limit: int = PAGE,
    ) -> Sequence[tuple[int, int, Event]]:
        """Place, account id and event of those that came between two moments, `limit` at most, the first ones; `after_id` is a place."""
        rows = _sql.events_since(
            self._pool,
            seen=seen,
            until=until,
            account_id=account_id,
            campaign_id=campaign_id,
            after_id=after_id,
            page=limit,
        )
        return [(row["id"], row["account_id"], event_of(row)) async for row in rows]

    @store_call
    async def clean(self, *, keep_for: timedelta, keep_dead_for: timedelta) -> int:
        """Of what has been kept for long enough, a part; how many."""
        gone: int = await _sql.clean_outbox(self._pool, keep_for=keep_for, keep_dead_for=keep_dead_for, batch=BATCH)
        return gone


def event_of(row: asyncpg.Record) -> Event:
    return Event(
        id=row["event_id"],
        type=EventType(row["type"]),
        at=row["at"],
        account=row["account"],
        campaign_id=row["campaign_id"],
        lead_id=row["lead_id"],
        attempt_id=row["attempt_id"],
        data=row["data"],
    )
