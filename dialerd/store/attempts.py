"""Attempts, the row at which the two halves of the river meet: claim, rules and row are one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from dialerd.domain.abandonment import count, period_of, period_start
from dialerd.domain.attempts import (
    RELEASE_BATCH,
    Claim,
    Lease,
    LostAttempt,
    OpenCall,
    OpenedAttempt,
    PutBack,
    Underway,
    WaitingLeads,
)
from dialerd.domain.caller_id import after_use
from dialerd.domain.calls import AttemptState, Call, CallFlow, KeptAgent
from dialerd.domain.campaigns import Campaign, Target
from dialerd.domain.compliance import Profile
from dialerd.domain.eligibility import (
    Admitted,
    Candidate,
    RecentCall,
    Verdict,
    evidence,
    explain,
    of_campaign,
    of_number,
)
from dialerd.domain.leads import IN_FLIGHT, LEAD_TRANSITIONS, LeadEvent, LeadState
from dialerd.domain.offers import Offer
from dialerd.domain.outcomes import Outcome
from dialerd.domain.retry import EndedAttempt, NextStep, next_step
from dialerd.domain.transitions import advance
from dialerd.errors import NotFound, StoreBusy
from dialerd.store.accounts import rules_of
from dialerd.store.call_rows import call_so_far, new_call, wanted_agent
from dialerd.store.campaigns import settings_of
from dialerd.store.claims import (
    Claimed,
    Look,
    candidate_of,
    claim_campaign,
    claim_leads,
    facts_of_lead,
    last_agents,
    lock_offered_lead,
    terms_of,
)
from dialerd.store.leads import lead_of
from dialerd.store.offers import release_lead
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of
from dialerd.store.settling import Change, after_end, after_word, list_opt_out, note_one_more, said_of, tell_end

_sql = queries_of("attempts")

KNOWN_CALLS_SPAN = timedelta(minutes=5)
"""As in the SQL function called_meanwhile; longer than any transaction of ours may take."""

LEAD_STATE_OF: Mapping[AttemptState, LeadState] = {
    AttemptState.PREPARING: LeadState.DIALING,
    AttemptState.DIALING: LeadState.DIALING,
    AttemptState.RINGING: LeadState.RINGING,
    AttemptState.MENU: LeadState.ANSWERED,
    AttemptState.ANSWERED: LeadState.ANSWERED,
    AttemptState.QUEUED: LeadState.ANSWERED,
    AttemptState.MESSAGE: LeadState.ANSWERED,
    AttemptState.CONNECTED: LeadState.ANSWERED,
}
"""What the lead's state is while its attempt is open. What it is afterwards, the outcome decides."""


_ONE_OPEN_PER_NUMBER = "attempts_one_open_per_number"
_CALLED_ALREADY = "another attempt of the lead, or to its number, is open"
_CALLED_ELSEWHERE = "another campaign calls this number just now"


