"""Campaigns: their settings, their status, and which daemon may dial them."""

import builtins
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from dialerd.domain.abandonment import Abandonment, Ledger, period_around, period_of
from dialerd.domain.attempts import Lease, WaitingLeads
from dialerd.domain.caller_id import CallerId, CallerIdType, PoolEntry
from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    RULES,
    Campaign,
    CampaignAction,
    CampaignSettings,
    CampaignStatus,
    Target,
    problems,
    shown_status,
)
from dialerd.domain.compliance import Profile, contradictions
from dialerd.domain.leads import LeadState
from dialerd.domain.menus import problems_of_menu
from dialerd.domain.nodes import SILENT_AFTER, Daemons
from dialerd.domain.pacing import HoldReason, Verdict
from dialerd.domain.transitions import advance
from dialerd.errors import CampaignKept, ChangedMeanwhile, IllegalTransition, InvalidCampaign, NotFound, StartRefused
from dialerd.store.accounts import rules_of
from dialerd.store.activity import Line, write_line
from dialerd.store.caller_ids import fill_pool, pool_problems
from dialerd.store.menus import share_menu
from dialerd.store.pool import Connection, Pool, store_call, transaction
from dialerd.store.queries import queries_of
from dialerd.store.sounds import missing_sounds

_sql = queries_of("campaigns")
_SETTINGS = TypeAdapter(CampaignSettings)
_DAEMONS = TypeAdapter(Daemons)
_NAMES = [field.name for field in fields(CampaignSettings)]
_LEDGER = [field.name for field in fields(Ledger)]

DELETABLE = frozenset({CampaignStatus.DRAFT, CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})
DELETE_BATCH = 10_000


@dataclass(frozen=True, kw_only=True)
class CampaignOverview:
    """A campaign as people see it."""

    campaign: Campaign
    account: str
    shown_status: CampaignStatus
    """Its status; of a running one that is outside its schedule: scheduled."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    held_by: str | None
    """The rule that keeps it from dialing just now (a word of HoldReason); None while it dials, or is not run."""
    hold_sentence: str | None
    hold_until: datetime | None
    verdicts: Sequence[Mapping[str, Any]]
    """Every rule of the pacing, in order, as the daemon saw it when it noted the hold."""
    owner: str | None
    """The node that dials it."""
    daemons: Daemons
    """Who could, where nobody does."""
    leads: Mapping[LeadState, int]
    """How many leads are in each state, zeros included."""
    held_leads: Sequence[WaitingLeads]
    """How many leads each rule holds back or has ended."""
    open_attempts: int


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Of an account."""

    campaigns: Mapping[CampaignStatus, int]
    in_flight: int
    """Calls that have not ended."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What stands in the way of settings, each a sentence that says what to do; empty: nothing does."""

    problems: Sequence[str]
    """Of storing them."""
    start_problems: Sequence[str]
    """Of starting the campaign with them, as things are just now."""


@dataclass(frozen=True, kw_only=True)
class _Period:
    """The present one of a campaign; the ledger is to be filled in."""

    campaign_id: int
    began: datetime
    abandonment: Abandonment


