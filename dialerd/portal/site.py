"""The whole web site: the API, and beside it the portal with all its pages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from nicegui import Client, app, ui
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dialerd.api.auth import identify
from dialerd.api.guard import Guard
from dialerd.portal import (
    activity,
    audit_log,
    builder,
    caller_ids,
    campaign,
    campaigns,
    desktop,
    dnc,
    frame,
    lead,
    leads,
    media,
    menus,
    nodes,
    own,
    queues,
    recordings,
    settings,
    tokens,
    users,
    webhooks,
)
from dialerd.portal.collector import Collector
from dialerd.portal.frame import Page
from dialerd.portal.live import Hub
from dialerd.portal.visit import SIGN_IN, Visit, sign_in_address

ASSETS = Path(__file__).parent / "assets"
BUILT_WITHIN_S = 20.0
RECONNECTED_WITHIN_S = 15.0
"""How long a page whose connection was lost may come back to what it was. Later it is loaded anew. A server that answers nothing for two
fifths of it loses connections: with 200 open pages the collector's look at everything takes three seconds."""
PAGES: Sequence[Page] = (
    *campaigns.PAGES,
    *campaign.PAGES,
    *builder.PAGES,
    *leads.PAGES,
    *lead.PAGES,
    *activity.PAGES,
    *recordings.PAGES,
    *queues.PAGES,
    *desktop.PAGES,
    *dnc.PAGES,
    *caller_ids.PAGES,
    *media.PAGES,
    *menus.PAGES,
    *webhooks.PAGES,
    *users.PAGES,
    *tokens.PAGES,
    *audit_log.PAGES,
    *nodes.PAGES,
    *settings.PAGES,
    *own.PAGES,
)


@asynccontextmanager
async def opened(api: FastAPI) -> AsyncIterator[FastAPI]:
    """The API with the portal beside it, until the end of the block. There is one in a process: NiceGUI's own state is global."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    hub, collector = Hub(api.state.live), Collector()
    app.state.parts, app.state.api, app.state.hub = api.state.parts, api, hub
    app.state.collector = collector
    app.add_static_files("/portal", ASSETS)
    app.get(SIGN_IN)(_sign_in)
    app.get("/")(_home)
    for page in PAGES:
        _register(page)
    ui.run_with(
        site,
        title="dialerd",
        favicon=ASSETS / "favicon.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECTED_WITHIN_S,
        show_welcome_message=False,
    )
    site.add_middleware(Guard, hosts=api.state.parts.settings.web.hosts)
    site.add_middleware(_ApiFirst, api=api)
    tending = asyncio.create_task(collector.run(), name="portal-collector")
    try:
        async with site.router.lifespan_context(site):
            yield site
    finally:
        tending.cancel()
        await asyncio.gather(tending, return_exceptions=True)
        await hub.close()


def _register(page: Page) -> None:
    async def answer(request: Request, client: Client) -> Response | None:
        caller = await identify(request)
        if caller is None:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(sign_in_address(f"{request.url.path}{query}"), 303)
        visit = Visit(request, client, caller)
        theme: dict[str, bool | None] = {"dark": True, "light": False}
        ui.dark_mode(theme.get(visit.theme))
        ui.add_head_html('<link rel="stylesheet" href="/portal/portal.css">')
        await frame.show(visit, page)
        return None

    ui.page(page.path, response_timeout=BUILT_WITHIN_S)(answer)


async def _home(request: Request) -> Response:
    caller = await identify(request)
    return RedirectResponse(SIGN_IN if caller is None else frame.home_for(caller.permissions), 303)


async def _sign_in(_: Request) -> Response:
    """A page of its own, so that neither the password nor who cannot sign in reaches more than the API."""
    return HTMLResponse((ASSETS / "sign-in.html").read_text("utf-8"), headers={"Cache-Control": "no-store"})


class _ApiFirst:
    """ASGI middleware: what is the API's goes to the API, with its own guard, and all else to the portal."""

    def __init__(self, app: ASGIApp, *, api: ASGIApp) -> None:
        self._portal = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        is_api = scope["type"] == "http" and scope["path"].startswith("/api/")
        await (self._api if is_api else self._portal)(scope, receive, send)
