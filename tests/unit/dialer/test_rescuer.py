"""After a crash or a gap: what rows and this daemon believe, compared with the channels that Asterisk has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from dialerd.dialer.rescuer import RETRY_S, SETTLING_S, UNSEEN_AGENT
from dialerd.domain.activity import CallsRescued
from dialerd.domain.attempts import OpenCall
from dialerd.domain.calls import (
    AgentAnswered,
    AgentRang,
    AttemptState,
    Call,
    CallEvent,
    CallFlow,
    CardAccepted,
    ChannelMade,
    DialFailed,
    DialRefused,
    HuntEnded,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadRang,
    LiveChannel,
    OptedOut,
    Wanted,
)
from dialerd.domain.menus import START, MenuNode, VoiceMenu
from dialerd.domain.outcomes import Outcome
from dialerd.errors import AsteriskUnavailable
from tests.factories import (
    ANNA,
    ATTEMPT,
    BEN,
    NOON,
    a_call,
    a_connected_call,
    a_queue,
    a_queued_call,
    a_ringing_call,
    an_agent,
    an_answered_call,
)
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import NODE, FakeNode, a_node
from tests.fakes.telephony import a_hunt_channel, a_lead_channel

EVERY_S = 30.0
OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")


@asynccontextmanager
async def restarted(row: Call, *channels: LiveChannel, node: str = NODE) -> AsyncIterator[FakeNode]:
    """A daemon that has just started, with this row and these channels left from before."""
    async with a_node() as fresh:
        fresh.attempts.open = [OpenCall(call=row, node=node)]
        fresh.telephony.put(*channels)
        rescue = fresh.tasks.create_task(fresh.rescuer.run())
        await settle()
        yield fresh
        rescue.cancel()


@asynccontextmanager
async def in_the_middle_of_a_call() -> AsyncIterator[FakeNode]:
    """A daemon that has compared all, and follows one call that rings."""
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        node.tracker.place(a_call(), decision_s=0)
        await node.tell(LeadRang())
        node.telephony.put(a_lead_channel(a_call(), ringing=True, up=False))
        node.attempts.open = [OpenCall(call=a_ringing_call(), node=NODE)]
        node.journal.clear()
        yield node
        rescue.cancel()


async def lose_the_link_and_find(node: FakeNode, *channels: LiveChannel) -> None:
    node.rescuer.link_lost()
    node.telephony.channels.clear()
    node.telephony.put(*channels)
    node.rescuer.link_restored()
    await settle()


def done(node: FakeNode) -> list[str]:
    """What was asked of the PBX, without the questions."""
    questions = ("entity id", "live channels", "opt-outs")
    return [entry for entry in node.journal if entry not in questions and not entry.startswith("write")]


# --- after a restart: calls that live are taken up where they are ----------------------------------------------------


async def test_a_call_that_rings_goes_on_to_ring_and_is_followed() -> None:
    row = a_call()
    async with restarted(row, a_lead_channel(row, ringing=True, up=False)) as node:
        assert node.call().state is AttemptState.RINGING
        assert node.telephony.followed == {ATTEMPT: "PJSIP/carrier-01"}
        assert node.said(CallsRescued) == [CallsRescued(adopted=1, lost=0)]
        await node.tell(LeadAnswered(), LeadHeld())
        assert done(node) == ["hunt 1"]


async def test_a_call_whose_channel_does_not_ring_yet_is_followed_too() -> None:
    row = a_call()
    async with restarted(row, a_lead_channel(row, up=False)) as node:
        assert node.call().state is AttemptState.DIALING


@pytest.mark.parametrize("row", [a_ringing_call(), an_answered_call()])
async def test_a_lead_who_answered_and_is_held_gets_an_agent(row: Call) -> None:
    async with restarted(row, a_lead_channel(row)) as node:
        assert (node.call().state, done(node)) == (AttemptState.ANSWERED, ["hunt 1"])


@pytest.mark.parametrize("hunt", [1, 2])
async def test_a_hunt_that_still_rings_an_agent_is_waited_for(hunt: int) -> None:
    row = an_answered_call()
    async with restarted(row, a_lead_channel(row), a_hunt_channel(row, hunt)) as node:
        assert done(node) == []
        await node.tell(AgentAnswered(hunt))
        assert done(node) == [f"join {hunt}", "lift hold limit"]


async def test_but_not_for_longer_than_the_agent_dial_timeout() -> None:
    row = an_answered_call()
    async with restarted(row, a_lead_channel(row), a_hunt_channel(row)) as node:
        await pass_time(row.agent_dial_timeout.total_seconds())
        assert done(node) == ["hang up hunt 1", "move to queue"]


async def test_an_agent_who_answered_meanwhile_is_joined() -> None:
    row = an_answered_call()
    async with restarted(row, a_lead_channel(row), a_hunt_channel(row, answered=True)) as node:
        assert done(node) == ["join 1", "lift hold limit"]


@pytest.mark.parametrize("row", [an_answered_call(), a_connected_call(hunts=0, hunting=False)])
async def test_lead_and_agent_who_talk_go_on_to_talk(row: Call) -> None:
    legs = a_lead_channel(row, bridged=True), a_hunt_channel(row, answered=True, bridged=True)
    async with restarted(row, *legs) as node:
        assert (node.call().state, done(node)) == (AttemptState.CONNECTED, ["lift hold limit"])
        await node.tell(HuntEnded(1))
        assert done(node)[-1] == "hang up lead"


async def test_a_lead_whose_agent_left_unseen_is_not_left_alone_in_silence() -> None:
    row = a_connected_call(hunts=0, hunting=False)
    async with restarted(row, a_lead_channel(row, bridged=True)) as node:
        assert done(node) == ["hang up lead"]


async def test_a_lead_who_waits_in_the_queue_goes_on_to_wait() -> None:
    row = an_answered_call()
    async with restarted(row, a_lead_channel(row, application="Queue")) as node:
        assert (node.call().state, done(node)) == (AttemptState.QUEUED, [])


@pytest.mark.parametrize(("row", "agent"), [(a_queued_call(agent=ANNA), ANNA), (a_queued_call(), UNSEEN_AGENT)])
async def test_a_lead_who_found_an_agent_in_the_queue_is_connected(row: Call, agent: str) -> None:
    async with restarted(row, a_lead_channel(row, application="Queue", bridged=True)) as node:
        assert (node.call().state, node.call().agent) == (AttemptState.CONNECTED, agent)


async def test_a_lead_to_whom_the_dialplan_plays_a_message_is_left_to_it() -> None:
    row = a_ringing_call()
    async with restarted(row, a_lead_channel(row, application="BackGround")) as node:
        assert (node.call().state, done(node)) == (AttemptState.MESSAGE, [])


@pytest.mark.parametrize("channel", [a_lead_channel(a_call(), ringing=True, up=False), a_lead_channel(a_call())])
async def test_nothing_that_is_found_is_ever_dialed_again(channel: LiveChannel) -> None:
    async with restarted(a_call(), channel) as node:
        await pass_time(600)
        assert node.telephony.dialed == []


async def test_calls_of_another_node_are_left_to_it() -> None:
    row = a_ringing_call()
    async with restarted(row, node="node-2") as node:
        await pass_time(60)
        assert (node.tracker.calls, node.attempts.closed) == ([], [])


async def test_calls_of_a_node_that_has_fallen_silent_are_taken_over() -> None:
    row = a_ringing_call()
    async with restarted(row, a_lead_channel(row, ringing=True, up=False), node="node-2") as node:
        assert node.tracker.calls == []
        node.attempts.silent_nodes = {"node-2"}
        await pass_time(EVERY_S)
        assert [call.id for call in node.tracker.calls] == [row.id]
        assert node.telephony.dialed == []


# --- calls that are gone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (a_call(), Outcome.UNKNOWN),
        (a_ringing_call(), Outcome.UNKNOWN),
        (an_answered_call(), Outcome.UNKNOWN),
        (a_queued_call(), Outcome.UNKNOWN),
        (a_connected_call(), Outcome.CONNECTED),
    ],
)
async def test_a_call_that_is_gone_gets_the_outcome_that_can_be_proved(row: Call, outcome: Outcome) -> None:
    async with restarted(row) as node:
        await pass_time(SETTLING_S + 2 * RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [outcome]
        assert node.said(CallsRescued) == [CallsRescued(adopted=0, lost=1)]
        assert node.telephony.dialed == []


async def test_a_call_is_only_gone_when_it_stays_away() -> None:
    row = a_ringing_call()
    async with restarted(row) as node:
        await pass_time(SETTLING_S - 0.1)
        assert node.attempts.closed == []
        node.telephony.put(a_lead_channel(row, ringing=True, up=False))
        await pass_time(60)
        assert node.attempts.closed == []
        assert node.tracker.is_tracked(ATTEMPT)


async def test_a_call_whose_channel_was_seen_in_between_is_not_taken_for_one_that_stayed_away() -> None:
    """As after an answer of Asterisk's that was older than the channel, or was not whole: what rings is never dialed again."""
    row = a_ringing_call()
    async with restarted(row) as node:
        await pass_time(SETTLING_S - 0.1)
        node.telephony.put(a_lead_channel(row, ringing=True, up=False))
        await pass_time(RETRY_S)
        node.telephony.channels.clear()
        node.rescuer.look_again()
        await pass_time(SETTLING_S - 0.1)
        assert node.attempts.closed == []
        await pass_time(SETTLING_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]


