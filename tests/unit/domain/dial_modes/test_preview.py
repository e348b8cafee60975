"""Preview: "Phone rings; on answer the call is held until an agent accepts." "Lead card appears first; agent reviews details and
clicks to connect."
"""

from datetime import timedelta

import pytest

from dialerd.domain.call_moves import HOLD_MARGIN
from dialerd.domain.calls import (
    AcceptTimedOut,
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AnsweredBy,
    AttemptState,
    Call,
    CallEvent,
    CardAccepted,
    CardOffered,
    CardSkipped,
    DialLead,
    DialRefused,
    ExtendHold,
    HangUpHunt,
    HangUpLead,
    HuntAgent,
    HuntEnded,
    HuntFound,
    JoinLegs,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    MessageBegun,
    MoveToMessage,
    MoveToQueue,
    NoAgent,
    NobodyToOffer,
    OfferCard,
    OfferDue,
    OfferLapsed,
    Opened,
    PlayGreeting,
    Remind,
    Vanished,
    WaitExceeded,
    WithdrawCard,
)
from dialerd.domain.dial_modes.preview import LOOK_AGAIN
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_preview_call, later
from tests.walks import orders, play

PATIENCE = Remind(timedelta(seconds=3), WaitExceeded())
ACCEPT_IN_TIME = Remind(timedelta(seconds=20), AcceptTimedOut())


def with_card(agent: str = ANNA) -> Call:
    return play(a_preview_call(), CardOffered(1, agent))[0]


def held_with_card() -> Call:
    return play(with_card(), LeadRang(), LeadAnswered(), LeadHeld())[0]


# --- the good call ---------------------------------------------------------------------------------------------------


def test_the_whole_of_a_good_call() -> None:
    call, commands = play(a_preview_call(offers=0, dialed=False), Opened(), Opened())
    assert commands == [DialLead(), OfferCard(1)]

    call, commands = play(call, CardOffered(1, ANNA), LeadRang(), after_s=1)
    assert (call.offered_to, call.state, commands) == (ANNA, AttemptState.RINGING, [])

    call, commands = play(call, LeadAnswered(), LeadHeld(), after_s=5)
    assert commands == [PATIENCE, ACCEPT_IN_TIME]
    assert call.state is AttemptState.ANSWERED

    call, commands = play(call, CardAccepted(ANNA), after_s=9)
    timeout = Remind(timedelta(seconds=10), AgentDialTimedOut(1))
    assert commands == [ExtendHold(timedelta(seconds=20) + HOLD_MARGIN), HuntAgent(1, ANNA), timeout]

    call, commands = play(call, AgentAnswered(1), LegsJoined(1), after_s=11)
    assert (call.state, commands) == (AttemptState.CONNECTED, [JoinLegs(1)])
    call, commands = play(call, LeadLeft(cause=16), after_s=60)
    assert (call.outcome, commands) == (Outcome.CONNECTED, [HangUpHunt(1)])


def test_who_accepts_while_the_phone_rings_is_rung_when_the_lead_answers() -> None:
    call, commands = play(with_card(), LeadRang(), CardAccepted(ANNA))
    assert (call.accepted, call.wanted_agent, commands) == (True, ANNA, [])
    call, commands = play(call, LeadAnswered(), LeadHeld(), after_s=5)
    assert commands == [HuntAgent(1, ANNA), Remind(timedelta(seconds=10), AgentDialTimedOut(1)), PATIENCE]


def test_no_agent_is_rung_before_one_has_accepted() -> None:
    _, commands = play(with_card(), LeadRang(), LeadAnswered(), LeadHeld(), WaitExceeded(), after_s=3)
    assert not [command for command in commands if isinstance(command, HuntAgent)]


# --- the card goes from agent to agent -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [CardSkipped(1), OfferLapsed(1)])
@pytest.mark.parametrize("call", [with_card(), held_with_card()], ids=lambda call: call.state)
def test_a_card_that_is_skipped_or_left_lying_goes_to_the_next_agent(call: Call, answer: CallEvent) -> None:
    call, commands = play(call, answer, answer)
    assert commands == [OfferCard(2)]
    assert (call.declined, call.offered_to) == (frozenset({ANNA}), None)
    call, _ = play(call, CardOffered(2, BEN))
    assert call.offered_to == BEN


