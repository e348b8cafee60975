"""Makes whatever sound people bring along into what Asterisk plays, in a process of its own (decoder.py)."""

import asyncio
import hashlib
import json
import sys
from typing import BinaryIO

from dialerd.domain.media import RATE_HZ, Sound
from dialerd.errors import InvalidMedium

DECODER = ("-P", "-m", "dialerd.media.decoder")
MOST_AT_ONCE = 2
PATIENCE_S = 120.0
HEADER = 44
"""Bytes before the samples of a WAV file."""


class Converter:
    """Converts a few at a time: each takes a processor meanwhile."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    async def convert(self, file: BinaryIO) -> Sound:
        """`file` is on disk, and is read from where it stands. Raises InvalidMedium."""
        async with self._free:
            said, _, content = (await _decoded(file)).partition(b"\n")
        told = json.loads(said) if said else {"problem": "it is damaged: no decoder can read it"}
        if "problem" in told:
            raise InvalidMedium([told["problem"]])
        return Sound(
            content=content,
            duration_s=(len(content) - HEADER) / (2 * RATE_HZ),
            sha256=hashlib.sha256(content).hexdigest(),
            notes=tuple(told["notes"]),
        )


async def _decoded(file: BinaryIO) -> bytes:
    """What the decoder says; nothing where it broke."""
    decoder = await asyncio.create_subprocess_exec(
        sys.executable, *DECODER, stdin=file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await decoder.communicate()
    except TimeoutError:
        raise InvalidMedium(["it takes too long to decode: send it as WAV"]) from None
    finally:
        if decoder.returncode is None:
            decoder.kill()
            await decoder.wait()
    return said if decoder.returncode == 0 else b""
