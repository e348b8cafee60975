"""`dialerd check`: whether everything that dialing needs is there, and nothing that dialing must not have.

It looks and does not touch: no call, no change, and no Stasis application, which a running daemon would lose to us.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiItem, AmiLinkUp, AmiRefused
from dialerd.compliance import profiles
from dialerd.daemon import ami_settings
from dialerd.domain.calls import NoAgent
from dialerd.domain.campaigns import Campaign, CampaignStatus, Target
from dialerd.domain.compliance import Demand, Profile, contradictions
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.pacing import MOST_CLOCK_DIFFERENCE
from dialerd.errors import AsteriskUnavailable, DialerdError, NotFound, SettingsError
from dialerd.settings import AriSettings, HooksSettings, Settings, WebSettings
from dialerd.store.campaigns import CampaignStore
from dialerd.store.embedded import database
from dialerd.store.menus import MenuStore
from dialerd.store.nodes import NodeStore, OldSnapshot
from dialerd.store.pool import Pool, connect
from dialerd.store.schema import missing_migrations
from dialerd.tls import ends_at, trusting

PATIENCE_S = 8.0
LONGEST_TRANSACTION = timedelta(minutes=5)
"""What a backup or a report may take; while one lasts, the rows that dialing changes cannot be cleared away."""

CERTIFICATE_WARNING = timedelta(days=14)
"""Left to renew a certificate."""

TOO_MUCH = {"Command": "command", "GetConfig": "config", "ModuleLoad": "system"}
"""Actions that betray a class of permissions by which one could take over the PBX."""
NEEDED = {"DBGetTree": "reporting", "QueueAdd": "agent", "QueuePause": "agent", "QueueRemove": "agent"}
"""Actions, and their class, without which dialerd dials, but misses who opted out by key while it was away, or can put no agent into a
queue, pause him and take him out. Those without which it does not dial the login itself has proved."""
OWN_MESSAGE = "dialerd/nobody-free"
"""What asterisk-config/extensions_dialerd.conf plays where dialer.message_sound names nothing else."""

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


@dataclass(kw_only=True)
class _Site:
    """What the database says, as far as it could be asked."""

    campaigns: list[Campaign] = field(default_factory=list)
    """Those that are not over."""
    menus: dict[int, VoiceMenu | None] = field(default_factory=dict)
    """By campaign, of those that lead to one. None: there is no such menu."""
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    @property
    def dialed(self) -> list[Campaign]:
        return [campaign for campaign in self.campaigns if campaign.status in _DIALED]


async def check(settings: Settings) -> AsyncIterator[Verdict]:
    """One thing after the other, as soon as it is known. What stands on something that failed is not looked at."""
    site = _Site()
    async for verdict in _look_at_database(settings, site):
        yield verdict
    yield _look_at_profiles(settings, site)
    if site.menus:
        yield _judge_menus(site)
    async for verdict in _look_at_manager(settings, {campaign.settings.queue for campaign in site.campaigns} - {""}):
        yield verdict
    async for verdict in _look_at_rest(settings, site):
        yield verdict
    for verdict in _look_at_web(settings):
        yield verdict


# --- the database -----------------------------------------------------------------------------------------------------


async def _look_at_database(settings: Settings, site: _Site) -> AsyncIterator[Verdict]:
    """Puts what it finds into `site`."""
    which = "its own" if settings.database.dsn is None else "as configured"
    try:
        async with database(settings.database) as dsn, _connected(dsn) as pool:
            yield Verdict(what="database", ok=True, says=f"reached ({which})")
            missing = await missing_migrations(pool)
            yield _judge_schema(missing)
            yield _judge_clock(await NodeStore(pool).clock_difference())
            yield _judge_snapshot(await NodeStore(pool).oldest_snapshot())
            if not missing:
                await _take_campaigns(pool, site)
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
    return Verdict(what="clock", ok=False, says=f"{apart}: nothing is dialed until both are set, by NTP")


def _judge_snapshot(oldest: OldSnapshot | None) -> Verdict:
    """A transaction that does not end makes claims slower and slower."""
    if oldest is None or oldest.age < LONGEST_TRANSACTION:
        return Verdict(what="old transactions", ok=True, says="none")
    who = f"process {oldest.pid} of user {oldest.user} ({oldest.application or 'without a name'}, {oldest.state})"
    says = f"{who} keeps one open since {oldest.age.total_seconds():.0f} s, which slows dialing: end it by pg_terminate_backend"
    return Verdict(what="old transactions", ok=False, says=f"{says}, and set idle_in_transaction_session_timeout")


async def _take_campaigns(pool: Pool, site: _Site) -> None:
    for overview in await CampaignStore(pool, {}).list():
        campaign = overview.campaign
        if campaign.status in _DONE:
            continue
        site.campaigns.append(campaign)
        if campaign.settings.target is Target.MENU:
            site.menus[campaign.id] = await _menu(pool, campaign.settings.menu, overview.account)


async def _menu(pool: Pool, name: str, account: str) -> VoiceMenu | None:
    try:
        return await MenuStore(pool).get(name, account)
    except NotFound:
        return None


# --- what campaigns ask for -------------------------------------------------------------------------------------------


def _look_at_profiles(settings: Settings, site: _Site) -> Verdict:
    try:
        site.profiles = profiles(settings.compliance.profile_file)
    except SettingsError as trouble:
        return Verdict(what="compliance profiles", ok=False, says=str(trouble))
    return _judge_profiles(site.campaigns, site.profiles)


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


def _judge_menus(site: _Site) -> Verdict:
    wrong = [
        f"{campaign.settings.name} leads to {campaign.settings.menu}, which there is not: import it by `dialerd menu import`"
        for campaign in site.campaigns
        if site.menus.get(campaign.id, ...) is None
    ]
    names = sorted({menu.name for menu in site.menus.values() if menu})
    return Verdict(what="voice menus", ok=not wrong, says="; ".join(wrong) or f"{', '.join(names)} known")


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
            if settings.hooks.port is not None:
                for context in variables.HOOK_CONTEXTS:
                    yield await _look_for_context(manager, context, file="extensions_dialerd_hooks.conf")
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
    if missing := [f"{action} (class {group})" for action, group in NEEDED.items() if action not in allowed]:
        says = f"the user may not run {', '.join(missing)}: give it the class in manager.conf, by write"
        return Verdict(what="AMI permissions", ok=False, says=says)
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


async def _look_for_context(manager: Ami, context: str, *, file: str = "extensions_dialerd.conf") -> Verdict:
    try:
        found = bool(await manager.list_action("ShowDialPlan", {"Context": context}))
    except AmiRefused:
        found = False
    says = "there" if found else f"missing: include asterisk-config/{file} in the dialplan, and reload it"
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


# --- what is served, and whose disk it needs --------------------------------------------------------------------------


def _look_at_web(settings: Settings) -> Iterator[Verdict]:
    yield _judge_address(settings.web)
    if settings.web.tls_cert is not None and settings.web.tls_key is not None:
        yield _judge_certificate(settings.web.tls_cert, settings.web.tls_key)
    if settings.media.folder is not None:
        yield _judge_media_folder(settings.media.folder)
    if settings.hooks.port is not None:
        yield _judge_hooks(settings.hooks)


def _judge_address(web: WebSettings) -> Verdict:
    """Passwords and tokens go over it."""
    where = f"{web.host} port {web.port}"
    if web.tls_cert is not None:
        return Verdict(what="web", ok=True, says=f"HTTPS at {where}")
    if _is_loopback(web.host):
        proxy = "behind a reverse proxy" if web.behind_proxy else "for this host alone"
        return Verdict(what="web", ok=True, says=f"HTTP at {where}, {proxy}")
    says = f"{where} is reached from elsewhere without TLS: set web.tls_cert and web.tls_key, or web.host to 127.0.0.1 behind nginx"
    return Verdict(what="web", ok=False, says=says)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _judge_certificate(cert: Path, key: Path) -> Verdict:
    try:
        ends = ends_at(cert, key)
    except OSError as wrong:
        return Verdict(what="certificate", ok=False, says=f"{cert} with {key} cannot be used: {wrong}")
    left = ends - datetime.now(UTC)
    says = f"valid until {ends:%Y-%m-%d}" if left > CERTIFICATE_WARNING else f"{cert} ends on {ends:%Y-%m-%d}: renew it"
    return Verdict(what="certificate", ok=left > CERTIFICATE_WARNING, says=says)


def _judge_media_folder(folder: Path) -> Verdict:
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Verdict(what="media folder", ok=True, says=f"{folder} can be written")
    says = f"{folder} is not there, or may not be written by this user: make it, owned by the daemon's user and readable for Asterisk"
    return Verdict(what="media folder", ok=False, says=says)


def _judge_hooks(hooks: HooksSettings) -> Verdict:
    if _is_loopback(hooks.host):
        return Verdict(what="hooks", ok=True, says=f"answered at {hooks.host} port {hooks.port}")
    says = f"{hooks.host} port {hooks.port} asks for no password: let nothing but Asterisk reach it, by a firewall"
    return Verdict(what="hooks", ok=True, says=says)


# --- Asterisk's REST interface ----------------------------------------------------------------------------------------


class _Rest:
    """Single requests to the REST interface, without the Stasis application."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    async def ask(self, method: str, *path: str) -> tuple[int, str]:
        """Status and text of the answer. Raises AsteriskUnavailable."""
        # A name with a slash in it is one step of the path: Asterisk wants the slash encoded.
        steps = "/".join(quote(step, safe="") for step in path)
        try:
            async with self._http.request(method, URL(f"{self._base_url}/ari/{steps}", encoded=True)) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            why = str(failure) or type(failure).__name__
            raise AsteriskUnavailable(
                f"{self._base_url} cannot be reached ({why}): look at http.conf and ari.base_url"
            ) from None


