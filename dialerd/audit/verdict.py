"""From the evidence to a verdict: for each law, and for each invariant of the fault drills, `held` or what was found against it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dialerd.audit.case import Case, Violation
from dialerd.audit.endings import abandonment, accounted, no_silence
from dialerd.audit.evidence import Evidence, Rules
from dialerd.audit.laws import agents_free, attempts, callers_first, do_not_call, hours, once, pace, strays

HELD = "held"
NOT_TOLD = "not told: "
"""So begins what is said of a law that the record cannot tell of."""
TOLD = 3
"""So many violations of a law are told in full."""

LAW_NAMES = {
    "L1": "no call to a listed number",
    "L2": "every call once",
    "L3": "only when allowed",
    "L4": "inbound callers first",
    "L5": "pace and concurrency",
    "L6": "attempts, cool-offs and caps",
    "L7": "everything accounted for",
    "L9": "nobody left in silence",
    "INV4": "abandoned calls within the cap",
}
"""In the order in which they are told. The cap has no law of its own; L8 and L10 are held by tests, not by records."""

INVARIANT_NAMES = {
    "INV1": "at most one INVITE for each attempt",
    "INV2": "no INVITE without an attempt",
    "INV3": "every lead in one state, and none lost",
    "INV4": "abandoned calls within the cap at every moment",
    "INV5": "no INVITE to a listed number, outside of the hours, or above a cap",
    "INV6": "whoever answers reaches an agent or hears something in time",
}


@dataclass(frozen=True, kw_only=True)
class Check:
    law: str
    invariant: str | None
    find: Callable[[Case], Iterator[Violation]]
    applies: Callable[[Rules], bool] = lambda _: True
    """Whether the campaign's settings ask for it at all."""
    needs: tuple[str, ...] = ()
    """What has to be told for it: keys of MISSING."""


MISSING = {
    "agents": "the record has no calls to agents (column kind)",
    "sounds": "the record does not say when a lead heard something (column heard)",
    "members": "it is not known who was in the queue",
}


def _wants_agents(rules: Rules) -> bool:
    return rules.agents_wanted != "none"


CHECKS = (
    Check(law="L1", invariant="INV5", find=do_not_call),
    Check(law="L2", invariant="INV1", find=once),
    Check(law="L2", invariant="INV2", find=strays),
    Check(law="L3", invariant="INV5", find=hours),
    Check(law="L4", invariant=None, find=callers_first, applies=_wants_agents, needs=("agents",)),
    Check(law="L4", invariant=None, find=agents_free, applies=_wants_agents, needs=("agents", "members")),
    Check(law="L5", invariant="INV5", find=pace),
    Check(law="L6", invariant="INV5", find=attempts),
    Check(law="L7", invariant="INV3", find=accounted),
    Check(
        law="L9",
        invariant="INV6",
        find=no_silence,
        applies=lambda rules: rules.promise_s is not None,
        needs=("agents", "sounds"),
    ),
    Check(
        law="INV4",
        invariant="INV4",
        find=abandonment,
        applies=lambda rules: rules.abandonment_cap is not None,
        needs=("agents", "members"),
    ),
)

Findings = Sequence[tuple[Check, Sequence[Violation] | str]]
"""Of each check what was found, or why nothing can be told."""


def judge(evidence: Evidence) -> dict[str, str]:
    """For each law `held`, or a sentence with the first violations, numbers masked and times in UTC."""
    return by_law(violations_of(evidence))


def violations_of(evidence: Evidence) -> Findings:
    case = Case(evidence)
    asked = [check for check in CHECKS if check.applies(evidence.rules)]
    return [(check, _why_not(check, evidence) or list(check.find(case))) for check in asked]


def _why_not(check: Check, evidence: Evidence) -> str:
    told = evidence.tells | ({"members"} if evidence.rules.agents is not None else set())
    return next((MISSING[what] for what in check.needs if what not in told), "")


def by_law(findings: Findings) -> dict[str, str]:
    return {law: _verdict([found for check, found in findings if check.law == law]) for law in LAW_NAMES}


def by_invariant(findings: Findings) -> dict[str, str]:
    return {name: _verdict([found for check, found in findings if check.invariant == name]) for name in INVARIANT_NAMES}


def is_broken(verdict: str) -> bool:
    return verdict != HELD and not verdict.startswith(NOT_TOLD)


def _verdict(found: Sequence[Sequence[Violation] | str]) -> str:
    violations = [violation for each in found if not isinstance(each, str) for violation in each]
    if violations:
        return _sentence(violations)
    return next((NOT_TOLD + each for each in found if isinstance(each, str)), HELD)


def _sentence(violations: Sequence[Violation]) -> str:
    in_order = sorted(violations, key=lambda violation: violation.at or datetime.max.replace(tzinfo=UTC))
    told = "; ".join(violation.what for violation in in_order[:TOLD])
    return told if len(in_order) <= TOLD else f"{told}; and {len(in_order) - TOLD} more"
