"""`dialerd dnc`: the do-not-call lists. A number is not called any more from the moment at which it is on one."""

import os
import pwd
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from dialerd.cli.console import AsJson, complain, err, local, out, print_json, say, table
from dialerd.cli.doors import FAILED
from dialerd.cli.exports import Format, Output, OutputFormat, write_csv, write_json
from dialerd.cli.options import CsvFile, Encoding, Region
from dialerd.cli.session import Stores, in_store
from dialerd.cli.uploads import OnBadRows, Report, counted, reported
from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.imports import Policy, import_numbers
from dialerd.lead_sources.base import BadRow
from dialerd.lead_sources.number_list import Given, InvalidEntry, e164, expiry, text
from dialerd.reports.tables import DNC_COLUMNS, dnc_row, list_name
from dialerd.store.dnc import DncChange, DncEntry, DncImport

app = typer.Typer(help="Numbers that must not be called.", no_args_is_help=True)

T = TypeVar("T")

Number = Annotated[str, typer.Argument(help="Phone number.", show_default=False)]
Everybody = Annotated[
    bool, typer.Option("--everybody", help="The list that holds for all accounts, not this account's.")
]
Reason = Annotated[str, typer.Option(help="Why: kept with the number.")]
Expires = Annotated[
    str | None,
    typer.Option(metavar="DAY", help="Last day on which it holds, like 2027-01-31; or a time. Default: until removed."),
]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="How long it holds: hours, days or weeks, like 12h, 30d, 4w."),
]


_LASTING = re.compile(r"([1-9][0-9]{0,4})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_REMARKS = {
    DncChange.NEW: "",
    DncChange.PROLONGED: " (and was before, but not for as long)",
    DncChange.NONE: " (and was before, for as long or longer: nothing is changed)",
}


@app.command("add")
def add(
    context: typer.Context,
    number: Number,
    reason: Reason = "",
    source: Annotated[str, typer.Option(help="Where the wish comes from: kept with the number.")] = "command line",
    expires: Expires = None,
    lasting: For = None,
    region: Region = None,
    everybody: Everybody = False,
) -> None:
    """Forbid calls to a number, at once. An entry that lasts longer than this one stays as it is."""

    async def work(stores: Stores) -> tuple[str, DncChange]:
        forbidden = _number(normalize, number, region or await stores.region())
        change = await stores.dnc.add(
            forbidden,
            await _list(stores, everybody),
            reason=_parameter(text, reason, "--reason"),
            source=_parameter(text, source, "--source"),
            added_by=_user(),
            expires_at=_end(expires, lasting, zone=await stores.zone(), now=datetime.now(UTC)),
        )
        return forbidden, change

    forbidden, change = in_store(context, work)
    say(f"{forbidden} is on the do-not-call list" + _REMARKS[change])


@app.command("remove")
def remove(context: typer.Context, number: Number, region: Region = None, everybody: Everybody = False) -> None:
    """Allow calls to a number again."""

    async def work(stores: Stores) -> tuple[str, bool]:
        allowed = _number(e164, number, region or await stores.region())
        return allowed, await stores.dnc.remove(allowed, await _list(stores, everybody))

    allowed, was_there = in_store(context, work)
    if not was_there:
        complain(f"dialerd: {allowed} is not on that list")
        raise typer.Exit(FAILED)
    say(f"{allowed} is not on the list any more")


@app.command("check")
def check(context: typer.Context, number: Number, region: Region = None, as_json: AsJson = False) -> None:
    """Say whether a call to a number is forbidden now: by which list, why, since when and until when."""

    async def work(stores: Stores) -> tuple[str, Sequence[DncEntry], Callable[[DncEntry], tuple[str, ...]]]:
        asked = _number(e164, number, region or await stores.region())
        account = await stores.account()
        return asked, await stores.dnc.in_force(asked, account.id), _cells(account.name, await stores.zone())

    asked, entries, cells = in_store(context, work)
    if as_json:
        print_json({"number": asked, "forbidden": bool(entries), "entries": list(entries)})
        return
    if not entries:
        say(f"{asked} is on no do-not-call list that holds for this account")
        return
    say(f"{asked} must not be called")
    out().print(table(_SHOWN[1:], [cells(entry)[1:] for entry in entries]))


