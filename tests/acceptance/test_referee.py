"""The referee at work on real calls: what breaks a law is found in the far end's record, whatever the tables say."""

import pytest

from dialerd.audit import HELD, judge
from dialerd.store.pool import Pool
from tests.acceptance.desk import BUSY, PERSON, Desk, some
from tests.faults.referee import referee
from tests.lab import Lab, dial_lead

pytestmark = pytest.mark.acceptance


async def test_a_call_that_nobody_has_written_down_is_found(desk: Desk, lab: Lab, pool: Pool) -> None:
    await desk.staff("1010", "1011")
    [number, stranger] = some(2, BUSY)
    campaign = await desk.dial([number])
    await desk.until_completed(campaign)
    assert await referee(lab, pool) == []
    await dial_lead(lab.pbx, stranger)
    await desk.until_seen(2)
    await desk.until_silent()
    [found] = await referee(lab, pool)
    assert found.startswith("list: L2: INVITE to ")
    assert found.endswith(" without an attempt")
    lab.calls_csv.write_text(lab.calls_csv.read_text().partition("\n")[0] + "\n")
    [lost] = await referee(lab, pool)
    assert "has no INVITE" in lost
    desk.waived.add("L2")


async def test_a_lead_who_was_left_in_silence_is_found(desk: Desk, lab: Lab) -> None:
    """Without a greeting a lead may wait in silence until it is sent to the queue, and the record knows how long it did."""
    await lab.set_fates(talk_s=(6, 6))
    await desk.staff("1010")
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], customer_wait_sla_s=1, agent_dial_timeout_s=20)
    await desk.until_outcome(number)
    await desk.until_no_call_is_open(campaign)
    await desk.until_silent()
    assert judge(await desk.evidence(campaign, agents=["1010"]))["L9"] == HELD, "it hung up before the time was over"
    sentence = judge(await desk.evidence(campaign, agents=["1010"], promise_s=2.0))["L9"]
    assert "met no agent in time, and never heard anything; 2 s are promised" in sentence
