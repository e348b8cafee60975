"""The row at which the two halves of the river meet: an attempt that has been opened, and the right to open it."""

from dataclasses import dataclass

from dialerd.domain.calls import Call
from dialerd.domain.eligibility import Refused


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
    """The next lead in line may not be called; what that means for it has been written."""

    lead_id: int
    refusal: Refused


@dataclass(frozen=True, kw_only=True)
class OpenCall:
    """An attempt that its row says is open, and the node that opened it."""

    call: Call
    node: str
