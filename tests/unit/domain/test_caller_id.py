"""Which number a call shows."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.caller_id import round_robin
from tests.factories import a_pool_number


def test_an_empty_pool_gives_no_number() -> None:
    assert round_robin([]) is None


def test_of_equally_used_numbers_the_earlier_one_is_shown() -> None:
    pool = [a_pool_number(id=2), a_pool_number(id=1), a_pool_number(id=3)]
    assert round_robin(pool) == a_pool_number(id=1)


@given(st.integers(1, 50), st.integers(0, 200))
def test_the_rotation_takes_every_number_in_turn(size: int, calls: int) -> None:
    pool = {id_: a_pool_number(id=id_) for id_ in range(1, size + 1)}
    shown = []
    for _ in range(calls):
        number = round_robin(list(pool.values()))
        assert number is not None
        shown.append(number.id)
        pool[number.id] = replace(number, uses=number.uses + 1)
    assert shown == [1 + call % size for call in range(calls)]
