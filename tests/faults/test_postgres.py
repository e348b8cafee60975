"""Postgres restarts, crashes, is crowded, slow, full or held back, while calls ring and people talk: nobody is called who was not
written down, nobody twice, no talk suffers, and dialing goes on by itself when the trouble is over."""

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from signal import SIGCONT, SIGSTOP
from typing import get_args

import asyncpg
import pytest
import pytest_asyncio

from dialerd.audit import longest_journey
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState
from dialerd.domain.outcomes import Outcome
from dialerd.store.pool import Pool, connect
from tests.acceptance.conftest import IMPATIENT, as_url
from tests.acceptance.desk import BUSY, LONG_RING, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import CommandFailed, Daemon, running_daemon
from tests.faults.postgres import Death, OwnPostgres, Session, own_postgres, small_disk
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

AGENTS = ("1010", "1011", "1012", "1013")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OwnPostgres]:
    async with own_postgres(max_connections="24") as server:
        await server.initialize()
        yield server


@pytest.fixture
def database(server: OwnPostgres) -> str:
    """The daemon's is on the server that is going to suffer."""
    return server.dsn


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """The desk's connections can be told from the daemon's."""
    pool = await connect(database, application_name="desk")
    yield pool
    pool.terminate()


class Scene:
    """Two leads talk, one's phone rings for long, and many others are called meanwhile, one after the other."""

    def __init__(self, desk: Desk, campaign: int, *, talkers: list[str], ringer: str, others: list[str]) -> None:
        self.desk = desk
        self.campaign = campaign
        self.talkers = talkers
        self.ringer = ringer
        self.others = others

    @classmethod
    async def at_work(
        cls, desk: Desk, lab: Lab, *, talk_s: float = 8, others: int = 24, pool: Sequence[CallerId] = ()
    ) -> "Scene":
        await desk.staff(*AGENTS)
        await lab.set_fates(talk_s=(talk_s, talk_s), long_ring_s=(talk_s, talk_s))
        talkers, [ringer], rest = some(2, PERSON), some(1, LONG_RING), some(others, BUSY)
        campaign = await desk.dial([*talkers, ringer, *rest], calls_per_second=4, ring_timeout_s=40, pool=pool)
        for number in talkers:
            await desk.until_call_is(number, AttemptState.CONNECTED)
        await desk.until_call_is(ringer, AttemptState.RINGING)
        await desk.until_seen(1)
        return cls(desk, campaign, talkers=talkers, ringer=ringer, others=rest)

    async def until_dialing_stops(self, *reasons: str) -> datetime:
        """Until the daemon itself says so, by one of these reasons."""
        series = [f'dialerd_campaign_held{{campaign="{self.campaign}",reason="{reason}"}}' for reason in reasons]

        async def is_held() -> bool:
            return any([await self.desk.metric(each) == 1 for each in series])

        await self.desk.lab.wait_for(is_held, PATIENCE_S)
        return now()

    async def until_a_talk_is_over(self) -> None:
        await self.desk.lab.wait_for(lambda: any(self.desk.calls_to(number) for number in self.talkers), PATIENCE_S)

    async def until_a_talk_is_written(self) -> None:
        async def is_so() -> bool:
            return any([await self.desk.outcomes(number) == [Outcome.CONNECTED] for number in self.talkers])

        await self.desk.lab.wait_for(is_so, PATIENCE_S)

    async def nobody_was_called(self, since: datetime, until: datetime) -> None:
        """Except who was on the way to the carrier already."""
        journey = longest_journey(await self.desk.evidence(self.campaign))
        invites = [call.invite for call in self.desk.calls_in_order()]
        assert [invite for invite in invites if since + journey < invite < until] == []
        self.tell_when_it_went_on(until)

    async def everybody_was_written_down_first(self) -> None:
        for call in self.desk.calls_in_order():
            [row] = [row for row in await self.desk.attempts(f"+{call.dialed}") if row["outcome"] != "not_placed"]
            assert row["opened_at"] < call.invite

    def tell_when_it_went_on(self, back: datetime) -> None:
        waited = min(call.invite - back for call in self.desk.calls_in_order() if call.invite > back)
        print(f"dialing went on after {waited.total_seconds():.1f} s")

    async def ends_well(self, *, or_as: Outcome | None = None, but: Iterable[str] = ()) -> None:
        """Each call once, each with the outcome that it had. A claim whose acknowledgement was lost may be made once more.

        `or_as` is how an end that nobody saw is written down; `but` are laws that cannot be judged then.
        """
        desk = self.desk
        await desk.until_completed(self.campaign)
        for number in (*self.talkers, self.ringer):
            [call] = desk.calls_to(number)
            assert call.hung_up_by == "far_end"
            assert await self._real_outcomes(number) in ([Outcome.CONNECTED], [or_as])
        assert min(desk.talk_of(number) for number in self.talkers) > 4
        never = [number for number in self.others if not desk.calls_to(number)]
        assert len(never) <= (or_as is not None), "written down, and its daemon stood still before the order"
        for number in self.others:
            assert len(desk.calls_to(number)) <= 1
            assert await self._real_outcomes(number) in ([[or_as]] if number in never else [[Outcome.BUSY], [or_as]])
        await desk.judge(self.campaign, agents=AGENTS, but=but)

    async def _real_outcomes(self, number: str) -> list[Outcome | None]:
        return [outcome for outcome in await self.desk.outcomes(number) if outcome is not Outcome.NOT_PLACED]


