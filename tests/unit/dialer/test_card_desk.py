"""Cards before agents: who is free for one, whom it promises, and what follows from an answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dialerd.dialer.card_desk import FORGOTTEN_AFTER, LOOK_S
from dialerd.domain.activity import CardAnswered
from dialerd.domain.attempts import Lease
from dialerd.domain.calls import Wanted
from dialerd.domain.offers import Offer, OfferEvent
from dialerd.domain.queues import DeviceState
from tests.factories import ANNA, BEN, a_call, a_campaign, a_queue, an_agent
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import NODE, FakeNode, a_node

LEASE = Lease(campaign_id=1, node=NODE, epoch=1)
LASTS_S = 30.0


@asynccontextmanager
async def a_desk() -> AsyncIterator[FakeNode]:
    """Two agents are free, and the desk is being looked after."""
    async with a_node() as node:
        node.queues.put(a_queue(agents=(an_agent(), an_agent(interface=BEN))))
        looking = node.tasks.create_task(node.cards.run())
        await settle()
        yield node
        looking.cancel()


async def lay(node: FakeNode, agent: str = ANNA, lead: int = 1) -> Offer:
    """A card whose lead is dialed once the agent has accepted it."""
    node.offers.add_leads(1, lead)
    claim = await node.offers.offer_next(a_campaign(), LEASE, agents=[agent])
    assert claim.offer is not None
    return node.cards.laid(claim.offer)


async def answer(node: FakeNode, event: OfferEvent, agent: str = ANNA) -> None:
    """As the agent does it: a row changes, and the bell rings."""
    node.offers.answer(agent, event)
    node.cards.ring()
    await settle()


def free(node: FakeNode) -> list[str]:
    return node.cards.free_agents("sales")


async def test_an_agent_who_looks_at_a_card_is_promised_and_gets_no_second_one() -> None:
    async with a_desk() as node:
        await lay(node)
        assert (node.cards.promised(), free(node)) == ({Wanted("sales", ANNA): 1}, [BEN])


async def test_only_agents_who_could_take_a_call_get_a_card() -> None:
    async with a_desk() as node:
        node.queues.put(a_queue(agents=(an_agent(device=DeviceState.INUSE), an_agent(interface=BEN, paused=True))))
        assert free(node) == []


async def test_who_was_never_asked_comes_first_and_then_who_was_asked_longest_ago() -> None:
    async with a_desk() as node:
        assert free(node) == [ANNA, BEN]
        await lay(node)
        await answer(node, OfferEvent.SKIP)
        assert free(node) == [BEN, ANNA]
        await pass_time(1)
        await lay(node, BEN)
        await answer(node, OfferEvent.SKIP, BEN)
        assert free(node) == [ANNA, BEN]


@pytest.mark.parametrize("event", [OfferEvent.SKIP, OfferEvent.LAPSE])
async def test_an_agent_who_does_not_accept_is_free_at_once_and_whoever_waits_for_him_is_woken(
    event: OfferEvent,
) -> None:
    async with a_desk() as node:
        await lay(node)
        before = node.changes
        await answer(node, event)
        assert (node.cards.promised(), free(node)) == ({}, [BEN, ANNA])
        assert node.changes > before
        assert [fact.answer for fact in node.said(CardAnswered)] == [node.offers.rows[1].state]


async def test_a_card_lapses_though_nobody_rings() -> None:
    async with a_desk() as node:
        await lay(node)
        await pass_time(LASTS_S + LOOK_S)
        assert free(node) == [BEN, ANNA]


async def test_an_agent_who_has_accepted_stays_promised_until_the_call_has_begun() -> None:
    async with a_desk() as node:
        node.queues.put(a_queue(agents=(an_agent(), an_agent(interface=BEN)), callers_waiting=0))
        node.asterisk_ready = False  # nothing can be dialed just now
        node.run(a_campaign())
        await lay(node)
        await answer(node, OfferEvent.ACCEPT)
        await pass_time(5)
        assert (node.cards.promised(), free(node)) == ({Wanted("sales", ANNA): 1}, [BEN])
        node.cards.forget(node.offers.rows[1])
        assert node.cards.promised() == {}


async def test_each_answer_is_told_once() -> None:
    async with a_desk() as node:
        await lay(node)
        await answer(node, OfferEvent.SKIP)
        await pass_time(10 * LOOK_S)
        assert len(node.said(CardAnswered)) == 1


async def test_an_answer_is_heard_though_the_bell_was_not() -> None:
    async with a_desk() as node:
        await lay(node)
        node.offers.answer(ANNA, OfferEvent.SKIP)
        await pass_time(LOOK_S)
        assert free(node) == [BEN, ANNA]


async def test_the_cards_of_an_earlier_life_still_lie_there() -> None:
    async with a_node() as node:
        node.queues.put(a_queue())
        node.offers.trouble.down = True
        looking = node.tasks.create_task(node.cards.run())
        await settle()
        node.offers.trouble.down = False
        node.offers.add_leads(1, 1)
        await node.offers.offer_next(a_campaign(), LEASE, agents=[ANNA])
        await pass_time(LOOK_S + 0.1)
        assert node.cards.promised() == {Wanted("sales", ANNA): 1}
        looking.cancel()


async def test_while_the_store_is_away_the_answers_wait() -> None:
    async with a_desk() as node:
        await lay(node)
        node.offers.trouble.down = True
        await answer(node, OfferEvent.SKIP)
        await pass_time(5)
        assert free(node) == [BEN]
        node.offers.trouble.down = False
        await pass_time(LOOK_S)
        assert free(node) == [BEN, ANNA]


async def test_a_card_whose_withdrawal_was_never_confirmed_is_forgotten_in_the_end() -> None:
    async with a_desk() as node:
        await node.cards.offer(a_call(), 1, but=())
        await node.offers.withdraw(a_call().id, 1)  # the answer to which was lost
        await pass_time(LASTS_S)
        assert free(node) == [BEN]
        await pass_time(FORGOTTEN_AFTER.total_seconds() + 2 * LOOK_S)
        assert free(node) == [BEN, ANNA]


async def test_a_withdrawn_card_of_a_call_frees_its_agent_and_no_other() -> None:
    async with a_desk() as node:
        call = a_call()
        assert await node.cards.offer(call, 1, but=()) == ANNA
        await lay(node, BEN)
        await node.cards.withdraw(call, 2)
        assert free(node) == []
        await node.cards.withdraw(call, 1)
        assert free(node) == [ANNA]


async def test_a_card_of_a_call_promises_nobody_twice() -> None:
    async with a_desk() as node:
        await node.cards.offer(a_call(), 1, but=())
        assert node.cards.promised() == {}  # the call counts for itself


async def test_a_card_is_not_laid_before_who_is_not_to_see_it() -> None:
    async with a_desk() as node:
        assert await node.cards.offer(a_call(), 1, but={ANNA}) == BEN
        assert await node.cards.offer(a_call(), 2, but={ANNA}) is None
