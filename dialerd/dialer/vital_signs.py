"""What the process itself needs in order to go on: an event loop that turns, and file descriptors for what comes.

Calls that are in flight need connections, too, so new ones are given up while there are still some descriptors left for those.
"""

import asyncio
import os
import resource
from collections.abc import Callable

import structlog

from dialerd.clock import Clock

log = structlog.get_logger(__name__)

LOOK_S = 0.5
BLOCKED_S = 1.0
"""A loop that comes back so late was blocked, or the whole process was. Less is what a busy machine does."""
SPARE_FILES = 32
"""What calls in flight may need of files and connections beyond those that are open."""


class VitalSigns:
    """`on_change` hears that descriptors have run short, or no longer are; `on_turn` by how many seconds the event loop came back late.
    Figures are for the metrics."""

    def __init__(
        self, clock: Clock, *, on_change: Callable[[], None], on_turn: Callable[[float], None] = lambda _: None
    ) -> None:
        self.files_short = False
        self.blocked_s = 0.0
        """Seconds for which the event loop has stood still since the start, in blocks worth naming."""
        self._clock = clock
        self._on_change = on_change
        self._on_turn = on_turn

    async def run(self) -> None:
        while True:
            before = self._clock.monotonic()
            await asyncio.sleep(LOOK_S)
            self.judge_turn(self._clock.monotonic() - before - LOOK_S)
            self.look_at_files()

    def judge_turn(self, late_s: float) -> None:
        """The loop has come back so late."""
        self._on_turn(late_s)
        if late_s >= BLOCKED_S:
            self.blocked_s += late_s
            log.error("event_loop_blocked", seconds=round(late_s, 2))

    def look_at_files(self) -> None:
        left = _files_left()
        short = left < SPARE_FILES
        if short is self.files_short:
            return
        self.files_short = short
        if short:
            log.error("file_descriptors_run_short", left=left, wanted=SPARE_FILES, hint="raise LimitNOFILE")
        else:
            log.info("file_descriptors_suffice_again", left=left)
        self._on_change()


def _files_left() -> int:
    """How many more the process may open. Looking takes one itself: none is left where it cannot be had."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return most - len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
