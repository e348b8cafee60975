"""Leads over the API: added in bulk, searched, looked at, explained, reset, deleted, exported."""

import json

import httpx
import pytest

from dialerd.domain.leads import LeadState
from dialerd.domain.roles import Role
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf

pytestmark = pytest.mark.integration

ADA, BEN, CHLOE = "+12025550101", "+12025550102", "+12025550103"


async def a_campaign(owner: httpx.AsyncClient, name: str = "list") -> int:
    answer = await owner.post("/api/v1/campaigns", json={"name": name, "queue": "sales"})
    campaign_id: int = answer.json()["id"]
    return campaign_id


async def a_list(owner: httpx.AsyncClient) -> int:
    campaign_id = await a_campaign(owner)
    people = [(ADA, "Ada", "Nguyen"), (BEN, "Ben", "Adams"), (CHLOE, "Chloe", "Nguyen")]
    leads = [{"number": number, "first_name": first, "last_name": last} for number, first, last in people]
    await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json={"leads": leads})
    return campaign_id


async def numbers_of(client: httpx.AsyncClient, campaign_id: int, **wanted: str | int) -> list[str]:
    """Over all pages."""
    found: list[str] = []
    following: str | None = "n0"
    while following is not None:
        query = httpx.QueryParams({**wanted, "after": following})
        page = (await client.get(f"/api/v1/campaigns/{campaign_id}/leads", params=query)).json()
        found += [lead["number"] for lead in page["items"]]
        following = page["next"]
    return found


async def test_leads_are_added_and_what_is_wrong_is_told_lead_by_lead(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign_id = await a_campaign(owner)
    await stores.dnc.add(BEN)
    leads = [
        {"number": ADA, "first_name": "Ada", "priority": 7, "custom": {"city": "Oslo"}, "alternate_numbers": [CHLOE]},
        {"number": "nonsense", "first_name": "Nobody"},
        {"number": BEN, "first_name": "Ben"},
        {"number": ADA, "first_name": "Ada again"},
        {"number": CHLOE, "first_name": "Chloe", "max_attempts": 0},
    ]
    answer = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json={"leads": leads})
    came = answer.json()
    assert (answer.status_code, came["added"], came["duplicates"], came["on_dnc"]) == (200, 2, 1, [2])
    assert [(flaw["index"], flaw["field"]) for flaw in came["invalid"]] == [(1, "number"), (4, "max_attempts")]
    (ada, _) = (await owner.get(f"/api/v1/campaigns/{campaign_id}/leads")).json()["items"]
    assert (ada["priority"], ada["custom"], ada["alternate_numbers"]) == (7, {"city": "Oslo"}, [CHLOE])


async def test_all_are_refused_where_none_may_be_left_out(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    body = {"leads": [{"number": ADA, "first_name": "Ada"}, {"number": "1", "first_name": "B"}], "on_invalid": "refuse"}
    refused = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/rows-refused")
    assert await numbers_of(owner, campaign_id) == []


@pytest.mark.parametrize(
    "lead",
    [
        {"number": ADA, "first_name": "A\0da"},
        {"number": ADA, "first_name": "half of a character \ud83d"},
        {"number": ADA, "first_name": "Ada", "custom": {"\ud83d": "1"}},
        {"number": ADA, "first_name": "Ada", "colour": "red"},
        {"number": ADA, "first_name": "Ada", "custom": {"priority": "1"}},
        {"number": ADA},
    ],
)
async def test_what_no_lead_can_have_is_refused(owner: httpx.AsyncClient, lead: dict[str, object]) -> None:
    campaign_id = await a_campaign(owner)
    body, kind = json.dumps({"leads": [lead]}), {"Content-Type": "application/json"}
    refused = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", content=body, headers=kind)
    assert refused.status_code == 422


async def test_more_than_ten_thousand_leads_are_too_many(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    leads = [{"number": ADA, "first_name": "Ada"}] * 10_001
    refused = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json={"leads": leads})
    assert refused.status_code == 422


async def test_a_running_campaign_takes_no_leads(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id = await a_list(owner)
    await pool.execute("UPDATE campaigns SET status = 'running'")
    body = {"leads": [{"number": ADA, "first_name": "Ada"}]}
    refused = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/leads-closed")


async def test_pages_follow_one_another_without_a_gap(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_list(owner)
    assert await numbers_of(owner, campaign_id, limit=1) == [ADA, BEN, CHLOE]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"number": "+12025550102"}, [BEN]),
        ({"number": "+44"}, []),
        ({"name": "NGUY"}, [ADA, CHLOE]),
        ({"name": "ada"}, [ADA, BEN]),  # the one's whole name, the other's last one
        ({"name": "ben adams"}, [BEN]),
        ({"name": "ada", "state": "failed"}, []),
        ({"state": "active"}, [ADA, BEN, CHLOE]),
        ({"state": "active", "number": "+12025550103"}, [CHLOE]),
        ({"state": "deleted"}, []),
        ({"held_by": "dnc"}, []),
        ({"time_zone": "Asia/Tokyo"}, []),
    ],
)
async def test_leads_are_searched(owner: httpx.AsyncClient, wanted: dict[str, str], found: list[str]) -> None:
    campaign_id = await a_list(owner)
    assert await numbers_of(owner, campaign_id, limit=1, **wanted) == found


