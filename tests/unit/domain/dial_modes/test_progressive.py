"""Progressive: "dialer connects the customer first and bridges to an agent when one is available"."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dialerd.domain.call_moves import MESSAGE_MARGIN, NEWS_DELAY
from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AgentRang,
    AgentRangOut,
    AnsweredBy,
    AttemptState,
    Call,
    CallEvent,
    CallFlow,
    ChannelMade,
    DialFailed,
    DialLead,
    DialRefused,
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
    NoteOptOut,
    Opened,
    OptedOut,
    PlayGreeting,
    Remind,
    StopRequested,
    Vanished,
    WaitExceeded,
    Wanted,
)
from dialerd.domain.dial_modes import TABLES
from dialerd.domain.outcomes import Outcome
from tests.factories import (
    ANNA,
    BEN,
    NOON,
    a_call,
    a_connected_call,
    a_hunting_call,
    a_queued_call,
    a_ringing_call,
    an_answered_call,
    later,
)
from tests.walks import orders, play

UNANSWERED = [a_call(), a_ringing_call()]
WAITING = [an_answered_call(), a_hunting_call(), a_queued_call()]
EVERYWHERE = [*UNANSWERED, *WAITING, a_connected_call()]
by_state = pytest.mark.parametrize("call", EVERYWHERE, ids=lambda call: f"{call.state}-{call.hunts}-{call.hunting}")


PATIENCE = Remind(timedelta(seconds=3), WaitExceeded())


@pytest.mark.parametrize("flow", CallFlow)
def test_every_flow_has_its_table(flow: CallFlow) -> None:
    assert AttemptState.ENDED in TABLES[flow]


def test_a_call_that_is_opened_is_dialed_and_only_once() -> None:
    _, commands = play(a_call(), Opened(), Opened())
    assert commands == [DialLead()]
    assert play(replace(a_call(), placed=True), Opened())[1] == []


# --- the happy path --------------------------------------------------------------------------------------------------


def test_the_whole_of_a_good_call() -> None:
    call, commands = play(a_call(), LeadRang(), after_s=1)
    assert (call.state, call.ringing_at, commands) == (AttemptState.RINGING, later(1), [])

    call, commands = play(call, LeadAnswered(), after_s=5)
    assert (call.state, call.answered_at, commands) == (AttemptState.ANSWERED, later(5), [])

    call, commands = play(call, LeadHeld(), after_s=5)
    assert commands == [HuntAgent(1), Remind(timedelta(seconds=20), AgentDialTimedOut(1)), PATIENCE]
    assert (call.held, call.waiting_since) == (True, later(5))

    call, commands = play(call, AgentRang(ANNA), after_s=6)
    assert (call.agent, call.agent_ringing_at, commands) == (ANNA, later(6), [])

    call, commands = play(call, AgentConnected(ANNA, hunt=1), AgentAnswered(1), after_s=8)
    assert commands == [JoinLegs(1)]

    call, commands = play(call, LegsJoined(1), after_s=8)
    assert (call.state, call.connected_at, call.agent, commands) == (AttemptState.CONNECTED, later(8), ANNA, [])

    call, commands = play(call, LeadLeft(cause=16), after_s=60)
    assert (call.state, call.outcome, call.ended_at) == (AttemptState.ENDED, Outcome.CONNECTED, later(60))
    assert commands == [HangUpHunt(1)]


def test_the_call_that_is_held_before_we_heard_of_its_answer_is_answered() -> None:
    call, commands = play(a_ringing_call(), LeadHeld(), after_s=4)
    assert (call.state, call.answered_at) == (AttemptState.ANSWERED, later(4))
    assert commands[0] == HuntAgent(1)
    assert play(call, LeadAnswered(), LeadRang(), after_s=5) == (call, [])


def test_when_the_agent_hangs_up_the_lead_is_hung_up() -> None:
    call, commands = play(a_connected_call(), HuntEnded(1), after_s=30)
    assert commands == [HangUpLead()]
    call, commands = play(call, LeadLeft(cause=16), after_s=30)
    assert (call.outcome, commands) == (Outcome.CONNECTED, [])


# --- the unanswered call ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", UNANSWERED, ids=lambda call: call.state)
@pytest.mark.parametrize(("cause", "outcome"), [(17, Outcome.BUSY), (19, Outcome.NO_ANSWER), (None, Outcome.UNKNOWN)])
def test_a_call_that_nobody_answers_ends_as_its_cause_says(call: Call, cause: int | None, outcome: Outcome) -> None:
    ended, commands = play(call, LeadLeft(cause=cause, tech_cause="486"), after_s=9)
    assert (ended.state, ended.outcome, ended.ended_at) == (AttemptState.ENDED, outcome, later(9))
    assert (ended.cause, ended.tech_cause, commands) == (cause, "486", [])


def test_a_dial_that_was_refused_was_never_placed() -> None:
    call, commands = play(a_call(), DialRefused())
    assert (call.state, call.outcome, commands) == (AttemptState.ENDED, Outcome.NOT_PLACED, [])


def test_a_dial_that_failed_without_a_channel_was_never_placed_if_none_is_heard_of_for_a_while() -> None:
    call, commands = play(a_call(), DialFailed())
    assert (call.state, commands) == (AttemptState.DIALING, [Remind(after=NEWS_DELAY, event=DialRefused())])
    assert play(call, DialRefused())[0].outcome is Outcome.NOT_PLACED


def test_a_dial_that_has_failed_keeps_its_agent_until_it_is_sure_so_that_a_dead_trunk_is_not_flooded() -> None:
    assert play(a_call(), DialFailed())[0].needs_agent


def test_a_failure_that_overtakes_the_news_of_its_channel_is_no_refusal() -> None:
    """Seen at fifty calls a second to busy leads: taken for calls that never left, they were dialed again after five seconds."""
    call, _ = play(a_call(), DialFailed(), ChannelMade(), LeadLeft(cause=17))
    assert call.outcome is Outcome.BUSY
    made, _ = play(a_call(), DialFailed(), ChannelMade(), DialRefused())
    assert made.state is AttemptState.DIALING


def test_a_dial_that_failed_with_a_channel_waits_for_the_end_of_that() -> None:
    assert play(replace(a_call(), placed=True), DialFailed()) == (replace(a_call(), placed=True), [])


def test_a_phone_that_rings_was_not_refused() -> None:
    assert play(a_ringing_call(), DialRefused()) == (a_ringing_call(), [])


# --- looking for an agent --------------------------------------------------------------------------------------------


def test_when_the_first_agent_does_not_take_the_call_the_next_one_is_named() -> None:
    call, _ = play(a_hunting_call(), AgentRang(ANNA), after_s=1)
    call, _ = play(call, AgentRangOut(ANNA), after_s=11)
    assert (call.agent, call.needs_agent) == (None, True)
    call, commands = play(call, AgentRang(BEN), after_s=12)
    assert (call.agent, call.agent_ringing_at, commands) == (BEN, later(1), [])


def test_the_first_agent_rings_out_only_after_the_next_one_rings() -> None:
    call, _ = play(a_hunting_call(), AgentRang(ANNA), AgentRang(BEN), AgentRangOut(ANNA))
    assert call.agent == BEN


def test_an_agent_is_promised_to_a_call_until_one_rings() -> None:
    assert [call.needs_agent for call in EVERYWHERE] == [True, True, True, True, False, False]
    call, _ = play(a_hunting_call(), AgentRang(ANNA))
    assert not call.needs_agent


def test_a_wanted_agent_is_promised_then_taken_and_any_of_the_queue_is_promised_after_him() -> None:
    """Else a second call for the same agent would be started before his phone is known to ring."""
    call = an_answered_call(wanted_agent=ANNA)
    assert (call.needs_agent, call.wanted, call.rings) == (True, Wanted("sales", ANNA), None)
    call, _ = play(call, LeadHeld())
    assert (call.needs_agent, call.rings) == (False, ANNA)
    call, _ = play(call, AgentRang(ANNA))
    assert (call.needs_agent, call.rings) == (False, ANNA)
    call, _ = play(call, AgentRangOut(ANNA), AgentDialTimedOut(1))
    assert (call.needs_agent, call.wanted, call.rings) == (True, Wanted("sales"), None)


def test_when_no_agent_answers_in_time_the_lead_waits_in_the_queue_with_hold_music() -> None:
    call, commands = play(a_hunting_call(agent=ANNA), AgentDialTimedOut(1), after_s=20)
    assert commands == [HangUpHunt(1), MoveToQueue()]
    assert (call.state, call.agent, call.hunting) == (AttemptState.ANSWERED, None, False)
    call, commands = play(call, LeadQueued(), after_s=20)
    assert (call.state, commands) == (AttemptState.QUEUED, [])


def test_when_the_hunt_ends_without_an_agent_the_lead_waits_in_the_queue() -> None:
    call, commands = play(a_hunting_call(), HuntEnded(1))
    assert (call.hunting, commands) == (False, [MoveToQueue()])


def test_a_lead_who_waits_in_the_queue_is_connected_by_the_queue() -> None:
    call, commands = play(a_queued_call(), AgentRang(BEN), AgentConnected(BEN), after_s=40)
    assert (call.state, call.connected_at, call.agent) == (AttemptState.CONNECTED, later(40), BEN)
    assert commands == []
    call, commands = play(call, LeadLeft(cause=16), after_s=90)
    assert (call.outcome, commands) == (Outcome.CONNECTED, [])


# --- a lead who does not wait ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", WAITING, ids=lambda call: f"{call.state}-{call.hunting}")
@pytest.mark.parametrize(
    ("waited_s", "outcome"),
    [(0, Outcome.HUNG_UP), (2.9, Outcome.HUNG_UP), (3, Outcome.ABANDONED), (60, Outcome.ABANDONED)],
)
def test_who_hangs_up_before_the_agent_is_due_is_not_abandoned(call: Call, waited_s: float, outcome: Outcome) -> None:
    ended, commands = play(call, LeadLeft(cause=16), after_s=waited_s)
    assert (ended.state, ended.outcome) == (AttemptState.ENDED, outcome)
    assert commands == ([HangUpHunt(1)] if call.hunting else [])


def test_an_sla_of_no_seconds_makes_everybody_abandoned_who_was_not_served_at_once() -> None:
    call, _ = play(a_hunting_call(customer_wait_sla=timedelta(0)), LeadLeft())
    assert call.outcome is Outcome.ABANDONED


# --- the customer's wait for an agent --------------------------------------------------------------------------------


def test_the_customer_waits_in_silence_until_the_sla_and_hears_the_greeting_then() -> None:
    """ "Seconds the customer may wait in silence for an agent to answer before optional greeting audio plays. Default 3."."""
    call, commands = play(an_answered_call(greeting="one-moment"), LeadHeld())
    assert PATIENCE in commands
    assert PlayGreeting() not in commands
    assert play(call, WaitExceeded(), after_s=3) == (call, [PlayGreeting()])


def test_without_a_greeting_the_customer_waits_in_silence_until_the_agent_dial_timeout() -> None:
    assert play(a_hunting_call(), WaitExceeded(), after_s=3) == (a_hunting_call(), [])


def test_a_customer_whom_an_agent_has_just_answered_hears_no_greeting() -> None:
    call, _ = play(a_hunting_call(greeting="one-moment"), AgentAnswered(1))
    assert play(call, WaitExceeded()) == (call, [])


def test_the_patience_of_the_customer_counts_from_the_answer_not_from_when_we_hold_the_call() -> None:
    """Asterisk may have listened for a machine meanwhile."""
    _, commands = play(an_answered_call(), LeadHeld(AnsweredBy.HUMAN), after_s=2)
    assert Remind(timedelta(seconds=1), WaitExceeded()) in commands
    _, commands = play(an_answered_call(), LeadHeld(AnsweredBy.NOT_SURE), after_s=5)
    assert Remind(timedelta(0), WaitExceeded()) in commands


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer() -> None:
    assert PATIENCE in play(an_answered_call(answered_at=later(3600)), LeadHeld())[1]


def test_a_campaign_may_have_the_message_instead_of_the_queue() -> None:
    call, commands = play(a_hunting_call(no_agent=NoAgent.MESSAGE), AgentDialTimedOut(1), after_s=20)
    assert (call.state, commands) == (AttemptState.MESSAGE, [HangUpHunt(1), MoveToMessage()])


def test_the_message_of_who_has_waited_for_as_long_as_the_law_allows_has_begun_by_then() -> None:
    """ "Recorded message ... within two seconds": the campaign's customer wait SLA is that limit."""
    call, commands = play(an_answered_call(no_agent=NoAgent.MESSAGE_AT_SLA), LeadHeld())
    assert Remind(timedelta(seconds=3) - MESSAGE_MARGIN, WaitExceeded()) in commands
    call, commands = play(call, WaitExceeded(), after_s=2.75)
    assert (call.state, commands) == (AttemptState.MESSAGE, [HangUpHunt(1), MoveToMessage()])
    assert play(call, AgentAnswered(1))[1] == [HangUpHunt(1)]
    assert play(call, LeadLeft(cause=16), after_s=2.9)[0].outcome is Outcome.ABANDONED


