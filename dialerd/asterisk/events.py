"""Raw AMI and ARI events become call events here; nobody further inside sees a header name.

Asterisk speaks of channels. Which call a channel belongs to, and whether it is the lead's leg or an agent hunt's, is
known from the ids that we gave the channels ourselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dialerd.asterisk.variables import AGENT_LEG, LEAD_LEG
from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AgentRangOut,
    CallEvent,
    ChannelMade,
    DialFailed,
    HuntEnded,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    hunt_channel_id,
    hunt_queue_channel_id,
)

Headers = Mapping[str, str]
RINGING, UP = "5", "6"  # ChannelState


@dataclass
class Leg:
    """A channel that we asked for. `hunt` 0 is the lead's leg; `name` is the channel's once Asterisk has made it."""

    attempt: UUID
    hunt: int = 0
    name: str = ""


@dataclass(frozen=True)
class CallNews:
    attempt: UUID
    event: CallEvent


class EventReader:
    """Knows the legs of the calls in flight, and reads what the events say of them."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}

    def watch_lead(self, attempt: UUID, *, channel: str = "") -> None:
        """`channel` is the name of the lead's channel where Asterisk has made it already."""
        leg = self._legs.setdefault(str(attempt), Leg(attempt))
        leg.name = channel or leg.name

    def watch_hunt(self, attempt: UUID, hunt: int) -> None:
        for channel in (hunt_channel_id(attempt, hunt), hunt_queue_channel_id(attempt, hunt)):
            self._legs.setdefault(str(channel), Leg(attempt, hunt))

    def forget(self, attempt: UUID) -> None:
        self._legs = {channel: leg for channel, leg in self._legs.items() if leg.attempt != attempt}

    def channel_name(self, attempt: UUID) -> str | None:
        """The name of the lead's channel, once it is known."""
        leg = self._legs.get(str(attempt))
        return leg.name or None if leg else None

    def read_ami(self, name: str, headers: Headers) -> CallNews | None:
        """What the event says of one of our calls; None if it says nothing."""
        if name == "OriginateResponse":
            return self._originate_response(headers)
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

    def read_ari(self, event: Mapping[str, Any]) -> CallNews | None:
        if event.get("type") != "StasisStart":
            return None
        channel = event["channel"]
        leg = self._legs.get(channel["id"])
        if leg is None:
            return None
        kind = event["args"][:1]
        if kind == [LEAD_LEG]:
            leg.name = channel["name"]
            return CallNews(leg.attempt, LeadHeld())
        return CallNews(leg.attempt, AgentAnswered(leg.hunt)) if kind == [AGENT_LEG] else None


def _new_channel(leg: Leg, headers: Headers) -> CallEvent | None:
    leg.name = headers.get("Channel", "")
    return None if leg.hunt else ChannelMade()


def _new_state(leg: Leg, headers: Headers) -> CallEvent | None:
    if leg.hunt:
        return None
    state = headers.get("ChannelState")
    return LeadRang() if state == RINGING else LeadAnswered() if state == UP else None


def _hangup(leg: Leg, headers: Headers) -> CallEvent | None:
    if not leg.hunt:
        return LeadLeft(cause=_number(headers.get("Cause")), tech_cause=headers.get("TechCause") or None)
    # The near half alone speaks for the hunt; the far half ends with it.
    near = str(hunt_channel_id(leg.attempt, leg.hunt)) == headers["Uniqueid"]
    return HuntEnded(leg.hunt) if near else None


def _queue_join(leg: Leg, headers: Headers) -> CallEvent | None:
    return None if leg.hunt else LeadQueued()


def _agent_called(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentRang(headers.get("Interface", ""))


def _agent_rang_out(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentRangOut(headers.get("Interface", ""))


def _agent_connected(leg: Leg, headers: Headers) -> CallEvent | None:
    return AgentConnected(headers.get("Interface", ""), leg.hunt)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


_AMI_READERS: Mapping[str, Callable[[Leg, Headers], CallEvent | None]] = {
    "Newchannel": _new_channel,
    "Newstate": _new_state,
    "Hangup": _hangup,
    "QueueCallerJoin": _queue_join,
    "AgentCalled": _agent_called,
    "AgentRingNoAnswer": _agent_rang_out,
    "AgentConnect": _agent_connected,
}
