"""`dialerd token`: what programs send to the API in the place of login and password."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from dialerd.cli.audited import audited, commander
from dialerd.cli.console import AsJson, complain, local, out, print_json, say, table
from dialerd.cli.options import interface, moment
from dialerd.cli.session import Stores, in_store
from dialerd.domain.roles import PERMISSIONS, Permission, Role
from dialerd.store.users import Token

app = typer.Typer(help="Tokens by which programs use the API.", no_args_is_help=True)

MOST = 10_000
LONGEST_NAME = 100
COLUMNS = ("id", "name", "role", "scopes", "agent", "made by", "ends", "last used", "state")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As the audit log calls it.", show_default=False)]


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may do at most.", show_default=False)],
    scope: Annotated[
        list[Permission] | None,
        typer.Option(help="Of the permissions of the role, one that it has; several may be given. Without: all."),
    ] = None,
    agent: Annotated[str, typer.Option(help="Phone whose cards and calls are its own, such as PJSIP/1001.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="Until when, like '2027-03-01 09:00' in the account's zone. Without: for ever.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. Its secret is printed here, and never again."""
    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= LONGEST_NAME:
        raise typer.BadParameter(f"1 to {LONGEST_NAME} printable characters, no blank at the ends", param_hint="NAME")
    if above := sorted(set(scope or ()) - PERMISSIONS[role]):
        raise typer.BadParameter(f"{role} has no permission {above[0]}", param_hint="--scope")
    phone = interface(agent, "--agent") if agent else ""

    async def work(stores: Stores) -> tuple[str, Token]:
        account = await stores.account()
        ends = _end(expires, account.rules.time_zone)
        async with audited(stores, "token add", {"name": name}, {"role": role, "scopes": scope}):
            return await stores.users.create_token(
                account.id,
                name,
                role=role,
                created_by=commander(),
                scopes=scope or None,
                agent=phone,
                expires_at=ends,
            )

    secret, token = in_store(context, work)
    if as_json:
        print_json({"id": token.id, "name": token.name, "secret": secret})
    else:
        say(secret)
        complain("this is the only time that it is shown: send it as `Authorization: Bearer ...`")


@app.command("list")
def list_tokens(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tokens of the account, also those that are not in force any more."""

    async def work(stores: Stores) -> tuple[Sequence[Token], str]:
        account = await stores.account()
        return await stores.users.list_tokens(account.id, most=MOST), account.rules.time_zone

    tokens, zone = in_store(context, work)
    if as_json:
        print_json(tokens)
    else:
        out().print(table(COLUMNS, [_row(token, zone) for token in tokens]))


@app.command("revoke")
def revoke(context: typer.Context, name: Name) -> None:
    """Take a token out of force, at once and for good."""

    async def work(stores: Stores) -> None:
        account = await stores.account()
        token = await stores.users.find_token(name, account.id)
        async with audited(stores, "token revoke", {"name": name}):
            await stores.users.revoke_token(token.id, account.id)

    in_store(context, work)
    say(f"token {name} is in force no more")


def _end(expires: str | None, zone: str) -> datetime | None:
    if expires is None:
        return None
    ends = moment(expires, zone, "--expires")
    if ends <= datetime.now(UTC):
        raise typer.BadParameter("is past", param_hint="--expires")
    return ends


def _row(token: Token, zone: str) -> tuple[object, ...]:
    scopes = "all of the role" if token.scopes is None else ", ".join(token.scopes)
    state = f"revoked {local(token.revoked_at, zone)}" if token.revoked_at else ""
    return (
        token.id,
        token.name,
        token.role,
        scopes,
        token.agent,
        token.created_by,
        local(token.expires_at, zone) if token.expires_at else "never",
        local(token.last_used_at, zone) if token.last_used_at else "never",
        state,
    )
