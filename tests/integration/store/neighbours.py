"""Daemons beside each other, for tests of the store: on one Asterisk or on two, alive or silent."""

from collections.abc import Collection
from datetime import timedelta

from tests.integration.store.scene import Stores

HERE, FAR_AWAY = "02:00:00:00:00:01", "02:00:00:00:00:02"


async def neighbours(stores: Stores, *names: str, pbx: str = HERE) -> None:
    """Nodes that live, and dial through this Asterisk; what one of them has dialed already stays its own."""
    known = [node.id for node in await stores.nodes.list()]
    for name in names:
        if name not in known:
            await stores.nodes.register(name, "0")
        await stores.nodes.note_pbx(name, pbx)


async def silent(stores: Stores, node: str, since: timedelta) -> None:
    await stores.pool.execute("UPDATE nodes SET heartbeat_at = now() - $2::interval WHERE id = $1", node, since)


async def take_over(stores: Stores, node: str, *, gone: Collection[str] = ()) -> int:
    """As a daemon does it by default."""
    return await stores.attempts.take_over(
        node, gone=gone, silent_for=timedelta(minutes=1), give_up_after=timedelta(hours=2)
    )
