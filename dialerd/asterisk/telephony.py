"""Carries out what a call needs on the PBX: AMI originates and hangs up, ARI plays to, joins and moves the legs that were answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never
from uuid import UUID, uuid4

import structlog

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiDown, AmiForbidden, AmiLeaving, AmiRefused, InvalidAmiValue
from dialerd.asterisk.ari import Ari, AriRefused, InvalidAriValue
from dialerd.asterisk.events import EventReader
from dialerd.asterisk.lead_data import phone_headers, plain
from dialerd.asterisk.recorded_sound import SoundReader
from dialerd.domain.attempts import LostAttempt
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import (
    Call,
    CallFlow,
    LiveChannel,
    bridge_id,
    hunt_queue_channel_id,
    playback_id,
)
from dialerd.domain.campaigns import is_interface
from dialerd.domain.menus import is_sound_name
from dialerd.domain.recordings import RecordingFile
from dialerd.errors import CallNotPlaced, LegGone

log = structlog.get_logger(__name__)

NOT_FOUND = 404
GONE = frozenset({NOT_FOUND, 409, 410})
"""What ARI answers when the channel or bridge is no longer there, or no longer in our hands."""

MAX_NAME_BYTES = 80
"""What Asterisk keeps of a caller's name."""
MAX_NUMBER_DIGITS = 32
"""Twice what E.164 allows."""
DETECTION_S = 5
"""How long Asterisk may listen for a machine: total_analysis_time of amd.conf, as it is shipped."""
TRIALS = 2
"""How often a sound is tried. One that is over before we look whether it is played cannot be told from one that is missing."""
PLAYING = "playing"


@dataclass(frozen=True, kw_only=True)
class TrunkSettings:
    dial_templates: Mapping[str, str]
    """By the trunk's name how a number is dialed, e.g. PJSIP/{digits}@carrier; {digits} is the number without '+', {e164} with it."""
    message: str = ""
    hold_margin_s: int = 5