def test_an_agent_who_hangs_up_after_the_time_of_the_message_leaves_the_lead_with_the_message() -> None:
    waiting = an_answered_call(no_agent=NoAgent.MESSAGE_AT_SLA, wanted_agent=ANNA)
    call, _ = play(waiting, LeadHeld(), AgentAnswered(1))
    call, commands = play(call, WaitExceeded(), HuntEnded(1), after_s=3)
    assert (call.state, commands) == (AttemptState.MESSAGE, [MoveToMessage()])


def test_who_hears_the_message_may_opt_out() -> None:
    call, _ = play(a_queued_call(), MessageBegun(), after_s=30)
    assert call.state is AttemptState.MESSAGE
    call, commands = play(call, OptedOut(), OptedOut(), after_s=33)
    assert commands == [NoteOptOut()]
    assert play(call, LeadLeft(cause=16))[0].outcome is Outcome.OPTED_OUT
    assert play(call, Vanished())[0].outcome is Outcome.OPTED_OUT


def test_who_leaves_the_message_was_abandoned_however_soon_it_came() -> None:
    call, _ = play(a_queued_call(), MessageBegun(), LeadLeft(cause=16), after_s=1)
    assert call.outcome is Outcome.ABANDONED


@pytest.mark.parametrize("call", [*UNANSWERED, *WAITING], ids=lambda call: f"{call.state}-{call.hunting}")
def test_an_opt_out_counts_though_nobody_has_told_that_the_message_has_begun(call: Call) -> None:
    opted, commands = play(call, OptedOut(), after_s=9)
    assert (opted.state, opted.opted_out) == (AttemptState.MESSAGE, True)
    assert commands == [*([HangUpHunt(1)] if call.hunting else []), NoteOptOut()]
    assert opted.answered_at is not None


