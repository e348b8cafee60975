"""Pages of what people search: a search looks at a bounded number of rows, so that what is rare costs no more than what is common."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from dialerd.store.pool import Pool, transaction

LOOKED_AT = 5_000
"""Rows. The queries say the same number."""


@dataclass(frozen=True, kw_only=True)
class Walked:
    """`last` is the row after which the walk goes on; None: there is nothing more."""

    fitting: Sequence[asyncpg.Record]
    last: asyncpg.Record | None


async def walk_along(
    pool: Pool, query: Callable[..., AsyncIterator[asyncpg.Record]], limit: int, **asked: object
) -> Walked:
    """The rows of the named query, which is asked for one more than the page may have. A page may be shorter, and yet not be the last.

    It goes along an index and stops where the page is full, whatever the planner believes. That plans without knowing how long this list
    is or where the page begins, and would rather gather all of it, a million rows, and sort them.
    """
    async with transaction(pool) as connection:
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        rows = [row async for row in query(connection, page=limit + 1, **asked)]
    page, last = rows[:limit], None
    if len(rows) > limit:
        last = page[-1]
    elif rows and rows[-1]["place"] == LOOKED_AT:
        last = rows[-1]
    return Walked(fitting=[row for row in page if row["fits"]], last=last)
