"""How a phone number is shown where it may be read by those who have no business with it: logs, terminals, messages."""

import re

_STARS = "****"
# A number with its plus sign, spaced or not; or a bare run of digits as in PJSIP/12025550123@carrier. What is part of a
# word, of a UUID, or has a fraction (a channel's Uniqueid, an epoch time) is left alone.
_NUMBER = re.compile(
    r"""
    \+\d (?: [ .()\-]{0,2} \d ){6,14}
    | (?<![\w.+\-]) \d{9,15} (?! [\w\-] | \.\d )
    """,
    re.VERBOSE | re.ASCII,
)


def mask_number(number: str) -> str:
    """`+442079461234` as `+4420****1234`: at least four digits stay hidden, however short the number is."""
    plus = "+" if number.lstrip().startswith("+") else ""
    digits = "".join(c for c in number if c.isdecimal())
    shown_last = 4 if len(digits) >= 10 else 2
    shown_first = min(4, max(0, len(digits) - shown_last - len(_STARS)))
    if len(digits) < len(_STARS) + shown_last:
        return plus + _STARS
    return f"{plus}{digits[:shown_first]}{_STARS}{digits[-shown_last:]}"


def mask_numbers_in(text: str) -> str:
    """The text with every phone number in it masked."""
    return _NUMBER.sub(lambda found: mask_number(found[0]), text)
