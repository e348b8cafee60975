"""The dialplan asks dialerd, and does what is safe where it gets no answer: calls by hand, leads who call back, the opt-out line, and
contexts of a site's own."""

import json
from collections.abc import AsyncIterator
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import pytest

from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.offers import CallStage
from tests.acceptance.conftest import IMPATIENT, as_url
from tests.acceptance.desk import BUSY, NAME, PATIENCE_S, PERSON, Desk, some
from tests.daemon import Daemon, free_port, running_daemon
from tests.heard import Heard
from tests.lab import FarEndCall, Lab, Message

pytestmark = pytest.mark.acceptance

STRANGER = "12025550148"
MOMENTS = ("before-dial", "answered", "bridged", "ended")
WITHIN_S = 1.0
"""What a person who dials by hand may wait for the hook."""


@pytest.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    """As for other tests, with its hooks open, and the dialplan told where."""
    port = str(free_port())
    await lab.pbx.act("Setvar", Variable="DIALERD_HOOKS_URL", Value=f"http://127.0.0.1:{port}")
    hooks = {"DIALERD_HOOKS__PORT": port, "DIALERD_DATABASE__DSN": as_url(database)}
    async with running_daemon(lab, **hooks, **IMPATIENT) as daemon:
        yield daemon


async def by_hand(lab: Lab, number: str, *, extension: str = "dial") -> Message:
    """What the hook says of a number that somebody dials, as the PBX's dialplan tells it."""
    heard = len(told_of(lab, "ByHand"))
    await lab.dial_pbx(f"{extension}-{number.lstrip('+')}", STRANGER)
    return (await lab.wait_for(lambda: told_of(lab, "ByHand")[heard:], PATIENCE_S))[0]


def told_of(lab: Lab, name: str) -> list[Message]:
    return [said for said in lab.pbx.events if said["Event"] == "UserEvent" and said["UserEvent"] == name]


# --- calls by hand -----------------------------------------------------------------------------------------------------


async def test_a_listed_number_is_refused_when_it_is_dialed_by_hand_and_another_is_not(desk: Desk, lab: Lab) -> None:
    listed, other = some(2, PERSON)
    await desk.cli("dnc", "add", listed)
    refused = await by_hand(lab, listed)
    assert (refused["Dnc"], refused["Allowed"]) == ("listed", "no")
    allowed = await by_hand(lab, other)
    assert (allowed["Dnc"], allowed["Allowed"]) == ("clear", "yes")
    await lab.wait_for(lambda: desk.calls_to(other), PATIENCE_S)
    assert desk.calls_to(listed) == []


@pytest.mark.parametrize("trouble", ["dead", "hung"])
async def test_without_an_answer_a_call_by_hand_is_as_its_operator_has_chosen_within_a_second(
    desk: Desk, lab: Lab, trouble: str
) -> None:
    closed, opened = some(2, PERSON)
    if trouble == "dead":
        await desk.daemon.stop(SIGKILL)
    else:
        desk.daemon.send_signal(SIGSTOP)
    try:
        refused = await by_hand(lab, closed)
        allowed = await by_hand(lab, opened, extension="try")
        emergency = await by_hand(lab, "911")
        await lab.wait_for(lambda: desk.calls_to(opened), PATIENCE_S)
    finally:
        if trouble == "hung":
            desk.daemon.send_signal(SIGCONT)
    assert (refused["Dnc"], refused["Allowed"]) == ("unknown", "no")
    assert (allowed["Dnc"], allowed["Allowed"]) == ("unknown", "yes")
    assert (emergency["Dnc"], emergency["Allowed"]) == ("clear", "yes")
    assert [float(said["Judged"]) - float(said["Arrived"]) < WITHIN_S for said in (refused, allowed, emergency)] == [
        True
    ] * 3
    assert desk.calls_to(closed) == []


# --- leads who call back -----------------------------------------------------------------------------------------------


async def talked_to(desk: Desk, lab: Lab, **settings: Any) -> str:
    """A lead to whom agent 1010 has talked."""
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], **settings)
    await desk.until_completed(campaign)
    await desk.staff("1011")
    return number


async def called_back(lab: Lab, number: str) -> FarEndCall:
    """The call of the agent's phone that came of it, once it is over."""
    before = len(lab.calls("agent"))
    await lab.dial_pbx("callback", number.lstrip("+"))
    return (await lab.wait_for(lambda: lab.calls("agent")[before:], PATIENCE_S))[0]


