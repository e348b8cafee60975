"""The live feed: what happens, and how campaigns stand, to everybody who watches, for a few questions a second to the database
however many they are."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Self

import structlog
from fastapi import HTTPException
from fastapi.sse import format_sse_event

from dialerd.clock import Clock, set_within
from dialerd.domain.webhooks import Event, EventType, message_of
from dialerd.errors import DialerdError, InvalidRequest
from dialerd.store.live import LiveCounts
from dialerd.store.outbox import PAGE
from dialerd.store.pbx import QueueView
from dialerd.store.stores import Stores

log = structlog.get_logger(__name__)

TICK_S = 1.0
REST_S = 0.1
"""Between two looks, however often the bell rings."""
COUNTS_EVERY_S = 1.0
COUNTS_SHARE = 10.0
"""Counting takes the database no more than this part of the time: what took 0.5 s is not done again for 5 s."""
MOST_WAITING = 1000
"""Messages that wait for one client. Who is slower is dropped, and goes on where he was when he comes again."""
MOST_OF_ACCOUNT = 100
MOST_QUEUES = 1000

_PRIVATE = frozenset({"number", "ticket_id", "note"})
_KIND = {EventType.CAMPAIGN_STATUS_CHANGED: "campaign"}
"""What an event is called in the feed; all others are of attempts."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a client is: what could be seen at `seen`; and, within what came until `until`, up to the event with the id `last`."""

    at: datetime
    seen: str
    until: str = ""
    last: int = 0

    def __str__(self) -> str:
        parts = [str(int(self.at.timestamp())), self.seen, *([self.until, str(self.last)] if self.until else [])]
        return "/".join(parts)

    @classmethod
    def read(cls, text: str) -> Self:
        """From a Last-Event-ID. Raises InvalidRequest."""
        found = _PLACE.fullmatch(text)
        if not found or not all(map(_is_snapshot, filter(None, (found["seen"], found["until"])))):
            raise InvalidRequest(["Last-Event-ID: is none that this feed has given; leave it out, and read anew"])
        at = datetime.fromtimestamp(int(found["at"]), UTC)
        return cls(at=at, seen=found["seen"], until=found["until"] or "", last=int(found["last"] or 0))


_SNAPSHOT = r"[0-9]{1,18}:[0-9]{1,18}:[0-9,]{0,20000}"
_PLACE = re.compile(rf"(?P<at>[0-9]{{1,10}})/(?P<seen>{_SNAPSHOT})(?:/(?P<until>{_SNAPSHOT})/(?P<last>[0-9]{{1,18}}))?")


def _is_snapshot(text: str) -> bool:
    """As Postgres reads it: the first transaction that runs, the first that does not exist yet, and all between that run."""
    first, beyond, between = text.split(":")
    if between and not all(between.split(",")):
        return False
    running = [int(one) for one in between.split(",")] if between else []
    in_order = running == sorted(set(running))
    return 0 < int(first) <= int(beyond) and in_order and all(int(first) <= one < int(beyond) for one in running)


@dataclass(frozen=True, kw_only=True)
class Message:
    kind: str
    data: Mapping[str, Any]
    place: Place | None = None

    def as_bytes(self) -> bytes:
        return format_sse_event(
            event=self.kind,
            data_str=json.dumps(self.data, ensure_ascii=False),
            id=str(self.place) if self.place else None,
        )


@dataclass(eq=False, kw_only=True)
class Watcher:
    """A client. `campaign_id` None: of all campaigns of the account."""

    account_id: int
    campaign_id: int | None
    sees_leads: bool
    waiting: asyncio.Queue[Message] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    joined: bool = False
    """Whether it is told events: first it may have to hear of earlier ones."""
    counted: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """What it was last told of each campaign."""

    def watches(self, account_id: int, campaign_id: int | None) -> bool:
        return self.account_id == account_id and self.campaign_id in (None, campaign_id)

    def tell(self, message: Message) -> None:
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.ended.set()

    def message(self, event: Event, place: Place) -> Message:
        data = message_of(event)
        if not self.sees_leads:
            data["data"] = {name: value for name, value in data["data"].items() if name not in _PRIVATE}
        return Message(kind=_KIND.get(event.type, "attempt"), data=data, place=place)

    def tell_counts(self, campaign_id: int, data: Mapping[str, Any], now: str | None) -> None:
        """Only if they have changed."""
        if self.counted.get(campaign_id) != data:
            self.counted[campaign_id] = data
            self.tell(Message(kind="counts", data={**data, "time": now}))

    async def next(self, patience_s: float) -> Message | None:
        """None: nothing came, or it has ended."""
        try:
            async with asyncio.timeout(patience_s):
                return await self.waiting.get()
        except TimeoutError:
            return None


