"""The do-not-call lists: one of each account, and one for everybody (account None). The claim of a lead asks them."""

from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of
from dialerd.store.upload import copy_rows, from_source, judge_stage, upload, upload_errors

_sql = queries_of("dnc")


@dataclass(frozen=True, kw_only=True)
class DncEntry:
    number: str
    account_id: int | None
    reason: str
    source: str
    added_at: datetime


class DncStore:
    """Numbers are E.164. A lead that waits for a retry needs no touch: it is blocked when it is next claimed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def add(self, number: str, account_id: int | None = None, *, reason: str = "", source: str = "") -> bool:
        """Whether it is new on that list."""
        entry = {"number": number, "account_id": account_id, "reason": reason, "source": source}
        return bool(await _sql.add_dnc_number(self._pool, **entry))

    async def add_many(
        self,
        numbers: AsyncIterable[str] | Iterable[str],
        account_id: int | None = None,
        *,
        reason: str = "",
        source: str = "",
    ) -> int:
        """All of them or none; how many are new on that list."""
        with upload_errors():
            async with upload(self._pool) as connection:
                await _sql.create_dnc_stage(connection)
                rows = ((number,) async for number in from_source(numbers))
                await copy_rows(connection, "staged_dnc_numbers", ["number"], rows)
                (added,) = await judge_stage(connection, _sql.add_staged_dnc_numbers, account_id, reason, source)
                return int(added)

    @store_call
    async def remove(self, number: str, account_id: int | None = None) -> bool:
        """From exactly that list; whether it was there."""
        return bool(await _sql.remove_dnc_number(self._pool, number=number, account_id=account_id))

    @store_call
    async def contains(self, number: str, account_id: int | None = None) -> bool:
        """Whether a call of this account to the number is forbidden: by its own list, or by the one for everybody."""
        return bool(await _sql.is_listed(self._pool, number=number, account_id=account_id))

    @store_call
    async def count(self, account_id: int | None = None) -> int:
        """The length of exactly that list."""
        return int(await _sql.count_dnc_numbers(self._pool, account_id=account_id))

    @store_call
    async def search(self, prefix: str = "+", *, limit: int = 100, after: str = "") -> Sequence[DncEntry]:
        """Entries of every list whose numbers begin like this. The next page comes `after` this one's last number."""
        rows = _sql.search_dnc_numbers(self._pool, prefix=prefix, after=after, page=limit)
        return [DncEntry(**row) async for row in rows]
