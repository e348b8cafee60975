from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from dialerd.dialer.trunks import Trunks
from dialerd.domain.activity import (
    AbandonmentCounted,
    AgentHeld,
    AgentRinging,
    BacklogCounted,
    CallConnected,
    CallEnded,
    CallPlaced,
    CallsRescued,
    CampaignClosed,
    CampaignHeld,
    CampaignPace,
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
from dialerd.metrics import KEPT_S, MAX_MENU_RESULTS, OTHER, Metrics, PoolUse
from tests.factories import BEN, NOON, a_call, a_connected_call, a_queue, a_ringing_call, an_agent, later
from tests.shown_metrics import all_shown, everything_of, watched

PROGRESSIVE = DialMode.PROGRESSIVE

FACTS: list[Fact] = [
    CallPlaced(campaign_id=1, dial_mode=PROGRESSIVE, decision_s=0.002),
    AgentRinging(campaign_id=1, after_answer_s=0.1),
    CallConnected(campaign_id=1, after_answer_s=1.4, bridged_in_s=0.003),
    CallEnded(campaign_id=1, dial_mode=PROGRESSIVE, outcome=Outcome.BUSY, call=a_call()),
    AgentHeld(campaign_id=1, waited_s=12.5),
    CardAnswered(campaign_id=1, answer=OfferState.ACCEPTED),
    AbandonmentCounted(campaign_id=1, answered=200, in_time=190, abandoned=6, rate=0.03, cap=0.03, latched=True),
    RecordingLookedAt(stored=True),
    LeadPassedOver(campaign_id=1, rule=Rule.DNC),
    LeadsHeld(campaign_id=1, leads={"lead_window": 7, "cooloff": 2}, due=30),
    CampaignHeld(campaign_id=1, reason=HoldReason.PACE),
    CampaignClosed(campaign_id=2),
    CallsRescued(adopted=2, lost=1),
    BacklogCounted(webhook_deliveries={"waiting": 12, "dead": 1}, jobs={("crm_sync", "running"): 1}),
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
    metrics.observe(LeadsHeld(campaign_id=1, leads={"lead_window": 7, "cooloff": 2}, due=30))
    metrics.observe(LeadsHeld(campaign_id=1, leads={"cooloff": 5}, due=31))
    metrics.observe(LeadsHeld(campaign_id=2, leads={"lead_window": 1}, due=0))
    assert value("leads_held", campaign="1", rule="lead_window") == 0
    assert value("leads_held", campaign="1", rule="cooloff") == 5
    assert value("leads_held", campaign="2", rule="lead_window") == 1
    assert value("leads_held", campaign="2", rule="cooloff") is None
    assert [value("leads_due", campaign=campaign) for campaign in ("1", "2")] == [31, 0]


def test_a_campaign_that_is_not_run_here_any_more_has_no_reason_but_keeps_its_counts(
    metrics: Metrics, value: Value
) -> None:
    for fact in (*FACTS, CampaignClosed(campaign_id=1)):
        metrics.observe(fact)
    assert value("campaign_held", campaign="1", reason="pace") is None
    assert value("leads_held", campaign="1", rule="lead_window") is None
    assert value("leads_due", campaign="1") is None
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
    assert value("queue_known", queue="sales") == 1

    def agents() -> list[float | None]:
        return [value("queue_agents", queue="sales", state=state) for state in ("free", "wrapup", "busy", "away")]

    assert agents() == [1, 1, 0, 0]
    clock = 105.0
    assert agents() == [2, 0, 0, 0]


def test_the_lines_to_asterisk_are_read_at_the_scrape(metrics: Metrics, value: Value) -> None:
    counters = {"events": 5, "reconnects": 0, "timeouts": 0, "malformed": 2}
    up, waiting, round_trip_s = False, 0, None
    metrics.watch_link(
        "ami",
        is_up=lambda: up,
        counters=lambda: counters,
        backlog=lambda: waiting,
        round_trip_s=lambda: round_trip_s,
    )
    assert value("link_up", link="ami") == 0
    assert value("link_round_trip_seconds", link="ami") is None
    up, waiting, round_trip_s = True, 7, 0.002
    counters["events"] = 6
    assert value("link_up", link="ami") == 1
    assert value("link_events_total", link="ami") == 6
    assert value("link_events_waiting", link="ami") == 7
    assert value("link_round_trip_seconds", link="ami") == 0.002
    assert value("link_faults_total", link="ami", kind="malformed") == 2
    assert value("link_faults_total", link="ami", kind="orphan_replies") is None


def test_whether_the_database_can_be_trusted_is_asked_at_the_scrape(metrics: Metrics, value: Value) -> None:
    difference, round_trip_s, lost = None, None, 0
    metrics.watch_database(
        clock_difference=lambda: difference,
        round_trip_s=lambda: round_trip_s,
        calls_without_row=lambda: lost,
        pools=lambda: {"claims": PoolUse(open=4, in_use=1, most=10)},
    )
    assert value("clock_difference_seconds") is None
    assert value("database_round_trip_seconds") is None
    assert value("calls_without_row") == 0
    difference, round_trip_s, lost = timedelta(seconds=-1.5), 0.25, 2
    assert value("clock_difference_seconds") == -1.5
    assert value("database_round_trip_seconds") == 0.25
    assert value("calls_without_row") == 2
    connections = [value("database_connections", pool="claims", state=state) for state in ("in_use", "idle")]
    assert (connections, value("database_connections_set", pool="claims")) == ([1, 3], 10)


def test_the_disk_that_stands_in_for_the_database_is_asked_at_the_scrape(metrics: Metrics, value: Value) -> None:
    broken, calls, free = True, 3, None
    metrics.watch_spool(broken=lambda: broken, calls=lambda: calls, free_bytes=lambda: free)
    assert [value("spool_broken"), value("spool_calls"), value("spool_free_bytes")] == [1, 3, None]
    broken, calls, free = False, 0, 2**30
    assert [value("spool_broken"), value("spool_calls"), value("spool_free_bytes")] == [0, 0, 2**30]


def test_a_need_of_dialing_is_met_or_not_whatever_is_said_of_why(metrics: Metrics, value: Value) -> None:
    metrics.watch_readiness(lambda: {"database": True, "spool": False, "ami": "login refused"})
    assert [value("ready", need=need) for need in ("database", "spool", "ami")] == [1, 0, 0]


def test_a_campaign_shows_what_it_is_set_to_while_it_is_run_here(metrics: Metrics, value: Value) -> None:
    paces = [CampaignPace(campaign_id=1, calls_per_second=2.5, concurrency=20, lease_held=False)]
    metrics.watch_campaigns(lambda: paces)
    names = ("campaign_calls_per_second_set", "campaign_concurrency_set", "campaign_lease_held")
    assert [value(name, campaign="1") for name in names] == [2.5, 20, 0]
    paces.clear()
    assert [value(name, campaign="1") for name in names] == [None, None, None]


def test_by_how_much_the_event_loop_comes_back_late_is_measured_and_early_is_not_late(
    metrics: Metrics, value: Value
) -> None:
    for late_s in (0.25, -0.001):
        metrics.note_turn(late_s)
    assert (value("event_loop_lag_seconds_count"), value("event_loop_lag_seconds_sum")) == (2, 0.25)


def test_what_waits_in_the_database_is_shown_as_last_counted_and_work_that_is_done_as_zero(
    metrics: Metrics, value: Value
) -> None:
    for fact in (*FACTS, BacklogCounted(webhook_deliveries={"waiting": 0, "dead": 2}, jobs={})):
        metrics.observe(fact)
    assert [value("webhook_deliveries", state=state) for state in ("waiting", "dead")] == [0, 2]
    assert value("jobs", kind="crm_sync", state="running") == 0


def test_how_long_a_bridge_took_is_measured_where_it_is_known(metrics: Metrics, value: Value) -> None:
    for took_s in (0.25, None, 0.5):
        metrics.observe(CallConnected(campaign_id=1, after_answer_s=2, bridged_in_s=took_s))
    assert (value("bridge_seconds_count", campaign="1"), value("bridge_seconds_sum", campaign="1")) == (2, 0.75)


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


# --- how many series there are -----------------------------------------------------------------------------------------


def of_campaign(registry: CollectorRegistry, campaign: str) -> set[str]:
    """The series of a campaign, each named with all its labels."""
    samples = (sample for family in registry.collect() for sample in family.samples)
    return {f"{each.name} {each.labels}" for each in samples if each.labels.get("campaign") == campaign}


def test_a_campaign_has_a_bounded_number_of_series_whatever_happens_in_it() -> None:
    metrics = watched(Metrics())
    for _ in range(3):
        for fact in everything_of(1):
            metrics.observe(fact)
    assert 250 < len(of_campaign(metrics.registry, "1")) <= 300


def test_the_series_of_a_campaign_that_ended_vanish_after_a_while_and_no_others() -> None:
    clock = 1000.0
    metrics = Metrics(now=lambda: clock)
    for campaign in (1, 2):
        for fact in everything_of(campaign):
            metrics.observe(fact)
    metrics.observe(CampaignClosed(campaign_id=1))
    clock += KEPT_S
    assert any("calls_ended_total" in series for series in of_campaign(metrics.registry, "1"))
    clock += 1
    assert of_campaign(metrics.registry, "1") == set()
    assert any("calls_ended_total" in series for series in of_campaign(metrics.registry, "2"))


def test_a_call_that_ends_long_after_its_campaign_is_counted_and_forgotten_in_turn(metrics: Metrics) -> None:
    clock = 1000.0
    metrics = Metrics(now=lambda: clock)
    for fact in (*everything_of(1), CampaignClosed(campaign_id=1)):
        metrics.observe(fact)
    clock += KEPT_S + 1
    of_campaign(metrics.registry, "1")
    metrics.observe(ended(a_call(menu_result="confirmed")))
    counted = of_campaign(metrics.registry, "1")
    assert "dialerd_menu_results_total {'campaign': '1', 'result': 'confirmed'}" in counted
    clock += KEPT_S + 1
    assert of_campaign(metrics.registry, "1") == set()


# --- what people are told ----------------------------------------------------------------------------------------------

DOCUMENT = Path("docs/metrics.md")
ALERTS = Path("docker/prometheus/rules/alerts.yml")
UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_per_second": "calls/s", "_per_second_set": "calls/s"}
UNITS |= {"_rate": "ratio", "_cap": "ratio"}


def documented() -> Iterator[list[str]]:
    """The cells of each row of the table."""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("| `dialerd_"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def row_of(family: Metric) -> list[str]:
    """What the table has to say of it, but for what to do."""
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    name = f"`{family.name}{'_total' if family.type == 'counter' else ''}`"
    unit = next((unit for end, unit in UNITS.items() if family.name.endswith(end)), "-")
    return [name, family.type, ", ".join(labels) or "-", unit, family.documentation]


async def test_the_document_lists_every_series_as_it_is_shown() -> None:
    shown = [family for family in (await all_shown()).collect() if family.name.startswith("dialerd_")]
    rows = {row[0]: row for row in documented()}
    assert {name: row[:5] for name, row in rows.items()} == {row_of(each)[0]: row_of(each) for each in shown}
    names = [name.strip("`") for name in rows]
    assert names == sorted(names)
    assert all(len(row) == 6 and row[5] for row in rows.values())
