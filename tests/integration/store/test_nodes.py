"""Daemons that share a database: one of a name, and each knows how far its clock is off."""

from datetime import timedelta

import pytest

from dialerd.errors import NodeNameTaken
from dialerd.store.nodes import NodeStore
from dialerd.store.pool import connect
from tests.integration.store.scene import Stores


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
    await stores.nodes.heartbeat("one")
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


async def test_the_clocks_of_one_machine_agree(stores: Stores) -> None:
    assert abs(await stores.nodes.clock_difference()) < timedelta(seconds=1)


async def test_the_queues_of_asterisk_are_noted_once_each_and_forgotten_after_a_day(stores: Stores) -> None:
    await stores.nodes.note_queues(["sales", "support", "sales", "bad\x00name"])
    await stores.pool.execute("UPDATE pbx_queues SET seen_at = now() - interval '25 hours' WHERE name = 'support'")
    await stores.nodes.note_queues(["sales"])
    await stores.nodes.note_queues([])
    assert await stores.pool.fetchval("SELECT array_agg(name) FROM pbx_queues") == ["sales"]


@pytest.mark.parametrize(
    ("since_the_last_note", "names", "anew"),
    [
        (timedelta(seconds=5), ["sales", "support"], 0),
        (timedelta(seconds=31), ["sales", "support"], 2),
        (timedelta(seconds=5), ["sales", "support", "billing"], 3),
    ],
)
async def test_queues_are_noted_anew_once_that_is_due_and_all_at_once(
    stores: Stores, since_the_last_note: timedelta, names: list[str], anew: int
) -> None:
    await stores.nodes.note_queues(["sales", "support"])
    await stores.pool.execute("UPDATE pbx_queues SET seen_at = now() - $1::interval", since_the_last_note)
    await stores.nodes.note_queues(names)
    just_now = await stores.pool.fetchval(
        "SELECT count(*) FROM pbx_queues WHERE seen_at > now() - interval '4 seconds'"
    )
    assert just_now == anew
