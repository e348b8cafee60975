"""A TCP line that fails in every way a line can: cut, refused, frozen, slowed, swallowed, garbled; or caught in the very moment
at which certain words pass.

It stands between a daemon and Asterisk (AMI, ARI) or Postgres, so that a drill can kill the daemon between two bytes without
there being a line in the daemon for the sake of drills.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

CHUNK = 65536
CATCHES_WITHIN_S = 60.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER without time: the peer is told of a reset, not of an end."""

T = TypeVar("T")
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Enum):
    """Which way bytes go."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH = (Way.TO_SERVER, Way.TO_CLIENT)


@dataclass(eq=False)
class Catch:
    """Words that are waited for. When they come, `caught` is set, and nothing goes on this way any more: they are held back with all
    that follows, or, with `passes`, they still arrive and only what follows is held."""

    words: bytes
    passes: bool
    caught: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Lane:
    """What is done to the bytes of one way."""

    flows: asyncio.Event = field(default_factory=asyncio.Event)
    swallows: bool = False
    delay_s: float = 0.0
    garble: Callable[[bytes], bytes] | None = None
    catch: Catch | None = None

    def __post_init__(self) -> None:
        self.flows.set()


class FaultProxy:
    """A faithful line until it is told otherwise. `connections` is how many there have been."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self.port = 0
        self.connections = 0
        self._connect = connect
        self._lanes = {way: _Lane() for way in Way}
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._left_open: set[asyncio.StreamWriter] = set()
        self._refuses = False

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int) -> AsyncIterator[Self]:
        async with cls(lambda: asyncio.open_connection(host, port))._listening() as proxy:
            yield proxy

    @classmethod
    @asynccontextmanager
    async def to_postgres(cls, dsn: str | Callable[[], str]) -> AsyncIterator[Self]:
        """`dsn` may name a host and port, or the folder of a Unix socket (`postgresql:///database?host=/folder`); one that is asked
        for anew at each connection can lead to another server meanwhile."""
        async with cls(lambda: _open_postgres(dsn if isinstance(dsn, str) else dsn()))._listening() as proxy:
            yield proxy

    def dsn(self, of: str) -> str:
        """The DSN `of` the server, by way of this proxy."""
        parts, asked = urlsplit(of), parse_qs(urlsplit(of).query)
        asked.pop("host", None)
        user = f"{parts.username}@" if parts.username else ""
        return f"postgresql://{user}127.0.0.1:{self.port}{parts.path}?{urlencode(asked, doseq=True)}"

    # --- what can be done to the line ---

    def cut(self) -> None:
        """Every connection is reset, as by a firewall that forgets, or a peer that was killed."""
        for writer in list(self._writers):
            _reset(writer)

    def forget_clients(self) -> None:
        """Every client is told of a reset, the server of nothing: its sessions live on."""
        for front, back in self._pairs:
            self._left_open.add(back)
            _reset(front)

    def refuse(self, refuses: bool = True) -> None:
        """New connections are reset at once; those that stand are left alone."""
        self._refuses = refuses

    def freeze(self, *ways: Way) -> None:
        """Half-open: nothing arrives and nothing ends. What is sent meanwhile arrives after `thaw`."""
        for way in ways or BOTH:
            self._lanes[way].flows.clear()

    def thaw(self, *ways: Way) -> None:
        """Also lets go what a catch holds."""
        for way in ways or BOTH:
            self._lanes[way].catch = None
            self._lanes[way].flows.set()

    def swallow(self, *ways: Way, swallows: bool = True) -> None:
        """What is sent from now on is taken, and never arrives."""
        for way in ways or BOTH:
            self._lanes[way].swallows = swallows

    def delay(self, seconds: float, *ways: Way) -> None:
        """What is sent arrives so much later. Order is kept."""
        for way in ways or BOTH:
            self._lanes[way].delay_s = seconds

    def garble(self, how: Callable[[bytes], bytes] | None, *ways: Way) -> None:
        """Each piece arrives as `how` makes it; None: as it was sent."""
        for way in ways or BOTH:
            self._lanes[way].garble = how

    def catch(self, words: bytes, way: Way, *, passes: bool = False) -> Catch:
        """See `Catch`. One at a time each way; `thaw` ends it."""
        catch = Catch(words, passes)
        self._lanes[way].catch = catch
        return catch

    async def catch_of(self, words: bytes, way: Way, brought: Callable[[], Awaitable[T | None]]) -> T:
        """Hold this way at those of the words with which `brought` came true, and return what it says; the same words of others pass.
        TimeoutError if they do not come."""
        async with asyncio.timeout(CATCHES_WITHIN_S):
            while True:
                await self.catch(words, way).caught.wait()
                if said := await brought():
                    return said
                self.thaw(way)

    # --- how ---

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Self]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            self.cut()
            for flow in self._flows:
                flow.cancel()
            await asyncio.gather(*self._flows, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refuses:
            _reset(writer)
            return
        try:
            there, back = await self._connect()
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, back}
        self._pairs.append((writer, back))
        for way, source, sink in ((Way.TO_SERVER, reader, back), (Way.TO_CLIENT, there, writer)):
            on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
            self._spawn(_take(self._lanes[way], source, on_the_way))
            self._spawn(self._deliver(self._lanes[way], on_the_way, sink))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        flow = asyncio.create_task(work)
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)

    async def _deliver(
        self, lane: _Lane, on_the_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while True:
                due, piece = await on_the_way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                await self._let_through(lane, piece)
                if not piece:  # the end; of a half-open line nobody hears it
                    break
                if not lane.swallows:
                    sink.write(lane.garble(piece) if lane.garble else piece)
                    await sink.drain()
        if sink not in self._left_open:
            self._writers.discard(sink)
            sink.close()

    async def _let_through(self, lane: _Lane, piece: bytes) -> None:
        """Until the piece may arrive. One that has waited behind another's catch may be what the next catch is for."""
        while not self._catches(lane, piece):
            if lane.flows.is_set():
                return
            await lane.flows.wait()
        if lane.catch is None or not lane.catch.passes:
            await lane.flows.wait()

    def _catches(self, lane: _Lane, piece: bytes) -> bool:
        """Whether the way is now closed because of what this piece says."""
        catch = lane.catch
        if catch is None or catch.caught.is_set() or catch.words not in piece:
            return False
        lane.flows.clear()
        catch.caught.set()
        return True


async def _take(lane: _Lane, source: asyncio.StreamReader, on_the_way: asyncio.Queue[tuple[float, bytes]]) -> None:
    """What comes is stamped with the moment at which it is to arrive; the last piece is empty."""
    piece = b"-"
    while piece:
        try:
            piece = await source.read(CHUNK)
        except ConnectionError:
            piece = b""
        on_the_way.put_nowait((asyncio.get_running_loop().time() + lane.delay_s, piece))


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


async def _open_postgres(dsn: str) -> Streams:
    parts = urlsplit(dsn)
    port = parts.port or 5432
    if folders := parse_qs(parts.query).get("host"):
        return await asyncio.open_unix_connection(Path(folders[0]) / f".s.PGSQL.{port}")
    return await asyncio.open_connection(parts.hostname, port)
