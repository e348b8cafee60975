"""The list of campaigns, and a campaign's own page."""

from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User

from dialerd.api.parts import Parts
from dialerd.domain.campaigns import CampaignSettings, CampaignStatus
from dialerd.domain.leads import LeadState
from dialerd.domain.pacing import HOLD_SENTENCES, HoldReason
from dialerd.portal import campaign_words as words
from dialerd.portal.texts import texts
from dialerd.store.pool import Pool
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import confirm, items, press, press_icon, put, rows
from tests.portal.scene import Scene


async def sees(user: User, text: str) -> None:
    await user.should_see(text)


def buttons(user: User) -> set[str]:
    """By their texts; icons by what they are called."""
    with user:
        return {each.text or str(each.props.get("aria-label")) for each in user.find(kind=ui.button).elements}


async def status_of(parts: Parts, campaign: int) -> CampaignStatus:
    return (await parts.stores.campaigns.get_campaign(campaign)).status


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_the_list_says_how_far_campaigns_are_and_why_they_do_not_dial(user_of: UserOf) -> None:
    rex = await user_of("rex")
    await rex.open("/campaigns")
    await rex.should_see("Summer offer")
    await rex.should_see("60 of 120 (50 %)")
    await rex.should_see("1 of 15")
    await rex.should_see("No daemon dials it")
    await rex.should_see("No leads yet")
    await rex.should_not_see("Spring lead qualification, batch 1")


async def test_who_only_looks_has_no_button_that_does_anything(user_of: UserOf) -> None:
    rex = await user_of("rex")
    await rex.open("/campaigns")
    assert not {each for each in buttons(rex) if "Summer offer" in each or each == "New campaign"}


async def test_a_supervisor_steers_but_neither_cancels_nor_clones(user_of: UserOf) -> None:
    sue = await user_of("sue")
    await sue.open("/campaigns")
    assert {"Pause Summer offer", "Stop Summer offer", "Resume Win-back autumn"} <= buttons(sue)
    assert not buttons(sue) & {"Cancel Summer offer", "Clone Summer offer", "New campaign"}


