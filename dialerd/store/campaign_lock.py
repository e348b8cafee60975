"""The lock under which something of a campaign is changed that stands in another table: one change after the other."""

from dialerd.errors import NotFound
from dialerd.store.pool import Connection
from dialerd.store.queries import queries_of

_sql = queries_of("campaigns")


async def lock_campaign(connection: Connection, campaign_id: int) -> None:
    """Until the transaction ends. Raises NotFound."""
    if await _sql.lock_campaign_for_edit(connection, campaign_id=campaign_id) is None:
        raise NotFound("campaign", campaign_id)
