"""A campaign may say of each outcome what follows: whether the lead is tried again, after how long, and how often."""

from datetime import timedelta
from itertools import pairwise

import pytest

from dialerd.domain.leads import LeadState
from tests.acceptance.desk import Desk, some

pytestmark = pytest.mark.acceptance


async def test_each_outcome_follows_its_own_rule_and_the_others_the_cool_off(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011", "1012")
    busy, nobody, rejected, congested = (some(1, [fate])[0] for fate in (50, 60, 88, 75))
    campaign = await desk.campaign(
        [busy, nobody, rejected, congested], max_attempts=4, cooloff_s=3600, ring_timeout_s=5
    )
    await desk.edit(
        *("--outcome", "busy: delay 2, max 2", "--outcome", "no_answer: final"),
        *("--outcome", "rejected: retry, delay 1, max 3"),
    )
    await desk.start(campaign)
    await desk.until_at_rest(campaign)
    for number in (busy, nobody, rejected):
        await desk.until_lead_is(campaign, number, LeadState.FAILED)
    await desk.until_lead_is(campaign, congested, LeadState.COOLOFF)
    assert {number: len(desk.calls_to(number)) for number in (busy, nobody, rejected, congested)} == {
        busy: 2,
        nobody: 1,
        rejected: 3,
        congested: 1,
    }
    for number, delay_s in ((busy, 2), (rejected, 1)):
        calls = desk.calls_to(number)
        gaps = [later.invite - earlier.end for earlier, later in pairwise(calls)]
        assert all(timedelta(seconds=delay_s - 0.1) <= gap < timedelta(seconds=delay_s + 10) for gap in gaps)
    # The judge knows one cool-off for all outcomes.
    await desk.judge(campaign, agents=agents, but={"L6"})