class Telephony:
    """Fulfils the dialer's port of the same name."""

    def __init__(
        self,
        ami: Ami,
        ari: Ari,
        reader: EventReader,
        *,
        app: str,
        trunk: TrunkSettings,
        before_dial: Callable[[Call], Awaitable[None]] | None = None,
    ) -> None:
        """`before_dial` is called right before each lead is dialed, and never raises."""
        self._before_dial = before_dial
        self._ami = ami
        self._ari = ari
        self._reader = reader
        self._app = app
        self._trunk = trunk

    @property
    def up(self) -> bool:
        return self._ami.up.is_set() and self._ari.up.is_set()

    # --- legs ---

    async def dial(self, call: Call) -> None:
        """Originate the lead's leg.

        Raises CallNotPlaced when it certainly did not leave; AsteriskUnavailable when that is not known.
        """
        self.follow(call)
        if self._before_dial is not None:
            await self._before_dial(call)
        await self._originate(
            str(call.id),
            context=variables.ANSWERED_CONTEXT,
            timeout_s=call.ring_timeout.total_seconds(),
            headers={
                "Channel": dial_string(self._template_of(call), call.number),
                "CallerID": presentable(call.caller_id),
            },
            channel_variables={
                variables.ATTEMPT: str(call.id),
                variables.CAMPAIGN: str(call.campaign_id),
                variables.QUEUE: call.queue,
                variables.RECORD: _record(call, self._app),
                variables.MESSAGE: self._trunk.message,
                variables.HOLD_LIMIT: _seconds(self._hold_limit(call)),
                **_switches(call),
                **_lead_variables(call),
            },
        )

    def _template_of(self, call: Call) -> str:
        try:
            return self._trunk.dial_templates[call.trunk]
        except KeyError:
            raise CallNotPlaced(f"the settings know no trunk {call.trunk!r}") from None

    async def hunt_agent(self, call: Call, hunt: int, agent: str | None = None) -> None:
        """Ring that agent's phone, or agents through the bound queue: its strategy, wrap-up, skills and statistics stay its own."""
        if agent is not None and not is_interface(agent):
            raise CallNotPlaced("what is to be rung is not an agent's phone")
        self._reader.watch_hunt(call.id, hunt, agent=agent)
        near = str(call.agent_leg(hunt))
        far = str(hunt_queue_channel_id(call.id, hunt))
        queue = {"Channel": f"Local/{call.queue}@{variables.HUNT_CONTEXT}/n", "OtherChannelId": far}
        await self._originate(
            near,
            context=variables.HUNTED_CONTEXT,
            timeout_s=call.agent_dial_timeout.total_seconds() + self._trunk.hold_margin_s,
            headers={
                **(queue if agent is None else {"Channel": agent}),
                "CallerID": presentable(_shown_to_agents(call)),
            },
            channel_variables={
                variables.ATTEMPT: str(call.id),
                variables.HUNT_TIMEOUT: _seconds(call.agent_dial_timeout),
                variables.LEAD_CHANNEL: (self._reader.channel_name(call.id) or "") if call.held else "",
                variables.AGENT_LIMIT: _seconds(self._agent_limit(call)),
                **(_lead_variables(call) if agent is None else _phone_variables(call, agent)),
            },
        )

    async def hang_up_lead(self, call: Call) -> None:
        await self._hang_up(call.id)

    async def hang_up_hunt(self, call: Call, hunt: int) -> None:
        await self._hang_up(call.agent_leg(hunt))

    async def hang_up_leg(self, leg: UUID) -> None:
        await self._hang_up(leg)

    async def hold_agent(self, call: Call, hunt: int) -> None:
        """The dead man's handle of the leg is taken anew: one who has stayed from another call is on it already."""
        leg = call.agent_leg(hunt)
        try:
            await self._set_timeout(leg, self._agent_limit(call))
            if call.agent_announcement:
                await self._stop_music(leg)
                await self._play(leg, call.agent_announcement, playback_id(call.id, f"announcement-{hunt}"))
            await self._ari.call("channels.startMoh", channelId=str(leg))
        except AriRefused as error:
            if error.status in GONE:
                raise LegGone from error
            raise

    async def join_legs(self, call: Call, hunt: int) -> None:
        """What is still played ends first: Asterisk would join the leg only when its sound is over."""
        bridge, leg = str(bridge_id(call.id)), call.agent_leg(hunt)
        await asyncio.gather(
            self._ari.call("bridges.createWithId", bridgeId=bridge, type="mixing"),
            *map(self._stop_sound, _sounds_in_the_way(call, hunt)),
            *([self._stop_music(leg)] if call.flow is CallFlow.AGENT_FIRST else []),
        )
        # Without the inhibition each phone would be told the other leg's caller ID, and the agent's display would change.
        await self._ari.call(
            "bridges.addChannel", bridgeId=bridge, channel=f"{call.id},{leg}", inhibitConnectedLineUpdates=True
        )

    # --- sounds for the lead ---

    async def play_greeting(self, call: Call) -> None:
        await self._while_there(self._play(call.id, call.greeting, playback_id(call.id, "greeting")))

    async def play_in_menu(self, call: Call, step: int, sound: str) -> None:
        self._reader.watch_menu_sound(call.id, step)
        await self._stop_sound(playback_id(call.id, f"menu-{step - 1}"))
        if sound:
            await self._while_there(self._play(call.id, sound, playback_id(call.id, f"menu-{step}")))

    # --- the dead man's handles ---

    async def extend_hold(self, call: Call, limit: timedelta) -> None:
        with suppress(LegGone):
            await self._set_timeout(call.id, limit)

    async def lift_hold_limit(self, call: Call) -> None:
        """The dead man's handles of the dialplan are for legs that wait, not for those that talk."""
        for leg in (call.id, call.agent_leg(call.hunts)):
            with suppress(LegGone):
                await self._set_timeout(leg, timedelta(0))

    async def move_to_queue(self, call: Call) -> None:
        await self._move(call, variables.QUEUE_CONTEXT)

    async def move_to_message(self, call: Call) -> None:
        await self._move(call, variables.MESSAGE_CONTEXT)

    # --- what is known of calls ---

    async def clear_away(self, call: Call) -> None:
        """After the call's end: its bridge, and what was remembered of it."""
        self._reader.forget(call.id)
        if call.hunts:
            await self._while_there(self._ari.call("bridges.destroy", bridgeId=str(bridge_id(call.id))))

    def follow(self, call: Call, *, lead_channel: str = "") -> None:
        """From now on the events of the call's channels are read."""
        self._reader.watch_lead(call.id, channel=lead_channel)
        if call.kept_leg is not None:
            self._reader.watch_kept(call.id, call.kept_leg)
        for hunt in range(1, call.hunts + 1):
            if call.kept_leg is None or hunt > 1:
                self._reader.watch_hunt(call.id, hunt, agent=call.agent if hunt == call.wanted_hunt else None)

    async def live_channels(self) -> Mapping[UUID, LiveChannel]:
        """Every channel in Asterisk whose id could be one of ours."""
        rows = await self._ami.list_action("CoreShowChannels", {})
        return {channel.id: channel for channel in map(_live_channel, rows) if channel}

    async def lost_attempt(self, channel: UUID) -> LostAttempt | None:
        """As the channel was told when it was dialed, for a database that has forgotten it. Those of other daemons are theirs."""
        try:
            record = await self._variable(channel, variables.RECORD)
            queue = await self._variable(channel, variables.QUEUE)
        except AmiForbidden:
            raise
        except AmiRefused:  # it has gone meanwhile
            return None
        return _lost_attempt(channel, record, queue, self._app)

    async def _variable(self, channel: UUID, name: str) -> str:
        return (await self._ami.action("Getvar", {"Channel": str(channel), "Variable": name})).get("Value", "")

    async def entity_id(self) -> str:
        """It is Asterisk's own: made of the host's network card, or set as `entityid` in asterisk.conf."""
        info = await self._ari.call("asterisk.getInfo", only="system")
        return str(info["system"]["entity_id"])

    async def leave_sign(self, node: str, value: str) -> None:
        await self._ari.call("asterisk.setGlobalVar", variable=_sign_of(node), value=value)

    async def sign_of(self, node: str) -> str:
        found = await self._ari.call("asterisk.getGlobalVar", variable=_sign_of(node))
        return str(found["value"])

    async def opt_outs(self) -> Mapping[UUID, datetime]:
        """As the dialplan has written them into Asterisk's database."""
        try:
            rows = await self._ami.list_action("DBGetTree", {"Family": variables.OPT_OUT_FAMILY})
        except AmiForbidden:
            raise
        except AmiRefused:  # there are none
            return {}
        return dict(found for row in rows if (found := _opt_out(row)) is not None)

    # --- sounds and recordings ---

    async def has_sound(self, name: str) -> bool:
        """Asterisk's own list knows the sounds of a language. Those without one are tried, in a bridge with nobody in it."""
        if not is_sound_name(name):
            return False
        try:
            await self._ari.call("sounds.get", soundId=name)
        except AriRefused as error:
            if error.status != NOT_FOUND:
                raise
            return await self._can_be_played(name)
        return True

    async def fetch_recording(self, name: str) -> RecordingFile | None:
        sound = SoundReader()
        try:
            await self._ari.download_recording(name, sound.take)
        except AriRefused as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return sound.complete()

    async def delete_recording(self, name: str) -> None:
        await self._while_there(self._ari.call("recordings.deleteStored", recordingName=name))

    async def _can_be_played(self, sound: str) -> bool:
        bridge = str(uuid4())
        await self._ari.call("bridges.createWithId", bridgeId=bridge, type="holding")
        try:
            for _ in range(TRIALS):
                if await self._is_played(bridge, sound):
                    return True
            return False
        finally:
            await self._while_there(self._ari.call("bridges.destroy", bridgeId=bridge))

    async def _is_played(self, bridge: str, sound: str) -> bool:
        """What cannot be played is gone at once; what can be, is queued at first."""
        playback = str(uuid4())
        await self._ari.call("bridges.playWithId", bridgeId=bridge, playbackId=playback, media=f"sound:{sound}")
        try:
            while (await self._ari.call("playbacks.get", playbackId=playback))["state"] != PLAYING:
                pass
        except AriRefused as error:
            if error.status != NOT_FOUND:
                raise
            return False
        await self._stop_sound(UUID(playback))
        return True

    # --- how it is done ---

    def _hold_limit(self, call: Call) -> timedelta:
        """For how long a lead who has answered may be in our hands before something is to have happened."""
        match call.flow:
            case CallFlow.PROGRESSIVE | CallFlow.PREVIEW:  # who has accepted a card is given time of his own
                patience = call.agent_dial_timeout
            case CallFlow.MENU | CallFlow.AGENT_FIRST:  # the menu renews it; the agent is there already
                patience = timedelta(0)
            case _:
                assert_never(call.flow)
        return patience + self._margin

    def _agent_limit(self, call: Call) -> timedelta:
        """For how long an agent may be in our hands without a lead. Never less than the lead's own limit, so that the dialplan can
        still join the two."""
        if call.flow is not CallFlow.AGENT_FIRST:
            return call.agent_dial_timeout + self._margin
        detection = timedelta(seconds=DETECTION_S if call.detect_machine else 0)
        return call.ring_timeout + detection + 2 * self._margin

    @property
    def _margin(self) -> timedelta:
        return timedelta(seconds=self._trunk.hold_margin_s)

    async def _originate(
        self,
        channel: str,
        *,
        context: str,
        timeout_s: float,
        headers: Mapping[str, str],
        channel_variables: Mapping[str, str],
    ) -> None:
        common = {
            "ActionID": channel,
            "ChannelId": channel,
            "Context": context,
            "Exten": variables.START,
            "Priority": "1",
            "Timeout": str(int(timeout_s * 1000)),
            "Async": "true",
        }
        try:
            await self._ami.action(
                "Originate", {**common, **headers}, variables={variables.APP: self._app, **channel_variables}
            )
        except (AmiDown, AmiRefused, InvalidAmiValue) as error:
            raise CallNotPlaced(str(error)) from error

    async def _play(self, leg: UUID, sound: str, playback: UUID) -> None:
        if not is_sound_name(sound):
            raise InvalidAriValue(f"{sound!r} is no name of a sound")
        await self._ari.call(
            "channels.playWithId", channelId=str(leg), playbackId=str(playback), media=f"sound:{sound}"
        )

    async def _stop_sound(self, playback: UUID) -> None:
        await self._while_there(self._ari.call("playbacks.stop", playbackId=str(playback)))

    async def _stop_music(self, leg: UUID) -> None:
        await self._while_there(self._ari.call("channels.stopMoh", channelId=str(leg)))

    async def _set_timeout(self, leg: UUID, after: timedelta) -> None:
        """Through AMI: it acts at once, where ARI would wait for the end of the sound that is played. Raises LegGone."""
        variable = {"Variable": variables.ABSOLUTE_TIMEOUT, "Value": _seconds(after)}
        try:
            await self._ami.action("Setvar", {"Channel": str(leg), **variable})
        except AmiForbidden:
            raise
        except AmiLeaving:
            name, value = variables.ABSOLUTE_TIMEOUT, _seconds(after)
            await self._while_there(
                self._ari.call("channels.setChannelVar", channelId=str(leg), variable=name, value=value)
            )
        except AmiRefused as refusal:
            raise LegGone from refusal

    async def _move(self, call: Call, context: str) -> None:
        await self._while_there(
            self._ari.call(
                "channels.continueInDialplan",
                channelId=str(call.id),
                context=context,
                extension=variables.START,
                priority=1,
            )
        )

    async def _hang_up(self, channel: UUID) -> None:
        """Through AMI: it works on a channel that is not answered yet, and while ARI is away. While an Asterisk that shuts down
        waits for its calls to end, only ARI still serves them."""
        try:
            await self._ami.action("Hangup", {"Channel": str(channel), "Cause": "16"})
        except AmiLeaving:
            await self._while_there(self._ari.call("channels.hangup", channelId=str(channel)))
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


