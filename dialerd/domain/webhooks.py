"""What is told to the outside: the kinds of events, how a message is signed, and when one that failed is tried again."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

LONGEST_NAME = 100
MOST_WEBHOOKS = 50
"""Of an account."""

SHORTEST_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(hours=1)
JITTER = 0.2
"""Of the rest, to either side: receivers that have failed together are not tried together."""


class EventType(StrEnum):
    ATTEMPT_ENDED = "attempt.ended"  # a call is over, with all that came of it
    MENU_RESULT = "menu.result"  # the lead has chosen something in a voice menu; told at the call's end
    DISPOSITION_SET = "disposition.set"  # the agent has said what the talk came to; told once the talk is over
    LEAD_STATE_CHANGED = "lead.state_changed"  # to a state in which it is not being called
    CAMPAIGN_STATUS_CHANGED = "campaign.status_changed"  # started, paused, completed, ...
    PING = "ping"  # a test; only ever sent to the webhook that is tested


SUBSCRIBABLE = tuple(each for each in EventType if each is not EventType.PING)


class WebhookKind(StrEnum):
    WEBHOOK = "webhook"
    CRM = "crm"  # that of a campaign whose CRM source says where results go


class DeliveryState(StrEnum):
    WAITING = "waiting"  # to be tried, perhaps again
    DELIVERED = "delivered"
    DEAD = "dead"  # given up


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened. `id` never changes, however often it is told."""

    id: UUID
    type: EventType
    at: datetime
    account: str
    campaign_id: int | None
    lead_id: int | None
    attempt_id: UUID | None
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Without its secret, which nobody is shown again."""

    id: int
    campaign_id: int | None
    """None: of all campaigns of the account."""
    kind: WebhookKind
    name: str
    url: str
    events: Sequence[EventType]
    enabled: bool
    disabled_why: str
    """Empty unless dialerd itself has disabled it."""
    created_at: datetime
    failures: int
    """In a row, up to now."""
    last_error: str
    last_told_at: datetime | None
    """When an event last arrived."""
    waiting: int
    """Events that are still to be told."""
    dead: int
    """Events that were given up."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event on its way to a webhook."""

    id: int
    webhook_id: int
    event: Event
    state: DeliveryState
    tries: int
    due_at: datetime
    status: int | None
    """The last answer's, in HTTP."""
    error: str
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A delivery that is to be made now, with all that it needs."""

    delivery: Delivery
    url: str
    secret: str
    failures: int
    """Of the webhook, in a row, before this."""
    over_patience: bool
    """Whether this is the last try."""
    crm_source: Mapping[str, Any] | None
    """Of a webhook of the kind `crm`."""


def message_of(event: Event) -> dict[str, Any]:
    """What a webhook is sent, as JSON."""
    return {
        "id": str(event.id),
        "type": event.type,
        "time": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "account": event.account,
        "campaign_id": event.campaign_id,
        "lead_id": event.lead_id,
        "attempt_id": str(event.attempt_id) if event.attempt_id else None,
        "data": dict(event.data),
    }


def signed_headers(event: Event, secret: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """What the receiver knows by that the message is ours, new, and not yet seen."""
    timestamp = str(int(now.timestamp()))
    return {
        "Dialerd-Event-Id": str(event.id),
        "Dialerd-Event-Type": event.type,
        "Dialerd-Timestamp": timestamp,
        "Dialerd-Signature": f"v1={signature(secret, timestamp, body)}",
    }


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256, in hex, over the timestamp, a dot, and the body as it is sent."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def rest_after(failures: int, *, chance: float) -> timedelta:
    """Twice as long after each failure in a row. `chance` is one between 0 and 1."""
    doubled: int = 2 ** max(0, min(failures - 1, 30))
    return min(SHORTEST_REST * doubled, LONGEST_REST) * (1 + JITTER * (2 * chance - 1))
