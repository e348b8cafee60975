"""Attempts: opened once, under every rule, and never lost."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from dialerd.domain.attempts import Lease, OpenedAttempt, PassedOver
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Campaign, CampaignAction
from dialerd.domain.eligibility import Rule
from dialerd.domain.leads import LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.store.attempts import RELEASE_BATCH
from tests.integration.store.scene import LEASE, Dialed, Stores, ended, some_leads

SOON = timedelta(minutes=1)


# --- opening ---------------------------------------------------------------------------------------------------------


async def test_an_opened_attempt_has_all_that_the_call_needs(stores: Stores) -> None:
    pool = [CallerId(number="+12025550199", name="Spring")]
    dialed = await stores.a_dialed_campaign(
        caller_ids=pool, ring_timeout_s=25, customer_wait_sla_s=4, agent_dial_timeout_s=15
    )
    opened = await stores.attempts.open_next(dialed.campaign, dialed.lease)
    assert isinstance(opened, OpenedAttempt)
    call = opened.call
    assert (opened.ordinal, call.lead_name, call.caller_id, call.queue) == (1, "Ada", pool[0], "sales")
    assert (call.ring_timeout, call.customer_wait_sla, call.agent_dial_timeout) == (
        timedelta(seconds=25),
        timedelta(seconds=4),
        timedelta(seconds=15),
    )
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.number, lead.lead.state, lead.lead.dials) == (call.number, LeadState.DIALING, 1)


async def test_the_rule_facts_that_admitted_the_call_are_kept(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    facts = await stores.pool.fetchval("SELECT admitted_by FROM attempts WHERE id = $1", call.id)
    assert facts == {
        "dnc": {"listed": False},
        "attempts": {"used": 0, "allowed": 3},
        "checked_at": call.opened_at.isoformat(),
    }


async def test_the_higher_priority_goes_first_and_the_earlier_of_equals(stores: Stores) -> None:
    draft = await stores.a_draft()
    urgent, plain = some_leads(3, priority=9), some_leads(6)[3:]
    await stores.leads.add(draft.id, [*plain, *urgent])
    dialed = await dialing(stores, draft)
    called = [(await dialed.open()).number for _ in range(6)]
    assert called == [lead.number for lead in [*urgent, *plain]]


async def test_no_lead_is_due_when_all_are_being_called(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=1)
    await dialed.open()
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None


async def test_four_openers_at_once_never_open_a_lead_twice(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=200)

    async def opener() -> list[int]:
        leads = []
        while opened := await stores.attempts.open_next(dialed.campaign, dialed.lease):
            assert isinstance(opened, OpenedAttempt)
            leads.append(opened.call.lead_id)
        return leads

    opened = [lead for leads in await asyncio.gather(*(opener() for _ in range(4))) for lead in leads]
    assert len(opened) == len(set(opened)) == 200


async def test_the_database_itself_allows_one_open_attempt_a_lead(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    with pytest.raises(asyncpg.UniqueViolationError, match="attempts_one_open_per_lead"):
        await copy_attempt(stores, call, ordinal=2)


async def test_the_database_itself_counts_each_attempt_of_a_lead_once(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).dial(Outcome.BUSY)
    with pytest.raises(asyncpg.UniqueViolationError, match="attempts_lead_id_ordinal_key"):
        await copy_attempt(stores, call, ordinal=1)


async def test_a_number_listed_since_the_upload_is_never_called(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    (record, _) = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(record.lead.number)
    passed = await stores.attempts.open_next(dialed.campaign, dialed.lease)
    assert isinstance(passed, PassedOver)
    assert (passed.lead_id, passed.refusal.rule) == (record.lead.id, Rule.DNC)
    assert (await dialed.open()).lead_id != record.lead.id
    assert (await stores.leads.get(record.lead.id)).lead.state is LeadState.BLOCKED
    (line,) = await stores.activity.of_lead(record.lead.id)
    assert (line.fact, line.details["rule"]) == ("passed_over", "dnc")


async def test_a_number_listed_between_two_attempts_is_not_called_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=0)
    call = await dialed.dial(Outcome.BUSY)
    await stores.dnc.add(call.number, dialed.campaign.account_id)
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 1
    assert isinstance(await stores.attempts.open_next(dialed.campaign, dialed.lease), PassedOver)
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None


async def test_the_list_of_another_account_does_not_matter(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=1)
    other = await stores.accounts.create("other")
    (record,) = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(record.lead.number, other.id)
    assert (await dialed.open()).lead_id == record.lead.id


async def test_a_changed_setting_is_in_force_on_the_next_call(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    await dialed.open()
    await stores.campaigns.edit(dialed.campaign.id, {"ring_timeout_s": 45, "queue": "support"})
    call = await dialed.open()
    assert (call.ring_timeout, call.queue) == (timedelta(seconds=45), "support")


async def test_a_lowered_limit_is_in_force_for_leads_that_have_used_it_up(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=0, max_attempts=3)
    await dialed.dial(Outcome.BUSY)
    await stores.campaigns.edit(dialed.campaign.id, {"max_attempts": 1})
    await stores.attempts.release_waiting(dialed.campaign.id)
    passed = await stores.attempts.open_next(dialed.campaign, dialed.lease)
    assert isinstance(passed, PassedOver)
    assert (passed.refusal.rule, passed.refusal.event) == (Rule.ATTEMPTS, LeadEvent.EXHAUSTED)
    assert (await stores.leads.get(passed.lead_id)).lead.state is LeadState.FAILED


# --- caller IDs ------------------------------------------------------------------------------------------------------


async def test_calls_are_spread_evenly_over_the_pool(stores: Stores) -> None:
    pool = [CallerId(number=f"+1202555019{digit}") for digit in range(3)]
    dialed = await stores.a_dialed_campaign(leads=9, caller_ids=pool)
    shown = Counter([(await dialed.open()).caller_id.number for _ in range(9)])
    assert set(shown.values()) == {3}


async def test_without_a_pool_the_account_default_is_shown(stores: Stores) -> None:
    account = await stores.accounts.get()
    await stores.accounts.save(replace(account, caller_id=CallerId(number="+12025550150", name="Us")))
    dialed = await stores.a_dialed_campaign()
    assert (await dialed.open()).caller_id == CallerId(number="+12025550150", name="Us")


async def test_without_any_number_none_is_shown(stores: Stores) -> None:
    assert (await (await stores.a_dialed_campaign()).open()).caller_id == CallerId(number="")


# --- the right to dial -----------------------------------------------------------------------------------------------


async def test_nothing_is_opened_under_a_lease_that_another_node_has_taken(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    await stores.campaigns.give_lease_back(dialed.lease)
    await stores.nodes.register("two", "0")
    newer = await stores.campaigns.take_lease(dialed.campaign.id, node="two", duration=LEASE)
    assert newer is not None
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None
    assert await stores.attempts.open_next(dialed.campaign, newer) is not None


async def test_nothing_is_opened_under_a_lease_that_has_run_out(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.pool.execute("UPDATE campaigns SET lease_until = now() - interval '1 ms'")
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None


async def test_nothing_is_opened_by_an_earlier_life_of_the_node(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("one", "0")
    assert await stores.campaigns.take_lease(dialed.campaign.id, node="one", duration=LEASE)
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.STOP, CampaignAction.CANCEL])
async def test_nothing_is_opened_once_the_campaign_is_halted(stores: Stores, action: CampaignAction) -> None:
    """However many openers are at it when that happens."""
    dialed = await stores.a_dialed_campaign(leads=500)
    halted = asyncio.Event()
    opened_late = []

    async def opener() -> None:
        while True:
            began_late = halted.is_set()
            opened = await stores.attempts.open_next(dialed.campaign, dialed.lease)
            if opened is None:
                return
            if began_late:
                opened_late.append(opened)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(opener())
        await attempts_reach(stores, 20)
        await stores.campaigns.act(dialed.campaign.id, action)
        halted.set()
        written = await count_attempts(stores)
    assert opened_late == []
    assert await count_attempts(stores) == written < 500


async def test_renewing_the_lease_does_not_wait_for_an_attempt_being_opened(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    async with stores.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM campaigns FOR KEY SHARE")
        async with asyncio.timeout(3):
            assert await stores.campaigns.take_lease(dialed.campaign.id, node="one", duration=LEASE) == dialed.lease
            await stores.campaigns.note_hold(dialed.lease, None, None, None)
            await stores.campaigns.edit(dialed.campaign.id, {"concurrency": 5})


# --- progress --------------------------------------------------------------------------------------------------------


async def test_progress_moves_attempt_and_lead_and_leaves_a_line_for_each_step(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    for step in life_of(call):
        await stores.attempts.record_progress(step)
    (known,) = await stores.attempts.open_calls()
    assert known.call.state is AttemptState.CONNECTED
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.ANSWERED
    assert await facts_of(stores, call) == ["opened", "ringing", "answered", "agent_ringing", "queued", "connected"]


async def test_news_that_come_late_do_not_move_the_attempt_back(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    ringing, answered, *_ = life_of(call)
    await stores.attempts.record_progress(answered)
    await stores.attempts.record_progress(ringing)
    (known,) = await stores.attempts.open_calls()
    assert known.call.state is AttemptState.ANSWERED
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.ANSWERED


async def test_an_ended_attempt_does_not_come_to_life_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await stores.attempts.close_attempt(ended(call, Outcome.NO_ANSWER))
    for step in life_of(call):
        await stores.attempts.record_progress(step)
    assert await stores.attempts.open_calls() == []
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.COOLOFF


async def test_an_agent_who_rang_out_is_no_longer_named(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    _, answered, agent_rings, *_ = life_of(call)
    await stores.attempts.record_progress(agent_rings)
    await stores.attempts.record_progress(replace(answered, agent_ringing_at=agent_rings.agent_ringing_at))
    (known,) = await stores.attempts.open_calls()
    assert (known.call.agent, known.call.agent_ringing_at) == (None, agent_rings.agent_ringing_at)


async def test_a_restarted_daemon_finds_its_calls_as_they_were(stores: Stores) -> None:
    pool = [CallerId(number="+12025550199", name="Spring")]
    call = await (await stores.a_dialed_campaign(caller_ids=pool)).open()
    *_, connected = life_of(call)
    await stores.attempts.record_progress(connected)
    (known,) = await stores.attempts.open_calls()
    assert known.node == "one"
    assert known.call == replace(connected, hunts=1, hunting=True)


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.CONNECTED, LeadState.SUCCESS),
        (Outcome.ABANDONED, LeadState.ABANDONED),
        (Outcome.HUNG_UP, LeadState.COOLOFF),
        (Outcome.NO_ANSWER, LeadState.COOLOFF),
        (Outcome.BUSY, LeadState.COOLOFF),
        (Outcome.CONGESTION, LeadState.COOLOFF),
        (Outcome.UNKNOWN, LeadState.COOLOFF),
        (Outcome.REJECTED, LeadState.FAILED),
        (Outcome.INVALID_NUMBER, LeadState.FAILED),
        (Outcome.CANCELLED, LeadState.RETRY),
        (Outcome.NOT_PLACED, LeadState.RETRY),
    ],
)
async def test_each_outcome_leaves_the_lead_in_its_state(stores: Stores, outcome: Outcome, state: LeadState) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.dial(outcome)
    assert (await stores.leads.get(call.lead_id)).lead.state is state
    assert (await facts_of(stores, call))[-1] == "ended"


async def test_an_attempt_ends_once(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    ends = [ended(call, Outcome.BUSY, cause=17), ended(call, Outcome.UNKNOWN)]
    steps = await asyncio.gather(*(stores.attempts.close_attempt(end) for end in ends * 3))
    assert sum(step is not None for step in steps) == 1
    lead = (await stores.leads.get(call.lead_id)).lead
    assert (lead.state, lead.attempts_used) == (LeadState.COOLOFF, 1)
    assert (await facts_of(stores, call)).count("ended") == 1


async def test_a_cooloff_is_kept_from_the_end_of_the_call(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=600)
    call = await dialed.dial(Outcome.NO_ANSWER)
    assert call.ended_at is not None
    due_at = call.ended_at + timedelta(minutes=10)
    assert await stores.attempts.next_due_at(dialed.campaign.id) == due_at
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 0
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None
    lead = await stores.leads.get(call.lead_id)
    assert (lead.not_before, lead.held_by) == (due_at, "cooloff")


async def test_a_lead_is_due_again_when_its_cooloff_is_over(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=600)
    call = await dialed.dial(Outcome.BUSY, ended_at=datetime.now(UTC) - timedelta(minutes=11))
    assert call.ended_at is not None
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 1
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.state, lead.not_before, lead.held_by) == (LeadState.RETRY, None, None)
    assert lead.due_at == call.ended_at + timedelta(minutes=10)
    again = await stores.attempts.open_next(dialed.campaign, dialed.lease)
    assert isinstance(again, OpenedAttempt)
    assert (again.call.lead_id, again.ordinal) == (call.lead_id, 2)


async def test_cooled_off_leads_stand_in_line_in_the_order_in_which_they_became_due(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=3, cooloff_s=0)
    calls = [await dialed.open() for _ in range(3)]
    for minutes, call in zip((5, 9, 1), calls, strict=True):
        end = datetime.now(UTC) - timedelta(minutes=minutes)
        await stores.attempts.close_attempt(ended(call, Outcome.BUSY, ended_at=end))
    await stores.attempts.release_waiting(dialed.campaign.id)
    assert [(await dialed.open()).lead_id for _ in range(3)] == [calls[i].lead_id for i in (1, 0, 2)]


async def test_many_leads_that_become_due_at_once_are_all_released(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=RELEASE_BATCH * 2 + 500)
    await stores.pool.execute("UPDATE leads SET state = 'cooloff', not_before = now(), held_by = 'cooloff'")
    assert await stores.attempts.release_waiting(dialed.campaign.id) == RELEASE_BATCH * 2 + 500


async def test_a_call_that_was_not_placed_costs_no_attempt_but_waits_a_moment(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=1)
    call = await dialed.dial(Outcome.NOT_PLACED)
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.dials, lead.lead.attempts_used, lead.held_by) == (1, 0, "not_placed")
    assert await stores.attempts.open_next(dialed.campaign, dialed.lease) is None


async def test_a_lead_whose_attempts_are_used_up_has_failed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=2, cooloff_s=0)
    calls = []
    for _ in range(2):
        calls.append(await dialed.dial(Outcome.NO_ANSWER))
        await stores.attempts.release_waiting(dialed.campaign.id)
    assert calls[0].lead_id == calls[1].lead_id
    assert (await stores.leads.get(calls[0].lead_id)).lead.state is LeadState.FAILED


async def test_a_call_goes_on_and_ends_in_the_books_whoever_owns_the_campaign(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await stores.campaigns.give_lease_back(dialed.lease)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    await stores.attempts.record_progress(life_of(call)[0])
    assert await stores.attempts.close_attempt(ended(call, Outcome.BUSY)) is not None


async def test_a_call_that_goes_on_cannot_be_closed(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    with pytest.raises(ValueError, match="goes on"):
        await stores.attempts.close_attempt(call)


# --- steps -----------------------------------------------------------------------------------------------------------


def life_of(call: Call) -> list[Call]:
    """The call at each step that a long one takes."""
    now = call.opened_at + timedelta(seconds=2)
    ringing = replace(call, state=AttemptState.RINGING, ringing_at=now)
    answered = replace(ringing, state=AttemptState.ANSWERED, answered_at=now + timedelta(seconds=1))
    agent_rings = replace(answered, agent="PJSIP/anna", agent_ringing_at=now + timedelta(seconds=2))
    queued = replace(agent_rings, state=AttemptState.QUEUED, agent=None)
    connected = replace(
        queued, state=AttemptState.CONNECTED, agent="PJSIP/ben", connected_at=now + timedelta(seconds=9)
    )
    return [ringing, answered, agent_rings, queued, connected]


async def dialing(stores: Stores, draft: Campaign) -> Dialed:
    await stores.nodes.register("one", "0")
    campaign = await stores.campaigns.act(draft.id, CampaignAction.START)
    lease = await stores.campaigns.take_lease(campaign.id, node="one", duration=LEASE)
    assert isinstance(lease, Lease)
    return Dialed(stores=stores, campaign=campaign, lease=lease)


async def copy_attempt(stores: Stores, call: Call, *, ordinal: int) -> None:
    await stores.pool.execute(
        "INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by, opened_at)"
        " VALUES ($1, $2, $3, $4, $5, 'sales', 'one', 1, '{}', now())",
        uuid4(),
        call.campaign_id,
        call.lead_id,
        ordinal,
        call.number,
    )


async def count_attempts(stores: Stores) -> int:
    return int(await stores.pool.fetchval("SELECT count(*) FROM attempts"))


async def attempts_reach(stores: Stores, count: int) -> None:
    async with asyncio.timeout(20):
        while await count_attempts(stores) < count:
            pass


async def facts_of(stores: Stores, call: Call) -> list[str]:
    return [line.fact for line in await stores.activity.of_lead(call.lead_id)]
