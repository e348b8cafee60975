"""What holds for all campaigns of the account."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from zoneinfo import available_timezones

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.builder_form import Unusable
from dialerd.portal.builder_schedule import ALWAYS, Hours
from dialerd.portal.builder_week import Week
from dialerd.portal.dialogs import note
from dialerd.portal.door import Refused
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("settings")

_LIMITS = ("max_calls_per_second", "max_concurrency", "max_attempts", "max_pool")


async def _show(visit: Visit) -> None:
    answer = await visit.door.ask("GET", "/account")
    settings = _Settings(visit, answer.body, answer.etag)
    heading(say("title"), under=say("under", account=answer.body["name"]))
    settings.draw()


class _Settings:
    """One form in parts. Only what was changed is sent, and only if nobody else has changed the account since."""

    def __init__(self, visit: Visit, account: Mapping[str, Any], etag: str | None) -> None:
        self._visit = visit
        self._etag = etag
        self._rules = account["rules"]
        self._account = account

    def draw(self) -> None:
        self._form = Form(say)
        with section(say("place.title"), help=say("place.help")):
            self._draw_place()
        with section(say("hours.title"), help=say("hours.help")):
            self._draw_hours()
        with section(say("caller_id.title"), help=say("caller_id.help")), ui.element("div").classes("d-grid"):
            shown = self._rules["caller_id"] or {"number": "", "name": ""}
            self._form.text("number", shown["number"]).props("type=tel")
            self._form.text("name", shown["name"])
        with section(say("people.title"), help=say("people.help")):
            self._draw_people()
        with section(say("limits.title"), help=say("limits.help")), ui.element("div").classes("d-grid"):
            for name in _LIMITS:
                self._form.number(name, self._rules["limits"][name], min=0)
        with section(say("agents.title"), help=say("agents.help")):
            self._form.long_text("pause_reasons", "\n".join(self._rules["pause_reasons"]))
        self._before = self._sent()
        with ui.row().classes("d-buttons"):
            ui.button(say("save"), on_click=self._save).props("unelevated no-caps")

    def _draw_place(self) -> None:
        form = self._form
        with ui.element("div").classes("d-grid"):
            form.text("default_region", self._account["default_region"])
            zones = sorted(available_timezones() | {self._rules["time_zone"]})
            form.choice("time_zone", zones, self._rules["time_zone"]).props("use-input fill-input hide-selected")
            form.choice("unknown_zone", say.options("unknown_zones"), self._rules["unknown_zone"])
        form.switch("lead_zone_trusted", self._rules["lead_zone_trusted"])

    def _draw_hours(self) -> None:
        self._hours = Hours(self._rules["business_hours"])
        week = Week()

        def follow() -> None:
            week.show(self._hours.glance or [dict(ALWAYS)])

        self._hours.on_change = follow
        follow()

    def _draw_people(self) -> None:
        form = self._form
        with ui.element("div").classes("d-grid"):
            form.choice("profile", self._account["profiles"], self._rules["profile"])
            form.number("max_calls_24h", self._rules["max_calls_24h"], min=1)
            form.number("max_calls_7d", self._rules["max_calls_7d"], min=1)
            form.number("abandon_lockout_h", self._rules["abandon_lockout_h"], min=0)
        form.long_text("allowed_prefixes", "\n".join(self._rules["allowed_prefixes"] or ()))

    def _sent(self) -> dict[str, Any]:
        """Raises Unusable."""
        values = self._form.values()
        number, name = values.pop("number"), values.pop("name")
        values["caller_id"] = {"number": number, "name": name} if number or name else None
        values["business_hours"] = self._hours.value if self._hours.glance else []
        values["limits"] = {name: values.pop(name) for name in _LIMITS}
        values["pause_reasons"] = _lines(values["pause_reasons"])
        values["allowed_prefixes"] = _lines(values["allowed_prefixes"]) or None
        return values

    async def _save(self) -> None:
        try:
            sent = self._sent()
        except Unusable as wrong:
            self._form.refuse(Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "unusable", str(wrong), ()))
            return
        changes = {name: value for name, value in sent.items() if value != self._before[name]}
        if not changes:
            note(say("unchanged"))
            return
        with self._visit.telling(self._form):
            self._form.clear()
            answer = await self._visit.door.ask("PATCH", "/account", body=changes, etag=self._etag)
            self._etag, self._before = answer.etag, sent
            note(say("saved"))


def _lines(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


PAGES = (
    Page(path="/settings", title=say("title"), show=_show, needs=frozenset({Permission.MANAGE_ACCOUNT}), narrow=True),
)
