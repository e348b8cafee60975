"""What holds of a progressive call whatever the news and their order: late, twice, crosswise, or plain nonsense."""

from dataclasses import dataclass, field
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AgentRang,
    AgentRangOut,
    AttemptState,
    Call,
    CallCommand,
    CallEvent,
    ChannelMade,
    DialFailed,
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
    MoveToQueue,
    Remind,
    StopRequested,
    Vanished,
)
from dialerd.domain.dial_modes.progressive import TRANSITIONS, step
from dialerd.domain.outcomes import Outcome
from tests.factories import ANNA, BEN, a_call, later

FORWARD = list(AttemptState)
"""The states in the order in which they may follow each other; the enum is written so."""

hunts = st.integers(1, 3)
agents = st.sampled_from([ANNA, BEN])
while_it_lives: st.SearchStrategy[CallEvent] = st.one_of(
    st.sampled_from(
        [
            ChannelMade(),
            DialFailed(),
            LeadRang(),
            LeadAnswered(),
            LeadHeld(),
            LeadHeld(),
            LeadQueued(),
            LegsJoined(),
            StopRequested(),
        ]
    ),
    st.builds(AgentRang, agents),
    st.builds(AgentRangOut, agents),
    st.builds(AgentAnswered, hunts),
    st.builds(AgentConnected, agents, st.integers(0, 3)),
    st.builds(HuntEnded, hunts),
    st.builds(HuntFound, hunts),
    st.builds(AgentDialTimedOut, hunts),
)
ends: st.SearchStrategy[CallEvent] = st.one_of(
    st.builds(LeadLeft, st.sampled_from([None, 16, 17, 19, 34])), st.just(Vanished()), st.just(DialRefused())
)
news = st.lists(st.one_of(while_it_lives, while_it_lives, while_it_lives, ends), max_size=25)


@dataclass
class Walk:
    """A call on its way through events, one second apart, and what was ordered for it."""

    call: Call = field(default_factory=a_call)
    clock: float = 0.0
    commands: list[CallCommand] = field(default_factory=list)
    alive: set[int] = field(default_factory=set)
    """Hunts that were started (or found) and neither hung up nor ended."""

    def feed(self, event: CallEvent) -> list[CallCommand]:
        self.clock += 1
        if isinstance(event, HuntEnded):
            self.alive.discard(event.hunt)
        self.call, commands = step(self.call, event, later(self.clock))
        if isinstance(event, HuntFound) and self.call.hunting and self.call.hunts == event.hunt:
            self.alive.add(event.hunt)
        for command in commands:
            self._account(command)
        self.commands += commands
        return commands

    def _account(self, command: CallCommand) -> None:
        match command:
            case HuntAgent(hunt):
                assert not self.alive, "a second agent is rung while the first hunt runs"
                self.alive.add(hunt)
            case JoinLegs(hunt):
                assert hunt in self.alive, "a hunt is joined that has been given up"
            case HangUpHunt(hunt):
                self.alive.discard(hunt)
            case _:
                pass

    @property
    def reminders(self) -> list[CallEvent]:
        return [command.event for command in self.commands if isinstance(command, Remind)]


@given(news)
@settings(max_examples=200)
def test_a_state_is_only_ever_left_forward_and_the_end_is_the_end(events: list[CallEvent]) -> None:
    walk = Walk()
    for event in events:
        before = walk.call
        walk.feed(event)
        assert FORWARD.index(walk.call.state) >= FORWARD.index(before.state)
        if before.state is AttemptState.ENDED:
            assert walk.call == before


@given(news)
@settings(max_examples=200)
def test_what_a_call_says_of_itself_fits_its_state(events: list[CallEvent]) -> None:
    """The same that the constraints of the attempts' table ask for."""
    walk = Walk()
    for event in events:
        walk.feed(event)
        call = walk.call
        ended = call.state is AttemptState.ENDED
        assert (call.outcome is not None) == (call.ended_at is not None) == ended
        if call.state in (AttemptState.ANSWERED, AttemptState.QUEUED, AttemptState.CONNECTED) or call.connected_at:
            assert call.answered_at is not None
        assert (call.outcome is Outcome.CONNECTED) == (ended and call.connected_at is not None)
        if call.outcome in (Outcome.ABANDONED, Outcome.HUNG_UP):
            assert call.answered_at is not None
        known = [at for at in (call.answered_at, call.connected_at, call.ended_at) if at]
        assert known == sorted(known)


