"""Calls that go wrong in the worst moment: people who hang up as they answer, agents who are gone when they are needed, agents who
will not pick up; and the news of a call in any order (laws L2, L7 and L9)."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.asterisk.events import EventReader
from dialerd.domain.calls import AttemptState, CallEvent, DialLead, DialMode, NoAgent, Opened
from dialerd.domain.dial_modes import step
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HOLD_SENTENCES, HoldReason
from tests.acceptance.desk import PATIENCE_S, PERSON, QUEUE, Desk, now, some
from tests.factories import ATTEMPT, a_call, later
from tests.fakes.recorded import Headers, recorded
from tests.lab import Lab

AGENTS = tuple(str(1010 + index) for index in range(12))
ANSWERS_AND_IS_GONE = [90, 91, 92]
CALLER = "442079460101"
MESSAGE = "dialerd/nobody-free"
PROMISE_S = 3.0
"""In which a person who answers hears something: two seconds by the rule, and one for a machine that has much to do."""


# --- F29: answer and hang-up in the same millisecond -------------------------------------------------------------------


@pytest.mark.acceptance
@pytest.mark.parametrize("mode", [DialMode.PROGRESSIVE, DialMode.AGENT_FIRST])
async def test_people_who_hang_up_in_the_moment_in_which_they_answer_end_once_and_leave_no_agent_on_the_line(
    desk: Desk, lab: Lab, mode: DialMode
) -> None:
    """F29: 200 and BYE in the same millisecond, of forty calls."""
    agents = await desk.staff(*AGENTS)
    leads = some(40, ANSWERS_AND_IS_GONE)
    campaign = await desk.dial(leads, dial_mode=mode, calls_per_second=10)
    await desk.until_completed(campaign)
    await desk.until_silent()
    calls = desk.calls_in_order()
    assert sorted(call.dialed for call in calls) == sorted(number[1:] for number in leads)
    assert all(call.hung_up_by == "far_end" for call in calls)
    assert sorted(call.talk_s for call in calls)[len(calls) // 2] < 0.1, "most hung up at once"
    outcomes = await desk.outcomes_of(campaign)
    assert len(outcomes) == len(leads)
    assert set(outcomes) <= {Outcome.HUNG_UP, Outcome.ABANDONED, Outcome.CONNECTED}
    assert not [member for member in await lab.queue_members(QUEUE) if member.in_call]
    await desk.judge(campaign, agents=agents)


# --- F30: the news of a call, in any order and more than once ----------------------------------------------------------

News = tuple[str, Headers]


def the_news(recording: str) -> list[News]:
    """Those of the events that were recorded that say something of the call, whatever had come before."""
    return [(name, headers) for name, headers in recorded(recording) if name in SAY_SOMETHING]


SAY_SOMETHING = frozenset(
    {"Newchannel", "Newstate", "Hangup", "OriginateResponse", "UserEvent"}
    | {"QueueCallerJoin", "AgentCalled", "AgentRingNoAnswer", "AgentConnect"}
)
WHOLE_CALLS = {
    name: the_news(name) for name in ("busy", "ring-timeout", "answered-lead-with-hunt-and-bridge", "daemon-away")
}


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_the_recorded_news_of_a_call_shuffled_and_repeated_end_it_once_and_dial_it_once(data: st.DataObject) -> None:
    """F30: an early hang-up before OriginateResponse, and every other order: the life of a call only goes forward."""
    news = WHOLE_CALLS[data.draw(st.sampled_from(sorted(WHOLE_CALLS)), label="recording")]
    told_twice = data.draw(st.lists(st.sampled_from(news), max_size=len(news)), label="told twice")
    events = heard(data.draw(st.permutations([*news, *told_twice]), label="order"))
    events.insert(data.draw(st.integers(0, len(events)), label="opened again"), Opened())
    call, orders = step(a_call(dialed=False), Opened(), later(0))
    ends: set[tuple[Outcome | None, datetime | None]] = set()
    for second, event in enumerate(events, start=1):
        call, commands = step(call, event, later(second))
        orders = [*orders, *commands]
        if call.state is AttemptState.ENDED:
            ends.add((call.outcome, call.ended_at))
    assert len(ends) == 1, "its channel told its end, and the end is the end"
    assert call.outcome is not Outcome.NOT_PLACED
    assert orders.count(DialLead()) == 1


def heard(news: list[News]) -> list[CallEvent]:
    """What a daemon makes of it that has dialed this lead, and rung an agent."""
    reader = EventReader()
    reader.watch_lead(ATTEMPT)
    reader.watch_hunt(ATTEMPT, 1)
    return [said.event for name, headers in news if (said := reader.read_ami(name, headers))]


# --- F31: the agent is gone between dial and answer --------------------------------------------------------------------


async def leave(lab: Lab, how: str) -> None:
    """The one agent is not there any more: by the headset, by the network, or by a caller from outside."""
    if how == "pauses":
        await lab.queue_pause(QUEUE, "1010")
    elif how == "is unregistered":
        await set_device(lab, "UNAVAILABLE")
    else:
        await lab.call_in(QUEUE, CALLER, talk_s=20)
        await lab.wait_for(lambda: took_the_caller(lab), PATIENCE_S)


async def come_back(desk: Desk, lab: Lab, how: str) -> datetime:
    """The moment since when the agent is there again."""
    back = now()
    if how == "pauses":
        await lab.queue_pause(QUEUE, "1010", paused=False)
    elif how == "is unregistered":
        await set_device(lab, "NOT_INUSE")
    else:
        [caller] = await desk.until_seen(1, "inbound")
        back = caller.end
    return back


async def set_device(lab: Lab, state: str) -> None:
    """What the PBX thinks of the agent's phone."""
    await lab.pbx.act("Setvar", Variable="DEVICE_STATE(Custom:1010)", Value=state)


