"""Laws L1 (do-not-call), L3 (hours), L6 (attempts) and L11 (explainable): whether a lead may be called now, and why not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples_settings
from hypothesis import strategies as st

from dialerd.domain.accounts import AccountRules, UnknownZone
from dialerd.domain.caller_id import CallerId, NoCallerId, Rotation
from dialerd.domain.campaigns import Alternates, CampaignSettings
from dialerd.domain.compliance import ANYWHERE, Caps, Demand, HoursRule, Profile
from dialerd.domain.compliance import Rule as LegalRule
from dialerd.domain.eligibility import (
    CALLED_NOW_PAUSE,
    NO_CALLER_ID_PAUSE,
    NO_NUMBER,
    VERSION,
    Admitted,
    Candidate,
    Refused,
    Rule,
    Terms,
    Verdict,
    check,
    choose_shown,
    evidence,
    explain,
    of_campaign,
    zones_of,
)
from dialerd.domain.leads import FINAL, LEAD_TRANSITIONS, LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.schedule import DayPlan, LeadWindow, PlannedDay, ScheduleRow, Weekday
from dialerd.domain.transitions import advance
from tests.factories import NOON, a_candidate, a_lead, a_pool_number, a_recent_call, later, settings, terms

NEW_YORK, LONDON, LOS_ANGELES = "+12025550101", "+442079460123", "+14155550101"
CHICAGO_OR_NEW_YORK = "+12705550101"
"""An area code that two zones share."""
TOLL_FREE = "+18005550101"
"""In no place of North America, so in all of them."""
PREMIUM = "+19005550101"
NOWHERE = "+80000000000"
"""A universal freephone number: of no country, in no zone."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def with_account(**changes: Any) -> Terms:
    return terms(account=replace(AccountRules(), **changes))


def with_settings(**changes: Any) -> Terms:
    return terms(settings=settings(**changes))


def of(*numbers: str, **changes: Any) -> Candidate:
    """A lead with these numbers; facts about it (`listed`, `recent`, `last_shown`) apart from what it is itself."""
    facts = {name: changes.pop(name) for name in ("listed", "recent", "last_shown") if name in changes}
    first, *others = numbers or (NEW_YORK,)
    return a_candidate(lead=a_lead(number=first, alternate_numbers=tuple(others), **changes), **facts)


def asked(candidate: Candidate, of_campaign: Terms | None = None, *, now: datetime = NOON) -> Admitted | Refused:
    return check(candidate, of_campaign or terms(), now=now, draw=7)


def admitted(candidate: Candidate, of_campaign: Terms | None = None, *, now: datetime = NOON) -> Admitted:
    answer = asked(candidate, of_campaign, now=now)
    assert isinstance(answer, Admitted), answer
    return answer


def refused(candidate: Candidate, of_campaign: Terms | None = None, *, now: datetime = NOON) -> Refused:
    answer = asked(candidate, of_campaign, now=now)
    assert isinstance(answer, Refused), answer
    return answer


def allows(candidate: Candidate, of_campaign: Terms | None = None, *, now: datetime = NOON) -> bool:
    return isinstance(asked(candidate, of_campaign, now=now), Admitted)


def verdict(rule: Rule, candidate: Candidate, of_campaign: Terms | None = None, *, now: datetime = NOON) -> Verdict:
    """What the explanation says of that rule; of several numbers for the first."""
    return next(said for said in explain(candidate, of_campaign or terms(), now=now) if said.rule is rule)


# --- evidence ---------------------------------------------------------------------------------------------------------


def test_a_lead_that_no_rule_holds_is_admitted_with_every_rule_that_was_asked_and_its_facts() -> None:
    answer = admitted(of(attempts_used=1), with_settings(max_attempts=3))
    assert (answer.number, answer.shown) == (NEW_YORK, NO_NUMBER)
    assert answer.facts == {
        "attempts": {"used": 1, "allowed": 3},
        "dnc": {"listed": False},
        "destination": {"kind": "ordinary", "country": "US"},
        "called_now": {},
        "number_cap": {"in_24_h": "0 of 5", "in_168_h": "0 of 10"},
        "abandon_lockout": {"abandoned_at": None},
        "caller_id": {"shown": ""},
    }


def test_the_rules_of_the_campaign_are_evidence_too_with_the_version_of_all_of_them() -> None:
    said = evidence(of_campaign(terms(), now=NOON), now=NOON)
    assert said == {
        "version": VERSION,
        "checked_at": "2026-03-02T12:00:00+00:00",
        "profile": {"id": "none", "version": "1"},
        "schedule": {"zone": "UTC"},
    }


def test_the_evidence_can_be_kept_as_json() -> None:
    strict = terms(settings=BUSY_SETTINGS, profile=US_DAYTIME, account=AccountRules(caller_id=CallerId(number=LONDON)))
    answer = admitted(of(recent=[a_recent_call()]), strict, now=utc("2026-03-02 15:00"))
    assert json.loads(json.dumps(answer.facts)) == answer.facts
    campaign = evidence(of_campaign(strict, now=NOON), now=NOON)
    assert json.loads(json.dumps(campaign)) == campaign


def test_the_same_question_always_gets_the_same_answer() -> None:
    pool = [a_pool_number(id=number, caller_id=CallerId(number=f"+1202555019{number}")) for number in range(9)]
    random = terms(settings=settings(caller_id_enabled=True, rotation=Rotation.RANDOM), pool=pool)
    assert asked(of(), random) == asked(of(), random)


# --- the campaign's own rules -----------------------------------------------------------------------------------------

OFFICE = ScheduleRow(
    start=time(9),
    end=time(17),
    weekdays=(Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI),
)


