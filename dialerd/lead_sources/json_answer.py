"""JSON that somebody else has written: decoded without trusting it, or refused with the reason.

Stricter than Python's own reader: NaN and Infinity are no JSON, and a key that stands twice in one object means two
things. Plain Python is called for each object and each number on purpose: the reader is one long call in C, which would
keep every other thread waiting, the event loop's too, though it is run in a thread of its own.
"""

import json
from typing import Any

from dialerd.lead_sources.base import printable

LONGEST_WHOLE = 18
"""Digits. A longer number stays text: no column of a lead has room for it, and a million digits take minutes to read."""

_CHARSETS = {
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
    **dict.fromkeys(("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "utf-32"), ""),
}
"""What a Content-Type may say. Of Unicode the text itself tells which kind (RFC 4627, 3)."""


class NotJson(ValueError):
    """Why the text is none that can be used, as the rest of a sentence."""


def decoded(body: bytes, *, charset: str | None = None, max_depth: int) -> Any:
    """The value that the text stands for; whole numbers of more than LONGEST_WHOLE digits as text. Raises NotJson."""
    try:
        value = json.loads(
            _text(body, charset),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as malformed:
        why = "is empty" if not body.strip() else f"is not JSON (line {malformed.lineno}, column {malformed.colno})"
        raise NotJson(why) from None
    except RecursionError:
        raise NotJson(_too_deep(max_depth)) from None
    if _depth_reaches(max_depth + 1, value):
        raise NotJson(_too_deep(max_depth))
    return value


def _text(body: bytes, charset: str | None) -> str:
    named = _CHARSETS.get((charset or "utf-8").lower())
    if named is None:
        raise NotJson(f"is in the character set {printable(charset or '')!r}, which is not JSON's")
    encoding = named or json.detect_encoding(body)
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        raise NotJson(f"is not {encoding}, though it says so") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotJson(f"has the key {printable(twice)!r} twice in one object")
    return made


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits.removeprefix("-")) <= LONGEST_WHOLE else digits


def _float(digits: str) -> float:
    return float(digits)


def _constant(name: str) -> Any:
    raise NotJson(f"has {name} in it, which is not JSON")


def _depth_reaches(depth: int, value: Any) -> bool:
    """Level by level: a recursion would end where the depth it looks for begins."""
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep(max_depth: int) -> str:
    return f"has more than {max_depth} lists and objects within one another (crm.max_depth)"
