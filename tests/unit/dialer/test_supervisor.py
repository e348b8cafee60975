"""Which campaigns a node runs, and what becomes of them when their rows change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from dialerd.dialer.supervisor import LOOK_S
from dialerd.domain.activity import CampaignClosed, CampaignPace
from dialerd.domain.calls import AgentAnswered, AgentRang, DialMode, KeptAgent, LeadAnswered, LeadLeft, LeadRang
from dialerd.domain.campaigns import Campaign, CampaignStatus, PreviewOrder
from dialerd.domain.offers import Offer, OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import AsteriskUnavailable
from tests.factories import a_campaign, a_queue, an_agent, later, settings
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import FakeNode, a_node

OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")


def campaign(id: int = 1, status: CampaignStatus = CampaignStatus.RUNNING, **changes: Any) -> Campaign:
    return a_campaign(id=id, status=status, settings=settings(**{"calls_per_second": 10, "concurrency": 3} | changes))


@asynccontextmanager
async def supervised(*campaigns: Campaign) -> AsyncIterator[FakeNode]:
    """A node that is told of these campaigns, each with many leads, and has many free agents."""
    async with a_node() as node:
        node.queues.put(a_queue(agents=tuple(an_agent(interface=f"PJSIP/{number}") for number in range(50))))
        for each in campaigns:
            node.attempts.add_leads(each.id, *range(100))
        node.campaigns.put(*campaigns)
        node.tasks.create_task(node.supervisor.run())
        yield node


async def set_status(node: FakeNode, status: CampaignStatus, id: int = 1) -> None:
    """As the API does it: change the row, ring the bell."""
    node.campaigns.put(replace(node.campaigns.rows[id], status=status))
    node.supervisor.ring()
    await settle()


def dialed(node: FakeNode) -> list[int]:
    return [call.campaign_id for call in node.attempts.opened]


async def test_running_campaigns_are_dialed_and_no_others() -> None:
    others = set(CampaignStatus) - {CampaignStatus.RUNNING}
    campaigns = [campaign(number, status) for number, status in enumerate(sorted(others), start=10)]
    async with supervised(campaign(1), campaign(2), *campaigns) as node:
        await pass_time(10)
        assert set(dialed(node)) == {1, 2}


async def test_a_campaign_that_is_started_is_dialed_when_the_bell_rings() -> None:
    async with supervised(campaign(status=CampaignStatus.DRAFT)) as node:
        await pass_time(0.5)
        await set_status(node, CampaignStatus.RUNNING)
        await pass_time(0.2)
        assert dialed(node)


async def test_a_bell_that_was_not_heard_does_not_matter_for_long() -> None:
    async with supervised(campaign(status=CampaignStatus.DRAFT)) as node:
        await pass_time(0.5)
        node.campaigns.put(campaign())
        await pass_time(LOOK_S)
        assert dialed(node)


async def test_a_scheduled_campaign_auto_starts_at_its_time_and_not_before() -> None:
    """ "The campaign auto-starts at the scheduled time"."""
    async with supervised(replace(campaign(status=CampaignStatus.SCHEDULED), starts_at=later(300))) as node:
        await pass_time(299)
        assert dialed(node) == []
        await pass_time(1 + LOOK_S)
        assert dialed(node)
        assert node.campaigns.rows[1].status is CampaignStatus.RUNNING


async def test_a_scheduled_campaign_that_nobody_gave_a_time_waits_to_be_started() -> None:
    async with supervised(campaign(status=CampaignStatus.SCHEDULED)) as node:
        await pass_time(3600)
        assert dialed(node) == []


async def test_the_time_of_a_campaign_that_was_stopped_before_it_starts_nothing() -> None:
    async with supervised(replace(campaign(status=CampaignStatus.SCHEDULED), starts_at=later(60))) as node:
        await pass_time(30)
        await set_status(node, CampaignStatus.STOPPED)
        await pass_time(60)
        assert dialed(node) == []


async def test_changed_settings_reach_the_dialing() -> None:
    async with supervised(campaign(concurrency=1)) as node:
        await pass_time(5)
        assert len(dialed(node)) == 1
        node.campaigns.put(campaign(concurrency=2))
        node.supervisor.ring()
        await settle()
        assert len(dialed(node)) == 2


async def test_what_each_campaign_may_do_at_most_is_known_while_it_is_run_here() -> None:
    async with supervised(campaign(1), campaign(2, CampaignStatus.PAUSED)) as node:
        await settle()
        pace = CampaignPace(campaign_id=1, calls_per_second=10, concurrency=3, lease_held=True)
        assert node.supervisor.paces == [pace]
        await set_status(node, CampaignStatus.PAUSED)
        assert node.supervisor.paces == []


async def test_leads_that_are_added_are_dialed_when_the_bell_rings() -> None:
    async with supervised(campaign(id=1)) as node:
        node.campaigns.undialed = {1}
        node.attempts.due[1].clear()
        await pass_time(2.7)
        node.attempts.add_leads(1, 1)
        node.supervisor.ring()
        await settle()
        assert dialed(node) == [1]


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.STOPPED, CampaignStatus.CANCELLED])
async def test_a_campaign_that_no_longer_runs_starts_no_call(status: CampaignStatus) -> None:
    async with supervised(campaign(concurrency=50, calls_per_second=1)) as node:
        await pass_time(2.5)
        await set_status(node, status)
        await pass_time(30)
        assert len(dialed(node)) == 2
        assert node.campaigns.given_back == [1]
        assert node.said(CampaignClosed) == [CampaignClosed(campaign_id=1)]


async def test_stop_ends_the_dials_that_are_not_answered_and_no_others() -> None:
    async with supervised(campaign(1, concurrency=3), campaign(2, concurrency=1)) as node:
        await pass_time(2)
        dialing, ringing, talking = [call for call in node.attempts.opened if call.campaign_id == 1]
        await node.tell(LeadRang(), of=ringing.id)
        await node.tell(LeadRang(), LeadAnswered(), of=talking.id)
        await set_status(node, CampaignStatus.STOPPED)
        await pass_time(10)
        assert node.journal.count("hang up lead") == 2
        stopped = {call.id for call in node.tracker.calls if call.stop_requested}
        assert stopped == {dialing.id, ringing.id}


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.CANCELLED])
async def test_pause_and_cancel_let_the_calls_in_flight_be(status: CampaignStatus) -> None:
    async with supervised(campaign()) as node:
        await pass_time(2)
        await set_status(node, status)
        await pass_time(10)
        assert "hang up lead" not in node.journal


@pytest.mark.parametrize("status", [CampaignStatus.STOPPED, CampaignStatus.PAUSED, CampaignStatus.CANCELLED])
async def test_a_call_that_was_just_being_opened_when_its_campaign_ceased_to_run_is_not_dialed(
    status: CampaignStatus,
) -> None:
    async with supervised(campaign(concurrency=1)) as node:
        node.attempts.trouble.takes = 0.5
        await pass_time(2.7)
        assert (len(node.attempts.looks), node.attempts.opened, node.telephony.dialed) == (0, [], [])
        await set_status(node, status)
        await pass_time(2 * LOOK_S)
        assert (len(node.attempts.opened), node.telephony.dialed) == (1, [])
        assert [call.outcome for call in node.attempts.closed] == [Outcome.NOT_PLACED]


async def test_a_campaign_that_is_paused_and_resumed_goes_on_without_a_burst() -> None:
    async with supervised(campaign(calls_per_second=1, concurrency=50)) as node:
        await pass_time(2.5)
        for _ in range(5):
            await set_status(node, CampaignStatus.PAUSED)
            await set_status(node, CampaignStatus.RUNNING)
        await pass_time(10)
        times = node.telephony.dialed_at
        assert len(times) > 5
        assert min(later - earlier for earlier, later in pairwise(times)) > 0.97


async def test_a_campaign_whose_dialing_broke_is_taken_up_again() -> None:
    async with supervised(campaign(concurrency=1)) as node:
        node.attempts.breaks_with = [ZeroDivisionError()]
        await pass_time(1)
        assert dialed(node) == []
        await pass_time(LOOK_S)
        assert dialed(node) == [1]


async def test_the_trouble_of_one_campaign_is_not_that_of_the_others() -> None:
    async with supervised(campaign(1, concurrency=1), campaign(2, concurrency=1)) as node:
        node.attempts.breaks_with = [ZeroDivisionError()]
        await pass_time(1)
        assert len(dialed(node)) == 1


async def test_while_the_rows_cannot_be_read_nothing_changes_and_then_it_goes_on() -> None:
    async with supervised(campaign(status=CampaignStatus.DRAFT)) as node:
        await pass_time(0.5)
        node.campaigns.trouble.down = True
        node.campaigns.put(campaign())
        await pass_time(30)
        assert dialed(node) == []
        node.campaigns.trouble.down = False
        await pass_time(LOOK_S + 1)
        assert dialed(node)


async def test_when_the_daemon_stops_no_call_starts_and_every_lease_is_handed_back() -> None:
    async with supervised(campaign(1), campaign(2)) as node:
        await pass_time(0.25)
        node.supervisor.stop_dialing()
        await node.supervisor.closed()
        calls = len(dialed(node))
        await pass_time(30)
        assert len(dialed(node)) == calls
        assert sorted(node.campaigns.given_back) == [1, 2]
        assert "hang up lead" not in node.journal


async def test_a_stop_before_the_first_look_starts_nothing() -> None:
    async with a_node() as node:
        node.campaigns.put(campaign())
        node.supervisor.stop_dialing()
        await node.supervisor.run()
        await node.supervisor.closed()
        assert node.campaigns.leased == []


async def test_a_completed_campaign_is_let_go() -> None:
    async with supervised(campaign(concurrency=1)) as node:
        node.attempts.due[1].clear()
        node.attempts.add_leads(1, 1)
        await pass_time(1)
        await node.tell(LeadLeft(cause=1), of=node.telephony.dialed[0])
        await pass_time(5)
        assert node.said(CampaignClosed) == [CampaignClosed(campaign_id=1)]
        assert node.queues.watched == []


# --- agents who are there before the call ------------------------------------------------------------------------------

CARDS_FIRST: dict[str, Any] = {"dial_mode": DialMode.PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}


def an_offer(**changes: Any) -> Offer:
    plain = Offer(
        id=1,
        campaign_id=1,
        lead_id=7,
        attempt_id=None,
        ordinal=1,
        agent="PJSIP/1",
        queue="sales",
        state=OfferState.ACCEPTED,
        expires_at=later(60),
    )
    return replace(plain, **changes)


def a_kept_agent(campaign_id: int = 1) -> KeptAgent:
    return KeptAgent(campaign_id=campaign_id, leg=OTHER, queue="sales", agent="PJSIP/1")


async def test_an_accepted_card_is_dialed_by_its_campaign() -> None:
    async with supervised(campaign(1), campaign(2, **CARDS_FIRST)) as node:
        node.campaigns.undialed = {2}
        await pass_time(1)
        node.supervisor.accept(an_offer(campaign_id=2))
        await pass_time(0.2)
        assert [call.lead_id for call in node.attempts.opened if call.campaign_id == 2] == [7]


async def test_of_a_card_whose_campaign_is_dialed_no_more_nothing_follows_and_its_agent_is_free() -> None:
    async with supervised(campaign(1, CampaignStatus.PAUSED)) as node:
        await pass_time(1)
        offer = node.cards.laid(an_offer())
        node.supervisor.accept(offer)
        await pass_time(1)
        assert (node.attempts.opened, node.cards.promised()) == ([], {})


async def test_an_agent_who_is_kept_for_a_campaign_that_is_dialed_no_more_is_let_go() -> None:
    async with supervised(campaign(1, CampaignStatus.STOPPED)) as node:
        await pass_time(1)
        node.telephony.failures["hang up leg"] = [AsteriskUnavailable()]
        for _ in range(2):
            node.supervisor.keep(a_kept_agent())
            await settle()
        assert node.telephony.hung_up_legs == [OTHER, OTHER]


async def test_an_agent_who_is_kept_gets_the_next_lead_of_his_campaign() -> None:
    async with supervised(campaign(1, dial_mode=DialMode.AGENT_FIRST)) as node:
        await pass_time(1)
        await set_concurrency(node, 50)
        node.supervisor.keep(a_kept_agent())
        await pass_time(0.2)
        assert OTHER in [call.kept_leg for call in node.attempts.opened]


async def set_concurrency(node: FakeNode, most: int) -> None:
    row = node.campaigns.rows[1]
    node.campaigns.put(replace(row, settings=replace(row.settings, concurrency=most)))
    node.supervisor.ring()
    await settle()


async def test_when_the_daemon_stops_agents_on_the_line_get_no_lead_and_are_waited_for_until_they_are_let_go() -> None:
    async with supervised(campaign(1, dial_mode=DialMode.AGENT_FIRST, concurrency=1)) as node:
        await pass_time(1)
        (call,) = node.attempts.opened
        await node.tell(AgentRang("PJSIP/1"), of=call.id)
        node.supervisor.stop_dialing()
        await node.supervisor.closed()
        await node.tell(AgentAnswered(1), of=call.id)
        assert (node.telephony.dialed, [ended.outcome for ended in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])
        answer = node.telephony.answers["hang up leg"] = asyncio.Event()
        node.supervisor.keep(a_kept_agent())
        closed = node.tasks.create_task(node.supervisor.closed())
        await settle()
        assert not closed.done()
        answer.set()
        await settle()
        assert closed.done()
        assert node.telephony.hung_up_legs[-1] == OTHER
