"""The line to Asterisk's REST interface falls silent, hangs, or is taken away by another program (laws L2, L8 and L9)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialerd.domain.calls import AttemptState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.conftest import impatient_daemon
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import Daemon
from tests.faults.lines import AGENTS, logged, measured, until_link_is, until_readiness_says
from tests.faults.proxy import BOTH, FaultProxy, Way
from tests.lab import Lab, StasisApp

pytestmark = pytest.mark.acceptance
TAKEN = "another program has taken our application"


@pytest.fixture
def line(ari_line: FaultProxy) -> FaultProxy:
    return ari_line


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str, line: FaultProxy) -> AsyncIterator[Daemon]:
    """It reaches the REST interface by way of the line."""
    by_way = {"DIALERD_ARI__BASE_URL": f"http://127.0.0.1:{line.port}"}
    async with impatient_daemon(lab, database, **by_way) as daemon:
        yield daemon


@pytest.mark.parametrize("ways", [BOTH, (Way.TO_CLIENT,)], ids=["half-open", "hangs"])
@pytest.mark.long
async def test_who_answers_while_the_rest_interface_is_silent_is_served_and_nobody_else_is_dialed(
    desk: Desk, lab: Lab, line: FaultProxy, ways: tuple[Way, ...]
) -> None:
    """F24: the websocket is half-open; or requests arrive, and are never answered, as when Asterisk's REST interface hangs."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(12, 12))
    [talker, answers], others = some(2, PERSON), some(8, BUSY[:1])
    await lab.set_answer(answers, 5)
    campaign = await desk.dial([talker, answers, *others], calls_per_second=0.5, agent_dial_timeout_s=3)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.until_call_is(answers, AttemptState.RINGING)
    line.freeze(*ways)
    noticed_s = await until_link_is(desk, "ari", up=False)
    await until_readiness_says(desk, '"why":{"ari":"')
    await desk.until_held(campaign, "asterisk_down")
    held_at = now()
    await lab.wait_for(lambda: desk.agent_legs_for(answers), PATIENCE_S)
    assert desk.talk_of(answers) > 1
    goes_on = now()
    line.thaw()
    measured(noticed_s=noticed_s, up_again_s=await until_link_is(desk, "ari", up=True))
    await desk.until_completed(campaign)
    assert not [call for call in desk.calls_in_order() if held_at < call.invite < goes_on]
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert await desk.outcomes(answers) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([talker, answers, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_an_application_that_another_program_takes_is_not_fought_for_and_taken_up_when_it_is_free(
    desk: Desk, lab: Lab, line: FaultProxy
) -> None:
    """F24: ApplicationReplaced. What is answered meanwhile is served by the dialplan, and nothing new is dialed."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(9, 9), long_ring_s=(6, 6))
    [ringer], others = some(1, LONG_RING), some(6, BUSY[:1])
    campaign = await desk.dial([ringer, *others], calls_per_second=0.5, ring_timeout_s=40, agent_dial_timeout_s=3)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    async with StasisApp.connected(lab.ari_url, "dialerd") as thief:
        await until_readiness_says(desk, TAKEN)
        await desk.until_held(campaign, "asterisk_down")
        held_at = now()
        await thief.next("StasisStart", timeout_s=PATIENCE_S)
        await lab.wait_for(lambda: desk.calls_to(ringer), PATIENCE_S)
        assert logged(desk, "ari_application_taken") == 1
        assert logged(desk, "ari_link_up") == 1, "nobody takes it back from who holds it"
        goes_on = now()
    measured(up_again_s=await until_link_is(desk, "ari", up=True))
    await desk.until_completed(campaign)
    assert not [call for call in desk.calls_in_order() if held_at < call.invite < goes_on]
    assert await desk.outcomes(ringer) == [Outcome.CONNECTED]
    assert sorted(desk.dialed()) == sorted([ringer, *others])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_of_two_daemons_with_one_application_the_later_keeps_it_and_the_earlier_waits_for_its_end(
    desk: Desk, lab: Lab, database: str
) -> None:
    """F24: two daemons that were given the same application by mistake do not steal it from each other for ever."""
    agents = await desk.staff(*AGENTS)
    numbers = some(8, BUSY[:1])
    async with impatient_daemon(lab, database, DIALERD_DIALER__NODE_ID="later") as later:
        await until_readiness_says(desk, TAKEN)
        campaign = await desk.dial(numbers, calls_per_second=0.5)
        await lab.wait_for(lambda: lab.calls("lead"), PATIENCE_S)
        assert await later.is_ready()
        assert logged(desk, "ari_link_up") == 1
    measured(up_again_s=await until_link_is(desk, "ari", up=True))
    await desk.until_completed(campaign, timeout_s=90)
    assert sorted(desk.dialed()) == sorted(numbers)
    await desk.judge(campaign, agents=agents)
