"""What the dial modes share: how a table of moves is walked, and the moves that mean the same in all of them.

A table is the whole life of such a call. Telephony tells its news late, twice and out of order, so an event that a
state does not list has no effect there; a state is only ever left for one that its move names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dialerd.domain.calls import (
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
    WithdrawCard,
)
from dialerd.domain.outcomes import Outcome, classify_unanswered
from dialerd.domain.transitions import drawing
from dialerd.errors import IllegalTransition

Stepped = tuple[Call, list[CallCommand]]
Effect = Callable[[Call, Any, datetime], Stepped]

NEWS_DELAY = timedelta(seconds=15)
"""By how much the news of a channel may be late; seen: 10 ms at fifty calls a second, seconds on a starved machine."""
MESSAGE_MARGIN = timedelta(milliseconds=250)
"""How long before the SLA is exceeded a message is asked for that has to have begun by then."""
HOLD_MARGIN = timedelta(seconds=5)
"""By how much the dialplan waits longer than the daemon before it takes a lead back."""


@dataclass(frozen=True)
class Move:
    """What an event does in a state, and the states that it may lead to. None: it stays."""

    effect: Effect
    to: tuple[AttemptState, ...] = ()


Moves = Mapping[type[Any], Move]
Table = Mapping[AttemptState, Moves]


def to(effect: Effect, *states: AttemptState) -> Move:
    return Move(effect, states)


def walk(table: Table, call: Call, event: CallEvent, now: datetime) -> Stepped:
    """The call after `event`, and what is to be done about it. What the state does not list changes nothing."""
    move = table.get(call.state, {}).get(type(event))
    if move is None:
        return call, []
    after, commands = move.effect(call, event, now)
    if after.state is not call.state and after.state not in move.to:
        raise IllegalTransition(call.state, after.state)
    return after, commands


def diagram_of_moves(table: Table) -> str:
    """The table as a Mermaid state diagram. What leaves a state as it is, is not drawn."""
    rows = in_order(table)
    arrows = [
        (state.value, target.value, event_name(event))
        for state, moves in rows
        for event, move in moves.items()
        for target in move.to
    ]
    return drawing(rows[0][0].value, arrows, [AttemptState.ENDED.value])


def staying(table: Table) -> Mapping[AttemptState, list[str]]:
    """The events that are heeded in a state and never leave it, by name."""
    heeded = {
        state: [event_name(event) for event, move in moves.items() if not move.to] for state, moves in in_order(table)
    }
    return {state: events for state, events in heeded.items() if events}


def in_order(table: Table) -> list[tuple[AttemptState, Moves]]:
    """Its rows in the order of a call's life."""
    return [(state, table[state]) for state in AttemptState if state in table]


