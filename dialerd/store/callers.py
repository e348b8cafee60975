"""Leads who call back, and the agents whom their calls ring: for agents' desktops."""

from dialerd.domain.callers import Caller
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("callers")


class CallerStore:
    """Fulfils the dialer's port CallerRows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def note(self, node: str, caller: Caller) -> None:
        """Of a lead that there is no more, nothing."""
        await _sql.note_caller(
            self._pool,
            node=node,
            caller=caller.channel,
            lead_id=caller.lead_id,
            agents=list(caller.agents),
            stages=[str(stage) for stage in caller.agents.values()],
        )

    @store_call
    async def forget(self, node: str) -> None:
        """All that the node has told."""
        await _sql.forget_callers(self._pool, node=node)
