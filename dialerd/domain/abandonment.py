"""The abandonment ledger: which answered calls count, in which period, and what follows when the cap is reached.

Whoever is in doubt counts against us: a call that was not connected is abandoned unless it is known to be otherwise, and one
that was connected counts as answered only when it has ended.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from dialerd.domain.call_moves import is_dropped_machine
from dialerd.domain.calls import AnsweredBy, Call, CallFlow
from dialerd.domain.outcomes import Outcome
from dialerd.domain.timezones import instants_of, wall_clock

BLOCK = timedelta(days=30)
RELEASE_SHARE = 2 / 3
"""The latch lets go when the rate is below this share of its cap: one that opened at the cap would flutter."""


class Period(StrEnum):
    """Over which time the rate is taken. The shortest first."""

    DAY = "day"  # of the account's calendar
    BLOCK_30_DAYS = "block_30_days"  # 30 times 24 hours, one after the other, from the campaign's first start
    MONTH = "month"  # of the account's calendar


@dataclass(frozen=True, kw_only=True)
class AbandonmentRule:
    """Of a compliance profile."""

    cap: float
    """Most abandoned calls for each call that a person has answered, e.g. 0.03."""
    limit: timedelta
    """From the answer to an agent. Whoever waits longer has been abandoned, also if an agent comes later."""
    period: Period


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What one call adds to the ledger. A person has answered it."""

    in_time: bool
    abandoned: bool


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Of a campaign in a period."""

    answered: int = 0
    in_time: int = 0
    abandoned: int = 0

    @property
    def rate(self) -> float:
        """Abandoned calls for each answered one; 0 while nobody has answered."""
        return self.abandoned / self.answered if self.answered else 0.0


@dataclass(frozen=True, kw_only=True)
class Abandonment:
    """Where a campaign stands in its present period."""

    ledger: Ledger
    cap: float | None
    """Of the rate. None: there is none."""
    rule: AbandonmentRule | None = None
    """Of its compliance profile, if that has one: what counts as abandoned."""
    until: datetime | None = None
    """When the next period begins, with an empty ledger."""


def count(call: Call, rule: AbandonmentRule | None) -> Counted | None:
    """What an ended call adds to the ledger. None: nothing, as nobody answered, a machine did, or the call was for a voice menu and
    no agent was wanted.

    Who left without an agent is abandoned, unless that was before the customer wait SLA. With a rule, so is everybody who waited
    beyond its limit, whatever came later. A machine that was not hung up on is only believed to be one: it does not count as
    answered in time, but as abandoned like everybody else.
    """
    since = waited_since(call)
    if since is None or is_dropped_machine(call) or call.outcome is Outcome.VOICEMAIL:
        return None
    if call.connected_at is None:
        soon = call.outcome is Outcome.HUNG_UP and not _is_late(call, since, rule)
        return Counted(in_time=False, abandoned=not soon)
    late = _is_late(call, since, rule)
    if call.answered_by is AnsweredBy.MACHINE and not late:
        return None
    limit = rule.limit if rule else call.customer_wait_sla
    return Counted(in_time=call.connected_at - since <= limit, abandoned=late)


def waited_since(call: Call) -> datetime | None:
    """Since when the person has waited for an agent: since the answer, or in a voice menu since choosing one. None: not at all."""
    return call.waiting_since or (None if call.flow is CallFlow.MENU else call.answered_at)


def _is_late(call: Call, since: datetime, rule: AbandonmentRule | None) -> bool:
    until = call.connected_at or call.ended_at
    return rule is not None and until is not None and until - since > rule.limit


def may_be_abandoned(call: Call, rule: AbandonmentRule | None) -> bool:
    """Whether a call that the ledger does not know yet may be entered there as abandoned: all but those for which an agent came in
    time."""
    since = waited_since(call)
    return call.connected_at is None or since is None or _is_late(call, since, rule)


def period_of(rule: AbandonmentRule | None) -> Period:
    """Without a rule the rate is that of the day."""
    return rule.period if rule else Period.DAY


def period_start(period: Period, *, first_start: datetime, now: datetime, zone: str) -> datetime:
    """When the period began that `now` is in. `zone` is the account's.

    A call belongs to the period in which it was opened: so the calls that were dialed on the credit of one period are never
    abandoned in the next, which has none yet.
    """
    return period_around(period, first_start=first_start, now=now, zone=zone)[0]


def period_around(period: Period, *, first_start: datetime, now: datetime, zone: str) -> tuple[datetime, datetime]:
    """When the period began that `now` is in, and when the next one begins."""
    if period is Period.BLOCK_30_DAYS:
        began = first_start + (now - first_start) // BLOCK * BLOCK
        return began, began + BLOCK
    today = wall_clock(now, zone).date()
    if period is Period.DAY:
        return _first_moment(today, zone), _first_moment(today + timedelta(days=1), zone)
    first_day = today.replace(day=1)
    next_month = (first_day + timedelta(days=31)).replace(day=1)
    return _first_moment(first_day, zone), _first_moment(next_month, zone)


def _first_moment(day: date, zone: str) -> datetime:
    """Midnight, or where the clocks leave it out the first moment after."""
    return instants_of(datetime.combine(day, time(0)), zone)[0]


def is_latched(ledger: Ledger, cap: float, *, was: bool) -> bool:
    """Whether the cap has been reached, and the rate has not come well below it since."""
    return ledger.rate >= cap * RELEASE_SHARE if was else ledger.rate >= cap


def has_credit(ledger: Ledger, cap: float, *, in_flight: int, agents: int) -> bool:
    """Whether one more call than there are agents for it keeps the rate at the cap or below, whoever picks up.

    `in_flight` are the campaign's calls that may yet be abandoned, `agents` those who are free and promised to nobody else. If x of the
    calls are answered, x - agents are abandoned at worst. abandoned + max(0, x - agents) - cap * (answered + x) falls while x is up to
    `agents` and rises from there, so it is greatest at x = 0, where it is not above 0 as long as the rate keeps its cap, or at
    x = in_flight + 1, which is asked here. Whatever becomes of a call keeps both. An agent who is lost meanwhile, to another caller
    for one, adds one abandoned call at most.
    """
    beyond = in_flight + 1 - agents
    return beyond <= 0 or ledger.abandoned + beyond <= cap * (ledger.answered + in_flight + 1)
