"""`dialerd dnc`: the do-not-call lists. A number is not called any more from the moment at which it is on one."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, complain, local, out, print_json, say, table
from dialerd.cli.doors import FAILED
from dialerd.cli.options import CsvFile, Encoding, Region
from dialerd.cli.session import Stores, in_store
from dialerd.cli.uploads import OnBadRows, Policy, Report, findings, good_rows, progress, tell, write_report
from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.lead_sources.base import BadRow
from dialerd.lead_sources.number_list import read_numbers
from dialerd.store.dnc import DncEntry

app = typer.Typer(help="Numbers that must not be called.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="Phone number.", show_default=False)]
Everybody = Annotated[
    bool, typer.Option("--everybody", help="The list that holds for all accounts, not this account's.")
]
Reason = Annotated[str, typer.Option(help="Why: kept with the number.")]


@app.command("add")
def add(
    context: typer.Context, number: Number, reason: Reason = "", region: Region = None, everybody: Everybody = False
) -> None:
    """Forbid calls to a number, at once."""

    async def work(stores: Stores) -> tuple[str, bool]:
        e164 = _number(number, region or await stores.region())
        return e164, await stores.dnc.add(e164, await _list(stores, everybody), reason=reason, source="command line")

    e164, is_new = in_store(context, work)
    say(f"{e164} is on the do-not-call list" + ("" if is_new else " (and was before)"))


@app.command("remove")
def remove(context: typer.Context, number: Number, region: Region = None, everybody: Everybody = False) -> None:
    """Allow calls to a number again."""

    async def work(stores: Stores) -> tuple[str, bool]:
        e164 = _number(number, region or await stores.region())
        return e164, await stores.dnc.remove(e164, await _list(stores, everybody))

    e164, was_there = in_store(context, work)
    if not was_there:
        complain(f"dialerd: {e164} is not on that list")
        raise typer.Exit(FAILED)
    say(f"{e164} is not on the list any more")


@app.command("search")
def search(
    context: typer.Context,
    begins_with: Annotated[
        str, typer.Argument(metavar="[NUMBER]", help="A number or its beginning, like +4420.")
    ] = "+",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most entries to print.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List entries of all lists, by number."""

    async def work(stores: Stores) -> tuple[Sequence[DncEntry], str]:
        prefix = _prefix(begins_with, await stores.region())
        return await stores.dnc.search(prefix, limit=limit), await stores.zone()

    entries, zone = in_store(context, work)
    if as_json:
        print_json(list(entries))
        return
    rows = [
        (e.number, "everybody" if e.account_id is None else "account", e.reason, e.source, local(e.added_at, zone))
        for e in entries
    ]
    out().print(table(("number", "list", "reason", "source", "since"), rows))


@app.command("import")
def import_file(
    context: typer.Context,
    file: CsvFile,
    reason: Reason = "",
    region: Region = None,
    encoding: Encoding = "utf-8",
    on_bad_rows: OnBadRows = Policy.REFUSE,
    report: Report = None,
    everybody: Everybody = False,
) -> None:
    """Add the numbers of a file: a CSV with a column `number`, or a number a line."""
    bad: list[BadRow] = []

    async def work(stores: Stores) -> int:
        rows = read_numbers(file, default_region=region or await stores.region(), encoding=encoding)
        target = await _list(stores, everybody)
        with progress(file) as advance:
            good = good_rows(rows, bad=bad, policy=on_bad_rows, advance=advance)
            numbers = (row.number async for row in good)
            return await stores.dnc.add_many(numbers, target, reason=reason, source=file.name)

    try:
        added = in_store(context, work)
    finally:
        tell(findings(bad))
        write_report(report, findings(bad))
    say(f"{added} numbers are new on the do-not-call list" + (f"; {len(bad)} rows were left out" if bad else ""))


async def _list(stores: Stores, everybody: bool) -> int | None:
    return None if everybody else (await stores.account()).id


def _number(text: str, region: str) -> str:
    try:
        return normalize(text, region)
    except InvalidNumber as invalid:
        raise typer.BadParameter(f"is no phone number: {invalid.why}", param_hint="NUMBER") from None


def _prefix(text: str, region: str) -> str:
    """The beginning of a number in international form, or a whole number as people write it."""
    international = re.sub(r"[ ().-]", "", text)
    if re.fullmatch(r"\+[0-9]{0,15}", international, re.ASCII):
        return international
    return _number(text, region)
