"""The whole web site over a database of its own, for browsers and for NiceGUI's own harness."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dialerd.api.app import listen, serve_on
from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.portal import site
from dialerd.settings import MediaSettings, Settings
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores


def parts_over(pool: Pool) -> Parts:
    return Parts(
        stores=Stores(pool, profiles()),
        settings=Settings(media=MediaSettings(folder=Path("/nowhere/dialerd-media"))),
        clock=SYSTEM_CLOCK,
    )


@asynccontextmanager
async def served(parts: Parts, port: int = 0) -> AsyncIterator[str]:
    """Its address, until the end of the block."""
    async with site.opened(create_web(parts)) as app:
        listening = listen("127.0.0.1", port)
        serving = asyncio.create_task(serve_on(app, listening))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await parts.jobs.close()
