"""A call attempt in flight: what it knows of itself, what can happen to it, and what can be done about it.

Events are what the network, the agents and the clock tell; commands are what a dial mode asks of the PBX. Both are
plain values, so a whole call can be walked in a test without a PBX.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from dialerd.domain.caller_id import CallerId
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.outcomes import Outcome


class DialMode(StrEnum):
    PROGRESSIVE = "progressive"  # customer-first: an agent is rung when the lead has answered
    PREVIEW = "preview"  # an agent sees the lead's card, and accepts or skips it
    AGENT_FIRST = "agent_first"  # the lead is dialed when an agent is on the line


class CallFlow(StrEnum):
    """Which table of dial_modes a call follows: its campaign's dial mode and target come to one of these."""

    PROGRESSIVE = "progressive"
    MENU = "menu"  # the lead first, then a voice menu
    PREVIEW = "preview"  # the lead is dialed while an agent looks at the card
    AGENT_FIRST = "agent_first"  # also a preview that is dialed once an agent has accepted


class AttemptState(StrEnum):
    """In the order of a call's life. The row of an attempt only ever moves forward in it."""

    PREPARING = "preparing"  # an agent is being rung first; the lead has certainly not been dialed yet
    DIALING = "dialing"  # placed, or about to be
    RINGING = "ringing"
    MENU = "menu"  # the lead has picked up, and is served by the voice menu
    ANSWERED = "answered"  # the lead has picked up, and waits for an agent
    QUEUED = "queued"  # the lead waits in the bound queue with hold music
    MESSAGE = "message"  # the lead hears that nobody is free, and may opt out
    CONNECTED = "connected"  # lead and agent talk
    ENDED = "ended"


class NoAgent(StrEnum):
    """What a lead gets for whom no agent is there in time."""

    QUEUE = "queue"  # after the agent dial timeout: the bound queue with hold music
    MESSAGE = "message"  # after the agent dial timeout: the message, and the end
    MESSAGE_AT_SLA = "message_at_sla"  # as soon as the customer wait SLA is exceeded: the message, and the end


class AnsweredBy(StrEnum):
    """What Asterisk's machine detection makes of an answer. What it is not sure of counts as a human being."""

    HUMAN = "human"
    MACHINE = "machine"
    NOT_SURE = "not_sure"


@dataclass(frozen=True, kw_only=True)
class LeadCard:
    """What an agent, or the agent's phone, may be told of the lead."""

    name: str = ""
    ticket_id: str = ""
    skill: str = ""
    extension: str = ""
    custom: Mapping[str, str] = field(default_factory=dict, hash=False)


class Wanted(NamedTuple):
    """Any agent of a queue, or one of them."""

    queue: str
    agent: str | None = None


