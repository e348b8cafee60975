"""A sound that somebody uploads is what the lead hears; and a recording is heard, and deleted, over REST."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import PERSON, Desk, some
from tests.acceptance.doors import web_of
from tests.daemon import Daemon
from tests.heard import voice_of_agent, voice_of_lead
from tests.lab import Lab
from tests.sounds import NAME, a_file

pytestmark = pytest.mark.acceptance

Web = aiohttp.ClientSession


def folder_of(lab: Lab) -> Path:
    """The PBX has it among its sounds."""
    return lab.calls_csv.parent / "dialerd-media"


def placed(lab: Lab) -> list[str]:
    return sorted(str(path.relative_to(folder_of(lab))) for path in folder_of(lab).rglob("*.wav"))


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    async with impatient_daemon(lab, database, DIALERD_MEDIA__FOLDER=str(folder_of(lab))) as daemon:
        yield daemon


@pytest_asyncio.fixture
async def owner(desk: Desk) -> AsyncIterator[Web]:
    async with web_of(desk.daemon) as web:
        yield web


@pytest.mark.parametrize("kind", ["mp3", "wav"])
async def test_a_lead_who_waits_hears_the_greeting_that_was_uploaded(
    desk: Desk, lab: Lab, owner: Web, kind: str
) -> None:
    uploaded = await put(owner, "one-moment", a_file(kind))
    await lab.wait_for(lambda: is_present(owner, "one-moment"), 60)
    await lab.listen()
    await lab.set_fates(talk_s=(7, 7))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    await desk.dial([number], customer_wait_sla_s=2, agent_dial_timeout_s=5, greeting=uploaded["sound"])
    await desk.until_outcome(number)
    await desk.until_silent()
    [lead] = desk.calls_to(number)
    first = (await lab.heard(lead)).first()
    assert first is not None
    assert first.name == NAME
    assert first.length_s == pytest.approx(uploaded["duration_s"], abs=0.15)


async def test_sounds_are_placed_again_after_a_restart_and_taken_away_when_they_are_removed(
    desk: Desk, lab: Lab, owner: Web
) -> None:
    for name in ("one", "two"):
        await put(owner, name, a_file("ogg"))
    await lab.wait_for(lambda: placed(lab) == ["1/one.wav", "1/two.wav"], 60)
    await desk.daemon.stop()
    for path in placed(lab):
        (folder_of(lab) / path).unlink()
    await desk.daemon.start()
    await lab.wait_for(lambda: placed(lab) == ["1/one.wav", "1/two.wav"], 60)
    async with owner.delete("/api/v1/media/one") as answer:
        assert answer.status == 204
    await lab.wait_for(lambda: placed(lab) == ["1/two.wav"], 60)
    assert await desk.cli("media", "remove", "two")
    await lab.wait_for(lambda: placed(lab) == [], 60)


async def test_a_recording_is_heard_and_deleted_over_rest(desk: Desk, lab: Lab, owner: Web) -> None:
    await desk.staff("1010")
    await lab.set_agents(talking=True)
    await lab.set_fates(talk_s=(3, 3), voice="talk")
    [number] = some(1, PERSON)
    await desk.dial([number], recording=True)
    row = await desk.until_recording_is(number, "stored")
    path = f"/api/v1/recordings/{row['attempt_id']}"
    _, whole = await content(owner, path)
    assert whole == await desk.recorded(row["name"])
    assert set(desk.voices_in(whole)) == {voice_of_lead(number), voice_of_agent("1010")}
    assert await content(owner, path, Range="bytes=44-1043") == (206, whole[44:1044])
    file = desk.file("fetched.wav")
    await desk.cli("recordings", "get", str(row["attempt_id"]), str(file))
    assert file.read_bytes() == whole
    async with owner.delete(path) as answer:
        assert answer.status == 202
    status, _ = await content(owner, path)
    assert status == 409
    await desk.until_recording_is(number, "deleted")
    assert await desk.recorded(row["name"]) == b""


async def is_present(owner: Web, name: str) -> bool:
    async with owner.get(f"/api/v1/media/{name}") as answer:
        return (await answer.json())["present"] is True


async def put(owner: Web, name: str, sound: bytes) -> Mapping[str, Any]:
    """What is told of it."""
    async with owner.put(f"/api/v1/media/{name}", data=sound) as answer:
        assert answer.ok, await answer.text()
        told: Mapping[str, Any] = await answer.json()
    return told


async def content(owner: Web, recording: str, **headers: str) -> tuple[int, bytes]:
    """The status, and the sound."""
    async with owner.get(f"{recording}/content", headers=headers) as answer:
        return answer.status, await answer.read()
