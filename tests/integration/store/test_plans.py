"""The claim of a lead is a walk along indexes, however many leads, calls and listed numbers there are, and however few leads are due.
So is a page of what people look at."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import pytest

from dialerd.compliance import profiles
from dialerd.domain.leads import LeadState
from dialerd.store.activity import ActivityStore, CallFilter
from dialerd.store.campaigns import CampaignStore
from dialerd.store.history import LONGEST_CALL, Span
from dialerd.store.leads import LeadFilter, LeadStore
from dialerd.store.pool import Connection, Pool, connect
from dialerd.store.queries import queries_of
from dialerd.store.recordings import RecordingStore
from tests.integration.store.scene import Dialed, Stores
from tests.postgres import new_database

LEADS = 120_000
LISTED = 100_000
CALLS = 60_000
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
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")  # ours is for statements of a daemon
        await connection.execute(_LEADS, dialed.campaign.id, LEADS, timeout=300)
        await connection.execute(_LISTED, LISTED, timeout=300)
        await connection.execute(_CALLS, CALLS, timeout=300)
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


WANTED = (
    LeadFilter(),
    LeadFilter(prefix="+99900"),
    LeadFilter(state=LeadState.FAILED),
    LeadFilter(held_by="number_cap"),
    LeadFilter(name="ada"),
)


_MINGLED = """
    INSERT INTO leads (campaign_id, number, first_name, state, held_by)
    SELECT campaign_id, '+999' || lpad(n::text, 9, '0'), 'Ada', 'failed', 'number_cap'
    FROM generate_series(1, 10000) AS n CROSS JOIN unnest($1::bigint[]) AS campaign_id
    ORDER BY md5(n::text), campaign_id
"""


async def test_a_page_of_what_people_search_is_read_along_an_index_and_no_further(pool: Pool) -> None:
    """Of campaigns whose rows lie among each other the planner would rather gather a whole one, and sort it."""
    stores = Stores(pool)
    campaigns = [(await stores.a_draft(name=name)).id for name in ("ours", "others")]
    await pool.execute(_MINGLED, campaigns, timeout=60)
    await pool.execute(_CALLS, 20_000, timeout=60)
    await pool.execute("ANALYZE", timeout=60)
    async with pool.acquire() as connection, Looked.at(connection) as looked:
        leads, activity = LeadStore(only(connection)), ActivityStore(only(connection))
        for wanted in WANTED:
            found, following = await leads.search(campaigns[0], wanted, limit=10)
            assert (len(found), following is None) == (10, False)
        calls, _ = await activity.calls(1, CallFilter(campaign_id=campaigns[0]), limit=10)
        assert len(calls) == 10
        assert await looked.at_rows_of("leads") < 500
        assert await looked.at_rows_of("attempts") < 100


_RECORDED = """
    WITH talks AS (UPDATE attempts SET agent = 'PJSIP/' || lead_id % 200 RETURNING id, campaign_id, opened_at)
    INSERT INTO recordings (attempt_id, campaign_id, node, name, recorded_at)
    SELECT id, campaign_id, 'one', id, opened_at FROM talks
"""


async def test_the_recordings_of_an_agent_are_found_without_looking_at_those_of_others(pool: Pool) -> None:
    campaign = (await Stores(pool).a_draft()).id
    await pool.execute(_MINGLED, [campaign], timeout=60)
    await pool.execute(_CALLS, 10_000, timeout=60)
    await pool.execute(_RECORDED, timeout=60)
    await pool.execute("VACUUM ANALYZE", timeout=60)
    async with pool.acquire() as connection, Looked.at(connection) as looked:
        recordings = RecordingStore(only(connection))
        assert len(await recordings.of_agent(1, "PJSIP/17", limit=10)) == 10
        assert await looked.at_rows_of("recordings") < 200
        assert await looked.at_rows_of("attempts") < 200


async def test_how_many_leads_each_rule_holds_is_told_without_looking_at_them(crowd: Pool) -> None:
    await crowd.execute("ANALYZE", timeout=60)
    async with crowd.acquire() as connection, Looked.at(connection) as looked:
        held = (await CampaignStore(only(connection), profiles()).overview(1)).held_leads
        assert [(one.rule, one.leads, one.until is None) for one in held] == [
            ("cooloff", LEADS // 4, False),
            ("lead_window", LEADS // 8, False),
            ("legal_hours", LEADS // 8, False),
            ("number_cap", LEADS // 8, False),
        ]
        assert await looked.at_rows_of("leads") < 100


def only(connection: Connection) -> Pool:
    """A pool of this connection alone, which may be inside a transaction: what that has read can be told."""
    return cast(Pool, _Only(connection))


class _Only:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fetch = connection.fetch

    async def acquire(self) -> Connection:
        return self._connection

    async def release(self, connection: Connection) -> None:
        pass


class Looked:
    """Rows that a transaction has looked at, found by an index or one after the other; in functions, too."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: Mapping[str, int] = {}

    @classmethod
    @asynccontextmanager
    async def at(cls, connection: Connection) -> AsyncIterator[Self]:
        """From now on. A session keeps what it has looked at to itself for a second: what was before counts in every transaction."""
        async with connection.transaction():
            looked = cls(connection)
            looked._before = await looked._all()
            yield looked

    async def at_rows_of(self, table: str) -> int:
        return (await self._all())[table] - self._before[table]

    async def _all(self) -> Mapping[str, int]:
        rows = await self._connection.fetch(
            "SELECT relname, coalesce(idx_tup_fetch, 0) + seq_tup_read AS looked_at FROM pg_stat_xact_user_tables"
        )
        return {row["relname"]: row["looked_at"] for row in rows}


async def test_calls_over_time_are_read_along_an_index_from_the_first_that_may_matter(crowd: Pool) -> None:
    for campaign in (1, None):
        values = (Span.HOUR.buckets, Span.HOUR.bucket, None, LONGEST_CALL, 1, campaign)
        plan = await explain(crowd, "history", "call_history", *values)
        (scan,) = [node for node in plan if node.get("Relation Name") == "attempts"]
        looked_at = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        assert (scan["Index Name"], looked_at < CALLS / 2) == ("attempts_by_campaign", True)


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
