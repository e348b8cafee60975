"""Decodes one sound from standard input, and writes what Asterisk plays to standard output: the only door to miniaudio.

A program of its own, with little memory and time: the decoders are C, and what they read comes from anywhere. Where one breaks, it
breaks alone. First comes a line of JSON (`problem`, or `notes`), then the WAV file.
"""

import io
import json
import resource
import sys
import wave
from array import array
from contextlib import suppress

import miniaudio

from dialerd.domain.media import LONGEST, RATE_HZ, faults_of, notes_on

MOST_MEMORY = 2**30
MOST_CPU_S = 60
PIECE_S = 10
WHAT = "WAV, MP3, FLAC or Ogg Vorbis"


class Unusable(Exception):
    """What is wrong with the sound, for people."""


def main() -> None:
    for limit, most in ((resource.RLIMIT_AS, MOST_MEMORY), (resource.RLIMIT_CPU, MOST_CPU_S)):
        # Where systemd forbids that, or has set a lower one, its limits hold; and whoever waits for us has a limit, too.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    try:
        samples = decoded(sys.stdin.buffer.read())
        if faults := list(faults_of(samples)):
            raise Unusable("; ".join(faults))
    except Unusable as wrong:
        answer({"problem": str(wrong)})
    else:
        answer({"notes": list(notes_on(samples))}, as_wav(samples))


def decoded(data: bytes) -> "array[int]":
    """8 kHz, mono. Piece by piece, for a small file may hold a very long silence. Raises Unusable."""
    try:
        pieces = miniaudio.stream_memory(
            data,
            output_format=miniaudio.SampleFormat.SIGNED16,
            nchannels=1,
            sample_rate=RATE_HZ,
            frames_to_read=PIECE_S * RATE_HZ,
        )
    except miniaudio.MiniaudioError:
        raise Unusable(f"it is no sound that can be read: send {WHAT}") from None
    samples = array("h")
    for piece in pieces:
        samples.extend(piece)
        if len(samples) > LONGEST.total_seconds() * RATE_HZ:
            raise Unusable(f"it is longer than {LONGEST.total_seconds() / 60:.0f} minutes: cut it")
    return samples


def as_wav(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples.tobytes())
    return file.getvalue()


def answer(said: dict[str, object], content: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + content)


if __name__ == "__main__":
    main()
