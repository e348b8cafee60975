"""Recordings: looked for when they have settled, kept for as long as they are to be, and never forgotten."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import Recording, RecordingFile, RecordingState
from dialerd.errors import NotFound
from tests.integration.store.scene import Stores, ended

NODE = "one"
FILE = RecordingFile(duration_s=12.5, bytes=200_000, sha256="ab" * 32)
SETTLED = timedelta(seconds=30)


async def test_a_recording_is_looked_at_once_it_has_settled_the_oldest_first(stores: Stores) -> None:
    old, older, _ = await recorded(stores, 60, 90, 5)
    assert await to_look_at(stores) == [older, old]
    assert await to_look_at(stores, most=1) == [older]
    assert await stores.recordings.to_look_at("two", settled_for=SETTLED, most=10) == []


async def test_what_was_found_is_kept_with_the_recording(stores: Stores) -> None:
    (one,) = await recorded(stores, 60)
    await stores.recordings.note_stored(one, FILE, keep_for=timedelta(days=30))
    found = await stores.recordings.of_attempt(one.attempt_id)
    assert (found.state, found.file) == (RecordingState.STORED, FILE)
    assert found.keep_until == one.recorded_at + timedelta(days=30)
    assert await to_look_at(stores) == []


async def test_one_that_was_not_there_is_looked_for_again_until_it_is_missing_for_good(stores: Stores) -> None:
    (one,) = await recorded(stores, 60)
    await stores.recordings.note_missing(one, for_good=False)
    assert await to_look_at(stores) == []
    await stores.pool.execute("UPDATE recordings SET looked_at = now() - interval '31 seconds'")
    assert await to_look_at(stores) == [one]
    await stores.recordings.note_missing(one, for_good=True)
    await stores.pool.execute("UPDATE recordings SET looked_at = now() - interval '31 seconds'")
    assert await to_look_at(stores) == []
    assert (await stores.recordings.of_attempt(one.attempt_id)).state is RecordingState.MISSING


@pytest.mark.parametrize(("keep_for", "due"), [(timedelta(seconds=1), 1), (timedelta(days=1), 0), (None, 0)])
async def test_it_is_deleted_when_its_time_is_over(stores: Stores, keep_for: timedelta | None, due: int) -> None:
    (one,) = await recorded(stores, 60)
    assert await stores.recordings.to_delete(NODE, most=10) == []
    await stores.recordings.note_stored(one, FILE, keep_for=keep_for)
    assert await stores.recordings.to_delete(NODE, most=10) == [one] * due
    assert await stores.recordings.to_delete("two", most=10) == []


async def test_one_that_was_deleted_is_still_known_and_not_deleted_again(stores: Stores) -> None:
    (one,) = await recorded(stores, 60)
    await stores.recordings.note_stored(one, FILE, keep_for=timedelta(seconds=1))
    await stores.recordings.note_deleted(one)
    assert await stores.recordings.to_delete(NODE, most=10) == []
    found = await stores.recordings.of_attempt(one.attempt_id)
    assert (found.state, found.file) == (RecordingState.DELETED, FILE)


async def test_those_of_a_campaign_are_listed_page_by_page_the_newest_first(stores: Stores) -> None:
    old, older, new = await recorded(stores, 60, 90, 5)
    (call,) = await stores.pool.fetch("SELECT DISTINCT campaign_id FROM attempts")
    first = await stores.recordings.of_campaign(call["campaign_id"], limit=2)
    rest = await stores.recordings.of_campaign(call["campaign_id"], after=first[-1].recording.attempt_id)
    assert [one.recording for one in [*first, *rest]] == [new, old, older]


async def test_one_that_is_to_be_deleted_is_so_however_long_it_would_be_kept(stores: Stores) -> None:
    old, new = await recorded(stores, 90, 60)
    await stores.recordings.mark_for_deletion(old.attempt_id)
    await stores.recordings.note_stored(old, FILE, keep_for=timedelta(days=1))
    await stores.recordings.note_stored(new, FILE, keep_for=None)
    assert await stores.recordings.to_delete(NODE, most=10) == [old]
    await stores.recordings.mark_for_deletion(new.attempt_id)
    assert set(await stores.recordings.to_delete(NODE, most=10)) == {old, new}
    assert not (await stores.recordings.of_attempt(new.attempt_id)).is_playable


async def test_of_a_call_without_a_recording_that_is_said(stores: Stores) -> None:
    with pytest.raises(NotFound, match="recording of attempt"):
        await stores.recordings.of_attempt(UUID(int=7))


async def recorded(stores: Stores, *seconds_ago: float) -> list[Recording]:
    """Talks that have ended so long ago."""
    dialed = await stores.a_dialed_campaign(leads=len(seconds_ago), recording=True)
    now = datetime.now(UTC)
    recordings = []
    for seconds in seconds_ago:
        call = await dialed.open_an_hour_ago()
        end = ended(call, Outcome.CONNECTED, ended_at=now - timedelta(seconds=seconds))
        await stores.attempts.close_attempt(end)
        recordings.append((await stores.recordings.of_attempt(call.id)).recording)
    return recordings


async def to_look_at(stores: Stores, most: int = 10) -> list[Recording]:
    return list(await stores.recordings.to_look_at(NODE, settled_for=SETTLED, most=most))