async def test_a_lead_who_calls_back_reaches_the_agent_of_the_last_talk_with_the_leads_card(
    desk: Desk, lab: Lab
) -> None:
    number = await talked_to(desk, lab, send_lead_data=True)
    agent = await called_back(lab, number)
    assert agent.dialed == "1010"
    assert (agent.caller_number, agent.caller_name) == (number.lstrip("+"), "Ada Nguyen")
    assert agent.headers["X-Dialerd-Name"] == "Ada Nguyen"
    [lead] = json.loads(await desk.cli("leads", "list", NAME, "--json"))
    assert agent.headers["X-Dialerd-Lead"] == str(lead["id"])


@pytest.mark.parametrize("rung", ["1010", "1011"])
async def test_the_leads_card_is_on_the_desktop_of_the_agent_whom_the_call_rings_until_the_talk_is_over(
    desk: Desk, lab: Lab, rung: str
) -> None:
    """Rung by our own dialplan, or by the queue where the agent of the last talk pauses."""
    number = await talked_to(desk, lab)
    if rung != "1010":
        await lab.queue_pause("q1", "1010")
    await lab.set_fates(talk_s=(4, 4))
    await lab.set_agents(ring_s=(2, 2))
    seen: list[CallStage] = []

    async def watched_to_the_end() -> bool:
        call = await desk.call_on_desktop(rung)
        if call is not None and (not seen or seen[-1] is not call.stage):
            assert (call.calls_back, call.number, call.name) == (True, number, "Ada Nguyen")
            seen.append(call.stage)
        return call is None and bool(seen)

    await lab.dial_pbx("callback", number.lstrip("+"))
    await lab.wait_for(watched_to_the_end, PATIENCE_S)
    assert seen == [CallStage.RINGING, CallStage.TALKING]


async def test_where_that_agent_pauses_the_campaigns_queue_takes_the_call(desk: Desk, lab: Lab) -> None:
    number = await talked_to(desk, lab)
    await lab.queue_pause("q1", "1010")
    assert (await called_back(lab, number)).dialed == "1011"


@pytest.mark.parametrize("shown", ["+12025550199", ""])
async def test_agents_never_see_a_masked_number_of_a_lead_who_calls_back(desk: Desk, lab: Lab, shown: str) -> None:
    pool = [CallerId(number=shown)] if shown else []
    number = await talked_to(desk, lab, mask_lead_caller_id=True, pool=pool)
    agent = await called_back(lab, number)
    assert number.lstrip("+") not in agent.caller_number
    assert agent.caller_number.endswith(shown)
    assert agent.caller_name == "Ada Nguyen"


@pytest.mark.parametrize("who", ["a stranger", "a lead while dialerd is dead"])
async def test_who_is_not_recognized_goes_on_in_the_sites_own_dialplan(desk: Desk, lab: Lab, who: str) -> None:
    number = STRANGER
    if who != "a stranger":
        number = await talked_to(desk, lab)
        await desk.daemon.stop(SIGKILL)
    agents = len(lab.calls("agent"))
    await lab.dial_pbx("callback", number.lstrip("+"))
    [call] = await lab.wait_for(lambda: lab.calls("inbound"), PATIENCE_S)
    assert (call.hung_up_by, call.cause) == ("pbx", 21)
    assert len(lab.calls("agent")) == agents


# --- the opt-out line --------------------------------------------------------------------------------------------------


async def listed(desk: Desk) -> list[str]:
    return [entry["number"] for entry in json.loads(await desk.cli("dnc", "search", "--json"))]


