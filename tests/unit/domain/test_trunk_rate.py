"""A trunk that refuses too many of its calls is given fewer a second, and more with each that it takes."""

from itertools import pairwise
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.pacing import JITTER_S, Gcra, starting
from dialerd.domain.trunk_rate import FLOOR, LEAST_REFUSED, MEMORY, STEP, TrunkRate, at_full_rate

REFUSED, TAKEN = True, False
MOST = 20.0

maxima = st.floats(min_value=0.1, max_value=1000)


def after(*results: bool, rate: TrunkRate | None = None, start: float = 100.0) -> TrunkRate:
    """A trunk that has answered so, each call at once, one a second."""
    rate = rate or at_full_rate(MOST)
    for number, refused in enumerate(results):
        rate = rate.observe(refused=refused, dialed_at=start + number, now=start + number)
    return rate


# --- when it is slowed down -------------------------------------------------------------------------------------------


def test_three_refused_calls_halve_the_rate() -> None:
    assert after(*[REFUSED] * 2).allowed == MOST
    assert after(*[REFUSED] * 3).allowed == MOST / 2
    assert after(*[REFUSED] * 6).allowed == MOST / 4


def test_a_few_refused_among_many_that_are_taken_do_not() -> None:
    one_in_ten = [*[TAKEN] * 9, REFUSED] * 50
    assert after(*one_in_ten).allowed == MOST


def test_what_was_taken_long_ago_does_not_make_up_for_what_is_refused_now() -> None:
    assert after(*[TAKEN] * 1000, *[REFUSED] * LEAST_REFUSED).is_slowed


def test_calls_that_were_on_their_way_when_it_was_slowed_down_are_not_held_against_the_slower_rate() -> None:
    rate = after(*[REFUSED] * 3, start=100.0)
    for _ in range(50):
        rate = rate.observe(refused=True, dialed_at=101.9, now=110.0)
    assert rate.allowed == MOST / 2


def test_it_is_never_slower_than_the_floor_or_than_was_set() -> None:
    assert after(*[REFUSED] * 1000).allowed == FLOOR
    assert after(*[REFUSED] * 1000, rate=at_full_rate(0.2)).allowed == 0.2


@given(maxima, st.lists(st.booleans(), max_size=200))
def test_whatever_the_trunk_does_the_rate_stays_between_the_floor_and_the_maximum(
    most: float, results: list[bool]
) -> None:
    rate = at_full_rate(most)
    for number, refused in enumerate(results):
        rate = after(refused, rate=rate, start=100.0 + number)
        assert min(FLOOR, most) <= rate.allowed <= most
        assert len(rate.refusals) <= MEMORY


@given(maxima, st.lists(st.booleans(), max_size=200))
def test_no_call_that_is_taken_makes_it_slower_and_none_that_is_refused_faster(
    most: float, results: list[bool]
) -> None:
    rate = at_full_rate(most)
    for number, refused in enumerate(results):
        before, rate = rate, after(refused, rate=rate, start=100.0 + number)
        assert (rate.allowed <= before.allowed) if refused else (rate.allowed >= before.allowed)


# --- how it recovers --------------------------------------------------------------------------------------------------


def test_each_call_that_is_taken_adds_a_step() -> None:
    rate = after(*[REFUSED] * 6, rate=at_full_rate(4.0))
    assert after(TAKEN, rate=rate, start=200.0).allowed == pytest.approx(1.0 + STEP)


@given(maxima)
def test_a_trunk_that_works_again_is_at_its_full_rate_in_less_than_two_minutes_of_calls(most: float) -> None:
    rate, now = after(*[REFUSED] * 100, rate=at_full_rate(most)), 300.0
    while rate.is_slowed:
        now += 1 / rate.allowed
        rate = rate.observe(refused=False, dialed_at=now, now=now)
    assert now - 300.0 <= log(max(1.0, most / FLOOR)) / STEP + 2 / min(FLOOR, most)
    assert now - 300.0 < 120


def test_another_maximum_is_in_force_at_once_and_frees_no_trunk_that_is_slowed_down() -> None:
    assert at_full_rate(MOST).with_most(30.0).allowed == 30.0
    assert at_full_rate(MOST).with_most(5.0).allowed == 5.0
    slowed = after(*[REFUSED] * 3)
    assert slowed.with_most(30.0).allowed == MOST / 2
    assert slowed.with_most(5.0).allowed == 5.0


# --- the limiter that keeps it ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(min_value=0, max_value=3), st.booleans()), max_size=100))
def test_however_the_rate_goes_up_and_down_no_burst_comes_of_it(steps: list[tuple[float, bool]]) -> None:
    rate, limiter, now, calls = at_full_rate(MOST), starting(MOST, 0.0), 0.0, list[tuple[float, Gcra]]()
    for pause, refused in steps:
        now += pause
        if limiter.wait(now) <= 0:
            calls.append((now, limiter))
            limiter = limiter.spend(now)
        rate = rate.observe(refused=refused, dialed_at=now, now=now)
        limiter = limiter.at_rate(rate.allowed, now)
    for (earlier, _), (later, kept) in pairwise(calls):
        assert later - earlier >= kept.interval - 2 * JITTER_S - 1e-9


@pytest.mark.parametrize("takes", [1, 3, 10])
def test_a_carrier_that_takes_fewer_calls_a_second_is_given_about_so_many(takes: int) -> None:
    """Each call is answered at once; the carrier counts by the seconds of its own clock."""
    rate, limiter, now = at_full_rate(MOST), starting(MOST, 0.0), 0.0
    calls = list[tuple[float, bool]]()
    while now < 180:
        now += max(0.001, limiter.wait(now))
        limiter = limiter.spend(now)
        refused = sum(1 for at, was_refused in calls[-50:] if int(at) == int(now) and not was_refused) >= takes
        calls.append((now, refused))
        rate = rate.observe(refused=refused, dialed_at=now, now=now)
        limiter = limiter.at_rate(rate.allowed, now)
    settled = [refused for at, refused in calls if at > 60]
    assert sum(settled) < 0.2 * len(settled)
    assert 0.7 * takes < settled.count(False) / 120 <= takes
