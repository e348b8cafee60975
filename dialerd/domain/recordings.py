"""Recordings: what is known of the sound of a call that Asterisk has written down."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class RecordingState(StrEnum):
    PENDING = "pending"  # to be looked for in Asterisk
    STORED = "stored"
    MISSING = "missing"  # Asterisk has written none, or lost it
    DELETED = "deleted"  # its time was over


@dataclass(frozen=True, kw_only=True)
class Recording:
    attempt_id: UUID
    name: str
    """As Asterisk's REST interface names it, without the file type."""
    recorded_at: datetime


@dataclass(frozen=True, kw_only=True)
class RecordingFile:
    """A complete sound file."""

    duration_s: float
    bytes: int
    sha256: str
    """Hex digits."""


@dataclass(frozen=True, kw_only=True)
class RecordingPlace:
    """Where the sound is."""

    name: str
    """As Asterisk's REST interface names it, without the file type."""
    node: str
    """The daemon whose Asterisk has it."""
    pbx: str
    """Which Asterisk that is, as it tells itself apart from others; empty: not known."""


def recording_name(attempt: UUID, opened_at: datetime) -> str:
    """Where it is, in Asterisk's recording folder: a folder for each day (UTC), so that none grows without end."""
    return f"dialerd/{opened_at:%Y-%m-%d}/{attempt}"