async def test_a_call_that_is_followed_and_whose_end_was_not_seen_is_closed() -> None:
    async with in_the_middle_of_a_call() as node:
        node.telephony.channels.clear()
        await pass_time(EVERY_S + SETTLING_S + RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("since_the_last_look_s", [0.0, EVERY_S / 2, EVERY_S - 0.1])
async def test_a_call_that_is_stuck_mid_flight_is_cleaned_up_within_a_minute(since_the_last_look_s: float) -> None:
    """ "A self-healing cleanup resets the contact within a minute so nothing is permanently stuck"."""
    async with in_the_middle_of_a_call() as node:
        await pass_time(since_the_last_look_s)
        node.telephony.channels.clear()
        await pass_time(60)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]


async def test_a_call_that_asterisk_is_slow_to_place_is_not_gone() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadLeft(cause=17))
        node.telephony.answers["dial"] = asyncio.Event()
        node.tracker.place(a_call(), decision_s=0)
        node.telephony.channels.clear()
        node.rescuer.link_restored()
        await pass_time(2 * SETTLING_S)
        assert node.tracker.in_flight(1) == 1


async def test_a_dial_that_has_failed_is_left_to_the_news_of_its_channel() -> None:
    """Looked up meanwhile and taken for lost, it would cost the lead an attempt though the trunk was down."""
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        node.tracker.place(a_call(), decision_s=0)
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        await node.tell(DialFailed())
        node.rescuer.link_restored()
        await pass_time(2 * SETTLING_S)
        assert [call.outcome for call in node.attempts.closed] == []
        await node.tell(DialRefused())
        assert [call.outcome for call in node.attempts.closed] == [Outcome.NOT_PLACED]
        rescue.cancel()


