"""Whether a lead may be called now, by which of its numbers, and showing which number.

Asked inside the transaction that opens the attempt, of facts that were read under the lead's lock. The same rules in the
same order explain afterwards why a lead is not called, so the explanation cannot differ from the decision.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from operator import attrgetter

from dialerd.domain.accounts import AccountRules, UnknownZone
from dialerd.domain.caller_id import CallerId, NoCallerId, PoolNumber, choose, fallback
from dialerd.domain.campaigns import CampaignSettings, working_hours
from dialerd.domain.compliance import Caps, Demand, Hours, Profile, caps, hours_for, place_of, strictest
from dialerd.domain.dial_cycles import cycle_at
from dialerd.domain.leads import Lead, LeadEvent
from dialerd.domain.outcomes import Outcome
from dialerd.domain.phone import NumberKind, PhoneFacts, facts_of
from dialerd.domain.retry import attempts_allowed, numbers_in_turn
from dialerd.domain.schedule import LeadWindow, OpenHours, next_start, of_day_plan, of_lead_window, of_rows
from dialerd.domain.timezones import is_zone

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
CALLED_NOW_PAUSE = timedelta(seconds=15)
"""When to look again at a number that is just being called."""
NO_CALLER_ID_PAUSE = timedelta(hours=1)
"""When to look again at a lead to whom no number can be shown: somebody has to change the pool first."""
NO_NUMBER = PoolNumber(id=0, caller_id=CallerId(number=""), uses=0)
"""What is shown where nothing is set. An id that is no number's."""


class Rule(StrEnum):
    """In the order in which they are asked. The first two are the campaign's, the next two the lead's, the rest a number's."""

    PROFILE = "profile"  # the compliance profile is known
    SCHEDULE = "schedule"  # the campaign's schedule, or the account's business hours
    ATTEMPTS = "attempts"  # the lead has an attempt left
    DIAL_CYCLES = "dial_cycles"  # it has not had its dials of this cycle
    DNC = "dnc"  # on no do-not-call list
    DESTINATION = "destination"  # a kind and a beginning of number that may be dialed
    CALLED_NOW = "called_now"  # nobody is calling the number just now
    NUMBER_CAP = "number_cap"  # calls to this number, of all campaigns, in 24 hours and 7 days
    ABANDON_LOCKOUT = "abandon_lockout"  # long enough after an abandoned call
    LEAD_ZONE = "lead_zone"  # the lead's time zone is known, where a rule needs it
    LEAD_WINDOW = "lead_window"  # Dial By Timezone
    DAY_PLAN = "day_plan"  # Dial by Schedule by Timezone
    LEGAL_HOURS = "legal_hours"  # the profile's
    CALLER_ID = "caller_id"  # there is a number that may be shown


VERSION = 1
"""Of the rules as they stand here; kept with each attempt. To be raised when one of them means something else."""


@dataclass(frozen=True, kw_only=True)
class RecentCall:
    """A call to one of the lead's numbers. `outcome` None: it goes on."""

    number: str
    opened_at: datetime
    outcome: Outcome | None
    lead_id: int

    @property
    def was_placed(self) -> bool:
        """Or may have been: only what certainly never left has disturbed nobody."""
        return self.outcome is not Outcome.NOT_PLACED


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A lead that is next in line, with the facts that the rules need; read under the row's lock."""

    lead: Lead
    listed: frozenset[str] = frozenset()
    """Those of its numbers that are on a do-not-call list."""
    recent: Sequence[RecentCall] = ()
    """The newest first, as many as any cap can count."""
    last_shown: str | None = None
    """The number of the pool that this contact saw last."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is the same for every lead of a campaign, at one moment."""

    settings: CampaignSettings
    account: AccountRules
    profile: Profile | None
    """None: the campaign names one that nobody knows, and nothing is dialed."""
    pool: Sequence[PoolNumber] = ()
    queue_number: CallerId | None = None

    @cached_property
    def caps(self) -> Caps:
        return strictest(caps(self.profile) if self.profile else None, self.account)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one rule says, and the fact it rests on. Of a refusal: until when (None: for good) and what it means for the
    lead (None: it waits)."""

    rule: Rule
    allows: bool
    facts: Mapping[str, object] = field(default_factory=dict)
    number: str | None = None
    until: datetime | None = None
    event: LeadEvent | None = None


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """The call may be made; `facts` is kept with the attempt as the evidence."""

    number: str
    shown: PoolNumber
    facts: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The call may not be made. `event` is what this means for the lead; None: it waits `until` the rule lets go."""

    rule: Rule
    event: LeadEvent | None = None
    until: datetime | None = None


