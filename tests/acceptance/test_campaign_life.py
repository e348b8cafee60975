"""A campaign starts by itself at its time, or says everything that keeps it from starting."""

from datetime import datetime, timedelta

import pytest

from dialerd.audit import Span
from dialerd.domain.campaigns import CampaignStatus
from tests.acceptance.desk import NAME, Desk, now, some
from tests.daemon import CommandFailed

pytestmark = pytest.mark.acceptance


async def schedule(desk: Desk) -> datetime:
    """When it is to start: far enough away for this command, and for those that look at it meanwhile, however slowly they start up."""
    starts_at = now() + timedelta(seconds=25)
    await desk.cli("campaign", "schedule", NAME, "--at", starts_at.isoformat())
    return starts_at


async def test_a_scheduled_campaign_starts_by_itself_at_its_time(desk: Desk) -> None:
    agents = await desk.staff("1010")
    campaign = await desk.campaign(some(3, [50]))
    starts_at = await schedule(desk)
    assert await desk.shown_status() == CampaignStatus.SCHEDULED
    assert "it starts by itself at" in await desk.explained()
    await desk.until_completed(campaign)
    assert desk.calls_in_order()[0].invite - starts_at < timedelta(seconds=8)
    await desk.judge(campaign, agents=agents, allowed=[Span(start=starts_at)])


async def test_a_start_that_is_refused_names_every_reason(desk: Desk) -> None:
    await desk.campaign([], queue="nowhere", caller_id_enabled=True)
    await desk.until_queues_are_known()
    for act in (["start"], ["schedule", "--at", (now() + timedelta(days=1)).isoformat()]):
        with pytest.raises(CommandFailed) as refused:
            await desk.cli("campaign", act[0], NAME, *act[1:])
        for reason in ("leads: ", "caller IDs: ", "queue: Asterisk knows no queue nowhere"):
            assert reason in str(refused.value)
    assert await desk.shown_status() == CampaignStatus.DRAFT


async def test_a_campaign_that_cannot_start_at_its_time_says_why_and_starts_once_that_is_mended(desk: Desk) -> None:
    agents = await desk.staff("1010")
    gone, late = some(2, [50])
    campaign = await desk.campaign([gone])
    starts_at = await schedule(desk)
    await desk.cli("leads", "delete", NAME, "--state", "active")
    await desk.until_over(starts_at)
    await desk.until_held(campaign, "start_refused")
    assert "at that time" in (said := await desk.explained())
    assert "leads: the campaign has none yet" in said
    await desk.cli("leads", "import", NAME, desk.csv_file(["number", "priority", "first_name"], [late, 0, "Ben"]))
    await desk.until_completed(campaign)
    assert desk.dialed() == [late]
    # A lead that was deleted is not among those that the judge is shown.
    await desk.judge(campaign, agents=agents, allowed=[Span(start=starts_at)], but={"L7"})


async def test_a_scheduled_campaign_that_was_cancelled_never_starts(desk: Desk) -> None:
    await desk.staff("1010")
    [never], [later] = some(1, [50]), some(1, [51])
    cancelled = await desk.campaign([never])
    starts_at = await schedule(desk)
    await desk.act("cancel")
    await desk.until_over(starts_at)
    await desk.until_completed(await desk.dial([later], name="other"))
    assert desk.dialed() == [later]
    assert (await desk.overview(cancelled)).campaign.status is CampaignStatus.CANCELLED
    for act in ("start", "resume"):
        with pytest.raises(CommandFailed, match="is cancelled"):
            await desk.act(act)
