"""The manager link against a manager that misbehaves. P numbers are the known defects of panoramisk 1.4 that it cures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialerd.asterisk.ami import (
    Ami,
    AmiDown,
    AmiEvent,
    AmiForbidden,
    AmiItem,
    AmiLeaving,
    AmiLinkDown,
    AmiLinkUp,
    AmiRefused,
    AmiSettings,
    AmiTimeout,
    InvalidAmiValue,
)
from dialerd.errors import SettingsError
from tests.fakes.certificate import Certificate
from tests.fakes.fake_ami import BANNER, FakeAmi, Received, in_pieces

Events = asyncio.Queue[AmiItem]
Item = TypeVar("Item", AmiEvent, AmiLinkUp, AmiLinkDown)
CALL = {"Channel": "PJSIP/15550100@carrier", "Context": "dialerd-answered", "Exten": "s", "Priority": "1"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def pbx() -> AsyncIterator[FakeAmi]:
    async with FakeAmi() as fake:
        yield fake


# --- what an action's caller learns ---


async def test_an_action_is_answered_by_its_own_reply(pbx: FakeAmi) -> None:
    pbx.answers["Hangup"] = lambda asked: pbx.reply(asked, "Message: Channel Hungup")
    async with pbx.daemon() as (ami, _):
        reply = await ami.action("Hangup", {"Channel": "PJSIP/carrier-00000001"})
    assert reply["Message"] == "Channel Hungup"
    assert pbx.of("Hangup")[0].headers["Channel"] == "PJSIP/carrier-00000001"


async def test_hundreds_of_actions_at_once_each_get_their_own_reply_in_whatever_order(pbx: FakeAmi) -> None:
    waiting: list[Received] = []

    def answer_backwards(asked: Received) -> None:
        waiting.append(asked)
        if len(waiting) == 300:
            for each in reversed(waiting):
                pbx.reply(each, f"Message: {each.headers['Channel']}")

    pbx.answers["Originate"] = answer_backwards
    async with pbx.daemon() as (ami, _):
        channels = [f"PJSIP/{number}@carrier" for number in range(300)]
        replies = await asyncio.gather(*(ami.action("Originate", CALL | {"Channel": each}) for each in channels))
    assert [reply["Message"] for reply in replies] == channels


async def test_an_action_before_the_link_stands_was_surely_not_sent(pbx: FakeAmi) -> None:
    """P11"""
    ami = Ami(pbx.settings(), events=asyncio.Queue(10))
    with pytest.raises(AmiDown, match="not connected yet"):
        await ami.action("Originate", CALL)
    assert pbx.received == []


async def test_an_action_while_the_link_is_down_was_surely_not_sent(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (ami, events):
        pbx.mute.add("Login")
        pbx.drop()
        down = await _next(AmiLinkDown, events)
        with pytest.raises(AmiDown):
            await ami.action("Originate", CALL)
    assert down.reason
    assert pbx.of("Originate") == []


async def test_a_refusal_tells_its_reason_and_that_nothing_happened(pbx: FakeAmi) -> None:
    pbx.answers["Originate"] = _refuses(pbx, "Extension does not exist.")
    async with pbx.daemon() as (ami, _):
        with pytest.raises(AmiRefused) as refusal:
            await ami.action("Originate", CALL)
    assert refusal.value.message == "Extension does not exist."
    assert not isinstance(refusal.value, AmiForbidden)


async def test_a_permission_taken_away_is_told_apart_from_other_refusals(pbx: FakeAmi) -> None:
    pbx.answers["Originate"] = _refuses(pbx, "Permission denied")
    async with pbx.daemon() as (ami, _):
        with pytest.raises(AmiForbidden):
            await ami.action("Originate", CALL)
        assert ami.up.is_set()


async def test_without_a_reply_in_time_the_effect_is_unknown(pbx: FakeAmi) -> None:
    pbx.mute.add("Originate")
    async with pbx.daemon() as (ami, _):
        with pytest.raises(AmiTimeout):
            await ami.action("Originate", CALL, timeout=0.02)
        assert ami.counters.timeouts == 1
    assert len(pbx.of("Originate")) == 1


async def test_a_reply_that_comes_too_late_is_counted_and_harms_nobody(pbx: FakeAmi) -> None:
    """P12: nothing of an action stays behind when its time is over."""
    pbx.mute.add("Hangup")
    async with pbx.daemon() as (ami, _):
        late = [ami.action("Hangup", {"Channel": str(number)}, timeout=0.05) for number in range(50)]
        assert all(isinstance(each, AmiTimeout) for each in await asyncio.gather(*late, return_exceptions=True))
        for action in pbx.of("Hangup"):
            pbx.reply(action)
        await ami.action("Ping", {})
        assert ami.counters.orphan_replies == 50


async def test_an_originate_without_a_reply_is_never_sent_again_on_the_next_link(pbx: FakeAmi) -> None:
    """P1"""
    pbx.mute.add("Originate")
    async with pbx.daemon() as (ami, events):
        dialing = asyncio.create_task(ami.action("Originate", CALL))
        await pbx.got("Originate")
        pbx.drop()
        with pytest.raises(AmiTimeout):
            await dialing
        await _next(AmiLinkUp, events)
        await ami.action("Ping", {})
    assert len(pbx.of("Originate")) == 1


async def test_whoever_waits_when_the_link_drops_learns_at_once_that_the_effect_is_unknown(pbx: FakeAmi) -> None:
    """P2, also where part of the answer had come"""
    pbx.mute.add("Originate")
    pbx.answers["QueueStatus"] = lambda asked: pbx.reply(asked, "EventList: start")
    async with pbx.daemon() as (ami, _):
        waiting = [
            asyncio.create_task(ami.action("Originate", CALL, timeout=60)),
            asyncio.create_task(ami.list_action("QueueStatus", {}, timeout=60)),
        ]
        await pbx.got("Originate")
        await pbx.got("QueueStatus")
        pbx.drop()
        for each in waiting:
            with pytest.raises(AmiTimeout, match="lost"):
                await each


async def test_an_originate_that_is_not_async_gets_its_reply(pbx: FakeAmi) -> None:
    """P3"""
    pbx.answers["Originate"] = lambda asked: pbx.reply(asked, "Message: Originate successfully queued")
    async with pbx.daemon() as (ami, _):
        assert (await ami.action("Originate", CALL))["Message"] == "Originate successfully queued"
        assert ami.up.is_set()


async def test_an_originate_whose_channel_is_made_waits_for_no_reply(pbx: FakeAmi) -> None:
    """F18: an agent who has answered already would wait for it, too"""
    pbx.mute.add("Originate")
    async with pbx.daemon() as (ami, _):
        dialing = asyncio.create_task(ami.action("Originate", {**CALL, "ChannelId": "c-1"}))
        other = asyncio.create_task(ami.action("Originate", {**CALL, "ChannelId": "c-2"}))
        await pbx.got("Originate", times=2)
        pbx.say("Event: Newchannel", "Uniqueid: c-1", "ChannelState: 0")
        assert (await dialing)["Response"] == "Success"
        assert not other.done()
        other.cancel()
        await asyncio.wait({other})


async def test_adding_a_queue_member_completes(pbx: FakeAmi) -> None:
    """P4"""
    pbx.answers["QueueAdd"] = lambda asked: pbx.reply(asked, "Message: Added interface to queue")
    async with pbx.daemon() as (ami, _):
        assert await ami.action("QueueAdd", {"Queue": "sales", "Interface": "PJSIP/agent1"})


async def test_two_actions_with_one_id_are_refused(pbx: FakeAmi) -> None:
    pbx.mute.add("Originate")
    async with pbx.daemon() as (ami, _):
        first = asyncio.create_task(ami.action("Originate", CALL | {"ActionID": "a1"}, timeout=0.1))
        await pbx.got("Originate")
        with pytest.raises(InvalidAmiValue):
            await ami.action("Originate", CALL | {"ActionID": "a1"})
        with pytest.raises(AmiTimeout):
            await first
    assert len(pbx.of("Originate")) == 1


# --- lists ---


async def test_a_list_brings_its_rows_only(pbx: FakeAmi) -> None:
    pbx.answers["QueueStatus"] = lambda asked: pbx.reply_list(
        asked, ("Event: QueueParams", "Queue: sales"), ("Event: QueueMember", "Queue: sales", "Name: Ann")
    )
    async with pbx.daemon() as (ami, events):
        rows = await ami.list_action("QueueStatus", {"Queue": "sales"})
        assert [row["Event"] for row in rows] == ["QueueParams", "QueueMember"]
        assert rows[1]["Name"] == "Ann"
        assert events.empty()


async def test_a_refused_list_is_told_at_once(pbx: FakeAmi) -> None:
    pbx.answers["QueueStatus"] = _refuses(pbx, "Permission denied")
    async with pbx.daemon() as (ami, _):
        with pytest.raises(AmiForbidden):
            await ami.list_action("QueueStatus", {})


async def test_rows_that_nobody_waits_for_any_more_are_no_events(pbx: FakeAmi) -> None:
    pbx.mute.add("CoreShowChannels")
    async with pbx.daemon() as (ami, events):
        with pytest.raises(AmiTimeout):
            await ami.list_action("CoreShowChannels", {}, timeout=0.02)
        (asked,) = pbx.of("CoreShowChannels")
        pbx.reply_list(asked, ("Event: CoreShowChannel", "Uniqueid: 1"))
        await ami.action("Ping", {})
        assert events.empty()
        assert ami.counters.orphan_replies == 3


async def test_the_rows_of_a_plain_action_come_in_order_with_the_events(pbx: FakeAmi) -> None:
    def answer_amid_events(asked: Received) -> None:
        pbx.say("Event: QueueMemberStatus", "Queue: sales")
        pbx.reply_list(asked, ("Event: QueueMember", "Queue: sales"))
        pbx.say("Event: QueueCallerJoin", "Queue: sales")

    pbx.answers["QueueStatus"] = answer_amid_events
    async with pbx.daemon() as (ami, events):
        await ami.action("QueueStatus", {})
        names = [(await _next(AmiEvent, events)).name for _ in range(4)]
    assert names == ["QueueMemberStatus", "QueueMember", "QueueStatusComplete", "QueueCallerJoin"]


# --- what goes out ---


@pytest.mark.parametrize("bad", ["\r\nAction: Command", "\n", "\r", "\0", "\x1b"])
async def test_a_value_cannot_become_a_header(pbx: FakeAmi, bad: str) -> None:
    """P7"""
    async with pbx.daemon() as (ami, _):
        for headers, variables in (
            ({"CallerID": f"Ann{bad}"}, {}),
            ({f"CallerID{bad}": "Ann"}, {}),
            ({}, {"LEAD": f"Ann{bad}"}),
            ({}, {f"LEAD{bad}": "Ann"}),
        ):
            with pytest.raises(InvalidAmiValue):
                await ami.action("Originate", CALL | headers, variables=variables)
        with pytest.raises(InvalidAmiValue):
            await ami.action(f"Originate{bad}", CALL)
        await ami.action("Ping", {})
    assert {action.name for action in pbx.received} <= {"Login", "ListCommands", "CoreStatus", "Ping"}


@pytest.mark.parametrize("value", ["x,EVIL=1", 'a"b', "a\\b"])
async def test_a_variable_cannot_become_two(pbx: FakeAmi, value: str) -> None:
    async with pbx.daemon() as (ami, _):
        with pytest.raises(InvalidAmiValue):
            await ami.action("Originate", CALL, variables={"LEAD": value})


@pytest.mark.parametrize("name", ["CDR(accountcode)", "A=B", "", "___A", "1A", "A B"])
async def test_a_variable_cannot_become_a_function_call(pbx: FakeAmi, name: str) -> None:
    async with pbx.daemon() as (ami, _):
        with pytest.raises(InvalidAmiValue):
            await ami.action("Originate", CALL, variables={name: "x"})


async def test_an_action_that_names_a_variable_may_do_so(pbx: FakeAmi) -> None:
    pbx.answers["Getvar"] = lambda asked: pbx.reply(asked, f"Value: of {asked.variables[0]}")
    async with pbx.daemon() as (ami, _):
        reply = await ami.action("Getvar", {"Channel": "PJSIP/carrier-00000001", "Variable": "LEAD"})
    assert reply["Value"] == "of LEAD"


async def test_each_variable_has_a_header_of_its_own(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (ami, _):
        await ami.action("Originate", CALL, variables={"__DIALERD_ATTEMPT": "id", "LEAD": "José = Müller (x) [y]"})
    assert pbx.of("Originate")[0].variables == ("__DIALERD_ATTEMPT=id", "LEAD=José = Müller (x) [y]")


@pytest.mark.parametrize(
    "headers",
    [
        {"Data": "x" * 1017},
        {"Data": "ü" * 509},
        {"Channel": "PJSIP/" + "1" * 250},
        {"callerid": "ü" * 128},
        {"Data": "\ud800"},
        {"Variable": "A=1"},
        {"variable": "A=1"},
        {"exten": "twice"},
        {f"H{number}": "x" for number in range(130)},
    ],
    ids=["line", "line in UTF-8", "channel", "caller id", "surrogate", "variable", "variable", "twice", "too many"],
)
async def test_what_asterisk_would_cut_or_lose_is_refused(pbx: FakeAmi, headers: dict[str, str]) -> None:
    async with pbx.daemon() as (ami, _):
        with pytest.raises(InvalidAmiValue):
            await ami.action("Originate", CALL | headers)
    assert pbx.of("Originate") == []


async def test_the_longest_line_that_asterisk_takes_is_sent(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (ami, _):
        await ami.action("Originate", CALL | {"Data": "x" * 1016})
    assert len(pbx.of("Originate")[0].headers["Data"]) == 1016


def test_credentials_that_cannot_be_sent_are_a_mistake_in_the_settings() -> None:
    for wrong in ({"secret": "a\nb"}, {"tls": True, "tls_ca": "/nonexistent"}):
        with pytest.raises(SettingsError):
            Ami(_settings(**wrong), events=asyncio.Queue(1))


def test_an_unbounded_queue_is_refused() -> None:
    with pytest.raises(ValueError, match="bounded"):
        Ami(_settings(), events=asyncio.Queue())


def test_the_secret_is_not_shown() -> None:
    assert "made-up" not in repr(_settings(secret="made-up"))


# --- what comes in ---


async def test_events_come_out_in_the_order_they_came_in(pbx: FakeAmi) -> None:
    """P5, P6: nothing but a queue stands between the wire and who reads it."""
    async with pbx.daemon() as (_, events):
        for number in range(500):
            pbx.say("Event: Newstate", f"Uniqueid: {number}")
        seen = [(await _next(AmiEvent, events)).headers["Uniqueid"] for _ in range(500)]
    assert seen == [str(number) for number in range(500)]


async def test_the_result_of_an_originate_is_an_event_with_our_id(pbx: FakeAmi) -> None:
    """P13"""

    def answer(asked: Received) -> None:
        pbx.reply(asked, "Message: Originate successfully queued")
        pbx.say("Event: OriginateResponse", f"ActionID: {asked.id}", "Response: Failure", "Uniqueid: u1", "Reason: 0")

    pbx.answers["Originate"] = answer
    async with pbx.daemon() as (ami, events):
        reply = await ami.action("Originate", CALL | {"ActionID": "attempt-1"})
        assert reply["ActionID"] == "attempt-1"
        result = await _next(AmiEvent, events)
    assert result.name == "OriginateResponse"
    assert (result.headers["ActionID"], result.headers["Response"]) == ("attempt-1", "Failure")


async def test_a_letter_cut_in_two_by_the_network_arrives_whole(pbx: FakeAmi) -> None:
    """P14"""
    message = "Event: Newstate\r\nCallerIDName: José Müller\r\n\r\n".encode()
    async with pbx.daemon() as (ami, events):
        await pbx.got("Ping")  # whose reply must not come between the pieces
        for piece in in_pieces(message, *range(1, len(message))):
            pbx.write(piece)
            await asyncio.sleep(0)
        event = await _next(AmiEvent, events)
        assert event.headers["CallerIDName"] == "José Müller"
        assert ami.counters.malformed == 0


async def test_headers_are_plain_values_whatever_they_are_called(pbx: FakeAmi) -> None:
    """P16"""
    async with pbx.daemon() as (_, events):
        pbx.say("Event: X", "Id: 7", "Content: c", "Success: s", "Keys: k", "Result: 1%202", "Empty: ")
        headers = (await _next(AmiEvent, events)).headers
    expected = {"Event": "X", "Id": "7", "Content": "c", "Success": "s", "Keys": "k", "Result": "1%202", "Empty": ""}
    assert headers == expected
    assert "id" not in headers


async def test_a_header_that_repeats_keeps_every_value(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (_, events):
        pbx.say("Event: Newchannel", "ChanVariable: A=1", "ChanVariable: B=2", "Uniqueid: u1")
        headers = (await _next(AmiEvent, events)).headers
    assert headers == {"Event": "Newchannel", "ChanVariable": "A=1\nB=2", "Uniqueid": "u1"}


async def test_a_user_event_may_hold_what_the_dialplan_put_there(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (ami, events):
        pbx.say("Event: UserEvent", "UserEvent: Plain", "hello", "Empty:", "Event: Hangup")
        event = await _next(AmiEvent, events)
        assert event.headers == {"Event": "UserEvent\nHangup", "UserEvent": "Plain", "Empty": ""}
        assert ami.counters.malformed == 0


async def test_a_caller_name_that_is_no_utf_8_does_not_break_the_link(pbx: FakeAmi) -> None:
    """Anyone who calls in can send it."""
    async with pbx.daemon() as (ami, events):
        pbx.write(b"Event: Newchannel\r\nCallerIDName: Jos\xe9\r\nUniqueid: u1\r\n\r\n")
        event = await _next(AmiEvent, events)
        assert (event.headers["CallerIDName"], event.headers["Uniqueid"]) == ("Jos�", "u1")
        assert ami.up.is_set()


async def test_an_event_tells_when_it_was_read(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (_, events):
        before = time.monotonic()
        pbx.say("Event: Newstate")
        event = await _next(AmiEvent, events)
        assert before <= event.received <= time.monotonic()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"Event: Hangup\r\nUniqu\r\n\r\n",
        b"what is this\r\n\r\n",
        b"Key: value\r\n\r\n",
        b"Event: Newstate\r\nData: " + b"x" * 1_000_000,
        b"\xff\xfe\x00\r\n\r\n",
    ],
    ids=["truncated header", "no header", "neither event nor reply", "a line of 1 MB", "no text"],
)
async def test_what_cannot_be_read_is_counted_and_the_link_built_anew(pbx: FakeAmi, rubbish: bytes) -> None:
    async with pbx.daemon() as (ami, events):
        pbx.write(rubbish)
        assert "malformed" in (await _next(AmiLinkDown, events)).reason
        await _next(AmiLinkUp, events)
        assert ami.counters.malformed == 1
        assert ami.counters.reconnects == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rubbish=st.lists(
        st.one_of(
            st.sampled_from([b"Event: A", b"Response: Success", b"\r\n", b"\r\n\r\n", b": ", b":", b"ActionID: 1"]),
            st.binary(max_size=20),
        )
    )
)
async def test_nothing_that_comes_in_stops_the_supervisor(pbx: FakeAmi, rubbish: list[bytes]) -> None:
    async with pbx.daemon() as (ami, events):
        pbx.write(b"".join(rubbish))
        pbx.drop()
        await _next(AmiLinkUp, events)
        await ami.action("Ping", {})


async def test_when_the_queue_overflows_the_link_is_given_up_rather_than_an_event_lost(pbx: FakeAmi) -> None:
    async with pbx.daemon(room=5) as (ami, events):
        for number in range(20):
            pbx.say("Event: Newstate", f"Uniqueid: {number}")
        await pbx.until(lambda: pbx.connections == 1 and pbx.open_connections == 0)
        assert not ami.up.is_set()

        kept = [await events.get() for _ in range(6)]

        assert [item.headers["Uniqueid"] for item in kept if isinstance(item, AmiEvent)] == ["0", "1", "2", "3", "4"]
        assert kept[5] == AmiLinkDown("event queue overflow")
        assert isinstance(await events.get(), AmiLinkUp)
        assert ami.counters.overflows == 1


# --- the life of the link ---


async def test_a_user_who_is_not_told_of_booting_gets_up_all_the_same(pbx: FakeAmi) -> None:
    """P15"""
    async with pbx.daemon() as (ami, _):
        assert await ami.action("Ping", {})


async def test_what_asterisk_tells_of_itself_is_announced_with_the_link(pbx: FakeAmi) -> None:
    pbx.fully_booted = True
    up = await _announcement(pbx)
    assert up.started == "2026-11-22 10:00:00"
    assert (up.uptime_s, up.last_reload_s) == (33, 12)
    assert "Originate" in up.allowed_actions
    assert "Command" not in up.allowed_actions


async def test_events_from_before_the_announcement_come_after_it(pbx: FakeAmi) -> None:
    pbx.fully_booted = True
    async with pbx.daemon() as (_, events):
        assert (await _next(AmiEvent, events)).name == "FullyBooted"


async def test_a_restart_of_asterisk_is_told_apart_from_a_lost_link(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (_, events):
        pbx.drop()
        assert not (await _next(AmiLinkUp, events)).restarted
        pbx.started = "10:00:30"
        pbx.drop()
        assert (await _next(AmiLinkUp, events)).restarted
        pbx.drop()
        assert not (await _next(AmiLinkUp, events)).restarted


async def test_while_asterisk_still_boots_the_link_waits_for_its_queues(pbx: FakeAmi) -> None:
    pbx.allowed.remove("QueueStatus")
    booted = asyncio.create_task(pbx.got("ListCommands"))
    booted.add_done_callback(lambda _: pbx.allowed.add("QueueStatus"))
    async with pbx.daemon() as (ami, _):
        assert ami.up.is_set()
        assert len(pbx.of("ListCommands")) == 2
        assert pbx.connections == 1


async def test_a_shutdown_is_taken_at_its_word(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (_, events):
        pbx.say("Event: Shutdown", "Privilege: system,all", "Shutdown: Cleanly", "Restart: False")
        assert (await _next(AmiEvent, events)).name == "Shutdown"
        assert await events.get() == AmiLinkDown("Asterisk is shutting down")


async def test_a_dead_peer_is_noticed_by_our_own_keep_alive(pbx: FakeAmi) -> None:
    """P8: within keepalive_s * (misses + 1), where TCP would take a quarter of an hour"""
    async with pbx.daemon(keepalive_s=0.05) as (ami, events):
        await pbx.got("Ping")
        pbx.mute.add("Ping")
        asked = len(pbx.of("Ping"))
        assert await events.get() == AmiLinkDown("no answer to keep-alive")
        assert len(pbx.of("Ping")) - asked <= 2
        assert not ami.up.is_set()


async def test_a_line_on_which_an_answer_is_owed_and_nothing_is_said_is_doubtful_until_asterisk_speaks(
    pbx: FakeAmi,
) -> None:
    """F17: long before the keep-alive gives it up"""
    spoke = asyncio.Event()
    events: Events = asyncio.Queue(10)
    ami = Ami(pbx.settings(silence_s=0.05, keepalive_s=30), events=events, on_speech=spoke.set)
    running = asyncio.create_task(ami.run())
    await ami.up.wait()
    await pbx.got("Ping")
    assert not ami.is_doubtful
    pbx.mute.add("Originate")
    asking = asyncio.create_task(ami.action("Originate", CALL))
    await _soon(lambda: ami.is_doubtful)
    assert not spoke.is_set()
    pbx.say("Event: Newchannel", "Uniqueid: 1")
    await asyncio.wait_for(spoke.wait(), 5)
    asking.cancel()
    await asyncio.wait({asking})
    assert not ami.is_doubtful, "nothing is owed any more"
    await _stop(running)


async def test_an_asterisk_that_waits_for_its_end_is_doubtful_until_it_thinks_better_of_it(pbx: FakeAmi) -> None:
    """F22: it refuses every action, a ping as well"""
    async with pbx.daemon(keepalive_s=0.02) as (ami, _):
        pbx.answers["Ping"] = _refuses(pbx, "Asterisk is shutting down")
        await _soon(lambda: ami.is_leaving)
        assert ami.is_doubtful
        assert ami.up.is_set(), "its calls are served"
        pbx.answers["Originate"] = _refuses(pbx, "Asterisk is shutting down")
        with pytest.raises(AmiLeaving):
            await ami.action("Originate", CALL)
        del pbx.answers["Ping"]
        await _soon(lambda: not ami.is_doubtful)
        pbx.answers["Ping"] = _refuses(pbx, "Asterisk is shutting down")
        await _soon(lambda: ami.is_leaving)
        pbx.secret = "another"  # or the next link would be told the same
        pbx.drop()
        await _soon(lambda: not ami.is_leaving)


async def test_a_line_on_which_nothing_is_owed_may_be_silent(pbx: FakeAmi) -> None:
    async with pbx.daemon(silence_s=0.0, keepalive_s=30) as (ami, _):
        await pbx.got("Ping")
        await ami.action("CoreStatus", {})  # answered after the ping
        assert not ami.is_doubtful


async def test_one_lost_ping_is_forgiven(pbx: FakeAmi) -> None:
    pbx.mute.add("Ping")
    async with pbx.daemon(keepalive_s=0.05) as (ami, _):
        await pbx.got("Ping")
        pbx.mute.clear()
        await pbx.got("Ping", times=4)
        assert ami.up.is_set()
    assert pbx.connections == 1


async def test_a_refused_login_is_tried_again_only_after_long(pbx: FakeAmi) -> None:
    """P9"""
    pbx.secret = "another"
    ami = Ami(pbx.settings(backoff_refused_s=0.2), events=asyncio.Queue(10))
    running = asyncio.create_task(ami.run())
    await pbx.got("Login")
    since = time.monotonic()
    await pbx.got("Login", times=4)
    assert time.monotonic() - since >= 3 * 0.1
    assert ami.why_down == "login refused: Authentication failed"
    assert not ami.up.is_set()
    await _stop(running)


async def test_a_user_without_the_permissions_we_need_does_not_get_up(pbx: FakeAmi) -> None:
    pbx.allowed -= {"Originate", "QueueStatus"}
    ami = Ami(pbx.settings(), events=asyncio.Queue(10))
    running = asyncio.create_task(ami.run())
    await pbx.got("ListCommands", times=2)
    assert ami.why_down == "login refused: the manager user may not run Originate, QueueStatus"
    await _stop(running)


async def test_stopping_leaves_no_connection_behind(pbx: FakeAmi) -> None:
    """P10"""
    async with pbx.daemon():
        pass
    await pbx.until(lambda: pbx.open_connections == 0)
    assert pbx.connections == 1


async def test_stopping_while_reconnecting_leaves_no_connection_behind(pbx: FakeAmi) -> None:
    async with pbx.daemon() as (_, events):
        pbx.mute.add("Login")
        pbx.drop()
        await _next(AmiLinkDown, events)
        await pbx.got("Login", times=2)
    await pbx.until(lambda: pbx.open_connections == 0)
    assert pbx.connections == 2


async def test_a_server_that_never_greets_is_given_up(pbx: FakeAmi) -> None:
    """P17"""
    pbx.greeting = ()
    pbx.mute.add("Login")
    ami = Ami(pbx.settings(connect_timeout_s=0.05), events=asyncio.Queue(10))
    running = asyncio.create_task(ami.run())
    await pbx.until(lambda: pbx.connections >= 2)
    assert ami.why_down.startswith("cannot connect")
    await _stop(running)


async def test_a_server_that_is_no_manager_interface_is_given_up(pbx: FakeAmi) -> None:
    pbx.greeting = (b"SSH-2.0-whatever\r\n",)
    ami = Ami(pbx.settings(), events=asyncio.Queue(10))
    running = asyncio.create_task(ami.run())
    await pbx.until(lambda: pbx.connections == 2)
    assert ami.counters.malformed >= 1
    await _stop(running)


async def test_a_greeting_in_pieces_is_understood(pbx: FakeAmi) -> None:
    pbx.greeting = in_pieces(BANNER, 3, len(BANNER) - 1)
    async with pbx.daemon() as (ami, _):
        assert ami.counters.malformed == 0


async def test_the_line_can_be_encrypted(certificate: Certificate) -> None:
    async with (
        FakeAmi(tls=certificate.server()) as pbx,
        pbx.daemon(tls=True, tls_ca=certificate.path) as (ami, _),
    ):
        assert await ami.action("Ping", {})


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Certificate) -> None:
    async with FakeAmi(tls=certificate.server()) as pbx:
        ami = Ami(pbx.settings(tls=True), events=asyncio.Queue(10))
        running = asyncio.create_task(ami.run())
        await _soon(lambda: "certificate verify failed" in ami.why_down)
        await _stop(running)
    assert pbx.received == []


# --- words ---


def _settings(**changes: Any) -> AmiSettings:
    return AmiSettings(**{"host": "127.0.0.1", "user": "dialerd", "secret": "made-up"} | changes)


def _refuses(pbx: FakeAmi, why: str) -> Any:
    return lambda asked: pbx.reply(asked, f"Message: {why}", response="Error")


async def _next(kind: type[Item], events: Events) -> Item:
    """The next item of this kind; what comes before it is of no interest here."""
    while not isinstance(item := await events.get(), kind):
        pass
    return item


async def _announcement(pbx: FakeAmi) -> AmiLinkUp:
    events: Events = asyncio.Queue(10)
    running = asyncio.create_task(Ami(pbx.settings(), events=events).run())
    up = await events.get()
    await _stop(running)
    assert isinstance(up, AmiLinkUp)
    return up


async def _soon(holds: Callable[[], bool]) -> None:
    """For what nobody is told of: look again and again."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")


async def _stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait({running})
