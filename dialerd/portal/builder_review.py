"""Step 4, its second half: everything as it will be, what is in the way, and the start."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from dialerd.domain.calls import CallFlow
from dialerd.domain.campaigns import CampaignAction
from dialerd.portal.builder_draft import Draft, detects_machines, flow_of
from dialerd.portal.builder_form import Step, Unusable, field_of, say
from dialerd.portal.dates import time_field
from dialerd.portal.frame import section
from dialerd.portal.words import count_text, length_text, now

Settings = Mapping[str, Any]
Act = Callable[[CampaignAction | None], Awaitable[None]]

LOOK_S = 3.0
SOONEST = timedelta(minutes=5)
""" "Pick a start time (at least 5 minutes in the future)." """
_LONG_S = 120
_STEPS: Mapping[str, Sequence[str]] = {
    "basics": (
        "name",
        "note",
        "queue",
        "dial_mode",
        "preview_order",
        "offer_s",
        "gate",
        "calls_per_second",
        "concurrency",
        "mask_lead_caller_id",
        "send_lead_data",
    ),
    "contacts": ("leads", "numbers", "caller_id_enabled", "rotation"),
    "routing": (
        "target",
        "target_agent",
        "menu",
        "ring_timeout_s",
        "customer_wait_sla_s",
        "greeting",
        "agent_announcement",
        "agent_dial_timeout_s",
        "no_agent",
        "wrapup_s",
        "recording",
        "machine_detection",
        "machine_audit_pct",
        "abandonment_cap_pct",
        "on_cap",
        "max_attempts",
        "cooloff_s",
        "cooloff_2nd_s",
        "cooloff_3rd_s",
        "alternates",
        "dial_cycles",
        "dial_cycles_time",
        "outcome_rules",
        "dispositions",
    ),
    "schedule": ("schedule", "lead_window", "day_plan", "profile"),
}
"""Which step has which setting."""


def step_of(problem: str) -> str | None:
    """Where what is wrong can be put right."""
    field = {"zones": "schedule", "caller_IDs": "numbers"}.get(field_of(problem), field_of(problem))
    return next((step for step, fields in _STEPS.items() if field in fields), None)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _applies(name: str, settings: Settings) -> bool:
    """Whether the setting means anything beside the others."""
    flow, mode = flow_of(settings), settings["dial_mode"]
    waits = flow in (CallFlow.PROGRESSIVE, CallFlow.PREVIEW)
    rules: Mapping[str, bool] = {
        "preview_order": mode == "preview",
        "offer_s": mode == "preview",
        "gate": mode == "progressive",
        "rotation": settings["caller_id_enabled"],
        "numbers": settings["caller_id_enabled"],
        "target_agent": settings["target"] == "agent",
        "menu": settings["target"] == "menu",
        "customer_wait_sla_s": waits,
        "greeting": waits,
        "no_agent": flow is not CallFlow.AGENT_FIRST,
        "agent_announcement": flow is CallFlow.AGENT_FIRST,
        "machine_detection": detects_machines(settings),
        "machine_audit_pct": settings["machine_detection"] == "hang_up",
        "abandonment_cap_pct": waits,
        "on_cap": waits,
        "dial_cycles_time": bool(settings["dial_cycles"]),
        "note": bool(settings["note"]),
        "outcome_rules": bool(settings["outcome_rules"]),
        "lead_window": bool(settings["lead_window"]),
        "day_plan": bool(settings["day_plan"]),
    }
    return rules.get(name, True)


def _label(name: str) -> str:
    return say(f"fields.{name}.label") if say.has(f"fields.{name}.label") else say(f"review.{name}")


def shown(name: str, value: Any, step: Step) -> str:
    """The setting as people read it."""
    special: Mapping[str, Callable[[], str]] = {
        "schedule": lambda: _schedule_text(value),
        "lead_window": lambda: f"{value['start'][:5]}–{value['end'][:5]}",
        "day_plan": lambda: _plan_text(value),
        "outcome_rules": lambda: "\n".join(_rule_text(outcome, rule) for outcome, rule in value.items()),
        "dispositions": lambda: ", ".join(one["title"] for one in value),
        "profile": lambda: value or say("review.profile_account", profile=step.account["rules"]["profile"]),
        "queue": lambda: value or say("queue.none"),
        "dial_cycles_time": lambda: value[:5],
        "abandonment_cap_pct": lambda: say("review.profile_cap") if value is None else f"{value:g}",
    }
    if name in special:
        return special[name]()
    if say.has(f"options.{name}.{value}"):
        return say(f"options.{name}.{value}").partition("\n")[0]
    return _plain_text(name, value)


def _plain_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return say("review.on" if value else "review.off")
    if value is None or value == "":
        return say("review.as_before" if name.startswith("cooloff") else "review.none")
    if name.endswith("_s"):
        key = "review.seconds_long" if value >= _LONG_S else "review.seconds"
        return say(key, seconds=value, length=length_text(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _schedule_text(rows: Sequence[Mapping[str, Any]] | None) -> str:
    if rows is None:
        return say("review.account_hours")
    return "\n".join(map(_row_text, rows)) or say("review.any_time")


def _row_text(row: Mapping[str, Any]) -> str:
    days = " ".join(say(f"weekdays.{day}") for day in row["weekdays"])
    months = " ".join(say(f"months.{month}") for month in row["months"])
    between = "{}–{}".format(*map(int, row["month_days"])) if row["month_days"] else ""
    hours = f"{row['start'][:5]}–{row['end'][:5]}"
    dates = say("review.month_days", days=between) if between else ""
    return ", ".join(part for part in (days, hours, dates, months) if part)


def _plan_text(plan: Mapping[str, Any]) -> str:
    lines = [
        say("review.day_line", day=day["day"], times=", ".join(time[:5] for time in day["times"]))
        for day in plan["days"]
    ]
    return "\n".join([*lines, say("review.windows", hours=f"{plan['window_h']:g}")])


def _rule_text(outcome: str, rule: Mapping[str, Any]) -> str:
    retry = {True: "again", False: "final", None: "usual"}[rule["retry"]]
    said = [say(f"rules.retries.{retry}")]
    if rule["delay_s"] is not None:
        said.append(say("review.after", length=say("review.seconds", seconds=rule["delay_s"])))
    if rule["max_attempts"] is not None:
        said.append(say("review.at_most", attempts=rule["max_attempts"]))
    return f"{say(f'outcomes.{outcome}')}: {', '.join(said)}"


# --- the review -------------------------------------------------------------------------------------------------------


class Review:
    """Follows what is entered, and what the server says of it. `go` leads to another step."""

    def __init__(self, step: Step, facts: Mapping[str, str], go: Callable[[str], Awaitable[None]]) -> None:
        self._step = step
        self._facts = facts
        self._go = go
        self._last: tuple[Any, ...] = ()
        with section(say("review.title"), help=say("review.help")):
            self._problems = ui.column().classes("d-problems").props("role=status")
            self._summary = ui.column().classes("d-summary")
        with self._problems:
            ui.label(say("review.unlooked")).classes("d-help")

    async def look(self) -> None:
        """What has changed since the last look is drawn anew."""
        if self._summary.is_deleted:
            return
        entered = self._step.form.glance()
        told = await self._step.visit.door.post(f"{self._step.draft.path}/validate", entered)
        found = (entered, told["problems"], told["start_problems"])
        if found == self._last or self._summary.is_deleted:
            return
        self._last = found
        self._draw_problems(told)
        self._draw_summary({**self._step.draft.settings, **entered})

    def _draw_problems(self, told: Mapping[str, Sequence[str]]) -> None:
        self._problems.clear()
        with self._problems:
            for kind in ("problems", "start_problems"):
                if told[kind]:
                    self._draw_banner(say(f"review.{kind}"), told[kind])
            if not told["problems"] and not told["start_problems"]:
                ui.label(say("review.fine")).classes("d-fine")

    def _draw_banner(self, title: str, problems: Sequence[str]) -> None:
        with ui.column().classes("d-banner"):
            ui.label(title).classes("d-h2")
            with ui.element("ul").classes("d-reasons"):
                for problem in problems:
                    with ui.element("li"), ui.row().classes("d-problem"):
                        ui.label(problem)
                        self._draw_way(step_of(problem))

    def _draw_way(self, step: str | None) -> None:
        if step is not None and step != "schedule":
            to = say("review.to_step", step=say(f"steps.{step}"))
            ui.button(to, on_click=lambda: self._go(step)).props("flat dense no-caps")

    def _draw_summary(self, settings: Settings) -> None:
        self._summary.clear()
        with self._summary:
            for step in _STEPS:
                ui.label(say(f"steps.{step}")).classes("d-label").props("role=heading aria-level=3")
                with ui.element("dl").classes("d-review"):
                    for label, text in self._lines(step, settings):
                        with ui.element("div"):
                            with ui.element("dt"):
                                ui.label(label)
                            with ui.element("dd"):
                                ui.label(text)

    def _lines(self, step: str, settings: Settings) -> Iterator[tuple[str, str]]:
        for name in _STEPS[step]:
            if name in self._facts:
                yield _label(name), self._facts[name]
            elif _applies(name, settings):
                yield _label(name), shown(name, settings[name], self._step)


async def facts_of(step: Step) -> dict[str, str]:
    """What the review says of the campaign besides its settings."""
    pool = await step.visit.door.get(f"{step.draft.path}/caller-ids")
    facts = {"leads": count_text(step.draft.campaign["total"])}
    if step.draft.settings["caller_id_enabled"]:
        facts["numbers"] = ", ".join(one["number"] for one in pool["items"]) or say("review.none")
    return facts


# --- the start --------------------------------------------------------------------------------------------------------


class Launch:
    """The last buttons. `act` saves, and then does what is asked for."""

    def __init__(self, step: Step, act: Act) -> None:
        self._step = step
        possible = step.draft.campaign["possible_actions"]
        with section(say("launch.title"), help=say("launch.help", zone=step.zone, now=_here(now(), step.zone))):
            if CampaignAction.SCHEDULE in possible:
                self._draw_time(step.draft)
            with ui.row().classes("d-buttons"):
                save = "launch.draft" if step.draft.status == "draft" else "launch.save"
                ui.button(say(save), on_click=lambda: act(None)).props("outline no-caps")
                if CampaignAction.SCHEDULE in possible:
                    ui.button(
                        say("launch.scheduled"), icon="event", on_click=lambda: act(CampaignAction.SCHEDULE)
                    ).props("outline no-caps")
                if CampaignAction.START in possible:
                    ui.button(say("launch.start"), icon="play_arrow", on_click=lambda: act(CampaignAction.START)).props(
                        "unelevated no-caps"
                    )

    def _draw_time(self, draft: Draft) -> None:
        planned = draft.campaign["starts_at"]
        value = time_field(planned, self._step.zone)
        field = ui.input(say("fields.start.label"), value=value)
        field.props("outlined dense type=datetime-local stack-label").classes("d-when")
        self._field = self._step.form.add("start", field)

    def starts_at(self) -> datetime:
        """What was chosen, by the account's clock. Raises Unusable."""
        zone = ZoneInfo(self._step.zone)
        try:
            wall = datetime.fromisoformat(self._field.value or "")
        except ValueError:
            raise Unusable("start", say("launch.no_time")) from None
        at = wall.replace(tzinfo=zone)
        if at.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall:
            raise Unusable("start", say("launch.no_such_time"))
        if at < now() + SOONEST:
            raise Unusable("start", say("launch.too_soon"))
        return at


def _here(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
