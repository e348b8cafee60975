"""The shipped dialplan alone serves a person who answered, whatever has become of the daemon (law L9)."""

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.lab import DIALERD_AMI_LOGIN, Ami, FarEndCall, Lab, StasisApp, dial_lead, hunt

pytestmark = pytest.mark.acceptance

LEAD = "12025550100"
TALK_S = 5


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab.running() as lab:
        await lab.reset()
        await lab.set_fates(ring_s=(0.1, 0.1), talk_s=(TALK_S, TALK_S), voice=False)
        await lab.set_agents(ring_s=(0.2, 0.2))
        yield lab
        await lab.reset()


@pytest.fixture
async def ami(lab: Lab) -> AsyncIterator[Ami]:
    """The daemon's own AMI login, with its few permissions."""
    session = await Ami.connect(lab.pbx_address, DIALERD_AMI_LOGIN)
    yield session
    await session.close()


def user_events(ami: Ami, name: str) -> list[dict[str, str]]:
    return [event for event in ami.events if event["Event"] == "UserEvent" and event["UserEvent"] == name]


async def ended_lead(lab: Lab) -> FarEndCall:
    [call] = await lab.wait_for(lambda: lab.calls("lead"), timeout_s=20)
    return call


# --- Without the daemon ----------------------------------------------------------------------------------------------


async def test_without_the_daemon_the_queue_takes_the_call(lab: Lab, ami: Ami) -> None:
    attempt = await dial_lead(ami, LEAD, queue="sales")
    lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert lead.answer is not None
    assert agent.answer is not None
    assert (agent.invite - lead.answer).total_seconds() < 0.5
    assert agent.caller_number == LEAD  # not the caller ID that the lead was shown
    [away] = user_events(ami, "DialerdAway")
    assert (away["Attempt"], away["Campaign"], away["Queue"]) == (attempt, "7", "sales")


async def test_without_daemon_and_queue_the_message_is_played(lab: Lab, ami: Ami) -> None:
    await lab.set_fates(talk_s=(15, 15))
    await dial_lead(ami, LEAD)
    lead = await ended_lead(lab)
    [played] = user_events(ami, "DialerdMessage")
    assert played["Sound"] == "dialerd/nobody-free"
    assert (lead.hung_up_by, lead.cause) == ("pbx", 16)
    assert lead.talk_s > 2.3  # the whole of it


async def test_an_opt_out_key_is_told_and_remembered(lab: Lab, ami: Ami) -> None:
    attempt = await dial_lead(ami, "12025550194")
    await ended_lead(lab)
    [opted_out] = user_events(ami, "DialerdOptOut")
    assert opted_out["Attempt"] == attempt
    [mark] = await ami.list("DBGetTree", Family="dialerd-optout", Key=attempt)
    assert mark["Key"] == f"/dialerd-optout/{attempt}"


# --- The daemon dies while it holds the call -------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["silent", "in a bridge"])
async def test_at_the_hold_limit_the_dialplan_takes_the_call_back(lab: Lab, ami: Ami, held: str) -> None:
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial_lead(ami, LEAD, queue="sales", hold_limit_s=2)
        await app.next("StasisStart")
        if held == "in a bridge":
            await app.post(f"bridges/{attempt}", type="holding")
            await app.post(f"bridges/{attempt}/addChannel", channel=attempt)
        await app.die()
        lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert lead.answer is not None
    assert (agent.invite - lead.answer).total_seconds() == pytest.approx(2, abs=1)
    assert agent.answer is not None
    assert lead.talk_s == pytest.approx(TALK_S, abs=1)


async def test_an_agent_who_answers_a_dead_daemons_hunt_gets_the_lead(lab: Lab, ami: Ami) -> None:
    await lab.set_agents(ring_s=(1.5, 1.5))
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial_lead(ami, LEAD, queue="sales", hold_limit_s=3)
        lead_channel = (await app.next("StasisStart"))["channel"]["name"]
        await hunt(ami, "sales", attempt, lead_channel=lead_channel, lead_number=LEAD)
        await app.die()
        lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.answer is not None
    assert lead.talk_s == pytest.approx(TALK_S, abs=1)  # the hold limit of 3 s did not cut the talk
    assert user_events(ami, "DialerdAway") == []


# --- With the daemon -------------------------------------------------------------------------------------------------


async def test_a_joined_talk_outlives_the_hold_limit_and_the_daemon(lab: Lab, ami: Ami) -> None:
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial_lead(ami, LEAD, queue="sales", hold_limit_s=2)
        lead_channel = (await app.next("StasisStart"))["channel"]["name"]
        near = await hunt(ami, "sales", attempt, lead_channel=lead_channel, lead_number=LEAD)
        await app.next("StasisStart")
        await app.post(f"bridges/{attempt}", type="mixing")
        await app.post(f"bridges/{attempt}/addChannel", channel=f"{attempt},{near}", inhibitConnectedLineUpdates="true")
        await app.post(f"channels/{attempt}/variable", variable="TIMEOUT(absolute)", value="0")
        await app.die()
        lead = await ended_lead(lab)
    assert lead.talk_s == pytest.approx(TALK_S, abs=1)
    await ami.act("Hangup", Channel=near)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert (agent.caller_number, agent.caller_name) == (LEAD, "Lee")


async def test_the_daemon_can_move_a_lead_to_the_queue(lab: Lab, ami: Ami) -> None:
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial_lead(ami, LEAD, queue="sales", hold_limit_s=2)
        await app.next("StasisStart")
        await app.post(f"channels/{attempt}/continue", context="dialerd-queue", extension="s", priority="1")
        lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.caller_number == LEAD
    assert lead.talk_s == pytest.approx(TALK_S, abs=1)


async def test_a_campaign_call_stands_behind_callers_from_outside(lab: Lab, ami: Ami) -> None:
    await hunt(ami, "q2", str(uuid.uuid4()), lead_channel="none", lead_number=LEAD)
    await lab.wait_for(lambda: waiting(lab, "q2", 1))
    await lab.call_in("q2", "442079460110")
    await lab.wait_for(lambda: waiting(lab, "q2", 2))
    assert await lab.callers_waiting("q2") == ["442079460110", LEAD]


async def test_a_queues_name_may_have_all_that_names_have(lab: Lab, ami: Ami) -> None:
    await lab.queue_add("front-desk_2", "1010")
    await hunt(ami, "front-desk_2", str(uuid.uuid4()), lead_channel="none", lead_number=LEAD)
    await lab.wait_for(lambda: [event for event in ami.events if event["Event"] == "AgentConnect"])
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.dialed == "1010"


async def waiting(lab: Lab, queue: str, count: int) -> bool:
    return len(await lab.callers_waiting(queue)) == count


async def test_nothing_but_ids_and_names_passes_the_variables(lab: Lab, ami: Ami) -> None:
    await dial_lead(ami, LEAD, message="../../etc/passwd&dialerd/opted-out${EXTEN}")
    await ended_lead(lab)
    [played] = user_events(ami, "DialerdMessage")
    assert played["Sound"] == "../../etc/passwddialerd/opted-outEXTEN"
