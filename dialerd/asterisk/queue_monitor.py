"""Who waits in the queues and which agents are there, kept from AMI events and put right by a timed QueueStatus.

The answer to QueueStatus comes on the same ordered stream as the events, so it can be merged as it arrives: each list
entry is at least as new as every event before it. What a list did not name, and no event touched meanwhile, is gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dialerd.asterisk.variables import HUNT_CONTEXT
from dialerd.domain.queues import Agent, DeviceState, QueueSnapshot, unknown_queue

Headers = Mapping[str, str]
HUNT_PREFIX: Final = "Local/"
HUNT_MARK: Final = f"@{HUNT_CONTEXT}-"
_FREES_AGENTS: Final = frozenset({"AgentRingNoAnswer", "AgentConnect", "AgentComplete", "QueueCallerAbandon"})
"""What these free, they free in every queue that the agent is in."""


@dataclass
class _Member:
    """`told` is the agent as Asterisk last told of him. A phone that is being called is idle to Asterisk until it rings,
    so `called_for` (the channel that called) and `called_in` (the resync of that time) say that he is taken."""

    told: Agent
    wrapup_s: float
    listed: int
    called_for: str = ""
    called_in: int = 0

    @property
    def agent(self) -> Agent:
        called = self.called_for and self.told.device is DeviceState.NOT_INUSE
        return replace(self.told, device=DeviceState.RINGING) if called else self.told


@dataclass
class _Queue:
    """One queue. Numbers in `callers` and `_Member.listed` are the resync in which the entry was last confirmed."""

    name: str
    strategy: str = ""
    listed: int = 0
    members: dict[str, _Member] = field(default_factory=dict)
    callers: dict[str, int] = field(default_factory=dict)
    watchers: list[Callable[[], None]] = field(default_factory=list)


class QueueMonitor:
    """Fulfils the dialer's port Queues. `feed` gets every AMI event, in order; `now` is the monotonic clock."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._queues: dict[str, _Queue] = {}
        self._wrapups: dict[str, float] = {}
        self._resync = 0
        self._trusted = False

    # --- what the dialer asks ---

    def snapshot(self, queue: str) -> QueueSnapshot:
        state = self._queues.get(queue)
        if state is None or not self._trusted or not state.listed:
            return unknown_queue(queue)
        agents = tuple(member.agent for member in list(state.members.values()))
        return QueueSnapshot(name=queue, known=True, callers_waiting=len(state.callers), agents=agents)

    def watch(self, queue: str, on_change: Callable[[], None]) -> Callable[[], None]:
        watchers = self._queue(queue).watchers
        watchers.append(on_change)
        return lambda: watchers.remove(on_change)

    def set_wrapup(self, queue: str, seconds: float) -> None:
        """Asterisk does not tell a queue's wrap-up time over AMI, so the campaign's setting says it."""
        self._wrapups[queue] = seconds

    def watched(self) -> list[QueueSnapshot]:
        """The queues that somebody dials for."""
        return [self.snapshot(name) for name, state in list(self._queues.items()) if state.watchers]

    def names(self) -> list[str]:
        """Every queue that Asterisk has; empty while that is not known."""
        return list(self.strategies())

    def strategies(self) -> dict[str, str]:
        """How each of them picks the agent whose phone rings, as Asterisk names it (ringall, rrmemory ...)."""
        return {name: state.strategy for name, state in self._queues.items() if state.listed} if self._trusted else {}

    # --- what keeps it true ---

    def begin_resync(self) -> str:
        """To be called just before QueueStatus is sent. Returns the ActionID for it, by which its end is known."""
        self._resync += 1
        return self._action_id()

    def _action_id(self) -> str:
        return f"queues-{self._resync}"

    def distrust(self) -> None:
        """The link is gone: what is known is frozen and not to be acted upon until the next complete QueueStatus."""
        self._trusted = False
        for queue in self._queues.values():
            self._tell(queue)

    def feed(self, name: str, headers: Headers) -> None:
        if name == "QueueStatusComplete":
            if headers.get("ActionID") == self._action_id():
                self._finish_resync()
            return
        handler = self._HANDLERS.get(name)
        if handler is None:
            return
        queue = self._queue(headers.get("Queue", ""))
        handler(self, queue, headers)
        if self._trusted:
            for changed in self._queues.values() if name in _FREES_AGENTS else (queue,):
                self._tell(changed)

    def _finish_resync(self) -> None:
        for queue in self._queues.values():
            if queue.listed != self._resync:
                queue.listed = 0
            queue.callers = {channel: seen for channel, seen in queue.callers.items() if seen == self._resync}
            queue.members = {interface: m for interface, m in queue.members.items() if m.listed == self._resync}
        self._trusted = True
        for queue in self._queues.values():
            self._tell(queue)

    def _queue_listed(self, queue: _Queue, headers: Headers) -> None:
        queue.listed = self._resync
        queue.strategy = headers.get("Strategy", "")

    def _caller_joined(self, queue: _Queue, headers: Headers) -> None:
        """A hunt leg of ours stands in the queue for a call that is already counted: it is nobody who waits."""
        channel = headers.get("Channel", "")
        if not (channel.startswith(HUNT_PREFIX) and HUNT_MARK in channel):
            queue.callers[headers.get("Uniqueid", channel)] = self._resync

    def _caller_left(self, queue: _Queue, headers: Headers) -> None:
        queue.callers.pop(headers.get("Uniqueid", ""), None)

    def _member_seen(self, queue: _Queue, headers: Headers) -> None:
        interface = headers.get("Interface") or headers.get("Location", "")
        known = queue.members.get(interface)
        told = Agent(
            interface=interface,
            name=headers.get("MemberName") or headers.get("Name", interface),
            device=_device_state(headers.get("Status")),
            paused=headers.get("Paused", "1") != "0",
            wrapup_until=known.told.wrapup_until if known else 0.0,
            pause_reason=headers.get("PausedReason", ""),
            in_call=headers.get("InCall", "0") == "1",
            fixed=headers.get("Membership", "dynamic") != "dynamic",
            calls_taken=int(_seconds(headers.get("CallsTaken"))),
        )
        member = _Member(told=told, wrapup_s=_seconds(headers.get("Wrapuptime")), listed=self._resync)
        if known and told.device is DeviceState.NOT_INUSE and self._resync <= known.called_in + 1:
            member.called_for, member.called_in = known.called_for, known.called_in
        queue.members[interface] = member

    def _member_removed(self, queue: _Queue, headers: Headers) -> None:
        queue.members.pop(headers.get("Interface", ""), None)

    def _agent_called(self, _: _Queue, headers: Headers) -> None:
        """Told before the phone rings: the agent is taken from this moment, in all his queues."""
        for member in self._memberships(headers.get("Interface", "")):
            if member.told.device is DeviceState.NOT_INUSE:
                member.called_for, member.called_in = headers.get("Uniqueid", ""), self._resync

    def _agent_rang_out(self, _: _Queue, headers: Headers) -> None:
        """A phone that refused at once has never rung, and says nothing more of itself."""
        for member in self._memberships(headers.get("Interface", "")):
            member.called_for = ""

    def _agent_connected(self, _: _Queue, headers: Headers) -> None:
        """One has taken the call: the others who were called for it are free again."""
        self._release(headers.get("Uniqueid", ""), but=headers.get("Interface", ""))

    def _caller_gave_up(self, queue: _Queue, headers: Headers) -> None:
        self._caller_left(queue, headers)
        self._release(headers.get("Uniqueid", ""))

    def _agent_done(self, queue: _Queue, headers: Headers) -> None:
        self._agent_rang_out(queue, headers)
        member = queue.members.get(headers.get("Interface", ""))
        if member is not None:
            wrapup = max(member.wrapup_s, self._wrapups.get(queue.name, 0.0))
            member.told = replace(member.told, wrapup_until=self._now() + wrapup)

    def _memberships(self, interface: str) -> list[_Member]:
        return [queue.members[interface] for queue in self._queues.values() if interface in queue.members]

    def _release(self, caller: str, *, but: str = "") -> None:
        for queue in self._queues.values():
            for member in queue.members.values():
                if member.called_for == caller and member.told.interface != but:
                    member.called_for = ""

    def _queue(self, name: str) -> _Queue:
        return self._queues.setdefault(name, _Queue(name))

    def _tell(self, queue: _Queue) -> None:
        for on_change in list(queue.watchers):
            on_change()

    _HANDLERS: Final[Mapping[str, Callable[["QueueMonitor", _Queue, Headers], None]]] = {
        "QueueParams": _queue_listed,
        "QueueEntry": _caller_joined,
        "QueueMember": _member_seen,
        "QueueCallerJoin": _caller_joined,
        "QueueCallerLeave": _caller_left,
        "QueueCallerAbandon": _caller_gave_up,
        "QueueMemberStatus": _member_seen,
        "QueueMemberAdded": _member_seen,
        "QueueMemberPause": _member_seen,
        "QueueMemberRemoved": _member_removed,
        "AgentCalled": _agent_called,
        "AgentRingNoAnswer": _agent_rang_out,
        "AgentConnect": _agent_connected,
        "AgentComplete": _agent_done,
    }


def _device_state(text: str | None) -> DeviceState:
    """A state that is missing or new to us is unknown, and so not free."""
    try:
        return DeviceState(int(text or 0))
    except ValueError:
        return DeviceState.UNKNOWN


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() else 0.0
