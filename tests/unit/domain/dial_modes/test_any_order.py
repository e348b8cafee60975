"""What holds of a call of any flow, whatever the news and their order: late, twice, crosswise, lost, or plain nonsense."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    HoldExpires,
    HuntAgent,
    HuntEnded,
    HuntFound,
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
    NoKeyPressed,
    NoteOptOut,
    OfferDue,
    OfferLapsed,
    Opened,
    OptedOut,
    Remind,
    StopRequested,
    Vanished,
    WaitExceeded,
    WithdrawCard,
)
from dialerd.domain.dial_modes import TABLES, step
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_call, a_menu_call, a_preview_call, an_agent_first_call, later

FORWARD = list(AttemptState)
"""The states in the order in which they may follow each other; the enum is written so."""
UNANSWERED = (AttemptState.PREPARING, AttemptState.DIALING, AttemptState.RINGING)
MOVED = (MoveToQueue(), MoveToMessage(), HangUpLead())
KEPT_LEG = UUID(int=7)

STARTS = [
    a_call(),
    a_call(wanted_agent=ANNA),
    a_preview_call(offers=0, dialed=False),
    an_agent_first_call(),
    an_agent_first_call(wanted_agent=ANNA),
    an_agent_first_call(kept_leg=KEPT_LEG),
    a_menu_call(dialed=False),
    a_menu_call(dialed=False, queue=""),
]

hunts = st.integers(1, 4)
agents = st.sampled_from([ANNA, BEN])
offers = st.integers(0, 3)
steps = st.integers(1, 6)
while_it_lives: st.SearchStrategy[CallEvent] = st.one_of(
    st.sampled_from(
        [
            Opened(),
            Cleared(),
            Forbidden(),
            ChannelMade(),
            DialFailed(),
            LeadRang(),
            LeadAnswered(),
            LeadQueued(),
            MessageBegun(),
            OptedOut(),
            LegsJoined(),
            WaitExceeded(),
            AcceptTimedOut(),
            StopRequested(),
        ]
    ),
    st.builds(LeadHeld, st.sampled_from([None, *AnsweredBy])),
    st.builds(LeadHeld),
    st.builds(LegsJoined, hunts),
    st.builds(AgentRang, agents),
    st.builds(AgentRangOut, agents),
    st.builds(AgentAnswered, hunts),
    st.builds(AgentAnswered, hunts),
    st.builds(AgentConnected, agents, st.integers(0, 3)),
    st.builds(HuntEnded, hunts),
    st.builds(HuntFound, hunts),
    st.builds(AgentDialTimedOut, hunts),
    st.builds(CardOffered, st.integers(1, 3), agents),
    st.builds(CardAccepted, agents),
    st.one_of(*(st.builds(kind, offers) for kind in (NobodyToOffer, OfferDue, CardSkipped, OfferLapsed))),
    st.one_of(*(st.builds(kind, steps) for kind in (MenuSoundEnded, NoKeyPressed))),
    st.just(HoldExpires()),
    st.builds(KeyPressed, st.sampled_from("12905*7A")),
)
ends: st.SearchStrategy[CallEvent] = st.one_of(
    st.builds(LeadLeft, st.sampled_from([None, 16, 17, 19, 34])), st.just(Vanished()), st.just(DialRefused())
)
news = st.lists(st.one_of(*[while_it_lives] * 6, ends), max_size=30)
calls = st.builds(
    replace,
    st.sampled_from(STARTS),
    no_agent=st.sampled_from(NoAgent),
    drop_machine=st.booleans(),
    greeting=st.sampled_from(["", "one-moment"]),
)


@dataclass
class Walk:
    """A call on its way through events, one second apart, and what was ordered for it."""

    call: Call
    clock: float = 0.0
    commands: list[CallCommand] = field(default_factory=list)
    pending: list[CallEvent] = field(default_factory=list)
    """Reminders that have not fired."""
    hunts: set[int] = field(default_factory=set)
    """Hunts that were started (or found) and neither hung up, kept nor ended."""
    cards: set[int] = field(default_factory=set)
    """Offers that lie before an agent."""
    held_at: int | None = None
    """How many commands had been given when the lead came into our hands."""

    def feed(self, event: CallEvent) -> list[CallCommand]:
        self.clock += 1
        before = self.call
        self._before(event)
        self.call, commands = step(before, event, later(self.clock))
        self._after(before, event)
        if self.call.held and not before.held:
            self.held_at = len(self.commands)
        for command in commands:
            self._account(command)
        self.commands += commands
        return commands

    def feed_all(self, events: Iterable[CallEvent]) -> None:
        for event in events:
            self.feed(event)

    def _before(self, event: CallEvent) -> None:
        match event:
            case HuntEnded(hunt):
                self.hunts.discard(hunt)
            case CardOffered(offer, _):
                self.cards.add(offer)
            case CardSkipped(offer) | OfferLapsed(offer):
                self.cards.discard(offer)
            case CardAccepted():
                self.cards.clear()

    def _after(self, before: Call, event: CallEvent) -> None:
        """A hunt that is found is one from now on; and an agent who has stayed is one from the start."""
        match event:
            case HuntFound(hunt) if self.call.hunting and self.call.hunts == hunt:
                self.hunts.add(hunt)
            case Opened() if self.call.agent_up and not before.agent_up:
                self.hunts.add(1)

    def _account(self, command: CallCommand) -> None:
        match command:
            case HuntAgent(hunt):
                assert not self.hunts, "a second agent is rung while the first hunt runs"
                self.hunts.add(hunt)
            case JoinLegs(hunt):
                assert hunt in self.hunts, "a hunt is joined that has been given up"
            case HangUpHunt(hunt) | KeepAgent(hunt):
                self.hunts.discard(hunt)
            case WithdrawCard(offer):
                self.cards.discard(offer)
            case Remind(_, event) if event != HoldExpires():  # which serves nobody by itself, and is renewed for ever
                self.pending.append(event)

    def fire_all(self) -> None:
        """Nothing is heard of any more; only the reminders come, and those that follow from them."""
        for _ in range(300):
            if not self.pending:
                return
            self.feed(self.pending.pop(0))
        pytest.fail("the reminders go on for ever")

    @property
    def since_held(self) -> list[CallCommand]:
        return self.commands[self.held_at :] if self.held_at is not None else []


@given(calls, news)
@settings(max_examples=200)
def test_a_state_is_only_ever_left_forward_and_the_end_is_the_end(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        walk.feed(event)
        assert FORWARD.index(walk.call.state) >= FORWARD.index(before.state)
        if before.state is AttemptState.ENDED:
            assert walk.call == before


@given(calls, news)
@settings(max_examples=200)
def test_what_a_call_says_of_itself_fits_its_state(call: Call, events: list[CallEvent]) -> None:
    """The same that the constraints of the attempts' table ask for."""
    walk = Walk(call)
    for event in events:
        walk.feed(event)
        call = walk.call
        ended = call.state is AttemptState.ENDED
        assert (call.outcome is not None) == (call.ended_at is not None) == ended
        if not ended and call.state not in UNANSWERED:
            assert call.answered_at is not None
        assert (call.outcome is Outcome.CONNECTED) == (ended and call.connected_at is not None)
        if call.outcome in (Outcome.ABANDONED, Outcome.HUNG_UP, Outcome.MENU_LEFT, Outcome.VOICEMAIL):
            assert call.answered_at is not None
        if call.agent_up:
            assert call.hunting
        known = [at for at in (call.answered_at, call.waiting_since, call.connected_at, call.ended_at) if at]
        assert known == sorted(known)


