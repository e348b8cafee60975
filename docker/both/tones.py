"""Makes the laboratory's sounds from sines, so that no sound package is needed and each sound can be told by its pitch.

Usage: tones.py <sounds folder> <music folder>. Written as raw 8 kHz signed linear, which Asterisk plays as `.sln`.

No pitch belongs to two sounds or voices, and any two are at least a STEP_HZ apart: whoever hears one knows where it comes
from (tests/heard.py). The far end's dialplan makes the voices, of the two bases below.
"""

import math
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RATE_HZ = 8000
LOUDNESS = 8000
"""A quarter of full scale."""
STEP_HZ = 64
PAUSE = 0
LEAD_VOICE_HZ = 34 * STEP_HZ
AGENT_VOICE_HZ = 44 * STEP_HZ
"""How a person speaks whose number ends in 0; each digit more is a step up."""
RINGBACK_HZ = (440, 480)
"""Asterisk's own ringing tone (indications.conf, us): no sound of ours comes near."""

Note = tuple[int, float]
"""Pitch in steps, or PAUSE; and length in seconds."""


@dataclass(frozen=True)
class Sound:
    notes: tuple[Note, ...]
    is_spoken: bool = False
    """Rough, and louder and softer by syllables: what a detector of answering machines takes for speech."""

    @property
    def pitches_hz(self) -> set[int]:
        return {pitch * STEP_HZ for pitch, _ in self.notes if pitch != PAUSE}


SOUNDS = {
    # what the product plays
    "dialerd/nobody-free": Sound(((9, 0.4), (PAUSE, 0.2)) * 3 + ((5, 0.6),)),
    "dialerd/opted-out": Sound(((10, 0.3), (13, 0.3))),
    "dialerd/opt-out": Sound(((3, 0.3), (PAUSE, 0.1)) * 3),
    "dialerd/greeting": Sound(((11, 0.3), (14, 0.5))),
    "dialerd/agent-announcement": Sound(((12, 0.2), (15, 0.2)) * 2),
    # a menu of the tests
    "lab-menu/main": Sound(((16, 0.25), (18, 0.25)) * 3),
    "lab-menu/wrong": Sound(((17, 0.2), (PAUSE, 0.1)) * 2 + ((4, 0.3),)),
    "lab-menu/confirmed": Sound(((19, 0.2), (23, 0.4))),
    "lab-menu/cancelled": Sound(((22, 0.2), (20, 0.4))),
    # what the world says
    "lab/hello": Sound(((24, 0.25), (21, 0.25)), is_spoken=True),
    "lab/machine-greeting": Sound(((25, 0.35), (27, 0.45)) * 5, is_spoken=True),
    "lab/beep": Sound(((26, 0.5),)),
    "lab/announcement": Sound(((28, 0.33), (30, 0.33), (32, 0.33), (PAUSE, 0.5)) * 2),
}
MUSIC = Sound(((29, 0.5), (31, 0.5), (33, 0.5), (31, 0.5)) * 8)


def tone(pitch_hz: int, length_s: float) -> list[int]:
    turn = 2 * math.pi * pitch_hz / RATE_HZ
    return [int(LOUDNESS * math.sin(turn * n)) for n in range(int(length_s * RATE_HZ))]


def samples(sound: Sound) -> bytes:
    wave = array("h")
    for pitch, length_s in sound.notes:
        wave.extend(_spoken(pitch, length_s) if sound.is_spoken else tone(pitch * STEP_HZ, length_s))
    return wave.tobytes()


def _spoken(pitch: int, length_s: float) -> list[int]:
    """The note with breath in it, in syllables of about a fifth of a second that never fall silent."""
    note, breath = tone(pitch * STEP_HZ, length_s), _noise()
    syllables = round(5 * length_s)
    swell = (0.3 + 0.7 * math.sin(math.pi * syllables * n / len(note)) ** 2 for n in range(len(note)))
    return [
        int(loud * (0.8 * sample + 0.2 * LOUDNESS * next(breath))) for loud, sample in zip(swell, note, strict=True)
    ]


def _noise() -> Iterator[float]:
    """-1 to 1, the same at every run, so that the same sources make the same image."""
    state = 1
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state / 2**30 - 1


def main(sounds: Path, music: Path) -> None:
    for name, sound in SOUNDS.items():
        path = sounds / f"{name}.sln"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(samples(sound))
    music.mkdir(parents=True, exist_ok=True)
    (music / "hold.sln").write_bytes(samples(MUSIC))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
