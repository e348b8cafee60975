"""Attempts, the row at which the two halves of the river meet: claim, rules and row are one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import getrandbits
from typing import assert_never
from uuid import uuid4

import asyncpg

from dialerd.domain.accounts import AccountRules
from dialerd.domain.attempts import RELEASE_BATCH, Claim, Lease, OpenCall, OpenedAttempt, PassedOver, WaitingLeads
from dialerd.domain.caller_id import CallerId, Rotation, after_use
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Campaign, CampaignSettings
from dialerd.domain.compliance import Profile
from dialerd.domain.eligibility import (
    Admitted,
    Candidate,
    RecentCall,
    Refused,
    Terms,
    Verdict,
    check,
    evidence,
    explain,
    of_campaign,
)
from dialerd.domain.leads import LEAD_TRANSITIONS, Lead, LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.retry import EndedAttempt, NextStep, next_step
from dialerd.domain.timezones import in_zone
from dialerd.domain.transitions import advance
from dialerd.errors import NotFound, StoreBusy
from dialerd.store.accounts import rules_of
from dialerd.store.caller_ids import pool_number
from dialerd.store.campaigns import settings_of
from dialerd.store.leads import lead_of
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("attempts")

KNOWN_CALLS_SPAN = timedelta(minutes=5)
"""As in the SQL function called_meanwhile; longer than any transaction of ours may take."""

LEAD_STATE_OF: Mapping[AttemptState, LeadState] = {
    AttemptState.DIALING: LeadState.DIALING,
    AttemptState.RINGING: LeadState.RINGING,
    AttemptState.ANSWERED: LeadState.ANSWERED,
    AttemptState.QUEUED: LeadState.ANSWERED,
    AttemptState.CONNECTED: LeadState.ANSWERED,
}
"""What the lead's state is while its attempt is open. What it is afterwards, the outcome decides."""


_ONE_OPEN_PER_NUMBER = "attempts_one_open_per_number"
_CALLED_ELSEWHERE = "another campaign calls this number just now"


