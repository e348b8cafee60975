"""Pages of what people search: a search looks at a bounded number of rows, so that what is rare costs no more than what is common."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

LOOKED_AT = 10_000
"""Rows. The queries say the same number."""


@dataclass(frozen=True, kw_only=True)
class Walked:
    """`last` is the row after which the walk goes on; None: there is nothing more."""

    fitting: Sequence[asyncpg.Record]
    last: asyncpg.Record | None


def walked(rows: Sequence[asyncpg.Record], limit: int) -> Walked:
    """Of a query that was asked for one row more than the page may have. A page may be shorter, and yet not be the last one."""
    page, last = rows[:limit], None
    if len(rows) > limit:
        last = page[-1]
    elif rows and rows[-1]["place"] == LOOKED_AT:
        last = rows[-1]
    return Walked(fitting=[row for row in page if row["fits"]], last=last)
