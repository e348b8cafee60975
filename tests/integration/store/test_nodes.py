"""Daemons that share a database: one of a name, and each knows how far its clock is off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

import pytest

from dialerd.errors import NodeNameTaken
from dialerd.store.nodes import NodeName, NodeStore
from dialerd.store.pool import connect
from tests.faults.proxy import FaultProxy
from tests.integration.store.scene import Stores

PATIENCE_S = 30.0


async def test_a_restarted_node_lets_go_of_what_it_held(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("one", "2")
    overview = await stores.campaigns.overview(dialed.campaign.id)
    assert overview.owner is None
    (node,) = await stores.nodes.list()
    assert (node.id, node.version) == ("one", "2")


async def test_a_heartbeat_is_seen(stores: Stores) -> None:
    await stores.nodes.register("one", "0")
    (before,) = await stores.nodes.list()
    await stores.nodes.heartbeat("one", asterisk_up=True)
    (after,) = await stores.nodes.list()
    assert after.heartbeat_at > before.heartbeat_at


async def test_two_daemons_of_one_name_cannot_run_at_once(stores: Stores, database: str) -> None:
    async with stores.nodes.name_reserved("one"):
        other = await connect(database)
        with pytest.raises(NodeNameTaken, match="one"):
            async with NodeStore(other).name_reserved("one"):
                pytest.fail("the second one got in")
        async with NodeStore(other).name_reserved("two"):
            other.terminate()
    async with stores.nodes.name_reserved("one"):
        pass


class Keeping:
    """The name is taken care of meanwhile. `held` tells each time whether it was lost, or taken again."""

    def __init__(self, name: NodeName) -> None:
        self.held = asyncio.Queue[bool]()
        self.task = asyncio.create_task(name.keep(lambda: self.held.put_nowait(name.held)))

    @classmethod
    @asynccontextmanager
    async def of(cls, name: NodeName) -> AsyncIterator[Self]:
        keeping = cls(name)
        try:
            async with asyncio.timeout(30):
                yield keeping
        finally:
            keeping.task.cancel()
            await asyncio.gather(keeping.task, return_exceptions=True)


async def holder_of_names(stores: Stores) -> int | None:
    """The session that holds the lock of a name."""
    pid: int | None = await stores.pool.fetchval(
        "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE locktype = 'advisory' AND classid = hashtext('dialerd node')::oid AND datname = current_database()"
    )
    return pid


async def end_session(stores: Stores, pid: int | None) -> None:
    await stores.pool.execute("SELECT pg_terminate_backend($1, 10000)", pid)


async def test_a_name_that_is_lost_with_its_connection_is_taken_again(stores: Stores) -> None:
    async with stores.nodes.name_reserved("one") as name, Keeping.of(name) as keeping:
        first = await holder_of_names(stores)
        await end_session(stores, first)
        assert [await keeping.held.get(), await keeping.held.get()] == [False, True]
        assert await holder_of_names(stores) not in (None, first)
        with pytest.raises(NodeNameTaken):
            async with stores.nodes.name_reserved("one"):
                pytest.fail("the second one got in")
    # The server notices in its own time that the line is cut.
    async with asyncio.timeout(PATIENCE_S):
        while await holder_of_names(stores) is not None:
            pass  # each look is a question to the database


async def test_a_name_that_somebody_else_has_taken_meanwhile_is_given_up(stores: Stores) -> None:
    async with stores.nodes.name_reserved("one") as name:
        await end_session(stores, await holder_of_names(stores))
        async with stores.nodes.name_reserved("one"), Keeping.of(name) as keeping:
            with pytest.raises(NodeNameTaken, match="another daemon called one"):
                await keeping.task
            assert not name.held


async def test_an_own_session_of_whose_end_the_server_does_not_know_is_not_taken_for_somebody_else(
    stores: Stores, database: str
) -> None:
    """The line was cut in a way that only we have noticed."""
    async with FaultProxy.to_postgres(database) as proxy:
        pool = await connect(proxy.dsn(database))
        async with NodeStore(pool).name_reserved("one") as name, Keeping.of(name) as keeping:
            first = await holder_of_names(stores)
            proxy.forget_clients()
            assert [await keeping.held.get(), await keeping.held.get()] == [False, True]
            assert await holder_of_names(stores) not in (None, first)
        pool.terminate()


async def test_the_clocks_of_one_machine_agree(stores: Stores) -> None:
    assert abs(await stores.nodes.clock_difference()) < timedelta(seconds=1)
