"""Attempts, the row at which the two halves of the river meet: claim, rules and row are one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import assert_never
from uuid import uuid4

import asyncpg

from dialerd.domain.attempts import Lease, OpenCall, OpenedAttempt, PassedOver
from dialerd.domain.caller_id import CallerId, PoolNumber, round_robin
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Campaign, CampaignSettings
from dialerd.domain.eligibility import Admitted, Candidate, Refused, check
from dialerd.domain.leads import LEAD_TRANSITIONS, Lead, LeadEvent, LeadState
from dialerd.domain.retry import NextStep, next_step
from dialerd.domain.transitions import advance
from dialerd.store.campaigns import settings_of
from dialerd.store.leads import lead_of
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("attempts")

RELEASE_BATCH = 1000

LEAD_STATE_OF: Mapping[AttemptState, LeadState] = {
    AttemptState.DIALING: LeadState.DIALING,
    AttemptState.RINGING: LeadState.RINGING,
    AttemptState.ANSWERED: LeadState.ANSWERED,
    AttemptState.QUEUED: LeadState.ANSWERED,
    AttemptState.CONNECTED: LeadState.ANSWERED,
}
"""What the lead's state is while its attempt is open. What it is afterwards, the outcome decides."""


class AttemptStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def open_next(self, campaign: Campaign, lease: Lease) -> OpenedAttempt | PassedOver | None:
        """The settings that count are those of the row at this moment, not those of `campaign`.

        If StoreUnavailable is raised, the attempt may have been written all the same (the answer to the commit was
        lost): it is then found among `open_calls`, and must not be dialed.
        """
        async with transaction(self._pool) as connection:
            row = await _sql.claim_lead(connection, campaign_id=campaign.id, node=lease.node, epoch=lease.epoch)
            if row is None:
                return None
            lead, settings = lead_of(row, "lead_"), settings_of(row)
            match check(Candidate(lead=lead, on_dnc_list=row["on_dnc_list"]), settings, now=row["opened_at"]):
                case Refused() as refused:
                    return await _pass_over(connection, lead, refused)
                case Admitted() as admitted:
                    chosen = _caller_id(row)
                    call = _new_call(lead, settings, chosen, row["opened_at"])
                    ordinal = await _open(connection, call, lead, chosen, lease, admitted)
                    return OpenedAttempt(call=call, ordinal=ordinal)
                case never:
                    assert_never(never)

    @store_call
    async def next_due_at(self, campaign_id: int) -> datetime | None:
        due_at: datetime | None = await _sql.next_due_at(self._pool, campaign_id=campaign_id)
        return due_at

    @store_call
    async def release_waiting(self, campaign_id: int) -> int:
        total = released = await self._release_batch(campaign_id)
        while released == RELEASE_BATCH:
            released = await self._release_batch(campaign_id)
            total += released
        return total

    async def _release_batch(self, campaign_id: int) -> int:
        return int(await _sql.release_waiting(self._pool, campaign_id=campaign_id, batch=RELEASE_BATCH))

    @store_call
    async def record_progress(self, call: Call) -> None:
        """Whichever node does it: an attempt in flight belongs to whoever knows better."""
        if call.state is AttemptState.ENDED:
            raise ValueError("an attempt is ended by close_attempt, which also says what becomes of the lead")
        await _sql.record_progress(
            self._pool,
            attempt_id=call.id,
            state=call.state,
            lead_state=LEAD_STATE_OF[call.state],
            ringing_at=call.ringing_at,
            answered_at=call.answered_at,
            agent_ringing_at=call.agent_ringing_at,
            connected_at=call.connected_at,
            agent=call.agent,
        )

    @store_call
    async def close_attempt(self, call: Call) -> NextStep | None:
        """`call` has ended: it has an outcome and `ended_at`, from which a cool-off counts."""
        if call.outcome is None or call.ended_at is None:
            raise ValueError("a call that goes on cannot be closed")
        async with transaction(self._pool) as connection:
            row = await _end(connection, call)
            if row is None:
                return None
            lead = lead_of(row, "lead_")
            step = next_step(lead, settings_of(row), call.outcome, now=call.ended_at)
            await _settle(connection, call, lead, step)
            return step

    @store_call
    async def take_over(self, node: str, *, silent_for: timedelta) -> int:
        """Of two nodes that try at once one gets each attempt: the row is locked."""
        return int(await _sql.take_over_attempts(self._pool, node=node, silent_for=silent_for))

    @store_call
    async def open_calls(self) -> Sequence[OpenCall]:
        """Of every node, the oldest first. The agent hunts are not in the row: see `_call_so_far`."""
        rows = _sql.open_attempts(self._pool)
        return [OpenCall(call=_call_so_far(row), node=row["node"]) async for row in rows]


