"""One campaign's dialing: when a call starts, and which rule holds it when none does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from dialerd.dialer.campaign_runner import LOOK_AGAIN_S, NOTE_AFTER_S, CampaignRunner
from dialerd.domain.activity import CampaignHeld, LeadBlocked
from dialerd.domain.calls import AgentRang, LeadAnswered, LeadLeft
from dialerd.domain.campaigns import Campaign, CampaignStatus
from dialerd.domain.pacing import HOLD_SENTENCES, JITTER_S, HoldReason
from dialerd.domain.queues import DeviceState, QueueSnapshot, unknown_queue
from dialerd.errors import CallNotPlaced
from tests.factories import ANNA, BEN, a_campaign, a_queue, an_agent, later, settings
from tests.fakes.clock import pass_time, settle, virtual_loop
from tests.fakes.node import LEASE_S, NODE, FakeNode, a_node
from tests.fakes.store import HoldNote, on_dnc_list, out_of_attempts

FAST = 20.0


def staffed(agents: int, *, name: str = "sales", **changes: Any) -> QueueSnapshot:
    members = tuple(an_agent(interface=f"PJSIP/{number}") for number in range(agents))
    return a_queue(name=name, agents=members, **changes)


def campaign(id: int = 1, **changes: Any) -> Campaign:
    return a_campaign(id=id, settings=settings(**{"calls_per_second": FAST, "concurrency": 50} | changes))


@asynccontextmanager
async def dialing(
    *campaigns: Campaign, leads: int = 100, queue: QueueSnapshot | None = None, node_pace: float = 100.0
) -> AsyncIterator[FakeNode]:
    """A node that begins to dial these campaigns, each with many leads; by default with many free agents."""
    async with a_node(node_calls_per_second=node_pace) as node:
        node.queues.put(queue or staffed(100))
        for each in campaigns:
            node.attempts.add_leads(each.id, *range(leads))
            node.run(each)
        yield node


def held(node: FakeNode) -> list[HoldReason]:
    return [fact.reason for fact in node.said(CampaignHeld)]


def status(node: FakeNode) -> CampaignStatus:
    return node.campaigns.rows[1].status


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


# --- law L4: inbound first -------------------------------------------------------------------------------------------

NOBODY_FREE = a_queue(agents=(an_agent(device=DeviceState.INUSE), an_agent(interface=BEN, paused=True)))


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        (staffed(5, callers_waiting=1), HoldReason.CALLER_WAITING),
        (NOBODY_FREE, HoldReason.NO_FREE_AGENT),
        (staffed(0), HoldReason.NO_FREE_AGENT),
        (unknown_queue("sales"), HoldReason.QUEUE_UNKNOWN),
    ],
)
async def test_no_call_starts_while(queue: QueueSnapshot, reason: HoldReason) -> None:
    async with dialing(campaign(), queue=queue) as node:
        await pass_time(60)
        assert (node.attempts.opened, held(node)) == ([], [reason])


async def test_no_call_starts_while_asterisk_is_not_ready() -> None:
    async with dialing(campaign()) as node:
        node.asterisk_ready = False
        await pass_time(60)
        assert (node.attempts.opened, held(node)) == ([], [HoldReason.ASTERISK_DOWN])
        node.asterisk_ready = True
        await pass_time(LOOK_AGAIN_S + 1)
        assert node.telephony.dialed


async def test_a_call_starts_as_soon_as_an_agent_is_free_without_any_polling() -> None:
    async with dialing(campaign(), queue=staffed(0)) as node:
        await pass_time(0.3)
        node.queues.put(staffed(1))
        await settle()
        assert node.telephony.dialed_at == pytest.approx([0.3])


async def test_a_call_starts_as_soon_as_the_last_caller_is_served() -> None:
    async with dialing(campaign(), queue=staffed(3, callers_waiting=1)) as node:
        await pass_time(0.7)
        node.queues.put(staffed(1))
        await settle()
        assert node.telephony.dialed_at == pytest.approx([0.7])


async def test_a_call_starts_when_the_wrap_up_of_an_agent_ends() -> None:
    async with dialing(campaign(), queue=a_queue(agents=(an_agent(wrapup_until=1.7),))) as node:
        await pass_time(10)
        assert node.telephony.dialed_at == pytest.approx([1.7])


async def test_each_call_on_its_way_has_an_agent_of_its_own() -> None:
    async with dialing(campaign(), queue=staffed(3)) as node:
        await pass_time(60)
        assert len(node.telephony.dialed) == 3
        assert held(node)[-1] is HoldReason.NO_FREE_AGENT


async def test_an_agent_whose_call_was_in_vain_is_promised_to_the_next_call_at_once() -> None:
    async with dialing(campaign(), queue=staffed(1)) as node:
        await pass_time(5.1)
        await node.tell(LeadLeft(cause=17), of=node.telephony.dialed[0])
        assert node.telephony.dialed_at[1:] == pytest.approx([5.1])


@pytest.mark.parametrize("store_takes", [0.0, 0.5])
async def test_campaigns_that_share_a_queue_never_promise_one_agent_twice(store_takes: float) -> None:
    async with dialing(campaign(1), campaign(2), campaign(3), queue=staffed(2), node_pace=10_000) as node:
        node.attempts.trouble.takes = store_takes
        await pass_time(60)
        assert len(node.attempts.opened) == 2


async def test_nor_do_campaigns_of_two_queues_that_share_agents() -> None:
    shared = (an_agent(interface=ANNA), an_agent(interface=BEN))
    async with a_node(node_calls_per_second=10_000) as node:
        node.attempts.trouble.takes = 0.5
        node.queues.put(a_queue(name="sales", agents=shared), a_queue(name="support", agents=shared[:1]))
        for each in (campaign(1), campaign(2, queue="support")):
            node.attempts.add_leads(each.id, *range(10))
            node.run(each)
        await pass_time(60)
        assert len(node.attempts.opened) == 2


async def test_an_agent_whose_phone_rings_is_no_longer_promised_but_not_free_either() -> None:
    async with dialing(campaign(), queue=a_queue()) as node:
        await pass_time(1)
        node.queues.put(a_queue(agents=(an_agent(device=DeviceState.RINGING),)))
        await node.tell(LeadAnswered(), AgentRang(ANNA), of=node.telephony.dialed[0])
        await pass_time(10)
        assert len(node.telephony.dialed) == 1


# --- law L5: pace and concurrency ------------------------------------------------------------------------------------


async def test_calls_start_at_the_set_pace() -> None:
    async with dialing(campaign(calls_per_second=2)) as node:
        await pass_time(10.1)
        assert node.telephony.dialed_at == pytest.approx([0.5 * n for n in range(1, 21)], abs=JITTER_S)


async def test_calls_start_in_their_slot_though_the_store_takes_its_time() -> None:
    async with dialing(campaign(calls_per_second=10)) as node:
        node.attempts.trouble.takes = 0.004
        await pass_time(5)
        assert gaps(node.telephony.dialed_at) == pytest.approx([0.1] * (len(node.telephony.dialed) - 1), abs=1e-6)


async def test_a_store_that_is_slower_than_the_pace_slows_the_calls_down_and_never_bunches_them() -> None:
    async with dialing(campaign(calls_per_second=10)) as node:
        node.attempts.trouble.takes = 0.25
        await pass_time(5)
        node.attempts.trouble.takes = 0
        await pass_time(5)
        assert min(gaps(node.telephony.dialed_at)) >= 0.1 - JITTER_S - 1e-6


@pytest.mark.parametrize(("rate", "next_at"), [(0.2, 6.0), (4.0, 1.3)])
async def test_a_changed_rate_is_in_force_on_the_next_call(rate: float, next_at: float) -> None:
    async with a_node() as node:
        node.queues.put(staffed(100))
        node.attempts.add_leads(1, *range(10))
        runner = node.run(campaign(calls_per_second=1))
        await pass_time(1.3)
        runner.change(campaign(calls_per_second=rate))
        await pass_time(5)
        assert node.telephony.dialed_at[:2] == pytest.approx([1.0, next_at], abs=JITTER_S)


async def test_a_call_that_waits_for_its_slot_is_not_taken_for_one_that_was_lost() -> None:
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        node.queues.put(staffed(100))
        node.attempts.add_leads(1, *range(10))
        node.attempts.trouble.takes = 0.1
        runner = node.run(campaign(calls_per_second=1))
        await pass_time(1.05)
        runner.change(campaign(calls_per_second=0.1))
        node.rescuer.link_restored()
        await pass_time(8)
        assert (len(node.attempts.opened), node.telephony.dialed, node.attempts.closed) == (1, [], [])
        await pass_time(2)
        assert len(node.telephony.dialed) == 1
        rescue.cancel()


async def test_after_a_stall_nothing_is_made_up_for() -> None:
    async with dialing(campaign(calls_per_second=2)) as node:
        await pass_time(3)
        virtual_loop().stall(LEASE_S / 2)
        await pass_time(3)
        assert min(gaps(node.telephony.dialed_at)) >= 0.5 - JITTER_S - 1e-6


async def test_after_a_lull_nothing_is_made_up_for() -> None:
    async with dialing(campaign(calls_per_second=2), queue=staffed(0)) as node:
        await pass_time(30)
        node.queues.put(staffed(100))
        await pass_time(2.1)
        assert min(gaps(node.telephony.dialed_at)) >= 0.5 - JITTER_S - 1e-6


async def test_the_trunk_is_shared_by_all_campaigns() -> None:
    async with dialing(campaign(1), campaign(2), campaign(3), node_pace=2.0) as node:
        node.attempts.trouble.takes = 0.004
        await pass_time(30)
        assert min(gaps(node.telephony.dialed_at)) >= 0.5 - JITTER_S - 1e-6
        assert len(node.telephony.dialed) == pytest.approx(60, abs=3)


async def test_no_more_calls_than_the_set_concurrency_are_in_flight() -> None:
    async with dialing(campaign(concurrency=2)) as node:
        await pass_time(10)
        assert len(node.telephony.dialed) == 2
        assert held(node)[-1] is HoldReason.CONCURRENCY
        await node.tell(LeadLeft(cause=17), of=node.telephony.dialed[0])
        await pass_time(1 / FAST)
        assert len(node.telephony.dialed) == 3


# --- leases ----------------------------------------------------------------------------------------------------------


async def test_only_the_owner_of_a_campaign_dials_it() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, 1)
        node.campaigns.owned_elsewhere = {1}
        node.run(campaign())
        await pass_time(30)
        assert (node.attempts.opened, held(node)) == ([], [HoldReason.NO_LEASE])
        node.campaigns.owned_elsewhere.clear()
        await pass_time(LOOK_AGAIN_S + 1)
        assert len(node.telephony.dialed) == 1


async def test_the_lease_is_renewed_at_a_third_of_its_time() -> None:
    async with dialing(campaign()) as node:
        await pass_time(LEASE_S / 3 - 0.1)
        assert node.campaigns.leased == [(1, NODE)]
        await pass_time(LOOK_AGAIN_S)
        assert node.campaigns.leased == [(1, NODE)] * 2


async def test_who_has_lost_the_lease_dials_no_more() -> None:
    async with dialing(campaign(calls_per_second=1)) as node:
        await pass_time(2.5)
        node.campaigns.owned_elsewhere = {1}
        await pass_time(60)
        assert max(node.telephony.dialed_at) <= LEASE_S / 3 + 1
        assert held(node)[-1] is HoldReason.NO_LEASE


async def test_a_daemon_that_was_frozen_longer_than_its_lease_asks_again_before_it_dials() -> None:
    async with dialing(campaign(calls_per_second=1)) as node:
        await pass_time(2.5)
        node.campaigns.owned_elsewhere = {1}
        virtual_loop().stall(2 * LEASE_S)
        await pass_time(60)
        assert len(node.telephony.dialed) == 2


async def test_a_lease_that_ran_out_while_the_store_was_slow_is_none() -> None:
    async with dialing(campaign()) as node:
        node.attempts.trouble.takes = LEASE_S
        await pass_time(10 * LEASE_S)
        assert (node.attempts.opened, set(held(node))) == ([], {HoldReason.NO_LEASE})


async def test_a_lease_that_cannot_be_renewed_is_a_reason_to_hold() -> None:
    async with dialing(campaign(calls_per_second=1)) as node:
        await pass_time(2.5)
        node.campaigns.trouble.down = True
        await pass_time(60)
        assert max(node.telephony.dialed_at) <= LEASE_S / 3 + 1
        assert held(node)[-1] is HoldReason.STORE_DOWN


async def test_the_lease_is_handed_back_when_dialing_stops() -> None:
    async with a_node() as node:
        runner = node.run(campaign())
        await pass_time(1)
        runner.stop_dialing()
        await settle()
        assert node.campaigns.given_back == [1]
        assert node.queues.watched == []


async def test_a_lease_that_cannot_be_handed_back_keeps_nobody() -> None:
    async with a_node() as node:
        runner = CampaignRunner(campaign(), node.parts)
        running = node.tasks.create_task(runner.run())
        await pass_time(1)
        node.campaigns.trouble.down = True
        runner.stop_dialing()
        await settle()
        assert running.done()


# --- the store -------------------------------------------------------------------------------------------------------


async def test_while_the_store_is_away_nothing_is_dialed_and_afterwards_it_goes_on() -> None:
    async with dialing(campaign()) as node:
        node.attempts.trouble.down = True
        await pass_time(30)
        assert (node.telephony.dialed, held(node)) == ([], [HoldReason.STORE_DOWN])
        node.attempts.trouble.down = False
        await pass_time(LOOK_AGAIN_S)
        assert node.telephony.dialed


async def test_a_call_that_is_refused_does_not_end_the_dialing() -> None:
    async with dialing(campaign(calls_per_second=1)) as node:
        node.telephony.failures["dial"] = [CallNotPlaced()]
        await pass_time(3.5)
        assert len(node.telephony.dialed) == 3


# --- leads -----------------------------------------------------------------------------------------------------------


async def test_a_lead_on_a_dnc_list_is_passed_over_and_said_to_be_blocked() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, on_dnc_list(7), out_of_attempts(8), 9)
        node.run(campaign())
        await pass_time(0.1)
        assert node.said(LeadBlocked) == [LeadBlocked(campaign_id=1, lead_id=7)]
        assert [call.lead_id for call in node.attempts.opened] == [9]


async def test_leads_that_are_passed_over_cost_no_pace() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, *map(on_dnc_list, range(100)), 100)
        node.run(campaign(calls_per_second=1))
        await pass_time(1.1)
        assert node.telephony.dialed_at == pytest.approx([1.0])


async def test_a_lead_that_cools_off_is_called_when_its_time_has_come() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.attempts.waiting[1] = [(later(31.5), 1)]
        await pass_time(60)
        assert node.telephony.dialed_at == pytest.approx([31.5], abs=0.001)
        assert HoldReason.NO_LEAD_DUE in held(node)


async def test_a_lead_whose_time_has_come_takes_its_place_though_others_are_in_line() -> None:
    async with dialing(campaign(calls_per_second=0.1), leads=100) as node:
        node.attempts.waiting[1] = [(later(5), 1000)]
        await pass_time(10)
        assert node.attempts.waiting[1] == []


async def test_a_database_whose_clock_is_behind_ours_is_not_asked_without_end() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.attempts.waiting[1] = [(later(1), 1)]
        node.attempts.now = lambda: later(0)
        await pass_time(11)
        assert node.attempts.trouble.asked < 500


async def test_what_wakes_campaigns_does_not_make_one_without_leads_ask_for_them() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.campaigns.undialed = {1}
        await pass_time(10)
        asked = node.attempts.trouble.asked
        for agents in range(100):
            node.queues.put(staffed(agents))
            await settle()
        assert node.attempts.trouble.asked == asked


async def test_a_campaign_with_nothing_left_to_dial_is_completed() -> None:
    async with dialing(campaign(), leads=1) as node:
        await pass_time(5)
        assert status(node) is CampaignStatus.RUNNING  # the last call is in flight
        await node.tell(LeadLeft(cause=1), of=node.telephony.dialed[0])
        await pass_time(LOOK_AGAIN_S + 0.1)
        assert status(node) is CampaignStatus.COMPLETED
        assert node.campaigns.given_back == [1]


async def test_a_campaign_of_which_anything_can_still_be_dialed_is_not() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.campaigns.undialed = {1}
        await pass_time(30)
        assert status(node) is CampaignStatus.RUNNING


# --- law L11: saying why ---------------------------------------------------------------------------------------------


async def test_a_hold_is_written_down_when_it_has_lasted_a_second() -> None:
    async with dialing(campaign(), queue=staffed(0)) as node:
        await pass_time(NOTE_AFTER_S - 0.01)
        assert node.campaigns.notes == []
        await pass_time(0.02)
        why = HoldReason.NO_FREE_AGENT
        assert node.campaigns.notes == [HoldNote(1, why, HOLD_SENTENCES[why], None)]
        await pass_time(60)
        assert len(node.campaigns.notes) == 1


async def test_with_the_time_until_which_it_holds_where_time_alone_ends_it() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.attempts.waiting[1] = [(later(600), 1)]
        await pass_time(3)
        (note,) = node.campaigns.notes
        assert note.reason is HoldReason.NO_LEAD_DUE
        assert note.until is not None
        assert abs((note.until - later(600)).total_seconds()) < 0.001


async def test_a_short_hold_is_told_to_the_metrics_only() -> None:
    async with dialing(campaign(), queue=staffed(5, callers_waiting=1)) as node:
        await pass_time(0.5)
        node.queues.put(staffed(0))
        await pass_time(0.6)
        assert held(node) == [HoldReason.CALLER_WAITING, HoldReason.NO_FREE_AGENT]
        assert node.campaigns.notes == []


async def test_a_hold_is_told_once_however_often_it_is_found() -> None:
    async with dialing(campaign(), queue=staffed(0)) as node:
        for _ in range(10):
            node.queues.put(staffed(0))
            await pass_time(0.1)
        assert held(node) == [HoldReason.NO_FREE_AGENT]


# --- changes ---------------------------------------------------------------------------------------------------------


async def test_a_campaign_that_is_bound_to_another_queue_watches_that_one() -> None:
    async with a_node() as node:
        node.queues.put(staffed(0), staffed(0, name="support"))
        node.attempts.add_leads(1, 1)
        runner = node.run(campaign())
        await pass_time(0.5)
        runner.change(campaign(queue="support", wrapup_s=7))
        await pass_time(0.1)
        assert node.queues.watched == ["support"]
        assert node.queues.wrapups["support"] == 7
        node.queues.put(staffed(1, name="support"))
        await settle()
        assert [call.queue for call in node.attempts.opened] == ["support"]


async def test_a_raised_concurrency_is_in_force_at_once() -> None:
    async with a_node() as node:
        node.queues.put(staffed(10))
        node.attempts.add_leads(1, *range(10))
        runner = node.run(campaign(concurrency=1))
        await pass_time(5)
        runner.change(replace(runner.campaign, settings=replace(runner.campaign.settings, concurrency=2)))
        await settle()
        assert len(node.telephony.dialed) == 2


async def test_a_stop_is_noticed_at_once_whatever_the_campaign_waits_for() -> None:
    async with a_node() as node:
        runner = CampaignRunner(campaign(calls_per_second=0.01), node.parts)
        node.queues.put(staffed(10))
        running = asyncio.create_task(runner.run())
        await pass_time(5)
        runner.stop_dialing()
        await settle()
        assert running.done()
