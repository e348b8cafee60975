"""Zones by name, legacy names included."""

from datetime import UTC, datetime

import pytest

from dialerd.domain.timezones import in_zone, is_zone


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Asia/Calcutta", "America/Buenos_Aires", "Pacific/Truk"])
def test_zones_of_the_database_are_known_also_by_their_legacy_names(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize("name", ["", "Berlin", "Mars/Olympus", "europe/berlin "])
def test_anything_else_is_no_zone(name: str) -> None:
    assert not is_zone(name)


def test_a_moment_is_shown_on_the_clocks_of_the_zone_with_its_summer_time() -> None:
    summer, winter = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert [in_zone(moment, "Europe/Berlin").hour for moment in (summer, winter)] == [14, 13]
