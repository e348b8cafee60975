"""The account: what holds for all its campaigns."""

from typing import Annotated

from fastapi import Request, Response

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores, note_for_audit
from dialerd.api.routes.campaigns import Viewer
from dialerd.api.routing import router
from dialerd.api.schemas.accounts import AccountChanges, AccountOut, changed
from dialerd.api.schemas.body import IfMatch, changes_in, versions_of
from dialerd.domain.accounts import Account
from dialerd.domain.phone import is_region
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidAccount
from dialerd.store.accounts import version_of
from dialerd.store.stores import Stores

accounts = router("account", prefix="/account")


@accounts.get("", summary="The account")
async def get_account(caller: Viewer, stores: TheStores, response: Response) -> AccountOut:
    """Its ETag stands for all of it: send it as If-Match with a change."""
    return _shown(await stores.accounts.get(caller.account), stores, response)


@accounts.patch("", summary="Change what holds for all campaigns")
async def edit_account(
    changes: AccountChanges,
    caller: Annotated[Caller, permitted(Permission.MANAGE_ACCOUNT)],
    stores: TheStores,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> AccountOut:
    """In force on the next call, also of campaigns that run."""
    sent = changes_in(changes)
    note_for_audit(request, {"changed": [*sent]})
    if "default_region" in sent and not is_region(changes.default_region):
        raise InvalidAccount(["default region: a country of ISO 3166, like GB"])
    if "profile" in sent and (found := stores.campaigns.profile_problems(changes.profile)):
        raise InvalidAccount(found)
    edited = await stores.accounts.edit(
        caller.account_id, lambda account: changed(account, sent), versions=versions_of(if_match)
    )
    return _shown(edited, stores, response)


def _shown(account: Account, stores: Stores, response: Response) -> AccountOut:
    response.headers["ETag"] = f'"{version_of(account)}"'
    return AccountOut(
        name=account.name,
        default_region=account.default_region,
        rules=account.rules,
        profiles=sorted(stores.profiles),
    )
