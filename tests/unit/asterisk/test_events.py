"""What Asterisk says, read as what happens to our calls."""

from typing import Any
from uuid import UUID

import pytest

from dialerd.asterisk.events import CallNews, EventReader
from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AgentRangOut,
    AnsweredBy,
    CallEvent,
    ChannelMade,
    DialFailed,
    HuntEnded,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    MenuSoundEnded,
    MessageBegun,
    OptedOut,
    hunt_channel_id,
    hunt_queue_channel_id,
    playback_id,
)
from tests.factories import ATTEMPT
from tests.fakes.recorded import recorded

NEAR, FAR = str(hunt_channel_id(ATTEMPT, 1)), str(hunt_queue_channel_id(ATTEMPT, 1))
AGENT = "PJSIP/1010"
OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")
KEPT = UUID("0d9a3b52-6a3e-4c55-9d7d-2b7f5b0a7c11")


def a_reader() -> EventReader:
    """It knows of one call, and of its first hunt."""
    reader = EventReader()
    reader.watch_lead(ATTEMPT)
    reader.watch_hunt(ATTEMPT, 1)
    return reader


def read(reader: EventReader, name: str, **headers: str) -> CallEvent | None:
    news = reader.read_ami(name, headers)
    if news is not None:
        assert news.attempt == ATTEMPT
    return news.event if news else None


def heard(recording: str) -> list[CallEvent]:
    reader = a_reader()
    news = [reader.read_ami(name, headers) for name, headers in recorded(recording)]
    return [each.event for each in news if each]


# --- whole calls, as Asterisk told them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recording", "events"),
    [
        ("busy", [ChannelMade(), LeadLeft(cause=17, tech_cause="486")]),
        ("ring-timeout", [ChannelMade(), LeadRang(), LeadLeft(cause=19, tech_cause="480")]),
        (
            "answered-lead-with-hunt-and-bridge",
            [
                ChannelMade(),
                LeadRang(),
                LeadAnswered(),
                AgentRang(AGENT),
                AgentConnected(AGENT, 1),
                LeadLeft(cause=16),
                HuntEnded(1),
            ],
        ),
        (
            "agent-rejects-then-hunt-runs-out",
            [AgentRang(AGENT), AgentRangOut(AGENT), AgentRang(AGENT), AgentRangOut(AGENT), HuntEnded(1)],
        ),
        ("hunt-cancelled", [AgentRang(AGENT), HuntEnded(1)]),
        (
            "daemon-away",
            [
                ChannelMade(),
                LeadRang(),
                LeadAnswered(),
                LeadQueued(),
                AgentRang(AGENT),
                AgentConnected(AGENT, 0),
                LeadLeft(cause=16),
            ],
        ),
        ("caller-joins-and-leaves-queue", []),
    ],
)
def test_a_recorded_call(recording: str, events: list[CallEvent]) -> None:
    assert heard(recording) == events


@pytest.mark.parametrize("recording", ["busy", "answered-lead-with-hunt-and-bridge", "daemon-away"])
def test_the_same_call_of_somebody_else_says_nothing(recording: str) -> None:
    reader = EventReader()
    assert {reader.read_ami(name, headers) for name, headers in recorded(recording)} == {None}


# --- the lead's leg --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), [("0", None), ("4", None), ("5", LeadRang()), ("6", LeadAnswered())])
def test_the_state_of_the_leads_channel(state: str, event: CallEvent | None) -> None:
    assert read(a_reader(), "Newstate", Uniqueid=str(ATTEMPT), ChannelState=state) == event


@pytest.mark.parametrize(
    ("headers", "event"),
    [
        ({"Cause": "16", "TechCause": "200"}, LeadLeft(16, "200")),
        ({"Cause": "0"}, LeadLeft(0, None)),
        ({"Cause": "17", "TechCause": ""}, LeadLeft(17, None)),
        ({}, LeadLeft(None, None)),
        ({"Cause": "\N{SUPERSCRIPT TWO}"}, LeadLeft(None, None)),
    ],
)
def test_the_end_of_the_leads_channel_tells_why(headers: dict[str, str], event: CallEvent) -> None:
    assert read(a_reader(), "Hangup", Uniqueid=str(ATTEMPT), **headers) == event


def test_the_name_of_the_leads_channel_is_known_once_asterisk_has_made_it() -> None:
    reader = a_reader()
    assert reader.channel_name(ATTEMPT) is None
    read(reader, "Newchannel", Uniqueid=str(ATTEMPT), Channel="PJSIP/carrier-01")
    assert reader.channel_name(ATTEMPT) == "PJSIP/carrier-01"


def test_the_name_of_a_channel_of_before_we_lived_is_told_to_us() -> None:
    reader = EventReader()
    reader.watch_lead(ATTEMPT, channel="PJSIP/carrier-01")
    assert reader.channel_name(ATTEMPT) == "PJSIP/carrier-01"
    reader.watch_lead(ATTEMPT)
    assert reader.channel_name(ATTEMPT) == "PJSIP/carrier-01"


