"""Law L6 (attempts): what becomes of a lead when its attempt has ended."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.campaigns import Alternates, CampaignSettings
from dialerd.domain.dispositions import DispositionEffect
from dialerd.domain.leads import LeadEvent
from dialerd.domain.outcomes import SETTLED, Outcome, OutcomeRule
from dialerd.domain.retry import (
    DEAD,
    MOST_FORGIVEN,
    VERDICTS,
    EndedAttempt,
    NextStep,
    after_disposition,
    attempts_allowed,
    cooloff,
    next_step,
    numbers_in_turn,
)
from tests.factories import NOON, a_lead, settings

FIRST, SECOND, THIRD = "+12025550101", "+12025550102", "+12025550103"
RETRYABLE = [Outcome.HUNG_UP, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.CONGESTION, Outcome.UNKNOWN]

waits = st.none() | st.integers(min_value=0, max_value=86_400)
limits = st.integers(min_value=1, max_value=5)


def after(
    outcome: Outcome,
    *,
    used: int,
    campaign: CampaignSettings | None = None,
    number: str = FIRST,
    alike: int = 1,
    **lead: object,
) -> NextStep:
    """The lead's next step when its attempt number `used` has ended so, at noon; `alike` of them have until now."""
    ended = EndedAttempt(number=number, outcome=outcome, ended_at=NOON, alike=alike)
    return next_step(a_lead(attempts_used=used, **lead), campaign or settings(), ended)


def due_in(seconds: float, event: LeadEvent = LeadEvent.MISSED) -> NextStep:
    return NextStep(event=event, not_before=NOON + timedelta(seconds=seconds))


def ruled(outcome: Outcome, rule: OutcomeRule, **changes: object) -> CampaignSettings:
    return settings(outcome_rules={outcome: rule}, **changes)


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_every_outcome_has_a_verdict() -> None:
    assert set(VERDICTS) == set(Outcome)


@pytest.mark.parametrize("outcome", RETRYABLE)
def test_a_retryable_outcome_cools_off_and_tries_again(outcome: Outcome) -> None:
    step = after(outcome, used=1, campaign=settings(cooloff_s=600))
    assert step == NextStep(event=LeadEvent.MISSED, not_before=NOON + timedelta(seconds=600))


@pytest.mark.parametrize("outcome", RETRYABLE)
def test_a_retryable_outcome_of_the_last_attempt_fails_the_lead(outcome: Outcome) -> None:
    assert after(outcome, used=3) == NextStep(event=LeadEvent.EXHAUSTED)


@pytest.mark.parametrize("outcome", [Outcome.INVALID_NUMBER, Outcome.REJECTED])
def test_a_final_outcome_fails_the_lead_at_once(outcome: Outcome) -> None:
    """ "Final outcomes (invalid number, rejected) don't" retry."""
    assert after(outcome, used=1) == NextStep(event=LeadEvent.EXHAUSTED, dead_number=FIRST)


@pytest.mark.parametrize("used", [1, 3])
def test_a_lead_who_talked_to_an_agent_is_a_success(used: int) -> None:
    assert after(Outcome.CONNECTED, used=used) == NextStep(event=LeadEvent.CONNECTED)


@pytest.mark.parametrize("used", [1, 3])
def test_a_lead_whom_no_agent_served_in_time_is_abandoned(used: int) -> None:
    assert after(Outcome.ABANDONED, used=used) == NextStep(event=LeadEvent.LOST_PATIENCE)


def test_a_machine_is_treated_like_a_cool_off_until_timeout() -> None:
    """ "Voicemail: agent or dialer marked voicemail; treated like cool-off until timeout"."""
    campaign = settings(cooloff_s=60, cooloff_2nd_s=120)
    assert after(Outcome.VOICEMAIL, used=1, campaign=campaign) == due_in(60, LeadEvent.MACHINE)
    assert after(Outcome.VOICEMAIL, used=2, campaign=campaign) == due_in(120, LeadEvent.MACHINE)
    assert after(Outcome.VOICEMAIL, used=3, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


def test_a_dial_that_was_stopped_is_due_again_without_a_cool_off() -> None:
    assert after(Outcome.CANCELLED, used=1) == NextStep(event=LeadEvent.PUT_BACK)


def test_a_stopped_dial_was_an_attempt_all_the_same() -> None:
    """The phone may have rung, so that stopping and starting again cannot ring it more often than the limit says."""
    assert after(Outcome.CANCELLED, used=3) == NextStep(event=LeadEvent.EXHAUSTED)


@pytest.mark.parametrize("used", [1, 3])
def test_a_call_that_never_left_is_no_attempt_and_is_not_tried_again_at_once(used: int) -> None:
    step = after(Outcome.NOT_PLACED, used=used)
    assert (step.event, step.counts) == (LeadEvent.PUT_BACK, False)
    assert step.not_before is not None
    assert step.not_before > NOON


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.NOT_PLACED}))
def test_every_call_that_may_have_left_is_an_attempt(outcome: Outcome) -> None:
    assert after(outcome, used=1).counts


