"""Agents who are there for a campaign's next call already: they have accepted a lead's card, or stayed on the line after a call.

They wait for a moment only, and never while a caller does (law L4).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from dialerd.dialer.runner_parts import RunnerParts
from dialerd.domain.calls import KeptAgent
from dialerd.domain.offers import Offer
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

KEEP_AGENT_S = 10.0
"""For how long. An agent whose answer to a card is told that long after the card's time is not called any more."""


@dataclass(frozen=True, eq=False)
class ReadyAgent:
    who: Offer | KeptAgent
    until: float
    """Monotonic seconds."""


class ReadyAgents:
    """Of one campaign. Who has accepted a card goes first, then by how long they wait."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._accepted: deque[ReadyAgent] = deque()
        self._kept: deque[ReadyAgent] = deque()

    def accept(self, offer: Offer) -> None:
        late = self._parts.clock.now() - offer.expires_at
        self._accepted.append(ReadyAgent(offer, self._until() - max(late, timedelta(0)).total_seconds()))

    def keep(self, agent: KeptAgent) -> None:
        self._kept.append(ReadyAgent(agent, self._until()))

    def _until(self) -> float:
        return self._parts.clock.monotonic() + KEEP_AGENT_S

    @property
    def first(self) -> ReadyAgent | None:
        return next(iter([*self._accepted, *self._kept]), None)

    def take(self, ready: ReadyAgent) -> None:
        """A call has begun for this agent."""
        if isinstance(ready.who, Offer):
            self._accepted.remove(ready)
            self._parts.cards.forget(ready.who)
        else:
            self._kept.remove(ready)

    async def let_late_go(self) -> None:
        now = self._parts.clock.monotonic()
        await self._let_go(ready for ready in [*self._accepted, *self._kept] if now >= ready.until)

    async def let_all_go(self) -> None:
        """Also those who become ready meanwhile."""
        while self._accepted or self._kept:
            await self._let_go([*self._accepted, *self._kept])

    async def let_go(self, ready: ReadyAgent) -> None:
        """No call comes of it for this agent."""
        await self._let_go([ready])

    async def _let_go(self, agents: Iterable[ReadyAgent]) -> None:
        agents = list(agents)
        for ready in agents:  # before the first wait: they are nobody's any more
            self.take(ready)
        for ready in agents:
            if isinstance(ready.who, Offer):
                log.info("accepted_card_not_dialed", offer=ready.who.id, agent=ready.who.agent)
            else:
                await hang_up(self._parts, ready.who)


async def hang_up(parts: RunnerParts, agent: KeptAgent) -> None:
    """Let an agent go who has stayed on the line in vain."""
    try:
        await parts.telephony.hang_up_leg(agent.leg)
    except DialerdError as trouble:
        log.warning("agent_not_let_go", leg=str(agent.leg), why=str(trouble))  # the dialplan will
