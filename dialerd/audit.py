"""The judge: whether the laws were kept, recomputed afterwards from what the carrier saw.

Nothing here is shared with the code that decides about calls: a rule that is wrong there must not be wrong here too, so
the rules are written down a second time, and states and outcomes are plain words. Evidence goes in as values, a verdict for
each law comes out: `held`, or a sentence with the first violations. The far end's record holds calls that have ended, so
judge when everything is silent.

L8 and L9 are not here: they need drills, not records.
"""

import csv
import heapq
import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from dialerd.privacy import mask_number

HELD = "held"
ON_LINE = "on_line"
WITHOUT_AN_AGENT = frozenset({"voicemail", "menu_choice", "menu_left", "opted_out"})
"""Outcomes of a call that was answered, of which the far end cannot tell more than that no agent talked."""
TOLD = 3
"""So many violations of a law are told in full."""

AT_REST = frozenset({"active", "retry", "cooloff", "voicemail", "success", "failed", "blocked", "abandoned"})
IN_FLIGHT = frozenset({"dialing", "ringing", "answered"})
MAY_HAVE_NO_INVITE = frozenset({"not_placed", "unknown", "cancelled", None})
"""`unknown`: nobody can tell whether it left. `cancelled`: a Stop may come before the INVITE. None: L7 tells of it."""

OUTCOME_OF_CAUSE = {1: "invalid_number", 17: "busy", 18: "no_answer", 19: "no_answer", 21: "rejected", 34: "congestion"}
"""What each Q.850 cause means, with which the far end's fates hang up before an answer."""

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


# --- The evidence ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FarEndCall:
    """One ended call as the carrier saw it. Moments that did not come are None."""

    call_id: str
    kind: str
    """`lead` and `agent` are called by the PBX, `inbound` calls it."""
    invite: datetime
    ringing: datetime | None
    answer: datetime | None
    """Of an inbound call: when the PBX took it into the queue."""
    end: datetime
    dialed: str
    caller_number: str
    hung_up_by: str
    """`far_end` or `pbx`."""
    cause: int
    """Q.850."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """`end` None: until now."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the campaign was set to, and when it was allowed to dial."""

    queue: str
    agents: tuple[str, ...]
    """Extensions of the bound queue's members."""
    calls_per_second: float
    concurrency: int
    max_attempts: int
    cooloff_s: int
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    allowed: tuple[Span, ...]
    imported: int
    """Leads that the uploads reported as added."""
    agents_wanted: str = "one_each"
    """What a call needs of agents: `one_each` free one, `any` free one however many calls are on their way, one who is `on_line`
    before the lead is dialed, or `none` (a voice menu)."""


@dataclass(frozen=True, kw_only=True)
class LeadRow:
    id: int
    number: str
    state: str
    max_attempts: int | None = None
    cooloff_s: int | None = None
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    held_by: str | None = None
    """The rule that ended it, if one did."""


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    lead_id: int
    number: str
    ordinal: int
    opened_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    ringing_at: datetime | None = None
    disposition: str | None = None
    """What the agent said of it: the lead's state follows that, and no longer the outcome alone."""


