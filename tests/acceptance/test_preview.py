"""Preview: "Lead card appears first; agent reviews details and clicks to connect"."""

import json
from typing import Any

import pytest

from dialerd.domain.calls import AttemptState, DialMode
from dialerd.domain.campaigns import PreviewOrder
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PATIENCE_S, PERSON, Desk, overlap_s, person_lead, some
from tests.daemon import CommandFailed
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

DIAL_FIRST: dict[str, Any] = {"dial_mode": DialMode.PREVIEW}
ACCEPT_FIRST: dict[str, Any] = {"dial_mode": DialMode.PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}


async def test_the_card_lies_before_an_agent_while_the_lead_is_dialed_and_who_accepts_gets_the_call(
    desk: Desk, lab: Lab
) -> None:
    """ "Phone rings; on answer the call is held until an agent accepts"."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(20, 20))
    [number] = some(1, PERSON)
    lead = person_lead(number, ticket_id="T-17", note="wants the blue one")
    campaign = await desk.dial([lead], **DIAL_FIRST)
    card = json.loads(await desk.until_card("1010"))
    assert (card["name"], card["number"], card["ticket_id"]) == ("Ada Nguyen", number, "T-17")
    await desk.until_call_is(number, AttemptState.ANSWERED)
    assert not lab.calls("agent"), "no phone is rung before somebody has accepted"
    await desk.cli("agent", "accept", "1010")
    attempt = await desk.until_call_is(number, AttemptState.CONNECTED)
    assert attempt["agent"] == "PJSIP/1010"
    await desk.until_completed(campaign)
    assert desk.talk_of(number) > 1
    await desk.judge(campaign, agents=agents)


async def test_a_card_that_is_skipped_goes_to_the_next_agent(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(25, 25))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **DIAL_FIRST)
    first = await desk.until_somebody_has_a_card("1010", "1011")
    await desk.cli("agent", "skip", first)
    [other] = {"1010", "1011"} - {first}
    await desk.until_card(other)
    await desk.cli("agent", "accept", other)
    await desk.until_completed(campaign)
    assert [leg.dialed for leg in desk.agent_legs_for(number)] == [other]
    await desk.judge(campaign, agents=agents)


async def test_a_card_whose_time_is_over_goes_to_the_next_agent(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(25, 25))
    [number] = some(1, PERSON)
    await desk.dial([number], offer_s=6, **DIAL_FIRST)
    first = await desk.until_somebody_has_a_card("1010", "1011")
    [other] = {"1010", "1011"} - {first}
    await desk.until_somebody_has_a_card(other)
    await desk.cli("agent", "accept", other)
    with pytest.raises(CommandFailed, match="its time is over"):
        await desk.cli("agent", "accept", first)
    attempt = await desk.until_call_is(number, AttemptState.CONNECTED)
    assert attempt["agent"] == f"PJSIP/{other}"


async def test_a_lead_whose_card_nobody_accepts_waits_in_the_queue_with_music(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(talk_s=(9, 9))
    agents = await desk.staff("1010")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=3, **DIAL_FIRST)
    await desk.until_call_is(number, AttemptState.QUEUED, AttemptState.CONNECTED)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED], "the queue rings its agents as for any caller"
    await desk.judge(campaign, agents=agents)


async def test_where_acceptance_comes_first_no_lead_is_dialed_before_it(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(2, 2))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **ACCEPT_FIRST)
    await desk.until_card("1010")
    assert (await desk.attempts(number), desk.dialed(), lab.calls("agent")) == ([], [], [])
    await desk.cli("agent", "accept", "1010")
    await desk.until_completed(campaign)
    [lead], [leg] = desk.calls_to(number), lab.calls("agent")
    assert leg.answer is not None
    assert leg.answer < lead.invite
    assert overlap_s(lead, leg) > 1.5
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


async def test_a_lead_whose_card_was_skipped_before_dialing_is_offered_to_another_agent(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(2, 2))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **ACCEPT_FIRST)
    first = await desk.until_somebody_has_a_card("1010", "1011")
    await desk.cli("agent", "skip", first)
    [other] = {"1010", "1011"} - {first}
    await desk.until_card(other)
    assert await desk.attempts(number) == [], "a skipped card is no attempt"
    await desk.cli("agent", "accept", other)
    await desk.until_completed(campaign)
    assert {leg.dialed for leg in lab.calls("agent")} == {other}


async def test_no_card_is_laid_out_while_a_caller_waits(desk: Desk, lab: Lab) -> None:
    """Law L4."""
    await desk.staff("1010", paused=True)
    await lab.call_in("q1", "16465550182", talk_s=2, patience_s=30)
    await lab.wait_for(lambda: lab.callers_waiting("q1"), PATIENCE_S)
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **ACCEPT_FIRST)
    await desk.until_held(campaign, "caller_waiting")
    with pytest.raises(CommandFailed, match="no card"):
        await desk.cli("agent", "offer", "1010")


async def test_a_masked_number_is_neither_on_the_card_nor_on_the_agents_phone(desk: Desk, lab: Lab) -> None:
    """ "Mask Lead Caller ID: agents do not see the lead's real caller ID on the agent leg (privacy / blind preview)"."""
    await desk.staff("1010")
    await lab.set_fates(talk_s=(20, 20))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], mask_lead_caller_id=True, **DIAL_FIRST)
    card = await desk.until_card("1010")
    assert number.lstrip("+") not in card
    await desk.cli("agent", "accept", "1010")
    await desk.until_completed(campaign)
    [leg] = [leg for leg in await desk.until_seen(1, "agent") if leg.answer]
    assert number.lstrip("+")[-7:] not in f"{leg.caller_number} {leg.caller_name}"
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
