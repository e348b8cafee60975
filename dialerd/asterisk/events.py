"""Raw AMI and ARI events become call events here; nobody further inside sees a header name.

Asterisk speaks of channels. Which call a channel belongs to, and whether it is the lead's leg or an agent hunt's, is
known from the ids that we gave the channels ourselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from dialerd.asterisk.variables import AGENT_LEG, LEAD_LEG, MESSAGE_EVENT, OPT_OUT_EVENT
from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AgentRangOut,
    AnsweredBy,
    CallEvent,
    ChannelMade,
    DialFailed,
    HuntEnded,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    MenuSoundEnded,
    MessageBegun,
    OptedOut,
    hunt_channel_id,
    hunt_queue_channel_id,
    playback_id,
)

log = structlog.get_logger(__name__)

Headers = Mapping[str, str]
RINGING, UP = "5", "6"  # ChannelState
CAUSE_DIGITS = 3

_ANSWERED_BY = {
    "HUMAN": AnsweredBy.HUMAN,
    "MACHINE": AnsweredBy.MACHINE,
    "NOTSURE": AnsweredBy.NOT_SURE,
}
"""What Asterisk's AMD says. A person who hung up meanwhile is none of them."""


@dataclass
class Leg:
    """A channel that we asked for. `hunt` 0 is the lead's leg; `name` is the channel's once Asterisk has made it."""

    attempt: UUID
    hunt: int = 0
    name: str = ""
    agent: str | None = None
    """Whose phone the channel itself is. Else the queue tells which agent it calls."""
    in_queue: bool = False
    """Whether it is a hunt's far half. The near half alone speaks for the hunt; the far half ends with it."""


@dataclass(frozen=True)
class CallNews:
    attempt: UUID
    event: CallEvent


class EventReader:
    """Knows the legs of the calls in flight, and reads what the events say of them."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}
        self._menu_sounds: dict[str, tuple[UUID, int]] = {}

    def watch_lead(self, attempt: UUID, *, channel: str = "") -> None:
        """`channel` is the name of the lead's channel where Asterisk has made it already."""
        leg = self._legs.setdefault(str(attempt), Leg(attempt))
        leg.name = channel or leg.name

    def watch_hunt(self, attempt: UUID, hunt: int, *, agent: str | None = None) -> None:
        """Through the queue, or by the phone of that agent."""
        self._legs.setdefault(str(hunt_channel_id(attempt, hunt)), Leg(attempt, hunt, agent=agent))
        self._legs.setdefault(str(hunt_queue_channel_id(attempt, hunt)), Leg(attempt, hunt, in_queue=True))

    def watch_kept(self, attempt: UUID, channel: UUID) -> None:
        """The channel of an agent who has stayed on the line from an earlier attempt: from now on the first hunt of this one."""
        leg = self._legs.setdefault(str(channel), Leg(attempt, 1))
        leg.attempt, leg.hunt = attempt, 1

    def watch_menu_sound(self, attempt: UUID, step: int) -> None:
        self._menu_sounds[str(playback_id(attempt, f"menu-{step}"))] = attempt, step

    def forget(self, attempt: UUID) -> None:
        self._legs = {channel: leg for channel, leg in self._legs.items() if leg.attempt != attempt}
        self._menu_sounds = {sound: of for sound, of in self._menu_sounds.items() if of[0] != attempt}

    def channel_name(self, attempt: UUID) -> str | None:
        """The name of the lead's channel, once it is known."""
        leg = self._legs.get(str(attempt))
        return leg.name or None if leg else None

    def read_ami(self, name: str, headers: Headers) -> CallNews | None:
        """What the event says of one of our calls; None if it says nothing."""
        if name == "OriginateResponse":
            return self._originate_response(headers)
        if name == "UserEvent":
            return self._user_event(headers)
        read = _AMI_READERS.get(name)
        leg = self._legs.get(headers.get("Uniqueid", "")) if read else None
        event = read(leg, headers) if read and leg else None
        return CallNews(leg.attempt, event) if leg and event else None

    def _originate_response(self, headers: Headers) -> CallNews | None:
        """What failed before there was a channel has no other end than this; a channel tells its end itself. Keyed by
        ActionID: with a duplicate ChannelId the Uniqueid is that of the live first call. This event does not queue behind the
        news of channels, and may overtake them."""
        leg = self._legs.get(headers.get("ActionID", ""))
        if leg is None or leg.name or headers.get("Response") != "Failure":
            return None
        return CallNews(leg.attempt, HuntEnded(leg.hunt) if leg.hunt else DialFailed())

    def _user_event(self, headers: Headers) -> CallNews | None:
        """From our dialplan, which names the attempt."""
        leg = self._legs.get(headers.get("Attempt", ""))
        event = _USER_EVENTS.get(headers.get("UserEvent", ""))
        return CallNews(leg.attempt, event()) if leg and event else None

    def read_ari(self, event: Mapping[str, Any]) -> CallNews | None:
        """As `read_ami`. What is not shaped as Asterisk describes it says nothing either: the next look at Asterisk makes up for it."""
        match event:
            case {"type": "StasisStart", "channel": {"id": str(channel), "name": str(name)}, "args": [*args]}:
                return self._entered(channel, name, [str(arg) for arg in args])
            case {"type": "ChannelDtmfReceived", "channel": {"id": str(channel)}, "digit": str(digit)}:
                return self._key(channel, digit)
            case {"type": "PlaybackFinished", "playback": {"id": str(playback)}}:
                return self._sound_over(playback)
            case {"type": "StasisStart" | "ChannelDtmfReceived" | "PlaybackFinished" as kind}:
                log.error("ari_event_not_understood", type=kind, has=sorted(map(str, event)))
                return None
            case _:
                return None

    def _entered(self, channel: str, name: str, args: Sequence[str]) -> CallNews | None:
        """Into our hands."""
        leg = self._legs.get(channel)
        if leg is None:
            return None
        kind = args[0] if args else ""
        if kind == LEAD_LEG:
            leg.name = name
            return CallNews(leg.attempt, LeadHeld(_ANSWERED_BY.get(args[2] if len(args) > 2 else "")))
        return CallNews(leg.attempt, AgentAnswered(leg.hunt)) if kind == AGENT_LEG else None

    def _key(self, channel: str, digit: str) -> CallNews | None:
        """What agents press is none of our business."""
        leg = self._legs.get(channel)
        return CallNews(leg.attempt, KeyPressed(digit)) if leg and not leg.hunt else None

    def _sound_over(self, playback: str) -> CallNews | None:
        """Played to its end, stopped, or not to be played at all: the menu goes on."""
        if playback not in self._menu_sounds:
            return None
        attempt, step = self._menu_sounds.pop(playback)
        return CallNews(attempt, MenuSoundEnded(step))


