"""Agent-first "dials the agent, then dials the customer on a second line, and bridges when the customer answers. Zero abandonment — the
agent is always on the line ready to greet."
"""

from datetime import timedelta
from uuid import UUID

import pytest

from dialerd.domain.call_moves import NEWS_DELAY
from dialerd.domain.calls import (
    MOST_HUNTS,
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AgentRang,
    AnsweredBy,
    AskToDial,
    AttemptState,
    Call,
    CallEvent,
    ChannelMade,
    Cleared,
    DialFailed,
    DialLead,
    DialRefused,
    Forbidden,
    HangUpHunt,
    HangUpLead,
    HoldAgent,
    HuntAgent,
    HuntEnded,
    HuntFound,
    JoinLegs,
    KeepAgent,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    MoveToMessage,
    MoveToQueue,
    NoAgent,
    Opened,
    PlayGreeting,
    Remind,
    StopRequested,
    Vanished,
    WaitExceeded,
)
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, an_agent_first_call, later
from tests.walks import orders, play

PATIENCE = Remind(timedelta(seconds=3), WaitExceeded())
RUNG = play(an_agent_first_call(), Opened())[0]
READY = play(RUNG, AgentRang(ANNA), AgentConnected(ANNA, 1), AgentAnswered(1))[0]
"""The agent is on the line, and the rules are being asked."""
DIALED = play(READY, Cleared(), ChannelMade())[0]
RINGING = play(DIALED, LeadRang())[0]
HELD = play(RINGING, LeadAnswered(), LeadHeld())[0]
unanswered = pytest.mark.parametrize("call", [DIALED, RINGING], ids=lambda call: call.state)


# --- the good call ---------------------------------------------------------------------------------------------------


def test_the_whole_of_a_good_call() -> None:
    call, commands = play(an_agent_first_call(), Opened(), Opened())
    assert commands == [HuntAgent(1), Remind(timedelta(seconds=20), AgentDialTimedOut(1))]
    assert (call.state, call.needs_agent) == (AttemptState.PREPARING, True)

    call, commands = play(call, AgentRang(ANNA), AgentConnected(ANNA, 1), AgentAnswered(1), AgentAnswered(1), after_s=3)
    assert commands == [HoldAgent(1), AskToDial()]
    assert (call.state, call.needs_agent) == (AttemptState.PREPARING, False)

    call, commands = play(call, Cleared(), Cleared(), after_s=3)
    assert (call.state, commands) == (AttemptState.DIALING, [DialLead()])

    call, commands = play(call, ChannelMade(), LeadRang(), LeadAnswered(), LeadHeld(), after_s=8)
    assert commands == [JoinLegs(1), PATIENCE]

    call, commands = play(call, LegsJoined(1), after_s=8)
    assert (call.state, call.agent, commands) == (AttemptState.CONNECTED, ANNA, [])
    call, commands = play(call, LeadLeft(cause=16), after_s=60)
    assert (call.outcome, commands) == (Outcome.CONNECTED, [HangUpHunt(1)])


def test_the_lead_is_not_dialed_before_an_agent_is_on_the_line() -> None:
    _, commands = play(an_agent_first_call(), Opened(), AgentRang(ANNA), AgentConnected(ANNA, 1))
    assert DialLead() not in commands
    assert DialLead() not in play(READY, AgentAnswered(1))[1]


def test_a_named_agent_is_rung_first_and_the_queue_after_him() -> None:
    call, commands = play(an_agent_first_call(wanted_agent=ANNA), Opened())
    assert commands == [HuntAgent(1, ANNA), Remind(timedelta(seconds=10), AgentDialTimedOut(1))]
    call, commands = play(call, AgentDialTimedOut(1))
    assert orders(commands) == [HangUpHunt(1), HuntAgent(2)]
    call, commands = play(call, HuntEnded(2))
    assert (call.outcome, commands) == (Outcome.NOT_PLACED, [])


