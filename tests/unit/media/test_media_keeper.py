"""The folder of Asterisk holds what the database has: no more, no less, and nothing by halves."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialerd.dialer import media_keeper
from dialerd.dialer.media_keeper import MediaKeeper
from dialerd.domain.media import PlacedMedium
from dialerd.errors import StoreUnavailable


class FakeMedia:
    """By path, the content."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.down = False
        self.read: list[str] = []
        self.looked = asyncio.Event()

    async def to_place(self) -> list[PlacedMedium]:
        self.looked.set()
        if self.down:
            raise StoreUnavailable
        return [_medium(path, content) for path, content in self.files.items()]

    async def content_of(self, medium: PlacedMedium) -> bytes | None:
        self.read.append(medium.path)
        content = self.files.get(medium.path)
        return content if content is not None and _medium(medium.path, content) == medium else None


def _medium(path: str, content: bytes) -> PlacedMedium:
    account, _, name = path.removesuffix(".wav").partition("/")
    return PlacedMedium(account_id=int(account), name=name, sha256=hashlib.sha256(content).hexdigest())


class Shelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "sounds" / "dialerd-media"
        self.media = FakeMedia()
        self.changed = asyncio.Event()
        self.keeper = MediaKeeper(media=self.media, folder=self.folder, on_change=self.changed.set)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return iter(sorted((str(path.relative_to(self.folder)), path.read_bytes()) for path in files))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


async def test_what_the_database_has_is_placed_where_another_user_can_read_it(shelf: Shelf) -> None:
    shelf.media.files = {"1/hello.wav": b"one", "2/hello.wav": b"two"}
    assert await shelf.keeper.look()
    assert list(shelf) == [("1/hello.wav", b"one"), ("2/hello.wav", b"two")]
    assert (shelf.folder / "1/hello.wav").stat().st_mode & 0o777 == 0o644
    assert (shelf.folder / "1").stat().st_mode & 0o555 == 0o555


async def test_what_lies_there_is_neither_read_nor_written_again(shelf: Shelf) -> None:
    shelf.media.files = {"1/hello.wav": b"one"}
    await shelf.keeper.look()
    assert not await shelf.keeper.look()
    again = MediaKeeper(media=shelf.media, folder=shelf.folder, on_change=lambda: None)
    assert not await again.look()
    assert shelf.media.read == ["1/hello.wav"]


async def test_what_was_replaced_damaged_or_removed_is_put_right(shelf: Shelf) -> None:
    shelf.media.files = {"1/a.wav": b"one", "1/b.wav": b"two", "1/c.wav": b"three"}
    await shelf.keeper.look()
    shelf.media.files["1/a.wav"] = b"new"
    (shelf.folder / "1/b.wav").write_bytes(b"rubbish")
    (shelf.folder / "1/c.wav").unlink()
    assert await shelf.keeper.look()
    assert list(shelf) == [("1/a.wav", b"new"), ("1/b.wav", b"two"), ("1/c.wav", b"three")]
    del shelf.media.files["1/b.wav"]
    assert await shelf.keeper.look()
    assert [path for path, _ in shelf] == ["1/a.wav", "1/c.wav"]


async def test_what_is_not_ours_is_left_alone(shelf: Shelf) -> None:
    (shelf.folder / "1").mkdir(parents=True)
    (shelf.folder / "en").mkdir()
    foreign = ["1/notes.txt", "1/a.b.wav", "1/hello.gsm", "en/hello.wav", "README.wav", "1/.placing-young"]
    for path in foreign:
        (shelf.folder / path).write_bytes(b"theirs")
    assert not await shelf.keeper.look()
    assert sorted(path for path, _ in shelf) == sorted(foreign)


async def test_what_a_daemon_left_half_written_is_cleared_away(shelf: Shelf) -> None:
    left = shelf.folder / "1" / f"{media_keeper.UNFINISHED}xyz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    await shelf.keeper.look()
    assert list(shelf) == []


async def test_a_sound_that_is_removed_while_it_is_placed_is_not_placed(shelf: Shelf) -> None:
    shelf.media.files = {"1/hello.wav": b"one"}
    (wanted,) = await shelf.media.to_place()
    shelf.media.files.clear()
    assert await shelf.media.content_of(wanted) is None
    assert not await shelf.keeper.look()
    assert list(shelf) == []


async def test_while_the_database_is_away_all_stays_as_it_is(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_keeper, "REST_S", 0.0)
    monkeypatch.setattr(media_keeper, "LOOK_S", 0.01)
    shelf.media.files = {"1/hello.wav": b"one"}
    await shelf.keeper.look()
    shelf.media.down = True
    running = asyncio.create_task(shelf.keeper.run())
    for _ in range(3):
        shelf.media.looked.clear()
        await shelf.media.looked.wait()
    assert list(shelf) == [("1/hello.wav", b"one")]
    shelf.media.down = False
    shelf.media.files["1/bye.wav"] = b"two"
    async with asyncio.timeout(60):
        await shelf.changed.wait()
    assert [path for path, _ in shelf] == ["1/bye.wav", "1/hello.wav"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
