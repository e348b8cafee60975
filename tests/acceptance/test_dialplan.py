"""The shipped dialplan alone serves a person who answered, whatever has become of the daemon (law L9)."""

import base64
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.heard import Heard, voice_of_agent, voice_of_lead
from tests.lab import (
    COMPANY_NUMBER,
    DIALERD_AMI_LOGIN,
    DIALERD_ARI_LOGIN,
    Ami,
    FarEndCall,
    Lab,
    StasisApp,
    dial_lead,
    hunt,
)

pytestmark = pytest.mark.acceptance

LEAD = "12025550100"
MACHINE = "12025550170"
TALK_S = 5
WAV_HEADER = 44


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


async def told(lab: Lab, ami: Ami, name: str) -> list[dict[str, str]]:
    """The far end's record may be quicker than the PBX's word."""
    return await lab.wait_for(lambda: user_events(ami, name))


async def ended_lead(lab: Lab) -> FarEndCall:
    [call] = await lab.wait_for(lambda: lab.calls("lead"))
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
    [away] = await told(lab, ami, "DialerdAway")
    assert (away["Attempt"], away["Campaign"], away["Queue"]) == (attempt, "7", "sales")


async def test_without_daemon_and_queue_the_message_is_played(lab: Lab, ami: Ami) -> None:
    await lab.set_fates(talk_s=(15, 15))
    await dial_lead(ami, LEAD)
    lead = await ended_lead(lab)
    [played] = await told(lab, ami, "DialerdMessage")
    assert played["Sound"] == "dialerd/nobody-free"
    assert (lead.hung_up_by, lead.cause) == ("pbx", 16)
    assert lead.talk_s > 2.3  # the whole of it


async def test_an_opt_out_key_is_told_and_remembered(lab: Lab, ami: Ami) -> None:
    attempt = await dial_lead(ami, "12025550194")
    await ended_lead(lab)
    [opted_out] = await told(lab, ami, "DialerdOptOut")
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
    [played] = await told(lab, ami, "DialerdMessage")
    assert played["Sound"] == "../../etc/passwddialerd/opted-outEXTEN"


# --- What the agent's phone is told ----------------------------------------------------------------------------------


async def originate(ami: Ami, channel: str, context: str, caller_id: str, **variables: str) -> str:
    """A leg with a channel id of its own, which is returned. A variable that begins with INHERITED_ passes on."""
    leg = str(uuid.uuid4())
    named = {
        name.replace("INHERITED_", "__DIALERD_").replace("OWN_", "DIALERD_"): variables[name] for name in variables
    }
    headers = {"Context": context, "Exten": "s", "Priority": "1", "Timeout": "20000", "Async": "true"}
    await ami.act("Originate", named, Channel=channel, ChannelId=leg, CallerID=caller_id, **headers)
    return leg


async def dial(ami: Ami, number: str, **variables: str) -> str:
    caller_id = f'"Acme" <{COMPANY_NUMBER}>'
    return await originate(ami, f"PJSIP/{number}@carrier", "dialerd-answered", caller_id, **variables)


async def ring_agents(ami: Ami, queue: str, **variables: str) -> str:
    return await originate(ami, f"Local/{queue}@dialerd-hunt/n", "dialerd-hunted", f'"Lee" <{LEAD}>', **variables)


async def hung_up_agent(lab: Lab) -> FarEndCall:
    """The one agent who was rung; without a daemon the hunt is over as soon as he answers, and with a lead when the lead leaves."""
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    return agent


@pytest.mark.parametrize("way", ["hunted", "queued"])
async def test_the_agents_phone_is_sent_the_leads_data_as_headers(lab: Lab, ami: Ami, way: str) -> None:
    sent = {"INHERITED_HEADER_1": "Name:Zo%C3%AB%20%22x%22", "INHERITED_HEADER_2": "Custom-plan:a%0D%0AX-Evil%3A%201"}
    if way == "hunted":
        await ring_agents(ami, "sales", **sent)
    else:
        await dial(ami, LEAD, OWN_QUEUE="sales", **sent)
    assert (await hung_up_agent(lab)).headers == {
        "X-Dialerd-Name": 'Zo\u00eb "x"',
        "X-Dialerd-Custom-plan": "a\r\nX-Evil: 1",
    }


async def test_a_header_is_never_more_than_a_header(lab: Lab, ami: Ami) -> None:
    await ring_agents(ami, "sales", INHERITED_HEADER_1="Name X:1;${EXTEN}<b> X-Evil: 2")
    assert (await hung_up_agent(lab)).headers == {"X-Dialerd-NameX": "1EXTENbX-Evil"}


async def test_agents_never_see_a_number_that_is_masked_though_the_daemon_is_away(lab: Lab, ami: Ami) -> None:
    await dial(ami, LEAD, OWN_QUEUE="sales", OWN_MASK="1")
    await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.answer is not None
    assert agent.caller_number == COMPANY_NUMBER  # what the lead was shown


