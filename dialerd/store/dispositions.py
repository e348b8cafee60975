"""What agents say of their talks. During one it is kept with the attempt, and applied in the transaction that closes it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import asyncpg

from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    CampaignAction,
    CampaignSettings,
    CampaignStatus,
    is_interface,
)
from dialerd.domain.dispositions import Disposition, Said, check
from dialerd.domain.leads import LEAD_TRANSITIONS, Lead, LeadEvent, LeadState
from dialerd.domain.transitions import advance
from dialerd.errors import InvalidDisposition, NotFound
from dialerd.store.activity import Line, write_line
from dialerd.store.campaign_lock import lock_campaign
from dialerd.store.campaigns import settings_of
from dialerd.store.leads import lead_of
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of
from dialerd.store.settling import Change, after_word, list_opt_out, note_one_more, said_of, tell_word

_sql = queries_of("dispositions")


@dataclass(frozen=True, kw_only=True)
class Talk:
    """What an agent may say something of."""

    attempt_id: UUID
    campaign_id: int
    campaign: str
    lead_id: int
    lead: str
    """Name of the lead."""
    number: str
    """Empty where the campaign masks it."""
    connected_at: datetime
    ended_at: datetime | None
    dispositions: tuple[Disposition, ...]
    """To choose from."""
    said: Said | None
    """What has been said of it until now."""


class DispositionStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def last_talk(self, agent: str, *, attempt: UUID | None = None, account_id: int | None = None) -> Talk:
        """`agent` is an interface (PJSIP/1001). With `attempt` the talk in that call; with an account, one for it. Raises NotFound."""
        row = await _sql.last_talk(self._pool, agent=agent, attempt_id=attempt, account_id=account_id)
        if row is None:
            raise NotFound("talk of agent", agent)
        return _talk(row)

    @store_call
    async def dispose(
        self,
        attempt_id: UUID,
        code: str,
        *,
        by: str,
        note: str = "",
        callback_at: datetime | None = None,
        callback_agent: str | None = None,
    ) -> LeadState | None:
        """What becomes of the lead; None while they still talk. The last word counts, until the lead is called again.

        An entry in the do-not-call list stays there, also if the agent says something else later: that takes a removal.
        Raises NotFound, InvalidDisposition.
        """
        said = Said(code=code, by=by, note=note, callback_at=callback_at, callback_agent=callback_agent)
        campaign_id = await _sql.campaign_of_attempt(self._pool, attempt_id=attempt_id)
        if campaign_id is None:
            raise NotFound("attempt", attempt_id)
        async with transaction(self._pool) as connection:
            await lock_campaign(connection, campaign_id)  # before the lead: as everybody does who takes both
            await _sql.lock_attempt(connection, attempt_id=attempt_id)
            row = await _sql.talk(connection, attempt_id=attempt_id)
            _raise_unless_sayable(row, said)
            await _keep(connection, attempt_id, said)
            if row["attempt_ended_at"] is None:
                return None
            return await _apply(connection, row, said)


def _raise_unless_sayable(row: asyncpg.Record, said: Said) -> None:
    if row["attempt_connected_at"] is None:
        raise InvalidDisposition("nobody has talked in this call, so there is nothing to say of it")
    if row["attempt_ordinal"] < row["lead_dials"]:
        raise InvalidDisposition("the lead has been called again since: say it of that call")
    if said.callback_agent is not None and not is_interface(said.callback_agent):
        raise InvalidDisposition("callback agent: the agent's phone as the queue names it, such as PJSIP/1001")
    check(said, settings_of(row).dispositions, now=row["now"])


async def _keep(connection: Connection, attempt_id: UUID, said: Said) -> None:
    await _sql.keep(
        connection,
        attempt_id=attempt_id,
        disposition=said.code,
        note=said.note,
        callback_at=said.callback_at,
        callback_agent=said.callback_agent,
        by=said.by,
    )


async def _apply(connection: Connection, row: asyncpg.Record, said: Said) -> LeadState:
    """A lead that was made new, or taken off the list, since the talk is left where it is."""
    settings, before = settings_of(row), lead_of(row, "lead_")
    lead = _as_if_nothing_had_been_said(before, settings, row)
    if lead is None:
        change = Change(state=before.state, step=None, result=said.code)
    else:
        change = after_word(lead, settings, said, now=row["now"])
        await _move(connection, row, change, lead)
    if change.opts_out:
        reason = f"told the agent ({said.code})"
        await list_opt_out(connection, row["attempt_number"], row["account_id"], reason=reason, by=said.by)
    await _note(connection, row, said, change)
    await tell_word(connection, row, change, said)
    if change.not_before is not None:
        await _take_up(connection, row)
    return change.state


def _as_if_nothing_had_been_said(lead: Lead, settings: CampaignSettings, row: asyncpg.Record) -> Lead | None:
    """As the end of the talk has left it. None: something else has happened to it since."""
    if row["attempt_ordinal"] <= lead.dials_at_reset:
        return None
    if lead.state is LeadState.SUCCESS:
        return lead
    if said_of(row) is None or LeadEvent.TAKEN_BACK not in LEAD_TRANSITIONS[lead.state]:
        return None
    state = advance(LEAD_TRANSITIONS, lead.state, LeadEvent.TAKEN_BACK)
    most = lead.attempts_used if row["gave_attempt"] else lead.max_attempts
    return replace(lead, state=state, max_attempts=most)


async def _move(connection: Connection, row: asyncpg.Record, change: Change, lead: Lead) -> None:
    await _sql.move_lead(
        connection,
        lead_id=lead.id,
        lead_state=change.state,
        not_before=change.not_before,
        held_by=change.held_by,
        result=change.result,
        callback_agent=change.callback_agent,
        max_attempts=lead.attempts_used + 1 if change.one_more else lead.max_attempts,
    )
    await note_one_more(connection, row["attempt_id"], gave=change.one_more)


async def _note(connection: Connection, row: asyncpg.Record, said: Said, change: Change) -> None:
    await _sql.note_disposition(
        connection,
        attempt_id=row["attempt_id"],
        disposition=said.code,
        by=said.by,
        not_before=change.not_before,
        lead_state=change.state,
    )


async def _take_up(connection: Connection, row: asyncpg.Record) -> None:
    """A campaign that was complete until the agent said otherwise goes on: what was agreed with a person takes place."""
    if row["status"] != CampaignStatus.COMPLETED:
        return
    status = advance(CAMPAIGN_TRANSITIONS, CampaignStatus.COMPLETED, CampaignAction.START)
    campaign_id = row["lead_campaign_id"]
    await queries_of("campaigns").move_campaign(connection, campaign_id=campaign_id, status=status, starts_at=None)
    details = {"from": CampaignStatus.COMPLETED, "to": status}
    await write_line(connection, campaign_id, Line.STATUS, details)


def _talk(row: asyncpg.Record) -> Talk:
    settings, lead = settings_of(row), lead_of(row, "lead_")
    return Talk(
        attempt_id=row["attempt_id"],
        campaign_id=lead.campaign_id,
        campaign=settings.name,
        lead_id=lead.id,
        lead=lead.display_name,
        number="" if settings.mask_lead_caller_id else row["attempt_number"],
        connected_at=row["attempt_connected_at"],
        ended_at=row["attempt_ended_at"],
        dispositions=settings.dispositions,
        said=said_of(row),
    )
