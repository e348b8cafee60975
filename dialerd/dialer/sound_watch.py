"""Tells which of the sounds that campaigns and menus name Asterisk has, so that a campaign without one of them does not start."""

import asyncio

import structlog

from dialerd.dialer.ports import Sounds, Telephony
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 30.0
REST_S = 5.0
"""Between two looks, however often the bell rings."""


class SoundWatch:
    def __init__(self, *, sounds: Sounds, telephony: Telephony) -> None:
        self._sounds = sounds
        self._telephony = telephony
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """A campaign or a menu has changed."""
        self._bell.set()

    async def run(self) -> None:
        while True:
            self._bell.clear()
            try:
                if self._telephony.up:
                    await self.look()
            except DialerdError as trouble:
                log.warning("sounds_not_looked_for", why=str(trouble))
            await asyncio.sleep(REST_S)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        present = {name: await self._telephony.has_sound(name) for name in await self._sounds.named()}
        if present:
            await self._sounds.note(present)
