"""Two daemons on one database: each campaign is dialed by one of them, and nobody is called twice (laws L2 and L8)."""

import sys
from collections.abc import AsyncIterator
from signal import SIGKILL

import pytest
import pytest_asyncio

from dialerd.domain.calls import AttemptState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.conftest import LOG_TAIL, as_url
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, QUEUE, Desk, some
from tests.daemon import Daemon, running_daemon
from tests.lab import FOR_EVER, Lab

pytestmark = pytest.mark.acceptance

AGENTS = tuple(str(1010 + index) for index in range(6))
QUICK = {
    "DIALERD_DIALER__LEASE_DURATION": "5s",
    "DIALERD_DIALER__RESCUE_AFTER": "10s",
    "DIALERD_DIALER__RESYNC_INTERVAL": "2s",
}
"""Sooner than usual to give another daemon up."""


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    async with running_daemon(
        lab, DIALERD_DATABASE__DSN=as_url(database), DIALERD_DIALER__NODE_ID="one", **QUICK
    ) as daemon:
        yield daemon
        sys.stderr.write(daemon.log.read_text(encoding="utf-8")[-LOG_TAIL:])


@pytest_asyncio.fixture
async def other(lab: Lab, daemon: Daemon, database: str) -> AsyncIterator[Daemon]:
    """A second daemon on the same database and the same PBX."""
    name = {"DIALERD_DIALER__NODE_ID": "other", "DIALERD_ARI__APP": "dialerd-other"}
    async with running_daemon(lab, DIALERD_DATABASE__DSN=as_url(database), **name, **QUICK) as other:
        yield other
        sys.stderr.write(other.log.read_text(encoding="utf-8")[-LOG_TAIL:])


async def test_each_campaign_is_dialed_by_one_daemon_and_no_lead_twice(desk: Desk, other: Daemon, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    numbers = some(40, [0, 50, 51, 80])
    parts = [numbers[index::4] for index in range(4)]
    campaigns = [
        await desk.campaign(part, name=f"list {index}", calls_per_second=3) for index, part in enumerate(parts)
    ]
    for campaign in campaigns:
        await desk.start(campaign)
    for campaign in campaigns:
        await desk.until_completed(campaign)
    for part in parts:
        nodes = {row["node"] for number in part for row in await desk.attempts(number)}
        assert len(nodes) == 1
    assert sorted(call.dialed for call in lab.calls("lead")) == sorted(number[1:] for number in numbers)
    for campaign in campaigns:
        evidence = await desk.evidence(campaign, agents=agents)
        assert {attempt.outcome for attempt in evidence.attempts} <= {"connected", "busy", "invalid_number"}


async def test_when_a_daemon_dies_the_other_goes_on_with_its_campaign(desk: Desk, other: Daemon, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    await other.stop()
    leads = some(60, BUSY)
    campaign = await desk.dial(leads, calls_per_second=3)
    await desk.until_seen(3)
    await other.start()
    await desk.daemon.stop(SIGKILL)
    await desk.until_at_rest_but_for(campaign, "one")
    nodes = [row["node"] for number in leads for row in await desk.attempts(number)]
    assert set(nodes) == {"one", "other"}
    await desk.each_was_dialed_once(leads, in_doubt=1)
    await desk.judge(campaign, agents=agents, but={"L7"})  # what was just being dialed waits for its own daemon


async def test_the_calls_that_a_dead_daemon_left_in_flight_are_accounted_for_by_the_other(
    desk: Desk, other: Daemon, lab: Lab
) -> None:
    """A lead whose phone rang as the daemon died is served by the dialplan; what became of it must not stay open for ever."""
    agents = await desk.staff(*AGENTS)
    await other.stop()
    await lab.set_fates(long_ring_s=FOR_EVER)
    [ringer] = some(1, LONG_RING)
    campaign = await desk.dial([ringer], ring_timeout_s=120)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await other.start()
    await desk.daemon.stop(SIGKILL)
    await lab.pick_up(ringer)
    await desk.until_completed(campaign, timeout_s=40)
    assert await desk.until_outcome(ringer) in {Outcome.UNKNOWN, Outcome.CONNECTED}
    assert len(desk.calls_to(ringer)) == 1
    await desk.judge(campaign, agents=agents, but={"L7"})


async def test_a_second_daemon_of_the_same_name_refuses_to_start(desk: Desk, lab: Lab, database: str) -> None:
    settings = {"DIALERD_DATABASE__DSN": as_url(database), "DIALERD_DIALER__NODE_ID": "one"}
    with pytest.raises(RuntimeError, match="another daemon called one is connected to this database"):
        async with running_daemon(lab, **settings):
            pass
    assert await desk.daemon.is_ready()


async def test_a_name_is_free_again_once_its_daemon_was_killed(desk: Desk, lab: Lab) -> None:
    await lab.queue_add(QUEUE, "1010")
    await desk.daemon.stop(SIGKILL)
    await desk.daemon.start()
    campaign = await desk.dial(some(2, [50]))
    await desk.until_completed(campaign, timeout_s=PATIENCE_S)
