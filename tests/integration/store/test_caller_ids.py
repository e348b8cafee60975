"""Pools of numbers, the account's main numbers, the numbers of queues, and which of them may be shown where."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialerd.domain.caller_id import CallerId, CallerIdType, PoolEntry, PoolNumber
from dialerd.domain.campaigns import Campaign, CampaignAction
from dialerd.errors import InvalidAccount, InvalidCampaign, NotFound
from tests.integration.store.scene import Stores

FIRST, SECOND, THIRD = (f"+1202555019{digit}" for digit in range(3))
MAIN = PoolEntry(number=FIRST, type=CallerIdType.ACCOUNT)
NOBODY = 999


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def some(*numbers: str) -> list[CallerId]:
    return [CallerId(number=number) for number in numbers]


async def pool_of(stores: Stores, campaign: Campaign) -> dict[str, PoolNumber]:
    return {one.caller_id.number: one for one in await stores.caller_ids.of_campaign(campaign.id)}


async def use(stores: Stores, number: str, *, uses: int) -> None:
    await stores.pool.execute("UPDATE caller_ids SET uses = $2 WHERE number = $1", number, uses)


async def is_judged_anew(stores: Stores, campaign: Campaign, because_of: Any) -> bool:
    """Whether the awaited change has the campaign's waiting leads judged again."""
    await stores.pool.execute("UPDATE campaigns SET judge_anew = false")
    await because_of
    return bool(await stores.pool.fetchval("SELECT judge_anew FROM campaigns WHERE id = $1", campaign.id))


# --- the pool ---------------------------------------------------------------------------------------------------------


async def test_multiple_caller_id_rows_can_be_configured_and_keep_their_order_types_and_caps(stores: Stores) -> None:
    draft = await stores.a_draft()
    await stores.caller_ids.add_account_number(1, CallerId(number=FIRST, name="Head office"))
    rows = [PoolEntry(number=THIRD, name="Spring", daily_cap=40), MAIN, PoolEntry(number=SECOND)]
    await stores.caller_ids.replace(draft.id, rows)
    pool = await stores.caller_ids.of_campaign(draft.id)
    assert [(one.caller_id, one.type, one.daily_cap) for one in pool] == [
        (CallerId(number=THIRD, name="Spring"), CallerIdType.CUSTOM, 40),
        (CallerId(number=FIRST, name="Head office"), CallerIdType.ACCOUNT, None),
        (CallerId(number=SECOND), CallerIdType.CUSTOM, None),
    ]


async def test_a_number_that_stays_keeps_its_count_its_cap_and_its_rest_whatever_is_new_about_it(
    stores: Stores,
) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST, SECOND))
    until = tomorrow()
    await stores.caller_ids.set_cap(draft.id, FIRST, 10)
    await stores.caller_ids.rest(draft.id, FIRST, until)
    await use(stores, FIRST, uses=7)
    await stores.caller_ids.replace(draft.id, [CallerId(number=FIRST, name="Renamed"), CallerId(number=THIRD)])
    kept = (await pool_of(stores, draft))[FIRST]
    assert (kept.caller_id.name, kept.uses, kept.daily_cap, kept.resting_until) == ("Renamed", 7, 10, until)
    await stores.caller_ids.replace(draft.id, [PoolEntry(number=FIRST, daily_cap=5)])
    assert (await pool_of(stores, draft))[FIRST].daily_cap == 5


async def test_a_new_number_takes_its_turn_and_is_not_shown_alone_until_it_has_caught_up(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=8, caller_ids=some(FIRST, SECOND))
    for _ in range(4):
        await dialed.open()
    await stores.caller_ids.replace(dialed.campaign.id, some(FIRST, SECOND, THIRD))
    shown = [(await dialed.open()).caller_id.number for _ in range(4)]
    assert shown == [THIRD, FIRST, SECOND, THIRD]


