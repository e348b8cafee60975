"""Signing in and out, who one is, and what is one's own: the password, and the sessions."""

from http import HTTPStatus

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dialerd.api.auth import COOKIE, SIGN_IN_COSTS, AnyCaller, failed_sign_ins_of, network_of, rate_of
from dialerd.api.parts import Parts, TheParts, note_for_audit
from dialerd.api.routing import router, unkept
from dialerd.api.schemas.body import After, Body, Limit, Page, page_of
from dialerd.api.schemas.users import Login, Password, SessionOut
from dialerd.domain.roles import Caller, Permission, Role
from dialerd.errors import NotPermitted, SignInRefused

session = router("session")


class SignIn(Body):
    login: Login
    password: Password


class OwnPassword(Body):
    old: Password
    """The present one."""
    new: Password


class Me(BaseModel):
    """Who one is, and what one may do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    account: str
    """Name of the account."""
    actor: str = Field(examples=["user anna"])
    """As the audit log says it."""
    role: Role
    """What one is to the account."""
    permissions: list[Permission]
    """What one may do."""
    agent: str = Field(examples=["PJSIP/1001"])
    """The phone whose cards and calls are one's own; empty: none."""
    time_zone: str = Field(examples=["Europe/London"])
    """The account's, in which people are told times."""


@session.post("/session", summary="Sign in")
@unkept
async def sign_in(given: SignIn, request: Request, response: Response, parts: TheParts) -> Me:
    """Sets a cookie for a browser, which ends the session that it had. Programs use a token instead. After five wrong passwords in a row
    none is looked at for 15 minutes, and an address that has failed often has to wait."""
    _slow_down(request, parts)
    lifetime = parts.settings.web.session_lifetime
    try:
        secret, caller = await parts.stores.users.sign_in(
            given.login,
            given.password,
            lifetime=lifetime,
            address=_address_of(request),
            instead_of=request.cookies.get(COOKIE),
        )
    except SignInRefused:
        await _note_failure(request, parts, given.login)
        raise
    request.state.caller = caller
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )
    return await _me(caller, parts)


@session.get("/session", summary="Who one is")
async def me(caller: AnyCaller, parts: TheParts) -> Me:
    """Also of a token."""
    return await _me(caller, parts)


@session.delete("/session", summary="Sign out", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(request: Request, response: Response, parts: TheParts, _: AnyCaller) -> None:
    """Of a token, nothing: revoke it instead."""
    if (secret := request.cookies.get(COOKIE)) is not None:
        await parts.stores.users.sign_out(secret)
        _forget_cookie(response)


@session.put("/session/password", summary="Change one's own password", status_code=HTTPStatus.NO_CONTENT)
async def change_own_password(given: OwnPassword, request: Request, parts: TheParts, caller: AnyCaller) -> None:
    """All other sessions of the user end. A wrong present password counts like a failed sign-in."""
    _user_of(caller)
    _slow_down(request, parts)
    login = caller.actor.removeprefix("user ")
    try:
        await parts.stores.users.change_password(login, given.old, given.new, secret=request.cookies.get(COOKIE))
    except SignInRefused:
        await _note_failure(request, parts, login)
        # Not 401: who asks has signed in, and stays so.
        raise NotPermitted(
            "the present password is another one, or was wrong too often: then wait 15 minutes"
        ) from None


@session.get("/sessions", summary="One's own sessions")
async def list_sessions(
    request: Request, parts: TheParts, caller: AnyCaller, limit: Limit = 100, after: After = 0
) -> Page[SessionOut]:
    """Where one has signed in, and has not signed out."""
    found = await parts.stores.users.sessions(
        _user_of(caller), after=after, most=limit + 1, secret=request.cookies.get(COOKIE)
    )
    return page_of([SessionOut.model_validate(each) for each in found], limit, lambda each: each.id)


@session.delete("/sessions", summary="End all sessions of one's own", status_code=HTTPStatus.NO_CONTENT)
async def end_sessions(response: Response, parts: TheParts, caller: AnyCaller) -> None:
    """The one that asks, too."""
    await parts.stores.users.end_sessions(_user_of(caller))
    _forget_cookie(response)


def _user_of(caller: Caller) -> int:
    if caller.user_id is None:
        raise NotPermitted("a token has neither a password nor sessions: sign in")
    return caller.user_id


def _slow_down(request: Request, parts: Parts) -> None:
    """Whoever guesses. Raises HTTPException 429."""
    now, network = parts.clock.monotonic(), network_of(request)
    failed_sign_ins_of(request).refuse_spent(network, now)
    rate_of(request).spend(f"sign in {network}", now, requests=SIGN_IN_COSTS)


async def _note_failure(request: Request, parts: Parts, login: str) -> None:
    """A login that nobody has is not written down: it may be a password that slipped into the wrong field."""
    failed_sign_ins_of(request).spend(network_of(request), parts.clock.monotonic())
    request.state.audit_account_id = account_id = await parts.stores.users.account_of_login(login)
    note_for_audit(request, {"login": login if account_id is not None else "(of nobody)"})


def _forget_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _address_of(request: Request) -> str:
    return request.client.host if request.client else ""


async def _me(caller: Caller, parts: Parts) -> Me:
    account = await parts.stores.accounts.get(caller.account)
    return Me(
        account=caller.account,
        actor=caller.actor,
        role=caller.role,
        permissions=sorted(caller.permissions),
        agent=caller.agent,
        time_zone=account.rules.time_zone,
    )
