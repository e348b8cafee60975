"""What an agent says of a talk: a disposition, a note, a callback."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from dialerd.portal.dialogs import confirm, note
from dialerd.portal.forms import Form
from dialerd.portal.frame import section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, lead_word, moment, now, time_text

say = texts("desktop")

Talk = Mapping[str, Any]
Choice = Mapping[str, str]
"""A disposition: code, title, effect."""


class TalkBox:
    """Of the talk that goes on, or the last one; but while something is written of an earlier one and not kept, of that one. `path`: of
    the agent, in the API; `said`: looks anew after something was said."""

    def __init__(self, visit: Visit, path: str, zone: str, said: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._path, self._zone, self._after = visit, path, ZoneInfo(zone), said
        self._talk: Talk | None = None
        self._newer: Talk | None = None
        self._kept_note = ""
        self._agreeing: Choice | None = None
        self._buttons: dict[str, ui.button] = {}
        with section(say("talk.title")):
            self._none = ui.label(say("talk.none")).classes("d-help")
            with ui.column().classes("d-talk") as self._full:
                self._draw_newer()
                self._draw_state()
                self._form = Form(say)
                self._note = self._form.long_text("note").props("rows=2 maxlength=2000")
                self._choices = ui.element("div").classes("d-says").props("role=group")
                self._choices.props["aria-label"] = say("talk.title")
                self._callback = ui.column().classes("d-callback")
                with self._callback:
                    self._draw_callback()
        self._full.visible = self._callback.visible = False

    # --- drawn once ---

    def _draw_newer(self) -> None:
        with ui.row().classes("d-row d-banner d-note").props("role=status") as self._newer_row:
            self._newer_text = ui.label().classes("d-prose")
            ui.button(say("talk.leave"), on_click=self._leave).props("outline no-caps size=sm")

    def _draw_state(self) -> None:
        with ui.row().classes("d-row"):
            self._with = ui.label().classes("d-talk-with")
            self._when = ui.label().classes("d-help")
            self._said = ui.label().classes("d-badge").props("role=status")
        self._change = ui.label(say("talk.change")).classes("d-help")

    def _draw_callback(self) -> None:
        ui.label(say("callback.title")).classes("d-h2").props("role=heading aria-level=3")
        with ui.row().classes("d-buttons"):
            for hours, title in say.options("callback.soon").items():
                ui.button(title, on_click=lambda hours=hours: self._propose(int(hours))).props(
                    "outline no-caps size=sm"
                )
        with ui.element("div").classes("d-grid"):
            self._day = self._form.text("callback_date").props("type=date")
            self._time = self._form.text("callback_time").props("type=time")
            who = {False: say("callback.anybody"), True: say("callback.me")}
            self._personal = self._form.choice("personal", who, False)
        ui.label(say("callback.zone", zone=self._zone.key)).classes("d-help")
        with ui.row().classes("d-buttons"):
            ui.button(say("callback.agree"), on_click=self._agree).props("unelevated no-caps")
            ui.button(say("callback.cancel"), on_click=self._close_callback).props("flat no-caps")

    # --- what changes ---

    def show(self, talk: Talk | None) -> None:
        is_another = talk is not None and (self._talk is None or talk["attempt_id"] != self._talk["attempt_id"])
        self._newer = talk if is_another and self._is_unfinished else None
        self._newer_row.visible = self._newer is not None
        if self._newer is not None:
            self._newer_text.text = say("talk.newer", name=self._newer["lead"] or say("lead.nameless"))
            return
        if talk is not None and is_another:
            self._begin(talk)
        self._talk = talk
        self._none.visible, self._full.visible = talk is None, talk is not None
        if talk is None:
            return
        self._with.text = say("talk.with", name=talk["lead"] or say("lead.nameless"))
        self._when.text = say("talk.ended", ago=ago_text(talk["ended_at"])) if talk["ended_at"] else say("talk.goes_on")
        self._show_said(talk)

    @property
    def _is_unfinished(self) -> bool:
        """Whether something would be lost with the talk that is shown."""
        return bool(self._callback.visible) or self._form["note"].strip() != self._kept_note

    def _begin(self, talk: Talk) -> None:
        """With another talk."""
        self._form.clear()
        self._close_callback()
        self._note.value = self._kept_note = talk["said"]["note"] if talk["said"] else ""
        self._choices.clear()
        with self._choices:
            self._buttons = {choice["code"]: self._draw_choice(choice) for choice in talk["dispositions"]}

    def _draw_choice(self, choice: Choice) -> ui.button:
        button = ui.button(choice["title"], on_click=lambda: self._choose(choice)).props("no-caps outline align=left")
        with button.classes("d-say"):
            ui.label(say(f"effect.{choice['effect']}")).classes("d-say-effect")
        return button

    def _show_said(self, talk: Talk) -> None:
        said = talk["said"]
        self._change.visible = said is not None
        self._said.text = _said_text(talk, self._zone.key) if said else say("talk.unsaid")
        self._said.classes(remove="d-green d-amber", add="d-green" if said else "d-amber")
        for code, button in self._buttons.items():
            chosen = said is not None and said["code"] == code
            if chosen != (button.props.get("aria-pressed") == "true"):
                button.props["aria-pressed"] = "true" if chosen else "false"
                button.classes(add="d-chosen" if chosen else None, remove=None if chosen else "d-chosen")

    # --- what the agent does ---

    async def _choose(self, choice: Choice) -> None:
        self._form.clear()
        if choice["effect"] == "callback":
            self._open_callback(choice)
            return
        if choice["effect"] == "opt_out" and not await self._is_sure():
            return
        await self._say(choice)

    async def _is_sure(self) -> bool:
        name = self._talk["lead"] if self._talk else ""
        return await confirm(
            say("talk.opt_out_title"),
            say("talk.opt_out_text", name=name or say("lead.nameless")),
            say("talk.opt_out_button"),
            danger=True,
        )

    def _open_callback(self, choice: Choice) -> None:
        said = self._talk["said"] if self._talk else None
        at = moment(said["callback_at"]) if said else None
        self._put(at or now() + timedelta(days=1))
        self._personal.value = bool(said and said["callback_agent"])
        self._agreeing, self._callback.visible = choice, True

    def _close_callback(self) -> None:
        self._agreeing, self._callback.visible = None, False

    def _propose(self, hours: int) -> None:
        self._put(now() + timedelta(hours=hours))

    def _put(self, at: datetime) -> None:
        local = at.astimezone(self._zone)
        self._day.value, self._time.value = local.strftime("%Y-%m-%d"), local.strftime("%H:%M")

    async def _agree(self) -> None:
        if self._agreeing is None:
            return
        try:
            at = datetime.fromisoformat(f"{self._day.value}T{self._time.value}").replace(tzinfo=self._zone)
        except ValueError:
            self._day.error = say("callback.when")
            return
        await self._say(self._agreeing, callback_at=at.isoformat(), personal=self._personal.value)

    async def _say(self, choice: Choice, **callback: Any) -> None:
        if self._talk is None:
            return
        given = {"code": choice["code"], "note": self._form["note"].strip(), **callback}
        with self._visit.telling(self._form):
            kept = await self._visit.door.post(
                f"{self._path}/disposition", {**given, "attempt_id": self._talk["attempt_id"]}
            )
            self._kept_note = given["note"]
            self._close_callback()
            note(_kept_text(choice, kept["lead_state"]))
            await self._after()

    def _leave(self) -> None:
        """What is written and not kept."""
        self._note.value = self._kept_note
        self._close_callback()
        self.show(self._newer)


def _said_text(talk: Talk, zone: str) -> str:
    said = talk["said"]
    title = next((each["title"] for each in talk["dispositions"] if each["code"] == said["code"]), said["code"])
    if not said["callback_at"]:
        return say("talk.said", title=title)
    who = said["callback_agent"] or say("callback.anybody")
    return say("talk.said_callback", title=title, when=time_text(said["callback_at"], zone), who=who)


def _kept_text(choice: Choice, state: str | None) -> str:
    if state is None:
        return say("talk.kept", title=choice["title"])
    return say("talk.applied", title=choice["title"], state=lead_word(state))
