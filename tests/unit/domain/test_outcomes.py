"""How the end of an unanswered call is read."""

import pytest

from dialerd.domain.outcomes import OUTCOME_OF_CAUSE, Outcome, classify_unanswered


@pytest.mark.parametrize(
    ("what_the_far_end_does", "cause", "outcome"),
    [
        ("busy", 17, Outcome.BUSY),
        ("unallocated", 1, Outcome.INVALID_NUMBER),
        ("congestion", 34, Outcome.CONGESTION),
        ("rejected", 21, Outcome.REJECTED),
        ("alerting, then 480", 19, Outcome.NO_ANSWER),
        ("ring timeout on our side", 19, Outcome.NO_ANSWER),
        ("normal end", 16, Outcome.NO_ANSWER),
        ("method not implemented (501)", 29, Outcome.CONGESTION),
        ("gateway timeout (504)", 102, Outcome.CONGESTION),
    ],
)
def test_the_cause_of_the_channels_end_decides(what_the_far_end_does: str, cause: int, outcome: Outcome) -> None:
    assert classify_unanswered(cause) is outcome, what_the_far_end_does


@pytest.mark.parametrize("cause", [None, 0, -1, 31, 999])
def test_a_cause_that_is_missing_or_strange_proves_nothing(cause: int | None) -> None:
    assert classify_unanswered(cause) is Outcome.UNKNOWN


def test_no_cause_makes_an_unanswered_call_an_answered_one() -> None:
    answered = {Outcome.CONNECTED, Outcome.ABANDONED, Outcome.HUNG_UP}
    assert answered.isdisjoint(OUTCOME_OF_CAUSE.values())


def test_no_cause_claims_what_only_the_dialer_can_know() -> None:
    """Who stopped a call, or that it never left, is not read from a cause."""
    assert {Outcome.CANCELLED, Outcome.NOT_PLACED}.isdisjoint(OUTCOME_OF_CAUSE.values())


def test_a_trunk_that_cannot_carry_calls_is_told_from_a_lead_that_cannot_be_reached() -> None:
    """The causes of a network in trouble never look like the fault of the lead or of its number."""
    of_the_network = [2, 3, 27, 34, 38, 41, 42, 44, 102]
    assert {classify_unanswered(cause) for cause in of_the_network} == {Outcome.CONGESTION}
