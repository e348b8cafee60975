"""The daemon is killed between two bytes: before and after its COMMIT has reached Postgres, after its order to dial has reached
Asterisk, and while several phones ring (laws L2, L7, L8 and L9). tests/acceptance/test_crashes.py has the other moments."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from signal import SIGKILL

import asyncpg
import pytest
import pytest_asyncio

from dialerd.dialer.rescuer import SETTLING_S
from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.conftest import as_url
from tests.acceptance.desk import PATIENCE_S, PERSON, Desk, now, some
from tests.faults.proxy import FaultProxy, Way
from tests.lab import FOR_EVER, Lab

pytestmark = pytest.mark.acceptance

PROMISE_S = 3.0
"""In which a person who answers hears something: two seconds by the rule, and one for a machine that has much to do."""
LONGER_THAN_SETTLING = timedelta(seconds=2 * SETTLING_S)
"""By then the daemon has closed every call whose channel it does not see."""


@pytest_asyncio.fixture
async def to_postgres(desk: Desk, database: str) -> AsyncIterator[FaultProxy]:
    """The daemon's line to its database. The desk has its own."""
    async with (
        FaultProxy.to_postgres(as_url(database)) as proxy,
        _started_with(desk, DIALERD_DATABASE__DSN=proxy.dsn(as_url(database))),
    ):
        yield proxy


@pytest_asyncio.fixture
async def to_asterisk(desk: Desk, lab: Lab) -> AsyncIterator[FaultProxy]:
    """The daemon's line to the manager interface."""
    async with (
        FaultProxy.to(lab.pbx_address, 5038) as proxy,
        _started_with(desk, DIALERD_AMI__HOST="127.0.0.1", DIALERD_AMI__PORT=str(proxy.port)),
    ):
        yield proxy


@asynccontextmanager
async def _started_with(desk: Desk, **environment: str) -> AsyncIterator[None]:
    await desk.daemon.stop()
    desk.daemon.environment |= environment
    await desk.daemon.start()
    yield
    await desk.daemon.stop()


async def catch_the_commit_of(number: str, desk: Desk, proxy: FaultProxy, way: Way) -> None:
    """Of the transaction that opens the attempt, which is known by the number in it: on its way there, or its answer on the way back."""
    row = proxy.catch(number.encode(), Way.TO_SERVER)
    await desk.lab.wait_for(row.caught.is_set, PATIENCE_S)
    proxy.thaw(Way.TO_SERVER)

    async def is_its_own() -> bool:
        """One on its way there is: ours cannot have passed it."""
        return way is Way.TO_SERVER or bool(await desk.attempts(number))

    await proxy.catch_of(b"COMMIT", way, is_its_own)


async def kill_and_cut(desk: Desk, proxy: FaultProxy) -> None:
    """What was caught goes down with the line."""
    await desk.daemon.stop(SIGKILL)
    proxy.cut()
    proxy.thaw()


async def test_killed_before_its_commit_arrives_it_has_taken_no_lead_and_dialed_nobody(
    desk: Desk, lab: Lab, to_postgres: FaultProxy
) -> None:
    """F1: kill -9 before the commit of the attempt's row: the lead is still due, and there was no call."""
    agents = await desk.staff("1010")
    [number] = some(1, [50])
    campaign = await desk.campaign([number], max_attempts=1)
    await desk.start(campaign)
    await catch_the_commit_of(number, desk, to_postgres, Way.TO_SERVER)
    await kill_and_cut(desk, to_postgres)
    assert await desk.attempts(number) == []
    assert (await desk.lead_states(campaign))[number] is LeadState.ACTIVE
    assert await lab.is_silent()
    assert lab.calls() == []
    await desk.daemon.start()
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.BUSY]
    assert len(desk.calls_to(number)) == 1
    await desk.judge(campaign, agents=agents)


async def test_killed_after_its_commit_has_arrived_it_has_spent_an_attempt_that_nobody_makes_up_for(
    desk: Desk, lab: Lab, to_postgres: FaultProxy
) -> None:
    """F2: kill -9 after the commit, before anything was ordered: whether it left is not known, so it counts, and cools off."""
    agents = await desk.staff("1010")
    [number] = some(1, [50])
    campaign = await desk.campaign([number], max_attempts=2, cooloff_s=3)
    await desk.start(campaign)
    await catch_the_commit_of(number, desk, to_postgres, Way.TO_CLIENT)
    await kill_and_cut(desk, to_postgres)
    [row] = await desk.attempts(number)
    assert (row["state"], row["ended_at"]) == (AttemptState.DIALING, None)
    assert lab.calls() == []
    await desk.daemon.start()
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.UNKNOWN, Outcome.BUSY]
    [unknown, _], [seen] = await desk.attempts(number), desk.calls_to(number)
    assert seen.invite - unknown["ended_at"] >= timedelta(seconds=3)
    await desk.judge(campaign, agents=agents)


