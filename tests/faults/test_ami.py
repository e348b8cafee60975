"""The line to Asterisk's manager interface is cut, falls silent, is slow, swallows, is flooded, and is refused (laws L2, L5 and L8)."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from time import monotonic

import pytest
import pytest_asyncio

from dialerd.domain.calls import AttemptState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import Daemon
from tests.faults.lines import (
    AGENTS,
    AMI_PORT,
    LateReplies,
    Wire,
    flood,
    logged,
    measured,
    until_link_is,
    until_readiness_says,
)
from tests.faults.proxy import FaultProxy, Way
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


@pytest.fixture
def line(ami_line: FaultProxy) -> FaultProxy:
    return ami_line


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str, line: FaultProxy) -> AsyncIterator[Daemon]:
    """It reaches the manager interface by way of the line."""
    by_way = {"DIALERD_AMI__HOST": "127.0.0.1", "DIALERD_AMI__PORT": str(line.port)}
    async with impatient_daemon(lab, database, **by_way) as daemon:
        yield daemon


@pytest.mark.long
async def test_a_line_that_is_reset_again_and_again_costs_no_call_and_doubles_none(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F16: the manager's TCP line is reset while calls are dialed, ring and talk."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(14, 14), long_ring_s=(12, 12))
    talkers, [ringer], others = some(2, PERSON), some(1, LONG_RING), some(20, BUSY[:1])
    campaign = await desk.dial([*talkers, ringer, *others], calls_per_second=3, ring_timeout_s=40)
    for number in talkers:
        await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    gaps = []
    for _ in range(3):
        wire, since = Wire(line), monotonic()
        line.cut()
        await lab.wait_for(wire.leads_dialed, PATIENCE_S)
        gaps.append(round(monotonic() - since, 2))
        said = wire.actions()
        assert {"CoreShowChannels", "QueueStatus"} <= set(said[: said.index("Originate")]), "looked before it dialed"
    measured(from_reset_to_next_originate_s=gaps)
    await desk.until_completed(campaign)
    for number in (*talkers, ringer):
        assert await desk.outcomes(number) == [Outcome.CONNECTED]
    for number in others:
        assert set(await desk.outcomes(number)) <= {Outcome.BUSY, Outcome.UNKNOWN}
    await desk.each_was_dialed_once([*talkers, ringer, *others], in_doubt=logged(desk, "call_in_doubt"))
    await desk.judge(campaign, agents=agents)


async def test_a_half_open_line_is_noticed_and_hardly_a_call_is_in_doubt_meanwhile(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F17: nothing arrives either way and nothing ends; a lead answers meanwhile."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(12, 12))
    [answers], others = some(1, PERSON), some(20, BUSY[:1])
    await lab.set_answer(answers, 4)
    campaign = await desk.dial([answers, *others], calls_per_second=2)
    await desk.until_call_is(answers, AttemptState.RINGING)
    await desk.until_seen(2)
    line.freeze()
    meanwhile = Wire(line)
    noticed_s = await until_link_is(desk, "ami", up=False)
    await desk.until_held(campaign, "asterisk_down")
    assert meanwhile.leads_dialed() == 0
    line.thaw()
    up_again_s = await until_link_is(desk, "ami", up=True)
    in_doubt = logged(desk, "call_in_doubt")
    measured(noticed_s=noticed_s, in_doubt=in_doubt, up_again_s=up_again_s)
    assert in_doubt <= 2, "at this pace, about ten would have been due until it was noticed"
    await desk.until_completed(campaign)
    assert await desk.until_outcome(answers) is Outcome.CONNECTED
    assert desk.talk_of(answers) > 3
    await desk.each_was_dialed_once([answers, *others], in_doubt=in_doubt)
    await desk.judge(campaign, agents=agents)


async def test_when_no_answer_comes_back_the_call_is_in_doubt_and_found_again(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F18: the line swallows all that Asterisk says, from the order to dial on."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(5, 5), long_ring_s=(15, 15))
    [number] = some(1, LONG_RING)
    Wire(line, on_dial=lambda: line.swallow(Way.TO_CLIENT))
    campaign = await desk.dial([number], ring_timeout_s=40, max_attempts=3, cooloff_s=1)
    await lab.wait_for(lambda: logged(desk, "call_in_doubt"), PATIENCE_S)
    await until_link_is(desk, "ami", up=False)
    Wire(line)
    line.swallow(Way.TO_CLIENT, swallows=False)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert desk.talk_of(number) > 1
    assert len(desk.calls_to(number)) == 1
    await desk.judge(campaign, agents=agents)


async def test_an_order_to_dial_whose_reply_does_not_come_is_known_by_its_channel(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F18, F19: events and pings come in time, but what Asterisk says to an order to dial comes only when all is over."""
    agents = await desk.staff(*AGENTS)
    talker, *others = *some(1, PERSON), *some(3, BUSY[:3])
    all_over = asyncio.Event()
    late = LateReplies(line, is_time=lambda _: all_over.is_set())
    campaign = await desk.dial([talker, *others], calls_per_second=4)
    await desk.until_completed(campaign)
    assert late.held > len(others)
    assert logged(desk, "call_in_doubt") == 0
    all_over.set()
    await lab.wait_for(lambda: late.let_go, PATIENCE_S)
    await lab.wait_for(lambda: desk.metric(ORPHANS), PATIENCE_S)
    assert line.connections == 1, "the line itself is good"
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert [await desk.outcomes(number) for number in others] == [[Outcome.BUSY]] * len(others)
    assert sorted(desk.dialed()) == sorted([talker, *others])
    await desk.judge(campaign, agents=agents)


