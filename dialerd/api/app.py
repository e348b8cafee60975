"""The web application, and how it is served in the daemon's event loop without taking over its signals or its log."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dialerd import __version__
from dialerd.api.routes.health import Readiness, health_routes
from dialerd.errors import SettingsError

GRACE_S = 2
"""How long requests that are under way may take when the daemon stops."""


def create_app(registry: CollectorRegistry, readiness: Readiness) -> FastAPI:
    """Without the interactive documentation: its pages load scripts from elsewhere."""
    app = FastAPI(title="dialerd", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health_routes(registry, readiness))
    return app


async def serve(app: FastAPI, host: str, port: int, **options: Any) -> None:
    """Serve until cancelled, with options of uvicorn's if need be. Raises SettingsError if the address cannot be had."""
    await serve_on(app, listen(host, port), **options)


def listen(host: str, port: int) -> socket.socket:
    """The socket, made here because uvicorn would end the whole process if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as failure:
        raise SettingsError(f"http: cannot listen on {host} port {port}: {failure.strerror or failure}") from None


async def serve_on(app: FastAPI, listening: socket.socket, **options: Any) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
            **{"proxy_headers": False, **options},
        )
    )
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
        listening.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's: it ends the calls before it ends this server."""
        yield