# --- An agent who was there first ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead_is", ["ringing", "held"])
async def test_a_lead_of_a_dead_daemon_gets_the_agent_who_waits_on_the_line(lab: Lab, ami: Ami, lead_is: str) -> None:
    await lab.set_fates(ring_s=(1, 1), talk_s=(9, 9))
    async with StasisApp.connected(lab.ari_url) as app:
        agent = await ring_agents(ami, "sales", OWN_AGENT_LIMIT="9")
        await app.next("StasisStart")
        await app.post(f"channels/{agent}/moh")
        await dial(ami, LEAD, OWN_QUEUE="sales", OWN_HOLD_LIMIT="2", OWN_AGENT_CHANNEL=agent)
        if lead_is == "held":
            await app.next("StasisStart")
        await app.die()
        lead = await ended_lead(lab)
    [talked] = await lab.wait_for(lambda: lab.calls("agent"))
    assert (talked.hung_up_by, lead.hung_up_by) == ("pbx", "far_end")
    assert talked.talk_s > 9  # beyond the limits of both legs
    assert (talked.end - lead.end).total_seconds() == pytest.approx(0, abs=0.5)


async def test_when_that_agent_hangs_up_the_talk_is_over(lab: Lab, ami: Ami) -> None:
    await lab.set_fates(talk_s=(15, 15))
    await lab.set_agents(ring_s=(0.2, 0.2), talk_s=(5, 5))
    async with StasisApp.connected(lab.ari_url) as app:
        agent = await ring_agents(ami, "sales", OWN_AGENT_LIMIT="20")
        await app.next("StasisStart")
        await app.die()
        await dial(ami, LEAD, OWN_QUEUE="sales", OWN_HOLD_LIMIT="2", OWN_AGENT_CHANNEL=agent)
        lead = await ended_lead(lab)
    assert lead.hung_up_by == "pbx"
    assert len(await lab.wait_for(lambda: lab.calls("agent"))) == 1  # nobody else was rung


async def test_where_that_agent_has_left_the_queue_serves_the_lead(lab: Lab, ami: Ami) -> None:
    await dial(ami, LEAD, OWN_QUEUE="sales", OWN_AGENT_CHANNEL=str(uuid.uuid4()))
    lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.answer is not None
    assert lead.hung_up_by == "far_end"


async def test_an_agent_does_not_wait_for_ever_on_the_line_of_a_dead_daemon(lab: Lab, ami: Ami) -> None:
    async with StasisApp.connected(lab.ari_url) as app:
        await ring_agents(ami, "sales", OWN_AGENT_LIMIT="2")
        await app.next("StasisStart")
        await app.die()
        [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.hung_up_by == "pbx"
    assert agent.talk_s == pytest.approx(2, abs=1)


async def test_an_agent_who_answers_a_dead_daemon_that_had_dialed_nobody_is_let_go(lab: Lab, ami: Ami) -> None:
    await ring_agents(ami, "sales", OWN_AGENT_LIMIT="20")
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.hung_up_by == "pbx"
    assert agent.talk_s < 10  # at once, and not by the limit


# --- Machine or human being ------------------------------------------------------------------------------------------


async def test_a_machine_and_a_person_are_told_apart_before_the_daemon_gets_the_call(lab: Lab, ami: Ami) -> None:
    await lab.set_fates(talk_s=(9, 9), voice=True)
    async with StasisApp.connected(lab.ari_url) as app:
        said = []
        for number in (MACHINE, LEAD):
            attempt = await dial(ami, number, OWN_DETECT_MACHINE="1", OWN_HOLD_LIMIT="20")
            said.append((await app.next("StasisStart"))["args"][2])
            await ami.act("Hangup", Channel=attempt)
    assert said == ["MACHINE", "HUMAN"]


async def test_silence_is_no_machine(lab: Lab, ami: Ami) -> None:
    await lab.set_fates(talk_s=(15, 15))
    async with StasisApp.connected(lab.ari_url) as app:
        await dial(ami, LEAD, OWN_DETECT_MACHINE="1", OWN_HOLD_LIMIT="20")
        assert (await app.next("StasisStart"))["args"][2] == "NOTSURE"


async def test_who_is_not_listened_to_is_neither(lab: Lab, ami: Ami) -> None:
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial(ami, MACHINE, INHERITED_ATTEMPT=str(uuid.uuid4()), OWN_HOLD_LIMIT="20")
        args = (await app.next("StasisStart"))["args"]
        await ami.act("Hangup", Channel=attempt)
    assert [arg for arg in args[2:] if arg] == []


# --- Recordings ------------------------------------------------------------------------------------------------------


async def recorded(lab: Lab, name: str) -> bytes | None:
    """The stored recording, once Asterisk has closed it, as ARI hands it out; then it is deleted."""
    login = base64.b64encode(":".join(DIALERD_ARI_LOGIN).encode()).decode()
    address = f"{lab.ari_url}/recordings/stored/{quote(name, safe='')}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {login}"}) as session:
        async with session.get(URL(f"{address}/file", encoded=True)) as answer:
            if answer.status == 404:
                return None
            sound = await answer.read()
        told = int.from_bytes(sound[WAV_HEADER - 4 : WAV_HEADER], "little")
        if len(sound) != WAV_HEADER + told:
            return None
        async with session.delete(URL(address, encoded=True)) as answer:
            assert answer.status == 204
    return sound


