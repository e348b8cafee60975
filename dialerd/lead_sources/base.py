"""What every source of leads hands over: rows that are leads, and rows that are not with all that is wrong in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dialerd.domain.leads import NewLead
from dialerd.domain.phone import mask
from dialerd.errors import DialerdError
from dialerd.privacy import mask_numbers_in

SHOWN = 40
"""Characters of a value that a report repeats."""


class UnreadableSource(DialerdError):
    """The source as a whole cannot be read. Not one row of it was used."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        super().__init__("\n".join([f"{source} cannot be read:", *(f"  - {problem}" for problem in problems)]))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """What is wrong with one value. A `value` that may be a phone number is masked."""

    column: str
    value: str
    reason: str


class GoodRow(NamedTuple):  # there are as many as rows, and it is made many times faster than a frozen dataclass
    line: int
    lead: NewLead


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """`line` is where the row begins, counted as an editor counts."""

    line: int
    flaws: tuple[Flaw, ...]


def printable(value: str) -> str:
    """The value as a report may repeat it: short, and without what a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:SHOWN])


def shown_text(value: str) -> str:
    """What was given as anything but a phone number; one that stands in it nevertheless is masked."""
    return mask_numbers_in(printable(value))


def shown_number(value: str) -> str:
    """What was given as a phone number; masked as soon as there are digits in it."""
    text = printable(value)
    return mask(text) if any(c.isdecimal() for c in text) else text
