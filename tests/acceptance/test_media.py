"""A sound that somebody uploads is what the lead hears; and a recording is heard, and deleted, over REST."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from dialerd import web
from dialerd.domain.roles import Role
from dialerd.metrics import new_registry
from dialerd.settings import AriSettings, MediaSettings, Settings
from dialerd.store.pool import Pool
from dialerd.store.users import UserStore
from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import PERSON, Desk, some
from tests.daemon import Daemon
from tests.heard import voice_of_agent, voice_of_lead
from tests.lab import DIALERD_ARI_LOGIN, Lab
from tests.sounds import NAME, a_file

pytestmark = pytest.mark.acceptance


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
async def owner(lab: Lab, database: str, pool: Pool, daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """At a web server of its own, once the daemon has made the tables."""
    secret, _ = await UserStore(pool).create_token(1, "owner", role=Role.OWNER, created_by="test", agent="")
    user, password = DIALERD_ARI_LOGIN
    settings = Settings(
        ari=AriSettings(base_url=f"http://{lab.pbx_address}:8088", user=user, password=SecretStr(password)),
        media=MediaSettings(folder=folder_of(lab)),
    )
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        web.opened(settings, database, new_registry()) as app,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://dialerd.test", headers=headers
        ) as client,
    ):
        yield client


@pytest.mark.parametrize("kind", ["mp3", "wav"])
async def test_a_lead_who_waits_hears_the_greeting_that_was_uploaded(
    desk: Desk, lab: Lab, owner: httpx.AsyncClient, kind: str
) -> None:
    uploaded = (await owner.put("/api/v1/media/one-moment", content=a_file(kind))).json()
    await lab.wait_for(lambda: _is_present(owner, "one-moment"), 60)
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
    desk: Desk, lab: Lab, owner: httpx.AsyncClient
) -> None:
    for name in ("one", "two"):
        await owner.put(f"/api/v1/media/{name}", content=a_file("ogg"))
    await lab.wait_for(lambda: placed(lab) == ["1/one.wav", "1/two.wav"], 60)
    await desk.daemon.stop()
    for path in placed(lab):
        (folder_of(lab) / path).unlink()
    await desk.daemon.start()
    await lab.wait_for(lambda: placed(lab) == ["1/one.wav", "1/two.wav"], 60)
    assert (await owner.delete("/api/v1/media/one")).status_code == 204
    await lab.wait_for(lambda: placed(lab) == ["1/two.wav"], 60)
    assert await desk.cli("media", "remove", "two")
    await lab.wait_for(lambda: placed(lab) == [], 60)


async def test_a_recording_is_heard_and_deleted_over_rest(desk: Desk, lab: Lab, owner: httpx.AsyncClient) -> None:
    await desk.staff("1010")
    await lab.set_agents(talking=True)
    await lab.set_fates(talk_s=(3, 3), voice="talk")
    [number] = some(1, PERSON)
    await desk.dial([number], recording=True)
    row = await desk.until_recording_is(number, "stored")
    path = f"/api/v1/recordings/{row['attempt_id']}"
    whole = (await owner.get(f"{path}/content")).content
    assert whole == await desk.recorded(row["name"])
    assert set(desk.voices_in(whole)) == {voice_of_lead(number), voice_of_agent("1010")}
    part = await owner.get(f"{path}/content", headers={"Range": "bytes=44-1043"})
    assert (part.status_code, part.content) == (206, whole[44:1044])
    file = desk.file("fetched.wav")
    await desk.cli("recordings", "get", str(row["attempt_id"]), str(file))
    assert file.read_bytes() == whole
    assert (await owner.delete(path)).status_code == 202
    assert (await owner.get(f"{path}/content")).status_code == 409
    await desk.until_recording_is(number, "deleted")
    assert await desk.recorded(row["name"]) == b""


async def _is_present(owner: httpx.AsyncClient, name: str) -> bool:
    return (await owner.get(f"/api/v1/media/{name}")).json()["present"] is True
