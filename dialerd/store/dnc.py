"""The do-not-call lists: one of each account, and one for everybody (account None). The claim of a lead asks them.

An entry that has expired forbids nothing. A number is on a list once: of two entries the one that lasts longer stays, so
that nothing which is added makes a list weaker. That takes a removal.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import next_beginning, queries_of
from dialerd.store.upload import (
    UPLOAD_TIMEOUT_S,
    BeforeCommit,
    copy_rows,
    from_source,
    judge_stage,
    upload,
    upload_errors,
)

_sql = queries_of("dnc")

NewDncRow: TypeAlias = tuple[str, str, str, datetime | None]
"""Number, reason, source, end. A tuple, for an import may have ten million of them."""

PAGE = 5_000
"""Entries that are read or looked through at a time. The queries allow for 10,000."""

_STAGE = "staged_dnc_numbers"
_STAGED = ("number", "reason", "source", "expires_at")


@dataclass(frozen=True, kw_only=True)
class DncEntry:
    number: str
    account_id: int | None
    reason: str
    source: str
    added_by: str
    added_at: datetime
    expires_at: datetime | None
    """From here on it forbids nothing. None: it holds until it is removed."""


class DncChange(StrEnum):
    """What adding a number has meant for the list."""

    NEW = "new"
    PROLONGED = "prolonged"  # was there, and would have ended earlier
    NONE = "none"  # was there, and lasts as long or longer


@dataclass(frozen=True, kw_only=True)
class DncImport:
    added: int
    prolonged: int


class DncStore:
    """Numbers are E.164. A lead that waits for a retry needs no touch: it is blocked when it is next claimed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def add(
        self,
        number: str,
        account_id: int | None = None,
        *,
        reason: str = "",
        source: str = "",
        added_by: str = "",
        expires_at: datetime | None = None,
    ) -> DncChange:
        """While an import that has the same number is being stored it may not be told: then raises StoreBusy."""
        return await add_entry(
            self._pool, number, account_id, reason=reason, source=source, added_by=added_by, expires_at=expires_at
        )

    async def add_many(
        self,
        rows: AsyncIterable[NewDncRow] | Iterable[NewDncRow],
        account_id: int | None = None,
        *,
        added_by: str = "",
        before_commit: BeforeCommit[DncImport] | None = None,
    ) -> DncImport:
        """All of them or none."""
        with upload_errors():
            async with upload(self._pool) as connection:
                await _sql.create_dnc_stage(connection)
                await copy_rows(connection, _STAGE, _STAGED, from_source(rows))
                await _sql.count_dnc_stage(connection)
                report = await _take_from_stage(connection, account_id, added_by)
                if before_commit is not None:
                    await before_commit(connection, report)
                return report

    @store_call
    async def remove(self, number: str, account_id: int | None = None) -> bool:
        """From exactly that list; whether it was there."""
        return bool(await _sql.remove_dnc_number(self._pool, number=number, account_id=account_id))

    @store_call
    async def contains(self, number: str, account_id: int | None = None) -> bool:
        """Whether a call of this account to the number is forbidden: by its own list, or by the one for everybody."""
        return bool(await _sql.is_listed(self._pool, number=number, account_id=account_id))

    @store_call
    async def in_force(self, number: str, account_id: int | None = None) -> Sequence[DncEntry]:
        """Which entries forbid a call of this account to the number; none where `contains` is False."""
        rows = _sql.entries_in_force(self._pool, number=number, account_id=account_id)
        return [DncEntry(**row) async for row in rows]

    @store_call
    async def count(self, account_id: int | None = None) -> int:
        """The length of exactly that list."""
        return int(await _sql.count_dnc_numbers(self._pool, account_id=account_id))

    @store_call
    async def search(
        self, account_id: int | None = None, *, prefix: str = "+", text: str = "", limit: int = 100, after: str = ""
    ) -> Sequence[DncEntry]:
        """Entries that forbid something to this account, or did: of its list and of everybody's, by number.

        `text` is a part of the reason or the source; a list of millions is looked through in seconds. The next page comes
        `after` this one's last number; a page may be longer by one, where both lists have that number. `limit` is 10,000
        at most.
        """
        wanted = (prefix, next_beginning(prefix), after, text, account_id, limit)
        async with upload(self._pool) as connection:
            rows = await connection.fetch(_sql.search_dnc_numbers.sql, *wanted, timeout=UPLOAD_TIMEOUT_S)
        found = [DncEntry(**row) for row in rows]
        return sorted(found, key=lambda entry: (entry.number, entry.account_id is not None))

    async def export(self, account_id: int | None = None) -> AsyncIterator[DncEntry]:
        """Exactly that list, page by page: no connection is held while the reader is slow."""
        after = ""
        while page := await self._page(account_id, after):
            for entry in page:
                yield entry
            after = page[-1].number

    @store_call
    async def _page(self, account_id: int | None, after: str) -> Sequence[DncEntry]:
        rows = _sql.list_dnc_numbers(self._pool, account_id=account_id, after=after, page=PAGE)
        return [DncEntry(**row) async for row in rows]

    async def purge(self, account_id: int | None = None) -> int:
        """Remove what has expired from exactly that list, page by page; how many entries that were."""
        purged, after = 0, ""
        while page := await self._purge_page(account_id, after):
            after = page[0]
            purged += page[1]
        return purged

    @store_call
    async def _purge_page(self, account_id: int | None, after: str) -> tuple[str, int] | None:
        row = await _sql.purge_dnc_numbers(self._pool, account_id=account_id, after=after, page=PAGE)
        return (row["last"], row["purged"]) if row["last"] is not None else None


async def _take_from_stage(connection: Connection, account_id: int | None, added_by: str) -> DncImport:
    new = await judge_stage(connection, _sql.add_staged_dnc_numbers, account_id, added_by)
    if new["added"] == new["staged"]:
        return DncImport(added=new["added"], prolonged=0)
    old = await judge_stage(connection, _sql.prolong_staged_dnc_numbers, added_by, account_id)
    return DncImport(added=new["added"], prolonged=old["prolonged"])


async def add_entry(
    connection: "Pool | Connection",
    number: str,
    account_id: int | None,
    *,
    reason: str,
    source: str,
    added_by: str,
    expires_at: datetime | None = None,
) -> DncChange:
    entry = {
        "number": number,
        "account_id": account_id,
        "reason": reason,
        "source": source,
        "added_by": added_by,
        "expires_at": expires_at,
    }
    if await _sql.add_dnc_number(connection, **entry):
        return DncChange.NEW
    return DncChange.PROLONGED if await _sql.prolong_dnc_number(connection, **entry) else DncChange.NONE
