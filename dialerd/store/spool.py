"""What running calls' rows should say while the database cannot take it: one file for each daemon, on its own disk.

Each line is the newest state of one call as JSON, so the last line of a call is the one that counts. Nothing is written while the
database takes everything. A reserve of disk space is kept ready beside it: a disk that fills up is noticed before a call needs it.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from dialerd.domain.attempts import KeptCall

log = structlog.get_logger(__name__)

RESERVE = 1 << 20
"""Bytes kept free for the spool: the states of some two thousand calls."""
SPARE = 1 << 16
"""Bytes that must be free beyond the reserve, or no new call is started."""
LIMIT = 16 << 20
"""Most bytes that the states of all calls may take."""
COMPACTED_FROM = 1 << 18
"""A smaller file is left as it is, however many of its lines are out of date."""
COMPACTED_AT = 4
"""How often it may be as long as what counts in it."""
CHECK_S = 5.0
PATIENCE_S = 5.0
"""A disk that takes longer counts as broken; a call does not wait for it."""

_LINE = TypeAdapter(KeptCall)
_ONLY_US = 0o600


class Spool:
    """`broken` says why nothing can be kept; it is empty while all is well. Nothing here raises: calls go on without it."""

    def __init__(self, folder: Path, node: str) -> None:
        self.broken = ""
        self.free_bytes: int | None = None
        """Of its disk, as last looked at. None: it could not be."""
        self._folder = folder
        self._file = folder / f"{node}.jsonl"
        self._reserve = folder / f"{node}.reserve"
        self._lines: dict[UUID, bytes] = {}
        self._length = 0
        # One thread: things happen in the order in which they were asked for, and none of them in the event loop.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    @property
    def kept(self) -> Sequence[KeptCall]:
        return [_LINE.validate_json(line) for line in self._lines.values()]

    @property
    def calls(self) -> int:
        """How many calls' newest state the database does not have."""
        return len(self._lines)

    async def open(self) -> None:
        """Read what an earlier life has left."""
        await self._on_disk(self._read)

    async def check(self) -> None:
        """Whether there is a place for what may come; see `broken`."""
        await self._on_disk(self._make_ready)

    async def keep(self, kept: KeptCall) -> None:
        """In place of what was kept of the call before."""
        await self._on_disk(lambda: self._keep(kept))

    async def forget(self, attempt: UUID) -> None:
        """The database has it."""
        if attempt in self._lines:
            await self._on_disk(lambda: self._forget(attempt))

    async def watch(self) -> None:
        """Never ends."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_S)

    async def _on_disk(self, work: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except TimeoutError:
            self._judge("the disk does not answer")
        except OSError as failure:
            self._judge(failure.strerror or str(failure))
        else:
            self._judge("")

    def _judge(self, why: str) -> None:
        """Said once, whenever it changes."""
        if why and why != self.broken:
            log.error(
                "spool_broken", folder=str(self._folder), why=why, hint="no new call is started until it can be written"
            )
        elif self.broken and not why:
            log.info("spool_works_again", folder=str(self._folder))
        self.broken = why

    # --- in the thread ---

    def _read(self) -> None:
        self._make_ready()
        with suppress(FileNotFoundError):
            content = self._file.read_bytes()
            for number, line in enumerate(content.split(b"\n"), start=1):
                self._take(number, line)
            self._length = len(content)

    def _take(self, number: int, line: bytes) -> None:
        """A crash may have cut the last line short; whatever else is no call of ours is left out, too."""
        if not line.strip():
            return
        try:
            kept = _LINE.validate_json(line)
        except ValidationError:
            log.error("spooled_line_skipped", file=str(self._file), line=number, why="torn or garbled")
        else:
            self._lines[kept.id] = line

    def _make_ready(self) -> None:
        """Raises OSError. What is in the reserve already costs nothing; the rest is asked for, and given back."""
        self.free_bytes = None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.free_bytes = shutil.disk_usage(self._folder).free
        reserve = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _ONLY_US)
        try:
            os.posix_fallocate(reserve, 0, RESERVE + SPARE)
        finally:
            os.ftruncate(reserve, min(RESERVE, os.fstat(reserve).st_size))
            os.close(reserve)

    def _keep(self, kept: KeptCall) -> None:
        line = _LINE.dump_json(kept, exclude_defaults=True)
        if sum(map(len, self._lines.values())) + len(line) > LIMIT:
            raise OSError(f"what is kept has reached {LIMIT} bytes")
        self._lines[kept.id] = line
        try:
            self._append(line)
        except OSError:
            self._reserve.unlink(missing_ok=True)  # that is what it is for
            self._append(line)
        if self._length > max(COMPACTED_FROM, COMPACTED_AT * sum(map(len, self._lines.values()))):
            self._compact()

    def _append(self, line: bytes) -> None:
        """Each line begins with its newline, so that one that was cut short spoils no other."""
        is_new = not self._length
        self._length += self._write(self._file, os.O_APPEND, b"\n" + line)
        if is_new:
            self._sync_folder()

    def _compact(self) -> None:
        fresh = self._file.with_suffix(".new")
        self._length = self._write(fresh, os.O_TRUNC, b"".join(b"\n" + line for line in self._lines.values()))
        fresh.replace(self._file)
        self._sync_folder()

    def _write(self, file: Path, how: int, content: bytes) -> int:
        """All of it, down to the disk; its length."""
        target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, _ONLY_US)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(target, left) :]
            os.fsync(target)
        finally:
            os.close(target)
        return len(content)

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _forget(self, attempt: UUID) -> None:
        self._lines.pop(attempt, None)
        if not self._lines:
            self._file.unlink(missing_ok=True)
            self._length = 0
