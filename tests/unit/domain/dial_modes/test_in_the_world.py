"""A call of any flow in a small model of the PBX, the store and the people, whose adversary chooses what happens next.

Orders are carried out late, one after another. News travel on three ways, each in its own order, crosswise between them. A leg
that was ordered is not there at once, so that an order to hang it up can come before it. Whatever the adversary does: in the end
nobody stands in silence, no agent sits on a dead line or before a dead card, and who talked is known to have talked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AskToDial,
    AttemptState,
    Call,
    CallCommand,
    CallEvent,
    CallFlow,
    CardAccepted,
    CardOffered,
    CardSkipped,
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
    JoinLegs,
    KeepAgent,
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
    NoAgent,
    NobodyToOffer,
    NoteOptOut,
    OfferCard,
    OfferLapsed,
    Opened,
    OptedOut,
    PlayInMenu,
    Remind,
    StopRequested,
    WithdrawCard,
)
from dialerd.domain.dial_modes import step
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_call, a_menu_call, a_preview_call, an_agent_first_call, later

Move = Callable[[], None]


class Lead(Enum):
    UNDIALED = auto()
    COMING = auto()  # ordered; there is no channel yet
    DIALED = auto()
    RINGING = auto()
    HELD = auto()  # in the daemon's hands, hearing nothing but the sounds of a menu
    BRIDGED = auto()
    QUEUED = auto()
    MESSAGE = auto()
    SERVED = auto()  # talks to an agent whom the queue has found
    GONE = auto()


class Hunt(Enum):
    COMING = auto()
    RINGING = auto()
    HELD = auto()  # an agent is on it, hearing nothing, or waiting for the lead
    BRIDGED = auto()
    KEPT = auto()  # for another lead
    GONE = auto()


PRESENT = {Lead.DIALED, Lead.RINGING, Lead.HELD, Lead.BRIDGED, Lead.QUEUED, Lead.MESSAGE, Lead.SERVED}
ON_THE_WAY = {Lead.UNDIALED, Lead.COMING, Lead.DIALED, Lead.RINGING}
TO_THE_STORE = (AskToDial, OfferCard, WithdrawCard, NoteOptOut)


@dataclass
class World:
    call: Call
    lead: Lead = Lead.UNDIALED
    hunts: dict[int, Hunt] = field(default_factory=dict)
    card: int | None = None
    """The offer that lies before an agent."""
    playing: int | None = None
    """The step of the menu whose sound is played."""
    orders: list[CallCommand] = field(default_factory=list)
    asked: list[CallCommand] = field(default_factory=list)
    ami: list[CallEvent] = field(default_factory=list)
    ari: list[CallEvent] = field(default_factory=list)
    answers: list[CallEvent] = field(default_factory=list)
    """Of agents to cards, and of Asterisk to the Originate: they overtake what the channels tell."""
    reminders: list[CallEvent] = field(default_factory=list)
    dialed: int = 0
    had_a_channel: bool = False
    talked: bool = False
    pressed_opt_out: bool = False
    noted_opt_out: bool = False
    clock: float = 0.0

    def __post_init__(self) -> None:
        if self.call.kept_leg is not None:
            self.hunts[1] = Hunt.HELD
        self.feed(Opened())

    # --- the daemon ---

    def feed(self, event: CallEvent) -> None:
        self.clock += 1
        self.call, commands = step(self.call, event, later(self.clock))
        for command in commands:
            if isinstance(command, Remind):
                self.reminders.append(command.event)
            elif isinstance(command, TO_THE_STORE):
                self.asked.append(command)
            else:
                self.orders.append(command)

    def hear(self, news: list[CallEvent]) -> None:
        self.feed(news.pop(0))

    def fire(self) -> None:
        """What the news of a channel may be late by, they have been late by when it is taken for certain that there is none."""
        while self.reminders[0] == DialRefused() and self.ami:
            self.hear(self.ami)
        self.hear(self.reminders)

    def carry_out_next(self) -> None:
        command = self.orders.pop(0)
        match command:
            case DialLead():
                self.dialed += 1
                self.lead = Lead.COMING
            case PlayInMenu(step_, sound):
                self.play(step_, sound)
            case MoveToQueue():
                self.queue_lead()
            case MoveToMessage():
                self.tell_lead()
            case HangUpLead():
                self.end_lead()
            case _:
                self.carry_out_for_agent(command)

    def carry_out_for_agent(self, command: CallCommand) -> None:
        match command:
            case HuntAgent(hunt):
                self.hunts[hunt] = Hunt.COMING
            case HangUpHunt(hunt):
                self.end_hunt(hunt)
            case HoldAgent(hunt) if self.hunts[hunt] is not Hunt.HELD:
                self.feed(HuntEnded(hunt))
            case KeepAgent(hunt) if self.hunts[hunt] is not Hunt.GONE:
                assert self.hunts[hunt] is Hunt.HELD
                self.hunts[hunt] = Hunt.KEPT
            case JoinLegs(hunt):
                self.join(hunt)

    def ask_next(self, *, kindly: bool = True) -> None:
        match self.asked.pop(0):
            case AskToDial():
                self.feed(Cleared() if kindly else Forbidden())
            case OfferCard(offer) if kindly and self.card is None:
                self.card = offer
                self.feed(CardOffered(offer, ANNA))
            case OfferCard(offer):
                self.feed(NobodyToOffer(offer))
            case WithdrawCard(offer) if self.card == offer:
                self.card = None
            case NoteOptOut():
                self.noted_opt_out = True

    # --- the PBX ---

    def join(self, hunt: int) -> None:
        if self.lead is Lead.HELD and self.hunts[hunt] is Hunt.HELD:
            self.lead, self.hunts[hunt], self.talked = Lead.BRIDGED, Hunt.BRIDGED, True
            self.ari.append(LegsJoined(hunt))
        else:
            self.orders.append(HangUpHunt(hunt))

    def part(self) -> None:
        """Whoever is left in the bridge hears nothing."""
        if self.lead is Lead.BRIDGED:
            self.lead = Lead.HELD
        self.hunts = {hunt: Hunt.HELD if state is Hunt.BRIDGED else state for hunt, state in self.hunts.items()}

    def play(self, step_: int, sound: str) -> None:
        self.end_sound()
        if self.lead is not Lead.HELD:
            self.feed(MenuSoundEnded(step_))
        elif sound:
            self.playing = step_

    def end_sound(self) -> None:
        if self.playing is not None:
            self.ari.append(MenuSoundEnded(self.playing))
            self.playing = None

    def take_back(self) -> None:
        """The dialplan's hold limit runs out."""
        (self.queue_lead if self.call.queue else self.tell_lead)()

    def queue_lead(self) -> None:
        if self.lead in (Lead.HELD, Lead.BRIDGED):
            self.leave_our_hands(Lead.QUEUED, LeadQueued())

    def tell_lead(self) -> None:
        if self.lead in (Lead.HELD, Lead.BRIDGED, Lead.QUEUED):
            self.leave_our_hands(Lead.MESSAGE, MessageBegun())

    def leave_our_hands(self, to: Lead, news: CallEvent) -> None:
        self.part()
        self.end_sound()
        self.lead = to
        self.ami.append(news)

    def end_lead(self) -> None:
        if self.lead in PRESENT:
            self.leave_our_hands(Lead.GONE, LeadLeft(cause=16))

    def end_hunt(self, hunt: int) -> None:
        if self.hunts[hunt] in (Hunt.RINGING, Hunt.HELD, Hunt.BRIDGED):
            if self.hunts[hunt] is Hunt.BRIDGED:
                self.part()
            self.hunts[hunt] = Hunt.GONE
            self.ami.append(HuntEnded(hunt))

    # --- the people ---

    def dial(self) -> None:
        self.lead, self.had_a_channel = Lead.DIALED, True
        self.ami.append(ChannelMade())

    def fail(self) -> None:
        """Without a channel."""
        self.lead = Lead.GONE
        self.answers.append(DialFailed())

    def fail_late(self) -> None:
        """What comes of the Originate may be told before the channel and its end are."""
        self.answers.append(DialFailed())
        self.end_lead()

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

    def press(self, key: str) -> None:
        self.ari.append(KeyPressed(key))

    def opt_out(self) -> None:
        self.pressed_opt_out = True
        self.ami.append(OptedOut())

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

    def answer_card(self, answer: CallEvent) -> None:
        self.answers.append(answer)
        self.card = None

    # --- what may happen next ---

    def news(self) -> list[Move]:
        """What happens by itself sooner or later: orders, news, legs that come up."""
        moves: list[Move] = [partial(self.hear, pipe) for pipe in (self.ami, self.ari, self.answers) if pipe]
        moves += [self.carry_out_next] * bool(self.orders) + [self.ask_next] * bool(self.asked)
        for hunt, state in self.hunts.items():
            if state in (Hunt.COMING, Hunt.RINGING):
                next_move = self.ring_agent if state is Hunt.COMING else self.answer_agent
                moves.append(partial(next_move, hunt))
        return moves + [self.end_sound] * (self.playing is not None)

    def whims(self) -> list[Move]:
        """What people, timers and the network may choose to do."""
        moves: list[Move] = list(_WHIMS[self.lead](self))
        moves += [self.end_lead] * (self.lead in PRESENT) + [self.fire] * bool(self.reminders)
        moves += [partial(self.ask_next, kindly=False)] * bool(self.asked)
        if self.card is not None:
            moves += [
                partial(self.answer_card, answer)
                for answer in (CardAccepted(ANNA), CardSkipped(self.card), OfferLapsed(self.card))
            ]
        for hunt, state in self.hunts.items():
            if state is not Hunt.KEPT:
                moves.append(partial(self.lose_hunt if state is Hunt.COMING else self.end_hunt, hunt))
        if not self.call.stop_requested and self.call.state is not AttemptState.ENDED:
            moves.append(partial(self.feed, StopRequested()))
        return moves

    def settle(self) -> None:
        """Everything that is under way arrives, and every timer fires."""
        self.let_arrive()
        while self.reminders:
            self.fire()
            self.let_arrive()

    def let_arrive(self) -> None:
        while moves := self.news():
            moves[0]()


