"""What a daemon owes to others beside it: leases, pace, lines and agents are the campaign's and not its own; calls may change hands."""

from datetime import timedelta
from uuid import UUID

import pytest

from dialerd.dialer.campaign_runner import COUNT_ELSEWHERE_S, LEAVES_WITHIN_S
from dialerd.dialer.presence import EVERY_S
from dialerd.dialer.supervisor import LOOK_S
from dialerd.domain.attempts import Lease, OpenCall, Underway
from dialerd.domain.calls import AttemptState, DialMode, LeadLeft, LeadRang
from dialerd.domain.nodes import Neighbour
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from dialerd.errors import AsteriskUnavailable
from tests.factories import a_call
from tests.fakes.clock import pass_time, settle, virtual_loop
from tests.fakes.node import LEASE_S, NODE, a_node
from tests.fakes.telephony import a_lead_channel
from tests.unit.dialer.test_campaign_runner import campaign, dialing, held
from tests.unit.dialer.test_supervisor import supervised

THEIRS = UUID("7c0e8f6e-1f0b-4a53-9d3c-5d6b3a8a1c11")
OTHER = "other"


# --- between the row and the Originate -------------------------------------------------------------------------------


async def test_a_call_whose_lease_ran_out_between_its_row_and_its_originate_is_not_placed() -> None:
    """The daemon was frozen in that very moment: another one may dial the campaign by now."""
    async with dialing(campaign(concurrency=1)) as node:
        while not node.attempts.opened:
            await pass_time(0.001)
        assert node.telephony.dialed == []  # its slot has not come
        node.campaigns.owned_elsewhere = {1}
        virtual_loop().stall(LEASE_S)
        await pass_time(5)
        assert (node.telephony.dialed, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])


@pytest.mark.parametrize("loses", ["time", "to another"])
async def test_a_call_of_a_campaign_that_is_not_ours_any_more_is_not_dialed(loses: str) -> None:
    async with a_node() as node:
        if loses == "time":
            node.leases.hold(Lease(campaign_id=1, node=NODE, epoch=1), until=node.clock.monotonic())
        else:
            node.leases.drop(1)
        node.tracker.place(a_call(), decision_s=0)
        await settle()
        assert (node.telephony.dialed, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.NOT_PLACED])


# --- a campaign that was another's -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ago", "first_at"), [(0.0, 10.0), (4.0, 6.0 + LEAVES_WITHIN_S), (11.0, 0.0), (3600.0, 0.0)])
async def test_the_pace_goes_on_where_another_daemon_has_left_it(ago: float, first_at: float) -> None:
    """One call in ten seconds; the runner itself begins with an interval, too, so it has waited for the lease for long."""
    async with dialing(campaign(calls_per_second=0.1)) as node:
        node.campaigns.owned_elsewhere = {1}
        await pass_time(60)
        node.attempts.underway_before[1] = Underway(last_opened_ago=timedelta(seconds=ago))
        node.campaigns.owned_elsewhere.clear()
        node.runners[0].decide_anew()
        taken_at = node.clock.monotonic()
        await pass_time(15)
        assert node.telephony.dialed_at[0] - taken_at == pytest.approx(first_at, abs=0.05)


async def test_when_an_agent_was_rung_first_the_pace_begins_anew() -> None:
    """When he got his lead is not written down."""
    async with dialing(campaign(calls_per_second=0.1, dial_mode=DialMode.AGENT_FIRST)) as node:
        node.campaigns.owned_elsewhere = {1}
        await pass_time(60)
        node.attempts.underway_before[1] = Underway(last_opened_ago=timedelta(seconds=9))
        node.campaigns.owned_elsewhere.clear()
        node.runners[0].decide_anew()
        await settle()
        now = node.clock.monotonic()
        assert node.parts.pacer.wait(1, now) == pytest.approx(10, abs=0.01)


