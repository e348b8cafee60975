"""Which number a call shows."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CallerId:
    number: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class PoolNumber:
    """A number of the campaign's pool; `id` is its place in the order in which the pool was given."""

    id: int
    caller_id: CallerId
    uses: int


def round_robin(pool: Sequence[PoolNumber]) -> PoolNumber | None:
    """The number that was used least, the earlier one of equals; None where the pool is empty.

    Use counts spread the calls evenly, and survive a restart.
    """
    return min(pool, key=lambda number: (number.uses, number.id), default=None)
