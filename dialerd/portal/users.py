"""Who may sign in, and what each may do."""

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dialerd.domain.roles import Permission, Role, may_manage
from dialerd.portal.dialogs import note
from dialerd.portal.form_dialog import form_dialog
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, moment, now

say = texts("users")


async def _show(visit: Visit) -> None:
    users = _Users(visit)
    with heading(say("title"), under=say("under")):
        ui.button(say("add"), icon="person_add", on_click=users.add).props("unelevated no-caps")
    users.draw()
    await users.load()


class _Users:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._columns = (
            Column(name="login", label=say("login"), show=lambda user: user["login"]),
            Column(name="name", label=say("name"), show=lambda user: user["name"]),
            Column(name="role", label=say("role"), show=lambda user: say(f"roles.{user['role']}")),
            Column(name="agent", label=say("phone"), show=lambda user: user["agent"]),
            Column(name="state", label=say("state"), show=_state, colour=_state_colour),
            Column(name="edit", label="", show=self._if_manageable("edit"), do=self._edit, align="right"),
            Column(name="password", label="", show=self._if_manageable("password"), do=self._reset_password),
        )

    def _if_manageable(self, key: str) -> Any:
        """An admin does not touch owners: the API would refuse it."""
        return lambda user: say(key) if may_manage(self._visit.caller, Role(user["role"])) else ""

    def draw(self) -> None:
        self._table = draw_table(self._columns)

    async def load(self) -> None:
        put_rows(self._table, self._columns, await self._visit.door.all("/users"))

    def _roles(self) -> dict[str, str]:
        return {role: say(f"roles.{role}") for role in Role if may_manage(self._visit.caller, role)}

    async def add(self) -> None:
        def draw(form: Form) -> None:
            form.text("login")
            form.text("name")
            form.text("password", password=True).props("autocomplete=new-password")
            form.choice("role", self._roles(), Role.AGENT)
            form.text("agent")

        async def save(form: Form) -> None:
            await self._visit.door.post("/users", form.values())

        if await form_dialog(self._visit, say, say("add"), draw, save):
            note(say("added"))
            await self.load()

    async def _edit(self, user: Row) -> None:
        def draw(form: Form) -> None:
            form.text("name", user["name"])
            form.choice("role", self._roles(), user["role"])
            form.text("agent", user["agent"])
            form.switch("disabled", user["disabled"])
            if _is_locked(user):
                form.switch("unlock", False)

        async def save(form: Form) -> None:
            await self._visit.door.patch(f"/users/{user['id']}", form.values())

        if await form_dialog(self._visit, say, say("edit_one", login=user["login"]), draw, save):
            note(say("changed"))
            await self.load()

    async def _reset_password(self, user: Row) -> None:
        async def save(form: Form) -> None:
            await self._visit.door.put(f"/users/{user['id']}/password", form.values())

        def draw(form: Form) -> None:
            form.text("password", password=True).props("autocomplete=new-password")

        if await form_dialog(self._visit, say, say("password_one", login=user["login"]), draw, save):
            note(say("password_changed"))


def _is_locked(user: Mapping[str, Any]) -> bool:
    until = moment(user["locked_until"])
    return until is not None and until > now()


def _state(user: Row) -> str:
    if user["disabled"]:
        return say("disabled")
    return say("locked", when=ago_text(user["locked_until"])) if _is_locked(user) else say("active")


def _state_colour(user: Row) -> str:
    return "grey" if user["disabled"] else "amber" if _is_locked(user) else "green"


PAGES = (Page(path="/users", title=say("title"), show=_show, needs=frozenset({Permission.MANAGE_USERS})),)
