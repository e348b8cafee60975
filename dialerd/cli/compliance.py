"""`dialerd compliance`: which compliance profiles there are, and what each of them binds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, assert_never

import typer

from dialerd.cli.console import AsJson, facts, out, print_json, say, table
from dialerd.cli.session import session_of
from dialerd.compliance import profiles
from dialerd.domain.abandonment import AbandonmentRule, Period
from dialerd.domain.calls import NoAgent
from dialerd.domain.compliance import Caps, Demand, HoursRule, Profile, Rule, SettingRule
from dialerd.domain.schedule import row_text
from dialerd.errors import NotFound

app = typer.Typer(help="Look at the compliance profiles that campaigns may have.", no_args_is_help=True)

PERIODS = {
    Period.DAY: "on each day",
    Period.BLOCK_30_DAYS: "in each 30 days from the first start",
    Period.MONTH: "in each month",
}

ADVICE = "Not legal advice: look whether a rule still is what it was on the day it was verified."


@app.command("list")
def list_profiles(context: typer.Context, as_json: AsJson = False) -> None:
    """List the profiles: those of dialerd, and one's own."""
    known = _profiles(context)
    if as_json:
        print_json([_summary(profile) for profile in known.values()])
        return
    rows = [tuple(_summary(profile).values()) for profile in known.values()]
    out().print(table(("profile", "version", "title", "countries", "rules", "verified on"), rows))


@app.command("show")
def show(
    context: typer.Context,
    profile_id: Annotated[str, typer.Argument(metavar="PROFILE", help="As the list calls it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Print every rule of a profile, with its source."""
    known = _profiles(context)
    if profile_id not in known:
        raise NotFound("compliance profile", profile_id)
    profile = known[profile_id]
    if as_json:
        print_json(_summary(profile) | {"source": profile.source, "rules": [_whole(rule) for rule in profile.rules]})
        return
    out().print(facts(_summary(profile) | {"source": "; ".join(profile.source)}))
    rows = [(rule.id, _bound(rule), rule.title, "; ".join(rule.source), rule.verified_on) for rule in profile.rules]
    out().print(table(("rule", "binds", "title", "source", "verified on"), rows))
    say(ADVICE)


def _profiles(context: typer.Context) -> Mapping[str, Profile]:
    return profiles(session_of(context).settings.compliance.profile_file)


def _summary(profile: Profile) -> dict[str, object]:
    return {
        "id": profile.id,
        "version": profile.version,
        "title": profile.title,
        "countries": ", ".join(profile.regions),
        "rules": len(profile.rules),
        "verified_on": profile.verified_on,
    }


def _whole(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "version": rule.version,
        "title": rule.title,
        "binds": _bound(rule),
        "closed_on": rule.binds.closed_on if isinstance(rule.binds, HoursRule) else (),
        "source": rule.source,
        "verified_on": rule.verified_on,
    }


def _bound(rule: Rule) -> str:
    """What the rule binds, in the words in which it is set."""
    match rule.binds:
        case HoursRule():
            hours = "; ".join(row_text(row) for row in rule.binds.rows)
            closed = f", not on {len(rule.binds.closed_on)} holidays" if rule.binds.closed_on else ""
            return f"{', '.join(rule.binds.where)}: {hours}{closed}"
        case Caps():
            return ", ".join(_capped(rule.binds))
        case SettingRule():
            limits = ((">=", rule.binds.at_least), ("<=", rule.binds.at_most))
            return ", ".join(f"{rule.binds.setting} {sign} {limit}" for sign, limit in limits if limit is not None)
        case AbandonmentRule():
            cap, limit_s = rule.binds.cap * 100, rule.binds.limit.total_seconds()
            return (
                f"abandoned <= {cap:g}% of answered {PERIODS[rule.binds.period]}; an agent within {limit_s:g} seconds"
            )
        case Demand.CALLER_ID:
            return "a caller ID is shown"
        case Demand.KNOWN_ZONE:
            return "unknown_zone = block"
        case Demand.SAFE_HARBOUR:
            return f"no_agent = {NoAgent.MESSAGE_AT_SLA}"
        case _:
            assert_never(rule.binds)


def _capped(limits: Caps) -> Sequence[str]:
    texts = (
        (limits.max_calls_24h, f"{limits.max_calls_24h} calls to a number in 24 hours"),
        (limits.max_calls_7d, f"{limits.max_calls_7d} calls to a number in 7 days"),
        (
            limits.abandon_lockout,
            f"none for {limits.abandon_lockout // timedelta(hours=1)} hours after an abandoned one",
        ),
    )
    return [text for limit, text in texts if limit]
