"""Agents who are there before the call: who have accepted a lead's card, or stayed on the line for the next lead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from dialerd.dialer.campaign_runner import LOOK_AGAIN_S
from dialerd.dialer.ready_agents import KEEP_AGENT_S
from dialerd.domain.activity import CampaignHeld, LeadPassedOver
from dialerd.domain.calls import (
    AgentAnswered,
    AgentRang,
    AttemptState,
    CallFlow,
    ChannelMade,
    DialMode,
    KeptAgent,
    LeadLeft,
    LeadRang,
    Wanted,
)
from dialerd.domain.campaigns import Campaign, CampaignStatus, PreviewOrder
from dialerd.domain.eligibility import Rule, Verdict
from dialerd.domain.offers import OfferEvent
from dialerd.domain.pacing import JITTER_S, HoldReason
from dialerd.domain.queues import DeviceState, QueueSnapshot
from dialerd.errors import AsteriskUnavailable, StoreBusy, StoreUnavailable
from tests.factories import ANNA, BEN, a_call, a_campaign, a_queue, an_agent, later, settings
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import FakeNode, a_node
from tests.fakes.store import on_dnc_list


def staffed(*agents: str, **changes: object) -> QueueSnapshot:
    return a_queue(agents=tuple(an_agent(interface=agent) for agent in agents), **changes)


def preview(id: int = 1, **changes: object) -> Campaign:
    """Agents accept the card before the lead is dialed."""
    order = {"dial_mode": DialMode.PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}
    return a_campaign(id=id, settings=settings(**order | {"calls_per_second": 10.0} | changes))


def agent_first(id: int = 1, **changes: object) -> Campaign:
    chosen = {"dial_mode": DialMode.AGENT_FIRST, "calls_per_second": 10.0} | changes
    return a_campaign(id=id, settings=settings(**chosen))


def held(node: FakeNode) -> HoldReason:
    return node.said(CampaignHeld)[-1].reason


# --- cards that are accepted before the lead is dialed ----------------------------------------------------------------


@asynccontextmanager
async def offering(
    *campaigns: Campaign, queue: QueueSnapshot | None = None, leads: int = 10
) -> AsyncIterator[FakeNode]:
    async with a_node(node_calls_per_second=1000) as node:
        node.queues.put(queue or staffed(ANNA, BEN))
        looking = node.tasks.create_task(node.cards.run())
        await settle()
        for each in campaigns or (preview(),):
            node.offers.add_leads(each.id, *range(leads))
            node.campaigns.undialed.add(each.id)
            node.run(each)
        await pass_time(0.5)
        yield node
        looking.cancel()


async def accept(node: FakeNode, agent: str = ANNA) -> None:
    node.offers.answer(agent, OfferEvent.ACCEPT)
    node.cards.ring()
    await settle()


async def test_each_free_agent_gets_one_card_and_nobody_is_dialed_before_it_is_accepted() -> None:
    async with offering() as node:
        await pass_time(10)
        assert [offer.agent for offer in node.offers.rows.values()] == [ANNA, BEN]
        assert (node.attempts.opened, held(node)) == ([], HoldReason.NO_FREE_AGENT)


async def test_an_acceptance_opens_the_call_and_rings_that_agent_first() -> None:
    async with offering() as node:
        await accept(node, BEN)
        await pass_time(0.2)
        (call,) = node.attempts.opened
        assert (call.lead_id, call.wanted_agent, call.flow) == (1, BEN, CallFlow.AGENT_FIRST)
        assert f"hunt 1 {BEN}" in node.journal
        assert node.cards.promised() == {Wanted("sales", ANNA): 1}
        assert node.tracker.promised() == {}
        assert node.tracker.rung() == {BEN}


async def test_the_agent_who_has_accepted_gets_no_second_card_before_his_phone_rings() -> None:
    async with offering(queue=staffed(ANNA)) as node:
        await accept(node)
        await pass_time(5)
        assert len(node.offers.rows) == 1


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        (staffed(ANNA, BEN, callers_waiting=1), HoldReason.CALLER_WAITING),
        (staffed(), HoldReason.NO_FREE_AGENT),
    ],
)
async def test_no_card_is_laid_while(queue: QueueSnapshot, reason: HoldReason) -> None:
    async with offering(queue=queue) as node:
        await pass_time(10)
        assert (node.offers.rows, held(node)) == ({}, reason)


async def test_an_acceptance_while_a_caller_waits_dials_nobody_and_the_agent_is_free_for_the_caller() -> None:
    async with offering() as node:
        node.queues.put(staffed(ANNA, BEN, callers_waiting=1))
        await accept(node)
        assert (node.attempts.opened, node.cards.promised()) == ([], {Wanted("sales", BEN): 1})
        node.queues.put(staffed(ANNA, BEN))
        await pass_time(5)
        assert node.attempts.opened == []  # nor later: the agent has been told nothing any more


async def test_an_agent_whom_somebody_else_has_called_meanwhile_is_not_called() -> None:
    async with offering() as node:
        busy = an_agent(device=DeviceState.INUSE)
        node.queues.put(a_queue(agents=(busy, an_agent(interface=BEN))))
        await accept(node)
        await pass_time(5)
        assert node.attempts.opened == []
        assert ANNA not in [wanted.agent for wanted in node.cards.promised()]


async def test_an_acceptance_waits_for_the_pace_and_for_a_line() -> None:
    async with offering(preview(concurrency=1)) as node:
        await accept(node)
        await accept(node, BEN)
        await pass_time(1)
        (first,) = node.attempts.opened
        assert node.cards.promised() == {Wanted("sales", BEN): 1}
        await node.tell(AgentRang(ANNA), AgentAnswered(1), LeadLeft(cause=17), of=first.id)
        await pass_time(1)
        assert [call.wanted_agent for call in node.attempts.opened] == [ANNA, BEN]


async def test_but_not_for_long() -> None:
    async with offering(preview(concurrency=1)) as node:
        await accept(node)
        await accept(node, BEN)
        await pass_time(KEEP_AGENT_S + LOOK_AGAIN_S + 0.1)
        assert len(node.attempts.opened) == 1
        assert BEN not in [wanted.agent for wanted in node.cards.promised()]


@pytest.mark.parametrize("trouble", [StoreBusy(), StoreUnavailable()])
async def test_of_an_acceptance_that_collides_nothing_is_lost_and_where_nobody_knows_it_is_not_dialed(
    trouble: Exception,
) -> None:
    async with offering() as node:
        node.attempts.breaks_with = [trouble]
        await accept(node)
        await pass_time(LOOK_AGAIN_S + 0.1)
        dialed = isinstance(trouble, StoreBusy)
        assert len(node.attempts.opened) == dialed
        assert [offer.agent for offer in node.offers.rows.values()][2:] == [ANNA] * (
            not dialed
        )  # who is free for another


async def test_a_store_that_is_away_for_long_does_not_call_the_agent_when_it_is_back() -> None:
    async with offering() as node:
        node.campaigns.trouble.down = True
        await pass_time(10)
        await accept(node)
        await pass_time(KEEP_AGENT_S + 20)
        node.campaigns.trouble.down = False
        await pass_time(LOOK_AGAIN_S)
        assert node.attempts.opened == []


async def test_an_answer_that_is_told_long_after_the_cards_time_is_not_dialed() -> None:
    async with offering() as node:
        offer = replace(node.offers.rows[1], expires_at=later(-KEEP_AGENT_S))
        node.runner_of(1).accept(node.cards.laid(offer))
        await pass_time(1)
        assert (node.attempts.opened, node.cards.promised()) == ([], {Wanted("sales", BEN): 1})


async def test_an_accepted_lead_whom_a_rule_forbids_is_not_dialed_and_the_campaign_goes_on() -> None:
    async with offering() as node:
        node.attempts.forbidden = Verdict(rule=Rule.SCHEDULE, allows=False, until=later(60))
        await accept(node)
        assert (node.attempts.opened, held(node)) == ([], HoldReason.OUTSIDE_SCHEDULE)
        assert node.cards.promised() == {Wanted("sales", BEN): 1}


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.STOPPED])
async def test_an_agent_whose_campaign_ceases_to_run_is_promised_no_longer(status: CampaignStatus) -> None:
    async with offering(preview(concurrency=1)) as node:
        await accept(node)
        await accept(node, BEN)  # waits for a line
        node.runner_of(1).stop_dialing()
        await pass_time(1)
        assert node.cards.promised() == {}


async def test_a_runner_that_breaks_leaves_nobody_promised() -> None:
    async with a_node() as node:
        node.queues.put(staffed(ANNA))
        campaign = preview()
        node.offers.add_leads(1, 1)
        node.campaigns.put(campaign)
        node.tasks.create_task(node.supervisor.run())
        await pass_time(0.5)
        node.attempts.breaks_with = [ZeroDivisionError()]
        node.supervisor.accept(node.offers.answer(ANNA, OfferEvent.ACCEPT))
        await pass_time(0.2)
        assert node.cards.promised() == {}


async def test_an_agent_whom_a_call_on_its_way_waits_for_gets_no_card() -> None:
    async with a_node() as node:
        node.queues.put(staffed(ANNA, BEN))
        node.tracker.place(a_call(campaign_id=2, wanted_agent=ANNA), decision_s=0)
        node.offers.add_leads(1, 1, 2)
        node.run(preview())
        await pass_time(5)
        assert [offer.agent for offer in node.offers.rows.values()] == [BEN]


async def test_cards_of_two_campaigns_never_promise_one_agent_twice() -> None:
    async with offering(preview(1), preview(2), queue=staffed(ANNA)) as node:
        await pass_time(5)
        assert len(node.offers.rows) == 1


async def test_nor_do_they_while_the_store_is_slow_and_another_campaign_dials() -> None:
    async with a_node(node_calls_per_second=1000) as node:
        node.offers.trouble.takes = 1.0
        node.queues.put(staffed(ANNA))
        node.offers.add_leads(1, 1)
        node.attempts.add_leads(2, 2)
        node.run(preview(1))
        await pass_time(0.5)
        node.run(agent_first(2))
        await pass_time(5)
        assert (len(node.offers.rows), node.attempts.opened) == (1, [])


async def test_leads_that_a_rule_forbids_get_no_card() -> None:
    async with offering(leads=0) as node:
        node.offers.add_leads(1, on_dnc_list(7), 8)
        await pass_time(LOOK_AGAIN_S)
        assert [offer.lead_id for offer in node.offers.rows.values()] == [8]
        assert [fact.rule for fact in node.said(LeadPassedOver)] == [Rule.DNC]


async def test_who_was_kept_by_an_accepted_call_is_let_go_and_gets_no_lead_unasked() -> None:
    async with offering() as node:
        await accept(node)
        await pass_time(0.2)
        (call,) = node.attempts.opened
        node.attempts.add_leads(1, 77)
        await node.tell(AgentRang(ANNA), AgentAnswered(1), ChannelMade(), LeadRang(), LeadLeft(cause=19), of=call.id)
        await pass_time(0.2)
        assert node.telephony.hung_up_legs == [call.agent_leg(1)]
        assert len(node.attempts.opened) == 1


# --- agents who stay on the line ---------------------------------------------------------------------------------------


@asynccontextmanager
async def dialing(*campaigns: Campaign, leads: int = 10, queue: QueueSnapshot | None = None) -> AsyncIterator[FakeNode]:
    """Nobody is free in the queue: all that happens, happens for those who are kept."""
    async with a_node(node_calls_per_second=1000) as node:
        node.queues.put(queue or staffed())
        for each in campaigns or (agent_first(),):
            node.attempts.add_leads(each.id, *range(leads))
            node.campaigns.undialed.add(each.id)
            node.run(each)
        await pass_time(1)
        yield node


def keep(node: FakeNode, *, queue: str = "sales", campaign: int = 1) -> UUID:
    leg = uuid4()
    node.runner_of(campaign).keep(KeptAgent(campaign_id=campaign, leg=leg, queue=queue, agent=ANNA))
    return leg


def legs(node: FakeNode) -> list[UUID | None]:
    return [call.kept_leg for call in node.attempts.opened]


async def test_a_kept_agent_gets_the_next_lead_at_once() -> None:
    async with dialing() as node:
        leg = keep(node)
        await settle()
        assert legs(node) == [leg]
        assert node.telephony.dialed_at == pytest.approx([1], abs=0.01)
        await pass_time(KEEP_AGENT_S + 1)
        assert node.telephony.hung_up_legs == []


async def test_the_whole_way_from_an_unanswered_lead_to_the_next() -> None:
    async with a_node() as node:
        node.queues.put(staffed(ANNA))
        node.attempts.add_leads(1, 1, 2)
        node.run(agent_first(concurrency=1))
        await pass_time(1)
        (first,) = node.attempts.opened
        node.queues.put(staffed())
        await node.tell(AgentRang(ANNA), AgentAnswered(1), ChannelMade(), LeadRang(), LeadLeft(cause=19), of=first.id)
        await pass_time(1)
        second = node.attempts.opened[1]
        assert (second.kept_leg, second.agent) == (first.agent_leg(1), ANNA)
        assert node.telephony.dialed == [first.id, second.id]
        assert node.journal.count("hunt 1") == 1


async def test_a_caller_who_waits_gets_every_kept_agent_before_any_lead() -> None:
    async with dialing(queue=staffed(callers_waiting=1)) as node:
        kept = [keep(node), keep(node)]
        await settle()
        assert (node.telephony.hung_up_legs, node.attempts.opened) == (kept, [])


async def test_also_a_caller_who_comes_while_the_agent_waits_for_the_pace() -> None:
    async with dialing(agent_first(calls_per_second=0.2)) as node:
        leg = keep(node)
        await pass_time(1)
        assert node.telephony.hung_up_legs == []
        node.queues.put(staffed(callers_waiting=1))
        await pass_time(LOOK_AGAIN_S)
        assert (node.telephony.hung_up_legs, node.attempts.opened) == ([leg], [])


async def test_kept_agents_are_let_go_where_no_lead_is_due() -> None:
    async with dialing(leads=0) as node:
        kept = [keep(node), keep(node)]
        await pass_time(LOOK_AGAIN_S + 0.5)
        assert node.telephony.hung_up_legs == kept


async def test_an_agent_stays_while_leads_are_passed_over() -> None:
    async with dialing(leads=0) as node:
        node.attempts.add_leads(1, on_dnc_list(1), on_dnc_list(2), 3)
        leg = keep(node)
        await pass_time(0.5)
        assert (legs(node), node.telephony.hung_up_legs) == ([leg], [])


async def test_kept_agents_take_their_turns_and_none_waits_for_long() -> None:
    async with dialing(agent_first(calls_per_second=0.5, concurrency=50), leads=50) as node:
        kept = [keep(node) for _ in range(10)]
        await pass_time(KEEP_AGENT_S + LOOK_AGAIN_S + 0.1)
        served = legs(node)
        assert served == kept[: len(served)]
        assert 4 <= len(served) <= 6
        assert node.telephony.hung_up_legs == kept[len(served) :]
        assert min(second - first for first, second in pairwise(node.telephony.dialed_at)) >= 2 - JITTER_S


async def test_a_kept_agent_waits_for_a_line_and_not_for_long() -> None:
    async with dialing(agent_first(concurrency=1)) as node:
        first, second = keep(node), keep(node)
        await pass_time(KEEP_AGENT_S - 0.1)
        assert (legs(node), node.telephony.hung_up_legs) == ([first], [])
        await pass_time(LOOK_AGAIN_S + 0.2)
        assert node.telephony.hung_up_legs == [second]


async def test_who_is_kept_longer_than_that_is_let_go_though_the_store_is_away() -> None:
    async with dialing() as node:
        node.attempts.trouble.down = True
        leg = keep(node)
        await pass_time(1)
        node.attempts.trouble.down = False
        node.campaigns.trouble.down = True
        assert node.attempts.opened == []
        await pass_time(KEEP_AGENT_S + 10)
        node.campaigns.trouble.down = False
        await pass_time(LOOK_AGAIN_S + 0.1)
        assert (node.telephony.hung_up_legs, node.attempts.opened) == ([leg], [])


async def test_a_claim_that_collides_does_not_cost_the_agent() -> None:
    async with dialing() as node:
        node.attempts.breaks_with = [StoreBusy()]
        leg = keep(node)
        await pass_time(1)
        assert (legs(node), node.telephony.hung_up_legs) == ([leg], [])


async def test_an_agent_for_whom_nobody_knows_whether_a_call_was_opened_is_let_go() -> None:
    """The call may have been written with this very leg: another one must not use it, too."""
    async with dialing() as node:
        node.attempts.breaks_with = [StoreUnavailable()]
        leg = keep(node)
        await pass_time(LOOK_AGAIN_S + 1)
        assert (legs(node), node.telephony.hung_up_legs) == ([], [leg])


async def test_an_agent_who_cannot_be_let_go_stops_nothing() -> None:
    async with dialing(leads=0) as node:
        node.telephony.failures["hang up leg"] = [AsteriskUnavailable()]
        keep(node)
        await pass_time(1)
        node.attempts.add_leads(1, 1)
        leg = keep(node)
        await pass_time(1)
        assert legs(node) == [leg]


async def test_while_asterisk_is_away_for_a_moment_a_kept_agent_waits() -> None:
    async with dialing() as node:
        node.asterisk_ready = False
        leg = keep(node)
        await pass_time(1)
        node.asterisk_ready = True
        node.runner_of(1).wake()
        await settle()
        assert (legs(node), node.telephony.hung_up_legs) == ([leg], [])


@pytest.mark.parametrize(
    "changed",
    [a_campaign(settings=settings(calls_per_second=10)), agent_first(queue="support"), preview()],
    ids=["another dial mode", "another queue", "cards first"],
)
async def test_who_was_kept_for_calls_of_another_kind_is_let_go(changed: Campaign) -> None:
    async with dialing() as node:
        node.queues.put(replace(staffed(BEN), name="support"))
        node.runner_of(1).change(changed)
        leg = keep(node)
        await pass_time(0.5)
        assert node.telephony.hung_up_legs == [leg]
        assert leg not in legs(node)


async def test_when_the_campaign_ceases_to_run_its_kept_agents_are_let_go() -> None:
    async with dialing(agent_first(concurrency=1)) as node:
        _, waiting = keep(node), keep(node)
        await pass_time(1)
        node.campaigns.trouble.answers = asyncio.Event()
        node.runner_of(1).stop_dialing()
        await settle()
        assert node.telephony.hung_up_legs == [waiting]  # and not only when the lease is handed back
        node.campaigns.trouble.answers.set()


async def test_also_one_who_is_kept_while_the_lease_is_handed_back() -> None:
    async with dialing() as node:
        node.campaigns.trouble.answers = asyncio.Event()
        node.runner_of(1).stop_dialing()
        await settle()
        leg = keep(node)
        node.campaigns.trouble.answers.set()
        await settle()
        assert (node.telephony.hung_up_legs, node.attempts.opened) == ([leg], [])


async def test_a_campaign_that_stops_while_the_row_is_written_calls_nobody_and_lets_the_agent_go() -> None:
    async with dialing() as node:
        node.attempts.trouble.answers = asyncio.Event()
        leg = keep(node)
        await settle()
        node.runner_of(1).stop_dialing()
        node.attempts.trouble.answers.set()
        await pass_time(1)
        assert node.telephony.dialed == []
        assert "hang up hunt 1" in node.journal or node.telephony.hung_up_legs == [leg]
        assert [call.state for call in node.attempts.closed] == [AttemptState.ENDED] * len(node.attempts.opened)
