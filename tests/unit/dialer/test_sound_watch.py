"""Which sounds Asterisk has, of those that campaigns and menus name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialerd.dialer.sound_watch import LOOK_S, REST_S, SoundWatch
from dialerd.errors import AsteriskUnavailable
from tests.fakes.clock import pass_time, settle
from tests.fakes.store import FakeSounds
from tests.fakes.telephony import FakeTelephony


class Watch:
    def __init__(self) -> None:
        self.sounds = FakeSounds(names=["hello", "thanks"])
        self.telephony = FakeTelephony(sounds={"hello"})
        self.watch = SoundWatch(sounds=self.sounds, telephony=self.telephony)


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    made = Watch()
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(made.watch.run())
        await settle()
        yield made
        work.cancel()


async def test_what_is_there_and_what_is_missing_is_noted() -> None:
    async with watching() as made:
        assert made.sounds.present == {"hello": True, "thanks": False}


async def test_a_sound_that_comes_or_goes_is_noticed() -> None:
    async with watching() as made:
        made.telephony.sounds = {"thanks"}
        await pass_time(REST_S + LOOK_S)
        assert made.sounds.present == {"hello": False, "thanks": True}


async def test_a_new_campaign_does_not_wait_for_the_next_look() -> None:
    async with watching() as made:
        await pass_time(REST_S)
        made.sounds.names.append("new")
        made.watch.ring()
        await settle()
        assert made.sounds.present["new"] is False


async def test_however_often_the_bell_rings_asterisk_has_its_rest() -> None:
    async with watching() as made:
        asked = len(made.telephony.journal)
        for _ in range(10):
            made.watch.ring()
            await pass_time(REST_S / 20)
        assert len(made.telephony.journal) == asked
        await pass_time(REST_S)
        assert len(made.telephony.journal) == asked + 2  # and then looks once


async def test_where_asterisk_is_away_nothing_is_said_of_any_sound() -> None:
    async with watching() as made:
        made.sounds.present.clear()
        made.telephony.failures["has sound"] = [AsteriskUnavailable()]
        await pass_time(REST_S + LOOK_S)
        assert made.sounds.present == {}
        made.telephony.up = False
        asked = len(made.telephony.journal)
        await pass_time(3 * LOOK_S)
        assert len(made.telephony.journal) == asked
        made.telephony.up = True
        await pass_time(2 * LOOK_S)
        assert made.sounds.present == {"hello": True, "thanks": False}


async def test_the_trouble_of_the_store_is_got_over() -> None:
    async with watching() as made:
        made.sounds.present.clear()
        made.sounds.trouble.down = True
        await pass_time(2 * LOOK_S)
        made.sounds.trouble.down = False
        await pass_time(REST_S + LOOK_S)
        assert made.sounds.present == {"hello": True, "thanks": False}
