"""Webhooks over REST: the secret is shown once, nothing inside our network can be named, dead letters can be had once more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialerd.clock import SYSTEM_CLOCK
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.roles import Role
from dialerd.domain.webhooks import SUBSCRIBABLE
from dialerd.lead_sources.crm_results import result_request
from dialerd.settings import WebhookSettings
from dialerd.store.stores import Stores
from dialerd.webhooks.deliverer import Deliverer
from dialerd.webhooks.sender import Sender
from tests.factories import settings
from tests.fakes.receiver import Receiver
from tests.integration.api.conftest import ClientOf

HOOKS = "/api/v1/webhooks"
URL = "https://example.com/hook"
ALL = [*SUBSCRIBABLE]
DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def daemon(stores: Stores) -> AsyncIterator[Deliverer]:
    """The part of it that tells."""
    deliverer = a_deliverer(stores)
    running = asyncio.create_task(deliverer.run())
    yield deliverer
    running.cancel()
    await asyncio.wait([running])


def a_deliverer(stores: Stores) -> Deliverer:
    limits = WebhookSettings(allowed_networks=(ip_network("127.0.0.1/32"),))
    return Deliverer(
        deliveries=stores.webhooks,
        events=stores.outbox,
        send=Sender(limits).send,
        for_crm=lambda source, message: result_request(source, message, {}),
        clock=SYSTEM_CLOCK,
        give_up_after=DAY,
        keep_for=DAY,
    )


async def created(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(HOOKS, json={"url": URL, "events": ALL, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def a_webhook_at(stores: Stores, url: str) -> int:
    """On this machine: people could not name it so."""
    _, webhook = await stores.webhooks.create((await stores.accounts.get()).id, url, SUBSCRIBABLE)
    return webhook.id


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    """The looks are far enough apart for the API's limit of requests."""
    async with asyncio.timeout(60):
        while True:
            if await fact():
                return
            await asyncio.sleep(0.1)


async def deliveries(client: httpx.AsyncClient, webhook: int, state: str | None = None) -> list[dict[str, Any]]:
    answer = await client.get(f"{HOOKS}/{webhook}/deliveries", params={"state": state} if state else {})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_webhooks_secret_is_shown_once_and_renewed_on_demand(owner: httpx.AsyncClient) -> None:
    made = await created(owner, name="warehouse", events=["menu.result", "menu.result"])
    assert made["secret"].startswith("whsec_")
    shown = (await owner.get(f"{HOOKS}/{made['id']}")).json()
    assert "secret" not in shown
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (shown["events"], shown["enabled"], shown["campaign_id"]) == (["menu.result"], True, None)
    renewed = (await owner.post(f"{HOOKS}/{made['id']}/secret")).json()["secret"]
    assert renewed.startswith("whsec_")
    assert renewed != made["secret"]


async def test_only_what_is_sent_is_changed(owner: httpx.AsyncClient) -> None:
    made = await created(owner)
    changed = (await owner.patch(f"{HOOKS}/{made['id']}", json={"enabled": False, "events": ["attempt.ended"]})).json()
    assert (changed["enabled"], changed["events"], changed["url"]) == (False, ["attempt.ended"], URL)
    assert (await owner.patch(f"{HOOKS}/{made['id']}", json={})).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://127.0.0.1/"},
        {"url": "http://169.254.169.254/latest"},
        {"url": "http://[::1]/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://user:secret@example.com/"},
        {"url": "x" * 3000},
        {"events": []},
        {"events": ["ping"]},
        {"events": ["nonsense"]},
        {"name": "a\0b"},
        {"secret": "mine"},
        {"campaign_id": 2**70},
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(owner: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await owner.post(HOOKS, json={"url": URL, "events": ALL, **wrong})
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"]
    assert (await owner.get(HOOKS)).json()["items"] == []


async def test_the_list_is_paged_and_told_by_campaign(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign = await stores.campaigns.create(settings())
    ids = [(await created(owner))["id"] for _ in range(2)] + [(await created(owner, campaign_id=campaign.id))["id"]]
    first = (await owner.get(HOOKS, params={"limit": 2})).json()
    second = (await owner.get(HOOKS, params={"limit": 2, "after": first["next"]})).json()
    assert [each["id"] for each in (*first["items"], *second["items"])] == ids
    assert second["next"] is None
    of_campaign = (await owner.get(HOOKS, params={"campaign_id": campaign.id})).json()["items"]
    assert [each["id"] for each in of_campaign] == ids[2:]
    assert (await owner.post(HOOKS, json={"url": URL, "events": ALL, "campaign_id": 99})).status_code == 404


async def test_of_another_account_nothing_is_there(owner: httpx.AsyncClient, stores: Stores) -> None:
    other = await stores.accounts.create("other")
    _, theirs = await stores.webhooks.create(other.id, URL, SUBSCRIBABLE)
    webhook = theirs.id
    assert (await owner.get(f"{HOOKS}/{webhook}")).status_code == 404
    assert (await owner.delete(f"{HOOKS}/{webhook}")).status_code == 404
    assert (await owner.post(f"{HOOKS}/{webhook}/test")).status_code == 404
    assert (await owner.get(f"{HOOKS}/{webhook}/deliveries")).status_code == 404


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AGENT, Role.READ_ONLY])
async def test_only_who_manages_webhooks_sees_any(client_of: ClientOf, role: Role) -> None:
    client = client_of(role)
    assert (await client.get(HOOKS)).status_code == 403
    assert (await client.post(HOOKS, json={"url": URL, "events": ALL})).status_code == 403


