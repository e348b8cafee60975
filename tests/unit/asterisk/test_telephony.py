"""What dialerd asks of Asterisk, word for word: the contract with the dialplan, and law L10 at its last gate."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.asterisk.ami import AmiDown, AmiRefused, AmiTimeout, InvalidAmiValue
from dialerd.asterisk.ari import AriDown, AriRefused, AriTimeout
from dialerd.asterisk.events import EventReader
from dialerd.asterisk.telephony import Telephony, TrunkSettings, dial_string, presentable
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import Call, LiveChannel, bridge_id, hunt_channel_id, hunt_queue_channel_id
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError
from tests.factories import ATTEMPT, a_call, a_caller_id, a_hunting_call, an_answered_call
from tests.fakes.links import Action, CutAmi, CutAri, Operation

NEAR, FAR, BRIDGE = hunt_channel_id(ATTEMPT, 1), hunt_queue_channel_id(ATTEMPT, 1), bridge_id(ATTEMPT)


class Pbx:
    def __init__(self, **trunk: Any) -> None:
        self.ami, self.ari, self.reader = CutAmi(), CutAri(), EventReader()
        settings = TrunkSettings(**{"dial_template": "PJSIP/{digits}@carrier"} | trunk)
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
    await pbx.telephony.hunt_agent(an_answered_call(lead_name="Ada Lovelace"), 1)
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
        },
    )
    assert pbx.follows(NEAR)


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


async def test_legs_that_cannot_be_joined_are_an_error() -> None:
    pbx = Pbx()
    pbx.ari.refusals["bridges.addChannel"] = [AriRefused(404, "")]
    with pytest.raises(AriRefused):
        await pbx.telephony.join_legs(a_hunting_call(), 1)


async def test_the_hold_limit_is_lifted_by_the_channels_own_timeout() -> None:
    pbx = Pbx()
    await pbx.telephony.lift_hold_limit(a_hunting_call())
    params = {"channelId": str(ATTEMPT), "variable": "TIMEOUT(absolute)", "value": "0"}
    assert pbx.ari.operations == [Operation("channels.setChannelVar", params)]


async def test_a_lead_is_moved_to_the_queue_by_the_dialplan() -> None:
    pbx = Pbx()
    await pbx.telephony.move_to_queue(an_answered_call())
    params = {"channelId": str(ATTEMPT), "context": "dialerd-queue", "extension": "s", "priority": 1}
    assert pbx.ari.operations == [Operation("channels.continueInDialplan", params)]


# --- legs that have gone ---------------------------------------------------------------------------------------------


async def do(pbx: Pbx, command: str, call: Call) -> None:
    await getattr(pbx.telephony, command)(call)


OPERATIONS = {
    "move_to_queue": "channels.continueInDialplan",
    "lift_hold_limit": "channels.setChannelVar",
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


async def test_to_hang_up_what_has_gone_is_no_error_and_not_to_know_is_one() -> None:
    pbx = Pbx()
    pbx.ami.refusals["Hangup"] = [AmiRefused("No such channel"), AmiTimeout()]
    await pbx.telephony.hang_up_lead(a_call())
    with pytest.raises(AsteriskUnavailable):
        await pbx.telephony.hang_up_lead(a_call())


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
