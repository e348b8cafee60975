"""The shipped profiles against their vectors, what is sane about their data, and what is told about a file of one's own."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from dialerd.compliance import profiles
from dialerd.domain.abandonment import AbandonmentRule, Period
from dialerd.domain.accounts import AccountRules, UnknownZone
from dialerd.domain.caller_id import CallerId
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.compliance import (
    Caps,
    Demand,
    Hours,
    HoursRule,
    Place,
    Profile,
    Rule,
    caps,
    contradictions,
    covers,
    hours_for,
    place_of,
    strictest,
)
from dialerd.domain.phone import facts_of
from dialerd.domain.schedule import next_start, of_rows
from dialerd.errors import SettingsError
from tests.factories import settings

VECTORS = Path(__file__).parent / "vectors"
NEW_YEAR = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
RINGING = timedelta(seconds=30)
SHIPPED = profiles()
# fmt: off
STATES = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS",
    "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC",
    "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY",
]
# fmt: on


# --- vectors ----------------------------------------------------------------------------------------------------------


def cases() -> Iterator[Any]:
    for file in sorted(VECTORS.glob("*.toml")):
        vector = tomllib.loads(file.read_text(encoding="utf-8"))
        for case in vector["case"]:
            yield pytest.param(vector["profile"], vector["rule"], case, id=f"{vector['rule']}: {case['says']}")


def may_call(hours: Hours, zones: list[str], now: datetime) -> bool:
    """As it is asked before each call: open in every zone while the phone rings, on no day on which it is closed."""
    open_hours = [of_rows(hours.rows, zone, closed_on=hours.closed_on) for zone in zones]
    return next_start(open_hours, now=now, lasting=RINGING) == now


def an_account(changes: Mapping[str, Any]) -> AccountRules:
    number, zone = changes.get("caller_id"), changes.get("unknown_zone")
    read = {
        "caller_id": CallerId(number=number) if number else None,
        "unknown_zone": UnknownZone(zone) if zone else UnknownZone.BLOCK,
    }
    return replace(AccountRules(), **{**changes, **read})


def chosen(changes: Mapping[str, Any]) -> CampaignSettings:
    """Words of a file as the settings have them."""
    plain = settings()
    words = {name: type(getattr(plain, name))(word) for name, word in changes.items() if isinstance(word, str)}
    return settings(**{**changes, **words})


@pytest.mark.parametrize(("profile_id", "rule_id", "case"), [case for case in cases() if "at" in case.values[2]])
def test_hours_hold_at_their_edges_in_every_candidate_zone(
    profile_id: str, rule_id: str, case: Mapping[str, Any]
) -> None:
    profile = SHIPPED[profile_id]
    place = place_of(profile, case["number"], facts_of(case["number"]).region)
    found = [hours for hours in hours_for(profile, place) if hours.rule == rule_id]
    assert bool(found) is case.get("applies", True)
    for hours in found:
        assert may_call(hours, case["zones"], case["at"]) is case["may"]


@pytest.mark.parametrize(("profile_id", "rule_id", "case"), [case for case in cases() if "at" not in case.values[2]])
def test_a_setting_that_a_rule_forbids_is_told_with_the_rule(
    profile_id: str, rule_id: str, case: Mapping[str, Any]
) -> None:
    profile = SHIPPED[profile_id]
    account = an_account(case.get("account", {}))
    told = [
        sentence
        for sentence in contradictions(profile, chosen(case.get("settings", {})), account)
        if f"(rule {rule_id} of compliance profile {profile_id}; " in sentence
    ]
    assert len(told) == (0 if case["may"] else 1)
    held = strictest(caps(profile), account)
    found = {
        "max_calls_24h": held.max_calls_24h,
        "max_calls_7d": held.max_calls_7d,
        "abandon_lockout_h": held.abandon_lockout // timedelta(hours=1),
    }
    assert case.get("caps", {}).items() <= found.items()


def test_each_rule_has_a_vector_of_three_cases_or_more() -> None:
    counted = Counter(case.values[1] for case in cases())
    rules = {rule.id for profile in SHIPPED.values() for rule in profile.rules}
    assert set(counted) == rules
    assert min(counted.values()) >= 3


# --- data -------------------------------------------------------------------------------------------------------------


def raw(profile_id: str) -> dict[str, Any]:
    file = resources.files("dialerd.compliance") / f"{profile_id}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def test_the_profiles_of_the_specification_are_there_and_none_binds_nothing() -> None:
    assert set(SHIPPED) == {"none", "us", "uk", "ca"}
    none = SHIPPED["none"]
    assert (none.rules, caps(none)) == ((), Caps())
    for place in (Place(region=None), Place(region="US", area="US-FL"), Place(region="FR")):
        assert covers(none, place)
        assert hours_for(none, place) == ()
    assert contradictions(none, settings(ring_timeout_s=5), AccountRules(unknown_zone=UnknownZone.ACCOUNT)) == []


@pytest.mark.parametrize("profile", SHIPPED.values(), ids=lambda profile: profile.id)
def test_everything_has_a_source_and_a_day_on_which_it_was_verified(profile: Profile) -> None:
    everything: list[Profile | Rule] = [profile, *profile.rules]
    for judged in everything:
        assert judged.title
        assert all(judged.source)
        assert judged.source
        assert date(2026, 1, 1) <= judged.verified_on
        assert judged.version == profile.version
    assert all(rule.id.startswith(f"{profile.id}-") for rule in profile.rules)


def all_hours() -> list[Any]:
    return [
        pytest.param(rule.binds, id=rule.id)
        for profile in SHIPPED.values()
        for rule in profile.rules
        if isinstance(rule.binds, HoursRule)
    ]


@pytest.mark.parametrize("hours", all_hours())
def test_hours_are_those_at_which_people_are_awake(hours: HoursRule) -> None:
    for row in hours.rows:
        assert time(8, 5) <= row.start < row.end <= time(21, 25)
        assert (row.month_days, row.months) == (None, ())
    days = Counter(day for row in hours.rows for day in row.weekdays)
    assert not days or max(days.values()) == 1
    assert list(hours.closed_on) == sorted(set(hours.closed_on))


def test_the_caps_of_abandonment_are_those_of_the_rules_with_their_periods() -> None:
    two_seconds = timedelta(seconds=2)
    assert {profile_id: profile.abandonment for profile_id, profile in SHIPPED.items()} == {
        "none": None,
        "us": AbandonmentRule(cap=0.03, limit=two_seconds, period=Period.BLOCK_30_DAYS),
        "uk": AbandonmentRule(cap=0.03, limit=two_seconds, period=Period.DAY),
        "ca": AbandonmentRule(cap=0.05, limit=two_seconds, period=Period.MONTH),
    }


def test_where_a_profile_caps_abandonment_who_is_abandoned_hears_a_message() -> None:
    for profile in SHIPPED.values():
        assert profile.demands(Demand.SAFE_HARBOUR) is (profile.abandonment is not None)


def test_a_state_never_opens_what_federal_law_has_closed() -> None:
    rules = {rule.id: rule.binds for rule in SHIPPED["us"].rules if isinstance(rule.binds, HoursRule)}
    (federal,) = rules.pop("us-federal-hours").rows
    for hours in rules.values():
        assert all(federal.start <= row.start and row.end <= federal.end for row in hours.rows)


def test_holidays_are_listed_for_two_years_on_days_that_are_kept_everywhere() -> None:
    closed = [
        set(rule.binds.closed_on)
        for rule in SHIPPED["us"].rules
        if isinstance(rule.binds, HoursRule) and rule.binds.closed_on
    ]
    assert len(closed) == 5
    common = set.intersection(*closed)
    # Christmas 2027 is a Saturday, and kept on the Friday before it, too.
    assert {date(2026, 1, 1), date(2026, 11, 26), date(2027, 5, 31), date(2027, 12, 24), date(2027, 12, 25)} <= common
    assert {day.year for day in set.union(*closed)} == {2026, 2027}


def test_every_state_has_area_codes_and_no_area_code_two_states() -> None:
    areas: dict[str, list[str]] = raw("us")["areas"]
    assert set(areas) == {f"US-{state}" for state in STATES}
    codes = [code for listed in areas.values() for code in listed]
    assert max(Counter(codes).values()) == 1
    assert len(codes) == 359
    assert SHIPPED["us"].areas == {code: area for area, listed in areas.items() for code in listed}


def test_every_area_code_is_one_of_the_country() -> None:
    foreign = [code for code in SHIPPED["us"].areas if facts_of(f"{code}5550100").region != "US"]
    assert foreign == []


def test_a_number_of_another_country_never_gets_hours_under_a_profile_that_says_nothing_of_it() -> None:
    for profile_id, number in (("us", "+442079460000"), ("us", "+14165550100"), ("uk", "+12125550100"), ("ca", "+1")):
        place = place_of(SHIPPED[profile_id], number, facts_of(number).region)
        (hours,) = hours_for(SHIPPED[profile_id], place)
        assert hours.rule == f"{profile_id}-coverage"
        assert next_start([of_rows(hours.rows, "UTC")], now=NEW_YEAR, lasting=RINGING) is None


# --- a file of one's own ----------------------------------------------------------------------------------------------

OWN = """
id = "own"
title = "Ours"
version = "3"
source = ["our lawyer"]
verified_on = 2026-05-01
"""
EXTENDING = OWN + 'extends = "us"\n'


def a_file(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as told:
        profiles(a_file(folder, text))
    return str(told.value)


def test_a_profile_of_ones_own_stands_beside_the_shipped_ones(tmp_path: Path) -> None:
    rule = """
