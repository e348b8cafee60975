"""Acts in the midst of dialing: storms of pauses and stops, edits of pace, leads and hours, numbers that are listed while they ring, and
a hundred thousand leads that all become due at once."""

import asyncio
import json
import random
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.audit import Span
from dialerd.compliance import profiles
from dialerd.domain.calls import AttemptState
from dialerd.domain.campaigns import CAMPAIGN_TRANSITIONS, CampaignAction, CampaignStatus
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import JITTER_S, starting
from dialerd.errors import IllegalTransition
from dialerd.store.campaigns import CampaignStore
from dialerd.store.pool import Pool
from tests.acceptance.desk import BUSY, LONG_RING, PERSON, Desk, closed_hours, now, open_hours, some
from tests.daemon import CommandFailed
from tests.integration.store.scene import Stores
from tests.lab import FOR_EVER, Lab

AGENTS = ("1010", "1011", "1012", "1013")
STORM = (CampaignAction.START, CampaignAction.RESUME, CampaignAction.PAUSE, CampaignAction.STOP)

# --- F46: the pace is edited while calls are made ---------------------------------------------------------------------

RATES = st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0, 20.0])


@given(steps=st.lists(st.tuples(st.floats(0, 12), st.none() | RATES), max_size=80))
def test_however_the_pace_is_edited_no_two_calls_are_closer_than_the_pace_of_the_second_allows(
    steps: list[tuple[float, float | None]],
) -> None:
    """F46: time passes, the rate is changed, and a call starts whenever one may."""
    limiter, at, calls = starting(1.0, 0.0), 0.0, list[tuple[float, float]]()
    for passes, rate in steps:
        at += passes
        if rate is not None:
            limiter = limiter.at_rate(rate, at)
        if limiter.wait(at) == 0:
            calls.append((at, limiter.interval))
            limiter = limiter.spend(at)
    for (one, _), (other, interval) in pairwise(calls):
        assert other - one >= interval - 2 * JITTER_S - 1e-9


# --- F47: storms of acts ----------------------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(4))
async def test_in_a_storm_of_acts_from_several_sides_only_the_moves_of_the_table_happen(pool: Pool, seed: int) -> None:
    """F47: 4 sides act at random and at once; every move that is on record is one of the table, and they follow each other."""
    stores, chance = Stores(pool), random.Random(seed)
    draft = await stores.a_draft(leads=3)
    refused = 0

    async def one_side() -> None:
        nonlocal refused
        for _ in range(25):
            try:
                await stores.campaigns.act(draft.id, chance.choice(STORM))
            except IllegalTransition:
                refused += 1

    await asyncio.gather(*(one_side() for _ in range(4)))
    # By id: each was written under the campaign's lock, while the time of a line is that at which its transaction began.
    lines = await pool.fetch("SELECT details->>'to' AS status FROM activity WHERE fact = 'status' ORDER BY id")
    statuses = [CampaignStatus(line["status"]) for line in lines]
    assert len(statuses) + refused == 100
    for was, became in pairwise([CampaignStatus.DRAFT, *statuses]):
        assert became in CAMPAIGN_TRANSITIONS[was].values(), (was, became)


@pytest.mark.acceptance
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_two_hundred_random_acts_while_calls_are_made_break_no_law(desk: Desk, lab: Lab, pool: Pool) -> None:
    """F47: start, resume, pause and stop in random order, some hundreds of milliseconds apart or none, while a list is dialed."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(ring_s=(0.3, 1.5), talk_s=(0.5, 1.5))
    campaign = await desk.campaign(some(36, [*PERSON, *BUSY]), calls_per_second=5, max_attempts=2, cooloff_s=1)
    campaigns, chance = CampaignStore(pool, profiles()), random.Random(47)
    spans: list[Span] = []
    moved = 0
    for _ in range(200):
        act, asked = chance.choice(STORM), now()
        with suppress(IllegalTransition):
            became = (await campaigns.act(campaign, act)).status
            moved += 1
            if became is CampaignStatus.RUNNING:
                spans.append(Span(start=asked))
            elif spans and spans[-1].end is None:
                spans[-1] = Span(start=spans[-1].start, end=now())
        if chance.random() < 0.2:
            await desk.until_over(now() + timedelta(milliseconds=chance.randrange(400)))
    assert moved > 50
    with suppress(IllegalTransition):
        await campaigns.act(campaign, CampaignAction.START)
        spans.append(Span(start=now()))
    await desk.until_completed(campaign, timeout_s=150)
    await desk.judge(campaign, agents=agents, allowed=spans)


# --- F36: the hours end while phones ring -----------------------------------------------------------------------------


@pytest.mark.acceptance
async def test_a_phone_that_rings_when_the_hours_end_may_be_answered_and_no_other_is_rung(desk: Desk, lab: Lab) -> None:
    """F36: the schedule is edited to one that is closed now; the lead who is being rung answers after that."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(long_ring_s=FOR_EVER)
    [ringer], others = some(1, LONG_RING), some(3, PERSON)
    campaign = await desk.campaign([ringer, *others], concurrency=1, ring_timeout_s=120)
    await desk.edit("--schedule", open_hours())
    start = now()
    await desk.start(campaign)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    await desk.edit("--schedule", closed_hours())
    closed = now()
    await lab.pick_up(ringer)
    assert await desk.until_outcome(ringer) is Outcome.CONNECTED
    await desk.until_silent()
    assert desk.dialed() == [ringer]
    assert desk.talk_of(ringer) > 0.5
    await desk.judge(campaign, agents=agents, allowed=[Span(start=start, end=closed)])


