"""Every Prometheus series of the daemon, and how a fact changes it. docs/metrics.md lists them for people, and a test compares.

`campaign` is the campaign's id; no lead, no number and no agent is a label. What a site makes many of is bounded: the series of a
campaign end KEPT_S after it is no longer run here, and a voice menu has MAX_MENU_RESULTS results.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dialerd import __version__
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
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.pacing import HoldReason
from dialerd.domain.queues import AgentState, QueueSnapshot
from dialerd.domain.trunks import Trunk

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Two and three seconds are what regulators and the first specification measure by.
PATIENCE = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
RINGING = (2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 120.0)
TALKING = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0)

MAX_MENU_RESULTS = 50
"""Results of voice menus are chosen freely, and each is a series: a campaign's further ones are counted as OTHER."""
OTHER = "other"
KEPT_S = 3600.0
"""How long the series of a campaign are shown after it was last heard of here: calls of it may still end, and every scrape is to see
the last of them."""

_FAULTS = ("malformed", "overflows", "orphan_replies")
_ABANDONMENT = {
    "answered": "Calls that a person answered in the present period of the abandonment rate.",
    "in_time": "Of the answered calls of the present period: an agent was there in time.",
    "abandoned": "Of the answered calls of the present period: abandoned.",
    "rate": "Abandoned calls for each answered one in the present period: 0.03 is 3 %.",
    "cap": "Most that the abandonment rate may be; missing where there is no cap.",
    "latched": "1 from when the cap of the abandonment rate is reached until the rate is well below it.",
}
"""The series dialerd_abandonment_*, each named as what it shows of AbandonmentCounted."""

# They would double the counters, and tell nothing that a graph of the counter does not. The library's function has no types.
cast("Callable[[], None]", disable_created_metrics)()


Registry = CollectorRegistry


def new_registry() -> Registry:
    """With what every process of ours tells of itself: process_cpu_seconds_total and the like, and its version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Gauge("dialerd_build_info", "1, with the version that runs.", ["version"], registry=registry).labels(
        __version__
    ).set(1)
    return registry


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Connections of one pool: open, of them at work, and most that may be open."""

    open: int
    in_use: int
    most: int


