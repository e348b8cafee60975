"""Phone numbers from a file: a CSV with a column `number`, or plain lines with a number each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.lead_sources.base import BadRow, Flaw, UnreadableSource, shown_number
from dialerd.lead_sources.csv_table import Record, canonical, read_lines, read_table


@dataclass(frozen=True, kw_only=True)
class ListedNumber:
    line: int
    number: str


def read_numbers(path: Path, *, default_region: str, encoding: str = "utf-8") -> Iterator[ListedNumber | BadRow]:
    """Every number of the file, in order, also those that come twice. Empty lines and `# comments` are passed over.

    Raises UnreadableSource where the file as a whole is none.
    """
    first = next(read_lines(path, encoding), "")
    if not first.strip():
        raise UnreadableSource(str(path), ["is empty"])
    records = _column(path, encoding) if "number" in canonical(first) else _plain_lines(path, encoding)
    for record in records:
        yield record if isinstance(record, BadRow) else _judged(record, default_region)


def _column(path: Path, encoding: str) -> Iterator[Record | BadRow]:
    """The rows, cut down to the number."""
    names, records = read_table(path, encoding=encoding, required=("number",))
    place = [canonical(name) for name in names].index("number")
    for record in records:
        yield record if isinstance(record, BadRow) else Record(line=record.line, values=(record.values[place],))


def _plain_lines(path: Path, encoding: str) -> Iterator[Record]:
    for line, text in enumerate(read_lines(path, encoding), 1):
        if text.strip() and not text.startswith("#"):
            yield Record(line=line, values=(text.strip(),))


def _judged(record: Record, default_region: str) -> ListedNumber | BadRow:
    (written,) = record.values
    try:
        return ListedNumber(line=record.line, number=normalize(written, default_region))
    except InvalidNumber as invalid:
        flaw = Flaw(column="number", value=shown_number(written), reason=invalid.why)
        return BadRow(line=record.line, flaws=(flaw,))
