"""The daemon dies, or is told to end: people are served all the same, nobody is called twice, and the record heals (laws L2, L8, L9)."""

import json
from datetime import timedelta
from signal import SIGKILL

import pytest

from dialerd.audit import Span
from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import LONG_RING, NAME, NOBODY, PATIENCE_S, PERSON, QUEUE, AmiProxy, Desk, now, some
from tests.daemon import running_daemon
from tests.lab import FOR_EVER, Lab, Message

pytestmark = pytest.mark.acceptance


def told(lab: Lab, event: str, **headers: str) -> list[Message]:
    """Events of the PBX so far."""
    return [said for said in lab.pbx.events if said["Event"] == event and headers.items() <= said.items()]


async def kill(desk: Desk) -> None:
    await desk.daemon.stop(SIGKILL)


# --- nobody is left in silence ---------------------------------------------------------------------------------------


async def test_who_answers_while_the_daemon_is_dead_reaches_an_agent(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(ring_s=(4, 4), talk_s=(3, 3))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number])
    await desk.until_call_is(number, AttemptState.RINGING)
    await kill(desk)
    await desk.until_seen(1)
    await lab.wait_for(lambda: desk.agent_legs_for(number))
    assert desk.talk_of(number) > 1
    await desk.daemon.start()
    assert await desk.until_outcome(number) is Outcome.UNKNOWN
    await desk.judge(campaign, agents=agents, but={"L7"})  # of the answer the daemon cannot know


async def test_who_answers_while_daemon_and_agents_are_away_hears_the_message(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(ring_s=(4, 4), talk_s=(60, 60))
    await lab.pbx.act("Setvar", Variable="DIALERD_QUEUE_TIMEOUT", Value="1")
    try:
        [number] = some(1, PERSON)
        campaign = await desk.dial([number])
        await desk.until_call_is(number, AttemptState.RINGING)
        await lab.queue_pause(QUEUE, "1010")
        await kill(desk)
        [lead] = await desk.until_seen(1)
    finally:
        await lab.pbx.act("Setvar", Variable="DIALERD_QUEUE_TIMEOUT", Value="")
    assert lead.hung_up_by == "pbx"
    [message] = told(lab, "UserEvent", UserEvent="DialerdMessage")
    assert message["Uniqueid"] == str((await desk.attempts(number))[0]["id"])
    assert lab.calls("agent") == []
    await desk.daemon.start()
    await desk.until_outcome(number)
    await desk.judge(campaign, agents=agents, but={"L7"})


async def test_an_agent_who_picks_up_for_a_dead_daemon_talks_to_the_lead(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_agents(ring_s=(3, 3))
    await lab.set_fates(talk_s=(9, 9))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=4)
    await lab.wait_for(lambda: told(lab, "AgentCalled"), PATIENCE_S)
    await kill(desk)
    [lead] = await desk.until_seen(1)
    await lab.wait_for(lambda: desk.agent_legs_for(number))
    assert lead.hung_up_by == "far_end"  # and not by the hold limit, which was 6 s
    assert desk.talk_of(number) > 4
    await desk.daemon.start()
    await desk.until_outcome(number)
    await desk.judge(campaign, agents=agents, but={"L7"})


@pytest.mark.parametrize("agent", ["rings in vain", "is away"])
async def test_a_lead_whom_a_dead_daemon_holds_is_taken_over_by_the_queue(desk: Desk, lab: Lab, agent: str) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(ring_s=(1, 1), talk_s=(10, 10))
    await lab.agent_behaviour("1010", "ignore")
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], agent_dial_timeout_s=2)
    if agent == "is away":
        await desk.until_call_is(number, AttemptState.RINGING)
        await lab.queue_pause(QUEUE, "1010")
        await desk.until_call_is(number, AttemptState.ANSWERED)
    else:
        await lab.wait_for(lambda: told(lab, "AgentCalled"), PATIENCE_S)
    await kill(desk)
    await lab.agent_behaviour("1010", "answer")
    await lab.wait_for(lambda: told(lab, "UserEvent", UserEvent="DialerdAway"), PATIENCE_S)
    await lab.queue_pause(QUEUE, "1010", paused=False)
    [lead] = await desk.until_seen(1)
    await lab.wait_for(lambda: desk.agent_legs_for(number))
    assert lead.hung_up_by == "far_end"
    assert desk.talk_of(number) > 2
    await desk.daemon.start()
    await desk.until_outcome(number)
    await desk.judge(campaign, agents=agents, but={"L7"})