class Metrics:
    """The series of one daemon, in a registry of their own. `now` is a monotonic clock in seconds."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.registry = new_registry()
        self._now = now
        self._open_campaigns: set[int] = set()
        self._heard_of: dict[int, float] = {}
        self.registry.register(_Forgetting(self._forget_ended))  # first, so that no scrape shows what is over
        self._links = _Links()
        self.registry.register(self._links)
        self._count_calls()
        self._measure_waits()
        self._count_leads()
        self._rescued = self._counter(
            "calls_rescued", "Calls found by a look at Asterisk: adopted, or lost (their end was not seen).", "result"
        )
        self._recordings = self._counter(
            "recordings", "Recordings that Asterisk was asked for: stored, or missing.", "result"
        )
        self._deliveries = self._gauge(
            "webhook_deliveries",
            "Messages to webhooks and CRMs that wait for delivery, or are dead letters; 10000 of a webhook: or more.",
            "state",
        )
        self._jobs = self._gauge(
            "jobs", "Imports and synchronisations: queued, running, or failed within the last hour.", "kind", "state"
        )
        self._kinds_of_jobs: set[tuple[str, str]] = set()
        self._lag = self._histogram(
            "link_event_lag_seconds", "From the reading of an event until it was acted upon.", SHORT, "link"
        )
        self._late = self._histogram(
            "event_loop_lag_seconds",
            "By how much the event loop came back late from a pause, twice a second.",
            (*SHORT, 5.0, 10.0),
        )

    def _count_calls(self) -> None:
        self._placed = self._counter("calls_placed", "Calls handed to Asterisk.", "campaign", "dial_mode")
        self._ended = self._counter(
            "calls_ended", "Ended calls, by how they ended.", "campaign", "dial_mode", "outcome"
        )
        self._held = self._gauge(
            "campaign_held",
            "1 for the rule that stands in the way of the next call; at full pace that is pace.",
            "campaign",
            "reason",
        )
        self._cards = self._counter(
            "cards_answered",
            "Cards before agents, by their end: accepted, skipped, lapsed, withdrawn.",
            "campaign",
            "answer",
        )
        self._menu_results = self._counter(
            "menu_results", "What leads chose in the voice menu; beyond 50 results: other.", "campaign", "result"
        )
        self._results_of: dict[int, set[str]] = {}
        self._heard = self._counter(
            "answers_heard",
            "What the machine detection made of answers: human, machine, not_sure.",
            "campaign",
            "by",
        )
        self._abandonment = {
            name: self._gauge(f"abandonment_{name}", says, "campaign") for name, says in _ABANDONMENT.items()
        }

    def _measure_waits(self) -> None:
        self._decision = self._histogram("decision_seconds", "How long claim, rules and row of one call took.", SHORT)
        self._waits = {
            AgentRinging: self._histogram(
                "answer_to_agent_ringing_seconds",
                "From the lead's answer to the agent's phone ringing.",
                PATIENCE,
                "campaign",
            ),
            CallConnected: self._histogram(
                "answer_to_connected_seconds", "From the lead's answer to the talk.", PATIENCE, "campaign"
            ),
        }
        self._bridging = self._histogram(
            "bridge_seconds", "From when lead and agent were both on the line to the talk.", SHORT, "campaign"
        )
        self._ring = self._histogram(
            "ring_seconds", "How long the leads' phones rang, answered or not.", RINGING, "campaign"
        )
        self._talk = self._histogram("talk_seconds", "How long leads and agents talked.", TALKING, "campaign")
        self._held_agents = self._histogram(
            "agent_held_seconds", "How long agents waited on the line for a lead to answer.", PATIENCE, "campaign"
        )

    def _count_leads(self) -> None:
        self._passed = self._counter(
            "leads_passed_over",
            "Leads that a rule stopped at the moment of dialing; rule dnc: do-not-call blocks.",
            "campaign",
            "rule",
        )
        self._leads_held = self._gauge(
            "leads_held",
            "Leads that each rule holds back, or has ended, as counted four times a minute.",
            "campaign",
            "rule",
        )
        self._holding: dict[int, set[str]] = {}
        self._leads_due = self._gauge(
            "leads_due", "Leads in line that no waiting time holds back; 10000: or more.", "campaign"
        )

    # --- what is asked at each scrape, in another thread: what is handed in gives copies ---

    def watch_link(
        self,
        link: str,
        *,
        is_up: Callable[[], bool],
        counters: Callable[[], Mapping[str, int]],
        backlog: Callable[[], int],
        round_trip_s: Callable[[], float | None],
    ) -> None:
        """Show a line to Asterisk. `counters` has events, reconnects and timeouts, and may have the kinds of faults; `backlog` is how
        many events wait to be acted upon; `round_trip_s` is None where it is not known."""
        self._links.watched.append(
            _Link(name=link, is_up=is_up, counters=counters, backlog=backlog, round_trip_s=round_trip_s)
        )

    def note_lag(self, link: str, seconds: float) -> None:
        """An event of this line was acted upon so late."""
        self._lag.labels(link).observe(seconds)

    def note_turn(self, late_s: float) -> None:
        """The event loop came back so late."""
        self._late.observe(max(0.0, late_s))

    def watch_calls(self, calls: Callable[[], Sequence[Call]]) -> None:
        """Show the calls in flight, counted at each scrape, so that no missed event can leave the figure wrong."""
        self.registry.register(_CallsInFlight(calls, self._open_campaigns))

    def watch_campaigns(self, paces: Callable[[], Sequence[CampaignPace]]) -> None:
        """Show what the campaigns that are run here may do at most."""
        self.registry.register(_Campaigns(paces))

    def watch_queues(self, queues: Callable[[], Sequence[QueueSnapshot]], *, now: Callable[[], float]) -> None:
        """Show the bound queues, counted at each scrape. `now` is the clock that tells whether a wrap-up is over."""
        self.registry.register(_Queues(queues, now))

    def watch_trunks(self, trunks: Callable[[], Sequence[Trunk]]) -> None:
        """Show how each of the node's trunks stands."""
        self.registry.register(_Trunks(trunks))

    def watch_loop(self, blocked_s: Callable[[], float]) -> None:
        """Show for how long the event loop has stood still since the start."""
        self.registry.register(_Loop(blocked_s))

    def watch_readiness(self, readiness: Callable[[], Mapping[str, bool | str]]) -> None:
        """Show what /readyz tells: whether everything that dialing needs is there."""
        self.registry.register(_Readiness(readiness))

    def watch_database(
        self,
        *,
        clock_difference: Callable[[], timedelta | None],
        round_trip_s: Callable[[], float | None],
        calls_without_row: Callable[[], int],
        pools: Callable[[], Mapping[str, PoolUse]],
    ) -> None:
        """Show whether the database can be trusted, and whether it keeps up."""
        self.registry.register(_Database(clock_difference, round_trip_s, calls_without_row, pools))

    def watch_spool(
        self, *, broken: Callable[[], bool], calls: Callable[[], int], free_bytes: Callable[[], int | None]
    ) -> None:
        """Show the disk that stands in for the database."""
        self.registry.register(_Spool(broken, calls, free_bytes))

    def watch_transactions(self, oldest_s: Callable[[], float]) -> None:
        """Show for how long somebody keeps Postgres from clearing away what dialing has changed; 0 where nobody does."""
        says = "Age of the session that keeps Postgres from clearing changed rows away; 0: there is none."
        self._gauge("database_oldest_transaction_seconds", says).set_function(oldest_s)

    def watch_draining(self, draining: Callable[[], bool]) -> None:
        """Show whether the node hands its campaigns to others."""
        says = "1 while the node is to start no call: people want it, or its Asterisk is away and another node dials."
        self._gauge("node_draining", says).set_function(draining)

    # --- facts ---

    def observe(self, fact: Fact) -> None:
        """Count one fact."""
        match fact:
            case RecordingLookedAt():
                self._recordings.labels("stored" if fact.stored else "missing").inc()
            case CallsRescued():
                self._rescued.labels("adopted").inc(fact.adopted)
                self._rescued.labels("lost").inc(fact.lost)
            case BacklogCounted():
                self._show_backlog(fact)
            case LeadPassedOver() | LeadsHeld() | CampaignHeld() | AbandonmentCounted() | CampaignClosed():
                self._heard_of[fact.campaign_id] = self._now()
                self._observe_campaign(fact)
            case _:
                self._heard_of[fact.campaign_id] = self._now()
                self._observe_call(fact)

    def _show_backlog(self, fact: BacklogCounted) -> None:
        for state, deliveries in fact.webhook_deliveries.items():
            self._deliveries.labels(state).set(deliveries)
        self._kinds_of_jobs.update(fact.jobs)
        for kind, state in self._kinds_of_jobs:
            self._jobs.labels(kind, state).set(fact.jobs.get((kind, state), 0))

    def _observe_call(
        self, fact: CallPlaced | AgentRinging | CallConnected | CallEnded | AgentHeld | CardAnswered
    ) -> None:
        match fact:
            case CallPlaced():
                self._count_placed(fact)
            case AgentRinging():
                self._waits[AgentRinging].labels(fact.campaign_id).observe(fact.after_answer_s)
            case CallConnected():
                self._waits[CallConnected].labels(fact.campaign_id).observe(fact.after_answer_s)
                if fact.bridged_in_s is not None:
                    self._bridging.labels(fact.campaign_id).observe(fact.bridged_in_s)
            case CallEnded():
                self._count_ended(fact)
            case AgentHeld():
                self._held_agents.labels(fact.campaign_id).observe(fact.waited_s)
            case CardAnswered():
                self._cards.labels(fact.campaign_id, fact.answer).inc()
            case _:
                assert_never(fact)

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
                self._close(fact.campaign_id)
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
        self._leads_due.labels(fact.campaign_id).set(fact.due)
        seen = self._holding.setdefault(fact.campaign_id, set())
        seen.update(fact.leads)
        for rule in seen:
            self._leads_held.labels(fact.campaign_id, rule).set(fact.leads.get(rule, 0))

    # --- campaigns that are not run here any more ---

    def _close(self, campaign_id: int) -> None:
        """What was the state of a campaign says nothing any more; what was counted stays for a while."""
        self._open_campaigns.discard(campaign_id)
        self._holding.pop(campaign_id, None)
        self._remove(campaign_id, (self._held, self._leads_held, self._leads_due, *self._abandonment.values()))

    def _forget_ended(self) -> None:
        """At each scrape. A campaign that is taken up again begins at zero, as after a start of the daemon."""
        over = self._now() - KEPT_S
        ended = [id_ for id_, at in list(self._heard_of.items()) if at < over and id_ not in self._open_campaigns]
        for campaign_id in ended:
            del self._heard_of[campaign_id]
            self._results_of.pop(campaign_id, None)
            self._remove(campaign_id, self._counted)

    @property
    def _counted(self) -> Iterable[Counter | Histogram]:
        """All that has a campaign for a label and is no gauge."""
        yield from (self._placed, self._ended, self._passed, self._cards, self._menu_results, self._heard)
        yield from (*self._waits.values(), self._bridging, self._ring, self._talk, self._held_agents)

    def _remove(self, campaign_id: int, series: Iterable[Counter | Gauge | Histogram]) -> None:
        for each in series:
            each.remove_by_labels({"campaign": str(campaign_id)})

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"dialerd_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"dialerd_{name}", says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"dialerd_{name}", says, labels, registry=self.registry, buckets=buckets)


