"""A CSV file as a table: its encoding, delimiter and header, and rows that have as many values as the header has names.

Nothing is guessed where a wrong guess would go unseen: a file that is not UTF-8 is refused unless its encoding is
named, and a quote that is never closed is an error, not a very long value.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dialerd.lead_sources.base import BadRow, Flaw, UnreadableSource

LONGEST_LINE = 1_000_000
"""Characters. A longer line is no table of people, and is not read into memory."""
DELIMITERS = ",;\t"
_ROW = "(row)"


@dataclass(frozen=True, kw_only=True)
class Record:
    line: int
    values: tuple[str, ...]


def read_table(path: Path, *, encoding: str, required: Sequence[str]) -> tuple[list[str], Iterator[Record | BadRow]]:
    """The column names as written, and the rows. `required` names tell the delimiter, and must be there.

    Raises UnreadableSource: at once for what is wrong with the file or its header, from the rows for its encoding.
    """
    lines = read_lines(path, encoding)
    first = next(lines, "")
    if not first.strip():
        raise UnreadableSource(str(path), ["is empty: the first line has to name the columns"])
    delimiter = max(DELIMITERS, key=lambda candidate: _names_found(first, candidate, required))
    names = _cells(first, delimiter)
    problems = _header_problems(names, required)
    if problems:
        raise UnreadableSource(str(path), problems)
    return names, _records(lines, delimiter, len(names))


def canonical(name: str) -> str:
    """How a column is known: "First Name" is first_name."""
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def read_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines with their ends, without a byte order mark. Raises UnreadableSource at a line that cannot be read."""
    try:
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            yield from _checked_lines(file, path, encoding)
    except (OSError, LookupError) as failure:
        why = f"{encoding!r} is no encoding" if isinstance(failure, LookupError) else failure.strerror
        raise UnreadableSource(str(path), [str(why)]) from None
    except UnicodeError:
        raise UnreadableSource(str(path), [f"is not {encoding}"]) from None


def _checked_lines(file: TextIO, path: Path, encoding: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UnreadableSource(
                str(path), [f"line {number} is longer than {LONGEST_LINE} characters: not a CSV file?"]
            )
        if not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line):
            raise UnreadableSource(str(path), [_not_decoded(number, encoding)])
        yield line.lstrip("\ufeff") if number == 1 else line


def _not_decoded(line: int, encoding: str) -> str:
    return f"line {line} is not {encoding}: save the file as CSV UTF-8, or name its encoding, like --encoding cp1252"


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _names_found(line: str, delimiter: str, wanted: Sequence[str]) -> tuple[int, int]:
    names = [canonical(cell) for cell in _cells(line, delimiter)]
    return sum(name in wanted for name in names), len(names)


def _header_problems(names: Sequence[str], required: Sequence[str]) -> list[str]:
    known = [canonical(name) for name in names]
    unnamed = [str(place) for place, name in enumerate(known, 1) if not name]
    problems = [f"the header has no column {name!r}" for name in required if name not in known]
    problems += [f"column {place} has no name" for place in unnamed]
    twice = {name for name in known if name and known.count(name) > 1}
    problems += [f"the header names {name!r} {known.count(name)} times" for name in sorted(twice)]
    unprintable = [name for name in names if not name.isprintable() or len(name) > 64]
    return problems + [f"{name[:64]!a} cannot be the name of a column" for name in unprintable]


def _records(lines: Iterator[str], delimiter: str, width: int) -> Iterator[Record | BadRow]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 2  # the header was line 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as malformed:
            yield _malformed(malformed, first=line, last=reader.line_num + 1)
            continue
        if not any(value.strip() for value in values):
            continue
        if len(values) == width:
            yield Record(line=line, values=tuple(value.strip() for value in values))
        else:
            yield BadRow(line=line, flaws=(_wrong_width(values, width, delimiter),))


def _malformed(error: csv.Error, *, first: int, last: int) -> BadRow:
    """The module's own words, with the likely cause: its errors come from quotes that do not match."""
    reason = f"a quotation mark is not closed, or stands inside a value ({error})"
    if last > first:
        reason += f"; lines {first} to {last} were taken for one row"
    return BadRow(line=first, flaws=(Flaw(column=_ROW, value="", reason=reason),))


def _wrong_width(values: Sequence[str], width: int, delimiter: str) -> Flaw:
    reason = f"has {len(values)} values where the header names {width} columns"
    if len(values) > width:
        reason += f": a value that contains {delimiter!r} has to stand in quotation marks"
    return Flaw(column=_ROW, value="", reason=reason)
