"""The lead before an agent: on an offer, while the phone rings, during the talk and after it. Drawn once; what changes is put into its
place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from dialerd.portal.texts import texts
from dialerd.portal.words import moment, now, outcome_word

say = texts("desktop")

Lead = Mapping[str, Any]
_COLOURS = {"offer": "amber", "accepted": "blue", "ringing": "amber", "talking": "green", "over": "grey"}
_ALL_COLOURS = " ".join(f"d-{colour}" for colour in _COLOURS.values())
_ALL_STAGES = " ".join(f"d-lead-{stage}" for stage in _COLOURS)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What lies before the agent. `stage` is a text of [stage]; None: nothing does."""

    stage: str | None = None
    lead: Lead | None = None


def before_of(desk: Mapping[str, Any], earlier: Before) -> Before:
    """A card comes before a call, as it has to be answered. Of a talk that is over the lead stays until something is said of it."""
    if desk["card"] is not None:
        return Before(stage="offer", lead=desk["card"])
    if desk["call"] is not None:
        return Before(stage=desk["call"]["stage"], lead=desk["call"])
    talk, lead = desk["talk"], earlier.lead
    talked = lead is not None and talk is not None and lead["attempt_id"] == talk["attempt_id"]
    return Before(stage="over", lead=lead) if talked and talk["said"] is None else Before()


def ms(text: str | None) -> str:
    """Of a time as the API writes it, for clocks in the browser; empty for none."""
    at = moment(text)
    return str(round(at.timestamp() * 1000)) if at else ""


def draw_clock(name: str) -> ui.element:
    """Ticks in the browser, by its data-until or data-since."""
    clock = ui.element("span").classes("d-clock").props("role=timer")
    clock.props["aria-label"] = name
    return clock


def name_on(lead: Lead) -> str:
    return str(lead["name"]) or say("lead.nameless")


class LeadCard:
    """`answer("accept")` and `answer("skip")` are what the buttons do."""

    def __init__(self, answer: Callable[[str], Awaitable[None]]) -> None:
        self._call: tuple[int, bool] | None = None
        self._shown: Before | None = None
        with ui.card().classes("d-section d-lead") as self._box:
            self._idle = self._draw_idle()
            with ui.column().classes("d-lead-full") as self._full:
                self._draw_head()
                self._draw_facts()
                with ui.row().classes("d-answers") as self._answers:
                    self._draw_answers(answer)
        self._spoken = ui.label().classes("d-spoken").props("role=alert")
        self.show(Before())

    # --- drawn once ---

    def _draw_idle(self) -> ui.column:
        with ui.column().classes("d-empty") as idle:
            ui.icon("headset_mic", size="40px").props("aria-hidden=true").classes("d-grey")
            ui.label(say("lead.none")).classes("d-h2").props("role=heading aria-level=2")
            self._why_idle = ui.label().classes("d-help")
        return idle

    def _draw_head(self) -> None:
        with ui.row().classes("d-lead-head"):
            self._stage = ui.label().classes("d-badge")
            self._help = ui.label().classes("d-help d-lead-help")
            self._clock = draw_clock("")
        with ui.row().classes("d-lead-who"):
            self._name = ui.label().classes("d-lead-name").props("role=heading aria-level=2")
            self._number = ui.label().classes("d-lead-number")
        self._campaign = ui.label().classes("d-help")

    def _draw_facts(self) -> None:
        with ui.element("dl").classes("d-facts"):
            self._facts = {name: _draw_fact(say(f"lead.{name}")) for name in ("ticket", "type", "before", "note")}
            self._custom = ui.element("div").classes("d-facts-more")

    def _draw_answers(self, answer: Callable[[str], Awaitable[None]]) -> None:
        for name, key, looks in (("accept", "a", "unelevated color=positive"), ("skip", "s", "outline")):
            button = ui.button(say(f"lead.{name}"), on_click=lambda name=name: answer(name))
            button.props(f"no-caps size=lg {looks} data-key={key} aria-keyshortcuts={key.upper()}")
            with button:
                ui.label(key.upper()).classes("d-key").props("aria-hidden=true")
        ui.label(say("lead.keys")).classes("d-help")

    # --- what changes ---

    def say_why_idle(self, why: str) -> None:
        self._why_idle.text = say(f"idle.{why}")

    def show(self, before: Before) -> None:
        if before == self._shown:
            return
        stage, lead, self._shown = before.stage, before.lead, before
        self._idle.visible = stage is None
        self._full.visible = stage is not None
        self._answers.visible = stage == "offer"
        self._box.classes(remove=_ALL_STAGES, add=f"d-lead-{stage}" if stage else None)
        self._spoken.text = ""
        if stage is None or lead is None:
            self._call = None
            return
        self._show_stage(stage, lead)
        self._show_lead(lead)

    def _show_stage(self, stage: str, lead: Lead) -> None:
        self._stage.text = say(f"stage.{stage}")
        self._stage.classes(remove=_ALL_COLOURS, add=f"d-{_COLOURS[stage]}")
        self._help.text = say(f"stage_help.{_help_of(stage, lead)}")
        offered, lasts = stage == "offer", stage in ("ringing", "talking")
        self._clock.props["aria-label"] = say("lead.time_left" if offered else "lead.time_passed")
        self._clock.props["data-until"] = ms(lead["expires_at"]) if offered else ""
        self._clock.props["data-since"] = ms(lead["since"]) if lasts else ""
        self._clock.props["data-span"] = str(_ms_left(lead["expires_at"])) if offered else ""
        if offered:
            self._spoken.text = say("lead.announced", name=name_on(lead), campaign=lead["campaign"])

    def _show_lead(self, lead: Lead) -> None:
        calls_back = lead.get("calls_back", False)
        if (lead["lead_id"], calls_back) == self._call:
            return
        self._call = (lead["lead_id"], calls_back)
        self._name.text = name_on(lead)
        self._number.text = lead["number"] or say("lead.hidden")
        self._number.props["title"] = "" if lead["number"] else say("lead.hidden_more")
        call_of = "lead.calls_back" if calls_back else "lead.call_of"
        self._campaign.text = say(call_of, campaign=lead["campaign"], queue=lead["queue"])
        facts = {"ticket": lead["ticket_id"], "type": lead["lead_type"], "note": lead["note"], "before": _calls(lead)}
        for name, text in facts.items():
            row, value = self._facts[name]
            row.visible, value.text = bool(text), text
        self._custom.clear()
        with self._custom:
            for name, text in lead["custom"].items():
                _draw_fact(name)[1].text = text


def _help_of(stage: str, lead: Lead) -> str:
    if stage == "ringing" and lead["lead_answered"]:
        return "ringing_answered"
    return "talking_calls_back" if stage == "talking" and lead["calls_back"] else stage


def _draw_fact(name: str) -> tuple[ui.element, ui.label]:
    with ui.element("div").classes("d-fact") as row:
        with ui.element("dt"):
            ui.label(name)
        with ui.element("dd"):
            value = ui.label()
    return row, value


def _ms_left(expires_at: str) -> int:
    at = moment(expires_at)
    return max(1, round((at - now()).total_seconds() * 1000)) if at else 1


def _calls(lead: Lead) -> str:
    if not lead["last_outcome"]:
        return say("lead.never")
    said = str(lead["last_disposition"] or "").replace("_", " ")
    told = {"count": lead["attempts"], "outcome": outcome_word(lead["last_outcome"])}
    return say("lead.calls_said", said=said, **told) if said else say("lead.calls", **told)
