"""What uploads share: rows are judged in a thread while they flow into the database, and what is wrong is told row by row."""

import asyncio
import csv
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress

from dialerd.cli.console import complain, err, table
from dialerd.errors import DialerdError
from dialerd.lead_sources.base import BadRow
from dialerd.lead_sources.csv_table import guarded

BATCH = 500
SHOWN = 50
"""Rows that a terminal is told of; a report has them all."""
WORTH_A_BAR = 5_000
"""Lines of a file from which on its import takes long enough to be watched."""

Row = TypeVar("Row")
Advance = Callable[[int], None]


class Policy(StrEnum):
    REFUSE = "refuse"
    KEEP = "keep"


OnBadRows = Annotated[
    Policy, typer.Option(help="refuse: store nothing if any row is bad. keep: store the good rows, leave out the bad.")
]
Report = Annotated[Path | None, typer.Option(help="Write every row that was not taken as it is into this CSV file.")]


class RowsRefused(DialerdError):
    """Some rows cannot be used, so none was stored."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line of the report."""

    line: int
    column: str
    value: str
    reason: str


def good_rows(
    rows: Iterator[Row | BadRow], *, bad: list[BadRow], policy: Policy, advance: Advance
) -> AsyncIterator[Row]:
    """Those of a file, which is read in a thread. As `sifted` says."""
    return sifted(_batches(rows, advance), bad=bad, policy=policy)


async def sifted(
    batches: AsyncIterable[Iterable[Row | BadRow]],
    *,
    bad: list[BadRow],
    policy: Policy,
    what: str = "rows",
    mend: str = "mend them",
) -> AsyncIterator[Row]:
    """The good rows; the bad ones are put into `bad`. Raises RowsRefused after the last row if the policy says so.

    `what` they are and how to `mend` them is said there.
    """
    async for batch in batches:
        for row in batch:
            if isinstance(row, BadRow):
                bad.append(row)
            elif not (bad and policy is Policy.REFUSE):
                yield row
    if bad and policy is Policy.REFUSE:
        raise RowsRefused(
            f"{len(bad)} {what} cannot be used, so nothing was stored: {mend}, or leave them out by --on-bad-rows keep"
        )


async def _batches(rows: Iterator[Row], advance: Advance) -> AsyncIterator[list[Row]]:
    while batch := await asyncio.to_thread(list, islice(rows, BATCH)):
        advance(len(batch))
        yield batch


def sha256_of(file: Path) -> str | None:
    """What stands for the content of the file. None where it cannot be read twice, or not at all: its reader will say so."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


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
