"""Compliance profiles: what the rules of a country demand of a campaign, and of each call to a place.

A profile is data: rules with an id, a version, a source and the day on which somebody last compared them with it. Whatever
rules fit a call hold all together, so the strictest wins. What a profile cannot judge it forbids: a country that it says
nothing about is never called, and a place that is not known has to satisfy the rules of every place that it may be.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

from dialerd.domain.abandonment import AbandonmentRule, Period
from dialerd.domain.accounts import AccountRules, UnknownZone
from dialerd.domain.calls import CallFlow, NoAgent
from dialerd.domain.campaigns import CampaignSettings, MachineDetection
from dialerd.domain.schedule import ScheduleRow

ANYWHERE = "*"
"""As a region of a profile: every country, and numbers of unknown origin too."""

BOUND_SETTINGS = ("ring_timeout_s", "customer_wait_sla_s", "agent_dial_timeout_s")
"""Settings of a campaign that a rule may limit: whole seconds that nothing else, such as a lead, overrides."""

DAY_MIN = 24 * 60
_NEVER = ScheduleRow(start=time(0), end=time(0), month_days=(30, 30), months=(2,))


@dataclass(frozen=True, kw_only=True)
class HoursRule:
    """Calls to these places start and ring within the rows only, on the clocks of the place."""

    where: tuple[str, ...]
    """Countries (ISO 3166: US) and parts of them (ISO 3166-2: US-FL)."""
    rows: tuple[ScheduleRow, ...]
    closed_on: tuple[date, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Most calls to one number, of all campaigns, and how long it is left alone after an abandoned one. None: no cap."""

    max_calls_24h: int | None = None
    max_calls_7d: int | None = None
    abandon_lockout: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class SettingRule:
    """A setting of the campaign, one of BOUND_SETTINGS, lies within these limits."""

    setting: str
    at_least: int | None = None
    at_most: int | None = None


class Demand(StrEnum):
    """What a campaign or its account has to have."""

    CALLER_ID = "caller_id"  # a number is shown with every call
    KNOWN_ZONE = "known_zone"  # a lead's time zone is never guessed
    SAFE_HARBOUR = "safe_harbour"  # who waits for too long for an agent hears a message, and may opt out


Bound = HoursRule | Caps | SettingRule | AbandonmentRule | Demand
"""What a rule binds."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    version: str
    """Of the profile that it comes from."""
    title: str
    source: tuple[str, ...]
    verified_on: date
    binds: Bound


@dataclass(frozen=True, kw_only=True)
class Profile:
    id: str
    version: str
    title: str
    source: tuple[str, ...]
    verified_on: date
    regions: tuple[str, ...]
    """Countries (ISO 3166) whose numbers may be called; the rest is not covered. ANYWHERE: all."""
    areas: Mapping[str, str]
    """Beginning of a number (+1305) -> part of a country (US-FL)."""
    rules: tuple[Rule, ...]

    def __hash__(self) -> int:
        return hash((self.id, self.version))

    def demands(self, what: Demand) -> bool:
        return any(rule.binds is what for rule in self.rules)

    @property
    def abandonment(self) -> AbandonmentRule | None:
        """The strictest of each: the lowest cap, taken over the shortest time, and the shortest limit. A cap that is kept on each day
        is kept in each month, too."""
        rules = [rule.binds for rule in self.rules if isinstance(rule.binds, AbandonmentRule)]
        if not rules:
            return None
        return AbandonmentRule(
            cap=min(rule.cap for rule in rules),
            limit=min(rule.limit for rule in rules),
            period=min((rule.period for rule in rules), key=list(Period).index),
        )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a number belongs to, as far as it tells. None: not known."""

    region: str | None
    area: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Windows that have to be open in every zone that the lead may be in, on no day of `closed_on` there."""

    rule: str
    version: str
    rows: tuple[ScheduleRow, ...]
    closed_on: tuple[date, ...] = ()

    def __hash__(self) -> int:
        return hash((self.rule, self.version))


def place_of(profile: Profile, number: str, region: str | None) -> Place:
    """`number` is E.164; `region` is its country. The longest beginning that the profile knows tells the area."""
    beginnings = (number[:length] for length in range(len(number), 1, -1))
    area = next((profile.areas[beginning] for beginning in beginnings if beginning in profile.areas), None)
    return Place(region=region, area=area)


def covers(profile: Profile, place: Place) -> bool:
    """Whether the profile has anything to say about the place. Where it has not, nothing may be called."""
    return ANYWHERE in profile.regions or place.region in profile.regions


@lru_cache(maxsize=4096)  # a campaign's leads live in few places
def hours_for(profile: Profile, place: Place) -> tuple[Hours, ...]:
    """All of them have to be open. None: at any time. A place that is not covered gets hours that never open."""
    if not covers(profile, place):
        return (Hours(rule=f"{profile.id}-coverage", version=profile.version, rows=(_NEVER,)),)
    return tuple(
        Hours(rule=rule.id, version=rule.version, rows=rule.binds.rows, closed_on=rule.binds.closed_on)
        for rule in profile.rules
        if isinstance(rule.binds, HoursRule) and any(_may_be_in(place, part) for part in rule.binds.where)
    )


def _may_be_in(place: Place, part: str) -> bool:
    if place.region is None:
        return True
    return part in (place.region, place.area) or (place.area is None and part.startswith(f"{place.region}-"))


def caps(profile: Profile) -> Caps:
    """The strictest of the profile's rules."""
    return _strictest(rule.binds for rule in profile.rules if isinstance(rule.binds, Caps))


