"""How fast a trunk is given calls: half as fast when it refuses too many of them, and a step faster with each that it takes.

A carrier that sells so many calls a second refuses those beyond (503), and the node finds out by itself where that limit is: additive
increase, multiplicative decrease, as TCP finds the width of a line. Asterisk does not pass on a Retry-After, so nothing is made of it.
Times are seconds of a monotonic clock, rates are calls per second.
"""

from dataclasses import dataclass, replace

FLOOR = 0.5
"""A trunk that refuses everything is the breaker's business; this is slow enough for one that takes a little."""
STEP, STEP_SHARE = 0.05, 0.02
"""What each call that the trunk takes adds: so much, or such a share of the rate where that is more. Smaller steps would find the limit of
a slow trunk with fewer refusals, and would bring a fast one back later: it is less than two minutes of calls from the floor to any rate.
"""
MEMORY = 20
"""Results that are looked at, the newest."""
LEAST_REFUSED = 3
TOLERATED_SHARE = 0.1
"""So many of them, and more than such a share, are too many. Fewer may be the numbers' own: networks refuse those, too."""


@dataclass(frozen=True, kw_only=True)
class TrunkRate:
    most: float
    """As it is set."""
    allowed: float
    slowed_at: float = 0.0
    """When it was slowed down last."""
    refusals: tuple[bool, ...] = ()
    """Of the newest calls that were dialed since then, the oldest first: whether each was refused."""

    @property
    def is_slowed(self) -> bool:
        return self.allowed < self.most

    def observe(self, *, refused: bool, dialed_at: float, now: float) -> "TrunkRate":
        """The state after a call has shown what the trunk makes of it. Calls that were dialed before it was slowed down say nothing of
        the slower rate."""
        if self.is_slowed and dialed_at < self.slowed_at:
            return self
        refusals = (*self.refusals, refused)[-MEMORY:]
        if not refused:
            return replace(self, allowed=min(self.most, self._faster()), refusals=refusals)
        if sum(refusals) >= LEAST_REFUSED and sum(refusals) > TOLERATED_SHARE * len(refusals):
            return replace(self, allowed=self._slower(), slowed_at=now, refusals=())
        return replace(self, refusals=refusals)

    def with_most(self, most: float) -> "TrunkRate":
        """Another maximum is set. A trunk that has not been slowed down is given that at once."""
        return replace(self, most=most, allowed=min(self.allowed, most) if self.is_slowed else most)

    def _faster(self) -> float:
        return self.allowed + max(STEP, STEP_SHARE * self.allowed)

    def _slower(self) -> float:
        return max(min(FLOOR, self.most), self.allowed / 2)


def at_full_rate(most: float) -> TrunkRate:
    return TrunkRate(most=most, allowed=most)
