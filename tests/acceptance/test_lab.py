"""The laboratory does what its tables say: every fate, every kind of agent, callers from outside, and an exact record."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from tests.heard import MUSIC_ON_HOLD, Heard, voice_of_agent, voice_of_lead
from tests.lab import DIALERD_AMI_LOGIN, LAB_LOGIN, Ami, FarEndCall, Lab, LabError, dial_lead

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
    await lab.wait_for(lambda: len(lab.calls("lead")) >= count)
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


# --- What each party heard -------------------------------------------------------------------------------------------

LEAD = "12025550107"
"""A person; speaks as lead-7."""


async def play(lab: Lab, number: str, sound: str) -> None:
    """Call a phone, and play it a sound once it is answered."""
    await lab.pbx.act(
        "Originate",
        Channel=f"PJSIP/{number}",
        Application="Playback",
        Data=sound,
        Async="true",
    )


async def heard_by(lab: Lab, kind: str) -> Heard:
    [call] = await lab.wait_for(lambda: lab.calls(kind))
    return await lab.heard(call)


async def test_the_sound_itself_proves_who_talked_to_whom(lab: Lab) -> None:
    await lab.set_fates(ring_s=(0.2, 0.2), talk_s=(4, 4), voice="talk")
    await lab.set_agents(ring_s=(1, 1), talking=True)
    await lab.listen()
    await lab.queue_add("q1", "1013")
    await dial_lead(lab.pbx, LEAD, queue="q1")
    lead, agent = await heard_by(lab, "lead"), await heard_by(lab, "agent")
    assert lead.names()[0] == MUSIC_ON_HOLD
    assert lead.voices() == [voice_of_agent("1013")]
    assert lead.every(voice_of_agent("1013"))[0].start_s == pytest.approx(1.1, abs=0.4)
    assert agent.voices() == agent.names() == [voice_of_lead(LEAD)]


async def test_a_caller_from_outside_is_heard_and_hears(lab: Lab) -> None:
    await lab.set_fates(voice="talk")
    await lab.set_agents(talking=True)
    await lab.listen()
    await lab.queue_add("q1", "1010")
    await lab.call_in("q1", "442079460104", talk_s=1.5)
    assert voice_of_agent("1010") in (await heard_by(lab, "inbound")).names()
    assert (await heard_by(lab, "agent")).voices() == [voice_of_lead("442079460104")]


async def test_each_of_many_bridgings_is_heard_from_both_sides(lab: Lab) -> None:
    """Asterisk begins the RTP sequence anew when it joins two: a coin's toss up or down."""
    await lab.set_fates(ring_s=(0.2, 0.2), talk_s=(3, 3), voice="talk")
    await lab.set_agents(ring_s=(0.5, 0.5), talking=True)
    await lab.listen()
    for digit in range(8):
        await lab.queue_add(f"q{digit + 1}", f"101{digit}")
        await dial_lead(lab.pbx, f"1202555010{digit}", queue=f"q{digit + 1}")
    await lab.wait_for(lambda: len(lab.calls()) == 16)
    for call in lab.calls():
        voice = voice_of_lead(call.dialed) if call.kind == "agent" else voice_of_agent(call.dialed)
        assert (await lab.heard(call)).voices() == [voice]


async def test_without_voices_a_bridge_is_silent(lab: Lab) -> None:
    await lab.set_fates(voice=False, talk_s=(1.5, 1.5))
    await lab.listen()
    await lab.queue_add("q1", "1013")
    await dial_lead(lab.pbx, LEAD, queue="q1")
    agent = await heard_by(lab, "agent")
    assert agent.first() is None
    assert agent.silence_before_first_s == pytest.approx(agent.length_s, abs=0.05)


SOUNDS = ["dialerd/greeting", "dialerd/agent-announcement"]
MENU_SOUNDS = ["lab-menu/main", "lab-menu/wrong", "lab-menu/confirmed", "lab-menu/cancelled"]


