"""Attempts: opened once, under every rule, and never lost."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import zip_longest
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from dialerd.compliance import profiles
from dialerd.domain.attempts import RELEASE_BATCH, Claim, WaitingLeads
from dialerd.domain.caller_id import CallerId, PoolEntry, Rotation
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Alternates, CampaignAction
from dialerd.domain.eligibility import VERSION, Rule
from dialerd.domain.leads import LeadEvent, LeadState
from dialerd.domain.outcomes import Outcome, OutcomeRule
from dialerd.domain.schedule import LeadWindow
from dialerd.errors import NotFound, StoreBusy
from dialerd.store.pool import connect
from tests.factories import a_new_lead
from tests.integration.store.scene import LEASE, Dialed, Stores, closed_now, ended, some_leads, window_closed_now

# --- opening ---------------------------------------------------------------------------------------------------------


async def test_an_opened_attempt_has_all_that_the_call_needs(stores: Stores) -> None:
    pool = [CallerId(number="+12025550199", name="Spring")]
    dialed = await stores.a_dialed_campaign(
        caller_ids=pool, ring_timeout_s=25, customer_wait_sla_s=4, agent_dial_timeout_s=15
    )
    (opened,) = (await dialed.claim()).opened
    call = opened.call
    assert (opened.ordinal, call.lead.name, call.caller_id, call.queue) == (1, "Ada", pool[0], "sales")
    assert (call.ring_timeout, call.customer_wait_sla, call.agent_dial_timeout) == (
        timedelta(seconds=25),
        timedelta(seconds=4),
        timedelta(seconds=15),
    )
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.number, lead.lead.state, lead.lead.dials) == (call.number, LeadState.DIALING, 1)


async def test_the_rule_facts_that_admitted_the_call_are_kept(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(
        caller_ids=[CallerId(number="+12025550199")],
        lead_window=LeadWindow(start=time(0), end=time(0)),
        dial_cycles=2,
    )
    call = await dialed.open()
    facts = await stores.pool.fetchval("SELECT admitted_by FROM attempts WHERE id = $1", call.id)
    assert (facts["version"], facts["checked_at"]) == (VERSION, call.opened_at.isoformat())
    assert facts["profile"] == {"id": "none", "version": profiles()["none"].version}
    assert facts["attempts"] == {"used": 0, "allowed": 3}
    assert facts["dnc"] == {"listed": False}
    assert facts["destination"] == {"kind": "ordinary", "country": "US"}
    assert facts["number_cap"] == {"in_24_h": "0 of 5", "in_168_h": "0 of 10"}
    assert facts["caller_id"] == {"shown": "+12025550199"}
    not_asked = {"day_plan", "legal_hours"}
    assert facts.keys() == {rule.value for rule in Rule} - not_asked | {"version", "checked_at"}


async def test_the_higher_priority_goes_first_and_the_earlier_of_equals(stores: Stores) -> None:
    draft = await stores.a_draft()
    urgent, plain = some_leads(3, priority=9), some_leads(6)[3:]
    await stores.leads.add(draft.id, [*plain, *urgent])
    dialed = await stores.dialing(draft)
    called = [(await dialed.open()).number for _ in range(6)]
    assert called == [lead.number for lead in [*urgent, *plain]]


async def test_no_lead_is_due_when_all_are_being_called(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=1)
    await dialed.open()
    assert await dialed.claim() == Claim()


async def test_four_openers_at_once_never_open_a_lead_twice(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=200)

    async def opener() -> list[int]:
        leads = []
        while opened := (await dialed.claim()).opened:
            leads.append(opened[0].call.lead_id)
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
    (passed,) = (await dialed.claim()).passed
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
    assert [passed.refusal.rule for passed in (await dialed.claim()).passed] == [Rule.DNC]
    assert await dialed.claim() == Claim()


async def test_the_list_of_another_account_does_not_matter(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=1)
    other = await stores.accounts.create("other")
    (record,) = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(record.lead.number, other.id)
    assert (await dialed.open()).lead_id == record.lead.id


async def test_an_entry_that_has_expired_forbids_nothing_and_one_that_has_not_does(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    expired, listed = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(expired.lead.number, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await stores.dnc.add(listed.lead.number, expires_at=datetime.now(UTC) + timedelta(hours=1))
    claim = await dialed.claim(look_at=2, most=2)
    assert [opened.call.lead_id for opened in claim.opened] == [expired.lead.id]
    assert [(passed.lead_id, passed.refusal.rule) for passed in claim.passed] == [(listed.lead.id, Rule.DNC)]


async def test_a_deleted_lead_is_not_dialed(stores: Stores) -> None:
    draft = await stores.a_draft(leads=2)
    first, second = await stores.leads.list(draft.id)
    await stores.leads.delete(first.lead.id)
    dialed = await stores.dialing(draft)
    assert [call.lead_id for call in await dialed.open_all()] == [second.lead.id]


async def test_several_leads_are_opened_in_one_go_and_the_rest_is_left_as_it_was(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=9)
    ids = [record.lead.id for record in await stores.leads.list(dialed.campaign.id)]
    claim = await dialed.claim(look_at=8, most=5)
    assert [opened.call.lead_id for opened in claim.opened] == ids[:5]
    assert claim.passed == ()
    assert (await stores.leads.counts(dialed.campaign.id))[LeadState.ACTIVE] == 4


async def test_two_leads_of_one_batch_that_share_a_number_are_not_called_at_the_same_time(stores: Stores) -> None:
    draft = await stores.a_draft()
    shared = "+12025550101"
    await stores.leads.add(
        draft.id,
        [
            a_new_lead(number=shared),
            a_new_lead(number="+12025550102", alternate_numbers=(shared,)),
        ],
    )
    await stores.dnc.add("+12025550102")
    claim = await (await stores.dialing(draft)).claim(look_at=2, most=2)
    assert [opened.call.number for opened in claim.opened] == [shared]
    assert [passed.refusal.rule for passed in claim.passed] == [Rule.CALLED_NOW]


async def test_outside_the_schedule_no_lead_is_looked_at(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(schedule=closed_now())
    claim = await dialed.claim()
    assert claim.forbidden is not None
    assert (claim.opened, claim.passed, claim.forbidden.rule) == ((), (), Rule.SCHEDULE)
    assert claim.forbidden.until is not None
    assert claim.forbidden.until > datetime.now(UTC)
    assert (await stores.leads.counts(dialed.campaign.id))[LeadState.ACTIVE] == 1


async def test_under_a_profile_that_nobody_knows_nothing_is_dialed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.pool.execute("UPDATE campaigns SET profile = 'martian'")  # whose file is gone
    claim = await dialed.claim()
    assert claim.forbidden is not None
    assert (claim.opened, claim.forbidden.rule) == ((), Rule.PROFILE)


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
    (passed,) = (await dialed.claim()).passed
    assert (passed.refusal.rule, passed.refusal.event) == (Rule.ATTEMPTS, LeadEvent.EXHAUSTED)
    assert (await stores.leads.get(passed.lead_id)).lead.state is LeadState.FAILED


# --- how often -------------------------------------------------------------------------------------------------------


async def test_calls_of_every_campaign_count_for_the_cap_of_a_number(stores: Stores) -> None:
    await account_rules(stores, max_calls_24h=2)
    spring, autumn = [await stores.a_dialed_campaign(name=name, cooloff_s=0) for name in ("Spring", "Autumn")]
    first = await spring.dial(Outcome.NO_ANSWER)
    await autumn.dial(Outcome.BUSY)
    await stores.attempts.release_waiting(spring.campaign.id)
    (passed,) = (await spring.claim()).passed
    assert (passed.refusal.rule, passed.refusal.until) == (Rule.NUMBER_CAP, first.opened_at + timedelta(hours=24))


async def test_a_call_that_was_not_placed_does_not_count_for_the_cap(stores: Stores) -> None:
    await account_rules(stores, max_calls_24h=1)
    spring, autumn = [await stores.a_dialed_campaign(name=name) for name in ("Spring", "Autumn")]
    await spring.dial(Outcome.NOT_PLACED)
    assert (await autumn.claim()).opened


async def test_a_call_whose_end_is_unknown_counts_for_the_cap(stores: Stores) -> None:
    await account_rules(stores, max_calls_24h=1)
    spring, autumn = [await stores.a_dialed_campaign(name=name) for name in ("Spring", "Autumn")]
    await spring.dial(Outcome.UNKNOWN)
    assert [passed.refusal.rule for passed in (await autumn.claim()).passed] == [Rule.NUMBER_CAP]


async def test_after_an_abandoned_call_no_campaign_calls_the_number_for_a_while(stores: Stores) -> None:
    await account_rules(stores, abandon_lockout_h=5)
    spring, autumn = [await stores.a_dialed_campaign(name=name) for name in ("Spring", "Autumn")]
    abandoned = await spring.dial(Outcome.ABANDONED)
    (passed,) = (await autumn.claim()).passed
    assert (passed.refusal.rule, passed.refusal.until) == (
        Rule.ABANDON_LOCKOUT,
        abandoned.opened_at + timedelta(hours=5),
    )


async def test_a_number_that_another_campaign_is_calling_waits_a_moment(stores: Stores) -> None:
    spring, autumn = [await stores.a_dialed_campaign(name=name) for name in ("Spring", "Autumn")]
    await spring.open()
    (passed,) = (await autumn.claim()).passed
    assert (passed.refusal.rule, passed.refusal.event) == (Rule.CALLED_NOW, None)
    assert (await stores.leads.get(passed.lead_id)).held_by == "called_now"


async def test_campaigns_that_reach_for_the_same_numbers_at_once_never_call_one_twice(stores: Stores) -> None:
    dialed = [await stores.a_dialed_campaign(name=name, leads=40) for name in ("Spring", "Autumn", "Winter")]
    opened: list[str] = []

    async def opener(campaign: Dialed, batch: int) -> None:
        while claim := await tried(campaign, look_at=batch, most=batch):
            opened.extend(one.call.number for one in claim.opened)

    async with asyncio.TaskGroup() as tasks:
        for campaign in dialed:
            tasks.create_task(opener(campaign, 1))
            tasks.create_task(opener(campaign, 3))
    assert sorted(opened) == sorted(lead.number for lead in some_leads(40))


async def test_a_cap_holds_while_campaigns_reach_for_the_same_numbers_at_once(stores: Stores) -> None:
    """Also where a call comes and goes between the look at a number's calls and the row of the next one."""
    await account_rules(stores, max_calls_24h=2)
    dialed = [await stores.a_dialed_campaign(name=name, leads=20) for name in ("Spring", "Autumn", "Winter")]

    async def opener(campaign: Dialed, batch: int) -> None:
        while claim := await tried(campaign, look_at=batch, most=batch):
            for one in claim.opened:
                await stores.attempts.close_attempt(ended(one.call, Outcome.BUSY))

    async with asyncio.TaskGroup() as tasks:
        for campaign in dialed:
            tasks.create_task(opener(campaign, 1))
            tasks.create_task(opener(campaign, 2))
    calls = await stores.pool.fetch("SELECT number, count(*) AS calls FROM attempts GROUP BY number")
    assert {row["number"] for row in calls} == {lead.number for lead in some_leads(20)}
    assert max(row["calls"] for row in calls) == 2


