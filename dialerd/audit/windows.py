"""Whether hours are open at a moment, written down a second time: by the clocks of Python's own zone database."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA

from dialerd.audit.evidence import LeadRow, LeadWindows, Rules, Window

DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NORTH_AMERICA = "1"
AREA_ENDS = 4
"""Digits of the 1 and an area code: a number there may ring anywhere in its area."""


def closed_schedule(rules: Rules, moments: Sequence[datetime]) -> bool:
    """Whether one of the moments is outside the campaign's own hours."""
    if not rules.schedule:
        return False
    return any(not any(_opened(row, wall) for row in rules.schedule) for wall in _walls(rules.zone, moments))


def closed_zone(rules: Rules, lead: LeadRow, number: str, moments: Sequence[datetime]) -> str | None:
    """The first zone of the lead in which one of the moments is outside its window."""
    if rules.lead_windows.daily is None and rules.lead_windows.plan is None:
        return None
    return next(
        (zone for zone in _zones_of(rules.lead_windows, lead, number) if _is_closed(rules, lead, zone, moments)), None
    )


def _is_closed(rules: Rules, lead: LeadRow, zone: str, moments: Sequence[datetime]) -> bool:
    windows = rules.lead_windows
    for wall in _walls(zone, moments):
        if windows.daily is not None and not _opened(windows.daily, wall):
            return True
        if windows.plan is not None and lead.came_at and not _planned(windows, _wall(zone, lead.came_at), wall):
            return True
    return False


def _opened(window: Window, wall: datetime) -> bool:
    """A window belongs to the day on which it starts."""
    return any(_is_on(window, day) and _reaches(window, day, wall) for day in (wall - DAY, wall))


def _is_on(window: Window, day: datetime) -> bool:
    first, last = window.month_days or (1, 31)
    fits_week = not window.weekdays or WEEKDAYS[day.weekday()] in window.weekdays
    return fits_week and first <= day.day <= last and (not window.months or day.month in window.months)


def _reaches(window: Window, day: datetime, wall: datetime) -> bool:
    start = datetime.combine(day.date(), window.start)
    end = datetime.combine(day.date(), window.end)
    return start <= wall < (end if end > start else end + DAY)


def _planned(windows: LeadWindows, came: datetime, wall: datetime) -> bool:
    for number, times in (windows.plan or {}).items():
        day = came.date() + timedelta(days=number)
        starts: Sequence[time] = times
        if any(timedelta() <= wall - datetime.combine(day, start) < windows.plan_window for start in starts):
            return True
    return False


def _walls(zone: str, moments: Sequence[datetime]) -> Iterator[datetime]:
    if is_known(zone):
        yield from (_wall(zone, moment) for moment in moments)


def _wall(zone: str, moment: datetime) -> datetime:
    return moment.astimezone(_clocks(zone)).replace(tzinfo=None)


@cache
def _clocks(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


@cache
def is_known(zone: str) -> bool:
    """Whether this machine's zone database has it: else nothing can be told of its clocks."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zones_of(windows: LeadWindows, lead: LeadRow, number: str) -> tuple[str, ...]:
    """Where the lead certainly may be: its number may also ring elsewhere in its country, so that more zones may have had to be open."""
    own = (lead.time_zone,) if lead.time_zone else ()
    if own and windows.own_zone_only:
        return own
    return tuple(dict.fromkeys((*_zones_of_number("".join(filter(str.isdecimal, number))), *own)))


@cache
def _zones_of_number(number: str) -> tuple[str, ...]:
    if number.startswith(NORTH_AMERICA) and (found := _areas().get(number[:AREA_ENDS])):
        return found
    beginnings = (number[:length] for length in range(len(number), 0, -1))
    return _named(next((TIMEZONE_DATA[each] for each in beginnings if each in TIMEZONE_DATA), ()))


@cache
def _areas() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for beginning, zones in TIMEZONE_DATA.items():
        if beginning.startswith(NORTH_AMERICA) and len(beginning) >= AREA_ENDS:
            found.setdefault(beginning[:AREA_ENDS], {}).update(dict.fromkeys(_named(zones)))
    return {area: tuple(zones) for area, zones in found.items()}


def _named(zones: Sequence[str]) -> tuple[str, ...]:
    return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)
