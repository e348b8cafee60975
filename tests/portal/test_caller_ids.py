"""The numbers that calls show: the pool of a campaign, and what the account has."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from nicegui import ui
from nicegui.testing import User

from dialerd.api.parts import Parts
from dialerd.domain.caller_id import CallerId, CallerIdType, PoolEntry, PoolNumber, Rotation
from dialerd.portal import site
from dialerd.portal.caller_id_pool import draw_pool
from dialerd.portal.frame import Page, heading
from dialerd.portal.visit import Visit
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import PATIENCE, confirm, items, press, press_icon, put, rows, told_at, until
from tests.portal.scene import MAIN_NUMBERS, Scene

POOL = ["+12025550110", "+12025550111", "+12025550112", "+12025550113"]
OWN = "+12025550120"


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that shows the pool, and nothing else."""

    async def show(visit: Visit) -> None:
        heading("Pool")
        await draw_pool(visit, int(visit.id("campaign_id")))

    shown = Page(path="/try/{campaign_id}", title="Pool", show=show)
    monkeypatch.setattr(site, "PAGES", (*site.PAGES, shown))


async def _pool(parts: Parts, scene: Scene) -> list[PoolNumber]:
    return list(await parts.stores.caller_ids.of_campaign(scene.draft))


async def _numbers(parts: Parts, scene: Scene) -> list[str]:
    return [one.caller_id.number for one in await _pool(parts, scene)]


async def _remove(user: User, number: str) -> None:
    (item,) = [item for item in items(user, "number", "name") if item["number"] == number]
    table = user.find(kind=ui.table)
    table.elements.intersection_update({each for each in table.elements if item in each.rows})
    table.trigger("do", {"column": "remove", "row": item})
    await user.should_see(f"Remove {number}")
    await confirm(user, "Remove")


async def _until_set(parts: Parts, campaign_id: int, wanted: tuple[bool, Rotation]) -> None:
    for _ in range(PATIENCE):
        settings = (await parts.stores.campaigns.get_campaign(campaign_id)).settings
        if (settings.caller_id_enabled, settings.rotation) == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"in vain: {wanted}")


async def _until_pool(parts: Parts, scene: Scene, numbers: list[str]) -> None:
    found: list[str] = []
    for _ in range(PATIENCE):
        if (found := await _numbers(parts, scene)) == numbers:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"in vain: {numbers}, not {found}")


# --- the pool of a campaign -------------------------------------------------------------------------------------------


