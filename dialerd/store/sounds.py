"""Sounds that campaigns and menus name, and whether Asterisk has them."""

from collections.abc import Collection, Mapping, Sequence

from dialerd.store.menus import menu_of
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("sounds")


class SoundStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def named(self) -> Sequence[str]:
        """Every sound that a menu names, or a campaign that is not over, or that people have brought along; in order, each once."""
        names = {row["name"] async for row in _sql.sounds_of_campaigns(self._pool)}
        names |= {row["name"] async for row in _sql.sounds_of_media(self._pool)}
        async for row in _sql.every_menu(self._pool):
            names |= menu_of(row["menu"]).sounds
        return sorted(names)

    @store_call
    async def note(self, present: Mapping[str, bool]) -> None:
        """By name, whether Asterisk has it: a campaign whose sound is missing is refused its start."""
        known = {name: there for name, there in present.items() if name.isprintable()}
        await _sql.note_sounds(self._pool, names=list(known), present=list(known.values()))


async def missing_sounds(connection: Connection, names: Collection[str]) -> list[str]:
    """Those of these that Asterisk is known not to have; none while no daemon lives that could tell."""
    rows = _sql.missing_sounds(connection, names=sorted(names))
    return [row["name"] async for row in rows]