def schedule_verdict(of_account: Terms, now: datetime) -> Verdict:
    return next(said for said in of_campaign(of_account, now=now) if said.rule is Rule.SCHEDULE)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-02 07:59:59", "2026-03-02 08:00"),
        ("2026-03-02 08:00", None),
        ("2026-03-02 15:59:30", None),
        ("2026-03-02 15:59:30.000001", "2026-03-03 08:00"),
        ("2026-03-06 20:00", "2026-03-09 08:00"),
        ("2026-03-27 16:00", "2026-03-30 07:00"),  # the clocks are put forward on the Sunday between
    ],
)
def test_schedule_rows_restrict_when_the_dialer_may_place_calls_in_the_accounts_timezone(
    now: str, opens: str | None
) -> None:
    """And no call starts that could still be ringing (for 30 seconds) after the window closes."""
    berlin = terms(account=AccountRules(time_zone="Europe/Berlin"), settings=settings(schedule=(OFFICE,)))
    said = schedule_verdict(berlin, utc(now))
    assert (said.allows, said.until) == (opens is None, utc(opens) if opens else None)
    assert said.facts == {"zone": "Europe/Berlin"}


def test_a_longer_ring_timeout_ends_the_day_earlier() -> None:
    patient = with_settings(schedule=(OFFICE,), ring_timeout_s=120)
    assert schedule_verdict(patient, utc("2026-03-02 16:58")).allows
    assert not schedule_verdict(patient, utc("2026-03-02 16:58:01")).allows


def test_business_hours_are_the_accounts_with_campaign_override() -> None:
    account = AccountRules(business_hours=(OFFICE,))
    sunday = utc("2026-03-01 12:00")
    assert not schedule_verdict(terms(account=account), sunday).allows
    assert schedule_verdict(terms(account=account, settings=settings(schedule=())), sunday).allows


def test_a_schedule_that_never_opens_again_says_so() -> None:
    leap = ScheduleRow(start=time(9), end=time(17), months=(2,), month_days=(30, 31))
    said = schedule_verdict(with_settings(schedule=(leap,)), NOON)
    assert (said.allows, said.until) == (False, None)


def test_under_a_profile_that_nobody_knows_nothing_is_dialed_and_its_name_is_said() -> None:
    unknown = terms(profile=None, settings=settings(profile="atlantis"))
    said = next(iter(of_campaign(unknown, now=NOON)))
    assert (said.rule, said.allows, said.until, said.event) == (Rule.PROFILE, False, None, None)
    assert said.facts == {"unknown": "atlantis"}


def test_a_profile_that_is_known_is_evidence_with_its_version() -> None:
    said = next(iter(of_campaign(terms(), now=NOON)))
    assert (said.rule, said.allows, said.facts) == (Rule.PROFILE, True, {"id": "none", "version": "1"})


# --- law L6: attempts and dial cycles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [3, 4])
def test_a_lead_without_attempts_left_is_given_up(used: int) -> None:
    """ "Maximum dial attempts per lead ... before the lead is marked Failed"."""
    answer = refused(of(attempts_used=used), with_settings(max_attempts=3))
    assert answer == Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED)


def test_a_leads_own_limit_is_the_one_that_counts() -> None:
    """ "Per-lead retry override"."""
    assert allows(of(attempts_used=3, max_attempts=4), with_settings(max_attempts=3))
    assert refused(of(attempts_used=1, max_attempts=1), with_settings(max_attempts=3)).rule is Rule.ATTEMPTS


def test_a_lead_all_of_whose_numbers_are_dead_is_given_up() -> None:
    answer = refused(of(NEW_YORK, LONDON, dead_numbers=(LONDON, NEW_YORK)))
    assert answer == Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED)


def own_calls(*ago: timedelta, **changes: Any) -> list[Any]:
    return [a_recent_call(lead_id=1, opened_at=NOON - span, **changes) for span in sorted(ago)]


def test_0_dial_cycles_means_no_cycle_limit() -> None:
    dialed = of(recent=own_calls(HOUR, 2 * HOUR, 3 * HOUR))
    assert allows(dialed, with_settings(dial_cycles=0))
    assert all(said.rule is not Rule.DIAL_CYCLES for said in explain(dialed, with_settings(), now=NOON))


@pytest.mark.parametrize(("cycles", "dials", "allows"), [(1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False)])
def test_dial_cycles_are_full_passes_through_the_list_so_dials_of_each_lead(
    cycles: int, dials: int, allows: bool
) -> None:
    dialed = of(recent=own_calls(*[HOUR * n for n in range(1, dials + 1)]))
    said = verdict(Rule.DIAL_CYCLES, dialed, with_settings(dial_cycles=cycles))
    assert said.facts == {"dials": dials, "allowed": cycles, "since": "2026-03-02T00:00:00+00:00"}
    assert (said.allows, said.until) == (allows, None if allows else utc("2026-03-03 00:00"))


def test_a_lead_that_had_its_dials_waits_for_the_reset_time_and_stays_what_it_is() -> None:
    once = with_settings(dial_cycles=1, dial_cycles_time=time(18))
    answer = refused(of(recent=own_calls(HOUR)), once)
    assert answer == Refused(rule=Rule.DIAL_CYCLES, event=None, until=utc("2026-03-02 18:00"))


def test_dials_before_the_reset_time_count_no_more() -> None:
    once = with_settings(dial_cycles=1, dial_cycles_time=time(11))
    assert refused(of(recent=own_calls(HOUR)), once).rule is Rule.DIAL_CYCLES
    assert allows(of(recent=own_calls(HOUR + timedelta(seconds=1))), once)


def test_the_reset_time_is_of_the_accounts_clock_also_on_a_day_of_25_hours() -> None:
    once = settings(dial_cycles=1, dial_cycles_time=time(2, 30))
    berlin = terms(settings=once, account=AccountRules(time_zone="Europe/Berlin"))
    dialed = of(recent=[a_recent_call(lead_id=1, opened_at=utc("2026-10-24 12:00"))])
    assert refused(dialed, berlin, now=utc("2026-10-25 00:29")).until == utc("2026-10-25 00:30")
    assert allows(dialed, berlin, now=utc("2026-10-25 00:30"))


def test_a_call_that_certainly_never_left_is_no_dial_of_a_cycle() -> None:
    dialed = of(recent=own_calls(HOUR, outcome=Outcome.NOT_PLACED))
    assert allows(dialed, with_settings(dial_cycles=1))