OF_THE_MACHINE = ("event_loop_blocked",)
"""What a drill on a busy machine may cause, and nobody in the product can help."""


def no_complaint(daemon: Daemon, *, but: Iterable[str] = ()) -> None:
    """Nothing in the log that somebody would have to be woken for: trouble that passes is a warning."""
    lines = daemon.log.read_text(encoding="utf-8").splitlines()
    bad = [line for line in lines if "Traceback" in line or '"level": "error"' in line or '"level": "critical"' in line]
    assert [line for line in bad if not any(word in line for word in (*OF_THE_MACHINE, *but))] == []


# --- F9: restarted, crashed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", get_args(Death))
@pytest.mark.long
async def test_when_postgres_restarts_nobody_is_called_meanwhile_and_nothing_is_lost(
    desk: Desk, lab: Lab, server: OwnPostgres, how: Death
) -> None:
    """F9: Postgres is restarted `fast`, `immediate` and by kill -9 while calls ring and people talk; a talk ends meanwhile."""
    scene = await Scene.at_work(desk, lab)
    await server.die(how)
    silent = await scene.until_dialing_stops("store_down", "name_lost")
    await scene.until_a_talk_is_over()
    await server.start()
    back = now()
    await scene.ends_well()
    await scene.nobody_was_called(silent, back)
    no_complaint(desk.daemon)


async def test_after_a_restart_of_postgres_a_second_daemon_of_the_name_is_still_refused(
    desk: Desk, lab: Lab, server: OwnPostgres
) -> None:
    """F9: the lock of the node's name is lost with the server, and taken again."""
    await server.die("fast")
    await lab.wait_for(lambda: says(desk.daemon, "node_name_lost"), PATIENCE_S)
    await server.start()
    await lab.wait_for(lambda: says(desk.daemon, "node_name_held_again"), PATIENCE_S)
    with pytest.raises(RuntimeError, match=r"another daemon called .* is connected to this database"):
        async with running_daemon(lab, DIALERD_DATABASE__DSN=as_url(server.dsn)):
            pass
    await lab.wait_for(desk.daemon.is_ready, PATIENCE_S)


def says(daemon: Daemon, word: str) -> bool:
    return word in daemon.log.read_text(encoding="utf-8")


