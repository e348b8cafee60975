"""The commands around the daemon: run it, prepare its database, check its surroundings."""

import asyncio
import gc

import structlog
import typer

from dialerd.cli.console import AsJson, complain, out, plain, print_json, say
from dialerd.cli.doors import FAILED, is_foreseen, tell
from dialerd.cli.session import session_of
from dialerd.log import configure
from dialerd.settings import Settings
from dialerd.store.embedded import database
from dialerd.store.migrate import migrate as apply_migrations

log = structlog.get_logger(__name__)


def add_to(app: typer.Typer) -> None:
    for command in (run, migrate, check):
        app.command(command.__name__)(command)


def run(context: typer.Context) -> None:
    """Run the daemon. It dials every campaign that is started, until SIGTERM or Ctrl-C."""
    session = session_of(context)
    settings = session.settings
    configure(settings.log)
    # Imported here because it takes longer than all of what the other commands need. What is loaded already is kept for good, so
    # that it is not looked through for garbage again and again meanwhile: that would be a fifth of the start.
    gc.freeze()
    from dialerd import daemon

    try:
        asyncio.run(daemon.run(settings, read_again=session.read_settings))
    except (Exception, BaseExceptionGroup) as end:
        if not is_foreseen(end):  # then the place matters, and the log is where somebody will look for it
            log.critical("dialerd_ended", exc_info=end)
        raise typer.Exit(tell(end)) from None


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
