"""Do-not-call lists: of an account, and of everybody."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.store.scene import Stores, some_leads

NUMBER = "+12025550101"


async def test_a_number_on_the_list_for_everybody_is_forbidden_to_each_account(stores: Stores) -> None:
    ours = await stores.accounts.get()
    assert await stores.dnc.add(NUMBER, reason="asked us to", source="agent")
    assert await stores.dnc.contains(NUMBER)
    assert await stores.dnc.contains(NUMBER, ours.id)


async def test_a_number_on_the_list_of_an_account_is_forbidden_to_that_account_alone(stores: Stores) -> None:
    ours, other = await stores.accounts.get(), await stores.accounts.create("other")
    await stores.dnc.add(NUMBER, ours.id)
    assert await stores.dnc.contains(NUMBER, ours.id)
    assert not await stores.dnc.contains(NUMBER, other.id)
    assert not await stores.dnc.contains(NUMBER)


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_list_has_a_number_once(stores: Stores, everybody: bool) -> None:
    account_id = None if everybody else (await stores.accounts.get()).id
    assert await stores.dnc.add(NUMBER, account_id)
    assert not await stores.dnc.add(NUMBER, account_id)
    assert await stores.dnc.add_many([NUMBER, NUMBER], account_id) == 0
    assert await stores.dnc.count(account_id) == 1


async def test_removing_a_number_touches_only_that_list(stores: Stores) -> None:
    ours = await stores.accounts.get()
    await stores.dnc.add(NUMBER)
    await stores.dnc.add(NUMBER, ours.id)
    assert await stores.dnc.remove(NUMBER, ours.id)
    assert not await stores.dnc.remove(NUMBER, ours.id)
    assert await stores.dnc.contains(NUMBER, ours.id)
    assert await stores.dnc.remove(NUMBER)
    assert not await stores.dnc.contains(NUMBER, ours.id)


async def test_many_numbers_are_added_at_once_from_any_source(stores: Stores) -> None:
    async def source() -> AsyncIterator[str]:
        for lead in some_leads(500):
            yield lead.number

    await stores.dnc.add(some_leads(1)[0].number)
    assert await stores.dnc.add_many(source(), reason="register", source="file") == 499
    assert await stores.dnc.count() == 500


async def test_a_source_that_fails_adds_nothing(stores: Stores) -> None:
    async def source() -> AsyncIterator[str]:
        yield NUMBER
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await stores.dnc.add_many(source())
    assert await stores.dnc.count() == 0


async def test_numbers_are_found_by_their_beginning_page_by_page(stores: Stores) -> None:
    await stores.dnc.add_many([lead.number for lead in some_leads(5)])
    await stores.dnc.add("+442079460123", reason="asked us to", source="agent")
    (entry,) = await stores.dnc.search("+4420")
    assert (entry.number, entry.reason, entry.source, entry.account_id) == (
        "+442079460123",
        "asked us to",
        "agent",
        None,
    )
    first = await stores.dnc.search("+1", limit=3)
    rest = await stores.dnc.search("+1", after=first[-1].number)
    assert [entry.number for entry in [*first, *rest]] == sorted(lead.number for lead in some_leads(5))