def _seconds(start: datetime, end: datetime | None) -> float:
    return max(0.0, ((end or start) - start).total_seconds())


def _value(name: str, says: str, value: float | None) -> GaugeMetricFamily:
    """Of a figure that may not be known just now: then it is missing, for zero would be a claim."""
    family = GaugeMetricFamily(name, says)
    if value is not None:
        family.add_metric([], value)
    return family


class _Forgetting(Collector):
    """Shows nothing."""

    def __init__(self, forget_ended: Callable[[], None]) -> None:
        self._forget_ended = forget_ended

    def collect(self) -> Iterator[Metric]:
        self._forget_ended()
        yield from ()


@dataclass(frozen=True, kw_only=True)
class _Link:
    name: str
    is_up: Callable[[], bool]
    counters: Callable[[], Mapping[str, int]]
    backlog: Callable[[], int]
    round_trip_s: Callable[[], float | None]


class _Links(Collector):
    """Read from the lines' own counters at each scrape: they count thousands of events a second, and need no help."""

    def __init__(self) -> None:
        self.watched: list[_Link] = []

    def collect(self) -> Iterator[Metric]:
        yield from self._states()
        yield self._family("events", "Events received on the line.")
        yield self._family("reconnects", "Times that the line was built anew.")
        yield self._family("timeouts", "Actions on the line that got no answer in time.")
        yield self._faults()

    def _states(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("dialerd_link_up", "1 while the line to Asterisk (ami, ari) stands.", labels=["link"])
        backlog = GaugeMetricFamily(
            "dialerd_link_events_waiting", "Events received that were not acted upon yet.", labels=["link"]
        )
        trip = GaugeMetricFamily(
            "dialerd_link_round_trip_seconds",
            "How long Asterisk took for its last sign of life; missing while the line does not stand.",
            labels=["link"],
        )
        for link in self.watched:
            up.add_metric([link.name], float(link.is_up()))
            backlog.add_metric([link.name], link.backlog())
            if (seconds := link.round_trip_s()) is not None:
                trip.add_metric([link.name], seconds)
        yield from (up, backlog, trip)

    def _family(self, name: str, says: str) -> CounterMetricFamily:
        family = CounterMetricFamily(f"dialerd_link_{name}", says, labels=["link"])
        for link in self.watched:
            family.add_metric([link.name], link.counters()[name])
        return family

    def _faults(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "dialerd_link_faults",
            "What should not have come: malformed messages, overflows, replies that nobody waited for.",
            labels=["link", "kind"],
        )
        for link in self.watched:
            counted = link.counters()
            for kind in _FAULTS:
                if kind in counted:
                    family.add_metric([link.name, kind], counted[kind])
        return family


class _Campaigns(Collector):
    def __init__(self, paces: Callable[[], Sequence[CampaignPace]]) -> None:
        self._paces = paces

    def collect(self) -> Iterator[Metric]:
        pace = GaugeMetricFamily(
            "dialerd_campaign_calls_per_second_set",
            "Calls per second that the campaign is set to; compare rate(dialerd_calls_placed_total[1m]).",
            labels=["campaign"],
        )
        lines = GaugeMetricFamily(
            "dialerd_campaign_concurrency_set", "Most calls in flight that the campaign is set to.", labels=["campaign"]
        )
        lease = GaugeMetricFamily(
            "dialerd_campaign_lease_held",
            "1 while this daemon has the right to dial the campaign.",
            labels=["campaign"],
        )
        for each in self._paces():
            campaign = [str(each.campaign_id)]
            pace.add_metric(campaign, each.calls_per_second)
            lines.add_metric(campaign, each.concurrency)
            lease.add_metric(campaign, each.lease_held)
        yield from (pace, lines, lease)


class _Queues(Collector):
    def __init__(self, queues: Callable[[], Sequence[QueueSnapshot]], now: Callable[[], float]) -> None:
        self._queues = queues
        self._now = now

    def collect(self) -> Iterator[Metric]:
        known = GaugeMetricFamily(
            "dialerd_queue_known", "1 while Asterisk has told of the bound queue.", labels=["queue"]
        )
        waiting = GaugeMetricFamily(
            "dialerd_queue_callers_waiting", "Callers who wait in the bound queue.", labels=["queue"]
        )
        agents = GaugeMetricFamily(
            "dialerd_queue_agents",
            "Agents of the bound queue, by what keeps them from the next call: away, busy, paused, wrapup; or free.",
            labels=["queue", "state"],
        )
        now = self._now()
        for queue in self._queues():
            known.add_metric([queue.name], queue.known)
            waiting.add_metric([queue.name], queue.callers_waiting)
            tally = Tally(agent.state(now) for agent in queue.agents)
            for state in AgentState:
                agents.add_metric([queue.name, state], tally[state])
        yield from (known, waiting, agents)


class _Trunks(Collector):
    def __init__(self, trunks: Callable[[], Sequence[Trunk]]) -> None:
        self._trunks = trunks

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "dialerd_trunk_calls",
            "Calls by what they showed of their trunk: good (a phone rang, was busy, ...), failed.",
            labels=["trunk", "result"],
        )
        rate = GaugeMetricFamily(
            "dialerd_trunk_calls_per_second",
            "How fast the trunk may be given calls now: less than is set while it refuses too many.",
            labels=["trunk"],
        )
        most = GaugeMetricFamily(
            "dialerd_trunk_calls_per_second_set", "How fast the trunk may be given calls at most.", labels=["trunk"]
        )
        paused = GaugeMetricFamily(
            "dialerd_trunk_paused",
            "1 while the trunk is given time after failures, or is tried with one call.",
            labels=["trunk"],
        )
        for trunk in self._trunks():
            calls.add_metric([trunk.name, "good"], trunk.good)
            calls.add_metric([trunk.name, "failed"], trunk.failed)
            rate.add_metric([trunk.name], trunk.rate.allowed)
            most.add_metric([trunk.name], trunk.rate.most)
            paused.add_metric([trunk.name], trunk.breaker.pause_s > 0)
        yield from (calls, rate, most, paused)