@app.command("search")
def search(
    context: typer.Context,
    begins_with: Annotated[
        str, typer.Argument(metavar="[NUMBER]", help="A number or its beginning, like +4420.")
    ] = "+",
    containing: Annotated[
        str, typer.Option("--text", help="Only entries with this in their reason or source.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most numbers to print.")] = 100,
    after: Annotated[
        str, typer.Option(metavar="NUMBER", help="Only higher numbers: the next page.", show_default=False)
    ] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="Only the list that holds for all accounts.")] = False,
    as_json: AsJson = False,
) -> None:
    """List entries of the account's list and of everybody's by number, with those that have expired."""

    async def work(stores: Stores) -> tuple[Sequence[DncEntry], Callable[[DncEntry], tuple[str, ...]]]:
        region, account = await stores.region(), await stores.account()
        found = await stores.dnc.search(
            None if everybody else account.id,
            prefix=_prefix(begins_with, region, "NUMBER"),
            text=_parameter(text, containing, "--text"),
            limit=limit,
            after=_prefix(after, region, "--after") if after else "",
        )
        return found, _cells(account.name, await stores.zone())

    entries, cells = in_store(context, work)
    if as_json:
        print_json(list(entries))
        return
    out().print(table(_SHOWN, [cells(entry) for entry in entries]))


@app.command("import")
def import_file(
    context: typer.Context,
    file: CsvFile,
    reason: Reason = "",
    source: Annotated[
        str | None, typer.Option(help="Where the numbers come from. Default: the file's name.", show_default=False)
    ] = None,
    expires: Expires = None,
    lasting: For = None,
    region: Region = None,
    encoding: Encoding = "utf-8",
    on_bad_rows: OnBadRows = Policy.REFUSE,
    report: Report = None,
    everybody: Everybody = False,
    as_json: AsJson = False,
) -> None:
    """Add the numbers of a file: a number a line, or a CSV with a column `number`.

    Its columns `reason`, `source` and `expires_at` count instead of the options where they are there. An entry that
    lasts longer than the file's stays as it is.
    """
    bad: list[BadRow] = []

    async def work(stores: Stores) -> DncImport:
        now, zone = datetime.now(UTC), await stores.zone()
        given = Given(
            region=region or await stores.region(),
            zone=zone,
            now=now,
            reason=_parameter(text, reason, "--reason"),
            source=_parameter(text, file.name if source is None else source, "--source"),
            expires_at=_end(expires, lasting, zone=zone, now=now),
        )
        target = await _list(stores, everybody)
        with _watched(file) as watch:
            return await import_numbers(
                stores,
                target,
                file,
                given,
                added_by=_user(),
                policy=on_bad_rows,
                bad=bad,
                encoding=encoding,
                advance=watch.read,
                all_read=watch.storing,
            )

    with reported(bad, report):
        imported = in_store(context, work)
    _tell_import(imported, len(bad), as_json)


def _tell_import(imported: DncImport, bad: int, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(imported), "bad_rows": bad})
        return
    remarks = [(imported.prolonged, "were on it and last longer now"), (bad, "bad rows were left out")]
    say(counted(f"{imported.added} numbers are new on the do-not-call list", remarks))


@app.command("export")
def export(
    context: typer.Context,
    output: Output = None,
    form: OutputFormat = Format.CSV,
    expired: Annotated[bool, typer.Option("--expired", help="Also what has expired, and forbids nothing.")] = False,
    everybody: Everybody = False,
) -> None:
    """Write the account's list, or everybody's, to a file. A CSV can be imported again."""

    async def work(stores: Stores) -> int:
        account = await stores.account()
        now = datetime.now(UTC)
        entries = stores.dnc.export(None if everybody else account.id)
        wanted = (entry async for entry in entries if expired or entry.expires_at is None or entry.expires_at > now)
        if form is Format.JSON:
            return await write_json(output, (_exported(entry, account.name) async for entry in wanted))
        return await write_csv(output, DNC_COLUMNS, (dnc_row(entry, account.name) async for entry in wanted))

    written = in_store(context, work)
    if output is not None:
        say(f"{written} entries are in {output}")


