"""The connection: what its troubles look like from outside, and the bell that rings through them."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import asyncpg
import pytest

from dialerd.compliance import profiles
from dialerd.errors import SettingsError, StoreBusy, StoreUnavailable
from dialerd.store import pool as pool_module
from dialerd.store.campaigns import CampaignStore
from dialerd.store.pool import BELL, Pool, connect, listen, store_call, transaction
from tests.faults.proxy import FaultProxy
from tests.integration.store.scene import Stores
from tests.postgres import dsn_of, new_database


async def test_times_are_utc_and_jsonb_is_values(pool: Pool) -> None:
    row = await pool.fetchrow(
        "SELECT now() AS now, current_setting('timezone') AS zone, '{\"a\": [1, null]}'::jsonb AS json"
    )
    assert row is not None
    assert row["now"].utcoffset() == datetime.now(UTC).utcoffset()
    assert (row["zone"], row["json"]) == ("UTC", {"a": [1, None]})


async def test_a_server_that_is_not_there_is_unavailable(database: str) -> None:
    with pytest.raises(StoreUnavailable):
        await connect(database.replace("run", "away"))


async def test_a_database_that_does_not_exist_is_a_matter_of_settings(postgres_server: str) -> None:
    with pytest.raises(SettingsError):
        await connect(dsn_of(postgres_server, "nowhere"))


async def test_a_database_that_goes_away_is_unavailable(postgres_server: str, migrated_template: str) -> None:
    async with new_database(postgres_server, template=migrated_template) as dsn:
        pool = await connect(dsn, max_connections=2)
        campaigns = CampaignStore(pool, profiles())
        assert await campaigns.list() == []
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await campaigns.list()
    pool.terminate()


async def test_a_connection_that_is_cut_is_replaced(stores: Stores) -> None:
    cut = asyncio.Event()
    async with stores.pool.acquire() as one, stores.pool.acquire() as other:
        other.add_termination_listener(lambda _: cut.set())
        await one.execute("SELECT pg_terminate_backend($1)", other.get_server_pid())
        await cut.wait()
    assert [await stores.campaigns.list() for _ in range(3)] == [[], [], []]


async def test_a_server_that_takes_its_leave_in_the_middle_of_a_transaction_is_unavailable(pool: Pool) -> None:
    """Its farewell lies there when the next statement is sent: the driver takes it for a mistake of its own."""

    @store_call
    async def cut_in_the_middle() -> None:
        async with transaction(pool) as connection:
            await pool.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())

    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            await cut_in_the_middle()
    assert await pool.fetchval("SELECT 1") == 1


def lose(connection: Any, *, after: int = 0) -> None:
    """The connection of a pool breaks, so many steps of the event loop from now."""
    if after:
        asyncio.get_running_loop().call_soon(partial(lose, connection, after=after - 1))
    elif connection._con is not None:
        connection._con._transport.abort()


@pytest.mark.parametrize("steps", range(3))
async def test_a_connection_that_is_lost_while_it_is_given_back_takes_nothing_back(pool: Pool, steps: int) -> None:
    """The loss is noticed so many steps of the event loop after the transaction has been committed."""

    class CutAfterUse:
        """A pool that loses the connection as it comes back."""

        acquire = pool.acquire

        async def release(self, connection: Any) -> None:
            lose(connection, after=steps)
            await pool.release(connection)

    @store_call
    async def write() -> str:
        async with transaction(cast(Pool, CutAfterUse())) as connection:
            await connection.execute("INSERT INTO accounts (name) VALUES ($1)", f"account {steps}")
        return "written"

    assert await write() == "written"
    assert await pool.fetchval("SELECT count(*) FROM accounts WHERE name LIKE 'account %'") == 1


async def test_a_statement_whose_connection_is_lost_as_it_is_given_back_may_have_been_carried_out(pool: Pool) -> None:
    @store_call
    async def ask() -> None:
        async with pool.acquire() as connection:
            lose(connection)  # noticed in the next step of the loop, in which the connection is given back

    with pytest.raises(StoreUnavailable):
        await ask()


async def test_however_often_the_line_is_cut_nothing_but_unavailable_comes_of_it(database: str) -> None:
    async with FaultProxy.to_postgres(database) as proxy:
        pool = await connect(proxy.dsn(database), max_connections=3)

        @store_call
        async def work(waits: float) -> None:
            async with transaction(pool) as connection:
                await connection.execute("SELECT 1")
                await asyncio.sleep(waits)
                await connection.execute("SELECT 1")

        async def work_on(index: int) -> None:
            for turn in range(40):
                with suppress(StoreUnavailable):
                    await work((index + turn) % 5 / 1000)
                await asyncio.sleep(0)

        async def cut() -> None:
            while True:
                await asyncio.sleep(0.003)
                proxy.cut()

        cutting = asyncio.create_task(cut())
        await asyncio.gather(*(work_on(index) for index in range(5)))
        cutting.cancel()
        await pool.expire_connections()  # one may have been cut the moment before, and not know it
        await work(0)
        pool.terminate()


async def test_what_somebody_else_holds_for_too_long_is_busy(pool: Pool) -> None:
    @store_call
    async def waits() -> None:
        async with transaction(pool) as connection:
            await connection.execute("SET LOCAL lock_timeout = '50ms'")
            await connection.execute("SELECT FROM accounts FOR UPDATE")

    async with transaction(pool) as holder:
        await holder.execute("SELECT FROM accounts FOR UPDATE")
        with pytest.raises(StoreBusy):
            await waits()


async def test_a_deadlock_is_solved_by_trying_again(pool: Pool) -> None:
    await pool.execute("INSERT INTO accounts (name) VALUES ('other')")
    met = asyncio.Barrier(2)
    tries = 0

    @store_call
    async def lock_both(first: str, second: str) -> None:
        nonlocal tries
        tries += 1
        async with transaction(pool) as connection:
            await connection.execute("SELECT FROM accounts WHERE name = $1 FOR UPDATE", first)
            if tries <= 2:
                await met.wait()
            await connection.execute("SELECT FROM accounts WHERE name = $1 FOR UPDATE", second)

    await asyncio.gather(lock_both("default", "other"), lock_both("other", "default"))
    assert tries > 2


async def test_a_mistake_of_ours_is_not_blamed_on_the_database(pool: Pool) -> None:
    @store_call
    async def mistaken() -> None:
        await pool.execute("SELECT $1::int", 1, 2)

    with pytest.raises(asyncpg.InterfaceError):
        await mistaken()


async def test_the_bell_is_heard_also_after_its_connection_was_cut(
    pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "BELL_RETRY_S", 0.01)
    rung = asyncio.Queue[None]()
    listening = asyncio.create_task(listen(database, lambda: rung.put_nowait(None)))
    try:
        async with asyncio.timeout(10):
            await rung.get()  # looks once as soon as it listens
            await pool.execute(f"NOTIFY {BELL}")
            await rung.get()
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dialerd bell'"
            )
            await rung.get()  # and again when it is back
            await pool.execute(f"NOTIFY {BELL}")
            await rung.get()
    finally:
        listening.cancel()
