"""Voice menus over REST."""

from typing import Any

import httpx
import pytest

from dialerd.domain.campaigns import Target
from dialerd.domain.roles import Role
from dialerd.store.menus import menu_data
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf
from tests.integration.store.scene import Stores as Scene

pytestmark = pytest.mark.integration

PATH = "/api/v1/menus/appointment"
MENU: dict[str, Any] = {
    "nodes": {
        "start": {
            "prompt": "appointment/ask",
            "wait": 7.5,
            "choices": {"1": {"action": "end", "result": "confirmed"}, "*": {"action": "repeat"}},
        }
    }
}


@pytest.fixture
def scene(pool: Pool) -> Scene:
    return Scene(pool)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_a_menu_is_stored_read_replaced_and_removed(owner: httpx.AsyncClient, stores: Stores) -> None:
    new = await owner.put(PATH, json=MENU)
    assert (new.status_code, new.json()["name"]) == (201, "appointment")
    read = await owner.get(PATH)
    assert (read.json(), read.headers["etag"]) == (new.json(), new.headers["etag"])
    assert read.json() == menu_data(await stores.menus.get("appointment"))
    again = await owner.put(PATH, json={"nodes": read.json()["nodes"]})
    assert (again.status_code, again.headers["etag"]) == (200, read.headers["etag"])
    assert (await owner.get("/api/v1/menus")).json() == {"items": [read.json()], "next": None}
    assert (await owner.delete(PATH)).status_code == 204
    assert kind(await owner.get(PATH)) == kind(await owner.delete(PATH)) == (404, "not-found")


async def test_menus_are_listed_page_by_page(owner: httpx.AsyncClient) -> None:
    for name in ("b", "a", "C"):
        await owner.put(f"/api/v1/menus/{name}", json=MENU)
    first = (await owner.get("/api/v1/menus?limit=2")).json()
    rest = (await owner.get("/api/v1/menus", params={"limit": 2, "after": first["next"]})).json()
    assert [each["name"] for each in first["items"] + rest["items"]] == ["C", "a", "b"]


async def test_of_two_who_change_what_both_have_read_one_is_told(owner: httpx.AsyncClient) -> None:
    read = (await owner.put(PATH, json=MENU)).headers["etag"]
    mine = {"nodes": {"start": {**MENU["nodes"]["start"], "tries": 2}}}
    assert (await owner.put(PATH, json=mine, headers={"If-Match": read})).status_code == 200
    assert kind(await owner.put(PATH, json=MENU, headers={"If-Match": read})) == (412, "changed-meanwhile")
    assert kind(await owner.delete(PATH, headers={"If-Match": read})) == (412, "changed-meanwhile")
    assert (await owner.get(PATH)).json()["nodes"]["start"]["tries"] == 2
    gone = await owner.put("/api/v1/menus/never", json=MENU, headers={"If-Match": read})
    assert kind(gone) == (412, "changed-meanwhile")


def changed(**start: Any) -> dict[str, Any]:
    return {"nodes": {"start": {**MENU["nodes"]["start"], **start}}}


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"nodes": {}}, "the first one is called start"),
        (changed(prompt="../etc/passwd"), "sound '../etc/passwd'"),
        (changed(prompt="a\0b"), "NUL"),
        (changed(wait=61), "wait: from 1 to 60 seconds"),
        (changed(tries=0), "tries: from 1 to 10"),
        (changed(choices={"A": {"action": "end"}}), "no phone has this key"),
        (changed(choices={"1": {"action": "goto", "goto": "nowhere"}}), "there is no node 'nowhere'"),
        (changed(choices={"1": {"action": "dance"}}), "action"),
        (changed(colour="red"), "colour"),
        ({**MENU, "name": "other"}, "name"),
    ],
)
async def test_what_is_no_menu_is_refused_with_the_reason(
    owner: httpx.AsyncClient, sent: dict[str, Any], wrong: str
) -> None:
    refused = await owner.put(PATH, json=sent)
    assert refused.status_code == 422
    assert wrong in refused.json()["detail"]
    assert (await owner.get(PATH)).status_code == 404


async def test_a_menu_that_a_campaign_leads_to_is_not_removed(owner: httpx.AsyncClient, scene: Scene) -> None:
    await owner.put(PATH, json=MENU)
    await scene.a_draft(name="reminders", target=Target.MENU, menu="appointment", queue="")
    refused = await owner.delete(PATH)
    assert kind(refused) == (409, "in-use")
    assert "campaign reminders uses it" in refused.json()["detail"]


async def test_menus_of_another_account_are_not_there(owner: httpx.AsyncClient, stores: Stores) -> None:
    await owner.put(PATH, json=MENU)
    await stores.accounts.create("other")
    await stores.menus.put(await stores.menus.get("appointment"), "other")
    await owner.delete(PATH)
    assert kind(await owner.get(PATH)) == (404, "not-found")
    assert (await owner.get("/api/v1/menus")).json()["items"] == []


async def test_a_supervisor_looks_and_changes_nothing(client_of: ClientOf, owner: httpx.AsyncClient) -> None:
    await owner.put(PATH, json=MENU)
    supervisor = client_of(Role.SUPERVISOR)
    assert (await supervisor.get(PATH)).status_code == 200
    assert kind(await supervisor.put(PATH, json=MENU)) == (403, "not-permitted")
    assert kind(await supervisor.delete(PATH)) == (403, "not-permitted")
