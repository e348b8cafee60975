"""Leads: uploaded, listed, counted, reset, deleted. How they are dialed is in attempts.py."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

import asyncpg

from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.leads import FINAL, IN_FLIGHT, LEAD_TRANSITIONS, Lead, LeadEvent, LeadState, NewLead
from dialerd.errors import IllegalTransition, LeadInFlight, LeadsClosed, NotFound
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import next_beginning, queries_of
from dialerd.store.upload import BeforeCommit, change_many, copy_rows, from_source, judge_stage, upload, upload_errors
from dialerd.store.walks import Walked, walk_along

_sql = queries_of("leads")

EXPORT_PAGE = 5000
_PLAIN_COLUMNS = [
    "number",
    "first_name",
    "last_name",
    "priority",
    "ticket_id",
    "note",
    "lead_type",
    "max_attempts",
    "cooloff_s",
    "cooloff_2nd_s",
    "cooloff_3rd_s",
    "time_zone",
    "alternate_numbers",
    "skill",
    "extension",
]
_COLUMNS = [*_PLAIN_COLUMNS, "custom"]
_plain_values = attrgetter(*_PLAIN_COLUMNS)


class Duplicates(StrEnum):
    """What an upload does with a number that the campaign has already."""

    NEVER = "never"  # it is passed over
    ALWAYS = "always"  # its lead begins anew with the new data, unless it is being called
    FINISHED = "finished"  # the same, if nothing happens to the lead any more


_RENEWABLE = frozenset(state for state, moves in LEAD_TRANSITIONS.items() if LeadEvent.RENEWED in moves)
RENEWED_BY = {
    Duplicates.NEVER: frozenset[LeadState](),
    Duplicates.ALWAYS: _RENEWABLE,
    Duplicates.FINISHED: _RENEWABLE & FINAL,
}


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """`added` are all that were stored; `on_dnc` those of the added and renewed that are on a do-not-call list, and blocked."""

    added: int
    duplicates: int
    """Rows that changed nothing: the campaign had the number already, or it came more than once."""
    on_dnc: tuple[str, ...]
    renewed: int = 0
    uploaded_before: datetime | None = None
    """When the same content was uploaded to this campaign. Then nothing was done now."""


@dataclass(frozen=True, kw_only=True)
class _Upload:
    campaign_id: int
    source: str
    sha256: str | None
    duplicates: Duplicates
    again: bool


@dataclass(frozen=True, kw_only=True)
class LeadRecord:
    """A lead with everything that is stored of it."""

    lead: Lead
    priority: int
    ticket_id: str
    note: str
    lead_type: str
    custom: Mapping[str, str]
    skill: str
    extension: str
    on_dnc_at_import: bool
    not_before: datetime | None
    """Not dialed before this; which rule says so is in `held_by`."""
    held_by: str | None
    due_at: datetime
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class LeadFilter:
    """What leads are searched by. Deleted ones are found only by their state."""

    state: LeadState | None = None
    prefix: str = "+"
    """What the number begins with, in E.164."""
    name: str = ""
    """What the whole name, or the last one, begins with; in capitals or not."""
    time_zone: str | None = None
    """As the lead's row said it."""
    held_by: str | None = None
    """The rule that holds it."""


@dataclass(frozen=True, kw_only=True)
class LeadPlace:
    """Where a search goes on: after this lead. Those found by their whole name come before those found by the last one."""

    after_id: int = 0
    by_last_name: bool = False


class LeadStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(
        self,
        campaign_id: int,
        leads: AsyncIterable[NewLead] | Iterable[NewLead],
        *,
        source: str = "",
        duplicates: Duplicates = Duplicates.NEVER,
        sha256: str | None = None,
        again: bool = False,
        before_commit: BeforeCommit[ImportReport] | None = None,
    ) -> ImportReport:
        """All or nothing; what the source raises is passed on. Raises NotFound, and LeadsClosed by the campaign's status.

        `sha256` stands for the content of the source: what was uploaded to this campaign before is not uploaded once more,
        unless `again` says so. "While a campaign is Running, you cannot upload, sync, or delete leads."
        """
        wanted = _Upload(campaign_id=campaign_id, source=source, sha256=sha256, duplicates=duplicates, again=again)
        with upload_errors():
            _raise_unless_open(
                await queries_of("campaigns").get_campaign(self._pool, campaign_id=campaign_id), campaign_id
            )
            if before := await self._uploaded_before(wanted):
                return before
            async with upload(self._pool) as connection:
                await _sql.create_stage(connection)
                if not await copy_rows(connection, "staged_leads", _COLUMNS, _rows(leads)):
                    return ImportReport(added=0, duplicates=0, on_dnc=())
                await _sql.analyze_stage(connection)
                report = await self._take_from_stage(connection, wanted)
                if before_commit is not None:
                    await before_commit(connection, report)
                return report

    async def _uploaded_before(self, wanted: _Upload) -> ImportReport | None:
        """Spares us to read it all again. Two who upload the same at the same time are told apart at the end."""
        if wanted.sha256 is None or wanted.again:
            return None
        at = await _sql.uploaded_at(self._pool, campaign_id=wanted.campaign_id, sha256=wanted.sha256)
        return None if at is None else _nothing_done(at)

    async def _take_from_stage(self, connection: Connection, wanted: _Upload) -> ImportReport:
        """The campaign is locked only now, when the slow part is over; it may have been started meanwhile."""
        campaign_id = wanted.campaign_id
        _raise_unless_open(
            await queries_of("campaigns").share_campaign(connection, campaign_id=campaign_id), campaign_id
        )
        if before := await _note_content(connection, wanted):
            return before
        renewed = await judge_stage(connection, _sql.renew_staged_leads, campaign_id, RENEWED_BY[wanted.duplicates])
        added = await judge_stage(connection, _sql.add_staged_leads, campaign_id)
        report = ImportReport(
            added=added["added"],
            renewed=renewed["renewed"],
            duplicates=added["staged"] - added["added"] - renewed["renewed"],
            on_dnc=(*renewed["on_dnc"], *added["on_dnc"]),
        )
        await _sql.analyze_leads(connection)
        await _note_report(connection, wanted, report)
        return report

    @store_call
    async def list(
        self, campaign_id: int, state: LeadState | None = None, *, limit: int = 100, after_id: int = 0
    ) -> Sequence[LeadRecord]:
        """In the order of their ids; the next page comes `after_id` of the last one."""
        rows = _sql.list_leads(self._pool, campaign_id=campaign_id, state=state, after_id=after_id, page=limit)
        return [_record(row) async for row in rows]

    @store_call
    async def search(
        self, campaign_id: int, wanted: LeadFilter, *, limit: int = 100, place: LeadPlace | None = None
    ) -> tuple[Sequence[LeadRecord], LeadPlace | None]:
        """By number, or by name where a name is wanted; and where to go on (None: that was all). A page may be shorter than the limit
        although there are more: at most 5,000 leads are looked at."""
        place = place or LeadPlace()
        found = await self._walk(campaign_id, wanted, place, limit)
        ids = [row["id"] for row in found.fitting]
        if found.last is not None:
            following: LeadPlace | None = LeadPlace(after_id=found.last["id"], by_last_name=place.by_last_name)
        else:
            following = LeadPlace(by_last_name=True) if wanted.name and not place.by_last_name else None
        records = {row["id"]: _record(row) async for row in _sql.get_leads(self._pool, lead_ids=ids)}
        return [records[lead_id] for lead_id in ids], following

    async def _walk(self, campaign_id: int, wanted: LeadFilter, place: LeadPlace, limit: int) -> Walked:
        """By the index that leads to the fewest."""
        asked: dict[str, object] = {
            "campaign_id": campaign_id,
            "prefix": wanted.prefix,
            "time_zone": wanted.time_zone,
            "after_id": place.after_id,
        }
        if wanted.name:
            walk = _sql.walk_leads_by_last_name if place.by_last_name else _sql.walk_leads_by_name
            asked |= {"begins": wanted.name, "state": wanted.state, "held_by": wanted.held_by}
        else:
            asked["below"] = next_beginning(wanted.prefix)
            if wanted.state is not None:
                walk = _sql.walk_leads_in_state
                asked |= {"state": wanted.state, "held_by": wanted.held_by}
            elif wanted.held_by is not None:
                walk = _sql.walk_leads_held
                asked["held_by"] = wanted.held_by
            else:
                walk = _sql.walk_leads
        return await walk_along(self._pool, walk, limit, **asked)

    @store_call
    async def custom_names(self, campaign_id: int, state: LeadState | None = None) -> Sequence[str]:
        """What the own fields of these leads are called, in alphabetical order."""
        async with upload(self._pool) as connection:  # it looks at every one of them
            names: Sequence[str] = await _sql.custom_names(connection, campaign_id=campaign_id, state=state)
            return names

    async def export(self, campaign_id: int, state: LeadState | None = None) -> AsyncIterator[LeadRecord]:
        """All of them, page by page: no connection is held while the reader is slow."""
        after_id = 0
        while page := await self.list(campaign_id, state, limit=EXPORT_PAGE, after_id=after_id):
            for record in page:
                yield record
            after_id = page[-1].lead.id

    @store_call
    async def get(self, lead_id: int) -> LeadRecord:
        """Raises NotFound."""
        row = await _sql.get_lead(self._pool, lead_id=lead_id)
        if row is None:
            raise NotFound("lead", lead_id)
        return _record(row)

    @store_call
    async def counts(self, campaign_id: int) -> Mapping[LeadState, int]:
        """How many leads are in each state, zeros included. Those that are deleted are not counted."""
        counted = await _sql.count_leads(self._pool, campaign_id=campaign_id)
        return {state: counted.get(state, 0) for state in LeadState if state is not LeadState.DELETED}

    @store_call
    async def sum_up_tallies(self) -> None:
        """Of the counts that every change of leads has left: what was many rows is one. To be done again and again by somebody."""
        await _sql.sum_up_tallies(self._pool)

    @store_call
    async def reset(self, lead_id: int) -> LeadRecord:
        """Make it a new lead again, due at once, with all its attempts before it. Raises NotFound, LeadInFlight, IllegalTransition.

        An act of a person; the do-not-call lists are asked again when it is dialed.
        """
        if not await _sql.reset_leads(self._pool, lead_ids=[lead_id]):
            _raise_untouched((await self.get(lead_id)).lead, LeadEvent.RENEWED)
        return await self.get(lead_id)

    async def reset_all(self, campaign_id: int, state: LeadState) -> int:
        """Every lead of the campaign that is in this state. How many. Raises LeadInFlight, IllegalTransition by the state."""
        _raise_if_no_move(state, LeadEvent.RENEWED)
        with upload_errors():
            async with upload(self._pool) as connection:
                ids = await _sql.ids_of_leads(connection, campaign_id=campaign_id, state=state)
                return await change_many(connection, _sql.reset_leads, ids)

    async def delete(self, lead_id: int) -> None:
        """Take it off the list; what happened to it is kept. Raises NotFound, LeadInFlight, LeadsClosed, IllegalTransition."""
        lead = (await self.get(lead_id)).lead
        if not await self._delete(lead.campaign_id, lead_id=lead_id):
            _raise_untouched((await self.get(lead_id)).lead, LeadEvent.DELETED)

    async def delete_all(self, campaign_id: int, state: LeadState) -> int:
        """Every lead of the campaign that is in this state. How many. Raises NotFound, LeadInFlight, LeadsClosed, IllegalTransition."""
        _raise_if_no_move(state, LeadEvent.DELETED)
        return await self._delete(campaign_id, state=state)

    async def _delete(self, campaign_id: int, *, lead_id: int | None = None, state: LeadState | None = None) -> int:
        """Either the lead, or all in the state."""
        with upload_errors():
            async with upload(self._pool) as connection:
                campaign = await queries_of("campaigns").share_campaign(connection, campaign_id=campaign_id)
                if campaign is None:
                    raise NotFound("campaign", campaign_id)
                if campaign["status"] == CampaignStatus.RUNNING:
                    raise LeadsClosed(campaign["status"])
                ids = (
                    [lead_id]
                    if lead_id is not None
                    else await _sql.ids_of_leads(connection, campaign_id=campaign_id, state=state)
                )
                return await change_many(connection, _sql.delete_leads, ids)


