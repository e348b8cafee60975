"""Law L5 (pace) and law L4 (inbound first)."""

from itertools import product
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.pacing import HOLD_SENTENCES, JITTER_S, OF_THE_NODE, Gcra, HoldReason, decide, starting, verdicts
from tests.factories import a_situation

ROUNDING = 1e-6

rates = st.sampled_from([0.5, 1.0, 5.0, 20.0]) | st.floats(min_value=0.1, max_value=20)
pauses = st.one_of(st.sampled_from([0.0, 0.05, 0.2, 1.0]), st.floats(min_value=0, max_value=600))


class Dialer:
    """Dials whenever it is allowed to: the greediest user of the limiter that there can be."""

    def __init__(self, calls_per_second: float, now: float = 1000.0) -> None:
        self.now = now
        self.pace = starting(calls_per_second, now)
        self.calls: list[tuple[float, float]] = []
        """When each call started, and the interval that was in force then."""

    def look(self) -> None:
        while self.pace.wait(self.now) == 0:
            self.calls.append((self.now, self.pace.interval))
            self.pace = self.pace.spend(self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.look()

    def change_rate(self, calls_per_second: float) -> None:
        self.pace = self.pace.at_rate(calls_per_second, self.now)
        self.look()

    def resume(self) -> None:
        self.pace = starting(self.pace.calls_per_second, self.now)
        self.look()

    @property
    def starts(self) -> list[float]:
        return [at for at, _ in self.calls]


@given(rates, st.lists(pauses, max_size=60))
def test_no_window_holds_more_calls_than_the_rate_allows_whatever_the_lulls(rate: float, lulls: list[float]) -> None:
    dialer = Dialer(rate)
    for lull in lulls:
        dialer.pass_time(lull)
    for first, begin in enumerate(dialer.starts):
        for last, end in enumerate(dialer.starts[first:], start=first):
            allowed = floor((end - begin + JITTER_S) * rate + ROUNDING) + 1
            assert last - first + 1 <= allowed


moves = st.one_of(
    st.tuples(st.just("pass_time"), pauses),
    st.tuples(st.just("change_rate"), rates),
    st.tuples(st.just("resume")),
)


@given(rates, st.lists(moves, max_size=60))
def test_between_any_two_calls_lies_the_interval_of_every_call_after_the_first(
    rate: float, script: list[tuple[str, float]]
) -> None:
    """The same law where the rate changes: each call keeps the interval that was in force when it started."""
    dialer = Dialer(rate)
    for move, *arguments in script:
        getattr(dialer, move)(*arguments)
    for first, (begin, _) in enumerate(dialer.calls):
        needed = 0.0
        for end, interval in dialer.calls[first + 1 :]:
            needed += interval
            assert needed <= end - begin + JITTER_S + ROUNDING


@given(rates, st.floats(min_value=0, max_value=86_400))
def test_after_a_lull_only_one_call_starts_at_once(rate: float, lull: float) -> None:
    dialer = Dialer(rate)
    dialer.pass_time(lull)
    assert len(dialer.calls) <= 1


@pytest.mark.parametrize("rate", [0.5, 1, 3, 7, 20])
def test_a_dialer_whose_timer_is_a_little_late_every_time_still_reaches_the_set_rate(rate: float) -> None:
    dialer = Dialer(rate)
    for _ in range(6000):
        dialer.pass_time(0.010)
    assert len(dialer.calls) == pytest.approx(60 * rate, abs=1)


def test_the_first_call_after_start_or_resume_waits_one_interval() -> None:
    assert starting(4, now=100.0).wait(100.0) == pytest.approx(0.25)


def test_a_higher_rate_is_in_force_on_the_next_call() -> None:
    slow = Gcra(calls_per_second=0.1, next_at=100.0).spend(100.0)
    assert slow.wait(100.5) == pytest.approx(9.5)
    assert slow.at_rate(2, 100.5).wait(100.5) == 0


def test_a_lower_rate_is_in_force_on_the_next_call() -> None:
    fast = Gcra(calls_per_second=20, next_at=100.0).spend(100.0)
    assert fast.at_rate(1, 100.01).wait(100.01) == pytest.approx(0.99)


def test_turning_the_rate_up_and_down_again_earns_no_call() -> None:
    slow = Gcra(calls_per_second=1, next_at=100.0).spend(100.0)
    fiddled = slow.at_rate(20, 100.1).at_rate(1, 100.11)
    assert fiddled.wait(100.11) == pytest.approx(slow.wait(100.11))


def test_the_same_rate_changes_nothing() -> None:
    pace = Gcra(calls_per_second=3, next_at=100.0).spend(100.0)
    assert pace.at_rate(3, 500.0) is pace


# --- whether one more call may start ---------------------------------------------------------------------------------


def test_a_call_starts_when_every_rule_admits_it() -> None:
    assert decide(a_situation()) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"running": False}, HoldReason.NOT_RUNNING),
        ({"opens_in": 0.001}, HoldReason.OUTSIDE_SCHEDULE),
        ({"opens_in": None}, HoldReason.OUTSIDE_SCHEDULE),
        ({"owns_lease": False}, HoldReason.NO_LEASE),
        ({"asterisk_up": False}, HoldReason.ASTERISK_DOWN),
        ({"node_holds": {HoldReason.FILES_SHORT}}, HoldReason.FILES_SHORT),
        ({"node_holds": {HoldReason.CLOCKS_DIFFER}}, HoldReason.CLOCKS_DIFFER),
        ({"node_holds": {HoldReason.SPOOL_BROKEN}}, HoldReason.SPOOL_BROKEN),
        ({"node_holds": {HoldReason.CALLS_LOST}}, HoldReason.CALLS_LOST),
        ({"node_holds": {HoldReason.NAME_LOST}}, HoldReason.NAME_LOST),
        ({"trunk_wait": 5.0}, HoldReason.TRUNK_FAILING),
        ({"pace_wait": 0.1, "trunk_slowed": True}, HoldReason.TRUNK_SLOWED),
        ({"queue_known": False}, HoldReason.QUEUE_UNKNOWN),
        ({"callers_waiting": 1}, HoldReason.CALLER_WAITING),
        ({"agent_there": False}, HoldReason.NO_FREE_AGENT),
        ({"halted": True}, HoldReason.ABANDONMENT),
        ({"in_flight": 10}, HoldReason.CONCURRENCY),
        ({"pace_wait": 0.2}, HoldReason.PACE),
    ],
)
def test_each_rule_holds_by_itself_and_says_so(change: dict[str, object], reason: HoldReason) -> None:
    hold = decide(a_situation(**change))
    assert hold is not None
    assert hold.reason is reason