def of_campaign(terms: Terms, *, now: datetime) -> Iterator[Verdict]:
    """The rules that are the same for all leads: while one refuses, no lead is looked at."""
    known = terms.profile is not None
    yield Verdict(rule=Rule.PROFILE, allows=known, facts=_profile_facts(terms))
    opens = next_start(_campaign_hours(terms), now=now, lasting=_lasting(terms))
    until = None if opens == now else opens
    yield Verdict(rule=Rule.SCHEDULE, allows=opens == now, facts={"zone": terms.account.time_zone}, until=until)


def of_lead(candidate: Candidate, terms: Terms, *, now: datetime) -> Iterator[Verdict]:
    lead = candidate.lead
    allowed = attempts_allowed(lead, terms.settings)
    facts: dict[str, object] = {"used": lead.attempts_used, "allowed": allowed}
    has_one = lead.attempts_used < allowed and bool(numbers_in_turn(lead, terms.settings))
    yield Verdict(rule=Rule.ATTEMPTS, allows=has_one, facts=facts, event=None if has_one else LeadEvent.EXHAUSTED)
    if terms.settings.dial_cycles:
        yield _dial_cycles(candidate, terms, now)


def of_number(candidate: Candidate, terms: Terms, number: str, *, now: datetime) -> Iterator[Verdict]:
    """The rules for calling the lead at one of its numbers, but for the number to show."""
    facts = facts_of(number)
    listed = number in candidate.listed
    event = LeadEvent.ON_DNC_LIST if listed else None
    yield Verdict(rule=Rule.DNC, allows=not listed, facts={"listed": listed}, number=number, event=event)
    yield _destination(number, facts, terms)
    calls = [call for call in candidate.recent if call.number == number]
    yield _called_now(number, calls, now)
    yield _number_cap(number, calls, terms, now)
    yield _lockout(number, calls, terms, now)
    yield from _hours(candidate.lead, number, facts, terms, now)


def check(candidate: Candidate, terms: Terms, *, now: datetime, draw: int) -> Admitted | Refused:
    """Every rule of the lead in order; of its numbers the first that may be called.

    `draw` is a random number for a rotation that wants one.
    """
    facts = _ask(of_lead(candidate, terms, now=now))
    if isinstance(facts, Refused):
        return facts
    refusals = []
    for number in numbers_in_turn(candidate.lead, terms.settings):
        answer = _check_number(candidate, terms, number, now, draw)
        if isinstance(answer, Admitted):
            return Admitted(number=number, shown=answer.shown, facts=facts | answer.facts)
        refusals.append(answer)
    return _least_strict(refusals)


def explain(candidate: Candidate, terms: Terms, *, now: datetime) -> list[Verdict]:
    """What every rule says, in order, also behind one that refuses."""
    verdicts = [*of_campaign(terms, now=now), *of_lead(candidate, terms, now=now)]
    for number in numbers_in_turn(candidate.lead, terms.settings):
        verdicts += of_number(candidate, terms, number, now=now)
        verdicts.append(_caller_id_verdict(number, choose_shown(candidate, terms, number, now=now, draw=0), now))
    return verdicts


