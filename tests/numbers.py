"""Fictional numbers (555-01xx) whose last two digits choose their fate in the laboratory."""

from collections.abc import Iterator, Sequence
from itertools import product

# Area codes in use; 555-0100 to 555-0199 is kept for fiction in each of them.
AREA_CODES = [
    code
    for code in range(201, 990)
    if code % 100 not in (0, 11)
    and code // 10 % 10 != 9
    and code not in (710, 555, 800, 822, 833, 844, 855, 866, 877, 888)
]


def numbers(fates: Sequence[int]) -> Iterator[str]:
    """Every fictional number that has one of these fates, one area code after the other."""
    for fate, code in product(fates, AREA_CODES):
        yield f"+1{code}55501{fate:02d}"
