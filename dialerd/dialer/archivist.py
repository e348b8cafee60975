"""Looks after recordings: finds what Asterisk has written of a call that has ended, and deletes what has been kept for long enough.

Asterisk records by itself; nothing here can delay or stop a call.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from dialerd.clock import Clock
from dialerd.dialer.ports import Publish, Recordings, Telephony
from dialerd.domain.activity import RecordingLookedAt
from dialerd.domain.recordings import Recording
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 5.0
SETTLES_IN = timedelta(seconds=2)
"""After the end of a call: Asterisk closes the file a moment later."""
LOST_AFTER = timedelta(minutes=10)
"""A recording that is not there by then was never written: a full disk, a folder that may not be written to."""
MOST = 20


class Archivist:
    """`keep_for` is how long a recording is kept; None: for ever. It is first looked for `look_after` the end of its call."""

    def __init__(
        self,
        *,
        recordings: Recordings,
        telephony: Telephony,
        clock: Clock,
        publish: Publish,
        node: str,
        keep_for: timedelta | None,
        look_after: timedelta = SETTLES_IN,
    ) -> None:
        self._recordings = recordings
        self._telephony = telephony
        self._clock = clock
        self._publish = publish
        self._node = node
        self._keep_for = keep_for
        self._look_after = look_after

    async def run(self) -> None:
        while True:
            busy = False
            try:
                busy = self._telephony.up and await self.look()
            except DialerdError as trouble:
                log.warning("recordings_not_looked_at", why=str(trouble))
            await asyncio.sleep(0 if busy else LOOK_S)

    async def look(self) -> bool:
        """One round; whether there may be more to do at once."""
        found = await self._recordings.to_look_at(self._node, settled_for=self._look_after, most=MOST)
        looked = [await self._tried(self._look_at, recording) for recording in found]
        over = await self._recordings.to_delete(self._node, most=MOST)
        deleted = [await self._tried(self._delete, recording) for recording in over]
        return MOST in (sum(looked), sum(deleted))

    async def _tried(self, do: Callable[[Recording], Awaitable[None]], recording: Recording) -> bool:
        """The trouble with one recording is not that of the others."""
        try:
            await do(recording)
        except DialerdError as trouble:
            log.warning("recording_not_looked_after", name=recording.name, why=str(trouble))
            return False
        return True

    async def _delete(self, recording: Recording) -> None:
        await self._telephony.delete_recording(recording.name)
        await self._recordings.note_deleted(recording)

    async def _look_at(self, recording: Recording) -> None:
        file = await self._telephony.fetch_recording(recording.name)
        if file is not None:
            await self._recordings.note_stored(recording, file, keep_for=self._keep_for)
            self._publish(RecordingLookedAt(stored=True))
            return
        lost = self._clock.now() - recording.recorded_at > LOST_AFTER
        await self._recordings.note_missing(recording, for_good=lost)
        if lost:
            log.warning("recording_missing", attempt=str(recording.attempt_id), name=recording.name)
            self._publish(RecordingLookedAt(stored=False))
