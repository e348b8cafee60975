"""The commands around the daemon: run it, prepare its database, check its surroundings."""

import asyncio
import gc
import signal
from contextlib import suppress
from typing import Annotated

import structlog
import typer

from dialerd import systemd
from dialerd.cli.console import AsJson, complain, out, plain, print_json, say
from dialerd.cli.doors import FAILED, is_foreseen, tell
from dialerd.cli.session import session_of
from dialerd.ending import end_soon
from dialerd.log import configure
from dialerd.settings import Settings
from dialerd.store.embedded import database
from dialerd.store.migrate import migrate as apply_migrations

log = structlog.get_logger(__name__)


def add_to(app: typer.Typer) -> None:
    for command in (run, web, migrate, check):
        app.command(command.__name__)(command)


def run(
    context: typer.Context,
    with_web: Annotated[
        bool, typer.Option("--with-web", help="Serve the API in this process, too: for small sites.")
    ] = False,
) -> None:
    """Run the daemon. It dials every campaign that is started, until SIGTERM or Ctrl-C."""
    session = session_of(context)
    settings = session.settings
    configure(settings.log)
    # Imported here because it takes longer than all of what the other commands need. What is loaded already is kept for good, so
    # that it is not looked through for garbage again and again meanwhile: that would be a fifth of the start.
    gc.freeze()
    from dialerd import daemon

    try:
        asyncio.run(daemon.run(settings, read_again=session.read_settings, with_web=with_web))
    except (Exception, BaseExceptionGroup) as end:
        if not is_foreseen(end):  # then the place matters, and the log is where somebody will look for it
            log.critical("dialerd_ended", exc_info=end)
        raise typer.Exit(tell(end)) from None


def web(context: typer.Context) -> None:
    """Serve the REST API, until SIGTERM or Ctrl-C. It needs the database alone, and may run on another host than the daemon."""
    settings = session_of(context).settings
    configure(settings.log)
    from dialerd import web as server

    async def work() -> None:
        async with database(settings.database) as dsn:
            serving = asyncio.ensure_future(server.run(settings, dsn))

            def stop() -> None:
                systemd.stopping("requests that are under way end")
                end_soon()
                serving.cancel()

            for signum in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, stop)
            systemd.ready("the API is served")
            interval = systemd.watchdog_interval()
            alive = asyncio.ensure_future(systemd.stay_alive(interval)) if interval else None
            with suppress(asyncio.CancelledError):
                await serving
            if alive is not None:
                alive.cancel()

    asyncio.run(work())


def migrate(context: typer.Context) -> None:
    """Make the tables, or bring them up to date. Can be run at any time, also twice."""
    settings = session_of(context).settings

    async def work() -> list[str]:
        async with database(settings.database) as dsn:
            return await apply_migrations(dsn)

    applied = asyncio.run(work())
    say(f"applied: {', '.join(applied)}" if applied else "nothing to do: the tables are up to date")


def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Look for what dialing needs. Settings, database, Asterisk: what is missing, and what is too much."""
    settings = session_of(context).settings
    verdicts = asyncio.run(_looked_at(settings, speak=not as_json))
    if as_json:
        print_json(verdicts)
    failed = sum(not verdict["ok"] for verdict in verdicts)
    if failed:
        complain(f"dialerd: {failed} of {len(verdicts)} checks failed")
        raise typer.Exit(FAILED)


async def _looked_at(settings: Settings, *, speak: bool) -> list[dict[str, object]]:
    from dialerd.check import check as look

    verdicts = []
    async for verdict in look(settings):
        verdicts.append({"what": verdict.what, "ok": verdict.ok, "says": verdict.says})
        if speak:
            out().print(plain(f"{'ok    ' if verdict.ok else 'FAILED'}  {verdict.what}: {verdict.says}"))
    return verdicts
