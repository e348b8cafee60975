"""`dialerd status`: every campaign at a glance, once or live."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live

from dialerd.cli.campaigns import as_values, ledger_text, ledger_values
from dialerd.cli.console import AsJson, complain, out, plain, print_json, table
from dialerd.cli.session import Session, Stores, in_store, open_stores, session_of
from dialerd.domain.abandonment import Abandonment
from dialerd.domain.leads import LeadState
from dialerd.errors import StoreUnavailable
from dialerd.reports.explained import hold_of
from dialerd.store.campaigns import CampaignOverview
from dialerd.store.progress import Progress

REFRESH_S = 1.0
COLUMNS = (
    "id",
    "campaign",
    "status",
    "calls",
    "/min",
    "due",
    "wait",
    "success",
    "failed",
    "blocked",
    "abandoned",
    "1 h",
)


@dataclass(frozen=True, kw_only=True)
class _Line:
    overview: CampaignOverview
    progress: Progress
    abandonment: Abandonment


def add_to(app: typer.Typer) -> None:
    app.command("status")(status)


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every campaign at a glance. What it does, why it does not dial, and how far it is.

    calls: in flight; /min: placed in the last minute; due, wait, success, failed, blocked, abandoned: leads; 1 h: calls
    that were answered, connected and abandoned in the last hour.
    """
    if watch and as_json:
        raise typer.BadParameter("--watch is for people; ask for --json again and again instead")
    if watch:
        _watch(session_of(context))
    elif as_json:
        lines = in_store(context, _lines)
        print_json([_values(line) for line in lines])
    else:
        out().print(in_store(context, _picture))


def _values(line: _Line) -> dict[str, Any]:
    return {
        **as_values(line.overview),
        "last_hour": asdict(line.progress),
        "abandonment": ledger_values(line.abandonment),
    }


def _watch(session: Session) -> None:
    try:
        asyncio.run(_keep_showing(session))
    except KeyboardInterrupt:
        return


async def _keep_showing(session: Session) -> None:
    async with open_stores(session.settings, session.account) as stores:
        with Live(console=out(), auto_refresh=False) as live:
            while True:
                try:
                    live.update(await _picture(stores), refresh=True)
                except StoreUnavailable as trouble:
                    complain(f"dialerd: {trouble}")
                await asyncio.sleep(REFRESH_S)


async def _lines(stores: Stores) -> Sequence[_Line]:
    progress = await stores.progress.of_campaigns()
    return [
        _Line(
            overview=overview,
            progress=progress.get(overview.campaign.id, Progress()),
            abandonment=await stores.campaigns.abandonment(overview.campaign),
        )
        for overview in await stores.campaigns.list()
    ]


async def _picture(stores: Stores) -> RenderableType:
    zone = await stores.zone()
    lines = await _lines(stores)
    holds = [(line.overview.campaign.settings.name, hold_of(line.overview, zone)) for line in lines]
    sentences = [f"{name}: no call now, {hold}" for name, hold in holds if hold]
    held = [
        f"{line.overview.campaign.settings.name}: {counted}" for line in lines if (counted := held_leads(line.overview))
    ]
    abandoned = [
        f"{line.overview.campaign.settings.name}: abandoned are {ledger_text(line.abandonment)}"
        for line in lines
        if line.abandonment.ledger.answered
    ]
    return Group(table(COLUMNS, [_cells(line) for line in lines]), *map(plain, sentences + held + abandoned))


def held_leads(overview: CampaignOverview) -> str:
    """How many leads wait for which rule, of those that are not done."""
    waiting = [f"{held.leads} wait for {held.rule}" for held in overview.held_leads if held.until]
    return ", ".join(waiting)


def _cells(line: _Line) -> tuple[object, ...]:
    overview, leads, lately = line.overview, line.overview.leads, line.progress
    return (
        overview.campaign.id,
        overview.campaign.settings.name,
        overview.shown_status,
        overview.open_attempts,
        lately.placed_last_minute,
        leads[LeadState.ACTIVE] + leads[LeadState.RETRY],
        leads[LeadState.COOLOFF] + leads[LeadState.VOICEMAIL],
        leads[LeadState.SUCCESS],
        leads[LeadState.FAILED],
        leads[LeadState.BLOCKED],
        leads[LeadState.ABANDONED],
        f"{lately.answered}/{lately.connected}/{lately.abandoned}",
    )
