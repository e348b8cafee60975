"""The evidence, laid out as the laws ask for it; and what is measured on it before it is judged."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from dialerd.audit.evidence import ON_LINE, AttemptRow, Evidence, FarEndCall, LeadRow
from dialerd.privacy import mask_number

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Violation:
    at: datetime | None
    """None: not of one moment."""
    what: str


class Case:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.rules = evidence.rules
        self.leads = evidence.leads
        self.attempts = evidence.attempts
        self.dnc = evidence.dnc
        self.tolerances = evidence.tolerances

    @cached_property
    def every_invite(self) -> list[FarEndCall]:
        """Calls to leads, of whatever campaign, in the order of their INVITEs."""
        return self._of_kind("lead")

    @cached_property
    def invites(self) -> list[FarEndCall]:
        """Those of this campaign, and those that belong to no attempt of any."""
        return [call for call in self.every_invite if id(call) not in self._calls_of_others]

    @cached_property
    def invites_to(self) -> Mapping[str, list[FarEndCall]]:
        return grouped(self.invites, lambda call: digits(call.dialed))

    @cached_property
    def every_invite_to(self) -> Mapping[str, list[FarEndCall]]:
        return grouped(self.every_invite, lambda call: digits(call.dialed))

    @cached_property
    def agent_legs(self) -> Mapping[str, list[FarEndCall]]:
        """By extension."""
        return grouped(self._of_kind("agent"), lambda leg: leg.dialed)

    @cached_property
    def agent_legs_for(self) -> Mapping[str, list[FarEndCall]]:
        """Answered ones, by the number that the agent's phone showed."""
        answered = [leg for leg in self._of_kind("agent") if leg.answer]
        return grouped(answered, lambda leg: digits(leg.caller_number))

    def legs_with(self, call: FarEndCall) -> Iterator[tuple[datetime, datetime]]:
        """From when to when an agent was on the phone with this lead. An agent who was there first, and stayed for several leads, saw the
        number of the first of them; where numbers are masked, nobody saw any."""
        legs = self.agent_legs_for.get(digits(call.dialed), [])
        if self.rules.agents_wanted == ON_LINE or self.rules.masks_leads:
            legs = [leg for each in self.agent_legs_for.values() for leg in each]
        for leg in legs:
            if leg.answer and call.answer and leg.answer <= call.end and call.answer <= leg.end:
                yield max(leg.answer, call.answer), min(leg.end, call.end)

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
        return grouped(self._in_order, lambda attempt: attempt.lead_id)

    def attempts_since_new(self, lead: LeadRow) -> list[AttemptRow]:
        """Those that were made since the lead came, or was last made new."""
        return [attempt for attempt in self.attempts_of.get(lead.id, []) if attempt.ordinal > lead.dials_before]

    def calls_to(self, lead: LeadRow) -> list[FarEndCall]:
        """At whichever of its numbers it was called, or was not to be, since it came or was last made new."""
        attempts = self.attempts_since_new(lead)
        numbers = {digits(number) for number in (lead.number, *(row.number for row in attempts))}
        since = lead.came_at if lead.dials_before else None
        calls = [
            call for number in numbers for call in self.invites_to.get(number, []) if not since or call.invite > since
        ]
        return sorted(calls, key=lambda call: call.invite)

    @cached_property
    def lead_of(self) -> Mapping[int, LeadRow]:
        return {lead.id: lead for lead in self.leads}

    @cached_property
    def _found(self) -> tuple[Mapping[int, list[FarEndCall]], list[FarEndCall]]:
        """INVITEs by the identity of the attempt that they belong to, and those that belong to none."""
        found: dict[int, list[FarEndCall]] = defaultdict(list)
        strays = []
        everybody = sorted((*self.evidence.others, *self._in_order), key=lambda attempt: attempt.opened_at)
        rows = grouped(everybody, lambda attempt: digits(attempt.number))
        for call in self.every_invite:
            attempt = _opened_last(rows.get(digits(call.dialed), []), call.invite + self.tolerances.blur)
            strays.append(call) if attempt is None else found[id(attempt)].append(call)
        return found, strays

    @cached_property
    def _calls_of_others(self) -> frozenset[int]:
        found, _ = self._found
        return frozenset(id(call) for attempt in self.evidence.others for call in found.get(id(attempt), ()))

    @cached_property
    def matched(self) -> tuple[list[tuple[AttemptRow, list[FarEndCall]]], list[FarEndCall]]:
        """Each attempt with its INVITEs, and the INVITEs that belong to no attempt."""
        found, strays = self._found
        return [(attempt, found.get(id(attempt), [])) for attempt in self.attempts], strays

    @cached_property
    def call_of(self) -> Mapping[tuple[int, int], FarEndCall]:
        """The call of each (lead, ordinal) that has just one."""
        return {(attempt.lead_id, attempt.ordinal): calls[0] for attempt, calls in self.matched[0] if len(calls) == 1}

    def of_settled(self, calls: Sequence[FarEndCall]) -> list[FarEndCall]:
        """Those that were decided under the settings as they are known."""
        settled = self.rules.settled_at
        return (
            list(calls) if settled is None else [call for call in calls if call.invite > settled + self.tolerances.news]
        )

    def may_be_open(self, attempt: AttemptRow) -> bool:
        """Its daemon has gone, or the far end has not seen its end."""
        at_work = self.evidence.at_work
        if at_work is None:
            return False
        return attempt.node not in at_work or (attempt.lead_id, attempt.ordinal) not in self.call_of

    def name(self, attempt: AttemptRow) -> str:
        lead = self.lead_of.get(attempt.lead_id)
        return f"attempt {attempt.ordinal} of {masked(lead.number) if lead else f'lead {attempt.lead_id}'}"

    def _of_kind(self, kind: str) -> list[FarEndCall]:
        return sorted((call for call in self.evidence.calls if call.kind == kind), key=lambda call: call.invite)

    def _wait_end(self, caller: FarEndCall) -> datetime:
        """The agent who takes a caller has the caller's number on the phone."""
        legs = self.agent_legs_for.get(digits(caller.caller_number), [])
        joined = [leg.answer for leg in legs if leg.answer and caller.invite <= leg.answer <= caller.end]
        return min(joined, default=caller.end)


