import pytest

from dialerd.domain.campaigns import CampaignAction
from dialerd.errors import NotFound
from dialerd.store.crm_sources import CrmSourceStore
from dialerd.store.pool import Pool
from tests.integration.store.scene import Stores

SOURCE = {
    "url": "https://crm.example.com/leads",
    "headers": {"Authorization": "{secret:crm}"},
    "body": [1, {"a": None}],
}
OTHER = {"url": "https://crm.example.com/other"}


@pytest.fixture
def sources(pool: Pool) -> CrmSourceStore:
    return CrmSourceStore(pool)


async def test_a_campaign_has_one_source_and_a_new_one_takes_its_place(stores: Stores, sources: CrmSourceStore) -> None:
    campaign = await stores.a_draft()
    await sources.put(campaign.id, SOURCE)
    await sources.note_sync(campaign.id, SOURCE)
    stored = await sources.get(campaign.id)
    assert stored.source == SOURCE
    assert stored.synced_at is not None
    await sources.put(campaign.id, OTHER)
    stored = await sources.get(campaign.id)
    assert (stored.source, stored.synced_at) == (OTHER, None)


async def test_a_sync_of_a_source_that_was_replaced_meanwhile_is_not_one_of_the_new_one(
    stores: Stores, sources: CrmSourceStore
) -> None:
    campaign = await stores.a_draft()
    await sources.put(campaign.id, OTHER)
    await sources.note_sync(campaign.id, SOURCE)
    assert (await sources.get(campaign.id)).synced_at is None


async def test_a_source_can_be_removed_and_then_there_is_none(stores: Stores, sources: CrmSourceStore) -> None:
    campaign = await stores.a_draft()
    await sources.put(campaign.id, SOURCE)
    await sources.remove(campaign.id)
    with pytest.raises(NotFound):
        await sources.get(campaign.id)
    with pytest.raises(NotFound):
        await sources.remove(campaign.id)


async def test_a_campaign_that_is_not_there_has_no_source(sources: CrmSourceStore) -> None:
    with pytest.raises(NotFound, match="campaign 999"):
        await sources.put(999, SOURCE)
    with pytest.raises(NotFound, match="campaign 999"):
        await sources.remove(999)


async def test_who_looks_later_sees_what_the_source_was_and_became(stores: Stores, sources: CrmSourceStore) -> None:
    campaign = await stores.a_draft()
    await sources.put(campaign.id, SOURCE)
    await sources.put(campaign.id, OTHER)
    await sources.remove(campaign.id)
    lines = await stores.activity.of_campaign(campaign.id)
    changes = [line.details["crm_source"] for line in reversed(lines) if line.fact == "edited"]
    assert changes == [[None, SOURCE], [SOURCE, OTHER], [OTHER, None]]


async def test_a_source_may_be_changed_while_the_campaign_runs(stores: Stores, sources: CrmSourceStore) -> None:
    campaign = await stores.a_draft(leads=1)
    await stores.campaigns.act(campaign.id, CampaignAction.START)
    await sources.put(campaign.id, SOURCE)
    assert (await sources.get(campaign.id)).source == SOURCE
