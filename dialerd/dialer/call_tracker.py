"""Follows every call in flight to its end.

An event steps the call at once, so that what the pacing counts is always the truth of this moment. What follows from
the step is done by two tasks a call: one gives the PBX its commands, in order; the other lets the row follow. So a
person who has answered does not wait for the disk, however slow it is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never
from uuid import UUID

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import Attempts, Publish, Telephony
from dialerd.dialer.trunk import Trunk
from dialerd.domain.activity import AgentRinging, CallConnected, CallEnded, CallPlaced
from dialerd.domain.calls import (
    AttemptState,
    Call,
    CallCommand,
    CallEvent,
    DialRefused,
    HangUpHunt,
    HangUpLead,
    HuntAgent,
    HuntEnded,
    HuntFound,
    JoinLegs,
    LegsJoined,
    MoveToQueue,
    Remind,
)
from dialerd.domain.dial_modes import DIAL_MODES
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError

log = structlog.get_logger(__name__)

STORE_RETRY_S = 1.0
HOLD_LIMIT_RETRY_S = 0.5
HANG_UP_AGAIN_S = 0.5
HANG_UP_TRIES = 5


@dataclass(frozen=True)
class LiftHoldLimit:
    """Legs that talk must not be cut by the dead man's handle of the dialplan."""


Todo = CallCommand | LiftHoldLimit


@dataclass
class TrackedCall:
    """A call, and what is still to be done about it."""

    call: Call
    written: AttemptState
    """The state that the row is known to be in."""
    decision_s: float | None = None
    """Of a call that is to be dialed: how long the decision took."""
    being_placed: bool = False
    todo: "asyncio.Queue[list[Todo]]" = field(default_factory=asyncio.Queue)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """What follows from the newest step has been asked of the PBX: now the row is to follow."""
    reminders: list[asyncio.TimerHandle] = field(default_factory=list)
    hunts: set[int] = field(default_factory=set)
    """The hunts that may still ring or hold an agent."""
    answered_at: float | None = None
    task: "asyncio.Task[None] | None" = None


@dataclass(eq=False)
class Reservation:
    """An agent of the queue is promised to a call that is being prepared; `attempt` is known once its row is written."""

    queue: str
    attempt: UUID | None = None


