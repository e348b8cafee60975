"""Whether this daemon lives, told to others in two places; and whether those others live that have calls on the same Asterisk.

A daemon that is cut off from the database goes on serving its calls, so its silence there is not its death: nobody is to lead the
same call twice. Therefore each also leaves a sign in Asterisk, again and again. Who gives neither sign any more serves nobody: it is
dead, frozen, or without a line to Asterisk. After as long as a lease lasts it dials no more, either, so its calls are taken over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import Nodes, Telephony
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

EVERY_S = 2.0


@dataclass(frozen=True)
class _Sign:
    """What a neighbour has left in Asterisk, and since when that is all."""

    value: str
    since: float


class Presence:
    """`gone` names the neighbours that give no sign any more; `on_news` is called while there are any, and when this daemon itself
    was out of sight: others may have taken its calls over."""

    def __init__(
        self,
        *,
        nodes: Nodes,
        telephony: Telephony,
        clock: Clock,
        node: str,
        silent_after: float,
        on_news: Callable[[], None],
    ) -> None:
        self.gone: frozenset[str] = frozenset()
        self._nodes = nodes
        self._telephony = telephony
        self._clock = clock
        self._node = node
        self._silent_after = silent_after
        self._on_news = on_news
        self._seen_at = clock.monotonic()
        self._signs: dict[str, _Sign] = {}

    async def run(self) -> None:
        """Never ends. Trouble in one place does not keep the sign from the other."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again_and_again(self._tell_asterisk), name="sign-in-asterisk")
            tasks.create_task(_again_and_again(self._tell_database), name="sign-in-database")

    async def arrive(self) -> None:
        """Write down which Asterisk this is. To be awaited before anything is dialed there."""
        await self._nodes.note_pbx(self._node, await self._telephony.entity_id())

    async def _tell_asterisk(self) -> None:
        if self._telephony.up:
            await self._telephony.leave_sign(self._node, f"{self._clock.monotonic()}")

    async def _tell_database(self) -> None:
        await self._nodes.heartbeat(self._node, asterisk_up=self._telephony.up)
        before, self._seen_at = self._seen_at, self._clock.monotonic()
        if self._seen_at - before >= self._silent_after:
            self._on_news()
        await self._look_around()

    async def _look_around(self) -> None:
        """Who cannot be looked for is not gone."""
        self.gone, now = frozenset(), self._clock.monotonic()
        neighbours = await self._nodes.neighbours(self._node) if self._telephony.up else ()
        signs = {each.id: await self._telephony.sign_of(each.id) for each in neighbours}
        self._signs = {node: self._since(node, value, now) for node, value in signs.items()}
        self.gone = frozenset(
            each.id
            for each in neighbours
            if each.silent_for.total_seconds() >= self._silent_after
            and now - self._signs[each.id].since >= self._silent_after
        )
        if self.gone:
            self._on_news()

    def _since(self, node: str, value: str, now: float) -> _Sign:
        known = self._signs.get(node)
        return known if known is not None and known.value == value else _Sign(value, now)


async def _again_and_again(tell: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await tell()
        except DialerdError as trouble:
            log.warning("sign_of_life_not_given", where=tell.__name__, why=str(trouble))
        await asyncio.sleep(EVERY_S)
