"""Why a campaign starts no call right now: one sentence, and behind it every rule and what holds its leads back."""

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dialerd.portal import campaign_words as words
from dialerd.portal.frame import section
from dialerd.portal.tables import Column, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import STATUS_COLOURS, count_text, length_text, status_word, time_text

say = texts("campaign")


class Why:
    """The rules are asked for once somebody wants to see them."""

    def __init__(self, visit: Visit, path: str, zone: str) -> None:
        self._visit = visit
        self._path = path
        self._zone = zone
        with section(say("why.title")):
            with ui.row().classes("d-row").props("role=status"):
                self._status = ui.label()
                self._sentence = ui.label().classes("d-why-now")
                self._started = ui.label().classes("d-help")
            self._more = ui.expansion(say("why.more"), on_value_change=lambda _: self._opened()).classes("d-more")
            with self._more:
                self._rules = ui.element("ul").classes("d-rules")
                ui.label(say("why.held")).classes("d-h2").props("role=heading aria-level=3")
                self._held = draw_table(self._columns(), key="rule", empty=say("why.nothing_held"))

    def put(self, campaign: Mapping[str, Any]) -> None:
        self._status.text = status_word(campaign["shown_status"])
        self._status.classes(replace=f"d-badge d-{STATUS_COLOURS[campaign['shown_status']]}")
        self._sentence.text = words.why(campaign, self._zone)
        self._sentence.classes(replace="d-why-now" + (" d-amber" if campaign["hold"] else ""))
        started, ended = (time_text(campaign[name], self._zone) for name in ("started_at", "ended_at"))
        times = {"started": started, "ended": ended}
        self._started.text = " ".join(say(f"why.{name}", time=time) for name, time in times.items() if time)

    async def _opened(self) -> None:
        with self._visit.telling():
            await self.load_rules()

    async def load_rules(self) -> None:
        """Raises Refused."""
        if not self._more.value:
            return
        told = await self._visit.door.get(f"{self._path}/explain")
        self._rules.clear()
        with self._rules:
            for verdict in told["verdicts"]:
                _draw_verdict(verdict)
            if not told["verdicts"]:
                ui.label(say("why.no_rules")).classes("d-help")
        put_rows(self._held, self._columns(), told["held_leads"], key="rule")

    def _columns(self) -> list[Column]:
        zone = self._zone
        return [
            Column(name="rule", label=say("why.rule"), show=lambda held: words.held_word(held["rule"])),
            Column(name="leads", label=say("why.leads"), show=lambda held: count_text(held["leads"]), align="right"),
            Column(
                name="until",
                label=say("why.until"),
                show=lambda held: time_text(held["until"], zone) or say("why.never"),
            ),
        ]


def _draw_verdict(verdict: Mapping[str, Any]) -> None:
    allows = verdict["allows"]
    with ui.element("li"):
        ui.icon("check" if allows else "block", size="18px").classes("d-green" if allows else "d-red").props(
            "aria-hidden=true"
        )
        text = say(f"rules.{verdict['rule']}") if allows else say("why.forbids", sentence=verdict["sentence"])
        ui.label(text).classes("" if allows else "d-red")
        if isinstance(verdict["fact"], Mapping) and (facts := _facts_text(verdict["fact"])):
            ui.label(facts).classes("d-help")


def _facts_text(facts: Mapping[str, Any]) -> str:
    """What a rule rests on; of a trunk, how it stands."""
    return ", ".join(_fact_text(name, value) for name, value in facts.items() if value not in (None, ""))


def _fact_text(name: str, value: Any) -> str:
    known = say(f"facts.{name}") if say.has(f"facts.{name}") else name
    return f"{known}: {length_text(value) if name.endswith('_s') else value}"
