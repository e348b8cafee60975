"""Phone numbers: from what people write to E.164, or to the reason why it is not a number that may be dialed; and what a
number tells of the place where it rings.

Everything that is dialed has passed `normalize`, so its result is ASCII and nothing but a plus sign and digits.
phonenumbers is met here only; of its data the geocoder's are left alone, which take many times the memory.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from dialerd.errors import DialerdError
from dialerd.privacy import mask_number as mask

__all__ = ["InvalidNumber", "NumberKind", "PhoneFacts", "dialable", "facts_of", "is_region", "mask", "normalize"]


class NumberKind(StrEnum):
    """What may be known of a number before it is called. Campaigns call ORDINARY ones only."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"  # the caller pays for more than the call
    SATELLITE = "satellite"  # networks without a country, satellites' and others'; as dear
    EMERGENCY = "emergency"  # emergency and other short numbers
    UNKNOWN = "unknown"  # not a number of any numbering plan


@dataclass(frozen=True, kw_only=True)
class PhoneFacts:
    region: str | None
    """ISO 3166. None where the number does not tell, or belongs to no country."""
    zones: tuple[str, ...]
    """IANA names of every time zone in which it may ring; () where that is unknown."""
    kind: NumberKind


UNKNOWN_FACTS = PhoneFacts(region=None, zones=(), kind=NumberKind.UNKNOWN)


LONGEST_INPUT = 40
"""Characters. A longer text is not a phone number, whatever is in it."""

# A floating point number that a spreadsheet or a script made of a phone number; its ".0" would become a digit too many.
_FLOAT = re.compile(r"\+?\d{5,}\.(?:0+|\d{1,2})")
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")
_PUNCTUATION = frozenset(" ().-/")
_NO_PUNCTUATION = str.maketrans("", "", "".join(_PUNCTUATION))
_USUAL = re.compile(r"\+?[0-9 ()\-/]+", re.ASCII)
# Numbers that authorities keep free for fiction: North America's 555-01xx in any area, Ofcom's for drama. They reach
# nobody, and trials, samples and the laboratory live on them, but not all of them count as valid.
_FICTIONAL = re.compile(r"\+1[2-9]\d{2}55501\d{2}|\+44(?:2079460\d{3}|1632960\d{3}|7700900\d{3})")

_E164 = re.compile(r"\+[1-9][0-9]{1,14}", re.ASCII)

FACTS_KEPT = 100_000
"""Numbers whose facts are remembered: a campaign asks again at each attempt."""

_NORTH_AMERICAN, _BRITISH = 1, 44
_AREA_ENDS = 4  # digits: the 1 and an area code
# ITU-T E.164's shared codes: Inmarsat, personal numbers, satellite systems, and two for networks of all kinds.
_NETWORKS_WITHOUT_COUNTRY = frozenset({870, 878, 881, 882, 883})
_PREMIUM_WITHOUT_COUNTRY = 979

_CALLING_CODES = {str(code): code for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
_NOTHING = re.compile("(?!)")
# The library's descriptions of kinds of numbers but for the premium ones, the most frequent first.
_KINDS = (
    *("fixed_line", "mobile", "toll_free", "shared_cost", "voip"),
    *("personal_number", "pager", "uan", "voicemail"),
)

_WHY_NOT_DIALED = {
    NumberKind.PREMIUM: "a premium rate number, which is never dialed",
    NumberKind.SATELLITE: "a number of a satellite or another network without a country, which is never dialed",
    NumberKind.EMERGENCY: "an emergency or service number",
    NumberKind.UNKNOWN: "no such number",
}
_WHY_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: "too short",
    ValidationResult.TOO_LONG: "too long",
    ValidationResult.INVALID_LENGTH: "not a possible length",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
    ValidationResult.INVALID_COUNTRY_CODE: "no such country calling code",
}
_WHY_UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: "no such country calling code",
    NumberParseException.NOT_A_NUMBER: "not a phone number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "too short",
    NumberParseException.TOO_SHORT_NSN: "too short",
    NumberParseException.TOO_LONG: "too long",
}