# --- killed, and started again ---------------------------------------------------------------------------------------


async def test_a_call_that_rings_through_a_crash_is_taken_up_again(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(ring_s=FOR_EVER, talk_s=(2, 2))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], ring_timeout_s=120, max_attempts=3, cooloff_s=1)
    await desk.until_call_is(number, AttemptState.RINGING)
    await kill(desk)
    await desk.daemon.start()
    await lab.pick_up(number)
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert (await desk.lead_states(campaign))[number] is LeadState.SUCCESS
    assert len(desk.calls_to(number)) == 1
    assert desk.talk_of(number) > 1
    await desk.judge(campaign, agents=agents)


async def test_talk_survives_a_crash_and_is_recorded_as_what_it_was(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=FOR_EVER)
    leads = some(2, PERSON)
    campaign = await desk.dial(leads, max_attempts=3, cooloff_s=1)
    for number in leads:
        await desk.until_call_is(number, AttemptState.CONNECTED)
    await kill(desk)
    await desk.daemon.start()
    assert lab.calls("lead") == []  # they talk on
    await desk.until_over(now() + timedelta(seconds=10))
    for number in leads:
        await lab.hang_up(number.lstrip("+"))
    await desk.until_completed(campaign)
    for number in leads:
        [lead] = desk.calls_to(number)
        assert lead.hung_up_by == "far_end"
        assert desk.talk_of(number) > 10
        assert await desk.outcomes(number) == [Outcome.CONNECTED]
    await desk.judge(campaign, agents=agents)


async def test_talk_that_ended_while_the_daemon_was_dead_is_a_success_all_the_same(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(2, 2))
    [number] = some(1, PERSON)
    campaign = await desk.dial([number], max_attempts=3, cooloff_s=1)
    await desk.until_call_is(number, AttemptState.CONNECTED)
    await kill(desk)
    await desk.until_seen(1)
    await desk.daemon.start()
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert (await desk.lead_states(campaign))[number] is LeadState.SUCCESS
    await desk.judge(campaign, agents=agents)


async def test_a_call_whose_end_nobody_saw_is_unknown_and_spent_and_cools_off(desk: Desk) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, NOBODY)
    campaign = await desk.dial([number], ring_timeout_s=5, max_attempts=2, cooloff_s=3)
    await desk.until_call_is(number, AttemptState.RINGING)
    await kill(desk)
    await desk.until_seen(1)
    await desk.daemon.start()
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.UNKNOWN, Outcome.NO_ANSWER]
    assert (await desk.lead_states(campaign))[number] is LeadState.FAILED
    first, second = sorted(desk.calls_to(number), key=lambda call: call.invite)
    assert second.invite - first.end >= timedelta(seconds=3)
    await desk.judge(campaign, agents=agents)


async def test_a_crash_between_the_row_and_the_dialing_spends_the_attempt(desk: Desk, lab: Lab) -> None:
    """The order to dial is caught on its way to Asterisk, so that the daemon dies in the very moment in question."""
    agents = await desk.staff("1010")
    proxy = AmiProxy(lab)
    await proxy.open()
    try:
        await desk.daemon.stop()
        desk.daemon.environment |= {"DIALERD_AMI__HOST": "127.0.0.1", "DIALERD_AMI__PORT": str(proxy.port)}
        await desk.daemon.start()
        proxy.holds_originates = True
        [number] = some(1, [50])
        campaign = await desk.dial([number], max_attempts=2, cooloff_s=3)
        await lab.wait_for(lambda: proxy.held, PATIENCE_S)
        await kill(desk)
        proxy.holds_originates = False
        await desk.daemon.start()
        await desk.until_completed(campaign)
    finally:
        await proxy.close()
    assert await desk.outcomes(number) == [Outcome.UNKNOWN, Outcome.BUSY]
    [seen] = desk.calls_to(number)  # the one that was caught was never dialed, and nobody made up for it
    unknown = (await desk.attempts(number))[0]
    assert seen.invite - unknown["ended_at"] >= timedelta(seconds=3)
    await desk.judge(campaign, agents=agents)


