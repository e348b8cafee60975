"""What the web server tells Prometheus of its requests. docs/metrics.md lists the series for people, and a test compares.

A request is counted under the template of its route, never under its path: ids would make a series each. What leads to no route is
counted as NOWHERE. Streams of events have no duration worth measuring, so they are counted while they are open.
"""

import time
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOWHERE = "(no route)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are nobody's, and a client may invent as many as it likes."""
OTHER = "other"
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STREAM = b"text/event-stream"


class WebMetrics:
    """The series of one web server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "dialerd_http_requests",
            "Requests answered by the web server, by the template of their route.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "dialerd_http_request_seconds",
            "From a request until its answer was sent; streams of events are left out.",
            ["route"],
            registry=registry,
            buckets=DURATIONS,
        )
        self._under_way = Gauge(
            "dialerd_http_requests_under_way",
            "Requests that are not answered yet, streams included.",
            registry=registry,
        )
        self._streams = Gauge("dialerd_http_live_clients", "Open streams of live events.", registry=registry)

    async def measure(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer one request."""
        began, answer = time.monotonic(), _Answer(send, on_stream=self._streams.inc)
        self._under_way.inc()
        try:
            await app(scope, receive, answer.send)
        finally:
            self._under_way.dec()
            if answer.is_stream:
                self._streams.dec()
            self._count(scope, answer, time.monotonic() - began)

    def _count(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", NOWHERE)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._requests.labels(method, route, answer.status).inc()
        if not answer.is_stream:
            self._seconds.labels(route).observe(seconds)


class _Answer:
    """What is sent, looked at as it goes by. Without a word it is an error of ours."""

    def __init__(self, send: Send, *, on_stream: Callable[[], None]) -> None:
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.is_stream = False
        self._on_stream = on_stream
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.is_stream = any(
                name.lower() == b"content-type" and value.startswith(_STREAM) for name, value in message["headers"]
            )
            if self.is_stream:
                self._on_stream()
        await self._send(message)


class Measured:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: WebMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._metrics.measure(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)