async def test_replies_that_come_behind_the_events_they_should_precede_are_told_apart(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F19: what Asterisk says to the order to dial arrives when the call, or another, is over already."""
    agents = await desk.staff(*AGENTS)
    talker, *others = *some(1, PERSON), *some(12, BUSY[:3])
    late = LateReplies(line, is_time=lambda piece: b"Event: Hangup\r\n" in piece)
    campaign = await desk.dial([talker, *others], calls_per_second=4)
    await desk.until_completed(campaign)
    assert late.let_go >= len(others) - 1
    assert line.connections == 1
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert [await desk.outcomes(number) for number in others] == [[Outcome.BUSY]] * len(others)
    assert sorted(desk.dialed()) == sorted([talker, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_line_that_is_far_too_slow_is_given_up_and_taken_up_again(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F19: all that Asterisk says comes 30 s late, which is longer than any deadline."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(12, 12), long_ring_s=(14, 14))
    [talker], [ringer], others = some(1, PERSON), some(1, LONG_RING), some(8, BUSY[:1])
    campaign = await desk.dial([talker, ringer, *others], calls_per_second=1, ring_timeout_s=40)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    line.delay(30, Way.TO_CLIENT)
    noticed_s = await until_link_is(desk, "ami", up=False)
    line.delay(0, Way.TO_CLIENT)
    measured(noticed_s=noticed_s, up_again_s=await until_link_is(desk, "ami", up=True))
    await desk.until_completed(campaign)
    for number in (talker, ringer):
        assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([talker, ringer, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_flood_of_other_programs_events_delays_no_call(desk: Desk, lab: Lab, line: FaultProxy) -> None:
    """F20: thousands of events a second that are none of ours, while a campaign dials."""
    agents = await desk.staff(*AGENTS)
    numbers = some(60, BUSY[:1])
    campaign = await desk.dial(numbers, calls_per_second=5)
    await desk.until_seen(3)
    async with flood(lab):
        begun, before, events = monotonic(), await lags(desk), await counted(desk, EVENTS)
        dialed = len(lab.calls("lead"))
        await desk.until_seen(dialed + 40, timeout_s=60)
        lasted, after = monotonic() - begun, await lags(desk)
        rate = (await counted(desk, EVENTS) - events) / lasted
    on_time = {bound: (after[bound] - before[bound]) / (after["+Inf"] - before["+Inf"]) for bound in after}
    measured(
        events_a_second=round(rate),
        share_handled_within={b: round(s, 4) for b, s in on_time.items()},
        calls_in_s=lasted,
    )
    assert on_time["1.0"] >= 0.99
    assert line.connections == 1
    await desk.until_completed(campaign)
    assert sorted(desk.dialed()) == sorted(numbers)
    await desk.judge(campaign, agents=agents)


ORPHANS = 'dialerd_link_faults_total{kind="orphan_replies",link="ami"}'
EVENTS = 'dialerd_link_events_total{link="ami"}'


async def lags(desk: Desk) -> dict[str, float]:
    """How many events were handled within each bound."""
    bounds = ("0.01", "0.1", "0.5", "1.0", "+Inf")
    series = {bound: f'dialerd_link_event_lag_seconds_bucket{{le="{bound}",link="ami"}}' for bound in bounds}
    return {bound: await counted(desk, name) for bound, name in series.items()}


async def counted(desk: Desk, series: str) -> float:
    return await desk.metric(series) or 0.0


SECRET = ("s/^secret = lab-dialerd/secret = another/", "Authentication failed", 2)
PERMISSION = ("s/^secret = lab-dialerd/&\\nwrite = call,agent,reporting,user/", "may not run Originate", 1)


@pytest.mark.parametrize(("edit", "why", "tries_awaited"), [SECRET, PERMISSION], ids=["secret", "permission"])
@pytest.mark.long
async def test_a_login_that_is_refused_is_said_clearly_and_not_tried_again_and_again(
    desk: Desk, lab: Lab, line: FaultProxy, edit: str, why: str, tries_awaited: int
) -> None:
    """F22: Asterisk's manager.conf is changed under the daemon, and later put right."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(25, 25))
    [talker], others = some(1, PERSON), some(8, BUSY[:1])
    campaign = await desk.dial([talker, *others], calls_per_second=0.5)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    async with lab.pbx_configured("manager.conf", edit, reload="manager reload"):
        line.cut()
        since, tries = now(), line.connections
        await until_readiness_says(desk, why)
        await desk.until_held(campaign, "asterisk_down")
        assert "Asterisk" in await desk.explained()
        await lab.wait_for(lambda: line.connections >= tries + tries_awaited, PATIENCE_S)
        outage = now() - since
    assert logged(desk, "ami_login_refused") >= 1
    assert line.connections - tries <= 1 + tries_awaited + outage / timedelta(seconds=7.5), (
        "a person has to mend it: no hurry"
    )
    back_s = await until_link_is(desk, "ami", up=True)
    measured(outage=outage, tries=line.connections - tries, up_again_s=back_s)
    await desk.until_completed(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([talker, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_reader_that_stands_still_until_asterisk_drops_it_takes_stock_when_it_goes_on(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F23: the daemon stands still while events pour in, until Asterisk throws it out."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(3, 3), long_ring_s=(60, 60))
    await desk.daemon.stop()
    desk.daemon.environment |= {
        "DIALERD_AMI__HOST": lab.pbx_address,
        "DIALERD_AMI__PORT": str(AMI_PORT),
    }  # nothing buffers
    await desk.daemon.start()
    [talker], [ringer], others = some(1, PERSON), some(1, LONG_RING), some(12, BUSY[:1])
    campaign = await desk.dial([talker, ringer, *others], calls_per_second=2, ring_timeout_s=20)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    desk.daemon.send_signal(signal.SIGSTOP)
    stopped = monotonic()
    async with flood(lab):
        await lab.wait_for(lambda: is_thrown_out(lab), 60)
        dropped_s = monotonic() - stopped
    await lab.wait_for(lambda: {call.dialed for call in lab.calls("lead")} >= {talker[1:]}, PATIENCE_S)
    desk.daemon.send_signal(signal.SIGCONT)
    measured(dropped_after_s=round(dropped_s, 1))
    await desk.until_completed(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED], "known to talk, and gone"
    assert set(await desk.outcomes(ringer)) <= {Outcome.UNKNOWN, Outcome.NO_ANSWER}
    assert sorted(desk.dialed()) == sorted([talker, ringer, *others])
    await desk.judge(campaign, agents=agents)


async def is_thrown_out(lab: Lab) -> bool:
    return "dialerd" not in await lab.pbx_command("manager show connected")