# --- what is measured before it is judged ------------------------------------------------------------------------------


def longest_journey(evidence: Evidence) -> timedelta:
    """The most that an INVITE came after its row: the tolerance to judge with, where it is more than the usual. Where an agent is
    rung in between, that tells nothing; the way back does, on which the dialer hears that the phone rings."""
    pairs, _ = Case(evidence).matched
    ways = _back if evidence.rules.agents_wanted == ON_LINE else _there
    return max(
        (way for attempt, calls in pairs for call in calls[:1] for way in ways(attempt, call)), default=timedelta()
    )


def _there(attempt: AttemptRow, call: FarEndCall) -> Iterator[timedelta]:
    yield call.invite - attempt.opened_at


def _back(attempt: AttemptRow, call: FarEndCall) -> Iterator[timedelta]:
    if attempt.ringing_at and call.ringing:
        yield attempt.ringing_at - call.ringing


def crossed_answers(evidence: Evidence) -> int:
    """Answers that met the PBX's giving up on the wire, so that the rows need not know of them."""
    case = Case(evidence)
    unseen = {(attempt.lead_id, attempt.ordinal) for attempt in case.attempts if attempt.answered_at is None}
    return sum(is_crossed(case, call) for attempt, call in case.call_of.items() if attempt in unseen)


def is_crossed(case: Case, call: FarEndCall) -> bool:
    """The answer met the PBX's own giving up on the wire: it cannot be held against the rows that they saw no answer."""
    return call.answer is not None and call.hung_up_by == "pbx" and call.end - call.answer < case.tolerances.news


# --- small change ------------------------------------------------------------------------------------------------------


def at(call: FarEndCall, what: str) -> Violation:
    return Violation(at=call.invite, what=what)


def told_as(call: FarEndCall) -> str:
    return f"INVITE to {masked(call.dialed)} at {clock(call.invite)}"


def _opened_last(attempts: Sequence[AttemptRow], moment: datetime) -> AttemptRow | None:
    """The attempt of one number, in the order of opening, to which an INVITE of that moment belongs. The row comes first."""
    place = bisect_right(attempts, moment, key=lambda attempt: attempt.opened_at)
    return attempts[place - 1] if place else None


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def digits(number: str) -> str:
    return "".join(character for character in number if character.isdecimal())


def masked(number: str) -> str:
    return mask_number("+" + digits(number))


def clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
