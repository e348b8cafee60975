"""`dialerd media`: sounds that people bring along, from a file and into one."""

from pathlib import Path

import pytest

from tests.integration.cli.conftest import Dialerd
from tests.sounds import NAME, a_file, heard_in


@pytest.fixture
def mp3(tmp_path: Path) -> str:
    path = tmp_path / "ask.mp3"
    path.write_bytes(a_file("mp3"))
    return str(path)


@pytest.fixture(autouse=True)
def placed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_MEDIA__FOLDER", "/nowhere/dialerd-media")


def test_a_sound_goes_in_is_listed_comes_out_as_asterisk_plays_it_and_is_removed(
    dialerd: Dialerd, mp3: str, tmp_path: Path
) -> None:
    assert dialerd("media", "add", "ask", mp3).out.strip() == "dialerd-media/1/ask is stored: 0.6 s"
    (listed,) = dialerd("media", "list", "--json").json
    assert (listed["name"], listed["sound"], listed["present"]) == ("ask", "dialerd-media/1/ask", None)
    assert "not known yet" in dialerd("media", "list").out
    dialerd("media", "get", "ask", str(tmp_path / "out.wav"))
    assert heard_in((tmp_path / "out.wav").read_bytes(), tmp_path) == [NAME]
    dialerd("media", "remove", "ask")
    assert dialerd("media", "list", "--json").json == []
    assert "there is no medium ask" in dialerd.refused("media", "remove", "ask")
    assert "there is no medium ask" in dialerd.refused("media", "get", "ask", str(tmp_path / "no.wav"))


def test_a_sound_that_a_campaign_plays_is_not_removed(dialerd: Dialerd, mp3: str) -> None:
    dialerd("media", "add", "ask", mp3)
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--greeting", "dialerd-media/1/ask")
    assert "campaign Spring plays it" in dialerd.refused("media", "remove", "ask")


def test_what_cannot_be_used_is_refused_with_the_reason(
    dialerd: Dialerd, mp3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "it is no sound" in dialerd.refused("media", "add", "ask", dialerd.file("a letter", "letter.mp3"))
    assert "its name: 1 to 40 letters" in dialerd.refused("media", "add", "a/b", mp3)
    monkeypatch.delenv("DIALERD_MEDIA__FOLDER")
    assert "set media.folder" in dialerd.refused("media", "add", "ask", mp3)
    monkeypatch.setenv("DIALERD_MEDIA__FOLDER", "/usr/share/asterisk/sounds")
    assert "ends in /dialerd-media" in dialerd.refused("media", "list", status=78)
