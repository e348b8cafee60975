"""What a command changes is written into the audit log, as the API does: with the operating system's user who has called it."""

import getpass
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from dialerd.cli.doors import FAILED
from dialerd.cli.session import Stores

DONE = 0


@asynccontextmanager
async def audited(
    stores: Stores, action: str, target: Mapping[str, object], details: Mapping[str, object] | None = None
) -> AsyncIterator[dict[str, object]]:
    """`action` as it is typed in: `user add`. What is to be known beside may be added while it is done; never secrets."""
    account_id, told, status = (await stores.account()).id, dict(details or {}), FAILED
    try:
        yield told
        status = DONE
    finally:
        await stores.audit_log.write(
            account_id, actor=commander(), action=action, target=target, details=told, status=status
        )


def commander() -> str:
    """Who has called the command, as the audit log says it."""
    try:
        return f"command {getpass.getuser()}"
    except (KeyError, OSError):
        return f"command {os.getuid()}"