class InvalidNumber(DialerdError):
    """Not a phone number that may be dialed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def is_region(code: str) -> bool:
    """Whether `code` is a country as ISO 3166 writes it (two capitals) and has phone numbers."""
    return code in phonenumbers.SUPPORTED_REGIONS


def normalize(raw: str, default_region: str) -> str:
    """The number in E.164. `default_region` (e.g. "GB") is the country of numbers that are written without one.

    Raises InvalidNumber with the reason in words. Emergency and service numbers are always refused.
    """
    if _E164.fullmatch(raw) and _is_surely_ordinary(raw):
        return raw
    written = _as_written(raw)
    return _surely_ordinary(written, default_region) or _parsed(written, default_region)


def _parsed(written: str, default_region: str) -> str:
    try:
        parsed = phonenumbers.parse(written, default_region)
    except NumberParseException as unreadable:
        raise InvalidNumber(_WHY_UNREADABLE.get(unreadable.error_type, "not a phone number")) from None
    number: str = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if not (phonenumbers.is_valid_number(parsed) or _FICTIONAL.fullmatch(number)):
        raise InvalidNumber(_why_invalid(parsed, written, default_region))
    return number


def dialable(raw: str, default_region: str) -> str:
    """`normalize`, for a number that is to be called: raises InvalidNumber for premium and satellite numbers, too."""
    if _E164.fullmatch(raw) and _is_surely_ordinary(raw):
        return raw
    written = _as_written(raw)
    if number := _surely_ordinary(written, default_region):
        return number
    number = _parsed(written, default_region)
    kind = _kind(phonenumbers.parse(number), number)
    if kind is not NumberKind.ORDINARY:
        raise InvalidNumber(_WHY_NOT_DIALED[kind])
    return number


@lru_cache(maxsize=FACTS_KEPT)
def facts_of(e164: str) -> PhoneFacts:
    """Never raises: of what is no number, nothing is known."""
    if not _E164.fullmatch(e164):
        return UNKNOWN_FACTS
    try:
        parsed = phonenumbers.parse(e164)
    except NumberParseException:
        return UNKNOWN_FACTS
    kind = _kind(parsed, e164)
    if kind is NumberKind.UNKNOWN or phonenumbers.format_number(parsed, PhoneNumberFormat.E164) != e164:
        return UNKNOWN_FACTS
    return PhoneFacts(region=_region(parsed, e164), zones=_zones(parsed, e164), kind=kind)


def _kind(parsed: PhoneNumber, e164: str) -> NumberKind:
    if parsed.country_code in _NETWORKS_WITHOUT_COUNTRY:
        return NumberKind.SATELLITE
    meant_for = phonenumbers.number_type(parsed)
    if meant_for == PhoneNumberType.PREMIUM_RATE or parsed.country_code == _PREMIUM_WITHOUT_COUNTRY:
        return NumberKind.PREMIUM
    if meant_for != PhoneNumberType.UNKNOWN or _FICTIONAL.fullmatch(e164):
        return NumberKind.ORDINARY
    return NumberKind.EMERGENCY if phonenumbers.is_possible_short_number(parsed) else NumberKind.UNKNOWN


def _region(parsed: PhoneNumber, e164: str) -> str | None:
    region = phonenumbers.region_code_for_number(parsed)
    if region is None and parsed.country_code == _BRITISH and _FICTIONAL.fullmatch(e164):
        return "GB"
    return region if region and is_region(region) else None


def _zones(parsed: PhoneNumber, e164: str) -> tuple[str, ...]:
    """By the beginning of the number where that tells a place, else those of the whole country.

    The library's data know a place for mobile numbers of some countries that are portable all over them (Australia's
    are in Sydney); its own question whether a type is bound to a place says which.
    """
    if parsed.country_code == _NORTH_AMERICAN:
        return _zones_of_areas().get(e164[: _AREA_ENDS + 1]) or _named(time_zones_for_geographical_number(parsed))
    meant_for = phonenumbers.number_type(parsed)
    is_fictional = meant_for == PhoneNumberType.UNKNOWN
    if is_fictional or is_number_type_geographical(meant_for, parsed.country_code or 0):
        return _named(time_zones_for_geographical_number(parsed))
    return _named(time_zones_for_number(parsed))


@cache
def _zones_of_areas() -> Mapping[str, tuple[str, ...]]:
    """`+1` and area code -> every zone that the area reaches into.

    In North America the library may know the zone of an exchange, but numbers are portable within an area, and a mobile
    one says no more than the area that it was bought in.
    """
    areas: dict[str, set[str]] = {}
    for beginning, zones in TIMEZONE_DATA.items():
        if beginning.startswith(str(_NORTH_AMERICAN)) and len(beginning) >= _AREA_ENDS:
            areas.setdefault(f"+{beginning[:_AREA_ENDS]}", set()).update(_named(zones))
    return {area: tuple(sorted(zones)) for area, zones in areas.items()}


def _named(zones: Iterable[str]) -> tuple[str, ...]:
    return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)


# --- Without parsing: a list may have 200,000 numbers, and most are written plainly ------------------------------------
#
# What follows says "this is an ordinary number, and parsing would not change it" by one regular expression, made of the
# library's own patterns, in a fiftieth of the time; or it says nothing, and the number is parsed. A test holds both equal.


def _surely_ordinary(written: str, default_region: str) -> str | None:
    """The number in E.164 if it is an ordinary one for sure. Of `_as_written` form."""
    digits = written.translate(_NO_PUNCTUATION)
    if not written.startswith("+"):
        return _surely_national(digits, default_region)
    return digits if _is_surely_ordinary(digits) else None


def _is_surely_ordinary(e164: str) -> bool:
    """Of a plus sign and digits."""
    for end in (2, 3, 4):  # no calling code is the beginning of another one
        code = _CALLING_CODES.get(e164[1:end])
        if code is not None:
            return _ordinary_of(code).fullmatch(e164, end) is not None
    return False


def _surely_national(digits: str, region: str) -> str | None:
    """Of a number that is written as in its own country, with or without the national prefix (mostly 0)."""
    plan = _national_plan(region)
    if plan is None or plan.abroad.match(digits):
        return None
    rest = _without_code(digits, plan) if digits.startswith(str(plan.code)) else _without_prefix(digits, plan)
    is_ordinary = plan.general.match(rest) and _ordinary_of(plan.code).fullmatch(rest)
    return f"+{plan.code}{rest}" if is_ordinary else None


def _without_code(digits: str, plan: "_NationalPlan") -> str:
    """Of a number that begins as with its calling code. Empty where that may be its own beginning, too."""
    rest = digits.removeprefix(str(plan.code))
    return "" if plan.pattern.fullmatch(digits) or plan.prefix.match(rest) else rest


def _without_prefix(digits: str, plan: "_NationalPlan") -> str:
    """Empty where a prefix says more than that it may be left out."""
    prefix = plan.prefix.match(digits)
    if not prefix:
        return digits
    return "" if plan.rewrites and prefix.groups()[-1] is not None else digits[prefix.end() :]


@dataclass(frozen=True, kw_only=True)
class _NationalPlan:
    """How numbers are written inside of a country."""

    code: int
    prefix: re.Pattern[str]
    rewrites: bool
    """Whether a prefix may be more than some digits that are left out."""
    pattern: re.Pattern[str]
    general: re.Pattern[str]
    """The pattern, of the right length."""
    abroad: re.Pattern[str]
    """Beginnings that may mean a prefix for calls to other countries: to be parsed."""


@cache
def _national_plan(region: str) -> _NationalPlan | None:
    if not is_region(region):
        return None
    plan = _metadata(region)
    return _NationalPlan(
        code=plan.country_code,
        prefix=re.compile(plan.national_prefix_for_parsing or "(?!)", re.ASCII),
        rewrites=bool(plan.national_prefix_transform_rule),
        pattern=re.compile(plan.general_desc.national_number_pattern, re.ASCII),
        general=re.compile(_whole(plan.general_desc), re.ASCII),
        abroad=re.compile(plan.international_prefix or "(?!)", re.ASCII),
    )


def _metadata(region: str) -> Any:
    """Any: the library says of everything in it that it may be missing."""
    return PhoneMetadata.metadata_for_region(region)


@cache
def _ordinary_of(calling_code: int) -> re.Pattern[str]:
    """National parts that are ordinary numbers of this calling code, and stay as they are when parsed."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[calling_code]
    if not all(is_region(region) for region in regions):  # a network without a country
        return _NOTHING
    plans = [_metadata(region) for region in regions]
    prefix = plans[0].national_prefix_for_parsing
    refused = [prefix] if prefix else []
    refused += dict.fromkeys(_whole(plan.premium_rate) for plan in plans)
    return re.compile("".join(f"(?!{pattern})" for pattern in refused) + f"(?:{_valid(plans)})", re.ASCII)


