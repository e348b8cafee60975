"""A progressive call in a small model of the PBX and the people, whose adversary chooses what happens next.

Orders are carried out late, one after another. News travel on two connections, each in its own order, crosswise between
them. A leg that was ordered is not there at once, so that an order to hang it up can come before it. Whatever the
adversary does: in the end nobody stands in silence, no agent sits on a dead line, and who talked is known to have talked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AttemptState,
    Call,
    CallCommand,
    CallEvent,
    HangUpHunt,
    HangUpLead,
    HuntAgent,
    HuntEnded,
    JoinLegs,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    MoveToQueue,
    Remind,
    StopRequested,
)
from dialerd.domain.dial_modes.progressive import step
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_call, later

Move = Callable[[], None]


class Lead(Enum):
    COMING = auto()  # ordered; there is no channel yet
    DIALED = auto()
    RINGING = auto()
    HELD = auto()  # in the daemon's hands, hearing nothing
    BRIDGED = auto()
    QUEUED = auto()
    SERVED = auto()  # talks to an agent whom the queue has found
    GONE = auto()


class Hunt(Enum):
    COMING = auto()
    RINGING = auto()
    HELD = auto()  # an agent is on it, hearing nothing
    BRIDGED = auto()
    GONE = auto()


PRESENT = {Lead.DIALED, Lead.RINGING, Lead.HELD, Lead.BRIDGED, Lead.QUEUED, Lead.SERVED}


@dataclass
class World:
    call: Call = field(default_factory=a_call)
    lead: Lead = Lead.COMING
    hunts: dict[int, Hunt] = field(default_factory=dict)
    orders: list[CallCommand] = field(default_factory=list)
    ami: list[CallEvent] = field(default_factory=list)
    ari: list[CallEvent] = field(default_factory=list)
    reminders: list[CallEvent] = field(default_factory=list)
    talked: bool = False
    clock: float = 0.0

    # --- the daemon ---

    def feed(self, event: CallEvent) -> None:
        self.clock += 1
        self.call, commands = step(self.call, event, later(self.clock))
        for command in commands:
            if isinstance(command, Remind):
                self.reminders.append(command.event)
            else:
                self.orders.append(command)

    def hear(self, news: list[CallEvent]) -> None:
        self.feed(news.pop(0))

    def carry_out_next(self) -> None:
        match self.orders.pop(0):
            case HuntAgent(hunt):
                self.hunts[hunt] = Hunt.COMING
            case HangUpHunt(hunt):
                self.end_hunt(hunt)
            case JoinLegs(hunt):
                self.join(hunt)
            case MoveToQueue():
                self.queue_lead()
            case HangUpLead():
                self.end_lead()

    # --- the PBX ---

    def join(self, hunt: int) -> None:
        if self.lead is Lead.HELD and self.hunts[hunt] is Hunt.HELD:
            self.lead, self.hunts[hunt], self.talked = Lead.BRIDGED, Hunt.BRIDGED, True
            self.ari.append(LegsJoined())
        else:
            self.orders.append(HangUpHunt(hunt))

    def part(self) -> None:
        """Whoever is left in the bridge hears nothing."""
        if self.lead is Lead.BRIDGED:
            self.lead = Lead.HELD
        self.hunts = {hunt: Hunt.HELD if state is Hunt.BRIDGED else state for hunt, state in self.hunts.items()}

    def queue_lead(self) -> None:
        if self.lead in (Lead.HELD, Lead.BRIDGED):
            self.part()
            self.lead = Lead.QUEUED
            self.ami.append(LeadQueued())

    def end_lead(self) -> None:
        if self.lead in PRESENT:
            self.part()
            self.lead = Lead.GONE
            self.ami.append(LeadLeft(cause=16))

    def end_hunt(self, hunt: int) -> None:
        if self.hunts[hunt] in (Hunt.RINGING, Hunt.HELD, Hunt.BRIDGED):
            if self.hunts[hunt] is Hunt.BRIDGED:
                self.part()
            self.hunts[hunt] = Hunt.GONE
            self.ami.append(HuntEnded(hunt))

    # --- the people ---

    def dial(self) -> None:
        self.lead = Lead.DIALED

    def ring(self) -> None:
        self.lead = Lead.RINGING
        self.ami.append(LeadRang())

    def answer(self) -> None:
        self.lead = Lead.HELD
        self.ami.append(LeadAnswered())
        self.ari.append(LeadHeld())

    def answer_unheld(self) -> None:
        """The daemon cannot be reached at this moment, so the dialplan serves the lead."""
        self.lead = Lead.QUEUED
        self.ami += [LeadAnswered(), LeadQueued()]

    def serve_from_queue(self) -> None:
        self.lead, self.talked = Lead.SERVED, True
        self.ami.append(AgentConnected(BEN))

    def ring_agent(self, hunt: int) -> None:
        self.hunts[hunt] = Hunt.RINGING
        self.ami.append(AgentRang(ANNA))

    def answer_agent(self, hunt: int) -> None:
        self.hunts[hunt] = Hunt.HELD
        self.ami.append(AgentConnected(ANNA, hunt))
        self.ari.append(AgentAnswered(hunt))

    def lose_hunt(self, hunt: int) -> None:
        self.hunts[hunt] = Hunt.GONE

    # --- what may happen next ---

    def news(self) -> list[Move]:
        """What happens by itself sooner or later: orders, news, legs that come up."""
        moves: list[Move] = [partial(self.hear, pipe) for pipe in (self.ami, self.ari) if pipe]
        if self.orders:
            moves.append(self.carry_out_next)
        for hunt, state in self.hunts.items():
            if state in (Hunt.COMING, Hunt.RINGING):
                next_move = self.ring_agent if state is Hunt.COMING else self.answer_agent
                moves.append(partial(next_move, hunt))
        return moves

    def whims(self) -> list[Move]:
        """What people, timers and the network may choose to do."""
        moves: list[Move] = list(_WHIMS[self.lead](self))
        if self.lead in PRESENT:
            moves.append(self.end_lead)
        if self.reminders:
            moves.append(partial(self.hear, self.reminders))
        for hunt, state in self.hunts.items():
            end = self.lose_hunt if state is Hunt.COMING else self.end_hunt
            moves.append(partial(end, hunt))
        if not self.call.stop_requested:
            moves.append(partial(self.feed, StopRequested()))
        return moves

    def settle(self) -> None:
        """Everything that is under way arrives, and every timer fires."""
        while moves := self.news():
            moves[0]()
        while self.reminders:
            self.hear(self.reminders)
            while moves := self.news():
                moves[0]()


_WHIMS: dict[Lead, Callable[[World], list[Move]]] = {
    Lead.COMING: lambda world: [world.dial],
    Lead.DIALED: lambda world: [world.ring, world.answer, world.answer_unheld],
    Lead.RINGING: lambda world: [world.answer, world.answer_unheld],
    # The dialplan's hold limit may run out at any moment, even in that of the join.
    Lead.HELD: lambda world: [world.queue_lead],
    Lead.BRIDGED: lambda world: [world.queue_lead],
    Lead.QUEUED: lambda world: [world.serve_from_queue],
    Lead.SERVED: lambda _: [],
    Lead.GONE: lambda _: [],
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world in which all has settled after a life of its own, which often has a head start on a good call."""
    world = World()
    head_start = draw(st.integers(0, 14))
    if head_start:
        world.dial()
        world.answer()
    for _ in range(head_start):
        if moves := world.news():
            moves[0]()
    for swift, choice in draw(st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=25)):
        if moves := (world.news() if swift else []) or world.whims():
            moves[choice % len(moves)]()
    world.settle()
    return world