class AttemptStore:
    """`profiles` are the compliance profiles that a campaign may name."""

    def __init__(self, pool: Pool, profiles: Mapping[str, Profile]) -> None:
        self._pool = pool
        self._profiles = profiles

    @store_call
    async def open_next(
        self,
        campaign: Campaign,
        lease: Lease,
        *,
        look_at: int = 1,
        most: int = 1,
        retries_first: bool = False,
        kept: KeptAgent | None = None,
        agents: int | None = None,
        trunk: str = "",
    ) -> Claim:
        """The settings that count are those of the row at this moment, not those of `campaign`.

        If StoreUnavailable is raised, the attempt may have been written all the same (the answer to the commit was
        lost): it is then found among `open_calls`, and must not be dialed. StoreBusy: another campaign has begun to
        call the same number at the same instant, and nothing was written.
        """
        try:
            async with transaction(self._pool) as connection:
                claimed = await claim_campaign(connection, campaign.id, lease, self._profiles)
                if claimed is None:
                    return Claim()
                rows = await claim_leads(connection, claimed, look_at, retries_first=retries_first)
                if not rows:
                    return Claim()
                if claimed.forbidden:
                    return Claim(forbidden=claimed.forbidden)
                if agents is not None and claimed.promised_elsewhere >= agents:
                    return Claim(crowded=True)
                openings = _Openings(claimed, trunk=trunk, kept=kept)
                await openings.judge([candidate_of(row) for row in rows], 1 if kept else most, connection)
                return await openings.write(connection)
        except asyncpg.UniqueViolationError as taken:
            raise _busy(taken) from taken

    @store_call
    async def open_offered(self, campaign: Campaign, lease: Lease, offer: Offer, *, trunk: str = "") -> Claim:
        """A lead that is not called after all is let go. Errors: see `open_next`."""
        try:
            async with transaction(self._pool) as connection:
                claimed = await claim_campaign(connection, campaign.id, lease, self._profiles)
                lead_id = await lock_offered_lead(connection, offer.id)
                facts = await facts_of_lead(connection, lead_id) if lead_id is not None else None
                if claimed is None or facts is None or claimed.forbidden:
                    await release_lead(connection, offer.lead_id)
                    return Claim(forbidden=claimed.forbidden if claimed else None)
                openings = _Openings(claimed, trunk=trunk, offer=offer)
                await openings.judge([candidate_of(facts)], 1, connection)
                return await openings.write(connection)
        except asyncpg.UniqueViolationError as taken:
            raise _busy(taken) from taken

    @store_call
    async def begin_dialing(self, call: Call) -> bool:
        """Caps and attempts are not asked again: this very attempt is one of those that they count."""
        async with transaction(self._pool) as connection:
            row = await _sql.lock_prepared(connection, attempt_id=call.id)
            facts = await facts_of_lead(connection, row["lead_id"]) if row else None
            if row is None or facts is None or not self._still_allows(facts, row["number"]):
                return False
            await _sql.begin_dialing(connection, attempt_id=call.id)
            return True

    def _still_allows(self, facts: asyncpg.Record, number: str) -> bool:
        terms, now = terms_of(facts, self._profiles), facts["opened_at"]
        candidate = replace(candidate_of(facts), recent=())
        verdicts = [*of_campaign(terms, now=now), *of_number(candidate, terms, number, now=now)]
        return all(verdict.allows for verdict in verdicts)

    @store_call
    async def opt_out(self, attempt: UUID, at: datetime) -> bool:
        async with transaction(self._pool) as connection:
            row = await _sql.whose_attempt(connection, attempt_id=attempt)
            if row is None:
                return False
            reason = "pressed the key to opt out"
            if not await list_opt_out(connection, row["attempt_number"], row["account_id"], reason=reason):
                return False
            state = LeadState(row["lead_state"])
            moves = {} if state in IN_FLIGHT else LEAD_TRANSITIONS[state]
            await _sql.opt_lead_out(
                connection,
                lead_id=row["lead_id"],
                lead_state=moves.get(LeadEvent.ON_DNC_LIST),
                attempt_id=attempt,
                at=at,
            )
            return True

    @store_call
    async def explain(self, lead_id: int) -> Sequence[Verdict]:
        """What every rule says of the lead at this moment, in order. Raises NotFound."""
        async with self._pool.acquire() as connection:
            row = await facts_of_lead(connection, lead_id)
        if row is None:
            raise NotFound("lead", lead_id)
        return explain(candidate_of(row), terms_of(row, self._profiles), now=row["opened_at"])

    @store_call
    async def waiting_leads(self, campaign_id: int) -> Sequence[WaitingLeads]:
        """How many leads each rule holds back or has ended, the most first."""
        return [WaitingLeads(**row) async for row in _sql.waiting_leads(self._pool, campaign_id=campaign_id)]

    @store_call
    async def due_leads(self, campaign_id: int, *, most: int) -> int:
        """Leads in line that no waiting time holds back; no more than `most` are counted."""
        due: int = await _sql.due_leads(self._pool, campaign_id=campaign_id, most=most)
        return due

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
            wanted_agent=call.wanted_agent,
            answered_by=call.answered_by,
            waiting_since=call.waiting_since,
            menu_node=call.menu_node,
            menu_result=call.menu_result,
            trunk=call.trunk,
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
            call = replace(call, ended_at=row["attempt_ended_at"])
            change, said = _change_by(call, row), said_of(row)
            await _settle(connection, call, row, change)
            if _opted_out(call) or change.opts_out:
                await _list(connection, call, row)
            await tell_end(connection, row, change, said)
            await _expect_recording(connection, call, row)
            if call.flow is CallFlow.PREVIEW:
                await _sql.withdraw_cards(connection, attempt_id=call.id, lead_id=call.lead_id)
            await self._count(connection, call, row)
            return change.step

    async def _count(self, connection: Connection, call: Call, row: asyncpg.Record) -> None:
        """Into the abandonment ledger. The last thing that is done, for all who close calls of a campaign wait for each other here."""
        settings, account = settings_of(row), rules_of(row["account"])
        profile = self._profiles.get(settings.profile or account.profile)
        rule = profile.abandonment if profile else None
        counted = count(call, rule)
        if counted is None:
            return
        began = period_start(
            period_of(rule),
            first_start=row["started_at"] or call.opened_at,
            now=call.opened_at,
            zone=account.time_zone,
        )
        await _sql.count_answer(
            connection,
            attempt_id=call.id,
            campaign_id=call.campaign_id,
            period_start=began,
            in_time=counted.in_time,
            abandoned=counted.abandoned,
        )

    @store_call
    async def take_over(
        self, node: str, *, gone: Collection[str], silent_for: timedelta, give_up_after: timedelta
    ) -> int:
        """Of two nodes that try at once one gets each attempt: the row is locked."""
        taken = await _sql.take_over_attempts(
            self._pool, node=node, gone=list(gone), silent_for=silent_for, give_up_after=give_up_after
        )
        return int(taken)

    @store_call
    async def underway(self, campaign_id: int) -> Underway:
        row = await _sql.underway(self._pool, campaign_id=campaign_id)
        return Underway(open=frozenset(row["open"]), last_opened_ago=row["last_opened_ago"])

    @store_call
    async def put_back(self, lost: LostAttempt, node: str) -> PutBack:
        """Write the attempt down again if it is missing: open, its lead in flight, its dial counted. Raises StoreBusy while another
        attempt of the lead, or to the number, is open: that one is to be closed first."""
        try:
            answer = await _sql.put_back_attempt(
                self._pool,
                attempt_id=lost.id,
                campaign_id=lost.campaign_id,
                lead_id=lost.lead_id,
                number=lost.number,
                flow=lost.flow,
                state=lost.state,
                opened_at=lost.opened_at,
                queue=lost.queue,
                caller_id_number=lost.caller_id.number,
                caller_id_name=lost.caller_id.name,
                trunk=lost.trunk,
                recording=lost.recording,
                kept_leg=lost.kept_leg,
                node=node,
            )
        except asyncpg.UniqueViolationError as taken:
            raise StoreBusy(_CALLED_ALREADY) from taken
        return PutBack(answer)

    @store_call
    async def open_calls(self) -> Sequence[OpenCall]:
        """Of every node, the oldest first. The agent hunts are not in the row: see `call_so_far`."""
        rows = _sql.open_attempts(self._pool)
        return [OpenCall(call=call_so_far(row), node=row["node"]) async for row in rows]


