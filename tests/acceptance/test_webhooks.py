"""The second specification: "Press 1 to confirm, 2 to cancel ... the system records the response and sends it back to the CRM"."""

import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from dialerd.domain.campaigns import Target
from dialerd.store.pool import Pool
from tests.acceptance.desk import NAME, PERSON, Desk, some
from tests.acceptance.test_menus import MENU
from tests.fakes.receiver import Got, Receiver
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

LEADS = 8
SOURCE = """
url = "{url}/leads"
[mapping]
leads_array = "data"
first_name = "name"
number = "phone"
[results]
method = "PUT"
url = "{url}/results"
headers.Authorization = "Bearer {{secret:crm}}"
mapping.phone = "data.number"
mapping."answer.key" = "data.menu_result"
mapping."answer.call" = "attempt_id"
"""


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as receiver:
        yield receiver


async def answers(pool: Pool) -> dict[str, str]:
    """By number, what was chosen, as the database has it."""
    rows = await pool.fetch("SELECT number, menu_result FROM attempts WHERE menu_result <> ''")
    return {row["number"]: row["menu_result"] for row in rows}


def told(messages: list[Got], number: str, answer: str) -> dict[str, str]:
    """The same, as it was told; what came twice has one id."""
    once = {message.event_id: message.body for message in messages}
    return {_at(body, number): _at(body, answer) for body in once.values()}


def _at(body: Any, path: str) -> str:
    for name in path.split("."):
        body = body[name]
    return str(body)


async def test_every_answer_reaches_the_crm_whoever_dies_meanwhile(
    desk: Desk, lab: Lab, pool: Pool, receiver: Receiver
) -> None:
    daemon = desk.daemon
    daemon.environment |= {
        "DIALERD_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.1/32"]',
        "DIALERD_CRM__SECRETS__CRM": "hush",
    }
    await daemon.stop()
    await daemon.start()

    await desk.put_menu(MENU)
    await lab.set_fates(talk_s=(20, 20))
    leads = some(LEADS, PERSON)
    for place, number in enumerate(leads):
        await lab.set_keys(number, [(1.0, "12"[place % 2])])
    campaign = await desk.campaign(leads, target=Target.MENU, menu=MENU.name, queue="", concurrency=2)
    source = desk.file("crm.toml")
    source.write_text(SOURCE.format(url=receiver.url("")), encoding="utf-8")
    await desk.cli("crm", "set", NAME, str(source), "--no-sample")
    options = ("--event", "menu.result", "--campaign", NAME, "--json")
    secret = json.loads(await desk.cli("webhook", "add", receiver.url(), *options))["secret"]
    [crm] = [each for each in json.loads(await desk.cli("webhook", "list", "--json")) if each["kind"] == "crm"]
    crm_secret = (await desk.cli("webhook", "edit", str(crm["id"]), "--new-secret")).split()[-1]

    await desk.start(campaign)
    await receiver.until(lambda: bool(receiver.of("/results") and receiver.of()))
    await receiver.stop()
    known = len(await answers(pool))

    async def there_are_more() -> bool:
        return len(await answers(pool)) > known

    await lab.wait_for(there_are_more, 60)
    await daemon.stop(signal.SIGKILL)
    await daemon.start()
    await desk.until_completed(campaign)
    chosen = await answers(pool)
    assert len(chosen) >= LEADS - 2  # who was just listening when the daemon died may have pressed in vain
    assert set(chosen.values()) == {"confirmed", "cancelled"}
    await receiver.start()
    await receiver.until(
        lambda: (
            told(receiver.of(), "data.number", "data.menu_result") == chosen
            and {number: told(receiver.of("/results"), "phone", "answer.key").get(number) for number in chosen}
            == chosen
        ),
        timeout_s=180,
    )
    assert all(message.is_signed_with(secret) for message in receiver.of())
    assert all(message.is_signed_with(crm_secret) for message in receiver.of("/results"))
    assert {message.headers["Authorization"] for message in receiver.of("/results")} == {"Bearer hush"}
    assert "took the test message" in await desk.cli("webhook", "test", "2")
