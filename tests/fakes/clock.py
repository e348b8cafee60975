"""An event loop whose time passes only when nothing else is to be done: whole calls take no time, and always the same."""

import asyncio
import selectors
from datetime import timedelta

from dialerd.clock import Clock
from tests.factories import NOON

OVERSLEPT_S = 1e-9
"""No timer is exact. This one is late by more than the error of a float, so that what was waited for has come."""


class _SkippingSelector(selectors.DefaultSelector):
    """Where a loop would wait for the next timer, the time of that timer has come."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("everything waits for something that nobody will do")
        if timeout and timeout > 0 and not ready:
            self.skipped += timeout + OVERSLEPT_S
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.skipped

    def stall(self, seconds: float) -> None:
        """Time passes in which the loop does not get to run."""
        self._skipping.skipped += seconds


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def virtual_clock() -> Clock:
    """It is noon when the loop begins."""
    loop = virtual_loop()
    return Clock(now=lambda: NOON + timedelta(seconds=loop.time()), monotonic=loop.time)


async def settle() -> None:
    """Until all that can be done at this moment has been done."""
    await asyncio.sleep(1e-9)


async def pass_time(seconds: float) -> None:
    """And all that happens meanwhile."""
    await asyncio.sleep(seconds)
    await settle()
