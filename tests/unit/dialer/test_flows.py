"""Whole calls of each flow: what is asked of the PBX and of the store, in which order, and what nobody has to wait for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from dialerd.dialer.call_record import STORE_RETRY_S
from dialerd.domain.activity import AgentHeld, CallConnected
from dialerd.domain.calls import (
    AgentAnswered,
    AgentRang,
    AttemptState,
    CallEvent,
    CallFlow,
    ChannelMade,
    HuntEnded,
    KeyPressed,
    LeadAnswered,
    LeadHeld,
    LeadLeft,
    LeadQueued,
    LeadRang,
    MenuSoundEnded,
    MessageBegun,
    NoAgent,
    OptedOut,
    StopRequested,
    Wanted,
)
from dialerd.domain.menus import START, Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.domain.offers import OfferEvent, OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.domain.queues import DeviceState
from dialerd.domain.trunk_breaker import LEAST_FAILURES
from dialerd.errors import AsteriskUnavailable, CallNotPlaced, DialerdError, LegGone
from tests.factories import ANNA, ATTEMPT, BEN, a_call, a_queue, an_agent
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import FakeNode, a_node
from tests.fakes.store import states

OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")
AGENTS = a_queue(agents=(an_agent(), an_agent(interface=BEN)))
UNSEEN = ("write", "offer", "withdraw", "live channels", "extend hold")


@asynccontextmanager
async def calling(flow: CallFlow, **changes: object) -> AsyncIterator[FakeNode]:
    """A node with two free agents that has just begun one call."""
    async with a_node() as node:
        cards = node.tasks.create_task(node.cards.run())
        node.queues.put(AGENTS)
        await pass_time(1)
        begin(node, flow, **changes)
        await settle()
        yield node
        cards.cancel()


def begin(node: FakeNode, flow: CallFlow, **changes: object) -> None:
    state = AttemptState.PREPARING if flow is CallFlow.AGENT_FIRST else AttemptState.DIALING
    node.tracker.place(a_call(**{"flow": flow, "state": state} | changes), decision_s=0)


def done(node: FakeNode) -> list[str]:
    """What was asked of the PBX and settled in rows, without what only follows."""
    return [entry for entry in node.journal if not entry.startswith(UNSEEN)]


def outcomes(node: FakeNode) -> list[Outcome | None]:
    return [call.outcome for call in node.attempts.closed]


# --- agent first -----------------------------------------------------------------------------------------------------

AGENT_ON_LINE: Sequence[CallEvent] = (AgentRang(ANNA), AgentAnswered(1))
RINGS: Sequence[CallEvent] = (*AGENT_ON_LINE, ChannelMade(), LeadRang())


def agent_first(**changes: object) -> AbstractAsyncContextManager[FakeNode]:
    return calling(CallFlow.AGENT_FIRST, **changes)


async def test_agent_first_rings_the_agent_writes_down_that_the_lead_is_dialed_dials_and_joins() -> None:
    async with agent_first() as node:
        assert (done(node), node.telephony.dialed) == (["hunt 1"], [])
        await node.tell(*RINGS, LeadAnswered(), LeadHeld())
        await node.tell(HuntEnded(1), LeadLeft(cause=16))
        assert done(node) == [
            "hunt 1",
            "hold agent 1",
            "begin dialing",
            "dial",
            "join 1",
            "lift hold limit",
            "hang up lead",
            "clear away",
            "close connected",
        ]
        assert node.kept == []


async def test_the_agent_of_an_unanswered_lead_stays_on_the_line() -> None:
    async with agent_first() as node:
        await node.tell(*RINGS, LeadLeft(cause=17))
        assert outcomes(node) == [Outcome.BUSY]
        (kept,) = node.kept
        assert (kept.leg, kept.queue, kept.agent) == (a_call().agent_leg(1), "sales", ANNA)
        await pass_time(10)
        assert "hang up hunt 1" not in node.journal
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_an_agent_who_has_hung_up_by_then_is_not_kept() -> None:
    async with agent_first() as node:
        await node.tell(*RINGS)
        node.telephony.answers["hang up lead"] = asyncio.Event()
        await node.tell(StopRequested(), LeadLeft(cause=16))  # while Asterisk has not answered yet
        await node.tell(HuntEnded(1))
        node.telephony.answers["hang up lead"].set()
        await pass_time(1)
        assert (outcomes(node), node.kept) == ([Outcome.CANCELLED], [])


async def test_a_lead_whom_a_rule_forbids_at_the_last_moment_is_not_dialed_and_the_agent_stays() -> None:
    async with a_node() as node:
        node.queues.put(AGENTS)
        node.attempts.forbids_to_begin = {ATTEMPT}
        begin(node, CallFlow.AGENT_FIRST)
        await node.tell(*AGENT_ON_LINE)
        assert (node.telephony.dialed, outcomes(node), len(node.kept)) == ([], [Outcome.NOT_PLACED], 1)


async def test_while_the_store_is_away_the_lead_is_not_dialed() -> None:
    async with agent_first() as node:
        node.attempts.trouble.down = True
        await node.tell(*AGENT_ON_LINE)
        await pass_time(5)
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)
        assert (node.telephony.dialed, outcomes(node), len(node.kept)) == ([], [Outcome.NOT_PLACED], 1)


async def test_the_lead_is_dialed_in_a_slot_of_the_leads_own_pace() -> None:
    async with a_node(node_calls_per_second=0.5) as node:
        node.queues.put(AGENTS)
        await pass_time(2)
        for attempt in (ATTEMPT, OTHER):
            begin(node, CallFlow.AGENT_FIRST, id=attempt)
            await node.tell(*AGENT_ON_LINE, of=attempt)
        await pass_time(3)
        assert node.telephony.dialed_at == pytest.approx([2, 4], abs=0.03)


async def test_a_call_that_waits_for_its_slot_is_being_placed() -> None:
    async with a_node(node_calls_per_second=0.1) as node:
        node.queues.put(AGENTS)
        begin(node, CallFlow.AGENT_FIRST)
        await node.tell(*AGENT_ON_LINE)
        assert (node.call().state, node.tracker.is_being_placed(ATTEMPT)) == (AttemptState.DIALING, True)


@pytest.mark.parametrize("meanwhile", ["stop", "the agent leaves", "the call is given up", "the daemon stops"])
async def test_a_lead_who_is_not_to_be_dialed_any_more_when_the_slot_comes_is_not(meanwhile: str) -> None:
    async with a_node(node_calls_per_second=0.1) as node:
        node.queues.put(AGENTS)
        begin(node, CallFlow.AGENT_FIRST)
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        if meanwhile == "the daemon stops":
            node.supervisor.stop_dialing()
        else:
            await node.tell(HuntEnded(1) if meanwhile == "the agent leaves" else StopRequested())
        await pass_time(0.5)
        assert outcomes(node) == [Outcome.NOT_PLACED]  # at once, and not when the slot comes
        await pass_time(20)
        assert node.telephony.dialed == []
        assert node.trunks.wait(30.0) == 0


async def test_a_lead_whose_trunk_has_begun_to_fail_while_the_agent_was_rung_is_dialed_by_the_next() -> None:
    async with a_node(trunks=("carrier", "reserve")) as node:
        node.queues.put(AGENTS)
        begin(node, CallFlow.AGENT_FIRST, trunk="carrier")
        for _ in range(LEAST_FAILURES):
            end = a_call(state=AttemptState.ENDED, outcome=Outcome.CONGESTION)
            node.trunks.observe(a_call(), end, dialed_at=0.0, now=node.clock.monotonic())
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert node.call().trunk == "reserve"
        assert node.telephony.dialed == [ATTEMPT]


async def test_refusals_of_our_own_are_not_the_trunks_failure() -> None:
    async with a_node() as node:
        node.queues.put(a_queue(callers_waiting=1))
        for number in range(10):
            attempt = uuid5(ATTEMPT, str(number))
            begin(node, CallFlow.AGENT_FIRST, id=attempt)
            await node.tell(*AGENT_ON_LINE, of=attempt)
        await pass_time(1)
        assert outcomes(node) == [Outcome.NOT_PLACED] * 10
        assert node.trunks.wait(1.0) == 0


@pytest.mark.parametrize("when", ["before the agent answers", "while the slot is awaited"])
async def test_a_caller_who_waits_by_then_comes_first(when: str) -> None:
    async with a_node(node_calls_per_second=0.1) as node:
        node.queues.put(AGENTS)
        begin(node, CallFlow.AGENT_FIRST)
        await settle()
        if when == "before the agent answers":
            node.queues.put(a_queue(callers_waiting=1))
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        node.queues.put(a_queue(callers_waiting=1))
        await pass_time(1)
        assert (node.telephony.dialed, outcomes(node), len(node.kept)) == ([], [Outcome.NOT_PLACED], 1)


async def test_while_the_queue_is_not_known_the_lead_is_not_dialed_yet() -> None:
    async with a_node() as node:
        begin(node, CallFlow.AGENT_FIRST)
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert node.telephony.dialed == []
        node.queues.put(AGENTS)
        await pass_time(1)
        assert node.telephony.dialed == [ATTEMPT]


async def test_while_nobody_knows_what_asterisk_has_left_of_the_agent_the_lead_is_not_dialed() -> None:
    """An Asterisk that was killed has no agent on the line; that is known once it was looked at after its return."""
    async with agent_first() as node:
        node.asterisk_ready = False
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert node.telephony.dialed == []
        await node.tell(HuntEnded(1))
        node.asterisk_ready = True
        await pass_time(1)
        assert (node.telephony.dialed, outcomes(node)) == ([], [Outcome.NOT_PLACED])


async def test_what_holds_the_node_holds_the_lead_of_an_agent_who_waits_and_the_agent_stays() -> None:
    async with agent_first() as node:
        node.holds = frozenset({HoldReason.CLOCKS_DIFFER})
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert (node.telephony.dialed, outcomes(node), len(node.kept)) == ([], [Outcome.NOT_PLACED], 1)


@pytest.mark.parametrize("answers", [False, True])
async def test_a_stop_while_the_store_is_asked_dials_nobody(answers: bool) -> None:
    async with agent_first() as node:
        node.attempts.trouble.answers = asyncio.Event()
        await node.tell(*AGENT_ON_LINE, StopRequested())
        node.attempts.forbids_to_begin = set() if answers else {ATTEMPT}
        node.attempts.trouble.answers.set()
        await pass_time(5)
        assert (node.telephony.dialed, outcomes(node)) == ([], [Outcome.NOT_PLACED])
        assert "hang up hunt 1" in node.journal


async def test_a_call_that_was_stopped_in_the_same_instant_is_not_written_down_as_dialed() -> None:
    async with agent_first() as node:
        node.tracker.feed(ATTEMPT, AgentAnswered(1))
        await node.tell(StopRequested(), HuntEnded(1))
        assert (node.attempts.begun, outcomes(node)) == ([], [Outcome.NOT_PLACED])


async def test_a_stop_while_the_agents_phone_rings_ends_that() -> None:
    async with agent_first() as node:
        await node.tell(AgentRang(ANNA), StopRequested(), HuntEnded(1))
        assert done(node) == ["hunt 1", "hang up hunt 1", "close not_placed", "clear away"]


async def test_a_stop_while_the_lead_rings_ends_the_dial() -> None:
    async with agent_first() as node:
        await node.tell(*RINGS, StopRequested(), LeadLeft(cause=16))
        assert outcomes(node) == [Outcome.CANCELLED]


async def test_an_agent_who_hangs_up_while_the_lead_rings_is_replaced_at_once() -> None:
    async with agent_first() as node:
        await node.tell(*RINGS, HuntEnded(1))
        assert done(node)[-1] == "hunt 2"
        await node.tell(AgentRang(BEN), AgentAnswered(2), LeadAnswered(), LeadHeld())
        assert done(node)[-3:] == ["hold agent 2", "join 2", "lift hold limit"]


async def test_an_agent_who_has_hung_up_before_the_announcement_takes_the_call_with_him() -> None:
    async with agent_first() as node:
        node.telephony.failures["hold agent"] = [LegGone()]
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert (node.telephony.dialed, outcomes(node), node.kept) == ([], [Outcome.NOT_PLACED], [])
        assert "hang up hunt 1" not in node.journal


async def test_an_agent_who_cannot_be_held_is_not_left_on_the_line() -> None:
    async with agent_first() as node:
        node.telephony.failures["hold agent"] = [AsteriskUnavailable()]
        await node.tell(*AGENT_ON_LINE)
        await pass_time(1)
        assert (node.telephony.dialed, outcomes(node)) == ([], [Outcome.NOT_PLACED])
        assert "hang up hunt 1" in node.journal


async def test_the_agent_of_a_call_that_asterisk_refuses_stays() -> None:
    async with agent_first() as node:
        node.telephony.failures["dial"] = [CallNotPlaced()]
        await node.tell(*AGENT_ON_LINE)
        assert (outcomes(node), len(node.kept)) == ([Outcome.NOT_PLACED], 1)


@pytest.mark.parametrize("trouble", [AsteriskUnavailable(), DialerdError("no bridge")])
async def test_a_lead_whose_agent_cannot_be_joined_is_not_left_in_silence(trouble: DialerdError) -> None:
    async with agent_first() as node:
        await node.tell(*RINGS)
        node.telephony.failures["join"] = [trouble]
        await node.tell(LeadAnswered(), LeadHeld())
        assert done(node)[-2:] == ["move to queue", "hang up hunt 1"]


@pytest.mark.parametrize("busy", [{"device": DeviceState.INUSE}, {"paused": True}, {"wrapup_until": 1e9}])
async def test_a_wanted_agent_who_could_not_take_the_call_is_not_rung_and_the_queue_is_asked_at_once(
    busy: dict[str, Any],
) -> None:
    async with a_node() as node:
        node.queues.put(a_queue(agents=(an_agent(interface=BEN, **busy), an_agent())))
        node.tracker.place(a_call(flow=CallFlow.PROGRESSIVE, wanted_agent=BEN), decision_s=0)
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        assert [entry for entry in node.journal if entry.startswith("hunt")] == ["hunt 2"]


async def test_a_wanted_agent_is_rung_by_his_own_phone_and_the_queue_after_him() -> None:
    async with agent_first(wanted_agent=BEN, agent_dial_timeout=timedelta(seconds=20)) as node:
        assert (done(node), node.tracker.promised()) == (["hunt 1 PJSIP/ben"], {})
        await pass_time(10)
        assert node.tracker.promised() == {Wanted("sales"): 1}
        assert done(node)[1:] == ["hang up hunt 1", "hunt 2"]
        await node.tell(HuntEnded(1))
        await pass_time(10)
        assert outcomes(node) == [Outcome.NOT_PLACED]


async def test_a_kept_agent_is_not_rung_and_hears_the_announcement_anew() -> None:
    leg = uuid5(OTHER, "leg")
    async with agent_first(kept_leg=leg) as node:
        await pass_time(0.1)
        assert done(node) == ["hold agent 1", "begin dialing", "dial"]
        await node.tell(LeadRang(), LeadLeft(cause=19))
        assert [kept.leg for kept in node.kept] == [leg]


async def test_how_long_an_agent_waits_on_the_line_is_told_whether_a_lead_comes_or_not() -> None:
    async with agent_first() as node:
        await node.tell(*RINGS)
        await pass_time(4)
        await node.tell(LeadLeft(cause=19))
        begin(node, CallFlow.AGENT_FIRST, id=OTHER)
        await node.tell(*RINGS, of=OTHER)
        await pass_time(6)
        await node.tell(LeadAnswered(), LeadHeld(), of=OTHER)
        assert [fact.waited_s for fact in node.said(AgentHeld)] == pytest.approx([4, 6], abs=0.1)
        assert [fact.after_answer_s for fact in node.said(CallConnected)] == pytest.approx([0], abs=0.1)
        assert [fact.bridged_in_s for fact in node.said(CallConnected)] == pytest.approx([0], abs=0.1)


async def test_a_hunt_is_hung_up_again_however_much_news_there_is_of_it() -> None:
    async with agent_first() as node:
        await node.tell(AgentRang(ANNA), StopRequested(), *[AgentRang(BEN), AgentRang(ANNA)] * 5)
        before = node.journal.count("hang up hunt 1")
        await pass_time(1.1)
        assert node.journal.count("hang up hunt 1") == before + 2


# --- preview, while the lead is dialed -------------------------------------------------------------------------------


async def test_preview_dials_while_an_agent_looks_at_the_card_and_rings_who_has_accepted() -> None:
    async with calling(CallFlow.PREVIEW) as node:
        assert node.journal[:2] == ["dial", f"offer 1 to {ANNA}"]
        assert node.tracker.promised() == {Wanted("sales", ANNA): 1}
        await node.tell(LeadRang())
        node.offers.answer(ANNA, OfferEvent.ACCEPT)
        node.cards.ring()
        await node.tell(LeadAnswered(), LeadHeld())
        await node.tell(AgentRang(ANNA), AgentAnswered(1), HuntEnded(1), LeadLeft())
        assert done(node) == [
            "dial",
            f"hunt 1 {ANNA}",
            "join 1",
            "lift hold limit",
            "hang up lead",
            "clear away",
            "close connected",
        ]


async def test_a_lead_who_answers_first_is_held_until_an_agent_accepts() -> None:
    async with calling(CallFlow.PREVIEW) as node:
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        assert done(node) == ["dial"]
        node.offers.answer(ANNA, OfferEvent.ACCEPT)
        node.cards.ring()
        await settle()
        assert done(node) == ["dial", f"hunt 1 {ANNA}"]


@pytest.mark.parametrize("answer", [OfferEvent.SKIP, OfferEvent.LAPSE])
async def test_a_card_that_is_not_accepted_goes_to_the_next_agent(answer: OfferEvent) -> None:
    async with calling(CallFlow.PREVIEW) as node:
        node.offers.answer(ANNA, answer)
        node.cards.ring()
        await settle()
        assert node.journal[-1] == f"offer 2 to {BEN}"
        node.offers.answer(BEN, answer)
        node.cards.ring()
        await pass_time(5)
        assert len(node.offers.rows) == 2  # all have declined it


async def test_the_card_goes_to_the_agent_who_was_asked_longest_ago() -> None:
    async with calling(CallFlow.PREVIEW) as node:
        node.offers.answer(ANNA, OfferEvent.SKIP)
        node.cards.ring()
        await settle()
        await node.tell(LeadLeft(cause=17))
        begin(node, CallFlow.PREVIEW, id=OTHER)
        await settle()
        assert [offer.agent for offer in node.offers.rows.values()] == [ANNA, BEN, ANNA]


async def test_where_nobody_accepts_the_lead_waits_in_the_queue_and_the_card_is_taken_away() -> None:
    async with calling(CallFlow.PREVIEW, agent_dial_timeout=timedelta(seconds=20)) as node:
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        await pass_time(20)
        assert done(node) == ["dial", "move to queue"]
        assert "withdraw 1" in node.journal
        assert node.cards.free_agents("sales") == [BEN, ANNA]


async def test_the_card_of_a_call_that_has_ended_is_taken_away() -> None:
    async with calling(CallFlow.PREVIEW) as node:
        await node.tell(LeadRang(), LeadLeft(cause=17))
        assert [offer.state for offer in node.offers.rows.values()] == [OfferState.WITHDRAWN]
        assert not node.tracker.is_tracked(ATTEMPT)


@pytest.mark.parametrize("end", [LeadLeft(cause=17), LeadQueued()])
async def test_a_card_that_was_still_being_laid_when_the_call_went_on_without_it_is_taken_away(end: CallEvent) -> None:
    async with a_node() as node:
        node.queues.put(AGENTS)
        node.offers.trouble.takes = 5
        begin(node, CallFlow.PREVIEW)
        await node.tell(LeadRang())
        await pass_time(1)
        await node.tell(end)
        await pass_time(20)
        assert [offer.state for offer in node.offers.rows.values()] == [OfferState.WITHDRAWN]
        assert node.cards.free_agents("sales") == [BEN, ANNA]


async def test_a_card_that_nobody_had_begun_to_lay_is_not_laid_for_a_call_that_has_ended() -> None:
    async with a_node() as node:
        node.queues.put(AGENTS)
        begin(node, CallFlow.PREVIEW)
        node.tracker.feed(ATTEMPT, LeadLeft(cause=17))
        await settle()
        assert node.offers.rows == {}


async def test_a_card_never_delays_what_a_lead_on_the_line_needs() -> None:
    async with a_node() as node:
        node.queues.put(AGENTS)
        node.offers.trouble.answers = asyncio.Event()
        begin(node, CallFlow.PREVIEW, agent_dial_timeout=timedelta(seconds=20))
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        await pass_time(20)
        assert done(node) == ["dial", "move to queue"]
        await node.tell(LeadQueued(), LeadLeft())
        assert states(node.attempts.closed) == [AttemptState.ENDED]
        node.offers.trouble.answers.set()
        await pass_time(5)
        assert not node.tracker.is_tracked(ATTEMPT)


async def test_a_card_that_could_not_be_laid_is_laid_when_the_store_is_back() -> None:
    async with a_node() as node:
        node.queues.put(AGENTS)
        node.offers.trouble.down = True
        begin(node, CallFlow.PREVIEW)
        await pass_time(3)
        node.offers.trouble.down = False
        await pass_time(1.1)
        assert [offer.agent for offer in node.offers.rows.values()] == [ANNA]


async def test_an_agent_who_waits_for_the_lead_he_has_accepted_gets_no_other_card() -> None:
    async with calling(CallFlow.PREVIEW) as node:
        node.offers.answer(ANNA, OfferEvent.ACCEPT)
        node.cards.ring()
        await settle()
        node.queues.put(a_queue())  # Ben has left
        begin(node, CallFlow.PREVIEW, id=OTHER)
        await pass_time(3)
        assert len(node.offers.rows) == 1


async def test_the_agent_whom_a_lead_was_promised_may_see_its_card() -> None:
    async with a_node() as node:
        node.queues.put(a_queue())
        begin(node, CallFlow.PREVIEW, wanted_agent=ANNA)
        await settle()
        assert [offer.agent for offer in node.offers.rows.values()] == [ANNA]


# --- voice menus -----------------------------------------------------------------------------------------------------

MENU = VoiceMenu(
    name="confirm",
    nodes={
        START: MenuNode(
            prompt="menu/hello",
            invalid_sound="menu/wrong",
            choices={
                "1": Choice(action=MenuAction.END, result="confirmed", sound="menu/thanks"),
                "2": Choice(action=MenuAction.QUEUE, result="wants_agent"),
                "9": Choice(action=MenuAction.OPT_OUT, sound="menu/bye"),
            },
        )
    },
)
IN_MENU: Sequence[CallEvent] = (LeadRang(), LeadAnswered(), LeadHeld())


async def test_a_menu_plays_its_prompt_takes_a_key_and_ends_after_the_last_sound() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        assert node.tracker.promised() == {}
        await node.tell(*IN_MENU, KeyPressed("5"), MenuSoundEnded(2), KeyPressed("1"), MenuSoundEnded(4), LeadLeft())
        assert done(node) == [
            "dial",
            "play in menu 1 menu/hello",
            "play in menu 2 menu/wrong",
            "play in menu 3 menu/hello",
            "play in menu 4 menu/thanks",
            "hang up lead",
            "clear away",
            "close menu_choice",
        ]
        assert node.attempts.closed[0].menu_result == "confirmed"
        assert "confirmed" in [call.menu_result for call in node.attempts.written]  # before the end, in case of a crash


async def test_who_presses_no_key_hears_the_prompt_again_and_is_let_go_in_the_end() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        await node.tell(*IN_MENU)
        for step in (1, 2, 3):
            await node.tell(MenuSoundEnded(step))
            await pass_time(5)
        assert done(node).count("hang up lead") == 1
        assert node.journal.count("play in menu 3 menu/hello") == 1


async def test_a_sound_that_cannot_be_played_is_one_that_has_ended() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        node.telephony.failures["play in menu"] = [DialerdError("no such sound")]
        await node.tell(*IN_MENU)
        await pass_time(5)
        assert done(node)[-1] == "play in menu 2 menu/hello"


async def test_an_opt_out_is_written_down_at_once() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        await node.tell(*IN_MENU, KeyPressed("9"))
        assert list(node.attempts.opted_out) == [ATTEMPT]
        await node.tell(MenuSoundEnded(2), LeadLeft())
        assert outcomes(node) == [Outcome.OPTED_OUT]


async def test_and_again_where_the_store_was_away() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        await node.tell(*IN_MENU)
        node.attempts.trouble.down = True
        await node.tell(KeyPressed("9"))
        await pass_time(3 * STORE_RETRY_S)
        assert node.attempts.opted_out == {}
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)
        assert list(node.attempts.opted_out) == [ATTEMPT]


async def test_who_chooses_an_agent_has_only_now_begun_to_wait() -> None:
    async with calling(CallFlow.MENU, menu=MENU) as node:
        await node.tell(*IN_MENU)
        await pass_time(30)
        await node.tell(KeyPressed("2"))
        assert (done(node)[-1], node.tracker.promised()) == ("hunt 1", {Wanted("sales"): 1})
        await pass_time(2)
        await node.tell(AgentRang(ANNA), AgentAnswered(1))
        assert [fact.after_answer_s for fact in node.said(CallConnected)] == pytest.approx([2], abs=0.1)


# --- waiting for an agent --------------------------------------------------------------------------------------------


async def test_a_lead_who_waits_beyond_the_sla_hears_the_greeting() -> None:
    async with calling(CallFlow.PROGRESSIVE, greeting="hello", customer_wait_sla=timedelta(seconds=3)) as node:
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        await pass_time(2.9)
        assert "play greeting" not in node.journal
        await pass_time(0.2)
        assert node.journal.count("play greeting") == 1


async def test_or_the_message_where_the_campaign_says_so_and_its_opt_out_is_noted() -> None:
    async with calling(CallFlow.PROGRESSIVE, no_agent=NoAgent.MESSAGE_AT_SLA) as node:
        await node.tell(LeadRang(), LeadAnswered(), LeadHeld())
        await pass_time(3)
        assert done(node)[-2:] == ["hang up hunt 1", "move to message"]
        await node.tell(HuntEnded(1), MessageBegun(), OptedOut())
        assert list(node.attempts.opted_out) == [ATTEMPT]
        await node.tell(LeadLeft())
        assert outcomes(node) == [Outcome.OPTED_OUT]


@pytest.mark.parametrize("flow", list(CallFlow))
async def test_every_task_of_a_call_comes_to_its_end_with_it(flow: CallFlow) -> None:
    async with calling(flow, menu=MENU if flow is CallFlow.MENU else None) as node:
        await node.tell(StopRequested(), LeadLeft(cause=16), HuntEnded(1))
        await pass_time(5)
        assert (len(node.attempts.closed), node.tracker.calls) == (1, [])
        assert node.tracker.idle.is_set()
