"""Leads, calls and do-not-call numbers as tables for spreadsheets: their columns, and their rows, in which no text is a formula."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime

from dialerd.domain.leads import LeadState
from dialerd.lead_sources.csv_file import ALTERNATES, COLUMNS, OURS
from dialerd.lead_sources.csv_table import guarded
from dialerd.store.activity import LoggedCall
from dialerd.store.dnc import DncEntry
from dialerd.store.leads import LeadRecord, LeadStore

Rows = AsyncIterator[Sequence[object]]

EVERYBODY = "everybody"
CALL_COLUMNS = tuple(field.name for field in fields(LoggedCall))
DNC_COLUMNS = ("number", "list", "reason", "source", "added_by", "added_at", "expires_at")

_E164 = re.compile(r"\+?[0-9]+", re.ASCII)


async def lead_table(leads: LeadStore, campaign_id: int, state: LeadState | None) -> tuple[Sequence[str], Rows]:
    """The header and the rows of what can be imported again."""
    custom = await leads.custom_names(campaign_id, state)
    rows = (_lead_row(record, custom) async for record in leads.export(campaign_id, state))
    return [*COLUMNS, *(guarded(name) for name in custom), *OURS], rows


def _lead_row(record: LeadRecord, custom: Sequence[str]) -> list[object]:
    """In the order of the header. Numbers, E.164 too, are nothing but digits and a sign: only text can be a formula."""
    lead = record.lead
    return [
        lead.number,
        record.priority,
        guarded(lead.first_name),
        guarded(lead.last_name),
        lead.max_attempts,
        guarded(record.ticket_id),
        lead.cooloff_s,
        lead.cooloff_2nd_s,
        lead.cooloff_3rd_s,
        guarded(record.note),
        guarded(record.lead_type),
        lead.time_zone,
        guarded(record.skill),
        guarded(record.extension),
        *(lead.alternate_numbers + ("",) * len(ALTERNATES))[: len(ALTERNATES)],
        *(guarded(record.custom.get(name, "")) for name in custom),
        lead.state,
        lead.attempts_used,
    ]


def call_row(call: LoggedCall) -> list[object]:
    return [_call_cell(value) for value in asdict(call).values()]


def _call_cell(value: object) -> object:
    """What a number or a time says cannot be a formula."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return guarded(value) if isinstance(value, str) and not _E164.fullmatch(value) else value


def dnc_row(entry: DncEntry, account: str) -> list[str | None]:
    expires_at = entry.expires_at.isoformat() if entry.expires_at else None
    texts = (list_name(entry, account), entry.reason, entry.source, entry.added_by)
    return [entry.number, *map(guarded, texts), entry.added_at.isoformat(), expires_at]


def list_name(entry: DncEntry, account: str) -> str:
    return EVERYBODY if entry.account_id is None else account