def took_the_caller(lab: Lab) -> bool:
    connected = [said for said in lab.pbx.events if said["Event"] == "AgentConnect"]
    return any(said["CallerIDNum"] == CALLER for said in connected)


@pytest.mark.acceptance
@pytest.mark.parametrize("how", ["pauses", "is unregistered", "takes a caller"])
async def test_a_lead_who_answers_when_the_agent_is_gone_hears_the_message_in_time_and_counts_and_nobody_else_is_dialed(
    desk: Desk, lab: Lab, how: str
) -> None:
    """F31: the agent disappears between dial and answer. The message begins in time, the ledger counts it, the next lead waits."""
    await lab.listen()
    await lab.set_fates(talk_s=(20, 20))
    await set_device(lab, "NOT_INUSE")
    await lab.queue_add(QUEUE, "1010", device="Custom:1010" if how == "is unregistered" else "")
    first, second = some(2, PERSON)
    await lab.set_answer(first, 4)
    campaign = await desk.dial([first, second], no_agent=NoAgent.MESSAGE_AT_SLA, customer_wait_sla_s=2)
    await desk.until_call_is(first, AttemptState.RINGING)
    await leave(lab, how)
    assert await desk.until_outcome(first) is Outcome.ABANDONED
    await desk.until_held(campaign, HoldReason.NO_FREE_AGENT)
    assert await desk.explained() == HOLD_SENTENCES[HoldReason.NO_FREE_AGENT]
    assert await desk.attempts(second) == []
    ledger = await desk.ledger(campaign)
    assert (ledger.answered, ledger.abandoned) == (1, 1)
    [lead] = desk.calls_to(first)
    sound = (await lab.heard(lead)).first()
    assert sound is not None
    assert (sound.name, sound.start_s < PROMISE_S) == (MESSAGE, True)
    assert desk.agent_legs_for(first) == []
    back = await come_back(desk, lab, how)
    await desk.until_call_is(second, AttemptState.CONNECTED)
    await lab.hang_up(second[1:])
    await desk.until_completed(campaign)
    await desk.until_silent()
    assert desk.calls_to(second)[0].invite >= back
    assert (await desk.lead_states(campaign))[first] is LeadState.ABANDONED
    await desk.judge(campaign, agents=["1010"])


# --- F32: the agent's phone rejects the call ---------------------------------------------------------------------------


@pytest.mark.acceptance
async def test_when_one_agent_after_the_other_rejects_the_next_is_on_the_line_in_time(desk: Desk, lab: Lab) -> None:
    """F32: 486 from the agent's phone: the next agent, within two seconds of the answer."""
    agents = await desk.staff("1010", "1011", "1012")
    await lab.set_fates(talk_s=(5, 5))
    for rejects in ("1010", "1011"):
        await lab.agent_behaviour(rejects, "reject")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    await desk.until_silent()
    [lead], [leg] = desk.calls_to(number), desk.agent_legs_for(number)
    assert {each.dialed for each in lab.calls("agent")} == {"1010", "1011", "1012"}
    assert leg.dialed == "1012"
    assert lead.answer is not None
    assert leg.answer is not None
    assert (leg.answer - lead.answer).total_seconds() < PROMISE_S
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


@pytest.mark.acceptance
async def test_when_all_agents_reject_the_lead_hears_the_message_in_time(desk: Desk, lab: Lab) -> None:
    """F32: and without a next agent the message, in the same time."""
    await lab.listen()
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(20, 20))
    for rejects in agents:
        await lab.agent_behaviour(rejects, "reject")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], no_agent=NoAgent.MESSAGE_AT_SLA, customer_wait_sla_s=2)
    assert await desk.until_outcome(number) is Outcome.ABANDONED
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    sound = (await lab.heard(lead)).first()
    assert sound is not None
    assert (sound.name, sound.start_s < PROMISE_S) == (MESSAGE, True)
    ledger = await desk.ledger(campaign)
    assert (ledger.answered, ledger.abandoned) == (1, 1)
    await desk.judge(campaign, agents=agents)
