"""Values for tests: each builder gives a plain, valid one, and takes by keyword what the test is about.

Numbers are of the ranges that are reserved for fiction.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dialerd.domain.accounts import AccountRules
from dialerd.domain.caller_id import CallerId, PoolNumber
from dialerd.domain.calls import AttemptState, Call, CallFlow, DialMode, LeadCard
from dialerd.domain.campaigns import Campaign, CampaignSettings, CampaignStatus
from dialerd.domain.compliance import ANYWHERE, Profile
from dialerd.domain.eligibility import Candidate, RecentCall, Terms
from dialerd.domain.leads import Lead, LeadState, NewLead
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import Situation
from dialerd.domain.queues import Agent, DeviceState, QueueSnapshot

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ATTEMPT = UUID("8c5b7f0e-3d35-4b0e-9a60-5f0e6b1c2d3a")
ANNA, BEN = "PJSIP/anna", "PJSIP/ben"


def later(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def settings(**changes: Any) -> CampaignSettings:
    return replace(CampaignSettings(name="Spring", queue="sales"), **changes)


def a_campaign(**changes: Any) -> Campaign:
    plain = Campaign(id=1, account_id=1, status=CampaignStatus.RUNNING, settings=settings())
    return replace(plain, **changes)


def a_new_lead(**changes: Any) -> NewLead:
    return replace(NewLead(number="+12025550101", first_name="Ada"), **changes)


def a_lead(**changes: Any) -> Lead:
    plain = Lead(
        id=1,
        campaign_id=1,
        number="+12025550101",
        first_name="Ada",
        last_name="Lovelace",
        state=LeadState.ACTIVE,
        dials=0,
        attempts_used=0,
        max_attempts=None,
        cooloff_s=None,
        cooloff_2nd_s=None,
        cooloff_3rd_s=None,
        new_since=NOON,
    )
    return replace(plain, **changes)


def a_candidate(**changes: Any) -> Candidate:
    return replace(Candidate(lead=a_lead()), **changes)


def terms(**changes: Any) -> Terms:
    """Of a campaign without windows, of an account in UTC, without a compliance profile."""
    none = Profile(
        id="none",
        version="1",
        title="none",
        source=(),
        verified_on=NOON.date(),
        regions=(ANYWHERE,),
        areas={},
        rules=(),
    )
    return replace(Terms(settings=settings(), account=AccountRules(), profile=none), **changes)


def a_recent_call(**changes: Any) -> RecentCall:
    """An hour ago, of another lead, and in vain."""
    plain = RecentCall(number="+12025550101", opened_at=later(-3600), outcome=Outcome.NO_ANSWER, lead_id=99)
    return replace(plain, **changes)


def a_caller_id(**changes: Any) -> CallerId:
    return replace(CallerId(number="+12025550199", name="Spring"), **changes)


def a_pool_number(**changes: Any) -> PoolNumber:
    return replace(PoolNumber(id=1, caller_id=a_caller_id(), uses=0), **changes)


TRUNK = "carrier"


def a_call(**changes: Any) -> Call:
    """A call that is being dialed since noon."""
    plain = Call(
        id=ATTEMPT,
        campaign_id=1,
        lead_id=1,
        number="+12025550101",
        lead=LeadCard(name="Ada Lovelace"),
        caller_id=a_caller_id(),
        queue="sales",
        dial_mode=DialMode.PROGRESSIVE,
        flow=CallFlow.PROGRESSIVE,
        opened_at=NOON,
        ring_timeout=timedelta(seconds=30),
        customer_wait_sla=timedelta(seconds=3),
        agent_dial_timeout=timedelta(seconds=20),
        trunk=TRUNK,
    )
    return replace(plain, **changes)


def a_ringing_call(**changes: Any) -> Call:
    return a_call(**{"state": AttemptState.RINGING, "ringing_at": NOON} | changes)


def an_answered_call(**changes: Any) -> Call:
    """The lead has picked up at noon, and nobody is rung yet."""
    return a_ringing_call(**{"state": AttemptState.ANSWERED, "answered_at": NOON} | changes)


def a_hunting_call(**changes: Any) -> Call:
    """The lead has picked up at noon, and the first hunt for an agent runs."""
    return an_answered_call(**{"hunts": 1, "hunting": True, "held": True, "waiting_since": NOON} | changes)


def a_queued_call(**changes: Any) -> Call:
    """The first hunt was given up; the lead waits in the queue with hold music."""
    return an_answered_call(**{"state": AttemptState.QUEUED, "hunts": 1, "held": True, "waiting_since": NOON} | changes)


def a_connected_call(**changes: Any) -> Call:
    """Lead and agent talk, joined by the first hunt."""
    talking = {"state": AttemptState.CONNECTED, "connected_at": NOON, "agent": ANNA, "agent_up": True}
    return a_hunting_call(**talking | changes)


def a_preview_call(**changes: Any) -> Call:
    """The lead is being dialed since noon, and the card is being laid before a first agent."""
    plain = {"dial_mode": DialMode.PREVIEW, "flow": CallFlow.PREVIEW, "dialed": True, "offers": 1}
    return a_call(**plain | changes)


def an_agent_first_call(**changes: Any) -> Call:
    """Nobody is rung yet."""
    plain = {"dial_mode": DialMode.AGENT_FIRST, "flow": CallFlow.AGENT_FIRST, "state": AttemptState.PREPARING}
    return a_call(**plain | changes)


def a_menu_call(**changes: Any) -> Call:
    """A call into a voice menu, for which no agent is needed, that is being dialed since noon."""
    return a_call(**{"flow": CallFlow.MENU, "menu": a_menu(), "dialed": True} | changes)


def a_node(**changes: Any) -> MenuNode:
    """1 confirms, 2 cancels, 9 opts out, 0 leads to an agent, 5 to the other node, * says it once more."""
    keys = {
        "1": Choice(action=MenuAction.END, result="confirmed", sound="thanks"),
        "2": Choice(action=MenuAction.END, result="cancelled"),
        "9": Choice(action=MenuAction.OPT_OUT, sound="goodbye"),
        "0": Choice(action=MenuAction.QUEUE, result="wants_agent", sound="please-wait"),
        "5": Choice(action=MenuAction.GOTO, goto="more"),
        "*": Choice(action=MenuAction.REPEAT),
    }
    return replace(
        MenuNode(prompt="press-1-to-confirm-2-to-cancel", choices=keys, invalid_sound="wrong-key"), **changes
    )


def a_menu(**changes: Any) -> VoiceMenu:
    back = {"5": Choice(action=MenuAction.GOTO, goto="start"), "*": Choice(action=MenuAction.REPEAT)}
    to_agent = Choice(action=MenuAction.QUEUE)
    more = MenuNode(prompt="more", choices=back, tries=2, give_up=to_agent)
    return replace(VoiceMenu(name="booking", nodes={"start": a_node(), "more": more}), **changes)


def an_agent(**changes: Any) -> Agent:
    """An agent who could take a call now."""
    return replace(Agent(interface=ANNA, name="Anna", device=DeviceState.NOT_INUSE, paused=False), **changes)


def a_queue(**changes: Any) -> QueueSnapshot:
    """A queue with one free agent and nobody who waits."""
    plain = QueueSnapshot(name="sales", known=True, callers_waiting=0, agents=(an_agent(),))
    return replace(plain, **changes)


def a_situation(**changes: Any) -> Situation:
    """A moment in which one more call may start."""
    plain = Situation(
        running=True,
        opens_in=0.0,
        owns_lease=True,
        asterisk_up=True,
        trunk_wait=0.0,
        queue_bound=True,
        queue_known=True,
        callers_waiting=0,
        agent_there=True,
        halted=False,
        in_flight=0,
        concurrency=10,
        pace_wait=0.0,
    )
    return replace(plain, **changes)
