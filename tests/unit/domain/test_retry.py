"""Law L6 (attempts): what becomes of a lead when its attempt has ended."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.leads import LeadEvent
from dialerd.domain.outcomes import Outcome
from dialerd.domain.retry import VERDICTS, NextStep, attempts_allowed, cooloff, next_step
from tests.factories import NOON, a_lead, settings

RETRYABLE = [Outcome.HUNG_UP, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.CONGESTION, Outcome.UNKNOWN]

waits = st.none() | st.integers(min_value=0, max_value=86_400)
limits = st.integers(min_value=1, max_value=5)


def after(outcome: Outcome, *, used: int, campaign: CampaignSettings | None = None, **lead: object) -> NextStep:
    """The lead's next step when its attempt number `used` has ended so, at noon."""
    return next_step(a_lead(attempts_used=used, **lead), campaign or settings(), outcome, now=NOON)


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
    assert after(outcome, used=1) == NextStep(event=LeadEvent.EXHAUSTED)


@pytest.mark.parametrize("used", [1, 3])
def test_a_lead_who_talked_to_an_agent_is_a_success(used: int) -> None:
    assert after(Outcome.CONNECTED, used=used) == NextStep(event=LeadEvent.CONNECTED)


@pytest.mark.parametrize("used", [1, 3])
def test_a_lead_whom_no_agent_served_in_time_is_abandoned(used: int) -> None:
    assert after(Outcome.ABANDONED, used=used) == NextStep(event=LeadEvent.LOST_PATIENCE)


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