async def _pass_over(connection: Connection, lead: Lead, refused: Refused) -> PassedOver:
    await _sql.pass_over(
        connection,
        lead_id=lead.id,
        lead_state=advance(LEAD_TRANSITIONS, lead.state, refused.event),
        rule=refused.rule,
        event=refused.event,
        until=refused.until,
    )
    return PassedOver(lead_id=lead.id, refusal=refused)


def _caller_id(row: asyncpg.Record) -> PoolNumber:
    """The next of the campaign's pool; without one, the account's default under an id that is no number's."""
    pool = [
        PoolNumber(id=number_id, caller_id=CallerId(number=number, name=name), uses=uses)
        for number_id, number, name, uses in row["pool"] or ()
    ]
    default = CallerId(number=row["account_number"] or "", name=row["account_name"])
    return round_robin(pool) or PoolNumber(id=0, caller_id=default, uses=0)


async def _open(
    connection: Connection, call: Call, lead: Lead, chosen: PoolNumber, lease: Lease, admitted: Admitted
) -> int:
    """Returns the attempt's ordinal."""
    ordinal = await _sql.open_attempt(
        connection,
        attempt_id=call.id,
        lead_id=lead.id,
        lead_state=advance(LEAD_TRANSITIONS, lead.state, LeadEvent.CLAIMED),
        pool_number_id=chosen.id,
        caller_id_number=call.caller_id.number,
        caller_id_name=call.caller_id.name,
        queue=call.queue,
        node=lease.node,
        epoch=lease.epoch,
        admitted_by=admitted.facts,
    )
    return int(ordinal)


async def _end(connection: Connection, call: Call) -> asyncpg.Record | None:
    row: asyncpg.Record | None = await _sql.end_attempt(
        connection,
        attempt_id=call.id,
        outcome=call.outcome,
        ended_at=call.ended_at,
        ringing_at=call.ringing_at,
        answered_at=call.answered_at,
        agent_ringing_at=call.agent_ringing_at,
        connected_at=call.connected_at,
        agent=call.agent,
        cause=call.cause,
        tech_cause=call.tech_cause,
    )
    return row


async def _settle(connection: Connection, call: Call, lead: Lead, step: NextStep) -> None:
    state = advance(LEAD_TRANSITIONS, lead.state, step.event)
    waits_for = "not_placed" if step.event is LeadEvent.PUT_BACK else "cooloff"
    await _sql.settle_lead(
        connection,
        lead_id=lead.id,
        lead_state=state,
        counts=step.counts,
        not_before=step.not_before,
        held_by=waits_for if step.not_before else None,
        attempt_id=call.id,
        ended_at=call.ended_at,
        outcome=call.outcome,
        cause=call.cause,
        tech_cause=call.tech_cause,
        agent=call.agent,
    )


def _new_call(lead: Lead, settings: CampaignSettings, chosen: PoolNumber, opened_at: datetime) -> Call:
    return Call(
        id=uuid4(),
        campaign_id=lead.campaign_id,
        lead_id=lead.id,
        number=lead.number,
        lead_name=lead.display_name,
        caller_id=chosen.caller_id,
        queue=settings.queue,
        dial_mode=settings.dial_mode,
        opened_at=opened_at,
        ring_timeout=timedelta(seconds=settings.ring_timeout_s),
        customer_wait_sla=timedelta(seconds=settings.customer_wait_sla_s),
        agent_dial_timeout=timedelta(seconds=settings.agent_dial_timeout_s),
    )


def _call_so_far(row: asyncpg.Record) -> Call:
    """An answered call has had its first hunt, so the next one gets new ids; the hunt is alive where it led to a talk."""
    state, settings = AttemptState(row["attempt_state"]), settings_of(row)
    return Call(
        id=row["attempt_id"],
        campaign_id=row["id"],
        lead_id=row["lead_id"],
        number=row["attempt_number"],
        lead_name=lead_of(row, "lead_").display_name,
        caller_id=CallerId(number=row["caller_id_number"], name=row["caller_id_name"]),
        queue=row["attempt_queue"],
        dial_mode=settings.dial_mode,
        opened_at=row["opened_at"],
        ring_timeout=timedelta(seconds=settings.ring_timeout_s),
        customer_wait_sla=timedelta(seconds=settings.customer_wait_sla_s),
        agent_dial_timeout=timedelta(seconds=settings.agent_dial_timeout_s),
        state=state,
        ringing_at=row["ringing_at"],
        answered_at=row["answered_at"],
        agent_ringing_at=row["agent_ringing_at"],
        connected_at=row["connected_at"],
        agent=row["agent"],
        hunts=0 if row["answered_at"] is None else 1,
        hunting=state is AttemptState.CONNECTED,
    )
