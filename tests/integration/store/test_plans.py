"""The claim of a lead is a walk along an index, however many leads there are and however few of them are due."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dialerd.store.pool import Pool, connect
from dialerd.store.queries import queries_of
from tests.integration.store.scene import Stores
from tests.postgres import new_database

LEADS = 200_000


@pytest.fixture(scope="module")
def crowded_database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """A running campaign of which most leads are done or cool off, as it is in the middle of its life."""
    with asyncio.Runner() as runner:
        database = new_database(postgres_server, template=migrated_template)
        dsn = runner.run(database.__aenter__())
        runner.run(fill(dsn))
        yield dsn
        runner.run(database.__aexit__(None, None, None))


async def fill(dsn: str) -> None:
    pool = await connect(dsn)
    dialed = await Stores(pool).a_dialed_campaign()
    await pool.execute(
        """
        INSERT INTO leads (campaign_id, number, first_name, priority, state, not_before, held_by)
        SELECT $1, '+999' || lpad(n::text, 9, '0'), 'Ada', n % 5, state,
               CASE WHEN state = 'cooloff' THEN now() + n * interval '1 second' END,
               CASE WHEN state = 'cooloff' THEN 'cooloff' END
        FROM generate_series(1, $2::int) AS n,
             LATERAL (SELECT (ARRAY['active', 'success', 'failed', 'cooloff', 'cooloff'])[1 + n % 5]::lead_state AS state)
                AS chosen
        """,
        dialed.campaign.id,
        LEADS,
        timeout=300,
    )
    await pool.close()


@pytest.fixture
async def crowd(crowded_database: str) -> AsyncIterator[Pool]:
    pool = await connect(crowded_database)
    yield pool
    pool.terminate()


async def test_a_claim_walks_the_index_of_due_leads_with_statistics_and_without(crowd: Pool) -> None:
    lease = await crowd.fetchrow("SELECT id, owner, epoch FROM campaigns")
    assert lease is not None
    for preparation in ("SELECT", "ANALYZE"):
        await crowd.execute(preparation, timeout=60)
        plan = await explain(crowd, "attempts", "claim_lead", *lease)
        (scan,) = [node for node in plan if node.get("Relation Name") == "leads"]
        assert (scan["Node Type"], scan["Index Name"], scan["Actual Rows"]) == ("Index Scan", "leads_due", 1)


async def test_when_the_next_lead_becomes_due_is_read_off_an_index(crowd: Pool) -> None:
    plan = await explain(crowd, "attempts", "next_due_at", 1)
    (scan,) = [node for node in plan if node.get("Relation Name") == "leads"]
    assert (scan["Index Name"], scan["Actual Rows"]) == ("leads_waiting", 1)


async def explain(pool: Pool, table: str, query: str, *values: object) -> list[dict[str, Any]]:
    """Every node of the plan that the pool's connections would use, as it was run."""
    sql = getattr(queries_of(table), query).sql
    async with pool.acquire() as connection, connection.transaction():
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
    return list(nodes_of(json.loads(text)[0]["Plan"]))


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes_of(child))]