def choose_shown(
    candidate: Candidate, terms: Terms, number: str, *, now: datetime, draw: int
) -> PoolNumber | NoCallerId:
    """The number to show. "When off, the dialer uses the queue phone number, then account default caller ID"."""
    settings, account, region = terms.settings, terms.account, facts_of(number).region
    pool = terms.pool if settings.caller_id_enabled else _substitute(terms)
    if not pool:
        return _nothing_to_show(terms, region)
    _, day_ends = cycle_at(now, account.time_zone)
    return choose(
        pool,
        settings.rotation,
        number=number,
        region=region,
        last_shown=candidate.last_shown,
        prefixes=account.caller_id_prefixes,
        now=now,
        day_ends=day_ends,
        draw=draw,
    )


def _substitute(terms: Terms) -> Sequence[PoolNumber]:
    shown = fallback(terms.queue_number, terms.account.caller_id)
    return [PoolNumber(id=NO_NUMBER.id, caller_id=shown, uses=0)] if shown else []


def _nothing_to_show(terms: Terms, region: str | None) -> PoolNumber | NoCallerId:
    """Without any number set the trunk shows its own, or none: nobody's business, unless a rule asks for one."""
    if terms.settings.caller_id_enabled:
        return NoCallerId(until=None, why="the number pool is empty")
    prefixes = terms.account.caller_id_prefixes
    asked_for = bool(prefixes) if region is None else region in prefixes
    if asked_for or _demands(terms, Demand.CALLER_ID):
        return NoCallerId(until=None, why="a number has to be shown, and none is set")
    return NO_NUMBER


def _check_number(candidate: Candidate, terms: Terms, number: str, now: datetime, draw: int) -> Admitted | Refused:
    facts = _ask(of_number(candidate, terms, number, now=now))
    if isinstance(facts, Refused):
        return facts
    shown = choose_shown(candidate, terms, number, now=now, draw=draw)
    verdict = _caller_id_verdict(number, shown, now)
    if isinstance(shown, NoCallerId):
        return Refused(rule=verdict.rule, until=verdict.until)
    return Admitted(number=number, shown=shown, facts=facts | {verdict.rule: dict(verdict.facts)})


def _ask(verdicts: Iterable[Verdict]) -> Refused | dict[str, object]:
    """The facts of all rules, or the refusal of the first that refuses; those behind it are not asked."""
    facts: dict[str, object] = {}
    for verdict in verdicts:
        if not verdict.allows:
            return Refused(rule=verdict.rule, event=verdict.event, until=verdict.until)
        facts[verdict.rule] = dict(verdict.facts)
    return facts


def _least_strict(refusals: Sequence[Refused]) -> Refused:
    """A lead waits as long as one of its numbers may be called later; else what its first number says is said of it."""
    waits = [refusal for refusal in refusals if refusal.until is not None]
    return min(waits, key=attrgetter("until")) if waits else refusals[0]


def evidence(verdicts: Iterable[Verdict], *, now: datetime) -> dict[str, object]:
    """The rules that were asked, with the facts that each rests on, as they are kept with an attempt."""
    return {"version": VERSION, "checked_at": now.isoformat()} | {v.rule.value: dict(v.facts) for v in verdicts}


# --- the rules, one by one --------------------------------------------------------------------------------------------


def _lasting(terms: Terms) -> timedelta:
    """No call starts that could still be ringing after a window has closed."""
    return timedelta(seconds=terms.settings.ring_timeout_s)


def _profile_facts(terms: Terms) -> Mapping[str, object]:
    if terms.profile is None:
        return {"unknown": terms.settings.profile or terms.account.profile}
    return {"id": terms.profile.id, "version": terms.profile.version}


