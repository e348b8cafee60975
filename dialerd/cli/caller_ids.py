"""`dialerd caller-ids`: which numbers calls show, how often and where each may be shown, and which of them rest."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef, caller_id, moment
from dialerd.cli.session import Stores, in_store
from dialerd.domain.caller_id import CallerId, CallerIdType, PoolEntry, PoolNumber, Prefixes
from dialerd.domain.campaigns import Campaign

app = typer.Typer(help="The numbers that calls show.", no_args_is_help=True)
account_app = typer.Typer(help="The account's main numbers, which its campaigns may show.", no_args_is_help=True)
queue_app = typer.Typer(
    help="The numbers of queues, shown by campaigns that have their own caller ID off.", no_args_is_help=True
)
app.add_typer(account_app, name="account")
app.add_typer(queue_app, name="queue")

NUMBER = "NUMBER"
NUMBER_AND_NAME = "NUMBER[=NAME]"
Number = Annotated[str, typer.Argument(metavar=NUMBER, help="A number as it is shown.", show_default=False)]
Named = Annotated[
    str, typer.Argument(metavar=NUMBER_AND_NAME, help="A number, and the name beside it.", show_default=False)
]
Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="A queue, as Asterisk calls it.", show_default=False)]

NO_CAP = "none"
LONGEST_REST = timedelta(days=366)
_REST = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


# --- the pool of a campaign ---------------------------------------------------------------------------------------------


@app.command("list")
def list_pool(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """List the numbers of a campaign: how often each was shown, its daily cap, its rest."""

    async def work(stores: Stores) -> tuple[Sequence[PoolNumber], str]:
        found = await stores.find_campaign(campaign)
        return await stores.caller_ids.of_campaign(found.id), await stores.zone()

    pool, zone = in_store(context, work)
    if as_json:
        print_json(list(pool))
        return
    columns = ("number", "name", "type", "shown", "shown today", "daily cap", "rests until")
    now = datetime.now(UTC)
    out().print(table(columns, [_row(one, zone, now) for one in pool]))


def _row(one: PoolNumber, zone: str, now: datetime) -> tuple[object, ...]:
    rest = one.resting_until if one.resting_until and one.resting_until > now else None
    shown = one.caller_id
    return shown.number, shown.name, one.type, one.uses, one.uses_today, one.daily_cap or "-", local(rest, zone)


@app.command("set")
def set_pool(
    context: typer.Context,
    campaign: CampaignRef,
    custom: Annotated[
        list[str] | None,
        typer.Option("--caller-id", metavar=NUMBER_AND_NAME, help="A number of your own; can be given several times."),
    ] = None,
    of_account: Annotated[
        list[str] | None,
        typer.Option("--account-number", metavar=NUMBER, help="One of the account's main numbers; several times."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take all numbers out.")] = False,
) -> None:
    """Give a campaign these numbers to show, in place of all that it had; the next call obeys.

    A number that it had before keeps its count, its daily cap and its rest.
    """
    if clear == bool(custom or of_account):
        raise typer.BadParameter("name numbers by --caller-id and --account-number, or say --clear")
    pool = [_custom(text) for text in custom or []] + [_of_account(text) for text in of_account or []]

    async def work(stores: Stores) -> Campaign:
        found = await stores.find_campaign(campaign)
        await stores.caller_ids.replace(found.id, pool)
        return found

    changed = in_store(context, work).settings
    remark = (
        "" if changed.caller_id_enabled else "; its caller ID is off: dialerd campaign edit --caller-ids shows them"
    )
    say(f"campaign {changed.name!r} has {len(pool)} numbers to show{remark}")


def _custom(text: str) -> PoolEntry:
    given = caller_id(text)
    return PoolEntry(number=given.number, name=given.name)


def _of_account(text: str) -> PoolEntry:
    return PoolEntry(number=_number(text, "--account-number"), type=CallerIdType.ACCOUNT)


@app.command("cap")
def cap(
    context: typer.Context,
    campaign: CampaignRef,
    number: Number,
    most: Annotated[str, typer.Argument(metavar=f"N|{NO_CAP}", help="Most calls a day.", show_default=False)],
) -> None:
    """Show a number in no more than so many calls a day, all campaigns of the account counted; `none`: in any number."""
    shown, daily_cap = _number(number), _cap(most)

    async def work(stores: Stores) -> None:
        await stores.caller_ids.set_cap((await stores.find_campaign(campaign)).id, shown, daily_cap)

    in_store(context, work)
    say(f"{shown} has no daily cap" if daily_cap is None else f"{shown} is shown in up to {daily_cap} calls a day")


def _cap(text: str) -> int | None:
    if text == NO_CAP:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise typer.BadParameter(f"is a number of calls or {NO_CAP!r}, not {text!r}", param_hint="N")
    return int(text)


@app.command("rest")
def rest(
    context: typer.Context,
    campaign: CampaignRef,
    number: Number,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Minutes, hours, days or weeks, like 30m, 2h, 3d, 4w.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Like '2027-01-31 18:00', by the account's clock. A day: its beginning."),
    ] = None,
) -> None:
    """Do not show a number in calls of this campaign for a while."""
    if (lasting is None) == (until is None):
        raise typer.BadParameter("say how long: either --for or --until")
    shown = _number(number)

    async def work(stores: Stores) -> str:
        zone, now = await stores.zone(), datetime.now(UTC)
        end = _after(lasting, now) if lasting is not None else _moment(until or "", zone, now)
        await stores.caller_ids.rest((await stores.find_campaign(campaign)).id, shown, end)
        return local(end, zone)

    say(f"{shown} rests until {in_store(context, work)}")


@app.command("wake")
def wake(context: typer.Context, campaign: CampaignRef, number: Number) -> None:
    """Show a number that rests again."""
    shown = _number(number)

    async def work(stores: Stores) -> None:
        await stores.caller_ids.rest((await stores.find_campaign(campaign)).id, shown, None)

    in_store(context, work)
    say(f"{shown} is shown again")


def _after(text: str, now: datetime) -> datetime:
    given = _REST.fullmatch(text)
    rest = int(given[1]) * _UNITS[given[2]] if given else None
    if rest is None or rest > LONGEST_REST:
        raise typer.BadParameter("is a time like 30m, 2h, 3d or 4w, up to a year", param_hint="--for")
    return now + rest


def _moment(text: str, zone: str, now: datetime) -> datetime:
    end = moment(text, zone, "--until")
    if not now < end <= now + LONGEST_REST:
        raise typer.BadParameter("has to be in the future, within a year from now", param_hint="--until")
    return end


# --- the account's main numbers -----------------------------------------------------------------------------------------


@account_app.command("list")
def list_account_numbers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the account's main numbers."""

    async def work(stores: Stores) -> Sequence[CallerId]:
        return await stores.caller_ids.account_numbers((await stores.account()).id)

    numbers = in_store(context, work)
    if as_json:
        print_json(list(numbers))
    else:
        out().print(table(("number", "name"), [(one.number, one.name) for one in numbers]))


