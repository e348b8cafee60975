"""Whatever people bring along becomes what Asterisk plays, or they are told why not; and what breaks a decoder breaks nothing else."""

import hashlib
import io
import wave
from array import array
from pathlib import Path

import pytest

from dialerd.domain.media import LONGEST, RATE_HZ, Sound
from dialerd.errors import InvalidMedium
from dialerd.media import converter
from dialerd.media.converter import Converter
from dialerd.media.decoder import Unusable, decoded
from tests.sounds import NAME, a_file, as_wav, heard_in


async def converted(content: bytes, folder: Path) -> Sound:
    path = folder / "brought"
    path.write_bytes(content)
    with path.open("rb") as file:
        return await Converter().convert(file)


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg", "flac"])
async def test_every_kind_becomes_a_wav_file_of_a_telephone(kind: str, tmp_path: Path) -> None:
    sound = await converted(a_file(kind), tmp_path)
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        assert file.getnframes() / RATE_HZ == pytest.approx(sound.duration_s)
    assert sound.duration_s == pytest.approx(0.6, abs=0.06)
    assert sound.sha256 == hashlib.sha256(sound.content).hexdigest()
    assert sound.notes == ()
    assert heard_in(sound.content, tmp_path) == [NAME]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no sound that can be read"),
        (b"%PDF-1.7 a letter", "no sound that can be read"),
        (as_wav([0] * 8000), "it is silent"),
        (as_wav([9000] * 80), "it has 0.01 s of sound"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_the_reason(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidMedium, match=why):
        await converted(content, tmp_path)


async def test_a_decoder_that_breaks_breaks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter, "DECODER", ("-c", "import os; os.abort()"))
    with pytest.raises(InvalidMedium, match="damaged"):
        await converted(a_file("mp3"), tmp_path)


async def test_a_decoder_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter, "DECODER", ("-c", "import signal; signal.pause()"))
    monkeypatch.setattr(converter, "PATIENCE_S", 0.2)
    with pytest.raises(InvalidMedium, match="too long to decode"):
        await converted(a_file("mp3"), tmp_path)


def test_a_small_file_with_a_very_long_silence_is_not_decoded_to_its_end() -> None:
    too_long = as_wav(bytes(2 * RATE_HZ * (int(LONGEST.total_seconds()) + 60)))
    with pytest.raises(Unusable, match="longer than 10 minutes"):
        decoded(too_long)


def test_the_samples_are_the_ones_that_were_sent() -> None:
    sent = array("h", [0, 1000, -1000, 32767, -32768] * 400)
    assert decoded(as_wav(sent.tobytes())) == sent
