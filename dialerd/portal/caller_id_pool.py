"""The number pool of a campaign: which numbers the people see whom it calls. Every change counts from the next call on."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.domain.caller_id import CallerIdType
from dialerd.domain.roles import Permission
from dialerd.portal.dates import time_field, time_of
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.form_dialog import form_dialog
from dialerd.portal.forms import Form, Reworded
from dialerd.portal.frame import section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import count_text, digits_typed, moment, now, time_text

say = texts("caller_id_pool")

Number = Mapping[str, Any]


async def draw_pool(visit: Visit, campaign_id: int) -> None:
    """Whether the campaign has numbers of its own, which, and how they take turns. Who may not build sees it only. Raises Refused."""
    pool = _Pool(visit, campaign_id)
    await pool.load()
    pool.draw()


class _Pool:
    def __init__(self, visit: Visit, campaign_id: int) -> None:
        self._visit = visit
        self._campaign = f"/campaigns/{campaign_id}"
        self._path = f"{self._campaign}/caller-ids"
        self._may = visit.may(Permission.BUILD)

    async def load(self) -> None:
        door = self._visit.door
        self._settings = (await door.get(self._campaign))["settings"]
        self._numbers: list[Number] = (await door.get(self._path))["items"]
        self._rules = (await door.get("/account"))["rules"]
        self._main: list[Number] = await door.all("/account/numbers")
        self._of_queues = {one["queue"]: one for one in await door.all("/account/queue-numbers")}

    def draw(self) -> None:
        with section(say("title"), help=say("help")):
            self._draw_settings()
            self._off = ui.column().classes("d-banner d-note")
            self._list = ui.element("ol").classes("d-pool").props(f'aria-label="{say("numbers")}"')
            self._count = ui.label().classes("d-help")
            if self._may:
                self._draw_adding()
        self._show()

    def _draw_settings(self) -> None:
        self._form = Form(say)
        with ui.element("div").classes("d-grid"):
            self._enabled = self._form.switch("caller_id_enabled", self._settings["caller_id_enabled"])
            rotation = self._form.choice("rotation", say.options("rotation"), self._settings["rotation"])
        for name, field in (("caller_id_enabled", self._enabled), ("rotation", rotation)):
            field.set_enabled(self._may)
            field.on_value_change(lambda event, name=name: self._change_setting(name, event.value))

    async def _change_setting(self, name: str, value: Any) -> None:
        if self._settings[name] == value:
            return
        with self._visit.telling(self._form):
            self._form.clear()
            self._settings = (await self._visit.door.patch(self._campaign, {name: value}))["settings"]
            note(say("changed"))
        self._show()

    # --- what there is ---

    def _show(self) -> None:
        self._off.clear()
        self._off.visible = not self._settings["caller_id_enabled"] or not self._numbers
        with self._off:
            ui.label(self._without_pool()).classes("d-prose")
        self._list.clear()
        with self._list:
            for place, number in enumerate(self._numbers):
                self._draw_number(place, number)
        limit = self._rules["limits"]["max_pool"]
        self._count.text = say("count", count=len(self._numbers), limit=limit, zone=self._rules["time_zone"])
        self._show_choice()

    def _without_pool(self) -> str:
        """What calls show now, and why."""
        queue = self._settings["queue"]
        shown, default = self._of_queues.get(queue), self._rules["caller_id"]
        if self._settings["caller_id_enabled"]:
            return say("empty")
        if shown:
            return say("off_queue", queue=queue, number=shown["number"])
        return say("off_default", number=default["number"]) if default else say("off_nothing")

    def _draw_number(self, place: int, number: Number) -> None:
        with ui.element("li").classes("d-pool-number"):
            with ui.column().classes("d-pool-who"):
                ui.label(number["number"]).classes("d-mono d-pool-digits")
                ui.label(number["name"] or say("no_name")).classes("d-help")
            colour = "teal" if number["type"] == CallerIdType.ACCOUNT else "grey"
            ui.label(say(f"types.{number['type']}")).classes(f"d-badge d-{colour}")
            ui.label(_use(number)).classes("d-pool-use")
            if _rests(number):
                until = time_text(number["resting_until"], self._rules["time_zone"])
                ui.label(say("rests", until=until)).classes("d-badge d-amber")
            elif _is_spent(number):
                ui.label(say("spent")).classes("d-badge d-amber")
            ui.space()
            if self._may:
                self._draw_buttons(place, number)

    def _draw_buttons(self, place: int, number: Number) -> None:
        last = len(self._numbers) - 1
        digits = number["number"]
        with ui.row().classes("d-pool-buttons"):
            up = _icon("arrow_upward", say("up", number=digits), lambda: self._move(digits, -1))
            up.set_enabled(place > 0)
            down = _icon("arrow_downward", say("down", number=digits), lambda: self._move(digits, 1))
            down.set_enabled(place < last)
            _icon("tune", say("tune", number=digits), lambda: self._edit(number))
            _icon("delete", say("remove", number=digits), lambda: self._remove(digits)).props("color=negative")

    # --- what is changed ---

    def _draw_adding(self) -> None:
        self._new = Form(say)
        with ui.element("div").classes("d-pool-adding"):
            self._type = self._new.choice("type", say.options("types"), CallerIdType.ACCOUNT.value)
            self._chosen = self._new.choice("account_numbers", {}, [], many=True)
            self._number = self._new.text("number").props("type=tel placeholder=+12025550199")
            self._name = self._new.text("name").props("maxlength=60")
            ui.button(say("add"), icon="add", on_click=self._add).props("unelevated no-caps")
        self._hint = ui.label(say("no_account_numbers")).classes("d-help")
        self._type.on_value_change(self._show_choice)

    def _show_choice(self) -> None:
        if not self._may:
            return
        is_account = self._type.value == CallerIdType.ACCOUNT
        in_pool = {one["number"] for one in self._numbers}
        free = {
            one["number"]: f"{one['number']}  {one['name']}".strip()
            for one in self._main
            if one["number"] not in in_pool
        }
        self._chosen.set_options(free, value=[number for number in self._chosen.value if number in free])
        self._chosen.visible = is_account
        self._number.visible = self._name.visible = not is_account
        self._hint.visible = is_account and not free

    async def _add(self) -> None:
        if not self._given():
            self._new.refuse_field("account_numbers", say("choose"))
            return
        with self._visit.telling(Reworded(self._new, _of_the_new)):
            self._new.clear()
            before = await self._present()
            await self._put([*before, *self._given()])
            if not before:
                self._enabled.value = True
            self._chosen.value, self._number.value, self._name.value = [], "", ""
            note(say("added"))

    def _given(self) -> Sequence[Number]:
        if self._type.value == CallerIdType.ACCOUNT:
            return [{"number": number, "type": CallerIdType.ACCOUNT} for number in self._chosen.value]
        typed = self._new.values()
        number = digits_typed(typed["number"])
        return [{"number": number, "name": typed["name"], "type": CallerIdType.CUSTOM}]

    async def _move(self, number: str, by: int) -> None:
        with self._visit.telling():
            present = await self._present()
            here = next((place for place, one in enumerate(present) if one["number"] == number), None)
            if here is not None and 0 <= here + by < len(present):
                present.insert(here + by, present.pop(here))
                await self._put(present)

    async def _remove(self, number: str) -> None:
        if await confirm(say("remove", number=number), say("remove_text"), say("remove_button"), danger=True):
            with self._visit.telling():
                await self._put([one for one in await self._present() if one["number"] != number])

    async def _edit(self, number: Number) -> None:
        zone = self._rules["time_zone"]

        def draw(form: Form) -> None:
            form.number("daily_cap", number["daily_cap"], min=1, precision=0)
            rest = time_field(number["resting_until"], zone) if _rests(number) else ""
            form.text("resting_until", rest).props("type=datetime-local stack-label")
            ui.label(say("zone", zone=zone)).classes("d-help")

        async def save(form: Form) -> None:
            values = form.values()
            changes = {"daily_cap": values["daily_cap"], "resting_until": time_of(values["resting_until"], zone)}
            await self._visit.door.patch(f"{self._path}/{number['number']}", changes)

        if await form_dialog(self._visit, say, say("tune", number=number["number"]), draw, save):
            with self._visit.telling():
                await self.load()
                self._show()

    async def _present(self) -> list[Number]:
        """The pool as it is now, whoever has changed it meanwhile; what is put in its place keeps counts, caps and rests."""
        items = (await self._visit.door.get(self._path))["items"]
        return [{name: one[name] for name in ("number", "name", "type")} for one in items]

    async def _put(self, numbers: Sequence[Number]) -> None:
        self._numbers = (await self._visit.door.put(self._path, {"numbers": numbers}))["items"]
        self._show()


def _of_the_new(problem: str) -> str:
    """What is wrong with a number of the pool is so with the one that was just given: the others were taken before."""
    return _OF_POOL.sub(r"\1: ", problem)


_OF_POOL = re.compile(r"^numbers\.[0-9]+\.([a-z_]+): ")


def _icon(icon: str, label: str, do: Any) -> ui.button:
    button = ui.button(icon=icon, on_click=do).props("flat round dense")
    button.props["aria-label"] = label
    return button.tooltip(label)


def _rests(number: Number) -> bool:
    until = moment(number["resting_until"])
    return until is not None and until > now()


def _is_spent(number: Number) -> bool:
    return number["daily_cap"] is not None and number["uses_today"] >= number["daily_cap"]


def _use(number: Number) -> str:
    key = "use" if number["daily_cap"] is None else "use_of"
    return say(
        key,
        today=count_text(number["uses_today"]),
        cap=count_text(number["daily_cap"] or 0),
        all=count_text(number["uses"]),
    )