@pytest.mark.parametrize("sound", SOUNDS + MENU_SOUNDS)
async def test_a_sound_is_heard_for_what_it_is(lab: Lab, sound: str) -> None:
    await lab.listen()
    await play(lab, "1010", sound)
    heard = await heard_by(lab, "agent")
    assert heard.names() == [sound]
    assert heard.contains(sound)


async def test_silence_before_the_first_sound_is_measured(lab: Lab) -> None:
    await lab.set_fates(talk_s=(4, 4), voice=False)
    await lab.listen()
    await dial_lead(lab.pbx, LEAD, queue="nobody", message="dialerd/greeting")
    [waited] = await lab.wait_for(
        lambda: [event for event in lab.pbx.events if event.get("UserEvent") == "DialerdMessage"]
    )
    assert waited["Sound"] == "dialerd/greeting"
    heard = await heard_by(lab, "lead")
    first = heard.first()
    assert first is not None
    assert first.name == "dialerd/greeting"
    assert heard.silence_before_first_s == first.start_s < 0.5


async def test_a_call_that_nobody_listened_to_was_not_heard(lab: Lab) -> None:
    await play(lab, "1010", "lab/beep")
    call = await agent_saw(lab)
    with pytest.raises(LabError, match="not after `listen`"):
        await lab.heard(call)


async def test_what_was_heard_is_forgotten_with_the_calls(lab: Lab) -> None:
    await lab.listen()
    await play(lab, "1010", "lab/beep")
    await agent_saw(lab)
    assert list(lab.heard_folder.iterdir())
    lab.forget_calls()
    assert list(lab.heard_folder.iterdir()) == []


# --- Phones that do as they are told ---------------------------------------------------------------------------------


async def test_a_person_presses_the_keys_of_the_number(lab: Lab) -> None:
    await lab.set_fates(ring_s=(0.1, 0.1), talk_s=(3, 3), voice=False)
    await lab.set_keys(LEAD, [(0.6, "1"), (0.3, "#"), (0.5, "9")])
    watcher = await Ami.connect(lab.pbx_address, LAB_LOGIN, events="dtmf")
    try:
        await play(lab, f"{LEAD}@carrier", "lab-menu/main&lab-menu/main")
        await lab.wait_for(lambda: len(presses(watcher)) == 3)
        begun = presses(watcher)
    finally:
        await watcher.close()
    [call] = await leads_seen(lab, 1)
    assert call.answer is not None
    assert [event["Digit"] for event in begun] == ["1", "#", "9"]
    moments = [float(event["Timestamp"]) - call.answer.timestamp() for event in begun]
    waits = [later - earlier for earlier, later in pairwise([0.0, *moments])]
    # from the beginning of one key to that of the next: 0.1 s more than from its end
    assert all(told - 0.05 <= wait < told + 0.5 for told, wait in zip([0.6, 0.4, 0.6], waits, strict=True)), waits


def presses(session: Ami) -> list[dict[str, str]]:
    return [event for event in session.events if event["Event"] == "DTMFBegin" and event["Direction"] == "Received"]


@pytest.mark.parametrize("number", [LEAD, "1010"])
async def test_a_phone_answers_at_its_moment(lab: Lab, number: str) -> None:
    await lab.set_answer(number, 1.3)
    await play(lab, f"{number}@carrier" if number == LEAD else number, "lab/beep")
    [call] = await lab.wait_for(lab.calls)
    assert call.answer is not None
    assert (call.answer - call.invite).total_seconds() == pytest.approx(1.3, abs=0.15)


async def test_an_agent_leaves_early(lab: Lab) -> None:
    await lab.agent_leaves_early("1010", after_s=0.7)
    await play(lab, "1010", "lab-menu/main&lab-menu/main")
    agent = await agent_saw(lab)
    assert agent.talk_s == pytest.approx(0.7, abs=0.3)
    assert (agent.hung_up_by, agent.cause) == ("far_end", 16)


async def test_a_person_picks_up_at_a_chosen_moment(lab: Lab) -> None:
    await lab.set_fates(ring_s=(60, 60), talk_s=(0.5, 0.5), voice=False)
    await play(lab, f"{LEAD}@carrier", "&".join(["lab-menu/main"] * 20))
    await lab.wait_for(lambda: lab.is_in_call(LEAD))
    assert not await talks(lab)
    await lab.pick_up(f"+{LEAD}")
    [call] = await lab.wait_for(lab.calls)
    assert (call.dialed, call.hung_up_by, call.cause) == (LEAD, "far_end", 16)
    assert call.talk_s == pytest.approx(0.5, abs=0.3)


