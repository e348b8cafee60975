"""Voice menus as data: what may stand in one, and what is said of what may not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.domain.calls import AttemptState, CallEvent, KeyPressed, LeadHeld, MenuSoundEnded, NoKeyPressed, PlayInMenu
from dialerd.domain.dial_modes import step
from dialerd.domain.menus import (
    KEYS,
    MAX_NODES,
    Choice,
    MenuAction,
    MenuNode,
    VoiceMenu,
    is_sound_name,
    problems_of_menu,
)
from tests.factories import a_menu, a_menu_call, a_node, later


def menu_of(**changes: Any) -> VoiceMenu:
    return a_menu(nodes={"start": a_node(**{"choices": {"1": Choice(action=MenuAction.END)}} | changes)})


def with_choice(key: str = "1", **changes: Any) -> VoiceMenu:
    return menu_of(choices={key: Choice(**{"action": MenuAction.END} | changes)})


def test_a_plain_menu_has_no_problems() -> None:
    assert problems_of_menu(a_menu()) == []


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_a_phone_may_be_pressed(key: str) -> None:
    assert problems_of_menu(with_choice(key)) == []


@pytest.mark.parametrize(
    ("menu", "problem"),
    [
        (a_menu(name=""), "name: 1 to 40 letters, digits, '-' or '_'"),
        (a_menu(name="a\n"), "name: 1 to 40 letters, digits, '-' or '_'"),
        (VoiceMenu(name="m", nodes={}), "nodes: the first one is called start, and there is none"),
        (
            VoiceMenu(name="m", nodes={**{f"{n}": a_node() for n in range(MAX_NODES - 1)}, **a_menu().nodes}),
            f"nodes: {MAX_NODES} at most",
        ),
        (
            VoiceMenu(name="m", nodes={**a_menu().nodes, "a b": menu_of().nodes["start"]}),
            "node a b: its name: 1 to 40 letters, digits, '-' or '_'",
        ),
        (menu_of(prompt=""), "node start: prompt: name the sound that is played"),
        (menu_of(choices={}), "node start: choices: name at least one key"),
        (menu_of(wait=timedelta(milliseconds=999)), "node start: wait: from 1 to 60 seconds"),
        (menu_of(wait=timedelta(seconds=61)), "node start: wait: from 1 to 60 seconds"),
        (menu_of(tries=0), "node start: tries: from 1 to 10"),
        (menu_of(tries=11), "node start: tries: from 1 to 10"),
        (
            menu_of(prompt="../secret"),
            "node start: sound '../secret': letters, digits, '.', '_', '/' and '-' only, as Asterisk names it",
        ),
        (
            menu_of(invalid_sound="a&b"),
            "node start: sound 'a&b': letters, digits, '.', '_', '/' and '-' only, as Asterisk names it",
        ),
        (with_choice("A"), "node start: A: no phone has this key; there are 0123456789*#"),
        (with_choice("12"), "node start: 12: no phone has this key; there are 0123456789*#"),
        (with_choice(""), "node start: : no phone has this key; there are 0123456789*#"),
        (with_choice("give_up"), "node start: give_up: no phone has this key; there are 0123456789*#"),
        (with_choice(result="A B"), "node start: 1: result: up to 40 small letters, digits or '_'"),
        (with_choice(action=MenuAction.GOTO, goto="x"), "node start: 1: goto: there is no node 'x'"),
        (with_choice(action=MenuAction.GOTO), "node start: 1: goto: there is no node ''"),
        (with_choice(goto="start"), "node start: 1: goto: only the action goto has it"),
        (
            with_choice(action=MenuAction.GOTO, goto="start", sound="s"),
            "node start: 1: sound: the action goto plays the node's prompt, and nothing else",
        ),
        (
            with_choice(action=MenuAction.REPEAT, sound="s"),
            "node start: 1: sound: the action repeat plays the node's prompt, and nothing else",
        ),
        (
            menu_of(give_up=Choice(action=MenuAction.REPEAT)),
            "node start: give_up: after the last try the menu ends: choose end, queue or opt_out",
        ),
        (
            menu_of(give_up=Choice(action=MenuAction.GOTO, goto="start")),
            "node start: give_up: after the last try the menu ends: choose end, queue or opt_out",
        ),
        (
            menu_of(give_up=Choice(action=MenuAction.END, result="!")),
            "node start: give_up: result: up to 40 small letters, digits or '_'",
        ),
    ],
)
def test_a_problem_says_where_it_is_and_what_is_allowed(menu: VoiceMenu, problem: str) -> None:
    assert problems_of_menu(menu) == [problem]


def test_all_problems_are_told_at_once() -> None:
    menu = replace(menu_of(prompt="", choices={}, wait=timedelta(0), tries=0), name="!")
    assert len(problems_of_menu(menu)) == 5


@pytest.mark.parametrize("action", [MenuAction.END, MenuAction.OPT_OUT, MenuAction.QUEUE])
def test_after_the_last_try_the_menu_may_end_or_lead_to_an_agent(action: MenuAction) -> None:
    assert problems_of_menu(menu_of(give_up=Choice(action=action, sound="bye", result="given_up"))) == []


def test_a_menu_names_every_sound_that_the_pbx_must_have() -> None:
    assert a_menu().sounds == {
        "press-1-to-confirm-2-to-cancel",
        "more",
        "wrong-key",
        "thanks",
        "goodbye",
        "please-wait",
    }


def test_a_menu_needs_a_queue_where_a_key_or_the_last_try_leads_to_an_agent() -> None:
    to_agent = Choice(action=MenuAction.QUEUE)
    assert not menu_of().needs_queue
    assert with_choice(action=MenuAction.QUEUE).needs_queue
    assert menu_of(give_up=to_agent).needs_queue


@pytest.mark.parametrize("name", ["thanks", "dialerd/nobody-free", "custom/en_US/v1.2-hello", "1"])
def test_names_of_sounds(name: str) -> None:
    assert is_sound_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a..b",
        ".hidden",
        "-x",
        "a b",
        "a&b",
        "a,b",
        "${EXTEN}",
        "a|b",
        "sound:x",
        "http://example.com/x",
        "a\n",
        "a\r\nAction: Command",
        "\x00",
        "é",
        "a" * 121,
    ],
)
def test_what_is_more_than_the_name_of_a_sound_is_none(name: str) -> None:
    assert not is_sound_name(name)


# --- anything that a file may hold -----------------------------------------------------------------------------------

texts = st.one_of(
    st.sampled_from(["", "start", "more", "give_up", "a", "../x", "a&b", "${X}", "\x00", "a\n", "1"]),
    st.text(max_size=5),
)
keys = st.one_of(st.sampled_from([*KEYS, "A", "", "10", "give_up"]), st.text(max_size=2))
choices = st.builds(
    Choice, action=st.sampled_from(MenuAction), result=texts, sound=texts, goto=st.one_of(st.just(""), texts)
)
nodes = st.builds(
    MenuNode,
    prompt=texts,
    choices=st.dictionaries(keys, choices, max_size=4),
    invalid_sound=texts,
    wait=st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)),
    tries=st.integers(-2, 12),
    give_up=choices,
)
menus = st.builds(VoiceMenu, name=texts, nodes=st.dictionaries(texts, nodes, max_size=4))

good_names = st.sampled_from(["start", "a", "b"])
good_choices = st.one_of(
    st.builds(Choice, action=st.just(MenuAction.GOTO), goto=good_names),
    st.builds(Choice, action=st.just(MenuAction.REPEAT)),
    st.builds(
        Choice,
        action=st.sampled_from([MenuAction.END, MenuAction.OPT_OUT, MenuAction.QUEUE]),
        sound=st.sampled_from(["", "bye"]),
    ),
)
circles = st.builds(
    VoiceMenu,
    name=st.just("round"),
    nodes=st.fixed_dictionaries(
        {
            name: st.builds(
                MenuNode,
                prompt=st.just(name),
                choices=st.dictionaries(st.sampled_from(KEYS), good_choices, min_size=1, max_size=5),
                tries=st.integers(1, 10),
                wait=st.just(timedelta(seconds=1)),
                give_up=st.sampled_from([Choice(action=MenuAction.END), Choice(action=MenuAction.QUEUE)]),
            )
            for name in ("start", "a", "b")
        }
    ),
)


@given(menus)
def test_of_anything_that_a_file_may_hold_the_problems_can_be_told(menu: VoiceMenu) -> None:
    problems = problems_of_menu(menu)
    assert all(isinstance(problem, str) for problem in problems)
    if problems:
        return
    assert "start" in menu.nodes
    assert all(is_sound_name(sound) for sound in menu.sounds)
    for name, node in menu.nodes.items():
        assert name.isascii()
        assert name.isprintable()
        assert set(node.choices) <= set(KEYS)
        assert {choice.goto for choice in node.choices.values()} <= {*menu.nodes, ""}


events: st.SearchStrategy[CallEvent] = st.one_of(
    st.sampled_from(KEYS).map(KeyPressed),
    st.sampled_from(["A", "", "12"]).map(KeyPressed),
    st.integers(0, 9).map(MenuSoundEnded),
    st.integers(0, 9).map(NoKeyPressed),
    st.just(LeadHeld()),
)


@given(menus, st.lists(events, max_size=20))
@example(VoiceMenu(name="", nodes={}), [KeyPressed("1")])
def test_a_menu_that_came_past_the_checks_breaks_nothing(menu: VoiceMenu, pressed: list[CallEvent]) -> None:
    """It is the person on the line who would hear of it."""
    call, _ = step(a_menu_call(menu=menu), LeadHeld(), later(0))
    for second, event in enumerate(pressed):
        call, commands = step(call, event, later(second))
        assert call.menu_node in menu.nodes or call.menu_over
        assert all(isinstance(command.sound, str) for command in commands if isinstance(command, PlayInMenu))


@given(circles, st.lists(st.sampled_from(KEYS), min_size=1))
def test_however_a_menu_goes_round_it_comes_to_an_end(menu: VoiceMenu, pressed: list[str]) -> None:
    assert problems_of_menu(menu) == []
    call, _ = step(a_menu_call(menu=menu, answered_at=later(0)), LeadHeld(), later(0))
    for second in range(0, 302, 2):
        if call.state is not AttemptState.MENU or call.menu_over:
            return
        call, _ = step(call, KeyPressed(pressed[second // 2 % len(pressed)]), later(second))
    assert call.menu_over or call.state is AttemptState.ANSWERED
