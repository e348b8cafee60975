"""The calls of this life of the daemon: those in flight, and those that ended lately.

A database that comes back may have lost its newest rows. Attempts are put back from here, and what is not here was never dialed.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

from dialerd.clock import Clock
from dialerd.domain.calls import AttemptState, Call

KEPT_FOR = timedelta(minutes=10)
"""After a call's end: further behind than a standby is ever promoted with. Measured by the monotonic clock."""
MOST = 20_000
"""Ended calls: twenty a second for longer than KEPT_FOR."""
DROPPED_AT_ONCE = 2
"""More than the one that has just ended, so that a lull is made up for."""


class RecentCalls:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[UUID, Call] = {}
        self._ended_at: dict[UUID, float] = {}
        """By the monotonic clock, the earliest first."""

    def note(self, call: Call) -> None:
        """Where the call is now."""
        self._calls[call.id] = call
        if call.state is AttemptState.ENDED and call.id not in self._ended_at:
            self._ended_at[call.id] = self._clock.monotonic()
            self._drop_old()

    def __contains__(self, attempt: UUID) -> bool:
        return attempt in self._calls

    @property
    def in_order(self) -> Sequence[Call]:
        """As they were opened: of two calls to one lead the earlier has to be closed before the later is opened again."""
        return sorted(self._calls.values(), key=lambda call: call.opened_at)

    def _drop_old(self) -> None:
        too_old = self._clock.monotonic() - KEPT_FOR.total_seconds()
        for oldest, ended_at in list(islice(self._ended_at.items(), DROPPED_AT_ONCE)):
            if ended_at < too_old or len(self._ended_at) > MOST:
                del self._ended_at[oldest]
                del self._calls[oldest]
