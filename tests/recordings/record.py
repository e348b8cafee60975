"""Makes the recordings beside this file anew: what Asterisk's manager interface says, byte for byte, during whole calls.

Usage: python -m tests.recordings.record. Brings the laboratory up; every number in it is fictional. It records the
classes that the daemon reads, without the filter of the daemon's login: a superset of what the daemon is told.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.lab import LAB_LOGIN, Ami, Lab, StasisApp, dial_lead, hunt

FOLDER = Path(__file__).parent
AGENT = "1010"
QUEUE = "q1"
CALLER = "442079460101"

Story = Callable[[Lab, Ami], Awaitable[None]]


async def answered_lead_with_hunt_and_bridge(lab: Lab, ami: Ami) -> None:
    lead_number = "12025550100"
    async with StasisApp.connected(lab.ari_url) as app:
        attempt = await dial_lead(ami, lead_number, queue=QUEUE)
        lead_channel = (await app.next("StasisStart"))["channel"]["name"]
        near = await hunt(ami, QUEUE, attempt, lead_channel=lead_channel, lead_number=lead_number)
        await app.next("StasisStart")
        await app.post(f"bridges/{attempt}", type="mixing")
        await app.post(f"bridges/{attempt}/addChannel", channel=f"{attempt},{near}", inhibitConnectedLineUpdates="true")
        await app.post(f"channels/{attempt}/variable", variable="TIMEOUT(absolute)", value="0")
        await lab.wait_for(lambda: lab.calls("lead"))
        await ami.act("Hangup", Channel=near, Cause="16")


async def busy(lab: Lab, ami: Ami) -> None:
    await dial_lead(ami, "12025550150")
    await lab.wait_for(lambda: lab.calls("lead"))


async def ring_timeout(lab: Lab, ami: Ami) -> None:
    await dial_lead(ami, "12025550160", ring_timeout_s=2)
    await lab.wait_for(lambda: lab.calls("lead"))


async def caller_joins_and_leaves_queue(lab: Lab, ami: Ami) -> None:
    await lab.agent_behaviour(AGENT, "ignore")
    await lab.call_in(QUEUE, CALLER, patience_s=1)
    await lab.wait_for(lambda: lab.calls("inbound"))


async def hunt_cancelled(lab: Lab, ami: Ami) -> None:
    await lab.agent_behaviour(AGENT, "ignore")
    near = await hunt(
        ami, QUEUE, "3f0c7b5e-54b7-4f0a-9f53-1d3f6f1f2a10", lead_channel="none", lead_number="12025550100"
    )
    await lab.wait_for(lambda: has(ami, "AgentCalled"))
    await ami.act("Hangup", Channel=near)
    await lab.wait_for(lambda: lab.calls("agent"))


async def agent_rejects_then_hunt_runs_out(lab: Lab, ami: Ami) -> None:
    await lab.agent_behaviour(AGENT, "reject")
    attempt = "3f0c7b5e-54b7-4f0a-9f53-1d3f6f1f2a11"
    await hunt(ami, QUEUE, attempt, lead_channel="none", lead_number="12025550100", timeout_s=2)
    await lab.wait_for(lambda: has(ami, "UserEvent"))


async def daemon_away(lab: Lab, ami: Ami) -> None:
    await dial_lead(ami, "12025550100", queue=QUEUE)
    await lab.wait_for(lambda: lab.calls("lead"))


def has(ami: Ami, event: str) -> bool:
    return any(seen["Event"] == event for seen in ami.events)


STORIES: tuple[Story, ...] = (
    answered_lead_with_hunt_and_bridge,
    busy,
    ring_timeout,
    caller_joins_and_leaves_queue,
    hunt_cancelled,
    agent_rejects_then_hunt_runs_out,
    daemon_away,
)


async def record(lab: Lab, story: Story) -> None:
    await lab.reset()
    await lab.set_fates(ring_s=(0.3, 0.3), talk_s=(1, 1), voice=False)
    await lab.set_agents(ring_s=(0.4, 0.4))
    await lab.queue_add(QUEUE, AGENT)
    name = story.__name__.replace("_", "-")
    with (FOLDER / f"{name}.ami").open("wb") as copy:
        ami = await Ami.connect(lab.pbx_address, LAB_LOGIN, copy=copy)
        await story(lab, ami)
        await lab.hang_up_everything()
        await ami.act("QueueStatus", Queue=QUEUE)  # everything of before has arrived when this is answered
        await ami.close()
    print(name, len(ami.events), "events")


async def main() -> None:
    async with Lab.running() as lab:
        for story in STORIES:
            await record(lab, story)
        await lab.reset()


if __name__ == "__main__":
    asyncio.run(main())
