"""The live feed over a real socket: what happens is told, nothing is lost between two connections, and many clients cost as one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from dialerd.api.app import listen, serve_on
from dialerd.api.live import Live, Place, Watcher
from dialerd.api.routes import live as routes
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Role
from dialerd.errors import InvalidRequest
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.store.scene import Dialed
from tests.integration.store.scene import Stores as Scene

PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Told:
    kind: str
    data: Any
    id: str


class Client:
    """Reads what an open feed says."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def next(self, *kinds: str) -> Told:
        """The next message of these kinds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                told = await self._message()
                if told.kind in kinds:
                    return told

    async def until_joined(self) -> str:
        """The place from which on it is told everything."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.last_id:
                await self._message()
        return self.last_id

    async def until_end(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self._lines:
                pass

    async def _message(self) -> Told:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            raise EOFError
        self.last_id = fields.get("id", self.last_id)
        return Told(kind=fields.get("event", ""), data=json.loads(fields.get("data", "null")), id=fields.get("id", ""))


class Server:
    """The application on a port of its own."""

    def __init__(self, url: str, stores: Stores) -> None:
        self.url = url
        self._stores = stores

    @asynccontextmanager
    async def watching(
        self, path: str = "/live", *, role: Role = Role.OWNER, after: str = "", token: str = ""
    ) -> AsyncIterator[Client]:
        secret = token or await self.token(role)
        headers = {"Authorization": f"Bearer {secret}", **({"Last-Event-ID": after} if after else {})}
        async with (
            httpx.AsyncClient(timeout=PATIENCE_S) as http,
            http.stream("GET", f"{self.url}/api/v1{path}", headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield Client(answer)

    async def token(self, role: Role, account: str = "default") -> str:
        account_id = (await self._stores.accounts.get(account)).id
        return (await self._stores.users.create_token(account_id, str(uuid4()), role=role, created_by="test"))[0]


@pytest_asyncio.fixture
async def server(app: FastAPI, stores: Stores) -> AsyncIterator[Server]:
    socket = listen("127.0.0.1", 0)
    port = socket.getsockname()[1]
    serving = asyncio.create_task(serve_on(app, socket))
    yield Server(f"http://127.0.0.1:{port}", stores)
    serving.cancel()
    await asyncio.wait([serving])


@pytest.fixture
def scene(pool: Pool) -> Scene:
    return Scene(pool)


@pytest_asyncio.fixture
async def dialed(scene: Scene) -> Dialed:
    return await scene.a_dialed_campaign(6)


def feed_of(app: FastAPI) -> Live:
    feed: Live = app.state.live
    return feed


async def test_how_a_campaign_stands_is_told_at_once_and_when_it_changes(server: Server, dialed: Dialed) -> None:
    async with server.watching(f"/campaigns/{dialed.campaign.id}/live") as client:
        first = (await client.next("counts")).data
        assert (first["campaign_id"], first["status"], first["leads"]) == (dialed.campaign.id, "running", {"active": 6})
        assert (first["in_flight"], first["calls_per_second"]["real"]) == (0, 0)
        await dialed.open()
        then = (await client.next("counts")).data
        assert (then["in_flight"], then["leads"]) == (1, {"active": 5, "dialing": 1})


async def test_calls_and_campaigns_are_told_as_they_happen(server: Server, dialed: Dialed, scene: Scene) -> None:
    async with server.watching() as client:
        await client.until_joined()
        call = await dialed.dial(Outcome.BUSY)
        told = await client.next("attempt")
        assert (told.data["type"], told.data["attempt_id"]) == ("attempt.ended", str(call.id))
        assert told.data["data"]["number"] == call.number
        await scene.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
        told = await client.next("campaign")
        assert told.data["data"]["to"] == "paused"
        assert told.id


async def test_who_connects_again_misses_nothing_and_hears_nothing_twice(server: Server, dialed: Dialed) -> None:
    async with server.watching() as client:
        await client.until_joined()
        first = await dialed.dial(Outcome.BUSY)
        told = await client.next("attempt")
        assert told.data["attempt_id"] == str(first.id)
    missed = [await dialed.dial(Outcome.BUSY) for _ in range(3)]
    async with server.watching(after=told.id) as client:
        ids = [(await client.next("attempt")).data["attempt_id"] for _ in missed]
        assert ids == [str(call.id) for call in missed]
        later = await dialed.dial(Outcome.BUSY)
        assert (await client.next("attempt")).data["attempt_id"] == str(later.id)


async def test_who_breaks_off_in_the_middle_goes_on_in_the_middle(server: Server, dialed: Dialed) -> None:
    async with server.watching() as client:
        place = await client.until_joined()
    calls = [await dialed.dial(Outcome.BUSY) for _ in range(4)]
    heard: list[str] = []
    for _ in calls:
        async with server.watching(after=place) as client:
            told = await client.next("attempt")
            heard.append(told.data["attempt_id"])
            place = told.id
    assert heard == [str(call.id) for call in calls]


async def test_each_hears_of_his_own_campaign_and_account_alone(server: Server, dialed: Dialed, scene: Scene) -> None:
    await scene.accounts.create("other")
    theirs = await server.token(Role.OWNER, "other")
    second = await scene.a_draft(1, name="second")
    async with (
        server.watching(f"/campaigns/{second.id}/live") as client,
        server.watching(token=theirs) as other,
        server.watching() as all_of_it,
    ):
        for each in (client, other, all_of_it):
            await each.until_joined()
        await dialed.dial(Outcome.BUSY)
        await scene.campaigns.act(second.id, CampaignAction.CANCEL)
        told = await client.next("attempt", "campaign")
        assert (told.kind, told.data["campaign_id"]) == ("campaign", second.id)
        assert (await all_of_it.next("attempt", "campaign")).kind == "attempt"
        draft = await scene.a_draft(account="other", name="theirs")
        await scene.campaigns.act(draft.id, CampaignAction.CANCEL)
        assert (await other.next("attempt", "campaign")).data["campaign_id"] == draft.id


async def test_who_may_not_see_leads_sees_no_number(server: Server, dialed: Dialed) -> None:
    async with server.watching(role=Role.READ_ONLY) as client:
        await client.until_joined()
        await dialed.dial(Outcome.BUSY)
        told = (await client.next("attempt")).data["data"]
        assert told["outcome"] == "busy"
        assert not {"number", "note", "ticket_id"} & told.keys()


async def test_it_ends_with_the_token(
    server: Server, dialed: Dialed, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_S", 0.1)
    async with server.watching() as client:
        await client.until_joined()
        await pool.execute("UPDATE tokens SET revoked_at = now()")
        await client.until_end()


async def test_many_clients_cost_the_database_as_much_as_one(
    server: Server, dialed: Dialed, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sequence[int], Sequence[int]]] = []
    counts = stores.live.counts

    async def counted(campaigns: Any, accounts: Any) -> Any:
        asked.append((sorted(campaigns), sorted(accounts)))
        return await counts(campaigns, accounts)

    monkeypatch.setattr(stores.live, "counts", counted)
    path = f"/campaigns/{dialed.campaign.id}/live"
    async with server.watching(path) as a, server.watching(path) as b, server.watching(path) as c:
        for client in (a, b, c):
            await client.next("counts")
        asked.clear()
        await dialed.open()
        for client in (a, b, c):
            assert (await client.next("counts")).data["in_flight"] == 1
        assert set(map(str, asked)) == {str(([dialed.campaign.id], []))}


async def test_nobody_watches_and_the_database_is_left_alone(server: Server, dialed: Dialed, app: FastAPI) -> None:
    async with server.watching() as client:
        await client.next("counts")
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "live"]
    async with asyncio.timeout(PATIENCE_S):
        await task


async def test_a_client_that_is_too_slow_is_dropped_and_the_others_are_not(
    app: FastAPI, dialed: Dialed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialerd.api.live.MOST_WAITING", 2)
    feed = feed_of(app)
    account_id = (await dialed.stores.accounts.get()).id
    with (
        feed.watching(account_id, None, sees_leads=True) as slow,
        feed.watching(account_id, None, sees_leads=True) as quick,
    ):
        await feed.join(slow)
        await feed.join(quick)
        for _ in range(4):
            await dialed.dial(Outcome.BUSY)
            feed.ring()
            await _until_attempt(quick)
        assert slow.ended.is_set()
        assert slow.waiting.qsize() <= 2
        assert not quick.ended.is_set()


async def _until_attempt(watcher: Watcher) -> None:
    while (message := await watcher.next(PATIENCE_S)) is None or message.kind != "attempt":
        assert message is not None


async def test_what_is_kept_no_more_is_told_as_a_gap(server: Server, dialed: Dialed) -> None:
    async with server.watching() as client:
        place = Place.read(await client.until_joined())
    old = Place(at=place.at - timedelta(days=8), seen=place.seen)
    async with server.watching(after=str(old)) as client:
        assert "read anew" in (await client.next("gap", "counts")).data["text"]


async def test_a_place_that_is_none_is_refused(owner: httpx.AsyncClient) -> None:
    answer = await owner.get("/api/v1/live", headers={"Last-Event-ID": "17"})
    assert answer.status_code == 422
    assert "Last-Event-ID" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["1/5:9:", "1/5:9:5,7,8", "1/5:5:/6:7:6/12", "1/5:5:"])
def test_a_place_is_written_as_it_is_read(text: str) -> None:
    assert str(Place.read(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "x", "1/9:5:", "1/0:5:", "1/5:9:7,5", "1/5:9:9", "1/5:9:4", "1/5:9:5,5", "1/5:9:,", "1/5:9:/6:7:", "1/5:9:/3"],
)
def test_what_postgres_would_not_read_is_no_place(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        Place.read(text)


@pytest.mark.parametrize("role", [Role.AGENT])
async def test_who_may_not_look_watches_nothing(client_of: Callable[[Role], httpx.AsyncClient], role: Role) -> None:
    assert (await client_of(role).get("/api/v1/live")).status_code == 403
    assert (await client_of(Role.OWNER).get("/api/v1/campaigns/99/live")).status_code == 404
