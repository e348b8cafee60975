"""The connection to Postgres: how it is set up, and what of its troubles the rest of dialerd gets to see."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

import asyncpg
import structlog

from dialerd.clock import set_within
from dialerd.errors import SettingsError, StoreBusy, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
PoolConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnection"
P = ParamSpec("P")
T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 20.0
"""On our side, for a server that has gone silent. Longer than the server's own limit, which says what went wrong."""

SESSION = {
    "timezone": "UTC",
    # Our queries look again at what others have committed meanwhile; whoever made the database may prefer another default.
    "default_transaction_isolation": "read committed",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    # A daemon that was frozen inside a transaction must not hold its locks for longer than a lease lasts.
    "idle_in_transaction_session_timeout": "10s",
    # Our queries are short and their plans do not depend on the values: planning and compiling cost more than running.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # Of a machine that is gone the server hears nothing: after 25 s it ends the session, and whatever that held.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_WRONG_DSN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)

TRIES = 4
"""How often a transaction is tried that Postgres itself has rolled back because of another one."""

BELL = "dialerd"
"""The channel that says: a campaign or its leads have changed, look."""
BELL_CHECK_S = 15.0
BELL_RETRY_S = 1.0


Greeting: TypeAlias = "Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[None]]"


async def connect(
    dsn: str, *, max_connections: int = 10, application_name: str = "dialerd", greet: "Greeting | None" = None
) -> Pool:
    """Raises StoreUnavailable while the server cannot be reached, SettingsError where the DSN cannot be right.

    `greet` looks at each new connection before it is used; what it raises is told to whoever wanted the connection.
    """

    async def prepare(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await _set_codecs(connection)
        if greet is not None:
            await greet(connection)

    with store_errors():
        try:
            return await asyncpg.create_pool(
                dsn,
                init_size=1,  # so that a wrong DSN is told at once
                min_size=0,  # while the server is away, whoever asks is told; asyncpg's own tries to keep one open say it once more
                max_size=max_connections,
                init=prepare,
                reset=_reset,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings={**SESSION, "application_name": application_name},
            )
        except _WRONG_DSN as wrong:
            raise SettingsError(f"the database refuses the DSN: {wrong}") from wrong


async def _set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """jsonb as Python values. In binary, which COPY needs: a version byte, then the text."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + json.dumps(value).encode(),
        decoder=lambda stored: json.loads(stored[1:]),
        format="binary",
    )


async def _reset(_: object) -> None:
    """Nothing: we set nothing on a session that outlives its transaction. asyncpg's default is a round trip for each use."""


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    async with asyncio.timeout(ACQUIRE_TIMEOUT_S):  # cheaper than the pool's own, which starts a task
        connection = await pool.acquire()
    try:
        async with connection.transaction():
            yield connection
    finally:
        await give_back(pool, connection)


async def give_back(pool: Pool, connection: PoolConnection) -> None:
    """What came of the connection's use is known by now: that it is lost only afterwards changes nothing about it."""
    try:
        with store_errors():
            await pool.release(connection)
    except StoreUnavailable as lost:
        log.info("connection_lost_after_use", why=str(lost))


@contextmanager
def store_errors() -> Iterator[None]:
    """Troubles of the database become StoreUnavailable or StoreBusy; what is a mistake of ours stays what it is."""
    try:
        yield
    except _BUSY as busy:
        raise StoreBusy from busy
    except asyncpg.DiskFullError as full:
        raise StoreFull from full
    except (*_GONE, OSError, TimeoutError) as gone:
        why = str(gone) or type(gone).__name__
        raise StoreUnavailable(f"the database cannot be reached, or cannot write: {why}") from gone
    except asyncpg.InterfaceError as misuse:
        if not any(words in str(misuse) for words in _LOST):
            raise
        raise StoreUnavailable from misuse


_LOST = ("clos", "released back to the pool")
"""In what asyncpg says of the use of a connection that has been lost: it is closed, and the pool has taken it back."""
_ROLLED_BACK = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_BUSY = (*_ROLLED_BACK, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
_GONE = (
    *_WRONG_DSN,  # it was right when we came: a password has changed, a restore has begun
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, crashed
    asyncpg.InsufficientResourcesError,  # no connection left, no memory
    asyncpg.ReadOnlySQLTransactionError,  # it has become a standby
    asyncpg.IdleInTransactionSessionTimeoutError,
    # The server's farewell has met a statement of ours half-way, or the pool has noticed the loss while the connection was given back.
    asyncpg.InternalClientError,
)


def store_call(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The edge of the store, for a method that is one transaction: what Postgres rolled back is tried again."""

    @wraps(method)
    async def at_the_edge(*args: P.args, **kwargs: P.kwargs) -> T:
        with store_errors():
            for _ in range(TRIES - 1):
                try:
                    return await method(*args, **kwargs)
                except _ROLLED_BACK as lost:
                    log.info("transaction_tried_again", why=str(lost))
            return await method(*args, **kwargs)

    return at_the_edge


async def listen(
    dsn: str, on_notify: Callable[[], None], *, channel: str = BELL, on_word: Callable[[str], None] | None = None
) -> None:
    """Call `on_notify` for every notification, and after every (re)connect, for some may have been missed; with `on_word` that gets
    the notifications, and their payloads. Never ends."""
    while True:
        try:
            with store_errors():
                await _listen_once(dsn, on_notify, channel, on_word)
        except StoreUnavailable as lost:
            log.warning("bell_lost", why=str(lost))
        await asyncio.sleep(BELL_RETRY_S)


async def _listen_once(
    dsn: str, on_notify: Callable[[], None], channel: str, on_word: Callable[[str], None] | None
) -> None:
    def heard(*said: Any) -> None:
        on_notify() if on_word is None else on_word(said[-1])

    settings = {"application_name": "dialerd bell"}
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
    try:
        await connection.add_listener(channel, heard)
        on_notify()
        await until_lost(connection, look_every_s=BELL_CHECK_S)
    finally:
        connection.terminate()


async def until_lost(connection: Connection, *, look_every_s: float) -> None:
    """Returns, or raises, when the connection has ended or does not answer any more: a half-open one looks alive."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    while not (connection.is_closed() or await set_within(ended, look_every_s)):
        await connection.execute("SELECT 1", timeout=CONNECT_TIMEOUT_S)
