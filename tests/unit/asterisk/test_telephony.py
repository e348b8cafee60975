"""What dialerd asks of Asterisk, word for word: the contract with the dialplan, and law L10 at its last gate."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.asterisk.ami import AmiDown, AmiForbidden, AmiLeaving, AmiRefused, AmiTimeout, InvalidAmiValue
from dialerd.asterisk.ari import AriDown, AriRefused, AriTimeout, InvalidAriValue
from dialerd.asterisk.events import EventReader
from dialerd.asterisk.telephony import Telephony, TrunkSettings, dial_string, presentable
from dialerd.domain.attempts import LostAttempt
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import (
    Call,
    CallFlow,
    LeadCard,
    LiveChannel,
    bridge_id,
    hunt_channel_id,
    hunt_queue_channel_id,
    playback_id,
)
from dialerd.domain.recordings import RecordingFile
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError, LegGone
from tests.factories import ATTEMPT, NOON, TRUNK, a_call, a_caller_id, a_hunting_call, an_answered_call, later
from tests.fakes.links import Action, CutAmi, CutAri, Operation

NEAR, FAR, BRIDGE = hunt_channel_id(ATTEMPT, 1), hunt_queue_channel_id(ATTEMPT, 1), bridge_id(ATTEMPT)
KEPT = UUID("0d9a3b52-6a3e-4c55-9d7d-2b7f5b0a7c11")
ANN = "PJSIP/1001"


class Pbx:
    def __init__(self, **trunk: Any) -> None:
        self.ami, self.ari, self.reader = CutAmi(), CutAri(), EventReader()
        templates = {TRUNK: "PJSIP/{digits}@carrier", "reserve": "PJSIP/{digits}@other"}
        settings = TrunkSettings(**{"dial_templates": templates} | trunk)
        self.telephony = Telephony(self.ami, self.ari, self.reader, app="dialerd", trunk=settings)

    @property
    def sent(self) -> Action:
        (action,) = self.ami.actions
        return action

    def follows(self, channel: UUID) -> bool:
        return self.reader.read_ami("Hangup", {"Uniqueid": str(channel)}) is not None


# --- the lead's leg --------------------------------------------------------------------------------------------------


async def test_a_dial_as_the_dialplan_expects_it() -> None:
    pbx = Pbx(message="custom/sorry", hold_margin_s=5)
    await pbx.telephony.dial(
        a_call(
            number="+442079460101",
            caller_id=CallerId(number="+12025550199", name="Spring Offer"),
            queue="sales",
            campaign_id=7,
            ring_timeout=timedelta(seconds=25),
            agent_dial_timeout=timedelta(seconds=20),
        )
    )
    assert pbx.sent == Action(
        "Originate",
        {
            "ActionID": str(ATTEMPT),
            "ChannelId": str(ATTEMPT),
            "Channel": "PJSIP/442079460101@carrier",
            "Context": "dialerd-answered",
            "Exten": "s",
            "Priority": "1",
            "Timeout": "25000",
            "CallerID": '"Spring Offer" <+12025550199>',
            "Async": "true",
        },
        {
            "DIALERD_APP": "dialerd",
            "__DIALERD_ATTEMPT": str(ATTEMPT),
            "DIALERD_CAMPAIGN": "7",
            "DIALERD_QUEUE": "sales",
            "DIALERD_RECORD": f"dialerd/7/1/progressive/{TRUNK}/{NOON.timestamp():.6f}/+442079460101",
            "DIALERD_MESSAGE": "custom/sorry",
            "DIALERD_HOLD_LIMIT": "25",
        },
    )


async def test_the_events_of_a_call_are_followed_from_before_the_dial() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Originate"] = [AmiTimeout()]
    with pytest.raises(AsteriskUnavailable):
        await pbx.telephony.dial(a_call())
    assert pbx.follows(ATTEMPT)


async def test_a_call_goes_by_the_trunk_that_was_chosen_for_it() -> None:
    pbx = Pbx()
    await pbx.telephony.dial(a_call(trunk="reserve"))
    assert pbx.sent.headers["Channel"] == "PJSIP/12025550101@other"


async def test_a_call_of_a_trunk_that_the_settings_know_no_more_is_not_placed() -> None:
    pbx = Pbx()
    with pytest.raises(CallNotPlaced, match="no trunk 'former'"):
        await pbx.telephony.dial(a_call(trunk="former"))


@pytest.mark.parametrize("refusal", [AmiDown(), AmiRefused("no such context"), InvalidAmiValue()])
async def test_a_dial_that_had_no_effect_is_a_call_that_was_not_placed(refusal: Exception) -> None:
    pbx = Pbx()
    pbx.ami.refusals["Originate"] = [refusal]
    with pytest.raises(CallNotPlaced):
        await pbx.telephony.dial(a_call())


async def test_a_dial_without_an_answer_is_in_doubt_and_nothing_else() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Originate"] = [AmiTimeout()]
    with pytest.raises(AsteriskUnavailable) as doubt:
        await pbx.telephony.dial(a_call())
    assert not isinstance(doubt.value, CallNotPlaced)
    assert len(pbx.ami.actions) == 1


# --- law L10: data is not code ---------------------------------------------------------------------------------------


@given(st.text(), st.text(max_size=300))
@example('Eve" <900>\r\nApplication: System', "+1\r\nExten: evil")
@example("\\", "1>,x")
@example("\N{WOMAN}" * 60, "0" * 300)
def test_whatever_a_lead_is_called_the_caller_id_is_one_header_with_one_name_and_one_number(
    name: str, number: str
) -> None:
    header = presentable(CallerId(number=number, name=name))
    assert re.fullmatch(r'"[^"<>\\\x00-\x1f\x7f]*" <[+0-9]*>', header)
    assert len(header.encode()) <= 255
    assert header.isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "Nd", "Zs"]), max_size=18))
def test_an_ordinary_name_is_shown_as_it_is(name: str) -> None:
    shown = presentable(CallerId(number="+12025550101", name=name))
    assert name.isprintable() is False or shown == f'"{name.strip()}" <+12025550101>'


def test_a_name_that_is_too_long_is_cut_between_letters() -> None:
    assert presentable(CallerId(number="1", name="\N{LATIN SMALL LETTER E WITH ACUTE}" * 41)).count("\u00e9") == 40
    assert presentable(CallerId(number="1", name="a" + "\u00e9" * 40)).count("\u00e9") == 39


@given(st.text())
@example("12025550101@evil")
@example("1&PJSIP/900")
@example("\N{ARABIC-INDIC DIGIT ONE}23")
@example("12025550101\n")
@example("")
def test_only_a_number_is_ever_dialed(number: str) -> None:
    try:
        dialed = dial_string("PJSIP/{digits}@carrier", number)
    except CallNotPlaced:
        return
    assert re.fullmatch(r"PJSIP/[0-9]+@carrier", dialed)


@pytest.mark.parametrize(
    ("template", "dialed"),
    [("PJSIP/{digits}@carrier", "PJSIP/12025550101@carrier"), ("PJSIP/{e164}@carrier", "PJSIP/+12025550101@carrier")],
)
def test_a_number_is_dialed_as_the_trunk_wants_it(template: str, dialed: str) -> None:
    assert dial_string(template, "+12025550101") == dialed


async def test_what_is_no_number_does_not_leave() -> None:
    pbx = Pbx()
    with pytest.raises(CallNotPlaced):
        await pbx.telephony.dial(a_call(number="12025550101@evil"))
    assert pbx.ami.actions == []


# --- agents ----------------------------------------------------------------------------------------------------------


async def test_a_hunt_as_the_dialplan_expects_it() -> None:
    pbx = Pbx(hold_margin_s=5)
    pbx.reader.watch_lead(ATTEMPT, channel="PJSIP/carrier-01")
    await pbx.telephony.hunt_agent(a_hunting_call(), 1)
    assert pbx.sent == Action(
        "Originate",
        {
            "ActionID": str(NEAR),
            "ChannelId": str(NEAR),
            "OtherChannelId": str(FAR),
            "Channel": "Local/sales@dialerd-hunt/n",
            "Context": "dialerd-hunted",
            "Exten": "s",
            "Priority": "1",
            "Timeout": "25000",
            "CallerID": '"Ada Lovelace" <+12025550101>',
            "Async": "true",
        },
        {
            "DIALERD_APP": "dialerd",
            "__DIALERD_ATTEMPT": str(ATTEMPT),
            "__DIALERD_HUNT_TIMEOUT": "20",
            "DIALERD_LEAD_CHANNEL": "PJSIP/carrier-01",
            "DIALERD_AGENT_LIMIT": "25",
        },
    )
    assert pbx.follows(NEAR)


async def test_a_named_agents_own_phone_is_rung_with_the_same_ids() -> None:
    pbx = Pbx(hold_margin_s=5)
    await pbx.telephony.hunt_agent(a_hunting_call(), 1, ANN)
    assert pbx.sent.headers["Channel"] == ANN
    assert pbx.sent.headers["ChannelId"] == pbx.sent.headers["ActionID"] == str(NEAR)
    assert "OtherChannelId" not in pbx.sent.headers
    assert pbx.sent.headers["Context"] == "dialerd-hunted"
    assert pbx.follows(NEAR)


@pytest.mark.parametrize(
    "agent", ["", "1001", "Local/s@evil", "PJSIP/1&PJSIP/2", "PJSIP/1\r\nX: 1", "PJSIP/1001/sip:a@b"]
)
async def test_what_is_no_agents_phone_is_not_rung(agent: str) -> None:
    pbx = Pbx()
    with pytest.raises(CallNotPlaced):
        await pbx.telephony.hunt_agent(a_hunting_call(), 1, agent)
    assert pbx.ami.actions == []


async def test_an_agent_is_not_joined_by_the_dialplan_with_a_lead_who_has_not_answered() -> None:
    pbx = Pbx()
    pbx.reader.watch_lead(ATTEMPT, channel="PJSIP/carrier-01")
    await pbx.telephony.hunt_agent(a_call(flow=CallFlow.AGENT_FIRST, hunts=1), 1)
    assert pbx.sent.variables["DIALERD_LEAD_CHANNEL"] == ""


async def test_a_number_that_agents_must_not_see_leaves_for_none_of_their_phones() -> None:
    for agent in (None, ANN):
        pbx = Pbx()
        lead = LeadCard(name="Ada", ticket_id="+1 (202) 555-0101", extension="5550101", custom={"Home": "2025550101x7"})
        call = a_hunting_call(mask_number=True, send_lead_data=True, lead=lead)
        await pbx.telephony.hunt_agent(call, 1, agent)
        assert pbx.sent.headers["CallerID"] == '"Ada" <+12025550199>'
        told = [value for name, value in pbx.sent.variables.items() if "HEADER" in name]
        assert [value for value in told if "5550101" in re.sub("[^0-9]", "", value)] == []


async def test_the_agents_phone_is_sent_what_it_may_be_told_of_the_lead() -> None:
    lead = LeadCard(name="Zo\u00eb", skill="Spanish, fluent", extension="*42", custom={"plan type": "a\r\nb"})
    call = a_hunting_call(send_lead_data=True, lead=lead)
    by_queue, by_phone = Pbx(), Pbx()
    await by_queue.telephony.hunt_agent(call, 1)
    await by_phone.telephony.hunt_agent(call, 1, ANN)
    assert (
        by_queue.sent.variables.items()
        >= {
            "__DIALERD_HEADER_1": f"Attempt:{ATTEMPT}",
            "__DIALERD_HEADER_2": "Name:Zo%C3%AB",
            "__DIALERD_HEADER_3": "Skill:Spanish%2C%20fluent",
            "__DIALERD_HEADER_4": "Extension:%2A42",
            "__DIALERD_HEADER_5": "Custom-plan-type:a%0D%0Ab",
            "__DIALERD_SKILL": "Spanishfluent",
            "__DIALERD_EXTENSION": "*42",
        }.items()
    )
    assert (
        by_phone.sent.variables.items()
        >= {
            "PJSIP_HEADER(add,X-Dialerd-Attempt)": str(ATTEMPT),
            "PJSIP_HEADER(add,X-Dialerd-Name)": "Zo%C3%AB",
            "PJSIP_HEADER(add,X-Dialerd-Custom-plan-type)": "a%0D%0Ab",
        }.items()
    )


@pytest.mark.parametrize(("agent", "send"), [("IAX2/1001", True), (ANN, False)])
async def test_other_phones_and_other_campaigns_get_no_headers(agent: str, send: bool) -> None:
    pbx = Pbx()
    await pbx.telephony.hunt_agent(a_hunting_call(send_lead_data=send), 1, agent)
    assert [name for name in pbx.sent.variables if "HEADER" in name] == []


# --- an agent who waits for the lead ---------------------------------------------------------------------------------


def an_agent_first_call(**changes: Any) -> Call:
    """An agent is on the line, and the lead rings."""
    return a_call(**{"flow": CallFlow.AGENT_FIRST, "hunts": 1, "hunting": True, "agent_up": True} | changes)


async def test_an_agent_who_waits_hears_the_announcement_and_then_music() -> None:
    pbx = Pbx(hold_margin_s=5)
    call = an_agent_first_call(agent_announcement="custom/next", ring_timeout=timedelta(seconds=30))
    await pbx.telephony.hold_agent(call, 1)
    assert pbx.ari.operations == [
        Operation("channels.stopMoh", {"channelId": str(NEAR)}),
        Operation(
            "channels.playWithId",
            {
                "channelId": str(NEAR),
                "playbackId": str(playback_id(ATTEMPT, "announcement-1")),
                "media": "sound:custom/next",
            },
        ),
        Operation("channels.startMoh", {"channelId": str(NEAR)}),
    ]
    assert pbx.sent == a_timeout(NEAR, "40")


async def test_an_agent_who_has_stayed_is_held_and_joined_and_hung_up_on_the_same_channel() -> None:
    pbx = Pbx()
    call = an_agent_first_call(kept_leg=KEPT, held=True)
    await pbx.telephony.hold_agent(call, 1)
    await pbx.telephony.join_legs(call, 1)
    await pbx.telephony.hang_up_hunt(call, 1)
    assert {op.params["channelId"] for op in pbx.ari.operations if "channelId" in op.params} == {str(KEPT)}
    assert pbx.ari.operations[-1].params["channel"] == f"{ATTEMPT},{KEPT}"
    assert [action.headers["Channel"] for action in pbx.ami.actions] == [str(KEPT)] * 2


@pytest.mark.parametrize(
    "break_it",
    [
        lambda pbx: pbx.ami.refusals["Setvar"].append(AmiRefused("No such channel")),
        lambda pbx: pbx.ari.refusals["channels.startMoh"].append(AriRefused(404, "")),
        lambda pbx: pbx.ari.refusals["channels.startMoh"].append(AriRefused(409, "")),
    ],
)
async def test_an_agent_who_has_hung_up_cannot_be_held(break_it: Callable[[Pbx], None]) -> None:
    pbx = Pbx()
    break_it(pbx)
    with pytest.raises(LegGone):
        await pbx.telephony.hold_agent(an_agent_first_call(), 1)


async def test_trouble_of_asterisk_is_not_taken_for_an_agent_who_has_hung_up() -> None:
    pbx = Pbx()
    pbx.ari.refusals["channels.startMoh"] = [AriRefused(500, "")]
    pbx.ami.refusals["Setvar"] = [AmiForbidden("Permission denied")]
    for trouble in (AmiForbidden, AriRefused):
        with pytest.raises(trouble):
            await pbx.telephony.hold_agent(an_agent_first_call(), 1)


async def test_the_lead_of_an_agent_who_waits_is_dialed_with_that_agents_channel() -> None:
    for call, channel in ((an_agent_first_call(), NEAR), (an_agent_first_call(kept_leg=KEPT), KEPT)):
        pbx = Pbx()
        await pbx.telephony.dial(call)
        assert pbx.sent.variables["DIALERD_AGENT_CHANNEL"] == str(channel)


async def test_legs_are_joined_in_a_bridge_of_the_calls_own() -> None:
    pbx = Pbx()
    await pbx.telephony.join_legs(a_hunting_call(), 1)
    assert pbx.ari.operations == [
        Operation("bridges.createWithId", {"bridgeId": str(BRIDGE), "type": "mixing"}),
        Operation(
            "bridges.addChannel",
            {"bridgeId": str(BRIDGE), "channel": f"{ATTEMPT},{NEAR}", "inhibitConnectedLineUpdates": True},
        ),
    ]


async def test_what_is_still_played_ends_before_the_legs_are_joined() -> None:
    """Asterisk adds a channel to a bridge only when its sound is over."""
    pbx = Pbx()
    call = an_agent_first_call(
        held=True, greeting="custom/wait", agent_announcement="custom/next", menu_step=4, hunts=2
    )
    pbx.ari.refusals["playbacks.stop"] = [AriRefused(404, "")]
    await pbx.telephony.join_legs(call, 2)
    stopped = {op.params["playbackId"] for op in pbx.ari.operations if op.name == "playbacks.stop"}
    assert stopped == {str(playback_id(ATTEMPT, what)) for what in ("greeting", "menu-4", "announcement-2")}
    assert Operation("channels.stopMoh", {"channelId": str(hunt_channel_id(ATTEMPT, 2))}) in pbx.ari.operations
    assert pbx.ari.operations[-1].name == "bridges.addChannel"


async def test_legs_that_cannot_be_joined_are_an_error() -> None:
    pbx = Pbx()
    pbx.ari.refusals["bridges.addChannel"] = [AriRefused(404, "")]
    with pytest.raises(AriRefused):
        await pbx.telephony.join_legs(a_hunting_call(), 1)


def a_timeout(channel: UUID, seconds: str) -> Action:
    return Action("Setvar", {"Channel": str(channel), "Variable": "TIMEOUT(absolute)", "Value": seconds}, {})


async def test_the_hold_limits_of_both_legs_are_lifted_though_one_has_gone() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Setvar"] = [AmiRefused("No such channel")]
    await pbx.telephony.lift_hold_limit(a_hunting_call())
    assert pbx.ami.actions == [a_timeout(ATTEMPT, "0"), a_timeout(NEAR, "0")]


async def test_the_hold_of_a_lead_is_extended_at_once_whatever_is_played() -> None:
    pbx = Pbx()
    await pbx.telephony.extend_hold(an_answered_call(), timedelta(seconds=65))
    assert pbx.sent == a_timeout(ATTEMPT, "65")
    assert pbx.ari.operations == []


@pytest.mark.parametrize("command", ["lift_hold_limit", "extend_hold"])
async def test_a_limit_of_which_nothing_is_known_is_trouble(command: str) -> None:
    pbx = Pbx()
    pbx.ami.refusals["Setvar"] = [AmiTimeout()]
    with pytest.raises(AsteriskUnavailable):
        await getattr(pbx.telephony, command)(a_hunting_call(), *([timedelta(0)] if command == "extend_hold" else []))


@pytest.mark.parametrize(
    ("flow", "hold"),
    [(CallFlow.PROGRESSIVE, "25"), (CallFlow.PREVIEW, "25"), (CallFlow.MENU, "5"), (CallFlow.AGENT_FIRST, "5")],
)
async def test_how_long_the_daemon_may_hold_a_lead_depends_on_what_is_to_happen(flow: CallFlow, hold: str) -> None:
    pbx = Pbx(hold_margin_s=5)
    await pbx.telephony.dial(a_call(flow=flow, agent_dial_timeout=timedelta(seconds=20)))
    assert pbx.sent.variables["DIALERD_HOLD_LIMIT"] == hold


async def test_an_agent_may_be_held_for_as_long_as_a_lead_rings_and_is_listened_to() -> None:
    pbx = Pbx(hold_margin_s=5)
    call = an_agent_first_call(ring_timeout=timedelta(seconds=30), detect_machine=True)
    await pbx.telephony.hunt_agent(call, 1)
    assert pbx.sent.variables["DIALERD_AGENT_LIMIT"] == "45"


@pytest.mark.parametrize(
    ("changes", "switches"),
    [
        ({}, {}),
        ({"mask_number": True}, {"DIALERD_MASK": "1"}),
        ({"detect_machine": True}, {"DIALERD_DETECT_MACHINE": "1"}),
        ({"recording": "dialerd/x"}, {"DIALERD_RECORDING": "dialerd/x"}),
        (
            {"recording": "dialerd/x", "flow": CallFlow.MENU},
            {"DIALERD_RECORDING": "dialerd/x", "DIALERD_RECORD_ALL": "1"},
        ),
        ({"flow": CallFlow.AGENT_FIRST}, {}),
    ],
)
async def test_what_the_dialplan_does_besides_is_asked_for_by_name(
    changes: dict[str, Any], switches: dict[str, str]
) -> None:
    pbx = Pbx()
    await pbx.telephony.dial(a_call(**changes))
    usual = {"APP", "CAMPAIGN", "QUEUE", "RECORD", "MESSAGE", "HOLD_LIMIT"}
    besides = {name: value for name, value in pbx.sent.variables.items() if name.removeprefix("DIALERD_") not in usual}
    assert besides == {"__DIALERD_ATTEMPT": str(ATTEMPT), **switches}


# --- what a lead hears -----------------------------------------------------------------------------------------------


def a_sound(what: str, sound: str) -> Operation:
    params = {"channelId": str(ATTEMPT), "playbackId": str(playback_id(ATTEMPT, what)), "media": f"sound:{sound}"}
    return Operation("channels.playWithId", params)


async def test_the_greeting_is_played_to_the_lead() -> None:
    pbx = Pbx()
    await pbx.telephony.play_greeting(a_hunting_call(greeting="custom/wait"))
    assert pbx.ari.operations == [a_sound("greeting", "custom/wait")]


async def test_a_sound_of_the_menu_ends_the_one_before_and_its_own_end_is_heard_of() -> None:
    pbx = Pbx()
    await pbx.telephony.play_in_menu(an_answered_call(), 3, "menu/hello")
    before = str(playback_id(ATTEMPT, "menu-2"))
    assert pbx.ari.operations == [Operation("playbacks.stop", {"playbackId": before}), a_sound("menu-3", "menu/hello")]
    over = {"type": "PlaybackFinished", "playback": {"id": str(playback_id(ATTEMPT, "menu-3"))}}
    assert pbx.reader.read_ari(over) is not None


@pytest.mark.parametrize("sound", ["a,b", "../etc/passwd", "http://evil/x.wav", ""])
async def test_what_is_no_name_of_a_sound_is_not_played(sound: str) -> None:
    pbx = Pbx()
    with pytest.raises(InvalidAriValue):
        await pbx.telephony.play_greeting(a_hunting_call(greeting=sound))
    assert pbx.ari.operations == []


async def test_a_lead_who_has_gone_is_played_nothing() -> None:
    pbx = Pbx()
    pbx.ari.refusals["channels.playWithId"] = [AriRefused(404, ""), AriRefused(404, "")]
    await pbx.telephony.play_greeting(a_hunting_call(greeting="custom/wait"))
    await pbx.telephony.play_in_menu(an_answered_call(), 1, "menu/hello")


async def test_a_sound_that_asterisk_lists_is_there() -> None:
    pbx = Pbx()
    assert await pbx.telephony.has_sound("custom/wait")
    assert pbx.ari.operations == [Operation("sounds.get", {"soundId": "custom/wait"})]


@pytest.mark.parametrize(
    ("states", "there"),
    [(["queued", "playing"], True), ([404, "playing"], True), (["queued", 404, 404], False)],
)
async def test_a_sound_without_a_language_is_tried(states: list[Any], there: bool) -> None:
    """One that was over before we looked is tried once more."""
    pbx = Pbx()
    pbx.ari.refusals["sounds.get"] = [AriRefused(404, "")]
    pbx.ari.replies["playbacks.get"] = [{"state": state} if state != 404 else None for state in states]

    async def call(operation: str, _whole: Any = pbx.ari.call, **params: Any) -> Any:
        if operation == "playbacks.get" and pbx.ari.replies[operation][0] is None:
            pbx.ari.replies[operation].pop(0)
            raise AriRefused(404, "")
        return await _whole(operation, **params)

    pbx.ari.call = call  # type: ignore[method-assign]
    assert await pbx.telephony.has_sound("custom/wait") is there
    assert pbx.ari.operations[-1].name == "bridges.destroy"


async def test_trouble_is_no_missing_sound() -> None:
    pbx = Pbx()
    pbx.ari.refusals["sounds.get"] = [AriRefused(500, "")]
    with pytest.raises(AriRefused):
        await pbx.telephony.has_sound("custom/wait")
    assert await pbx.telephony.has_sound("../../etc/passwd") is False


# --- which Asterisk, and who else is there ----------------------------------------------------------------------------


async def test_it_is_asked_which_asterisk_it_is() -> None:
    pbx = Pbx()
    pbx.ari.replies["asterisk.getInfo"] = [{"system": {"version": "22", "entity_id": "02:00:00:00:00:01"}}]
    assert await pbx.telephony.entity_id() == "02:00:00:00:00:01"


async def test_a_node_leaves_a_sign_that_others_find_whatever_its_name_is() -> None:
    """In a name of a variable a hyphen may mean something."""
    pbx = Pbx()
    await pbx.telephony.leave_sign("o-1", "12.5")
    pbx.ari.replies["asterisk.getGlobalVar"] = [{"value": "12.5"}]
    assert await pbx.telephony.sign_of("o-1") == "12.5"
    variable = "DIALERD_NODE_6f2d31"
    assert pbx.ari.operations == [
        Operation("asterisk.setGlobalVar", {"variable": variable, "value": "12.5"}),
        Operation("asterisk.getGlobalVar", {"variable": variable}),
    ]


# --- recordings, and what the dialplan has written down ---------------------------------------------------------------


def a_wav(seconds: float, *, closed: bool = True) -> bytes:
    """As Asterisk writes it: 8,000 samples of 16 bits a second."""
    sound = bytes(int(seconds * 16_000))
    length = (len(sound) if closed else 0).to_bytes(4, "little")
    rates = (8_000).to_bytes(4, "little") + (16_000).to_bytes(4, "little") + b"\x02\0\x10\0"
    return b"RIFF" + bytes(4) + b"WAVEfmt \x10\0\0\0\x01\0\x01\0" + rates + b"data" + length + sound


async def test_a_complete_recording_is_measured() -> None:
    pbx = Pbx()
    sound = pbx.ari.stored["dialerd/x"] = a_wav(1.5)
    found = await pbx.telephony.fetch_recording("dialerd/x")
    assert found == RecordingFile(duration_s=1.5, bytes=24_044, sha256=hashlib.sha256(sound).hexdigest())


@pytest.mark.parametrize("sound", [a_wav(1.5, closed=False), a_wav(1)[:-2], b"RIFF", b"", b"x" * 99])
async def test_what_is_no_complete_recording_is_none(sound: bytes) -> None:
    pbx = Pbx()
    pbx.ari.stored["dialerd/x"] = sound
    assert await pbx.telephony.fetch_recording("dialerd/x") is None


async def test_a_talk_without_any_sound_leaves_an_empty_recording() -> None:
    pbx = Pbx()
    pbx.ari.stored["dialerd/x"] = a_wav(0)
    found = await pbx.telephony.fetch_recording("dialerd/x")
    assert found is not None
    assert (found.duration_s, found.bytes) == (0, 44)


async def test_a_recording_that_is_not_there_is_none_and_trouble_is_trouble() -> None:
    pbx = Pbx()
    pbx.ari.refusals["download"] = [AriRefused(404, ""), AriRefused(403, ""), AriTimeout()]
    assert await pbx.telephony.fetch_recording("dialerd/x") is None
    for trouble in (AriRefused, AriTimeout):
        with pytest.raises(trouble):
            await pbx.telephony.fetch_recording("dialerd/x")


async def test_a_recording_is_deleted_once() -> None:
    pbx = Pbx()
    pbx.ari.refusals["recordings.deleteStored"] = [AriRefused(404, "")]
    await pbx.telephony.delete_recording("dialerd/x")
    assert pbx.ari.operations == [Operation("recordings.deleteStored", {"recordingName": "dialerd/x"})]


async def test_a_channel_says_of_its_attempt_what_it_was_told_when_it_was_dialed() -> None:
    pbx, call = Pbx(), a_call(opened_at=later(0.123456), trunk="reserve")
    await pbx.telephony.dial(call)
    told = pbx.sent.variables
    pbx.ami.replies["Getvar"] = [{"Value": told["DIALERD_RECORD"]}, {"Value": told["DIALERD_QUEUE"]}]
    lost = await pbx.telephony.lost_attempt(ATTEMPT)
    assert lost == replace(LostAttempt.of(call), caller_id=CallerId(number="", name=""))


@pytest.mark.parametrize(
    "record",
    [
        "",
        "other/7/1/progressive/main/1772452800.0/+12025550101",
        "dialerd/7/x/progressive/main/1772452800.0/+12025550101",
        "dialerd/7/1/sideways/main/1772452800.0/+12025550101",
        "dialerd/7/1/progressive/main/1e99/+12025550101",
        "dialerd/7/1",
    ],
)
async def test_what_another_has_dialed_or_nobody_is_no_attempt_of_ours(record: str) -> None:
    pbx = Pbx()
    pbx.ami.replies["Getvar"] = [{"Value": record}, {"Value": "sales"}]
    assert await pbx.telephony.lost_attempt(ATTEMPT) is None


async def test_nor_is_a_channel_that_has_gone() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Getvar"] = [AmiRefused("No such channel")]
    assert await pbx.telephony.lost_attempt(ATTEMPT) is None


async def test_opt_outs_that_no_daemon_heard_of_are_found() -> None:
    pbx = Pbx()
    pbx.ami.rows = [
        {"Key": f"/dialerd-optout/{ATTEMPT}", "Val": "1795316696"},
        {"Key": "/dialerd-optout/something", "Val": "1795316696"},
        {"Key": f"/dialerd-optout/{KEPT}", "Val": "soon"},
        {},
    ]
    assert await pbx.telephony.opt_outs() == {ATTEMPT: datetime.fromtimestamp(1795316696, UTC)}
    assert pbx.sent == Action("DBGetTree", {"Family": "dialerd-optout"}, {})


async def test_that_nobody_has_opted_out_is_no_error_and_not_to_be_allowed_to_ask_is_one() -> None:
    pbx = Pbx()
    pbx.ami.refusals["DBGetTree"] = [AmiRefused("Database entry not found"), AmiForbidden("Permission denied")]
    assert await pbx.telephony.opt_outs() == {}
    with pytest.raises(AmiForbidden):
        await pbx.telephony.opt_outs()


# --- moves -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "context"), [("move_to_queue", "dialerd-queue"), ("move_to_message", "dialerd-message")]
)
async def test_a_lead_is_moved_by_the_dialplan(command: str, context: str) -> None:
    pbx = Pbx()
    await do(pbx, command, an_answered_call())
    params = {"channelId": str(ATTEMPT), "context": context, "extension": "s", "priority": 1}
    assert pbx.ari.operations == [Operation("channels.continueInDialplan", params)]


# --- legs that have gone ---------------------------------------------------------------------------------------------


async def do(pbx: Pbx, command: str, call: Call) -> None:
    await getattr(pbx.telephony, command)(call)


OPERATIONS = {
    "move_to_queue": "channels.continueInDialplan",
    "move_to_message": "channels.continueInDialplan",
    "clear_away": "bridges.destroy",
}


@pytest.mark.parametrize("status", [404, 409, 410])
@pytest.mark.parametrize("command", OPERATIONS)
async def test_a_leg_that_has_gone_needs_nothing_more(command: str, status: int) -> None:
    pbx = Pbx()
    pbx.ari.refusals[OPERATIONS[command]] = [AriRefused(status, "")]
    await do(pbx, command, a_hunting_call())


@pytest.mark.parametrize("trouble", [AriRefused(500, ""), AriDown(), AriTimeout()])
@pytest.mark.parametrize("command", OPERATIONS)
async def test_but_trouble_is_not_hidden(command: str, trouble: DialerdError) -> None:
    pbx = Pbx()
    pbx.ari.refusals[OPERATIONS[command]] = [trouble]
    with pytest.raises(type(trouble)):
        await do(pbx, command, a_hunting_call())


async def test_a_lead_is_hung_up_by_the_channels_id() -> None:
    pbx = Pbx()
    await pbx.telephony.hang_up_lead(a_call())
    assert pbx.sent == Action("Hangup", {"Channel": str(ATTEMPT), "Cause": "16"}, {})


async def test_a_hunt_is_hung_up_by_its_near_half() -> None:
    pbx = Pbx()
    await pbx.telephony.hang_up_hunt(a_hunting_call(), 1)
    assert pbx.sent == Action("Hangup", {"Channel": str(NEAR), "Cause": "16"}, {})


async def test_an_agent_who_stayed_in_vain_is_hung_up_by_his_channel() -> None:
    pbx = Pbx()
    await pbx.telephony.hang_up_leg(KEPT)
    assert pbx.sent == Action("Hangup", {"Channel": str(KEPT), "Cause": "16"}, {})


async def test_to_hang_up_what_has_gone_is_no_error_and_not_to_know_is_one() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Hangup"] = [AmiRefused("No such channel"), AmiTimeout()]
    await pbx.telephony.hang_up_lead(a_call())
    with pytest.raises(AsteriskUnavailable):
        await pbx.telephony.hang_up_lead(a_call())


async def test_while_asterisk_waits_for_its_end_its_rest_interface_does_what_its_manager_refuses() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Hangup"] = [AmiLeaving()]
    await pbx.telephony.hang_up_lead(a_call())
    assert pbx.ari.operations == [Operation("channels.hangup", {"channelId": str(ATTEMPT)})]
    pbx.ami.refusals["Setvar"] = [AmiLeaving()]
    await pbx.telephony.extend_hold(a_call(), timedelta(seconds=9))
    told = {"channelId": str(ATTEMPT), "variable": "TIMEOUT(absolute)", "value": "9"}
    assert pbx.ari.operations[1:] == [Operation("channels.setChannelVar", told)]


# --- the end of a call -----------------------------------------------------------------------------------------------


async def test_a_call_that_is_over_leaves_no_bridge_and_no_memory() -> None:
    pbx = Pbx()
    pbx.telephony.follow(a_hunting_call())
    assert pbx.follows(ATTEMPT)
    await pbx.telephony.clear_away(a_hunting_call())
    assert pbx.ari.operations == [Operation("bridges.destroy", {"bridgeId": str(BRIDGE)})]
    assert not pbx.follows(ATTEMPT)
    assert not pbx.follows(NEAR)


async def test_a_call_that_was_never_answered_had_no_bridge() -> None:
    pbx = Pbx()
    await pbx.telephony.clear_away(a_call())
    assert pbx.ari.operations == []


async def test_the_end_of_a_call_does_not_forget_the_agent_who_stays_for_the_next() -> None:
    pbx = Pbx()
    following = replace(a_call(kept_leg=NEAR), id=KEPT)
    pbx.telephony.follow(a_hunting_call())
    pbx.telephony.follow(following)
    await pbx.telephony.clear_away(a_hunting_call())
    assert pbx.follows(NEAR)
    await pbx.telephony.clear_away(following)
    assert not pbx.follows(NEAR)


async def test_though_the_bridge_stays_the_call_is_forgotten() -> None:
    pbx = Pbx()
    pbx.telephony.follow(a_hunting_call())
    pbx.ari.refusals["bridges.destroy"] = [AriDown()]
    with pytest.raises(AriDown):
        await pbx.telephony.clear_away(a_hunting_call())
    assert not pbx.follows(ATTEMPT)


# --- taking stock ----------------------------------------------------------------------------------------------------


async def test_the_channels_that_could_be_ours() -> None:
    pbx = Pbx()
    pbx.ami.rows = [
        {"Uniqueid": str(ATTEMPT), "Channel": "PJSIP/carrier-01", "ChannelState": "6", "Application": "Stasis"},
        {"Uniqueid": str(NEAR), "Channel": "Local/x;1", "ChannelState": "5", "Application": "AppDial2", "BridgeId": ""},
        {"Uniqueid": str(FAR), "Channel": "Local/x;2", "ChannelState": "6", "Application": "Queue", "BridgeId": "b"},
        {"Uniqueid": "pbx-1795316696.202", "Channel": "PJSIP/1010-01", "ChannelState": "6"},
        {"Channel": "PJSIP/1010-02"},
    ]
    channels = await pbx.telephony.live_channels()
    assert list(channels.values()) == [
        a_channel(ATTEMPT, "PJSIP/carrier-01", "Stasis", up=True),
        a_channel(NEAR, "Local/x;1", "AppDial2", ringing=True),
        a_channel(FAR, "Local/x;2", "Queue", up=True, bridged=True),
    ]
    assert set(channels) == {ATTEMPT, NEAR, FAR}


def a_channel(
    id: UUID, name: str, application: str, *, ringing: bool = False, up: bool = False, bridged: bool = False
) -> LiveChannel:
    return LiveChannel(id=id, name=name, ringing=ringing, up=up, application=application, bridged=bridged)


async def test_calls_can_be_placed_and_served_only_while_both_lines_stand() -> None:
    pbx = Pbx()
    states = [pbx.telephony.up]
    for line in (pbx.ami, pbx.ari):
        line.up.clear()
        states.append(pbx.telephony.up)
        line.up.set()
    assert states == [True, False, False]


async def test_a_caller_id_without_a_name_is_a_number() -> None:
    assert presentable(a_caller_id(name="")) == '"" <+12025550199>'