# --- law L2 ----------------------------------------------------------------------------------------------------------


@given(calls, news)
@settings(max_examples=200)
def test_a_lead_is_dialed_at_most_once_and_for_an_agent_only_when_he_is_there(
    call: Call, events: list[CallEvent]
) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        if DialLead() in walk.feed(event) and call.flow is CallFlow.AGENT_FIRST:
            assert (event, before.agent_up, AttemptState.DIALING) == (Cleared(), True, walk.call.state)
    assert walk.commands.count(DialLead()) <= 1


@given(calls, news)
@settings(max_examples=200)
def test_only_what_certainly_was_not_dialed_ends_as_not_placed_and_what_was_not_always_does(
    call: Call, events: list[CallEvent]
) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        walk.feed(event)
        if walk.call.state is not AttemptState.ENDED or before.state is AttemptState.ENDED:
            continue
        preparing = before.state is AttemptState.PREPARING
        refused = before.state is AttemptState.DIALING and event == DialRefused() and not before.placed
        assert (walk.call.outcome is Outcome.NOT_PLACED) == (preparing or refused)
        if preparing:
            assert DialLead() not in walk.commands


# --- the agents ------------------------------------------------------------------------------------------------------


@given(calls, news)
@settings(max_examples=200)
def test_the_hunt_that_a_call_knows_of_is_the_only_one_that_lives(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        walk.feed(event)
        assert walk.hunts == ({walk.call.hunts} if walk.call.hunting else set())


@given(calls, news)
@settings(max_examples=200)
def test_the_numbers_of_hunts_grow_by_one(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call.hunts
        for command in walk.feed(event):
            if isinstance(command, HuntAgent):
                assert command.hunt == walk.call.hunts == before + 1


@given(calls, news, ends)
@settings(max_examples=200)
def test_no_hunt_and_no_card_outlives_its_call(call: Call, events: list[CallEvent], end: CallEvent) -> None:
    walk = Walk(call)
    walk.feed_all([*events, end])
    if walk.call.state is not AttemptState.ENDED:
        return
    assert not walk.hunts
    kept = {command.hunt for command in walk.commands if isinstance(command, KeepAgent)}
    started = {command.hunt for command in walk.commands if isinstance(command, HuntAgent)}
    for hunt in started - kept:
        assert walk.feed(AgentAnswered(hunt)) == [HangUpHunt(hunt)]


@given(calls.filter(lambda call: call.flow is CallFlow.PREVIEW), news)
@settings(max_examples=200)
def test_the_card_that_a_call_knows_of_is_the_only_one_that_lies_before_an_agent(
    call: Call, events: list[CallEvent]
) -> None:
    walk = Walk(call)
    for event in events:
        walk.feed(event)
        assert walk.cards <= ({walk.call.offers} if walk.call.offered_to else set())
        if walk.call.state not in (*UNANSWERED, AttemptState.ANSWERED):
            assert not walk.cards


@given(calls, news)
@settings(max_examples=200)
def test_an_agent_is_kept_only_where_he_is_there_and_no_lead_was_put_to_him(
    call: Call, events: list[CallEvent]
) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        if any(isinstance(command, KeepAgent) for command in walk.feed(event)):
            assert before.agent_up
            assert walk.call.connected_at is None
            assert JoinLegs(before.hunts) not in walk.commands
            assert HangUpHunt(before.hunts) not in walk.commands


# --- the lead --------------------------------------------------------------------------------------------------------


@given(calls, news)
@settings(max_examples=200)
def test_a_lead_is_hung_up_for_a_reason(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        if HangUpLead() not in walk.feed(event):
            continue
        stopped = walk.call.stop_requested and before.state in UNANSWERED
        agent_left = before.state is AttemptState.CONNECTED and event == HuntEnded(before.hunts)
        dropped = call.drop_machine and walk.call.answered_by is AnsweredBy.MACHINE
        assert stopped or agent_left or dropped or walk.call.menu_over


@given(calls, news)
@settings(max_examples=200)
def test_only_a_lead_who_waits_for_us_is_moved(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        before = walk.call
        commands = walk.feed(event)
        if MoveToQueue() in commands:
            assert call.queue
            assert walk.call.state is AttemptState.ANSWERED
        if MoveToMessage() in commands:
            assert walk.call.state is AttemptState.MESSAGE
        if MoveToQueue() in commands or MoveToMessage() in commands:
            assert before.held or event == LeadHeld(getattr(event, "answered_by", None))
            assert not walk.call.hunting


@given(calls, news)
@settings(max_examples=200)
def test_no_opt_out_is_lost(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        live = walk.call.state not in (AttemptState.PREPARING, AttemptState.ENDED)
        walk.feed(event)
        if live and event == OptedOut():
            assert NoteOptOut() in walk.commands
    assert walk.call.opted_out == (NoteOptOut() in walk.commands)
    if walk.call.state is AttemptState.ENDED and walk.call.opted_out:
        assert walk.call.outcome in (Outcome.OPTED_OUT, Outcome.CONNECTED)


# --- law L9 ----------------------------------------------------------------------------------------------------------


def somebody_sees_to(walk: Walk) -> bool:
    """What is under way for a lead who is in our hands: a hunt or a card with a reminder of its end, a join, a sound or the time for a
    key, or the move away."""
    call, given = walk.call, walk.since_held
    if any(order in given for order in MOVED):
        return True
    if call.state is AttemptState.MENU:
        return any(event in walk.pending for event in (MenuSoundEnded(call.menu_step), NoKeyPressed(call.menu_step)))
    if call.agent_up:
        return JoinLegs(call.hunts) in given
    return AgentDialTimedOut(call.hunts) in walk.pending if call.hunting else AcceptTimedOut() in walk.pending


@given(calls, news)
@settings(max_examples=300)
def test_at_every_moment_somebody_sees_to_a_lead_who_is_in_our_hands(call: Call, events: list[CallEvent]) -> None:
    walk = Walk(call)
    for event in events:
        walk.feed(event)
        if walk.call.held and walk.call.state in (AttemptState.MENU, AttemptState.ANSWERED):
            assert somebody_sees_to(walk)


@given(calls, news)
@settings(max_examples=300)
def test_nobody_who_answered_and_is_held_stays_in_silence(call: Call, events: list[CallEvent]) -> None:
    """Whatever has happened, then everything is lost but the reminders: they alone bring an agent, the queue, the message, or an end."""
    walk = Walk(call)
    walk.feed_all(events)
    if walk.call.state is not AttemptState.PREPARING:
        walk.feed(LeadHeld())
    walk.fire_all()
    if walk.call.state is AttemptState.MENU:
        assert HangUpLead() in walk.since_held
    if walk.call.state is AttemptState.ANSWERED:
        joined = walk.call.agent_up and JoinLegs(walk.call.hunts) in walk.since_held
        assert joined or any(order in walk.since_held for order in MOVED)


@given(calls, news)
@settings(max_examples=200)
def test_nobody_waits_for_an_agent_longer_than_promised_where_the_message_is_due_at_the_sla(
    call: Call, events: list[CallEvent]
) -> None:
    walk = Walk(replace(call, no_agent=NoAgent.MESSAGE_AT_SLA))
    walk.feed_all(events)
    walk.fire_all()
    if walk.call.state is AttemptState.ANSWERED and walk.call.held and not walk.call.agent_up:
        assert any(order in walk.since_held for order in MOVED)


# --- good calls, in any order ----------------------------------------------------------------------------------------

GOOD_CALLS: list[tuple[Call, list[CallEvent]]] = [
    (
        a_call(),
        [
            Opened(),
            LeadRang(),
            LeadAnswered(),
            LeadHeld(),
            AgentRang(ANNA),
            AgentAnswered(1),
            LegsJoined(1),
            LeadLeft(16),
        ],
    ),
    (
        a_preview_call(offers=0, dialed=False),
        [Opened(), CardOffered(1, ANNA), LeadRang(), LeadAnswered(), LeadHeld(), CardAccepted(ANNA), LeadLeft(16)],
    ),
    (
        a_menu_call(dialed=False),
        [Opened(), LeadRang(), LeadAnswered(), LeadHeld(), KeyPressed("1"), MenuSoundEnded(2), LeadLeft(16)],
    ),
    (
        an_agent_first_call(),
        [Opened(), AgentAnswered(1), Cleared(), LeadRang(), LeadAnswered(), LeadHeld(), LegsJoined(1), LeadLeft(16)],
    ),
]


@given(st.data())
@settings(max_examples=200)
def test_the_news_of_a_good_call_in_any_order_end_it_once(data: st.DataObject) -> None:
    call, events = data.draw(st.sampled_from(GOOD_CALLS))
    walk = Walk(call)
    walk.feed_all(data.draw(st.permutations(events)))
    if call.flow is not CallFlow.AGENT_FIRST:  # of those some orders end the call before it is dialed, or never dial
        assert walk.call.state is AttemptState.ENDED
        assert not walk.hunts
    assert walk.commands.count(DialLead()) <= 1


def test_every_flow_is_walked() -> None:
    assert {call.flow for call in STARTS} == set(TABLES)
