"""The line to Asterisk's REST interface: the only door to aioari.

It answers for this: an operation is sent once and always has a deadline; its caller learns whether it surely had no
effect (`AriDown`), was refused (`AriRefused`), or may have had one (`AriTimeout`). The events of our application, never
those of all of Asterisk, come out in order, in one bounded queue, between an `AriLinkUp` and an `AriLinkDown`.
aioari is used for reading Asterisk's own description of its operations and for building requests of it; connecting,
credentials, errors and the life of the websocket are replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import structlog
from aioswagger11 import SwaggerError
from yarl import URL

from dialerd.asterisk import variables
from dialerd.asterisk.link import Backoff, Outbox, keep_alive
from dialerd.errors import AsteriskUnavailable, DialerdError
from dialerd.settings import AriSettings as Configured
from dialerd.tls import trusting

with warnings.catch_warnings():
    # It spells a regular expression in a way that Python warns of when it compiles it for the first time.
    warnings.simplefilter("ignore")
    from aioari import Client

log = structlog.get_logger(__name__)

_OVERFLOW = "event queue overflow"
_REPLACED = "another program has taken our application"
_NO_DESCRIPTION = (SwaggerError, ValueError, LookupError, TypeError, AttributeError)
"""What aioari raises where a description is not what it expects."""
_PIECE = 256 * 1024
_VARIABLE = "/ari/asterisk/variable"
"""Bytes of a recording that are held at once."""
_IDLE_S = 10.0
"""Seconds that an idle connection is kept. Asterisk closes it after 15 (session_keep_alive), and a request written in
that instant would be lost with its effect unknown."""


class AriDown(AsteriskUnavailable):
    """The REST interface is not connected. Nothing was sent, so nothing has happened."""


class AriTimeout(AsteriskUnavailable):
    """The operation was sent and no answer came. It may have had its effect, or not."""


class AriRefused(DialerdError):
    """Asterisk refused the operation. Nothing has happened."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {_said(body)}")
        self.status = status
        self.body = body


class InvalidAriValue(DialerdError):
    """A value cannot be part of an operation's path. Nothing was sent."""


@dataclass(frozen=True, kw_only=True)
class AriSettings:
    """Where the REST interface is, who we are there, and how patient we are."""

    base_url: str
    """Asterisk's HTTP server, with or without the `/ari`."""
    user: str
    password: str = field(repr=False)
    app: str = "dialerd"
    """Our Stasis application. A second daemon with the same name takes it away from the first."""
    tls_ca: str | None = None
    """A file with the certificate to trust; None trusts what the system trusts."""
    rest_timeout_s: float = 5.0
    """Deadline of one operation, the wait for a free connection included."""
    connections: int = 8
    """Requests at once. Above the 100 sessions of Asterisk's HTTP server it refuses, and 8 are no slower than 100."""
    keepalive_s: float = 2.0
    """Seconds between two looks at whether Asterisk still knows our application, and the deadline of each."""
    keepalive_misses: int = 2
    """Looks without an answer in a row that give the link up."""
    connect_timeout_s: float = 5.0
    """Deadline of reading the description of all operations, and of opening the websocket."""
    backoff_first_s: float = 0.25
    backoff_max_s: float = 4.0
    """Longest pause between two tries: an Asterisk that is back is dialed through within 10 s, the way to dialing included."""
    backoff_refused_s: float = 15.0
    """The same after a refusal that only a person can mend."""
    replaced_look_s: float = 2.0
    """Between two looks whether the application that another program has taken is free again."""
    replaced_silent_s: float = 10.0
    """A daemon of ours that has taken it gives signs of life in Asterisk; after so long without one it has gone. Asterisk's own list
    does not tell: an application that was left while a channel was in it stayed in there (tried on 22.10.1)."""
    replaced_wait_s: float = 45.0
    """Rest where no daemon of ours has ever given a sign, so that it was something else. To take it back at once would be a fight."""
    event_queue: int = 20_000
    """The room that the queue handed to Ari should have."""
    download_timeout_s: float = 60.0
    """Deadline of reading a stored recording: an hour of speech has 58 MB."""
    wanted_events: tuple[str, ...] = ("StasisStart", "ChannelDtmfReceived", "PlaybackFinished", "ApplicationReplaced")
    """The events that Asterisk is asked to send, of 67 that one call would make; what else happens to a channel comes over
    AMI. Even that another daemon takes our application is not told to who did not ask for it (tried on 22.10.1)."""

    @classmethod
    def of(cls, configured: Configured) -> AriSettings:
        return cls(
            base_url=configured.base_url,
            user=configured.user,
            password=configured.password.get_secret_value(),
            app=configured.app,
            tls_ca=str(configured.tls_ca) if configured.tls_ca else None,
        )


