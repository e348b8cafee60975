"""`dialerd account`: every option, shown to machines and to people, and in force for the account's campaigns."""

import pytest

from tests.integration.cli.conftest import Dialerd

OPTIONS: dict[str, tuple[tuple[str, ...], object, str]] = {
    "time_zone": (("--time-zone", "Europe/Berlin"), "Europe/Berlin", "Europe/Berlin"),
    "unknown_zone": (("--unknown-zone", "account"), "account", "are in this zone"),
    "lead_zone_trusted": (("--trust-lead-zone",), True, "replaces those of its number"),
    "max_calls_24h": (("--max-calls-24h", "2"), 2, "2 at most in 24 hours"),
    "max_calls_7d": (("--max-calls-7d", "3"), 3, "3 at most in 7 days"),
    "abandon_lockout_h": (("--abandon-lockout", "24"), 24, "none for 24 hours"),
    "allowed_prefixes": (("--allow-prefix", "+1", "--allow-prefix", "+44"), ["+1", "+44"], "+1, +44"),
    "profile": (("--profile", "uk"), "uk", "uk"),
    "pause_reasons": (("--pause-reason", "Coffee", "--pause-reason", "Lunch"), ["Coffee", "Lunch"], "Coffee, Lunch"),
    "caller_id": (
        ("--caller-id", "+1 202 555 0199=Acme"),
        {"number": "+12025550199", "name": "Acme"},
        "+12025550199 Acme",
    ),
    "business_hours": (
        ("--business-hours", "sat 10:00-14:00 days 1-15 months 1"),
        [{"start": "10:00:00", "end": "14:00:00", "weekdays": ["sat"], "month_days": [1, 15], "months": [1]}],
        "sat 10:00-14:00 days 1-15 months 1",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_an_account_is_told_is_what_it_shows(dialerd: Dialerd, name: str) -> None:
    options, value, words = OPTIONS[name]
    assert words in dialerd("account", "edit", *options).out
    assert dialerd("account", "show", "--json").json["rules"][name] == value
    assert words in dialerd("account", "show").out


def test_every_rule_of_an_account_has_an_option(dialerd: Dialerd) -> None:
    rules = dialerd("account", "show", "--json").json["rules"]
    elsewhere = {"limits", "caller_id_prefixes"}  # below; `dialerd caller-ids allow`
    assert rules.keys() - elsewhere == OPTIONS.keys()


def test_an_edit_leaves_alone_what_it_does_not_name(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--max-calls-24h", "2", "--region", "GB")
    dialerd("account", "edit", "--max-calls-7d", "3")
    account = dialerd("account", "show", "--json").json
    assert account["default_region"] == "GB"
    assert (account["rules"]["max_calls_24h"], account["rules"]["max_calls_7d"]) == (2, 3)


@pytest.mark.parametrize(
    ("limit", "option", "value", "too_much", "told"),
    [
        ("max_calls_per_second", "--calls-per-second", "2.5", "2.6", "calls per second: above 0, up to 2.5"),
        ("max_concurrency", "--concurrency", "60", "61", "concurrency: from 1 to 60"),
        ("max_attempts", "--max-attempts", "8", "9", "attempts: from 1 to 8"),
    ],
)
def test_a_limit_of_the_account_is_in_force_for_its_campaigns(
    dialerd: Dialerd, limit: str, option: str, value: str, too_much: str, told: str
) -> None:
    dialerd("account", "edit", f"--{limit.replace('_', '-')}", value)
    assert dialerd("account", "show", "--json").json["rules"]["limits"][limit] == float(value)
    dialerd("campaign", "create", "Spring", "--queue", "sales", option, value)
    assert told in dialerd.refused("campaign", "edit", "Spring", option, too_much)
    assert told in dialerd.refused("campaign", "create", "Summer", "--queue", "sales", option, too_much)


def test_the_limit_of_a_pool_is_in_force_for_campaigns(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--max-pool", "1")
    two = ("--caller-id", "+12025550198", "--caller-id", "+12025550199")
    told = "caller IDs: at most 1 numbers"
    assert told in dialerd.refused("campaign", "create", "Spring", "--queue", "sales", *two)
    dialerd("campaign", "create", "Spring", "--queue", "sales", *two[:2])
    assert told in dialerd.refused("campaign", "edit", "Spring", *two)


@pytest.mark.parametrize(
    ("name", "rule", "before", "after"),
    [
        ("business-hours", "business_hours", ("--business-hours", "mon 09:00-17:00"), []),
        ("max-calls-24h", "max_calls_24h", ("--max-calls-24h", "2"), None),
        ("max-calls-7d", "max_calls_7d", ("--max-calls-7d", "3"), None),
        ("allowed-prefixes", "allowed_prefixes", ("--allow-prefix", "+1"), None),
        ("caller-id", "caller_id", ("--caller-id", "+12025550199"), None),
    ],
)
def test_a_rule_can_be_taken_away(
    dialerd: Dialerd, name: str, rule: str, before: tuple[str, ...], after: object
) -> None:
    dialerd("account", "edit", *before)
    dialerd("account", "edit", "--unset", name)
    assert dialerd("account", "show", "--json").json["rules"][rule] == after


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--time-zone", "Mars/X"),
        ("--time-zone", ""),
        ("--time-zone", "../etc/passwd"),
        ("--region", "UK"),
        ("--caller-id", "x"),
        ("--business-hours", "always"),
        ("--business-hours", "09:00-09:00"),
        ("--unknown-zone", "guess"),
        ("--max-calls-24h", "99999999999999"),
        ("--max-calls-7d", "many"),
        ("--profile", "mars"),
        ("--unset", "time-zone"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_option(dialerd: Dialerd, option: str, value: str) -> None:
    before = dialerd("account", "show").out
    assert option in dialerd.refused("account", "edit", option, value, status=2)
    assert dialerd("account", "show").out == before


def test_everything_that_cannot_be_is_told_at_once(dialerd: Dialerd) -> None:
    before = dialerd("account", "show").out
    told = dialerd.refused(
        *("account", "edit", "--max-calls-24h", "0", "--max-calls-7d", "-1", "--abandon-lockout", "-1"),
        *("--allow-prefix", "44", "--max-calls-per-second", "nan", "--max-concurrency", "0"),
        *("--max-attempts", "0", "--max-pool", "0"),
    )
    for words in (
        *(
            "in 24 hours: from 1 to 1000000",
            "in 7 days: from 1 to 1000000",
            "lock-out",
            "prefixes: a plus sign",
            "calls per second",
        ),
        *("in flight: from 1", "attempts: from 1", "pool: from 1"),
    ):
        assert words in told
    assert dialerd("account", "show").out == before


def test_an_edit_of_nothing_is_refused(dialerd: Dialerd) -> None:
    assert "nothing to change" in dialerd.refused("account", "edit", status=2)
