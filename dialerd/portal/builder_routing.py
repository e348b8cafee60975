"""Step 3: whom an answered call is for, what happens until then, and what follows a call that led nowhere."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nicegui import ui

from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import MachineDetection, Target
from dialerd.portal.builder_draft import detects_machines
from dialerd.portal.builder_form import Step, say
from dialerd.portal.builder_lists import Dispositions, OutcomeRules
from dialerd.portal.door import Refused
from dialerd.portal.frame import section

_TARGETS = {
    DialMode.PROGRESSIVE: tuple(Target),
    DialMode.PREVIEW: (Target.QUEUE,),
    DialMode.AGENT_FIRST: (Target.QUEUE, Target.AGENT, Target.LAST_AGENT),
}
"""Whom calls can be for, by dial mode: a preview goes to whoever accepts the card, and a menu needs no agent first."""


async def draw(step: Step) -> None:
    sounds = {medium["sound"]: medium["name"] for medium in await step.visit.door.all("/media")}
    await _draw_target(step)
    _draw_wait(step, sounds)
    _draw_record(step)
    _draw_abandonment(step)
    _draw_retries(step)
    with section(say("rules.title"), help=say("rules.help")):
        step.form.part("outcome_rules", OutcomeRules(step.shown["outcome_rules"]))
    with section(say("dispositions.title"), help=say("dispositions.help")):
        step.form.part("dispositions", Dispositions(step.shown["dispositions"]))


async def _draw_target(step: Step) -> None:
    form = step.form
    agents = await _agents(step)
    menus = {menu["name"]: menu["name"] for menu in await step.visit.door.all("/menus")}
    with section(say("target.title")):
        target = form.options("target", only=_TARGETS[DialMode(step.shown["dial_mode"])])
        with ui.column().classes("d-field") as for_agent:
            form.pick_or_write("target_agent", agents)
        with ui.column().classes("d-field") as for_menu:
            form.pick_or_write("menu", menus)
            if not menus:
                ui.link(say("queue.no_menus"), "/voice-menus").classes("d-link")
        for_agent.bind_visibility_from(target, "value", value=Target.AGENT)
        for_menu.bind_visibility_from(target, "value", value=Target.MENU)


async def _agents(step: Step) -> dict[str, str]:
    """Of the bound queue, by phone."""
    queue = step.shown["queue"]
    try:
        found = await step.visit.door.all(f"/queues/{quote(queue, safe='')}/agents") if queue else []
    except Refused:  # Asterisk has told of no such queue: then the phone is written by hand
        found = []
    named = {agent["interface"]: agent["name"] or agent["interface"] for agent in found}
    return {phone: f"{name} ({phone})" if name != phone else name for phone, name in named.items()}


def _draw_wait(step: Step, sounds: Mapping[str, str]) -> None:
    form, agent_first = step.form, _is_agent_first(step.shown)
    with section(say("wait.title_agent_first" if agent_first else "wait.title"), help=say("wait.help")):
        with ui.element("div").classes("d-grid"):
            form.seconds("ring_timeout_s")
            if agent_first:
                form.pick("agent_announcement", {"": say("review.none"), **sounds})
            else:
                form.seconds("customer_wait_sla_s")
                form.pick("greeting", {"": say("review.none"), **sounds})
            form.seconds("agent_dial_timeout_s")
            form.seconds("wrapup_s")
        if not agent_first:
            form.options("no_agent")


def _is_agent_first(settings: Mapping[str, Any]) -> bool:
    """Whether nobody who has answered ever waits for an agent."""
    accept_first = settings["dial_mode"] == DialMode.PREVIEW and settings["preview_order"] == "accept_first"
    return accept_first or bool(settings["dial_mode"] == DialMode.AGENT_FIRST)


def _draw_record(step: Step) -> None:
    form = step.form
    with section(say("record.title")):
        form.flag("recording")
        if not _is_agent_first(step.shown):
            detection = form.options("machine_detection")
            with ui.column().classes("d-field") as for_audit:
                form.whole("machine_audit_pct")
            for_audit.bind_visibility_from(detection, "value", value=MachineDetection.HANG_UP)
            form.reads("machine_detection", lambda: _detection(step, detection.value))


def _detection(step: Step, chosen: str) -> str:
    """Off where no lead waits: a voice menu answers at once."""
    settings = {**step.shown, "target": step.form["target"]}
    return chosen if detects_machines(settings) else str(MachineDetection.OFF)


def _draw_abandonment(step: Step) -> None:
    if _is_agent_first(step.shown):
        return
    with section(say("abandonment.title"), help=say("abandonment.help")):
        step.form.decimal("abandonment_cap_pct", or_none=True)
        step.form.options("on_cap")


def _draw_retries(step: Step) -> None:
    form = step.form
    with section(say("retry.title"), help=say("retry.help")):
        with ui.element("div").classes("d-grid"):
            form.whole("max_attempts")
            form.seconds("cooloff_s")
            form.seconds("cooloff_2nd_s", or_none=True)
            form.seconds("cooloff_3rd_s", or_none=True)
        form.options("alternates")
    with section(say("cycles.title"), help=say("cycles.help")), ui.element("div").classes("d-grid"):
        form.whole("dial_cycles")
        form.clock("dial_cycles_time")
