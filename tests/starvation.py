"""Whether the machine itself took time away from a laboratory while a test ran.

On a shared host the processor may be taken away for seconds: telephones stammer, clocks run on, and what a test saw is
no evidence of anything. Such a test is repeated; see docs/decisions/0021.
"""

import threading
import time
from types import TracebackType
from typing import Self

TICK_S = 0.01
LONGEST_GAP_S = 0.25
"""A telephone sends every 20 ms; a quiet machine with two processors and three laboratories lets a thread wait 50 ms at most."""
LARGEST_SHARE = 0.1
"""Of the processor, taken away by the host (`steal` in proc(5)) while the test ran."""


class Starvation:
    """Watches from entering to leaving: how long a thread of this process had to wait, and what the host took away."""

    def __init__(self) -> None:
        self._worst_gap_s = 0.0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._tick, daemon=True)
        self._stolen, self._total = _processor_time()

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watch.join()

    def said(self) -> str | None:
        """What was taken, for a reader; None where it was too little to matter."""
        stolen, total = _processor_time()
        share = (stolen - self._stolen) / max(1, total - self._total)
        if self._worst_gap_s <= LONGEST_GAP_S and share <= LARGEST_SHARE:
            return None
        return f"this machine stood still for {self._worst_gap_s:.2f} s, and its host took {share:.0%} of the processor"

    def _tick(self) -> None:
        due = time.monotonic()
        while not self._over.wait(TICK_S):
            now = time.monotonic()
            self._worst_gap_s = max(self._worst_gap_s, now - due - TICK_S)
            due = now


def _processor_time() -> tuple[int, int]:
    """What the host has taken, and all there was, in ticks of the kernel since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(field) for field in file.readline().split()[1:9]]
    return times[7], sum(times)
