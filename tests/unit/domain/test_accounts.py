"""What makes the rules of an account wrong, and what they are to begin with."""

from datetime import time

import pytest

from dialerd.domain.accounts import AccountRules, Limits, UnknownZone, problems
from dialerd.domain.caller_id import CallerId
from dialerd.domain.schedule import ScheduleRow


def test_the_defaults_are_fine() -> None:
    assert problems(AccountRules()) == []


def test_the_limits_are_those_a_user_will_run_into_unless_the_account_has_others() -> None:
    """ "Pacing 1-20 calls per second, concurrency 1-50, retry attempts 1-5, number pool 1-50"."""
    assert Limits() == Limits(max_calls_per_second=20, max_concurrency=50, max_attempts=5, max_pool=50)


def test_to_begin_with_what_is_not_known_blocks_and_a_zone_that_a_list_claims_is_one_more() -> None:
    assert AccountRules().unknown_zone is UnknownZone.BLOCK
    assert not AccountRules().lead_zone_trusted


@pytest.mark.parametrize(
    "change",
    [
        {"time_zone": "Asia/Calcutta"},
        {"limits": Limits(max_calls_per_second=0.5, max_concurrency=1, max_attempts=1, max_pool=1)},
        {"limits": Limits(max_calls_per_second=999, max_concurrency=10_000, max_attempts=100, max_pool=1000)},
        {"max_calls_24h": None, "max_calls_7d": None, "abandon_lockout_h": 0},
        {"max_calls_24h": 1, "max_calls_7d": 1, "abandon_lockout_h": 8760},
        {"pause_reasons": ()},
        {"pause_reasons": tuple(f"reason {n}" for n in range(50))},
        {"allowed_prefixes": ("+1", "+442079460123", "+123456789012345")},
        {"business_hours": (ScheduleRow(start=time(9), end=time(17)),)},
    ],
)
def test_the_limits_themselves_are_allowed(change: dict[str, object]) -> None:
    assert problems(AccountRules(**change)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"time_zone": "Berlin"}, "time zone"),
        ({"time_zone": ""}, "time zone"),
        ({"limits": Limits(max_calls_per_second=0)}, "most calls per second"),
        ({"limits": Limits(max_calls_per_second=1000)}, "most calls per second"),
        ({"limits": Limits(max_calls_per_second=float("nan"))}, "most calls per second"),
        ({"limits": Limits(max_concurrency=0)}, "most calls in flight"),
        ({"limits": Limits(max_attempts=101)}, "most attempts"),
        ({"limits": Limits(max_pool=0)}, "most numbers in a pool"),
        ({"max_calls_24h": 0}, "most calls to a number in 24 hours"),
        ({"max_calls_7d": -1}, "most calls to a number in 7 days"),
        ({"max_calls_7d": 1_000_001}, "most calls to a number in 7 days"),
        ({"limits": Limits(max_calls_per_second=0.0004)}, "most calls per second"),
        ({"pause_reasons": ("Lunch", "Lunch")}, "pause reasons"),
        ({"pause_reasons": ("Lunch|",)}, "pause reasons"),
        ({"pause_reasons": tuple(f"reason {n}" for n in range(51))}, "pause reasons"),
        ({"caller_id": CallerId(number="0 20")}, "caller ID"),
        ({"caller_id": CallerId(number="+12025550199", name="a\nb")}, "caller ID"),
        ({"caller_id_prefixes": {"GB": ("+44x",)}}, "numbers that may be shown"),
        ({"caller_id_prefixes": {"GB": ()}}, "numbers that may be shown"),
        ({"abandon_lockout_h": -1}, "lock-out after an abandoned call"),
        ({"abandon_lockout_h": 8761}, "lock-out after an abandoned call"),
        ({"allowed_prefixes": ()}, "allowed prefixes"),
        ({"allowed_prefixes": ("44",)}, "allowed prefixes"),
        ({"allowed_prefixes": ("+",)}, "allowed prefixes"),
        ({"allowed_prefixes": ("+4٤",)}, "allowed prefixes"),
        ({"allowed_prefixes": ("+1234567890123456",)}, "allowed prefixes"),
        ({"business_hours": (ScheduleRow(start=time(9), end=time(9)),)}, "business hours"),
    ],
)
def test_each_wrong_rule_is_named_once(change: dict[str, object], named: str) -> None:
    [sentence] = problems(AccountRules(**change))  # type: ignore[arg-type]
    assert sentence.startswith(f"{named}: ")


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = AccountRules(time_zone="", max_calls_24h=0, limits=Limits(max_attempts=0, max_pool=0))
    assert len(problems(wrong)) == 4
