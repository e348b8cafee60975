"""Whether the database can be trusted with the next call: its clock agrees with ours, and it has lost none of its rows."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import Server
from dialerd.domain.pacing import MOST_CLOCK_DIFFERENCE, HoldReason
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 5.0
RETRY_S = 1.0
VALID_S = 3 * LOOK_S
"""How long a comparison of the clocks tells anything."""
MOST_ROUND_TRIP_S = 4.0
"""An answer that took longer says nothing of a clock."""


class DatabaseWatch:
    """`put_back` writes down again what a changed server may have lost; `on_change` hears whenever `holds` is another."""

    def __init__(
        self,
        *,
        server: Server,
        clock_difference: Callable[[], Awaitable[timedelta]],
        put_back: Callable[[], Awaitable[None]],
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._server = server
        self._clock_difference = clock_difference
        self._put_back = put_back
        self._clock = clock
        self._on_change = on_change
        self.round_trip_s: float | None = None
        """Of the last comparison of the clocks, a statement that costs the database next to nothing. None: there was none yet."""
        self._measured: timedelta | None = None
        self._measured_at = 0.0
        self._wall_offset = timedelta(0)

    @property
    def holds(self) -> frozenset[HoldReason]:
        """What forbids every call."""
        found = {HoldReason.CALLS_LOST} if self._server.changed else set[HoldReason]()
        return frozenset(found if self.clocks_agree else found | {HoldReason.CLOCKS_DIFFER})

    @property
    def difference(self) -> timedelta | None:
        """By how much the database's clock is ahead of ours. None: not known. A step of our own clock is noticed at once, without
        asking."""
        if self._measured is None or self._clock.monotonic() - self._measured_at > VALID_S:
            return None
        return self._measured - (self._offset() - self._wall_offset)

    @property
    def clocks_agree(self) -> bool:
        """What is not known does not."""
        return self.difference is not None and abs(self.difference) <= MOST_CLOCK_DIFFERENCE

    async def run(self) -> None:
        while True:
            before = self.holds
            try:
                await self._look()
            except DialerdError as trouble:
                log.warning("database_not_looked_at", why=str(trouble))
            if self.holds != before:
                self._on_change()
            await asyncio.sleep(RETRY_S if self.holds else LOOK_S)

    async def _look(self) -> None:
        await self._server.look()
        await self._compare_clocks()
        if self._server.changed:
            await self._put_back()
            self._server.accept()

    async def _compare_clocks(self) -> None:
        agreed, began = self.clocks_agree, self._clock.monotonic()
        difference = await self._clock_difference()
        self.round_trip_s = self._clock.monotonic() - began
        if self.round_trip_s > MOST_ROUND_TRIP_S:
            return
        self._measured, self._measured_at, self._wall_offset = difference, self._clock.monotonic(), self._offset()
        if agreed and not self.clocks_agree:
            log.error("clocks_differ", seconds=round(difference.total_seconds(), 1), hint="set both clocks by NTP")

    def _offset(self) -> timedelta:
        """Of the wall clock to the monotonic one: it changes only when the wall clock is set."""
        now = self._clock.now()
        return timedelta(seconds=now.timestamp() - self._clock.monotonic())
