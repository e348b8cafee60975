"""What exports share: a file or standard output, as CSV for spreadsheets or JSON for machines, however long it gets."""

import csv
import json
import sys
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from dialerd.cli.console import jsonable
from dialerd.errors import DialerdError
from dialerd.lead_sources.csv_table import UTF_8


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


OutputFormat = Annotated[Format, typer.Option("--format", help="csv for spreadsheets, json for machines.")]
Output = Annotated[Path | None, typer.Option(help="The file to write. Default: standard output.")]


async def write_csv(output: Path | None, header: Sequence[str], rows: AsyncIterable[Sequence[object]]) -> int:
    """How many rows. What a spreadsheet may take for a formula has to be guarded by then. Raises DialerdError."""
    written = 0
    with _target(output) as file:
        lines = csv.writer(file)
        lines.writerow(header)
        async for row in rows:
            lines.writerow(row)
            written += 1
    return written


async def write_json(output: Path | None, items: AsyncIterable[Mapping[str, Any]]) -> int:
    """One list, an item a line: a reader may take it as a whole or line by line. How many items. Raises DialerdError."""
    written = 0
    with _target(output) as file:
        file.write("[")
        async for item in items:
            file.write(("," if written else "") + "\n" + json.dumps(item, default=jsonable, ensure_ascii=False))
            written += 1
        file.write("\n]\n")
    return written


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", newline="", encoding=UTF_8) as file:
            yield file
    except OSError as failure:
        raise DialerdError(f"{output} cannot be written: {failure.strerror}") from None
