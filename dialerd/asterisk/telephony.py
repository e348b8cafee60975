"""Carries out what a call needs on the PBX: AMI originates and hangs up, ARI joins and moves the legs that were answered."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiDown, AmiRefused, InvalidAmiValue
from dialerd.asterisk.ari import Ari, AriRefused
from dialerd.asterisk.events import EventReader
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import Call, LiveChannel, bridge_id, hunt_channel_id, hunt_queue_channel_id
from dialerd.errors import CallNotPlaced

log = structlog.get_logger(__name__)

GONE = frozenset({404, 409, 410})
"""What ARI answers when the channel or bridge is no longer there, or no longer in our hands."""

MAX_NAME_BYTES = 80
"""What Asterisk keeps of a caller's name."""
MAX_NUMBER_DIGITS = 32
"""Twice what E.164 allows."""


@dataclass(frozen=True, kw_only=True)
class TrunkSettings:
    dial_template: str
    """How a number is dialed, e.g. PJSIP/{digits}@carrier; {digits} is the number without '+', {e164} with it."""
    message: str = ""
    hold_margin_s: int = 5


class Telephony:
    """Fulfils the dialer's port of the same name."""

    def __init__(self, ami: Ami, ari: Ari, reader: EventReader, *, app: str, trunk: TrunkSettings) -> None:
        self._ami = ami
        self._ari = ari
        self._reader = reader
        self._app = app
        self._trunk = trunk

    @property
    def up(self) -> bool:
        return self._ami.up.is_set() and self._ari.up.is_set()

    async def dial(self, call: Call) -> None:
        """Originate the lead's leg.

        Raises CallNotPlaced when it certainly did not leave; AsteriskUnavailable when that is not known.
        """
        self.follow(call)
        headers = {
            "ActionID": str(call.id),
            "ChannelId": str(call.id),
            "Channel": dial_string(self._trunk.dial_template, call.number),
            "Context": variables.ANSWERED_CONTEXT,
            "Exten": variables.START,
            "Priority": "1",
            "Timeout": _milliseconds(call.ring_timeout.total_seconds()),
            "CallerID": presentable(call.caller_id),
            "Async": "true",
        }
        hold = call.agent_dial_timeout.total_seconds() + self._trunk.hold_margin_s
        await self._originate(
            headers,
            {
                variables.APP: self._app,
                variables.ATTEMPT: str(call.id),
                variables.CAMPAIGN: str(call.campaign_id),
                variables.QUEUE: call.queue,
                variables.MESSAGE: self._trunk.message,
                variables.HOLD_LIMIT: str(int(hold)),
            },
        )

    async def hunt_agent(self, call: Call, hunt: int) -> None:
        """Ring agents through the bound queue: its strategy, wrap-up, skills and statistics stay its own."""
        self._reader.watch_hunt(call.id, hunt)
        timeout = call.agent_dial_timeout.total_seconds()
        near = str(hunt_channel_id(call.id, hunt))
        headers = {
            "ActionID": near,
            "ChannelId": near,
            "OtherChannelId": str(hunt_queue_channel_id(call.id, hunt)),
            "Channel": f"Local/{call.queue}@{variables.HUNT_CONTEXT}/n",
            "Context": variables.HUNTED_CONTEXT,
            "Exten": variables.START,
            "Priority": "1",
            "Timeout": _milliseconds(timeout + self._trunk.hold_margin_s),
            "CallerID": presentable(CallerId(number=call.number, name=call.lead_name)),
            "Async": "true",
        }
        await self._originate(
            headers,
            {
                variables.APP: self._app,
                variables.ATTEMPT: str(call.id),
                variables.HUNT_TIMEOUT: str(int(timeout)),
                variables.LEAD_CHANNEL: self._reader.channel_name(call.id) or "",
            },
        )

    async def join_legs(self, call: Call, hunt: int) -> None:
        bridge = str(bridge_id(call.id))
        legs = f"{call.id},{hunt_channel_id(call.id, hunt)}"
        await self._ari.call("bridges.createWithId", bridgeId=bridge, type="mixing")
        # Without the inhibition each phone would be told the other leg's caller ID, and the agent's display would change.
        await self._ari.call("bridges.addChannel", bridgeId=bridge, channel=legs, inhibitConnectedLineUpdates=True)

    async def lift_hold_limit(self, call: Call) -> None:
        """The dead man's handle of the dialplan is for calls that wait, not for those that talk."""
        await self._while_there(
            self._ari.call(
                "channels.setChannelVar", channelId=str(call.id), variable=variables.ABSOLUTE_TIMEOUT, value="0"
            )
        )

    async def move_to_queue(self, call: Call) -> None:
        await self._while_there(
            self._ari.call(
                "channels.continueInDialplan",
                channelId=str(call.id),
                context=variables.QUEUE_CONTEXT,
                extension=variables.START,
                priority=1,
            )
        )

    async def hang_up_lead(self, call: Call) -> None:
        await self._hang_up(call.id)

    async def hang_up_hunt(self, call: Call, hunt: int) -> None:
        await self._hang_up(hunt_channel_id(call.id, hunt))

    async def clear_away(self, call: Call) -> None:
        """After the call's end: its bridge, and what was remembered of it."""
        self._reader.forget(call.id)
        if call.hunts:
            await self._while_there(self._ari.call("bridges.destroy", bridgeId=str(bridge_id(call.id))))

    def follow(self, call: Call, *, lead_channel: str = "") -> None:
        """From now on the events of the call's channels are read."""
        self._reader.watch_lead(call.id, channel=lead_channel)
        for hunt in range(1, call.hunts + 1):
            self._reader.watch_hunt(call.id, hunt)

    async def live_channels(self) -> Mapping[UUID, LiveChannel]:
        """Every channel in Asterisk whose id could be one of ours."""
        rows = await self._ami.list_action("CoreShowChannels", {})
        return {channel.id: channel for channel in map(_live_channel, rows) if channel}

    async def _originate(self, headers: Mapping[str, str], channel_variables: Mapping[str, str]) -> None:
        try:
            await self._ami.action("Originate", headers, variables=channel_variables)
        except (AmiDown, AmiRefused, InvalidAmiValue) as error:
            raise CallNotPlaced(str(error)) from error

    async def _hang_up(self, channel: UUID) -> None:
        """Through AMI: it works on a channel that is not answered yet, and while ARI is away."""
        try:
            await self._ami.action("Hangup", {"Channel": str(channel), "Cause": "16"})
        except AmiRefused:
            log.debug("channel_already_gone", channel=str(channel))

    async def _while_there(self, request: Awaitable[Any]) -> None:
        """A leg that has gone meanwhile needs nothing more: its end is told by its own event."""
        try:
            await request
        except AriRefused as error:
            if error.status not in GONE:
                raise


def dial_string(template: str, number: str) -> str:
    """Which channel dials the number. Raises CallNotPlaced for what is no number: it could name other channels."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise CallNotPlaced("what is to be dialed is not a number")
    return template.format(digits=digits, e164=f"+{digits}")


def presentable(caller_id: CallerId) -> str:
    """`"name" <number>` for a CallerID header; what could end name, number or header early is left out (law L10)."""
    name = "".join(c for c in caller_id.name if c.isprintable() and c not in '"<>\\')
    name = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip()
    number = "".join(c for c in caller_id.number if c in "+0123456789")[:MAX_NUMBER_DIGITS]
    return f'"{name}" <{number}>'


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _live_channel(row: Mapping[str, str]) -> LiveChannel | None:
    try:
        channel = UUID(row.get("Uniqueid", ""))
    except ValueError:
        return None
    return LiveChannel(
        id=channel,
        name=row.get("Channel", ""),
        up=row.get("ChannelState") == "6",
        ringing=row.get("ChannelState") == "5",
        application=row.get("Application", ""),
        bridged=bool(row.get("BridgeId")),
    )
