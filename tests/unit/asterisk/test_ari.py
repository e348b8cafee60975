"""The REST link against an Asterisk that misbehaves. A numbers are the known defects of aioari 0.10.2 that it cures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import TypeVar

import pytest
from aiohttp import web

from dialerd.asterisk.ari import (
    Ari,
    AriDown,
    AriEvent,
    AriItem,
    AriLinkDown,
    AriLinkUp,
    AriRefused,
    AriSettings,
    AriTimeout,
    InvalidAriValue,
)
from dialerd.errors import SettingsError
from tests.fakes.certificate import Certificate
from tests.fakes.fake_ari import APP, FakeAri, Received, refusal, silence

Events = asyncio.Queue[AriItem]
Item = TypeVar("Item", AriEvent, AriLinkUp, AriLinkDown)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def pbx() -> AsyncIterator[FakeAri]:
    async with FakeAri() as fake:
        yield fake


# --- what an operation's caller learns ---


async def test_an_operation_is_called_by_its_name_in_asterisks_own_description(pbx: FakeAri) -> None:
    async with pbx.daemon() as (ari, _):
        assert await ari.call("bridges.createWithId", bridgeId="b1", type="mixing") == {"id": "b1"}
        assert await ari.call("bridges.addChannel", bridgeId="b1", channel="c1,c2") is None
    (created,) = pbx.of("bridges.createWithId")
    assert (created.raw_path, created.query) == ("/ari/bridges/b1", {"type": "mixing"})
    assert pbx.of("bridges.addChannel")[0].query == {"channel": "c1,c2"}


async def test_answers_are_plain_data_with_nothing_on_them_to_listen_to(pbx: FakeAri) -> None:
    """A11: listeners of single channels are never removed, and each slows every event down."""
    async with pbx.daemon() as (ari, _):
        assert await ari.call("channels.list") == [{"id": "c1"}, {"id": "c2"}]


async def test_variables_go_as_json_that_nothing_in_them_can_break_out_of(pbx: FakeAri) -> None:
    variables = {"LEAD": 'Ann, "x"\r\nAction: Command', "CDR(x)": "\\"}
    async with pbx.daemon() as (ari, _):
        await ari.call("channels.create", endpoint="PJSIP/1@carrier", app=APP, variables=variables)
    assert pbx.of("channels.create")[0].body == {"variables": variables}


async def test_truth_lists_and_numbers_are_written_as_asterisk_reads_them(pbx: FakeAri) -> None:
    """A6"""
    async with pbx.daemon() as (ari, _):
        await ari.call("bridges.addChannel", bridgeId="b1", channel=["c1", "c2"], mute=True)
        await ari.call("bridges.addChannel", bridgeId=17, channel="c1", mute=False)
        await ari.call("bridges.addChannel", bridgeId="b1", channel="c1", mute=None)
    queries = [request.query for request in pbx.of("bridges.addChannel")]
    assert queries == [{"channel": "c1,c2", "mute": "true"}, {"channel": "c1", "mute": "false"}, {"channel": "c1"}]


async def test_an_id_stays_one_segment_of_the_path(pbx: FakeAri) -> None:
    """A12"""
    async with pbx.daemon() as (ari, _):
        await ari.call("channels.hangup", channelId="a b/c+d?e#f%ü")
    assert pbx.of("channels.hangup")[0].raw_path == "/ari/channels/a%20b%2Fc%2Bd%3Fe%23f%25%C3%BC"


@pytest.mark.parametrize("channel", ["", ".", ".."])
async def test_an_id_that_would_make_another_path_is_not_sent(pbx: FakeAri, channel: str) -> None:
    async with pbx.daemon() as (ari, _):
        with pytest.raises(InvalidAriValue):
            await ari.call("channels.hangup", channelId=channel)


async def test_an_operation_before_the_link_stands_was_surely_not_sent(pbx: FakeAri) -> None:
    """A10"""
    ari = Ari(pbx.settings(), events=asyncio.Queue(10))
    with pytest.raises(AriDown, match="not connected yet"):
        await ari.call("channels.list")
    assert pbx.received == []


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 422, 500])
async def test_a_refusal_tells_its_status_and_its_sentence(pbx: FakeAri, status: int) -> None:
    """A7"""
    pbx.answers["bridges.createWithId"] = refusal(status, "Channel not in Stasis")
    async with pbx.daemon() as (ari, _):
        with pytest.raises(AriRefused) as refused:
            await ari.call("bridges.createWithId", bridgeId="b1")
        assert ari.up.is_set()
    assert refused.value.status == status
    assert json.loads(refused.value.body) == {"message": "Channel not in Stasis"}
    assert refused.value.message == f"{status}: Channel not in Stasis"


async def test_an_operation_that_this_asterisk_does_not_have_is_a_refusal(pbx: FakeAri) -> None:
    async with pbx.daemon() as (ari, _):
        for unknown in ("bridges.fly", "kites.fly", "fly"):
            with pytest.raises(AriRefused):
                await ari.call(unknown)


async def test_a_recording_comes_as_bytes(pbx: FakeAri) -> None:
    """A8"""

    async def sound(_: Received) -> web.StreamResponse:
        return web.Response(body=b"RIFF\xff\xfe\x00", content_type="audio/wav")

    pbx.answers["recordings.getStoredFile"] = sound
    async with pbx.daemon() as (ari, _):
        assert await ari.call("recordings.getStoredFile", name="r1") == b"RIFF\xff\xfe\x00"


async def test_without_an_answer_in_time_the_effect_is_unknown(pbx: FakeAri) -> None:
    """A5"""
    pbx.answers["bridges.createWithId"] = silence
    async with pbx.daemon(rest_timeout_s=0.5) as (ari, _):
        with pytest.raises(AriTimeout):
            await ari.call("bridges.createWithId", bridgeId="b1")
        assert ari.counters.timeouts == 1
    assert len(pbx.of("bridges.createWithId")) == 1


async def test_whoever_waits_when_the_link_drops_learns_at_once_that_the_effect_is_unknown(pbx: FakeAri) -> None:
    pbx.answers["bridges.createWithId"] = silence
    async with pbx.daemon() as (ari, events):
        joining = asyncio.create_task(ari.call("bridges.createWithId", bridgeId="b1"))
        await pbx.got("bridges.createWithId")
        pbx.drop()
        with pytest.raises(AriTimeout, match="lost"):
            await joining
        await _next(AriLinkUp, events)
        await ari.call("channels.list")
    assert len(pbx.of("bridges.createWithId")) == 1


async def test_whoever_waited_for_a_free_connection_when_the_link_dropped_was_not_sent(pbx: FakeAri) -> None:
    """And is not cancelled, as aiohttp's own pool would have it."""
    pbx.answers["bridges.createWithId"] = silence
    async with pbx.daemon(connections=2) as (ari, events):
        joining = [asyncio.create_task(ari.call("bridges.createWithId", bridgeId=str(n))) for n in range(6)]
        await pbx.got("bridges.createWithId", times=2)
        await pbx.say("ApplicationReplaced")
        await _next(AriLinkDown, events)
        ends = await asyncio.gather(*joining, return_exceptions=True)
    assert [type(end) for end in ends] == [AriTimeout] * 2 + [AriDown] * 4
    assert len(pbx.of("bridges.createWithId")) == 2


