"""`dialerd audit-log`: who has changed what, and who has failed to sign in."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, local, out, print_json, table
from dialerd.cli.options import moment
from dialerd.cli.session import Stores, in_store
from dialerd.store.audit_log import AuditEntry, AuditFilter

app = typer.Typer(help="Who has changed what.", no_args_is_help=True)

COLUMNS = ("at", "who", "what", "to", "details", "status", "from")


@app.command("list")
def list_entries(
    context: typer.Context,
    actor: Annotated[str | None, typer.Option(help="Who: 'user anna', 'token nightly', 'command root'.")] = None,
    action: Annotated[str | None, typer.Option(help="How the action begins, like 'user' or 'PATCH'.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on, like '2027-03-01 09:00'.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    refused: Annotated[bool | None, typer.Option("--refused/--done", help="Only what was refused, or done.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most entries to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the newest changes that were made or refused over the API and in the portal, changes of users and tokens by command, and
    sign-ins that failed."""

    async def work(stores: Stores) -> tuple[Sequence[AuditEntry], str]:
        account = await stores.account()
        zone = account.rules.time_zone
        wanted = AuditFilter(
            actor=actor,
            action=action,
            since=moment(since, zone, "--since") if since else None,
            until=moment(until, zone, "--until") if until else None,
            refused=refused,
        )
        return await stores.audit_log.list(account.id, wanted, most=limit), zone

    entries, zone = in_store(context, work)
    if as_json:
        print_json(entries)
    else:
        out().print(table(COLUMNS, [_row(entry, zone) for entry in entries]))


def _row(entry: AuditEntry, zone: str) -> tuple[object, ...]:
    return (
        local(entry.at, zone),
        entry.actor,
        entry.action,
        _short(entry.target),
        _short(entry.details),
        entry.status,
        entry.address,
    )


def _short(values: object) -> str:
    return json.dumps(values, ensure_ascii=False) if values else ""