def _raise_untouched(lead: Lead, event: LeadEvent) -> None:
    """Of a lead that was not changed: why. One whose call has just ended counts as still being called."""
    _raise_if_no_move(lead.state, event)
    raise LeadInFlight


def _raise_if_no_move(state: LeadState, event: LeadEvent) -> None:
    if state in IN_FLIGHT:
        raise LeadInFlight
    if event not in LEAD_TRANSITIONS[state]:
        raise IllegalTransition(state, event)


async def _note_content(connection: Connection, wanted: _Upload) -> ImportReport | None:
    """Whether the same was uploaded before; waits for one who is uploading it just now."""
    if wanted.sha256 is None:
        return None
    content = {"campaign_id": wanted.campaign_id, "sha256": wanted.sha256}
    if await _sql.take_upload(connection, source=wanted.source, again=wanted.again, **content):
        return None
    return _nothing_done(await _sql.uploaded_at(connection, **content))


def _nothing_done(uploaded_before: datetime) -> ImportReport:
    return ImportReport(added=0, duplicates=0, on_dnc=(), uploaded_before=uploaded_before)


async def _note_report(connection: Connection, wanted: _Upload, report: ImportReport) -> None:
    await _sql.note_upload(
        connection,
        campaign_id=wanted.campaign_id,
        source=wanted.source,
        added=report.added,
        renewed=report.renewed,
        duplicates=report.duplicates,
        on_dnc=len(report.on_dnc),
    )
    if wanted.sha256 is not None:
        await _sql.count_upload(connection, campaign_id=wanted.campaign_id, sha256=wanted.sha256, added=report.added)


