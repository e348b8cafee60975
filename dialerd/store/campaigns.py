"""Campaigns: their settings, their status, and which daemon may dial them."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from dialerd.domain.attempts import Lease
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    Campaign,
    CampaignAction,
    CampaignSettings,
    CampaignStatus,
    problems,
)
from dialerd.domain.leads import LeadState
from dialerd.domain.pacing import HoldReason
from dialerd.domain.transitions import advance
from dialerd.errors import InvalidCampaign, NotFound, StartRefused
from dialerd.store.activity import Line, write_line
from dialerd.store.caller_ids import fill_pool, pool_problems
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("campaigns")


@dataclass(frozen=True, kw_only=True)
class CampaignOverview:
    """A campaign as people see it."""

    campaign: Campaign
    account: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    held_by: str | None
    """The rule that keeps it from dialing just now (a word of HoldReason); None while it dials, or is not run."""
    hold_sentence: str | None
    hold_until: datetime | None
    owner: str | None
    """The node that dials it."""
    leads: Mapping[LeadState, int]
    """How many leads are in each state, zeros included."""
    open_attempts: int


class CampaignStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- for people ---------------------------------------------------------------------------------------------------

    @store_call
    async def create(
        self, settings: CampaignSettings, caller_ids: Sequence[CallerId] = (), account: str = "default"
    ) -> Campaign:
        """A draft. Raises InvalidCampaign with everything that is wrong, NotFound for the account."""
        _raise_for(problems(settings) + pool_problems(caller_ids))
        async with transaction(self._pool) as connection:
            owner = await queries_of("accounts").get_account(connection, name=account)
            if owner is None:
                raise NotFound("account", account)
            with _NameIsFree(settings.name):
                row = await _sql.create_campaign(connection, account_id=owner["id"], **asdict(settings))
            await fill_pool(connection, row["id"], caller_ids, {})
            await write_line(connection, row["id"], Line.CREATED, {"name": settings.name})
            return campaign_of(row)

    @store_call
    async def find(self, name: str, account: str = "default") -> Campaign:
        """Raises NotFound."""
        row = await _sql.find_campaign(self._pool, name=name, account=account)
        return campaign_of(_found(row, name))

    @store_call
    async def list(self) -> Sequence[CampaignOverview]:
        return [_overview(row) async for row in _sql.campaign_overviews(self._pool, campaign_id=None)]

    @store_call
    async def overview(self, campaign_id: int) -> CampaignOverview:
        """Raises NotFound."""
        rows = [row async for row in _sql.campaign_overviews(self._pool, campaign_id=campaign_id)]
        return _overview(_found(rows[0] if rows else None, campaign_id))

    @store_call
    async def edit(self, campaign_id: int, changes: Mapping[str, Any]) -> Campaign:
        """Change any of the settings, also while the campaign runs. Raises InvalidCampaign, NotFound."""
        async with transaction(self._pool) as connection:
            row = await _sql.lock_campaign_for_edit(connection, campaign_id=campaign_id)
            campaign = campaign_of(_found(row, campaign_id))
            settings = _changed(campaign.settings, changes)
            with _NameIsFree(settings.name):
                await _sql.edit_campaign(connection, campaign_id=campaign_id, **asdict(settings))
            await write_line(connection, campaign_id, Line.EDITED, _difference(campaign.settings, settings))
            return replace(campaign, settings=settings)

    @store_call
    async def act(self, campaign_id: int, action: CampaignAction) -> Campaign:
        """Move the campaign on. When this returns from a pause or a stop, no attempt is opened any more.

        Raises IllegalTransition, NotFound, and StartRefused with every reason there is.
        """
        async with transaction(self._pool) as connection:
            row = await _sql.lock_campaign(connection, campaign_id=campaign_id)
            campaign = campaign_of(_found(row, campaign_id))
            status = advance(CAMPAIGN_TRANSITIONS, campaign.status, action)
            if action is CampaignAction.START:
                await _raise_unless_startable(connection, campaign)
            return await _move(connection, campaign, status)

    # --- for the daemon (dialer/ports.py) -----------------------------------------------------------------------------

    @store_call
    async def dialable_campaigns(self) -> Sequence[Campaign]:
        return [campaign_of(row) async for row in _sql.dialable_campaigns(self._pool)]

    @store_call
    async def get_campaign(self, campaign_id: int) -> Campaign:
        """Raises NotFound."""
        row = await _sql.get_campaign(self._pool, campaign_id=campaign_id)
        return campaign_of(_found(row, campaign_id))

    @store_call
    async def take_lease(self, campaign_id: int, *, node: str, duration: timedelta) -> Lease | None:
        """The node has to be registered (NodeStore.register)."""
        for take in (_sql.renew_lease, _sql.take_lease):
            epoch = await take(self._pool, campaign_id=campaign_id, node=node, duration=duration)
            if epoch is not None:
                return Lease(campaign_id=campaign_id, node=node, epoch=epoch)
        return None

    @store_call
    async def give_lease_back(self, lease: Lease) -> None:
        await _sql.give_lease_back(self._pool, **asdict(lease))

    @store_call
    async def note_hold(
        self, lease: Lease, reason: HoldReason | None, sentence: str | None, until: datetime | None
    ) -> None:
        words = sentence if sentence is not None or reason is None else str(reason)
        await _sql.note_hold(
            self._pool, **asdict(lease), held_by=reason, sentence=words if reason else None, until=until
        )

    @store_call
    async def complete_campaign(self, lease: Lease) -> bool:
        async with transaction(self._pool) as connection:
            row = await _sql.lock_leased_campaign(connection, **asdict(lease))
            if row is None or await _sql.has_work_left(connection, campaign_id=lease.campaign_id):
                return False
            campaign = campaign_of(row)
            await _move(connection, campaign, advance(CAMPAIGN_TRANSITIONS, campaign.status, CampaignAction.COMPLETE))
            return True


def campaign_of(row: asyncpg.Record) -> Campaign:
    """From a row that has all columns of `campaigns`."""
    return Campaign(
        id=row["id"], account_id=row["account_id"], status=CampaignStatus(row["status"]), settings=settings_of(row)
    )


def settings_of(row: asyncpg.Record) -> CampaignSettings:
    return CampaignSettings(
        name=row["name"],
        queue=row["queue"],
        note=row["note"],
        dial_mode=DialMode(row["dial_mode"]),
        calls_per_second=float(row["calls_per_second"]),
        concurrency=row["concurrency"],
        max_attempts=row["max_attempts"],
        cooloff_s=row["cooloff_s"],
        cooloff_2nd_s=row["cooloff_2nd_s"],
        cooloff_3rd_s=row["cooloff_3rd_s"],
        ring_timeout_s=row["ring_timeout_s"],
        customer_wait_sla_s=row["customer_wait_sla_s"],
        agent_dial_timeout_s=row["agent_dial_timeout_s"],
        wrapup_s=row["wrapup_s"],
    )


def _overview(row: asyncpg.Record) -> CampaignOverview:
    counted = row["leads_by_state"] or {}
    return CampaignOverview(
        campaign=campaign_of(row),
        account=row["account"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        held_by=row["held_by"],
        hold_sentence=row["hold_reason"],
        hold_until=row["hold_until"],
        owner=row["owner"],
        leads={state: counted.get(state, 0) for state in LeadState},
        open_attempts=row["open_attempts"],
    )


async def _raise_unless_startable(connection: Connection, campaign: Campaign) -> None:
    facts = await _sql.lead_facts(connection, campaign_id=campaign.id)
    reasons = problems(campaign.settings)
    if not facts["any"]:
        reasons.append("leads: the campaign has none yet, upload some")
    elif not facts["unfinished"]:
        reasons.append("leads: all are done, upload more or reset some")
    if reasons:
        raise StartRefused(reasons)


async def _move(connection: Connection, campaign: Campaign, status: CampaignStatus) -> Campaign:
    row = await _sql.move_campaign(connection, campaign_id=campaign.id, status=status)
    await write_line(connection, campaign.id, Line.STATUS, {"from": campaign.status, "to": status})
    return campaign_of(row)


def _changed(settings: CampaignSettings, changes: Mapping[str, Any]) -> CampaignSettings:
    known = {field.name for field in fields(CampaignSettings)}
    _raise_for([f"{name}: there is no such setting" for name in changes if name not in known])
    changed = replace(settings, **changes)
    _raise_for(problems(changed))
    return changed


def _difference(before: CampaignSettings, after: CampaignSettings) -> dict[str, builtins.list[object]]:
    """What an edit changed: the old and the new value of each setting."""
    old, new = asdict(before), asdict(after)
    return {name: [old[name], new[name]] for name in old if old[name] != new[name]}


def _raise_for(found: Sequence[str]) -> None:
    if found:
        raise InvalidCampaign(found)


def _found(row: asyncpg.Record | None, which: object) -> asyncpg.Record:
    if row is None:
        raise NotFound("campaign", which)
    return row


class _NameIsFree:
    """Turns the database's refusal of a second campaign of one name into a sentence."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, asyncpg.UniqueViolationError):
            raise InvalidCampaign([f"name: another campaign is called {self._name}"]) from error