async def test_the_address_chooses_by_status_and_text(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns?status=completed")
    await olga.should_see("Spring lead qualification, batch 1")
    await olga.should_not_see("Summer offer")
    await olga.open("/campaigns?status=all&text=CARE")
    await olga.should_see("VIP callbacks")
    await olga.should_not_see("Summer offer")
    await olga.open("/campaigns?text=nothing+like+it")
    await olga.should_see("No campaign fits")


async def test_a_search_is_narrowed_in_place(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns")
    olga.find("Search name, note or queue").type("within a year")
    await olga.should_not_see("Summer offer")
    await olga.should_see("Win-back autumn")


@pytest.mark.parametrize(
    ("button", "told", "sure", "campaign", "becomes"),
    [
        ("Pause Summer offer", "Those in flight (1) complete", "Pause", "running", CampaignStatus.PAUSED),
        ("Stop Summer offer", "are moved to the retry queue", "Stop", "running", CampaignStatus.STOPPED),
        ("Resume Win-back autumn", "goes on at the same point", "Resume", "paused", CampaignStatus.RUNNING),
        ("Cancel VIP callbacks", "For good", "Cancel the campaign", "preview", CampaignStatus.CANCELLED),
    ],
)
async def test_a_button_says_what_it_will_do_and_then_does_it(
    user_of: UserOf,
    parts: Parts,
    scene: Scene,
    button: str,
    told: str,
    sure: str,
    campaign: str,
    becomes: CampaignStatus,
) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns")
    before = await status_of(parts, getattr(scene, campaign))
    press_icon(olga, button)
    await sees(olga, told)
    assert await status_of(parts, getattr(scene, campaign)) is before
    await confirm(olga, sure)
    await olga.should_not_see(told)
    await sees(olga, f"{button.partition(' ')[2]} ")
    assert await status_of(parts, getattr(scene, campaign)) is becomes


async def test_what_is_left_as_it_is_does_not_change(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns")
    press_icon(olga, "Stop Summer offer")
    await sees(olga, "are moved to the retry queue")
    await confirm(olga, "Leave it as it is")
    await olga.should_not_see("are moved to the retry queue")
    assert await status_of(parts, scene.running) is CampaignStatus.RUNNING


async def test_a_start_is_refused_with_every_reason(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    made = await parts.stores.campaigns.create(CampaignSettings(name="Without anything", queue="nobody"), [])
    olga = await user_of("olga")
    await olga.open("/campaigns")
    press_icon(olga, "Start Without anything")
    await sees(olga, "Leads that are due now: 0.")
    await confirm(olga, "Start")
    problems = (await parts.stores.campaigns.validate(made.id, {})).start_problems
    assert len(problems) > 1
    for problem in problems:
        await sees(olga, problem)
    assert await status_of(parts, made.id) is CampaignStatus.DRAFT


async def test_a_clone_gets_the_name_that_was_asked_for(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns")
    press_icon(olga, "Clone Summer offer")
    await sees(olga, "Name of the new campaign")
    put(olga, "Name of the new campaign", "VIP callbacks")
    await press(olga, "Save")
    await sees(olga, "another campaign is called VIP callbacks")
    put(olga, "Name of the new campaign", "Summer offer, second list")
    await press(olga, "Save")
    await sees(olga, "It has not been started.")
    found = await parts.stores.campaigns.page(scene.account_id, text="second list", after=0, limit=10)
    assert [each.campaign.settings.name for each in found] == ["Summer offer, second list"]


async def test_whoever_has_no_campaign_yet_is_told_what_to_do_first(user_of: UserOf, pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("TRUNCATE campaigns CASCADE")
    olga = await user_of("olga")
    await olga.open("/campaigns")
    await olga.should_see("No campaign yet")
    await olga.should_see('Press "New campaign"')


# --- one of them ------------------------------------------------------------------------------------------------------


async def test_the_page_shows_the_figures_of_each_state_and_the_agents_of_the_queue(
    user_of: UserOf, scene: Scene
) -> None:
    sue = await user_of("sue")
    await sue.open(f"/campaigns/{scene.running}")
    for text in ("Retry queued", "Cool-off", "1 of 15", "2 of 5 free", "2 free, 1 in a call, 1 paused, 1 away"):
        await sue.should_see(text)
    await sue.should_see("Calls as CSV")
    await sue.should_see("Change pace and lines")
    assert not buttons(sue) & {"Edit", "Clone", "Cancel", "Delete"}


async def test_who_only_looks_sees_no_number_and_no_list_of_them(user_of: UserOf, scene: Scene) -> None:
    rex = await user_of("rex")
    await rex.open(f"/campaigns/{scene.running}")
    await rex.should_see("Your role does not see whose they are.")
    for text in ("Calls as CSV", "Activity", "Recordings", "Change pace and lines"):
        await rex.should_not_see(text)
    assert items(rex, "talk") == []


async def test_the_latest_calls_stand_there_with_what_came_of_them(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}")
    calls = rows(olga, "state", "agent", "talk")
    assert calls[0] == ("Talking", "PJSIP/1001", "")
    assert {"Connected", "Busy"} <= {state for state, _, _ in calls}


async def test_the_reason_stands_there_in_one_sentence_and_behind_it_every_rule(
    user_of: UserOf, pool: Pool, scene: Scene
) -> None:
    async with pool.acquire() as connection:
        await connection.execute(_HELD, scene.running, HOLD_SENTENCES[HoldReason.CALLER_WAITING])
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}")
    await olga.should_see("A caller is waiting in the bound queue: inbound comes first until 2030-01-02 03:04.")
    with olga:
        (more,) = olga.find(kind=ui.expansion).elements
        more.open()
    await sees(olga, "Not now: a caller is waiting in the bound queue: inbound comes first.")
    await olga.should_see("callers who wait: 1")
    await olga.should_see("The campaign runs.")
    assert ("Cool-off after a dial",) in rows(olga, "rule")


async def test_charts_tell_their_sums_to_who_does_not_see_them(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}?span=day")
    with olga:
        told = [str(each.props["aria-label"]) for each in olga.find(kind=ui.echart).elements]
    assert len(told) == 3
    assert any(text.startswith("Last day: ") and "placed" in text for text in told)


async def test_pace_and_lines_are_changed_in_place(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    sue = await user_of("sue")
    await sue.open(f"/campaigns/{scene.running}")
    await press(sue, "Change pace and lines")
    await sees(sue, "Lines: calls in flight")
    put(sue, "Pace: calls a second", 2.5)
    put(sue, "Lines: calls in flight", 9000)
    await press(sue, "Save")
    await sees(sue, "from 1 to 50")
    put(sue, "Lines: calls in flight", 12)
    await press(sue, "Save")
    await sees(sue, "In force on the next call.")
    settings = (await parts.stores.campaigns.get_campaign(scene.running)).settings
    assert (settings.calls_per_second, settings.concurrency) == (2.5, 12)
    await sees(sue, "1 of 12")


async def test_pace_that_somebody_else_has_changed_meanwhile_is_not_overwritten(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    sue = await user_of("sue")
    await sue.open(f"/campaigns/{scene.running}")
    await press(sue, "Change pace and lines")
    await sees(sue, "Lines: calls in flight")
    await parts.stores.campaigns.edit(scene.running, {"calls_per_second": 1.0})
    await press(sue, "Save")
    await sees(sue, "changed")
    assert (await parts.stores.campaigns.get_campaign(scene.running)).settings.calls_per_second == 1


async def test_only_what_was_never_dialed_can_be_deleted(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}")
    assert "Delete" not in buttons(olga)
    await olga.open(f"/campaigns/{scene.completed}")
    await press(olga, "Delete")
    await sees(olga, "That cannot be undone.")
    await confirm(olga, "Delete")
    await sees(olga, "That cannot be done")
    assert await status_of(parts, scene.completed) is CampaignStatus.COMPLETED


async def test_a_campaign_that_is_not_there_is_said_to_be_missing(user_of: UserOf) -> None:
    olga = await user_of("olga")
    answer = await olga.http_client.get("/campaigns/987654")
    assert answer.status_code == 404
    assert "This page cannot be shown" in answer.text


async def test_a_name_with_markup_stays_a_name(page_of: PageOf, address: str, parts: Parts, scene: Scene) -> None:
    name = "<img src=x onerror=\"document.title='broken into'\"><b>Sale</b>"
    made = await parts.stores.campaigns.create(CampaignSettings(name=name, queue="sales", note=name), [])
    page = await page_of("olga")
    await page.goto(f"{address}/campaigns")
    await page.get_by_role("link", name=name).click()
    await page.wait_for_url(f"**/campaigns/{made.id}")
    await settled(page)
    await page.get_by_role("heading", level=1, name=name).wait_for()
    assert await page.locator("main img, main b").count() == 0
    assert "broken into" not in (await page.title()).replace(name, "")


async def test_in_a_browser_what_happens_is_shown_without_a_reload(
    page_of: PageOf, address: str, pool: Pool, scene: Scene
) -> None:
    page = await page_of("sue")
    await page.goto(f"{address}/campaigns/{scene.running}")
    await settled(page)
    await page.locator(".d-echart svg").first.wait_for()
    await page.get_by_text("1 of 15", exact=True).wait_for()
    async with pool.acquire() as connection:
        await connection.execute(_DIALED, scene.running)
    await page.get_by_text("2 of 15", exact=True).wait_for()
    await page.get_by_role("row").filter(has_text="Ringing").wait_for()
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await page.get_by_text("It is paused. Resume goes on at the same point.").wait_for()
    await page.get_by_role("button", name="Resume").wait_for()


_HELD = """
    UPDATE campaigns SET owner = 'pbx-1', lease_until = now() + interval '1 day', held_by = 'caller_waiting', hold_reason = $2,
           hold_until = '2030-01-02 03:04:05Z', verdicts = '[{"reason": "not_running", "allows": true, "fact": null},
                                                            {"reason": "caller_waiting", "allows": false, "fact": {"callers": 1}}]'
    WHERE id = $1
"""
_DIALED = """
    WITH lead AS (UPDATE leads SET state = 'ringing' WHERE id = (SELECT max(id) FROM leads WHERE campaign_id = $1 AND state = 'active')
                  RETURNING id, number)
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, state, admitted_by, opened_at, ringing_at)
    SELECT gen_random_uuid(), $1, id, 1, number, 'sales', 'pbx-1', 1, 'ringing', '{}', now(), now() FROM lead
"""


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", HoldReason)
def test_every_rule_of_the_pacing_has_a_text_for_when_it_allows(reason: HoldReason) -> None:
    assert texts("campaign").has(f"rules.{reason}")


@pytest.mark.parametrize("status", CampaignStatus)
def test_every_status_has_a_sentence_a_choice_and_a_place_in_the_order(status: CampaignStatus) -> None:
    say = texts("campaigns")
    assert say.has(f"why.{status}")
    assert say.has(f"choices.{status}")


def test_the_time_in_a_sentence_is_told_on_the_clock_of_the_account() -> None:
    campaign = a_campaign(
        hold={
            "reason": "pace",
            "sentence": "no lead is due until 2026-07-01 12:00:00 UTC",
            "until": "2026-07-01T12:00:00Z",
        }
    )
    assert words.why(campaign, "Europe/Paris") == "No lead is due until 2026-07-01 14:00."


def test_the_feed_brings_figures_up_to_date() -> None:
    now = words.with_counts(
        a_campaign(),
        counts(
            leads={"active": 1, "success": 3}, hold={"by": "outside_schedule", "reason": "it is night", "until": None}
        ),
    )
    assert (now["done"], now["total"], now["in_flight"]) == (3, 4, 2)
    assert now["shown_status"] == CampaignStatus.SCHEDULED
    assert words.why(now, "UTC") == "It is night."


def test_that_no_daemon_dials_it_is_not_forgotten_for_what_the_last_one_said() -> None:
    alone = a_campaign(dialed_by=None, hold={"reason": None, "sentence": "no daemon dials it", "until": None})
    now = words.with_counts(alone, counts(hold={"by": "pace", "reason": "the pace is reached", "until": None}))
    assert words.why(now, "UTC") == "No daemon dials it."


@pytest.mark.parametrize(
    ("rate", "cap", "colour"), [(0.0, 0.03, "teal"), (0.025, 0.03, "amber"), (0.03, 0.03, "red"), (0.5, None, "teal")]
)
def test_abandonment_turns_red_at_its_cap(rate: float, cap: float | None, colour: str) -> None:
    assert words.abandonment_colour({"rate": rate, "cap": cap}) == colour


def a_campaign(**fields: Any) -> dict[str, Any]:
    leads = {str(state): 0 for state in LeadState}
    return {"status": "running", "leads": leads, "hold": None, "dialed_by": "pbx-1", **fields}


def counts(**fields: Any) -> dict[str, Any]:
    return {
        "status": "running",
        "leads": {},
        "in_flight": 2,
        "concurrency": 5,
        "calls_per_second": {"set": 2.0, "real": 1.1},
        "agents": None,
        "hold": None,
        **fields,
    }
