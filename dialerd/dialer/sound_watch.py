"""Tells which of the sounds that campaigns and menus name Asterisk has, so that a campaign without one of them does not start."""

import asyncio

from dialerd.dialer.ports import Sounds, Telephony
from dialerd.dialer.watch import watch

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
        await watch(self._bell, self.look, every_s=LOOK_S, rest_s=REST_S, trouble="sounds_not_looked_for")

    async def look(self) -> None:
        if not self._telephony.up:
            return
        present = {name: await self._telephony.has_sound(name) for name in await self._sounds.named()}
        if present:
            await self._sounds.note(present)