class Live:
    """Looks at the database while somebody watches."""

    def __init__(self, stores: Stores, clock: Clock, *, keep_for: timedelta) -> None:
        self._stores = stores
        self._clock = clock
        self._keep_for = keep_for
        self._bell = asyncio.Event()
        self._watchers: set[Watcher] = set()
        self._seen: Place | None = None
        self._count_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._telling = asyncio.Lock()
        """Nobody joins in the middle of what is told."""

    def ring(self) -> None:
        """An event was written."""
        self._bell.set()

    @contextmanager
    def watching(self, account_id: int, campaign_id: int | None, *, sees_leads: bool) -> Iterator[Watcher]:
        """Raises HTTPException 429 where the account watches too much already."""
        if sum(1 for one in self._watchers if one.account_id == account_id) >= MOST_OF_ACCOUNT:
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, f"the account has {MOST_OF_ACCOUNT} live feeds already")
        watcher = Watcher(account_id=account_id, campaign_id=campaign_id, sees_leads=sees_leads)
        self._watchers.add(watcher)
        self._count_at = 0.0
        if self._task is None or self._task.done():
            self._seen = None
            self._task = asyncio.create_task(self._look_for_ever(), name="live")
        self._bell.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def join(self, watcher: Watcher) -> Place:
        """From this place on the watcher is told what happens."""
        async with self._telling:
            place = await self._place()
            watcher.joined = True
            return place

    def place_of(self, watcher: Watcher) -> Place | None:
        """Where the watcher is, if nothing waits for it."""
        return self._seen if watcher.joined and watcher.waiting.empty() and not self._telling.locked() else None

    async def missed(self, watcher: Watcher, last: Place, until: Place) -> AsyncIterator[Message]:
        """What came between two places, page by page; first of all `gap` where some of it may be gone."""
        if last.at < self._clock.now() - self._keep_for:
            yield Message(kind="gap", data={"text": "events were missed that are kept no more: read anew"})
        if last.until:
            async for message in self._between(watcher, last, last.until):
                yield message
            last = Place(at=last.at, seen=last.until)
        async for message in self._between(watcher, last, until.seen):
            yield message

    async def _place(self) -> Place:
        """Where the feed is: whatever came later is still to be told."""
        if self._seen is None:
            self._seen = await self._now()
        return self._seen

    async def _now(self) -> Place:
        moment = await self._stores.outbox.now()
        return Place(at=moment.at, seen=moment.snapshot)

    async def _between(self, watcher: Watcher, last: Place, until: str) -> AsyncIterator[Message]:
        while True:
            page = await self._stores.outbox.since(
                last.seen,
                until=until,
                account_id=watcher.account_id,
                campaign_id=watcher.campaign_id,
                after_id=last.last,
            )
            for row, _, event in page:
                last = Place(at=event.at, seen=last.seen, until=until, last=row)
                if event.type is not EventType.LEAD_STATE_CHANGED:
                    yield watcher.message(event, last)
            if len(page) < PAGE:
                return

    # --- looking ---

    async def _look_for_ever(self) -> None:
        try:
            while self._watchers:
                self._bell.clear()
                try:
                    await self._look()
                except DialerdError as trouble:
                    log.warning("live_feed_not_told", why=str(trouble))
                await asyncio.sleep(REST_S)
                await set_within(self._bell, TICK_S)
        finally:
            for watcher in self._watchers:
                watcher.ended.set()

    async def _look(self) -> None:
        await self._tell_events()
        began = self._clock.monotonic()
        if began >= self._count_at:
            await self._tell_counts()
            took = self._clock.monotonic() - began
            self._count_at = began + max(COUNTS_EVERY_S, took * COUNTS_SHARE)

    async def _tell_events(self) -> None:
        async with self._telling:
            before, now = await self._place(), await self._now()
            last = 0
            while True:
                page = await self._stores.outbox.since(before.seen, until=now.seen, after_id=last)
                for row, account_id, event in page:
                    last = row
                    self._tell(account_id, event, Place(at=now.at, seen=before.seen, until=now.seen, last=row))
                if len(page) < PAGE:
                    break
            self._seen = now

    def _tell(self, account_id: int, event: Event, place: Place) -> None:
        if event.type is EventType.LEAD_STATE_CHANGED:
            return
        for watcher in self._watchers:
            if watcher.joined and watcher.watches(account_id, event.campaign_id):
                watcher.tell(watcher.message(event, place))

    async def _tell_counts(self) -> None:
        campaigns = {one.campaign_id for one in self._watchers if one.campaign_id is not None}
        accounts = {one.account_id for one in self._watchers if one.campaign_id is None}
        found = await self._stores.live.counts(campaigns, accounts)
        queues = {view.name: view for view in await self._stores.pbx.queues(limit=MOST_QUEUES)}
        now = _text(self._clock.now())
        for counts in found:
            data = _as_data(counts, queues.get(counts.queue))
            for watcher in self._watchers:
                if watcher.watches(counts.account_id, counts.campaign_id):
                    watcher.tell_counts(counts.campaign_id, data, now)


def _as_data(counts: LiveCounts, queue: QueueView | None) -> dict[str, Any]:
    return {
        "campaign_id": counts.campaign_id,
        "status": counts.status,
        "leads": dict(counts.leads_by_state),
        "in_flight": counts.in_flight,
        "concurrency": counts.concurrency,
        "calls_per_second": {"set": counts.calls_per_second, "real": counts.placed_10s / 10},
        "agents": _agents(queue) if queue and queue.known else None,
        "hold": {"by": counts.held_by, "reason": counts.hold_reason, "until": _text(counts.hold_until)}
        if counts.held_by
        else None,
    }


def _agents(queue: QueueView) -> dict[str, Any]:
    return {"all": queue.agents, "free": queue.free, "paused": queue.paused, "in_call": queue.in_call}


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
