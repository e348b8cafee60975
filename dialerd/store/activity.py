"""The cradle-to-grave record: what happened to a campaign and its leads, line by line, never changed afterwards; and its calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from dialerd.domain.activity import ActivityLine
from dialerd.domain.calls import AnsweredBy, CallFlow
from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import RecordingState
from dialerd.errors import NotFound
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of
from dialerd.store.walks import Walked, walk_along

_sql = queries_of("activity")

LOG_PAGE = 5000
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_WALKS = {
    "lead_id": _sql.walk_calls_of_lead,
    "number": _sql.walk_calls_of_number,
    "agent": _sql.walk_calls_of_agent,
    "campaign_id": _sql.walk_calls_of_campaign,
}
"""By filter, the one that leaves the fewest first."""


class Line(StrEnum):
    """The words of `ActivityLine.fact`. Those of attempts, cards and talks are written by the queries of their tables."""

    CREATED = "created"
    EDITED = "edited"
    STATUS = "status"
    LEADS_ADDED = "leads_added"
    RESET = "reset"
    RENEWED = "renewed"  # by an upload
    DELETED = "deleted"
    PASSED_OVER = "passed_over"
    OPENED = "opened"
    RINGING = "ringing"
    ANSWERED = "answered"
    AGENT_RINGING = "agent_ringing"
    QUEUED = "queued"
    MESSAGE = "message"
    MENU_CHOICE = "menu_choice"
    CONNECTED = "connected"
    ENDED = "ended"
    OPTED_OUT = "opted_out"  # by a key that was pressed while no daemon listened
    CALLED_BACK = "called_back"  # the lead has called us
    DISPOSED = "disposed"  # an agent has said what a talk has come to
    OFFERED = "offered"  # the card, to an agent
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    LAPSED = "lapsed"


async def write_line(connection: Connection, campaign_id: int, fact: Line, details: Mapping[str, object]) -> None:
    """Of the campaign as a whole, in the transaction of what it tells."""
    await _sql.write_line(connection, campaign_id=campaign_id, lead_id=None, fact=fact, details=dict(details))


@dataclass(frozen=True, kw_only=True)
class LoggedCall:
    """An attempt as the call log has it. What has not happened is None."""

    attempt_id: UUID
    lead_id: int
    ordinal: int
    number: str
    caller_id: str
    queue: str
    opened_at: datetime
    ringing_at: datetime | None
    answered_at: datetime | None
    agent: str | None
    connected_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome | None
    cause: int | None
    """Q.850."""
    tech_cause: str | None
    ring_s: float | None
    """How long the lead's phone rang."""
    talk_s: float | None
    """How long lead and agent could talk."""
    flow: CallFlow
    answered_by: AnsweredBy | None
    customer_wait_s: float | None
    """From when the lead began to wait for an agent until the talk, or the end."""
    customer_wait_sla_met: bool | None
    """Whether the talk began within the customer wait SLA that the campaign has now. None: nobody waited."""
    agent_ring_s: float | None
    """From the first ring of an agent's phone until the talk."""
    agent_sla_met: bool | None
    """Whether the talk began within the agent dial timeout from then. None: no agent's phone rang."""
    abandoned: bool | None
    """As the ledger counts it. None: it does not count this call."""
    menu_result: str
    disposition: str | None
    note: str
    recording: str | None
    recording_state: RecordingState | None
    recording_s: float | None
    campaign_id: int
    lead_name: str
    agent_name: str | None
    """As the agent is called now; None: nobody says."""


_LOGGED = tuple(field.name for field in fields(LoggedCall))


@dataclass(frozen=True, kw_only=True)
class CallFilter:
    """What attempts are searched by; always within one account."""

    campaign_id: int | None = None
    lead_id: int | None = None
    number: str | None = None
    agent: str | None = None
    outcome: Outcome | None = None
    disposition: str | None = None
    since: datetime = _BEGINNING
    until: datetime = _END
    """Opened before this."""


@dataclass(frozen=True, kw_only=True)
class StoredLine:
    id: int
    line: ActivityLine


