"""The do-not-call list: who may look, what comes onto it, and what leaves it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from playwright.async_api import expect

from dialerd.api.parts import Parts
from dialerd.portal.dates import end_of_day, time_field, time_of
from dialerd.portal.file_drop import FileDrop
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import confirm, items, press, put, rows, told_at, until
from tests.portal.scene import Scene

FREE, LISTED, ON_BOTH, EVERYBODYS = "+12025550101", "+12025550181", "+12025550180", "+12025550170"
PATH = "/do-not-call"


@pytest.mark.parametrize("login", ["anna", "sue"])
async def test_who_keeps_no_list_checks_single_numbers_and_sees_no_list(user_of: UserOf, login: str) -> None:
    user = await user_of(login)
    await user.open(PATH)
    put(user, "Phone number to check", "(202) 555-0181")
    await press(user, "Check")
    await user.should_see(f"{LISTED} must not be called")
    await user.should_see("asked on the phone")
    put(user, "Phone number to check", FREE)
    await press(user, "Check")
    await user.should_see(f"{FREE} may be called")
    await user.should_not_see("Add numbers")
    await user.should_not_see("Export the list")
    await user.should_not_see(kind=ui.table)


async def test_who_only_looks_is_not_shown_the_page(user_of: UserOf) -> None:
    rex = await user_of("rex")
    assert (await rex.http_client.get(PATH)).status_code == 403


async def test_what_is_no_number_is_told_beside_the_field(user_of: UserOf) -> None:
    anna = await user_of("anna")
    await anna.open(PATH)
    put(anna, "Phone number to check", "911")
    await press(anna, "Check")
    await until(lambda: bool(told_at(anna, "Phone number to check")), "an error beside the field")


async def test_everybodys_entries_are_shown_as_such_and_cannot_be_removed(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open(PATH)
    shown = rows(olga, "number", "list", "remove")
    assert (EVERYBODYS, "Everybody", "") in shown
    assert {row[1:] for row in shown if row[0] == ON_BOTH} == {("Everybody", ""), ("Account", "Remove")}
    assert ("<b>asked</b> in writing",) in rows(olga, "reason")


async def test_the_list_is_searched_by_number_and_by_reason(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open(f"{PATH}?number=%2B120255501817")
    assert rows(olga, "number") == []
    put(olga, "Number begins with", "1 202 555 0171")
    await press(olga, "Search")
    await until(lambda: rows(olga, "number") == [("+12025550171",)], "the number that was looked for")
    put(olga, "Number begins with", "")
    put(olga, "Part of the reason or source", "register")
    await press(olga, "Search")
    await until(lambda: rows(olga, "number") == [(EVERYBODYS,), (ON_BOTH,)], "those of the register")


async def test_a_number_is_added_until_the_end_of_a_day_and_removed_again(
    user_of: UserOf, parts: Parts, scene: Scene
) -> None:
    olga = await user_of("olga")
    await olga.open(PATH)
    put(olga, "Phone number", "202-555-0101")
    put(olga, "Reason", "asked by letter")
    put(olga, "Last day", "2090-01-31")
    await press(olga, "Add to the list")
    await olga.should_see(f"{FREE} is on the list now.")
    (entry,) = await parts.stores.dnc.in_force(FREE, scene.account_id)
    assert (entry.reason, entry.added_by) == ("asked by letter", "user olga")
    assert entry.expires_at == datetime(2090, 2, 1, tzinfo=UTC)

    def listed() -> list[dict[str, Any]]:
        return [row for row in items(olga, "number", "list") if row["number"] == FREE]

    await until(lambda: bool(listed()), "the number in the list")
    (row,) = listed()
    olga.find(kind=ui.table).trigger("do", {"column": "remove", "row": row})
    await olga.should_see("Remove it only if the person has agreed")
    await confirm(olga, "Remove")
    await olga.should_see(f"{FREE} may be called again.")
    assert not await parts.stores.dnc.contains(FREE, scene.account_id)


async def test_a_number_that_cannot_be_used_is_refused(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open(PATH)
    put(olga, "Phone number", FREE)
    put(olga, "Last day", "2001-01-31")
    await press(olga, "Add to the list")
    await olga.should_see("is over already")


async def test_several_are_pasted_and_the_bad_ones_told(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"{PATH}?add=several")
    put(olga, "Phone numbers, one a line", f"{FREE}\n+12025550102, nonsense\n{LISTED}")
    await press(olga, "Add them to the list")
    await olga.should_see("2 added, 0 prolonged, 1 not taken.")
    assert [row[0] for row in rows(olga, "row", "reason")] == ["3"]
    assert await parts.stores.dnc.contains("+12025550102", scene.account_id)


async def test_a_file_is_taken_by_a_job_whose_report_is_shown(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"{PATH}?add=file")
    answer = await olga.http_client.post("/api/v1/dnc/numbers/upload", files={"file": ("r.csv", f"{FREE}\n")})
    olga.find(FileDrop).trigger("sent", {"status": answer.status_code, "body": answer.text})
    await olga.should_see("r.csv: done")
    assert await parts.stores.dnc.contains(FREE, scene.account_id)
    await olga.open(f"{PATH}?add=file")
    await olga.should_see("Last upload")


async def test_in_a_browser_a_file_of_numbers_is_uploaded_and_the_list_downloaded(
    page_of: PageOf, address: str, tmp_path: Path
) -> None:
    (tmp_path / "register.csv").write_text(f"number,reason\n{FREE},<i>register</i>\n")
    page = await page_of("adam")
    await page.goto(f"{address}{PATH}")
    await settled(page)
    await page.get_by_role("tab", name="Upload a file").click()
    await page.locator("input[type=file]").set_input_files(tmp_path / "register.csv")
    await page.get_by_role("button", name="Upload", exact=True).click()
    await page.get_by_text("register.csv: done").wait_for()
    await expect(page.get_by_role("cell", name="<i>register</i>")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export the list").click()
    assert FREE in Path(await (await download.value).path()).read_text()


def test_days_and_times_are_read_by_the_clock_of_the_account() -> None:
    assert end_of_day("2027-03-27", "Europe/London") == "2027-03-28T00:00:00+00:00"
    assert end_of_day("2027-06-30", "Europe/London") == "2027-06-30T23:00:00+00:00"
    assert (end_of_day("", "UTC"), end_of_day("soon", "UTC"), end_of_day("9999-12-31", "UTC")) == (
        None,
        "soon",
        "9999-12-31",
    )
    assert time_of("2027-06-30T09:00", "Europe/London") == "2027-06-30T08:00:00+00:00"
    assert time_field("2027-06-30T08:00:00Z", "Europe/London") == "2027-06-30T09:00"
    assert (time_of("", "UTC"), time_field(None, "UTC")) == (None, "")
