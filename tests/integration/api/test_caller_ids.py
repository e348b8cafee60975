"""Numbers that calls show, over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.roles import Role
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf

pytestmark = pytest.mark.integration

ACCOUNT = "/api/v1/account"
OURS, THEIRS = "+12025550199", "+12025550198"


async def a_pool(stores: Stores) -> str:
    """Where the numbers of a new campaign are."""
    made = await stores.campaigns.create(CampaignSettings(name="Summer", queue="sales"))
    return f"/api/v1/campaigns/{made.id}/caller-ids"


async def test_a_campaign_is_given_its_numbers_in_order(owner: httpx.AsyncClient, stores: Stores) -> None:
    pool = await a_pool(stores)
    await owner.put(f"{ACCOUNT}/numbers/{OURS}", json={"name": "Example Ltd"})
    given = [{"number": THEIRS, "name": "Sales", "daily_cap": 5}, {"number": OURS, "type": "account"}]
    shown = (await owner.put(pool, json={"numbers": given})).json()["items"]
    assert [(one["number"], one["name"], one["type"], one["daily_cap"], one["uses"]) for one in shown] == [
        (THEIRS, "Sales", "custom", 5, 0),
        (OURS, "Example Ltd", "account", None, 0),
    ]
    assert (await owner.get(pool)).json()["items"] == shown
    assert (await owner.put(pool, json={"numbers": []})).json()["items"] == []


async def test_a_number_is_capped_and_rests_and_wakes(owner: httpx.AsyncClient, stores: Stores) -> None:
    pool = await a_pool(stores)
    await owner.put(pool, json={"numbers": [{"number": OURS}]})
    until = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    both = (await owner.patch(f"{pool}/{OURS}", json={"daily_cap": 7, "resting_until": until.isoformat()})).json()
    assert (both["daily_cap"], datetime.fromisoformat(both["resting_until"])) == (7, until)
    awake = (await owner.patch(f"{pool}/{OURS}", json={"resting_until": None})).json()
    assert (awake["daily_cap"], awake["resting_until"]) == (7, None)
    assert (await owner.patch(f"{pool}/{OURS}", json={"daily_cap": None})).json()["daily_cap"] is None
    assert (await owner.patch(f"{pool}/{THEIRS}", json={"daily_cap": 1})).status_code == 404
    for wrong in ({}, {"daily_cap": 0}, {"daily_cap": 2**40}, {"resting_until": "2020-01-01T00:00:00Z"}):
        assert (await owner.patch(f"{pool}/{OURS}", json=wrong)).status_code == 422, wrong


async def test_numbers_that_cannot_be_shown_are_refused(owner: httpx.AsyncClient, stores: Stores) -> None:
    pool = await a_pool(stores)
    for wrong in ([{"number": "x"}], [{"number": OURS}, {"number": OURS}], [{"number": OURS, "type": "account"}]):
        assert (await owner.put(pool, json={"numbers": wrong})).status_code == 422, wrong
    assert (await owner.get(pool)).json()["items"] == []


async def test_main_numbers_are_kept_while_a_campaign_shows_them(owner: httpx.AsyncClient, stores: Stores) -> None:
    pool = await a_pool(stores)
    for number in (OURS, THEIRS):
        await owner.put(f"{ACCOUNT}/numbers/{number}", json={})
    await owner.put(pool, json={"numbers": [{"number": OURS, "type": "account"}]})
    assert (await owner.delete(f"{ACCOUNT}/numbers/{OURS}")).status_code == 422
    assert (await owner.delete(f"{ACCOUNT}/numbers/{THEIRS}")).status_code == 204
    assert (await owner.delete(f"{ACCOUNT}/numbers/{THEIRS}")).status_code == 404
    left = (await owner.get(f"{ACCOUNT}/numbers")).json()
    assert left == {"items": [{"number": OURS, "name": ""}], "next": None}


async def test_a_queue_has_a_number(owner: httpx.AsyncClient) -> None:
    for queue in ("sales", "support"):
        await owner.put(f"{ACCOUNT}/queue-numbers/{queue}", json={"number": OURS, "name": "Sales"})
    first = (await owner.get(f"{ACCOUNT}/queue-numbers", params={"limit": 1})).json()
    assert first == {"items": [{"queue": "sales", "number": OURS, "name": "Sales"}], "next": "sales"}
    rest = (await owner.get(f"{ACCOUNT}/queue-numbers", params={"after": "sales"})).json()
    assert ([one["queue"] for one in rest["items"]], rest["next"]) == (["support"], None)
    assert (await owner.delete(f"{ACCOUNT}/queue-numbers/sales")).status_code == 204
    assert (await owner.delete(f"{ACCOUNT}/queue-numbers/sales")).status_code == 404


async def test_a_country_sees_only_what_begins_so(owner: httpx.AsyncClient) -> None:
    said = await owner.put(f"{ACCOUNT}/caller-id-prefixes/GB", json={"prefixes": ["+4420", "+44161"]})
    assert said.json() == {"country": "GB", "prefixes": ["+4420", "+44161"]}
    assert (await owner.get(f"{ACCOUNT}/caller-id-prefixes")).json()["items"] == [said.json()]
    assert (await owner.put(f"{ACCOUNT}/caller-id-prefixes/XX", json={"prefixes": ["+1"]})).status_code == 422
    assert (await owner.put(f"{ACCOUNT}/caller-id-prefixes/GB", json={"prefixes": []})).status_code == 422
    assert (await owner.delete(f"{ACCOUNT}/caller-id-prefixes/GB")).status_code == 204
    assert (await owner.get(f"{ACCOUNT}/caller-id-prefixes")).json()["items"] == []


async def test_the_accounts_numbers_are_its_managers(client_of: ClientOf) -> None:
    supervisor = client_of(Role.SUPERVISOR)
    sent: dict[str, Any] = {
        f"numbers/{OURS}": {},
        "queue-numbers/sales": {"number": OURS},
        "caller-id-prefixes/GB": {"prefixes": ["+44"]},
    }
    for path, body in sent.items():
        assert (await supervisor.put(f"{ACCOUNT}/{path}", json=body)).status_code == 403, path