def test_an_opt_out_while_they_seem_to_talk_counts_too() -> None:
    call, commands = play(a_connected_call(), OptedOut())
    assert (call.state, commands) == (AttemptState.CONNECTED, [NoteOptOut()])


def test_a_move_to_the_message_that_a_dead_daemon_did_not_finish_is_made_now() -> None:
    message = a_hunting_call(state=AttemptState.MESSAGE, hunting=False, held=False)
    assert play(message, LeadHeld()) == (message, [MoveToMessage()])


def test_a_move_to_the_message_that_came_too_late_finds_the_lead_with_an_agent_of_the_queue() -> None:
    message, _ = play(a_hunting_call(no_agent=NoAgent.MESSAGE), AgentDialTimedOut(1))
    call, _ = play(message, AgentConnected(ANNA, hunt=1))
    assert call.state is AttemptState.MESSAGE
    call, _ = play(message, AgentConnected(BEN), after_s=25)
    assert (call.state, call.agent, call.connected_at) == (AttemptState.CONNECTED, BEN, later(25))


def test_a_move_to_the_queue_that_failed_is_made_again_when_the_lead_is_found_in_our_hands() -> None:
    """The link broke under the order. The lead has waited for long enough: nobody is hunted anew."""
    call, _ = play(a_hunting_call(), AgentDialTimedOut(1))
    assert play(call, LeadHeld(), after_s=21) == (call, [MoveToQueue()])


