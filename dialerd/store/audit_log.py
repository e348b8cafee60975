"""Who changed what over the API, in the portal and by command: append-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("audit_log")

NEWEST = 2**63 - 1
"""Above every id."""


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    id: int
    at: datetime
    actor: str
    """`user anna`, `token nightly`, `command root`, or `nobody`."""
    action: str
    """The method and the route, or the command."""
    target: Mapping[str, object]
    """What it was done to: the values in the route."""
    details: Mapping[str, object]
    status: int
    """As HTTP has it; of a command 0 if it was done, else 1."""
    address: str


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What is None is not asked for."""

    actor: str | None = None
    action: str | None = None
    """How it begins."""
    since: datetime | None = None
    until: datetime | None = None
    refused: bool | None = None
    """Whether it was."""


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

    @store_call
    async def list(
        self, account_id: int, wanted: AuditFilter, *, before: int = NEWEST, most: int
    ) -> Sequence[AuditEntry]:
        """The newest first, below the id `before`."""
        rows = _sql.list_entries(
            self._pool,
            account_id=account_id,
            before=before,
            actor=wanted.actor,
            action=wanted.action,
            since=wanted.since,
            until=wanted.until,
            refused=wanted.refused,
            most=most,
        )
        return [_entry(row) async for row in rows]


def _entry(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in AuditEntry.__dataclass_fields__})
