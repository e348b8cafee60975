"""One campaign's dialing: when a call starts, and which rule holds it when none does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from dialerd.dialer.campaign_runner import (
    COUNT_HELD_S,
    LOOK_AGAIN_S,
    MOST_AT_ONCE,
    PREPARE_S,
    SOON_S,
    CampaignRunner,
)
from dialerd.dialer.hold_notes import NOTE_AFTER_S
from dialerd.domain.accounts import AccountRules
from dialerd.domain.activity import CampaignHeld, LeadPassedOver, LeadsHeld
from dialerd.domain.attempts import WaitingLeads
from dialerd.domain.calls import AgentRang, LeadAnswered, LeadLeft, LeadRang
from dialerd.domain.campaigns import Campaign, CampaignStatus, Target
from dialerd.domain.eligibility import Rule, Verdict
from dialerd.domain.pacing import HOLD_SENTENCES, JITTER_S, HoldReason, verdicts
from dialerd.domain.queues import DeviceState, QueueSnapshot, unknown_queue
from dialerd.domain.schedule import parse_row
from dialerd.domain.trunk_breaker import FIRST_PAUSE_S, LEAST_FAILURES
from dialerd.domain.trunk_rate import LEAST_REFUSED
from dialerd.errors import CallNotPlaced, StoreUnavailable
from tests.factories import ANNA, BEN, NOON, TRUNK, a_campaign, a_queue, a_situation, an_agent, later, settings
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
    *campaigns: Campaign,
    leads: int = 100,
    queue: QueueSnapshot | None = None,
    node_pace: float = 100.0,
    trunks: Sequence[str] = (TRUNK,),
) -> AsyncIterator[FakeNode]:
    """A node that begins to dial these campaigns, each with many leads; by default with many free agents."""
    async with a_node(node_calls_per_second=node_pace, trunks=trunks) as node:
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
        await pass_time(0.01)  # the lease is taken
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


async def test_leads_that_a_rule_forbids_are_passed_over_and_the_rule_is_told() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, on_dnc_list(7), out_of_attempts(8), 9)
        node.run(campaign())
        await pass_time(0.1)
        assert [(fact.campaign_id, fact.rule) for fact in node.said(LeadPassedOver)] == [
            (1, Rule.DNC),
            (1, Rule.ATTEMPTS),
        ]
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
        (note,) = node.campaigns.notes
        assert replace(note, verdicts=()) == HoldNote(1, why, HOLD_SENTENCES[why], None)
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


@pytest.mark.parametrize(
    ("queue", "calls"),
    [(staffed(1), 5), (staffed(1, callers_waiting=1), 0), (staffed(0), 0), (unknown_queue("sales"), 0)],
)
async def test_a_voice_menu_that_leads_to_a_queue_yields_to_its_callers_and_wants_one_free_agent(
    queue: QueueSnapshot, calls: int
) -> None:
    """Law L4 holds for every campaign that has a bound queue."""
    async with dialing(campaign(target=Target.MENU, menu="confirm"), leads=5, queue=queue) as node:
        await pass_time(5)
        assert len(node.telephony.dialed) == calls


async def test_a_bell_that_never_stops_ringing_keeps_no_lead_from_coming_due() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.attempts.waiting[1] = [(later(1), 1)]
        for _ in range(100):
            node.runners[0].decide_anew()
            await pass_time(0.02)
        assert len(node.telephony.dialed) == 1


async def test_a_note_carries_what_every_rule_says() -> None:
    async with dialing(campaign(), queue=staffed(0, callers_waiting=2)) as node:
        await pass_time(2)
        (note,) = node.campaigns.notes
        refusing = [(said.reason, said.fact) for said in note.verdicts if not said.allows]
        assert refusing == [(HoldReason.CALLER_WAITING, {"callers": 2}), (HoldReason.NO_FREE_AGENT, None)]
        assert len(note.verdicts) == len(list(verdicts(a_situation())))


async def test_a_note_whose_time_is_over_is_told_anew() -> None:
    async with dialing(campaign(), leads=0) as node:
        node.attempts.waiting[1] = [(later(10), 1), (later(40), 2)]
        await pass_time(30)
        until = [(note.until - NOON).total_seconds() for note in node.campaigns.notes if note.until]
        assert until == pytest.approx([10, 40], abs=0.001)


async def test_the_leads_that_each_rule_holds_are_counted_now_and_then() -> None:
    async with dialing(campaign(), queue=staffed(0)) as node:
        node.attempts.held[1] = [
            WaitingLeads(rule="lead_window", leads=7, until=later(600)),
            WaitingLeads(rule="dnc", leads=2, until=None),
        ]
        await pass_time(1)
        assert node.said(LeadsHeld) == [LeadsHeld(campaign_id=1, leads={"lead_window": 7, "dnc": 2}, due=100)]
        node.attempts.held[1] = []
        await pass_time(COUNT_HELD_S + LOOK_AGAIN_S)
        assert node.said(LeadsHeld)[1:] == [LeadsHeld(campaign_id=1, leads={}, due=100)]


async def test_they_are_counted_by_the_owner_of_the_campaign_alone() -> None:
    async with a_node() as node:
        node.campaigns.owned_elsewhere = {1}
        node.run(campaign())
        await pass_time(60)
        assert node.said(LeadsHeld) == []


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


# --- law L3: the schedule ----------------------------------------------------------------------------------------------


def opening(start: str, end: str, **changes: Any) -> Campaign:
    """A campaign that may dial at that time of day. It is noon when a test begins, on the accounts' clocks in UTC."""
    return campaign(schedule=(parse_row(f"{start}-{end}"),), **changes)


