"""Who has called the opt-out line while no daemon answered is on the list soon, and stays marked until that is so."""

from collections.abc import Mapping

import pytest

from dialerd.dialer.opt_out_line import OptOutLine
from dialerd.errors import AsteriskUnavailable, StoreUnavailable

FIRST, SECOND = "12025550101", "12025550102"


class Marks:
    def __init__(self, kept: Mapping[str, str], *, up: bool = True) -> None:
        self.kept = dict(kept)
        self._up = up

    async def found(self) -> Mapping[str, str]:
        if not self._up:
            raise AsteriskUnavailable
        return dict(self.kept)

    async def forget(self, number: str) -> None:
        del self.kept[number]


async def test_what_is_noted_is_forgotten_in_asterisk_and_what_is_not_stays() -> None:
    marks, noted = Marks({FIRST: "", SECOND: "other"}), list[tuple[str, str]]()

    async def note(number: str, account: str) -> bool:
        if number == FIRST:
            raise StoreUnavailable
        noted.append((number, account))
        return True

    await OptOutLine(marks=marks, note=note).look()
    assert noted == [(SECOND, "other")]
    assert marks.kept == {FIRST: ""}


async def test_an_asterisk_that_is_away_is_asked_again_later() -> None:
    async def note(number: str, account: str) -> bool:
        raise AssertionError("there is nothing to note")

    with pytest.raises(AsteriskUnavailable):
        await OptOutLine(marks=Marks({}, up=False), note=note).look()
