"""The rows of a schedule drawn as a week: a line a day, 24 hours wide."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from dialerd.domain.schedule import Weekday
from dialerd.portal.builder_form import say

DAY_MIN = 24 * 60
_DAYS = tuple(map(str, Weekday))


class Stretch(NamedTuple):
    """Of one day, in minutes since midnight; `end` is up to 1440."""

    start: int
    end: int
    always: bool
    """Else only in some months, or on some days of the month."""


def stretches_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Stretch]]:
    """By weekday, in order. What goes over midnight is open on the next day too; a row that is not complete yet opens nothing."""
    found: dict[str, list[Stretch]] = {day: [] for day in _DAYS}
    for row in rows:
        start, end = _minutes(row["start"]), _minutes(row["end"])
        if start is None or end is None:
            continue
        always = not row["months"] and not row["month_days"]
        for day in row["weekdays"] or _DAYS:
            found[day].append(Stretch(start, end if end > start else DAY_MIN, always))
            if 0 < end <= start:
                next_day = _DAYS[(_DAYS.index(day) + 1) % len(_DAYS)]
                found[next_day].append(Stretch(0, end, always))
    return {day: sorted(stretches) for day, stretches in found.items()}


def _minutes(text: str) -> int | None:
    hours, _, minutes = text[:5].partition(":")
    return int(hours) * 60 + int(minutes) if hours.isdigit() and minutes.isdigit() else None


class Week:
    def __init__(self) -> None:
        with ui.column().classes("d-week"):
            with ui.element("div").classes("d-week-hours").props("aria-hidden=true"):
                for hour in range(0, 24, 3):
                    ui.label(f"{hour:02d}")
            self._days = {day: _draw_day(say(f"weekdays.{day}")) for day in _DAYS}
            with ui.row().classes("d-week-legend"):
                ui.element("i").classes("d-week-open")
                ui.label(say("week.legend"))
                ui.element("i").classes("d-week-open d-week-sometimes")
                ui.label(say("week.legend_sometimes"))

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for day, stretches in stretches_of(rows).items():
            line = self._days[day]
            line.clear()
            line.props["aria-label"] = say("week.day", day=say(f"weekdays.{day}"), hours=_words(stretches))
            with line:
                for stretch in stretches:
                    _draw_stretch(stretch)


def _draw_day(name: str) -> ui.element:
    with ui.element("div").classes("d-week-day"):
        ui.label(name).props("aria-hidden=true")
        return ui.element("div").classes("d-week-line").props("role=img")


def _draw_stretch(stretch: Stretch) -> None:
    left, width = stretch.start / DAY_MIN, (stretch.end - stretch.start) / DAY_MIN
    bar = ui.element("i").classes("d-week-open" + ("" if stretch.always else " d-week-sometimes"))
    bar.style(f"left: {left:.3%}; width: {width:.3%}")


def _words(stretches: Sequence[Stretch]) -> str:
    said = []
    for stretch in stretches:
        hours = f"{_clock(stretch.start)}–{_clock(stretch.end)}"
        said.append(hours if stretch.always else say("week.sometimes", hours=hours))
    return ", ".join(said) or say("week.closed")


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
