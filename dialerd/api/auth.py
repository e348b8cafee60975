"""Who sends a request, and whether it is permitted: a bearer token, or the cookie of a session."""

from collections import OrderedDict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from dialerd.api.parts import TheParts, parts_of
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import NotPermitted

COOKIE = "dialerd_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_KNOWN = 10_000
SIGN_IN_COSTS = 60

_bearer = HTTPBearer(auto_error=False, description="An API token: see POST /api/v1/tokens.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A session: see POST /api/v1/session.")


async def identify(request: Request) -> Caller | None:
    """Whose token or cookie it is; None: nobody's. Asked once a request."""
    if not hasattr(request.state, "caller"):
        users = parts_of(request).stores.users
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        cookie = request.cookies.get(COOKIE)
        if scheme.lower() == "bearer":
            request.state.caller = await users.of_token(secret.strip())
        elif cookie is not None:
            _refuse_foreign_origin(request)
            request.state.caller = await users.of_session(cookie)
        else:
            request.state.caller = None
    caller: Caller | None = request.state.caller
    return caller


async def caller_of(
    request: Request,
    parts: TheParts,
    _token: Annotated[Any, Depends(_bearer)],
    _session: Annotated[Any, Depends(_cookie)],
) -> Caller:
    """Raises HTTPException 401 for nobody, 429 for who asks too often."""
    caller = await identify(request)
    if caller is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED, "sign in, or send a token that is in force", {"WWW-Authenticate": "Bearer"}
        )
    rate_of(request).spend(f"{caller.account_id} {caller.actor}", parts.clock.monotonic())
    return caller


def _refuse_foreign_origin(request: Request) -> None:
    """A browser sends the cookie along with a form of any site, but also says which: only our own pages may change anything."""
    origin = request.headers.get("origin")
    if request.method in SAFE:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotPermitted("this request comes from the page of another site")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}":
        raise NotPermitted("this request comes from the page of another site")


class _Permitted:
    """A dependency; `permission` is read by the test of the whole matrix, and by the documentation."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if self.permission not in caller.permissions:
            raise NotPermitted(f"this needs the permission {self.permission}, which {caller.actor} has not")
        return caller


def permitted(permission: Permission) -> Any:
    """`caller: Annotated[Caller, permitted(Permission.VIEW)]`: the caller, if that is permitted."""
    return Depends(_Permitted(permission))


AnyCaller = Annotated[Caller, Depends(caller_of)]
"""Whoever has signed in: for what is the caller's own."""


class Rate:
    """How often each caller has asked: GCRA, of which a whole minute may be spent at once."""

    def __init__(self, per_minute: int) -> None:
        self._interval = 60 / per_minute
        self._known: OrderedDict[str, float] = OrderedDict()

    def spend(self, who: str, now: float, *, requests: int = 1) -> None:
        """Raises HTTPException 429, with the seconds to wait."""
        at = max(now, self._known.get(who, now)) + requests * self._interval
        if at - now > 60:
            wait = {"Retry-After": str(max(1, round(at - now - 60)))}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "too many requests: slow down", wait)
        self._known[who] = at
        self._known.move_to_end(who)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def rate_of(request: Request) -> Rate:
    rate: Rate = request.app.state.rate
    return rate
