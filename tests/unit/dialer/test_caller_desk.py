"""Agents are told of leads who call back: what an earlier life has said is gone, and nothing is lost while the database is away."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dialerd.dialer.caller_desk import RETRY_S, CallerDesk
from dialerd.domain.callers import Caller
from dialerd.domain.offers import CallStage
from dialerd.errors import StoreUnavailable
from tests.factories import ANNA, BEN
from tests.fakes.clock import VirtualTimeLoop, pass_time

RINGS = Caller(channel="1.1", lead_id=7, agents={ANNA: CallStage.RINGING})
TALKS = Caller(channel="1.1", lead_id=7, agents={ANNA: CallStage.TALKING})
OTHER = Caller(channel="1.2", lead_id=8, agents={BEN: CallStage.RINGING})


class Rows:
    """`told` is what stands there, in order; a word stands for what was forgotten."""

    def __init__(self) -> None:
        self.told: list[Caller | str] = []
        self.up = True
        self.meanwhile: Callable[[], None] = lambda: None

    async def note(self, node: str, caller: Caller) -> None:
        self._look()
        self.told.append(caller)
        self.meanwhile()

    async def forget(self, node: str) -> None:
        self._look()
        self.told.append(f"forgot {node}")

    def _look(self) -> None:
        if not self.up:
            raise StoreUnavailable


def in_virtual_time(story: Callable[[Rows, CallerDesk], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        rows = Rows()
        desk = CallerDesk(rows=rows, node="one")
        running = asyncio.create_task(desk.run())
        await story(rows, desk)
        running.cancel()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(told())


def test_what_is_new_is_told_at_once_after_what_an_earlier_life_has_told_is_gone() -> None:
    async def story(rows: Rows, desk: CallerDesk) -> None:
        desk.put(RINGS)
        desk.put(OTHER)
        await pass_time(0)
        assert rows.told == ["forgot one", RINGS, OTHER]
        desk.put(TALKS)
        await pass_time(0)
        assert rows.told[3:] == [TALKS]

    in_virtual_time(story)


def test_while_the_database_is_away_the_newest_of_each_call_is_kept_for_it() -> None:
    async def story(rows: Rows, desk: CallerDesk) -> None:
        rows.up = False
        for caller in (RINGS, OTHER, TALKS):
            desk.put(caller)
        await pass_time(3 * RETRY_S)
        assert rows.told == []
        rows.up = True
        await pass_time(RETRY_S)
        assert rows.told == ["forgot one", TALKS, OTHER]

    in_virtual_time(story)


def test_what_comes_while_the_one_before_is_being_told_is_told_after_it() -> None:
    async def story(rows: Rows, desk: CallerDesk) -> None:
        def once() -> None:
            rows.meanwhile = lambda: None
            desk.put(TALKS)

        rows.meanwhile = once
        desk.put(RINGS)
        await pass_time(0)
        assert rows.told == ["forgot one", RINGS, TALKS]

    in_virtual_time(story)
