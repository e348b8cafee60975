"""What the deliverer does with what is due, over a store in memory and receivers that answer as they are told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dialerd.clock import Clock
from dialerd.domain.webhooks import Delivery, DeliveryState, Event, EventType, Parcel, signature
from dialerd.errors import DialerdError, StoreUnavailable
from dialerd.guarded_http.client import Request
from dialerd.webhooks.deliverer import LONGEST_WEBHOOK_REST, Deliverer
from dialerd.webhooks.ports import Refused, Taken

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECRET = "whsec_x"


def a_parcel(
    number: int = 1, *, webhook: int = 1, tries: int = 1, failures: int = 0, crm: Any = None, over: bool = False
) -> Parcel:
    event = Event(
        id=UUID(int=number),
        type=EventType.ATTEMPT_ENDED,
        at=NOW,
        account="default",
        campaign_id=3,
        lead_id=number,
        attempt_id=UUID(int=number),
        data={"number": number},
    )
    delivery = Delivery(
        id=number,
        webhook_id=webhook,
        event=event,
        state=DeliveryState.WAITING,
        tries=tries,
        due_at=NOW,
        status=None,
        error="",
        ended_at=None,
    )
    return Parcel(
        delivery=delivery,
        url=f"https://example.com/{webhook}",
        secret=SECRET,
        failures=failures,
        over_patience=over,
        crm_source=crm,
    )


@dataclass
class Store:
    """`due` by webhook. What is noted can be waited for."""

    due: dict[int, list[Parcel]] = field(default_factory=dict)
    delivered: list[tuple[int, int]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    disabled: dict[int, str] = field(default_factory=dict)
    away: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def with_due(self) -> Sequence[int]:
        if self.away:
            self.away = False
            raise StoreUnavailable
        return [webhook for webhook, parcels in self.due.items() if parcels]

    async def take(self, webhook_id: int, *, most: int, lease: timedelta, give_up_after: timedelta) -> Sequence[Parcel]:
        taken, self.due[webhook_id] = self.due[webhook_id][:most], self.due[webhook_id][most:]
        return taken

    async def note_delivered(self, delivery_id: int, status: int) -> None:
        async with self.changed:
            self.delivered.append((delivery_id, status))
            self.changed.notify_all()

    async def note_failed(self, delivery_id: int, error: str, **how: Any) -> None:
        async with self.changed:
            self.failed.append({"id": delivery_id, "error": error, **how})
            self.changed.notify_all()

    async def disable(self, webhook_id: int, why: str) -> None:
        self.disabled[webhook_id] = why

    async def clean(self, **_: Any) -> int:
        return 0

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(is_so)


def a_deliverer(
    store: Store,
    send: Callable[[Request], Awaitable[Taken | Refused]],
    for_crm: Callable[[Any, Any], Request] = lambda *_: Request(method="PUT", url="https://crm.example.com/"),
) -> Deliverer:
    return Deliverer(
        deliveries=store,
        events=store,
        send=send,
        for_crm=for_crm,
        clock=Clock(now=lambda: NOW),
        give_up_after=DAY,
        keep_for=DAY,
        chance=lambda: 0.5,
    )


def answers(
    answer: Taken | Refused, seen: list[Request] | None = None
) -> Callable[[Request], Awaitable[Taken | Refused]]:
    async def send(request: Request) -> Taken | Refused:
        if seen is not None:
            seen.append(request)
        return answer

    return send


async def test_what_arrives_is_signed_and_noted_and_there_may_be_more() -> None:
    store, seen = Store(due={1: [a_parcel()]}), list[Request]()
    assert await a_deliverer(store, answers(Taken(status=202), seen)).tell(1)
    assert store.delivered == [(1, 202)]
    [request] = seen
    assert (request.method, request.url) == ("POST", "https://example.com/1")
    assert request.body is not None
    assert json.loads(request.body)["data"] == {"number": 1}
    signed = signature(SECRET, request.headers["Dialerd-Timestamp"], request.body)
    assert request.headers["Dialerd-Signature"] == f"v1={signed}"
    assert request.headers["Dialerd-Event-Id"] == str(UUID(int=1))


async def test_what_is_refused_is_tried_later_and_the_webhook_rests() -> None:
    store = Store(due={1: [a_parcel(tries=4, failures=2)]})
    assert not await a_deliverer(store, answers(Refused(error="busy", status=503))).tell(1)
    [failed] = store.failed
    assert failed == {
        "id": 1,
        "error": "busy",
        "status": 503,
        "retry_in": timedelta(seconds=8),
        "rest": timedelta(seconds=4),
        "dead": False,
    }


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks_for_and_never_for_very_long() -> None:
    store = Store(due={1: [a_parcel(), a_parcel(2, failures=90)]})
    await a_deliverer(store, answers(Refused(error="slow down", status=429, after=timedelta(seconds=30)))).tell(1)
    first, second = store.failed
    assert (first["retry_in"], first["rest"]) == (timedelta(seconds=30), timedelta(seconds=30))
    assert second["rest"] == LONGEST_WEBHOOK_REST


async def test_beyond_its_patience_it_is_a_dead_letter() -> None:
    store = Store(due={1: [a_parcel(over=True)]})
    await a_deliverer(store, answers(Refused(error="no", status=500))).tell(1)
    assert store.failed[0]["dead"]


async def test_a_receiver_that_is_gone_for_good_is_told_nothing_more() -> None:
    store = Store(due={1: [a_parcel()]})
    await a_deliverer(store, answers(Refused(error="gone", status=410))).tell(1)
    assert "410" in store.disabled[1]


async def test_a_crm_is_told_in_its_own_words_and_signed_all_the_same() -> None:
    store, seen = Store(due={1: [a_parcel(crm={"results": {}})]}), list[Request]()

    def in_its_words(source: Any, message: Any) -> Request:
        body = json.dumps({"said": message["data"]["number"], "source": source}).encode()
        return Request(method="PATCH", url="https://crm.example.com/", headers={"Authorization": "hush"}, body=body)

    await a_deliverer(store, answers(Taken(status=200), seen), in_its_words).tell(1)
    [request] = seen
    assert (request.method, request.body) == ("PATCH", b'{"said": 1, "source": {"results": {}}}')
    assert {"Authorization", "Dialerd-Signature"} <= request.headers.keys()


async def test_a_message_that_cannot_be_made_says_why() -> None:
    def cannot(*_: Any) -> Request:
        raise DialerdError("crm.secrets.crm: missing")

    store = Store(due={1: [a_parcel(crm={})]})
    await a_deliverer(store, answers(Taken(status=200)), cannot).tell(1)
    assert (store.failed[0]["error"], store.failed[0]["status"]) == ("crm.secrets.crm: missing", None)


async def test_nobody_waits_for_a_receiver_that_never_answers() -> None:
    store = Store(due={1: [a_parcel(1, webhook=1)], 2: [a_parcel(2, webhook=2)]})

    async def send(request: Request) -> Taken | Refused:
        if request.url.endswith("/1"):
            await asyncio.Event().wait()
        return Taken(status=200)

    deliverer = a_deliverer(store, send)
    running = asyncio.create_task(deliverer.run())
    await store.until(lambda: store.delivered == [(2, 200)])
    store.due[2] = [a_parcel(3, webhook=2)]
    deliverer.ring()
    await store.until(lambda: store.delivered == [(2, 200), (3, 200)])
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize("trouble", ["store", "bug"])
async def test_it_goes_on_after_trouble(trouble: str) -> None:
    store = Store(due={1: [a_parcel()]}, away=trouble == "store")
    broken = [trouble == "bug"]

    async def send(_: Request) -> Taken | Refused:
        if broken.pop() if broken else False:
            store.due[1] = [a_parcel()]
            raise ZeroDivisionError
        return Taken(status=200)

    deliverer = a_deliverer(store, send)
    running = asyncio.create_task(deliverer.run())
    await store.until(lambda: store.delivered == [(1, 200)])
    running.cancel()
    await asyncio.wait([running])
