"""`dialerd account`: what holds for all campaigns of an account."""

from dataclasses import replace
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, facts, out, print_json
from dialerd.cli.options import caller_id
from dialerd.cli.session import Stores, in_store
from dialerd.domain.phone import is_region
from dialerd.domain.timezones import is_zone
from dialerd.store.accounts import Account

app = typer.Typer(help="What holds for all campaigns of an account.", no_args_is_help=True)


@app.command("show")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the account's time zone, default country and caller ID."""

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
) -> None:
    """Change what holds for all campaigns of the account."""
    if time_zone is not None and not is_zone(time_zone):
        raise typer.BadParameter("is not a zone of the IANA database, like Europe/Berlin", param_hint="--time-zone")
    if region is not None and not is_region(region):
        raise typer.BadParameter("is not a country of ISO 3166, like GB", param_hint="--region")

    async def work(stores: Stores) -> Account:
        account = await stores.account()
        changed = replace(
            account,
            time_zone=time_zone or account.time_zone,
            default_region=region or account.default_region,
            caller_id=caller_id(caller_id_text) if caller_id_text is not None else account.caller_id,
        )
        await stores.accounts.save(changed)
        return changed

    _show(in_store(context, work), as_json=False)


def _show(account: Account, as_json: bool) -> None:
    if as_json:
        print_json(account)
        return
    shown = account.caller_id
    out().print(
        facts(
            {
                "account": account.name,
                "time zone": account.time_zone,
                "default country": account.default_region,
                "caller ID": f"{shown.number} {shown.name}".strip() if shown else None,
            }
        )
    )
