"""What a phone heard, told by the pitches: which of the laboratory's sounds and voices, and when.

Every sound and voice has pitches of its own (docker/both/tones.py). They are looked for in short windows, so that two
which are heard at once (a recording of both sides of a talk) are both found.
"""

from __future__ import annotations

import math
import struct
import sys
import wave
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby, pairwise
from operator import itemgetter, mul
from pathlib import Path

from docker.both.ear import PACKET
from docker.both.tones import AGENT_VOICE_HZ, LEAD_VOICE_HZ, MUSIC, RATE_HZ, RINGBACK_HZ, SOUNDS, STEP_HZ

SILENCE = "silence"
MUSIC_ON_HOLD = "music"
RINGBACK = "ringback"
UNKNOWN = "unknown"
"""Something is heard, but none of the laboratory's pitches."""

RTP_HEADER = struct.Struct("!BBHII")
ULAW = 0
"""Payload type of the only codec here."""

WINDOW = 250
"""Samples; a bin is 32 Hz then, so that the laboratory's pitches, 64 Hz apart, do not blur into each other."""
HOP = 160
"""20 ms: what one RTP packet carries."""
HOP_S = HOP / RATE_HZ
SILENT_BELOW = 150.0
"""Root mean square; the laboratory's sounds have some 5,600, its softest syllable 1,200."""
LEAST_SHARE = 0.04
"""Of a window's energy, for a pitch to count as heard. A note at the very edge of a window has less."""
LEAST_S = 0.06
"""Shorter ones are the blur where one sound gives way to another."""
LATE_S = 0.06
"""A packet that comes so late still follows the one before without a gap, as in any phone."""
LEAST_LOSS_S = 0.1
"""More than this not written down by the ear, and nothing can be proved."""
REST_S = 0.65
"""A sound may pause so long and still be the same sound: the longest rest inside one is 0.5 s."""


def voice_of_lead(number: str) -> str:
    """The name of the voice with which this number speaks, also a caller from outside."""
    return f"lead-{number[-1]}"


def voice_of_agent(extension: str) -> str:
    return f"agent-{extension[-1]}"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One sound, voice or silence from its beginning to its end; seconds since the phone was answered."""

    name: str
    start_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What one phone heard from its answer to its end, in the order of the beginnings; two sounds may overlap."""

    stretches: tuple[Stretch, ...]
    length_s: float
    arrived_s: float
    """How much of that is sound that came to the phone, silent or not; for the rest nothing came."""

    @classmethod
    def in_file(cls, recording: Path) -> Heard:
        """Of a WAV file (8 kHz, mono, 16 bit), such as Asterisk records; ValueError for any other."""
        return cls.in_samples(_samples(recording))

    @classmethod
    def on_wire(cls, packets: Path, *, answered_s: float, ended_s: float) -> Heard:
        """Of a file that the ear has written, between two moments in epoch seconds; ValueError if packets are missing."""
        heard = _packets(packets)
        sound = _sound_of(heard, since=answered_s, until=ended_s)
        arrived = sum(len(packet.sound) for packet in heard if answered_s <= packet.arrived_s <= ended_s)
        return replace(cls.in_samples(sound), arrived_s=arrived / RATE_HZ)

    @classmethod
    def in_samples(cls, samples: Sequence[int]) -> Heard:
        windows = [_names_in(samples[at : at + WINDOW]) for at in range(0, len(samples) - WINDOW, HOP)]
        length_s = len(samples) / RATE_HZ
        sounds = list(_sounds(windows))
        stretches = sorted([*sounds, *_silences(sounds, length_s)], key=lambda stretch: stretch.start_s)
        return cls(stretches=tuple(stretches), length_s=length_s, arrived_s=length_s)

    def first(self) -> Stretch | None:
        """The first that is not silence."""
        return next((stretch for stretch in self.stretches if stretch.name != SILENCE), None)

    @property
    def silence_before_first_s(self) -> float:
        """All of it, if nothing was ever heard."""
        first = self.first()
        return self.length_s if first is None else first.start_s

    def every(self, name: str) -> list[Stretch]:
        return [stretch for stretch in self.stretches if stretch.name == name]

    def contains(self, name: str) -> bool:
        return bool(self.every(name))

    def names(self) -> list[str]:
        """What was heard one after the other, without the silence."""
        return [stretch.name for stretch in self.stretches if stretch.name != SILENCE]

    def voices(self) -> list[str]:
        """Who was heard (`lead-3`, `agent-1`), each once, the first to be heard first."""
        return [name for name in dict.fromkeys(self.names()) if name in _VOICES]

    @property
    def longest_silence_s(self) -> float:
        return max((stretch.length_s for stretch in self.every(SILENCE)), default=0.0)


_VOICES = {voice_of_lead(str(digit)): LEAD_VOICE_HZ + digit * STEP_HZ for digit in range(10)} | {
    voice_of_agent(str(digit)): AGENT_VOICE_HZ + digit * STEP_HZ for digit in range(10)
}
_NAME_OF_PITCH = {
    **{pitch: name for name, sound in SOUNDS.items() for pitch in sound.pitches_hz},
    **dict.fromkeys(MUSIC.pitches_hz, MUSIC_ON_HOLD),
    **dict.fromkeys(RINGBACK_HZ, RINGBACK),
    **{pitch: name for name, pitch in _VOICES.items()},
}


