"""`dialerd check`: whether everything that dialing needs is there, and nothing that dialing must not have.

It looks and does not touch: no call, no change, and no Stasis application, which a running daemon would lose to us.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiItem, AmiLinkUp, AmiRefused
from dialerd.compliance import profiles
from dialerd.daemon import ami_settings
from dialerd.domain.campaigns import Campaign, CampaignStatus
from dialerd.domain.compliance import Profile, contradictions
from dialerd.errors import AsteriskUnavailable, DialerdError, SettingsError
from dialerd.settings import AriSettings, Settings
from dialerd.store.campaigns import CampaignStore
from dialerd.store.embedded import database
from dialerd.store.nodes import NodeStore
from dialerd.store.pool import Pool, connect
from dialerd.store.schema import missing_migrations

PATIENCE_S = 8.0
MOST_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""Windows and cool-offs are judged by the database's clock; beyond this, one of the two clocks is wrong."""

TOO_MUCH = {"Command": "command", "GetConfig": "config", "ModuleLoad": "system"}
"""Actions that betray a class of permissions by which one could take over the PBX."""

# The first release of each branch in which a manager user cannot write files by functions (CVE-2024-42365).
_SAFE_SINCE = {18: (24, 2), 20: (9, 2), 21: (4, 2)}
_ALWAYS_SAFE = 22
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")

