"""Law L5 for the limiters together: the campaign's and the trunk's."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.dialer.pacer import Pacer
from dialerd.dialer.trunks import Trunks
from dialerd.domain.pacing import JITTER_S
from tests.factories import TRUNK
from tests.fakes.clock import virtual_clock, virtual_loop


def a_pacer(*, trunk: float = 100.0, campaigns: tuple[float, ...] = (1.0,), trunks: Trunks | None = None) -> Pacer:
    pacer = Pacer(trunks or Trunks({TRUNK: trunk}, now=0.0))
    for number, rate in enumerate(campaigns, start=1):
        pacer.set_rate(number, rate, now=0.0)
    return pacer


def test_the_first_call_starts_one_interval_after_the_campaign() -> None:
    assert a_pacer(campaigns=(2.0,)).wait(1, now=0.0) == pytest.approx(0.5)


def test_the_slower_limiter_counts() -> None:
    assert a_pacer(trunk=0.5, campaigns=(10.0,)).wait(1, now=0.0) == pytest.approx(2.0)
    assert a_pacer(trunk=10.0, campaigns=(0.5,)).wait(1, now=0.0) == pytest.approx(2.0)


def test_a_call_is_debited_from_both_limiters() -> None:
    pacer = a_pacer(trunk=1.0, campaigns=(0.5, 1.0))
    assert pacer.spend(1, TRUNK, now=10.0) == 0
    assert pacer.wait(1, now=10.0) == pytest.approx(2.0, abs=JITTER_S)
    assert pacer.wait(2, now=10.0) == pytest.approx(1.0, abs=JITTER_S)


def test_a_call_whose_time_has_not_come_is_debited_from_none() -> None:
    pacer = a_pacer(trunk=10.0, campaigns=(1.0,))
    assert pacer.spend(1, TRUNK, now=0.5) == pytest.approx(0.5)
    assert pacer.wait(1, now=1.0) == 0


def test_calls_that_are_being_prepared_go_first() -> None:
    trunks = Trunks({TRUNK: 2.0}, now=0.0)
    pacer = a_pacer(trunks=trunks, campaigns=(20.0, 20.0))
    with trunks.preparing(now=10.0):
        assert pacer.wait(2, now=10.0) == pytest.approx(0.5)
    assert pacer.wait(2, now=10.0) == 0


def test_a_changed_rate_is_measured_from_the_last_call() -> None:
    pacer = a_pacer(campaigns=(1.0,))
    pacer.spend(1, TRUNK, now=10.0)
    pacer.set_rate(1, 0.1, now=10.5)
    assert pacer.wait(1, now=10.5) == pytest.approx(9.5, abs=JITTER_S)
    pacer.set_rate(1, 10.0, now=10.5)
    assert pacer.wait(1, now=10.5) == 0


def test_a_changed_rate_of_the_trunk_holds_for_all_its_campaigns_and_earns_no_burst() -> None:
    trunks = Trunks({TRUNK: 1.0}, now=0.0)
    pacer = a_pacer(trunks=trunks, campaigns=(20.0, 20.0))
    pacer.spend(1, TRUNK, now=10.0)
    trunks.set_most(TRUNK, 0.1, now=10.5)
    assert pacer.wait(2, now=10.5) == pytest.approx(9.5, abs=JITTER_S)
    trunks.set_most(TRUNK, 10.0, now=60.0)
    assert pacer.spend(2, TRUNK, now=60.0) == 0
    assert pacer.wait(1, now=60.0) == pytest.approx(0.1 - JITTER_S)


def test_a_campaign_that_starts_again_begins_without_a_burst() -> None:
    pacer = a_pacer(campaigns=(1.0,))
    pacer.forget(1)
    pacer.set_rate(1, 1.0, now=100.0)
    assert pacer.wait(1, now=100.0) == pytest.approx(1.0)


async def test_whoever_waits_for_a_slot_gets_one_of_its_own() -> None:
    pacer, clock, started = a_pacer(trunk=2.0, campaigns=(100.0, 100.0)), virtual_clock(), []

    async def start(campaign: int) -> None:
        await pacer.slot(campaign, TRUNK, clock)
        started.append(virtual_loop().time())

    await asyncio.gather(*(start(campaign) for campaign in (1, 2, 1, 2)))
    assert started == pytest.approx([0.5, 1.0, 1.5, 2.0], abs=JITTER_S)


def test_a_campaign_that_was_forgotten_while_an_agent_waits_still_keeps_the_pace_of_the_node() -> None:
    pacer = a_pacer(trunk=1.0)
    pacer.forget(1)
    assert pacer.spend(1, TRUNK, now=0.5) == pytest.approx(0.5)
    assert pacer.spend(1, TRUNK, now=1.0) == 0
    assert pacer.spend(1, TRUNK, now=1.0) == pytest.approx(1.0, abs=JITTER_S)


@given(st.lists(st.tuples(st.integers(1, 2), st.floats(0, 3)), max_size=60))
def test_whoever_asks_and_whenever_no_limiter_is_ever_exceeded(asked: list[tuple[int, float]]) -> None:
    pacer = a_pacer(trunk=1.5, campaigns=(1.0, 1.0))
    now, starts = 0.0, []
    for campaign, pause in asked:
        now += pause
        if pacer.spend(campaign, TRUNK, now) == 0:
            starts.append((campaign, now))
    by_campaign = [[at for campaign, at in starts if campaign == wanted] for wanted in (1, 2)]
    for times, rate in [([at for _, at in starts], 1.5), *((times, 1.0) for times in by_campaign)]:
        assert all(later - earlier >= 1 / rate - JITTER_S - 1e-9 for earlier, later in pairwise(times))