# --- a wanted agent --------------------------------------------------------------------------------------------------


def test_the_agent_who_last_spoke_to_the_lead_is_rung_first_and_the_queue_after_him() -> None:
    """ "Bridging specifically to the agent who last spoke to the contact"; each gets half of the time."""
    call, commands = play(an_answered_call(wanted_agent=ANNA), LeadHeld())
    assert commands == [HuntAgent(1, ANNA), Remind(timedelta(seconds=10), AgentDialTimedOut(1)), PATIENCE]
    call, commands = play(call, AgentDialTimedOut(1), after_s=10)
    half = Remind(timedelta(seconds=10), AgentDialTimedOut(2))
    assert commands == [HangUpHunt(1), HuntAgent(2), half]
    call, commands = play(call, AgentDialTimedOut(2), after_s=20)
    assert commands == [HangUpHunt(2), MoveToQueue()]


def test_the_wanted_agent_who_declines_makes_way_for_the_queue_at_once() -> None:
    call, _ = play(an_answered_call(wanted_agent=ANNA), LeadHeld())
    assert orders(play(call, HuntEnded(1))[1]) == [HuntAgent(2)]


def test_the_wanted_agent_who_hung_up_before_the_join_is_not_taken_for_the_next_one() -> None:
    """The news that the first hunt was joined comes while the second rings: nobody talks yet."""
    call, _ = play(an_answered_call(wanted_agent=ANNA), LeadHeld(), AgentAnswered(1), HuntEnded(1), LegsJoined(1))
    assert (call.state, call.hunts, call.agent_up) == (AttemptState.ANSWERED, 2, False)
    assert play(call, AgentAnswered(2))[1] == [JoinLegs(2)]