_DONE = frozenset({CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})
_DIALED = frozenset({CampaignStatus.SCHEDULED, CampaignStatus.RUNNING})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that was looked at; `says` is what was found or, where it is not ok, also what to do about it."""

    what: str
    ok: bool
    says: str


async def check(settings: Settings) -> AsyncIterator[Verdict]:
    """One thing after the other, as soon as it is known. What stands on something that failed is not looked at."""
    campaigns: list[Campaign] = []
    async for verdict in _look_at_database(settings, campaigns):
        yield verdict
    yield _look_at_profiles(settings, campaigns)
    async for verdict in _look_at_manager(settings, {campaign.settings.queue for campaign in campaigns}):
        yield verdict
    yield await _look_at_rest(settings.ari)


# --- the database -----------------------------------------------------------------------------------------------------


async def _look_at_database(settings: Settings, campaigns: list[Campaign]) -> AsyncIterator[Verdict]:
    """Puts the campaigns that are not over into `campaigns`."""
    which = "its own" if settings.database.dsn is None else "as configured"
    try:
        async with database(settings.database) as dsn, _connected(dsn) as pool:
            yield Verdict(what="database", ok=True, says=f"reached ({which})")
            missing = await missing_migrations(pool)
            yield _judge_schema(missing)
            yield _judge_clock(await NodeStore(pool).clock_difference())
            if not missing:
                campaigns += await _campaigns(pool)
    except DialerdError as trouble:
        yield Verdict(what="database", ok=False, says=f"{trouble}; look at database.dsn, or whether Postgres runs")


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Pool]:
    pool = await connect(dsn, max_connections=1, application_name="dialerd check")
    try:
        yield pool
    finally:
        pool.terminate()


def _judge_schema(missing: Sequence[str]) -> Verdict:
    says = f"{', '.join(missing)} not applied: run `dialerd migrate`" if missing else "up to date"
    return Verdict(what="schema", ok=not missing, says=says)


def _judge_clock(difference: timedelta) -> Verdict:
    apart = f"{abs(difference.total_seconds()):.1f} s apart from the database's"
    if abs(difference) < MOST_CLOCK_DIFFERENCE:
        return Verdict(what="clock", ok=True, says=apart)
    return Verdict(what="clock", ok=False, says=f"{apart}: set both by NTP")


async def _campaigns(pool: Pool) -> Sequence[Campaign]:
    overviews = await CampaignStore(pool, {}).list()
    return [one.campaign for one in overviews if one.campaign.status not in _DONE]


# --- what campaigns ask for -------------------------------------------------------------------------------------------


def _look_at_profiles(settings: Settings, campaigns: Sequence[Campaign]) -> Verdict:
    try:
        return _judge_profiles(campaigns, profiles(settings.compliance.profile_file))
    except SettingsError as trouble:
        return Verdict(what="compliance profiles", ok=False, says=str(trouble))


def _judge_profiles(campaigns: Sequence[Campaign], known: Mapping[str, Profile]) -> Verdict:
    """A campaign without a profile that is known is not dialed; one that contradicts its profile cannot be started again."""
    wrong = [sentence for campaign in campaigns if (sentence := _profile_trouble(campaign, known))]
    return Verdict(
        what="compliance profiles", ok=not wrong, says="; ".join(wrong) or f"{', '.join(sorted(known))} known"
    )


def _profile_trouble(campaign: Campaign, known: Mapping[str, Profile]) -> str:
    name, profile = campaign.settings.name, known.get(campaign.profile)
    if profile is None:
        return (
            f"{name} asks for {campaign.profile}, which is not known: set compliance.profile_file, or edit the campaign"
        )
    against = contradictions(profile, campaign.settings, campaign.account) if campaign.status in _DIALED else ()
    return f"{name} is not as {profile.id} demands: {', '.join(against)}" if against else ""


# --- Asterisk's manager interface -------------------------------------------------------------------------------------


async def _look_at_manager(settings: Settings, queues: Collection[str]) -> AsyncIterator[Verdict]:
    ami = settings.ami
    if not ami.secret.get_secret_value():
        yield Verdict(what="AMI", ok=False, says="ami.secret is missing: set DIALERD_AMI__SECRET or a credential")
        return
    try:
        async with _logged_in(settings) as (manager, allowed):
            yield Verdict(what="AMI", ok=True, says=f"logged in as {ami.user} at {ami.host} port {ami.port}")
            yield _judge_permissions(allowed)
            yield _judge_version((await manager.action("CoreSettings", {})).get("AsteriskVersion", ""))
            for context in variables.CONTEXTS:
                yield await _look_for_context(manager, context)
            yield await _look_for_queues(manager, queues)
    except DialerdError as trouble:
        yield Verdict(what="AMI", ok=False, says=f"{trouble}; look at manager.conf and the ami settings")


@asynccontextmanager
async def _logged_in(settings: Settings) -> AsyncIterator[tuple[Ami, Collection[str]]]:
    """A login of our own, without events. Raises AsteriskUnavailable with why there is none."""
    news: asyncio.Queue[AmiItem] = asyncio.Queue(100)
    manager = Ami(replace(ami_settings(settings), event_mask="off"), events=news)
    running = asyncio.create_task(manager.run(), name="check-ami")
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = await news.get()
    except TimeoutError:
        raise AsteriskUnavailable(manager.why_down) from None
    else:
        yield manager, first.allowed_actions if isinstance(first, AmiLinkUp) else ()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _judge_permissions(allowed: Collection[str]) -> Verdict:
    """That the needed ones are there the login itself has proved."""
    classes = sorted({group for action, group in TOO_MUCH.items() if action in allowed})
    if not classes:
        return Verdict(what="AMI permissions", ok=True, says="what dialing needs, and no more")
    says = f"the user has {', '.join(classes)}, by which anybody who gets hold of it owns the PBX: take it from manager.conf"
    return Verdict(what="AMI permissions", ok=False, says=says)


def _judge_version(written: str) -> Verdict:
    numbers = _VERSION.search(written)
    if not numbers:
        return Verdict(what="Asterisk", ok=True, says=f"version {written or 'unknown'}: cannot be judged")
    major, minor, patch = (int(number) for number in numbers.groups())
    safe = major >= _ALWAYS_SAFE or (major in _SAFE_SINCE and (minor, patch) >= _SAFE_SINCE[major])
    says = f"version {written}" if safe else f"version {written} has known holes in its AMI: install 22 LTS"
    return Verdict(what="Asterisk", ok=safe, says=says)


async def _look_for_context(manager: Ami, context: str) -> Verdict:
    try:
        found = bool(await manager.list_action("ShowDialPlan", {"Context": context}))
    except AmiRefused:
        found = False
    says = (
        "there" if found else "missing: include asterisk-config/extensions_dialerd.conf in the dialplan, and reload it"
    )
    return Verdict(what=f"dialplan context {context}", ok=found, says=says)


async def _look_for_queues(manager: Ami, bound: Collection[str]) -> Verdict:
    there = {item.get("Queue", "") for item in await manager.list_action("QueueSummary", {})}
    missing = sorted(set(bound) - there)
    if missing:
        says = (
            f"Asterisk does not know {', '.join(missing)}, to which campaigns are bound: make it, or edit the campaign"
        )
        return Verdict(what="queues", ok=False, says=says)
    return Verdict(
        what="queues", ok=True, says=f"{', '.join(sorted(bound)) or 'none'} bound; Asterisk has {len(there)}"
    )


# --- Asterisk's REST interface ----------------------------------------------------------------------------------------


async def _look_at_rest(ari: AriSettings) -> Verdict:
    """To hang up a channel that cannot exist is harmless, and tells a user who may only read from one who may write."""
    auth = {"Authorization": aiohttp.encode_basic_auth(ari.user, ari.password.get_secret_value())}
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    try:
        async with (
            aiohttp.ClientSession(headers=auth, timeout=timeout) as http,
            http.delete(f"{ari.base_url}/ari/channels/dialerd-check") as answer,
        ):
            return _judge_rest(answer.status, ari)
    except (aiohttp.ClientError, TimeoutError, OSError) as failure:
        says = f"{ari.base_url} cannot be reached ({str(failure) or type(failure).__name__}): look at http.conf and ari.base_url"
        return Verdict(what="ARI", ok=False, says=says)


def _judge_rest(status: int, ari: AriSettings) -> Verdict:
    if status == 404:
        return Verdict(what="ARI", ok=True, says=f"logged in as {ari.user} at {ari.base_url}")
    reasons = {
        401: "the user or the password is wrong: look at ari.conf and the ari settings",
        403: f"the user {ari.user} may only read: set read_only = no in ari.conf",
        503: "Asterisk has not finished to start: try again",
    }
    return Verdict(
        what="ARI", ok=False, says=reasons.get(status, f"answered {status}: is this Asterisk's HTTP server?")
    )
