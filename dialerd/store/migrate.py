"""Brings the database's tables up to date: numbered files, forward only, each once, in one transaction of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import asyncpg
import structlog

from dialerd.errors import MigrationChanged, MigrationFailed
from dialerd.store.pool import CONNECT_TIMEOUT_S, store_errors
from dialerd.store.queries import queries_of
from dialerd.store.sql_files import sql_files, sql_folder

log = structlog.get_logger(__name__)

_LOCK = 0x6469616C  # "dial": two migrating daemons wait for each other
_HISTORY = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        name       text PRIMARY KEY,
        sha256     text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


_OF_THE_SERVER = ("08", "40", "53", "55", "57")
"""Classes of errors that are no fault of the file: no connection, a collision, no room, a lock, a shutdown."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """In the order of their numbers; of `folder`, or those that dialerd brings along."""
    files = sql_files(folder or sql_folder() / "migrations")
    return [Migration(name=file.name, sql=file.read_text(encoding="utf-8")) for file in files]


async def migrate(dsn: str, wanted: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing; returns the names. Safe at any time, by several at once. Raises MigrationChanged, MigrationFailed.

    A database that is further than these files is left alone: while an upgrade rolls out, old and new daemons share it.
    """
    with store_errors():
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"timezone": "UTC"})
        try:
            # Held by the session, so it is given back whatever happens to this process.
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            return await _bring_up_to_date(connection, migrations() if wanted is None else wanted)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _bring_up_to_date(connection: "asyncpg.Connection[asyncpg.Record]", wanted: Sequence[Migration]) -> list[str]:
    await connection.execute(_HISTORY)
    applied = {
        row["name"]: row["sha256"] for row in await connection.fetch("SELECT name, sha256 FROM schema_migrations")
    }
    missing = _missing(wanted, applied)
    for migration in missing:
        await _apply(connection, migration)
    await queries_of("activity").ensure_partitions(connection)
    return [migration.name for migration in missing]


def _missing(wanted: Sequence[Migration], applied: Mapping[str, str]) -> list[Migration]:
    for migration in wanted:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationChanged(migration.name)
    return [migration for migration in wanted if migration.name not in applied]


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
            )
    except asyncpg.PostgresError as failed:
        if (failed.sqlstate or "")[:2] in _OF_THE_SERVER:
            raise
        raise MigrationFailed(migration.name, failed) from failed
    log.info("migration_applied", name=migration.name)
