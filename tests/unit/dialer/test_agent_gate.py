"""Whether an agent is there for one more call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid5

import pytest

from dialerd.dialer.agent_gate import COUNT_ABANDONED_S, AgentGate
from dialerd.domain.abandonment import Abandonment, AbandonmentRule, Ledger, Period
from dialerd.domain.activity import AbandonmentCounted
from dialerd.domain.attempts import Lease
from dialerd.domain.calls import (
    AgentRang,
    AttemptState,
    CallFlow,
    DialMode,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadRang,
    Wanted,
)
from dialerd.domain.campaigns import CampaignSettings, Gate, OnCap, Target
from dialerd.domain.queues import DeviceState
from tests.factories import ANNA, ATTEMPT, BEN, a_call, a_campaign, a_queue, an_agent, later, settings
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import NODE, FakeNode, a_node

RATE = settings(gate=Gate.RATE, calls_per_second=20, concurrency=50)
EVERYBODY = settings()
FOR_ANNA = settings(target=Target.AGENT, target_agent=ANNA)
FULL = Ledger(answered=100, in_time=97, abandoned=3)
GOOD = Ledger(answered=1000, in_time=1000)


@asynccontextmanager
async def staffed(*agents: str) -> AsyncIterator[tuple[FakeNode, AgentGate]]:
    async with a_node() as node:
        node.queues.put(a_queue(agents=tuple(an_agent(interface=agent) for agent in agents)))
        yield node, AgentGate(node.parts)


def there(gate: AgentGate, chosen: CampaignSettings = EVERYBODY) -> bool:
    return gate.agent_there(chosen, campaign_id=1)


async def begin(node: FakeNode, calls: int = 1, **changes: object) -> None:
    for number in range(calls):
        attempt = uuid5(ATTEMPT, f"{changes}/{number}")
        node.tracker.place(a_call(**{"id": attempt} | changes), decision_s=0)
    await settle()


# --- an agent for each call ------------------------------------------------------------------------------------------


async def test_each_call_on_its_way_takes_an_agent_of_its_own() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        await begin(node)
        assert there(gate)
        await begin(node, campaign_id=2)
        assert not there(gate)


async def test_so_does_a_call_that_is_just_being_written_down() -> None:
    async with staffed(ANNA) as (node, gate):
        with node.tracker.reserved(Wanted("sales")):
            assert not there(gate)
        assert there(gate)


async def test_so_does_a_card_that_is_looked_at() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        node.offers.add_leads(1, 1)
        lease = Lease(campaign_id=1, node=NODE, epoch=1)
        claim = await node.offers.offer_next(a_campaign(), lease, agents=[ANNA])
        assert claim.offer is not None
        node.cards.laid(claim.offer)
        assert there(gate)
        assert not there(gate, FOR_ANNA)
        await begin(node)
        assert not there(gate)


async def test_only_the_target_agent_counts_where_there_is_one() -> None:
    async with staffed(BEN) as (node, gate):
        assert not there(gate, FOR_ANNA)
        node.queues.put(a_queue(agents=(an_agent(device=DeviceState.INUSE), an_agent(interface=BEN))))
        assert not there(gate, FOR_ANNA)
        node.queues.put(a_queue(agents=(an_agent(), an_agent(interface=BEN))))
        assert there(gate, FOR_ANNA)


async def test_an_agent_whose_own_phone_is_rung_is_nobody_elses_though_the_queue_does_not_know_it_yet() -> None:
    """Seen in the laboratory: the news that the phone rings comes before that of its state, and a second call rang it, too."""
    async with staffed(ANNA) as (node, gate):
        await begin(node, campaign_id=2, flow=CallFlow.AGENT_FIRST, state=AttemptState.PREPARING, wanted_agent=ANNA)
        for call in node.tracker.calls:
            await node.tell(AgentRang(ANNA), of=call.id)
        assert not there(gate)
        assert not there(gate, FOR_ANNA)
        assert node.tracker.spoken_for() == {ANNA}


async def test_calls_for_anyone_leave_the_target_agent_alone_where_another_is_free() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        await begin(node, campaign_id=2)
        assert there(gate, FOR_ANNA)
        await begin(node, campaign_id=3)
        assert not there(gate, FOR_ANNA)


async def test_a_call_for_an_agent_who_is_busy_is_one_for_the_queue() -> None:
    async with staffed(BEN) as (node, gate):
        await begin(node, wanted_agent=ANNA)
        assert not there(gate)


async def test_a_call_for_an_agent_who_is_free_takes_none_of_the_others() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        await begin(node, wanted_agent=ANNA)
        assert there(gate)
        assert not there(gate, FOR_ANNA)


async def test_whether_one_agent_is_free_is_asked_of_that_agent() -> None:
    async with staffed(ANNA) as (_, gate):
        assert gate.is_free(Wanted("sales", ANNA))
        assert not gate.is_free(Wanted("sales", BEN))
        assert not gate.is_free(Wanted("support", ANNA))


# --- rate and concurrency, with the ledger -----------------------------------------------------------------------------


async def known(node: FakeNode, gate: AgentGate, ledger: Ledger, cap: float | None = 0.03, **changes: object) -> None:
    node.campaigns.abandoned[1] = Abandonment(ledger=ledger, cap=cap, **changes)  # type: ignore[arg-type]
    await gate.count_abandoned(a_campaign(settings=RATE))


async def test_a_campaign_that_goes_by_rate_needs_one_free_agent_however_many_calls_there_are() -> None:
    async with staffed(ANNA) as (node, gate):
        await known(node, gate, Ledger(), cap=None)
        await begin(node, calls=20)
        assert there(gate, RATE)
        node.queues.put(a_queue(agents=()))
        assert not there(gate, RATE)


async def test_before_the_ledger_was_read_nobody_is_counted_on() -> None:
    async with staffed(ANNA) as (node, gate):
        assert there(gate, RATE)
        await begin(node)
        assert not there(gate, RATE)


async def test_calls_beyond_the_free_agents_live_on_credit() -> None:
    """3 abandoned of 100 are allowed: with 1000 behind it, some thirty calls may be too many."""
    async with staffed(ANNA) as (node, gate):
        await known(node, gate, GOOD)
        await begin(node, calls=30)
        assert there(gate, RATE)
        await begin(node, calls=2, lead_id=2)
        assert not there(gate, RATE)


async def test_agents_who_are_promised_to_other_campaigns_give_no_credit() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        await known(node, gate, Ledger(answered=10, in_time=10))
        await begin(node)
        await begin(node, calls=1, campaign_id=2)
        assert not there(gate, RATE)  # of the two agents one is another's: one more call could be abandoned


async def test_calls_whose_end_the_ledger_may_not_have_known_count_as_abandoned_all_the_same() -> None:
    async with staffed(ANNA) as (node, gate):
        await begin(node, calls=32)
        node.campaigns.trouble.takes = 1.0
        node.campaigns.abandoned[1] = Abandonment(ledger=GOOD, cap=0.03)
        reading = node.tasks.create_task(gate.count_abandoned(a_campaign(settings=RATE)))
        await pass_time(0.5)
        for call in node.tracker.calls:
            await node.tell(LeadRang(), LeadAnswered(), LeadHeld(), LeadLeft(), of=call.id)
        await pass_time(10)
        await reading
        assert node.tracker.calls == []
        await begin(node)
        assert not there(gate, RATE)


async def test_a_talk_that_began_too_late_may_still_be_entered_as_abandoned() -> None:
    async with staffed(ANNA) as (node, gate):
        rule = AbandonmentRule(cap=0.03, limit=later(2) - later(0), period=Period.DAY)
        node.campaigns.abandoned[1] = Abandonment(ledger=GOOD, cap=0.03, rule=rule)
        await gate.count_abandoned(a_campaign(settings=RATE))
        talking = {"state": AttemptState.CONNECTED, "answered_at": later(0), "agent": BEN, "hunting": True}
        await begin(node, calls=32, connected_at=later(1), **talking)
        await begin(node)
        assert there(gate, RATE)
        await begin(node, calls=32, connected_at=later(5), **talking)
        assert not there(gate, RATE)


async def test_at_the_cap_a_campaign_has_one_call_for_each_free_agent_until_the_rate_is_well_below_it() -> None:
    async with staffed(ANNA, BEN) as (node, gate):
        await known(node, gate, FULL)
        assert (gate.latched, there(gate, RATE)) == (True, True)
        await begin(node)
        assert there(gate, RATE)
        await begin(node, lead_id=2)
        assert not there(gate, RATE)
        await known(node, gate, Ledger(answered=140, in_time=137, abandoned=3))
        assert (gate.latched, there(gate, RATE)) == (True, False)  # though there would be credit for one more
        await known(node, gate, Ledger(answered=1000, in_time=997, abandoned=3))
        assert (gate.latched, there(gate, RATE)) == (False, True)
        assert [fact.latched for fact in node.said(AbandonmentCounted)] == [True, True, False]


@pytest.mark.parametrize(("on_cap", "dials"), [(OnCap.ONE_PER_AGENT, 2), (OnCap.PAUSE, 0)])
async def test_what_a_campaign_does_at_its_cap_is_its_choice(on_cap: OnCap, dials: int) -> None:
    async with staffed(ANNA, BEN) as (node, _):
        node.campaigns.abandoned[1] = Abandonment(ledger=FULL, cap=0.03)
        node.attempts.add_leads(1, *range(10))
        node.run(a_campaign(settings=settings(gate=Gate.RATE, calls_per_second=20, on_cap=on_cap)))
        await pass_time(10)
        assert len(node.telephony.dialed) == dials


async def test_agents_who_are_rung_first_are_rung_one_by_one_whatever_the_gate() -> None:
    async with staffed(ANNA) as (node, gate):
        await known(node, gate, Ledger(), cap=None)
        await begin(node)
        assert not there(gate, settings(gate=Gate.RATE, dial_mode=DialMode.AGENT_FIRST))


async def test_the_ledger_is_read_before_each_decision_that_depends_on_it_and_else_now_and_then() -> None:
    async with staffed(ANNA) as (node, gate):
        for chosen, reads in [(EVERYBODY, 1), (RATE, 4)]:
            node.campaigns.trouble.asked = 0
            await pass_time(COUNT_ABANDONED_S)
            for _ in range(4):
                await gate.count_abandoned(a_campaign(settings=chosen))
            assert node.campaigns.trouble.asked == reads


async def test_the_ledger_is_told_when_it_has_changed_and_only_then() -> None:
    async with staffed(ANNA) as (node, gate):
        for ledger in [GOOD, GOOD, FULL]:
            await known(node, gate, ledger)
        assert [fact.answered for fact in node.said(AbandonmentCounted)] == [1000, 100]
        assert node.said(AbandonmentCounted)[1].rate == pytest.approx(0.03)
