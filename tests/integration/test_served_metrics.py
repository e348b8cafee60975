"""What the running processes show to Prometheus: a daemon with the web server in it, and a web server of its own."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.daemon import free_port

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
LOOK_S = 0.2


@pytest.fixture
def nowhere() -> Iterator[int]:
    """A port at which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@asynccontextmanager
async def running(*arguments: str, settings: Mapping[str, object]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of ours, ended as systemd ends it."""
    environment = {f"DIALERD_{name}": str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dialerd.cli",
        *arguments,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def answer(process: asyncio.subprocess.Process, port: int, path: str) -> httpx.Response:
    """As soon as somebody listens there."""
    async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        while True:
            assert process.returncode is None
            try:
                return await client.get(f"http://127.0.0.1:{port}{path}")
            except httpx.TransportError:
                await asyncio.sleep(LOOK_S)


def families(shown: str) -> set[str]:
    return set(re.findall(r"^# TYPE (dialerd_\w+) ", shown, re.MULTILINE))


def documented() -> set[str]:
    return set(re.findall(r"^\| `(dialerd_\w+)`", Path("docs/metrics.md").read_text(), re.MULTILINE))


async def test_a_daemon_shows_all_that_is_documented_and_what_was_asked_of_its_web_server(
    database: str, tmp_path: Path, nowhere: int
) -> None:
    figures, api = free_port(), free_port()
    settings = {
        "DATABASE__DSN": database,
        "DIALER__SPOOL_DIR": tmp_path,
        "HTTP__PORT": figures,
        "WEB__PORT": api,
        "AMI__PORT": nowhere,
        "AMI__SECRET": "no-secret",
        "ARI__BASE_URL": f"http://127.0.0.1:{nowhere}",
        "ARI__PASSWORD": "no-secret",
    }
    async with running("run", "--with-web", settings=settings) as process:
        assert (await answer(process, api, "/api/v1/session")).status_code == 401
        shown = (await answer(process, figures, "/metrics")).text
    assert families(shown) == documented()
    assert 'dialerd_http_requests_total{method="GET",route="/api/v1/session",status="401"} 1.0' in shown
    assert 'dialerd_ready{need="database"} 1.0' in shown
    assert 'dialerd_ready{need="ami"} 0.0' in shown
    assert 'dialerd_link_up{link="ami"} 0.0' in shown
    assert 'dialerd_link_round_trip_seconds{link="ami"}' not in shown
    assert 'dialerd_database_connections_set{pool="claims"} 10.0' in shown
    assert "dialerd_spool_calls 0.0" in shown
    assert "_created" not in shown


async def test_a_web_server_of_its_own_shows_its_requests_on_another_port(database: str) -> None:
    api, figures = free_port(), free_port()
    settings = {"DATABASE__DSN": database, "WEB__PORT": api, "WEB__METRICS_PORT": figures}
    async with running("web", settings=settings) as process:
        assert (await answer(process, api, "/api/v1/session")).status_code == 401
        assert (await answer(process, api, "/metrics")).status_code == 404
        shown = (await answer(process, figures, "/metrics")).text
    assert families(shown) == {name for name in documented() if name.startswith(("dialerd_http_", "dialerd_build_"))}
    assert 'dialerd_http_requests_total{method="GET",route="/api/v1/session",status="401"} 1.0' in shown
