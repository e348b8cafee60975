"""A process that was told to end does end. What keeps it is named in the log; then it ends as by a crash, which loses nothing."""

import asyncio
import faulthandler

import structlog

log = structlog.get_logger(__name__)

ENDS_WITHIN_S = 25.0
"""From when there is nothing left to wait for. A silent database is given up after 20 s; the units' TimeoutStopSec is longer."""
SAID_BEFORE_S = 0.5


def end_soon(within_s: float = ENDS_WITHIN_S) -> None:
    """End the process with status 1 if it has not ended by itself within so many seconds, even if its event loop does not turn any
    more: where its threads stand is on stderr then."""
    asyncio.get_running_loop().call_later(within_s - SAID_BEFORE_S, _say_what_stays)
    faulthandler.dump_traceback_later(within_s, exit=True)


def _say_what_stays() -> None:
    log.error("does_not_end", tasks=sorted(task.get_name() for task in asyncio.all_tasks()))
