"""The laboratory's hearing: every sound and voice is told from every other, and when it was heard."""

from __future__ import annotations

import struct
import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from docker.both import tones
from docker.both.ear import PACKET, Ear
from tests.heard import MUSIC_ON_HOLD, RINGBACK, SILENCE, UNKNOWN, Heard, voice_of_agent, voice_of_lead

FAR_END_DIALPLAN = Path(__file__).resolve().parents[2] / "docker" / "far-end" / "etc" / "extensions.conf"
SECOND = tones.RATE_HZ
PBX_PORT, PHONE_PORT = 10_002, 20_004


def silence(length_s: float) -> array[int]:
    return array("h", bytes(2 * round(length_s * SECOND)))


def sound(name: str) -> array[int]:
    return array("h", tones.samples(tones.SOUNDS[name]))


def note(*pitches_hz: int, length_s: float = 1.0) -> array[int]:
    parts = [array("h", tones.tone(pitch, length_s)) for pitch in pitches_hz]
    return array("h", map(sum, zip(*parts, strict=True)))


def heard(*parts: array[int]) -> Heard:
    return Heard.in_samples(array("h", b"".join(part.tobytes() for part in parts)))


def test_no_pitch_belongs_to_two_and_none_is_near_another() -> None:
    pitches = [pitch for each in (*tones.SOUNDS.values(), tones.MUSIC) for pitch in each.pitches_hz]
    for voice in (tones.LEAD_VOICE_HZ, tones.AGENT_VOICE_HZ):
        pitches += range(voice, voice + 10 * tones.STEP_HZ, tones.STEP_HZ)
    assert all(later - earlier >= tones.STEP_HZ for earlier, later in pairwise(sorted(pitches)))
    assert all(abs(pitch - ringback) > 50 for pitch in pitches for ringback in tones.RINGBACK_HZ)


@pytest.mark.parametrize("name", tones.SOUNDS)
def test_each_sound_is_told_by_its_pitches(name: str) -> None:
    silent, played, after = heard(silence(0.5), sound(name), silence(1)).stretches
    assert (silent.name, played.name, after.name) == (SILENCE, name, SILENCE)
    assert silent.length_s == pytest.approx(0.5, abs=0.03)
    assert played.end_s <= 0.5 + len(sound(name)) / SECOND + 0.03


@pytest.mark.parametrize(
    ("pitches", "name"),
    [
        ((tones.LEAD_VOICE_HZ + 3 * tones.STEP_HZ,), voice_of_lead("12025550103")),
        ((tones.AGENT_VOICE_HZ + 9 * tones.STEP_HZ,), voice_of_agent("1019")),
        (tones.RINGBACK_HZ, RINGBACK),
        ((29 * tones.STEP_HZ,), MUSIC_ON_HOLD),
        ((3600,), UNKNOWN),
    ],
)
def test_voices_ringing_and_music_have_names_and_the_rest_has_none(pitches: tuple[int, ...], name: str) -> None:
    assert heard(note(*pitches)).names() == [name]


def test_two_who_talk_at_once_are_both_heard() -> None:
    both = note(tones.LEAD_VOICE_HZ, tones.AGENT_VOICE_HZ + tones.STEP_HZ)
    assert set(heard(both).voices()) == {"lead-0", "agent-1"}


def test_the_first_sound_is_told_with_the_silence_before_it() -> None:
    all_of_it = heard(silence(2), sound("dialerd/greeting"), silence(3), note(tones.AGENT_VOICE_HZ))
    first = all_of_it.first()
    assert first is not None
    assert first.name == "dialerd/greeting"
    assert all_of_it.silence_before_first_s == pytest.approx(2, abs=0.03)
    assert all_of_it.longest_silence_s == pytest.approx(3, abs=0.05)
    assert all_of_it.contains("dialerd/greeting")
    assert not all_of_it.contains("dialerd/nobody-free")
    assert all_of_it.voices() == ["agent-0"]


def test_who_hears_nothing_hears_silence_to_the_end() -> None:
    nothing = heard(silence(1.5))
    assert nothing.first() is None
    assert nothing.silence_before_first_s == nothing.longest_silence_s == pytest.approx(1.5, abs=0.05)


