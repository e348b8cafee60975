"""Whether an agent is there for one more call of a campaign: who is free, who is promised, and what the abandonment ledger allows."""

from collections import Counter
from datetime import datetime
from uuid import UUID

import structlog

from dialerd.dialer.runner_parts import RunnerParts
from dialerd.domain.abandonment import Abandonment, has_credit, is_latched
from dialerd.domain.activity import AbandonmentCounted
from dialerd.domain.calls import CallFlow, Wanted
from dialerd.domain.campaigns import Campaign, CampaignSettings, Gate, Target
from dialerd.domain.queues import has_spare_agent

log = structlog.get_logger(__name__)

COUNT_ABANDONED_S = 5.0
"""How often the ledger is read where no decision depends on it."""


class AgentGate:
    """Of one campaign. `latched` is set from when its abandonment rate has reached the cap until it is well below it again."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._known: Abandonment | None = None
        self._count_at = 0.0
        self._unwritten: frozenset[UUID] = frozenset()
        """Calls whose end the ledger may not have known when it was read."""
        self.latched = False

    def agent_there(self, settings: CampaignSettings, campaign_id: int) -> bool:
        """An agent of its own for the next call; or, where the campaign counts on some who do not answer, one at all."""
        wanted, promised = wanted_by(settings), self._promised()
        if settings.flow is CallFlow.MENU:  # of many who listen to it, few ask for an agent
            return self.is_free(wanted)
        free = {each: self._free(each, strictly=each == wanted) for each in {wanted, *promised}}
        if has_spare_agent(wanted, free=free, promised=promised):
            return True
        if (
            settings.gate is not Gate.RATE or settings.flow is CallFlow.AGENT_FIRST
        ):  # there, agents are rung and not leads
            return False
        others = self._promised(but=campaign_id)
        taken = sum(count for each, count in others.items() if not free[wanted].isdisjoint(free[each]))
        return bool(free[wanted]) and self._has_credit(campaign_id, max(0, len(free[wanted]) - taken))

    def agents_left(self, settings: CampaignSettings) -> int | None:
        """Where each call needs an agent of its own: how many are free and not promised on this node, at least the one of whom
        `agent_there` knows. What other nodes have promised of them, only the store can tell. None: nobody need be asked."""
        wanted, promised = wanted_by(settings), self._promised()
        if not wanted.queue or settings.flow is CallFlow.MENU or settings.gate is Gate.RATE:
            return None
        free = self._free(wanted, strictly=True)
        taken = sum(count for each, count in promised.items() if not free.isdisjoint(self._free(each, strictly=False)))
        return max(1, len(free) - taken)

    def is_free(self, wanted: Wanted) -> bool:
        """Whether that very agent could take a call now."""
        return bool(self._free(wanted, strictly=True))

    def _promised(self, *, but: int | None = None) -> Counter[Wanted]:
        return Counter(self._parts.tracker.promised(but=but)) + Counter(self._parts.cards.promised())

    def _free(self, wanted: Wanted, *, strictly: bool) -> frozenset[str]:
        """The agent who is wanted, if he is free. Calls on their way for one who is not fall back to the queue."""
        now = self._parts.clock.monotonic()
        free = self._parts.queues.snapshot(wanted.queue).free_agents(now) - self._parts.tracker.rung()
        if wanted.agent is None:
            return free
        return free & {wanted.agent} or (frozenset() if strictly else free)

    def _has_credit(self, campaign_id: int, agents: int) -> bool:
        """`agents` are free, and promised to no other campaign."""
        known = self._known
        if known is None or self.latched:
            return False
        in_flight = self._unwritten | self._parts.tracker.unresolved(campaign_id, known.rule)
        return known.cap is None or has_credit(known.ledger, known.cap, in_flight=len(in_flight), agents=agents)

    def rate_anew_in(self, now: datetime) -> float | None:
        """Seconds until the abandonment rate begins anew, with the next period: by the database's clock, which may be behind ours."""
        until = self._known.until if self._known else None
        return max(1.0, (until - now).total_seconds()) if until else None

    async def count_abandoned(self, campaign: Campaign) -> None:
        """Read the ledger: before each decision that depends on it, else now and then."""
        now = self._parts.clock.monotonic()
        depends = campaign.settings.gate is Gate.RATE or self.latched
        if not depends and now < self._count_at:
            return
        self._count_at = now + COUNT_ABANDONED_S
        self._unwritten = self._parts.tracker.unresolved(campaign.id, self._known.rule if self._known else None)
        known = await self._parts.campaigns.abandonment(campaign)
        if known != self._known:
            self._learn(campaign.id, known)

    def _learn(self, campaign_id: int, known: Abandonment) -> None:
        ledger, before = known.ledger, self.latched
        self.latched = known.cap is not None and is_latched(ledger, known.cap, was=before)
        self._known = known
        if self.latched != before:
            log.warning("abandonment_cap", reached=self.latched, rate=round(ledger.rate, 4), cap=known.cap)
        self._parts.publish(
            AbandonmentCounted(
                campaign_id=campaign_id,
                answered=ledger.answered,
                in_time=ledger.in_time,
                abandoned=ledger.abandoned,
                rate=ledger.rate,
                cap=known.cap,
                latched=self.latched,
            )
        )


def wanted_by(settings: CampaignSettings) -> Wanted:
    """Whom the campaign's calls ask their agent of."""
    return Wanted(settings.queue, settings.target_agent if settings.target is Target.AGENT else None)
