"""`dialerd user` and `dialerd audit-log`: the way to the first owner, and what is written down of it."""

import asyncio
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from dialerd.cli import app
from dialerd.store import users
from tests.integration.cli.conftest import Dialerd

pytestmark = pytest.mark.integration

PASSWORD = "seven purple bicycles"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_hasher", PasswordHasher(time_cost=1, memory_cost=16, parallelism=1))


def typed(*arguments: str, password: str = PASSWORD) -> tuple[int, str]:
    """Exit status, and what was said, of a command that reads the password from standard input."""
    result = CliRunner().invoke(app, [*arguments, "--password-stdin"], input=f"{password}\n")
    return result.exit_code, result.output


def rows(database: str, query: str) -> list[dict[str, Any]]:
    async def work() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(database)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(work())


def test_the_first_owner_is_made_changed_and_listed(dialerd: Dialerd) -> None:
    assert typed("user", "add", "anna", "--role", "owner", "--agent", "2001")[0] == 0
    dialerd("user", "edit", "ANNA", "--name", "Anna Example")
    (shown,) = dialerd("user", "list", "--json").json
    told = (shown["login"], shown["name"], shown["role"], shown["agent"])
    assert told == ("anna", "Anna Example", "owner", "PJSIP/2001")
    assert "password" not in shown
    assert "Anna Example" in dialerd("user", "list").out


def test_the_last_owner_stays(dialerd: Dialerd) -> None:
    typed("user", "add", "anna", "--role", "owner")
    assert "last owner" in dialerd.refused("user", "disable", "anna")
    assert "last owner" in dialerd.refused("user", "edit", "anna", "--role", "admin")
    typed("user", "add", "ben", "--role", "owner")
    dialerd("user", "disable", "anna")
    assert [user["disabled"] for user in dialerd("user", "list", "--json").json] == [True, False]
    dialerd("user", "edit", "anna", "--enable")


def test_a_bad_password_is_refused_and_never_told_again(dialerd: Dialerd) -> None:
    status, said = typed("user", "add", "anna", "--role", "owner", password="hunter2")
    assert (status, "it needs 12" in said, "hunter2" in said) == (1, True, False)


def test_a_password_that_nobody_can_be_asked_for_is_told(dialerd: Dialerd) -> None:
    assert "--password-stdin" in dialerd.refused("user", "add", "anna", "--role", "owner", status=2)


def test_a_new_password_unlocks_and_ends_the_sessions(dialerd: Dialerd, database: str) -> None:
    typed("user", "add", "anna", "--role", "owner")
    rows(database, "UPDATE users SET failures = 9, locked_until = now() + interval '1 hour' RETURNING id")
    rows(
        database,
        "INSERT INTO sessions (token_hash, user_id, expires_at) SELECT 'x', id, now() + interval '1 h' FROM users "
        "RETURNING id",
    )
    assert "locked until" in dialerd("user", "list").out
    assert typed("user", "password", "anna", password="nine yellow submarines")[0] == 0
    assert rows(database, "SELECT failures, locked_until FROM users") == [{"failures": 0, "locked_until": None}]
    assert rows(database, "SELECT * FROM sessions") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("user", "add", "an na", "--role", "owner"), "letters, digits"),
        (("user", "add", "anna", "--role", "king"), "king"),
        (("user", "edit", "anna"), "nothing to change"),
        (("user", "edit", "anna", "--agent", "PJSIP/a,b"), "phone"),
    ],
)
def test_what_cannot_be_meant_is_told(dialerd: Dialerd, arguments: tuple[str, ...], told: str) -> None:
    assert told in dialerd.refused(*arguments, status=2)


def test_a_user_that_there_is_not_is_told(dialerd: Dialerd) -> None:
    assert "there is no user 'ben'" in dialerd.refused("user", "disable", "ben")


def test_commands_are_in_the_audit_log_without_secrets(
    dialerd: Dialerd, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "otto")
    typed("user", "add", "anna", "--role", "owner")
    typed("user", "add", "anna", "--role", "owner")
    dialerd("user", "edit", "anna", "--unlock")
    entries = dialerd("audit-log", "list", "--json").json
    assert [(entry["actor"], entry["action"], entry["status"]) for entry in entries] == [
        ("command otto", "user edit", 0),
        ("command otto", "user add", 1),
        ("command otto", "user add", 0),
    ]
    assert entries[-1]["target"] == {"login": "anna"}
    assert len(dialerd("audit-log", "list", "--refused", "--json").json) == 1
    assert len(dialerd("audit-log", "list", "--action", "user edit", "--limit", "1", "--json").json) == 1
    assert "user add" in dialerd("audit-log", "list", "--since", "2020-01-01 00:00").out
    assert PASSWORD not in str(rows(database, "SELECT * FROM audit_log"))
