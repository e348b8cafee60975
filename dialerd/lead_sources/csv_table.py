"""A CSV file as a table: its encoding, delimiter and header, and rows that have as many values as the header has names.

Nothing is guessed where a wrong guess would go unseen: a file that is not UTF-8, and does not say by its first bytes
that it is UTF-16 or UTF-32, is refused unless its encoding is named, and a quote that is never closed is an error, not
a very long value.
"""

import codecs
import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from dialerd.lead_sources.base import BadRow, Flaw, UnreadableSource

LONGEST_LINE = 1_000_000
"""Characters. A longer line is no table of people, and is not read into memory."""
LONGEST_VALUE = 131_072
"""Characters, over all lines of a value: the default of the module csv, which stops reading there."""
DELIMITERS = ",;\t"
LONGEST_COLUMN = 64
"""Characters of a name in the header."""
UTF_8 = "utf-8"

# With apostrophes of its own before it, too: they have to come back.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_ROW = "(row)"
_NOT_DECODED = re.compile("[\udc80-\udcff]")  # what the error handler "surrogateescape" makes of a byte
# UTF-32 first: one of its marks begins as one of UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Record(NamedTuple):  # there are as many as rows, and it is made many times faster than a frozen dataclass
    line: int
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Header:
    names: tuple[str, ...]
    """As they are written."""
    delimiter: str


def read_table(path: Path, *, encoding: str, required: Sequence[str]) -> tuple[list[str], Iterator[Record | BadRow]]:
    """The column names as written, and the rows. `required` names tell the delimiter, and must be there.

    Raises UnreadableSource: at once for what is wrong with the file or its header, from the rows for its encoding.
    """
    lines = read_lines(path, encoding)
    header = read_header(lines, path, known=required)
    refuse(path, header_problems(header, [canonical(name) for name in header.names], required))
    return list(header.names), read_records(lines, header, path)


def read_header(lines: Iterator[str], path: Path, *, known: Collection[str]) -> Header:
    """The first of the lines. The delimiter is the one by which most `known` columns are found."""
    first = next(lines, "")
    if not first.strip():
        raise UnreadableSource(str(path), ["is empty: the first line has to name the columns"])
    delimiter = max(DELIMITERS, key=lambda candidate: _names_found(first, candidate, known))
    return Header(names=tuple(_cells(first, delimiter)), delimiter=delimiter)


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Raises UnreadableSource if there are any."""
    if problems:
        raise UnreadableSource(str(path), problems)


def canonical(name: str) -> str:
    """How a column is known: "First Name" is first_name."""
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def read_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines with their ends, without a byte order mark. Raises UnreadableSource at a line that cannot be read."""
    try:
        encoding = _encoding_of(path, encoding)
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            yield from _checked_lines(file, path, encoding)
    except (OSError, LookupError) as failure:
        why = f"{encoding!r} is no encoding" if isinstance(failure, LookupError) else failure.strerror
        raise UnreadableSource(str(path), [str(why)]) from None
    except UnicodeError:
        raise UnreadableSource(str(path), [f"is not {encoding}"]) from None


def _encoding_of(path: Path, named: str) -> str:
    """A mark at the beginning counts where nobody has named anything but the default. What is not a plain file is read once."""
    if named != UTF_8 or not path.is_file():
        return named
    with path.open("rb") as file:
        begin = file.read(4)
    return next((encoding for mark, encoding in _MARKS if begin.startswith(mark)), named)


def _checked_lines(file: TextIO, path: Path, encoding: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UnreadableSource(
                str(path), [f"line {number} is longer than {LONGEST_LINE} characters: not a CSV file?"]
            )
        if not line.isascii() and _NOT_DECODED.search(line):
            raise UnreadableSource(str(path), [_not_decoded(number, encoding)])
        yield line.lstrip("\ufeff") if number == 1 else line


def _not_decoded(line: int, encoding: str) -> str:
    return f"line {line} is not {encoding}: save the file as CSV UTF-8, or name its encoding, like --encoding cp1252"


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a name that is longer than a value may be
        return [line]


def _names_found(line: str, delimiter: str, wanted: Collection[str]) -> tuple[int, int]:
    names = [canonical(cell) for cell in _cells(line, delimiter)]
    return sum(name in wanted for name in names), len(names)


def header_problems(header: Header, columns: Sequence[str], required: Sequence[str]) -> list[str]:
    """All that is wrong with the names, as sentences. `columns` are what the names stand for, one for each."""
    problems = [f"the header has no column {name!r}" for name in required if name not in columns]
    problems += [f"column {place} has no name" for place, name in enumerate(columns, 1) if not name]
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    problems += [_told_twice(name, header.names, columns) for name in twice]
    unprintable = [name for name in header.names if not name.isprintable() or len(name) > LONGEST_COLUMN]
    return problems + [f"{name[:LONGEST_COLUMN]!a} cannot be the name of a column" for name in unprintable]


def _told_twice(column: str, names: Sequence[str], columns: Sequence[str]) -> str:
    spellings = [repr(name) for name, known in zip(names, columns, strict=True) if known == column]
    return f"the header names {column!r} {len(spellings)} times: {', '.join(spellings)}"


def read_records(lines: Iterator[str], header: Header, path: Path) -> Iterator[Record | BadRow]:
    """The rows after the header; empty ones are passed over.

    Raises UnreadableSource where it cannot be told any more what is a row and what is inside of a value.
    """
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
    width = len(header.names)
    while True:
        line = reader.line_num + 2  # the header was line 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as malformed:
            last = reader.line_num + 1
            if last > line and _is_too_long(malformed):
                refuse(path, [f"line {line} opens a quotation mark that is not closed in {LONGEST_VALUE} characters"])
            yield _malformed(malformed, first=line, last=last)
            continue
        stripped = tuple(map(str.strip, values))
        if not any(stripped):
            continue
        if len(stripped) == width:
            yield Record(line=line, values=stripped)
        else:
            yield BadRow(line=line, flaws=(_wrong_width(values, width, header.delimiter),))


def _malformed(error: csv.Error, *, first: int, last: int) -> BadRow:
    """The module's own words, with the likely cause: its errors come from long values, and from quotes that do not match."""
    reason = f"a quotation mark is not closed, or stands inside a value ({error})"
    if _is_too_long(error):
        reason = f"a value is longer than {LONGEST_VALUE} characters"
    if last > first:
        reason += f"; lines {first} to {last} were taken for one row"
    return BadRow(line=first, flaws=(Flaw(column=_ROW, value="", reason=reason),))


def _is_too_long(error: csv.Error) -> bool:
    return "field larger" in str(error)


def _wrong_width(values: Sequence[str], width: int, delimiter: str) -> Flaw:
    reason = f"has {len(values)} values where the header names {width} columns"
    if len(values) > width:
        reason += f": a value that contains {delimiter!r} has to stand in quotation marks"
    return Flaw(column=_ROW, value="", reason=reason)


def guarded(value: str) -> str:
    """The value so that no spreadsheet takes it for a formula."""
    return f"'{value}" if _FORMULA.match(value) else value


def unguarded(value: str) -> str:
    """What `guarded` was given."""
    return value[1:] if _GUARDED.match(value) else value
