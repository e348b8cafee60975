import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType
from phonenumbers.tzdata import TIMEZONE_DATA

from dialerd.domain.phone import (
    InvalidNumber,
    NumberKind,
    PhoneFacts,
    dialable,
    facts_of,
    is_region,
    mask,
    normalize,
)
from dialerd.domain.timezones import is_zone

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
NEVER_DIALED = {870, 878, 881, 882, 883, 979}
FICTIONAL = re.compile(r"\+1[2-9]\d\d55501\d\d|\+44(2079460|1632960|7700900)\d{3}", re.ASCII)


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
        ("+493012345678.0", "DE", "spreadsheet"),
        ("2025550123.5", "US", "spreadsheet"),
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


@pytest.mark.parametrize(
    ("written", "region", "why"),
    [
        ("+1 900 555 0123", "US", "premium rate"),
        ("0909 879 0123", "GB", "premium rate"),
        ("+979 123 456 789", "US", "premium rate"),
        ("+881 612 345 678", "US", "satellite"),
        ("+870 773 111 632", "US", "satellite"),
        ("+883 5100 12345", "US", "satellite"),
    ],
)
def test_premium_and_satellite_numbers_are_numbers_but_never_dialed(written: str, region: str, why: str) -> None:
    number = normalize(written, region)
    with pytest.raises(InvalidNumber, match=why):
        dialable(written, region)
    assert facts_of(number).kind in (NumberKind.PREMIUM, NumberKind.SATELLITE)


def test_toll_free_numbers_are_ordinary() -> None:
    assert facts_of(dialable("+1 800 555 0199", "US")).kind is NumberKind.ORDINARY


# --- Numbers that are judged without parsing them -----------------------------------------------------------------------


def by_parsing(written: str, region: str) -> str | None:
    """The rule once more, by the library alone: the number, if it may be dialed."""
    try:
        parsed = phonenumbers.parse(written, region)
    except NumberParseException:
        return None
    number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    is_premium = phonenumbers.number_type(parsed) == PhoneNumberType.PREMIUM_RATE
    is_one = phonenumbers.is_valid_number(parsed) or FICTIONAL.fullmatch(number)
    return number if is_one and not is_premium and parsed.country_code not in NEVER_DIALED else None


def by_us(written: str, region: str) -> str | None:
    try:
        return dialable(written, region)
    except InvalidNumber:
        return None


@st.composite
def nearly_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A number of some country and kind with some digits changed, written in one of many ways; and a default country."""
    region = draw(st.sampled_from(REGIONS))
    code = phonenumbers.country_code_for_region(region)
    kinds = [kind for kind in PhoneNumberType.values() if phonenumbers.example_number_for_type(region, kind)]
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from(kinds)))
    assert example is not None
    digits = list(phonenumbers.national_significant_number(example))
    for place in draw(st.lists(st.integers(0, len(digits) - 1), max_size=4)):
        digits[place] = draw(st.sampled_from("0123456789"))
    national = "".join(digits) + draw(st.sampled_from(["", "", "", "0", "7"]))
    form = draw(
        st.sampled_from(["+{c}{n}", "+{c} ({n})", "{n}", "0{n}", "1{n}", "8{n}", "{c}{n}", "+{c} (0){n}", "({n})"])
    )
    return form.format(c=code, n=national), draw(st.sampled_from([region, region, region, "US", "GB", "AR"]))


@given(nearly_numbers())
def test_a_number_is_judged_the_same_with_and_without_parsing_it(case: tuple[str, str]) -> None:
    written, region = case
    if not written.startswith("00"):  # which is a plus sign to us, whatever the country
        assert by_us(written, region) == by_parsing(written, region)


@given(st.from_regex(r"\+?[0-9]{4,15}", fullmatch=True), st.sampled_from(REGIONS))
def test_random_digits_are_judged_the_same_with_and_without_parsing_them(written: str, region: str) -> None:
    if not written.startswith("00"):
        assert by_us(written, region) == by_parsing(written, region)


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("+12025550123", "GB"),
        ("0012025550123", "GB"),
        ("+44 20 7946 0123", "US"),
        ("(202) 555-0123", "US"),
        ("1-202-555-0123", "US"),
        ("020 7946 0123", "GB"),
    ],
)
def test_what_is_written_plainly_is_not_parsed(written: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonenumbers, "parse", None)
    assert re.fullmatch(r"\+\d{11,12}", dialable(written, region), re.ASCII)


# --- What a number tells ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "region", "zones"),
    [
        ("+12025550123", "US", {"America/New_York"}),
        ("+16025550123", "US", {"America/Phoenix"}),
        ("+442079460123", "GB", {"Europe/London"}),
        ("+441632960123", "GB", {"Europe/London"}),
        ("+18765550123", "JM", {"America/Jamaica"}),
    ],
)
def test_a_number_tells_its_country_and_zones_fictional_ones_too(number: str, region: str, zones: set[str]) -> None:
    facts = facts_of(number)
    assert (facts.region, set(facts.zones), facts.kind) == (region, zones, NumberKind.ORDINARY)


def test_an_area_with_two_zones_tells_both_whatever_its_exchanges_tell() -> None:
    assert facts_of("+18505550123").zones == ("America/Chicago", "America/New_York")


def test_a_mobile_number_that_may_be_anywhere_in_its_country_tells_every_zone_of_it() -> None:
    australian = phonenumbers.example_number_for_type("AU", PhoneNumberType.MOBILE)
    assert australian is not None
    zones = set(facts_of(phonenumbers.format_number(australian, PhoneNumberFormat.E164)).zones)
    assert {"Australia/Sydney", "Australia/Perth"} <= zones


def test_a_network_without_a_country_tells_no_place() -> None:
    assert facts_of("+881612345678") == PhoneFacts(region=None, zones=(), kind=NumberKind.SATELLITE)


@pytest.mark.parametrize("short", ["+1911", "+44999", "+49110", "+1411"])
def test_emergency_and_service_numbers_are_known_for_what_they_are(short: str) -> None:
    assert facts_of(short).kind is NumberKind.EMERGENCY


@pytest.mark.parametrize(
    "text", ["", "911", "+", "+112", "+0123456", "+999123456", "+4402079460123", "+1" + "2" * 40, "x"]
)
def test_of_what_is_no_number_nothing_is_known(text: str) -> None:
    assert facts_of(text) == PhoneFacts(region=None, zones=(), kind=NumberKind.UNKNOWN)


@given(st.text() | st.from_regex(r"\+[0-9]{1,20}", fullmatch=True))
def test_facts_never_raise_and_name_real_zones_and_countries(text: str) -> None:
    facts = facts_of(text)
    assert all(is_zone(zone) for zone in facts.zones)
    assert facts.region is None or is_region(facts.region)


def test_every_zone_of_the_numbering_data_is_one_that_we_can_judge_by() -> None:
    zones = {zone for found in TIMEZONE_DATA.values() for zone in found}
    assert {zone for zone in zones if not is_zone(zone)} <= {"Etc/Unknown"}


@given(nearly_numbers())
def test_what_may_be_dialed_is_of_the_ordinary_kind(case: tuple[str, str]) -> None:
    number = by_us(*case)
    if number is not None:
        assert facts_of(number).kind is NumberKind.ORDINARY