async def test_an_outcome_with_a_maximum_of_its_own_ends_the_lead_when_it_is_reached(stores: Stores) -> None:
    rules = {Outcome.BUSY: OutcomeRule(max_attempts=2)}
    dialed = await stores.a_dialed_campaign(cooloff_s=0, max_attempts=5, outcome_rules=rules)
    states = []
    for outcome in (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.BUSY):
        call = await dialed.dial(outcome)
        states.append((await stores.leads.get(call.lead_id)).lead.state)
        await stores.attempts.release_waiting(dialed.campaign.id)
    assert states == [LeadState.COOLOFF, LeadState.COOLOFF, LeadState.FAILED]


async def test_what_happened_before_a_reset_does_not_count_for_the_maximum_of_an_outcome(stores: Stores) -> None:
    rules = {Outcome.BUSY: OutcomeRule(max_attempts=1)}
    dialed = await stores.a_dialed_campaign(outcome_rules=rules | {Outcome.NO_ANSWER: OutcomeRule(max_attempts=2)})
    call = await dialed.dial(Outcome.BUSY)
    await stores.leads.reset(call.lead_id)
    await dialed.dial(Outcome.NO_ANSWER)
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.COOLOFF


async def test_a_lead_that_has_had_its_dials_of_this_cycle_waits_for_the_next(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=0, dial_cycles=1)
    await dialed.dial(Outcome.BUSY)
    await stores.attempts.release_waiting(dialed.campaign.id)
    (passed,) = (await dialed.claim()).passed
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(0), UTC)
    assert (passed.refusal.rule, passed.refusal.until) == (Rule.DIAL_CYCLES, midnight)


