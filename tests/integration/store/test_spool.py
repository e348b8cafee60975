"""The spool on a real disk: what is kept is there after a crash, and trouble with the disk is nobody's but the disk's."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from dialerd.domain.attempts import KeptCall
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome
from dialerd.store import spool as spools
from dialerd.store.spool import RESERVE, Spool
from tests.factories import ATTEMPT, a_call, a_connected_call, a_ringing_call, later

pytestmark = pytest.mark.integration
OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


async def opened(folder: Path) -> Spool:
    spool = Spool(folder, "one")
    await spool.open()
    return spool


async def after_a_crash(folder: Path) -> list[KeptCall]:
    return list((await opened(folder)).kept)


def file_of(folder: Path) -> Path:
    return folder / "one.jsonl"


def ended(call: Call) -> Call:
    return replace(call, state=AttemptState.ENDED, outcome=Outcome.CONNECTED, ended_at=later(60), cause=16)


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """For this process; a write beyond it fails, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_what_was_kept_last_of_each_call_is_there_after_a_crash_in_order(folder: Path) -> None:
    spool = await opened(folder)
    other = KeptCall.of(a_ringing_call(id=OTHER))
    for kept in (KeptCall.of(a_ringing_call()), other, KeptCall.of(ended(a_connected_call()))):
        await spool.keep(kept)
    assert await after_a_crash(folder) == [KeptCall.of(ended(a_connected_call())), other]


async def test_what_is_kept_says_of_a_call_all_that_its_row_is_to_say(folder: Path) -> None:
    call = ended(a_connected_call(agent="PJSIP/anna", answered_at=later(1)))
    await (await opened(folder)).keep(KeptCall.of(call))
    [kept] = await after_a_crash(folder)
    assert kept.onto(a_call()) == replace(call, hunts=0, hunting=False, held=False, agent_up=False)


async def test_nobodys_number_or_name_is_in_it_and_only_the_daemon_may_read_it(folder: Path) -> None:
    await (await opened(folder)).keep(KeptCall.of(a_connected_call()))
    content = file_of(folder).read_text()
    assert a_call().number.removeprefix("+") not in content
    assert "Lovelace" not in content
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_how_many_calls_are_kept_and_how_much_room_there_is_is_known(folder: Path) -> None:
    spool = await opened(folder)
    await spool.keep(KeptCall.of(a_ringing_call()))
    await spool.keep(KeptCall.of(a_connected_call()))
    await spool.keep(KeptCall.of(a_ringing_call(id=OTHER)))
    assert spool.calls == 2
    assert spool.free_bytes is not None
    assert spool.free_bytes > RESERVE


async def test_nothing_is_written_while_the_database_takes_everything(folder: Path) -> None:
    spool = await opened(folder)
    await spool.forget(ATTEMPT)
    await spool.check()
    assert not file_of(folder).exists()


async def test_when_the_database_has_all_the_file_is_gone(folder: Path) -> None:
    spool = await opened(folder)
    for id_ in (ATTEMPT, OTHER):
        await spool.keep(KeptCall.of(a_call(id=id_)))
    await spool.forget(ATTEMPT)
    assert [kept.id for kept in spool.kept] == [OTHER]
    await spool.forget(OTHER)
    assert not file_of(folder).exists()
    await spool.keep(KeptCall.of(a_call()))
    assert [kept.id for kept in await after_a_crash(folder)] == [ATTEMPT]


@pytest.mark.parametrize(
    "garbage", [b'\n{"id":"8c5b7f0e-3d', b"\n\x00\xff\xfe", b"\n[]", b'\n{"id":"x","state":"dialing"}', b"\n\n"]
)
async def test_a_line_that_is_torn_or_garbled_is_skipped_and_the_rest_is_used(folder: Path, garbage: bytes) -> None:
    spool = await opened(folder)
    await spool.keep(KeptCall.of(a_call()))
    with file_of(folder).open("ab") as file:
        file.write(garbage)
    crashed = await opened(folder)
    assert [kept.id for kept in crashed.kept] == [ATTEMPT]
    await crashed.keep(KeptCall.of(a_call(id=OTHER)))
    assert {kept.id for kept in await after_a_crash(folder)} == {ATTEMPT, OTHER}


async def test_a_file_that_has_grown_by_what_is_out_of_date_is_made_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "COMPACTED_FROM", 1000)
    spool = await opened(folder)
    for second in range(100):
        await spool.keep(KeptCall.of(a_ringing_call(ringing_at=later(second))))
    assert file_of(folder).stat().st_size < 2000
    [kept] = await after_a_crash(folder)
    assert kept.ringing_at == later(99)


async def test_a_folder_that_cannot_be_made_is_told_and_hurts_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = await opened(tmp_path / "file" / "spool")
    assert spool.broken == "Not a directory"
    await spool.keep(KeptCall.of(a_call()))
    await spool.forget(ATTEMPT)
    assert spool.broken == "Not a directory"


async def test_a_disk_that_is_full_is_told_before_a_call_needs_it_and_when_there_is_space_again(folder: Path) -> None:
    spool = await opened(folder)
    with files_no_longer_than(RESERVE):
        await spool.check()
        assert spool.broken == "File too large"
    await spool.check()
    assert spool.broken == ""


async def test_what_must_be_kept_on_a_full_disk_goes_into_the_reserve(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await opened(folder)
    write, reserve = os.write, folder / "one.reserve"
    assert reserve.stat().st_size == RESERVE

    def onto_a_full_disk(file: int, content: bytes) -> int:
        if reserve.exists():
            raise OSError(28, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(os, "write", onto_a_full_disk)
    await spool.keep(KeptCall.of(a_call()))
    assert [kept.id for kept in await after_a_crash(folder)] == [ATTEMPT]


async def test_a_disk_that_hangs_is_waited_for_only_so_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = await opened(folder)
    monkeypatch.setattr(spools, "PATIENCE_S", 0.0)
    await spool.keep(KeptCall.of(a_call()))
    assert spool.broken == "the disk does not answer"


async def test_more_than_the_limit_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "LIMIT", 1000)
    spool = await opened(folder)
    for _ in range(100):
        await spool.keep(KeptCall.of(a_call(id=uuid4())))
    assert "1000 bytes" in spool.broken
    assert file_of(folder).stat().st_size <= 1100
