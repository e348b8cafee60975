"""The store's two ports in memory: campaigns with leases, and the attempts that are opened and closed."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from dialerd.domain.attempts import Claim, Lease, OpenCall, OpenedAttempt, PassedOver, WaitingLeads
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Campaign, CampaignStatus
from dialerd.domain.eligibility import Refused, Rule, Verdict
from dialerd.domain.leads import LeadEvent
from dialerd.domain.pacing import HoldReason
from dialerd.domain.pacing import Verdict as HoldVerdict
from dialerd.domain.retry import NextStep
from dialerd.errors import NotFound, StoreUnavailable
from tests.factories import ATTEMPT, NOON, a_call


@dataclass(frozen=True)
class HoldNote:
    campaign_id: int
    reason: HoldReason | None
    sentence: str | None
    until: datetime | None
    verdicts: Sequence[HoldVerdict] = ()


@dataclass
class Trouble:
    """What can go wrong with a store: it is away, or it is slow to answer. And how often it was asked."""

    asked: int = 0
    down: bool = False
    takes: float = 0.0
    """Seconds that each answer takes."""
    answers: asyncio.Event | None = None
    """Where set: no answer before this happens."""

    async def strike(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.takes)
        if self.answers is not None:
            await self.answers.wait()
        if self.down:
            raise StoreUnavailable


@dataclass
class FakeCampaigns:
    """Fulfils the port Campaigns."""

    rows: dict[int, Campaign] = field(default_factory=dict)
    owned_elsewhere: set[int] = field(default_factory=set)
    leased: list[tuple[int, str]] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    notes: list[HoldNote] = field(default_factory=list)
    undialed: set[int] = field(default_factory=set)
    """Campaigns that may not be completed: something of theirs can still be dialed."""
    now: Callable[[], datetime] = lambda: NOON
    trouble: Trouble = field(default_factory=Trouble)

    def put(self, *campaigns: Campaign) -> None:
        self.rows.update({campaign.id: campaign for campaign in campaigns})

    async def dialable_campaigns(self) -> Sequence[Campaign]:
        await self.trouble.strike()
        return [campaign for campaign in self.rows.values() if campaign.status is CampaignStatus.RUNNING]

    async def get_campaign(self, campaign_id: int) -> Campaign:
        await self.trouble.strike()
        if campaign_id not in self.rows:
            raise NotFound("campaign", campaign_id)
        return self.rows[campaign_id]

    async def take_lease(self, campaign_id: int, *, node: str, duration: timedelta) -> Lease | None:
        await self.trouble.strike()
        if campaign_id in self.owned_elsewhere:
            return None
        self.leased.append((campaign_id, node))
        return Lease(campaign_id=campaign_id, node=node, epoch=len(self.leased))

    async def give_lease_back(self, lease: Lease) -> None:
        await self.trouble.strike()
        self.given_back.append(lease.campaign_id)

    async def note_hold(
        self,
        lease: Lease,
        reason: HoldReason | None,
        sentence: str | None,
        until: datetime | None,
        verdicts: Sequence[HoldVerdict] = (),
    ) -> None:
        await self.trouble.strike()
        self.notes.append(HoldNote(lease.campaign_id, reason, sentence, until, verdicts))

    async def start_due(self) -> int:
        await self.trouble.strike()
        due = [campaign for campaign in self.rows.values() if campaign.status is CampaignStatus.SCHEDULED]
        due = [campaign for campaign in due if campaign.starts_at is not None and campaign.starts_at <= self.now()]
        self.put(*(replace(campaign, status=CampaignStatus.RUNNING) for campaign in due))
        return len(due)

    async def complete_campaign(self, lease: Lease) -> bool:
        await self.trouble.strike()
        if lease.campaign_id in self.undialed:
            return False
        self.put(replace(self.rows[lease.campaign_id], status=CampaignStatus.COMPLETED))
        return True


@dataclass
class FakeAttempts:
    """Fulfils the port Attempts. What is written goes into `journal`, which a telephony may share."""

    journal: list[str] = field(default_factory=list)
    due: dict[int, deque[int | PassedOver]] = field(default_factory=dict)
    """For each campaign the leads in line: the id of one that may be called, or why it may not."""
    now: Callable[[], datetime] = lambda: NOON
    waiting: dict[int, list[tuple[datetime, int]]] = field(default_factory=dict)
    """For each campaign the leads that wait, with the time at which they become due."""
    held: dict[int, list[WaitingLeads]] = field(default_factory=dict)
    """What each rule holds back, as it would be counted."""
    forbidden: Verdict | None = None
    """What forbids every call, as the transaction would find it."""
    looks: list[tuple[int, bool]] = field(default_factory=list)
    """How each look at the line was asked for: how many leads, and whether retries come first."""
    judged_anew: list[int] = field(default_factory=list)
    opened: list[Call] = field(default_factory=list)
    written: list[Call] = field(default_factory=list)
    closed: list[Call] = field(default_factory=list)
    closed_before: set[UUID] = field(default_factory=set)
    open: list[OpenCall] = field(default_factory=list)
    silent_nodes: set[str] = field(default_factory=set)
    """Daemons that have not been heard of for long enough."""
    breaks_with: list[Exception] = field(default_factory=list)
    """What `open_next` raises, once each."""
    closing_fails: bool = False
    trouble: Trouble = field(default_factory=Trouble)

    def add_leads(self, campaign_id: int, *leads: int | PassedOver) -> None:
        self.due.setdefault(campaign_id, deque()).extend(leads)

    async def open_next(
        self, campaign: Campaign, lease: Lease, *, look_at: int = 1, most: int = 1, retries_first: bool = False
    ) -> Claim:
        await self.trouble.strike()
        self.looks.append((look_at, retries_first))
        if self.breaks_with:
            raise self.breaks_with.pop()
        if self.forbidden is not None:
            return Claim(forbidden=self.forbidden)
        line, passed = self.due.get(campaign.id, deque()), list[PassedOver]()
        while line and len(passed) < look_at:
            lead = line.popleft()
            if isinstance(lead, PassedOver):
                passed.append(lead)
            else:
                return Claim(opened=(self._open(campaign, lease, lead),), passed=tuple(passed))
        return Claim(passed=tuple(passed))

    def _open(self, campaign: Campaign, lease: Lease, lead: int) -> OpenedAttempt:
        call = a_call(
            id=uuid5(ATTEMPT, f"{campaign.id}/{lead}"),
            campaign_id=campaign.id,
            lead_id=lead,
            queue=campaign.settings.queue,
        )
        self.opened.append(call)
        self.open.append(OpenCall(call=call, node=lease.node))
        return OpenedAttempt(call=call, ordinal=1)

    async def judge_anew(self, campaign_id: int) -> int:
        await self.trouble.strike()
        self.judged_anew.append(campaign_id)
        return 0

    async def waiting_leads(self, campaign_id: int) -> Sequence[WaitingLeads]:
        await self.trouble.strike()
        return self.held.get(campaign_id, [])

    async def next_due_at(self, campaign_id: int) -> datetime | None:
        await self.trouble.strike()
        return min((due_at for due_at, _ in self.waiting.get(campaign_id, [])), default=None)

    async def release_waiting(self, campaign_id: int) -> int:
        await self.trouble.strike()
        waiting = self.waiting.get(campaign_id, [])
        due = [lead for due_at, lead in waiting if due_at <= self.now()]
        self.waiting[campaign_id] = [(due_at, lead) for due_at, lead in waiting if lead not in due]
        self.add_leads(campaign_id, *due)
        return len(due)

    async def record_progress(self, call: Call) -> None:
        await self.trouble.strike()
        self.journal.append(f"write {call.state}")
        self.written.append(call)

    async def close_attempt(self, call: Call) -> NextStep | None:
        await self.trouble.strike()
        if self.closing_fails:
            raise StoreUnavailable
        if call.id in self.closed_before:
            return None
        self.journal.append(f"close {call.outcome}")
        self.closed.append(call)
        self.open = [row for row in self.open if row.call.id != call.id]
        return NextStep(event=LeadEvent.MISSED)

    async def take_over(self, node: str, *, silent_for: timedelta) -> int:
        await self.trouble.strike()
        taken = [row for row in self.open if row.node in self.silent_nodes]
        self.open = [replace(row, node=node) if row in taken else row for row in self.open]
        return len(taken)

    async def open_calls(self) -> Sequence[OpenCall]:
        await self.trouble.strike()
        return list(self.open)


def on_dnc_list(lead_id: int) -> PassedOver:
    return PassedOver(lead_id=lead_id, refusal=Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST))


def out_of_attempts(lead_id: int) -> PassedOver:
    return PassedOver(lead_id=lead_id, refusal=Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED))


def states(calls: Sequence[Call]) -> list[AttemptState]:
    return [call.state for call in calls]
