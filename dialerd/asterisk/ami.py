"""The line to Asterisk's manager interface: the only door to panoramisk.

It answers for this: an action is written at most once and always has a deadline; its caller learns whether it surely
had no effect (`AmiDown`), was refused (`AmiRefused`), or may have had one (`AmiTimeout`). Events come out in order, in
one bounded queue, between an `AmiLinkUp` and an `AmiLinkDown`; where one cannot be kept the link is given up and built
anew, for after a gap only a new look at Asterisk tells the truth. panoramisk is used for its framing of actions and its
reading of messages; its own reconnecting, replaying, pinging and dispatching are replaced.
"""

# mypy: allow-subclassing-any
# panoramisk has no types.

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import TypeAlias
from uuid import uuid4

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from dialerd.asterisk.link import Backoff, Outbox, keep_alive
from dialerd.errors import AsteriskUnavailable, DialerdError, SettingsError
from dialerd.tls import trusting

log = structlog.get_logger(__name__)

LINE_LIMIT = 1024
"""Bytes of one header line with its line end; Asterisk loses the whole message if one is longer."""
HEADER_LIMIT = 128
"""Headers of one action; Asterisk ignores those that follow."""
SHORT_VALUE_LIMIT = 255
"""Bytes of a Channel or CallerID; Asterisk cuts the rest off without a word, and would dial what is left."""
MESSAGE_LIMIT = 256 * 1024
"""Bytes of one message from Asterisk. The largest in practice, ListCommands, has about 20,000."""

_BOOT_POLL_S = 0.2
_MOST_DIGITS = 18
"""Of a whole number; Python refuses to read one of thousands."""
_OVERFLOW = "event queue overflow"
_SHUTTING_DOWN = "Asterisk is shutting down"
"""With this Asterisk refuses every action, even a ping, while it waits for its calls to end (tried on 22.10.1)."""
_BANNER = b"Asterisk Call Manager/"
_EOL = "\r\n"
_END = b"\r\n\r\n"
_NAMING_A_VARIABLE = ("Getvar", "Setvar")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_VARIABLE_NAME = re.compile(r"_{0,2}[A-Za-z][A-Za-z0-9_]*|PJSIP_HEADER\(add,X-Dialerd-[A-Za-z0-9-]+\)")
"""Besides variables, one function: it adds a header of ours to the INVITE that is about to leave."""
_VARIABLE_SYNTAX = re.compile(r'[,"\\]')


class AmiDown(AsteriskUnavailable):
    """The manager interface is not connected. Nothing was sent, so nothing has happened."""


class AmiLeaving(AmiDown):
    """Asterisk is shutting down: it waits for its calls to end, and refuses every action. Nothing has happened."""


class AmiTimeout(AsteriskUnavailable):
    """The action was sent and no reply came. It may have had its effect, or not."""


class AmiRefused(DialerdError):
    """Asterisk refused the action. Nothing has happened."""


class AmiForbidden(AmiRefused):
    """The manager user lacks the permission. It stays so until manager.conf is changed."""


class InvalidAmiValue(DialerdError):
    """A value cannot be an AMI header. Nothing was sent."""


@dataclass(frozen=True, kw_only=True)
class AmiSettings:
    """Where the manager interface is, who we are there, and how patient we are."""

    host: str
    user: str
    secret: str = field(repr=False)
    port: int = 5038
    tls: bool = False
    tls_ca: str | None = None
    """A file with the certificate to trust; None trusts what the system trusts."""
    keepalive_s: float = 2.0
    """Seconds between two pings, and the deadline of each."""
    keepalive_misses: int = 2
    """Unanswered pings in a row that give the link up: a dead peer is noticed within keepalive_s * (misses + 1)."""
    connect_timeout_s: float = 5.0
    """Deadline of connecting, and of each step of logging in."""
    silence_s: float = 0.5
    """An answer that is owed for longer, while nothing else is said either, makes the line doubtful: no call is to be
    dialed over it until Asterisk speaks again. So hardly more than one can be in doubt where the line is half-open."""
    backoff_first_s: float = 0.25
    backoff_max_s: float = 4.0
    """Longest pause between two tries: an Asterisk that is back is dialed through within 10 s, the way to dialing included."""
    backoff_refused_s: float = 15.0
    """The same after a refusal that only a person can mend."""
    event_queue: int = 20_000
    """The room that the queue handed to Ami should have: 4 s of 5,000 unrelated events a second."""
    event_mask: str = "system,call,agent,user"
    """Event classes asked for at login. `reporting` is left out: it tells of every call's media every few seconds."""
    required_actions: tuple[str, ...] = (
        "CoreShowChannels",
        "CoreStatus",
        "Hangup",
        "Originate",
        "QueueStatus",
        "Setvar",
    )
    """The link stands only where the user may do these. QueueStatus proves besides that Asterisk has booted: its module
    is among the last to load, and logins are taken well before."""