class CampaignStore:
    """`profiles` are the compliance profiles that a campaign may name; leases are renewed through `vital`, if it is given."""

    def __init__(self, pool: Pool, profiles: Mapping[str, Profile], *, vital: "Pool | None" = None) -> None:
        self._pool = pool
        self._vital = vital or pool
        self._profiles = profiles

    # --- for people ---------------------------------------------------------------------------------------------------

    @store_call
    async def create(
        self, settings: CampaignSettings, caller_ids: Sequence[CallerId | PoolEntry] = (), account: str = "default"
    ) -> Campaign:
        """A draft. Raises InvalidCampaign with everything that is wrong, NotFound for the account."""
        async with transaction(self._pool) as connection:
            row = await queries_of("accounts").get_account(connection, name=account)
            if row is None:
                raise NotFound("account", account)
            rules = rules_of(row)
            _raise_for(problems(settings, rules.limits) + pool_problems(caller_ids, rules.limits.max_pool))
            with _NameIsFree(settings.name):
                campaign_id = await _sql.create_campaign(connection, account_id=row["id"], **_columns(settings))
            await fill_pool(connection, campaign_id, caller_ids, {})
            await write_line(connection, campaign_id, Line.CREATED, {"name": settings.name})
            return await _get(connection, campaign_id)

    @store_call
    async def find(self, name: str, account: str = "default") -> Campaign:
        """Raises NotFound."""
        row = await _sql.find_campaign(self._pool, name=name, account=account)
        return campaign_of(_found(row, name))

    @store_call
    async def list(self) -> Sequence[CampaignOverview]:
        return [_overview(row) async for row in _all_overviews(self._pool, None)]

    @store_call
    async def page(
        self, account_id: int, *, statuses: Collection[CampaignStatus] = (), text: str = "", after: int = 0, limit: int
    ) -> Sequence[CampaignOverview]:
        """Those of the account that come after the id `after`, by id: of these statuses (empty: of all), and with the text in their
        name, note or queue. How many leads each rule holds is not counted: `held_leads` is empty."""
        which = _sql.page_of_campaigns(
            self._pool,
            account_id=account_id,
            statuses=[*(statuses or CampaignStatus)],
            text=text,
            after=after,
            page=limit,
        )
        ids = [row["id"] async for row in which]
        return [_overview(row) async for row in _all_overviews(self._pool, ids, with_held=False)]

    @store_call
    async def totals(self, account_id: int) -> Totals:
        counted = {row["status"]: row async for row in _sql.totals(self._pool, account_id=account_id)}
        return Totals(
            campaigns={status: counted[status]["campaigns"] if status in counted else 0 for status in CampaignStatus},
            in_flight=sum(row["in_flight"] for row in counted.values()),
        )

    @store_call
    async def overview(self, campaign_id: int) -> CampaignOverview:
        """Raises NotFound."""
        rows = [row async for row in _all_overviews(self._pool, [campaign_id])]
        return _overview(_found(rows[0] if rows else None, campaign_id))

    @store_call
    async def edit(
        self, campaign_id: int, changes: Mapping[str, Any], *, versions: Collection[str] | None = None
    ) -> Campaign:
        """Change any of the settings, also while the campaign runs: the next call obeys. `versions` are those that may be changed
        (version_of): None: whatever is there.

        Raises InvalidCampaign, NotFound, ChangedMeanwhile.
        """
        async with transaction(self._pool) as connection:
            row = await _sql.lock_campaign_for_edit(connection, campaign_id=campaign_id)
            campaign = campaign_of(_found(row, campaign_id))
            if versions is not None and version_of(campaign.settings) not in versions:
                raise ChangedMeanwhile
            changed = replace(campaign, settings=_changed(campaign.settings, changes))
            _raise_for(problems(changed.settings, changed.account.limits))
            if changed.status is CampaignStatus.RUNNING:
                _raise_for(self._contradictions(changed) + await _menu_problems(connection, changed))
            difference = _difference(campaign.settings, changed.settings)
            judge_anew = not RULES.isdisjoint(difference)
            with _NameIsFree(changed.settings.name):
                await _sql.edit_campaign(
                    connection, campaign_id=campaign_id, judge_anew=judge_anew, **_columns(changed.settings)
                )
            await write_line(connection, campaign_id, Line.EDITED, difference)
            return replace(changed, judge_anew=campaign.judge_anew or judge_anew)

    @store_call
    async def act(self, campaign_id: int, action: CampaignAction, *, starts_at: datetime | None = None) -> Campaign:
        """Move the campaign on. When this returns from a pause or a stop, no attempt is opened any more.

        `starts_at` goes with SCHEDULE. Raises IllegalTransition, NotFound, and StartRefused with every reason there is.
        """
        async with transaction(self._pool) as connection:
            row = await _sql.lock_campaign(connection, campaign_id=campaign_id)
            campaign = campaign_of(_found(row, campaign_id))
            status = advance(CAMPAIGN_TRANSITIONS, campaign.status, action)
            if status is CampaignStatus.SCHEDULED and starts_at is None:
                raise InvalidCampaign(["start: say at what time the campaign is to start by itself"])
            if status in (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED):
                await self._raise_unless_startable(connection, campaign)
            return await _move(connection, campaign, status, starts_at)

    @store_call
    async def clone(self, campaign_id: int, name: str) -> Campaign:
        """A draft with the settings, the numbers and the CRM source of the other; its leads, and what came of them, stay there.
        Raises InvalidCampaign, NotFound."""
        async with transaction(self._pool) as connection:
            original = await _get(connection, campaign_id)
            settings = replace(original.settings, name=name)
            numbers = [_pool_entry(row) async for row in _sql.pool_of_campaign(connection, campaign_id=campaign_id)]
            limits = original.account.limits
            _raise_for(problems(settings, limits) + pool_problems(numbers, limits.max_pool))
            with _NameIsFree(name):
                made = await _sql.create_campaign(connection, account_id=original.account_id, **_columns(settings))
            await fill_pool(connection, made, numbers, {})
            await _sql.copy_source(connection, campaign_id=campaign_id, clone=made)
            await write_line(connection, made, Line.CREATED, {"name": name, "cloned_from": campaign_id})
            return await _get(connection, made)

    async def delete(self, campaign_id: int) -> None:
        """With its leads, of which there may be many: batch by batch, and whoever starts it meanwhile keeps what is left. What it has
        said of itself in the activity stays.

        Raises NotFound, IllegalTransition unless it is a draft or over, and CampaignKept where a call of it was ever opened: caps
        and lock-outs of numbers, evidence and the ledger stand on those.
        """
        while not await self._delete_some(campaign_id):
            pass

    @store_call
    async def _delete_some(self, campaign_id: int) -> bool:
        """Whether that was the last of it."""
        async with transaction(self._pool) as connection:
            row = await _sql.lock_campaign(connection, campaign_id=campaign_id)
            campaign = campaign_of(_found(row, campaign_id))
            if campaign.status not in DELETABLE:
                raise IllegalTransition(campaign.status, "delete")
            if await _sql.was_dialed(connection, campaign_id=campaign_id):
                raise CampaignKept
            if await _sql.delete_leads(connection, campaign_id=campaign_id, most=DELETE_BATCH):
                return False
            try:
                await _sql.delete_campaign(connection, campaign_id=campaign_id)
            except asyncpg.ForeignKeyViolationError as held:
                raise CampaignKept(f"something else stands on the campaign ({held.table_name}): it stays") from held
            return True

    @store_call
    async def validate_new(
        self, settings: CampaignSettings, caller_ids: Sequence[CallerId | PoolEntry] = (), account: str = "default"
    ) -> Validation:
        """Of a campaign that is not there yet. Raises NotFound for the account."""
        async with transaction(self._pool) as connection:
            row = await queries_of("accounts").get_account(connection, name=account)
            if row is None:
                raise NotFound("account", account)
            draft = Campaign(
                id=0, account_id=row["id"], status=CampaignStatus.DRAFT, settings=settings, account=rules_of(row)
            )
            numbers = pool_problems(caller_ids, draft.account.limits.max_pool)
            return await self._validated(connection, draft, numbers, pool=len(caller_ids))

    @store_call
    async def validate(self, campaign_id: int, changes: Mapping[str, Any]) -> Validation:
        """Of the campaign as it would be with these changes, of which none is made. Raises NotFound."""
        async with transaction(self._pool) as connection:
            campaign = await _get(connection, campaign_id)
            changed = replace(campaign, settings=_changed(campaign.settings, changes))
            return await self._validated(connection, changed)

    async def _validated(
        self, connection: Connection, campaign: Campaign, more: Sequence[str] = (), *, pool: int = 0
    ) -> Validation:
        found = problems(campaign.settings, campaign.account.limits) + self.profile_problems(campaign.settings.profile)
        if await _sql.is_name_taken(connection, **_identity(campaign)):
            found.append(_name_taken(campaign.settings.name))
        reasons = await self._start_problems(connection, campaign, pool=pool)
        return Validation(
            problems=[*found, *more], start_problems=[reason for reason in reasons if reason not in found]
        )

    def profile_problems(self, name: str | None) -> builtins.list[str]:
        """None: the campaign takes the account's."""
        if name is None or name in self._profiles:
            return []
        known = ", ".join(sorted(self._profiles))
        return [f"compliance profile: there is none called {name}; there are {known}"]

    async def _raise_unless_startable(self, connection: Connection, campaign: Campaign) -> None:
        if reasons := await self._start_problems(connection, campaign):
            raise StartRefused(reasons)

    async def _start_problems(self, connection: Connection, campaign: Campaign, *, pool: int = 0) -> builtins.list[str]:
        """Everything that a start would be refused for. `pool` numbers are to come beside those that are stored."""
        settings = campaign.settings
        leads = await _sql.lead_facts(connection, campaign_id=campaign.id)
        facts = await _sql.start_facts(connection, campaign_id=campaign.id, queue=settings.queue)
        checks = [
            (leads["any"], "leads: the campaign has none yet, upload some"),
            (not leads["any"] or leads["unfinished"], "leads: all are done, upload more or reset some"),
            (
                not settings.caller_id_enabled or facts["pool"] + pool,
                "caller IDs: the number pool is empty, add numbers or switch the campaign's caller ID off",
            ),
            (
                not settings.queue or facts["queue_known"] is not False,
                f"queue: Asterisk knows no queue {settings.queue}",
            ),
        ]
        reasons = problems(settings, campaign.account.limits) + self._contradictions(campaign)
        reasons += [sentence for holds, sentence in checks if not holds]
        return reasons + await _menu_problems(connection, campaign) + await _sound_problems(connection, campaign)

    def _contradictions(self, campaign: Campaign) -> builtins.list[str]:
        profile = self._profiles.get(campaign.profile)
        if profile is None:
            return self.profile_problems(campaign.profile)
        return contradictions(profile, campaign.settings, campaign.account)

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
            epoch = await take(self._vital, campaign_id=campaign_id, node=node, duration=duration)
            if epoch is not None:
                return Lease(campaign_id=campaign_id, node=node, epoch=epoch)
        return None

    @store_call
    async def give_lease_back(self, lease: Lease) -> None:
        await _sql.give_lease_back(self._pool, **asdict(lease))

    @store_call
    async def note_hold(
        self,
        lease: Lease,
        reason: HoldReason | None,
        sentence: str | None,
        until: datetime | None,
        verdicts: Sequence[Verdict] = (),
    ) -> None:
        words = sentence if sentence is not None or reason is None else str(reason)
        await _sql.note_hold(
            self._pool,
            **asdict(lease),
            held_by=reason,
            sentence=words if reason else None,
            until=until,
            verdicts=[asdict(verdict) for verdict in verdicts],
        )

    async def abandonment(self, campaign: Campaign) -> Abandonment:
        """Of the settings, account and profile as they are in `campaign`. Raises NotFound."""
        found = await self.abandonments([campaign])
        if campaign.id not in found:
            raise NotFound("campaign", campaign.id)
        return found[campaign.id]

    @store_call
    async def abandonments(self, campaigns: Sequence[Campaign]) -> Mapping[int, Abandonment]:
        """The same of several, by id."""
        times = {row["id"]: row async for row in _sql.times(self._pool, ids=[campaign.id for campaign in campaigns])}
        open_now = [self._period_of(campaign, times[campaign.id]) for campaign in campaigns if campaign.id in times]
        rows = _sql.ledgers(
            self._pool, ids=[now.campaign_id for now in open_now], periods=[now.began for now in open_now]
        )
        ledgers = {row["campaign_id"]: Ledger(**{name: row[name] for name in _LEDGER}) async for row in rows}
        return {
            now.campaign_id: replace(now.abandonment, ledger=ledgers.get(now.campaign_id, Ledger())) for now in open_now
        }

    def _period_of(self, campaign: Campaign, times: asyncpg.Record) -> "_Period":
        profile = self._profiles.get(campaign.profile)
        rule, own = profile.abandonment if profile else None, campaign.settings.abandonment_cap_pct
        caps = [rule.cap] if rule else []
        caps += [own / 100] if own is not None else []
        began, until = period_around(
            period_of(rule),
            first_start=times["started_at"] or times["now"],
            now=times["now"],
            zone=campaign.account.time_zone,
        )
        abandonment = Abandonment(ledger=Ledger(), cap=min(caps, default=None), rule=rule, until=until)
        return _Period(campaign_id=campaign.id, began=began, abandonment=abandonment)

    @store_call
    async def complete_campaign(self, lease: Lease) -> bool:
        async with transaction(self._pool) as connection:
            row = await _sql.lock_leased_campaign(connection, **asdict(lease))
            if row is None or await _sql.has_work_left(connection, campaign_id=lease.campaign_id):
                return False
            campaign = campaign_of(row)
            await _move(connection, campaign, advance(CAMPAIGN_TRANSITIONS, campaign.status, CampaignAction.COMPLETE))
            return True

    async def start_due(self) -> int:
        """A campaign that cannot start stays scheduled, with the reasons, and is tried again at the next call."""
        started = 0
        for campaign_id in await self._due_to_start():
            try:
                await self.act(campaign_id, CampaignAction.START)
                started += 1
            except StartRefused as refused:
                await self._note_refused_start(campaign_id, str(refused))
            except IllegalTransition:
                continue  # somebody was faster
        return started

    @store_call
    async def _due_to_start(self) -> builtins.list[int]:
        return [row["id"] async for row in _sql.due_to_start(self._pool)]

    @store_call
    async def _note_refused_start(self, campaign_id: int, sentence: str) -> None:
        await _sql.note_refused_start(self._pool, campaign_id=campaign_id, sentence=sentence)