async def test_outside_its_schedule_a_campaign_waits_for_the_opening_and_begins_at_that_moment() -> None:
    async with dialing(opening("12:10", "13:00")) as node:
        await pass_time(599.9)
        assert (node.attempts.looks, held(node)) == ([], [HoldReason.OUTSIDE_SCHEDULE])
        (note,) = node.campaigns.notes
        assert (note.reason, note.until) == (HoldReason.OUTSIDE_SCHEDULE, later(600))
        await pass_time(0.2)
        assert node.telephony.dialed_at[0] == pytest.approx(600, abs=0.001)


async def test_at_an_opening_calls_do_not_burst() -> None:
    async with dialing(opening("12:10", "13:00", calls_per_second=2)) as node:
        await pass_time(610)
        assert min(gaps(node.telephony.dialed_at)) >= 0.5 - JITTER_S - 1e-6


async def test_no_call_starts_that_could_still_be_ringing_after_the_window_closes() -> None:
    async with dialing(opening("11:00", "12:01", calls_per_second=1, ring_timeout_s=30)) as node:
        await pass_time(600)
        assert max(node.telephony.dialed_at) == pytest.approx(30, abs=PREPARE_S)
        assert held(node)[-1] is HoldReason.OUTSIDE_SCHEDULE


async def test_the_schedule_is_the_accounts_business_hours_on_the_accounts_clock_where_the_campaign_has_none() -> None:
    hours = AccountRules(time_zone="Europe/Berlin", business_hours=(parse_row("13:05-14:00"),))
    async with dialing(replace(campaign(), account=hours)) as node:
        await pass_time(299)
        assert node.telephony.dialed == []
        await pass_time(2)
        assert node.telephony.dialed


async def test_a_campaign_outside_its_schedule_is_not_completed_while_leads_are_left() -> None:
    async with dialing(opening("18:00", "19:00"), leads=1) as node:
        await pass_time(3600)
        assert status(node) is CampaignStatus.RUNNING
        assert node.campaigns.given_back == []


async def test_nor_does_a_schedule_that_never_opens_complete_it() -> None:
    never = parse_row("09:00-17:00 days 30 months 2,4")
    async with dialing(campaign(schedule=(replace(never, months=(2,)),)), leads=1) as node:
        await pass_time(60)
        assert (status(node), held(node)) == (CampaignStatus.RUNNING, [HoldReason.OUTSIDE_SCHEDULE])
        (note,) = node.campaigns.notes
        assert note.until is None


async def test_a_schedule_that_is_edited_while_running_is_in_force_on_the_next_call() -> None:
    async with a_node() as node:
        node.queues.put(staffed(100))
        node.attempts.add_leads(1, *range(100))
        runner = node.run(campaign(calls_per_second=1))
        await pass_time(2.5)
        runner.change(opening("12:10", "13:00", calls_per_second=1))
        await pass_time(597)
        assert len(node.telephony.dialed) == 2
        runner.change(campaign(calls_per_second=1))
        await pass_time(0.5)
        assert len(node.telephony.dialed) == 3


