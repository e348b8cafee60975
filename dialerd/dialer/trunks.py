"""The trunks of this node, shared by all its campaigns: by which one the next call goes, and what each makes of its calls.

The order is one of preference. A healthy trunk is waited for, however fast the campaigns would like to be; one that fails, or has been
slowed down and has no slot just now, leaves the call to the next. A call that was refused is over: it never goes by another trunk (law L2).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import JITTER_S
from dialerd.domain.trunks import Trunk, fresh

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class PreparedCall:
    """`leaves` is set when it is dialed: until then nothing may come of it."""

    trunk: str
    leaves: bool = False


class Trunks:
    """Times are monotonic seconds. `calls_per_second` has the most of each trunk, the preferred one first."""

    def __init__(self, calls_per_second: Mapping[str, float], *, now: float) -> None:
        self._trunks = {name: fresh(name, most, now) for name, most in calls_per_second.items()}
        self._preparing: Counter[str] = Counter()

    @property
    def all(self) -> Sequence[Trunk]:
        return list(self._trunks.values())

    # --- what the decisions ask ---

    def wait(self, now: float) -> float:
        """Seconds until one of them may be called again; 0: now."""
        return min(trunk.breaker.wait(now) for trunk in self._trunks.values())

    def slot_in(self, now: float) -> float:
        """Seconds until the next call may start; those that are just being prepared go first."""
        return self._slot_of(self._next(now), now)

    def is_slowed(self, now: float) -> bool:
        """Whether the trunk of the next call is given fewer than it may have."""
        return self._next(now).rate.is_slowed

    def facts(self, now: float) -> Mapping[str, str]:
        """For people: how each of them stands."""
        return {name: _stands(trunk, now) for name, trunk in self._trunks.items()}

    def working(self, name: str, now: float) -> str:
        """That trunk, or another where it pauses, or is not there any more: the call was prepared some time ago."""
        trunk = self._trunks.get(name)
        return name if trunk and trunk.breaker.open_until <= now else self._next(now).name

    # --- what happens ---

    @contextmanager
    def preparing(self, now: float) -> Iterator[PreparedCall]:
        """While a call is written down, shortly before it may start. Behind a pause of its trunk it is the trial from now on, and no
        other call may be one; if it does not leave, another may."""
        trunk = self._next(now)
        call, taken = PreparedCall(trunk.name), trunk.breaker.start_call(now)
        self._trunks[trunk.name] = replace(trunk, breaker=taken)
        self._preparing[trunk.name] += 1
        try:
            yield call
        finally:
            self._preparing[trunk.name] -= 1
            known = self._trunks[trunk.name]
            if not call.leaves and known.breaker is taken:
                self._trunks[trunk.name] = replace(known, breaker=taken.call_off())

    def wait_for_slot(self, name: str, now: float) -> float:
        """Seconds until a prepared call may start by that trunk."""
        return self._trunks[name].limiter.wait(now)

    def spend(self, name: str, now: float) -> None:
        """A call starts by that trunk."""
        trunk = self._trunks[name]
        self._trunks[name] = replace(trunk, limiter=trunk.limiter.spend(now))

    def set_most(self, name: str, calls_per_second: float, now: float) -> None:
        self._trunks[name] = self._trunks[name].with_most(calls_per_second, now)

    def observe(self, before: Call, after: Call, *, dialed_at: float, now: float) -> bool:
        """A call has moved on: what that says of its trunk. True: it has ended, and the trunk is to blame, not the lead."""
        known = self._trunks.get(after.trunk)  # it may have been dialed by one that is not there any more
        if known is None:
            return False
        trunk = self._trunks[after.trunk] = known.observe(before, after, dialed_at=dialed_at, now=now)
        _tell(known, trunk)
        refused = before.state is AttemptState.DIALING and after.outcome is Outcome.CONGESTION
        return refused and trunk.is_in_trouble

    # --- how the choice is made ---

    def _next(self, now: float) -> Trunk:
        """Of those that pause, where all do, the one that may be called first."""
        trunks = [trunk for trunk in self._trunks.values() if trunk.breaker.wait(now) <= 0]
        for trunk in trunks:
            if not trunk.rate.is_slowed or self._slot_of(trunk, now) <= JITTER_S:
                return trunk
        if trunks:
            return min(trunks, key=lambda trunk: self._slot_of(trunk, now))
        return min(self._trunks.values(), key=lambda trunk: trunk.breaker.wait(now))

    def _slot_of(self, trunk: Trunk, now: float) -> float:
        return trunk.limiter.wait(now) + self._preparing[trunk.name] * trunk.limiter.interval


def _stands(trunk: Trunk, now: float) -> str:
    if trunk.breaker.pause_s:
        wait = trunk.breaker.wait(now)
        return f"pauses for {wait:.0f} s" if wait else "is tried with one call"
    if trunk.rate.is_slowed:
        return f"{trunk.rate.allowed:.1f} of {trunk.rate.most:g} calls a second"
    return f"{trunk.rate.most:g} calls a second"


def _tell(before: Trunk, after: Trunk) -> None:
    if after.breaker.pause_s > before.breaker.pause_s:
        log.warning("trunk_failing", trunk=after.name, pause_s=after.breaker.pause_s)
    elif before.breaker.pause_s and not after.breaker.pause_s:
        log.info("trunk_works_again", trunk=after.name)
    if after.rate.allowed < before.rate.allowed:
        log.warning("trunk_slowed_down", trunk=after.name, calls_per_second=round(after.rate.allowed, 2))
    elif before.rate.is_slowed and not after.rate.is_slowed:
        log.info("trunk_at_full_rate", trunk=after.name)