class AttemptStore:
    """`profiles` are the compliance profiles that a campaign may name."""

    def __init__(self, pool: Pool, profiles: Mapping[str, Profile]) -> None:
        self._pool = pool
        self._profiles = profiles

    @store_call
    async def open_next(
        self, campaign: Campaign, lease: Lease, *, look_at: int = 1, most: int = 1, retries_first: bool = False
    ) -> Claim:
        """The settings that count are those of the row at this moment, not those of `campaign`.

        If StoreUnavailable is raised, the attempt may have been written all the same (the answer to the commit was
        lost): it is then found among `open_calls`, and must not be dialed. StoreBusy: another campaign has begun to
        call the same number at the same instant, and nothing was written.
        """
        try:
            async with transaction(self._pool) as connection:
                campaign_row = await _sql.claim_campaign(
                    connection, campaign_id=campaign.id, node=lease.node, epoch=lease.epoch
                )
                if campaign_row is None:
                    return Claim()
                rows = await _claim_leads(connection, campaign_row, look_at, retries_first=retries_first)
                return await self._judge(connection, campaign_row, rows, lease, most) if rows else Claim()
        except asyncpg.UniqueViolationError as taken:
            if taken.constraint_name != _ONE_OPEN_PER_NUMBER:
                raise
            raise StoreBusy(_CALLED_ELSEWHERE) from taken

    async def _judge(
        self,
        connection: Connection,
        campaign_row: asyncpg.Record,
        rows: Sequence[asyncpg.Record],
        lease: Lease,
        most: int,
    ) -> Claim:
        """The leads in their order, until `most` of them are opened; what was not looked at stays as it was."""
        terms, now = self._terms(campaign_row), campaign_row["opened_at"]
        verdicts = list(of_campaign(terms, now=now))
        if forbidden := next((verdict for verdict in verdicts if not verdict.allows), None):
            return Claim(forbidden=forbidden)
        batch = _Batch(terms, campaign_row["account_id"], lease, now, evidence(verdicts, now=now))
        for row in rows:
            batch.judge(row)
            if len(batch.opened) == most:
                break
        await batch.write(connection)
        return Claim(opened=tuple(batch.opened), passed=tuple(batch.passed))

    def _terms(self, row: asyncpg.Record) -> Terms:
        settings, account = settings_of(row), rules_of(row["account"])
        queue_number, today = row["queue_number"], _today(account, row["opened_at"])
        return Terms(
            settings=settings,
            account=account,
            profile=self._profiles.get(settings.profile or account.profile),
            pool=[pool_number(values, today) for values in row["pool"] or ()],
            queue_number=CallerId(number=queue_number[0], name=queue_number[1]) if queue_number else None,
        )

    @store_call
    async def explain(self, lead_id: int) -> Sequence[Verdict]:
        """What every rule says of the lead at this moment, in order. Raises NotFound."""
        row = await _sql.facts_of_lead(self._pool, lead_id=lead_id)
        if row is None:
            raise NotFound("lead", lead_id)
        return explain(_candidate(row), self._terms(row), now=row["opened_at"])

    @store_call
    async def waiting_leads(self, campaign_id: int) -> Sequence[WaitingLeads]:
        """How many leads each rule holds back or has ended, the most first."""
        return [WaitingLeads(**row) async for row in _sql.waiting_leads(self._pool, campaign_id=campaign_id)]

    @store_call
    async def judge_anew(self, campaign_id: int) -> int:
        """Leads that a rule has put off or blocked are due again, because the rules have changed; how many."""
        await _sql.begin_to_judge_anew(self._pool, campaign_id=campaign_id)
        return await self._release_put_off(campaign_id) + await self._release_blocked(campaign_id)

    async def _release_put_off(self, campaign_id: int) -> int:
        total, reached = 0, None
        while True:
            row = await _sql.judge_anew(self._pool, campaign_id=campaign_id, since=reached, batch=RELEASE_BATCH)
            total, reached = total + int(row["released"]), row["reached"]
            if row["released"] < RELEASE_BATCH:
                return total

    async def _release_blocked(self, campaign_id: int) -> int:
        total = 0
        while True:
            released = await _sql.judge_blocked_anew(self._pool, campaign_id=campaign_id, batch=RELEASE_BATCH)
            total += int(released)
            if released < RELEASE_BATCH:
                return total

    @store_call
    async def next_due_at(self, campaign_id: int) -> datetime | None:
        due_at: datetime | None = await _sql.next_due_at(self._pool, campaign_id=campaign_id)
        return due_at

    @store_call
    async def release_waiting(self, campaign_id: int) -> int:
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
            ended = EndedAttempt(number=call.number, outcome=call.outcome, ended_at=call.ended_at, alike=row["alike"])
            step = next_step(lead, settings_of(row), ended)
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


