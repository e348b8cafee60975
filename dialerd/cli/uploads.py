"""What the commands that upload share: options, a bar, and how they tell what is wrong, row by row."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from dialerd.cli.console import complain, err, table
from dialerd.errors import DialerdError
from dialerd.imports import Advance, Policy
from dialerd.lead_sources.base import BadRow
from dialerd.lead_sources.csv_table import guarded

SHOWN = 50
"""Rows that a terminal is told of; a report has them all."""
WORTH_A_BAR = 5_000
"""Lines of a file from which on its import takes long enough to be watched."""


OnBadRows = Annotated[
    Policy, typer.Option(help="refuse: store nothing if any row is bad. keep: store the good rows, leave out the bad.")
]
Report = Annotated[Path | None, typer.Option(help="Write every row that was not taken as it is into this CSV file.")]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line of the report."""

    line: int
    column: str
    value: str
    reason: str


@contextmanager
def progress(file: Path) -> Iterator[Advance]:
    """A bar on standard error, if somebody is there to watch and it takes long enough."""
    console = err()
    lines = _count_lines(file) if console.is_terminal else 0
    if lines < WORTH_A_BAR:
        yield lambda _: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(file.name, total=lines)
        yield lambda rows: bar.advance(task, rows)


def _count_lines(file: Path) -> int:
    try:
        with file.open("rb") as content:
            return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))
    except OSError:
        return 0  # who reads the file will say what is wrong with it


def counted(added: str, remarks: Iterable[tuple[int, str]]) -> str:
    """What became of an upload, as one sentence: of the remarks those whose count is not 0."""
    return "; ".join([added, *(f"{count} {remark}" for count, remark in remarks if count)])


@contextmanager
def reported(bad: Iterable[BadRow], report: Path | None, others: Iterable[Finding] = ()) -> Iterator[None]:
    """However the upload ends, its bad rows are told, and written into the report together with the `others`, by line."""
    try:
        yield
    finally:
        wrong = findings(bad)
        tell(wrong)
        write_report(report, sorted([*others, *wrong], key=lambda finding: finding.line))


def findings(bad: Iterable[BadRow]) -> list[Finding]:
    return [
        Finding(line=row.line, column=flaw.column, value=flaw.value, reason=flaw.reason)
        for row in bad
        for flaw in row.flaws
    ]


def tell(found: Sequence[Finding]) -> None:
    """On standard error, the first of them."""
    if not found:
        return
    rows = [(finding.line, finding.column, finding.value, finding.reason) for finding in found[:SHOWN]]
    err().print(table(("line", "column", "value", "what is wrong"), rows))
    if len(found) > SHOWN:
        complain(f"... and {len(found) - SHOWN} more; --report FILE has them all")


def write_report(file: Path | None, found: Sequence[Finding]) -> None:
    """Raises DialerdError where the file cannot be written."""
    if file is None:
        return
    try:
        with file.open("w", newline="", encoding="utf-8") as report:
            lines = csv.writer(report)
            lines.writerow(("line", "column", "value", "reason"))
            lines.writerows((f.line, f.column, guarded(f.value), f.reason) for f in found)
    except OSError as failure:
        raise DialerdError(f"the report {file} cannot be written: {failure.strerror}") from None
