"""What a compliance profile demands, by profiles made for the purpose. The shipped ones are tested in unit/compliance."""

from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.abandonment import AbandonmentRule, Period
from dialerd.domain.accounts import AccountRules, UnknownZone
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import DialMode, NoAgent
from dialerd.domain.campaigns import MachineDetection, Target
from dialerd.domain.compliance import (
    ANYWHERE,
    BOUND_SETTINGS,
    DAY_MIN,
    Bound,
    Caps,
    Demand,
    HoursRule,
    Place,
    Profile,
    Rule,
    SettingRule,
    caps,
    contradictions,
    covers,
    hours_for,
    narrowed,
    place_of,
    strictest,
)
from dialerd.domain.schedule import ScheduleRow, is_open, next_start, of_rows
from tests.factories import NOON, settings

DAYTIME = ScheduleRow(start=time(8), end=time(20))
AREAS = MappingProxyType({"+1305": "US-FL", "+1212": "US-NY", "+13055550": "US-XX"})


def a_rule(rule_id: str, binds: Bound) -> Rule:
    return Rule(
        id=rule_id, version="7", title="A rule", source=("a law", "a page"), verified_on=date(2026, 1, 1), binds=binds
    )


def hours_in(*where: str) -> Rule:
    return a_rule(f"in-{'-'.join(where)}".lower(), HoursRule(where=where, rows=(DAYTIME,)))


def a_profile(*rules: Rule, regions: tuple[str, ...] = ("US", "PR")) -> Profile:
    return Profile(
        id="test",
        version="7",
        title="A profile",
        source=("a law",),
        verified_on=date(2026, 1, 1),
        regions=regions,
        areas=AREAS,
        rules=rules,
    )


PROFILE = a_profile(hours_in("US", "PR"), hours_in("US-FL"), hours_in("US-NY"))


def rules_for(place: Place, profile: Profile = PROFILE) -> list[str]:
    return [hours.rule for hours in hours_for(profile, place)]


# --- where a number is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "area"),
    [
        ("+13059550100", "US-FL"),
        ("+13055550100", "US-XX"),
        ("+12125550100", "US-NY"),
        ("+18005550100", None),
        ("+130", None),
        ("+", None),
        ("", None),
    ],
)
def test_the_longest_beginning_that_is_known_tells_the_area(number: str, area: str | None) -> None:
    assert place_of(PROFILE, number, "US") == Place(region="US", area=area)


def test_the_hours_of_the_country_and_of_the_area_hold_together() -> None:
    assert rules_for(Place(region="US", area="US-FL")) == ["in-us-pr", "in-us-fl"]
    assert rules_for(Place(region="US", area="US-TX")) == ["in-us-pr"]
    assert rules_for(Place(region="PR")) == ["in-us-pr"]


def test_a_number_of_which_only_the_country_is_known_keeps_the_hours_of_all_its_areas() -> None:
    assert rules_for(Place(region="US")) == ["in-us-pr", "in-us-fl", "in-us-ny"]


@pytest.mark.parametrize("area", ["US-FL", "US-NY", "US-TX", None])
def test_what_is_not_known_of_a_place_never_frees_it_of_a_rule(area: str | None) -> None:
    known = set(rules_for(Place(region="US", area=area)))
    assert known <= set(rules_for(Place(region="US")))
    assert known <= set(rules_for(Place(region=None), a_profile(*PROFILE.rules, regions=(ANYWHERE,))))


@pytest.mark.parametrize("place", [Place(region="GB"), Place(region=None), Place(region=None, area="US-FL")])
def test_a_place_that_the_profile_says_nothing_about_is_never_open(place: Place) -> None:
    assert not covers(PROFILE, place)
    (hours,) = hours_for(PROFILE, place)
    assert (hours.rule, hours.version) == ("test-coverage", "7")
    assert next_start([of_rows(hours.rows, "Europe/London")], now=NOON, lasting=timedelta(0)) is None


def test_a_profile_of_every_country_covers_numbers_of_unknown_origin_too() -> None:
    everywhere = a_profile(hours_in("US-FL"), regions=(ANYWHERE,))
    assert covers(everywhere, Place(region="GB"))
    assert hours_for(everywhere, Place(region="GB")) == ()
    assert rules_for(Place(region=None), everywhere) == ["in-us-fl"]


def test_hours_carry_the_rule_its_version_and_the_days_on_which_it_is_closed() -> None:
    christmas = (date(2026, 12, 25),)
    profile = a_profile(a_rule("holidays", HoursRule(where=("US",), rows=(DAYTIME,), closed_on=christmas)))
    (hours,) = hours_for(profile, Place(region="US"))
    assert (hours.rule, hours.version, hours.rows, hours.closed_on) == ("holidays", "7", (DAYTIME,), christmas)


# --- how often --------------------------------------------------------------------------------------------------------


