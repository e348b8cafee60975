"""Voice menu: dial the lead, and let the menu talk to whoever answers. No agent is needed, unless a choice leads to one."""

from dataclasses import replace
from datetime import datetime, timedelta

from dialerd.domain.call_moves import (
    SERVED,
    TAKEN_BACK,
    UNANSWERED,
    WAITING,
    Stepped,
    Table,
    dial,
    dial_failed,
    end,
    hold,
    hunt,
    hunt_found,
    is_dropped_machine,
    left_waiting,
    let_go,
    patience_of,
    placed,
    proved,
    refused,
    ring,
    serve,
    to,
)
from dialerd.domain.calls import (
    AgentAnswered,
    AttemptState,
    Call,
    CallCommand,
    ChannelMade,
    DialFailed,
    DialRefused,
    ExtendHold,
    HangUpLead,
    HoldExpires,
    HuntFound,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadRang,
    MenuSoundEnded,
    NoKeyPressed,
    NoteOptOut,
    Opened,
    PlayInMenu,
    Remind,
    Vanished,
)
from dialerd.domain.menus import GIVE_UP, GOES_ROUND, START, Choice, MenuAction, MenuNode
from dialerd.domain.outcomes import Outcome

STAY = timedelta(seconds=10)
"""For how long the dialplan leaves a lead to a daemon that has fallen silent."""
RENEW = timedelta(seconds=4)
LONGEST_SOUND = timedelta(seconds=60)
"""A sound of a menu is taken to be over after so long, also if nobody has told of its end."""
LONGEST_MENU = timedelta(minutes=5)
"""After so long since the answer nothing is begun again: the node where the person is gives up. Tries alone bound no menu that is
walked in circles."""


def _answer(call: Call, _: LeadAnswered, now: datetime) -> Stepped:
    return replace(call, state=AttemptState.MENU, answered_at=call.answered_at or now), []


def _enter(call: Call, event: LeadHeld, now: datetime) -> Stepped:
    """Into the menu: to its beginning, or (after a restart of the daemon) to that of the node where the lead was. A link that was
    restored finds the lead in the middle: what was played may be over unheard of, and is played again."""
    held, commands = hold(call, event, now)
    inside = replace(held, state=AttemptState.MENU)
    if commands:
        return inside, commands
    if call.menu is None:  # it was taken away while the phone rang: an agent has to do
        return serve(call, event, now)
    if call.menu_over:
        return inside, [HangUpLead()]
    if call.held:
        return _play(inside, _node(inside).prompt)
    entered, sounds = _go_to(inside, call.menu_node if call.menu_node in call.menu.nodes else START)
    return entered, [*_stay(), *sounds]


def _stay() -> list[CallCommand]:
    """Law L9: a daemon that dies stops renewing the hold, and the person is served by the dialplan soon, however long the menu is."""
    return [ExtendHold(STAY), Remind(after=RENEW, event=HoldExpires())]


def _renew(call: Call, _: HoldExpires, __: datetime) -> Stepped:
    return call, _stay()


def _go_to(call: Call, node: str) -> Stepped:
    """A menu that was edited meanwhile may have lost the node: then the call ends as if nobody had pressed a key."""
    inside = replace(call, menu_node=node, menu_tries=0)
    if call.menu is None or node not in call.menu.nodes:
        return _finish(inside, GIVE_UP)
    return _play(inside, _node(inside).prompt)


def _play(call: Call, sound: str, *, warning: bool = False) -> Stepped:
    """Its end is looked for also where nobody tells of it, so that no lost word leaves a person in silence."""
    step = call.menu_step + 1
    over = Remind(after=LONGEST_SOUND, event=MenuSoundEnded(step))
    return replace(call, menu_step=step, menu_warning=warning), [PlayInMenu(step, sound), over]


def _node(call: Call) -> MenuNode:
    lost = MenuNode(prompt="", choices={}, tries=1)
    return call.menu.nodes.get(call.menu_node, lost) if call.menu else lost


def _sound_over(call: Call, event: MenuSoundEnded, _: datetime) -> Stepped:
    if event.step != call.menu_step:
        return call, []
    if call.menu_over:
        return call, [HangUpLead()]
    if call.menu_warning:
        return _play(call, _node(call).prompt)
    return call, [Remind(after=_node(call).wait, event=NoKeyPressed(event.step))]


def _no_key(call: Call, event: NoKeyPressed, now: datetime) -> Stepped:
    return _again(call, "", now) if event.step == call.menu_step and not call.menu_over else (call, [])


def _key(call: Call, event: KeyPressed, now: datetime) -> Stepped:
    """Also in the middle of the prompt. After the last choice nothing counts any more."""
    if call.menu_over or is_dropped_machine(call):
        return call, []
    node = _node(call)
    choice = node.choices.get(event.key)
    return _again(call, node.invalid_sound, now) if choice is None else _choose(call, choice, now)


