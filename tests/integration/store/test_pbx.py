"""The queues that Asterisk has, as daemons note them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.integration.store.scene import Stores


async def test_the_queues_of_asterisk_are_noted_once_each_and_forgotten_after_a_day(stores: Stores) -> None:
    await stores.pbx.note_queues({"sales": "rrmemory", "support": "rrmemory", "bad\x00name": "rrmemory"})
    await stores.pool.execute("UPDATE pbx_queues SET seen_at = now() - interval '25 hours' WHERE name = 'support'")
    await stores.pbx.note_queues({"sales": "rrmemory"})
    await stores.pbx.note_queues({})
    assert await stores.pool.fetchval("SELECT array_agg(name) FROM pbx_queues") == ["sales"]


@pytest.mark.parametrize(
    ("since_the_last_note", "names", "anew"),
    [
        (timedelta(seconds=5), ("sales", "support"), 0),
        (timedelta(seconds=31), ("sales", "support"), 2),
        (timedelta(seconds=5), ("sales", "support", "billing"), 3),
    ],
)
async def test_queues_are_noted_anew_once_that_is_due_and_all_at_once(
    stores: Stores, since_the_last_note: timedelta, names: Sequence[str], anew: int
) -> None:
    await stores.pbx.note_queues({"sales": "rrmemory", "support": "rrmemory"})
    await stores.pool.execute("UPDATE pbx_queues SET seen_at = now() - $1::interval", since_the_last_note)
    await stores.pbx.note_queues(dict.fromkeys(names, "rrmemory"))
    just_now = await stores.pool.fetchval(
        "SELECT count(*) FROM pbx_queues WHERE seen_at > now() - interval '4 seconds'"
    )
    assert just_now == anew


async def test_another_strategy_is_noted_at_once(stores: Stores) -> None:
    await stores.pbx.note_queues({"sales": "rrmemory"})
    await stores.pbx.note_queues({"sales": "ringall"})
    assert await stores.pool.fetchval("SELECT strategy FROM pbx_queues") == "ringall"
