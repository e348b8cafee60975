"""Law L4's eyes: who waits in the queues, and which agents are there."""

from collections.abc import Iterable

import pytest

from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.domain.queues import DeviceState
from tests.factories import ANNA, BEN
from tests.fakes.recorded import Headers, recorded

IDLE, IN_USE, RINGS = "1", "2", "6"
CALLER, HUNT = "1795316696.202", "4cddb5ff-aa6f-4535-b430-0662a1c23503"
HUNT_CHANNEL = "Local/sales@dialerd-hunt-00000007;2"


class Asterisk:
    """Speaks to a monitor as Asterisk does."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.monitor = QueueMonitor(now=lambda: self.now)

    def says(self, name: str, queue: str = "sales", **headers: str) -> None:
        self.monitor.feed(name, {"Queue": queue, **headers})

    def ask(self) -> str:
        """QueueStatus is sent; nothing has come back yet."""
        return self.monitor.begin_resync()

    def lists(self, queue: str = "sales", *, agents: Iterable[str] = (), callers: Iterable[str] = ()) -> None:
        self.says("QueueParams", queue)
        for agent in agents:
            self.says("QueueMember", queue, Location=agent, Name=agent, Status=IDLE, Paused="0", Wrapuptime="0")
        for caller in callers:
            self.says("QueueEntry", queue, Uniqueid=caller, Channel="PJSIP/carrier-02")

    def completes(self, question: str) -> None:
        self.monitor.feed("QueueStatusComplete", {"ActionID": question})

    def shows(self, *, agents: Iterable[str] = (ANNA,), callers: Iterable[str] = ()) -> None:
        """The whole state of the one queue there is."""
        question = self.ask()
        self.lists(agents=agents, callers=callers)
        self.completes(question)

    def device(self, state: str, agent: str = ANNA, queue: str = "sales", *, paused: str = "0") -> None:
        self.says("QueueMemberStatus", queue, Interface=agent, MemberName=agent, Status=state, Paused=paused)

    def free(self, queue: str = "sales") -> set[str]:
        return set(self.monitor.snapshot(queue).free_agents(self.now))

    def waiting(self, queue: str = "sales") -> int:
        return self.monitor.snapshot(queue).callers_waiting


@pytest.fixture
def asterisk() -> Asterisk:
    """With one queue, of which all is known: Anna is free and nobody waits."""
    asterisk = Asterisk()
    asterisk.shows()
    return asterisk


# --- agents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", DeviceState)
def test_an_agent_is_free_by_the_state_of_the_phone(asterisk: Asterisk, state: DeviceState) -> None:
    asterisk.device(str(int(state)))
    assert asterisk.free() == ({ANNA} if state is DeviceState.NOT_INUSE else set())


@pytest.mark.parametrize("state", ["99", "", "idle"])
def test_a_phone_in_a_state_that_we_do_not_know_is_not_free(asterisk: Asterisk, state: str) -> None:
    asterisk.device(state)
    assert asterisk.free() == set()


def test_an_agent_who_pauses_is_not_free_until_the_pause_ends(asterisk: Asterisk) -> None:
    asterisk.says("QueueMemberPause", Interface=ANNA, MemberName="Anna", Status=IDLE, Paused="1")
    assert asterisk.free() == set()
    asterisk.says("QueueMemberPause", Interface=ANNA, MemberName="Anna", Status=IDLE, Paused="0")
    assert asterisk.free() == {ANNA}


def test_an_agent_of_whom_it_is_not_said_whether_he_pauses_is_not_free(asterisk: Asterisk) -> None:
    asterisk.says("QueueMemberStatus", Interface=ANNA, Status=IDLE)
    assert asterisk.free() == set()


def test_agents_log_in_and_out(asterisk: Asterisk) -> None:
    asterisk.says("QueueMemberAdded", Interface=BEN, MemberName="Ben", Status=IDLE, Paused="0")
    assert asterisk.free() == {ANNA, BEN}
    asterisk.says("QueueMemberRemoved", Interface=ANNA)
    assert asterisk.free() == {BEN}


@pytest.mark.parametrize(
    ("members_own", "campaigns", "wrapup"), [("0", 0, 0), ("0", 30, 30), ("10", 0, 10), ("20", 5, 20)]
)
def test_after_a_call_an_agent_wraps_up(asterisk: Asterisk, members_own: str, campaigns: int, wrapup: int) -> None:
    asterisk.monitor.set_wrapup("sales", campaigns)
    asterisk.says("QueueMemberStatus", Interface=ANNA, Status=IN_USE, Paused="0", Wrapuptime=members_own)
    asterisk.says("AgentComplete", Interface=ANNA, Uniqueid=CALLER)
    asterisk.says("QueueMemberStatus", Interface=ANNA, Status=IDLE, Paused="0", Wrapuptime=members_own)
    assert asterisk.free() == (set() if wrapup else {ANNA})
    asterisk.now += wrapup
    assert asterisk.free() == {ANNA}


# --- agents whose phone is being called ------------------------------------------------------------------------------


@pytest.fixture
def two_queues() -> Asterisk:
    """Anna is in both, Ben in one."""
    asterisk = Asterisk()
    question = asterisk.ask()
    asterisk.lists("sales", agents=[ANNA, BEN])
    asterisk.lists("support", agents=[ANNA])
    asterisk.completes(question)
    return asterisk


def test_an_agent_is_taken_from_the_moment_in_which_the_phone_is_called_in_all_queues(two_queues: Asterisk) -> None:
    two_queues.says("AgentCalled", "sales", Interface=ANNA, Uniqueid=HUNT)
    assert (two_queues.free("sales"), two_queues.free("support")) == ({BEN}, set())


def test_a_phone_that_refuses_at_once_never_rings_and_is_free_again(two_queues: Asterisk) -> None:
    two_queues.says("AgentCalled", "sales", Interface=ANNA, Uniqueid=HUNT)
    two_queues.says("AgentRingNoAnswer", "sales", Interface=ANNA, Uniqueid=HUNT)
    assert (two_queues.free("sales"), two_queues.free("support")) == ({ANNA, BEN}, {ANNA})


def test_when_the_caller_gives_up_all_who_were_called_for_him_are_free(two_queues: Asterisk) -> None:
    for agent, caller in ((ANNA, HUNT), (BEN, CALLER)):
        two_queues.says("AgentCalled", "sales", Interface=agent, Uniqueid=caller)
    two_queues.says("QueueCallerAbandon", "sales", Uniqueid=HUNT)
    assert two_queues.free("sales") == {ANNA}


def test_when_one_agent_takes_the_call_the_others_who_were_called_are_free(two_queues: Asterisk) -> None:
    for agent in (ANNA, BEN):
        two_queues.says("AgentCalled", "sales", Interface=agent, Uniqueid=HUNT)
    two_queues.says("AgentConnect", "sales", Interface=ANNA, Uniqueid=HUNT)
    assert (two_queues.free("sales"), two_queues.free("support")) == ({BEN}, set())
    two_queues.says("AgentComplete", "sales", Interface=ANNA, Uniqueid=HUNT)
    assert two_queues.free("support") == {ANNA}


def test_from_the_ringing_on_the_phone_speaks_for_itself(two_queues: Asterisk) -> None:
    two_queues.says("AgentCalled", "sales", Interface=BEN, Uniqueid=HUNT)
    two_queues.device(RINGS, BEN)
    assert two_queues.free("sales") == {ANNA}
    two_queues.device(IDLE, BEN)
    assert two_queues.free("sales") == {ANNA, BEN}


def test_a_list_that_still_calls_the_phone_idle_does_not_free_the_agent(asterisk: Asterisk) -> None:
    asterisk.says("AgentCalled", Interface=ANNA, Uniqueid=HUNT)
    asterisk.shows(agents=[ANNA])
    assert asterisk.free() == set()


def test_but_the_next_one_does_for_then_the_end_of_the_ringing_was_lost(asterisk: Asterisk) -> None:
    asterisk.says("AgentCalled", Interface=ANNA, Uniqueid=HUNT)
    asterisk.shows(agents=[ANNA])
    asterisk.shows(agents=[ANNA])
    assert asterisk.free() == {ANNA}


def test_an_agent_whom_a_call_frees_is_told_of_to_all_of_his_queues(two_queues: Asterisk) -> None:
    two_queues.says("AgentCalled", "sales", Interface=ANNA, Uniqueid=HUNT)
    told: list[str] = []
    two_queues.monitor.watch("support", lambda: told.append("support"))
    two_queues.says("AgentRingNoAnswer", "sales", Interface=ANNA, Uniqueid=HUNT)
    assert told == ["support"]


# --- callers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("goes", ["QueueCallerLeave", "QueueCallerAbandon"])
def test_callers_come_and_go(asterisk: Asterisk, goes: str) -> None:
    asterisk.says("QueueCallerJoin", Uniqueid=CALLER, Channel="PJSIP/carrier-02")
    asterisk.says("QueueCallerJoin", Uniqueid="1795316696.203", Channel="PJSIP/carrier-03")
    assert asterisk.waiting() == 2
    asterisk.says(goes, Uniqueid=CALLER)
    asterisk.says(goes, Uniqueid=CALLER)
    assert asterisk.waiting() == 1


@pytest.mark.parametrize("event", ["QueueCallerJoin", "QueueEntry"])
def test_a_hunt_of_ours_is_nobody_who_waits(asterisk: Asterisk, event: str) -> None:
    asterisk.says(event, Uniqueid=HUNT, Channel=HUNT_CHANNEL)
    assert asterisk.waiting() == 0


def test_somebody_elses_local_channel_is_a_caller(asterisk: Asterisk) -> None:
    asterisk.says("QueueCallerJoin", Uniqueid=CALLER, Channel="Local/sales@ivr-00000007;2")
    assert asterisk.waiting() == 1


# --- putting it right ------------------------------------------------------------------------------------------------


def test_before_the_first_complete_answer_no_queue_is_known() -> None:
    asterisk = Asterisk()
    question = asterisk.ask()
    asterisk.lists(agents=[ANNA])
    assert not asterisk.monitor.snapshot("sales").known
    asterisk.completes(question)
    assert asterisk.monitor.snapshot("sales").known


def test_a_queue_that_asterisk_does_not_have_is_unknown(asterisk: Asterisk) -> None:
    assert not asterisk.monitor.snapshot("support").known
    asterisk.says("QueueMemberAdded", "support", Interface=ANNA, Status=IDLE, Paused="0")
    assert not asterisk.monitor.snapshot("support").known


def test_a_queue_that_is_gone_from_asterisk_becomes_unknown(two_queues: Asterisk) -> None:
    two_queues.shows()
    assert two_queues.monitor.snapshot("sales").known
    assert not two_queues.monitor.snapshot("support").known


def test_events_that_were_lost_are_made_good(asterisk: Asterisk) -> None:
    asterisk.says("QueueCallerJoin", Uniqueid=CALLER, Channel="PJSIP/carrier-02")
    asterisk.shows(agents=[BEN], callers=["1795316696.203", "1795316696.204"])
    assert (asterisk.free(), asterisk.waiting()) == ({BEN}, 2)


def test_what_happens_between_the_list_and_its_end_is_kept(asterisk: Asterisk) -> None:
    question = asterisk.ask()
    asterisk.lists(agents=[ANNA], callers=[CALLER])
    asterisk.says("QueueCallerLeave", Uniqueid=CALLER)
    asterisk.says("QueueCallerJoin", Uniqueid="1795316696.203", Channel="PJSIP/carrier-03")
    asterisk.says("QueueMemberAdded", Interface=BEN, MemberName="Ben", Status=IDLE, Paused="0")
    asterisk.device(IN_USE)
    asterisk.completes(question)
    assert (asterisk.free(), asterisk.waiting()) == ({BEN}, 1)


def test_a_list_that_was_overtaken_by_the_next_question_sweeps_nothing_away(asterisk: Asterisk) -> None:
    first = asterisk.ask()
    asterisk.lists(agents=[ANNA], callers=[CALLER])
    second = asterisk.ask()
    asterisk.completes(first)
    assert (asterisk.free(), asterisk.waiting()) == ({ANNA}, 1)
    asterisk.lists(agents=[ANNA])
    asterisk.completes(second)
    assert (asterisk.free(), asterisk.waiting()) == ({ANNA}, 0)


def test_the_wrap_up_of_an_agent_outlives_a_list(asterisk: Asterisk) -> None:
    asterisk.monitor.set_wrapup("sales", 30)
    asterisk.says("AgentComplete", Interface=ANNA, Uniqueid=CALLER)
    asterisk.shows(agents=[ANNA])
    assert asterisk.free() == set()


def test_while_the_link_is_gone_nothing_is_known_until_the_next_complete_answer(asterisk: Asterisk) -> None:
    asterisk.monitor.distrust()
    assert not asterisk.monitor.snapshot("sales").known
    asterisk.device(IDLE)
    question = asterisk.ask()
    asterisk.lists(agents=[ANNA])
    assert not asterisk.monitor.snapshot("sales").known
    asterisk.completes(question)
    assert asterisk.free() == {ANNA}


# --- watching --------------------------------------------------------------------------------------------------------


def test_who_watches_a_queue_is_told_of_every_change_of_it_and_of_no_other(two_queues: Asterisk) -> None:
    told: list[str] = []
    two_queues.monitor.watch("sales", lambda: told.append("sales"))
    two_queues.device(IN_USE, ANNA, "support")
    assert told == []
    two_queues.device(IN_USE, ANNA, "sales")
    two_queues.says("QueueCallerJoin", Uniqueid=CALLER, Channel="PJSIP/carrier-02")
    two_queues.monitor.distrust()
    two_queues.shows()
    assert told == ["sales"] * 4


def test_a_list_is_told_of_once_it_is_complete(asterisk: Asterisk) -> None:
    asterisk.monitor.distrust()
    known: list[bool] = []
    asterisk.monitor.watch("sales", lambda: known.append(asterisk.monitor.snapshot("sales").known))
    asterisk.shows(agents=[ANNA, BEN], callers=[CALLER])
    assert known == [True]


def test_who_has_ceased_to_watch_is_told_no_more(asterisk: Asterisk) -> None:
    told: list[str] = []
    cease = asterisk.monitor.watch("sales", lambda: told.append("sales"))
    assert [queue.name for queue in asterisk.monitor.watched()] == ["sales"]
    cease()
    asterisk.device(IN_USE)
    assert told == []
    assert asterisk.monitor.watched() == []


def test_events_that_concern_no_queue_are_ignored(asterisk: Asterisk) -> None:
    asterisk.monitor.feed("Newstate", {"ChannelState": "6"})
    assert asterisk.free() == {ANNA}


# --- as Asterisk told it ---------------------------------------------------------------------------------------------


def replay(name: str) -> list[tuple[str, bool, int]]:
    """After each event that concerns the queue: whether the agent is free, and how many wait."""
    monitor = QueueMonitor(now=lambda: 0.0)
    question = monitor.begin_resync()
    events: list[tuple[str, Headers]] = recorded(name)
    listed = [(event, headers) for event, headers in events if event in ("QueueParams", "QueueMember")]
    for event, headers in [*listed, ("QueueStatusComplete", {"ActionID": question})]:
        monitor.feed(event, headers)
    seen: list[tuple[str, bool, int]] = []
    for event, headers in events:
        monitor.feed(event, headers)
        queue = monitor.snapshot("q1")
        state = (bool(queue.free_agents(0.0)), queue.callers_waiting)
        if not seen or seen[-1][1:] != state:
            seen.append((event, *state))
    return seen


def test_the_strategy_of_each_queue_is_known_while_asterisk_has_it_and_can_be_asked() -> None:
    monitor = QueueMonitor(now=lambda: 0.0)
    question = monitor.begin_resync()
    for event, headers in recorded("busy"):
        monitor.feed(event, headers)
    assert monitor.strategies() == {}  # the list has not ended
    monitor.feed("QueueStatusComplete", {"ActionID": question})
    assert monitor.strategies() == {"q1": "rrmemory"}
    monitor.distrust()
    assert monitor.strategies() == {}


def test_a_recorded_hunt_with_an_agent_who_answers() -> None:
    assert replay("answered-lead-with-hunt-and-bridge") == [
        ("Newchannel", True, 0),
        ("AgentCalled", False, 0),
        ("QueueMemberStatus", True, 0),
    ]


def test_it_is_told_why_an_agent_pauses_and_whether_he_talks_to_a_caller(asterisk: Asterisk) -> None:
    member = {"Interface": ANNA, "MemberName": ANNA, "Status": IN_USE}
    asterisk.says("QueueMemberStatus", **member, Paused="1", PausedReason="lunch", InCall="1")
    [anna] = asterisk.monitor.snapshot("sales").agents
    assert (anna.paused, anna.pause_reason, anna.in_call) == (True, "lunch", True)
    asterisk.says("QueueMemberStatus", **member, Paused="0")
    [anna] = asterisk.monitor.snapshot("sales").agents
    assert (anna.paused, anna.pause_reason, anna.in_call) == (False, "", False)


def test_it_is_told_who_is_a_member_by_asterisks_own_files_and_how_many_calls_an_agent_took(asterisk: Asterisk) -> None:
    member = {"Interface": ANNA, "MemberName": ANNA, "Status": IN_USE}
    for membership, fixed in (("dynamic", False), ("static", True), ("realtime", True)):
        asterisk.says("QueueMemberStatus", **member, Membership=membership, CallsTaken="17")
        [anna] = asterisk.monitor.snapshot("sales").agents
        assert (anna.fixed, anna.calls_taken) == (fixed, 17)


def test_a_recorded_hunt_with_an_agent_who_rejects() -> None:
    """The phone refuses without ringing, twice: Asterisk never tells of any state of its device."""
    assert replay("agent-rejects-then-hunt-runs-out") == [
        ("Newchannel", True, 0),
        ("AgentCalled", False, 0),
        ("AgentRingNoAnswer", True, 0),
        ("AgentCalled", False, 0),
        ("AgentRingNoAnswer", True, 0),
    ]


def test_a_recorded_caller_who_waits_and_leaves() -> None:
    assert replay("caller-joins-and-leaves-queue") == [
        ("Newchannel", True, 0),
        ("QueueCallerJoin", True, 1),
        ("AgentCalled", False, 1),
        ("QueueCallerAbandon", False, 0),
        ("QueueMemberStatus", True, 0),
    ]
