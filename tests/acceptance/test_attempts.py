"""Never more attempts than a lead's limit, never sooner than its cool-off (law L6)."""

from datetime import timedelta
from itertools import pairwise

import pytest

from dialerd.domain.leads import LeadState
from tests.acceptance.desk import NAME, QUEUE, Desk, some
from tests.lab import FarEndCall, Lab

pytestmark = pytest.mark.acceptance


def gaps(calls: list[FarEndCall]) -> list[timedelta]:
    """From the end of each call to the INVITE of the next."""
    return [later.invite - earlier.end for earlier, later in pairwise(sorted(calls, key=lambda call: call.invite))]


async def test_attempts_and_cool_offs_are_the_campaigns_unless_the_lead_brings_its_own(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    usual, once, patient, often = some(4, [50, 51])
    file = desk.csv_file(
        ["number", "priority", "first_name", "retries", "cool_off", "cool_off_2nd"],
        [usual, 0, "Usual", "", "", ""],
        [once, 0, "Once", 1, "", ""],
        [patient, 0, "Patient", 2, 4, ""],
        [often, 0, "Often", 4, "", 5],
    )
    await desk.cli(
        *("campaign", "create", NAME, "--queue", QUEUE, "--calls-per-second", "10"),
        *("--max-attempts", "3", "--cooloff", "1", "--cooloff-2nd", "2"),
    )
    await desk.cli("leads", "import", NAME, file)
    await desk.act("start")
    await desk.until_completed(1)
    calls = {number: desk.calls_to(number) for number in (usual, once, patient, often)}
    assert [len(each) for each in calls.values()] == [3, 1, 2, 4]
    wanted = {usual: [1, 2], once: [], patient: [4], often: [1, 2, 2]}  # the campaign's 2nd overrides the lead's
    for number, seconds in wanted.items():
        waits = [gap.total_seconds() + 0.1 for gap in gaps(calls[number])]
        assert all(wait >= due for wait, due in zip(waits, seconds, strict=True)), (number, waits)
    assert set((await desk.lead_states(1)).values()) == {LeadState.FAILED}
    await desk.judge(1, agents=agents)


async def test_a_cool_off_lasts_through_pause_and_restart_of_the_daemon(desk: Desk) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, [50])
    campaign = await desk.dial([number], max_attempts=2, cooloff_s=6)
    await desk.until_lead_is(campaign, number, LeadState.COOLOFF)
    await desk.pause(campaign)
    await desk.daemon.stop()
    await desk.daemon.start()
    await desk.start(campaign)
    await desk.until_completed(campaign)
    [gap] = gaps(desk.calls_to(number))
    assert gap >= timedelta(seconds=6) - timedelta(milliseconds=100)
    await desk.judge(campaign, agents=agents)