def test_a_recording_of_the_pbx_can_be_listened_to(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    with wave.open(str(file), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(SECOND)
        recording.writeframes(sound("lab/beep").tobytes())
    assert Heard.in_file(file).names() == ["lab/beep"]


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"call\.wav is no whole WAV file"):
        Heard.in_file(file)


# --- On the wire -----------------------------------------------------------------------------------------------------


def datagram(payload: bytes, *, source: int = PBX_PORT) -> bytes:
    return b"\x45" + bytes(19) + struct.pack("!HHHH", source, PHONE_PORT, 8 + len(payload), 0) + payload


def rtp(sequence: int, *, source: int = 1, code: int = 0) -> bytes:
    """20 ms of 4000 Hz, which is no pitch of ours, but loud."""
    return struct.pack("!BBHII", 0x80, code, sequence % 2**16, 0, source) + b"\x80\x00" * 80


def offer(call: str, port: int = PBX_PORT) -> bytes:
    return f"INVITE sip:1@2 SIP/2.0\r\nCall-ID: {call}\r\n\r\nv=0\r\nm=audio {port} RTP/AVP 0\r\n".encode()


def written(folder: Path, *packets: tuple[float, bytes]) -> Path:
    ear = Ear(folder)
    ear.hear(datagram(offer("a-call"), source=5060), 99.0)
    for arrived_s, packet in packets:
        ear.hear(datagram(packet), arrived_s)
    return folder / "a-call.rtp"


def test_sound_is_placed_where_it_arrived(tmp_path: Path) -> None:
    packets = written(tmp_path, *((101 + 0.02 * n, rtp(n)) for n in range(50)))
    before, sounds, after = Heard.on_wire(packets, answered_s=100.0, ended_s=104.0).stretches
    assert before.length_s == pytest.approx(1, abs=0.03)
    assert sounds.length_s == pytest.approx(1, abs=0.05)
    assert after.length_s == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("begins_with", [20_000, 40_000])
def test_a_new_source_may_begin_with_any_number(tmp_path: Path, begins_with: int) -> None:
    first = [(100 + 0.02 * n, rtp(30_000 + n)) for n in range(50)]
    second = [(101 + 0.02 * n, rtp(begins_with + n, source=2)) for n in range(50)]
    [sounds] = Heard.on_wire(written(tmp_path, *first, *second), answered_s=100.0, ended_s=102.0).stretches
    assert sounds.length_s == pytest.approx(2, abs=0.05)


def test_a_number_that_is_said_twice_is_no_loss(tmp_path: Path) -> None:
    packets = written(tmp_path, *((100 + 0.02 * n, rtp(n - n // 25)) for n in range(50)))
    [sounds] = Heard.on_wire(packets, answered_s=100.0, ended_s=101.0).stretches
    assert sounds.name == UNKNOWN


def test_packets_that_were_not_written_make_the_hearing_worthless(tmp_path: Path) -> None:
    packets = written(tmp_path, (100.0, rtp(1)), (100.2, rtp(11)))
    with pytest.raises(ValueError, match="9 of 11 packets were not heard"):
        Heard.on_wire(packets, answered_s=100.0, ended_s=101.0)


def test_keys_make_no_sound_but_count_as_packets(tmp_path: Path) -> None:
    packets = written(tmp_path, *((100 + 0.02 * n, rtp(n, code=101)) for n in range(50)))
    assert Heard.on_wire(packets, answered_s=100.0, ended_s=101.0).first() is None


def test_the_ear_writes_only_what_belongs_to_a_call(tmp_path: Path) -> None:
    Ear(tmp_path).hear(datagram(rtp(1)), 100.0)
    assert list(tmp_path.iterdir()) == []


def test_a_port_belongs_to_the_call_that_named_it_last(tmp_path: Path) -> None:
    ear = Ear(tmp_path)
    for call in ("one", "two"):
        ear.hear(datagram(offer(call), source=5060), 99.0)
    ear.hear(datagram(rtp(1)), 100.0)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes == {"one.rtp": 0, "two.rtp": PACKET.size + len(rtp(1))}


def test_the_far_ends_dialplan_speaks_with_the_voices_that_are_listened_for() -> None:
    dialplan = FAR_END_DIALPLAN.read_text(encoding="utf-8")
    assert f"\nLEAD_VOICE_HZ = {tones.LEAD_VOICE_HZ}\n" in dialplan
    assert f"\nAGENT_VOICE_HZ = {tones.AGENT_VOICE_HZ}\n" in dialplan
    assert f"\nVOICE_STEP_HZ = {tones.STEP_HZ}\n" in dialplan
