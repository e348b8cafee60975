"""Files that come and go over HTTP, never wholly in memory: uploads are laid on the disk without a name, exports are streamed."""

import asyncio
import csv
import io
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from dialerd.errors import InvalidRequest

PIECE = 1 << 20
"""Bytes that are written at once, in a thread."""
ROWS_AT_ONCE = 500
LONGEST_NAME = 200
UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The file as it is; or a form with it as `file`.",
        "content": {
            "text/csv": {"schema": {"type": "string", "format": "binary", "description": "The file."}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "The file."}},
                }
            },
        },
    }
}
"""What the documentation says of a route that takes a file."""


@dataclass(frozen=True)
class Upload:
    file: IO[bytes]
    """On the disk, under no name: it is gone with whoever holds it, however that ends."""
    name: str
    """As its owner calls it."""

    @property
    def path(self) -> Path:
        """By which it can be read as often as one likes, while it is open."""
        return Path(f"/proc/self/fd/{self.file.fileno()}")


async def uploaded(request: Request, name: str) -> Upload:
    """The body as it is, or the field `file` of a form. How much may come is the route's. Raises HTTPException, InvalidRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    file = TemporaryFile()  # noqa: SIM115 - whoever gets it closes it
    try:
        if kind == "multipart/form-data":
            name = await _take_form(request, file, name)
        elif kind in ("text/csv", "text/plain", "application/octet-stream"):
            await _take(request.stream(), file)
        else:
            raise HTTPException(415, "send the file as text/csv, or as multipart/form-data with the field `file`")
        await asyncio.to_thread(file.flush)
    except BaseException:
        file.close()
        raise
    return Upload(file, _plain(name))


async def _take_form(request: Request, file: IO[bytes], name: str) -> str:
    async with request.form(max_files=1, max_fields=10) as form:
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise InvalidRequest(["file: is missing: the form has no such file"])
        await _take(_pieces(sent), file)
        return sent.filename or name


async def _pieces(sent: UploadFile) -> AsyncIterator[bytes]:
    while piece := await sent.read(PIECE):
        yield piece


async def _take(pieces: AsyncIterable[bytes], file: IO[bytes]) -> None:
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            await asyncio.to_thread(file.write, b"".join(waiting))
            waiting, size = [], 0
    await asyncio.to_thread(file.write, b"".join(waiting))


def _plain(name: str) -> str:
    """It is kept, and shown to people."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:LONGEST_NAME]


async def csv_download(name: str, header: Sequence[str], rows: AsyncIterator[Sequence[object]]) -> StreamingResponse:
    """What a spreadsheet may take for a formula has to be guarded by then. What is wrong at the beginning is raised here; later it
    breaks the answer off, which is not complete then."""
    pieces = _csv(header, rows)
    first = await anext(pieces)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(_after(first, pieces), media_type="text/csv; charset=utf-8", headers=headers)


async def _after(first: str, others: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for piece in others:
        yield piece


async def _csv(header: Sequence[str], rows: AsyncIterator[Sequence[object]]) -> AsyncIterator[str]:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(header)
    while True:
        count = 0
        with suppress(StopAsyncIteration):
            while count < ROWS_AT_ONCE:
                lines.writerow(await anext(rows))
                count += 1
        yield text.getvalue()
        if count < ROWS_AT_ONCE:
            return
        text.seek(0)
        text.truncate()
