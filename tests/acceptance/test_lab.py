"""The laboratory does what its tables say: every fate, every kind of agent, callers from outside, and an exact record."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from tests.lab import DIALERD_AMI_LOGIN, Ami, FarEndCall, Lab, LabError

pytestmark = pytest.mark.acceptance

RING_TIMEOUT_S = 2.0
CALLER = "12025550199"


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab.running() as lab:
        await lab.reset()
        await lab.set_fates(ring_s=(0.2, 0.3), talk_s=(0.3, 0.4), long_ring_s=(3, 3), edge_s=RING_TIMEOUT_S)
        await lab.set_agents(ring_s=(0.1, 0.2))
        yield lab
        await lab.reset()


async def dial(lab: Lab, number: str, *, name: str = "Acme") -> None:
    """Call a lead's phone and, once it is answered, let it talk until the far end hangs up."""
    await lab.pbx.act(
        "Originate",
        {"DIALERD_APP": "nobody", "DIALERD_QUEUE": "support", "DIALERD_HOLD_LIMIT": "30"},
        Channel=f"PJSIP/{number}@carrier",
        ChannelId=str(uuid.uuid4()),
        CallerID=f"{name} <{CALLER}>",
        Context="dialerd-answered",
        Exten="s",
        Priority="1",
        Timeout=str(round(RING_TIMEOUT_S * 1000)),
        Async="true",
    )


async def leads_seen(lab: Lab, count: int) -> list[FarEndCall]:
    await lab.wait_for(lambda: len(lab.calls("lead")) >= count, timeout_s=20)
    return lab.calls("lead")


async def agent_saw(lab: Lab) -> FarEndCall:
    await lab.wait_for(lambda: lab.calls("agent"))
    return lab.calls("agent")[0]


# (rings, is answered, Q.850 cause, who hung up)
FATES = {
    "00": (True, True, 16, "far_end"),
    "49": (True, True, 16, "far_end"),
    "50": (False, False, 17, "far_end"),
    "60": (True, False, 19, "pbx"),
    "70": (True, True, 16, "far_end"),
    "75": (False, False, 34, "far_end"),
    "80": (False, False, 1, "far_end"),
    "85": (False, False, 21, "far_end"),
    "88": (False, False, 21, "far_end"),
    "90": (True, True, 16, "far_end"),
    "93": (True, True, 16, "far_end"),
    "94": (True, True, 16, "far_end"),
    "96": (True, False, 19, "pbx"),
    "97": (True, False, 19, "pbx"),
    "99": (False, False, 19, "pbx"),
}


async def test_the_last_two_digits_decide_what_a_phone_does(lab: Lab) -> None:
    await asyncio.gather(*(dial(lab, f"120255501{fate}") for fate in FATES))
    calls = await leads_seen(lab, len(FATES))
    seen = {
        call.dialed[-2:]: (call.ringing is not None, call.answer is not None, call.cause, call.hung_up_by)
        for call in calls
    }
    assert seen == FATES


async def test_early_media_may_end_in_the_networks_no_answer(lab: Lab) -> None:
    await lab.pbx.act(
        "Originate",
        Channel="PJSIP/12025550195@carrier",
        Context="dialerd-message",
        Exten="s",
        Priority="1",
        Async="true",
    )
    [call] = await leads_seen(lab, 1)
    assert (call.answer, call.cause, call.hung_up_by) == (None, 19, "far_end")


async def test_fate_98_answers_when_the_ring_timeout_strikes(lab: Lab) -> None:
    await dial(lab, "12025550198")
    [call] = await leads_seen(lab, 1)
    last_moment = call.answer or call.end
    assert (last_moment - call.invite).total_seconds() == pytest.approx(RING_TIMEOUT_S, abs=1)


async def test_ring_and_talk_take_as_long_as_told(lab: Lab) -> None:
    await lab.set_fates(ring_s=(0.5, 0.5), talk_s=(0.8, 0.8), voice=False)
    await dial(lab, "12025550101")
    [call] = await leads_seen(lab, 1)
    assert call.ringing is not None
    assert call.answer is not None
    assert 0.5 <= (call.answer - call.ringing).total_seconds() < 1.5
    assert 0.8 <= call.talk_s < 2


@pytest.mark.parametrize("name", ['"Acme, Ltd"', "Zürich Straße 4", "a;b:c)=1", "O'Brien $[1+1] ${EXTEN}"])
async def test_any_caller_name_stays_one_field_of_one_row(lab: Lab, name: str) -> None:
    await dial(lab, "12025550150", name=name)
    [call] = await leads_seen(lab, 1)
    assert call.caller_name == name.strip('"')
    assert call.caller_number == CALLER


