"""The CRM of a campaign over the API: where its leads come from, what it has, and the taking of them by a job."""

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from dialerd.domain.roles import Role
from dialerd.settings import CrmSettings, Settings
from dialerd.store.pool import Pool
from tests.fakes.fake_crm import FakeCrm, says
from tests.integration.api.conftest import ClientOf
from tests.integration.api.test_leads import a_campaign, numbers_of
from tests.integration.api.test_uploads import ended

pytestmark = pytest.mark.integration

ADA, BEN = "+12025550101", "+12025550102"


@pytest.fixture
def crm(app: FastAPI) -> Iterator[FakeCrm]:
    settings = CrmSettings(allowed_networks=(ip_network("127.0.0.1/32"),), secrets={"crm": SecretStr("hush")})
    app.state.parts = replace(app.state.parts, settings=Settings(crm=settings))
    with FakeCrm().running() as crm:
        crm.answers["/leads"] = says({"data": [{"name": "Ada", "phone": ADA}, {"name": "Ben", "phone": BEN}]})
        yield crm


def source(crm: FakeCrm, **changes: Any) -> dict[str, Any]:
    return {
        "url": crm.url(),
        "headers": {"Authorization": "Bearer {secret:crm}"},
        "mapping": {"leads_array": "data", "first_name": "name", "number": "phone"},
        **changes,
    }


async def with_source(owner: httpx.AsyncClient, crm: FakeCrm) -> str:
    """The path of the source."""
    path = f"/api/v1/campaigns/{await a_campaign(owner)}/crm-source"
    put = await owner.put(path, json=source(crm))
    assert put.status_code == 200, put.text
    return path


async def test_a_source_is_put_shown_without_its_secret_and_forgotten(owner: httpx.AsyncClient, crm: FakeCrm) -> None:
    path = await with_source(owner, crm)
    shown = await owner.get(path)
    assert shown.json() == {"source": source(crm), "synced_at": None}
    assert "hush" not in shown.text
    assert (await owner.delete(path)).status_code == 204
    assert (await owner.get(path)).status_code == 404


async def test_the_first_leads_are_shown_and_nothing_is_stored(owner: httpx.AsyncClient, crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"data": [{"name": "Ada", "phone": ADA}, {"name": "Bad", "phone": "911"}]})
    path = await with_source(owner, crm)
    shown = (await owner.post(f"{path}/preview", params={"limit": 2})).json()
    assert [lead["lead"]["number"] for lead in shown["leads"]] == [ADA]
    assert [(flaw["row"], flaw["column"]) for flaw in shown["flaws"]] == [(2, "number")]
    assert crm.seen[0].headers["authorization"] == "Bearer hush"
    assert await numbers_of(owner, 1) == []


async def test_a_source_is_tried_before_it_is_stored(owner: httpx.AsyncClient, crm: FakeCrm) -> None:
    path = f"/api/v1/campaigns/{await a_campaign(owner)}/crm-source"
    shown = await owner.post(f"{path}/preview", json=source(crm))
    assert [lead["lead"]["number"] for lead in shown.json()["leads"]] == [ADA, BEN], shown.text
    assert (await owner.get(path)).status_code == 404
    wrong = source(crm, mapping={"leads_array": "data"})
    refused = await owner.post(f"{path}/preview", json=wrong)
    assert (refused.status_code, "mapping.number: is missing" in refused.json()["problems"]) == (422, True)


async def test_all_leads_are_taken_by_a_job(owner: httpx.AsyncClient, crm: FakeCrm) -> None:
    path = await with_source(owner, crm)
    job = await ended(owner, await owner.post(f"{path}/sync"))
    assert (job["state"], job["kind"], job["rows_read"], job["report"]["added"]) == ("done", "crm_sync", 2, 2)
    assert (await owner.get(path)).json()["synced_at"] is not None


async def test_a_crm_that_answers_nonsense_is_told(owner: httpx.AsyncClient, crm: FakeCrm) -> None:
    path = await with_source(owner, crm)
    crm.answers["/leads"] = says({"other": []})
    job = await ended(owner, await owner.post(f"{path}/sync"))
    assert (job["state"], "leads_array" in job["error"]) == ("failed", True)
    refused = await owner.post(f"{path}/preview")
    assert (refused.status_code, refused.json()["type"]) == (502, "/problems/crm-unusable")


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "DELETE"},
        {"headers": {"X-Token": "hush"}},
        {"veryfy": True},
        {"mapping": {"leads_array": "data"}},
        {"method": "POST", "body": {"a": "b\0c"}},
        {"method": "POST", "body": {"a": "\ud83d"}},
    ],
)
async def test_a_source_that_is_wrong_is_refused(
    owner: httpx.AsyncClient, crm: FakeCrm, changes: dict[str, Any]
) -> None:
    path = f"/api/v1/campaigns/{await a_campaign(owner)}/crm-source"
    body = json.dumps(source(crm, **changes))  # which can say half a character
    refused = await owner.put(path, content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, "hush" in refused.text) == (422, False)


async def test_a_running_campaign_is_not_synced(owner: httpx.AsyncClient, crm: FakeCrm, pool: Pool) -> None:
    path = await with_source(owner, crm)
    await pool.execute("UPDATE campaigns SET status = 'running'")
    assert (await owner.post(f"{path}/sync")).status_code == 409


async def test_a_supervisor_neither_sees_nor_asks_the_crm(
    owner: httpx.AsyncClient, crm: FakeCrm, client_of: ClientOf
) -> None:
    path = await with_source(owner, crm)
    supervisor = client_of(Role.SUPERVISOR)
    assert (await supervisor.get(path)).status_code == 403
    assert (await supervisor.post(f"{path}/preview")).status_code == 403
    assert (await supervisor.post(f"{path}/sync")).status_code == 403
    assert crm.seen == []
