"""Inbound callers come first, and nothing is dialed for which no agent is free (law L4)."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from dialerd.domain.pacing import HoldReason
from tests.acceptance.desk import BUSY, QUEUE, Desk, some
from tests.lab import Lab, LabError

pytestmark = pytest.mark.acceptance

CALLER = "442079460101"


async def test_while_a_caller_waits_no_call_starts_though_an_agent_is_free(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.agent_behaviour("1010", "ignore")
    campaign = await desk.dial(some(30, BUSY), calls_per_second=3)
    await desk.until_seen(1)
    await lab.call_in(QUEUE, CALLER, talk_s=3)
    await desk.until_held(campaign, HoldReason.CALLER_WAITING)
    assert "a caller is waiting in the bound queue" in await desk.explained()
    [status] = json.loads(await desk.cli("status", "--json"))
    assert status["hold_sentence"].startswith("a caller is waiting")
    seen = len(lab.calls("lead"))
    await lab.agent_behaviour("1010", "answer")
    await desk.end_ringing_in_vain(until=lambda: is_served(lab))
    await desk.until_seen(seen + 3)
    [caller] = await desk.until_seen(1, "inbound")
    assert caller.hung_up_by == "far_end"  # served, and not sent away
    await desk.until_completed(campaign)
    await desk.judge(campaign, agents=agents)


async def is_served(lab: Lab) -> bool:
    return not await lab.callers_waiting(QUEUE)


async def pause_all(lab: Lab) -> None:
    await lab.queue_pause(QUEUE, "1010", reason="lunch")


async def unpause_all(lab: Lab) -> None:
    await lab.queue_pause(QUEUE, "1010", paused=False)


async def log_out(lab: Lab) -> None:
    await lab.queue_remove(QUEUE, "1010")


async def log_in(lab: Lab) -> None:
    await lab.queue_add(QUEUE, "1010")


async def keep_busy(lab: Lab) -> None:
    await lab.call_in(QUEUE, CALLER, talk_s=60)


async def end_the_talk(lab: Lab) -> None:
    """Only the caller and the agent are on the line."""
    for channel in await lab.channels():
        with suppress(LabError):  # one leg takes the other with it
            await lab.pbx.act("Hangup", Channel=channel["Channel"])


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [
        pytest.param(pause_all, unpause_all, id="paused"),
        pytest.param(log_out, log_in, id="logged out"),
        pytest.param(keep_busy, end_the_talk, id="busy"),
    ],
)
async def test_without_a_free_agent_no_call_starts_and_with_one_again_dialing_goes_on(
    desk: Desk, lab: Lab, leave: Callable[[Lab], Awaitable[None]], come_back: Callable[[Lab], Awaitable[None]]
) -> None:
    agents = await desk.staff("1010")
    campaign = await desk.dial(some(12, BUSY), calls_per_second=3)
    await desk.until_seen(1)
    await leave(lab)
    await desk.until_held(campaign, HoldReason.NO_FREE_AGENT)
    assert "no agent of the bound queue is free" in await desk.explained()
    seen = len(lab.calls("lead"))
    assert seen < 12
    await come_back(lab)
    await desk.until_completed(campaign)
    assert len(lab.calls("lead")) == 12
    await desk.judge(campaign, agents=agents)


async def test_a_queue_that_asterisk_does_not_know_is_told_and_not_dialed_for(desk: Desk, lab: Lab) -> None:
    campaign = await desk.dial(some(2, BUSY), queue="no-such-queue")
    await desk.until_held(campaign, HoldReason.QUEUE_UNKNOWN)
    assert "Asterisk does not know the bound queue" in await desk.explained()
    assert lab.calls("lead") == []


async def test_no_more_calls_are_on_their_way_than_agents_are_free(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(ring_s=(1, 1.5), talk_s=(3, 3))
    agents = await desk.staff("1010", "1011")
    campaign = await desk.dial(some(8, range(50)))
    await desk.until_completed(campaign)
    assert all(desk.talk_of(number) > 0 for number in await desk.leads(campaign))
    await desk.judge(campaign, agents=agents)
