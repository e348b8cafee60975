"""What the database was not told, or has forgotten: written from what this daemon knows, and from what Asterisk's channels say.

A database may be away while calls end, and come back without its newest rows. An attempt that was made is written down again; none is
ever made again because its row is missing (law L2).
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import structlog

from dialerd.clock import Clock
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.ports import Attempts, Spool, Telephony
from dialerd.domain.attempts import LostAttempt, OpenCall, PutBack
from dialerd.domain.calls import AttemptState, Call, LiveChannel

log = structlog.get_logger(__name__)

OF_A_LEAD = 4
"""Version of the ids that are drawn for attempts; those of agents' legs are derived from them."""


class LostRows:
    """`without_row` are channels of ours that talk or ring for an attempt which cannot be written down: the lead is gone, too."""

    def __init__(
        self, *, attempts: Attempts, spool: Spool, telephony: Telephony, tracker: CallTracker, clock: Clock, node: str
    ) -> None:
        self._attempts = attempts
        self._spool = spool
        self._telephony = telephony
        self._tracker = tracker
        self._clock = clock
        self._node = node
        self._not_ours: set[UUID] = set()
        self._is_written_back = False
        self.without_row: frozenset[UUID] = frozenset()

    # --- what an earlier life has kept on disk ---

    async def write_back(self, rows: Sequence[OpenCall]) -> bool:
        """Once, before anybody judges what has become of those calls; whether there were any. What cannot be written now is tried
        at the next look."""
        if self._is_written_back:
            return False
        found = self._spool.kept
        open_calls = {row.call.id: row.call for row in rows}
        for kept in found:
            if kept.opted_out:
                await self._attempts.opt_out(kept.id, kept.ended_at or self._clock.now())
            if kept.id in open_calls:
                await self._write(kept.onto(open_calls[kept.id]))
                log.info("kept_call_written_back", attempt=str(kept.id), state=kept.state, outcome=kept.outcome)
            await self._spool.forget(kept.id)
        self._is_written_back = True
        return bool(found)

    async def _write(self, call: Call) -> None:
        if call.state is AttemptState.ENDED:
            await self._attempts.close_attempt(call)
        else:
            await self._attempts.record_progress(call)

    # --- what the database has forgotten ---

    async def put_back_recent(self) -> None:
        """All calls of this life that it may have lost, with all that has become of them."""
        put_back = 0
        for call in self._tracker.recent.in_order:
            became = await self._put_back(LostAttempt.of(call))
            put_back += became is PutBack.PUT_BACK
            if became is not PutBack.NO_LEAD:
                await self._write(call)
        log.info("calls_compared_with_database", calls=len(self._tracker.recent.in_order), put_back=put_back)

    async def put_back_strays(self, rows: Sequence[OpenCall], channels: Mapping[UUID, LiveChannel]) -> bool:
        """Leads' channels of ours that no row and no call of this daemon knows; whether rows were written for some."""
        known = {leg for row in rows for leg in (row.call.id, row.call.kept_leg)}
        strays = [id_ for id_ in channels if id_.version == OF_A_LEAD and id_ not in known | self._not_ours]
        became = {id_: await self._ask(id_) for id_ in strays if not self._tracker.is_tracked(id_)}
        self.without_row = frozenset(id_ for id_, what in became.items() if what is PutBack.NO_LEAD)
        self._not_ours &= channels.keys()
        return PutBack.PUT_BACK in became.values()

    async def _ask(self, channel: UUID) -> PutBack | None:
        lost = await self._telephony.lost_attempt(channel)
        if lost is not None:
            return await self._put_back(lost)
        self._not_ours.add(channel)
        return None

    async def _put_back(self, lost: LostAttempt) -> PutBack:
        became = await self._attempts.put_back(lost, self._node)
        if became is PutBack.PUT_BACK:
            log.warning("lost_attempt_put_back", attempt=str(lost.id), campaign=lost.campaign_id, lead=lost.lead_id)
        elif became is PutBack.NO_LEAD:
            log.error("lost_attempt_has_no_lead", attempt=str(lost.id), campaign=lost.campaign_id, lead=lost.lead_id)
        return became


class NeverPlaced:
    """Tells attempts of this life whose row is there and that were certainly not dialed: the database has written them, and its word
    of it was lost. Whoever opened them has given up, and nobody else may dial them."""

    def __init__(self, tracker: CallTracker) -> None:
        self._tracker = tracker
        self._inherited: frozenset[UUID] | None = None
        """Open attempts of earlier lives and of other daemons. None: nobody has looked yet, so all are."""
        self._asked_for: dict[UUID, Collection[object]] = {}
        """Of each attempt that only its row knows: the claims that were under way when it was first seen, one of which it may be."""

    def note(self, rows: Sequence[OpenCall], node: str) -> None:
        """Before any of other daemons are taken over."""
        before = self._inherited
        self._inherited = frozenset(
            row.call.id for row in rows if before is None or row.node != node or row.call.id in before
        )
        new = {row.call.id for row in rows} - self._inherited
        claims = self._tracker.claims
        self._asked_for = {id_: self._asked_for.get(id_, claims) for id_ in new if id_ not in self._tracker.recent}

    def is_so(self, call: Call) -> bool:
        """To be asked once it can come no more."""
        return call.id in self._asked_for and call.id not in self._tracker.recent

    def may_still_come(self, call: Call) -> bool:
        """As long as one of those claims is under way: its answer is only late."""
        return self.is_so(call) and not self._tracker.claims.isdisjoint(self._asked_for[call.id])
