"""`dialerd user`: the people who sign in to the portal and the API. The first owner of an account is made here."""

import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dialerd.cli.audited import audited
from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.options import interface
from dialerd.cli.session import Stores, in_store
from dialerd.domain.passwords import LONGEST, SHORTEST
from dialerd.domain.roles import Role
from dialerd.store.users import User

app = typer.Typer(help="Who may sign in to the portal and the API.", no_args_is_help=True)

MOST = 10_000
COLUMNS = ("id", "login", "name", "role", "agent", "state", "created")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}", re.ASCII)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="What the user signs in with.", show_default=False)]
Agent = Annotated[
    str | None,
    typer.Option(help="Phone whose cards and calls are the user's own, such as PJSIP/1001; '' for none."),
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input: its first line.")
]


@app.command("add")
def add(
    context: typer.Context,
    login: Login,
    role: Annotated[Role, typer.Option(help="What the user may do.", show_default=False)],
    name: Annotated[str, typer.Option(help="As people call the user.")] = "",
    agent: Agent = None,
    password_stdin: FromStdin = False,
) -> None:
    """Make a user. The password is asked for, or read by --password-stdin; it never stands in the command line."""
    if not _LOGIN.fullmatch(login):
        raise typer.BadParameter(f"{login!r}: letters, digits and ._@+- only, 100 at most", param_hint="LOGIN")
    phone, shown, password = _phone(agent), _name(name), _password(password_stdin)

    async def work(stores: Stores) -> User:
        async with audited(stores, "user add", {"login": login}, {"role": role}):
            account = await stores.account()
            return await stores.users.create(account.id, login, password, role=role, name=shown, agent=phone or "")

    user = in_store(context, work)
    say(f"{user.login} may sign in, and is {user.role} of the account")


@app.command("list")
def list_users(context: typer.Context, as_json: AsJson = False) -> None:
    """List the users of the account, also those who are disabled."""

    async def work(stores: Stores) -> tuple[Sequence[User], str]:
        account = await stores.account()
        return await stores.users.list(account.id, most=MOST), account.rules.time_zone

    users, zone = in_store(context, work)
    if as_json:
        print_json(users)
    else:
        out().print(table(COLUMNS, [_row(user, zone) for user in users]))


@app.command("edit")
def edit(
    context: typer.Context,
    login: Login,
    role: Annotated[Role | None, typer.Option(help="What the user may do. Another role ends the sessions.")] = None,
    name: Annotated[str | None, typer.Option(help="As people call the user.")] = None,
    agent: Agent = None,
    enable: Annotated[bool, typer.Option("--enable", help="Let a disabled user sign in again.")] = False,
    unlock: Annotated[bool, typer.Option("--unlock", help="Forget the wrong passwords of the past.")] = False,
) -> None:
    """Change a user."""
    given: dict[str, Any] = {
        "role": role,
        "name": None if name is None else _name(name),
        "agent": _phone(agent),
        "disabled": False if enable else None,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes and not unlock:
        raise typer.BadParameter("nothing to change: name at least one option")
    in_store(context, lambda stores: _change(stores, "user edit", login, changes, unlock=unlock))
    say(f"{login} is changed")


@app.command("password")
def password(context: typer.Context, login: Login, password_stdin: FromStdin = False) -> None:
    """Give a user a new password. It ends all sessions of the user, and forgets the wrong passwords of the past."""
    new = _password(password_stdin)

    async def work(stores: Stores) -> None:
        account = await stores.account()
        user = await stores.users.find(login, account.id)
        async with audited(stores, "user password", {"login": user.login}):
            await stores.users.reset_password(user.id, account.id, new)

    in_store(context, work)
    say(f"{login} has a new password, and has to sign in anew")


@app.command("disable")
def disable(context: typer.Context, login: Login) -> None:
    """Let a user sign in no more, and end the sessions. Tokens that the user has made stay: see `dialerd token list`."""
    in_store(context, lambda stores: _change(stores, "user disable", login, {"disabled": True}))
    say(f"{login} may not sign in any more")


async def _change(stores: Stores, action: str, login: str, changes: dict[str, Any], *, unlock: bool = False) -> None:
    account = await stores.account()
    user = await stores.users.find(login, account.id)
    async with audited(stores, action, {"login": user.login}, {**changes, **({"unlocked": True} if unlock else {})}):
        await stores.users.change(user.id, account.id, changes, unlock=unlock)


def _password(from_stdin: bool) -> str:
    """From standard input, or from somebody at the terminal, who types it twice."""
    if from_stdin:
        # Some bytes of room, so that one that is too long is told as that.
        return sys.stdin.readline(2 * LONGEST).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "there is no terminal to ask for the password: give it by --password-stdin", param_hint="--password-stdin"
        )
    answer: str = typer.prompt(f"Password (at least {SHORTEST} characters)", hide_input=True, confirmation_prompt=True)
    return answer


def _phone(agent: str | None) -> str | None:
    return interface(agent, "--agent") if agent else agent


def _name(name: str) -> str:
    if len(name) > 200 or not name.isprintable():
        raise typer.BadParameter("200 printable characters at most", param_hint="--name")
    return name


def _row(user: User, zone: str) -> tuple[object, ...]:
    state = "disabled" if user.disabled else ""
    locked = f"locked until {local(user.locked_until, zone)}" if user.locked_until else ""
    return user.id, user.login, user.name, user.role, user.agent, state or locked, local(user.created_at, zone)