@pytest.mark.parametrize("change", [{"pace_wait": 0.2}, {"opens_in": 0.2}, {"trunk_wait": 0.2}])
def test_the_pace_the_schedule_and_the_pause_of_a_trunk_let_go_by_time_alone(change: dict[str, float]) -> None:
    hold = decide(a_situation(**change))
    assert hold is not None
    assert hold.retry_in == pytest.approx(0.2)


@pytest.mark.parametrize("change", [{"agent_there": False}, {"callers_waiting": 1}, {"in_flight": 10}])
def test_what_waits_for_people_does_not(change: dict[str, object]) -> None:
    hold = decide(a_situation(**change))
    assert hold is not None
    assert hold.retry_in is None


def test_who_pauses_for_abandonment_looks_again_when_the_rate_begins_anew() -> None:
    hold = decide(a_situation(halted=True, rate_anew_in=3600.0))
    assert hold is not None
    assert (hold.reason, hold.retry_in) == (HoldReason.ABANDONMENT, 3600.0)
    (verdict,) = [said for said in verdicts(a_situation(rate_anew_in=3600.0)) if said.reason is HoldReason.ABANDONMENT]
    assert (verdict.allows, verdict.retry_in) == (True, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"callers_waiting": 1}, HoldReason.CALLER_WAITING),
        ({"agent_there": False}, HoldReason.NO_FREE_AGENT),
        ({"queue_known": False}, HoldReason.QUEUE_UNKNOWN),
    ],
)
def test_inbound_and_agents_hold_whoever_dials_for_a_queue_and_no_voice_menu_without_agents(
    change: dict[str, object], reason: HoldReason
) -> None:
    """Law L4: "no queue-bound campaign starts a call while a caller waits in the bound queue", whatever its gate."""
    hold = decide(a_situation(queue_bound=True, **change))
    assert hold is not None
    assert hold.reason is reason
    assert decide(a_situation(queue_bound=False, **change)) is None