def _dial_cycles(candidate: Candidate, terms: Terms, now: datetime) -> Verdict:
    """ "Number of full passes through the active lead list per dial cycle window": so many dials of each lead."""
    began, ends = cycle_at(now, terms.account.time_zone, terms.settings.dial_cycles_time)
    placed = [call for call in candidate.recent if call.lead_id == candidate.lead.id and call.was_placed]
    dials = sum(1 for call in placed if call.opened_at >= began)
    allows = dials < terms.settings.dial_cycles
    facts = {"dials": dials, "allowed": terms.settings.dial_cycles, "since": began.isoformat()}
    return Verdict(rule=Rule.DIAL_CYCLES, allows=allows, facts=facts, until=None if allows else ends)


def _destination(number: str, facts: PhoneFacts, terms: Terms) -> Verdict:
    """Premium, satellite and emergency numbers are never dialed; others where the account's prefixes allow it."""
    prefixes = terms.account.allowed_prefixes
    allows = facts.kind is NumberKind.ORDINARY and (prefixes is None or number.startswith(prefixes))
    event = None if allows else LeadEvent.FORBIDDEN
    said = {"kind": facts.kind, "country": facts.region}
    return Verdict(rule=Rule.DESTINATION, allows=allows, facts=said, number=number, event=event)


def _called_now(number: str, calls: Sequence[RecentCall], now: datetime) -> Verdict:
    free = all(call.outcome is not None for call in calls)
    until = None if free else now + CALLED_NOW_PAUSE
    return Verdict(rule=Rule.CALLED_NOW, allows=free, number=number, until=until)


def _number_cap(number: str, calls: Sequence[RecentCall], terms: Terms, now: datetime) -> Verdict:
    """The strictest of the account's and the profile's caps, over what every campaign has placed."""
    limits = terms.caps
    placed = [call.opened_at for call in calls if call.was_placed]
    until: datetime | None = None
    facts: dict[str, object] = {}
    for most, span in ((limits.max_calls_24h, DAY), (limits.max_calls_7d, WEEK)):
        counted = [at for at in placed if at > now - span]
        facts[f"in_{span // timedelta(hours=1)}_h"] = f"{len(counted)} of {'any' if most is None else most}"
        if most is not None and len(counted) >= most:
            free_at = counted[most - 1] + span
            until = max(until, free_at) if until else free_at
    return Verdict(rule=Rule.NUMBER_CAP, allows=until is None, facts=facts, number=number, until=until)


def _lockout(number: str, calls: Sequence[RecentCall], terms: Terms, now: datetime) -> Verdict:
    """A person to whom silence was done is left alone for a while (UK: 72 hours)."""
    abandoned = max((call.opened_at for call in calls if call.outcome is Outcome.ABANDONED), default=None)
    ends = abandoned + terms.caps.abandon_lockout if abandoned else None
    allows = ends is None or ends <= now
    facts = {"abandoned_at": abandoned.isoformat() if abandoned else None}
    return Verdict(rule=Rule.ABANDON_LOCKOUT, allows=allows, facts=facts, number=number, until=None if allows else ends)


# --- hours ------------------------------------------------------------------------------------------------------------


def zones_of(lead: Lead, number: str, account: AccountRules, *, may_guess: bool = True) -> tuple[str, ...]:
    """Every zone in which the lead may be: all of them have to be open. Empty: unknown.

    A number tells its candidates, of which a ported one keeps the old; so what the list says is one more, unless the
    account trusts it alone. Only where both say nothing the account's own zone may do, if the account says so and no
    compliance profile forbids to guess.
    """
    own = (lead.time_zone,) if lead.time_zone else ()
    if own and account.lead_zone_trusted:
        return own
    found = tuple(dict.fromkeys((*facts_of(number).zones, *own)))
    if found or not may_guess or account.unknown_zone is UnknownZone.BLOCK:
        return found
    return (account.time_zone,)


