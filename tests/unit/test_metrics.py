import re
from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest

from dialerd import metrics as module
from dialerd.dialer.trunks import Trunks
from dialerd.domain.activity import (
    AbandonmentCounted,
    AgentHeld,
    AgentRinging,
    CallConnected,
    CallEnded,
    CallPlaced,
    CallsRescued,
    CampaignClosed,
    CampaignHeld,
    CardAnswered,
    Fact,
    LeadPassedOver,
    LeadsHeld,
    RecordingLookedAt,
)
from dialerd.domain.calls import AnsweredBy, AttemptState, Call, DialMode
from dialerd.domain.eligibility import Rule
from dialerd.domain.offers import OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.domain.trunk_breaker import LEAST_FAILURES
from dialerd.metrics import MAX_MENU_RESULTS, OTHER, Metrics
from tests.factories import BEN, NOON, a_call, a_connected_call, a_queue, a_ringing_call, an_agent, later

PROGRESSIVE = DialMode.PROGRESSIVE

FACTS: list[Fact] = [
    CallPlaced(campaign_id=1, dial_mode=PROGRESSIVE, decision_s=0.002),
    AgentRinging(campaign_id=1, after_answer_s=0.1),
    CallConnected(campaign_id=1, after_answer_s=1.4),
    CallEnded(campaign_id=1, dial_mode=PROGRESSIVE, outcome=Outcome.BUSY, call=a_call()),
    AgentHeld(campaign_id=1, waited_s=12.5),
    CardAnswered(campaign_id=1, answer=OfferState.ACCEPTED),
    AbandonmentCounted(campaign_id=1, answered=200, in_time=190, abandoned=6, rate=0.03, cap=0.03, latched=True),
    RecordingLookedAt(stored=True),
    LeadPassedOver(campaign_id=1, rule=Rule.DNC),
    LeadsHeld(campaign_id=1, leads={"lead_window": 7, "cooloff": 2}),
    CampaignHeld(campaign_id=1, reason=HoldReason.PACE),
    CampaignClosed(campaign_id=2),
    CallsRescued(adopted=2, lost=1),
]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def value(metrics: Metrics) -> Callable[..., float | None]:
    def of(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"dialerd_{name}", labels)

    return of


Value = Callable[..., float | None]


def test_every_kind_of_fact_is_counted(metrics: Metrics) -> None:
    assert {type(fact) for fact in FACTS} == set(get_args(Fact))
    for fact in FACTS:
        metrics.observe(fact)


def test_calls_are_counted_by_campaign_mode_and_outcome(metrics: Metrics, value: Value) -> None:
    for fact in FACTS:
        metrics.observe(fact)
    assert value("calls_placed_total", campaign="1", dial_mode="progressive") == 1
    assert value("calls_ended_total", campaign="1", dial_mode="progressive", outcome="busy") == 1
    assert value("leads_passed_over_total", campaign="1", rule="dnc") == 1
    assert value("calls_rescued_total", result="adopted") == 2
    assert value("calls_rescued_total", result="lost") == 1
    assert value("answer_to_connected_seconds_sum", campaign="1") == 1.4
    assert value("decision_seconds_count") == 1


def ended(call: Call) -> CallEnded:
    return CallEnded(campaign_id=1, dial_mode=PROGRESSIVE, outcome=Outcome.CONNECTED, call=call)


def test_ring_time_ends_with_the_answer_and_talk_time_begins_with_the_agent(metrics: Metrics, value: Value) -> None:
    call = a_connected_call(ringing_at=NOON, answered_at=later(8), connected_at=later(10), ended_at=later(70))
    metrics.observe(ended(call))
    assert value("ring_seconds_sum", campaign="1") == 8
    assert value("talk_seconds_sum", campaign="1") == 60


def test_a_phone_that_nobody_answers_has_rung_until_the_end(metrics: Metrics, value: Value) -> None:
    metrics.observe(ended(a_ringing_call(ringing_at=NOON, ended_at=later(30))))
    assert value("ring_seconds_sum", campaign="1") == 30
    assert value("talk_seconds_count", campaign="1") is None


def test_a_clock_that_was_set_back_makes_no_negative_time(metrics: Metrics, value: Value) -> None:
    metrics.observe(ended(a_ringing_call(ringing_at=NOON, ended_at=NOON - timedelta(hours=1))))
    assert value("ring_seconds_sum", campaign="1") == 0


def test_cards_are_counted_by_what_agents_made_of_them(metrics: Metrics, value: Value) -> None:
    for answer in (OfferState.ACCEPTED, OfferState.SKIPPED, OfferState.SKIPPED, OfferState.LAPSED):
        metrics.observe(CardAnswered(campaign_id=1, answer=answer))
    counted = [value("cards_answered_total", campaign="1", answer=a) for a in ("accepted", "skipped", "lapsed")]
    assert counted == [1, 2, 1]


