"""`dialerd campaign`: make campaigns, look at them, change them, and lead them through their life."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Unpack

import typer

from dialerd.cli.campaign_options import PLAIN, UNSET, CampaignOptions, settings_in, with_options
from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef, caller_id, moment, refuse_unknown_profile, taken_away
from dialerd.cli.session import Stores, in_store
from dialerd.domain.abandonment import Abandonment
from dialerd.domain.caller_id import PoolNumber
from dialerd.domain.campaigns import (
    Campaign,
    CampaignAction,
    CampaignSettings,
    Target,
    possible_actions,
)
from dialerd.domain.leads import FINAL
from dialerd.domain.outcomes import Outcome, OutcomeRule
from dialerd.domain.schedule import plan_text, row_text, window_text
from dialerd.errors import DialerdError, IllegalTransition
from dialerd.reports.explained import hold_of
from dialerd.store.caller_ids import raise_for_pool
from dialerd.store.campaigns import CampaignOverview
from dialerd.store.history import Bucket, Span

app = typer.Typer(help="Make campaigns, and start, pause, stop, edit them.", no_args_is_help=True)


@app.command(
    "create",
    help="Make a campaign. It is a draft until it is started.\n\n"
    f"What is not given is the mode {PLAIN.dial_mode}, {PLAIN.calls_per_second:g} call a second, {PLAIN.concurrency} in "
    f"flight, {PLAIN.max_attempts} attempts, {PLAIN.cooloff_s} s of cool-off, {PLAIN.ring_timeout_s} s of ringing, "
    f"{PLAIN.customer_wait_sla_s} s of customer wait, {PLAIN.agent_dial_timeout_s} s for agents to pick up.",
)
@with_options
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the campaign is called.", show_default=False)],
    **given: Unpack[CampaignOptions],
) -> None:
    pool = [caller_id(text) for text in given.get("caller_ids") or []]
    settings = CampaignSettings(name=name, **{"caller_id_enabled": bool(pool), **settings_in(given)})
    if not settings.queue and settings.target is not Target.MENU:
        raise typer.BadParameter(
            "name the queue whose agents get the answered calls; only a voice menu (--target menu) may do without",
            param_hint="--queue",
        )

    async def work(stores: Stores) -> Campaign:
        refuse_unknown_profile(settings.profile, stores.profiles)
        return await stores.campaigns.create(settings, pool, (await stores.account()).name)

    campaign = in_store(context, work)
    say(f"campaign {campaign.id} {campaign.settings.name!r} is made. Next: dialerd leads import {campaign.id} FILE")


@app.command("edit")
@with_options
def edit(
    context: typer.Context,
    campaign: CampaignRef,
    name: Annotated[str | None, typer.Option(help="What the campaign is called.")] = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Take a setting away: {', '.join(UNSET)}.")
    ] = None,
    **given: Unpack[CampaignOptions],
) -> None:
    """Change a campaign, also while it runs: the next call obeys. Caller IDs that are given replace all there were."""
    pool = [caller_id(text) for text in given.get("caller_ids") or []]
    called = {} if name is None else {"name": name}
    shown = {"caller_id_enabled": True} if pool else {}
    changes = {**taken_away(unset or [], UNSET), **called, **shown, **settings_in(given)}
    if not changes and not pool:
        raise typer.BadParameter("nothing to change: name at least one setting")

    async def work(stores: Stores) -> Campaign:
        refuse_unknown_profile(given.get("profile"), stores.profiles)
        found = await stores.find_campaign(campaign)
        raise_for_pool(pool, found.account.limits.max_pool)  # before anything is written: all is changed, or nothing
        changed = await stores.campaigns.edit(found.id, changes) if changes else found
        if pool:
            await stores.caller_ids.replace(found.id, pool)
        return changed

    say(f"campaign {in_store(context, work).settings.name!r} is changed")


# --- its life ---------------------------------------------------------------------------------------------------------


@app.command("start")
def start(context: typer.Context, campaign: CampaignRef) -> None:
    """Start dialing, or go on after a pause or a stop."""
    _act(context, campaign, CampaignAction.START)


@app.command("resume")
def resume(context: typer.Context, campaign: CampaignRef) -> None:
    """Go on after a pause or a stop, at the same point."""
    _act(context, campaign, CampaignAction.RESUME)


@app.command("schedule")
def schedule(
    context: typer.Context,
    campaign: CampaignRef,
    at: Annotated[
        str,
        typer.Option(metavar="MOMENT", help="When, by the account's clock: '2027-03-01 09:00'.", show_default=False),
    ],
) -> None:
    """Let the campaign start by itself at a time to come. What would keep it from starting is told now."""

    async def work(stores: Stores) -> tuple[Campaign, str]:
        zone = await stores.zone()
        starts_at = moment(at, zone, "--at")
        if starts_at <= datetime.now(UTC):
            raise typer.BadParameter("is over: name a time to come", param_hint="--at")
        return await _moved(stores, campaign, CampaignAction.SCHEDULE, starts_at), zone

    scheduled, zone = in_store(context, work)
    say(f"campaign {scheduled.settings.name!r} starts at {local(scheduled.starts_at, zone)}")


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
    campaign = in_store(context, lambda stores: _moved(stores, reference, action))
    say(f"campaign {campaign.settings.name!r} is {campaign.status}")


async def _moved(stores: Stores, reference: str, action: CampaignAction, starts_at: datetime | None = None) -> Campaign:
    """The campaign after it; `starts_at` goes with SCHEDULE. Raises what is possible instead, where this is not."""
    found = await stores.find_campaign(reference)
    try:
        return await stores.campaigns.act(found.id, action, starts_at=starts_at)
    except IllegalTransition:
        raise _cannot(found, action) from None


def _cannot(campaign: Campaign, action: CampaignAction) -> DialerdError:
    acts = possible_actions(campaign.status)
    possible = f"possible is {', '.join(sorted(acts))}" if acts else "it stays so"
    return DialerdError(f"campaign {campaign.settings.name!r} is {campaign.status}: no {action} from there; {possible}")


# --- to look at -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Shown:
    overview: CampaignOverview
    pool: Sequence[PoolNumber]
    abandonment: Abandonment
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
            abandonment=await stores.campaigns.abandonment(found),
            zone=await stores.zone(),
        )

    shown = in_store(context, work)
    if as_json:
        own = {"caller_ids": [asdict(number) for number in shown.pool], "abandonment": ledger_values(shown.abandonment)}
        print_json({**as_values(shown.overview), **own})
    else:
        out().print(facts(_described(shown)))


@app.command("history")
def show_history(
    context: typer.Context,
    campaign: Annotated[
        str | None, typer.Argument(metavar="[CAMPAIGN]", help="Name or id. Default: all of the account.")
    ] = None,
    span: Annotated[Span, typer.Option(help="Back to when: by the minute, or by 15 minutes.")] = Span.HOUR,
    as_json: AsJson = False,
) -> None:
    """Show calls over time, each thing when it happened: who is dialed in one minute may pick up in the next.

    in flight: at the end of the line's time; talking: agents, on the average. The last line is of the present, which is not over yet.
    """

    async def work(stores: Stores) -> tuple[Sequence[Bucket], str]:
        found = await stores.find_campaign(campaign) if campaign else None
        account_id = found.account_id if found else (await stores.account()).id
        buckets = await stores.history.buckets(account_id, span, campaign_id=found.id if found else None)
        return buckets, await stores.zone()

    buckets, zone = in_store(context, work)
    if as_json:
        print_json(buckets)
    else:
        columns = ("from", "placed", "answered", "connected", "abandoned", "in flight", "talking")
        out().print(table(columns, [_bucket_row(bucket, span, zone) for bucket in buckets]))


def _bucket_row(bucket: Bucket, span: Span, zone: str) -> tuple[object, ...]:
    talking = round(bucket.talk_s / span.bucket.total_seconds(), 1)
    counts = bucket.placed, bucket.answered, bucket.connected, bucket.abandoned, bucket.in_flight
    return local(bucket.begins_at, zone), *counts, talking


def as_values(overview: CampaignOverview) -> dict[str, Any]:
    """The overview for machines: flat, the settings beside the rest."""
    values = asdict(overview)
    campaign = values.pop("campaign")
    own = {name: campaign[name] for name in ("id", "status", "starts_at")}
    return {**own, **campaign["settings"], **values}


def _row(overview: CampaignOverview) -> tuple[object, ...]:
    campaign = overview.campaign
    leads, done = sum(overview.leads.values()), sum(overview.leads[state] for state in FINAL)
    name, queue = campaign.settings.name, campaign.settings.queue
    return campaign.id, name, overview.account, overview.shown_status, queue, leads, done, overview.open_attempts


def _described(shown: _Shown) -> dict[str, object]:
    overview, settings = shown.overview, shown.overview.campaign.settings
    return {
        "id": overview.campaign.id,
        "account": overview.account,
        "status": overview.shown_status,
        "starts": local(overview.campaign.starts_at, shown.zone),
        "does not dial because": hold_of(overview, shown.zone),
        "dialed by": overview.owner,
        "made": local(overview.created_at, shown.zone),
        "started": local(overview.started_at, shown.zone),
        "ended": local(overview.ended_at, shown.zone),
        **{_label(field.name): told(field.name, getattr(settings, field.name)) for field in fields(settings)},
        "caller IDs": ", ".join(map(_pool_text, shown.pool)),
        "abandonment": ledger_text(shown.abandonment),
        "leads": ", ".join(f"{count} {state}" for state, count in overview.leads.items() if count) or 0,
        "calls in flight": overview.open_attempts,
    }


def ledger_values(abandonment: Abandonment) -> dict[str, Any]:
    """Of the present period, for machines. Rate and cap are shares: 0.03 is 3 of 100."""
    ledger = abandonment.ledger
    return {**asdict(ledger), "rate": ledger.rate, "cap": abandonment.cap}


def ledger_text(abandonment: Abandonment) -> str:
    """Of the present period, for people."""
    ledger = abandonment.ledger
    cap = "no cap" if abandonment.cap is None else f"cap {abandonment.cap * 100:g}%"
    return (
        f"{ledger.abandoned} of {ledger.answered} answered calls ({ledger.rate:.1%}, {cap}); {ledger.in_time} reached "
        "an agent in time"
    )


def _pool_text(number: PoolNumber) -> str:
    return f"{number.caller_id.number} {number.caller_id.name}".rstrip() + f" (used {number.uses})"


def _on_or_off(switch: bool) -> str:
    return "on" if switch else "off"


_TOLD: Mapping[str, Callable[[Any], str]] = {
    "schedule": lambda rows: "; ".join(row_text(row) for row in rows) or "at any time",
    "lead_window": window_text,
    "day_plan": lambda plan: f"{'; '.join(plan_text(plan))} ({plan.window_h:g} h each)",
    "outcome_rules": lambda rules: "; ".join(_rule_text(outcome, rule) for outcome, rule in rules.items()),
    "dispositions": lambda known: "; ".join(f"{one.code} = {one.title} ({one.effect})" for one in known),
    "mask_lead_caller_id": _on_or_off,
    "send_lead_data": _on_or_off,
    "recording": _on_or_off,
    "dial_cycles": lambda most: str(most) if most else "no limit",
    "dial_cycles_time": lambda at: f"{at:%H:%M}",
    "caller_id_enabled": lambda on: "on" if on else "off: the queue's number, else the account's",
}
_UNTOLD = {
    "schedule": "the account's business hours",
    "profile": "the account's",
    "abandonment_cap_pct": "what the compliance profile says",
}


_UNITS = {"s": "s", "pct": "%"}


def told(setting: str, value: object) -> object:
    """A setting's value as people write it."""
    if value is None:
        return _UNTOLD.get(setting)
    return _TOLD[setting](value) if setting in _TOLD else value


def _rule_text(outcome: Outcome, rule: OutcomeRule) -> str:
    words = [
        None if rule.retry is None else ("retry" if rule.retry else "final"),
        None if rule.delay_s is None else f"delay {rule.delay_s}",
        None if rule.max_attempts is None else f"max {rule.max_attempts}",
    ]
    return f"{outcome}: {', '.join(word for word in words if word)}"


def _label(setting: str) -> str:
    """`ring_timeout_s` as people read it: ring timeout (s)."""
    name, _, unit = setting.rpartition("_")
    return f"{name} ({_UNITS[unit]})".replace("_", " ") if unit in _UNITS else setting.replace("_", " ")