class _Openings:
    """What one look at the line comes to; written down in the end, each kind of change in one go."""

    def __init__(
        self, claimed: Claimed, *, trunk: str, kept: KeptAgent | None = None, offer: Offer | None = None
    ) -> None:
        self._claimed = claimed
        self._trunk = trunk
        self._kept = kept
        self._offer = offer
        self._look = Look(claimed)
        self._evidence = evidence(claimed.verdicts, now=claimed.now)
        self._openings: list[dict[str, object]] = []
        self._calls: dict[str, RecentCall] = {}
        self._opened: list[OpenedAttempt] = []

    @property
    def _flow(self) -> CallFlow:
        """An agent who is there already, or has asked for the lead, goes first whatever the campaign says by now."""
        return CallFlow.AGENT_FIRST if self._kept or self._offer else self._claimed.terms.settings.flow

    async def judge(self, candidates: Sequence[Candidate], most: int, connection: Connection) -> None:
        """In their order, until `most` of them are opened; what was not looked at stays as it was."""
        last = await self._last_agents(candidates, connection)
        for candidate in candidates:
            known = self._and_calls_of_this_batch(candidate)
            if admitted := self._look.judge(known):
                self._open(known, admitted, last.get(admitted.number))
            if len(self._opened) == most:
                break

    async def _last_agents(self, candidates: Sequence[Candidate], connection: Connection) -> Mapping[str, str]:
        if self._claimed.terms.settings.target is not Target.LAST_AGENT:
            return {}
        numbers = [number for candidate in candidates for number in candidate.lead.numbers]
        return await last_agents(connection, numbers, self._claimed.account_id)

    def _and_calls_of_this_batch(self, candidate: Candidate) -> Candidate:
        """Two leads may share a number, as an alternate; the second one must not call it too."""
        own = [self._calls[number] for number in candidate.lead.numbers if number in self._calls]
        return replace(candidate, recent=[*own, *candidate.recent]) if own else candidate

    def _open(self, candidate: Candidate, admitted: Admitted, last_agent: str | None) -> None:
        lead, now, terms = candidate.lead, self._claimed.now, self._look.terms
        call = new_call(
            lead,
            terms.settings,
            admitted,
            now,
            flow=self._flow,
            menu=self._claimed.menu,
            wanted_agent=self._offer.agent if self._offer else wanted_agent(lead, terms.settings, last_agent),
            kept=self._kept,
            trunk=self._trunk,
        )
        self._opened.append(OpenedAttempt(call=call, ordinal=lead.dials + 1))
        self._calls[call.number] = RecentCall(number=call.number, opened_at=now, outcome=None, lead_id=lead.id)
        self._openings.append(
            {
                "place": len(self._opened),
                "attempt_id": str(call.id),
                "lead_id": lead.id,
                "lead_state": advance(LEAD_TRANSITIONS, lead.state, LeadEvent.CLAIMED),
                "number": call.number,
                "known_calls": self._known_calls(candidate, call.number),
                "pool_number_id": admitted.shown.id,
                "caller_id_number": call.caller_id.number,
                "caller_id_name": call.caller_id.name,
                "admitted_by": {**self._evidence, **admitted.facts},
                "state": call.state,
                "wanted_agent": call.wanted_agent,
                "kept_leg": str(call.kept_leg) if call.kept_leg else None,
                "agent": call.agent,
                "recording": call.recording,
            }
        )
        if admitted.shown in terms.pool:
            self._look.terms = replace(terms, pool=after_use(admitted.shown, terms.pool))

    def _known_calls(self, candidate: Candidate, number: str) -> int:
        since = self._claimed.now - KNOWN_CALLS_SPAN
        return sum(1 for call in candidate.recent if call.number == number and call.opened_at > since)

    async def write(self, connection: Connection) -> Claim:
        await self._look.write(connection)
        if self._openings and await self._write_openings(connection) != len(self._openings):
            raise StoreBusy(_CALLED_ELSEWHERE)
        if self._offer and self._opened:
            await _sql.note_call_of_offer(connection, offer_id=self._offer.id, attempt_id=self._opened[0].call.id)
        return Claim(opened=tuple(self._opened), passed=tuple(self._look.passed))

    async def _write_openings(self, connection: Connection) -> int:
        claimed = self._claimed
        written: int = await _sql.write_attempts(
            connection,
            openings=self._openings,
            account_id=claimed.account_id,
            day=claimed.today,
            queue=claimed.terms.settings.queue,
            flow=self._flow,
            node=claimed.lease.node,
            epoch=claimed.lease.epoch,
            trunk=self._trunk,
        )
        return written


