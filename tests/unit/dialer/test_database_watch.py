"""Whether the database can be trusted with the next call: clocks (law L3), and a server that may have lost its newest rows (law L2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from dialerd.clock import Clock
from dialerd.dialer.database_watch import LOOK_S, MOST_ROUND_TRIP_S, VALID_S, DatabaseWatch
from dialerd.domain.pacing import HoldReason
from dialerd.errors import StoreUnavailable
from tests.fakes.clock import pass_time, settle, virtual_clock, virtual_loop

DIFFER, LOST = frozenset({HoldReason.CLOCKS_DIFFER}), frozenset({HoldReason.CALLS_LOST})


class Site:
    """A database, its clock and ours, and the watch over them."""

    def __init__(self) -> None:
        self.put_forward = timedelta(0)
        """Our wall clock, against the right time."""
        self.database_ahead = timedelta(0)
        self.takes_s = 0.0
        self.down = False
        self.changed = False
        self.compared = 0
        self.cannot_be_compared = 0
        self.changes = 0
        right = virtual_clock()
        self.clock: Clock = replace(right, now=lambda: right.now() + self.put_forward)
        self.right_now = right.now
        self.watch = DatabaseWatch(
            server=self,
            clock_difference=self._clock_difference,
            put_back=self._put_back,
            clock=self.clock,
            on_change=self._changed,
        )

    async def look(self) -> None:
        if self.down:
            raise StoreUnavailable

    def accept(self) -> None:
        self.changed = False

    async def _clock_difference(self) -> timedelta:
        there: datetime = self.right_now() + self.database_ahead
        await asyncio.sleep(self.takes_s)
        if self.down:
            raise StoreUnavailable
        return there - self.clock.now()

    async def _put_back(self) -> None:
        if self.cannot_be_compared:
            self.cannot_be_compared -= 1
            raise StoreUnavailable
        self.compared += 1

    def _changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    site = Site()
    watching = asyncio.create_task(site.watch.run())
    await settle()
    yield site
    watching.cancel()


async def test_nothing_is_dialed_before_the_clocks_were_compared() -> None:
    assert Site().watch.holds == DIFFER
    async with a_site() as site:
        assert (site.watch.holds, site.watch.difference) == (frozenset(), timedelta(0))


@pytest.mark.parametrize("seconds", [-5, 5])
async def test_a_difference_of_five_seconds_is_borne(seconds: int) -> None:
    async with a_site() as site:
        site.database_ahead = timedelta(seconds=seconds)
        await pass_time(LOOK_S)
        assert site.watch.holds == frozenset()


@pytest.mark.parametrize("seconds", [-3600, -6, 6, 3600])
async def test_a_greater_one_holds_every_call_until_the_clocks_agree_again(seconds: int) -> None:
    async with a_site() as site:
        site.database_ahead = timedelta(seconds=seconds)
        await pass_time(LOOK_S)
        assert site.watch.holds == DIFFER
        assert site.watch.difference == timedelta(seconds=seconds)
        site.database_ahead = timedelta(0)
        await pass_time(LOOK_S)
        assert (site.watch.holds, site.changes) == (frozenset(), 3)  # at the start, too


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_step_of_our_own_clock_is_noticed_at_once(seconds: int) -> None:
    async with a_site() as site:
        site.put_forward = timedelta(seconds=seconds)
        assert site.watch.holds == DIFFER
        await pass_time(LOOK_S)
        assert site.watch.holds == DIFFER
        site.put_forward = timedelta(0)
        await pass_time(LOOK_S)
        assert site.watch.holds == frozenset()


async def test_a_step_that_sets_our_clock_right_lets_go_at_once() -> None:
    async with a_site() as site:
        site.put_forward = timedelta(hours=1)
        await pass_time(LOOK_S)
        site.put_forward = timedelta(0)
        assert site.watch.holds == frozenset()


async def test_what_was_measured_long_ago_tells_nothing() -> None:
    async with a_site() as site:
        site.down = True
        await pass_time(VALID_S - 1)
        assert site.watch.holds == frozenset()
        await pass_time(2)
        assert site.watch.holds == DIFFER
        site.down = False
        await pass_time(LOOK_S)
        assert site.watch.holds == frozenset()


async def test_an_answer_that_took_long_says_nothing_of_a_clock() -> None:
    async with a_site() as site:
        site.takes_s = MOST_ROUND_TRIP_S + 2
        await pass_time(VALID_S - 1)
        assert (site.watch.holds, site.watch.difference) == (frozenset(), timedelta(0))


async def test_a_loop_that_stood_still_has_not_set_the_clock() -> None:
    async with a_site() as site:
        virtual_loop().stall(10)
        assert site.watch.holds == frozenset()


async def test_a_server_that_may_have_lost_rows_holds_every_call_until_all_were_compared() -> None:
    async with a_site() as site:
        site.changed, site.cannot_be_compared = True, 2
        assert site.watch.holds == LOST
        await pass_time(LOOK_S)
        assert (site.watch.holds, site.compared) == (LOST, 0)
        await pass_time(LOOK_S)
        assert (site.watch.holds, site.compared) == (frozenset(), 1)
