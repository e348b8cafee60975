"""The ear that notes when the first sound of each call came: by what is on the wire, and nothing else."""

import io
import struct

import pytest

from docker.both.ear import FirstSounds, is_sound

SIP_PORT, SOUND_PORT, OTHER_PORT = 5060, 20002, 20004
CALL = b"INVITE sip:12025550101@carrier SIP/2.0\r\nCall-ID: a1b2\r\n\r\nm=audio 20002 RTP/AVP 0 101\r\n"
QUIET, FAINT, LOUD = b"\xff" * 160, b"\x7e" * 160, b"\x80\x00" * 80
"""Of G.711 u-law: 0, 8 and 32,124."""


def datagram(source: int, payload: bytes) -> bytes:
    """IPv4 and UDP as a raw socket gives them."""
    return bytes([0x45, *[0] * 19]) + struct.pack("!HHHH", source, SIP_PORT, 8 + len(payload), 0) + payload


def packet(sound: bytes, *, payload_type: int = 0) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, 1, 0, 0) + sound


@pytest.fixture
def notes() -> io.BytesIO:
    return io.BytesIO()


def test_the_first_packet_that_is_not_silent_is_noted_and_no_later_one(notes: io.BytesIO) -> None:
    ear = FirstSounds(notes)
    ear.hear(datagram(SIP_PORT, CALL), 100.0)
    for at, sound in ((100.5, QUIET), (101.0, FAINT), (101.5, LOUD), (102.0, LOUD)):
        ear.hear(datagram(SOUND_PORT, packet(sound)), at)
    assert notes.getvalue() == b"a1b2,101.500\n"


def test_sound_that_belongs_to_no_call_is_passed_over(notes: io.BytesIO) -> None:
    ear = FirstSounds(notes)
    ear.hear(datagram(SIP_PORT, CALL), 100.0)
    ear.hear(datagram(OTHER_PORT, packet(LOUD)), 100.5)
    assert notes.getvalue() == b""


def test_the_next_call_from_the_same_port_is_another_one(notes: io.BytesIO) -> None:
    ear = FirstSounds(notes)
    for call, at in ((CALL, 100.0), (CALL.replace(b"a1b2", b"c3d4"), 200.0)):
        ear.hear(datagram(SIP_PORT, call), at)
        ear.hear(datagram(SOUND_PORT, packet(LOUD)), at + 1)
    assert notes.getvalue() == b"a1b2,101.000\nc3d4,201.000\n"


@pytest.mark.parametrize(("loud_samples", "heard"), [(7, False), (8, True)])
def test_a_click_is_no_sound(loud_samples: int, heard: bool) -> None:
    assert is_sound(packet(LOUD[:loud_samples] + QUIET[loud_samples:])) is heard


def test_a_pressed_key_is_no_sound() -> None:
    assert not is_sound(packet(LOUD, payload_type=101))
