"""What people write in TOML: settings, profiles, menus, sources. Read within limits, and whatever else it is, is told."""

import tomllib
from pathlib import Path
from typing import Any

from dialerd.errors import DialerdError

LONGEST = 1024 * 1024
"""Bytes of a file. The longest menu that is allowed has a tenth of it; a far longer file is another one."""


class UnreadableToml(DialerdError):
    """It cannot be read as TOML. The message is one to follow the name of the file."""


def read_toml(path: Path, *, longest: int = LONGEST) -> dict[str, Any]:
    """Raises UnreadableToml."""
    try:
        with path.open("rb") as file:
            content = file.read(longest + 1)
    except OSError as failure:
        raise UnreadableToml(f"cannot be read: {failure.strerror}") from None
    if len(content) > longest:
        raise UnreadableToml(f"cannot be read: it is longer than {longest // 1024} KiB, which no such file is")
    try:
        return parse_toml(content.decode())
    except UnicodeDecodeError as failure:
        raise UnreadableToml(f"is not TOML: {failure}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Raises UnreadableToml, also where Python's own reader has not foreseen what it meets."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise UnreadableToml(f"is not TOML: {failure}") from None
    except RecursionError:
        raise UnreadableToml("is not TOML: it is nested too deeply") from None
    except ValueError:
        raise UnreadableToml("is not TOML: a number in it has too many digits, or a date is none") from None
