"""Runs the contexts `dialerd-custom-<moment>` of a site's own dialplan at four moments of each call, where the site has them.

Each runs in a channel of its own, so that nothing in it can hold up, change or end the call. Asterisk ends one that has not ended
after LONGEST_S.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum

import structlog

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiForbidden, AmiRefused
from dialerd.clock import set_within
from dialerd.domain.calls import AttemptState, Call
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 30.0
LONGEST_S = 30
AT_ONCE_S = 0.3
"""What a dial waits for its context to be begun."""
MOST_WAITING = 1000
"""Contexts still to be begun. Further ones are left out: the calls themselves matter more."""


class Moment(StrEnum):
    BEFORE_DIAL = "before-dial"
    ANSWERED = "answered"
    BRIDGED = "bridged"
    ENDED = "ended"


class CustomContexts:
    def __init__(self, ami: Ami) -> None:
        self._ami = ami
        self._present: frozenset[Moment] = frozenset()
        self._waiting: asyncio.Queue[tuple[Moment, Call]] = asyncio.Queue(MOST_WAITING)
        self._look_now = asyncio.Event()

    def link_changed(self) -> None:
        """Another dialplan may be there."""
        self._look_now.set()

    async def before_dial(self, call: Call) -> None:
        """Begun before the call is dialed, if Asterisk takes it at once; never raises."""
        if Moment.BEFORE_DIAL in self._present:
            with suppress(TimeoutError):
                async with asyncio.timeout(AT_ONCE_S):
                    await self._begin(Moment.BEFORE_DIAL, call)

    def moved(self, before: Call, after: Call) -> None:
        """A call has gone on: what that means is told, without waiting for it."""
        for moment in _moments(before, after):
            if moment in self._present:
                with suppress(asyncio.QueueFull):
                    self._waiting.put_nowait((moment, after))

    async def tell(self) -> None:
        """Begin what is waiting, one after the other. Never ends."""
        while True:
            await self._begin(*await self._waiting.get())

    async def watch(self) -> None:
        """Look again and again which of the contexts there are. Never ends."""
        while True:
            self._look_now.clear()
            with suppress(DialerdError):  # as they were, until Asterisk can be asked
                self._present = frozenset([moment for moment in Moment if await self._has(moment)])
            await set_within(self._look_now, LOOK_S)

    async def _has(self, moment: Moment) -> bool:
        try:
            context = variables.CUSTOM_CONTEXT_OF.format(moment=moment)
            return bool(await self._ami.list_action("ShowDialPlan", {"Context": context}))
        except AmiForbidden:
            raise
        except AmiRefused:
            return False

    async def _begin(self, moment: Moment, call: Call) -> None:
        headers = {
            "Channel": f"Local/{moment}@{variables.CUSTOM_CONTEXT}/n",
            "Application": "Wait",
            "Data": str(LONGEST_S),
            "Timeout": str(LONGEST_S * 1000),
            "Async": "true",
        }
        try:
            await self._ami.action("Originate", headers, variables=_told(moment, call))
        except DialerdError as trouble:
            log.warning("custom_context_not_begun", moment=moment, attempt=str(call.id), why=str(trouble))


def _moments(before: Call, after: Call) -> Iterator[Moment]:
    if after.answered_at and not before.answered_at:
        yield Moment.ANSWERED
    if after.connected_at and not before.connected_at:
        yield Moment.BRIDGED
    if after.state is AttemptState.ENDED and before.state is not AttemptState.ENDED:
        yield Moment.ENDED


def _told(moment: Moment, call: Call) -> dict[str, str]:
    """Ids, names and numbers alone: AMI splits what is in a variable at commas, and carries out what looks like a function."""
    talk = call.ended_at - call.connected_at if call.ended_at and call.connected_at else None
    return {
        variables.MOMENT: moment,
        variables.OF_ATTEMPT: str(call.id),
        variables.CAMPAIGN: str(call.campaign_id),
        variables.LEAD: str(call.lead_id),
        variables.NUMBER: call.number,
        variables.QUEUE: call.queue,
        variables.AGENT: call.agent or "",
        variables.OUTCOME: call.outcome or "",
        variables.TALK: f"{talk.total_seconds():.0f}" if talk else "",
    }
