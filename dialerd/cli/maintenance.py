"""The commands that keep an installation well: backup and restore, retention, and completion for shells."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it is meant to be found there

from dialerd.cli.console import AsJson, facts, out, print_json, say
from dialerd.cli.session import Stores, in_store, session_of
from dialerd.settings import Length
from dialerd.store import backup as backups
from dialerd.store.embedded import database
from dialerd.store.purge import SHORTEST

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]

_LENGTH: TypeAdapter[timedelta] = TypeAdapter(Length)


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def add_to(app: typer.Typer) -> None:
    for command in (backup, restore, purge, completion):
        app.command(command.__name__)(command)


def backup(
    context: typer.Context,
    file: BackupFile,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the whole database to a file, while daemons go on dialing. It holds numbers and names: keep it as you keep those.

    Recordings and sounds stay where Asterisk has them.
    """
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already: choose another name, or say --force", param_hint="FILE")
    settings = session_of(context).settings

    async def work() -> None:
        async with database(settings.database) as dsn:
            await backups.back_up(dsn, file)

    asyncio.run(work())
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        say(f"the database is in {file} ({size:,} bytes)")


def restore(
    context: typer.Context,
    file: BackupFile,
    force: Annotated[bool, typer.Option("--force", help="Replace what the database holds now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty database, all of it or nothing. Stop the services before.

    Campaigns that ran when it was made are paused: of whom they have called since, it knows nothing.
    """
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    settings = session_of(context).settings

    async def work() -> int:
        async with database(settings.database) as dsn:
            return await backups.restore(dsn, file, force=force)

    paused = asyncio.run(work())
    if as_json:
        print_json({"file": str(file), "campaigns_paused": paused})
    else:
        say(f"the database is as {file} has it; campaigns that ran are paused: {paused}. Next: `dialerd migrate`")


def purge(
    context: typer.Context,
    older_than: Annotated[str, typer.Option(metavar="TIME", help="What to remove: 90d, say, is older than 90 days.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the records of long ago, of all accounts: activity, calls of campaigns that are over, rows of recordings that are
    deleted, events that were told, jobs, the audit log, and sessions. Leads, campaigns and do-not-call lists stay."""
    until = datetime.now(UTC) - _age(older_than)

    async def work(stores: Stores) -> dict[str, int]:
        return dict(await (stores.purge.count(until) if dry_run else stores.purge.purge(until)))

    counts = in_store(context, work)
    if as_json:
        print_json({"older_than": until, "dry_run": dry_run, "rows": counts})
        return
    say(f"older than {until:%Y-%m-%d %H:%M} UTC, {'to be removed' if dry_run else 'removed'}:")
    out().print(facts({kind.replace("_", " "): count for kind, count in counts.items()}))


def _age(written: str) -> timedelta:
    try:
        age = _LENGTH.validate_python(written)
    except ValidationError:
        raise typer.BadParameter("is no length of time, like 90d", param_hint="--older-than") from None
    if age < SHORTEST:
        least = f"{SHORTEST.days}d"
        raise typer.BadParameter(f"is less than {least}: rules look back so far", param_hint="--older-than")
    return age


def completion(shell: Annotated[Shell, typer.Argument(help="Whose completion.", show_default=False)]) -> None:
    """Print what makes a shell complete commands and options: `source <(dialerd completion bash)`."""
    script = get_completion_script(prog_name="dialerd", complete_var="_DIALERD_COMPLETE", shell=shell)
    typer.echo(re.sub(r"[ \t]+$", "", script, flags=re.MULTILINE))
