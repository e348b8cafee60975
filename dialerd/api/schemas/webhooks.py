"""Webhooks as JSON."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from dialerd.api.schemas.body import HIGHEST_ID, Body
from dialerd.domain.webhooks import LONGEST_NAME, Delivery, DeliveryState, EventType, Webhook, WebhookKind
from dialerd.guarded_http.public_address import LONGEST_URL

_EVENTS = ["attempt.ended", "campaign.status_changed"]
Url = Annotated[str, Field(max_length=LONGEST_URL, examples=["https://example.com/hooks/dialerd"])]
Events = Annotated[list[EventType], Field(min_length=1, max_length=20, examples=[_EVENTS])]
Name = Annotated[str, Field(max_length=LONGEST_NAME, examples=["data warehouse"])]


class WebhookIn(Body):
    url: Url
    """Where events are sent to by POST: a public address, or one that the settings allow."""
    events: Events
    campaign_id: Annotated[int, Field(ge=1, le=HIGHEST_ID)] | None = None
    """null: of all campaigns of the account."""
    name: Name = ""
    enabled: bool = True


class WebhookChange(Body):
    """Fields that are not sent stay as they are. What waits is tried again at once."""

    url: Url | None = None
    events: Events | None = None
    name: Name | None = None
    enabled: bool | None = None


class WebhookOut(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    id: int
    campaign_id: int | None
    """null: of all campaigns of the account."""
    kind: WebhookKind
    """crm: that of a campaign whose CRM source says where results go. It is changed there."""
    name: str
    url: str
    events: list[EventType] = Field(examples=[_EVENTS])
    enabled: bool
    disabled_why: str
    """Where dialerd itself has disabled it."""
    created_at: datetime
    failures: int
    """In a row, up to now."""
    last_error: str
    last_told_at: datetime | None
    waiting: int
    """Events that are still to be told."""
    dead: int
    """Events that were given up: see its deliveries."""


class NewWebhook(WebhookOut):
    secret: str = Field(examples=["whsec_0f3c..."])
    """What messages are signed with. It is shown this once."""


class NewSecret(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    secret: str = Field(examples=["whsec_0f3c..."])
    """It is shown this once; the one before signs nothing any more."""


class DeliveryOut(BaseModel):
    """An event on its way to a webhook."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    event_id: UUID
    """The same in every try, and for every webhook."""
    type: EventType
    time: datetime
    campaign_id: int | None
    lead_id: int | None
    attempt_id: UUID | None
    data: dict[str, Any] = Field(examples=[{"outcome": "menu_choice", "menu_result": "confirmed"}])
    state: DeliveryState
    tries: int
    due_at: datetime
    """While it waits: when it is tried next, at the earliest."""
    status: int | None
    """The last answer's, in HTTP."""
    error: str
    ended_at: datetime | None


class Ping(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    delivery_id: int
    """A daemon makes it within seconds, once: see GET /webhooks/{id}/deliveries/{delivery_id}."""


class Changed(BaseModel):
    """How many deliveries."""

    deliveries: int


def webhook_out(webhook: Webhook) -> WebhookOut:
    return WebhookOut.model_validate(webhook)


def new_webhook(webhook: Webhook, secret: str) -> NewWebhook:
    return NewWebhook(**webhook_out(webhook).model_dump(), secret=secret)


def delivery_out(delivery: Delivery, *, sees_leads: bool) -> DeliveryOut:
    event = delivery.event
    return DeliveryOut(
        id=delivery.id,
        event_id=event.id,
        type=event.type,
        time=event.at,
        campaign_id=event.campaign_id,
        lead_id=event.lead_id,
        attempt_id=event.attempt_id,
        data=dict(event.data) if sees_leads else {},
        state=delivery.state,
        tries=delivery.tries,
        due_at=delivery.due_at,
        status=delivery.status,
        error=delivery.error,
        ended_at=delivery.ended_at,
    )
