"""Which passwords are taken."""

import pytest

from dialerd.domain.passwords import problems_with


@pytest.mark.parametrize("password", ["seven purple bicycles", "aaaa bbbb cc d", "пароль из трёх слов", "x9$kQ2!vLm7#"])
def test_what_is_long_and_no_usual_guess_is_taken(password: str) -> None:
    assert problems_with(password, login="anna") == []


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("eleven char", "needs 12"),
        ("x" * 1001, "longer than 1000 bytes"),
        ("annaannaanna", "little more"),
        ("Anna-2026-2026", "little more"),
        ("passwordpassword", "guessed first"),
        ("1234567890123", "guessed first"),
        ("xyxyxyxyxyxy", "over and over"),
    ],
)
def test_what_is_guessed_first_is_not(password: str, why: str) -> None:
    assert any(why in problem for problem in problems_with(password, login="anna"))
