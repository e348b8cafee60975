""" "Time of day (hh:mm) when dial cycles reset": a cycle is a day that begins then, on the account's clock."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.dial_cycles import cycle_at
from dialerd.domain.timezones import wall_clock

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_a_reset_time_a_cycle_is_the_accounts_day() -> None:
    assert cycle_at(utc("2026-01-15 12:00"), "Europe/Berlin") == (utc("2026-01-14 23:00"), utc("2026-01-15 23:00"))


@pytest.mark.parametrize(
    ("now", "began"),
    [
        ("2026-03-02 05:59:59.999999", "2026-03-01 06:00"),
        ("2026-03-02 06:00", "2026-03-02 06:00"),
        ("2026-03-02 06:00:00.000001", "2026-03-02 06:00"),
    ],
)
def test_a_cycle_begins_at_the_very_moment_of_its_reset_time(now: str, began: str) -> None:
    start = utc(began)
    assert cycle_at(utc(now), "UTC", time(6)) == (start, start + timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "begins", "now", "began", "ends"),
    [
        pytest.param(
            "Europe/Berlin", time(0), "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00", id="a day of 23 hours"
        ),
        pytest.param(
            "Europe/Berlin", time(0), "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00", id="a day of 25 hours"
        ),
        pytest.param(
            "Europe/Berlin",
            time(2, 30),
            "2026-03-29 01:10",
            "2026-03-29 01:00",
            "2026-03-30 00:30",
            id="a reset that the clocks leave out happens when they have jumped",
        ),
        pytest.param(
            "Europe/Berlin",
            time(2, 30),
            "2026-10-25 01:45",
            "2026-10-25 00:30",
            "2026-10-26 01:30",
            id="of a reset that the clocks show twice the first counts, and it counts once",
        ),
        pytest.param(
            "America/Sao_Paulo",
            time(0),
            "2018-11-04 12:00",
            "2018-11-04 03:00",
            "2018-11-05 02:00",
            id="a midnight that does not happen",
        ),
    ],
)
def test_when_the_clocks_change(zone: str, begins: time, now: str, began: str, ends: str) -> None:
    assert cycle_at(utc(now), zone, begins) == (utc(began), utc(ends))


@given(
    st.integers(0, 15 * 365 * 86_400).map(lambda s: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.sampled_from(ZONES),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_every_moment_lies_in_one_cycle_of_about_a_day_and_the_next_one_follows_without_a_gap(
    now: datetime, zone: str, begins: time
) -> None:
    began, ends = cycle_at(now, zone, begins)
    assert began <= now < ends
    assert timedelta(hours=22) <= ends - began <= timedelta(hours=26)
    assert cycle_at(ends, zone, begins)[0] == ends
    assert cycle_at(ends - datetime.resolution, zone, begins) == (began, ends)
    assert wall_clock(began, zone).time() >= begins