# --- no agent, or no call --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [HuntEnded(1), AgentDialTimedOut(1)])
def test_when_no_agent_takes_it_the_lead_is_due_again_and_has_lost_nothing(event: CallEvent) -> None:
    call, commands = play(RUNG, event)
    assert (call.state, call.outcome) == (AttemptState.ENDED, Outcome.NOT_PLACED)
    assert commands == ([HangUpHunt(1)] if isinstance(event, AgentDialTimedOut) else [])


def test_an_agent_who_is_there_in_time_is_not_timed_out() -> None:
    assert play(READY, AgentDialTimedOut(1)) == (READY, [])


def test_a_lead_who_may_no_longer_be_called_is_not_dialed_and_the_agent_stays_for_the_next() -> None:
    call, commands = play(READY, Forbidden())
    assert (call.outcome, commands) == (Outcome.NOT_PLACED, [KeepAgent(1)])


def test_an_agent_who_hangs_up_while_the_rules_are_asked_takes_the_call_with_him() -> None:
    gone, commands = play(READY, HuntEnded(1))
    assert (gone.state, commands) == (AttemptState.PREPARING, [])
    for answer in (Cleared(), Forbidden()):
        call, commands = play(gone, answer)
        assert (call.outcome, commands) == (Outcome.NOT_PLACED, [])


@pytest.mark.parametrize("event", [StopRequested(), Vanished()])
@pytest.mark.parametrize("call", [RUNG, READY], ids=["rung", "ready"])
def test_a_call_that_is_given_up_before_it_was_dialed_lets_its_agent_go(call: Call, event: CallEvent) -> None:
    ended, commands = play(call, event)
    assert (ended.outcome, commands) == (Outcome.NOT_PLACED, [HangUpHunt(1)])
    assert play(ended, Cleared(), AgentAnswered(1)) == (ended, [HangUpHunt(1)])


# --- the lead does not answer: "next lead, or release" ---------------------------------------------------------------


@unanswered
@pytest.mark.parametrize(("cause", "outcome"), [(17, Outcome.BUSY), (19, Outcome.NO_ANSWER), (None, Outcome.UNKNOWN)])
def test_the_agent_of_a_lead_who_does_not_answer_stays_for_the_next(
    call: Call, cause: int | None, outcome: Outcome
) -> None:
    ended, commands = play(call, LeadLeft(cause=cause), after_s=30)
    assert (ended.outcome, ended.cause, commands) == (outcome, cause, [KeepAgent(1)])


@unanswered
def test_a_stopped_campaign_hangs_up_the_lead_and_says_so(call: Call) -> None:
    stopped, commands = play(call, StopRequested())
    assert commands == [HangUpLead()]
    ended, commands = play(stopped, LeadLeft(cause=16))
    assert (ended.outcome, commands) == (Outcome.CANCELLED, [KeepAgent(1)])


def test_a_dial_that_was_refused_keeps_the_agent_once_that_is_certain() -> None:
    dialed, _ = play(READY, Cleared())
    call, commands = play(dialed, DialFailed())
    assert (call.state, commands) == (AttemptState.DIALING, [Remind(NEWS_DELAY, DialRefused())])
    ended, commands = play(call, DialRefused())
    assert (ended.outcome, commands) == (Outcome.NOT_PLACED, [KeepAgent(1)])
    assert play(DIALED, DialRefused()) == (DIALED, [])


def test_a_call_whose_end_was_not_seen_was_dialed_all_the_same() -> None:
    call, commands = play(DIALED, Vanished())
    assert (call.outcome, commands) == (Outcome.UNKNOWN, [HangUpHunt(1)])


def test_an_agent_who_has_stayed_is_not_rung_again() -> None:
    leg = UUID(int=7)
    call, commands = play(an_agent_first_call(kept_leg=leg, agent=ANNA), Opened())
    assert commands == [HoldAgent(1), AskToDial()]
    assert (call.agent_leg(1), call.agent, call.needs_agent) == (leg, ANNA, False)
    call, commands = play(call, Cleared(), LeadHeld(), LegsJoined(1))
    assert orders(commands) == [DialLead(), JoinLegs(1)]
    assert (call.state, call.agent) == (AttemptState.CONNECTED, ANNA)


