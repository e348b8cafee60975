"""What an agent wishes to be in the queues: logged in or out, paused with a reason or not. A daemon carries it out in Asterisk."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CARRIED_OUT_WITHIN = timedelta(seconds=10)
"""A wish that no daemon has carried out by then is none any more: the agent is told so, and may wish again."""
LONGEST_REASON = 40
LONGEST_REASON_BYTES = 79
"""What Asterisk keeps of it."""


class WishAction(StrEnum):
    LOGIN = "login"
    LOGOUT = "logout"
    PAUSE = "pause"
    UNPAUSE = "unpause"


class WishState(StrEnum):
    WAITING = "waiting"  # for a daemon
    DONE = "done"
    REFUSED = "refused"


class Answer(StrEnum):
    """What a daemon says of a wish."""

    DONE = "done"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"  # its Asterisk has not the queue, or not the agent in it; another one may


class Seating(StrEnum):
    """What Asterisk says to one step: one agent, one queue."""

    DONE = "done"
    THERE_ALREADY = "there_already"
    NO_QUEUE = "no_queue"
    NO_MEMBER = "no_member"
    FIXED = "fixed"  # a member by Asterisk's own files


@dataclass(frozen=True, kw_only=True)
class Wish:
    """For a daemon to carry out."""

    id: int
    agent: str
    """Interface, e.g. PJSIP/1001."""
    name: str
    """As the queues are to call the agent. Empty: as the interface."""
    action: WishAction
    queues: tuple[str, ...]
    """Those of the account, or the one that was named."""
    reason: str = ""
    """Of a pause."""


@dataclass(frozen=True, kw_only=True)
class ToldWish:
    """For people."""

    id: int
    agent: str
    action: WishAction
    queue: str | None
    """None: all of the account's queues."""
    reason: str
    by: str
    wished_at: datetime
    state: WishState
    done_at: datetime | None
    refused: str
    """Why, in a sentence. Empty: it is not."""


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A queue that an agent may serve, and the agent in it."""

    queue: str
    campaigns: tuple[str, ...]
    """That are bound to it and not over."""
    known: bool
    """Whether a daemon tells just now how it stands; else the rest means nothing."""
    member: bool = False
    fixed: bool = False
    """A member by Asterisk's own files, who cannot be logged out."""
    paused: bool = False
    pause_reason: str = ""
    state: str | None = None
    """Asterisk's device state, as domain.queues.DeviceState names it; None: no member."""
    in_call: bool = False
    wrapup_until: datetime | None = None
    calls_taken: int | None = None


def problems(
    action: WishAction, queue: str | None, reason: str, *, seats: Sequence[Seat], reasons: Collection[str]
) -> list[str]:
    """What is wrong with a wish, each as a sentence that says what to do. Empty: nothing is."""
    checks = [
        (
            queue is not None or bool(queues_of(action, None, seats)),
            "queue: no campaign of the account is bound to a queue that Asterisk has",
        ),
        (
            queue is None or bool(queues_of(action, queue, seats)),
            f"queue: {queue} is none that Asterisk has and a campaign of the account is bound to",
        ),
        (not reason or action is WishAction.PAUSE, "reason: only a pause has one"),
        (
            not reason or action is not WishAction.PAUSE or reason in reasons,
            f"reason: one of the account's pause reasons: {', '.join(reasons) or 'it has none'}",
        ),
    ]
    return [sentence for holds, sentence in checks if not holds]


def queues_of(action: WishAction, queue: str | None, seats: Sequence[Seat]) -> tuple[str, ...]:
    """In which queues it is wished. Nobody logs in for campaigns that are over."""
    return tuple(
        seat.queue
        for seat in seats
        if queue in (None, seat.queue) and (seat.campaigns or action is not WishAction.LOGIN)
    )


def is_pause_reason(text: str) -> bool:
    """A title that Asterisk keeps whole, and that its queue log, which parts fields by a bar, keeps in one field."""
    return (
        0 < len(text) <= LONGEST_REASON
        and len(text.encode(errors="replace")) <= LONGEST_REASON_BYTES
        and text.isprintable()
        and text == text.strip()
        and "|" not in text
    )
