"""The live feed, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Message as AsgiMessage
from starlette.types import Send

from dialerd.api.auth import identify
from dialerd.api.live import Live, Place, Watcher
from dialerd.api.parts import TheStores, parts_of
from dialerd.api.routes.campaigns import Viewer, campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import Id
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

live = router("live")

HEARTBEAT_S = 10.0
"""Between two signs of life, and two looks whether the caller may still see this."""
SEND_S = 30.0
"""For one message. Who takes nothing for so long is dropped; he goes on where he was when he comes again."""
RECONNECT_MS = 2000

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=50_000,
        description="The id of the last message that you have. Browsers send it by themselves when they connect again.",
    ),
]
DESCRIPTION = """Messages (`event:`):

- `counts`: how a campaign stands: leads by state, calls in flight, the pace that is set and the real one, agents, what holds it.
  At once, and then whenever it has changed, at most once a second.
- `attempt`: a call has ended, a lead has chosen in a voice menu, an agent has said what came of a talk. As a webhook is sent it.
- `campaign`: its status has changed.
- `gap`: some events that you have missed are kept no more; read anew what you show.

`attempt` and `campaign` have ids; with `Last-Event-ID` the feed goes on after that message. An `id` in the data tells what came twice.
It ends when your session, token or permission ends, and when you are too slow."""


class Feed(StreamingResponse):
    """Whoever takes nothing any more is let go."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        async def patiently(message: AsgiMessage) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            await super().stream_response(patiently)
        except TimeoutError:
            log.info("live_client_dropped", why=f"took nothing for {SEND_S:g} s")


@live.get("/live", summary="Watch the account", description=DESCRIPTION, response_class=Feed)
async def watch_account(request: Request, caller: Viewer, last_event_id: LastEventId = None) -> Feed:
    return _feed(request, caller, None, last_event_id)


@live.get("/campaigns/{campaign_id}/live", summary="Watch a campaign", description=DESCRIPTION, response_class=Feed)
async def watch_campaign(
    campaign_id: Id, request: Request, caller: Viewer, stores: TheStores, last_event_id: LastEventId = None
) -> Feed:
    await campaign_for(stores, caller, campaign_id)
    return _feed(request, caller, campaign_id, last_event_id)


def _feed(request: Request, caller: Caller, campaign_id: int | None, last_event_id: str | None) -> Feed:
    last = Place.read(last_event_id) if last_event_id else None
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Feed(_messages(request, caller, campaign_id, last), headers=headers)


async def _messages(
    request: Request, caller: Caller, campaign_id: int | None, last: Place | None
) -> AsyncIterator[bytes]:
    feed: Live = request.app.state.live
    sees_leads = Permission.VIEW_LEADS in caller.permissions
    with feed.watching(caller.account_id, campaign_id, sees_leads=sees_leads) as watcher:
        yield format_sse_event(retry=RECONNECT_MS)
        here = await feed.join(watcher)
        if last is not None:
            async for missed in feed.missed(watcher, last, here):
                yield missed.as_bytes()
        yield format_sse_event(id=str(here))
        async for told in _told(request, feed, watcher):
            yield told


async def _told(request: Request, feed: Live, watcher: Watcher) -> AsyncIterator[bytes]:
    clock = parts_of(request).clock
    look_at = clock.monotonic() + HEARTBEAT_S
    while not watcher.ended.is_set():
        message = await watcher.next(max(0.0, look_at - clock.monotonic()))
        if message is not None:
            yield message.as_bytes()
        if clock.monotonic() >= look_at:
            if not await _still_permitted(request, watcher):
                return
            look_at = clock.monotonic() + HEARTBEAT_S
            place = feed.place_of(watcher)
            yield format_sse_event(comment="still here", id=str(place) if place else None)


async def _still_permitted(request: Request, watcher: Watcher) -> bool:
    """Asked anew: sessions end, tokens are revoked, roles change. While the database is away, nothing is told anyhow."""
    del request.state.caller
    try:
        caller = await identify(request)
    except DialerdError:
        return False
    return (
        caller is not None
        and caller.account_id == watcher.account_id
        and Permission.VIEW in caller.permissions
        and (Permission.VIEW_LEADS in caller.permissions or not watcher.sees_leads)
    )
