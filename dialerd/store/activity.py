"""The cradle-to-grave record: what happened to a campaign and its leads, line by line, never changed afterwards."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg

from dialerd.domain.activity import ActivityLine
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("activity")

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Line(StrEnum):
    """The words of `ActivityLine.fact`. Those of an attempt are written by the queries in attempts.sql."""

    CREATED = "created"
    EDITED = "edited"
    STATUS = "status"
    LEADS_ADDED = "leads_added"
    RESET = "reset"
    PASSED_OVER = "passed_over"
    OPENED = "opened"
    RINGING = "ringing"
    ANSWERED = "answered"
    AGENT_RINGING = "agent_ringing"
    QUEUED = "queued"
    CONNECTED = "connected"
    ENDED = "ended"


async def write_line(connection: Connection, campaign_id: int, fact: Line, details: Mapping[str, object]) -> None:
    """Of the campaign as a whole, in the transaction of what it tells."""
    await _sql.write_line(connection, campaign_id=campaign_id, lead_id=None, fact=fact, details=dict(details))


class ActivityStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def of_lead(self, lead_id: int, *, limit: int = 1000) -> Sequence[ActivityLine]:
        """From its first line to its last."""
        return [_line(row) async for row in _sql.lines_of_lead(self._pool, lead_id=lead_id, page=limit)]

    @store_call
    async def of_campaign(
        self, campaign_id: int, *, since: datetime = _BEGINNING, limit: int = 100
    ) -> Sequence[ActivityLine]:
        """The newest first."""
        rows = _sql.lines_of_campaign(self._pool, campaign_id=campaign_id, since=since, page=limit)
        return [_line(row) async for row in rows]

    @store_call
    async def ensure_partitions(self) -> None:
        """Room for this month and the next. To be called now and then: lines without it go to the default partition."""
        await _sql.ensure_partitions(self._pool)


def _line(row: asyncpg.Record) -> ActivityLine:
    return ActivityLine(
        at=row["at"],
        campaign_id=row["campaign_id"],
        lead_id=row["lead_id"],
        attempt_id=row["attempt_id"],
        fact=row["fact"],
        details=row["details"],
    )
