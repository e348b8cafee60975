"""How a life is written down as a table, and how one step in it is taken.

A table maps each state to the events that may happen in it, and each event to the next state. What is not listed
cannot happen.
"""

from collections.abc import Iterable, Mapping
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
    """The table as a Mermaid state diagram."""
    arrows = [(state.value, to.value, event.value) for state, moves in table.items() for event, to in moves.items()]
    ends = [state.value for state, moves in table.items() if not moves]
    return drawing(next(iter(table)).value, arrows, ends)


def drawing(first: str, arrows: Iterable[tuple[str, str, str]], ends: Iterable[str]) -> str:
    """Mermaid's words for arrows of (from, to, event). Events between the same two states share an arrow."""
    events: dict[tuple[str, str], list[str]] = {}
    for state, to, event in arrows:
        events.setdefault((state, to), []).append(event)
    lines = [f"{state} --> {to}: {', '.join(names)}" for (state, to), names in events.items()]
    return "\n    ".join(["stateDiagram-v2", f"[*] --> {first}", *lines, *(f"{state} --> [*]" for state in ends)])
