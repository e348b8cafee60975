"""Tokens: what programs send in the place of login and password."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Request

from dialerd.api.auth import permitted
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routing import router, unkept
from dialerd.api.schemas.body import After, Id, Limit, Page, page_of
from dialerd.api.schemas.users import NewToken, TokenIn, TokenOut
from dialerd.domain.roles import Caller, Permission, may_grant
from dialerd.errors import InvalidRequest, NotPermitted

tokens = router("tokens", prefix="/tokens")

Grantor = Annotated[Caller, permitted(Permission.MANAGE_TOKENS)]


@tokens.get("", summary="Tokens")
async def list_tokens(caller: Grantor, stores: TheStores, limit: Limit = 100, after: After = 0) -> Page[TokenOut]:
    """Also those that are not in force any more. Their secrets are known to nobody."""
    found = await stores.users.list_tokens(caller.account_id, after=after, most=limit + 1)
    return page_of([TokenOut.model_validate(each) for each in found], limit, lambda each: each.id)


@tokens.post("", summary="Create a token", status_code=HTTPStatus.CREATED)
@unkept
async def create_token(given: TokenIn, caller: Grantor, parts: TheParts, request: Request) -> NewToken:
    """The answer alone has its secret. Nobody gives more than he may himself."""
    note_for_audit(request, {"name": given.name, "role": given.role, "scopes": given.scopes})
    if not may_grant(caller, given.role, given.scopes):
        raise NotPermitted(f"{caller.actor} may not do all that such a token might: leave out role or scopes")
    if given.expires_at is not None and given.expires_at <= parts.clock.now():
        raise InvalidRequest(["expires_at: is past"])
    secret, token = await parts.stores.users.create_token(
        caller.account_id,
        given.name,
        role=given.role,
        created_by=caller.actor,
        scopes=given.scopes,
        agent=given.agent,
        expires_at=given.expires_at,
    )
    return NewToken(**TokenOut.model_validate(token).model_dump(), secret=secret)


@tokens.delete("/{token_id}", summary="Revoke a token", status_code=HTTPStatus.NO_CONTENT)
async def revoke_token(token_id: Id, caller: Grantor, stores: TheStores, request: Request) -> None:
    """At once, and for good. It stays in the list."""
    token = await stores.users.revoke_token(token_id, caller.account_id)
    note_for_audit(request, {"name": token.name})
