"""Compares what the rows and this daemon believe with the channels that Asterisk has, and heals the difference.

Calls that live are taken up where they are; calls that are gone get the outcome that can still be proved, else
`unknown`, and are spent: nothing is ever dialed again because it was lost sight of (laws L2 and L8).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from dialerd.clock import Clock, set_within
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.lost_rows import LostRows, NeverPlaced
from dialerd.dialer.ports import Attempts, Publish, Telephony
from dialerd.dialer.presence import Presence
from dialerd.domain.activity import CallsRescued
from dialerd.domain.calls import (
    MOST_HUNTS,
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AttemptState,
    Call,
    CallEvent,
    CallFlow,
    DialRefused,
    HuntEnded,
    HuntFound,
    LeadAnswered,
    LeadHeld,
    LeadQueued,
    LeadRang,
    LegsJoined,
    LiveChannel,
    MessageBegun,
    OfferDue,
    Vanished,
)
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

RETRY_S = 1.0
SETTLING_S = 3.0
"""How long a call may be missing in Asterisk before it counts as gone: its channel, or the event of its end, may be on
its way."""
STEPS_A_SECOND = 10
"""More sounds than a voice menu can have played in the time: the end of one that an earlier life has begun is not taken for that
of a new one."""
UNSEEN_AGENT = "unknown"
"""Who talks to the lead was told while no daemon listened."""
QUEUE, STASIS = "Queue", "Stasis"  # applications of the dialplan
MESSAGE = frozenset({"BackGround", "Playback"})


class Rescuer:
    """`ready` is set while rows and channels have been compared since Asterisk was last out of reach; until then nothing is
    dialed. `on_ready` is called whenever that begins: who waits for it need not find out by looking."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        telephony: Telephony,
        tracker: CallTracker,
        clock: Clock,
        publish: Publish,
        node: str,
        every_s: float,
        rescue_after: timedelta,
        give_up_after: timedelta,
        presence: Presence,
        lost_rows: LostRows,
        on_ready: Callable[[], None],
    ) -> None:
        self._attempts = attempts
        self._telephony = telephony
        self._tracker = tracker
        self._clock = clock
        self._publish = publish
        self._node = node
        self._every_s = every_s
        self._rescue_after = rescue_after
        self._give_up_after = give_up_after
        self._presence = presence
        self._lost_rows = lost_rows
        self._never_placed = NeverPlaced(tracker)
        self._on_ready = on_ready
        self._missing_since: dict[UUID, float] = {}
        self._opted_out: set[UUID] = set()
        self._losses = 0
        self._ask = asyncio.Event()
        self.ready = asyncio.Event()

    def link_lost(self) -> None:
        """What was still to be told of dials that have failed is not told any more, so how they ended cannot be proved."""
        self._losses += 1
        self.ready.clear()
        for call in self._tracker.calls:
            if call.dial_failed and not call.placed:
                self._tracker.feed(call.id, Vanished())

    def link_restored(self) -> None:
        self.look_again()

    def look_again(self) -> None:
        """Without waiting for the next time: a neighbour has fallen silent, or this node was."""
        self._ask.set()

    def database_changed(self) -> None:
        """It may have lost rows: all that Asterisk knows of ours is looked at as after a start."""
        self._opted_out.clear()
        self.ready.clear()
        self._ask.set()

    async def run(self) -> None:
        """Compare whenever the link is restored, and every `every_s` besides; sooner while a call is missing."""
        while True:
            self._ask.clear()
            try:
                if self._telephony.up:
                    await self._look()
            except DialerdError as trouble:
                log.warning("reconciliation_failed", why=str(trouble))
            await self._pause()

    async def _look(self) -> None:
        """A look during which the link was lost may be older than what was missed."""
        losses = self._losses
        if not self.ready.is_set():
            await self._presence.arrive()
        await self.reconcile()
        if not self.ready.is_set():
            await self._note_opt_outs()
        if losses == self._losses and not self.ready.is_set():
            self.ready.set()
            self._on_ready()

    async def _pause(self) -> None:
        soon = self._missing_since or not self.ready.is_set()
        await set_within(self._ask, RETRY_S if soon else self._every_s)

    async def reconcile(self) -> None:
        """One comparison. The rows are read before the channels: a call that is opened in between is not missed in them."""
        rows = await self._attempts.open_calls()
        self._never_placed.note(rows, self._node)
        if any([await self._lost_rows.write_back(rows), await self._take_over()]):
            rows = await self._attempts.open_calls()
        tracked = {call.id: call for call in self._tracker.calls}
        channels = await self._telephony.live_channels()
        if await self._lost_rows.put_back_strays(rows, channels):
            rows = await self._attempts.open_calls()
        self._tracker.let_go(row.call.id for row in rows if row.node != self._node)
        ours = [row.call for row in rows if row.node == self._node]
        untracked = [call for call in ours if call.id not in tracked and not self._tracker.is_tracked(call.id)]
        if not self.ready.is_set():
            self._catch_up(tracked, channels)
        adopted = [call for call in untracked if is_alive(call, channels)]
        for call in adopted:
            self._adopt(call, channels)
        lost = self._lost([*untracked, *self._tracker.calls], channels)
        for call in lost:
            self._give_up(call, channels)
        if adopted or lost:
            log.info("calls_rescued", adopted=len(adopted), lost=len(lost))
            self._publish(CallsRescued(adopted=len(adopted), lost=len(lost)))

    async def _take_over(self) -> bool:
        """Whether there were calls of a daemon that is gone."""
        taken = await self._attempts.take_over(
            self._node, gone=self._presence.gone, silent_for=self._rescue_after, give_up_after=self._give_up_after
        )
        if taken:
            log.info("calls_of_a_silent_daemon_taken_over", calls=taken)
        return bool(taken)

    async def _note_opt_outs(self) -> None:
        """The dialplan has written down who pressed the key, whether or not somebody listened."""
        for attempt, at in (await self._telephony.opt_outs()).items():
            if attempt not in self._opted_out and await self._attempts.opt_out(attempt, at):
                log.info("opt_out_found", attempt=str(attempt))
            self._opted_out.add(attempt)

    def _catch_up(self, before: Mapping[UUID, Call], channels: Mapping[UUID, LiveChannel]) -> None:
        """Tell the calls of before the link was lost what they have missed. One that has moved since we asked is newer
        than the answer."""
        for call in self._tracker.calls:
            if before.get(call.id) is not call:
                continue
            if is_alive(call, channels):
                self._telephony.follow(call, lead_channel=lead_channel(call, channels))
                self._tell(call.id, where_it_is(call, channels))
            elif call.agent_up and not live_hunt(call, channels):  # before the lead was dialed
                self._tell(call.id, [_hunt_over(call)])

    def _adopt(self, row: Call, channels: Mapping[UUID, LiveChannel]) -> None:
        """Take the call up where its channel is now, told as the events that would have led there."""
        age = self._clock.now() - row.opened_at
        call = replace(believed(row, channels), menu_step=int(age.total_seconds() * STEPS_A_SECOND))
        self._tracker.adopt(call, lead_channel=lead_channel(call, channels))
        self._tell(call.id, [*where_it_is(call, channels), *_of_the_card(call)])

    def _tell(self, attempt: UUID, events: Sequence[CallEvent]) -> None:
        for event in events:
            self._tracker.feed(attempt, event)

    def _lost(self, calls: list[Call], channels: Mapping[UUID, LiveChannel]) -> list[Call]:
        """Calls without a channel for long enough, be they tracked here or known from their row alone."""
        now = self._clock.monotonic()
        gone = {call.id: call for call in calls if not is_alive(call, channels) and self._is_believed_alive(call)}
        self._missing_since = {id_: self._missing_since.get(id_, now) for id_ in gone}
        return [call for id_, call in gone.items() if now - self._missing_since[id_] >= SETTLING_S]

    def _is_believed_alive(self, call: Call) -> bool:
        """A dial that has failed is not: the news of its end comes, or the reminder that there never was a channel. Nor is one whose
        claim has not been answered yet."""
        if call.state is AttemptState.ENDED or (call.dial_failed and not call.placed):
            return False
        return not (self._tracker.is_being_placed(call.id) or self._never_placed.may_still_come(call))

    def _give_up(self, call: Call, channels: Mapping[UUID, LiveChannel]) -> None:
        """An agent who is still there, or is still being rung, is let go with it."""
        hunt = live_hunt(call, channels)
        gone = DialRefused() if call.state is AttemptState.DIALING and self._never_placed.is_so(call) else Vanished()
        if not self._tracker.is_tracked(call.id):
            self._tracker.adopt(replace(call, hunts=hunt or call.hunts))
        self._tell(call.id, [*([HuntFound(hunt)] if hunt else []), gone])