def test_an_agent_who_did_not_stay_after_all_costs_the_lead_nothing() -> None:
    call, _ = play(an_agent_first_call(kept_leg=UUID(int=7)), Opened(), HuntEnded(1), Cleared())
    assert call.outcome is Outcome.NOT_PLACED


# --- zero abandonment ------------------------------------------------------------------------------------------------


@unanswered
def test_an_agent_who_hangs_up_early_is_replaced_at_once(call: Call) -> None:
    call, commands = play(call, HuntEnded(1))
    assert orders(commands) == [HuntAgent(2)]
    assert call.needs_agent
    call, commands = play(call, AgentAnswered(2))
    assert commands == [HoldAgent(2)]
    assert orders(play(call, LeadHeld())[1]) == [JoinLegs(2)]


def test_the_customer_who_answers_in_the_instant_when_the_agent_hangs_up_meets_the_next_one() -> None:
    """ "The customer is never left in silence." """
    call, commands = play(RINGING, HuntEnded(1), LeadAnswered(), LeadHeld())
    assert orders(commands) == [HuntAgent(2)]
    assert play(call, AgentAnswered(2))[1] == [JoinLegs(2)]


def test_the_customer_who_has_just_been_put_to_an_agent_who_hangs_up_waits_in_the_queue() -> None:
    call, commands = play(HELD, HuntEnded(1), LegsJoined(1))
    assert (call.state, commands) == (AttemptState.ANSWERED, [MoveToQueue()])


def test_the_answer_before_the_agent_left_and_the_hold_after_it_find_the_next_agent() -> None:
    call, commands = play(RINGING, LeadAnswered(), HuntEnded(1), LeadHeld())
    assert orders(commands) == [HuntAgent(2)]
    assert call.state is AttemptState.ANSWERED


def test_nobody_to_replace_the_agent_is_looked_for_again_when_the_lead_answers() -> None:
    call, commands = play(RINGING, HuntEnded(1), AgentDialTimedOut(2))
    assert orders(commands) == [HuntAgent(2), HangUpHunt(2)]
    assert play(call, AgentAnswered(2)) == (call, [HangUpHunt(2)])
    call, commands = play(call, LeadAnswered(), LeadHeld())
    assert orders(commands) == [HuntAgent(3)]
    assert play(call, AgentDialTimedOut(3))[1] == [HangUpHunt(3), MoveToQueue()]


def test_a_replacement_who_rings_when_the_lead_answers_is_joined() -> None:
    call, _ = play(RINGING, HuntEnded(1))
    call, commands = play(call, LeadHeld(), AgentAnswered(2))
    assert orders(commands) == [JoinLegs(2)]


def test_agents_who_hang_up_one_after_the_other_are_not_replaced_for_ever_and_one_hunt_is_left_for_the_lead() -> None:
    call = RINGING
    for hunt in range(1, MOST_HUNTS + 3):
        call, _ = play(call, AgentAnswered(hunt), HuntEnded(hunt))
    assert (call.hunts, call.hunting) == (MOST_HUNTS - 1, False)
    assert orders(play(call, LeadHeld())[1]) == [HuntAgent(MOST_HUNTS)]


def test_a_replacement_who_answers_too_late_is_let_go() -> None:
    call, _ = play(RINGING, HuntEnded(1), HuntEnded(2))
    assert play(call, AgentAnswered(1), AgentAnswered(2))[1] == [HangUpHunt(1), HangUpHunt(2)]


def test_the_wait_of_a_lead_who_has_met_an_agent_is_not_exceeded() -> None:
    assert play(HELD, WaitExceeded(), after_s=3) == (HELD, [])