def test_nor_are_the_dials_of_another_lead_with_the_same_number() -> None:
    assert allows(of(recent=[a_recent_call(lead_id=2)]), with_settings(dial_cycles=1))


# --- law L1: do-not-call ----------------------------------------------------------------------------------------------


def test_a_number_on_a_do_not_call_list_blocks_its_lead() -> None:
    answer = refused(of(listed=frozenset({NEW_YORK})))
    assert answer == Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST)


def test_a_running_retry_is_blocked_too() -> None:
    waiting = of(state=LeadState.RETRY, attempts_used=1, dials=1, listed=frozenset({NEW_YORK}))
    answer = refused(waiting)
    assert answer.event is not None
    assert advance(LEAD_TRANSITIONS, waiting.lead.state, answer.event) is LeadState.BLOCKED


def test_do_not_call_comes_before_every_other_rule_of_a_number() -> None:
    capped = [a_recent_call(outcome=Outcome.ABANDONED)] * 20
    answer = refused(of(PREMIUM, listed=frozenset({PREMIUM}), recent=capped))
    assert answer.rule is Rule.DNC


# --- destinations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (PREMIUM, "premium"),
        ("+881612345678", "satellite"),
        ("+112", "unknown"),
        ("+9991234567", "unknown"),
        ("", "unknown"),
        ("2025550101", "unknown"),
    ],
)
def test_premium_satellite_and_emergency_numbers_and_what_is_none_are_always_refused(number: str, kind: str) -> None:
    """Even where the account allows every beginning."""
    allowing = with_account(allowed_prefixes=("+", "1", "2", "9"))
    answer = refused(of(number), allowing)
    assert answer == Refused(rule=Rule.DESTINATION, event=LeadEvent.FORBIDDEN)
    assert verdict(Rule.DESTINATION, of(number), allowing).facts["kind"] == kind


@pytest.mark.parametrize(
    ("prefixes", "allows"),
    [
        (None, True),
        (("+1",), True),
        (("+44", "+1202"), True),
        (("+44",), False),
        (("+12025550102",), False),
        ((), False),
    ],
)
def test_an_account_may_name_the_beginnings_that_may_be_dialed(prefixes: tuple[str, ...] | None, allows: bool) -> None:
    said = verdict(Rule.DESTINATION, of(), with_account(allowed_prefixes=prefixes))
    assert (said.allows, said.event) == (allows, None if allows else LeadEvent.FORBIDDEN)


# --- called now, caps, lock-out ---------------------------------------------------------------------------------------


def test_a_number_that_is_just_being_called_waits_whoever_calls_it() -> None:
    answer = refused(of(recent=[a_recent_call(outcome=None, opened_at=later(-5))]))
    assert answer == Refused(rule=Rule.CALLED_NOW, until=NOON + CALLED_NOW_PAUSE)


def capped(*ago: timedelta, outcome: Outcome = Outcome.NO_ANSWER) -> Candidate:
    """A lead to whose number calls were made so long ago, by campaigns of other leads."""
    return of(recent=[a_recent_call(opened_at=NOON - span, outcome=outcome, lead_id=99) for span in sorted(ago)])


def test_calls_to_a_number_in_a_rolling_24_hours_are_capped_across_all_campaigns() -> None:
    three = with_account(max_calls_24h=3)
    assert allows(capped(HOUR, 5 * HOUR), three)
    answer = refused(capped(HOUR, 5 * HOUR, 23 * HOUR), three)
    assert answer == Refused(rule=Rule.NUMBER_CAP, until=NOON + HOUR)


def test_a_call_counts_until_it_is_24_hours_old_to_the_microsecond() -> None:
    one = with_account(max_calls_24h=1)
    assert allows(capped(DAY), one)
    assert refused(capped(DAY - datetime.resolution), one).until == NOON + datetime.resolution


def test_with_more_calls_than_the_cap_the_wait_lasts_until_fewer_are_left() -> None:
    assert refused(capped(HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR), with_account(max_calls_24h=2)).until == NOON + 22 * HOUR


def test_so_are_those_in_7_days() -> None:
    four = with_account(max_calls_24h=None, max_calls_7d=4)
    spread = [DAY, 2 * DAY, 3 * DAY, 6 * DAY]
    assert allows(capped(*spread[:3], 7 * DAY), four)
    assert refused(capped(*spread), four) == Refused(rule=Rule.NUMBER_CAP, until=NOON + DAY)


def test_where_both_caps_are_reached_the_longer_wait_holds() -> None:
    both = with_account(max_calls_24h=1, max_calls_7d=2)
    assert refused(capped(HOUR, 2 * DAY), both).until == NOON + 5 * DAY


def test_the_evidence_counts_the_calls_of_both_spans() -> None:
    said = verdict(Rule.NUMBER_CAP, capped(HOUR, 2 * DAY), with_account(max_calls_24h=None))
    assert said.facts == {"in_24_h": "1 of any", "in_168_h": "2 of 10"}


def test_without_caps_nothing_is_counted_against_a_number() -> None:
    assert allows(capped(*[HOUR] * 50), with_account(max_calls_24h=None, max_calls_7d=None))


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.NOT_PLACED}))
def test_every_call_that_may_have_left_counts_also_one_whose_end_is_not_known(outcome: Outcome) -> None:
    assert (
        refused(capped(HOUR, outcome=outcome), with_account(max_calls_24h=1, abandon_lockout_h=0)).rule
        is Rule.NUMBER_CAP
    )


def test_a_call_that_never_left_does_not() -> None:
    assert allows(capped(*[HOUR] * 50, outcome=Outcome.NOT_PLACED), with_account(max_calls_24h=1))


def test_the_strictest_of_the_accounts_and_the_profiles_caps_holds() -> None:
    profile = a_profile(Caps(max_calls_24h=2))
    dialed = capped(HOUR, 2 * HOUR)
    assert refused(dialed, terms(profile=profile)).rule is Rule.NUMBER_CAP
    assert refused(dialed, terms(profile=a_profile(), account=AccountRules(max_calls_24h=2))).rule is Rule.NUMBER_CAP
    assert allows(dialed, terms(profile=a_profile(Caps(max_calls_24h=9))))


