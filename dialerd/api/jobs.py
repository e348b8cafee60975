"""Jobs of the web server: what takes longer than a request may, done by tasks of this process, and watched through their rows."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import IO, Any, TypeVar

import structlog

from dialerd.errors import DialerdError, JobsFull
from dialerd.imports import FirstBadRows
from dialerd.store.jobs import Job, JobKind, JobStore, Progress, RowFlaw, finish
from dialerd.store.pool import Connection
from dialerd.store.upload import BeforeCommit

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Jobs that run at the same time: each has a connection to the database, and a thread."""
MOST_WAITING = 20
"""Jobs that wait behind them; their files lie on the disk meanwhile."""
HEARTBEAT_S = 1.0
MOST_FLAWS = 1_000

T = TypeVar("T")
Told = Mapping[str, int | str]


class Watch:
    """How far one job has come."""

    def __init__(self, job_id: int) -> None:
        self.bad = FirstBadRows(MOST_FLAWS)
        self._job_id = job_id
        self._read = 0

    def advance(self, rows: int) -> None:
        self._read += rows

    def progress(self) -> Progress:
        flaws = (
            RowFlaw(row=row.line, column=flaw.column, value=flaw.value, reason=flaw.reason)
            for row in self.bad.rows
            for flaw in row.flaws
        )
        return Progress(rows_read=self._read, bad_rows=len(self.bad), flaws=tuple(flaws)[:MOST_FLAWS])

    def finishing(self, told: Callable[[T], Told]) -> BeforeCommit[T]:
        """What ends the job in the transaction of what it stores."""

        async def before_commit(connection: Connection, came_of_it: T) -> None:
            await finish(connection, self._job_id, self.progress(), told(came_of_it))

        return before_commit


Work = Callable[[Watch], Awaitable[Told]]
"""Does the job, and says what came of it. What it stores, it stores with `Watch.finishing`."""


class Jobs:
    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def refuse_if_full(self) -> None:
        """To be asked before a file is taken. Raises JobsFull."""
        if len(self._tasks) >= AT_ONCE + MOST_WAITING:
            raise JobsFull

    async def begin(
        self,
        kind: JobKind,
        work: Work,
        *,
        account_id: int,
        created_by: str,
        source: str,
        campaign_id: int | None = None,
        file: IO[bytes] | None = None,
    ) -> Job:
        """The file is closed when the job has ended."""
        job = await self._store.create(account_id, kind, source=source, created_by=created_by, campaign_id=campaign_id)
        task = asyncio.create_task(self._run(job.id, work, file), name=f"job {job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def idle(self) -> None:
        """Returns when there is no job any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """The process ends: so do its jobs, and say so."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job_id: int, work: Work, file: IO[bytes] | None) -> None:
        watch = Watch(job_id)
        heart = asyncio.create_task(self._beat(job_id, watch), name=f"heart of job {job_id}")
        try:
            why = await self._outcome(job_id, work, watch)
        finally:
            heart.cancel()
            if file is not None:
                file.close()
        if why is not None:
            with suppress(DialerdError):  # where the database is away, the silence of the job says the same
                await self._store.fail(job_id, watch.progress(), why)

    async def _outcome(self, job_id: int, work: Work, watch: Watch) -> str | None:
        """Why the job has failed; None: it has not."""
        try:
            async with self._turn:
                await self._store.start(job_id)
                told = await work(watch)
                if (await self._store.get(job_id)).ended_at is None:
                    await self._store.finish(job_id, watch.progress(), told)
        except asyncio.CancelledError:
            return "the web server was stopped meanwhile: nothing was stored, so begin it once more"
        except DialerdError as refusal:
            return told_of(refusal)
        except Exception as failure:
            log.error("job_failed", job=job_id, exc_info=failure)
            return "something that nobody foresaw: the log of the server says what"
        return None

    async def _beat(self, job_id: int, watch: Watch) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with suppress(DialerdError):
                await self._store.note_progress(job_id, watch.progress())


def told_of(refusal: DialerdError) -> str:
    """Without the name of the file in which we keep an upload: only what is wrong with it."""
    problems: Any = getattr(refusal, "problems", None)
    return "; ".join(problems) if problems else refusal.message
