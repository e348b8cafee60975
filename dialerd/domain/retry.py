"""What becomes of a lead when its attempt has ended: done, tried again after a cool-off, or given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialerd.domain.campaigns import Alternates, CampaignSettings
from dialerd.domain.dispositions import DispositionEffect
from dialerd.domain.leads import Lead, LeadEvent
from dialerd.domain.outcomes import SETTLED, Outcome, OutcomeRule


@dataclass(frozen=True, kw_only=True)
class EndedAttempt:
    """What the rules need to know of it. `alike` counts the lead's attempts that ended so, this one included; `trunk_to_blame`: a trunk
    has refused the call as it refused too many."""

    number: str
    outcome: Outcome
    ended_at: datetime
    alike: int = 1
    trunk_to_blame: bool = False


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """`event` moves the lead's state, `not_before` is set only where it has to wait, `counts`: the attempt is spent."""

    event: LeadEvent
    not_before: datetime | None = None
    counts: bool = True
    dead_number: str | None = None
    """A number of the lead that is not to be dialed again."""


# What an outcome means for the lead: "Retryable outcomes (no answer, busy) retry; final outcomes (invalid number,
# rejected) don't."
VERDICTS: Mapping[Outcome, LeadEvent] = {
    Outcome.CONNECTED: LeadEvent.CONNECTED,
    Outcome.ABANDONED: LeadEvent.LOST_PATIENCE,
    Outcome.HUNG_UP: LeadEvent.MISSED,
    Outcome.VOICEMAIL: LeadEvent.MACHINE,
    Outcome.MENU_CHOICE: LeadEvent.CONNECTED,
    Outcome.MENU_LEFT: LeadEvent.MISSED,
    Outcome.OPTED_OUT: LeadEvent.ON_DNC_LIST,
    Outcome.NO_ANSWER: LeadEvent.MISSED,
    Outcome.BUSY: LeadEvent.MISSED,
    Outcome.CONGESTION: LeadEvent.MISSED,
    Outcome.UNKNOWN: LeadEvent.MISSED,
    Outcome.REJECTED: LeadEvent.EXHAUSTED,
    Outcome.INVALID_NUMBER: LeadEvent.EXHAUSTED,
    Outcome.CANCELLED: LeadEvent.PUT_BACK,
    Outcome.NOT_PLACED: LeadEvent.PUT_BACK,
}
DEAD = frozenset({Outcome.REJECTED, Outcome.INVALID_NUMBER})
"""Outcomes that tell of the number, not of the moment."""
_TRIED_AGAIN = frozenset({LeadEvent.MISSED, LeadEvent.MACHINE, LeadEvent.PUT_BACK})
_AS_USUAL = OutcomeRule()

NOT_PLACED_PAUSE = timedelta(seconds=5)
"""A call that could not be placed is not tried again at once: what refused it will most likely refuse again."""

MOST_FORGIVEN = 2
"""Refusals of a trunk that cost a lead no attempt, though they are dials to its number: it cools off after each, and every cap counts
them. More of them are the number's own. So few that with the usual attempts a number stays below the usual cap of a day: else a number that
networks refuse for reasons of its own would wait for the next day, and its campaign with it."""


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


def numbers_in_turn(lead: Lead, settings: CampaignSettings) -> Sequence[str]:
    """The lead's numbers that may be dialed, the one whose turn it is first; empty when all are dead."""
    numbers = lead.numbers[:1] if settings.alternates is Alternates.OFF else lead.numbers
    alive = [number for number in numbers if number not in lead.dead_numbers]
    if settings.alternates is not Alternates.EACH_ATTEMPT or not alive:
        return alive
    turn = lead.attempts_used % len(alive)
    return [*alive[turn:], *alive[:turn]]


