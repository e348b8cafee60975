"""What became of every call: law L7, that everything is accounted for, law L9, that nobody is left in silence, and the abandonment cap."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dialerd.audit.case import Case, Violation, at, clock, digits, is_crossed, masked
from dialerd.audit.evidence import AttemptRow, FarEndCall, LeadRow

WITHOUT_AN_AGENT = frozenset({"voicemail", "menu_choice", "menu_left", "opted_out"})
"""Outcomes of a call that was answered, of which the far end cannot tell more than that no agent talked."""
NOBODY_WAITED = frozenset({"voicemail", "menu_choice", "menu_left"})
"""Outcomes of an answer that no person gave who wanted an agent."""

AT_REST = frozenset({"active", "retry", "cooloff", "voicemail", "success", "failed", "blocked", "abandoned", "deleted"})
IN_FLIGHT = frozenset({"dialing", "ringing", "answered"})

CONGESTION = "congestion"
OUTCOME_OF_CAUSE = {1: "invalid_number", 17: "busy", 18: "no_answer", 19: "no_answer", 21: "rejected", 34: CONGESTION}
"""What each Q.850 cause means, with which the far end's fates hang up before an answer."""


# --- L7: everything accounted for -----------------------------------------------------------------------------------


def accounted(case: Case) -> Iterator[Violation]:
    if len(case.leads) != case.rules.imported:
        what = f"{case.rules.imported} leads were imported, and the states sum to {len(case.leads)}"
        yield Violation(at=None, what=what)
    for lead in case.leads:
        yield from _state(case, lead)
    for attempt in case.attempts:
        if attempt.outcome is None or attempt.ended_at is None:
            if not case.may_be_open(attempt):
                what = f"{case.name(attempt)}, opened at {clock(attempt.opened_at)}, has no outcome"
                yield Violation(at=attempt.opened_at, what=what)
        elif call := case.call_of.get((attempt.lead_id, attempt.ordinal)):
            yield from _agrees(case, attempt, call)


def _state(case: Case, lead: LeadRow) -> Iterator[Violation]:
    attempts = case.attempts_since_new(lead)
    last = attempts[-1] if attempts else None
    if lead.state in IN_FLIGHT:
        if last is None or last.ended_at is not None or not case.may_be_open(last):
            yield Violation(at=None, what=f"{masked(lead.number)} is still {lead.state}")
    elif lead.state not in AT_REST:
        yield Violation(at=None, what=f"{masked(lead.number)} is in no known state ({lead.state})")
    elif lead.state != "deleted":
        yield from _follows(lead, last)
    yield from _is_listed(case, lead)


def _follows(lead: LeadRow, last: AttemptRow | None) -> Iterator[Violation]:
    """The state of a lead at rest follows from its last outcome, unless an agent has said what it came to."""
    outcome = last.outcome if last else None
    disposed = last is not None and last.disposition is not None
    if not disposed and (lead.state == "success") != (outcome in ("connected", "menu_choice")):
        yield Violation(
            at=None, what=f"{masked(lead.number)} is {lead.state}, but its last outcome is {outcome or 'none'}"
        )


def _is_listed(case: Case, lead: LeadRow) -> Iterator[Violation]:
    numbers = {digits(lead.number), *(digits(row.number) for row in case.attempts_of.get(lead.id, []))}
    listed = lead.was_listed or any(digits(entry.number) in numbers for entry in case.dnc)
    if lead.state == "blocked" and lead.held_by in ("dnc", None) and not listed:
        yield Violation(at=None, what=f"{masked(lead.number)} is blocked, but on no list")


def _agrees(case: Case, attempt: AttemptRow, call: FarEndCall) -> Iterator[Violation]:
    if attempt.outcome == "unknown":  # nobody listened when the call went on
        return
    crossed = is_crossed(case, call)
    if (attempt.answered_at is None) != (call.answer is None) and not (crossed and attempt.answered_at is None):
        said, seen = ("no answer", "an answer") if call.answer else ("an answer", "no answer")
        yield at(call, f"{case.name(attempt)} has {said}, and the far end saw {seen} (INVITE {clock(call.invite)})")
    possible = _possible(case, call)
    outcome = "hung_up" if attempt.outcome in WITHOUT_AN_AGENT else attempt.outcome
    if possible and outcome not in possible:
        seen = " or ".join(sorted(possible))
        said = f"{case.name(attempt)} ended {attempt.outcome}"
        yield at(call, f"{said}, and the far end saw {seen} (INVITE {clock(call.invite)})")


