"""Requests that are done once, however often they are sent: the answer to an Idempotency-Key is kept for a day."""

from collections.abc import Mapping
from dataclasses import dataclass

from dialerd.errors import KeyReused, StoreBusy
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("idempotency")


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotencyStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def begin(self, account_id: int, key: str, request: bytes) -> KeptAnswer | None:
        """None: it is the first one, to be done, and then `end`ed or `forgotten`. Raises KeyReused where the key came with another
        request before, StoreBusy while the first one is under way."""
        if await _sql.begin_request(self._pool, account_id=account_id, key=key, request=request):
            return None
        known = await _sql.get_request(self._pool, account_id=account_id, key=key)
        if known is None:
            raise StoreBusy("the first request with this key is just failing: try again in a moment")
        if known["request"] != request:
            raise KeyReused
        if known["status"] is None:
            raise StoreBusy("the first request with this key is still under way: try again in a moment")
        return KeptAnswer(status=known["status"], headers=known["headers"], body=known["body"])

    @store_call
    async def end(self, account_id: int, key: str, answer: KeptAnswer) -> None:
        await _sql.end_request(
            self._pool,
            account_id=account_id,
            key=key,
            status=answer.status,
            headers=dict(answer.headers),
            body=answer.body,
        )

    @store_call
    async def forget(self, account_id: int, key: str) -> None:
        """Nothing was done: the key may come again."""
        await _sql.forget_request(self._pool, account_id=account_id, key=key)

    @store_call
    async def forget_old(self) -> None:
        await _sql.forget_old_requests(self._pool)
