"""Leads from a CRM's API: the reading of a source, page by page, and the mapping of its JSON to leads.

Further pages are asked for not at all, by a link in the answer, or by a page number until a page is empty. Rows are
judged as those of a CSV file are.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias
from urllib.parse import urljoin

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import SecretStr
from yarl import URL

from dialerd.errors import SettingsError
from dialerd.guarded_http.client import (
    Answer,
    AnswerTooLarge,
    AnswerUnusable,
    GuardedHttp,
    Request,
    Resolve,
    system_addresses,
)
from dialerd.guarded_http.public_address import UrlRefused, host_of, origin_of, url_problem
from dialerd.lead_sources.base import BadRow, Flaw, GoodRow, printable
from dialerd.lead_sources.crm_source import HEADER_VALUE, SECRET, CrmMapping, CrmPaging, CrmSource
from dialerd.lead_sources.csv_file import MOST_ATTEMPTS, judge_fields
from dialerd.lead_sources.json_answer import NotJson, decoded
from dialerd.settings import CrmSettings

Read: TypeAlias = Callable[[Any], Any]

BATCH = 500
SAMPLE = 5

_COLUMN_OF = {
    "first_name": "first_name",
    "number": "number",
    "last_name": "last_name",
    "priority": "priority",
    "ticket_id": "ticket_id",
    "dial_retries": "retries",
    "first_cooloff": "cool_off",
    "cooloff": "cool_off_2nd",
    "notes": "note",
    "skill": "skill",
    "extension": "extension",
    "time_zone": "time_zone",
}
"""The keys of the first specification, and what a CSV file calls the same. A lead without a priority has 0."""

CANNOT_EVALUATE = (JMESPathError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What JMESPath raises on data that it did not expect, such as text compared with a number."""


class _Unfit(Exception):
    """A value is not what a lead can have."""


# --- What it gives ----------------------------------------------------------------------------------------------------


async def read_leads(
    source: CrmSource,
    settings: CrmSettings,
    *,
    default_region: str,
    most_attempts: int = MOST_ATTEMPTS,
    resolve: Resolve = system_addresses,
) -> AsyncGenerator[GoodRow | BadRow, None]:
    """Every lead of every page, in order; its `line` counts from 1 over all pages. Close it if you stop before its end.

    `default_region` is the country of numbers without one (ISO 3166), `most_attempts` the account's limit.
    Raises SettingsError for a secret that is not there, UrlRefused, NoAnswer, RequestRefused, AnswerTooLarge and
    AnswerUnusable. Work for the processor is done in a thread.
    """
    mapped = _Mapped.of(source.mapping)
    first = _first_request(source, settings.secrets)
    line = 1
    async with GuardedHttp(settings, resolve=resolve) as http, aclosing(_pages(source, first, http, settings)) as pages:
        async for leads in pages:
            if line - 1 + len(leads) > settings.max_leads:
                raise AnswerTooLarge(
                    f"{host_of(source.url)} has more than {settings.max_leads} leads: ask for less, or raise crm.max_leads"
                )
            for start in range(0, len(leads), BATCH):
                batch = leads[start : start + BATCH]
                for row in await asyncio.to_thread(mapped.rows, batch, line, default_region, most_attempts):
                    yield row
                line += len(batch)


async def read_sample(
    source: CrmSource,
    settings: CrmSettings,
    *,
    default_region: str,
    most_attempts: int = MOST_ATTEMPTS,
    size: int = SAMPLE,
    resolve: Resolve = system_addresses,
) -> list[GoodRow | BadRow]:
    """The first leads; no page is asked for that they do not need. Raises what `read_leads` raises."""
    sample: list[GoodRow | BadRow] = []
    leads = read_leads(source, settings, default_region=default_region, most_attempts=most_attempts, resolve=resolve)
    async with aclosing(leads) as rows:
        async for row in rows:
            sample.append(row)
            if len(sample) == size:
                break
    return sample


def _first_request(source: CrmSource, secrets: Mapping[str, SecretStr]) -> Request:
    """Raises SettingsError that names every secret that is missing."""
    usual = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if source.body is not None else {})
    headers = filled_headers(source.headers, secrets, usual)
    body = None if source.body is None else json.dumps(source.body, allow_nan=False).encode()
    first = Request(method=source.method, url=source.url, headers=headers, body=body)
    return _numbered(first, source.paging, 0)


