import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.cli.conftest import Dialerd

FIRST, SECOND, THIRD = (f"+1202555019{digit}" for digit in range(3))


def pool(dialerd: Dialerd, campaign: str = "Spring") -> list[Any]:
    numbers: list[Any] = dialerd("caller-ids", "list", campaign, "--json").json
    return numbers


def numbers(dialerd: Dialerd, campaign: str = "Spring") -> list[str]:
    return [one["caller_id"]["number"] for one in pool(dialerd, campaign)]


def a_campaign_with(dialerd: Dialerd, *given: str) -> None:
    dialerd.campaign()
    dialerd("caller-ids", "set", "Spring", *(word for number in given for word in ("--caller-id", number)))


# --- the pool ---------------------------------------------------------------------------------------------------------


def test_a_campaign_is_given_custom_numbers_and_main_numbers_of_its_account(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("caller-ids", "account", "add", f"{FIRST}=Head office")
    said = dialerd(
        *("caller-ids", "set", "Spring", "--account-number", "+1 (202) 555-0190"),
        *("--caller-id", "202.555.0191=Acme", "--caller-id", THIRD),
    )
    assert "'Spring' has 3 numbers to show" in said.out
    assert [(one["caller_id"]["number"], one["caller_id"]["name"], one["type"]) for one in pool(dialerd)] == [
        ("2025550191", "Acme", "custom"),
        (THIRD, "", "custom"),
        (FIRST, "Head office", "account"),
    ]


def test_what_is_set_replaces_what_was_there_and_can_be_nothing(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST, SECOND)
    dialerd("caller-ids", "set", "1", "--caller-id", THIRD)
    assert numbers(dialerd) == [THIRD]
    dialerd("caller-ids", "set", "Spring", "--clear")
    assert numbers(dialerd) == []


def test_a_pool_is_set_to_something_or_cleared_but_not_both(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "--clear" in dialerd.refused("caller-ids", "set", "Spring", status=2)
    assert "--clear" in dialerd.refused("caller-ids", "set", "Spring", "--clear", "--caller-id", FIRST, status=2)


def test_a_pool_that_cannot_be_is_refused_with_the_reason(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, SECOND)
    set_ = ("caller-ids", "set", "Spring")
    assert "each number once" in dialerd.refused(*set_, "--caller-id", FIRST, "--caller-id", FIRST)
    assert f"no main number of the account: {FIRST}" in dialerd.refused(*set_, "--account-number", FIRST)
    for option, value in (("--caller-id", "abc"), ("--account-number", "12"), ("--account-number", f"{FIRST}=Acme")):
        assert option in dialerd.refused(*set_, option, value, status=2)
    assert numbers(dialerd) == [SECOND]


def test_whoever_sets_numbers_is_told_that_the_campaigns_caller_id_is_off(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "caller ID is off" in dialerd("caller-ids", "set", "Spring", "--caller-id", FIRST).out


def test_the_table_shows_how_often_each_number_was_shown_and_what_keeps_it(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, f"{FIRST}=Acme", SECOND)
    dialerd("caller-ids", "cap", "Spring", FIRST, "40")
    dialerd("caller-ids", "rest", "Spring", SECOND, "--for", "2h")
    header, first, second = dialerd("caller-ids", "list", "Spring").out.splitlines()
    assert header.split("  ")[0] == "number"
    assert re.fullmatch(r"\+12025550190 +Acme +custom +0 +0 +40 +- *", first)
    assert re.fullmatch(r"\+12025550191 +custom +0 +0 +- +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC *", second)


def test_a_campaign_that_is_not_there_is_told(dialerd: Dialerd) -> None:
    for command in (
        ("list", "Spring"),
        ("set", "Spring", "--clear"),
        ("cap", "Spring", FIRST, "1"),
        ("wake", "7", FIRST),
    ):
        assert "there is no campaign" in dialerd.refused("caller-ids", *command)


# --- caps and rests -----------------------------------------------------------------------------------------------------


def test_a_daily_cap_is_set_and_taken_away(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST, SECOND)
    assert "up to 40 calls a day" in dialerd("caller-ids", "cap", "Spring", "+1 202-555-0190", "40").out
    assert [one["daily_cap"] for one in pool(dialerd)] == [40, None]
    assert "no daily cap" in dialerd("caller-ids", "cap", "Spring", FIRST, "none").out
    assert [one["daily_cap"] for one in pool(dialerd)] == [None, None]


def test_a_cap_that_cannot_be_or_is_for_a_strange_number_is_refused(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST)
    cap = ("caller-ids", "cap", "Spring")
    for value in ("x", "1.5", "all", "٣"):
        assert "number of calls or 'none'" in dialerd.refused(*cap, FIRST, value, status=2)
    assert "daily cap: from 1" in dialerd.refused(*cap, FIRST, "0")
    assert f"pool that reads {SECOND}" in dialerd.refused(*cap, SECOND, "1")


def test_a_number_rests_for_a_while_and_is_woken(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST)
    for lasting, expected in (("90m", 5400), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)):
        dialerd("caller-ids", "rest", "Spring", FIRST, "--for", lasting)
        rests = datetime.fromisoformat(pool(dialerd)[0]["resting_until"]) - datetime.now(UTC)
        assert expected - 60 < rests.total_seconds() <= expected
    assert "is shown again" in dialerd("caller-ids", "wake", "Spring", FIRST).out
    assert pool(dialerd)[0]["resting_until"] is None


def test_a_number_rests_until_a_time_by_the_accounts_clock_or_by_the_offset_that_is_given(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST)
    dialerd("account", "edit", "--time-zone", "Asia/Tokyo")
    day = datetime.now(UTC).date() + timedelta(days=30)
    before = day - timedelta(days=1)
    for given, expected in (
        (f"{day} 18:00", f"{day}T09:00:00+00:00"),
        (f"{day}", f"{before}T15:00:00+00:00"),
        (f"{day}T18:00:30-05:00", f"{day}T23:00:30+00:00"),
    ):
        assert " JST" in dialerd("caller-ids", "rest", "Spring", FIRST, "--until", given).out
        assert pool(dialerd)[0]["resting_until"] == expected


def test_a_rest_that_cannot_be_is_refused(dialerd: Dialerd) -> None:
    a_campaign_with(dialerd, FIRST)
    rest = ("caller-ids", "rest", "Spring", FIRST)
    assert "either --for or --until" in dialerd.refused(*rest, status=2)
    assert "either --for or --until" in dialerd.refused(*rest, "--for", "1h", "--until", "2999-01-01", status=2)
    for value in ("1", "h", "0h", "-1h", "1y", "367d", "999999w"):
        assert "--for" in dialerd.refused(*rest, "--for", value, status=2)
    for value in ("soon", "2026-02-30", "2001-01-01", "0001-01-01", "9999-12-31 23:59", "2999-01-01T00:00+00:00"):
        assert "--until" in dialerd.refused(*rest, "--until", value, status=2)
    assert pool(dialerd)[0]["resting_until"] is None


# --- the account's main numbers, and those of queues ----------------------------------------------------------------------


def test_main_numbers_of_the_account_are_added_renamed_listed_and_removed(dialerd: Dialerd) -> None:
    for number in (f"{SECOND}=Shop", FIRST, f"{FIRST}=Head office"):
        dialerd("caller-ids", "account", "add", number)
    listed = dialerd("caller-ids", "account", "list", "--json").json
    assert listed == [{"number": FIRST, "name": "Head office"}, {"number": SECOND, "name": "Shop"}]
    assert "Head office" in dialerd("caller-ids", "account", "list").out
    dialerd("caller-ids", "account", "remove", "+1 202 555 0190")
    assert f"no main number of the account {FIRST}" in dialerd.refused("caller-ids", "account", "remove", FIRST)


def test_a_main_number_that_a_campaign_shows_stays_and_the_campaign_is_named(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("caller-ids", "account", "add", FIRST)
    dialerd("caller-ids", "set", "Spring", "--account-number", FIRST)
    assert f"{FIRST} is shown by Spring" in dialerd.refused("caller-ids", "account", "remove", FIRST)
    dialerd("campaign", "cancel", "Spring")
    dialerd("caller-ids", "account", "remove", FIRST)


def test_queues_have_their_numbers(dialerd: Dialerd) -> None:
    dialerd("caller-ids", "queue", "set", "sales", f"{FIRST}=Sales")
    dialerd("caller-ids", "queue", "set", "sales", f"{SECOND}=Sales")
    assert dialerd("caller-ids", "queue", "list", "--json").json == {"sales": {"number": SECOND, "name": "Sales"}}
    assert "sales" in dialerd("caller-ids", "queue", "list").out
    dialerd("caller-ids", "queue", "remove", "sales")
    assert "no number of the queue sales" in dialerd.refused("caller-ids", "queue", "remove", "sales")
    assert "queue: 2 to 40 letters" in dialerd.refused("caller-ids", "queue", "set", "a b", FIRST)
    assert "NUMBER" in dialerd.refused("caller-ids", "queue", "set", "sales", "x", status=2)


# --- which numbers may be shown where -------------------------------------------------------------------------------------


def test_a_country_sees_only_numbers_with_allowed_beginnings_until_that_is_cleared(dialerd: Dialerd) -> None:
    dialerd("caller-ids", "allow", "gb", "+44 20", "+441632")
    dialerd("caller-ids", "allow", "FR", "+33162")
    assert dialerd("caller-ids", "allowed", "--json").json == {"FR": ["+33162"], "GB": ["+4420", "+441632"]}
    assert "+4420, +441632" in dialerd("caller-ids", "allowed").out
    dialerd("caller-ids", "allow", "FR", "--clear")
    assert list(dialerd("caller-ids", "allowed", "--json").json) == ["GB"]
    assert "no list of allowed beginnings for FR" in dialerd.refused("caller-ids", "allow", "FR", "--clear")


@pytest.mark.parametrize(
    ("given", "words", "status"),
    [
        (["UK", "+44"], "ISO 3166", 1),
        (["GB", "+44x"], "1 to 15 digits", 1),
        (["GB"], "--clear", 2),
        (["GB", "+44", "--clear"], "--clear", 2),
    ],
)
def test_beginnings_that_could_not_be_any_numbers_are_refused(
    dialerd: Dialerd, given: list[str], words: str, status: int
) -> None:
    assert words in dialerd.refused("caller-ids", "allow", *given, status=status)
    assert dialerd("caller-ids", "allowed", "--json").json == {}


def test_what_one_account_says_holds_for_no_other(dialerd: Dialerd) -> None:
    dialerd("caller-ids", "account", "add", FIRST)
    told = dialerd.refused("--account", "acme", "caller-ids", "account", "list")
    assert "there is no account acme" in told