def both_voices(sound: bytes, agent: FarEndCall, folder: Path) -> bool:
    """Whether lead and agent are heard in the whole of the recording, which is closed."""
    file = folder / "talk.wav"
    file.write_bytes(sound)
    heard = Heard.in_file(file)
    spoken = [
        sum(part.length_s for part in heard.every(voice))
        for voice in (voice_of_lead(LEAD), voice_of_agent(agent.dialed))
    ]
    return min(spoken) > 0.8 * heard.length_s > 2


async def test_a_talk_through_the_queue_is_recorded_with_both_voices_though_the_daemon_is_away(
    lab: Lab, ami: Ami, tmp_path: Path
) -> None:
    await lab.listen()
    await lab.set_fates(voice="talk")
    await lab.set_agents(talking=True)
    name = f"dialerd/2026-01-01/{uuid.uuid4()}"
    await dial(ami, LEAD, OWN_QUEUE="sales", OWN_RECORDING=name)
    lead = await ended_lead(lab)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    sound = await lab.wait_for(lambda: recorded(lab, name))
    assert sound is not None
    assert both_voices(sound, agent, tmp_path)
    assert await lab.is_whole(lead, (len(sound) - WAV_HEADER) / 16_000)


async def test_a_talk_in_a_bridge_is_recorded_with_both_voices_to_its_end(lab: Lab, ami: Ami, tmp_path: Path) -> None:
    await lab.set_fates(voice="talk")
    await lab.set_agents(talking=True)
    name = f"dialerd/2026-01-01/{uuid.uuid4()}"
    async with StasisApp.connected(lab.ari_url) as app:
        leg = await ring_agents(ami, "sales")
        await app.next("StasisStart")
        attempt = await dial(ami, LEAD, OWN_RECORDING=name)
        await app.next("StasisStart")
        await app.post(f"bridges/{attempt}", type="mixing")
        await app.post(f"bridges/{attempt}/addChannel", channel=f"{attempt},{leg}")
        await app.die()
        await ended_lead(lab)
        await ami.act("Hangup", Channel=leg)
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    sound = await lab.wait_for(lambda: recorded(lab, name))
    assert sound is not None
    assert both_voices(sound, agent, tmp_path)


async def test_what_a_lead_hears_alone_is_recorded_only_where_that_is_asked_for(
    lab: Lab, ami: Ami, tmp_path: Path
) -> None:
    names = [f"dialerd/2026-01-01/{uuid.uuid4()}" for _ in range(2)]
    await lab.set_fates(ring_s=(0.1, 0.1), talk_s=(9, 9), voice=False)
    await dial(ami, LEAD, OWN_RECORDING=names[0])
    await dial(ami, LEAD, OWN_RECORDING=names[1], OWN_RECORD_ALL="1")
    await lab.wait_for(lambda: len(lab.calls("lead")) == 2)
    nothing, everything = [await lab.wait_for(partial(recorded, lab, name)) for name in names]
    assert nothing is not None
    assert everything is not None
    assert len(nothing) == WAV_HEADER  # and no sound
    (tmp_path / "alone.wav").write_bytes(everything)
    assert Heard.in_file(tmp_path / "alone.wav").names() == ["dialerd/nobody-free"]


async def test_a_disk_that_takes_no_file_stops_no_call(lab: Lab, ami: Ami) -> None:
    await dial(ami, LEAD, OWN_QUEUE="sales", OWN_RECORDING="x" * 300)
    lead = await ended_lead(lab)
    assert lead.hung_up_by == "far_end"
    [agent] = await lab.wait_for(lambda: lab.calls("agent"))
    assert agent.answer is not None


async def test_a_recording_is_never_more_than_a_file_in_its_folder(lab: Lab, ami: Ami) -> None:
    name = uuid.uuid4().hex
    await dial(ami, LEAD, OWN_RECORDING=f"../../{name}|;${{EXTEN}})", OWN_RECORD_ALL="1")
    await ended_lead(lab)
    assert await lab.wait_for(lambda: recorded(lab, f"{name}EXTEN"))
