"""After a crash or a gap: what rows and this daemon believe, compared with the channels that Asterisk has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dialerd.dialer.rescuer import RETRY_S, SETTLING_S, UNSEEN_AGENT
from dialerd.domain.activity import CallsRescued
from dialerd.domain.attempts import OpenCall
from dialerd.domain.calls import (
    AgentAnswered,
    AgentRang,
    AttemptState,
    Call,
    DialFailed,
    DialRefused,
    HuntEnded,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadRang,
    LiveChannel,
)
from dialerd.domain.outcomes import Outcome
from dialerd.errors import AsteriskUnavailable
from tests.factories import (
    ANNA,
    ATTEMPT,
    a_call,
    a_connected_call,
    a_queued_call,
    a_ringing_call,
    an_answered_call,
)
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import NODE, FakeNode, a_node
from tests.fakes.telephony import a_hunt_channel, a_lead_channel

EVERY_S = 30.0


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
    return [entry for entry in node.journal if entry != "live channels" and not entry.startswith("write")]


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
        assert (node.call().state, done(node)) == (AttemptState.ANSWERED, [])


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
        with node.tracker.reserved("sales") as reservation:
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