def filled_headers(
    given: Mapping[str, str], secrets: Mapping[str, SecretStr], usual: Mapping[str, str]
) -> dict[str, str]:
    """With the secrets in their places, and what is usual where nothing else is said. Raises SettingsError that names every secret
    that is missing."""
    names = sorted({name.lower() for value in given.values() for name in SECRET.findall(value)})
    if problems := [sentence for name in names if (sentence := _secret_problem(name, secrets))]:
        raise SettingsError("\n".join(["the CRM cannot be asked:", *(f"  - {problem}" for problem in problems)]))
    headers = {
        name: SECRET.sub(lambda found: secrets[found[1].lower()].get_secret_value().strip(), value)
        for name, value in given.items()
    }
    said = {name.lower() for name in headers}
    return headers | {name: value for name, value in usual.items() if name.lower() not in said}


def _secret_problem(name: str, secrets: Mapping[str, SecretStr]) -> str | None:
    secret = secrets.get(name)
    if secret is None or not secret.get_secret_value().strip():
        where = f"DIALERD_CRM__SECRETS__{name.upper()} or the credential crm__secrets__{name}"
        return f"crm.secrets.{name}: missing; set it in {where}"
    if not HEADER_VALUE.fullmatch(secret.get_secret_value().strip()):
        return f"crm.secrets.{name}: is too long, or has a character that a header cannot carry"
    return None


async def _pages(
    source: CrmSource, request: Request | None, http: GuardedHttp, settings: CrmSettings
) -> AsyncGenerator[list[Any], None]:
    seen: set[bytes] = set()
    for number in range(settings.max_pages):
        if request is None:
            return
        answer = await http.ask(request)
        page = await asyncio.to_thread(_page, answer, source, settings.max_depth)
        if not page.leads and source.paging is not None and source.paging.page_parameter:
            return
        if page.digest in seen:
            raise AnswerUnusable(f"{host_of(answer.url)}: {_circle(source, number)}")
        seen.add(page.digest)
        yield page.leads
        request = _next_request(source, request, answer, page, number + 1)
    if request is not None:
        raise AnswerTooLarge(
            f"{host_of(source.url)} has more than {settings.max_pages} pages: ask for larger ones, or raise crm.max_pages"
        )


@dataclass(frozen=True, kw_only=True)
class _Page:
    leads: list[Any]
    next: Any
    digest: bytes


def _page(answer: Answer, source: CrmSource, max_depth: int) -> _Page:
    """Raises AnswerUnusable."""
    host = host_of(answer.url)
    try:
        document = decoded(answer.body, charset=answer.charset, max_depth=max_depth)
        leads = _found(_reader(source.mapping.leads_array), document)
        link = _found(_reader(source.paging.next), document) if source.paging and source.paging.next else None
    except NotJson as why:
        raise AnswerUnusable(f"{host}: the answer {why}") from None
    except _Unfit as unfit:
        raise AnswerUnusable(f"{host}: mapping.leads_array or paging.next {unfit}") from None
    if not isinstance(leads, list):
        raise AnswerUnusable(f"{host}: {_no_array(source.mapping.leads_array, leads, document)}")
    return _Page(leads=leads, next=link, digest=hashlib.sha256(answer.body).digest())


def _no_array(path: str, found: Any, document: Any) -> str:
    """With what the answer has instead, so that the path can be mended."""
    what = "nothing" if found is None else f"{_kind(found)}, not a list"
    keys = ", ".join(printable(key) for key in list(document)[:10]) if isinstance(document, dict) else ""
    there = f"the answer has the keys {keys}" if keys else f"the answer is {_kind(document)}"
    return f"mapping.leads_array {path!r} leads to {what}; {there}"


def _circle(source: CrmSource, number: int) -> str:
    paging = source.paging
    by_number = paging is not None and paging.page_parameter
    hint = (
        f"does the CRM know the parameter {by_number!r}?" if by_number else "the links to the next page go in a circle"
    )
    return f"page {number + 1} is the same as an earlier one: {hint}"


def _next_request(source: CrmSource, request: Request, answer: Answer, page: _Page, number: int) -> Request | None:
    """Raises UrlRefused, AnswerUnusable."""
    if source.paging is None:
        return None
    if source.paging.page_parameter:
        return _numbered(replace(request, url=source.url), source.paging, number)
    if not page.next:
        return None
    return replace(request, url=_next_url(source, answer, page.next))


