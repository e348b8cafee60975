"""Keeps the sounds that people have brought along where Asterisk finds them: a copy of what the database has, in one folder.

Only this folder's own kind of files is ever touched: `<account>/<name>.wav`, and what was left of one that was being written.
"""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from dialerd.dialer.ports import Media
from dialerd.dialer.watch import watch
from dialerd.domain.media import PlacedMedium, is_medium_name

log = structlog.get_logger(__name__)

LOOK_S = 30.0
REST_S = 1.0
"""Between two looks, however often the bell rings."""
UNFINISHED = ".placing-"
ABANDONED_S = 600.0
"""A file that has been written for so long is what a daemon left that has died."""


class MediaKeeper:
    """`on_change` is told when sounds have come or gone."""

    def __init__(self, *, media: Media, folder: Path, on_change: Callable[[], None]) -> None:
        self._media = media
        self._folder = folder
        self._on_change = on_change
        self._bell = asyncio.Event()
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}
        """By file: what the file system says of it, and the checksum that it had then."""

    def ring(self) -> None:
        """Something has changed; perhaps a sound."""
        self._bell.set()

    async def run(self) -> None:
        await watch(self._bell, self._look_and_tell, every_s=LOOK_S, rest_s=REST_S, trouble="media_not_placed")

    async def _look_and_tell(self) -> None:
        if await self.look():
            self._on_change()

    async def look(self) -> bool:
        """One round; whether something was placed or removed. Raises OSError where the folder cannot be used."""
        wanted = {self._folder / medium.path: medium for medium in await self._media.to_place()}
        missing = await asyncio.to_thread(self._missing, wanted)
        placed = [await self._place(path, wanted[path]) for path in missing]
        removed = await asyncio.to_thread(self._remove_all_but, wanted)
        return any(placed) or removed

    def _missing(self, wanted: dict[Path, PlacedMedium]) -> list[Path]:
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        return [path for path, medium in wanted.items() if self._checksum(path) != medium.sha256]

    def _checksum(self, path: Path) -> str:
        """Empty: there is no such file. It is read once, and again when it has changed."""
        try:
            facts = path.stat()
        except FileNotFoundError:
            return ""
        seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != seen:
            known = self._known[path] = (seen, hashlib.sha256(path.read_bytes()).hexdigest())
        return known[1]

    async def _place(self, path: Path, medium: PlacedMedium) -> bool:
        content = await self._media.content_of(medium)
        if content is None:
            return False
        await asyncio.to_thread(_write, path, content)
        log.info("medium_placed", path=str(path))
        return True

    def _remove_all_but(self, wanted: dict[Path, PlacedMedium]) -> bool:
        gone = [path for path in self._files() if path not in wanted]
        for path in gone:
            path.unlink(missing_ok=True)
            self._known.pop(path, None)
            log.info("medium_removed", path=str(path))
        return bool(gone)

    def _files(self) -> Iterator[Path]:
        for folder in self._folder.iterdir():
            if folder.name.isascii() and folder.name.isdecimal() and folder.is_dir() and not folder.is_symlink():
                yield from (path for path in folder.iterdir() if _is_ours(path))


def _is_ours(path: Path) -> bool:
    if path.name.startswith(UNFINISHED):
        with suppress(FileNotFoundError):
            return time.time() - path.stat().st_mtime > ABANDONED_S
        return False
    return path.suffix == ".wav" and is_medium_name(path.stem)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: Asterisk may be about to play it. It runs as another user, and must be able to read it."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