async def test_a_pool_can_be_emptied(stores: Stores) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST))
    await stores.caller_ids.replace(draft.id, [])
    assert await stores.caller_ids.of_campaign(draft.id) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (some(FIRST, FIRST), "each number once"),
        (some("12"), "3 to 15 digits"),
        (some("+1202555019x"), "3 to 15 digits"),
        ([CallerId(number=FIRST, name="a\nb")], "printable"),
        ([CallerId(number=FIRST, name="a" * 61)], "up to 60"),
        ([PoolEntry(number=FIRST, daily_cap=0)], "daily cap"),
        ([PoolEntry(number=FIRST, daily_cap=10**9)], "daily cap"),
        ([MAIN], f"no main number of the account: {FIRST}"),
    ],
)
async def test_a_pool_that_cannot_be_is_refused_and_the_one_that_is_stays(
    stores: Stores, rows: list[CallerId | PoolEntry], words: str
) -> None:
    draft = await stores.a_draft(caller_ids=some(SECOND))
    with pytest.raises(InvalidCampaign, match=words.replace("+", "[+]")):
        await stores.caller_ids.replace(draft.id, rows)
    assert list(await pool_of(stores, draft)) == [SECOND]


async def test_number_pool_per_campaign_is_limited_to_what_the_account_says(stores: Stores) -> None:
    draft = await stores.a_draft()
    fifty_one = some(*(f"+1202555{place:04}" for place in range(100, 151)))
    with pytest.raises(InvalidCampaign, match="at most 50 numbers"):
        await stores.caller_ids.replace(draft.id, fifty_one)
    await stores.pool.execute("UPDATE accounts SET max_pool = 51")
    await stores.caller_ids.replace(draft.id, fifty_one)
    assert len(await pool_of(stores, draft)) == 51


async def test_numbers_of_another_account_are_none_of_this_one(stores: Stores) -> None:
    draft, other = await stores.a_draft(), await stores.accounts.create("acme")
    await stores.caller_ids.add_account_number(other.id, CallerId(number=FIRST))
    with pytest.raises(InvalidCampaign, match="no main number of the account"):
        await stores.caller_ids.replace(draft.id, [MAIN])


async def test_what_becomes_of_the_pool_is_in_the_campaigns_record(stores: Stores) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST, SECOND))
    until = tomorrow()
    await stores.caller_ids.replace(draft.id, some(THIRD, FIRST))
    await stores.caller_ids.set_cap(draft.id, FIRST, 10)
    await stores.caller_ids.rest(draft.id, FIRST, until)
    lines = await stores.activity.of_campaign(draft.id)
    assert [line.details for line in reversed(lines) if line.fact == "edited"] == [
        {"caller_ids": [[FIRST, SECOND], [THIRD, FIRST]]},
        {f"daily cap of {FIRST}": [None, 10]},
        {f"rest of {FIRST}": [None, until.isoformat()]},
    ]


async def test_a_campaign_that_is_not_there_is_told(stores: Stores) -> None:
    for call in (
        stores.caller_ids.of_campaign(NOBODY),
        stores.caller_ids.replace(NOBODY, []),
        stores.caller_ids.set_cap(NOBODY, FIRST, 1),
        stores.caller_ids.rest(NOBODY, FIRST, None),
    ):
        with pytest.raises(NotFound, match="there is no campaign 999"):
            await call


# --- caps and rests -----------------------------------------------------------------------------------------------------


async def test_a_daily_cap_is_set_and_taken_away(stores: Stores) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST, SECOND))
    await stores.caller_ids.set_cap(draft.id, FIRST, 10)
    assert [one.daily_cap for one in (await pool_of(stores, draft)).values()] == [10, None]
    await stores.caller_ids.set_cap(draft.id, FIRST, None)
    assert (await pool_of(stores, draft))[FIRST].daily_cap is None
    with pytest.raises(InvalidCampaign, match="daily cap: from 1"):
        await stores.caller_ids.set_cap(draft.id, FIRST, 0)


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("Pacific/Kiritimati", 14), ("Etc/GMT+12", -12), ("US/Hawaii", -10)]
)
async def test_uses_are_counted_by_the_day_of_the_accounts_calendar_and_over_all_its_campaigns(
    stores: Stores, zone: str, hours: int
) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST, SECOND))
    await stores.pool.execute("UPDATE accounts SET time_zone = $1", zone)
    other = await stores.accounts.create("acme")
    today = (datetime.now(UTC) + timedelta(hours=hours)).date()
    rows = [(1, today, 3), (1, today - timedelta(days=1), 5), (1, today + timedelta(days=1), 7), (other.id, today, 9)]
    await stores.pool.executemany(
        "INSERT INTO caller_id_days (account_id, number, day, uses) VALUES ($1, $2, $3, $4)",
        [(account, FIRST, day, uses) for account, day, uses in rows],
    )
    assert [one.uses_today for one in (await pool_of(stores, draft)).values()] == [3, 0]