async def test_how_a_failed_dial_ended_cannot_be_proved_once_the_link_was_lost() -> None:
    async with a_node() as node:
        node.tracker.place(a_call(), decision_s=0)
        await node.tell(DialFailed())
        node.rescuer.link_lost()
        await settle()
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]


async def test_a_call_that_waits_for_its_slot_is_not_gone() -> None:
    async with restarted(a_call()) as node:
        with node.tracker.reserved(Wanted("sales")) as reservation:
            reservation.attempt = ATTEMPT
            await pass_time(2 * SETTLING_S)
            assert node.attempts.closed == []


async def test_a_call_of_which_nobody_knows_whether_it_left_is_spent_when_there_is_no_channel() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadLeft(cause=17))
        node.telephony.channels.clear()
        node.telephony.failures["dial"] = [AsteriskUnavailable()]
        node.tracker.place(a_call(), decision_s=0)
        node.rescuer.link_restored()
        await pass_time(SETTLING_S + 2 * RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.BUSY, Outcome.UNKNOWN]
        assert len(node.telephony.dialed) == 2


async def test_a_call_that_ended_while_the_database_was_away_is_not_counted_as_lost() -> None:
    async with in_the_middle_of_a_call() as node:
        node.attempts.closing_fails = True
        await node.tell(LeadLeft(cause=17))
        node.telephony.channels.clear()
        await pass_time(2 * EVERY_S)
        assert node.said(CallsRescued) == []
        node.attempts.closing_fails = False
        await pass_time(5)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.BUSY]


# --- after a gap: calls that are followed are told what they missed --------------------------------------------------


async def test_a_lead_whose_answer_was_missed_gets_an_agent_at_once() -> None:
    async with in_the_middle_of_a_call() as node:
        await lose_the_link_and_find(node, a_lead_channel(a_call()))
        assert (node.call().state, done(node)) == (AttemptState.ANSWERED, ["hunt 1"])
        assert node.telephony.followed == {ATTEMPT: "PJSIP/carrier-01"}


