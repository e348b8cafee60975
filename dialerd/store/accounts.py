"""Accounts: whose campaigns and do-not-call lists they are, and what holds for all their campaigns."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from dialerd.domain.accounts import Account, AccountRules, Limits, problems
from dialerd.errors import ChangedMeanwhile, InvalidAccount, NotFound
from dialerd.store.pool import Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("accounts")
_RULES = TypeAdapter(AccountRules)
_ACCOUNT = TypeAdapter(Account)
_LIMITS = [field.name for field in fields(Limits)]
_PLAIN = [field.name for field in fields(AccountRules) if field.name not in ("limits", "caller_id")]


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
        """Everything but the name; in force on the next call. Raises InvalidAccount, NotFound."""
        if found := problems(account.rules):
            raise InvalidAccount(found)
        row = await _sql.edit_account(
            self._pool, account_id=account.id, default_region=account.default_region, **_columns(account.rules)
        )
        if row is None:
            raise NotFound("account", account.name)

    @store_call
    async def edit(
        self, account_id: int, change: Callable[[Account], Account], *, versions: Collection[str] | None = None
    ) -> Account:
        """What `change` makes of the account as it is; in force on the next call. `versions` are those that may be changed
        (version_of); None: whatever is there. Raises InvalidAccount, NotFound, ChangedMeanwhile."""
        async with transaction(self._pool) as connection:
            row = await _sql.lock_account(connection, account_id=account_id)
            if row is None:
                raise NotFound("account", account_id)
            account = _account(row)
            if versions is not None and version_of(account) not in versions:
                raise ChangedMeanwhile
            changed = change(account)
            if found := problems(changed.rules):
                raise InvalidAccount(found)
            await _sql.edit_account(
                connection,
                account_id=account_id,
                default_region=changed.default_region,
                **_columns(changed.rules),
            )
            return changed


def version_of(account: Account) -> str:
    """Another one after every change."""
    return hashlib.sha256(_ACCOUNT.dump_json(account)).hexdigest()[:32]


def rules_of(row: asyncpg.Record | Mapping[str, Any]) -> AccountRules:
    """From a row of `accounts`, or the same as jsonb."""
    number = row["caller_id_number"]
    return _RULES.validate_python(
        {
            **{name: row[name] for name in _PLAIN},
            "limits": {name: row[name] for name in _LIMITS},
            "caller_id": {"number": number, "name": row["caller_id_name"]} if number else None,
        }
    )


def _account(row: asyncpg.Record) -> Account:
    return Account(id=row["id"], name=row["name"], default_region=row["default_region"], rules=rules_of(row))


def _columns(rules: AccountRules) -> dict[str, Any]:
    values = _RULES.dump_python(rules, mode="json")
    shown = values.pop("caller_id") or {"number": None, "name": ""}
    return {**values.pop("limits"), **values, "caller_id_number": shown["number"], "caller_id_name": shown["name"]}