@dataclass(frozen=True, kw_only=True)
class DncEntry:
    number: str
    added_at: datetime


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """What cannot be held against the dialer, because two machines never know the same at the same instant."""

    journey: timedelta = timedelta(milliseconds=40)
    """From a row to the arrival of its INVITE, by commit, AMI and SIP: 9 to 40 ms in a quiet laboratory. Seconds on a machine
    that has far too much to do, so `longest_journey` measures it."""
    decision: timedelta = timedelta(milliseconds=30)
    """How much earlier than the set rate a row may be written: 20 ms are the jitter of the limiter's timer, 10 the head start
    that a row has of its call."""
    stale: timedelta = timedelta(milliseconds=210)
    """How old news of the PBX may be on which a decision rests."""
    own_end: timedelta = timedelta(milliseconds=10)
    """The PBX knows of its own hanging up before the far end does: by this, and by a journey."""

    @property
    def news(self) -> timedelta:
        """What happened this short before an INVITE was not known when it was decided."""
        return self.stale + self.journey

    @property
    def echo(self) -> timedelta:
        """A call that the far end saw end this late had ended before for the PBX."""
        return self.own_end + self.journey

    @property
    def pace(self) -> timedelta:
        """Two calls may arrive this much closer together than the rate allows."""
        return self.decision + self.journey


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`calls` is all that the far end recorded since the campaign was created, of every kind; `dnc` all that was ever listed."""

    calls: Sequence[FarEndCall]
    rules: Rules
    leads: Sequence[LeadRow]
    attempts: Sequence[AttemptRow]
    dnc: Sequence[DncEntry] = ()
    tolerances: Tolerances = field(default_factory=Tolerances)


def read_calls(record: Path) -> list[FarEndCall]:
    """The far end's calls.csv. Raises ValueError or KeyError where a line is not whole."""
    with record.open(newline="", encoding="utf-8") as lines:
        return [_call_of(row) for row in csv.DictReader(lines, strict=True)]


def _call_of(row: Mapping[str, str]) -> FarEndCall:
    return FarEndCall(
        call_id=row["call_id"],
        kind=row["kind"],
        invite=_moment(row["invite"]),
        ringing=_moment(row["ringing"]) if row["ringing"] else None,
        answer=_moment(row["answer"]) if row["answer"] else None,
        end=_moment(row["end"]),
        dialed=row["dialed"],
        caller_number=row["caller_number"],
        hung_up_by=row["hung_up_by"],
        cause=int(row["cause"]),
    )


def _moment(epoch_s: str) -> datetime:
    return datetime.fromtimestamp(float(epoch_s), UTC)


# --- The verdict ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Violation:
    at: datetime | None
    """None: not of one moment."""
    what: str


def judge(evidence: Evidence) -> dict[str, str]:
    """For each law `held`, or a sentence with the first violations, numbers masked and times in UTC."""
    case = _Case(evidence)
    return {law: _sentence(list(violations(case))) for law, violations in LAWS.items()}


def _sentence(violations: list[Violation]) -> str:
    if not violations:
        return HELD
    violations.sort(key=lambda violation: violation.at or datetime.max.replace(tzinfo=UTC))
    told = "; ".join(violation.what for violation in violations[:TOLD])
    return told if len(violations) <= TOLD else f"{told}; and {len(violations) - TOLD} more"


def longest_journey(evidence: Evidence) -> timedelta:
    """The most that an INVITE came after its row: the tolerance to judge with, where it is more than the usual. Where an agent is
    rung in between, that tells nothing; the way back does, on which the dialer hears that the phone rings."""
    if evidence.rules.agents_wanted == ON_LINE:
        return _longest_way_back(evidence)
    pairs, _ = _Case(evidence).matched
    return max((call.invite - attempt.opened_at for attempt, calls in pairs for call in calls[:1]), default=timedelta())


def _longest_way_back(evidence: Evidence) -> timedelta:
    pairs, _ = _Case(evidence).matched
    ways = (
        attempt.ringing_at - call.ringing
        for attempt, calls in pairs
        for call in calls[:1]
        if attempt.ringing_at and call.ringing
    )
    return max(ways, default=timedelta())


def crossed_answers(evidence: Evidence) -> int:
    """Answers that met the PBX's giving up on the wire, so that the rows need not know of them."""
    case = _Case(evidence)
    unseen = {(attempt.lead_id, attempt.ordinal) for attempt in case.attempts if attempt.answered_at is None}
    return sum(_crossed(case, call) for attempt, call in case.call_of.items() if attempt in unseen)


