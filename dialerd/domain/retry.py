"""What becomes of a lead when its attempt has ended: done, tried again after a cool-off, or given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.leads import Lead, LeadEvent
from dialerd.domain.outcomes import Outcome


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """`event` moves the lead's state, `not_before` is set only where it has to wait, `counts`: the attempt is spent."""

    event: LeadEvent
    not_before: datetime | None = None
    counts: bool = True


# What an outcome means for the lead: "Retryable outcomes (no answer, busy) retry; final outcomes (invalid number,
# rejected) don't."
VERDICTS: Mapping[Outcome, LeadEvent] = {
    Outcome.CONNECTED: LeadEvent.CONNECTED,
    Outcome.ABANDONED: LeadEvent.LOST_PATIENCE,
    Outcome.HUNG_UP: LeadEvent.MISSED,
    Outcome.NO_ANSWER: LeadEvent.MISSED,
    Outcome.BUSY: LeadEvent.MISSED,
    Outcome.CONGESTION: LeadEvent.MISSED,
    Outcome.UNKNOWN: LeadEvent.MISSED,
    Outcome.REJECTED: LeadEvent.EXHAUSTED,
    Outcome.INVALID_NUMBER: LeadEvent.EXHAUSTED,
    Outcome.CANCELLED: LeadEvent.PUT_BACK,
    Outcome.NOT_PLACED: LeadEvent.PUT_BACK,
}

NOT_PLACED_PAUSE = timedelta(seconds=5)
"""A call that could not be placed is not tried again at once: what refused it will most likely refuse again."""


def attempts_allowed(lead: Lead, settings: CampaignSettings) -> int:
    """The lead's own limit, else the campaign's ("Per-lead retry override")."""
    return lead.max_attempts if lead.max_attempts is not None else settings.max_attempts


def cooloff(lead: Lead, settings: CampaignSettings, *, failures: int) -> timedelta:
    """The wait after the lead's nth failed dial.

    The first is the lead's own where it has one. The campaign's 2nd and 3rd override the lead's ("Overrides per-lead
    CSV value when set on the campaign"); a later one that is not set falls back to the one before it.
    """
    first = lead.cooloff_s if lead.cooloff_s is not None else settings.cooloff_s
    second = settings.cooloff_2nd_s if settings.cooloff_2nd_s is not None else lead.cooloff_2nd_s
    third = settings.cooloff_3rd_s if settings.cooloff_3rd_s is not None else lead.cooloff_3rd_s
    steps = [first, second, third][:failures] or [first]
    chosen = next(step for step in reversed(steps) if step is not None)
    return timedelta(seconds=chosen)


def next_step(lead: Lead, settings: CampaignSettings, outcome: Outcome, *, now: datetime) -> NextStep:
    """What happens to the lead. `lead.attempts_used` already counts the attempt that has ended."""
    if outcome is Outcome.NOT_PLACED:
        return NextStep(event=LeadEvent.PUT_BACK, not_before=now + NOT_PLACED_PAUSE, counts=False)
    event = VERDICTS[outcome]
    if event not in (LeadEvent.MISSED, LeadEvent.PUT_BACK):
        return NextStep(event=event)
    if lead.attempts_used >= attempts_allowed(lead, settings):
        return NextStep(event=LeadEvent.EXHAUSTED)
    if event is LeadEvent.PUT_BACK:
        return NextStep(event=event)
    wait = cooloff(lead, settings, failures=lead.attempts_used)
    return NextStep(event=event, not_before=now + wait)
