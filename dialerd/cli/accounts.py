"""`dialerd account`: what holds for all campaigns of an account."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, facts, out, print_json
from dialerd.cli.options import caller_id, read, refuse_unknown_profile, taken_away
from dialerd.cli.session import Stores, in_store
from dialerd.domain.accounts import MOST_CALLS, Account, AccountRules, UnknownZone
from dialerd.domain.phone import is_region
from dialerd.domain.schedule import parse_row, row_text
from dialerd.domain.timezones import is_zone

app = typer.Typer(help="What holds for all campaigns of an account.", no_args_is_help=True)

UNSET: Mapping[str, Mapping[str, object]] = {
    "business-hours": {"business_hours": ()},
    "max-calls-24h": {"max_calls_24h": None},
    "max-calls-7d": {"max_calls_7d": None},
    "allowed-prefixes": {"allowed_prefixes": None},
    "caller-id": {"caller_id": None},
    "pause-reasons": {"pause_reasons": ()},
}


@app.command("show")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what the account says for its campaigns: zone, hours, limits, caps."""

    async def work(stores: Stores) -> Account:
        return await stores.account()

    _show(in_store(context, work), as_json)


@app.command("edit")
def edit(
    context: typer.Context,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone, like Europe/Berlin.")] = None,
    region: Annotated[str | None, typer.Option(help="Country of numbers without one: ISO 3166, like GB.")] = None,
    caller_id_text: Annotated[
        str | None,
        typer.Option("--caller-id", metavar="NUMBER[=NAME]", help="Shown by campaigns without numbers of their own."),
    ] = None,
    business_hours: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Like 'mon-fri 09:00-17:00'; several may be given, and replace all."),
    ] = None,
    unknown_zone: Annotated[
        UnknownZone | None,
        typer.Option(help="A lead whose zone nothing tells: block it, or take it to be in the account's zone."),
    ] = None,
    lead_zone_trusted: Annotated[
        bool | None,
        typer.Option(
            "--trust-lead-zone/--no-trust-lead-zone", help="Whether a lead's own zone replaces those of its number."
        ),
    ] = None,
    max_calls_24h: Annotated[
        int | None, typer.Option(max=MOST_CALLS, help="Most calls to one number in any 24 hours.")
    ] = None,
    max_calls_7d: Annotated[
        int | None, typer.Option(max=MOST_CALLS, help="Most calls to one number in any 7 days.")
    ] = None,
    abandon_lockout_h: Annotated[
        int | None, typer.Option("--abandon-lockout", help="Hours without a call after an abandoned one.")
    ] = None,
    allowed_prefixes: Annotated[
        list[str] | None,
        typer.Option("--allow-prefix", metavar="+NN", help="Dial only numbers that begin so; several may be given."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Compliance profile of campaigns that name none.")] = None,
    pause_reasons: Annotated[
        list[str] | None,
        typer.Option(
            "--pause-reason",
            metavar="TITLE",
            help="What an agent who pauses chooses from; several may be given, and replace all.",
        ),
    ] = None,
    max_calls_per_second: Annotated[float | None, typer.Option(help="The highest pace a campaign may set.")] = None,
    max_concurrency: Annotated[int | None, typer.Option(help="The most calls in flight a campaign may set.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="The most attempts a campaign may set.")] = None,
    max_pool: Annotated[int | None, typer.Option(help="The most numbers that a pool may have.")] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="NAME", help=f"Take one away: {', '.join(UNSET)}.")] = None,
) -> None:
    """Change what holds for all campaigns of the account: in force on the next call."""
    if time_zone is not None and not is_zone(time_zone):
        raise typer.BadParameter("is not a zone of the IANA database, like Europe/Berlin", param_hint="--time-zone")
    if region is not None and not is_region(region):
        raise typer.BadParameter("is not a country of ISO 3166, like GB", param_hint="--region")
    limits = _given(context, "max_calls_per_second", "max_concurrency", "max_attempts", "max_pool")
    plain = _given(
        context,
        *("time_zone", "unknown_zone", "lead_zone_trusted", "max_calls_24h", "max_calls_7d", "abandon_lockout_h"),
        "profile",
    )
    changes: dict[str, Any] = {**taken_away(unset or [], UNSET), **plain}
    if business_hours:
        changes["business_hours"] = tuple(read(parse_row, row, "--business-hours") for row in business_hours)
    if allowed_prefixes:
        changes["allowed_prefixes"] = tuple(allowed_prefixes)
    if pause_reasons:
        changes["pause_reasons"] = tuple(pause_reasons)
    if caller_id_text is not None:
        changes["caller_id"] = caller_id(caller_id_text)
    if not changes and not limits and region is None:
        raise typer.BadParameter("nothing to change: name at least one setting")

    async def work(stores: Stores) -> Account:
        refuse_unknown_profile(profile, stores.profiles)
        account = await stores.account()
        rules = replace(account.rules, limits=replace(account.rules.limits, **limits), **changes)
        changed = replace(account, default_region=region or account.default_region, rules=rules)
        await stores.accounts.save(changed)
        return changed

    _show(in_store(context, work), as_json=False)


def _given(context: typer.Context, *names: str) -> dict[str, Any]:
    return {name: context.params[name] for name in names if context.params[name] is not None}


def _show(account: Account, as_json: bool) -> None:
    if as_json:
        print_json(account)
        return
    out().print(
        facts({"account": account.name, "default country": account.default_region, **_described(account.rules)})
    )


def _described(rules: AccountRules) -> dict[str, object]:
    shown, limits = rules.caller_id, rules.limits
    return {
        "time zone": rules.time_zone,
        "business hours": "; ".join(row_text(row) for row in rules.business_hours) or "at any time",
        "caller ID": f"{shown.number} {shown.name}".strip() if shown else None,
        "compliance profile": rules.profile,
        "leads of unknown zone": "are blocked" if rules.unknown_zone is UnknownZone.BLOCK else "are in this zone",
        "a lead's own zone": "replaces those of its number" if rules.lead_zone_trusted else "must be open, too",
        "calls to one number": f"{_cap(rules.max_calls_24h)} in 24 hours, {_cap(rules.max_calls_7d)} in 7 days",
        "after an abandoned call": f"none for {rules.abandon_lockout_h} hours",
        "numbers that may be dialed": ", ".join(rules.allowed_prefixes or ()) or "every ordinary one",
        "numbers that may be shown": "; ".join(
            f"{country}: {', '.join(prefixes)}" for country, prefixes in sorted(rules.caller_id_prefixes.items())
        ),
        "an agent pauses for": ", ".join(rules.pause_reasons) or "no reason that is said",
        "a campaign may have": f"{limits.max_calls_per_second:g} calls a second, {limits.max_concurrency} in flight, "
        f"{limits.max_attempts} attempts, {limits.max_pool} numbers",
    }


def _cap(most: int | None) -> str:
    return "any number" if most is None else f"{most} at most"
