"""A real Postgres for tests: one server a session, one freshly migrated database a test. Loaded by tests/conftest.py."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate
from dialerd.store.pool import SESSION, Pool, connect

_numbers = count(1)

MEMORY = Path("/dev/shm")
ROOM = 2 * 2**30
"""Bytes that must be free there: a server with a large test's database takes a few hundred million."""
MOST_WAL = "ALTER SYSTEM SET max_wal_size = '256MB'"
"""By itself a server keeps a gigabyte."""


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """A folder that any user can enter, as a server's must; pytest's own cannot be entered by others.

    In memory where there is room: a database is a thousand small files, and a disk takes ten times as long to make them.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    folder = Path(tempfile.mkdtemp(prefix="dialerd-", dir=MEMORY if in_memory else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(reachable_folder: Path) -> Iterator[str]:
    """The DSN of a server that is fast, and would not survive a power cut."""
    with asyncio.Runner() as runner:
        server = embedded_postgres(reachable_folder, durable=False)
        dsn = runner.run(server.__aenter__())
        runner.run(_execute(dsn, MOST_WAL))
        runner.run(_execute(dsn, "SELECT pg_reload_conf()"))
        yield dsn
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    """The name of a migrated database; a copy of it is far faster than the migrations."""
    with asyncio.Runner() as runner:
        runner.run(_execute(postgres_server, "CREATE DATABASE migrated"))
        runner.run(migrate(dsn_of(postgres_server, "migrated")))
    return "migrated"


@pytest_asyncio.fixture
async def empty_database(postgres_server: str) -> AsyncIterator[str]:
    """The DSN of a database with nothing in it."""
    async with new_database(postgres_server) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def database(postgres_server: str, migrated_template: str) -> AsyncIterator[str]:
    """The DSN of a migrated database without campaigns."""
    async with new_database(postgres_server, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a lock through `pool` gives up soon: for tests in which it does not come free."""
    monkeypatch.setitem(SESSION, "lock_timeout", "200ms")


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """Connections to `database`."""
    pool = await connect(database)
    yield pool
    pool.terminate()  # a connection that a failed test has not given back would be waited for


@asynccontextmanager
async def new_database(server: str, *, template: str = "template1") -> AsyncIterator[str]:
    """Gone afterwards, whoever is still connected to it."""
    name = f"test_{next(_numbers)}"
    await _copy(server, template, name)
    yield dsn_of(server, name)
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _copy(server: str, template: str, name: str) -> None:
    """As files, as before version 15: not page by page through the log."""
    connection = await asyncpg.connect(server)
    try:
        how = "STRATEGY file_copy" if connection.get_server_version().major >= 15 else ""
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}")
    finally:
        await connection.close()


def dsn_of(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
