"""All at a glance, over REST."""

import httpx
import pytest

from dialerd.domain.campaigns import CampaignAction, CampaignSettings
from dialerd.store.stores import Stores
from tests.factories import a_new_lead
from tests.integration.store import scene

pytestmark = pytest.mark.integration

STATUS = "/api/v1/status"


async def a_dialed_campaign(stores: Stores) -> int:
    """With one call in flight."""
    made = await stores.campaigns.create(CampaignSettings(name="Summer", queue="sales"))
    await stores.leads.add(made.id, [a_new_lead()])
    campaign = await stores.campaigns.act(made.id, CampaignAction.START)
    await stores.nodes.register("one", "1.2")
    lease = await stores.campaigns.take_lease(made.id, node="one", duration=scene.LEASE)
    assert lease is not None
    assert (await stores.attempts.open_next(campaign, lease)).opened
    return made.id


async def test_campaigns_daemons_and_database_are_told_at_once(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign = await a_dialed_campaign(stores)
    await stores.campaigns.create(CampaignSettings(name="a draft", queue="sales"))
    await stores.campaigns.create(
        CampaignSettings(name="theirs", queue="sales"), account=(await stores.accounts.create("elsewhere")).name
    )
    told = (await owner.get(STATUS)).json()
    [line] = told["items"]
    assert (line["id"], line["in_flight"], line["dialed_by"], line["last_hour"]["placed"]) == (campaign, 1, "one", 1)
    counted = {status: count for status, count in told["campaigns"].items() if count}
    assert (counted, told["in_flight"], told["next"]) == ({"draft": 1, "running": 1}, 1, None)
    assert [(node["id"], node["campaigns"], node["open_calls"]) for node in told["nodes"]] == [("one", 1, 1)]
    assert abs(told["database"]["clock_ahead_s"]) < 60
    assert told["database"]["oldest_transaction_s"] >= 0


async def test_where_nothing_is_nothing_is_told(owner: httpx.AsyncClient) -> None:
    told = (await owner.get(STATUS)).json()
    assert (told["items"], told["nodes"], told["in_flight"], sum(told["campaigns"].values())) == ([], [], 0, 0)
