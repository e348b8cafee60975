"""Daemons that share a database, while one of them dies, stops, freezes, is cut off, drains or is replaced by a newer one (F6-F8, F49).

Each lead is called once, the pace of a campaign is one whoever dials it, and people who talk notice nothing.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

import pytest
import pytest_asyncio

from dialerd.audit import Tolerances, is_broken, judge, longest_journey, read_calls
from dialerd.domain.calls import AttemptState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import MigrationFailed
from dialerd.store.migrate import Migration, migrate, migrations
from dialerd.store.pool import Pool, connect
from tests.acceptance.conftest import as_url
from tests.acceptance.desk import BUSY, PATIENCE_S, PERSON, QUEUE, Desk, now, some
from tests.daemon import CommandFailed, Daemon, running_daemon
from tests.faults.lines import signal_pbx, start_pbx
from tests.faults.proxy import FaultProxy, Way
from tests.lab import FOR_EVER, Lab
from tests.postgres import new_database

pytestmark = pytest.mark.acceptance

AGENTS = tuple(str(1010 + index) for index in range(6))
RATE = 3.0
SECOND_LAB = 10
"""So much higher is the number of the laboratory with the second Asterisk."""
LEAST_S = 20.0
"""For what takes 10 s at most on a machine that has nothing else to do; a busy one stands still for seconds at a time."""


@asynccontextmanager
async def node(name: str, lab: Lab, database: str, **settings: str) -> AsyncIterator[Daemon]:
    environment = {
        "DIALERD_DATABASE__DSN": as_url(database),
        "DIALERD_DIALER__NODE_ID": name,
        "DIALERD_ARI__APP": f"dialerd-{name}",
        "DIALERD_DIALER__DRAIN_TIMEOUT": "2s",
        **settings,
    }
    async with running_daemon(lab, **environment) as daemon:
        yield daemon


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    """With the settings that a user has who sets none."""
    async with node("one", lab, database) as daemon:
        yield daemon


async def until_dialed_by(lab: Lab, pool: Pool, name: str, count: int = 1) -> None:
    """Until so many attempts are this node's."""

    async def is_so() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $2 FROM attempts WHERE node = $1", name, count))

    await lab.wait_for(is_so, PATIENCE_S)


async def first_invite(desk: Desk, pool: Pool, name: str, *, after: datetime) -> float:
    """Seconds from then until a call of this node reached the far end, by its clock."""

    async def found() -> list[datetime]:
        numbers = await pool.fetch("SELECT number FROM attempts WHERE node = $1", name)
        calls = [call for row in numbers for call in desk.calls_to(row["number"])]
        return [call.invite for call in calls if call.invite > after][:1]

    [invite] = await desk.lab.wait_for(found, PATIENCE_S)
    return float((invite - after).total_seconds())


def tell(what: str, seconds: float) -> None:
    """A figure, for whoever looks (`pytest -rP`)."""
    sys.stderr.write(f"{what}: {seconds:.2f} s\n")


# --- the owner dies, or stops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [SIGKILL, SIGTERM])
async def test_the_campaigns_of_a_daemon_that_ends_are_another_ones_soon(
    desk: Desk, lab: Lab, pool: Pool, database: str, signum: Signals
) -> None:
    """F7: killed, its lease runs out; stopped, it hands the lease back and rings. The pace of both together stays the campaign's."""
    agents = await desk.staff(*AGENTS)
    leads = some(40, BUSY)
    async with node("two", lab, database) as two:
        campaign = await desk.dial(leads, calls_per_second=RATE)
        await desk.until_seen(3)
        owner, other = ("one", "two") if await desk.owner_of(campaign) == "one" else ("two", "one")
        at = now()
        await {"one": desk.daemon, "two": two}[owner].stop(signum)
        after_s = await first_invite(desk, pool, other, after=at)
        tell("first call of the other", after_s)
        assert after_s < LEAST_S
        await desk.until_completed(campaign)
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)


