"""How a command ends: what went wrong in one clear message on standard error, never a traceback, and an exit status.

0 done; 1 refused or failed; 2 the command line is wrong; 78 the settings are wrong.
"""

import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from dialerd.cli.console import complain, speak_json
from dialerd.errors import DialerdError, SettingsError

FAILED = 1
WRONG_SETTINGS = 78
"""EX_CONFIG of sysexits.h. The systemd unit does not restart a daemon that ends with it."""


EPILOG = (
    "Exit status: 0 done; 1 refused, failed, or a check that did not pass; 2 the command line is wrong; 78 the settings are wrong "
    "(systemd does not start the services again). With --json standard output is JSON alone; what went wrong is on standard error."
)
DOCUMENTS = frozenset({"run", "web", "completion", "sample", "export", "calls", "get"})
"""Commands that say nothing on standard output, or write a document of a form of its own there."""


class Doors(TyperGroup):
    """The outermost group: what any command raises on purpose passes here. Commands that merely say what they have done get `--json`,
    by which they say it as JSON: one object a line, with a `message`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _let_all_speak_json(self)

    def invoke(self, ctx: Any) -> Any:
        speak_json(False)  # of an earlier command of the same process
        try:
            return super().invoke(ctx)
        except (DialerdError, BaseExceptionGroup) as error:
            raise typer.Exit(tell(error)) from None


def _let_all_speak_json(group: Any) -> None:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            _let_all_speak_json(command)
        elif name not in DOCUMENTS and not any("--json" in parameter.opts for parameter in command.params):
            command.params.append(_json_option())


def _json_option() -> Any:
    """As typer makes it of a function's argument, but not handed to the command: what it says passes through the console."""

    def with_option(
        as_json: Annotated[
            bool, typer.Option("--json", help="Say what was done as JSON, for machines.", callback=speak_json)
        ] = False,
    ) -> None:
        pass

    alone = typer.Typer(add_completion=False)
    alone.command()(with_option)
    [option] = get_command(alone).params
    option.expose_value = False
    return option


def tell(error: BaseException) -> int:
    """Say what went wrong; the exit status that it means."""
    leaves = _leaves(error)
    for message in dict.fromkeys(_message(leaf) for leaf in leaves):
        complain(f"dialerd: {message}")
    return WRONG_SETTINGS if any(isinstance(leaf, SettingsError) for leaf in leaves) else FAILED


def is_foreseen(error: BaseException) -> bool:
    """Whether all that went wrong is what dialerd raises on purpose."""
    return all(isinstance(leaf, DialerdError) for leaf in _leaves(error))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _message(error: BaseException) -> str:
    if isinstance(error, DialerdError):
        return error.message
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {place[0].filename}:{place[0].lineno}" if place else ""
    return f"unexpected {type(error).__name__}: {error}{where}"
