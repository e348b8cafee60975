"""Leads from a file and from a CRM: what goes in, what is wrong with it, and when it is not possible."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User
from playwright.async_api import expect
from pydantic import SecretStr

from dialerd.api.parts import Parts
from dialerd.errors import NotFound
from dialerd.portal import site
from dialerd.portal.file_drop import FileDrop
from dialerd.portal.frame import Page, heading
from dialerd.portal.lead_import import draw_import
from dialerd.portal.visit import Visit
from dialerd.settings import CrmSettings
from dialerd.store.pool import Pool
from tests.fakes.fake_crm import FakeCrm, says
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import PATIENCE, confirm, is_enabled, press, put, rows, told_at, until
from tests.portal.scene import Scene
from tests.portal.server import parts_over

ADA, BEN, ON_DNC = "+12025550101", "+12025550102", "+12025550180"
FILE = f"""number,priority,first_name,city
{ADA},5,Ada,Oslo
{BEN},5,Ben,Lyon
{ADA},5,Ada again,Oslo
12,5,<script>alert(1)</script>,Leeds
{ON_DNC},5,Dora,Leeds
"""
GOOD = f"number,priority,first_name\n{ADA},5,Ada\n{BEN},5,Ben\n"


@pytest.fixture
def parts(pool: Pool) -> Parts:
    crm = CrmSettings(allowed_networks=(ip_network("127.0.0.1/32"),), secrets={"crm": SecretStr("hush")})
    parts = parts_over(pool)
    return replace(parts, settings=parts.settings.model_copy(update={"crm": crm}))


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that shows the import, and nothing else."""

    async def show(visit: Visit) -> None:
        heading("Import")
        await draw_import(visit, int(visit.id("campaign_id")))

    shown = Page(path="/try/{campaign_id}", title="Import", show=show)
    monkeypatch.setattr(site, "PAGES", (*site.PAGES, shown))


@pytest.fixture
def crm() -> Iterator[FakeCrm]:
    with FakeCrm().running() as crm:
        crm.answers["/leads"] = says({"data": [{"name": "Ada", "phone": ADA}, {"name": "Bad", "phone": "911"}]})
        yield crm


async def _numbers(pool: Pool, campaign_id: int) -> list[str]:
    found = await pool.fetch("SELECT number FROM leads WHERE campaign_id = $1 ORDER BY number", campaign_id)
    return [row["number"] for row in found]


async def _send(user: User, campaign_id: int, content: str, **options: str) -> None:
    """What the browser does: the file to the API, its answer to the page."""
    answer = await user.http_client.post(
        f"/api/v1/campaigns/{campaign_id}/leads/upload", files={"file": ("may.csv", content)}, params=options
    )
    user.find(FileDrop).trigger("sent", {"status": answer.status_code, "body": answer.text})


# --- a file -----------------------------------------------------------------------------------------------------------


async def test_in_a_browser_a_file_is_refused_for_its_bad_rows_and_taken_without_them(
    page_of: PageOf, address: str, scene: Scene, pool: Pool, tmp_path: Path
) -> None:
    (tmp_path / "may.csv").write_text(FILE)
    page = await page_of("olga")
    await page.goto(f"{address}/try/{scene.draft}")
    await settled(page)
    await page.locator("input[type=file]").set_input_files(tmp_path / "may.csv")
    await page.get_by_role("button", name="Upload").click()
    await page.get_by_text("2 rows cannot be used.").wait_for()
    await expect(page.get_by_text("the same number as in line 2").first).to_be_visible()
    assert await _numbers(pool, scene.draft) == []

    await page.get_by_label("Bad rows").first.click()
    await page.get_by_role("option", name="Store the good rows").click()
    await page.get_by_role("button", name="Upload").click()  # the file is still chosen
    await page.get_by_text("1 of these leads are on a do-not-call list").wait_for()
    await expect(page.get_by_text("may.csv: done")).to_be_visible()
    assert await _numbers(pool, scene.draft) == [ADA, BEN, ON_DNC]


