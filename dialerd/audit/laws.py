"""The laws of calling, L1 to L6, each as what was found against it."""

import heapq
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from dialerd.audit.case import Case, Violation, at, clock, digits, masked, told_as
from dialerd.audit.endings import CONGESTION, OUTCOME_OF_CAUSE
from dialerd.audit.evidence import ON_LINE, AttemptRow, FarEndCall, LeadRow, Rules, Span, Tolerances
from dialerd.audit.windows import closed_schedule, closed_zone

MAY_HAVE_NO_INVITE = frozenset({"not_placed", "unknown", "cancelled", None})
"""`unknown`: nobody can tell whether it left. `cancelled`: a Stop may come before the INVITE. None: L7 tells of it."""
DUE_AT_ONCE = frozenset({"cancelled", "not_placed"})
"""Outcomes after which no cool-off runs: a Stop puts the lead back as it was, and what never left has disturbed nobody."""
NO_SUCH_NUMBER = "invalid_number"
"""Then another number of the lead may be tried at once."""
MOST_FORGIVEN = 2
"""Refusals of a trunk in trouble that cost a lead no attempt (docs/decisions/0020)."""


# --- L1: no call to a listed number ---------------------------------------------------------------------------------


def do_not_call(case: Case) -> Iterator[Violation]:
    for entry in case.dnc:
        for call in case.invites_to.get(digits(entry.number), []):
            if entry.added_at <= call.invite - case.tolerances.blur and (
                entry.expires_at is None or call.invite < entry.expires_at
            ):
                yield at(call, f"{told_as(call)}, listed since {clock(entry.added_at)}")


# --- L2: every call once --------------------------------------------------------------------------------------------


def strays(case: Case) -> Iterator[Violation]:
    """INV2: an attempt is never lost."""
    _, found = case.matched
    for call in found:
        yield at(call, f"{told_as(call)} without an attempt")


def once(case: Case) -> Iterator[Violation]:
    """INV1: at most one INVITE for each attempt."""
    for attempt, calls in case.matched[0]:
        yield from _one_invite(case, attempt, calls)
    for (lead_id, ordinal), rows in Counter((row.lead_id, row.ordinal) for row in case.attempts).items():
        if rows > 1:
            yield Violation(at=None, what=f"{rows} rows for attempt {ordinal} of lead {lead_id}")
    for number in case.invites_to:
        yield from _one_at_a_time(case, case.every_invite_to[number])


def _one_invite(case: Case, attempt: AttemptRow, calls: list[FarEndCall]) -> Iterator[Violation]:
    name = case.name(attempt)
    if not calls and attempt.outcome not in MAY_HAVE_NO_INVITE and _was_recorded(case, attempt):
        yield Violation(at=attempt.opened_at, what=f"{name} at {clock(attempt.opened_at)} has no INVITE")
    if len(calls) > 1:
        yield at(calls[1], f"{len(calls)} INVITEs for {name}, the second at {clock(calls[1].invite)}")
    if calls and attempt.outcome == "not_placed":
        yield at(calls[0], f"{name} is not_placed, but its INVITE came at {clock(calls[0].invite)}")
    if calls and attempt.ended_at and calls[0].invite > attempt.ended_at + case.tolerances.echo:
        yield at(calls[0], f"INVITE for {name} at {clock(calls[0].invite)}, after its end at {clock(attempt.ended_at)}")


def _was_recorded(case: Case, attempt: AttemptRow) -> bool:
    recorded = case.evidence.recorded
    return recorded is None or recorded.start <= attempt.opened_at <= (recorded.end or attempt.opened_at)


def _one_at_a_time(case: Case, calls: list[FarEndCall]) -> Iterator[Violation]:
    """Of one number, whatever campaign it is for, in the order of their INVITEs."""
    for earlier, later in pairwise(calls):
        if later.invite < earlier.end - case.tolerances.echo:
            yield at(later, f"{told_as(later)} while an earlier call to it lasted")


# --- L3: only while it was allowed to dial --------------------------------------------------------------------------


def hours(case: Case) -> Iterator[Violation]:
    for call in case.invites:
        if not any(_within(call.invite, span, case.tolerances) for span in case.rules.allowed):
            yield at(call, f"{told_as(call)}, outside the allowed spans")
    yield from _windows(case)


def _within(moment: datetime, span: Span, tolerances: Tolerances) -> bool:
    """A call that was decided just before the end of the span arrives just after it."""
    return span.start <= moment + tolerances.blur and (span.end is None or moment <= span.end + tolerances.news)


def _windows(case: Case) -> Iterator[Violation]:
    """No call starts that could still be ringing when a window has closed."""
    settled = {id(call) for call in case.of_settled(case.invites)}
    for attempt, calls in case.matched[0]:
        lead = case.lead_of.get(attempt.lead_id)
        for call in calls[:1]:
            moments = _from_decision_to_last_ring(case, attempt, call)
            if id(call) not in settled:
                continue
            if closed_schedule(case.rules, moments):
                yield at(call, f"{told_as(call)}, outside the campaign's hours in {case.rules.zone}")
            elif lead and (zone := closed_zone(case.rules, lead, attempt.number, moments)):
                yield at(call, f"{told_as(call)}, outside the lead's hours in {zone}")


