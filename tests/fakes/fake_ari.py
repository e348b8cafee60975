"""A REST interface with websocket on a free port of loopback. It answers as Asterisk 22 does, until a test says otherwise."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from dialerd.asterisk.ari import Ari, AriItem, AriLinkUp, AriSettings

PASSWORD = "p&q r=ü"
APP = "dialerd"


@dataclass(frozen=True)
class Operation:
    """One operation of the description. Parameters are `path:name`, `query:name` or `body:name`."""

    name: str
    method: str
    path: str
    parameters: tuple[str, ...] = ()
    websocket: bool = False

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    def matches(self, method: str, raw_path: str) -> bool:
        pattern = re.sub(r"\{\w+\}", "[^/]+", f"/ari{self.path}")
        return method == self.method and re.fullmatch(pattern, raw_path) is not None

    def described(self) -> dict[str, Any]:
        parameters = [each.split(":") for each in self.parameters]
        return {
            "path": self.path,
            "operations": [
                {
                    "httpMethod": self.method,
                    "nickname": self.name.partition(".")[2],
                    "responseClass": "object",
                    "parameters": [
                        {"name": name, "paramType": place, "dataType": "string", "required": place == "path"}
                        for place, name in parameters
                    ],
                }
                | ({"upgrade": "websocket"} if self.websocket else {})
            ],
        }


OPERATIONS = (
    Operation("events.eventWebsocket", "GET", "/events", ("query:app", "query:subscribeAll"), websocket=True),
    Operation("applications.get", "GET", "/applications/{applicationName}", ("path:applicationName",)),
    Operation("applications.filter", "PUT", "/applications/{applicationName}/eventFilter", ("path:applicationName",)),
    Operation("asterisk.getInfo", "GET", "/asterisk/info", ("query:only",)),
    Operation("asterisk.getGlobalVar", "GET", "/asterisk/variable", ("query:variable",)),
    Operation("asterisk.setGlobalVar", "POST", "/asterisk/variable", ("query:variable", "query:value")),
    Operation("bridges.createWithId", "POST", "/bridges/{bridgeId}", ("path:bridgeId", "query:type")),
    Operation(
        "bridges.addChannel",
        "POST",
        "/bridges/{bridgeId}/addChannel",
        ("path:bridgeId", "query:channel", "query:mute"),
    ),
    Operation("channels.list", "GET", "/channels"),
    Operation("channels.hangup", "DELETE", "/channels/{channelId}", ("path:channelId", "query:reason")),
    Operation("channels.create", "POST", "/channels/create", ("query:endpoint", "query:app", "body:variables")),
    Operation("recordings.getStoredFile", "GET", "/recordings/stored/{name}/file", ("path:name",)),
)
ROOMS = sorted({operation.room for operation in OPERATIONS})


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    operation: str
    raw_path: str
    query: Mapping[str, str]
    body: Any


Answer = Callable[[Received], Awaitable[web.StreamResponse]]


@dataclass
class FakeAri:
    """`answers` replaces what an operation gets; `booting` is what everything gets while Asterisk starts."""

    password: str = PASSWORD
    booting: int | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    turned_away: int = 0
    websockets: int = 0
    pongs: bool = True
    at_once: int = 0
    most_at_once: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._open: set[web.WebSocketResponse] = set()
        self._transports: set[asyncio.Transport] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.drop()
        await self._runner.cleanup()

    def settings(self, **changes: Any) -> AriSettings:
        quick = AriSettings(
            base_url=f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}",
            user="dialerd",
            password=PASSWORD,
            app=APP,
            backoff_first_s=0.01,
            backoff_max_s=0.05,
            backoff_refused_s=0.05,
        )
        return replace(quick, **changes)

    @asynccontextmanager
    async def daemon(self, *, room: int = 1000, **changes: Any) -> AsyncIterator[tuple[Ari, asyncio.Queue[AriItem]]]:
        """A connected Ari and its events, of which the first AriLinkUp is already taken."""
        events: asyncio.Queue[AriItem] = asyncio.Queue(room)
        ari = Ari(self.settings(**changes), events=events)
        running = asyncio.create_task(ari.run())
        try:
            assert isinstance(await events.get(), AriLinkUp)
            await ari.up.wait()
            yield ari, events
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    # --- what Asterisk says ---

    async def say(self, kind: str, **body: Any) -> None:
        await self.write(json.dumps({"type": kind, "application": APP} | body))

    async def write(self, text: str) -> None:
        for websocket in self._open:
            await websocket.send_str(text)

    def drop(self) -> None:
        """The way a killed Asterisk goes: without a word, on every connection."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    # --- what a test waits for ---

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    async def got(self, operation: str, *, times: int = 1) -> list[Received]:
        """Wait until the operation has come that often."""
        await self.until(lambda: len(self.of(operation)) >= times)
        return self.of(operation)

    def of(self, operation: str) -> list[Received]:
        return [request for request in self.received if request.operation == operation]

    # --- the server ---

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if isinstance(request.transport, asyncio.Transport):
            self._transports.add(request.transport)
        if self.booting is not None:
            return await self._turn_away(self.booting, "Asterisk not booted")
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth("dialerd", self.password):
            return await self._turn_away(401, "Authentication required")
        if request.path.startswith("/ari/api-docs/"):
            return web.json_response(_description(request))
        return await self._operate(request)

    async def _turn_away(self, status: int, message: str) -> web.Response:
        self.turned_away += 1
        await self._notify()
        return _error(status, message)

    async def _operate(self, request: web.Request) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path
        operation = next((each for each in OPERATIONS if each.matches(request.method, raw_path)), None)
        if operation is None:
            return _error(404, "Invalid URI")
        text = await request.text()
        received = Received(operation.name, raw_path, dict(request.query), json.loads(text) if text else None)
        self.received.append(received)
        await self._notify()
        if operation.websocket and operation.name not in self.answers:
            return await self._talk(request)
        return await self._answer(received)

    async def _answer(self, received: Received) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.answers.get(received.operation, _usual)(received)
        finally:
            self.at_once -= 1

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(autoping=self.pongs)
        await websocket.prepare(request)
        self._open.add(websocket)
        self.websockets += 1
        await self._notify()
        async for _ in websocket:
            pass
        self._open.discard(websocket)
        await self._notify()
        return websocket

    @property
    def open_websockets(self) -> int:
        return len(self._open)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def silence(_: Received) -> web.StreamResponse:
    """The answer of an Asterisk that hangs."""
    await asyncio.Event().wait()
    raise AssertionError("nobody ends the silence")


def refusal(status: int, message: str) -> Answer:
    async def refuse(_: Received) -> web.StreamResponse:
        return _error(status, message)

    return refuse


async def _usual(received: Received) -> web.StreamResponse:
    if received.operation == "channels.list":
        return web.json_response([{"id": "c1"}, {"id": "c2"}])
    if received.operation in ("bridges.addChannel", "channels.hangup"):
        return web.Response(status=204)
    return web.json_response({"id": received.raw_path.rpartition("/")[2]})


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _description(request: web.Request) -> dict[str, Any]:
    """Asterisk describes itself as http at the Host that it was called by, also over TLS."""
    common = {"swaggerVersion": "1.1", "apiVersion": "8.0.0", "basePath": f"http://{request.host}/ari"}
    if request.path.endswith("/resources.json"):
        apis = [{"path": f"/api-docs/{room}.{{format}}", "description": room} for room in ROOMS]
        return common | {"apis": apis}
    room = request.path.rpartition("/")[2].removesuffix(".json")
    apis = [operation.described() for operation in OPERATIONS if operation.room == room]
    return common | {"resourcePath": f"/api-docs/{room}.{{format}}", "apis": apis, "models": {}}
