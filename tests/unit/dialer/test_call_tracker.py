"""A call in flight, followed to its end: what is asked of the PBX, what is written, and what it counts for meanwhile."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from dialerd.dialer.call_record import STORE_RETRY_S
from dialerd.dialer.call_service import HANG_UP_AGAIN_S, HOLD_LIMIT_RETRY_S
from dialerd.domain.activity import AgentRinging, CallConnected, CallEnded, CallPlaced
from dialerd.domain.calls import (
    AgentAnswered,
    AgentConnected,
    AgentRang,
    AgentRangOut,
    AttemptState,
    CallEvent,
    HuntEnded,
    HuntFound,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    LegsJoined,
    StopRequested,
    Wanted,
)
from dialerd.domain.outcomes import Outcome
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError
from tests.factories import ANNA, ATTEMPT, BEN, a_call, a_connected_call, a_ringing_call, later
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import FakeNode, a_node
from tests.fakes.store import states

OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")
ANSWERED: list[CallEvent] = [LeadRang(), LeadAnswered(), LeadHeld()]
TALKING: list[CallEvent] = [*ANSWERED, AgentRang(ANNA), AgentAnswered(1)]


async def place(node: FakeNode, **changes: object) -> None:
    node.tracker.place(a_call(**changes), decision_s=0.004)
    await settle()


async def forget_what_was_done(node: FakeNode) -> None:
    await settle()
    node.journal.clear()


# --- a whole call ----------------------------------------------------------------------------------------------------


async def test_a_call_from_the_dial_to_the_end_of_the_talk() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*TALKING, HuntEnded(1), LeadLeft(cause=16, tech_cause="200"))
        assert node.journal == [
            "dial",
            "write ringing",
            "write answered",
            "hunt 1",
            "join 1",
            "lift hold limit",
            "write connected",
            "hang up lead",
            "clear away",
            "close connected",
        ]
        (ended,) = node.attempts.closed
        assert (ended.outcome, ended.agent, ended.cause, ended.tech_cause) == (Outcome.CONNECTED, ANNA, 16, "200")
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_when_the_lead_hangs_up_first_the_agent_is_let_go() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*TALKING)
        await forget_what_was_done(node)
        await node.tell(LeadLeft(cause=16), HuntEnded(1))
        assert node.journal == ["hang up hunt 1", "close connected", "clear away"]


async def test_what_a_call_counts_for_at_each_step() -> None:
    async with a_node() as node:
        counts = []
        await place(node)
        for event in [None, *TALKING, LeadLeft(), HuntEnded(1)]:
            if event:
                await node.tell(event)
            counts.append((node.tracker.promised(), node.tracker.in_flight(1)))
        assert counts == [
            ({Wanted("sales"): 1}, 1),  # dialing
            ({Wanted("sales"): 1}, 1),  # ringing
            ({Wanted("sales"): 1}, 1),  # answered
            ({Wanted("sales"): 1}, 1),  # held, an agent is sought
            ({}, 1),  # an agent's phone rings: from now on that phone speaks for itself
            ({}, 1),  # they talk
            ({}, 0),  # the lead has left
            ({}, 0),
        ]


async def test_an_agent_is_promised_again_while_the_next_one_is_sought() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*ANSWERED, AgentRang(ANNA), AgentRangOut(ANNA))
        assert node.tracker.promised() == {Wanted("sales"): 1}
        await node.tell(AgentRang(BEN))
        assert node.tracker.promised() == {}


async def test_an_agent_is_promised_to_a_call_that_is_just_being_written_down() -> None:
    async with a_node() as node:
        with node.tracker.reserved(Wanted("sales")) as reservation:
            assert node.tracker.promised() == {Wanted("sales"): 1}
            reservation.attempt = ATTEMPT
            assert node.tracker.is_being_placed(ATTEMPT)
        assert node.tracker.promised() == {}
        assert not node.tracker.is_being_placed(ATTEMPT)


async def test_calls_count_for_their_own_campaign_and_queue() -> None:
    async with a_node() as node:
        await place(node)
        await place(node, id=OTHER, campaign_id=2, queue="support")
        assert node.tracker.promised() == {Wanted("sales"): 1, Wanted("support"): 1}
        assert [node.tracker.in_flight(campaign) for campaign in (1, 2, 3)] == [1, 1, 0]


async def test_how_long_the_bridge_took_is_not_told_where_the_queue_has_built_it() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*ANSWERED, AgentRang(ANNA))
        await pass_time(20)
        await node.tell(HuntEnded(1), LeadQueued(), AgentConnected(BEN))
        assert [fact.bridged_in_s for fact in node.said(CallConnected)] == [None]


async def test_the_facts_of_a_call_are_told_with_the_waits_of_the_person_who_answered() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(LeadRang(), LeadAnswered())
        await pass_time(0.5)
        await node.tell(LeadHeld(), AgentRang(ANNA))
        await pass_time(2)
        await node.tell(AgentAnswered(1), LeadLeft(), HuntEnded(1))
        assert [type(fact) for fact in node.facts] == [CallPlaced, AgentRinging, CallConnected, CallEnded]
        assert node.said(CallPlaced)[0].decision_s == 0.004
        assert node.said(AgentRinging)[0].after_answer_s == pytest.approx(0.5, abs=1e-6)
        assert node.said(CallConnected)[0].after_answer_s == pytest.approx(2.5, abs=1e-6)
        assert node.said(CallConnected)[0].bridged_in_s == pytest.approx(0, abs=1e-6)
        assert node.said(CallEnded)[0].outcome is Outcome.CONNECTED


async def test_whoever_decides_is_woken_when_a_call_binds_or_frees_an_agent_or_a_line_and_only_then() -> None:
    async with a_node() as node:
        await place(node)
        woken = []
        for event in [*TALKING, LeadLeft()]:
            before = node.changes
            await node.tell(event)
            woken += [type(event)] * (node.changes - before)
        assert woken == [AgentRang, LeadLeft]


async def test_news_of_a_call_that_is_not_ours_are_no_news() -> None:
    async with a_node() as node:
        await node.tell(LeadAnswered(), of=OTHER)
        assert (node.tracker.calls, node.journal) == ([], [])


# --- placing ---------------------------------------------------------------------------------------------------------


async def test_a_call_that_certainly_did_not_leave_is_not_placed() -> None:
    async with a_node() as node:
        node.telephony.failures["dial"] = [CallNotPlaced()]
        await place(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.NOT_PLACED]
        assert node.said(CallPlaced) == []
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_a_call_of_which_nobody_knows_whether_it_left_is_never_dialed_again_and_stays_in_flight() -> None:
    async with a_node() as node:
        node.telephony.failures["dial"] = [AsteriskUnavailable()]
        await place(node)
        await pass_time(3600)
        assert node.telephony.dialed == [ATTEMPT]
        assert node.tracker.in_flight(1) == 1
        assert node.attempts.closed == []


async def test_and_its_events_are_followed_if_it_did_leave() -> None:
    async with a_node() as node:
        node.telephony.failures["dial"] = [AsteriskUnavailable()]
        await place(node)
        await node.tell(*ANSWERED)
        assert "hunt 1" in node.journal


async def test_a_call_is_being_placed_until_asterisk_has_answered() -> None:
    async with a_node() as node:
        node.telephony.answers["dial"] = asyncio.Event()
        await place(node)
        assert node.tracker.is_being_placed(ATTEMPT)
        node.telephony.answers["dial"].set()
        await settle()
        assert not node.tracker.is_being_placed(ATTEMPT)
        assert not node.tracker.is_being_placed(OTHER)


async def test_a_stop_that_comes_while_the_call_is_being_placed_ends_it_as_soon_as_that_can_be() -> None:
    async with a_node() as node:
        node.telephony.answers["dial"] = asyncio.Event()
        await place(node)
        await node.tell(StopRequested())
        assert node.journal == ["dial"]
        node.telephony.answers["dial"].set()
        await node.tell(LeadLeft(cause=16))
        assert node.journal[:2] == ["dial", "hang up lead"]
        assert [call.outcome for call in node.attempts.closed] == [Outcome.CANCELLED]


# --- agents ----------------------------------------------------------------------------------------------------------


async def test_when_no_agent_answers_in_time_the_lead_waits_in_the_queue() -> None:
    async with a_node() as node:
        await place(node, agent_dial_timeout=timedelta(seconds=20))
        await node.tell(*ANSWERED, AgentRang(ANNA))
        await forget_what_was_done(node)
        await pass_time(19.9)
        assert node.journal == []
        await pass_time(0.1)
        assert node.journal == ["hang up hunt 1", "move to queue"]
        await node.tell(HuntEnded(1), LeadQueued(), AgentConnected(BEN), LeadLeft())
        assert [(call.outcome, call.agent) for call in node.attempts.closed] == [(Outcome.CONNECTED, BEN)]


async def test_a_reminder_that_is_out_of_date_does_nothing() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*TALKING)
        await forget_what_was_done(node)
        await pass_time(60)
        assert node.journal == []


async def test_a_reminder_does_not_outlive_its_call() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*ANSWERED, LeadLeft(), HuntEnded(1))
        await pass_time(10)
        node.tracker.adopt(a_ringing_call())
        await node.tell(LeadAnswered(), HuntFound(1), LeadHeld())
        await forget_what_was_done(node)
        await pass_time(15)
        assert node.journal == []
        await pass_time(5)
        assert node.journal == ["hang up hunt 1", "move to queue"]


@pytest.mark.parametrize("trouble", [CallNotPlaced(), AsteriskUnavailable()])
async def test_when_no_agent_can_be_sought_the_lead_waits_in_the_queue(trouble: DialerdError) -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["hunt"] = [trouble]
        await node.tell(*ANSWERED)
        assert node.journal.index("move to queue") > node.journal.index("hunt 1")


async def test_a_hunt_that_may_ring_all_the_same_is_ended() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["hunt"] = [AsteriskUnavailable()]
        await node.tell(*ANSWERED)
        assert node.journal[-2:] == ["move to queue", "hang up hunt 1"]


async def test_an_agent_who_cannot_be_joined_is_let_go_and_the_lead_waits_in_the_queue() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["join"] = [DialerdError("no bridge")]
        await node.tell(*TALKING)
        assert node.journal[-2:] == ["move to queue", "hang up hunt 1"]
        assert node.call().state is AttemptState.ANSWERED
        assert "lift hold limit" not in node.journal
        await node.tell(HuntEnded(1), LeadQueued(), LeadLeft())
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_the_hold_limit_is_lifted_however_often_that_has_to_be_tried() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["lift hold limit"] = [AsteriskUnavailable(), AsteriskUnavailable()]
        await node.tell(*TALKING)
        assert node.journal.count("lift hold limit") == 1
        await pass_time(3 * HOLD_LIMIT_RETRY_S)
        assert node.journal.count("lift hold limit") == 3


async def test_but_not_after_the_talk() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["lift hold limit"] = [AsteriskUnavailable()] * 100
        await node.tell(*TALKING, HuntEnded(1), LeadLeft())
        tries = node.journal.count("lift hold limit")
        await pass_time(60)
        assert node.journal.count("lift hold limit") == tries


async def test_a_lead_whose_agent_left_while_they_were_being_joined_keeps_the_hold_limit() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.answers["join"] = asyncio.Event()
        await node.tell(*TALKING, HuntEnded(1))
        node.telephony.answers["join"].set()
        await settle()
        assert node.journal[-1] == "move to queue"
        assert "lift hold limit" not in node.journal


async def test_an_agent_is_let_go_though_the_lead_left_before_the_hunt_had_a_channel() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*ANSWERED, LeadLeft())
        assert node.journal.count("hang up hunt 1") == 1
        await pass_time(HANG_UP_AGAIN_S)
        assert node.journal.count("hang up hunt 1") == 2
        await node.tell(AgentAnswered(1))
        assert node.journal.count("hang up hunt 1") == 3
        await node.tell(HuntEnded(1))
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_a_hunt_whose_end_is_never_told_is_forgotten_in_the_end() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*ANSWERED, LeadLeft())
        await pass_time(10)
        assert not node.tracker.is_tracked(ATTEMPT)
        assert node.telephony.followed == {}


# --- rows ------------------------------------------------------------------------------------------------------------


async def test_a_person_who_answers_does_not_wait_for_the_disk() -> None:
    async with a_node() as node:
        await place(node)
        node.attempts.trouble.answers = asyncio.Event()
        await node.tell(*TALKING)
        assert node.journal == ["dial", "hunt 1", "join 1", "lift hold limit"]
        node.attempts.trouble.answers.set()
        await settle()
        assert states(node.attempts.written) == [AttemptState.RINGING, AttemptState.CONNECTED]


async def test_what_could_not_be_written_is_written_when_the_database_is_back() -> None:
    async with a_node() as node:
        await place(node)
        node.attempts.trouble.down = True
        await node.tell(*TALKING)
        await pass_time(10)
        assert node.attempts.written == []
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)
        assert states(node.attempts.written) == [AttemptState.CONNECTED]


async def test_the_end_is_written_however_long_the_database_is_away() -> None:
    async with a_node() as node:
        await place(node)
        node.attempts.trouble.down = True
        await node.tell(LeadRang(), LeadLeft(cause=17))
        await pass_time(3600)
        assert node.attempts.closed == []
        assert node.tracker.in_flight(1) == 0
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.BUSY]
        assert len(node.said(CallEnded)) == 1


async def test_a_call_that_somebody_else_has_closed_is_not_counted_twice() -> None:
    async with a_node() as node:
        await place(node)
        node.attempts.closed_before = {ATTEMPT}
        await node.tell(LeadLeft(cause=17))
        assert node.said(CallEnded) == []
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_a_bridge_that_stays_behind_is_no_reason_to_keep_the_call() -> None:
    async with a_node() as node:
        await place(node)
        node.telephony.failures["clear away"] = [AsteriskUnavailable()]
        await node.tell(*TALKING, HuntEnded(1), LeadLeft())
        assert len(node.attempts.closed) == 1
        assert not node.tracker.is_tracked(ATTEMPT)


# --- adopting, letting go --------------------------------------------------------------------------------------------


async def test_an_adopted_call_is_not_dialed_and_goes_on_where_it_is() -> None:
    async with a_node() as node:
        node.tracker.adopt(a_ringing_call(), lead_channel="PJSIP/carrier-01")
        await node.tell(LeadAnswered(), LeadHeld())
        assert node.journal == ["write answered", "hunt 1"]
        assert node.telephony.followed == {ATTEMPT: "PJSIP/carrier-01"}


async def test_a_talk_that_is_found_again_is_not_cut_by_a_hold_limit_that_nobody_had_lifted() -> None:
    async with a_node() as node:
        node.tracker.adopt(a_connected_call())
        await node.tell(HuntFound(1), LegsJoined())
        assert node.journal == ["lift hold limit"]


async def test_the_trouble_of_one_call_is_not_that_of_the_others() -> None:
    async with a_node() as node:
        await place(node)
        await place(node, id=OTHER)
        node.telephony.failures["hunt"] = [ZeroDivisionError()]
        await node.tell(*ANSWERED)
        assert not node.tracker.is_tracked(ATTEMPT)
        assert node.attempts.closed == []  # the row stays open for the rescuer
        await node.tell(*TALKING, of=OTHER)
        assert node.call(OTHER).state is AttemptState.CONNECTED


async def test_when_the_daemon_ends_the_calls_and_their_rows_stay_as_they_are() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(*TALKING)
        await forget_what_was_done(node)
        node.tracker.let_all_go()
        await settle()
        assert (node.journal, node.attempts.closed, node.tracker.calls) == ([], [], [])


@pytest.mark.parametrize("busy_with", ["lift hold limit", "dial", "hang up hunt"])
async def test_nothing_that_is_still_tried_keeps_the_daemon_from_ending(busy_with: str) -> None:
    async with asyncio.timeout(60), a_node() as node:
        node.telephony.failures[busy_with] = [AsteriskUnavailable()] * 1000
        await place(node)
        await node.tell(*TALKING, LeadLeft())


async def test_a_call_can_be_let_go_before_it_was_even_begun() -> None:
    async with a_node() as node:
        node.tracker.place(a_call(), decision_s=0)
        node.tracker.let_all_go()
        await settle()
        assert node.telephony.dialed == []


async def test_the_tracker_is_idle_when_the_last_call_has_ended() -> None:
    async with a_node() as node:
        assert node.tracker.idle.is_set()
        await place(node)
        await place(node, id=OTHER)
        await node.tell(LeadLeft(cause=17))
        assert not node.tracker.idle.is_set()
        await node.tell(LeadLeft(cause=17), of=OTHER)
        assert node.tracker.idle.is_set()


async def test_times_of_a_call_are_those_of_its_events() -> None:
    async with a_node() as node:
        await place(node)
        await pass_time(5)
        await node.tell(LeadRang())
        ringing_at = node.call().ringing_at
        assert ringing_at is not None
        assert abs(ringing_at - later(5)) < timedelta(milliseconds=1)