class _Case:
    """The evidence, laid out as the laws ask for it."""

    def __init__(self, evidence: Evidence) -> None:
        self.rules = evidence.rules
        self.leads = evidence.leads
        self.attempts = evidence.attempts
        self.dnc = evidence.dnc
        self.tolerances = evidence.tolerances
        self._calls = evidence.calls

    @cached_property
    def invites(self) -> list[FarEndCall]:
        """Calls to leads, in the order of their INVITEs."""
        return self._of_kind("lead")

    @cached_property
    def invites_to(self) -> Mapping[str, list[FarEndCall]]:
        return _grouped(self.invites, lambda call: _digits(call.dialed))

    @cached_property
    def agent_legs(self) -> Mapping[str, list[FarEndCall]]:
        """By extension."""
        return _grouped(self._of_kind("agent"), lambda leg: leg.dialed)

    @cached_property
    def agent_legs_for(self) -> Mapping[str, list[FarEndCall]]:
        """Answered ones, by the number that the agent's phone showed."""
        answered = [leg for leg in self._of_kind("agent") if leg.answer]
        return _grouped(answered, lambda leg: _digits(leg.caller_number))

    @cached_property
    def waits(self) -> list[tuple[datetime, datetime]]:
        """When inbound callers stood in the bound queue without an agent."""
        callers = [call for call in self._of_kind("inbound") if call.dialed == f"queue-{self.rules.queue}"]
        return [(caller.answer, self._wait_end(caller)) for caller in callers if caller.answer]

    @cached_property
    def _in_order(self) -> list[AttemptRow]:
        return sorted(self.attempts, key=lambda attempt: (attempt.opened_at, attempt.ordinal))

    @cached_property
    def attempts_of(self) -> Mapping[int, list[AttemptRow]]:
        return _grouped(self._in_order, lambda attempt: attempt.lead_id)

    def calls_to(self, lead: LeadRow) -> list[FarEndCall]:
        """At whichever of its numbers it was called, or was not to be."""
        numbers = {
            _digits(number) for number in (lead.number, *(row.number for row in self.attempts_of.get(lead.id, [])))
        }
        return sorted(
            (call for number in numbers for call in self.invites_to.get(number, [])), key=lambda call: call.invite
        )

    @cached_property
    def lead_of(self) -> Mapping[int, LeadRow]:
        return {lead.id: lead for lead in self.leads}

    @cached_property
    def matched(self) -> tuple[list[tuple[AttemptRow, list[FarEndCall]]], list[FarEndCall]]:
        """Each attempt with its INVITEs, and the INVITEs that belong to no attempt."""
        found: dict[int, list[FarEndCall]] = defaultdict(list)
        strays = []
        rows = _grouped(self._in_order, lambda attempt: _digits(attempt.number))
        for call in self.invites:
            attempt = _opened_last(rows.get(_digits(call.dialed), []), call.invite)
            strays.append(call) if attempt is None else found[id(attempt)].append(call)
        return [(attempt, found[id(attempt)]) for attempt in self.attempts], strays

    @cached_property
    def call_of(self) -> Mapping[tuple[int, int], FarEndCall]:
        """The call of each (lead, ordinal) that has just one."""
        return {(attempt.lead_id, attempt.ordinal): calls[0] for attempt, calls in self.matched[0] if len(calls) == 1}

    def name(self, attempt: AttemptRow) -> str:
        lead = self.lead_of.get(attempt.lead_id)
        return f"attempt {attempt.ordinal} of {_masked(lead.number) if lead else f'lead {attempt.lead_id}'}"

    def _of_kind(self, kind: str) -> list[FarEndCall]:
        return sorted((call for call in self._calls if call.kind == kind), key=lambda call: call.invite)

    def _wait_end(self, caller: FarEndCall) -> datetime:
        """The agent who takes a caller has the caller's number on the phone."""
        legs = self.agent_legs_for.get(_digits(caller.caller_number), [])
        joined = [leg.answer for leg in legs if leg.answer and caller.invite <= leg.answer <= caller.end]
        return min(joined, default=caller.end)


# --- L1: no call to a listed number ---------------------------------------------------------------------------------


