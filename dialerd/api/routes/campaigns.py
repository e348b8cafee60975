"""Campaigns: what they are, what they do just now, and what is done with them."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response

from dialerd.api.auth import permitted, refuse_without
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routing import router
from dialerd.api.schemas.body import WITHOUT_NUL, After, Id, IfMatch, Limit, Page, changes_in, page_of, versions_of
from dialerd.api.schemas.campaigns import (
    STEERED,
    ActionIn,
    CampaignOut,
    CampaignSummary,
    ExplanationOut,
    NewCampaign,
    NewClone,
    SettingsChanges,
    ValidationOut,
    campaign_out,
    explanation_of,
    summary_of,
)
from dialerd.domain.campaigns import Campaign, CampaignAction, CampaignSettings, CampaignStatus
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidCampaign, InvalidRequest, NotFound
from dialerd.store.campaigns import CampaignOverview, version_of
from dialerd.store.stores import Stores

campaigns = router("campaigns", prefix="/campaigns")

Viewer = Annotated[Caller, permitted(Permission.VIEW)]
Builder = Annotated[Caller, permitted(Permission.BUILD)]
Steerer = Annotated[Caller, permitted(Permission.STEER)]

STEERING = frozenset({CampaignAction.START, CampaignAction.PAUSE, CampaignAction.RESUME, CampaignAction.STOP})
LONGEST_WAIT = timedelta(days=3660)
"""From now until a scheduled start."""


async def campaign_for(stores: Stores, caller: Caller, campaign_id: int) -> Campaign:
    """The caller's own: of another account's it is not told that it exists. Raises NotFound."""
    campaign = await stores.campaigns.get_campaign(campaign_id)
    if campaign.account_id != caller.account_id:
        raise NotFound("campaign", campaign_id)
    return campaign


def etag_of(settings: CampaignSettings) -> str:
    return f'"{version_of(settings)}"'


# --- to look at -------------------------------------------------------------------------------------------------------


@campaigns.get("", summary="List campaigns")
async def list_campaigns(
    caller: Viewer,
    stores: TheStores,
    status: Annotated[list[CampaignStatus], Query(max_length=20, description="Of these statuses alone.")] = [],  # noqa: B006
    text: Annotated[
        str, Query(max_length=200, pattern=WITHOUT_NUL, description="With this in their name, note or queue.")
    ] = "",
    limit: Limit = 100,
    after: After = 0,
) -> Page[CampaignSummary]:
    """Each with how many leads are in which state, its calls in flight, and why it does not dial if it does not."""
    found = await stores.campaigns.page(caller.account_id, statuses=status, text=text, after=after, limit=limit + 1)
    return page_of(await summaries(stores, found), limit, lambda one: one.id)


async def summaries(stores: Stores, overviews: Sequence[CampaignOverview]) -> list[CampaignSummary]:
    ledgers = await stores.campaigns.abandonments([overview.campaign for overview in overviews])
    return [
        summary_of(overview, ledgers[overview.campaign.id])
        for overview in overviews
        if overview.campaign.id in ledgers  # it may have been deleted meanwhile
    ]


@campaigns.get("/{campaign_id}", summary="A campaign")
async def get_campaign(campaign_id: Id, caller: Viewer, stores: TheStores, response: Response) -> CampaignOut:
    """Its ETag stands for its settings: send it as If-Match with a change of them."""
    return await _shown(stores, await campaign_for(stores, caller, campaign_id), response)


@campaigns.get("/{campaign_id}/explain", summary="Why a campaign does not dial")
async def explain(campaign_id: Id, caller: Viewer, stores: TheStores) -> ExplanationOut:
    """Every rule of the next call in order, on what fact, and what holds its leads back."""
    campaign = await campaign_for(stores, caller, campaign_id)
    return explanation_of(await stores.campaigns.overview(campaign.id))


# --- to build ---------------------------------------------------------------------------------------------------------


@campaigns.post("", summary="Create a campaign", status_code=HTTPStatus.CREATED)
async def create_campaign(given: NewCampaign, caller: Builder, stores: TheStores, response: Response) -> CampaignOut:
    """It is a draft until it is started."""
    _refuse_unknown_profile(stores, given.settings.profile)
    numbers = [one.entry for one in given.caller_ids]
    made = await stores.campaigns.create(given.settings, numbers, account=caller.account)
    return await _made(stores, made, response)


@campaigns.post("/validate", summary="Validate the settings of a campaign that is not there yet")
async def validate_new(given: NewCampaign, caller: Builder, stores: TheStores) -> ValidationOut:
    """Everything that creating it, and starting it, would be refused for. Nothing is done."""
    numbers = [one.entry for one in given.caller_ids]
    found = await stores.campaigns.validate_new(given.settings, numbers, account=caller.account)
    return ValidationOut.model_validate(found)


@campaigns.post("/{campaign_id}/validate", summary="Validate a campaign, and changes of it")
async def validate(campaign_id: Id, changes: SettingsChanges, caller: Steerer, stores: TheStores) -> ValidationOut:
    """As the campaign is (`{}`), or as it would be with these changes: everything that a change, and a start, would be refused for.
    Nothing is done."""
    campaign = await campaign_for(stores, caller, campaign_id)
    sent = {name: getattr(changes, name) for name in changes.model_fields_set}
    return ValidationOut.model_validate(await stores.campaigns.validate(campaign.id, sent))


@campaigns.patch("/{campaign_id}", summary="Change the settings of a campaign")
async def edit_campaign(
    campaign_id: Id,
    changes: SettingsChanges,
    caller: Steerer,
    stores: TheStores,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> CampaignOut:
    """Only what is sent is changed, also while the campaign runs: the next call obeys. Who may steer, but not build, may change pace
    and lines alone."""
    sent = changes_in(changes)
    note_for_audit(request, {"changed": [*sent]})
    campaign = await campaign_for(stores, caller, campaign_id)
    if not sent.keys() <= STEERED:
        refuse_without(Permission.BUILD, caller)
    _refuse_unknown_profile(stores, sent.get("profile"))
    changed = await stores.campaigns.edit(campaign.id, sent, versions=versions_of(if_match))
    return await _shown(stores, changed, response)


@campaigns.post("/{campaign_id}/clone", summary="Clone a campaign", status_code=HTTPStatus.CREATED)
async def clone_campaign(
    campaign_id: Id, given: NewClone, caller: Builder, stores: TheStores, response: Response
) -> CampaignOut:
    """A draft with its settings, numbers and CRM source. Leads are not taken along."""
    campaign = await campaign_for(stores, caller, campaign_id)
    return await _made(stores, await stores.campaigns.clone(campaign.id, given.name), response)


@campaigns.delete("/{campaign_id}", summary="Delete a campaign", status_code=HTTPStatus.NO_CONTENT)
async def delete_campaign(campaign_id: Id, caller: Builder, stores: TheStores) -> None:
    """A draft, or one that is over, of which no call was ever dialed; its leads go with it."""
    campaign = await campaign_for(stores, caller, campaign_id)
    await stores.campaigns.delete(campaign.id)


# --- its life ---------------------------------------------------------------------------------------------------------


@campaigns.post("/{campaign_id}/actions", summary="Start, schedule, pause, resume, stop or cancel a campaign")
async def act(
    campaign_id: Id,
    given: ActionIn,
    caller: Steerer,
    parts: TheParts,
    request: Request,
    response: Response,
) -> CampaignOut:
    """start: dial, or go on. schedule: start by itself `at` a time. pause: no new calls, those in flight complete. stop: also, those
    not answered yet are ended, and their leads are due again. cancel: give it up for good; calls in flight complete.

    A start is refused with every reason there is. Who may steer, but not build, may not schedule or cancel."""
    note_for_audit(request, {"action": given.action})
    campaign = await campaign_for(parts.stores, caller, campaign_id)
    if given.action not in STEERING:
        refuse_without(Permission.BUILD, caller)
    _refuse_wrong_time(parts, given)
    moved = await parts.stores.campaigns.act(campaign.id, given.action, starts_at=given.at)
    return await _shown(parts.stores, moved, response)


def _refuse_wrong_time(parts: TheParts, given: ActionIn) -> None:
    if given.action is CampaignAction.COMPLETE:
        raise InvalidRequest(["action: a campaign completes by itself, when nothing of it can be dialed any more"])
    if (given.at is not None) != (given.action is CampaignAction.SCHEDULE):
        raise InvalidRequest([f"at: goes with the action {CampaignAction.SCHEDULE}, and with no other"])
    now = parts.clock.now()
    if given.at is not None and not now < given.at <= now + LONGEST_WAIT:
        raise InvalidRequest(["at: name a time to come, within ten years"])


def _refuse_unknown_profile(stores: Stores, name: str | None) -> None:
    if found := stores.campaigns.profile_problems(name):
        raise InvalidCampaign(found)


async def _made(stores: Stores, campaign: Campaign, response: Response) -> CampaignOut:
    response.headers["Location"] = f"/api/v1/campaigns/{campaign.id}"
    return await _shown(stores, campaign, response)


async def _shown(stores: Stores, campaign: Campaign, response: Response) -> CampaignOut:
    """As it is now; the ETag is that of what is shown."""
    overview = await stores.campaigns.overview(campaign.id)
    response.headers["ETag"] = etag_of(overview.campaign.settings)
    return campaign_out(overview, await stores.campaigns.abandonment(overview.campaign))
