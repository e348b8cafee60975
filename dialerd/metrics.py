"""Every Prometheus series, and how a fact changes it. `campaign` is the campaign's id; no lead, no number is a label.

| series | labels | says |
|---|---|---|
| dialerd_calls_placed_total | campaign, dial_mode | calls handed to Asterisk |
| dialerd_calls_ended_total | campaign, dial_mode, outcome | ended calls; domain/outcomes.py says which of them were answered |
| dialerd_calls_in_flight | campaign, state | calls now, by where they are |
| dialerd_calls_rescued_total | result | found by a look at Asterisk: adopted, or lost (their end was not seen) |
| dialerd_leads_passed_over_total | campaign, rule | leads that a rule stopped at the moment of dialing; rule dnc: do-not-call blocks |
| dialerd_leads_held | campaign, rule | leads that each rule holds back, or has ended, as last counted |
| dialerd_campaign_held | campaign, reason | 1 for the rule that stands in the way of the next call (at full pace: pace) |
| dialerd_decision_seconds | | claim, rules and row of one call |
| dialerd_answer_to_agent_ringing_seconds | campaign | from the lead's answer to the agent's phone ringing |
| dialerd_answer_to_connected_seconds | campaign | from the lead's answer to the talk |
| dialerd_ring_seconds | campaign | how long the leads' phones rang, answered or not |
| dialerd_talk_seconds | campaign | how long leads and agents talked |
| dialerd_agent_held_seconds | campaign | how long agents waited on the line for a lead to answer |
| dialerd_cards_answered_total | campaign, answer | cards before agents: accepted, skipped, lapsed, withdrawn |
| dialerd_menu_results_total | campaign, result | what leads chose in the voice menu; beyond 50 results: other |
| dialerd_answers_heard_total | campaign, by | what the machine detection made of answers: human, machine, not_sure |
| dialerd_abandonment_answered | campaign | calls that a person answered in the present period of the abandonment rate |
| dialerd_abandonment_in_time | campaign | of them: an agent was there in time |
| dialerd_abandonment_abandoned | campaign | of them: abandoned |
| dialerd_abandonment_rate | campaign | abandoned for each answered; 0.03 is 3 % |
| dialerd_abandonment_cap | campaign | most that the rate may be; missing where there is no cap |
| dialerd_abandonment_latched | campaign | 1 from when the cap is reached until the rate is well below it |
| dialerd_recordings_total | result | recordings that Asterisk was asked for: stored, missing |
| dialerd_queue_callers_waiting | queue | callers in the bound queue |
| dialerd_queue_agents | queue | agents of the bound queue, logged in or not |
| dialerd_queue_agents_free | queue | those who could take a call now |
| dialerd_trunk_calls_total | trunk, result | calls by what they showed of their trunk: good (a phone rang, was busy, ...), failed |
| dialerd_trunk_calls_per_second | trunk | how fast it may be given calls now: less than is set while it refuses too many |
| dialerd_trunk_paused | trunk | 1 while it is given time, or is tried with one call |
| dialerd_link_up | link | 1 while the line to Asterisk (ami, ari) stands |
| dialerd_link_events_total | link | events received |
| dialerd_link_reconnects_total | link | times the line was built anew |
| dialerd_link_timeouts_total | link | actions that got no answer in time |
| dialerd_link_faults_total | link, kind | malformed messages, overflows, replies that nobody waited for |
| dialerd_link_event_lag_seconds | link | from the reading of an event until it was acted upon |
| dialerd_event_loop_blocked_seconds_total | | for how long the daemon has stood still, in blocks of a second or more |
| dialerd_clock_difference_seconds | | by how much the database's clock is ahead of ours; missing while it is not known |
| dialerd_database_oldest_transaction_seconds | | age of the session that keeps Postgres from clearing changed rows away |
| dialerd_spool_broken | | 1 while the spool folder cannot be written |
| dialerd_calls_without_row | | live calls of ours of which the database knows neither attempt nor lead |
| dialerd_node_draining | - | 1 while people want the node to start no call |
| dialerd_build_info | version | 1 |

The process's own (process_cpu_seconds_total, process_resident_memory_bytes, ...) stand beside them.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dialerd import __version__
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
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.pacing import HoldReason
from dialerd.domain.queues import QueueSnapshot
from dialerd.domain.trunks import Trunk

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Two and three seconds are what regulators and the first specification measure by.
PATIENCE = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
RINGING = (2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 120.0)
TALKING = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0)

MAX_MENU_RESULTS = 50
"""Results of voice menus are chosen freely, and each is a series: a campaign's further ones are counted as OTHER."""
OTHER = "other"

