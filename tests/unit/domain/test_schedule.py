"""Law L3 (hours): when calls may start, by the words of the specification and by a plain reading of a wall clock."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.domain.schedule import (
    MAX_ROWS,
    DayPlan,
    LeadWindow,
    OpenHours,
    PlannedDay,
    ScheduleError,
    ScheduleRow,
    Weekday,
    is_open,
    next_start,
    of_day_plan,
    of_lead_window,
    of_rows,
    parse_plan,
    parse_row,
    parse_window,
    plan_text,
    problems_of,
    problems_of_plan,
    problems_of_window,
    row_text,
    window_text,
)
from dialerd.domain.timezones import in_zone, instants_of

LONDON, BERLIN, NEW_YORK = "Europe/London", "Europe/Berlin", "America/New_York"
RING = timedelta(seconds=45)
INSTANT = timedelta()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str) -> datetime:
    """The moment at which clocks in the zone show this; a time that they show twice has to be told otherwise."""
    (moment,) = instants_of(datetime.fromisoformat(text), zone)
    return moment


def schedule(*rows: str, zone: str = "UTC") -> OpenHours:
    return of_rows([parse_row(row) for row in rows], zone)


def daily(window: str, zone: str) -> OpenHours:
    return of_lead_window(parse_window(window), zone)


def opening(*all_of: OpenHours, now: datetime, lasting: timedelta = INSTANT) -> datetime | None:
    return next_start(all_of, now=now, lasting=lasting)


# --- Campaign Schedule: "time groups restrict when the dialer may place calls (account timezone)" ----------------------------


def test_weekday_days_the_window_applies_multi_select() -> None:
    hours = schedule("mon,wed,sat 09:00-17:00")
    week = [utc("2026-06-01 12:00") + timedelta(days=day) for day in range(7)]  # a Monday
    assert [is_open(hours, noon) for noon in week] == [True, False, True, False, False, True, False]


def test_start_time_is_inside_and_end_time_is_not() -> None:
    hours = schedule("09:00-17:00")
    moments = ["08:59:59.999999", "09:00", "16:59:59.999999", "17:00"]
    assert [is_open(hours, utc(f"2026-06-01 {at}")) for at in moments] == [False, True, True, False]


def test_hours_are_on_the_24_hour_clock() -> None:
    hours = schedule("21:00-21:30")
    assert is_open(hours, utc("2026-06-01 21:15"))
    assert not is_open(hours, utc("2026-06-01 09:15"))


def test_add_one_or_more_rows_any_of_them_opens() -> None:
    hours = schedule("mon-fri 09:00-12:00", "mon-fri 14:00-18:00", "sat 10:00-13:00")
    friday = ["08:00", "11:00", "13:00", "17:00"]
    assert [is_open(hours, utc(f"2026-06-05 {at}")) for at in friday] == [False, True, False, True]
    assert is_open(hours, utc("2026-06-06 10:00"))


def test_month_day_start_and_finish_are_both_inside_the_range() -> None:
    hours = schedule("09:00-17:00 days 10-12")
    days = [9, 10, 11, 12, 13]
    assert [is_open(hours, utc(f"2026-06-{day:02} 12:00")) for day in days] == [False, True, True, True, False]


def test_month_filter_multi_select() -> None:
    hours = schedule("09:00-17:00 months 1,2,6")
    assert [month for month in range(1, 13) if is_open(hours, utc(f"2026-{month:02}-10 12:00"))] == [1, 2, 6]


def test_a_row_opens_only_where_weekday_month_day_and_month_all_fit() -> None:
    hours = schedule("fri 09:00-17:00 days 13-13 months 2,11")
    assert opening(hours, now=utc("2026-02-14 00:00")) == utc("2026-11-13 09:00")


def test_the_schedule_is_in_the_timezone_of_the_account() -> None:
    hours = schedule("09:00-17:00", zone=NEW_YORK)
    assert opening(hours, now=utc("2026-07-01 00:00")) == utc("2026-07-01 13:00")
    assert opening(hours, now=utc("2026-12-01 00:00")) == utc("2026-12-01 14:00")


def test_without_a_row_it_is_always_open() -> None:
    now = utc("2026-06-01 03:00")
    assert is_open(of_rows([], BERLIN), now)
    assert opening(of_rows([], BERLIN), now=now, lasting=timedelta(days=500)) == now
    assert next_start([], now=now, lasting=RING) == now


def test_dials_outside_the_window_are_queued_until_the_next_open_window() -> None:
    """ "Dials outside the business-hours window are simply queued until the next open window." """
    hours = schedule("mon-fri 09:00-19:00", zone=BERLIN)
    friday_evening = local("2026-06-05 19:00", BERLIN)
    assert opening(hours, now=friday_evening) == local("2026-06-08 09:00", BERLIN)


# --- Windows over midnight --------------------------------------------------------------------------------------------------


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    hours = schedule("fri 22:00-06:00")
    assert is_open(hours, utc("2026-06-06 05:59"))  # a Saturday
    assert not is_open(hours, utc("2026-06-05 05:59"))
    assert not is_open(hours, utc("2026-06-06 22:30"))


def test_a_window_over_midnight_belongs_to_the_month_in_which_it_starts() -> None:
    hours = schedule("22:00-06:00 days 31-31 months 1")
    assert is_open(hours, utc("2026-02-01 05:00"))
    assert not is_open(hours, utc("2026-01-31 05:00"))


def test_midnight_to_midnight_is_the_whole_day() -> None:
    hours = schedule("wed 00:00-24:00")
    edges = ["2026-06-02 23:59:59", "2026-06-03 00:00", "2026-06-03 23:59:59", "2026-06-04 00:00"]
    assert [is_open(hours, utc(at)) for at in edges] == [False, True, True, False]


def test_whole_days_that_follow_each_other_never_close_in_between() -> None:
    hours = schedule("00:00-24:00", zone=BERLIN)
    before_midnight = local("2026-06-03 23:59:50", BERLIN)
    assert opening(hours, now=before_midnight, lasting=timedelta(days=400)) == before_midnight


# --- Dial By Timezone: "a single daily window evaluated in each lead's timezone" ---------------------------------------------


def test_dial_by_timezone_dials_only_between_from_and_to_in_the_leads_local_timezone() -> None:
    window = "09:00-20:00"
    now = utc("2026-06-01 07:30")
    assert is_open(daily(window, BERLIN), now)
    assert not is_open(daily(window, LONDON), now)
    assert opening(daily(window, LONDON), now=now) == utc("2026-06-01 08:00")
    assert opening(daily(window, NEW_YORK), now=now) == utc("2026-06-01 13:00")


def test_the_daily_window_is_open_on_every_day_of_the_week() -> None:
    week = [utc("2026-06-01 12:00") + timedelta(days=day) for day in range(7)]
    assert all(is_open(daily("09:00-20:00", LONDON), noon) for noon in week)


def test_a_lead_that_may_live_in_two_zones_is_dialed_while_both_are_open() -> None:
    both = [daily("08:00-21:00", NEW_YORK), daily("08:00-21:00", "America/Los_Angeles")]
    assert opening(*both, now=utc("2026-06-01 12:30")) == utc("2026-06-01 15:00")
    assert opening(*both, now=utc("2026-06-02 00:59:30"), lasting=RING) == utc("2026-06-02 15:00")


def test_the_campaigns_schedule_and_the_leads_window_both_hold() -> None:
    campaign, lead = schedule("mon-fri 09:00-17:00", zone=BERLIN), daily("09:00-20:00", NEW_YORK)
    assert opening(campaign, lead, now=utc("2026-06-01 08:00")) == utc("2026-06-01 13:00")
    assert opening(campaign, lead, now=utc("2026-06-01 15:00")) == utc("2026-06-02 13:00")


# --- Dial by Schedule by Timezone ---------------------------------------------------------------------------------------------


def plan(*days: str, window_h: float = 1.0, zone: str = BERLIN, created: str = "2026-06-01 08:00") -> OpenHours:
    return of_day_plan(parse_plan(days, window_h), zone, created_at=local(created, zone))


def openings(hours: OpenHours, since: datetime) -> list[str]:
    """Starts of all windows, by the clocks of the zone."""
    found = []
    while (start := opening(hours, now=since)) is not None:
        found.append(f"{in_zone(start, hours.zone):%d %H:%M}")
        while is_open(hours, start):
            start += timedelta(minutes=1)
        since = start
    return found


def test_day_n_is_the_offset_from_lead_creation_and_0_is_the_same_day() -> None:
    hours = plan("0: 09:00", "2: 10:00")
    assert openings(hours, utc("2026-06-01 00:00")) == ["01 09:00", "03 10:00"]


def test_the_same_day_is_that_of_the_leads_own_calendar() -> None:
    created = utc("2026-06-01 23:30")
    plan_of_day_0 = parse_plan(["0: 09:00"])
    berlin = of_day_plan(plan_of_day_0, BERLIN, created_at=created)
    new_york = of_day_plan(plan_of_day_0, NEW_YORK, created_at=created)
    assert opening(berlin, now=created) == local("2026-06-02 09:00", BERLIN)
    assert opening(new_york, now=created) is None  # it is still the 1st there, in the evening


def test_one_or_more_start_times_per_day() -> None:
    hours = plan("0: 18:00, 09:00, 13:00")
    assert openings(hours, utc("2026-06-01 00:00")) == ["01 09:00", "01 13:00", "01 18:00"]


def test_an_empty_day_is_skipped() -> None:
    hours = plan("0: 09:00", "1:", "3: 09:00")
    assert openings(hours, utc("2026-06-01 00:00")) == ["01 09:00", "04 09:00"]


def test_window_duration_is_one_hour_by_default() -> None:
    hours = of_day_plan(
        DayPlan(days=(PlannedDay(day=0, times=(time(9),)),)), LONDON, created_at=utc("2026-01-05 00:00")
    )
    assert [is_open(hours, utc(f"2026-01-05 {at}")) for at in ["08:59", "09:00", "09:59", "10:00"]] == [
        False,
        True,
        True,
        False,
    ]


def test_window_duration_may_be_part_of_an_hour_and_reach_over_midnight() -> None:
    hours = plan("0: 23:30", window_h=1.5)
    start = local("2026-06-01 23:30", BERLIN)
    assert opening(hours, now=start, lasting=timedelta(minutes=90)) == start
    assert not is_open(hours, local("2026-06-02 01:00", BERLIN))


def test_windows_of_a_plan_that_overlap_are_one() -> None:
    hours = plan("0: 09:00, 09:30, 10:30")
    start = local("2026-06-01 09:00", BERLIN)
    assert opening(hours, now=start, lasting=timedelta(minutes=150)) == start


def test_a_plan_that_is_over_never_opens_again() -> None:
    assert opening(plan("0: 09:00", "6: 09:00"), now=local("2026-06-07 10:00", BERLIN)) is None


# --- "No call starts that could still be ringing after the window closes" --------------------------------------------------


@pytest.mark.parametrize(("before_closing", "starts_now"), [(46, True), (45, True), (44.999999, False), (0, False)])
def test_a_call_may_ring_up_to_the_moment_the_window_closes(before_closing: float, starts_now: bool) -> None:
    hours = schedule("09:00-17:00")
    now = utc("2026-06-01 17:00") - timedelta(seconds=before_closing)
    expected = now if starts_now else utc("2026-06-02 09:00")
    assert opening(hours, now=now, lasting=RING) == expected


def test_rows_that_touch_are_one_window() -> None:
    hours = schedule("mon 09:00-12:00", "mon 12:00-15:00")
    now = utc("2026-06-01 11:59:40")
    assert opening(hours, now=now, lasting=RING) == now


def test_a_row_inside_a_longer_one_changes_nothing() -> None:
    hours = schedule("10:00-11:00", "09:00-20:00")
    assert opening(hours, now=utc("2026-06-01 07:00"), lasting=timedelta(hours=11)) == utc("2026-06-01 09:00")


def test_a_window_shorter_than_the_ringing_never_opens() -> None:
    assert opening(schedule("09:00-09:01"), now=utc("2026-06-01 00:00"), lasting=timedelta(seconds=61)) is None


# --- Days that are rare, or never come --------------------------------------------------------------------------------------


def test_29_february_comes_in_the_next_leap_year() -> None:
    hours = schedule("09:00-17:00 days 29-29 months 2", zone=LONDON)
    assert opening(hours, now=utc("2024-02-29 17:00")) == utc("2028-02-29 09:00")


def test_29_february_comes_after_eight_years_where_a_century_leaves_one_out() -> None:
    hours = schedule("09:00-17:00 days 29-29 months 2")
    assert opening(hours, now=utc("2096-03-01 00:00")) == utc("2104-02-29 09:00")


def test_29_february_is_found_behind_thousands_of_windows_that_never_meet() -> None:
    leap_days = schedule("09:00-10:00", "13:00-14:00", "11:00-12:00 days 29 months 2")
    other_times = schedule("11:00-12:00", "15:00-16:00")
    assert opening(leap_days, other_times, now=utc("2096-03-01 00:00")) == utc("2104-02-29 11:00")


def test_a_monday_that_is_29_february_comes_too() -> None:
    hours = schedule("mon 09:00-17:00 days 29-29 months 2")
    assert opening(hours, daily("08:00-20:00", "UTC"), now=utc("2026-01-01 00:00")) == utc("2044-02-29 09:00")


@pytest.mark.parametrize(
    "never",
    [
        [of_rows([ScheduleRow(start=time(9), end=time(17), month_days=(30, 31), months=(2,))], BERLIN)],
        [schedule("mon 09:00-17:00"), schedule("tue 09:00-17:00")],
        [schedule("09:00-10:00"), schedule("11:00-12:00")],
        [schedule("09:00-12:00", zone=BERLIN), daily("09:00-17:00", "America/Los_Angeles")],
        [schedule("09:00-10:00"), schedule("10:00-11:00")],
        [of_day_plan(DayPlan(days=()), BERLIN, created_at=utc("2026-06-01 08:00"))],
    ],
)
def test_hours_that_never_meet_never_open(never: list[OpenHours]) -> None:
    assert opening(*never, now=utc("2026-06-01 08:00"), lasting=RING) is None


def test_a_range_of_days_that_goes_backwards_opens_on_no_day() -> None:
    backwards = ScheduleRow(start=time(9), end=time(17), month_days=(15, 1))
    assert opening(of_rows([backwards], BERLIN), now=utc("2026-06-01 08:00")) is None


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Etc/Unknown"])
def test_hours_in_an_unknown_zone_are_refused(zone: str) -> None:
    with pytest.raises(ScheduleError, match="is no time zone"):
        daily("09:00-20:00", zone)
    with pytest.raises(ScheduleError, match="is no time zone"):
        of_day_plan(parse_plan(["0: 09:00"]), zone, created_at=utc("2026-06-01 08:00"))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        is_open(daily("09:00-20:00", BERLIN), datetime.fromisoformat("2026-06-01 12:00"))
    with pytest.raises(TypeError):
        opening(daily("09:00-20:00", BERLIN), now=datetime.fromisoformat("2026-06-01 12:00"))


# --- Clocks that change -------------------------------------------------------------------------------------------------------


def changes(hours: OpenHours, since: str, until: str) -> list[str]:
    """When (UTC) it opens and closes, looked at every minute."""
    first, last = utc(since), utc(until)
    minutes = [first + timedelta(minutes=n) for n in range(int((last - first) / timedelta(minutes=1)) + 1)]
    open_at = [is_open(hours, minute) for minute in minutes]
    assert open_at == [opening(hours, now=minute) == minute for minute in minutes]
    return [
        f"{minute:%H:%M}" for minute, (before, now) in zip(minutes[1:], pairwise(open_at), strict=True) if before != now
    ]


def test_in_the_fold_a_window_is_open_closed_and_open_again() -> None:
    hours = schedule("01:30-02:30", zone=BERLIN)
    assert changes(hours, "2026-10-24 22:00", "2026-10-25 04:00") == ["23:30", "00:30", "01:00", "01:30"]
    assert opening(hours, now=utc("2026-10-25 00:29:30"), lasting=RING) == utc("2026-10-25 01:00")


def test_a_window_that_starts_in_the_fold_and_ends_after_it_is_interrupted_by_the_change() -> None:
    hours = schedule("02:30-03:30", zone=BERLIN)
    assert changes(hours, "2026-10-24 22:00", "2026-10-25 04:00") == ["00:30", "01:00", "01:30", "02:30"]
    assert opening(hours, now=utc("2026-10-25 00:59:30"), lasting=RING) == utc("2026-10-25 01:30")


def test_in_new_yorks_fold_too() -> None:
    hours = schedule("00:30-01:30", zone=NEW_YORK)
    assert changes(hours, "2026-11-01 03:00", "2026-11-01 08:00") == ["04:30", "05:30", "06:00", "06:30"]


@pytest.mark.parametrize(
    ("zone", "window", "around", "times"),
    [
        (BERLIN, "02:30-04:00", ("2026-03-29 00:00", "2026-03-29 04:00"), ["01:00", "02:00"]),
        (NEW_YORK, "02:15-05:00", ("2026-03-08 05:00", "2026-03-08 12:00"), ["07:00", "09:00"]),
        ("America/Sao_Paulo", "00:30-02:00", ("2018-11-04 01:00", "2018-11-04 08:00"), ["03:00", "04:00"]),
        ("Australia/Lord_Howe", "02:10-03:00", ("2026-10-03 14:00", "2026-10-03 18:00"), ["15:30", "16:00"]),
    ],
)
def test_a_start_inside_a_gap_opens_at_the_first_moment_after_it(
    zone: str, window: str, around: tuple[str, str], times: list[str]
) -> None:
    hours = schedule(window, zone=zone)
    assert changes(hours, *around) == times
    assert opening(hours, now=utc(around[0])) == utc(f"{around[0][:10]} {times[0]}")


def test_a_window_that_lies_within_a_gap_does_not_open_on_that_day() -> None:
    hours = schedule("02:15-02:45", zone=BERLIN)
    assert opening(hours, now=utc("2026-03-29 00:00")) == local("2026-03-30 02:15", BERLIN)


def test_where_midnight_itself_is_left_out_the_day_opens_an_hour_late() -> None:
    sunday = schedule("sun 00:00-24:00", zone="America/Sao_Paulo")
    assert opening(sunday, now=utc("2018-11-04 00:00")) == utc("2018-11-04 03:00")


def test_in_lord_howes_fold_half_an_hour_is_repeated() -> None:
    hours = schedule("01:00-01:45", zone="Australia/Lord_Howe")
    assert changes(hours, "2026-04-04 13:00", "2026-04-04 17:00") == ["14:00", "14:45", "15:00", "15:15"]


def test_a_clock_a_quarter_of_an_hour_off_opens_on_the_quarter() -> None:
    assert opening(daily("09:00-20:00", "Asia/Kathmandu"), now=utc("2026-06-01 00:00")) == utc("2026-06-01 03:15")
    assert opening(daily("09:00-20:00", "Asia/Katmandu"), now=utc("2026-06-01 00:00")) == utc("2026-06-01 03:15")


def test_the_day_that_samoa_left_out_never_opens() -> None:
    friday = schedule("fri 09:00-17:00", zone="Pacific/Apia")
    assert opening(friday, now=local("2011-12-29 12:00", "Pacific/Apia")) == local("2012-01-06 09:00", "Pacific/Apia")
    every_day = schedule("09:00-17:00", zone="Pacific/Apia")
    assert opening(every_day, now=utc("2011-12-30 03:00")) == local("2011-12-31 09:00", "Pacific/Apia")


def test_whole_days_do_not_close_while_clocks_change() -> None:
    now = utc("2026-10-25 00:59:50")
    assert opening(schedule("00:00-24:00", zone=BERLIN), now=now, lasting=RING) == now


def test_a_plans_hours_are_those_of_the_wall_clock_in_the_fold() -> None:
    hours = plan("1: 01:30", created="2026-10-24 12:00")
    assert changes(hours, "2026-10-24 22:00", "2026-10-25 04:00") == ["23:30", "00:30", "01:00", "01:30"]


@pytest.mark.parametrize(
    ("legacy", "name"),
    [("Asia/Calcutta", "Asia/Kolkata"), ("US/Eastern", NEW_YORK), ("Pacific/Truk", "Pacific/Port_Moresby")],
)
def test_legacy_names_have_the_hours_of_the_zone_that_they_were(legacy: str, name: str) -> None:
    now = utc("2026-06-01 23:10")
    assert opening(daily("09:00-20:00", legacy), now=now) == opening(daily("09:00-20:00", name), now=now)


# --- Against a plain reading of the wall clock ------------------------------------------------------------------------------
#
# Nothing below uses the module's own idea of a window: a moment's wall clock, taken apart, is held against each row.

Rule = ScheduleRow | tuple[DayPlan, datetime]


def row_is_open(row: ScheduleRow, clock: datetime) -> bool:
    yesterday = clock - timedelta(days=1)
    if row.start < row.end:
        return day_fits(row, clock) and row.start <= clock.time() < row.end
    return (day_fits(row, clock) and clock.time() >= row.start) or (day_fits(row, yesterday) and clock.time() < row.end)


def day_fits(row: ScheduleRow, clock: datetime) -> bool:
    first, last = row.month_days or (1, 31)
    weekdays = [day.value for day in row.weekdays or tuple(Weekday)]
    return (
        f"{clock:%a}".lower() in weekdays
        and first <= clock.day <= last
        and (not row.months or clock.month in row.months)
    )


def plan_is_open(plan: DayPlan, created: datetime, clock: datetime) -> bool:
    for planned in plan.days:
        for at in planned.times:
            start = datetime.combine(created.date() + timedelta(days=planned.day), at)
            if start <= clock < start + timedelta(hours=plan.window_h):
                return True
    return False


CHANGES = {
    BERLIN: ["2026-03-29 01:00", "2026-10-25 01:00"],
    NEW_YORK: ["2026-03-08 07:00", "2026-11-01 06:00"],
    "America/Sao_Paulo": ["2018-11-04 03:00", "2019-02-17 02:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
    "Africa/Casablanca": ["2026-02-15 02:00", "2026-03-22 02:00"],
    "Pacific/Apia": ["2011-12-30 10:00"],
    "Asia/Kathmandu": ["2026-01-01 00:00"],
    "Asia/Calcutta": ["2028-02-29 00:00"],
}
DAYS_LOOKED_AT = 3

times = st.times().map(lambda at: time(at.hour, at.minute))
short_hours = st.sampled_from([time(0), time(0, 30), time(1), time(1, 30), time(2), time(2, 15), time(2, 30), time(3)])
clock_times = st.one_of(times, short_hours)
month_ranges = st.tuples(st.integers(1, 31), st.integers(1, 31)).map(lambda days: (min(days), max(days)))


def unique_tuples(values: st.SearchStrategy[int], most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(values, unique=True, max_size=most).map(tuple)


rows = st.builds(
    ScheduleRow,
    start=clock_times,
    end=clock_times,
    weekdays=st.lists(st.sampled_from(Weekday), unique=True).map(tuple),
    month_days=st.none() | month_ranges,
    months=unique_tuples(st.integers(1, 12), 12),
).filter(lambda row: not problems_of([row]))
plain_rows = st.builds(ScheduleRow, start=clock_times, end=clock_times).filter(lambda row: not problems_of([row]))
planned_days = st.builds(
    PlannedDay, day=st.integers(0, 365), times=st.lists(clock_times, unique=True, max_size=4).map(tuple)
)


@st.composite
def plans(draw: st.DrawFn, last_day: int = 365) -> DayPlan:
    days = draw(st.lists(st.integers(0, last_day), unique=True, min_size=1, max_size=7))
    some_times = st.lists(clock_times, unique=True, min_size=1, max_size=4).map(tuple)
    planned = tuple(PlannedDay(day=day, times=draw(some_times)) for day in sorted(days))
    return DayPlan(days=planned, window_h=draw(st.sampled_from([0.25, 0.5, 1.0, 1.5, 8.0, 24.0])))


@st.composite
def cases(draw: st.DrawFn) -> tuple[datetime, list[tuple[OpenHours, list[Rule]]]]:
    """A moment near a change of some clock, and one to three who have a say, each with what it was made of."""
    zones = draw(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3))
    change = utc(draw(st.sampled_from(CHANGES[zones[0]])))
    hour = timedelta(hours=1)
    now = change + draw(st.timedeltas(-3 * hour, hour) | st.timedeltas(-60 * hour, 12 * hour))
    return now, [draw(deciders(zone, now)) for zone in zones]


@st.composite
def deciders(draw: st.DrawFn, zone: str, now: datetime) -> tuple[OpenHours, list[Rule]]:
    if draw(st.integers(0, 3)) == 0:
        plan, created = draw(plans(last_day=4)), now - draw(st.timedeltas(timedelta(), timedelta(days=2)))
        return of_day_plan(plan, zone, created_at=created), [(plan, in_zone(created, zone))]
    some_rows = draw(st.lists(plain_rows | rows, min_size=1, max_size=3))
    return of_rows(some_rows, zone), list(some_rows)


def plainly_open(rules: Sequence[Rule], zone: str, moment: datetime) -> bool:
    clock = in_zone(moment, zone).replace(tzinfo=None)
    return any(
        row_is_open(rule, clock) if isinstance(rule, ScheduleRow) else plan_is_open(*rule, clock) for rule in rules
    )


def plain_next_start(who: Sequence[tuple[OpenHours, list[Rule]]], now: datetime, lasting: timedelta) -> datetime | None:
    """The first of `now` and the full minutes after it at which all are open, and at every full minute of the ringing.

    Enough, since windows and changes of clocks are at full minutes. None: not within some days.
    """
    minute = now.replace(second=0, microsecond=0)

    @cache
    def all_open(at: datetime) -> bool:
        return all(plainly_open(rules, hours.zone, at) for hours, rules in who)

    for _ in range(DAYS_LOOKED_AT * 24 * 60):
        start = max(minute, now)
        rest = [minute + timedelta(minutes=n) for n in range(1, 5)]
        if all_open(minute) and all(all_open(each) for each in rest if each < start + lasting):
            return start
        minute += timedelta(minutes=1)
    return None


ringing = st.sampled_from([0, 20, 45, 60, 120, 180]).map(lambda seconds: timedelta(seconds=seconds)) | st.timedeltas(
    timedelta(), timedelta(seconds=180)
)


@settings(max_examples=30)
@given(cases(), ringing)
def test_the_next_start_is_the_one_that_a_plain_search_minute_by_minute_finds(
    case: tuple[datetime, list[tuple[OpenHours, list[Rule]]]], lasting: timedelta
) -> None:
    now, who = case
    start = next_start([hours for hours, _ in who], now=now, lasting=lasting)
    expected = plain_next_start(who, now, lasting)
    if expected is None:
        assert start is None or start > now + timedelta(days=DAYS_LOOKED_AT, minutes=-1)
    else:
        assert start == expected


@given(cases(), st.timedeltas(timedelta(), timedelta(days=2)))
def test_hours_are_open_exactly_when_a_row_fits_the_wall_clock(
    case: tuple[datetime, list[tuple[OpenHours, list[Rule]]]], later: timedelta
) -> None:
    now, who = case
    for hours, rules in who:
        assert is_open(hours, now + later) == plainly_open(rules, hours.zone, now + later)


@given(cases(), ringing)
def test_at_the_next_start_all_are_open_from_the_first_ring_to_the_last(
    case: tuple[datetime, list[tuple[OpenHours, list[Rule]]]], lasting: timedelta
) -> None:
    now, who = case
    hours = [each for each, _ in who]
    start = next_start(hours, now=now, lasting=lasting)
    if start is None:
        return
    assert next_start(hours, now=start, lasting=lasting) == start
    ring = max(lasting - timedelta(microseconds=1), timedelta())
    assert all(is_open(each, start + ring * part) for each in hours for part in (0, 0.25, 0.5, 0.75, 1))


@given(cases(), ringing, st.timedeltas(timedelta(), timedelta(days=3)))
def test_whoever_asks_later_never_gets_an_earlier_start(
    case: tuple[datetime, list[tuple[OpenHours, list[Rule]]]], lasting: timedelta, later: timedelta
) -> None:
    now, who = case
    hours = [each for each, _ in who]
    first = next_start(hours, now=now, lasting=lasting)
    second = next_start(hours, now=now + later, lasting=lasting)
    if first is None:
        assert second is None
    elif first >= now + later:
        assert second == first
    else:
        assert second is None or second >= now + later


# --- As people write it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("22:00-06:00", ScheduleRow(start=time(22), end=time(6))),
        ("09:00-24:00", ScheduleRow(start=time(9), end=time(0))),
        (
            "Mon - Fri  9:00 - 17:00",
            ScheduleRow(start=time(9), end=time(17), weekdays=tuple(Weekday)[:5]),
        ),
        (
            "mon,wed,sat 09:00-12:30 days 1-15 months 1,2,6",
            ScheduleRow(
                start=time(9),
                end=time(12, 30),
                weekdays=(Weekday.MON, Weekday.WED, Weekday.SAT),
                month_days=(1, 15),
                months=(1, 2, 6),
            ),
        ),
        (
            "sat-mon 10:00-11:00 days 5 months 11-2",
            ScheduleRow(
                start=time(10),
                end=time(11),
                weekdays=(Weekday.SAT, Weekday.SUN, Weekday.MON),
                month_days=(5, 5),
                months=(11, 12, 1, 2),
            ),
        ),
    ],
)
def test_a_row_is_read_as_people_write_it(text: str, row: ScheduleRow) -> None:
    assert parse_row(text) == row


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read: write mon-fri 09:00-17:00"),
        ("all day", "cannot be read"),
        ("mon-fri", "cannot be read"),
        ("moo 09:00-17:00", "'moo' cannot be read: write one of mon, tue"),
        ("mon- 09:00-17:00", "cannot be read"),
        ("9-17", "'9' cannot be read: write hh:mm"),
        ("25:00-26:00", "'25:00' cannot be read"),
        ("24:00-06:00", "'24:00' cannot be read"),
        ("\u0660\u0669:00-17:00", "cannot be read"),
        ("09:00-17:00 months 13", "'13' cannot be read"),
        ("09:00-09:00", "start and end are the same"),
        ("mon,mon 09:00-10:00", "stands there twice"),
        ("09:00-17:00 days 15-1", "the first is not after the last"),
        ("09:00-17:00 days 0-40", "from 1 to 31"),
        ("09:00-17:00 days 30-31 months 2", "no such month has a day 30"),
        ("09:00-17:00 days 31-31 months 4,6,9,11", "no such month has a day 31"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_row(text)
    assert why in refused.value.message


@pytest.mark.parametrize("days", ["29-29 months 2", "31-31 months 4,5", "30-31 months 4"])
def test_a_row_that_fits_only_some_days_is_fine(days: str) -> None:
    assert problems_of([parse_row(f"09:00-17:00 days {days}")]) == []


@given(rows)
def test_a_row_is_the_same_after_it_was_written_and_read(row: ScheduleRow) -> None:
    assert parse_row(row_text(row)) == row


@given(clock_times, clock_times)
def test_a_window_is_the_same_after_it_was_written_and_read(start: time, end: time) -> None:
    window = LeadWindow(start=start, end=end)
    if problems_of_window(window):
        assert start == end != time(0)
    else:
        assert parse_window(window_text(window)) == window


@given(plans())
def test_a_plan_is_the_same_after_it_was_written_and_read(plan: DayPlan) -> None:
    assert parse_plan(plan_text(plan), plan.window_h) == plan


def test_texts_are_short_where_they_can_be() -> None:
    assert row_text(parse_row("mon,tue,wed,thu,fri,sun 09:00-0:00 days 7-7 months 3,4,5,12")) == (
        "mon-fri,sun 09:00-24:00 days 7 months 3-5,12"
    )
    assert row_text(parse_row("sat-sun 10:00-11:00")) == "sat,sun 10:00-11:00"
    assert window_text(parse_window("9:00 - 20:00")) == "09:00-20:00"
    assert plan_text(parse_plan(["3:", "0:9:00,13:30"])) == ["0: 09:00, 13:30", "3:"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("09:00", "cannot be read: write 09:00-20:00"),
        ("mon 09:00-20:00", "cannot be read"),
        ("10:00-10:00", "write 00:00-24:00"),
    ],
)
def test_a_window_that_cannot_be_used_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_window(text)
    assert why in refused.value.message


@pytest.mark.parametrize(
    ("lines", "window_h", "why"),
    [
        ([], 1, "a plan without any time never dials"),
        (["0:", "1:"], 1, "a plan without any time never dials"),
        ([f"{day}: 09:00" for day in range(8)], 1, "at most 7 days, not 8"),
        (["0: 09:00", "0: 10:00"], 1, "each day stands once"),
        (["366: 09:00"], 1, "to 365, not 366"),
        (["0: 09:00, 09:00"], 1, "a time stands twice on day 0"),
        (["0: 09:00"], 0, "more than 0 and at most 24 hours, not 0"),
        (["0: 09:00"], 24.5, "at most 24 hours, not 24.5"),
        (["0: 09:00"], float("nan"), "at most 24 hours, not nan"),
        (["09:00, 13:00"], 1, "'00' cannot be read: write hh:mm"),
        (["today: 09:00"], 1, "cannot be read: write 0: 09:00, 13:00"),
        (["0: 09:00,"], 1, "'' cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_with_the_reason(lines: list[str], window_h: float, why: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_plan(lines, window_h)
    assert why in refused.value.message


def test_a_plan_may_have_seven_days_and_windows_that_overlap() -> None:
    assert problems_of_plan(parse_plan([f"{day}: 09:00, 09:30" for day in range(7)], 24)) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    bad = [
        ScheduleRow(start=time(9), end=time(9), months=(0, 13)),
        ScheduleRow(start=time(9, 0, 30), end=time(17)),
        ScheduleRow(start=time(9), end=time(17, tzinfo=UTC)),
    ]
    assert [problem.split(":")[0] for problem in problems_of(bad)] == ["row 1", "row 1", "row 2", "row 3"]
    backwards = DayPlan(days=(PlannedDay(day=3, times=(time(9, 0, 1),)), PlannedDay(day=-1, times=())), window_h=0)
    assert len(problems_of_plan(backwards)) == 4


def test_a_schedule_has_no_more_rows_than_can_be_looked_at_on_every_dial() -> None:
    row = parse_row("09:00-17:00")
    assert problems_of([row] * MAX_ROWS) == []
    assert problems_of([row] * (MAX_ROWS + 1)) == ["a schedule has at most 50 rows, not 51"]


def test_a_weekday_is_found_by_its_word() -> None:
    assert {Weekday.MON: "yes"}.get("mon") == "yes"  # type: ignore[call-overload]


# --- Days without a window -------------------------------------------------------------------------------------------------


def test_a_closed_day_has_no_window_whatever_the_rows_say() -> None:
    hours = of_rows([parse_row("09:00-17:00")], "Europe/Berlin", closed_on=[date(2026, 12, 25)])
    assert next_start([hours], now=utc("2026-12-24 20:00"), lasting=timedelta()) == utc("2026-12-26 08:00")
    assert not is_open(hours, utc("2026-12-25 12:00"))


def test_hours_without_rows_are_open_on_every_day_but_the_closed_ones() -> None:
    hours = of_rows([], "UTC", closed_on=[date(2026, 12, 25)])
    assert is_open(hours, utc("2026-12-24 23:59"))
    assert not is_open(hours, utc("2026-12-25 00:00"))
    assert next_start([hours], now=utc("2026-12-25 03:00"), lasting=timedelta()) == utc("2026-12-26 00:00")


def test_a_window_that_reaches_into_a_closed_day_falls_away_as_a_whole() -> None:
    hours = of_rows([parse_row("22:00-06:00")], "UTC", closed_on=[date(2026, 12, 25)])
    assert next_start([hours], now=utc("2026-12-24 12:00"), lasting=timedelta()) == utc("2026-12-26 22:00")