def _shown_to_agents(call: Call) -> CallerId:
    """Who calls, on an agent's phone. A number that agents must not see is replaced by the one that the lead was shown."""
    return CallerId(number=call.caller_id.number if call.mask_number else call.number, name=call.lead.name)


def _switches(call: Call) -> dict[str, str]:
    """What the dialplan does with the lead's leg besides; what is not asked for is left out."""
    agent = str(call.agent_leg(call.hunts)) if call.flow is CallFlow.AGENT_FIRST and call.hunts else ""
    wanted = {
        variables.MASK: variables.ON if call.mask_number else "",
        variables.RECORDING: call.recording,
        variables.RECORD_ALL: variables.ON if call.recording and call.flow is CallFlow.MENU else "",
        variables.DETECT_MACHINE: variables.ON if call.detect_machine else "",
        variables.AGENT_CHANNEL: agent,
    }
    return {name: value for name, value in wanted.items() if value}


def _lead_variables(call: Call) -> dict[str, str]:
    """What a queue's agents may be told, or chosen by; inherited by whatever the queue rings."""
    told = {variables.SKILL: plain(call.lead.skill), variables.EXTENSION: plain(call.lead.extension)}
    for n, (name, value) in enumerate(phone_headers(call), start=1):
        told[variables.HEADER.format(n=n)] = f"{name}:{value}"
    return {name: value for name, value in told.items() if value}


