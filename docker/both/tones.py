"""Makes the laboratory's sounds from sines, so that no sound package is needed and each sound can be told by its pitch.

Usage: tones.py <sounds folder> <music folder>. Written as raw 8 kHz signed linear, which Asterisk plays as `.sln`.
"""

import math
import sys
from array import array
from pathlib import Path

RATE_HZ = 8000
Tone = tuple[int, float]
"""Pitch in Hz (0 is silence), and length in seconds."""

SOUNDS: dict[str, list[Tone]] = {
    "dialerd/nobody-free": [(440, 0.4), (0, 0.2)] * 3 + [(330, 0.6)],
    "dialerd/opted-out": [(660, 0.3), (880, 0.3)],
    "dialerd/greeting": [(523, 0.3), (659, 0.5)],
    "lab/hello": [(250, 0.25), (180, 0.25)],
    "lab/machine-greeting": [(200, 0.35), (260, 0.45), (0, 0.05)] * 5,
    "lab/beep": [(1000, 0.5)],
    "lab/announcement": [(950, 0.33), (1400, 0.33), (1800, 0.33), (0, 0.5)] * 2,
}
MUSIC: list[Tone] = [(262, 0.5), (330, 0.5), (392, 0.5), (330, 0.5)] * 8


def samples(tones: list[Tone]) -> bytes:
    """The tones one after another, at a quarter of full scale."""
    wave = array("h")
    for pitch_hz, length_s in tones:
        step = 2 * math.pi * pitch_hz / RATE_HZ
        wave.extend(int(8000 * math.sin(step * n)) for n in range(int(length_s * RATE_HZ)))
    return wave.tobytes()


def main(sounds: Path, music: Path) -> None:
    for name, tones in SOUNDS.items():
        path = sounds / f"{name}.sln"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(samples(tones))
    music.mkdir(parents=True, exist_ok=True)
    (music / "hold.sln").write_bytes(samples(MUSIC))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
