"""Several daemons on one database: whose calls become whose, and what holds for a campaign whichever of them dials it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState, Call, CallFlow, DialMode
from dialerd.domain.campaigns import Target
from dialerd.domain.nodes import NodeState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import NotFound, StoreBusy
from dialerd.store.pool import BELL
from tests.factories import a_new_lead, later
from tests.integration.store.neighbours import FAR_AWAY, neighbours, silent, take_over
from tests.integration.store.scene import LEASE, Dialed, Stores, ended, some_leads

SECOND = timedelta(seconds=1)


async def owner_of(stores: Stores, call: Call) -> str:
    [row] = [row for row in await stores.attempts.open_calls() if row.call.id == call.id]
    return row.node


# --- calls of a daemon that is silent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_for", "gone", "taken"),
    [
        (timedelta(seconds=59), (), 0),
        (timedelta(seconds=61), (), 1),
        (timedelta(seconds=7), ("one",), 1),
        (timedelta(seconds=7), ("somebody else",), 0),
    ],
)
async def test_on_the_same_asterisk_calls_are_taken_over_from_a_daemon_that_is_gone_or_long_silent(
    stores: Stores, silent_for: timedelta, gone: tuple[str, ...], taken: int
) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    await neighbours(stores, "one", "two")
    await silent(stores, "one", silent_for)
    assert await take_over(stores, "two", gone=gone) == taken
    assert await owner_of(stores, call) == ("two" if taken else "one")


@pytest.mark.parametrize("pbx", [FAR_AWAY, ""])
async def test_calls_on_another_asterisk_are_left_alone_until_they_are_given_up(stores: Stores, pbx: str) -> None:
    """They may still talk: nobody here can see that. A number that is called stays called meanwhile."""
    dialed = await stores.a_dialed_campaign()
    await dialed.open()
    await neighbours(stores, "one", pbx=pbx)
    await neighbours(stores, "two")
    await silent(stores, "one", timedelta(hours=2) - SECOND * 20)
    assert await take_over(stores, "two", gone=("one",)) == 0
    await silent(stores, "one", timedelta(hours=2))
    assert await take_over(stores, "two") == 1


async def test_two_daemons_that_do_not_know_their_asterisk_are_no_neighbours(stores: Stores) -> None:
    await (await stores.a_dialed_campaign()).open()
    await neighbours(stores, "one", "two", pbx="")
    await silent(stores, "one", timedelta(minutes=10))
    assert await take_over(stores, "two") == 0
    assert await stores.nodes.neighbours("two") == []


async def test_of_two_daemons_that_take_over_at_once_each_call_goes_to_one(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=6)
    calls = await dialed.open_all()
    await neighbours(stores, "one", "two", "three")
    await silent(stores, "one", timedelta(minutes=2))
    taken = await asyncio.gather(take_over(stores, "two"), take_over(stores, "three"))
    assert sum(taken) == len(calls) == 6


async def test_neighbours_are_those_with_calls_on_the_same_asterisk(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    await neighbours(stores, "one", "two", "idle")
    await neighbours(stores, "away", pbx=FAR_AWAY)
    await silent(stores, "one", timedelta(seconds=30))
    [neighbour] = await stores.nodes.neighbours("two")
    assert (neighbour.id, 30 <= neighbour.silent_for.total_seconds() < 60) == ("one", True)
    await stores.attempts.close_attempt(ended(call, Outcome.BUSY))
    assert await stores.nodes.neighbours("two") == []


# --- what holds for a campaign, whoever dials it ---------------------------------------------------------------------


async def test_who_takes_a_campaign_up_learns_of_its_calls_and_of_the_last_one(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    assert (await stores.attempts.underway(dialed.campaign.id)).last_opened_ago is None
    over, open_ = await dialed.dial(Outcome.BUSY), await dialed.open()
    await stores.pool.execute("UPDATE attempts SET opened_at = opened_at - interval '30 seconds'")
    underway = await stores.attempts.underway(dialed.campaign.id)
    assert underway.open == {open_.id} != {over.id}
    assert underway.last_opened_ago is not None
    assert timedelta(seconds=30) <= underway.last_opened_ago < timedelta(seconds=60)


async def test_a_campaign_that_is_handed_back_rings_the_bell_and_a_renewed_lease_does_not(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    rung: list[object] = []

    def ring(*_: object) -> None:
        rung.append(1)

    async with stores.pool.acquire() as listener:
        await listener.add_listener(BELL, ring)
        await stores.campaigns.take_lease(dialed.campaign.id, node="one", duration=LEASE)
        await listener.execute("SELECT 1")
        assert rung == []
        await stores.campaigns.give_lease_back(dialed.lease)
        await listener.execute("SELECT 1")
        await listener.remove_listener(BELL, ring)
    assert rung


async def test_the_days_cap_of_a_caller_id_holds_for_all_daemons_together(stores: Stores) -> None:
    """Two campaigns of two daemons show the same number, which may be shown three times a day."""
    shown = [CallerId(number="+12025550101")]
    one = await stores.a_dialed_campaign(4, shown, name="one")
    two = await stores.dialing(await _draft_of_others(stores, shown), node="two")
    await stores.pool.execute("UPDATE caller_ids SET daily_cap = 3")
    calls = await asyncio.gather(*(_as_many_as_possible(dialed) for dialed in (one, two)))
    assert sum(map(len, calls)) == 3


async def test_the_cap_of_a_number_holds_for_all_daemons_together(stores: Stores) -> None:
    """One lead's number is in campaigns of two daemons: while one calls it the other does not, not even in the same instant."""
    [lead] = some_leads(1)
    campaigns = []
    for node in ("one", "two"):
        draft = await stores.a_draft(name=node)
        await stores.leads.add(draft.id, [lead])
        campaigns.append(await stores.dialing(draft, node=node))
    calls = await asyncio.gather(*(_as_many_as_possible(dialed) for dialed in campaigns))
    assert sum(map(len, calls)) == 1


