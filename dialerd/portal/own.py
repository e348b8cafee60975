"""What is one's own: the password, and where one has signed in."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.portal.dialogs import confirm, note
from dialerd.portal.forms import Form
from dialerd.portal.frame import OWN, Page, heading, section
from dialerd.portal.tables import Column, draw_table
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text

say = texts("own")


async def _show(visit: Visit) -> None:
    heading(say("title"), under=say("under", actor=visit.caller.actor, role=visit.caller.role))
    with section(say("password.title"), help=say("password.help")):
        _draw_password(visit)
    with section(say("sessions.title"), help=say("sessions.help")):
        draw_table(_COLUMNS, await visit.door.all("/sessions"), key="id")
        ui.button(say("sessions.end"), on_click=lambda: _end_sessions(visit)).props("outline no-caps color=negative")


def _draw_password(visit: Visit) -> None:
    form = Form(say)
    old = form.text("old", password=True).props("autocomplete=current-password")
    new = form.text("new", password=True).props("autocomplete=new-password")

    async def change() -> None:
        with visit.telling(form):
            form.clear()
            await visit.door.put("/session/password", {"old": old.value, "new": new.value})
            old.value = new.value = ""
            note(say("password.changed"))

    ui.button(say("password.change"), on_click=change).props("unelevated no-caps")


async def _end_sessions(visit: Visit) -> None:
    if await confirm(say("sessions.end"), say("sessions.end_text"), say("sessions.end"), danger=True):
        with visit.telling():
            await visit.door.delete("/sessions")
            visit.sign_in_again()


def _here(session: Mapping[str, Any]) -> str:
    return say("sessions.this") if session["current"] else ""


_COLUMNS: Sequence[Column] = (
    Column(name="address", label=say("sessions.address"), show=lambda session: session["address"]),
    Column(name="begun", label=say("sessions.begun"), show=lambda session: ago_text(session["created_at"])),
    Column(name="ends", label=say("sessions.ends"), show=lambda session: ago_text(session["expires_at"])),
    Column(name="here", label="", show=_here),
)

PAGES = (Page(path=OWN, title=say("title"), show=_show, narrow=True),)
