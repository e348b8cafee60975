"""A manager interface on a free port of loopback. It answers as Asterisk 22 does, until a test tells it to misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from dialerd.asterisk.ami import Ami, AmiItem, AmiLinkUp, AmiSettings

SECRET = "made-up"
BANNER = b"Asterisk Call Manager/11.0.0\r\n"
ALLOWED = (
    "CoreShowChannels",
    "CoreStatus",
    "Hangup",
    "ListCommands",
    "Originate",
    "Ping",
    "QueueAdd",
    "QueueStatus",
    "Setvar",
)


@dataclass(frozen=True)
class Received:
    """An action as it came over the wire."""

    headers: Mapping[str, str]
    variables: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.headers["Action"]

    @property
    def id(self) -> str:
        return self.headers["ActionID"]


Answer = Callable[[Received], None]


@dataclass
class FakeAmi:
    """`answers` replaces what an action gets, `mute` are the actions that get nothing at all."""

    secret: str = SECRET
    allowed: set[str] = field(default_factory=lambda: set(ALLOWED))
    started: str = "10:00:00"
    greeting: tuple[bytes, ...] = (BANNER,)
    fully_booted: bool = False
    """Whether the user reads the class `system`, and so is told."""
    mute: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._sessions: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        self.drop()
        if self._sessions:
            await asyncio.wait(self._sessions)

    def settings(self, **changes: Any) -> AmiSettings:
        quick = AmiSettings(
            host="127.0.0.1",
            port=self.port,
            user="dialerd",
            secret=SECRET,
            backoff_first_s=0.01,
            backoff_max_s=0.05,
            backoff_refused_s=0.05,
        )
        return replace(quick, **changes)

    @asynccontextmanager
    async def daemon(self, *, room: int = 1000, **changes: Any) -> AsyncIterator[tuple[Ami, asyncio.Queue[AmiItem]]]:
        """A connected Ami and its events, of which the first AmiLinkUp is already taken."""
        events: asyncio.Queue[AmiItem] = asyncio.Queue(room)
        ami = Ami(self.settings(**changes), events=events)
        running = asyncio.create_task(ami.run())
        try:
            assert isinstance(await events.get(), AmiLinkUp)
            await ami.up.wait()
            yield ami, events
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    # --- what Asterisk says ---

    def say(self, *headers: str) -> None:
        """One message, given as its lines."""
        self.write(("\r\n".join(headers) + "\r\n\r\n").encode())

    def write(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    def reply(self, action: Received, *headers: str, response: str = "Success") -> None:
        self.say(f"Response: {response}", f"ActionID: {action.id}", *headers)

    def reply_list(self, action: Received, *rows: tuple[str, ...]) -> None:
        self.reply(action, "EventList: start", "Message: A list will follow")
        for row in rows:
            self.say(*row, f"ActionID: {action.id}")
        self.say(f"Event: {action.name}Complete", f"ActionID: {action.id}", "EventList: Complete", "ListItems: 0")

    def drop(self) -> None:
        """The way a killed Asterisk goes: without a word."""
        for writer in self._writers:
            writer.transport.abort()

    # --- what a test waits for ---

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    async def got(self, name: str, *, times: int = 1) -> list[Received]:
        """Wait until the action has come that often."""
        await self.until(lambda: len(self.of(name)) >= times)
        return self.of(name)

    def of(self, name: str) -> list[Received]:
        return [action for action in self.received if action.name == name]

    @property
    def open_connections(self) -> int:
        return len(self._writers)

    # --- the server ---

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions.add(session)
        self._writers.add(writer)
        self.connections += 1
        await self._notify()
        for piece in self.greeting:
            writer.write(piece)
            await asyncio.sleep(0)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._take(await reader.readuntil(b"\r\n\r\n"))
        self._writers.discard(writer)
        writer.transport.abort()
        await self._notify()

    async def _take(self, message: bytes) -> None:
        action = _parsed(message.decode())
        self.received.append(action)
        if action.name not in self.mute:
            self.answers.get(action.name, self._answer)(action)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _answer(self, action: Received) -> None:
        usual: dict[str, Answer] = {
            "Login": self._log_in,
            "ListCommands": lambda asked: self.reply(
                asked, *(f"{name}: what it does" for name in sorted(self.allowed))
            ),
            "CoreStatus": lambda asked: self.reply(
                asked, "CoreStartupDate: 2026-11-22", f"CoreStartupTime: {self.started}"
            ),
            "CoreShowChannels": self.reply_list,
            "QueueStatus": self.reply_list,
        }
        usual.get(action.name, self.reply)(action)

    def _log_in(self, action: Received) -> None:
        if action.headers["Secret"] != self.secret:
            self.reply(action, "Message: Authentication failed", response="Error")
            return
        self.reply(action, "Message: Authentication accepted")
        if self.fully_booted:
            self.say("Event: FullyBooted", "Privilege: system,all", "Uptime: 33", "LastReload: 12")


def _parsed(message: str) -> Received:
    pairs = [line.split(": ", 1) for line in message.strip().split("\r\n")]
    variables = tuple(value for name, value in pairs if name == "Variable")
    return Received({name: value for name, value in pairs if name != "Variable"}, variables)


def in_pieces(data: bytes, *cuts: int) -> tuple[bytes, ...]:
    """The data as the network might deliver it, cut at these offsets."""
    return tuple(data[start:end] for start, end in pairwise((0, *cuts, len(data))))