async def _draft_of_others(stores: Stores, shown: list[CallerId]) -> Any:
    draft = await stores.a_draft(0, shown, name="two")
    await stores.leads.add(draft.id, some_leads(8)[4:])
    return draft


async def _as_many_as_possible(dialed: Dialed) -> list[Call]:
    """A collision with the other is no answer: it is tried again, as a daemon does."""
    calls: list[Call] = []
    while True:
        try:
            claim = await dialed.claim()
        except StoreBusy:
            continue
        if not claim.opened and not claim.passed:
            return calls
        calls += [opened.call for opened in claim.opened]


# --- agents whom others have promised --------------------------------------------------------------------------------


async def one_dials(stores: Stores, **settings: Any) -> Dialed:
    """A campaign of node one, with a call for an agent of the queue on its way; node two is beside it."""
    dialed = await stores.a_dialed_campaign(name="one's", **{"queue": "sales", **settings})
    await neighbours(stores, "one", "two")
    return dialed


async def two_claims(stores: Stores, agents: int | None, **settings: Any) -> bool:
    """Whether node two may open a call for an agent while so many are free there."""
    draft = await stores.a_draft(name="two's", **{"queue": "sales", **settings})
    await stores.leads.add(draft.id, [a_new_lead(number="+12025550199")])
    claim = await (await stores.dialing(draft, node="two")).claim(agents=agents)
    assert claim.crowded is not bool(claim.opened)
    return bool(claim.opened)


@pytest.mark.parametrize(("agents", "opened"), [(1, False), (2, True), (None, True)])
async def test_an_agent_promised_to_another_nodes_call_is_not_free_here(
    stores: Stores, agents: int | None, opened: bool
) -> None:
    await (await one_dials(stores)).open()
    assert await two_claims(stores, agents) is opened


async def test_agents_of_another_queue_or_another_asterisk_are_others(stores: Stores) -> None:
    await (await one_dials(stores)).open()
    assert await two_claims(stores, 1, queue="support")
    await neighbours(stores, "two", pbx=FAR_AWAY)
    dialed = await stores.a_draft(name="far away", queue="sales")
    await stores.leads.add(dialed.id, [a_new_lead(number="+12025550198")])
    assert (await (await stores.dialing(dialed, node="two")).claim(agents=1)).opened


@pytest.mark.parametrize(
    ("state", "changes", "opened"),
    [
        (AttemptState.RINGING, {"ringing_at": later(0)}, False),
        (AttemptState.ANSWERED, {"answered_at": later(0)}, False),
        (AttemptState.ANSWERED, {"answered_at": later(0), "agent_ringing_at": later(0), "agent": "PJSIP/1"}, True),
        (AttemptState.QUEUED, {"answered_at": later(0)}, True),
    ],
)
async def test_once_an_agent_is_rung_his_phone_tells_the_rest(
    stores: Stores, state: AttemptState, changes: dict[str, Any], opened: bool
) -> None:
    dialed = await one_dials(stores)
    call = ended(await dialed.open(), Outcome.BUSY)
    row = call.__class__(**{**vars(call), "state": state, "outcome": None, "ended_at": None, **changes})
    await stores.attempts.record_progress(row)
    assert await two_claims(stores, 1) is opened