def refused(*, used: int, alike: int = 1, **settings_: object) -> NextStep:
    """The lead's next step when a trunk that refuses too many has refused its attempt number `used`."""
    ended = EndedAttempt(number=FIRST, outcome=Outcome.CONGESTION, ended_at=NOON, alike=alike, trunk_to_blame=True)
    return next_step(a_lead(attempts_used=used), settings(**settings_), ended)


@pytest.mark.parametrize("used", [1, 3])
def test_what_a_failing_trunk_has_refused_costs_no_attempt_and_cools_off_all_the_same(used: int) -> None:
    step = refused(used=used, cooloff_s=600, max_attempts=3)
    assert step == NextStep(event=LeadEvent.MISSED, not_before=NOON + timedelta(seconds=600), counts=False)


def test_it_is_not_forgiven_without_end() -> None:
    assert not refused(used=1, alike=MOST_FORGIVEN).counts
    assert refused(used=1, alike=MOST_FORGIVEN + 1).counts
    assert refused(used=3, alike=MOST_FORGIVEN + 1, max_attempts=3) == NextStep(event=LeadEvent.EXHAUSTED)


def test_what_the_campaign_says_of_congestion_comes_first() -> None:
    final = {Outcome.CONGESTION: OutcomeRule(retry=False)}
    assert refused(used=1, outcome_rules=final) == NextStep(event=LeadEvent.EXHAUSTED)
    soon = {Outcome.CONGESTION: OutcomeRule(delay_s=7)}
    assert refused(used=1, outcome_rules=soon).not_before == NOON + timedelta(seconds=7)


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_leads_own_limit_overrides_the_campaigns() -> None:
    assert attempts_allowed(a_lead(), settings(max_attempts=3)) == 3
    assert attempts_allowed(a_lead(max_attempts=1), settings(max_attempts=3)) == 1
    assert attempts_allowed(a_lead(max_attempts=5), settings(max_attempts=3)) == 5


@given(campaign=limits, own=st.none() | limits, outcomes=st.lists(st.sampled_from(Outcome), min_size=12, max_size=12))
def test_no_lead_is_called_more_often_than_its_limit(campaign: int, own: int | None, outcomes: list[Outcome]) -> None:
    used = 0
    for outcome in outcomes:
        used += 1
        step = after(outcome, used=used, campaign=settings(max_attempts=campaign), max_attempts=own)
        assert used <= (own or campaign)
        if not step.counts:
            used -= 1
        if step.event not in (LeadEvent.MISSED, LeadEvent.PUT_BACK):
            break


@given(st.sampled_from(RETRYABLE), st.integers(1, 4), waits, waits, waits, waits, waits)
def test_a_missed_lead_is_never_due_before_a_wait_that_somebody_set(
    outcome: Outcome,
    used: int,
    second: int | None,
    third: int | None,
    own: int | None,
    own2: int | None,
    own3: int | None,
) -> None:
    campaign = settings(max_attempts=5, cooloff_2nd_s=second, cooloff_3rd_s=third)
    step = after(outcome, used=used, campaign=campaign, cooloff_s=own, cooloff_2nd_s=own2, cooloff_3rd_s=own3)
    wait_set = [w for w in (campaign.cooloff_s, second, third, own, own2, own3) if w is not None]
    assert step.not_before is not None
    assert (step.not_before - NOON).total_seconds() in wait_set


