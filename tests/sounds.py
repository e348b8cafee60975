"""Sounds for tests: files as people bring them along, and WAV files made of samples."""

import io
import wave
from collections.abc import Sequence
from pathlib import Path

from docker.both.tones import SOUNDS, samples
from tests.heard import Heard

FOLDER = Path(__file__).resolve().parent / "media"
NAME = "lab-menu/cancelled"
"""What is to be heard in `a_file`, whatever its kind."""


def a_file(kind: str) -> bytes:
    """`mp3`, `ogg` or `flac`: 44.1 kHz, stereo; or `wav`, as the laboratory's own."""
    return as_wav(samples(SOUNDS[NAME])) if kind == "wav" else (FOLDER / f"cancelled.{kind}").read_bytes()


def as_wav(content: bytes | Sequence[int], *, rate_hz: int = 8000) -> bytes:
    """Of 16 bit samples."""
    packed = content if isinstance(content, bytes) else b"".join(n.to_bytes(2, "little", signed=True) for n in content)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(packed)
    return file.getvalue()


def heard_in(wav: bytes, folder: Path) -> list[str]:
    """What a phone would hear."""
    path = folder / "heard.wav"
    path.write_bytes(wav)
    return Heard.in_file(path).names()
