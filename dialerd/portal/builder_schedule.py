"""Step 4, its first half: when the campaign may dial, by the account's clock, by each lead's, and by a country's rules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement

from dialerd.domain.schedule import Weekday
from dialerd.portal.builder_form import Step, Unusable, say, time_input, time_of_day, time_value, whole_or_none
from dialerd.portal.builder_lists import Rows
from dialerd.portal.builder_week import Week
from dialerd.portal.frame import section

Row = Mapping[str, Any]

ALWAYS: Row = {"start": "00:00:00", "end": "00:00:00", "weekdays": [], "month_days": None, "months": []}
_ADDED: Row = {
    "start": "09:00:00",
    "end": "17:00:00",
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "month_days": None,
    "months": [],
}


async def draw(step: Step) -> None:
    with section(say("hours.title"), help=say("hours.help", zone=step.zone)):
        _draw_hours(step)
    with section(say("zones.title"), help=say("zones.help")):
        _draw_zones(step)
    with section(say("compliance.title")):
        of_account = say("review.profile_account", profile=step.account["rules"]["profile"])
        step.form.pick("profile", {None: of_account, **{name: name for name in step.account["profiles"]}})


# --- the account's clock ----------------------------------------------------------------------------------------------


def _draw_hours(step: Step) -> None:
    schedule = step.shown["schedule"]
    chosen = "account" if schedule is None else "own" if schedule else "any"
    kind = step.form.radio("schedule", say.options("options.hours"), chosen)
    business: Sequence[Row] = step.account["rules"]["business_hours"]
    empty = ui.label(say("hours.account_empty")).classes("d-help")
    with ui.column().classes("d-field") as own:
        rows = Hours(schedule or [_ADDED])
    ui.label(say("week.title")).classes("d-label").props("role=heading aria-level=3")
    week = Week()

    def shown_rows() -> Sequence[Row]:
        if kind.value == "own":
            return rows.glance
        return (business or [ALWAYS]) if kind.value == "account" else [ALWAYS]

    def follow() -> None:
        own.visible = kind.value == "own"
        empty.visible = kind.value == "account" and not business
        week.show(shown_rows())

    def read() -> list[dict[str, Any]] | None:
        return None if kind.value == "account" else [] if kind.value == "any" else rows.value

    step.form.reads("schedule", read)
    kind.on_value_change(follow)
    rows.on_change = follow
    follow()


class Hours:
    """Rows of a schedule. `glance`: as they stand, whatever is wrong with them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.on_change: Callable[[], None] | None = None
        self._rows = Rows(rows, self._draw, remove="hours.remove", changed=self._tell)
        ui.button(say("hours.add"), icon="add", on_click=lambda: self._rows.add(_ADDED)).props("flat no-caps dense")

    def _draw(self, row: Row) -> "_HoursRow":
        return _HoursRow(row, self._tell)

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()

    @property
    def glance(self) -> list[dict[str, Any]]:
        return [row.glance for row in self._rows]

    @property
    def value(self) -> list[dict[str, Any]]:
        if not len(self._rows):
            raise Unusable("schedule", say("hours.no_rows"))
        return [row.value for row in self._rows]


class _HoursRow:
    def __init__(self, row: Row, changed: Callable[[], None]) -> None:
        with ui.element("fieldset").classes("d-hours"):
            with ui.element("legend"):
                self._title = ui.label()
            with ui.row().classes("d-line"):
                self._days = _draw_weekdays(row["weekdays"])
            with ui.element("div").classes("d-grid d-tight"):
                self._start = time_input(say("hours.start"), row["start"])
                self._end = time_input(say("hours.end"), row["end"])
                self._end.props["hint"] = say("hours.end_help")
                first, last = row["month_days"] or (None, None)
                self._first = _small_number(say("hours.month_day_start"), first)
                self._last = _small_number(say("hours.month_day_finish"), last)
                months = {int(month): name for month, name in say.options("months").items()}
                self._months = ui.select(months, label=say("hours.months"), value=list(row["months"]), multiple=True)
                self._months.props("outlined dense options-dense use-chips").props["hint"] = say("hours.months_help")
        fields: tuple[ValueElement[Any], ...] = (
            *self._days.values(),
            self._start,
            self._end,
            self._first,
            self._last,
            self._months,
        )
        for field in fields:
            field.on_value_change(changed)

    def number(self, number: int) -> None:
        self._title.text = say("hours.row", number=number)
        for day, box in self._days.items():
            box.props["aria-label"] = say("week.of", day=say(f"weekdays.{day}"), number=number)

    @property
    def glance(self) -> dict[str, Any]:
        limited = self._first.value is not None or self._last.value is not None
        return {
            "start": time_value(self._start.value),
            "end": time_value(self._end.value),
            "weekdays": [day for day, box in self._days.items() if box.value],
            "month_days": [self._first.value or 1, self._last.value or 31] if limited else None,
            "months": sorted(self._months.value),
        }

    @property
    def value(self) -> dict[str, Any]:
        found = self.glance
        found["start"] = time_of_day("schedule", self._start.value)
        found["end"] = time_of_day("schedule", self._end.value)
        if found["month_days"]:
            found["month_days"] = [whole_or_none("schedule", day) for day in found["month_days"]]
        return found