_FAULTS = ("malformed", "overflows", "orphan_replies")
_ABANDONMENT = {
    "answered": "Calls that a person answered in the present period",
    "in_time": "Of them: an agent was there in time",
    "abandoned": "Of them: abandoned",
    "rate": "Abandoned calls for each answered one",
    "cap": "Most that the rate may be",
    "latched": "Whether the cap holds the campaign back",
}
"""The series dialerd_abandonment_*, each named as what it shows of AbandonmentCounted."""


class Metrics:
    """The series of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._open_campaigns: set[int] = set()
        self._links = _Links()
        self.registry.register(self._links)
        self._placed = self._counter("calls_placed", "Calls handed to Asterisk", "campaign", "dial_mode")
        self._ended = self._counter("calls_ended", "Calls that ended", "campaign", "dial_mode", "outcome")
        self._rescued = self._counter("calls_rescued", "Calls found by a look at Asterisk", "result")
        self._passed = self._counter("leads_passed_over", "Leads stopped by a rule", "campaign", "rule")
        self._leads_held = self._gauge("leads_held", "Leads that a rule holds back", "campaign", "rule")
        self._holding: dict[int, set[str]] = {}
        self._held = self._gauge("campaign_held", "Which rule stands in the way of the next call", "campaign", "reason")
        self._decision = self._histogram("decision_seconds", "Claim, rules and row of one call", SHORT)
        self._waits = {
            AgentRinging: self._histogram(
                "answer_to_agent_ringing_seconds", "From the answer to the agent's phone ringing", PATIENCE, "campaign"
            ),
            CallConnected: self._histogram(
                "answer_to_connected_seconds", "From the answer to the talk", PATIENCE, "campaign"
            ),
        }
        self._ring = self._histogram("ring_seconds", "How long leads' phones rang", RINGING, "campaign")
        self._talk = self._histogram("talk_seconds", "How long leads and agents talked", TALKING, "campaign")
        self._held_agents = self._histogram(
            "agent_held_seconds", "How long agents waited on the line for a lead", PATIENCE, "campaign"
        )
        self._cards = self._counter("cards_answered", "Cards before agents, by their end", "campaign", "answer")
        self._menu_results = self._counter("menu_results", "What leads chose in the voice menu", "campaign", "result")
        self._results_of: dict[int, set[str]] = {}
        self._heard = self._counter("answers_heard", "What the machine detection made of answers", "campaign", "by")
        self._recordings = self._counter("recordings", "Recordings that Asterisk was asked for", "result")
        self._abandonment = {
            name: self._gauge(f"abandonment_{name}", says, "campaign") for name, says in _ABANDONMENT.items()
        }
        self._gauge("build_info", "The version that runs", "version").labels(__version__).set(1)
        self._lag = self._histogram(
            "link_event_lag_seconds", "From the reading of an event until it was acted upon", SHORT, "link"
        )

    def watch_link(self, link: str, *, is_up: Callable[[], bool], counters: Callable[[], Mapping[str, int]]) -> None:
        """Show a line to Asterisk. `counters` has events, reconnects and timeouts, and may have the kinds of faults."""
        self._links.watched.append(_Link(name=link, is_up=is_up, counters=counters))

    def note_lag(self, link: str, seconds: float) -> None:
        """An event of this line was acted upon so late."""
        self._lag.labels(link).observe(seconds)

    def watch_calls(self, calls: Callable[[], Sequence[Call]]) -> None:
        """Show the calls in flight, counted at each scrape, so that no missed event can leave the figure wrong.

        `calls` is called from another thread: it has to hand over a copy.
        """
        self.registry.register(_CallsInFlight(calls, self._open_campaigns))

    def watch_queues(self, queues: Callable[[], Sequence[QueueSnapshot]], *, now: Callable[[], float]) -> None:
        """Show the bound queues, counted at each scrape. `now` is the clock that tells whether a wrap-up is over."""
        self.registry.register(_Queues(queues, now))

    def watch_trunks(self, trunks: Callable[[], Sequence[Trunk]]) -> None:
        """Show how each of the node's trunks stands."""
        self.registry.register(_Trunks(trunks))

    def watch_loop(self, blocked_s: Callable[[], float]) -> None:
        """Show for how long the event loop has stood still since the start."""
        self.registry.register(_Loop(blocked_s))

    def watch_database(
        self,
        *,
        clock_difference: Callable[[], timedelta | None],
        spool_broken: Callable[[], bool],
        calls_without_row: Callable[[], int],
    ) -> None:
        """Show whether the database, and the disk that stands in for it, can be trusted."""
        self.registry.register(_Database(clock_difference, spool_broken, calls_without_row))

    def watch_transactions(self, oldest_s: Callable[[], float]) -> None:
        """Show for how long somebody keeps Postgres from clearing away what dialing has changed; 0 where nobody does."""
        says = "Age of the oldest transaction that holds changed rows back"
        self._gauge("database_oldest_transaction_seconds", says).set_function(oldest_s)

    def watch_draining(self, draining: Callable[[], bool]) -> None:
        """Show whether people have told the node to start no call."""
        self._gauge("node_draining", "Whether the node hands its campaigns to others").set_function(draining)

    def observe(self, fact: Fact) -> None:
        """Count one fact."""
        match fact:
            case CallPlaced():
                self._count_placed(fact)
            case AgentRinging() | CallConnected():
                self._waits[type(fact)].labels(fact.campaign_id).observe(fact.after_answer_s)
            case CallEnded():
                self._count_ended(fact)
            case AgentHeld():
                self._held_agents.labels(fact.campaign_id).observe(fact.waited_s)
            case CardAnswered():
                self._cards.labels(fact.campaign_id, fact.answer).inc()
            case RecordingLookedAt():
                self._recordings.labels("stored" if fact.stored else "missing").inc()
            case CallsRescued():
                self._rescued.labels("adopted").inc(fact.adopted)
                self._rescued.labels("lost").inc(fact.lost)
            case _:
                self._observe_campaign(fact)

    def _observe_campaign(
        self, fact: LeadPassedOver | LeadsHeld | CampaignHeld | AbandonmentCounted | CampaignClosed
    ) -> None:
        match fact:
            case LeadPassedOver():
                self._passed.labels(fact.campaign_id, fact.rule).inc()
            case LeadsHeld():
                self._show_held_leads(fact)
            case CampaignHeld():
                self._show_hold(fact)
            case AbandonmentCounted():
                self._show_abandonment(fact)
            case CampaignClosed():
                self._forget(fact.campaign_id)
            case _:
                assert_never(fact)

    def _count_placed(self, fact: CallPlaced) -> None:
        self._open_campaigns.add(fact.campaign_id)
        self._placed.labels(fact.campaign_id, fact.dial_mode).inc()
        self._decision.observe(fact.decision_s)

    def _count_ended(self, fact: CallEnded) -> None:
        call = fact.call
        self._ended.labels(fact.campaign_id, fact.dial_mode, fact.outcome).inc()
        if call.ringing_at is not None:
            self._ring.labels(fact.campaign_id).observe(_seconds(call.ringing_at, call.answered_at or call.ended_at))
        if call.connected_at is not None:
            self._talk.labels(fact.campaign_id).observe(_seconds(call.connected_at, call.ended_at))
        if call.menu_result:
            self._menu_results.labels(fact.campaign_id, self._known_result(fact.campaign_id, call.menu_result)).inc()
        if call.answered_by is not None:
            self._heard.labels(fact.campaign_id, call.answered_by).inc()

    def _known_result(self, campaign_id: int, result: str) -> str:
        known = self._results_of.setdefault(campaign_id, set())
        if len(known) < MAX_MENU_RESULTS:
            known.add(result)
        return result if result in known else OTHER

    def _show_abandonment(self, fact: AbandonmentCounted) -> None:
        """A cap that was taken away is no cap of zero."""
        for name, gauge in self._abandonment.items():
            value = getattr(fact, name)
            if value is None:
                gauge.remove_by_labels({"campaign": str(fact.campaign_id)})
            else:
                gauge.labels(fact.campaign_id).set(value)

    def _show_hold(self, fact: CampaignHeld) -> None:
        self._open_campaigns.add(fact.campaign_id)
        for reason in HoldReason:
            self._held.labels(fact.campaign_id, reason).set(reason is fact.reason)

    def _show_held_leads(self, fact: LeadsHeld) -> None:
        """A rule that has let go of its leads shows a zero, as long as the campaign is run here."""
        seen = self._holding.setdefault(fact.campaign_id, set())
        seen.update(fact.leads)
        for rule in seen:
            self._leads_held.labels(fact.campaign_id, rule).set(fact.leads.get(rule, 0))

    def _forget(self, campaign_id: int) -> None:
        """Gauges of a campaign that is not run here say nothing any more; what was counted stays counted."""
        self._open_campaigns.discard(campaign_id)
        self._holding.pop(campaign_id, None)
        for gauge in (self._held, self._leads_held, *self._abandonment.values()):
            gauge.remove_by_labels({"campaign": str(campaign_id)})

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"dialerd_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"dialerd_{name}", says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"dialerd_{name}", says, labels, registry=self.registry, buckets=buckets)