async def test_calls_that_others_have_in_flight_occupy_lines_until_they_end() -> None:
    async with dialing(campaign(concurrency=2)) as node:
        node.attempts.underway_before[1] = Underway(open=frozenset({THEIRS}))
        await pass_time(20)
        assert len(node.telephony.dialed) == 1
        assert held(node)[-1] is HoldReason.CONCURRENCY
        [facts] = [told.fact for told in node.campaigns.notes[-1].verdicts if told.reason is HoldReason.CONCURRENCY]
        assert facts == {"in_flight": 1, "allowed": 2, "of_other_nodes": 1}
        node.attempts.underway_before[1] = Underway()
        await pass_time(2 * COUNT_ELSEWHERE_S + 1)
        assert len(node.telephony.dialed) == 2


async def test_a_call_that_was_taken_over_is_counted_once() -> None:
    async with dialing(campaign(concurrency=2)) as node:
        node.attempts.underway_before[1] = Underway(open=frozenset({THEIRS}))
        await pass_time(5)
        node.tracker.adopt(a_call(id=THEIRS, lead_id=99))
        await pass_time(20)
        assert len(node.telephony.dialed) == 1


async def test_agents_whom_others_have_promised_hold_the_campaign_and_are_asked_for_again_soon() -> None:
    async with dialing(campaign()) as node:
        node.attempts.promised_elsewhere = 1000
        await pass_time(5)
        assert (node.attempts.opened, held(node)[-1]) == ([], HoldReason.NO_FREE_AGENT)
        node.attempts.promised_elsewhere = 0
        await pass_time(1)
        assert node.telephony.dialed


# --- draining --------------------------------------------------------------------------------------------------------


async def test_a_node_that_drains_hands_its_campaigns_back_and_lets_its_calls_be() -> None:
    async with supervised(campaign(1), campaign(2)) as node:
        await pass_time(1)
        node.nodes.draining = {NODE}
        node.supervisor.ring()
        await pass_time(0.1)
        dialed = len(node.telephony.dialed)
        assert (dialed > 0, sorted(node.campaigns.given_back), node.supervisor.draining) == (True, [1, 2], True)
        await pass_time(60)
        assert (len(node.telephony.dialed), "hang up lead" in node.journal) == (dialed, False)


async def test_a_node_that_drains_no_more_takes_campaigns_up_again() -> None:
    async with supervised(campaign()) as node:
        node.nodes.draining = {NODE}
        await pass_time(10)
        assert node.campaigns.leased == []
        node.nodes.draining = set()
        await pass_time(LOOK_S + 1)
        assert (node.telephony.dialed != [], node.supervisor.draining) == (True, False)


# --- who lives, and who is gone --------------------------------------------------------------------------------------


def neighbour(silent_s: float) -> Neighbour:
    return Neighbour(id=OTHER, silent_for=timedelta(seconds=silent_s))


async def test_a_daemon_gives_signs_of_life_in_both_places() -> None:
    async with a_node() as node:
        alive = node.tasks.create_task(node.presence.run())
        await pass_time(5 * EVERY_S - 0.1)
        first = node.telephony.signs[NODE]
        await pass_time(EVERY_S)
        assert (node.nodes.beats, node.telephony.signs[NODE] != first) == (6, True)
        alive.cancel()


async def test_while_the_database_is_away_asterisk_is_still_told() -> None:
    async with a_node() as node:
        node.nodes.trouble.down = True
        alive = node.tasks.create_task(node.presence.run())
        await pass_time(1)
        first = node.telephony.signs[NODE]
        await pass_time(3 * EVERY_S)
        assert (node.nodes.beats, node.telephony.signs[NODE] != first) == (0, True)
        alive.cancel()


