"""A trunk that refuses most of what it is given is given time, and then tried with one call."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome
from dialerd.domain.trunk_breaker import (
    FIRST_PAUSE_S,
    LEAST_FAILURES,
    LONGEST_PAUSE_S,
    TRIAL_S,
    WINDOW_S,
    TrunkBreaker,
    told_by,
)
from tests.factories import a_call, a_connected_call, a_ringing_call, an_answered_call

GOOD, BAD = False, True


def after(*results: bool, every: float = 1.0, start: float = 100.0) -> TrunkBreaker:
    """A breaker that has heard these, whether each call failed, one after the other."""
    breaker = TrunkBreaker()
    for number, failed in enumerate(results):
        breaker = breaker.observe(failed=failed, now=start + number * every)
    return breaker


def is_open(breaker: TrunkBreaker) -> bool:
    return breaker.pause_s > 0


def failing(pauses: int = 1) -> tuple[TrunkBreaker, float]:
    """A breaker whose trials have failed until it is in its nth pause, and when that ends."""
    breaker = after(*[BAD] * LEAST_FAILURES)
    for _ in range(pauses - 1):
        breaker = breaker.start_call(breaker.open_until).observe(failed=True, now=breaker.open_until)
    return breaker, breaker.open_until


# --- when it opens ----------------------------------------------------------------------------------------------------


def test_five_failures_that_are_four_fifths_of_all_calls_within_a_minute_open_it() -> None:
    assert (LEAST_FAILURES, WINDOW_S) == (5, 60)
    assert is_open(after(*[BAD] * 5))
    assert is_open(after(GOOD, *[BAD] * 5))


def test_four_failures_do_not_however_bad_their_share() -> None:
    assert not is_open(after(*[BAD] * 4))


def test_nor_do_five_among_so_many_good_calls_that_the_trunk_works() -> None:
    assert not is_open(after(GOOD, GOOD, *[BAD] * 5))


def test_nor_do_failures_that_are_further_apart_than_the_minute() -> None:
    assert not is_open(after(*[BAD] * 30, every=WINDOW_S / 4))
    assert is_open(after(*[BAD] * 30, every=WINDOW_S / 4 - 0.5))


def test_good_calls_of_long_ago_do_not_speak_for_the_trunk() -> None:
    working = after(*[GOOD] * 500, every=0.1)
    for number in range(10):
        working = working.observe(failed=True, now=1000.0 + number)
    assert is_open(working)


@given(st.lists(st.booleans(), max_size=60), st.floats(min_value=0.01, max_value=20))
def test_it_opens_exactly_when_the_failures_of_the_last_minute_are_as_many_and_as_great_a_share(
    results: list[bool], every: float
) -> None:
    breaker, heard = TrunkBreaker(), list[tuple[float, bool]]()
    for number, failed in enumerate(results):
        now = 100.0 + number * every
        heard = [(at, bad) for at, bad in [*heard, (now, failed)] if at > now - WINDOW_S]
        breaker = breaker.observe(failed=failed, now=now)
        failures = [bad for _, bad in heard if bad]
        assert is_open(breaker) is (len(failures) >= 5 and len(failures) >= 0.8 * len(heard))
        if is_open(breaker):
            return


# --- while it is open -------------------------------------------------------------------------------------------------


def test_while_it_is_closed_no_call_waits() -> None:
    closed = after(*[BAD] * 4)
    assert closed.wait(109.0) == 0
    assert closed.start_call(109.0) == closed


def test_when_it_opens_calls_wait_for_five_seconds() -> None:
    breaker = after(*[BAD] * 5, every=1.0, start=105.0)
    assert breaker.wait(109.0) == FIRST_PAUSE_S == 5
    assert breaker.wait(112.0) == 2
    assert breaker.wait(114.0) == 0


def test_behind_the_pause_one_call_goes_out_and_no_second_one_while_nothing_is_heard_of_it() -> None:
    breaker, ends = failing()
    trying = breaker.start_call(ends)
    assert trying.wait(ends) == TRIAL_S
    assert trying.wait(ends + 59) == 1
    assert trying.wait(ends + TRIAL_S) == 0


def test_a_trial_that_did_not_go_out_after_all_leaves_its_place_to_another() -> None:
    breaker, ends = failing()
    assert breaker.start_call(ends).call_off().wait(ends) == 0


def test_each_trial_that_fails_doubles_the_pause_up_to_five_minutes() -> None:
    pauses = [failing(n)[0].pause_s for n in range(1, 10)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert LONGEST_PAUSE_S == 300


def test_the_longer_pause_begins_when_the_trial_has_failed() -> None:
    breaker, ends = failing()
    failed = breaker.start_call(ends).observe(failed=True, now=ends + 7)
    assert failed.wait(ends + 7) == 10
    assert failed.wait(ends + 17) == 0


@pytest.mark.parametrize("pauses", [1, 3, 9])
def test_a_good_call_closes_it_and_all_that_was_before_is_forgotten(pauses: int) -> None:
    breaker, ends = failing(pauses)
    assert breaker.start_call(ends).observe(failed=False, now=ends + 1) == TrunkBreaker()


def test_calls_that_were_on_their_way_when_it_opened_and_fail_too_make_the_pause_no_longer() -> None:
    breaker, ends = failing()
    assert breaker.observe(failed=True, now=ends - 1) == breaker
    assert breaker.observe(failed=True, now=ends + 1) == breaker


def test_but_if_one_of_them_gets_through_the_trunk_works() -> None:
    breaker, ends = failing()
    assert breaker.observe(failed=False, now=ends - 1).wait(ends - 1) == 0


# --- what a call tells of the trunk -----------------------------------------------------------------------------------


def ended(outcome: Outcome) -> Call:
    return a_call(state=AttemptState.ENDED, outcome=outcome)


@pytest.mark.parametrize("outcome", [Outcome.NOT_PLACED, Outcome.CONGESTION])
def test_a_call_that_never_left_or_that_the_network_could_not_carry_is_the_trunks_failure(outcome: Outcome) -> None:
    assert told_by(a_call(), ended(outcome)) is True


@pytest.mark.parametrize("reached", [a_ringing_call(), an_answered_call(), a_connected_call(), ended(Outcome.BUSY)])
def test_a_phone_that_rings_or_is_busy_shows_that_the_trunk_works(reached: Call) -> None:
    assert told_by(a_call(), reached) is False


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.INVALID_NUMBER])
def test_what_is_wrong_with_a_number_is_not_the_trunks_fault(outcome: Outcome) -> None:
    assert told_by(a_call(), ended(outcome)) is False


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.CANCELLED])
def test_a_call_that_we_stopped_or_lost_sight_of_says_nothing(outcome: Outcome) -> None:
    assert told_by(a_call(), ended(outcome)) is None


@pytest.mark.parametrize("cause", [18, 19, 20])
def test_a_call_that_nobody_answers_and_no_phone_rang_for_is_the_trunks_failure_until_others_show_that_it_works(
    cause: int,
) -> None:
    """408, 480, or no sign of life until the ring timeout: one switched-off phone is no more than one call of many."""
    assert told_by(a_call(), replace(ended(Outcome.NO_ANSWER), cause=cause)) is True


def test_a_call_that_we_have_hung_up_ourselves_says_nothing() -> None:
    assert told_by(a_call(), replace(ended(Outcome.NO_ANSWER), cause=16)) is None


def test_only_the_step_away_from_dialing_says_anything() -> None:
    assert told_by(a_call(), a_call(queue="support")) is None
    assert told_by(a_ringing_call(), ended(Outcome.CONGESTION)) is None
    assert told_by(a_ringing_call(), an_answered_call()) is None
