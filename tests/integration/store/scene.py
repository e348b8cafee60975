"""What a store test begins with: all stores over one database, and campaigns that are being dialed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any

from dialerd.compliance import profiles
from dialerd.domain.attempts import Claim, Lease
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import Campaign, CampaignAction
from dialerd.domain.leads import NewLead
from dialerd.domain.outcomes import Outcome
from dialerd.domain.schedule import LeadWindow, ScheduleRow, Weekday
from dialerd.store.accounts import AccountStore
from dialerd.store.activity import ActivityStore
from dialerd.store.attempts import AttemptStore
from dialerd.store.caller_ids import CallerIdStore
from dialerd.store.callers import CallerStore
from dialerd.store.campaigns import CampaignStore
from dialerd.store.dispositions import DispositionStore
from dialerd.store.dnc import DncStore
from dialerd.store.leads import LeadStore
from dialerd.store.menus import MenuStore
from dialerd.store.nodes import NodeStore
from dialerd.store.offers import OfferStore
from dialerd.store.pbx import PbxStore
from dialerd.store.pool import Pool
from dialerd.store.recordings import RecordingStore
from dialerd.store.sounds import SoundStore
from tests.factories import a_new_lead, settings
from tests.numbers import numbers

LEASE = timedelta(seconds=30)


class Stores:
    """Everything that the database offers, and the steps that many tests begin with."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.accounts = AccountStore(pool)
        self.activity = ActivityStore(pool)
        self.attempts = AttemptStore(pool, profiles())
        self.caller_ids = CallerIdStore(pool)
        self.callers = CallerStore(pool)
        self.campaigns = CampaignStore(pool, profiles())
        self.dispositions = DispositionStore(pool)
        self.dnc = DncStore(pool)
        self.leads = LeadStore(pool)
        self.menus = MenuStore(pool)
        self.nodes = NodeStore(pool)
        self.offers = OfferStore(pool, profiles())
        self.pbx = PbxStore(pool)
        self.recordings = RecordingStore(pool)
        self.sounds = SoundStore(pool)

    async def a_draft(
        self, leads: int = 0, caller_ids: Sequence[CallerId] = (), *, account: str = "default", **changes: Any
    ) -> Campaign:
        wanted = settings(**{"caller_id_enabled": bool(caller_ids), **changes})
        campaign = await self.campaigns.create(wanted, caller_ids, account)
        if leads:
            await self.leads.add(campaign.id, some_leads(leads))
        return campaign

    async def a_dialed_campaign(
        self, leads: int = 1, caller_ids: Sequence[CallerId] = (), *, node: str = "one", **changes: Any
    ) -> "Dialed":
        return await self.dialing(await self.a_draft(leads, caller_ids, **changes), node=node)

    async def dialing(self, draft: Campaign, *, node: str = "one") -> "Dialed":
        """The campaign, started; the node keeps what it dials already."""
        if node not in [known.id for known in await self.nodes.list()]:
            await self.nodes.register(node, "0")
        campaign = await self.campaigns.act(draft.id, CampaignAction.START)
        lease = await self.campaigns.take_lease(campaign.id, node=node, duration=LEASE)
        assert lease is not None
        return Dialed(stores=self, campaign=campaign, lease=lease)


@dataclass(frozen=True, kw_only=True)
class Dialed:
    """A running campaign with the right to dial it."""

    stores: Stores
    campaign: Campaign
    lease: Lease

    async def open(self) -> Call:
        """The next attempt, which there must be."""
        claim = await self.claim()
        assert claim.opened, claim
        return claim.opened[0].call

    async def open_an_hour_ago(self) -> Call:
        """The next attempt, as if it had been opened then: it may have ended at any moment since."""
        call = await self.open()
        then = "UPDATE attempts SET opened_at = opened_at - interval '1 hour' WHERE id = $1 RETURNING opened_at"
        return replace(call, opened_at=await self.stores.pool.fetchval(then, call.id))

    async def open_all(self, **how: Any) -> list[Call]:
        """Every attempt that can be opened, in the order in which they are."""
        calls = []
        while opened := (await self.claim(**how)).opened:
            calls += [one.call for one in opened]
        return calls

    async def claim(self, **how: Any) -> Claim:
        return await self.stores.attempts.open_next(self.campaign, self.lease, **how)

    async def dial(self, outcome: Outcome, **how: Any) -> Call:
        """The next attempt, opened and ended."""
        call = ended(await self.open(), outcome, **how)
        await self.stores.attempts.close_attempt(call)
        return call


async def somebody_waits(stores: Stores, many: int = 1) -> None:
    """So many for a lock."""
    async with asyncio.timeout(20):
        while await stores.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < many:
            pass


def some_leads(count: int, **changes: Any) -> list[NewLead]:
    return [a_new_lead(number=number, **changes) for number in islice(numbers(range(100)), count)]


def closed_now() -> tuple[ScheduleRow, ...]:
    """A schedule in UTC that opens in three days."""
    weekday = list(Weekday)[(datetime.now(UTC).weekday() + 3) % 7]
    return (ScheduleRow(start=time(9), end=time(17), weekdays=(weekday,)),)


def window_closed_now() -> LeadWindow:
    """By clocks in UTC; it opens in six hours, or a little less."""
    hour = datetime.now(UTC).hour
    return LeadWindow(start=time((hour + 6) % 24), end=time((hour + 7) % 24))


_ANSWERED = (
    Outcome.CONNECTED,
    Outcome.ABANDONED,
    Outcome.HUNG_UP,
    Outcome.VOICEMAIL,
    Outcome.MENU_CHOICE,
    Outcome.MENU_LEFT,
    Outcome.OPTED_OUT,
)


def ended(call: Call, outcome: Outcome, **how: Any) -> Call:
    """The call after its end, now."""
    now = datetime.now(UTC)
    facts: dict[str, Any] = {"ended_at": now, **how}
    if outcome in _ANSWERED:
        facts.setdefault("answered_at", now)
    if outcome is Outcome.CONNECTED:
        facts.setdefault("connected_at", now)
    return replace(call, state=AttemptState.ENDED, outcome=outcome, **facts)