# --- alternate numbers -----------------------------------------------------------------------------------------------

FIRST, SECOND = "+12025550101", "+12025550102"


async def test_alternate_numbers_take_turns_where_the_campaign_says_so(stores: Stores) -> None:
    dialed = await with_alternate(stores, alternates=Alternates.EACH_ATTEMPT, cooloff_s=0)
    called = []
    for _ in range(3):
        called.append((await dialed.dial(Outcome.NO_ANSWER)).number)
        await stores.attempts.release_waiting(dialed.campaign.id)
    assert called == [FIRST, SECOND, FIRST]
    assert await stores.pool.fetchval("SELECT array_agg(number ORDER BY ordinal) FROM attempts") == called


async def test_a_dead_number_is_never_dialed_again_and_the_alternate_is_due_at_once(stores: Stores) -> None:
    dialed = await with_alternate(stores)
    await dialed.dial(Outcome.INVALID_NUMBER)
    call = await dialed.dial(Outcome.REJECTED)
    lead = (await stores.leads.get(call.lead_id)).lead
    assert (call.number, lead.dead_numbers, lead.state) == (SECOND, (FIRST, SECOND), LeadState.FAILED)


async def test_without_alternates_the_other_numbers_are_never_dialed(stores: Stores) -> None:
    dialed = await with_alternate(stores, alternates=Alternates.OFF)
    call = await dialed.dial(Outcome.INVALID_NUMBER)
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.FAILED