regions = ["DE"]
margin_min = 10
areas.DE-BE = ["+4930"]
[rules.own-hours]
kind = "hours"
title = "Work-days"
source = ["ours"]
where = ["DE"]
hours = ["mon-fri 09:00-18:00"]
closed_on = [2026-12-24, 2026-12-25, 2026-12-24]
[rules.own-berlin]
kind = "hours"
title = "Berlin"
source = ["ours"]
verified_on = 2026-05-02
where = ["DE-BE"]
hours = ["22:00-02:00", "00:00-24:00"]
"""
    known = profiles(a_file(tmp_path, OWN + rule))
    assert set(known) == {*SHIPPED, "own"}
    in_berlin = place_of(known["own"], "+4930901820", "DE")
    assert in_berlin == Place(region="DE", area="DE-BE")
    work_days, berlin = hours_for(known["own"], in_berlin)
    assert (work_days.rule, work_days.version) == ("own-hours", "3")
    assert [(row.start, row.end) for row in work_days.rows] == [(time(9, 10), time(17, 50))]
    assert work_days.closed_on == (date(2026, 12, 24), date(2026, 12, 25))
    assert [(row.start, row.end) for row in berlin.rows] == [(time(22, 10), time(1, 50)), (time(0, 10), time(23, 50))]
    assert [rule.verified_on for rule in known["own"].rules] == [date(2026, 5, 1), date(2026, 5, 2)]


def test_a_profile_may_extend_others_and_replace_their_rules(tmp_path: Path) -> None:
    text = (
        OWN
        + """
