"""Builds every part of a running dialerd, runs them in one task group, and stops them in order. The only file that knows all rooms."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from dialerd import __version__, systemd
from dialerd.api.app import create_app, serve
from dialerd.api.hooks import Hooks, HookStores, create_hooks
from dialerd.asterisk.ami import Ami, AmiSettings
from dialerd.asterisk.ari import Ari, AriSettings
from dialerd.asterisk.caller_monitor import CallerMonitor
from dialerd.asterisk.custom_contexts import CustomContexts
from dialerd.asterisk.events import CallNews, EventReader
from dialerd.asterisk.listener import AmiNews, AriNews, Listener
from dialerd.asterisk.opt_out_marks import OptOutMarks
from dialerd.asterisk.queue_members import QueueMembers
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.asterisk.telephony import Telephony, TrunkSettings
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles as load_profiles
from dialerd.dialer.agent_wishes import AgentWishes
from dialerd.dialer.archivist import Archivist
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.caller_desk import CallerDesk
from dialerd.dialer.card_desk import CardDesk
from dialerd.dialer.database_watch import DatabaseWatch
from dialerd.dialer.leases import Leases
from dialerd.dialer.lost_rows import LostRows
from dialerd.dialer.media_keeper import MediaKeeper
from dialerd.dialer.opt_out_line import OptOutLine
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.pbx_watch import PbxWatch
from dialerd.dialer.presence import Presence
from dialerd.dialer.rescuer import Rescuer
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.dialer.sound_watch import SoundWatch
from dialerd.dialer.supervisor import Supervisor
from dialerd.dialer.trunks import Trunks
from dialerd.dialer.vital_signs import VitalSigns
from dialerd.domain.calls import CallEvent, KeptAgent
from dialerd.domain.offers import Offer
from dialerd.domain.pacing import HoldReason
from dialerd.ending import end_soon
from dialerd.errors import DialerdError, NodeNameTaken, SettingsError
from dialerd.lead_sources.crm_results import result_request
from dialerd.log import configure
from dialerd.metrics import Metrics, PoolUse
from dialerd.settings import BackupTrunk, Settings, changed_fields
from dialerd.settings import TrunkSettings as PreferredTrunk
from dialerd.store.activity import ActivityStore
from dialerd.store.agents import AgentStore
from dialerd.store.attempts import AttemptStore
from dialerd.store.backlog import BacklogStore
from dialerd.store.callers import CallerStore
from dialerd.store.campaigns import CampaignStore
from dialerd.store.embedded import database
from dialerd.store.idempotency import IdempotencyStore
from dialerd.store.leads import LeadStore
from dialerd.store.media import MediaStore
from dialerd.store.migrate import migrate
from dialerd.store.nodes import NodeName, NodeStore
from dialerd.store.offers import OfferStore
from dialerd.store.outbox import CHANNEL as EVENTS
from dialerd.store.outbox import OutboxStore
from dialerd.store.pbx import PbxStore
from dialerd.store.pool import Pool, connect, listen
from dialerd.store.recordings import RecordingStore
from dialerd.store.servers import KnownServer
from dialerd.store.sounds import SoundStore
from dialerd.store.spool import Spool
from dialerd.store.webhooks import WebhookStore
from dialerd.webhooks.deliverer import Deliverer
from dialerd.webhooks.sender import Sender

log = structlog.get_logger(__name__)

NEWS_QUEUE = 20_000
HEARTBEAT_S = 5.0
RECORD_CONNECTIONS, VITAL_CONNECTIONS, TELL_CONNECTIONS = 3, 3, 2
"""Beside those of database.pool_size: for the rows of running calls; for the signs of life, one of which holds our name; for webhooks."""
GC_ALLOCATIONS = 20_000
"""New objects between two collections of the youngest; Python's own 700 means several collections for each call."""
PARTITIONS_S = 12 * 3600.0
BACKLOG_S = 15.0
LIVE_SETTINGS = frozenset({"log.format", "log.level", "trunk.max_calls_per_second"})
"""What a running daemon takes over when it is told to read its settings again. All others wait for the next start."""