def _draw_weekdays(chosen: Sequence[str]) -> dict[str, ui.checkbox]:
    """None ticked and all ticked mean the same; it is shown as it was said."""
    found = {}
    with ui.row().classes("d-days").props("role=group") as group:
        group.props["aria-label"] = say("hours.weekdays")
        for day in map(str, Weekday):
            found[day] = ui.checkbox(say(f"weekdays.{day}"), value=day in chosen).props("dense")
        ui.label(say("hours.weekdays_help")).classes("d-help")
    return found


def _small_number(label: str, value: float | None) -> ui.number:
    return ui.number(label, value=value).props("outlined dense")


# --- the lead's clock -------------------------------------------------------------------------------------------------


def _draw_zones(step: Step) -> None:
    window, plan = step.shown["lead_window"], step.shown["day_plan"]
    chosen = "window" if window else "plan" if plan else "none"
    kind = step.form.radio("zones", say.options("options.zones"), chosen)
    with ui.element("div").classes("d-grid") as for_window:
        start = step.form.add(
            "window_start", time_input(say("fields.window_start.label"), (window or _WINDOW)["start"])
        )
        end = step.form.add("window_end", time_input(say("fields.window_end.label"), (window or _WINDOW)["end"]))
    with ui.column().classes("d-field") as for_plan:
        days = _Plan(plan or _PLAN)
    for_window.bind_visibility_from(kind, "value", value="window")
    for_plan.bind_visibility_from(kind, "value", value="plan")

    def read_window() -> dict[str, str] | None:
        if kind.value != "window":
            return None
        return {"start": time_of_day("zones", start.value), "end": time_of_day("zones", end.value)}

    step.form.forget("zones")
    step.form.reads("lead_window", read_window)
    step.form.reads("day_plan", lambda: days.value if kind.value == "plan" else None)


_WINDOW: Row = {"start": "09:00:00", "end": "20:00:00"}
_PLAN: Row = {"days": [{"day": 0, "times": ["09:00:00", "13:00:00"]}], "window_h": 1.0}


class _Plan:
    """Days since a lead came, each with its times."""

    def __init__(self, plan: Row) -> None:
        self._window = _small_number(say("plan.window_h"), plan["window_h"]).classes("d-field")
        self._window.props["hint"] = say("plan.window_h_help")
        ui.label(say("plan.day_help")).classes("d-help")
        self._days = Rows(plan["days"], _PlannedDay, remove="plan.remove_day")
        ui.button(say("plan.add_day"), icon="add", on_click=self._add).props("flat no-caps dense")

    def _add(self) -> None:
        last = max((day.day or 0 for day in self._days), default=-1)
        self._days.add({"day": last + 1, "times": ["09:00:00"]})

    @property
    def value(self) -> dict[str, Any]:
        if self._window.value is None:
            raise Unusable("zones", say("number_missing"))
        return {"days": [day.value for day in self._days], "window_h": self._window.value}


class _PlannedDay:
    def __init__(self, day: Row) -> None:
        self._day = _small_number(say("plan.day"), day["day"]).classes("d-short")
        with ui.row().classes("d-line d-times"):
            self._times = Rows(day["times"], _Time, remove="plan.remove_time")
            add = ui.button(say("plan.add_time"), icon="add", on_click=lambda: self._times.add("13:00:00"))
            add.props("flat no-caps dense")

    def number(self, number: int) -> None:
        self._day.props["aria-label"] = say("plan.number", number=number)

    @property
    def day(self) -> int | None:
        return None if self._day.value is None else int(self._day.value)

    @property
    def value(self) -> dict[str, Any]:
        day, times = whole_or_none("zones", self._day.value), [time.value for time in self._times]
        if day is None or not all(times):
            raise Unusable("zones", say("plan.incomplete"))
        return {"day": day, "times": times}


class _Time:
    def __init__(self, time: str) -> None:
        self._field = time_input("", time).classes("d-short")

    def number(self, number: int) -> None:
        self._field.props["aria-label"] = say("plan.time", time=number)

    @property
    def value(self) -> str:
        return time_value(self._field.value)