async def test_of_leads_who_listen_to_a_menu_few_ask_for_an_agent(stores: Stores) -> None:
    call = await (await one_dials(stores)).open()
    await stores.pool.execute("UPDATE attempts SET flow = $1::call_flow", CallFlow.MENU)
    assert await two_claims(stores, 1)
    assert call.state is AttemptState.DIALING


async def test_a_certain_agent_is_promised_only_to_calls_that_ask_for_him(stores: Stores) -> None:
    anna, ben = (dict[str, Any]({"target": Target.AGENT, "target_agent": f"PJSIP/{name}"}) for name in ("anna", "ben"))
    await (await one_dials(stores, dial_mode=DialMode.PROGRESSIVE, **anna)).open()
    assert await two_claims(stores, 1, **ben)
    draft = await stores.a_draft(name="anna's, too", queue="sales", **anna)
    await stores.leads.add(draft.id, [a_new_lead(number="+12025550197")])
    assert (await (await stores.dialing(draft, node="two")).claim(agents=1)).crowded


async def test_two_nodes_that_claim_at_once_do_not_promise_one_agent_twice(stores: Stores) -> None:
    await neighbours(stores, "one", "two")
    campaigns = []
    for node, leads in (("one", some_leads(20)[:10]), ("two", some_leads(20)[10:])):
        draft = await stores.a_draft(name=node, queue="sales")
        await stores.leads.add(draft.id, leads)
        campaigns.append(await stores.dialing(draft, node=node))
    for _ in range(10):
        claims = await asyncio.gather(*(dialed.claim(agents=1) for dialed in campaigns))
        opened = [one.call for claim in claims for one in claim.opened]
        assert len(opened) == 1
        await stores.attempts.close_attempt(ended(opened[0], Outcome.BUSY))


async def test_a_daemon_that_was_silent_for_minutes_promises_nothing(stores: Stores) -> None:
    await (await one_dials(stores)).open()
    await silent(stores, "one", timedelta(minutes=3))
    assert await two_claims(stores, 1)


# --- draining --------------------------------------------------------------------------------------------------------


async def test_a_node_is_told_to_drain_and_stays_so_when_it_is_started_again(stores: Stores) -> None:
    await stores.nodes.register("one", "1")
    assert not await stores.nodes.is_draining("one")
    await stores.nodes.set_draining("one", True)
    await stores.nodes.register("one", "2")
    assert await stores.nodes.is_draining("one")
    assert [(node.id, node.state) for node in await stores.nodes.list()] == [("one", NodeState.DRAINING)]
    await stores.nodes.set_draining("one", False)
    assert not await stores.nodes.is_draining("one")


async def test_a_node_whose_asterisk_is_away_leaves_the_campaigns_to_one_whose_is_not(stores: Stores) -> None:
    for name in ("one", "two"):
        await stores.nodes.register(name, "1")
    await stores.nodes.heartbeat("one", asterisk_up=False)
    assert not await stores.nodes.is_draining("one"), "for a moment nobody moves"
    await stores.pool.execute("UPDATE nodes SET asterisk_away_since = now() - interval '6 seconds' WHERE id = 'one'")
    assert (await stores.nodes.is_draining("one"), await stores.nodes.is_draining("two")) == (True, False)
    await stores.nodes.heartbeat("two", asterisk_up=False)
    assert not await stores.nodes.is_draining("one"), "nobody else could dial them"
    await stores.nodes.heartbeat("two", asterisk_up=True)
    await silent(stores, "two", timedelta(minutes=3))
    assert not await stores.nodes.is_draining("one"), "nobody else lives"
    await stores.nodes.heartbeat("two", asterisk_up=True)
    await stores.nodes.heartbeat("one", asterisk_up=True)
    assert not await stores.nodes.is_draining("one")


async def test_a_node_that_there_is_not_cannot_drain(stores: Stores) -> None:
    with pytest.raises(NotFound, match="there is no node nobody"):
        await stores.nodes.set_draining("nobody", True)


async def test_nodes_are_listed_with_what_they_do(stores: Stores) -> None:
    await (await stores.a_dialed_campaign()).open()
    await neighbours(stores, "one", "two")
    await silent(stores, "two", timedelta(minutes=5))
    one, two = await stores.nodes.list()
    assert (one.id, one.campaigns, one.open_calls, one.state) == ("one", 1, 1, NodeState.ALIVE)
    assert (two.id, two.campaigns, two.open_calls, two.state) == ("two", 0, 0, NodeState.SILENT)