@dataclass(frozen=True, kw_only=True)
class KeptAgent:
    """An agent who stays on the line after a call for the next lead of the campaign."""

    campaign_id: int
    leg: UUID
    """The agent's channel."""
    queue: str
    agent: str | None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One attempt. Its id is the Asterisk channel id of the lead's leg; the agent's legs have ids derived from it."""

    id: UUID
    campaign_id: int
    lead_id: int
    number: str
    """The lead's number, E.164."""
    lead: LeadCard
    caller_id: CallerId
    queue: str
    """Bound queue. Empty: a voice menu that needs none."""
    dial_mode: DialMode
    flow: CallFlow
    opened_at: datetime
    ring_timeout: timedelta
    customer_wait_sla: timedelta
    agent_dial_timeout: timedelta
    no_agent: NoAgent = NoAgent.QUEUE
    greeting: str = ""
    """Sound for a lead whose wait has exceeded the SLA. Empty: silence goes on."""
    agent_announcement: str = ""
    """Sound for an agent who waits for the lead to answer. Empty: hold music alone."""
    offer_time: timedelta = timedelta(seconds=30)
    """How long an agent may look at the card before it goes to the next."""
    menu: VoiceMenu | None = None
    mask_number: bool = False
    """Whether agents must not see the lead's number."""
    send_lead_data: bool = False
    """Whether the agent's phone is sent what it may be told of the lead."""
    recording: str = ""
    """Name under which Asterisk records the call. Empty: it is not recorded."""
    detect_machine: bool = False
    drop_machine: bool = False
    """Whether the call ends where a machine has answered. Else that is only written down."""
    wanted_agent: str | None = None
    """Interface of the agent who is to be rung before the queue is asked; None again once that was tried."""
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
    wanted_hunt: int = 0
    """The hunt that was for the wanted agent alone; 0: none was."""
    rung_agent: str | None = None
    """Whom the newest hunt rings, or has rung, if it was for one agent alone."""
    agent_up: bool = False
    """Whether an agent is on that leg."""
    kept_leg: UUID | None = None
    """Channel of an agent who has stayed on the line from an earlier call: the leg of hunt 1."""
    held: bool = False
    """Whether the answered lead is in our hands."""
    waiting_since: datetime | None = None
    """Since when the lead has waited for an agent: since the answer, or a choice in the voice menu."""
    answered_by: AnsweredBy | None = None
    offers: int = 0
    """Offers of the card made so far; the open one is the last."""
    offered_to: str | None = None
    accepted: bool = False
    declined: frozenset[str] = frozenset()
    """Agents who skipped the card, or let their time for it pass."""
    menu_node: str = ""
    menu_step: int = 0
    """Sounds played in the menu so far: what is told of an earlier one is out of date."""
    menu_tries: int = 0
    """How often the person has pressed no key, or a wrong one, at this node."""
    menu_result: str = ""
    menu_warning: bool = False
    """Whether the sound that is played says that the key was wrong; the prompt follows."""
    menu_over: bool = False
    """Whether the last choice is made: after its sound the call ends."""
    opted_out: bool = False
    """Whether the person has asked not to be called any more."""
    dialed: bool = False
    """Whether the order to dial the lead was given: that happens once (law L2)."""
    placed: bool = False
    """Whether Asterisk is known to have made the lead's channel."""
    dial_failed: bool = False
    """Whether Asterisk has said that its dialing is over, while the news of a channel may still be on its way."""
    stop_requested: bool = False
    trunk: str = ""
    """By which of the node's trunks the lead is dialed. Empty: it was dialed before trunks had names."""
    trunk_to_blame: bool = False
    """Whether the trunk has refused it as it refused too many: the lead loses no attempt by that."""
    outcome: Outcome | None = None
    cause: int | None = None
    tech_cause: str | None = None

    @property
    def needs_agent(self) -> bool:
        """Whether an agent is promised to this call and none is ringing or talking for it yet."""
        if self.rings is not None:
            return False
        if self.flow is CallFlow.MENU:
            return self.state is AttemptState.ANSWERED and self.agent is None
        if self.agent is not None or self.agent_up:
            return False
        return self.state in _BEFORE_AN_AGENT

    @property
    def wanted(self) -> Wanted:
        """Whom the agent that is promised to it is asked of."""
        return Wanted(self.queue, self.wanted_agent or self.offered_to)

    @property
    def rings(self) -> str | None:
        """The agent whose own phone it rings, or who is on it: nobody else's, though his phone may not say so yet."""
        return self.rung_agent if self.hunting else None

    def agent_leg(self, hunt: int) -> UUID:
        """The channel of the hunt's near half, or of the agent who has stayed."""
        return self.kept_leg if self.kept_leg and hunt == 1 else hunt_channel_id(self.id, hunt)


_BEFORE_AN_AGENT = frozenset(
    {AttemptState.PREPARING, AttemptState.DIALING, AttemptState.RINGING, AttemptState.ANSWERED}
)


MOST_HUNTS = 5
"""Most hunts of one call: so many are looked for where a restarted daemon takes it up."""


def hunt_channel_id(attempt: UUID, hunt: int) -> UUID:
    """The channel id of the near half of the attempt's nth hunt: derived, so that a restarted daemon knows it too."""
    return uuid5(attempt, f"hunt-{hunt}-near")


def hunt_queue_channel_id(attempt: UUID, hunt: int) -> UUID:
    """The channel id of the far half, which stands in the queue."""
    return uuid5(attempt, f"hunt-{hunt}-far")


def bridge_id(attempt: UUID) -> UUID:
    return uuid5(attempt, "bridge")


def playback_id(attempt: UUID, what: str) -> UUID:
    """Of a sound that is played in the call: `greeting`, `announcement-<hunt>` or `menu-<step>`."""
    return uuid5(attempt, f"playback-{what}")


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
class Opened:
    """The row of the attempt is committed: the call may begin."""


@dataclass(frozen=True)
class Cleared:
    """The rules still allow the call now that an agent is on the line, and the row says that it is dialed."""


@dataclass(frozen=True)
class Forbidden:
    """They do not, or cannot be asked: the lead is not dialed."""


