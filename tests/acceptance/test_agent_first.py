"""Agent-first: "dial an agent first, then dial the customer on a second line, and bridge when the customer picks up.
Zero abandonment"."""

import pytest

from dialerd.domain.calls import AttemptState, DialMode
from dialerd.domain.campaigns import Target
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import BUSY, NOBODY, PERSON, QUEUE, Desk, overlap_s, person_lead, some
from tests.lab import FarEndCall, Lab

pytestmark = pytest.mark.acceptance

AGENT_FIRST = {"dial_mode": DialMode.AGENT_FIRST}


def the_leg_of(lab: Lab, lead: FarEndCall) -> FarEndCall:
    """Of the agents' legs that were answered, and lasted, when the lead was dialed: the one that was with the lead for the longest."""
    waiting = [leg for leg in lab.calls("agent") if leg.answer and leg.answer < lead.invite < leg.end]
    assert waiting, f"no agent was on the line when {lead.dialed} was dialed"
    return max(waiting, key=lambda leg: overlap_s(lead, leg))


async def test_the_agent_is_on_the_line_before_the_lead_is_dialed_and_they_talk(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(3, 3))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **AGENT_FIRST)
    await desk.until_completed(campaign)
    [lead] = desk.calls_to(number)
    leg = the_leg_of(lab, lead)
    assert lead.answer is not None
    assert overlap_s(lead, leg) > 2.5
    [attempt] = await desk.attempts(number)
    assert (attempt["outcome"], attempt["agent"]) == ("connected", "PJSIP/1010")
    assert (attempt["connected_at"] - attempt["answered_at"]).total_seconds() < 0.5
    await desk.judge(campaign, agents=agents)


async def test_zero_abandonment_whatever_the_leads_do(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(1, 2))
    numbers = some(12, [*PERSON[:5], BUSY[0], NOBODY[0], 80, 85])
    campaign = await desk.dial(numbers, ring_timeout_s=5, **AGENT_FIRST)
    await desk.until_completed(campaign, timeout_s=90)
    outcomes = set(await desk.outcomes_of(campaign))
    assert outcomes == {Outcome.CONNECTED, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.INVALID_NUMBER, Outcome.REJECTED}
    answered = [call for call in desk.calls_in_order() if call.answer]
    assert answered
    for lead in answered:
        assert overlap_s(lead, the_leg_of(lab, lead)) > 0.8, "who answers talks to an agent from the first moment on"
    await desk.judge(campaign, agents=agents)


async def test_an_agent_whose_lead_does_not_answer_stays_on_the_line_for_the_next(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(2, 2))
    in_vain, answers = some(2, [BUSY[0], PERSON[0]])
    campaign = await desk.dial([person_lead(in_vain, priority=9), answers], **AGENT_FIRST)
    await desk.until_completed(campaign)
    [first], [second] = desk.calls_to(in_vain), desk.calls_to(answers)
    legs = [leg for leg in lab.calls("agent") if leg.answer]
    assert len(legs) == 1, "the agent was rung once for both"
    assert the_leg_of(lab, first) == the_leg_of(lab, second)
    assert await desk.outcomes(answers) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


async def test_an_agent_for_whom_no_lead_is_left_is_released(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, BUSY)
    campaign = await desk.dial([number], **AGENT_FIRST)
    await desk.until_completed(campaign)
    await desk.until_silent()
    [lead], [leg] = desk.calls_to(number), lab.calls("agent")
    assert (leg.hung_up_by, (leg.end - lead.end).total_seconds() < 3) == ("pbx", True)
    await desk.judge(campaign, agents=agents)


async def test_an_agent_on_the_line_is_released_for_a_caller_who_waits(desk: Desk, lab: Lab) -> None:
    """Law L4: inbound first, also when an agent already waits for the next lead."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    rings, later = some(2, [NOBODY[0], PERSON[0]])
    campaign = await desk.dial([person_lead(rings, priority=9), later], ring_timeout_s=6, **AGENT_FIRST)
    await desk.until_call_is(rings, AttemptState.RINGING)
    await lab.call_in(QUEUE, "16465550181", talk_s=2)
    await desk.until_completed(campaign, timeout_s=90)
    await desk.until_silent()
    [caller], [dialed_later] = lab.calls("inbound"), desk.calls_to(later)
    assert caller.end < dialed_later.invite
    assert any(leg.caller_number.endswith("6465550181") and leg.answer for leg in lab.calls("agent"))
    await desk.judge(campaign, agents=agents)


async def test_when_no_agent_picks_up_the_lead_is_not_dialed_and_loses_no_attempt(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "reject")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=3, **AGENT_FIRST)
    assert await desk.until_outcome(number) is Outcome.NOT_PLACED
    await desk.pause(campaign)
    await desk.until_silent()
    record = (await desk.leads(campaign))[number]
    assert (desk.dialed(), record.lead.attempts_used) == ([], 0)
    assert record.lead.state is LeadState.RETRY


async def test_the_agent_who_last_spoke_to_the_lead_is_rung_and_nobody_else(desk: Desk, lab: Lab) -> None:
    """ "VIP callback campaign using agent-first ... bridging specifically to the agent who last spoke to the contact"."""
    await desk.staff("1011")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    first = await desk.dial([number])
    await desk.until_completed(first)
    agents = await desk.staff("1010", "1012")
    lab.forget_calls()
    again = await desk.dial([number], name="VIP", target=Target.LAST_AGENT, **AGENT_FIRST)
    await desk.until_completed(again)
    assert [leg.dialed for leg in lab.calls("agent")] == ["1011"]
    await desk.judge(again, agents=["1011", *agents])


async def test_a_named_agent_alone_gets_the_calls(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(1, 1))
    numbers = some(3, PERSON)
    campaign = await desk.dial(numbers, target=Target.AGENT, target_agent="PJSIP/1011", **AGENT_FIRST)
    await desk.until_completed(campaign)
    assert {leg.dialed for leg in lab.calls("agent")} == {"1011"}
    assert await desk.outcomes_of(campaign) == [Outcome.CONNECTED] * 3
    await desk.judge(campaign, agents=agents)


async def test_a_number_that_is_listed_while_the_agent_is_rung_is_not_dialed(desk: Desk, lab: Lab) -> None:
    """Law L1, however late: the list is asked again when the agent is on the line."""
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "slow")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **AGENT_FIRST)
    await desk.until_call_is(number, AttemptState.PREPARING)
    await desk.cli("dnc", "add", number)
    await desk.until_lead_is(campaign, number, LeadState.BLOCKED)
    await desk.until_silent()
    assert desk.dialed() == []
