"""The claim of a lead is a walk along indexes, however many leads, calls and listed numbers there are, and however few leads are due."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from dialerd.store.pool import Connection, Pool, connect
from dialerd.store.queries import queries_of
from tests.integration.store.scene import Dialed, Stores
from tests.postgres import new_database

LEADS = 200_000
LISTED = 200_000
CALLS = 100_000
BIG = ("leads", "attempts", "dnc_numbers")

# Of every eight leads: three are done, two cool off, three are put off by a rule.
_LEADS = """
    INSERT INTO leads (campaign_id, number, first_name, priority, state, not_before, held_by)
    SELECT $1, '+999' || lpad(n::text, 9, '0'), 'Ada', n % 5, state, CASE WHEN held_by <> '' THEN now() + n * interval '1 second' END,
           nullif(held_by, '')
    FROM generate_series(1, $2::int) AS n, LATERAL (SELECT 1 + n % 8 AS kind) AS one, LATERAL (
        SELECT (ARRAY['success', 'failed', 'success', 'cooloff', 'cooloff', 'active', 'active', 'retry'])[kind]::lead_state AS state,
               (ARRAY['', '', '', 'cooloff', 'cooloff', 'lead_window', 'number_cap', 'legal_hours'])[kind] AS held_by) AS chosen
"""
_LISTED = (
    "INSERT INTO dnc_numbers (number) SELECT '+998' || lpad(n::text, 9, '0') FROM generate_series(1, $1::int) AS n"
)
_CALLS = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by, opened_at, state, outcome, ended_at)
    SELECT gen_random_uuid(), campaign_id, id, 1, number, 'sales', 'one', 1, '{}', now() - id * interval '1 second', 'ended', 'busy', now()
    FROM leads WHERE state IN ('success', 'failed', 'cooloff') LIMIT $1
"""


@pytest.fixture(scope="module")
def crowded_database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """A running campaign of which most leads are done, cool off or are put off, as it is in the middle of its life."""
    with asyncio.Runner() as runner:
        database = new_database(postgres_server, template=migrated_template)
        dsn = runner.run(database.__aenter__())
        runner.run(fill(dsn))
        yield dsn
        runner.run(database.__aexit__(None, None, None))


async def fill(dsn: str) -> None:
    pool = await connect(dsn)
    dialed = await Stores(pool).a_dialed_campaign(leads=20)
    await pool.execute("UPDATE leads SET state = 'retry' WHERE id % 2 = 0")
    await pool.execute(_LEADS, dialed.campaign.id, LEADS, timeout=300)
    await pool.execute(_LISTED, LISTED, timeout=300)
    await pool.execute(_CALLS, CALLS, timeout=300)
    await pool.close()


@pytest.fixture
async def crowd(crowded_database: str) -> AsyncIterator[Pool]:
    pool = await connect(crowded_database)
    yield pool
    pool.terminate()


@pytest.mark.parametrize("preparation", ["SELECT", "ANALYZE"])
async def test_a_claim_walks_the_indexes_of_both_lines_with_statistics_and_without(
    crowd: Pool, preparation: str
) -> None:
    await crowd.execute(preparation, timeout=60)
    plan = await explain(crowd, "claims", "claim_leads", 1, 3, False, 1, 1)
    scans = [node for node in plan if node.get("Relation Name") == "leads"]
    assert [(scan["Node Type"], scan["Index Name"], scan["Actual Rows"]) for scan in scans] == [
        ("Index Scan", "leads_due", 3),
        ("Index Scan", "leads_due", 3),
    ]


async def test_what_a_dial_has_to_know_is_found_by_index_even_if_the_tables_were_empty_when_it_was_planned(
    postgres_server: str, migrated_template: str
) -> None:
    """A list of millions may be imported while the daemon dials: its connections keep the plans that they have."""
    async with new_database(postgres_server, template=migrated_template) as dsn:
        pool = await connect(dsn, max_connections=1)
        dialed = await Stores(pool).a_dialed_campaign(leads=60)
        await pool.execute("VACUUM ANALYZE", timeout=60)
        await dialed.claim(look_at=5, most=5)
        await grow(dsn, dialed)
        async with pool.acquire() as connection, connection.transaction():
            before = await read_in_sequence(connection)
            rows = [
                row
                async for row in queries_of("claims").claim_leads(
                    connection,
                    campaign_id=dialed.campaign.id,
                    account_id=dialed.campaign.account_id,
                    sticky_campaign=dialed.campaign.id,
                    batch=10,
                    retries_first=False,
                )
            ]
            await connection.fetchval("SELECT called_meanwhile('+998000000001', 0)")
            after = await read_in_sequence(connection)
        pool.terminate()
        assert len(rows) == 10
        assert after == before


async def test_when_the_next_lead_becomes_due_is_read_off_an_index(crowd: Pool) -> None:
    await crowd.execute("ANALYZE leads", timeout=60)  # as every upload does
    plan = await explain(crowd, "attempts", "next_due_at", 1)
    (scan,) = [node for node in plan if node.get("Relation Name") == "leads"]
    assert (scan["Index Name"], scan["Actual Rows"]) == ("leads_waiting", 1)


async def test_leads_whose_time_has_come_are_found_without_looking_at_the_others(crowd: Pool) -> None:
    await crowd.execute("ANALYZE leads", timeout=60)
    plan = await explain(crowd, "attempts", "release_waiting", 1, 1000)
    assert "leads_waiting" in indexes_of(plan)
    assert sequential(plan) == set()


async def test_leads_that_are_judged_anew_are_found_by_an_index_batch_by_batch(crowd: Pool) -> None:
    await crowd.execute("ANALYZE leads", timeout=60)
    plan = await explain(crowd, "attempts", "judge_anew", 1, None, 1000)
    assert sequential(plan) == set()
    (inner,) = [node for node in plan if node["Node Type"] == "Limit"]
    assert inner["Actual Rows"] == 1000


async def test_the_cards_and_talks_of_a_lead_are_found_by_index(crowd: Pool) -> None:
    await crowd.execute("ANALYZE", timeout=60)
    for table, query, values in [
        ("claims", "last_agents", (["+999000000001"], 1)),
        ("claims", "lock_offered_lead", (1,)),
        ("offers", "declined_by", (1,)),
        ("dispositions", "last_talk", ("PJSIP/anna", None, None)),
        ("attempts", "open_attempts", ()),
    ]:
        assert sequential(await explain(crowd, table, query, *values)) == set(), query


async def explain(pool: Pool, table: str, query: str, *values: object) -> list[dict[str, Any]]:
    """Every node of the plan that the pool's connections would use, as it was run; what it changed is undone."""
    sql = getattr(queries_of(table), query).sql
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
        await undone.rollback()
    return list(nodes_of(json.loads(text)[0]["Plan"]))


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes_of(child))]


def sequential(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} & set(BIG)


def indexes_of(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


async def grow(dsn: str, dialed: Dialed) -> None:
    somebody_else = await connect(dsn)
    await somebody_else.execute(_LISTED, 50_000, timeout=60)
    await somebody_else.execute(_LEADS, dialed.campaign.id, 20_000, timeout=60)
    await somebody_else.execute(_CALLS, 10_000, timeout=60)
    await somebody_else.close()


async def read_in_sequence(connection: Connection) -> Mapping[str, int]:
    """Rows that this transaction has read one after the other, without an index, of calls and lists; in functions, too."""
    rows = await connection.fetch(
        "SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = ANY ($1)",
        ["attempts", "dnc_numbers"],
    )
    return {row["relname"]: row["seq_tup_read"] for row in rows}
