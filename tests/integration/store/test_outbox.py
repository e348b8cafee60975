"""Events are written with what they tell, wait for whoever wants them, and are read once by whoever goes on from where he ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from dialerd.domain.calls import Call
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.outcomes import Outcome
from dialerd.domain.webhooks import SUBSCRIBABLE, DeliveryState, Event, EventType, Parcel
from dialerd.errors import InvalidWebhook, NotFound
from dialerd.store.crm_sources import CrmSourceStore
from dialerd.store.outbox import OutboxStore, tell
from dialerd.store.pool import Connection, transaction
from dialerd.store.webhooks import WebhookStore
from tests.integration.store.scene import Stores
from tests.integration.store.test_ways import a_menu_campaign

URL = "https://example.com/hook"
LEASE = timedelta(seconds=60)
DAY = timedelta(days=1)
SOURCE = {
    "url": "https://crm.example.com/leads",
    "mapping": {"leads_array": "data", "first_name": "name", "number": "phone"},
}
RESULTS = {"url": "https://crm.example.com/results", "mapping": {"said": "data.disposition"}}


@pytest.fixture
def webhooks(stores: Stores) -> WebhookStore:
    return WebhookStore(stores.pool)


@pytest.fixture
def outbox(stores: Stores) -> OutboxStore:
    return OutboxStore(stores.pool)


async def account_of(stores: Stores) -> int:
    return (await stores.accounts.get()).id


async def a_webhook(stores: Stores, *events: EventType, **how: Any) -> int:
    _, webhook = await WebhookStore(stores.pool).create(await account_of(stores), URL, events or SUBSCRIBABLE, **how)
    return webhook.id


async def events_since(outbox: OutboxStore, seen: str) -> Sequence[Event]:
    return [event for _, _, event in await outbox.since(seen, until=(await outbox.now()).snapshot)]


async def take(webhooks: WebhookStore, webhook_id: int, *, most: int = 10) -> Sequence[Parcel]:
    return await webhooks.take(webhook_id, most=most, lease=LEASE, give_up_after=DAY)


async def tell_of(connection: Connection, call: Call, which: str) -> None:
    await tell(
        connection,
        EventType.ATTEMPT_ENDED,
        campaign_id=call.campaign_id,
        lead_id=call.lead_id,
        attempt_id=call.id,
        data={"which": which},
    )


def types_of(parcels: Sequence[Parcel]) -> list[EventType]:
    return [parcel.delivery.event.type for parcel in parcels]


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_a_calls_end_is_told_in_its_own_transaction(stores: Stores, outbox: OutboxStore) -> None:
    dialed = await stores.a_dialed_campaign()
    before = await outbox.now()
    call = await dialed.dial(Outcome.BUSY)
    [event] = await events_since(outbox, before.snapshot)
    assert (event.type, event.campaign_id, event.lead_id, event.attempt_id, event.account) == (
        EventType.ATTEMPT_ENDED,
        call.campaign_id,
        call.lead_id,
        call.id,
        "default",
    )
    assert (event.data["outcome"], event.data["lead_state"], event.data["number"]) == ("busy", "cooloff", call.number)


async def test_what_was_chosen_in_a_menu_is_told_beside(stores: Stores, outbox: OutboxStore) -> None:
    dialed = await a_menu_campaign(stores)
    before = await outbox.now()
    await dialed.dial(Outcome.MENU_CHOICE, menu_result="confirmed")
    ended, menu = await events_since(outbox, before.snapshot)
    assert [ended.type, menu.type] == [EventType.ATTEMPT_ENDED, EventType.MENU_RESULT]
    assert ended.data["menu_result"] == menu.data["menu_result"] == "confirmed"


async def test_what_the_agent_says_is_told_whenever_it_is_said(stores: Stores, outbox: OutboxStore) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.dial(Outcome.CONNECTED, agent="PJSIP/1001")
    before = await outbox.now()
    await stores.dispositions.dispose(call.id, "success", by="anna", note="wants two")
    [event] = await events_since(outbox, before.snapshot)
    assert (event.type, event.data["disposition"], event.data["note"]) == ("disposition.set", "success", "wants two")


async def test_a_campaigns_status_is_told_whoever_changes_it(stores: Stores, outbox: OutboxStore) -> None:
    draft = await stores.a_draft(1)
    before = await outbox.now()
    for action in (CampaignAction.START, CampaignAction.PAUSE):
        await stores.campaigns.act(draft.id, action)
    changes = [(event.data["from"], event.data["to"]) for event in await events_since(outbox, before.snapshot)]
    assert changes == [("draft", "running"), ("running", "paused")]


async def test_a_leads_state_is_told_to_whoever_asks_for_it_and_costs_nothing_else(
    stores: Stores, outbox: OutboxStore, webhooks: WebhookStore
) -> None:
    dialed = await stores.a_dialed_campaign(2)
    before = await outbox.now()
    await dialed.dial(Outcome.BUSY)
    assert EventType.LEAD_STATE_CHANGED not in [each.type for each in await events_since(outbox, before.snapshot)]
    webhook = await a_webhook(stores, EventType.LEAD_STATE_CHANGED)
    call = await dialed.dial(Outcome.INVALID_NUMBER)
    [parcel] = await take(webhooks, webhook)
    event = parcel.delivery.event
    assert (event.type, event.lead_id, event.data["to"]) == (EventType.LEAD_STATE_CHANGED, call.lead_id, "failed")


async def test_what_is_rolled_back_is_not_told(stores: Stores, outbox: OutboxStore, webhooks: WebhookStore) -> None:
    webhook, call = await a_webhook(stores), await (await stores.a_dialed_campaign()).open()
    await stores.pool.execute("DELETE FROM outbox")
    before = await outbox.now()
    async with stores.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await tell_of(connection, call, "nobody")
        await undone.rollback()
    assert await events_since(outbox, before.snapshot) == []
    assert await take(webhooks, webhook) == []


async def test_a_reader_misses_nothing_that_is_committed_out_of_order(stores: Stores, outbox: OutboxStore) -> None:
    """The id of the first is smaller, and is seen only after the second."""
    call = await (await stores.a_dialed_campaign()).open()
    first = await outbox.now()
    async with transaction(stores.pool) as slow:
        await tell_of(slow, call, "slow")
        async with transaction(stores.pool) as quick:
            await tell_of(quick, call, "quick")
        assert [event.data["which"] for event in await events_since(outbox, first.snapshot)] == ["quick"]
        second = await outbox.now()
    assert [event.data["which"] for event in await events_since(outbox, second.snapshot)] == ["slow"]


# --- who is told -------------------------------------------------------------------------------------------------------


async def test_only_what_a_webhook_wants_of_its_campaign_waits_for_it(stores: Stores, webhooks: WebhookStore) -> None:
    first, second = await stores.a_draft(1, name="first"), await stores.a_draft(1, name="second")
    both = await a_webhook(stores)
    of_first = await a_webhook(stores, campaign_id=first.id)
    of_menus = await a_webhook(stores, EventType.MENU_RESULT)
    disabled = await a_webhook(stores, enabled=False)
    await stores.campaigns.act(first.id, CampaignAction.START)
    await stores.campaigns.act(second.id, CampaignAction.START)
    assert [len(await take(webhooks, each)) for each in (both, of_first, of_menus, disabled)] == [2, 1, 0, 0]


async def test_another_accounts_webhook_is_told_nothing_and_is_not_there(
    stores: Stores, webhooks: WebhookStore
) -> None:
    await stores.pool.execute("INSERT INTO accounts (name) VALUES ('other')")
    other = (await stores.accounts.get("other")).id
    _, theirs = await webhooks.create(other, URL, SUBSCRIBABLE)
    await stores.a_dialed_campaign()
    assert await take(webhooks, theirs.id) == []
    mine = await account_of(stores)
    for act in (webhooks.get, webhooks.remove, webhooks.ping, webhooks.renew_secret, webhooks.deliveries):
        with pytest.raises(NotFound, match="webhook"):
            await act(mine, theirs.id)


async def test_two_takers_never_have_the_same_and_a_lead_is_told_in_order(
    stores: Stores, webhooks: WebhookStore
) -> None:
    webhook = await a_webhook(stores, EventType.ATTEMPT_ENDED)
    dialed = await stores.a_dialed_campaign(2, max_attempts=3, cooloff_s=0)
    first = await dialed.dial(Outcome.BUSY)
    await stores.pool.execute(
        "UPDATE leads SET state = 'retry', not_before = NULL, held_by = NULL WHERE state = 'cooloff'"
    )
    again = await dialed.dial(Outcome.NO_ANSWER)
    while again.lead_id != first.lead_id:
        again = await dialed.dial(Outcome.NO_ANSWER)
    taken = await take(webhooks, webhook)
    assert len({parcel.delivery.event.lead_id for parcel in taken}) == len(taken)
    assert await take(webhooks, webhook) == []
    for parcel in taken:
        await webhooks.note_delivered(parcel.delivery.id, 200)
    [later] = await take(webhooks, webhook)
    assert later.delivery.event.attempt_id == again.id


async def test_what_a_dead_daemon_has_taken_comes_again_with_the_same_id(
    stores: Stores, webhooks: WebhookStore
) -> None:
    webhook = await a_webhook(stores, EventType.CAMPAIGN_STATUS_CHANGED)
    await stores.a_dialed_campaign()
    [taken] = await take(webhooks, webhook)
    assert await take(webhooks, webhook) == []
    await stores.pool.execute("UPDATE webhook_deliveries SET due_at = now()")
    [again] = await take(webhooks, webhook)
    assert (again.delivery.event.id, again.delivery.tries) == (taken.delivery.event.id, 2)


async def test_a_failing_webhook_rests_and_all_is_due_when_it_is_back(stores: Stores, webhooks: WebhookStore) -> None:
    webhook = await a_webhook(stores, EventType.ATTEMPT_ENDED)
    dialed = await stores.a_dialed_campaign(4)
    for _ in range(4):
        await dialed.dial(Outcome.BUSY)
    for _ in range(3):
        [parcel, *_] = await take(webhooks, webhook, most=1)
        await webhooks.note_failed(
            parcel.delivery.id, "is away", status=None, retry_in=timedelta(hours=1), rest=timedelta(hours=1)
        )
        assert await webhooks.with_due() == []
        assert await take(webhooks, webhook) == []
        await stores.pool.execute("UPDATE webhooks SET rests_until = now()")
    [probe] = await take(webhooks, webhook)
    assert probe.failures == 3
    await webhooks.note_delivered(probe.delivery.id, 204)
    assert len(await take(webhooks, webhook)) == 3
    shown = await webhooks.get(await account_of(stores), webhook)
    assert (shown.failures, shown.last_error, shown.last_told_at is None) == (0, "", False)


async def test_dead_letters_are_listed_replayed_and_dropped(stores: Stores, webhooks: WebhookStore) -> None:
    account, webhook = await account_of(stores), await a_webhook(stores, EventType.ATTEMPT_ENDED)
    dialed = await stores.a_dialed_campaign(2)
    for _ in range(2):
        await dialed.dial(Outcome.BUSY)
        [parcel] = await take(webhooks, webhook)
        await webhooks.note_failed(parcel.delivery.id, "no", status=500, retry_in=DAY, rest=timedelta(0), dead=True)
    first, second = await webhooks.deliveries(account, webhook, DeliveryState.DEAD)
    assert (first.status, first.error, first.tries) == (500, "no", 1)
    assert await webhooks.replay(account, webhook, first.id) == 1
    assert [parcel.delivery.id for parcel in await take(webhooks, webhook)] == [first.id]
    assert await webhooks.drop(account, webhook) == 1
    with pytest.raises(NotFound, match="dead letter"):
        await webhooks.replay(account, webhook, second.id)


async def test_what_waits_beyond_all_patience_dies_though_it_was_never_tried(
    stores: Stores, webhooks: WebhookStore
) -> None:
    account, webhook = await account_of(stores), await a_webhook(stores, EventType.CAMPAIGN_STATUS_CHANGED)
    await stores.a_dialed_campaign()
    await webhooks.disable(webhook, "it is gone")
    assert (await webhooks.get(account, webhook)).disabled_why == "it is gone"
    assert await webhooks.clean(give_up_after=DAY) == 0
    await stores.pool.execute("UPDATE webhook_deliveries SET since = now() - interval '2 days'")
    assert await webhooks.clean(give_up_after=DAY) == 1
    [dead] = await webhooks.deliveries(account, webhook, DeliveryState.DEAD)
    assert "took nothing" in dead.error


async def test_a_removed_webhook_leaves_nothing_behind(stores: Stores, webhooks: WebhookStore) -> None:
    webhook = await a_webhook(stores)
    await stores.a_dialed_campaign()
    await webhooks.remove(await account_of(stores), webhook)
    assert await webhooks.clean(give_up_after=DAY) == 1
    assert await stores.pool.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def test_events_are_kept_for_their_time_and_until_they_are_told(
    stores: Stores, outbox: OutboxStore, webhooks: WebhookStore
) -> None:
    webhook = await a_webhook(stores, EventType.CAMPAIGN_STATUS_CHANGED)
    dialed = await stores.a_dialed_campaign()
    await dialed.dial(Outcome.BUSY)
    how = {"keep_for": DAY, "keep_dead_for": DAY}
    assert await outbox.clean(**how) == 0
    await stores.pool.execute("UPDATE outbox SET at = now() - interval '2 days'")
    assert await outbox.clean(**how) == 1  # the call's end, which nobody waits for
    [parcel] = await take(webhooks, webhook)
    await webhooks.note_delivered(parcel.delivery.id, 200)
    assert await outbox.clean(**how) == 1


async def test_a_webhook_that_makes_no_sense_is_refused_with_everything_that_is_wrong(
    stores: Stores, webhooks: WebhookStore
) -> None:
    with pytest.raises(InvalidWebhook) as refused:
        await webhooks.create(await account_of(stores), URL, [EventType.PING], name="\n")
    assert len(refused.value.problems) == 2
    with pytest.raises(InvalidWebhook, match="at least one"):
        await webhooks.create(await account_of(stores), URL, [])


# --- the CRM -----------------------------------------------------------------------------------------------------------


async def test_a_crm_source_that_names_where_results_go_makes_a_webhook_that_comes_and_goes_with_it(
    stores: Stores, webhooks: WebhookStore
) -> None:
    account, sources = await account_of(stores), CrmSourceStore(stores.pool)
    dialed = await stores.a_dialed_campaign(2)
    campaign = dialed.campaign.id
    await sources.put(campaign, SOURCE)
    assert await webhooks.list(account) == []
    await sources.put(campaign, {**SOURCE, "results": RESULTS})
    [webhook] = await webhooks.list(account)
    assert (webhook.kind, webhook.campaign_id, webhook.url) == ("crm", campaign, RESULTS["url"])
    call = await dialed.dial(Outcome.BUSY)
    [parcel] = await take(webhooks, webhook.id)
    assert types_of([parcel]) == [EventType.ATTEMPT_ENDED]  # the campaign's status is nothing to the CRM
    assert (parcel.delivery.event.attempt_id, parcel.crm_source) == (call.id, {**SOURCE, "results": RESULTS})
    with pytest.raises(InvalidWebhook, match="CRM source"):
        await webhooks.remove(account, webhook.id)
    with pytest.raises(InvalidWebhook, match="CRM source"):
        await webhooks.edit(account, webhook.id, url=URL)
    await sources.remove(campaign)
    assert await webhooks.list(account) == []


async def test_the_crm_is_told_what_a_daemon_of_the_version_before_writes_down(
    stores: Stores, outbox: OutboxStore
) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    before = await outbox.now()
    await stores.pool.execute(
        "INSERT INTO crm_results (campaign_id, lead_id, attempt_id, result) VALUES ($1, $2, $3, $4)",
        *(call.campaign_id, call.lead_id, call.id, {"outcome": "busy"}),
    )
    [event] = await events_since(outbox, before.snapshot)
    assert (event.type, event.data) == (EventType.ATTEMPT_ENDED, {"outcome": "busy"})