def test_while_no_agent_is_free_it_is_looked_again_every_second() -> None:
    call, commands = play(a_preview_call(), NobodyToOffer(1))
    assert commands == [Remind(LOOK_AGAIN, OfferDue(1))]
    assert play(call, OfferDue(1))[1] == [OfferCard(1)]


@pytest.mark.parametrize("call", [with_card(), play(with_card(), CardAccepted(ANNA))[0]], ids=["lies", "accepted"])
def test_a_card_that_lies_before_an_agent_is_not_offered_to_another(call: Call) -> None:
    assert play(call, OfferDue(1)) == (call, [])


def test_a_daemon_that_died_before_the_first_offer_makes_it_now() -> None:
    call, commands = play(a_preview_call(offers=0), OfferDue(0))
    assert (call.offers, commands) == (1, [OfferCard(1)])


def test_who_skips_faster_than_the_news_of_the_offer_is_followed_by_the_next() -> None:
    call, commands = play(a_preview_call(), CardSkipped(1), CardOffered(1, ANNA))
    assert commands == [OfferCard(2), WithdrawCard(1)]
    assert call.offered_to is None


def test_who_accepts_faster_than_the_news_of_the_offer_has_it() -> None:
    call, commands = play(a_preview_call(), CardAccepted(ANNA), CardOffered(1, ANNA))
    assert (call.wanted_agent, call.offered_to) == (ANNA, None)
    assert commands == [WithdrawCard(1)]  # an answer that was faster stands


def test_the_first_who_accepts_has_it() -> None:
    call, _ = play(with_card(), CardAccepted(ANNA))
    assert play(call, CardAccepted(BEN), CardSkipped(1), OfferLapsed(1), OfferDue(1)) == (call, [])


# --- a lead who waits for an agent to accept -------------------------------------------------------------------------


def test_the_lead_who_waits_has_the_promises_of_progressive_mode() -> None:
    call, _ = play(a_preview_call(greeting="one-moment"), LeadHeld())
    assert play(call, WaitExceeded(), after_s=3)[1] == [PlayGreeting()]


def test_when_nobody_accepts_in_time_the_lead_waits_in_the_queue_with_hold_music() -> None:
    call, commands = play(held_with_card(), AcceptTimedOut(), after_s=20)
    assert commands == [WithdrawCard(1), MoveToQueue()]
    call, commands = play(call, LeadQueued(), AgentConnected(BEN), after_s=25)
    assert (call.state, call.agent, commands) == (AttemptState.CONNECTED, BEN, [])


def test_or_hears_the_message_where_the_campaign_wants_it_so() -> None:
    call, commands = play(a_preview_call(no_agent=NoAgent.MESSAGE), CardOffered(1, ANNA), LeadHeld(), AcceptTimedOut())
    assert (call.state, orders(commands)) == (AttemptState.MESSAGE, [WithdrawCard(1), MoveToMessage()])


def test_the_message_at_the_sla_takes_the_card_away() -> None:
    waiting, _ = play(a_preview_call(no_agent=NoAgent.MESSAGE_AT_SLA), CardOffered(1, ANNA), LeadHeld())
    call, commands = play(waiting, WaitExceeded(), after_s=3)
    assert (call.state, call.offered_to, commands) == (AttemptState.MESSAGE, None, [WithdrawCard(1), MoveToMessage()])


def test_the_card_that_is_accepted_in_the_instant_of_the_timeout_rings_nobody_and_the_lead_is_served_by_the_queue() -> (
    None
):
    call, commands = play(held_with_card(), AcceptTimedOut(), CardAccepted(ANNA), LeadQueued(), CardAccepted(ANNA))
    assert (call.state, commands) == (AttemptState.QUEUED, [WithdrawCard(1), MoveToQueue()])


def test_the_timeout_in_the_instant_of_the_acceptance_changes_nothing() -> None:
    call, _ = play(held_with_card(), CardAccepted(ANNA))
    assert play(call, AcceptTimedOut()) == (call, [])