async def test_never_more_requests_at_once_than_asterisk_has_sessions_for(pbx: FakeAri) -> None:
    """A13"""

    async def slowly(_: Received) -> web.StreamResponse:
        for _turn in range(3):
            await asyncio.sleep(0)
        return web.json_response({})

    pbx.answers["bridges.createWithId"] = slowly
    async with pbx.daemon(connections=8) as (ari, _):
        await asyncio.gather(*(ari.call("bridges.createWithId", bridgeId=str(number)) for number in range(200)))
    assert len(pbx.of("bridges.createWithId")) == 200
    assert pbx.most_at_once <= 8


# --- credentials and encryption ---


async def test_any_password_works_on_rest_and_websocket_alike(pbx: FakeAri) -> None:
    """A2: the fake's password holds an ampersand, a blank, an equals sign and an umlaut"""
    async with pbx.daemon() as (_, events):
        await pbx.say("StasisStart")
        assert (await _next(AriEvent, events)).type == "StasisStart"


async def test_a_host_written_in_capitals_gets_the_credentials_too(pbx: FakeAri) -> None:
    """A9"""
    async with pbx.daemon(base_url=f"http://LOCALHOST:{pbx.port}/ari/") as (ari, _):
        assert await ari.call("channels.list")


async def test_over_tls_every_request_goes_where_we_connected(certificate: Certificate) -> None:
    """A1: Asterisk describes itself as plain http."""
    async with (
        FakeAri(tls=certificate.server()) as pbx,
        pbx.daemon(tls_ca=certificate.path) as (ari, events),
    ):
        assert await ari.call("channels.list")
        await pbx.say("StasisStart")
        assert (await _next(AriEvent, events)).type == "StasisStart"


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Certificate) -> None:
    async with FakeAri(tls=certificate.server()) as pbx:
        ari = Ari(pbx.settings(), events=asyncio.Queue(10))
        running = asyncio.create_task(ari.run())
        await _soon(lambda: "CERTIFICATE_VERIFY_FAILED" in ari.why_down)
        await _stop(running)
    assert pbx.received == []


