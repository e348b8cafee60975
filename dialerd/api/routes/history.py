"""Calls over time: of a campaign, or of all of the account."""

from typing import Annotated

from fastapi import Query

from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import Viewer, campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import Id
from dialerd.api.schemas.history import HistoryOut, history_out
from dialerd.store.history import Span

history = router("history")

TheSpan = Annotated[Span, Query(description="`hour`: 60 buckets of one minute; `day`: 96 of 15 minutes.")]


@history.get("/history", summary="Calls of the account over time")
async def of_account(caller: Viewer, stores: TheStores, span: TheSpan = Span.HOUR) -> HistoryOut:
    """Of all its campaigns together."""
    return history_out(span, await stores.history.buckets(caller.account_id, span))


@history.get("/campaigns/{campaign_id}/history", summary="Calls of a campaign over time")
async def of_campaign(campaign_id: Id, caller: Viewer, stores: TheStores, span: TheSpan = Span.HOUR) -> HistoryOut:
    """What was dialed, answered, connected and abandoned, and how much of it was talk."""
    campaign = await campaign_for(stores, caller, campaign_id)
    return history_out(span, await stores.history.buckets(caller.account_id, span, campaign_id=campaign.id))