async def test_who_presses_9_on_the_opt_out_line_is_told_so_and_never_dialed_again(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.listen()
    await lab.set_fates(talk_s=(4, 4))
    *others, last = some(8, BUSY)
    campaign = await desk.campaign([*others, last], calls_per_second=20)
    await lab.set_keys(last, [(0.5, "9")])
    await lab.dial_pbx("optout", last.lstrip("+"))
    [call] = await lab.wait_for(lambda: lab.calls("inbound"), PATIENCE_S)
    heard: Heard = await lab.heard(call)
    assert [name for name in heard.names() if name.startswith("dialerd/")] == ["dialerd/opt-out", "dialerd/opted-out"]
    await lab.wait_for(lambda: listed(desk), 45)  # where the daemon is slow, the PBX keeps the wish until it asks
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert desk.calls_to(last) == []
    assert (await desk.lead_states(campaign))[last] is LeadState.BLOCKED
    assert len(lab.calls("lead")) == len(others)


async def test_who_calls_the_line_and_presses_nothing_is_on_no_list(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(talk_s=(2, 2))
    await lab.dial_pbx("optout", STRANGER)
    await lab.wait_for(lambda: lab.calls("inbound"), PATIENCE_S)
    assert await listed(desk) == []


async def test_a_number_is_typed_in_only_where_the_line_is_made_for_it(desk: Desk, lab: Lab) -> None:
    other = "12025550131"
    await lab.set_fates(talk_s=(8, 8))
    await lab.set_keys(STRANGER, [(0.5, other[0]), *((0.1, key) for key in f"{other[1:]}#")])
    await lab.dial_pbx("optout", STRANGER)
    await lab.wait_for(lambda: lab.calls("inbound"), PATIENCE_S)
    assert await listed(desk) == []
    await lab.dial_pbx("optout-typed", STRANGER)
    await lab.wait_for(lambda: listed(desk), PATIENCE_S)
    assert await listed(desk) == [f"+{other}"]


async def test_what_is_said_on_the_line_while_the_daemon_is_dead_is_kept_until_it_is_back(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    first, second = some(2, BUSY)
    campaign = await desk.campaign([first, second])
    await desk.daemon.stop(SIGKILL)
    await lab.dial_pbx("optout-at-once", first.lstrip("+"))
    await lab.wait_for(lambda: lab.calls("inbound"), PATIENCE_S)
    await desk.daemon.start()
    await lab.wait_for(lambda: listed(desk), PATIENCE_S)
    await lab.wait_for(lambda: nothing_is_kept(lab), PATIENCE_S)
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert desk.calls_to(first) == []
    assert len(desk.calls_to(second)) == 1


async def nothing_is_kept(lab: Lab) -> bool:
    return "0 results found" in await lab.pbx_command("database show dialerd-optout-line")


# --- contexts of a site's own ------------------------------------------------------------------------------------------


def contexts(body: str) -> str:
    """For `sed`: each moment's context, at the end of the dialplan."""
    return "$a " + r"\n".join(rf"[dialerd-custom-{moment}]\nexten => s,1,{body}" for moment in MOMENTS)


TELLS = (
    r"UserEvent(Moment,Moment: ${DIALERD_MOMENT},Attempt: ${DIALERD_ATTEMPT},Number: ${DIALERD_NUMBER},"
    r"Agent: ${DIALERD_AGENT},Outcome: ${DIALERD_OUTCOME},Lead: ${DIALERD_LEAD})\n same => n,Wait(600)"
)
"""Says what it knows, and then hangs."""


async def test_a_sites_own_contexts_are_run_at_their_moments_and_hold_up_no_call_though_they_hang(
    desk: Desk, lab: Lab
) -> None:
    await desk.staff("1010")
    [number] = some(1, PERSON)
    async with lab.pbx_configured("extensions.conf", contexts(TELLS), reload="dialplan reload"):
        await desk.daemon.stop()
        await desk.daemon.start()
        campaign = await desk.dial([number])
        await desk.until_completed(campaign)
        told = await lab.wait_for(lambda: all_moments(lab), PATIENCE_S)
        await lab.hang_up_everything()
    assert [said["Moment"] for said in told] == list(MOMENTS)
    [attempt] = await desk.attempts(number)
    assert {said["Attempt"] for said in told} == {str(attempt["id"])}
    assert {said["Lead"] for said in told} == {str(attempt["lead_id"])}
    assert [said["Agent"] for said in told] == ["", "", "PJSIP/1010", "PJSIP/1010"]
    assert told[-1]["Outcome"] == "connected"
    assert desk.talk_of(number) > 1


def all_moments(lab: Lab) -> list[Message]:
    told = told_of(lab, "Moment")
    return told if len(told) == len(MOMENTS) else []


async def test_a_context_that_fails_harms_no_call(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    [number] = some(1, PERSON)
    async with lab.pbx_configured("extensions.conf", contexts("NoSuchApplication(x)"), reload="dialplan reload"):
        await desk.daemon.stop()
        await desk.daemon.start()
        campaign = await desk.dial([number])
        await desk.until_call_is(number, AttemptState.CONNECTED)
        await desk.until_completed(campaign)
    assert desk.talk_of(number) > 1