def _seconds(start: datetime, end: datetime | None) -> float:
    return max(0.0, ((end or start) - start).total_seconds())


@dataclass(frozen=True, kw_only=True)
class _Link:
    name: str
    is_up: Callable[[], bool]
    counters: Callable[[], Mapping[str, int]]


class _Links(Collector):
    """Read from the lines' own counters at each scrape: they count thousands of events a second, and need no help."""

    def __init__(self) -> None:
        self.watched: list[_Link] = []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("dialerd_link_up", "Whether the line to Asterisk stands", labels=["link"])
        for link in self.watched:
            up.add_metric([link.name], float(link.is_up()))
        yield up
        yield self._family("events", "Events received")
        yield self._family("reconnects", "Times the line was built anew")
        yield self._family("timeouts", "Actions that got no answer in time")
        yield self._faults()

    def _family(self, name: str, says: str) -> CounterMetricFamily:
        family = CounterMetricFamily(f"dialerd_link_{name}", says, labels=["link"])
        for link in self.watched:
            family.add_metric([link.name], link.counters()[name])
        return family

    def _faults(self) -> CounterMetricFamily:
        family = CounterMetricFamily("dialerd_link_faults", "What should not have come", labels=["link", "kind"])
        for link in self.watched:
            counted = link.counters()
            for kind in _FAULTS:
                if kind in counted:
                    family.add_metric([link.name, kind], counted[kind])
        return family