async def test_a_daemon_whose_name_somebody_else_has_taken_meanwhile_dials_no_more_and_says_so(
    desk: Desk, lab: Lab, server: OwnPostgres
) -> None:
    """F9: it slept through the restart of Postgres, in which a second daemon has started under its name."""
    scene = await Scene.at_work(desk, lab)
    os.kill(desk.daemon.pid, SIGSTOP)
    await server.die("fast")
    await server.start()
    async with running_daemon(lab, DIALERD_DATABASE__DSN=as_url(server.dsn), **IMPATIENT):
        assert await desk.daemon.stop(SIGCONT) == 1  # it ends by itself
        assert says(desk.daemon, "node_name_taken")
        assert says(desk.daemon, "another daemon called")
        # What ended while it slept was seen by nobody, or is told too late.
        await scene.ends_well(or_as=Outcome.UNKNOWN, but={"L7"})


# --- F12: crowded, slow -----------------------------------------------------------------------------------------------


class Crowd:
    """Somebody else's sessions, which idle."""

    def __init__(self, server: OwnPostgres) -> None:
        self._server = server
        self._sessions: list[Session] = []

    async def push_the_daemon_out(self, boss: Session) -> None:
        """Until the server has no connection left, and the daemon none."""
        while await boss.fetchval(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name LIKE 'dialerd%'"
        ):
            await self._take_all()

    async def _take_all(self) -> None:
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                named = {"application_name": "crowd"}
                self._sessions.append(await asyncpg.connect(self._server.dsn, server_settings=named))

    def leave(self) -> None:
        for session in self._sessions:
            session.terminate()


async def test_while_others_hold_all_connections_of_postgres_nobody_is_called_and_talks_go_on(
    desk: Desk, lab: Lab, server: OwnPostgres
) -> None:
    """F12: max_connections are taken by idle sessions; the daemon has lost its own to them."""
    scene = await Scene.at_work(desk, lab)
    crowd = Crowd(server)
    async with server.session() as boss:
        await crowd.push_the_daemon_out(boss)
        silent = await scene.until_dialing_stops("store_down", "name_lost")
        await lab.wait_for(lambda: answers(desk.daemon, "/readyz", 503, '"database"'), PATIENCE_S)
        assert await answers(desk.daemon, "/metrics", 200, "dialerd_build_info")
        with pytest.raises(CommandFailed, match=r"connection slots|too many clients"):
            await desk.explained()
        await scene.until_a_talk_is_over()
        crowd.leave()
    back = now()
    await scene.ends_well()
    await scene.nobody_was_called(silent, back)
    no_complaint(desk.daemon)


async def answers(daemon: Daemon, path: str, status: int, words: str) -> bool:
    said = await daemon.get(path)
    return f" {status} " in said.partition("\r\n")[0] and words in said.replace(" ", "")


CLAIMS = "SELECT FROM caller_ids FOR UPDATE"
LOCKS = {CLAIMS: "claims alone", "SELECT FROM campaigns FOR UPDATE": "campaigns", "LOCK leads IN SHARE MODE": "leads"}


@pytest.mark.parametrize("lock", LOCKS, ids=LOCKS.values())
@pytest.mark.long
async def test_while_somebody_holds_a_lock_nobody_is_called_and_what_has_happened_is_written(
    desk: Desk, lab: Lab, server: OwnPostgres, lock: str
) -> None:
    """F12: another session holds a lock for longer than a claim waits; where it is only in the way of claims, the rows of
    the calls that run are written meanwhile."""
    scene = await Scene.at_work(desk, lab, talk_s=12, pool=[CallerId(number="+12025550199")])
    async with server.session() as other:
        await other.execute("BEGIN")
        await other.execute(lock)
        silent = await scene.until_dialing_stops("store_busy", "no_lease")  # a lease cannot be renewed over a lock
        await lab.wait_for(desk.daemon.is_ready, PATIENCE_S)
        assert await answers(desk.daemon, "/metrics", 200, "dialerd_build_info")
        await scene.until_a_talk_is_over()
        if lock == CLAIMS:
            await scene.until_a_talk_is_written()
            await desk.until_held(scene.campaign, "store_busy")
            assert "somebody holds a lock" in await desk.explained()
        back = now()
        await other.execute("ROLLBACK")
    await scene.ends_well()
    await scene.nobody_was_called(silent, back)
    no_complaint(desk.daemon)


