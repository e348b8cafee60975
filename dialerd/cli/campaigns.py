"""`dialerd campaign`: make campaigns, look at them, change them, and lead them through their life."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef, caller_id
from dialerd.cli.session import Stores, in_store
from dialerd.domain.caller_id import PoolNumber
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    MAX_ATTEMPTS,
    MAX_CALLS_PER_SECOND,
    MAX_CONCURRENCY,
    MAX_POOL,
    Campaign,
    CampaignAction,
    CampaignSettings,
)
from dialerd.domain.leads import FINAL
from dialerd.errors import DialerdError, IllegalTransition
from dialerd.store.campaigns import CampaignOverview

app = typer.Typer(help="Make campaigns, and start, pause, stop, edit them.", no_args_is_help=True)

_BY_HAND = {CampaignAction.START, CampaignAction.PAUSE, CampaignAction.STOP, CampaignAction.CANCEL}
_SETTINGS = frozenset(field.name for field in fields(CampaignSettings))

# One option for each field of CampaignSettings, under the field's name: `_given` collects them.
Note = Annotated[str | None, typer.Option(help="For people: what the campaign is for.")]
Mode = Annotated[DialMode | None, typer.Option("--mode", help="progressive: the lead first, then an agent.")]
Pace = Annotated[
    float | None, typer.Option(help=f"Most calls started a second: above 0, up to {MAX_CALLS_PER_SECOND}.")
]
Concurrency = Annotated[int | None, typer.Option(help=f"Most calls in flight: 1 to {MAX_CONCURRENCY}.")]
Attempts = Annotated[
    int | None, typer.Option("--max-attempts", "--retries", help=f"Most attempts for a lead: 1 to {MAX_ATTEMPTS}.")
]
Cooloff = Annotated[int | None, typer.Option("--cooloff", help="Seconds to wait after a failed dial: up to 30 days.")]
Cooloff2nd = Annotated[int | None, typer.Option("--cooloff-2nd", help="Seconds to wait after the second failed dial.")]
Cooloff3rd = Annotated[int | None, typer.Option("--cooloff-3rd", help="Seconds to wait after the third failed dial.")]
Ring = Annotated[int | None, typer.Option("--ring-timeout", help="Seconds a lead's phone may ring: 5 to 120.")]
Sla = Annotated[
    int | None, typer.Option("--customer-wait", help="Seconds a lead may wait in silence for an agent: 0 to 60.")
]
Hunt = Annotated[
    int | None,
    typer.Option("--agent-dial-timeout", help="Seconds agents are rung before the lead joins the queue: 1 to 300."),
]
Wrapup = Annotated[int | None, typer.Option("--wrapup", help="Seconds of wrap-up, as set in the queue: 0 to 3600.")]
Pool = Annotated[
    list[str] | None,
    typer.Option(
        "--caller-id", metavar="NUMBER[=NAME]", help=f"Number to show; several (up to {MAX_POOL}) take turns."
    ),
]


_PLAIN = CampaignSettings(name="", queue="")


@app.command(
    "create",
    help="Make a campaign. It is a draft until it is started.\n\n"
    f"What is not given is {_PLAIN.calls_per_second:g} call a second, {_PLAIN.concurrency} in flight, "
    f"{_PLAIN.max_attempts} attempts, {_PLAIN.cooloff_s} s of cool-off, {_PLAIN.ring_timeout_s} s of ringing, "
    f"{_PLAIN.customer_wait_sla_s} s of customer wait, {_PLAIN.agent_dial_timeout_s} s for agents to pick up.",
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the campaign is called.", show_default=False)],
    queue: Annotated[str, typer.Option(help="Bound queue, as Asterisk calls it: its agents get the answered calls.")],
    note: Note = None,
    dial_mode: Mode = None,
    calls_per_second: Pace = None,
    concurrency: Concurrency = None,
    max_attempts: Attempts = None,
    cooloff_s: Cooloff = None,
    cooloff_2nd_s: Cooloff2nd = None,
    cooloff_3rd_s: Cooloff3rd = None,
    ring_timeout_s: Ring = None,
    customer_wait_sla_s: Sla = None,
    agent_dial_timeout_s: Hunt = None,
    wrapup_s: Wrapup = None,
    caller_ids: Pool = None,
) -> None:
    settings = CampaignSettings(**_given(context))
    pool = [caller_id(text) for text in caller_ids or []]

    async def work(stores: Stores) -> Campaign:
        return await stores.campaigns.create(settings, pool, (await stores.account()).name)

    campaign = in_store(context, work)
    say(f"campaign {campaign.id} {campaign.settings.name!r} is made. Next: dialerd leads import {campaign.id} FILE")


@app.command("edit")
def edit(
    context: typer.Context,
    campaign: CampaignRef,
    name: Annotated[str | None, typer.Option(help="What the campaign is called.")] = None,
    queue: Annotated[str | None, typer.Option(help="Bound queue, as Asterisk calls it.")] = None,
    note: Note = None,
    dial_mode: Mode = None,
    calls_per_second: Pace = None,
    concurrency: Concurrency = None,
    max_attempts: Attempts = None,
    cooloff_s: Cooloff = None,
    cooloff_2nd_s: Cooloff2nd = None,
    cooloff_3rd_s: Cooloff3rd = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Take a setting away: cooloff-2nd or cooloff-3rd.")
    ] = None,
    ring_timeout_s: Ring = None,
    customer_wait_sla_s: Sla = None,
    agent_dial_timeout_s: Hunt = None,
    wrapup_s: Wrapup = None,
    caller_ids: Pool = None,
) -> None:
    """Change a campaign, also while it runs: the next call obeys. Caller IDs that are given replace all there were."""
    changes = {**_given(context), **{_optional_setting(name): None for name in unset or []}}
    pool = [caller_id(text) for text in caller_ids or []]
    if not changes and not pool:
        raise typer.BadParameter("nothing to change: name at least one setting")

    async def work(stores: Stores) -> Campaign:
        found = await stores.find_campaign(campaign)
        if pool:
            await stores.caller_ids.replace(found.id, pool)
        return await stores.campaigns.edit(found.id, changes) if changes else found

    say(f"campaign {in_store(context, work).settings.name!r} is changed")


def _given(context: typer.Context) -> dict[str, Any]:
    return {name: value for name, value in context.params.items() if name in _SETTINGS and value is not None}


def _optional_setting(option: str) -> str:
    settings = {"cooloff-2nd": "cooloff_2nd_s", "cooloff-3rd": "cooloff_3rd_s"}
    if option not in settings:
        raise typer.BadParameter(f"can be {' or '.join(settings)}, not {option!r}", param_hint="--unset")
    return settings[option]


# --- its life ---------------------------------------------------------------------------------------------------------


@app.command("start")
def start(context: typer.Context, campaign: CampaignRef) -> None:
    """Start dialing, or go on after a pause or a stop."""
    _act(context, campaign, CampaignAction.START)


@app.command("pause")
def pause(context: typer.Context, campaign: CampaignRef) -> None:
    """Start no new calls. Those in flight complete; `start` goes on at the same point."""
    _act(context, campaign, CampaignAction.PAUSE)


@app.command("stop")
def stop(context: typer.Context, campaign: CampaignRef) -> None:
    """Start no new calls, and end those that are not answered yet: their leads are due again. Talks go on."""
    _act(context, campaign, CampaignAction.STOP)


@app.command("cancel")
def cancel(context: typer.Context, campaign: CampaignRef) -> None:
    """Give the campaign up for good. Calls in flight complete."""
    _act(context, campaign, CampaignAction.CANCEL)


def _act(context: typer.Context, reference: str, action: CampaignAction) -> None:
    async def work(stores: Stores) -> Campaign:
        found = await stores.find_campaign(reference)
        try:
            return await stores.campaigns.act(found.id, action)
        except IllegalTransition:
            raise _cannot(found, action) from None

    campaign = in_store(context, work)
    say(f"campaign {campaign.settings.name!r} is {campaign.status}")


def _cannot(campaign: Campaign, action: CampaignAction) -> DialerdError:
    acts = CAMPAIGN_TRANSITIONS[campaign.status].keys() & _BY_HAND
    possible = f"possible is {', '.join(sorted(acts))}" if acts else "it stays so"
    return DialerdError(f"campaign {campaign.settings.name!r} is {campaign.status}: no {action} from there; {possible}")


# --- to look at -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Shown:
    overview: CampaignOverview
    pool: Sequence[PoolNumber]
    zone: str


@app.command("list")
def list_campaigns(context: typer.Context, as_json: AsJson = False) -> None:
    """List all campaigns."""

    async def work(stores: Stores) -> Sequence[CampaignOverview]:
        return await stores.campaigns.list()

    overviews = in_store(context, work)
    if as_json:
        print_json([as_values(overview) for overview in overviews])
    else:
        columns = ("id", "campaign", "account", "status", "queue", "leads", "done", "in flight")
        out().print(table(columns, [_row(overview) for overview in overviews]))


@app.command("show")
def show(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """Show a campaign: its settings, its leads by state, and why it does not dial if it does not."""

    async def work(stores: Stores) -> _Shown:
        found = await stores.find_campaign(campaign)
        return _Shown(
            overview=await stores.campaigns.overview(found.id),
            pool=await stores.caller_ids.of_campaign(found.id),
            zone=await stores.zone(),
        )

    shown = in_store(context, work)
    if as_json:
        print_json({**as_values(shown.overview), "caller_ids": [asdict(number) for number in shown.pool]})
    else:
        out().print(facts(_described(shown)))


def as_values(overview: CampaignOverview) -> dict[str, Any]:
    """The overview for machines: flat, the settings beside the rest."""
    values = asdict(overview)
    campaign = values.pop("campaign")
    return {"id": campaign["id"], "status": campaign["status"], **campaign["settings"], **values}


def _row(overview: CampaignOverview) -> tuple[object, ...]:
    campaign = overview.campaign
    leads, done = sum(overview.leads.values()), sum(overview.leads[state] for state in FINAL)
    name, queue = campaign.settings.name, campaign.settings.queue
    return campaign.id, name, overview.account, campaign.status, queue, leads, done, overview.open_attempts


def _described(shown: _Shown) -> dict[str, object]:
    overview, settings = shown.overview, asdict(shown.overview.campaign.settings)
    return {
        "id": overview.campaign.id,
        "account": overview.account,
        "status": overview.campaign.status,
        "does not dial because": overview.hold_sentence,
        "until": local(overview.hold_until, shown.zone),
        "dialed by": overview.owner,
        "made": local(overview.created_at, shown.zone),
        "started": local(overview.started_at, shown.zone),
        "ended": local(overview.ended_at, shown.zone),
        **{_label(name): value for name, value in settings.items()},
        "caller IDs": ", ".join(f"{number.caller_id.number} (used {number.uses})" for number in shown.pool),
        "leads": ", ".join(f"{count} {state}" for state, count in overview.leads.items() if count) or 0,
        "calls in flight": overview.open_attempts,
    }


def _label(setting: str) -> str:
    """`ring_timeout_s` as people read it: ring timeout (s)."""
    name = f"{setting[:-2]} (s)" if setting.endswith("_s") else setting
    return name.replace("_", " ")
