"""Puts those on the do-not-call list who have called the opt-out line while no daemon answered the dialplan (law L1)."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dialerd.dialer.ports import OptOutMarks
from dialerd.dialer.watch import watch
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 30.0


class OptOutLine:
    """`note` puts a caller's number on the list of the account of that name, and says False of what is no number; it raises
    DialerdError where it cannot."""

    def __init__(self, *, marks: OptOutMarks, note: Callable[[str, str], Awaitable[bool]]) -> None:
        self._marks = marks
        self._note = note
        self._look_now = asyncio.Event()

    def link_changed(self) -> None:
        self._look_now.set()

    async def run(self) -> None:
        """Look at once when Asterisk is reached, and now and then besides. Never ends."""
        await watch(self._look_now, self.look, every_s=LOOK_S, trouble="opt_out_line_not_looked_at")

    async def look(self) -> None:
        """A mark stays until the number is on the list, and one's trouble is not the others'."""
        for number, account in (await self._marks.found()).items():
            try:
                await self._note(number, account)
            except DialerdError as trouble:
                log.warning("opt_out_not_noted", number=number, why=str(trouble))
                continue
            await self._marks.forget(number)
            log.info("opt_out_found", number=number)