def test_of_several_caps_of_a_profile_the_strictest_holds() -> None:
    profile = a_profile(
        a_rule("a", Caps(max_calls_24h=3, abandon_lockout=timedelta(hours=24))),
        a_rule("b", Caps(max_calls_24h=5, max_calls_7d=7, abandon_lockout=timedelta(hours=72))),
    )
    assert caps(profile) == Caps(max_calls_24h=3, max_calls_7d=7, abandon_lockout=timedelta(hours=72))
    assert caps(a_profile()) == Caps(max_calls_24h=None, max_calls_7d=None, abandon_lockout=timedelta(0))


limits = st.none() | st.integers(min_value=1, max_value=20)


@given(limits, limits, st.integers(0, 200), limits, limits, st.integers(0, 200))
def test_of_the_caps_of_profile_and_account_the_strictest_holds(
    day: int | None, week: int | None, hours: int, of_day: int | None, of_week: int | None, of_hours: int
) -> None:
    own = Caps(max_calls_24h=day, max_calls_7d=week, abandon_lockout=timedelta(hours=hours))
    account = AccountRules(max_calls_24h=of_day, max_calls_7d=of_week, abandon_lockout_h=of_hours)
    held = strictest(own, account)
    assert held.max_calls_24h == min((cap for cap in (day, of_day) if cap), default=None)
    assert held.max_calls_7d == min((cap for cap in (week, of_week) if cap), default=None)
    assert held.abandon_lockout == timedelta(hours=max(hours, of_hours))
    assert strictest(None, account) == strictest(Caps(), account)


# --- what a campaign may be set to ------------------------------------------------------------------------------------


def told(binds: Bound, account: AccountRules | None = None, **changes: Any) -> list[str]:
    return contradictions(a_profile(a_rule("the-rule", binds)), settings(**changes), account or AccountRules())


def test_a_contradiction_names_setting_value_remedy_rule_and_source() -> None:
    assert told(SettingRule(setting="ring_timeout_s", at_least=20), ring_timeout_s=15) == [
        "ring_timeout_s is 15: set 20 or more (rule the-rule of compliance profile test; a law, a page)"
    ]


@pytest.mark.parametrize("setting", BOUND_SETTINGS)
@pytest.mark.parametrize(("value", "sentences"), [(9, 1), (10, 0), (11, 0), (12, 0), (13, 1)])
def test_a_setting_may_be_anything_between_its_limits(setting: str, value: int, sentences: int) -> None:
    chosen: dict[str, Any] = {setting: value}
    assert len(told(SettingRule(setting=setting, at_least=10, at_most=12), **chosen)) == sentences


def test_a_lead_may_not_be_tried_more_often_than_its_number_may_be_called_in_7_days() -> None:
    assert told(Caps(max_calls_7d=4), max_attempts=4) == []
    assert "max_attempts is 5: set 4 or fewer" in told(Caps(max_calls_7d=4), max_attempts=5)[0]
    assert told(Caps(max_calls_24h=1), max_attempts=5) == []  # the next day is another one


def test_where_a_caller_id_is_demanded_the_campaign_or_the_account_has_to_have_one() -> None:
    assert "enable the campaign's caller IDs, or give the account" in told(Demand.CALLER_ID)[0]
    assert told(Demand.CALLER_ID, caller_id_enabled=True) == []
    assert told(Demand.CALLER_ID, AccountRules(caller_id=CallerId(number="+442079460000"))) == []
    assert a_profile(a_rule("shown", Demand.CALLER_ID)).demands(Demand.CALLER_ID)
    assert not PROFILE.demands(Demand.CALLER_ID)


def test_where_zones_may_not_be_guessed_the_account_may_not_guess_them() -> None:
    assert (
        "unknown_zone of the account is account: set block"
        in told(Demand.KNOWN_ZONE, AccountRules(unknown_zone=UnknownZone.ACCOUNT))[0]
    )
    assert told(Demand.KNOWN_ZONE) == []


TWO_SECONDS = timedelta(seconds=2)
AT_MOST_3 = AbandonmentRule(cap=0.03, limit=TWO_SECONDS, period=Period.BLOCK_30_DAYS)


def test_a_campaigns_own_cap_of_abandonment_may_be_stricter_than_the_rules_and_never_looser() -> None:
    for allowed in (None, 0.5, 3.0):
        assert told(AT_MOST_3, abandonment_cap_pct=allowed) == []
    assert told(AT_MOST_3, abandonment_cap_pct=3.5) == [
        "abandonment_cap_pct is 3.5: set 3 or less, or leave it to the profile (rule the-rule of compliance profile test; a law, a page)"
    ]


@given(st.integers(1, 1000))
def test_a_cap_that_is_the_rules_own_is_never_taken_for_a_looser_one(tenths: int) -> None:
    """Of 0.1 to 100 %, none of which but a few can be said exactly in binary."""
    rule = AbandonmentRule(cap=float(f"{tenths / 1000:.3f}"), limit=TWO_SECONDS, period=Period.DAY)
    assert told(rule, abandonment_cap_pct=float(f"{tenths / 10:.1f}")) == []


