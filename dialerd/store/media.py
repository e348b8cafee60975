"""Sounds that people bring along: rows, until every daemon has placed them where its Asterisk finds them."""

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from dialerd.domain.media import PlacedMedium, Sound, is_medium_name, sound_name
from dialerd.errors import InUse, InvalidMedium, NotFound
from dialerd.store.menus import menu_of
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("media")
_WHAT = "medium"


@dataclass(frozen=True, kw_only=True)
class Medium:
    """What is known of one."""

    name: str
    sound: str
    """What greetings, announcements and menus call it."""
    bytes: int
    duration_s: float
    sha256: str
    notes: tuple[str, ...]
    uploaded_by: str
    uploaded_at: datetime
    present: bool | None
    """Whether Asterisk has it. None: nobody has looked since."""


class MediaStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- for people ---------------------------------------------------------------------------------------------------

    @store_call
    async def put(self, account_id: int, name: str, sound: Sound, *, by: str) -> bool:
        """In the place of the one of this name; whether there was none. Raises InvalidMedium."""
        if not is_medium_name(name):
            raise InvalidMedium(["its name: 1 to 40 letters, digits, '-' or '_', a letter or digit first"])
        row = await _sql.put_medium(
            self._pool,
            account_id=account_id,
            name=name,
            content=sound.content,
            sha256=sound.sha256,
            duration_s=sound.duration_s,
            notes=list(sound.notes),
            by=by,
        )
        return bool(row["is_new"])

    @store_call
    async def get(self, account_id: int, name: str) -> Medium:
        """Raises NotFound."""
        rows = _sql.media_of_account(self._pool, account_id=account_id, name=name, after="", page=1)
        found = [_medium(row) async for row in rows]
        if not found:
            raise NotFound(_WHAT, name)
        return found[0]

    @store_call
    async def list(self, account_id: int, *, limit: int, after: str = "") -> Sequence[Medium]:
        """By name, those behind `after`."""
        rows = _sql.media_of_account(self._pool, account_id=account_id, name=None, after=after, page=limit)
        return [_medium(row) async for row in rows]

    @store_call
    async def content(self, account_id: int, name: str) -> tuple[bytes, str]:
        """The WAV file, and its checksum. Raises NotFound."""
        row = await _sql.content_of_medium(self._pool, account_id=account_id, name=name)
        if row is None:
            raise NotFound(_WHAT, name)
        return row["content"], row["sha256"]

    @store_call
    async def remove(self, account_id: int, name: str) -> None:
        """Raises NotFound, and InUse while a campaign that is not over, or a voice menu, plays it."""
        async with transaction(self._pool) as connection:
            if await _sql.lock_medium(connection, account_id=account_id, name=name) is None:
                raise NotFound(_WHAT, name)
            if users := await _users(connection, sound_name(account_id, name)):
                raise InUse(f"{_WHAT} {name}", users)
            await _sql.remove_medium(connection, account_id=account_id, name=name)

    # --- for the daemon (dialer/ports.py) -----------------------------------------------------------------------------

    @store_call
    async def to_place(self) -> Sequence[PlacedMedium]:
        return [PlacedMedium(**row) async for row in _sql.media_to_place(self._pool)]

    @store_call
    async def content_of(self, medium: PlacedMedium) -> bytes | None:
        """None: it has been removed, or replaced, meanwhile."""
        row = await _sql.content_of_medium(self._pool, account_id=medium.account_id, name=medium.name)
        return row["content"] if row is not None and row["sha256"] == medium.sha256 else None


async def _users(connection: Connection, sound: str) -> builtins.list[str]:
    """Who plays it, each as a sentence that says what to do. Of any account: the sounds of a PBX are everybody's."""
    campaigns = [row["name"] async for row in _sql.campaigns_with_sound(connection, sound=sound)]
    menus = [menu_of(row["menu"]) async for row in queries_of("sounds").every_menu(connection)]
    return [
        *(f"campaign {name} plays it: give it another sound, or cancel it" for name in campaigns),
        *(f"menu {menu.name} plays it: give it another sound, or remove it" for menu in menus if sound in menu.sounds),
    ]


def _medium(row: asyncpg.Record) -> Medium:
    return Medium(
        name=row["name"],
        sound=sound_name(row["account_id"], row["name"]),
        bytes=row["bytes"],
        duration_s=row["duration_s"],
        sha256=row["sha256"],
        notes=tuple(row["notes"]),
        uploaded_by=row["uploaded_by"],
        uploaded_at=row["uploaded_at"],
        present=row["present"],
    )
