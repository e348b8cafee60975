"""The activity report: every call from the cradle to the grave, with its result, its agent, its times and whether the SLAs were met."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from dialerd.domain.calls import CallFlow
from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Permission
from dialerd.portal.call_list import CallList, show_list
from dialerd.portal.door import Refused, address_of
from dialerd.portal.frame import Page, draw_download, heading, section
from dialerd.portal.recordings import RecordingView
from dialerd.portal.tables import Column, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import clock_text, outcome_word, result_colour, result_word, time_text

say = texts("activity")

# --- the report -------------------------------------------------------------------------------------------------------


class _Report(CallList):
    def __init__(self, visit: Visit, zone: str, campaigns: Mapping[str, str]) -> None:
        super().__init__(visit, say, "/attempts", zone, campaigns)

    def draw(self) -> None:
        with heading(say("title"), under=say("under", zone=self._zone)):
            self._export = draw_download(say("export")) if self._visit.may(Permission.EXPORT) else None
        self.filters.draw()
        self.filters.choice("campaign_id", self._campaigns)
        self.filters.choice("outcome", {outcome: outcome_word(outcome) for outcome in Outcome})
        self.filters.text("agent", placeholder="PJSIP/1001")
        self.filters.text("number", type="tel")
        self.filters.time("since")
        self.filters.time("until")
        self.filters.buttons()
        self._draw_table([*_whose(self._zone, self._campaigns), *result_columns()])

    async def _found(self) -> None:
        if self._export is not None:
            self._export.props["href"] = address_of("/attempts/export", **self._query())
        await super()._found()


# --- columns that the page of a lead has, too -------------------------------------------------------------------------


def _whose(zone: str, campaigns: Mapping[str, str]) -> list[Column]:
    return [
        begun_column(zone),
        Column(
            name="campaign",
            label=say("campaign"),
            show=lambda call: campaigns.get(str(call["campaign_id"]), str(call["campaign_id"])),
            to=lambda call: f"/campaigns/{call['campaign_id']}",
        ),
        Column(name="lead", label=say("lead"), show=_lead_text, to=lambda call: f"/leads/{call['lead_id']}"),
        number_column(),
    ]


def begun_column(zone: str) -> Column:
    return Column(
        name="begun",
        label=say("begun"),
        show=lambda call: time_text(call["opened_at"], zone, seconds=True),
        to=lambda call: f"/activity/{call['attempt_id']}",
    )


def number_column() -> Column:
    return Column(name="number", label=say("number"), show=lambda call: call["number"])


def result_columns() -> list[Column]:
    return [
        Column(name="result", label=say("result"), show=result_word, colour=result_colour),
        Column(name="disposition", label=say("disposition"), show=_disposition),
        Column(name="agent", label=say("agent"), show=_agent),
        Column(name="ring", label=say("ring"), show=lambda call: clock_text(call["ring_s"]), align="right"),
        Column(name="talk", label=say("talk"), show=lambda call: clock_text(call["talk_s"]), align="right"),
        Column(
            name="wait", label=say("wait"), show=_wait, colour=lambda call: _met_colour(call["customer_wait_sla_met"])
        ),
        Column(
            name="agent_ring",
            label=say("agent_ring"),
            show=_agent_ring,
            colour=lambda call: _met_colour(call["agent_sla_met"]),
        ),
    ]


def _lead_text(call: Row) -> str:
    return str(call["lead_name"]) or say("nameless", number=call["lead_id"])


def _disposition(call: Row) -> str:
    return str(call["disposition"] or call["menu_result"] or "").replace("_", " ")


def _agent(call: Row) -> str:
    """Name and extension."""
    if call["agent"] is None:
        return ""
    return (
        say("agent_named", name=call["agent_name"], phone=call["agent"]) if call["agent_name"] else str(call["agent"])
    )


def _wait(call: Row) -> str:
    return _measured(call["customer_wait_s"], call["customer_wait_sla_met"])


def _agent_ring(call: Row) -> str:
    return _measured(call["agent_ring_s"], call["agent_sla_met"])


def _measured(seconds: float | None, met: bool | None) -> str:
    """How long, and whether that was quick enough: never told by the colour alone. Empty: there was nothing to be measured."""
    if met is None:
        return ""
    return say("met" if met else "missed", time=clock_text(seconds)).strip()


def _met_colour(met: bool | None) -> str:
    return "grey" if met is None else "green" if met else "red"


# --- one call ---------------------------------------------------------------------------------------------------------


async def _show_one(visit: Visit) -> None:
    zone = await visit.zone()
    call = await visit.door.get(f"/attempts/{visit.id('attempt_id')}")
    campaign = await visit.door.get(f"/campaigns/{call['campaign_id']}")
    with heading(say("one.title", lead=_lead_text(call)), under=say("one.under", number=call["number"], zone=zone)):
        ui.label(result_word(call)).classes(f"d-badge d-{result_colour(call)}")
    with section(say("one.what")):
        facts = _facts(call)
        with ui.element("dl").classes("d-facts"):
            _draw_link(say("lead"), _lead_text(call), f"/leads/{call['lead_id']}")
            _draw_link(say("campaign"), campaign["name"], f"/campaigns/{call['campaign_id']}")
            draw_facts(facts)
    with section(say("one.times"), help=say("one.times_help")), ui.element("ol").classes("d-life"):
        for at, text in _moments(call):
            draw_moment(time_text(at, zone, seconds=True), text)
    if call["recording"] is not None and visit.may(Permission.LISTEN):
        with section(say("one.recording")):
            await _draw_recording(visit, call, zone)


async def _draw_recording(visit: Visit, call: Row, zone: str) -> None:
    try:
        recording = await visit.door.get(f"/recordings/{call['attempt_id']}")
    except Refused as refused:
        ui.label(refused.detail).classes("d-prose")
        return
    RecordingView(visit, zone).draw(recording)


def _facts(call: Row) -> Sequence[tuple[str, str]]:
    told = {
        "ordinal": str(call["ordinal"]),
        "way": say(f"flow.{CallFlow(call['flow'])}"),
        "queue": call["queue"],
        "caller_id": call["caller_id"] or say("one.no_caller_id"),
        "agent": _agent(call),
        "disposition": _disposition(call),
        "note": call["note"],
        "ring": clock_text(call["ring_s"]),
        "talk": clock_text(call["talk_s"]),
        "wait": _wait(call),
        "agent_ring": _agent_ring(call),
        "answered_by": say(f"answerers.{call['answered_by']}") if call["answered_by"] else "",
        "abandoned": "" if call["abandoned"] is None else say("one.counts" if call["abandoned"] else "one.counts_not"),
        "cause": _cause(call),
    }
    return [(say(name), value) for name, value in told.items() if value]


def _cause(call: Row) -> str:
    return " · ".join(str(cause) for cause in (call["cause"], call["tech_cause"]) if cause)


def _moments(call: Row) -> Sequence[tuple[str, str]]:
    """What has happened, in order."""
    agent = _agent(call) or say("one.no_agent")
    told = {name: call[f"{name}_at"] for name in ("opened", "ringing", "answered", "connected", "ended")}
    return [
        (at, say(f"moments.{name}", agent=agent, result=result_word(call), ordinal=call["ordinal"]))
        for name, at in told.items()
        if at is not None
    ]


def draw_moment(time: str, text: str, *, more: str = "") -> None:
    """A line of a life: of a call, or of a lead."""
    with ui.element("li"):
        ui.label(time).classes("d-life-time")
        with ui.element("div").classes("d-life-text"):
            ui.label(text)
            if more:
                ui.label(more).classes("d-help")


def draw_facts(facts: Sequence[tuple[str, str]]) -> None:
    for name, value in facts:
        with ui.element("div").classes("d-fact"):
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                ui.label(value)


def _draw_link(name: str, text: str, to: str) -> None:
    with ui.element("div").classes("d-fact"):
        with ui.element("dt"):
            ui.label(name)
        with ui.element("dd"):
            ui.link(text, to).classes("d-link")


_NEEDS = frozenset({Permission.VIEW_LEADS})
PAGES = (
    Page(path="/activity", title=say("title"), show=lambda visit: show_list(visit, _Report), needs=_NEEDS),
    Page(path="/activity/{attempt_id}", title=say("one.page"), show=_show_one, needs=_NEEDS),
)
