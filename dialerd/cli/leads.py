"""`dialerd leads`: bring leads in, look at them, take them and their calls out, begin anew with some, delete some."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.exports import Format, Output, OutputFormat, write_csv, write_json
from dialerd.cli.options import HIGHEST_ID, CampaignRef, CsvFile, Encoding, Region
from dialerd.cli.session import Stores, in_store
from dialerd.cli.uploads import (
    Finding,
    OnBadRows,
    Report,
    counted,
    progress,
    reported,
)
from dialerd.domain.leads import IN_FLIGHT, LeadState
from dialerd.domain.phone import mask
from dialerd.errors import DialerdError, NotFound
from dialerd.imports import Manner, Policy, import_leads
from dialerd.lead_sources.base import BadRow
from dialerd.lead_sources.csv_file import sample_csv
from dialerd.lead_sources.csv_table import UTF_8
from dialerd.reports.tables import CALL_COLUMNS, call_row, lead_table
from dialerd.store.leads import Duplicates, ImportReport, LeadRecord, LeadStore

app = typer.Typer(help="Import, list, export, reset and delete the leads of a campaign.", no_args_is_help=True)

State = Annotated[LeadState | None, typer.Option(help="Only leads in this state.")]
LeadIds = Annotated[
    list[int] | None,
    typer.Option("--lead", metavar="ID", min=1, max=HIGHEST_ID, help="This lead; can be given several times."),
]
LONGEST_LIST = 10_000


@app.command("import")
def import_file(
    context: typer.Context,
    campaign: CampaignRef,
    file: CsvFile,
    region: Region = None,
    encoding: Encoding = UTF_8,
    on_bad_rows: OnBadRows = Policy.REFUSE,
    duplicates: Annotated[
        Duplicates,
        typer.Option(
            help="Numbers that the campaign has already: never = pass them over; always = make their leads new again with "
            "the file's data; finished = the same, but only leads to which nothing happens any more."
        ),
    ] = Duplicates.NEVER,
    again: Annotated[bool, typer.Option("--again", help="Also if this very file was imported before.")] = False,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Add the leads of a CSV file to a campaign that does not run. `dialerd leads sample` prints such a file.

    Leads that are on a do-not-call list are stored, and blocked. A file that was imported before is not imported again.
    """
    on_dnc: list[Finding] = []
    bad: list[BadRow] = []

    async def work(stores: Stores) -> tuple[ImportReport, str]:
        target = await stores.find_campaign(campaign)
        lines: dict[str, int] = {}
        manner = Manner(region=region, encoding=encoding, policy=on_bad_rows, duplicates=duplicates, again=again)
        with progress(file) as advance:
            imported = await import_leads(
                stores,
                await stores.account(),
                target.id,
                file,
                source=file.name,
                manner=manner,
                bad=bad,
                lines=lines,
                advance=advance,
            )
        on_dnc.extend(_on_dnc_list(lines[number], number) for number in imported.on_dnc)
        return imported, await stores.zone()

    with reported(bad, report, on_dnc):
        imported, zone = in_store(context, work)
    if imported.added + imported.renewed + imported.duplicates == 0 and not imported.uploaded_before:
        raise DialerdError(f"{file} has no row that can be imported")
    _tell_import(imported, len(bad), zone, as_json)


def _on_dnc_list(line: int, number: str) -> Finding:
    return Finding(line=line, column="number", value=mask(number), reason="on a do-not-call list: stored, and blocked")


def _tell_import(imported: ImportReport, bad: int, zone: str, as_json: bool) -> None:
    blocked = len(imported.on_dnc)
    if as_json:
        print_json({**asdict(imported), "on_dnc": blocked, "bad_rows": bad})
        return
    if imported.uploaded_before:
        when = local(imported.uploaded_before, zone)
        say(f"nothing is added: this very file was imported on {when}; --again imports it once more")
        return
    remarks = [
        (imported.renewed, "leads are new again"),
        (imported.duplicates, "were leads of the campaign before"),
        (blocked, "of them are on a do-not-call list, and blocked"),
        (bad, "bad rows were left out"),
    ]
    say(counted(f"{imported.added} leads are added", remarks))


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
    show = str if full_number else mask
    numbers = {name: [show(number) for number in lead[name]] for name in ("alternate_numbers", "dead_numbers")}
    return {**lead, **values, **numbers, "number": show(lead["number"])}