async def run(settings: Settings, *, read_again: Callable[[], Settings], with_web: bool = False) -> None:
    """Dial until SIGTERM or SIGINT. Raises SettingsError, before anything is started, if the settings cannot work.

    `read_again` is what SIGHUP asks for; it raises SettingsError. `with_web`: the API is served by this process, too.
    """
    settings.require_asterisk()
    async with database(settings.database) as dsn:
        await migrate(dsn)
        async with (
            _connected(dsn, settings.database.pool_size) as pools,
            NodeStore(pools.vital).name_reserved(settings.dialer.node_id) as name,
            asyncio.TaskGroup() as tasks,
        ):
            daemon = _Daemon(settings, pools, name, tasks, read_again)
            serving = []
            if with_web:
                from dialerd import web  # here, because a daemon without it starts in half the time

                serve_web = web.run(settings, dsn, registry=daemon.metrics.registry)
                serving.append(tasks.create_task(serve_web, name="web"))
            await daemon.live()
            for server in serving:
                server.cancel()


@dataclass(frozen=True, kw_only=True)
class _Pools:
    """Connections to one database, apart for those that must not wait for the others."""

    dsn: str
    claims: Pool
    """For claims, and for all that may wait as they do. Shut while the server may have lost rows."""
    records: Pool
    """For the rows of running calls."""
    vital: Pool
    """For the signs of life, on which the right to dial depends."""
    tell: Pool
    """For webhooks, which no call is to wait for. Shut together with `claims`."""
    server: KnownServer

    def use(self) -> dict[str, PoolUse]:
        named = {"claims": self.claims, "records": self.records, "vital": self.vital, "tell": self.tell}
        return {name: _use(pool) for name, pool in named.items()}


def _use(pool: Pool) -> PoolUse:
    size = pool.get_size()
    return PoolUse(open=size, in_use=size - pool.get_idle_size(), most=pool.get_max_size())


@asynccontextmanager
async def _connected(dsn: str, size: int) -> AsyncIterator[_Pools]:
    server, opened = KnownServer(), list[Pool]()
    try:
        for most, greet in (
            (size, server.guard),
            (RECORD_CONNECTIONS, server.greet),
            (VITAL_CONNECTIONS, server.greet),
            (TELL_CONNECTIONS, server.guard),
        ):
            opened.append(await connect(dsn, max_connections=most, greet=greet))
        claims, records, vital, tell = opened
        server.watch(vital)
        yield _Pools(dsn=dsn, claims=claims, records=records, vital=vital, tell=tell, server=server)
    finally:
        for pool in opened:
            pool.terminate()


