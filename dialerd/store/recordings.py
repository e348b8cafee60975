"""Recordings: rows of what Asterisk has written down, from the end of the call until they are deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from dialerd.domain.recordings import Recording, RecordingFile, RecordingPlace, RecordingState
from dialerd.errors import NotFound
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("recordings")
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, kw_only=True)
class StoredRecording:
    """What is known of one. `file` is None while it has not been found."""

    recording: Recording
    campaign_id: int
    lead_id: int
    agent: str | None
    state: RecordingState
    node: str
    """The daemon whose Asterisk has it."""
    pbx: str
    """Which Asterisk that is; empty: not known."""
    file: RecordingFile | None
    looked_at: datetime | None
    keep_until: datetime | None
    """None: for ever."""
    is_expired: bool
    """Its time is over, or somebody has asked that it be deleted: it will be in a moment, and is not played any more."""

    @property
    def is_playable(self) -> bool:
        return self.state is RecordingState.STORED and not self.is_expired

    @property
    def place(self) -> RecordingPlace:
        return RecordingPlace(name=self.recording.name, node=self.node, pbx=self.pbx)


@dataclass(frozen=True, kw_only=True)
class RecordingFilter:
    """Which recordings are listed. None: whatever it is."""

    state: RecordingState | None = None
    since: datetime | None = None
    until: datetime | None = None


ANY_RECORDING = RecordingFilter()


class RecordingStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- for the daemon (dialer/ports.py) -----------------------------------------------------------------------------

    @store_call
    async def to_look_at(self, node: str, *, settled_for: timedelta, most: int) -> Sequence[Recording]:
        """One that was not there is looked for again after the same time."""
        rows = _sql.recordings_to_look_at(self._pool, node=node, settled_for=settled_for, most=most)
        return [_recording(row) async for row in rows]

    @store_call
    async def note_stored(self, recording: Recording, found: RecordingFile, *, keep_for: timedelta | None) -> None:
        keep_until = recording.recorded_at + keep_for if keep_for is not None else None
        await _sql.note_stored(
            self._pool,
            attempt_id=recording.attempt_id,
            duration_s=found.duration_s,
            bytes=found.bytes,
            sha256=found.sha256,
            keep_until=keep_until,
        )

    @store_call
    async def note_missing(self, recording: Recording, *, for_good: bool) -> None:
        await _sql.note_missing(self._pool, attempt_id=recording.attempt_id, for_good=for_good)

    @store_call
    async def to_delete(self, node: str, *, most: int) -> Sequence[Recording]:
        return [_recording(row) async for row in _sql.recordings_to_delete(self._pool, node=node, most=most)]

    @store_call
    async def note_deleted(self, recording: Recording) -> None:
        await _sql.note_deleted(self._pool, attempt_id=recording.attempt_id)

    # --- for people ---------------------------------------------------------------------------------------------------

    @store_call
    async def of_attempt(self, attempt_id: UUID, *, account_id: int | None = None) -> StoredRecording:
        """Of the account; None: of any. Raises NotFound."""
        row = await _sql.recording_of_attempt(self._pool, attempt_id=attempt_id, account_id=account_id)
        if row is None:
            raise NotFound("recording of attempt", attempt_id)
        return _stored(row)

    @store_call
    async def of_campaign(
        self,
        campaign_id: int,
        *,
        limit: int = 100,
        after: UUID | None = None,
        only: RecordingFilter = ANY_RECORDING,
    ) -> Sequence[StoredRecording]:
        """The newest first, and of those that follow `after` this attempt's. Raises NotFound for that."""
        place = await self._place(after, limit, only)
        return [_stored(row) async for row in _sql.recordings_of_campaign(self._pool, campaign_id=campaign_id, **place)]

    @store_call
    async def of_account(
        self,
        account_id: int,
        *,
        limit: int = 100,
        after: UUID | None = None,
        only: RecordingFilter = ANY_RECORDING,
    ) -> Sequence[StoredRecording]:
        """The same of all its campaigns."""
        place = await self._place(after, limit, only)
        return [_stored(row) async for row in _sql.recordings_of_account(self._pool, account_id=account_id, **place)]

    @store_call
    async def of_agent(
        self,
        account_id: int,
        agent: str,
        *,
        campaign_id: int | None = None,
        limit: int = 100,
        after: UUID | None = None,
        only: RecordingFilter = ANY_RECORDING,
    ) -> Sequence[StoredRecording]:
        """The same of whom this agent talked to; of the campaign, or of all."""
        place = await self._place(after, limit, only)
        rows = _sql.recordings_of_agent(
            self._pool, account_id=account_id, agent=agent, campaign_id=campaign_id, **place
        )
        return [_stored(row) async for row in rows]

    @store_call
    async def mark_for_deletion(self, attempt_id: UUID) -> None:
        """Whoever looks after it deletes it in a moment; what is not stored yet, once it is. What is deleted stays so."""
        await _sql.mark_for_deletion(self._pool, attempt_id=attempt_id)

    async def _place(self, after: UUID | None, limit: int, only: RecordingFilter) -> dict[str, object]:
        at = await _sql.recorded_at(self._pool, attempt_id=after) if after is not None else None
        if after is not None and at is None:
            raise NotFound("recording of attempt", after)
        return {
            "recording_state": only.state,
            "since": only.since,
            "until": only.until,
            "behind_at": at,
            "behind_id": after or _LAST_ID,
            "page": limit,
        }


def _recording(row: asyncpg.Record) -> Recording:
    return Recording(attempt_id=row["attempt_id"], name=row["name"], recorded_at=row["recorded_at"])


def _stored(row: asyncpg.Record) -> StoredRecording:
    found = row["sha256"] and RecordingFile(duration_s=row["duration_s"], bytes=row["bytes"], sha256=row["sha256"])
    return StoredRecording(
        recording=_recording(row),
        campaign_id=row["campaign_id"],
        lead_id=row["lead_id"],
        agent=row["agent"],
        state=RecordingState(row["state"]),
        node=row["node"],
        pbx=row["pbx"],
        file=found or None,
        looked_at=row["looked_at"],
        keep_until=row["keep_until"],
        is_expired=row["keep_until"] is not None and row["keep_until"] <= row["now"],
    )
