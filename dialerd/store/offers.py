"""Cards: a lead before an agent, who accepts it, skips it, or lets its time pass.

The rows decide every race: an answer counts only while the card is open and its time is not over, by the database's clock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from dialerd.domain.attempts import Lease
from dialerd.domain.calls import Call
from dialerd.domain.campaigns import Campaign
from dialerd.domain.compliance import Profile
from dialerd.domain.eligibility import Candidate
from dialerd.domain.offers import CallStage, Offer, OfferClaim, OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import NotFound, OfferClosed
from dialerd.store.claims import Claimed, Look, candidate_of, claim_campaign, claim_leads
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("offers")

MOST_CARDS = 10_000
CARDS = "dialerd_cards"
"""The channel on which Postgres tells whose card, or whose call, has changed, so that who waits for it looks."""
TIME_TO_DIAL = timedelta(seconds=60)
"""For which a lead is put aside beyond the card's time: whoever accepts in the last instant gets it dialed."""


@dataclass(frozen=True, kw_only=True)
class LeadCard:
    """What an agent may know of a lead, before the call and in it."""

    campaign: str
    number: str
    """Empty where the campaign masks it."""
    name: str
    ticket_id: str
    note: str
    lead_type: str
    custom: Mapping[str, str]
    attempts: int
    """That have counted before this one."""
    last_outcome: Outcome | None
    """Of the call before. None: there was none."""
    last_disposition: str | None


@dataclass(frozen=True, kw_only=True)
class Card(LeadCard):
    """What the agent sees of a lead on offer."""

    offer: Offer


@dataclass(frozen=True, kw_only=True)
class AgentCall(LeadCard):
    """A call with an agent, or that an agent is to get, and the lead's card."""

    attempt_id: UUID | None
    """None: the lead is not dialed yet, or calls back."""
    stage: CallStage
    since: datetime
    """Since when it is so far."""
    lead_answered: bool
    """Whether the lead is on the line."""
    calls_back: bool
    """Whether the lead has called, and no campaign."""
    campaign_id: int
    queue: str
    lead_id: int


class OfferStore:
    """`profiles` are the compliance profiles that a campaign may name. An agent is named by interface (PJSIP/1001)."""

    def __init__(self, pool: Pool, profiles: Mapping[str, Profile]) -> None:
        self._pool = pool
        self._profiles = profiles

    # --- for agents ---------------------------------------------------------------------------------------------------

    @store_call
    async def card(self, agent: str, *, account_id: int | None = None) -> Card:
        """Of a campaign of the account; None: of any. Raises NotFound."""
        rows = _sql.cards(self._pool, agent=agent, account_id=account_id, after="", page=1)
        cards = [_card(row) async for row in rows]
        if not cards:
            raise NotFound("card for agent", agent)
        return cards[0]

    @store_call
    async def cards(self, *, account_id: int | None = None, after: str = "", limit: int = MOST_CARDS) -> Sequence[Card]:
        """Those that lie before agents, by agent, behind the one that is named."""
        rows = _sql.cards(self._pool, agent=None, account_id=account_id, after=after, page=limit)
        return [_card(row) async for row in rows]

    @store_call
    async def call(self, agent: str, *, account_id: int | None = None) -> AgentCall | None:
        """Of a campaign of the account; None: of any. A talk that is over is none any more."""
        row = await _sql.call_of_agent(self._pool, agent=agent, account_id=account_id)
        return _agent_call(row) if row else None

    @store_call
    async def accept(self, agent: str, *, offer: int | None = None, account_id: int | None = None) -> Offer:
        """That card, of a campaign of that account; None: whichever lies there. Raises OfferClosed when it is too late."""
        return _answered(await _sql.accept(self._pool, agent=agent, offer_id=offer, account_id=account_id))

    @store_call
    async def skip(self, agent: str, *, offer: int | None = None, account_id: int | None = None) -> Offer:
        """The lead goes to the next agent. Raises OfferClosed when it is too late."""
        async with transaction(self._pool) as connection:
            skipped = _answered(await _sql.skip(connection, agent=agent, offer_id=offer, account_id=account_id))
            await _let_go(connection, [skipped])
            return skipped

    # --- for the daemon (dialer/ports.py) -----------------------------------------------------------------------------

    @store_call
    async def offer_next(
        self, campaign: Campaign, lease: Lease, *, agents: Sequence[str], look_at: int = 1, retries_first: bool = False
    ) -> OfferClaim:
        """Who has declined the lead since its last call gets it again only where nobody else is free, and no other lead is due
        among those that are looked at."""
        async with transaction(self._pool) as connection:
            claimed = await claim_campaign(connection, campaign.id, lease, self._profiles)
            free = await _without_a_card(connection, agents)
            if claimed is None or not free:
                return OfferClaim()
            rows = await claim_leads(connection, claimed, look_at, retries_first=retries_first)
            if rows and claimed.forbidden:
                return OfferClaim(forbidden=claimed.forbidden)
            look = Look(claimed)
            offer = await _offer_one(connection, claimed, look, [candidate_of(row) for row in rows], free)
            await look.write(connection)
            return OfferClaim(offer=offer, passed=tuple(look.passed))

    @store_call
    async def offer_call(self, call: Call, offer: int, *, node: str, agents: Sequence[str]) -> Offer | None:
        """None also where the call is over. Asked twice for one offer, it tells the same."""
        async with transaction(self._pool) as connection:
            known = await _sql.offer_of_call(connection, attempt_id=call.id, lead_id=call.lead_id, ordinal=offer)
            if known is not None:
                return _offer(known)
            for agent in await _without_a_card(connection, agents):
                laid = await _sql.lay_card_of_call(
                    connection, attempt_id=call.id, ordinal=offer, agent=agent, node=node, lasts=call.offer_time
                )
                if laid is not None:
                    return _offer(laid)
            return None

    @store_call
    async def withdraw(self, attempt: UUID, offer: int) -> None:
        await _sql.withdraw(self._pool, attempt_id=attempt, ordinal=offer)

    @store_call
    async def news(self, node: str) -> Sequence[Offer]:
        async with transaction(self._pool) as connection:
            lapsed = [_offer(row) async for row in _sql.lapse(connection, node=node)]
            await _let_go(connection, lapsed)
            return [_offer(row) async for row in _sql.notice(connection, node=node)]

    @store_call
    async def open_offers(self, node: str) -> Sequence[Offer]:
        return [_offer(row) async for row in _sql.open_offers(self._pool, node=node)]


