"""Sounds that people bring along: what they are called, how Asterisk gets them, and what is wrong with one."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

FOLDER = "dialerd-media"
"""Of Asterisk's sounds: where they are placed, and how their names begin."""
RATE_HZ = 8000
"""Of a telephone; mono, 16 bit."""
LARGEST_UPLOAD = 64 * 2**20
"""Bytes: six minutes as a compact disc has them, an hour of MP3."""
LONGEST = timedelta(minutes=10)
SHORTEST_S = 0.1
FULL_SCALE = 32767
SILENT_BELOW = 0.01
"""Of full scale: 40 dB below it, a line's own noise."""
QUIET_BELOW = 0.1
MOST_CLIPPED = 0.001
"""Of the samples. A sound that was recorded well touches full scale now and then."""
LONGEST_PAUSE_S = 1.0
"""Of silence at its beginning: whoever answers a call and hears nothing hangs up."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Converted to what Asterisk plays: WAV, 8 kHz, mono, 16 bit."""

    content: bytes
    duration_s: float
    sha256: str
    notes: tuple[str, ...] = ()
    """What people should know of it, each as a sentence."""


@dataclass(frozen=True, kw_only=True)
class PlacedMedium:
    """What is to lie in Asterisk's folder."""

    account_id: int
    name: str
    sha256: str

    @property
    def path(self) -> str:
        """In the folder of media."""
        return f"{self.account_id}/{self.name}.wav"


def is_medium_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def sound_name(account_id: int, name: str) -> str:
    """As greetings, announcements and menus name it. Each account has names of its own."""
    return f"{FOLDER}/{account_id}/{name}"


def faults_of(samples: "array[int]") -> Iterator[str]:
    """Why it cannot be used, each as a sentence that says what to do. Nothing: it can be."""
    length_s = len(samples) / RATE_HZ
    if length_s < SHORTEST_S:
        yield f"it has {length_s:.2f} s of sound: at least {SHORTEST_S} s"
    elif _peak(samples) < SILENT_BELOW:
        yield "it is silent: record it anew"


def notes_on(samples: "array[int]") -> Iterator[str]:
    """What people should know of a sound that can be used."""
    peak, clipped, pause_s = _peak(samples), _clipped(samples), _pause_s(samples)
    if peak < QUIET_BELOW:
        yield f"quiet: its loudest moment has {100 * peak:.0f} % of what is possible"
    if clipped > MOST_CLIPPED:
        yield f"distorted: {100 * clipped:.1f} % of it is as loud as is possible, so its peaks are cut off"
    if pause_s > LONGEST_PAUSE_S:
        yield f"begins with {pause_s:.1f} s of silence, in which people hang up: cut it off"


def _peak(samples: "array[int]") -> float:
    """1 is full scale."""
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest) / FULL_SCALE


def _clipped(samples: "array[int]") -> float:
    return (samples.count(FULL_SCALE) + samples.count(-FULL_SCALE - 1)) / len(samples)


def _pause_s(samples: "array[int]") -> float:
    least = SILENT_BELOW * FULL_SCALE
    return next((n for n, sample in enumerate(samples) if abs(sample) > least), len(samples)) / RATE_HZ
