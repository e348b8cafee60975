"""Asterisk itself is restarted in the midst of a run: the daemon comes back to it, accounts for what was lost, and goes on."""

from contextlib import suppress

import pytest

from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import LONG_RING, PATIENCE_S, PERSON, Desk, some
from tests.lab import LAB_LOGIN, STATIC_QUEUES, Ami, Lab, LabError

pytestmark = pytest.mark.acceptance


async def restart(lab: Lab) -> None:
    """`core restart now`, and a new session of the laboratory's own."""
    with suppress(LabError):  # the answer may be cut off
        await lab.pbx_command("core restart now")
    await lab.wait_for(lambda: lab.pbx.is_lost, PATIENCE_S)
    [lab.pbx] = await lab.wait_for(lambda: sessions(lab), PATIENCE_S)


async def sessions(lab: Lab) -> list[Ami]:
    """A new one, or none while Asterisk is not there."""
    try:
        session = await Ami.connect(lab.pbx_address, LAB_LOGIN)
        await session.list("QueueStatus")
    except (OSError, LabError):
        return []
    return [session]


async def test_a_restart_of_asterisk_loses_no_lead_and_calls_nobody_twice(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(talk_s=(30, 30), long_ring_s=(40, 40))
    [talker], [ringer], others = some(1, PERSON), some(1, LONG_RING), some(30, [50])
    campaign = await desk.dial(
        [talker, ringer, *others], queue="sales", calls_per_second=3, ring_timeout_s=60, max_attempts=2, cooloff_s=3600
    )
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await restart(lab)
    await desk.until_at_rest(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert len(await desk.outcomes(ringer)) == 1
    states = await desk.lead_states(campaign)
    assert states[talker] is LeadState.SUCCESS
    assert states[ringer] is LeadState.COOLOFF
    await lab.hang_up_everything()  # the far end may not have been told that its calls are over
    await desk.each_was_dialed_once(states, in_doubt=2)
    assert {talker, ringer} <= set(desk.dialed())
    await desk.judge(campaign, agents=STATIC_QUEUES["sales"], but={"L4", "L5"})  # phones that were not told seem busy
