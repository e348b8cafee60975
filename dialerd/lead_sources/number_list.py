"""Phone numbers from a file: a CSV with a column `number`, or plain lines with a number each.

Of the other columns `reason`, `source` and `expires_at` are taken; an export of a do-not-call list has them, so that it
can be imported again. A register may have 10,000,000 numbers: what is written in E.164 is taken as it is. It need not be
a number that could be called, for a list that forbids calls does no harm by one more.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.domain.timezones import instants_of
from dialerd.errors import DialerdError
from dialerd.lead_sources.base import BadRow, Flaw, UnreadableSource, shown_number, shown_text
from dialerd.lead_sources.csv_table import Record, canonical, read_lines, read_table, unguarded

LONGEST_TEXT = 500
"""Characters of a reason or a source."""
MOST_BAD_ROWS = 100_000
"""A file with more of them is no list of phone numbers, and telling all of them would fill the memory."""
_VALUES_KEPT = 10_000
"""Of each column but the number: a list has few reasons, sources and days, and judging them takes longer than all the rest."""

_E164 = re.compile(r"\+[1-9][0-9]{3,14}", re.ASCII)
# Half a surrogate pair is what Python makes of bytes that are no text; no database takes it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class InvalidEntry(DialerdError):
    """Something of a do-not-call entry cannot be used."""


class ListedNumber(NamedTuple):
    """A tuple, because it is made ten million times."""

    line: int
    number: str
    reason: str
    source: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Given:
    """What holds for the rows of a file that do not say it themselves, and by what they are judged."""

    region: str
    """Country (ISO 3166) of numbers that are written without one."""
    zone: str
    """Of days and times that are written without one."""
    now: datetime
    reason: str = ""
    source: str = ""
    expires_at: datetime | None = None


def read_numbers(path: Path, given: Given, *, encoding: str = "utf-8") -> Iterator[ListedNumber | BadRow]:
    """Every number of the file, in order, also those that come twice. Empty lines and `# comments` are passed over.

    Raises UnreadableSource where the file as a whole is none.
    """
    columns, records = _columns(path, encoding)
    judge = _Judge(columns, given)
    is_empty, bad = True, 0
    for record in records:
        is_empty = False
        row = record if isinstance(record, BadRow) else judge(record)
        if isinstance(row, BadRow):
            bad += 1
            _raise_if_too_many(bad, path)
        yield row
    if is_empty:
        raise UnreadableSource(str(path), ["has no number in it"])


def e164(written: str, region: str) -> str:
    """A number of a do-not-call list. Raises InvalidNumber."""
    return written if _E164.fullmatch(written) else normalize(written, region)


def text(value: str) -> str:
    """A reason or a source. Raises InvalidEntry."""
    if len(value) > LONGEST_TEXT:
        raise InvalidEntry(f"is longer than {LONGEST_TEXT} characters")
    if _CONTROL.search(value):
        raise InvalidEntry("has a line break or a control character in it")
    return value


def judge_number(line: int, row: tuple[str, str, str, datetime | None], region: str) -> ListedNumber | BadRow:
    """Number, reason, source and end of what is no row of a file. `line` is where it stands in its source."""
    number, reason, source, expires_at = row
    flaws: list[Flaw] = []
    try:
        number = e164(number, region)
    except InvalidNumber as invalid:
        flaws.append(Flaw(column="number", value=shown_number(number), reason=invalid.why))
    for column, value in (("reason", reason), ("source", source)):
        try:
            text(value)
        except InvalidEntry as invalid:
            flaws.append(Flaw(column=column, value=shown_text(value), reason=invalid.message))
    return BadRow(line=line, flaws=tuple(flaws)) if flaws else ListedNumber(line, number, reason, source, expires_at)


def expiry(written: str, *, zone: str, now: datetime) -> datetime:
    """When an entry ends that is written as a day (the last one on which it holds) or as a time, both of ISO 8601.

    Where clocks show that time twice, the later one counts. Raises InvalidEntry, also for what is over.
    """
    try:
        ends = _moment(written, zone)
    except ValueError:
        raise InvalidEntry("is neither a day like 2027-01-31 nor a time like 2027-01-31T12:00") from None
    except OverflowError:
        raise InvalidEntry("is too far away: leave it out for an entry that never ends") from None
    if ends <= now:
        raise InvalidEntry("is over already")
    return ends


def _moment(written: str, zone: str) -> datetime:
    try:
        last_day = date.fromisoformat(written)
    except ValueError:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else instants_of(moment, zone)[-1]
    return instants_of(datetime.combine(last_day + timedelta(days=1), time()), zone)[-1]


def _columns(path: Path, encoding: str) -> tuple[Mapping[str, int], Iterator[Record | BadRow]]:
    """Where in a row the columns stand that are taken, and the rows."""
    first = next(read_lines(path, encoding), "")
    if not first.strip():
        raise UnreadableSource(str(path), ["is empty"])
    if not _is_header(first):
        return {"number": 0}, _plain_lines(path, encoding)
    names, records = read_table(path, encoding=encoding, required=("number",))
    return {canonical(name): place for place, name in enumerate(names)}, records


def _is_header(line: str) -> bool:
    """Words, and no digit: a table that has no column `number` is told so, and not that none of its lines is a number."""
    is_words = any(c.isalpha() for c in line) and not any(c.isdecimal() for c in line)
    return not line.startswith("#") and ("number" in canonical(line) or is_words)


def _plain_lines(path: Path, encoding: str) -> Iterator[Record]:
    for line, written in enumerate(read_lines(path, encoding), 1):
        number = written.strip()
        if number and not number.startswith("#"):
            yield Record(line=line, values=(number,))


def _raise_if_too_many(bad: int, path: Path) -> None:
    if bad > MOST_BAD_ROWS:
        problem = f"more than {MOST_BAD_ROWS} rows cannot be used: is it the right file, and the right column?"
        raise UnreadableSource(str(path), [problem])


class _Judge:
    """For all rows of a file: what is the same in each of them is found out once."""

    def __init__(self, columns: Mapping[str, int], given: Given) -> None:
        self._given = given
        self._at = columns["number"]
        judges: Mapping[str, Callable[[str], object]] = {
            "reason": _written,
            "source": _written,
            "expires_at": self._expiry,
        }
        self._others = [
            (place, name, columns[name], lru_cache(_VALUES_KEPT)(judge))
            for place, (name, judge) in enumerate(judges.items())
            if name in columns
        ]

    def __call__(self, record: Record) -> ListedNumber | BadRow:
        given, written = self._given, record.values[self._at]
        flaws: list[Flaw] = []
        number = ""
        try:
            number = e164(written, given.region)
        except InvalidNumber as invalid:
            flaws.append(Flaw(column="number", value=shown_number(written), reason=invalid.why))
        said: list[Any] = [given.reason, given.source, given.expires_at]
        for place, name, at, judge in self._others:
            try:
                said[place] = judge(record.values[at])
            except InvalidEntry as invalid:
                flaws.append(Flaw(column=name, value=shown_text(record.values[at]), reason=invalid.message))
        if flaws:
            return BadRow(line=record.line, flaws=tuple(flaws))
        return ListedNumber(record.line, number, *said)

    def _expiry(self, written: str) -> datetime | None:
        """An empty one says that the entry never ends."""
        return expiry(written, zone=self._given.zone, now=self._given.now) if written else None


def _written(value: str) -> str:
    return text(unguarded(value))