def test_where_abandonment_is_capped_it_is_heard_how_many_of_the_machines_that_are_hung_up_on_are_people() -> None:
    hang_up: dict[str, Any] = {"machine_detection": MachineDetection.HANG_UP}
    (sentence,) = told(AT_MOST_3, machine_audit_pct=0, **hang_up)
    assert sentence.startswith(
        "machine_audit_pct is 0 while machine_detection is hang_up: set 1 or more, so that agents hear"
    )
    assert told(AT_MOST_3, machine_audit_pct=1, **hang_up) == []
    assert told(AT_MOST_3, machine_audit_pct=0, machine_detection=MachineDetection.LISTEN) == []


def test_of_several_abandonment_rules_the_lowest_cap_the_shortest_limit_and_the_shortest_period_hold() -> None:
    monthly = AbandonmentRule(cap=0.05, limit=timedelta(seconds=1), period=Period.MONTH)
    both = AbandonmentRule(cap=0.03, limit=timedelta(seconds=1), period=Period.BLOCK_30_DAYS)
    assert a_profile().abandonment is None
    assert a_profile(a_rule("a", AT_MOST_3)).abandonment == AT_MOST_3
    assert a_profile(a_rule("a", AT_MOST_3), a_rule("b", monthly)).abandonment == both
    assert a_profile(a_rule("b", monthly), a_rule("a", AT_MOST_3)).abandonment == both


def test_where_the_abandoned_have_to_hear_a_message_the_campaign_plays_it_at_the_customer_wait_sla() -> None:
    assert told(Demand.SAFE_HARBOUR, no_agent=NoAgent.MESSAGE_AT_SLA) == []
    for no_agent in (NoAgent.QUEUE, NoAgent.MESSAGE):
        for dial_mode in DialMode:
            (sentence,) = told(Demand.SAFE_HARBOUR, no_agent=no_agent, dial_mode=dial_mode)
            assert sentence.startswith(
                f"no_agent is {no_agent}: set message_at_sla, so that who waits hears the message"
            )
    assert told(Demand.SAFE_HARBOUR, target=Target.MENU, menu="confirm") == []


def test_hours_contradict_no_setting() -> None:
    assert told(HoursRule(where=("US",), rows=(DAYTIME,))) == []


def test_everything_that_is_forbidden_is_told_at_once() -> None:
    profile = a_profile(
        a_rule("a", SettingRule(setting="ring_timeout_s", at_least=60)),
        a_rule("b", SettingRule(setting="customer_wait_sla_s", at_most=2)),
        a_rule("c", Demand.CALLER_ID),
    )
    assert [sentence.split(" (rule ")[1][0] for sentence in contradictions(profile, settings(), AccountRules())] == [
        "a",
        "b",
        "c",
    ]


# --- margins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "opens", "closes"),
    [
        (time(8), time(21), time(8, 5), time(20, 55)),
        (time(22), time(6), time(22, 5), time(5, 55)),
        (time(0), time(0), time(0, 5), time(23, 55)),
        (time(12), time(0), time(12, 5), time(23, 55)),
        (time(12), time(0, 3), time(12, 5), time(23, 58)),
    ],
)
def test_a_margin_is_taken_off_at_both_ends(start: time, end: time, opens: time, closes: time) -> None:
    assert narrowed(ScheduleRow(start=start, end=end), margin_min=5) == ScheduleRow(start=opens, end=closes)


@pytest.mark.parametrize(("start", "end"), [(time(9), time(9, 10)), (time(23, 55), time(6)), (time(9), time(9, 1))])
def test_a_window_of_which_nothing_would_be_left_is_refused(start: time, end: time) -> None:
    with pytest.raises(ValueError, match="margin of 5 minutes"):
        narrowed(ScheduleRow(start=start, end=end), margin_min=5)


minutes = st.integers(min_value=0, max_value=DAY_MIN - 1)


@given(minutes, minutes, st.integers(min_value=0, max_value=120), minutes)
def test_a_narrowed_window_is_open_only_where_the_whole_one_is_open_on_both_sides(
    start: int, end: int, margin: int, asked: int
) -> None:
    row = ScheduleRow(start=time(*divmod(start, 60)), end=time(*divmod(end, 60)))
    moment = datetime(2026, 7, 15, tzinfo=UTC) + timedelta(minutes=asked)
    try:
        inner = of_rows([narrowed(row, margin_min=margin)], "UTC")
    except ValueError:
        return
    if is_open(inner, moment):
        aside = timedelta(minutes=margin)
        assert is_open(of_rows([row], "UTC"), moment - aside)
        assert is_open(of_rows([row], "UTC"), moment + aside)
