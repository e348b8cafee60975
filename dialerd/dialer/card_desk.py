"""Lays leads' cards before agents who are free, and hears what the agents say.

An agent answers in a row (the command line, the desktop); the bell says look, and a look every second stands behind it. By then
a card may have lapsed: the store says so, once for each card, whichever came first.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from math import inf

import structlog

from dialerd.clock import Clock, set_within
from dialerd.dialer.ports import Offers, Publish, Queues
from dialerd.domain.activity import CardAnswered
from dialerd.domain.calls import Call, CallEvent, CardAccepted, CardSkipped, OfferLapsed, Wanted
from dialerd.domain.offers import Offer, OfferState
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 1.0
FORGOTTEN_AFTER = timedelta(seconds=10)
"""Beyond a card's time: whatever became of it was told long ago, or is never told."""


class CardDesk:
    """Fulfils the tracker's port Cards. `on_answer` hears what an agent says of a card whose lead is being dialed;
    `on_accept` hears of the others that were accepted; `on_change` is called when an agent is rid of one."""

    def __init__(
        self,
        *,
        offers: Offers,
        queues: Queues,
        clock: Clock,
        publish: Publish,
        node: str,
        on_answer: Callable[[Offer, CallEvent], None],
        on_accept: Callable[[Offer], None],
        on_change: Callable[[], None],
    ) -> None:
        self._offers = offers
        self._queues = queues
        self._clock = clock
        self._publish = publish
        self._node = node
        self._on_answer = on_answer
        self._on_accept = on_accept
        self._on_change = on_change
        self._open: dict[int, Offer] = {}
        self._last_asked: dict[str, float] = {}
        self._bell = asyncio.Event()

    def ring(self) -> None:
        self._bell.set()

    def promised(self) -> Mapping[Wanted, int]:
        """Agents who look at a card whose lead is dialed once they accept. (Calls in flight count for themselves.)"""
        waiting = (offer for offer in self._open.values() if offer.attempt_id is None)
        return Counter(Wanted(offer.queue, offer.agent) for offer in waiting)

    def free_agents(self, queue: str, *, but: Iterable[str] = ()) -> list[str]:
        """Agents of the queue who could look at a card now, who was asked longest ago first."""
        now = self._clock.monotonic()
        busy = {*but, *(offer.agent for offer in self._open.values())}
        free = self._queues.snapshot(queue).free_agents(now) - busy
        return sorted(free, key=lambda agent: (self._last_asked.get(agent, -inf), agent))

    async def offer(self, call: Call, offer: int, *, but: Iterable[str]) -> str | None:
        agents = self.free_agents(call.queue, but=but)
        made = await self._offers.offer_call(call, offer, node=self._node, agents=agents) if agents else None
        return self.laid(made).agent if made else None

    async def withdraw(self, call: Call, offer: int) -> None:
        await self._offers.withdraw(call.id, offer)
        for card in list(self._open.values()):
            if (card.attempt_id, card.ordinal) == (call.id, offer):
                self.forget(card)

    def laid(self, offer: Offer) -> Offer:
        """The card lies before its agent from now on."""
        self._open[offer.id] = offer
        self._last_asked[offer.agent] = self._clock.monotonic()
        return offer

    def forget(self, offer: Offer) -> None:
        """It lies there no more; or the call for which it was accepted has begun, or never will."""
        if self._open.pop(offer.id, None) is not None:
            self._on_change()

    async def run(self) -> None:
        """First what an earlier life of this daemon has laid out. Never ends."""
        while True:
            try:
                self._open.update({offer.id: offer for offer in await self._offers.open_offers(self._node)})
                break
            except DialerdError as trouble:
                log.warning("cards_not_read", why=str(trouble))
                await asyncio.sleep(LOOK_S)
        while True:
            self._bell.clear()
            try:
                await self._look()
            except DialerdError as trouble:
                log.warning("cards_not_read", why=str(trouble))
            await self._pause()

    async def _pause(self) -> None:
        await set_within(self._bell, LOOK_S)

    async def _look(self) -> None:
        for offer in await self._offers.news(self._node):
            log.info("card_answered", offer=offer.id, agent=offer.agent, answer=offer.state)
            self._publish(CardAnswered(campaign_id=offer.campaign_id, answer=offer.state))
            if offer.attempt_id is None and offer.state is OfferState.ACCEPTED:
                self._open[offer.id] = offer  # its agent stays promised until the call has begun
                self._on_accept(offer)
                continue
            if offer.attempt_id is not None and (event := _told(offer)):
                self._on_answer(offer, event)
            self.forget(offer)
        self._forget_the_silent()

    def _forget_the_silent(self) -> None:
        """A card may have been withdrawn though the answer to that was lost."""
        now = self._clock.now()
        for card in list(self._open.values()):
            if card.state is OfferState.OPEN and card.expires_at + FORGOTTEN_AFTER < now:
                self.forget(card)


def _told(offer: Offer) -> CallEvent | None:
    match offer.state:
        case OfferState.ACCEPTED:
            return CardAccepted(offer.agent)
        case OfferState.SKIPPED:
            return CardSkipped(offer.ordinal)
        case OfferState.LAPSED:
            return OfferLapsed(offer.ordinal)
        case _:
            return None