# --- cool-offs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("campaign", "lead", "waits_s"),
    [
        pytest.param({}, {}, [3600, 3600, 3600, 3600], id="the default is an hour, every time"),
        pytest.param({"cooloff_s": 60}, {}, [60, 60, 60, 60], id="one wait for all"),
        pytest.param(
            {"cooloff_s": 60, "cooloff_2nd_s": 120}, {}, [60, 120, 120, 120], id="the third falls back to the second"
        ),
        pytest.param(
            {"cooloff_s": 60, "cooloff_3rd_s": 180}, {}, [60, 60, 180, 180], id="the second falls back to the first"
        ),
        pytest.param({"cooloff_s": 60}, {"cooloff_s": 5}, [5, 5, 5, 5], id="the lead's first overrides the campaign's"),
        pytest.param(
            {"cooloff_s": 60}, {"cooloff_2nd_s": 7}, [60, 7, 7, 7], id="the lead's second, unset on the campaign"
        ),
        pytest.param(
            {"cooloff_s": 60}, {"cooloff_3rd_s": 9}, [60, 60, 9, 9], id="the lead's third, unset on the campaign"
        ),
        pytest.param(
            {"cooloff_s": 60, "cooloff_2nd_s": 120, "cooloff_3rd_s": 180},
            {"cooloff_s": 5, "cooloff_2nd_s": 7, "cooloff_3rd_s": 9},
            [5, 120, 180, 180],
            id="the campaign's later waits override the lead's",
        ),
        pytest.param({"cooloff_s": 0}, {}, [0, 0, 0, 0], id="no wait at all is a wait that was set"),
        pytest.param({"cooloff_s": 60}, {"cooloff_s": 0}, [0, 0, 0, 0], id="also where the lead sets it"),
    ],
)
def test_the_wait_after_each_failed_dial(campaign: dict[str, int], lead: dict[str, int], waits_s: list[int]) -> None:
    found = [cooloff(a_lead(**lead), settings(**campaign), failures=n) for n in (1, 2, 3, 4)]
    assert found == [timedelta(seconds=wait) for wait in waits_s]


