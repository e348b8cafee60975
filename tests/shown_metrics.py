"""Every series that dialerd may show, with at least one value each: what its documents, rules and dashboards are compared with."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from dialerd.api.metrics import WebMetrics
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
    CampaignHeld,
    CampaignPace,
    CardAnswered,
    Fact,
    LeadPassedOver,
    LeadsHeld,
    RecordingLookedAt,
)
from dialerd.domain.calls import AnsweredBy, DialMode
from dialerd.domain.eligibility import Rule
from dialerd.domain.offers import OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.metrics import MAX_MENU_RESULTS, Metrics, PoolUse
from tests.factories import NOON, a_call, a_connected_call, a_queue, later

STOPPED = 0.0
"""A clock that stands still."""


def everything_of(campaign: int) -> Iterator[Fact]:
    """All that can happen in a campaign, in every way that it can happen."""
    for mode in DialMode:
        yield CallPlaced(campaign_id=campaign, dial_mode=mode, decision_s=0.002)
        for outcome in Outcome:
            yield CallEnded(campaign_id=campaign, dial_mode=mode, outcome=outcome, call=a_call(campaign_id=campaign))
    for number in range(MAX_MENU_RESULTS + 5):
        yield _ended(campaign, menu_result=f"choice_{number}")
    for heard in AnsweredBy:
        yield _ended(campaign, answered_by=heard)
    yield AgentRinging(campaign_id=campaign, after_answer_s=0.1)
    yield CallConnected(campaign_id=campaign, after_answer_s=1.4, bridged_in_s=0.003)
    yield AgentHeld(campaign_id=campaign, waited_s=12.5)
    for answer in OfferState:
        yield CardAnswered(campaign_id=campaign, answer=answer)
    for rule in Rule:
        yield LeadPassedOver(campaign_id=campaign, rule=rule)
    yield LeadsHeld(campaign_id=campaign, leads={**dict.fromkeys(Rule, 2), "cooloff": 7}, due=40)
    yield CampaignHeld(campaign_id=campaign, reason=HoldReason.PACE)
    yield AbandonmentCounted(
        campaign_id=campaign, answered=200, in_time=190, abandoned=6, rate=0.03, cap=0.03, latched=True
    )


def _ended(campaign: int, **changes: object) -> CallEnded:
    call = a_connected_call(
        campaign_id=campaign,
        ringing_at=NOON,
        answered_at=later(8),
        connected_at=later(10),
        ended_at=later(70),
        **changes,
    )
    return CallEnded(campaign_id=campaign, dial_mode=call.dial_mode, outcome=Outcome.CONNECTED, call=call)


def everything() -> Iterator[Fact]:
    yield from everything_of(1)
    yield RecordingLookedAt(stored=True)
    yield CallsRescued(adopted=2, lost=1)
    jobs = {("leads_upload", "running"): 1, ("crm_sync", "failed"): 2}
    yield BacklogCounted(webhook_deliveries={"waiting": 12, "dead": 1}, jobs=jobs)


def watched(metrics: Metrics) -> Metrics:
    """All that is asked at a scrape, with a figure each."""
    counters = {"events": 5, "reconnects": 0, "timeouts": 0, "malformed": 2, "overflows": 0, "orphan_replies": 0}
    metrics.watch_link(
        "ami", is_up=lambda: True, counters=lambda: counters, backlog=lambda: 3, round_trip_s=lambda: 0.001
    )
    metrics.note_lag("ami", 0.001)
    metrics.note_turn(0.001)
    metrics.watch_readiness(lambda: {"database": True, "ami": "login refused"})
    metrics.watch_calls(lambda: [a_call()])
    pace = CampaignPace(campaign_id=1, calls_per_second=5.0, concurrency=20, lease_held=True)
    metrics.watch_campaigns(lambda: [pace])
    metrics.watch_queues(lambda: [a_queue()], now=lambda: STOPPED)
    trunks = Trunks({"carrier": 20.0}, now=STOPPED)
    metrics.watch_trunks(lambda: trunks.all)
    metrics.watch_loop(lambda: 0.0)
    metrics.watch_database(
        clock_difference=lambda: timedelta(seconds=-1.5),
        round_trip_s=lambda: 0.002,
        calls_without_row=lambda: 0,
        pools=lambda: {"claims": PoolUse(open=4, in_use=1, most=10)},
    )
    metrics.watch_spool(broken=lambda: False, calls=lambda: 0, free_bytes=lambda: 2**33)
    metrics.watch_transactions(lambda: 0.0)
    metrics.watch_draining(lambda: False)
    return metrics


async def all_shown() -> CollectorRegistry:
    """Of a daemon that runs the web server, too."""
    metrics = watched(Metrics())
    for fact in everything():
        metrics.observe(fact)
    await WebMetrics(metrics.registry).measure(_answers, {"type": "http", "method": "GET"}, _nothing, _send)
    return metrics.registry


async def _answers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def _nothing() -> Message:
    return {}


async def _send(_: Message) -> None:
    pass
