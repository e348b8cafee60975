"""Facts: what has happened, said once, after it was written down. Metrics and the live feed are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dialerd.domain.calls import Call, DialMode
from dialerd.domain.eligibility import Rule
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason


@dataclass(frozen=True, kw_only=True)
class CallPlaced:
    """An attempt was opened and its Originate handed over; `decision_s` is how long claim, rules and row took."""

    campaign_id: int
    dial_mode: DialMode
    decision_s: float


@dataclass(frozen=True, kw_only=True)
class AgentRinging:
    """`after_answer_s`: from the lead's answer to the agent's phone ringing."""

    campaign_id: int
    after_answer_s: float


@dataclass(frozen=True, kw_only=True)
class CallConnected:
    """`after_answer_s`: from the lead's answer to the talk with an agent."""

    campaign_id: int
    after_answer_s: float


@dataclass(frozen=True, kw_only=True)
class CallEnded:
    campaign_id: int
    dial_mode: DialMode
    outcome: Outcome
    call: Call


@dataclass(frozen=True, kw_only=True)
class LeadPassedOver:
    """A rule forbade the call at the moment of dialing."""

    campaign_id: int
    rule: Rule


@dataclass(frozen=True, kw_only=True)
class LeadsHeld:
    """How many leads each rule holds back or has ended, as last counted."""

    campaign_id: int
    leads: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class CampaignHeld:
    """Which rule stands in the way of the campaign's next call. While it dials at full pace, that is the pace."""

    campaign_id: int
    reason: HoldReason


@dataclass(frozen=True, kw_only=True)
class CampaignClosed:
    """The campaign is no longer run by this daemon."""

    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class CallsRescued:
    """What a reconciliation with Asterisk found: calls taken up again, and calls whose end was not seen."""

    adopted: int
    lost: int


Fact = (
    CallPlaced
    | AgentRinging
    | CallConnected
    | CallEnded
    | LeadPassedOver
    | LeadsHeld
    | CampaignHeld
    | CampaignClosed
    | CallsRescued
)


@dataclass(frozen=True, kw_only=True)
class ActivityLine:
    """A line of the cradle-to-grave record of a lead."""

    at: datetime
    campaign_id: int
    lead_id: int | None
    attempt_id: UUID | None
    fact: str
    details: dict[str, object]
