import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.phone import InvalidNumber, is_region, mask, normalize


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("+12025550123", "GB", "+12025550123"),
        ("202-555-0123", "US", "+12025550123"),
        ("1 (202) 555.0123", "US", "+12025550123"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("+44 (0)20 7946 0123", "US", "+442079460123"),
        ("0044 20 7946 0123", "US", "+442079460123"),
        ("001 202 555 0123", "DE", "+12025550123"),
        ("\u202a+1\xa0202\u2011555\u20110123\u202c", "US", "+12025550123"),
        ("\uff11\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff12\uff13", "US", "+12025550123"),
    ],
)
def test_a_number_may_be_written_in_many_ways(written: str, region: str, number: str) -> None:
    assert normalize(written, region) == number


@pytest.mark.parametrize(
    "fictional", ["+12005550100", "+15555550199", "+12995550123", "+442079460999", "+441632960123", "+447700900123"]
)
def test_numbers_of_fiction_may_be_dialed(fictional: str) -> None:
    assert normalize(fictional, "US") == fictional


@pytest.mark.parametrize(
    ("written", "region", "why"),
    [
        ("", "US", "empty"),
        (" \u200b", "US", "empty"),
        ("555-0123", "US", "area code"),
        ("+1202555", "US", "too short"),
        ("+120255501234567", "US", "too long"),
        ("+1 200 123 4567", "US", "no such number"),
        ("+999 1234 5678", "US", "country calling code"),
        ("1-800-FLOWERS", "US", "letters"),
        ("+1 202 555 0123 ext 5", "US", "letters"),
        ("tel:+12025550123", "US", "letters"),
        ("+12025550123&PJSIP/1", "US", "letters"),
        ("+12025550123&1", "US", "'&'"),
        ("+1202555\r\n0123", "US", r"'\r'"),
        ("+1202555\x000123", "US", r"'\x00'"),
        ("++12025550123", "US", "'+'"),
        ("12025550123.0", "US", "spreadsheet"),
        ("4.42E+11", "GB", "spreadsheet"),
        ("2" * 41, "US", "longer than 40"),
        ("2025550123", "ZZ", "country"),
    ],
)
def test_what_cannot_be_dialed_is_refused_with_the_reason(written: str, region: str, why: str) -> None:
    with pytest.raises(InvalidNumber) as refused:
        normalize(written, region)
    assert why in refused.value.why


@pytest.mark.parametrize(("written", "region"), [("911", "US"), ("112", "GB"), ("999", "GB"), ("110", "DE")])
def test_emergency_numbers_are_never_dialed(written: str, region: str) -> None:
    with pytest.raises(InvalidNumber, match="emergency"):
        normalize(written, region)


@pytest.mark.parametrize(("written", "region"), [("+1911", "GB"), ("+44999", "US"), ("116123", "DE"), ("411", "US")])
def test_service_numbers_are_never_dialed(written: str, region: str) -> None:
    with pytest.raises(InvalidNumber):
        normalize(written, region)


@given(st.text(), st.sampled_from(["US", "GB", "DE", "AR", "ZZ"]))
def test_whatever_is_written_the_result_is_a_sign_and_digits_or_a_refusal(written: str, region: str) -> None:
    try:
        number = normalize(written, region)
    except InvalidNumber:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{3,14}", number, re.ASCII)


@given(st.from_regex(r"\+?[0-9 ()./-]{6,20}", fullmatch=True))
def test_what_was_normalized_stays_as_it_is(written: str) -> None:
    try:
        number = normalize(written, "GB")
    except InvalidNumber:
        return
    assert normalize(number, "US") == number


def test_countries_are_told_from_other_words() -> None:
    assert is_region("GB")
    assert not any(is_region(code) for code in ("gb", "UK", "001", ""))


def test_masked_numbers_show_their_ends() -> None:
    assert mask("+442079461234") == "+4420****1234"
