"""How campaigns stand just now, for those who watch: one question for all of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dialerd.domain.campaigns import CampaignStatus
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("live")


@dataclass(frozen=True, kw_only=True)
class LiveCounts:
    """`placed_10s` are the calls of the last ten seconds."""

    campaign_id: int
    account_id: int
    status: CampaignStatus
    queue: str
    calls_per_second: float
    concurrency: int
    held_by: str | None
    hold_reason: str | None
    hold_until: datetime | None
    leads_by_state: Mapping[str, int]
    in_flight: int
    placed_10s: int


class LiveStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def counts(self, campaigns: Collection[int], accounts: Collection[int]) -> Sequence[LiveCounts]:
        """Of these campaigns, and of those of these accounts that run or are paused."""
        rows = _sql.live_counts(self._pool, campaign_ids=sorted(campaigns), account_ids=sorted(accounts))
        return [LiveCounts(**{**row, "status": CampaignStatus(row["status"])}) async for row in rows]