def is_alive(call: Call, channels: Mapping[UUID, LiveChannel]) -> bool:
    """Whether the lead has a channel; or, of a call whose lead is not dialed yet, the agent."""
    if call.id in channels:
        return True
    return call.state is AttemptState.PREPARING and live_hunt(call, channels) > 0


def lead_channel(call: Call, channels: Mapping[UUID, LiveChannel]) -> str:
    """Its name; empty while there is none."""
    return channels[call.id].name if call.id in channels else ""


def live_hunt(call: Call, channels: Mapping[UUID, LiveChannel]) -> int:
    """The number of the call's agent hunt that lives; 0: none does."""
    return next((hunt for hunt in range(1, MOST_HUNTS + 1) if call.agent_leg(hunt) in channels), 0)


def believed(row: Call, channels: Mapping[UUID, LiveChannel]) -> Call:
    """What a row leaves unsaid. An agent-first call whose lead is dialed has had an agent on the line: if nobody is there any more,
    that is told as an end."""
    hunt = live_hunt(row, channels)
    call = replace(row, hunts=hunt or row.hunts, placed=row.id in channels)
    if row.flow is not CallFlow.AGENT_FIRST or row.state not in _UNANSWERED or hunt:
        return call
    return replace(call, hunts=max(1, row.hunts), hunting=True, agent_up=True)


