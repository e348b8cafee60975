"""What the OpenAPI description says of every route without the route having to: how it is refused, which permission it needs, and that
a POST may be repeated."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from dialerd.api.auth import SAFE
from dialerd.api.problems import MEDIA_TYPE
from dialerd.api.routing import IDEMPOTENCY_KEY, KEY, Route
from dialerd.api.schemas.words import describe_fields

_ALWAYS: Mapping[int, str] = {
    401: "Nobody has signed in.",
    403: "That is not permitted.",
    422: "What was sent cannot be used.",
    429: "Too many requests: `Retry-After` says in how many seconds it may be tried again.",
    503: "The database is busy or away: try again.",
}
_OF_A_THING = {404: "There is no such thing, or it is another account's."}
_OF_A_BODY = {400: "The body cannot be read.", 411: "Say the length of the file.", 413: "The body is too large."}
_OF_A_CHANGE = {400: "That cannot be done.", 409: "That cannot be done as things stand."}
_OF_A_VERSION = {412: "It has changed since it was read."}

_EXAMPLE = {
    "type": "/problems/not-found",
    "title": "Not found",
    "status": 404,
    "detail": "there is no campaign 7",
    "problems": [],
}
_KEY: Mapping[str, Any] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "A new one for each thing that is to be done, such as a UUID. Sent again with the same request within a day, nothing is "
    "done, and the answer is the first one's, with `Idempotency-Replayed: true`.",
    "schema": {"type": "string", "pattern": f"^{KEY}$", "examples": ["0b2f5a0e-6b3c-4d0e-9d65-5c9c2e0f7c1a"]},
}


def complete(app: FastAPI) -> None:
    """What the application says of itself from now on has all that."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = describe()
            for path, method, route in routes_of(app):
                if method.lower() in description["paths"].get(path, {}):
                    _complete(description["paths"][path][method.lower()], method, route)
            describe_fields(description["components"]["schemas"])
            app.openapi_schema = description
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's own documentation says


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, Route]]:
    """Path, method and route of each operation of the API."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield str(context.path_format), method, route


def _complete(operation: dict[str, Any], method: str, route: Route) -> None:
    answers: dict[str, Any] = operation["responses"]
    for refusal, description in _refusals(operation, method).items():
        answers.setdefault(str(refusal), {}).setdefault("description", description)
    for status, answer in answers.items():
        if status.isdecimal() and int(status) >= HTTPStatus.BAD_REQUEST:
            answer["content"] = _problem()
    answers["422"]["description"] = _ALWAYS[422]
    if permissions := sorted(route.demand.permissions):
        needs = f"Needs the permission `{'`, `'.join(permissions)}`."
        operation["description"] = "\n\n".join(filter(None, (operation.get("description"), needs)))
        operation["x-permissions"] = permissions
    if route.is_repeatable:
        operation.setdefault("parameters", []).append(dict(_KEY))


def _refusals(operation: Mapping[str, Any], method: str) -> dict[int, str]:
    parameters = operation.get("parameters", [])
    found = dict(_ALWAYS)
    if any(each["in"] in ("path", "query") for each in parameters):
        found |= _OF_A_THING
    if method not in SAFE:
        found |= _OF_A_CHANGE
    if "requestBody" in operation:
        found |= _OF_A_BODY
    if any(each["name"].lower() == "if-match" for each in parameters):
        found |= _OF_A_VERSION
    return found


def _problem() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _EXAMPLE}}
