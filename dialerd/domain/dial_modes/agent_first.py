"""Agent-first: an agent is rung, and the lead is dialed on a second line once the agent is there. Also a preview that an agent
has accepted.

"Zero abandonment": who answers meets an agent who is on the line already. An agent who hangs up meanwhile is replaced at once, so
that the lead is never left in silence.
"""

from dataclasses import replace
from datetime import datetime

from dialerd.domain.call_moves import (
    SERVED,
    UNANSWERED,
    WAITING,
    Moves,
    Stepped,
    Table,
    agent_named,
    agent_rang_out,
    agent_rings,
    answer,
    dial_failed,
    end,
    hunt,
    hunt_found,
    is_dropped_machine,
    left_unanswered,
    left_waiting,
    let_go,
    placed,
    refused,
    ring,
    runs,
    serve,
    to,
)
from dialerd.domain.calls import (
    MOST_HUNTS,
    AgentAnswered,
    AgentConnected,
    AgentDialTimedOut,
    AgentRang,
    AgentRangOut,
    AskToDial,
    AttemptState,
    Call,
    CallCommand,
    ChannelMade,
    Cleared,
    DialFailed,
    DialLead,
    DialRefused,
    Forbidden,
    HangUpHunt,
    HoldAgent,
    HuntEnded,
    HuntFound,
    KeepAgent,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadRang,
    Opened,
    StopRequested,
    Vanished,
)
from dialerd.domain.outcomes import Outcome


def _begin(call: Call, _: Opened, __: datetime) -> Stepped:
    """With an agent who has stayed on the line, or by ringing one."""
    if call.hunts:
        return call, []
    if call.kept_leg is not None:
        return replace(call, hunts=1, hunting=True, agent_up=True), [HoldAgent(1), AskToDial()]
    return hunt(call)


def _agent_is_there(call: Call, event: AgentAnswered, now: datetime) -> Stepped:
    if not runs(call, event.hunt) or call.agent_up:
        return let_go(call, event, now)
    return replace(call, agent_up=True), [HoldAgent(event.hunt), AskToDial()]


def _dial(call: Call, _: Cleared, now: datetime) -> Stepped:
    """The row says so already. An agent who has left in the meantime takes the call with him: nobody has been disturbed."""
    if not call.agent_up:
        return end(call, Outcome.NOT_PLACED, now)
    return replace(call, state=AttemptState.DIALING, dialed=True), [DialLead()]


def _let_be(call: Call, _: Forbidden, now: datetime) -> Stepped:
    return _keeping_agent(call, end(call, Outcome.NOT_PLACED, now))


def _no_agent_took_it(call: Call, event: HuntEnded | AgentDialTimedOut, now: datetime) -> Stepped:
    """The wanted one did not: the queue is asked. The queue has none either: the lead is due again, it knows of nothing."""
    if not runs(call, event.hunt) or (call.agent_up and isinstance(event, AgentDialTimedOut)):
        return call, []
    hung_up: list[CallCommand] = [HangUpHunt(event.hunt)] if isinstance(event, AgentDialTimedOut) else []
    if call.agent_up:
        return replace(call, hunting=False, agent_up=False), []  # Cleared or Forbidden is on its way, and ends the call
    alone = replace(call, hunting=False, agent=None)
    if call.wanted_hunt == call.hunts:
        after, commands = hunt(alone)
    else:
        after, commands = end(alone, Outcome.NOT_PLACED, now)
    return after, [*hung_up, *commands]


def _give_up(call: Call, _: StopRequested | Vanished, now: datetime) -> Stepped:
    """The lead has not been dialed: the row would say so."""
    return end(call, Outcome.NOT_PLACED, now)


def _replace_agent(call: Call, event: HuntEnded, _: datetime) -> Stepped:
    """The agent has hung up, or nobody took the place: somebody is to be there when the lead picks up. But not one agent after the
    other: those who hang up at once may go on so, and the hunts that serve who picks up are to be left."""
    if not runs(call, event.hunt):
        return call, []
    alone = replace(call, hunting=False, agent=None, agent_up=False)
    return hunt(alone) if call.agent_up and call.hunts < MOST_HUNTS - 1 else (alone, [])


def _replacement_answered(call: Call, event: AgentAnswered, now: datetime) -> Stepped:
    if not runs(call, event.hunt):
        return let_go(call, event, now)
    return replace(call, agent_up=True), [HoldAgent(event.hunt)]


def _no_replacement(call: Call, event: AgentDialTimedOut, _: datetime) -> Stepped:
    if not runs(call, event.hunt) or call.agent_up:
        return call, []
    return replace(call, hunting=False, agent=None), [HangUpHunt(event.hunt)]


def _left_unanswered(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    return _keeping_agent(call, left_unanswered(call, event, now))


def _refused(call: Call, event: DialRefused, now: datetime) -> Stepped:
    return _keeping_agent(call, refused(call, event, now))


def _left_answered(call: Call, event: LeadLeft, now: datetime) -> Stepped:
    """Before the two could be joined, or as a machine that is not to be talked to."""
    left = left_waiting(call, event, now)
    return left if call.held and not is_dropped_machine(call) else _keeping_agent(call, left)


def _keeping_agent(call: Call, ended: Stepped) -> Stepped:
    """ "Next lead, or release": an agent who is there stays on the line."""
    after, commands = ended
    kept = call.agent_up and after.state is AttemptState.ENDED
    return (after, [KeepAgent(call.hunts)]) if kept else (after, commands)


_AGENT: Moves = {
    AgentRang: to(agent_rings),
    AgentRangOut: to(agent_rang_out),
    AgentConnected: to(agent_named),
    HuntFound: to(hunt_found),
}
_REPLACEMENT: Moves = {
    **_AGENT,
    AgentAnswered: to(_replacement_answered),
    AgentDialTimedOut: to(_no_replacement),
    HuntEnded: to(_replace_agent),
}

TABLE: Table = {
    AttemptState.PREPARING: {
        Opened: to(_begin),
        **_AGENT,
        AgentAnswered: to(_agent_is_there),
        AgentDialTimedOut: to(_no_agent_took_it, AttemptState.ENDED),
        HuntEnded: to(_no_agent_took_it, AttemptState.ENDED),
        Cleared: to(_dial, AttemptState.DIALING, AttemptState.ENDED),
        Forbidden: to(_let_be, AttemptState.ENDED),
        StopRequested: to(_give_up, AttemptState.ENDED),
        Vanished: to(_give_up, AttemptState.ENDED),
    },
    AttemptState.DIALING: {
        ChannelMade: to(placed),
        LeadRang: to(ring, AttemptState.RINGING),
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(serve, AttemptState.ANSWERED),
        DialFailed: to(dial_failed),
        **UNANSWERED,
        **_REPLACEMENT,
        DialRefused: to(_refused, AttemptState.ENDED),
        LeadLeft: to(_left_unanswered, AttemptState.ENDED),
    },
    AttemptState.RINGING: {
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(serve, AttemptState.ANSWERED),
        **UNANSWERED,
        **_REPLACEMENT,
        LeadLeft: to(_left_unanswered, AttemptState.ENDED),
    },
    AttemptState.ANSWERED: {**WAITING, LeadLeft: to(_left_answered, AttemptState.ENDED)},
    **SERVED,
}
