"""What every answer says to browsers, whatever the route: to show it in no frame, to load nothing for it, to keep it nowhere; and that
requests under a host name that is not ours are turned away."""

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
    "Content-Security-Policy": "frame-ancestors 'none'",
}
OF_THE_API = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Answers hold names and numbers of people. A route may say otherwise."""
HSTS = "max-age=31536000"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\s/@]+)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


class Guard:
    """ASGI middleware. `hosts`: the names by which it may be called, in lower case; none: by any."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