def version_of(settings: CampaignSettings) -> str:
    """Another one after every change."""
    return hashlib.sha256(_SETTINGS.dump_json(settings)).hexdigest()[:32]


def campaign_of(row: asyncpg.Record) -> Campaign:
    """From a row that has all columns of `campaigns`, and its account as jsonb."""
    return Campaign(
        id=row["id"],
        account_id=row["account_id"],
        status=CampaignStatus(row["status"]),
        settings=settings_of(row),
        account=rules_of(row["account"]),
        starts_at=row["starts_at"],
        judge_anew=row["judge_anew"],
    )


def settings_of(row: asyncpg.Record) -> CampaignSettings:
    return _SETTINGS.validate_python({name: row[name] for name in _NAMES})


def _columns(settings: CampaignSettings) -> dict[str, Any]:
    """What has an inner structure becomes jsonb."""
    values: dict[str, Any] = _SETTINGS.dump_python(settings, mode="json")
    return {**values, "dial_cycles_time": settings.dial_cycles_time}


async def _get(connection: Connection, campaign_id: int) -> Campaign:
    return campaign_of(_found(await _sql.get_campaign(connection, campaign_id=campaign_id), campaign_id))


def _all_overviews(pool: Pool, ids: Sequence[int] | None, *, with_held: bool = True) -> AsyncIterator[asyncpg.Record]:
    rows: AsyncIterator[asyncpg.Record] = _sql.campaign_overviews(
        pool, ids=ids, silent_after=SILENT_AFTER, with_held=with_held
    )
    return rows