def event_name(event: type[Any]) -> str:
    """AgentDialTimedOut -> agent_dial_timed_out."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


# --- the lead's leg, before an answer --------------------------------------------------------------------------------


def dial(call: Call, _: Opened, __: datetime) -> Stepped:
    """Once only, however often it is told (law L2)."""
    return (call, []) if call.dialed or call.placed else (replace(call, dialed=True), [DialLead()])


def placed(call: Call, _: ChannelMade, __: datetime) -> Stepped:
    return replace(call, placed=True), []


def ring(call: Call, _: LeadRang, now: datetime) -> Stepped:
    """A Stop that came before there was a channel has hung up nothing, so it is carried out now."""
    return replace(call, state=AttemptState.RINGING, ringing_at=now), [HangUpLead()] if call.stop_requested else []


def answer(call: Call, _: LeadAnswered | None, now: datetime) -> Stepped:
    return replace(call, state=AttemptState.ANSWERED, answered_at=call.answered_at or now), []


def dial_failed(call: Call, _: DialFailed, __: datetime) -> Stepped:
    """The result of a dial overtakes the news of its channel where Asterisk is busy, so that a channel which nobody has heard of yet
    may have existed all the same (law L2)."""
    if call.placed or call.dial_failed:
        return call, []
    return replace(call, dial_failed=True), [Remind(after=NEWS_DELAY, event=DialRefused())]


def refused(call: Call, _: DialRefused, now: datetime) -> Stepped:
    return (call, []) if call.placed else end(call, Outcome.NOT_PLACED, now)


def stop(call: Call, _: StopRequested, __: datetime) -> Stepped:
    return replace(call, stop_requested=True), [HangUpLead()]


def left_unanswered(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    outcome = Outcome.CANCELLED if call.stop_requested else classify_unanswered(event.cause)
    return end(call, outcome, now, event)


def vanished(call: Call, _: Vanished, now: datetime) -> Stepped:
    return end(call, proved(call) or Outcome.UNKNOWN, now)


def proved(call: Call) -> Outcome | None:
    """What is known of the call however it ends."""
    if call.opted_out:
        return Outcome.OPTED_OUT
    return Outcome.VOICEMAIL if is_dropped_machine(call) else None


# --- a lead who waits for an agent -----------------------------------------------------------------------------------


def hold(call: Call, event: LeadHeld, now: datetime) -> Stepped:
    """Into our hands. We may not have heard of the answer before: the two come over different connections. With a machine that is
    to be dropped the call is over."""
    answered, _ = answer(call, None, now)
    held = replace(answered, held=True, answered_by=call.answered_by or event.answered_by)
    return held, [HangUpLead()] if is_dropped_machine(held) else []


def is_dropped_machine(call: Call) -> bool:
    return call.drop_machine and call.answered_by is AnsweredBy.MACHINE


def serve(call: Call, event: LeadHeld, now: datetime) -> Stepped:
    """The lead is in our hands: with the agent who is there already, or with whoever can be found. Who was to be moved and is in our
    hands still, as a link that was restored finds him, is moved now."""
    held, commands = hold(call, event, now)
    if commands:
        return held, commands
    if call.held:
        return (held, []) if call.hunting else nobody(held)
    met, more = _meet(begin_to_wait(held))
    return met, [*more, patience_of(met, now)]


def begin_to_wait(call: Call) -> Call:
    return replace(call, waiting_since=call.waiting_since or call.answered_at)


def _meet(call: Call) -> Stepped:
    if call.agent_up:
        return call, [JoinLegs(call.hunts)]
    return (call, []) if call.hunting else hunt(call)


def patience_of(call: Call, now: datetime) -> Remind:
    """Of a lead who waits already."""
    return Remind(after=_patience_left(call, now), event=WaitExceeded())


def _patience_left(call: Call, now: datetime) -> timedelta:
    """A message that is due at the SLA has to have begun by then. A clock that was set back makes nobody wait for longer."""
    at_sla = call.no_agent is NoAgent.MESSAGE_AT_SLA
    patience = call.customer_wait_sla - (MESSAGE_MARGIN if at_sla else timedelta(0))
    waited = max(timedelta(0), now - (call.waiting_since or now))
    return max(timedelta(0), patience - waited)


def hunt(call: Call) -> Stepped:
    """Ring agents: the wanted one at first, and then the queue's. Each gets half of the time, if there are both."""
    number, agent = call.hunts + 1, call.wanted_agent
    if not agent and not call.queue:
        return nobody(call)
    wanted_hunt = number if agent else call.wanted_hunt
    patience = call.agent_dial_timeout / 2 if wanted_hunt else call.agent_dial_timeout
    hunting = replace(
        call,
        hunts=number,
        hunting=True,
        agent=None,
        agent_up=False,
        wanted_agent=None,
        wanted_hunt=wanted_hunt,
        rung_agent=agent,
    )
    return hunting, [HuntAgent(number, agent), Remind(after=patience, event=AgentDialTimedOut(number))]


def wait_exceeded(call: Call, _: WaitExceeded, __: datetime) -> Stepped:
    if call.agent_up or not call.held:
        return call, []
    if call.no_agent is NoAgent.MESSAGE_AT_SLA:
        alone, commands = without_agents(call)
        return replace(alone, state=AttemptState.MESSAGE, agent=None), [*commands, MoveToMessage()]
    return call, [PlayGreeting()] if call.greeting else []


def nobody(call: Call) -> Stepped:
    """No agent is there in time: "the customer is transferred into the campaign queue with hold music", or hears the message. Who
    is not in our hands yet cannot be moved, and is served when he is."""
    alone, commands = without_agents(replace(call, hunting=False, agent=None))
    if not call.held:
        return alone, commands
    if call.no_agent is NoAgent.QUEUE and call.queue:
        return alone, [*commands, MoveToQueue()]
    return replace(alone, state=AttemptState.MESSAGE), [*commands, MoveToMessage()]


def next_hunt(call: Call, now: datetime) -> Stepped:
    """After one that has failed: the queue is asked after a wanted agent, and nobody after the queue. Nobody either where the time at
    which the message was due has gone by with an agent who did not stay."""
    message_due = call.no_agent is NoAgent.MESSAGE_AT_SLA and call.held and not _patience_left(call, now)
    return hunt(call) if call.wanted_hunt == call.hunts and not message_due else nobody(call)


def hunt_over(call: Call, event: HuntEnded, now: datetime) -> Stepped:
    return next_hunt(call, now) if runs(call, event.hunt) else (call, [])


