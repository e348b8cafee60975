"""A trunk that is down costs no lead an attempt: calls that never left are recorded, and the trunk is given time."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.domain.trunk_breaker import LEAST_FAILURES
from dialerd.store.pool import Pool
from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import BUSY, Desk, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

TEMPLATE = "DIALERD_TRUNK__DIAL_TEMPLATE"


@pytest_asyncio.fixture
async def desk(lab: Lab, database: str, pool: Pool) -> AsyncIterator[Desk]:
    """Of a daemon whose trunk Asterisk does not know."""
    # Looks at Asterisk while dials fail take none of them for lost.
    settings = {TEMPLATE: "PJSIP/{digits}@nowhere", "DIALERD_DIALER__RESYNC_INTERVAL": "2s"}
    async with impatient_daemon(lab, database, **settings) as daemon:
        yield Desk(lab, daemon, pool)


async def test_when_the_trunk_refuses_every_call_no_lead_loses_an_attempt_and_the_campaign_is_held(desk: Desk) -> None:
    # A refused dial keeps its agent until it is sure that no channel was made: with as many agents enough fail at once.
    agents = await desk.staff(*(str(extension) for extension in range(1010, 1010 + LEAST_FAILURES + 2)))
    leads = some(30, BUSY)
    campaign = await desk.dial(leads)
    await desk.until_held(campaign, HoldReason.TRUNK_FAILING, timeout_s=60)
    assert "the trunk has refused too many calls" in await desk.explained()
    await desk.pause(campaign)
    await desk.until_no_call_is_open(campaign)
    outcomes = await desk.outcomes_of(campaign)
    assert set(outcomes) == {Outcome.NOT_PLACED}
    assert LEAST_FAILURES <= len(outcomes) < len(leads)
    records = await desk.leads(campaign)
    assert {record.lead.attempts_used for record in records.values()} == {0}
    assert {record.lead.state for record in records.values()} <= {LeadState.ACTIVE, LeadState.RETRY}
    assert desk.dialed() == []
    await desk.daemon.stop()
    desk.daemon.environment[TEMPLATE] = "PJSIP/{digits}@carrier"
    await desk.daemon.start()
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert sorted(desk.dialed()) == sorted(leads)
    await desk.judge(campaign, agents=agents)
