"""Pause, stop and cancel do to calls in flight what they promise."""

import pytest

from dialerd.audit import Span
from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, PERSON, Desk, now, person_lead, some
from tests.daemon import CommandFailed
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

AGENTS = ("1010", "1011", "1012")


async def test_stop_ends_what_rings_and_lets_talk_go_on(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(ring_s=(0.2, 0.2), talk_s=(12, 12), long_ring_s=(30, 30))
    [talker], [ringer] = some(1, PERSON), some(1, LONG_RING)
    start = now()
    campaign = await desk.dial([talker, ringer], ring_timeout_s=60, max_attempts=3)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await desk.act("stop")
    stopped = now()
    await desk.until_lead_is(campaign, ringer, LeadState.RETRY)
    assert await desk.until_outcome(ringer) is Outcome.CANCELLED
    assert await desk.until_outcome(talker) is Outcome.CONNECTED
    [talk] = await lab.wait_for(lambda: desk.calls_to(talker), PATIENCE_S)
    assert talk.hung_up_by == "far_end"
    assert talk.talk_s == pytest.approx(12, abs=1)
    await lab.set_fates(long_ring_s=(0.5, 0.5), talk_s=(1, 1))
    restarted = now()
    await desk.act("start")
    await desk.until_completed(campaign)
    assert [call.hung_up_by for call in desk.calls_to(ringer)] == ["pbx", "far_end"]
    assert await desk.outcomes(ringer) == [Outcome.CANCELLED, Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=stopped), Span(start=restarted)])


async def test_pause_lets_ringing_calls_go_on_to_an_agent_and_starts_no_new_ones(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(long_ring_s=(12, 12))
    [ringer], others = some(1, LONG_RING), some(3, [50])
    start = now()
    campaign = await desk.dial([ringer, *others], ring_timeout_s=30, concurrency=1)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await desk.act("pause")
    paused = now()
    assert await desk.until_outcome(ringer) is Outcome.CONNECTED
    await lab.wait_for(lab.is_silent, PATIENCE_S)
    assert desk.talk_of(ringer) > 0.5
    assert "it is paused" in await desk.explained()
    assert [call.dialed for call in lab.calls("lead")] == [ringer.lstrip("+")]
    resumed = now()
    await desk.act("start")
    await desk.until_completed(campaign)
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=paused), Span(start=resumed)])


async def test_cancel_is_final_and_lets_calls_in_flight_complete(desk: Desk, lab: Lab) -> None:
    await desk.staff(*AGENTS)
    await lab.set_fates(long_ring_s=(12, 12))
    [ringer], others = some(1, LONG_RING), some(3, [50])
    campaign = await desk.dial([ringer, *others], ring_timeout_s=30, concurrency=1)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await desk.act("cancel")
    assert await desk.until_outcome(ringer) is Outcome.CONNECTED
    with pytest.raises(CommandFailed, match="cancelled"):
        await desk.act("start")
    states = await desk.lead_states(campaign)
    assert [states[number] for number in others] == [LeadState.ACTIVE] * 3
    await lab.wait_for(lab.is_silent, PATIENCE_S)
    assert [call.dialed for call in lab.calls("lead")] == [ringer.lstrip("+")]


async def test_while_a_campaign_runs_its_leads_cannot_be_uploaded(desk: Desk, lab: Lab) -> None:
    await desk.staff(*AGENTS, paused=True)
    await desk.dial(some(1, [50]))
    file = desk.csv_file(["number", "priority", "first_name"], [some(2, [50])[1], 0, "Ada"])
    with pytest.raises(CommandFailed, match="pause or stop it to change its leads"):
        await desk.cli("leads", "import", "list", file)


async def test_after_a_pause_and_after_a_stop_the_list_goes_on_where_it_was(desk: Desk) -> None:
    agents = await desk.staff(*AGENTS)
    leads = some(36, BUSY)
    ranked = {number: place % 3 for place, number in enumerate(leads)}
    start = now()
    campaign = await desk.dial(
        [person_lead(number, priority=ranked[number]) for number in leads], calls_per_second=2, concurrency=1
    )
    spans = []
    for seen, acts in ((3, ["pause"]), (8, ["pause", "stop"])):
        await desk.until_seen(seen)
        for act in acts:
            await desk.act(act)
            await desk.until_silent()
        spans.append(Span(start=start, end=now()))
        start = now()
        await desk.act("resume")
    await desk.until_completed(campaign)
    taken_back = {number for number in leads if (await desk.outcomes(number))[0] is Outcome.NOT_PLACED}
    assert len(taken_back) <= 3, "whose turn it was as the campaign was told: dialed later"
    assert sorted(desk.dialed()) == sorted(leads)
    on_time = [number for number in desk.dialed() if number not in taken_back]
    assert on_time == sorted(on_time, key=lambda number: (-ranked[number], leads.index(number)))
    await desk.judge(campaign, agents=agents, allowed=[*spans, Span(start=start)])
