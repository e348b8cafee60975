"""The campaign builder: four steps from nothing to a start."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from nicegui.testing import User
from playwright.async_api import Page, expect

from dialerd.api.parts import Parts
from dialerd.domain.calls import DialMode, NoAgent
from dialerd.domain.campaigns import (
    Alternates,
    CampaignSettings,
    CampaignStatus,
    Gate,
    MachineDetection,
    OnCap,
    Target,
)
from dialerd.domain.dispositions import DISPOSITIONS, Disposition, DispositionEffect
from dialerd.domain.leads import NewLead
from dialerd.domain.outcomes import SETTLED, Outcome, OutcomeRule
from dialerd.domain.schedule import DayPlan, PlannedDay, ScheduleRow, Weekday
from dialerd.portal.builder_draft import NEW, fitting, readable
from dialerd.portal.builder_form import field_of, say
from dialerd.portal.builder_review import step_of
from dialerd.portal.builder_week import Stretch, stretches_of
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import press, put, told_at, until
from tests.portal.scene import Scene

WORKDAYS = (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI)


async def _settings(parts: Parts, campaign_id: int) -> CampaignSettings:
    return (await parts.stores.campaigns.get_campaign(campaign_id)).settings


async def _until_at(user: User, path: str) -> None:
    await until(lambda: user.back_history[-1] == path, f"to be led to {path}")
    await user.should_see("Save and continue")


# --- pure -------------------------------------------------------------------------------------------------------------


def test_a_row_over_midnight_is_drawn_on_both_days() -> None:
    row: dict[str, Any] = {
        "start": "22:00:00",
        "end": "06:00:00",
        "weekdays": ["sun"],
        "month_days": None,
        "months": [],
    }
    found = stretches_of([row])
    assert found["sun"] == [Stretch(1320, 1440, True)]
    assert found["mon"] == [Stretch(0, 360, True)]
    assert found["tue"] == []


def test_a_row_without_weekdays_is_drawn_on_all_and_one_of_some_months_lighter() -> None:
    row: dict[str, Any] = {"start": "00:00:00", "end": "00:00:00", "weekdays": [], "month_days": None, "months": [12]}
    assert all(stretches == [Stretch(0, 1440, False)] for stretches in stretches_of([row]).values())


def test_a_row_that_lacks_a_time_is_drawn_nowhere() -> None:
    row: dict[str, Any] = {"start": "", "end": "17:00:00", "weekdays": [], "month_days": None, "months": []}
    assert not any(stretches_of([row]).values())


@pytest.mark.parametrize(
    ("problem", "field", "step"),
    [
        ("calls per second: above 0, up to 20", "calls_per_second", "basics"),
        ("attempts: from 1 to 5 a lead", "max_attempts", "routing"),
        ("dispositions: each code once", "dispositions", "routing"),
        ("outcome busy: maximum of 1 to 100 attempts", "outcome_rules", "routing"),
        ("schedule: row 1: start and end are the same", "schedule", "schedule"),
        ("Dial By Timezone: start and end are the same", "zones", "schedule"),
        ("schedule.0.start: Input should be in a valid time format", "schedule", "schedule"),
        ("no_agent is queue: set message_at_sla, so that who waits hears the message", "no_agent", "routing"),
        ("caller IDs: the number pool is empty, add numbers", "caller_id_enabled", "contacts"),
        ("leads: the campaign has none yet, upload some", "leads", "contacts"),
        ("something that nobody foresaw", "something", None),
    ],
)
def test_a_problem_is_told_at_its_field_and_leads_to_its_step(problem: str, field: str, step: str | None) -> None:
    assert field_of(problem) == field
    assert step_of(problem) == step


def test_a_dial_mode_takes_along_what_cannot_stay_beside_it() -> None:
    settings = {**NEW, "target": "last_agent", "machine_detection": "hang_up"}
    assert fitting(settings, {"dial_mode": "agent_first"}) == {"machine_detection": "off"}
    assert fitting(settings, {"dial_mode": "preview"}) == {"target": "queue"}
    assert fitting(settings, {"dial_mode": "progressive"}) == {}
    assert fitting(settings, {"dial_mode": "preview", "target": "agent"}) == {}


def test_of_what_a_browser_kept_only_real_settings_are_taken() -> None:
    kept = {
        "name": "Kept",
        "concurrency": "many",
        "unheard_of": 1,
        "schedule": [{"start": "never"}],
        "cooloff_2nd_s": None,
    }
    assert readable(kept) == {"name": "Kept", "cooloff_2nd_s": None}


def test_every_choice_of_the_api_has_its_words() -> None:
    chosen = {
        "dial_mode": DialMode,
        "gate": Gate,
        "target": Target,
        "no_agent": NoAgent,
        "machine_detection": MachineDetection,
        "on_cap": OnCap,
        "alternates": Alternates,
        "dispositions.effects": DispositionEffect,
    }
    for name, kind in chosen.items():
        table = name if "." in name else f"options.{name}"
        assert set(say.options(table)) == {str(value) for value in kind}, name
    assert set(say.options("outcomes")) == {str(outcome) for outcome in set(Outcome) - SETTLED}
    assert all(say.has(f"fields.{name}.label") for name in NEW)


# --- by role and state ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["sue", "anna", "rex"])
async def test_who_may_not_build_cannot_open_it(user_of: UserOf, scene: Scene, login: str) -> None:
    user = await user_of(login)
    for path in ("/campaigns/new", f"/campaigns/{scene.draft}/edit"):
        answer = await user.http_client.get(path)
        assert answer.status_code == 403
        assert "This page is not for your role" in answer.text
        assert "Concurrency" not in answer.text


async def test_a_new_campaign_has_the_usual_values_of_the_api(user_of: UserOf, parts: Parts) -> None:
    adam = await user_of("adam")
    await adam.open("/campaigns/new")
    put(adam, "Name", "Plain")
    put(adam, "Queue", "sales")
    await press(adam, "Save and continue")
    await _until_at(adam, "/campaigns/6/edit?step=contacts")
    assert await _settings(parts, 6) == CampaignSettings(name="Plain", queue="sales")


async def test_what_is_refused_stands_beside_its_field_and_nothing_is_stored(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/campaigns/new")
    put(olga, "Concurrency (calls in flight)", 500)
    await press(olga, "Save and continue")
    await until(lambda: told_at(olga, "Name") != "", "to be refused")
    assert told_at(olga, "Name") == "give the campaign a name, of up to 200 characters"
    assert told_at(olga, "Concurrency (calls in flight)") == "from 1 to 50 calls in flight"
    assert told_at(olga, "Queue") == "2 to 40 letters, digits, '-' or '_', as Asterisk calls the queue"
    assert len(await parts.stores.campaigns.list()) == 5


async def test_how_the_queue_stands_is_shown(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/edit")
    await olga.should_see("Callers wait: they go first, and the campaign waits.")
    await olga.should_see("Agents free")
    await olga.should_see("Whose phone rings: in turn (rrmemory)")
    await olga.should_see("This campaign is running")


async def test_only_what_was_changed_is_sent(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    """What somebody else changes meanwhile, elsewhere in the campaign, is not undone."""
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/edit?step=routing")
    put(olga, "Ring timeout (s)", 25)
    await press(olga, "Save and close")
    await until(lambda: olga.back_history[-1] == f"/campaigns/{scene.running}", "to be led to the campaign")
    settings = await _settings(parts, scene.running)
    assert settings.ring_timeout_s == 25
    (entry,) = [one for one in await _audit(olga) if one["action"].startswith("PATCH")]
    assert entry["details"] == {"changed": ["ring_timeout_s"]}


async def _audit(user: User) -> list[dict[str, Any]]:
    answer = await user.http_client.get("/api/v1/audit-log")
    return list(answer.json()["items"])


@pytest.mark.parametrize(("button", "pace"), [("Save mine too", 4.5), ("Drop mine", 3.0)])
async def test_a_change_of_somebody_else_is_told_with_a_choice(
    user_of: UserOf, parts: Parts, scene: Scene, button: str, pace: float
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/edit")
    await parts.stores.campaigns.edit(scene.running, {"concurrency": 7})
    put(olga, "Pacing (calls per second)", 4.5)
    await press(olga, "Save and continue")
    await olga.should_see("Somebody else has changed this campaign")
    await olga.should_see("Changed since you opened it: Concurrency (calls in flight).")
    await olga.should_see("Changed by you: Pacing (calls per second).")
    page = olga.client
    await press(olga, button)
    await until(lambda: olga.client is not page, "the next page, once it is saved")
    await olga.should_not_see("Somebody else has changed this campaign")
    await olga.should_see("Save and continue")
    settings = await _settings(parts, scene.running)
    assert (settings.calls_per_second, settings.concurrency) == (pace, 7)


async def test_the_review_shows_everything_and_why_it_cannot_start(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.draft}/edit?step=schedule")
    await olga.should_see("leads: the campaign has none yet, upload some")
    await olga.should_see("Go to Contacts and number pool")
    await olga.should_see("Winter renewals")
    await olga.should_see("3600 s (60 min)")


async def test_a_start_too_soon_is_refused_beside_its_field(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.draft}/edit?step=schedule")
    soon = datetime.now(UTC) + timedelta(minutes=2)
    put(olga, "Start time", soon.strftime("%Y-%m-%dT%H:%M"))
    await press(olga, "Save as Scheduled")
    await until(lambda: "at least 5 minutes from now" in told_at(olga, "Start time"), "to be refused")
    assert (await parts.stores.campaigns.get_campaign(scene.draft)).status is CampaignStatus.DRAFT


async def test_a_running_campaign_is_offered_neither_a_start_nor_a_time(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/edit?step=schedule")
    await olga.should_see("Save changes")
    await olga.should_not_see("Start now")
    await olga.should_not_see("Save as Scheduled")


async def test_a_voice_menu_needs_no_queue(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.http_client.put(
        "/api/v1/menus/confirm", json={"nodes": {"start": {"prompt": "beep", "choices": {"1": {"action": "end"}}}}}
    )
    await olga.open("/campaigns/new")
    put(olga, "Name", "Confirmations")
    put(olga, "Queue", "")
    put(olga, "Voice menu", "confirm")
    await press(olga, "Save and continue")
    await _until_at(olga, "/campaigns/6/edit?step=contacts")
    settings = await _settings(parts, 6)
    assert (settings.queue, settings.target, settings.menu) == ("", Target.MENU, "confirm")


# --- in a browser -----------------------------------------------------------------------------------------------------


async def _choose(page: Page, label: str, option: str) -> None:
    await page.get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def _step(page: Page, name: str) -> None:
    await page.get_by_role("button", name="Save and continue").click()
    await page.wait_for_url(f"**/edit?step={name}")
    await settled(page)


async def test_in_a_browser_a_progressive_campaign_is_built_from_nothing(
    page_of: PageOf, address: str, parts: Parts, scene: Scene
) -> None:
    first = await page_of("olga")
    await first.goto(f"{address}/campaigns/new")
    await settled(first)
    await first.get_by_label("Name", exact=True).fill("Spring 2026 lead-qual batch 1")
    await first.wait_for_function("() => Object.values(localStorage).some(kept => kept.includes('lead-qual'))")
    await first.close()

    page = await first.context.new_page()  # what a closed tab had not saved is offered again
    await page.goto(f"{address}/campaigns/new")
    await settled(page)
    await page.get_by_role("button", name="Take it up again").click()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Spring 2026 lead-qual batch 1")
    await page.get_by_label("Note").fill("those who asked in May")
    await page.get_by_role("radio", name="One free agent").click()
    await _choose(page, "Queue", "care")
    await page.get_by_text("Agents free").wait_for()
    await page.get_by_label("Pacing (calls per second)").fill("3")
    await page.get_by_label("Concurrency (calls in flight)").fill("15")
    await page.get_by_role("switch", name="Mask lead caller ID").click()
    await _step(page, "contacts")
    campaign = await parts.stores.campaigns.find("Spring 2026 lead-qual batch 1")
    await parts.stores.leads.add(campaign.id, [NewLead(number="+12025550150", first_name="Ada")])

    await _step(page, "routing")
    await page.get_by_role("radio", name="The agent who last spoke to the lead").click()
    await page.get_by_label("Customer wait for agent SLA (s)").fill("2")
    await page.get_by_label("Agent dial timeout (s)").fill("18")
    await page.get_by_role("radio", name="A message, as soon as").click()
    await page.get_by_role("switch", name="Record calls").click()
    await page.get_by_role("radio", name="Hang up on machines").click()
    await page.get_by_label("Machine audit (of 100)").fill("10")
    await page.get_by_label("Abandonment cap (of 100)").fill("2.5")
    await page.get_by_label("Cool-off (s)", exact=True).fill("1800")
    await page.get_by_label("2nd cool-off (s)").fill("7200")
    await page.get_by_label("Dial cycles", exact=True).fill("2")
    await page.get_by_label("Dial cycles time").fill("06:00")
    await page.get_by_role("radio", name="At each attempt").click()
    await page.get_by_label("Wait (s): Busy").fill("300")
    await page.get_by_role("button", name="Remove disposition 2").click()
    await page.get_by_role("button", name="Add a disposition").click()
    await page.get_by_label("Code 7").fill("sold")
    await page.get_by_label("Button 7").fill("Sold")
    await _step(page, "schedule")

    await page.get_by_role("radio", name="Hours of its own").click()
    await page.get_by_label("Start time", exact=True).first.fill("10:00")
    await page.get_by_role("img", name="Monday").or_(page.get_by_role("img", name="Mon: 10:00–17:00")).wait_for()
    await page.get_by_role("radio", name="Dial by Schedule by Timezone").click()
    await page.get_by_role("button", name="Add a day").click()
    await page.get_by_text("Nothing is in the way").wait_for()
    await page.get_by_role("button", name="Start now").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url(f"**/campaigns/{campaign.id}")

    built = await parts.stores.campaigns.get_campaign(campaign.id)
    assert built.status is CampaignStatus.RUNNING
    kept = [disposition for disposition in DISPOSITIONS if disposition.code != "not_interested"]
    assert built.settings == CampaignSettings(
        name="Spring 2026 lead-qual batch 1",
        note="those who asked in May",
        queue="care",
        gate=Gate.RATE,
        calls_per_second=3,
        concurrency=15,
        mask_lead_caller_id=True,
        target=Target.LAST_AGENT,
        customer_wait_sla_s=2,
        agent_dial_timeout_s=18,
        no_agent=NoAgent.MESSAGE_AT_SLA,
        recording=True,
        machine_detection=MachineDetection.HANG_UP,
        machine_audit_pct=10,
        abandonment_cap_pct=2.5,
        cooloff_s=1800,
        cooloff_2nd_s=7200,
        dial_cycles=2,
        dial_cycles_time=time(6),
        alternates=Alternates.EACH_ATTEMPT,
        outcome_rules={Outcome.BUSY: OutcomeRule(delay_s=300)},
        dispositions=(*kept, Disposition(code="sold", title="Sold", effect=DispositionEffect.DONE)),
        schedule=(ScheduleRow(start=time(10), end=time(17), weekdays=WORKDAYS),),
        day_plan=DayPlan(
            days=(PlannedDay(day=0, times=(time(9), time(13))), PlannedDay(day=1, times=(time(9),))), window_h=1.0
        ),
    )
