"""Do-not-call lists: of an account, and of everybody."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from dialerd.errors import StoreBusy
from dialerd.store.dnc import DncChange, DncEntry, DncImport, NewDncRow
from dialerd.store.pool import Pool
from dialerd.store.queries import queries_of
from tests.integration.store.scene import Stores, some_leads
from tests.integration.store.test_plans import explain

NUMBER = "+12025550101"
NOW = datetime.now(UTC).replace(microsecond=0)
PAST, SOON, LATER, NEVER = NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=2), None


def a_row(number: str = NUMBER, *, reason: str = "", source: str = "", expires_at: datetime | None = None) -> NewDncRow:
    return (number, reason, source, expires_at)


def rows(count: int) -> list[NewDncRow]:
    return [a_row(lead.number) for lead in some_leads(count)]


async def only_entry(stores: Stores, account_id: int | None = None) -> DncEntry:
    (entry,) = [entry async for entry in stores.dnc.export(account_id)]
    return entry


# --- One number --------------------------------------------------------------------------------------------------------


async def test_a_number_on_the_list_for_everybody_is_forbidden_to_each_account(stores: Stores) -> None:
    ours = await stores.accounts.get()
    assert await stores.dnc.add(NUMBER, reason="asked us to", source="agent") is DncChange.NEW
    assert await stores.dnc.contains(NUMBER)
    assert await stores.dnc.contains(NUMBER, ours.id)


async def test_a_number_on_the_list_of_an_account_is_forbidden_to_that_account_alone(stores: Stores) -> None:
    ours, other = await stores.accounts.get(), await stores.accounts.create("other")
    await stores.dnc.add(NUMBER, ours.id)
    assert await stores.dnc.contains(NUMBER, ours.id)
    assert not await stores.dnc.contains(NUMBER, other.id)
    assert not await stores.dnc.contains(NUMBER)


async def test_an_entry_says_why_from_where_by_whom_since_when_and_until_when(stores: Stores) -> None:
    await stores.dnc.add(NUMBER, reason="asked by mail", source="desk", added_by="ada", expires_at=SOON)
    (entry,) = await stores.dnc.in_force(NUMBER)
    assert (entry.reason, entry.source, entry.added_by, entry.expires_at) == ("asked by mail", "desk", "ada", SOON)
    assert abs(entry.added_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_an_expired_entry_forbids_nothing(stores: Stores) -> None:
    await stores.dnc.add(NUMBER, expires_at=PAST)
    assert not await stores.dnc.contains(NUMBER)
    assert await stores.dnc.in_force(NUMBER) == []


async def test_a_check_names_every_list_that_forbids_the_call(stores: Stores) -> None:
    ours = await stores.accounts.get()
    await stores.dnc.add(NUMBER, ours.id, reason="ours")
    await stores.dnc.add(NUMBER, reason="everybody's")
    assert [entry.reason for entry in await stores.dnc.in_force(NUMBER, ours.id)] == ["everybody's", "ours"]
    assert [entry.reason for entry in await stores.dnc.in_force(NUMBER)] == ["everybody's"]


async def test_removing_a_number_touches_only_that_list(stores: Stores) -> None:
    ours = await stores.accounts.get()
    await stores.dnc.add(NUMBER)
    await stores.dnc.add(NUMBER, ours.id)
    assert await stores.dnc.remove(NUMBER, ours.id)
    assert not await stores.dnc.remove(NUMBER, ours.id)
    assert await stores.dnc.contains(NUMBER, ours.id)
    assert await stores.dnc.remove(NUMBER)
    assert not await stores.dnc.contains(NUMBER, ours.id)


# --- The same number again ---------------------------------------------------------------------------------------------

ENDS = (PAST, SOON, LATER, NEVER)


@pytest.mark.parametrize("everybody", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
async def test_of_two_entries_the_one_that_lasts_longer_stays(stores: Stores, everybody: bool, at_once: bool) -> None:
    account_id = None if everybody else (await stores.accounts.get()).id
    for (old, old_end), (new, new_end) in product(enumerate(ENDS), repeat=2):
        await stores.dnc.add(NUMBER, account_id, reason="old", source="old", added_by="old", expires_at=old_end)
        if at_once:
            row = a_row(reason="new", source="new", expires_at=new_end)
            report = await stores.dnc.add_many([row], account_id, added_by="new")
            assert report == DncImport(added=0, prolonged=int(new > old))
        else:
            change = await stores.dnc.add(
                NUMBER, account_id, reason="new", source="new", added_by="new", expires_at=new_end
            )
            assert change is (DncChange.PROLONGED if new > old else DncChange.NONE)
        stays = "new" if new > old else "old"
        entry = await only_entry(stores, account_id)
        assert (entry.reason, entry.source, entry.added_by) == (stays, stays, stays)
        assert entry.expires_at == max((old, old_end), (new, new_end), key=lambda pair: pair[0])[1]
        assert await stores.dnc.remove(NUMBER, account_id)


async def test_an_entry_that_was_prolonged_holds_since_then(stores: Stores, pool: Pool) -> None:
    await stores.dnc.add(NUMBER, expires_at=SOON)
    await pool.execute("UPDATE dnc_numbers SET added_at = now() - interval '1 year'")
    await stores.dnc.add(NUMBER, expires_at=SOON)
    assert (await only_entry(stores)).added_at < PAST
    await stores.dnc.add(NUMBER)
    assert (await only_entry(stores)).added_at > PAST


async def test_an_import_never_touches_another_list(stores: Stores) -> None:
    ours, other = await stores.accounts.get(), await stores.accounts.create("other")
    for account_id in (None, other.id):
        await stores.dnc.add(NUMBER, account_id, expires_at=SOON)
    assert await stores.dnc.add_many([a_row()], ours.id) == DncImport(added=1, prolonged=0)
    assert await stores.dnc.add_many([a_row(expires_at=LATER)], other.id) == DncImport(added=0, prolonged=1)
    assert [(await only_entry(stores, a)).expires_at for a in (None, ours.id, other.id)] == [SOON, NEVER, LATER]


# --- Many at once ------------------------------------------------------------------------------------------------------


async def test_many_numbers_are_added_at_once_from_any_source(stores: Stores) -> None:
    async def source() -> AsyncIterator[NewDncRow]:
        for row in rows(500):
            yield row

    await stores.dnc.add(rows(1)[0][0])
    assert await stores.dnc.add_many(source(), added_by="ada") == DncImport(added=499, prolonged=0)
    assert await stores.dnc.count() == 500


async def test_the_same_import_again_changes_nothing(stores: Stores) -> None:
    assert await stores.dnc.add_many(rows(50), added_by="ada") == DncImport(added=50, prolonged=0)
    before = [entry async for entry in stores.dnc.export()]
    assert await stores.dnc.add_many(rows(50), added_by="ben") == DncImport(added=0, prolonged=0)
    assert [entry async for entry in stores.dnc.export()] == before


async def test_of_a_number_that_comes_twice_the_row_that_lasts_longest_counts(stores: Stores) -> None:
    twice = [
        a_row(reason=reason, expires_at=end) for reason, end in zip("abcd", (SOON, NEVER, PAST, LATER), strict=True)
    ]
    assert await stores.dnc.add_many(twice) == DncImport(added=1, prolonged=0)
    assert (await only_entry(stores)).reason == "b"


async def test_nothing_is_a_lawful_import(stores: Stores) -> None:
    assert await stores.dnc.add_many([]) == DncImport(added=0, prolonged=0)


async def test_a_source_that_fails_adds_nothing(stores: Stores) -> None:
    async def source() -> AsyncIterator[NewDncRow]:
        yield a_row()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await stores.dnc.add_many(source())
    assert await stores.dnc.count() == 0


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_imported_in_whatever_pieces_each_number_keeps_its_latest_end(
    stores: Stores, seed: int
) -> None:
    chance = random.Random(seed)
    latest: dict[str, datetime | None] = {}
    for _ in range(10):
        piece = [a_row(f"+1202555010{chance.randrange(5)}", expires_at=chance.choice(ENDS)) for _ in range(3)]
        await stores.dnc.add_many(piece)
        for number, _, _, end in piece:
            latest[number] = max(latest.get(number, PAST), end, key=ENDS.index)
    assert {entry.number: entry.expires_at async for entry in stores.dnc.export()} == latest


# --- While an import runs ----------------------------------------------------------------------------------------------


class PausedImport:
    """An import whose first numbers are stored, and which is not committed yet."""

    def __init__(self, pool: Pool, stored: list[NewDncRow]) -> None:
        self._pool = pool
        self._stored = stored

    async def __aenter__(self) -> None:
        self._connection = await self._pool.acquire()
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        sql = queries_of("dnc")
        await sql.create_dnc_stage(self._connection)
        await self._connection.copy_records_to_table(
            "staged_dnc_numbers", records=self._stored, columns=["number", "reason", "source", "expires_at"]
        )
        await sql.add_staged_dnc_numbers(self._connection, account_id=None, added_by="ada")

    async def __aexit__(self, *_: object) -> None:
        await self._transaction.commit()
        await self._pool.release(self._connection)


async def test_an_import_blocks_neither_a_look_at_the_list_nor_a_number_that_is_added(
    stores: Stores, pool: Pool
) -> None:
    await stores.dnc.add("+442079460101")
    async with asyncio.timeout(60), PausedImport(pool, [a_row()]):
        assert not await stores.dnc.contains(NUMBER)
        assert await stores.dnc.contains("+442079460101")
        assert await stores.dnc.add("+442079460102") is DncChange.NEW
        assert await stores.dnc.remove("+442079460101")
    assert await stores.dnc.contains(NUMBER)


@pytest.mark.usefixtures("impatient")
async def test_who_adds_a_number_that_is_just_being_imported_is_told_to_try_again(stores: Stores, pool: Pool) -> None:
    async with PausedImport(pool, [a_row(expires_at=SOON)]):
        with pytest.raises(StoreBusy):
            await stores.dnc.add(NUMBER)
    assert await stores.dnc.add(NUMBER) is DncChange.PROLONGED


# --- Looking, taking out, cleaning up ----------------------------------------------------------------------------------


async def test_numbers_are_found_by_their_beginning_page_by_page(stores: Stores) -> None:
    await stores.dnc.add_many(rows(5))
    await stores.dnc.add("+442079460123", reason="asked us to", source="agent")
    (entry,) = await stores.dnc.search(prefix="+4420")
    assert (entry.number, entry.reason, entry.source, entry.account_id) == (
        "+442079460123",
        "asked us to",
        "agent",
        None,
    )
    first = await stores.dnc.search(prefix="+1", limit=3)
    rest = await stores.dnc.search(prefix="+1", after=first[-1].number)
    assert [entry.number for entry in [*first, *rest]] == sorted(row[0] for row in rows(5))


async def test_numbers_are_found_by_a_part_of_their_reason_or_source_taken_literally(stores: Stores) -> None:
    await stores.dnc.add("+12025550101", reason="Court order 100%")
    await stores.dnc.add("+12025550102", source="court.csv")
    await stores.dnc.add("+12025550103", reason="moved")
    found = [entry.number for entry in await stores.dnc.search(text="COURT")]
    assert found == ["+12025550101", "+12025550102"]
    assert [entry.number for entry in await stores.dnc.search(text="0%")] == ["+12025550101"]
    assert await stores.dnc.search(text="c_urt") == []


async def test_a_search_sees_the_accounts_list_and_everybodys_and_no_other(stores: Stores) -> None:
    ours, other = await stores.accounts.get(), await stores.accounts.create("other")
    for account_id in (None, ours.id, other.id):
        await stores.dnc.add(NUMBER, account_id)
    assert [entry.account_id for entry in await stores.dnc.search(ours.id)] == [None, ours.id]
    assert [entry.account_id for entry in await stores.dnc.search()] == [None]


async def test_no_entry_falls_between_two_pages_where_both_lists_have_the_number(stores: Stores) -> None:
    ours = await stores.accounts.get()
    for account_id in (None, ours.id):
        await stores.dnc.add_many(rows(4), account_id)
    seen: list[DncEntry] = []
    while page := await stores.dnc.search(ours.id, limit=1, after=seen[-1].number if seen else ""):
        seen += page
    assert len(seen) == 8


async def test_an_export_is_exactly_one_list(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialerd.store.dnc.PAGE", 3)
    ours = await stores.accounts.get()
    await stores.dnc.add_many(rows(7), ours.id)
    await stores.dnc.add("+442079460101")
    assert [entry.number async for entry in stores.dnc.export(ours.id)] == sorted(row[0] for row in rows(7))
    assert [entry.number async for entry in stores.dnc.export()] == ["+442079460101"]


async def test_a_purge_removes_what_has_expired_from_exactly_one_list(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialerd.store.dnc.PAGE", 2)
    ours = await stores.accounts.get()
    numbers = [row[0] for row in rows(6)]
    ends = (PAST, PAST, SOON, PAST, NEVER, PAST)
    await stores.dnc.add_many([a_row(n, expires_at=end) for n, end in zip(numbers, ends, strict=True)], ours.id)
    await stores.dnc.add(numbers[0], expires_at=PAST)
    assert await stores.dnc.purge(ours.id) == 4
    assert await stores.dnc.purge(ours.id) == 0
    assert [entry.number async for entry in stores.dnc.export(ours.id)] == sorted([numbers[2], numbers[4]])
    assert await stores.dnc.count() == 1


# --- Plans -------------------------------------------------------------------------------------------------------------


async def test_a_dial_asks_the_lists_by_walks_along_an_index_that_read_no_other_number(
    stores: Stores, pool: Pool
) -> None:
    ours = await stores.accounts.get()
    await pool.execute("INSERT INTO dnc_numbers (number) SELECT '+999' || n FROM generate_series(100000, 150000) AS n")
    await stores.dnc.add_many([a_row(f"+999{n}") for n in range(100000, 110000)], ours.id)
    for preparation in ("SELECT", "ANALYZE"):
        await pool.execute(preparation, timeout=60)
        plan = await explain(pool, "dnc", "is_listed", "+999100500", ours.id)
        assert not [node for node in plan if node["Node Type"] == "Seq Scan"]
        assert max(node["Actual Rows"] for node in plan) <= 2


async def test_a_page_of_a_list_is_a_walk_along_an_index(stores: Stores, pool: Pool) -> None:
    await pool.execute("INSERT INTO dnc_numbers (number) SELECT '+999' || n FROM generate_series(100000, 250000) AS n")
    await pool.execute("ANALYZE")
    for query, values in (
        ("search_dnc_numbers", ("+99914", "+99915", "+999145000", "", None, 100)),
        ("list_dnc_numbers", (None, "+999145000", 100)),
    ):
        plan = await explain(pool, "dnc", query, *values)
        scans = [node for node in plan if "Scan" in node["Node Type"] and node["Actual Rows"]]
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Subquery Scan"}
        assert max(node["Actual Rows"] for node in plan) <= 101