async def test_a_burst_is_recorded_call_by_call(lab: Lab) -> None:
    numbers = {f"1{area}55501{fate:02}" for area in range(202, 206) for fate in range(50, 94)}
    await asyncio.gather(*(dial(lab, number) for number in numbers))
    calls = await leads_seen(lab, len(numbers))
    assert sorted(call.dialed for call in calls) == sorted(numbers)
    assert len({call.call_id for call in calls}) == len(numbers)


async def test_forgetting_keeps_the_record_readable(lab: Lab) -> None:
    await dial(lab, "12025550150")
    await leads_seen(lab, 1)
    lab.forget_calls()
    assert lab.calls() == []
    await dial(lab, "12025550151")
    assert [call.dialed for call in await leads_seen(lab, 1)] == ["12025550151"]


# --- Agents and callers ----------------------------------------------------------------------------------------------


async def test_a_caller_from_outside_talks_to_an_agent_and_hangs_up(lab: Lab) -> None:
    await lab.queue_add("q1", "1010")
    await lab.call_in("q1", "442079460101", talk_s=0.5)
    agent = await agent_saw(lab)
    [caller] = await lab.wait_for(lambda: lab.calls("inbound"))
    assert (agent.dialed, agent.caller_number, agent.hung_up_by) == ("1010", "442079460101", "pbx")
    assert agent.talk_s >= 0.5
    assert (caller.dialed, caller.caller_number, caller.hung_up_by) == ("queue-q1", "442079460101", "far_end")


async def test_a_caller_loses_patience(lab: Lab) -> None:
    await lab.call_in("q1", "442079460102", patience_s=0.8)
    await lab.wait_for(lambda: waits(lab, "q1", "442079460102"))
    [caller] = await lab.wait_for(lambda: lab.calls("inbound"))
    assert caller.talk_s >= 0.8
    assert lab.calls("agent") == []
    [abandoned] = await lab.wait_for(
        lambda: [event for event in lab.pbx.events if event["Event"] == "QueueCallerAbandon"]
    )
    assert abandoned["CallerIDNum"] == "442079460102"


async def waits(lab: Lab, queue: str, caller: str) -> bool:
    return caller in await lab.callers_waiting(queue)


async def test_an_agent_who_rejects_is_passed_over(lab: Lab) -> None:
    await lab.queue_add("q1", "1010")
    await lab.agent_behaviour("1010", "reject")
    await lab.call_in("q1", "442079460103", talk_s=0.3)
    await agent_saw(lab)
    await lab.queue_add("q1", "1011")
    await lab.wait_for(lambda: [call for call in lab.calls("agent") if call.answer])
    *rejected, served = lab.calls("agent")
    assert {(call.dialed, call.answer, call.cause) for call in rejected} == {("1010", None, 17)}
    assert (served.dialed, served.caller_number) == ("1011", "442079460103")


async def test_an_agent_who_ignores_the_phone_lets_it_ring(lab: Lab) -> None:
    await lab.queue_add("q1", "1010")
    await lab.agent_behaviour("1010", "ignore")
    await lab.call_in("q1", "442079460104", patience_s=1.5)
    agent = await agent_saw(lab)
    assert agent.ringing is not None
    assert (agent.answer, agent.hung_up_by) == (None, "pbx")


async def test_a_paused_agent_is_left_alone(lab: Lab) -> None:
    await lab.queue_add("q1", "1010")
    await lab.queue_pause("q1", "1010", reason="lunch")
    [member] = await lab.queue_members("q1")
    assert (member.extension, member.paused) == ("1010", True)
    await lab.call_in("q1", "442079460105", patience_s=0.8)
    await lab.wait_for(lambda: lab.calls("inbound"))
    assert lab.calls("agent") == []


async def test_reset_leaves_only_the_static_agents(lab: Lab) -> None:
    await lab.queue_add("q1", "1010")
    await lab.queue_pause("sales", "1001")
    await lab.reset()
    assert await lab.queue_members("q1") == []
    assert {(member.extension, member.paused) for member in await lab.queue_members("sales")} == {
        (extension, False) for extension in ("1001", "1002", "1003", "1004")
    }


# --- What the daemon's login may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["Command", "GetConfig", "ModuleLoad", "Filter"])
async def test_the_daemons_login_has_least_privilege(lab: Lab, action: str) -> None:
    session = await Ami.connect(lab.pbx_address, DIALERD_AMI_LOGIN)
    try:
        with pytest.raises(LabError, match="Permission denied"):
            await session.act(action)
    finally:
        await session.close()
