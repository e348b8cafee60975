"""`dialerd leads`: bring leads in, look at them, take them out, begin anew with some."""

import csv
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.options import HIGHEST_ID, CampaignRef, CsvFile, Encoding, Region
from dialerd.cli.session import Stores, in_store
from dialerd.cli.uploads import Finding, OnBadRows, Policy, Report, findings, good_rows, progress, tell, write_report
from dialerd.domain.leads import IN_FLIGHT, LeadState, NewLead
from dialerd.domain.phone import mask
from dialerd.errors import DialerdError, NotFound
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.csv_file import COLUMNS, OURS, UTF_8, guarded, read_leads, sample_csv
from dialerd.store.leads import ImportReport, LeadRecord

app = typer.Typer(help="Import, list, export and reset the leads of a campaign.", no_args_is_help=True)

State = Annotated[LeadState | None, typer.Option(help="Only leads in this state.")]
LONGEST_LIST = 10_000


@app.command("import")
def import_file(
    context: typer.Context,
    campaign: CampaignRef,
    file: CsvFile,
    region: Region = None,
    encoding: Encoding = UTF_8,
    on_bad_rows: OnBadRows = Policy.REFUSE,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Add the leads of a CSV file to a campaign that does not run. `dialerd leads sample` prints such a file.

    Leads that are on a do-not-call list are stored, and blocked.
    """
    found: list[Finding] = []
    bad: list[BadRow] = []

    async def work(stores: Stores) -> ImportReport:
        target = await stores.find_campaign(campaign)
        rows = read_leads(file, default_region=region or await stores.region(), encoding=encoding)
        lines: dict[str, int] = {}
        with progress(file) as advance:
            good = good_rows(rows, bad=bad, policy=on_bad_rows, advance=advance)
            imported = await stores.leads.add(target.id, _noting_lines(good, lines), source=file.name)
        found.extend(_on_dnc_list(lines[number], number) for number in imported.on_dnc)
        return imported

    try:
        imported = in_store(context, work)
    finally:
        found += findings(bad)
        tell(findings(bad))
        write_report(report, sorted(found, key=lambda finding: finding.line))
    if imported.added + imported.duplicates == 0:
        raise DialerdError(f"{file} has no row that can be imported")
    _tell_import(imported, len(bad), as_json)


async def _noting_lines(rows: AsyncIterable[GoodRow], lines: dict[str, int]) -> AsyncIterator[NewLead]:
    """The leads; in which line each number stood is put into `lines`."""
    async for row in rows:
        lines[row.lead.number] = row.line
        yield row.lead


def _on_dnc_list(line: int, number: str) -> Finding:
    return Finding(line=line, column="number", value=mask(number), reason="on a do-not-call list: stored, and blocked")


def _tell_import(imported: ImportReport, bad: int, as_json: bool) -> None:
    blocked = len(imported.on_dnc)
    if as_json:
        print_json({"added": imported.added, "duplicates": imported.duplicates, "on_dnc": blocked, "bad_rows": bad})
        return
    remarks = [
        (imported.duplicates, "were leads of the campaign before"),
        (blocked, "of them are on a do-not-call list, and blocked"),
        (bad, "bad rows were left out"),
    ]
    say("; ".join([f"{imported.added} leads are added", *(f"{count} {remark}" for count, remark in remarks if count)]))


@app.command("sample")
def sample() -> None:
    """Print a CSV file that can be imported as it is. Its phone numbers are fictional."""
    sys.stdout.write(sample_csv())


@app.command("list")
def list_leads(
    context: typer.Context,
    campaign: CampaignRef,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=LONGEST_LIST, help="Most leads to print.")] = 100,
    after: Annotated[
        int, typer.Option(metavar="ID", min=0, max=HIGHEST_ID, help="Only leads with a higher id: the next page.")
    ] = 0,
    full_numbers: Annotated[bool, typer.Option("--full-numbers", help="Do not mask phone numbers.")] = False,
    as_json: AsJson = False,
) -> None:
    """List leads by id."""

    async def work(stores: Stores) -> tuple[Sequence[LeadRecord], str]:
        found = await stores.find_campaign(campaign)
        return await stores.leads.list(found.id, state, limit=limit, after_id=after), await stores.zone()

    records, zone = in_store(context, work)
    shown = [_values(record, full_numbers) for record in records]
    if as_json:
        print_json(shown)
        return
    columns = ("id", "number", "name", "priority", "state", "attempts", "not before", "held by")
    rows = [
        (
            *(record.lead.id, values["number"], record.lead.display_name, record.priority, record.lead.state),
            *(record.lead.attempts_used, local(record.not_before, zone), record.held_by),
        )
        for record, values in zip(records, shown, strict=True)
    ]
    out().print(table(columns, rows))


def _values(record: LeadRecord, full_number: bool) -> dict[str, Any]:
    """The record for machines: flat."""
    values = asdict(record)
    lead = values.pop("lead")
    number = lead["number"] if full_number else mask(lead["number"])
    return {**lead, **values, "number": number}


@app.command("export")
def export(
    context: typer.Context,
    campaign: CampaignRef,
    state: State = None,
    output: Annotated[Path | None, typer.Option(help="The file to write. Default: standard output.")] = None,
) -> None:
    """Write leads as CSV that can be imported again, e.g. those that failed into a new campaign."""

    async def work(stores: Stores) -> int:
        found = await stores.find_campaign(campaign)
        custom = sorted({name async for record in stores.leads.export(found.id, state) for name in record.custom})
        written = 0
        with _target(output) as file:
            rows = csv.writer(file)
            rows.writerow([*COLUMNS, *(guarded(name) for name in custom), *OURS])
            async for record in stores.leads.export(found.id, state):
                rows.writerow(_cells(record, custom))
                written += 1
        return written

    written = in_store(context, work)
    if output is not None:
        say(f"{written} leads are in {output}")


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


def _cells(record: LeadRecord, custom: Sequence[str]) -> list[object]:
    """In the order of the header. Numbers, E.164 too, are nothing but digits and a sign: only text can be a formula."""
    lead = record.lead
    return [
        lead.number,
        record.priority,
        guarded(lead.first_name),
        guarded(lead.last_name),
        lead.max_attempts,
        guarded(record.ticket_id),
        lead.cooloff_s,
        lead.cooloff_2nd_s,
        lead.cooloff_3rd_s,
        guarded(record.note),
        guarded(record.lead_type),
        *(guarded(record.custom.get(name, "")) for name in custom),
        lead.state,
        lead.attempts_used,
    ]


@app.command("reset")
def reset(
    context: typer.Context,
    campaign: CampaignRef,
    state: State = None,
    lead: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", min=1, max=HIGHEST_ID, help="This lead; can be given several times."),
    ] = None,
) -> None:
    """Make leads new again: due at once, with all their attempts before them. Name them by state or by id."""
    if (state is None) == (not lead):
        raise typer.BadParameter("name the leads: either --state or --lead")
    if state in IN_FLIGHT:
        raise typer.BadParameter("a lead that is being called cannot be reset", param_hint="--state")

    async def work(stores: Stores) -> int:
        found = await stores.find_campaign(campaign)
        ids = lead or [record.lead.id async for record in stores.leads.export(found.id, state)]
        for lead_id in ids:
            await _reset_one(stores, found.id, lead_id)
        return len(ids)

    say(f"{in_store(context, work)} leads are new again")


async def _reset_one(stores: Stores, campaign_id: int, lead_id: int) -> None:
    if (await stores.leads.get(lead_id)).lead.campaign_id != campaign_id:
        raise NotFound("lead of this campaign with the id", lead_id)
    await stores.leads.reset(lead_id)
