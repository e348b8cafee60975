"""Voice menus, by name in their account. A campaign names one; a call gets it as it is when it is opened."""

import builtins
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dialerd.domain.menus import Choice, MenuNode, VoiceMenu, problems_of_menu
from dialerd.errors import ChangedMeanwhile, InUse, InvalidMenu, NotFound
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("menus")
_MENU = TypeAdapter(VoiceMenu)
_WHAT = "voice menu"


@dataclass(frozen=True, kw_only=True)
class UsedMenu:
    """A campaign that is not over and names the menu."""

    campaign: str
    queue: str


class MenuStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def put(self, menu: VoiceMenu, account: str = "default", *, versions: Collection[str] | None = None) -> bool:
        """In the place of the one of this name, also while a campaign runs with it: calls that begin from now on have it. Whether there
        was none. Raises InvalidMenu, NotFound for the account, ChangedMeanwhile where it is in none of the `versions`."""
        _raise_for(problems_of_menu(menu))
        async with transaction(self._pool) as connection:
            account_id = await _account(connection, account)
            there = await _sql.lock_menu(connection, account_id=account_id, name=menu.name)
            _raise_unless_in(versions, there)
            users = await _users(connection, menu.name, account_id)
            without = [user.campaign for user in users if menu.needs_queue and not user.queue]
            _raise_for([_needs_queue(name) for name in without])
            await _sql.put_menu(connection, account_id=account_id, name=menu.name, menu=menu_data(menu))
            return there is None

    @store_call
    async def get(self, name: str, account: str = "default") -> VoiceMenu:
        """Raises NotFound."""
        data = await _sql.get_menu(self._pool, name=name, account=account)
        if data is None:
            raise NotFound(_WHAT, name)
        return menu_of(data)

    @store_call
    async def list(self, account: str = "default") -> Sequence[VoiceMenu]:
        """By name."""
        return [menu_of(row["menu"]) async for row in _sql.list_menus(self._pool, account=account)]

    @store_call
    async def remove(self, name: str, account: str = "default", *, versions: Collection[str] | None = None) -> None:
        """Raises NotFound, InUse while a campaign that is not over names it, ChangedMeanwhile as `put` does."""
        async with transaction(self._pool) as connection:
            account_id = await _account(connection, account)
            there = await _sql.lock_menu(connection, account_id=account_id, name=name)
            if there is None:
                raise NotFound(_WHAT, name)
            _raise_unless_in(versions, there)
            if users := [user.campaign for user in await _users(connection, name, account_id)]:
                how = [f"campaign {user} uses it: give it another menu, or cancel it" for user in users]
                raise InUse(f"{_WHAT} {name}", how)
            await _sql.remove_menu(connection, account_id=account_id, name=name)


async def share_menu(connection: Connection, name: str, account_id: int) -> VoiceMenu | None:
    """As it is, and nobody takes it away before the transaction ends; None: there is none."""
    data = await _sql.share_menu(connection, name=name, account_id=account_id)
    return menu_of(data) if data is not None else None


def menu_of(data: Mapping[str, Any]) -> VoiceMenu:
    """From what `menu_data` made, or a person wrote; times in seconds. Raises InvalidMenu: where, and what to do."""
    unknown = list(_unknown(data))
    if unknown:
        raise InvalidMenu(unknown)
    try:
        return _MENU.validate_python(data)
    except ValidationError as wrong:
        problems = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors()]
        raise InvalidMenu(problems) from None


def menu_data(menu: VoiceMenu) -> dict[str, Any]:
    """As JSON has it; times in seconds."""
    data: dict[str, Any] = _MENU.dump_python(menu, mode="json")
    for name, node in menu.nodes.items():
        data["nodes"][name]["wait"] = node.wait.total_seconds()
    return data


def version_of(menu: VoiceMenu) -> str:
    """Another one whenever something in it is another."""
    return hashlib.sha256(json.dumps(menu_data(menu), sort_keys=True).encode()).hexdigest()[:32]


def _raise_unless_in(versions: Collection[str] | None, there: Mapping[str, Any] | None) -> None:
    """`there` is the menu that is stored. Raises ChangedMeanwhile."""
    if versions is not None and (there is None or version_of(menu_of(there)) not in versions):
        raise ChangedMeanwhile


_KEYS: Mapping[type, builtins.list[str]] = {
    kind: [field.name for field in fields(kind)] for kind in (VoiceMenu, MenuNode, Choice)
}


def _unknown(data: Mapping[str, Any]) -> Iterator[str]:
    """A word that is mistyped is not passed over in silence."""
    yield from _unknown_in("the menu", data, VoiceMenu)
    for name, node in _items(data, "nodes"):
        yield from _unknown_in(f"nodes.{name}", node, MenuNode)
        for key, choice in [*_items(node, "choices"), ("give_up", node.get("give_up"))]:
            if isinstance(choice, Mapping):
                yield from _unknown_in(f"nodes.{name}.{key}", choice, Choice)


def _unknown_in(where: str, data: Mapping[str, Any], kind: type) -> Iterator[str]:
    for word in data:
        if word not in _KEYS[kind]:
            yield f"{where}: there is no {word!r}; there are {', '.join(_KEYS[kind])}"


def _items(data: Mapping[str, Any], key: str) -> builtins.list[tuple[str, Mapping[str, Any]]]:
    found = data.get(key)
    return [(k, v) for k, v in found.items() if isinstance(v, Mapping)] if isinstance(found, Mapping) else []


async def _account(connection: Connection, name: str) -> int:
    row = await queries_of("accounts").get_account(connection, name=name)
    if row is None:
        raise NotFound("account", name)
    account_id: int = row["id"]
    return account_id


async def _users(connection: Connection, name: str, account_id: int) -> builtins.list[UsedMenu]:
    rows = _sql.campaigns_with_menu(connection, name=name, account_id=account_id)
    return [UsedMenu(campaign=row["name"], queue=row["queue"]) async for row in rows]


def _needs_queue(campaign: str) -> str:
    return f"campaign {campaign} has no queue, which a choice of the menu leads to: give it one first"


def _raise_for(found: Sequence[str]) -> None:
    if found:
        raise InvalidMenu(found)