def _new_channel(leg: Leg, headers: Headers) -> CallEvent | None:
    leg.name = headers.get("Channel", "")
    return None if leg.hunt else ChannelMade()


def _new_state(leg: Leg, headers: Headers) -> CallEvent | None:
    state = headers.get("ChannelState")
    if leg.hunt:
        return _agents_phone(leg, state)
    return LeadRang() if state == RINGING else LeadAnswered() if state == UP else None


def _agents_phone(leg: Leg, state: str | None) -> CallEvent | None:
    if leg.agent is None:
        return None
    return AgentRang(leg.agent) if state == RINGING else AgentConnected(leg.agent, leg.hunt) if state == UP else None


def _hangup(leg: Leg, headers: Headers) -> CallEvent | None:
    if not leg.hunt:
        return LeadLeft(cause=_cause(headers.get("Cause")), tech_cause=headers.get("TechCause") or None)
    return None if leg.in_queue else HuntEnded(leg.hunt)


def _queue_join(leg: Leg, headers: Headers) -> CallEvent | None:
    return None if leg.hunt else LeadQueued()


def _agent_called(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentRang(headers.get("Interface", ""))


def _agent_rang_out(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentRangOut(headers.get("Interface", ""))


def _agent_connected(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentConnected(headers.get("Interface", ""), leg.hunt)


def _cause(text: str | None) -> int | None:
    """Q.850's causes have seven bits; a number that is none of them would be one that no row can hold."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= CAUSE_DIGITS else None


_USER_EVENTS: Mapping[str, Callable[[], CallEvent]] = {MESSAGE_EVENT: MessageBegun, OPT_OUT_EVENT: OptedOut}

_AMI_READERS: Mapping[str, Callable[[Leg, Headers], CallEvent | None]] = {
    "Newchannel": _new_channel,
    "Newstate": _new_state,
    "Hangup": _hangup,
    "QueueCallerJoin": _queue_join,
    "AgentCalled": _agent_called,
    "AgentRingNoAnswer": _agent_rang_out,
    "AgentConnect": _agent_connected,
}