@dataclass(frozen=True, slots=True)
class AmiEvent:
    """One event. A header that came more than once has its values joined by a line feed, which none can hold."""

    name: str
    headers: Mapping[str, str]
    received: float
    """When its bytes were read, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class AmiLinkUp:
    """The link stands. All that was believed about Asterisk is to be looked up again."""

    started: str
    """When this Asterisk started, in its own words and time zone; good only for telling two runs of it apart."""
    restarted: bool
    """It is another run than on the link before: every channel of before is gone."""
    allowed_actions: frozenset[str]
    """Every action that our user may run."""
    uptime_s: int | None = None
    """Only a user who reads the class `system` is told this and the next."""
    last_reload_s: int | None = None


@dataclass(frozen=True, slots=True)
class AmiLinkDown:
    """The link is gone. Events may be missing from here to the next AmiLinkUp."""

    reason: str


@dataclass
class AmiCounters:
    """What happened since the start, for the metrics."""

    events: int = 0
    reconnects: int = 0
    timeouts: int = 0
    orphan_replies: int = 0
    """Replies that nobody waits for any more."""
    malformed: int = 0
    overflows: int = 0


AmiItem: TypeAlias = AmiEvent | AmiLinkUp | AmiLinkDown
Headers: TypeAlias = Mapping[str, str]
_NONE: Headers = MappingProxyType({})


class Ami:
    """Keeps one link to Asterisk standing, and runs actions over it.

    `events` must be bounded: its room is how far its reader may fall behind before the link is given up.
    """

    def __init__(
        self, settings: AmiSettings, *, events: asyncio.Queue[AmiItem], on_speech: Callable[[], None] = lambda: None
    ) -> None:
        """`on_speech` is called when a line that was doubtful is so no more."""
        if events.maxsize <= 0:
            raise ValueError("the queue of AMI events must be bounded")
        self.up = asyncio.Event()
        self._on_speech = on_speech
        self.why_down = "not connected yet"
        self.counters = AmiCounters()
        self.round_trip_s: float | None = None
        """Of the last sign of life. None: the link does not stand."""
        self._settings = settings
        self._events = events
        self._login = _login(settings)
        self._tls = trusting(settings.tls_ca) if settings.tls else None
        self._link: _Link | None = None
        self._last_started: str | None = None
        self._backoff = Backoff(
            first_s=settings.backoff_first_s,
            most_s=settings.backoff_max_s,
            after_refusal_s=settings.backoff_refused_s,
        )
        self._ids = _ActionIds()

    async def run(self) -> None:
        """Connect, log in, keep alive, and begin anew whenever that ends. Ends only by being cancelled."""
        while True:
            pause_s = await self._live_through_one_link()
            log.info("ami_reconnects", after_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    @property
    def is_doubtful(self) -> bool:
        """Whether Asterisk takes no more calls; or has owed an answer, and said nothing at all, for too long to be trusted with one."""
        return self._link is not None and (self._link.is_silent or self._link.is_leaving)

    @property
    def is_leaving(self) -> bool:
        """Whether Asterisk is shutting down, and only waits for its calls to end."""
        return self._link is not None and self._link.is_leaving

    async def action(self, name: str, headers: Headers, *, variables: Headers = _NONE, timeout: float = 5.0) -> Headers:
        """Run one action and return its reply; it is never sent twice. An `ActionID` among the headers is kept.

        Events that carry that id, such as OriginateResponse or the rows of a list, come with the other events.
        Raises InvalidAmiValue, AmiDown, AmiRefused or AmiTimeout.
        """
        link = self._standing_link()
        question = _Question({"ActionID": self._ids.single(), **headers, "Action": name}, variables)
        return (await link.ask(question, timeout))[0]

    async def list_action(self, name: str, headers: Headers, *, timeout: float = 10.0) -> list[Headers]:
        """Run an action that a list of events answers, and return them. Raises as `action` does.

        They are not among the other events, and thus may be newer than some that still wait in the queue.
        """
        link = self._standing_link()
        question = _Question({**headers, "Action": name, "ActionID": self._ids.of_list()}, is_list=True)
        return (await link.ask(question, timeout))[1:]

    def _standing_link(self) -> _Link:
        if self._link is None or not self.up.is_set():
            raise AmiDown(f"the manager interface is not connected: {self.why_down}")
        return self._link

    async def _live_through_one_link(self) -> float:
        """Returns the seconds to wait before the next one."""
        link = _Link(
            self._events,
            self._settings,
            ids=self._ids,
            counters=self.counters,
            on_lost=self._mark_down,
            on_speech=self._on_speech,
        )
        try:
            await self._connect(link)
            await self._serve(link, await self._log_in(link))
        except AmiRefused as refusal:
            link.lose(f"login refused: {refusal}")
            log.error("ami_login_refused", user=self._settings.user, why=refusal.message)
            return self._backoff.refused_s()
        except (OSError, TimeoutError, AsteriskUnavailable) as failure:
            link.lose(f"cannot connect: {str(failure) or type(failure).__name__}")
            log.warning("ami_unreachable", host=self._settings.host, why=self.why_down)
        finally:
            link.lose("stopped")
        return self._backoff.next_s()

    def _mark_down(self, reason: str) -> None:
        self.why_down = reason
        self.up.clear()

    async def _connect(self, link: _Link) -> None:
        settings = self._settings
        async with asyncio.timeout(settings.connect_timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: link, settings.host, settings.port, ssl=self._tls
            )

    async def _log_in(self, link: _Link) -> AmiLinkUp:
        """Nothing here waits for FullyBooted, which a user without the class `system` is never sent."""
        await link.ask_in_time("Login", self._login)
        allowed = await self._allowed_actions(link)
        core = await link.ask_in_time("CoreStatus")
        started = f"{core.get('CoreStartupDate')} {core.get('CoreStartupTime')}"
        restarted = self._last_started not in (None, started)
        return AmiLinkUp(started, restarted, allowed, link.uptime_s, link.last_reload_s)

    async def _allowed_actions(self, link: _Link) -> frozenset[str]:
        """What ListCommands names: only what is loaded, and only what this user may do."""
        give_up = time.monotonic() + self._settings.connect_timeout_s
        while True:
            allowed = frozenset(await link.ask_in_time("ListCommands"))
            missing = sorted(set(self._settings.required_actions) - allowed)
            if not missing:
                return allowed - {"Response", "ActionID"}
            if missing != ["QueueStatus"]:
                raise AmiForbidden(f"the manager user may not run {', '.join(missing)}")
            if time.monotonic() > give_up:
                raise AmiDown("Asterisk has not loaded app_queue")
            await asyncio.sleep(_BOOT_POLL_S)

    async def _serve(self, link: _Link, announcement: AmiLinkUp) -> None:
        await link.announce(announcement)
        since = time.monotonic()
        if not link.closed:
            self._link = link
            self.up.set()
        self.counters.reconnects += self._last_started is not None
        self._last_started = announcement.started
        log.info("ami_link_up", host=self._settings.host, restarted=announcement.restarted)
        settings = self._settings
        reason = await keep_alive(
            link,
            every_s=settings.keepalive_s,
            most_misses=settings.keepalive_misses,
            note_round_trip=self._note_round_trip,
        )
        self.round_trip_s = None
        self._backoff.stood(time.monotonic() - since)
        log.warning("ami_link_down", reason=reason)
        await self._events.put(AmiLinkDown(reason))

    def _note_round_trip(self, seconds: float) -> None:
        self.round_trip_s = seconds


class _ActionIds:
    """Of this life of the daemon only: no reply can be taken for that of another life, or of another program.

    The rows of a list are told by its id alone, so that those of one that nobody waits for any more are no events.
    """

    def __init__(self) -> None:
        self._prefix = uuid4().hex
        self.list_prefix = f"{self._prefix}/list/"
        self._numbers = count(1)

    def single(self) -> str:
        return f"{self._prefix}/{next(self._numbers)}"

    def of_list(self) -> str:
        return f"{self.list_prefix}{next(self._numbers)}"


class _Question(Action):
    """One action, checked before any of it is written, and what has come back for it.

    panoramisk guesses from a reply's wording whether more will follow, which makes it wait for ever on QueueAdd, on a
    refused list, and on an Originate that is not async. Here the one who asks says whether a list is the answer.
    """

    def __init__(self, headers: Headers, variables: Headers = _NONE, *, is_list: bool = False) -> None:
        super().__init__(_checked(headers, variables), as_list=is_list)
        self.asked = time.monotonic()

    def add_message(self, headers: Headers) -> None:
        self.responses.append(headers)
        if "Event" not in headers and headers["Response"] not in Message.success_responses:
            self.fail(_refusal(headers.get("Message", "no reason given")))
        elif not self.as_list or _ends_a_list(headers):
            self._finish()

    def fail(self, error: DialerdError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(self.responses[:-1] if self.as_list else self.responses)


class _Link(AMIProtocol):
    """One connection, from first byte to last. Its reader only sorts: replies to who waits, events to the outbox."""

    encoding = "utf-8"

    def __init__(
        self,
        events: asyncio.Queue[AmiItem],
        settings: AmiSettings,
        *,
        ids: _ActionIds,
        counters: AmiCounters,
        on_lost: Callable[[str], None],
        on_speech: Callable[[], None],
    ) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.uptime_s: int | None = None
        self.last_reload_s: int | None = None
        self.closed = False
        self.version: str | None = None
        self.transport: asyncio.Transport | None = None
        self.responses: dict[str, _Question] = {}
        self._outbox = Outbox(events)
        self._settings = settings
        self._ids = ids
        self._list_prefix = ids.list_prefix
        self._counters = counters
        self._on_lost = on_lost
        self._on_speech = on_speech
        self._heard = time.monotonic()
        self.is_leaving = False
        self._unread = b""

    @property
    def is_silent(self) -> bool:
        if self.closed or not self.responses:
            return False
        owed_since = min(question.asked for question in self.responses.values())
        return time.monotonic() - max(owed_since, self._heard) > self._settings.silence_s

    async def ask(self, question: _Question, timeout: float) -> list[Headers]:
        """The reply, and for a list its items after it."""
        if self.closed or self.transport is None or self.transport.is_closing():
            raise AmiDown
        if question.id in self.responses:
            raise InvalidAmiValue(f"ActionID {question.id} is in use")
        try:
            async with asyncio.timeout(timeout):
                answer: list[Headers] = await self.send(question, as_list=question.as_list)
                return answer
        except TimeoutError:
            self._counters.timeouts += 1
            raise AmiTimeout(f"no reply to {question['Action']} within {timeout} s") from None
        finally:
            self.responses.pop(question.id, None)

    async def ask_in_time(self, name: str, headers: Headers = _NONE) -> Headers:
        """A step of logging in."""
        question = _Question({**headers, "Action": name, "ActionID": self._ids.single()})
        return (await self.ask(question, self._settings.connect_timeout_s))[0]

    async def answers(self) -> bool:
        try:
            question = _Question({"Action": "Ping", "ActionID": self._ids.single()})
            await self.ask(question, self._settings.keepalive_s)
        except AmiLeaving:
            log.debug("ami_ping_refused", why=_SHUTTING_DOWN)
        except AsteriskUnavailable:
            return False
        except AmiRefused as refusal:
            log.debug("ami_ping_refused", why=refusal.message)
        return True

    async def announce(self, announcement: AmiLinkUp) -> None:
        if not await self._outbox.open(announcement):
            self.lose(_OVERFLOW)

    def lose(self, reason: str) -> None:
        """Give the link up, at once. Whoever still waits learns that the effect is unknown; nothing is kept to be sent
        on the next link."""
        if self.lost.done():
            return
        self.closed, self.is_leaving = True, False
        if self.transport is not None:
            self.transport.abort()
        for question in self.responses.values():
            question.fail(AmiTimeout(f"the link was lost before the reply to {question['Action']}: {reason}"))
        self.responses.clear()
        self.lost.set_result(reason)
        self._on_lost(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(f"connection lost: {exc}" if exc else "closed by Asterisk")

    def data_received(self, data: bytes) -> None:
        """Only whole messages are decoded: a letter of several bytes may arrive in two pieces."""
        was_doubtful, received = self.is_silent or self.is_leaving, time.monotonic()
        self._heard = received
        unread = self._unread + data
        if self.version is None:
            unread = self._without_banner(unread)
        *messages, self._unread = unread.split(_END)
        for message in messages:
            if self.closed:
                return
            self._read(message, received)
        if len(self._unread) > MESSAGE_LIMIT:
            self._give_up_malformed("a message without end", self._unread)
        if was_doubtful and not self.is_leaving:
            self._on_speech()

    def _without_banner(self, unread: bytes) -> bytes:
        """Asterisk greets with a single line, which no blank line sets apart from the first message."""
        banner, end, rest = unread.partition(b"\r\n")
        if not _BANNER.startswith(banner[: len(_BANNER)]):
            self._give_up_malformed("this is not a manager interface", unread)
            return b""
        if not end:
            return unread
        self.version = banner.removeprefix(_BANNER).decode("ascii", "replace")
        return rest

    def _read(self, message: bytes, received: float) -> None:
        # Neither is text that a row could hold, and a row that cannot be written would be tried for ever.
        text = message.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}").lstrip(_EOL)
        if not text:
            return
        try:
            headers = _parse(text)
        except ValueError as why:
            self._give_up_malformed(str(why), message)
            return
        if "Event" in headers:
            self._take_event(headers, received)
        else:
            self._answer(headers.get("ActionID", ""), headers)

    def _take_event(self, headers: Headers, received: float) -> None:
        action_id = headers.get("ActionID")
        if action_id is not None and action_id.startswith(self._list_prefix):
            self._answer(action_id, headers)
            return
        name = headers["Event"]
        self._counters.events += 1
        if not self._outbox.offer(AmiEvent(name, headers, received)):
            self._counters.overflows += 1
            self.lose(_OVERFLOW)
        elif name == "Newchannel":
            self._note_channel(headers.get("Uniqueid", ""))
        elif name == "Shutdown":
            self.lose("Asterisk is shutting down")
        elif name == "FullyBooted":
            self.uptime_s = _whole_number(headers.get("Uptime"))
            self.last_reload_s = _whole_number(headers.get("LastReload"))

    def _note_channel(self, channel: str) -> None:
        """An order to dial was taken when its channel is made, whether or not its reply ever comes."""
        for question in list(self.responses.values()):
            if question.get("ChannelId") == channel:
                self._answer(question.id, {"Response": "Success", "Message": "its channel was made"})

    def _answer(self, action_id: str, headers: Headers) -> None:
        if "Response" in headers:
            self._note_leaving(headers.get("Message") == _SHUTTING_DOWN)
        question = self.responses.get(action_id)
        if question is None:
            self._counters.orphan_replies += 1
        else:
            question.add_message(headers)

    def _note_leaving(self, leaving: bool) -> None:
        if leaving and not self.is_leaving:
            log.warning(
                "asterisk_is_shutting_down", advice="nothing is dialed until it is back, or the shutdown is aborted"
            )
        self.is_leaving = leaving and not self.closed

    def _give_up_malformed(self, why: str, message: bytes) -> None:
        """Where reading has lost its footing, everything after may be misread: only a new link is sure."""
        self._counters.malformed += 1
        log.error("ami_malformed", why=why, length=len(message), begins_with=message[:80])
        self.lose(f"malformed: {why}")


class _Parsed(Message):
    """What panoramisk reads from a message, without the slow dictionary that it would wrap it in."""

    quoted_keys = ()

    def __init__(self, headers: dict[str, str], content: str) -> None:
        self.headers = headers


def _parse(text: str) -> Headers:
    """The headers of one message. Raises ValueError where it is none."""
    parsed = _Parsed.from_line(text)
    if parsed is None:
        raise ValueError("neither an event nor a reply")
    headers: Headers = parsed.headers
    if len(headers) == text.count(_EOL) + 1:
        return headers
    return _parse_irregular(text)


def _parse_irregular(text: str) -> Headers:
    """Headers that repeat, or that have no blank after the colon. Only a dialplan's UserEvent may hold other lines."""
    values: dict[str, list[str]] = {}
    for line in text.split(_EOL):
        name, colon, value = line.partition(":")
        if colon:
            values.setdefault(name, []).append(value.removeprefix(" "))
        elif not text.startswith("Event: UserEvent"):
            raise ValueError("a header without a colon")
    return {name: "\n".join(several) for name, several in values.items()}


