"""The web server: the API over the database, and what it needs of Asterisk. `dialerd web` is a process of its own; `dialerd run
--with-web` has it in the daemon's event loop."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from dialerd.api.app import serve
from dialerd.api.parts import Parts
from dialerd.api.web import App, create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.errors import NotMigrated, SettingsError
from dialerd.settings import Settings
from dialerd.store.pool import connect
from dialerd.store.schema import missing_migrations
from dialerd.store.stores import Stores

log = structlog.get_logger(__name__)

APPLICATION = "dialerd web"


@asynccontextmanager
async def opened(settings: Settings, dsn: str) -> AsyncIterator[App]:
    """The application, with connections of its own. Raises NotMigrated, StoreUnavailable."""
    pool = await connect(dsn, max_connections=settings.database.pool_size, application_name=APPLICATION)
    try:
        if await missing_migrations(pool):
            raise NotMigrated
        stores = Stores(pool, profiles(settings.compliance.profile_file))
        yield create_web(Parts(stores=stores, settings=settings, clock=SYSTEM_CLOCK))
    finally:
        pool.terminate()


async def run(settings: Settings, dsn: str) -> None:
    """Serve until cancelled. Raises SettingsError for an address or certificates that cannot be used."""
    web = settings.web
    async with opened(settings, dsn) as app:
        options: dict[str, object] = {}
        if web.behind_proxy:
            options |= {"proxy_headers": True, "forwarded_allow_ips": "127.0.0.1,::1"}
        if web.tls_cert is not None and web.tls_key is not None:
            _look_at_certificates(settings)
            options |= {"ssl_certfile": str(web.tls_cert), "ssl_keyfile": str(web.tls_key)}
        log.info("web_started", host=web.host, port=web.port, tls=web.tls_cert is not None)
        await serve(app, web.host, web.port, **options)


def _look_at_certificates(settings: Settings) -> None:
    """Here, where it can be said which of the two is wrong."""
    web = settings.web
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(str(web.tls_cert), str(web.tls_key))
    except (OSError, ssl.SSLError) as wrong:
        raise SettingsError(f"web: {web.tls_cert} and {web.tls_key} cannot be used to serve HTTPS: {wrong}") from None
