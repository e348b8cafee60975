"""Who changed what over the API, in the portal and by command: append-only."""

from collections.abc import Mapping

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("audit_log")


class AuditLog:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def write(
        self,
        account_id: int | None,
        *,
        actor: str,
        action: str,
        target: Mapping[str, object],
        details: Mapping[str, object],
        status: int,
        address: str = "",
    ) -> None:
        await _sql.write_entry(
            self._pool,
            account_id=account_id,
            actor=actor,
            action=action,
            target=target,
            details=details,
            status=status,
            address=address,
        )