def test_a_voice_menu_keeps_every_other_rule() -> None:
    menu = {"queue_bound": False, "queue_known": False, "agent_there": False, "callers_waiting": 3}
    for change in ({"running": False}, {"asterisk_up": False}, {"halted": True}, {"in_flight": 10}, {"pace_wait": 1.0}):
        assert decide(a_situation(**menu, **change)) is not None


def test_nor_does_a_schedule_that_never_opens_again() -> None:
    hold = decide(a_situation(opens_in=None))
    assert hold is not None
    assert hold.retry_in is None


SITUATIONS = [
    a_situation(
        running=running,
        opens_in=opens_in,
        owns_lease=owns_lease,
        asterisk_up=asterisk_up,
        trunk_wait=trunk_wait,
        queue_bound=queue_bound,
        queue_known=queue_known,
        callers_waiting=callers,
        agent_there=agent_there,
        halted=halted,
        in_flight=in_flight,
        concurrency=concurrency,
        pace_wait=pace_wait,
    )
    for running, owns_lease, asterisk_up, queue_known, agent_there in product([True, False], repeat=5)
    for queue_bound, halted in product([True, False], repeat=2)
    for callers in [0, 1, 3]
    for in_flight, concurrency in product([0, 1, 2, 5], [1, 2])
    for opens_in, trunk_wait, pace_wait in [
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.1),
        (0.0, 5.0, 0.0),
        (9.0, 0.0, 0.0),
        (None, 5.0, 0.1),
    ]
]


def test_in_no_situation_does_a_call_start_that_a_rule_forbids() -> None:
    started = [situation for situation in SITUATIONS if decide(situation) is None]
    assert started
    for situation in started:
        assert not situation.halted
        assert situation.in_flight < situation.concurrency
        assert situation.pace_wait == 0
        assert situation.running
        assert situation.owns_lease
        assert situation.opens_in == 0
        assert situation.asterisk_up
        assert situation.trunk_wait == 0
    for situation in (one for one in started if one.queue_bound):
        assert situation.callers_waiting == 0
        assert situation.agent_there
        assert situation.queue_known


def test_the_explanation_of_a_situation_says_every_rule_and_the_first_that_refuses_is_the_decision() -> None:
    for situation in SITUATIONS:
        said = list(verdicts(situation))
        assert len({verdict.reason for verdict in said}) == len(said) == 17
        refusals = [verdict.reason for verdict in said if not verdict.allows]
        hold = decide(situation)
        assert refusals[:1] == ([hold.reason] if hold else [])


def test_inbound_and_agents_come_before_our_own_limits_and_outer_causes_before_those() -> None:
    """What is said first is what has to be mended first."""
    order = [verdict.reason for verdict in verdicts(a_situation())]
    assert order == [
        HoldReason.NOT_RUNNING,
        HoldReason.OUTSIDE_SCHEDULE,
        HoldReason.NO_LEASE,
        HoldReason.ASTERISK_DOWN,
        *OF_THE_NODE,
        HoldReason.TRUNK_FAILING,
        HoldReason.QUEUE_UNKNOWN,
        HoldReason.CALLER_WAITING,
        HoldReason.NO_FREE_AGENT,
        HoldReason.ABANDONMENT,
        HoldReason.CONCURRENCY,
        HoldReason.TRUNK_SLOWED,
        HoldReason.PACE,
    ]


def test_whatever_holds_a_campaign_has_a_sentence_for_people() -> None:
    assert set(HOLD_SENTENCES) == set(HoldReason)
    reasons = {hold.reason for hold in map(decide, SITUATIONS) if hold}
    assert reasons <= set(HOLD_SENTENCES)
