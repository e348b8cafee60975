"""`dialerd recordings`: what is known of the sound of a call, from its end until it is deleted."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import Recording, RecordingFile
from dialerd.store.recordings import RecordingStore
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.scene import Stores

SUM = "9f" * 32


def recorded(dialerd: Dialerd, *, calls: int = 1) -> list[UUID]:
    """Talks of a campaign that records them, in the order in which they took place."""

    async def work(stores: Stores) -> list[UUID]:
        dialed = await stores.a_dialed_campaign(calls, recording=True)
        return [(await dialed.dial(Outcome.CONNECTED)).id for _ in range(calls)]

    return dialerd.in_stores(work)


def found(dialerd: Dialerd, attempt: UUID, *, keep_for: timedelta | None = None, deleted: bool = False) -> Recording:
    """What the daemon notes when it has looked at the file."""

    async def work(stores: Stores) -> Recording:
        store = RecordingStore(stores.pool)
        recording = (await store.of_attempt(attempt)).recording
        file = RecordingFile(duration_s=61.25, bytes=980_044, sha256=SUM)
        await store.note_stored(recording, file, keep_for=keep_for)
        if deleted:
            await store.note_deleted(recording)
        return recording

    return dialerd.in_stores(work)


def test_a_talk_that_was_just_recorded_waits_to_be_looked_at(dialerd: Dialerd) -> None:
    (attempt,) = recorded(dialerd)
    shown = dialerd("recordings", "show", str(attempt), "--json").json
    assert (shown["attempt_id"], shown["state"]) == (str(attempt), "pending")
    assert (shown["duration_s"], shown["bytes"], shown["sha256"], shown["keep_until"]) == (None, None, None, None)
    lines = [" ".join(line.split()) for line in dialerd("recordings", "show", str(attempt)).out.splitlines()]
    assert "state pending" in lines
    assert "duration (s) -" in lines


def test_a_recording_that_was_found_shows_its_length_its_checksum_and_how_long_it_is_kept(dialerd: Dialerd) -> None:
    (attempt,) = recorded(dialerd)
    recording = found(dialerd, attempt, keep_for=timedelta(days=90))
    shown = dialerd("recordings", "show", str(attempt), "--json").json
    assert (shown["name"], shown["state"]) == (recording.name, "stored")
    assert (shown["duration_s"], shown["bytes"], shown["sha256"]) == (61.25, 980_044, SUM)
    assert shown["keep_until"] == (recording.recorded_at + timedelta(days=90)).isoformat()
    text = dialerd("recordings", "show", str(attempt)).out
    for words in (recording.name, "61.2", SUM):
        assert words in text


def test_without_a_limit_a_recording_is_kept_for_ever(dialerd: Dialerd) -> None:
    (attempt,) = recorded(dialerd)
    found(dialerd, attempt)
    assert dialerd("recordings", "show", str(attempt), "--json").json["keep_until"] is None
    assert "for ever" in dialerd("recordings", "show", str(attempt)).out


def test_the_list_has_the_newest_recordings_of_the_campaign_first(dialerd: Dialerd) -> None:
    first, second = recorded(dialerd, calls=2)
    found(dialerd, first, keep_for=timedelta(days=1), deleted=True)
    listed = dialerd("recordings", "list", "Spring", "--json").json
    assert [(one["attempt_id"], one["state"]) for one in listed] == [(str(second), "pending"), (str(first), "deleted")]
    assert [one["attempt_id"] for one in dialerd("recordings", "list", "1", "--limit", "1", "--json").json] == [
        str(second)
    ]
    lines = dialerd("recordings", "list", "Spring").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [str(second), str(first)]


def test_a_campaign_that_records_nothing_has_an_empty_list(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert dialerd("recordings", "list", "Spring", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("list", "nosuch"), 1, "there is no campaign nosuch"),
        (("list", "Spring", "--limit", "0"), 2, "--limit"),
        (("show", str(uuid4())), 1, "there is no recording of attempt"),
        (("show", "1; DROP TABLE recordings"), 2, "ATTEMPT"),
        (("show", "../../etc/passwd"), 2, "ATTEMPT"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_told(
    dialerd: Dialerd, arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert words in dialerd.refused("recordings", *arguments, status=status)
