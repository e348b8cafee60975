"""The lives of leads and campaigns, as their tables tell them."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.campaigns import CAMPAIGN_TRANSITIONS, CampaignAction, CampaignStatus
from dialerd.domain.leads import FINAL, IN_FLIGHT, LEAD_TRANSITIONS, LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.retry import EndedAttempt, next_step
from dialerd.domain.transitions import advance
from dialerd.errors import IllegalTransition
from tests.factories import NOON, a_lead, settings

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def reachable(table: Mapping[State, Mapping[Event, State]], start: State) -> set[State]:
    found, open_ends = {start}, [start]
    while open_ends:
        nexts = set(table[open_ends.pop()].values()) - found
        found |= nexts
        open_ends += nexts
    return found


# --- leads -----------------------------------------------------------------------------------------------------------


def test_every_state_of_a_lead_can_be_reached_by_a_new_one() -> None:
    assert reachable(LEAD_TRANSITIONS, LeadState.ACTIVE) == set(LeadState)


def test_every_event_of_a_lead_can_happen_somewhere() -> None:
    assert {event for moves in LEAD_TRANSITIONS.values() for event in moves} == set(LeadEvent)


def test_final_means_done_blocked_abandoned_given_up_or_deleted() -> None:
    ends = {LeadState.SUCCESS, LeadState.FAILED, LeadState.BLOCKED, LeadState.ABANDONED, LeadState.DELETED}
    assert ends == FINAL


def test_every_lead_that_is_not_final_can_still_become_a_success() -> None:
    for state in set(LeadState) - FINAL:
        assert LeadState.SUCCESS in reachable(LEAD_TRANSITIONS, state)


BY_HAND = {LeadEvent.RENEWED, LeadEvent.DELETED}
WORDS_OF_AN_AGENT = {
    (LeadState.SUCCESS, LeadEvent.MISSED),
    (LeadState.SUCCESS, LeadEvent.MACHINE),
    (LeadState.SUCCESS, LeadEvent.EXHAUSTED),
    (LeadState.SUCCESS, LeadEvent.ON_DNC_LIST),
    (LeadState.FAILED, LeadEvent.TAKEN_BACK),
    (LeadState.BLOCKED, LeadEvent.TAKEN_BACK),
}
"""What an agent says of a talk afterwards, and what an agent takes back of it."""
BY_AGENT = {LeadEvent.MISSED, LeadEvent.MACHINE, LeadEvent.EXHAUSTED, LeadEvent.ON_DNC_LIST}
"""What the agent's word may make of a lead who has been talked to."""
BY_ITSELF = [
    (state, event)
    for state, event in product(sorted(FINAL), sorted(set(LeadEvent) - BY_HAND))
    if event not in (LeadEvent.JUDGED_ANEW, LeadEvent.TAKEN_BACK)
    and not (state is LeadState.SUCCESS and event in BY_AGENT)
]


@pytest.mark.parametrize(("state", "event"), BY_ITSELF)
def test_nothing_that_happens_moves_a_final_lead(state: LeadState, event: LeadEvent) -> None:
    with pytest.raises(IllegalTransition) as refusal:
        advance(LEAD_TRANSITIONS, state, event)
    assert (refusal.value.state, refusal.value.event) == (state, event)


def test_of_the_final_leads_only_those_that_a_rule_has_blocked_are_judged_anew() -> None:
    moved = {state for state in FINAL if LeadEvent.JUDGED_ANEW in LEAD_TRANSITIONS[state]}
    assert moved == {LeadState.BLOCKED}
    assert advance(LEAD_TRANSITIONS, LeadState.BLOCKED, LeadEvent.JUDGED_ANEW) is LeadState.RETRY


def test_of_the_final_leads_the_agents_word_moves_only_those_who_were_talked_to() -> None:
    moved = {event: advance(LEAD_TRANSITIONS, LeadState.SUCCESS, event) for event in BY_AGENT}
    assert set(moved.values()) == {LeadState.COOLOFF, LeadState.VOICEMAIL, LeadState.FAILED, LeadState.BLOCKED}