def _from_decision_to_last_ring(case: Case, attempt: AttemptRow, call: FarEndCall) -> tuple[datetime, datetime]:
    """An agent-first lead is dialed later than it was decided, so the INVITE tells when; its tolerance is on the dialer's side."""
    last_ring = attempt.opened_at + timedelta(seconds=case.rules.ring_timeout_s) - case.tolerances.stale
    return call.invite, max(last_ring, call.invite - case.tolerances.news)


# --- L4: inbound first, and only for a free agent -------------------------------------------------------------------


def callers_first(case: Case) -> Iterator[Violation]:
    for call in case.invites:
        if any(_waited(case, call.invite, wait) for wait in case.waits):
            yield at(call, f"{told_as(call)} while a caller waited in {case.rules.queue}")


def agents_free(case: Case) -> Iterator[Violation]:
    """To a call that certainly has no answer yet, an agent is promised: he is not free for another."""
    echo, agents = case.tolerances.echo, case.rules.agents or ()
    settled = {id(call) for call in case.of_settled(case.invites)}
    unanswered = _open_at_each(case.invites, lambda call: min(call.end - echo, call.answer or call.end))
    enough = _agents_on_line if case.rules.agents_wanted == ON_LINE else _agents_free
    for call, promised in zip(case.invites, unanswered, strict=True):
        if id(call) in settled:
            yield from enough(case, call, agents, promised)


def _agents_free(case: Case, call: FarEndCall, agents: Sequence[str], promised: int) -> Iterator[Violation]:
    free = _free_agents(case, agents, call.invite)
    if not free:
        yield at(call, f"{told_as(call)} while no agent was free")
    elif promised > free and case.rules.agents_wanted == "one_each":
        yield at(call, f"{told_as(call)} as one of {promised} unanswered calls for {free} free agents")


def _agents_on_line(case: Case, call: FarEndCall, agents: Sequence[str], promised: int) -> Iterator[Violation]:
    """An agent who hung up a moment ago was still there when it was decided."""
    since = call.invite - case.tolerances.news
    waiting = sum(
        any(leg.answer and leg.answer <= call.invite and since <= leg.end for leg in case.agent_legs.get(agent, []))
        for agent in agents
    )
    if promised > waiting:
        yield at(call, f"{told_as(call)} as one of {promised} unanswered calls with {waiting} agents on the line")


def _waited(case: Case, moment: datetime, wait: tuple[datetime, datetime]) -> bool:
    joined, served = wait
    return joined + case.tolerances.news < moment < served - case.tolerances.echo


def _free_agents(case: Case, agents: Sequence[str], moment: datetime) -> int:
    """Agents who had no leg at least once in the time on which a decision for this INVITE can have rested."""
    since, until = moment - case.tolerances.news, moment + case.tolerances.echo
    return sum(not _covers(case.agent_legs.get(agent, []), since, until) for agent in agents)


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


def pace(case: Case) -> Iterator[Violation]:
    tolerances, settled = case.tolerances, case.rules.settled_at
    invites = [call.invite for call in case.of_settled(case.invites)]
    yield from _rate(case, "INVITEs", invites, tolerances.pace)
    # A row is written at the very moment of the decision: no slow road excuses it.
    rows = sorted(
        row.opened_at for row in case.attempts if settled is None or row.opened_at > settled + tolerances.stale
    )
    yield from _rate(case, "attempts opened", rows, tolerances.decision)
    yield from _concurrency(case)


def _rate(case: Case, what: str, moments: Sequence[datetime], slack: timedelta) -> Iterator[Violation]:
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
            seen = f"{calls} {what} within {window:.3f} s up to {clock(moments[last])}"
            yield Violation(at=moments[last], what=f"{seen}, where {rate:g}/s allow {allowed}")
        if times[last] - last / rate > times[strictest] - strictest / rate:
            strictest = last


def _concurrency(case: Case) -> Iterator[Violation]:
    settled = {id(call) for call in case.of_settled(case.invites)}
    open_calls = _open_at_each(case.invites, lambda call: call.end - case.tolerances.echo)
    for call, calls in zip(case.invites, open_calls, strict=True):
        if calls > case.rules.concurrency and id(call) in settled:
            yield at(call, f"{calls} calls at once at {clock(call.invite)}, where {case.rules.concurrency} are set")


# --- L6: attempts and cool-offs -------------------------------------------------------------------------------------


def attempts(case: Case) -> Iterator[Violation]:
    for lead in case.leads:
        counted = [attempt for attempt in case.attempts_since_new(lead) if attempt.outcome != "not_placed"]
        yield from _limit(case, lead, counted)
        yield from _cooloffs(case, lead, counted)
    yield from _caps(case)
    yield from _lockout(case)


