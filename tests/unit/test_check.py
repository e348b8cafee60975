from datetime import timedelta

import pytest

from dialerd import check


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("22.10.1+dfsg", True),
        ("23.0.0", True),
        ("21.4.2", True),
        ("21.4.1", False),
        ("20.9.2", True),
        ("20.9.1", False),
        ("18.24.1", False),
        ("19.8.1", False),
        ("16.30.0", False),
        ("GIT-master-1234", True),
        ("", True),
    ],
)
def test_an_asterisk_with_known_holes_is_not_good_enough(version: str, ok: bool) -> None:
    assert check._judge_version(version).ok is ok


@pytest.mark.parametrize(
    ("allowed", "too_much"),
    [
        ({"Originate", "QueueStatus"}, None),
        ({"Originate", "Command"}, "command"),
        ({"GetConfig", "ModuleLoad", "Command"}, "command, config, system"),
    ],
)
def test_a_login_that_could_take_over_the_pbx_is_named(allowed: set[str], too_much: str | None) -> None:
    verdict = check._judge_permissions(allowed)
    assert verdict.ok is (too_much is None)
    assert too_much is None or too_much in verdict.says


@pytest.mark.parametrize(("apart", "ok"), [(0, True), (4.9, True), (-4.9, True), (5, False), (-3600, False)])
def test_clocks_may_differ_by_less_than_five_seconds(apart: float, ok: bool) -> None:
    assert check._judge_clock(timedelta(seconds=apart)).ok is ok


def test_missing_migrations_are_named() -> None:
    assert check._judge_schema([]).ok
    verdict = check._judge_schema(["002_more.sql"])
    assert not verdict.ok
    assert "002_more.sql" in verdict.says
