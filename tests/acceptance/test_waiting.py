"""What a lead hears who waits for an agent: silence, the greeting, hold music, or the message; and when."""

import pytest

from dialerd.domain.calls import DialMode, NoAgent
from dialerd.domain.campaigns import Gate, OnCap
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PERSON, Desk, overlap_s, some
from tests.heard import voice_of_agent
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

GREETING, MESSAGE, MUSIC = "dialerd/greeting", "dialerd/nobody-free", "music"


async def test_silence_until_the_sla_then_the_greeting_then_silence_then_the_queue_with_hold_music(
    desk: Desk, lab: Lab
) -> None:
    """ "Seconds the customer may wait in silence for an agent to answer before optional greeting audio plays"; "if no agent answers,
    the customer is transferred into the campaign queue with hold music"."""
    await lab.listen()
    await lab.set_fates(talk_s=(9, 9))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    await desk.dial([number], customer_wait_sla_s=2, agent_dial_timeout_s=5, greeting=GREETING)
    assert await desk.until_outcome(number) is Outcome.ABANDONED
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    heard = await lab.heard(lead)
    [greeting, *_], [music, *_] = heard.every(GREETING), heard.every(MUSIC)
    assert heard.first() == greeting
    assert 1.7 < greeting.start_s < 2.8
    assert 4.7 < music.start_s < 6.5


async def test_without_a_greeting_the_lead_waits_in_silence(desk: Desk, lab: Lab) -> None:
    await lab.listen()
    await lab.set_fates(talk_s=(5, 5))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    await desk.dial([number], customer_wait_sla_s=1, agent_dial_timeout_s=20)
    await desk.until_outcome(number)
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    assert (await lab.heard(lead)).first() is None


async def test_an_agent_who_answers_during_the_greeting_is_heard_at_once(desk: Desk, lab: Lab) -> None:
    await lab.listen()
    await lab.set_fates(talk_s=(6, 6))
    agents = await desk.staff("1010")
    await lab.set_agents(ring_s=(1.3, 1.3), talking=True)
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], customer_wait_sla_s=1, greeting=GREETING)
    await desk.until_completed(campaign)
    await desk.until_silent()
    [lead], [leg] = desk.calls_to(number), desk.agent_legs_for(number)
    heard = await lab.heard(lead)
    assert heard.contains(GREETING)
    assert lead.answer is not None
    assert leg.answer is not None
    [voice, *_] = heard.every(voice_of_agent("1010"))
    assert voice.start_s - (leg.answer - lead.answer).total_seconds() < 0.4
    await desk.judge(campaign, agents=agents)


async def test_with_the_message_at_the_sla_it_has_begun_within_two_seconds_and_the_call_counts_as_abandoned(
    desk: Desk, lab: Lab
) -> None:
    """16 CFR 310.4(b)(4)(iii): within two seconds of the answer, an agent or a message."""
    await lab.listen()
    await lab.set_fates(talk_s=(15, 15))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], customer_wait_sla_s=2, no_agent=NoAgent.MESSAGE_AT_SLA)
    assert await desk.until_outcome(number) is Outcome.ABANDONED
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    first = (await lab.heard(lead)).first()
    assert first is not None
    assert (first.name, first.start_s <= 2.0) == (MESSAGE, True)
    assert lead.hung_up_by == "pbx", "after the message the call ends"
    assert all((leg.end - lead.end).total_seconds() < 1 for leg in lab.calls("agent")), "nobody is rung any more"
    assert (await desk.lead_states(campaign))[number] is LeadState.ABANDONED
    ledger = await desk.ledger(campaign)
    assert (ledger.answered, ledger.abandoned) == (1, 1)


async def test_who_presses_9_during_the_message_is_never_called_again(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(talk_s=(15, 15))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    await lab.set_keys(number, [(2.5, "9")])
    campaign = await desk.dial([number], customer_wait_sla_s=1, no_agent=NoAgent.MESSAGE_AT_SLA)
    assert await desk.until_outcome(number) is Outcome.OPTED_OUT
    assert (await desk.lead_states(campaign))[number] is LeadState.BLOCKED
    assert number in await desk.cli("dnc", "search", number)


async def test_by_rate_alone_leads_are_abandoned_and_counted_until_the_cap_leaves_one_call_for_each_agent(
    desk: Desk, lab: Lab
) -> None:
    """ "Customer-first: some abandonment risk"; a latch drops the campaign to one call for each free agent."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(4, 4))
    numbers = some(14, PERSON)
    campaign = await desk.dial(
        numbers,
        gate=Gate.RATE,
        calls_per_second=10.0,
        concurrency=4,
        no_agent=NoAgent.MESSAGE_AT_SLA,
        customer_wait_sla_s=1,
        abandonment_cap_pct=None,
    )
    await desk.until_completed(campaign, timeout_s=100)
    ledger, outcomes = await desk.ledger(campaign), await desk.outcomes_of(campaign)
    assert ledger.answered == 14
    assert ledger.abandoned == outcomes.count(Outcome.ABANDONED) > 0
    assert ledger.in_time <= outcomes.count(Outcome.CONNECTED)
    await desk.judge(campaign, agents=agents)


async def test_with_a_cap_no_more_leads_are_abandoned_than_it_allows(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(1, 1))
    numbers = some(20, PERSON)
    campaign = await desk.dial(
        numbers,
        gate=Gate.RATE,
        calls_per_second=10.0,
        concurrency=8,
        customer_wait_sla_s=2,
        abandonment_cap_pct=5.0,
        on_cap=OnCap.ONE_PER_AGENT,
    )
    await desk.until_completed(campaign, timeout_s=100)
    ledger = await desk.ledger(campaign)
    assert ledger.answered == 20
    assert ledger.rate <= 0.05
    await desk.judge(campaign, agents=agents)


@pytest.mark.parametrize("leaves_after_s", [1.1, 1.4, 1.55])
async def test_nobody_is_left_alone_when_the_agent_hangs_up_just_as_the_lead_answers(
    desk: Desk, lab: Lab, leaves_after_s: float
) -> None:
    """Agent-first: "the customer is never left in silence": just before the answer another agent takes the place, just after it
    the talk was a short one."""
    await lab.listen()
    await desk.staff("1010", "1011")
    await lab.agent_leaves_early("1010", after_s=leaves_after_s)
    await lab.set_agents(talking=True)
    await lab.set_fates(talk_s=(8, 8))
    [number] = some(1, PERSON)
    await lab.set_answer(number, 1.5)
    campaign = await desk.dial([number], dial_mode=DialMode.AGENT_FIRST)
    await desk.until_completed(campaign)
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    heard = await lab.heard(lead)
    assert heard.silence_before_first_s < 3, "an agent's voice, or music, within the SLA"
    early, *others = sorted(lab.calls("agent"), key=lambda leg: leg.invite)
    assert lead.answer is not None
    if early.end < lead.answer:
        assert any(overlap_s(lead, leg) > 0.3 for leg in others), "another agent, or the same again, took the place"
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
