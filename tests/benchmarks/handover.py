"""How evenly dialerd dials at twenty calls a second, and how soon an agent's phone rings after a lead has answered."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice, pairwise
from math import ceil

from tests.daemon import Daemon
from tests.lab import FarEndCall, Lab
from tests.numbers import numbers

RATE = 20
CALLS = 600
AGENTS = 100
QUEUE = "q1"
PERSONS = range(50)


async def measure_handover(lab: Lab, daemon: Daemon) -> dict[str, object]:
    for index in range(AGENTS):
        await lab.queue_add(QUEUE, str(1001 + index))
    await lab.set_fates(ring_s=(0.0, 0.0), talk_s=(1.5, 1.5), voice=False)
    await lab.set_agents(ring_s=(0.3, 0.3))
    await daemon.cli(
        *("campaign", "create", "handover", "--queue", QUEUE, "--calls-per-second", str(RATE)),
        *("--concurrency", "50", "--max-attempts", "1"),
    )
    await daemon.import_leads("handover", islice(numbers(PERSONS), CALLS))
    await daemon.cli("campaign", "start", "handover")
    await lab.wait_for(lambda: len(lab.calls("lead")) >= CALLS, timeout_s=120)
    await lab.wait_for(lab.is_silent, timeout_s=30)
    figures = {**_evenness(lab.calls("lead")), **_handover(lab.calls("lead"), lab.calls("agent"))}
    for index in range(AGENTS):
        await lab.queue_remove(QUEUE, str(1001 + index))
    lab.forget_calls()
    return figures


def _evenness(calls: Sequence[FarEndCall]) -> dict[str, object]:
    invites = sorted(call.invite.timestamp() for call in calls)
    off = sorted(abs(later - earlier - 1 / RATE) * 1000 for earlier, later in pairwise(invites))
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


def digits(number: str) -> str:
    return number.lstrip("+")


def percentile(ordered: Sequence[float], part: float) -> float:
    """Nearest rank."""
    return ordered[ceil(part * len(ordered)) - 1]