async def test_a_number_rests_until_the_moment_that_is_said_and_wakes_by_hand(stores: Stores) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST, SECOND))
    until = tomorrow()
    await stores.caller_ids.rest(draft.id, FIRST, until)
    assert [one.resting_until for one in (await pool_of(stores, draft)).values()] == [until, None]
    await stores.caller_ids.rest(draft.id, FIRST, None)
    assert (await pool_of(stores, draft))[FIRST].resting_until is None


async def test_a_number_that_is_not_in_the_pool_has_neither_cap_nor_rest(stores: Stores) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST))
    with pytest.raises(NotFound, match="pool"):
        await stores.caller_ids.set_cap(draft.id, SECOND, 1)
    with pytest.raises(NotFound, match="pool"):
        await stores.caller_ids.rest(draft.id, SECOND, None)


async def test_rows_of_another_campaign_with_the_same_number_are_left_alone(stores: Stores) -> None:
    spring, summer = [await stores.a_draft(caller_ids=some(FIRST), name=name) for name in ("Spring", "Summer")]
    await stores.caller_ids.set_cap(spring.id, FIRST, 3)
    await stores.caller_ids.rest(spring.id, FIRST, tomorrow())
    untouched = (await pool_of(stores, summer))[FIRST]
    assert (untouched.daily_cap, untouched.resting_until) == (None, None)


async def test_leads_that_had_to_wait_for_a_number_are_judged_anew_when_anything_about_numbers_changes(
    stores: Stores,
) -> None:
    draft = await stores.a_draft(caller_ids=some(FIRST))
    store = stores.caller_ids
    for change in (
        store.set_cap(draft.id, FIRST, 5),
        store.rest(draft.id, FIRST, None),
        store.replace(draft.id, some(FIRST, SECOND)),
        store.set_queue_number(1, "sales", CallerId(number=FIRST)),
        store.remove_queue_number(1, "sales"),
        store.allow(1, "GB", ["+44"]),
        store.allow_any(1, "GB"),
    ):
        assert await is_judged_anew(stores, draft, change)


# --- the account's main numbers -----------------------------------------------------------------------------------------


async def test_an_accounts_main_numbers_are_added_listed_renamed_and_removed(stores: Stores) -> None:
    store = stores.caller_ids
    for number, name in ((SECOND, ""), (FIRST, "Head office"), (SECOND, "Shop")):
        await store.add_account_number(1, CallerId(number=number, name=name))
    assert await store.account_numbers(1) == [
        CallerId(number=FIRST, name="Head office"),
        CallerId(number=SECOND, name="Shop"),
    ]
    await store.remove_account_number(1, FIRST)
    assert await store.account_numbers(1) == [CallerId(number=SECOND, name="Shop")]
    with pytest.raises(NotFound):
        await store.remove_account_number(1, FIRST)
    with pytest.raises(InvalidAccount, match="3 to 15 digits"):
        await store.add_account_number(1, CallerId(number="x"))


async def test_a_new_name_of_a_main_number_is_shown_by_the_pools_that_have_it_from_the_account(stores: Stores) -> None:
    await stores.caller_ids.add_account_number(1, CallerId(number=FIRST, name="Old"))
    theirs, own = await stores.a_draft(name="Spring"), await stores.a_draft(name="Summer")
    await stores.caller_ids.replace(theirs.id, [MAIN])
    await stores.caller_ids.replace(own.id, [CallerId(number=FIRST, name="Custom")])
    await stores.caller_ids.add_account_number(1, CallerId(number=FIRST, name="New"))
    names = [(await pool_of(stores, campaign))[FIRST].caller_id.name for campaign in (theirs, own)]
    assert names == ["New", "Custom"]


async def test_a_main_number_stays_while_a_campaign_that_is_not_over_shows_it(stores: Stores) -> None:
    await stores.caller_ids.add_account_number(1, CallerId(number=FIRST))
    drafts = [await stores.a_draft(leads=1, name=name) for name in ("Spring", "Summer", "Autumn")]
    for draft, row in zip(drafts, (MAIN, MAIN, PoolEntry(number=FIRST)), strict=True):
        await stores.caller_ids.replace(draft.id, [row])
    with pytest.raises(InvalidAccount, match="is shown by Spring, Summer: take it out"):
        await stores.caller_ids.remove_account_number(1, FIRST)
    await stores.campaigns.act(drafts[0].id, CampaignAction.CANCEL)
    await stores.caller_ids.replace(drafts[1].id, [])
    await stores.caller_ids.remove_account_number(1, FIRST)
    assert [list(await pool_of(stores, draft)) for draft in drafts] == [[], [], [FIRST]]