async def test_where_the_databases_clock_says_that_it_is_closed_it_is() -> None:
    async with dialing(campaign()) as node:
        node.attempts.forbidden = Verdict(rule=Rule.SCHEDULE, allows=False, until=later(60))
        await pass_time(30)
        assert (node.attempts.opened, held(node)[-1]) == ([], HoldReason.OUTSIDE_SCHEDULE)
        (note,) = node.campaigns.notes
        assert note.until is not None
        assert (note.until - NOON).total_seconds() == pytest.approx(60, abs=0.001)
        node.attempts.forbidden = None
        await pass_time(LOOK_AGAIN_S)
        assert node.telephony.dialed


async def test_a_database_that_is_a_little_behind_at_the_opening_is_not_asked_without_end() -> None:
    async with dialing(campaign()) as node:
        node.attempts.forbidden = Verdict(rule=Rule.SCHEDULE, allows=False, until=later(0.01))
        await pass_time(2)
        assert 2 <= len(node.attempts.looks) <= 2 / SOON_S + 2


async def test_under_a_profile_that_the_daemon_does_not_know_nothing_is_dialed_and_nothing_asks_for_leads_in_vain() -> (
    None
):
    async with dialing(campaign()) as node:
        node.attempts.forbidden = Verdict(rule=Rule.PROFILE, allows=False)
        await pass_time(10)
        assert (node.attempts.opened, held(node)[-1]) == ([], HoldReason.PROFILE_UNKNOWN)
        looks = len(node.attempts.looks)
        for agents in range(100):
            node.queues.put(staffed(agents))
            await settle()
        assert len(node.attempts.looks) == looks


# --- how the line is looked at -----------------------------------------------------------------------------------------


async def test_while_rules_forbid_one_lead_after_the_other_more_are_looked_at_in_one_go() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, *map(on_dnc_list, range(200)), 200, 201, 202)
        node.run(campaign(calls_per_second=1))
        await pass_time(4)
        looks = [look_at for look_at, _ in node.attempts.looks]
        assert looks[:9] == [1, 2, 4, 8, 16, 32, 64, MOST_AT_ONCE, MOST_AT_ONCE]
        assert looks[9:11] == [MOST_AT_ONCE, 1]
        assert len(node.said(LeadPassedOver)) == 200


async def test_retries_and_new_leads_take_turns() -> None:
    async with dialing(campaign()) as node:
        await pass_time(0.5)
        turns = [retries_first for _, retries_first in node.attempts.looks]
        assert turns[:6] == [False, True, False, True, False, True]


async def test_a_turn_in_which_nobody_could_be_called_is_not_lost() -> None:
    async with a_node() as node:
        node.queues.put(staffed(5))
        node.attempts.add_leads(1, on_dnc_list(1), 2, out_of_attempts(3), 4)
        node.run(campaign())
        await pass_time(1)
        turns = [retries_first for _, retries_first in node.attempts.looks]
        assert turns[:4] == [False, False, True, True]


async def test_after_a_change_of_the_rules_the_leads_that_they_put_off_are_judged_anew_once() -> None:
    async with a_node() as node:
        node.queues.put(staffed(0))
        runner = node.run(replace(campaign(), judge_anew=True))
        await pass_time(60)
        assert node.attempts.judged_anew == [1]
        runner.change(replace(campaign(), judge_anew=True))
        await settle()
        assert node.attempts.judged_anew == [1, 1]


async def test_only_the_owner_of_a_campaign_judges_its_leads_anew() -> None:
    async with a_node() as node:
        node.campaigns.owned_elsewhere = {1}
        node.run(replace(campaign(), judge_anew=True))
        await pass_time(60)
        assert node.attempts.judged_anew == []


# --- a trunk that fails ------------------------------------------------------------------------------------------------

CONGESTED = LeadLeft(cause=34)


async def fail_calls(node: FakeNode, calls: int = LEAST_FAILURES) -> None:
    """The network refuses so many calls, each as soon as it was dialed."""
    for number in range(calls):
        while len(node.telephony.dialed) <= number:
            await pass_time(0.01)
        await node.tell(CONGESTED, of=node.telephony.dialed[number])


async def test_a_trunk_that_refuses_every_call_is_given_time_and_then_tried_with_one_call() -> None:
    async with dialing(campaign()) as node:
        await fail_calls(node)
        failed_at = virtual_loop().time()
        await pass_time(60)
        *_, trial = node.telephony.dialed_at
        assert len(node.telephony.dialed) == LEAST_FAILURES + 1
        assert trial == pytest.approx(failed_at + FIRST_PAUSE_S, abs=0.1)
        assert held(node)[-1] is HoldReason.TRUNK_FAILING