def test_after_an_abandoned_call_the_number_is_left_alone_for_72_hours_by_every_campaign() -> None:
    dialed = capped(10 * HOUR, outcome=Outcome.ABANDONED)
    assert refused(dialed) == Refused(rule=Rule.ABANDON_LOCKOUT, until=NOON + 62 * HOUR)
    assert verdict(Rule.ABANDON_LOCKOUT, dialed).facts == {"abandoned_at": "2026-03-02T02:00:00+00:00"}
    assert allows(capped(72 * HOUR, outcome=Outcome.ABANDONED))


def test_of_several_abandoned_calls_the_last_one_counts() -> None:
    assert refused(capped(10 * HOUR, 50 * HOUR, outcome=Outcome.ABANDONED)).until == NOON + 62 * HOUR


def test_the_longer_of_the_accounts_and_the_profiles_lock_out_holds() -> None:
    dialed = capped(10 * HOUR, outcome=Outcome.ABANDONED)
    profile = a_profile(Caps(abandon_lockout=100 * HOUR))
    assert refused(dialed, terms(profile=profile)).until == NOON + 90 * HOUR
    assert (
        refused(dialed, terms(profile=profile, account=AccountRules(abandon_lockout_h=101))).until == NOON + 91 * HOUR
    )
    assert allows(dialed, with_account(abandon_lockout_h=0))


# --- a lead with several numbers --------------------------------------------------------------------------------------

ALTERNATES = st.sampled_from(Alternates)


def test_of_several_numbers_the_first_that_may_be_called_is() -> None:
    assert admitted(of(NEW_YORK, LONDON)).number == NEW_YORK
    assert admitted(of(NEW_YORK, LONDON, listed=frozenset({NEW_YORK}))).number == LONDON
    assert admitted(of(NEW_YORK, LONDON, dead_numbers=(NEW_YORK,))).number == LONDON
    assert admitted(of(PREMIUM, LONDON)).number == LONDON


def test_with_alternates_off_no_other_number_is_called() -> None:
    off = with_settings(alternates=Alternates.OFF)
    assert refused(of(NEW_YORK, LONDON, listed=frozenset({NEW_YORK})), off).rule is Rule.DNC
    assert refused(of(NEW_YORK, LONDON, dead_numbers=(NEW_YORK,)), off).rule is Rule.ATTEMPTS


def test_on_each_attempt_the_turn_is_the_next_numbers() -> None:
    each = with_settings(alternates=Alternates.EACH_ATTEMPT)
    turns = [admitted(of(NEW_YORK, LONDON, attempts_used=used), each).number for used in (0, 1, 2)]
    assert turns == [NEW_YORK, LONDON, NEW_YORK]


def test_a_number_whose_cap_is_reached_does_not_keep_the_others_waiting() -> None:
    one = terms(account=AccountRules(max_calls_24h=1))
    assert admitted(of(NEW_YORK, LONDON, recent=[a_recent_call(number=NEW_YORK)]), one).number == LONDON


def test_while_one_of_the_numbers_may_be_called_later_the_lead_waits_for_the_first_that_may() -> None:
    one = terms(account=AccountRules(max_calls_24h=1))
    calls = [
        a_recent_call(number=LONDON, opened_at=NOON - HOUR),
        a_recent_call(number=LOS_ANGELES, opened_at=NOON - 2 * HOUR),
    ]
    answer = refused(of(NEW_YORK, LONDON, LOS_ANGELES, listed=frozenset({NEW_YORK}), recent=calls), one)
    assert answer == Refused(rule=Rule.NUMBER_CAP, event=None, until=NOON + 22 * HOUR)


def test_a_lead_all_of_whose_numbers_are_listed_is_blocked() -> None:
    answer = refused(of(NEW_YORK, LONDON, listed=frozenset({NEW_YORK, LONDON})))
    assert answer == Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST)


# --- law L3: the lead's own time zone ---------------------------------------------------------------------------------

DAYTIME = LeadWindow(start=time(9), end=time(20))
BY_ZONE = settings(lead_window=DAYTIME)


def by_zone(**changes: Any) -> Terms:
    return terms(settings=BY_ZONE, account=replace(AccountRules(), **changes))


@pytest.mark.parametrize(
    ("number", "now", "opens"),
    [
        (NEW_YORK, "2026-03-02 13:59:59", "2026-03-02 14:00"),
        (NEW_YORK, "2026-03-02 14:00", None),
        (NEW_YORK, "2026-03-03 00:59:30", None),
        (NEW_YORK, "2026-03-03 00:59:31", "2026-03-03 14:00"),
        (LONDON, "2026-03-02 09:00", None),
        (LONDON, "2026-03-02 20:00", "2026-03-03 09:00"),
        (LOS_ANGELES, "2026-03-02 14:00", "2026-03-02 17:00"),
    ],
)
def test_dial_by_timezone_dials_only_between_from_and_to_in_the_leads_local_timezone(
    number: str, now: str, opens: str | None
) -> None:
    said = verdict(Rule.LEAD_WINDOW, of(number), by_zone(), now=utc(now))
    assert (said.allows, said.until) == (opens is None, utc(opens) if opens else None)


def test_a_lead_outside_its_window_waits_and_stays_what_it_is() -> None:
    answer = refused(of(LOS_ANGELES), by_zone(), now=utc("2026-03-02 14:00"))
    assert answer == Refused(rule=Rule.LEAD_WINDOW, event=None, until=utc("2026-03-02 17:00"))


def test_an_ambiguous_number_is_dialed_only_when_every_candidate_zone_is_open() -> None:
    morning, evening = utc("2026-03-02 14:30"), utc("2026-03-03 01:30")
    assert refused(of(CHICAGO_OR_NEW_YORK), by_zone(), now=morning).until == utc("2026-03-02 15:00")
    assert allows(of(CHICAGO_OR_NEW_YORK), by_zone(), now=utc("2026-03-02 15:00"))
    assert refused(of(CHICAGO_OR_NEW_YORK), by_zone(), now=evening).until == utc("2026-03-03 15:00")