def _busy(taken: asyncpg.UniqueViolationError) -> Exception:
    return StoreBusy(_CALLED_ELSEWHERE) if taken.constraint_name == _ONE_OPEN_PER_NUMBER else taken


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
        answered_by=call.answered_by,
        waiting_since=call.waiting_since,
        menu_node=call.menu_node,
        menu_result=call.menu_result,
        trunk=call.trunk,
    )
    return row


def _change_by(call: Call, row: asyncpg.Record) -> Change:
    """The outcome decides, and then the agent's word. Who has asked not to be called is not, however the call has ended."""
    lead, settings, said = lead_of(row, "lead_"), settings_of(row), said_of(row)
    if call.outcome is None or call.ended_at is None:
        raise ValueError("a call that goes on cannot be closed")
    ended = EndedAttempt(
        number=call.number,
        outcome=call.outcome,
        ended_at=call.ended_at,
        alike=row["alike"],
        trunk_to_blame=call.trunk_to_blame,
    )
    step = NextStep(event=LeadEvent.ON_DNC_LIST) if _opted_out(call) else next_step(lead, settings, ended)
    change = after_end(lead, step, result=call.menu_result)
    if said is None or change.state is not LeadState.SUCCESS:
        return change
    word = after_word(replace(lead, state=change.state), settings, said, now=call.ended_at)
    return word if word.step else replace(word, step=step)


def _opted_out(call: Call) -> bool:
    """By a key, whatever came of the call after that."""
    return call.opted_out or call.outcome is Outcome.OPTED_OUT


async def _settle(connection: Connection, call: Call, row: asyncpg.Record, change: Change) -> None:
    step = change.step
    await _sql.settle_lead(
        connection,
        lead_id=row["lead_id"],
        lead_state=change.state,
        counts=step is None or step.counts,
        not_before=change.not_before,
        held_by=change.held_by,
        dead_number=step.dead_number if step else None,
        result=change.result,
        callback_agent=change.callback_agent,
        one_more=change.one_more,
        attempt_id=call.id,
        ended_at=call.ended_at,
        outcome=call.outcome,
        cause=call.cause,
        tech_cause=call.tech_cause,
        agent=call.agent,
    )
    if change.one_more:
        await note_one_more(connection, call.id, gave=True)


async def _list(connection: Connection, call: Call, row: asyncpg.Record) -> None:
    said = said_of(row)
    if not _opted_out(call) and said is not None:
        reason, by = f"told the agent ({said.code})", said.by
    elif call.flow is CallFlow.MENU:
        reason, by = f"pressed the key in voice menu {row['menu']}", ""
    else:
        reason, by = "pressed the key to opt out", ""
    await list_opt_out(connection, call.number, row["account_id"], reason=reason, by=by)


async def _expect_recording(connection: Connection, call: Call, row: asyncpg.Record) -> None:
    """Asterisk records from the bridge on; a voice menu from the answer on."""
    was_recorded = call.connected_at or (call.flow is CallFlow.MENU and call.answered_at)
    if row["attempt_recording"] and was_recorded:
        await _sql.expect_recording(
            connection,
            attempt_id=call.id,
            node=row["attempt_node"],
            name=row["attempt_recording"],
            recorded_at=call.ended_at,
        )
