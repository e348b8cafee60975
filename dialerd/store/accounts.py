"""Accounts: whose campaigns and do-not-call lists they are, and what holds for all their campaigns."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from dialerd.domain.caller_id import CallerId
from dialerd.errors import NotFound
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("accounts")


@dataclass(frozen=True, kw_only=True)
class Account:
    id: int
    name: str
    time_zone: str = "UTC"
    default_region: str = "US"
    """Country (ISO 3166) of numbers that are written without one."""
    caller_id: CallerId | None = None
    """What a campaign shows that has no number pool of its own."""


class AccountStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def get(self, name: str = "default") -> Account:
        """Raises NotFound."""
        row = await _sql.get_account(self._pool, name=name)
        if row is None:
            raise NotFound("account", name)
        return _account(row)

    @store_call
    async def list(self) -> Sequence[Account]:
        return [_account(row) async for row in _sql.list_accounts(self._pool)]

    @store_call
    async def create(self, name: str) -> Account:
        """The account of this name, which may be there already."""
        await _sql.create_account(self._pool, name=name)
        return _account(await _sql.get_account(self._pool, name=name))

    @store_call
    async def save(self, account: Account) -> None:
        """Everything but the name. Raises NotFound."""
        row = await _sql.edit_account(
            self._pool,
            account_id=account.id,
            time_zone=account.time_zone,
            default_region=account.default_region,
            caller_id_number=account.caller_id.number if account.caller_id else None,
            caller_id_name=account.caller_id.name if account.caller_id else "",
        )
        if row is None:
            raise NotFound("account", account.name)


def _account(row: asyncpg.Record) -> Account:
    number = row["caller_id_number"]
    return Account(
        id=row["id"],
        name=row["name"],
        time_zone=row["time_zone"],
        default_region=row["default_region"],
        caller_id=CallerId(number=number, name=row["caller_id_name"]) if number else None,
    )
