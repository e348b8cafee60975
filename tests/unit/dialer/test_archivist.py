"""What becomes of recordings after the call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import uuid5

from dialerd.clock import Clock
from dialerd.dialer.archivist import LOOK_S, LOST_AFTER, MOST, Archivist
from dialerd.domain.activity import Fact, RecordingLookedAt
from dialerd.domain.recordings import Recording, RecordingFile
from dialerd.errors import AsteriskUnavailable
from tests.factories import ATTEMPT, NOON, later
from tests.fakes.clock import pass_time, virtual_clock
from tests.fakes.store import FakeRecordings
from tests.fakes.telephony import FakeTelephony

FILE = RecordingFile(duration_s=12.5, bytes=100_000, sha256="ab" * 32)
A_MONTH = timedelta(days=30)


class Archive:
    """An archivist at work, on fakes."""

    def __init__(self, *, keep_for: timedelta | None = A_MONTH) -> None:
        self.clock: Clock = virtual_clock()
        self.recordings = FakeRecordings()
        self.telephony = FakeTelephony()
        self.facts: list[Fact] = []
        self.archivist = Archivist(
            recordings=self.recordings,
            telephony=self.telephony,
            clock=self.clock,
            publish=self.facts.append,
            node="node-1",
            keep_for=keep_for,
        )


@asynccontextmanager
async def archive(keep_for: timedelta | None = A_MONTH) -> AsyncIterator[Archive]:
    made = Archive(keep_for=keep_for)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(made.archivist.run())
        yield made
        work.cancel()


def a_recording(number: int = 0, recorded_at: datetime = NOON) -> Recording:
    return Recording(attempt_id=uuid5(ATTEMPT, str(number)), name=f"dialerd/{number}", recorded_at=recorded_at)


async def test_a_recording_that_is_there_is_noted_with_what_it_is_and_how_long_it_is_kept() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording()]
        made.telephony.recordings["dialerd/0"] = FILE
        await pass_time(LOOK_S)
        assert made.recordings.stored == {a_recording().attempt_id: (FILE, A_MONTH)}
        assert made.facts == [RecordingLookedAt(stored=True)]


async def test_one_that_is_not_there_yet_is_looked_for_again() -> None:
    async with archive(keep_for=None) as made:
        made.recordings.pending = [a_recording()]
        await pass_time(60)
        assert (made.recordings.missing, made.facts) == (set(), [])
        made.telephony.recordings["dialerd/0"] = FILE
        await pass_time(LOOK_S)
        assert made.recordings.stored == {a_recording().attempt_id: (FILE, None)}


async def test_and_counts_as_missing_after_a_while() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording()]
        await pass_time(LOST_AFTER.total_seconds() + 2 * LOOK_S)
        assert made.recordings.missing == {a_recording().attempt_id}
        assert made.facts == [RecordingLookedAt(stored=False)]


async def test_a_recording_whose_time_is_over_is_deleted_in_asterisk_first() -> None:
    async with archive() as made:
        made.recordings.overdue = [a_recording()]
        made.telephony.recordings["dialerd/0"] = FILE
        made.telephony.failures["delete recording"] = [AsteriskUnavailable()]
        await pass_time(LOOK_S / 2)
        assert made.recordings.deleted == []
        await pass_time(LOOK_S)
        assert (made.recordings.deleted, made.telephony.recordings) == ([a_recording().attempt_id], {})


async def test_the_trouble_with_one_recording_is_not_that_of_the_others() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording(0), a_recording(1)]
        made.recordings.overdue = [a_recording(2)]
        made.telephony.recordings["dialerd/1"] = FILE
        made.telephony.failures["fetch recording"] = [AsteriskUnavailable()]
        await pass_time(LOOK_S / 2)
        assert list(made.recordings.stored) == [a_recording(1).attempt_id]
        assert made.recordings.deleted == [a_recording(2).attempt_id]


async def test_many_are_looked_after_without_a_rest() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording(number) for number in range(5 * MOST)]
        made.telephony.recordings = {recording.name: FILE for recording in made.recordings.pending}
        await pass_time(LOOK_S / 2)
        assert len(made.recordings.stored) == 5 * MOST


async def test_many_that_cannot_be_looked_after_are_not_tried_without_a_rest() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording(number) for number in range(MOST)]
        made.telephony.failures["fetch recording"] = [AsteriskUnavailable() for _ in range(1000)]
        await pass_time(10 * LOOK_S)
        assert made.telephony.journal.count("fetch recording dialerd/0") <= 11


async def test_while_asterisk_or_the_store_is_away_nothing_is_lost() -> None:
    async with archive() as made:
        made.telephony.up = False
        made.recordings.pending = [a_recording()]
        await pass_time(2 * LOOK_S)
        assert made.telephony.journal == []
        made.telephony.up, made.recordings.trouble.down = True, True
        await pass_time(2 * LOOK_S)
        made.recordings.trouble.down = False
        made.telephony.recordings["dialerd/0"] = FILE
        await pass_time(LOOK_S)
        assert len(made.recordings.stored) == 1


async def test_a_recording_of_long_ago_that_asterisk_does_not_have_is_missing_at_the_first_look() -> None:
    async with archive() as made:
        made.recordings.pending = [a_recording(recorded_at=later(-3600))]
        await pass_time(LOOK_S)
        assert made.recordings.missing == {a_recording().attempt_id}