@dataclass(frozen=True)
class CardOffered:
    """The card lies before this agent."""

    offer: int
    agent: str


@dataclass(frozen=True)
class NobodyToOffer:
    """No agent is free who has not declined the card yet."""

    offer: int


@dataclass(frozen=True)
class OfferDue:
    """Time to look again for an agent for the card."""

    offer: int


@dataclass(frozen=True)
class CardAccepted:
    agent: str


@dataclass(frozen=True)
class CardSkipped:
    offer: int


@dataclass(frozen=True)
class OfferLapsed:
    """The agent let the time for the card pass."""

    offer: int


@dataclass(frozen=True)
class HoldExpires:
    """The dialplan will take the lead back in a moment, unless it is told that we are still there."""


@dataclass(frozen=True)
class MenuSoundEnded:
    step: int


@dataclass(frozen=True)
class KeyPressed:
    key: str
    """0-9, *, # or A-D."""


@dataclass(frozen=True)
class NoKeyPressed:
    """In the time that the menu gives for it."""

    step: int


@dataclass(frozen=True)
class OptedOut:
    """The person has pressed the key to be called no more, while the message was played."""


@dataclass(frozen=True)
class MessageBegun:
    """The message for whom nobody can serve is being played."""


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

    answered_by: AnsweredBy | None = None
    """None: nobody has listened for a machine."""


@dataclass(frozen=True)
class WaitExceeded:
    """The lead has waited for as long as the customer wait SLA allows."""


@dataclass(frozen=True)
class AcceptTimedOut:
    """No agent has accepted the card of a lead who waits."""


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

    hunt: int = 0
    """The agent's; 0: of the hunt that runs, as a daemon finds them that has just taken the call up."""


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
    Opened
    | Cleared
    | Forbidden
    | CardOffered
    | NobodyToOffer
    | OfferDue
    | CardAccepted
    | CardSkipped
    | OfferLapsed
    | ChannelMade
    | LeadRang
    | LeadAnswered
    | LeadHeld
    | WaitExceeded
    | AcceptTimedOut
    | LeadQueued
    | MessageBegun
    | OptedOut
    | HoldExpires
    | MenuSoundEnded
    | KeyPressed
    | NoKeyPressed
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
class AskToDial:
    """An agent is on the line: ask the rules once more, and write down that the lead is dialed. Cleared or Forbidden follows."""


@dataclass(frozen=True)
class DialLead:
    pass


@dataclass(frozen=True)
class OfferCard:
    """Lay the lead's card before a free agent who has not declined it. CardOffered or NobodyToOffer follows."""

    offer: int


@dataclass(frozen=True)
class WithdrawCard:
    """Nobody is to accept it any more."""

    offer: int


@dataclass(frozen=True)
class HuntAgent:
    """Ring this agent, or (None) the agents of the bound queue, for this call."""

    hunt: int
    agent: str | None = None


@dataclass(frozen=True)
class HoldAgent:
    """The agent of that hunt waits for the lead: announcement, then hold music."""

    hunt: int


@dataclass(frozen=True)
class KeepAgent:
    """The agent of that hunt stays on the line for another lead; without one, he is let go."""

    hunt: int


@dataclass(frozen=True)
class JoinLegs:
    hunt: int


@dataclass(frozen=True)
class PlayGreeting:
    """To the lead who waits."""


@dataclass(frozen=True)
class PlayInMenu:
    """A sound for the lead, after which MenuSoundEnded(step) follows; whatever is still played ends."""

    step: int
    sound: str
    """Empty: none, but what is still played ends."""


@dataclass(frozen=True)
class ExtendHold:
    """The dialplan is to take the lead back only after so long, if the daemon dies."""

    limit: timedelta


@dataclass(frozen=True)
class NoteOptOut:
    """Onto the do-not-call list with the number, at once: the call may last for a while, and the daemon may not."""


@dataclass(frozen=True)
class MoveToQueue:
    """Let the lead wait in the bound queue with hold music."""


@dataclass(frozen=True)
class MoveToMessage:
    """Let the lead hear that nobody is free, with the key to opt out; then the call ends."""


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


CallCommand = (
    AskToDial
    | DialLead
    | OfferCard
    | WithdrawCard
    | HuntAgent
    | HoldAgent
    | KeepAgent
    | JoinLegs
    | PlayGreeting
    | PlayInMenu
    | ExtendHold
    | NoteOptOut
    | MoveToQueue
    | MoveToMessage
    | HangUpLead
    | HangUpHunt
    | Remind
)
