"""Cards for agents: one at a time for each lead and each agent, answered once, and never lost."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from dialerd.domain.attempts import Claim, WaitingLeads
from dialerd.domain.calls import AttemptState, Call, CallFlow, DialMode
from dialerd.domain.campaigns import CampaignAction, PreviewOrder
from dialerd.domain.eligibility import Rule
from dialerd.domain.leads import LeadState
from dialerd.domain.offers import Offer, OfferClaim, OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import NotFound, OfferClosed
from dialerd.store.pool import BELL
from tests.factories import ANNA, BEN, a_new_lead
from tests.integration.store.neighbours import neighbours, silent, take_over
from tests.integration.store.scene import Dialed, Stores, closed_now, ended, somebody_waits

PREVIEW: dict[str, Any] = {"dial_mode": DialMode.PREVIEW}
ACCEPT_FIRST: dict[str, Any] = {**PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}
NODE = "one"


# --- a card before the lead is dialed --------------------------------------------------------------------------------


async def test_a_lead_whose_card_lies_before_an_agent_is_put_aside_and_explained(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST, offer_s=45)
    offer = await laid(dialed, ANNA)
    assert (offer.agent, offer.state, offer.attempt_id, offer.queue) == (ANNA, OfferState.OPEN, None, "sales")
    assert timedelta(seconds=40) < offer.expires_at - datetime.now(UTC) <= timedelta(seconds=45)
    lead = await stores.leads.get(offer.lead_id)
    assert (lead.lead.state, lead.held_by) == (LeadState.ACTIVE, "offered")
    (waiting,) = await stores.attempts.waiting_leads(dialed.campaign.id)
    assert waiting == WaitingLeads(rule="offered", leads=1, until=lead.not_before)
    assert await dialed.claim() == Claim()
    assert await offered(dialed, BEN) == OfferClaim()


async def test_rules_that_change_do_not_give_an_offered_lead_away(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    await laid(dialed, ANNA)
    assert await stores.attempts.judge_anew(dialed.campaign.id) == 0
    assert await dialed.claim() == Claim()


async def test_the_card_says_what_the_agent_may_know(stores: Stores) -> None:
    draft = await stores.a_draft(**ACCEPT_FIRST, name="Spring")
    lead = a_new_lead(last_name="Lovelace", ticket_id="T1", note="likes tea", lead_type="vip", custom={"plan": "gold"})
    await stores.leads.add(draft.id, [lead])
    dialed = await stores.dialing(draft)
    offer = await laid(dialed, ANNA)
    card = await stores.offers.card(ANNA)
    assert (card.offer, card.campaign, card.number, card.name) == (offer, "Spring", lead.number, "Ada Lovelace")
    assert (card.ticket_id, card.note, card.lead_type, card.custom) == ("T1", "likes tea", "vip", {"plan": "gold"})
    assert (card.attempts, card.last_outcome, card.last_disposition) == (0, None, None)


async def test_the_card_hides_the_number_where_the_campaign_masks_it_and_tells_of_the_last_call(
    stores: Stores,
) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST, mask_lead_caller_id=True, cooloff_s=0)
    await dialed.dial(Outcome.BUSY)
    await stores.attempts.release_waiting(dialed.campaign.id)
    await laid(dialed, ANNA)
    card = await stores.offers.card(ANNA)
    assert (card.number, card.attempts, card.last_outcome) == ("", 1, Outcome.BUSY)


async def test_an_agent_without_a_card_is_told_so(stores: Stores) -> None:
    with pytest.raises(NotFound, match="card for agent PJSIP/anna"):
        await stores.offers.card(ANNA)
    with pytest.raises(OfferClosed):
        await stores.offers.accept(ANNA)


async def test_an_accepted_lead_is_opened_for_the_agent_who_is_rung_first(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    accepted = await stores.offers.accept(ANNA)
    assert accepted == replace(offer, state=OfferState.ACCEPTED)
    assert await stores.offers.news(NODE) == [accepted]
    (opened,) = (await stores.attempts.open_offered(dialed.campaign, dialed.lease, accepted)).opened
    call = opened.call
    assert (call.lead_id, call.flow, call.state) == (offer.lead_id, CallFlow.AGENT_FIRST, AttemptState.PREPARING)
    assert call.wanted_agent == ANNA
    lead = await stores.leads.get(offer.lead_id)
    assert (lead.lead.state, lead.not_before, lead.held_by) == (LeadState.DIALING, None, None)
    assert await stores.attempts.open_offered(dialed.campaign, dialed.lease, accepted) == Claim()


async def test_a_number_that_was_listed_while_the_card_lay_there_is_not_called(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    accepted = await stores.offers.accept(ANNA)
    await stores.dnc.add((await stores.leads.get(offer.lead_id)).lead.number)
    claim = await stores.attempts.open_offered(dialed.campaign, dialed.lease, accepted)
    assert [passed.refusal.rule for passed in claim.passed] == [Rule.DNC]
    assert (await stores.leads.get(offer.lead_id)).lead.state is LeadState.BLOCKED


async def test_a_lead_that_is_not_called_after_all_is_due_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    accepted = await stores.offers.accept(ANNA)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    assert await stores.attempts.open_offered(dialed.campaign, dialed.lease, accepted) == Claim()
    assert (await stores.leads.get(offer.lead_id)).held_by is None


async def test_outside_the_schedule_no_card_is_laid(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST, schedule=closed_now())
    claim = await offered(dialed, ANNA)
    assert claim.forbidden is not None
    assert claim.forbidden.rule is Rule.SCHEDULE


async def test_the_rules_are_asked_before_a_card_is_laid(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **ACCEPT_FIRST)
    first, second = await stores.leads.list(dialed.campaign.id)
    await stores.dnc.add(first.lead.number)
    claim = await offered(dialed, ANNA, look_at=2)
    assert [passed.lead_id for passed in claim.passed] == [first.lead.id]
    assert claim.offer is not None
    assert claim.offer.lead_id == second.lead.id


async def test_an_agent_has_one_card_and_a_second_agent_gets_the_next_lead(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=3, **ACCEPT_FIRST)
    first = await laid(dialed, ANNA)
    assert await offered(dialed, ANNA) == OfferClaim()
    second = await laid(dialed, ANNA, BEN)
    assert (second.agent, second.lead_id != first.lead_id) == (BEN, True)


async def test_the_agent_whom_the_lead_was_promised_for_a_callback_is_asked_first(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    await stores.pool.execute("UPDATE leads SET callback_agent = $1", BEN)
    assert (await laid(dialed, ANNA, BEN)).agent == BEN


async def test_agents_of_many_offerers_at_once_get_one_card_each(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=20, **ACCEPT_FIRST)
    claims = await asyncio.gather(*(offered(dialed, ANNA, BEN) for _ in range(8)))
    offers = [claim.offer for claim in claims if claim.offer]
    assert sorted(offer.agent for offer in offers) == [ANNA, BEN]
    assert len({offer.lead_id for offer in offers}) == 2


async def test_the_database_itself_allows_one_open_card_a_lead_and_an_agent(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    copy = (
        "INSERT INTO offers (campaign_id, lead_id, agent, node, expires_at)"
        " SELECT campaign_id, lead_id + $2, $3, node, expires_at FROM offers WHERE id = $1"
    )
    with pytest.raises(asyncpg.UniqueViolationError, match="offers_one_open_per_lead"):
        await stores.pool.execute(copy, offer.id, 0, BEN)
    with pytest.raises(asyncpg.UniqueViolationError, match="offers_one_open_per_agent"):
        await stores.pool.execute(copy, offer.id, 1, ANNA)


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_a_skipped_lead_is_due_again_behind_the_others_and_goes_to_the_next_agent(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **ACCEPT_FIRST)
    first = await laid(dialed, ANNA)
    assert (await stores.offers.skip(ANNA)).state is OfferState.SKIPPED
    lead = await stores.leads.get(first.lead_id)
    assert (lead.not_before, lead.held_by) == (None, None)
    second = await laid(dialed, ANNA)
    assert second.lead_id != first.lead_id
    assert (await laid(dialed, BEN)).lead_id == first.lead_id


async def test_who_has_declined_a_lead_gets_it_again_only_if_nobody_else_is_left(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    await laid(dialed, ANNA)
    await stores.offers.skip(ANNA)
    assert (await laid(dialed, ANNA, BEN)).agent == BEN
    await stores.offers.skip(BEN)
    assert (await laid(dialed, BEN, ANNA)).agent == BEN


async def test_a_lead_that_nobody_has_declined_goes_before_one_that_this_agent_has(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **ACCEPT_FIRST)
    first = await laid(dialed, ANNA)
    await stores.offers.skip(ANNA)
    await stores.pool.execute("UPDATE leads SET due_at = now() - interval '1 day' WHERE id = $1", first.lead_id)
    claim = await offered(dialed, ANNA, look_at=2)
    assert claim.offer is not None
    assert claim.offer.lead_id != first.lead_id


async def test_after_the_leads_next_call_an_agent_who_declined_it_is_asked_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST, cooloff_s=0)
    await laid(dialed, ANNA)
    await stores.offers.skip(ANNA)
    await dialed.dial(Outcome.BUSY)
    await stores.attempts.release_waiting(dialed.campaign.id)
    assert (await laid(dialed, ANNA, BEN)).agent == ANNA


async def test_a_card_whose_time_is_over_cannot_be_answered_and_its_lead_is_due_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    await let_time_pass(stores)
    for answer in (stores.offers.accept, stores.offers.skip):
        with pytest.raises(OfferClosed):
            await answer(ANNA)
    with pytest.raises(NotFound):
        await stores.offers.card(ANNA)
    (told,) = await stores.offers.news(NODE)
    assert (told.id, told.state) == (offer.id, OfferState.LAPSED)
    assert (await stores.leads.get(offer.lead_id)).held_by is None
    assert (await laid(dialed, ANNA, BEN)).agent == BEN


async def test_news_are_told_once_and_to_their_own_daemon(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **ACCEPT_FIRST)
    await laid(dialed, ANNA)
    waiting = await laid(dialed, BEN)
    await stores.offers.accept(ANNA)
    assert await stores.offers.news("two") == []
    told = await asyncio.gather(*(stores.offers.news(NODE) for _ in range(4)))
    assert [offer.agent for offers in told for offer in offers] == [ANNA]
    assert await stores.offers.open_offers(NODE) == [waiting]


async def test_of_two_acceptances_one_counts(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    await laid(dialed, ANNA)
    answers = await asyncio.gather(*(answered(stores.offers.accept(ANNA)) for _ in range(6)))
    assert [answer for answer in answers if answer] == [OfferState.ACCEPTED]


@pytest.mark.parametrize("turn", range(8))
async def test_of_an_acceptance_and_a_skip_one_counts(stores: Stores, turn: int) -> None:
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    offer = await laid(dialed, ANNA)
    both = [answered(stores.offers.accept(ANNA)), answered(stores.offers.skip(ANNA))]
    answers = await asyncio.gather(*(both if turn % 2 else reversed(both)))
    (counts,) = [answer for answer in answers if answer]
    (told,) = await stores.offers.news(NODE)
    assert told.state is counts
    held = (await stores.leads.get(offer.lead_id)).held_by
    assert held == ("offered" if counts is OfferState.ACCEPTED else None)


async def test_an_answer_rings_the_bell_and_looking_for_one_does_not(stores: Stores, database: str) -> None:
    """Each look answered by a bell would be a look without end."""
    dialed = await stores.a_dialed_campaign(**ACCEPT_FIRST)
    await laid(dialed, ANNA)
    connection, rung = await asyncpg.connect(database), asyncio.Queue[None]()
    try:
        await connection.add_listener(BELL, lambda *_: rung.put_nowait(None))
        assert await stores.offers.news(NODE) == []
        await stores.offers.skip(ANNA)
        await asyncio.wait_for(rung.get(), 60)
        assert len(await stores.offers.news(NODE)) == 1
        await connection.execute("SELECT 1")  # what was rung before is here by now
        assert rung.empty()
    finally:
        await connection.close()


async def test_an_acceptance_in_the_last_instant_is_one_or_the_card_has_lapsed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=10, **ACCEPT_FIRST)
    for _ in range(10):
        offer = await laid(dialed, ANNA)
        await stores.pool.execute(
            "UPDATE offers SET expires_at = clock_timestamp() + interval '2 ms' WHERE id = $1", offer.id
        )
        answer, told = await asyncio.gather(answered(stores.offers.accept(ANNA)), lapsed_or_told(stores))
        assert (told.id, told.state) == (offer.id, answer or OfferState.LAPSED)


# --- the card of a call in flight ------------------------------------------------------------------------------------


async def test_the_card_of_a_call_goes_from_agent_to_agent_and_a_restart_knows_how_far(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**PREVIEW)
    call = await dialed.open()
    assert call.flow is CallFlow.PREVIEW
    first = await card_of(stores, call, 1, ANNA)
    assert (first.attempt_id, first.ordinal, first.agent) == (call.id, 1, ANNA)
    assert await restored(stores) == replace(call, offers=1, offered_to=ANNA)
    await stores.offers.skip(ANNA)
    assert await restored(stores) == replace(call, offers=1, offered_to=ANNA)  # nobody has been told of it yet
    await stores.offers.news(NODE)
    assert await restored(stores) == replace(call, offers=2, declined=frozenset({ANNA}))
    await card_of(stores, call, 2, BEN)
    await stores.offers.accept(BEN)
    await stores.offers.news(NODE)
    known = replace(call, offers=2, declined=frozenset({ANNA}), accepted=True, wanted_agent=BEN)
    assert await restored(stores) == known
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.DIALING


async def test_asked_twice_for_one_offer_of_a_call_the_store_tells_the_same(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**PREVIEW)).open()
    assert await card_of(stores, call, 1, ANNA, BEN) == await card_of(stores, call, 1, BEN)


async def test_a_call_waits_for_an_agent_who_has_no_card(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **PREVIEW)
    one, other = await dialed.open(), await dialed.open()
    await card_of(stores, one, 1, ANNA)
    assert await stores.offers.offer_call(other, 1, node=NODE, agents=[ANNA]) is None
    assert (await card_of(stores, other, 1, ANNA, BEN)).agent == BEN


async def test_a_withdrawn_card_cannot_be_accepted_but_an_answer_that_was_faster_stands(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, **PREVIEW)
    one, other = await dialed.open(), await dialed.open()
    await card_of(stores, one, 1, ANNA)
    await stores.offers.withdraw(one.id, 1)
    with pytest.raises(OfferClosed):
        await stores.offers.accept(ANNA)
    await card_of(stores, other, 1, BEN)
    await stores.offers.accept(BEN)
    await stores.offers.withdraw(other.id, 1)
    assert [offer.state for offer in await stores.offers.news(NODE)] == [OfferState.ACCEPTED]


async def test_the_end_of_a_call_takes_its_card_away(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**PREVIEW)
    call = await dialed.open()
    await card_of(stores, call, 1, ANNA)
    await stores.attempts.close_attempt(ended(call, Outcome.BUSY))
    with pytest.raises(OfferClosed):
        await stores.offers.accept(ANNA)
    assert await stores.offers.offer_call(call, 2, node=NODE, agents=[ANNA]) is None


@pytest.mark.parametrize("_", range(6))
async def test_a_card_that_is_laid_while_the_call_ends_does_not_stay(stores: Stores, _: int) -> None:
    call = await (await stores.a_dialed_campaign(**PREVIEW)).open()
    laying = stores.offers.offer_call(call, 1, node=NODE, agents=[ANNA])
    await asyncio.gather(laying, stores.attempts.close_attempt(ended(call, Outcome.BUSY)))
    assert await stores.offers.open_offers(NODE) == []


async def test_whoever_lays_a_card_waits_for_an_end_that_is_being_written(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**PREVIEW)).open()
    async with stores.pool.acquire() as other, other.transaction():
        await other.execute(
            "UPDATE attempts SET state = 'ended', outcome = 'busy', ended_at = now() WHERE id = $1", call.id
        )
        laying = asyncio.create_task(stores.offers.offer_call(call, 1, node=NODE, agents=[ANNA]))
        await somebody_waits(stores)
    assert await laying is None


async def test_cards_of_a_silent_daemon_go_with_its_calls(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**PREVIEW)
    call = await dialed.open()
    await card_of(stores, call, 1, ANNA)
    await neighbours(stores, "one", "two")
    await silent(stores, "one", timedelta(hours=1))
    assert await take_over(stores, "two") == 1
    await stores.offers.accept(ANNA)
    assert [offer.agent for offer in await stores.offers.news("two")] == [ANNA]


# --- steps -----------------------------------------------------------------------------------------------------------


async def offered(dialed: Dialed, *agents: str, **how: Any) -> OfferClaim:
    return await dialed.stores.offers.offer_next(dialed.campaign, dialed.lease, agents=agents, **how)


async def laid(dialed: Dialed, *agents: str) -> Offer:
    """The next card, which there must be."""
    claim = await offered(dialed, *agents)
    assert claim.offer is not None, claim
    return claim.offer


async def card_of(stores: Stores, call: Call, number: int, *agents: str) -> Offer:
    offer = await stores.offers.offer_call(call, number, node=NODE, agents=agents)
    assert offer is not None
    return offer


async def answered(answer: Any) -> OfferState | None:
    try:
        offer: Offer = await answer
    except OfferClosed:
        return None
    return offer.state


async def lapsed_or_told(stores: Stores) -> Offer:
    """What is told of the only card, as soon as there is something."""
    while not (news := await stores.offers.news(NODE)):
        pass
    (offer,) = news
    return offer


async def let_time_pass(stores: Stores) -> None:
    await stores.pool.execute("UPDATE offers SET expires_at = now() - interval '1 ms'")


async def restored(stores: Stores) -> Call:
    (known,) = await stores.attempts.open_calls()
    return known.call
