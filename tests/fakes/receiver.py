"""Whoever is told by webhooks, on 127.0.0.1: takes messages, refuses them, is away and comes back on the same port."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from dialerd.domain.webhooks import signature

REPLAY_WINDOW_S = 300


@dataclass(frozen=True, kw_only=True)
class Got:
    """A message as it came."""

    path: str
    headers: dict[str, str] = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def event_id(self) -> str:
        return self.headers["Dialerd-Event-Id"]

    def is_signed_with(self, secret: str) -> bool:
        """As docs/webhooks.md tells receivers to look at it."""
        timestamp = self.headers["Dialerd-Timestamp"]
        fresh = abs(time.time() - int(timestamp)) <= REPLAY_WINDOW_S
        return fresh and self.headers["Dialerd-Signature"] == f"v1={signature(secret, timestamp, self.raw)}"


class Receiver:
    """`answers` is a status, or a function of the message that makes one; by path, else 204."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: dict[str, int | Callable[[Got], int]] = {}
        self.silent = asyncio.Event()
        """Set: it takes messages and never answers."""
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._came = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        receiver = cls()
        await receiver.start()
        try:
            yield receiver
        finally:
            await receiver.stop()

    async def start(self) -> None:
        """On the port that it had before, if it was there before."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def of(self, path: str = "/hook") -> list[Got]:
        return [got for got in self.got if got.path == path]

    async def until(self, is_so: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Looked at whenever a message has come."""
        async with asyncio.timeout(timeout_s), self._came:
            await self._came.wait_for(is_so)

    async def _take(self, request: web.Request) -> web.Response:
        got = Got(path=request.path, headers=dict(request.headers), raw=await request.read())
        answer = self.answers.get(got.path, 204)
        status = answer if isinstance(answer, int) else answer(got)
        async with self._came:
            self.got.append(got)
            self._came.notify_all()
        if self.silent.is_set():
            await asyncio.Event().wait()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})
