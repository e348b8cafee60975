"""Tells agents, by way of the database, which lead calls back while their phones ring. Nothing is dialed by it."""

import asyncio

from dialerd.dialer.ports import CallerRows
from dialerd.dialer.watch import watch
from dialerd.domain.callers import Caller

RETRY_S = 1.0


class CallerDesk:
    def __init__(self, *, rows: CallerRows, node: str) -> None:
        self._rows = rows
        self._node = node
        self._untold: dict[str, Caller] = {}
        """By channel: of each call what is newest."""
        self._bell = asyncio.Event()
        self._is_clean = False
        """Whether what an earlier life has told is gone."""

    def put(self, caller: Caller) -> None:
        self._untold[caller.channel] = caller
        self._bell.set()

    async def run(self) -> None:
        """Never ends. What the database does not take is tried again."""
        await watch(self._bell, self._tell, every_s=RETRY_S, trouble="caller_not_told")

    async def _tell(self) -> None:
        if not self._is_clean:
            await self._rows.forget(self._node)
            self._is_clean = True
        while self._untold:
            channel, caller = next(iter(self._untold.items()))
            await self._rows.note(self._node, caller)
            if self._untold[channel] is caller:
                del self._untold[channel]
