"""How commands speak: results on standard output, everything else on standard error, tables for people, JSON for machines."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dialerd.domain.timezones import local as local

UNBOUND = 1_000
"""Columns of what is not a terminal."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines. Times are in UTC.")]


def out() -> Console:
    """Made anew for each use: what standard output is may change, and tests change it."""
    return _console(sys.stdout)


def err() -> Console:
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    """A terminal has its width; elsewhere a line may be as long as it is, for whatever reads it."""
    width = None if stream.isatty() else UNBOUND
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


_json_is_spoken = False


def speak_json(wanted: bool) -> bool:
    """Whether `say` says it as JSON from now on."""
    global _json_is_spoken  # noqa: PLW0603  standard output is the process's, too
    _json_is_spoken = wanted
    return wanted


def say(text: str) -> None:
    if _json_is_spoken:
        sys.stdout.write(json.dumps({"message": text}, ensure_ascii=False) + "\n")
    else:
        out().print(plain(text))


def complain(text: str) -> None:
    err().print(plain(text, lines=True))


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, default=jsonable, ensure_ascii=False, indent=2) + "\n")


def jsonable(value: object) -> Any:
    """For json.dumps: what it does not know itself."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def plain(value: object, *, lines: bool = False) -> Text:
    """Text that cannot steer a terminal, whoever wrote it: names and notes come from outside."""
    kept = "\n" if lines else ""
    return Text("".join(c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """Numbers to the right."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    listed = list(rows)
    for place, column in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[place], int | float) for row in listed)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in listed:
        grid.add_row(*(plain("" if cell is None else cell) for cell in row))
    return grid


def facts(pairs: Mapping[str, object]) -> Table:
    """Name and value, line by line."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(plain(name), plain("-" if value is None or value == "" else value))
    return grid
