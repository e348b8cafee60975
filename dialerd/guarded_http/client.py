"""HTTP to addresses that people have typed in: nothing that it asks is inside our network, and no answer can hurt us.

It answers for this: only http and https; a name is resolved here, every address that it has must be a public one, and
the connection goes to an address that was checked, with the name kept for TLS. Redirects are followed by hand, each
judged like the first address. Time, silence, size (also of what is compressed) and redirects have caps, which are
those of `Limits`. No proxy, cookie or password file of the environment is used. No error tells a header or a body.
"""

import asyncio
import socket
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
import stamina
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dialerd import __version__
from dialerd.errors import DialerdError
from dialerd.guarded_http.public_address import (
    Network,
    UrlRefused,
    host_of,
    origin_of,
    raise_unless_askable,
    raise_unless_public,
    url_problem,
)
from dialerd.tls import trusting

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_REDIRECTS = 5
MEGABYTE = 1_000_000
_PIECE = 65_536
_COMPRESSED_PIECE = 4_096
"""What this much unfolds to at most (1000 times) is a few milliseconds of work; then others have their turn."""
_GZIP = 16 + zlib.MAX_WBITS
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
_HARMLESS = frozenset({"accept", "content-type", "user-agent"})


class Limits(Protocol):
    """A group of the settings. Messages name its fields, so that whoever reads them knows what to raise."""

    @property
    def group(self) -> str:
        """Its name."""
        ...

    @property
    def allowed_networks(self) -> Sequence[Network]: ...
    @property
    def tls_ca(self) -> Path | None: ...
    @property
    def connect_timeout(self) -> timedelta: ...
    @property
    def idle_timeout(self) -> timedelta: ...
    @property
    def timeout(self) -> timedelta: ...
    @property
    def tries(self) -> int: ...
    @property
    def longest_wait(self) -> timedelta: ...
    @property
    def max_answer_mb(self) -> int: ...
    @property
    def max_total_mb(self) -> int: ...


class NoAnswer(DialerdError):
    """There was no answer, or one that says: later. Try again later."""

    def __init__(self, message: str, *, host: str, status: int | None = None, after_s: float | None = None) -> None:
        super().__init__(message)
        self.host = host
        self.status = status
        self.after_s = after_s
        """Seconds that the other side asks to be left alone (Retry-After)."""


class RequestRefused(DialerdError):
    """The other side refuses the request. Mend the URL, the method or the credential."""

    def __init__(self, message: str, *, host: str, status: int) -> None:
        super().__init__(message)
        self.host = host
        self.status = status


class AnswerTooLarge(DialerdError):
    """The answer has more than we take. Ask for less, or raise the limit that the message names."""


class AnswerUnusable(DialerdError):
    """The answer is not what was asked for. Look at it, and mend the URL or the mapping."""


class RedirectsNowhere(AnswerUnusable):
    """The answer is a redirection that does not say to where."""


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came with status 2xx. `url` is where it came from, after redirects."""

    url: str
    charset: str | None
    body: bytes = field(repr=False)
    status: int = HTTPStatus.OK


# --- Who is asked ------------------------------------------------------------------------------------------------------


async def system_addresses(host: str, port: int) -> list[str]:
    """All that the system's resolver says. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as malformed:
        raise OSError(f"{host!r} is no name of a host") from malformed
    return [str(info[4][0]) for info in found]


class _GuardedResolver(AbstractResolver):
    """What is returned here is what is connected to: there is no second look-up that could say something else."""

    def __init__(self, resolve: Resolve, allowed: Sequence[Network]) -> None:
        self._resolve = resolve
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = list(dict.fromkeys(await self._resolve(host, port)))
        for address in addresses:
            raise_unless_public(address, self._allowed, name=host)
        return [self._result(host, address, port) for address in addresses]

    def _result(self, host: str, address: str, port: int) -> ResolveResult:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return ResolveResult(
            hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
        )

    async def close(self) -> None:
        pass


# --- Asking -----------------------------------------------------------------------------------------------------------