async def test_numbers_of_the_account_and_custom_ones_come_into_the_pool(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await press(olga, "Add")
    await until(lambda: told_at(olga, "Numbers of the account") == "Choose at least one.", "what is wrong")
    put(olga, "Numbers of the account", [OWN])
    await press(olga, "Add")
    await olga.should_see("5 of at most 50 numbers")
    put(olga, "Type", "custom")
    put(olga, "Number (E.164)", "+1 202-555-0150")
    put(olga, "Name", "<script>alert(1)</script>")
    await press(olga, "Add")
    await olga.should_see("6 of at most 50 numbers")
    await olga.should_see(kind=ui.label, content="<script>alert(1)</script>")
    added = (await _pool(parts, scene))[-2:]
    assert [(one.caller_id.number, one.type) for one in added] == [
        (OWN, CallerIdType.ACCOUNT),
        ("+12025550150", CallerIdType.CUSTOM),
    ]
    assert added[0].caller_id.name == MAIN_NUMBERS[OWN]


async def test_the_first_number_of_a_pool_switches_it_on_and_a_further_one_leaves_it_as_it_is(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    await parts.stores.caller_ids.replace(scene.paused, [])
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.paused}")
    put(olga, "Type", "custom")
    put(olga, "Number (E.164)", "+1 202-555-0150")
    await press(olga, "Add")
    await olga.should_see("1 of at most 50 numbers")
    await olga.should_not_see("are off")
    await _until_set(parts, scene.paused, (True, Rotation.ROUND_ROBIN))
    olga.find(kind=ui.switch, content="Enabled").click()
    await _until_set(parts, scene.paused, (False, Rotation.ROUND_ROBIN))
    put(olga, "Number (E.164)", "+1 202-555-0151")
    await press(olga, "Add")
    await olga.should_see("2 of at most 50 numbers")
    await olga.should_see("are off")


async def test_a_number_that_cannot_be_shown_is_refused(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    put(olga, "Type", "custom")
    put(olga, "Number (E.164)", "sales")
    await press(olga, "Add")
    await until(lambda: "digits" in told_at(olga, "Number (E.164)"), "an error beside the field")
    assert await _numbers(parts, scene) == POOL


def _shown(user: User) -> list[str]:
    with user:
        labels = [each for each in user.find(kind=ui.label).elements if each.text in POOL]
    return [label.text for label in sorted(labels, key=lambda label: label.id)]


async def test_the_order_is_changed_and_a_number_removed_once_that_is_confirmed(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    press_icon(olga, f"Move {POOL[1]} up")
    await _until_pool(parts, scene, [POOL[1], POOL[0], *POOL[2:]])
    await until(lambda: _shown(olga) == [POOL[1], POOL[0], *POOL[2:]], "the new order on the page")
    press_icon(olga, f"Remove {POOL[0]}")
    await olga.should_see("Calls of this campaign do not show it any more.")
    await confirm(olga, "Remove")
    await _until_pool(parts, scene, [POOL[1], *POOL[2:]])


async def test_a_number_is_capped_and_rests_by_the_clock_of_the_account(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    wanted = (datetime.now(UTC) + timedelta(days=30)).replace(second=0, microsecond=0)
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    press_icon(olga, f"Cap and rest of {POOL[0]}")
    await olga.should_see("Most calls a day")
    put(olga, "Most calls a day", 100)
    put(olga, "Rests until", f"{wanted:%Y-%m-%dT%H:%M}")
    await press(olga, "Save")
    await olga.should_see(f"Rests until {wanted:%Y-%m-%d %H:%M}")
    await olga.should_see("0 of 100 today")
    first = (await _pool(parts, scene))[0]
    assert (first.daily_cap, first.resting_until) == (100, wanted)


async def test_what_calls_show_without_the_pool_is_told_when_it_is_switched_off(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.paused}")
    await olga.should_see(f"its calls show {OWN}, the number of the queue sales")
    olga.find(kind=ui.switch, content="Enabled").click()
    await olga.should_not_see("are off")
    put(olga, "Rotation", "sticky")
    await _until_set(parts, scene.paused, (True, Rotation.STICKY))


async def test_who_may_not_build_sees_the_pool_only(user_of: UserOf, scene: Scene) -> None:
    sue = await user_of("sue")
    await sue.open(f"/try/{scene.draft}")
    await sue.should_see(POOL[0])
    await sue.should_not_see(kind=ui.button, content="Add")
    with sue:
        assert not any(switch.enabled for switch in sue.find(kind=ui.switch).elements)


# --- what the account has ---------------------------------------------------------------------------------------------


async def test_a_main_number_is_added_renamed_and_removed_unless_a_campaign_shows_it(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    olga = await user_of("olga")
    await olga.open("/caller-ids")
    await press(olga, "Add a main number")
    await olga.should_see(kind=ui.input, content="Number")
    await press(olga, "Save")
    await until(lambda: told_at(olga, "Number") == "3 to 15 digits, with or without a plus sign", "what is wrong")
    put(olga, "Number", "+1 (202) 555-0130")
    put(olga, "Name", "Reception")
    await press(olga, "Save")
    await until(lambda: ("+12025550130", "Reception") in rows(olga, "number", "name"), "the new number")

    await parts.stores.caller_ids.replace(scene.draft, [PoolEntry(number=OWN, type=CallerIdType.ACCOUNT)])
    await _remove(olga, OWN)
    await olga.should_see(f"{OWN} is shown by Winter renewals")
    await _remove(olga, "+12025550130")
    await until(lambda: len(rows(olga, "number", "name")) == len(MAIN_NUMBERS), "the number is gone")
    assert CallerId(number="+12025550130", name="Reception") not in await parts.stores.caller_ids.account_numbers(
        scene.account_id
    )


async def test_in_a_browser_a_queue_gets_its_number_and_a_country_its_beginnings(
    page_of: PageOf, address: str, parts: Parts, scene: Scene
) -> None:
    page = await page_of("adam")
    await page.goto(f"{address}/caller-ids")
    await settled(page)
    await page.get_by_role("button", name="Give a queue its number").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Queue").fill("care")
    await dialog.get_by_label("Number").fill("+12025550121")
    await dialog.get_by_label("Number").press("Enter")
    await page.get_by_role("cell", name="care", exact=True).wait_for()
    await page.get_by_role("button", name="Add a country").click()
    await dialog.get_by_label("Country").fill("Utopia"[:2])
    await dialog.get_by_label("Beginnings").fill("+49 30, +4989")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_text("a code of ISO 3166").wait_for()
    await dialog.get_by_label("Country").fill("de")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("cell", name="+4930, +4989").wait_for()
    assert (await parts.stores.caller_ids.prefixes(scene.account_id))["DE"] == ("+4930", "+4989")
    assert "care" in await parts.stores.caller_ids.queue_numbers(scene.account_id)


async def test_who_does_not_build_is_not_shown_the_numbers(user_of: UserOf) -> None:
    for login in ("sue", "anna", "rex"):
        user = await user_of(login)
        assert (await user.http_client.get("/caller-ids")).status_code == 403