Place = tuple[datetime, UUID]
"""Of an attempt: when it was opened, and its id."""


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
    async def page_of_campaign(
        self, campaign_id: int, *, limit: int, before: tuple[datetime, int] = (_END, 0)
    ) -> Sequence[StoredLine]:
        """The newest first, of lines older than the time and id `before`."""
        rows = _sql.page_of_campaign(
            self._pool, campaign_id=campaign_id, before=before[0], before_id=before[1], page=limit
        )
        return [StoredLine(id=row["id"], line=_line(row)) async for row in rows]

    @store_call
    async def page_of_lead(self, lead_id: int, *, limit: int, after_id: int = 0) -> Sequence[StoredLine]:
        """The oldest first."""
        rows = _sql.page_of_lead(self._pool, lead_id=lead_id, after_id=after_id, page=limit)
        return [StoredLine(id=row["id"], line=_line(row)) async for row in rows]

    @store_call
    async def last_lines(self, lead_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When something last happened to each; a lead to which nothing has happened is not among them."""
        return {row["lead_id"]: row["at"] async for row in _sql.last_lines(self._pool, lead_ids=lead_ids)}

    @store_call
    async def calls(
        self, account_id: int, wanted: CallFilter, *, limit: int = 100, before: Place | None = None
    ) -> tuple[Sequence[LoggedCall], Place | None]:
        """The newest first; and before which to go on (None: that was all). A page may be shorter than the limit although there are
        more: at most 5,000 attempts are looked at."""
        found = await self._walk(account_id, wanted, before or (wanted.until, UUID(int=0)), limit)
        ids = [row["id"] for row in found.fitting]
        following = (found.last["opened_at"], found.last["id"]) if found.last is not None else None
        return await self._get(ids), following

    async def _walk(self, account_id: int, wanted: CallFilter, before: Place, limit: int) -> Walked:
        """By the filter that leaves the fewest; the others are looked at row by row."""
        asked = {name: getattr(wanted, name) for name in _WALKS}
        walk = _sql.walk_calls
        for name, narrower in _WALKS.items():
            if asked[name] is not None:
                walk = narrower
                break
            del asked[name]
        return await walk_along(
            self._pool,
            walk,
            limit,
            account_id=account_id,
            **asked,
            outcome=wanted.outcome,
            disposition=wanted.disposition,
            since=wanted.since,
            before=before[0],
            before_id=before[1],
        )

    @store_call
    async def call(self, account_id: int, attempt_id: UUID) -> LoggedCall:
        """Raises NotFound, also for another account's."""
        rows = [row async for row in _sql.get_calls(self._pool, attempt_ids=[attempt_id])]
        if not rows or rows[0]["account_id"] != account_id:
            raise NotFound("attempt", attempt_id)
        return _call(rows[0])

    async def call_log(self, campaign_id: int) -> AsyncIterator[LoggedCall]:
        """Every attempt of the campaign, the oldest first, page by page: no connection is held while the reader is slow."""
        after: tuple[datetime, UUID] = (_BEGINNING, UUID(int=0))
        while page := await self._calls(campaign_id, *after):
            for call in page:
                yield call
            after = (page[-1].opened_at, page[-1].attempt_id)

    @store_call
    async def _calls(self, campaign_id: int, after: datetime, after_id: UUID) -> Sequence[LoggedCall]:
        rows = _sql.call_log(self._pool, campaign_id=campaign_id, after=after, after_id=after_id, page=LOG_PAGE)
        return await self._get([row["id"] async for row in rows])

    async def _get(self, ids: Sequence[UUID]) -> Sequence[LoggedCall]:
        """In this order."""
        calls = {row["attempt_id"]: _call(row) async for row in _sql.get_calls(self._pool, attempt_ids=ids)}
        return [calls[attempt_id] for attempt_id in ids]

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


def _call(row: asyncpg.Record) -> LoggedCall:
    words = {"outcome": Outcome, "answered_by": AnsweredBy, "recording_state": RecordingState}
    said = {name: kind(row[name]) if row[name] else None for name, kind in words.items()}
    return LoggedCall(**{**{name: row[name] for name in _LOGGED}, **said, "flow": CallFlow(row["flow"])})
