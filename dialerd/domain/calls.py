"""A call attempt in flight: what it knows of itself, what can happen to it, and what can be done about it.

Events are what the network, the agents and the clock tell; commands are what a dial mode asks of the PBX. Both are
plain values, so a whole call can be walked in a test without a PBX.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from dialerd.domain.caller_id import CallerId
from dialerd.domain.outcomes import Outcome


class DialMode(StrEnum):
    PROGRESSIVE = "progressive"  # the lead first; an agent is rung when the lead has answered


class AttemptState(StrEnum):
    DIALING = "dialing"  # placed, or about to be
    RINGING = "ringing"
    ANSWERED = "answered"  # the lead has picked up; an agent is being rung
    QUEUED = "queued"  # the lead waits in the bound queue with hold music
    CONNECTED = "connected"  # lead and agent talk
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One attempt. Its id is the Asterisk channel id of the lead's leg; the agent's legs have ids derived from it."""

    id: UUID
    campaign_id: int
    lead_id: int
    number: str
    """The lead's number, E.164."""
    lead_name: str
    caller_id: CallerId
    queue: str
    dial_mode: DialMode
    opened_at: datetime
    ring_timeout: timedelta
    customer_wait_sla: timedelta
    agent_dial_timeout: timedelta
    state: AttemptState = AttemptState.DIALING
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    agent_ringing_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    agent: str | None = None
    hunts: int = 0
    """Agent hunts started so far; the running one is the last."""
    hunting: bool = False
    """Whether that hunt's leg lives: rings agents, or has been joined with the lead."""
    placed: bool = False
    """Whether Asterisk is known to have made the lead's channel."""
    dial_failed: bool = False
    """Whether Asterisk has said that its dialing is over, while the news of a channel may still be on its way."""
    stop_requested: bool = False
    outcome: Outcome | None = None
    cause: int | None = None
    tech_cause: str | None = None

    @property
    def needs_agent(self) -> bool:
        """Whether an agent is promised to this call and none is ringing or talking for it yet."""
        return self.state in (AttemptState.DIALING, AttemptState.RINGING) or (
            self.state is AttemptState.ANSWERED and self.agent is None
        )


def hunt_channel_id(attempt: UUID, hunt: int) -> UUID:
    """The channel id of the near half of the attempt's nth hunt: derived, so that a restarted daemon knows it too."""
    return uuid5(attempt, f"hunt-{hunt}-near")


def hunt_queue_channel_id(attempt: UUID, hunt: int) -> UUID:
    """The channel id of the far half, which stands in the queue."""
    return uuid5(attempt, f"hunt-{hunt}-far")


def bridge_id(attempt: UUID) -> UUID:
    return uuid5(attempt, "bridge")


@dataclass(frozen=True, kw_only=True)
class LiveChannel:
    """A channel with an id of ours, as Asterisk lists it now."""

    id: UUID
    name: str
    ringing: bool
    up: bool
    application: str
    bridged: bool


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChannelMade:
    """Asterisk has made the lead's channel: from now on the call may have reached the network."""


@dataclass(frozen=True)
class LeadRang:
    """The lead's phone alerts."""


@dataclass(frozen=True)
class LeadAnswered:
    """The lead's leg is up."""


@dataclass(frozen=True)
class LeadHeld:
    """The answered lead is in our hands (its channel entered the Stasis application)."""


@dataclass(frozen=True)
class LeadQueued:
    """The lead stands in the bound queue: moved there by us, or by the dialplan while no daemon was there."""


@dataclass(frozen=True)
class AgentRang:
    agent: str


@dataclass(frozen=True)
class AgentRangOut:
    """An agent did not take the call; the queue goes on to the next."""

    agent: str


@dataclass(frozen=True)
class AgentAnswered:
    """The hunt's near half is in our hands: an agent is on it."""

    hunt: int


@dataclass(frozen=True)
class AgentConnected:
    """The queue has joined an agent: to the leg of that hunt, or (0) to the lead who waited in the queue."""

    agent: str
    hunt: int = 0


@dataclass(frozen=True)
class LegsJoined:
    """Lead and agent are in one bridge."""


@dataclass(frozen=True)
class HuntEnded:
    """The hunt leg is gone: nobody took the call, or the agent hung up."""

    hunt: int


@dataclass(frozen=True)
class HuntFound:
    """A hunt of this call lives in Asterisk, though this daemon did not start it."""

    hunt: int


@dataclass(frozen=True)
class AgentDialTimedOut:
    hunt: int


@dataclass(frozen=True)
class LeadLeft:
    """The lead's leg has ended, with the cause that its channel gave."""

    cause: int | None = None
    tech_cause: str | None = None


@dataclass(frozen=True)
class DialFailed:
    """Asterisk's dialing is over without an answer. Either a channel has told, or will tell, its end; or there never was one."""


@dataclass(frozen=True)
class DialRefused:
    """Certain: the call was not placed."""


@dataclass(frozen=True)
class Vanished:
    """Asterisk no longer knows the lead's channel, and its end was not seen."""


@dataclass(frozen=True)
class StopRequested:
    """The campaign was stopped: a dial that is not answered yet is to be ended."""


CallEvent = (
    ChannelMade
    | LeadRang
    | LeadAnswered
    | LeadHeld
    | LeadQueued
    | AgentRang
    | AgentRangOut
    | AgentAnswered
    | AgentConnected
    | LegsJoined
    | HuntEnded
    | HuntFound
    | AgentDialTimedOut
    | LeadLeft
    | DialFailed
    | DialRefused
    | Vanished
    | StopRequested
)


# --- commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HuntAgent:
    """Ring the agents of the bound queue for this call."""

    hunt: int


@dataclass(frozen=True)
class JoinLegs:
    hunt: int


@dataclass(frozen=True)
class MoveToQueue:
    """Let the lead wait in the bound queue with hold music."""


@dataclass(frozen=True)
class HangUpLead:
    pass


@dataclass(frozen=True)
class HangUpHunt:
    hunt: int


@dataclass(frozen=True)
class Remind:
    """Feed `event` back after `after`, whatever happens meanwhile: the table ignores a reminder that is out of date."""

    after: timedelta
    event: CallEvent


CallCommand = HuntAgent | JoinLegs | MoveToQueue | HangUpLead | HangUpHunt | Remind