async def test_a_refused_login_is_tried_again_only_after_long(pbx: FakeAri) -> None:
    pbx.password = "another"
    ari = Ari(pbx.settings(backoff_refused_s=0.2), events=asyncio.Queue(10))
    running = asyncio.create_task(ari.run())
    await pbx.until(lambda: pbx.turned_away == 1)
    since = time.monotonic()
    await pbx.until(lambda: pbx.turned_away == 4)
    assert time.monotonic() - since >= 3 * 0.1
    assert ari.why_down == "login refused: 401: Authentication required"
    assert pbx.received == []
    await _stop(running)


def test_the_password_is_not_shown() -> None:
    assert "made-up" not in repr(AriSettings(base_url="http://127.0.0.1:8088", user="dialerd", password="made-up"))


def test_a_certificate_that_is_not_there_is_a_mistake_in_the_settings() -> None:
    wrong = AriSettings(base_url="https://127.0.0.1:8089", user="dialerd", password="x", tls_ca="/nonexistent")
    with pytest.raises(SettingsError):
        Ari(wrong, events=asyncio.Queue(1))


def test_an_unbounded_queue_is_refused(pbx: FakeAri) -> None:
    with pytest.raises(ValueError, match="bounded"):
        Ari(pbx.settings(), events=asyncio.Queue())


# --- events ---


async def test_events_come_out_in_the_order_they_came_in(pbx: FakeAri) -> None:
    async with pbx.daemon() as (ari, events):
        for number in range(300):
            await pbx.say("ChannelStateChange", number=number)
        seen = [(await _next(AriEvent, events)).body["number"] for _ in range(300)]
        assert ari.counters.events == 300
    assert seen == list(range(300))


async def test_only_our_application_is_subscribed_and_only_what_we_need_is_asked_for(pbx: FakeAri) -> None:
    async with pbx.daemon():
        pass
    assert [request.query for request in pbx.of("events.eventWebsocket")] == [{"app": APP}]
    assert pbx.of("applications.filter")[0].body == {
        "allowed": [
            {"type": "StasisStart"},
            {"type": "ChannelDtmfReceived"},
            {"type": "PlaybackFinished"},
            {"type": "ApplicationReplaced"},
        ]
    }


async def test_an_asterisk_that_cannot_filter_is_heard_in_full(pbx: FakeAri) -> None:
    pbx.answers["applications.filter"] = refusal(404, "Invalid URI")
    async with pbx.daemon() as (ari, _):
        assert await ari.call("channels.list")


async def test_events_from_before_the_announcement_come_after_it(pbx: FakeAri) -> None:
    async def speak_first(_: Received) -> web.StreamResponse:
        await pbx.say("StasisStart")
        return web.Response(status=204)

    pbx.answers["applications.filter"] = speak_first
    async with pbx.daemon() as (_, events):
        assert (await _next(AriEvent, events)).type == "StasisStart"