def _phone_variables(call: Call, agent: str) -> dict[str, str]:
    """The same for the phone of one agent. Only a PJSIP channel has these headers."""
    headers = phone_headers(call) if agent.startswith("PJSIP/") else []
    return {variables.SIP_HEADER.format(name=name): value for name, value in headers}


def _sounds_in_the_way(call: Call, hunt: int) -> list[UUID]:
    """What may still be played to either leg."""
    found = []
    if call.greeting:
        found.append(playback_id(call.id, "greeting"))
    if call.menu_step:
        found.append(playback_id(call.id, f"menu-{call.menu_step}"))
    if call.flow is CallFlow.AGENT_FIRST and call.agent_announcement:
        found.append(playback_id(call.id, f"announcement-{hunt}"))
    return found


def _record(call: Call, app: str) -> str:
    """What the row of the attempt says, for the channel to keep: app/campaign/lead/flow/trunk/epoch seconds/number."""
    opened_at = f"{call.opened_at.timestamp():.6f}"
    return "/".join([app, str(call.campaign_id), str(call.lead_id), call.flow, call.trunk, opened_at, call.number])


def _lost_attempt(channel: UUID, record: str, queue: str, app: str) -> LostAttempt | None:
    """None: it was not dialed by us."""
    try:
        dialed_by, campaign_id, lead_id, flow, trunk, opened_at, number = record.split("/")
        if dialed_by != app:
            return None
        return LostAttempt(
            id=channel,
            campaign_id=int(campaign_id),
            lead_id=int(lead_id),
            number=number,
            flow=CallFlow(flow),
            trunk=trunk,
            opened_at=datetime.fromtimestamp(float(opened_at), UTC),
            queue=queue,
            caller_id=CallerId(number="", name=""),
        )
    except (ValueError, OverflowError):
        return None


def _sign_of(node: str) -> str:
    return variables.SIGN_OF_NODE.format(name=node.encode().hex())


def _seconds(span: timedelta) -> str:
    return str(int(span.total_seconds()))


def _opt_out(row: Mapping[str, str]) -> tuple[UUID, datetime] | None:
    """What is neither an attempt nor a moment was not written by our dialplan."""
    try:
        return UUID(row.get("Key", "").rpartition("/")[2]), datetime.fromtimestamp(int(row.get("Val", "")), UTC)
    except (ValueError, OverflowError):
        return None


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
