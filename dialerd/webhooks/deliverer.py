"""Takes events to webhooks: each at least once, those of one lead one after the other, none of them waiting for another webhook.

Any number of daemons do this at once. A delivery is taken for a while; whoever dies with it in his hands leaves it to the next.
"""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

import structlog

from dialerd.clock import Clock, set_within
from dialerd.domain.webhooks import Parcel, message_of, rest_after, signed_headers
from dialerd.errors import DialerdError
from dialerd.guarded_http.client import Request
from dialerd.webhooks.ports import Deliveries, Events, ForCrm, Refused, Send, Taken

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""Between two looks for what is due; the bell rings sooner."""
PAUSE_S = 0.05
"""After a look, however often the bell rings."""
AT_ONCE = 8
"""Messages to one webhook."""
LEASE = timedelta(seconds=60)
"""Longer than any message takes."""
LONGEST_WEBHOOK_REST = timedelta(minutes=1)
"""A receiver that is back is not left alone for longer, however long it was away."""
CLEAN_S = 60.0
KEEP_DEAD_FOR = timedelta(days=30)


class Deliverer:
    """`chance` is drawn from to spread tries out."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        events: Events,
        send: Send,
        for_crm: ForCrm,
        clock: Clock,
        give_up_after: timedelta,
        keep_for: timedelta,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._deliveries = deliveries
        self._events = events
        self._send = send
        self._for_crm = for_crm
        self._clock = clock
        self._give_up_after = give_up_after
        self._keep_for = keep_for
        self._chance = chance
        self._bell = asyncio.Event()
        self._busy: set[int] = set()

    def ring(self) -> None:
        """There may be something to tell."""
        self._bell.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clean_for_ever(), name="webhooks-clean")
            while True:
                self._bell.clear()
                await self._look(tasks)
                await asyncio.sleep(PAUSE_S)
                await set_within(self._bell, LOOK_S)

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        """A task for each webhook that has something due and is not being told something already."""
        try:
            due = await self._deliveries.with_due()
        except DialerdError as trouble:
            log.warning("webhooks_not_looked_at", why=str(trouble))
            return
        for webhook_id in due:
            if webhook_id not in self._busy:
                self._busy.add(webhook_id)
                tasks.create_task(self._serve(webhook_id), name=f"webhook-{webhook_id}")

    async def _serve(self, webhook_id: int) -> None:
        try:
            while await self.tell(webhook_id):
                pass
        except DialerdError as trouble:
            log.warning("webhook_not_told", webhook=webhook_id, why=str(trouble))
        except Exception:  # what one webhook brings about must end neither the dialing nor the others
            log.exception("webhook_broke", webhook=webhook_id)
        finally:
            self._busy.discard(webhook_id)

    async def tell(self, webhook_id: int) -> bool:
        """Send what is due, some at once. Whether there may be more."""
        parcels = await self._deliveries.take(webhook_id, most=AT_ONCE, lease=LEASE, give_up_after=self._give_up_after)
        results = await asyncio.gather(*map(self._deliver, parcels), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return bool(parcels) and all(results)

    async def _deliver(self, parcel: Parcel) -> bool:
        """Whether it arrived."""
        answer = await self._sent(parcel)
        delivery = parcel.delivery
        told = {"webhook": delivery.webhook_id, "event_id": str(delivery.event.id), "type": delivery.event.type}
        if isinstance(answer, Taken):
            await self._deliveries.note_delivered(delivery.id, answer.status)
            log.debug("webhook_told", **told)
            return True
        log.info("webhook_refused", **told, tries=delivery.tries, why=answer.error)
        await self._put_off(parcel, answer)
        if answer.status == HTTPStatus.GONE:
            await self._deliveries.disable(delivery.webhook_id, "it answered that it is gone for good (410)")
        return False

    async def _put_off(self, parcel: Parcel, refused: Refused) -> None:
        retry_in = max(rest_after(parcel.delivery.tries, chance=self._chance()), refused.after or timedelta(0))
        rest = rest_after(parcel.failures + 1, chance=self._chance())
        await self._deliveries.note_failed(
            parcel.delivery.id,
            refused.error,
            status=refused.status,
            retry_in=min(retry_in, self._give_up_after),
            rest=min(max(rest, refused.after or timedelta(0)), LONGEST_WEBHOOK_REST),
            dead=parcel.over_patience,
        )

    async def _sent(self, parcel: Parcel) -> Taken | Refused:
        try:
            return await self._send(self._request(parcel))
        except DialerdError as unmade:
            return Refused(error=unmade.message)

    def _request(self, parcel: Parcel) -> Request:
        event = parcel.delivery.event
        message = message_of(event)
        if parcel.crm_source is None:
            headers = {"Content-Type": "application/json"}
            request = Request(method="POST", url=parcel.url, headers=headers, body=json.dumps(message).encode())
        else:
            request = self._for_crm(parcel.crm_source, message)
        signed = signed_headers(event, parcel.secret, request.body or b"", now=self._clock.now())
        return Request(method=request.method, url=request.url, headers={**request.headers, **signed}, body=request.body)

    async def _clean_for_ever(self) -> None:
        while True:
            try:
                while await self._clean():
                    pass
            except DialerdError as trouble:
                log.warning("events_not_cleaned", why=str(trouble))
            await asyncio.sleep(CLEAN_S)

    async def _clean(self) -> int:
        """Some of what nobody needs any more; how many."""
        gone = await self._deliveries.clean(give_up_after=self._give_up_after)
        return gone + await self._events.clean(keep_for=self._keep_for, keep_dead_for=KEEP_DEAD_FOR)
