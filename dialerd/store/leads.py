"""Leads: uploaded, listed, counted, reset. How they are dialed is in attempts.py."""

import builtins
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.leads import Lead, LeadState, NewLead
from dialerd.errors import LeadInFlight, LeadsClosed, NotFound
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of
from dialerd.store.upload import copy_rows, from_source, judge_stage, upload, upload_errors

_sql = queries_of("leads")

EXPORT_PAGE = 5000
_COLUMNS = [
    "number",
    "first_name",
    "last_name",
    "priority",
    "ticket_id",
    "note",
    "lead_type",
    "custom",
    "max_attempts",
    "cooloff_s",
    "cooloff_2nd_s",
    "cooloff_3rd_s",
]


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """`added` are all that were stored; `on_dnc` those of them that are on a do-not-call list, and therefore blocked."""

    added: int
    duplicates: int
    """Numbers that the campaign had already, or that came more than once."""
    on_dnc: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LeadRecord:
    """A lead with everything that is stored of it."""

    lead: Lead
    priority: int
    ticket_id: str
    note: str
    lead_type: str
    custom: Mapping[str, str]
    on_dnc_at_import: bool
    not_before: datetime | None
    """Not dialed before this; which rule says so is in `held_by`."""
    held_by: str | None
    due_at: datetime
    created_at: datetime


class LeadStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(
        self, campaign_id: int, leads: AsyncIterable[NewLead] | Iterable[NewLead], *, source: str = ""
    ) -> ImportReport:
        """All or nothing; what the source raises is passed on. Raises NotFound, and LeadsClosed by the campaign's status.

        "While a campaign is Running, you cannot upload, sync, or delete leads."
        """
        with upload_errors():
            _raise_unless_open(
                await queries_of("campaigns").get_campaign(self._pool, campaign_id=campaign_id), campaign_id
            )
            async with upload(self._pool) as connection:
                await _sql.create_stage(connection)
                await copy_rows(connection, "staged_leads", _COLUMNS, _rows(leads))
                return await self._take_from_stage(connection, campaign_id, source)

    async def _take_from_stage(self, connection: Connection, campaign_id: int, source: str) -> ImportReport:
        """The campaign is locked only now, when the slow part is over; it may have been started meanwhile."""
        _raise_unless_open(
            await queries_of("campaigns").share_campaign(connection, campaign_id=campaign_id), campaign_id
        )
        row = await judge_stage(connection, _sql.add_staged_leads, campaign_id)
        report = ImportReport(added=row["added"], duplicates=row["staged"] - row["added"], on_dnc=tuple(row["on_dnc"]))
        await _sql.note_upload(
            connection,
            campaign_id=campaign_id,
            source=source,
            added=report.added,
            duplicates=report.duplicates,
            on_dnc=len(report.on_dnc),
        )
        return report

    @store_call
    async def list(
        self, campaign_id: int, state: LeadState | None = None, *, limit: int = 100, after_id: int = 0
    ) -> Sequence[LeadRecord]:
        """In the order of their ids; the next page comes `after_id` of the last one."""
        rows = _sql.list_leads(self._pool, campaign_id=campaign_id, state=state, after_id=after_id, page=limit)
        return [_record(row) async for row in rows]

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
        """How many leads are in each state, zeros included."""
        rows = {row["state"]: row["leads"] async for row in _sql.count_leads(self._pool, campaign_id=campaign_id)}
        return {state: rows.get(state, 0) for state in LeadState}

    @store_call
    async def reset(self, lead_id: int) -> LeadRecord:
        """Make it a new lead again, due at once, with all its attempts before it. Raises NotFound, LeadInFlight.

        An act of a person, outside of the table of a lead's life; the do-not-call lists are asked again when it is dialed.
        """
        row = await _sql.reset_lead(self._pool, lead_id=lead_id)
        if row is not None:
            return _record(row)
        if await _sql.get_lead(self._pool, lead_id=lead_id) is None:
            raise NotFound("lead", lead_id)
        raise LeadInFlight


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
    )


def _record(row: asyncpg.Record) -> LeadRecord:
    return LeadRecord(
        lead=lead_of(row),
        priority=row["priority"],
        ticket_id=row["ticket_id"],
        note=row["note"],
        lead_type=row["lead_type"],
        custom=row["custom"],
        on_dnc_at_import=row["on_dnc_at_import"],
        not_before=row["not_before"],
        held_by=row["held_by"],
        due_at=row["due_at"],
        created_at=row["created_at"],
    )


async def _rows(leads: AsyncIterable[NewLead] | Iterable[NewLead]) -> AsyncIterator[builtins.list[object]]:
    async for lead in from_source(leads):
        yield [dict(lead.custom) if column == "custom" else getattr(lead, column) for column in _COLUMNS]


def _raise_unless_open(campaign: asyncpg.Record | None, campaign_id: int) -> None:
    if campaign is None:
        raise NotFound("campaign", campaign_id)
    if campaign["status"] in (CampaignStatus.RUNNING, CampaignStatus.CANCELLED):
        raise LeadsClosed(campaign["status"])