def hunt_timed_out(call: Call, event: AgentDialTimedOut, now: datetime) -> Stepped:
    if not runs(call, event.hunt) or call.agent_up:
        return call, []
    after, commands = next_hunt(call, now)
    return after, [HangUpHunt(event.hunt), *commands]


def hunt_found(call: Call, event: HuntFound, now: datetime) -> Stepped:
    """By a daemon that has just taken the call up. Its time starts anew: when it began is not known. A wanted agent was rung first."""
    if call.hunting or event.hunt < call.hunts:
        return let_go(call, event, now)
    timeout = Remind(after=call.agent_dial_timeout, event=AgentDialTimedOut(event.hunt))
    wanted_hunt = 1 if call.wanted_agent else call.wanted_hunt
    found = replace(call, hunts=event.hunt, hunting=True, wanted_hunt=wanted_hunt)
    return replace(found, wanted_agent=None, rung_agent=call.wanted_agent), [timeout]


def runs(call: Call, hunt: int) -> bool:
    """Whether this is the hunt that counts: not an earlier one, nor one that was given up."""
    return call.hunting and hunt == call.hunts


def let_go(call: Call, event: AgentAnswered | AgentConnected | HuntFound, _: datetime) -> Stepped:
    """An agent whose hunt was given up meanwhile, be it because the order to hang up came before the hunt's leg."""
    return call, [] if runs(call, event.hunt) else [HangUpHunt(event.hunt)]


def agent_rings(call: Call, event: AgentRang, now: datetime) -> Stepped:
    return replace(call, agent=event.agent, agent_ringing_at=call.agent_ringing_at or now), []


def agent_rang_out(call: Call, event: AgentRangOut, _: datetime) -> Stepped:
    return (replace(call, agent=None), []) if call.agent == event.agent else (call, [])


def agent_named(call: Call, event: AgentConnected, now: datetime) -> Stepped:
    if event.hunt and not runs(call, event.hunt):
        return let_go(call, event, now)
    return replace(call, agent=event.agent), []


def join(call: Call, event: AgentAnswered, now: datetime) -> Stepped:
    if not runs(call, event.hunt):
        return let_go(call, event, now)
    return replace(call, agent_up=True), [JoinLegs(event.hunt)] if call.held else []


def joined(call: Call, event: LegsJoined, now: datetime) -> Stepped:
    """An agent who has already left again was never there for the lead, also if the next one is being rung."""
    if not runs(call, event.hunt or call.hunts):
        return call, []
    return replace(call, state=AttemptState.CONNECTED, connected_at=now), []


# --- a lead in the queue, or with the message ------------------------------------------------------------------------


def queued(call: Call, _: LeadQueued, now: datetime) -> Stepped:
    """In the queue, whoever put the lead there. A hunt that still runs would ring a second agent. Out of a voice menu, the wait for an
    agent begins only now."""
    alone, commands = without_agents(call)
    answered_at = call.answered_at or now
    since = call.waiting_since or (now if call.flow is CallFlow.MENU else answered_at)
    in_queue = replace(alone, state=AttemptState.QUEUED, agent=None, answered_at=answered_at, waiting_since=since)
    return in_queue, commands


def message_begun(call: Call, _: MessageBegun, now: datetime) -> Stepped:
    """The dialplan has given up: the queue too has nobody, or no daemon was there."""
    alone, commands = without_agents(call)
    return replace(alone, state=AttemptState.MESSAGE, agent=None, answered_at=call.answered_at or now), commands


def move_to_message(call: Call, _: LeadHeld, __: datetime) -> Stepped:
    """Still in our hands: a daemon that was to move the lead has died over it."""
    return call, [MoveToMessage()]


def connected_in_queue(call: Call, event: AgentConnected, now: datetime) -> Stepped:
    if event.hunt:
        return let_go(call, event, now)
    return replace(call, state=AttemptState.CONNECTED, connected_at=now, agent=event.agent), []


def opted_out(call: Call, _: OptedOut, __: datetime) -> Stepped:
    return replace(call, opted_out=True), [] if call.opted_out else [NoteOptOut()]


def opted_out_unseen(call: Call, event: OptedOut, now: datetime) -> Stepped:
    """The message that offers the key has begun, then, though nobody has told."""
    begun, commands = message_begun(call, MessageBegun(), now)
    after, more = opted_out(begun, event, now)
    return after, [*commands, *more]


