"""Wishes of agents in the database: who carries them out, what has become of them, and in which queues an agent is."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from dialerd.domain.accounts import Account
from dialerd.domain.agent_wishes import Answer, Seat, ToldWish, WishAction, WishState
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.queues import DeviceState, SeenAgent
from dialerd.domain.roles import Role
from dialerd.errors import InvalidRequest, NotFound
from dialerd.store.accounts import AccountStore
from dialerd.store.agents import AgentStore
from dialerd.store.pbx import PbxStore
from dialerd.store.pool import Pool
from dialerd.store.users import UserStore
from tests.integration.store.neighbours import FAR_AWAY, neighbours, silent
from tests.integration.store.scene import Stores

ANNA, BEN = "PJSIP/1001", "PJSIP/1002"
LOGIN, PAUSE = WishAction.LOGIN, WishAction.PAUSE
OVERDUE = "UPDATE agent_wishes SET wished_at = now() - interval '11 seconds'"


class Scene:
    """Campaigns of the default account are bound to the queue `sales`; Asterisk has it, and `support`."""

    def __init__(self, stores: Stores, account: Account) -> None:
        self.stores = stores
        self.pool = stores.pool
        self.account = account
        self.agents = AgentStore(stores.pool)

    async def wish(self, action: WishAction = LOGIN, agent: str = ANNA, **more: Any) -> ToldWish:
        return await self.agents.wish(self.account, agent, action, by="user ben", **more)

    async def now(self, wish: ToldWish) -> ToldWish:
        return await self.agents.told(self.account.id, wish.agent, wish.id)

    async def open(self, node: str) -> list[int]:
        return [wish.id for wish in await self.agents.open_wishes(node)]

    async def sees(self, *agents: SeenAgent, node: str = "one", callers: Sequence[str] = ("sales",)) -> None:
        await PbxStore(self.pool).note(node, agents=agents, callers=dict.fromkeys(callers, 0), anew=True)

    async def seats(self, agent: str = ANNA) -> Sequence[Seat]:
        return await self.agents.seats(self.account.id, agent)


@pytest_asyncio.fixture
async def scene(pool: Pool) -> Scene:
    stores = Stores(pool)
    await stores.a_draft(name="Summer", queue="sales")
    await neighbours(stores, "one", "two")
    await stores.pbx.note_queues({"sales": "rrmemory", "support": "rrmemory"})
    return Scene(stores, await AccountStore(pool).get())


def seen(queue: str = "sales", agent: str = ANNA, **changes: Any) -> SeenAgent:
    usual: dict[str, Any] = {"name": "Anna", "device": DeviceState.NOT_INUSE, "paused": False, "pause_reason": ""}
    return SeenAgent(queue=queue, interface=agent, **{**usual, "in_call": False, "wrapup_until": None, **changes})


# --- who carries a wish out -------------------------------------------------------------------------------------------


async def test_of_two_daemons_on_one_asterisk_the_first_by_name_that_lives_carries_it_out(scene: Scene) -> None:
    wish = await scene.wish()
    assert (await scene.open("one"), await scene.open("two")) == ([wish.id], [])
    await silent(scene.stores, "one", timedelta(seconds=7))
    assert await scene.open("two") == [wish.id]


async def test_a_daemon_whose_asterisk_is_away_leaves_it_to_the_next(scene: Scene) -> None:
    wish = await scene.wish()
    await scene.stores.nodes.heartbeat("one", asterisk_up=False)
    assert await scene.open("two") == [wish.id]


async def test_each_asterisk_carries_it_out_once(scene: Scene) -> None:
    await neighbours(scene.stores, "far", pbx=FAR_AWAY)
    wish = await scene.wish()
    await scene.agents.answer(wish.id, "one", Answer.DONE)
    await scene.agents.answer(wish.id, "two", Answer.REFUSED, "the first answer counts")
    assert (await scene.open("one"), await scene.open("two")) == ([], [])
    assert await scene.open("far") == [wish.id]
    assert (await scene.now(wish)).state is WishState.WAITING
    await scene.agents.answer(wish.id, "far", Answer.ELSEWHERE, "Asterisk has no queue sales")
    assert (await scene.now(wish)).state is WishState.DONE


async def test_wishes_come_in_their_order_with_all_that_is_to_be_said(scene: Scene) -> None:
    await UserStore(scene.pool).create(
        scene.account.id, "anna", "correct horse battery staple", role=Role.AGENT, name="Anna Bell", agent=ANNA
    )
    first, second = await scene.wish(), await scene.wish(PAUSE, BEN, queue="sales", reason="Lunch")
    login, pause = await scene.agents.open_wishes("one")
    assert (login.id, login.agent, login.name, login.action, login.queues) == (
        *(first.id, ANNA, "Anna Bell", LOGIN),
        ("sales",),
    )
    assert (pause.id, pause.agent, pause.name, pause.action, pause.reason) == (second.id, BEN, "", PAUSE, "Lunch")


async def test_a_wish_that_is_overdue_is_carried_out_no_more(scene: Scene) -> None:
    wish = await scene.wish()
    await scene.pool.execute(OVERDUE)
    assert await scene.open("one") == []
    told = await scene.now(wish)
    assert told.state is WishState.REFUSED
    assert "no daemon has carried it out within 10 s" in told.refused


# --- what has become of it --------------------------------------------------------------------------------------------


async def test_it_waits_then_it_is_done(scene: Scene) -> None:
    wish = await scene.wish(PAUSE, reason="Lunch")
    assert (wish.state, wish.done_at, wish.refused, wish.queue) == (WishState.WAITING, None, "", None)
    assert (wish.agent, wish.action, wish.reason, wish.by) == (ANNA, PAUSE, "Lunch", "user ben")
    await scene.agents.answer(wish.id, "one", Answer.DONE)
    told = await scene.agents.last_wish(scene.account.id, ANNA)
    assert told is not None
    assert (told.id, told.state, told.refused) == (wish.id, WishState.DONE, "")
    assert told.done_at is not None
    assert told.done_at >= told.wished_at


async def test_a_refusal_of_one_asterisk_outweighs_what_another_has_done(scene: Scene) -> None:
    await neighbours(scene.stores, "far", pbx=FAR_AWAY)
    wish = await scene.wish()
    await scene.agents.answer(wish.id, "far", Answer.DONE)
    await scene.agents.answer(wish.id, "one", Answer.REFUSED, "is a fixed member")
    told = await scene.now(wish)
    assert (told.state, told.refused, told.done_at) == (WishState.REFUSED, "is a fixed member", None)


async def test_what_every_asterisk_leaves_to_another_is_refused(scene: Scene) -> None:
    wish = await scene.wish()
    await scene.agents.answer(wish.id, "one", Answer.ELSEWHERE, "is not in sales")
    told = await scene.now(wish)
    assert (told.state, told.refused) == (WishState.REFUSED, "is not in sales")


async def test_an_asterisk_that_never_answers_does_not_undo_what_another_has_done(scene: Scene) -> None:
    await neighbours(scene.stores, "far", pbx=FAR_AWAY)
    wish = await scene.wish()
    await scene.agents.answer(wish.id, "one", Answer.DONE)
    await scene.pool.execute(OVERDUE)
    assert (await scene.now(wish)).state is WishState.DONE


async def test_an_asterisk_whose_daemons_are_gone_is_not_waited_for(scene: Scene) -> None:
    await neighbours(scene.stores, "far", pbx=FAR_AWAY)
    await silent(scene.stores, "far", timedelta(seconds=7))
    wish = await scene.wish()
    await scene.agents.answer(wish.id, "one", Answer.DONE)
    assert (await scene.now(wish)).state is WishState.DONE


async def test_wishes_of_another_account_are_not_seen(scene: Scene) -> None:
    wish = await scene.wish()
    other = await AccountStore(scene.pool).create("other")
    assert await scene.agents.last_wish(other.id, ANNA) is None
    with pytest.raises(NotFound):
        await scene.agents.told(other.id, ANNA, wish.id)


async def test_wishes_of_a_month_ago_are_forgotten_at_the_next_one(scene: Scene) -> None:
    old = await scene.wish()
    await scene.pool.execute("UPDATE agent_wishes SET wished_at = now() - interval '31 days'")
    await scene.wish()
    with pytest.raises(NotFound):
        await scene.now(old)


# --- what may be wished -----------------------------------------------------------------------------------------------


async def test_a_queue_or_a_reason_that_is_none_of_the_accounts_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidRequest, match="support is none that Asterisk has and a campaign of the account"):
        await scene.wish(queue="support")
    with pytest.raises(InvalidRequest, match="one of the account's pause reasons: Break, Lunch"):
        await scene.wish(PAUSE, reason="Siesta")
    await scene.pool.execute("DELETE FROM pbx_queues")
    with pytest.raises(InvalidRequest, match="no campaign of the account is bound to a queue that Asterisk has"):
        await scene.wish()


# --- in which queues an agent is --------------------------------------------------------------------------------------


async def test_a_seat_says_all_that_a_daemon_sees(scene: Scene) -> None:
    await scene.sees(seen(paused=True, pause_reason="Lunch", in_call=True, fixed=True, calls_taken=17))
    assert await scene.seats() == [
        Seat(
            queue="sales",
            campaigns=("Summer",),
            known=True,
            member=True,
            fixed=True,
            paused=True,
            pause_reason="Lunch",
            state="not_inuse",
            in_call=True,
            calls_taken=17,
        )
    ]


async def test_who_is_not_in_a_queue_is_told_that_he_may_be(scene: Scene) -> None:
    assert await scene.seats() == [Seat(queue="sales", campaigns=("Summer",), known=False)]
    await scene.sees(seen(agent=BEN))
    assert await scene.seats() == [Seat(queue="sales", campaigns=("Summer",), known=True)]


async def test_the_queue_of_campaigns_that_are_over_is_there_as_long_as_the_agent_is_in_it(scene: Scene) -> None:
    over = await scene.stores.a_draft(name="Winter", queue="support")
    await scene.stores.campaigns.act(over.id, CampaignAction.CANCEL)
    await scene.sees(callers=["sales", "support"])
    assert [seat.queue for seat in await scene.seats()] == ["sales"]
    await scene.sees(seen("support"), callers=["sales", "support"])
    assert [(seat.queue, seat.campaigns) for seat in await scene.seats()] == [("sales", ("Summer",)), ("support", ())]
    assert (await scene.wish(WishAction.LOGOUT, queue="support")).state is WishState.WAITING


async def test_of_two_asterisks_the_one_where_the_phone_can_be_reached_tells(scene: Scene) -> None:
    await neighbours(scene.stores, "far", pbx=FAR_AWAY)
    await scene.sees(seen(device=DeviceState.UNAVAILABLE))
    await scene.sees(seen(device=DeviceState.INUSE, in_call=True), node="far")
    [seat] = await scene.seats()
    assert (seat.state, seat.in_call) == ("inuse", True)


async def test_queues_of_another_account_are_not_seen(scene: Scene) -> None:
    other = await AccountStore(scene.pool).create("other")
    await scene.stores.a_draft(name="Theirs", queue="support", account="other")
    await scene.sees(seen("support"), seen(), callers=["sales", "support"])
    assert [seat.queue for seat in await scene.seats()] == ["sales"]
    assert [seat.queue for seat in await scene.agents.seats(other.id, ANNA)] == ["support"]


async def test_a_wish_rings_the_bell(scene: Scene) -> None:
    rung = asyncio.Event()
    async with scene.pool.acquire() as connection, asyncio.timeout(30):
        await connection.add_listener("dialerd", lambda *said: rung.set() if said[-1] == "agent_wishes" else None)
        await scene.wish()
        await rung.wait()
        await connection.reset()
