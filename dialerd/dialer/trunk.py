"""The trunk of this node, and the breaker that gives it time when it fails: shared by all campaigns."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from dialerd.clock import Clock
from dialerd.domain.calls import Call
from dialerd.domain.trunk_breaker import TrunkBreaker, told_by

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class PreparedCall:
    """`leaves` is set when it is dialed: until then nothing may come of it."""

    leaves: bool = False


class Trunk:
    """Times are monotonic seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breaker = TrunkBreaker()

    def wait(self, now: float) -> float:
        """Seconds until a call may go out; 0: now."""
        return self._breaker.wait(now)

    @contextmanager
    def preparing(self) -> Iterator[PreparedCall]:
        """While a call is written down. Behind a pause it is the trial from now on, and no other call may be one; if it does
        not leave, another may."""
        call, taken = PreparedCall(), self._breaker.start_call(self._clock.monotonic())
        self._breaker = taken
        try:
            yield call
        finally:
            if not call.leaves and self._breaker is taken:
                self._breaker = taken.call_off()

    def observe(self, before: Call, after: Call) -> None:
        """A call has moved on: what that says of the trunk."""
        failed = told_by(before, after)
        if failed is None:
            return
        was_closed = not self._breaker.pause_s
        self._breaker = self._breaker.observe(failed=failed, now=self._clock.monotonic())
        if was_closed and self._breaker.pause_s:
            log.warning("trunk_failing", pause_s=self._breaker.pause_s)
        elif not was_closed and not self._breaker.pause_s:
            log.info("trunk_works_again")