async def test_an_agent_whose_answer_was_missed_is_joined() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld(), AgentRang(ANNA))
        await lose_the_link_and_find(node, a_lead_channel(a_call()), a_hunt_channel(a_call(), answered=True))
        assert done(node) == ["hunt 1", "join 1", "lift hold limit"]


async def test_a_hunt_whose_end_was_missed_is_over() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld())
        await lose_the_link_and_find(node, a_lead_channel(a_call()))
        assert done(node) == ["hunt 1", "hang up hunt 1", "move to queue"]


async def test_a_lead_whose_agent_left_during_the_gap_is_not_left_alone() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld(), AgentAnswered(1))
        await lose_the_link_and_find(node, a_lead_channel(a_call(), bridged=True))
        assert done(node)[-1] == "hang up lead"


async def test_a_lead_whom_the_dialplan_took_back_is_known_to_wait_in_the_queue() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld())
        await lose_the_link_and_find(node, a_lead_channel(a_call(), application="Queue"))
        assert (node.call().state, done(node)) == (AttemptState.QUEUED, ["hunt 1", "hang up hunt 1"])


async def test_a_talk_goes_on_as_if_nothing_had_been() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld(), AgentAnswered(1))
        node.journal.clear()
        legs = a_lead_channel(a_call(), bridged=True), a_hunt_channel(a_call(), answered=True, bridged=True)
        await lose_the_link_and_find(node, *legs)
        await pass_time(600)
        assert node.call().state is AttemptState.CONNECTED
        assert done(node) == ["lift hold limit"]


async def test_what_happens_while_asterisk_is_asked_is_newer_than_its_answer() -> None:
    async with in_the_middle_of_a_call() as node:
        node.telephony.answers["live channels"] = asyncio.Event()
        await lose_the_link_and_find(node, a_lead_channel(a_call()))
        await node.tell(LeadAnswered(), LeadHeld())
        node.telephony.answers["live channels"].set()
        await settle()
        assert done(node) == ["hunt 1"]


async def test_while_the_link_stands_a_look_tells_no_call_anything() -> None:
    async with in_the_middle_of_a_call() as node:
        await node.tell(LeadAnswered(), LeadHeld())
        node.telephony.put(a_lead_channel(a_call()))  # the hunt is so new that it has no channel yet
        node.rescuer.link_restored()
        await settle()
        assert done(node) == ["hunt 1"]


# --- every flow, taken up where it is ----------------------------------------------------------------------------------


def an_agent_first_call(**changes: object) -> Call:
    """As its row is read: the agent's phone was rung, or is about to be."""
    return a_call(**{"flow": CallFlow.AGENT_FIRST, "state": AttemptState.PREPARING, "hunts": 1} | changes)


def a_dialed_one(**changes: object) -> Call:
    return an_agent_first_call(**{"state": AttemptState.RINGING, "ringing_at": NOON, "agent": ANNA} | changes)


@asynccontextmanager
async def taken_up(row: Call, *channels: LiveChannel) -> AsyncIterator[FakeNode]:
    async with restarted(row, *channels) as node:
        node.queues.put(a_queue(agents=(an_agent(interface=BEN),)))
        await pass_time(0.5)
        yield node


async def test_an_agent_whose_phone_still_rings_is_waited_for_and_then_the_lead_is_dialed() -> None:
    row = an_agent_first_call()
    async with taken_up(row, a_hunt_channel(row)) as node:
        assert (node.call().state, done(node)) == (AttemptState.PREPARING, [])
        await node.tell(AgentAnswered(1))
        assert done(node) == ["hold agent 1", "begin dialing", "dial"]


async def test_but_not_without_end() -> None:
    row = an_agent_first_call()
    async with taken_up(row, a_hunt_channel(row)) as node:
        await pass_time(row.agent_dial_timeout.total_seconds())
        assert (node.telephony.dialed, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])
        assert "hang up hunt 1" in done(node)


@pytest.mark.parametrize("kept", [None, OTHER])
async def test_an_agent_who_is_on_the_line_gets_the_lead(kept: UUID | None) -> None:
    row = an_agent_first_call(kept_leg=kept)
    async with taken_up(row, a_hunt_channel(row, answered=True)) as node:
        assert done(node) == ["hold agent 1", "begin dialing", "dial"]
        assert node.telephony.dialed == [ATTEMPT]


