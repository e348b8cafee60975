"""Agents who log in, pause and go on: asked for over REST and by command, seen in Asterisk, and felt by calls."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import PATIENCE_S, PERSON, QUEUE, Desk, some
from tests.acceptance.doors import web_of
from tests.daemon import CommandFailed
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

Web = aiohttp.ClientSession
Told = Mapping[str, Any]


@pytest_asyncio.fixture
async def web(desk: Desk) -> AsyncIterator[Web]:
    async with web_of(desk.daemon) as web:
        yield web


async def wish(web: Web, lab: Lab, agent: str, **wished: str) -> Told:
    """What has become of it."""
    address = f"/api/v1/agents/{agent}/presence"
    async with web.post(address, json=wished) as answer:
        assert answer.status == 202, await answer.text()
        made = await answer.json()

    async def carried_out() -> list[Told]:
        async with web.get(address) as answer:
            last = (await answer.json())["last_wish"]
        assert last["id"] == made["id"]
        return [last] if last["state"] != "waiting" else []

    [last] = await lab.wait_for(carried_out, PATIENCE_S)
    return last


async def seat(web: Web, agent: str, queue: str = QUEUE) -> Told:
    async with web.get(f"/api/v1/agents/{agent}/presence") as answer:
        told = await answer.json()
    return next(each for each in told["queues"] if each["queue"] == queue)


async def until_seat_is(web: Web, lab: Lab, agent: str, **wanted: object) -> None:
    async def is_so() -> bool:
        return wanted.items() <= (await seat(web, agent)).items()

    await lab.wait_for(is_so, PATIENCE_S)


async def test_who_pauses_with_a_reason_is_not_rung_and_who_goes_on_gets_the_call(
    desk: Desk, lab: Lab, web: Web
) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, PERSON)
    campaign = await desk.campaign([number])
    await desk.until_queues_are_known()
    done = await wish(web, lab, "1010", action="pause", reason="Lunch")
    assert (done["state"], done["refused"], done["by"]) == ("done", "", "token test")
    assert "paused:Lunch" in await lab.pbx_command(f"queue show {QUEUE}")
    await until_seat_is(web, lab, "1010", member=True, fixed=False, paused=True, pause_reason="Lunch")
    await desk.start(campaign)
    await desk.until_held(campaign, "no_free_agent")
    assert lab.calls() == [], "neither the lead nor the agent is rung"
    assert (await wish(web, lab, "1010", action="unpause"))["state"] == "done"
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert [leg.dialed for leg in desk.agent_legs_for(number)] == ["1010"]
    await until_seat_is(web, lab, "1010", paused=False, pause_reason="", calls_taken=1)
    await desk.judge(campaign, agents=agents)


async def test_who_logs_in_gets_calls_and_who_logs_out_gets_no_more(desk: Desk, lab: Lab, web: Web) -> None:
    first, second = some(2, PERSON)
    campaign, other = await desk.campaign([first]), await desk.campaign([second], name="other")
    await desk.until_queues_are_known()
    await desk.start(campaign)
    await desk.until_held(campaign, "no_free_agent")
    assert (await wish(web, lab, "1011", action="login", queue=QUEUE))["state"] == "done"
    await desk.until_completed(campaign)
    assert [leg.dialed for leg in desk.agent_legs_for(first)] == ["1011"]
    assert (await wish(web, lab, "1011", action="logout"))["state"] == "done"
    assert await lab.queue_members(QUEUE) == []
    await until_seat_is(web, lab, "1011", member=False)
    await desk.start(other)
    await desk.until_held(other, "no_free_agent")
    assert desk.calls_to(second) == []
    await desk.judge(campaign, agents=["1011"])


async def test_a_fixed_member_cannot_log_out_and_is_told_to_pause(desk: Desk, lab: Lab) -> None:
    await desk.campaign([], queue="sales")
    await desk.until_queues_are_known()
    with pytest.raises(CommandFailed, match="PJSIP/1001 is a fixed member of sales: pause instead"):
        await desk.cli("agent", "logout", "1001")
    assert "pause (Break), all queues: done" in await desk.cli("agent", "pause", "1001", "--reason", "Break")
    [anna] = [member for member in await lab.queue_members("sales") if member.extension == "1001"]
    assert anna.paused
    assert "all queues: done" in await desk.cli("agent", "unpause", "1001")


async def test_who_is_in_no_queue_cannot_pause(desk: Desk) -> None:
    await desk.campaign([])
    await desk.until_queues_are_known()
    with pytest.raises(CommandFailed, match=f"PJSIP/1010 is not in {QUEUE}: log in first"):
        await desk.cli("agent", "pause", "1010")
