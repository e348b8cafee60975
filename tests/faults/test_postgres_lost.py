"""The database forgets, or its word does not arrive; clocks part; the daemon's own disk is full. Who was called is not called again for
that, what became of it is known, and nothing new is begun on sand."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import pytest
import pytest_asyncio

from dialerd.audit import Span
from dialerd.domain.calls import AttemptState
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.store.pool import Pool, connect
from tests.acceptance.conftest import IMPATIENT, LOG_TAIL, as_url
from tests.acceptance.desk import BUSY, LONG_RING, NOBODY, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import Daemon, running_daemon
from tests.faults.postgres import SUPERUSER, OwnPostgres, SmallDisk, mounted, own_postgres
from tests.faults.proxy import FaultProxy, Way
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

COMMITTED = b"COMMIT\x00"
"""The server's word that a transaction is written."""
HOUR_S = 3600


def said(daemon: Daemon, event: str) -> list[dict[str, object]]:
    """What the daemon has logged under this name."""
    lines = [json.loads(line) for line in daemon.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


def no_traceback_in(daemon: Daemon) -> bool:
    return "Traceback" not in daemon.log.read_text(encoding="utf-8")


# --- F10: a standby that has not heard the last -------------------------------------------------------------------------


class Cluster:
    """A primary that the daemon dials by, and its standby. `proxy` leads to whichever is `in_charge`."""

    def __init__(self, primary: OwnPostgres, standby: OwnPostgres) -> None:
        self.primary = primary
        self.standby = standby
        self.in_charge = primary

    async def cut_standby_off(self, lab: Lab) -> None:
        """From now on it does not hear what is written. All that was written until now, it has."""
        async with self.primary.session() as primary, self.standby.session() as standby:
            written = await primary.fetchval("SELECT pg_current_wal_lsn()")
            heard = "SELECT WHERE pg_last_wal_replay_lsn() >= $1"
            await lab.wait_for(lambda: standby.fetch(heard, written), PATIENCE_S)
            await standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await standby.execute("SELECT pg_reload_conf()")
            deaf = "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
            await lab.wait_for(lambda: standby.fetch(deaf), PATIENCE_S)

    async def fail_over(self) -> None:
        await self.primary.die("immediate")
        async with self.standby.session() as session:
            await session.execute("SELECT pg_promote()")
        self.in_charge = self.standby


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with own_postgres() as primary:
        await primary.initialize()
        await primary.die("fast")
        folder = Path(tempfile.mkdtemp(prefix="dialerd-"))
        try:
            subprocess.run(["cp", "-a", f"{primary.folder}/.", str(folder)], check=True)
            shutil.copystat(primary.folder, folder)
            (folder / "data" / "standby.signal").touch()
            with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
                settings.write(f"primary_conninfo = 'host={primary.folder} user={SUPERUSER}'\n")
            if primary.uid is not None and primary.gid is not None:
                for path in (folder, folder / "data" / "standby.signal"):
                    os.chown(path, primary.uid, primary.gid)
            standby = OwnPostgres(folder=folder, binaries=primary.binaries, uid=primary.uid, gid=primary.gid)
            await primary.start()
            await standby.start()
            try:
                yield Cluster(primary, standby)
            finally:
                await standby.die("immediate")
        finally:
            shutil.rmtree(folder)


@asynccontextmanager
async def dialing_by(cluster: Cluster, lab: Lab) -> AsyncIterator[tuple[Desk, FaultProxy]]:
    async with FaultProxy.to_postgres(lambda: cluster.in_charge.dsn) as proxy:
        dsn = proxy.dsn(cluster.primary.dsn)
        async with running_daemon(lab, DIALERD_DATABASE__DSN=dsn, **IMPATIENT) as daemon:
            pool = await connect(dsn)
            try:
                yield Desk(lab, daemon, pool), proxy
            finally:
                pool.terminate()
                sys.stderr.write(daemon.log.read_text(encoding="utf-8")[-LOG_TAIL:])


async def lay_out(desk: Desk, cluster: Cluster, leads: list[str], **settings: object) -> int:
    """A campaign whose every attempt the standby will not know: it runs, and the first agents come when that is cut off."""
    campaign = await desk.dial(leads, ring_timeout_s=60, max_attempts=2, cooloff_s=300, **settings)
    await desk.until_held(campaign, "no_free_agent")
    await cluster.cut_standby_off(desk.lab)
    return campaign


@pytest.mark.long
async def test_attempts_that_a_promoted_standby_has_never_heard_of_are_put_back_and_not_dialed_again(
    lab: Lab, cluster: Cluster
) -> None:
    """F10: the primary dies; the standby that is promoted knows of none of the calls: one has ended, one talks, one rings."""
    await lab.set_fates(talk_s=(12, 12), long_ring_s=(14, 14))
    [busy, *more], [talker], [ringer] = some(5, BUSY), some(1, PERSON), some(1, LONG_RING)
    async with dialing_by(cluster, lab) as (desk, proxy):
        campaign = await lay_out(desk, cluster, [busy, talker, ringer, *more], concurrency=2)
        agents = await desk.staff("1010", "1011", "1012", "1013")
        assert await desk.until_outcome(busy) is Outcome.BUSY
        talking = await desk.until_call_is(talker, AttemptState.CONNECTED)
        await desk.until_call_is(ringer, AttemptState.RINGING)
        await cluster.fail_over()
        proxy.cut()
        found = await desk.until_call_is(talker, AttemptState.CONNECTED)
        assert dict(found) == {**talking, "epoch": found["epoch"], "admitted_by": {"put_back": True}}
        await desk.until_at_rest(campaign)
        assert [await desk.outcomes(number) for number in (busy, talker, ringer)] == [
            [Outcome.BUSY],
            [Outcome.CONNECTED],
            [Outcome.CONNECTED],
        ]
        await desk.until_seen(3 + len(more))
        assert sorted(desk.dialed()) == sorted([busy, talker, ringer, *more])  # each once, and dialing has gone on
        assert (await desk.lead_states(campaign))[busy] is LeadState.COOLOFF
        assert desk.talk_of(talker) > 11
        assert len(said(desk.daemon, "lost_attempt_put_back")) == 3
        assert no_traceback_in(desk.daemon)
        await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_what_a_daemon_of_before_has_dialed_is_read_from_its_channels(lab: Lab, cluster: Cluster) -> None:
    """F10: the daemon dies with the primary. The next one knows nothing, the standby knows nothing, but Asterisk does."""
    await lab.set_fates(talk_s=(15, 15), long_ring_s=(18, 18))
    [talker], [ringer], more = some(1, PERSON), some(1, LONG_RING), some(2, BUSY)
    async with dialing_by(cluster, lab) as (desk, proxy):
        campaign = await lay_out(desk, cluster, [talker, ringer, *more], concurrency=2)
        agents = await desk.staff("1010", "1011", "1012", "1013")
        await desk.until_call_is(talker, AttemptState.CONNECTED)
        await desk.until_call_is(ringer, AttemptState.RINGING)
        await desk.daemon.stop(SIGKILL)
        await cluster.fail_over()
        proxy.cut()
        await desk.daemon.start()
        await desk.until_at_rest(campaign)
        assert [await desk.outcomes(number) for number in (talker, ringer)] == [[Outcome.CONNECTED]] * 2
        await desk.until_seen(2 + len(more))
        assert sorted(desk.dialed()) == sorted([talker, ringer, *more])
        assert desk.talk_of(talker) > 14
        await desk.judge(campaign, agents=agents)


# --- F11: the word that it is written does not arrive -------------------------------------------------------------------


@asynccontextmanager
async def by_proxy(desk: Desk, database: str) -> AsyncIterator[FaultProxy]:
    """The daemon begins anew, and comes to its database through a line that can be cut."""
    async with FaultProxy.to_postgres(as_url(database)) as proxy:
        await desk.daemon.stop()
        desk.daemon.environment |= {
            "DIALERD_DATABASE__DSN": proxy.dsn(as_url(database)),
            "DIALERD_DIALER__RESYNC_INTERVAL": "1s",
        }
        await desk.daemon.start()
        yield proxy
        await desk.daemon.stop()


async def test_an_attempt_that_was_written_and_never_dialed_does_not_count(
    desk: Desk, database: str, pool: Pool
) -> None:
    """F11: the line is cut when the row of the attempt is committed, before the daemon is told."""
    agents = await desk.staff("1010")
    [number] = some(1, [50])
    async with by_proxy(desk, database) as proxy:
        campaign = await desk.campaign([number])  # one attempt is all that the lead has

        async def is_open() -> bool:
            return bool(await desk.attempts(number))

        await desk.start(campaign)
        await proxy.catch_of(COMMITTED, Way.TO_CLIENT, is_open)
        proxy.thaw()
        proxy.cut()
        await desk.until_completed(campaign)
        assert await desk.outcomes(number) == [Outcome.NOT_PLACED, Outcome.BUSY]
        assert len(await desk.until_seen(1)) == 1
        assert no_traceback_in(desk.daemon)
        await desk.judge(campaign, agents=agents)


async def test_an_end_that_was_written_is_not_written_again(desk: Desk, database: str, pool: Pool) -> None:
    """F11: the same for the row's end."""
    agents = await desk.staff("1010")
    [number] = some(1, NOBODY)
    async with by_proxy(desk, database) as proxy:
        campaign = await desk.dial([number], ring_timeout_s=5, max_attempts=2, cooloff_s=3)
        await desk.until_call_is(number, AttemptState.RINGING)

        async def is_closed() -> bool:
            return await desk.outcomes(number) == [Outcome.NO_ANSWER]

        await proxy.catch_of(COMMITTED, Way.TO_CLIENT, is_closed)
        proxy.thaw()
        proxy.cut()
        await desk.until_completed(campaign)
        assert await desk.outcomes(number) == [Outcome.NO_ANSWER] * 2
        await desk.until_seen(2)
        ends = await pool.fetchval("SELECT count(*) FROM activity WHERE fact = 'ended'")
        assert ends == len(desk.calls_to(number)) == 2
        assert no_traceback_in(desk.daemon)
        await desk.judge(campaign, agents=agents)


# --- F34: clocks --------------------------------------------------------------------------------------------------------


class FakedClock:
    """The wall clock of a daemon that is started with `environment`; its monotonic clock is the true one."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.put(0)
        self.environment = {
            "LD_PRELOAD": str(_libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def put(self, seconds: int) -> None:
        """Forward or back, against the right time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)


