import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.privacy import mask_number, mask_numbers_in


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+442079461234", "+4420****1234"),
        ("+12025550123", "+120****0123"),
        ("+493023125000", "+4930****5000"),
        ("+4930231", "+4****31"),
        ("12345", "****"),
        ("", "****"),
    ],
)
def test_a_number_is_shown_by_its_ends(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@given(st.integers(10**6, 10**15 - 1))
def test_at_least_four_digits_stay_hidden(number: int) -> None:
    assert sum(c.isdigit() for c in mask_number(f"+{number}")) <= len(str(number)) - 4


@given(st.integers(10**6, 10**15 - 1))
def test_masking_twice_is_masking_once(number: int) -> None:
    once = mask_numbers_in(f"call to +{number}")
    assert str(number) not in once
    assert mask_numbers_in(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "call to PJSIP/12025550123@carrier failed",
        "+1 (202) 555-0123",
        "caller=+12025550123,",
        '"+12025550123"',
    ],
)
def test_numbers_are_found_in_text(text: str) -> None:
    assert "120****0123" in mask_numbers_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "0f8fad5b-d9cb-469f-a165-123456789012",
        "channel 1700000000.12",
        "2026-11-22T10:00:00.123456+00:00",
        "port 5038 of 127.0.0.1",
    ],
)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    assert mask_numbers_in(text) == text