def _do_not_call(case: _Case) -> Iterator[Violation]:
    for entry in case.dnc:
        for call in case.invites_to.get(_digits(entry.number), []):
            if call.invite >= entry.added_at:
                where = f"INVITE to {_masked(call.dialed)} at {_time(call.invite)}"
                yield _at(call, f"{where}, listed since {_time(entry.added_at)}")


# --- L2: every call once --------------------------------------------------------------------------------------------


def _once(case: _Case) -> Iterator[Violation]:
    pairs, strays = case.matched
    for call in strays:
        yield _at(call, f"INVITE to {_masked(call.dialed)} at {_time(call.invite)} without an attempt")
    for attempt, calls in pairs:
        yield from _one_invite(case, attempt, calls)
    for (lead_id, ordinal), rows in Counter((row.lead_id, row.ordinal) for row in case.attempts).items():
        if rows > 1:
            yield Violation(at=None, what=f"{rows} rows for attempt {ordinal} of lead {lead_id}")
    for calls in case.invites_to.values():
        yield from _one_at_a_time(case, calls)


def _one_invite(case: _Case, attempt: AttemptRow, calls: list[FarEndCall]) -> Iterator[Violation]:
    name = case.name(attempt)
    if not calls and attempt.outcome not in MAY_HAVE_NO_INVITE:
        yield Violation(at=attempt.opened_at, what=f"{name} at {_time(attempt.opened_at)} has no INVITE")
    if len(calls) > 1:
        yield _at(calls[1], f"{len(calls)} INVITEs for {name}, the second at {_time(calls[1].invite)}")
    if calls and attempt.outcome == "not_placed":
        yield _at(calls[0], f"{name} is not_placed, but its INVITE came at {_time(calls[0].invite)}")
    if calls and attempt.ended_at and calls[0].invite > attempt.ended_at + case.tolerances.echo:
        yield _at(
            calls[0], f"INVITE for {name} at {_time(calls[0].invite)}, after its end at {_time(attempt.ended_at)}"
        )


def _one_at_a_time(case: _Case, calls: list[FarEndCall]) -> Iterator[Violation]:
    """Of one number, in the order of their INVITEs."""
    for earlier, later in pairwise(calls):
        if later.invite < earlier.end - case.tolerances.echo:
            yield _at(
                later, f"INVITE to {_masked(later.dialed)} at {_time(later.invite)} while an earlier call to it lasted"
            )


# --- L3: only while it was allowed to dial --------------------------------------------------------------------------


def _hours(case: _Case) -> Iterator[Violation]:
    for call in case.invites:
        if not any(_within(call.invite, span, case.tolerances.news) for span in case.rules.allowed):
            yield _at(call, f"INVITE to {_masked(call.dialed)} at {_time(call.invite)}, outside the allowed spans")


def _within(moment: datetime, span: Span, news: timedelta) -> bool:
    """A call that was decided just before the end of the span arrives just after it."""
    return span.start <= moment and (span.end is None or moment <= span.end + news)


# --- L4: inbound first, and only for a free agent -------------------------------------------------------------------


def _inbound_first(case: _Case) -> Iterator[Violation]:
    """To a call that certainly has no answer yet, an agent is promised: he is not free for another."""
    if case.rules.agents_wanted == "none":
        return
    echo = case.tolerances.echo
    unanswered = _open_at_each(case.invites, lambda call: min(call.end - echo, call.answer or call.end))
    for call, promised in zip(case.invites, unanswered, strict=True):
        where = f"INVITE to {_masked(call.dialed)} at {_time(call.invite)}"
        if any(_waited(case, call.invite, wait) for wait in case.waits):
            yield _at(call, f"{where} while a caller waited in {case.rules.queue}")
        elif case.rules.agents_wanted == ON_LINE:
            yield from _agents_on_line(case, call, where, promised)
        else:
            yield from _agents_free(case, call, where, promised)


