"""What an answer means: a receiver on 127.0.0.1, which alone is allowed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
import pytest_asyncio

from dialerd.guarded_http.client import Request
from dialerd.settings import WebhookSettings
from dialerd.webhooks.ports import Refused, Taken
from dialerd.webhooks.sender import Sender
from tests.fakes.receiver import Receiver

OUTSIDE = (ip_network("127.0.0.1/32"),)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as receiver:
        yield receiver


async def send(url: str, settings: WebhookSettings | None = None) -> Taken | Refused:
    limits = settings or WebhookSettings(allowed_networks=OUTSIDE)
    return await Sender(limits).send(Request(method="POST", url=url, headers={"X": "y"}, body=b"{}"))


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_whatever_says_yes_has_taken_it(receiver: Receiver, status: int) -> None:
    receiver.answers["/hook"] = status
    assert await send(receiver.url()) == Taken(status=status)
    [got] = receiver.got
    assert (got.raw, got.headers["X"]) == (b"{}", "y")


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 429, 500, 503])
async def test_whatever_says_no_is_tried_no_more_just_now(receiver: Receiver, status: int) -> None:
    receiver.answers["/hook"] = status
    answer = await send(receiver.url())
    assert isinstance(answer, Refused)
    assert answer.status == status
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [301, 303, 307])
async def test_a_redirection_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers["/hook"] = status
    answer = await send(receiver.url())
    assert isinstance(answer, Refused)
    assert "redirects to another URL" in answer.error
    assert len(receiver.got) == 1


async def test_nothing_inside_our_network_is_told(receiver: Receiver) -> None:
    answer = await send(receiver.url(), WebhookSettings())
    assert isinstance(answer, Refused)
    assert "not a public address" in answer.error
    assert receiver.got == []


async def test_who_is_away_or_never_answers_is_told_so_within_the_limit(receiver: Receiver) -> None:
    settings = WebhookSettings.model_construct(
        **{**WebhookSettings(allowed_networks=OUTSIDE).__dict__, "timeout": timedelta(seconds=0.2)}
    )
    receiver.silent.set()
    answer = await send(receiver.url(), settings)
    assert isinstance(answer, Refused)
    assert "webhooks.timeout" in answer.error
    await receiver.stop()
    answer = await send(receiver.url())
    assert isinstance(answer, Refused)
    assert "cannot be reached" in answer.error
