"""Tells people, by way of the database, who waits in the queues and what each agent does. Nothing is dialed by it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import PbxRows, Queues
from dialerd.domain.queues import Agent, SeenAgent
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""Between two looks, and so between two writes, however much happens."""
SIGHT_S = 5.0
"""Where nothing has changed, the daemon says so after this long."""
LONGEST_TEXT = 100

Membership = tuple[str, str]
"""A queue, and the agent's interface."""


class PbxWatch:
    def __init__(self, *, rows: PbxRows, queues: Queues, clock: Clock, node: str) -> None:
        self._rows = rows
        self._queues = queues
        self._clock = clock
        self._node = node
        self._agents: Mapping[Membership, Agent] = {}
        self._callers: Mapping[str, int] = {}
        self._told_at: float | None = None
        """None: it is not known what stands in the database."""

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except DialerdError as trouble:
                self._told_at = None
                log.warning("queues_not_told", why=str(trouble))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Write what differs from what was written last. While Asterisk is away, nothing: what is there grows old, and is not shown."""
        seen = [self._queues.snapshot(name) for name in self._queues.names()]
        if not seen:
            return
        anew = self._told_at is None
        agents = {(queue.name, agent.interface): agent for queue in seen for agent in queue.agents}
        callers = {queue.name: queue.callers_waiting for queue in seen}
        was_agents, was_callers = ({}, {}) if anew else (self._agents, self._callers)
        changed = {place: agent for place, agent in agents.items() if was_agents.get(place) != agent}
        news = {queue: waiting for queue, waiting in callers.items() if was_callers.get(queue) != waiting}
        gone, gone_queues = was_agents.keys() - agents.keys(), was_callers.keys() - callers.keys()
        if changed or news or gone or gone_queues or self._is_silent():
            await self._rows.note(
                self._node,
                agents=[self._seen(queue, agent) for (queue, _), agent in changed.items()],
                gone=gone,
                callers=news,
                gone_queues=gone_queues,
                anew=anew,
            )
            await self._rows.note_queues(self._queues.strategies())
            self._agents, self._callers, self._told_at = agents, callers, self._clock.monotonic()

    def _is_silent(self) -> bool:
        return self._told_at is None or self._clock.monotonic() - self._told_at >= SIGHT_S

    def _seen(self, queue: str, agent: Agent) -> SeenAgent:
        return SeenAgent(
            queue=queue,
            interface=agent.interface,
            name=_shown(agent.name),
            device=agent.device,
            paused=agent.paused,
            pause_reason=_shown(agent.pause_reason),
            in_call=agent.in_call,
            wrapup_until=self._moment(agent.wrapup_until),
            fixed=agent.fixed,
            calls_taken=agent.calls_taken,
        )

    def _moment(self, at: float) -> datetime | None:
        """A time to come, by the wall clock."""
        left = at - self._clock.monotonic()
        return self._clock.now() + timedelta(seconds=left) if left > 0 else None


def _shown(text: str) -> str:
    """Asterisk takes any text; people get what can be printed."""
    return "".join(filter(str.isprintable, text))[:LONGEST_TEXT]