@pytest.mark.parametrize(
    ("silent_s", "signs", "gone"),
    [(LEASE_S + 1, False, {OTHER}), (LEASE_S + 1, True, set()), (LEASE_S - 1, False, set())],
)
async def test_who_gives_no_sign_in_either_place_for_as_long_as_a_lease_is_gone(
    silent_s: float, signs: bool, gone: set[str]
) -> None:
    """Who is only cut off from the database serves its calls still."""
    async with a_node() as node:
        node.nodes.others = [neighbour(silent_s)]
        alive = node.tasks.create_task(node.presence.run())
        for step in range(int(LEASE_S / EVERY_S) + 2):
            node.telephony.signs[OTHER] = str(step if signs else 0)
            await pass_time(EVERY_S)
        assert node.presence.gone == gone
        alive.cancel()


async def test_who_cannot_be_looked_for_is_not_gone() -> None:
    async with a_node() as node:
        node.nodes.others = [neighbour(LEASE_S + 1)]
        alive = node.tasks.create_task(node.presence.run())
        await pass_time(LEASE_S + 2 * EVERY_S)
        assert node.presence.gone == {OTHER}
        node.telephony.up = False
        await pass_time(EVERY_S)
        assert node.presence.gone == set()
        alive.cancel()


async def test_the_calls_of_a_neighbour_that_is_gone_are_taken_over_at_once() -> None:
    async with a_node() as node:
        rescue, alive = (node.tasks.create_task(each.run()) for each in (node.rescuer, node.presence))
        call = a_call(state=AttemptState.RINGING)
        node.attempts.open = [OpenCall(call=call, node=OTHER)]
        node.telephony.put(a_lead_channel(call, ringing=True, up=False))
        node.nodes.others = [neighbour(LEASE_S)]
        await pass_time(LEASE_S + EVERY_S + 0.1)
        assert node.tracker.is_tracked(call.id)
        assert node.nodes.pbx == {NODE: await node.telephony.entity_id()}
        rescue.cancel()
        alive.cancel()


async def test_nothing_is_dialed_before_it_is_known_which_asterisk_this_is() -> None:
    async with a_node() as node:
        node.telephony.failures["entity id"] = [AsteriskUnavailable()] * 3
        rescue = node.tasks.create_task(node.rescuer.run())
        await pass_time(2.5)
        assert not node.rescuer.ready.is_set()
        await pass_time(2)
        assert node.rescuer.ready.is_set()
        rescue.cancel()


async def test_a_call_that_another_daemon_has_taken_over_is_let_go() -> None:
    """It was frozen, or cut off, for so long; now two would lead the same call."""
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        call = a_call()
        node.tracker.place(call, decision_s=0)
        await node.tell(LeadRang())
        node.telephony.put(a_lead_channel(call, ringing=True, up=False))
        node.attempts.open = [OpenCall(call=call, node=OTHER)]
        node.rescuer.look_again()
        await pass_time(0.1)
        assert not node.tracker.is_tracked(call.id)
        assert (node.attempts.closed, "hang up lead" in node.journal) == ([], False)
        rescue.cancel()


async def test_the_end_of_such_a_call_is_still_written_where_it_is_known() -> None:
    async with a_node() as node:
        rescue = node.tasks.create_task(node.rescuer.run())
        await settle()
        call = a_call()
        node.tracker.place(call, decision_s=0)
        await settle()
        node.attempts.closing_fails = True
        await node.tell(LeadLeft(cause=17))
        node.attempts.open = [OpenCall(call=call, node=OTHER)]
        node.rescuer.look_again()
        await pass_time(0.1)
        node.attempts.closing_fails = False
        await pass_time(30)
        assert [ended.outcome for ended in node.attempts.closed] == [Outcome.BUSY]
        rescue.cancel()


async def test_who_was_out_of_sight_for_longer_than_a_lease_looks_at_its_calls_at_once() -> None:
    async with a_node() as node:
        rescue, alive = (node.tasks.create_task(each.run()) for each in (node.rescuer, node.presence))
        await pass_time(1)
        looks = node.journal.count("live channels")
        virtual_loop().stall(LEASE_S)
        await pass_time(0.1)
        assert node.journal.count("live channels") == looks + 1
        rescue.cancel()
        alive.cancel()
