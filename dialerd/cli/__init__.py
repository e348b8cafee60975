"""The command line: every act of an operator, and the daemon itself. `main` is the program `dialerd`."""

import faulthandler
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # it is meant to be found there

from dialerd import __version__
from dialerd.cli import (
    accounts,
    agents,
    audit,
    audit_log,
    caller_ids,
    campaigns,
    compliance,
    config,
    crm,
    dnc,
    explain,
    install,
    leads,
    maintenance,
    media,
    menus,
    nodes,
    recordings,
    service,
    status,
    tokens,
    users,
    webhooks,
)
from dialerd.cli.console import say
from dialerd.cli.doors import EPILOG, Doors, tell
from dialerd.cli.session import Session
from dialerd.log import configure
from dialerd.settings import CONFIG_VARIABLE, LogSettings

app = typer.Typer(
    cls=Doors,
    name="dialerd",
    help="Dials campaigns of leads through Asterisk and hands answered calls to the agents of a queue.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (service, status, audit, maintenance, install):
    room.add_to(app)
for name, group in (
    ("campaign", campaigns.app),
    ("leads", leads.app),
    ("crm", crm.app),
    ("dnc", dnc.app),
    ("menu", menus.app),
    ("media", media.app),
    ("agent", agents.app),
    ("node", nodes.app),
    ("recordings", recordings.app),
    ("compliance", compliance.app),
    ("explain", explain.app),
    ("account", accounts.app),
    ("caller-ids", caller_ids.app),
    ("config", config.app),
    ("user", users.app),
    ("token", tokens.app),
    ("audit-log", audit_log.app),
    ("webhook", webhooks.app),
):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"dialerd {__version__}")
        raise typer.Exit


@app.callback()
def before_every_command(
    context: typer.Context,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with the settings.", envvar=CONFIG_VARIABLE)
    ] = None,
    account: Annotated[str, typer.Option(help="Name of the account that the command is for.")] = "default",
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    # A command speaks for itself, without a log; `run` sets up its own.
    configure(LogSettings(level="critical", format="console"))
    context.obj = Session(config_file, account)


def main() -> None:
    """Ends the process. An error that nobody foresaw is told in one line, too, with the place where it arose."""
    if sys.stderr is None:  # it was closed before we began
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    faulthandler.enable()  # whoever is sent SIGABRT, for example by systemd's watchdog, says where he stood
    completion_init()  # for `dialerd completion`; typer's own options for it would write into people's dotfiles
    try:
        app()
    except Exception as bug:  # noqa: BLE001  the last door: behind it there is only a traceback
        sys.exit(tell(bug))
