"""Progressive (customer-first): dial the lead, and ring an agent through the bound queue when the lead has answered.

The table is the whole life of such a call. Telephony tells its news late, twice and out of order, so an event that a
state does not list has no effect there; a state is only ever left forward.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

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
from dialerd.domain.outcomes import Outcome, classify_unanswered

Stepped = tuple[Call, list[CallCommand]]
Effect = Callable[[Call, Any, datetime], Stepped]


NEWS_DELAY = timedelta(seconds=15)
"""By how much the news of a channel may be late; seen: 10 ms at fifty calls a second, seconds on a starved machine."""


def step(call: Call, event: CallEvent, now: datetime) -> Stepped:
    """The call after `event`, and what is to be done about it. What the state does not list changes nothing."""
    effect = TRANSITIONS[call.state].get(type(event))
    return effect(call, event, now) if effect else (call, [])


def _ring(call: Call, _: LeadRang, now: datetime) -> Stepped:
    """A Stop that came before there was a channel has hung up nothing, so it is carried out now."""
    return replace(call, state=AttemptState.RINGING, ringing_at=now), [HangUpLead()] if call.stop_requested else []


def _answer(call: Call, _: LeadAnswered, now: datetime) -> Stepped:
    return replace(call, state=AttemptState.ANSWERED, answered_at=now), []


def _hold_unanswered(call: Call, event: LeadHeld, now: datetime) -> Stepped:
    """Held before we heard of the answer: the two come over different connections."""
    answered, _ = _answer(call, LeadAnswered(), now)
    return _hunt(answered, event, now)


def _hunt(call: Call, _: LeadHeld, __: datetime) -> Stepped:
    if call.hunting:
        return call, []
    hunt = call.hunts + 1
    timeout = Remind(after=call.agent_dial_timeout, event=AgentDialTimedOut(hunt))
    return replace(call, hunts=hunt, hunting=True), [HuntAgent(hunt), timeout]


def _hunt_found(call: Call, event: HuntFound, now: datetime) -> Stepped:
    """By a daemon that has just taken the call up. Its time starts anew: when it began is not known."""
    if call.hunting or event.hunt < call.hunts:
        return _let_go(call, event, now)
    timeout = Remind(after=call.agent_dial_timeout, event=AgentDialTimedOut(event.hunt))
    return replace(call, hunts=event.hunt, hunting=True), [timeout]


def _agent_rings(call: Call, event: AgentRang, now: datetime) -> Stepped:
    return replace(call, agent=event.agent, agent_ringing_at=call.agent_ringing_at or now), []


def _agent_rang_out(call: Call, event: AgentRangOut, _: datetime) -> Stepped:
    return (replace(call, agent=None), []) if call.agent == event.agent else (call, [])


def _agent_named(call: Call, event: AgentConnected, now: datetime) -> Stepped:
    if event.hunt and not _runs(call, event.hunt):
        return _let_go(call, event, now)
    return replace(call, agent=event.agent), []


def _runs(call: Call, hunt: int) -> bool:
    """Whether this is the hunt that counts: not an earlier one, nor one that was given up."""
    return call.hunting and hunt == call.hunts


def _let_go(call: Call, event: AgentAnswered | AgentConnected | HuntFound, _: datetime) -> Stepped:
    """An agent whose hunt was given up meanwhile, be it because the order to hang up came before the hunt's leg."""
    return call, [] if _runs(call, event.hunt) else [HangUpHunt(event.hunt)]


def _join(call: Call, event: AgentAnswered, now: datetime) -> Stepped:
    return (call, [JoinLegs(event.hunt)]) if _runs(call, event.hunt) else _let_go(call, event, now)


def _joined(call: Call, _: LegsJoined, now: datetime) -> Stepped:
    """An agent who has already left again was never there for the lead."""
    return (replace(call, state=AttemptState.CONNECTED, connected_at=now), []) if call.hunting else (call, [])


def _connected_in_queue(call: Call, event: AgentConnected, now: datetime) -> Stepped:
    if event.hunt:
        return _let_go(call, event, now)
    return replace(call, state=AttemptState.CONNECTED, connected_at=now, agent=event.agent), []


def _hunt_over(call: Call, event: HuntEnded, _: datetime) -> Stepped:
    """Nobody took the call: "the customer is transferred into the campaign queue with hold music"."""
    if not _runs(call, event.hunt):
        return call, []
    return replace(call, hunting=False, agent=None), [MoveToQueue()]


def _hunt_timed_out(call: Call, event: AgentDialTimedOut, _: datetime) -> Stepped:
    if not _runs(call, event.hunt):
        return call, []
    return replace(call, hunting=False, agent=None), [HangUpHunt(event.hunt), MoveToQueue()]


