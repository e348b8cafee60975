"""What the API takes to answer where an account has a million leads and half a million attempts; and how long the event loop stands still
while files and lists come in.

Through the whole application, without the network. On a Postgres of its own, that is as safe as in production. Runs by itself, too:
`python -m tests.benchmarks.api 1000000`.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.domain.roles import Role
from dialerd.settings import Settings, WebSettings
from dialerd.store.pool import Pool, connect
from dialerd.store.stores import Stores
from tests.benchmarks.dnc import fresh_database
from tests.benchmarks.handover import percentile
from tests.numbers import numbers

LEADS = 1_000_000
REQUESTS = 300
UPLOADED = 100_000
PROBE_EVERY_S = 0.005

GOALS = {"api_read_p99_ms": "<= 50"}

_FILL = """
    INSERT INTO leads (campaign_id, number, first_name, last_name, state, not_before, held_by, time_zone)
    SELECT $1, '+1999' || lpad(n::text, 8, '0'), (ARRAY['Ada', 'Ben', 'Chloe', 'Dora'])[1 + n % 4], 'Name' || md5(n::text), state,
           CASE WHEN held_by <> '' THEN now() + n * interval '1 second' END, nullif(held_by, ''),
           CASE WHEN n % 1000 = 0 THEN 'Europe/London' END
    FROM generate_series(1, $2::int) AS n, LATERAL (SELECT 1 + n % 8 AS kind) AS one, LATERAL (
        SELECT (ARRAY['success', 'failed', 'success', 'cooloff', 'cooloff', 'active', 'active', 'retry'])[kind]::lead_state AS state,
               (ARRAY['', '', '', 'cooloff', 'cooloff', 'lead_window', 'number_cap', 'legal_hours'])[kind] AS held_by) AS chosen
"""
_CALL = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, state, admitted_by, opened_at, ended_at,
                          agent, outcome)
    SELECT gen_random_uuid(), campaign_id, id, 1, number, 'sales', 'one', 1, 'ended', '{}', now() - id * interval '1 second', now(),
           CASE WHEN id % 3 = 0 THEN 'PJSIP/1' || id % 200 END, 'busy'
    FROM leads WHERE id % 2 = 0
"""
_RECORD = """
    INSERT INTO recordings (attempt_id, node, name, state, recorded_at, duration_s, bytes, sha256)
    SELECT id, 'one', id::text, 'stored', opened_at, 60, 960000, md5(id::text) FROM attempts WHERE agent IS NOT NULL
"""
_TELL = """
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact)
    SELECT opened_at, campaign_id, lead_id, id, 'ended' FROM attempts
"""


async def measure_api(leads: int = LEADS) -> dict[str, object]:
    async with fresh_database() as (_, dsn):
        pool = await connect(dsn, max_connections=4)
        async with _client(pool) as (client, parts):
            figures: dict[str, object] = {"api_leads": leads}
            campaign_id = await _campaign(client, "large")
            figures |= await _bulk(client)
            figures |= await _upload(client, parts)
            await _fill(pool, campaign_id, leads)
            figures |= await _bare(pool)
            figures |= await _reads(client, campaign_id, leads)
        await pool.close()
    return figures


@asynccontextmanager
async def _client(pool: Pool) -> AsyncIterator[tuple[httpx.AsyncClient, Parts]]:
    stores = Stores(pool, profiles())
    account = await stores.accounts.get()
    secret, _ = await stores.users.create_token(account.id, "bench", role=Role.OWNER, created_by="bench")
    parts = Parts(stores=stores, settings=Settings(web=WebSettings(requests_per_minute=1_000_000)), clock=SYSTEM_CLOCK)
    transport = httpx.ASGITransport(create_web(parts))
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers, timeout=600) as client:
        yield client, parts


async def _campaign(client: httpx.AsyncClient, name: str) -> int:
    created = await client.post("/api/v1/campaigns", json={"name": name, "queue": "sales"})
    return int(created.raise_for_status().json()["id"])


async def _fill(pool: Pool, campaign_id: int, leads: int) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(_FILL, campaign_id, leads, timeout=900)
        for filling in (_CALL, _RECORD, _TELL):
            await connection.execute(filling, timeout=900)
        await connection.execute("VACUUM ANALYZE", timeout=900)


# --- reads ------------------------------------------------------------------------------------------------------------