def test_an_agent_who_has_accepted_and_does_not_take_the_phone_is_followed_by_the_queue() -> None:
    call, _ = play(held_with_card(), CardAccepted(ANNA))
    call, commands = play(call, AgentDialTimedOut(1), after_s=15)
    assert orders(commands) == [HangUpHunt(1), HuntAgent(2)]
    assert play(call, HuntEnded(2))[1] == [MoveToQueue()]


@pytest.mark.parametrize("taken", [LeadQueued(), MessageBegun()])
@pytest.mark.parametrize("call", [with_card(), held_with_card()], ids=lambda call: call.state)
def test_a_lead_whom_the_dialplan_has_taken_back_has_no_card_before_an_agent(call: Call, taken: CallEvent) -> None:
    after, commands = play(call, taken)
    assert (after.offered_to, commands) == (None, [WithdrawCard(1)])
    assert play(after, OfferDue(1), NobodyToOffer(1))[1] == []


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (LeadLeft(cause=17), Outcome.BUSY),
        (DialRefused(), Outcome.NOT_PLACED),
        (Vanished(), Outcome.UNKNOWN),
    ],
)
def test_the_card_of_a_call_that_has_ended_is_taken_away(end: CallEvent, outcome: Outcome) -> None:
    call, commands = play(with_card(), end)
    assert (call.outcome, commands) == (outcome, [WithdrawCard(1)])


@pytest.mark.parametrize("event", [LeadLeft(cause=17), LeadQueued(), MessageBegun(), DialRefused()])
def test_a_card_that_was_just_being_laid_when_the_lead_went_elsewhere_is_taken_away(event: CallEvent) -> None:
    call, commands = play(a_preview_call(), event, CardOffered(1, ANNA))
    assert commands == [WithdrawCard(1)]
    assert call.offered_to is None


def test_a_lead_who_hangs_up_before_anybody_accepts_was_abandoned_after_the_sla_only() -> None:
    for after_s, outcome in ((2, Outcome.HUNG_UP), (3, Outcome.ABANDONED)):
        ended, commands = play(held_with_card(), LeadLeft(cause=16), after_s=after_s)
        assert (ended.outcome, commands) == (outcome, [WithdrawCard(1)])


def test_a_machine_that_is_dropped_takes_its_card_away() -> None:
    call, commands = play(a_preview_call(drop_machine=True), CardOffered(1, ANNA), LeadHeld(AnsweredBy.MACHINE))
    assert commands == [HangUpLead()]
    ended, commands = play(call, LeadLeft(cause=16))
    assert (ended.outcome, commands) == (Outcome.VOICEMAIL, [WithdrawCard(1)])


# --- after a restart of the daemon -----------------------------------------------------------------------------------


def test_a_lead_who_is_found_held_waits_on_for_the_card_with_new_patience() -> None:
    restarted = a_preview_call(
        state=AttemptState.ANSWERED, answered_at=later(0), waiting_since=later(0), offered_to=ANNA
    )
    call, commands = play(restarted, LeadHeld(), LeadHeld(), after_s=2)
    assert commands == [Remind(timedelta(seconds=1), WaitExceeded()), ACCEPT_IN_TIME]
    assert orders(play(call, CardAccepted(ANNA))[1])[1:] == [HuntAgent(1, ANNA)]


def test_a_hunt_for_the_agent_who_had_accepted_is_taken_up() -> None:
    restarted = a_preview_call(state=AttemptState.ANSWERED, answered_at=later(0), accepted=True, wanted_agent=ANNA)
    call, commands = play(restarted, HuntFound(1), LeadHeld(), AgentAnswered(1))
    assert orders(commands) == [JoinLegs(1)]
    assert orders(play(call, HuntEnded(1))[1]) == [HuntAgent(2)]


def test_an_agent_who_accepts_while_a_hunt_runs_starts_no_second_one() -> None:
    restarted = a_preview_call(state=AttemptState.ANSWERED, answered_at=later(0), offered_to=ANNA)
    _, commands = play(restarted, HuntFound(1), LeadHeld(), CardAccepted(ANNA), AcceptTimedOut())
    assert orders(commands) == []


def test_a_move_to_the_queue_that_failed_is_made_again() -> None:
    call, _ = play(held_with_card(), AcceptTimedOut())
    assert play(call, LeadHeld())[1] == [MoveToQueue()]