def test_the_wait_of_a_lead_whose_agent_has_left_is() -> None:
    call, _ = play(an_agent_first_call(greeting="one-moment"), Opened(), AgentAnswered(1), Cleared(), HuntEnded(1))
    call, _ = play(call, LeadHeld())
    assert play(call, WaitExceeded(), after_s=3)[1] == [PlayGreeting()]


def test_or_the_lead_hears_the_message_then() -> None:
    at_sla = an_agent_first_call(no_agent=NoAgent.MESSAGE_AT_SLA)
    call, _ = play(at_sla, Opened(), AgentAnswered(1), Cleared(), HuntEnded(1), LeadHeld())
    call, commands = play(call, WaitExceeded(), after_s=3)
    assert (call.state, commands) == (AttemptState.MESSAGE, [HangUpHunt(2), MoveToMessage()])


@unanswered
def test_a_lead_whom_the_dialplan_has_put_into_the_queue_is_served_there_and_the_agent_is_let_go(call: Call) -> None:
    queued, commands = play(call, LeadQueued())
    assert (queued.state, commands) == (AttemptState.QUEUED, [HangUpHunt(1)])


# --- who picks up and is not talked to -------------------------------------------------------------------------------


def test_the_agent_of_a_machine_that_is_dropped_stays_for_the_next_lead() -> None:
    dropping = an_agent_first_call(drop_machine=True)
    call, _ = play(dropping, Opened(), AgentAnswered(1), Cleared(), LeadAnswered())
    call, commands = play(call, LeadHeld(AnsweredBy.MACHINE))
    assert commands == [HangUpLead()]
    ended, commands = play(call, LeadLeft(cause=16))
    assert (ended.outcome, commands) == (Outcome.VOICEMAIL, [KeepAgent(1)])


def test_the_agent_of_a_lead_who_hangs_up_as_soon_as_he_has_picked_up_stays_too() -> None:
    ended, commands = play(RINGING, LeadAnswered(), LeadLeft(cause=16))
    assert (ended.outcome, commands) == (Outcome.HUNG_UP, [KeepAgent(1)])


def test_an_agent_who_may_have_been_joined_already_is_let_go() -> None:
    ended, commands = play(HELD, LeadLeft(cause=16))
    assert (ended.outcome, commands) == (Outcome.HUNG_UP, [HangUpHunt(1)])


# --- after a restart of the daemon -----------------------------------------------------------------------------------


def test_an_agent_who_was_being_rung_is_waited_for() -> None:
    call, commands = play(an_agent_first_call(hunts=1), HuntFound(1))
    assert commands == [Remind(timedelta(seconds=20), AgentDialTimedOut(1))]
    assert play(call, AgentAnswered(1))[1] == [HoldAgent(1), AskToDial()]
    assert play(call, AgentDialTimedOut(1))[1] == [HangUpHunt(1)]
    assert play(call, Opened()) == (call, [])


@pytest.mark.parametrize("state", [AttemptState.DIALING, AttemptState.RINGING])
def test_an_agent_who_waits_for_the_lead_to_answer_goes_on_waiting(state: AttemptState) -> None:
    found, commands = play(an_agent_first_call(state=state, hunts=1), HuntFound(1), AgentAnswered(1))
    assert orders(commands) == [HoldAgent(1)]
    assert orders(play(found, LeadAnswered(), LeadHeld())[1]) == [JoinLegs(1)]


@pytest.mark.parametrize("state", [AttemptState.DIALING, AttemptState.RINGING])
def test_the_end_of_a_lead_that_was_not_seen_lets_the_agent_go_who_is_found(state: AttemptState) -> None:
    _, commands = play(an_agent_first_call(state=state), HuntFound(1), Vanished())
    assert orders(commands) == [HangUpHunt(1)]


def test_both_are_found_waiting_for_each_other() -> None:
    answered = an_agent_first_call(state=AttemptState.ANSWERED, hunts=1, answered_at=later(0))
    _, commands = play(answered, LeadAnswered(), HuntFound(1), LeadHeld(), AgentAnswered(1))
    assert orders(commands) == [JoinLegs(1)]
