"""Reads a far end's record of calls: the laboratory's, or a carrier's that was brought into the same columns (docs/audit.md)."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from dialerd.audit.evidence import FarEndCall

NEEDED = ("dialed", "invite", "answer", "end")
KINDS = ("lead", "agent", "inbound")
SIDES = ("far_end", "pbx", "")
NOTHING_HEARD = "never"
"""In the column `heard`: somebody listened, and no sound came."""


class BadRecord(ValueError):
    """This is no record of calls: says where and why."""


@dataclass(frozen=True, kw_only=True)
class Record:
    calls: list[FarEndCall]
    tells: frozenset[str]
    """What its columns tell: of evidence.ALL_TOLD."""


def read_calls(record: Path) -> list[FarEndCall]:
    """Raises BadRecord."""
    return read_record(record).calls


def read_record(record: Path) -> Record:
    """Raises BadRecord, with the line and the column."""
    try:
        with record.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines, strict=True)
            columns = frozenset(rows.fieldnames or ())
            if missing := [name for name in NEEDED if name not in columns]:
                raise BadRecord(
                    f"{record}: there is no column {', '.join(missing)}; the first line has to name the columns"
                )
            calls = list(_calls(record, rows))
    except OSError as failure:
        raise BadRecord(f"{record} cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise BadRecord(f"{record} is not written in UTF-8: save it as a CSV file in UTF-8") from None
    except csv.Error as failure:
        raise BadRecord(f"{record} is no CSV file: {failure}") from None
    told = {"agents": "kind" in columns, "ends": {"hung_up_by", "cause"} <= columns, "sounds": "heard" in columns}
    return Record(calls=calls, tells=frozenset(what for what, is_so in told.items() if is_so))


def _calls(record: Path, rows: "csv.DictReader[str]") -> Iterator[FarEndCall]:
    for row in rows:
        cells = _Cells(f"{record}, line {rows.line_num}", row)
        heard = cells.text("heard")
        yield FarEndCall(
            call_id=cells.text("call_id"),
            kind=cells.word("kind", KINDS) if cells.text("kind") else "lead",
            invite=cells.moment("invite"),
            ringing=cells.moment_or_none("ringing"),
            answer=cells.moment_or_none("answer"),
            end=cells.moment("end"),
            dialed=cells.needed("dialed"),
            caller_number=cells.text("caller_number"),
            hung_up_by=cells.word("hung_up_by", SIDES),
            cause=cells.count("cause"),
            heard=None if heard == NOTHING_HEARD else cells.moment_or_none("heard"),
            listened=bool(heard),
        )


class _Cells:
    """Of one line; what is wrong with one raises BadRecord."""

    def __init__(self, place: str, row: Mapping[str | None, object]) -> None:
        if None in row or None in row.values():
            raise BadRecord(f"{place}: it does not have as many columns as the first line")
        self._place = place
        self._row = row

    def text(self, column: str) -> str:
        """Empty where the record has no such column."""
        return str(self._row.get(column, "")).strip()

    def needed(self, column: str) -> str:
        return self.text(column) or self._refuse(column, "nothing stands there")

    def word(self, column: str, words: tuple[str, ...]) -> str:
        found = self.text(column)
        return (
            found if found in words else self._refuse(column, f"{found!r} is none of {', '.join(filter(None, words))}")
        )

    def count(self, column: str) -> int:
        found = self.text(column) or "0"
        return (
            int(found)
            if found.isascii() and found.isdecimal()
            else int(self._refuse(column, f"{found!r} is no number"))
        )

    def moment(self, column: str) -> datetime:
        found = self.needed(column)
        try:
            moment = _moment(found)
        except (ValueError, OverflowError, OSError):
            self._refuse(column, f"{found!r} is no moment: write 1790000000.123 or 2026-09-21T14:13:20.123+00:00")
        if moment.tzinfo is None:
            self._refuse(column, f"{found!r} does not say in which zone: write an offset behind it, like +00:00")
        return moment

    def moment_or_none(self, column: str) -> datetime | None:
        return self.moment(column) if self.text(column) else None

    def _refuse(self, column: str, why: str) -> NoReturn:
        raise BadRecord(f"{self._place}, column {column}: {why}")


def _moment(written: str) -> datetime:
    """Seconds since 1970, or ISO 8601."""
    try:
        epoch_s = float(written)
    except ValueError:
        return datetime.fromisoformat(written)
    return datetime.fromtimestamp(epoch_s, UTC)
