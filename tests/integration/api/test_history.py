"""Calls over time, over REST."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.domain.outcomes import Outcome
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.store import scene

pytestmark = pytest.mark.integration


async def a_dialed_campaign(pool: Pool, **changes: Any) -> int:
    """With a talk, and with a call that nobody picked up."""
    dialed = await scene.Stores(pool).a_dialed_campaign(2, **changes)
    await dialed.dial(Outcome.CONNECTED)
    await dialed.dial(Outcome.NO_ANSWER)
    return dialed.campaign.id


async def history(client: httpx.AsyncClient, campaign: int | None = None, **query: str) -> httpx.Response:
    path = "/api/v1/history" if campaign is None else f"/api/v1/campaigns/{campaign}/history"
    return await client.get(path, params=query)


@pytest.mark.parametrize(("span", "bucket_s", "buckets"), [("hour", 60, 60), ("day", 900, 96)])
async def test_calls_are_told_in_buckets_without_a_gap(
    owner: httpx.AsyncClient, pool: Pool, span: str, bucket_s: int, buckets: int
) -> None:
    campaign = await a_dialed_campaign(pool)
    told = (await history(owner, campaign, span=span)).json()
    assert (told["span"], told["bucket_s"], len(told["items"])) == (span, bucket_s, buckets)
    begins = [datetime.fromisoformat(each["from"]) for each in told["items"]]
    assert begins == [begins[0] + place * timedelta(seconds=bucket_s) for place in range(buckets)]
    assert {each.utcoffset() for each in begins} == {timedelta(0)}
    sums = {
        name: sum(each[name] for each in told["items"]) for name in ("placed", "answered", "connected", "abandoned")
    }
    assert sums == {"placed": 2, "answered": 1, "connected": 1, "abandoned": 0}
    assert set(told["items"][0]) == {"from", *sums, "in_flight", "talk_s"}


async def test_the_account_is_told_over_all_its_campaigns_and_by_the_minute_where_nothing_is_said(
    owner: httpx.AsyncClient, pool: Pool, stores: Stores
) -> None:
    await stores.accounts.create("acme")
    for name, account in (("Spring", "default"), ("Summer", "default"), ("theirs", "acme")):
        await a_dialed_campaign(pool, name=name, account=account)
    told = (await history(owner)).json()
    assert (told["span"], sum(each["placed"] for each in told["items"])) == ("hour", 4)


async def test_another_span_and_another_campaign_are_refused(owner: httpx.AsyncClient) -> None:
    refused = await history(owner, span="century")
    assert (refused.status_code, "span" in refused.json()["problems"][0]) == (422, True)
    assert (await history(owner, 99)).status_code == 404
