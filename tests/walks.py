"""Walks a call through events, without a PBX."""

from collections.abc import Sequence

from dialerd.domain.calls import Call, CallCommand, CallEvent, Remind
from dialerd.domain.dial_modes import step
from tests.factories import later


def play(call: Call, *events: CallEvent, after_s: float = 0) -> tuple[Call, list[CallCommand]]:
    """The call after all these events, so many seconds after noon, and every command that they led to."""
    commands: list[CallCommand] = []
    for event in events:
        call, more = step(call, event, later(after_s))
        commands += more
    return call, commands


def reminders(commands: Sequence[CallCommand]) -> list[CallEvent]:
    return [command.event for command in commands if isinstance(command, Remind)]


def orders(commands: Sequence[CallCommand]) -> list[CallCommand]:
    """Those that are carried out at once."""
    return [command for command in commands if not isinstance(command, Remind)]
