"""How fast, and whether one more call may start now.

The rate is a GCRA with no burst: idle time earns nothing, so a lull, a resume or a stall is never followed by a
catch-up burst (law L5). All times here are seconds of a monotonic clock: a step of the wall clock cannot make calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

MOST_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""Windows and cool-offs are judged by the database's clock; where the daemon's is further from it, one of the two is wrong."""

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

    def after(self, call_at: float) -> "Gcra":
        """The state when a call that started then is known, whoever dialed it."""
        return replace(self, next_at=max(self.next_at, call_at + self.interval))


def starting(calls_per_second: float, now: float) -> Gcra:
    """A fresh limiter, also after a resume: the first call may start one interval from now."""
    return Gcra(calls_per_second=calls_per_second, next_at=now + 1 / calls_per_second)


class HoldReason(StrEnum):
    """Why no call starts. The sentences are for people; the words for metrics."""

    NOT_RUNNING = "not_running"
    OUTSIDE_SCHEDULE = "outside_schedule"
    NO_LEASE = "no_lease"
    STORE_DOWN = "store_down"
    STORE_BUSY = "store_busy"
    STORE_FULL = "store_full"
    ASTERISK_DOWN = "asterisk_down"
    FILES_SHORT = "files_short"
    CLOCKS_DIFFER = "clocks_differ"
    SPOOL_BROKEN = "spool_broken"
    CALLS_LOST = "calls_lost"
    NAME_LOST = "name_lost"
    TRUNK_FAILING = "trunk_failing"
    QUEUE_UNKNOWN = "queue_unknown"
    CALLER_WAITING = "caller_waiting"
    NO_FREE_AGENT = "no_free_agent"
    ABANDONMENT = "abandonment"
    CONCURRENCY = "concurrency"
    TRUNK_SLOWED = "trunk_slowed"
    PACE = "pace"
    PROFILE_UNKNOWN = "profile_unknown"
    NO_LEAD_DUE = "no_lead_due"


HOLD_SENTENCES: dict[HoldReason, str] = {
    HoldReason.NOT_RUNNING: "the campaign is not running",
    HoldReason.OUTSIDE_SCHEDULE: "it is outside the campaign's schedule",
    HoldReason.NO_LEASE: "another daemon owns the campaign, or this one has lost its lease",
    HoldReason.STORE_DOWN: "the database cannot be reached",
    HoldReason.STORE_BUSY: "the database is too slow, or somebody holds a lock there: a call cannot be written down in time",
    HoldReason.STORE_FULL: "the database has no space left: a call cannot be written down",
    HoldReason.ASTERISK_DOWN: "the connection to Asterisk is down",
    HoldReason.FILES_SHORT: "the daemon has hardly a file descriptor left: what calls in flight may need comes first",
    HoldReason.CLOCKS_DIFFER: "the clocks of daemon and database differ by more than 5 s, or cannot be compared: set both by NTP",
    HoldReason.SPOOL_BROKEN: "the daemon cannot write into its spool folder, where it keeps what the database cannot take: see its log",
    HoldReason.CALLS_LOST: "the database may have lost its newest rows: calls that are missing there are put back first",
    HoldReason.NAME_LOST: "the daemon has lost the right to its name with its connection to the database, and takes it again",
    HoldReason.TRUNK_FAILING: "the trunk has refused too many calls: it is given time, and then tried with one call",
    HoldReason.QUEUE_UNKNOWN: "Asterisk does not know the bound queue",
    HoldReason.CALLER_WAITING: "a caller is waiting in the bound queue: inbound comes first",
    HoldReason.NO_FREE_AGENT: "no agent of the bound queue is free (and not yet promised to a call on its way)",
    HoldReason.ABANDONMENT: "too many who answered were abandoned: it pauses until that rate is well below its cap, or begins anew",
    HoldReason.CONCURRENCY: "as many calls are in flight as the campaign allows",
    HoldReason.TRUNK_SLOWED: "the trunk has refused too many of its calls: it gets fewer a second, and more with each that it takes",
    HoldReason.PACE: "the set calls per second are reached",
    HoldReason.PROFILE_UNKNOWN: "its compliance profile is not known to this daemon",
    HoldReason.NO_LEAD_DUE: "no lead is due now",
}


OF_THE_NODE = (
    HoldReason.CLOCKS_DIFFER,
    HoldReason.SPOOL_BROKEN,
    HoldReason.CALLS_LOST,
    HoldReason.NAME_LOST,
    HoldReason.FILES_SHORT,
)
"""What forbids the calls of all campaigns of a daemon at once."""


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
    elsewhere: int = 0
    """Calls in flight of other nodes: they occupy lines of the campaign, too."""
    pace_wait: float
    trunk_slowed: bool = False
    """Whether that is for a trunk which is given fewer calls a second than it may have."""
    trunks: Mapping[str, str] = field(default_factory=dict)
    """How each trunk of the node stands, in words."""
    node_holds: frozenset[HoldReason] = frozenset()
    """Those of OF_THE_NODE that hold now."""


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
    for reason in OF_THE_NODE:
        yield Verdict(reason=reason, allows=reason not in now.node_holds)
    trunks = now.trunks or None
    yield Verdict(reason=HoldReason.TRUNK_FAILING, allows=now.trunk_wait <= 0, fact=trunks, retry_in=now.trunk_wait)
    yield Verdict(reason=HoldReason.QUEUE_UNKNOWN, allows=now.queue_known or not now.queue_bound)
    waiting = now.callers_waiting if now.queue_bound else 0
    yield Verdict(reason=HoldReason.CALLER_WAITING, allows=not waiting, fact={"callers": waiting})
    yield Verdict(reason=HoldReason.NO_FREE_AGENT, allows=now.agent_there or not now.queue_bound)
    anew_in = now.rate_anew_in if now.halted else None
    yield Verdict(reason=HoldReason.ABANDONMENT, allows=not now.halted, retry_in=anew_in)
    calls = {"in_flight": now.in_flight, "allowed": now.concurrency}
    if now.elsewhere:
        calls["of_other_nodes"] = now.elsewhere
    in_flight = now.in_flight + now.elsewhere
    yield Verdict(reason=HoldReason.CONCURRENCY, allows=in_flight < now.concurrency, fact=calls)
    slowed = now.trunk_slowed and now.pace_wait > 0
    yield Verdict(reason=HoldReason.TRUNK_SLOWED, allows=not slowed, fact=trunks, retry_in=now.pace_wait)
    yield Verdict(reason=HoldReason.PACE, allows=slowed or now.pace_wait <= 0, retry_in=now.pace_wait)


def decide(situation: Situation) -> Hold | None:
    """Whether one more call may start now: None, or the first rule that forbids it."""
    for verdict in verdicts(situation):
        if not verdict.allows:
            return Hold(reason=verdict.reason, retry_in=verdict.retry_in)
    return None
