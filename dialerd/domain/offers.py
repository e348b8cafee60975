"""A lead's card before an agent, who accepts it, skips it, or lets its time pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dialerd.domain.attempts import PassedOver
from dialerd.domain.eligibility import Verdict


class OfferState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    LAPSED = "lapsed"  # its time is over
    WITHDRAWN = "withdrawn"  # the call is over, or served otherwise


class CallStage(StrEnum):
    """How far a call with an agent is, as the agent sees it."""

    ACCEPTED = "accepted"  # the agent wants the lead, and is to be rung
    RINGING = "ringing"  # the agent's phone
    TALKING = "talking"


class OfferEvent(StrEnum):
    ACCEPT = "accept"
    SKIP = "skip"
    LAPSE = "lapse"
    WITHDRAW = "withdraw"


OFFER_TRANSITIONS: Mapping[OfferState, Mapping[OfferEvent, OfferState]] = {
    OfferState.OPEN: {
        OfferEvent.ACCEPT: OfferState.ACCEPTED,
        OfferEvent.SKIP: OfferState.SKIPPED,
        OfferEvent.LAPSE: OfferState.LAPSED,
        OfferEvent.WITHDRAW: OfferState.WITHDRAWN,
    },
    OfferState.ACCEPTED: {},
    OfferState.SKIPPED: {},
    OfferState.LAPSED: {},
    OfferState.WITHDRAWN: {},
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    id: int
    campaign_id: int
    lead_id: int
    attempt_id: UUID | None
    """Of a call that is being dialed; None: the lead is dialed once an agent has accepted."""
    ordinal: int
    """Which of the attempt's offers it is."""
    agent: str
    """Interface, e.g. PJSIP/1001."""
    queue: str
    state: OfferState
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class OfferClaim:
    """What came of a look at the leads that are next in line, for an agent to look at one. Nothing at all: none is due."""

    offer: Offer | None = None
    passed: tuple[PassedOver, ...] = ()
    forbidden: Verdict | None = None
    """What forbids calls to all leads of the campaign, so that none was looked at."""