def _overview(row: asyncpg.Record) -> CampaignOverview:
    counted = row["leads_by_state"] or {}
    campaign = campaign_of(row)
    return CampaignOverview(
        campaign=campaign,
        account=row["account"]["name"],
        shown_status=shown_status(campaign.status, row["held_by"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        held_by=row["held_by"],
        hold_sentence=row["hold_reason"],
        hold_until=row["hold_until"],
        verdicts=row["verdicts"],
        owner=row["dialed_by"],
        daemons=_DAEMONS.validate_python(row["daemons"]),
        leads={state: counted.get(state, 0) for state in LeadState},
        held_leads=[
            WaitingLeads(rule=rule, leads=leads, until=datetime.fromisoformat(until) if until else None)
            for rule, leads, until in row["held_leads"] or ()
        ],
        open_attempts=row["open_attempts"],
    )


async def _move(
    connection: Connection, campaign: Campaign, status: CampaignStatus, starts_at: datetime | None = None
) -> Campaign:
    await _sql.move_campaign(connection, campaign_id=campaign.id, status=status, starts_at=starts_at)
    moment = {"starts_at": starts_at.isoformat()} if starts_at else {}
    await write_line(connection, campaign.id, Line.STATUS, {"from": campaign.status, "to": status, **moment})
    return replace(campaign, status=status, starts_at=starts_at)


def _changed(settings: CampaignSettings, changes: Mapping[str, Any]) -> CampaignSettings:
    _raise_for([f"{name}: there is no such setting" for name in changes if name not in _NAMES])
    return replace(settings, **changes)


def _difference(before: CampaignSettings, after: CampaignSettings) -> dict[str, builtins.list[object]]:
    """What an edit changed: the old and the new value of each setting."""
    old, new = (_SETTINGS.dump_python(settings, mode="json") for settings in (before, after))
    return {name: [old[name], new[name]] for name in old if old[name] != new[name]}


async def _menu_problems(connection: Connection, campaign: Campaign) -> builtins.list[str]:
    """Of a campaign that is to run: the menu that it names exists, and has the queue that it leads to."""
    settings = campaign.settings
    if settings.target is not Target.MENU or not settings.menu:
        return []
    menu = await share_menu(connection, settings.menu, campaign.account_id)
    if menu is None:
        return [f"menu: there is no voice menu {settings.menu}, store it first"]
    if menu.needs_queue and not settings.queue:
        return [f"queue: voice menu {menu.name} leads to an agent, so name the queue"]
    return [f"menu: {problem}" for problem in problems_of_menu(menu)]


async def _sound_problems(connection: Connection, campaign: Campaign) -> builtins.list[str]:
    settings = campaign.settings
    names = {settings.greeting, settings.agent_announcement} - {""}
    if settings.target is Target.MENU and settings.menu:
        menu = await share_menu(connection, settings.menu, campaign.account_id)
        names |= menu.sounds if menu else set()
    missing = await missing_sounds(connection, names)
    return [f"sound: Asterisk has no sound {name}, put it there or name another" for name in missing]


def _identity(campaign: Campaign) -> dict[str, Any]:
    return {"account_id": campaign.account_id, "name": campaign.settings.name, "campaign_id": campaign.id}


def _pool_entry(row: asyncpg.Record) -> PoolEntry:
    return PoolEntry(number=row["number"], name=row["name"], type=CallerIdType(row["type"]), daily_cap=row["daily_cap"])


def _name_taken(name: str) -> str:
    return f"name: another campaign is called {name}"


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
            raise InvalidCampaign([_name_taken(self._name)]) from error