def test_a_number_of_no_place_is_dialed_only_when_all_of_its_country_is_open() -> None:
    """From Newfoundland (until 23:30 in UTC) to Guam (from 23:00)."""
    assert refused(of(TOLL_FREE), by_zone()) == Refused(rule=Rule.LEAD_WINDOW, until=utc("2026-03-02 23:00"))
    assert allows(of(TOLL_FREE), by_zone(), now=utc("2026-03-02 23:29:30"))
    assert not allows(of(TOLL_FREE), by_zone(), now=utc("2026-03-02 23:29:31"))


def test_a_lead_whose_windows_are_never_open_at_once_is_blocked_rather_than_kept_waiting() -> None:
    evenings = LeadWindow(start=time(18), end=time(20))
    answer = refused(of(NEW_YORK, time_zone="Asia/Tokyo"), with_settings(lead_window=evenings))
    assert answer == Refused(rule=Rule.LEAD_WINDOW, event=LeadEvent.FORBIDDEN)


def test_the_zones_that_were_judged_are_evidence_whatever_the_verdict() -> None:
    zones = {"zones": ["America/Chicago", "America/New_York"]}
    for now in (utc("2026-03-02 14:30"), utc("2026-03-02 16:00")):
        assert verdict(Rule.LEAD_ZONE, of(CHICAGO_OR_NEW_YORK), by_zone(), now=now).facts == zones
        assert verdict(Rule.LEAD_WINDOW, of(CHICAGO_OR_NEW_YORK), by_zone(), now=now).facts == zones


def test_the_zone_of_the_list_is_one_more_that_has_to_be_open() -> None:
    """A number may have been taken along, and so may the person: neither is believed alone."""
    moved = of(NEW_YORK, time_zone="America/Los_Angeles")
    assert zones_of(moved.lead, NEW_YORK, AccountRules()) == ("America/New_York", "America/Los_Angeles")
    assert refused(moved, by_zone(), now=utc("2026-03-02 14:00")).until == utc("2026-03-02 17:00")
    assert allows(moved, by_zone(), now=utc("2026-03-02 17:00"))
    assert refused(moved, by_zone(), now=utc("2026-03-03 01:30")).until == utc("2026-03-03 17:00")


def test_unless_the_account_trusts_it_alone() -> None:
    moved = of(NEW_YORK, time_zone="America/Los_Angeles")
    assert zones_of(moved.lead, NEW_YORK, AccountRules(lead_zone_trusted=True)) == ("America/Los_Angeles",)
    assert allows(moved, by_zone(lead_zone_trusted=True), now=utc("2026-03-03 01:30"))


def test_a_trusted_list_that_says_nothing_leaves_it_to_the_number() -> None:
    assert zones_of(a_lead(), NEW_YORK, AccountRules(lead_zone_trusted=True)) == ("America/New_York",)


def test_the_zone_of_the_list_helps_where_the_number_tells_none() -> None:
    told = of(NOWHERE, time_zone="Europe/London")
    assert zones_of(told.lead, NOWHERE, AccountRules()) == ("Europe/London",)
    assert allows(told, by_zone())


def test_a_lead_whose_zone_nobody_knows_is_not_dialed_where_a_rule_needs_it() -> None:
    assert refused(of(NOWHERE), by_zone()) == Refused(rule=Rule.LEAD_ZONE, event=LeadEvent.FORBIDDEN)
    assert verdict(Rule.LEAD_ZONE, of(NOWHERE), by_zone()).facts == {"zones": []}


def test_unless_the_account_says_that_its_own_zone_applies() -> None:
    """ "From phone number or account default"."""
    tolerant: dict[str, Any] = {"unknown_zone": UnknownZone.ACCOUNT, "time_zone": "Asia/Kathmandu"}
    assert zones_of(a_lead(), NOWHERE, replace(AccountRules(), **tolerant)) == ("Asia/Kathmandu",)
    assert allows(of(NOWHERE), by_zone(**tolerant))
    assert refused(of(NOWHERE), by_zone(**tolerant), now=utc("2026-03-02 14:15")).until == utc("2026-03-03 03:15")


def test_the_accounts_zone_is_no_guess_about_a_number_that_tells_its_own() -> None:
    assert zones_of(a_lead(), NEW_YORK, AccountRules(unknown_zone=UnknownZone.ACCOUNT)) == ("America/New_York",)


def test_where_no_rule_needs_a_zone_none_is_asked_for() -> None:
    assert allows(of(NOWHERE))
    assert all(said.rule is not Rule.LEAD_ZONE for said in explain(of(NOWHERE), terms(), now=NOON))


def test_a_zone_that_does_not_exist_blocks_the_lead_and_stops_nobody_else() -> None:
    """A zone may leave the database with its next version, so this is not settled at the upload."""
    lost = of(NEW_YORK, time_zone="America/Atlantis")
    assert refused(lost, by_zone()) == Refused(rule=Rule.LEAD_ZONE, event=LeadEvent.FORBIDDEN)
    assert [said.rule for said in explain(lost, by_zone(), now=NOON)][-2:] == [Rule.LEAD_ZONE, Rule.CALLER_ID]


def test_the_wait_ends_when_the_leads_window_and_the_campaigns_schedule_are_both_open() -> None:
    both, friday = with_settings(lead_window=DAYTIME, schedule=(OFFICE,)), utc("2026-03-06 10:00")
    assert refused(of(NEW_YORK), both, now=friday).until == utc("2026-03-06 14:00")
    # 09:00 in Los Angeles is 17:00 in UTC, when the office closes; from the 8th of March on it is 16:00.
    assert refused(of(LOS_ANGELES), both, now=friday).until == utc("2026-03-09 16:00")


# --- Dial by Schedule by Timezone -------------------------------------------------------------------------------------

