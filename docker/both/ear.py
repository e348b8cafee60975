"""Listens on the wire: writes down every packet of sound that the PBX sends to the far end's phones, when it arrived.

A recording made by the far end's Asterisk would not do: its translators drop whatever follows a restart of the RTP
sequence to a lower number (a coin's toss at each bridging), and its recorder has no clock while nothing is sent.

`lab.py listen` runs it inside the far end, as root. It says `listening`, and echoes each datagram that comes to ECHO_PORT:
what came before that has been written. It ends when its standard input does.

`lab.py hear` (`--first`) notes only when the first sound of each call came, which costs next to nothing once it has.
"""

import fcntl
import os
import re
import select
import socket
import struct
import sys
from pathlib import Path
from typing import IO

HEARD = Path("/calls/heard")
"""One file a call, `<Call-ID>.rtp`: packets as PACKET says."""
FIRST_SOUNDS = Path("/calls/first_sounds.csv")
"""One line a call: its Call-ID, and when its first sound arrived, in epoch seconds."""
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


RTP_HEADER_LENGTH = 12
ULAW = 0
"""Payload type of the only codec here; what else comes are pressed keys."""


def _loudness(sample: int) -> int:
    """Of a sample as G.711 u-law writes it: 0 to 32,124."""
    bits = ~sample & 0xFF
    return (((bits & 0x0F) << 3) + 132 << ((bits & 0x70) >> 4)) - 132


SILENT_BELOW = 150
"""As in tests/heard.py."""
SILENT = bytes(sample for sample in range(256) if _loudness(sample) < SILENT_BELOW)
LEAST_LOUD = 8
"""So many samples of a packet, of 160, are a sound."""


def is_sound(packet: bytes) -> bool:
    """Whether an RTP packet holds more than silence."""
    return packet[1] & 0x7F == ULAW and len(packet[RTP_HEADER_LENGTH:].translate(None, SILENT)) >= LEAST_LOUD


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


class FirstSounds(Ear):
    """Notes of each call when its first sound came, and then listens to it no more."""

    def __init__(self, notes: IO[bytes]) -> None:
        super().__init__(HEARD)
        self._notes = notes

    def _learn(self, message: bytes) -> None:
        call, port = CALL_ID.search(message), SOUND_PORT.search(message)
        if call and port:
            self._call_of[int(port.group(1))] = call.group(1).decode()

    def _write(self, source: int, packet: bytes, arrived_s: float) -> None:
        if source in self._call_of and is_sound(packet):
            self._notes.write(f"{self._call_of.pop(source)},{arrived_s:.3f}\n".encode())


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
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as wire,
        FIRST_SOUNDS.open("ab", 0) as notes,
    ):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.bind((socket.gethostbyname(os.environ["LISTEN_ADDRESS"]), 0))
        first_only = "--first" in sys.argv[1:]
        written = notes.fileno() if first_only else os.open(HEARD, os.O_RDONLY)
        fcntl.flock(written, fcntl.LOCK_EX)  # two would write everything twice
        if first_only:
            notes.truncate(0)
        print("listening", flush=True)
        listen(wire, FirstSounds(notes) if first_only else Ear(HEARD))


if __name__ == "__main__":
    main()
