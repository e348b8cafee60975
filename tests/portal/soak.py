"""Two hundred people before the portal for ten minutes, who go from page to page: its memory must stay bounded, and nobody is dropped.

`python -m tests.portal.soak [--clients 200] [--minutes 10]`; exit status 0 only if both hold.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from dialerd.compliance import profiles
from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate
from dialerd.store.pool import connect
from dialerd.store.stores import Stores
from tests.daemon import web_process
from tests.portal.clients import open_page
from tests.portal.scene import AGENTS, PASSWORD, Scene, set_scene

SESSIONS = 20
"""Sign-ins cost the server a tenth of a second each: so many people share one."""
STAYS_S = (20.0, 100.0)
LOOK_S = 5.0
WARM_SHARE = 0.4
MOST_GROWTH = 0.15
"""From after the first part of the time to the end, of resident memory."""


def paths_of(scene: Scene) -> tuple[str, ...]:
    return (f"/desktop?agent={AGENTS[0]}",) * 6 + (
        "/campaigns",
        f"/campaigns/{scene.running}",
        f"/campaigns/{scene.running}/leads",
        "/activity",
        "/queues",
        "/audit-log",
    )


async def soak(clients: int, minutes: float) -> int:
    with tempfile.TemporaryDirectory(prefix="dialerd-soak-") as state:
        Path(state).chmod(0o755)
        async with embedded_postgres(Path(state), durable=False) as dsn, AsyncExitStack() as stack:
            await migrate(dsn)
            pool = await connect(dsn)
            stack.callback(pool.terminate)
            scene = await set_scene(pool, Stores(pool, profiles()))
            environment = {**os.environ, "DIALERD_DATABASE__DSN": dsn, "DIALERD_LOG__LEVEL": "warning"}
            address = await stack.enter_async_context(web_process(environment, Path(state)))
            webs = [await stack.enter_async_context(_signed_in(address)) for _ in range(SESSIONS)]
            until = time.monotonic() + minutes * 60
            people = [
                asyncio.create_task(_person(random.Random(n), webs[n % SESSIONS], address, paths_of(scene), until))
                for n in range(clients)
            ]
            lag = asyncio.create_task(_lag(until))
            seen = await _watch(_server(), until)
            told = await asyncio.gather(*people)
            print(f"this program itself stood still for {await lag:.2f} s at most")
    return _judge(seen, told, minutes)


@asynccontextmanager
async def _signed_in(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as web:
        async with web.post(f"{address}/api/v1/session", json={"login": "olga", "password": PASSWORD}) as answer:
            answer.raise_for_status()
        yield web


async def _person(
    chance: random.Random, web: aiohttp.ClientSession, address: str, paths: tuple[str, ...], until: float
) -> tuple[int, int]:
    """How many pages were opened, and how often one of them was dropped."""
    opened = dropped = 0
    await asyncio.sleep(chance.uniform(0, 20))
    while time.monotonic() < until:
        async with open_page(web, f"{address}{chance.choice(paths)}") as page:
            opened += 1
            await asyncio.sleep(min(chance.uniform(*STAYS_S), max(0, until - time.monotonic())))
            if page.dropped:
                dropped += 1
                print(f"a page was {page.dropped}", flush=True)
    return opened, dropped


async def _lag(until: float) -> float:
    """How long nothing moved here at most: who answers no ping in time is dropped, rightly."""
    worst, last = 0.0, time.monotonic()
    while last < until:
        await asyncio.sleep(0.05)
        now = time.monotonic()
        worst, last = max(worst, now - last - 0.05), now
    return worst


async def _watch(pid: int, until: float) -> list[float]:
    """Megabytes of resident memory, again and again."""
    seen = []
    while time.monotonic() < until:
        seen.append(_rss_mb(pid))
        print(f"{len(seen) * LOOK_S:6.0f} s {seen[-1]:8.1f} MB", flush=True)
        await asyncio.sleep(LOOK_S)
    return seen


def _server() -> int:
    """Our child that serves."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return next(int(pid) for pid in children if "dialerd.cli" in Path(f"/proc/{pid}/cmdline").read_text())


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _judge(seen: list[float], told: list[tuple[int, int]], minutes: float) -> int:
    warm = seen[int(len(seen) * WARM_SHARE)]
    growth = max(seen) / warm - 1
    opened, dropped = (sum(column) for column in zip(*told, strict=True))
    print(f"{len(told)} people, {minutes:g} minutes, {opened} pages opened, {dropped} dropped")
    print(f"resident memory: {seen[0]:.0f} MB at first, {warm:.0f} MB warm, {max(seen):.0f} MB at most ({growth:+.1%})")
    return int(bool(dropped) or growth > MOST_GROWTH)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    sys.exit(asyncio.run(soak(options.clients, options.minutes)))