async def test_of_two_numbers_the_one_that_is_not_listed_is_called(stores: Stores) -> None:
    dialed = await with_alternate(stores)
    await stores.dnc.add(FIRST)
    assert (await dialed.open()).number == SECOND


async def test_a_lead_is_blocked_when_all_of_its_numbers_are_listed(stores: Stores) -> None:
    dialed = await with_alternate(stores)
    for number in (FIRST, SECOND):
        await stores.dnc.add(number)
    (passed,) = (await dialed.claim()).passed
    assert (await stores.leads.get(passed.lead_id)).lead.state is LeadState.BLOCKED


# --- the line --------------------------------------------------------------------------------------------------------


async def test_a_storm_of_retries_and_new_leads_take_turns(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=1020)
    ids = [record.lead.id for record in await stores.leads.list(dialed.campaign.id, limit=1020)]
    await stores.pool.execute("UPDATE leads SET state = 'retry' WHERE id = ANY ($1)", ids[:1000])
    called = []
    for turn in range(40):
        claim = await dialed.claim(retries_first=turn % 2 == 1)
        called.append(claim.opened[0].call.lead_id)
    assert called[0::2] == ids[1000:]
    assert called[1::2] == ids[:20]


@pytest.mark.parametrize("storm", [LeadState.RETRY, LeadState.ACTIVE])
async def test_in_one_batch_too_neither_line_starves_the_other(stores: Stores, storm: LeadState) -> None:
    dialed = await stores.a_dialed_campaign(leads=110)
    ids = [record.lead.id for record in await stores.leads.list(dialed.campaign.id, limit=110)]
    many, few = (ids[:100], ids[100:]) if storm is LeadState.RETRY else (ids[:10], ids[10:])
    await stores.pool.execute("UPDATE leads SET state = 'retry' WHERE id = ANY ($1)", many)
    claim = await dialed.claim(look_at=20, most=20)
    called = {opened.call.lead_id for opened in claim.opened}
    assert (len(called & set(many)), len(called & set(few))) == (10, 10)


async def test_a_retry_of_higher_priority_goes_before_every_new_lead(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=6)
    ids = [record.lead.id for record in await stores.leads.list(dialed.campaign.id)]
    await stores.pool.execute("UPDATE leads SET state = 'retry', priority = 5 WHERE id = ANY ($1)", ids[3:])
    called = [(await dialed.claim(retries_first=False)).opened[0].call.lead_id for _ in range(6)]
    assert called == ids[3:] + ids[:3]


async def test_pause_and_resume_do_not_reshuffle(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=30, cooloff_s=0)
    for _ in range(6):
        await dialed.dial(Outcome.BUSY)
    await stores.attempts.release_waiting(dialed.campaign.id)
    before = await line_of(stores)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.RESUME)
    assert await line_of(stores) == before
    called = await dialed.open_all(look_at=30, most=30)
    assert [call.lead_id for call in called] == alternating(before)