async def test_calls_of_a_daemon_that_died_are_taken_over_where_they_are(
    desk: Desk, lab: Lab, pool: Pool, database: str
) -> None:
    """F7: the other one on the same Asterisk sees that it is gone, and their channels: talks are written down to their end."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=FOR_EVER)
    [talker] = some(1, PERSON)
    campaign = await desk.dial([talker])
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    async with node("two", lab, database) as two:
        at = now()
        await desk.daemon.stop(SIGKILL)
        await until_dialed_by(lab, pool, "two")
        tell("call taken over", (now() - at).total_seconds())
        await lab.wait_for(lambda: "calls_rescued" in two.log.read_text(encoding="utf-8"), PATIENCE_S)
        await lab.hang_up(talker.lstrip("+"))
        await desk.until_completed(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    [talk] = desk.calls_to(talker)
    assert talk.hung_up_by == "far_end"
    await desk.judge(campaign, agents=agents)


# --- the owner is frozen ---------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_a_frozen_daemon_does_not_catch_up(desk: Desk, lab: Lab, pool: Pool, database: str) -> None:
    """F6: stopped for longer than its lease while it dials: another one goes on, and when it wakes it dials nothing that is not
    its own, however much it has missed. What each of the two has dialed keeps one pace."""
    agents = await desk.staff(*AGENTS)
    leads = some(60, BUSY)
    campaign = await desk.dial(leads, calls_per_second=RATE)
    await desk.until_seen(3)
    async with node("two", lab, database):
        desk.daemon.send_signal(SIGSTOP)
        try:
            await until_dialed_by(lab, pool, "two", 10)
        finally:
            desk.daemon.send_signal(SIGCONT)
        await desk.until_completed(campaign)
        assert await desk.daemon.is_ready()
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_daemon_alone_that_was_frozen_goes_on_without_a_burst(desk: Desk, lab: Lab) -> None:
    """F6: with nobody beside it, it takes its own campaign up again, at the campaign's pace."""
    agents = await desk.staff(*AGENTS)
    leads = some(30, BUSY)
    campaign = await desk.dial(leads, calls_per_second=RATE)
    await desk.until_seen(3)
    desk.daemon.send_signal(SIGSTOP)
    began = now()
    try:
        await lab.wait_for(lambda: (now() - began).total_seconds() > 10, PATIENCE_S)
    finally:
        desk.daemon.send_signal(SIGCONT)
    await desk.until_completed(campaign)
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)


async def test_a_call_that_was_written_down_before_a_freeze_is_not_dialed_after_it(
    desk: Desk, lab: Lab, pool: Pool, database: str
) -> None:
    """F6: the daemon's line to Postgres freezes between the COMMIT of an attempt and its answer, for longer than a lease. By then
    another one dials the campaign, at the campaign's pace: this one's call would be one too many."""
    agents = await desk.staff(*AGENTS)
    leads = some(25, BUSY)
    async with FaultProxy.to_postgres(as_url(database)) as line, AsyncExitStack() as stack:
        await desk.daemon.stop()
        desk.daemon.environment |= {"DIALERD_DATABASE__DSN": line.dsn(as_url(database))}
        await desk.daemon.start()
        campaign = await desk.dial(leads, calls_per_second=RATE)
        held = await line.catch_of(b"COMMIT", Way.TO_CLIENT, lambda: pool.fetchrow("SELECT * FROM attempts"))
        await stack.enter_async_context(node("two", lab, database))
        await until_dialed_by(lab, pool, "two", 3)
        line.thaw()
        await desk.until_completed(campaign)
    [*earlier, last] = await desk.attempts(held["number"])
    assert (held["ended_at"], last["node"]) == (None, "two")
    assert [row["outcome"] for row in earlier] == [Outcome.NOT_PLACED]
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)


# --- the owner is cut off from the database --------------------------------------------------------------------------


@pytest.mark.long
async def test_a_daemon_that_loses_postgres_and_not_asterisk_stops_dialing_within_its_lease(
    desk: Desk, lab: Lab, pool: Pool, database: str
) -> None:
    """F8: another one goes on with the campaign. The talk of the first is still led by it: it gives its sign in Asterisk. What came of
    it is written when the database is back."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(25, 25))
    [talker], leads = some(1, PERSON), some(40, BUSY)
    async with FaultProxy.to_postgres(as_url(database)) as line:
        await desk.daemon.stop()
        desk.daemon.environment |= {"DIALERD_DATABASE__DSN": line.dsn(as_url(database))}
        await desk.daemon.start()
        talk = await desk.dial([talker], name="talk")
        await desk.until_call_is(talker, AttemptState.CONNECTED)
        campaign = await desk.dial(leads, calls_per_second=RATE)
        await until_dialed_by(lab, pool, "one", 4)
        async with node("two", lab, database):
            line.refuse()
            line.cut()
            await until_dialed_by(lab, pool, "two", 10)
            talks = await desk.attempts(talker)
            line.refuse(False)
            await desk.until_completed(campaign)
            await desk.until_completed(talk)
    assert [row["node"] for row in talks] == ["one"]  # nobody else has touched it
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert desk.talk_of(talker) > 20
    await desk.each_was_dialed_once([talker, *leads])
    await desk.judge(campaign, agents=agents)


async def test_sessions_that_the_server_ends_cost_no_call_and_bring_none_twice(
    desk: Desk, lab: Lab, pool: Pool
) -> None:
    """F8: pg_terminate_backend of all that the daemon has, again and again while it dials."""
    agents = await desk.staff(*AGENTS)
    leads = some(30, BUSY)
    campaign = await desk.dial(leads, calls_per_second=RATE)
    for seen in (3, 6, 9):
        await desk.until_seen(seen)
        ended = await pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND client_addr IS NULL "
            "AND application_name LIKE 'dialerd%' AND backend_start > $1",
            await _daemon_started(pool),
        )
        assert ended
    await desk.until_completed(campaign)
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)


async def _daemon_started(pool: Pool) -> datetime:
    """Later than which the tests' own connections have not begun."""
    moment: datetime = await pool.fetchval("SELECT started_at - interval '1 second' FROM nodes WHERE id = 'one'")
    return moment