class CallTracker:
    """All calls in flight of this node. `on_change` is called whenever one of them frees or binds something."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        telephony: Telephony,
        clock: Clock,
        publish: Publish,
        trunk: Trunk,
        on_change: Callable[[], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._trunk = trunk
        self._attempts = attempts
        self._telephony = telephony
        self._clock = clock
        self._publish = publish
        self._on_change = on_change
        self._tasks = tasks
        self._calls: dict[UUID, TrackedCall] = {}
        self._reservations: list[Reservation] = []
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

    def in_flight(self, campaign_id: int) -> int:
        """Calls of the campaign that occupy a line."""
        return sum(1 for call in self.calls if call.campaign_id == campaign_id and call.state is not AttemptState.ENDED)

    @contextmanager
    def reserved(self, queue: str) -> Iterator[Reservation]:
        """Promise an agent to a call whose attempt is just being written, until it is placed or turns out not to be."""
        reservation = Reservation(queue)
        self._reservations.append(reservation)
        try:
            yield reservation
        finally:
            self._reservations.remove(reservation)

    def promised(self) -> Mapping[str, int]:
        """How many agents of each queue are promised to calls on their way."""
        called = [call.queue for call in self.calls if call.needs_agent]
        return Counter([*called, *(reservation.queue for reservation in self._reservations)])

    # --- what happens ---

    def place(self, call: Call, *, decision_s: float) -> None:
        """Dial an attempt whose row is committed."""
        self._take_up(TrackedCall(call, written=call.state, decision_s=decision_s, being_placed=True))

    def adopt(self, call: Call, *, lead_channel: str = "") -> None:
        """Take up a call that was opened before this daemon lived; `lead_channel` is the name of its channel."""
        self._telephony.follow(call, lead_channel=lead_channel)
        self._take_up(TrackedCall(call, written=call.state))

    def feed(self, attempt: UUID, event: CallEvent) -> None:
        """An event of one of our calls; of others nothing is known here."""
        tracked = self._calls.get(attempt)
        if tracked is None:
            return
        before = tracked.call
        tracked.call, commands = DIAL_MODES[before.dial_mode](before, event, self._clock.now())
        todo: list[Todo] = [*commands, *_of_our_own(tracked, event)]
        if tracked.call is before and not todo and before.state is not AttemptState.ENDED:
            return
        self._note_times(tracked, before)
        self._trunk.observe(before, tracked.call)
        tracked.todo.put_nowait(todo)
        if _occupies(before) != _occupies(tracked.call):
            self._on_change()

    def let_all_go(self) -> None:
        """This daemon ends. The calls do not: their rows stay open, and the next start takes them up."""
        for tracked in self._calls.values():
            if tracked.task is not None:
                tracked.task.cancel()

    def _take_up(self, tracked: TrackedCall) -> None:
        call = tracked.call
        self._calls[call.id] = tracked
        self.idle.clear()
        tracked.task = self._tasks.create_task(self._follow(tracked), name=f"call-{call.id}")
        self._on_change()

    def _note_times(self, tracked: TrackedCall, before: Call) -> None:
        """How long a person waited is measured on the monotonic clock."""
        call, now = tracked.call, self._clock.monotonic()
        if call.answered_at and not before.answered_at:
            tracked.answered_at = now
        if tracked.answered_at is None:
            return
        waited = now - tracked.answered_at
        if call.agent_ringing_at and not before.agent_ringing_at:
            self._publish(AgentRinging(campaign_id=call.campaign_id, after_answer_s=waited))
        if call.connected_at and not before.connected_at:
            self._publish(CallConnected(campaign_id=call.campaign_id, after_answer_s=waited))

    # --- one call's own tasks ---

    async def _follow(self, tracked: TrackedCall) -> None:
        call = tracked.call
        with structlog.contextvars.bound_contextvars(
            campaign=call.campaign_id, lead=call.lead_id, attempt=str(call.id)
        ):
            try:
                async with asyncio.TaskGroup() as halves:
                    halves.create_task(self._serve(tracked), name=f"serve-{call.id}")
                    halves.create_task(self._write(tracked), name=f"write-{call.id}")
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

    # --- the half that speaks to the PBX ---

    async def _serve(self, tracked: TrackedCall) -> None:
        if tracked.decision_s is not None:
            await self._dial(tracked, tracked.decision_s)
        while tracked.call.state is not AttemptState.ENDED or not tracked.todo.empty():
            await self._carry_out(tracked, await tracked.todo.get())
            tracked.moved.set()
        await self._see_hunts_off(tracked)
        try:
            await self._telephony.clear_away(tracked.call)
        except DialerdError as trouble:
            log.warning("bridge_left_behind", why=str(trouble))

    async def _dial(self, tracked: TrackedCall, decision_s: float) -> None:
        call = tracked.call
        try:
            await self._telephony.dial(call)
        except CallNotPlaced as refusal:
            log.warning("call_not_placed", why=str(refusal))
            self.feed(call.id, DialRefused())
        except AsteriskUnavailable as trouble:
            # It may ring or not: its events, or a reconciliation, will tell. It is never dialed again.
            log.warning("call_in_doubt", why=str(trouble))
        else:
            log.info("call_placed", number=call.number, caller_id=call.caller_id.number)
            self._publish(CallPlaced(campaign_id=call.campaign_id, dial_mode=call.dial_mode, decision_s=decision_s))
        finally:
            tracked.being_placed = False

    async def _carry_out(self, tracked: TrackedCall, todo: Iterable[Todo]) -> None:
        for command in todo:
            try:
                await self._do(tracked, command)
            except DialerdError as trouble:
                log.warning("command_failed", command=type(command).__name__, why=str(trouble))
                self._make_up_for(tracked, command, trouble)

    async def _do(self, tracked: TrackedCall, command: Todo) -> None:
        call, telephony = tracked.call, self._telephony
        match command:
            case HuntAgent(hunt):
                tracked.hunts.add(hunt)
                await telephony.hunt_agent(call, hunt)
            case JoinLegs(hunt):
                await telephony.join_legs(call, hunt)
                self.feed(call.id, LegsJoined())
            case LiftHoldLimit():
                await telephony.lift_hold_limit(call)
            case MoveToQueue():
                await telephony.move_to_queue(call)
            case HangUpLead():
                await telephony.hang_up_lead(call)
            case HangUpHunt(hunt):
                await telephony.hang_up_hunt(call, hunt)
            case Remind(after, event):
                self._later(tracked, after.total_seconds(), self.feed, call.id, event)
            case _:
                assert_never(command)

    def _make_up_for(self, tracked: TrackedCall, command: Todo, trouble: DialerdError) -> None:
        """A hunt that could not start is a hunt that has ended: the lead goes to the queue. A join that failed leaves an
        agent alone on the line, who is let go, with the same effect. For the rest the dialplan's own hold limit serves
        the lead."""
        match command:
            case HuntAgent(hunt):
                self.feed(tracked.call.id, HuntEnded(hunt))
                if not isinstance(trouble, CallNotPlaced):  # then it may ring an agent all the same
                    tracked.hunts.add(hunt)
                    tracked.todo.put_nowait([HangUpHunt(hunt)])
            case JoinLegs(hunt):
                tracked.todo.put_nowait([HangUpHunt(hunt)])
            case LiftHoldLimit() if tracked.call.state is AttemptState.CONNECTED:
                self._later(tracked, HOLD_LIMIT_RETRY_S, tracked.todo.put_nowait, [command])
            case _:
                pass

    def _later(self, tracked: TrackedCall, after_s: float, do: Callable[..., None], *args: object) -> None:
        tracked.reminders.append(asyncio.get_running_loop().call_later(after_s, do, *args))

    async def _see_hunts_off(self, tracked: TrackedCall) -> None:
        """Nobody is to be rung for a call that is over, or to be left alone on its line. A hunt that was hung up before
        Asterisk had made its channel has not noticed, so it is hung up again until its end is seen."""
        for _ in range(HANG_UP_TRIES):
            if not tracked.hunts:
                return
            try:
                async with asyncio.timeout(HANG_UP_AGAIN_S):
                    todo = await tracked.todo.get()
            except TimeoutError:
                todo = [HangUpHunt(hunt) for hunt in sorted(tracked.hunts)]
            await self._carry_out(tracked, todo)

    # --- the half that writes ---

    async def _write(self, tracked: TrackedCall) -> None:
        """Only the newest state is worth a write; the end is written however long the database is away."""
        while tracked.written is not AttemptState.ENDED:
            await tracked.moved.wait()
            tracked.moved.clear()
            await self._bring_row_up_to(tracked, tracked.call)

    async def _bring_row_up_to(self, tracked: TrackedCall, call: Call) -> None:
        try:
            if call.state is AttemptState.ENDED:
                await self._close(call)
            elif call.state is not tracked.written:
                await self._attempts.record_progress(call)
        except DialerdError as trouble:
            log.warning("row_not_written", state=call.state, why=str(trouble), retry_in_s=STORE_RETRY_S)
            await asyncio.sleep(STORE_RETRY_S)
            tracked.moved.set()
        else:
            tracked.written = call.state

    async def _close(self, call: Call) -> None:
        step = await self._attempts.close_attempt(call)
        if step is not None and call.outcome is not None:
            log.info("call_ended", outcome=call.outcome, cause=call.cause, lead_becomes=step.event)
            self._publish(
                CallEnded(campaign_id=call.campaign_id, dial_mode=call.dial_mode, outcome=call.outcome, call=call)
            )


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


def _occupies(call: Call) -> tuple[bool, bool]:
    """What other decisions may wait for: the agent promised to the call, and its line."""
    return call.needs_agent, call.state is AttemptState.ENDED
