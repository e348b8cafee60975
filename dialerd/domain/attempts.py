"""The row at which the two halves of the river meet: an attempt that has been opened, and the right to open it."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AnsweredBy, AttemptState, Call, CallFlow
from dialerd.domain.eligibility import Refused, Verdict
from dialerd.domain.outcomes import Outcome

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
    crowded: bool = False
    """Whether other daemons have promised the agents to calls of theirs, so that none was looked at."""


@dataclass(frozen=True, kw_only=True)
class Underway:
    """What the rows of a campaign say of its calls, whichever daemon began them."""

    open: frozenset[UUID] = frozenset()
    """The attempts that are in flight."""
    last_opened_ago: timedelta | None = None
    """Since the newest attempt of all was opened, by the database's clock. None: there is none."""


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


@dataclass(frozen=True, kw_only=True)
class KeptCall:
    """What the row of a call is to say, kept beside the database: nothing in it tells who was called."""

    id: UUID
    state: AttemptState
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    agent_ringing_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    agent: str | None = None
    wanted_agent: str | None = None
    answered_by: AnsweredBy | None = None
    waiting_since: datetime | None = None
    menu_node: str = ""
    menu_result: str = ""
    opted_out: bool = False
    trunk: str = ""
    trunk_to_blame: bool = False
    outcome: Outcome | None = None
    cause: int | None = None
    tech_cause: str | None = None

    @classmethod
    def of(cls, call: Call) -> "KeptCall":
        return cls(**{field.name: getattr(call, field.name) for field in fields(cls)})

    def onto(self, row: Call) -> Call:
        """The call as it was kept; what is not kept is as its row has it."""
        return replace(row, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, kw_only=True)
class LostAttempt:
    """What is needed to write an attempt down again that was made, and that the database has lost."""

    id: UUID
    campaign_id: int
    lead_id: int
    number: str
    flow: CallFlow
    opened_at: datetime
    queue: str
    caller_id: CallerId
    trunk: str = ""
    recording: str = ""
    kept_leg: UUID | None = None

    @classmethod
    def of(cls, call: Call) -> "LostAttempt":
        return cls(**{field.name: getattr(call, field.name) for field in fields(cls)})

    @property
    def state(self) -> AttemptState:
        """Of the row that is written first; how far the call has come is written as always."""
        return AttemptState.PREPARING if self.flow is CallFlow.AGENT_FIRST else AttemptState.DIALING


class PutBack(StrEnum):
    """What became of an attempt that the database may have lost."""

    KNOWN = "known"  # it has not
    PUT_BACK = "put_back"  # it is written down again
    NO_LEAD = "no_lead"  # there is no such lead: it cannot be
