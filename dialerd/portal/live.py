"""What happens in campaigns, told to every open page that follows it: one look at the database for all of them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from fastapi import HTTPException

from dialerd.api.live import Live, Message
from dialerd.domain.roles import Caller, Permission

log = structlog.get_logger(__name__)

PATIENCE_S = 30.0
AGAIN_S = 2.0

Told = Callable[[Message], None]


@dataclass(frozen=True, kw_only=True)
class _Subject:
    account_id: int
    campaign_id: int | None
    sees_leads: bool


@dataclass(eq=False, kw_only=True)
class _Feed:
    followers: set[Told] = field(default_factory=set)
    counts: dict[int, Message] = field(default_factory=dict)
    """The last of each campaign, for those who come later."""
    task: asyncio.Task[None] | None = None


class Hub:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._feeds: dict[_Subject, _Feed] = {}

    def follow(self, caller: Caller, campaign_id: int | None, told: Told) -> Callable[[], None]:
        """From now on `told` hears every message of the campaign (None: of all of the account), the present counts first. What comes back
        ends it."""
        subject = _Subject(
            account_id=caller.account_id,
            campaign_id=campaign_id,
            sees_leads=Permission.VIEW_LEADS in caller.permissions,
        )
        feed = self._feeds.setdefault(subject, _Feed())
        feed.followers.add(told)
        for message in feed.counts.values():
            told(message)
        if feed.task is None:
            feed.task = asyncio.create_task(self._tell_for_ever(subject, feed), name="portal-live")

        def leave() -> None:
            feed.followers.discard(told)
            if not feed.followers and feed.task is not None:
                feed.task.cancel()
                self._feeds.pop(subject, None)

        return leave

    async def close(self) -> None:
        tasks = [feed.task for feed in self._feeds.values() if feed.task is not None]
        self._feeds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell_for_ever(self, subject: _Subject, feed: _Feed) -> None:
        while True:
            try:
                await self._tell(subject, feed)
            except HTTPException as refused:
                log.warning("portal_live_refused", why=refused.detail)
            await asyncio.sleep(AGAIN_S)

    async def _tell(self, subject: _Subject, feed: _Feed) -> None:
        """Until the live feed ends: it was too slow, or the database is away."""
        with self._live.watching(subject.account_id, subject.campaign_id, sees_leads=subject.sees_leads) as watcher:
            await self._live.join(watcher)
            while not watcher.ended.is_set():
                message = await watcher.next(PATIENCE_S)
                if message is None:
                    continue
                if message.kind == "counts":
                    feed.counts[message.data["campaign_id"]] = message
                for told in tuple(feed.followers):
                    with suppress(RuntimeError):  # its page has just been closed
                        told(message)