def _agents_free(case: _Case, call: FarEndCall, where: str, promised: int) -> Iterator[Violation]:
    free = _free_agents(case, call.invite)
    if not free:
        yield _at(call, f"{where} while no agent was free")
    elif promised > free and case.rules.agents_wanted == "one_each":
        yield _at(call, f"{where} as one of {promised} unanswered calls for {free} free agents")


def _agents_on_line(case: _Case, call: FarEndCall, where: str, promised: int) -> Iterator[Violation]:
    """An agent who hung up a moment ago was still there when it was decided."""
    since = call.invite - case.tolerances.news
    waiting = sum(
        any(leg.answer and leg.answer <= call.invite and since <= leg.end for leg in case.agent_legs.get(agent, []))
        for agent in case.rules.agents
    )
    if promised > waiting:
        yield _at(call, f"{where} as one of {promised} unanswered calls with {waiting} agents on the line")


def _waited(case: _Case, moment: datetime, wait: tuple[datetime, datetime]) -> bool:
    joined, served = wait
    return joined + case.tolerances.news < moment < served - case.tolerances.echo


def _free_agents(case: _Case, moment: datetime) -> int:
    """Agents who had no leg at least once in the time on which a decision for this INVITE can have rested."""
    since, until = moment - case.tolerances.news, moment + case.tolerances.echo
    return sum(not _covers(case.agent_legs.get(agent, []), since, until) for agent in case.rules.agents)


def _covers(legs: Sequence[FarEndCall], since: datetime, until: datetime) -> bool:
    """Whether the legs of one agent, in the order of their INVITEs, leave no gap between the two moments."""
    first = bisect_right(legs, since, key=lambda leg: leg.invite) - 1
    for leg in legs[max(0, first) :]:
        if leg.invite > since:
            return False
        since = max(since, leg.end)
        if since >= until:
            return True
    return False


def _open_at_each(calls: Sequence[FarEndCall], until: Callable[[FarEndCall], datetime]) -> Iterator[int]:
    """How many calls are open as each INVITE arrives, with itself; the calls are in the order of their INVITEs."""
    ends: list[datetime] = []
    for call in calls:
        while ends and ends[0] <= call.invite:
            heapq.heappop(ends)
        heapq.heappush(ends, until(call))
        yield len(ends)


# --- L5: pace and concurrency ---------------------------------------------------------------------------------------


def _pace(case: _Case) -> Iterator[Violation]:
    tolerances = case.tolerances
    yield from _rate(case, "INVITEs", [call.invite for call in case.invites], tolerances.pace)
    # A row is written at the very moment of the decision: no slow road excuses it.
    yield from _rate(case, "attempts opened", sorted(row.opened_at for row in case.attempts), tolerances.decision)
    yield from _concurrency(case)


def _rate(case: _Case, what: str, moments: Sequence[datetime], slack: timedelta) -> Iterator[Violation]:
    """No window W may hold more than floor((W + slack) * rate) + 1 of them.

    That is so for every window at once if none comes earlier than the rate allows after any one before it, and of those
    the one that was latest for its number is the strictest.
    """
    times, rate = [moment.timestamp() for moment in moments], case.rules.calls_per_second
    strictest = 0
    for last in range(1, len(times)):
        calls, window = last - strictest + 1, times[last] - times[strictest]
        allowed = math.floor((window + slack.total_seconds()) * rate + 1e-6) + 1
        if calls > allowed:
            seen = f"{calls} {what} within {window:.3f} s up to {_time(moments[last])}"
            yield Violation(at=moments[last], what=f"{seen}, where {rate:g}/s allow {allowed}")
        if times[last] - last / rate > times[strictest] - strictest / rate:
            strictest = last


def _concurrency(case: _Case) -> Iterator[Violation]:
    open_calls = _open_at_each(case.invites, lambda call: call.end - case.tolerances.echo)
    for call, calls in zip(case.invites, open_calls, strict=True):
        if calls > case.rules.concurrency:
            yield _at(call, f"{calls} calls at once at {_time(call.invite)}, where {case.rules.concurrency} are set")


