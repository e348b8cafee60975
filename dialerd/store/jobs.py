"""Jobs: what one request begins and others look at, as the upload of a file. A job that is done is so in the transaction of what it has
stored; one that has failed has stored nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import asyncpg

from dialerd.errors import JobGivenUp, NotFound
from dialerd.store.pool import Connection, Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("jobs")

SILENT_FOR = timedelta(seconds=60)
"""A job whose process has not been heard of for so long is given up."""
KEPT_FOR = timedelta(days=30)
_GIVEN_UP = "its process has died, or lost the database for a minute: nothing was stored, so begin it once more"


class JobKind(StrEnum):
    LEADS_UPLOAD = "leads_upload"
    CRM_SYNC = "crm_sync"
    DNC_UPLOAD = "dnc_upload"


class JobState(StrEnum):
    QUEUED = "queued"  # waits until another one is done
    RUNNING = "running"
    DONE = "done"  # all of it is stored
    FAILED = "failed"  # nothing of it is


@dataclass(frozen=True, kw_only=True)
class RowFlaw:
    """Why a row cannot be used: by the line of its file, or its place in the CRM's answer. A `value` that is a number is masked."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job has come."""

    rows_read: int = 0
    bad_rows: int = 0
    flaws: Sequence[RowFlaw] = ()
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class Job:
    id: int
    account_id: int
    campaign_id: int | None
    kind: JobKind
    state: JobState
    source: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: Progress
    report: Mapping[str, int | str] = field(default_factory=dict)
    """What came of it: counts by name."""
    error: str | None


class JobStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def create(
        self, account_id: int, kind: JobKind, *, source: str, created_by: str, campaign_id: int | None = None
    ) -> Job:
        """What ended a month ago is forgotten."""
        await _sql.forget_old_jobs(self._pool, older_than=KEPT_FOR)
        row = await _sql.create_job(
            self._pool,
            account_id=account_id,
            campaign_id=campaign_id,
            kind=kind,
            source=source,
            created_by=created_by,
        )
        return _job(row)

    @store_call
    async def get(self, job_id: int) -> Job:
        """Raises NotFound."""
        await self._give_up_silent()
        row = await _sql.get_job(self._pool, job_id=job_id)
        if row is None:
            raise NotFound("job", job_id)
        return _job(row)

    @store_call
    async def list(self, account_id: int, *, before: int, limit: int) -> Sequence[Job]:
        """The newest first, of ids below `before`."""
        await self._give_up_silent()
        rows = _sql.list_jobs(self._pool, account_id=account_id, before=before, page=limit)
        return [_job(row) async for row in rows]

    async def _give_up_silent(self) -> None:
        await _sql.give_up_silent_jobs(self._pool, silent_for=SILENT_FOR, error=_GIVEN_UP)

    @store_call
    async def start(self, job_id: int) -> None:
        """Raises JobGivenUp."""
        if not await _sql.start_job(self._pool, job_id=job_id):
            raise JobGivenUp

    @store_call
    async def note_progress(self, job_id: int, progress: Progress) -> None:
        """Also says that its process lives."""
        await _sql.note_progress(self._pool, job_id=job_id, rows_read=progress.rows_read, bad_rows=progress.bad_rows)

    @store_call
    async def finish(self, job_id: int, progress: Progress, report: Mapping[str, int | str]) -> None:
        """Of a job that had nothing to store. Raises JobGivenUp."""
        await finish(self._pool, job_id, progress, report)

    @store_call
    async def fail(self, job_id: int, progress: Progress, error: str) -> None:
        """One that has ended stays as it is."""
        await _sql.fail_job(
            self._pool,
            job_id=job_id,
            rows_read=progress.rows_read,
            bad_rows=progress.bad_rows,
            flaws=_stored_flaws(progress),
            error=error,
        )


async def finish(
    connection: "Pool | Connection", job_id: int, progress: Progress, report: Mapping[str, int | str]
) -> None:
    """In the transaction of what the job has stored. Raises JobGivenUp."""
    done = await _sql.finish_job(
        connection,
        job_id=job_id,
        rows_read=progress.rows_read,
        bad_rows=progress.bad_rows,
        report=dict(report),
        flaws=_stored_flaws(progress),
    )
    if not done:
        raise JobGivenUp


def _stored_flaws(progress: Progress) -> list[dict[str, object]]:
    return [{name: getattr(flaw, name) for name in RowFlaw.__dataclass_fields__} for flaw in progress.flaws]


def _job(row: asyncpg.Record) -> Job:
    plain = (
        "id",
        "account_id",
        "campaign_id",
        "source",
        "created_by",
        "created_at",
        "started_at",
        "ended_at",
        "report",
        "error",
    )
    return Job(
        **{name: row[name] for name in plain},
        kind=JobKind(row["kind"]),
        state=JobState(row["state"]),
        progress=Progress(
            rows_read=row["rows_read"],
            bad_rows=row["bad_rows"],
            flaws=tuple(RowFlaw(**flaw) for flaw in row["flaws"]),
        ),
    )
