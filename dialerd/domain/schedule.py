"""When calls may start: windows of a schedule, of a lead's local day, and of a plan of days.

What is open is decided by the wall clock of a zone alone: a moment is inside a window when clocks there show a time from its start
up to, not including, its end. So where a clock is put back, a time that it shows twice is judged alike both times, and a window
may be open, closed, and open again; where a clock is put forward, a window whose start is left out opens when the clock has jumped.

Whoever has a say (the campaign's schedule, each zone where the lead may be, a rule of law) is one OpenHours; a call may
start while all of them are open, and will be for as long as the call may ring.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache, reduce
from itertools import filterfalse, pairwise
from operator import or_

from dialerd.domain.timezones import is_zone, naive_utc, offset_spans, wall_clock
from dialerd.errors import DialerdError

MAX_ROWS = 50
"""Rows of one schedule: each is looked at on every dial."""
MAX_PLAN_DAYS = 7
""" "Add day (up to 7 days)"."""
LAST_PLAN_DAY = 365
LONGEST_WINDOW_H = 24.0

HORIZON = timedelta(days=40 * 366)
"""No search looks further. In 40 years every date falls on every weekday, 29 February too, across the leap year that 2100 leaves out."""
SURE = timedelta(days=8 * 366)
"""How far every search looks, however much there is to look at: 29 February comes round in 8 years at the latest."""
PATIENCE = 6_000
"""Windows looked at, after which a search beyond SURE gives up. Hours that are open on few days need far less for 40 years."""

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_ANY = -1  # as bits: all of them


class ScheduleError(DialerdError):
    """This says no time at which calls may start. Mend it."""


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    __hash__ = str.__hash__  # much faster than an enum's own, and schedules are looked up by what is in them


_WEEKDAYS = tuple(Weekday)  # as datetime.weekday() counts them


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """A window on every day that fits: "Weekday", "Start Time", "End Time", "Month Day Start / Finish", "Month".

    An `end` that is not after `start` is on the next day: 22:00 to 06:00 spans midnight, and belongs to the day on which it
    starts; 00:00 to 00:00 is the whole day. Empty `weekdays` and `months` mean all of them.
    """

    start: time
    end: time
    weekdays: tuple[Weekday, ...] = ()
    month_days: tuple[int, int] | None = None
    """First and last day of the month, both included."""
    months: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeadWindow:
    """ "Dial By Timezone": a single daily window, in the zone of each lead."""

    start: time
    end: time


@dataclass(frozen=True, kw_only=True)
class PlannedDay:
    day: int
    """Days since the lead was created, by the lead's own calendar; 0 is the same day."""
    times: tuple[time, ...]
    """Starts of windows."""


@dataclass(frozen=True, kw_only=True)
class DayPlan:
    """ "Dial by Schedule by Timezone": which days after its creation a lead is dialed on, and when. A day that is missing is
    skipped."""

    days: tuple[PlannedDay, ...]
    window_h: float = 1.0


_WHOLE_DAY = ScheduleRow(start=time(0), end=time(0))


# --- What is open ----------------------------------------------------------------------------------------------------------

Stretch = tuple[datetime, datetime]
"""From, up to; without a tzinfo, and whether by a wall clock or in UTC is said where it is used."""


@dataclass(frozen=True, kw_only=True)
class _Recurring:
    """A row, ready to be asked about many days: distances from midnight, and bits for the days that fit."""

    opens: timedelta
    closes: timedelta
    weekdays: int = _ANY
    month_days: int = _ANY
    months: int = _ANY

    def is_on(self, day: datetime) -> bool:
        fits = (self.weekdays >> day.weekday()) & (self.month_days >> day.day) & (self.months >> day.month)
        return bool(fits & 1)