class _Loop(Collector):
    def __init__(self, blocked_s: Callable[[], float]) -> None:
        self._blocked_s = blocked_s

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "dialerd_event_loop_blocked_seconds",
            "For how long the daemon has stood still, in blocks of a second or more.",
            value=self._blocked_s(),
        )


class _Readiness(Collector):
    def __init__(self, readiness: Callable[[], Mapping[str, bool | str]]) -> None:
        self._readiness = readiness

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "dialerd_ready", "1 for each need of dialing that is met; /readyz says why one is not.", labels=["need"]
        )
        for need, met in self._readiness().items():
            family.add_metric([need], met is True)
        yield family


class _Database(Collector):
    def __init__(
        self,
        clock_difference: Callable[[], timedelta | None],
        round_trip_s: Callable[[], float | None],
        calls_without_row: Callable[[], int],
        pools: Callable[[], Mapping[str, PoolUse]],
    ) -> None:
        self._clock_difference = clock_difference
        self._round_trip_s = round_trip_s
        self._calls_without_row = calls_without_row
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        difference = self._clock_difference()
        yield _value(
            "dialerd_clock_difference_seconds",
            "By how much the database's clock is ahead of ours; missing while it is not known.",
            None if difference is None else difference.total_seconds(),
        )
        yield _value(
            "dialerd_database_round_trip_seconds",
            "How long the database took for its last answer to the simplest question, asked every few seconds.",
            self._round_trip_s(),
        )
        yield _value(
            "dialerd_calls_without_row",
            "Live calls of ours of which the database knows neither attempt nor lead.",
            self._calls_without_row(),
        )
        yield from self._connections()

    def _connections(self) -> Iterator[Metric]:
        says = "Connections to the database, by pool (claims, records of calls, vital signs): in_use, idle."
        connections = GaugeMetricFamily("dialerd_database_connections", says, labels=["pool", "state"])
        most = GaugeMetricFamily(
            "dialerd_database_connections_set", "Most connections that the pool may open.", labels=["pool"]
        )
        for name, pool in self._pools().items():
            connections.add_metric([name, "in_use"], pool.in_use)
            connections.add_metric([name, "idle"], pool.open - pool.in_use)
            most.add_metric([name], pool.most)
        yield from (connections, most)


