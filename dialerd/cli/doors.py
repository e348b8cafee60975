"""How a command ends: what went wrong in one clear message on standard error, never a traceback, and an exit status.

0 done; 1 refused or failed; 2 the command line is wrong; 78 the settings are wrong.
"""

import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from dialerd.cli.console import complain
from dialerd.errors import DialerdError, SettingsError

FAILED = 1
WRONG_SETTINGS = 78
"""EX_CONFIG of sysexits.h. The systemd unit does not restart a daemon that ends with it."""


class Doors(TyperGroup):
    """The outermost group: what any command raises on purpose passes here."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (DialerdError, BaseExceptionGroup) as error:
            raise typer.Exit(tell(error)) from None


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