# --- people take a daemon out of service -----------------------------------------------------------------------------


@pytest.mark.long
async def test_a_node_that_drains_hands_over_and_its_talks_go_on(
    desk: Desk, lab: Lab, pool: Pool, database: str
) -> None:
    """F49: before an upgrade. Its campaigns are another's at once; its call is led to its end by itself."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(25, 25))
    [talker], leads = some(1, PERSON), some(40, BUSY)
    async with node("two", lab, database) as other:
        await desk.cli("node", "drain", "two")
        campaign = await desk.dial([talker, *leads], calls_per_second=RATE)
        await desk.until_call_is(talker, AttemptState.CONNECTED)
        await desk.cli("node", "undrain", "two")
        at = now()
        await desk.cli("node", "drain", "one")
        tell("first call of the other", await first_invite(desk, pool, "two", after=at))
        assert await desk.metric("dialerd_node_draining") == 1
        missing = json.loads((await desk.daemon.get("/readyz")).partition("\r\n\r\n")[2])["missing"]
        assert missing == ["not_draining"]
        listed = {each["id"]: each for each in json.loads(await desk.cli("node", "list", "--json"))}
        assert (listed["one"]["state"], listed["one"]["open_calls"], listed["two"]["state"]) == ("draining", 1, "alive")
        assert listed["one"]["pbx"] == listed["two"]["pbx"] != ""
        await desk.until_completed(campaign)
        await other.cli("node", "undrain", "one")
        await lab.wait_for(desk.daemon.is_ready, PATIENCE_S)
    [talk] = await desk.attempts(talker)
    assert (talk["node"], talk["outcome"]) == ("one", Outcome.CONNECTED)
    await desk.each_was_dialed_once([talker, *leads])
    await desk.judge(campaign, agents=agents)


@pytest.mark.long
async def test_a_campaign_that_nobody_dials_says_why(desk: Desk, lab: Lab, pool: Pool) -> None:
    """F7: the only one drains; then it is dead."""
    await desk.staff(*AGENTS)
    await desk.cli("node", "drain", "one")
    await desk.dial(some(2, BUSY))
    assert "all that live are draining: let one go on with `dialerd node undrain` (one)" in await desk.explained()
    with pytest.raises(CommandFailed, match="there is no node nobody"):
        await desk.cli("node", "drain", "nobody")
    await desk.cli("node", "undrain", "one")
    await desk.until_seen(2)
    slow = await desk.dial(some(20, BUSY), name="slow", calls_per_second=0.5)
    await until_dialed_by(lab, pool, "one", 3)
    await desk.daemon.stop(SIGKILL)

    async def says() -> bool:
        return "no daemon dials it: start one with `dialerd run` (one did, and is silent since" in await desk.explained(
            "slow"
        )

    await lab.wait_for(says, PATIENCE_S)
    await desk.daemon.start()
    await desk.pause(slow)


# --- the Asterisk of one is away ----------------------------------------------------------------------------------------


@pytest.mark.beyond_the_record(
    **dict.fromkeys(("L2", "L3", "L4", "L5", "L6", "L7"), "half of the calls are in the other laboratory's record")
)
@pytest.mark.long
async def test_the_campaigns_of_a_daemon_whose_asterisk_is_away_are_dialed_through_another(
    desk: Desk, lab: Lab, pool: Pool, database: str
) -> None:
    """F25: its Asterisk is killed and stays away; another node has one of its own. Each lead is called once, and no talk on the other
    Asterisk notices. Once it is back, the daemon is ready again."""
    await desk.staff(*AGENTS)
    leads = some(60, BUSY)
    async with Lab.running(lab.number + SECOND_LAB) as far, node("far", far, database):
        await far.reset()
        for extension in AGENTS:
            await far.queue_add(QUEUE, extension)
        await desk.cli("node", "drain", "far")
        campaign = await desk.dial(leads, calls_per_second=RATE)
        await until_dialed_by(lab, pool, "one", 3)
        await desk.cli("node", "undrain", "far")
        at = now()
        await signal_pbx(lab, "KILL")
        try:
            await until_dialed_by(lab, pool, "far", 3)
            tell("called through the other Asterisk", (now() - at).total_seconds())
        finally:
            await start_pbx(lab)
        await lab.wait_for(desk.daemon.is_ready, PATIENCE_S)
        await desk.until_completed(campaign)
        await lab.wait_for(far.is_silent, PATIENCE_S)
        calls = [*read_calls(lab.calls_csv), *read_calls(far.calls_csv)]
        await far.reset()
    dialed = [f"+{call.dialed}" for call in calls if call.kind == "lead"]
    await desk.each_was_dialed_once(leads, in_doubt=1, dialed=dialed)


# --- all of it in turn -----------------------------------------------------------------------------------------------


@pytest.mark.beyond_the_record(
    **dict.fromkeys(
        ("L1", "L2", "L3", "L4", "L5", "L6", "L7", "L9"), "half of the calls are in the other laboratory's record"
    )
)
@pytest.mark.long
async def test_a_cluster_of_three_on_two_asterisks(desk: Desk, lab: Lab, pool: Pool, database: str) -> None:
    """F6, F7: three daemons, two of them on one Asterisk, dial four campaigns. Whoever owns the first of them just then is killed;
    is frozen; drains; is stopped. Each lead is called once; each campaign's pace holds over all three."""
    await desk.staff(*AGENTS)
    leads = some(120, BUSY)
    async with (
        Lab.running(lab.number + SECOND_LAB) as far,
        node("two", lab, database) as two,
        node("three", far, database) as three,
    ):
        daemons = {"one": desk.daemon, "two": two, "three": three}
        await far.reset()
        for extension in AGENTS:
            await far.queue_add(QUEUE, extension)
        parts = [leads[index::4] for index in range(4)]
        campaigns = [await desk.dial(part, name=f"list {n}", calls_per_second=1) for n, part in enumerate(parts)]
        for fault in (killed, frozen, drained, stopped):
            await until_dialed(lab, pool, 4)
            owner = await owner_of(lab, desk, campaigns[0])
            async with fault(desk, owner, daemons[owner]):
                await until_dialed(lab, pool, 4, but=owner)
        for campaign in campaigns:
            await desk.until_completed(campaign)
        await lab.wait_for(far.is_silent, PATIENCE_S)
        calls = [*read_calls(lab.calls_csv), *read_calls(far.calls_csv)]
        await far.reset()
    dialed = [f"+{call.dialed}" for call in calls if call.kind == "lead"]
    await desk.each_was_dialed_once(leads, in_doubt=2, dialed=dialed)
    for campaign in campaigns:
        evidence = replace(await desk.evidence(campaign, agents=AGENTS), calls=calls)
        journey = max(longest_journey(evidence), evidence.tolerances.journey)
        evidence = replace(evidence, tolerances=Tolerances(journey=journey))
        broken = {law: said for law, said in judge(evidence).items() if is_broken(said)}
        assert not broken, broken