@dataclass(frozen=True, slots=True)
class AriEvent:
    """One event of our application, as Asterisk words it."""

    type: str
    body: Mapping[str, Any]
    received: float
    """When it was read, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class AriLinkUp:
    """The link stands. Channels that entered the application before are still there, but are not announced again."""


@dataclass(frozen=True, slots=True)
class AriLinkDown:
    """The link is gone. Events may be missing from here to the next AriLinkUp."""

    reason: str


@dataclass
class AriCounters:
    """What happened since the start, for the metrics."""

    events: int = 0
    reconnects: int = 0
    timeouts: int = 0
    malformed: int = 0
    overflows: int = 0


AriItem: TypeAlias = AriEvent | AriLinkUp | AriLinkDown


class Ari:
    """Keeps one link to Asterisk's REST interface standing, and calls operations over it.

    `events` must be bounded: its room is how far its reader may fall behind before the link is given up.
    """

    def __init__(self, settings: AriSettings, *, events: asyncio.Queue[AriItem]) -> None:
        if events.maxsize <= 0:
            raise ValueError("the queue of ARI events must be bounded")
        self.up = asyncio.Event()
        self.replaced = asyncio.Event()
        """Set while another daemon has taken our application."""
        self.why_down = "not connected yet"
        self.counters = AriCounters()
        self.round_trip_s: float | None = None
        """Of the last sign of life. None: the link does not stand."""
        self._settings = settings
        self._events = events
        self._tls = None if settings.tls_ca is None else trusting(settings.tls_ca)
        self._link: _Link | None = None
        self._stood_before = False
        self._life = uuid4().hex
        self._backoff = Backoff(
            first_s=settings.backoff_first_s,
            most_s=settings.backoff_max_s,
            after_refusal_s=settings.backoff_refused_s,
        )

    async def run(self) -> None:
        """Connect, listen, keep alive, and begin anew whenever that ends. Ends only by being cancelled."""
        while True:
            pause_s = await self._live_through_one_link()
            if self.replaced.is_set():
                await self._until_application_is_free()
            else:
                log.info("ari_reconnects", after_s=round(pause_s, 2))
                await asyncio.sleep(pause_s)

    async def call(self, operation: str, **params: Any) -> Any:
        """Call an operation by its name in Asterisk's description, e.g. `bridges.addChannel`. Returns the decoded JSON,
        bytes for what is none (recordings), or None.

        Raises AriDown, AriRefused or AriTimeout. A POST is never sent twice.
        """
        return await self._standing_link().call(operation, params)

    async def download_recording(self, name: str, take: Callable[[bytes], None]) -> None:
        """Read a stored recording, and give it to `take` piece by piece: it may be too long to be held in memory.

        Raises AriDown, AriRefused or AriTimeout; what was taken until then is of no use.
        """
        await self._standing_link().download(_path_of_recording(name), take)

    def _standing_link(self) -> _Link:
        if self._link is None or not self.up.is_set():
            raise AriDown(f"the REST interface is not connected: {self.why_down}")
        return self._link

    async def _until_application_is_free(self) -> None:
        """Or until nobody can be believed to hold it any more."""
        log.error(
            "ari_application_taken",
            app=self._settings.app,
            advice="nothing is dialed until the other program leaves; give each daemon its own ari.app",
        )
        holder = _Holder(self._settings, time.monotonic())
        http = _Http(self._settings, self._tls, self.counters)
        try:
            while not holder.is_gone(time.monotonic()):
                await asyncio.sleep(self._settings.replaced_look_s)
                with contextlib.suppress(AsteriskUnavailable):
                    if await _is_unknown(http, self._settings.app):
                        break
                    holder.note(await _sign(http, self._settings.app), time.monotonic())
        finally:
            await http.close()
        log.info("ari_application_free", app=self._settings.app)
        self.replaced.clear()

    async def _live_through_one_link(self) -> float:
        """Returns the seconds to wait before the next one."""
        link = _Link(
            self._settings,
            self._events,
            life=self._life,
            tls=self._tls,
            counters=self.counters,
            on_lost=self._mark_down,
        )
        try:
            await link.open()
            await self._serve(link)
        except AriRefused as refusal:
            return self._after_refusal(link, refusal)
        except (TimeoutError, AsteriskUnavailable, *_NO_DESCRIPTION) as failure:
            link.lose(f"cannot connect: {str(failure) or type(failure).__name__}")
            log.warning("ari_unreachable", url=self._settings.base_url, why=self.why_down)
        finally:
            await link.close()
        return self._backoff.next_s()

    def _mark_down(self, reason: str) -> None:
        self.why_down = reason
        self.up.clear()
        if reason == _REPLACED:
            self.replaced.set()

    def _after_refusal(self, link: _Link, refusal: AriRefused) -> float:
        """While Asterisk boots it answers 404, then 503: that passes. Wrong credentials do not."""
        if refusal.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            link.lose(f"cannot connect: {refusal}")
            log.warning("ari_unreachable", url=self._settings.base_url, why=self.why_down)
            booting = refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
            return self._backoff.soon_s() if booting else self._backoff.next_s()
        link.lose(f"login refused: {refusal}")
        log.error("ari_login_refused", user=self._settings.user, why=refusal.message)
        return self._backoff.refused_s()

    async def _serve(self, link: _Link) -> None:
        await link.announce()
        since = time.monotonic()
        if not link.lost.done():
            self._link = link
            self.up.set()
        self.counters.reconnects += self._stood_before
        self._stood_before = True
        log.info("ari_link_up", app=self._settings.app)
        reason = await keep_alive(
            link,
            every_s=self._settings.keepalive_s,
            most_misses=self._settings.keepalive_misses,
            note_round_trip=self._note_round_trip,
        )
        self.round_trip_s = None
        self._backoff.stood(time.monotonic() - since)
        log.warning("ari_link_down", reason=reason)
        await self._events.put(AriLinkDown(reason))

    def _note_round_trip(self, seconds: float) -> None:
        self.round_trip_s = seconds


class RecordingsReader:
    """Reads stored recordings by login alone: no application is taken from the daemon that holds it. To be closed."""

    def __init__(self, settings: AriSettings) -> None:
        tls = None if settings.tls_ca is None else trusting(settings.tls_ca)
        self._http = _Http(settings, tls, AriCounters())

    async def download(self, name: str, take: Callable[[bytes], None]) -> None:
        """As Ari.download_recording."""
        await self._http.download(_path_of_recording(name), take)

    async def entity_id(self) -> str:
        """What tells this Asterisk apart from others; empty: it does not say. Raises AriDown, AriRefused or AriTimeout."""
        reply = await self._http.request("GET", "/ari/asterisk/info", params={"only": "system"})
        said = reply.decoded()
        system = said.get("system") if isinstance(said, dict) else None
        return str(system.get("entity_id", "")) if isinstance(system, dict) else ""

    async def close(self) -> None:
        await self._http.close()


class _Holder:
    """Whoever has taken our application, as far as signs of life tell. Times are monotonic seconds."""

    def __init__(self, settings: AriSettings, now: float) -> None:
        self._settings = settings
        self._signs: list[str] = []
        """The first one may be our own last."""
        self._since = now

    def note(self, sign: str, now: float) -> None:
        if not self._signs:
            self._signs = [sign]
        elif sign != self._signs[-1]:
            self._signs, self._since = [self._signs[-1], sign], now

    def is_gone(self, now: float) -> bool:
        is_ours = len(self._signs) > 1
        patience_s = self._settings.replaced_silent_s if is_ours else self._settings.replaced_wait_s
        return now - self._since >= patience_s


class _Link:
    """One life of the websocket, and the operations that were described when it began."""

    def __init__(
        self,
        settings: AriSettings,
        events: asyncio.Queue[AriItem],
        *,
        life: str,
        tls: ssl.SSLContext | None,
        counters: AriCounters,
        on_lost: Callable[[str], None],
    ) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._life = life
        self._counters = counters
        self._on_lost = on_lost
        self._outbox = Outbox(events)
        self._http = _Http(settings, tls, counters)
        self._client = Client(f"{self._http.root}/", self._http)
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the description, open the websocket, mute what we do not need."""
        async with asyncio.timeout(self._settings.connect_timeout_s):
            await self._client.init()
            self._client.on_event("*", self._take)
            self._reader = asyncio.create_task(self._client.run(self._settings.app), name="ari-events")
            await asyncio.wait({self._reader, self._http.websocket}, return_when=asyncio.FIRST_COMPLETED)
            if self._reader.done():
                await self._reader
            self._reader.add_done_callback(self._reading_ended)
            await self._ask_for_events()

    async def announce(self) -> None:
        if not await self._outbox.open(AriLinkUp()):
            self.lose(_OVERFLOW)

    async def call(self, operation: str, params: Mapping[str, Any]) -> Any:
        room, _, nickname = operation.partition(".")
        resource = self._client.swagger.get_resource(room)
        described = resource.get_operation(nickname) if resource else None
        if described is None:
            raise AriRefused(501, f"this Asterisk has no operation {operation}")
        reply: _Reply = await described(**{name: _plain(value) for name, value in params.items() if value is not None})
        return reply.decoded()

    async def download(self, path: str, take: Callable[[bytes], None]) -> None:
        await self._http.download(path, take)

    async def answers(self) -> bool:
        """Whether Asterisk still knows our application. Its websocket may stand and be deaf, or REST hang while it
        stands. Others see by our sign that somebody holds it."""
        try:
            async with asyncio.timeout(self._settings.keepalive_s):
                await self.call("applications.get", {"applicationName": self._settings.app})
                await _leave_sign(self._http, self._settings.app, f"{self._life}/{time.monotonic()}")
        except AriRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                self.lose("Asterisk has forgotten our application")
            return False
        except (TimeoutError, AsteriskUnavailable):
            return False
        return True

    def lose(self, reason: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._reader is not None:
            self._reader.cancel()
        self._on_lost(reason)

    async def close(self) -> None:
        """Close the HTTP session rather than aioari's client, whose close() recurses for ever where it never opened."""
        self.lose("stopped")
        try:
            if self._reader is not None:
                await asyncio.wait({self._reader})
        finally:
            await self._http.close()

    async def _ask_for_events(self) -> None:
        wanted = [{"type": name} for name in self._settings.wanted_events]
        try:
            await self._http.request(
                "PUT",
                f"/ari/applications/{quote(self._settings.app, safe='')}/eventFilter",
                data=json.dumps({"allowed": wanted}),
                headers={"Content-Type": "application/json"},
            )
        except AriRefused as refusal:
            log.warning("ari_events_not_filtered", why=refusal.message)

    def _take(self, event: Mapping[str, Any]) -> None:
        """Called by the websocket's reader: whatever takes time here makes Asterisk drop us as too slow."""
        if self.lost.done():
            return
        if event["type"] == "ApplicationReplaced":
            self.lose(_REPLACED)
            return
        self._counters.events += 1
        if not self._outbox.offer(AriEvent(event["type"], event, time.monotonic())):
            self._counters.overflows += 1
            self.lose(_OVERFLOW)

    def _reading_ended(self, reader: asyncio.Task[None]) -> None:
        if reader.cancelled():
            return
        error = reader.exception()
        if error is None:
            self.lose("websocket closed")
        else:
            self._counters.malformed += 1
            log.error("ari_malformed", why=repr(error))
            self.lose(f"malformed: {error}")


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    content_type: str
    body: bytes

    async def text(self) -> str:
        """What aioari reads a description by."""
        return self.body.decode("utf-8", "replace")

    def decoded(self) -> Any:
        if not self.body:
            return None
        return json.loads(self.body) if self.content_type == "application/json" else self.body


class _Http:
    """What aioari makes its requests with, in place of its own client."""

    def __init__(self, settings: AriSettings, tls: ssl.SSLContext | None, counters: AriCounters) -> None:
        self.root = settings.base_url.rstrip("/").removesuffix("/ari")
        self.websocket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._counters = counters
        # Waiting for a connection is done here: closing aiohttp's session *cancels* those who wait in its own pool.
        self._slots = asyncio.Semaphore(settings.connections)
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(settings.user, settings.password)},
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ssl=tls or True),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Reply:
        target = self._target(url)
        async with self._exchange(
            method, target, self._settings.rest_timeout_s, params=params, data=data, headers=headers
        ) as answer:
            reply = _Reply(answer.status, answer.content_type, await answer.read())
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise AriRefused(reply.status, await reply.text())
        return reply

    async def download(self, url: str, take: Callable[[bytes], None]) -> None:
        async with self._exchange("GET", self._target(url), self._settings.download_timeout_s) as answer:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise AriRefused(answer.status, await answer.text())
            async for piece in answer.content.iter_chunked(_PIECE):
                take(piece)

    @contextlib.asynccontextmanager
    async def _exchange(
        self, method: str, target: URL, timeout_s: float, **sending: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request and its answer, both in time. Raises AriDown or AriTimeout, by whether it can have had an effect."""
        sent = False
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                if self._session.closed:
                    raise AriDown
                sent = True
                async with self._session.request(method, target, **sending) as answer:
                    yield answer
        except aiohttp.ClientConnectorError as error:
            raise AriDown(str(error)) from error
        except TimeoutError:
            self._counters.timeouts += 1
            raise (AriTimeout if sent else AriDown)(f"no answer to {method} {target.path} in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AriTimeout(f"the link was lost before the answer to {method} {target.path}: {error!r}") from error

    async def ws_connect(self, url: str, params: Mapping[str, str] | None = None) -> aiohttp.ClientWebSocketResponse:
        try:
            websocket = await self._session.ws_connect(
                self._target(url),
                params=params,
                heartbeat=2 * self._settings.keepalive_s,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise AriRefused(error.status, error.message) from error
        except (aiohttp.ClientError, OSError) as error:
            raise AriDown(str(error)) from error
        self.websocket.set_result(None)
        return websocket

    async def close(self) -> None:
        await self._session.close()

    def _target(self, url: str) -> URL:
        """The same path at our own address: even over TLS Asterisk describes itself as http, at the Host it was called.

        aioari writes a blank in a path as `+`, which Asterisk takes for a plus; a plus it writes as %2B.
        """
        path = url.partition("/ari/")[2].replace("+", "%20")
        if any(segment in ("", ".", "..") for segment in path.split("/")):
            raise InvalidAriValue(f"{path!r} is no path of an operation")
        return URL(f"{self.root}/ari/{path}", encoded=True)


def _path_of_recording(name: str) -> str:
    return f"/ari/recordings/stored/{quote(name, safe='')}/file"


async def _is_unknown(http: _Http, app: str) -> bool:
    """Whether Asterisk knows of no such application: then nobody holds it."""
    try:
        await http.request("GET", f"/ari/applications/{quote(app, safe='')}")
    except AriRefused as refusal:
        return refusal.status == HTTPStatus.NOT_FOUND
    return False


async def _leave_sign(http: _Http, app: str, value: str) -> None:
    with contextlib.suppress(AriRefused):
        await http.request("POST", _VARIABLE, params={"variable": _name_of_sign(app), "value": value})


async def _sign(http: _Http, app: str) -> str:
    """What was left there last; empty: nothing."""
    try:
        found = (await http.request("GET", _VARIABLE, params={"variable": _name_of_sign(app)})).decoded()
    except AriRefused:
        return ""
    return str(found.get("value", "")) if isinstance(found, dict) else ""


def _name_of_sign(app: str) -> str:
    return variables.SIGN_OF_APP.format(name=app.encode().hex())


def _plain(value: Any) -> str | dict[str, Any]:
    """As Asterisk expects it in a query; objects go into the body."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def _said(body: str) -> str:
    """The sentence in an error's body."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return str(json.loads(body)["message"])
    return body[:200]
