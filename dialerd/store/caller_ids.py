"""The number pools of campaigns, and how often each number was used."""

import re
from collections.abc import Sequence

import asyncpg

from dialerd.domain.caller_id import CallerId, PoolNumber
from dialerd.domain.campaigns import MAX_POOL
from dialerd.errors import InvalidCampaign, NotFound
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("caller_ids")
_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)


class CallerIdStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def of_campaign(self, campaign_id: int) -> Sequence[PoolNumber]:
        """In the order in which they were given."""
        return [pool_number(row) async for row in _sql.list_pool(self._pool, campaign_id=campaign_id)]

    @store_call
    async def replace(self, campaign_id: int, caller_ids: Sequence[CallerId]) -> None:
        """Also while the campaign runs. Raises InvalidCampaign, NotFound.

        A number that stays keeps its count. A new one starts at the least count there is: from zero it would be the
        only one shown until it has caught up.
        """
        raise_for_pool(caller_ids)
        async with transaction(self._pool) as connection:
            if await queries_of("campaigns").lock_campaign_for_edit(connection, campaign_id=campaign_id) is None:
                raise NotFound("campaign", campaign_id)
            uses = {row["number"]: row["uses"] async for row in _sql.empty_pool(connection, campaign_id=campaign_id)}
            fewest = min(uses.values(), default=0)
            await fill_pool(
                connection, campaign_id, caller_ids, {**dict.fromkeys(_numbers(caller_ids), fewest), **uses}
            )


def pool_problems(caller_ids: Sequence[CallerId]) -> list[str]:
    """Everything that is wrong with a number pool, as sentences."""
    numbers = _numbers(caller_ids)
    malformed = [number for number in numbers if not _NUMBER.fullmatch(number)]
    checks = [
        (len(numbers) <= MAX_POOL, f"caller IDs: at most {MAX_POOL} numbers"),
        (len(set(numbers)) == len(numbers), "caller IDs: each number once"),
        (not malformed, f"caller IDs: 3 to 15 digits, with or without a plus sign: {', '.join(malformed)}"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def raise_for_pool(caller_ids: Sequence[CallerId]) -> None:
    if problems := pool_problems(caller_ids):
        raise InvalidCampaign(problems)


async def fill_pool(
    connection: Connection, campaign_id: int, caller_ids: Sequence[CallerId], uses: dict[str, int]
) -> None:
    for caller_id in caller_ids:
        await _sql.add_to_pool(
            connection,
            campaign_id=campaign_id,
            number=caller_id.number,
            name=caller_id.name,
            uses=uses.get(caller_id.number, 0),
        )


def pool_number(row: asyncpg.Record) -> PoolNumber:
    caller_id = CallerId(number=row["number"], name=row["name"])
    return PoolNumber(id=row["id"], caller_id=caller_id, uses=row["uses"])


def _numbers(caller_ids: Sequence[CallerId]) -> list[str]:
    return [caller_id.number for caller_id in caller_ids]
