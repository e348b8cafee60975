"""What waits in the database is counted for the metrics, of all accounts, and cheaply."""

import pytest

from dialerd.store import backlog
from dialerd.store.backlog import BacklogStore
from tests.integration.store.scene import Stores

pytestmark = pytest.mark.integration


async def test_where_nothing_waits_that_is_told_as_zero(stores: Stores) -> None:
    counted = await BacklogStore(stores.pool).count()
    assert (counted.webhook_deliveries, counted.jobs) == ({"waiting": 0, "dead": 0}, {})


async def test_deliveries_that_wait_and_dead_letters_are_counted_up_to_a_limit_for_each_webhook(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = (await stores.accounts.get()).id
    for name in ("one", "two"):
        await stores.pool.execute(
            "WITH webhook AS (INSERT INTO webhooks (account_id, name, url, events) VALUES ($1, $2, 'https://crm.test', '{}')"
            " RETURNING id), event AS (INSERT INTO outbox (type, account_id, data) VALUES ('ping', $1, '{}') RETURNING id)"
            " INSERT INTO webhook_deliveries (webhook_id, outbox_id, stream, state, ended_at)"
            " SELECT webhook.id, event.id, 1, state, CASE state WHEN 'waiting' THEN NULL ELSE now() END"
            " FROM webhook, event, unnest('{waiting,waiting,waiting,dead,delivered}'::text[]) AS state",
            account,
            name,
        )
    store = BacklogStore(stores.pool)
    assert (await store.count()).webhook_deliveries == {"waiting": 6, "dead": 2}
    monkeypatch.setattr(backlog, "MOST_WAITING", 2)
    assert (await store.count()).webhook_deliveries == {"waiting": 4, "dead": 2}


async def test_jobs_are_counted_while_they_are_under_way_and_failures_for_an_hour(stores: Stores) -> None:
    account = (await stores.accounts.get()).id
    for kind, state, ended, error in (
        ("leads_upload", "queued", None, None),
        ("leads_upload", "running", None, None),
        ("leads_upload", "done", "1 minute", None),
        ("crm_sync", "failed", "59 minutes", "the CRM does not answer"),
        ("crm_sync", "failed", "61 minutes", "the CRM does not answer"),
    ):
        await stores.pool.execute(
            "INSERT INTO jobs (account_id, kind, state, created_by, error, ended_at)"
            " VALUES ($1, $2, $3::text::job_state, 'test', $4, now() - $5::text::interval)",
            account,
            kind,
            state,
            error,
            ended,
        )
    counted = await BacklogStore(stores.pool).count()
    assert counted.jobs == {("leads_upload", "queued"): 1, ("leads_upload", "running"): 1, ("crm_sync", "failed"): 1}
