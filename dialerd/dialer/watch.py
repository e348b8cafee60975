"""How what has to be looked at again and again is looked at: when a bell rings, and every so often besides."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dialerd.clock import set_within
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)


async def watch(
    bell: asyncio.Event, look: Callable[[], Awaitable[object]], *, every_s: float, rest_s: float = 0.0, trouble: str
) -> None:
    """Never ends. After each look there is a rest, however often the bell rings; a look that fails is logged as `trouble`, with the
    reason, and the next one is taken as if nothing had been."""
    while True:
        bell.clear()
        try:
            await look()
        except (DialerdError, OSError) as reason:
            log.warning(trouble, why=str(reason))
        await asyncio.sleep(rest_s)
        await set_within(bell, every_s)