def _exported(entry: DncEntry, account: str) -> dict[str, object]:
    """For machines."""
    values = asdict(entry)
    del values["account_id"]
    return {"number": values.pop("number"), "list": list_name(entry, account), **values}


@app.command("purge")
def purge(context: typer.Context, everybody: Everybody = False) -> None:
    """Remove the entries that have expired from the account's list, or from everybody's."""

    async def work(stores: Stores) -> int:
        return await stores.dnc.purge(await _list(stores, everybody))

    say(f"{in_store(context, work)} expired entries are removed")


# --- What the commands share -------------------------------------------------------------------------------------------

_SHOWN = ("number", "list", "reason", "source", "added by", "since", "until")


def _cells(account: str, zone: str) -> Callable[[DncEntry], tuple[str, ...]]:
    """What people are shown of an entry, under `_SHOWN`."""

    def cells(entry: DncEntry) -> tuple[str, ...]:
        until = local(entry.expires_at, zone) if entry.expires_at else "removed"
        since = local(entry.added_at, zone)
        return entry.number, list_name(entry, account), entry.reason, entry.source, entry.added_by, since, until

    return cells


async def _list(stores: Stores, everybody: bool) -> int | None:
    return None if everybody else (await stores.account()).id


def _user() -> str:
    """Who runs this, as the system knows it and not as the environment says."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container there may be nobody of that number
        return f"uid {uid}"


def _number(judge: Callable[[str, str], str], written: str, region: str, hint: str = "NUMBER") -> str:
    try:
        return judge(written, region)
    except InvalidNumber as invalid:
        raise typer.BadParameter(f"is no phone number: {invalid.why}", param_hint=hint) from None


def _prefix(written: str, region: str, hint: str) -> str:
    """The beginning of a number in international form, or a whole number as people write it."""
    international = re.sub(r"[ ().-]", "", written)
    if re.fullmatch(r"\+[0-9]{0,15}", international, re.ASCII):
        return international
    return _number(normalize, written, region, hint)


def _parameter(judge: Callable[[str], T], written: str, hint: str) -> T:
    try:
        return judge(written)
    except InvalidEntry as invalid:
        raise typer.BadParameter(invalid.message, param_hint=hint) from None


def _end(expires: str | None, lasting: str | None, *, zone: str, now: datetime) -> datetime | None:
    if expires is not None and lasting is not None:
        raise typer.BadParameter("say either until when or for how long", param_hint="--expires, --for")
    if expires is not None:
        return _parameter(lambda written: expiry(written, zone=zone, now=now), expires, "--expires")
    return now + _parameter(_lasting, lasting, "--for") if lasting is not None else None


def _lasting(written: str) -> timedelta:
    found = _LASTING.fullmatch(written)
    if not found:
        raise InvalidEntry("is no number of hours, days or weeks, like 12h, 30d or 4w")
    return int(found[1]) * _UNITS[found[2]]


class _Rows(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed or 0
        return Text(f"{task.completed:,.0f} rows, {rate:,.0f} a second")


class _Watch:
    """How far an import is, for somebody at a terminal: it takes minutes where a list has millions."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar = bar
        self._task = bar.add_task(f"reading {name}", total=None)

    def read(self, rows: int) -> None:
        self._bar.advance(self._task, rows)

    def storing(self) -> None:
        """All is read. How long the database takes for the rest, it does not say."""
        self._bar.update(self._task, description="adding to the list")


@contextmanager
def _watched(file: Path) -> Iterator[_Watch]:
    console = err()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), _Rows(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Watch(bar, file.name)
