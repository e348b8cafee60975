"""Which numbers there are to show: the pools of campaigns, the account's main numbers, the numbers of queues.

Beside them stands what keeps a number from being shown: its rest, its daily cap, and the beginnings that an account allows
for a country. Whatever is changed here is in force on the next call, and leads that had to wait for a number are judged anew.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg

from dialerd.domain.accounts import Limits
from dialerd.domain.caller_id import (
    LONGEST_NAME,
    CallerId,
    CallerIdType,
    PoolEntry,
    PoolNumber,
    Prefixes,
    is_name,
    is_number,
    is_prefix,
)
from dialerd.domain.phone import is_region
from dialerd.domain.timezones import in_zone
from dialerd.errors import InvalidAccount, InvalidCampaign, NotFound
from dialerd.store.activity import Line, write_line
from dialerd.store.campaign_lock import lock_campaign
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("caller_ids")

_QUEUE = re.compile(r"[A-Za-z0-9_-]{2,40}", re.ASCII)
HIGHEST_CAP = 1_000_000
MAX_POOL = Limits().max_pool
"""Of an account that has set no limit of its own."""


class CallerIdStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- the pool of a campaign -----------------------------------------------------------------------------------------

    @store_call
    async def of_campaign(self, campaign_id: int) -> Sequence[PoolNumber]:
        """In the order in which they were given. Raises NotFound."""
        row = await _sql.get_pool(self._pool, campaign_id=campaign_id)
        if row is None:
            raise NotFound("campaign", campaign_id)
        today = in_zone(row["now"], row["time_zone"]).date()
        return [pool_number(values, today) for values in row["pool"] or ()]

    @store_call
    async def replace(self, campaign_id: int, caller_ids: Sequence[CallerId | PoolEntry]) -> None:
        """Also while the campaign runs. Raises InvalidCampaign, NotFound.

        A number that stays keeps its count, its turn, its cap and its rest.
        """
        async with transaction(self._pool) as connection:
            await lock_campaign(connection, campaign_id)
            raise_for_pool(caller_ids, await _sql.max_pool(connection, campaign_id=campaign_id))
            before = {row["number"]: row async for row in _sql.empty_pool(connection, campaign_id=campaign_id)}
            await fill_pool(connection, campaign_id, caller_ids, before)
            places = sorted(before, key=lambda number: int(before[number]["id"]))
            await _note_change(connection, campaign_id, "caller_ids", places, _numbers(caller_ids))

    async def set_cap(self, campaign_id: int, number: str, daily_cap: int | None) -> None:
        """Most calls a day that show the number; None takes the cap away. Raises InvalidCampaign, NotFound."""
        await self.edit_number(campaign_id, number, {"daily_cap": daily_cap})

    async def rest(self, campaign_id: int, number: str, until: datetime | None) -> None:
        """Show the number in no call of the campaign until then; None wakes it. Raises NotFound."""
        await self.edit_number(campaign_id, number, {"resting_until": until})

    @store_call
    async def edit_number(self, campaign_id: int, number: str, changes: Mapping[str, Any]) -> None:
        """What of `daily_cap` and `resting_until` is named, in one go. Raises InvalidCampaign, NotFound."""
        _raise_for_caps([changes.get("daily_cap")])
        async with transaction(self._pool) as connection:
            row = await _lock_number(connection, campaign_id, number)
            for name, write in _OF_NUMBER.items():
                if name in changes:
                    await write(connection, row, changes[name])

    # --- the account's main numbers -------------------------------------------------------------------------------------

    @store_call
    async def account_numbers(self, account_id: int) -> Sequence[CallerId]:
        return [CallerId(**row) async for row in _sql.list_account_numbers(self._pool, account_id=account_id)]

    @store_call
    async def add_account_number(self, account_id: int, caller_id: CallerId) -> None:
        """Or give it another name, also in the pools that show it. Raises InvalidAccount."""
        _raise_for_account(_malformed([caller_id]))
        await _sql.add_account_number(self._pool, account_id=account_id, number=caller_id.number, name=caller_id.name)

    @store_call
    async def remove_account_number(self, account_id: int, number: str) -> None:
        """Raises NotFound, and InvalidAccount while a campaign that is not over shows it as the account's."""
        which = {"account_id": account_id, "number": number}
        async with transaction(self._pool) as connection:
            if await _sql.lock_account_number(connection, **which) is None:
                raise NotFound("main number of the account", number)
            campaigns = [row["name"] async for row in _sql.campaigns_that_show(connection, **which)]
            if campaigns:
                shown_by = f"{number} is shown by {', '.join(campaigns)}: take it out of that pool first"
                raise InvalidAccount([shown_by])
            await _sql.remove_account_number(connection, **which)

    # --- numbers of queues ----------------------------------------------------------------------------------------------

    @store_call
    async def queue_numbers(self, account_id: int) -> Mapping[str, CallerId]:
        """By the queue's name."""
        rows = _sql.list_queue_numbers(self._pool, account_id=account_id)
        return {row["queue"]: CallerId(number=row["number"], name=row["name"]) async for row in rows}

    @store_call
    async def set_queue_number(self, account_id: int, queue: str, caller_id: CallerId) -> None:
        """What campaigns show that are bound to the queue and have their own caller ID off. Raises InvalidAccount."""
        bad_queue = [] if _QUEUE.fullmatch(queue) else ["queue: 2 to 40 letters, digits, '-' or '_'"]
        _raise_for_account(bad_queue + _malformed([caller_id]))
        async with transaction(self._pool) as connection:
            await _sql.set_queue_number(
                connection, account_id=account_id, queue=queue, number=caller_id.number, name=caller_id.name
            )
            await _sql.judge_account_anew(connection, account_id=account_id)

    @store_call
    async def remove_queue_number(self, account_id: int, queue: str) -> None:
        """Raises NotFound."""
        async with transaction(self._pool) as connection:
            if await _sql.remove_queue_number(connection, account_id=account_id, queue=queue) is None:
                raise NotFound("number of the queue", queue)
            await _sql.judge_account_anew(connection, account_id=account_id)

    # --- which numbers may be shown where -------------------------------------------------------------------------------

    @store_call
    async def prefixes(self, account_id: int) -> Prefixes:
        found: Mapping[str, Sequence[str]] = await _sql.get_prefixes(self._pool, account_id=account_id) or {}
        return {region: tuple(found[region]) for region in sorted(found)}

    @store_call
    async def allow(self, account_id: int, region: str, prefixes: Sequence[str]) -> None:
        """People in that country (ISO 3166) see only numbers that begin so, in place of what was allowed before.

        Raises InvalidAccount, NotFound.
        """
        _raise_for_account(_prefix_problems(region, prefixes))
        async with transaction(self._pool) as connection:
            allowed = {"account_id": account_id, "region": region, "prefixes": list(dict.fromkeys(prefixes))}
            if await _sql.set_prefixes(connection, **allowed) is None:
                raise NotFound("account", account_id)
            await _sql.judge_account_anew(connection, account_id=account_id)

    @store_call
    async def allow_any(self, account_id: int, region: str) -> None:
        """People in that country may see any number again. Raises NotFound where nothing forbids it."""
        async with transaction(self._pool) as connection:
            if await _sql.clear_prefixes(connection, account_id=account_id, region=region) is None:
                raise NotFound("list of allowed beginnings for", region)
            await _sql.judge_account_anew(connection, account_id=account_id)