PLAN = DayPlan(
    days=(
        PlannedDay(day=0, times=(time(9), time(13))),
        PlannedDay(day=1, times=()),
        PlannedDay(day=2, times=(time(10),)),
    )
)
PLANNED = terms(settings=settings(day_plan=PLAN))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2026-03-02 14:30", None, id="09:30 of the first day"),
        pytest.param("2026-03-02 15:00", "2026-03-02 18:00", id="between two windows"),
        pytest.param("2026-03-02 18:59:30", None, id="the last moment of the second window"),
        pytest.param("2026-03-02 18:59:31", "2026-03-04 15:00", id="an empty day is skipped"),
        pytest.param("2026-03-03 14:30", "2026-03-04 15:00", id="on the empty day"),
        pytest.param("2026-03-04 15:00", None, id="day 2"),
    ],
)
def test_dial_by_schedule_dials_a_lead_only_when_local_time_falls_inside_a_configured_window(
    now: str, until: str | None
) -> None:
    said = verdict(Rule.DAY_PLAN, of(new_since=utc("2026-03-02 06:00")), PLANNED, now=utc(now))
    assert (said.allows, said.until, said.event) == (until is None, utc(until) if until else None, None)


def test_day_0_is_the_day_on_which_the_lead_was_created_where_it_lives() -> None:
    in_the_night = of(new_since=utc("2026-03-02 04:59"))  # still the first of March in New York
    assert verdict(Rule.DAY_PLAN, in_the_night, PLANNED, now=utc("2026-03-02 14:30")).until == utc("2026-03-03 15:00")


def test_a_lead_whose_plan_is_over_has_been_tried_and_is_given_up() -> None:
    answer = refused(of(new_since=utc("2026-03-02 06:00")), PLANNED, now=utc("2026-03-04 16:00"))
    assert answer == Refused(rule=Rule.DAY_PLAN, event=LeadEvent.EXHAUSTED)


# --- the profile's hours ----------------------------------------------------------------------------------------------


def a_profile(*binds: HoursRule | Caps | Demand, regions: tuple[str, ...] = (ANYWHERE,)) -> Profile:
    rules = tuple(
        LegalRule(
            id=f"rule-{number}",
            version="7",
            title="A rule",
            source=("a law",),
            verified_on=date(2026, 1, 1),
            binds=bind,
        )
        for number, bind in enumerate(binds, start=1)
    )
    return Profile(
        id="test",
        version="7",
        title="A profile",
        source=("a law",),
        verified_on=date(2026, 1, 1),
        regions=regions,
        areas={"+1202": "US-DC"},
        rules=rules,
    )


LEGAL_DAY = ScheduleRow(start=time(8), end=time(21))
US_DAYTIME = a_profile(HoursRule(where=("US",), rows=(LEGAL_DAY,)), Demand.CALLER_ID, regions=("US",))
BUSY_SETTINGS = settings(dial_cycles=2, lead_window=DAYTIME, schedule=(OFFICE,))
SHOWN = AccountRules(caller_id=CallerId(number="+12025550199"))


def lawful(profile: Profile = US_DAYTIME, **changes: Any) -> Terms:
    return terms(profile=profile, account=SHOWN, settings=settings(**changes))


def test_a_profiles_hours_hold_where_the_lead_lives_whatever_the_campaign_says() -> None:
    assert refused(of(), lawful(), now=utc("2026-03-02 12:59")).until == utc("2026-03-02 13:00")
    assert allows(of(), lawful(), now=utc("2026-03-02 13:00"))
    assert refused(of(), lawful(), now=utc("2026-03-03 01:59:31")).rule is Rule.LEGAL_HOURS


def test_the_rules_of_the_profile_that_were_asked_are_evidence_with_their_versions() -> None:
    said = verdict(Rule.LEGAL_HOURS, of(), lawful(), now=utc("2026-03-02 15:00"))
    assert said.facts == {"zones": ["America/New_York"], "rules": {"rule-1": "7"}}


def test_the_hours_of_a_part_of_the_country_hold_on_top() -> None:
    later_there = HoursRule(where=("US-DC",), rows=(ScheduleRow(start=time(10), end=time(18)),))
    profile = a_profile(HoursRule(where=("US",), rows=(LEGAL_DAY,)), later_there, regions=("US",))
    assert refused(of(NEW_YORK), lawful(profile), now=utc("2026-03-02 14:00")).until == utc("2026-03-02 15:00")


def test_on_a_day_on_which_a_profile_forbids_calls_none_is_made() -> None:
    holiday = HoursRule(where=("US",), rows=(LEGAL_DAY,), closed_on=(date(2026, 3, 2),))
    profile = a_profile(holiday, regions=("US",))
    answer = refused(of(), lawful(profile), now=utc("2026-03-02 15:00"))
    assert answer == Refused(rule=Rule.LEGAL_HOURS, until=utc("2026-03-03 13:00"))


def test_a_country_that_a_profile_does_not_cover_is_never_called() -> None:
    assert refused(of(LONDON), lawful()) == Refused(rule=Rule.LEGAL_HOURS, event=LeadEvent.FORBIDDEN)


def test_nor_is_a_number_of_no_country() -> None:
    assert refused(of(NOWHERE), lawful()).event is LeadEvent.FORBIDDEN


def test_a_campaigns_window_and_the_profiles_hours_have_to_be_open_at_once() -> None:
    early = lawful(lead_window=LeadWindow(start=time(6), end=time(10)))
    assert refused(of(), early, now=utc("2026-03-02 11:00")) == Refused(
        rule=Rule.LEGAL_HOURS, until=utc("2026-03-02 13:00")
    )
    assert refused(of(), early, now=utc("2026-03-02 15:00")) == Refused(
        rule=Rule.LEAD_WINDOW, until=utc("2026-03-03 13:00")
    )


# --- the number to show -----------------------------------------------------------------------------------------------

QUEUE_NUMBER, ACCOUNT_NUMBER = CallerId(number="+12025550190"), CallerId(number="+12025550191")


