"""The do-not-call list over the API."""

import httpx
import pytest

from dialerd.domain.roles import Role
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf
from tests.integration.api.test_uploads import CSV, ended

pytestmark = pytest.mark.integration

ADA, BEN, CHLOE = "+12025550101", "+12025550102", "+12025550103"


async def check(client: httpx.AsyncClient, number: str) -> dict[str, object]:
    return dict((await client.get("/api/v1/dnc/check", params={"number": number})).json())


async def listed(client: httpx.AsyncClient, **wanted: str | int) -> list[str]:
    """Over all pages."""
    found: list[str] = []
    following: str | None = ""
    while following is not None:
        query = httpx.QueryParams({**wanted, "after": following})
        page = (await client.get("/api/v1/dnc/numbers", params=query)).json()
        found += [entry["number"] for entry in page["items"]]
        following = page["next"]
    return found


async def test_a_number_is_forbidden_and_allowed_again(owner: httpx.AsyncClient, client_of: ClientOf) -> None:
    added = await owner.post("/api/v1/dnc/numbers", json={"number": "(202) 555-0101", "reason": "asked by phone"})
    assert (added.status_code, added.json()) == (201, {"number": ADA, "change": "new"})
    again = await owner.post("/api/v1/dnc/numbers", json={"number": ADA})
    assert again.json()["change"] == "none"
    told = await check(client_of(Role.AGENT), "202 555 0101")
    assert (told["number"], told["forbidden"]) == (ADA, True)
    assert (await owner.delete(f"/api/v1/dnc/numbers/{ADA}")).status_code == 204
    assert (await check(owner, ADA))["forbidden"] is False
    assert (await owner.delete(f"/api/v1/dnc/numbers/{ADA}")).status_code == 404


async def test_what_holds_for_everybody_is_shown_and_cannot_be_removed(
    owner: httpx.AsyncClient, stores: Stores
) -> None:
    await stores.dnc.add(ADA)
    assert (await check(owner, ADA))["forbidden"] is True
    (entry,) = (await owner.get("/api/v1/dnc/numbers")).json()["items"]
    assert entry["everybody"] is True
    assert (await owner.delete(f"/api/v1/dnc/numbers/{ADA}")).status_code == 404


async def test_the_list_of_another_account_is_its_own(owner: httpx.AsyncClient, stores: Stores) -> None:
    other = await stores.accounts.create("other")
    await stores.dnc.add(ADA, other.id)
    assert (await check(owner, ADA))["forbidden"] is False
    assert await listed(owner) == []
    assert (await owner.delete(f"/api/v1/dnc/numbers/{ADA}")).status_code == 404
    assert ADA not in (await owner.get("/api/v1/dnc/numbers/export")).text


async def test_many_numbers_are_added_and_what_is_wrong_is_told(owner: httpx.AsyncClient) -> None:
    numbers = [
        {"number": ADA, "reason": "asked"},
        {"number": "nonsense"},
        {"number": BEN, "source": "a\nb"},
        {"number": CHLOE},
    ]
    came = (await owner.post("/api/v1/dnc/numbers/bulk", json={"numbers": numbers})).json()
    assert (came["added"], came["prolonged"]) == (2, 0)
    assert [(flaw["index"], flaw["field"]) for flaw in came["invalid"]] == [(1, "number"), (2, "source")]
    assert await listed(owner, limit=1) == [ADA, CHLOE]
    assert await listed(owner, containing="ask") == [ADA]
    assert await listed(owner, number="+12025550103") == [CHLOE]
    refused = await owner.post("/api/v1/dnc/numbers/bulk", json={"numbers": numbers, "on_invalid": "refuse"})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/rows-refused")


async def test_a_file_of_numbers_is_taken_by_a_job(owner: httpx.AsyncClient) -> None:
    params: dict[str, str | int] = {"lasting_days": 30, "reason": "register", "name": "register.txt"}
    path = "/api/v1/dnc/numbers/upload"
    job = await ended(owner, await owner.post(path, content=f"{ADA}\n{BEN}\n", headers=CSV, params=params))
    assert (job["state"], job["kind"], job["report"]) == ("done", "dnc_upload", {"added": 2, "prolonged": 0})
    (entry, _) = (await owner.get("/api/v1/dnc/numbers")).json()["items"]
    assert (entry["reason"], entry["source"], entry["added_by"]) == ("register", "register.txt", "token owner")
    assert entry["expires_at"] is not None


async def test_a_file_with_a_bad_number_changes_nothing(owner: httpx.AsyncClient, pool: Pool) -> None:
    job = await ended(owner, await owner.post("/api/v1/dnc/numbers/upload", content=f"{ADA}\nx1\n", headers=CSV))
    assert (job["state"], job["flaws"][0]["row"]) == ("failed", 2)
    assert await pool.fetchval("SELECT count(*) FROM dnc_numbers") == 0


async def test_an_export_can_be_uploaded_again_and_no_text_of_it_is_a_formula(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/v1/dnc/numbers", json={"number": ADA, "reason": "=1+1"})
    exported = (await owner.get("/api/v1/dnc/numbers/export")).text
    assert f"{ADA},default,'=1+1,API,token owner" in exported
    job = await ended(owner, await owner.post("/api/v1/dnc/numbers/upload", content=exported, headers=CSV))
    assert (job["state"], job["rows_read"], job["report"]["added"]) == ("done", 1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"number": "nonsense"},
        {"number": ADA, "reason": "a\0b"},
        {"number": ADA, "reason": "a\nb"},
        {"number": ADA, "expires_at": "2001-01-01T00:00:00Z"},
        {"number": ADA, "expires_at": "2099-01-01T00:00:00"},
        {"number": ADA, "until": "tomorrow"},
    ],
)
async def test_what_no_entry_can_have_is_refused(owner: httpx.AsyncClient, body: dict[str, str]) -> None:
    assert (await owner.post("/api/v1/dnc/numbers", json=body)).status_code == 422


async def test_nonsense_is_refused_and_breaks_nothing(owner: httpx.AsyncClient) -> None:
    for path in ("/dnc/check?number=%00", "/dnc/check", "/dnc/numbers?containing=%00", "/dnc/numbers?after=x"):
        assert (await owner.get(f"/api/v1{path}")).status_code == 422
    assert (await owner.delete("/api/v1/dnc/numbers/%00")).status_code == 422


async def test_a_supervisor_may_ask_for_a_number_and_sees_no_list(client_of: ClientOf) -> None:
    supervisor = client_of(Role.SUPERVISOR)
    assert (await check(supervisor, ADA))["forbidden"] is False
    assert (await supervisor.get("/api/v1/dnc/numbers")).status_code == 403
    assert (await supervisor.get("/api/v1/dnc/numbers/export")).status_code == 403