# --- L6: attempts and cool-offs -------------------------------------------------------------------------------------


def _attempts(case: _Case) -> Iterator[Violation]:
    for lead in case.leads:
        limit = case.rules.max_attempts if lead.max_attempts is None else lead.max_attempts
        calls = case.calls_to(lead)
        if len(calls) > limit:
            over = calls[limit]
            yield _at(over, f"INVITE {limit + 1} to {_masked(lead.number)} at {_time(over.invite)}, of {limit} allowed")
        counted = [attempt for attempt in case.attempts_of.get(lead.id, []) if attempt.outcome != "not_placed"]
        if len(counted) > limit >= len(calls):
            yield Violation(at=counted[limit].opened_at, what=f"{case.name(counted[limit])}, of {limit} allowed")
        yield from _cooloffs(case, lead, counted)


def _cooloffs(case: _Case, lead: LeadRow, counted: list[AttemptRow]) -> Iterator[Violation]:
    for failures, (before, after) in enumerate(pairwise(counted), start=1):
        next_call = case.call_of.get((after.lead_id, after.ordinal))
        ended = _ended(case, before)
        if next_call is None or ended is None or before.outcome == "cancelled":  # after a Stop the lead is due at once
            continue
        gap, wanted = next_call.invite - ended, _cooloff(lead, case.rules, failures)
        if gap < wanted - case.tolerances.echo:
            what = f"INVITE to {_masked(lead.number)} at {_time(next_call.invite)}, {gap.total_seconds():.3f} s after its last call"
            yield _at(next_call, f"{what}; its cool-off is {wanted.total_seconds():g} s")


def _ended(case: _Case, attempt: AttemptRow) -> datetime | None:
    call = case.call_of.get((attempt.lead_id, attempt.ordinal))
    return call.end if call else attempt.ended_at


def _cooloff(lead: LeadRow, rules: Rules, failures: int) -> timedelta:
    """First: the lead's own wins. Later ones: the campaign's wins. One that nobody set is as long as the one before it."""
    first = rules.cooloff_s if lead.cooloff_s is None else lead.cooloff_s
    second = _set(rules.cooloff_2nd_s, lead.cooloff_2nd_s, first)
    third = _set(rules.cooloff_3rd_s, lead.cooloff_3rd_s, second)
    return timedelta(seconds=(first, second, third)[min(failures, 3) - 1])


def _set(campaign: int | None, lead: int | None, otherwise: int) -> int:
    return next((length for length in (campaign, lead) if length is not None), otherwise)


# --- L7: everything accounted for -----------------------------------------------------------------------------------


def _accounted(case: _Case) -> Iterator[Violation]:
    if len(case.leads) != case.rules.imported:
        yield Violation(
            at=None, what=f"{case.rules.imported} leads were imported, and the states sum to {len(case.leads)}"
        )
    for lead in case.leads:
        yield from _state(case, lead)
    for attempt in case.attempts:
        if attempt.outcome is None or attempt.ended_at is None:
            what = f"{case.name(attempt)}, opened at {_time(attempt.opened_at)}, has no outcome"
            yield Violation(at=attempt.opened_at, what=what)
        elif call := case.call_of.get((attempt.lead_id, attempt.ordinal)):
            yield from _agrees(case, attempt, call)


def _state(case: _Case, lead: LeadRow) -> Iterator[Violation]:
    outcomes = [attempt.outcome for attempt in case.attempts_of.get(lead.id, [])]
    if lead.state in IN_FLIGHT:
        yield Violation(at=None, what=f"{_masked(lead.number)} is still {lead.state}")
    elif lead.state not in AT_REST:
        yield Violation(at=None, what=f"{_masked(lead.number)} is in no known state ({lead.state})")
    attempts = case.attempts_of.get(lead.id, [])
    disposed = bool(attempts) and attempts[-1].disposition is not None
    if not disposed and (lead.state == "success") != bool({"connected", "menu_choice"} & set(outcomes[-1:])):
        last = outcomes[-1] if outcomes else "none"
        yield Violation(at=None, what=f"{_masked(lead.number)} is {lead.state}, but its last outcome is {last}")
    listed = {_digits(entry.number) for entry in case.dnc}
    if lead.state == "blocked" and lead.held_by in ("dnc", None) and _digits(lead.number) not in listed:
        yield Violation(at=None, what=f"{_masked(lead.number)} is blocked, but on no list")


