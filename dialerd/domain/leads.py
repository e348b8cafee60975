"""What a lead is, and the states of its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class LeadState(StrEnum):
    ACTIVE = "active"  # ready to be dialed (new)
    DIALING = "dialing"  # a call is being placed
    RINGING = "ringing"  # the lead's phone rings
    ANSWERED = "answered"  # the lead picked up
    RETRY = "retry"  # due again
    COOLOFF = "cooloff"  # dialed but not connected; waits for its cool-off
    VOICEMAIL = "voicemail"  # reached a machine; waits like a cool-off
    SUCCESS = "success"  # connected to an agent
    FAILED = "failed"  # no more attempts
    BLOCKED = "blocked"  # on a do-not-call list, or forbidden for good by another rule
    ABANDONED = "abandoned"  # picked up, but no agent was there in time
    DELETED = "deleted"  # taken off the list by hand; what happened to it is kept


class LeadEvent(StrEnum):
    CLAIMED = "claimed"
    RANG = "rang"
    PICKED_UP = "picked_up"
    CONNECTED = "connected"
    MISSED = "missed"  # not connected; another attempt is due after the cool-off
    MACHINE = "machine"
    PUT_BACK = "put_back"  # due again without a cool-off
    EXHAUSTED = "exhausted"
    LOST_PATIENCE = "lost_patience"
    COOLED_OFF = "cooled_off"
    ON_DNC_LIST = "on_dnc_list"
    FORBIDDEN = "forbidden"  # a rule allows no call to it, now or later
    TAKEN_BACK = "taken_back"  # what an agent had said of the talk holds no more
    JUDGED_ANEW = "judged_anew"  # the rules have changed since one of them forbade every call to it
    RENEWED = "renewed"  # made new again by hand: "will not be dialed again unless reset"
    DELETED = "deleted"


_ENDS = {
    LeadEvent.CONNECTED: LeadState.SUCCESS,
    LeadEvent.MISSED: LeadState.COOLOFF,
    LeadEvent.MACHINE: LeadState.VOICEMAIL,
    LeadEvent.PUT_BACK: LeadState.RETRY,
    LeadEvent.EXHAUSTED: LeadState.FAILED,
    LeadEvent.LOST_PATIENCE: LeadState.ABANDONED,
    LeadEvent.ON_DNC_LIST: LeadState.BLOCKED,
}
_DUE = {
    LeadEvent.CLAIMED: LeadState.DIALING,
    LeadEvent.EXHAUSTED: LeadState.FAILED,
    LeadEvent.ON_DNC_LIST: LeadState.BLOCKED,
    LeadEvent.FORBIDDEN: LeadState.BLOCKED,
    LeadEvent.RENEWED: LeadState.ACTIVE,
    LeadEvent.DELETED: LeadState.DELETED,
}
_WAITING = {
    LeadEvent.COOLED_OFF: LeadState.RETRY,
    LeadEvent.ON_DNC_LIST: LeadState.BLOCKED,
    LeadEvent.RENEWED: LeadState.ACTIVE,
    LeadEvent.DELETED: LeadState.DELETED,
    LeadEvent.TAKEN_BACK: LeadState.SUCCESS,
}
_DONE = {LeadEvent.RENEWED: LeadState.ACTIVE, LeadEvent.DELETED: LeadState.DELETED}

LEAD_TRANSITIONS: Mapping[LeadState, Mapping[LeadEvent, LeadState]] = {
    LeadState.ACTIVE: _DUE,
    LeadState.RETRY: {**_DUE, LeadEvent.TAKEN_BACK: LeadState.SUCCESS},
    LeadState.DIALING: {LeadEvent.RANG: LeadState.RINGING, LeadEvent.PICKED_UP: LeadState.ANSWERED, **_ENDS},
    LeadState.RINGING: {LeadEvent.PICKED_UP: LeadState.ANSWERED, **_ENDS},
    LeadState.ANSWERED: _ENDS,
    LeadState.COOLOFF: _WAITING,
    LeadState.VOICEMAIL: _WAITING,
    LeadState.SUCCESS: {
        **_DONE,
        # What the agent says of the talk, afterwards.
        LeadEvent.MISSED: LeadState.COOLOFF,
        LeadEvent.MACHINE: LeadState.VOICEMAIL,
        LeadEvent.EXHAUSTED: LeadState.FAILED,
        LeadEvent.ON_DNC_LIST: LeadState.BLOCKED,
    },
    LeadState.FAILED: {**_DONE, LeadEvent.TAKEN_BACK: LeadState.SUCCESS},
    LeadState.BLOCKED: {**_DONE, LeadEvent.JUDGED_ANEW: LeadState.RETRY, LeadEvent.TAKEN_BACK: LeadState.SUCCESS},
    LeadState.ABANDONED: _DONE,
    LeadState.DELETED: {},
}

IN_FLIGHT = frozenset({LeadState.DIALING, LeadState.RINGING, LeadState.ANSWERED})
FINAL = frozenset({LeadState.SUCCESS, LeadState.FAILED, LeadState.BLOCKED, LeadState.ABANDONED, LeadState.DELETED})
"""Nothing happens to such a lead any more, unless somebody makes it new again, takes it off the list, changes the rules, or says
what a talk has come to."""


@dataclass(frozen=True, kw_only=True)
class NewLead:
    """A lead as a source hands it over: judged and normalized, not stored yet. `number` is E.164."""

    number: str
    first_name: str
    last_name: str = ""
    priority: int = 0
    ticket_id: str = ""
    note: str = ""
    lead_type: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int | None = None
    cooloff_s: int | None = None
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    time_zone: str | None = None
    """IANA name, where the list says so."""
    alternate_numbers: tuple[str, ...] = ()
    """E.164, in the order in which they are tried; none twice, and not `number`."""
    skill: str = ""
    extension: str = ""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """A stored lead, as the rules need it."""

    id: int
    campaign_id: int
    number: str
    first_name: str
    last_name: str
    state: LeadState
    dials: int
    attempts_used: int
    max_attempts: int | None
    cooloff_s: int | None
    cooloff_2nd_s: int | None
    cooloff_3rd_s: int | None
    new_since: datetime
    """When it came, or was last made new: day 0 of a day plan."""
    time_zone: str | None = None
    alternate_numbers: tuple[str, ...] = ()
    dead_numbers: tuple[str, ...] = ()
    """Those of its numbers that turned out to be none, or to refuse calls."""
    ticket_id: str = ""
    skill: str = ""
    extension: str = ""
    custom: Mapping[str, str] = field(default_factory=dict, hash=False)
    callback_agent: str | None = None
    """Interface of the agent whom the lead wants to be called back by."""
    dials_at_reset: int = 0
    """Attempts with a higher ordinal are those since it was last made new."""

    @property
    def numbers(self) -> tuple[str, ...]:
        return (self.number, *self.alternate_numbers)

    @property
    def display_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()
