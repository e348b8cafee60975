"""What makes the settings of a campaign wrong."""

import pytest

from dialerd.domain.campaigns import problems
from tests.factories import settings


def test_the_defaults_are_fine() -> None:
    assert problems(settings()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 200},
        {"queue": "a-_9"},
        {"calls_per_second": 0.001},
        {"calls_per_second": 20},
        {"concurrency": 1},
        {"concurrency": 50},
        {"max_attempts": 1},
        {"max_attempts": 5},
        {"cooloff_s": 0},
        {"cooloff_2nd_s": 30 * 86_400},
        {"ring_timeout_s": 5},
        {"customer_wait_sla_s": 0},
        {"agent_dial_timeout_s": 1},
        {"wrapup_s": 3600},
    ],
)
def test_the_limits_themselves_are_allowed(change: dict[str, object]) -> None:
    assert problems(settings(**change)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"queue": ""}, "queue"),
        ({"queue": "s"}, "queue"),
        ({"queue": "q" * 41}, "queue"),
        ({"queue": "sales,evil"}, "queue"),
        ({"queue": "sales\nApplication: System"}, "queue"),
        ({"queue": "vertrieb-ü"}, "queue"),
        ({"calls_per_second": 0}, "calls per second"),
        ({"calls_per_second": 0.0004}, "calls per second"),
        ({"calls_per_second": -1}, "calls per second"),
        ({"calls_per_second": 20.1}, "calls per second"),
        ({"calls_per_second": float("nan")}, "calls per second"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 51}, "concurrency"),
        ({"max_attempts": 0}, "attempts"),
        ({"max_attempts": 6}, "attempts"),
        ({"cooloff_s": -1}, "cool-offs"),
        ({"cooloff_2nd_s": -1}, "cool-offs"),
        ({"cooloff_3rd_s": 30 * 86_400 + 1}, "cool-offs"),
        ({"ring_timeout_s": 4}, "ring timeout"),
        ({"customer_wait_sla_s": 61}, "customer wait SLA"),
        ({"agent_dial_timeout_s": 0}, "agent dial timeout"),
        ({"wrapup_s": 3601}, "wrap-up"),
    ],
)
def test_each_wrong_setting_is_named_once(change: dict[str, object], named: str) -> None:
    [sentence] = problems(settings(**change))
    assert sentence.startswith(f"{named}: ")


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(settings(name="", queue="", concurrency=0))) == 3
