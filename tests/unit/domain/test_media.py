"""What is wrong with a sound, and what people should know of one that can be used."""

from array import array

import pytest

from dialerd.domain.media import RATE_HZ, PlacedMedium, faults_of, is_medium_name, notes_on, sound_name
from dialerd.domain.menus import is_sound_name


def tone(loudness: int, length_s: float = 1.0) -> "array[int]":
    return array("h", [loudness, -loudness] * int(length_s * RATE_HZ / 2))


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (tone(8000), []),
        (tone(100), ["it is silent: record it anew"]),
        (tone(8000, 0.05), ["it has 0.05 s of sound: at least 0.1 s"]),
        (array("h"), ["it has 0.00 s of sound: at least 0.1 s"]),
    ],
)
def test_a_sound_that_nobody_could_hear_is_refused(samples: "array[int]", says: list[str]) -> None:
    assert list(faults_of(samples)) == says


def test_a_sound_that_is_quiet_distorted_or_late_can_be_used_but_that_is_told() -> None:
    assert list(notes_on(tone(8000))) == []
    (quiet,) = notes_on(tone(2000))
    assert quiet.startswith("quiet: its loudest moment has 6 %")
    (distorted,) = notes_on(array("h", [32767, -32768] * 4000))
    assert distorted.startswith("distorted: 100.0 %")
    (late,) = notes_on(array("h", bytes(2 * 3 * RATE_HZ)) + tone(8000))
    assert late.startswith("begins with 3.0 s of silence")


def test_a_peak_now_and_then_distorts_nothing() -> None:
    assert list(notes_on(tone(8000) + array("h", [32767]))) == []


@pytest.mark.parametrize("name", ["a", "Welcome-2", "0_1", "x" * 40])
def test_the_name_of_a_sound_is_a_name_in_asterisk_and_of_a_file(name: str) -> None:
    assert is_medium_name(name)
    assert is_sound_name(sound_name(2**63 - 1, name))
    assert PlacedMedium(account_id=7, name=name, sha256="").path == f"7/{name}.wav"


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "a/b", "..", "a b", "ä", "a\n", "a\0", "x" * 41])
def test_what_could_be_more_than_a_name_is_none(name: str) -> None:
    assert not is_medium_name(name)
