"""Webhooks: who wants to be told what, what is still on its way to them, and what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dialerd.domain.webhooks import (
    LONGEST_NAME,
    MOST_WEBHOOKS,
    SUBSCRIBABLE,
    Delivery,
    DeliveryState,
    EventType,
    Parcel,
    Webhook,
    WebhookKind,
)
from dialerd.errors import InvalidWebhook, NotFound
from dialerd.store.outbox import event_of
from dialerd.store.pool import Pool, store_call, transaction
from dialerd.store.queries import queries_of

if TYPE_CHECKING:
    import asyncpg

_sql = queries_of("webhooks")

PAGE = 100
BATCH = 1000
LONGEST_ERROR = 300


class WebhookStore:
    """Everything that people ask for is of one account. A URL is judged by who asks (guarded_http)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- people ---

    @store_call
    async def create(
        self,
        account_id: int,
        url: str,
        events: Sequence[EventType],
        *,
        campaign_id: int | None = None,
        name: str = "",
        enabled: bool = True,
    ) -> tuple[str, Webhook]:
        """The secret, which is shown this once, and the webhook. Raises InvalidWebhook."""
        _raise_unless_fit(name, events)
        row = await _sql.create_webhook(
            self._pool,
            account_id=account_id,
            campaign_id=campaign_id,
            name=name,
            url=url,
            events=_each_once(events),
            enabled=enabled,
            most=MOST_WEBHOOKS,
        )
        if row is None:
            raise InvalidWebhook([f"the account has {MOST_WEBHOOKS} webhooks already: remove one first"])
        return row["secret"], await self.get(account_id, row["id"])

    @store_call
    async def list(
        self, account_id: int, *, campaign_id: int | None = None, limit: int = PAGE, after_id: int = 0
    ) -> Sequence[Webhook]:
        """In the order of their ids; the next page comes `after_id` of the last one."""
        return await self._list(account_id, campaign_id=campaign_id, after_id=after_id, page=limit)

    @store_call
    async def get(self, account_id: int, webhook_id: int) -> Webhook:
        """Raises NotFound."""
        found = await self._list(account_id, webhook_id=webhook_id)
        if not found:
            raise NotFound("webhook", webhook_id)
        return found[0]

    async def _list(self, account_id: int, **which: Any) -> Sequence[Webhook]:
        chosen = {"campaign_id": None, "webhook_id": None, "after_id": 0, "page": 1, **which}
        return [_webhook(row) async for row in _sql.list_webhooks(self._pool, account_id=account_id, **chosen)]

    @store_call
    async def edit(
        self,
        account_id: int,
        webhook_id: int,
        *,
        name: str | None = None,
        url: str | None = None,
        events: Sequence[EventType] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """What is None stays. What is on its way is tried again at once. Raises NotFound, InvalidWebhook."""
        async with transaction(self._pool) as connection:
            row = await _sql.lock_webhook(connection, webhook_id=webhook_id, account_id=account_id)
            if row is None:
                raise NotFound("webhook", webhook_id)
            if row["kind"] == WebhookKind.CRM and (name, url, events) != (None, None, None):
                raise InvalidWebhook(["it is that of the campaign's CRM source: change that one (`dialerd crm set`)"])
            if row["kind"] == WebhookKind.WEBHOOK:
                _raise_unless_fit(row["name"] if name is None else name, row["events"] if events is None else events)
            await _sql.edit_webhook(
                connection,
                webhook_id=webhook_id,
                name=row["name"] if name is None else name,
                url=row["url"] if url is None else url,
                events=row["events"] if events is None else _each_once(events),
                enabled=row["enabled"] if enabled is None else enabled,
            )
            await _sql.due_now(connection, webhook_id=webhook_id)
        return await self.get(account_id, webhook_id)

    @store_call
    async def renew_secret(self, account_id: int, webhook_id: int) -> str:
        """The new one, which is shown this once; the old one signs nothing any more. Raises NotFound."""
        secret: str | None = await _sql.renew_secret(self._pool, webhook_id=webhook_id, account_id=account_id)
        if secret is None:
            raise NotFound("webhook", webhook_id)
        return secret

    @store_call
    async def remove(self, account_id: int, webhook_id: int) -> None:
        """With all that is on its way to it. Raises NotFound, InvalidWebhook."""
        webhook = await self.get(account_id, webhook_id)
        if webhook.kind is WebhookKind.CRM:
            raise InvalidWebhook(["it goes with the `results` of the campaign's CRM source: remove them there"])
        await _sql.remove_webhook(self._pool, webhook_id=webhook_id, account_id=account_id)

    @store_call
    async def ping(self, account_id: int, webhook_id: int) -> int:
        """A delivery that tells nothing, tried once by a daemon; its id. Raises NotFound."""
        data = {"text": "this is a test of dialerd"}
        delivery_id: int | None = await _sql.ping(self._pool, webhook_id=webhook_id, account_id=account_id, data=data)
        if delivery_id is None:
            raise NotFound("webhook", webhook_id)
        return delivery_id

    @store_call
    async def deliveries(
        self,
        account_id: int,
        webhook_id: int,
        state: DeliveryState | None = None,
        *,
        limit: int = PAGE,
        after_id: int = 0,
    ) -> Sequence[Delivery]:
        """The oldest first. Raises NotFound."""
        await self.get(account_id, webhook_id)
        return await self._deliveries(account_id, webhook_id, state=state, after_id=after_id, page=limit)

    @store_call
    async def delivery(self, account_id: int, webhook_id: int, delivery_id: int) -> Delivery:
        """Raises NotFound."""
        found = await self._deliveries(account_id, webhook_id, delivery_id=delivery_id)
        if not found:
            raise NotFound("delivery", delivery_id)
        return found[0]

    async def _deliveries(self, account_id: int, webhook_id: int, **which: Any) -> Sequence[Delivery]:
        chosen = {"state": None, "delivery_id": None, "after_id": 0, "page": 1, **which}
        rows = _sql.list_deliveries(self._pool, webhook_id=webhook_id, account_id=account_id, **chosen)
        return [_delivery(row) async for row in rows]

    async def replay(self, account_id: int, webhook_id: int, delivery_id: int | None = None) -> int:
        """Try dead letters again, one or all; how many. Raises NotFound."""
        return await self._of_dead(_sql.replay, account_id, webhook_id, delivery_id)

    async def drop(self, account_id: int, webhook_id: int, delivery_id: int | None = None) -> int:
        """Forget dead letters, one or all; how many. Raises NotFound."""
        return await self._of_dead(_sql.drop_dead, account_id, webhook_id, delivery_id)

    @store_call
    async def _of_dead(self, query: Any, account_id: int, webhook_id: int, delivery_id: int | None) -> int:
        """In batches: there may be many."""
        await self.get(account_id, webhook_id)
        done, some = 0, 1
        while some:
            some = await query(self._pool, webhook_id=webhook_id, delivery_id=delivery_id, batch=BATCH)
            done += some
        if delivery_id is not None and not done:
            raise NotFound("dead letter", delivery_id)
        return done

    # --- the daemon ---

    @store_call
    async def with_due(self) -> Sequence[int]:
        """Webhooks that can be told something now."""
        return [row["id"] async for row in _sql.webhooks_with_due(self._pool)]

    @store_call
    async def take(self, webhook_id: int, *, most: int, lease: timedelta, give_up_after: timedelta) -> Sequence[Parcel]:
        """Deliveries that are this taker's for as long as the lease lasts; no two of one lead."""
        rows = _sql.take_deliveries(
            self._pool, webhook_id=webhook_id, most=most, lease=lease, give_up_after=give_up_after
        )
        return [_parcel(row) async for row in rows]

    @store_call
    async def note_delivered(self, delivery_id: int, status: int) -> None:
        await _sql.note_delivered(self._pool, delivery_id=delivery_id, status=status)

    @store_call
    async def note_failed(
        self,
        delivery_id: int,
        error: str,
        *,
        status: int | None,
        retry_in: timedelta,
        rest: timedelta,
        dead: bool = False,
    ) -> None:
        """It is tried again after a while, unless it is given up; nothing else is told to the webhook while that rests."""
        await _sql.note_failed(
            self._pool,
            delivery_id=delivery_id,
            status=status,
            error=error[:LONGEST_ERROR],
            retry_in=retry_in,
            rest=rest,
            dead=dead,
        )

    @store_call
    async def disable(self, webhook_id: int, why: str) -> None:
        await _sql.disable_webhook(self._pool, webhook_id=webhook_id, why=why)

    @store_call
    async def clean(self, *, give_up_after: timedelta) -> int:
        """A part of what nobody will be told any more; how many."""
        old: int = await _sql.give_up_old(self._pool, give_up_after=give_up_after, batch=BATCH)
        orphans: int = await _sql.remove_orphans(self._pool, batch=BATCH)
        return old + orphans


def _raise_unless_fit(name: str, events: Sequence[str]) -> None:
    """Raises InvalidWebhook."""
    problems = []
    if len(name) > LONGEST_NAME or not name.isprintable():
        problems.append(f"name: up to {LONGEST_NAME} characters that can be printed")
    if not events:
        problems.append("events: name at least one")
    if unknown := [each for each in events if each not in SUBSCRIBABLE]:
        problems.append(f"events: there is no {', '.join(unknown)}; there are {', '.join(SUBSCRIBABLE)}")
    if problems:
        raise InvalidWebhook(problems)


def _each_once(events: Sequence[EventType]) -> list[str]:
    return list(dict.fromkeys(events))


def _webhook(row: asyncpg.Record) -> Webhook:
    webhook = Webhook(**{name: row[name] for name in Webhook.__dataclass_fields__})
    return replace(webhook, kind=WebhookKind(row["kind"]), events=tuple(EventType(each) for each in row["events"]))


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event=event_of(row),
        state=DeliveryState(row["state"]),
        tries=row["tries"],
        due_at=row["due_at"],
        status=row["status"],
        error=row["error"],
        ended_at=row["ended_at"],
    )


def _parcel(row: asyncpg.Record) -> Parcel:
    return Parcel(
        delivery=_delivery(row),
        url=row["url"],
        secret=row["secret"],
        failures=row["failures"],
        over_patience=row["over_patience"],
        crm_source=row["crm_source"],
    )