async def until_dialed(lab: Lab, pool: Pool, more: int, *, but: str = "") -> None:
    """Until so many more calls have begun, not counting those of one node."""
    count = "SELECT count(*) FROM attempts WHERE node <> $1"
    before = await pool.fetchval(count, but)

    async def is_so() -> bool:
        return bool(await pool.fetchval(count, but) >= before + more)

    await lab.wait_for(is_so, PATIENCE_S)


async def owner_of(lab: Lab, desk: Desk, campaign: int) -> str:
    async def found() -> list[str]:
        owner = (await desk.overview(campaign)).owner
        return [owner] if owner else []

    [owner] = await lab.wait_for(found, PATIENCE_S)
    return str(owner)


@asynccontextmanager
async def killed(desk: Desk, name: str, daemon: Daemon) -> AsyncIterator[None]:
    await daemon.stop(SIGKILL)
    yield
    await daemon.start()


@asynccontextmanager
async def frozen(desk: Desk, name: str, daemon: Daemon) -> AsyncIterator[None]:
    daemon.send_signal(SIGSTOP)
    try:
        yield
    finally:
        daemon.send_signal(SIGCONT)


@asynccontextmanager
async def drained(desk: Desk, name: str, daemon: Daemon) -> AsyncIterator[None]:
    await desk.cli("node", "drain", name)
    yield
    await desk.cli("node", "undrain", name)


