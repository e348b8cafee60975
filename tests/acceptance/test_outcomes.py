"""Every fate ends as it should, from the lead's phone to the lead's state, and people who answer talk to agents."""

import pytest

from dialerd.domain.caller_id import CallerId
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import NAME, PERSON, QUEUE, Desk, person_lead, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

AGENTS = tuple(str(1010 + index) for index in range(8))

FATES: dict[int, tuple[set[Outcome], LeadState]] = {
    0: ({Outcome.CONNECTED}, LeadState.SUCCESS),
    49: ({Outcome.CONNECTED}, LeadState.SUCCESS),
    50: ({Outcome.BUSY}, LeadState.COOLOFF),
    60: ({Outcome.NO_ANSWER}, LeadState.COOLOFF),
    70: ({Outcome.CONNECTED}, LeadState.SUCCESS),
    75: ({Outcome.CONGESTION}, LeadState.COOLOFF),
    80: ({Outcome.INVALID_NUMBER}, LeadState.FAILED),
    85: ({Outcome.REJECTED}, LeadState.FAILED),
    88: ({Outcome.REJECTED}, LeadState.FAILED),
    90: ({Outcome.HUNG_UP}, LeadState.COOLOFF),
    93: ({Outcome.CONNECTED}, LeadState.SUCCESS),
    95: ({Outcome.NO_ANSWER}, LeadState.COOLOFF),
    96: ({Outcome.NO_ANSWER}, LeadState.COOLOFF),
    97: ({Outcome.NO_ANSWER}, LeadState.COOLOFF),
    99: ({Outcome.NO_ANSWER}, LeadState.COOLOFF),
}
"""By the last two digits. A retryable end cools off, since a second attempt is allowed; a final one does not."""


async def test_every_fate_ends_with_its_outcome_and_its_lead_state(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS)
    by_fate = {fate: some(1, [fate])[0] for fate in FATES}
    campaign = await desk.dial(by_fate.values(), max_attempts=2, cooloff_s=3600, ring_timeout_s=5)
    await desk.until_at_rest(campaign)
    states = await desk.lead_states(campaign)
    ends = {fate: (await desk.until_outcome(number), states[number]) for fate, number in by_fate.items()}
    assert {
        fate: end for fate, end in ends.items() if end[0] not in FATES[fate][0] or end[1] is not FATES[fate][1]
    } == {}
    assert {call.dialed for call in lab.calls("lead")} == {number[1:] for number in by_fate.values()}
    await desk.judge(campaign, agents=agents)


async def test_an_answer_in_the_instant_of_the_ring_timeout_has_one_end(desk: Desk, lab: Lab) -> None:
    await lab.set_fates(edge_s=5.0)
    agents = await desk.staff(*AGENTS)
    leads = some(6, [98])
    campaign = await desk.dial(leads, ring_timeout_s=5)
    await desk.until_completed(campaign)
    assert {number: len(await desk.attempts(number)) for number in leads} == dict.fromkeys(leads, 1)
    await desk.judge(campaign, agents=agents)


async def test_people_who_answer_talk_to_agents_who_see_whom_they_talk_to(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS[:3])
    leads = {number: f"Ada {number[2:5]}" for number in some(6, PERSON)}
    campaign = await desk.dial(
        [person_lead(number, first_name="Ada", last_name=name[4:]) for number, name in leads.items()]
    )
    await desk.until_completed(campaign)
    await desk.until_seen(len(leads), "agent")
    for number, name in leads.items():
        assert desk.talk_of(number) > 0.5
        assert [leg.caller_name for leg in desk.agent_legs_for(number)] == [name]
    assert set((await desk.lead_states(campaign)).values()) == {LeadState.SUCCESS}
    await desk.judge(campaign, agents=agents)


async def test_the_campaigns_caller_ids_take_turns(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS[:3])
    shown = [CallerId(number="+12025550199", name="Acme"), CallerId(number="+442079460199", name="Acme London")]
    campaign = await desk.dial(some(8, [0, 50]), pool=shown, calls_per_second=4)
    await desk.until_completed(campaign)
    calls = sorted(await desk.until_seen(8), key=lambda call: call.invite)
    showed = [(call.caller_number.lstrip("+"), call.caller_name) for call in calls]
    assert showed == [("12025550199", "Acme"), ("442079460199", "Acme London")] * 4
    await desk.judge(campaign, agents=agents)


async def test_the_main_job_by_the_command_line_alone(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*AGENTS[:3])
    person, busy = some(1, [0])[0], some(1, [50])[0]
    file = desk.csv_file(["number", "priority", "first_name"], [person, 1, "Ada"], [busy, 0, "Ben"])
    await desk.cli("campaign", "create", NAME, "--queue", QUEUE, "--max-attempts", "1", "--caller-id", "+12025550199")
    await desk.cli("leads", "import", NAME, file)
    await desk.act("start")
    await desk.until_completed(1)
    assert await desk.explained() == "nothing of it can be dialed any more"
    exported = await desk.cli("leads", "export", NAME)
    assert [line.rsplit(",", 2)[1] for line in exported.splitlines()[1:]] == ["success", "failed"]
    await desk.until_seen(1, "agent")
    assert desk.talk_of(person) > 0.5
    await desk.judge(1, agents=agents)
