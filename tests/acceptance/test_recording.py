""" "Recording on every call, retrievable from the caller's contact timeline afterwards": both people in one file, whatever happens
to the daemon."""

import hashlib
import json
import signal

import pytest

from dialerd.domain.calls import AttemptState
from tests.acceptance.desk import PERSON, Desk, some
from tests.heard import voice_of_agent, voice_of_lead
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


async def test_a_talk_is_recorded_with_both_voices_and_its_length_and_checksum_are_kept(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.listen()
    await lab.set_agents(talking=True)
    await lab.set_fates(talk_s=(4, 4), voice="talk")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], recording=True)
    await desk.until_completed(campaign)
    row = await desk.until_recording_is(number, "stored")
    sound = await desk.recorded(row["name"])
    assert (len(sound), hashlib.sha256(sound).hexdigest()) == (row["bytes"], row["sha256"])
    assert row["duration_s"] == pytest.approx((len(sound) - 44) / 16000)
    [call] = desk.calls_to(number)
    assert await lab.is_whole(call, row["duration_s"])
    assert set(desk.voices_in(sound)) == {voice_of_lead(number), voice_of_agent("1010")}
    [shown] = json.loads(await desk.cli("recordings", "list", "list", "--json"))
    assert shown["sha256"] == row["sha256"]
    await desk.judge(campaign, agents=agents)


async def test_a_campaign_that_records_nothing_leaves_no_sound_behind(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    [attempt] = await desk.attempts(number)
    assert attempt["recording"] == ""
    assert json.loads(await desk.cli("recordings", "list", "list", "--json")) == []


async def test_a_talk_that_goes_on_without_the_daemon_is_recorded_to_its_end(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.listen()
    await lab.set_agents(talking=True)
    await lab.set_fates(talk_s=(8, 8), voice="talk")
    [number] = some(1, PERSON)
    await desk.dial([number], recording=True)
    await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.daemon.stop(signal.SIGKILL)
    await desk.until_seen(1)
    await desk.daemon.start()
    row = await desk.until_recording_is(number, "stored")
    [call] = desk.calls_to(number)
    assert await lab.is_whole(call, row["duration_s"])


async def test_a_recording_whose_time_is_over_is_deleted(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(1, 1))
    [number] = some(1, PERSON)
    await desk.dial([number], recording=True)
    row = await desk.until_recording_is(number, "stored")
    await desk.let_recordings_expire()
    await desk.until_recording_is(number, "deleted")
    assert await desk.recorded(row["name"]) == b""


async def test_a_folder_that_cannot_be_written_to_stops_no_call(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(2, 2))
    async with lab.recording_folder_broken():
        [number] = some(1, PERSON)
        campaign = await desk.dial([number], recording=True)
        await desk.until_completed(campaign)
        assert desk.talk_of(number) > 1
        await desk.judge(campaign, agents=agents)