async def test_calls_that_asterisk_refuses_are_the_trunks_failure_too() -> None:
    async with dialing(campaign()) as node:
        node.telephony.failures["dial"] = [CallNotPlaced() for _ in range(LEAST_FAILURES)]
        await pass_time(3)
        assert (len(node.telephony.dialed), held(node)[-1]) == (LEAST_FAILURES, HoldReason.TRUNK_FAILING)


async def test_a_trial_that_fails_too_doubles_the_pause() -> None:
    async with dialing(campaign()) as node:
        await fail_calls(node, LEAST_FAILURES + 1)
        failed_at = virtual_loop().time()
        await pass_time(60)
        assert node.telephony.dialed_at[LEAST_FAILURES + 1] == pytest.approx(failed_at + 2 * FIRST_PAUSE_S, abs=0.1)


async def test_a_trial_that_rings_ends_the_pause_and_calls_go_on_at_their_pace() -> None:
    async with dialing(campaign(calls_per_second=2)) as node:
        await fail_calls(node)
        await pass_time(FIRST_PAUSE_S + 1)
        await node.tell(LeadRang(), of=node.telephony.dialed[-1])
        await pass_time(LOOK_AGAIN_S + 5)
        after = node.telephony.dialed_at[LEAST_FAILURES:]
        assert len(after) >= 10
        assert min(gaps(after)) >= 0.5 - JITTER_S - 1e-6


async def test_the_trunk_is_tried_with_one_call_however_many_campaigns_wait_for_it() -> None:
    async with dialing(campaign(1), campaign(2), campaign(3), node_pace=10_000) as node:
        await fail_calls(node)
        await pass_time(0.1)  # a call that was just being written down goes out all the same
        before = len(node.telephony.dialed)
        node.attempts.trouble.takes = 0.05
        await pass_time(30)
        assert len(node.telephony.dialed) == before + 1


async def test_a_campaign_without_a_lead_to_try_the_trunk_with_leaves_that_to_another() -> None:
    async with dialing(campaign(1), campaign(2)) as node:
        await fail_calls(node)
        dialed = len(node.telephony.dialed)
        node.attempts.due[1].clear()
        node.campaigns.undialed = {1}
        await pass_time(FIRST_PAUSE_S + 2 * LOOK_AGAIN_S)
        assert len(node.telephony.dialed) == dialed + 1


async def test_a_store_that_is_away_when_the_trunk_is_to_be_tried_costs_no_trial() -> None:
    async with dialing(campaign()) as node:
        await fail_calls(node)
        await pass_time(1)
        node.attempts.breaks_with = [StoreUnavailable()]
        await pass_time(FIRST_PAUSE_S + LOOK_AGAIN_S)
        assert len(node.telephony.dialed) == LEAST_FAILURES + 1


async def test_while_the_trunk_pauses_calls_go_by_the_backup_and_the_campaign_is_not_held() -> None:
    async with dialing(campaign(calls_per_second=5), trunks=("carrier", "reserve")) as node:
        await fail_calls(node)
        await pass_time(FIRST_PAUSE_S + 5)
        by = Counter(call.trunk for call in node.attempts.opened)
        assert by["carrier"] == LEAST_FAILURES + 1  # the last of them is the trial
        assert by["reserve"] >= 5
        assert HoldReason.TRUNK_FAILING not in held(node)


async def test_a_trunk_that_is_slowed_down_is_what_holds_the_campaign_between_its_calls() -> None:
    async with dialing(campaign(calls_per_second=20), node_pace=4.0) as node:
        await fail_calls(node, LEAST_REFUSED)
        before = len(node.telephony.dialed)
        await pass_time(5)
        assert len(node.telephony.dialed) - before == pytest.approx(10, abs=2)
        assert held(node)[-1] is HoldReason.TRUNK_SLOWED
        assert {note.reason for note in node.campaigns.notes[-1:]} == {HoldReason.TRUNK_SLOWED}


async def test_a_lead_whom_a_failing_trunk_has_refused_is_not_to_blame_for_it() -> None:
    async with dialing(campaign()) as node:
        await fail_calls(node)
        blamed = [call.trunk_to_blame for call in node.attempts.closed]
        assert blamed == [*[False] * (LEAST_REFUSED - 1), *[True] * (LEAST_FAILURES - LEAST_REFUSED + 1)]


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