async def test_a_lead_whose_agent_is_gone_before_it_was_dialed_is_not_dialed_and_nothing_is_spent() -> None:
    async with taken_up(an_agent_first_call()) as node:
        await pass_time(SETTLING_S + RETRY_S)
        assert (node.telephony.dialed, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])


async def test_a_lead_who_rings_while_the_agent_waits_meets_him() -> None:
    row = a_dialed_one()
    legs = a_lead_channel(row, ringing=True, up=False), a_hunt_channel(row, answered=True)
    async with taken_up(row, *legs) as node:
        await node.tell(LeadAnswered(), LeadHeld())
        assert (done(node)[-2:], node.telephony.dialed) == (["join 1", "lift hold limit"], [])


@pytest.mark.parametrize("answered", [True, False])
async def test_an_agent_who_waits_for_a_lead_who_is_gone_is_let_go(answered: bool) -> None:
    row = a_dialed_one()
    async with taken_up(row, a_hunt_channel(row, answered=answered)) as node:
        await pass_time(SETTLING_S + RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]
        assert "hang up hunt 1" in done(node)


async def test_a_lead_who_rings_without_an_agent_gets_one_before_the_answer() -> None:
    row = a_dialed_one()
    async with taken_up(row, a_lead_channel(row, ringing=True, up=False)) as node:
        assert done(node) == ["hunt 2"]
        await node.tell(AgentAnswered(2), LeadAnswered(), LeadHeld())
        assert done(node)[-3:] == ["hold agent 2", "join 2", "lift hold limit"]


async def test_an_agent_who_is_just_being_rung_in_place_of_another_is_waited_for() -> None:
    row = a_dialed_one()
    legs = a_lead_channel(row, ringing=True, up=False), a_hunt_channel(row, 2)
    async with taken_up(row, *legs) as node:
        assert done(node) == []
        await node.tell(AgentAnswered(2), LeadAnswered(), LeadHeld())
        assert done(node)[-2:] == ["join 2", "lift hold limit"]


@pytest.mark.parametrize(("answered", "then"), [(True, "join 1"), (False, "hunt 2")])
async def test_a_lead_who_answered_while_no_daemon_was_there_is_served(answered: bool, then: str) -> None:
    row = a_dialed_one()
    legs = [a_lead_channel(row), *([a_hunt_channel(row, answered=True)] if answered else [])]
    async with taken_up(row, *legs) as node:
        assert then in done(node)


async def test_a_lead_is_never_dialed_twice_though_the_row_has_not_heard_of_the_first_time() -> None:
    row = an_agent_first_call()
    legs = a_lead_channel(row, ringing=True, up=False), a_hunt_channel(row, answered=True)
    async with taken_up(row, *legs) as node:
        await pass_time(10)
        assert node.telephony.dialed == []
        assert node.tracker.is_tracked(ATTEMPT)


async def test_a_card_that_lies_before_an_agent_stays_there() -> None:
    row = a_ringing_call(flow=CallFlow.PREVIEW, offers=1, offered_to=BEN)
    async with taken_up(row, a_lead_channel(row)) as node:
        assert (done(node), node.offers.rows) == ([], {})
        await node.tell(CardAccepted(BEN))
        assert done(node)[-1] == f"hunt 1 {BEN}"


async def test_one_that_lies_before_nobody_is_laid_before_the_next() -> None:
    row = a_ringing_call(flow=CallFlow.PREVIEW, offers=2, declined=frozenset({ANNA}))
    async with taken_up(row, a_lead_channel(row, ringing=True, up=False)) as node:
        await pass_time(2)
        assert [(offer.agent, offer.ordinal) for offer in node.offers.rows.values()] == [(BEN, 2)]


async def test_a_lead_whose_card_was_accepted_gets_that_agent() -> None:
    row = a_ringing_call(flow=CallFlow.PREVIEW, offers=1, accepted=True, wanted_agent=BEN)
    async with taken_up(row, a_lead_channel(row)) as node:
        assert (done(node), node.offers.rows) == ([f"hunt 1 {BEN}"], {})


async def test_nobody_accepts_and_the_lead_still_is_not_held_without_end() -> None:
    row = a_ringing_call(flow=CallFlow.PREVIEW, offers=1, offered_to=BEN)
    async with taken_up(row, a_lead_channel(row)) as node:
        await pass_time(row.agent_dial_timeout.total_seconds())
        assert sorted(done(node)) == ["move to queue", "withdraw 1"]


