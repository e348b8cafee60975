"""Reads a recording piece by piece as Asterisk hands it out: how long it is, whether it is complete, its checksum."""

import hashlib

from dialerd.domain.recordings import RecordingFile

HEADER = 44
"""Bytes before the sound, as Asterisk writes a wav file."""


class SoundReader:
    """Asterisk writes the length into the header when it closes the file: until then the two contradict each other, unless there
    was no sound at all."""

    def __init__(self) -> None:
        self._header = b""
        self._bytes = 0
        self._digest = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        self._header += piece[: HEADER - len(self._header)]
        self._bytes += len(piece)
        self._digest.update(piece)

    def complete(self) -> RecordingFile | None:
        """What was taken, if that is a whole wav file; of a talk in which no sound came from either phone it is an empty one."""
        if len(self._header) < HEADER or self._header[:4] != b"RIFF" or self._header[36:40] != b"data":
            return None
        length, bytes_per_s = _number(self._header[40:44]), _number(self._header[28:32])
        if not bytes_per_s or length != self._bytes - HEADER:
            return None
        return RecordingFile(duration_s=length / bytes_per_s, bytes=self._bytes, sha256=self._digest.hexdigest())


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")