async def test_what_came_of_a_file_is_shown_and_what_is_wrong_with_it_stays_text(
    user_of: UserOf, scene: Scene, pool: Pool
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await _send(olga, scene.draft, FILE.replace("5,Ada again", "<b>high</b>,Ada"), on_bad_rows="keep")
    await olga.should_see("may.csv: done")
    assert ("4", "priority", "<b>high</b>") in rows(olga, "row", "column", "value")
    await olga.should_see("On a do-not-call list")
    await olga.should_see(kind=ui.link, content="See the blocked leads")
    assert await _numbers(pool, scene.draft) == [ADA, BEN, ON_DNC]


async def test_who_comes_back_sees_what_came_of_the_last_file(user_of: UserOf, scene: Scene, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await _send(olga, scene.draft, GOOD)
    await parts.jobs.idle()
    await olga.open(f"/try/{scene.draft}")
    await olga.should_see("Last import")
    await olga.should_see("Added")
    await _send(olga, scene.draft, GOOD)
    await olga.should_see("This very file came before")


async def test_a_file_that_the_api_refuses_is_told_above_the_fields(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await _send(olga, scene.draft, GOOD, region="XX")
    await olga.should_see("is no country")
    olga.find(FileDrop).trigger("sent", {"status": 0, "body": ""})
    await olga.should_see("could not be sent")


# --- while it runs ----------------------------------------------------------------------------------------------------


async def test_while_a_campaign_runs_nothing_can_be_uploaded_or_synced_until_it_stops(
    user_of: UserOf, scene: Scene, parts: Parts, pool: Pool, crm: FakeCrm
) -> None:
    await parts.stores.crm_sources.put(scene.running, _source(crm))
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.running}")
    await olga.should_see("While a campaign is Running, you cannot upload, sync, or delete leads")
    assert not is_enabled(olga, "Sync")
    with olga:
        assert next(iter(olga.find(FileDrop).elements)).props["closed"]
    await pool.execute("UPDATE campaigns SET status = 'stopped' WHERE id = $1", scene.running)
    await olga.should_not_see("While a campaign is Running", retries=2 * PATIENCE)
    assert is_enabled(olga, "Sync")


# --- a CRM ------------------------------------------------------------------------------------------------------------


def _source(crm: FakeCrm) -> dict[str, Any]:
    return {
        "url": crm.url(),
        "headers": {"Authorization": "Bearer {secret:crm}"},
        "mapping": {"leads_array": "data", "first_name": "name", "number": "phone", "custom": {"city": "town"}},
        "results": {
            "method": "PATCH",
            "url": "https://crm.example.com/results",
            "headers": {"X-Key": "{secret:crm}"},
            "mapping": {"properties.answer": "data.menu_result || data.outcome"},
        },
    }


async def _fill_source(user: User, crm: FakeCrm) -> None:
    await user.should_see("Import from CRM API")
    user.find(kind=ui.expansion, content="Where the CRM is").click()
    for label, value in (
        ("URL", crm.url()),
        ("Headers", "Authorization: Bearer {secret:crm}"),
        ("leads_array (mandatory)", "data"),
        ("first_name (mandatory)", "name"),
        ("number (mandatory)", "phone"),
    ):
        put(user, label, value)


async def test_a_crm_is_tried_saved_and_synced(user_of: UserOf, scene: Scene, pool: Pool, crm: FakeCrm) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await _fill_source(olga, crm)
    await press(olga, "Show a sample")
    await olga.should_see("The first leads of the CRM")
    assert rows(olga, "place", "number", "first_name") == [("1", ADA, "Ada")]
    assert [row[1] for row in rows(olga, "row", "column", "reason")] == ["number"]
    assert await _numbers(pool, scene.draft) == []

    crm.answers["/leads"] = says({"data": [{"name": "Ada", "phone": ADA}]})
    await press(olga, "Save")
    await olga.should_see("Not synced yet.")
    await press(olga, "Sync")
    await olga.should_see(": done")
    assert await _numbers(pool, scene.draft) == [ADA]
    assert crm.seen[-1].headers["authorization"] == "Bearer hush"
    await olga.should_see("Last synced")


async def test_what_is_changed_has_to_be_saved_before_a_sync_and_nothing_else_changes_by_it(
    user_of: UserOf, scene: Scene, parts: Parts, crm: FakeCrm
) -> None:
    await parts.stores.crm_sources.put(scene.draft, _source(crm))
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    assert is_enabled(olga, "Sync")
    put(olga, "last_name", "family")
    await olga.should_see("Save first")
    assert not is_enabled(olga, "Sync")
    await press(olga, "Save")
    await until(lambda: is_enabled(olga, "Sync"), "Sync after Save")
    stored = (await parts.stores.crm_sources.get(scene.draft)).source
    mapping = {**_source(crm)["mapping"], "last_name": "family"}
    assert dict(stored) == {**_source(crm), "mapping": mapping}


async def test_a_crm_is_told_results_where_and_in_which_words_it_wants(
    user_of: UserOf, scene: Scene, parts: Parts, crm: FakeCrm
) -> None:
    plain = {name: value for name, value in _source(crm).items() if name != "results"}
    await parts.stores.crm_sources.put(scene.draft, plain)
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    put(olga, "Fields of the CRM", "answer = outcome[\nat = ended_at")
    put(olga, "Headers of results", "X-Token: hush")
    await press(olga, "Save")
    await until(lambda: told_at(olga, "URL for results") == "is missing", "an error beside the field")
    await olga.should_see("X-Token: looks like a credential")
    await olga.should_see("answer: is not a path")
    put(olga, "URL for results", "https://crm.example.com/results")
    put(olga, "Headers of results", "")
    put(olga, "Fields of the CRM", "answer = data.outcome")
    await press(olga, "Save")
    await until(lambda: is_enabled(olga, "Sync"), "Sync after Save")
    results = {"url": "https://crm.example.com/results", "mapping": {"answer": "data.outcome"}}
    assert dict((await parts.stores.crm_sources.get(scene.draft)).source) == {**plain, "results": results}
    put(olga, "URL for results", "")
    put(olga, "Fields of the CRM", "")
    await press(olga, "Save")
    await until(lambda: is_enabled(olga, "Sync"), "Sync after Save")
    assert dict((await parts.stores.crm_sources.get(scene.draft)).source) == plain


async def test_what_is_wrong_with_a_mapping_stands_beside_its_fields(
    user_of: UserOf, scene: Scene, crm: FakeCrm
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await _fill_source(olga, crm)
    for label in ("leads_array (mandatory)", "first_name (mandatory)", "number (mandatory)"):
        put(olga, label, "")
    put(olga, "Headers", "X-Token: hush")
    await press(olga, "Save")
    await until(lambda: told_at(olga, "number (mandatory)") == "is missing", "an error beside the field")
    await olga.should_see("X-Token: looks like a credential")
    put(olga, "Method", "POST")
    put(olga, "Body (JSON)", "{status")
    await press(olga, "Save")
    await olga.should_see("is no JSON")


async def test_a_crm_is_forgotten_once_that_is_confirmed(
    user_of: UserOf, scene: Scene, parts: Parts, crm: FakeCrm
) -> None:
    await parts.stores.crm_sources.put(scene.draft, _source(crm))
    olga = await user_of("olga")
    await olga.open(f"/try/{scene.draft}")
    await press(olga, "Forget this CRM")
    await olga.should_see("Leads that came from it stay.")
    await confirm(olga, "Forget this CRM")
    await olga.should_not_see(kind=ui.button, content="Sync")
    with pytest.raises(NotFound):
        await parts.stores.crm_sources.get(scene.draft)


# --- by role ----------------------------------------------------------------------------------------------------------


async def test_a_supervisor_is_offered_the_export_alone_and_who_only_looks_nothing(
    user_of: UserOf, scene: Scene
) -> None:
    sue = await user_of("sue")
    await sue.open(f"/try/{scene.draft}")
    await sue.should_see("Export the leads")
    await sue.should_not_see("Sample CSV file")
    await sue.should_not_see("Import from CRM API")
    rex = await user_of("rex")
    await rex.open(f"/try/{scene.draft}")
    await rex.should_not_see("Export the leads")