async def test_a_lead_in_the_voice_menu_goes_on_where_he_was() -> None:
    nodes = {START: MenuNode(prompt="hello", choices={}), "more": MenuNode(prompt="tell-me-more", choices={})}
    row = an_answered_call(
        flow=CallFlow.MENU,
        state=AttemptState.MENU,
        menu=VoiceMenu(name="m", nodes=nodes),
        menu_node="more",
        menu_result="curious",
    )
    async with taken_up(row, a_lead_channel(row)) as node:
        assert done(node)[-1] == "play in menu 1 tell-me-more"
        await node.tell(LeadLeft())
        assert [call.outcome for call in node.attempts.closed] == [Outcome.MENU_CHOICE]


async def test_what_was_pressed_in_a_menu_is_known_though_the_call_is_gone() -> None:
    row = an_answered_call(flow=CallFlow.MENU, state=AttemptState.MENU, menu_result="confirmed")
    async with restarted(row) as node:
        await pass_time(SETTLING_S + 2 * RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.MENU_CHOICE]


@pytest.mark.parametrize("row", [a_ringing_call(), an_answered_call(), a_queued_call(), a_call(flow=CallFlow.MENU)])
async def test_a_lead_who_hears_the_message_is_left_to_it_and_may_opt_out(row: Call) -> None:
    async with restarted(row, a_lead_channel(row, application="Playback")) as node:
        assert node.call().state is AttemptState.MESSAGE
        await node.tell(OptedOut(), LeadLeft())
        assert [call.outcome for call in node.attempts.closed] == [Outcome.OPTED_OUT]


@pytest.mark.parametrize(
    "row", [a_connected_call(hunts=0, hunting=False), a_ringing_call(), an_agent_first_call(), a_dialed_one()]
)
async def test_a_lead_who_is_in_the_queue_whatever_the_row_says_is_left_there(row: Call) -> None:
    async with taken_up(row, a_lead_channel(row, application="Queue"), a_hunt_channel(row, answered=True)) as node:
        assert node.telephony.dialed == []
        assert "move to queue" not in done(node)
        assert "join 1" not in done(node)


async def test_keys_that_were_pressed_in_the_dialplan_are_found_once() -> None:
    async with a_node() as node:
        node.telephony.opted_out = {ATTEMPT: NOON, OTHER: NOON}
        node.attempts.not_ours = {OTHER}
        rescue = node.tasks.create_task(node.rescuer.run())
        await pass_time(2 * EVERY_S)
        assert node.attempts.opted_out == {ATTEMPT: NOON}
        rescue.cancel()


# --- an agent-first call during a gap --------------------------------------------------------------------------------


@asynccontextmanager
async def with_an_agent_on_the_line(*events: CallEvent, pace: float = 100.0) -> AsyncIterator[FakeNode]:
    """A daemon that has compared all, and follows one agent-first call."""
    async with a_node(node_calls_per_second=pace) as node:
        node.queues.put(a_queue(agents=(an_agent(interface=BEN),)))
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        node.tracker.place(an_agent_first_call(hunts=0), decision_s=0)
        node.attempts.open = [OpenCall(call=an_agent_first_call(), node=NODE)]
        await node.tell(*events)
        node.journal.clear()
        yield node
        rescue.cancel()


ON_THE_LINE: tuple[CallEvent, ...] = (AgentRang(ANNA), AgentAnswered(1))


async def test_an_agent_who_left_during_the_gap_before_the_lead_was_dialed_takes_the_call_with_him() -> None:
    async with with_an_agent_on_the_line(*ON_THE_LINE, pace=0.05) as node:
        await lose_the_link_and_find(node)
        await pass_time(60)
        assert (node.telephony.dialed, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])


async def test_an_agent_who_waited_through_the_gap_gets_the_lead() -> None:
    async with with_an_agent_on_the_line(*ON_THE_LINE, pace=0.05) as node:
        await lose_the_link_and_find(node, a_hunt_channel(a_call(), answered=True))
        await pass_time(60)
        assert node.telephony.dialed == [ATTEMPT]


