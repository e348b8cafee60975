"""Leads from a CSV file, with the columns of the specifications; any other column is a field of its own.

| column | required | is |
|---|---|---|
| number | yes | phone number; E.164, or as written in the default country |
| priority | yes | whole number; higher is dialed first |
| first_name | yes | shown to the agent |
| last_name | | shown to the agent |
| retries | | most attempts for this lead, 1 to the account's limit |
| ticket_id | | reference passed to the agent |
| cool_off, cool_off_2nd, cool_off_3rd | | seconds to wait after the 1st, 2nd, 3rd failed dial |
| note | | free text for the agent |
| type | | a tag |
| time_zone | | IANA name of the zone in which the lead lives |
| skill, extension | | passed on with the call |
| number_2 to number_5 | | more numbers of the same lead, in the order in which they are tried |

Other spellings are taken for these where the column itself is missing: `phone number` and `phone`, `contact name` and
`name`, `alt_number`. The second specification's lists have a phone number, a contact name and custom fields: in a list
that names its columns so, `priority` may be missing, and is 0.

An export has the same columns, so that it can be imported again. Spreadsheets take a value that begins with `=`, `+`,
`-` or `@` for a formula; such a value gets an apostrophe before it on the way out, and loses it on the way in.

Plain iterators, to be run in a thread: judging a number is work for the processor.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from dialerd.domain.accounts import Limits
from dialerd.domain.campaigns import LONGEST_COOLOFF_S
from dialerd.domain.leads import NewLead
from dialerd.domain.phone import InvalidNumber, dialable, mask
from dialerd.domain.timezones import is_zone
from dialerd.lead_sources.base import BadRow, Flaw, GoodRow, shown_number, shown_text
from dialerd.lead_sources.csv_table import (
    UTF_8,
    Record,
    canonical,
    header_problems,
    read_header,
    read_lines,
    read_records,
    refuse,
    unguarded,
)

REQUIRED = ("number", "priority", "first_name")
ALTERNATES = ("number_2", "number_3", "number_4", "number_5")
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
    "time_zone",
    "skill",
    "extension",
    *ALTERNATES,
)
OURS = ("dialerd_state", "dialerd_attempts")
"""Columns that an export has on top; an import passes them over."""
ALIASES: Mapping[str, str] = {
    "phone_number": "number",
    "phone": "number",
    "contact_name": "first_name",
    "name": "first_name",
    "alt_number": "number_2",
}
_NUMBERS = frozenset({"number", *ALTERNATES})

LONGEST_NAME = 100
LONGEST_NOTE = 10_000
LONGEST_CUSTOM = 1_000
HIGHEST_PRIORITY = 1_000_000
MOST_ATTEMPTS = Limits().max_attempts
"""Of a lead, where its account has no other limit."""

_WHOLE = re.compile(r"([+-]?\d{1,12})(?:\.0+)?", re.ASCII)  # some spreadsheets write 3 as 3.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

_EXTENSION = re.compile(r"[A-Za-z0-9_*#-]{1,40}", re.ASCII)

SAMPLE: Sequence[Mapping[str, str]] = (
    {
        "number": "+12025550101",
        "priority": "10",
        "first_name": "Ada",
        "last_name": "Nguyen",
        "retries": "3",
        "ticket_id": "T-1001",
        "cool_off": "1800",
        "cool_off_2nd": "7200",
        "cool_off_3rd": "86400",
        "note": "Asked for a quote, prefers mornings",
        "type": "quote",
        "time_zone": "America/New_York",
        "skill": "sales",
        "extension": "201",
        "number_2": "+12025550111",
        "city": "Oslo",
    },
    {
        "number": "+12025550102",
        "priority": "5",
        "first_name": "Ben",
        "last_name": "Okafor",
        "ticket_id": "T-1002",
        "type": "renewal",
        "city": "Lyon",
    },
    {
        "number": "+442079460103",
        "priority": "1",
        "first_name": "Chloé",
        "last_name": "Márquez",
        "retries": "2",
        "cool_off": "3600",
        "time_zone": "Europe/London",
        "city": "Leeds",
    },
)


class _Unfit(Exception):
    """A value is not what its column wants."""


def read_leads(
    path: Path,
    *,
    default_region: str,
    encoding: str = UTF_8,
    most_attempts: int = MOST_ATTEMPTS,
    lines: MutableMapping[str, int] | None = None,
) -> Iterator[GoodRow | BadRow]:
    """Every row of the file, in order. `default_region` is the country of numbers without one (ISO 3166, e.g. GB).

    Raises UnreadableSource where the file as a whole is none. A number that came before makes its row a bad one; in
    which line each number stood is put into `lines`.
    """
    first_lines = {} if lines is None else lines
    content = read_lines(path, encoding)
    header = read_header(content, path, known={*COLUMNS, *ALIASES})
    columns = _columns(header.names)
    refuse(path, header_problems(header, columns, _required(header.names)))
    for record in read_records(content, header, path):
        row = record if isinstance(record, BadRow) else _judged(record, columns, default_region, most_attempts)
        yield _unless_repeated(row, first_lines) if isinstance(row, GoodRow) else row


def judge_fields(
    line: int, values: Mapping[str, str], default_region: str, *, most_attempts: int = MOST_ATTEMPTS
) -> GoodRow | BadRow:
    """A lead of any source, as text: `values` by the names in COLUMNS, under any other name a field of its own.

    Without `number` or `first_name` it is a bad row; what else is missing has its default. Everything that is wrong is
    told at once. `line` is where it stands in its source, counted from 1; `most_attempts` is the account's limit.
    """
    judges = _judges(most_attempts)
    fields: dict[str, Any] = {}
    numbers: dict[str, str] = {}
    custom: dict[str, str] = {}
    flaws = [Flaw(column=name, value="", reason="is missing") for name in _INDISPENSABLE if name not in values]
    for column, value in values.items():
        try:
            if column in _NUMBERS:
                numbers[column] = _number(column, value, default_region)
            elif column in judges:
                name, judge = judges[column]
                fields[name] = judge(value)
            elif column not in OURS:
                custom[column] = _custom(value)
        except (_Unfit, InvalidNumber) as unfit:
            flaws.append(Flaw(column=column, value=_shown(column, value), reason=str(unfit)))
    if flaws:
        return BadRow(line=line, flaws=tuple(flaws))
    number = numbers.pop("number")
    return GoodRow(
        line=line,
        lead=NewLead(number=number, alternate_numbers=_alternates(number, numbers), custom=custom, **fields),
    )


def _number(column: str, value: str, default_region: str) -> str:
    """Empty where another number of the lead is left out."""
    return dialable(value, default_region) if value or column == "number" else ""


def _alternates(number: str, others: Mapping[str, str]) -> tuple[str, ...]:
    """In the order of their columns' names, none twice."""
    if not others:
        return ()
    return tuple(dict.fromkeys(each for _, each in sorted(others.items()) if each and each != number))


