"""Law L4: whose agents are free, and how many of them are not promised yet."""

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.domain.calls import Wanted
from dialerd.domain.queues import DeviceState, has_spare_agent, unknown_queue
from tests.factories import ANNA, BEN, a_queue, an_agent

# --- who is free -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DeviceState)
def test_an_agent_is_free_only_when_the_phone_is_known_to_be_idle(device: DeviceState) -> None:
    assert an_agent(device=device).is_free(now=0) == (device is DeviceState.NOT_INUSE)


def test_an_agent_who_pauses_is_not_free() -> None:
    assert not an_agent(paused=True).is_free(now=0)


def test_an_agent_who_finishes_the_last_call_is_free_when_the_wrap_up_ends() -> None:
    agent = an_agent(wrapup_until=100.0)
    assert [agent.is_free(now) for now in (99.9, 100.0)] == [False, True]


def test_what_keeps_an_agent_from_the_next_call_is_told_by_what_weighs_most() -> None:
    agents = [
        an_agent(device=DeviceState.UNAVAILABLE, paused=True),
        an_agent(device=DeviceState.RINGING, paused=True),
        an_agent(paused=True, wrapup_until=105.0),
        an_agent(wrapup_until=105.0),
        an_agent(wrapup_until=100.0),
    ]
    assert [agent.state(100.0) for agent in agents] == ["away", "busy", "paused", "wrapup", "free"]


def test_a_queue_that_asterisk_has_not_told_us_of_has_nobody() -> None:
    queue = unknown_queue("sales")
    assert not queue.known
    assert queue.free_agents(now=0) == frozenset()


def test_the_free_agents_of_a_queue() -> None:
    queue = a_queue(agents=(an_agent(), an_agent(interface=BEN, paused=True)))
    assert queue.free_agents(now=0) == {ANNA}


def test_the_next_agent_whom_time_alone_will_free() -> None:
    queue = a_queue(
        agents=(
            an_agent(interface="PJSIP/1", wrapup_until=50.0),
            an_agent(interface="PJSIP/2", wrapup_until=30.0),
            an_agent(interface="PJSIP/3", wrapup_until=20.0, paused=True),
            an_agent(interface="PJSIP/4", wrapup_until=20.0, device=DeviceState.INUSE),
            an_agent(interface="PJSIP/5", wrapup_until=5.0),
        )
    )
    assert queue.next_wrapup_end(now=10.0) == pytest.approx(30.0)
    assert queue.next_wrapup_end(now=50.0) is None


# --- who is promised -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "promised", "spare"), [(0, 0, False), (1, 0, True), (1, 1, False), (3, 2, True), (1, 2, False)]
)
def test_an_agent_who_is_promised_to_a_call_is_not_promised_again(free: int, promised: int, spare: bool) -> None:
    agents = frozenset(f"PJSIP/{n}" for n in range(free))
    assert has_spare_agent("sales", free={"sales": agents}, promised={"sales": promised}) is spare


def test_an_agent_counts_once_however_many_queues_he_is_in() -> None:
    free = {"sales": frozenset({ANNA}), "support": frozenset({ANNA})}
    assert not has_spare_agent("sales", free=free, promised={"support": 1})


@pytest.mark.parametrize("shared", [ANNA, BEN])
def test_a_call_of_another_queue_is_served_by_that_queues_own_agent_where_it_has_one(shared: str) -> None:
    """Whichever of its two agents the other queue's call was thought to get first."""
    free = {"sales": frozenset({shared}), "support": frozenset({ANNA, BEN})}
    assert has_spare_agent("sales", free=free, promised={"support": 1})
    assert not has_spare_agent("sales", free=free, promised={"support": 2})


def test_nobody_is_spare_while_more_calls_are_on_their_way_than_agents_are_left_for_them() -> None:
    free = {"sales": frozenset({ANNA, BEN}), "support": frozenset({ANNA})}
    assert has_spare_agent("sales", free=free, promised={"support": 1})
    assert not has_spare_agent("sales", free=free, promised={"support": 2})


