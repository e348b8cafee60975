"""`dialerd campaign history`: calls over time, of a campaign or of all."""

from dialerd.domain.outcomes import Outcome
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.scene import Stores


async def two_calls(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(2, name="Spring")
    await dialed.dial(Outcome.CONNECTED)
    await dialed.dial(Outcome.BUSY)


def test_calls_are_told_bucket_by_bucket_of_a_campaign_or_of_all(dialerd: Dialerd) -> None:
    dialerd.in_stores(two_calls)
    dialerd.campaign("Quiet")
    placed = {
        campaign: sum(bucket["placed"] for bucket in dialerd("campaign", "history", *campaign, "--json").json)
        for campaign in ((), ("Spring",), ("Quiet",))
    }
    assert placed == {(): 2, ("Spring",): 2, ("Quiet",): 0}
    day = dialerd("campaign", "history", "Spring", "--span", "day", "--json").json
    assert len(day) == 96
    assert set(day[0]) == {"begins_at", "placed", "answered", "connected", "abandoned", "in_flight", "talk_s"}


def test_people_see_a_table_in_the_zone_of_the_account(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--time-zone", "Asia/Tokyo")
    head, *lines = dialerd("campaign", "history").out.splitlines()
    assert head.split() == ["from", "placed", "answered", "connected", "abandoned", "in", "flight", "talking"]
    assert len(lines) == 60
    assert all(" JST" in line for line in lines)


def test_a_campaign_that_is_not_there_is_named(dialerd: Dialerd) -> None:
    assert "there is no campaign Nobody" in dialerd.refused("campaign", "history", "Nobody")