def _limit(case: Case, lead: LeadRow, counted: list[AttemptRow]) -> Iterator[Violation]:
    limit = case.rules.max_attempts if lead.max_attempts is None else lead.max_attempts
    limit += sum(attempt.gave_attempt for attempt in counted)
    calls = case.calls_to(lead)
    limit += min(MOST_FORGIVEN, sum(map(_is_refused_by_the_trunk, calls)))
    if len(calls) > limit and case.of_settled(calls[limit:]):
        over = calls[limit]
        yield at(over, f"INVITE {limit + 1} to {masked(lead.number)} at {clock(over.invite)}, of {limit} allowed")
    if len(counted) > limit >= len(calls) and _is_settled(case, counted[limit].opened_at):
        yield Violation(at=counted[limit].opened_at, what=f"{case.name(counted[limit])}, of {limit} allowed")


def _is_refused_by_the_trunk(call: FarEndCall) -> bool:
    """For congestion, before any phone rang: whether it was the trunk's fault or the number's own, the record cannot tell."""
    return call.ringing is None and call.answer is None and OUTCOME_OF_CAUSE.get(call.cause) == CONGESTION


def _is_settled(case: Case, moment: datetime) -> bool:
    return case.rules.settled_at is None or moment > case.rules.settled_at + case.tolerances.stale


def _cooloffs(case: Case, lead: LeadRow, counted: list[AttemptRow]) -> Iterator[Violation]:
    for failures, (before, after) in enumerate(pairwise(counted), start=1):
        next_call = case.call_of.get((after.lead_id, after.ordinal))
        ended = _ended(case, before)
        if next_call is None or ended is None or not _cools_off(case, before, after, ended):
            continue
        gap, wanted = next_call.invite - ended, _cooloff(lead, case.rules, before, failures)
        if gap < wanted - case.tolerances.echo:
            what = f"{told_as(next_call)}, {gap.total_seconds():.3f} s after its last call"
            yield at(next_call, f"{what}; its cool-off is {wanted.total_seconds():g} s")


def _cools_off(case: Case, before: AttemptRow, after: AttemptRow, ended: datetime) -> bool:
    """An agent may have agreed on another moment, and another number may be tried at once where there is no such number."""
    tried_elsewhere = before.outcome == NO_SUCH_NUMBER and before.number != after.number
    said = before.outcome in DUE_AT_ONCE or before.disposition is not None
    return not tried_elsewhere and not said and _is_settled(case, ended)


def _ended(case: Case, attempt: AttemptRow) -> datetime | None:
    call = case.call_of.get((attempt.lead_id, attempt.ordinal))
    return call.end if call else attempt.ended_at


def _cooloff(lead: LeadRow, rules: Rules, before: AttemptRow, failures: int) -> timedelta:
    """What the campaign says of an outcome wins. Then, of the first: the lead's own. Of later ones: the campaign's. One that nobody set is
    as long as the one before it."""
    if (of_outcome := rules.cooloff_after.get(before.outcome or "")) is not None:
        return timedelta(seconds=of_outcome)
    first = rules.cooloff_s if lead.cooloff_s is None else lead.cooloff_s
    second = _set(rules.cooloff_2nd_s, lead.cooloff_2nd_s, first)
    third = _set(rules.cooloff_3rd_s, lead.cooloff_3rd_s, second)
    return timedelta(seconds=(first, second, third)[min(failures, 3) - 1])


def _set(campaign: int | None, lead: int | None, otherwise: int) -> int:
    return next((length for length in (campaign, lead) if length is not None), otherwise)


def _caps(case: Case) -> Iterator[Violation]:
    """Over the calls of every campaign."""
    for most, hours in ((case.rules.max_calls_24h, 24), (case.rules.max_calls_7d, 7 * 24)):
        if most is None:
            continue
        for call in case.of_settled(case.invites):
            before = [earlier.invite for earlier in case.every_invite_to[digits(call.dialed)]]
            first = bisect_right(before, call.invite - timedelta(hours=hours) + case.tolerances.news)
            counted = bisect_left(before, call.invite) + 1 - first
            if counted > most:
                yield at(call, f"{told_as(call)}, the {counted}th within {hours} h, where {most} are allowed")


def _lockout(case: Case) -> Iterator[Violation]:
    lockout = case.rules.abandon_lockout
    if not lockout:
        return
    everybody = (*case.attempts, *case.evidence.others)
    for earlier in everybody:
        if earlier.outcome != "abandoned":
            continue
        for call in case.of_settled(case.invites_to.get(digits(earlier.number), [])):
            since = call.invite - earlier.opened_at
            if earlier.ended_at and call.invite > earlier.ended_at and since < lockout - case.tolerances.echo:
                what = f"{told_as(call)}, {since.total_seconds():.0f} s after a call to it was abandoned"
                yield at(call, f"{what}; it is to be left alone for {lockout.total_seconds():.0f} s")