def test_whatever_the_agent_has_said_can_be_taken_back_until_the_lead_is_called_again() -> None:
    """From where the word has led, and from where that leads by itself once the wait is over."""
    back = {state for state, moves in LEAD_TRANSITIONS.items() if LeadEvent.TAKEN_BACK in moves}
    said = {advance(LEAD_TRANSITIONS, LeadState.SUCCESS, event) for event in BY_AGENT}
    assert back == said | {LeadState.RETRY}
    assert {LEAD_TRANSITIONS[state][LeadEvent.TAKEN_BACK] for state in back} == {LeadState.SUCCESS}


@pytest.mark.parametrize("state", sorted(FINAL - {LeadState.DELETED}))
def test_a_final_lead_will_not_be_dialed_again_unless_reset(state: LeadState) -> None:
    assert advance(LEAD_TRANSITIONS, state, LeadEvent.RENEWED) is LeadState.ACTIVE


@pytest.mark.parametrize("event", LeadEvent)
def test_a_deleted_lead_never_comes_back(event: LeadEvent) -> None:
    with pytest.raises(IllegalTransition):
        advance(LEAD_TRANSITIONS, LeadState.DELETED, event)


@pytest.mark.parametrize(("state", "event"), list(product(sorted(IN_FLIGHT), sorted(BY_HAND))))
def test_a_lead_that_is_being_called_can_neither_be_reset_nor_deleted(state: LeadState, event: LeadEvent) -> None:
    with pytest.raises(IllegalTransition):
        advance(LEAD_TRANSITIONS, state, event)


@pytest.mark.parametrize("state", sorted(set(LeadState) - {LeadState.ACTIVE, LeadState.RETRY}))
def test_only_a_lead_that_is_due_can_be_claimed(state: LeadState) -> None:
    with pytest.raises(IllegalTransition):
        advance(LEAD_TRANSITIONS, state, LeadEvent.CLAIMED)


@pytest.mark.parametrize("state", [LeadState.ACTIVE, LeadState.RETRY, LeadState.COOLOFF, LeadState.VOICEMAIL])
def test_a_lead_that_waits_to_be_dialed_is_blocked_by_a_do_not_call_list(state: LeadState) -> None:
    assert advance(LEAD_TRANSITIONS, state, LeadEvent.ON_DNC_LIST) is LeadState.BLOCKED


@pytest.mark.parametrize("state", [LeadState.COOLOFF, LeadState.VOICEMAIL])
def test_a_lead_whose_wait_is_over_is_due_again(state: LeadState) -> None:
    assert advance(LEAD_TRANSITIONS, state, LeadEvent.COOLED_OFF) is LeadState.RETRY


@pytest.mark.parametrize(("state", "outcome", "used"), list(product(sorted(IN_FLIGHT), Outcome, [1, 3])))
def test_however_a_call_ends_its_lead_leaves_the_line(state: LeadState, outcome: Outcome, used: int) -> None:
    """Law L7: from every state in flight, with attempts left or without."""
    ended = EndedAttempt(number=a_lead().number, outcome=outcome, ended_at=NOON)
    step = next_step(a_lead(state=state, attempts_used=used), settings(max_attempts=3), ended)
    after = advance(LEAD_TRANSITIONS, state, step.event)
    assert after not in IN_FLIGHT
    assert (step.not_before is not None) or (after not in {LeadState.COOLOFF, LeadState.VOICEMAIL})


@pytest.mark.parametrize("after", [LeadEvent.MISSED, LeadEvent.MACHINE, LeadEvent.EXHAUSTED, LeadEvent.ON_DNC_LIST])
def test_the_last_word_of_an_agent_counts(after: LeadEvent) -> None:
    """What he said first is taken back, as long as the lead is not called again."""
    said = advance(LEAD_TRANSITIONS, LeadState.SUCCESS, after)
    assert said is not LeadState.SUCCESS
    assert advance(LEAD_TRANSITIONS, said, LeadEvent.TAKEN_BACK) is LeadState.SUCCESS


@pytest.mark.parametrize("state", sorted({*IN_FLIGHT, LeadState.ACTIVE, LeadState.ABANDONED, LeadState.DELETED}))
def test_where_no_agent_has_spoken_nothing_is_taken_back(state: LeadState) -> None:
    with pytest.raises(IllegalTransition):
        advance(LEAD_TRANSITIONS, state, LeadEvent.TAKEN_BACK)


