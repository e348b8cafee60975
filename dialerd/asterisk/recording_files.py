"""Fetches recordings from Asterisk for who wants to hear them, and keeps the last ones for a while: a listener who jumps to and fro
costs Asterisk one download, and a slow one none of its connections."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from dialerd.asterisk.ari import AriRefused, AriSettings, RecordingsReader
from dialerd.asterisk.recorded_sound import SoundReader
from dialerd.domain.recordings import RecordingFile, RecordingPlace
from dialerd.errors import AsteriskUnavailable, NoSound, RecordingElsewhere

NOT_FOUND, UNAUTHORIZED = 404, 401
MOST_KEPT = 256 * 2**20
"""Bytes: four hours of talk. The one that was asked for last is kept whatever it has."""


class RecordingFiles:
    """`folder` is ours alone."""

    def __init__(self, ari: AriSettings, folder: Path, *, most_kept: int = MOST_KEPT) -> None:
        self._ari = ari
        self._folder = folder
        self._most_kept = most_kept

    async def recording(self, place: RecordingPlace, file: RecordingFile) -> Path:
        """The whole WAV file, as it was when the call ended. Raises RecordingElsewhere, NoSound, AsteriskUnavailable."""
        path = self._folder / f"{file.sha256}.wav"
        if not await asyncio.to_thread(_is_kept, path):
            unfinished = path.with_suffix(f".{uuid4().hex}")
            await fetch(self._ari, place, file, unfinished)
            await asyncio.to_thread(self._keep, unfinished, path)
        return path

    def _keep(self, unfinished: Path, newest: Path) -> None:
        """In the place of the oldest ones."""
        unfinished.replace(newest)
        kept = 0
        for path, size in self._newest_first():
            kept += size
            if kept > self._most_kept and path != newest:
                path.unlink(missing_ok=True)

    def _newest_first(self) -> Iterator[tuple[Path, int]]:
        facts = [(path, path.stat()) for path in self._folder.glob("*.wav")]
        for path, fact in sorted(facts, key=lambda pair: pair[1].st_mtime_ns, reverse=True):
            yield path, fact.st_size


def _is_kept(path: Path) -> bool:
    """It counts as new, then: it was asked for."""
    if not path.exists():
        return False
    path.touch()
    return True


async def fetch(settings: AriSettings, place: RecordingPlace, file: RecordingFile, into: Path) -> None:
    """Write the recording to a file. Raises RecordingElsewhere, NoSound or AsteriskUnavailable, and then there is no file."""
    reader = RecordingsReader(settings)
    try:
        await _refuse_another_asterisk(reader, settings, place)
        await _download(reader, settings, place, file, into)
    except BaseException as failure:
        await asyncio.to_thread(into.unlink, missing_ok=True)
        if isinstance(failure, AriRefused):
            raise _why_refused(failure, place) from None
        raise
    finally:
        await reader.close()


async def _refuse_another_asterisk(reader: RecordingsReader, settings: AriSettings, place: RecordingPlace) -> None:
    here = await reader.entity_id()
    if place.pbx and here and place.pbx != here:
        raise RecordingElsewhere(
            f"the recording is with the Asterisk of node {place.node}, and {settings.base_url} is another one: "
            "ask a web server whose ari.base_url is that"
        )


async def _download(
    reader: RecordingsReader, settings: AriSettings, place: RecordingPlace, file: RecordingFile, into: Path
) -> None:
    sound = SoundReader()
    output = await asyncio.to_thread(into.open, "wb")
    with output:

        def take(piece: bytes) -> None:
            sound.take(piece)
            output.write(piece)

        await reader.download(place.name, take)
    if sound.complete() != file:
        raise NoSound(f"what {settings.base_url} has as {place.name} is not what was recorded: its checksum differs")


def _why_refused(refusal: AriRefused, place: RecordingPlace) -> NoSound | AsteriskUnavailable:
    if refusal.status == NOT_FOUND:
        return NoSound(f"Asterisk has lost {place.name}")
    if refusal.status == UNAUTHORIZED:
        return AsteriskUnavailable("Asterisk refuses the login: look at ari.user and ari.password")
    return AsteriskUnavailable(f"Asterisk does not hand out {place.name}: {refusal}")