async def test_a_lead_that_a_rule_has_put_off_keeps_its_place_in_the_line(stores: Stores) -> None:
    await account_rules(stores, lead_zone_trusted=True)
    draft = await stores.a_draft(lead_window=window_closed_now())
    await stores.leads.add(draft.id, some_leads(12, time_zone="UTC"))
    dialed = await stores.dialing(draft)
    before = await line_of(stores)
    assert len((await dialed.claim(look_at=7, most=7)).passed) == 7
    await stores.campaigns.edit(dialed.campaign.id, {"lead_window": None})
    assert (await stores.campaigns.get_campaign(dialed.campaign.id)).judge_anew
    assert await stores.attempts.judge_anew(dialed.campaign.id) == 7
    assert not (await stores.campaigns.get_campaign(dialed.campaign.id)).judge_anew
    assert await line_of(stores) == before
    assert [call.lead_id for call in await dialed.open_all()] == [lead for _, lead in before]


async def test_many_leads_that_were_put_off_are_all_judged_anew(stores: Stores) -> None:
    count = RELEASE_BATCH * 2 + 500
    dialed = await stores.a_dialed_campaign(leads=count)
    await stores.pool.execute(
        "UPDATE leads SET held_by = 'lead_window', not_before = now() + id % 2 * id * interval '1 second'"
    )
    assert await stores.attempts.judge_anew(dialed.campaign.id) == count
    assert await stores.attempts.next_due_at(dialed.campaign.id) is None


async def test_judging_anew_leaves_cooloffs_and_their_timers_alone(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, cooloff_s=600)
    calls = [await dialed.dial(outcome) for outcome in (Outcome.BUSY, Outcome.NOT_PLACED)]
    before = [await stores.leads.get(call.lead_id) for call in calls]
    assert await stores.attempts.judge_anew(dialed.campaign.id) == 0
    assert [await stores.leads.get(call.lead_id) for call in calls] == before


# --- what holds leads ------------------------------------------------------------------------------------------------


async def test_how_many_leads_each_rule_holds_is_counted(stores: Stores) -> None:
    draft = await stores.a_draft(leads=6, cooloff_s=600)
    *_, deleted = await stores.leads.list(draft.id)
    await stores.leads.delete(deleted.lead.id)
    dialed = await stores.dialing(draft)
    busy = await dialed.dial(Outcome.BUSY)
    for record in (await stores.leads.list(draft.id))[1:3]:
        await stores.dnc.add(record.lead.number)
    await dialed.claim(look_at=2)
    cooling = WaitingLeads(rule="cooloff", leads=1, until=busy.ended_at and busy.ended_at + timedelta(seconds=600))
    expected = [WaitingLeads(rule="dnc", leads=2, until=None), cooling]
    assert await stores.attempts.waiting_leads(draft.id) == expected
    due = (await stores.leads.counts(draft.id))[LeadState.ACTIVE]
    assert [await stores.attempts.due_leads(draft.id, most=most) for most in (100, 1)] == [due, 1]
    overview = await stores.campaigns.overview(draft.id)
    assert (overview.held_leads, overview.leads[LeadState.DELETED]) == (expected, 1)
    assert LeadState.DELETED not in await stores.leads.counts(draft.id)


