"""Dials one campaign: decides, whenever something has changed, whether one more call may start, and says why not."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from dialerd.clock import Clock
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.ports import Attempts, Campaigns, Publish, Queues
from dialerd.dialer.trunk import Trunk
from dialerd.domain.activity import CampaignHeld, LeadPassedOver, LeadsHeld
from dialerd.domain.attempts import RELEASE_BATCH, Claim, Lease, PassedOver
from dialerd.domain.campaigns import Campaign, working_hours
from dialerd.domain.eligibility import Rule, Verdict
from dialerd.domain.pacing import HOLD_SENTENCES, Hold, HoldReason, Situation, decide, verdicts
from dialerd.domain.queues import has_spare_agent
from dialerd.domain.schedule import next_start, of_rows
from dialerd.errors import DialerdError, StoreBusy

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 2.0
"""A held campaign looks again after this long though no event came: what should wake it may have been lost."""
PREPARE_S = 0.010
"""How long before its slot a call is written down, so that it starts in its slot and not a disk write later."""
NOTE_AFTER_S = 1.0
"""A hold is written down for people when it has lasted this long; shorter ones are the normal rhythm of dialing."""
SOON_S = 0.1
"""The least wait for a lead that becomes due: the database's clock, which decides, may be behind ours."""
ONLY_TIME_HELPS = frozenset(
    {HoldReason.PACE, HoldReason.NO_LEAD_DUE, HoldReason.OUTSIDE_SCHEDULE, HoldReason.PROFILE_UNKNOWN}
)
"""Calls and queues that move change nothing about these: only time does, or a change of the campaign."""
MOST_AT_ONCE = 64
"""Leads looked at in one transaction while rules forbid one after the other; at first it is one."""
COUNT_HELD_S = 15.0
"""How often the leads that each rule holds back are counted."""
HOLD_OF_RULE = {Rule.SCHEDULE: HoldReason.OUTSIDE_SCHEDULE, Rule.PROFILE: HoldReason.PROFILE_UNKNOWN}
"""What it is called when a rule forbids all calls of a campaign."""


@dataclass(frozen=True, kw_only=True)
class RunnerParts:
    """What every campaign of a node shares."""

    campaigns: Campaigns
    attempts: Attempts
    queues: Queues
    tracker: CallTracker
    pacer: Pacer
    trunk: Trunk
    clock: Clock
    publish: Publish
    node: str
    lease_duration: timedelta
    asterisk_ready: Callable[[], bool]
    """Whether calls can be placed and served, and all that Asterisk has of ours is known."""


