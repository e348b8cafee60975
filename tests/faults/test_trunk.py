"""Trunks that fail, and trunks that take fewer calls than are to be made: the breaker, the backup, and the rate that finds its own way."""

import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import pytest

from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.domain.trunk_breaker import LEAST_FAILURES
from dialerd.domain.trunk_rate import LEAST_REFUSED
from tests.acceptance.desk import BUSY, PATIENCE_S, PERSON, Desk, some
from tests.faults.sip_line import SipLine
from tests.lab import FarEndCall, Lab

pytestmark = pytest.mark.acceptance

AGENTS = tuple(str(1010 + index) for index in range(8))
RESERVE = [{"name": "reserve", "dial_template": "PJSIP/{digits}@carrier2"}]
AT_THE_CARRIER = {"carrier": "carrier", "reserve": "carrier2"}
"""What each of our trunks is called in the far end's record."""
BY_LINE = "PJSIP/{digits}@carrier-by-line"


async def dial_by(desk: Desk, template: str = "PJSIP/{digits}@carrier", backups: object = RESERVE) -> None:
    """From now on the daemon has these trunks."""
    await desk.daemon.stop()
    desk.daemon.environment |= {
        "DIALERD_TRUNK__DIAL_TEMPLATE": template,
        "DIALERD_TRUNK__BACKUPS": json.dumps(backups),
        "DIALERD_DIALER__RESYNC_INTERVAL": "2s",
    }
    await desk.daemon.start()


async def paused(desk: Desk, trunk: str) -> bool:
    return await desk.metric(f'dialerd_trunk_paused{{trunk="{trunk}"}}') == 1


def by_trunk(calls: list[FarEndCall]) -> list[str]:
    return [call.trunk for call in calls]


async def until_calls_go_by(desk: Desk, trunk: str, count: int) -> None:
    """So many more of the calls that the carrier has not refused."""
    seen = len(taken_by(desk, trunk))
    await desk.lab.wait_for(lambda: len(taken_by(desk, trunk)) >= seen + count, 60)


def taken_by(desk: Desk, trunk: str) -> list[FarEndCall]:
    return [call for call in desk.calls_in_order() if call.trunk == trunk and call.answer]


async def rows_of(desk: Desk, leads: list[str]) -> list[tuple[str, str, int | None]]:
    """Of every attempt, in the order of their opening: its trunk, outcome and cause."""
    rows = [row for number in leads for row in await desk.attempts(number)]
    rows.sort(key=lambda row: row["opened_at"])
    return [(row["trunk"], row["outcome"], row["cause"]) for row in rows]


@pytest.mark.long
async def test_while_the_trunk_refuses_every_call_the_backup_carries_them_and_no_lead_is_given_up(
    desk: Desk, lab: Lab
) -> None:
    """F27: a burst of 503. The backup takes over, single calls try the trunk, and when it works again it carries the calls."""
    await dial_by(desk)
    await lab.set_trunk("carrier", takes=0)
    agents = await desk.staff(*AGENTS)
    leads = some(60, PERSON)
    campaign = await desk.dial(leads, calls_per_second=4, max_attempts=2, cooloff_s=1)
    await lab.wait_for(lambda: paused(desk, "carrier"), PATIENCE_S)
    await until_calls_go_by(desk, "carrier2", 5)
    await lab.set_trunk("carrier")
    await until_calls_go_by(desk, "carrier", 5)
    await desk.until_completed(campaign, timeout_s=120)
    records = await desk.leads(campaign)
    assert {record.lead.state for record in records.values()} == {LeadState.SUCCESS}
    rows = await rows_of(desk, leads)
    refused = [row for row in rows if row[1] == Outcome.CONGESTION]
    # What was on its way when the breaker opened is refused, too; after that it is one trial at a time.
    assert LEAST_FAILURES <= len(refused) <= 2 * LEAST_FAILURES + 5
    assert {(trunk, cause) for trunk, _, cause in refused} == {("carrier", 34)}
    # The first refusals might as well be their numbers' own: those cost an attempt, and no others do.
    assert sum(record.lead.attempts_used for record in records.values()) < len(leads) + LEAST_REFUSED
    # One call for each attempt: none that was refused went on by the other trunk.
    assert by_trunk(desk.calls_in_order()) == [AT_THE_CARRIER[trunk] for trunk, *_ in rows]
    await desk.judge(campaign, agents=agents)


