import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter

from dialerd.api.app import create_app, listen, serve, serve_on
from dialerd.errors import SettingsError


class Served:
    """The app on a socket of this host, with needs that a test may take away."""

    def __init__(self) -> None:
        self.needs: dict[str, bool | str] = {"database": True, "ami": True}
        self.registry = CollectorRegistry()
        self.app = create_app(self.registry, lambda: self.needs)
        self.socket = listen("127.0.0.1", 0)
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.socket.getsockname()[1]}", trust_env=False)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    serving = asyncio.create_task(serve_on(served.app, served.socket))
    async with served.http:
        yield served
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_process_that_answers_is_alive(served: Served) -> None:
    served.needs["ami"] = False
    assert (await served.http.get("/healthz")).status_code == 200


async def test_it_is_ready_when_nothing_is_missing(served: Served) -> None:
    answer = await served.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


async def test_why_something_is_missing_is_told_where_it_is_known(served: Served) -> None:
    served.needs.update(ami="login refused: Authentication failed", database=False)
    answer = await served.http.get("/readyz")
    why = {"ami": "login refused: Authentication failed"}
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["ami", "database"], "why": why})


async def test_what_is_missing_is_named(served: Served) -> None:
    served.needs.update(ami=False, database=False)
    answer = await served.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["ami", "database"]})


async def test_the_figures_come_without_a_redirect(served: Served) -> None:
    Counter("dialerd_calls_placed", "calls", registry=served.registry).inc()
    answer = await served.http.get("/metrics")
    assert answer.status_code == 200
    assert "dialerd_calls_placed_total 1.0" in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/"])
async def test_nothing_else_is_there(path: str, served: Served) -> None:
    assert (await served.http.get(path)).status_code == 404


async def test_an_address_that_is_taken_is_an_error_of_the_settings_and_ends_nothing_else(served: Served) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        await serve(served.app, "127.0.0.1", served.socket.getsockname()[1])


def test_an_address_of_another_host_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        listen("192.0.2.1", 0)


async def test_a_cancelled_server_gives_its_port_back() -> None:
    served = Served()
    port = served.socket.getsockname()[1]
    serving = asyncio.create_task(serve_on(served.app, served.socket))
    async with served.http:
        await served.http.get("/healthz")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with socket.create_server(("127.0.0.1", port)) as free:
        assert free.getsockname()[1] == port