# --- originates that failed ------------------------------------------------------------------------------------------


def failure(of: object, response: str = "Failure") -> dict[str, str]:
    return {"ActionID": str(of), "Response": response, "Reason": "0", "Uniqueid": str(of)}


def test_a_dial_that_failed_before_a_channel_was_heard_of_has_failed() -> None:
    assert read(a_reader(), "OriginateResponse", **failure(ATTEMPT)) == DialFailed()


def test_a_hunt_that_failed_before_there_was_a_channel_has_ended() -> None:
    assert read(a_reader(), "OriginateResponse", **failure(NEAR)) == HuntEnded(1)


@pytest.mark.parametrize("channel", [str(ATTEMPT), NEAR])
def test_a_failure_with_a_channel_is_told_by_the_channels_own_end(channel: str) -> None:
    reader = a_reader()
    read(reader, "Newchannel", Uniqueid=channel, Channel="PJSIP/carrier-01")
    assert read(reader, "OriginateResponse", **failure(channel)) is None


def test_the_failure_of_a_call_of_before_we_lived_is_told_by_its_channels_end() -> None:
    """Asterisk says it before the channel's end; taken for a refusal, the busy lead would be dialed again at once."""
    reader = EventReader()
    reader.watch_lead(ATTEMPT, channel="PJSIP/carrier-01")
    assert read(reader, "OriginateResponse", **failure(ATTEMPT)) is None


def test_a_dial_that_was_answered_has_not_failed() -> None:
    assert read(a_reader(), "OriginateResponse", **failure(ATTEMPT, response="Success")) is None


def test_a_failure_is_known_by_its_action_and_not_by_the_channel_it_names() -> None:
    headers = failure(ATTEMPT) | {"ActionID": "somebody else's"}
    assert read(a_reader(), "OriginateResponse", **headers) is None


# --- hunts -----------------------------------------------------------------------------------------------------------


def test_the_near_half_alone_speaks_for_the_hunt() -> None:
    assert read(a_reader(), "Hangup", Uniqueid=FAR, Cause="16") is None
    assert read(a_reader(), "Hangup", Uniqueid=NEAR, Cause="16") == HuntEnded(1)


@pytest.mark.parametrize("channel", [NEAR, FAR])
@pytest.mark.parametrize(("name", "headers"), [("Newstate", {"ChannelState": "6"}), ("QueueCallerJoin", {})])
def test_what_a_hunt_does_is_not_what_the_lead_does(channel: str, name: str, headers: dict[str, str]) -> None:
    assert read(a_reader(), name, Uniqueid=channel, **headers) is None


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("AgentCalled", AgentRang(AGENT)),
        ("AgentRingNoAnswer", AgentRangOut(AGENT)),
        ("AgentConnect", AgentConnected(AGENT, 1)),
    ],
)
def test_the_queue_speaks_of_agents_to_the_far_half(name: str, event: CallEvent) -> None:
    assert read(a_reader(), name, Uniqueid=FAR, Interface=AGENT) == event


def test_an_agent_who_takes_a_lead_from_the_queue_is_no_hunts() -> None:
    assert read(a_reader(), "AgentConnect", Uniqueid=str(ATTEMPT), Interface=AGENT) == AgentConnected(AGENT, 0)


def test_each_hunt_has_its_own_channels() -> None:
    reader = a_reader()
    reader.watch_hunt(ATTEMPT, 2)
    assert read(reader, "Hangup", Uniqueid=str(hunt_channel_id(ATTEMPT, 2))) == HuntEnded(2)


# --- the phone of one agent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event"), [("0", None), ("3", None), ("5", AgentRang(AGENT)), ("6", AgentConnected(AGENT, 2))]
)
def test_a_phone_that_is_rung_itself_tells_of_its_agent(state: str, event: CallEvent | None) -> None:
    reader = a_reader()
    reader.watch_hunt(ATTEMPT, 2, agent=AGENT)
    assert read(reader, "Newstate", Uniqueid=str(hunt_channel_id(ATTEMPT, 2)), ChannelState=state) == event


def test_the_end_of_that_phones_channel_ends_the_hunt() -> None:
    reader = EventReader()
    reader.watch_hunt(ATTEMPT, 1, agent=AGENT)
    assert read(reader, "Hangup", Uniqueid=NEAR, Cause="17") == HuntEnded(1)


def test_an_agent_who_has_stayed_is_the_first_hunt_of_the_next_call() -> None:
    """Though the call that rang him is forgotten, be it before or after."""
    reader = a_reader()
    reader.watch_kept(OTHER, UUID(NEAR))
    reader.forget(ATTEMPT)
    assert reader.read_ami("Hangup", {"Uniqueid": NEAR}) == CallNews(OTHER, HuntEnded(1))
    reader.watch_kept(OTHER, KEPT)
    assert reader.read_ami("Hangup", {"Uniqueid": str(KEPT)}) == CallNews(OTHER, HuntEnded(1))


