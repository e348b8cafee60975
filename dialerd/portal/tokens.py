"""Tokens: what programs send in the place of login and password."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from dialerd.domain.roles import PERMISSIONS, Permission, Role, may_grant
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.form_dialog import form_dialog, show_secret
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, moment, now

say = texts("tokens")
roles = texts("users")


async def _show(visit: Visit) -> None:
    tokens = _Tokens(visit, await visit.zone())
    with heading(say("title"), under=say("under")):
        ui.button(say("add"), icon="add", on_click=tokens.add).props("unelevated no-caps")
    tokens.draw()
    await tokens.load()


class _Tokens:
    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = ZoneInfo(zone)
        self._columns = (
            Column(name="name", label=say("name"), show=lambda token: token["name"]),
            Column(name="role", label=roles("role"), show=lambda token: roles(f"roles.{token['role']}")),
            Column(name="scopes", label=say("scopes"), show=_scopes),
            Column(
                name="made",
                label=say("made"),
                show=lambda token: f"{ago_text(token['created_at'])}, {token['created_by']}",
            ),
            Column(name="used", label=say("used"), show=lambda token: ago_text(token["last_used_at"]) or say("never")),
            Column(name="state", label=roles("state"), show=_state, colour=_colour),
            Column(
                name="revoke", label="", show=lambda token: say("revoke") if _in_force(token) else "", do=self._revoke
            ),
        )

    def draw(self) -> None:
        self._table = draw_table(self._columns, empty=say("none"))

    async def load(self) -> None:
        found = await self._visit.door.all("/tokens")
        put_rows(self._table, self._columns, sorted(found, key=lambda token: (not _in_force(token), -token["id"])))

    async def add(self) -> None:
        made: dict[str, Any] = {}
        caller = self._visit.caller

        def draw(form: Form) -> None:
            form.text("name")
            grantable = {role: roles(f"roles.{role}") for role in Role if may_grant(caller, role, None)}
            form.choice("role", grantable, Role.READ_ONLY)
            form.choice("scopes", sorted(PERMISSIONS[caller.role]), [], many=True)
            form.text("agent")
            form.text("expires_at").props("type=date stack-label")

        async def save(form: Form) -> None:
            values = form.values()
            values["scopes"] = values["scopes"] or None
            values["expires_at"] = self._end_of(values["expires_at"])
            made.update(await self._visit.door.post("/tokens", values))

        if await form_dialog(self._visit, say, say("add"), draw, save):
            await self.load()
            await show_secret(say("secret"), say("secret_text"), made["secret"])

    def _end_of(self, day: str) -> str | None:
        """The end of that day on the account's clock."""
        return datetime.combine(date.fromisoformat(day), time.max, self._zone).isoformat() if day else None

    async def _revoke(self, token: Row) -> None:
        text = say("revoke_text", name=token["name"])
        if await confirm(say("revoke_title"), text, say("revoke"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"/tokens/{token['id']}")
                note(say("revoked"))
                await self.load()


def _in_force(token: Row) -> bool:
    return token["revoked_at"] is None and not _is_over(token)


def _is_over(token: Row) -> bool:
    until = moment(token["expires_at"])
    return until is not None and until <= now()


def _state(token: Row) -> str:
    if token["revoked_at"] is not None:
        return say("is_revoked", when=ago_text(token["revoked_at"]))
    if token["expires_at"] is None:
        return say("in_force")
    return say("expired" if _is_over(token) else "expires", when=ago_text(token["expires_at"]))


def _colour(token: Row) -> str:
    return "green" if _in_force(token) else "grey"


def _scopes(token: Row) -> str:
    return say("all_scopes") if token["scopes"] is None else ", ".join(token["scopes"])


PAGES = (Page(path="/tokens", title=say("title"), show=_show, needs=frozenset({Permission.MANAGE_TOKENS})),)