async def _reads(client: httpx.AsyncClient, campaign_id: int, leads: int) -> dict[str, object]:
    some = random.Random(1)
    campaign = f"/api/v1/campaigns/{campaign_id}"

    def number() -> str:
        return f"+1999{some.randrange(leads):08d}"

    asked: Mapping[str, Callable[[], str]] = {
        "leads": lambda: f"{campaign}/leads?after=n{some.randrange(leads)}",
        "leads_in_state": lambda: f"{campaign}/leads?state=failed&after=n{some.randrange(leads)}",
        "leads_by_number": lambda: f"{campaign}/leads?number=%2B{number()[1:10]}",
        "leads_by_name": lambda: f"{campaign}/leads?name=name{some.randrange(16**4):04x}",
        "leads_held": lambda: f"{campaign}/leads?held_by=number_cap",
        "leads_rare_by_name": lambda: f"{campaign}/leads?name=ada&time_zone=Asia/Tokyo",
        "leads_rare": lambda: f"{campaign}/leads?state=failed&time_zone=Asia/Tokyo",
        "lead": lambda: f"/api/v1/leads/{1 + some.randrange(leads)}",
        "lead_activity": lambda: f"/api/v1/leads/{1 + some.randrange(leads)}/activity",
        "lead_explanation": lambda: f"/api/v1/leads/{1 + some.randrange(leads)}/explanation",
        "attempts": lambda: "/api/v1/attempts",
        "attempts_of_campaign": lambda: f"/api/v1/attempts?campaign_id={campaign_id}",
        "attempts_of_lead": lambda: f"/api/v1/attempts?lead_id={1 + some.randrange(leads)}",
        "attempts_of_number": lambda: f"/api/v1/attempts?number=%2B{number()[1:]}",
        "attempts_of_agent": lambda: f"/api/v1/attempts?agent=PJSIP/1{some.randrange(200)}",
        "attempts_rare": lambda: f"/api/v1/attempts?campaign_id={campaign_id}&outcome=connected",
        "activity": lambda: f"{campaign}/activity",
        "dnc_check": lambda: f"/api/v1/dnc/check?number=%2B{number()[1:]}",
        "campaigns": lambda: "/api/v1/campaigns",
        "campaign": lambda: campaign,
        "campaign_explain": lambda: f"{campaign}/explain",
        "status": lambda: "/api/v1/status",
        "recordings": lambda: "/api/v1/recordings",
        "recordings_of_campaign": lambda: f"/api/v1/recordings?campaign_id={campaign_id}",
        "queues": lambda: "/api/v1/queues",
        "users": lambda: "/api/v1/users",
        "audit_log": lambda: "/api/v1/audit-log",
        "jobs": lambda: "/api/v1/jobs",
    }
    took = {name: await _took(client, path) for name, path in asked.items()}
    everything = sorted(ms for each in took.values() for ms in each)
    return {
        **{f"api_{name}_ms": _p50_p99(each) for name, each in took.items()},
        "api_read_p99_ms": round(percentile(everything, 0.99), 1),
    }


async def _bare(pool: Pool) -> dict[str, object]:
    """What the machine takes for a question to the database that asks nothing."""
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        await pool.fetchval("SELECT 1")
        took.append((time.perf_counter() - began) * 1000)
    return {"api_select_1_ms": _p50_p99(took)}


async def _took(client: httpx.AsyncClient, path: Callable[[], str]) -> list[float]:
    """Milliseconds a request, one after the other."""
    await _get(client, path())  # the plan is made once
    return [await _get(client, path()) for _ in range(REQUESTS)]


async def _get(client: httpx.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    answer = await client.get(path)
    took = (time.perf_counter() - began) * 1000
    if answer.status_code not in (200, 404):
        raise RuntimeError(f"{path}: {answer.text}")
    return took


def _p50_p99(took: list[float]) -> str:
    ordered = sorted(took)
    return f"{percentile(ordered, 0.5):.1f} / {percentile(ordered, 0.99):.1f}"


# --- what comes in ----------------------------------------------------------------------------------------------------


async def _bulk(client: httpx.AsyncClient) -> dict[str, object]:
    campaign_id = await _campaign(client, "bulk")
    people = [
        {"number": each, "first_name": "Ada"} for each, _ in zip(numbers(range(100)), range(10_000), strict=False)
    ]
    async with _lag() as lags:
        began = time.perf_counter()
        answer = await client.post(f"/api/v1/campaigns/{campaign_id}/leads", json={"leads": people})
        took = time.perf_counter() - began
    added = answer.raise_for_status().json()["added"]
    return {"api_bulk_10000_s": round(took, 2), "api_bulk_added": added, "api_bulk_loop_lag_ms": _p50_p99_max(lags)}


async def _upload(client: httpx.AsyncClient, parts: Parts) -> dict[str, object]:
    campaign_id = await _campaign(client, "upload")
    rows = (f"{each},1,Ada\r\n" for each, _ in zip(numbers(range(100)), range(UPLOADED), strict=False))
    content = "".join(("number,priority,first_name\r\n", *rows)).encode()
    async with _lag() as lags:
        began = time.perf_counter()
        path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
        begun = await client.post(path, content=content, headers={"Content-Type": "text/csv"})
        await parts.jobs.idle()
        took = time.perf_counter() - began
    job = (await client.get(begun.raise_for_status().headers["location"])).json()
    return {
        "api_uploaded": job["report"]["added"],
        "api_upload_s": round(took, 1),
        "api_upload_loop_lag_ms": _p50_p99_max(lags),
    }


@asynccontextmanager
async def _lag() -> AsyncIterator[list[float]]:
    """How late the event loop is, in milliseconds."""
    lags: list[float] = []

    async def probe() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(PROBE_EVERY_S)
            lags.append((time.perf_counter() - began - PROBE_EVERY_S) * 1000)

    probing = asyncio.create_task(probe())
    try:
        yield lags
    finally:
        probing.cancel()


def _p50_p99_max(lags: list[float]) -> str:
    return f"{_p50_p99(lags)} / {max(lags):.1f}"


if __name__ == "__main__":
    for figure, value in asyncio.run(measure_api(*map(int, sys.argv[1:]))).items():
        print(f"{figure:28} {value!s:>24}  {GOALS.get(figure, '')}")
