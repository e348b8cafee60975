"""Step 1: what the campaign is called, how it dials, how fast, and whose agents talk."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nicegui import ui

from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import Gate, Target
from dialerd.portal.builder_form import Step, say
from dialerd.portal.door import Refused
from dialerd.portal.frame import section
from dialerd.portal.words import count_text, strategy_text

LOOK_S = 3.0
_FIGURES = ("free", "in_call", "paused", "agents", "waiting")


async def draw(step: Step) -> None:
    with section(say("general.title")):
        step.form.line("name").props("autofocus maxlength=200")
        step.form.lines("note")
        _draw_mode(step)
    await _draw_queue(step)
    with section(say("pace.title"), help=say("pace.help")), ui.element("div").classes("d-grid"):
        step.form.decimal("calls_per_second")
        step.form.whole("concurrency")
    with section(say("privacy.title")):
        step.form.flag("mask_lead_caller_id")
        step.form.flag("send_lead_data")


def _draw_mode(step: Step) -> None:
    form = step.form
    mode = form.options("dial_mode")
    with ui.column().classes("d-field") as for_preview:
        form.options("preview_order")
        form.whole("offer_s")
    with ui.column().classes("d-field") as for_progressive:
        gate = form.options("gate")
    for_preview.bind_visibility_from(mode, "value", value=DialMode.PREVIEW)
    for_progressive.bind_visibility_from(mode, "value", value=DialMode.PROGRESSIVE)
    # In the other modes each call has an agent of its own whatever is chosen here.
    form.reads("gate", lambda: gate.value if mode.value == DialMode.PROGRESSIVE else str(Gate.FREE_AGENTS))


async def _draw_queue(step: Step) -> None:
    queues = [queue["name"] for queue in await step.visit.door.all("/queues")]
    menus = {menu["name"]: menu["name"] for menu in await step.visit.door.all("/menus")}
    with section(say("queue.title"), help=say("queue.help")):
        options = {name: name for name in queues} | {"": say("queue.none")}
        if queues:
            queue: ui.select | ui.input = step.form.pick("queue", options)
        else:
            ui.label(say("queue.none_known")).classes("d-help")
            queue = step.form.line("queue")
        readiness = _Readiness(step, queue)
        with ui.column().classes("d-field") as for_menu:
            menu = step.form.pick_or_write("menu", menus)
            if not menus:
                ui.link(say("queue.no_menus"), "/voice-menus").classes("d-link")
        for_menu.bind_visibility_from(queue, "value", lambda name: not name)
    # Without a queue there is nobody but a menu that a call could be for.
    step.form.reads("menu", lambda: step.shown["menu"] if queue.value else menu.value or "")
    step.form.reads("target", lambda: step.shown["target"] if queue.value or not menu.value else str(Target.MENU))
    await readiness.look()
    step.visit.every(LOOK_S, readiness.look)


class _Readiness:
    """How the queue stands just now."""

    def __init__(self, step: Step, queue: ui.select | ui.input) -> None:
        self._visit = step.visit
        self._queue = queue
        with ui.column().classes("d-readiness") as self._box:
            with ui.element("div").classes("d-figures"):
                self._figures = {name: _draw_figure(say(f"readiness.{name}")) for name in _FIGURES}
            self._sentence = ui.label().props("role=status")
            self._strategy = ui.label().classes("d-help")
        queue.on_value_change(self.look)

    async def look(self) -> None:
        if self._box.is_deleted:
            return
        name = str(self._queue.value or "").strip()
        found = await self._find(name) if name else None
        self._box.visible = found is not None
        if found is None:
            return
        known = bool(found["known"])
        for figure, label in self._figures.items():
            value = found[figure]
            label.text = count_text(value) if known and value is not None else "–"
        self._sentence.text = _sentence(found)
        self._strategy.text = strategy_text(found["strategy"])

    async def _find(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._visit.door.get(f"/queues/{quote(name, safe='')}")
        except Refused:  # no such queue; whether that matters is the API's to say at the start
            return None
        return found


def _sentence(queue: Mapping[str, Any]) -> str:
    if not queue["known"]:
        return say("queue.unknown")
    if queue["waiting"]:
        return say("queue.waiting_first")
    if queue["free"]:
        return say("queue.ready", free=count_text(queue["free"]))
    return say("queue.no_free" if queue["agents"] else "queue.no_agents")


def _draw_figure(name: str) -> ui.label:
    with ui.column().classes("d-figure"):
        value = ui.label("–").classes("d-figure-value")
        ui.label(name).classes("d-figure-name")
    return value
