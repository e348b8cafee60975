"""Builds every part of a running dialerd, runs them in one task group, and stops them in order. The only file that knows all rooms."""

import asyncio
import gc
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

from dialerd import __version__, systemd
from dialerd.api.app import create_app, serve
from dialerd.asterisk.ami import Ami, AmiSettings
from dialerd.asterisk.ari import Ari, AriSettings
from dialerd.asterisk.events import CallNews, EventReader
from dialerd.asterisk.listener import AmiNews, AriNews, Listener
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.asterisk.telephony import Telephony, TrunkSettings
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles as load_profiles
from dialerd.dialer.archivist import Archivist
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.card_desk import CardDesk
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.rescuer import Rescuer
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.dialer.sound_watch import SoundWatch
from dialerd.dialer.supervisor import Supervisor
from dialerd.dialer.trunk import Trunk
from dialerd.domain.calls import CallEvent, KeptAgent
from dialerd.domain.offers import Offer
from dialerd.errors import DialerdError
from dialerd.metrics import Metrics
from dialerd.settings import Settings
from dialerd.store.activity import ActivityStore
from dialerd.store.attempts import AttemptStore
from dialerd.store.campaigns import CampaignStore
from dialerd.store.embedded import database
from dialerd.store.migrate import migrate
from dialerd.store.nodes import NodeStore
from dialerd.store.offers import OfferStore
from dialerd.store.pool import Pool, connect, listen
from dialerd.store.recordings import RecordingStore
from dialerd.store.sounds import SoundStore

log = structlog.get_logger(__name__)

NEWS_QUEUE = 20_000
HEARTBEAT_S = 5.0
GC_ALLOCATIONS = 20_000
"""New objects between two collections of the youngest; Python's own 700 means several collections for each call."""
PARTITIONS_S = 12 * 3600.0


async def run(settings: Settings) -> None:
    """Dial until SIGTERM or SIGINT. Raises SettingsError, before anything is started, if the settings cannot work."""
    settings.require_asterisk()
    async with database(settings.database) as dsn:
        await migrate(dsn)
        pool = await connect(dsn, max_connections=settings.database.pool_size)
        try:
            async with NodeStore(pool).name_reserved(settings.dialer.node_id), asyncio.TaskGroup() as tasks:
                await _Daemon(settings, dsn, pool, tasks).live()
        finally:
            pool.terminate()


