"""The activity report, the page of one call, and recordings."""

import wave
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from nicegui.testing import User

from dialerd.api.parts import Parts
from dialerd.domain.recordings import RecordingFile, RecordingPlace
from dialerd.store.pool import Pool
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import confirm, field, press, put, rows, told_at, until
from tests.portal.scene import Scene
from tests.portal.server import parts_over

SOUND_S = 20


class Sounds:
    """What Asterisk would have: silence."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(16_000 * SOUND_S))

    async def recording(self, place: RecordingPlace, file: RecordingFile) -> Path:
        return self._path


@pytest.fixture
def parts(pool: Pool, tmp_path: Path) -> Parts:
    return replace(parts_over(pool), sounds=Sounds(tmp_path / "sound.wav"))


def _export(user: User, text: str) -> dict[str, list[str]]:
    """What the link downloads, by its address."""
    with user:
        (label,) = user.find(text).elements
        link = label.parent_slot.parent if label.parent_slot else label
        return parse_qs(urlsplit(str(link.props["href"])).query)


async def test_calls_are_told_from_the_cradle_to_the_grave(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/activity?campaign_id={scene.completed}&outcome=connected")
    calls = rows(olga, "campaign", "result", "agent", "ring", "talk", "wait", "agent_ring")
    assert {call[:2] for call in calls} == {("Spring lead qualification, batch 1", "Connected")}
    assert {call[3:] for call in calls} == {("0:05", "1:27", "0:02 met", "0:01 met")}
    agents = {call[2] for call in calls}
    assert {"Anna (PJSIP/1001)", "Agent 1002 (PJSIP/1002)"} <= agents
    asked = _export(olga, "These calls as CSV")
    assert asked == {"campaign_id": [str(scene.completed)], "outcome": ["connected"]}
    put(olga, "Dial result", "abandoned")
    await until(lambda: rows(olga, "result") == [], "in this campaign nobody was abandoned")
    put(olga, "Campaign", str(scene.running))
    await until(lambda: {result for (result,) in rows(olga, "result")} == {"Abandoned"}, "in that one some were")
    assert set(rows(olga, "wait", "agent_ring")) == {("0:14 missed", "")}


async def test_calls_are_found_by_agent_number_and_time(user_of: UserOf, scene: Scene, parts: Parts) -> None:
    number = (await parts.stores.leads.get(scene.lead)).lead.number
    sue = await user_of("sue")
    await sue.open("/activity")
    put(sue, "Agent", "1002")
    await press(sue, "Search")
    await until(
        lambda: {agent for (agent,) in rows(sue, "agent")} == {"Agent 1002 (PJSIP/1002)"}, "an extension alone will do"
    )
    put(sue, "Agent", "")
    put(sue, "Number", f"{number[:5]} {number[5:]}")
    await press(sue, "Search")
    await until(lambda: rows(sue, "number") == [(number,)], "spaces between digits do no harm")
    put(sue, "Before", "2020-01-01T00:00")
    await press(sue, "Search")
    await until(lambda: rows(sue, "number") == [], "nobody was called then")
    put(sue, "Number", "seven")
    await press(sue, "Search")
    await until(lambda: told_at(sue, "Number").startswith("Write a whole number"), "it is said")
    assert field(sue, "Before").error is None


async def test_a_call_shows_its_moments_its_agent_and_its_recording(user_of: UserOf, scene: Scene) -> None:
    sue = await user_of("sue")
    await sue.open(f"/activity/{scene.attempt}")
    for text in ("Connected", "Begun: attempt 1 of this lead", "The lead picked up", "Customer first", "Stored · 1:27"):
        await sue.should_see(text)
    await sue.should_see("Download")
    await sue.should_not_see("Delete")


async def test_recordings_are_narrowed_and_deleted_by_whom_that_is_permitted(
    user_of: UserOf, scene: Scene, parts: Parts, pool: Pool
) -> None:
    await pool.execute(
        "UPDATE recordings SET state = 'missing', duration_s = NULL WHERE attempt_id = $1", scene.attempt
    )
    adam = await user_of("adam")
    await adam.open(f"/recordings?campaign_id={scene.running}")
    found = rows(adam, "campaign", "sound", "delete")
    assert {campaign for campaign, *_ in found} == {"Summer offer"}
    assert [row for row in found if row[1] == "Asterisk has none"] == [("Summer offer", "Asterisk has none", "")]
    agent = next(agent for agent, word in rows(adam, "agent", "delete") if word)
    put(adam, "Agent", agent)
    await press(adam, "Search")
    await until(lambda: {agent for (agent,) in rows(adam, "agent")} == {agent}, "those of one agent")
    put(adam, "State", "missing")
    await until(lambda: {sound for (sound,) in rows(adam, "sound")} <= {"Asterisk has none"}, "those that are missing")
    sue = await user_of("sue")
    await sue.open("/recordings")
    assert rows(sue, "sound")
    assert not rows(sue, "delete")


async def test_a_deleted_recording_is_not_to_be_heard_any_more(user_of: UserOf, scene: Scene, parts: Parts) -> None:
    adam = await user_of("adam")
    await adam.open(f"/activity/{scene.attempt}")
    await press(adam, "Delete")
    await adam.should_see("It does not come back")
    await confirm(adam, "Delete")
    await adam.should_see("Its time is over: it is being deleted.")
    assert not (await parts.stores.recordings.of_attempt(scene.attempt)).is_playable
    await adam.should_not_see("Download")


async def test_in_a_browser_a_recording_is_played_from_the_middle(page_of: PageOf, address: str, scene: Scene) -> None:
    page = await page_of("sue")
    await page.goto(f"{address}/recordings?campaign_id={scene.running}")
    await settled(page)
    player = page.locator("audio").first
    await player.wait_for()
    reached = await player.evaluate(
        """async (audio) => {
            const told = (name) => new Promise((resolve) => audio.addEventListener(name, resolve, {once: true}));
            audio.muted = true;
            const known = told('loadedmetadata');
            audio.load();
            audio.play();
            await known;
            const sought = told('seeked');
            audio.currentTime = 12;
            await sought;
            return [audio.duration, audio.currentTime];
        }"""
    )
    assert reached[0] == SOUND_S
    assert reached[1] >= 12
