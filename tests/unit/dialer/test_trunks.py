"""By which trunk a call goes: the preferred one while it works, another while it fails or takes fewer calls than are to be made."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.dialer.trunks import Trunks
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import JITTER_S
from dialerd.domain.trunk_breaker import FIRST_PAUSE_S, LEAST_FAILURES
from dialerd.domain.trunk_rate import LEAST_REFUSED
from tests.factories import a_call, a_ringing_call

FIRST, SECOND, THIRD = "carrier", "reserve", "last"


def trunks(*names: str, calls_per_second: float = 10.0) -> Trunks:
    return Trunks(dict.fromkeys(names or (FIRST, SECOND), calls_per_second), now=0.0)


def chosen(among: Trunks, now: float) -> str:
    """By which trunk a call is prepared now; it does not leave after all."""
    with among.preparing(now) as call:
        return call.trunk


def ended(name: str, outcome: Outcome, **changes: object) -> Call:
    return a_call(trunk=name, state=AttemptState.ENDED, outcome=outcome, **changes)


def refuse(among: Trunks, name: str, calls: int, *, now: float) -> list[bool]:
    """The trunk refuses so many; whether it was to blame for each."""
    call = a_call(trunk=name)
    end = ended(name, Outcome.CONGESTION)
    return [among.observe(call, end, dialed_at=now, now=now) for _ in range(calls)]


def take(among: Trunks, name: str, calls: int = 1, *, now: float) -> None:
    for _ in range(calls):
        among.observe(a_call(trunk=name), a_ringing_call(trunk=name), dialed_at=now, now=now)


# --- the choice -------------------------------------------------------------------------------------------------------


def test_calls_go_by_the_preferred_trunk_while_it_works_however_many_they_are() -> None:
    among = trunks()
    with among.preparing(10.0), among.preparing(10.0):
        assert chosen(among, 10.0) == FIRST
        assert among.slot_in(10.0) == pytest.approx(0.2)


def test_while_it_pauses_they_go_by_the_next_that_works() -> None:
    among = trunks(FIRST, SECOND, THIRD)
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    assert (chosen(among, 10.0), among.wait(10.0)) == (SECOND, 0)
    refuse(among, SECOND, LEAST_FAILURES, now=10.0)
    assert (chosen(among, 10.0), among.wait(10.0)) == (THIRD, 0)


def test_where_all_of_them_pause_no_call_may_start_until_the_first_is_tried() -> None:
    among = trunks()
    refuse(among, SECOND, LEAST_FAILURES, now=10.0)
    refuse(among, FIRST, LEAST_FAILURES, now=12.0)
    assert among.wait(12.0) == FIRST_PAUSE_S - 2
    assert chosen(among, 10.0 + FIRST_PAUSE_S) == SECOND


def test_behind_its_pause_it_is_tried_with_one_call_and_the_others_go_by_the_backup() -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    after = 10.0 + FIRST_PAUSE_S
    with among.preparing(after) as trial:
        assert (trial.trunk, chosen(among, after)) == (FIRST, SECOND)
        trial.leaves = True
    assert chosen(among, after) == SECOND
    take(among, FIRST, now=after + 1)
    assert chosen(among, after + 1) == FIRST


def test_a_trial_that_did_not_leave_leaves_its_place_to_another() -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    after = 10.0 + FIRST_PAUSE_S
    assert [chosen(among, after), chosen(among, after)] == [FIRST, FIRST]


def test_what_a_trunk_that_is_slowed_down_does_not_take_goes_by_the_next() -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_REFUSED, now=10.0)
    assert among.is_slowed(11.0)
    among.spend(chosen(among, 11.0), 11.0)
    assert [chosen(among, 11.05), chosen(among, 11.2)] == [SECOND, FIRST]
    assert not among.is_slowed(11.05)


def test_where_there_is_no_other_the_slower_rate_is_waited_for() -> None:
    among = trunks(FIRST)
    refuse(among, FIRST, LEAST_REFUSED, now=10.0)
    among.spend(FIRST, 11.0)
    assert among.slot_in(11.0) == pytest.approx(1 / 5 - JITTER_S)
    assert among.is_slowed(11.0)


def test_a_call_that_was_prepared_some_time_ago_goes_by_another_where_its_trunk_fails_by_now() -> None:
    among = trunks()
    assert among.working(FIRST, 10.0) == FIRST
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    assert among.working(FIRST, 10.0) == SECOND
    assert among.working("former", 10.0) == SECOND


# --- whose fault it is ------------------------------------------------------------------------------------------------


def test_a_trunk_that_refuses_too_many_is_to_blame_for_what_it_refuses_from_then_on() -> None:
    among = trunks()
    assert refuse(among, FIRST, LEAST_FAILURES, now=10.0) == [*[False] * (LEAST_REFUSED - 1), True, True, True]


def test_the_others_are_not_to_blame_for_it() -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    assert refuse(among, SECOND, 1, now=10.0) == [False]


@pytest.mark.parametrize("outcome", [Outcome.NO_ANSWER, Outcome.BUSY, Outcome.REJECTED, Outcome.UNKNOWN])
def test_nor_is_it_for_any_other_end_of_a_call(outcome: Outcome) -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    assert not among.observe(a_call(), ended(FIRST, outcome), dialed_at=10.0, now=11.0)


def test_nor_for_a_call_whose_phone_had_rung() -> None:
    among = trunks()
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    assert not among.observe(a_ringing_call(), ended(FIRST, Outcome.CONGESTION), dialed_at=10.0, now=11.0)


def test_a_call_by_a_trunk_that_is_not_there_any_more_says_nothing() -> None:
    among = trunks()
    assert refuse(among, "former", LEAST_FAILURES, now=10.0) == [False] * LEAST_FAILURES
    assert chosen(among, 10.0) == FIRST


def test_silence_and_calls_that_never_left_open_the_breaker_and_do_not_slow_it_down() -> None:
    for outcome in (Outcome.NO_ANSWER, Outcome.NOT_PLACED):
        among = trunks(FIRST)
        for _ in range(LEAST_FAILURES):
            among.observe(a_call(), ended(FIRST, outcome), dialed_at=10.0, now=10.0)
        assert among.wait(10.0) == FIRST_PAUSE_S
        assert not among.is_slowed(10.0)


# --- what people are told ---------------------------------------------------------------------------------------------


def test_people_are_told_how_each_trunk_stands() -> None:
    among = trunks(FIRST, SECOND, THIRD)
    refuse(among, FIRST, LEAST_FAILURES, now=10.0)
    refuse(among, SECOND, LEAST_REFUSED, now=10.0)
    assert among.facts(12.0) == {
        FIRST: "pauses for 3 s",
        SECOND: "5.0 of 10 calls a second",
        THIRD: "10 calls a second",
    }
    assert among.facts(15.0)[FIRST] == "is tried with one call"


def test_it_is_counted_what_calls_showed_of_their_trunk() -> None:
    among = trunks()
    take(among, FIRST, 3, now=10.0)
    refuse(among, FIRST, 2, now=10.0)
    assert [(trunk.name, trunk.good, trunk.failed) for trunk in among.all] == [(FIRST, 3, 2), (SECOND, 0, 0)]


# --- law L5 -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(min_value=0, max_value=1), st.sampled_from("tr-")), max_size=150))
def test_whatever_the_trunks_do_none_is_ever_given_more_than_is_set(steps: list[tuple[float, str]]) -> None:
    among, now = trunks(calls_per_second=2.0), 1.0
    starts: dict[str, list[float]] = {FIRST: [], SECOND: []}
    for pause, result in steps:
        now += pause
        with among.preparing(now) as call:
            if among.wait(now) > 0 or among.wait_for_slot(call.trunk, now) > 0:
                continue
            among.spend(call.trunk, now)
            starts[call.trunk].append(now)
            call.leaves = True
        if result == "r":
            refuse(among, call.trunk, 1, now=now)
        elif result == "t":
            take(among, call.trunk, now=now)
    for times in starts.values():
        assert all(later - earlier >= 1 / 2.0 - 2 * JITTER_S - 1e-9 for earlier, later in pairwise(times))
