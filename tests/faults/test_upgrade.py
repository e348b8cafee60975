"""An upgrade as systemd does it: the daemon is told to end and started anew, again and again under load. Nobody is dropped, nobody is
called twice, and calls start again soon (laws L2, L8 and L9)."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from dialerd.domain.leads import LeadState
from tests.acceptance.desk import BUSY, PATIENCE_S, PERSON, Desk, now, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

RESTARTS = 3
A_SECOND = 4
LONGEST_GAP_S = 30.0
"""From the last call before a restart to the first one after it: a few seconds, and patience for a machine that is busy."""


async def restart(desk: Desk, lab: Lab) -> datetime:
    """As `systemctl restart`; when the old one was gone, and the new one not there yet."""
    assert await desk.daemon.stop() == 0
    away, dialed = now(), len(lab.calls("lead"))
    await desk.daemon.start()
    await lab.wait_for(lambda: len(lab.calls("lead")) > dialed, PATIENCE_S)
    return away


@pytest.mark.long
async def test_restarted_under_load_it_drops_nobody_calls_nobody_twice_and_soon_dials_again(
    desk: Desk, lab: Lab
) -> None:
    agents = await desk.staff(*(str(1010 + index) for index in range(6)))
    await lab.set_fates(ring_s=(0.5, 1.5), talk_s=(3, 6))
    people, others = some(24, PERSON), some(60, BUSY)
    campaign = await desk.dial([*people, *others], calls_per_second=A_SECOND, concurrency=12, ring_timeout_s=20)
    restarts = []
    for seen in range(4, 4 + 12 * RESTARTS, 12):
        await desk.until_seen(seen)
        restarts.append(await restart(desk, lab))
    await desk.until_completed(campaign)
    invites = sorted(call.invite for call in lab.calls("lead"))
    gaps = [gap_around(invites, moment) for moment in restarts]
    print(f"restarts under load: {[f'{gap:.1f} s' for gap in gaps]} without a new call")
    assert max(gaps) < LONGEST_GAP_S
    assert {
        call.dialed: len(desk.calls_to(call.dialed))
        for call in lab.calls("lead")
        if len(desk.calls_to(call.dialed)) > 1
    } == {}
    answered = [call for call in lab.calls("lead") if call.answer is not None]
    assert [call.dialed for call in answered if call.hung_up_by != "far_end"] == []
    assert {state for number, state in (await desk.lead_states(campaign)).items() if number in people} <= {
        LeadState.SUCCESS,
        LeadState.ABANDONED,
    }
    await desk.judge(campaign, agents=agents, but={"L7"})


def gap_around(invites: Sequence[datetime], moment: datetime) -> float:
    """Seconds between the last call before it and the first one after it."""
    before = [invite for invite in invites if invite <= moment]
    after = [invite for invite in invites if invite > moment]
    return (after[0] - before[-1]).total_seconds()
