"""A way to the application that ends with the beginning of an answer where the answer itself never ends: a stream of events."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class FirstWords(httpx.AsyncBaseTransport):
    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        answer = _Answer(body)
        answering = asyncio.create_task(self._app(_scope(request), answer.receive, answer.send))
        ended = asyncio.create_task(answer.ended.wait())
        await asyncio.wait({answering, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (answering, ended):
            task.cancel()
        await asyncio.gather(answering, ended, return_exceptions=True)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)


class _Answer:
    def __init__(self, body: bytes) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.ended = asyncio.Event()
        self._sent: bytes | None = body

    async def receive(self) -> dict[str, Any]:
        if self._sent is None:
            await self.ended.wait()
            return {"type": "http.disconnect"}
        sent, self._sent = self._sent, None
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
            if dict(self.headers).get(b"content-type", b"").startswith(b"text/event-stream"):
                self.ended.set()
        elif not self.ended.is_set():
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.ended.set()


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
