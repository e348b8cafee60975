"""Phone numbers: from what people write to E.164, or to the reason why it is not a number that may be dialed.

Everything that is dialed has passed `normalize`, so its result is ASCII and nothing but a plus sign and digits.
phonenumbers is met here only.
"""

import re
import unicodedata

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from dialerd.errors import DialerdError
from dialerd.privacy import mask_number as mask

__all__ = ["InvalidNumber", "is_region", "mask", "normalize"]

LONGEST_INPUT = 40
"""Characters. A longer text is not a phone number, whatever is in it."""

# A floating point number that a spreadsheet or a script made of a phone number; its ".0" would become a digit too many.
_FLOAT = re.compile(r"\d{5,}\.0+")
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")
_PUNCTUATION = frozenset(" ().-/")
_USUAL = re.compile(r"\+?[0-9 ()\-/]+", re.ASCII)
# Numbers that authorities keep free for fiction: North America's 555-01xx in any area, Ofcom's for drama. They reach
# nobody, and trials, samples and the laboratory live on them, but not all of them count as valid.
_FICTIONAL = re.compile(r"\+1[2-9]\d{2}55501\d{2}|\+44(?:2079460\d{3}|1632960\d{3}|7700900\d{3})")

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
    written = _as_written(raw)
    try:
        parsed = phonenumbers.parse(written, default_region)
    except NumberParseException as unreadable:
        raise InvalidNumber(_WHY_UNREADABLE.get(unreadable.error_type, "not a phone number")) from None
    number: str = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if not (phonenumbers.is_valid_number(parsed) or _FICTIONAL.fullmatch(number)):
        raise InvalidNumber(_why_invalid(parsed, written, default_region))
    return number


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
