"""`dialerd token`: tokens are shown once, and are out of force at once."""

import hashlib

import pytest

from dialerd.store.users import UserStore
from tests.integration.cli.conftest import Dialerd

pytestmark = pytest.mark.integration


def test_a_token_is_made_listed_and_revoked(dialerd: Dialerd) -> None:
    made = dialerd(
        "token", "add", "nightly", "--role", "supervisor", "--scope", "view", "--expires", "2090-01-01 00:00", "--json"
    ).json
    caller = dialerd.in_stores(lambda stores: UserStore(stores.pool).of_token(made["secret"]))
    assert caller is not None
    assert (caller.actor, set(caller.permissions)) == ("token nightly", {"view"})
    listed = dialerd("token", "list", "--json")
    assert (listed.json[0]["name"], made["secret"] in listed.out) == ("nightly", False)
    assert hashlib.sha256(made["secret"].encode()).hexdigest() not in listed.out
    dialerd("token", "revoke", "nightly")
    assert dialerd.in_stores(lambda stores: UserStore(stores.pool).of_token(made["secret"])) is None
    assert "revoked" in dialerd("token", "list").out
    assert "there is no token 'nightly'" in dialerd.refused("token", "revoke", "nightly")


def test_the_secret_alone_is_on_standard_output(dialerd: Dialerd) -> None:
    answer = dialerd("token", "add", "nightly", "--role", "agent", "--agent", "2001")
    assert answer.out.startswith("dlr_")
    assert len(answer.out.split()) == 1
    assert "only time" in answer.err


def test_a_name_is_given_once(dialerd: Dialerd) -> None:
    dialerd("token", "add", "nightly", "--role", "agent")
    assert "already" in dialerd.refused("token", "add", "nightly", "--role", "agent")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--scope", "manage_users"), "has no permission manage_users"),
        (("--expires", "2020-01-01 00:00"), "is past"),
        (("--expires", "soon"), "is not a moment"),
    ],
)
def test_what_cannot_be_meant_is_told(dialerd: Dialerd, more: tuple[str, ...], told: str) -> None:
    assert told in dialerd.refused("token", "add", "nightly", "--role", "agent", *more, status=2)


def test_what_was_done_is_in_the_audit_log(dialerd: Dialerd) -> None:
    dialerd("token", "add", "nightly", "--role", "agent")
    dialerd("token", "revoke", "nightly")
    entries = dialerd("audit-log", "list", "--json").json
    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("token revoke", {"name": "nightly"}),
        ("token add", {"name": "nightly"}),
    ]
    assert "dlr_" not in str(entries)
