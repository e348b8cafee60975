"""What a campaign does about its abandonment ledger: credit for calls beyond the free agents, and the latch."""

from typing import Any

import pytest

from dialerd.domain.abandonment import Abandonment, Ledger
from dialerd.domain.activity import AbandonmentCounted, CampaignHeld
from dialerd.domain.campaigns import Campaign, Gate, OnCap
from dialerd.domain.pacing import HoldReason
from tests.factories import a_campaign, a_queue, an_agent, later, settings
from tests.fakes.clock import pass_time
from tests.fakes.node import FakeNode, a_node

FAST: dict[str, Any] = {"calls_per_second": 20.0, "concurrency": 50}
AGENTS = 2
REACHED = Ledger(answered=100, in_time=97, abandoned=3)
MINUTES = 60.0


async def dialed_within(seconds: float, campaign: Campaign, known: Abandonment, node: FakeNode) -> int:
    """By a campaign of two free agents, whose calls just ring."""
    node.queues.put(a_queue(agents=tuple(an_agent(interface=f"PJSIP/{number}") for number in range(AGENTS))))
    node.campaigns.abandoned[campaign.id] = known
    node.attempts.add_leads(campaign.id, *range(100))
    node.run(campaign)
    await pass_time(seconds)
    return len(node.telephony.dialed)


@pytest.mark.parametrize(
    ("gate", "on_cap", "ledger", "cap", "dialed"),
    [
        (Gate.FREE_AGENTS, OnCap.PAUSE, Ledger(), 0.03, AGENTS),
        (Gate.FREE_AGENTS, OnCap.ONE_PER_AGENT, REACHED, 0.03, AGENTS),
        (Gate.FREE_AGENTS, OnCap.PAUSE, REACHED, 0.03, 0),
        (Gate.RATE, OnCap.ONE_PER_AGENT, Ledger(), 0.03, AGENTS),  # no credit yet
        (
            Gate.RATE,
            OnCap.ONE_PER_AGENT,
            Ledger(answered=98),
            0.03,
            AGENTS + 3,
        ),  # 3 of 103 is the cap, 4 of 104 beyond it
        (Gate.RATE, OnCap.ONE_PER_AGENT, REACHED, 0.03, AGENTS),
        (Gate.RATE, OnCap.PAUSE, REACHED, 0.03, 0),
        (Gate.RATE, OnCap.PAUSE, REACHED, None, 50),  # as many as may be in flight
    ],
)
async def test_how_many_calls_are_on_their_way_to_two_agents(
    gate: Gate, on_cap: OnCap, ledger: Ledger, cap: float | None, dialed: int
) -> None:
    async with a_node(node_calls_per_second=100.0) as node:
        campaign = a_campaign(settings=settings(gate=gate, on_cap=on_cap, **FAST))
        assert await dialed_within(10, campaign, Abandonment(ledger=ledger, cap=cap), node) == dialed


async def test_with_nobody_free_no_credit_starts_a_call() -> None:
    """Law L4."""
    async with a_node(node_calls_per_second=100.0) as node:
        node.queues.put(a_queue(agents=()))
        node.campaigns.abandoned[1] = Abandonment(ledger=Ledger(answered=10_000), cap=0.03)
        node.attempts.add_leads(1, *range(100))
        node.run(a_campaign(settings=settings(gate=Gate.RATE, **FAST)))
        await pass_time(MINUTES)
        assert (node.telephony.dialed, [fact.reason for fact in node.said(CampaignHeld)]) == (
            [],
            [HoldReason.NO_FREE_AGENT],
        )


async def test_who_pauses_says_until_when_and_goes_on_with_the_next_period() -> None:
    async with a_node(node_calls_per_second=100.0) as node:
        campaign = a_campaign(settings=settings(on_cap=OnCap.PAUSE, **FAST))
        known = Abandonment(ledger=REACHED, cap=0.03, until=later(10 * MINUTES))
        assert await dialed_within(9 * MINUTES, campaign, known, node) == 0
        assert [fact.reason for fact in node.said(CampaignHeld)] == [HoldReason.ABANDONMENT]
        (note,) = node.campaigns.notes
        assert note.until is not None
        assert (note.until - later(10 * MINUTES)).total_seconds() == pytest.approx(0, abs=0.001)
        node.campaigns.abandoned[campaign.id] = Abandonment(ledger=Ledger(), cap=0.03, until=later(100 * MINUTES))
        await pass_time(MINUTES)
        assert len(node.telephony.dialed) == AGENTS
        assert [fact.latched for fact in node.said(AbandonmentCounted)] == [True, False]
