"""Open pages without a browser: HTML is fetched and its socket kept, as NiceGUI's script does it. Hundreds fit into a process."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

_ASKED = re.compile(r'"request_id":"([^"]+)"')
_CLIENT = re.compile(r"'client_id': '([^']+)', 'next_message_id': (\d+)")


class OpenPage:
    """The messages of its socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, client_id: str) -> None:
        self._socket = socket
        self._client_id = client_id
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._answered = time.monotonic()
        self._closed_after: float | None = None

    @property
    def dropped(self) -> str:
        """Why it is not open any more; empty while it is."""
        if self._closed_after is None:
            return ""
        return f"closed with {self._socket.close_code}, {self._closed_after:.1f} s after the last ping was answered"

    def waits_for(self, text: str) -> asyncio.Future[float]:
        """When it came, by perf_counter."""
        self._awaited[text] = awaited = asyncio.get_running_loop().create_future()
        return awaited

    async def read(self) -> None:
        """Engine.IO: 2 is a ping and 3 its answer, 42 a message."""
        async for message in self._socket:
            came, said = time.perf_counter(), message.data
            if said == "2":
                await self._socket.send_str("3")
                self._answered = time.monotonic()
            elif (asked := _ASKED.search(said)) is not None:  # whether the menu is open
                given = {"request_id": asked[1], "client_id": self._client_id, "result": True}
                await self._socket.send_str("42" + json.dumps(["javascript_response", given]))
            for text in [text for text in self._awaited if text in said]:
                self._awaited.pop(text).set_result(came)
        self._closed_after = time.monotonic() - self._answered


@asynccontextmanager
async def open_page(web: aiohttp.ClientSession, address: str) -> AsyncIterator[OpenPage]:
    """`web` has the cookie of a session."""
    async with web.get(address) as answer:
        query = _query_of(await answer.text())
    host = "/".join(address.split("/")[:3])
    socket = await web.ws_connect(f"{host}/_nicegui_ws/socket.io/?{urlencode(query)}", heartbeat=None)
    await socket.receive_str()
    await socket.send_str("40")
    while (said := await socket.receive_str()) == "2":  # a ping, if the server is busy
        await socket.send_str("3")
    if not said.startswith("40"):
        raise RuntimeError(f"{address} gets no socket: {said}")
    page = OpenPage(socket, query["client_id"])
    reading = asyncio.create_task(page.read())
    try:
        yield page
    finally:
        reading.cancel()
        await socket.close()


def _query_of(html: str) -> Mapping[str, str]:
    """What the page's script would say to the socket."""
    found = _CLIENT.search(html)
    if found is None:
        raise RuntimeError(f"this is no page with a socket: {html[:500]}")
    return {
        "EIO": "4",
        "transport": "websocket",
        "implicit_handshake": "true",
        "client_id": found[1],
        "next_message_id": found[2],
        "document_id": str(uuid4()),
        "tab_id": str(uuid4()),
    }
