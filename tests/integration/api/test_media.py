"""Sounds that people bring along, over REST."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.domain.media import LARGEST_UPLOAD, Sound
from dialerd.domain.roles import Role
from dialerd.settings import MediaSettings, Settings
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf
from tests.integration.store.scene import Stores as Scene
from tests.sounds import NAME, a_file, heard_in

pytestmark = pytest.mark.integration

MENU = {"nodes": {"start": {"prompt": "dialerd-media/1/ask", "choices": {"1": {"action": "end"}}}}}


@pytest.fixture
def app(stores: Stores) -> FastAPI:
    settings = Settings(media=MediaSettings(folder=Path("/nowhere/dialerd-media")))
    return create_web(Parts(stores=stores, settings=settings, clock=SYSTEM_CLOCK))


@pytest.fixture
def scene(pool: Pool) -> Scene:
    return Scene(pool)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def uploaded(owner: httpx.AsyncClient, name: str = "ask", what: str = "mp3") -> httpx.Response:
    return await owner.put(f"/api/v1/media/{name}", content=a_file(what))


async def test_a_sound_is_uploaded_listed_heard_and_removed(owner: httpx.AsyncClient, tmp_path: Path) -> None:
    new = await uploaded(owner)
    assert (new.status_code, new.json()["sound"]) == (201, "dialerd-media/1/ask")
    assert (new.json()["uploaded_by"], new.json()["notes"], new.json()["present"]) == ("token owner", [], None)
    assert (await owner.get("/api/v1/media/ask")).json() == new.json()
    heard = await owner.get("/api/v1/media/ask/content")
    assert (heard.headers["content-type"], heard.headers["etag"]) == ("audio/wav", new.headers["etag"])
    assert heard_in(heard.content, tmp_path) == [NAME]
    assert (await owner.delete("/api/v1/media/ask")).status_code == 204
    assert (
        kind(await owner.get("/api/v1/media/ask"))
        == kind(await owner.delete("/api/v1/media/ask"))
        == (404, "not-found")
    )


async def test_another_sound_takes_the_place_of_the_one_of_its_name(owner: httpx.AsyncClient) -> None:
    first, second = await uploaded(owner), await uploaded(owner, what="ogg")
    assert (second.status_code, second.headers["etag"] != first.headers["etag"]) == (200, True)
    assert len((await owner.get("/api/v1/media")).json()["items"]) == 1


async def test_sounds_are_listed_page_by_page(owner: httpx.AsyncClient) -> None:
    for name in ("b", "a", "C"):
        await uploaded(owner, name, "wav")
    first = (await owner.get("/api/v1/media?limit=2")).json()
    rest = (await owner.get("/api/v1/media", params={"limit": 2, "after": first["next"]})).json()
    assert [each["name"] for each in first["items"] + rest["items"]] == ["C", "a", "b"]


async def test_whether_asterisk_has_it_is_told_once_a_daemon_has_looked(owner: httpx.AsyncClient, scene: Scene) -> None:
    await uploaded(owner)
    assert "dialerd-media/1/ask" in await scene.sounds.named()
    for present in (False, True):
        await scene.sounds.note({"dialerd-media/1/ask": present})
        assert (await owner.get("/api/v1/media/ask")).json()["present"] is present
    await uploaded(owner, what="ogg")
    assert (await owner.get("/api/v1/media/ask")).json()["present"] is None


async def test_what_is_no_sound_is_refused_with_the_reason(owner: httpx.AsyncClient) -> None:
    refused = await owner.put("/api/v1/media/ask", content=b"a letter")
    assert kind(refused) == (422, "invalid-medium")
    assert "send WAV, MP3, FLAC or Ogg Vorbis" in refused.json()["detail"]
    for nonsense in ("a%00b", "a%2Fb", "-a", "x" * 41, "ä"):
        assert (await owner.put(f"/api/v1/media/{nonsense}", content=a_file("wav"))).status_code in (404, 422)
    assert (await owner.get("/api/v1/media")).json()["items"] == []


async def test_a_file_that_is_too_large_is_refused_before_it_is_read(owner: httpx.AsyncClient) -> None:
    told = {"Content-Length": str(LARGEST_UPLOAD + 1)}
    assert (await owner.put("/api/v1/media/ask", content=b"", headers=told)).status_code == 413


async def test_where_nobody_places_sounds_none_can_be_uploaded(
    app: FastAPI, owner: httpx.AsyncClient, stores: Stores
) -> None:
    app.state.parts = Parts(stores=stores, settings=Settings(), clock=SYSTEM_CLOCK)
    refused = await uploaded(owner)
    assert kind(refused) == (409, "media-off")
    assert "media.folder" in refused.json()["detail"]


async def test_a_sound_that_a_campaign_or_a_menu_plays_is_not_removed(owner: httpx.AsyncClient, scene: Scene) -> None:
    await uploaded(owner)
    await owner.put("/api/v1/menus/appointment", json=MENU)
    greets = await scene.a_draft(name="greets", greeting="dialerd-media/1/ask")
    refused = await owner.delete("/api/v1/media/ask")
    assert kind(refused) == (409, "in-use")
    assert [problem.partition(" plays")[0] for problem in refused.json()["problems"]] == [
        "campaign greets",
        "menu appointment",
    ]
    await owner.delete("/api/v1/menus/appointment")
    await scene.pool.execute("UPDATE campaigns SET greeting = '' WHERE id = $1", greets.id)
    assert (await owner.delete("/api/v1/media/ask")).status_code == 204


async def test_each_account_has_sounds_of_its_own(owner: httpx.AsyncClient, stores: Stores) -> None:
    other = await stores.accounts.create("other")
    theirs = Sound(content=a_file("wav"), duration_s=0.6, sha256="ab" * 32)
    await stores.media.put(other.id, "ask", theirs, by="test")
    assert (await stores.media.get(other.id, "ask")).sound == f"dialerd-media/{other.id}/ask"
    assert kind(await owner.get("/api/v1/media/ask/content")) == (404, "not-found")
    assert kind(await owner.delete("/api/v1/media/ask")) == (404, "not-found")
    assert (await owner.get("/api/v1/media")).json()["items"] == []


async def test_a_supervisor_hears_and_changes_nothing(client_of: ClientOf, owner: httpx.AsyncClient) -> None:
    await uploaded(owner)
    supervisor = client_of(Role.SUPERVISOR)
    assert (await supervisor.get("/api/v1/media/ask/content")).status_code == 200
    assert kind(await uploaded(supervisor)) == (403, "not-permitted")
    assert kind(await supervisor.delete("/api/v1/media/ask")) == (403, "not-permitted")


async def test_who_uploaded_what_is_in_the_audit_log(owner: httpx.AsyncClient, pool: Pool) -> None:
    new = await uploaded(owner)
    row = await pool.fetchrow("SELECT * FROM audit_log WHERE action LIKE 'PUT %media%'")
    assert row is not None
    assert (row["actor"], row["status"], row["details"]) == ("token owner", 201, {"sha256": new.json()["sha256"]})