async def test_an_agent_who_answered_during_the_gap_gets_the_lead() -> None:
    async with with_an_agent_on_the_line(AgentRang(ANNA)) as node:
        await lose_the_link_and_find(node, a_hunt_channel(a_call(), answered=True))
        await pass_time(1)
        assert node.telephony.dialed == [ATTEMPT]


async def test_a_phone_that_is_so_newly_rung_that_it_has_no_channel_is_not_taken_for_gone() -> None:
    async with with_an_agent_on_the_line() as node:
        await lose_the_link_and_find(node)
        await pass_time(EVERY_S / 3)
        assert node.call().hunting
        await node.tell(*ON_THE_LINE)
        assert node.telephony.dialed == [ATTEMPT]


@pytest.mark.parametrize("ringing", [True, False])
async def test_a_lead_whose_agent_left_during_the_gap_gets_another(ringing: bool) -> None:
    async with with_an_agent_on_the_line(*ON_THE_LINE, ChannelMade(), LeadRang()) as node:
        await lose_the_link_and_find(node, a_lead_channel(a_call(), ringing=ringing, up=not ringing))
        assert done(node) == ["hunt 2"]


async def test_a_lead_who_answered_during_the_gap_meets_the_agent_who_waits() -> None:
    async with with_an_agent_on_the_line(*ON_THE_LINE, ChannelMade(), LeadRang()) as node:
        await lose_the_link_and_find(node, a_lead_channel(a_call()), a_hunt_channel(a_call(), answered=True))
        assert done(node) == ["join 1", "lift hold limit"]


async def test_an_agent_who_left_during_the_gap_before_he_was_joined_leaves_nobody_in_silence() -> None:
    async with in_the_middle_of_a_call() as node:
        node.telephony.answers["join"] = asyncio.Event()
        await node.tell(LeadAnswered(), LeadHeld(), AgentAnswered(1))
        await lose_the_link_and_find(node, a_lead_channel(a_call()))
        node.telephony.answers["join"].set()
        await settle()
        assert done(node)[-1] == "move to queue"


# --- readiness -------------------------------------------------------------------------------------------------------


async def test_nothing_is_known_before_the_first_comparison() -> None:
    async with a_node() as node:
        node.telephony.up = False
        rescue = node.tasks.create_task(node.rescuer.run())
        await pass_time(10)
        assert not node.rescuer.ready.is_set()
        node.telephony.up = True
        node.rescuer.link_restored()
        await settle()
        assert node.rescuer.ready.is_set()
        rescue.cancel()


async def test_whoever_waits_to_dial_is_told_when_all_is_compared_and_only_then() -> None:
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        assert node.changes == 1
        await pass_time(2 * EVERY_S + 1)
        assert node.changes == 1
        node.rescuer.link_lost()
        node.rescuer.link_restored()
        await settle()
        assert node.changes == 2
        rescue.cancel()


async def test_when_a_link_is_lost_nothing_is_known_until_it_is_back_and_compared() -> None:
    async with in_the_middle_of_a_call() as node:
        assert node.rescuer.ready.is_set()
        node.telephony.up = False
        node.rescuer.link_lost()
        await pass_time(10)
        assert not node.rescuer.ready.is_set()
        node.telephony.up = True
        node.rescuer.link_restored()
        await settle()
        assert node.rescuer.ready.is_set()


async def test_a_comparison_during_which_a_link_was_lost_does_not_count() -> None:
    async with in_the_middle_of_a_call() as node:
        answer = node.telephony.answers["live channels"] = asyncio.Event()
        node.rescuer.link_restored()
        await settle()
        node.rescuer.link_lost()
        answer.set()
        await settle()
        assert not node.rescuer.ready.is_set()
        await pass_time(RETRY_S)
        assert node.rescuer.ready.is_set()


@pytest.mark.parametrize("fails", ["the store", "asterisk"])
async def test_a_comparison_that_fails_is_tried_again(fails: str) -> None:
    async with a_node() as node:
        node.attempts.trouble.down = fails == "the store"
        node.telephony.failures["live channels"] = [AsteriskUnavailable()] * (fails == "asterisk")
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        assert not node.rescuer.ready.is_set()
        node.attempts.trouble.down = False
        await pass_time(RETRY_S)
        assert node.rescuer.ready.is_set()
        rescue.cancel()


async def test_all_is_compared_again_and_again_though_no_link_was_lost() -> None:
    async with in_the_middle_of_a_call() as node:
        await pass_time(3 * EVERY_S + 1)
        assert node.journal.count("live channels") == 3
