"""How often one number is called, by whatever campaign: caps, never two calls at once, the lock-out, dial cycles (law L6)."""

from datetime import timedelta
from itertools import pairwise

import pytest

from dialerd.domain.eligibility import Rule
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import BUSY, NOBODY, PERSON, Desk, next_minute, now, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

ECHO = timedelta(milliseconds=100)
"""The far end sees an end a little later than the PBX."""


async def test_campaigns_together_call_a_number_no_more_often_than_the_accounts_cap_says(desk: Desk) -> None:
    await desk.staff("1010", "1011")
    [number] = some(1, BUSY)
    await desk.cli("account", "edit", "--max-calls-24h", "3")
    first = await desk.dial([number], name="first", max_attempts=2, cooloff_s=0)
    await desk.until_completed(first)
    second = await desk.dial([number], name="second", max_attempts=3, cooloff_s=0)
    waiting = await desk.until_lead_waits(second, number, Rule.NUMBER_CAP)
    assert waiting.lead.state is LeadState.RETRY
    assert waiting.not_before is not None
    assert timedelta(hours=23) < waiting.not_before - now() < timedelta(hours=24)
    assert "(rule: number_cap)" in (await desk.explained_lead(second, number))["why"]
    assert len(desk.calls_to(number)) == 3
    await desk.cli("account", "edit", "--max-calls-24h", "4")
    await desk.until_seen(4)
    await desk.until_lead_waits(second, number, Rule.NUMBER_CAP)
    assert len(desk.calls_to(number)) == 4


async def test_two_campaigns_never_call_a_number_at_the_same_time(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010", "1011", "1012")
    leads = some(2, NOBODY)
    campaigns = [
        await desk.dial(order, name=name, ring_timeout_s=5)
        for name, order in (("first", leads), ("second", leads[::-1]))
    ]
    for campaign in campaigns:
        await desk.until_completed(campaign)
    for number in leads:
        calls = desk.calls_to(number)
        assert len(calls) == len(campaigns)
        assert all(later.invite >= earlier.end - ECHO for earlier, later in pairwise(calls))


async def test_after_an_abandoned_call_the_number_is_left_alone_by_every_campaign(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(4, 4))
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    first = await desk.dial([number], name="first", agent_dial_timeout_s=2, customer_wait_sla_s=1)
    assert await desk.until_outcome(number) is Outcome.ABANDONED
    await desk.until_completed(first)
    await desk.until_silent()
    await lab.agent_behaviour("1010", "answer")
    second = await desk.dial([number], name="second")
    waiting = await desk.until_lead_waits(second, number, Rule.ABANDON_LOCKOUT)
    assert waiting.not_before is not None
    assert timedelta(hours=71) < waiting.not_before - now() < timedelta(hours=72)
    assert "(rule: abandon_lockout)" in (await desk.explained_lead(second, number))["why"]
    assert len(desk.calls_to(number)) == 1
    await desk.cli("account", "edit", "--abandon-lockout", "0")
    await desk.until_completed(second)
    assert await desk.outcomes_of(second) == [Outcome.CONNECTED]


@pytest.mark.timeout(200)
async def test_with_one_dial_cycle_the_list_is_passed_once_and_again_after_the_reset(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    leads = some(5, BUSY)
    campaign = await desk.campaign(leads, max_attempts=3, cooloff_s=0)
    resets = next_minute(20)
    await desk.edit("--dial-cycles", "1", "--dial-cycles-time", f"{resets:%H:%M}")
    await desk.start(campaign)
    for number in leads:
        waiting = await desk.until_lead_waits(campaign, number, Rule.DIAL_CYCLES)
        assert waiting.not_before == resets
    assert "(rule: dial_cycles)" in (await desk.explained_lead(campaign, leads[0]))["why"]
    await desk.until_seen(2 * len(leads), timeout_s=100)
    for number in leads:
        await desk.until_lead_waits(campaign, number, Rule.DIAL_CYCLES)
        before, after = desk.calls_to(number)
        assert before.invite < resets < after.invite
    await desk.judge(campaign, agents=agents)