# --- what the stores of campaigns and attempts share --------------------------------------------------------------------


def pool_problems(caller_ids: Sequence[CallerId | PoolEntry], most: int = MAX_POOL) -> list[str]:
    """Everything that is wrong with a number pool, as sentences. `most` is the account's limit."""
    numbers = _numbers(caller_ids)
    checks = [
        (len(numbers) <= most, f"caller IDs: at most {most} numbers"),
        (len(set(numbers)) == len(numbers), "caller IDs: each number once"),
    ]
    caps = [caller_id.daily_cap for caller_id in caller_ids if isinstance(caller_id, PoolEntry)]
    return [sentence for holds, sentence in checks if not holds] + _malformed(caller_ids) + _cap_problems(caps)


def raise_for_pool(caller_ids: Sequence[CallerId | PoolEntry], most: int = MAX_POOL) -> None:
    if problems := pool_problems(caller_ids, most):
        raise InvalidCampaign(problems)


async def fill_pool(
    connection: Connection,
    campaign_id: int,
    caller_ids: Sequence[CallerId | PoolEntry],
    before: Mapping[str, asyncpg.Record],
) -> None:
    """Into a pool that is empty; `before` has the rows by number that were in it. Raises InvalidCampaign."""
    names = await _account_names(connection, campaign_id, caller_ids)
    for given in caller_ids:
        entry, was = _entry(given), before.get(given.number)
        await _sql.add_to_pool(
            connection,
            campaign_id=campaign_id,
            number=entry.number,
            name=names.get(entry.number, entry.name),
            type=entry.type,
            uses=was["uses"] if was else 0,
            turn=was["turn"] if was else 0,
            daily_cap=was["daily_cap"] if was and entry.daily_cap is None else entry.daily_cap,
            resting_until=was["resting_until"] if was else None,
        )


