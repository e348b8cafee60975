"""What it costs to decide on a lead and write its attempt, with every rule there is, on one connection.

Ten thousand leads against a million, of which most are done, cool off or are put off; without a do-not-call list and with
one of ten million numbers. On a Postgres of its own, that is as safe as in production. Runs by itself, too:
`python -m tests.benchmarks.claim 1000000 10000000`.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from dialerd.compliance import profiles
from dialerd.domain.caller_id import CallerId, Rotation
from dialerd.domain.calls import NoAgent
from dialerd.domain.compliance import HoursRule
from dialerd.domain.schedule import LeadWindow, parse_row
from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate
from dialerd.store.pool import Pool, connect
from tests.factories import a_new_lead
from tests.integration.store.scene import Dialed, Stores
from tests.numbers import numbers

FEW, MANY = 10_000, 1_000_000
LISTED = 10_000_000
DIALS = {20: 1_000, 1: 200}
"""How many leads are dialed, by how many one transaction takes."""
ROUNDS = 3
POOL_NUMBERS = 50
LEASE = "2 hours"

GOALS = {
    "claim_leads_per_s_most_20": ">= 2000",
    "claim_cost_of_many_most_20": "<= 1.3",
    "claim_dnc_ms_per_dial_most_20": "<= 0.2",
}


async def measure_claim(many: int = MANY, listed: int = LISTED) -> dict[str, object]:
    async with _fresh_database() as dsn:
        pool = await connect(dsn, max_connections=1)
        await pool.execute("SET statement_timeout = 0")  # filling it takes longer than any query of the daemon may
        small = await _campaign(pool, "small", FEW)
        large = await _campaign(pool, "large", many)
        await pool.execute("VACUUM ANALYZE", timeout=900)
        await _dial(small, 20, 200)  # plans are made, caches are filled
        before = [await _cost(campaign) for campaign in (small, large)]
        await _list_numbers(pool, listed)
        await pool.execute("VACUUM ANALYZE dnc_numbers", timeout=900)
        await pool.execute("CHECKPOINT", timeout=900)
        after = [await _cost(campaign) for campaign in (small, large)]
        await pool.close()
    return {"claim_leads": many, "claim_dnc_numbers": listed, **_figures(before, after)}


_Cost = dict[int, float]
"""Milliseconds a dial, by how many one transaction takes."""


def _figures(before: Sequence[_Cost], after: Sequence[_Cost]) -> dict[str, object]:
    small, large = after
    figures: dict[str, object] = {}
    for most in DIALS:
        figures |= {
            f"claim_leads_per_s_most_{most}": round(1000 / large[most]),
            f"claim_cost_of_many_most_{most}": round(large[most] / small[most], 2),
            f"claim_dnc_ms_per_dial_most_{most}": round(large[most] - before[1][most], 3),
        }
    return figures


async def _cost(dialed: Dialed) -> _Cost:
    """The best of some rounds: the machine is not ours alone."""
    return {most: min([await _dial(dialed, most, dials) for _ in range(ROUNDS)]) for most, dials in DIALS.items()}


async def _dial(dialed: Dialed, most: int, dials: int) -> float:
    """Milliseconds a dial. What was dialed is put back behind the line afterwards, its attempts ended."""
    began, opened = time.perf_counter(), 0
    while opened < dials:
        claim = await dialed.claim(most=most, look_at=most)
        assert len(claim.opened) == most, claim
        opened += most
    took = time.perf_counter() - began
    await dialed.stores.pool.execute(_END, timeout=300)
    return took * 1000 / dials


_END = """
    WITH ended AS (
        UPDATE attempts SET state = 'ended', outcome = 'busy', ended_at = now() WHERE ended_at IS NULL RETURNING lead_id
    )
    UPDATE leads SET state = 'failed' FROM ended WHERE id = lead_id
