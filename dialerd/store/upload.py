"""What uploads and other changes of a great many rows share: time enough, and for uploads a source that may be slow or fail,
and whose rows are laid down before they are judged."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar

from dialerd.store.pool import Connection, Pool, store_errors, transaction

T = TypeVar("T")

BeforeCommit: TypeAlias = Callable[[Connection, T], Awaitable[None]]
"""What is to be written in the transaction of an upload, with what came of it. If it raises, nothing is stored."""

UPLOAD_MEMORY_MB = 64
"""Of the server, for each sort or hash of an upload: the usual 4 are too few for 200,000 rows, and it would use its disk."""

UPLOAD_TIMEOUT_S = 600.0
"""For an upload as a whole: seconds for a million rows, but a source may be slow."""


@asynccontextmanager
async def upload(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction with the time that an upload needs. It cannot be tried again: the source has been read."""
    async with transaction(pool) as connection:
        await connection.execute(f"SET LOCAL statement_timeout = '{UPLOAD_TIMEOUT_S:.0f}s'")
        await connection.execute(f"SET LOCAL work_mem = '{UPLOAD_MEMORY_MB}MB'")
        yield connection


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: AsyncIterable[Sequence[object]]
) -> int:
    """How many rows there were."""
    status = await connection.copy_records_to_table(table, records=rows, columns=columns, timeout=UPLOAD_TIMEOUT_S)
    return int(status.removeprefix("COPY "))


async def judge_stage(connection: Connection, query: Any, *parameters: object) -> Any:
    """Run the named query that moves the staged rows on; its parameters in the order of its list."""
    return await connection.fetchrow(query.sql, *parameters, timeout=UPLOAD_TIMEOUT_S)


async def change_many(connection: Connection, query: Any, ids: Sequence[int]) -> int:
    """Run the named query that changes the rows with these ids, however many, and says how many it has changed."""
    changed: int = await connection.fetchval(query.sql, ids, timeout=UPLOAD_TIMEOUT_S)
    return changed


class _SourceFailed(Exception):
    """Carries an error of the source through the store, so that it is not taken for one of the database."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def from_source(rows: AsyncIterable[T] | Iterable[T]) -> AsyncIterator[T]:
    """The rows of either kind of source; for use within `upload_errors`."""
    try:
        if isinstance(rows, AsyncIterable):
            async for row in rows:
                yield row
        else:
            for row in rows:
                yield row
    except Exception as failure:
        raise _SourceFailed(failure) from failure


@contextmanager
def upload_errors() -> Iterator[None]:
    """The database's troubles as `store_errors` has them, and those of the source as they were."""
    try:
        with store_errors():
            yield
    except _SourceFailed as failed:
        raise failed.cause from None