def strictest(own: Caps | None, account: AccountRules) -> Caps:
    """What holds where both a profile and an account say something about it."""
    of_account = Caps(
        max_calls_24h=account.max_calls_24h,
        max_calls_7d=account.max_calls_7d,
        abandon_lockout=timedelta(hours=account.abandon_lockout_h),
    )
    return _strictest([of_account] if own is None else [own, of_account])


def _strictest(several: Iterable[Caps]) -> Caps:
    listed = list(several)
    return Caps(
        max_calls_24h=_least(one.max_calls_24h for one in listed),
        max_calls_7d=_least(one.max_calls_7d for one in listed),
        abandon_lockout=max((one.abandon_lockout for one in listed), default=timedelta(0)),
    )


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def contradictions(profile: Profile, settings: CampaignSettings, account: AccountRules) -> list[str]:
    """Everything that the profile forbids: the setting, its value, what to set instead, the rule, and its source."""
    return [
        f"{sentence} (rule {rule.id} of compliance profile {profile.id}; {', '.join(rule.source)})"
        for rule in profile.rules
        for sentence in _contradictions(rule.binds, settings, account)
    ]


def _contradictions(binds: Bound, settings: CampaignSettings, account: AccountRules) -> Iterator[str]:
    match binds:
        case HoursRule():
            return  # judged at each call, on top of whatever the campaign's own windows say
        case Caps():
            yield from _beyond_caps(binds, settings)
        case SettingRule():
            yield from _beyond_limits(binds, settings)
        case AbandonmentRule():
            yield from _against_abandonment(binds, settings)
        case Demand():
            yield from _unmet(binds, settings, account)
        case _:
            assert_never(binds)


def _unmet(demand: Demand, settings: CampaignSettings, account: AccountRules) -> Iterator[str]:
    match demand:
        case Demand.SAFE_HARBOUR:
            if settings.flow is not CallFlow.MENU and settings.no_agent is not NoAgent.MESSAGE_AT_SLA:
                yield f"no_agent is {settings.no_agent}: set {NoAgent.MESSAGE_AT_SLA}, so that who waits hears the message"
        case Demand.CALLER_ID:
            if not settings.caller_id_enabled and account.caller_id is None:
                yield "caller_id_enabled is off: enable the campaign's caller IDs, or give the account a default one"
        case Demand.KNOWN_ZONE:
            if account.unknown_zone is not UnknownZone.BLOCK:
                yield f"unknown_zone of the account is {account.unknown_zone}: set {UnknownZone.BLOCK}"
        case _:
            assert_never(demand)


def _beyond_caps(limits: Caps, settings: CampaignSettings) -> Iterator[str]:
    most = limits.max_calls_7d
    if most is not None and settings.max_attempts > most:
        yield f"max_attempts is {settings.max_attempts}: set {most} or fewer, the most calls to a number in 7 days"


def _against_abandonment(rule: AbandonmentRule, settings: CampaignSettings) -> Iterator[str]:
    """Who is hung up on for a machine and was none has been abandoned in silence: how often that happens has to be measured."""
    cap, most = settings.abandonment_cap_pct, round(rule.cap * 100, 6)
    if cap is not None and cap > most:
        yield f"abandonment_cap_pct is {cap:g}: set {most:g} or less, or leave it to the profile"
    if settings.machine_detection is MachineDetection.HANG_UP and settings.machine_audit_pct == 0:
        yield (
            f"machine_audit_pct is 0 while machine_detection is {MachineDetection.HANG_UP}: set 1 or more, so that agents hear how many "
            "of those machines are people"
        )


def _beyond_limits(rule: SettingRule, settings: CampaignSettings) -> Iterator[str]:
    value: int = getattr(settings, rule.setting)
    if rule.at_least is not None and value < rule.at_least:
        yield f"{rule.setting} is {value}: set {rule.at_least} or more"
    if rule.at_most is not None and value > rule.at_most:
        yield f"{rule.setting} is {value}: set {rule.at_most} or less"


def narrowed(row: ScheduleRow, *, margin_min: int) -> ScheduleRow:
    """The window without its first and its last minutes, for clocks and calls that run late.

    Raises ValueError where nothing is left of it, or where its opening would move into the next day.
    """
    opens = _minute(row.start)
    length = (_minute(row.end) - opens) % DAY_MIN or DAY_MIN
    if length <= 2 * margin_min or opens + margin_min >= DAY_MIN:
        raise ValueError(f"the window is too narrow, or starts too late, for a margin of {margin_min} minutes")
    return replace(row, start=_clock(opens + margin_min), end=_clock(opens + length - margin_min))


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _clock(minute: int) -> time:
    hour, rest = divmod(minute % DAY_MIN, 60)
    return time(hour, rest)