def _hours(lead: Lead, number: str, facts: PhoneFacts, terms: Terms, now: datetime) -> Iterator[Verdict]:
    """Each rule about the lead's local time, and until when all of them together forbid the call."""
    zones = zones_of(lead, number, terms.account, may_guess=not _demands(terms, Demand.KNOWN_ZONE))
    known = bool(zones) and all(map(is_zone, zones))
    legal = hours_for(terms.profile, place_of(terms.profile, number, facts.region)) if terms.profile else ()
    by_rule = _hours_by_rule(lead, terms, legal, zones if known else ())
    if not by_rule:
        return
    event = None if known else LeadEvent.FORBIDDEN
    yield Verdict(rule=Rule.LEAD_ZONE, allows=known, facts={"zones": list(zones)}, number=number, event=event)
    for rule, hours in by_rule.items() if known else ():
        said: dict[str, object] = {"zones": list(zones)}
        if rule is Rule.LEGAL_HOURS:
            said["rules"] = {each.rule: each.version for each in legal}
        if next_start(hours, now=now, lasting=_lasting(terms)) == now:
            yield Verdict(rule=rule, allows=True, facts=said, number=number)
        else:
            until = _opens_again(by_rule, terms, now)
            yield Verdict(rule=rule, allows=False, facts=said, number=number, until=until, event=_if_never(until, rule))


def _opens_again(by_rule: Mapping[Rule, Sequence[OpenHours]], terms: Terms, now: datetime) -> datetime | None:
    """When all windows are open at once, the campaign's own included."""
    together = [piece for pieces in by_rule.values() for piece in pieces] + _campaign_hours(terms)
    return next_start(together, now=now, lasting=_lasting(terms))


def _hours_by_rule(
    lead: Lead, terms: Terms, legal: tuple[Hours, ...], zones: tuple[str, ...]
) -> dict[Rule, tuple[OpenHours, ...]]:
    """The windows that have to be open, of each rule that the campaign has; without a zone nobody can say which."""
    settings, found = terms.settings, {}
    if settings.lead_window is not None:
        found[Rule.LEAD_WINDOW] = _windows_in(settings.lead_window, zones)
    if (plan := settings.day_plan) is not None:
        found[Rule.DAY_PLAN] = tuple(of_day_plan(plan, zone, created_at=lead.new_since) for zone in zones)
    if legal:
        found[Rule.LEGAL_HOURS] = _legal_hours_in(legal, zones)
    return found


# Leads live in few zones and places, and a number that cannot be placed has dozens of zones.
@lru_cache(maxsize=4096)
def _windows_in(window: LeadWindow, zones: tuple[str, ...]) -> tuple[OpenHours, ...]:
    return tuple(of_lead_window(window, zone) for zone in zones)


@lru_cache(maxsize=4096)
def _legal_hours_in(legal: tuple[Hours, ...], zones: tuple[str, ...]) -> tuple[OpenHours, ...]:
    return tuple(of_rows(hours.rows, zone, closed_on=hours.closed_on) for hours in legal for zone in zones)


def _demands(terms: Terms, what: Demand) -> bool:
    return terms.profile is not None and terms.profile.demands(what)


def _campaign_hours(terms: Terms) -> list[OpenHours]:
    return [of_rows(working_hours(terms.settings, terms.account), terms.account.time_zone)]


def _if_never(until: datetime | None, rule: Rule) -> LeadEvent | None:
    """Windows that never come again: a plan that is over has been tried, anything else was never possible."""
    if until is not None:
        return None
    return LeadEvent.EXHAUSTED if rule is Rule.DAY_PLAN else LeadEvent.FORBIDDEN


def _caller_id_verdict(number: str, shown: PoolNumber | NoCallerId, now: datetime) -> Verdict:
    if isinstance(shown, NoCallerId):
        until = shown.until or now + NO_CALLER_ID_PAUSE
        return Verdict(rule=Rule.CALLER_ID, allows=False, facts={"why": shown.why}, number=number, until=until)
    facts = {"shown": shown.caller_id.number}
    return Verdict(rule=Rule.CALLER_ID, allows=True, facts=facts, number=number)
