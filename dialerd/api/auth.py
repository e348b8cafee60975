"""Who sends a request, and whether it is permitted: a bearer token, or the cookie of a session."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import APIKeyCookie, HTTPBearer

from dialerd.api.parts import TheParts, parts_of
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import NotPermitted

COOKIE = "dialerd_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_KNOWN = 10_000
SIGN_IN_COSTS = 60
MOST_FAILED_SIGN_INS = 20
"""Of one address within FAILED_SIGN_INS_PER_S, whatever the logins. Then it may fail once in a 20th of that time."""
FAILED_SIGN_INS_PER_S = 900.0

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
            refuse_foreign_origin(request)
            request.state.caller = await users.of_session(cookie)
        else:
            request.state.caller = None
    caller: Caller | None = request.state.caller
    return caller


async def admit(request: Request) -> Caller:
    """Raises HTTPException 401 for nobody, 429 for who asks too often. A request counts once, however often it is asked for."""
    caller = await identify(request)
    if not getattr(request.state, "counted", False):
        request.state.counted = True
        who = f"{caller.account_id} {caller.actor}" if caller else f"nobody {network_of(request)}"
        rate_of(request).spend(who, parts_of(request).clock.monotonic())
    if caller is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED, "sign in, or send a token that is in force", {"WWW-Authenticate": "Bearer"}
        )
    return caller


async def caller_of(
    request: Request,
    _parts: TheParts,
    _token: Annotated[Any, Depends(_bearer)],
    _session: Annotated[Any, Depends(_cookie)],
) -> Caller:
    """As `admit` does; beside it, the documentation learns that one has to sign in."""
    return await admit(request)


def refuse_foreign_origin(request: Request) -> None:
    """A browser sends the cookie along with a form of any site, but also says which: only our own pages may change anything. Behind a
    proxy, the scheme is the one that it tells us, and the host is what it passes on."""
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
        refuse_without(self.permission, caller)
        return caller


def permitted(permission: Permission) -> Any:
    """`caller: Annotated[Caller, permitted(Permission.VIEW)]`: the caller, if that is permitted."""
    return Depends(_Permitted(permission))


def refuse_without(permission: Permission, caller: Caller) -> None:
    """Raises NotPermitted."""
    if permission not in caller.permissions:
        raise NotPermitted(f"this needs the permission {permission}, which {caller.actor} has not")


AnyCaller = Annotated[Caller, Depends(caller_of)]
"""Whoever has signed in: for what is the caller's own."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a route asks of who calls it."""

    caller: bool
    """Whether one has to be somebody."""
    permissions: frozenset[Permission]


def demand_of(dependant: Dependant) -> Demand:
    """Told by the dependencies of the route, so it need not be said twice."""
    calls = [each.call for each in _all_of(dependant)]
    return Demand(
        caller=caller_of in calls,
        permissions=frozenset(call.permission for call in calls if isinstance(call, _Permitted)),
    )


def _all_of(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _all_of(each)


class Rate:
    """How often each caller has asked: GCRA, of which the requests of the whole time may be spent at once."""

    def __init__(self, requests: int, *, per_s: float = 60) -> None:
        self._interval = per_s / requests
        self._at_once_s = per_s
        self._known: OrderedDict[str, float] = OrderedDict()

    def spend(self, who: str, now: float, *, requests: int = 1) -> None:
        """Raises HTTPException 429, with the seconds to wait."""
        at = self._after(who, now, requests)
        self._known[who] = at
        self._known.move_to_end(who)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def refuse_spent(self, who: str, now: float) -> None:
        """As `spend` does, without spending."""
        self._after(who, now, 1)

    def _after(self, who: str, now: float, requests: int) -> float:
        # However few are allowed, what counts for many must be possible at last.
        at = max(now, self._known.get(who, now)) + min(requests * self._interval, self._at_once_s)
        if at - now > self._at_once_s:
            wait = {"Retry-After": str(max(1, round(at - now - self._at_once_s)))}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "too many requests: slow down", wait)
        return at


def rate_of(request: Request) -> Rate:
    rate: Rate = request.app.state.rate
    return rate


def failed_sign_ins_of(request: Request) -> Rate:
    failed: Rate = request.app.state.failed_sign_ins
    return failed


def network_of(request: Request) -> str:
    """Whom guesses are counted for: an address, or of IPv6 the /64 network, of which one house has all addresses."""
    written = request.client.host if request.client else ""
    try:
        address = ip_address(written.partition("%")[0])
    except ValueError:
        return written
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
