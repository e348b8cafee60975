"""Activity: what happened to a campaign and its leads, line by line, from the cradle to the grave."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import campaign_for
from dialerd.api.routes.leads import lead_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import After, Id, Limit, Page, page_of
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest
from dialerd.store.activity import StoredLine

activity = router("activity")

LeadViewer = Annotated[Caller, permitted(Permission.VIEW_LEADS)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = "253370764800000000.0"


class LineOut(BaseModel):
    """A line of the record, which never changes."""

    id: int = Field(examples=[1234])
    at: datetime = Field(description="When it happened.")
    campaign_id: int = Field(examples=[7])
    lead_id: int | None = Field(description="null: it happened to the campaign as a whole.", examples=[42])
    attempt_id: UUID | None = Field(description="In which call.")
    fact: str = Field(description="What happened.", examples=["ended"])
    details: dict[str, Any] = Field(examples=[{"outcome": "busy"}], description="How.")


@activity.get("/campaigns/{campaign_id}/activity", summary="What happened to a campaign")
async def of_campaign(
    campaign_id: Id,
    caller: LeadViewer,
    stores: TheStores,
    limit: Limit = 100,
    after: Annotated[
        str, Query(pattern=r"^[0-9]{1,18}\.[0-9]{1,18}$", description="What the page before said as `next`.")
    ] = _LAST,
) -> Page[LineOut]:
    """And to its leads, the newest first."""
    campaign = await campaign_for(stores, caller, campaign_id)
    lines = await stores.activity.page_of_campaign(campaign.id, limit=limit + 1, before=_place(after))
    return page_of([_out(line) for line in lines], limit, _written)


@activity.get("/leads/{lead_id}/activity", summary="What happened to a lead")
async def of_lead(
    lead_id: Id, caller: LeadViewer, stores: TheStores, limit: Limit = 100, after: After = 0
) -> Page[LineOut]:
    """From its first line to its last."""
    record = await lead_for(stores, caller, lead_id)
    lines = await stores.activity.page_of_lead(record.lead.id, limit=limit + 1, after_id=after)
    return page_of([_out(line) for line in lines], limit, lambda line: line.id)


def _out(stored: StoredLine) -> LineOut:
    line = stored.line
    return LineOut(
        id=stored.id,
        at=line.at,
        campaign_id=line.campaign_id,
        lead_id=line.lead_id,
        attempt_id=line.attempt_id,
        fact=line.fact,
        details=line.details,
    )


def _written(line: LineOut) -> str:
    return f"{(line.at - _EPOCH) // timedelta(microseconds=1)}.{line.id}"


def _place(written: str) -> tuple[datetime, int]:
    microseconds, _, line_id = written.partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), int(line_id)
    except OverflowError:
        raise InvalidRequest(["after: take what the page before said as `next`"]) from None
