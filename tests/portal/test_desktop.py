"""The agent desktop: the card, the ring and the talk; what is said of it; queues and pauses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction
from playwright.async_api import BrowserContext, Page, expect

from dialerd.api.parts import Parts
from dialerd.domain.agent_wishes import WishAction
from dialerd.domain.callers import Caller
from dialerd.domain.offers import CallStage
from dialerd.errors import NotFound
from dialerd.portal import desktop
from dialerd.portal.desk_presence import Presence, state_of
from dialerd.store.callers import CallerStore
from dialerd.store.offers import CARDS
from dialerd.store.pool import Pool, listen
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.scene import AGENTS, NODE, Scene

ANNA, BEN = AGENTS[:2]
PATIENCE = 300
"""Looks, a tenth of a second apart, for what takes a moment."""
EVIL = "<script>alert(1)</script>"
_LAY = """
    INSERT INTO offers (campaign_id, lead_id, agent, node, expires_at)
    SELECT $1, max(id), $2, $3, now() + interval '10 minutes' FROM leads WHERE campaign_id = $1 AND state = 'active' RETURNING lead_id
"""
_DIAL = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by, opened_at)
    SELECT gen_random_uuid(), campaign_id, id, 1, number, 'care', $2, 1, '{}', now() FROM leads WHERE id = $1
"""
_TALK_ON = """
    WITH before AS (UPDATE attempts SET state = 'ended', outcome = 'connected', ended_at = now() WHERE agent = $1 AND ended_at IS NULL
                    RETURNING *)
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, state, admitted_by, opened_at, ringing_at,
                          answered_at, agent_ringing_at, connected_at, agent)
    SELECT gen_random_uuid(), campaign_id, (SELECT max(id) FROM leads WHERE campaign_id = before.campaign_id AND state = 'active'), 1,
           number, queue, node, epoch, 'connected', '{}', now(), now(), now(), now(), now(), agent
    FROM before RETURNING lead_id
"""
"""The agent's next talk has begun."""
_CLEAR = """
    WITH gone AS (UPDATE offers SET state = 'withdrawn', answered_at = now() WHERE state = 'open')
    UPDATE attempts SET state = 'ended', outcome = 'connected', ended_at = now() WHERE ended_at IS NULL
"""


@pytest_asyncio.fixture
async def bell(parts: Parts, database: str) -> AsyncIterator[None]:
    """Rings as in the real server."""
    listens = asyncio.Event()
    listening = asyncio.create_task(listen(database, listens.set, channel=CARDS, on_word=parts.card_bell.ring))
    await listens.wait()
    yield
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def lay_card(pool: Pool, scene: Scene) -> int:
    """Before Anna; its lead."""
    return int(await pool.fetchval(_LAY, scene.preview, ANNA, NODE))


def press(user: User, title: str) -> None:
    user.find(kind=ui.button, content=title).click()


# --- whose desktop it is ----------------------------------------------------------------------------------------------


async def test_an_agent_sees_the_card_that_lies_there_with_all_that_is_known_of_the_lead(user_of: UserOf) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    for text in ("Your phone: PJSIP/1001", "Offer", "VIP callbacks · care", "T-1", "Springfield", "asked for a quote"):
        await anna.should_see(text)
    await anna.should_see("+1999002")
    await anna.should_see("None: this is the first")


