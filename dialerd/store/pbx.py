"""The queues' agents and callers as daemons see them on their Asterisk: for people, never for dialing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialerd.domain.queues import SeenAgent
from dialerd.errors import NotFound
from dialerd.store.pool import Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("pbx")

FRESH_FOR = timedelta(seconds=15)
"""What a daemon has seen before that is not told: it has stopped, or its Asterisk is away."""


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """A queue that Asterisk has. Numbers are of agents, and mean nothing unless it is `known` how it stands just now."""

    name: str
    strategy: str
    """How it picks the agent whose phone rings, as Asterisk names it (ringall, rrmemory ...); empty: not told."""
    known: bool
    waiting: int | None
    """Callers who wait; those whom dialerd lets wait for an agent are not counted."""
    agents: int
    free: int
    """Who could take a call now: idle, not paused, not in wrap-up."""
    paused: int
    in_call: int


@dataclass(frozen=True, kw_only=True)
class AgentView:
    """An agent in a queue."""

    interface: str
    name: str
    state: str
    """Asterisk's device state, as domain.queues.DeviceState names it."""
    paused: bool
    pause_reason: str
    in_call: bool
    wrapup_until: datetime | None
    seen_at: datetime
    """Since when it is so."""
    pbx: str
    """Which Asterisk; empty: not known yet."""
    node: str
    """Whose sight it is."""


class PbxStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def note(
        self,
        node: str,
        *,
        agents: Sequence[SeenAgent] = (),
        gone: Collection[tuple[str, str]] = (),
        callers: Mapping[str, int] | None = None,
        gone_queues: Collection[str] = (),
        anew: bool = False,
    ) -> None:
        """What the node sees now that differs from what it told before: agents, those who are `gone` (queue, interface), callers by
        queue. `anew`: nothing of that is known to stand."""
        async with transaction(self._pool) as connection:
            if anew:
                await _sql.forget_sight(connection, node=node)
            if gone:
                queues, interfaces = zip(*gone, strict=True)
                await _sql.forget_agents(connection, node=node, queues=queues, interfaces=interfaces)
            if gone_queues:
                await _sql.forget_callers(connection, node=node, queues=list(gone_queues))
            if agents:
                await _sql.note_agents(connection, node=node, **_columns(agents))
            if callers:
                await _sql.note_callers(connection, node=node, queues=list(callers), waiting=list(callers.values()))
            await _sql.note_sight(connection, node=node)

    @store_call
    async def note_queues(self, strategies: Mapping[str, str]) -> None:
        """The queues that Asterisk has, with the strategy of each: a campaign whose queue is missing is refused its start."""
        told = {
            name: strategy for name, strategy in strategies.items() if name.isprintable() and strategy.isprintable()
        }
        await _sql.note_queues(self._pool, names=list(told), strategies=list(told.values()))

    @store_call
    async def queues(self, *, after: str = "", limit: int) -> Sequence[QueueView]:
        """By name."""
        rows = _sql.page_of_queues(self._pool, fresh_for=FRESH_FOR, name=None, after=after, page=limit)
        return [QueueView(**row) async for row in rows]

    @store_call
    async def queue(self, name: str) -> QueueView:
        """Raises NotFound."""
        rows = _sql.page_of_queues(self._pool, fresh_for=FRESH_FOR, name=name, after="", page=1)
        found = [QueueView(**row) async for row in rows]
        if not found:
            raise NotFound("queue", name)
        return found[0]

    @store_call
    async def agents(self, queue: str, *, after: str = "", limit: int) -> Sequence[AgentView]:
        """By interface; `after` is the `key_of` one."""
        rows = _sql.page_of_agents(self._pool, queue=queue, fresh_for=FRESH_FOR, after=after, page=limit)
        return [AgentView(**row) async for row in rows]


def key_of(agent: AgentView) -> str:
    """Its place in the list."""
    return f"{agent.interface} {agent.node}"


def _columns(agents: Sequence[SeenAgent]) -> dict[str, Sequence[object]]:
    return {
        "queues": [agent.queue for agent in agents],
        "interfaces": [agent.interface for agent in agents],
        "names": [agent.name for agent in agents],
        "states": [agent.device.name.lower() for agent in agents],
        "paused": [agent.paused for agent in agents],
        "pause_reasons": [agent.pause_reason for agent in agents],
        "in_call": [agent.in_call for agent in agents],
        "wrapup_until": [agent.wrapup_until for agent in agents],
        "fixed": [agent.fixed for agent in agents],
        "calls_taken": [agent.calls_taken for agent in agents],
    }