# --- machines --------------------------------------------------------------------------------------------------------


def test_a_machine_that_is_to_be_dropped_is_hung_up_and_no_agent_is_rung() -> None:
    call, commands = play(a_ringing_call(drop_machine=True), LeadHeld(AnsweredBy.MACHINE), after_s=4)
    assert (call.answered_by, commands) == (AnsweredBy.MACHINE, [HangUpLead()])
    for end in (LeadLeft(cause=16), Vanished()):
        assert play(call, end, after_s=5)[0].outcome is Outcome.VOICEMAIL


def test_what_asterisk_made_of_the_answer_is_not_made_anew() -> None:
    dropped, _ = play(a_ringing_call(drop_machine=True, no_agent=NoAgent.MESSAGE), LeadHeld(AnsweredBy.MACHINE))
    assert play(dropped, LeadHeld(), LeadHeld(AnsweredBy.HUMAN)) == (dropped, [HangUpLead(), HangUpLead()])


@pytest.mark.parametrize("by", [AnsweredBy.HUMAN, AnsweredBy.NOT_SURE, None])
def test_whom_asterisk_is_not_sure_of_is_a_human_being(by: AnsweredBy | None) -> None:
    call, commands = play(a_ringing_call(drop_machine=True), LeadHeld(by))
    assert (call.answered_by, HuntAgent(1) in commands) == (by, True)


def test_a_machine_is_only_written_down_where_it_is_not_to_be_dropped() -> None:
    call, commands = play(a_ringing_call(), LeadHeld(AnsweredBy.MACHINE))
    assert (call.answered_by, HuntAgent(1) in commands) == (AnsweredBy.MACHINE, True)
    assert play(call, LeadLeft(), after_s=9)[0].outcome is Outcome.ABANDONED


# --- Stop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", UNANSWERED, ids=lambda call: call.state)
def test_stop_ends_a_dial_that_is_not_answered_yet(call: Call) -> None:
    call, commands = play(call, StopRequested())
    assert commands == [HangUpLead()]
    call, _ = play(call, LeadLeft(cause=16))
    assert call.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("call", [*WAITING, a_connected_call()], ids=lambda call: f"{call.state}-{call.hunting}")
def test_stop_leaves_an_answered_call_alone(call: Call) -> None:
    assert play(call, StopRequested()) == (call, [])


