"""Dials one campaign: decides, whenever something has changed, whether one more call may start, and says why not.

Where agents accept a card before the lead is dialed, the decision is whether one more card may be laid out; the call follows from
the acceptance.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from dialerd.clock import set_within
from dialerd.dialer.agent_gate import AgentGate, wanted_by
from dialerd.dialer.hold_notes import NOTE_AFTER_S, HoldNotes
from dialerd.dialer.ready_agents import ReadyAgent, ReadyAgents
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.domain.activity import MOST_DUE, CampaignPace, LeadPassedOver, LeadsHeld
from dialerd.domain.attempts import RELEASE_BATCH, Claim, Lease, PassedOver, Underway
from dialerd.domain.calls import CallFlow, KeptAgent, StopRequested, Wanted
from dialerd.domain.campaigns import Campaign, OnCap, working_hours
from dialerd.domain.eligibility import Rule, Verdict
from dialerd.domain.offers import Offer, OfferClaim
from dialerd.domain.pacing import Hold, HoldReason, Situation, decide, starting, verdicts
from dialerd.domain.schedule import next_start, of_rows
from dialerd.errors import DialerdError, StoreBusy, StoreFull

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 2.0
"""A held campaign looks again after this long though no event came: what should wake it may have been lost."""
PREPARE_S = 0.010
"""How long before its slot a call is written down, so that it starts in its slot and not a disk write later."""
SOON_S = 0.1
"""The least wait for a lead that becomes due: the database's clock, which decides, may be behind ours."""
ONLY_TIME_HELPS = frozenset(
    {
        HoldReason.PACE,
        HoldReason.TRUNK_SLOWED,
        HoldReason.NO_LEAD_DUE,
        HoldReason.OUTSIDE_SCHEDULE,
        HoldReason.PROFILE_UNKNOWN,
    }
)
"""Calls and queues that move change nothing about these: only time does, or a change of the campaign."""
MOST_AT_ONCE = 64
"""Leads looked at in one transaction while rules forbid one after the other; at first it is one."""
COUNT_HELD_S = 15.0
"""How often the leads that each rule holds back are counted."""
LEAVES_WITHIN_S = 0.25
"""A call leaves so long after its row was opened, or sooner. Another daemon's row tells the one moment, and the pace is about the other."""
COUNT_ELSEWHERE_S = 1.0
"""How often the calls are counted that other daemons have in flight for the campaign."""
CROWDED_S = 0.5
"""When to ask again where other daemons have promised the agents who are free: no event tells when they no longer need them."""
BRIEF = frozenset({HoldReason.PACE, HoldReason.TRUNK_SLOWED, HoldReason.CONCURRENCY, HoldReason.ASTERISK_DOWN})
"""Reasons that let go again while an agent waits. For any other he is let go at once, in the first place for a caller."""
HOLD_OF_RULE = {Rule.SCHEDULE: HoldReason.OUTSIDE_SCHEDULE, Rule.PROFILE: HoldReason.PROFILE_UNKNOWN}
"""What it is called when a rule forbids all calls of a campaign."""


