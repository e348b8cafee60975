"""The daemon dies in the middle of a preview or an agent-first call (laws L2, L8 and L9): nobody is left in silence, nobody is dialed
twice, and on its return the calls are taken up and end as they really ended."""

import signal

import pytest

from dialerd.domain.calls import AttemptState, DialMode
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PERSON, Desk, overlap_s, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


async def test_agent_and_lead_meet_though_the_daemon_died_while_the_lead_rang(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(6, 6))
    [number] = some(1, PERSON)
    await lab.set_answer(number, 4)
    campaign = await desk.dial([number], dial_mode=DialMode.AGENT_FIRST)
    await desk.until_call_is(number, AttemptState.RINGING)
    await desk.daemon.stop(signal.SIGKILL)
    [lead] = await desk.until_seen(1)
    await desk.until_silent()
    [leg] = lab.calls("agent")
    assert overlap_s(lead, leg) > 4
    await desk.daemon.start()
    assert await desk.until_outcome(number) in (Outcome.CONNECTED, Outcome.UNKNOWN)
    await desk.until_completed(campaign)
    await desk.judge(campaign, agents=agents, but=["L7"])


async def test_a_daemon_that_returns_while_the_lead_still_rings_joins_the_two(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(4, 4))
    [number] = some(1, PERSON)
    await lab.set_answer(number, 15)
    campaign = await desk.dial([number], dial_mode=DialMode.AGENT_FIRST, ring_timeout_s=30)
    await desk.until_call_is(number, AttemptState.RINGING)
    await desk.daemon.stop(signal.SIGKILL)
    await desk.daemon.start()
    await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    [lead], [leg] = desk.calls_to(number), lab.calls("agent")
    assert overlap_s(lead, leg) > 3
    await desk.judge(campaign, agents=agents)


async def test_a_lead_who_was_not_dialed_yet_when_the_daemon_died_loses_no_attempt_and_is_dialed_once(
    desk: Desk, lab: Lab
) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(2, 2))
    await lab.set_answer("1010", 6)
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], dial_mode=DialMode.AGENT_FIRST)
    await desk.until_call_is(number, AttemptState.PREPARING)
    await desk.daemon.stop(signal.SIGKILL)
    await desk.daemon.start()
    await desk.until_completed(campaign, timeout_s=90)
    outcomes = await desk.outcomes(number)
    assert outcomes[-1] is Outcome.CONNECTED
    assert set(outcomes[:-1]) <= {Outcome.NOT_PLACED}
    assert len(desk.calls_to(number)) == 1
    await desk.judge(campaign, agents=agents)


async def test_a_lead_whose_card_was_still_open_when_the_daemon_died_is_served_by_the_queue_in_the_promised_time(
    desk: Desk, lab: Lab
) -> None:
    await lab.set_fates(talk_s=(14, 14))
    await desk.staff("1010")
    [number] = some(1, PERSON)
    await desk.dial([number], dial_mode=DialMode.PREVIEW, agent_dial_timeout_s=3)
    await desk.until_call_is(number, AttemptState.ANSWERED)
    await desk.daemon.stop(signal.SIGKILL)
    [lead] = await desk.until_seen(1)
    await desk.until_silent()
    [leg] = desk.agent_legs_for(number)
    assert leg.answer is not None
    assert lead.answer is not None
    assert (leg.answer - lead.answer).total_seconds() < 3 + 5 + 2, "agent dial timeout, hold margin, the ringing"
    await desk.daemon.start()
    assert await desk.until_outcome(number) is not None


async def test_a_card_that_was_open_when_the_daemon_died_can_be_accepted_when_it_is_back(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(20, 20))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], dial_mode=DialMode.PREVIEW, agent_dial_timeout_s=30, offer_s=60)
    await desk.until_call_is(number, AttemptState.ANSWERED)
    await desk.until_card("1010")
    await desk.daemon.stop(signal.SIGKILL)
    await desk.daemon.start()
    await desk.cli("agent", "accept", "1010")
    attempt = await desk.until_call_is(number, AttemptState.CONNECTED)
    assert attempt["agent"] == "PJSIP/1010"
    await desk.until_completed(campaign)
    await desk.judge(campaign, agents=agents)