@pytest.mark.parametrize("phone", [LEAD, "1010"])
async def test_a_phone_hangs_up_at_a_chosen_moment(lab: Lab, phone: str) -> None:
    await lab.set_fates(talk_s=(60, 60))
    await play(lab, f"{phone}@carrier" if phone == LEAD else phone, "&".join(["lab-menu/main"] * 20))
    await lab.wait_for(lambda: talks(lab))
    await lab.hang_up(phone)
    [call] = await lab.wait_for(lab.calls)
    assert (call.dialed, call.hung_up_by, call.cause) == (phone, "far_end", 16)


async def talks(lab: Lab) -> bool:
    return any(channel["ChannelStateDesc"] == "Up" for channel in await lab.far_end.list("CoreShowChannels"))


async def test_a_phone_in_no_call_cannot_hang_up(lab: Lab) -> None:
    with pytest.raises(LabError, match="1010 is in no call"):
        await lab.hang_up("1010")


async def test_reset_makes_every_phone_ordinary_again(lab: Lab) -> None:
    await lab.set_answer("1010", 30)
    await lab.set_keys(LEAD, [(0.1, "1")])
    await lab.agent_behaviour("1011", "reject")
    await lab.reset()
    for family in ("answer", "keys", "agent"):
        assert "0 results" in await lab.far_end_command(f"database show {family}")


# --- Headers, and machines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", ["1010", LEAD])
async def test_the_headers_of_a_phone_are_recorded_decoded(lab: Lab, phone: str) -> None:
    await lab.listen()
    await call_with_headers(lab, phone, {"X-Dialerd-Name": "Z%C3%BCrich%2C %22A%22 + b", "X-Dialerd-Skill": "fr"})
    [call] = await lab.wait_for(lab.calls)
    assert call.headers == {"X-Dialerd-Name": 'Zürich, "A" + b', "X-Dialerd-Skill": "fr"}


async def test_a_phone_that_got_no_headers_has_none(lab: Lab) -> None:
    await play(lab, "1010", "lab/beep")
    assert (await agent_saw(lab)).headers == {}


async def call_with_headers(lab: Lab, phone: str, headers: dict[str, str]) -> None:
    trunk = "@carrier" if phone == LEAD else ""
    variables = {f"PJSIP_HEADER(add,{name})": value for name, value in headers.items()}
    await lab.pbx.act(
        "Originate", variables, Channel=f"PJSIP/{phone}{trunk}", Application="Wait", Data="0.3", Async="true"
    )


@pytest.mark.parametrize(("number", "verdict"), [("12025550101", "HUMAN"), ("12025550170", "MACHINE")])
@pytest.mark.parametrize("voice", [True, "yes-talk"])
async def test_asterisk_tells_a_person_from_a_machine(lab: Lab, number: str, verdict: str, voice: Any) -> None:
    await lab.set_fates(ring_s=(0.1, 0.1), talk_s=(4, 4), voice=voice)
    watcher = await Ami.connect(lab.pbx_address, LAB_LOGIN, events="dialplan")
    try:
        await lab.pbx.act("Originate", Channel=f"PJSIP/{number}@carrier", Application="AMD", Async="true")
        [decided] = await lab.wait_for(
            lambda: [event for event in watcher.events if event.get("Variable") == "AMDSTATUS"]
        )
    finally:
        await watcher.close()
    assert decided["Value"] == verdict


# --- What the daemon's login may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["Command", "GetConfig", "ModuleLoad", "Filter"])
async def test_the_daemons_login_has_least_privilege(lab: Lab, action: str) -> None:
    session = await Ami.connect(lab.pbx_address, DIALERD_AMI_LOGIN)
    try:
        with pytest.raises(LabError, match="Permission denied"):
            await session.act(action)
    finally:
        await session.close()
