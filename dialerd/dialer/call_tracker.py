"""Follows every call in flight to its end.

An event steps the call at once, so that what the pacing counts is always the truth of this moment. What follows from
the step is done by three tasks a call: one gives the PBX its commands, in order; one asks of the store what the call needs
of it; one lets the row follow. So a person who has answered does not wait for the disk, however slow it is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from dialerd.clock import Clock
from dialerd.dialer.call_record import CallRecord
from dialerd.dialer.call_service import CallService
from dialerd.dialer.leases import Leases
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.ports import Attempts, Cards, Publish, Queues, Spool, Telephony
from dialerd.dialer.recent_calls import RecentCalls
from dialerd.dialer.tracked_call import LiftHoldLimit, Todo, TrackedCall
from dialerd.dialer.trunks import Trunks
from dialerd.domain.abandonment import AbandonmentRule, may_be_abandoned, waited_since
from dialerd.domain.activity import AgentHeld, AgentRinging, CallConnected
from dialerd.domain.calls import (
    AttemptState,
    Call,
    CallEvent,
    CallFlow,
    HuntEnded,
    HuntFound,
    KeptAgent,
    LegsJoined,
    Opened,
    Wanted,
)
from dialerd.domain.dial_modes import step
from dialerd.domain.pacing import HoldReason

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Reservation:
    """An agent is promised to a call that is being prepared; `attempt` is known once its row is written."""

    wanted: Wanted
    attempt: UUID | None = None


class CallTracker:
    """All calls in flight of this node. `on_change` is called whenever one of them frees or binds something; `on_kept` when an
    agent stays on the line for another lead."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        cards: Cards,
        spool: Spool,
        telephony: Telephony,
        queues: Queues,
        clock: Clock,
        publish: Publish,
        trunks: Trunks,
        pacer: Pacer,
        leases: Leases,
        on_change: Callable[[], None],
        on_kept: Callable[[KeptAgent], None],
        asterisk_ready: Callable[[], bool],
        node_holds: Callable[[], frozenset[HoldReason]],
        tasks: asyncio.TaskGroup,
        on_moved: Callable[[Call, Call], None] = lambda _before, _after: None,
    ) -> None:
        self._on_moved = on_moved
        self._trunks = trunks
        self._telephony = telephony
        self._clock = clock
        self._publish = publish
        self._on_change = on_change
        self._tasks = tasks
        self._calls: dict[UUID, TrackedCall] = {}
        self._reservations: list[Reservation] = []
        self._service = CallService(
            telephony=telephony,
            queues=queues,
            pacer=pacer,
            trunks=trunks,
            leases=leases,
            clock=clock,
            publish=publish,
            feed=self.feed,
            on_kept=on_kept,
            asterisk_ready=asterisk_ready,
            node_holds=node_holds,
        )
        self._record = CallRecord(
            attempts=attempts,
            cards=cards,
            spool=spool,
            clock=clock,
            publish=publish,
            feed=self.feed,
            spoken_for=lambda attempt: self.spoken_for(but=attempt),
        )
        self.recent = RecentCalls(clock)
        self.idle = asyncio.Event()
        self.idle.set()

    # --- what the others ask ---

    @property
    def calls(self) -> list[Call]:
        return [tracked.call for tracked in list(self._calls.values())]  # copied first: the metrics read it in a thread

    def is_tracked(self, attempt: UUID) -> bool:
        return attempt in self._calls

    def is_being_placed(self, attempt: UUID) -> bool:
        """Whether it waits for its slot, or Asterisk has not said yet what it makes of the Originate."""
        if attempt in self._calls:
            return self._calls[attempt].being_placed
        return any(reservation.attempt == attempt for reservation in self._reservations)

    @property
    def claims(self) -> frozenset[Reservation]:
        """Calls whose row is just being written: nobody knows yet whether it is."""
        return frozenset(reservation for reservation in self._reservations if reservation.attempt is None)

    def unresolved(self, campaign_id: int, rule: AbandonmentRule | None) -> frozenset[UUID]:
        """Calls of the campaign that may still be abandoned, for all that has been written down: also those that have ended and
        whose end is not written yet."""
        return frozenset(
            call.id for call in self.calls if call.campaign_id == campaign_id and may_be_abandoned(call, rule)
        )

    def in_flight(self, campaign_id: int) -> int:
        """Calls of the campaign that occupy a line."""
        return sum(1 for call in self.calls if call.campaign_id == campaign_id and call.state is not AttemptState.ENDED)

    @contextmanager
    def reserved(self, wanted: Wanted) -> Iterator[Reservation]:
        """Promise an agent to a call whose attempt is just being written, until it is placed or turns out not to be."""
        reservation = Reservation(wanted)
        self._reservations.append(reservation)
        try:
            yield reservation
        finally:
            self._reservations.remove(reservation)

    def promised(self, *, but: int | None = None) -> Mapping[Wanted, int]:
        """How many agents are promised to calls on their way, and whom they are asked of; `but`: without that campaign's calls."""
        called = [call.wanted for call in self.calls if call.needs_agent and call.campaign_id != but]
        return Counter([*called, *(reservation.wanted for reservation in self._reservations)])

    def spoken_for(self, *, but: UUID | None = None) -> frozenset[str]:
        """The agents whom a certain call waits for, without the call `but`: no card is laid before them meanwhile."""
        called = [call.wanted for call in self.calls if call.needs_agent and call.id != but]
        reserved = [reservation.wanted for reservation in self._reservations]
        awaited = {wanted.agent for wanted in [*called, *reserved] if wanted.agent is not None}
        return frozenset(awaited | self.rung(but=but))

    def rung(self, *, but: UUID | None = None) -> frozenset[str]:
        """Agents whose own phones are rung, or who are on them, for calls other than `but`: the queue learns of it a moment later."""
        return frozenset(call.rings for call in self.calls if call.rings is not None and call.id != but)

    # --- what happens ---

    def place(self, call: Call, *, decision_s: float) -> None:
        """Begin an attempt whose row is committed."""
        self._take_up(TrackedCall(call, written=call, decision_s=decision_s, being_placed=True))
        self.feed(call.id, Opened())

    def adopt(self, call: Call, *, lead_channel: str = "") -> None:
        """Take up a call that was opened before this daemon lived; `lead_channel` is the name of its channel."""
        self._telephony.follow(call, lead_channel=lead_channel)
        dialed = call.state is not AttemptState.PREPARING
        self._take_up(TrackedCall(call, written=call, dialed_at=0.0 if dialed else None))

    def feed(self, attempt: UUID, event: CallEvent) -> None:
        """An event of one of our calls; of others nothing is known here."""
        tracked = self._calls.get(attempt)
        if tracked is None:
            return
        before = tracked.call
        tracked.call, commands = step(before, event, self._clock.now())
        self.recent.note(tracked.call)
        of_our_own = _of_our_own(tracked, event)
        if tracked.call is before and not commands and not of_our_own and before.state is not AttemptState.ENDED:
            return
        self._note_times(tracked, before)
        self._learn_of_trunk(tracked, before)
        tracked.order(commands, of_our_own)
        self._on_moved(before, tracked.call)
        if _occupies(before) != _occupies(tracked.call):
            self._on_change()

    def stop_dialing(self) -> None:
        """No lead is dialed from now on; calls that are on their way go theirs."""
        self._service.stop_dialing()

    def let_go(self, attempts: Iterable[UUID]) -> None:
        """Another node leads these calls now. What is known of the end of one is still written down."""
        for tracked in [self._calls[attempt] for attempt in attempts if attempt in self._calls]:
            if tracked.task is not None and tracked.call.state is not AttemptState.ENDED:
                tracked.task.cancel()

    def let_all_go(self) -> None:
        """This daemon ends. The calls do not: their rows stay open, and the next start takes them up."""
        for tracked in self._calls.values():
            if tracked.task is not None:
                tracked.task.cancel()

    def _take_up(self, tracked: TrackedCall) -> None:
        call = tracked.call
        self._calls[call.id] = tracked
        self.recent.note(call)
        self.idle.clear()
        tracked.task = self._tasks.create_task(self._follow(tracked), name=f"call-{call.id}")
        self._on_change()

    def _learn_of_trunk(self, tracked: TrackedCall, before: Call) -> None:
        if tracked.dialed_at is None:
            return
        now = self._clock.monotonic()
        if self._trunks.observe(before, tracked.call, dialed_at=tracked.dialed_at, now=now):
            tracked.call = replace(tracked.call, trunk_to_blame=True)

    def _note_times(self, tracked: TrackedCall, before: Call) -> None:
        """How long somebody waited is measured on the monotonic clock."""
        call, now = tracked.call, self._clock.monotonic()
        if _agent_waits(call) and not _agent_waits(before):
            tracked.agent_waits_since = now
        elif _agent_waits(before) and not _agent_waits(call) and tracked.agent_waits_since is not None:
            self._publish(AgentHeld(campaign_id=call.campaign_id, waited_s=now - tracked.agent_waits_since))
        if waited_since(call) and not waited_since(before):
            tracked.waits_since = now
        if _both_there(call) and not _both_there(before):
            tracked.both_since = now
        if tracked.waits_since is None:
            return
        waited = now - tracked.waits_since
        if call.agent_ringing_at and not before.agent_ringing_at:
            self._publish(AgentRinging(campaign_id=call.campaign_id, after_answer_s=waited))
        if call.connected_at and not before.connected_at:
            bridged_in_s = None if tracked.both_since is None else now - tracked.both_since
            self._publish(CallConnected(campaign_id=call.campaign_id, after_answer_s=waited, bridged_in_s=bridged_in_s))

    # --- one call's own tasks ---

    async def _follow(self, tracked: TrackedCall) -> None:
        call = tracked.call
        with structlog.contextvars.bound_contextvars(
            campaign=call.campaign_id, lead=call.lead_id, attempt=str(call.id)
        ):
            try:
                async with asyncio.TaskGroup() as parts:
                    parts.create_task(self._service.serve(tracked), name=f"serve-{call.id}")
                    parts.create_task(self._record.ask(tracked), name=f"ask-{call.id}")
                    parts.create_task(self._record.write(tracked), name=f"write-{call.id}")
            except Exception:
                # One call's trouble is not the others'. Its row is still open, so the rescuer takes it up again.
                log.exception("call_lost_sight_of")
            finally:
                self._let_go(tracked)

    def _let_go(self, tracked: TrackedCall) -> None:
        for reminder in tracked.reminders:
            reminder.cancel()
        self._calls.pop(tracked.call.id, None)
        if not self._calls:
            self.idle.set()
        self._on_change()


def _of_our_own(tracked: TrackedCall, event: CallEvent) -> list[Todo]:
    """What an event asks of the tracker, whatever the dial mode makes of it."""
    match event:
        case HuntFound(hunt):
            tracked.hunts.add(hunt)
        case HuntEnded(hunt):
            tracked.hunts.discard(hunt)
        case LegsJoined() if tracked.call.state is AttemptState.CONNECTED:
            return [LiftHoldLimit()]
        case _:
            pass
    return []


def _agent_waits(call: Call) -> bool:
    """Whether an agent is on the line for a lead who has not picked up yet."""
    return call.flow is CallFlow.AGENT_FIRST and call.agent_up and call.state in _UNANSWERED


_UNANSWERED = frozenset({AttemptState.PREPARING, AttemptState.DIALING, AttemptState.RINGING})


def _both_there(call: Call) -> bool:
    """Whether nothing but the bridge is missing."""
    return call.agent_up and call.answered_at is not None


def _occupies(call: Call) -> tuple[bool, bool]:
    """What other decisions may wait for: the agent promised to the call, and its line."""
    return call.needs_agent, call.state is AttemptState.ENDED
