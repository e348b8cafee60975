"""An agent's place in the queues over REST: what a daemon has told of it, and what is wished of a daemon."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialerd.domain.agent_wishes import Answer
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.queues import DeviceState, SeenAgent
from dialerd.domain.roles import Role
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf

pytestmark = pytest.mark.integration

MINE, BENS = "/api/v1/agents/me/presence", "/api/v1/agents/1002/presence"
ANNA, BEN = "PJSIP/1001", "PJSIP/1002"


@pytest_asyncio.fixture
async def node(stores: Stores) -> str:
    """It sees the queues `sales`, to which a campaign is bound, and `support`, to which none is."""
    await stores.campaigns.create(CampaignSettings(name="Summer", queue="sales", caller_id_enabled=False))
    await stores.nodes.register("one", "1.2")
    await stores.nodes.note_pbx("one", "00:11")
    await stores.pbx.note_queues({"sales": "rrmemory", "support": "rrmemory"})
    return "one"


@pytest.fixture
def anna(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.AGENT)


@pytest.fixture
def supervisor(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.SUPERVISOR)


async def tell(stores: Stores, **changes: Any) -> None:
    usual: dict[str, Any] = {"name": "Anna", "device": DeviceState.NOT_INUSE, "paused": False, "pause_reason": ""}
    usual |= {"queue": "sales", "in_call": False, "wrapup_until": None}
    agent = SeenAgent(interface=ANNA, **{**usual, **changes})
    await stores.pbx.note("one", agents=[agent], callers={"sales": 0}, anew=True)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_an_agent_sees_the_queues_that_may_be_served(anna: httpx.AsyncClient, stores: Stores, node: str) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await tell(stores, paused=True, pause_reason="Lunch", fixed=True, calls_taken=17, wrapup_until=soon)
    told = (await anna.get(MINE)).json()
    [sales] = told.pop("queues")
    assert told == {
        "agent": ANNA,
        "pause_reasons": ["Break", "Lunch", "Training", "Back office"],
        "last_wish": None,
    }
    assert datetime.fromisoformat(sales.pop("wrapup_until")) == soon
    assert sales == {
        "queue": "sales",
        "campaigns": ["Summer"],
        "known": True,
        "member": True,
        "fixed": True,
        "paused": True,
        "pause_reason": "Lunch",
        "state": "not_inuse",
        "in_call": False,
        "calls_taken": 17,
    }


async def test_where_no_daemon_tells_nothing_is_claimed(anna: httpx.AsyncClient, node: str) -> None:
    [sales] = (await anna.get(MINE)).json()["queues"]
    assert (sales["known"], sales["member"], sales["state"], sales["calls_taken"]) == (False, False, None, None)


async def test_a_wish_is_taken_for_a_daemon_to_carry_out_and_then_is_told_to_be_done(
    anna: httpx.AsyncClient, stores: Stores, node: str
) -> None:
    answer = await anna.post(MINE, json={"action": "pause", "queue": "sales", "reason": "Lunch"})
    assert answer.status_code == 202
    wish = answer.json()
    assert (wish["agent"], wish["action"], wish["queue"], wish["reason"]) == (ANNA, "pause", "sales", "Lunch")
    assert (wish["state"], wish["done_at"], wish["refused"], wish["by"]) == ("waiting", None, "", "token agent")
    assert (await anna.get(MINE)).json()["last_wish"] == wish
    [found] = await stores.agents.open_wishes(node)
    assert (found.agent, found.action, found.queues, found.reason) == (ANNA, "pause", ("sales",), "Lunch")
    await stores.agents.answer(found.id, node, Answer.DONE)
    last = (await anna.get(MINE)).json()["last_wish"]
    assert (last["state"], last["done_at"] is not None) == ("done", True)


async def test_why_a_wish_was_not_carried_out_is_told(anna: httpx.AsyncClient, stores: Stores, node: str) -> None:
    wish = (await anna.post(MINE, json={"action": "logout"})).json()
    assert wish["queue"] is None
    await stores.agents.answer(wish["id"], node, Answer.REFUSED, "PJSIP/1001 is a fixed member of sales: pause instead")
    last = (await anna.get(MINE)).json()["last_wish"]
    assert (last["state"], last["refused"]) == ("refused", "PJSIP/1001 is a fixed member of sales: pause instead")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"action": "dance"}, "action"),
        ({}, "action"),
        ({"action": "login", "queue": "support"}, "support is none that Asterisk has and a campaign"),
        ({"action": "login", "queue": "a b"}, "queue"),
        ({"action": "pause", "reason": "Siesta"}, "one of the account's pause reasons"),
        ({"action": "pause", "reason": "Lunch\0"}, "NUL"),
        ({"action": "login", "reason": "Lunch"}, "only a pause has one"),
        ({"action": "login", "phone": "x"}, "phone"),
    ],
)
async def test_what_cannot_be_wished_is_told(
    anna: httpx.AsyncClient, stores: Stores, node: str, sent: dict[str, str], said: str
) -> None:
    answer = await anna.post(MINE, json=sent)
    assert kind(answer) == (422, "invalid-request")
    assert said in answer.json()["detail"]
    assert await stores.agents.open_wishes(node) == []


async def test_the_reasons_are_the_accounts(anna: httpx.AsyncClient, owner: httpx.AsyncClient, node: str) -> None:
    assert (await owner.patch("/api/v1/account", json={"pause_reasons": ["Siesta"]})).status_code == 200
    assert (await anna.get(MINE)).json()["pause_reasons"] == ["Siesta"]
    assert (await anna.post(MINE, json={"action": "pause", "reason": "Siesta"})).status_code == 202
    assert (await anna.post(MINE, json={"action": "pause", "reason": "Lunch"})).status_code == 422


async def test_an_agent_acts_for_the_own_phone_and_a_supervisor_for_any(
    anna: httpx.AsyncClient, supervisor: httpx.AsyncClient, client_of: ClientOf, stores: Stores, node: str
) -> None:
    assert kind(await anna.get(BENS)) == (403, "not-permitted")
    assert kind(await anna.post(BENS, json={"action": "pause"})) == (403, "not-permitted")
    assert (await supervisor.get(BENS)).json()["agent"] == BEN
    assert (await supervisor.post(BENS, json={"action": "pause"})).json()["by"] == "token supervisor"
    assert kind(await supervisor.post(MINE, json={"action": "pause"})) == (404, "not-found")
    looks = client_of(Role.READ_ONLY)
    assert kind(await looks.post(BENS, json={"action": "pause"})) == (403, "not-permitted")
    assert [wish.agent for wish in await stores.agents.open_wishes(node)] == [BEN]


async def test_another_account_sees_neither_queues_nor_wishes(
    anna: httpx.AsyncClient, app: Any, stores: Stores, node: str
) -> None:
    await anna.post(MINE, json={"action": "pause"})
    other = await stores.accounts.create("other")
    secret, _ = await stores.users.create_token(other.id, "theirs", role=Role.OWNER, created_by="test")
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://dialerd.test", headers=headers
    ) as theirs:
        told = (await theirs.get("/api/v1/agents/1001/presence")).json()
        assert (told["queues"], told["last_wish"]) == ([], None)
        assert (await theirs.post("/api/v1/agents/1001/presence", json={"action": "pause"})).status_code == 422


async def test_the_audit_log_says_what_was_wished(anna: httpx.AsyncClient, owner: httpx.AsyncClient, node: str) -> None:
    await anna.post(MINE, json={"action": "pause", "reason": "Lunch"})
    [line] = (await owner.get("/api/v1/audit-log")).json()["items"]
    assert line["action"] == "POST /api/v1/agents/{agent:path}/presence"
    assert line["details"] == {"action": "pause", "queue": None, "reason": "Lunch"}
