"""A campaign of each kind is built, run, watched and exported through one door alone: the REST API, or the command line."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.acceptance.desk import BUSY, PERSON, QUEUE, Desk, some
from tests.acceptance.doors import Door, by_command, by_rest
from tests.daemon import Daemon
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

AGENT = "1010"
NAME = "spring"
USUAL = {"calls_per_second": 5, "concurrency": 5, "max_attempts": 1, "ring_timeout_s": 10, "caller_id_enabled": False}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "progressive": {"queue": QUEUE, "recording": True},
    "preview": {"queue": QUEUE, "dial_mode": "preview", "preview_order": "accept_first"},
    "agent_first": {"queue": QUEUE, "dial_mode": "agent_first"},
    "menu": {"target": "menu", "menu": "confirm"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("through", [by_rest, by_command], ids=["rest", "command"])
async def test_a_campaign_of_each_kind_is_built_run_watched_and_exported_through_one_door(
    desk: Desk, lab: Lab, through: Callable[[Daemon], AbstractAsyncContextManager[Door]], kind: str
) -> None:
    await desk.staff(AGENT)
    await lab.set_fates(talk_s=(6, 6))
    answers, busy = some(2, [PERSON[0], BUSY[0]])
    await lab.set_keys(answers, [(1.0, "1")])
    async with through(desk.daemon) as door:
        if kind == "menu":
            await door.put_menu("confirm", "lab-menu/main", {"1": "confirmed", "2": "cancelled"})
        await door.create(NAME, {**USUAL, **KINDS[kind]})
        leads = [
            {"number": number, "priority": 0, "first_name": name} for number, name in ((answers, "Ada"), (busy, "Ben"))
        ]
        assert await door.add_leads(NAME, leads) == 2
        await door.act(NAME, "start")
        await work(desk, door, by_card=kind == "preview")
        states = {row["number"]: row["dialerd_state"] for row in await door.leads(NAME)}
        calls = {row["number"]: row for row in await door.calls(NAME)}
        assert states == {answers: "success", busy: "failed"}
        assert (calls[answers]["outcome"], calls[busy]["outcome"]) == (
            "menu_choice" if kind == "menu" else "connected",
            "busy",
        )
        if kind == "menu":
            assert calls[answers]["menu_result"] == "confirmed"
        else:
            assert desk.talk_of(answers) > 1
        if KINDS[kind].get("recording"):
            await desk.until_recording_is(answers, "stored")
            assert (await door.recording(calls[answers]["attempt_id"]))[:4] == b"RIFF"
    assert sorted(desk.dialed()) == sorted([answers, busy])


async def work(desk: Desk, door: Door, *, by_card: bool) -> None:
    """Watch until the campaign is completed; take every card meanwhile."""

    async def is_completed() -> bool:
        if by_card and await door.card_of(AGENT) is not None:
            await door.accept(AGENT)
        return await door.status(NAME) == "completed"

    await desk.lab.wait_for(is_completed, 100)
    await desk.until_silent()