@dataclass(frozen=True, kw_only=True)
class OpenHours:
    """What one of those who have a say allows, by the clocks of `zone`. Made by `of_rows`, `of_lead_window`, `of_day_plan`.

    A zone that is not in the database raises ScheduleError: nobody can tell what time it is there.
    """

    zone: str
    recurring: tuple[_Recurring, ...] = ()
    """Sorted by when they open."""
    planned: tuple[Stretch, ...] | None = None
    """By the wall clock, sorted. None: not planned for certain days. Without both, it is always open."""
    closed_on: frozenset[date] = frozenset()
    """Days without a window, whatever else is said; one that reaches into such a day falls away as a whole."""

    def __post_init__(self) -> None:
        _refuse_unknown(self.zone)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Worked out once: it is asked for many times on every dial."""
        return hash((self.zone, self.recurring, self.planned, self.closed_on))

    @cached_property
    def always(self) -> bool:
        return not self.recurring and self.planned is None

    @cached_property
    def _months(self) -> int:
        return reduce(or_, (row.months for row in self.recurring), 0)

    @cached_property
    def _reach(self) -> timedelta:
        """How long before today the day is whose windows may still be open."""
        return _DAY if any(row.closes > _DAY for row in self.recurring) else timedelta()

    def windows(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        """By the wall clock, sorted by start: at least all that are open at some time from `since` to `until`."""
        found = self._recurring_windows(since, until) if self.planned is None else iter(self.planned)
        return filterfalse(self._is_on_closed_day, found) if self.closed_on else found

    def _is_on_closed_day(self, window: Stretch) -> bool:
        """No window is longer than a day."""
        opens, closes = window
        return not self.closed_on.isdisjoint((opens.date(), (closes - datetime.resolution).date()))

    def _recurring_windows(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        day = _midnight(since.date()) - self._reach
        while day <= until:
            if not self._months >> day.month & 1:
                day = _next_month(day)
                continue
            for row in self.recurring:
                if row.is_on(day):
                    yield day + row.opens, day + row.closes
            day += _DAY


def of_rows(rows: Sequence[ScheduleRow], zone: str, *, closed_on: Sequence[date] = ()) -> OpenHours:
    """The hours of a schedule; without a row it is always open, but for the days of `closed_on`."""
    if closed_on and not rows:
        rows = [_WHOLE_DAY]
    return _of_rows(tuple(rows), zone, frozenset(closed_on))


def of_lead_window(window: LeadWindow, zone: str) -> OpenHours:
    """The same hours every day."""
    return _of_rows((ScheduleRow(start=window.start, end=window.end),), zone)


def of_day_plan(plan: DayPlan, zone: str, *, created_at: datetime) -> OpenHours:
    """The hours of a lead that came at `created_at` (aware); its days are counted by the calendar of the zone."""
    _refuse_unknown(zone)
    return _of_day_plan(plan, zone, wall_clock(created_at, zone).date())


# The same few rows are asked about on every dial, in the zones that a campaign's leads live in.
@lru_cache(maxsize=1024)
def _of_rows(rows: tuple[ScheduleRow, ...], zone: str, closed_on: frozenset[date] = frozenset()) -> OpenHours:
    recurring = tuple(sorted(map(_recurring, rows), key=lambda row: row.opens))
    return OpenHours(zone=zone, recurring=recurring, closed_on=closed_on)


@lru_cache(maxsize=1024)
def _of_day_plan(plan: DayPlan, zone: str, created_on: date) -> OpenHours:
    length = timedelta(hours=plan.window_h)
    starts = sorted(
        _midnight(created_on) + planned.day * _DAY + _since_midnight(at)
        for planned in plan.days
        for at in planned.times
    )
    return OpenHours(zone=zone, planned=tuple((start, start + length) for start in starts))


def _refuse_unknown(zone: str) -> None:
    if not is_zone(zone):
        raise ScheduleError(f"{zone!r} is no time zone: use a name like Europe/London")


def _recurring(row: ScheduleRow) -> _Recurring:
    opens, closes = _since_midnight(row.start), _since_midnight(row.end)
    first, last = row.month_days or (1, 31)
    return _Recurring(
        opens=opens,
        closes=closes if closes > opens else closes + _DAY,
        weekdays=_bits(_WEEKDAYS.index(day) for day in row.weekdays) if row.weekdays else _ANY,
        month_days=_bits(range(first, last + 1)),
        months=_bits(row.months) if row.months else _ANY,
    )


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock's


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


def _next_month(day: datetime) -> datetime:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def is_open(hours: OpenHours, moment: datetime) -> bool:
    """Whether clocks in the zone show a time inside a window at the aware `moment`."""
    wall = wall_clock(moment, hours.zone)
    return hours.always or any(opens <= wall < closes for opens, closes in hours.windows(wall, wall))


# --- When it opens ---------------------------------------------------------------------------------------------------------


def next_start(all_of: Sequence[OpenHours], *, now: datetime, lasting: timedelta) -> datetime | None:
    """The earliest moment from `now` on (aware; the answer is in UTC) at which all are open, and stay so for `lasting`.

    `now` itself: a call that rings for `lasting` may start. They may close the moment the ringing ends. None: never again.
    """
    since = naive_utc(now)
    binding = tuple([hours for hours in all_of if not hours.always])
    open_until = _open_until(binding, since.replace(second=0, microsecond=0))
    if open_until is not None and since + lasting <= open_until:
        return now.astimezone(UTC)
    # While all are closed, everybody who asks within the hour gets the same answer.
    start = _first_start(binding, since.replace(minute=0, second=0, microsecond=0), lasting)
    if start is not None and start < since:
        start = _search(binding, since, lasting)
    return None if start is None else start.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def _open_until(all_of: tuple[OpenHours, ...], minute: datetime) -> datetime | None:
    """Until when, at least, all stay open that are open in this minute: windows begin and end with one. None: one is closed."""
    walks = [_Walk(hours, minute, timedelta()) for hours in all_of]
    if any(walk.first_start(minute) != minute for walk in walks):
        return None
    return min((walk.up_to for walk in walks), default=minute + HORIZON)


@lru_cache(maxsize=4096)
def _first_start(all_of: tuple[OpenHours, ...], since: datetime, lasting: timedelta) -> datetime | None:
    return _search(all_of, since, lasting)


def _search(all_of: tuple[OpenHours, ...], since: datetime, lasting: timedelta) -> datetime | None:
    """Each in turn moves the start to where it suits itself, until it suits all. In UTC, without a tzinfo."""
    walks = [_Walk(hours, since, lasting) for hours in all_of]
    start, agreed, sure = since, 0, since + SURE
    while agreed < len(walks):
        for walk in walks:
            suits = walk.first_start(start)
            if suits is None or (suits > sure and sum(each.looked_at for each in walks) > PATIENCE):
                return None
            agreed = agreed + 1 if suits == start else 1
            start = suits
    return start


class _Walk:
    """Goes through the stretches of one OpenHours, forward only."""

    def __init__(self, hours: OpenHours, since: datetime, lasting: timedelta) -> None:
        self._hours = hours
        self._lasting = lasting
        self._horizon = since + HORIZON
        self._stretches = _stretches(hours, since, self._horizon)
        self._from = self.up_to = since
        self.looked_at = 0

    def first_start(self, earliest: datetime) -> datetime | None:
        """The first moment from `earliest` on at which it is open and stays so. Never earlier than it was asked for before."""
        if earliest - self.up_to > _WEEK:  # the others leave out weeks or years: so do we
            self._stretches = _stretches(self._hours, earliest, self._horizon)
        while True:
            start = max(self._from, earliest)
            if start < self.up_to and start + self._lasting <= self.up_to:
                return start
            stretch = next(self._stretches, None)
            if stretch is None:
                return None
            self._from, self.up_to = stretch
            self.looked_at += 1


def _stretches(hours: OpenHours, since: datetime, until: datetime) -> Iterator[Stretch]:
    """When it is open, in UTC and in order. One that turns out to go on comes again, longer: nobody may need it whole."""
    opened = closed = since - _DAY
    for opens, closes in _pieces(hours, since, until):
        if opens > closed:
            opened, closed = opens, closes
        elif closes > closed:
            closed = closes
        else:
            continue
        yield opened, closed


def _pieces(hours: OpenHours, since: datetime, until: datetime) -> Iterator[Stretch]:
    """Windows in UTC, cut where they begin, end, or the clock changes; sorted by start, they may touch and overlap."""
    for begin, end, offset in offset_spans(hours.zone, since):
        if begin >= until:
            return
        first, last = max(begin, since) + offset, min(end, until) + offset
        for opens, closes in hours.windows(first, last):
            if opens >= last:
                break
            if closes > first:
                yield max(opens, first) - offset, min(closes, last) - offset


# --- What is wrong with it -------------------------------------------------------------------------------------------------


def problems_of(rows: Sequence[ScheduleRow]) -> list[str]:
    """All that is wrong with a schedule, as sentences. Empty: it can be used."""
    too_many = [f"a schedule has at most {MAX_ROWS} rows, not {len(rows)}"] if len(rows) > MAX_ROWS else []
    named = [
        f"row {number}: {problem}" for number, row in enumerate(rows, start=1) for problem in _problems_of_row(row)
    ]
    return too_many + named


def problems_of_window(window: LeadWindow) -> list[str]:
    """All that is wrong with a daily window, as sentences."""
    return _problems_of_times(window.start, window.end)


def problems_of_plan(plan: DayPlan) -> list[str]:
    """All that is wrong with a plan of days, as sentences."""
    problems = [problem for planned in plan.days for problem in _problems_of_day(planned)]
    if len(plan.days) > MAX_PLAN_DAYS:
        problems.append(f"a plan has at most {MAX_PLAN_DAYS} days, not {len(plan.days)}")
    if any(later.day <= earlier.day for earlier, later in pairwise(plan.days)):
        problems.append("each day stands once in a plan, and earlier days come first")
    if not any(planned.times for planned in plan.days):
        problems.append("a plan without any time never dials: add a time to a day")
    if not 0 < plan.window_h <= LONGEST_WINDOW_H:
        problems.append(f"a window lasts more than 0 and at most {LONGEST_WINDOW_H:g} hours, not {plan.window_h:g}")
    return problems


def _problems_of_row(row: ScheduleRow) -> list[str]:
    problems = _problems_of_times(row.start, row.end)
    if len(set(row.weekdays)) < len(row.weekdays) or len(set(row.months)) < len(row.months):
        problems.append("a weekday or a month stands there twice")
    if not all(1 <= month <= 12 for month in row.months):
        problems.append("months are numbers from 1 to 12")
    if row.month_days and not 1 <= row.month_days[0] <= row.month_days[1] <= 31:
        problems.append("days of the month go from 1 to 31, and the first is not after the last")
    elif row.month_days and row.months and all(_LENGTHS.get(month, 31) < row.month_days[0] for month in row.months):
        problems.append(f"no such month has a day {row.month_days[0]}, so this row never opens")
    return problems


def _problems_of_times(start: time, end: time) -> list[str]:
    if not (_is_plain(start) and _is_plain(end)):
        return [_NOT_PLAIN]
    if start == end != time(0):
        return ["start and end are the same: write 00:00-24:00 for the whole day"]
    return []


def _problems_of_day(planned: PlannedDay) -> list[str]:
    problems = []
    if not 0 <= planned.day <= LAST_PLAN_DAY:
        problems.append(f"a day of a plan is from 0 (the day the lead came) to {LAST_PLAN_DAY}, not {planned.day}")
    if len(set(planned.times)) < len(planned.times):
        problems.append(f"a time stands twice on day {planned.day}")
    if not all(map(_is_plain, planned.times)):
        problems.append(f"day {planned.day}: {_NOT_PLAIN}")
    return problems


def _is_plain(at: time) -> bool:
    return at.tzinfo is None and at.second == 0 and at.microsecond == 0


_NOT_PLAIN = "times are hours and minutes of the local clock (hh:mm), without seconds or a zone"
_LENGTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
"""Most days of the months that have not always 31."""

# --- As people write it ----------------------------------------------------------------------------------------------------

_MONTHS = tuple(range(1, 13))
_MONTH_NAMES = tuple(map(str, _MONTHS))
_ROW = re.compile(
    r"(?:([a-z,-]+) )?([0-9:]+)-([0-9:]+)(?: days ([0-9]{1,2})(?:-([0-9]{1,2}))?)?(?: months ([0-9,-]+))?"
)
_WINDOW = re.compile(r"([0-9:]+)-([0-9:]+)")
_PLANNED_DAY = re.compile(r"([0-9]{1,3}):(.*)")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def parse_row(text: str) -> ScheduleRow:
    """A row like `mon-fri 09:00-17:00`, `mon,wed,sat 09:00-12:30 days 1-15 months 1,2,6` or `22:00-06:00`; an end may be 24:00.

    Raises ScheduleError with everything that is wrong. `row_text` is the way back.
    """
    found = _ROW.fullmatch(_tidy(text))
    if not found:
        raise _unreadable(text, "mon-fri 09:00-17:00 days 1-15 months 1,2,6 (only the times are needed)")
    weekdays, start, end, first, last, months = found.groups()
    row = ScheduleRow(
        start=_time(start),
        end=_end_time(end),
        weekdays=tuple(_WEEKDAYS[place] for place in _members(weekdays, _WEEKDAYS)),
        month_days=(int(first), int(last or first)) if first else None,
        months=tuple(_MONTHS[place] for place in _members(months, _MONTH_NAMES)),
    )
    _refuse(text, _problems_of_row(row))
    return row


def row_text(row: ScheduleRow) -> str:
    """The row as `parse_row` reads it."""
    parts = [_window_text(row.start, row.end)]
    if row.weekdays:
        parts.insert(0, _members_text([_WEEKDAYS.index(day) for day in row.weekdays], _WEEKDAYS))
    if row.month_days:
        first, last = row.month_days
        parts.append(f"days {first}" if first == last else f"days {first}-{last}")
    if row.months:
        parts.append("months " + _members_text([_MONTHS.index(month) for month in row.months], _MONTH_NAMES))
    return " ".join(parts)


def parse_window(text: str) -> LeadWindow:
    """A daily window like `09:00-20:00`. Raises ScheduleError; `window_text` is the way back."""
    found = _WINDOW.fullmatch(_tidy(text))
    if not found:
        raise _unreadable(text, "09:00-20:00")
    window = LeadWindow(start=_time(found[1]), end=_end_time(found[2]))
    _refuse(text, problems_of_window(window))
    return window


def window_text(window: LeadWindow) -> str:
    """The window as `parse_window` reads it."""
    return _window_text(window.start, window.end)


def parse_plan(lines: Sequence[str], window_h: float = 1.0) -> DayPlan:
    """A plan whose days are written like `0: 09:00, 13:00`, in any order. Raises ScheduleError; `plan_text` is the way back."""
    days = sorted((_parse_planned_day(line) for line in lines), key=lambda planned: planned.day)
    plan = DayPlan(days=tuple(days), window_h=window_h)
    _refuse("; ".join(lines), problems_of_plan(plan))
    return plan


def plan_text(plan: DayPlan) -> list[str]:
    """The days of the plan, a line each, as `parse_plan` reads them."""
    return [f"{planned.day}: {', '.join(map(_time_text, planned.times))}".rstrip() for planned in plan.days]


def _parse_planned_day(line: str) -> PlannedDay:
    found = _PLANNED_DAY.fullmatch(_tidy(line))
    if not found:
        raise _unreadable(line, "0: 09:00, 13:00 (days since the lead came, then times)")
    times = found[2].strip()
    return PlannedDay(day=int(found[1]), times=tuple(map(_time, times.split(","))) if times else ())


def _tidy(text: str) -> str:
    """Small letters, single blanks, none around commas and dashes."""
    return re.sub(r" ?([,-]) ?", r"\1", " ".join(text.lower().split()))


def _time(text: str) -> time:
    found = _TIME.fullmatch(text)
    if not found:
        raise _unreadable(text, "hh:mm, from 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def _end_time(text: str) -> time:
    return time(0) if text == "24:00" else _time(text)


def _time_text(at: time) -> str:
    return f"{at:%H:%M}"


def _window_text(start: time, end: time) -> str:
    return f"{_time_text(start)}-{'24:00' if end == time(0) else _time_text(end)}"


def _members(text: str | None, names: Sequence[str]) -> list[int]:
    """Places in `names` of what is listed, e.g. `mon-wed,sat`. A range may go over the end: `sat-mon`."""
    return [place for part in text.split(",") for place in _range(part, names)] if text else []


def _range(part: str, names: Sequence[str]) -> Iterable[int]:
    first, _, last = part.partition("-")
    last = last or first
    if first not in names or last not in names:
        raise _unreadable(part, f"one of {', '.join(names)}, or two of them with a dash between")
    start = names.index(first)
    length = (names.index(last) - start) % len(names) + 1
    return (place % len(names) for place in range(start, start + length))


def _members_text(places: Sequence[int], names: Sequence[str]) -> str:
    """Three or more in a row are written as a range."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == (runs[-1][-1] + 1) % len(names):
            runs[-1].append(place)
        else:
            runs.append([place])
    return ",".join(_run_text([names[place] for place in run]) for run in runs)


def _run_text(run: Sequence[str]) -> str:
    return f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run)


def _unreadable(text: str, example: str) -> ScheduleError:
    return ScheduleError(f"{text!r} cannot be read: write {example}")


def _refuse(text: str, problems: Sequence[str]) -> None:
    if problems:
        raise ScheduleError(f"{text!r} cannot be used: {'; '.join(problems)}")
