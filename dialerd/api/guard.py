"""What every answer says to browsers, whatever the route: to show it in no frame, to load nothing for it from elsewhere, to keep it
nowhere; and that requests under a host name that is not ours, and the sockets of other sites' pages, are turned away."""

import re
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialerd.api.problems import problem

OF_ANY_PAGE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    # Templates of pages are compiled in the browser, which needs `unsafe-eval`.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'",
}
"""Nothing of any page is loaded from elsewhere."""
OF_THE_API = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Answers hold names and numbers of people. A route may say otherwise."""
FOREIGN = 1008
"""Policy violation, as RFC 6455 calls it."""
HSTS = "max-age=31536000"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\s/@]+)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


class Guard:
    """ASGI middleware. `hosts`: the names by which it may be called, in lower case; none: by any."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._is_welcome(scope):
            await send({"type": "websocket.close", "code": FOREIGN})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope)
            await send(message)

        if self._hosts and _host_of(scope) not in self._hosts:
            refusal = problem(
                "unknown-host", HTTPStatus.MISDIRECTED_REQUEST, "this server has no such name (web.hosts)"
            )
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _is_welcome(self, scope: Scope) -> bool:
        """Browsers open sockets to any site, with its cookies, and only say whose page wants it. A program says nothing."""
        origin = Headers(scope=scope).get("origin")
        scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
        ours = f"{scheme}://{Headers(scope=scope).get('host')}"
        return origin in (None, ours) and (not self._hosts or _host_of(scope) in self._hosts)


def _add(headers: MutableHeaders, scope: Scope) -> None:
    """What the route has said stays."""
    said = {**OF_ANY_PAGE, **(OF_THE_API if scope["path"].startswith("/api/") else {})}
    if scope.get("scheme") == "https":
        said["Strict-Transport-Security"] = HSTS
    for name, value in said.items():
        headers.setdefault(name, value)


def _host_of(scope: Scope) -> str | None:
    """In lower case, without the port."""
    written = _HOST.fullmatch(Headers(scope=scope).get("host", ""))
    return written[1].lower() if written else None