def test_a_stop_that_came_before_the_channel_is_carried_out_when_the_phone_rings() -> None:
    call, commands = play(a_call(), StopRequested(), LeadRang())
    assert commands == [HangUpLead(), HangUpLead()]
    assert call.state is AttemptState.RINGING


def test_who_answers_in_the_instant_of_a_stop_is_served() -> None:
    call, commands = play(a_ringing_call(), StopRequested(), LeadAnswered(), LeadHeld())
    assert call.state is AttemptState.ANSWERED
    assert HuntAgent(1) in commands


# --- while the daemon was away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [*UNANSWERED, *WAITING], ids=lambda call: f"{call.state}-{call.hunting}")
def test_a_lead_whom_the_dialplan_put_into_the_queue_is_left_there(call: Call) -> None:
    queued, commands = play(call, LeadQueued(), after_s=7)
    assert (queued.state, queued.agent) == (AttemptState.QUEUED, None)
    assert queued.answered_at == (call.answered_at or later(7))
    assert commands == ([HangUpHunt(1)] if call.hunting else [])


def test_a_hunt_that_was_running_when_the_call_was_taken_up_again_gets_its_time_anew() -> None:
    call, commands = play(an_answered_call(hunts=1), HuntFound(1))
    assert call.hunting
    assert commands == [Remind(timedelta(seconds=20), AgentDialTimedOut(1))]


def test_a_wanted_agent_who_was_being_rung_when_the_daemon_died_is_followed_by_the_queue() -> None:
    call, _ = play(an_answered_call(hunts=1, wanted_agent=ANNA), HuntFound(1), LeadHeld())
    assert (call.hunting, call.wanted_agent) == (True, None)
    assert orders(play(call, AgentDialTimedOut(1))[1]) == [HangUpHunt(1), HuntAgent(2)]


def test_an_agent_who_answered_while_the_daemon_was_away_is_joined_in_whatever_order_that_is_told() -> None:
    for events in (
        (HuntFound(1), LeadHeld(), AgentAnswered(1)),
        (HuntFound(1), AgentAnswered(1), LeadHeld()),
    ):
        call, commands = play(an_answered_call(hunts=1), *events)
        assert orders(commands) == [JoinLegs(1)]
        assert call.held


@pytest.mark.parametrize("call", [*UNANSWERED, a_queued_call()], ids=lambda call: call.state)
def test_a_hunt_that_is_found_where_none_may_run_is_ended(call: Call) -> None:
    assert play(call, HuntFound(2)) == (call, [HangUpHunt(2)])


def test_a_talk_that_was_running_when_the_call_was_taken_up_again_goes_on() -> None:
    call, commands = play(a_connected_call(hunts=1, hunting=False), HuntFound(1), LegsJoined())
    assert (call.state, HangUpHunt(1) in commands) == (AttemptState.CONNECTED, False)
    assert play(call, HuntEnded(1))[1] == [HangUpLead()]


@by_state
def test_a_call_whose_end_was_not_seen_is_unknown_unless_they_talked(call: Call) -> None:
    ended, commands = play(call, Vanished())
    talked = call.state is AttemptState.CONNECTED
    assert ended.outcome is (Outcome.CONNECTED if talked else Outcome.UNKNOWN)
    assert commands == ([HangUpHunt(1)] if call.hunting else [])


# --- news that come late, twice or crosswise -------------------------------------------------------------------------


def test_while_a_hunt_runs_no_second_one_starts() -> None:
    assert play(a_hunting_call(), LeadHeld(), LeadHeld()) == (a_hunting_call(), [])
    found, commands = play(replace(a_hunting_call(), held=False), LeadHeld())
    assert (found, commands) == (a_hunting_call(), [PATIENCE])


def test_an_agent_who_answers_after_the_time_is_up_is_let_go() -> None:
    given_up, _ = play(a_hunting_call(), AgentDialTimedOut(1))
    for call in (given_up, play(given_up, LeadQueued())[0]):
        assert play(call, AgentAnswered(1)) == (call, [HangUpHunt(1)])


