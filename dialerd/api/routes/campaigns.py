"""Campaigns: what they are, and what they do just now."""

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, ConfigDict, TypeAdapter

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.routing import router
from dialerd.domain.campaigns import Campaign, CampaignSettings, CampaignStatus
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import NotFound
from dialerd.store.stores import Stores

campaigns = router("campaigns", prefix="/campaigns")
_SETTINGS = TypeAdapter(CampaignSettings)

Viewer = Annotated[Caller, permitted(Permission.VIEW)]
Builder = Annotated[Caller, permitted(Permission.BUILD)]


class CampaignOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    status: CampaignStatus
    settings: CampaignSettings


async def campaign_for(stores: Stores, caller: Caller, campaign_id: int) -> Campaign:
    """The caller's own: of another account's it is not told that it exists. Raises NotFound."""
    campaign = await stores.campaigns.get_campaign(campaign_id)
    if campaign.account_id != caller.account_id:
        raise NotFound("campaign", campaign_id)
    return campaign


def etag_of(settings: CampaignSettings) -> str:
    return f'"{hashlib.sha256(_SETTINGS.dump_json(settings)).hexdigest()[:32]}"'


@campaigns.get("/{campaign_id}", summary="A campaign")
async def get_campaign(campaign_id: int, caller: Viewer, stores: TheStores, response: Response) -> CampaignOut:
    campaign = await campaign_for(stores, caller, campaign_id)
    response.headers["ETag"] = etag_of(campaign.settings)
    return CampaignOut.model_validate(campaign)


@campaigns.post("", summary="Create a campaign", status_code=HTTPStatus.CREATED)
async def create_campaign(
    settings: CampaignSettings, caller: Builder, stores: TheStores, response: Response
) -> CampaignOut:
    campaign = await stores.campaigns.create(settings, account=caller.account)
    response.headers["Location"] = f"/api/v1/campaigns/{campaign.id}"
    response.headers["ETag"] = etag_of(campaign.settings)
    return CampaignOut.model_validate(campaign)
