"""How fast, and whether one more call may start now.

The rate is a GCRA with no burst: idle time earns nothing, so a lull, a resume or a stall is never followed by a
catch-up burst (law L5). All times here are seconds of a monotonic clock: a step of the wall clock cannot make calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

JITTER_S = 0.020
"""A call that is late by up to this much (a timer's jitter) does not push its successors back; a lull earns nothing."""


@dataclass(frozen=True, kw_only=True)
class Gcra:
    """Generic cell rate algorithm: one timestamp of state, the earliest time of the next call."""

    calls_per_second: float
    next_at: float

    @property
    def interval(self) -> float:
        return 1 / self.calls_per_second

    def wait(self, now: float) -> float:
        """Seconds until a call may start; 0 when it may start now."""
        return max(0.0, self.next_at - now)

    def spend(self, now: float) -> "Gcra":
        """The state after a call has started now. `max` is what forbids catching up."""
        tolerance = min(self.interval, JITTER_S)
        return replace(self, next_at=max(now - tolerance, self.next_at) + self.interval)

    def at_rate(self, calls_per_second: float, now: float) -> "Gcra":
        """A changed rate is in force on the next call: its interval is measured from the last call."""
        if calls_per_second == self.calls_per_second:
            return self
        last = min(self.next_at - self.interval, now)
        return Gcra(calls_per_second=calls_per_second, next_at=last + 1 / calls_per_second)


def starting(calls_per_second: float, now: float) -> Gcra:
    """A fresh limiter, also after a resume: the first call may start one interval from now."""
    return Gcra(calls_per_second=calls_per_second, next_at=now + 1 / calls_per_second)


class HoldReason(StrEnum):
    """Why no call starts. The sentences are for people; the words for metrics."""

    NOT_RUNNING = "not_running"
    OUTSIDE_SCHEDULE = "outside_schedule"
    NO_LEASE = "no_lease"
    STORE_DOWN = "store_down"
    ASTERISK_DOWN = "asterisk_down"
    TRUNK_FAILING = "trunk_failing"
    QUEUE_UNKNOWN = "queue_unknown"
    CALLER_WAITING = "caller_waiting"
    NO_FREE_AGENT = "no_free_agent"
    ABANDONMENT = "abandonment"
    CONCURRENCY = "concurrency"
    PACE = "pace"
    PROFILE_UNKNOWN = "profile_unknown"
    NO_LEAD_DUE = "no_lead_due"


HOLD_SENTENCES: dict[HoldReason, str] = {
    HoldReason.NOT_RUNNING: "the campaign is not running",
    HoldReason.OUTSIDE_SCHEDULE: "it is outside the campaign's schedule",
    HoldReason.NO_LEASE: "another daemon owns the campaign, or this one has lost its lease",
    HoldReason.STORE_DOWN: "the database cannot be reached",
    HoldReason.ASTERISK_DOWN: "the connection to Asterisk is down",
    HoldReason.TRUNK_FAILING: "the trunk has refused too many calls: it is given time, and then tried with one call",
    HoldReason.QUEUE_UNKNOWN: "Asterisk does not know the bound queue",
    HoldReason.CALLER_WAITING: "a caller is waiting in the bound queue: inbound comes first",
    HoldReason.NO_FREE_AGENT: "no agent of the bound queue is free (and not yet promised to a call on its way)",
    HoldReason.ABANDONMENT: "too many who answered were abandoned: it pauses until that rate is well below its cap, or begins anew",
    HoldReason.CONCURRENCY: "as many calls are in flight as the campaign allows",
    HoldReason.PACE: "the set calls per second are reached",
    HoldReason.PROFILE_UNKNOWN: "its compliance profile is not known to this daemon",
    HoldReason.NO_LEAD_DUE: "no lead is due now",
}


@dataclass(frozen=True, kw_only=True)
class Hold:
    """No call may start. `retry_in` seconds: when time alone can change that; None: only an event can."""

    reason: HoldReason
    retry_in: float | None = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that one decision looks at, taken at one moment."""

    running: bool
    opens_in: float | None
    """Seconds until the campaign's schedule opens: 0 while it is open, None if it never does again."""
    owns_lease: bool
    asterisk_up: bool
    trunk_wait: float
    """Seconds for which the trunk is given time after it has refused too many calls."""
    queue_bound: bool
    """Whether answered calls are for agents. A voice menu that leads to none waits for no queue."""
    queue_known: bool
    callers_waiting: int
    agent_there: bool
    """Whether an agent is free for one more call, as the campaign's gate asks for it."""
    halted: bool
    """Whether the campaign pauses because its abandonment rate has reached the cap."""
    rate_anew_in: float | None = None
    """Seconds until that rate begins anew. None: not known."""
    in_flight: int
    concurrency: int
    pace_wait: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one rule says of the situation, and the fact it rests on."""

    reason: HoldReason
    allows: bool
    fact: object = None
    retry_in: float | None = None


def verdicts(situation: Situation) -> Iterator[Verdict]:
    """Every rule about the next call of a campaign, in the order of its weight (laws L3, L4 and L5)."""
    now = situation
    yield Verdict(reason=HoldReason.NOT_RUNNING, allows=now.running)
    opens_in = now.opens_in
    yield Verdict(
        reason=HoldReason.OUTSIDE_SCHEDULE, allows=opens_in == 0, fact={"opens_in_s": opens_in}, retry_in=opens_in
    )
    yield Verdict(reason=HoldReason.NO_LEASE, allows=now.owns_lease)
    yield Verdict(reason=HoldReason.ASTERISK_DOWN, allows=now.asterisk_up)
    yield Verdict(reason=HoldReason.TRUNK_FAILING, allows=now.trunk_wait <= 0, retry_in=now.trunk_wait)
    yield Verdict(reason=HoldReason.QUEUE_UNKNOWN, allows=now.queue_known or not now.queue_bound)
    waiting = now.callers_waiting if now.queue_bound else 0
    yield Verdict(reason=HoldReason.CALLER_WAITING, allows=not waiting, fact={"callers": waiting})
    yield Verdict(reason=HoldReason.NO_FREE_AGENT, allows=now.agent_there or not now.queue_bound)
    anew_in = now.rate_anew_in if now.halted else None
    yield Verdict(reason=HoldReason.ABANDONMENT, allows=not now.halted, retry_in=anew_in)
    calls = {"in_flight": now.in_flight, "allowed": now.concurrency}
    yield Verdict(reason=HoldReason.CONCURRENCY, allows=now.in_flight < now.concurrency, fact=calls)
    yield Verdict(reason=HoldReason.PACE, allows=now.pace_wait <= 0, retry_in=now.pace_wait)


def decide(situation: Situation) -> Hold | None:
    """Whether one more call may start now: None, or the first rule that forbids it."""
    for verdict in verdicts(situation):
        if not verdict.allows:
            return Hold(reason=verdict.reason, retry_in=verdict.retry_in)
    return None
