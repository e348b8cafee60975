"""The figures of a campaign as it is now: pace, lines, agents and abandonment as bars, and how many leads are in each state."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from dialerd.domain.leads import LeadState
from dialerd.domain.roles import Permission
from dialerd.portal import campaign_words as words
from dialerd.portal.campaign_words import LISTED, OVER, number_text
from dialerd.portal.dialogs import note
from dialerd.portal.forms import Form
from dialerd.portal.frame import section
from dialerd.portal.meter import Meter
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import LEAD_COLOURS, count_text, lead_word, share_text, time_text

say = texts("campaign")

Campaign = Mapping[str, Any]
ReadToEdit = Callable[[], Awaitable[tuple[Campaign, str | None]]]

_AGENT_COLOURS = {"free": "green", "in_call": "blue", "paused": "amber", "away": "grey"}
_CAP_AT = 2 / 3
"""Of the bar: what is above the cap is to be seen, too."""
_WITHOUT_CAP = 0.1
"""The share of abandoned calls that fills the bar where there is no cap."""


class Present:
    def __init__(self, visit: Visit, path: str, zone: str, read: ReadToEdit) -> None:
        self._zone = zone
        with section(say("now.title")):
            with ui.element("div").classes("d-gauges"):
                self._progress = _Gauge("progress")
                self._pace = _Gauge("pace")
                self._lines = _Gauge("lines")
                self._agents = _Gauge("agents", tuple(_AGENT_COLOURS.values()))
                self._abandonment = _Gauge("abandonment")
            self._edit = PaceEdit(visit, path, read) if visit.may(Permission.STEER) else None

    def put(self, campaign: Campaign, agents: Mapping[str, int] | None) -> None:
        self._progress.put(words.progress_text(campaign), "", words.progress_share(campaign))
        self._put_pace(campaign)
        lines, most = campaign["in_flight"], campaign["concurrency"]
        full = say("now.lines_full") if lines >= most else ""
        self._lines.put(words.lines_text(campaign), full, lines / most)
        self._put_agents(agents)
        self._put_abandonment(campaign["abandonment"])
        if self._edit is not None:
            self._edit.show(campaign["status"] not in OVER)

    def _put_pace(self, campaign: Campaign) -> None:
        real, most = campaign.get("real", 0.0), campaign["calls_per_second"]
        text = say("now.pace_of", real=number_text(real), most=number_text(most))
        self._pace.put(text, say("now.pace_help"), real / most)

    def _put_agents(self, agents: Mapping[str, int] | None) -> None:
        if not agents or not agents["all"]:
            self._agents.put(say("now.agents_unknown" if agents is None else "now.agents_none"), "", 0, 0, 0, 0)
            return
        away = max(0, agents["all"] - sum(agents[name] for name in ("free", "in_call", "paused")))
        numbers = {**agents, "away": away}
        told = ", ".join(say(f"now.agents_{name}", number=numbers[name]) for name in _AGENT_COLOURS)
        shares = (numbers[name] / agents["all"] for name in _AGENT_COLOURS)
        self._agents.put(say("now.agents_all", free=agents["free"], number=agents["all"]), told, *shares)

    def _put_abandonment(self, ledger: Mapping[str, Any]) -> None:
        cap = ledger["cap"]
        numbers = {name: count_text(ledger[name]) for name in ("abandoned", "answered")}
        anew = say("now.anew", time=time_text(ledger["until"], self._zone)) if ledger["until"] else ""
        text = words.abandonment_text(ledger) if cap is not None else say("now.no_cap", rate=share_text(ledger["rate"]))
        self._abandonment.put(
            text,
            f"{say('now.abandoned', **numbers)} {anew}".strip(),
            ledger["rate"] / cap * _CAP_AT if cap else ledger["rate"] / _WITHOUT_CAP,
            mark=_CAP_AT if cap else None,
            colour=words.abandonment_colour(ledger),
        )


class _Gauge:
    """A figure with its bar, and a line of what it is made of."""

    def __init__(self, name: str, colours: tuple[str, ...] = ("teal",)) -> None:
        title = say(f"now.{name}")
        with ui.column().classes("d-gauge"):
            ui.label(title).classes("d-figure-name")
            self._value = ui.label().classes("d-gauge-value")
            self._meter = Meter(title, colours)
            self._help = ui.label().classes("d-help")

    def put(self, text: str, help: str, *shares: float, mark: float | None = None, colour: str = "") -> None:
        self._value.text, self._help.text = text, help
        self._meter.put(text, *shares, mark=mark, colour=colour)


class PaceEdit:
    """Pace and lines, changed where they are shown: in force on the next call."""

    def __init__(self, visit: Visit, path: str, read: ReadToEdit) -> None:
        self._visit = visit
        self._path = path
        self._read = read
        self._etag: str | None = None
        with ui.column().classes("d-pace-edit") as self._all:
            self._open = ui.button(say("pace.change"), icon="tune", on_click=self._begin).props("flat dense no-caps")
            with ui.column().classes("d-pace-form") as self._place:
                self._form = Form(say)
                with ui.element("div").classes("d-grid"):
                    self._fields = {
                        "calls_per_second": self._form.number("calls_per_second", None, min=0, step=0.5),
                        "concurrency": self._form.number("concurrency", None, min=1, step=1, precision=0),
                    }
                with ui.row().classes("d-buttons"):
                    ui.button(say("pace.save"), on_click=self._save).props("unelevated no-caps")
                    ui.button(say("pace.leave"), on_click=self._end).props("flat no-caps")
        self._end()

    def show(self, visible: bool) -> None:
        self._all.visible = visible

    async def _begin(self) -> None:
        with self._visit.telling():
            campaign, self._etag = await self._read()
            self._form.clear()
            for name, field in self._fields.items():
                field.value = campaign[name]
            self._place.visible, self._open.visible = True, False

    def _end(self) -> None:
        self._place.visible, self._open.visible = False, True

    async def _save(self) -> None:
        with self._visit.telling(self._form):
            self._form.clear()
            await self._visit.door.patch(self._path, self._form.values(), etag=self._etag)
            note(say("pace.saved"))
            self._end()
            await self._read()


class LeadFigures:
    """How many leads are in each state; each leads to the list of them."""

    def __init__(self, campaign_id: int) -> None:
        with section(say("leads.title")), ui.element("div").classes("d-figures"):
            self._values = {state: self._draw(campaign_id, state) for state in LISTED}

    def _draw(self, campaign_id: int, state: LeadState) -> ui.label:
        with ui.element("a").classes("d-figure d-figure-link") as link:
            link.props["href"] = f"/campaigns/{campaign_id}/leads?state={state}"
            value = ui.label().classes("d-figure-value")
            ui.label(lead_word(state)).classes(f"d-figure-name d-{LEAD_COLOURS[state]}")
            if state is LeadState.BLOCKED:
                self._listed = ui.label().classes("d-help")
        return value

    def put(self, campaign: Campaign) -> None:
        for state, label in self._values.items():
            label.text = count_text(campaign["leads"][state])
        listed = sum(held["leads"] for held in campaign["held_leads"] if held["rule"] == "dnc")
        self._listed.text = say("leads.listed", number=count_text(listed))