"""


@asynccontextmanager
async def _fresh_database() -> AsyncIterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="dialerd-"))
    folder.chmod(0o755)  # the server's user has to enter it
    try:
        async with embedded_postgres(folder) as dsn:
            await migrate(dsn)
            yield dsn
    finally:
        shutil.rmtree(folder)


# --- what is dialed ---------------------------------------------------------------------------------------------------


async def _campaign(pool: Pool, name: str, leads: int) -> Dialed:
    """Running, under every rule that a campaign may have; with all the leads that are dialed, and the rest not due."""
    stores = Stores(pool)
    account = await stores.accounts.create(name)
    rules = replace(account.rules, lead_zone_trusted=True, max_calls_24h=3, allowed_prefixes=("+1",))
    await stores.accounts.save(replace(account, rules=rules))
    shown = [CallerId(number=f"+1{code}5550199") for code in range(201, 201 + POOL_NUMBERS)]
    draft = await stores.a_draft(caller_ids=shown, account=name, **_rules(name))
    zone = _zone_at_noon()
    due = [a_new_lead(number=n, time_zone=zone) for n in _due_numbers(name)]
    await stores.leads.add(draft.id, due)
    await pool.execute(_FILL, draft.id, leads - len(due), f"+999{draft.id}", timeout=900)
    dialed = await stores.dialing(draft)
    await pool.execute("UPDATE campaigns SET lease_until = now() + $1::text::interval", LEASE)
    return dialed


def _rules(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "profile": "us",
        "schedule": tuple(parse_row(f"{day} 00:00-24:00") for day in ("mon-wed", "thu-fri", "sat-sun")),
        "lead_window": LeadWindow(start=parse_row("06:00-22:00").start, end=parse_row("06:00-22:00").end),
        "dial_cycles": 3,
        "rotation": Rotation.STICKY,
        "ring_timeout_s": 25,
        "customer_wait_sla_s": 2,
        "no_agent": NoAgent.MESSAGE_AT_SLA,
    }


# Of every eight of them: three are done, two cool off, three are put off.
_FILL = """
    INSERT INTO leads (campaign_id, number, first_name, priority, state, not_before, held_by)
    SELECT $1, $3 || lpad(n::text, 8, '0'), 'Ada', 9, state, CASE WHEN held_by <> '' THEN now() + n * interval '1 second' + '1 day' END,
           nullif(held_by, '')
    FROM generate_series(1, $2::int) AS n, LATERAL (SELECT 1 + n % 8 AS kind) AS one, LATERAL (
        SELECT (ARRAY['success', 'failed', 'success', 'cooloff', 'cooloff', 'active', 'active', 'retry'])[kind]::lead_state AS state,
               (ARRAY['', '', '', 'cooloff', 'cooloff', 'lead_window', 'number_cap', 'legal_hours'])[kind] AS held_by) AS chosen
"""


def _zone_at_noon() -> str:
    """A zone in which it is about noon now, so that no law of the day's hours stands in the way."""
    behind = datetime.now(UTC).hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


def _due_numbers(name: str) -> Iterator[str]:
    """Of states without hours of their own, which may be closed all day. Each campaign has its own numbers."""
    us = profiles()["us"]
    own_hours = {place for rule in us.rules if isinstance(rule.binds, HoursRule) for place in rule.binds.where}
    free = (
        number for number in numbers(range(100)) if us.areas.get(number[:5], next(iter(own_hours))) not in own_hours
    )
    each = 200 + 2 * ROUNDS * sum(DIALS.values())
    return islice(free, *((0, each) if name == "small" else (each, 2 * each)))


async def _list_numbers(pool: Pool, count: int) -> None:
    step, everything = 7_919, 10_000_000_019  # neither sorted nor repeated, as a register may be
    lines = (f"+999{index * step % everything:010d}\n" for index in range(count))
    await pool.copy_to_table("dnc_numbers", source=_chunks(lines), columns=["number"], timeout=900)


async def _chunks(lines: Iterator[str]) -> AsyncIterator[bytes]:
    while chunk := "".join(islice(lines, 10_000)):
        yield chunk.encode()


if __name__ == "__main__":
    for figure, value in asyncio.run(measure_claim(*map(int, sys.argv[1:]))).items():
        goal = next((goal for start, goal in GOALS.items() if figure.startswith(start)), "")
        print(f"{figure:28} {value!s:>12}  {goal}")