async def test_a_run_that_is_killed_again_and_again_breaks_no_law(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*(str(1010 + index) for index in range(6)))
    await lab.set_fates(ring_s=(0.5, 2), talk_s=(1, 2))
    leads = some(24, [0, 1, 2, 50, 60, 80])
    campaign = await desk.dial(leads, calls_per_second=4, concurrency=8, ring_timeout_s=5)
    for count in (4, 12):
        await desk.until_seen(count)
        await kill(desk)
        await desk.daemon.start()
    await desk.until_completed(campaign)
    assert len(lab.calls("lead")) <= len(leads)
    assert {number: len(desk.calls_to(number)) for number in leads if len(desk.calls_to(number)) > 1} == {}
    await desk.judge(campaign, agents=agents, but={"L7"})
    states = await desk.lead_states(campaign)
    assert set(states.values()) <= {LeadState.SUCCESS, LeadState.FAILED, LeadState.ABANDONED}


async def test_daemon_and_embedded_postgres_die_together_and_come_back(lab: Lab) -> None:
    await lab.set_fates(talk_s=(10, 10))
    for extension in ("1010", "1011"):
        await lab.queue_add(QUEUE, extension)
    async with running_daemon(lab) as daemon:
        person, *busy = [*some(1, PERSON), *some(8, [50])]
        await daemon.cli(
            *("campaign", "create", NAME, "--queue", QUEUE, "--calls-per-second", "2", "--max-attempts", "1")
        )
        await daemon.import_leads(NAME, [person, *busy])
        await daemon.cli("campaign", "start", NAME)
        await lab.wait_for(lambda: len(lab.calls("lead")) >= 2, PATIENCE_S)
        await daemon.stop(SIGKILL)
        await daemon.start()
        await lab.wait_for(lambda: len(lab.calls("lead")) >= len(busy), PATIENCE_S)

        async def states() -> list[str]:
            leads = json.loads(await daemon.cli("leads", "list", NAME, "--json", "--full-numbers"))
            said = [lead["state"] for lead in sorted(leads, key=lambda lead: str(lead["number"]))]
            return said if set(said) <= {"success", "failed"} else []

        assert sorted(await lab.wait_for(states, PATIENCE_S)) == ["failed"] * len(busy) + ["success"]
    assert sorted({call.dialed for call in lab.calls("lead")}) == sorted(call.dialed for call in lab.calls("lead"))


# --- told to end -----------------------------------------------------------------------------------------------------


async def test_told_to_end_under_load_it_dials_no_more_drops_nothing_and_goes_on_later(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011", "1012", "1013")
    await lab.set_fates(talk_s=FOR_EVER, long_ring_s=FOR_EVER)
    talkers, [ringer], others = some(2, PERSON), some(1, LONG_RING), some(20, [50])
    start = now()
    campaign = await desk.dial([*talkers, ringer, *others], calls_per_second=2, ring_timeout_s=120)
    for number in talkers:
        await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    assert await desk.daemon.stop() == 0
    ended = now()
    dialed = len(lab.calls("lead"))
    assert dialed < len(others)
    restarted = now()
    await desk.daemon.start()
    assert [desk.calls_to(number) for number in talkers] == [[], []]  # they talk on
    await lab.pick_up(ringer)
    await desk.until_call_is(ringer, AttemptState.CONNECTED)
    for number in (*talkers, ringer):
        await lab.hang_up(number.lstrip("+"))
    await desk.until_completed(campaign)
    for number in (*talkers, ringer):
        [lead] = desk.calls_to(number)
        assert lead.hung_up_by == "far_end"
        assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert min(desk.talk_of(number) for number in talkers) > (restarted - ended).total_seconds()
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=ended), Span(start=restarted)])