async def test_a_test_message_is_delivered_by_a_daemon(
    owner: httpx.AsyncClient, stores: Stores, receiver: Receiver, daemon: Deliverer
) -> None:
    webhook = await a_webhook_at(stores, receiver.url())
    answer = await owner.post(f"{HOOKS}/{webhook}/test")
    assert answer.status_code == 202
    daemon.ring()
    delivery = f"{HOOKS}/{webhook}/deliveries/{answer.json()['delivery_id']}"

    async def is_there() -> bool:
        return bool((await owner.get(delivery)).json()["state"] == "delivered")

    await until(is_there)
    assert (await owner.get(delivery)).json()["status"] == 204
    [got] = receiver.got
    assert got.body["type"] == "ping"


async def test_what_was_given_up_can_be_had_once_more_or_dropped(
    owner: httpx.AsyncClient, stores: Stores, receiver: Receiver, daemon: Deliverer
) -> None:
    webhook = await a_webhook_at(stores, receiver.url())
    receiver.answers["/hook"] = 500
    for _ in range(2):  # a ping is tried once, and dead then
        await owner.post(f"{HOOKS}/{webhook}/test")
    daemon.ring()

    async def both_are_dead() -> bool:
        return len(await deliveries(owner, webhook, "dead")) == 2

    await until(both_are_dead)
    first, second = await deliveries(owner, webhook, "dead")
    assert "status 500" in first["error"]
    receiver.answers["/hook"] = 200
    assert (await owner.post(f"{HOOKS}/{webhook}/deliveries/{first['id']}/replay")).json() == {"deliveries": 1}

    async def one_arrived() -> bool:
        return [each["id"] for each in await deliveries(owner, webhook, "delivered")] == [first["id"]]

    await until(one_arrived)
    assert receiver.got[-1].event_id == first["event_id"]
    assert (await owner.delete(f"{HOOKS}/{webhook}/deliveries/{second['id']}")).json() == {"deliveries": 1}
    assert (await owner.delete(f"{HOOKS}/{webhook}/deliveries/{second['id']}")).status_code == 404
    assert (await owner.delete(f"{HOOKS}/{webhook}/deliveries")).json() == {"deliveries": 0}


async def test_a_receiver_that_says_that_it_is_gone_is_disabled_until_somebody_enables_it(
    owner: httpx.AsyncClient, stores: Stores, receiver: Receiver, daemon: Deliverer
) -> None:
    webhook = await a_webhook_at(stores, receiver.url())
    receiver.answers["/hook"] = 410
    await owner.post(f"{HOOKS}/{webhook}/test")
    daemon.ring()

    async def is_disabled() -> bool:
        return not (await owner.get(f"{HOOKS}/{webhook}")).json()["enabled"]

    await until(is_disabled)
    assert "410" in (await owner.get(f"{HOOKS}/{webhook}")).json()["disabled_why"]
    enabled = (await owner.patch(f"{HOOKS}/{webhook}", json={"enabled": True})).json()
    assert (enabled["enabled"], enabled["disabled_why"], enabled["failures"]) == (True, "", 0)


async def test_two_daemons_tell_everything_once_and_a_dead_receiver_holds_nobody_up(
    stores: Stores, receiver: Receiver
) -> None:
    fine = [await a_webhook_at(stores, receiver.url(f"/{place}")) for place in range(2)]
    await a_webhook_at(stores, "http://127.0.0.1:9/")
    campaigns = [await stores.campaigns.create(settings(name=f"c{place}")) for place in range(10)]
    daemons = [a_deliverer(stores) for _ in range(2)]
    running = [asyncio.create_task(each.run()) for each in daemons]
    for campaign in campaigns:
        await stores.campaigns.act(campaign.id, CampaignAction.CANCEL)
    for each in daemons:
        each.ring()
    await receiver.until(lambda: len(receiver.got) >= len(fine) * len(campaigns))
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    for place in range(2):
        told = [got.body["campaign_id"] for got in receiver.of(f"/{place}")]
        assert sorted(told) == [campaign.id for campaign in campaigns]
