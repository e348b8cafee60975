"""Where the leads of a campaign come from besides files. What a source means is judged by who reads it (lead_sources)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from dialerd.errors import NotFound
from dialerd.store.activity import Line, write_line
from dialerd.store.campaign_lock import lock_campaign
from dialerd.store.pool import Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("crm_sources")

_WHAT = "CRM source of campaign"
_SETTING = "crm_source"


@dataclass(frozen=True, kw_only=True)
class StoredSource:
    """`source` is JSON as it was put. `synced_at` is when all of its leads were last taken, None if never."""

    source: Mapping[str, Any]
    synced_at: datetime | None


class CrmSourceStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def get(self, campaign_id: int) -> StoredSource:
        """Raises NotFound."""
        row = await _sql.get_source(self._pool, campaign_id=campaign_id)
        return _stored(row, campaign_id)

    @store_call
    async def put(self, campaign_id: int, source: Mapping[str, Any]) -> None:
        """In the place of the one there may be, also while the campaign runs. Raises NotFound for the campaign."""
        async with transaction(self._pool) as connection:
            await lock_campaign(connection, campaign_id)
            row = await _sql.get_source(connection, campaign_id=campaign_id)
            await _sql.put_source(connection, campaign_id=campaign_id, source=dict(source))
            change = [row["source"] if row else None, dict(source)]
            await write_line(connection, campaign_id, Line.EDITED, {_SETTING: change})

    @store_call
    async def remove(self, campaign_id: int) -> None:
        """The leads that came from it stay. Raises NotFound."""
        async with transaction(self._pool) as connection:
            await lock_campaign(connection, campaign_id)
            row = await _sql.get_source(connection, campaign_id=campaign_id)
            before = _stored(row, campaign_id)
            await _sql.remove_source(connection, campaign_id=campaign_id)
            await write_line(connection, campaign_id, Line.EDITED, {_SETTING: [before.source, None]})

    @store_call
    async def note_sync(self, campaign_id: int, source: Mapping[str, Any]) -> None:
        """That all leads of this source were taken just now."""
        await _sql.note_sync(self._pool, campaign_id=campaign_id, source=dict(source))


def _stored(row: asyncpg.Record | None, campaign_id: int) -> StoredSource:
    if row is None:
        raise NotFound(_WHAT, campaign_id)
    return StoredSource(source=row["source"], synced_at=row["synced_at"])
