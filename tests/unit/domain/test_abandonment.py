"""The abandonment ledger: who counts, in which period, and that no choice of who picks up can break the cap."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dialerd.domain.abandonment import (
    AbandonmentRule,
    Counted,
    Ledger,
    Period,
    count,
    has_credit,
    is_latched,
    may_be_abandoned,
    period_around,
    period_of,
    period_start,
)
from dialerd.domain.calls import AnsweredBy, AttemptState, Call, CallFlow
from dialerd.domain.outcomes import Outcome
from dialerd.domain.timezones import in_zone
from tests.factories import NOON, a_call, an_answered_call, later

LIMIT_S = 2.0
LIMIT = AbandonmentRule(cap=0.03, limit=timedelta(seconds=LIMIT_S), period=Period.DAY)
SLA_S = 3.0
"""The customer wait SLA of the calls that the factories make: longer than the limit."""

IN_TIME, LATE, EARLY, ABANDONED = (
    Counted(in_time=True, abandoned=False),
    Counted(in_time=False, abandoned=False),
    Counted(in_time=False, abandoned=False),
    Counted(in_time=False, abandoned=True),
)


def talked(after_s: float, **changes: Any) -> Call:
    """Answered at noon, with an agent after so many seconds, and over a minute later."""
    end = {"outcome": Outcome.CONNECTED, "connected_at": later(after_s), "ended_at": later(after_s + 60)}
    return an_answered_call(**{"state": AttemptState.ENDED, "waiting_since": NOON} | end | changes)


def left(after_s: float, outcome: Outcome, **changes: Any) -> Call:
    """Answered at noon, and over after so many seconds without an agent."""
    end = {"state": AttemptState.ENDED, "outcome": outcome, "ended_at": later(after_s)}
    return an_answered_call(**{"waiting_since": NOON} | end | changes)


# --- who counts ------------------------------------------------------------------------------------------------------

MENU = {"flow": CallFlow.MENU, "waiting_since": None}
MACHINE = {"answered_by": AnsweredBy.MACHINE}
NOT_SURE = {"answered_by": AnsweredBy.NOT_SURE}
ROWS = [
    ("nobody answered", a_call(state=AttemptState.ENDED, outcome=Outcome.NO_ANSWER, ended_at=NOON), None, None),
    ("an agent came at the limit", talked(LIMIT_S), IN_TIME, IN_TIME),
    ("an agent came after the limit", talked(LIMIT_S + 0.001), ABANDONED, IN_TIME),
    ("an agent came at the customer wait SLA", talked(SLA_S), ABANDONED, IN_TIME),
    ("an agent came after the customer wait SLA", talked(SLA_S + 0.001), ABANDONED, LATE),
    ("an agent came when the lead had waited in the queue", talked(60), ABANDONED, LATE),
    ("an agent was on the line already", talked(0, flow=CallFlow.AGENT_FIRST), IN_TIME, IN_TIME),
    ("no agent came", left(30, Outcome.ABANDONED), ABANDONED, ABANDONED),
    ("the message had begun within the limit", left(1.9, Outcome.ABANDONED), ABANDONED, ABANDONED),
    ("opted out in the message", left(1.9, Outcome.OPTED_OUT), ABANDONED, ABANDONED),
    ("hung up early", left(LIMIT_S, Outcome.HUNG_UP), EARLY, EARLY),
    ("hung up before the customer wait SLA, and after the limit", left(2.5, Outcome.HUNG_UP), ABANDONED, EARLY),
    ("its end was not seen", left(30, Outcome.UNKNOWN), ABANDONED, ABANDONED),
    ("its end was not seen, and it was taken up as answered", left(30, Outcome.UNKNOWN, waiting_since=None), ABANDONED, ABANDONED),
    ("a machine was hung up on", left(3, Outcome.VOICEMAIL, drop_machine=True, **MACHINE), None, None),
    ("a machine was hung up on, and that was not seen", left(3, Outcome.UNKNOWN, drop_machine=True, **MACHINE), None, None),
    ("what is thought a machine had an agent in time", talked(1, **MACHINE), None, None),
    ("what is thought a machine had an agent after the limit", talked(2.5, **MACHINE), ABANDONED, None),
    ("what is thought a machine had no agent", left(30, Outcome.ABANDONED, **MACHINE), ABANDONED, ABANDONED),
    ("what may be a machine had an agent in time", talked(1, **NOT_SURE), IN_TIME, IN_TIME),
    ("a choice in the voice menu", left(20, Outcome.MENU_CHOICE, **MENU), None, None),
    ("left the voice menu", left(20, Outcome.MENU_LEFT, **MENU), None, None),
    ("opted out in the voice menu", left(20, Outcome.OPTED_OUT, **MENU), None, None),
    ("chose an agent, who came in time", talked(21, flow=CallFlow.MENU, waiting_since=later(20)), IN_TIME, IN_TIME),
    ("chose an agent, and none came", left(60, Outcome.ABANDONED, flow=CallFlow.MENU, waiting_since=later(20)), ABANDONED, ABANDONED),
]  # fmt: skip


@pytest.mark.parametrize(("call", "with_rule", "without"), [pytest.param(*row, id=says) for says, *row in ROWS])
def test_what_an_ended_call_adds_to_the_ledger(call: Call, with_rule: Counted | None, without: Counted | None) -> None:
    assert (count(call, LIMIT), count(call, None)) == (with_rule, without)


moments = st.floats(min_value=0, max_value=10).map(lambda seconds: round(seconds, 1))


@given(moments, moments, moments, st.sampled_from(AnsweredBy), st.booleans(), st.sampled_from([LIMIT, None]))
def test_a_call_that_is_no_longer_in_danger_is_never_counted_as_abandoned(
    connects: float, stays: float, asked: float, heard: AnsweredBy, drops: bool, rule: AbandonmentRule | None
) -> None:
    """At each moment of a call, for whatever comes of it later."""
    ended = talked(connects, ended_at=later(connects + stays), answered_by=heard, drop_machine=drops)
    talking = {"state": AttemptState.CONNECTED, "connected_at": ended.connected_at}
    now = an_answered_call(waiting_since=NOON, answered_by=heard, drop_machine=drops)
    if asked >= connects:
        now = an_answered_call(waiting_since=NOON, answered_by=heard, drop_machine=drops, **talking)
    counted = count(ended, rule)
    if not may_be_abandoned(now, rule):
        assert counted is None or not counted.abandoned


@pytest.mark.parametrize("rule", [LIMIT, None])
def test_a_call_is_in_danger_until_an_agent_comes_in_time(rule: AbandonmentRule | None) -> None:
    assert may_be_abandoned(a_call(), rule)
    assert may_be_abandoned(an_answered_call(), rule)
    assert may_be_abandoned(a_call(flow=CallFlow.MENU, state=AttemptState.MENU, answered_at=NOON), rule)
    assert not may_be_abandoned(an_answered_call(state=AttemptState.CONNECTED, connected_at=later(LIMIT_S)), rule)
    late = an_answered_call(state=AttemptState.CONNECTED, connected_at=later(LIMIT_S + 1))
    assert may_be_abandoned(late, rule) is (rule is not None)


def test_the_rate_is_that_of_the_answered_calls_and_zero_before_the_first() -> None:
    assert Ledger().rate == 0
    assert Ledger(answered=200, abandoned=6).rate == 0.03


# --- over which time --------------------------------------------------------------------------------------------------

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Beirut",
    "America/Santiago",
    "America/Havana",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
]
"""With changes of the clocks in the small hours, at midnight, and by half an hour."""
instants = st.datetimes(datetime(2015, 1, 1), datetime(2036, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
STEP = timedelta(minutes=15)


def of(period: Period, now: datetime, zone: str = "UTC", first_start: datetime = NOON) -> tuple[datetime, datetime]:
    chosen: dict[str, Any] = {"first_start": first_start, "now": now, "zone": zone}
    began, until = period_around(period, **chosen)
    assert period_start(period, **chosen) == began
    return began, until


def day_of(moment: datetime, zone: str) -> date:
    return in_zone(moment, zone).date()


def whole_quarter(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


@given(instants, st.sampled_from(ZONES))
@settings(max_examples=150)
def test_a_day_is_all_the_time_for_which_the_accounts_clocks_show_its_date(now: datetime, zone: str) -> None:
    """Looked for quarter of an hour by quarter of an hour, in both directions, also where clocks change."""
    start = whole_quarter(now)
    while day_of(start - STEP, zone) == day_of(now, zone):
        start -= STEP
    end = whole_quarter(now)
    while day_of(end, zone) == day_of(now, zone):
        end += STEP
    assert of(Period.DAY, now, zone) == (start, end)


@given(instants, st.sampled_from(ZONES))
@settings(max_examples=150)
def test_a_month_begins_with_the_day_that_is_its_first(now: datetime, zone: str) -> None:
    start, end = of(Period.MONTH, now, zone)
    shown = in_zone(now, zone)
    assert start <= now < end
    assert day_of(start, zone) == shown.date().replace(day=1)
    assert day_of(end, zone).day == 1
    assert day_of(end - timedelta(microseconds=1), zone).month == shown.month
    assert day_of(start - timedelta(microseconds=1), zone) < shown.date().replace(day=1)


@given(instants, st.timedeltas(timedelta(0), timedelta(days=1000)), st.sampled_from(ZONES))
def test_blocks_are_30_times_24_hours_from_the_first_start_whatever_the_clocks_do(
    first_start: datetime, since: timedelta, zone: str
) -> None:
    start = first_start
    while start + timedelta(days=30) <= first_start + since:
        start += timedelta(days=30)
    assert of(Period.BLOCK_30_DAYS, first_start + since, zone, first_start) == (start, start + timedelta(days=30))


@pytest.mark.parametrize("period", Period)
@given(instants, instants, st.sampled_from(ZONES))
def test_one_period_ends_where_the_next_begins(period: Period, now: datetime, first: datetime, zone: str) -> None:
    start, end = of(period, now, zone, first)
    assert start <= now < end
    assert of(period, start, zone, first) == (start, end)
    assert of(period, end - timedelta(microseconds=1), zone, first) == (start, end)
    assert of(period, end, zone, first)[0] == end


@pytest.mark.parametrize(
    ("period", "now", "zone", "start", "end"),
    [
        (Period.DAY, "2026-03-29T10:00+02:00", "Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        (Period.DAY, "2026-10-25T10:00+01:00", "Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        # Beirut's clocks go from 23:59:59 to 1:00:00: the day begins at one o'clock.
        (Period.DAY, "2026-03-29T10:00+03:00", "Asia/Beirut", "2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"),
        # Havana's go from 0:59:59 back to 0:00:00: the day begins at the first of two midnights.
        (Period.DAY, "2023-11-05T10:00-05:00", "America/Havana", "2023-11-05T00:00-04:00", "2023-11-06T00:00-05:00"),
        (Period.MONTH, "2026-03-31T23:00+02:00", "Europe/Berlin", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        (
            Period.MONTH,
            "2026-12-31T23:59-05:00",
            "America/New_York",
            "2026-12-01T00:00-05:00",
            "2027-01-01T00:00-05:00",
        ),
        (Period.MONTH, "2028-02-29T12:00+00:00", "UTC", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
    ],
)
def test_days_and_months_are_those_of_the_accounts_calendar(
    period: Period, now: str, zone: str, start: str, end: str
) -> None:
    expected = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert of(period, datetime.fromisoformat(now), zone) == expected


def test_without_a_rule_the_rate_is_that_of_the_day() -> None:
    assert period_of(None) is Period.DAY
    assert period_of(AbandonmentRule(cap=0.05, limit=timedelta(seconds=2), period=Period.MONTH)) is Period.MONTH


# --- the latch --------------------------------------------------------------------------------------------------------


def latches(*ledgers: tuple[int, int], cap: float = 0.03) -> list[bool]:
    """Whether it holds after each of them: (abandoned, answered)."""
    held, found = False, []
    for abandoned, answered in ledgers:
        held = is_latched(Ledger(answered=answered, abandoned=abandoned), cap, was=held)
        found.append(held)
    return found


def test_the_latch_holds_from_the_cap_until_the_rate_is_well_below_it() -> None:
    assert latches((29, 1000), (30, 1000), (29, 1000), (21, 1000), (20, 1000), (19, 1000), (29, 1000)) == [
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_the_latch_does_not_flutter_while_each_call_moves_the_rate_across_the_cap() -> None:
    around_the_cap = [(3 + turn % 2, 100 + 17 * (turn % 2)) for turn in range(20)]
    assert latches(*around_the_cap) == [True] * 20


def test_one_abandoned_call_among_the_first_latches_and_a_new_period_lets_go() -> None:
    assert latches((0, 0), (0, 5), (1, 6), (0, 0), (0, 1)) == [False, False, True, False, False]


# --- the credit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "abandoned", "in_flight", "agents", "allowed"),
    [
        (0, 0, 0, 1, True),  # an agent of its own
        (0, 0, 1, 1, False),  # a new period has no credit
        (100, 3, 1, 1, False),  # it is used up
        (100, 3, 0, 1, True),
        (32, 0, 0, 0, False),  # 1 of 33 answered would be above 3 %
        (33, 0, 0, 0, True),  # 1 of 34 is not
        (32, 0, 1, 1, True),  # the call before it, which has its agent, will have been answered as well
        (66, 1, 0, 0, True),
        (66, 1, 1, 0, False),
        (10, 9, 4, 5, True),  # far above the cap: still one for each agent
    ],
)
def test_a_call_without_an_agent_of_its_own_needs_credit(
    answered: int, abandoned: int, in_flight: int, agents: int, allowed: bool
) -> None:
    ledger = Ledger(answered=answered, abandoned=abandoned)
    assert has_credit(ledger, 0.03, in_flight=in_flight, agents=agents) is allowed


counts = st.integers(0, 300)
caps = st.sampled_from([0.01, 0.03, 0.05, 0.29, 1.0])


@given(counts, counts, caps, st.integers(0, 40), st.integers(0, 20))
def test_credit_is_given_exactly_if_no_number_of_answers_breaks_the_cap(
    answered: int, abandoned: int, cap: float, in_flight: int, agents: int
) -> None:
    """Of a ledger that keeps its cap, tried out for every number of those who may pick up."""
    abandoned = min(abandoned, int(cap * answered))
    ledger = Ledger(answered=answered, abandoned=abandoned)
    kept = all(
        abandoned + max(0, picked_up - agents) <= cap * (answered + picked_up) + 1e-9
        for picked_up in range(in_flight + 2)
    )
    assert has_credit(ledger, cap, in_flight=in_flight, agents=agents) is kept


class Adversary(RuleBasedStateMachine):
    """A campaign that dials as often as it has credit, against somebody who chooses which calls are answered, in which order, how
    long talks last, and which agents are lost.

    The ledger is entered from calls that have ended, as the store does; `in_flight` are all the others that are in danger.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.free, self.lost, self.to_lose, self.now = 0, 0, 0, 0.0
        self.ringing: list[Call] = []
        self.waiting: list[Call] = []
        self.talking: list[Call] = []

    @initialize(
        agents=st.integers(0, 5),
        to_lose=st.integers(0, 2),
        cap=st.sampled_from([0.03, 0.05, 0.25]),
        history=st.integers(0, 60),
    )
    def begin(self, agents: int, to_lose: int, cap: float, history: int) -> None:
        """With calls behind it that were all served. Mostly with few agents who may be lost: each makes the bound looser."""
        self.free, self.to_lose, self.cap = agents, to_lose, cap
        self.ledger = Ledger(answered=history, in_time=history)

    @property
    def calls(self) -> list[Call]:
        return [*self.ringing, *self.waiting, *self.talking]

    @rule(times=st.integers(1, 5))
    def dial(self, times: int) -> None:
        for _ in range(times):
            in_danger = sum(may_be_abandoned(call, LIMIT) for call in self.calls)
            if has_credit(self.ledger, self.cap, in_flight=in_danger, agents=self.free):
                self.ringing.append(a_call(state=AttemptState.RINGING))

    @precondition(lambda self: self.ringing)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        call = self.one_of(data, self.ringing)
        answered = an_answered_call(id=call.id, answered_at=later(self.now), waiting_since=later(self.now))
        if self.free:
            self.free -= 1
            self.talk(answered)
        else:
            self.waiting.append(answered)

    @precondition(lambda self: self.ringing)
    @rule(data=st.data())
    def ring_out(self, data: st.DataObject) -> None:
        self.one_of(data, self.ringing)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), early=st.booleans())
    def give_up_waiting(self, data: st.DataObject, early: bool) -> None:
        """Before the limit, or with the message."""
        call = self.one_of(data, self.waiting)
        outcome = Outcome.HUNG_UP if early else Outcome.ABANDONED
        self.enter(left_at(call, outcome, self.now))

    @precondition(lambda self: self.waiting and self.free and self.lost < self.to_lose)
    @rule(data=st.data())
    def serve_late(self, data: st.DataObject) -> None:
        """Who has waited for too long gets an agent whom the calls on their way were to have: one agent is lost to them."""
        call = self.one_of(data, self.waiting)
        self.now += LIMIT_S + 1
        self.free -= 1
        self.lost += 1
        self.talk(call)

    @precondition(lambda self: self.talking)
    @rule(data=st.data())
    def end_talk(self, data: st.DataObject) -> None:
        call = self.one_of(data, self.talking)
        self.free += 1
        self.now += 1
        self.enter(left_at(call, Outcome.CONNECTED, self.now))

    @precondition(lambda self: self.free + len(self.talking) < 8)
    @rule()
    def log_in(self) -> None:
        self.free += 1

    @precondition(lambda self: self.free and self.lost < self.to_lose)
    @rule()
    def lose_agent(self) -> None:
        self.free -= 1
        self.lost += 1

    @invariant()
    def the_cap_holds_but_for_the_agents_that_were_lost(self) -> None:
        """Those who talk have been answered, though the ledger will only know it at the end; those who wait are abandoned."""
        late = sum(may_be_abandoned(call, LIMIT) for call in self.talking)
        abandoned = self.ledger.abandoned + len(self.waiting) + late
        answered = self.ledger.answered + len(self.waiting) + len(self.talking)
        assert abandoned <= self.cap * answered + self.lost + 1e-9

    def talk(self, call: Call) -> None:
        talks = {"state": AttemptState.CONNECTED, "connected_at": later(self.now)}
        self.talking.append(
            an_answered_call(id=call.id, answered_at=call.answered_at, waiting_since=call.waiting_since, **talks)
        )

    def enter(self, call: Call) -> None:
        counted = count(call, LIMIT)
        assert counted is not None
        known = self.ledger
        self.ledger = Ledger(
            answered=known.answered + 1,
            in_time=known.in_time + counted.in_time,
            abandoned=known.abandoned + counted.abandoned,
        )

    @staticmethod
    def one_of(data: st.DataObject, calls: list[Call]) -> Call:
        return calls.pop(data.draw(st.integers(0, len(calls) - 1)))


def left_at(call: Call, outcome: Outcome, now: float) -> Call:
    changes = {"state": AttemptState.ENDED, "outcome": outcome, "ended_at": later(now)}
    kept = {"answered_at": call.answered_at, "waiting_since": call.waiting_since, "connected_at": call.connected_at}
    return an_answered_call(id=call.id, **kept, **changes)


TestAdversary = Adversary.TestCase
TestAdversary.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
