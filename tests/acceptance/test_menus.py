"""Voice menus: "customer-first, bridging to a voice menu that plays 'Press 1 to confirm, 2 to cancel'. No agent involvement; the
system records the response and sends it back to the CRM"."""

import signal
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialerd.domain.calls import AttemptState
from dialerd.domain.campaigns import Target
from dialerd.domain.dial_modes.menu import RENEW, STAY
from dialerd.domain.leads import LeadState
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PERSON, QUEUE, Desk, now, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

MENU = VoiceMenu(
    name="confirm",
    nodes={
        "start": MenuNode(
            prompt="lab-menu/main",
            invalid_sound="lab-menu/wrong",
            wait=timedelta(seconds=2),
            tries=2,
            choices={
                "1": Choice(action=MenuAction.END, result="confirmed", sound="lab-menu/confirmed"),
                "2": Choice(action=MenuAction.END, result="cancelled", sound="lab-menu/cancelled"),
                "9": Choice(action=MenuAction.OPT_OUT, result="no_more_calls"),
            },
        )
    },
)
TO_AN_AGENT = Choice(action=MenuAction.QUEUE, result="wants_agent")
WITH_AGENTS = replace(
    MENU, nodes={"start": replace(MENU.nodes["start"], choices={**MENU.nodes["start"].choices, "0": TO_AN_AGENT})}
)
PATIENT = replace(MENU, nodes={"start": replace(MENU.nodes["start"], wait=timedelta(seconds=8))})
ANSWERS: dict[str, Any] = {"target": Target.MENU, "menu": "confirm", "queue": ""}


async def call(
    desk: Desk, lab: Lab, *keys: tuple[float, str], menu: VoiceMenu = MENU, **settings: Any
) -> tuple[int, str]:
    """A campaign with one lead who presses these keys, each so long after the one before it."""
    await desk.put_menu(menu)
    await lab.set_fates(talk_s=(20, 20))
    [number] = some(1, PERSON)
    await lab.set_keys(number, list(keys))
    return await desk.dial([number], **{**ANSWERS, **settings}), number


@pytest.mark.parametrize(
    ("key", "result", "last_sound"), [("1", "confirmed", "confirmed"), ("2", "cancelled", "cancelled")]
)
async def test_what_is_pressed_is_recorded_and_confirmed(
    desk: Desk, lab: Lab, key: str, result: str, last_sound: str
) -> None:
    await lab.listen()
    campaign, number = await call(desk, lab, (1.0, key))
    await desk.until_completed(campaign)
    [attempt] = await desk.attempts(number)
    assert (attempt["outcome"], attempt["menu_result"]) == ("menu_choice", result)
    assert (await desk.lead_states(campaign))[number] is LeadState.SUCCESS
    assert [queued["menu_result"] for queued in await desk.results_for_crm(campaign)] == [result]
    [lead] = desk.calls_to(number)
    heard = await lab.heard(lead)
    assert heard.names() == ["lab-menu/main", f"lab-menu/{last_sound}"]
    assert lead.hung_up_by == "pbx"
    await desk.judge(campaign, agents=[])


async def test_a_wrong_key_is_told_and_the_prompt_is_played_again(desk: Desk, lab: Lab) -> None:
    await lab.listen()
    campaign, number = await call(desk, lab, (1.0, "7"), (3.0, "1"))
    await desk.until_completed(campaign)
    [lead] = desk.calls_to(number)
    heard = await lab.heard(lead)
    assert heard.contains("lab-menu/wrong")
    assert [attempt["menu_result"] for attempt in await desk.attempts(number)] == ["confirmed"]


async def test_who_presses_nothing_is_asked_again_and_then_let_go_and_called_once_more(desk: Desk, lab: Lab) -> None:
    campaign, number = await call(desk, lab, max_attempts=2, cooloff_s=600)
    await desk.until_outcome(number)
    [attempt] = await desk.attempts(number)
    assert (attempt["outcome"], attempt["menu_result"]) == ("menu_left", "")
    assert (await desk.lead_states(campaign))[number] is LeadState.COOLOFF


async def test_who_opts_out_is_on_the_do_not_call_list_and_never_called_again(desk: Desk, lab: Lab) -> None:
    campaign, number = await call(desk, lab, (1.0, "9"), max_attempts=3, cooloff_s=0)
    assert await desk.until_outcome(number) is Outcome.OPTED_OUT
    assert number in await desk.cli("dnc", "search", number)
    assert (await desk.lead_states(campaign))[number] is LeadState.BLOCKED
    await desk.until_completed(campaign)
    assert len(desk.calls_to(number)) == 1
    await desk.judge(campaign, agents=[])


async def test_who_asks_for_an_agent_talks_to_one(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    campaign, number = await call(desk, lab, (1.0, "0"), menu=WITH_AGENTS, queue=QUEUE)
    await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert desk.talk_of(number) > 5
    assert [attempt["menu_result"] for attempt in await desk.attempts(number)] == ["wants_agent"]


async def test_a_menu_campaign_needs_no_agents_and_no_queue(desk: Desk, lab: Lab) -> None:
    """No agent is logged in anywhere, and many calls run side by side."""
    await desk.put_menu(MENU)
    await lab.set_fates(talk_s=(20, 20))
    numbers = some(6, PERSON)
    for number in numbers:
        await lab.set_keys(number, [(1.0, "1")])
    campaign = await desk.dial(numbers, **ANSWERS)
    await desk.until_completed(campaign)
    assert await desk.outcomes_of(campaign) == [Outcome.MENU_CHOICE] * 6
    await desk.judge(campaign, agents=[])


async def test_a_lead_in_a_menu_whose_daemon_dies_hears_the_message_and_goes_on_record_when_it_returns(
    desk: Desk, lab: Lab
) -> None:
    """Law L9: the dialplan alone serves the caller within the time that the menu had left."""
    await lab.listen()
    campaign, number = await call(desk, lab, max_attempts=1)
    await desk.until_call_is(number, AttemptState.MENU)
    await desk.daemon.stop(signal.SIGKILL)
    [lead] = await desk.until_seen(1, timeout_s=100)
    assert (await lab.heard(lead)).contains("dialerd/nobody-free")
    await desk.daemon.start()
    assert await desk.until_outcome(number) in (Outcome.MENU_LEFT, Outcome.UNKNOWN)
    await desk.judge(campaign, agents=[], but=["L7"])


async def test_a_lead_in_a_menu_is_taken_up_again_by_a_daemon_that_is_back_in_time(desk: Desk, lab: Lab) -> None:
    """The dialplan leaves the lead to it for ten seconds since it last held on. After that it has the lead, and plays the message.

    The lead presses well after the daemon is back, and well before the menu, begun anew, gives up.
    """
    campaign, number = await call(desk, lab, (9.0, "1"), menu=PATIENT)

    async def is_held() -> bool:
        return any(row["menu_node"] for row in await desk.attempts(number))

    await lab.wait_for(is_held)
    died = now()
    await desk.daemon.stop(signal.SIGKILL)
    await desk.daemon.start()
    away = now() - died
    outcome = await desk.until_outcome(number)
    if away < STAY - RENEW:
        assert outcome is Outcome.MENU_CHOICE
    elif away > STAY:
        assert outcome in (Outcome.ABANDONED, Outcome.UNKNOWN), "unknown, if the message was over already"
    await desk.judge(campaign, agents=[])