# --- who is wanted by name ---------------------------------------------------------------------------------------------

CLARA = "PJSIP/clara"
SALES, SUPPORT = Wanted("sales"), Wanted("support")
ANNA_OF_SALES = Wanted("sales", ANNA)


def test_an_agent_who_is_wanted_by_name_is_not_promised_to_the_queue_as_well() -> None:
    free = {SALES: frozenset({ANNA}), ANNA_OF_SALES: frozenset({ANNA})}
    assert has_spare_agent(ANNA_OF_SALES, free=free, promised={})
    assert not has_spare_agent(ANNA_OF_SALES, free=free, promised={SALES: 1})
    assert not has_spare_agent(SALES, free=free, promised={ANNA_OF_SALES: 1})
    assert not has_spare_agent(ANNA_OF_SALES, free=free, promised={ANNA_OF_SALES: 1})


def test_a_call_for_the_queue_leaves_the_agent_who_is_wanted_by_name_to_the_one_who_wants_him() -> None:
    free = {SALES: frozenset({ANNA, BEN}), ANNA_OF_SALES: frozenset({ANNA})}
    assert has_spare_agent(ANNA_OF_SALES, free=free, promised={SALES: 1})
    assert has_spare_agent(SALES, free=free, promised={ANNA_OF_SALES: 1})
    assert not has_spare_agent(SALES, free=free, promised={ANNA_OF_SALES: 1, SALES: 1})
    assert not has_spare_agent(ANNA_OF_SALES, free=free, promised={SALES: 2})


def test_a_queue_has_nobody_spare_while_a_promise_to_one_of_its_agents_cannot_be_kept() -> None:
    free = {SALES: frozenset({ANNA, BEN, CLARA}), ANNA_OF_SALES: frozenset({ANNA})}
    assert not has_spare_agent(SALES, free=free, promised={ANNA_OF_SALES: 2})


def test_calls_for_an_agent_of_another_queue_are_no_concern_of_this_one() -> None:
    free = {SALES: frozenset({ANNA}), Wanted("support", BEN): frozenset({BEN})}
    assert has_spare_agent(SALES, free=free, promised={Wanted("support", BEN): 5})


# --- tried out -----------------------------------------------------------------------------------------------------------

QUEUES = ("sales", "support", "vip")
AGENTS = ("PJSIP/1", "PJSIP/2", "PJSIP/3", "PJSIP/4")
ALL_WANTED = [Wanted(queue, agent) for queue in QUEUES for agent in (None, *AGENTS)]

free_of_queues = st.fixed_dictionaries({queue: st.frozensets(st.sampled_from(AGENTS)) for queue in QUEUES})
promises = st.dictionaries(st.sampled_from(ALL_WANTED), st.integers(1, 2), max_size=4)


def all_find_an_agent(calls: list[Wanted], free: Mapping[Wanted, frozenset[str]]) -> bool:
    """Tried out, seat by seat: slow, and plainly right."""
    return any(
        all(agent in free[call] for call, agent in zip(calls, seating, strict=True))
        for seating in permutations(AGENTS, len(calls))
    )


@given(free_of_queues, promises, st.sampled_from(ALL_WANTED))
@settings(max_examples=500)
def test_one_more_call_starts_only_if_it_and_all_calls_on_their_way_can_find_an_agent_each(
    free_of: dict[str, frozenset[str]], promised: dict[Wanted, int], wanted: Wanted
) -> None:
    """Whether they want one of a queue or somebody by name: no agent is promised twice."""
    free = {one: free_of[one.queue] & ({one.agent} if one.agent else set(AGENTS)) for one in ALL_WANTED}
    calls = [other for other, count in promised.items() for _ in range(count)]
    if has_spare_agent(wanted, free=free, promised=promised):
        concerned = [call for call in calls if call == wanted or not free[wanted].isdisjoint(free[call])]
        assert all_find_an_agent([*concerned, wanted], free)
    else:
        assert not all_find_an_agent([*calls, wanted], free)