class _Batch:
    """What one look at the line comes to; written down in the end, each kind of change in one go."""

    def __init__(
        self, terms: Terms, account_id: int, lease: Lease, now: datetime, evidence: Mapping[str, object]
    ) -> None:
        self._terms = terms
        self._account_id = account_id
        self._lease = lease
        self._now = now
        self._evidence = evidence
        self._openings: list[dict[str, object]] = []
        self._refusals: list[dict[str, object]] = []
        self._calls: dict[str, RecentCall] = {}
        self.opened: list[OpenedAttempt] = []
        self.passed: list[PassedOver] = []

    def judge(self, row: asyncpg.Record) -> None:
        candidate = self._and_calls_of_this_batch(_candidate(row))
        match check(candidate, self._terms, now=self._now, draw=getrandbits(64)):
            case Refused() as refused:
                self._pass_over(candidate.lead, refused)
            case Admitted() as admitted:
                self._open(candidate, admitted)
            case never:
                assert_never(never)

    def _and_calls_of_this_batch(self, candidate: Candidate) -> Candidate:
        """Two leads may share a number, as an alternate; the second one must not call it too."""
        own = [self._calls[number] for number in candidate.lead.numbers if number in self._calls]
        return replace(candidate, recent=[*own, *candidate.recent]) if own else candidate

    def _pass_over(self, lead: Lead, refused: Refused) -> None:
        state = lead.state if refused.event is None else advance(LEAD_TRANSITIONS, lead.state, refused.event)
        self.passed.append(PassedOver(lead_id=lead.id, refusal=refused))
        self._refusals.append(
            {
                "lead_id": lead.id,
                "lead_state": state,
                "rule": refused.rule,
                "event": refused.event,
                "until": refused.until.isoformat() if refused.until else None,
            }
        )

    def _open(self, candidate: Candidate, admitted: Admitted) -> None:
        lead = candidate.lead
        call = _new_call(lead, self._terms.settings, admitted, self._now)
        self.opened.append(OpenedAttempt(call=call, ordinal=lead.dials + 1))
        self._calls[call.number] = RecentCall(number=call.number, opened_at=self._now, outcome=None, lead_id=lead.id)
        self._openings.append(
            {
                "place": len(self.opened),
                "attempt_id": str(call.id),
                "lead_id": lead.id,
                "lead_state": advance(LEAD_TRANSITIONS, lead.state, LeadEvent.CLAIMED),
                "number": call.number,
                "known_calls": self._known_calls(candidate, call.number),
                "pool_number_id": admitted.shown.id,
                "caller_id_number": call.caller_id.number,
                "caller_id_name": call.caller_id.name,
                "admitted_by": {**self._evidence, **admitted.facts},
            }
        )
        if admitted.shown in self._terms.pool:
            self._terms = replace(self._terms, pool=after_use(admitted.shown, self._terms.pool))

    def _known_calls(self, candidate: Candidate, number: str) -> int:
        since = self._now - KNOWN_CALLS_SPAN
        return sum(1 for call in candidate.recent if call.number == number and call.opened_at > since)

    async def write(self, connection: Connection) -> None:
        if self._refusals:
            await _sql.pass_over(connection, refusals=self._refusals)
        if self._openings and await self._write_openings(connection) != len(self._openings):
            raise StoreBusy(_CALLED_ELSEWHERE)

    async def _write_openings(self, connection: Connection) -> int:
        written: int = await _sql.write_attempts(
            connection,
            openings=self._openings,
            account_id=self._account_id,
            day=_today(self._terms.account, self._now),
            queue=self._terms.settings.queue,
            node=self._lease.node,
            epoch=self._lease.epoch,
        )
        return written


async def _claim_leads(
    connection: Connection, campaign_row: asyncpg.Record, batch: int, *, retries_first: bool
) -> list[asyncpg.Record]:
    rows = _sql.claim_leads(
        connection,
        campaign_id=campaign_row["id"],
        account_id=campaign_row["account_id"],
        sticky_campaign=campaign_row["id"] if campaign_row["rotation"] == Rotation.STICKY else None,
        batch=batch,
        retries_first=retries_first,
    )
    return [row async for row in rows]


def _today(account: AccountRules, now: datetime) -> date:
    return in_zone(now, account.time_zone).date()


def _candidate(row: asyncpg.Record) -> Candidate:
    return Candidate(
        lead=lead_of(row, "lead_"),
        listed=frozenset(row["listed"]),
        recent=[
            RecentCall(
                number=call["number"],
                opened_at=call["opened_at"],
                outcome=Outcome(call["outcome"]) if call["outcome"] else None,
                lead_id=call["lead_id"],
            )
            for call in row["recent"]
        ],
        last_shown=row["last_shown"],
    )


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
        dead_number=step.dead_number,
        attempt_id=call.id,
        ended_at=call.ended_at,
        outcome=call.outcome,
        cause=call.cause,
        tech_cause=call.tech_cause,
        agent=call.agent,
    )


def _new_call(lead: Lead, settings: CampaignSettings, admitted: Admitted, opened_at: datetime) -> Call:
    return Call(
        id=uuid4(),
        campaign_id=lead.campaign_id,
        lead_id=lead.id,
        number=admitted.number,
        lead_name=lead.display_name,
        caller_id=admitted.shown.caller_id,
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
