"""`dialerd campaign`: make campaigns, look at them, change them, and lead them through their life."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef, caller_id, moment, outcome_rules, read, refuse_unknown_profile, time_of_day
from dialerd.cli.session import Stores, in_store
from dialerd.domain.caller_id import PoolNumber, Rotation
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    Alternates,
    Campaign,
    CampaignAction,
    CampaignSettings,
    CampaignStatus,
)
from dialerd.domain.leads import FINAL
from dialerd.domain.outcomes import Outcome, OutcomeRule
from dialerd.domain.schedule import parse_plan, parse_row, parse_window, plan_text, row_text, window_text
from dialerd.errors import DialerdError, IllegalTransition
from dialerd.store.caller_ids import raise_for_pool
from dialerd.store.campaigns import CampaignOverview

app = typer.Typer(help="Make campaigns, and start, pause, stop, edit them.", no_args_is_help=True)

_BY_HAND = frozenset(CampaignAction) - {CampaignAction.COMPLETE}
_SETTINGS = frozenset(field.name for field in fields(CampaignSettings))
UNSET: Mapping[str, Mapping[str, object]] = {
    "cooloff-2nd": {"cooloff_2nd_s": None},
    "cooloff-3rd": {"cooloff_3rd_s": None},
    "schedule": {"schedule": None},
    "lead-window": {"lead_window": None},
    "day-plan": {"day_plan": None},
    "outcomes": {"outcome_rules": {}},
    "profile": {"profile": None},
}

# One option for each field of CampaignSettings, under the field's name: `_given` collects them.
Note = Annotated[str | None, typer.Option(help="For people: what the campaign is for.")]
Mode = Annotated[DialMode | None, typer.Option("--mode", help="progressive: the lead first, then an agent.")]
Pace = Annotated[
    float | None, typer.Option(help="Most calls started a second: above 0, up to the account's limit (20).")
]
Concurrency = Annotated[int | None, typer.Option(help="Most calls in flight: 1 to the account's limit (50).")]
Attempts = Annotated[
    int | None,
    typer.Option("--max-attempts", "--retries", help="Most attempts for a lead: 1 to the account's limit (5)."),
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
        "--caller-id",
        metavar="NUMBER[=NAME]",
        help="Number to show; several may be given. They replace all there were.",
    ),
]
CallerIds = Annotated[
    bool | None,
    typer.Option(
        "--caller-ids/--no-caller-ids", help="Show the campaign's numbers, or the queue's and then the account's."
    ),
]
Rotate = Annotated[Rotation | None, typer.Option(help="How a call gets its number out of several.")]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--schedule",
        metavar="ROW",
        help="When it may dial, by the account's clock: 'mon-fri 09:00-17:00', 'sat 10:00-14:00 days 1-15 months 1,2'. "
        "Several may be given; they replace the account's business hours.",
    ),
]
AnyTime = Annotated[bool, typer.Option("--any-time", help="Dial at any time, whatever the account's hours are.")]
Window = Annotated[
    str | None,
    typer.Option("--lead-window", metavar="FROM-TO", help="Dial By Timezone: 09:00-20:00 by each lead's own clock."),
]
PlanDay = Annotated[
    list[str] | None,
    typer.Option(
        "--plan-day",
        metavar="DAY: TIMES",
        help="Dial by Schedule by Timezone: '0: 09:00, 13:00' on the day a lead was added, '2: 10:00' two days later.",
    ),
]
PlanWindow = Annotated[float | None, typer.Option("--plan-window", help="Hours that each window of the plan lasts: 1.")]
Cycles = Annotated[
    int | None,
    typer.Option("--dial-cycles", help="Most passes through the list, and so dials of each lead, a day; 0: no limit."),
]
CyclesTime = Annotated[
    str | None,
    typer.Option("--dial-cycles-time", metavar="HH:MM", help="When that day begins, on the account's clock."),
]
OutcomeRules = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        metavar="RULE",
        help="What follows one outcome: 'busy: retry, delay 300, max 2' or 'no_answer: final'. They replace all there were.",
    ),
]
Alternate = Annotated[Alternates | None, typer.Option(help="When a lead's other numbers are tried.")]
ProfileName = Annotated[str | None, typer.Option("--profile", help="Compliance profile: see `dialerd compliance`.")]


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
    dial_cycles: Cycles = None,
    cycles_time: CyclesTime = None,
    outcomes: OutcomeRules = None,
    alternates: Alternate = None,
    rows: Rows = None,
    any_time: AnyTime = False,
    window: Window = None,
    plan_days: PlanDay = None,
    plan_window: PlanWindow = None,
    caller_id_enabled: CallerIds = None,
    rotation: Rotate = None,
    profile: ProfileName = None,
    ring_timeout_s: Ring = None,
    customer_wait_sla_s: Sla = None,
    agent_dial_timeout_s: Hunt = None,
    wrapup_s: Wrapup = None,
    caller_ids: Pool = None,
) -> None:
    pool = [caller_id(text) for text in caller_ids or []]
    settings = CampaignSettings(**{"caller_id_enabled": bool(pool), **_given(context)})

    async def work(stores: Stores) -> Campaign:
        refuse_unknown_profile(profile, stores.profiles)
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
    dial_cycles: Cycles = None,
    cycles_time: CyclesTime = None,
    outcomes: OutcomeRules = None,
    alternates: Alternate = None,
    rows: Rows = None,
    any_time: AnyTime = False,
    window: Window = None,
    plan_days: PlanDay = None,
    plan_window: PlanWindow = None,
    caller_id_enabled: CallerIds = None,
    rotation: Rotate = None,
    profile: ProfileName = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Take a setting away: {', '.join(UNSET)}.")
    ] = None,
    ring_timeout_s: Ring = None,
    customer_wait_sla_s: Sla = None,
    agent_dial_timeout_s: Hunt = None,
    wrapup_s: Wrapup = None,
    caller_ids: Pool = None,
) -> None:
    """Change a campaign, also while it runs: the next call obeys. Caller IDs that are given replace all there were."""
    pool = [caller_id(text) for text in caller_ids or []]
    shown = {"caller_id_enabled": True} if pool else {}
    changes = {**_taken_away(unset or []), **shown, **_given(context)}
    if not changes and not pool:
        raise typer.BadParameter("nothing to change: name at least one setting")

    async def work(stores: Stores) -> Campaign:
        refuse_unknown_profile(profile, stores.profiles)
        found = await stores.find_campaign(campaign)
        raise_for_pool(pool, found.account.limits.max_pool)  # before anything is written: all is changed, or nothing
        changed = await stores.campaigns.edit(found.id, changes) if changes else found
        if pool:
            await stores.caller_ids.replace(found.id, pool)
        return changed

    say(f"campaign {in_store(context, work).settings.name!r} is changed")


def _given(context: typer.Context) -> dict[str, Any]:
    """The settings that were named. What has an inner structure is read from its text; the rest has the setting's name."""
    given = {name: value for name, value in context.params.items() if value is not None}
    found = {name: value for name, value in given.items() if name in _SETTINGS}
    if rows := given.get("rows"):
        found["schedule"] = tuple(read(parse_row, row, "--schedule") for row in rows)
    if given["any_time"]:
        found["schedule"] = _unless_both("--any-time", "--schedule", bool(rows), ())
    if window := given.get("window"):
        found["lead_window"] = read(parse_window, window, "--lead-window")
    if days := given.get("plan_days"):
        length = given.get("plan_window", 1.0)
        found["day_plan"] = read(lambda _: parse_plan(days, length), "", "--plan-day")
    elif "plan_window" in given:
        raise typer.BadParameter(
            "says how long the windows of --plan-day last: name its days, too", param_hint="--plan-window"
        )
    if cycles_time := given.get("cycles_time"):
        found["dial_cycles_time"] = time_of_day(cycles_time, "--dial-cycles-time")
    if outcomes := given.get("outcomes"):
        found["outcome_rules"] = outcome_rules(outcomes)
    return found


