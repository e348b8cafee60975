"""The store's ports in memory: campaigns with leases, attempts that are opened and closed, cards, recordings and sounds."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from dialerd.domain.abandonment import Abandonment, Ledger
from dialerd.domain.attempts import (
    Claim,
    KeptCall,
    Lease,
    LostAttempt,
    OpenCall,
    OpenedAttempt,
    PassedOver,
    PutBack,
    Underway,
    WaitingLeads,
)
from dialerd.domain.calls import AttemptState, Call, CallFlow, KeptAgent
from dialerd.domain.campaigns import Campaign, CampaignStatus, Target
from dialerd.domain.eligibility import Refused, Rule, Verdict
from dialerd.domain.leads import LeadEvent
from dialerd.domain.nodes import Neighbour
from dialerd.domain.offers import OFFER_TRANSITIONS, Offer, OfferClaim, OfferEvent, OfferState
from dialerd.domain.pacing import HoldReason
from dialerd.domain.pacing import Verdict as HoldVerdict
from dialerd.domain.recordings import Recording, RecordingFile
from dialerd.domain.retry import NextStep
from dialerd.domain.transitions import advance
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
    epoch: int = 1
    given_back: list[int] = field(default_factory=list)
    notes: list[HoldNote] = field(default_factory=list)
    undialed: set[int] = field(default_factory=set)
    """Campaigns that may not be completed: something of theirs can still be dialed."""
    abandoned: dict[int, Abandonment] = field(default_factory=dict)
    """Of each campaign. One that is missing has no cap, and nobody has been abandoned."""
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
            self.epoch += 1
            return None
        self.leased.append((campaign_id, node))
        return Lease(campaign_id=campaign_id, node=node, epoch=self.epoch)

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

    async def abandonment(self, campaign: Campaign) -> Abandonment:
        await self.trouble.strike()
        return self.abandoned.get(campaign.id, Abandonment(ledger=Ledger(), cap=None))

    async def complete_campaign(self, lease: Lease) -> bool:
        await self.trouble.strike()
        if lease.campaign_id in self.undialed:
            return False
        self.put(replace(self.rows[lease.campaign_id], status=CampaignStatus.COMPLETED))
        return True


@dataclass
class FakeNodes:
    """Fulfils the port Nodes."""

    beats: int = 0
    pbx: dict[str, str] = field(default_factory=dict)
    others: list[Neighbour] = field(default_factory=list)
    """As the database would tell of them."""
    draining: set[str] = field(default_factory=set)
    trouble: Trouble = field(default_factory=Trouble)

    async def heartbeat(self, node: str, *, asterisk_up: bool) -> None:
        await self.trouble.strike()
        self.beats += 1

    async def note_pbx(self, node: str, pbx: str) -> None:
        await self.trouble.strike()
        self.pbx[node] = pbx

    async def neighbours(self, node: str) -> Sequence[Neighbour]:
        await self.trouble.strike()
        return list(self.others)

    async def is_draining(self, node: str) -> bool:
        await self.trouble.strike()
        return node in self.draining


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
    kept: list[KeptAgent] = field(default_factory=list)
    """Agents who stayed on the line for a next lead, whether there was one or not."""
    forbids_to_begin: set[UUID] = field(default_factory=set)
    """Calls whose lead may not be dialed any more by the time an agent is on the line."""
    begun: list[UUID] = field(default_factory=list)
    opted_out: dict[UUID, datetime] = field(default_factory=dict)
    not_ours: set[UUID] = field(default_factory=set)
    """Attempts that the store does not know."""
    opened: list[Call] = field(default_factory=list)
    written: list[Call] = field(default_factory=list)
    closed: list[Call] = field(default_factory=list)
    closed_before: set[UUID] = field(default_factory=set)
    open: list[OpenCall] = field(default_factory=list)
    underway_before: dict[int, Underway] = field(default_factory=dict)
    """What other nodes have dialed of each campaign."""
    promised_elsewhere: int = 0
    """Agents whom other nodes on the same Asterisk have promised."""
    silent_nodes: set[str] = field(default_factory=set)
    """Daemons that have not been heard of for long enough."""
    breaks_with: list[Exception] = field(default_factory=list)
    """What `open_next` and `open_offered` raise, once each."""
    closing_fails: bool = False
    lost: dict[UUID, PutBack] = field(default_factory=dict)
    """What becomes of attempts that the database does not know; it knows all others."""
    trouble: Trouble = field(default_factory=Trouble)

    def add_leads(self, campaign_id: int, *leads: int | PassedOver) -> None:
        self.due.setdefault(campaign_id, deque()).extend(leads)

    async def open_next(
        self,
        campaign: Campaign,
        lease: Lease,
        *,
        look_at: int = 1,
        most: int = 1,
        retries_first: bool = False,
        kept: KeptAgent | None = None,
        agents: int | None = None,
        trunk: str = "",
    ) -> Claim:
        await self._strike_or_break()
        self.looks.append((look_at, retries_first))
        if kept is not None:
            self.kept.append(kept)
        if self.forbidden is not None:
            return Claim(forbidden=self.forbidden)
        if agents is not None and self.promised_elsewhere >= agents:
            return Claim(crowded=True)
        line, passed = self.due.get(campaign.id, deque()), list[PassedOver]()
        while line and len(passed) < look_at:
            lead = line.popleft()
            if isinstance(lead, PassedOver):
                passed.append(lead)
            else:
                return Claim(opened=(self._open(campaign, lease, lead, kept=kept, trunk=trunk),), passed=tuple(passed))
        return Claim(passed=tuple(passed))

    async def open_offered(self, campaign: Campaign, lease: Lease, offer: Offer, *, trunk: str = "") -> Claim:
        await self._strike_or_break()
        if self.forbidden is not None:
            return Claim(forbidden=self.forbidden)
        opened = self._open(campaign, lease, offer.lead_id, trunk=trunk, wanted_agent=offer.agent)
        return Claim(opened=(opened,))

    async def begin_dialing(self, call: Call) -> bool:
        await self.trouble.strike()
        if call.id in self.forbids_to_begin or call.id in self.closed_before:
            return False
        self.journal.append("begin dialing")
        self.begun.append(call.id)
        return True

    async def opt_out(self, attempt: UUID, at: datetime) -> bool:
        await self.trouble.strike()
        if attempt in self.opted_out or attempt in self.not_ours:
            return False
        self.opted_out[attempt] = at
        return True

    async def _strike_or_break(self) -> None:
        await self.trouble.strike()
        if self.breaks_with:
            raise self.breaks_with.pop()

    def _open(
        self,
        campaign: Campaign,
        lease: Lease,
        lead: int,
        *,
        trunk: str,
        kept: KeptAgent | None = None,
        wanted_agent: str | None = None,
    ) -> OpenedAttempt:
        settings = campaign.settings
        call = a_call(
            id=uuid5(ATTEMPT, f"{campaign.id}/{lead}"),
            campaign_id=campaign.id,
            lead_id=lead,
            queue=settings.queue,
            dial_mode=settings.dial_mode,
            flow=settings.flow,
            state=AttemptState.PREPARING if settings.flow is CallFlow.AGENT_FIRST else AttemptState.DIALING,
            wanted_agent=wanted_agent or (settings.target_agent if settings.target is Target.AGENT else None),
            kept_leg=kept.leg if kept else None,
            agent=kept.agent if kept else None,
            trunk=trunk,
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

    async def due_leads(self, campaign_id: int, *, most: int) -> int:
        await self.trouble.strike()
        return min(most, len(self.due.get(campaign_id, ())))

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

    async def underway(self, campaign_id: int) -> Underway:
        await self.trouble.strike()
        return self.underway_before.get(campaign_id, Underway())

    async def take_over(
        self, node: str, *, gone: Collection[str], silent_for: timedelta, give_up_after: timedelta
    ) -> int:
        await self.trouble.strike()
        taken = [row for row in self.open if row.node in self.silent_nodes | set(gone)]
        self.open = [replace(row, node=node) if row in taken else row for row in self.open]
        return len(taken)

    async def put_back(self, lost: LostAttempt, node: str) -> PutBack:
        await self.trouble.strike()
        became = self.lost.pop(lost.id, PutBack.KNOWN)
        if became is PutBack.PUT_BACK:
            self.journal.append("put back")
            row = a_call(id=lost.id, lead_id=lost.lead_id, flow=lost.flow, state=lost.state)
            self.open.append(OpenCall(call=row, node=node))
        return became

    async def open_calls(self) -> Sequence[OpenCall]:
        await self.trouble.strike()
        return list(self.open)


@dataclass
class FakeSpool:
    """Fulfils the port Spool."""

    kept_calls: dict[UUID, KeptCall] = field(default_factory=dict)
    writes: int = 0

    @property
    def kept(self) -> Sequence[KeptCall]:
        return list(self.kept_calls.values())

    async def keep(self, kept: KeptCall) -> None:
        self.writes += 1
        self.kept_calls[kept.id] = kept

    async def forget(self, attempt: UUID) -> None:
        self.kept_calls.pop(attempt, None)


@dataclass
class FakeOffers:
    """Fulfils the port Offers. A test answers for the agents: `answer`."""

    journal: list[str] = field(default_factory=list)
    due: dict[int, deque[int | PassedOver]] = field(default_factory=dict)
    """For each campaign the leads in line, as those of FakeAttempts."""
    rows: dict[int, Offer] = field(default_factory=dict)
    forbidden: Verdict | None = None
    asked_of: list[Sequence[str]] = field(default_factory=list)
    """The agents whom each card was to be laid before one of."""
    now: Callable[[], datetime] = lambda: NOON
    lasts: timedelta = timedelta(seconds=30)
    trouble: Trouble = field(default_factory=Trouble)
    _nodes: dict[int, str] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)

    def add_leads(self, campaign_id: int, *leads: int | PassedOver) -> None:
        self.due.setdefault(campaign_id, deque()).extend(leads)

    def answer(self, agent: str, event: OfferEvent) -> Offer:
        """What the agent does with the card that lies before him; or LAPSE: his time for it is over."""
        offer = next(row for row in self._open_ones() if row.agent == agent)
        self.rows[offer.id] = replace(offer, state=advance(OFFER_TRANSITIONS, offer.state, event))
        return self.rows[offer.id]

    async def offer_next(
        self, campaign: Campaign, lease: Lease, *, agents: Sequence[str], look_at: int = 1, retries_first: bool = False
    ) -> OfferClaim:
        await self.trouble.strike()
        if self.forbidden is not None:
            return OfferClaim(forbidden=self.forbidden)
        line, passed = self.due.get(campaign.id, deque()), list[PassedOver]()
        agent = self._free_one(agents)
        while line and agent is not None and len(passed) < look_at:
            lead = line.popleft()
            if isinstance(lead, PassedOver):
                passed.append(lead)
                continue
            offer = self._lay(agent, lease.node, campaign.id, lead, campaign.settings.queue)
            return OfferClaim(offer=offer, passed=tuple(passed))
        return OfferClaim(passed=tuple(passed))

    async def offer_call(self, call: Call, offer: int, *, node: str, agents: Sequence[str]) -> Offer | None:
        await self.trouble.strike()
        agent = self._free_one(agents)
        if agent is None:
            return None
        return self._lay(agent, node, call.campaign_id, call.lead_id, call.queue, attempt_id=call.id, ordinal=offer)

    async def withdraw(self, attempt: UUID, offer: int) -> None:
        await self.trouble.strike()
        self.journal.append(f"withdraw {offer}")
        for row in self._open_ones():
            if row.attempt_id == attempt and row.ordinal == offer:
                self.rows[row.id] = replace(row, state=OfferState.WITHDRAWN)
                self._told.add(row.id)

    async def news(self, node: str) -> Sequence[Offer]:
        await self.trouble.strike()
        for row in self._open_ones():
            if row.expires_at <= self.now():
                self.rows[row.id] = replace(row, state=OfferState.LAPSED)
        told = [
            row
            for row in self.rows.values()
            if row.state is not OfferState.OPEN and row.id not in self._told and self._nodes[row.id] == node
        ]
        self._told.update(row.id for row in told)
        return told

    async def open_offers(self, node: str) -> Sequence[Offer]:
        await self.trouble.strike()
        return [row for row in self._open_ones() if self._nodes[row.id] == node]

    def _open_ones(self) -> list[Offer]:
        return [row for row in self.rows.values() if row.state is OfferState.OPEN]

    def _free_one(self, agents: Sequence[str]) -> str | None:
        self.asked_of.append(list(agents))
        busy = {row.agent for row in self._open_ones()}
        return next((agent for agent in agents if agent not in busy), None)

    def _lay(
        self,
        agent: str,
        node: str,
        campaign_id: int,
        lead_id: int,
        queue: str,
        *,
        attempt_id: UUID | None = None,
        ordinal: int = 1,
    ) -> Offer:
        offer = Offer(
            id=len(self.rows) + 1,
            campaign_id=campaign_id,
            lead_id=lead_id,
            attempt_id=attempt_id,
            ordinal=ordinal,
            agent=agent,
            queue=queue,
            state=OfferState.OPEN,
            expires_at=self.now() + self.lasts,
        )
        self.rows[offer.id] = offer
        self._nodes[offer.id] = node
        self.journal.append(f"offer {offer.ordinal} to {agent}")
        return offer


@dataclass
class FakeRecordings:
    """Fulfils the port Recordings."""

    pending: list[Recording] = field(default_factory=list)
    overdue: list[Recording] = field(default_factory=list)
    """Stored ones whose time is over."""
    stored: dict[UUID, tuple[RecordingFile, timedelta | None]] = field(default_factory=dict)
    missing: set[UUID] = field(default_factory=set)
    """For good."""
    deleted: list[UUID] = field(default_factory=list)
    trouble: Trouble = field(default_factory=Trouble)

    async def to_look_at(self, node: str, *, settled_for: timedelta, most: int) -> Sequence[Recording]:
        await self.trouble.strike()
        return self.pending[:most]

    async def note_stored(self, recording: Recording, found: RecordingFile, *, keep_for: timedelta | None) -> None:
        await self.trouble.strike()
        self.pending.remove(recording)
        self.stored[recording.attempt_id] = (found, keep_for)

    async def note_missing(self, recording: Recording, *, for_good: bool) -> None:
        await self.trouble.strike()
        self.pending.remove(recording)
        if for_good:
            self.missing.add(recording.attempt_id)
        else:
            self.pending.append(recording)

    async def to_delete(self, node: str, *, most: int) -> Sequence[Recording]:
        await self.trouble.strike()
        return self.overdue[:most]

    async def note_deleted(self, recording: Recording) -> None:
        await self.trouble.strike()
        self.overdue.remove(recording)
        self.deleted.append(recording.attempt_id)


@dataclass
class FakeSounds:
    """Fulfils the port Sounds."""

    names: list[str] = field(default_factory=list)
    present: dict[str, bool] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)

    async def named(self) -> Sequence[str]:
        await self.trouble.strike()
        return list(self.names)

    async def note(self, present: Mapping[str, bool]) -> None:
        await self.trouble.strike()
        self.present.update(present)


def on_dnc_list(lead_id: int) -> PassedOver:
    return PassedOver(lead_id=lead_id, refusal=Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST))


def out_of_attempts(lead_id: int) -> PassedOver:
    return PassedOver(lead_id=lead_id, refusal=Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED))


def states(calls: Sequence[Call]) -> list[AttemptState]:
    return [call.state for call in calls]