async def test_when_the_queue_overflows_the_link_is_given_up_rather_than_an_event_lost(pbx: FakeAri) -> None:
    """A4: a reader that waited for its consumer would be dropped by Asterisk as too slow."""
    async with pbx.daemon(room=5) as (ari, events):
        for number in range(20):
            await pbx.say("ChannelStateChange", number=number)
        await pbx.until(lambda: pbx.open_websockets == 0)
        assert not ari.up.is_set()
        kept = [await events.get() for _ in range(6)]
        assert [item.body["number"] for item in kept if isinstance(item, AriEvent)] == [0, 1, 2, 3, 4]
        assert kept[5] == AriLinkDown("event queue overflow")
        assert isinstance(await events.get(), AriLinkUp)
        assert ari.counters.overflows == 1


@pytest.mark.parametrize("rubbish", ["{", "[" * 100_000, "\ud7ff{}"], ids=["cut off", "too deep", "no JSON"])
async def test_what_cannot_be_read_is_counted_and_the_link_built_anew(pbx: FakeAri, rubbish: str) -> None:
    async with pbx.daemon() as (ari, events):
        await pbx.write(rubbish)
        assert "malformed" in (await _next(AriLinkDown, events)).reason
        await _next(AriLinkUp, events)
        assert ari.counters.malformed == 1
        assert await ari.call("channels.list")


# --- the life of the link ---


async def test_after_a_drop_the_link_comes_back_and_events_go_on(pbx: FakeAri) -> None:
    """A3"""
    async with pbx.daemon() as (ari, events):
        pbx.drop()
        await _next(AriLinkDown, events)
        await _next(AriLinkUp, events)
        await pbx.say("StasisStart")
        assert (await _next(AriEvent, events)).type == "StasisStart"
        assert ari.counters.reconnects == 1


@pytest.mark.parametrize("status", [404, 503])
async def test_while_asterisk_boots_the_link_waits(pbx: FakeAri, status: int) -> None:
    """A10: a description that could not be read must not stop the supervisor."""
    pbx.booting = status
    events: Events = asyncio.Queue(10)
    ari = Ari(pbx.settings(), events=events)
    running = asyncio.create_task(ari.run())
    await pbx.until(lambda: pbx.turned_away == 2)
    assert ari.why_down == f"cannot connect: {status}: Asterisk not booted"
    pbx.booting = None
    assert isinstance(await events.get(), AriLinkUp)
    await _stop(running)


@pytest.mark.parametrize("body", ["not json", "[]", '{"swaggerVersion": "9"}', "{}", '{"apis": [{}], "basePath": "x"}'])
async def test_a_description_that_is_none_does_not_stop_the_supervisor(body: str) -> None:
    calls: asyncio.Queue[None] = asyncio.Queue()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()
        await writer.wait_closed()
        calls.put_nowait(None)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = AriSettings(base_url=base_url, user="u", password="p", backoff_max_s=0.01, backoff_refused_s=0.01)
        ari = Ari(settings, events=asyncio.Queue(10))
        running = asyncio.create_task(ari.run())
        for _ in range(3):
            await calls.get()
        assert ari.why_down.startswith("cannot connect")
        assert not running.done()
        await _stop(running)


async def test_while_another_program_has_the_application_we_stay_away(pbx: FakeAri) -> None:
    async with pbx.daemon(replaced_look_s=0.01) as (ari, events):
        await pbx.say("ApplicationReplaced")
        assert await _next(AriLinkDown, events) == AriLinkDown("another program has taken our application")
        assert ari.replaced.is_set()
        with pytest.raises(AriDown, match="another program has taken our application"):
            await ari.call("channels.list")
        await pbx.got("applications.get", times=1 + 5)
        assert pbx.websockets == 1