async def test_a_search_looks_at_so_many_leads_and_then_says_where_to_go_on(
    owner: httpx.AsyncClient, pool: Pool
) -> None:
    campaign_id = await a_campaign(owner)
    await pool.execute(
        "INSERT INTO leads (campaign_id, number, first_name, time_zone) SELECT $1, '+1999' || lpad(n::text, 8, '0'), 'Ada', "
        "CASE WHEN n = 10001 THEN 'Asia/Tokyo' END FROM generate_series(1, 10001) AS n",
        campaign_id,
    )
    params = {"time_zone": "Asia/Tokyo"}
    first = (await owner.get(f"/api/v1/campaigns/{campaign_id}/leads", params=params)).json()
    assert (first["items"], first["next"] is None) == ([], False)
    assert await numbers_of(owner, campaign_id, **params) == ["+199900010001"]


async def test_who_may_not_see_leads_sees_neither_name_nor_number(
    owner: httpx.AsyncClient, client_of: ClientOf
) -> None:
    campaign_id = await a_list(owner)
    reader = client_of(Role.READ_ONLY)
    answer = await reader.get(f"/api/v1/campaigns/{campaign_id}/leads")
    assert answer.status_code == 200
    assert not any(secret in answer.text for secret in ("2025550", "Ada", "Nguyen"))
    lead_id = answer.json()["items"][0]["id"]
    assert (await reader.get(f"/api/v1/leads/{lead_id}")).json()["number"] is None
    for params in ({"number": "+1202"}, {"name": "ada"}):
        refused = await reader.get(f"/api/v1/campaigns/{campaign_id}/leads", params=params)
        assert refused.status_code == 403
    assert (await reader.get(f"/api/v1/leads/{lead_id}/explanation")).status_code == 403
    assert (await reader.get(f"/api/v1/campaigns/{campaign_id}/leads/export")).status_code == 403


async def test_a_lead_of_another_account_is_not_there(owner: httpx.AsyncClient, stores: Stores, pool: Pool) -> None:
    await a_list(owner)
    other = await stores.accounts.create("other")
    await pool.execute("UPDATE campaigns SET account_id = $1", other.id)
    lead_id = await pool.fetchval("SELECT min(id) FROM leads")
    for path in (f"/leads/{lead_id}", f"/leads/{lead_id}/explanation", f"/leads/{lead_id}/activity"):
        assert (await owner.get(f"/api/v1{path}")).status_code == 404
    assert (await owner.delete(f"/api/v1/leads/{lead_id}")).status_code == 404
    assert await pool.fetchval("SELECT count(*) FROM leads WHERE state = 'deleted'") == 0