class _Spool(Collector):
    def __init__(
        self, broken: Callable[[], bool], calls: Callable[[], int], free_bytes: Callable[[], int | None]
    ) -> None:
        self._broken = broken
        self._calls = calls
        self._free_bytes = free_bytes

    def collect(self) -> Iterator[Metric]:
        yield _value("dialerd_spool_broken", "1 while the spool folder cannot be written.", self._broken())
        yield _value("dialerd_spool_calls", "Calls whose newest state the database could not take yet.", self._calls())
        yield _value(
            "dialerd_spool_free_bytes",
            "Space left on the disk of the spool folder; missing while it cannot be asked.",
            self._free_bytes(),
        )


class _CallsInFlight(Collector):
    def __init__(self, calls: Callable[[], Sequence[Call]], open_campaigns: set[int]) -> None:
        self._calls = calls
        self._open_campaigns = open_campaigns

    def collect(self) -> Iterator[Metric]:
        """Every state of every open campaign, also the empty ones: a series that vanishes is not a zero."""
        tally = Tally((call.campaign_id, call.state) for call in self._calls())
        campaigns = {campaign for campaign, _ in tally} | self._open_campaigns.copy()
        family = GaugeMetricFamily(
            "dialerd_calls_in_flight", "Calls now, by where they are.", labels=["campaign", "state"]
        )
        for campaign in sorted(campaigns):
            for state in AttemptState:
                if state is not AttemptState.ENDED:
                    family.add_metric([str(campaign), state], tally[campaign, state])
        yield family