async def test_the_same_rules_explain_a_lead_that_decide_on_it(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    (record,) = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(record.lead.number)
    refusing = [verdict.rule for verdict in await stores.attempts.explain(record.lead.id) if not verdict.allows]
    (passed,) = (await dialed.claim()).passed
    assert refusing == [passed.refusal.rule] == [Rule.DNC]


async def test_a_lead_that_is_not_there_cannot_be_explained(stores: Stores) -> None:
    with pytest.raises(NotFound, match="lead 4711"):
        await stores.attempts.explain(4711)


# --- caller IDs ------------------------------------------------------------------------------------------------------


async def test_calls_are_spread_evenly_over_the_pool(stores: Stores) -> None:
    pool = [CallerId(number=f"+1202555019{digit}") for digit in range(3)]
    dialed = await stores.a_dialed_campaign(leads=9, caller_ids=pool)
    shown = Counter([(await dialed.open()).caller_id.number for _ in range(9)])
    assert set(shown.values()) == {3}


async def test_without_a_pool_the_account_default_is_shown(stores: Stores) -> None:
    account = await stores.accounts.get()
    rules = replace(account.rules, caller_id=CallerId(number="+12025550150", name="Us"))
    await stores.accounts.save(replace(account, rules=rules))
    dialed = await stores.a_dialed_campaign()
    assert (await dialed.open()).caller_id == CallerId(number="+12025550150", name="Us")


async def test_the_number_of_the_queue_goes_before_the_default_of_the_account(stores: Stores) -> None:
    await account_rules(stores, caller_id=CallerId(number="+12025550150"))
    await stores.caller_ids.set_queue_number(1, "sales", CallerId(number="+12025550151", name="Sales"))
    dialed = await stores.a_dialed_campaign()
    assert (await dialed.open()).caller_id == CallerId(number="+12025550151", name="Sales")


async def test_rotation_goes_on_where_it_was_after_a_restart(stores: Stores, database: str) -> None:
    pool = [CallerId(number=f"+1202555019{digit}") for digit in range(3)]
    dialed = await stores.a_dialed_campaign(leads=6, caller_ids=pool)
    before = [(await dialed.open()).caller_id for _ in range(2)]
    restarted = await connect(database)
    again = Dialed(stores=Stores(restarted), campaign=dialed.campaign, lease=dialed.lease)
    after = [(await again.open()).caller_id for _ in range(4)]
    restarted.terminate()
    assert before + after == pool * 2


async def test_a_batch_rotates_as_single_calls_do(stores: Stores) -> None:
    pool = [CallerId(number=f"+1202555019{digit}") for digit in range(3)]
    dialed = await stores.a_dialed_campaign(leads=8, caller_ids=pool)
    shown = [opened.call.caller_id for opened in (await dialed.claim(look_at=4, most=4)).opened]
    shown += [(await dialed.open()).caller_id]
    shown += [opened.call.caller_id for opened in (await dialed.claim(look_at=3, most=3)).opened]
    assert shown == [*pool * 2, *pool[:2]]
    assert [number.uses for number in await stores.caller_ids.of_campaign(dialed.campaign.id)] == [3, 3, 2]


async def test_a_contact_sees_the_same_number_on_every_retry_and_in_later_campaigns(stores: Stores) -> None:
    pool = [CallerId(number=f"+1202555019{digit}") for digit in range(5)]
    spring = await stores.a_dialed_campaign(leads=5, caller_ids=pool, rotation=Rotation.STICKY, cooloff_s=0)
    first = {call.number: call.caller_id for call in [await spring.dial(Outcome.BUSY) for _ in range(5)]}
    assert len(set(first.values())) == 5
    await stores.attempts.release_waiting(spring.campaign.id)
    retried = {call.number: call.caller_id for call in [await spring.dial(Outcome.BUSY) for _ in range(5)]}
    autumn = await stores.a_dialed_campaign(
        name="Autumn", leads=5, caller_ids=list(reversed(pool)), rotation=Rotation.STICKY
    )
    later = {call.number: call.caller_id for call in await autumn.open_all()}
    assert first == retried == later


async def test_a_daily_cap_counts_the_calls_of_every_campaign_of_the_account(stores: Stores) -> None:
    capped = [PoolEntry(number="+12025550190", daily_cap=2)]
    spring, autumn = [await stores.a_draft(name=name, leads=5, caller_id_enabled=True) for name in ("Spring", "Autumn")]
    for draft in (spring, autumn):
        await stores.caller_ids.replace(draft.id, capped)
    await (await stores.dialing(spring)).dial(Outcome.CONNECTED)
    claim = await (await stores.dialing(autumn)).claim(look_at=3, most=3)
    assert len(claim.opened) == 1
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(0), UTC)
    assert [(passed.refusal.rule, passed.refusal.until) for passed in claim.passed] == [(Rule.CALLER_ID, midnight)] * 2
    assert await stores.pool.fetchval("SELECT uses FROM caller_id_days") == 2


async def test_a_number_that_rests_is_not_shown(stores: Stores) -> None:
    resting, awake = (CallerId(number=f"+1202555019{digit}") for digit in range(2))
    dialed = await stores.a_dialed_campaign(leads=4, caller_ids=[resting, awake])
    until = datetime.now(UTC) + timedelta(hours=3)
    await stores.caller_ids.rest(dialed.campaign.id, resting.number, until)
    assert {call.caller_id for call in [await dialed.open() for _ in range(3)]} == {awake}
    await stores.caller_ids.rest(dialed.campaign.id, awake.number, until + timedelta(hours=1))
    (passed,) = (await dialed.claim()).passed
    assert (passed.refusal.rule, passed.refusal.until) == (Rule.CALLER_ID, until)


async def test_without_any_number_none_is_shown(stores: Stores) -> None:
    assert (await (await stores.a_dialed_campaign()).open()).caller_id == CallerId(number="")


# --- the right to dial -----------------------------------------------------------------------------------------------