def pool_number(values: Sequence[Any], today: date) -> PoolNumber:
    """One number out of what the SQL function caller_id_pool says. `today` is the day of the account's calendar."""
    id_, number, name, uses, turn, type_, daily_cap, resting_until, days = values
    return PoolNumber(
        id=id_,
        caller_id=CallerId(number=number, name=name),
        uses=uses,
        turn=turn,
        type=CallerIdType(type_),
        daily_cap=daily_cap,
        uses_today=days.get(today.isoformat(), 0) if days else 0,
        resting_until=datetime.fromisoformat(resting_until) if resting_until else None,
    )


async def _account_names(
    connection: Connection, campaign_id: int, caller_ids: Sequence[CallerId | PoolEntry]
) -> Mapping[str, str]:
    """What the account calls those that are its own. Raises InvalidCampaign if one is not."""
    wanted = [given.number for given in caller_ids if _entry(given).type is CallerIdType.ACCOUNT]
    rows = _sql.share_account_numbers(connection, campaign_id=campaign_id, numbers=wanted)
    names = {row["number"]: row["name"] async for row in rows}
    if strange := [number for number in wanted if number not in names]:
        why = (
            f"caller IDs: no main number of the account: {', '.join(strange)}; add it there, or give it as a custom one"
        )
        raise InvalidCampaign([why])
    return names


def _entry(given: CallerId | PoolEntry) -> PoolEntry:
    return given if isinstance(given, PoolEntry) else PoolEntry(number=given.number, name=given.name)


def _numbers(caller_ids: Sequence[CallerId | PoolEntry]) -> list[str]:
    return [caller_id.number for caller_id in caller_ids]


async def _lock_number(connection: Connection, campaign_id: int, number: str) -> asyncpg.Record:
    await lock_campaign(connection, campaign_id)
    row: asyncpg.Record | None = await _sql.lock_pool_number(connection, campaign_id=campaign_id, number=number)
    if row is None:
        raise NotFound("number in the campaign's pool that reads", number)
    return row


async def _write_cap(connection: Connection, row: asyncpg.Record, daily_cap: int | None) -> None:
    which = {"campaign_id": row["campaign_id"], "number": row["number"]}
    await _sql.set_daily_cap(connection, **which, daily_cap=daily_cap)
    await _note_change(connection, row["campaign_id"], f"daily cap of {row['number']}", row["daily_cap"], daily_cap)


async def _write_rest(connection: Connection, row: asyncpg.Record, until: datetime | None) -> None:
    await _sql.rest_number(connection, campaign_id=row["campaign_id"], number=row["number"], until=until)
    rests = [moment.isoformat() if moment else None for moment in (row["resting_until"], until)]
    await _note_change(connection, row["campaign_id"], f"rest of {row['number']}", *rests)


_OF_NUMBER: Mapping[str, Callable[[Connection, asyncpg.Record, Any], Awaitable[None]]] = {
    "daily_cap": _write_cap,
    "resting_until": _write_rest,
}


async def _note_change(connection: Connection, campaign_id: int, what: str, old: object, new: object) -> None:
    await _sql.judge_campaign_anew(connection, campaign_id=campaign_id)
    await write_line(connection, campaign_id, Line.EDITED, {what: [old, new]})


# --- what is wrong ------------------------------------------------------------------------------------------------------


def _malformed(caller_ids: Sequence[CallerId | PoolEntry]) -> list[str]:
    numbers = [number for number in _numbers(caller_ids) if not is_number(number)]
    names = [caller_id.name for caller_id in caller_ids if not is_name(caller_id.name)]
    checks = [
        (not numbers, f"caller IDs: 3 to 15 digits, with or without a plus sign: {', '.join(numbers)}"),
        (not names, f"caller IDs: names of up to {LONGEST_NAME} printable characters: {', '.join(map(repr, names))}"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def _cap_problems(caps: Sequence[int | None]) -> list[str]:
    fit = all(cap is None or 1 <= cap <= HIGHEST_CAP for cap in caps)
    return [] if fit else [f"daily cap: from 1 to {HIGHEST_CAP} calls, or none"]


def _raise_for_caps(caps: Sequence[int | None]) -> None:
    if problems := _cap_problems(caps):
        raise InvalidCampaign(problems)


def _prefix_problems(region: str, prefixes: Sequence[str]) -> list[str]:
    strange = [prefix for prefix in prefixes if not is_prefix(prefix)]
    checks = [
        (is_region(region), f"country: a code of ISO 3166, like GB, not {region!r}"),
        (bool(prefixes), "allowed beginnings: name at least one"),
        (not strange, f"allowed beginnings: 1 to 15 digits, with or without a plus sign: {', '.join(strange)}"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def _raise_for_account(problems: Sequence[str]) -> None:
    if problems:
        raise InvalidAccount(problems)
