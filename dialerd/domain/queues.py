"""The bound queue as the rules see it: who waits in it, and which of its agents could take a call now."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TypeVar

Wanted = TypeVar("Wanted", bound=Hashable)
"""What a call asks its agent of: a queue, or one agent."""


class DeviceState(IntEnum):
    """Asterisk's device states, as the `Status` of a queue member."""

    UNKNOWN = 0
    NOT_INUSE = 1
    INUSE = 2
    BUSY = 3
    INVALID = 4
    UNAVAILABLE = 5
    RINGING = 6
    RINGINUSE = 7
    ONHOLD = 8


class AgentState(StrEnum):
    """What keeps an agent from the next call, the weightiest first; only who is free gets one."""

    AWAY = "away"  # the phone is not reachable, or nothing is known of it
    BUSY = "busy"  # the phone talks, rings or holds somebody
    PAUSED = "paused"
    WRAPUP = "wrapup"
    FREE = "free"


_AWAY = frozenset({DeviceState.UNKNOWN, DeviceState.INVALID, DeviceState.UNAVAILABLE})


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A member of a queue. `interface` (e.g. PJSIP/1001) is what makes it one agent, however many queues it is in."""

    interface: str
    name: str
    device: DeviceState
    paused: bool
    wrapup_until: float = 0.0
    """Monotonic seconds until which the agent finishes the last call."""
    pause_reason: str = ""
    in_call: bool = False
    """Whether the agent talks to a caller of a queue; what else the phone does, the device says."""
    fixed: bool = False
    """A member by Asterisk's own files: may be paused, but not removed."""
    calls_taken: int = 0
    """Out of this queue, since Asterisk began to count."""

    def state(self, now: float) -> AgentState:
        if self.device in _AWAY:
            return AgentState.AWAY
        if self.device is not DeviceState.NOT_INUSE:
            return AgentState.BUSY
        if self.paused:
            return AgentState.PAUSED
        return AgentState.FREE if now >= self.wrapup_until else AgentState.WRAPUP

    def is_free(self, now: float) -> bool:
        """Logged in and idle, by device state AND pause AND wrap-up. What is not known is not free (fail closed)."""
        return self.state(now) is AgentState.FREE


@dataclass(frozen=True, kw_only=True)
class SeenAgent:
    """An agent in a queue, as people are told of him."""

    queue: str
    interface: str
    name: str
    device: DeviceState
    paused: bool
    pause_reason: str
    in_call: bool
    wrapup_until: datetime | None
    fixed: bool = False
    calls_taken: int = 0


@dataclass(frozen=True, kw_only=True)
class QueueSnapshot:
    """One queue at one moment. `known` is false while Asterisk has not told us of it: then nothing may be concluded."""

    name: str
    known: bool
    callers_waiting: int
    agents: tuple[Agent, ...] = ()

    def free_agents(self, now: float) -> frozenset[str]:
        return frozenset(agent.interface for agent in self.agents if agent.is_free(now))

    def next_wrapup_end(self, now: float) -> float | None:
        """When the next agent comes out of wrap-up, if time alone will free one."""
        ends = [
            a.wrapup_until
            for a in self.agents
            if a.wrapup_until > now and a.device is DeviceState.NOT_INUSE and not a.paused
        ]
        return min(ends, default=None)


def unknown_queue(name: str) -> QueueSnapshot:
    return QueueSnapshot(name=name, known=False, callers_waiting=0)


def has_spare_agent(wanted: Wanted, *, free: Mapping[Wanted, frozenset[str]], promised: Mapping[Wanted, int]) -> bool:
    """Whether one more call for `wanted` would find a free agent who is not promised to a call on its way.

    An agent counts once, however many queues share him: the promises of all queues and the one more call are matched to
    agents.
    """
    if all(other == wanted or free[wanted].isdisjoint(free[other]) for other in promised):
        return len(free[wanted]) > promised.get(wanted, 0)
    seats: dict[str, Wanted] = {}
    calls = [other for other, count in promised.items() for _ in range(count)]
    served = sum(_seat(other, free, seats, {other}) for other in calls)
    return _seat(wanted, free, seats, {wanted}) and served == len(calls)


def _seat(wanted: Wanted, free: Mapping[Wanted, frozenset[str]], seats: dict[str, Wanted], asked: set[Wanted]) -> bool:
    """Give a call for `wanted` an agent, moving a call for another to another agent where that makes room."""
    for agent in free[wanted]:
        if agent not in seats:
            seats[agent] = wanted
            return True
    for agent in free[wanted]:
        holder = seats[agent]
        if holder not in asked:
            asked.add(holder)
            if _seat(holder, free, seats, asked):
                seats[agent] = wanted
                return True
    return False
