"""Users, tokens, the audit log, nodes, queues and the settings of the account."""

from datetime import time

import pytest
from nicegui import ui
from nicegui.testing import User

from dialerd.api.parts import Parts
from dialerd.domain.caller_id import CallerId
from dialerd.domain.roles import Role
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import press, put
from tests.portal.scene import NODE, PASSWORD, Scene


@pytest.mark.parametrize("path", ["/users", "/tokens", "/audit-log", "/settings"])
@pytest.mark.parametrize("login", ["sue", "anna", "rex"])
async def test_what_is_for_admins_alone_is_shown_to_nobody_else(user_of: UserOf, login: str, path: str) -> None:
    user = await user_of(login)
    answer = await user.http_client.get(path)
    assert answer.status_code == 403
    assert "This page is not for your role" in answer.text


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(user_of: UserOf) -> None:
    olga = await user_of("olga")
    olga.http_client.cookies.clear()
    answer = await olga.http_client.get("/users?page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?to=/users%3Fpage%3D2")


# --- users ------------------------------------------------------------------------------------------------------------


async def test_an_owner_adds_a_user_who_can_sign_in_then(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/users")
    olga.find("Add a user").click()
    await olga.should_see(kind=ui.input, content="Login")
    olga.find("Login").type("nina")
    olga.find(kind=ui.input, content="Password").type("three green tractors")
    olga.find("Save").click()
    await olga.should_see("The user can sign in now.")
    _, nina = await parts.stores.users.sign_in(
        "nina", "three green tractors", lifetime=parts.settings.web.session_lifetime
    )
    assert nina.role is Role.AGENT


async def test_a_password_that_is_guessed_first_is_refused_and_the_dialog_stays(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/users")
    olga.find("Add a user").click()
    await olga.should_see(kind=ui.input, content="Login")
    olga.find("Login").type("nina")
    olga.find(kind=ui.input, content="Password").type("123")
    olga.find("Save").click()
    await olga.should_see("should have at least 12 characters")
    await olga.should_see(kind=ui.input, content="Login")


async def test_an_admin_is_not_offered_to_change_an_owner(user_of: UserOf) -> None:
    adam = await user_of("adam")
    await adam.open("/users")
    rows = {row["login"]: row["edit"] for row in _only_table(adam).rows}
    assert rows == {"olga": "", "adam": "Edit", "sue": "Edit", "anna": "Edit", "rex": "Edit"}


async def test_in_a_browser_a_user_is_disabled_and_cannot_sign_in_any_more(page_of: PageOf, address: str) -> None:
    page = await page_of("olga")
    await page.goto(f"{address}/users")
    await settled(page)
    await page.get_by_role("row", name="rex").get_by_role("button", name="Edit").click()
    await page.get_by_role("switch", name="Disabled").click()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("row", name="rex").get_by_text("Disabled").wait_for()
    answer = await page.request.post(f"{address}/api/v1/session", data={"login": "rex", "password": PASSWORD})
    assert answer.status == 401


# --- tokens -----------------------------------------------------------------------------------------------------------


async def test_the_secret_of_a_token_is_shown_once_and_opens_the_api(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/tokens")
    olga.find("Create a token").click()
    await olga.should_see(kind=ui.input, content="Name")
    olga.find("Name").type("nightly")
    olga.find("Save").click()
    await olga.should_see("It is shown here, and never again.")
    secret = next(str(each.value) for each in olga.find(kind=ui.input).elements if str(each.value).startswith("dlr_"))
    caller = await parts.stores.users.of_token(secret)
    assert caller is not None
    assert (caller.actor, caller.role) == ("token nightly", Role.READ_ONLY)


# --- the audit log ----------------------------------------------------------------------------------------------------


async def test_the_audit_log_is_searched_by_who_it_was(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    for actor in ("user sue", "token nightly"):
        await parts.stores.audit_log.write(
            scene.account_id,
            actor=actor,
            action="PATCH /api/v1/campaigns/{campaign_id}",
            target={"campaign_id": "7"},
            details={"changed": ["concurrency"]},
            status=200,
            address="192.0.2.7",
        )
    olga = await user_of("olga")
    await olga.open("/audit-log?actor=token nightly")
    assert [(row["actor"], row["action"], row["status"]) for row in _only_table(olga).rows] == [
        ("token nightly", "PATCH /campaigns/7", "Done")
    ]


# --- nodes, queues, settings ------------------------------------------------------------------------------------------


async def test_a_node_is_drained_only_after_a_question_that_says_what_follows(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/nodes")
    table = _only_table(olga)
    assert [(row["id"], row["do"]) for row in table.rows] == [(NODE, "Drain")]
    _press(olga, table, "do")
    await olga.should_see("It starts no call any more.")
    assert not (await parts.stores.nodes.list())[0].draining
    olga.find(kind=ui.button, content="Drain").click()
    await olga.should_see(f"{NODE} starts no call any more.")
    assert (await parts.stores.nodes.list())[0].draining


async def test_who_may_not_operate_is_not_offered_to_drain(user_of: UserOf) -> None:
    sue = await user_of("sue")
    await sue.open("/nodes")
    assert [row["do"] for row in _only_table(sue).rows] == [""]


async def test_queues_are_shown_with_what_their_agents_do(user_of: UserOf) -> None:
    rex = await user_of("rex")
    await rex.open("/queues")
    for text in (
        "sales",
        "care",
        "renewals",
        "Callers waiting",
        "in turn (rrmemory)",
        "everybody’s who is free (ringall)",
    ):
        await rex.should_see(text)
    states = [row["state"] for table in rex.find(kind=ui.table).elements for row in table.rows]
    assert {"Free", "In a call", "Paused: Lunch", "Phone is off"} <= set(states)


async def test_the_account_is_changed_and_a_change_by_somebody_else_is_not_overwritten(
    user_of: UserOf, parts: Parts
) -> None:
    olga, adam = await user_of("olga"), await user_of("adam")
    for user, caps in ((olga, "3"), (adam, "4")):
        await user.open("/settings")
        with user:
            user.find("Calls to a number in 24 hours").clear().type(caps)
    olga.find("Save").click()
    await olga.should_see("Saved: in force from the next call on.")
    adam.find("Save").click()
    await adam.should_see("has changed")
    assert (await parts.stores.accounts.get()).rules.max_calls_24h == 3


def _only_table(user: User) -> ui.table:
    (table,) = user.find(kind=ui.table).elements
    return table


def _press(user: User, table: ui.table, column: str) -> None:
    """The button of the first row in that column."""
    user.find(kind=ui.table).trigger("do", {"column": column, "row": table.rows[0]})


async def test_business_hours_and_the_default_caller_id_are_the_accounts(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/settings")
    await press(olga, "Add a row")
    put(olga, "Number (E.164)", "+12025550142")
    put(olga, "Name shown", "Summer Ltd")
    await press(olga, "Save")
    await olga.should_see("Saved: in force from the next call on.")
    rules = (await parts.stores.accounts.get()).rules
    assert [(row.start, row.end) for row in rules.business_hours] == [(time(9), time(17))]
    assert rules.caller_id == CallerId(number="+12025550142", name="Summer Ltd")