class CampaignRunner:
    """`campaign` is replaced when its row changes; the next decision uses the new one."""

    def __init__(self, campaign: Campaign, parts: RunnerParts) -> None:
        self._parts = parts
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._dialing = True
        self._lease: Lease | None = None
        self._elsewhere: frozenset[UUID] = frozenset()
        """Open attempts that this node does not lead."""
        self._elsewhere_at = 0.0
        self._notes = HoldNotes(parts, campaign.id)
        self._release_at = 0.0
        self._count_at = 0.0
        self._look_at = 1
        self._retries_first = False
        self._ready = ReadyAgents(parts)
        self._agents_pace = starting(campaign.settings.calls_per_second, parts.clock.monotonic())
        self._gate = AgentGate(parts)
        self._unwatch = self._watch(campaign.settings.queue)
        self.campaign = campaign
        self.change(campaign)

    @property
    def pace(self) -> CampaignPace:
        settings = self.campaign.settings
        return CampaignPace(
            campaign_id=self.campaign.id,
            calls_per_second=settings.calls_per_second,
            concurrency=settings.concurrency,
            lease_held=self._parts.leases.holds(self.campaign.id),
        )

    @property
    def held(self) -> HoldReason | None:
        """The last reason that was told for not starting a call."""
        return self._notes.held

    def wake(self) -> None:
        """A call or the queue has changed: decide again, unless only time can change the answer."""
        self._wake.set()

    def _watch(self, queue: str) -> Callable[[], None]:
        """A voice menu that leads to no agent has no queue."""
        return self._parts.queues.watch(queue, self.wake) if queue else lambda: None

    def change(self, campaign: Campaign) -> None:
        if campaign.settings.queue != self.campaign.settings.queue:
            self._unwatch()
            self._unwatch = self._watch(campaign.settings.queue)
        self.campaign = campaign
        self._parts.pacer.set_rate(campaign.id, campaign.settings.calls_per_second, self._parts.clock.monotonic())
        self._agents_pace = self._agents_pace.at_rate(campaign.settings.calls_per_second, self._parts.clock.monotonic())
        if campaign.settings.queue:
            self._parts.queues.set_wrapup(campaign.settings.queue, campaign.settings.wrapup_s)
        self.decide_anew()

    def accept(self, offer: Offer) -> None:
        """An agent has accepted the card of a lead who is to be dialed now."""
        self._ready.accept(offer)
        self.decide_anew()

    def keep(self, agent: KeptAgent) -> None:
        """An agent stays on the line for the next lead."""
        self._ready.keep(agent)
        self.decide_anew()

    def stop_dialing(self) -> None:
        self._dialing = False
        self.decide_anew()

    def decide_anew(self) -> None:
        """The campaign or its leads may have changed."""
        self._changed.set()
        self._wake.set()

    async def run(self) -> None:
        """Until `stop_dialing`. The lease is handed back at the end, so that another node may go on at once."""
        with structlog.contextvars.bound_contextvars(campaign=self.campaign.id):
            try:
                while self._dialing:
                    await self._turn()
            finally:
                self._unwatch()
                self._parts.pacer.forget(self.campaign.id)
                await asyncio.gather(self._hand_back(), self._ready.let_all_go())
                await self._ready.let_all_go()

    async def _turn(self) -> None:
        """Start one call, or wait for what holds it. Trouble with the store is a reason to hold, too."""
        began = self._parts.clock.monotonic()
        self._wake.clear()
        self._changed.clear()
        try:
            await self._keep_lease()
            await self._count_elsewhere()
            await self._judge_anew()
            await self._release_waiting()
            await self._count_held()
            if self._lease is not None:
                await self._gate.count_abandoned(self.campaign)
            hold = await self._go_on()
            if hold is not None:
                await self._note(hold)
        except StoreBusy as busy:
            hold = await self._collided(busy, took_s=self._parts.clock.monotonic() - began)
        except DialerdError as trouble:
            log.warning("campaign_held_by_trouble", why=str(trouble))
            is_full = isinstance(trouble, StoreFull)
            hold = Hold(reason=HoldReason.STORE_FULL if is_full else HoldReason.STORE_DOWN)
            self._notes.say(hold.reason)
        if hold is not None:
            await self._wait(hold)

    async def _collided(self, busy: StoreBusy, *, took_s: float) -> Hold:
        """With another campaign's claim, or with somebody's edit. Mostly that is over at once; what takes its time is told."""
        log.info("claim_collided", why=str(busy))
        hold = Hold(reason=HoldReason.STORE_BUSY, retry_in=SOON_S)
        if took_s >= NOTE_AFTER_S:
            with suppress(DialerdError):
                await self._note(hold)
        return hold

    async def _keep_lease(self) -> None:
        """Renewed at a third of its time; after its end by the monotonic clock nothing is dialed, whatever the database
        thinks."""
        parts, now = self._parts, self._parts.clock.monotonic()
        duration = parts.lease_duration.total_seconds()
        if HoldReason.NAME_LOST in parts.node_holds():
            return  # somebody else of our name may have taken the lease: to renew it would take it from him
        if self._lease is not None and parts.leases.left(self.campaign.id) > duration * 2 / 3:
            return
        lease = await parts.campaigns.take_lease(self.campaign.id, node=parts.node, duration=parts.lease_duration)
        if lease is None:
            parts.leases.drop(self.campaign.id)
        elif lease != self._lease:
            await self._learn_underway(now)
        self._lease = lease
        if lease is not None:
            parts.leases.hold(lease, until=now + duration)

    async def _learn_underway(self, now: float) -> None:
        """Whoever dialed the campaign before: the pace and the calls in flight are the campaign's, not the node's. Of an agent who was
        rung first, it is not written when he got his lead: a whole interval from now is certainly enough."""
        parts, underway = self._parts, await self._parts.attempts.underway(self.campaign.id)
        if underway.last_opened_ago is not None:
            rung_first = self.campaign.settings.flow is CallFlow.AGENT_FIRST
            ago = 0.0 if rung_first else max(0.0, underway.last_opened_ago.total_seconds() - LEAVES_WITHIN_S)
            parts.pacer.note_call(self.campaign.id, now - ago)
        self._note_elsewhere(underway)

    def _note_elsewhere(self, underway: Underway) -> None:
        self._elsewhere = frozenset(attempt for attempt in underway.open if not self._parts.tracker.is_tracked(attempt))
        self._elsewhere_at = self._parts.clock.monotonic() + COUNT_ELSEWHERE_S

    async def _count_elsewhere(self) -> None:
        """While there are any: nobody else begins new ones, as long as the lease is ours."""
        if self._lease is not None and self._elsewhere and self._parts.clock.monotonic() >= self._elsewhere_at:
            self._note_elsewhere(await self._parts.attempts.underway(self.campaign.id))

    async def _go_on(self) -> Hold | None:
        """Whoever is already there for a call goes first."""
        await self._ready.let_late_go()
        ready = self._ready.first
        hold = decide(self._situation(agent_there=True if ready else None))
        if ready is not None:
            return await self._dial_for(ready, hold)
        if hold is not None:
            return hold
        return await (self._lay_card() if self.campaign.settings.offers_before_dialing else self._start_call())

    async def _dial_for(self, ready: ReadyAgent, hold: Hold | None) -> Hold | None:
        if hold is not None:
            if hold.reason not in BRIEF:
                await self._ready.let_all_go()
            return hold
        if self._still_serves(ready):
            return await self._start_call(ready)
        await self._ready.let_go(ready)
        return None

    def _still_serves(self, ready: ReadyAgent) -> bool:
        """Somebody else may have called the agent since the card was accepted. And who was kept is for agent-first calls of the
        queue; where leads go to agents who have accepted them, nobody gets the next one unasked."""
        settings = self.campaign.settings
        if isinstance(ready.who, Offer):
            return self._gate.is_free(Wanted(ready.who.queue, ready.who.agent))
        agent_first = settings.flow is CallFlow.AGENT_FIRST and not settings.offers_before_dialing
        return agent_first and ready.who.queue == settings.queue

    def _situation(self, *, agent_there: bool | None = None) -> Situation:
        """`agent_there` where an agent waits for this very call."""
        parts, settings, now = self._parts, self.campaign.settings, self._parts.clock.monotonic()
        queue = parts.queues.snapshot(settings.queue)
        return Situation(
            running=self._dialing,
            opens_in=self._opens_in(),
            owns_lease=self._lease is not None and parts.leases.holds(self.campaign.id),
            asterisk_up=parts.asterisk_ready(),
            node_holds=parts.node_holds(),
            trunk_wait=parts.trunks.wait(now),
            queue_bound=bool(settings.queue),
            queue_known=queue.known,
            callers_waiting=queue.callers_waiting,
            agent_there=self._gate.agent_there(settings, self.campaign.id) if agent_there is None else agent_there,
            halted=self._gate.latched and settings.on_cap is OnCap.PAUSE,
            rate_anew_in=self._gate.rate_anew_in(parts.clock.now()),
            in_flight=parts.tracker.in_flight(self.campaign.id),
            elsewhere=sum(1 for attempt in self._elsewhere if not parts.tracker.is_tracked(attempt)),
            concurrency=settings.concurrency,
            pace_wait=max(0.0, self._pace_wait(now) - PREPARE_S),
            trunk_slowed=parts.trunks.is_slowed(now) and parts.trunks.slot_in(now) >= self._pace_wait(now),
            trunks=parts.trunks.facts(now),
        )

    def _pace_wait(self, now: float) -> float:
        """An agent who is rung first is no call to a lead: those keep their own pace, the leads' is kept when they are dialed."""
        if self.campaign.settings.flow is CallFlow.AGENT_FIRST:
            return max(self._agents_pace.wait(now), self._parts.trunks.slot_in(now))
        return self._parts.pacer.wait(self.campaign.id, now)

    def _opens_in(self) -> float | None:
        """Asked again inside the transaction, by the database's clock: this spares it the question."""
        campaign, now = self.campaign, self._parts.clock.now()
        hours = of_rows(working_hours(campaign.settings, campaign.account), campaign.account.time_zone)
        opens = next_start([hours], now=now, lasting=timedelta(seconds=campaign.settings.ring_timeout_s))
        return (opens - now).total_seconds() if opens else None

    async def _start_call(self, ready: ReadyAgent | None = None) -> Hold | None:
        """Claim, check, write the row, dial when the slot comes. None: go on at once with the next."""
        try:
            claim = await self._open(ready)
        except StoreBusy:  # nothing was written: who is ready waits for the next look
            raise
        except BaseException:
            if ready is not None:
                await self._ready.let_go(ready)
            raise
        if ready is not None and not claim.opened and (isinstance(ready.who, Offer) or not claim.passed):
            await self._ready.let_go(ready)
        if ready is not None and isinstance(ready.who, Offer):
            return await self._learn_of_accepted(claim)
        return await self._learn_from(claim)

    async def _open(self, ready: ReadyAgent | None) -> Claim:
        """The agent is taken before the first wait, so that no other campaign of this node decides on the same one; so is the
        one call with which a failing trunk is tried."""
        parts, began = self._parts, self._parts.clock.monotonic()
        with (
            parts.tracker.reserved(self._wanted_by(ready)) as reservation,
            parts.trunks.preparing(began) as prepared,
        ):
            claim = await self._claim(ready, prepared.trunk)
            for attempt in claim.opened:
                reservation.attempt = attempt.call.id
                decision_s = parts.clock.monotonic() - began
                await self._slot(prepared.trunk)
                prepared.leaves = self._dialing
                parts.tracker.place(attempt.call, decision_s=decision_s)
                if not self._dialing:  # paused or stopped meanwhile: nobody is called any more
                    parts.tracker.feed(attempt.call.id, StopRequested())
                if ready is not None:
                    self._ready.take(ready)
        return claim

    def _wanted_by(self, ready: ReadyAgent | None) -> Wanted:
        if ready is not None and isinstance(ready.who, Offer):
            return Wanted(ready.who.queue, ready.who.agent)
        return wanted_by(self.campaign.settings)

    async def _claim(self, ready: ReadyAgent | None, trunk: str) -> Claim:
        if self._lease is None:
            return Claim()
        attempts, who = self._parts.attempts, ready.who if ready else None
        if isinstance(who, Offer):
            return await attempts.open_offered(self.campaign, self._lease, who, trunk=trunk)
        return await attempts.open_next(
            self.campaign,
            self._lease,
            look_at=self._look_at,
            retries_first=self._retries_first,
            kept=who,
            trunk=trunk,
            agents=None if who else self._gate.agents_left(self.campaign.settings),
        )

    async def _lay_card(self) -> Hold | None:
        parts, settings = self._parts, self.campaign.settings
        agents = parts.cards.free_agents(settings.queue, but=parts.tracker.spoken_for())
        if self._lease is None or not agents:
            return Hold(reason=HoldReason.NO_FREE_AGENT)
        with parts.tracker.reserved(wanted_by(settings)):
            claim = await parts.offers.offer_next(
                self.campaign, self._lease, agents=agents, look_at=self._look_at, retries_first=self._retries_first
            )
            if claim.offer is not None:
                parts.cards.laid(claim.offer)
        return await self._learn_from(claim)

    async def _learn_of_accepted(self, claim: Claim) -> Hold | None:
        """It says nothing of the other leads in line."""
        if claim.forbidden is not None:
            return self._forbidden(claim.forbidden)
        for passed in claim.passed:
            self._pass_over(passed)
        if claim.opened:
            await self._forget_note()
        return None

    async def _learn_from(self, claim: Claim | OfferClaim) -> Hold | None:
        """New leads and retries take turns. While rules forbid one lead after the other, more are looked at in one go."""
        if claim.forbidden is not None:
            return self._forbidden(claim.forbidden)
        if isinstance(claim, Claim) and claim.crowded:
            return Hold(reason=HoldReason.NO_FREE_AGENT, retry_in=CROWDED_S)
        for passed in claim.passed:
            self._pass_over(passed)
        found = claim.offer is not None if isinstance(claim, OfferClaim) else bool(claim.opened)
        if found:
            self._retries_first = not self._retries_first
            await self._forget_note()
        if not found and not claim.passed:
            return await self._no_lead_due()
        self._look_at = min(2 * self._look_at, MOST_AT_ONCE) if claim.passed else 1
        return None

    def _forbidden(self, verdict: Verdict) -> Hold:
        wait = (verdict.until - self._parts.clock.now()).total_seconds() if verdict.until else None
        return Hold(reason=HOLD_OF_RULE[verdict.rule], retry_in=None if wait is None else max(SOON_S, wait))

    async def _slot(self, trunk: str) -> None:
        """The pace holds for the very moment of dialing, however long the row took."""
        parts = self._parts
        if self.campaign.settings.flow is not CallFlow.AGENT_FIRST:
            await parts.pacer.slot(self.campaign.id, trunk, parts.clock)
            return
        await asyncio.sleep(self._agents_pace.wait(parts.clock.monotonic()))
        self._agents_pace = self._agents_pace.spend(parts.clock.monotonic())

    def _pass_over(self, passed: PassedOver) -> None:
        log.info("lead_passed_over", lead=passed.lead_id, rule=passed.refusal.rule, until=passed.refusal.until)
        self._parts.publish(LeadPassedOver(campaign_id=self.campaign.id, rule=passed.refusal.rule))

    async def _judge_anew(self) -> None:
        """The rules have changed: leads that an earlier state of them has put off are due again."""
        if not self.campaign.judge_anew or self._lease is None:
            return
        due = await self._parts.attempts.judge_anew(self.campaign.id)
        self.campaign = replace(self.campaign, judge_anew=False)
        log.info("leads_judged_anew", leads=due)

    async def _count_held(self) -> None:
        now = self._parts.clock.monotonic()
        if now < self._count_at or self._lease is None:
            return
        self._count_at = now + COUNT_HELD_S
        waiting = await self._parts.attempts.waiting_leads(self.campaign.id)
        due = await self._parts.attempts.due_leads(self.campaign.id, most=MOST_DUE)
        leads = {held.rule: held.leads for held in waiting}
        self._parts.publish(LeadsHeld(campaign_id=self.campaign.id, leads=leads, due=due))

    async def _release_waiting(self) -> None:
        """Leads whose waiting time is over take their place in the line by their priority, not only once it is empty."""
        now = self._parts.clock.monotonic()
        if now < self._release_at:
            return
        if await self._parts.attempts.release_waiting(self.campaign.id) == RELEASE_BATCH:
            return  # and on with it at the next turn: calls need not wait for all of them
        wait = await self._next_due_in()
        self._release_at = now + (LOOK_AGAIN_S if wait is None else min(wait, LOOK_AGAIN_S))

    async def _no_lead_due(self) -> Hold:
        """If no lead waits for its time either, the campaign may be at its end."""
        wait = await self._next_due_in()
        if wait is None:
            await self._complete()
        else:
            self._release_at = min(self._release_at, self._parts.clock.monotonic() + wait)
        return Hold(reason=HoldReason.NO_LEAD_DUE, retry_in=wait)

    async def _next_due_in(self) -> float | None:
        due_at = await self._parts.attempts.next_due_at(self.campaign.id)
        return max(SOON_S, (due_at - self._parts.clock.now()).total_seconds()) if due_at else None

    async def _complete(self) -> None:
        parts = self._parts
        if parts.tracker.in_flight(self.campaign.id) or self._lease is None:
            return
        if await parts.campaigns.complete_campaign(self._lease):
            log.info("campaign_completed")
            self.stop_dialing()

    async def _wait(self, hold: Hold) -> None:
        """Until something changes, or time alone may have changed the answer."""
        change = self._changed if hold.reason in ONLY_TIME_HELPS else self._wake
        await set_within(change, self._patience(hold))

    def _patience(self, hold: Hold) -> float:
        now = self._parts.clock.monotonic()
        waits = [LOOK_AGAIN_S]
        if hold.retry_in is not None:
            waits.append(hold.retry_in)
        if hold.reason is HoldReason.NO_FREE_AGENT:
            waits.append(self._until_wrapup_ends(now))
        if (note_due_in := self._notes.due_in()) is not None:
            waits.append(note_due_in)
        return min(waits)

    def _until_wrapup_ends(self, now: float) -> float:
        end = self._parts.queues.snapshot(self.campaign.settings.queue).next_wrapup_end(now)
        return LOOK_AGAIN_S if end is None else end - now

    async def _note(self, hold: Hold) -> None:
        self._notes.say(hold.reason)
        if self._lease is not None:
            await self._notes.note(self._lease, hold, list(verdicts(self._situation())))

    async def _forget_note(self) -> None:
        if self._lease is not None:
            await self._notes.forget(self._lease)

    async def _hand_back(self) -> None:
        """From now on no call of it is dialed here, not even one that is already written down."""
        self._parts.leases.drop(self.campaign.id)
        if self._lease is not None:
            try:
                await self._parts.campaigns.give_lease_back(self._lease)
            except DialerdError as trouble:
                log.warning("lease_not_handed_back", why=str(trouble))
