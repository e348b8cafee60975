"""Voice menus: what a lead hears, which keys there are, and what each of them means. A menu is data, never code (law L10)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

KEYS = "0123456789*#"
START = "start"
MAX_NODES = 50

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SOUND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,119}")
_RESULT = re.compile(r"[a-z0-9_]{1,40}")


class MenuAction(StrEnum):
    """What a choice does."""

    END = "end"  # hang up, after the choice's sound
    OPT_OUT = "opt_out"  # onto the do-not-call list, then hang up
    QUEUE = "queue"  # to an agent of the bound queue
    GOTO = "goto"  # to another node
    REPEAT = "repeat"  # hear it once more


GOES_ROUND = frozenset({MenuAction.GOTO, MenuAction.REPEAT})
"""After which the menu goes on. It may do so in circles: see dial_modes.menu, which bounds it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    action: MenuAction
    result: str = ""
    """What is written down of it, e.g. `confirmed`. Empty: it says nothing of the lead."""
    sound: str = ""
    """Played before the call ends, or while agents are rung."""
    goto: str = ""
    """The node that `goto` goes to."""


GIVE_UP = Choice(action=MenuAction.END)


@dataclass(frozen=True, kw_only=True)
class MenuNode:
    prompt: str
    """Sound, as Asterisk names it (without its file type)."""
    choices: Mapping[str, Choice] = field(hash=False)
    """By key."""
    invalid_sound: str = ""
    """Played before the prompt after a wrong key, or none."""
    wait: timedelta = timedelta(seconds=5)
    """For a key, from the end of the prompt."""
    tries: int = 3
    """How often the prompt is played to who presses nothing, or a wrong key."""
    give_up: Choice = GIVE_UP
    """What happens after the last try."""


@dataclass(frozen=True, kw_only=True)
class VoiceMenu:
    """It begins with the node `start`."""

    name: str
    nodes: Mapping[str, MenuNode] = field(hash=False)

    @property
    def sounds(self) -> frozenset[str]:
        """Everything that is to exist on the PBX."""
        found = {sound for node in self.nodes.values() for sound in _sounds_of(node)}
        return frozenset(found - {""})

    @property
    def needs_queue(self) -> bool:
        """Whether a choice leads to an agent."""
        return any(choice.action is MenuAction.QUEUE for node in self.nodes.values() for choice in _choices(node))


def _sounds_of(node: MenuNode) -> Iterator[str]:
    yield node.prompt
    yield node.invalid_sound
    yield from (choice.sound for choice in _choices(node))


def _choices(node: MenuNode) -> Iterator[Choice]:
    yield from node.choices.values()
    yield node.give_up


def is_sound_name(text: str) -> bool:
    """Whether it can be no more than the name of a sound: no way out of the sounds' folder, nothing that a dialplan reads."""
    return bool(_SOUND.fullmatch(text)) and ".." not in text


def problems_of_menu(menu: VoiceMenu) -> list[str]:
    """Everything that is wrong with the menu, each as a sentence that says where and what to do. Empty: nothing is."""
    found = []
    if not _NAME.fullmatch(menu.name):
        found.append("name: 1 to 40 letters, digits, '-' or '_'")
    if START not in menu.nodes:
        found.append(f"nodes: the first one is called {START}, and there is none")
    if len(menu.nodes) > MAX_NODES:
        found.append(f"nodes: {MAX_NODES} at most")
    for name, node in menu.nodes.items():
        found += [f"node {name}: {problem}" for problem in _problems_of_node(name, node, menu)]
    return found


def _problems_of_node(name: str, node: MenuNode, menu: VoiceMenu) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "its name: 1 to 40 letters, digits, '-' or '_'"
    if not node.prompt:
        yield "prompt: name the sound that is played"
    if not node.choices:
        yield "choices: name at least one key"
    if not timedelta(seconds=1) <= node.wait <= timedelta(seconds=60):
        yield "wait: from 1 to 60 seconds"
    if not 1 <= node.tries <= 10:
        yield "tries: from 1 to 10"
    for sound in filter(None, _sounds_of(node)):
        if not is_sound_name(sound):
            yield f"sound {sound!r}: letters, digits, '.', '_', '/' and '-' only, as Asterisk names it"
    if node.give_up.action in GOES_ROUND:
        yield "give_up: after the last try the menu ends: choose end, queue or opt_out"
    yield from _problems_of_choices(node, menu)


def _problems_of_choices(node: MenuNode, menu: VoiceMenu) -> Iterator[str]:
    for key in node.choices:
        if len(key) != 1 or key not in KEYS:
            yield f"{key}: no phone has this key; there are {KEYS}"
    for key, choice in [*node.choices.items(), ("give_up", node.give_up)]:
        yield from (f"{key}: {problem}" for problem in _problems_of_choice(choice, menu))


def _problems_of_choice(choice: Choice, menu: VoiceMenu) -> Iterator[str]:
    if choice.result and not _RESULT.fullmatch(choice.result):
        yield "result: up to 40 small letters, digits or '_'"
    if choice.action is MenuAction.GOTO and choice.goto not in menu.nodes:
        yield f"goto: there is no node {choice.goto!r}"
    if choice.action is not MenuAction.GOTO and choice.goto:
        yield "goto: only the action goto has it"
    if choice.action in GOES_ROUND and choice.sound:
        yield f"sound: the action {choice.action} plays the node's prompt, and nothing else"