def _valid(plans: Sequence[Any]) -> str:
    """Valid in the first plan that claims the number: by its leading digits, or where it has none, by the number being valid."""
    claimed: list[str] = []
    ways = []
    for plan in plans:
        mine = f"(?={plan.leading_digits})" if plan.leading_digits else ""
        ways.append("".join(claimed) + mine + _valid_in(plan))
        if mine:
            claimed.append(f"(?!{plan.leading_digits})")
    return "|".join(ways)


def _valid_in(plan: Any) -> str:
    descriptions = [getattr(plan, kind) for kind in _KINDS]
    return f"(?={_whole(plan.general_desc)})(?:{'|'.join(_whole(each) for each in descriptions)})"


def _whole(description: Any) -> str:
    """The pattern up to the end of the text, for the lengths that it is meant for."""
    if description is None or not description.national_number_pattern:
        return "(?!)"
    lengths = "|".join(rf"\d{{{length}}}" for length in description.possible_length if length > 0)
    guard = rf"(?=(?:{lengths})\Z)" if description.possible_length else ""
    return rf"{guard}(?:{description.national_number_pattern})\Z"


def _as_written(raw: str) -> str:
    """Digits and punctuation only, `00` as `+`."""
    if len(raw) > LONGEST_INPUT:
        raise InvalidNumber(f"longer than {LONGEST_INPUT} characters")
    if _USUAL.fullmatch(raw):  # nearly every one, and a list may have 200,000
        text = raw.strip()
    else:
        text = _cleaned(raw)
    if not text:
        raise InvalidNumber("empty")
    return "+" + text[2:] if text.startswith("00") else text


def _cleaned(raw: str) -> str:
    text = "".join(_plain(c) for c in raw).strip()
    if _FLOAT.fullmatch(text) or _SCIENTIFIC.fullmatch(text):
        raise InvalidNumber("written as a decimal number: format the spreadsheet's column as text")
    others = [c for c in text.removeprefix("+") if c not in _PUNCTUATION and not c.isdecimal()]
    if any(c.isalpha() for c in others):
        raise InvalidNumber("has letters in it")
    if others:
        raise InvalidNumber(f"has {others[0]!a} in it")
    return text


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    kind = unicodedata.category(character)
    if kind == "Cf":  # direction marks, zero width spaces, a byte order mark
        return ""
    if kind == "Pd":  # any dash
        return "-"
    return " " if kind == "Zs" else character


def _why_invalid(parsed: phonenumbers.PhoneNumber, written: str, default_region: str) -> str:
    if not written.startswith("+") and phonenumbers.connects_to_emergency_number(written, default_region):
        return "an emergency number"
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    return f"{_WHY_IMPOSSIBLE.get(possible, 'no such number')} (country code +{parsed.country_code})"
