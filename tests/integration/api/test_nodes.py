"""Daemons over REST."""

import httpx
import pytest

from dialerd.domain.roles import Role
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf

pytestmark = pytest.mark.integration

NODES = "/api/v1/nodes"


async def test_daemons_are_listed_page_by_page(owner: httpx.AsyncClient, stores: Stores) -> None:
    for name in ("one", "two"):
        await stores.nodes.register(name, "1.2")
    await stores.nodes.note_pbx("one", "00:11")
    first = (await owner.get(NODES, params={"limit": 1})).json()
    [one] = first["items"]
    assert (one["id"], one["state"], one["version"], one["pbx"], one["open_calls"]) == (
        "one",
        "alive",
        "1.2",
        "00:11",
        0,
    )
    rest = (await owner.get(NODES, params={"after": first["next"]})).json()
    assert ([node["id"] for node in rest["items"]], rest["next"]) == (["two"], None)


async def test_a_daemon_is_drained_and_let_go_on(owner: httpx.AsyncClient, stores: Stores) -> None:
    await stores.nodes.register("one", "1.2")
    assert (await owner.post(f"{NODES}/one/drain")).json()["state"] == "draining"
    assert await stores.nodes.is_draining("one")
    assert (await owner.post(f"{NODES}/one/undrain")).json()["draining"] is False
    assert not await stores.nodes.is_draining("one")


async def test_a_daemon_that_is_not_there_is_not_found(owner: httpx.AsyncClient) -> None:
    assert (await owner.post(f"{NODES}/nobody/drain")).status_code == 404
    assert (await owner.post(f"{NODES}/%00/drain")).status_code == 422


async def test_a_supervisor_drains_nothing(client_of: ClientOf, stores: Stores) -> None:
    await stores.nodes.register("one", "1.2")
    assert (await client_of(Role.SUPERVISOR).post(f"{NODES}/one/drain")).status_code == 403
