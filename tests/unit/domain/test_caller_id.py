"""Which number a call shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from unittest.mock import ANY

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialerd.domain.caller_id import (
    STRATEGIES,
    CallerId,
    NoCallerId,
    PoolNumber,
    Rotation,
    after_use,
    choose,
    fallback,
    round_robin,
)
from tests.factories import NOON, a_pool_number, later

LONDON, WASHINGTON, NEW_YORK, TEST_TOWN = "+442079460{:03}", "+12025550{:03}", "+12125550{:03}", "+441632960{:03}"
DIALED = WASHINGTON.format(101)
MIDNIGHT = NOON + timedelta(hours=12)
SEEN, OTHER, THIRD = (WASHINGTON.format(number) for number in (197, 198, 199))


def a_pool(*numbers: str, **changes: Any) -> list[PoolNumber]:
    return [
        a_pool_number(id=place, caller_id=CallerId(number=number), **changes) for place, number in enumerate(numbers, 1)
    ]


def asked(
    pool: Sequence[PoolNumber], rotation: Rotation = Rotation.ROUND_ROBIN, **facts: Any
) -> PoolNumber | NoCallerId:
    plain: dict[str, Any] = {
        "number": DIALED,
        "region": "US",
        "last_shown": None,
        "prefixes": {},
        "now": NOON,
        "day_ends": MIDNIGHT,
        "draw": 0,
    }
    return choose(pool, rotation, **plain | facts)


def shown(pool: Sequence[PoolNumber], rotation: Rotation = Rotation.ROUND_ROBIN, **facts: Any) -> str:
    chosen = asked(pool, rotation, **facts)
    assert isinstance(chosen, PoolNumber), chosen
    return chosen.caller_id.number


def refused(pool: Sequence[PoolNumber], rotation: Rotation = Rotation.ROUND_ROBIN, **facts: Any) -> NoCallerId:
    answer = asked(pool, rotation, **facts)
    assert isinstance(answer, NoCallerId), answer
    return answer


def shown_in_a_row(
    pool: Sequence[PoolNumber], rotation: Rotation, calls: int, draws: Sequence[int] = (0,), **facts: Any
) -> list[int]:
    """The ids that so many calls show, each counted as it is shown."""
    ids = []
    for call in range(calls):
        chosen = asked(pool, rotation, draw=draws[call % len(draws)], **facts)
        assert isinstance(chosen, PoolNumber)
        ids.append(chosen.id)
        pool = after_use(chosen, pool)
    return ids


# --- off --------------------------------------------------------------------------------------------------------------


def test_when_off_the_dialer_uses_the_queue_phone_number_then_the_account_default() -> None:
    of_queue, of_account = CallerId(number=SEEN), CallerId(number=OTHER)
    assert fallback(of_queue, of_account) == of_queue
    assert fallback(None, of_account) == of_account
    assert fallback(None, None) is None


# --- round-robin ------------------------------------------------------------------------------------------------------


def test_an_empty_pool_gives_no_number() -> None:
    assert round_robin([]) is None


def test_of_equally_used_numbers_the_earlier_one_is_shown() -> None:
    pool = [a_pool_number(id=2), a_pool_number(id=1), a_pool_number(id=3)]
    assert asked(pool) == a_pool_number(id=1)


@given(st.integers(1, 50), st.integers(0, 200))
def test_round_robin_takes_every_number_in_turn(size: int, calls: int) -> None:
    pool = [a_pool_number(id=place) for place in range(1, size + 1)]
    assert shown_in_a_row(pool, Rotation.ROUND_ROBIN, calls) == [1 + call % size for call in range(calls)]


@given(st.integers(1, 50), st.integers(0, 200))
def test_round_robin_spreads_calls_evenly_across_the_pool(size: int, calls: int) -> None:
    pool = [a_pool_number(id=place) for place in range(1, size + 1)]
    counted = Counter(dict.fromkeys(range(1, size + 1), 0))
    counted.update(shown_in_a_row(pool, Rotation.ROUND_ROBIN, calls))
    assert max(counted.values()) - min(counted.values()) <= 1


@given(st.permutations(range(1, 8)))
def test_round_robin_goes_on_from_the_turns_that_it_finds_so_a_restart_changes_nothing(turns: list[int]) -> None:
    pool = [a_pool_number(id=place, turn=turn) for place, turn in enumerate(turns)]
    oldest_first = sorted(range(len(turns)), key=lambda place: turns[place])
    assert shown_in_a_row(pool, Rotation.ROUND_ROBIN, 2 * len(turns)) == oldest_first * 2


def test_a_number_that_has_rested_takes_its_turn_and_has_nothing_to_catch_up_on() -> None:
    pool = [a_pool_number(id=1, uses=2, turn=2), a_pool_number(id=2, uses=40, turn=80), a_pool_number(id=3, turn=81)]
    assert shown_in_a_row(pool, Rotation.ROUND_ROBIN, 6) == [1, 2, 3, 1, 2, 3]


# --- random -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1), st.permutations(range(5)))
def test_random_depends_on_the_draw_alone_and_not_on_the_order_of_the_pool(draw: int, order: list[int]) -> None:
    pool = [a_pool_number(id=place, turn=place) for place in range(5)]
    mixed = [pool[place] for place in order]
    assert asked(mixed, Rotation.RANDOM, draw=draw) == asked(pool, Rotation.RANDOM, draw=draw)


@given(st.integers(1, 50), st.integers(0, 2**64 - 1000))
def test_random_picks_any_number_from_the_pool_as_likely_as_another(size: int, first: int) -> None:
    pool = [a_pool_number(id=place) for place in range(size)]
    shown = Counter(shown_in_a_row(pool, Rotation.RANDOM, 3 * size, range(first, first + 3 * size)))
    assert shown == dict.fromkeys(range(size), 3)


def test_random_draws_do_not_come_in_turn() -> None:
    dice = Random(7)
    shown = shown_in_a_row(a_pool(SEEN, OTHER), Rotation.RANDOM, 400, [dice.getrandbits(64) for _ in range(400)])
    pairs = Counter(pairwise(shown))
    assert set(pairs) == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert all(60 < seen < 140 for seen in pairs.values())  # 100 are expected


# --- sticky -----------------------------------------------------------------------------------------------------------


def test_sticky_shows_a_contact_the_number_that_it_saw_last_however_often_that_was_used() -> None:
    pool = [replace(one, turn=100 * one.id) for one in a_pool(OTHER, THIRD, SEEN)]
    assert shown(pool, Rotation.STICKY, last_shown=SEEN) == SEEN


@given(
    st.sampled_from([SEEN, OTHER, THIRD]), st.lists(st.integers(0, 9), min_size=3, max_size=3), st.integers(0, 2**64)
)
def test_sticky_is_a_function_of_what_the_contact_saw_last_and_of_nothing_else(
    last_shown: str, uses: list[int], draw: int
) -> None:
    pool = [replace(one, turn=count) for one, count in zip(a_pool(SEEN, OTHER, THIRD), uses, strict=True)]
    for dialed in (DIALED, NEW_YORK.format(101)):
        assert shown(pool, Rotation.STICKY, last_shown=last_shown, number=dialed, draw=draw) == last_shown


def test_sticky_gives_new_contacts_their_numbers_in_turn() -> None:
    assert shown_in_a_row(a_pool(SEEN, OTHER), Rotation.STICKY, 4) == [1, 2, 1, 2]


def test_sticky_gives_a_contact_whose_number_has_left_the_pool_a_new_one() -> None:
    assert shown(a_pool(OTHER, THIRD), Rotation.STICKY, last_shown=SEEN) == OTHER


def test_sticky_gives_a_contact_whose_number_may_not_be_shown_in_its_country_a_new_one() -> None:
    pool = a_pool(SEEN, LONDON.format(100))
    assert shown(pool, Rotation.STICKY, last_shown=SEEN, region="GB", prefixes={"GB": ("+44",)}) == LONDON.format(100)


def test_sticky_waits_for_the_contacts_number_while_it_rests_though_others_are_free() -> None:
    pool = [replace(a_pool(SEEN)[0], resting_until=later(60)), a_pool_number(id=2)]
    answer = refused(pool, Rotation.STICKY, last_shown=SEEN)
    assert answer.until == later(60)
    assert answer.why == f"{SEEN}, the only number it may show, rests"


def test_sticky_waits_for_the_contacts_number_when_its_daily_cap_is_reached_until_the_day_ends() -> None:
    pool = [replace(a_pool(SEEN)[0], daily_cap=7, uses_today=7), a_pool_number(id=2)]
    answer = refused(pool, Rotation.STICKY, last_shown=SEEN)
    assert answer.until == MIDNIGHT
    assert "daily cap of 7" in answer.why


# --- area-matched -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialed", "expected"),
    [
        (LONDON.format(101), LONDON.format(199)),
        (TEST_TOWN.format(101), TEST_TOWN.format(199)),
        ("+447700900101", LONDON.format(199)),  # only the country fits, and to both
        (WASHINGTON.format(101), WASHINGTON.format(199)),
        (NEW_YORK.format(101), NEW_YORK.format(199)),
        ("+13105550101", WASHINGTON.format(199)),
    ],
)
def test_area_matched_shows_the_number_that_begins_most_like_the_dialed_one(dialed: str, expected: str) -> None:
    pool = a_pool(*(town.format(199) for town in (LONDON, TEST_TOWN, WASHINGTON, NEW_YORK)))
    assert shown(pool, Rotation.AREA_MATCHED, number=dialed) == expected


def test_area_matched_takes_numbers_that_fit_equally_well_in_turn() -> None:
    pool = a_pool(LONDON.format(199), NEW_YORK.format(198), NEW_YORK.format(199))
    assert shown_in_a_row(pool, Rotation.AREA_MATCHED, 4, number="+13105550101") == [2, 3, 2, 3]


def test_area_matched_takes_all_numbers_in_turn_where_none_is_of_the_dialed_country() -> None:
    pool = a_pool(LONDON.format(199), TEST_TOWN.format(199), "0123")
    assert shown_in_a_row(pool, Rotation.AREA_MATCHED, 6, number=DIALED) == [1, 2, 3, 1, 2, 3]


def test_area_matched_compares_digits_with_or_without_a_plus_sign() -> None:
    pool = a_pool(LONDON.format(199), WASHINGTON.format(199).removeprefix("+"))
    assert shown(pool, Rotation.AREA_MATCHED) == WASHINGTON.format(199).removeprefix("+")


def test_area_matched_prefers_more_equal_digits_to_a_short_number_that_is_equal_throughout() -> None:
    assert shown(a_pool("12025", WASHINGTON.format(199)), Rotation.AREA_MATCHED) == WASHINGTON.format(199)


def test_area_matched_takes_the_next_best_while_the_best_one_rests() -> None:
    pool = a_pool(LONDON.format(199), NEW_YORK.format(199), WASHINGTON.format(199))
    pool[2] = replace(pool[2], resting_until=later(1))
    assert shown(pool, Rotation.AREA_MATCHED) == NEW_YORK.format(199)


def test_a_number_of_another_country_is_no_match_however_many_digits_of_the_calling_code_it_shares() -> None:
    unlike = a_pool_number(id=1, caller_id=CallerId(number="000"))
    for code in map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
        same, almost = (
            a_pool_number(id=2, turn=1, caller_id=CallerId(number=f"+{digits}")) for digits in (code, code[:-1])
        )
        assert asked([unlike, same], Rotation.AREA_MATCHED, number=f"+{code}5") == same
        assert asked([unlike, almost], Rotation.AREA_MATCHED, number=f"+{code}5") == unlike


# --- resting and daily caps -------------------------------------------------------------------------------------------

ROTATIONS = pytest.mark.parametrize("rotation", Rotation)


def test_every_rotation_has_its_strategy() -> None:
    assert STRATEGIES.keys() == set(Rotation)


@ROTATIONS
def test_a_number_that_rests_is_shown_again_at_the_very_moment_at_which_its_rest_ends(rotation: Rotation) -> None:
    pool = a_pool(SEEN, resting_until=NOON)
    assert shown(pool, rotation) == SEEN
    assert refused(pool, rotation, now=later(-0.001)).until == NOON


@ROTATIONS
def test_a_number_is_shown_up_to_its_daily_cap_and_then_not_before_the_day_ends(rotation: Rotation) -> None:
    assert shown(a_pool(SEEN, daily_cap=3, uses_today=2), rotation) == SEEN
    for used in (3, 4):
        assert refused(a_pool(SEEN, daily_cap=3, uses_today=used), rotation).until == MIDNIGHT


@ROTATIONS
def test_a_number_that_rests_and_has_reached_its_cap_waits_for_the_later_end(rotation: Rotation) -> None:
    pool = a_pool(SEEN, daily_cap=1, uses_today=1, resting_until=later(60))
    assert refused(pool, rotation).until == MIDNIGHT
    pool = a_pool(SEEN, daily_cap=1, uses_today=1, resting_until=MIDNIGHT + timedelta(hours=1))
    assert refused(pool, rotation).until == MIDNIGHT + timedelta(hours=1)


@ROTATIONS
def test_if_no_number_is_free_the_call_waits_for_the_first_that_will_be(rotation: Rotation) -> None:
    pool = [a_pool_number(id=seconds, resting_until=later(seconds)) for seconds in (90, 30, 60)]
    answer = refused(pool, rotation)
    assert answer.until == later(30)
    assert answer.why == "all 3 numbers it may show rest, or have reached a daily cap"


# --- allowed prefixes per destination country -------------------------------------------------------------------------


@ROTATIONS
def test_a_listed_country_sees_only_numbers_with_an_allowed_beginning(rotation: Rotation) -> None:
    pool = a_pool(SEEN, LONDON.format(199))
    assert shown(pool, rotation, region="GB", prefixes={"GB": ("+4420", "+441632")}) == LONDON.format(199)


@ROTATIONS
def test_a_country_that_is_not_listed_sees_any_number(rotation: Rotation) -> None:
    assert shown(a_pool(SEEN), rotation, region="US", prefixes={"GB": ("+44",)}) == SEEN


@ROTATIONS
def test_without_an_allowed_number_there_is_never_a_call(rotation: Rotation) -> None:
    answer = refused(a_pool(SEEN, OTHER, resting_until=later(60)), rotation, region="FR", prefixes={"FR": ("+33162",)})
    assert answer.until is None
    assert answer.why == "none of its numbers may be shown in FR: allowed beginnings are +33162"


def test_a_country_with_an_empty_list_sees_no_number() -> None:
    answer = refused(a_pool(SEEN), region="FR", prefixes={"FR": ()})
    assert answer.until is None
    assert "none" in answer.why


def test_where_beginnings_are_ruled_a_call_to_an_unknown_country_shows_none() -> None:
    answer = refused(a_pool(SEEN), region=None, prefixes={"GB": ("+44",)})
    assert answer.until is None
    assert "country of the dialed number is not known" in answer.why
    assert shown(a_pool(SEEN), region=None, prefixes={}) == SEEN


def test_only_the_end_of_an_allowed_numbers_rest_is_waited_for() -> None:
    early, late = replace(a_pool(SEEN)[0], resting_until=later(1)), a_pool_number(id=2, resting_until=later(9))
    late = replace(late, caller_id=CallerId(number=LONDON.format(199)))
    assert refused([early, late], region="GB", prefixes={"GB": ("+44",)}).until == later(9)


@pytest.mark.parametrize(
    ("beginning", "allowed"), [("0162", True), ("+33162", True), ("33162", False), ("+330162", False), ("+33", False)]
)
def test_beginnings_are_compared_as_they_are_written(beginning: str, allowed: bool) -> None:
    chosen = asked(a_pool(f"{beginning}00"), region="FR", prefixes={"FR": ("0162", "+33162")})
    assert isinstance(chosen, PoolNumber) is allowed


# --- whatever the pool ------------------------------------------------------------------------------------------------

A_NUMBER = st.builds(str.format, st.sampled_from([LONDON, WASHINGTON, NEW_YORK, TEST_TOWN]), st.integers(100, 199))
A_POOL = st.lists(
    st.builds(
        PoolNumber,
        id=st.integers(1, 1000),
        caller_id=st.builds(CallerId, number=A_NUMBER),
        uses=st.integers(0, 5),
        turn=st.integers(0, 5),
        daily_cap=st.none() | st.integers(1, 4),
        uses_today=st.integers(0, 5),
        resting_until=st.none() | st.integers(-50, 50).map(later),
    ),
    min_size=1,
    max_size=8,
    unique_by=(lambda one: one.id, lambda one: one.caller_id.number),
)
PREFIXES = st.dictionaries(
    st.sampled_from(["US", "GB"]), st.lists(st.sampled_from(["+44", "+1212", "+120"])).map(tuple)
)
CALLS = st.fixed_dictionaries(
    {
        "number": A_NUMBER,
        "region": st.sampled_from(["US", "GB", "FR"]),
        "last_shown": st.none() | A_NUMBER,
        "prefixes": PREFIXES,
        "draw": st.integers(0, 2**64 - 1),
    }
)


def is_free(one: PoolNumber, now: datetime) -> bool:
    """By the letter of the rule, on the day that ends at MIDNIGHT."""
    used_up = now < MIDNIGHT and one.daily_cap is not None and one.uses_today >= one.daily_cap
    return not used_up and (one.resting_until is None or one.resting_until <= now)


def is_allowed(one: PoolNumber, region: str, prefixes: Mapping[str, tuple[str, ...]]) -> bool:
    return region not in prefixes or any(one.caller_id.number.startswith(prefix) for prefix in prefixes[region])


@given(A_POOL, st.sampled_from(Rotation), CALLS)
def test_no_number_is_ever_shown_that_rests_or_has_reached_its_cap_or_is_not_allowed_in_the_country(
    pool: list[PoolNumber], rotation: Rotation, call: dict[str, Any]
) -> None:
    chosen = asked(pool, rotation, **call)
    assume(isinstance(chosen, PoolNumber))
    assert chosen in pool
    assert is_free(chosen, NOON)
    assert is_allowed(chosen, call["region"], call["prefixes"])


@given(A_POOL, st.sampled_from(Rotation), CALLS)
def test_a_call_waits_only_while_no_number_that_it_may_show_is_free(
    pool: list[PoolNumber], rotation: Rotation, call: dict[str, Any]
) -> None:
    answer = asked(pool, rotation, **call)
    allowed = [one for one in pool if is_allowed(one, call["region"], call["prefixes"])]
    promised = [one for one in allowed if rotation is Rotation.STICKY and one.caller_id.number == call["last_shown"]]
    may_show = promised or allowed
    assert isinstance(answer, PoolNumber) == any(is_free(one, NOON) for one in may_show)


@given(A_POOL, st.lists(st.integers(1, 50), min_size=8, max_size=8), st.sampled_from(Rotation), CALLS)
def test_a_call_that_waits_does_so_until_the_first_moment_at_which_it_gets_a_number(
    pool: list[PoolNumber], rests: list[int], rotation: Rotation, call: dict[str, Any]
) -> None:
    pool = [replace(one, resting_until=later(rest)) for one, rest in zip(pool, rests, strict=False)]
    answer = asked(pool, rotation, **call)
    assert isinstance(answer, NoCallerId)
    if answer.until is None:
        assert not any(is_allowed(one, call["region"], call["prefixes"]) for one in pool)
        return
    just_before = answer.until - timedelta(microseconds=1)
    assert asked(pool, rotation, **call, now=just_before) == replace(answer, why=ANY)
    assert isinstance(asked(as_of(answer.until, pool), rotation, **call, now=answer.until), PoolNumber)


def as_of(moment: datetime, pool: Sequence[PoolNumber]) -> list[PoolNumber]:
    """With the counts of the day that it then is."""
    return [replace(one, uses_today=0) if moment >= MIDNIGHT else one for one in pool]
