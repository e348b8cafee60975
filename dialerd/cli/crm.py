"""`dialerd crm`: where a campaign's leads come from besides files, and the taking of them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef, Region
from dialerd.cli.session import Stores, in_store
from dialerd.cli.uploads import OnBadRows, Report, counted, findings, reported, tell
from dialerd.domain.campaigns import Campaign
from dialerd.domain.leads import NewLead
from dialerd.domain.phone import mask
from dialerd.errors import DialerdError
from dialerd.guarded_http.public_address import host_of
from dialerd.imports import Manner, Policy, sample_leads, sync_leads
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.crm_api import SAMPLE
from dialerd.lead_sources.crm_source import read_source, read_source_file
from dialerd.store.crm_sources import StoredSource
from dialerd.store.leads import Duplicates, ImportReport

app = typer.Typer(help="Take the leads of a campaign from a CRM's API.", no_args_is_help=True)

SourceFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="TOML: method, url, headers, body, mapping, paging.", show_default=False)
]
Size = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Most leads to show.")]

Rows = Sequence[GoodRow | BadRow]


class NothingFits(DialerdError):
    """None of the leads can be used as the source maps them. Mend the mapping, or store it as it is by --no-sample."""


@app.command("set")
def set_source(
    context: typer.Context,
    campaign: CampaignRef,
    file: SourceFile,
    region: Region = None,
    sample: Annotated[bool, typer.Option(help="Ask the CRM for some leads first, and show them.")] = True,
) -> None:
    """Say where the leads come from: a TOML file, in the place of the source that there may be.

    \b
    method = "POST"                                # GET, POST or PUT
    url = "https://crm.example.com/api/leads"
    headers.Authorization = "Bearer {secret:crm}"  # crm.secrets.crm of the settings
    body = { status = "open" }
    [mapping]                                      # JMESPath
    leads_array = "data.leads"
    first_name = "contact.first"
    number = "contact.phone"
    # also: last_name, priority, ticket_id, dial_retries, first_cooloff, cooloff, notes, skill, extension, time_zone
    custom.city = "address.city"
    [paging]                                       # or: next = "links.next"
    page_parameter = "page"
    first_page = 1
    [results]                                      # where results go, and in which words: docs/webhooks.md
    url = "https://crm.example.com/api/results"
    mapping.answer = "data.menu_result"
    """
    source = read_source_file(file)

    async def work(stores: Stores) -> tuple[Campaign, Rows]:
        target = await stores.find_campaign(campaign)
        rows = await sample_leads(await stores.account(), source, stores.settings.crm, region=region) if sample else []
        if rows and not any(isinstance(row, GoodRow) for row in rows):
            tell(findings(_bad(rows)))
            raise NothingFits
        await stores.crm_sources.put(target.id, source.as_json())
        return target, rows

    target, rows = in_store(context, work)
    if sample:
        _show_sample(rows)
    say(f"leads of {target.settings.name!r} come from {host_of(source.url)}. Next: dialerd crm sync {target.id}")


@app.command("show")
def show(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """Show the source. Of credentials it has the names only."""

    async def work(stores: Stores) -> tuple[StoredSource, str]:
        target = await stores.find_campaign(campaign)
        return await stores.crm_sources.get(target.id), await stores.zone()

    stored, zone = in_store(context, work)
    if as_json:
        print_json(stored)
    else:
        out().print(facts({**dict(_flat(stored.source)), "synced": local(stored.synced_at, zone)}))


@app.command("preview")
def preview(
    context: typer.Context, campaign: CampaignRef, region: Region = None, limit: Size = SAMPLE, as_json: AsJson = False
) -> None:
    """Ask the CRM, and show the first leads. Nothing is stored."""

    async def work(stores: Stores) -> Rows:
        target = await stores.find_campaign(campaign)
        stored = await stores.crm_sources.get(target.id)
        return await sample_leads(
            await stores.account(), read_source(stored.source), stores.settings.crm, region=region, size=limit
        )

    rows = in_store(context, work)
    if as_json:
        print_json({"leads": [_values(row.lead) for row in _good(rows)], "bad_rows": _bad(rows)})
    else:
        _show_sample(rows)


@app.command("sync")
def sync(
    context: typer.Context,
    campaign: CampaignRef,
    region: Region = None,
    on_bad_rows: OnBadRows = Policy.REFUSE,
    duplicates: Annotated[
        Duplicates,
        typer.Option(help="A number that the campaign has: never, always or (only if) finished is it made new again."),
    ] = Duplicates.NEVER,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Take the leads from the CRM, all or none. Not while the campaign runs."""
    bad: list[BadRow] = []

    async def work(stores: Stores) -> ImportReport:
        target = await stores.find_campaign(campaign)
        manner = Manner(region=region, policy=on_bad_rows, duplicates=duplicates)
        return await sync_leads(stores, await stores.account(), target.id, stores.settings.crm, manner=manner, bad=bad)

    with reported(bad, report):
        imported = in_store(context, work)
    _tell_sync(imported, len(bad), as_json)


@app.command("remove")
def remove(context: typer.Context, campaign: CampaignRef) -> None:
    """Forget the source. The leads that came from it stay."""

    async def work(stores: Stores) -> Campaign:
        target = await stores.find_campaign(campaign)
        await stores.crm_sources.remove(target.id)
        return target

    say(f"campaign {in_store(context, work).settings.name!r} has no CRM source any more")


# --- reading ----------------------------------------------------------------------------------------------------------


def _good(rows: Rows) -> list[GoodRow]:
    return [row for row in rows if isinstance(row, GoodRow)]


def _bad(rows: Rows) -> list[BadRow]:
    return [row for row in rows if isinstance(row, BadRow)]


# --- showing ----------------------------------------------------------------------------------------------------------


def _show_sample(rows: Rows) -> None:
    """The columns that hold something."""
    if not rows:
        say("the CRM has no leads now")
        return
    shown = [_flat_lead(row) for row in _good(rows)]
    columns = list(dict.fromkeys(name for values in shown for name in values))
    out().print(table(columns, [[values.get(name) for name in columns] for values in shown]))
    tell(findings(_bad(rows)))


def _values(lead: NewLead) -> dict[str, Any]:
    return {**asdict(lead), "number": mask(lead.number), "alternate_numbers": [mask(n) for n in lead.alternate_numbers]}


def _flat_lead(row: GoodRow) -> dict[str, Any]:
    values = _values(row.lead)
    given = {name: value for name, value in (values | values.pop("custom")).items() if value not in ("", None, [], {})}
    return {"lead": row.line, **given}


def _flat(values: Any, name: str = "") -> list[tuple[str, object]]:
    """Name and value of everything inside, the names with dots: mapping.custom.city."""
    if not isinstance(values, dict):
        return [(name, values)]
    return [pair for key, inner in values.items() for pair in _flat(inner, f"{name}.{key}" if name else key)]


def _tell_sync(imported: ImportReport, bad: int, as_json: bool) -> None:
    blocked = len(imported.on_dnc)
    counts = {"added": imported.added, "renewed": imported.renewed, "duplicates": imported.duplicates}
    if as_json:
        print_json({**counts, "on_dnc": blocked, "bad_rows": bad})
        return
    remarks = [
        (imported.renewed, "are made new again"),
        (imported.duplicates, "were leads of the campaign before, or came twice"),
        (blocked, "are on a do-not-call list, and blocked"),
        (bad, "cannot be used, and were left out"),
    ]
    say(counted(f"{imported.added} leads are added", remarks))
