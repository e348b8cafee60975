"""The daemons that share a database, as they see each other."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SILENT_AFTER = timedelta(seconds=10)
"""A daemon gives a sign of life every two seconds. Who has missed so many is told apart from those that live, for people."""


class NodeState(StrEnum):
    ALIVE = "alive"
    DRAINING = "draining"  # it lives, and starts no call any more
    SILENT = "silent"  # stopped, dead, or cut off from the database


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another node on the same Asterisk, which has calls in flight."""

    id: str
    silent_for: timedelta
    """Since its last sign of life in the database."""


@dataclass(frozen=True, kw_only=True)
class Daemons:
    """Who could dial a campaign that nobody dials."""

    alive: int = 0
    draining: tuple[str, ...] = ()
    """Those of the living that people have told to start no call."""
    last_owner: str | None = None
    """Who dialed it and is heard of no more; None: nobody did, or it was handed back."""
    silent_since: datetime | None = None


def state_of(*, silent_for: timedelta, draining: bool) -> NodeState:
    if silent_for >= SILENT_AFTER:
        return NodeState.SILENT
    return NodeState.DRAINING if draining else NodeState.ALIVE
