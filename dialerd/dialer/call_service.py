"""Gives the PBX the commands of one call, in their order, and makes up for those that fail."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import structlog

from dialerd.clock import Clock, set_within
from dialerd.dialer.leases import Leases
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.ports import Publish, Queues, Telephony
from dialerd.dialer.tracked_call import LiftHoldLimit, PbxCommand, Todo, TrackedCall
from dialerd.dialer.trunks import Trunks
from dialerd.domain.activity import CallPlaced
from dialerd.domain.calls import (
    AttemptState,
    Call,
    CallEvent,
    CallFlow,
    DialLead,
    DialRefused,
    ExtendHold,
    HangUpHunt,
    HangUpLead,
    HoldAgent,
    HuntAgent,
    HuntEnded,
    JoinLegs,
    KeepAgent,
    KeptAgent,
    LegsJoined,
    MenuSoundEnded,
    MoveToMessage,
    MoveToQueue,
    PlayGreeting,
    PlayInMenu,
    Remind,
)
from dialerd.domain.pacing import HoldReason
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError, LegGone

log = structlog.get_logger(__name__)

HOLD_LIMIT_RETRY_S = 0.5
HANG_UP_AGAIN_S = 0.5
HANG_UP_TRIES = 5
LOOK_S = 0.2
"""How often it is looked whether the lead of an agent who waits may be dialed by now, or may not be any more."""


class CallService:
    """`feed` takes what follows from a command; `on_kept` hears of an agent who stays on the line."""

    def __init__(
        self,
        *,
        telephony: Telephony,
        queues: Queues,
        pacer: Pacer,
        trunks: Trunks,
        clock: Clock,
        publish: Publish,
        leases: Leases,
        feed: Callable[[UUID, CallEvent], None],
        on_kept: Callable[[KeptAgent], None],
        asterisk_ready: Callable[[], bool],
        node_holds: Callable[[], frozenset[HoldReason]],
    ) -> None:
        self._leases = leases
        self._telephony = telephony
        self._queues = queues
        self._pacer = pacer
        self._trunks = trunks
        self._clock = clock
        self._publish = publish
        self._feed = feed
        self._on_kept = on_kept
        self._asterisk_ready = asterisk_ready
        self._node_holds = node_holds
        self._dialing = True

    def stop_dialing(self) -> None:
        """From now on no lead is dialed, be an agent on the line or not."""
        self._dialing = False

    async def serve(self, tracked: TrackedCall) -> None:
        """From its first command until nothing of it is left in the PBX."""
        while tracked.call.state is not AttemptState.ENDED or not tracked.todo.empty():
            await self._carry_out(tracked, await tracked.todo.get())
            tracked.moved.set()
        await self._see_hunts_off(tracked)
        try:
            await self._telephony.clear_away(tracked.call)
        except DialerdError as trouble:
            log.warning("bridge_left_behind", why=str(trouble))

    async def _see_hunts_off(self, tracked: TrackedCall) -> None:
        """Nobody is to be rung for a call that is over, or to be left alone on its line. A hunt that was hung up before
        Asterisk had made its channel has not noticed, so it is hung up again until its end is seen."""
        tries = 0
        while tracked.hunts and tries < HANG_UP_TRIES:
            try:
                async with asyncio.timeout(HANG_UP_AGAIN_S):
                    todo = await tracked.todo.get()
            except TimeoutError:
                todo, tries = [HangUpHunt(hunt) for hunt in sorted(tracked.hunts)], tries + 1
            await self._carry_out(tracked, todo)

    async def _carry_out(self, tracked: TrackedCall, todo: Iterable[Todo]) -> None:
        for command in todo:
            try:
                await self._do(tracked, command)
            except DialerdError as trouble:
                log.warning("command_failed", command=type(command).__name__, why=str(trouble))
                self._make_up_for(tracked, command, trouble)

    async def _do(self, tracked: TrackedCall, command: Todo) -> None:
        match command:
            case DialLead():
                await self._dial(tracked)
            case KeepAgent(hunt):
                self._keep_agent(tracked, hunt)
            case Remind(after, event):
                tracked.later(after.total_seconds(), self._feed, tracked.call.id, event)
            case _:
                await self._ask_pbx(tracked, command)

    # --- the lead is dialed ---

    async def _dial(self, tracked: TrackedCall) -> None:
        call = tracked.call
        try:
            if not await self._is_let_through(tracked):
                log.info("lead_not_dialed")
                self._feed(call.id, DialRefused())
                return
            tracked.dialed_at = self._clock.monotonic()
            await self._telephony.dial(tracked.call)
        except CallNotPlaced as refusal:
            log.warning("call_not_placed", why=str(refusal))
            self._feed(call.id, DialRefused())
        except AsteriskUnavailable as trouble:
            # It may ring or not: its events, or a reconciliation, will tell. It is never dialed again.
            log.warning("call_in_doubt", why=str(trouble))
        else:
            log.info("call_placed", number=call.number, caller_id=call.caller_id.number)
            self._publish(
                CallPlaced(campaign_id=call.campaign_id, dial_mode=call.dial_mode, decision_s=tracked.decision_s)
            )
        finally:
            tracked.being_placed = False

    async def _is_let_through(self, tracked: TrackedCall) -> bool:
        """Whether the lead may still be dialed, once the moment has come for it."""
        while self._may_be_dialed(tracked.call):
            wait = self._wait(tracked)
            if wait <= 0:
                return True
            tracked.stepped.clear()
            await set_within(tracked.stepped, min(wait, LOOK_S))
        return False

    def _may_be_dialed(self, call: Call) -> bool:
        """Once (law L2), not after it was stopped, and not when another node may have the campaign by now. Where an agent was rung
        first, time has passed since the decision: he has to be there still, nobody may wait in the queue (law L4), and nothing may hold
        the node."""
        if call.state is AttemptState.ENDED or call.stop_requested or call.placed:
            return False
        if not self._leases.holds(call.campaign_id):
            return False
        if call.flow is not CallFlow.AGENT_FIRST:
            return True
        if not self._dialing or self._node_holds():
            return False
        return call.agent_up and not self._queues.snapshot(call.queue).callers_waiting

    def _wait(self, tracked: TrackedCall) -> float:
        """Seconds until its slot of the pace; for most flows that was waited for when the call was opened. The trunk that was chosen
        then may have begun to fail since. After a cut only a look at Asterisk tells whether the agent is on the line still."""
        call = tracked.call
        if call.flow is not CallFlow.AGENT_FIRST:
            return 0.0
        if not self._asterisk_ready() or not self._queues.snapshot(call.queue).known:
            return LOOK_S
        now = self._clock.monotonic()
        if (trunk := self._trunks.working(call.trunk, now)) != call.trunk:
            tracked.call = replace(call, trunk=trunk)
        return self._pacer.spend(call.campaign_id, trunk, now)

    # --- the rest ---

    def _keep_agent(self, tracked: TrackedCall, hunt: int) -> None:
        """From now on he is not this call's any more. One who has hung up meanwhile cannot be kept."""
        call = tracked.call
        if hunt in tracked.hunts:
            tracked.hunts.discard(hunt)
            leg = call.agent_leg(hunt)
            self._on_kept(KeptAgent(campaign_id=call.campaign_id, leg=leg, queue=call.queue, agent=call.agent))

    async def _hunt(self, tracked: TrackedCall, hunt: int, agent: str | None) -> None:
        """One agent alone is not rung while he talks, has paused or is not logged in: the queue is asked at once."""
        call = tracked.call
        if agent is not None and self._is_known_to_be_busy(call.queue, agent):
            self._feed(call.id, HuntEnded(hunt))
            return
        tracked.hunts.add(hunt)
        await self._telephony.hunt_agent(call, hunt, agent)

    def _is_known_to_be_busy(self, queue: str, agent: str) -> bool:
        snapshot = self._queues.snapshot(queue)
        return snapshot.known and agent not in snapshot.free_agents(self._clock.monotonic())

    async def _ask_pbx(self, tracked: TrackedCall, command: PbxCommand) -> None:
        call, telephony = tracked.call, self._telephony
        match command:
            case HuntAgent(hunt, agent):
                await self._hunt(tracked, hunt, agent)
            case HoldAgent(hunt):
                tracked.hunts.add(hunt)
                await telephony.hold_agent(call, hunt)
            case JoinLegs(hunt):
                await telephony.join_legs(call, hunt)
                self._feed(call.id, LegsJoined(hunt))
            case HangUpHunt(hunt):
                await telephony.hang_up_hunt(call, hunt)
            case PlayInMenu(step_, sound):
                await telephony.play_in_menu(call, step_, sound)
            case ExtendHold(limit):
                await telephony.extend_hold(call, limit)
            case _:
                await _PLAIN[type(command)](telephony, call)

    def _make_up_for(self, tracked: TrackedCall, command: Todo, trouble: DialerdError) -> None:
        """A hunt that could not start has ended, and so has one whose agent could not be held or joined: the lead goes on to the
        next, or to the queue. A sound that cannot be played is one that has ended. For the rest the dialplan's own hold limit
        serves the lead."""
        match command:
            case HuntAgent(hunt) | HoldAgent(hunt) | JoinLegs(hunt):
                self._give_hunt_up(tracked, hunt, is_gone=isinstance(trouble, CallNotPlaced | LegGone))
            case PlayInMenu(step_, _):
                self._feed(tracked.call.id, MenuSoundEnded(step_))
            case LiftHoldLimit() if tracked.call.state is AttemptState.CONNECTED:
                tracked.later(HOLD_LIMIT_RETRY_S, tracked.todo.put_nowait, [command])
            case _:
                pass

    def _give_hunt_up(self, tracked: TrackedCall, hunt: int, *, is_gone: bool) -> None:
        """The lead comes first. Where it is not certain that the hunt is gone, it may ring an agent or hold one all the same."""
        self._feed(tracked.call.id, HuntEnded(hunt))
        if not is_gone:
            tracked.hunts.add(hunt)
            tracked.todo.put_nowait([HangUpHunt(hunt)])


_PLAIN: Mapping[type[PbxCommand], Callable[[Telephony, Call], Awaitable[None]]] = {
    LiftHoldLimit: lambda telephony, call: telephony.lift_hold_limit(call),
    PlayGreeting: lambda telephony, call: telephony.play_greeting(call),
    MoveToQueue: lambda telephony, call: telephony.move_to_queue(call),
    MoveToMessage: lambda telephony, call: telephony.move_to_message(call),
    HangUpLead: lambda telephony, call: telephony.hang_up_lead(call),
}
"""Commands that say all by their name."""