class _Daemon:
    """The parts, in the order in which they need each other."""

    def __init__(self, settings: Settings, dsn: str, pool: Pool, tasks: asyncio.TaskGroup) -> None:
        clock, node = SYSTEM_CLOCK, settings.dialer.node_id
        self._settings = settings
        self._dsn = dsn
        self._tasks = tasks
        self._eternal: list[asyncio.Task[None]] = []
        self._database_up = True
        self.metrics = Metrics()
        profiles = load_profiles(settings.compliance.profile_file)
        self.campaigns = CampaignStore(pool, profiles)
        self.attempts = AttemptStore(pool, profiles)
        self.nodes = NodeStore(pool)
        self.activity = ActivityStore(pool)
        self.ami_news: asyncio.Queue[AmiNews] = asyncio.Queue(NEWS_QUEUE)
        self.ari_news: asyncio.Queue[AriNews] = asyncio.Queue(NEWS_QUEUE)
        self.ami = Ami(ami_settings(settings), events=self.ami_news)
        self.ari = Ari(ari_settings(settings), events=self.ari_news)
        self.reader = EventReader()
        self.queues = QueueMonitor(now=clock.monotonic)
        self.telephony = Telephony(self.ami, self.ari, self.reader, app=settings.ari.app, trunk=_trunk(settings))
        trunk = Trunk(clock)
        pacer = Pacer(node_calls_per_second=settings.trunk.max_calls_per_second, now=clock.monotonic())
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
            attempts=self.attempts,
            cards=self.cards,
            telephony=self.telephony,
            queues=self.queues,
            clock=clock,
            publish=self.metrics.observe,
            trunk=trunk,
            pacer=pacer,
            on_change=self._calls_changed,
            on_kept=self._agent_kept,
            tasks=tasks,
        )
        self.rescuer = Rescuer(
            attempts=self.attempts,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            every_s=settings.dialer.resync_interval.total_seconds(),
            rescue_after=settings.dialer.rescue_after,
        )
        parts = RunnerParts(
            campaigns=self.campaigns,
            attempts=self.attempts,
            offers=offers,
            cards=self.cards,
            queues=self.queues,
            telephony=self.telephony,
            tracker=self.tracker,
            trunk=trunk,
            pacer=pacer,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            lease_duration=settings.dialer.lease_duration,
            asterisk_ready=self._asterisk_ready,
        )
        self.supervisor = Supervisor(campaigns=self.campaigns, tracker=self.tracker, parts=parts, tasks=tasks)
        self.archivist = Archivist(
            recordings=RecordingStore(pool),
            telephony=self.telephony,
            clock=clock,
            publish=self.metrics.observe,
            node=node,
            keep_for=settings.recordings.keep_for,
            look_after=settings.recordings.look_after,
        )
        self.sounds = SoundWatch(sounds=SoundStore(pool), telephony=self.telephony)
        self.listener = Listener(
            ami=self.ami,
            reader=self.reader,
            queues=self.queues,
            on_call_news=self._call_news,
            on_link=self._link_changed,
        )

    async def live(self) -> None:
        """Start everything, dial until told to stop, let unanswered calls end, then end everything."""
        settings = self._settings
        node, resync_s = settings.dialer.node_id, settings.dialer.resync_interval.total_seconds()
        await self.nodes.register(node, __version__)
        self._show_in_metrics()
        self._forever("ami", self.ami.run())
        self._forever("ari", self.ari.run())
        self._forever("ami-news", self.listener.listen_to_ami(self.ami_news))
        self._forever("ari-news", self.listener.listen_to_ari(self.ari_news))
        self._forever("queue-resync", self.listener.resync_queues(resync_s))
        self._forever("rescuer", self.rescuer.run())
        self._forever("cards", self.cards.run())
        self._forever("recordings", self.archivist.run())
        self._forever("sounds", self.sounds.run())
        self._forever("bell", listen(self._dsn, self._ring))
        self._forever("heartbeat", self._heartbeat(node))
        self._forever("partitions", self._keep_partitions_ahead())
        self._forever(
            "http", serve(create_app(self.metrics.registry, self._readiness), settings.http.host, settings.http.port)
        )
        if (interval := systemd.watchdog_interval()) is not None:
            self._forever("watchdog", _stay_alive(interval.total_seconds()))
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop)
        _calm_the_collector()
        systemd.ready(f"node {node}")
        log.info("dialerd_started", node=node, version=__version__)
        await self.supervisor.run()
        await self._drain()
        for task in self._eternal:
            task.cancel()

    def _stop(self) -> None:
        log.info("dialerd_stopping", calls_in_flight=len(self.tracker.calls))
        systemd.stopping("no new calls; those in flight end")
        self.supervisor.stop_dialing()

    async def _drain(self) -> None:
        """Talk does not need us, and what is left is taken up again by the next start, so patience has a limit."""
        try:
            async with asyncio.timeout(self._settings.dialer.drain_timeout.total_seconds()):
                await self.tracker.idle.wait()
        except TimeoutError:
            log.info("calls_left_to_the_next_start", calls=len(self.tracker.calls))
        await self.supervisor.closed()
        self.tracker.let_all_go()

    def _forever(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._eternal.append(self._tasks.create_task(_never_ends(name, work), name=name))

    def _asterisk_ready(self) -> bool:
        return self.telephony.up and self.rescuer.ready.is_set()

    def _calls_changed(self) -> None:
        self.supervisor.wake_all()

    def _ring(self) -> None:
        self.supervisor.ring()
        self.cards.ring()
        self.sounds.ring()

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
            self.rescuer.link_restored()
        else:
            self.rescuer.link_lost()
        self.supervisor.wake_all()

    def _show_in_metrics(self) -> None:
        self.metrics.watch_link("ami", is_up=self.ami.up.is_set, counters=lambda: vars(self.ami.counters))
        self.metrics.watch_link("ari", is_up=self.ari.up.is_set, counters=lambda: vars(self.ari.counters))
        self.metrics.watch_calls(lambda: self.tracker.calls)
        self.metrics.watch_queues(self.queues.watched, now=SYSTEM_CLOCK.monotonic)

    def _readiness(self) -> dict[str, bool]:
        return {
            "database": self._database_up,
            "ami": self.ami.up.is_set(),
            "ari": self.ari.up.is_set(),
            "calls_known": self.rescuer.ready.is_set(),
        }

    async def _heartbeat(self, node: str) -> None:
        while True:
            try:
                await self.nodes.heartbeat(node)
                await self.nodes.note_queues(self.queues.names())
                self._database_up = True
            except DialerdError as trouble:
                self._database_up = False
                log.warning("heartbeat_failed", why=str(trouble))
            await asyncio.sleep(HEARTBEAT_S)

    async def _keep_partitions_ahead(self) -> None:
        """The months of the activity record are made before they begin."""
        while True:
            try:
                await self.activity.ensure_partitions()
            except DialerdError as trouble:
                log.warning("partitions_not_made", why=str(trouble))
            await asyncio.sleep(PARTITIONS_S)


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


def ari_settings(settings: Settings) -> AriSettings:
    ari = settings.ari
    return AriSettings(
        base_url=ari.base_url,
        user=ari.user,
        password=ari.password.get_secret_value(),
        app=ari.app,
        tls_ca=str(ari.tls_ca) if ari.tls_ca else None,
    )


def _trunk(settings: Settings) -> TrunkSettings:
    return TrunkSettings(
        dial_template=settings.trunk.dial_template,
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


async def _stay_alive(every_s: float) -> None:
    while True:
        systemd.alive()
        await asyncio.sleep(every_s)
