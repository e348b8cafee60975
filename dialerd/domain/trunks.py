"""One trunk: what its breaker allows, and how fast it is given calls. Times are seconds of a monotonic clock."""

from dataclasses import dataclass, field, replace

from dialerd.domain.calls import Call
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import Gcra, starting
from dialerd.domain.trunk_breaker import TrunkBreaker, told_by
from dialerd.domain.trunk_rate import TrunkRate, at_full_rate


@dataclass(frozen=True, kw_only=True)
class Trunk:
    name: str
    rate: TrunkRate
    limiter: Gcra
    """It keeps the rate that is allowed now."""
    breaker: TrunkBreaker = field(default_factory=TrunkBreaker)
    good: int = 0
    """Calls so far that have shown that it works."""
    failed: int = 0

    @property
    def is_in_trouble(self) -> bool:
        """Whether it has refused so many calls that a lead is not to blame for one more."""
        return self.rate.is_slowed or self.breaker.pause_s > 0

    def observe(self, before: Call, after: Call, *, dialed_at: float, now: float) -> "Trunk":
        """The state after a call has moved on."""
        failed = told_by(before, after)
        if failed is None:
            return self
        counted = replace(self, good=self.good + (not failed), failed=self.failed + failed)
        breaker = self.breaker.observe(failed=failed, now=now)
        if failed and after.outcome is not Outcome.CONGESTION:  # silence, and what never left, is no matter of speed
            return replace(counted, breaker=breaker)
        rate = self.rate.observe(refused=failed, dialed_at=dialed_at, now=now)
        return replace(counted, breaker=breaker, rate=rate, limiter=self.limiter.at_rate(rate.allowed, now))

    def with_most(self, calls_per_second: float, now: float) -> "Trunk":
        """Another maximum is set: in force on the next call."""
        rate = self.rate.with_most(calls_per_second)
        return replace(self, rate=rate, limiter=self.limiter.at_rate(rate.allowed, now))


def fresh(name: str, calls_per_second: float, now: float) -> Trunk:
    return Trunk(name=name, rate=at_full_rate(calls_per_second), limiter=starting(calls_per_second, now))