async def test_nothing_is_opened_under_a_lease_that_another_node_has_taken(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    await stores.campaigns.give_lease_back(dialed.lease)
    await stores.nodes.register("two", "0")
    newer = await stores.campaigns.take_lease(dialed.campaign.id, node="two", duration=LEASE)
    assert newer is not None
    assert await dialed.claim() == Claim()
    assert (await stores.attempts.open_next(dialed.campaign, newer)).opened


async def test_nothing_is_opened_under_a_lease_that_has_run_out(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.pool.execute("UPDATE campaigns SET lease_until = now() - interval '1 ms'")
    assert await dialed.claim() == Claim()


async def test_nothing_is_opened_by_an_earlier_life_of_the_node(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("one", "0")
    assert await stores.campaigns.take_lease(dialed.campaign.id, node="one", duration=LEASE)
    assert await dialed.claim() == Claim()


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.STOP, CampaignAction.CANCEL])
async def test_nothing_is_opened_once_the_campaign_is_halted(stores: Stores, action: CampaignAction) -> None:
    """However many openers are at it when that happens."""
    dialed = await stores.a_dialed_campaign(leads=500)
    halted = asyncio.Event()
    opened_late = []

    async def opener() -> None:
        while True:
            began_late = halted.is_set()
            opened = (await dialed.claim()).opened
            if not opened:
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


async def test_a_lead_is_dialing_then_ringing_then_answered_as_its_call_goes_on(stores: Stores) -> None:
    """What people see: "dialing: a call is being placed", "ringing: the phone is ringing", "answered: the contact picked up"."""
    call = await (await stores.a_dialed_campaign()).open()
    seen = [(await stores.leads.get(call.lead_id)).lead.state]
    for step in life_of(call)[:2]:
        await stores.attempts.record_progress(step)
        seen.append((await stores.leads.get(call.lead_id)).lead.state)
    assert seen == [LeadState.DIALING, LeadState.RINGING, LeadState.ANSWERED]


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
        (Outcome.VOICEMAIL, LeadState.VOICEMAIL),
        (Outcome.MENU_CHOICE, LeadState.SUCCESS),
        (Outcome.MENU_LEFT, LeadState.COOLOFF),
        (Outcome.OPTED_OUT, LeadState.BLOCKED),
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


async def test_an_attempt_knows_by_which_trunk_it_is_dialed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    (opened,) = (await dialed.claim(trunk="reserve")).opened
    assert opened.call.trunk == "reserve"
    assert await stores.pool.fetchval("SELECT trunk FROM attempts") == "reserve"
    (open_call,) = await stores.attempts.open_calls()
    assert open_call.call.trunk == "reserve"
    opened_line = await stores.pool.fetchval("SELECT details FROM activity WHERE fact = 'opened'")
    assert opened_line["trunk"] == "reserve"


@pytest.mark.parametrize("moves_on", [True, False])
async def test_one_that_goes_by_another_trunk_in_the_end_says_so(stores: Stores, moves_on: bool) -> None:
    dialed = await stores.a_dialed_campaign()
    (opened,) = (await dialed.claim(trunk="carrier")).opened
    call = replace(opened.call, trunk="reserve")
    if moves_on:
        await stores.attempts.record_progress(replace(call, state=AttemptState.RINGING))
    else:
        await stores.attempts.close_attempt(ended(call, Outcome.BUSY))
    assert await stores.pool.fetchval("SELECT trunk FROM attempts") == "reserve"


async def test_a_lead_whom_a_failing_trunk_has_refused_keeps_its_attempt_and_cools_off_and_the_call_counts(
    stores: Stores,
) -> None:
    """The caps of a number count every INVITE, whoever has refused it."""
    dialed = await stores.a_dialed_campaign(max_attempts=1, cooloff_s=600)
    call = await dialed.dial(Outcome.CONGESTION, trunk_to_blame=True)
    record = await stores.leads.get(call.lead_id)
    assert (record.lead.state, record.lead.attempts_used, record.lead.dials) == (LeadState.COOLOFF, 0, 1)
    assert call.ended_at is not None
    assert (record.not_before, record.held_by) == (call.ended_at + timedelta(minutes=10), "cooloff")
    verdicts = {verdict.rule: verdict for verdict in await stores.attempts.explain(call.lead_id)}
    assert verdicts[Rule.NUMBER_CAP].facts["in_24_h"] == "1 of 5"


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
    assert await dialed.claim() == Claim()
    lead = await stores.leads.get(call.lead_id)
    assert (lead.not_before, lead.held_by) == (due_at, "cooloff")


async def test_a_lead_is_due_again_when_its_cooloff_is_over(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=600)
    call = await dialed.open_an_hour_ago()
    ended_at = datetime.now(UTC) - timedelta(minutes=11)
    await stores.attempts.close_attempt(ended(call, Outcome.BUSY, ended_at=ended_at))
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 1
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.state, lead.not_before, lead.held_by) == (LeadState.RETRY, None, None)
    assert lead.due_at == ended_at + timedelta(minutes=10)
    (again,) = (await dialed.claim()).opened
    assert (again.call.lead_id, again.ordinal) == (call.lead_id, 2)


