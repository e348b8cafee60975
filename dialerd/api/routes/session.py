"""Signing in and out, and who one is."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Request, Response
from pydantic import BaseModel, Field

from dialerd.api.auth import COOKIE, SIGN_IN_COSTS, AnyCaller, rate_of
from dialerd.api.parts import TheParts, note_for_audit
from dialerd.api.routing import router
from dialerd.domain.roles import Caller, Permission, Role

session = router("session")


class SignIn(BaseModel):
    login: Annotated[str, Field(max_length=100, examples=["anna"])]
    password: Annotated[str, Field(max_length=1000, examples=["correct horse battery staple"], repr=False)]


class Me(BaseModel):
    """Who one is, and what one may do."""

    account: str
    actor: str = Field(examples=["user anna"])
    role: Role
    permissions: list[Permission]
    agent: str = Field(
        description="The phone whose cards and calls are one's own; empty: none.", examples=["PJSIP/1001"]
    )


@session.post("/session", summary="Sign in")
async def sign_in(given: SignIn, request: Request, response: Response, parts: TheParts) -> Me:
    """Sets a cookie for a browser. Programs use a token instead."""
    address = request.client.host if request.client else ""
    rate_of(request).spend(f"sign in {address}", parts.clock.monotonic(), requests=SIGN_IN_COSTS)
    note_for_audit(request, {"login": given.login})
    lifetime = parts.settings.web.session_lifetime
    secret, caller = await parts.stores.users.sign_in(given.login, given.password, lifetime=lifetime)
    request.state.caller = caller
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )
    return _me(caller)


@session.get("/session", summary="Who one is")
async def me(caller: AnyCaller) -> Me:
    return _me(caller)


@session.delete("/session", summary="Sign out", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(request: Request, response: Response, parts: TheParts, _: AnyCaller) -> None:
    """Of a token, nothing: revoke it instead."""
    if (secret := request.cookies.get(COOKIE)) is not None:
        await parts.stores.users.sign_out(secret)
        response.delete_cookie(COOKIE)


def _me(caller: Caller) -> Me:
    return Me(
        account=caller.account,
        actor=caller.actor,
        role=caller.role,
        permissions=sorted(caller.permissions),
        agent=caller.agent,
    )