def left_waiting(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    """Who hangs up before the agent is even due has not been abandoned."""
    waited = now - (call.waiting_since or call.answered_at or now)
    soon = waited < call.customer_wait_sla and call.state is not AttemptState.MESSAGE
    return end(call, proved(call) or (Outcome.HUNG_UP if soon else Outcome.ABANDONED), now, event)


# --- the talk, and the end -------------------------------------------------------------------------------------------


def taken_away(call: Call, _: LeadQueued, __: datetime) -> Stepped:
    """The dialplan's hold limit ran out in the instant of the join: the queue serves the lead, the agent is let go."""
    return without_agents(call)


def agent_left(call: Call, event: HuntEnded, _: datetime) -> Stepped:
    """Only the hunt that was joined matters; a lead who found an agent in the queue is hung up by the queue itself."""
    return (replace(call, hunting=False), [HangUpLead()]) if runs(call, event.hunt) else (call, [])


def left_talking(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    return end(call, Outcome.CONNECTED, now, event)


def vanished_talking(call: Call, _: Vanished, now: datetime) -> Stepped:
    return end(call, Outcome.CONNECTED, now)


def without_agents(call: Call) -> Stepped:
    """Nobody is rung for the call any more, or looks at its card."""
    commands: list[CallCommand] = [HangUpHunt(call.hunts)] if call.hunting else []
    if call.offered_to is not None:
        commands.append(WithdrawCard(call.offers))
    return replace(call, hunting=False, agent_up=False, offered_to=None), commands


def end(call: Call, outcome: Outcome, now: datetime, left: LeadLeft | None = None) -> Stepped:
    alone, commands = without_agents(call)
    ended = replace(
        alone,
        state=AttemptState.ENDED,
        outcome=outcome,
        ended_at=now,
        cause=left.cause if left else None,
        tech_cause=left.tech_cause if left else None,
    )
    return ended, commands


# --- rows of the tables that are the same in several dial modes ------------------------------------------------------

TAKEN_BACK: Moves = {
    LeadQueued: to(queued, AttemptState.QUEUED),
    MessageBegun: to(message_begun, AttemptState.MESSAGE),
    OptedOut: to(opted_out_unseen, AttemptState.MESSAGE),
}
"""What the dialplan does, with us or without."""

_NO_HUNT: Moves = {
    AgentAnswered: to(let_go),
    HuntFound: to(let_go),
}
"""Where no hunt may run, none is left running."""

UNANSWERED: Moves = {
    **TAKEN_BACK,
    **_NO_HUNT,
    LeadLeft: to(left_unanswered, AttemptState.ENDED),
    StopRequested: to(stop),
    Vanished: to(vanished, AttemptState.ENDED),
}
"""A lead whose phone has not been picked up."""

WAITING: Moves = {
    **TAKEN_BACK,
    LeadHeld: to(serve),
    WaitExceeded: to(wait_exceeded, AttemptState.MESSAGE),
    AgentRang: to(agent_rings),
    AgentRangOut: to(agent_rang_out),
    AgentConnected: to(agent_named),
    AgentAnswered: to(join),
    AgentDialTimedOut: to(hunt_timed_out, AttemptState.MESSAGE),
    HuntEnded: to(hunt_over, AttemptState.MESSAGE),
    HuntFound: to(hunt_found),
    LegsJoined: to(joined, AttemptState.CONNECTED),
    LeadLeft: to(left_waiting, AttemptState.ENDED),
    Vanished: to(vanished, AttemptState.ENDED),
}
"""A lead who has picked up, while agents are rung."""

SERVED: Table = {
    AttemptState.QUEUED: {
        MessageBegun: to(message_begun, AttemptState.MESSAGE),
        OptedOut: to(opted_out_unseen, AttemptState.MESSAGE),
        AgentRang: to(agent_rings),
        AgentRangOut: to(agent_rang_out),
        **_NO_HUNT,
        AgentConnected: to(connected_in_queue, AttemptState.CONNECTED),
        LeadLeft: to(left_waiting, AttemptState.ENDED),
        Vanished: to(vanished, AttemptState.ENDED),
    },
    AttemptState.MESSAGE: {
        OptedOut: to(opted_out),
        LeadHeld: to(move_to_message),
        **_NO_HUNT,
        # The move came too late: the dialplan had put the lead into the queue, where there was an agent.
        AgentConnected: to(connected_in_queue, AttemptState.CONNECTED),
        LeadLeft: to(left_waiting, AttemptState.ENDED),
        Vanished: to(vanished, AttemptState.ENDED),
    },
    AttemptState.CONNECTED: {
        LeadQueued: to(taken_away),
        OptedOut: to(opted_out),
        AgentAnswered: to(let_go),
        AgentConnected: to(agent_named),
        HuntEnded: to(agent_left),
        HuntFound: to(hunt_found),
        LeadLeft: to(left_talking, AttemptState.ENDED),
        Vanished: to(vanished_talking, AttemptState.ENDED),
    },
    AttemptState.ENDED: _NO_HUNT,
}
"""From where it no longer matters who was called first."""
