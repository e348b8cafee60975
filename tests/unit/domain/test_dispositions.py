"""Dispositions: which lists of them make sense, and what can be said of a talk."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialerd.domain.dispositions import (
    DISPOSITIONS,
    LONGEST_CALLBACK,
    Disposition,
    DispositionEffect,
    Said,
    check,
    find,
    problems_of_dispositions,
)
from dialerd.errors import InvalidDisposition
from tests.factories import ANNA, NOON

SOLD = Disposition(code="sold", title="Sold", effect=DispositionEffect.DONE)


def test_the_usual_ones_have_every_effect_and_no_problem() -> None:
    assert problems_of_dispositions(DISPOSITIONS) == []
    assert {disposition.effect for disposition in DISPOSITIONS} == set(DispositionEffect)


@pytest.mark.parametrize(
    ("dispositions", "problem"),
    [
        ([], "name at least one"),
        ([SOLD, SOLD], "each code once"),
        ([replace(SOLD, code=f"sold{n}") for n in range(31)], "30 at most"),
        ([replace(SOLD, code="Sold!")], "a code is small letters, digits or '_', up to 40, a letter first"),
        ([replace(SOLD, title=" ")], "each has a title of up to 60 characters"),
        ([replace(SOLD, title="x" * 61)], "each has a title of up to 60 characters"),
    ],
)
def test_a_list_that_makes_no_sense_says_what_to_do(dispositions: list[Disposition], problem: str) -> None:
    assert problems_of_dispositions(dispositions) == [problem]


def test_a_disposition_is_found_by_its_code() -> None:
    assert find([SOLD], "sold") is SOLD
    assert find([SOLD], "lost") is None


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), LONGEST_CALLBACK])
def test_a_callback_is_agreed_for_a_time_to_come_within_90_days(ahead: timedelta) -> None:
    check(callback(callback_at=NOON + ahead, callback_agent=ANNA), DISPOSITIONS, now=NOON)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(code="sold", by="anna"), "there is no disposition 'sold' in this campaign; there are success,"),
        (Said(code="success", by="anna", note="x" * 2001), "2000 characters at most, these are 2001"),
        (Said(code="success", by="anna", callback_at=NOON), "success agrees no callback"),
        (Said(code="success", by="anna", callback_agent=ANNA), "success agrees no callback"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(said: Said, why: str) -> None:
    with pytest.raises(InvalidDisposition, match=why):
        check(said, DISPOSITIONS, now=NOON)


@pytest.mark.parametrize(
    ("ahead", "why"),
    [
        (None, "say at what time"),
        (timedelta(0), "is over, name a time to come"),
        (LONGEST_CALLBACK + timedelta(seconds=1), "within 90 days at most"),
    ],
)
def test_a_callback_without_a_time_that_can_be_kept_is_refused(ahead: timedelta | None, why: str) -> None:
    with pytest.raises(InvalidDisposition, match=why):
        check(callback(callback_at=NOON + ahead if ahead is not None else None), DISPOSITIONS, now=NOON)


def callback(**how: Any) -> Said:
    return replace(Said(code="callback", by="anna"), **how)
