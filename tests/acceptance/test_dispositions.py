"""What agents say of a call, and what becomes of the lead: "Agents can set Voicemail from the desktop when they reach an answering
machine"; callbacks at a time, personal or by any agent."""

from datetime import timedelta

import pytest

from dialerd.domain.calls import AttemptState
from dialerd.domain.campaigns import MachineDetection
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PERSON, Desk, now, some
from tests.daemon import CommandFailed
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

MACHINE = range(70, 75)


async def test_an_agent_who_reaches_a_machine_says_so_and_the_lead_is_called_again_after_the_cool_off(
    desk: Desk, lab: Lab
) -> None:
    """ "Voicemail: agent or dialer marked voicemail; treated like cool-off until timeout"."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(6, 6))
    [number] = some(1, MACHINE)
    campaign = await desk.dial([number], max_attempts=2, cooloff_s=4)
    await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.cli("agent", "disposition", "1010", "voicemail")
    await desk.until_lead_is(campaign, number, LeadState.VOICEMAIL)
    await desk.until_outcome(number, ordinal=2)
    [first, second] = desk.calls_to(number)
    assert 4 <= (second.invite - first.end).total_seconds() < 7
    await desk.until_silent()
    await desk.judge(campaign, agents=agents)


async def test_a_callback_takes_place_at_its_time_and_with_the_agent_whom_it_was_agreed_with(
    desk: Desk, lab: Lab
) -> None:
    await desk.staff("1010", "1011", "1012")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], max_attempts=1)
    await desk.until_completed(campaign)
    [talk] = await desk.attempts(number)
    agent = talk["agent"].removeprefix("PJSIP/")
    at = (now() + timedelta(seconds=20)).replace(microsecond=0)
    await desk.cli("agent", "disposition", agent, "callback", "--callback-at", at.isoformat(), "--personal")
    record = (await desk.leads(campaign))[number]
    assert (record.lead.state, record.not_before) == (LeadState.COOLOFF, at)
    others = {"1010", "1011", "1012"} - {agent}
    lab.forget_calls()
    await desk.until_outcome(number, ordinal=2)
    [call] = desk.calls_to(number)
    assert 0 <= (call.invite - at).total_seconds() < 5
    await desk.until_silent()
    assert [leg.dialed for leg in lab.calls("agent") if leg.answer] == [agent], f"none of {others} was rung"


async def test_do_not_call_said_by_an_agent_holds_at_once(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    await desk.cli("agent", "disposition", "1010", "do_not_call")
    assert number in await desk.cli("dnc", "search", number)
    assert (await desk.lead_states(campaign))[number] is LeadState.BLOCKED


async def test_a_word_that_the_campaign_does_not_know_is_refused_with_those_it_knows(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    campaign = await desk.dial(some(1, PERSON))
    await desk.until_completed(campaign)
    with pytest.raises(CommandFailed, match="not_interested"):
        await desk.cli("agent", "disposition", "1010", "maybe")


async def test_machine_detection_ends_calls_to_machines_and_lets_people_through(desk: Desk, lab: Lab) -> None:
    """Asterisk's AMD, switched on for the campaign; what it is not sure of is a human being."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(6, 6), voice=True)
    machine, person = some(2, [MACHINE[0], PERSON[0]])
    campaign = await desk.dial(
        [machine, person], machine_detection=MachineDetection.HANG_UP, machine_audit_pct=0, cooloff_s=600
    )
    assert await desk.until_outcome(machine) is Outcome.VOICEMAIL
    assert await desk.until_outcome(person) is Outcome.CONNECTED
    [row] = await desk.attempts(machine)
    assert row["answered_by"] == "machine"
    assert [leg.dialed for leg in desk.agent_legs_for(machine)] == []
    assert (await desk.overview(campaign)).leads[LeadState.SUCCESS] == 1
    await desk.judge(campaign, agents=agents)
