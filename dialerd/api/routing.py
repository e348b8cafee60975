"""What every route does beside its own work. Before anything of the request is read it is asked who sends it, and whether that is
permitted; and no more of it is read than is allowed. What changes something is written into the audit log, and a repetition with the
same Idempotency-Key gets the answer of the first one."""

import hashlib
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from dialerd.api.auth import SAFE, Demand, admit, demand_of, identify, refuse_foreign_origin, refuse_without
from dialerd.api.parts import parts_of
from dialerd.api.problems import Problem, of_error
from dialerd.domain.roles import Caller
from dialerd.errors import DialerdError
from dialerd.settings import WebSettings
from dialerd.store.idempotency import KeptAnswer

IDEMPOTENCY_KEY = "Idempotency-Key"
KEY = "[!-~]{1,255}"
KEPT_HEADERS = ("content-type", "location", "etag")

LARGEST_BODY = 2**20
"""Bytes of JSON. Files may be as large as the settings say."""
LARGEST_OF_NOBODY = 2**14
"""Bytes, where one need not be somebody."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_largest: dict[Callable[..., Any], int] = {}
_unkept: set[Callable[..., Any]] = set()


def largest_body(size: int) -> Callable[[Endpoint], Endpoint]:
    """Bytes of JSON that this route takes, in place of LARGEST_BODY. The decorator stands below that of the route."""

    def mark(endpoint: Endpoint) -> Endpoint:
        _largest[endpoint] = size
        return endpoint

    return mark


def unkept(endpoint: Endpoint) -> Endpoint:
    """The request or its answer holds a secret, so neither is kept for an Idempotency-Key, not even as a hash. What must not be done
    twice is refused by its name. The decorator stands below that of the route."""
    _unkept.add(endpoint)
    return endpoint


class Route(APIRoute):
    """Audited if it changes something; repeatable if it is a POST."""

    @property
    def demand(self) -> Demand:
        return demand_of(self.dependant)

    @property
    def takes_file(self) -> bool:
        """Whether it takes more than JSON: a form, or the body as it comes."""
        return self.body_field is None or isinstance(self.body_field.field_info, Form)

    @property
    def is_repeatable(self) -> bool:
        """Whether it honours an Idempotency-Key."""
        return "POST" in (self.methods or ()) and self.endpoint not in _unkept

    def _largest(self, demand: Demand, settings: WebSettings) -> int:
        """Bytes of the body."""
        if self.endpoint in _largest:
            return _largest[self.endpoint]
        if not demand.caller:
            return LARGEST_OF_NOBODY
        return settings.largest_upload if self.takes_file else LARGEST_BODY

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        demand = self.demand

        async def handle_admitted(request: Request) -> Response:
            await _admit(request, demand)
            bounded = Request(request.scope, _bounded(request, self._largest(demand, parts_of(request).settings.web)))
            if self.is_repeatable:
                return await _once(bounded, handle, whole=not self.takes_file)
            return await handle(bounded)

        async def handle_changing(request: Request) -> Response:
            if request.method in SAFE:
                return await handle_admitted(request)
            status: int = HTTPStatus.INTERNAL_SERVER_ERROR
            try:
                response = await handle_admitted(request)
                status = response.status_code
            except DialerdError as refusal:
                response = of_error(refusal)
                status = response.status_code
            except RequestValidationError:
                status = HTTPStatus.UNPROCESSABLE_ENTITY
                raise
            except HTTPException as refusal:
                status = refusal.status_code
                raise
            finally:
                await _write_audit(request, status)
            return response

        return handle_changing


async def _admit(request: Request, demand: Demand) -> None:
    """Before anything else, so that who may not do it does not learn what is wrong with the request. Raises HTTPException, NotPermitted."""
    if not demand.caller:
        refuse_foreign_origin(request)
        return
    caller = await admit(request)
    for permission in sorted(demand.permissions):
        refuse_without(permission, caller)


def _bounded(request: Request, largest: int) -> Receive:
    """What receives the body, up to so many bytes. Raises HTTPException, at once where its length is told beforehand."""
    too_large = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {largest} bytes")
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdecimal()) or int(told[:20]) > largest:
        raise too_large
    left = largest

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return receive


async def _write_audit(request: Request, status: int) -> None:
    """Whoever did nothing, and was nobody, is not written down."""
    caller: Caller | None = getattr(request.state, "caller", None)
    account_id = caller.account_id if caller else getattr(request.state, "audit_account_id", None)
    details = getattr(request.state, "audit_details", {})
    if caller is None and not details:
        return
    await parts_of(request).stores.audit_log.write(
        account_id,
        actor=caller.actor if caller else "nobody",
        action=f"{request.method} {request.scope['route'].path}",
        target={name: str(value).replace("\0", "\ufffd") for name, value in request.path_params.items()},
        details=details,
        status=status,
        address=request.client.host if request.client else "",
    )


async def _once(request: Request, handle: Handler, *, whole: bool) -> Response:
    """What the route answers; or, where the request carries the Idempotency-Key of an earlier one, what that was answered. Only success
    is kept: whatever was refused may be tried again. `whole`: whether the body is read to tell two requests apart; of a file its length
    must do. Raises KeyReused, StoreBusy."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    caller = await identify(request) if key is not None else None
    if key is None or caller is None:
        return await handle(request)
    if not re.fullmatch(KEY, key):
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"{IDEMPOTENCY_KEY}: 1 to 255 plain characters, such as a UUID"
        )
    if not whole and "transfer-encoding" in request.headers:
        raise HTTPException(HTTPStatus.LENGTH_REQUIRED, f"with an {IDEMPOTENCY_KEY}, say the length of the file before")
    store = parts_of(request).stores.idempotency
    asked = f"{caller.actor} {request.method} {request.url.path}?{request.url.query}\n"
    digest = hashlib.sha256(asked.encode())
    digest.update(await request.body() if whole else request.headers.get("content-length", "").encode())
    known = await store.begin(caller.account_id, key, digest.digest())
    if known is not None:
        return Response(known.body, known.status, {**known.headers, "Idempotency-Replayed": "true"})
    done = False
    try:
        response = await handle(request)
        if response.status_code < HTTPStatus.BAD_REQUEST and not isinstance(response, StreamingResponse):
            kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            answer = KeptAnswer(status=response.status_code, headers=kept, body=bytes(response.body))
            await store.end(caller.account_id, key, answer)
            done = True
        return response
    finally:
        if not done:
            await store.forget(caller.account_id, key)


def router(noun: str, **options: Any) -> APIRouter:
    """Of one noun: its routes are under /api/v1, and its errors are problems."""
    answers: dict[int | str, dict[str, Any]] = {422: {"model": Problem}}
    return APIRouter(
        prefix=f"/api/v1{options.pop('prefix', '')}", tags=[noun], route_class=Route, responses=answers, **options
    )
