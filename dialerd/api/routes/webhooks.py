"""Webhooks: who is told what happens, how that goes, and what was given up."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response

from dialerd.api.auth import permitted
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routes.campaigns import campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import HIGHEST_ID, After, Id, Limit, Page, changes_in, page_of
from dialerd.api.schemas.webhooks import (
    Changed,
    DeliveryOut,
    NewSecret,
    NewWebhook,
    Ping,
    WebhookChange,
    WebhookIn,
    WebhookOut,
    delivery_out,
    new_webhook,
    webhook_out,
)
from dialerd.domain.roles import Caller, Permission
from dialerd.domain.webhooks import DeliveryState
from dialerd.errors import InvalidWebhook
from dialerd.guarded_http.public_address import UrlRefused, raise_unless_askable
from dialerd.settings import WebhookSettings

webhooks = router("webhooks", prefix="/webhooks")

Manager = Annotated[Caller, permitted(Permission.MANAGE_WEBHOOKS)]
OfCampaign = Annotated[int | None, Query(ge=1, le=HIGHEST_ID, description="Only those of this campaign alone.")]


@webhooks.get("", summary="List the webhooks")
async def list_webhooks(
    caller: Manager, stores: TheStores, campaign_id: OfCampaign = None, limit: Limit = 100, after: After = 0
) -> Page[WebhookOut]:
    found = await stores.webhooks.list(caller.account_id, campaign_id=campaign_id, limit=limit + 1, after_id=after)
    return page_of([webhook_out(each) for each in found], limit, lambda each: each.id)


@webhooks.post("", summary="Create a webhook", status_code=HTTPStatus.CREATED)
async def create_webhook(
    given: WebhookIn, caller: Manager, parts: TheParts, request: Request, response: Response
) -> NewWebhook:
    """What it is sent, and how to make sure that it comes from here: docs/webhooks.md."""
    _raise_unless_tellable(given.url, parts.settings.webhooks)
    if given.campaign_id is not None:
        await campaign_for(parts.stores, caller, given.campaign_id)
    secret, webhook = await parts.stores.webhooks.create(
        caller.account_id,
        given.url,
        given.events,
        campaign_id=given.campaign_id,
        name=given.name,
        enabled=given.enabled,
    )
    note_for_audit(request, {"webhook_id": webhook.id, "events": [*given.events]})
    response.headers["Location"] = f"/api/v1/webhooks/{webhook.id}"
    return new_webhook(webhook, secret)


@webhooks.get("/{webhook_id}", summary="A webhook")
async def get_webhook(webhook_id: Id, caller: Manager, stores: TheStores) -> WebhookOut:
    return webhook_out(await stores.webhooks.get(caller.account_id, webhook_id))


@webhooks.patch("/{webhook_id}", summary="Change a webhook")
async def change_webhook(
    webhook_id: Id, given: WebhookChange, caller: Manager, parts: TheParts, request: Request
) -> WebhookOut:
    changes = changes_in(given)
    note_for_audit(request, {"changed": list(changes)})
    if given.url is not None:
        _raise_unless_tellable(given.url, parts.settings.webhooks)
    return webhook_out(await parts.stores.webhooks.edit(caller.account_id, webhook_id, **changes))


@webhooks.delete("/{webhook_id}", summary="Remove a webhook", status_code=HTTPStatus.NO_CONTENT)
async def remove_webhook(webhook_id: Id, caller: Manager, stores: TheStores) -> None:
    """With all that is on its way to it."""
    await stores.webhooks.remove(caller.account_id, webhook_id)


@webhooks.post("/{webhook_id}/secret", summary="Give a webhook a new secret")
async def renew_secret(webhook_id: Id, caller: Manager, stores: TheStores) -> NewSecret:
    """At once. What the receiver refuses until it knows the new one is tried again."""
    return NewSecret(secret=await stores.webhooks.renew_secret(caller.account_id, webhook_id))


@webhooks.post("/{webhook_id}/test", summary="Send a webhook a test message", status_code=HTTPStatus.ACCEPTED)
async def test_webhook(webhook_id: Id, caller: Manager, stores: TheStores) -> Ping:
    """An event of the type `ping`, also to a webhook that is disabled."""
    return Ping(delivery_id=await stores.webhooks.ping(caller.account_id, webhook_id))


@webhooks.get("/{webhook_id}/deliveries", summary="List what a webhook is told, was told, or could not be told")
async def list_deliveries(
    webhook_id: Id,
    caller: Manager,
    stores: TheStores,
    state: DeliveryState | None = None,
    limit: Limit = 100,
    after: After = 0,
) -> Page[DeliveryOut]:
    """The oldest first. Dead letters are those in the state `dead`."""
    found = await stores.webhooks.deliveries(caller.account_id, webhook_id, state, limit=limit + 1, after_id=after)
    sees_leads = Permission.VIEW_LEADS in caller.permissions
    return page_of([delivery_out(each, sees_leads=sees_leads) for each in found], limit, lambda each: each.id)


@webhooks.get("/{webhook_id}/deliveries/{delivery_id}", summary="A delivery")
async def get_delivery(webhook_id: Id, delivery_id: Id, caller: Manager, stores: TheStores) -> DeliveryOut:
    found = await stores.webhooks.delivery(caller.account_id, webhook_id, delivery_id)
    return delivery_out(found, sees_leads=Permission.VIEW_LEADS in caller.permissions)


@webhooks.post("/{webhook_id}/deliveries/replay", summary="Try all dead letters of a webhook again")
async def replay_all(webhook_id: Id, caller: Manager, stores: TheStores) -> Changed:
    return Changed(deliveries=await stores.webhooks.replay(caller.account_id, webhook_id))


@webhooks.post("/{webhook_id}/deliveries/{delivery_id}/replay", summary="Try a dead letter again")
async def replay(webhook_id: Id, delivery_id: Id, caller: Manager, stores: TheStores) -> Changed:
    return Changed(deliveries=await stores.webhooks.replay(caller.account_id, webhook_id, delivery_id))


@webhooks.delete("/{webhook_id}/deliveries", summary="Drop all dead letters of a webhook")
async def drop_all(webhook_id: Id, caller: Manager, stores: TheStores) -> Changed:
    """What waits stays."""
    return Changed(deliveries=await stores.webhooks.drop(caller.account_id, webhook_id))


@webhooks.delete("/{webhook_id}/deliveries/{delivery_id}", summary="Drop a dead letter")
async def drop(webhook_id: Id, delivery_id: Id, caller: Manager, stores: TheStores) -> Changed:
    return Changed(deliveries=await stores.webhooks.drop(caller.account_id, webhook_id, delivery_id))


def _raise_unless_tellable(url: str, limits: WebhookSettings) -> None:
    """By its looks; whose address a name is, is asked when it is told. Raises InvalidWebhook."""
    try:
        raise_unless_askable(url, limits.allowed_networks)
    except UrlRefused as refused:
        raise InvalidWebhook([f"url: {refused.message}"]) from None