@given(st.lists(st.sampled_from(LeadEvent), max_size=30))
def test_no_lead_is_in_flight_unless_it_was_claimed(events: list[LeadEvent]) -> None:
    state = LeadState.ACTIVE
    for event in events:
        before = state
        try:
            state = advance(LEAD_TRANSITIONS, state, event)
        except IllegalTransition:
            continue
        if state in IN_FLIGHT and before not in IN_FLIGHT:
            assert event is LeadEvent.CLAIMED


# --- campaigns -------------------------------------------------------------------------------------------------------


def test_every_status_of_a_campaign_can_be_reached_by_a_draft() -> None:
    assert reachable(CAMPAIGN_TRANSITIONS, CampaignStatus.DRAFT) == set(CampaignStatus)


@pytest.mark.parametrize("action", CampaignAction)
def test_a_cancelled_campaign_cannot_be_resumed(action: CampaignAction) -> None:
    with pytest.raises(IllegalTransition):
        advance(CAMPAIGN_TRANSITIONS, CampaignStatus.CANCELLED, action)


@pytest.mark.parametrize("action", [CampaignAction.START, CampaignAction.RESUME])
@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.STOPPED])
def test_a_paused_or_stopped_campaign_goes_on_when_it_is_started_or_resumed(
    status: CampaignStatus, action: CampaignAction
) -> None:
    assert advance(CAMPAIGN_TRANSITIONS, status, action) is CampaignStatus.RUNNING


@pytest.mark.parametrize("status", sorted(set(CampaignStatus) - {CampaignStatus.PAUSED, CampaignStatus.STOPPED}))
def test_only_what_was_interrupted_can_be_resumed(status: CampaignStatus) -> None:
    with pytest.raises(IllegalTransition):
        advance(CAMPAIGN_TRANSITIONS, status, CampaignAction.RESUME)


def test_a_draft_or_stopped_campaign_can_be_scheduled_and_a_scheduled_one_for_another_time() -> None:
    allowed = {status for status, moves in CAMPAIGN_TRANSITIONS.items() if CampaignAction.SCHEDULE in moves}
    assert allowed == {CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.STOPPED}
    for status in allowed:
        assert advance(CAMPAIGN_TRANSITIONS, status, CampaignAction.SCHEDULE) is CampaignStatus.SCHEDULED


@pytest.mark.parametrize("status", sorted(set(CampaignStatus) - {CampaignStatus.RUNNING, CampaignStatus.CANCELLED}))
def test_every_campaign_that_is_not_cancelled_can_be_started(status: CampaignStatus) -> None:
    """Also a completed one, when it has got leads again."""
    assert advance(CAMPAIGN_TRANSITIONS, status, CampaignAction.START) is CampaignStatus.RUNNING


def test_what_is_dialing_or_about_to_can_be_stopped() -> None:
    allowed = {status for status, moves in CAMPAIGN_TRANSITIONS.items() if CampaignAction.STOP in moves}
    assert allowed == {CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.SCHEDULED}


def test_every_action_on_a_campaign_can_happen_somewhere() -> None:
    assert {action for moves in CAMPAIGN_TRANSITIONS.values() for action in moves} == set(CampaignAction)


@pytest.mark.parametrize("status", sorted(set(CampaignStatus) - {CampaignStatus.RUNNING}))
def test_only_a_running_campaign_can_be_completed_or_paused(status: CampaignStatus) -> None:
    for action in (CampaignAction.COMPLETE, CampaignAction.PAUSE):
        with pytest.raises(IllegalTransition):
            advance(CAMPAIGN_TRANSITIONS, status, action)


@pytest.mark.parametrize("status", sorted(set(CampaignStatus) - {CampaignStatus.CANCELLED, CampaignStatus.COMPLETED}))
def test_a_campaign_that_is_not_over_can_be_cancelled(status: CampaignStatus) -> None:
    assert advance(CAMPAIGN_TRANSITIONS, status, CampaignAction.CANCEL) is CampaignStatus.CANCELLED
