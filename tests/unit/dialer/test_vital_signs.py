"""F42 and F44 in small: descriptors that run short, and a loop that stands still."""

import os
import resource

import pytest
from structlog.testing import capture_logs

from dialerd.clock import SYSTEM_CLOCK
from dialerd.dialer.vital_signs import BLOCKED_S, SPARE_FILES, VitalSigns


def test_descriptors_that_run_short_are_told_once_and_so_is_that_they_suffice_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 10_000
    monkeypatch.setattr(os, "listdir", lambda _: ["0"] * 100)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    changes: list[bool] = []
    signs = VitalSigns(SYSTEM_CLOCK, on_change=lambda: changes.append(signs.files_short))
    with capture_logs() as logs:
        signs.look_at_files()
        limit = 100 + SPARE_FILES - 1
        signs.look_at_files()
        signs.look_at_files()
        limit = 10_000
        signs.look_at_files()
    assert changes == [True, False]
    assert [each["event"] for each in logs] == ["file_descriptors_run_short", "file_descriptors_suffice_again"]


def test_where_not_even_one_is_left_to_look_with_they_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: str) -> list[str]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "listdir", none_left)
    signs = VitalSigns(SYSTEM_CLOCK, on_change=lambda: None)
    signs.look_at_files()
    assert signs.files_short


def test_a_loop_that_stood_still_is_named_with_its_seconds_and_a_little_lateness_is_not() -> None:
    turns: list[float] = []
    signs = VitalSigns(SYSTEM_CLOCK, on_change=lambda: None, on_turn=turns.append)
    with capture_logs() as logs:
        signs.judge_turn(BLOCKED_S - 0.01)
        signs.judge_turn(2.5)
        signs.judge_turn(3)
    assert [(each["event"], each["seconds"]) for each in logs] == [
        ("event_loop_blocked", 2.5),
        ("event_loop_blocked", 3),
    ]
    assert signs.blocked_s == 5.5
    assert turns == [BLOCKED_S - 0.01, 2.5, 3]