def test_how_long_agents_wait_on_the_line_for_leads(metrics: Metrics, value: Value) -> None:
    for waited_s in (12.5, 2.0):
        metrics.observe(AgentHeld(campaign_id=1, waited_s=waited_s))
    assert value("agent_held_seconds_sum", campaign="1") == 14.5
    assert value("agent_held_seconds_count", campaign="1") == 2


def test_what_leads_choose_in_menus_is_counted_with_no_more_series_than_a_campaign_may_have(
    metrics: Metrics, value: Value
) -> None:
    for result in ("confirmed", "confirmed", "cancelled", ""):
        metrics.observe(ended(a_call(menu_result=result)))
    assert value("menu_results_total", campaign="1", result="confirmed") == 2
    assert value("menu_results_total", campaign="1", result="cancelled") == 1
    assert value("menu_results_total", campaign="1", result="") is None
    for number in range(MAX_MENU_RESULTS):
        metrics.observe(ended(a_call(menu_result=f"shirt_{number}")))
    assert value("menu_results_total", campaign="1", result=OTHER) == 2
    metrics.observe(ended(a_call(menu_result="confirmed")))
    assert value("menu_results_total", campaign="1", result="confirmed") == 3


def test_what_the_machine_detection_made_of_answers(metrics: Metrics, value: Value) -> None:
    for heard in (AnsweredBy.MACHINE, AnsweredBy.HUMAN, AnsweredBy.MACHINE, None):
        metrics.observe(ended(a_call(answered_by=heard)))
    counted = [value("answers_heard_total", campaign="1", by=heard) for heard in AnsweredBy]
    assert counted == [1, 2, None]


def test_recordings_are_counted_as_stored_or_missing(metrics: Metrics, value: Value) -> None:
    for stored in (True, True, False):
        metrics.observe(RecordingLookedAt(stored=stored))
    assert value("recordings_total", result="stored") == 2
    assert value("recordings_total", result="missing") == 1


def test_the_abandonment_ledger_is_shown_as_last_read(metrics: Metrics, value: Value) -> None:
    for fact in FACTS:
        metrics.observe(fact)
    shown = [value(f"abandonment_{name}", campaign="1") for name in ("answered", "in_time", "abandoned", "rate")]
    assert shown == [200, 190, 6, 0.03]
    assert (value("abandonment_cap", campaign="1"), value("abandonment_latched", campaign="1")) == (0.03, 1)


def test_a_cap_that_was_taken_away_is_no_cap_of_zero_and_a_new_period_begins_at_zero(
    metrics: Metrics, value: Value
) -> None:
    anew = AbandonmentCounted(campaign_id=1, answered=0, in_time=0, abandoned=0, rate=0.0, cap=None, latched=False)
    for fact in (*FACTS, anew):
        metrics.observe(fact)
    shown = [value(f"abandonment_{name}", campaign="1") for name in ("answered", "abandoned", "rate", "latched", "cap")]
    assert shown == [0, 0, 0, 0, None]


def test_exactly_one_reason_holds_a_campaign(metrics: Metrics, value: Value) -> None:
    def held() -> set[str]:
        return {reason for reason in HoldReason if value("campaign_held", campaign="1", reason=reason)}

    metrics.observe(CampaignHeld(campaign_id=1, reason=HoldReason.CALLER_WAITING))
    metrics.observe(CampaignHeld(campaign_id=1, reason=HoldReason.PACE))
    assert held() == {"pace"}
    assert value("campaign_held", campaign="1", reason="caller_waiting") == 0


def test_do_not_call_blocks_are_counted_apart_from_what_other_rules_forbid(metrics: Metrics, value: Value) -> None:
    for rule in (Rule.DNC, Rule.NUMBER_CAP, Rule.DNC):
        metrics.observe(LeadPassedOver(campaign_id=1, rule=rule))
    assert value("leads_passed_over_total", campaign="1", rule="dnc") == 2
    assert value("leads_passed_over_total", campaign="1", rule="number_cap") == 1


def test_the_leads_that_each_rule_holds_are_those_last_counted_and_a_rule_that_let_go_shows_zero(
    metrics: Metrics, value: Value
) -> None:
    metrics.observe(LeadsHeld(campaign_id=1, leads={"lead_window": 7, "cooloff": 2}))
    metrics.observe(LeadsHeld(campaign_id=1, leads={"cooloff": 5}))
    metrics.observe(LeadsHeld(campaign_id=2, leads={"lead_window": 1}))
    assert value("leads_held", campaign="1", rule="lead_window") == 0
    assert value("leads_held", campaign="1", rule="cooloff") == 5
    assert value("leads_held", campaign="2", rule="lead_window") == 1
    assert value("leads_held", campaign="2", rule="cooloff") is None


