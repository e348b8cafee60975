"""All at a glance: campaigns, daemons, database."""

from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import Viewer, summaries
from dialerd.api.routing import router
from dialerd.api.schemas.body import After, Limit, page_of
from dialerd.api.schemas.campaigns import progress_out
from dialerd.api.schemas.nodes import node_out
from dialerd.api.schemas.status import CampaignLine, DatabaseOut, StatusOut
from dialerd.domain.campaigns import CampaignStatus
from dialerd.store.progress import Progress
from dialerd.store.stores import Stores

status = router("status", prefix="/status")

LIVE = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.STOPPED)


@status.get("", summary="All at a glance")
async def get_status(caller: Viewer, stores: TheStores, limit: Limit = 100, after: After = 0) -> StatusOut:
    """What campaigns do, why they do not dial, and how far they are; who dials them; how the database is."""
    found = await stores.campaigns.page(caller.account_id, statuses=LIVE, after=after, limit=limit + 1)
    lately = await stores.progress.of_campaigns([overview.campaign.id for overview in found])
    lines = [
        CampaignLine(**one.model_dump(), last_hour=progress_out(lately.get(one.id, Progress())))
        for one in await summaries(stores, found)
    ]
    page = page_of(lines, limit, lambda line: line.id)
    totals = await stores.campaigns.totals(caller.account_id)
    return StatusOut(
        items=page.items,
        next=page.next,
        campaigns=totals.campaigns,
        in_flight=totals.in_flight,
        nodes=[node_out(node) for node in await stores.nodes.list()],
        database=await _database(stores),
    )


async def _database(stores: Stores) -> DatabaseOut:
    ahead, oldest = await stores.nodes.clock_difference(), await stores.nodes.oldest_snapshot()
    return DatabaseOut(
        clock_ahead_s=round(ahead.total_seconds(), 3),
        oldest_transaction_s=round(oldest.age.total_seconds(), 1) if oldest else 0,
    )