def _unless_both(one: str, other: str, is_given: bool, value: Any) -> Any:
    if is_given:
        raise typer.BadParameter(f"cannot be said together with {other}", param_hint=one)
    return value


def _taken_away(names: Sequence[str]) -> dict[str, object]:
    if unknown := [name for name in names if name not in UNSET]:
        raise typer.BadParameter(f"can be {', '.join(UNSET)}, not {unknown[0]!r}", param_hint="--unset")
    return {setting: value for name in names for setting, value in UNSET[name].items()}


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
        found = await stores.find_campaign(campaign)
        try:
            return await stores.campaigns.act(found.id, CampaignAction.SCHEDULE, starts_at=starts_at), zone
        except IllegalTransition:
            raise _cannot(found, CampaignAction.SCHEDULE) from None

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
        "leads": ", ".join(f"{count} {state}" for state, count in overview.leads.items() if count) or 0,
        "calls in flight": overview.open_attempts,
    }


def hold_of(overview: CampaignOverview, zone: str) -> str:
    """Why no call starts now, and until when if that is known; empty while calls start, or nobody has asked for any."""
    if overview.campaign.status is CampaignStatus.SCHEDULED:
        return overview.hold_sentence or ""
    if overview.campaign.status is not CampaignStatus.RUNNING:
        return ""
    if overview.owner is None:
        return "no daemon dials it: start one with `dialerd run`"
    until = f" until {local(overview.hold_until, zone)}" if overview.hold_until else ""
    return (overview.hold_sentence or "") + until


def _pool_text(number: PoolNumber) -> str:
    return f"{number.caller_id.number} {number.caller_id.name}".rstrip() + f" (used {number.uses})"


_TOLD: Mapping[str, Callable[[Any], str]] = {
    "schedule": lambda rows: "; ".join(row_text(row) for row in rows) or "at any time",
    "lead_window": window_text,
    "day_plan": lambda plan: f"{'; '.join(plan_text(plan))} ({plan.window_h:g} h each)",
    "outcome_rules": lambda rules: "; ".join(_rule_text(outcome, rule) for outcome, rule in rules.items()),
    "dial_cycles": lambda most: str(most) if most else "no limit",
    "dial_cycles_time": lambda at: f"{at:%H:%M}",
    "caller_id_enabled": lambda on: "on" if on else "off: the queue's number, else the account's",
}
_UNTOLD = {"schedule": "the account's business hours", "profile": "the account's"}


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
    name = f"{setting[:-2]} (s)" if setting.endswith("_s") else setting
    return name.replace("_", " ")