# --- F14: full --------------------------------------------------------------------------------------------------------


class TestFull:
    """Its disk is small, and filled by others."""

    @pytest_asyncio.fixture(params=["tables", "log"])
    async def server(self, request: pytest.FixtureRequest) -> AsyncIterator[OwnPostgres]:
        """With its tables, or its log of changes, on the small disk."""
        async with own_postgres(min_wal_size="2MB", max_wal_size="8MB") as server:
            with small_disk(server, "small", megabytes=48) as self.disk:
                if request.param == "tables":
                    server.tables = self.disk.folder
                else:
                    server.wal = self.disk.folder
                await server.initialize()
                yield server
                await server.die("immediate")

    @pytest.mark.long
    async def test_a_full_disk_stops_dialing_before_anybody_is_called_and_space_lets_it_go_on(
        self, desk: Desk, lab: Lab, server: OwnPostgres
    ) -> None:
        """F14: a file of somebody else fills the disk of Postgres. Without space for its log, the server itself ends."""
        scene = await Scene.at_work(desk, lab, others=60)
        self.disk.fill()
        if server.wal:
            await use_up_the_log(server)
        await scene.until_dialing_stops("store_down" if server.wal else "store_full")
        missing = '"database"' if server.wal else '"database_space"'
        await lab.wait_for(lambda: answers(desk.daemon, "/readyz", 503, missing), PATIENCE_S)
        assert says(desk.daemon, "campaign_held_by_trouble")
        await scene.until_a_talk_is_over()
        self.disk.relieve()
        back = now()
        await server.start()
        await scene.ends_well()
        await scene.everybody_was_written_down_first()
        scene.tell_when_it_went_on(back)
        no_complaint(desk.daemon)


async def use_up_the_log(server: OwnPostgres) -> None:
    """What was laid out for it in advance. The server ends when it needs more."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        async with server.session() as session:
            while True:
                await session.execute("SELECT pg_logical_emit_message(false, 'drill', 'a line'), pg_switch_wal()")


# --- F13: deadlocks ---------------------------------------------------------------------------------------------------


class Rival:
    """A session that takes rows in the opposite order to the daemon's. It never gives way: the daemon is the one that must."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def cross(self, lab: Lab, first: str, second: str) -> None:
        """Hold what the daemon needs last until it waits for us, and then ask for what it holds."""
        await self._session.execute("BEGIN")
        await self._session.execute(first)
        await lab.wait_for(self._somebody_waits, PATIENCE_S)
        await self._session.execute(second)
        await self._session.execute("COMMIT")

    async def _somebody_waits(self) -> bool:
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        return bool(await self._session.fetchval(waits))


TIMES = 3


async def test_who_deadlocks_with_claims_and_with_ends_of_calls_costs_nobody_a_second_call(
    desk: Desk, lab: Lab, server: OwnPostgres
) -> None:
    """F13: real deadlocks, each of which the daemon loses; claims and ends of calls are tried again."""
    scene = await Scene.at_work(desk, lab, others=40, pool=[CallerId(number="+12025550199")])
    async with server.session(deadlock_timeout="1h") as session:
        rival = Rival(session)
        for _ in range(TIMES):
            await rival.cross(lab, "SELECT FROM caller_ids FOR UPDATE", "SELECT FROM leads FOR UPDATE")
        talks = "(SELECT lead_id FROM attempts WHERE ended_at IS NULL AND state = 'connected')"
        attempts = f"SELECT FROM attempts WHERE lead_id IN {talks} FOR UPDATE"
        await rival.cross(lab, f"SELECT FROM leads WHERE id IN {talks} FOR UPDATE", attempts)
    await scene.ends_well()
    assert desk.daemon.log.read_text(encoding="utf-8").count("deadlock detected") > TIMES
    no_complaint(desk.daemon)