async def test_a_card_that_is_laid_while_the_page_is_being_drawn_is_seen_at_once(
    user_of: UserOf, pool: Pool, scene: Scene, bell: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with the next look of those that come by themselves."""
    await pool.execute(_CLEAR)
    monkeypatch.setattr(desktop, "LOOK_S", 600)
    drawn = Presence.look

    async def looks_while_a_card_is_laid(presence: Presence) -> None:
        await drawn(presence)
        monkeypatch.setattr(Presence, "look", drawn)
        await lay_card(pool, scene)

    monkeypatch.setattr(Presence, "look", looks_while_a_card_is_laid)
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("Accept", retries=PATIENCE)


async def test_a_number_that_the_campaign_masks_is_not_shown(user_of: UserOf, pool: Pool) -> None:
    await pool.execute("UPDATE campaigns SET mask_lead_caller_id = true")
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("Number hidden")
    await anna.should_not_see("+1999")


async def test_a_supervisor_chooses_the_phone_and_an_agent_may_not(user_of: UserOf) -> None:
    sue = await user_of("sue")
    await sue.open("/desktop")
    await sue.should_see("Whose desktop?")
    await sue.open("/desktop?agent=1001")
    await sue.should_see("You act for PJSIP/1001.")
    await sue.should_see("Accept")
    anna = await user_of("anna")
    refused = await anna.http_client.get("/desktop?agent=PJSIP/1002")
    assert (refused.status_code, "an agent acts for the own phone" in refused.text) == (403, True)


async def test_an_agent_without_a_phone_is_told_who_sets_it(user_of: UserOf, pool: Pool) -> None:
    await pool.execute("UPDATE users SET agent = '' WHERE login = 'anna'")
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("An admin of your account sets it at Users")


async def test_who_only_looks_has_no_desktop(user_of: UserOf) -> None:
    rex = await user_of("rex")
    refused = await rex.http_client.get("/desktop")
    assert (refused.status_code, "This page is not for your role" in refused.text) == (403, True)


# --- the card, the ring, the talk -------------------------------------------------------------------------------------


async def test_what_is_new_is_shown_when_the_bell_rings_from_the_card_to_the_end_of_the_talk(
    user_of: UserOf, pool: Pool, scene: Scene, bell: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desktop, "LOOK_S", 3600.0)
    await pool.execute(_CLEAR)
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("No lead before you")
    lead = await lay_card(pool, scene)
    await anna.should_see("Offer")
    await pool.execute(
        "UPDATE leads SET held_by = 'offered', not_before = now() + interval '1 minute' WHERE id = $1", lead
    )
    press(anna, "Accept")
    await anna.should_see("Your phone rings as soon as the call is there.")
    await anna.should_not_see(kind=ui.button, content="Skip")
    await pool.execute(_DIAL, lead, NODE)
    await pool.execute("UPDATE attempts SET agent = $1, agent_ringing_at = now() WHERE lead_id = $2", ANNA, lead)
    await anna.should_see("Pick up your phone.")
    await pool.execute(
        "UPDATE attempts SET state = 'connected', answered_at = now(), connected_at = now() WHERE lead_id = $1", lead
    )
    await anna.should_see("You talk")
    await pool.execute(_CLEAR)
    await anna.should_see("The talk is over")
    await anna.should_see("Not said yet")


async def test_a_lead_who_calls_back_is_shown_on_ring_and_in_the_talk_and_nothing_is_asked_about_it(
    user_of: UserOf, pool: Pool, bell: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desktop, "LOOK_S", 3600.0)
    lead = await pool.fetchval("SELECT lead_id FROM attempts WHERE agent = $1 ORDER BY opened_at DESC LIMIT 1", ANNA)
    await pool.execute(_CLEAR)
    name = await pool.fetchval("SELECT first_name || ' ' || last_name FROM leads WHERE id = $1", lead)
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("No lead before you")
    callers = CallerStore(pool)
    await callers.note(NODE, Caller(channel="1.1", lead_id=lead, agents={ANNA: CallStage.RINGING}))
    for text in (name, "calls back", "Pick up your phone: the lead is on the line."):
        await anna.should_see(text)
    await callers.note(NODE, Caller(channel="1.1", lead_id=lead, agents={ANNA: CallStage.TALKING}))
    await anna.should_see("You talk")
    await anna.should_see("The lead has called you back: nothing is asked about this talk.")
    await callers.note(NODE, Caller(channel="1.1", lead_id=lead))
    await anna.should_see("No lead before you")


async def test_a_card_that_is_skipped_is_gone(user_of: UserOf, parts: Parts) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    press(anna, "Skip")
    await anna.should_see("The lead goes to another agent.")
    await anna.should_not_see("Offer")
    with pytest.raises(NotFound):
        await parts.stores.offers.card(ANNA)


async def test_a_card_that_somebody_else_has_answered_is_not_answered_again(user_of: UserOf, parts: Parts) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    await parts.stores.offers.skip(ANNA)
    press(anna, "Accept")
    await anna.should_see("That cannot be done")
    await anna.should_not_see(kind=ui.button, content="Accept")


# --- what is said of it -----------------------------------------------------------------------------------------------


async def said(parts: Parts) -> Any:
    return (await parts.stores.dispositions.last_talk(ANNA)).said


async def test_voicemail_is_said_with_a_note_and_may_be_changed(user_of: UserOf, parts: Parts) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("Not said yet")
    anna.find(kind=ui.textarea).elements.pop().value = "a long greeting"
    press(anna, "Voicemail")
    await anna.should_see("Said: Voicemail")
    kept = await said(parts)
    assert (kept.code, kept.note, kept.by) == ("voicemail", "a long greeting", ANNA)
    press(anna, "Success")
    await anna.should_see("Said: Success")
    assert (await said(parts)).code == "success"


@pytest.mark.parametrize("button", ["Success", "Leave it as it is"])
async def test_what_is_written_of_a_talk_is_not_lost_when_the_next_one_begins(
    user_of: UserOf, parts: Parts, pool: Pool, bell: None, button: str
) -> None:
    first = (await parts.stores.dispositions.last_talk(ANNA)).attempt_id
    anna = await user_of("anna")
    await anna.open("/desktop")
    note = anna.find(kind=ui.textarea).elements.pop()
    note.value = "asks for Ben"
    next_lead = await pool.fetchval(_TALK_ON, ANNA)
    await anna.should_see("This is an earlier talk")
    assert note.value == "asks for Ben"
    press(anna, button)
    await anna.should_not_see("This is an earlier talk")
    assert note.value == ""
    assert (await parts.stores.dispositions.last_talk(ANNA)).lead_id == next_lead
    assert await said(parts) is None
    kept = (await parts.stores.dispositions.last_talk(ANNA, attempt=first)).said
    assert (kept and (kept.code, kept.note)) == (("success", "asks for Ben") if button == "Success" else None)


async def test_a_callback_is_agreed_at_a_time_on_the_accounts_clock(user_of: UserOf, parts: Parts, pool: Pool) -> None:
    await pool.execute("UPDATE accounts SET time_zone = 'America/New_York'")
    anna = await user_of("anna")
    await anna.open("/desktop")
    press(anna, "Call back")
    await anna.should_see("Times are in America/New_York, on the clock of your account.")
    (day,) = anna.find(kind=ui.input, content="Day").elements
    (time,) = anna.find(kind=ui.input, content="Time").elements
    day.value = ""
    press(anna, "Agree the callback")
    await anna.should_see("A day and a time, please.")
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    day.value, time.value = tomorrow.isoformat(), "12:30"
    press(anna, "Agree the callback")
    await anna.should_see(f"Said: Call back, {tomorrow} 12:30, any agent")
    kept = await said(parts)
    assert kept.callback_at.astimezone(UTC).strftime("%H:%M") in ("16:30", "17:30")
    assert kept.callback_agent is None


async def test_what_the_api_refuses_is_told_where_it_is_said(user_of: UserOf, parts: Parts) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    press(anna, "Call back")
    await anna.should_see("Day")
    (day,) = anna.find(kind=ui.input, content="Day").elements
    day.value = "2020-01-01"
    press(anna, "Agree the callback")
    await anna.should_see("is over, name a time to come")
    assert await said(parts) is None


async def test_to_put_a_number_on_the_do_not_call_list_is_asked_first(user_of: UserOf, parts: Parts) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    press(anna, "Do not call")
    await anna.should_see("Put the number on the do-not-call list?")
    assert await said(parts) is None
    press(anna, "Put it on the list")
    await anna.should_see("Said: Do not call")
    assert (await said(parts)).code == "do_not_call"


# --- queues and pauses ------------------------------------------------------------------------------------------------


async def test_a_pause_is_wished_and_what_became_of_it_is_told(user_of: UserOf, parts: Parts, pool: Pool) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    await anna.should_see("Ready")
    reason = anna.find("Lunch").elements.pop().parent_slot
    assert reason is not None
    UserInteraction(anna, {reason.parent}, "Lunch").click()
    await anna.should_see("Asterisk is told")
    wish = await parts.stores.agents.last_wish(1, ANNA)
    assert wish is not None
    assert (wish.action, wish.queue, wish.reason) == (WishAction.PAUSE, None, "Lunch")
    await pool.execute("UPDATE agent_wishes SET wished_at = now() - interval '1 minute'")
    await anna.should_see("That did not work: no daemon has carried it out")


async def test_who_is_paused_is_shown_why_and_may_go_on(user_of: UserOf, pool: Pool) -> None:
    await pool.execute(_CLEAR)
    await pool.execute("UPDATE pbx_agents SET paused = true, pause_reason = 'Lunch' WHERE interface = $1", ANNA)
    anna = await user_of("anna")
    await anna.open("/desktop")
    for text in ("Paused: Lunch", "Go on", "You are paused. No call comes until you go on."):
        await anna.should_see(text)


SEAT: dict[str, Any] = {
    "known": True,
    "member": True,
    "paused": False,
    "state": "not_inuse",
    "in_call": False,
    "wrapup_until": None,
}


@pytest.mark.parametrize(
    ("seats", "state"),
    [
        ([], "nowhere"),
        ([{"known": False, "member": False}], "unknown"),
        ([{"member": False, "state": None}], "out"),
        ([{"member": False, "state": None}, {}], "ready"),
        ([{"paused": True}, {"paused": True}], "paused"),
        ([{"paused": True}, {}], "partly"),
        ([{"wrapup_until": "2026-03-02T12:00:00Z"}, {}], "wrapup"),
        ([{"in_call": True, "paused": True}], "talking"),
        ([{"state": "inuse"}], "talking"),
        ([{"state": "ringing"}], "ringing"),
        ([{"state": "unavailable"}], "unreachable"),
    ],
)
def test_the_state_of_a_phone_is_that_of_all_its_queues_together(seats: list[dict[str, Any]], state: str) -> None:
    assert state_of([{**SEAT, **seat} for seat in seats]) == state


# --- in a browser -----------------------------------------------------------------------------------------------------


async def opened_desktop(page_of: PageOf, address: str) -> Page:
    page = await page_of("anna")
    await page.goto(f"{address}/desktop")
    await settled(page)
    return page


async def test_an_offer_is_heard_seen_in_the_title_and_accepted_by_a_key_but_not_while_one_types(
    page_of: PageOf, address: str, pool: Pool, scene: Scene, parts: Parts, bell: None
) -> None:
    await pool.execute(_CLEAR)
    await pool.execute("UPDATE leads SET first_name = $1, last_name = ''", EVIL)
    page = await opened_desktop(page_of, address)
    await page.get_by_label("Note").click()
    await lay_card(pool, scene)
    await expect(page.get_by_role("heading", name=EVIL)).to_be_visible()
    await page.wait_for_function("name => document.title.includes(name)", arg=f"Offer: {EVIL}")
    await page.wait_for_function("() => Number(document.documentElement.dataset.tones) > 0")
    await page.keyboard.type("as")
    await expect(page.get_by_label("Note")).to_have_value("as")
    assert (await parts.stores.offers.card(ANNA)).offer.agent == ANNA
    await page.get_by_role("heading", level=1).click()
    await page.keyboard.press("a")
    await expect(page.get_by_role("button", name="Accept")).to_be_hidden()
    with pytest.raises(NotFound):
        await parts.stores.offers.card(ANNA)
    await page.wait_for_function("() => document.title === 'Agent desktop · dialerd'")


async def test_a_lost_connection_is_shown_and_healed_and_the_page_is_right_then(
    page_of: PageOf, context: BrowserContext, address: str, pool: Pool, scene: Scene, bell: None
) -> None:
    page = await opened_desktop(page_of, address)
    await expect(page.get_by_role("button", name="Accept")).to_be_visible()
    await context.set_offline(True)
    await page.evaluate("window.socket.io.engine.close()")
    await expect(page.locator("#popup")).to_have_attribute("aria-hidden", "false")
    await pool.execute(_CLEAR)
    await context.set_offline(False)
    await expect(page.get_by_text("No lead before you")).to_be_visible()
    await expect(page.locator("#popup")).to_have_attribute("aria-hidden", "true")
    await lay_card(pool, scene)
    await expect(page.get_by_role("button", name="Accept")).to_be_visible()