def _again(call: Call, warning: str, now: datetime) -> Stepped:
    """The prompt once more, as often as the menu allows."""
    node, tries = _node(call), call.menu_tries + 1
    if tries >= node.tries or _is_too_long(call, now):
        return _give_up(call, now)
    return _play(replace(call, menu_tries=tries), warning or node.prompt, warning=bool(warning))


def _is_too_long(call: Call, now: datetime) -> bool:
    return now - (call.answered_at or now) >= LONGEST_MENU


def _give_up(call: Call, now: datetime) -> Stepped:
    """What would go round again ends the call: it may have come past the checks of menus."""
    choice = _node(call).give_up
    return _choose(call, GIVE_UP if choice.action in GOES_ROUND else choice, now)


def _choose(call: Call, choice: Choice, now: datetime) -> Stepped:
    chosen = replace(call, menu_result=choice.result or call.menu_result)
    match choice.action:
        case MenuAction.GOTO:
            return _give_up(chosen, now) if _is_too_long(call, now) else _go_to(chosen, choice.goto)
        case MenuAction.REPEAT:
            return _again(chosen, "", now)
        case MenuAction.QUEUE:
            return _to_an_agent(chosen, choice, now)
        case MenuAction.OPT_OUT:
            finished, commands = _finish(replace(chosen, opted_out=True), choice)
            return finished, [NoteOptOut(), *commands]
        case MenuAction.END:
            return _finish(chosen, choice)


def _finish(call: Call, choice: Choice) -> Stepped:
    over = replace(call, menu_over=True)
    return _play(over, choice.sound) if choice.sound else (over, [HangUpLead()])


def _to_an_agent(call: Call, choice: Choice, now: datetime) -> Stepped:
    """From here on as in progressive mode; who has chosen to talk has only now begun to wait. The choice's sound, or nothing, takes the
    place of what was being played."""
    waiting = replace(call, state=AttemptState.ANSWERED, waiting_since=now, menu_step=call.menu_step + 1)
    extend = ExtendHold(call.agent_dial_timeout + call.customer_wait_sla + LONGEST_SOUND)
    hunting, more = hunt(waiting)
    return hunting, [extend, PlayInMenu(waiting.menu_step, choice.sound), *more, patience_of(waiting, now)]


def _hunt_found(call: Call, event: HuntFound, now: datetime) -> Stepped:
    """The lead had chosen to talk to an agent when the daemon died over it."""
    waiting = replace(call, state=AttemptState.ANSWERED, waiting_since=call.waiting_since or now)
    return hunt_found(waiting, event, now)


def _left(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    return end(call, _known(call) or Outcome.MENU_LEFT, now, event)


def _left_message(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    """Also where no agent was wanted: the dialplan has taken the lead back because there was no daemon. What was chosen counts."""
    known = _known(call) if call.waiting_since is None else None
    return left_waiting(call, event, now) if known is None else end(call, known, now, event)


def _vanished(call: Call, _: Vanished, now: datetime) -> Stepped:
    """What was pressed is known, however the call has ended; what was not may have gone unheard."""
    return end(call, _known(call) or Outcome.UNKNOWN, now)


def _known(call: Call) -> Outcome | None:
    return proved(call) or (Outcome.MENU_CHOICE if call.menu_result else None)


TABLE: Table = {
    AttemptState.DIALING: {
        Opened: to(dial),
        ChannelMade: to(placed),
        LeadRang: to(ring, AttemptState.RINGING),
        LeadAnswered: to(_answer, AttemptState.MENU),
        LeadHeld: to(_enter, AttemptState.MENU, AttemptState.ANSWERED, AttemptState.MESSAGE),
        DialFailed: to(dial_failed),
        DialRefused: to(refused, AttemptState.ENDED),
        **UNANSWERED,
    },
    AttemptState.RINGING: {
        LeadAnswered: to(_answer, AttemptState.MENU),
        LeadHeld: to(_enter, AttemptState.MENU, AttemptState.ANSWERED, AttemptState.MESSAGE),
        **UNANSWERED,
    },
    AttemptState.MENU: {
        LeadHeld: to(_enter, AttemptState.ANSWERED, AttemptState.MESSAGE),
        HoldExpires: to(_renew),
        MenuSoundEnded: to(_sound_over),
        KeyPressed: to(_key, AttemptState.ANSWERED, AttemptState.MESSAGE),
        NoKeyPressed: to(_no_key, AttemptState.ANSWERED, AttemptState.MESSAGE),
        HuntFound: to(_hunt_found, AttemptState.ANSWERED),
        AgentAnswered: to(let_go),
        **TAKEN_BACK,
        LeadLeft: to(_left, AttemptState.ENDED),
        Vanished: to(_vanished, AttemptState.ENDED),
    },
    AttemptState.ANSWERED: {**WAITING, LeadHeld: to(serve, AttemptState.MESSAGE)},  # there may be no queue
    **SERVED,
    AttemptState.MESSAGE: {**SERVED[AttemptState.MESSAGE], LeadLeft: to(_left_message, AttemptState.ENDED)},
}
