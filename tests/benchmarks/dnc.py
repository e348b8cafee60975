"""A do-not-call list of ten million numbers: how long its import takes, what a dial pays for it, who has to wait meanwhile.

Runs by itself, too: `python -m tests.benchmarks.dnc 10000000`.
"""

import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from dialerd.store.dnc import DncStore
from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate
from dialerd.store.pool import connect
from tests.benchmarks.handover import percentile

NUMBERS = 10_000_000
LOOKUPS = 5_000
PROBE_EVERY_S = 0.05

# One step visits all numbers of ten digits before it meets one again: neither sorted nor repeated, as a register may be.
_STEP, _ALL = 7_919, 10_000_000_019


async def measure_dnc(numbers: int = NUMBERS) -> dict[str, object]:
    """On a Postgres of its own, that is as safe as in production."""
    async with fresh_database() as (folder, dsn):
        register = folder / "register.txt"
        _write_register(register, numbers)
        pool = await connect(dsn, max_connections=2)
        store = DncStore(pool)
        without = await _lookups(store, numbers)
        imported = asyncio.create_task(_import(dsn, register))
        waits = await _probe(store, imported)
        await pool.execute("VACUUM ANALYZE dnc_numbers", timeout=600)
        looked_up = await _lookups(store, numbers)
        again = await _import(dsn, register)
        await pool.close()
        return {
            "dnc_numbers": numbers,
            "dnc_import_s": round(await imported, 1),
            "dnc_same_import_again_s": round(again, 1),
            "dnc_import_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            **waits,
            "dnc_lookup_in_empty_list_ms": _p50_p99_max(without),
            "dnc_lookup_ms": _p50_p99_max(looked_up),
            "dnc_adds_to_a_dial_ms": round(median(looked_up) - median(without), 3),
        }


@asynccontextmanager
async def fresh_database() -> AsyncIterator[tuple[Path, str]]:
    folder = Path(tempfile.mkdtemp(prefix="dialerd-"))
    folder.chmod(0o755)  # the server's user has to enter it
    try:
        async with embedded_postgres(folder) as dsn:
            await migrate(dsn)
            yield folder, dsn
    finally:
        shutil.rmtree(folder)


def _number(index: int) -> str:
    return f"+999{index * _STEP % _ALL:010d}"


def _write_register(file: Path, numbers: int) -> None:
    with file.open("w", encoding="ascii") as lines:
        lines.writelines(f"{_number(index)}\n" for index in range(numbers))


async def _import(dsn: str, register: Path) -> float:
    """Seconds, for the command as a user gives it."""
    began = time.perf_counter()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialerd.cli", "dnc", "import", str(register), "--everybody"),
        env={**os.environ, "DIALERD_DATABASE__DSN": dsn},
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await command.wait():
        raise RuntimeError("the import has failed")
    return time.perf_counter() - began


async def _probe(store: DncStore, imported: "asyncio.Task[float]") -> dict[str, object]:
    """What lookups and additions by hand take while the import runs."""
    lookups, additions = [], []
    index = 0
    while not imported.done():
        index += 1
        lookups.append(await _timed(lambda: store.contains("+9980000000001")))
        additions.append(await _timed(lambda number=f"+998{index:010d}": store.add(number)))  # type: ignore[misc]
        await asyncio.sleep(PROBE_EVERY_S)
    return {
        "dnc_lookup_during_import_ms": _p50_p99_max(lookups),
        "dnc_add_during_import_ms": _p50_p99_max(additions),
    }


async def _lookups(store: DncStore, numbers: int) -> list[float]:
    """Milliseconds with the way to the server and back. Half of them are listed; each another one, as with real leads."""
    asked = [_number(index * (2 * numbers // LOOKUPS)) for index in range(LOOKUPS)]
    return [await _timed(lambda number=number: store.contains(number, 1)) for number in asked]  # type: ignore[misc]


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000


def _p50_p99_max(took: list[float]) -> str:
    ordered = sorted(took)
    return f"{percentile(ordered, 0.5):.2f} / {percentile(ordered, 0.99):.2f} / {ordered[-1]:.2f}"


if __name__ == "__main__":
    for name, value in asyncio.run(measure_dnc(int(sys.argv[1]) if sys.argv[1:] else NUMBERS)).items():
        print(f"{name:32} {value}")