@asynccontextmanager
async def stopped(desk: Desk, name: str, daemon: Daemon) -> AsyncIterator[None]:
    await daemon.stop()
    yield
    await daemon.start()


# --- an upgrade ------------------------------------------------------------------------------------------------------


async def test_a_database_is_brought_to_the_next_version_while_calls_are_in_flight(
    postgres_server: str, migrated_template: str
) -> None:
    """F49: attempts that the version before has opened are there after the upgrade as they were, and are closed by their id."""
    older = [each for each in migrations() if each.name < "006"]
    async with new_database(postgres_server) as dsn:
        await migrate(dsn, older)
        pool = await connect(dsn)
        try:
            await pool.execute(_CALLS_OF_THE_VERSION_BEFORE)
            applied = await asyncio.gather(migrate(dsn), migrate(dsn), *(_dial_on(pool) for _ in range(5)))
            assert sorted(len(names or ()) for names in applied[:2]) == [0, len(migrations()) - len(older)]
            rows = await pool.fetch("SELECT state, node, trunk, ended_at FROM attempts ORDER BY ordinal")
            assert [(row["state"], row["node"], row["trunk"]) for row in rows] == [("connected", "one", "")] * 20
            assert {row["ended_at"] for row in rows} == {None}
        finally:
            pool.terminate()


async def _dial_on(pool: Pool) -> None:
    """Statements of the version before, a call at a time as it does, that run while the tables are changed: they may wait, and must
    not fail."""
    for row in await pool.fetch("SELECT id FROM attempts"):
        await pool.execute("UPDATE attempts SET connected_at = coalesce(connected_at, now()) WHERE id = $1", row["id"])
        await pool.execute("UPDATE nodes SET heartbeat_at = now() WHERE id = 'one'")


_CALLS_OF_THE_VERSION_BEFORE = """
    INSERT INTO nodes (id, started_at, heartbeat_at, version) VALUES ('one', now(), now(), 'N');
    INSERT INTO campaigns (account_id, name, queue, calls_per_second, concurrency, max_attempts, cooloff_s, ring_timeout_s,
                           customer_wait_sla_s, agent_dial_timeout_s, wrapup_s)
    SELECT id, 'list', 'q1', 1, 20, 3, 3600, 30, 3, 20, 0 FROM accounts;
    INSERT INTO leads (campaign_id, number, first_name, state)
    SELECT id, '+1999000' || lpad(n::text, 4, '0'), 'Ada', 'answered' FROM campaigns, generate_series(1, 20) AS n;
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, state, admitted_by, opened_at, answered_at,
                          connected_at)
    SELECT gen_random_uuid(), campaign_id, id, 1, number, 'q1', 'one', 1, 'connected', '{}', now(), now(), now() FROM leads
"""


async def test_a_daemon_of_the_next_version_takes_up_the_calls_of_the_one_before(
    desk: Desk, lab: Lab, pool: Pool
) -> None:
    """F49: the row of a call has what the older version has written, and no more: its node knows no Asterisk, its trunk has no
    name. The talk goes on across the change, and is written down to its end."""
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(talk_s=(15, 15))
    [talker] = some(1, PERSON)
    campaign = await desk.dial([talker])
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    await desk.daemon.stop(SIGKILL)
    await pool.execute("UPDATE nodes SET pbx = '', version = 'N'")
    await pool.execute("UPDATE attempts SET trunk = ''")
    await desk.daemon.start()
    await desk.until_completed(campaign)
    assert await desk.outcomes(talker) == [Outcome.CONNECTED]
    assert desk.talk_of(talker) > 10
    await desk.judge(campaign, agents=agents)


HALF = Migration(name="900_half.sql", sql="CREATE TABLE half (id int); UPDATE attempts SET trunk = '?'; SELECT 1 / 0")


async def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was_and_dialing_goes_on(
    desk: Desk, pool: Pool, database: str
) -> None:
    """F49: everything of one file is one transaction; the daemon of the version before dials on, and says what failed where."""
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(leads := some(12, BUSY), calls_per_second=RATE)
    await desk.until_seen(2)
    with pytest.raises(MigrationFailed, match=r"900_half\.sql.*division by zero"):
        await migrate(database, [*migrations(), HALF])
    assert await pool.fetchval("SELECT to_regclass('half')") is None
    assert await pool.fetchval("SELECT count(*) FROM attempts WHERE trunk = '?'") == 0
    await desk.until_completed(campaign)
    await desk.each_was_dialed_once(leads)
    await desk.judge(campaign, agents=agents)
