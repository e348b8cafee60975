"""The connection: what its troubles look like from outside, and the bell that rings through them."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from dialerd.compliance import profiles
from dialerd.errors import SettingsError, StoreBusy, StoreUnavailable
from dialerd.store import pool as pool_module
from dialerd.store.campaigns import CampaignStore
from dialerd.store.pool import BELL, Pool, connect, listen, store_call, transaction
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