async def test_a_main_number_is_not_removed_while_it_is_just_being_put_into_a_pool(stores: Stores) -> None:
    for round_ in range(20):
        draft = await stores.a_draft(name=f"Spring {round_}")
        await stores.caller_ids.add_account_number(1, CallerId(number=FIRST))
        at_once = [stores.caller_ids.replace(draft.id, [MAIN]), stores.caller_ids.remove_account_number(1, FIRST)]
        ends = await asyncio.gather(*at_once, return_exceptions=True)
        assert [type(end) for end in ends] in ([InvalidCampaign, type(None)], [type(None), InvalidAccount])
        await stores.caller_ids.replace(draft.id, [])


# --- numbers of queues --------------------------------------------------------------------------------------------------


async def test_a_queue_has_one_number_which_is_set_listed_changed_and_removed(stores: Stores) -> None:
    store = stores.caller_ids
    for queue, number in (("support", SECOND), ("sales", FIRST), ("sales", THIRD)):
        await store.set_queue_number(1, queue, CallerId(number=number, name=queue.title()))
    assert await store.queue_numbers(1) == {
        "sales": CallerId(number=THIRD, name="Sales"),
        "support": CallerId(number=SECOND, name="Support"),
    }
    await store.remove_queue_number(1, "sales")
    assert list(await store.queue_numbers(1)) == ["support"]
    with pytest.raises(NotFound, match="number of the queue sales"):
        await store.remove_queue_number(1, "sales")


async def test_what_is_no_queue_or_no_number_is_refused_with_all_that_is_wrong(stores: Stores) -> None:
    with pytest.raises(InvalidAccount, match=r"queue: .*caller IDs: "):
        await stores.caller_ids.set_queue_number(1, "a b", CallerId(number="x"))
    assert await stores.caller_ids.queue_numbers(1) == {}


# --- which numbers may be shown where -----------------------------------------------------------------------------------


async def test_allowed_beginnings_are_kept_by_country_and_replaced_and_cleared_alone(stores: Stores) -> None:
    store = stores.caller_ids
    await store.allow(1, "GB", ["+4420", "+44163", "+4420"])
    await store.allow(1, "FR", ["0162", "+33162"])
    await store.allow(1, "GB", ["+44"])
    assert await store.prefixes(1) == {"FR": ("0162", "+33162"), "GB": ("+44",)}
    assert (await stores.accounts.get()).rules.caller_id_prefixes == await store.prefixes(1)
    await store.allow_any(1, "FR")
    assert await store.prefixes(1) == {"GB": ("+44",)}
    with pytest.raises(NotFound, match="allowed beginnings for FR"):
        await store.allow_any(1, "FR")


@pytest.mark.parametrize(
    ("region", "prefixes", "words"),
    [("UK", ["+44"], "ISO 3166"), ("GB", [], "at least one"), ("GB", ["+"], "1 to 15"), ("GB", ["+44%"], "1 to 15")],
)
async def test_beginnings_that_could_not_be_any_numbers_are_refused(
    stores: Stores, region: str, prefixes: list[str], words: str
) -> None:
    with pytest.raises(InvalidAccount, match=words):
        await stores.caller_ids.allow(1, region, prefixes)
    assert await stores.caller_ids.prefixes(1) == {}


# --- what a call finds --------------------------------------------------------------------------------------------------


async def test_rotation_survives_a_restart(stores: Stores) -> None:
    pool = some(FIRST, SECOND, THIRD)
    dialed = await stores.a_dialed_campaign(leads=6, caller_ids=pool, caller_id_enabled=True)
    after_a_restart = replace(dialed, stores=Stores(stores.pool))
    shown = [(await dialed.open()).caller_id.number for _ in range(4)]
    shown += [(await after_a_restart.open()).caller_id.number for _ in range(2)]
    assert shown == [FIRST, SECOND, THIRD] * 2
    assert [(one.uses, one.uses_today) for one in (await pool_of(stores, dialed.campaign)).values()] == [(2, 2)] * 3
