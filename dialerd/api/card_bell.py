"""Wakes whoever waits for an agent's card or call, as soon as Postgres tells that one came, went on, or is gone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class CardBell:
    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listening(self, agent: str) -> Iterator[asyncio.Event]:
        """It is set whenever there is something new before the agent."""
        rung = asyncio.Event()
        self._listening.setdefault(agent, set()).add(rung)
        try:
            yield rung
        finally:
            self._listening[agent].discard(rung)
            if not self._listening[agent]:
                del self._listening[agent]

    def listens_for(self, agent: str) -> bool:
        """Whether somebody waits for this agent's card."""
        return agent in self._listening

    def ring(self, agent: str) -> None:
        """There is something new before this agent."""
        for rung in self._listening.get(agent, ()):
            rung.set()

    def ring_all(self) -> None:
        """Some may have been missed."""
        for agent in self._listening:
            self.ring(agent)
