"""How fast a list of leads comes in, what that costs, and what a loop that has other work to do meanwhile feels of it.

Needs no PBX: a Postgres of its own, the command as a user runs it, and then the same steps inside of a live loop.
"""

import asyncio
import csv
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice, product
from pathlib import Path

from dialerd.compliance import profiles
from dialerd.domain.leads import NewLead
from dialerd.imports import Policy, good_rows
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.csv_file import judge_fields, read_leads
from dialerd.store.campaigns import CampaignStore
from dialerd.store.embedded import embedded_postgres
from dialerd.store.leads import LeadStore
from dialerd.store.migrate import migrate
from dialerd.store.pool import Pool, connect
from tests.factories import settings
from tests.numbers import AREA_CODES

ROWS = 200_000
COLUMNS = ["number", "priority", "first_name", "last_name", "retries", "ticket_id", "cool_off", "note", "type", "city"]
TICK_S = 0.002
COMMAND = "from dialerd.cli import main; main()"

GOALS = {
    "csv_import_s": "<= 10",
    "csv_import_rss_mb": "<= 200",
    "csv_import_lag_p99_ms": "<= 50",
}


async def measure_csv_import(rows: int = ROWS) -> dict[str, object]:
    """Seconds and memory of `dialerd leads import`, and the lag of a live loop while it imports the same file."""
    with tempfile.TemporaryDirectory(prefix="dialerd-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a server of another user has to get in
        file = folder / "leads.csv"
        write_list(file, rows)
        async with embedded_postgres(folder / "server", durable=False) as dsn:
            await migrate(dsn)
            pool = await connect(dsn)
            figures = await _command(dsn, pool, file)
            figures |= await _live_loop(pool, file)
            pool.terminate()
    return {"csv_import_rows": rows, **figures}


def write_list(file: Path, rows: int) -> None:
    """Each row with a number of its own, none of which is in use: North America's exchange 555."""
    with file.open("w", newline="", encoding="utf-8") as target:
        lines = csv.writer(target)
        lines.writerow(COLUMNS)
        for place, number in enumerate(islice(_numbers(), rows)):
            note = "asked for a quote; prefers mornings, not Mondays"
            name = ("Ada", "Chloé", "Łukasz")[place % 3]
            lines.writerow((number, place % 10, name, "Nguyen", 3, f"T-{place}", 1800, note, "warm", "Oslo"))


def _numbers() -> Iterator[str]:
    """In areas that exist: what is no number is refused."""
    areas = [code for code in AREA_CODES if not isinstance(_judged(f"+1{code}5550200"), BadRow)]
    for line, code in product(range(100, 1000), areas):
        yield f"+1{code}555{line:04d}"


def _judged(number: str) -> object:
    return judge_fields(1, {"number": number, "first_name": "x"}, "US")


async def _command(dsn: str, pool: Pool, file: Path) -> dict[str, object]:
    campaign = await CampaignStore(pool, profiles()).create(settings(name="by command"), [])
    began = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", COMMAND, "leads", "import", str(campaign.id), str(file)],
        {**os.environ, "DIALERD_DATABASE__DSN": dsn},
    )
    _, status, usage = await asyncio.to_thread(os.wait4, pid, 0)
    assert status == 0
    return {
        "csv_import_s": round(time.perf_counter() - began, 1),
        "csv_import_rss_mb": usage.ru_maxrss // 1024,
        "csv_import_cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
    }


async def _live_loop(pool: Pool, file: Path) -> dict[str, object]:
    campaign = await CampaignStore(pool, profiles()).create(settings(name="in a live loop"), [])
    bad: list[BadRow] = []
    rows: AsyncIterator[GoodRow] = good_rows(
        read_leads(file, default_region="US"), bad=bad, policy=Policy.REFUSE, advance=lambda _: None
    )
    began = time.perf_counter()
    async with _lags() as lags:
        report = await LeadStore(pool).add(campaign.id, _leads(rows))
    assert report.added
    lags.sort()
    return {
        "csv_import_in_a_live_loop_s": round(time.perf_counter() - began, 1),
        "csv_import_lag_p99_ms": round(lags[len(lags) * 99 // 100] * 1000, 1),
        "csv_import_lag_max_ms": round(lags[-1] * 1000, 1),
    }


async def _leads(rows: AsyncIterator[GoodRow]) -> AsyncIterator[NewLead]:
    async for row in rows:
        yield row.lead


@asynccontextmanager
async def _lags() -> AsyncIterator[list[float]]:
    """How much later than it wanted somebody wakes who sleeps again and again, in seconds."""
    lags: list[float] = []

    async def tick() -> None:
        while True:
            asleep = time.perf_counter()
            await asyncio.sleep(TICK_S)
            lags.append(max(0.0, time.perf_counter() - asleep - TICK_S))

    ticking = asyncio.create_task(tick())
    yield lags
    ticking.cancel()


if __name__ == "__main__":
    for figure, value in asyncio.run(measure_csv_import()).items():
        print(f"{figure}: {value} {GOALS.get(figure, '')}")
