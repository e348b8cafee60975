"""A CRM on 127.0.0.1 that answers as it is told, well or badly. In a thread of its own, so that commands can ask it too."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`body` may come piece by piece; then the connection is closed at its end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes | Iterable[bytes] = b""


Answering: TypeAlias = Reply | Callable[[Seen], Reply]


def says(value: Any, **headers: str) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


def redirects(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": location})


class FakeCrm:
    """`answers` by path; several for one path are given one after the other, the last for ever."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answering | list[Answering]] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https" if tls else "http"
        self.port = int(self._server.server_address[1])

    def url(self, path: str = "/leads", host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def drip(self, first: bytes, every_s: float) -> Iterator[bytes]:
        """A blank now and then, for ever."""
        yield first
        while not self.closing.wait(every_s):
            yield b" "

    def reply_to(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        answer = self.answers.get(seen.path, Reply(status=404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer if isinstance(answer, Reply) else answer(seen)

    @contextmanager
    def running(self) -> Iterator[FakeCrm]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def _handler_of(crm: FakeCrm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            crm.connections += 1
            with suppress(OSError):  # who does not like the answer hangs up
                super().handle()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            reply = crm.reply_to(
                Seen(
                    method=self.command,
                    path=target.path,
                    query=parse_qs(target.query),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
            )
            self._send(reply)

        do_POST = do_PUT = do_GET  # noqa: N815

        def _send(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if isinstance(reply.body, bytes):
                self.send_header("Content-Length", str(len(reply.body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            for piece in (reply.body,) if isinstance(reply.body, bytes) else reply.body:
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
