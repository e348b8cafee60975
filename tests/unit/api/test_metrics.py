"""What the web server tells of its requests, without a database."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse

from dialerd.api.metrics import NOWHERE, OTHER, Measured, WebMetrics
from dialerd.metrics import Registry, new_registry

Value = Callable[..., float | None]


@pytest.fixture
def registry() -> Registry:
    return new_registry()


@pytest.fixture
def value(registry: Registry) -> Value:
    def of(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"dialerd_http_{name}", labels)

    return of


@pytest_asyncio.fixture
async def client(registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    app, things = FastAPI(), APIRouter(prefix="/api/v1/things")
    app.add_middleware(Measured, metrics=WebMetrics(registry))

    @things.get("/{number}")
    async def thing(number: int) -> int:
        return 10 // number

    @things.get("/{number}/live")
    async def live(number: int) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            clients = registry.get_sample_value("dialerd_http_live_clients")
            yield f"data: {number} {clients}\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream; charset=utf-8")

    app.include_router(things)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd.test") as client:
        yield client


async def test_requests_are_counted_by_the_template_of_their_route_whatever_the_ids(
    client: httpx.AsyncClient, value: Value
) -> None:
    for number in range(1, 6):
        await client.get(f"/api/v1/things/{number}")
    assert value("requests_total", method="GET", route="/api/v1/things/{number}", status="200") == 5
    assert value("request_seconds_count", route="/api/v1/things/{number}") == 5


async def test_refused_and_failed_requests_are_counted_with_their_status(
    client: httpx.AsyncClient, value: Value
) -> None:
    await client.get("/api/v1/things/none")
    await client.get("/api/v1/things/0")
    counted = [value("requests_total", method="GET", route="/api/v1/things/{number}", status=s) for s in ("422", "500")]
    assert counted == [1, 1]
    assert value("requests_under_way") == 0


async def test_nonsense_makes_no_more_than_one_series(client: httpx.AsyncClient, value: Value) -> None:
    for path in ("/wp-login.php", "/.env", "/api/v1/thing"):
        await client.get(path)
    await client.request("BREW", "/coffee")
    assert value("requests_total", method="GET", route=NOWHERE, status="404") == 3
    assert value("requests_total", method=OTHER, route=NOWHERE, status="404") == 1


async def test_a_stream_of_events_is_counted_while_it_is_open_and_has_no_duration(
    client: httpx.AsyncClient, value: Value
) -> None:
    answer = await client.get("/api/v1/things/7/live")
    assert answer.text == "data: 7 1.0\n\n"
    assert value("live_clients") == 0
    assert value("requests_total", method="GET", route="/api/v1/things/{number}/live", status="200") == 1
    assert value("request_seconds_count", route="/api/v1/things/{number}/live") is None
