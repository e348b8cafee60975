"""What agents wish to be in the queues, what has become of it, and in which queues they are. Daemons carry it out; rows are all there
is between those who wish and them."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from dialerd.domain.accounts import Account
from dialerd.domain.agent_wishes import (
    CARRIED_OUT_WITHIN,
    Answer,
    Seat,
    ToldWish,
    Wish,
    WishAction,
    WishState,
    problems,
    queues_of,
)
from dialerd.errors import InvalidRequest, NotFound
from dialerd.store.pbx import FRESH_FOR
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("agents")

NOBODY = f"no daemon has carried it out within {CARRIED_OUT_WITHIN.total_seconds():g} s: does one run, and reach its Asterisk?"


class AgentStore:
    """An agent is named by interface (PJSIP/1001)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- for people ---------------------------------------------------------------------------------------------------

    @store_call
    async def seats(self, account_id: int, agent: str) -> Sequence[Seat]:
        """The queues that the agent may serve, by name."""
        rows = _sql.account_queues(self._pool, account_id=account_id, agent=agent, fresh_for=FRESH_FOR)
        return [Seat(**{**row, "campaigns": tuple(row["campaigns"])}) async for row in rows]

    @store_call
    async def wish(
        self, account: Account, agent: str, action: WishAction, *, queue: str | None = None, reason: str = "", by: str
    ) -> ToldWish:
        """`queue` None: all of the account's. Raises InvalidRequest for a queue or a reason that is none of the account's."""
        seats = await self.seats(account.id, agent)
        if found := problems(action, queue, reason, seats=seats, reasons=account.rules.pause_reasons):
            raise InvalidRequest(found)
        wish_id = await _sql.wish(
            self._pool,
            account_id=account.id,
            agent=agent,
            action=action,
            queue=queue,
            queues=queues_of(action, queue, seats),
            reason=reason,
            wished_by=by,
        )
        return await self.told(account.id, agent, wish_id)

    @store_call
    async def told(self, account_id: int, agent: str, wish_id: int) -> ToldWish:
        """The wish as it stands now. Raises NotFound."""
        if row := await self._row(account_id, agent, wish_id):
            return _told(row)
        raise NotFound("wish", wish_id)

    @store_call
    async def last_wish(self, account_id: int, agent: str) -> ToldWish | None:
        row = await self._row(account_id, agent, None)
        return _told(row) if row else None

    async def _row(self, account_id: int, agent: str, wish_id: int | None) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await _sql.told_wish(
            self._pool, account_id=account_id, agent=agent, wish_id=wish_id, within=CARRIED_OUT_WITHIN
        )
        return row

    # --- for the daemon (dialer/ports.py) -----------------------------------------------------------------------------

    @store_call
    async def open_wishes(self, node: str) -> Sequence[Wish]:
        return [_wish(row) async for row in _sql.open_wishes(self._pool, node=node, within=CARRIED_OUT_WITHIN)]

    @store_call
    async def answer(self, wish_id: int, node: str, answer: Answer, why: str = "") -> None:
        await _sql.answer_wish(self._pool, wish_id=wish_id, node=node, answer=answer, why=why)


def _wish(row: asyncpg.Record) -> Wish:
    return Wish(**{**row, "action": WishAction(row["action"]), "queues": tuple(row["queues"])})


def _told(row: asyncpg.Record) -> ToldWish:
    state = WishState(row["state"])
    done_at: datetime | None = row["done_at"]
    return ToldWish(
        id=row["id"],
        agent=row["agent"],
        action=WishAction(row["action"]),
        queue=row["queue"],
        reason=row["reason"],
        by=row["wished_by"],
        wished_at=row["wished_at"],
        state=state,
        done_at=done_at if state is WishState.DONE else None,
        refused=row["why"] or NOBODY if state is WishState.REFUSED else "",
    )