@asynccontextmanager
async def _rest(ari: AriSettings) -> AsyncIterator[_Rest]:
    """Raises SettingsError where the certificates cannot be used."""
    auth = {"Authorization": aiohttp.encode_basic_auth(ari.user, ari.password.get_secret_value())}
    connector = aiohttp.TCPConnector(ssl=trusting(ari.tls_ca) if ari.tls_ca else True)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(headers=auth, timeout=timeout, connector=connector) as http:
        yield _Rest(http, ari.base_url)


async def _look_at_rest(settings: Settings, site: _Site) -> AsyncIterator[Verdict]:
    try:
        async with _rest(settings.ari) as rest:
            # To hang up a channel that cannot exist is harmless, and tells a user who may only read from one who may write.
            login = _judge_rest((await rest.ask("DELETE", "channels", "dialerd-check"))[0], settings.ari)
            yield login
            if login.ok:
                yield _judge_recordings(*await rest.ask("GET", "recordings", "stored", "dialerd-check"))
                wanted = _sounds_wanted(settings, site)
                yield _judge_sounds(wanted, {sound: await _has_sound(rest, sound) for sound in sorted(wanted)})
    except DialerdError as trouble:
        yield Verdict(what="ARI", ok=False, says=str(trouble))


def _judge_rest(status: int, ari: AriSettings) -> Verdict:
    if status == HTTPStatus.NOT_FOUND:
        return Verdict(what="ARI", ok=True, says=f"logged in as {ari.user} at {ari.base_url}")
    return Verdict(what="ARI", ok=False, says=_why_refused(status))


