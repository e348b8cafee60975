"""Voice menu: "Press 1 to confirm, 2 to cancel. No agent involvement — the system records the response and sends it back to the
CRM."
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AnsweredBy,
    AttemptState,
    Call,
    CallCommand,
    CallEvent,
    DialLead,
    DialRefused,
    ExtendHold,
    HangUpHunt,
    HangUpLead,
    HoldExpires,
    HuntAgent,
    HuntEnded,
    HuntFound,
    JoinLegs,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    MenuSoundEnded,
    MessageBegun,
    MoveToMessage,
    MoveToQueue,
    NoKeyPressed,
    NoteOptOut,
    Opened,
    OptedOut,
    PlayInMenu,
    Remind,
    StopRequested,
    Vanished,
    WaitExceeded,
)
from dialerd.domain.dial_modes.menu import LONGEST_MENU, LONGEST_SOUND, RENEW, STAY
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_menu, a_menu_call, a_node, later
from tests.walks import orders, play

PROMPT = "press-1-to-confirm-2-to-cancel"


def inside(**changes: object) -> Call:
    """The lead has answered at noon and hears the first prompt."""
    return play(a_menu_call(**changes), LeadRang(), LeadAnswered(), LeadHeld())[0]


def heard(commands: list[CallCommand]) -> list[str]:
    return [command.sound for command in commands if isinstance(command, PlayInMenu)]


def with_node(**changes: object) -> Call:
    return inside(menu=a_menu(nodes={"start": a_node(**changes)}))


# --- the good call ---------------------------------------------------------------------------------------------------


HOLDING_ON = [ExtendHold(STAY), Remind(RENEW, HoldExpires())]


def test_the_whole_of_a_good_call() -> None:
    call, commands = play(a_menu_call(dialed=False), Opened(), Opened())
    assert commands == [DialLead()]
    call, commands = play(call, LeadRang(), LeadAnswered(), after_s=4)
    assert (call.state, call.answered_at, commands) == (AttemptState.MENU, later(4), [])

    call, commands = play(call, LeadHeld(), after_s=4)
    sound = [PlayInMenu(1, PROMPT), Remind(LONGEST_SOUND, MenuSoundEnded(1))]
    assert commands == [*HOLDING_ON, *sound]
    assert (call.state, call.menu_node, call.waiting_since) == (AttemptState.MENU, "start", None)

    call, commands = play(call, KeyPressed("1"), after_s=9)
    assert (call.menu_result, heard(commands)) == ("confirmed", ["thanks"])
    call, commands = play(call, MenuSoundEnded(2), after_s=11)
    assert commands == [HangUpLead()]
    call, commands = play(call, LeadLeft(cause=16), after_s=11)
    assert (call.state, call.outcome, commands) == (AttemptState.ENDED, Outcome.MENU_CHOICE, [])


def test_while_the_daemon_lives_it_holds_on_to_the_lead_and_when_it_does_not_the_dialplan_has_the_lead_back_soon() -> (
    None
):
    """Law L9: within ten seconds, however long the sound or the wait for a key is."""
    call, commands = play(inside(), HoldExpires(), HoldExpires())
    assert (call, commands) == (inside(), [*HOLDING_ON, *HOLDING_ON])
    ended, _ = play(call, LeadLeft(cause=16))
    assert play(ended, HoldExpires()) == (ended, [])
    assert RENEW * 2 < STAY == timedelta(seconds=10)


def test_no_agent_is_promised_to_a_call_into_a_menu() -> None:
    assert not a_menu_call().needs_agent
    assert not inside().needs_agent


def test_a_choice_without_a_sound_ends_the_call_at_once() -> None:
    call, commands = play(inside(), KeyPressed("2"))
    assert (call.menu_result, commands) == ("cancelled", [HangUpLead()])


def test_the_first_choice_that_ends_the_menu_counts() -> None:
    call, _ = play(inside(), KeyPressed("1"))
    assert play(call, KeyPressed("2"), NoKeyPressed(2), KeyPressed("9")) == (call, [])


def test_the_lead_who_is_held_before_we_heard_of_the_answer_is_in_the_menu() -> None:
    call, commands = play(a_menu_call(state=AttemptState.RINGING), LeadHeld(), after_s=3)
    assert (call.state, call.answered_at, heard(commands)) == (AttemptState.MENU, later(3), [PROMPT])


# --- keys, time-outs, wrong keys -------------------------------------------------------------------------------------


def test_after_the_prompt_there_is_time_for_a_key_and_then_it_is_played_again() -> None:
    call, commands = play(inside(), MenuSoundEnded(1))
    assert commands == [Remind(timedelta(seconds=5), NoKeyPressed(1))]
    call, commands = play(call, NoKeyPressed(1))
    assert heard(commands) == [PROMPT]
    assert play(call, NoKeyPressed(1), MenuSoundEnded(1)) == (call, [])


def test_who_presses_nothing_hears_it_as_often_as_the_menu_says() -> None:
    call, sounds, commands = inside(), [PROMPT], list[CallCommand]()
    while not call.menu_over:
        call, commands = play(call, MenuSoundEnded(call.menu_step), NoKeyPressed(call.menu_step))
        sounds += heard(commands)
    assert (sounds, commands[-1]) == ([PROMPT] * 3, HangUpLead())
    assert play(call, LeadLeft(cause=16))[0].outcome is Outcome.MENU_LEFT


@pytest.mark.parametrize("key", ["7", "A", "#", ""])
def test_a_wrong_key_is_told_before_the_prompt_is_played_again(key: str) -> None:
    call, commands = play(inside(), KeyPressed(key))
    assert heard(commands) == ["wrong-key"]
    call, commands = play(call, MenuSoundEnded(2))
    assert heard(commands) == [PROMPT]
    _, commands = play(call, MenuSoundEnded(3))
    assert commands == [Remind(timedelta(seconds=5), NoKeyPressed(3))]


def test_without_a_sound_for_wrong_keys_the_prompt_follows_at_once() -> None:
    assert heard(play(with_node(invalid_sound=""), KeyPressed("7"))[1]) == [PROMPT]


def test_wrong_keys_and_silence_count_alike() -> None:
    call, _ = play(inside(), KeyPressed("7"), NoKeyPressed(2))
    call, commands = play(call, KeyPressed("7"))
    assert (call.menu_over, commands) == (True, [HangUpLead()])


def test_the_right_key_in_the_middle_of_the_warning_is_taken() -> None:
    """And the warning is forgotten: the next prompt is played once."""
    call, commands = play(inside(), KeyPressed("7"), KeyPressed("5"))
    assert heard(commands) == ["wrong-key", "more"]
    _, commands = play(call, MenuSoundEnded(3))
    assert commands == [Remind(timedelta(seconds=5), NoKeyPressed(3))]


def test_repeat_counts_as_a_try() -> None:
    _, commands = play(inside(), KeyPressed("*"), KeyPressed("*"), KeyPressed("*"))
    assert [*heard(commands), commands[-1]] == [PROMPT, PROMPT, HangUpLead()]


def test_goto_begins_the_other_node_with_all_of_its_tries() -> None:
    call, commands = play(inside(), KeyPressed("7"), KeyPressed("5"))
    assert (call.menu_node, call.menu_tries, heard(commands)[-1]) == ("more", 0, "more")


def test_the_last_try_may_lead_to_an_agent() -> None:
    call, _ = play(inside(), KeyPressed("5"))
    _, commands = play(call, KeyPressed("7"), KeyPressed("7"))
    assert HuntAgent(1) in commands


def test_a_menu_that_is_walked_in_circles_ends() -> None:
    """The tries alone bound no `goto`."""
    call, clock, steps = inside(), 0.0, 0
    while call.state is AttemptState.MENU and not call.menu_over:
        clock, steps = clock + 7, steps + 1
        call, _ = play(call, KeyPressed("5"), after_s=clock)
    assert LONGEST_MENU.total_seconds() <= clock <= LONGEST_MENU.total_seconds() + 7
    assert steps > 40


@pytest.mark.parametrize("event", [KeyPressed("*"), KeyPressed("7"), NoKeyPressed(1)])
def test_after_the_longest_time_the_node_gives_up(event: CallEvent) -> None:
    call, commands = play(inside(), event, after_s=LONGEST_MENU.total_seconds())
    assert (call.menu_over, commands) == (True, [HangUpLead()])
    assert play(inside(), KeyPressed("1"), after_s=400)[0].menu_result == "confirmed"


def test_a_sound_of_whose_end_nobody_tells_is_taken_to_be_over() -> None:
    call, commands = play(inside(), KeyPressed("1"))
    assert Remind(LONGEST_SOUND, MenuSoundEnded(2)) in commands
    assert play(call, MenuSoundEnded(2))[1] == [HangUpLead()]


# --- opting out ------------------------------------------------------------------------------------------------------


def test_who_opts_out_is_on_the_do_not_call_list_at_once() -> None:
    """The daemon may not live to see the end of the goodbye."""
    call, commands = play(inside(), KeyPressed("9"))
    assert commands[0] == NoteOptOut()
    assert heard(commands) == ["goodbye"]
    for end in (LeadLeft(cause=16), Vanished()):
        assert play(call, end)[0].outcome is Outcome.OPTED_OUT


def test_who_opts_out_and_hears_the_message_of_the_dialplan_after_all_has_opted_out() -> None:
    call, _ = play(inside(), KeyPressed("9"))
    for events in ((MessageBegun(), LeadLeft()), (LeadQueued(), LeadLeft()), (OptedOut(), LeadLeft())):
        ended, commands = play(call, *events)
        assert (ended.outcome, commands) == (Outcome.OPTED_OUT, [])


# --- to an agent -----------------------------------------------------------------------------------------------------


def test_who_chooses_to_talk_waits_for_an_agent_as_in_progressive_mode() -> None:
    call, commands = play(inside(), KeyPressed("0"), after_s=8)
    assert (call.state, call.waiting_since, call.menu_result) == (AttemptState.ANSWERED, later(8), "wants_agent")
    assert call.needs_agent
    assert commands == [
        ExtendHold(timedelta(seconds=23) + LONGEST_SOUND),
        PlayInMenu(2, "please-wait"),
        HuntAgent(1),
        Remind(timedelta(seconds=20), AgentDialTimedOut(1)),
        Remind(timedelta(seconds=3), WaitExceeded()),
    ]
    joined, commands = play(call, AgentAnswered(1), LegsJoined(1), after_s=12)
    assert (joined.state, commands) == (AttemptState.CONNECTED, [JoinLegs(1)])
    assert play(call, HuntEnded(1))[1] == [MoveToQueue()]


def test_the_prompt_ends_though_the_choice_has_no_sound() -> None:
    call, _ = play(inside(), KeyPressed("5"))
    _, commands = play(call, KeyPressed("7"), KeyPressed("7"))
    assert heard(commands) == ["more", ""]


def test_who_leaves_before_the_agent_is_due_was_not_abandoned_however_long_the_menu_was() -> None:
    call, _ = play(inside(), KeyPressed("0"), after_s=60)
    assert play(call, LeadLeft(), after_s=62)[0].outcome is Outcome.HUNG_UP
    assert play(call, LeadLeft(), after_s=63)[0].outcome is Outcome.ABANDONED


def test_where_there_is_no_queue_the_lead_hears_the_message() -> None:
    call, commands = play(inside(queue=""), KeyPressed("0"))
    assert (call.state, orders(commands)[-1]) == (AttemptState.MESSAGE, MoveToMessage())


def test_an_agent_who_answers_for_a_lead_in_the_menu_is_let_go() -> None:
    assert play(inside(), AgentAnswered(1)) == (inside(), [HangUpHunt(1)])


# --- the end ---------------------------------------------------------------------------------------------------------


def test_who_hangs_up_in_the_menu_has_left_it_unless_something_was_chosen_before() -> None:
    assert play(inside(), LeadLeft(cause=16))[0].outcome is Outcome.MENU_LEFT
    noted = Choice(action=MenuAction.GOTO, goto="start", result="informed")
    call, _ = play(with_node(choices={"4": noted}), KeyPressed("4"))
    assert play(call, LeadLeft(cause=16))[0].outcome is Outcome.MENU_CHOICE


def test_a_menu_whose_end_was_not_seen_proves_only_what_was_chosen() -> None:
    assert play(inside(), Vanished())[0].outcome is Outcome.UNKNOWN
    assert play(inside(), KeyPressed("2"), Vanished())[0].outcome is Outcome.MENU_CHOICE


def test_stop_leaves_a_lead_in_the_menu_alone() -> None:
    assert play(inside(), StopRequested()) == (inside(), [])


def test_a_machine_that_is_to_be_dropped_hears_no_menu() -> None:
    call, commands = play(a_menu_call(drop_machine=True), LeadAnswered(), LeadHeld(AnsweredBy.MACHINE))
    assert (commands, call.needs_agent) == ([HangUpLead()], False)
    assert play(call, KeyPressed("1")) == (call, [])
    for end in (LeadLeft(cause=16), Vanished()):
        assert play(call, end)[0].outcome is Outcome.VOICEMAIL


def test_a_dial_that_was_refused_was_never_placed() -> None:
    assert play(a_menu_call(), DialRefused())[0].outcome is Outcome.NOT_PLACED


# --- while the daemon was away ---------------------------------------------------------------------------------------


def test_a_restarted_daemon_begins_the_node_again_where_the_lead_was() -> None:
    found = a_menu_call(state=AttemptState.MENU, answered_at=later(0), menu_node="more")
    call, commands = play(found, LeadHeld())
    assert (call.menu_node, heard(commands)) == ("more", ["more"])


def test_a_link_that_was_restored_plays_the_prompt_once_more_and_gives_no_tries_back() -> None:
    call, _ = play(inside(), NoKeyPressed(1))
    call, commands = play(call, LeadHeld())
    assert (call.menu_tries, heard(commands)) == (1, [PROMPT])


def test_a_link_that_was_restored_after_the_last_choice_ends_the_call() -> None:
    call, _ = play(inside(), KeyPressed("1"))
    assert play(call, LeadHeld()) == (call, [HangUpLead()])


def test_a_node_that_an_edit_has_taken_away_is_left_for_the_beginning() -> None:
    found = a_menu_call(state=AttemptState.MENU, answered_at=later(0), menu_node="gone")
    assert heard(play(found, LeadHeld())[1]) == [PROMPT]


def test_where_there_is_nothing_to_play_the_call_ends() -> None:
    empty = VoiceMenu(name="empty", nodes={})
    call, commands = play(a_menu_call(menu=empty), LeadHeld())
    assert (call.menu_over, commands) == (True, [*HOLDING_ON, HangUpLead()])


@pytest.mark.parametrize("action", [MenuAction.GOTO, MenuAction.REPEAT])
def test_a_menu_that_came_past_the_checks_does_not_go_round_for_ever(action: MenuAction) -> None:
    round_ = Choice(action=action, goto="start")
    menu = VoiceMenu(name="round", nodes={"start": MenuNode(prompt="p", choices={}, tries=1, give_up=round_)})
    call, commands = play(inside(menu=menu), NoKeyPressed(1))
    assert (call.menu_over, commands) == (True, [HangUpLead()])


def test_without_its_menu_the_lead_gets_an_agent_or_the_message() -> None:
    assert HuntAgent(1) in play(a_menu_call(menu=None), LeadAnswered(), LeadHeld())[1]
    call, commands = play(a_menu_call(menu=None, queue=""), LeadAnswered(), LeadHeld())
    assert (call.state, orders(commands)) == (AttemptState.MESSAGE, [MoveToMessage()])


def test_a_hunt_that_the_daemon_died_over_is_taken_up_and_not_the_menu() -> None:
    found = a_menu_call(state=AttemptState.MENU, answered_at=later(0), menu_node="start", hunts=1)
    call, commands = play(found, LeadAnswered(), HuntFound(1), LeadHeld(), AgentAnswered(1), after_s=9)
    assert (call.state, call.waiting_since) == (AttemptState.ANSWERED, later(9))
    assert orders(commands) == [JoinLegs(1)]


def test_a_lead_whom_the_dialplan_queued_has_waited_since_then_only() -> None:
    call, _ = play(inside(), LeadQueued(), after_s=70)
    assert (call.state, call.waiting_since) == (AttemptState.QUEUED, later(70))
    assert play(call, LeadLeft(), after_s=71)[0].outcome is Outcome.HUNG_UP
    call, _ = play(call, AgentConnected(BEN), after_s=75)
    assert (call.state, call.agent) == (AttemptState.CONNECTED, BEN)


def test_what_was_chosen_counts_though_the_dialplan_ended_the_call_with_its_message() -> None:
    call, _ = play(inside(), KeyPressed("1"), MessageBegun(), after_s=65)
    assert play(call, LeadLeft(), after_s=70)[0].outcome is Outcome.MENU_CHOICE
    call, _ = play(inside(), MessageBegun(), after_s=65)
    assert play(call, LeadLeft(), after_s=70)[0].outcome is Outcome.ABANDONED


def test_who_wanted_an_agent_and_got_the_message_was_abandoned() -> None:
    call, _ = play(inside(), KeyPressed("0"), MessageBegun(), after_s=65)
    assert play(call, LeadLeft(), after_s=66)[0].outcome is Outcome.ABANDONED


def test_a_wanted_agent_is_rung_first_here_too() -> None:
    call, commands = play(replace(inside(), wanted_agent=ANNA), KeyPressed("0"))
    assert HuntAgent(1, ANNA) in commands
    assert HuntAgent(2) in play(call, HuntEnded(1))[1]
