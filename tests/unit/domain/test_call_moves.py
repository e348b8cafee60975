"""The tables of moves: how one is walked, and that each draws exactly what can happen."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

import pytest

from dialerd.domain.call_moves import Table, diagram_of_moves, event_name, in_order, staying, to, walk
from dialerd.domain.calls import (
    AcceptTimedOut,
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
    CardAccepted,
    CardOffered,
    CardSkipped,
    ChannelMade,
    Cleared,
    DialFailed,
    DialRefused,
    Forbidden,
    HoldExpires,
    HuntEnded,
    HuntFound,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    MenuSoundEnded,
    MessageBegun,
    NoAgent,
    NobodyToOffer,
    NoKeyPressed,
    OfferDue,
    OfferLapsed,
    Opened,
    OptedOut,
    StopRequested,
    Vanished,
    WaitExceeded,
)
from dialerd.domain.dial_modes import TABLES, step
from dialerd.domain.offers import OFFER_TRANSITIONS, OfferState
from dialerd.errors import IllegalTransition
from tests.factories import ANNA, NOON, a_call, a_menu, a_menu_call, a_node, a_preview_call, an_agent_first_call

ALPHABET: tuple[CallEvent, ...] = (
    Opened(),
    Cleared(),
    Forbidden(),
    CardOffered(1, ANNA),
    NobodyToOffer(1),
    OfferDue(1),
    CardAccepted(ANNA),
    CardSkipped(1),
    OfferLapsed(1),
    ChannelMade(),
    DialFailed(),
    DialRefused(),
    LeadRang(),
    LeadAnswered(),
    LeadHeld(),
    LeadHeld(AnsweredBy.MACHINE),
    WaitExceeded(),
    AcceptTimedOut(),
    AgentRang(ANNA),
    AgentRangOut(ANNA),
    *(kind(hunt) for kind in (AgentAnswered, AgentDialTimedOut, HuntEnded, HuntFound) for hunt in (1, 2)),
    AgentConnected(ANNA, 0),
    AgentConnected(ANNA, 1),
    LegsJoined(),
    LeadQueued(),
    MessageBegun(),
    OptedOut(),
    *(kind(step) for kind in (MenuSoundEnded, NoKeyPressed) for step in (1, 2)),
    HoldExpires(),
    *map(KeyPressed, "190"),
    StopRequested(),
    LeadLeft(16),
    Vanished(),
)
SMALL_MENU = a_menu(nodes={"start": a_node(tries=2, give_up=a_node().choices["0"])})
STARTS: Mapping[CallFlow, tuple[Call, ...]] = {
    CallFlow.PROGRESSIVE: (a_call(), a_call(no_agent=NoAgent.MESSAGE_AT_SLA, wanted_agent=ANNA)),
    CallFlow.PREVIEW: (
        a_preview_call(offers=0, dialed=False),
        a_preview_call(offers=0, dialed=False, no_agent=NoAgent.MESSAGE_AT_SLA, drop_machine=True),
    ),
    CallFlow.AGENT_FIRST: (
        an_agent_first_call(wanted_agent=ANNA),
        an_agent_first_call(no_agent=NoAgent.MESSAGE_AT_SLA, drop_machine=True),
    ),
    CallFlow.MENU: (
        a_menu_call(dialed=False, menu=SMALL_MENU),
        a_menu_call(dialed=False, menu=SMALL_MENU, queue="", no_agent=NoAgent.MESSAGE_AT_SLA),
        a_menu_call(dialed=False, menu=None),
        a_menu_call(dialed=False, menu=None, queue=""),
    ),
}
Arrow = tuple[AttemptState, type[Any], AttemptState]


def is_small(call: Call) -> bool:
    """What only counts up is followed for a few steps: it leads to nothing new."""
    return call.hunts <= 2 and call.menu_step <= 2 and call.offers <= 2


def essence(call: Call) -> tuple[object, ...]:
    """What of a call decides where it can go; the rest, as a name or a time, is carried along."""
    agents = call.agent, call.hunts, call.hunting, call.agent_up, call.wanted_agent, call.wanted_hunt
    card = call.offers, call.accepted, call.offered_to
    menu = call.menu is None, call.queue, call.menu_step, call.menu_tries, call.menu_over
    lead = call.held, call.placed, call.dialed, call.drop_machine and call.answered_by, call.no_agent
    return call.state, agents, card, menu, lead


@dataclass(frozen=True)
class Explored:
    calls: list[Call]
    arrows: set[Arrow]
    """Every way from one state to another."""
    heeded: set[tuple[AttemptState, type[Any]]]
    """Every event that had an effect in a state."""


@cache
def explored(flow: CallFlow) -> Explored:
    """Every call that can come of the starts of the flow, breadth first."""
    found = {essence(call): call for call in STARTS[flow]}
    arrows, heeded = set(), set()
    open_ends = deque(STARTS[flow])
    while open_ends:
        call = open_ends.popleft()
        for event in ALPHABET:
            after, commands = step(call, event, NOON)
            if commands or after != call:
                heeded.add((call.state, type(event)))
            if after.state is not call.state:
                arrows.add((call.state, type(event), after.state))
            if is_small(after) and essence(after) not in found:
                found[essence(after)] = after
                open_ends.append(after)
    return Explored(list(found.values()), arrows, heeded)


flows = pytest.mark.parametrize("flow", CallFlow)


@flows
def test_every_state_of_a_table_can_be_reached(flow: CallFlow) -> None:
    assert {call.state for call in explored(flow).calls} == set(TABLES[flow])


@flows
def test_the_table_draws_exactly_what_can_happen(flow: CallFlow) -> None:
    table = TABLES[flow]
    drawn = {
        (state, event, target) for state, moves in table.items() for event, move in moves.items() for target in move.to
    }
    assert drawn == explored(flow).arrows


@flows
def test_every_event_that_is_listed_does_something(flow: CallFlow) -> None:
    """A row that never has an effect would only pretend that the event is heeded."""
    assert explored(flow).heeded == {(state, event) for state, moves in TABLES[flow].items() for event in moves}


@flows
def test_from_wherever_a_call_is_its_end_can_be_reached(flow: CallFlow) -> None:
    for call in explored(flow).calls:
        assert step(call, Vanished(), NOON)[0].state is AttemptState.ENDED
        if call.state is not AttemptState.PREPARING:
            assert step(call, LeadLeft(16), NOON)[0].state is AttemptState.ENDED


@flows
def test_the_tables_have_the_states_that_their_flow_needs(flow: CallFlow) -> None:
    own = {CallFlow.AGENT_FIRST: {AttemptState.PREPARING}, CallFlow.MENU: {AttemptState.MENU}}.get(flow, set())
    assert set(TABLES[flow]) == set(AttemptState) - {AttemptState.PREPARING, AttemptState.MENU} | own


def test_every_event_means_something_somewhere() -> None:
    listed = {event for table in TABLES.values() for moves in table.values() for event in moves}
    assert listed == set(get_args(CallEvent))
    assert {type(event) for event in ALPHABET} == listed


# --- walking and drawing ---------------------------------------------------------------------------------------------


def test_an_event_that_a_state_does_not_list_changes_nothing() -> None:
    assert walk({}, a_call(), LeadRang(), NOON) == (a_call(), [])


def test_a_state_is_left_only_for_one_that_its_move_names() -> None:
    table: Table = {
        AttemptState.DIALING: {LeadRang: to(lambda call, _, __: (replace(call, state=AttemptState.MENU), []))}
    }
    with pytest.raises(IllegalTransition) as refusal:
        walk(table, a_call(), LeadRang(), NOON)
    assert (refusal.value.state, refusal.value.event) == (AttemptState.DIALING, AttemptState.MENU)


SAMPLE: Table = {
    AttemptState.ENDED: {},
    AttemptState.DIALING: {
        LeadRang: to(lambda call, _, __: (call, []), AttemptState.RINGING, AttemptState.ENDED),
        AgentDialTimedOut: to(lambda call, _, __: (call, []), AttemptState.ENDED),
        ChannelMade: to(lambda call, _, __: (call, [])),
    },
}


def test_a_table_is_drawn_from_its_first_state_in_the_order_of_a_calls_life() -> None:
    assert [state for state, _ in in_order(SAMPLE)] == [AttemptState.DIALING, AttemptState.ENDED]
    assert diagram_of_moves(SAMPLE).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> dialing",
        "    dialing --> ringing: lead_rang",
        "    dialing --> ended: lead_rang, agent_dial_timed_out",
        "    ended --> [*]",
    ]


def test_what_leaves_a_state_as_it_is_is_told_beside_the_drawing() -> None:
    assert staying(SAMPLE) == {AttemptState.DIALING: ["channel_made"]}


def test_events_are_named_in_plain_words() -> None:
    assert [event_name(event) for event in (Vanished, LeadHeld, NoKeyPressed)] == [
        "vanished",
        "lead_held",
        "no_key_pressed",
    ]


# --- cards -----------------------------------------------------------------------------------------------------------


def test_a_card_is_answered_once_whatever_the_answer() -> None:
    assert set(OFFER_TRANSITIONS) == set(OfferState)
    assert set(OFFER_TRANSITIONS[OfferState.OPEN].values()) == set(OfferState) - {OfferState.OPEN}
    assert not any(OFFER_TRANSITIONS[state] for state in set(OfferState) - {OfferState.OPEN})