def _possible(case: Case, call: FarEndCall) -> frozenset[str]:
    """The outcomes that agree with what the far end saw. Empty: it proves none."""
    if "ends" not in case.evidence.tells or "agents" not in case.evidence.tells:
        return frozenset()
    gave_up = frozenset({"no_answer", "cancelled"})
    if call.answer is None:
        by_cause = OUTCOME_OF_CAUSE.get(call.cause)
        return gave_up if call.hung_up_by == "pbx" else frozenset({by_cause} if by_cause else ())
    alone, talk = frozenset({"abandoned", "hung_up"}), _talk(case, call)
    if talk is None:
        return alone | gave_up if is_crossed(case, call) else alone
    return frozenset({"connected"}) if talk > case.tolerances.news else alone | {"connected"}


def _talk(case: Case, call: FarEndCall) -> timedelta | None:
    """How long an agent who saw this lead's number was on the phone with it; None without one."""
    return max((until - since for since, until in case.legs_with(call)), default=None)


# --- L9, INV6: nobody is left in silence ------------------------------------------------------------------------------


def no_silence(case: Case) -> Iterator[Violation]:
    """Whoever answers reaches an agent, or hears something, in the time that the campaign promises."""
    promise = timedelta(seconds=case.rules.promise_s or 0)
    for call in case.of_settled(case.invites):
        if call.answer is None:
            continue
        in_time = call.answer + promise + case.tolerances.hearing + case.tolerances.journey
        if call.listened and call.end > in_time and not _is_reached(case, call, in_time):
            heard = f"heard nothing before {clock(call.heard)}" if call.heard else "never heard anything"
            stood = f"{masked(call.dialed)} answered at {clock(call.answer)}, met no agent in time, and {heard}"
            yield at(call, f"{stood}; {promise.total_seconds():g} s are promised")


def _is_reached(case: Case, call: FarEndCall, until: datetime) -> bool:
    heard = call.heard is not None and call.heard <= until
    return heard or any(since <= until for since, _ in case.legs_with(call))


# --- INV4: no more abandoned calls than the cap allows ----------------------------------------------------------------


def abandonment(case: Case) -> Iterator[Violation]:
    """At every moment D <= cap * A, but for the agents who were lost after a call had been dialed for them."""
    cap = case.rules.abandonment_cap or 0
    nobody = {id(call) for attempt, calls in case.matched[0] for call in calls if attempt.outcome in NOBODY_WAITED}
    waited = [call for call in case.of_settled(case.invites) if call.answer and id(call) not in nobody]
    dropped = sorted((call for call in waited if _is_dropped(case, call)), key=lambda call: call.end)
    for count, call in enumerate(dropped, start=1):
        answered = sum(other.answer is not None and other.answer <= call.end for other in waited)
        lost = _agents_lost(case, call.end)
        if count > cap * answered + lost:
            seen = f"{count} abandoned of {answered} answered calls at {clock(call.end)}, with {lost} agents lost"
            yield Violation(at=call.end, what=f"{seen}; {cap * 100:g} % are allowed")


def _is_dropped(case: Case, call: FarEndCall) -> bool:
    """Without an agent, or with one who came too late; who left before the SLA was over has not been abandoned."""
    answered, slack = call.answer or call.end, case.tolerances.news
    reached = min((since for since, _ in case.legs_with(call)), default=None)
    if reached is None:
        return call.end - answered > timedelta(seconds=case.rules.sla_s) + slack
    limit = case.rules.agent_limit_s
    return limit is not None and reached - answered > timedelta(seconds=limit) + slack


def _agents_lost(case: Case, until: datetime) -> int:
    """Agents who did not pick up, or were taken by somebody else: each may cost one abandoned call."""
    legs = [leg for agent in case.rules.agents or () for leg in case.agent_legs.get(agent, []) if leg.invite <= until]
    return sum(leg.answer is None or digits(leg.caller_number) not in case.invites_to for leg in legs)