# --- the dialplan's own words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ("DialerdMessage", MessageBegun()),
        ("DialerdOptOut", OptedOut()),
        ("DialerdAway", None),
        ("DialerdHuntOver", None),
        ("SomebodyElses", None),
    ],
)
def test_what_the_dialplan_says_of_the_attempt(said: str, event: CallEvent | None) -> None:
    assert read(a_reader(), "UserEvent", UserEvent=said, Attempt=str(ATTEMPT)) == event


def test_what_the_dialplan_says_of_others_is_nothing_to_us() -> None:
    assert read(a_reader(), "UserEvent", UserEvent="DialerdMessage", Attempt=str(OTHER)) is None
    assert read(a_reader(), "UserEvent", UserEvent="DialerdMessage") is None


# --- the Stasis application ------------------------------------------------------------------------------------------


def a_stasis_start(channel: object, *args: str) -> dict[str, Any]:
    return {"type": "StasisStart", "args": list(args), "channel": {"id": str(channel), "name": "PJSIP/carrier-01"}}


def test_a_lead_who_enters_the_application_is_held() -> None:
    reader = a_reader()
    assert reader.read_ari(a_stasis_start(ATTEMPT, "lead", str(ATTEMPT))) == CallNews(ATTEMPT, LeadHeld())
    assert reader.channel_name(ATTEMPT) == "PJSIP/carrier-01"


@pytest.mark.parametrize(
    ("status", "answered_by"),
    [
        ("HUMAN", AnsweredBy.HUMAN),
        ("MACHINE", AnsweredBy.MACHINE),
        ("NOTSURE", AnsweredBy.NOT_SURE),
        ("HANGUP", None),
        ("", None),
    ],
)
def test_what_has_answered_comes_with_the_lead(status: str, answered_by: AnsweredBy | None) -> None:
    event = a_stasis_start(ATTEMPT, "lead", str(ATTEMPT), status)
    assert a_reader().read_ari(event) == CallNews(ATTEMPT, LeadHeld(answered_by))


def a_key(channel: object, digit: str = "9") -> dict[str, Any]:
    return {"type": "ChannelDtmfReceived", "digit": digit, "duration_ms": 100, "channel": {"id": str(channel)}}


def test_a_key_of_the_lead_is_told_and_one_of_an_agent_is_not() -> None:
    assert a_reader().read_ari(a_key(ATTEMPT, "#")) == CallNews(ATTEMPT, KeyPressed("#"))
    assert a_reader().read_ari(a_key(NEAR)) is None
    assert a_reader().read_ari(a_key(OTHER)) is None


def a_sound_over(what: str, state: str = "done") -> dict[str, Any]:
    return {"type": "PlaybackFinished", "playback": {"id": str(playback_id(ATTEMPT, what)), "state": state}}


@pytest.mark.parametrize("state", ["done", "failed"])
def test_the_end_of_a_menus_sound_is_told_once_though_it_could_not_be_played(state: str) -> None:
    reader = a_reader()
    reader.watch_menu_sound(ATTEMPT, 2)
    assert reader.read_ari(a_sound_over("menu-2", state)) == CallNews(ATTEMPT, MenuSoundEnded(2))
    assert reader.read_ari(a_sound_over("menu-2", state)) is None


def test_the_end_of_other_sounds_is_no_news() -> None:
    reader = a_reader()
    reader.watch_menu_sound(ATTEMPT, 2)
    for what in ("menu-1", "greeting", "announcement-1"):
        assert reader.read_ari(a_sound_over(what)) is None


def test_a_hunt_that_enters_the_application_has_an_agent_on_it() -> None:
    assert a_reader().read_ari(a_stasis_start(NEAR, "agent", str(ATTEMPT))) == CallNews(ATTEMPT, AgentAnswered(1))


@pytest.mark.parametrize(
    "event",
    [
        a_stasis_start("1795316696.202", "lead", str(ATTEMPT)),
        a_stasis_start(ATTEMPT),
        a_stasis_start(ATTEMPT, "menu"),
        {"type": "StasisEnd", "channel": {"id": str(ATTEMPT)}},
        {"type": "ApplicationReplaced"},
    ],
)
def test_other_channels_and_other_events_say_nothing(event: dict[str, Any]) -> None:
    assert a_reader().read_ari(event) is None


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_a_call_that_is_over_is_forgotten_with_all_its_hunts() -> None:
    reader = a_reader()
    reader.watch_hunt(ATTEMPT, 2)
    reader.watch_lead(OTHER)
    reader.watch_menu_sound(ATTEMPT, 1)
    reader.forget(ATTEMPT)
    for channel in (ATTEMPT, NEAR, FAR, hunt_channel_id(ATTEMPT, 2)):
        assert read(reader, "Hangup", Uniqueid=str(channel)) is None
    assert reader.read_ari(a_sound_over("menu-1")) is None
    assert reader.read_ami("Hangup", {"Uniqueid": str(OTHER)}) == CallNews(OTHER, LeadLeft())


def test_an_event_without_a_channel_says_nothing() -> None:
    assert read(a_reader(), "Hangup") is None
    assert read(a_reader(), "OriginateResponse") is None