@given(news)
@settings(max_examples=200)
def test_the_hunt_that_a_call_knows_of_is_the_only_one_that_lives(events: list[CallEvent]) -> None:
    walk = Walk()
    for event in events:
        walk.feed(event)
        assert walk.alive == ({walk.call.hunts} if walk.call.hunting else set())


@given(news, ends)
@settings(max_examples=200)
def test_no_hunt_outlives_its_call(events: list[CallEvent], end: CallEvent) -> None:
    walk = Walk()
    for event in [*events, end]:
        walk.feed(event)
    if walk.call.state is AttemptState.ENDED:
        assert not walk.alive
    started = {command.hunt for command in walk.commands if isinstance(command, HuntAgent)}
    for hunt in started - walk.alive:
        assert walk.feed(AgentAnswered(hunt)) == [HangUpHunt(hunt)]


@given(news)
@settings(max_examples=200)
def test_only_stop_and_the_agents_end_hang_up_a_lead(events: list[CallEvent]) -> None:
    walk = Walk()
    for event in events:
        before = walk.call
        if HangUpLead() not in walk.feed(event):
            continue
        stopped = walk.call.stop_requested and before.state in (AttemptState.DIALING, AttemptState.RINGING)
        agent_left = before.state is AttemptState.CONNECTED and event == HuntEnded(before.hunts)
        assert stopped or agent_left


@given(news)
@settings(max_examples=200)
def test_only_a_lead_who_waits_for_us_is_moved_to_the_queue(events: list[CallEvent]) -> None:
    walk = Walk()
    for event in events:
        before = walk.call
        if MoveToQueue() in walk.feed(event):
            assert before.state is AttemptState.ANSWERED
            assert not walk.call.hunting


A_GOOD_CALL = [LeadRang(), LeadAnswered(), LeadHeld(), AgentRang(ANNA), AgentAnswered(1), LegsJoined(), LeadLeft(16)]


@given(st.permutations(A_GOOD_CALL))
def test_the_news_of_a_good_call_in_any_order_end_it_once(events: list[CallEvent]) -> None:
    walk = Walk()
    for event in events:
        walk.feed(event)
    assert walk.call.state is AttemptState.ENDED
    assert not walk.alive


@given(news)
@settings(max_examples=200)
def test_nobody_who_answered_and_is_held_stays_in_silence(events: list[CallEvent]) -> None:
    """Law L9. Whatever has happened, then only the reminders come: they alone bring an agent, the queue, or an end."""
    walk = Walk()
    for event in [*events, LeadHeld()]:
        walk.feed(event)
    held_at = len(walk.commands)
    for reminder in walk.reminders:
        walk.feed(reminder)
    if walk.call.state is AttemptState.ANSWERED:
        assert MoveToQueue() in walk.commands[held_at:]
    assert walk.call.state not in (AttemptState.DIALING, AttemptState.RINGING)


@given(news)
@settings(max_examples=200)
def test_whenever_an_answered_lead_was_held_something_is_under_way_for_it(events: list[CallEvent]) -> None:
    """Law L9 at every moment: a hunt with a reminder of its end, or the move to the queue."""
    walk = Walk()
    held = False
    for event in events:
        walk.feed(event)
        held = held or isinstance(event, LeadHeld)
        if held and walk.call.state is AttemptState.ANSWERED:
            hunted = walk.call.hunting and AgentDialTimedOut(walk.call.hunts) in walk.reminders
            assert hunted or MoveToQueue() in walk.commands


def test_every_event_means_something_somewhere() -> None:
    listed = {event for effects in TRANSITIONS.values() for event in effects}
    assert listed == set(get_args(CallEvent))


def test_every_state_has_its_row_in_the_table() -> None:
    assert list(TRANSITIONS) == list(AttemptState)