class GuardedHttp:
    """Some requests, one after the other, under one set of limits: time and size are counted over all of them together."""

    def __init__(
        self, limits: Limits, *, resolve: Resolve = system_addresses, most_redirects: int = MAX_REDIRECTS
    ) -> None:
        self._limits = limits
        self._most_redirects = most_redirects
        self._bytes_left = limits.max_total_mb * MEGABYTE
        self._seconds_left = limits.timeout.total_seconds()
        self._deadline = 0.0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_GuardedResolver(resolve, limits.allowed_networks),
                use_dns_cache=False,
                socket_factory=self._socket,
                ssl=True if limits.tls_ca is None else trusting(limits.tls_ca, named=f"{limits.group}.tls_ca:"),
                limit=1,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=limits.connect_timeout.total_seconds(),
                sock_read=limits.idle_timeout.total_seconds(),
            ),
            headers={"User-Agent": f"dialerd/{__version__}", "Accept-Encoding": "gzip"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, request: Request) -> Answer:
        """The answer with a status of 2xx, redirects followed, what is transient tried again where that is safe.

        Raises UrlRefused, NoAnswer, RequestRefused, AnswerTooLarge, AnswerUnusable.
        """
        self._deadline = time.monotonic() + self._seconds_left
        try:
            return await self._try(request)
        finally:  # what is done with an answer before the next question is not the other side's time
            self._seconds_left = self._deadline - time.monotonic()

    async def _try(self, request: Request) -> Answer:
        tries = self._limits.tries if request.method == "GET" else 1
        async for attempt in stamina.retry_context(
            on=self._pause_s, attempts=tries, timeout=None, wait_initial=0.5, wait_max=10.0, wait_jitter=0.5
        ):
            with attempt:
                return await self._follow(request)
        raise AssertionError("a retry context ends with an answer or an error")

    def _pause_s(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds."""
        if not isinstance(error, NoAnswer) or time.monotonic() >= self._deadline:
            return False
        if error.after_s is None:
            return True
        patience = min(self._limits.longest_wait.total_seconds(), self._deadline - time.monotonic())
        return error.after_s if error.after_s <= patience else False

    async def _follow(self, request: Request) -> Answer:
        for _ in range(self._most_redirects + 1):
            answer = await self._ask_once(request)
            if isinstance(answer, Answer):
                return answer
            request = answer
        if not self._most_redirects:
            raise UrlRefused("it redirects to another URL: name that one instead")
        raise UrlRefused(f"{host_of(request.url)} redirects more than {self._most_redirects} times")

    async def _ask_once(self, request: Request) -> Answer | Request:
        """The answer, or the request that it redirects to."""
        host = host_of(request.url)
        raise_unless_askable(request.url, self._limits.allowed_networks)
        try:
            async with (
                asyncio.timeout(max(0.0, self._deadline - time.monotonic())),
                self._session.request(
                    request.method,
                    URL(request.url),
                    headers=request.headers,
                    data=request.body,
                    allow_redirects=False,
                ) as response,
            ):
                return await self._understand(request, response)
        except TimeoutError as late:
            raise NoAnswer(f"{host} {self._which_timeout(late)}", host=host) from None
        except zlib.error:
            raise AnswerUnusable(f"{host}: what it sends is not gzip, though it says so") from None
        except (aiohttp.ClientError, OSError) as failure:
            raise NoAnswer(f"{host} {_cause(failure, self._limits.group)}", host=host) from None

    async def _understand(self, request: Request, response: aiohttp.ClientResponse) -> Answer | Request:
        if response.status in _REDIRECTS:
            return _redirected(request, response.status, response.headers.get("Location"))
        _raise_for(response, host_of(request.url))
        body = await self._body(request, response)
        return Answer(url=request.url, charset=response.charset, body=body, status=response.status)

    async def _body(self, request: Request, response: aiohttp.ClientResponse) -> bytes:
        """Counted after unfolding, so that a small answer which unfolds to a huge one is none."""
        host = host_of(request.url)
        body = bytearray()
        async for piece in _unfolded(response, host):
            body += piece
            self._bytes_left -= len(piece)
            if len(body) > self._limits.max_answer_mb * MEGABYTE:
                raise AnswerTooLarge(
                    f"{host}: a page has more than {self._limits.max_answer_mb} MB: {self._ask_for_less}"
                )
            if self._bytes_left < 0:
                raise AnswerTooLarge(
                    f"{host}: all pages have more than {self._limits.max_total_mb} MB: "
                    f"ask for less, or raise {self._limits.group}.max_total_mb"
                )
        return bytes(body)

    def _which_timeout(self, late: TimeoutError) -> str:
        limits = self._limits
        if time.monotonic() >= self._deadline:
            return f"did not finish within {_seconds(limits.timeout)} ({limits.group}.timeout)"
        if isinstance(late, aiohttp.ConnectionTimeoutError):
            return f"took no connection within {_seconds(limits.connect_timeout)} ({limits.group}.connect_timeout)"
        return f"was silent for {_seconds(limits.idle_timeout)} ({limits.group}.idle_timeout)"

    @property
    def _ask_for_less(self) -> str:
        return f"ask for smaller pages, or raise {self._limits.group}.max_answer_mb"

    def _socket(self, info: Any) -> socket.socket:
        """The last door: wherever an address has come from, this is the one that would be connected to."""
        family, kind, protocol, _, address = info
        raise_unless_public(str(address[0]), self._limits.allowed_networks)
        return socket.socket(family=family, type=kind, proto=protocol)


def _redirected(request: Request, status: int, location: str | None) -> Request:
    """The request that the answer asks for instead. Raises UrlRefused, AnswerUnusable.

    Another origin gets neither our headers nor our body: they were meant for the first one.
    """
    host = host_of(request.url)
    if not location:
        raise RedirectsNowhere(f"{host} redirects (status {status}) to nowhere")
    url = _joined(request.url, location)
    if problem := url_problem(url):
        raise UrlRefused(f"{host} redirects to a URL that {problem}")
    if (urlsplit(request.url).scheme, urlsplit(url).scheme) == ("https", "http"):
        raise UrlRefused(f"{host} redirects from https to http, where everybody can read along")
    if status == HTTPStatus.SEE_OTHER or (status in (301, 302) and request.method == "POST"):
        request = replace(request, method="GET", body=None)
    if origin_of(url) == origin_of(request.url):
        return replace(request, url=url)
    if request.body is not None:
        raise UrlRefused(f"{host} redirects a {request.method} to {host_of(url)}: name that one in the source instead")
    kept = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS}
    return replace(request, url=url, headers=kept)


def _joined(base: str, location: str) -> str:
    """Without a fragment, which is not for servers."""
    try:
        parts: SplitResult = urlsplit(urljoin(base, location))
    except ValueError:
        raise UrlRefused(f"{host_of(base)} redirects to what is not a URL") from None
    return parts._replace(fragment="").geturl()


def _raise_for(response: aiohttp.ClientResponse, host: str) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    said = f"{host} answers with status {status}{_phrase(status)}"
    if status in _TRANSIENT:
        after_s = retry_after_s(response.headers.get("Retry-After"), now=time.time())
        later = f"try again after {after_s:.0f} s" if after_s else "try again later"
        raise NoAnswer(f"{said}: {later}", host=host, status=status, after_s=after_s)
    what = "credential" if status in (401, 403, 407) else "URL and the method"
    raise RequestRefused(f"{said}: look at the {what}", host=host, status=status)


def retry_after_s(value: str | None, *, now: float) -> float | None:
    """Seconds, from a header that has them or a date (RFC 9110, 10.2.3); None where it makes no sense."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


async def _unfolded(response: aiohttp.ClientResponse, host: str) -> AsyncIterator[bytes]:
    """The body in small pieces. Only gzip was asked for. Raises zlib.error, AnswerUnusable."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        async for chunk in response.content.iter_chunked(_PIECE):
            yield chunk
    elif encoding in ("gzip", "x-gzip"):
        async for piece in _gunzipped(response.content.iter_chunked(_COMPRESSED_PIECE)):
            yield piece
    else:
        raise AnswerUnusable(f"{host}: the answer is compressed in a way that was not asked for")


async def _gunzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream may have several members, one after the other (RFC 1952)."""
    member = zlib.decompressobj(_GZIP)
    async for chunk in chunks:
        rest = chunk
        while True:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            piece = member.decompress(rest, _PIECE)
            yield piece
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if not rest and (member.eof or not piece):
                break
    if not member.eof:
        raise zlib.error("it ends in the middle")


def _cause(failure: Exception, group: str) -> str:
    """What went wrong in words of ours: those of the library may hold the whole URL."""
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return f"shows a certificate that is not trusted ({group}.tls_ca)"
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "cannot be found: is the name right?"
    if isinstance(failure, aiohttp.ClientConnectorSSLError):
        return "does not speak TLS as we do"
    if isinstance(failure, aiohttp.ClientConnectorError | aiohttp.ServerConnectionError):
        return "cannot be reached, or closed the connection"
    return "broke off, or does not speak HTTP"


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"