def _why_refused(status: int) -> str:
    reasons = {
        401: "the user or the password is wrong: look at ari.conf and the ari settings",
        403: "the user may only read: set read_only = no in ari.conf",
        503: "Asterisk has not finished to start: try again",
    }
    return reasons.get(status, f"answered {status}: is this Asterisk's HTTP server?")


def _judge_recordings(status: int, answer: str) -> Verdict:
    """Of a recording that cannot exist. Without its module Asterisk does not know what a recording is."""
    readable = status == HTTPStatus.NOT_FOUND and "Recording not found" in answer
    says = "can be read" if readable else f"cannot be read (answered {status}): load res_ari_recordings"
    return Verdict(what="recordings", ok=readable, says=says)


async def _has_sound(rest: _Rest, sound: str) -> bool:
    """Raises AsteriskUnavailable where that cannot be said."""
    status, answer = await rest.ask("GET", "sounds", sound)
    if status == HTTPStatus.OK:
        return True
    if status == HTTPStatus.NOT_FOUND and "Sound not found" in answer:
        return False
    without_module = status == HTTPStatus.NOT_FOUND
    raise AsteriskUnavailable(
        "Asterisk cannot tell its sounds: load res_ari_sounds" if without_module else f"ARI: {_why_refused(status)}"
    )


async def sounds_on_pbx(ari: AriSettings, names: Sequence[str]) -> dict[str, bool]:
    """Whether Asterisk has them. Raises AsteriskUnavailable, SettingsError."""
    async with _rest(ari) as rest:
        return {name: await _has_sound(rest, name) for name in names}


def _sounds_wanted(settings: Settings, site: _Site) -> dict[str, set[str]]:
    """Every sound that a call of a running or scheduled campaign may play, and the campaigns that want it."""
    wanted: dict[str, set[str]] = {}
    for campaign in site.dialed:
        said = campaign.settings
        sounds = {said.greeting, said.agent_announcement} - {""}
        if (menu := site.menus.get(campaign.id)) is not None:
            sounds |= menu.sounds
        profile = site.profiles.get(campaign.profile)
        if said.no_agent is not NoAgent.QUEUE or (profile and profile.demands(Demand.SAFE_HARBOUR)):
            sounds.add(settings.dialer.message_sound or OWN_MESSAGE)
        for sound in sounds:
            wanted.setdefault(sound, set()).add(said.name)
    return wanted


def _judge_sounds(wanted: Mapping[str, Collection[str]], present: Mapping[str, bool]) -> Verdict:
    missing = [f"{sound} ({', '.join(sorted(wanted[sound]))})" for sound, there in present.items() if not there]
    if missing:
        says = f"Asterisk does not have {', '.join(missing)}: put them into its folder of sounds, or edit the campaign"
        return Verdict(what="sounds", ok=False, says=says)
    return Verdict(what="sounds", ok=True, says=f"{', '.join(present) or 'none'} needed, and there")