async def test_cooled_off_leads_stand_in_line_in_the_order_in_which_they_became_due(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=3, cooloff_s=0)
    calls = [await dialed.open_an_hour_ago() for _ in range(3)]
    for minutes, call in zip((5, 9, 1), calls, strict=True):
        end = datetime.now(UTC) - timedelta(minutes=minutes)
        await stores.attempts.close_attempt(ended(call, Outcome.BUSY, ended_at=end))
    await stores.attempts.release_waiting(dialed.campaign.id)
    assert [(await dialed.open()).lead_id for _ in range(3)] == [calls[i].lead_id for i in (1, 0, 2)]


async def test_of_many_leads_that_become_due_at_once_those_of_the_highest_priority_are_released_first(
    stores: Stores,
) -> None:
    """Batch after batch, so that the first call need not wait for the last lead."""
    dialed = await stores.a_dialed_campaign(leads=RELEASE_BATCH + 500)
    await stores.pool.execute(
        "UPDATE leads SET state = 'cooloff', not_before = now(), held_by = 'cooloff', priority = id % 3"
    )
    assert await stores.attempts.release_waiting(dialed.campaign.id) == RELEASE_BATCH
    assert await stores.pool.fetchval("SELECT min(priority) FROM leads WHERE not_before IS NULL") == 1
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 500


async def test_a_call_that_was_not_placed_costs_no_attempt_but_waits_a_moment(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=1)
    call = await dialed.dial(Outcome.NOT_PLACED)
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.dials, lead.lead.attempts_used, lead.held_by) == (1, 0, "not_placed")
    assert await dialed.claim() == Claim()


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


async def account_rules(stores: Stores, **changes: Any) -> None:
    account = await stores.accounts.get()
    await stores.accounts.save(replace(account, rules=replace(account.rules, **changes)))


async def with_alternate(stores: Stores, **changes: Any) -> Dialed:
    draft = await stores.a_draft(**changes)
    await stores.leads.add(draft.id, [a_new_lead(number=FIRST, alternate_numbers=(SECOND,))])
    return await stores.dialing(draft)


async def tried(dialed: Dialed, **how: Any) -> Claim | None:
    """A claim, made anew while others are in the way; None when no lead is due any more."""
    while True:
        with suppress(StoreBusy):
            claim = await dialed.claim(**how)
            return claim if claim != Claim() else None


async def line_of(stores: Stores) -> list[tuple[str, int]]:
    """The due leads in their order, each with its state."""
    rows = await stores.pool.fetch(
        "SELECT state::text, id FROM leads WHERE not_before IS NULL AND state IN ('active', 'retry')"
        " ORDER BY priority DESC, due_at, id"
    )
    return [(row["state"], row["id"]) for row in rows]


def alternating(line: list[tuple[str, int]]) -> list[int]:
    """How they are dialed when the new leads go first: in turn, as long as there are both."""
    fresh, again = ([lead for state, lead in line if state == wanted] for wanted in ("active", "retry"))
    return [lead for pair in zip_longest(fresh, again) for lead in pair if lead is not None]


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


@pytest.mark.parametrize("off_by", [-3600, 3600])
async def test_an_end_that_a_wrong_clock_has_told_is_now(stores: Stores, off_by: int) -> None:
    """Else its lead would cool off for an hour too long, or not at all."""
    dialed = await stores.a_dialed_campaign(cooloff_s=60, max_attempts=3)
    await dialed.dial(Outcome.BUSY, ended_at=datetime.now(UTC) + timedelta(seconds=off_by))
    wait = await stores.pool.fetchval(
        "SELECT leads.not_before - attempts.ended_at FROM leads JOIN attempts ON lead_id = leads.id "
        "WHERE attempts.ended_at BETWEEN opened_at AND now()"
    )
    assert wait == timedelta(seconds=60)
