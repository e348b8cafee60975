"""Backups of the whole database, by Postgres's own programs: one file, consistent, taken while daemons go on dialing."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import asyncpg

from dialerd.errors import DialerdError
from dialerd.store.pool import CONNECT_TIMEOUT_S, store_errors
from dialerd.store.postgres_binaries import find_client
from dialerd.store.queries import queries_of

_sql = queries_of("backup")

LAST_WORDS = 2000
"""Characters of what Postgres's program said."""


class BackupFailed(DialerdError):
    """Postgres's program did not do it. What it said follows."""


class RestoreRefused(DialerdError):
    """The database is not to be written over. Nothing was changed."""


async def back_up(dsn: str, file: Path) -> None:
    """Write the database to a file that only we may read. Raises BackupFailed, StoreUnavailable, SettingsError."""
    async with _connected(dsn) as connection:
        program = find_client("pg_dump", at_least=await _sql.server_major(connection))
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        await _run(program, dsn, "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
        unfinished.replace(file)
    except OSError as refused:
        raise BackupFailed(f"{file} cannot be written: {refused.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


async def restore(dsn: str, file: Path, *, force: bool) -> int:
    """Put a backup into the database, all of it or nothing; how many campaigns are paused because they ran when it was made.

    Raises RestoreRefused while somebody of ours is connected, or if there are tables already and not `force`; BackupFailed.
    """
    async with _connected(dsn) as connection:
        if others := await _sql.others_of_ours(connection):
            raise RestoreRefused(f"{others} sessions of dialerd are connected to the database: stop its services first")
        is_full = await _sql.holds_tables(connection)
        if is_full and not force:
            raise RestoreRefused("the database has tables already: name an empty one, or say --force to replace them")
        program = find_client("pg_restore", at_least=await _sql.server_major(connection))
        async with _room(connection, is_full=is_full):
            await _run(
                program, dsn, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(file)
            )
            paused: int = await _sql.pause_campaigns(connection)
    return paused


@asynccontextmanager
async def _room(connection: "asyncpg.Connection[asyncpg.Record]", *, is_full: bool) -> AsyncIterator[None]:
    """An empty place for what is restored. What was there is dropped when all has gone well, and else put back."""
    if is_full:
        await _sql.put_aside(connection)
        await _sql.make_room(connection)
    try:
        yield
    except BaseException:
        if is_full:
            await _sql.drop_unfinished(connection)
            await _sql.put_back(connection)
        raise
    if is_full:
        await _sql.drop_put_aside(connection)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    with store_errors():
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": "dialerd backup"}
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _run(program: Path, dsn: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(program), "--dbname", _bare(dsn), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **_secrets(dsn)},
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode != 0:
        raise BackupFailed(f"{program.name}: {said.decode(errors='replace').strip()[-LAST_WORDS:]}")


def _bare(dsn: str) -> str:
    """Without its password: the command line can be read by everybody on the machine."""
    parts = urlsplit(dsn)
    user, _, host = parts.netloc.rpartition("@")
    named = f"{user.partition(':')[0]}@{host}" if user else host
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "password"]
    return f"postgresql://{named}{parts.path}?{urlencode(query)}"


def _secrets(dsn: str) -> Mapping[str, str]:
    parts = urlsplit(dsn)
    password = dict(parse_qsl(parts.query)).get("password") or unquote(parts.password or "")
    return {"PGPASSWORD": password} if password else {}
