"""What an account says for all its campaigns: its zone and hours, its limits, and which numbers may be called how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from dialerd.domain import schedule
from dialerd.domain.agent_wishes import LONGEST_REASON, is_pause_reason
from dialerd.domain.caller_id import CallerId, is_name, is_number, is_prefix
from dialerd.domain.phone import is_region
from dialerd.domain.schedule import ScheduleRow
from dialerd.domain.timezones import is_zone

LOWEST_PACE, HIGHEST_PACE = 0.001, 999
"""Calls a second, as a campaign may be set to; the database keeps three digits on either side of the point."""
MOST_CALLS = 1_000_000
"""More than anybody means: a cap that high is none."""
MOST_PAUSE_REASONS = 50


class UnknownZone(StrEnum):
    """What a lead's zone is where neither its number nor its row tells one."""

    BLOCK = "block"  # none: a rule that needs it forbids the call
    ACCOUNT = "account"  # the account's


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a campaign may be set to at most. The defaults are the second specification's, "Limits a user will run into"."""

    max_calls_per_second: float = 20
    max_concurrency: int = 50
    max_attempts: int = 5
    max_pool: int = 50


@dataclass(frozen=True, kw_only=True)
class AccountRules:
    time_zone: str = "UTC"
    limits: Limits = field(default_factory=Limits)
    caller_id: CallerId | None = None
    """What a campaign shows that has no number of its own, nor a queue with one."""
    business_hours: tuple[ScheduleRow, ...] = ()
    """In the account's zone, for campaigns without a schedule of their own. Empty: at any time."""
    unknown_zone: UnknownZone = UnknownZone.BLOCK
    lead_zone_trusted: bool = False
    """Whether the zone that a lead came with replaces those of its number, instead of being one more that must be open."""
    max_calls_24h: int | None = 5
    """Most calls to one number in any 24 hours, of all campaigns together. None: no cap."""
    max_calls_7d: int | None = 10
    abandon_lockout_h: int = 72
    """How long a number is left alone after a call to it was abandoned."""
    allowed_prefixes: tuple[str, ...] | None = None
    """Beginnings of numbers that may be dialed. None: every ordinary number."""
    caller_id_prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Country (ISO 3166) -> beginnings of numbers that may be shown to its people."""
    profile: str = "none"
    """Compliance profile of campaigns that name none."""
    pause_reasons: tuple[str, ...] = ("Break", "Lunch", "Training", "Back office")
    """What an agent who pauses chooses from."""


@dataclass(frozen=True, kw_only=True)
class Account:
    id: int
    name: str
    default_region: str = "US"
    """Country (ISO 3166) of numbers that are written without one."""
    rules: AccountRules = field(default_factory=AccountRules)


def problems(rules: AccountRules) -> list[str]:
    """Everything that is wrong with them, each as a sentence that says what to do. Empty: nothing is."""
    limits = rules.limits
    checks = [
        (is_zone(rules.time_zone), "time zone: a zone of the IANA database, like Europe/Berlin"),
        (
            LOWEST_PACE <= limits.max_calls_per_second <= HIGHEST_PACE,
            f"most calls per second: from {LOWEST_PACE} to {HIGHEST_PACE}",
        ),
        (1 <= limits.max_concurrency <= 10_000, "most calls in flight: from 1 to 10000"),
        (1 <= limits.max_attempts <= 100, "most attempts: from 1 to 100"),
        (1 <= limits.max_pool <= 1000, "most numbers in a pool: from 1 to 1000"),
        (_is_cap(rules.max_calls_24h), f"most calls to a number in 24 hours: from 1 to {MOST_CALLS}, or none"),
        (_is_cap(rules.max_calls_7d), f"most calls to a number in 7 days: from 1 to {MOST_CALLS}, or none"),
        (0 <= rules.abandon_lockout_h <= 8760, "lock-out after an abandoned call: from 0 to 8760 hours"),
        (_are_prefixes(rules.allowed_prefixes or ()), "allowed prefixes: a plus sign and 1 to 15 digits each"),
        (
            all(map(is_region, rules.caller_id_prefixes)),
            "numbers that may be shown: by country, as ISO 3166 writes it, like GB",
        ),
        (rules.allowed_prefixes != (), "allowed prefixes: name one, or allow every ordinary number"),
        (
            all(map(is_prefix, chain.from_iterable(rules.caller_id_prefixes.values())))
            and all(rules.caller_id_prefixes.values()),
            "numbers that may be shown: one beginning or more for each country, of 1 to 15 digits",
        ),
        (
            rules.caller_id is None or (is_number(rules.caller_id.number) and is_name(rules.caller_id.name)),
            "caller ID: 3 to 15 digits, with or without a plus sign, and a name of printable characters",
        ),
        (
            len(rules.pause_reasons) <= MOST_PAUSE_REASONS
            and len(set(rules.pause_reasons)) == len(rules.pause_reasons)
            and all(map(is_pause_reason, rules.pause_reasons)),
            f"pause reasons: at most {MOST_PAUSE_REASONS} different ones, of 1 to {LONGEST_REASON} characters without a bar (|)",
        ),
    ]
    business_hours = [f"business hours: {problem}" for problem in schedule.problems_of(rules.business_hours)]
    return [sentence for holds, sentence in checks if not holds] + business_hours


def _is_cap(calls: int | None) -> bool:
    return calls is None or 1 <= calls <= MOST_CALLS


def _are_prefixes(prefixes: tuple[str, ...]) -> bool:
    return all(p.startswith("+") and p[1:].isascii() and p[1:].isdecimal() and len(p) <= 16 for p in prefixes)