def _agrees(case: _Case, attempt: AttemptRow, call: FarEndCall) -> Iterator[Violation]:
    crossed = _crossed(case, call)
    unseen = attempt.outcome == "unknown"  # nobody listened when the call went on
    if (
        not unseen
        and (attempt.answered_at is None) != (call.answer is None)
        and not (crossed and attempt.answered_at is None)
    ):
        said, seen = ("no answer", "an answer") if call.answer else ("an answer", "no answer")
        yield _at(call, f"{case.name(attempt)} has {said}, and the far end saw {seen} (INVITE {_time(call.invite)})")
    possible = _possible(case, call)
    outcome = "hung_up" if attempt.outcome in WITHOUT_AN_AGENT else attempt.outcome
    if not unseen and possible and outcome not in possible:
        seen = " or ".join(sorted(possible))
        yield _at(
            call,
            f"{case.name(attempt)} ended {attempt.outcome}, and the far end saw {seen} (INVITE {_time(call.invite)})",
        )


def _possible(case: _Case, call: FarEndCall) -> frozenset[str]:
    """The outcomes that agree with what the far end saw. Empty: it proves none."""
    gave_up = frozenset({"no_answer", "cancelled"})
    if call.answer is None:
        by_cause = OUTCOME_OF_CAUSE.get(call.cause)
        return gave_up if call.hung_up_by == "pbx" else frozenset({by_cause} if by_cause else ())
    alone, talk = frozenset({"abandoned", "hung_up"}), _talk(case, call)
    if talk is None:
        return alone | gave_up if _crossed(case, call) else alone
    return frozenset({"connected"}) if talk > case.tolerances.news else alone | {"connected"}


def _crossed(case: _Case, call: FarEndCall) -> bool:
    """The answer met the PBX's own giving up on the wire: it cannot be held against the rows that they saw no answer."""
    return call.answer is not None and call.hung_up_by == "pbx" and call.end - call.answer < case.tolerances.news


def _talk(case: _Case, call: FarEndCall) -> timedelta | None:
    """How long an agent who saw this lead's number was on the phone with it; None without one. An agent who was there first, and
    stayed for several leads, saw the number of the first of them."""
    legs = case.agent_legs_for.get(_digits(call.dialed), [])
    if case.rules.agents_wanted == ON_LINE:
        legs = [leg for each in case.agent_legs_for.values() for leg in each]
    overlaps = [
        min(leg.end, call.end) - max(leg.answer, call.answer)
        for leg in legs
        if leg.answer and call.answer and leg.answer <= call.end and call.answer <= leg.end
    ]
    return max(overlaps, default=None)


LAWS: Mapping[str, Callable[[_Case], Iterator[Violation]]] = {
    "L1": _do_not_call,
    "L2": _once,
    "L3": _hours,
    "L4": _inbound_first,
    "L5": _pace,
    "L6": _attempts,
    "L7": _accounted,
}


# --- Small change ---------------------------------------------------------------------------------------------------


def _at(call: FarEndCall, what: str) -> Violation:
    return Violation(at=call.invite, what=what)


def _opened_last(attempts: Sequence[AttemptRow], moment: datetime) -> AttemptRow | None:
    """The attempt of one lead, in the order of opening, to which an INVITE of that moment belongs. The row comes first."""
    place = bisect_right(attempts, moment, key=lambda attempt: attempt.opened_at)
    return attempts[place - 1] if place else None


def _grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdecimal())


def _masked(number: str) -> str:
    return mask_number("+" + _digits(number))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