def _ends_a_list(headers: Headers) -> bool:
    return headers.get("EventList") == "Complete" or headers.get("Event", "").endswith("Complete")


def _refusal(message: str) -> AmiRefused | AmiLeaving:
    if message == _SHUTTING_DOWN:
        return AmiLeaving(message)
    return AmiForbidden(message) if message == "Permission denied" else AmiRefused(message)


def _whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _checked(headers: Headers, variables: Headers) -> dict[str, str | list[str]]:
    """The action as panoramisk writes it. Raises InvalidAmiValue: what a lead is called must never become a header, a
    variable or a function call."""
    for name, value in headers.items():
        _check_header(name, value)
    for name, value in variables.items():
        _check_variable(name, value)
    names = {name.lower() for name in headers}
    if "variable" in names and (variables or headers["Action"] not in _NAMING_A_VARIABLE):
        raise InvalidAmiValue("a Variable is not among the variables")
    if len(names) != len(headers):
        raise InvalidAmiValue("a header stands twice")
    if len(headers) + len(variables) > HEADER_LIMIT:
        raise InvalidAmiValue(f"more than {HEADER_LIMIT} headers")
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return {**headers, "Variable": assignments} if assignments else dict(headers)


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise InvalidAmiValue(f"{name!r} is no header name")
    if _CONTROL.search(value):
        raise InvalidAmiValue(f"{name} holds a control character")
    length = _bytes_of(name, value)
    if len(name) + length + len(": \r\n") > LINE_LIMIT:
        raise InvalidAmiValue(f"{name} is longer than a line may be")
    if length > SHORT_VALUE_LIMIT and name.lower() in ("channel", "callerid"):
        raise InvalidAmiValue(f"{name} is longer than {SHORT_VALUE_LIMIT} bytes")


def _check_variable(name: str, value: str) -> None:
    """A comma would set another variable, a quote or backslash hide one, a name like CDR(x) run a function. Asterisk parts no name at
    a comma between parentheses."""
    if not _VARIABLE_NAME.fullmatch(name):
        raise InvalidAmiValue(f"{name!r} is no variable name")
    if _VARIABLE_SYNTAX.search(value):
        raise InvalidAmiValue(f"variable {name} holds a comma, a quote or a backslash")
    _check_header("Variable", f"{name}={value}")


def _bytes_of(name: str, value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError as error:
        raise InvalidAmiValue(f"{name} is not text that UTF-8 can write") from error


def _login(settings: AmiSettings) -> Headers:
    headers = {"Username": settings.user, "Secret": settings.secret, "Events": settings.event_mask}
    try:
        _checked({**headers, "Action": "Login"}, _NONE)
    except InvalidAmiValue as error:
        raise SettingsError(f"the manager user cannot log in: {error}") from error
    return headers
