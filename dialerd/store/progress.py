"""How campaigns get on, counted from their attempts of the last hour: what somebody who watches wants to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("progress")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Calls of the last hour, and of the last minute."""

    placed_last_minute: int = 0
    placed: int = 0
    answered: int = 0
    connected: int = 0
    abandoned: int = 0


class ProgressStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def of_campaigns(self, ids: Sequence[int] | None = None) -> Mapping[int, Progress]:
        """By campaign id, of these (None: of all); a campaign that placed no call within the hour is missing."""
        return {
            row["campaign_id"]: Progress(**{name: row[name] for name in Progress.__dataclass_fields__})
            async for row in _sql.campaign_progress(self._pool, ids=ids)
        }
