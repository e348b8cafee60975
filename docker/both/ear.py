"""Listens on the wire: writes down every packet of sound that the PBX sends to the far end's phones, when it arrived.

A recording made by the far end's Asterisk would not do: its translators drop whatever follows a restart of the RTP
sequence to a lower number (a coin's toss at each bridging), and its recorder has no clock while nothing is sent.

`lab.py listen` runs it inside the far end, as root. It says `listening`, and echoes each datagram that comes to ECHO_PORT:
what came before that has been written. It ends when its standard input does.
"""

import fcntl
import os
import re
import select
import socket
import struct
import sys
from pathlib import Path

HEARD = Path("/calls/heard")
"""One file a call, `<Call-ID>.rtp`: packets as PACKET says."""
PACKET = struct.Struct("<dH")
"""Epoch seconds of the arrival, length of the RTP packet; the packet follows."""
ECHO_PORT = 9

SO_TIMESTAMPNS = 35
"""Linux: the kernel notes the arrival, however late we read. Python has no name for it."""
TIMESPEC = struct.Struct("@ll")
BUFFER_BYTES = 4 * 2**20
UDP_HEADER = struct.Struct("!HHHH")
RTP_VERSION = 2
CALL_ID = re.compile(rb"^Call-ID: *([-@._0-9a-zA-Z]+)", re.MULTILINE)
SOUND_PORT = re.compile(rb"^m=audio (\d+) ", re.MULTILINE)


class Ear:
    """Knows whose sound comes from which port: the PBX's offer or answer has said so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._call_of: dict[int, str] = {}
        """By the PBX's port."""

    def hear(self, datagram: bytes, arrived_s: float) -> None:
        """Take one IPv4 datagram as a raw socket gives it."""
        header_length = (datagram[0] & 0x0F) * 4
        source, target, _, _ = UDP_HEADER.unpack_from(datagram, header_length)
        payload = datagram[header_length + UDP_HEADER.size :]
        if target == ECHO_PORT:
            print(payload.decode(errors="replace"), flush=True)
        elif payload[:1] and payload[0] >> 6 == RTP_VERSION:
            self._write(source, payload, arrived_s)
        else:
            self._learn(payload)

    def _learn(self, message: bytes) -> None:
        call, port = CALL_ID.search(message), SOUND_PORT.search(message)
        if call and port:
            self._call_of[int(port.group(1))] = name = call.group(1).decode()
            self._file(name).touch()  # who hears nothing was listened to all the same

    def _write(self, source: int, packet: bytes, arrived_s: float) -> None:
        """Opens the file each time: it may have been deleted meanwhile."""
        if source in self._call_of:
            with self._file(self._call_of[source]).open("ab", buffering=0) as file:
                file.write(PACKET.pack(arrived_s, len(packet)) + packet)

    def _file(self, call: str) -> Path:
        return self._folder / f"{call}.rtp"


def listen(wire: socket.socket, ear: Ear) -> None:
    while True:
        ready, _, _ = select.select([wire, sys.stdin], [], [])
        if wire in ready:
            datagram, notes, _, _ = wire.recvmsg(65536, socket.CMSG_SPACE(TIMESPEC.size))
            seconds, nanoseconds = TIMESPEC.unpack(notes[0][2])
            ear.hear(datagram, seconds + nanoseconds / 1e9)
        elif not os.read(sys.stdin.fileno(), 64):
            return


def main() -> None:
    folder = os.open(HEARD, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # two would write everything twice
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.bind((socket.gethostbyname(os.environ["LISTEN_ADDRESS"]), 0))
        print("listening", flush=True)
        listen(wire, Ear(HEARD))


if __name__ == "__main__":
    main()