async def test_a_lead_that_is_not_called_says_why(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign_id = await a_list(owner)
    await stores.dnc.add(ADA)
    lead_id = (await owner.get(f"/api/v1/campaigns/{campaign_id}/leads")).json()["items"][0]["id"]
    explained = (await owner.get(f"/api/v1/leads/{lead_id}/explanation")).json()
    assert "dnc forbids it" in explained["why"]
    assert {rule["rule"] for rule in explained["rules"] if not rule["allows"]} >= {"dnc"}
    assert ADA not in str(explained)


async def test_leads_are_reset_and_deleted_one_by_one_and_by_state(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id = await a_list(owner)
    await pool.execute("UPDATE leads SET state = 'failed', dials = 3, attempts_used = 3")
    lead_ids = [lead["id"] for lead in (await owner.get(f"/api/v1/campaigns/{campaign_id}/leads")).json()["items"]]
    reset = (await owner.post(f"/api/v1/leads/{lead_ids[0]}/reset")).json()
    assert (reset["state"], reset["attempts_used"]) == ("active", 0)
    await pool.execute("UPDATE leads SET new_since = '2020-01-01Z'")
    listed = (await owner.get(f"/api/v1/campaigns/{campaign_id}/leads", params={"state": "active"})).json()["items"]
    assert [lead["changed_at"] for lead in listed] == [reset["changed_at"]]  # the line of the reset says so
    body = {"state": "failed"}
    assert (await owner.post(f"/api/v1/campaigns/{campaign_id}/leads/reset", json=body)).json() == {"changed": 2}
    assert (await owner.delete(f"/api/v1/leads/{lead_ids[0]}")).status_code == 204
    assert (
        await owner.delete(f"/api/v1/campaigns/{campaign_id}/leads")
    ).status_code == 422  # all at once: not by mistake
    gone = await owner.delete(f"/api/v1/campaigns/{campaign_id}/leads", params={"state": "active"})
    assert gone.json() == {"changed": 2}
    assert await numbers_of(owner, campaign_id) == []
    assert len(await numbers_of(owner, campaign_id, state="deleted", limit=1)) == 3
    again = await owner.delete(f"/api/v1/leads/{lead_ids[0]}")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/illegal-transition")


async def test_a_lead_that_is_being_called_is_left_alone(owner: httpx.AsyncClient, pool: Pool) -> None:
    await a_list(owner)
    await pool.execute("UPDATE leads SET state = 'ringing'")
    lead_id = await pool.fetchval("SELECT min(id) FROM leads")
    refused = await owner.post(f"/api/v1/leads/{lead_id}/reset")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/lead-in-flight")


async def test_an_export_can_be_imported_again_and_no_text_of_it_is_a_formula(
    owner: httpx.AsyncClient, stores: Stores
) -> None:
    campaign_id = await a_campaign(owner)
    lead = {"number": ADA, "first_name": "=1+1", "custom": {"city": "Oslo"}}
    await owner.post(f"/api/v1/campaigns/{campaign_id}/leads", json={"leads": [lead]})
    exported = await owner.get(f"/api/v1/campaigns/{campaign_id}/leads/export")
    header, row = exported.text.splitlines()
    assert exported.headers["content-type"].startswith("text/csv")
    assert "attachment" in exported.headers["content-disposition"]
    assert ("city" in header, "'=1+1" in row, row.startswith(ADA)) == (True, True, True)
    assert (await stores.leads.counts(campaign_id))[LeadState.ACTIVE] == 1


async def test_the_sample_is_a_file_that_can_be_uploaded(owner: httpx.AsyncClient) -> None:
    sample = await owner.get("/api/v1/leads/sample")
    assert sample.text.startswith("number,priority,first_name")


@pytest.mark.parametrize(
    "path", ["/leads/99999999999999999999", "/leads/0", "/leads/none", "/campaigns/7/leads?after=x"]
)
async def test_nonsense_is_refused_and_breaks_nothing(owner: httpx.AsyncClient, path: str) -> None:
    assert (await owner.get(f"/api/v1{path}")).status_code in (404, 422)