@pytest.mark.parametrize("trouble", [refusal(503, "not yet"), silence])
async def test_an_asterisk_that_does_not_say_that_the_application_is_free_is_asked_again(
    pbx: FakeAri, trouble: Callable[[Received], Awaitable[web.StreamResponse]]
) -> None:
    async with pbx.daemon(replaced_look_s=0.01, rest_timeout_s=0.5) as (ari, _):
        pbx.answers["applications.get"] = trouble
        await pbx.say("ApplicationReplaced")
        await pbx.got("applications.get", times=1 + 3)
        assert ari.replaced.is_set()
        assert pbx.websockets == 1


async def test_once_the_application_is_free_it_is_taken_again(pbx: FakeAri) -> None:
    async with pbx.daemon(replaced_look_s=0.01) as (ari, events):
        await pbx.say("ApplicationReplaced")
        await pbx.got("applications.get", times=1 + 2)
        pbx.answers["applications.get"] = refusal(404, "Application not found")
        await _next(AriLinkUp, events)
        assert not ari.replaced.is_set()


async def test_after_a_long_rest_the_application_is_taken_again_though_asterisk_still_lists_it(pbx: FakeAri) -> None:
    """F24: as it does where a channel was in it when the other program left"""
    async with pbx.daemon(replaced_look_s=0.01, replaced_wait_s=0.05) as (ari, events):
        await pbx.say("ApplicationReplaced")
        await _next(AriLinkUp, events)
        assert not ari.replaced.is_set()


async def test_a_daemon_that_gives_signs_keeps_the_application_and_one_that_has_fallen_silent_loses_it(
    pbx: FakeAri,
) -> None:
    signs = count(1)
    lives = True

    async def sign(_: Received) -> web.StreamResponse:
        return web.json_response({"value": f"other/{next(signs) if lives else 0}"})

    pbx.answers["asterisk.getGlobalVar"] = sign
    async with pbx.daemon(replaced_look_s=0.01, replaced_wait_s=0.05, replaced_silent_s=0.5) as (ari, events):
        await pbx.say("ApplicationReplaced")
        await pbx.got("asterisk.getGlobalVar", times=30)
        assert ari.replaced.is_set()
        lives = False
        await _next(AriLinkUp, events)
        assert pbx.websockets == 2


async def test_an_application_that_asterisk_has_forgotten_is_registered_anew(pbx: FakeAri) -> None:
    async with pbx.daemon(keepalive_s=0.02) as (_, events):
        pbx.answers["applications.get"] = refusal(404, "Application not found")
        assert (await _next(AriLinkDown, events)).reason == "Asterisk has forgotten our application"
        del pbx.answers["applications.get"]
        await _next(AriLinkUp, events)


async def test_a_rest_interface_that_hangs_gives_the_link_up_though_the_websocket_stands(pbx: FakeAri) -> None:
    async with pbx.daemon(keepalive_s=0.05) as (_, events):
        pbx.answers["applications.get"] = silence
        asked = len(pbx.of("applications.get"))
        assert (await _next(AriLinkDown, events)).reason == "no answer to keep-alive"
        assert len(pbx.of("applications.get")) - asked <= 2


async def test_a_websocket_that_is_half_open_is_noticed(pbx: FakeAri) -> None:
    """A5"""
    pbx.pongs = False
    async with pbx.daemon(keepalive_s=0.2) as (_, events):
        assert (await _next(AriLinkDown, events)).reason == "websocket closed"


async def test_a_websocket_that_is_refused_is_tried_again(pbx: FakeAri) -> None:
    pbx.answers["events.eventWebsocket"] = refusal(503, "not yet")
    events: Events = asyncio.Queue(10)
    running = asyncio.create_task(Ari(pbx.settings(), events=events).run())
    await pbx.got("events.eventWebsocket", times=2)
    del pbx.answers["events.eventWebsocket"]
    assert isinstance(await events.get(), AriLinkUp)
    await _stop(running)


async def test_stopping_leaves_no_connection_behind(pbx: FakeAri) -> None:
    async with pbx.daemon():
        pass
    await pbx.until(lambda: pbx.open_websockets == 0)
    assert pbx.websockets == 1


# --- words ---


async def _next(kind: type[Item], events: Events) -> Item:
    """The next item of this kind; what comes before it is of no interest here."""
    while not isinstance(item := await events.get(), kind):
        pass
    return item


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
