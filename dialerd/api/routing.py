"""What every route that changes something does beside its own work: it is written into the audit log, and a repetition with the same
Idempotency-Key gets the answer of the first one."""

import hashlib
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from dialerd.api.auth import SAFE, identify
from dialerd.api.parts import parts_of
from dialerd.api.problems import Problem, of_error
from dialerd.domain.roles import Caller
from dialerd.errors import DialerdError
from dialerd.store.idempotency import KeptAnswer

IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_KEY = 255
KEPT_HEADERS = ("content-type", "location", "etag")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Route(APIRoute):
    """Audited if it changes something; repeatable if it is a POST."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_changing(request: Request) -> Response:
            if request.method in SAFE:
                return await handle(request)
            status: int = HTTPStatus.INTERNAL_SERVER_ERROR
            try:
                response = await _once(request, handle)
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


async def _write_audit(request: Request, status: int) -> None:
    """Whoever did nothing, and was nobody, is not written down."""
    caller: Caller | None = getattr(request.state, "caller", None)
    details = getattr(request.state, "audit_details", {})
    if caller is None and not details:
        return
    await parts_of(request).stores.audit_log.write(
        caller.account_id if caller else None,
        actor=caller.actor if caller else "nobody",
        action=f"{request.method} {request.scope['route'].path}",
        target={name: str(value) for name, value in request.path_params.items()},
        details=details,
        status=status,
        address=request.client.host if request.client else "",
    )


async def _once(request: Request, handle: Handler) -> Response:
    """What the route answers; or, where the request carries the Idempotency-Key of an earlier one, what that was answered. Only success
    is kept: whatever was refused may be tried again. Raises KeyReused, StoreBusy."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    caller = await identify(request) if key is not None and request.method == "POST" else None
    if key is None or caller is None:
        return await handle(request)
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"{IDEMPOTENCY_KEY}: 1 to {LONGEST_KEY} plain characters")
    store = parts_of(request).stores.idempotency
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
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
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": description, "content": {"application/problem+json": {}}}
        for status, description in (
            (401, "Nobody has signed in."),
            (403, "That is not permitted."),
            (422, "What was sent cannot be used."),
            (429, "Too many requests."),
            (503, "The database is busy or away: try again."),
        )
    }
    return APIRouter(
        prefix=f"/api/v1{options.pop('prefix', '')}", tags=[noun], route_class=Route, responses=answers, **options
    )
