"""When a campaign may dial, as a user says it: schedule rows, both kinds of windows by time zone, and a start to come."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.cli.conftest import Dialerd

LEAD = "+12025550101,1,Ada\n"
WORKDAYS = {"start": "09:00:00", "end": "17:00:00", "weekdays": ["mon", "tue", "wed", "thu", "fri"]}
ANY_DATE: dict[str, object] = {"month_days": None, "months": []}
WINDOW = {"start": "09:00:00", "end": "20:00:00"}
PLAN = ("--plan-day", "2: 10:00", "--plan-day", "0: 09:00, 13:00")
PLANNED = [{"day": 0, "times": ["09:00:00", "13:00:00"]}, {"day": 2, "times": ["10:00:00"]}]


@pytest.mark.parametrize(
    ("options", "setting", "value", "words"),
    [
        (("--schedule", "Mon-Fri 9:00-17:00"), "schedule", [WORKDAYS | ANY_DATE], "mon-fri 09:00-17:00"),
        (
            ("--schedule", "mon-fri 09:00-17:00", "--schedule", "22:00-06:00 days 1-15 months 1,2"),
            "schedule",
            [
                WORKDAYS | ANY_DATE,
                {"start": "22:00:00", "end": "06:00:00", "weekdays": [], "month_days": [1, 15], "months": [1, 2]},
            ],
            "mon-fri 09:00-17:00; 22:00-06:00 days 1-15 months 1,2",
        ),
        (("--any-time",), "schedule", [], "at any time"),
        ((), "schedule", None, "the account's business hours"),
        (("--lead-window", "09:00-20:00"), "lead_window", WINDOW, "09:00-20:00"),
        (PLAN, "day_plan", {"days": PLANNED, "window_h": 1.0}, "0: 09:00, 13:00; 2: 10:00 (1 h each)"),
        ((*PLAN, "--plan-window", "1.5"), "day_plan", {"days": PLANNED, "window_h": 1.5}, "(1.5 h each)"),
        (
            ("--plan-day", "0:", "--plan-day", "1: 9:30"),
            "day_plan",
            {"days": [{"day": 0, "times": []}, {"day": 1, "times": ["09:30:00"]}], "window_h": 1.0},
            "0:; 1: 09:30 (1 h each)",
        ),
    ],
)
def test_hours_are_kept_as_they_were_said(
    dialerd: Dialerd, options: tuple[str, ...], setting: str, value: object, words: str
) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", *options)
    assert dialerd("campaign", "show", "Spring", "--json").json[setting] == value
    assert words in dialerd("campaign", "show", "Spring").out


@pytest.mark.parametrize(
    ("options", "named", "words"),
    [
        (("--schedule", "always"), "--schedule", "mon-fri 09:00-17:00"),
        (("--schedule", "mon 09:00-09:00"), "--schedule", "write 00:00-24:00 for the whole day"),
        (("--schedule", "mon 25:00-26:00"), "--schedule", "from 00:00 to 23:59"),
        (("--schedule", "moon 09:00-17:00"), "--schedule", "one of mon, tue"),
        (("--schedule", "09:00-17:00 days 31 months 2"), "--schedule", "this row never opens"),
        (("--schedule", "09:00-17:00 days 9-3"), "--schedule", "the first is not after the last"),
        (("--schedule", "mon,mon 09:00-17:00"), "--schedule", "stands there twice"),
        (("--schedule", "09:00-17:00 months 13"), "--schedule", "one of 1, 2"),
        (("--any-time", "--schedule", "mon 09:00-17:00"), "--any-time", "together with --schedule"),
        (("--lead-window", "9"), "--lead-window", "write 09:00-20:00"),
        (("--lead-window", "09:00-09:00"), "--lead-window", "are the same"),
        (("--plan-day", "tomorrow"), "--plan-day", "0: 09:00, 13:00"),
        (("--plan-day", "400: 09:00"), "--plan-day", "from 0 (the day the lead came) to 365"),
        (("--plan-day", "0: 09:00", "--plan-day", "0: 10:00"), "--plan-day", "each day stands once"),
        (("--plan-day", "0: 09:00, 09:00"), "--plan-day", "stands twice on day 0"),
        (("--plan-day", "0:"), "--plan-day", "add a time to a day"),
        (tuple(f"--plan-day={day}: 09:00" for day in range(8)), "--plan-day", "at most 7 days"),
        (("--plan-day", "0: 09:00", "--plan-window", "25"), "--plan-day", "at most 24 hours"),
        (("--plan-day", "0: 09:00", "--plan-window", "nan"), "--plan-day", "at most 24 hours"),
        (("--plan-window", "2"), "--plan-window", "name its days"),
    ],
)
def test_hours_that_cannot_be_are_told_with_what_to_write(
    dialerd: Dialerd, options: tuple[str, ...], named: str, words: str
) -> None:
    told = dialerd.refused("campaign", "create", "Spring", "--queue", "sales", *options, status=2)
    assert named in told
    assert words in told
    assert dialerd("campaign", "list", "--json").json == []


def test_both_windows_by_time_zone_exclude_each_other(dialerd: Dialerd) -> None:
    window = ("--lead-window", "09:00-20:00")
    told = "exclude each other, so switch one off"
    assert told in dialerd.refused("campaign", "create", "Spring", "--queue", "sales", *window, *PLAN)
    dialerd("campaign", "create", "Spring", "--queue", "sales", *window)
    assert told in dialerd.refused("campaign", "edit", "Spring", *PLAN)
    dialerd("campaign", "edit", "Spring", "--unset", "lead-window", *PLAN)
    edited = dialerd("campaign", "show", "Spring", "--json").json
    assert (edited["lead_window"], edited["day_plan"]["days"]) == (None, PLANNED)


def test_rows_that_are_given_replace_those_that_there_were(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--schedule", "mon 09:00-17:00")
    dialerd("campaign", "edit", "Spring", "--schedule", "tue 09:00-17:00")
    assert [row["weekdays"] for row in dialerd("campaign", "show", "Spring", "--json").json["schedule"]] == [["tue"]]
    dialerd("campaign", "edit", "Spring", "--any-time")
    assert dialerd("campaign", "show", "Spring", "--json").json["schedule"] == []


# --- a start to come --------------------------------------------------------------------------------------------------


def test_a_start_to_come_is_by_the_clock_of_the_account_and_shown_so(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--time-zone", "Asia/Tokyo")
    dialerd.campaign(leads=LEAD)
    day = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    assert f"starts at {day} 09:00:00 JST" in dialerd("campaign", "schedule", "Spring", "--at", f"{day} 09:00").out
    shown = dialerd("campaign", "show", "Spring", "--json").json
    assert (shown["status"], shown["shown_status"]) == ("scheduled", "scheduled")
    assert shown["starts_at"] == f"{day}T00:00:00+00:00"
    assert f"{day} 09:00:00 JST" in dialerd("campaign", "show", "Spring").out
    assert "scheduled" in dialerd("campaign", "list").out
    assert f"it starts by itself at {day} 09:00:00 JST" in dialerd("explain", "campaign", "Spring").out


def test_a_start_may_name_its_own_offset_and_be_set_anew(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    day = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    dialerd("campaign", "schedule", "Spring", "--at", f"{day} 09:00")
    dialerd("campaign", "schedule", "Spring", "--at", f"{day} 09:00+05:00")
    assert dialerd("campaign", "show", "Spring", "--json").json["starts_at"] == f"{day}T04:00:00+00:00"


def test_a_time_that_the_clocks_leave_out_is_the_next_that_they_show(dialerd: Dialerd) -> None:
    """On 2036-03-30 they jump in Berlin from 02:00 to 03:00."""
    dialerd("account", "edit", "--time-zone", "Europe/Berlin")
    dialerd.campaign(leads=LEAD)
    told = dialerd("campaign", "schedule", "Spring", "--at", "2036-03-30 02:30").out
    assert "2036-03-30 03:00:00 CEST" in told


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2020-01-01 00:00", "is over"),
        ("tomorrow", "is not a moment like"),
        ("", "is not a moment like"),
        ("2027-02-30 09:00", "is not a moment like"),
        ("9999-12-31 23:59", "is not a moment like"),
        ("0001-01-01 00:00", "is"),
    ],
)
def test_a_start_that_is_over_or_no_moment_is_refused(dialerd: Dialerd, at: str, words: str) -> None:
    dialerd("account", "edit", "--time-zone", "America/New_York")
    dialerd.campaign(leads=LEAD)
    told = dialerd.refused("campaign", "schedule", "Spring", "--at", at, status=2)
    assert "--at" in told
    assert words in told
    assert dialerd("campaign", "show", "Spring", "--json").json["status"] == "draft"


def test_what_would_keep_a_campaign_from_starting_is_told_when_it_is_scheduled(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--caller-ids")
    told = dialerd.refused("campaign", "schedule", "Spring", "--at", "2036-03-01 09:00")
    assert "leads: the campaign has none yet" in told
    assert "caller IDs: the number pool is empty" in told


def test_a_scheduled_campaign_is_started_or_stopped_before_its_time(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    dialerd("campaign", "schedule", "Spring", "--at", "2036-03-01 09:00")
    told = dialerd.refused("campaign", "resume", "Spring")
    assert "is scheduled: no resume from there; possible is cancel, schedule, start, stop" in told
    dialerd("campaign", "start", "Spring")
    assert dialerd("campaign", "show", "Spring", "--json").json["starts_at"] is None
    assert "no schedule from there" in dialerd.refused("campaign", "schedule", "Spring", "--at", "2036-03-01 09:00")
