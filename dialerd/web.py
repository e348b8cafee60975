"""The web server: the API and the portal over the database, and what they need of Asterisk. `dialerd web` is a process of its own;
`dialerd run --with-web` has it in the daemon's event loop."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from dialerd.api.app import create_app, listen, serve, serve_on
from dialerd.api.card_bell import CardBell
from dialerd.api.metrics import WebMetrics
from dialerd.api.parts import Parts, Sounds
from dialerd.api.web import App, create_web
from dialerd.asterisk.ari import AriSettings
from dialerd.asterisk.recording_files import RecordingFiles
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.errors import NotMigrated, SettingsError
from dialerd.metrics import Registry, new_registry
from dialerd.portal import site
from dialerd.settings import Settings
from dialerd.store.offers import CARDS
from dialerd.store.outbox import CHANNEL as EVENTS
from dialerd.store.pool import connect
from dialerd.store.pool import listen as listen_to
from dialerd.store.schema import missing_migrations
from dialerd.store.stores import Stores

log = structlog.get_logger(__name__)

APPLICATION = "dialerd web"


@asynccontextmanager
async def opened(settings: Settings, dsn: str, registry: Registry) -> AsyncIterator[App]:
    """The API and the portal, with connections of their own, that count into `registry`. Raises NotMigrated, StoreUnavailable."""
    pool = await connect(dsn, max_connections=settings.database.pool_size, application_name=APPLICATION)
    try:
        if await missing_migrations(pool):
            raise NotMigrated
        stores = Stores(pool, profiles(settings.compliance.profile_file))
        async with _recordings(settings) as sounds, _bell(dsn) as bell:
            parts = Parts(stores=stores, settings=settings, clock=SYSTEM_CLOCK, sounds=sounds, card_bell=bell)
            app = create_web(parts, WebMetrics(registry))
            async with _listening(listen_to(dsn, app.state.live.ring, channel=EVENTS), name="live-bell"):
                try:
                    async with site.opened(app) as whole:
                        yield whole
                finally:
                    await parts.jobs.close()
    finally:
        pool.terminate()


@asynccontextmanager
async def _recordings(settings: Settings) -> AsyncIterator[Sounds | None]:
    """Where the login to Asterisk is known. What was fetched is kept in a folder that ends with us."""
    if not settings.ari.password.get_secret_value():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="dialerd-recordings-") as folder:
        yield RecordingFiles(AriSettings.of(settings.ari), Path(folder))


@asynccontextmanager
async def _bell(dsn: str) -> AsyncIterator[CardBell]:
    bell = CardBell()
    async with _listening(listen_to(dsn, bell.ring_all, channel=CARDS, on_word=bell.ring), name="card-bell"):
        yield bell


@asynccontextmanager
async def _listening(listening: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(listening, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run(settings: Settings, dsn: str, *, registry: Registry | None = None) -> None:
    """Serve until cancelled. Raises SettingsError for an address or certificates that cannot be used.

    `registry` is the daemon's, which shows it; else web.metrics_port shows one of our own.
    """
    web, own = settings.web, registry is None
    registry = registry or new_registry()
    async with (
        _shown(registry, settings.http.host, web.metrics_port if own else None),
        opened(settings, dsn, registry) as app,
    ):
        options: dict[str, object] = {}
        if web.behind_proxy:
            options |= {"proxy_headers": True, "forwarded_allow_ips": "127.0.0.1,::1"}
        if web.tls_cert is not None and web.tls_key is not None:
            _look_at_certificates(settings)
            options |= {"ssl_certfile": str(web.tls_cert), "ssl_keyfile": str(web.tls_key)}
        log.info("web_started", host=web.host, port=web.port, tls=web.tls_cert is not None)
        await serve(app, web.host, web.port, **options)


@asynccontextmanager
async def _shown(registry: Registry, host: str, port: int | None) -> AsyncIterator[None]:
    """/metrics meanwhile, where a port is set. Raises SettingsError if that cannot be had."""
    if port is None:
        yield
        return
    serving = asyncio.create_task(serve_on(create_app(registry, dict), listen(host, port)), name="web-metrics")
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def _look_at_certificates(settings: Settings) -> None:
    """Here, where it can be said which of the two is wrong."""
    web = settings.web
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(str(web.tls_cert), str(web.tls_key))
    except (OSError, ssl.SSLError) as wrong:
        raise SettingsError(f"web: {web.tls_cert} and {web.tls_key} cannot be used to serve HTTPS: {wrong}") from None
