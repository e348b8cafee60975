"""What agents do, and what a lead who waits for them meets: another agent, the queue with hold music, or an honest record."""

import pytest

from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PATIENCE_S, PERSON, QUEUE, Desk, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


async def test_when_an_agent_rejects_another_is_rung(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(6, 6))
    await lab.agent_behaviour("1010", "reject")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    assert [leg.dialed for leg in desk.agent_legs_for(number)] == ["1011"]
    assert {leg.cause for leg in lab.calls("agent") if leg.dialed == "1010"} == {17}
    assert (await desk.attempts(number))[0]["agent"] == "PJSIP/1011"
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


async def test_when_nobody_answers_in_time_the_lead_waits_with_music_and_is_served_by_who_comes(
    desk: Desk, lab: Lab
) -> None:
    await lab.set_fates(talk_s=(9, 9))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=2)
    await desk.until_call_is(number, AttemptState.QUEUED)
    await lab.wait_for(lambda: hears_music(lab, number))
    await lab.queue_remove(QUEUE, "1010")
    await lab.queue_add(QUEUE, "1011")
    await desk.end_ringing_in_vain(until=lambda: desk.talks(number))
    attempt = await desk.until_call_is(number, AttemptState.CONNECTED)
    assert attempt["agent"] == "PJSIP/1011"
    await desk.until_completed(campaign)
    assert desk.talk_of(number) > 0.5
    assert [leg.dialed for leg in desk.agent_legs_for(number)] == ["1011"]
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert (await desk.lead_states(campaign))[number] is LeadState.SUCCESS
    await desk.judge(campaign, agents=["1010", "1011"])


def hears_music(lab: Lab, number: str) -> bool:
    started = [event for event in lab.pbx.events if event["Event"] == "MusicOnHoldStart"]
    return any(number.lstrip("+") in event["CallerIDNum"] for event in started)


async def test_a_lead_who_hangs_up_while_waiting_is_abandoned(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(4, 4))
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=2, customer_wait_sla_s=1)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.ABANDONED]
    assert (await desk.lead_states(campaign))[number] is LeadState.ABANDONED
    await lab.wait_for(lab.is_silent, PATIENCE_S)
    assert desk.agent_legs_for(number) == []
    await desk.judge(campaign, agents=agents)


async def test_a_lead_who_hangs_up_at_once_is_not_abandoned_but_tried_again(desk: Desk) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, [90])
    campaign = await desk.dial([number], max_attempts=2, cooloff_s=1)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.HUNG_UP, Outcome.HUNG_UP]
    assert (await desk.lead_states(campaign))[number] is LeadState.FAILED
    assert len(desk.calls_to(number)) == 2
    await desk.judge(campaign, agents=agents)


async def test_when_the_agent_hangs_up_the_lead_is_let_go(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(60, 60))
    await lab.set_agents(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    [lead] = desk.calls_to(number)
    assert lead.hung_up_by == "pbx"
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


async def test_an_agent_in_wrap_up_is_not_dialed_for(desk: Desk, lab: Lab) -> None:
    await lab.queue_add("wrap", "1010")
    campaign = await desk.dial(some(2, PERSON), queue="wrap", wrapup_s=3)
    await desk.until_completed(campaign)
    first, second = sorted(lab.calls("agent"), key=lambda leg: leg.invite)
    assert (second.invite - first.end).total_seconds() > 2.9
    leads = sorted(lab.calls("lead"), key=lambda call: call.invite)
    assert (leads[1].invite - leads[0].end).total_seconds() > 2.9
    await desk.judge(campaign, agents=["1010"])