_UNANSWERED = frozenset({AttemptState.DIALING, AttemptState.RINGING})


def where_it_is(call: Call, channels: Mapping[UUID, LiveChannel]) -> list[CallEvent]:
    """The events that bring a call from where it is believed to be to where its channels are."""
    lead = channels.get(call.id)
    if lead is None or not lead.up:
        rings: list[CallEvent] = [LeadRang()] if lead is not None and lead.ringing else []
        return [*rings, *_of_an_agent_who_waits(call, channels)]
    return [LeadAnswered(), *_of_an_answered(call, lead, channels)]


def _of_an_answered(call: Call, lead: LiveChannel, channels: Mapping[UUID, LiveChannel]) -> list[CallEvent]:
    if lead.application == QUEUE:
        served: list[CallEvent] = [AgentConnected(call.agent or UNSEEN_AGENT)] if lead.bridged else []
        return [LeadQueued(), *served]
    if lead.application in MESSAGE:
        return [MessageBegun()]
    if hunt := live_hunt(call, channels):
        return [HuntFound(hunt), LeadHeld(), *_of_the_hunt(call, lead, channels[call.agent_leg(hunt)], hunt)]
    return _without_a_hunt(call) if lead.application == STASIS else []


def _of_the_hunt(call: Call, lead: LiveChannel, leg: LiveChannel, hunt: int) -> list[CallEvent]:
    if lead.bridged:
        return [LegsJoined()]
    return [AgentAnswered(hunt)] if leg.application == STASIS and not call.agent_up else []


def _of_an_agent_who_waits(call: Call, channels: Mapping[UUID, LiveChannel]) -> list[CallEvent]:
    """Who was rung before the lead: on the line, still ringing, or gone without a word."""
    if call.flow is not CallFlow.AGENT_FIRST:
        return []
    hunt = live_hunt(call, channels)
    if not hunt:
        return [_hunt_over(call)]
    answered: list[CallEvent] = [AgentAnswered(hunt)] if channels[call.agent_leg(hunt)].application == STASIS else []
    return [HuntFound(hunt), *answered]


def _of_the_card(call: Call) -> list[CallEvent]:
    """A card that lay before nobody when the daemon died is laid out again."""
    lies_nowhere = call.flow is CallFlow.PREVIEW and not call.accepted and call.offered_to is None
    return [OfferDue(call.offers)] if lies_nowhere else []


def _without_a_hunt(call: Call) -> list[CallEvent]:
    """The lead is in our hands, and no agent is rung or there: did the agent leave unseen, or the hunt end?"""
    if call.state is AttemptState.CONNECTED:
        agents = max(call.hunts, 1)
        return [HuntFound(agents), HuntEnded(agents)]
    if not call.hunting:
        return [LeadHeld()]
    return [_hunt_over(call)] if call.held else [_hunt_over(call), LeadHeld()]


def _hunt_over(call: Call) -> CallEvent:
    """The agent has left; or nobody was there yet, and the hunt may be so new that it has no channel."""
    return HuntEnded(call.hunts) if call.agent_up else AgentDialTimedOut(call.hunts)
