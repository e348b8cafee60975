"""What people are told of queues and agents: the difference, at most once a second."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dialerd.dialer.pbx_watch import LOOK_S, SIGHT_S, PbxWatch
from dialerd.domain.queues import Agent, DeviceState, QueueSnapshot, SeenAgent
from tests.factories import ANNA, BEN, an_agent
from tests.fakes.clock import pass_time, settle, virtual_clock
from tests.fakes.queues import FakeQueues
from tests.fakes.store import Trouble


@dataclass
class FakePbxRows:
    """Fulfils the port PbxRows."""

    told: list[dict[str, Any]] = field(default_factory=list)
    trouble: Trouble = field(default_factory=Trouble)

    async def note(
        self,
        node: str,
        *,
        agents: Sequence[SeenAgent] = (),
        gone: Collection[tuple[str, str]] = (),
        callers: Mapping[str, int] | None = None,
        gone_queues: Collection[str] = (),
        anew: bool = False,
    ) -> None:
        await self.trouble.strike()
        news = {"agents": [(agent.queue, agent.interface) for agent in agents], "gone": sorted(gone)}
        self.told.append({**news, "callers": callers, "gone_queues": sorted(gone_queues), "anew": anew})
        self.seen = {agent.interface: agent for agent in agents}

    async def note_queues(self, strategies: Mapping[str, str]) -> None:
        await self.trouble.strike()
        self.strategies = strategies


class Watch:
    def __init__(self) -> None:
        self.rows = FakePbxRows()
        self.queues = FakeQueues()
        self.clock = virtual_clock()
        self.watch = PbxWatch(rows=self.rows, queues=self.queues, clock=self.clock, node="one")

    def puts(self, *agents: Agent, waiting: int = 0, queue: str = "sales") -> None:
        self.queues.put(QueueSnapshot(name=queue, known=True, callers_waiting=waiting, agents=agents))


@asynccontextmanager
async def watching(*agents: Agent) -> AsyncIterator[Watch]:
    made = Watch()
    made.puts(*agents)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(made.watch.run())
        await settle()
        yield made
        work.cancel()


def news(**changes: Any) -> dict[str, Any]:
    return {"agents": [], "gone": [], "callers": {}, "gone_queues": [], "anew": False, **changes}


async def test_at_first_all_is_told() -> None:
    async with watching(an_agent()) as made:
        assert made.rows.told == [news(agents=[("sales", ANNA)], callers={"sales": 0}, anew=True)]


async def test_then_only_what_has_changed() -> None:
    ben = an_agent(interface=BEN)
    async with watching(an_agent(), ben) as made:
        made.puts(an_agent(paused=True, pause_reason="lunch", fixed=True, calls_taken=17), ben, waiting=3)
        await pass_time(LOOK_S)
        assert made.rows.told[1:] == [news(agents=[("sales", ANNA)], callers={"sales": 3})]
        anna = made.rows.seen[ANNA]
        assert (anna.pause_reason, anna.fixed, anna.calls_taken) == ("lunch", True, 17)
        made.puts(ben, waiting=3)
        await pass_time(LOOK_S)
        assert made.rows.told[2:] == [news(gone=[("sales", ANNA)])]


async def test_a_queue_that_is_gone_is_told() -> None:
    async with watching(an_agent()) as made:
        assert made.rows.strategies == {"sales": "rrmemory"}
        made.puts(queue="support")
        await pass_time(LOOK_S)
        assert made.rows.strategies == {"sales": "rrmemory", "support": "rrmemory"}
        made.queues.snapshots.pop("support")
        await pass_time(LOOK_S)
        assert made.rows.told[2:] == [news(gone_queues=["support"])]


async def test_however_much_happens_it_is_told_once_a_second() -> None:
    async with watching(an_agent()) as made:
        for number in range(20):
            made.puts(an_agent(paused=number % 2 == 0), waiting=number)
            await pass_time(LOOK_S / 20)
        assert len(made.rows.told) == 2


async def test_where_nothing_changes_only_that_is_told_and_seldom() -> None:
    async with watching(an_agent()) as made:
        await pass_time(SIGHT_S - LOOK_S)
        assert len(made.rows.told) == 1
        await pass_time(2 * LOOK_S)
        assert made.rows.told[1:] == [news()]


async def test_while_asterisk_is_away_nothing_is_told() -> None:
    async with watching(an_agent()) as made:
        made.queues.snapshots.clear()
        await pass_time(SIGHT_S * 3)
        assert len(made.rows.told) == 1


async def test_after_trouble_with_the_database_all_is_told_anew() -> None:
    async with watching(an_agent()) as made:
        made.rows.trouble.down = True
        made.puts(an_agent(paused=True))
        await pass_time(LOOK_S)
        made.rows.trouble.down = False
        await pass_time(LOOK_S)
        assert made.rows.told[1:] == [news(agents=[("sales", ANNA)], callers={"sales": 0}, anew=True)]


async def test_the_end_of_a_wrap_up_is_told_by_the_wall_clock() -> None:
    async with watching(an_agent()) as made:
        made.puts(an_agent(wrapup_until=made.clock.monotonic() + 30))
        before = made.clock.now()
        await pass_time(LOOK_S)
        until = made.rows.seen[ANNA].wrapup_until
        assert until is not None
        assert abs(until - before - timedelta(seconds=30)) < timedelta(milliseconds=10)


async def test_what_cannot_be_printed_is_left_out_of_names() -> None:
    async with watching(an_agent(name="An\0na\n" + "x" * 200, device=DeviceState.RINGING)) as made:
        told = made.rows.seen[ANNA]
        assert (told.name[:6], len(told.name), told.device) == ("Annaxx", 100, DeviceState.RINGING)