def _columns(names: Sequence[str]) -> list[str]:
    """What each column of the header is. Ours have one spelling; a field of its own keeps the file's."""
    known = [canonical(name) for name in names]
    own = {*COLUMNS, *OURS}
    columns = []
    for name, spelled in zip(names, known, strict=True):
        meant = ALIASES.get(spelled, spelled)
        columns.append(spelled if spelled in own else meant if meant in own and meant not in known else unguarded(name))
    return columns


def _required(names: Sequence[str]) -> Sequence[str]:
    """The second specification's lists have no priority; they are known by how they name the other two."""
    known = {canonical(name) for name in names}
    if known & ALIASES.keys() and not known & {"number", "first_name"}:
        return _INDISPENSABLE
    return REQUIRED


def sample_csv() -> str:
    """A file that imports as it is, for people to begin with. Its numbers are fictional."""
    text = io.StringIO()
    columns = [column for column in COLUMNS if any(column in row for row in SAMPLE)]
    rows = csv.DictWriter(text, [*columns, "city"], lineterminator="\r\n")
    rows.writeheader()
    rows.writerows(SAMPLE)
    return text.getvalue()


def _unless_repeated(row: GoodRow, first_lines: MutableMapping[str, int]) -> GoodRow | BadRow:
    first = first_lines.setdefault(row.lead.number, row.line)
    if first == row.line:
        return row
    reason = f"the same number as in line {first}"
    return BadRow(line=row.line, flaws=(Flaw(column="number", value=mask(row.lead.number), reason=reason),))


def _judged(record: Record, columns: Sequence[str], default_region: str, most_attempts: int) -> GoodRow | BadRow:
    values = [unguarded(value) if value[:1] == "'" else value for value in record.values]
    fields = dict(zip(columns, values, strict=True))
    return judge_fields(record.line, fields, default_region, most_attempts=most_attempts)


def _shown(column: str, value: str) -> str:
    return shown_number(value) if column in _NUMBERS else shown_text(value)


def _text(longest: int, *, lines: bool = False, required: bool = False) -> Callable[[str], str]:
    forbidden = _CONTROL_BUT_LINES if lines else _CONTROL

    def judge(value: str) -> str:
        if required and not value:
            raise _Unfit("is missing")
        if len(value) > longest:
            raise _Unfit(f"is longer than {longest} characters")
        if not value.isprintable() and forbidden.search(value):  # the first is the faster question
            raise _Unfit("has a line break or a control character in it")
        return value

    return judge


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    @lru_cache(maxsize=1024)  # a column of a list has few different ones
    def judge(value: str) -> int:
        if not value:
            raise _Unfit("is missing")
        written = _WHOLE.fullmatch(value)
        number = int(written[1]) if written else lowest - 1
        if not lowest <= number <= highest:
            raise _Unfit(f"is not a whole number from {lowest} to {highest}")
        return number

    return judge


def _optional(judge: Callable[[str], int]) -> Callable[[str], int | None]:
    return lambda value: judge(value) if value else None


def _zone(value: str) -> str | None:
    if value and not is_zone(value):
        raise _Unfit("is no time zone: write it like Europe/London")
    return value or None


def _extension(value: str) -> str:
    if value and not _EXTENSION.fullmatch(value):
        raise _Unfit("is no extension: up to 40 letters, digits, and _ * # -")
    return value


_INDISPENSABLE = ("number", "first_name")
_custom = _text(LONGEST_CUSTOM, lines=True)
_seconds = _optional(_whole(0, LONGEST_COOLOFF_S))

_Judges: TypeAlias = Mapping[str, tuple[str, Callable[[str], object]]]
_FIELDS: _Judges = {
    "priority": ("priority", _whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)),
    "first_name": ("first_name", _text(LONGEST_NAME, required=True)),
    "last_name": ("last_name", _text(LONGEST_NAME)),
    "ticket_id": ("ticket_id", _text(LONGEST_NAME)),
    "cool_off": ("cooloff_s", _seconds),
    "cool_off_2nd": ("cooloff_2nd_s", _seconds),
    "cool_off_3rd": ("cooloff_3rd_s", _seconds),
    "note": ("note", _text(LONGEST_NOTE, lines=True)),
    "type": ("lead_type", _text(LONGEST_NAME)),
    "time_zone": ("time_zone", _zone),
    "skill": ("skill", _text(LONGEST_NAME)),
    "extension": ("extension", _extension),
}


@cache
def _judges(most_attempts: int) -> _Judges:
    return {**_FIELDS, "retries": ("max_attempts", _optional(_whole(1, most_attempts)))}