@pytest.mark.parametrize(
    ("queue_number", "account_number", "shown"),
    [
        (QUEUE_NUMBER, ACCOUNT_NUMBER, QUEUE_NUMBER.number),
        (None, ACCOUNT_NUMBER, ACCOUNT_NUMBER.number),
        (QUEUE_NUMBER, None, QUEUE_NUMBER.number),
        (None, None, ""),
    ],
)
def test_when_off_the_dialer_uses_the_queue_phone_number_then_account_default_caller_id(
    queue_number: CallerId | None, account_number: CallerId | None, shown: str
) -> None:
    off = terms(
        queue_number=queue_number,
        account=AccountRules(caller_id=account_number),
        pool=[a_pool_number()],
        settings=settings(caller_id_enabled=False),
    )
    answer = admitted(of(), off)
    assert answer.shown.caller_id.number == shown
    assert answer.facts["caller_id"] == {"shown": shown}


@pytest.mark.parametrize("rotation", Rotation)
def test_when_on_a_number_of_the_campaigns_pool_is_shown_and_no_other(rotation: Rotation) -> None:
    on = settings(caller_id_enabled=True, rotation=rotation)
    pool = [a_pool_number()]
    answer = admitted(of(), terms(queue_number=QUEUE_NUMBER, account=SHOWN, pool=pool, settings=on))
    assert answer.shown == pool[0]


def test_when_on_and_the_pool_is_empty_nothing_is_shown_instead_and_the_lead_waits() -> None:
    on = terms(queue_number=QUEUE_NUMBER, account=SHOWN, settings=settings(caller_id_enabled=True))
    assert refused(of(), on) == Refused(rule=Rule.CALLER_ID, until=NOON + NO_CALLER_ID_PAUSE)
    assert verdict(Rule.CALLER_ID, of(), on).facts == {"why": "the number pool is empty"}


def test_while_all_numbers_rest_the_lead_waits_for_the_first_that_does_not() -> None:
    pool = [a_pool_number(id=1, resting_until=later(900)), a_pool_number(id=2, resting_until=later(600))]
    on = terms(pool=pool, settings=settings(caller_id_enabled=True))
    assert refused(of(), on) == Refused(rule=Rule.CALLER_ID, until=later(600))


def test_a_daily_cap_ends_with_the_accounts_day() -> None:
    pool = [a_pool_number(daily_cap=5, uses_today=5)]
    on = terms(pool=pool, settings=settings(caller_id_enabled=True), account=AccountRules(time_zone="Europe/Berlin"))
    assert refused(of(), on).until == utc("2026-03-02 23:00")


def test_the_number_that_a_contact_has_seen_is_shown_again() -> None:
    unused, seen = a_pool_number(id=1), a_pool_number(id=2, uses=50, caller_id=QUEUE_NUMBER)
    sticky = terms(pool=[unused, seen], settings=settings(caller_id_enabled=True, rotation=Rotation.STICKY))
    assert admitted(of(last_shown=QUEUE_NUMBER.number), sticky).shown == seen
    assert admitted(of(), sticky).shown == unused


BRITISH_ONLY: Mapping[str, tuple[str, ...]] = {"GB": ("+44",)}


def test_a_number_that_may_not_be_shown_in_a_country_is_not_shown_there_wherever_it_comes_from() -> None:
    account = AccountRules(caller_id=ACCOUNT_NUMBER, caller_id_prefixes=BRITISH_ONLY)
    assert refused(of(LONDON), terms(account=account)).rule is Rule.CALLER_ID
    assert admitted(of(NEW_YORK), terms(account=account)).shown.caller_id == ACCOUNT_NUMBER
    pool = [a_pool_number(id=1), a_pool_number(id=2, caller_id=CallerId(number="+442079460199"))]
    on = terms(account=account, pool=pool, settings=settings(caller_id_enabled=True))
    assert admitted(of(LONDON), on).shown == pool[1]


@pytest.mark.parametrize("number", [LONDON, NOWHERE])
def test_where_a_number_has_to_be_shown_or_nobody_can_tell_whether_none_is_refused(number: str) -> None:
    answer = choose_shown(of(number), with_account(caller_id_prefixes=BRITISH_ONLY), number, now=NOON, draw=0)
    assert answer == NoCallerId(until=None, why="a number has to be shown, and none is set")


def test_elsewhere_a_trunk_may_show_its_own() -> None:
    assert admitted(of(NEW_YORK), with_account(caller_id_prefixes=BRITISH_ONLY)).shown == NO_NUMBER


def test_a_profile_may_demand_that_a_number_is_shown() -> None:
    nameless = terms(profile=US_DAYTIME)
    assert refused(of(), nameless, now=utc("2026-03-02 15:00")).rule is Rule.CALLER_ID


# --- explaining -------------------------------------------------------------------------------------------------------


def test_an_explanation_says_every_rule_in_the_order_in_which_it_is_asked() -> None:
    strict = terms(settings=BUSY_SETTINGS, profile=US_DAYTIME)
    said = [each.rule for each in explain(of(), strict, now=NOON)]
    assert said == [rule for rule in Rule if rule is not Rule.DAY_PLAN]


def test_also_those_behind_one_that_refuses() -> None:
    unlucky = of(attempts_used=9, listed=frozenset({NEW_YORK}), recent=[a_recent_call(outcome=None)])
    said = explain(unlucky, terms(profile=None), now=NOON)
    refusing = [each.rule for each in said if not each.allows]
    assert refusing == [Rule.PROFILE, Rule.ATTEMPTS, Rule.DNC, Rule.CALLED_NOW]


def test_for_each_of_the_leads_numbers_the_one_whose_turn_it_is_first() -> None:
    each = with_settings(alternates=Alternates.EACH_ATTEMPT)
    said = explain(of(NEW_YORK, LONDON, attempts_used=1), each, now=NOON)
    assert list(dict.fromkeys(one.number for one in said)) == [None, LONDON, NEW_YORK]


