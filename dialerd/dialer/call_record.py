"""Asks the store what a call needs of it, and lets the row follow the call. Neither delays what the PBX is told."""

import asyncio
from collections.abc import Callable
from typing import assert_never
from uuid import UUID

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import Attempts, Cards, Publish, Spool
from dialerd.dialer.tracked_call import StoreCommand, TrackedCall
from dialerd.domain.activity import CallEnded
from dialerd.domain.attempts import KeptCall
from dialerd.domain.calls import (
    AskToDial,
    AttemptState,
    Call,
    CallEvent,
    CardOffered,
    Cleared,
    Forbidden,
    NobodyToOffer,
    NoteOptOut,
    OfferCard,
    WithdrawCard,
)
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

STORE_RETRY_S = 1.0


class CallRecord:
    """`feed` takes what the store says; `spoken_for` names the agents whom another call waits for."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        cards: Cards,
        spool: Spool,
        clock: Clock,
        publish: Publish,
        feed: Callable[[UUID, CallEvent], None],
        spoken_for: Callable[[UUID], frozenset[str]],
    ) -> None:
        self._attempts = attempts
        self._cards = cards
        self._spool = spool
        self._clock = clock
        self._publish = publish
        self._feed = feed
        self._spoken_for = spoken_for

    # --- asking ---

    async def ask(self, tracked: TrackedCall) -> None:
        """What the call wants to know or to have done of the store, until it has ended."""
        while tracked.call.state is not AttemptState.ENDED or not tracked.asked.empty():
            for command in await tracked.asked.get():
                try:
                    await self._ask_store(tracked.call, command)
                except DialerdError as trouble:
                    log.warning("store_not_asked", command=type(command).__name__, why=str(trouble))
                    if isinstance(command, NoteOptOut):
                        await self._keep(tracked, tracked.call)
                    self._make_up_for(tracked, command)

    async def _ask_store(self, call: Call, command: StoreCommand) -> None:
        match command:
            case AskToDial() if call.state is AttemptState.PREPARING:
                allowed = await self._attempts.begin_dialing(call)
                self._feed(call.id, Cleared() if allowed else Forbidden())
            case OfferCard(offer) if call.state in _BEFORE_AN_AGENT and not call.accepted:
                await self._offer(call, offer)
            case WithdrawCard(offer):
                await self._cards.withdraw(call, offer)
            case NoteOptOut():
                await self._attempts.opt_out(call.id, self._clock.now())
            case AskToDial() | OfferCard():
                pass  # the call has gone on meanwhile
            case _:
                assert_never(command)

    async def _offer(self, call: Call, offer: int) -> None:
        agent = await self._cards.offer(call, offer, but=call.declined | self._spoken_for(call.id))
        self._feed(call.id, NobodyToOffer(offer) if agent is None else CardOffered(offer, agent))

    def _make_up_for(self, tracked: TrackedCall, command: StoreCommand) -> None:
        """While the rules cannot be asked, the lead is not called. A card that could not be offered is offered again; one that
        could not be withdrawn lapses. An opt-out is written again, at the latest with the end of the call."""
        match command:
            case AskToDial():
                self._feed(tracked.call.id, Forbidden())
            case OfferCard(offer):
                self._feed(tracked.call.id, NobodyToOffer(offer))
            case NoteOptOut():
                tracked.later(STORE_RETRY_S, tracked.asked.put_nowait, [command])
            case WithdrawCard():
                pass

    # --- writing ---

    async def write(self, tracked: TrackedCall) -> None:
        """Only the newest state is worth a write; the end is written however long the database is away. Meanwhile it is kept on
        disk, for the next start of the daemon."""
        while tracked.written.state is not AttemptState.ENDED:
            await tracked.moved.wait()
            tracked.moved.clear()
            await self._bring_row_up_to(tracked, tracked.call)

    async def _bring_row_up_to(self, tracked: TrackedCall, call: Call) -> None:
        try:
            if call.state is AttemptState.ENDED:
                await self._close(call)
            elif _written_of(call) != _written_of(tracked.written):
                await self._attempts.record_progress(call)
        except DialerdError as trouble:
            log.warning("row_not_written", state=call.state, why=str(trouble), retry_in_s=STORE_RETRY_S)
            await self._keep(tracked, call)
            await asyncio.sleep(STORE_RETRY_S)
            tracked.moved.set()
        else:
            tracked.written = call
            if tracked.kept is not None:
                await self._spool.forget(call.id)

    async def _keep(self, tracked: TrackedCall, call: Call) -> None:
        """Once for each state."""
        kept = KeptCall.of(call)
        if kept != tracked.kept:
            await self._spool.keep(kept)
            tracked.kept = kept

    async def _close(self, call: Call) -> None:
        step = await self._attempts.close_attempt(call)
        if step is not None and call.outcome is not None:
            log.info("call_ended", outcome=call.outcome, cause=call.cause, lead_becomes=step.event)
            self._publish(
                CallEnded(campaign_id=call.campaign_id, dial_mode=call.dial_mode, outcome=call.outcome, call=call)
            )


_BEFORE_AN_AGENT = frozenset({AttemptState.DIALING, AttemptState.RINGING, AttemptState.ANSWERED})


def _written_of(call: Call) -> tuple[object, ...]:
    """What of a call in flight is worth a write at once."""
    return call.state, call.answered_by, call.menu_node, call.menu_result