# --- F37: a number is listed while it rings ---------------------------------------------------------------------------


@pytest.mark.acceptance
async def test_a_number_that_is_listed_while_it_rings_is_not_called_again(desk: Desk, lab: Lab) -> None:
    """F37: nobody answers, two attempts are left, and the cool-off is short; the same for one that is not listed."""
    agents = await desk.staff(*AGENTS)
    [listed, other] = some(2, range(60, 70))
    campaign = await desk.dial([listed, other], ring_timeout_s=6, max_attempts=2, cooloff_s=8)
    await desk.until_call_is(listed, AttemptState.RINGING)
    await desk.cli("dnc", "add", listed)
    await desk.until_completed(campaign)
    assert len(desk.calls_to(listed)) == 1
    assert len(desk.calls_to(other)) == 2
    assert (await desk.lead_states(campaign))[listed] is LeadState.BLOCKED
    assert await desk.outcomes(listed) == [Outcome.NO_ANSWER]
    await desk.judge(campaign, agents=agents)


@pytest.mark.acceptance
async def test_of_numbers_that_are_listed_while_they_are_claimed_none_is_called_that_was_listed_before(
    desk: Desk, pool: Pool
) -> None:
    """F37: between claim and Originate: forty numbers are listed one by one while the campaign dials them, as fast as it may."""
    agents = await desk.staff(*AGENTS)
    stores, leads = Stores(pool), some(120, BUSY)
    campaign = await desk.dial(leads, calls_per_second=20, concurrency=50)
    await desk.until_seen(5)
    listed = leads[20:60]
    for number in listed:
        await stores.dnc.add(number)
    await desk.until_completed(campaign)
    blocked = [number for number, state in (await desk.lead_states(campaign)).items() if state is LeadState.BLOCKED]
    assert blocked
    assert set(blocked) <= set(listed)
    assert not set(blocked) & set(desk.dialed())
    await desk.judge(campaign, agents=agents)


# --- F48: a lead is deleted or edited while it is in flight -----------------------------------------------------------


@pytest.mark.acceptance
async def test_a_lead_in_flight_is_neither_deleted_nor_renewed_and_its_outcome_is_stored(desk: Desk, lab: Lab) -> None:
    """F48: paused, so that its leads may be changed, while the phone of one of them rings."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(long_ring_s=FOR_EVER)
    [ringer] = some(1, LONG_RING)
    campaign = await desk.dial([ringer], ring_timeout_s=120)
    await desk.until_call_is(ringer, AttemptState.RINGING)
    lead = (await desk.leads(campaign))[ringer].lead
    await desk.act("pause")
    with pytest.raises(CommandFailed, match="being called"):
        await desk.cli("leads", "delete", "list", "--lead", str(lead.id))
    file = desk.csv_file(["number", "priority", "first_name"], [ringer, 7, "Renamed"])
    renewed = json.loads(await desk.cli("leads", "import", "list", file, "--duplicates", "always", "--json"))
    assert (renewed["renewed"], renewed["added"]) == (0, 0)
    await lab.pick_up(ringer)
    assert await desk.until_outcome(ringer) is Outcome.CONNECTED
    record = (await desk.leads(campaign))[ringer]
    assert (record.lead.state, record.lead.first_name) == (LeadState.SUCCESS, lead.first_name)
    await desk.judge(campaign, agents=agents)
    await desk.cli("leads", "delete", "list", "--lead", str(lead.id))
    assert await desk.outcomes(ringer) == [Outcome.CONNECTED]


# --- F50: everything is due at once -----------------------------------------------------------------------------------

STORMED = 100_000
# Retries whose cool-off is over, in six priorities, on numbers that are busy; none of which is ever dialed by anybody else.
DUE = """
    INSERT INTO leads (campaign_id, number, first_name, priority, state, not_before, held_by, dials, attempts_used)
    SELECT $1, '+1' || 201 + n / 1000 || '55' || lpad((n % 1000)::text, 3, '0') || '50', 'Ada', n % 6, 'cooloff', now() - interval '1 hour',
           'cooloff', 1, 1
    FROM generate_series(0, $2::int - 1) AS n
"""
LONGEST_FIRST_CALL_S = 10.0
"""From the start to the first INVITE; all leads are released and put in line meanwhile."""


@pytest.mark.acceptance
@pytest.mark.timeout(300)
@pytest.mark.beyond_the_record(L7="the leads were laid down as rows, no upload has reported them")
@pytest.mark.long
async def test_a_hundred_thousand_leads_that_become_due_at_once_are_called_by_priority_and_at_the_set_pace(
    desk: Desk, lab: Lab, pool: Pool
) -> None:
    """F50: a storm of retries at the opening."""
    agents = await desk.staff(*AGENTS)
    campaign = await desk.campaign([], calls_per_second=10, concurrency=20, max_attempts=3)
    await pool.execute(DUE, campaign, STORMED, timeout=120)
    started = now()
    await desk.start(campaign)
    await desk.until_seen(80, timeout_s=60)
    await desk.act("pause")
    paused = now()
    await desk.until_silent()
    first = desk.calls_in_order()[0].invite
    assert (first - started).total_seconds() < LONGEST_FIRST_CALL_S
    dialed = await pool.fetch("SELECT DISTINCT priority FROM leads JOIN attempts ON attempts.lead_id = leads.id")
    assert [row["priority"] for row in dialed] == [5]
    await desk.judge(campaign, agents=agents, allowed=[Span(start=started, end=paused)], but={"L7"})
