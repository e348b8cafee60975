"""Queues and agents over REST, as a daemon has told of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.domain.queues import DeviceState, SeenAgent
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores

pytestmark = pytest.mark.integration

QUEUES = "/api/v1/queues"
ANNA, BEN = "PJSIP/1001", "PJSIP/1002"


def an_agent(interface: str = ANNA, **changes: Any) -> SeenAgent:
    usual: dict[str, Any] = {
        "queue": "sales",
        "name": "Anna",
        "device": DeviceState.NOT_INUSE,
        "paused": False,
        "pause_reason": "",
        "in_call": False,
        "wrapup_until": None,
    }
    return SeenAgent(interface=interface, **{**usual, **changes})


async def tell(
    stores: Stores, agents: Sequence[SeenAgent], *, node: str = "one", pbx: str = "00:11", waiting: int = 0
) -> None:
    await stores.nodes.register(node, "1.2")
    await stores.nodes.note_pbx(node, pbx)
    await stores.pbx.note_queues({"sales": "rrmemory", "support": "rrmemory"})
    await stores.pbx.note(node, agents=agents, callers={"sales": waiting}, anew=True)


async def test_queues_say_who_waits_and_what_agents_do(owner: httpx.AsyncClient, stores: Stores) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    agents = [
        an_agent(),
        an_agent(BEN, paused=True, pause_reason="lunch"),
        an_agent("PJSIP/1003", device=DeviceState.INUSE, in_call=True),
        an_agent("PJSIP/1004", wrapup_until=soon),
    ]
    await tell(stores, agents, waiting=2)
    sales, support = (await owner.get(QUEUES)).json()["items"]
    assert sales == {
        "name": "sales",
        "strategy": "rrmemory",
        "known": True,
        "waiting": 2,
        "agents": 4,
        "free": 1,
        "paused": 1,
        "in_call": 1,
    }
    assert (support["name"], support["known"], support["waiting"]) == ("support", False, None)
    assert (await owner.get(f"{QUEUES}/sales")).json() == sales
    told = (await owner.get(f"{QUEUES}/sales/agents")).json()["items"]
    assert [(one["interface"], one["state"], one["pause_reason"], one["in_call"]) for one in told] == [
        (ANNA, "not_inuse", "", False),
        (BEN, "not_inuse", "lunch", False),
        ("PJSIP/1003", "inuse", "", True),
        ("PJSIP/1004", "not_inuse", "", False),
    ]
    assert datetime.fromisoformat(told[3]["wrapup_until"]) == soon


async def test_only_the_difference_is_told(owner: httpx.AsyncClient, stores: Stores) -> None:
    await tell(stores, [an_agent(), an_agent(BEN)], waiting=2)
    await stores.pbx.note("one", agents=[an_agent(paused=True)], gone=[("sales", BEN)], callers={"sales": 0})
    [anna] = (await owner.get(f"{QUEUES}/sales/agents")).json()["items"]
    assert (anna["interface"], anna["paused"]) == (ANNA, True)
    assert (await owner.get(f"{QUEUES}/sales")).json()["waiting"] == 0


async def test_what_nobody_has_told_of_for_15_seconds_is_not_shown(
    owner: httpx.AsyncClient, stores: Stores, pool: Pool
) -> None:
    await tell(stores, [an_agent()])
    await pool.execute("UPDATE pbx_sight SET seen_at = now() - interval '16 seconds'")
    assert (await owner.get(f"{QUEUES}/sales/agents")).json()["items"] == []
    assert (await owner.get(f"{QUEUES}/sales")).json()["known"] is False


async def test_two_daemons_on_one_asterisk_see_an_agent_once(owner: httpx.AsyncClient, stores: Stores) -> None:
    await tell(stores, [an_agent()], waiting=1)
    await tell(stores, [an_agent(paused=True)], node="two", waiting=1)
    [anna] = (await owner.get(f"{QUEUES}/sales/agents")).json()["items"]
    assert (anna["paused"], (await owner.get(f"{QUEUES}/sales")).json()["waiting"]) == (True, 1)
    await tell(stores, [an_agent()], node="three", pbx="00:22", waiting=3)
    elsewhere = (await owner.get(f"{QUEUES}/sales/agents")).json()["items"]
    assert [one["pbx"] for one in elsewhere] == ["00:22", "00:11"]
    assert (await owner.get(f"{QUEUES}/sales")).json()["waiting"] == 4


async def test_queues_and_agents_are_listed_page_by_page(owner: httpx.AsyncClient, stores: Stores) -> None:
    phones = [f"PJSIP/10{number:02}" for number in range(5)]
    await tell(stores, [an_agent(phone) for phone in phones])
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await owner.get(f"{QUEUES}/sales/agents", params={"limit": 2, "after": after})).json()
        seen += [one["interface"] for one in page["items"]]
        after = page["next"]
    assert seen == phones
    first = (await owner.get(QUEUES, params={"limit": 1})).json()
    rest = (await owner.get(QUEUES, params={"after": first["next"]})).json()
    assert [one["name"] for one in (*first["items"], *rest["items"])] == ["sales", "support"]


async def test_a_queue_that_asterisk_has_not_is_not_found(owner: httpx.AsyncClient) -> None:
    for name in ("nowhere", "%25", "a" * 200):
        assert (await owner.get(f"{QUEUES}/{name}/agents")).status_code == 404, name
    assert (await owner.get(f"{QUEUES}/%00")).status_code == 422
    assert (await owner.get(QUEUES, params={"after": "\0"})).status_code == 422
