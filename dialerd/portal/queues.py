"""The queues that Asterisk has, who waits in them, and what their agents do."""

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, count_text, moment, now, strategy_text

say = texts("queues")

LOOK_S = 3.0
_FIGURES = ("waiting", "agents", "free", "in_call", "paused")


async def _show(visit: Visit) -> None:
    heading(say("title"), under=say("under"))
    queues = _Queues(visit)
    await queues.load()
    visit.every(LOOK_S, queues.load)


class _Queues:
    """A card a queue, drawn once; its figures and agents are put in anew with each look."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._list = ui.column().classes("d-queues")
        self._cards: dict[str, _Queue] = {}
        self._none: ui.label | None = None

    async def load(self) -> None:
        found = await self._visit.door.all("/queues")
        if [queue["name"] for queue in found] != list(self._cards) or (not found and self._none is None):
            self._draw(found)
        for queue in found:
            agents = await self._visit.door.all(f"/queues/{queue['name']}/agents")
            self._cards[queue["name"]].put(queue, agents)

    def _draw(self, found: list[Mapping[str, Any]]) -> None:
        self._list.clear()
        with self._list:
            self._none = None if found else ui.label(say("none")).classes("d-empty")
            self._cards = {queue["name"]: _Queue(queue["name"]) for queue in found}


class _Queue:
    def __init__(self, name: str) -> None:
        with ui.card().classes("d-section"):
            with ui.row().classes("d-row"):
                ui.label(name).classes("d-h2").props("role=heading aria-level=2")
                self._strategy = ui.label().classes("d-help")
                self._unknown = ui.label(say("unknown")).classes("d-badge d-amber")
            with ui.element("div").classes("d-figures"):
                self._figures = {figure: _draw_figure(say(figure)) for figure in _FIGURES}
            self._table = draw_table(_COLUMNS, key="interface", empty=say("no_agents"))

    def put(self, queue: Mapping[str, Any], agents: list[Row]) -> None:
        self._unknown.visible = not queue["known"]
        self._strategy.text = strategy_text(queue["strategy"])
        for figure, label in self._figures.items():
            label.text = count_text(queue[figure]) if queue["known"] and queue[figure] is not None else "–"
        put_rows(self._table, _COLUMNS, agents, key="interface")


def _draw_figure(name: str) -> ui.label:
    with ui.column().classes("d-figure"):
        value = ui.label().classes("d-figure-value")
        ui.label(name).classes("d-figure-name")
    return value


def _state(agent: Row) -> str:
    if agent["paused"]:
        return say("is_paused", reason=agent["pause_reason"]) if agent["pause_reason"] else say("states.paused")
    return say("states.wrapup") if _wraps_up(agent) else say(f"states.{agent['state']}")


def _colour(agent: Row) -> str:
    if agent["paused"]:
        return "amber"
    if agent["state"] in ("unavailable", "invalid", "unknown"):
        return "grey"
    return "blue" if agent["state"] != "not_inuse" or _wraps_up(agent) else "green"


def _wraps_up(agent: Row) -> bool:
    until = moment(agent["wrapup_until"])
    return until is not None and until > now()


_COLUMNS = (
    Column(name="name", label=say("agent"), show=lambda agent: agent["name"] or agent["interface"]),
    Column(name="interface", label=say("phone"), show=lambda agent: agent["interface"]),
    Column(name="state", label=say("state"), show=_state, colour=_colour),
    Column(name="since", label=say("since"), show=lambda agent: ago_text(agent["seen_at"])),
)

PAGES = (Page(path="/queues", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