# A small world, so that the rules meet each other often.
NUMBERS = [NEW_YORK, LONDON, LOS_ANGELES, CHICAGO_OR_NEW_YORK, TOLL_FREE, PREMIUM, NOWHERE]
ROWS = [OFFICE, ScheduleRow(start=time(22), end=time(6)), ScheduleRow(start=time(0), end=time(0), month_days=(1, 15))]
WINDOWS = [DAYTIME, LeadWindow(start=time(20), end=time(2))]
PROFILES = [
    terms().profile,
    US_DAYTIME,
    a_profile(HoursRule(where=("US", "GB"), rows=(LEGAL_DAY,)), Caps(max_calls_24h=2, abandon_lockout=100 * HOUR)),
    None,
]

calls = st.builds(
    a_recent_call,
    number=st.sampled_from(NUMBERS),
    opened_at=st.integers(0, 200).map(lambda hours: NOON - hours * HOUR),
    outcome=st.sampled_from([None, Outcome.NO_ANSWER, Outcome.ABANDONED, Outcome.NOT_PLACED, Outcome.UNKNOWN]),
    lead_id=st.integers(1, 2),
)
candidates = st.builds(
    lambda numbers, recent, **facts: of(*numbers, recent=newest_first(recent), **facts),
    st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True),
    st.lists(calls, max_size=6),
    attempts_used=st.integers(0, 3),
    dead_numbers=st.sets(st.sampled_from(NUMBERS), max_size=2).map(tuple),
    listed=st.frozensets(st.sampled_from(NUMBERS), max_size=2),
    time_zone=st.sampled_from([None, None, "Asia/Tokyo", "Nowhere/Land"]),
    new_since=st.integers(0, 100).map(lambda hours: NOON - hours * HOUR),
)
campaigns = st.builds(
    settings,
    dial_cycles=st.integers(0, 2),
    dial_cycles_time=st.sampled_from([time(0), time(11)]),
    alternates=ALTERNATES,
    schedule=st.none() | st.lists(st.sampled_from(ROWS), max_size=2).map(tuple),
    caller_id_enabled=st.booleans(),
    rotation=st.sampled_from(Rotation),
)
windows: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {}, *({"lead_window": window} for window in WINDOWS), {"day_plan": PLAN}]
)
accounts = st.builds(
    AccountRules,
    time_zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    caller_id=st.sampled_from([None, ACCOUNT_NUMBER]),
    unknown_zone=st.sampled_from(UnknownZone),
    lead_zone_trusted=st.booleans(),
    max_calls_24h=st.sampled_from([None, 1, 3]),
    max_calls_7d=st.sampled_from([None, 4]),
    allowed_prefixes=st.sampled_from([None, None, ("+1",)]),
    caller_id_prefixes=st.sampled_from([{}, BRITISH_ONLY]),
)
pools = st.sampled_from([(), (a_pool_number(),), (a_pool_number(resting_until=later(60)),)])


def newest_first(recent: Iterable[Any]) -> list[Any]:
    return sorted(recent, key=lambda call: call.opened_at, reverse=True)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Candidate, Terms]:
    campaign: CampaignSettings = replace(draw(campaigns), **draw(windows))
    account, profile, pool = draw(accounts), draw(st.sampled_from(PROFILES)), draw(pools)
    return draw(candidates), Terms(settings=campaign, account=account, profile=profile, pool=pool)


def first_refusals(said: Iterable[Verdict]) -> dict[str | None, Verdict]:
    """Of the lead itself (None) and of each of its numbers: the first rule that refuses."""
    found: dict[str | None, Verdict] = {}
    for one in said:
        if not one.allows:
            found.setdefault(one.number, one)
    return found


@given(situations())
@examples_settings(max_examples=50)
def test_the_explanation_is_the_decision(situation: tuple[Candidate, Terms]) -> None:
    """A call is admitted exactly when no rule of the lead and of at least one of its numbers refuses; what it is refused for is
    the first rule that refuses."""
    candidate, of_it = situation
    campaign = list(of_campaign(of_it, now=NOON))
    said = explain(candidate, of_it, now=NOON)
    assert said[: len(campaign)] == campaign
    rest = said[len(campaign) :]
    refusals, numbers = first_refusals(rest), {one.number for one in rest if one.number is not None}
    answer = asked(candidate, of_it)
    if isinstance(answer, Admitted):
        assert None not in refusals
        assert answer.number not in refusals
        allowed_by = {one.rule for one in rest if one.number in (None, answer.number)}
        assert set(answer.facts) == allowed_by
    elif None in refusals:
        assert same(refusals[None], answer)
    else:
        assert numbers == refusals.keys()
        assert any(same(one, answer) for one in refusals.values())
        waits = [one.until for one in refusals.values() if one.until]
        assert answer.until == min(waits, default=None)


def same(said: Verdict, answer: Refused) -> bool:
    return (said.rule, said.event, said.until) == (answer.rule, answer.event, answer.until)


@given(situations())
@examples_settings(max_examples=50)
def test_every_refusal_says_until_when_or_what_becomes_of_the_lead(situation: tuple[Candidate, Terms]) -> None:
    """Law L11: no lead waits for nothing, and none that waits is finished."""
    answer = asked(*situation)
    if isinstance(answer, Refused):
        assert (answer.until is None) is (answer.event is not None)
        assert answer.until is None or answer.until > NOON
        if answer.event is not None:
            assert advance(LEAD_TRANSITIONS, situation[0].lead.state, answer.event) in FINAL


@given(situations())
def test_whatever_the_rules_law_l1_holds(situation: tuple[Candidate, Terms]) -> None:
    answer = asked(*situation)
    if isinstance(answer, Admitted):
        assert answer.number not in situation[0].listed
        assert answer.number in situation[0].lead.numbers
        assert answer.number != PREMIUM


@given(situations())
@examples_settings(max_examples=50)
def test_a_rule_that_lets_go_at_a_time_has_let_go_then(situation: tuple[Candidate, Terms]) -> None:
    """Unless something new happens meanwhile."""
    candidate, of_it = situation
    for said in explain(candidate, of_it, now=NOON):
        if said.until is not None and said.rule not in (Rule.CALLED_NOW, Rule.CALLER_ID):
            assert not said.allows
            then = explain(candidate, of_it, now=said.until)
            assert [one.allows for one in then if (one.rule, one.number) == (said.rule, said.number)] == [True]
