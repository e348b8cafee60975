"""A SIP line in front of the carrier that fails as lines do: its port is closed, it swallows everything, or it adds a Retry-After to
refusals.

It listens where the PBX's trunk `carrier-by-line` leads to, and passes on to the carrier's own port from an address of the PBX, so that the
far end takes what comes by it for what it is. Only the beginning of a call goes by the line: what follows, either side sends straight to
the other, whose address it knows by then.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from tests.lab import Lab, far_end_address, pbx_address

LINE_PORT, CARRIER_PORT, PBX_PORT = 5080, 5060, 5060


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, line: "SipLine", to: tuple[str, int]) -> None:
        self._line = line
        self._to = to
        self.other: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self.other is not None and not self._line.swallows:
            self.other.sendto(self._line.changed(data), self._to)
        elif data.startswith(b"INVITE "):
            self._line.swallowed += 1


class SipLine:
    """`swallowed` counts the INVITEs that were lost, each as often as it was sent."""

    def __init__(self) -> None:
        self.swallows = False
        self.retry_after_s: int | None = None
        self.swallowed = 0

    @classmethod
    @asynccontextmanager
    async def of(cls, lab: Lab) -> AsyncIterator[Self]:
        """Until the end of the block; after it the port is closed."""
        line, loop = cls(), asyncio.get_running_loop()
        pbx, far_end = pbx_address(lab.number), far_end_address(lab.number)
        there, from_pbx = await loop.create_datagram_endpoint(
            lambda: _Socket(line, (far_end, CARRIER_PORT)), local_addr=(far_end, LINE_PORT)
        )
        back, from_carrier = await loop.create_datagram_endpoint(
            lambda: _Socket(line, (pbx, PBX_PORT)), local_addr=(pbx, 0)
        )
        from_pbx.other, from_carrier.other = back, there
        try:
            yield line
        finally:
            there.close()
            back.close()

    def changed(self, data: bytes) -> bytes:
        if self.retry_after_s is None or not data.startswith(b"SIP/2.0 503"):
            return data
        first, rest = data.split(b"\r\n", 1)
        return b"\r\n".join([first, b"Retry-After: %d" % self.retry_after_s, rest])