def _libfaketime() -> Path:
    """Where there is none, root fetches the distribution's."""
    if not (found := _installed_libfaketime()):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"], check=True)
        found = _installed_libfaketime()
    assert found, "this drill needs libfaketime: install it"
    return found[0]


def _installed_libfaketime() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


async def test_nothing_is_dialed_while_the_clocks_of_daemon_and_database_differ(desk: Desk, lab: Lab) -> None:
    """F34: the daemon's clock is put an hour forward, then an hour back, while it dials."""
    agents = await desk.staff("1010")
    clock = FakedClock(desk.daemon.folder)
    await desk.daemon.stop()
    desk.daemon.environment |= clock.environment
    await desk.daemon.start()
    leads = some(16, BUSY)
    campaign = await desk.dial(leads, calls_per_second=2, concurrency=2)
    allowed, began = list[Span](), now()
    for turn, seconds in enumerate((HOUR_S, -HOUR_S), start=1):
        await desk.until_seen(4 * turn)
        clock.put(seconds)
        await desk.until_held(campaign, "clocks_differ")
        await lab.wait_for(lab.is_silent, PATIENCE_S)
        held, dialed = now(), len(desk.dialed())
        assert await desk.metric("dialerd_clock_difference_seconds") == pytest.approx(-seconds, abs=60)
        assert "clocks" in await desk.daemon.get("/readyz")
        assert "NTP" in await desk.explained()
        assert len(desk.dialed()) == dialed < len(leads)
        allowed.append(Span(start=began, end=held))
        began = now()
        clock.put(0)
    await desk.until_seen(len(leads))
    await desk.until_completed(campaign)
    assert sorted(desk.dialed()) == sorted(leads)
    await desk.judge(campaign, agents=agents, allowed=[*allowed, Span(start=began)])


