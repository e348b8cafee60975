"""Other sessions of the same Postgres collide with ours, or hold back what ours leave behind. No call is needed to see it."""

import time
from datetime import timedelta

import asyncpg
import pytest

from dialerd.domain.outcomes import Outcome
from dialerd.errors import StoreBusy
from dialerd.store.pool import TRIES, Pool, connect, store_call
from tests.integration.store.scene import Dialed, Stores

pytestmark = pytest.mark.integration

ROUND, ROUNDS = 25, 8
KEPT = 0.7
"""How much of the throughput has to be left."""


class Counting:
    """A transaction that meets another one which was faster, as often as it is told."""

    def __init__(self, pool: Pool, collisions: int) -> None:
        self.tries = 0
        self._pool = pool
        self._collisions = collisions

    @store_call
    async def add_one(self) -> None:
        self.tries += 1
        async with self._pool.acquire() as ours, ours.transaction(isolation="serializable"):
            rows: int = await ours.fetchval("SELECT count(*) FROM accounts")
            if self.tries <= self._collisions:
                await self._another_adds_one()
            await ours.execute("INSERT INTO accounts (name) VALUES ($1)", f"account {rows}")

    async def _another_adds_one(self) -> None:
        async with self._pool.acquire() as another, another.transaction(isolation="serializable"):
            rows: int = await another.fetchval("SELECT count(*) FROM accounts")
            await another.execute("INSERT INTO accounts (name) VALUES ($1)", f"other {rows}")


async def test_a_serialization_failure_is_tried_again_and_nothing_is_done_twice(pool: Pool) -> None:
    """F13: another session has written meanwhile what ours has read."""
    ours = Counting(pool, collisions=2)
    await ours.add_one()
    assert ours.tries == 3
    assert await pool.fetchval("SELECT count(*) FROM accounts WHERE name LIKE 'account %'") == 1


async def test_failures_without_end_are_given_up_and_nothing_is_done(pool: Pool) -> None:
    """F13: bounded."""
    ours = Counting(pool, collisions=100)
    with pytest.raises(StoreBusy):
        await ours.add_one()
    assert ours.tries == TRIES
    assert await pool.fetchval("SELECT count(*) FROM accounts WHERE name LIKE 'account %'") == 0


async def test_whatever_isolation_the_database_prefers_ours_is_read_committed(database: str, pool: Pool) -> None:
    """F13: by any other, each claim that waits for another one's would fail."""
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    fresh = await connect(database)
    assert await fresh.fetchval("SHOW transaction_isolation") == "read committed"
    fresh.terminate()


@pytest.mark.long
async def test_a_session_that_looks_on_for_ever_does_not_slow_dialing_down_much_and_is_named(
    pool: Pool, database: str
) -> None:
    """F15: it is idle in a transaction, so that Postgres can clear away nothing that was changed since."""
    stores = Stores(pool)
    dialed = await stores.a_dialed_campaign(leads=8 * ROUNDS * ROUND, max_attempts=1)
    await stores.pool.execute("UPDATE campaigns SET lease_until = now() + interval '1 hour'")
    before = max([await calls_per_second(dialed) for _ in range(ROUNDS)])
    onlooker = await asyncpg.connect(database, server_settings={"application_name": "report"})
    try:
        await onlooker.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM leads")
        churn = [await calls_per_second(dialed) for _ in range(2 * ROUNDS)]
        held = 0.0
        for _ in range(4 * ROUNDS):  # on a machine that is busy otherwise, the best round counts
            held = max(held, await calls_per_second(dialed))
            if held >= KEPT * before:
                break
        print(f"{before:.0f} calls a second before, {max(churn):.0f} and {held:.0f} with the onlooker")
        assert held >= KEPT * before
        await stores.pool.execute("VACUUM leads")
        assert await stores.pool.fetchval("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'leads'") > 0
        oldest = await stores.nodes.oldest_snapshot()
        assert oldest is not None
        assert (oldest.pid, oldest.application) == (onlooker.get_server_pid(), "report")
        assert oldest.state == "idle in transaction"
        assert oldest.age > timedelta(0)
    finally:
        onlooker.terminate()


async def calls_per_second(dialed: Dialed) -> float:
    """Claimed and closed, one after the other."""
    began = time.perf_counter()
    for _ in range(ROUND):
        await dialed.dial(Outcome.BUSY)
    return ROUND / (time.perf_counter() - began)