class CampaignRunner:
    """`campaign` is replaced when its row changes; the next decision uses the new one."""

    def __init__(self, campaign: Campaign, parts: RunnerParts) -> None:
        self._parts = parts
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._dialing = True
        self._lease: Lease | None = None
        self._lease_ends = 0.0
        self._held: HoldReason | None = None
        self._held_since = 0.0
        self._noted: HoldReason | None = None
        self._noted_until: datetime | None = None
        self._release_at = 0.0
        self._count_at = 0.0
        self._look_at = 1
        self._retries_first = False
        self._unwatch = parts.queues.watch(campaign.settings.queue, self.wake)
        self.campaign = campaign
        self.change(campaign)

    def wake(self) -> None:
        """A call or the queue has changed: decide again, unless only time can change the answer."""
        self._wake.set()

    def change(self, campaign: Campaign) -> None:
        if campaign.settings.queue != self.campaign.settings.queue:
            self._unwatch()
            self._unwatch = self._parts.queues.watch(campaign.settings.queue, self.wake)
        self.campaign = campaign
        self._parts.pacer.set_rate(campaign.id, campaign.settings.calls_per_second, self._parts.clock.monotonic())
        self._parts.queues.set_wrapup(campaign.settings.queue, campaign.settings.wrapup_s)
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
            await self._hand_back()

    async def _turn(self) -> None:
        """Start one call, or wait for what holds it. Trouble with the store is a reason to hold, too."""
        self._wake.clear()
        self._changed.clear()
        try:
            await self._keep_lease()
            await self._judge_anew()
            await self._release_waiting()
            await self._count_held()
            hold = decide(self._situation()) or await self._start_call()
            if hold is not None:
                await self._note(hold)
        except StoreBusy as busy:
            log.info("claim_collided", why=str(busy))  # with another campaign's, or with somebody's edit
            hold = Hold(reason=HoldReason.STORE_DOWN, retry_in=SOON_S)
        except DialerdError as trouble:
            log.warning("campaign_held_by_trouble", why=str(trouble))
            hold = Hold(reason=HoldReason.STORE_DOWN)
            self._say(hold.reason)
        if hold is not None:
            await self._wait(hold)

    async def _keep_lease(self) -> None:
        """Renewed at a third of its time; after its end by the monotonic clock nothing is dialed, whatever the database
        thinks."""
        parts, now = self._parts, self._parts.clock.monotonic()
        duration = parts.lease_duration.total_seconds()
        if self._lease is not None and now < self._lease_ends - duration * 2 / 3:
            return
        self._lease = await parts.campaigns.take_lease(self.campaign.id, node=parts.node, duration=parts.lease_duration)
        self._lease_ends = now + duration

    def _situation(self) -> Situation:
        parts, settings, now = self._parts, self.campaign.settings, self._parts.clock.monotonic()
        queue = parts.queues.snapshot(settings.queue)
        promised = parts.tracker.promised()
        free = {name: parts.queues.snapshot(name).free_agents(now) for name in {settings.queue, *promised}}
        return Situation(
            running=self._dialing,
            opens_in=self._opens_in(),
            owns_lease=self._lease is not None and now < self._lease_ends,
            asterisk_up=parts.asterisk_ready(),
            trunk_wait=parts.trunk.wait(now),
            queue_known=queue.known,
            callers_waiting=queue.callers_waiting,
            spare_agent=has_spare_agent(settings.queue, free=free, promised=promised),
            in_flight=parts.tracker.in_flight(self.campaign.id),
            concurrency=settings.concurrency,
            pace_wait=max(0.0, parts.pacer.wait(self.campaign.id, now) - PREPARE_S),
        )

    def _opens_in(self) -> float | None:
        """Asked again inside the transaction, by the database's clock: this spares it the question."""
        campaign, now = self.campaign, self._parts.clock.now()
        hours = of_rows(working_hours(campaign.settings, campaign.account), campaign.account.time_zone)
        opens = next_start([hours], now=now, lasting=timedelta(seconds=campaign.settings.ring_timeout_s))
        return (opens - now).total_seconds() if opens else None

    async def _start_call(self) -> Hold | None:
        """Claim, check, write the row, dial when the slot comes. None: go on at once with the next.

        The agent is taken before the first wait, so that no other campaign of this node decides on the same one; so is the
        one call with which a failing trunk is tried.
        """
        parts, campaign, began = self._parts, self.campaign, self._parts.clock.monotonic()
        if self._lease is None:
            return Hold(reason=HoldReason.NO_LEASE)
        with (
            parts.tracker.reserved(campaign.settings.queue) as reservation,
            parts.pacer.preparing(),
            parts.trunk.preparing() as prepared,
        ):
            claim = await parts.attempts.open_next(
                campaign, self._lease, look_at=self._look_at, retries_first=self._retries_first
            )
            for opened in claim.opened:
                reservation.attempt = opened.call.id
                decision_s = parts.clock.monotonic() - began
                await self._slot()
                prepared.leaves = True
                parts.tracker.place(opened.call, decision_s=decision_s)
        return await self._learn_from(claim)

    async def _learn_from(self, claim: Claim) -> Hold | None:
        """New leads and retries take turns. While rules forbid one lead after the other, more are looked at in one go."""
        if claim.forbidden is not None:
            return self._forbidden(claim.forbidden)
        for passed in claim.passed:
            self._pass_over(passed)
        if claim.opened:
            self._retries_first = not self._retries_first
            await self._forget_note()
        if not claim.opened and not claim.passed:
            return await self._no_lead_due()
        self._look_at = min(2 * self._look_at, MOST_AT_ONCE) if claim.passed else 1
        return None

    def _forbidden(self, verdict: Verdict) -> Hold:
        wait = (verdict.until - self._parts.clock.now()).total_seconds() if verdict.until else None
        return Hold(reason=HOLD_OF_RULE[verdict.rule], retry_in=None if wait is None else max(SOON_S, wait))

    async def _slot(self) -> None:
        """The pace holds for the very moment of dialing, however long the row took."""
        while True:
            wait = self._parts.pacer.spend(self.campaign.id, self._parts.clock.monotonic())
            if wait <= 0:
                return
            await asyncio.sleep(wait)

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
        leads = {held.rule: held.leads for held in waiting}
        self._parts.publish(LeadsHeld(campaign_id=self.campaign.id, leads=leads))

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
            self._release_at = self._parts.clock.monotonic() + wait
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
        try:
            async with asyncio.timeout(self._patience(hold)):
                await change.wait()
        except TimeoutError:
            pass

    def _patience(self, hold: Hold) -> float:
        now = self._parts.clock.monotonic()
        waits = [LOOK_AGAIN_S]
        if hold.retry_in is not None:
            waits.append(hold.retry_in)
        if hold.reason is HoldReason.NO_FREE_AGENT:
            waits.append(self._until_wrapup_ends(now))
        if now < self._held_since + NOTE_AFTER_S:
            waits.append(self._held_since + NOTE_AFTER_S - now)
        return min(waits)

    def _until_wrapup_ends(self, now: float) -> float:
        end = self._parts.queues.snapshot(self.campaign.settings.queue).next_wrapup_end(now)
        return LOOK_AGAIN_S if end is None else end - now

    async def _note(self, hold: Hold) -> None:
        """Say which rule stands in the way of the next call (law L11): at once in the metrics, in the row when it lasts."""
        self._say(hold.reason)
        lasts = self._parts.clock.monotonic() - self._held_since >= NOTE_AFTER_S
        if not lasts or self._lease is None or self._is_noted(hold):
            return
        until = self._until(hold)
        await self._parts.campaigns.note_hold(
            self._lease, hold.reason, HOLD_SENTENCES[hold.reason], until, list(verdicts(self._situation()))
        )
        self._noted, self._noted_until = hold.reason, until

    async def _forget_note(self) -> None:
        """Calls start again: what was noted of an earlier hold, for people, holds no longer."""
        if self._noted not in (None, HoldReason.PACE) and self._lease is not None:
            await self._parts.campaigns.note_hold(self._lease, None, None, None)
            self._noted = self._noted_until = None

    def _until(self, hold: Hold) -> datetime | None:
        """None also for the pace, which lets go many times a second."""
        if not hold.retry_in or hold.reason is HoldReason.PACE:
            return None
        return self._parts.clock.now() + timedelta(seconds=hold.retry_in)

    def _is_noted(self, hold: Hold) -> bool:
        """A note whose time is over is told anew."""
        is_over = self._noted_until is not None and self._noted_until <= self._parts.clock.now()
        return hold.reason is self._noted and not is_over

    def _say(self, reason: HoldReason) -> None:
        if reason is not self._held:
            self._held, self._held_since = reason, self._parts.clock.monotonic()
            self._parts.publish(CampaignHeld(campaign_id=self.campaign.id, reason=reason))

    async def _hand_back(self) -> None:
        if self._lease is not None:
            try:
                await self._parts.campaigns.give_lease_back(self._lease)
            except DialerdError as trouble:
                log.warning("lease_not_handed_back", why=str(trouble))