@given(worlds())
@settings(max_examples=300)
def test_nobody_who_answered_is_left_in_silence(world: World) -> None:
    """Law L9."""
    assert world.lead is not Lead.HELD


@given(worlds())
@settings(max_examples=300)
def test_no_agent_is_left_on_a_dead_line(world: World) -> None:
    on_the_line = [state for state in world.hunts.values() if state is not Hunt.GONE]
    assert on_the_line == ([Hunt.BRIDGED] if world.lead is Lead.BRIDGED else [])


@given(worlds())
@settings(max_examples=300)
def test_a_call_is_connected_only_if_they_talked_and_while_they_talk(world: World) -> None:
    if world.call.connected_at:
        assert world.talked
    if world.lead in (Lead.BRIDGED, Lead.SERVED):
        assert world.call.state is AttemptState.CONNECTED


@given(worlds())
@settings(max_examples=300)
def test_a_lead_who_waits_in_the_queue_is_known_to_wait_there(world: World) -> None:
    if world.lead is Lead.QUEUED:
        assert world.call.state is AttemptState.QUEUED or world.call.connected_at


@given(worlds())
@settings(max_examples=300)
def test_when_the_lead_is_gone_the_call_has_ended_and_every_leg_with_it(world: World) -> None:
    """Law L7: exactly one outcome, whatever crossed whatever."""
    if world.lead is Lead.COMING:
        return
    world.end_lead()
    world.settle()
    assert world.call.state is AttemptState.ENDED
    assert set(world.hunts.values()) <= {Hunt.GONE}
    if world.call.outcome is Outcome.CONNECTED:
        assert world.talked


@given(worlds())
@settings(max_examples=300)
def test_a_stopped_dial_does_not_ring_on(world: World) -> None:
    if world.call.stop_requested and world.call.state is AttemptState.RINGING:
        assert world.lead is not Lead.RINGING