_WHIMS: dict[Lead, Callable[[World], list[Move]]] = {
    Lead.UNDIALED: lambda _: [],
    Lead.COMING: lambda world: [world.dial, world.dial, world.fail],
    Lead.DIALED: lambda world: [world.ring, world.answer, world.answer_unheld, world.fail_late],
    Lead.RINGING: lambda world: [world.answer, world.answer_unheld],
    # The dialplan's hold limit may run out at any moment, even in that of the join.
    Lead.HELD: lambda world: [world.take_back, *(partial(world.press, key) for key in "105*97" if world.call.menu)],
    Lead.BRIDGED: lambda world: [world.take_back],
    Lead.QUEUED: lambda world: [world.serve_from_queue, world.tell_lead],
    Lead.MESSAGE: lambda world: [world.opt_out],
    Lead.SERVED: lambda _: [],
    Lead.GONE: lambda _: [],
}

STARTS = [
    a_call(),
    a_call(wanted_agent=ANNA),
    a_preview_call(offers=0, dialed=False),
    an_agent_first_call(),
    an_agent_first_call(wanted_agent=ANNA),
    an_agent_first_call(kept_leg=UUID(int=7)),
    a_menu_call(dialed=False),
]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world in which all has settled after a life of its own, which often has a head start on a good call."""
    start = draw(st.sampled_from(STARTS))
    world = World(replace(start, no_agent=draw(st.sampled_from(NoAgent))))
    head_start = draw(st.integers(0, 16))
    if head_start:
        world.let_arrive()
    if head_start and world.lead is Lead.COMING:
        world.dial()
        world.answer()
    for _ in range(head_start):
        if moves := world.news():
            moves[0]()
    for swift, choice in draw(st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=25)):
        if moves := (world.news() if swift else []) or world.whims():
            moves[choice % len(moves)]()
    world.settle()
    return world


@given(worlds())
@settings(max_examples=200)
def test_nobody_who_answered_is_left_in_silence(world: World) -> None:
    """Law L9."""
    assert world.lead is not Lead.HELD


@given(worlds())
@settings(max_examples=200)
def test_no_agent_is_left_on_a_dead_line(world: World) -> None:
    on_the_line = [state for state in world.hunts.values() if state not in (Hunt.GONE, Hunt.KEPT)]
    if world.lead is Lead.BRIDGED:
        assert on_the_line == [Hunt.BRIDGED]
    elif world.call.flow is CallFlow.AGENT_FIRST and world.lead in ON_THE_WAY:
        assert on_the_line in ([], [Hunt.HELD])
        assert bool(on_the_line) == world.call.agent_up
    else:
        assert on_the_line == []


@given(worlds())
@settings(max_examples=200)
def test_no_card_is_left_before_an_agent_of_a_lead_who_is_served_otherwise_or_gone(world: World) -> None:
    if world.lead not in ON_THE_WAY:
        assert world.card is None


@given(worlds())
@settings(max_examples=200)
def test_a_call_is_connected_only_if_they_talked_and_while_they_talk(world: World) -> None:
    if world.call.connected_at:
        assert world.talked
    if world.lead in (Lead.BRIDGED, Lead.SERVED):
        assert world.call.state is AttemptState.CONNECTED


@given(worlds())
@settings(max_examples=200)
def test_a_lead_who_waits_in_the_queue_or_hears_the_message_is_known_to(world: World) -> None:
    known = {Lead.QUEUED: AttemptState.QUEUED, Lead.MESSAGE: AttemptState.MESSAGE}.get(world.lead)
    if known and not world.call.connected_at:
        # Of a message that was just asked for when the dialplan queued the lead, the queue is not told back.
        assert world.call.state in (known, AttemptState.MESSAGE)


@given(worlds())
@settings(max_examples=200)
def test_when_the_lead_is_gone_the_call_has_ended_and_every_leg_with_it(world: World) -> None:
    """Law L7: exactly one outcome, whatever crossed whatever."""
    if world.lead in (Lead.UNDIALED, Lead.COMING):
        return
    world.end_lead()
    world.settle()
    assert world.call.state is AttemptState.ENDED
    assert set(world.hunts.values()) <= {Hunt.GONE, Hunt.KEPT}
    if world.call.outcome is Outcome.CONNECTED:
        assert world.talked


@given(worlds())
@settings(max_examples=200)
def test_a_lead_is_dialed_once_at_most_and_what_had_a_channel_was_placed(world: World) -> None:
    """Law L2."""
    assert world.dialed <= 1
    if world.call.outcome is Outcome.NOT_PLACED:
        assert not world.had_a_channel
    if world.lead is Lead.UNDIALED:
        assert world.call.outcome is Outcome.NOT_PLACED


@given(worlds())
@settings(max_examples=200)
def test_no_opt_out_is_lost(world: World) -> None:
    if world.pressed_opt_out:
        assert world.noted_opt_out


@given(worlds())
@settings(max_examples=200)
def test_a_stopped_dial_does_not_ring_on(world: World) -> None:
    if world.call.stop_requested and world.call.state is AttemptState.RINGING:
        assert world.lead is not Lead.RINGING


@given(st.sampled_from([start for start in STARTS if start.flow is CallFlow.AGENT_FIRST]), st.lists(st.integers(0, 5)))
def test_agent_first_abandons_nobody(start: Call, choices: list[int]) -> None:
    """ "Zero abandonment": if no agent leaves, who answers talks to one, in whatever order the news come."""
    world = World(start)
    world.let_arrive()
    world.dial()
    world.answer()
    for choice in choices:
        if moves := world.news():
            moves[choice % len(moves)]()
    world.settle()
    assert (world.lead, world.call.state) == (Lead.BRIDGED, AttemptState.CONNECTED)