@pytest.mark.parametrize("fails", ["480", "no answer at all", "its port is closed"])
@pytest.mark.long
async def test_a_trunk_that_answers_no_call_is_left_to_the_backup_until_it_works_again(
    fails: str, desk: Desk, lab: Lab
) -> None:
    """F27: a burst of 480, and timeouts: a carrier that gives no sign of life, or has gone."""
    await dial_by(desk, "PJSIP/{digits}@carrier" if fails == "480" else BY_LINE)
    async with AsyncExitStack() as lines:
        line = SipLine() if fails == "its port is closed" else await lines.enter_async_context(SipLine.of(lab))
        line.swallows = True
        await lab.set_trunk("carrier", takes=0 if fails == "480" else None, cause=19)
        agents = await desk.staff(*AGENTS)
        leads = some(40, PERSON)
        campaign = await desk.dial(leads, calls_per_second=4, max_attempts=5, cooloff_s=1, ring_timeout_s=5)
        await lab.wait_for(lambda: paused(desk, "carrier"), PATIENCE_S)
        await until_calls_go_by(desk, "carrier2", 5)
        await lab.set_trunk("carrier")
        line.swallows = False
        if fails == "its port is closed":
            await lines.enter_async_context(SipLine.of(lab))
        await until_calls_go_by(desk, "carrier", 3)
        await desk.until_completed(campaign, timeout_s=120)
        assert set((await desk.lead_states(campaign)).values()) == {LeadState.SUCCESS}
        rows = await rows_of(desk, leads)
        failed = [(trunk, outcome) for trunk, outcome, _ in rows if outcome != Outcome.CONNECTED]
        assert set(failed) == {("carrier", Outcome.NO_ANSWER)}
        # Those that were on their way when the first had rung for so long in vain, as many as there are agents; and single trials.
        assert LEAST_FAILURES <= len(failed) <= 3 * len(AGENTS)
        # What the line has swallowed, the far end has not seen.
        await desk.judge(campaign, agents=agents, but=set() if fails == "480" else {"L2"})


async def test_where_every_trunk_fails_the_campaign_is_held_and_says_how_each_of_them_stands(
    desk: Desk, lab: Lab
) -> None:
    """F27: no trunk is left. Nothing is dialed but trials, and people are told why."""
    await dial_by(desk)
    for trunk in ("carrier", "carrier2"):
        await lab.set_trunk(trunk, takes=0)
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(some(60, PERSON), calls_per_second=10, max_attempts=2, cooloff_s=60)
    await desk.until_held(campaign, HoldReason.TRUNK_FAILING, timeout_s=60)

    async def explained() -> list[dict[str, Any]]:
        told = json.loads(await desk.cli("explain", "campaign", "list", "--json"))
        return [told] if "the trunk has refused too many calls" in told["why"] else []

    [told] = await lab.wait_for(explained, PATIENCE_S)  # while a trial is under way it is not said
    [verdict] = [each for each in told["verdicts"] if each["reason"] == HoldReason.TRUNK_FAILING]
    assert set(verdict["fact"]) == {"carrier", "reserve"}
    assert any(stands.startswith("pauses for") for stands in verdict["fact"].values())
    await desk.pause(campaign)
    await desk.until_no_call_is_open(campaign)
    assert {call.cause for call in desk.calls_in_order()} == {34}
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_carrier_that_takes_three_calls_a_second_is_soon_given_three(desk: Desk, lab: Lab) -> None:
    """F28: the campaign wants ten calls a second. The refusals say Retry-After, which Asterisk does not pass on."""
    await dial_by(desk, BY_LINE, backups=[])
    async with SipLine.of(lab) as line:
        line.retry_after_s = 5
        await lab.set_trunk("carrier", takes=3)
        agents = await desk.staff(*AGENTS)
        leads = some(160, BUSY)
        campaign = await desk.dial(leads, calls_per_second=10, max_attempts=1, cooloff_s=2)
        await desk.until_held(campaign, HoldReason.TRUNK_SLOWED)
        assert "it gets fewer a second" in await desk.explained()
        await desk.until_seen(140, timeout_s=120)
        settled = desk.calls_in_order()[60:140]
        refused = [call for call in settled if call.cause == 34]
        seconds = (settled[-1].invite - settled[0].invite).total_seconds()
        taken_per_s = (len(settled) - len(refused)) / seconds
        sys.stderr.write(
            f"calls 60 to 140: {len(settled) / seconds:.2f} a second, {taken_per_s:.2f} taken, "
            f"{len(refused) / len(settled):.0%} refused; of the first 60: "
            f"{sum(call.cause == 34 for call in desk.calls_in_order()[:60])} refused\n"
        )
        assert len(refused) < 0.2 * len(settled)
        assert 1.5 < taken_per_s <= 3.1
        await lab.set_trunk("carrier")
        await desk.until_completed(campaign, timeout_s=120)
        records = await desk.leads(campaign)
        assert {record.lead.attempts_used for record in records.values()} == {1}
        ends = [outcomes[-1] for outcomes in [await desk.outcomes(number) for number in leads]]
        assert ends.count(Outcome.CONGESTION) < LEAST_REFUSED
        await desk.judge(campaign, agents=agents)