extends = ["us", "ca"]
[rules.us-fl-hours]
kind = "hours"
title = "Florida, later"
source = ["ours"]
where = ["US-FL"]
hours = ["10:00-18:00"]
[rules.own-calls]
kind = "caps"
title = "Two a day"
source = ["ours"]
max_calls_24h = 2
"""
    )
    own = profiles(a_file(tmp_path, text))["own"]
    assert {"US", "CA"} <= set(own.regions)
    assert len(own.rules) == len(SHIPPED["us"].rules) + len(SHIPPED["ca"].rules) + 1
    federal, florida = hours_for(own, place_of(own, "+13055550100", "US"))
    assert (federal.rule, federal.version) == ("us-federal-hours", SHIPPED["us"].version)
    assert (florida.rule, florida.version) == ("us-fl-hours", "3")
    assert [(row.start, row.end) for row in florida.rows] == [(time(10), time(18))]
    assert caps(own) == Caps(max_calls_24h=2, max_calls_7d=7)
    assert [hours.rule for hours in hours_for(own, Place(region="CA"))] == ["ca-hours"]
    assert own.abandonment == SHIPPED["us"].abandonment  # the stricter of the two


def test_the_example_of_the_documentation_works_as_it_stands(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "compliance.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    ours = profiles(a_file(tmp_path, example))["ours"]
    own_rules = {"ours-calls", "ours-ring", "ours-number", "ours-abandonment"}
    assert {rule.id for rule in ours.rules} >= {"us-fl-hours", "ca-hours", *own_rules}
    assert ours.abandonment == AbandonmentRule(cap=0.02, limit=timedelta(seconds=1.5), period=Period.DAY)


def test_everything_that_is_wrong_with_a_file_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        """
id = "Own"
title = ""
version = "1"
extend = "us"
regions = ["UK"]
[rules.hours]
kind = "hours"
title = "Hours"
where = ["de"]
hours = ["mon-fri 25:00-18:00"]
[rules.ring]
kind = "setting"
title = "Ring"
source = []
setting = "name"
at_least = "long"
[rules.odd]
kind = "wish"
""",
    )
    assert told.startswith(f"{tmp_path / 'own.toml'}: the compliance profile cannot be used:\n")
    for place in (
        "id: ",
        "title: ",
        "source: Field required",
        "verified_on: Field required",
        "extend: there is no such key",
        "regions.0: 'UK' is no country",
        "rules.hours.source: Field required",
        "rules.hours.where.0: ",
        "rules.hours.hours.0: ",
        "rules.ring.source: ",
        "rules.ring.setting: a setting that a rule may limit: ring_timeout_s",
        "rules.ring.at_least: ",
        "rules.odd: ",
    ):
        assert f"  - {place}" in told
    assert "25:00" in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id = ", "is not TOML"),
        (OWN, "regions: name the countries"),
        (OWN.replace('"own"', '"us"') + 'regions = ["US"]', "id: us is shipped with dialerd"),
        (OWN + 'extends = "mars"', "extends: there is no profile mars; there are ca, none, uk, us"),
        (
            OWN + 'regions = ["DE"]\nareas.DE-BE = ["+4930"]\nareas.DE-BB = ["+4930"]',
            "areas.DE-BB: +4930 is in DE-BE already",
        ),
    ],
)
def test_what_the_parts_of_a_file_say_together_has_to_make_sense(text: str, why: str, tmp_path: Path) -> None:
    assert why in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            'kind = "hours"\nwhere = ["DE"]\nhours = ["09:00-10:00"]',
            "own.where: DE is in none of the profile's regions",
        ),
        ('kind = "hours"\nwhere = ["US-XX"]\nhours = ["09:00-10:00"]', "own.where: no number is in US-XX"),
        ('kind = "hours"\nwhere = ["US"]\nhours = ["09:00-09:10"]', "own.hours: the window is too narrow"),
        ('kind = "hours"\nwhere = ["US"]\nhours = ["23:55-01:00"]', "own.hours: the window is too narrow, or starts"),
        ('kind = "caps"', "own: say max_calls_24h"),
        ('kind = "caps"\nmax_calls_24h = 0', "own.max_calls_24h: "),
        ('kind = "setting"\nsetting = "ring_timeout_s"', "own: say at_least or at_most"),
        ('kind = "setting"\nsetting = "ring_timeout_s"\nat_least = 9\nat_most = 8', "own: at_least is above at_most"),
        ('kind = "demand"\ndemand = "consent"', "own.demand: "),
        ('kind = "abandonment"\ncap = 0.03\nperiod = "day"', "own.limit_s: Field required"),
        ('kind = "abandonment"\ncap = 3\nlimit_s = 2\nperiod = "day"', "own.cap: should be less than or equal to 1"),
        ('kind = "abandonment"\ncap = 0\nlimit_s = 2\nperiod = "day"', "own.cap: should be greater than 0"),
        ('kind = "abandonment"\ncap = nan\nlimit_s = 2\nperiod = "day"', "own.cap: "),
        ('kind = "abandonment"\ncap = 0.03\nlimit_s = inf\nperiod = "day"', "own.limit_s: "),
        ('kind = "abandonment"\ncap = 0.03\nlimit_s = 2\nperiod = "week"', "own.period: should be 'day'"),
    ],
)
def test_a_rule_that_cannot_hold_or_binds_nothing_is_refused(rule: str, why: str, tmp_path: Path) -> None:
    own = f'margin_min = 5\n[rules.own]\ntitle = "Ours"\nsource = ["ours"]\n{rule}\n'
    assert f"  - rules.{why}" in refusal(tmp_path, EXTENDING + own)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        profiles(tmp_path / "missing.toml")
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not TOML"):
        profiles(tmp_path / "own.toml")
