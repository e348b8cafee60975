"""The row at which the two halves of the river meet: an attempt that has been opened, and the right to open it."""

from dataclasses import dataclass
from datetime import datetime

from dialerd.domain.calls import Call
from dialerd.domain.eligibility import Refused, Verdict

RELEASE_BATCH = 1000
"""Leads that become due in one go: at the opening of a window there may be a million, and the first is not to wait for the
last."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to dial a campaign: held by one node, told apart from earlier rights by its epoch."""

    campaign_id: int
    node: str
    epoch: int


@dataclass(frozen=True, kw_only=True)
class OpenedAttempt:
    """An attempt whose row is committed: now, and only now, it may be dialed."""

    call: Call
    ordinal: int


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A lead whose turn it was may not be called; what that means for it has been written."""

    lead_id: int
    refusal: Refused


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What came of a look at the leads that are next in line. Nothing at all: none is due, or the lease is lost."""

    opened: tuple[OpenedAttempt, ...] = ()
    passed: tuple[PassedOver, ...] = ()
    forbidden: Verdict | None = None
    """What forbids calls to all leads of the campaign, so that none was looked at."""


@dataclass(frozen=True, kw_only=True)
class WaitingLeads:
    """Leads that one rule holds back."""

    rule: str
    leads: int
    until: datetime | None
    """When the first of them is looked at again. None: they are done, and this is what ended them."""


@dataclass(frozen=True, kw_only=True)
class OpenCall:
    """An attempt that its row says is open, and the node that opened it."""

    call: Call
    node: str