@account_app.command("add")
def add_account_number(context: typer.Context, number: Named) -> None:
    """Add a main number, or give one another name: campaigns that show it show the new one."""
    given = _named(number)

    async def work(stores: Stores) -> None:
        await stores.caller_ids.add_account_number((await stores.account()).id, given)

    in_store(context, work)
    say(f"{given.number} is a main number of the account")


@account_app.command("remove")
def remove_account_number(context: typer.Context, number: Number) -> None:
    """Remove a main number that no campaign shows any more."""
    shown = _number(number)

    async def work(stores: Stores) -> None:
        await stores.caller_ids.remove_account_number((await stores.account()).id, shown)

    in_store(context, work)
    say(f"{shown} is no main number of the account any more")


# --- numbers of queues --------------------------------------------------------------------------------------------------


@queue_app.command("list")
def list_queue_numbers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the queues that have a number."""

    async def work(stores: Stores) -> Mapping[str, CallerId]:
        return await stores.caller_ids.queue_numbers((await stores.account()).id)

    numbers = in_store(context, work)
    if as_json:
        print_json(dict(numbers))
    else:
        rows = [(queue, one.number, one.name) for queue, one in numbers.items()]
        out().print(table(("queue", "number", "name"), rows))


@queue_app.command("set")
def set_queue_number(context: typer.Context, queue: Queue, number: Named) -> None:
    """Give a queue its number."""
    given = _named(number)

    async def work(stores: Stores) -> None:
        await stores.caller_ids.set_queue_number((await stores.account()).id, queue, given)

    in_store(context, work)
    say(f"queue {queue} has the number {given.number}")


@queue_app.command("remove")
def remove_queue_number(context: typer.Context, queue: Queue) -> None:
    """Take a queue's number away: its campaigns show the account's default."""

    async def work(stores: Stores) -> None:
        await stores.caller_ids.remove_queue_number((await stores.account()).id, queue)

    in_store(context, work)
    say(f"queue {queue} has no number any more")


# --- which numbers may be shown where -----------------------------------------------------------------------------------


@app.command("allow")
def allow(
    context: typer.Context,
    country: Annotated[
        str, typer.Argument(metavar="COUNTRY", help="Of the dialed numbers: ISO 3166, like GB.", show_default=False)
    ],
    prefixes: Annotated[
        list[str] | None, typer.Argument(metavar="PREFIX...", help="Beginnings like +4420.", show_default=False)
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Any number may be shown there again.")] = False,
) -> None:
    """Show people in a country only numbers that begin so, in place of what was allowed there before.

    A number and a beginning are compared as they are written: +33162 does not stand for 0162.
    """
    if clear == bool(prefixes):
        raise typer.BadParameter("name the beginnings that are allowed, or say --clear")
    region, beginnings = country.upper(), [re.sub(r"[ ().-]", "", prefix) for prefix in prefixes or []]

    async def work(stores: Stores) -> None:
        account = (await stores.account()).id
        if clear:
            await stores.caller_ids.allow_any(account, region)
        else:
            await stores.caller_ids.allow(account, region, beginnings)

    in_store(context, work)
    say(
        f"calls to {region} may show " + ("any number" if clear else f"numbers that begin with {', '.join(beginnings)}")
    )


@app.command("allowed")
def allowed(context: typer.Context, as_json: AsJson = False) -> None:
    """List the countries that see only some numbers. All others may see any."""

    async def work(stores: Stores) -> Prefixes:
        return await stores.caller_ids.prefixes((await stores.account()).id)

    found = in_store(context, work)
    if as_json:
        print_json(dict(found))
    else:
        out().print(table(("country", "allowed beginnings"), [(name, ", ".join(found[name])) for name in found]))


def _number(text: str, hint: str = NUMBER) -> str:
    if "=" in text:
        raise typer.BadParameter("is a number without a name here", param_hint=hint)
    return _named(text, hint).number


def _named(text: str, hint: str = NUMBER) -> CallerId:
    try:
        return caller_id(text)
    except typer.BadParameter as wrong:
        raise typer.BadParameter(wrong.message, param_hint=hint) from None
