"""How soon a lead's card stands on an agent's desktop, while two hundred agents have theirs open on one `dialerd web`.

Each agent has signed in, has loaded /desktop, and holds a real WebSocket (Socket.IO, as the page's own script speaks it), which answers
pings. Cards are laid by SQL before one agent after the other, some a second. Measured is the time from the moment before the INSERT is sent
until the lead's name comes over that agent's socket; so the commit, the bell, the page's question to the API and the message are all in it.
Runs by itself, too: `python -m tests.benchmarks.desktop 200`.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from argon2 import PasswordHasher

from dialerd.api.auth import COOKIE
from dialerd.compliance import profiles
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.roles import Role
from dialerd.settings import WebSettings
from dialerd.store import users
from dialerd.store.pool import Pool, connect
from dialerd.store.stores import Stores
from tests.benchmarks.dnc import fresh_database
from tests.benchmarks.handover import percentile
from tests.daemon import web_process
from tests.portal.clients import OpenPage, open_page

AGENTS = 200
CARDS = 300
CARDS_PER_S = 5
"""Two hundred agents with a call of forty seconds each."""
NODE = "bench"
PATIENCE_S = 60
PASSWORD = "a sentence for the bench"

GOALS = {"desktop_card_p99_ms": "<= 200"}

_NODE = "INSERT INTO nodes (id, started_at, heartbeat_at, version) VALUES ($1, now(), now(), '0')"
_SEATS = """
    WITH sight AS (INSERT INTO pbx_sight (node, seen_at) VALUES ($1::text, now() + interval '1 day')),
    callers AS (INSERT INTO pbx_callers (node, queue, waiting) VALUES ($1, 'sales', 0)),
    queue AS (INSERT INTO pbx_queues (name, seen_at) VALUES ('sales', now() + interval '1 day'))
    INSERT INTO pbx_agents (node, queue, interface, name, state, paused, pause_reason, in_call, seen_at)
    SELECT $1, 'sales', agent, '', 'not_inuse', false, '', false, now() FROM unnest($2::text[]) AS agent
"""
_LEADS = """
    INSERT INTO leads (campaign_id, number, first_name, custom)
    SELECT $1, '+1999' || lpad(n::text, 7, '0'), 'Lead' || n, '{"city": "Springfield", "plan": "Gold"}'
    FROM generate_series(0, $2::int - 1) AS n
"""
_LAY = """
    INSERT INTO offers (campaign_id, lead_id, agent, node, expires_at)
    SELECT campaign_id, id, $2, $3, now() + interval '10 minutes' FROM leads WHERE first_name = $1
"""
_TAKE_AWAY = (
    "UPDATE offers SET state = 'withdrawn', answered_at = now(), noticed = true WHERE agent = $1 AND state = 'open'"
)


async def measure_desktops(agents: int = AGENTS, cards: int = CARDS) -> dict[str, object]:
    async with fresh_database() as (folder, dsn):
        pool = await connect(dsn)
        phones = [f"PJSIP/{2000 + place}" for place in range(agents)]
        secrets = await _prepare(pool, phones, cards)
        environment = {**os.environ, "DIALERD_DATABASE__DSN": dsn, "DIALERD_LOG__LEVEL": "warning"}
        async with web_process(environment, folder) as address, AsyncExitStack() as stack:
            desks = {
                phone: await stack.enter_async_context(_desktop(address, secret)) for phone, secret in secrets.items()
            }
            took = sorted(await _lay_cards(pool, desks, cards))
        await pool.close()
    return {
        "desktops": agents,
        "desktop_cards": cards,
        "desktop_card_p50_ms": round(percentile(took, 0.5), 1),
        "desktop_card_p99_ms": round(percentile(took, 0.99), 1),
        "desktop_card_max_ms": round(took[-1], 1),
    }


async def _prepare(pool: Pool, phones: list[str], leads: int) -> dict[str, str]:
    """Everybody is signed in: phone -> what stands in the cookie."""
    stores = Stores(pool, profiles())
    account = await stores.accounts.get()
    settings = CampaignSettings(name="Previews", queue="sales", dial_mode=DialMode.PREVIEW)
    campaign = await stores.campaigns.create(settings, [])
    await pool.execute(_NODE, NODE)
    await pool.execute(_SEATS, NODE, phones)
    await pool.execute(_LEADS, campaign.id, leads)
    await pool.execute("ANALYZE")
    secrets = {}
    users._hasher = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)  # guessing is not what is measured
    for phone in phones:
        login = phone.replace("/", "-").lower()
        await stores.users.create(account.id, login, PASSWORD, role=Role.AGENT, name=login, agent=phone)
        secrets[phone], _ = await stores.users.sign_in(login, PASSWORD, lifetime=WebSettings().session_lifetime)
    return secrets


@asynccontextmanager
async def _desktop(address: str, secret: str) -> AsyncIterator[OpenPage]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookies={COOKIE: secret}, cookie_jar=jar) as web,
        open_page(web, f"{address}/desktop") as page,
    ):
        yield page


async def _lay_cards(pool: Pool, desks: Mapping[str, OpenPage], cards: int) -> list[float]:
    """Milliseconds a card."""
    phones = [*desks]
    waits = []
    for number in range(cards):
        phone = phones[number % len(phones)]
        waits.append(asyncio.create_task(_lay_card(pool, desks[phone], phone, f"Lead{number}")))
        await asyncio.sleep(1 / CARDS_PER_S)
    return await asyncio.gather(*waits)


async def _lay_card(pool: Pool, desk: OpenPage, phone: str, name: str) -> float:
    shown = desk.waits_for(f'"{name}"')
    began = time.perf_counter()
    await pool.execute(_LAY, name, phone, NODE)
    async with asyncio.timeout(PATIENCE_S):
        took = (await shown - began) * 1000
    await pool.execute(_TAKE_AWAY, phone)
    return took


if __name__ == "__main__":
    for figure, value in asyncio.run(measure_desktops(*map(int, sys.argv[1:]))).items():
        print(f"{figure:28} {value!s:>12}  {GOALS.get(figure, '')}")
