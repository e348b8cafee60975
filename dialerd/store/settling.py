"""What an attempt's end, or an agent's word about it, makes of the lead; and what follows from that in other tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.dispositions import DispositionEffect, Said, find
from dialerd.domain.leads import LEAD_TRANSITIONS, Lead, LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.retry import NextStep, after_disposition, attempts_allowed
from dialerd.domain.transitions import advance
from dialerd.domain.webhooks import EventType
from dialerd.store.dnc import DncChange, add_entry
from dialerd.store.outbox import tell
from dialerd.store.pool import Connection
from dialerd.store.queries import queries_of

_sql = queries_of("attempts")

OPT_OUT = "opt-out"
"""Source of the entries in the do-not-call list that the people themselves have asked for."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Of the lead. `step` is what led to it; None: it stays where it was."""

    state: LeadState
    step: NextStep | None
    held_by: str | None = None
    result: str = ""
    callback_agent: str | None = None
    one_more: bool = False
    """Whether it gets one attempt more than it has used."""
    opts_out: bool = False

    @property
    def not_before(self) -> datetime | None:
        return self.step.not_before if self.step else None


def after_end(lead: Lead, step: NextStep, *, result: str) -> Change:
    state = advance(LEAD_TRANSITIONS, lead.state, step.event)
    return Change(state=state, step=step, held_by=_held_by(step), result=result)


def after_word(lead: Lead, settings: CampaignSettings, said: Said, *, now: datetime) -> Change:
    """`lead` has been talked to, and nothing was said of that yet. A code that the campaign has no more changes nothing."""
    disposition = find(settings.dispositions, said.code)
    effect = disposition.effect if disposition else DispositionEffect.DONE
    step = after_disposition(lead, settings, effect, now=now, callback_at=said.callback_at)
    if step is None:
        return Change(state=lead.state, step=None, result=said.code)
    calls_back = effect is DispositionEffect.CALLBACK
    return Change(
        state=advance(LEAD_TRANSITIONS, lead.state, step.event),
        step=step,
        held_by="callback" if calls_back else _held_by(step),
        result=said.code,
        callback_agent=said.callback_agent if calls_back else None,
        one_more=calls_back and lead.attempts_used >= attempts_allowed(lead, settings),
        opts_out=effect is DispositionEffect.OPT_OUT,
    )


def _held_by(step: NextStep) -> str | None:
    """What people are told of a lead that waits, or is done for good because of a list."""
    if step.event is LeadEvent.ON_DNC_LIST:
        return "dnc"
    if step.not_before is None:
        return None
    return "not_placed" if step.event is LeadEvent.PUT_BACK else "cooloff"


async def list_opt_out(connection: Connection, number: str, account_id: int, *, reason: str, by: str = "") -> bool:
    """Onto the account's do-not-call list, for ever; whether that is news."""
    change = await add_entry(connection, number, account_id, reason=reason, source=OPT_OUT, added_by=by)
    return change is not DncChange.NONE


async def tell_end(connection: Connection, row: asyncpg.Record, change: Change, said: Said | None) -> None:
    """Whoever wants to know hears that the call is over, and what was chosen and said in it.

    A CRM may know leads that have a ticket, or came from one; of any other it is told what was chosen or said.
    `row` is that of an ended attempt with its lead and campaign, as `end_attempt` has it.
    """
    known = row["has_crm_source"] or row["lead_ticket_id"]
    dialed = row["attempt_outcome"] != Outcome.NOT_PLACED
    for_crm = bool(change.result or (known and dialed))
    await _tell(connection, EventType.ATTEMPT_ENDED, row, change, said, for_crm=for_crm)
    if row["attempt_menu_result"]:
        await _tell(connection, EventType.MENU_RESULT, row, change, said)
    if said is not None:
        await _tell(connection, EventType.DISPOSITION_SET, row, change, said)


async def tell_word(connection: Connection, row: asyncpg.Record, change: Change, said: Said) -> None:
    """What the agent has said once the talk was over. `row` as above."""
    await _tell(connection, EventType.DISPOSITION_SET, row, change, said, for_crm=True)


async def _tell(
    connection: Connection,
    event_type: EventType,
    row: asyncpg.Record,
    change: Change,
    said: Said | None,
    *,
    for_crm: bool = False,
) -> None:
    await tell(
        connection,
        event_type,
        campaign_id=row["lead_campaign_id"],
        lead_id=row["lead_id"],
        attempt_id=row["attempt_id"],
        data=_told(row, change, said),
        for_crm=for_crm,
    )


def _told(row: asyncpg.Record, change: Change, said: Said | None) -> Mapping[str, Any]:
    connected_at, ended_at = row["attempt_connected_at"], row["attempt_ended_at"]
    return {
        "ticket_id": row["lead_ticket_id"],
        "number": row["attempt_number"],
        "attempt": row["attempt_ordinal"],
        "outcome": row["attempt_outcome"],
        "menu_result": row["attempt_menu_result"],
        "disposition": said.code if said else None,
        "note": said.note if said else "",
        "callback_at": _text(said.callback_at if said else None),
        "lead_state": change.state,
        "ended_at": _text(ended_at),
        "talk_s": (ended_at - connected_at).total_seconds() if connected_at else None,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def said_of(row: asyncpg.Record) -> Said | None:
    """What the agent has said of the attempt in the row, if anything."""
    if row["attempt_disposition"] is None:
        return None
    return Said(
        code=row["attempt_disposition"],
        by=row["attempt_disposed_by"],
        note=row["attempt_note"],
        callback_at=row["attempt_callback_at"],
        callback_agent=row["attempt_callback_agent"],
    )


async def note_one_more(connection: Connection, attempt_id: UUID, *, gave: bool) -> None:
    await _sql.gave_attempt(connection, attempt_id=attempt_id, gave=gave)
