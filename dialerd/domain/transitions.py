"""How a life is written down as a table, and how one step in it is taken.

A table maps each state to the events that may happen in it, and each event to the next state. What is not listed
cannot happen.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from dialerd.errors import IllegalTransition

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def advance(table: Mapping[State, Mapping[Event, State]], state: State, event: Event) -> State:
    """The state after `event`. Raises IllegalTransition where the table does not list it."""
    try:
        return table[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None


def diagram(table: Mapping[State, Mapping[Event, State]]) -> str:
    """The table as a Mermaid state diagram. Events between the same two states share an arrow."""
    lines = ["stateDiagram-v2"]
    first = next(iter(table))
    lines.append(f"    [*] --> {first}")
    for state, moves in table.items():
        for target in dict.fromkeys(moves.values()):
            events = ", ".join(event.value for event, to in moves.items() if to is target)
            lines.append(f"    {state} --> {target}: {events}")
        if not moves:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)