async def release_lead(connection: Connection, lead_id: int) -> None:
    """A lead that was put aside for a card is due again, behind the others of its priority."""
    await _sql.release_leads(connection, lead_ids=[lead_id])


async def _let_go(connection: Connection, offers: Sequence[Offer]) -> None:
    """Of calls that are being dialed already there is nothing to let go."""
    if waiting := [offer.lead_id for offer in offers if offer.attempt_id is None]:
        await _sql.release_leads(connection, lead_ids=waiting)


async def _offer_one(
    connection: Connection, claimed: Claimed, look: Look, candidates: Sequence[Candidate], free: Sequence[str]
) -> Offer | None:
    """The first that may be called and that somebody has not declined; else the first that may be called. Whom the lead was promised
    for a callback is asked first."""
    last_resort: Candidate | None = None
    for candidate in candidates:
        if look.judge(candidate) is None:
            continue
        declined = await _declined(connection, candidate.lead.id)
        promised = candidate.lead.callback_agent
        willing = sorted((agent for agent in free if agent not in declined), key=lambda agent: agent != promised)
        if offer := await _lay_before_one_of(connection, claimed, candidate, willing):
            return offer
        last_resort = last_resort or candidate
    return await _lay_before_one_of(connection, claimed, last_resort, free) if last_resort else None


async def _lay_before_one_of(
    connection: Connection, claimed: Claimed, candidate: Candidate, agents: Sequence[str]
) -> Offer | None:
    for agent in agents:
        laid = await _sql.lay_card(
            connection,
            campaign_id=claimed.id,
            lead_id=candidate.lead.id,
            agent=agent,
            node=claimed.lease.node,
            lasts=timedelta(seconds=claimed.terms.settings.offer_s),
            aside=TIME_TO_DIAL,
        )
        if laid is not None:
            return _offer(laid)
    return None


async def _without_a_card(connection: Connection, agents: Sequence[str]) -> list[str]:
    busy = {row["agent"] async for row in _sql.agents_with_card(connection, agents=list(agents))}
    return [agent for agent in agents if agent not in busy]


async def _declined(connection: Connection, lead_id: int) -> Collection[str]:
    return {row["agent"] async for row in _sql.declined_by(connection, lead_id=lead_id)}


def _answered(row: asyncpg.Record | None) -> Offer:
    if row is None:
        raise OfferClosed
    return _offer(row)


def _offer(row: asyncpg.Record) -> Offer:
    return Offer(
        id=row["id"],
        campaign_id=row["campaign_id"],
        lead_id=row["lead_id"],
        attempt_id=row["attempt_id"],
        ordinal=row["ordinal"],
        agent=row["agent"],
        queue=row["queue"],
        state=OfferState(row["state"]),
        expires_at=row["expires_at"],
    )


def _card(row: asyncpg.Record) -> Card:
    return Card(offer=_offer(row), **_lead_card(row))


def _agent_call(row: asyncpg.Record) -> AgentCall:
    return AgentCall(
        attempt_id=row["attempt_id"],
        stage=CallStage(row["stage"]),
        since=row["since"],
        lead_answered=row["lead_answered"],
        calls_back=row["calls_back"],
        campaign_id=row["campaign_id"],
        queue=row["queue"],
        lead_id=row["lead_id"],
        **_lead_card(row),
    )


def _lead_card(row: asyncpg.Record) -> dict[str, Any]:
    """The fields of a LeadCard."""
    last = row["last_outcome"]
    return {
        "campaign": row["campaign_name"],
        "number": row["number"],
        "name": f"{row['first_name']} {row['last_name']}".strip(),
        "ticket_id": row["ticket_id"],
        "note": row["note"],
        "lead_type": row["lead_type"],
        "custom": row["custom"],
        "attempts": row["attempts_used"],
        "last_outcome": Outcome(last) if last else None,
        "last_disposition": row["last_disposition"],
    }