# --- a campaign's own rules for an outcome ---------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", RETRYABLE)
def test_a_retryable_outcome_can_be_made_final(outcome: Outcome) -> None:
    campaign = ruled(outcome, OutcomeRule(retry=False))
    assert after(outcome, used=1, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


def test_so_can_a_machine() -> None:
    campaign = ruled(Outcome.VOICEMAIL, OutcomeRule(retry=False))
    assert after(Outcome.VOICEMAIL, used=1, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


@pytest.mark.parametrize("outcome", [Outcome.ABANDONED, Outcome.REJECTED, Outcome.INVALID_NUMBER])
def test_a_final_outcome_can_be_made_retryable_and_then_cools_off_on_the_same_number(outcome: Outcome) -> None:
    campaign = ruled(outcome, OutcomeRule(retry=True), cooloff_s=600)
    assert after(outcome, used=1, campaign=campaign) == due_in(600)
    assert after(outcome, used=3, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


@pytest.mark.parametrize("outcome", [*RETRYABLE, Outcome.VOICEMAIL])
def test_an_outcome_can_have_a_delay_of_its_own_instead_of_every_cool_off(outcome: Outcome) -> None:
    waits: dict[str, Any] = {"cooloff_s": 5, "cooloff_2nd_s": 6, "cooloff_3rd_s": 7}
    campaign = ruled(outcome, OutcomeRule(delay_s=90), max_attempts=5, **waits)
    for used in (1, 2, 3, 4):
        assert after(outcome, used=used, campaign=campaign, **waits) == due_in(90, VERDICTS[outcome])


def test_a_delay_of_nothing_is_a_delay() -> None:
    campaign = ruled(Outcome.BUSY, OutcomeRule(delay_s=0))
    assert after(Outcome.BUSY, used=1, campaign=campaign) == due_in(0)


@pytest.mark.parametrize("outcome", [*RETRYABLE, Outcome.VOICEMAIL])
def test_an_outcome_can_have_a_maximum_of_its_own(outcome: Outcome) -> None:
    campaign = ruled(outcome, OutcomeRule(max_attempts=2), max_attempts=5)
    assert after(outcome, used=3, alike=1, campaign=campaign).event is VERDICTS[outcome]
    assert after(outcome, used=4, alike=2, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


def test_an_outcomes_maximum_does_not_lengthen_the_leads_own() -> None:
    campaign = ruled(Outcome.BUSY, OutcomeRule(max_attempts=100), max_attempts=2)
    assert after(Outcome.BUSY, used=2, alike=2, campaign=campaign) == NextStep(event=LeadEvent.EXHAUSTED)


def test_a_rule_says_nothing_about_other_outcomes() -> None:
    campaign = ruled(Outcome.BUSY, OutcomeRule(retry=False, delay_s=1, max_attempts=1), cooloff_s=60)
    assert after(Outcome.NO_ANSWER, used=1, campaign=campaign) == due_in(60)


def test_an_abandoned_lead_stays_abandoned_unless_a_rule_says_that_it_is_tried_again() -> None:
    for rule in (OutcomeRule(delay_s=5), OutcomeRule(max_attempts=1), OutcomeRule(retry=False)):
        campaign = ruled(Outcome.ABANDONED, rule)
        assert after(Outcome.ABANDONED, used=1, campaign=campaign) == NextStep(event=LeadEvent.LOST_PATIENCE)


@pytest.mark.parametrize("outcome", sorted(SETTLED))
def test_no_rule_changes_a_success_our_own_stop_or_a_call_that_never_was(outcome: Outcome) -> None:
    campaign = ruled(outcome, OutcomeRule(retry=False, delay_s=1, max_attempts=1))
    assert after(outcome, used=1, campaign=campaign) == after(outcome, used=1)


rules = st.builds(
    OutcomeRule,
    retry=st.none() | st.booleans(),
    delay_s=st.none() | st.integers(0, 600),
    max_attempts=st.none() | st.integers(1, 4),
)


@given(
    st.dictionaries(st.sampled_from(sorted(set(Outcome) - SETTLED)), rules),
    st.lists(st.sampled_from(Outcome), min_size=12, max_size=12),
    limits,
)
def test_whatever_the_rules_no_lead_is_called_more_often_than_its_limit_and_every_wait_is_one_that_was_set(
    of_outcomes: dict[Outcome, OutcomeRule], outcomes: list[Outcome], limit: int
) -> None:
    campaign, used = settings(max_attempts=limit, outcome_rules=of_outcomes, cooloff_s=3600), 0
    for place, outcome in enumerate(outcomes):
        used += 1
        assert used <= limit
        step = after(outcome, used=used, alike=outcomes[: place + 1].count(outcome), campaign=campaign)
        used -= not step.counts
        if step.event in (LeadEvent.MISSED, LeadEvent.MACHINE):
            set_for_it = of_outcomes.get(outcome, OutcomeRule()).delay_s
            assert step == due_in(3600 if set_for_it is None else set_for_it, step.event)
        elif step.event is not LeadEvent.PUT_BACK:
            break


# --- a lead with several numbers -------------------------------------------------------------------------------------

SEVERAL: dict[str, Any] = {"alternate_numbers": (SECOND, THIRD)}


@pytest.mark.parametrize("used", [0, 1, 5])
def test_with_alternates_off_only_the_first_number_is_ever_dialed(used: int) -> None:
    off = settings(alternates=Alternates.OFF)
    assert list(numbers_in_turn(a_lead(attempts_used=used, **SEVERAL), off)) == [FIRST]
    assert list(numbers_in_turn(a_lead(dead_numbers=(FIRST,), **SEVERAL), off)) == []


def test_when_dead_the_next_number_takes_the_first_place() -> None:
    when_dead = settings(alternates=Alternates.WHEN_DEAD)
    for used in (0, 1, 2):
        assert numbers_in_turn(a_lead(attempts_used=used, **SEVERAL), when_dead)[0] == FIRST
    assert list(numbers_in_turn(a_lead(dead_numbers=(FIRST,), **SEVERAL), when_dead)) == [SECOND, THIRD]
    assert list(numbers_in_turn(a_lead(dead_numbers=(FIRST, THIRD), **SEVERAL), when_dead)) == [SECOND]


def test_on_each_attempt_the_next_number_in_turn() -> None:
    each = settings(alternates=Alternates.EACH_ATTEMPT)
    turns = [numbers_in_turn(a_lead(attempts_used=used, **SEVERAL), each)[0] for used in range(5)]
    assert turns == [FIRST, SECOND, THIRD, FIRST, SECOND]
    lead = a_lead(attempts_used=1, **SEVERAL)
    assert list(numbers_in_turn(lead, each)) == [SECOND, THIRD, FIRST]


@given(
    st.sampled_from(Alternates), st.integers(0, 9), st.sets(st.sampled_from([FIRST, SECOND, THIRD])).map(tuple), limits
)
def test_no_dead_number_is_ever_dialed_and_none_twice(
    alternates: Alternates, used: int, dead: tuple[str, ...], limit: int
) -> None:
    campaign = settings(alternates=alternates, max_attempts=limit)
    found = numbers_in_turn(a_lead(attempts_used=used, dead_numbers=dead, **SEVERAL), campaign)
    allowed = {FIRST} if alternates is Alternates.OFF else {FIRST, SECOND, THIRD}
    assert len(found) == len(set(found))
    assert set(found) == allowed - set(dead)


@pytest.mark.parametrize("alternates", [Alternates.WHEN_DEAD, Alternates.EACH_ATTEMPT])
def test_after_a_number_that_is_none_another_one_is_due_at_once(alternates: Alternates) -> None:
    step = after(Outcome.INVALID_NUMBER, used=1, campaign=settings(alternates=alternates), **SEVERAL)
    assert step == NextStep(event=LeadEvent.PUT_BACK, dead_number=FIRST)


@pytest.mark.parametrize("alternates", [Alternates.WHEN_DEAD, Alternates.EACH_ATTEMPT])
def test_who_has_declined_is_left_to_cool_off_before_another_number_rings(alternates: Alternates) -> None:
    step = after(Outcome.REJECTED, used=1, campaign=settings(alternates=alternates, cooloff_s=600), **SEVERAL)
    assert step == NextStep(event=LeadEvent.MISSED, not_before=NOON + timedelta(seconds=600), dead_number=FIRST)


def test_it_was_an_attempt_all_the_same() -> None:
    step = after(Outcome.INVALID_NUMBER, used=3, **SEVERAL)
    assert step == NextStep(event=LeadEvent.EXHAUSTED, dead_number=FIRST)


def test_when_the_last_number_is_dead_so_is_the_lead() -> None:
    step = after(Outcome.INVALID_NUMBER, used=2, number=SECOND, alternate_numbers=(SECOND,), dead_numbers=(FIRST,))
    assert step == NextStep(event=LeadEvent.EXHAUSTED, dead_number=SECOND)


def test_with_alternates_off_a_dead_number_is_the_end() -> None:
    step = after(Outcome.INVALID_NUMBER, used=1, campaign=settings(alternates=Alternates.OFF), **SEVERAL)
    assert step == NextStep(event=LeadEvent.EXHAUSTED, dead_number=FIRST)


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - DEAD))
def test_no_other_outcome_makes_a_number_dead(outcome: Outcome) -> None:
    assert after(outcome, used=1, **SEVERAL).dead_number is None


def test_a_number_whose_refusal_is_to_be_retried_is_not_dead() -> None:
    campaign = ruled(Outcome.REJECTED, OutcomeRule(retry=True), cooloff_s=60)
    assert after(Outcome.REJECTED, used=1, campaign=campaign, **SEVERAL) == due_in(60)


# --- the agent's word --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "step"),
    [
        (DispositionEffect.DONE, None),
        (DispositionEffect.FAILED, NextStep(event=LeadEvent.EXHAUSTED)),
        (DispositionEffect.RETRY, due_in(600)),
        (DispositionEffect.VOICEMAIL, due_in(600, LeadEvent.MACHINE)),
        (DispositionEffect.CALLBACK, due_in(7200)),
        (DispositionEffect.OPT_OUT, NextStep(event=LeadEvent.ON_DNC_LIST)),
    ],
)
def test_what_the_agent_says_decides_what_becomes_of_the_lead(effect: DispositionEffect, step: NextStep | None) -> None:
    """ "Voicemail: treated like cool-off until timeout." """
    assert said(effect, used=1) == step


@pytest.mark.parametrize("effect", [DispositionEffect.RETRY, DispositionEffect.VOICEMAIL])
def test_a_lead_whose_attempts_are_used_up_is_not_tried_again_on_the_agents_word(effect: DispositionEffect) -> None:
    assert said(effect, used=3) == NextStep(event=LeadEvent.EXHAUSTED)


def test_a_callback_takes_place_though_the_attempts_are_used_up() -> None:
    assert said(DispositionEffect.CALLBACK, used=3) == due_in(7200)


def test_the_second_time_the_second_cooloff_counts() -> None:
    assert said(DispositionEffect.RETRY, used=2, cooloff_2nd_s=60) == due_in(60)


def said(effect: DispositionEffect, *, used: int, **campaign: object) -> NextStep | None:
    """Of a lead that may be called three times, with callbacks in two hours."""
    chosen = settings(max_attempts=3, cooloff_s=600, **campaign)
    at = NOON + timedelta(hours=2)
    return after_disposition(a_lead(attempts_used=used), chosen, effect, now=NOON, callback_at=at)
