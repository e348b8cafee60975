"""What both lines to Asterisk need: an ordered, bounded way out for events, and a back-off that is no tight loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Generic, Protocol, TypeVar

_Event = TypeVar("_Event")
_chance = SystemRandom()
_STOOD_S = 5.0


class Outbox(Generic[_Event]):
    """The events of one connection, in order: held back until it is announced, then straight to the queue.

    So whoever reads the queue meets the announcement first and takes stock of what Asterisk holds, and no event falls
    between the two.
    """

    def __init__(self, queue: asyncio.Queue[_Event]) -> None:
        self._queue = queue
        self._held: list[_Event] | None = []

    def offer(self, event: _Event) -> bool:
        """Never waits: Asterisk drops a slow reader. False where the queue has no room left."""
        if self._held is not None:
            self._held.append(event)
            return True
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True

    async def open(self, announcement: _Event) -> bool:
        """Put the announcement, then what was held back. False where that did not all find room."""
        await self._queue.put(announcement)
        held, self._held = self._held or [], None
        return all(self.offer(event) for event in held)


class Backoff:
    """How long to wait before the next try: exponential, with full jitter, lest many daemons return in step."""

    def __init__(self, *, first_s: float, most_s: float, after_refusal_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._after_refusal_s = after_refusal_s
        self._failures = 0

    def next_s(self) -> float:
        ceiling_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return _chance.uniform(0, ceiling_s)

    def soon_s(self) -> float:
        """Where the other side says itself that it will be there in a moment."""
        return _chance.uniform(self._first_s, 2 * self._first_s)

    def refused_s(self) -> float:
        """After a refusal that only a person can mend: always long, lest the address be banned for guessing."""
        return _chance.uniform(self._after_refusal_s / 2, self._after_refusal_s)

    def stood(self, seconds: float) -> None:
        """Only a link that stood for a while starts the back-off anew; one that falls at once waits longer still."""
        if seconds >= _STOOD_S:
            self._failures = 0


class Watched(Protocol):
    """A connection that can be asked for a sign of life, and given up."""

    lost: asyncio.Future[str]

    async def answers(self) -> bool: ...

    def lose(self, reason: str) -> None: ...


async def keep_alive(
    link: Watched, *, every_s: float, most_misses: int, note_round_trip: Callable[[float], None] = lambda _: None
) -> str:
    """Ask for signs of life until the link is lost, by itself or for want of them. Returns why.

    `note_round_trip` is told how many seconds each sign took to come.
    After a miss the next question follows at once, so a dead peer is noticed within every_s * (most_misses + 1).
    """
    misses = 0
    while not link.lost.done():
        asked = time.monotonic()
        if await link.answers():
            note_round_trip(time.monotonic() - asked)
            misses = 0
            await asyncio.wait({link.lost}, timeout=every_s)
        else:
            misses += 1
            if misses >= most_misses:
                link.lose("no answer to keep-alive")
    return link.lost.result()
