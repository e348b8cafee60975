"""How a call attempt ended, read from the end cause of its channel: never guessed from a dial status alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    CONNECTED = "connected"  # talked to an agent
    ABANDONED = "abandoned"  # picked up and waited, but no agent was there in time
    HUNG_UP = "hung_up"  # picked up and hung up before an agent was due
    VOICEMAIL = "voicemail"  # a machine picked up
    MENU_CHOICE = "menu_choice"  # made a choice in the voice menu
    MENU_LEFT = "menu_left"  # was in the voice menu, and left it without a choice
    OPTED_OUT = "opted_out"  # asked not to be called any more
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    CONGESTION = "congestion"  # the network could not carry the call
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    CANCELLED = "cancelled"  # ended by Stop before it was answered
    NOT_PLACED = "not_placed"  # certain: the call never left
    UNKNOWN = "unknown"  # the call may have been placed; how it ended cannot be proved


# Q.850 causes as Asterisk reports them at the channel's end; the SIP answers in comments are what produced them.
OUTCOME_OF_CAUSE: Mapping[int, Outcome] = {
    1: Outcome.INVALID_NUMBER,  # 404: unallocated
    2: Outcome.CONGESTION,  # no route to transit network
    3: Outcome.CONGESTION,  # no route to destination
    16: Outcome.NO_ANSWER,  # cleared normally before an answer: our own ring timeout
    17: Outcome.BUSY,  # 486, 600
    18: Outcome.NO_ANSWER,  # 408: no user responding
    19: Outcome.NO_ANSWER,  # 480: alerted, not answered
    20: Outcome.NO_ANSWER,  # subscriber absent
    21: Outcome.REJECTED,  # 403, 603
    22: Outcome.INVALID_NUMBER,  # 410: number changed
    27: Outcome.CONGESTION,  # 502: destination out of order
    28: Outcome.INVALID_NUMBER,  # 484: invalid number format
    29: Outcome.CONGESTION,  # 501: the network does not offer this
    34: Outcome.CONGESTION,  # 503: no circuit
    38: Outcome.CONGESTION,  # 500: network out of order
    41: Outcome.CONGESTION,  # temporary failure
    42: Outcome.CONGESTION,  # switching equipment congestion
    44: Outcome.CONGESTION,  # requested circuit not available
    58: Outcome.CONGESTION,  # 488: bearer capability not available
    102: Outcome.CONGESTION,  # 504: the network waited in vain
    127: Outcome.CONGESTION,  # interworking, unspecified
}


def classify_unanswered(cause: int | None) -> Outcome:
    """The outcome of a call that was never answered. A cause that is missing or not in the table proves nothing."""
    return Outcome.UNKNOWN if cause is None else OUTCOME_OF_CAUSE.get(cause, Outcome.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class OutcomeRule:
    """What a campaign does differently after one outcome. None: as usual."""

    retry: bool | None = None
    """Whether the lead is tried again."""
    delay_s: int | None = None
    """The wait before that, instead of the cool-off."""
    max_attempts: int | None = None
    """Most attempts of a lead that may end so; after that it is given up."""


SETTLED = frozenset({Outcome.CONNECTED, Outcome.MENU_CHOICE, Outcome.OPTED_OUT, Outcome.CANCELLED, Outcome.NOT_PLACED})
"""Outcomes that no rule of a campaign can change: a success, an opt-out, our own Stop, and a call that never was one."""