class _Queues(Collector):
    def __init__(self, queues: Callable[[], Sequence[QueueSnapshot]], now: Callable[[], float]) -> None:
        self._queues = queues
        self._now = now

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("dialerd_queue_callers_waiting", "Callers in the bound queue", labels=["queue"])
        agents = GaugeMetricFamily("dialerd_queue_agents", "Agents of the bound queue", labels=["queue"])
        free = GaugeMetricFamily("dialerd_queue_agents_free", "Agents who could take a call now", labels=["queue"])
        now = self._now()
        for queue in self._queues():
            waiting.add_metric([queue.name], queue.callers_waiting)
            agents.add_metric([queue.name], len(queue.agents))
            free.add_metric([queue.name], len(queue.free_agents(now)))
        yield from (waiting, agents, free)


class _Trunks(Collector):
    def __init__(self, trunks: Callable[[], Sequence[Trunk]]) -> None:
        self._trunks = trunks

    def collect(self) -> Iterator[Metric]:
        labels = ["trunk", "result"]
        calls = CounterMetricFamily("dialerd_trunk_calls", "What calls showed of their trunk", labels=labels)
        rate = GaugeMetricFamily("dialerd_trunk_calls_per_second", "How fast it may be given calls", labels=["trunk"])
        paused = GaugeMetricFamily("dialerd_trunk_paused", "Whether it is given time", labels=["trunk"])
        for trunk in self._trunks():
            calls.add_metric([trunk.name, "good"], trunk.good)
            calls.add_metric([trunk.name, "failed"], trunk.failed)
            rate.add_metric([trunk.name], trunk.rate.allowed)
            paused.add_metric([trunk.name], trunk.breaker.pause_s > 0)
        yield from (calls, rate, paused)


class _Loop(Collector):
    def __init__(self, blocked_s: Callable[[], float]) -> None:
        self._blocked_s = blocked_s

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "dialerd_event_loop_blocked_seconds", "For how long the daemon has stood still", value=self._blocked_s()
        )


class _Database(Collector):
    def __init__(
        self,
        clock_difference: Callable[[], timedelta | None],
        spool_broken: Callable[[], bool],
        calls_without_row: Callable[[], int],
    ) -> None:
        self._clock_difference = clock_difference
        self._spool_broken = spool_broken
        self._calls_without_row = calls_without_row

    def collect(self) -> Iterator[Metric]:
        ahead = GaugeMetricFamily(
            "dialerd_clock_difference_seconds", "By how much the database's clock is ahead of ours"
        )
        if (difference := self._clock_difference()) is not None:
            ahead.add_metric([], difference.total_seconds())
        yield ahead
        yield GaugeMetricFamily(
            "dialerd_spool_broken", "Whether the spool folder cannot be written", value=float(self._spool_broken())
        )
        yield GaugeMetricFamily(
            "dialerd_calls_without_row", "Live calls that the database has lost", value=self._calls_without_row()
        )


class _CallsInFlight(Collector):
    def __init__(self, calls: Callable[[], Sequence[Call]], open_campaigns: set[int]) -> None:
        self._calls = calls
        self._open_campaigns = open_campaigns

    def collect(self) -> Iterator[Metric]:
        """Every state of every open campaign, also the empty ones: a series that vanishes is not a zero."""
        tally = Tally((call.campaign_id, call.state) for call in self._calls())
        campaigns = {campaign for campaign, _ in tally} | self._open_campaigns.copy()
        family = GaugeMetricFamily("dialerd_calls_in_flight", "Calls now", labels=["campaign", "state"])
        for campaign in sorted(campaigns):
            for state in AttemptState:
                if state is not AttemptState.ENDED:
                    family.add_metric([str(campaign), state], tally[campaign, state])
        yield family