def next_step(lead: Lead, settings: CampaignSettings, ended: EndedAttempt) -> NextStep:
    """What happens to the lead. `lead.attempts_used` already counts the attempt that has ended."""
    if ended.outcome is Outcome.NOT_PLACED:
        return NextStep(event=LeadEvent.PUT_BACK, not_before=ended.ended_at + NOT_PLACED_PAUSE, counts=False)
    rule = settings.outcome_rules.get(ended.outcome, _AS_USUAL)
    if ended.outcome in DEAD and not rule.retry:
        return _after_dead_number(lead, settings, ended, rule)
    event = _event(ended, rule)
    if event not in _TRIED_AGAIN:
        return NextStep(event=event)
    if ended.trunk_to_blame and ended.alike <= MOST_FORGIVEN:
        return NextStep(event=event, not_before=ended.ended_at + _wait(lead, settings, rule), counts=False)
    if lead.attempts_used >= attempts_allowed(lead, settings):
        return NextStep(event=LeadEvent.EXHAUSTED)
    if event is LeadEvent.PUT_BACK:
        return NextStep(event=event)
    return NextStep(event=event, not_before=ended.ended_at + _wait(lead, settings, rule))


def _event(ended: EndedAttempt, rule: OutcomeRule) -> LeadEvent:
    """The usual verdict, unless the campaign has a rule for the outcome."""
    event = VERDICTS[ended.outcome]
    if ended.outcome in SETTLED:
        return event
    if rule.retry and event not in _TRIED_AGAIN:
        event = LeadEvent.MISSED
    spent = rule.max_attempts is not None and ended.alike >= rule.max_attempts
    final = (rule.retry is False or spent) and event in _TRIED_AGAIN
    return LeadEvent.EXHAUSTED if final else event


def _wait(lead: Lead, settings: CampaignSettings, rule: OutcomeRule) -> timedelta:
    if rule.delay_s is not None:
        return timedelta(seconds=rule.delay_s)
    return cooloff(lead, settings, failures=lead.attempts_used)


def _after_dead_number(lead: Lead, settings: CampaignSettings, ended: EndedAttempt, rule: OutcomeRule) -> NextStep:
    """Another number of the lead is due at once where nobody has been disturbed; who has declined is left to cool off."""
    others = [number for number in numbers_in_turn(lead, settings) if number != ended.number]
    if not others or lead.attempts_used >= attempts_allowed(lead, settings):
        return NextStep(event=LeadEvent.EXHAUSTED, dead_number=ended.number)
    if ended.outcome is Outcome.INVALID_NUMBER:
        return NextStep(event=LeadEvent.PUT_BACK, dead_number=ended.number)
    not_before = ended.ended_at + _wait(lead, settings, rule)
    return NextStep(event=LeadEvent.MISSED, not_before=not_before, dead_number=ended.number)


def after_disposition(
    lead: Lead, settings: CampaignSettings, effect: DispositionEffect, *, now: datetime, callback_at: datetime | None
) -> NextStep | None:
    """What an agent's word makes of a lead who has been talked to. None: it stays as it is.

    "Voicemail: treated like cool-off until timeout." A callback was agreed with a person, so it takes place also where the
    attempts are used up; it is given one.
    """
    spent = lead.attempts_used >= attempts_allowed(lead, settings)
    again = now + cooloff(lead, settings, failures=max(1, lead.attempts_used))
    match effect:
        case DispositionEffect.DONE:
            return None
        case DispositionEffect.FAILED:
            return NextStep(event=LeadEvent.EXHAUSTED)
        case DispositionEffect.OPT_OUT:
            return NextStep(event=LeadEvent.ON_DNC_LIST)
        case DispositionEffect.CALLBACK:
            return NextStep(event=LeadEvent.MISSED, not_before=callback_at)
        case DispositionEffect.RETRY | DispositionEffect.VOICEMAIL if spent:
            return NextStep(event=LeadEvent.EXHAUSTED)
        case DispositionEffect.RETRY:
            return NextStep(event=LeadEvent.MISSED, not_before=again)
        case DispositionEffect.VOICEMAIL:
            return NextStep(event=LeadEvent.MACHINE, not_before=again)