@app.command("export")
def export(
    context: typer.Context,
    campaign: CampaignRef,
    state: State = None,
    output: Output = None,
    form: OutputFormat = Format.CSV,
) -> None:
    """Write leads as CSV that can be imported again, e.g. those that failed into a new campaign; or as JSON.

    Deleted leads are left out, unless --state deleted asks for them.
    """

    async def work(stores: Stores) -> int:
        found = await stores.find_campaign(campaign)
        if form is Format.JSON:
            leads = stores.leads.export(found.id, state)
            return await write_json(output, (_values(record, full_number=True) async for record in leads))
        return await write_csv(output, *await lead_table(stores.leads, found.id, state))

    written = in_store(context, work)
    if output is not None:
        say(f"{written} leads are in {output}")


@app.command("calls")
def calls(
    context: typer.Context, campaign: CampaignRef, output: Output = None, form: OutputFormat = Format.CSV
) -> None:
    """Write the call log of a campaign: every attempt with its times (in UTC), its agent and its outcome."""

    async def work(stores: Stores) -> int:
        found = await stores.find_campaign(campaign)
        log = stores.activity.call_log(found.id)
        if form is Format.JSON:
            return await write_json(output, (asdict(call) async for call in log))
        return await write_csv(output, CALL_COLUMNS, (call_row(call) async for call in log))

    written = in_store(context, work)
    if output is not None:
        say(f"{written} calls are in {output}")


@app.command("reset")
def reset(context: typer.Context, campaign: CampaignRef, state: State = None, lead: LeadIds = None) -> None:
    """Make leads new again: due at once, with all their attempts before them. Name them by state or by id."""
    _raise_unless_named(state, lead, "reset")
    changed = _changed(context, campaign, state, lead, LeadStore.reset_all, LeadStore.reset)
    say(f"{changed} leads are new again")


@app.command("delete")
def delete(context: typer.Context, campaign: CampaignRef, state: State = None, lead: LeadIds = None) -> None:
    """Take leads off the list of a campaign that does not run. What happened to them is kept. Name them by state or by id."""
    _raise_unless_named(state, lead, "deleted")
    changed = _changed(context, campaign, state, lead, LeadStore.delete_all, LeadStore.delete)
    say(f"{changed} leads are deleted")


def _raise_unless_named(state: LeadState | None, leads: Sequence[int] | None, act: str) -> None:
    if (state is None) == (not leads):
        raise typer.BadParameter("name the leads: either --state or --lead")
    if state in IN_FLIGHT:
        raise typer.BadParameter(f"a lead that is being called cannot be {act}", param_hint="--state")


def _changed(
    context: typer.Context,
    campaign: str,
    state: LeadState | None,
    leads: Sequence[int] | None,
    all_in: Callable[[LeadStore, int, LeadState], Awaitable[int]],
    one: Callable[[LeadStore, int], Awaitable[object]],
) -> int:
    """How many: all that are in the state, or else those that are named, one by one."""

    async def work(stores: Stores) -> int:
        found = await stores.find_campaign(campaign)
        if state is not None:
            return await all_in(stores.leads, found.id, state)
        for lead_id in await _ids_in(stores, found.id, leads):
            await one(stores.leads, lead_id)
        return len(leads or ())

    return in_store(context, work)


async def _ids_in(stores: Stores, campaign_id: int, leads: Sequence[int] | None) -> Sequence[int]:
    """All of them, if they are leads of the campaign. Raises NotFound before anything is changed."""
    for lead_id in leads or ():
        if (await stores.leads.get(lead_id)).lead.campaign_id != campaign_id:
            raise NotFound("lead of this campaign with the id", lead_id)
    return leads or ()