def _linear(code: int) -> int:
    """A sample of a u-law byte (ITU-T G.711)."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -size if code & 0x80 else size


_LINEAR = [_linear(code) for code in range(256)]


def _samples(recording: Path) -> array[int]:
    try:
        with wave.open(str(recording), "rb") as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            samples = array("h", sound.readframes(sound.getnframes()))
    except (wave.Error, EOFError) as broken:
        raise ValueError(f"{recording.name} is no whole WAV file: {broken}") from broken
    if shape != (RATE_HZ, 1, 2):
        raise ValueError(f"{recording.name} is not 8 kHz, mono, 16 bit")
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


# --- From packets to samples -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Packet:
    """RTP; `sound` is empty for anything but u-law, such as a key."""

    arrived_s: float
    sequence: int
    source: int
    sound: bytes


def _packets(file: Path) -> list[_Packet]:
    content, at, packets = file.read_bytes(), 0, []
    while at < len(content):
        arrived_s, length = PACKET.unpack_from(content, at)
        packet = content[at + PACKET.size : at + PACKET.size + length]
        packets.append(_packet(arrived_s, packet))
        at += PACKET.size + length
    return packets


def _packet(arrived_s: float, packet: bytes) -> _Packet:
    _, payload_type, sequence, _, source = RTP_HEADER.unpack_from(packet)
    sound = packet[RTP_HEADER.size :] if payload_type & 0x7F == ULAW else b""
    return _Packet(arrived_s=arrived_s, sequence=sequence, source=source, sound=sound)


def _sound_of(packets: Sequence[_Packet], *, since: float, until: float) -> array[int]:
    """The sound as the phone played it; silence where nothing came."""
    _refuse_loss(packets)
    sound = array("h", bytes(2 * round((until - since) * RATE_HZ)))
    played_until = 0
    for packet in packets:
        at = round((packet.arrived_s - since) * RATE_HZ)
        at = played_until if at - played_until < LATE_S * RATE_HZ else at
        played_until = at + len(packet.sound)
        if at >= 0 and played_until <= len(sound):
            sound[at:played_until] = array("h", map(_LINEAR.__getitem__, packet.sound))
    return sound


def _refuse_loss(packets: Sequence[_Packet]) -> None:
    lost = sum(_between(*pair) for pair in pairwise(packets))
    if lost * HOP_S > LEAST_LOSS_S:
        raise ValueError(f"{lost} of {len(packets) + lost} packets were not heard: this machine has too much to do")


def _between(earlier: _Packet, later: _Packet) -> int:
    """How many are missing. Asterisk may say one number twice, and begins anew with each source."""
    missing = (later.sequence - earlier.sequence - 1) % 2**16
    return missing if later.source == earlier.source and missing < 2**15 else 0


# --- From samples to names -------------------------------------------------------------------------------------------


@cache
def _bell() -> list[float]:
    """A Hann window: a pitch does not leak into those 64 Hz away."""
    return [0.5 - 0.5 * math.cos(2 * math.pi * n / WINDOW) for n in range(WINDOW)]


@cache
def _waves(pitch_hz: int) -> tuple[list[float], list[float]]:
    turns = [2 * math.pi * pitch_hz * n / RATE_HZ for n in range(WINDOW)]
    return [math.cos(turn) for turn in turns], [math.sin(turn) for turn in turns]


def _names_in(window: Sequence[int]) -> frozenset[str]:
    """The sounds and voices of one window; empty if it is silent."""
    shaped = list(map(mul, window, _bell()))
    energy = sum(map(mul, shaped, shaped))
    if math.sqrt(sum(map(mul, window, window)) / WINDOW) < SILENT_BELOW or not energy:
        return frozenset()
    found = {name for pitch, name in _NAME_OF_PITCH.items() if _share(pitch, shaped, energy) >= LEAST_SHARE}
    return frozenset(found or {UNKNOWN})


def _share(pitch_hz: int, shaped: list[float], energy: float) -> float:
    """How much of the energy this pitch has: 1 for a pure note."""
    cosine, sine = _waves(pitch_hz)
    real: float = sum(map(mul, shaped, cosine))
    imaginary: float = sum(map(mul, shaped, sine))
    return (real * real + imaginary * imaginary) * 3 / WINDOW / energy


def _sounds(windows: Sequence[frozenset[str]]) -> Iterator[Stretch]:
    for name in {name for names in windows for name in names}:
        yield from _stretches(name, [name in names for names in windows])


def _stretches(name: str, is_heard: Sequence[bool]) -> Iterator[Stretch]:
    """Runs of windows in which it is heard, joined over its rests; blur is dropped."""
    runs = [run for run in _runs(is_heard) if (run[1] - run[0]) * HOP_S >= LEAST_S]
    for start, end in _joined(runs):
        yield Stretch(name=name, start_s=start * HOP_S, length_s=(end - start) * HOP_S)


def _runs(is_heard: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and past-last index of each run of True."""
    for heard, run in groupby(enumerate(is_heard), key=itemgetter(1)):
        indices = [index for index, _ in run]
        if heard:
            yield indices[0], indices[-1] + 1


def _joined(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined and (start - joined[-1][1]) * HOP_S <= REST_S:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _silences(sounds: Iterable[Stretch], length_s: float) -> Iterator[Stretch]:
    """Where no sound is, not counting the seams between two."""
    heard_until = 0.0
    for start, end in [*sorted((sound.start_s, sound.end_s) for sound in sounds), (length_s, length_s)]:
        if start - heard_until >= LEAST_S:
            yield Stretch(name=SILENCE, start_s=heard_until, length_s=start - heard_until)
        heard_until = max(heard_until, end)
