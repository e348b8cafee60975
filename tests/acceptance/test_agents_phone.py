"""What the agent's phone is told of the lead: name and number, or not the number; and whatever else the campaign allows."""

import pytest

from dialerd.domain.calls import AttemptState
from tests.acceptance.desk import PERSON, Desk, person_lead, some
from tests.lab import FarEndCall, Lab

pytestmark = pytest.mark.acceptance


async def the_agents_leg(desk: Desk) -> FarEndCall:
    await desk.until_silent()
    [leg] = [leg for leg in desk.lab.calls("agent") if leg.answer]
    return leg


async def test_with_the_leads_data_allowed_it_comes_as_headers_of_the_call(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    lead = person_lead(
        number,
        last_name='Müller, <b>"x"</b>\r\nEvil: yes',
        ticket_id="T-17",
        skill="german",
        extension="204",
        custom={"plan": "gold & silver"},
    )
    campaign = await desk.dial([lead], send_lead_data=True)
    await desk.until_completed(campaign)
    headers = (await the_agents_leg(desk)).headers
    [attempt] = await desk.attempts(number)
    assert headers["X-Dialerd-Attempt"] == str(attempt["id"])
    assert headers["X-Dialerd-Ticket"] == "T-17"
    assert (headers["X-Dialerd-Skill"], headers["X-Dialerd-Extension"]) == ("german", "204")
    assert headers["X-Dialerd-Name"].startswith('Ada Müller, <b>"x"</b>')
    assert "Evil" not in headers
    assert headers["X-Dialerd-Custom-plan"] == "gold & silver"


async def test_without_leave_no_data_of_the_lead_is_sent(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([person_lead(number, ticket_id="T-17")])
    await desk.until_completed(campaign)
    assert (await the_agents_leg(desk)).headers == {}


async def test_a_masked_number_is_shown_nowhere_on_the_agents_phone(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], mask_lead_caller_id=True, send_lead_data=True)
    await desk.until_completed(campaign)
    leg = await the_agents_leg(desk)
    assert number[-7:] not in f"{leg.caller_number} {leg.caller_name} {leg.headers}"
    assert leg.caller_name == "Ada Nguyen"


async def test_nor_when_the_lead_waits_in_the_queue(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    await lab.set_fates(talk_s=(10, 10))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], mask_lead_caller_id=True, agent_dial_timeout_s=1)
    await desk.until_call_is(number, AttemptState.QUEUED)
    await desk.staff("1011")
    await desk.end_ringing_in_vain(until=lambda: desk.talks(number))
    await desk.until_completed(campaign)
    shown = [f"{leg.caller_number} {leg.caller_name}" for leg in lab.calls("agent")]
    assert shown
    assert not [each for each in shown if number[-7:] in each]