def lead_of(row: asyncpg.Record, prefix: str = "") -> Lead:
    """From a row that has the lead's columns under their names, or behind a prefix where it has others too."""
    return Lead(
        id=row[f"{prefix}id"],
        campaign_id=row[f"{prefix}campaign_id"],
        number=row[f"{prefix}number"],
        first_name=row[f"{prefix}first_name"],
        last_name=row[f"{prefix}last_name"],
        state=LeadState(row[f"{prefix}state"]),
        dials=row[f"{prefix}dials"],
        attempts_used=row[f"{prefix}attempts_used"],
        max_attempts=row[f"{prefix}max_attempts"],
        cooloff_s=row[f"{prefix}cooloff_s"],
        cooloff_2nd_s=row[f"{prefix}cooloff_2nd_s"],
        cooloff_3rd_s=row[f"{prefix}cooloff_3rd_s"],
        new_since=row[f"{prefix}new_since"],
        time_zone=row[f"{prefix}time_zone"],
        alternate_numbers=tuple(row[f"{prefix}alternate_numbers"]),
        dead_numbers=tuple(row[f"{prefix}dead_numbers"]),
        ticket_id=row[f"{prefix}ticket_id"],
        skill=row[f"{prefix}skill"],
        extension=row[f"{prefix}extension"],
        custom=row[f"{prefix}custom"],
        callback_agent=row[f"{prefix}callback_agent"],
        dials_at_reset=row[f"{prefix}dials_at_reset"],
    )


def _record(row: asyncpg.Record) -> LeadRecord:
    return LeadRecord(
        lead=lead_of(row),
        priority=row["priority"],
        ticket_id=row["ticket_id"],
        note=row["note"],
        lead_type=row["lead_type"],
        custom=row["custom"],
        skill=row["skill"],
        extension=row["extension"],
        on_dnc_at_import=row["on_dnc_at_import"],
        not_before=row["not_before"],
        held_by=row["held_by"],
        due_at=row["due_at"],
        created_at=row["created_at"],
    )


async def _rows(leads: AsyncIterable[NewLead] | Iterable[NewLead]) -> AsyncIterator[tuple[object, ...]]:
    async for lead in from_source(leads):
        yield (*_plain_values(lead), dict(lead.custom))


def _raise_unless_open(campaign: asyncpg.Record | None, campaign_id: int) -> None:
    if campaign is None:
        raise NotFound("campaign", campaign_id)
    raise_unless_open(campaign["status"])


def raise_unless_open(status: str) -> None:
    """Of a campaign: whether leads may be added to it. Raises LeadsClosed."""
    if status in (CampaignStatus.RUNNING, CampaignStatus.CANCELLED):
        raise LeadsClosed(status)
