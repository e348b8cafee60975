"""The highest rate of calls that a bare AMI loop and dialerd hold: who is busy costs neither of them an agent, only the dialing."""

import asyncio
import math
from collections.abc import Sequence
from itertools import islice
from uuid import uuid4

from tests.daemon import Daemon
from tests.lab import DIALERD_AMI_LOGIN, Ami, FarEndCall, Lab
from tests.numbers import numbers

RATES = (20, 50, 100, 150, 200, 250, 300)
SECONDS = 8
PER_CAMPAIGN = 20
QUEUES = 8
AGENTS_PER_QUEUE = 14
BUSY = range(50, 60)
ENOUGH = 0.99


async def measure_rates(lab: Lab, daemon: Daemon) -> dict[str, object]:
    await _staff(lab)
    bare = {rate: await _bare(lab, rate) for rate in RATES}
    used_s = daemon.cpu_s()
    ours = {rate: await _dialerd(lab, daemon, rate) for rate in RATES}
    calls = sum(rate * SECONDS for rate in RATES)
    held, best = _highest(ours), _highest(bare)
    return {
        "bare_loop_share_set_up": bare,
        "dialerd_share_set_up": ours,
        "bare_loop_highest_rate": best,
        "dialerd_highest_rate": held,
        "ratio": round(held / best, 2) if best else None,
        "daemon_cpu_ms_per_call": round((daemon.cpu_s() - used_s) / calls * 1000, 2),
    }


def _highest(shares: dict[int, float]) -> int:
    """The highest rate up to which every rate was held."""
    held = 0
    for rate, share in shares.items():
        if share < ENOUGH:
            break
        held = rate
    return held


async def _staff(lab: Lab) -> None:
    for index in range(QUEUES * AGENTS_PER_QUEUE):
        await lab.queue_add(f"q{index % QUEUES + 1}", str(1001 + index))


def _share(lists: Sequence[Sequence[str]], calls: Sequence[FarEndCall]) -> float:
    """What part of the calls the far end saw in their time: each list's begins with its first call, for campaigns do not start in the
    same instant."""
    invited = {call.dialed: call.invite for call in calls}
    in_time = 0
    for numbers_of_list in lists:
        seen = [invited[number[1:]] for number in numbers_of_list if number[1:] in invited]
        in_time += sum((moment - min(seen)).total_seconds() <= SECONDS for moment in seen)
    return round(in_time / sum(map(len, lists)), 4)


async def _bare(lab: Lab, rate: int) -> float:
    lab.forget_calls()
    ami = await Ami.connect(lab.pbx_address, DIALERD_AMI_LOGIN)
    loop = asyncio.get_running_loop()
    start = loop.time()
    dialing = []
    leads = list(islice(numbers(BUSY), rate * SECONDS))
    for index, number in enumerate(leads):
        await asyncio.sleep(start + index / rate - loop.time())
        dialing.append(asyncio.create_task(_originate(ami, number)))
    await asyncio.gather(*dialing)
    await lab.wait_for(lambda: len(lab.calls("lead")) >= rate * SECONDS * ENOUGH, timeout_s=30)
    await lab.wait_for(lab.is_silent, timeout_s=30)
    await ami.close()
    return _share([leads], lab.calls("lead"))


async def _originate(ami: Ami, number: str) -> None:
    call_id = str(uuid4())
    await ami.act(
        "Originate",
        {"DIALERD_APP": "dialerd", "__DIALERD_ATTEMPT": call_id, "DIALERD_QUEUE": "q1", "DIALERD_HOLD_LIMIT": "25"},
        Channel=f"PJSIP/{number[1:]}@carrier",
        ChannelId=call_id,
        Context="dialerd-answered",
        Exten="s",
        Priority="1",
        Timeout="30000",
        Async="true",
    )


async def _dialerd(lab: Lab, daemon: Daemon, rate: int) -> float:
    lab.forget_calls()
    supply = numbers(BUSY)
    names = [f"rate-{rate}-{index}" for index in range(math.ceil(rate / PER_CAMPAIGN))]
    each = rate / len(names)
    lists = []
    for index, name in enumerate(names):
        queue = f"q{index % QUEUES + 1}"
        await daemon.cli(
            *("campaign", "create", name, "--queue", queue, "--calls-per-second", str(each)),
            *("--concurrency", "50", "--max-attempts", "1"),
        )
        share = rate * SECONDS // len(names) + (index < rate * SECONDS % len(names))
        lists.append(list(islice(supply, share)))
        await daemon.import_leads(name, lists[-1])
    await asyncio.gather(*(daemon.cli("campaign", "start", name) for name in names))
    await lab.wait_for(lambda: len(lab.calls("lead")) >= rate * SECONDS, timeout_s=60)
    return _share(lists, lab.calls("lead"))