async def test_killed_before_asterisk_has_said_that_it_dials_it_finds_the_call_again_and_dials_no_second_time(
    desk: Desk, lab: Lab, to_asterisk: FaultProxy
) -> None:
    """F3: kill -9 after Originate, before its response: the restarted daemon finds the channel by its id. One INVITE."""
    agents = await desk.staff("1010")
    await lab.set_fates(ring_s=FOR_EVER, talk_s=(5, 5))
    [number] = some(1, PERSON)
    answer = to_asterisk.catch(b"Originate successfully queued", Way.TO_CLIENT)
    campaign = await desk.dial([number], ring_timeout_s=120, max_attempts=3, cooloff_s=1)
    await lab.wait_for(answer.caught.is_set, PATIENCE_S)
    await kill_and_cut(desk, to_asterisk)
    await desk.daemon.start()
    await desk.until_call_is(number, AttemptState.RINGING)
    await pick_up(desk, [number])
    await desk.until_completed(campaign)
    assert await desk.outcomes(number) == [Outcome.CONNECTED]
    assert len(desk.calls_to(number)) == 1
    assert desk.talk_of(number) > 1
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_of_six_phones_that_ring_when_it_is_killed_each_is_served_whenever_it_answers(
    desk: Desk, lab: Lab
) -> None:
    """F4: kill -9 while N ring: who answers meanwhile hears an agent, or music, in time; all are adopted, and nobody is called again."""
    await lab.listen()
    agents = await desk.staff(*(str(1010 + index) for index in range(6)))
    await lab.set_agents(talking=True)
    await lab.set_fates(ring_s=FOR_EVER, talk_s=FOR_EVER)
    leads = some(6, PERSON)
    soon, late = leads[:3], leads[3:]
    campaign = await desk.dial(leads, ring_timeout_s=120, max_attempts=3, cooloff_s=1)
    for number in leads:
        await desk.until_call_is(number, AttemptState.RINGING)
    await desk.daemon.stop(SIGKILL)
    await pick_up(desk, soon)
    await desk.daemon.start()
    ready = now()
    for number in soon:
        await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_over(ready + LONGER_THAN_SETTLING)
    assert [row["state"] for row in await only_attempts(desk, late)] == [AttemptState.RINGING] * 3
    await pick_up(desk, late)
    for number in late:
        await desk.until_call_is(number, AttemptState.CONNECTED)
    await desk.until_over(now() + LONGER_THAN_SETTLING)
    assert [row["state"] for row in await only_attempts(desk, leads)] == [AttemptState.CONNECTED] * 6
    for number in leads:
        await lab.hang_up(number.lstrip("+"))
    await desk.until_completed(campaign)
    await desk.until_silent()
    for number in leads:
        [lead] = desk.calls_to(number)
        assert await desk.outcomes(number) == [Outcome.CONNECTED]
        assert lead.hung_up_by == "far_end"
        assert desk.talk_of(number) > 4
        assert (await lab.heard(lead)).silence_before_first_s < PROMISE_S
        assert lead.answer is not None
        assert (lead.answer < ready) is (number in soon)
    await desk.judge(campaign, agents=agents)


async def only_attempts(desk: Desk, leads: Sequence[str]) -> list[asyncpg.Record]:
    """The row of each, which is its only one."""
    each = [await desk.attempts(number) for number in leads]
    return [row for [row] in each]


async def pick_up(desk: Desk, leads: Sequence[str]) -> None:
    """They answer, and the PBX has said so of the channel of each."""
    for number in leads:
        await desk.lab.pick_up(number)
    attempts = {str(row["id"]) for row in await only_attempts(desk, leads)}

    def answered() -> bool:
        ups = [said for said in desk.lab.pbx.events if said.get("ChannelStateDesc") == "Up"]
        return attempts <= {said["Uniqueid"] for said in ups}

    await desk.lab.wait_for(answered, PATIENCE_S)
