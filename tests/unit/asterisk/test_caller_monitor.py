"""Which agents a lead who calls back rings and talks to, as Asterisk and our dialplan tell it."""

import pytest

from dialerd.asterisk.caller_monitor import CallerMonitor
from dialerd.domain.callers import Caller
from dialerd.domain.offers import CallStage
from tests.factories import ANNA, BEN

CALLER, AGENTS_LEG = "1795316696.202", "1795316699.205"
LEAD = 17


class Asterisk:
    """Speaks to a monitor as Asterisk does; `told` is what has been told of the call, in order."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.leads: set[int] = set()
        self.monitor = CallerMonitor(on_change=self._hear)

    def _hear(self, caller: Caller) -> None:
        assert caller.channel == CALLER
        self.leads.add(caller.lead_id)
        self.told.append({agent: str(stage) for agent, stage in caller.agents.items()})

    def says(self, name: str, channel: str = CALLER, **headers: str) -> None:
        self.monitor.feed(name, {"Uniqueid": channel, **headers})

    def our_dialplan_says(self, event: str, channel: str = CALLER, **headers: str) -> None:
        self.says("UserEvent", channel, UserEvent=event, **headers)


@pytest.fixture
def asterisk() -> Asterisk:
    """A lead calls, and is recognized."""
    asterisk = Asterisk()
    asterisk.our_dialplan_says("DialerdCaller", Lead=str(LEAD))
    return asterisk


def test_a_queue_rings_its_agents_until_one_talks_and_the_talk_is_over(asterisk: Asterisk) -> None:
    asterisk.says("AgentCalled", Interface=ANNA, Queue="care")
    asterisk.says("AgentCalled", Interface=BEN, Queue="care")
    asterisk.says("AgentRingNoAnswer", Interface=ANNA, Queue="care")
    asterisk.says("AgentConnect", Interface=BEN, Queue="care")
    asterisk.says("AgentComplete", Interface=BEN, Queue="care")
    asterisk.says("Hangup")
    ringing, talking = CallStage.RINGING, CallStage.TALKING
    assert asterisk.told == [{ANNA: ringing}, {ANNA: ringing, BEN: ringing}, {BEN: ringing}, {BEN: talking}, {}]
    assert asterisk.leads == {LEAD}


def test_the_agent_of_the_last_talk_is_rung_by_our_dialplan_and_says_so_on_the_own_channel(asterisk: Asterisk) -> None:
    asterisk.our_dialplan_says("DialerdCallerRings", Agent=ANNA)
    asterisk.our_dialplan_says("DialerdCallerTalks", AGENTS_LEG, Caller=CALLER, Agent=ANNA)
    asterisk.says("Hangup", AGENTS_LEG)
    asterisk.says("Hangup")
    assert asterisk.told == [{ANNA: "ringing"}, {ANNA: "talking"}, {}]


def test_who_does_not_answer_our_dialplan_has_nothing_to_do_with_the_call_any_more(asterisk: Asterisk) -> None:
    asterisk.our_dialplan_says("DialerdCallerRings", Agent=ANNA)
    asterisk.our_dialplan_says("DialerdCallerRings")
    asterisk.says("AgentCalled", Interface=BEN, Queue="care")
    assert asterisk.told == [{ANNA: "ringing"}, {}, {BEN: "ringing"}]


def test_who_hangs_up_while_a_phone_rings_rings_it_no_more(asterisk: Asterisk) -> None:
    asterisk.says("AgentCalled", Interface=ANNA, Queue="care")
    asterisk.says("Hangup")
    assert asterisk.told == [{ANNA: "ringing"}, {}]


def test_after_its_end_a_call_is_nobodys_any_more(asterisk: Asterisk) -> None:
    asterisk.says("Hangup")
    asterisk.says("AgentCalled", Interface=ANNA, Queue="care")
    asterisk.our_dialplan_says("DialerdCallerTalks", AGENTS_LEG, Caller=CALLER, Agent=ANNA)
    assert asterisk.told == []


def test_of_a_stranger_who_calls_a_queue_nothing_is_told() -> None:
    asterisk = Asterisk()
    for event in ("AgentCalled", "AgentConnect", "AgentComplete", "Hangup"):
        asterisk.says(event, Interface=ANNA, Queue="care")
    assert asterisk.told == []


def test_what_is_said_twice_is_told_once(asterisk: Asterisk) -> None:
    asterisk.our_dialplan_says("DialerdCaller", Lead="99")
    for _ in range(2):
        asterisk.says("AgentCalled", Interface=ANNA, Queue="care")
    assert (asterisk.told, asterisk.leads) == ([{ANNA: "ringing"}], {LEAD})


def test_once_the_link_is_lost_nothing_is_known_of_a_call_that_goes_on(asterisk: Asterisk) -> None:
    asterisk.says("AgentConnect", Interface=ANNA, Queue="care")
    asterisk.monitor.forget()
    asterisk.says("AgentComplete", Interface=ANNA, Queue="care")
    assert asterisk.told == [{ANNA: "talking"}, {}]


@pytest.mark.parametrize("lead", ["", "x", "-1", "1" * 19, "٣"])
def test_a_lead_that_is_no_lead_is_not_heard(lead: str) -> None:
    asterisk = Asterisk()
    asterisk.our_dialplan_says("DialerdCaller", Lead=lead)
    asterisk.says("AgentCalled", Interface=ANNA)
    assert asterisk.told == []


@pytest.mark.parametrize("agent", ["", "anna, the second", "PJSIP/1001\n"])
def test_a_phone_that_is_no_phone_is_not_told(asterisk: Asterisk, agent: str) -> None:
    asterisk.says("AgentCalled", Interface=agent)
    asterisk.says("AgentConnect", Interface=agent)
    asterisk.our_dialplan_says("DialerdCallerRings", Agent=agent)
    asterisk.our_dialplan_says("DialerdCallerTalks", AGENTS_LEG, Caller=CALLER, Agent=agent)
    assert asterisk.told == []
