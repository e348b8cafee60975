"""The time, as something that can be handed in: the wall clock to say when, the monotonic clock to measure how long."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """`now` is aware and in UTC. `monotonic` counts seconds that no step of the wall clock can bend."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic


SYSTEM_CLOCK = Clock()


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, but no longer than that; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
