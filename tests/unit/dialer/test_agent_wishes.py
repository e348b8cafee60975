"""The daemon carries out what agents wish: each in its order, once more after a crash, and what cannot be done is told with the reason."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from dialerd.dialer.agent_wishes import LOOK_S, AgentWishes
from dialerd.domain.agent_wishes import Answer, Seating, Wish, WishAction
from dialerd.errors import AsteriskUnavailable, DialerdError
from tests.factories import ANNA, BEN
from tests.fakes.clock import pass_time, settle
from tests.fakes.store import Trouble

LOGIN, LOGOUT, PAUSE, UNPAUSE = WishAction.LOGIN, WishAction.LOGOUT, WishAction.PAUSE, WishAction.UNPAUSE


@dataclass
class FakeRows:
    """Fulfils the port WishRows."""

    wishes: list[Wish] = field(default_factory=list)
    answers: dict[int, tuple[Answer, str]] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)

    async def open_wishes(self, node: str) -> Sequence[Wish]:
        assert node == "one"
        return [wish for wish in self.wishes if wish.id not in self.answers]

    async def answer(self, wish_id: int, node: str, answer: Answer, why: str = "") -> None:
        await self.trouble.strike()
        self.answers[wish_id] = (answer, why)


@dataclass
class FakeMembers:
    """Fulfils the port QueueMembers: queues with their members, of whom some are fixed, and who is paused for what."""

    queues: dict[str, set[str]] = field(default_factory=lambda: {"sales": set(), "support": set()})
    fixed: set[tuple[str, str]] = field(default_factory=set)
    paused: dict[tuple[str, str], str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    trouble: DialerdError | None = None

    async def add(self, queue: str, agent: str, name: str) -> Seating:
        seating = self._seating(queue, agent)
        if seating is Seating.NO_MEMBER:
            self.queues[queue].add(agent)
            self.names[agent] = name
            return Seating.DONE
        return Seating.THERE_ALREADY if seating is Seating.DONE else seating

    async def remove(self, queue: str, agent: str) -> Seating:
        seating = self._seating(queue, agent)
        if seating is Seating.DONE and (queue, agent) in self.fixed:
            return Seating.FIXED
        self.queues.get(queue, set()).discard(agent)
        return seating

    async def pause(self, queue: str, agent: str, reason: str) -> Seating:
        seating = self._seating(queue, agent)
        if seating is Seating.DONE:
            self.paused[queue, agent] = reason
        return seating

    async def unpause(self, queue: str, agent: str) -> Seating:
        self.paused.pop((queue, agent), None)
        return self._seating(queue, agent)

    def _seating(self, queue: str, agent: str) -> Seating:
        self.steps += 1
        if self.trouble is not None:
            raise self.trouble
        if queue not in self.queues:
            return Seating.NO_QUEUE
        return Seating.DONE if agent in self.queues[queue] else Seating.NO_MEMBER


class Scene:
    def __init__(self) -> None:
        self.rows = FakeRows()
        self.members = FakeMembers()
        self.part = AgentWishes(rows=self.rows, members=self.members, node="one")
        self._ids = count(1)

    def wish(self, action: WishAction, *queues: str, agent: str = ANNA, **more: Any) -> int:
        wish = Wish(id=next(self._ids), agent=agent, name="Anna", action=action, queues=queues or ("sales",), **more)
        self.rows.wishes.append(wish)
        return wish.id

    async def answer_to(self, action: WishAction, *queues: str, **more: Any) -> tuple[Answer, str]:
        wish = self.wish(action, *queues, **more)
        await self.part.look()
        return self.rows.answers[wish]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self.part.run())
            await settle()
            yield
            work.cancel()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_an_agent_logs_in_and_out_again(scene: Scene) -> None:
    assert await scene.answer_to(LOGIN, "sales", "support") == (Answer.DONE, "")
    assert scene.members.queues == {"sales": {ANNA}, "support": {ANNA}}
    assert scene.members.names == {ANNA: "Anna"}
    assert await scene.answer_to(LOGOUT, "sales") == (Answer.DONE, "")
    assert scene.members.queues == {"sales": set(), "support": {ANNA}}


async def test_an_agent_pauses_with_a_reason_and_goes_on(scene: Scene) -> None:
    scene.members.queues["sales"].add(ANNA)
    assert await scene.answer_to(PAUSE, reason="Lunch") == (Answer.DONE, "")
    assert scene.members.paused == {("sales", ANNA): "Lunch"}
    assert await scene.answer_to(UNPAUSE) == (Answer.DONE, "")
    assert scene.members.paused == {}


async def test_who_pauses_everywhere_need_not_be_everywhere(scene: Scene) -> None:
    scene.members.queues["support"].add(ANNA)
    assert await scene.answer_to(PAUSE, "sales", "support") == (Answer.DONE, "")


async def test_a_fixed_member_is_told_to_pause_and_is_out_of_the_other_queues(scene: Scene) -> None:
    scene.members.queues = {"sales": {ANNA}, "support": {ANNA}}
    scene.members.fixed = {("sales", ANNA)}
    refused = (Answer.REFUSED, f"{ANNA} is a fixed member of sales: pause instead")
    assert await scene.answer_to(LOGOUT, "sales", "support") == refused
    assert scene.members.queues == {"sales": {ANNA}, "support": set()}


async def test_what_is_so_already_is_done(scene: Scene) -> None:
    scene.members.queues["sales"].add(ANNA)
    assert await scene.answer_to(LOGIN) == (Answer.DONE, "")
    assert await scene.answer_to(LOGOUT, agent=BEN) == (Answer.DONE, "")


async def test_what_another_asterisk_may_have_is_not_refused_but_told(scene: Scene) -> None:
    assert await scene.answer_to(LOGIN, "far") == (Answer.ELSEWHERE, "Asterisk has no queue far")
    assert await scene.answer_to(PAUSE, "sales") == (Answer.ELSEWHERE, f"{ANNA} is not in sales: log in first")


async def test_what_asterisk_refuses_is_told_with_its_words_and_the_next_wish_is_carried_out(scene: Scene) -> None:
    scene.members.trouble = DialerdError("no permission")
    first = scene.wish(LOGIN)
    await scene.part.look()
    scene.members.trouble = None
    assert await scene.answer_to(LOGIN, agent=BEN) == (Answer.DONE, "")
    assert scene.rows.answers[first] == (Answer.REFUSED, "Asterisk refuses it: no permission")


async def test_wishes_are_carried_out_in_their_order(scene: Scene) -> None:
    scene.members.queues["sales"].add(ANNA)
    for action in (PAUSE, UNPAUSE, LOGOUT, LOGIN):
        scene.wish(action)
    await scene.part.look()
    assert [answer for answer, _ in scene.rows.answers.values()] == [Answer.DONE] * 4
    assert scene.members.queues["sales"] == {ANNA}
    assert scene.members.paused == {}


async def test_a_wish_that_was_carried_out_but_not_answered_is_carried_out_again_without_harm(scene: Scene) -> None:
    scene.rows.trouble.down = True
    login = scene.wish(LOGIN)
    async with scene.running():
        assert scene.members.queues["sales"] == {ANNA}
        assert not scene.rows.answers
        scene.rows.trouble.down = False
        await pass_time(LOOK_S)
    assert scene.rows.answers[login] == (Answer.DONE, "")
    assert scene.members.steps == 2


async def test_while_asterisk_is_away_a_wish_waits_and_the_bell_wakes(scene: Scene) -> None:
    scene.members.trouble = AsteriskUnavailable()
    login = scene.wish(LOGIN)
    async with scene.running():
        assert not scene.rows.answers
        scene.members.trouble = None
        scene.part.ring()
        await settle()
        assert scene.rows.answers[login] == (Answer.DONE, "")


async def test_where_no_bell_rings_there_is_a_look_now_and_then(scene: Scene) -> None:
    async with scene.running():
        login = scene.wish(LOGIN)
        await pass_time(LOOK_S)
        assert scene.rows.answers[login] == (Answer.DONE, "")