# --- F41: the daemon's own disk -----------------------------------------------------------------------------------------


@asynccontextmanager
async def a_disk_of_its_own(desk: Desk) -> AsyncIterator[SmallDisk]:
    """For the log and the spool of the daemon, which begins anew."""
    folder = desk.file("disk")
    folder.mkdir()
    await desk.daemon.stop()
    with mounted(folder, megabytes=4) as disk:
        desk.daemon.environment["DIALERD_DIALER__SPOOL_DIR"] = str(folder / "spool")
        desk.daemon.log = folder / "log"
        await desk.daemon.start()
        try:
            yield disk
        finally:
            await desk.daemon.stop()
            shutil.copy(desk.daemon.log, desk.daemon.folder / "daemon.log")
            desk.daemon.log = desk.daemon.folder / "daemon.log"


@pytest.mark.long
async def test_while_the_daemons_disk_is_full_talk_goes_on_and_nobody_is_called(desk: Desk, lab: Lab) -> None:
    """F41: the disk of log and spool fills up under load, and has space again later."""
    agents = await desk.staff("1010", "1011")
    await lab.set_fates(talk_s=(11, 11))
    [talker], others = some(1, PERSON), some(12, BUSY)
    async with a_disk_of_its_own(desk) as disk:
        process = desk.daemon.pid
        began, campaign = now(), await desk.dial([talker, *others], calls_per_second=1)
        await desk.until_call_is(talker, AttemptState.CONNECTED)
        disk.fill()
        await desk.until_held(campaign, "spool_broken")
        await lab.wait_for(lambda: desk.calls_to(talker), PATIENCE_S)
        held, dialed = now(), len(desk.dialed())
        assert dialed < 1 + len(others)
        assert await desk.metric("dialerd_spool_broken") == 1
        assert "No space left" in await desk.daemon.get("/readyz")
        assert desk.talk_of(talker) > 10
        assert await desk.until_outcome(talker) is Outcome.CONNECTED
        assert (desk.daemon.pid, len(desk.dialed())) == (process, dialed)
        relieved = now()
        disk.relieve()
        await desk.until_completed(campaign)
        await desk.until_seen(1 + len(others))
        assert sorted(desk.dialed()) == sorted([talker, *others])
        await desk.judge(campaign, agents=agents, allowed=[Span(start=began, end=held), Span(start=relieved)])


