"""Asterisk itself dies, is restarted, stands still, or reads its queues anew in the midst of a run (laws L2, L4, L7 and L8)."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
import pytest_asyncio

from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import Daemon
from tests.faults.lines import (
    logged,
    measured,
    pbx_frozen,
    signal_pbx,
    start_pbx,
    until_link_is,
    until_pbx_is_back,
)
from tests.faults.proxy import FaultProxy, Way
from tests.lab import STATIC_QUEUES, Lab, LabError

pytestmark = pytest.mark.acceptance
SALES = STATIC_QUEUES["sales"]


@pytest.fixture
def line(ami_line: FaultProxy) -> FaultProxy:
    return ami_line


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str, line: FaultProxy) -> AsyncIterator[Daemon]:
    """It reaches the manager interface by way of the line, and looks at the queues often."""
    by_way = {"DIALERD_AMI__HOST": "127.0.0.1", "DIALERD_AMI__PORT": str(line.port)}
    often = {"DIALERD_DIALER__RESYNC_INTERVAL": "2s"}
    async with impatient_daemon(lab, database, **by_way, **often) as daemon:
        yield daemon


@pytest.mark.long
async def test_an_asterisk_that_is_killed_takes_its_calls_along_and_is_dialed_by_again_when_it_is_back(
    desk: Desk, lab: Lab
) -> None:
    """F25: kill -9 of Asterisk while one talks, one is held for an agent, and one rings."""
    await lab.set_fates(talk_s=(60, 60), long_ring_s=(60, 60))
    [talker, waits], [ringer], others = some(2, PERSON), some(1, LONG_RING), some(16, BUSY[:1])
    await lab.set_answer(waits, 4)
    campaign = await desk.dial(
        [talker, ringer, waits, *others],
        queue="sales",
        calls_per_second=1,
        ring_timeout_s=60,
        max_attempts=2,
        cooloff_s=3600,
        agent_dial_timeout_s=30,
    )
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    for extension in SALES:
        await lab.agent_behaviour(extension, "ignore")
    await desk.until_call_is(waits, AttemptState.ANSWERED)
    killed_at = now()
    await signal_pbx(lab, "KILL")
    noticed_s = await until_link_is(desk, "ami", up=False)
    await start_pbx(lab)
    back = now()
    await lab.hang_up_everything()  # the far end has not been told that its calls are over
    await desk.until_at_rest(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert await desk.outcomes(waits) == [Outcome.UNKNOWN], "the dialplan may have served the lead in the last moment"
    assert await desk.outcomes(ringer) == [Outcome.UNKNOWN]
    assert (await desk.ledger(campaign)).abandoned == 1, "what cannot be proved counts against us"
    states = await desk.lead_states(campaign)
    assert (states[talker], states[ringer]) == (LeadState.SUCCESS, LeadState.COOLOFF)
    first = min(call.invite for call in desk.calls_in_order() if call.invite > killed_at)
    measured(noticed_s=noticed_s, from_back_to_next_invite_s=(first - back).total_seconds())
    await desk.each_was_dialed_once([talker, ringer, waits, *others], in_doubt=logged(desk, "call_in_doubt"))
    await desk.judge(campaign, agents=SALES, but={"L4", "L5"})  # phones that were not told seem busy


@pytest.mark.parametrize("how", ["now", "gracefully"])
@pytest.mark.long
async def test_a_restart_of_asterisk_burns_no_lead(desk: Desk, lab: Lab, how: str) -> None:
    """F22, F25: `core restart`, at once and gracefully: it then takes no new call, and lets those in flight end."""
    await lab.set_fates(talk_s=(8, 8))
    [talker], others = some(1, PERSON), some(24, BUSY[:1])
    campaign = await desk.dial([talker, *others], queue="sales", calls_per_second=2, max_attempts=2, cooloff_s=3600)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    told_at = now()
    with suppress(LabError):  # the answer may be cut off
        await lab.pbx_command(f"core restart {how}")
    await until_pbx_is_back(lab)
    back = now()
    await desk.until_at_rest(campaign)
    await lab.hang_up_everything()
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    others_outcomes = [await desk.outcomes(number) for number in others]
    lost = [each for each in others_outcomes if each != [Outcome.BUSY]]
    gone_s = (back - told_at).total_seconds()
    after = [(call.invite - back).total_seconds() for call in desk.calls_in_order() if call.invite > back]
    measured(gone_s=gone_s, from_back_to_next_invites_s=after[:1], not_exact=lost)
    assert len(lost) <= 2, "those in flight when it went; all others wait for its return"
    assert len(desk.dialed()) == len(set(desk.dialed()))
    await desk.judge(campaign, agents=SALES, but={"L4", "L5"})  # phones that were not told seem busy


@pytest.mark.long
async def test_an_asterisk_that_stands_still_is_not_dialed_by_and_nobody_is_called_twice_when_it_goes_on(
    desk: Desk, lab: Lab
) -> None:
    """F26: Asterisk is stopped for 15 s: it takes connections, and says nothing."""
    agents = await desk.staff("1010", "1011", "1012")
    await lab.set_fates(talk_s=(30, 30))
    [talker], others = some(1, PERSON), some(20, BUSY[:1])
    campaign = await desk.dial([talker, *others], calls_per_second=2)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_seen(2)
    async with pbx_frozen(lab):
        since = now()
        noticed_s = await until_link_is(desk, "ami", up=False)
        await desk.until_held(campaign, "asterisk_down")
        await desk.until_over(since + timedelta(seconds=15))
        goes_on = now()
    up_again_s = await until_link_is(desk, "ami", up=True)
    await desk.until_completed(campaign)
    during = [call for call in desk.calls_in_order() if since < call.invite < goes_on]
    first = min(call.invite for call in desk.calls_in_order() if call.invite > goes_on)
    measured(noticed_s=noticed_s, up_again_s=up_again_s, next_invite_s=(first - goes_on).total_seconds())
    assert during == []
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    in_doubt = logged(desk, "call_in_doubt")
    assert in_doubt <= 2
    await desk.each_was_dialed_once([talker, *others], in_doubt=in_doubt)
    await desk.judge(campaign, agents=agents)


QUEUE_EVENTS = re.compile(rb"Event: Queue(?:Params|Member|Entry)\r\n(?:[^\r\n]+\r\n)*\r\n")
"""The rows of an answer to QueueStatus."""


@pytest.mark.long
async def test_an_answer_that_names_no_queue_freezes_dialing_and_forgets_no_call(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F33: QueueStatus comes back empty, as while the queues are read anew."""
    agents = await desk.staff("1010", "1011", "1012")
    await lab.set_fates(talk_s=(10, 10))
    [talker], others = some(1, PERSON), some(12, BUSY[:1])
    campaign = await desk.dial([talker, *others], calls_per_second=1)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    line.garble(lambda piece: QUEUE_EVENTS.sub(b"", piece), Way.TO_CLIENT)
    await desk.until_held(campaign, "queue_unknown")
    frozen_at = now()
    assert (await desk.overview(campaign)).open_attempts == 1
    await lab.wait_for(lambda: desk.calls_to(talker), PATIENCE_S)
    line.garble(None, Way.TO_CLIENT)
    goes_on = now()
    await desk.until_completed(campaign)
    assert not [call for call in desk.calls_in_order() if frozen_at < call.invite < goes_on]
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([talker, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_queue_that_is_taken_away_is_not_dialed_for_until_it_is_there_again(desk: Desk, lab: Lab) -> None:
    """F33: the queue goes from queues.conf, and later comes back; `queue reload all` each time."""
    await lab.set_fates(talk_s=(10, 10))
    [talker], others = some(1, PERSON), some(12, BUSY[:1])
    campaign = await desk.dial([talker, *others], queue="sales", calls_per_second=1)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await lab.pbx_command("queue reload all")  # changes nothing
    async with lab.pbx_configured("queues.conf", "s/^.sales./[gone]/", reload="queue reload all"):
        await desk.until_held(campaign, "queue_unknown")
        frozen_at = now()
        assert (await desk.overview(campaign)).open_attempts == 1
        await lab.wait_for(lambda: desk.calls_to(talker), PATIENCE_S)
        goes_on = now()
    await desk.until_completed(campaign)
    assert not [call for call in desk.calls_in_order() if frozen_at < call.invite < goes_on]
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([talker, *others])
    await desk.judge(campaign, agents=SALES)
