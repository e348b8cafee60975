"""Which numbers calls show: the pool of a campaign, the account's main numbers, the numbers of queues, and what may be shown where."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request

from dialerd.api.auth import permitted
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routes.campaigns import Builder, Viewer, campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import AfterName, Id, Limit, Page, changes_in, page_of
from dialerd.api.schemas.caller_ids import (
    CallerIdBody,
    NumberName,
    PoolIn,
    PoolNumberChanges,
    PoolNumberOut,
    PoolOut,
    PrefixesIn,
    PrefixesOut,
    QueueNumberOut,
    ShownNumber,
    pool_number_out,
)
from dialerd.api.schemas.pbx import QueueName
from dialerd.domain.caller_id import CallerId
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest
from dialerd.store.stores import Stores

caller_ids = router("caller IDs")

AccountManager = Annotated[Caller, permitted(Permission.MANAGE_ACCOUNT)]
Country = Annotated[str, Path(pattern=r"^[A-Z]{2}$", description="Of the dialed numbers: ISO 3166.", examples=["GB"])]
LONGEST_REST = timedelta(days=366)


# --- the pool of a campaign -------------------------------------------------------------------------------------------


@caller_ids.get("/campaigns/{campaign_id}/caller-ids", summary="The numbers of a campaign")
async def get_pool(campaign_id: Id, caller: Viewer, stores: TheStores) -> PoolOut:
    """In the order in which they were given: how often each was shown, its daily cap, its rest."""
    return await _pool(stores, (await campaign_for(stores, caller, campaign_id)).id)


@caller_ids.put("/campaigns/{campaign_id}/caller-ids", summary="Give a campaign its numbers")
async def put_pool(campaign_id: Id, given: PoolIn, caller: Builder, stores: TheStores) -> PoolOut:
    """In place of all that it had, also while it runs: the next call obeys."""
    campaign = await campaign_for(stores, caller, campaign_id)
    await stores.caller_ids.replace(campaign.id, [one.entry for one in given.numbers])
    return await _pool(stores, campaign.id)


@caller_ids.patch("/campaigns/{campaign_id}/caller-ids/{number}", summary="Cap a number, or let it rest")
async def edit_pool_number(
    campaign_id: Id, number: ShownNumber, changes: PoolNumberChanges, caller: Builder, parts: TheParts, request: Request
) -> PoolNumberOut:
    sent = changes_in(changes)
    note_for_audit(request, {"changed": [*sent]})
    stores, now = parts.stores, parts.clock.now()
    until = changes.resting_until
    if until is not None and not now < until <= now + LONGEST_REST:
        raise InvalidRequest(["resting_until: a time to come, within a year from now"])
    campaign = await campaign_for(stores, caller, campaign_id)
    await stores.caller_ids.edit_number(campaign.id, number, sent)
    return next(one for one in (await _pool(stores, campaign.id)).items if one.number == number)


async def _pool(stores: Stores, campaign_id: int) -> PoolOut:
    return PoolOut(items=[pool_number_out(one) for one in await stores.caller_ids.of_campaign(campaign_id)])


# --- the account's main numbers ---------------------------------------------------------------------------------------


@caller_ids.get("/account/numbers", summary="The account's main numbers")
async def list_account_numbers(
    caller: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = ""
) -> Page[CallerIdBody]:
    found = await stores.caller_ids.account_numbers(caller.account_id)
    later = [CallerIdBody.model_validate(one) for one in found if one.number > after]
    return page_of(later, limit, lambda one: one.number)


@caller_ids.put("/account/numbers/{number}", summary="Add a main number, or rename one")
async def put_account_number(
    number: ShownNumber, given: NumberName, caller: AccountManager, stores: TheStores
) -> CallerIdBody:
    """Campaigns that show it show the new name."""
    await stores.caller_ids.add_account_number(caller.account_id, CallerId(number=number, name=given.name))
    return CallerIdBody(number=number, name=given.name)


@caller_ids.delete("/account/numbers/{number}", summary="Remove a main number", status_code=HTTPStatus.NO_CONTENT)
async def remove_account_number(number: ShownNumber, caller: AccountManager, stores: TheStores) -> None:
    """One that no campaign shows any more."""
    await stores.caller_ids.remove_account_number(caller.account_id, number)


# --- numbers of queues ------------------------------------------------------------------------------------------------


@caller_ids.get("/account/queue-numbers", summary="The numbers of queues")
async def list_queue_numbers(
    caller: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = ""
) -> Page[QueueNumberOut]:
    """What campaigns show that have their own caller ID off."""
    found = await stores.caller_ids.queue_numbers(caller.account_id)
    later = [
        QueueNumberOut(queue=queue, number=one.number, name=one.name)
        for queue, one in sorted(found.items())
        if queue > after
    ]
    return page_of(later, limit, lambda one: one.queue)


@caller_ids.put("/account/queue-numbers/{queue}", summary="Give a queue its number")
async def put_queue_number(
    queue: QueueName, given: CallerIdBody, caller: AccountManager, stores: TheStores
) -> QueueNumberOut:
    await stores.caller_ids.set_queue_number(caller.account_id, queue, given.caller_id)
    return QueueNumberOut(queue=queue, number=given.number, name=given.name)


@caller_ids.delete(
    "/account/queue-numbers/{queue}", summary="Take a queue's number away", status_code=HTTPStatus.NO_CONTENT
)
async def remove_queue_number(queue: QueueName, caller: AccountManager, stores: TheStores) -> None:
    """Its campaigns show the account's default."""
    await stores.caller_ids.remove_queue_number(caller.account_id, queue)


# --- which numbers may be shown where ---------------------------------------------------------------------------------


@caller_ids.get("/account/caller-id-prefixes", summary="Which numbers may be shown where")
async def list_prefixes(
    caller: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = ""
) -> Page[PrefixesOut]:
    """Countries that see only some numbers. All others may see any."""
    found = await stores.caller_ids.prefixes(caller.account_id)
    later = [PrefixesOut(country=country, prefixes=list(found[country])) for country in found if country > after]
    return page_of(later, limit, lambda one: one.country)


@caller_ids.put("/account/caller-id-prefixes/{country}", summary="Say which numbers may be shown in a country")
async def put_prefixes(country: Country, given: PrefixesIn, caller: AccountManager, stores: TheStores) -> PrefixesOut:
    """In place of what was allowed there before. Numbers and beginnings are compared as they are written."""
    await stores.caller_ids.allow(caller.account_id, country, given.prefixes)
    found = await stores.caller_ids.prefixes(caller.account_id)
    return PrefixesOut(country=country, prefixes=list(found.get(country, ())))


@caller_ids.delete(
    "/account/caller-id-prefixes/{country}", summary="Allow any number in a country", status_code=HTTPStatus.NO_CONTENT
)
async def remove_prefixes(country: Country, caller: AccountManager, stores: TheStores) -> None:
    await stores.caller_ids.allow_any(caller.account_id, country)