def test_an_agent_whose_hunt_outlived_the_order_to_end_it_is_let_go_even_while_the_lead_talks() -> None:
    call, _ = play(a_queued_call(), AgentConnected(BEN))
    assert play(call, AgentConnected(ANNA, hunt=1), AgentAnswered(1)) == (call, [HangUpHunt(1), HangUpHunt(1)])


def test_an_agent_on_a_hunt_that_was_given_up_does_not_talk_to_the_lead_in_the_queue() -> None:
    call, commands = play(a_queued_call(), AgentConnected(ANNA, hunt=1))
    assert (call.state, commands) == (AttemptState.QUEUED, [HangUpHunt(1)])


def test_an_agent_who_answers_when_the_lead_has_left_is_let_go() -> None:
    call, _ = play(a_hunting_call(), LeadLeft())
    assert play(call, AgentAnswered(1)) == (call, [HangUpHunt(1)])


def test_the_lead_is_queued_while_the_legs_are_being_joined() -> None:
    call, commands = play(a_hunting_call(), AgentAnswered(1), LeadQueued(), LegsJoined(1))
    assert (call.state, commands) == (AttemptState.QUEUED, [JoinLegs(1), HangUpHunt(1)])


def test_the_lead_is_queued_by_the_dialplan_just_after_the_join() -> None:
    """The lead stands in the queue: the agent's end must not hang up the lead any more."""
    call, commands = play(a_hunting_call(), AgentAnswered(1), LegsJoined(1), LeadQueued(), HuntEnded(1))
    assert commands == [JoinLegs(1), HangUpHunt(1)]
    assert call.state is AttemptState.CONNECTED


def test_an_agent_who_hung_up_before_the_join_was_never_there() -> None:
    call, commands = play(a_hunting_call(), AgentAnswered(1), HuntEnded(1), LegsJoined(1))
    assert (call.state, commands) == (AttemptState.ANSWERED, [JoinLegs(1), MoveToQueue()])


def test_an_agent_who_answered_in_time_is_joined_though_the_time_is_up_meanwhile() -> None:
    call, commands = play(a_hunting_call(), AgentAnswered(1), AgentDialTimedOut(1), LegsJoined(1))
    assert (call.state, commands) == (AttemptState.CONNECTED, [JoinLegs(1)])


def test_the_lead_hangs_up_while_the_legs_are_being_joined() -> None:
    call, commands = play(a_hunting_call(), AgentAnswered(1), LeadLeft(), LegsJoined(1))
    assert (call.outcome, call.connected_at) == (Outcome.HUNG_UP, None)
    assert commands == [JoinLegs(1), HangUpHunt(1)]


def test_the_queue_names_its_agent_before_or_after_the_agent_is_in_our_hands() -> None:
    named, held = AgentConnected(ANNA, hunt=1), AgentAnswered(1)
    for events in ((named, held), (held, named)):
        call, commands = play(a_hunting_call(), *events, LegsJoined(1))
        assert (call.state, call.agent, commands) == (AttemptState.CONNECTED, ANNA, [JoinLegs(1)])


def test_the_name_of_the_agent_may_come_after_the_join() -> None:
    call, _ = play(a_hunting_call(), AgentAnswered(1), LegsJoined(1), AgentConnected(ANNA, 1))
    assert call.agent == ANNA


@by_state
def test_a_reminder_of_an_earlier_hunt_changes_nothing(call: Call) -> None:
    assert play(call, AgentDialTimedOut(0), HuntEnded(0)) == (call, [])


@by_state
def test_after_the_end_nothing_moves_the_call_any_more(call: Call) -> None:
    ended, _ = play(call, Vanished())
    late: list[CallEvent] = [
        LeadRang(),
        LeadAnswered(),
        LeadQueued(),
        LegsJoined(1),
        HuntEnded(1),
        LeadLeft(),
        Vanished(),
        Opened(),
        LeadHeld(),
        WaitExceeded(),
        MessageBegun(),
    ]
    late += [StopRequested(), DialRefused(), AgentDialTimedOut(1)]
    assert play(ended, *late, after_s=9) == (ended, [])
    assert ended.ended_at == NOON
