"""How evenly dialerd dials at twenty calls a second; there and at one, how soon an agent's phone rings after a lead has answered,
and how soon they are joined."""

import csv
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice, pairwise
from math import ceil

from tests.daemon import Daemon
from tests.lab import FarEndCall, Lab
from tests.numbers import numbers

CALLS = {20: 600, 1: 40}
"""So many at each rate."""
AGENTS = 100
QUEUE = "q1"
PERSONS = range(50)


async def measure_handover(lab: Lab, daemon: Daemon) -> dict[str, object]:
    for index in range(AGENTS):
        await lab.queue_add(QUEUE, str(1001 + index))
    await lab.set_fates(ring_s=(0.0, 0.0), talk_s=(1.5, 1.5), voice=False)
    await lab.set_agents(ring_s=(0.3, 0.3))
    busy, calm = [await _measure_at(rate, lab, daemon) for rate in CALLS]
    for index in range(AGENTS):
        await lab.queue_remove(QUEUE, str(1001 + index))
    return {**busy, **{f"{name}_at_1_per_s": value for name, value in calm.items() if name.endswith("_ms")}}


async def _measure_at(rate: int, lab: Lab, daemon: Daemon) -> dict[str, object]:
    name = f"handover-{rate}"
    await daemon.cli(
        *("campaign", "create", name, "--queue", QUEUE, "--calls-per-second", str(rate)),
        *("--concurrency", "50", "--max-attempts", "1"),
    )
    await daemon.import_leads(name, islice(numbers(PERSONS), CALLS[rate]))
    await daemon.cli("campaign", "start", name)
    await lab.wait_for(lambda: len(lab.calls("lead")) >= CALLS[rate], timeout_s=120)
    await lab.wait_for(lab.is_silent, timeout_s=30)
    leads, agents = lab.calls("lead"), lab.calls("agent")
    joined = _joined(await daemon.cli("leads", "calls", name))
    lab.forget_calls()
    return {**_evenness(leads, rate), **_handover(leads, agents), **_joining(agents, joined)}


def _evenness(calls: Sequence[FarEndCall], rate: int) -> dict[str, object]:
    invites = sorted(call.invite.timestamp() for call in calls)
    off = sorted(abs(later - earlier - 1 / rate) * 1000 for earlier, later in pairwise(invites))
    most = max(bisect_right(invites, moment + 1) - index for index, moment in enumerate(invites))
    return {
        "gap_deviation_p50_ms": round(percentile(off, 0.50), 2),
        "gap_deviation_p99_ms": round(percentile(off, 0.99), 2),
        "most_invites_in_one_second": most,
    }


def _handover(leads: Sequence[FarEndCall], agents: Sequence[FarEndCall]) -> dict[str, object]:
    """From the 200 that the far end sent for the lead to the INVITE that it received for the agent: one clock judges both."""
    first_ring: dict[str, float] = {}
    for agent in sorted(agents, key=lambda call: call.invite, reverse=True):
        first_ring[digits(agent.caller_number)] = agent.invite.timestamp()
    answered = {digits(lead.dialed): lead.answer.timestamp() for lead in leads if lead.answer}
    waits = sorted((first_ring[number] - moment) * 1000 for number, moment in answered.items() if number in first_ring)
    return {
        "handover_calls": len(waits),
        "handover_answered": len(answered),
        "answer_to_agent_rings_p50_ms": round(percentile(waits, 0.50), 2),
        "answer_to_agent_rings_p99_ms": round(percentile(waits, 0.99), 2),
    }


def _joined(call_log: str) -> Mapping[str, float]:
    """When each lead was joined with an agent, in epoch seconds."""
    rows = [row for row in csv.DictReader(call_log.splitlines()) if row["connected_at"]]
    return {digits(row["number"]): datetime.fromisoformat(row["connected_at"]).timestamp() for row in rows}


def _joining(agents: Sequence[FarEndCall], joined: Mapping[str, float]) -> dict[str, object]:
    """From the 200 that the far end sent for the agent to the daemon's word that the bridge stands: clocks of one machine."""
    answered = [(digits(agent.caller_number), agent.answer.timestamp()) for agent in agents if agent.answer]
    waits = sorted((joined[number] - moment) * 1000 for number, moment in answered if number in joined)
    return {
        "agent_answers_to_bridge_p50_ms": round(percentile(waits, 0.50), 2),
        "agent_answers_to_bridge_p99_ms": round(percentile(waits, 0.99), 2),
    }


def digits(number: str) -> str:
    return number.lstrip("+")


def percentile(ordered: Sequence[float], part: float) -> float:
    """Nearest rank."""
    return ordered[ceil(part * len(ordered)) - 1]
