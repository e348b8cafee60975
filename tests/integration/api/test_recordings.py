"""Recordings over REST: which there are, how they sound, and that they go. Asterisk is a fake that hands out one file."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from fastapi import FastAPI

from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.asterisk.recording_files import RecordingFiles
from dialerd.clock import SYSTEM_CLOCK
from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import RecordingFile, RecordingState
from dialerd.domain.roles import Role
from dialerd.settings import Settings
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.fakes.fake_ari import FakeAri, Received, refusal
from tests.integration.api.conftest import ClientOf
from tests.integration.store.scene import Stores as Scene
from tests.integration.store.scene import ended
from tests.sounds import a_file

pytestmark = pytest.mark.integration

SOUND = a_file("wav")
FILE = RecordingFile(duration_s=0.6, bytes=len(SOUND), sha256=hashlib.sha256(SOUND).hexdigest())
PBX = "02:00:00:00:00:01"


class Asterisk(FakeAri):
    """It has one recording, whatever it is asked for."""

    def hands_out(self, content: bytes, pbx: str = PBX) -> None:
        async def file(_: Received) -> web.StreamResponse:
            return web.Response(body=content, content_type="audio/wav")

        async def info(_: Received) -> web.StreamResponse:
            return web.json_response({"system": {"version": "22.10.1", "entity_id": pbx}})

        self.answers |= {"recordings.getStoredFile": file, "asterisk.getInfo": info}

    @property
    def downloads(self) -> int:
        return len(self.of("recordings.getStoredFile"))


@pytest_asyncio.fixture
async def asterisk() -> AsyncIterator[Asterisk]:
    async with Asterisk() as fake:
        fake.hands_out(SOUND)
        yield fake


@pytest.fixture
def app(stores: Stores, asterisk: Asterisk, tmp_path: Path) -> FastAPI:
    sounds = RecordingFiles(asterisk.settings(), tmp_path, most_kept=2 * len(SOUND))
    return create_web(Parts(stores=stores, settings=Settings(), clock=SYSTEM_CLOCK, sounds=sounds))


@pytest.fixture
def scene(pool: Pool) -> Scene:
    return Scene(pool)


@pytest.fixture
def listener(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.SUPERVISOR)


async def recorded(
    scene: Scene, *, calls: int = 1, account: str = "default", file: RecordingFile | None = FILE
) -> list[UUID]:
    """Talks, the newest first; looked at, where there is a file."""
    dialed = await scene.dialing(await scene.a_draft(calls, account=account, recording=True, name=f"of {account}"))
    await scene.nodes.note_pbx("one", PBX)
    attempts = []
    for ago in range(calls):
        call = await dialed.open_an_hour_ago()
        at = datetime.now(UTC) - timedelta(seconds=60 * (ago + 1))
        await scene.attempts.close_attempt(ended(call, Outcome.CONNECTED, ended_at=at, agent="PJSIP/1001"))
        if file:
            found = (await scene.recordings.of_attempt(call.id)).recording
            await scene.recordings.note_stored(found, file, keep_for=None)
        attempts.append(call.id)
    return attempts


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


# --- what is known ---------------------------------------------------------------------------------------------------


async def test_recordings_are_listed_page_by_page_the_newest_first(listener: httpx.AsyncClient, scene: Scene) -> None:
    attempts = [str(attempt) for attempt in await recorded(scene, calls=3)]
    campaign = (await listener.get(f"/api/v1/recordings/{attempts[0]}")).json()["campaign_id"]
    for of in ({}, {"campaign_id": campaign}):
        first = (await listener.get("/api/v1/recordings", params={**of, "limit": 2})).json()
        rest = (await listener.get("/api/v1/recordings", params={**of, "limit": 2, "after": first["next"]})).json()
        assert [each["attempt_id"] for each in first["items"] + rest["items"]] == attempts
        assert rest["next"] is None
    assert kind(await listener.get("/api/v1/recordings", params={"after": str(uuid4())})) == (404, "not-found")


async def test_recordings_are_found_by_state_and_time(listener: httpx.AsyncClient, scene: Scene) -> None:
    new, _ = await recorded(scene, calls=2)
    between = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    for only, many in (
        ({"since": between}, 1),
        ({"until": between}, 1),
        ({"state": "stored"}, 2),
        ({"state": "missing"}, 0),
    ):
        assert len((await listener.get("/api/v1/recordings", params=only)).json()["items"]) == many
    found = (await listener.get("/api/v1/recordings", params={"since": between})).json()["items"]
    assert [each["attempt_id"] for each in found] == [str(new)]
    for wrong in ({"state": "gone"}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}):
        assert (await listener.get("/api/v1/recordings", params=wrong)).status_code == 422


async def test_recordings_are_found_by_agent(listener: httpx.AsyncClient, scene: Scene) -> None:
    attempts = [str(attempt) for attempt in await recorded(scene, calls=3)]
    campaign = (await listener.get(f"/api/v1/recordings/{attempts[0]}")).json()["campaign_id"]
    await scene.pool.execute("UPDATE attempts SET agent = 'PJSIP/1002' WHERE id = $1", attempts[1])
    for wanted, found in (
        ({"agent": "PJSIP/1001"}, [attempts[0], attempts[2]]),
        ({"agent": "PJSIP/1001", "after": attempts[0]}, [attempts[2]]),
        ({"agent": "PJSIP/1002", "campaign_id": campaign}, [attempts[1]]),
        ({"agent": "PJSIP/1002", "state": "missing"}, []),
        ({"agent": "PJSIP/1003"}, []),
    ):
        page = (await listener.get("/api/v1/recordings", params=wanted)).json()
        assert [each["attempt_id"] for each in page["items"]] == found


async def test_what_is_known_of_a_recording_is_told(listener: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await recorded(scene)
    shown = (await listener.get(f"/api/v1/recordings/{attempt}")).json()
    assert (shown["state"], shown["playable"], shown["node"], shown["agent"]) == ("stored", True, "one", "PJSIP/1001")
    assert (shown["sha256"], shown["bytes"], shown["duration_s"]) == (FILE.sha256, FILE.bytes, FILE.duration_s)


async def test_recordings_of_another_account_are_not_there(owner: httpx.AsyncClient, scene: Scene) -> None:
    await scene.accounts.create("other")
    (attempt,) = await recorded(scene, account="other")
    for method, path in (("GET", ""), ("GET", "/content"), ("HEAD", "/content"), ("DELETE", "")):
        assert (await owner.request(method, f"/api/v1/recordings/{attempt}{path}")).status_code == 404
    assert (await owner.get("/api/v1/recordings")).json()["items"] == []


# --- the sound -------------------------------------------------------------------------------------------------------


async def test_the_sound_is_the_file_that_asterisk_wrote(listener: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await recorded(scene)
    path = f"/api/v1/recordings/{attempt}/content"
    whole = await listener.get(path)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, SOUND, "audio/wav")
    assert whole.headers["etag"] == f'"{FILE.sha256}"'
    assert whole.headers["content-disposition"] == f'attachment; filename="{attempt}.wav"'
    head = await listener.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(SOUND)))
    known = await listener.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("wanted", "part"), [("bytes=0-99", SOUND[:100]), ("bytes=100-", SOUND[100:]), ("bytes=-10", SOUND[-10:])]
)
async def test_a_part_of_the_sound_can_be_asked_for(
    listener: httpx.AsyncClient, scene: Scene, wanted: str, part: bytes
) -> None:
    (attempt,) = await recorded(scene)
    answer = await listener.get(f"/api/v1/recordings/{attempt}/content", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"].endswith(f"/{len(SOUND)}")


async def test_what_lies_behind_the_end_cannot_be_asked_for(listener: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await recorded(scene)
    answer = await listener.get(f"/api/v1/recordings/{attempt}/content", headers={"Range": "bytes=999999-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(SOUND)}")


async def test_who_jumps_to_and_fro_costs_asterisk_one_download(
    listener: httpx.AsyncClient, scene: Scene, asterisk: Asterisk, tmp_path: Path
) -> None:
    (attempt,) = await recorded(scene)
    for start in (0, 500, 100):
        await listener.get(f"/api/v1/recordings/{attempt}/content", headers={"Range": f"bytes={start}-"})
    assert asterisk.downloads == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"{FILE.sha256}.wav"]


async def test_only_the_last_ones_are_kept_here(
    listener: httpx.AsyncClient, scene: Scene, asterisk: Asterisk, tmp_path: Path
) -> None:
    attempts = await recorded(scene, calls=4)
    for n, attempt in enumerate(attempts):
        content = SOUND[:-1] + bytes([n])
        asterisk.hands_out(content)
        digest = hashlib.sha256(content).hexdigest()
        await scene.pool.execute("UPDATE recordings SET sha256 = $1 WHERE attempt_id = $2", digest, attempt)
        assert (await listener.get(f"/api/v1/recordings/{attempt}/content")).content == content
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_sound_that_was_changed_since_is_not_played(
    listener: httpx.AsyncClient, scene: Scene, asterisk: Asterisk, tmp_path: Path
) -> None:
    (attempt,) = await recorded(scene)
    asterisk.hands_out(SOUND[:-1] + b"\x01")
    refused = await listener.get(f"/api/v1/recordings/{attempt}/content")
    assert kind(refused) == (409, "no-sound")
    assert "checksum" in refused.json()["detail"]
    assert list(tmp_path.iterdir()) == []


async def test_a_recording_with_another_asterisk_is_told_to_be_there(
    listener: httpx.AsyncClient, scene: Scene, asterisk: Asterisk
) -> None:
    (attempt,) = await recorded(scene)
    asterisk.hands_out(SOUND, pbx="02:00:00:00:00:02")
    refused = await listener.get(f"/api/v1/recordings/{attempt}/content")
    assert kind(refused) == (409, "recording-elsewhere")
    assert "node one" in refused.json()["detail"]
    assert asterisk.downloads == 0


async def test_a_server_that_reaches_no_asterisk_says_so(
    app: FastAPI, stores: Stores, listener: httpx.AsyncClient, scene: Scene
) -> None:
    (attempt,) = await recorded(scene)
    app.state.parts = Parts(stores=stores, settings=Settings(), clock=SYSTEM_CLOCK)
    assert kind(await listener.get(f"/api/v1/recordings/{attempt}/content")) == (409, "recording-elsewhere")


async def test_the_trouble_with_asterisk_is_told(
    listener: httpx.AsyncClient, scene: Scene, asterisk: Asterisk, tmp_path: Path
) -> None:
    (attempt,) = await recorded(scene)
    path = f"/api/v1/recordings/{attempt}/content"
    for status, told in ((404, (409, "no-sound")), (500, (503, "asterisk-unavailable"))):
        asterisk.answers["recordings.getStoredFile"] = refusal(status, "Recording not found")
        assert kind(await listener.get(path)) == told
    asterisk.booting = 503
    assert kind(await listener.get(path)) == (503, "asterisk-unavailable")
    assert list(tmp_path.iterdir()) == []


async def test_a_recording_that_was_not_found_yet_cannot_be_heard(listener: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await recorded(scene, file=None)
    assert kind(await listener.get(f"/api/v1/recordings/{attempt}/content")) == (409, "no-sound")


# --- deleting --------------------------------------------------------------------------------------------------------


async def test_a_recording_that_is_deleted_is_not_played_any_more_and_its_node_deletes_it(
    owner: httpx.AsyncClient, scene: Scene
) -> None:
    (attempt,) = await recorded(scene)
    gone = await owner.delete(f"/api/v1/recordings/{attempt}")
    assert (gone.status_code, gone.json()["playable"], gone.json()["state"]) == (202, False, "stored")
    assert kind(await owner.get(f"/api/v1/recordings/{attempt}/content")) == (409, "no-sound")
    (to_delete,) = await scene.recordings.to_delete("one", most=10)
    await scene.recordings.note_deleted(to_delete)
    again = await owner.delete(f"/api/v1/recordings/{attempt}")
    assert (again.status_code, again.json()["state"]) == (202, "deleted")


async def test_one_that_was_not_looked_for_yet_is_deleted_once_it_is_found(
    owner: httpx.AsyncClient, scene: Scene
) -> None:
    (attempt,) = await recorded(scene, file=None)
    assert (await owner.delete(f"/api/v1/recordings/{attempt}")).status_code == 202
    found = await scene.recordings.of_attempt(attempt)
    assert found.state is RecordingState.PENDING
    await scene.recordings.note_stored(found.recording, FILE, keep_for=timedelta(days=90))
    assert [each.attempt_id for each in await scene.recordings.to_delete("one", most=10)] == [attempt]


async def test_a_supervisor_listens_and_deletes_nothing(
    listener: httpx.AsyncClient, client_of: ClientOf, scene: Scene
) -> None:
    (attempt,) = await recorded(scene)
    assert kind(await listener.delete(f"/api/v1/recordings/{attempt}")) == (403, "not-permitted")
    looks = client_of(Role.READ_ONLY)
    assert kind(await looks.get(f"/api/v1/recordings/{attempt}/content")) == (403, "not-permitted")
