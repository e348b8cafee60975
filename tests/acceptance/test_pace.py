"""Never more calls a second than set, never more at once, and a change is in force on the next call (law L5)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from dialerd.audit import HELD, Evidence, Span, judge
from dialerd.domain.pacing import HoldReason
from tests.acceptance.desk import BUSY, PERSON, Desk, now, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

AGENTS = tuple(str(1010 + index) for index in range(10))


def between(evidence: Evidence, start: datetime | None, end: datetime | None) -> Evidence:
    """What was decided, and what arrived, in this time."""

    def is_in(moment: datetime) -> bool:
        return (start is None or moment >= start) and (end is None or moment < end)

    return replace(
        evidence,
        calls=[call for call in evidence.calls if is_in(call.invite)],
        attempts=[attempt for attempt in evidence.attempts if is_in(attempt.opened_at)],
    )


def law_5(evidence: Evidence, *, calls_per_second: float = 20.0, concurrency: int = 50) -> str:
    """The verdict, had the campaign been set to these."""
    rules = replace(evidence.rules, calls_per_second=calls_per_second, concurrency=concurrency)
    return judge(replace(evidence, rules=rules))["L5"]


async def test_the_pace_is_kept_in_every_second_and_a_change_is_in_force_at_once(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(some(60, BUSY), calls_per_second=3)
    await desk.until_seen(5)
    slow_until = now()
    await desk.edit("--calls-per-second", "10")
    fast_since = now()
    await desk.until_completed(campaign)
    evidence = await desk.evidence(campaign, agents=agents)
    assert law_5(between(evidence, None, slow_until), calls_per_second=3) == HELD
    assert law_5(between(evidence, fast_since, None), calls_per_second=3) != HELD
    assert law_5(evidence, calls_per_second=10) == HELD


async def test_slowing_down_is_in_force_on_the_next_call(desk: Desk) -> None:
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(some(40, BUSY), calls_per_second=5)
    await desk.until_seen(3)
    await desk.edit("--calls-per-second", "0.5")
    slow_since = now()
    await desk.until_held(campaign, HoldReason.PACE)
    seen = len(desk.lab.calls("lead"))
    await desk.until_seen(seen + 2)
    await desk.act("pause")
    evidence = await desk.evidence(campaign, agents=agents)
    assert law_5(between(evidence, slow_since, None), calls_per_second=0.5) == HELD


async def test_concurrency_is_never_exceeded_and_a_change_is_in_force_at_once(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(some(48, PERSON), concurrency=2)
    await desk.until_seen(2)
    narrow_until = now()
    await desk.edit("--concurrency", "6")
    wide_since = now()
    await desk.until_completed(campaign)
    evidence = await desk.evidence(campaign, agents=agents)
    assert law_5(between(evidence, None, narrow_until), concurrency=2) == HELD
    assert law_5(between(evidence, wide_since, None), concurrency=5) != HELD
    assert law_5(evidence, concurrency=6) == HELD
    await desk.judge(campaign, agents=agents)


async def test_neither_a_pause_nor_a_lull_is_followed_by_a_burst(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    campaign = await desk.dial(some(24, BUSY), calls_per_second=3)
    start = (await desk.overview(campaign)).started_at
    assert start is not None
    await desk.until_seen(2)
    await desk.act("pause")
    paused = now()
    await lab.queue_pause("q1", "1010")
    seen = await settled(lab)
    resumed = now()
    await desk.act("start")
    await desk.until_held(campaign, HoldReason.NO_FREE_AGENT)
    assert len(lab.calls("lead")) == seen
    await lab.queue_pause("q1", "1010", paused=False)
    await desk.until_completed(campaign)
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=paused), Span(start=resumed)])


async def settled(lab: Lab) -> int:
    """How many calls there were when the last one has ended."""
    await lab.wait_for(lab.is_silent)
    return len(lab.calls("lead"))


async def test_campaigns_together_do_not_exceed_what_the_trunk_takes(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    numbers = some(40, BUSY)
    await desk.daemon.stop()
    desk.daemon.environment["DIALERD_TRUNK__MAX_CALLS_PER_SECOND"] = "4"
    await desk.daemon.start()
    campaigns = [await desk.dial(part, name=f"list {part[0]}") for part in (numbers[:15], numbers[15:30])]
    await completed(desk, campaigns)
    evidence = await desk.evidence(campaigns[0], agents=agents)
    assert law_5(evidence, calls_per_second=4) == HELD


async def completed(desk: Desk, campaigns: Sequence[int]) -> None:
    for campaign in campaigns:
        await desk.until_completed(campaign)
