"""Calls start only while all clocks agree that they may: the campaign's, the account's, and each lead's own (law L3)."""

from datetime import timedelta

import pytest

from dialerd.audit import Span
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.eligibility import Rule
from dialerd.domain.leads import LeadState
from dialerd.domain.pacing import HoldReason
from dialerd.domain.timezones import in_zone
from tests.acceptance.desk import (
    BUSY,
    NAME,
    QUEUE,
    Desk,
    closed_hours,
    hours,
    next_minute,
    now,
    open_hours,
    person_lead,
    some,
    zone_far_from_midnight,
)

pytestmark = pytest.mark.acceptance

CALIFORNIA, NEW_YORK, LONDON = "+12135550150", "+12125550150", "+442079460050"
ANY_OF_FIVE_ZONES = "+18675550150"
"""Of the north of Canada, from the Pacific's clocks to Toronto's."""
RING_S = 5
"""The shortest ring timeout there is: windows close this long before their end."""


# --- each lead's own clock --------------------------------------------------------------------------------------------


async def test_dial_by_timezone_calls_where_every_clock_that_may_be_the_leads_is_inside_the_window(desk: Desk) -> None:
    agents = await desk.staff("1010")
    moved, zone = "+12135550151", "America/Los_Angeles"
    file = desk.csv_file(
        ["number", "priority", "first_name", "time_zone"],
        *([number, 0, "Ada", ""] for number in (NEW_YORK, LONDON, ANY_OF_FIVE_ZONES, CALIFORNIA)),
        [moved, 0, "Ben", "America/New_York"],
    )
    await desk.cli(
        *("campaign", "create", NAME, "--queue", QUEUE, "--max-attempts", "1", "--calls-per-second", "10"),
        # It lasts an hour longer than New York is ahead, and is over there.
        *("--lead-window", hours(now() - timedelta(minutes=150), now() + timedelta(minutes=90), zone)),
    )
    await desk.cli("leads", "import", NAME, file)
    await desk.act("start")
    for number in (NEW_YORK, LONDON, ANY_OF_FIVE_ZONES, moved):
        record = await desk.until_lead_waits(1, number, Rule.LEAD_WINDOW)
        assert record.lead.state is LeadState.ACTIVE
        assert record.not_before is not None
        assert record.not_before > now()
    await desk.until_lead_is(1, CALIFORNIA, LeadState.FAILED)
    assert desk.dialed() == [CALIFORNIA]
    told = await desk.explained_lead(1, ANY_OF_FIVE_ZONES)
    [rule] = [said for said in told["rules"] if said["rule"] == Rule.LEAD_WINDOW]
    assert not rule["allows"]
    assert {"America/Vancouver", "America/Toronto"} <= set(rule["facts"]["zones"])
    assert "(rule: lead_window)" in told["why"]
    await desk.judge(1, agents=agents)


async def test_a_lead_whose_zone_nobody_knows_is_not_called_and_says_why(desk: Desk) -> None:
    agents = await desk.staff("1010")
    lost = "+12135550151"
    campaign = await desk.campaign([person_lead(lost, time_zone="Atlantis/Capital"), CALIFORNIA])
    await desk.edit("--lead-window", open_hours("America/Los_Angeles"))
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert desk.dialed() == [CALIFORNIA]
    assert (await desk.lead_states(campaign))[lost] is LeadState.BLOCKED
    assert "(rule: lead_zone)" in (await desk.explained_lead(campaign, lost))["why"]
    # The judge takes every blocked lead for a listed one.
    await desk.judge(campaign, agents=agents, but={"L7"})


async def test_dial_by_schedule_calls_a_lead_on_the_days_after_it_came_that_the_plan_names(desk: Desk) -> None:
    agents = await desk.staff("1010")
    zone = zone_far_from_midnight(["Europe/London", "America/Los_Angeles"])
    today, tomorrow, earlier = (f"{beginning}5{n}" for n in range(3) for beginning in [BEGINNINGS[zone]])
    campaigns = {}
    for number, day, ago in ((today, 0, 1), (tomorrow, 1, 1), (earlier, 0, 3)):
        campaigns[number] = await desk.campaign([number], name=number)
        opens = in_zone(now() - timedelta(hours=ago), zone)
        await desk.edit("--plan-day", f"{day}: {opens:%H:%M}", "--plan-window", "2", name=number)
        await desk.start(campaigns[number])
    await desk.until_completed(campaigns[today])
    waiting = await desk.until_lead_waits(campaigns[tomorrow], tomorrow, Rule.DAY_PLAN)
    assert waiting.not_before is not None
    assert timedelta(hours=21) < waiting.not_before - now() < timedelta(hours=25)
    over = await desk.until_lead_waits(campaigns[earlier], earlier, Rule.DAY_PLAN)
    assert over.lead.state is LeadState.FAILED
    assert desk.dialed() == [today]
    await desk.judge(campaigns[today], agents=agents)


