"""Leads from a CSV file, with the columns of the first specification; any other column is a field of its own.

| column | required | is |
|---|---|---|
| number | yes | phone number; E.164, or as written in the default country |
| priority | yes | whole number; higher is dialed first |
| first_name | yes | shown to the agent |
| last_name | | shown to the agent |
| retries | | most attempts for this lead, 1 to 5 |
| ticket_id | | reference passed to the agent |
| cool_off, cool_off_2nd, cool_off_3rd | | seconds to wait after the 1st, 2nd, 3rd failed dial |
| note | | free text for the agent |
| type | | a tag |

An export has the same columns, so that it can be imported again. Spreadsheets take a value that begins with `=`, `+`,
`-` or `@` for a formula; such a value gets an apostrophe before it on the way out, and loses it on the way in.

Plain iterators, to be run in a thread: judging a number is work for the processor.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dialerd.domain.campaigns import MAX_ATTEMPTS
from dialerd.domain.leads import NewLead
from dialerd.domain.phone import InvalidNumber, mask, normalize
from dialerd.lead_sources.base import BadRow, Flaw, GoodRow, printable, shown_number
from dialerd.lead_sources.csv_table import Record, canonical, read_table

REQUIRED = ("number", "priority", "first_name")
COLUMNS = (
    *REQUIRED,
    "last_name",
    "retries",
    "ticket_id",
    "cool_off",
    "cool_off_2nd",
    "cool_off_3rd",
    "note",
    "type",
)
OURS = ("dialerd_state", "dialerd_attempts")
"""Columns that an export has on top; an import passes them over."""
UTF_8 = "utf-8"

LONGEST_NAME = 100
LONGEST_NOTE = 10_000
LONGEST_CUSTOM = 1_000
LONGEST_COOLOFF_S = 30 * 24 * 3600
HIGHEST_PRIORITY = 1_000_000

_WHOLE = re.compile(r"([+-]?\d{1,12})(?:\.0+)?", re.ASCII)  # some spreadsheets write 3 as 3.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

_FORMULA = re.compile(r"[=+\-@\t\r]")
_GUARDED = re.compile(r"'[=+\-@\t\r]")

SAMPLE = (
    ("number", "priority", "first_name", "last_name", "retries", "ticket_id", "cool_off", "note", "type", "city"),
    (
        "+12025550101",
        "10",
        "Ada",
        "Nguyen",
        "3",
        "T-1001",
        "1800",
        "Asked for a quote, prefers mornings",
        "quote",
        "Oslo",
    ),
    ("+12025550102", "5", "Ben", "Okafor", "", "T-1002", "", "", "renewal", "Lyon"),
    ("+442079460103", "1", "Chloé", "Márquez", "2", "", "3600", "", "", "Leeds"),
)


class _Unfit(Exception):
    """A value is not what its column wants."""


def read_leads(path: Path, *, default_region: str, encoding: str = UTF_8) -> Iterator[GoodRow | BadRow]:
    """Every row of the file, in order. `default_region` is the country of numbers without one (ISO 3166, e.g. GB).

    Raises UnreadableSource where the file as a whole is none. A number that came before makes its row a bad one.
    """
    names, records = read_table(path, encoding=encoding, required=REQUIRED)
    columns = [_column(name) for name in names]
    first_lines: dict[str, int] = {}
    for record in records:
        row = record if isinstance(record, BadRow) else _judged(record, columns, default_region)
        yield _unless_repeated(row, first_lines) if isinstance(row, GoodRow) else row


def _column(name: str) -> str:
    """Ours have one spelling; a field of its own keeps the file's."""
    known = canonical(name)
    return known if known in COLUMNS or known in OURS else _unguarded(name)


def sample_csv() -> str:
    """A file that imports as it is, for people to begin with. Its numbers are fictional."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(SAMPLE)
    return text.getvalue()


def guarded(value: str) -> str:
    """The value so that no spreadsheet takes it for a formula."""
    return f"'{value}" if _FORMULA.match(value) else value


def _unguarded(value: str) -> str:
    return value[1:] if _GUARDED.match(value) else value


def _unless_repeated(row: GoodRow, first_lines: dict[str, int]) -> GoodRow | BadRow:
    first = first_lines.setdefault(row.lead.number, row.line)
    if first == row.line:
        return row
    reason = f"the same number as in line {first}"
    return BadRow(line=row.line, flaws=(Flaw(column="number", value=mask(row.lead.number), reason=reason),))


def _judged(record: Record, columns: list[str], default_region: str) -> GoodRow | BadRow:
    """All that is wrong with the row at once."""
    fields: dict[str, Any] = {}
    custom: dict[str, str] = {}
    flaws: list[Flaw] = []
    for column, written in zip(columns, record.values, strict=True):
        value = _unguarded(written)
        try:
            if column == "number":
                fields["number"] = normalize(value, default_region)
            elif column in _FIELDS:
                name, judge = _FIELDS[column]
                fields[name] = judge(value)
            elif column not in OURS:
                custom[column] = _text(LONGEST_CUSTOM, lines=True)(value)
        except (_Unfit, InvalidNumber) as unfit:
            flaws.append(Flaw(column=column, value=_shown(column, value), reason=str(unfit)))
    if flaws:
        return BadRow(line=record.line, flaws=tuple(flaws))
    return GoodRow(line=record.line, lead=NewLead(**fields, custom=custom))


def _shown(column: str, value: str) -> str:
    return shown_number(value) if column == "number" else printable(value)


def _text(longest: int, *, lines: bool = False, required: bool = False) -> Callable[[str], str]:
    forbidden = _CONTROL_BUT_LINES if lines else _CONTROL

    def judge(value: str) -> str:
        if required and not value:
            raise _Unfit("is missing")
        if len(value) > longest:
            raise _Unfit(f"is longer than {longest} characters")
        if forbidden.search(value):
            raise _Unfit("has a line break or a control character in it")
        return value

    return judge


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def judge(value: str) -> int:
        written = _WHOLE.fullmatch(value)
        if not written or not lowest <= int(written[1]) <= highest:
            raise _Unfit(f"is not a whole number from {lowest} to {highest}" if value else "is missing")
        return int(written[1])

    return judge


def _optional(judge: Callable[[str], int]) -> Callable[[str], int | None]:
    return lambda value: judge(value) if value else None


_seconds = _optional(_whole(0, LONGEST_COOLOFF_S))

_FIELDS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "priority": ("priority", _whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)),
    "first_name": ("first_name", _text(LONGEST_NAME, required=True)),
    "last_name": ("last_name", _text(LONGEST_NAME)),
    "retries": ("max_attempts", _optional(_whole(1, MAX_ATTEMPTS))),
    "ticket_id": ("ticket_id", _text(LONGEST_NAME)),
    "cool_off": ("cooloff_s", _seconds),
    "cool_off_2nd": ("cooloff_2nd_s", _seconds),
    "cool_off_3rd": ("cooloff_3rd_s", _seconds),
    "note": ("note", _text(LONGEST_NOTE, lines=True)),
    "type": ("lead_type", _text(LONGEST_NAME)),
}
