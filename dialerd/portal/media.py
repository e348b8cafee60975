"""Sounds that people bring along, for greetings, announcements and voice menus."""

import json
import re
from typing import Any

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.dialogs import confirm, note, tell_refusal, warn
from dialerd.portal.door import refusal_of
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.tables import Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, clock_text

say = texts("media")

LOOK_S = 3.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_UPLOAD = """(event) => {
    const [file] = event.target.files;
    if (!file) return;
    fetch('/api/v1/media/' + encodeURIComponent(event.target.dataset.name), {method: 'PUT', body: file})
        .then(async (answer) => emit({ok: answer.ok, status: answer.status, text: await answer.text()}))
        .catch(() => emit({ok: false, status: 0, text: ''}));
    event.target.value = '';
}"""
"""The file goes from the browser to the API, past this page."""


async def _show(visit: Visit) -> None:
    heading(say("title"), under=say("under"))
    sounds = _Sounds(visit)
    if visit.may(Permission.BUILD):
        with section(say("upload.title"), help=say("upload.help")):
            sounds.draw_upload()
    sounds.draw()
    await sounds.load()
    visit.every(LOOK_S, sounds.load)


class _Sounds:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._shown: list[Row] | None = None

    def draw_upload(self) -> None:
        with ui.row().classes("d-row"):
            name = ui.input(say("upload.name")).props("outlined dense")
            button = ui.button(say("upload.choose"), icon="upload_file").props("unelevated no-caps")
            with ui.element("input") as chooser:
                chooser.props('type=file accept=".wav,.mp3,.flac,.ogg,audio/*" hidden')
        chooser.on("change", lambda event: self._tell_upload(event.args), js_handler=_UPLOAD)

        def choose() -> None:
            written = (name.value or "").strip()
            name.error = None if _NAME.fullmatch(written) else say("upload.bad_name")
            if name.error is None:
                chooser.props["data-name"] = written
                ui.run_javascript(f"setTimeout(() => getHtmlElement({chooser.id}).click())")

        button.on_click(choose)

    async def _tell_upload(self, answer: dict[str, Any]) -> None:
        if not answer["ok"]:
            tell_refusal(refusal_of(answer["status"], answer["text"]))
            return
        sound = json.loads(answer["text"])
        note(say("upload.done", name=sound["name"]))
        for remark in sound["notes"]:
            warn(remark)
        with self._visit.telling():
            await self.load()

    def draw(self) -> None:
        self._list = ui.column().classes("d-sounds")

    async def load(self) -> None:
        """Drawn anew only where something has changed: somebody may be listening."""
        found = await self._visit.door.all("/media")
        if found == self._shown:
            return
        self._shown = found
        self._list.clear()
        with self._list:
            for sound in found:
                self._draw_one(sound)
            if not found:
                ui.label(say("none")).classes("d-empty")

    def _draw_one(self, sound: Row) -> None:
        with ui.card().classes("d-card"), ui.row().classes("d-row"):
            with ui.column().classes("d-sound-text"):
                ui.label(sound["name"]).classes("d-h2").props("role=heading aria-level=2")
                ui.label(_told(sound)).classes("d-help")
                ui.label(sound["sound"]).classes("d-mono")
                for remark in sound["notes"]:
                    ui.label(remark).classes("d-amber")
            ui.space()
            ui.label(_state(sound)).classes(f"d-badge d-{_colour(sound)}")
            audio = ui.element("audio").props("controls preload=none").classes("d-audio")
            audio.props["src"] = f"/api/v1/media/{sound['name']}/content"
            audio.props["aria-label"] = sound["name"]
            if self._visit.may(Permission.BUILD):
                remove = ui.button(icon="delete", on_click=lambda: self._remove(sound["name"])).props("flat round")
                remove.props["aria-label"] = say("remove", name=sound["name"])

    async def _remove(self, name: str) -> None:
        if await confirm(say("remove", name=name), say("remove_text"), say("remove_button"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"/media/{name}")
                note(say("removed", name=name))
                await self.load()


def _told(sound: Row) -> str:
    length = clock_text(sound["duration_s"])
    return say("told", length=length, who=sound["uploaded_by"], when=ago_text(sound["uploaded_at"]))


def _state(sound: Row) -> str:
    return say({True: "present", False: "absent", None: "not_seen"}[sound["present"]])


def _colour(sound: Row) -> str:
    return {True: "green", False: "red", None: "grey"}[sound["present"]]


PAGES = (Page(path="/media", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
