"""The judge: whether the laws and invariants were kept, recomputed afterwards from what the carrier saw.

Nothing here is shared with the code that decides about calls: a rule that is wrong there must not be wrong here too, so the rules
are written down a second time, and states and outcomes are plain words. Evidence goes in as values, a verdict for each law comes
out: `held`, `not told: ...`, or a sentence with the first violations. A far end's record holds calls that have ended, so judge when
everything is silent, or say which daemons were still at work.

What it cannot tell is in docs/audit.md.
"""

from dialerd.audit.case import crossed_answers, longest_journey
from dialerd.audit.evidence import (
    ON_LINE,
    AttemptRow,
    DncEntry,
    Evidence,
    FarEndCall,
    LeadRow,
    LeadWindows,
    Rules,
    Span,
    Tolerances,
)
from dialerd.audit.record import BadRecord, Record, read_calls, read_record
from dialerd.audit.verdict import (
    HELD,
    INVARIANT_NAMES,
    LAW_NAMES,
    Findings,
    by_invariant,
    by_law,
    is_broken,
    judge,
    violations_of,
)

__all__ = [
    "HELD",
    "INVARIANT_NAMES",
    "LAW_NAMES",
    "ON_LINE",
    "AttemptRow",
    "BadRecord",
    "DncEntry",
    "Evidence",
    "FarEndCall",
    "Findings",
    "LeadRow",
    "LeadWindows",
    "Record",
    "Rules",
    "Span",
    "Tolerances",
    "by_invariant",
    "by_law",
    "crossed_answers",
    "is_broken",
    "judge",
    "longest_journey",
    "read_calls",
    "read_record",
    "violations_of",
]
