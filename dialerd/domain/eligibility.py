"""Whether a lead may be called now: asked inside the transaction that opens the attempt, answered with the reason."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.leads import Lead, LeadEvent
from dialerd.domain.retry import attempts_allowed


class Rule(StrEnum):
    DNC = "dnc"
    ATTEMPTS = "attempts"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A lead that is next in line, with the facts that the rules need; read under the row's lock."""

    lead: Lead
    on_dnc_list: bool


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """The call may be made; `facts` is kept with the attempt as the evidence."""

    facts: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The call may not be made. `event` is what this means for the lead.

    `until` says when the rule lets go; None: never by itself.
    """

    rule: Rule
    event: LeadEvent
    until: datetime | None = None


def check(candidate: Candidate, settings: CampaignSettings, *, now: datetime) -> Admitted | Refused:
    """Every rule in order; the first that forbids the call is the answer."""
    lead = candidate.lead
    if candidate.on_dnc_list:
        return Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST)
    allowed = attempts_allowed(lead, settings)
    if lead.attempts_used >= allowed:
        return Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED)
    return Admitted(
        facts={
            Rule.DNC: {"listed": False},
            Rule.ATTEMPTS: {"used": lead.attempts_used, "allowed": allowed},
            "checked_at": now.isoformat(),
        }
    )