async def test_what_ends_while_database_and_disk_take_nothing_is_known_to_the_next_start(
    desk: Desk, lab: Lab, database: str
) -> None:
    """F41: with the reserve that is left on a full disk. F9: what became of calls while the database was away is not `unknown`, even if
    the daemon dies before it is back."""
    agents = await desk.staff("1010")
    await lab.set_fates(talk_s=(5, 5))
    [talker] = some(1, PERSON)
    async with by_proxy(desk, database) as proxy, a_disk_of_its_own(desk) as disk:
        campaign = await desk.dial([talker], max_attempts=3, cooloff_s=1)
        await desk.until_call_is(talker, AttemptState.CONNECTED)
        disk.fill()
        proxy.refuse()
        proxy.cut()
        await desk.until_seen(1)
        spool = disk.folder / "spool"
        await lab.wait_for(lambda: any('"ended"' in file.read_text() for file in spool.glob("*.jsonl")), PATIENCE_S)
        await desk.daemon.stop(SIGKILL)
        assert await desk.outcomes(talker) == [None]
        disk.relieve()
        proxy.refuse(False)
        await desk.daemon.start()
        await desk.until_completed(campaign)
        assert await desk.outcomes(talker) == [Outcome.CONNECTED]
        assert not list(spool.glob("*.jsonl"))
        assert len(desk.calls_to(talker)) == 1
    await desk.judge(campaign, agents=agents)