def _queued(call: Call, _: LeadQueued, now: datetime) -> Stepped:
    """In the queue, whoever put the lead there. A hunt that still runs would ring a second agent."""
    alone, commands = _without_hunt(call)
    return replace(alone, state=AttemptState.QUEUED, agent=None, answered_at=call.answered_at or now), commands


def _taken_away(call: Call, _: LeadQueued, __: datetime) -> Stepped:
    """The dialplan's hold limit ran out in the instant of the join: the queue serves the lead, the agent is let go."""
    return _without_hunt(call)


def _without_hunt(call: Call) -> Stepped:
    return replace(call, hunting=False), [HangUpHunt(call.hunts)] if call.hunting else []


def _agent_left(call: Call, event: HuntEnded, _: datetime) -> Stepped:
    """Only the hunt that was joined matters; a lead who found an agent in the queue is hung up by the queue itself."""
    return (replace(call, hunting=False), [HangUpLead()]) if _runs(call, event.hunt) else (call, [])


def _stop(call: Call, _: StopRequested, __: datetime) -> Stepped:
    return replace(call, stop_requested=True), [HangUpLead()]


def _end(call: Call, outcome: Outcome, now: datetime, left: LeadLeft | None = None) -> Stepped:
    alone, commands = _without_hunt(call)
    ended = replace(
        alone,
        state=AttemptState.ENDED,
        outcome=outcome,
        ended_at=now,
        cause=left.cause if left else None,
        tech_cause=left.tech_cause if left else None,
    )
    return ended, commands


def _placed(call: Call, _: ChannelMade, __: datetime) -> Stepped:
    return replace(call, placed=True), []


def _dial_failed(call: Call, _: DialFailed, __: datetime) -> Stepped:
    """The result of a dial overtakes the news of its channel where Asterisk is busy, so that a channel which nobody has heard of yet
    may have existed all the same (law L2)."""
    if call.placed or call.dial_failed:
        return call, []
    return replace(call, dial_failed=True), [Remind(after=NEWS_DELAY, event=DialRefused())]


def _refused(call: Call, _: DialRefused, now: datetime) -> Stepped:
    return (call, []) if call.placed else _end(call, Outcome.NOT_PLACED, now)


def _left_unanswered(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    outcome = Outcome.CANCELLED if call.stop_requested else classify_unanswered(event.cause)
    return _end(call, outcome, now, event)


def _left_waiting(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    """Who hangs up before the agent is even due has not been abandoned."""
    waited = now - (call.answered_at or now)
    return _end(call, Outcome.HUNG_UP if waited < call.customer_wait_sla else Outcome.ABANDONED, now, event)


def _left_talking(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    return _end(call, Outcome.CONNECTED, now, event)


def _vanished(call: Call, _: Vanished, now: datetime) -> Stepped:
    return _end(call, Outcome.UNKNOWN, now)


def _vanished_talking(call: Call, _: Vanished, now: datetime) -> Stepped:
    return _end(call, Outcome.CONNECTED, now)


TRANSITIONS: Mapping[AttemptState, Mapping[type[Any], Effect]] = {
    AttemptState.DIALING: {
        ChannelMade: _placed,
        LeadRang: _ring,
        LeadAnswered: _answer,
        LeadHeld: _hold_unanswered,
        LeadQueued: _queued,
        LeadLeft: _left_unanswered,
        DialFailed: _dial_failed,
        DialRefused: _refused,
        StopRequested: _stop,
        Vanished: _vanished,
    },
    AttemptState.RINGING: {
        LeadAnswered: _answer,
        LeadHeld: _hold_unanswered,
        LeadQueued: _queued,
        LeadLeft: _left_unanswered,
        StopRequested: _stop,
        Vanished: _vanished,
    },
    AttemptState.ANSWERED: {
        LeadHeld: _hunt,
        LeadQueued: _queued,
        AgentRang: _agent_rings,
        AgentRangOut: _agent_rang_out,
        AgentConnected: _agent_named,
        AgentAnswered: _join,
        AgentDialTimedOut: _hunt_timed_out,
        HuntEnded: _hunt_over,
        HuntFound: _hunt_found,
        LegsJoined: _joined,
        LeadLeft: _left_waiting,
        Vanished: _vanished,
    },
    AttemptState.QUEUED: {
        AgentRang: _agent_rings,
        AgentRangOut: _agent_rang_out,
        AgentAnswered: _let_go,
        AgentConnected: _connected_in_queue,
        LeadLeft: _left_waiting,
        Vanished: _vanished,
    },
    AttemptState.CONNECTED: {
        LeadQueued: _taken_away,
        AgentAnswered: _let_go,
        AgentConnected: _agent_named,
        HuntEnded: _agent_left,
        HuntFound: _hunt_found,
        LeadLeft: _left_talking,
        Vanished: _vanished_talking,
    },
    AttemptState.ENDED: {AgentAnswered: _let_go},
}
