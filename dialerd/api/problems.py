"""What goes wrong, as RFC 9457 has it (application/problem+json): each kind with an id that never changes, and what to do."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialerd import errors
from dialerd.errors import DialerdError
from dialerd.guarded_http.client import AnswerTooLarge, AnswerUnusable, NoAnswer, RequestRefused
from dialerd.guarded_http.public_address import UrlRefused
from dialerd.imports import RowsRefused
from dialerd.lead_sources.base import UnreadableSource
from dialerd.lead_sources.crm_source import InvalidCrmSource

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """The body of every answer that is an error."""

    type: str = Field(description="Id of the kind of problem; it never changes.", examples=["/problems/not-found"])
    title: str = Field(description="The kind, for people.", examples=["There is no such thing"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What happened here, and what to do.", examples=["there is no campaign 7"])
    problems: list[str] = Field(
        default=[], description="Each single thing that is wrong with what was sent, where that can be told."
    )


_KINDS: Sequence[tuple[type[DialerdError], str, HTTPStatus]] = (
    (errors.NotFound, "not-found", HTTPStatus.NOT_FOUND),
    (errors.NotPermitted, "not-permitted", HTTPStatus.FORBIDDEN),
    (errors.SignInRefused, "sign-in-refused", HTTPStatus.UNAUTHORIZED),
    (errors.AlreadyThere, "already-there", HTTPStatus.CONFLICT),
    (errors.ChangedMeanwhile, "changed-meanwhile", HTTPStatus.PRECONDITION_FAILED),
    (errors.KeyReused, "idempotency-key-reused", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidPassword, "invalid-password", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.LastOwner, "last-owner", HTTPStatus.CONFLICT),
    (errors.InvalidRequest, "invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidCampaign, "invalid-campaign", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidAccount, "invalid-account", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidMenu, "invalid-menu", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidWebhook, "invalid-webhook", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InvalidMedium, "invalid-medium", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.InUse, "in-use", HTTPStatus.CONFLICT),
    (errors.MediaOff, "media-off", HTTPStatus.CONFLICT),
    (errors.NoSound, "no-sound", HTTPStatus.CONFLICT),
    (errors.RecordingElsewhere, "recording-elsewhere", HTTPStatus.CONFLICT),
    (errors.InvalidDisposition, "invalid-disposition", HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.StartRefused, "start-refused", HTTPStatus.CONFLICT),
    (errors.IllegalTransition, "illegal-transition", HTTPStatus.CONFLICT),
    (errors.CampaignKept, "campaign-kept", HTTPStatus.CONFLICT),
    (errors.LeadsClosed, "leads-closed", HTTPStatus.CONFLICT),
    (errors.LeadInFlight, "lead-in-flight", HTTPStatus.CONFLICT),
    (errors.OfferClosed, "offer-closed", HTTPStatus.CONFLICT),
    (errors.JobsFull, "jobs-full", HTTPStatus.TOO_MANY_REQUESTS),
    (InvalidCrmSource, "invalid-crm-source", HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnreadableSource, "unreadable-source", HTTPStatus.UNPROCESSABLE_ENTITY),
    (RowsRefused, "rows-refused", HTTPStatus.UNPROCESSABLE_ENTITY),
    (UrlRefused, "crm-refused", HTTPStatus.UNPROCESSABLE_ENTITY),
    *(
        (kind, "crm-unusable", HTTPStatus.BAD_GATEWAY)
        for kind in (NoAnswer, RequestRefused, AnswerTooLarge, AnswerUnusable)
    ),
    (errors.StoreBusy, "store-busy", HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.StoreUnavailable, "store-unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.AsteriskUnavailable, "asterisk-unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first that fits. What is not here is an `error` of status 400."""

_IDS = {
    HTTPStatus.UNAUTHORIZED: "not-signed-in",
    HTTPStatus.FORBIDDEN: "not-permitted",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.LENGTH_REQUIRED: "length-required",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
    HTTPStatus.TOO_MANY_REQUESTS: "too-many-requests",
}


def kind_of(error: DialerdError) -> tuple[str, HTTPStatus]:
    """The id of the kind, and the status."""
    return next(
        ((name, status) for kind, name, status in _KINDS if isinstance(error, kind)), ("error", HTTPStatus.BAD_REQUEST)
    )


def problem(
    name: str, status: HTTPStatus, detail: str, problems: Sequence[str] = (), *, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = Problem(
        type=f"/problems/{name}",
        title=name.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        problems=list(problems),
    )
    return JSONResponse(body.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: DialerdError) -> JSONResponse:
    name, status = kind_of(error)
    problems = getattr(error, "problems", ()) or getattr(error, "reasons", ())
    retry = {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(name, status, error.message, problems, headers=retry)


def install(app: FastAPI) -> None:
    """Every error of the application leaves it as a problem, and none with a traceback."""

    @app.exception_handler(DialerdError)
    async def foreseen(_: Request, error: DialerdError) -> JSONResponse:
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [_sentence(each) for each in error.errors()]
        return problem("invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(problems), problems)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        name = _IDS.get(status, "error")
        return problem(name, status, str(error.detail), headers=dict(error.headers or {}))

    app.add_middleware(Unforeseen)


class Unforeseen:
    """ASGI middleware, within those that every answer passes; FastAPI's own handler of such errors would stand outside of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            log.error("request_failed", method=scope["method"], path=scope["path"], exc_info=error)
            if begun:
                raise
            detail = "something that nobody foresaw: the log of the server says what"
            await problem("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, detail)(scope, receive, send)


def _sentence(error: Any) -> str:
    """Where it is, and what is wrong; never what was sent, which may be secret."""
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header"))
    return f"{place}: {error['msg']}" if place else str(error["msg"])
