"""A PBX that does what it is told, and writes down what that was."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from dialerd.domain.attempts import LostAttempt
from dialerd.domain.calls import Call, LiveChannel
from dialerd.domain.recordings import RecordingFile


@dataclass
class FakeTelephony:
    """Fulfils the port Telephony. `failures` says which command fails, and how often: each takes the next of its list."""

    journal: list[str] = field(default_factory=list)
    up: bool = True
    dialed: list[UUID] = field(default_factory=list)
    dialed_at: list[float] = field(default_factory=list)
    """By the loop's clock."""
    failures: defaultdict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, asyncio.Event] = field(default_factory=dict)
    """Commands that get no answer before something happens."""
    channels: dict[UUID, LiveChannel] = field(default_factory=dict)
    followed: dict[UUID, str] = field(default_factory=dict)
    """The calls whose channels are listened to, with the name of the lead's channel."""
    opted_out: dict[UUID, datetime] = field(default_factory=dict)
    """What the dialplan has written down."""
    sounds: set[str] = field(default_factory=set)
    recordings: dict[str, RecordingFile] = field(default_factory=dict)
    """The complete ones, by name."""
    lost_attempts: dict[UUID, LostAttempt] = field(default_factory=dict)
    """What the leads' channels say of their attempts."""
    hung_up_legs: list[UUID] = field(default_factory=list)
    signs: dict[str, str] = field(default_factory=dict)
    """What each node has left in Asterisk."""

    async def dial(self, call: Call) -> None:
        self.followed[call.id] = ""
        self.dialed.append(call.id)
        self.dialed_at.append(asyncio.get_running_loop().time())
        await self._do("dial")

    async def hunt_agent(self, call: Call, hunt: int, agent: str | None = None) -> None:
        """In the journal `hunt 1`, or `hunt 1 PJSIP/anna`."""
        await self._do("hunt", hunt, agent)

    async def hold_agent(self, call: Call, hunt: int) -> None:
        await self._do("hold agent", hunt)

    async def join_legs(self, call: Call, hunt: int) -> None:
        await self._do("join", hunt)

    async def play_greeting(self, call: Call) -> None:
        await self._do("play greeting")

    async def play_in_menu(self, call: Call, step: int, sound: str) -> None:
        """In the journal `play in menu 1 menu/hello`."""
        await self._do("play in menu", step, sound)

    async def extend_hold(self, call: Call, limit: timedelta) -> None:
        """In the journal `extend hold 65`: seconds."""
        await self._do("extend hold", f"{limit.total_seconds():g}")

    async def lift_hold_limit(self, call: Call) -> None:
        await self._do("lift hold limit")

    async def move_to_queue(self, call: Call) -> None:
        await self._do("move to queue")

    async def move_to_message(self, call: Call) -> None:
        await self._do("move to message")

    async def hang_up_lead(self, call: Call) -> None:
        await self._do("hang up lead")

    async def hang_up_hunt(self, call: Call, hunt: int) -> None:
        await self._do("hang up hunt", hunt)

    async def hang_up_leg(self, leg: UUID) -> None:
        self.hung_up_legs.append(leg)
        await self._do("hang up leg")

    async def clear_away(self, call: Call) -> None:
        self.followed.pop(call.id, None)
        await self._do("clear away")

    def follow(self, call: Call, *, lead_channel: str = "") -> None:
        self.followed[call.id] = lead_channel or self.followed.get(call.id, "")

    async def live_channels(self) -> Mapping[UUID, LiveChannel]:
        await self._do("live channels")
        return dict(self.channels)

    async def lost_attempt(self, channel: UUID) -> LostAttempt | None:
        await self._do("lost attempt")
        return self.lost_attempts.get(channel)

    async def entity_id(self) -> str:
        await self._do("entity id")
        return "02:00:00:00:00:01"

    async def leave_sign(self, node: str, value: str) -> None:
        self.signs[node] = value

    async def sign_of(self, node: str) -> str:
        return self.signs.get(node, "")

    async def opt_outs(self) -> Mapping[UUID, datetime]:
        await self._do("opt-outs")
        return dict(self.opted_out)

    async def has_sound(self, name: str) -> bool:
        await self._do("has sound", name)
        return name in self.sounds

    async def fetch_recording(self, name: str) -> RecordingFile | None:
        await self._do("fetch recording", name)
        return self.recordings.get(name)

    async def delete_recording(self, name: str) -> None:
        await self._do("delete recording", name)
        self.recordings.pop(name, None)

    async def _do(self, command: str, *with_what: int | str | None) -> None:
        """`failures` and `answers` know the command alone; the journal also says with what."""
        self.journal.append(" ".join([command, *(str(what) for what in with_what if what is not None)]))
        await asyncio.sleep(0)
        if command in self.answers:
            await self.answers[command].wait()
        if self.failures[command]:
            raise self.failures[command].pop(0)

    def put(self, *channels: LiveChannel) -> None:
        self.channels.update({channel.id: channel for channel in channels})


def a_lead_channel(
    call: Call, *, ringing: bool = False, up: bool = True, application: str = "Stasis", bridged: bool = False
) -> LiveChannel:
    """By default the channel of a lead who has answered and is held by us."""
    return LiveChannel(
        id=call.id, name="PJSIP/carrier-01", ringing=ringing, up=up, application=application, bridged=bridged
    )


def a_hunt_channel(call: Call, hunt: int = 1, *, answered: bool = False, bridged: bool = False) -> LiveChannel:
    return LiveChannel(
        id=call.agent_leg(hunt),
        name="Local/sales@dialerd-hunt-01;1",
        ringing=not answered,
        up=answered,
        application="Stasis" if answered else "AppDial2",
        bridged=bridged,
    )