def _next_url(source: CrmSource, answer: Answer, link: Any) -> str:
    """Our headers go there, so it has to be where the source is."""
    host = host_of(answer.url)
    if not isinstance(link, str):
        raise AnswerUnusable(f"{host}: paging.next leads to {_kind(link)}, not to a URL")
    try:
        url = urljoin(answer.url, link)
    except ValueError:
        raise AnswerUnusable(f"{host}: paging.next leads to what is not a URL") from None
    if problem := url_problem(url):
        raise UrlRefused(f"{host}: the URL of the next page {problem}")
    if origin_of(url) != origin_of(source.url):
        raise UrlRefused(
            f"{host}: the next page is at {host_of(url)}, and only the source's own host and port are asked"
        )
    return url


def _numbered(request: Request, paging: CrmPaging | None, number: int) -> Request:
    """With the number of the page in its URL, if that is how pages are asked for."""
    if paging is None or not paging.page_parameter:
        return request
    url = URL(request.url).update_query({paging.page_parameter: str(paging.first_page + number)})
    return replace(request, url=str(url))


# --- From JSON to leads -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Field:
    """`key` is how the mapping calls it, `column` how a CSV file does."""

    key: str
    column: str
    read: Read


@dataclass(frozen=True, kw_only=True)
class _Mapped:
    fields: tuple[_Field, ...]

    @classmethod
    def of(cls, mapping: CrmMapping) -> "_Mapped":
        known = ((key, column, getattr(mapping, key)) for key, column in _COLUMN_OF.items())
        custom = ((f"custom.{name}", name, path) for name, path in mapping.custom.items())
        return cls(
            fields=tuple(
                _Field(key=key, column=column, read=_reader(path))
                for key, column, path in chain(known, custom)
                if path is not None
            )
        )

    def rows(
        self, leads: Sequence[Any], first_line: int, default_region: str, most_attempts: int = MOST_ATTEMPTS
    ) -> list[GoodRow | BadRow]:
        return [self._row(line, lead, default_region, most_attempts) for line, lead in enumerate(leads, first_line)]

    def _row(self, line: int, lead: Any, default_region: str, most_attempts: int) -> GoodRow | BadRow:
        """All that is wrong with it at once, in the words of the mapping."""
        if not isinstance(lead, dict):
            return BadRow(
                line=line, flaws=(Flaw(column="(lead)", value="", reason=f"is {_kind(lead)}, not an object"),)
            )
        values: dict[str, str] = {}
        flaws: dict[str, Flaw] = {}
        for field in self.fields:
            try:
                text = _as_text(_found(field.read, lead))
            except _Unfit as unfit:
                flaws[field.column] = Flaw(column=field.key, value="", reason=str(unfit))
                continue
            if text or field.key in ("number", "first_name"):
                values[field.column] = text
        row = judge_fields(line, values, default_region, most_attempts=most_attempts)
        if isinstance(row, GoodRow) and not flaws:
            return row
        judged = row.flaws if isinstance(row, BadRow) else ()
        others = tuple(self._in_our_words(flaw) for flaw in judged if flaw.column not in flaws)
        return BadRow(line=line, flaws=(*flaws.values(), *others))

    def _in_our_words(self, flaw: Flaw) -> Flaw:
        return replace(flaw, column=next((f.key for f in self.fields if f.column == flaw.column), flaw.column))


def _reader(path: str) -> Read:
    """Most paths are the name of a field, and JMESPath takes twenty times as long for it as Python."""
    compiled = jmespath.compile(path)
    if compiled.parsed["type"] != "field":
        return compiled.search
    name = compiled.parsed["value"]
    return lambda value: value.get(name) if isinstance(value, dict) else None


def _found(read: Read, value: Any) -> Any:
    """Raises _Unfit. What JMESPath says itself may hold the data, so it is not repeated."""
    try:
        return read(value)
    except CANNOT_EVALUATE as failure:
        raise _Unfit(f"cannot be evaluated here ({type(failure).__name__})") from None


def _as_text(value: Any) -> str:
    """Raises _Unfit for what is no single value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _storable(value.strip())
    if isinstance(value, int | float):
        return str(value)
    raise _Unfit(f"is {_kind(value)}, not a single value")


def _storable(text: str) -> str:
    """JSON can name half of a character ("\\ud83d"); nothing else can hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unfit("has half of a character in it") from None
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
