"""Facts: what has happened, said once, after it was written down. Metrics and the live feed are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dialerd.domain.calls import Call, DialMode
from dialerd.domain.eligibility import Rule
from dialerd.domain.offers import OfferState
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
    bridged_in_s: float | None
    """From when lead and agent were both on the line. None: the queue has joined them, or a daemon before us saw them come."""


@dataclass(frozen=True, kw_only=True)
class CallEnded:
    campaign_id: int
    dial_mode: DialMode
    outcome: Outcome
    call: Call


@dataclass(frozen=True, kw_only=True)
class AgentHeld:
    """In an agent-first call an agent no longer waits on the line: a lead has come, or none will. `waited_s`: for how long."""

    campaign_id: int
    waited_s: float


@dataclass(frozen=True, kw_only=True)
class CardAnswered:
    """What became of a lead's card before an agent: accepted, skipped, lapsed or withdrawn, never open."""

    campaign_id: int
    answer: OfferState


@dataclass(frozen=True, kw_only=True)
class AbandonmentCounted:
    """Where the campaign's abandonment ledger stands in its present period, as last read."""

    campaign_id: int
    answered: int
    """Calls that a person answered; in_time and abandoned are among them."""
    in_time: int
    abandoned: int
    rate: float
    """Abandoned for each answered: 0.03 is 3 %."""
    cap: float | None
    """Of the rate. None: there is none."""
    latched: bool
    """Whether the cap has been reached, and the campaign is held back until it is well below it."""


@dataclass(frozen=True, kw_only=True)
class RecordingLookedAt:
    """Asterisk was asked for the recording of a call. Not stored: it has none, or has lost it."""

    stored: bool


@dataclass(frozen=True, kw_only=True)
class LeadPassedOver:
    """A rule forbade the call at the moment of dialing."""

    campaign_id: int
    rule: Rule


MOST_DUE = 10_000
"""Further leads in line are not counted: it would take the database's time away from calls."""


@dataclass(frozen=True, kw_only=True)
class LeadsHeld:
    """How many leads each rule holds back or has ended, as last counted."""

    campaign_id: int
    leads: Mapping[str, int]
    due: int
    """Leads in line that no waiting time holds back; at MOST_DUE: or more."""


@dataclass(frozen=True, kw_only=True)
class CampaignHeld:
    """Which rule stands in the way of the campaign's next call. While it dials at full pace, that is the pace."""

    campaign_id: int
    reason: HoldReason


@dataclass(frozen=True, kw_only=True)
class CampaignPace:
    """What a campaign that this daemon runs may do at most, and whether it has the right to dial it."""

    campaign_id: int
    calls_per_second: float
    concurrency: int
    lease_held: bool


@dataclass(frozen=True, kw_only=True)
class CampaignClosed:
    """The campaign is no longer run by this daemon."""

    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class CallsRescued:
    """What a reconciliation with Asterisk found: calls taken up again, and calls whose end was not seen."""

    adopted: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class BacklogCounted:
    """What waits in the database for somebody to do it, as last counted, of all accounts."""

    webhook_deliveries: Mapping[str, int]
    """By their state: waiting, dead; MOST_WAITING: or more."""
    jobs: Mapping[tuple[str, str], int]
    """By kind and state: queued, running, and those that failed within the last hour. What is missing is 0."""


MOST_WAITING = 10_000
"""Further deliveries of one webhook are not counted."""


Fact = (
    CallPlaced
    | AgentRinging
    | CallConnected
    | CallEnded
    | AgentHeld
    | CardAnswered
    | AbandonmentCounted
    | RecordingLookedAt
    | LeadPassedOver
    | LeadsHeld
    | CampaignHeld
    | CampaignClosed
    | CallsRescued
    | BacklogCounted
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
