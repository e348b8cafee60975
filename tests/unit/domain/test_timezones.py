"""Zones by name, legacy names included, and what their clocks show."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.timezones import canonical, in_zone, instants_of, is_zone, naive_utc, offset_spans, wall_clock

BERLIN = "Europe/Berlin"
APIA = "Pacific/Apia"
CHANGING = [
    BERLIN,
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    APIA,
    "Asia/Calcutta",
    "UTC",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


zones = st.sampled_from(CHANGING)
moments = st.datetimes(min_value=wall("1975-01-01"), max_value=wall("2040-01-01"), timezones=st.just(UTC))


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Asia/Calcutta", "America/Buenos_Aires", "Pacific/Truk"])
def test_zones_of_the_database_are_known_also_by_their_legacy_names(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize("name", ["", "Berlin", "Mars/Olympus", "europe/berlin ", "Etc/Unknown"])
def test_anything_else_is_no_zone(name: str) -> None:
    assert not is_zone(name)


def test_a_moment_is_shown_on_the_clocks_of_the_zone_with_its_summer_time() -> None:
    summer, winter = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert [in_zone(moment, "Europe/Berlin").hour for moment in (summer, winter)] == [14, 13]


@pytest.mark.parametrize(
    ("legacy", "name"),
    [
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Asia/Katmandu", "Asia/Kathmandu"),
        ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Europe/Kiev", "Europe/Kyiv"),
        ("US/Pacific", "America/Los_Angeles"),
        (BERLIN, BERLIN),
        ("Mars/Olympus", "Mars/Olympus"),
    ],
)
def test_a_legacy_name_leads_to_the_zone_whose_name_it_was(legacy: str, name: str) -> None:
    assert canonical(legacy) == name


@pytest.mark.parametrize("legacy", ["Asia/Calcutta", "America/Buenos_Aires", "Pacific/Truk", "US/Pacific", "GB"])
def test_a_zone_has_the_same_clocks_under_both_of_its_names(legacy: str) -> None:
    since = wall("1971-01-01")
    assert canonical(legacy) != legacy
    assert list(offset_spans(legacy, since)) == list(offset_spans(canonical(legacy), since))


@given(zones, moments)
def test_the_wall_clock_is_what_the_zone_shows_at_that_moment(zone: str, moment: datetime) -> None:
    assert wall_clock(moment, zone) == in_zone(moment, zone).replace(tzinfo=None)


@pytest.mark.parametrize("zone", CHANGING)
def test_clocks_change_just_where_one_span_ends_and_the_next_begins(zone: str) -> None:
    spans = list(offset_spans(zone, wall("1901-12-14")))
    for before, after in pairwise(spans):
        assert before.end == after.begin
        last, first = (
            in_zone(at.replace(tzinfo=UTC), zone) for at in (before.end - timedelta(microseconds=1), after.begin)
        )
        assert (last.utcoffset(), first.utcoffset()) == (before.offset, after.offset)
    assert spans[-1].end == datetime.max  # noqa: DTZ901 - for ever


@given(zones, moments)
def test_every_moment_is_among_those_at_which_its_wall_clock_time_happens(zone: str, moment: datetime) -> None:
    instants = instants_of(wall_clock(moment, zone), zone)
    assert moment in instants
    assert list(instants) == sorted(set(instants))


@pytest.mark.parametrize(
    ("zone", "time", "instants"),
    [
        (BERLIN, "2026-07-01 09:00", ["2026-07-01 07:00"]),
        (BERLIN, "2026-10-25 02:30", ["2026-10-25 00:30", "2026-10-25 01:30"]),
        (BERLIN, "2026-10-25 03:00", ["2026-10-25 02:00"]),
        ("Australia/Lord_Howe", "2026-04-05 01:45", ["2026-04-04 14:45", "2026-04-04 15:15"]),
        ("UTC", "2026-10-25 02:30", ["2026-10-25 02:30"]),
    ],
)
def test_a_time_in_the_fold_happens_twice_and_any_other_once(zone: str, time: str, instants: list[str]) -> None:
    assert instants_of(wall(time), zone) == tuple(map(utc, instants))


@pytest.mark.parametrize(
    ("zone", "time", "instant"),
    [
        (BERLIN, "2026-03-29 02:00", "2026-03-29 01:00"),
        (BERLIN, "2026-03-29 02:30", "2026-03-29 01:00"),
        ("America/Sao_Paulo", "2018-11-04 00:15", "2018-11-04 03:00"),
        ("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03 15:30"),
        (APIA, "2011-12-30 12:00", "2011-12-30 10:00"),
    ],
)
def test_a_time_that_a_gap_leaves_out_counts_as_the_first_moment_after_it(zone: str, time: str, instant: str) -> None:
    assert instants_of(wall(time), zone) == (utc(instant),)


def test_a_moment_without_a_zone_is_refused_rather_than_guessed() -> None:
    with pytest.raises(TypeError):
        naive_utc(wall("2026-01-01"))