class _Daemon:
    """The parts, in the order in which they need each other."""

    def __init__(
        self,
        settings: Settings,
        pools: _Pools,
        name: NodeName,
        tasks: asyncio.TaskGroup,
        read_again: Callable[[], Settings],
    ) -> None:
        clock, node, pool = SYSTEM_CLOCK, settings.dialer.node_id, pools.claims
        self._settings = settings
        self._read_again = read_again
        self._dsn = pools.dsn
        self._pools = pools
        self._tasks = tasks
        self._eternal: list[asyncio.Task[None]] = []
        self._database_up = True
        self._name = name
        self._name_taken: NodeNameTaken | None = None
        self._oldest_transaction_s = 0.0
        self.metrics = Metrics()
        self.vital_signs = VitalSigns(clock, on_change=self._calls_changed, on_turn=self.metrics.note_turn)
        profiles = load_profiles(settings.compliance.profile_file)
        self.campaigns = CampaignStore(pool, profiles, vital=pools.vital)
        self.attempts = AttemptStore(pool, profiles)
        records = AttemptStore(pools.records, profiles)
        self.nodes = NodeStore(pools.vital)
        self.spool = Spool(settings.dialer.spool_dir or settings.database.state_dir / "spool", node)
        self.activity = ActivityStore(pool)
        self.backlog = BacklogStore(pool)
        self.leads = LeadStore(pool)
        self.idempotency = IdempotencyStore(pool)
        self.ami_news: asyncio.Queue[AmiNews] = asyncio.Queue(NEWS_QUEUE)
        self.ari_news: asyncio.Queue[AriNews] = asyncio.Queue(NEWS_QUEUE)
        self.ami = Ami(ami_settings(settings), events=self.ami_news, on_speech=self._calls_changed)
        self.ari = Ari(AriSettings.of(settings.ari), events=self.ari_news)
        self.reader = EventReader()
        self.queues = QueueMonitor(now=clock.monotonic)
        self.custom_contexts = CustomContexts(self.ami)
        self.telephony = Telephony(
            self.ami,
            self.ari,
            self.reader,
            app=settings.ari.app,
            trunk=_trunk(settings),
            before_dial=self.custom_contexts.before_dial,
        )
        rates = {trunk.name: trunk.max_calls_per_second for trunk in _trunks(settings)}
        self.trunks = Trunks(rates, now=clock.monotonic())
        pacer = Pacer(self.trunks)
        leases = Leases(clock)
        offers = OfferStore(pool, profiles)
        self.cards = CardDesk(
            offers=offers,
            queues=self.queues,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            on_answer=self._card_answered,
            on_accept=self._card_accepted,
            on_change=self._calls_changed,
        )
        self.tracker = CallTracker(
            attempts=records,
            cards=self.cards,
            spool=self.spool,
            telephony=self.telephony,
            queues=self.queues,
            clock=clock,
            publish=self.metrics.observe,
            trunks=self.trunks,
            pacer=pacer,
            leases=leases,
            on_change=self._calls_changed,
            on_kept=self._agent_kept,
            asterisk_ready=self._asterisk_ready,
            node_holds=self._node_holds,
            tasks=tasks,
            on_moved=self.custom_contexts.moved,
        )
        lost_rows = LostRows(
            attempts=records,
            spool=self.spool,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=clock,
            node=node,
        )
        self.lost_rows = lost_rows
        self.database_watch = DatabaseWatch(
            server=pools.server,
            clock_difference=self.nodes.clock_difference,
            put_back=self._put_lost_rows_back,
            clock=clock,
            on_change=self._calls_changed,
        )
        self.presence = Presence(
            nodes=self.nodes,
            telephony=self.telephony,
            clock=clock,
            node=node,
            silent_after=settings.dialer.lease_duration.total_seconds(),
            on_news=self._neighbours_changed,
        )
        self.rescuer = Rescuer(
            attempts=records,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            every_s=settings.dialer.resync_interval.total_seconds(),
            rescue_after=settings.dialer.rescue_after,
            give_up_after=settings.dialer.give_up_after,
            presence=self.presence,
            lost_rows=lost_rows,
            on_ready=self._calls_changed,
        )
        parts = RunnerParts(
            campaigns=self.campaigns,
            attempts=self.attempts,
            offers=offers,
            cards=self.cards,
            queues=self.queues,
            telephony=self.telephony,
            tracker=self.tracker,
            trunks=self.trunks,
            pacer=pacer,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            lease_duration=settings.dialer.lease_duration,
            leases=leases,
            asterisk_ready=self._asterisk_ready,
            node_holds=self._node_holds,
        )
        self.supervisor = Supervisor(
            campaigns=self.campaigns, nodes=self.nodes, tracker=self.tracker, parts=parts, tasks=tasks
        )
        self.archivist = Archivist(
            recordings=RecordingStore(pool),
            telephony=self.telephony,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            keep_for=settings.recordings.keep_for,
            look_after=settings.recordings.look_after,
        )
        self.hooks = Hooks(HookStores.over(pool), callback_within=settings.hooks.callback_within)
        self.opt_out_line = OptOutLine(marks=OptOutMarks(self.ami), note=self.hooks.opt_out)
        self.deliverer = Deliverer(
            deliveries=WebhookStore(pools.tell),
            events=OutboxStore(pools.tell),
            send=Sender(settings.webhooks).send,
            for_crm=partial(result_request, secrets=settings.crm.secrets),
            clock=clock,
            give_up_after=settings.webhooks.give_up_after,
            keep_for=settings.webhooks.keep_for,
        )
        self.sounds = SoundWatch(sounds=SoundStore(pool), telephony=self.telephony)
        self.media = (
            MediaKeeper(media=MediaStore(pool), folder=settings.media.folder, on_change=self.sounds.ring)
            if settings.media.folder
            else None
        )
        self.agent_wishes = AgentWishes(rows=AgentStore(pool), members=QueueMembers(self.ami), node=node)
        self.pbx_watch = PbxWatch(rows=PbxStore(pool), queues=self.queues, clock=clock, node=node)
        self.caller_desk = CallerDesk(rows=CallerStore(pool), node=node)
        self.listener = Listener(
            ami=self.ami,
            reader=self.reader,
            queues=self.queues,
            callers=CallerMonitor(on_change=self.caller_desk.put),
            on_call_news=self._call_news,
            on_link=self._link_changed,
            on_lag=self.metrics.note_lag,
        )

    async def live(self) -> None:
        """Start everything, dial until told to stop, let unanswered calls end, then end everything."""
        settings = self._settings
        node, resync_s = settings.dialer.node_id, settings.dialer.resync_interval.total_seconds()
        await self.nodes.register(node, __version__)
        await self.spool.open()
        self._show_in_metrics()
        self._forever("database-watch", self.database_watch.run())
        self._forever("spool", self.spool.watch())
        self._forever("ami", self.ami.run())
        self._forever("ari", self.ari.run())
        self._forever("ami-news", self.listener.listen_to_ami(self.ami_news))
        self._forever("ari-news", self.listener.listen_to_ari(self.ari_news))
        self._forever("queue-resync", self.listener.resync_queues(resync_s))
        self._forever("presence", self.presence.run())
        self._forever("rescuer", self.rescuer.run())
        self._forever("cards", self.cards.run())
        self._forever("recordings", self.archivist.run())
        self._forever("sounds", self.sounds.run())
        if self.media is not None:
            self._forever("media", self.media.run())
        self._forever("agent-wishes", self.agent_wishes.run())
        self._forever("pbx-watch", self.pbx_watch.run())
        self._forever("caller-desk", self.caller_desk.run())
        self._forever("custom-contexts", self.custom_contexts.watch())
        self._forever("custom-moments", self.custom_contexts.tell())
        self._forever("opt-out-line", self.opt_out_line.run())
        self._forever("bell", listen(self._dsn, self._ring))
        self._forever("events-bell", listen(self._dsn, self.deliverer.ring, channel=EVENTS))
        self._forever("webhooks", self.deliverer.run())
        self._forever("heartbeat", self._heartbeat(node))
        self._forever("node-name", self._keep_name())
        self._forever("partitions", self._keep_partitions_ahead())
        self._forever("backlog", self._count_backlog())
        self._forever("vital-signs", self.vital_signs.run())
        self._forever(
            "http", serve(create_app(self.metrics.registry, self._readiness), settings.http.host, settings.http.port)
        )
        if settings.hooks.port is not None:
            self._forever("hooks", serve(create_hooks(self.hooks), settings.hooks.host, settings.hooks.port))
        if (interval := systemd.watchdog_interval()) is not None:
            self._forever("watchdog", systemd.stay_alive(interval))
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        _calm_the_collector()
        systemd.ready(f"node {node}")
        log.info("dialerd_started", node=node, version=__version__)
        await self.supervisor.run()
        await self._drain()
        for task in self._eternal:
            task.cancel()
        if self._name_taken is not None:
            raise self._name_taken

    def _stop(self) -> None:
        log.info("dialerd_stopping", calls_in_flight=len(self.tracker.calls))
        systemd.stopping("no new calls; those in flight end")
        self.supervisor.stop_dialing()

    def _reload(self) -> None:
        """Take over what can be changed while calls run, and say what cannot. Settings that cannot be used change nothing."""
        try:
            new = self._read_again()
            new.require_asterisk()
        except SettingsError as wrong:
            log.error("settings_not_reloaded", why=wrong.message, hint="the daemon goes on with those it has")
            systemd.say("settings not reloaded: they cannot be used")
            return
        changed = changed_fields(self._settings, new)
        self._take_over(new)
        waiting = changed - LIVE_SETTINGS
        log.info("settings_reloaded", in_force=sorted(changed - waiting), at_the_next_start=sorted(waiting))
        systemd.say("settings reloaded" + (", some of them for the next start: see the log" if waiting else ""))

    def _take_over(self, new: Settings) -> None:
        """LIVE_SETTINGS, and no others."""
        rate = new.trunk.max_calls_per_second
        trunk = self._settings.trunk.model_copy(update={"max_calls_per_second": rate})
        self._settings = self._settings.model_copy(update={"log": new.log, "trunk": trunk})
        configure(new.log)
        self.trunks.set_most(trunk.name, rate, SYSTEM_CLOCK.monotonic())
        self.supervisor.wake_all()

    async def _drain(self) -> None:
        """Talk does not need us, and what is left is taken up again by the next start, so patience has a limit."""
        try:
            async with asyncio.timeout(self._settings.dialer.drain_timeout.total_seconds()):
                await self.tracker.idle.wait()
        except TimeoutError:
            log.info("calls_left_to_the_next_start", calls=len(self.tracker.calls))
        end_soon()
        await self.supervisor.closed()
        self.tracker.let_all_go()

    def _forever(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._eternal.append(self._tasks.create_task(_never_ends(name, work), name=name))

    def _asterisk_ready(self) -> bool:
        return self.telephony.up and not self.ami.is_doubtful and self.rescuer.ready.is_set()

    def _node_holds(self) -> frozenset[HoldReason]:
        """What forbids the calls of all campaigns at once."""
        return frozenset(reason for reason, holds in self._holding() if holds)

    def _holding(self) -> Iterator[tuple[HoldReason, bool]]:
        yield HoldReason.NAME_LOST, not self._name.held
        yield HoldReason.FILES_SHORT, self.vital_signs.files_short
        yield HoldReason.SPOOL_BROKEN, bool(self.spool.broken)
        yield HoldReason.CALLS_LOST, bool(self.lost_rows.without_row)
        for reason in self.database_watch.holds:
            yield reason, True

    async def _put_lost_rows_back(self) -> None:
        """From what we know, and then, at the next look at Asterisk, from what its channels say."""
        await self.lost_rows.put_back_recent()
        self.rescuer.database_changed()

    async def _keep_name(self) -> None:
        """Where somebody else has started under our name, he has our calls by now, too: we end, and say why."""
        try:
            await self._name.keep(self._calls_changed)
        except NodeNameTaken as taken:
            log.error("node_name_taken", why=str(taken), hint="stop one of the two, or give it another dialer.node_id")
            self._name_taken = taken
            self._stop()
        await asyncio.Event().wait()

    def _neighbours_changed(self) -> None:
        self.rescuer.look_again()

    def _calls_changed(self) -> None:
        self.supervisor.wake_all()

    def _ring(self) -> None:
        self.supervisor.ring()
        self.cards.ring()
        self.sounds.ring()
        self.agent_wishes.ring()
        if self.media is not None:
            self.media.ring()

    def _card_answered(self, offer: Offer, event: CallEvent) -> None:
        if offer.attempt_id is not None:
            self.tracker.feed(offer.attempt_id, event)

    def _card_accepted(self, offer: Offer) -> None:
        self.supervisor.accept(offer)

    def _agent_kept(self, agent: KeptAgent) -> None:
        self.supervisor.keep(agent)

    def _call_news(self, news: CallNews) -> None:
        self.tracker.feed(news.attempt, news.event)

    def _link_changed(self, up: bool) -> None:
        if up:
            self.custom_contexts.link_changed()
            self.opt_out_line.link_changed()
            self.agent_wishes.ring()
            self.rescuer.link_restored()
        else:
            self.rescuer.link_lost()
        self.supervisor.wake_all()

    def _show_in_metrics(self) -> None:
        self.metrics.watch_link(
            "ami",
            is_up=self.ami.up.is_set,
            counters=lambda: vars(self.ami.counters),
            backlog=self.ami_news.qsize,
            round_trip_s=lambda: self.ami.round_trip_s,
        )
        self.metrics.watch_link(
            "ari",
            is_up=self.ari.up.is_set,
            counters=lambda: vars(self.ari.counters),
            backlog=self.ari_news.qsize,
            round_trip_s=lambda: self.ari.round_trip_s,
        )
        self.metrics.watch_readiness(self._readiness)
        self.metrics.watch_calls(lambda: self.tracker.calls)
        self.metrics.watch_campaigns(lambda: self.supervisor.paces)
        self.metrics.watch_trunks(lambda: self.trunks.all)
        self.metrics.watch_queues(self.queues.watched, now=SYSTEM_CLOCK.monotonic)
        self.metrics.watch_loop(lambda: self.vital_signs.blocked_s)
        self.metrics.watch_database(
            clock_difference=lambda: self.database_watch.difference,
            round_trip_s=lambda: self.database_watch.round_trip_s,
            calls_without_row=lambda: len(self.lost_rows.without_row),
            pools=self._pools.use,
        )
        self.metrics.watch_spool(
            broken=lambda: bool(self.spool.broken),
            calls=lambda: self.spool.calls,
            free_bytes=lambda: self.spool.free_bytes,
        )
        self.metrics.watch_transactions(lambda: self._oldest_transaction_s)
        self.metrics.watch_draining(lambda: self.supervisor.draining)

    def _readiness(self) -> dict[str, bool | str]:
        return {
            "database": self._database_up,
            "node_name": self._name.held,
            "database_space": HoldReason.STORE_FULL not in self.supervisor.holds,
            "ami": "Asterisk is shutting down" if self.ami.is_leaving else self.ami.up.is_set() or self.ami.why_down,
            "ari": self.ari.up.is_set() or self.ari.why_down,
            "calls_known": self.rescuer.ready.is_set(),
            "files": not self.vital_signs.files_short,
            "clocks": self.database_watch.clocks_agree,
            "spool": not self.spool.broken or self.spool.broken,
            "not_draining": not self.supervisor.draining
            or "others dial: it was told to drain (see `dialerd node undrain`), or its Asterisk is away",
        }

    async def _heartbeat(self, node: str) -> None:
        while True:
            try:
                oldest = await self.nodes.oldest_snapshot()
                self._oldest_transaction_s = oldest.age.total_seconds() if oldest else 0.0
                self._database_up = True
            except DialerdError as trouble:
                self._database_up = False
                log.warning("heartbeat_failed", why=str(trouble))
            await asyncio.sleep(HEARTBEAT_S)

    async def _keep_partitions_ahead(self) -> None:
        """The months of the activity record are made before they begin; answers that nobody will ask for again are forgotten."""
        while True:
            try:
                await self.activity.ensure_partitions()
                await self.idempotency.forget_old()
            except DialerdError as trouble:
                log.warning("partitions_not_made", why=str(trouble))
            await asyncio.sleep(PARTITIONS_S)

    async def _count_backlog(self) -> None:
        """For people and metrics."""
        while True:
            try:
                await self.leads.sum_up_tallies()
                self.metrics.observe(await self.backlog.count())
            except DialerdError as trouble:
                log.warning("backlog_not_counted", why=str(trouble))
            await asyncio.sleep(BACKLOG_S)


def ami_settings(settings: Settings) -> AmiSettings:
    ami = settings.ami
    return AmiSettings(
        host=ami.host,
        port=ami.port,
        user=ami.user,
        secret=ami.secret.get_secret_value(),
        tls=ami.tls,
        tls_ca=str(ami.tls_ca) if ami.tls_ca else None,
        keepalive_s=ami.keepalive.total_seconds(),
        connect_timeout_s=ami.connect_timeout.total_seconds(),
        event_queue=NEWS_QUEUE,
    )


def _trunks(settings: Settings) -> Sequence[PreferredTrunk | BackupTrunk]:
    """The preferred one first."""
    return (settings.trunk, *settings.trunk.backups)


def _trunk(settings: Settings) -> TrunkSettings:
    return TrunkSettings(
        dial_templates={trunk.name: trunk.dial_template for trunk in _trunks(settings)},
        message=settings.dialer.message_sound,
        hold_margin_s=int(settings.dialer.hold_margin.total_seconds()),
    )


def _calm_the_collector() -> None:
    """Everything loaded so far lives as long as we do. Looking through it again and again would stop the event loop for tens of
    milliseconds at a time, which the carrier sees as uneven pacing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


async def _never_ends(name: str, work: Coroutine[Any, Any, None]) -> None:
    """An eternal task that ends is itself an error: nothing would do its work any more."""
    await work
    raise RuntimeError(f"{name} has ended by itself")
