"""The way from a page to the data: the API's own routes, asked inside the process in the name of whoever opened the page. So roles,
checks, the audit log and the sentences of refusals are the same at every door."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from dialerd.api.auth import COOKIE

PREFIX = "/api/v1"
PAGE = 200
PATIENCE_S = 60.0


class Refused(Exception):
    """The API said no. `problems` are the single things that are wrong with what was sent, each as `field: sentence` where it is one
    field's."""

    def __init__(self, status: int, kind: str, detail: str, problems: Sequence[str]) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.problems = tuple(problems)


class SignedOut(Refused):
    """The session has ended."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: Any
    """JSON; None where there is none."""
    etag: str | None
    location: str | None


class Door:
    """`address`: of the browser, for the audit log; `base` is how the browser calls this server."""

    def __init__(self, api: ASGIApp, cookie: str, *, address: str = "", base: str = "http://dialerd") -> None:
        transport = httpx.ASGITransport(_Uncounted(api), client=(address, 0), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=transport, base_url=base, cookies={COOKIE: cookie} if cookie else None, timeout=PATIENCE_S
        )

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of it. `query`: what is None is left out; a list stands there several times. Raises Refused."""
        return (await self.ask("GET", path, query=query)).body

    async def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of a list that is paged by key: for lists that are short by nature."""
        found: list[Any] = []
        after = None
        while True:
            page = await self.get(path, **{"limit": PAGE, **query, "after": after})
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    async def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return (await self.ask("POST", path, body=body, query=query)).body

    async def put(self, path: str, body: Any, *, etag: str | None = None) -> Any:
        return (await self.ask("PUT", path, body=body, etag=etag)).body

    async def patch(self, path: str, body: Any, *, etag: str | None = None) -> Any:
        """`etag`: of what was read; if it has changed since, nothing is changed, and Refused has the kind `changed-meanwhile`."""
        return (await self.ask("PATCH", path, body=body, etag=etag)).body

    async def delete(self, path: str, **query: Any) -> Any:
        return (await self.ask("DELETE", path, query=query)).body

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        etag: str | None = None,
    ) -> Answer:
        """Raises Refused, SignedOut."""
        answer = await self._client.request(
            method,
            address_of(path, **(query or {})),
            json=body,
            headers={"If-Match": etag} if etag else None,
        )
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise refusal_of(answer.status_code, answer.text)
        return Answer(
            body=answer.json() if answer.content else None,
            etag=answer.headers.get("etag"),
            location=answer.headers.get("location"),
        )

    async def close(self) -> None:
        await self._client.aclose()


class _Uncounted:
    """How often a program may ask is limited; what a page asks while it is drawn is no program's doing."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["counted"] = True
        await self._api(scope, receive, send)


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def address_of(path: str, **query: Any) -> str:
    """Where the browser itself asks the API: for files that come and go. The query is that of Door.get."""
    said = [(name, _word(one)) for name, value in query.items() for one in _each(value)]
    return f"{PREFIX}{path}" + (f"?{urlencode(said)}" if said else "")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refusal_of(status: int, text: str) -> Refused:
    """What the API answered, which was no success."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        said = {}
    kind = str(said.get("type", "")).rpartition("/")[2] or "error"
    detail = str(said.get("detail") or f"the server answered {status}")
    signed_out = status == HTTPStatus.UNAUTHORIZED and kind == "not-signed-in"
    return (SignedOut if signed_out else Refused)(status, kind, detail, said.get("problems", ()))