def test_a_campaign_that_is_not_run_here_any_more_has_no_reason_but_keeps_its_counts(
    metrics: Metrics, value: Value
) -> None:
    for fact in (*FACTS, CampaignClosed(campaign_id=1)):
        metrics.observe(fact)
    assert value("campaign_held", campaign="1", reason="pace") is None
    assert value("leads_held", campaign="1", rule="lead_window") is None
    assert value("abandonment_rate", campaign="1") is None
    assert value("leads_passed_over_total", campaign="1", rule="dnc") == 1
    assert value("calls_placed_total", campaign="1", dial_mode="progressive") == 1


def test_calls_in_flight_are_those_that_are_there_at_the_scrape(metrics: Metrics, value: Value) -> None:
    calls = [a_call(), a_ringing_call(), a_ringing_call(campaign_id=2)]
    metrics.watch_calls(lambda: list(calls))
    metrics.observe(CallPlaced(campaign_id=3, dial_mode=PROGRESSIVE, decision_s=0))
    assert value("calls_in_flight", campaign="1", state="ringing") == 1
    assert value("calls_in_flight", campaign="2", state="ringing") == 1
    assert value("calls_in_flight", campaign="3", state="dialing") == 0
    calls.clear()
    assert value("calls_in_flight", campaign="3", state="ringing") == 0


def test_the_queues_are_those_of_the_scrape_with_agents_that_have_finished_their_wrapup(
    metrics: Metrics, value: Value
) -> None:
    clock = 100.0
    busy = an_agent(interface=BEN, wrapup_until=105.0)
    metrics.watch_queues(lambda: [a_queue(agents=(an_agent(), busy), callers_waiting=2)], now=lambda: clock)
    assert value("queue_callers_waiting", queue="sales") == 2
    assert value("queue_agents", queue="sales") == 2
    assert value("queue_agents_free", queue="sales") == 1
    clock = 105.0
    assert value("queue_agents_free", queue="sales") == 2


def test_the_lines_to_asterisk_are_read_at_the_scrape(metrics: Metrics, value: Value) -> None:
    counters = {"events": 5, "reconnects": 0, "timeouts": 0, "malformed": 2}
    up = False
    metrics.watch_link("ami", is_up=lambda: up, counters=lambda: counters)
    assert value("link_up", link="ami") == 0
    up = True
    counters["events"] = 6
    assert value("link_up", link="ami") == 1
    assert value("link_events_total", link="ami") == 6
    assert value("link_faults_total", link="ami", kind="malformed") == 2
    assert value("link_faults_total", link="ami", kind="orphan_replies") is None


def test_whether_the_database_can_be_trusted_is_asked_at_the_scrape(metrics: Metrics, value: Value) -> None:
    difference, broken, lost = None, False, 0
    metrics.watch_database(
        clock_difference=lambda: difference, spool_broken=lambda: broken, calls_without_row=lambda: lost
    )
    assert value("clock_difference_seconds") is None
    difference, broken, lost = timedelta(seconds=-7), True, 2
    assert value("clock_difference_seconds") == -7
    assert (value("spool_broken"), value("calls_without_row")) == (1, 2)


def test_each_trunk_shows_how_it_stands_and_what_its_calls_have_shown_of_it(metrics: Metrics, value: Value) -> None:
    among = Trunks({"carrier": 20.0, "reserve": 5.0}, now=0.0)
    metrics.watch_trunks(lambda: among.all)
    refused = a_call(state=AttemptState.ENDED, outcome=Outcome.CONGESTION)
    for _ in range(LEAST_FAILURES):
        among.observe(a_call(), refused, dialed_at=10.0, now=10.0)
    assert (value("trunk_paused", trunk="carrier"), value("trunk_paused", trunk="reserve")) == (1, 0)
    assert value("trunk_calls_per_second", trunk="carrier") == 10
    assert value("trunk_calls_per_second", trunk="reserve") == 5
    assert value("trunk_calls_total", trunk="carrier", result="failed") == LEAST_FAILURES
    assert value("trunk_calls_total", trunk="carrier", result="good") == 0


def test_the_table_of_the_module_lists_every_series(metrics: Metrics) -> None:
    metrics.watch_calls(list)
    metrics.watch_queues(list, now=lambda: 0.0)
    metrics.watch_trunks(list)
    metrics.watch_loop(lambda: 0.0)
    metrics.watch_database(clock_difference=lambda: None, spool_broken=lambda: False, calls_without_row=lambda: 0)
    metrics.watch_transactions(lambda: 0.0)
    metrics.watch_draining(lambda: False)
    listed = set(re.findall(r"^\| (dialerd_\w+?)(?:_total)? \|", module.__doc__ or "", re.MULTILINE))
    assert listed == {family.name for family in metrics.registry.collect() if family.name.startswith("dialerd_")}