BEGINNINGS = {"Europe/London": "+4420794600", "America/Los_Angeles": "+121355501"}
"""Of fictional numbers there."""


# --- the campaign's and the account's clock ---------------------------------------------------------------------------


@pytest.mark.timeout(200)
async def test_no_call_starts_that_could_still_ring_when_the_schedule_closes(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    campaign = await desk.campaign(some(100, BUSY), calls_per_second=1, ring_timeout_s=RING_S)
    closes = next_minute(20)
    last_start = closes - timedelta(seconds=RING_S)
    await desk.edit("--schedule", hours(now() - timedelta(hours=1), closes))
    start = now()
    await desk.start(campaign)
    await desk.until_held(campaign, HoldReason.OUTSIDE_SCHEDULE, timeout_s=100)
    await desk.until_over(closes + timedelta(seconds=1))
    assert await desk.shown_status() == CampaignStatus.SCHEDULED
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=last_start)])
    assert desk.calls_in_order()[-1].invite > last_start - timedelta(seconds=10)


@pytest.mark.timeout(200)
async def test_when_the_schedule_opens_calls_start_at_once_and_at_the_set_pace(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011", "1012", "1013", "1014", "1015")
    campaign = await desk.campaign(some(60, BUSY), calls_per_second=4)
    opens = next_minute(25)
    await desk.edit("--schedule", hours(opens, opens + timedelta(hours=2)))
    await desk.start(campaign)
    await desk.until_held(campaign, HoldReason.OUTSIDE_SCHEDULE)
    assert await desk.shown_status() == CampaignStatus.SCHEDULED
    assert "it is outside the campaign's schedule until" in await desk.explained()
    await desk.until_seen(6, timeout_s=100)
    await desk.until_shown_as(campaign, CampaignStatus.RUNNING)
    assert await desk.shown_status() == CampaignStatus.RUNNING
    await desk.act("pause")
    first = desk.calls_in_order()[0].invite
    assert first - opens < timedelta(seconds=5)
    await desk.judge(campaign, agents=agents, allowed=[Span(start=opens)])


async def test_the_accounts_business_hours_hold_for_campaigns_without_a_schedule_of_their_own(desk: Desk) -> None:
    await desk.staff("1010")
    [bound], [own] = some(1, [50]), some(1, [51])
    await desk.cli("account", "edit", "--business-hours", closed_hours())
    obedient = await desk.campaign([bound], name="obedient")
    other = await desk.campaign([own], name="other")
    await desk.edit("--schedule", open_hours(), name="other")
    await desk.start(obedient)
    await desk.start(other)
    await desk.until_completed(other)
    await desk.until_held(obedient, HoldReason.OUTSIDE_SCHEDULE)
    assert await desk.shown_status("obedient") == CampaignStatus.SCHEDULED
    assert desk.dialed() == [own]
    await desk.cli("account", "edit", "--business-hours", open_hours())
    await desk.until_completed(obedient)
    assert desk.dialed() == [own, bound]


async def test_an_edit_that_closes_or_opens_the_hours_is_in_force_on_the_next_call(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    leads = some(30, BUSY)
    start = now()
    campaign = await desk.dial(leads, calls_per_second=2)
    await desk.until_seen(2)
    await desk.edit("--schedule", closed_hours())
    closed = now()
    await desk.until_held(campaign, HoldReason.OUTSIDE_SCHEDULE)
    opened = now()
    await desk.edit("--any-time")
    await desk.until_completed(campaign)
    allowed = [Span(start=start, end=closed), Span(start=opened)]
    await desk.judge(campaign, agents=agents, allowed=allowed)
    assert sorted(desk.dialed()) == sorted(leads)


# --- what is told -----------------------------------------------------------------------------------------------------


async def test_leads_that_a_rule_holds_back_are_counted_and_called_once_the_rule_is_taken_away(desk: Desk) -> None:
    agents = await desk.staff("1010")
    leads = [NEW_YORK, "+12125550151", "+12125550152"]
    campaign = await desk.campaign(leads)
    await desk.edit("--lead-window", closed_hours("America/New_York"))
    await desk.start(campaign)
    labels = f'campaign="{campaign}",rule="lead_window"'

    async def are_counted() -> bool:
        return await desk.metric(f"dialerd_leads_held{{{labels}}}") == len(leads)

    await desk.lab.wait_for(are_counted, 40)
    assert await desk.metric(f"dialerd_leads_passed_over_total{{{labels}}}") == len(leads)
    assert "3 wait for lead_window" in await desk.cli("status")
    assert desk.dialed() == []
    await desk.edit("--unset", "lead-window")
    await desk.until_completed(campaign)
    assert sorted(desk.dialed()) == sorted(leads)
    await desk.judge(campaign, agents=agents)
