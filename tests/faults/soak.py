"""The soak: campaigns dial under load while the daemon, its Postgres and its Asterisk are killed at random, again and again.

    python -m tests.faults.soak --kills 30 [--labs 1] [--lab 80] [--seed N]

Laboratories from `--lab` on share the kills; each has a daemon, a Postgres that syncs to disk and an Asterisk of its own. A round is
some kills on a fresh database and an empty record, so that a long run needs no more room than a short one. At its end everything is
paused, and once it is silent the referee judges it. Printed are a line for each kill, what was broken, and a table. The exit status
is 0 only if nothing was dialed twice, no lead was lost, no other law was broken, no talk was cut, and dialing resumed in time.
"""

import argparse
import asyncio
import logging
import math
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from random import Random, SystemRandom
from signal import SIGKILL
from typing import Any

import asyncpg

from dialerd.audit import INVARIANT_NAMES, LAW_NAMES, Findings
from dialerd.audit.verdict import Check
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import Target
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.errors import DialerdError
from dialerd.store.pool import Pool, connect
from tests.acceptance.desk import BUSY, NOBODY, PERSON, Desk, some
from tests.daemon import Daemon, running_daemon
from tests.faults.lines import signal_pbx, start_pbx
from tests.faults.postgres import DATABASE, USER, OwnPostgres, own_postgres
from tests.faults.referee import findings
from tests.lab import FarEndCall, Lab, LabError
from tests.postgres import dsn_of

KILLS_A_ROUND = 10
CALM_S = (0.5, 5.0)
"""Between the return of dialing and the next kill."""
DOWN_S = (0.0, 2.0)
"""How long what was killed stays down, on top of what its start takes."""
RECOVERING_S = (0.1, 3.0)
"""When a daemon that recovers is killed once more."""
START_AGAIN_S = 0.2
"""After a start that has failed, for want of the database for instance. The service waits for longer."""
HEALED_S = 60.0
"""In which every call is settled (law L8), and dialing has resumed; else the round is given up."""
LOOK_S = 0.3
MOST_GIVEN_UP = 3
"""So many rounds of a laboratory may fail one after the other."""
MOST_LOGS = 10
"""Of each laboratory."""
TOLD = 3
"""So many violations of a law are told for each campaign and round."""


class Victim(StrEnum):
    DAEMON = "daemon"
    POSTGRES = "postgres"
    ASTERISK = "asterisk"


@dataclass(frozen=True, kw_only=True)
class Blow:
    """Who is killed at the same time; `again`: the daemon once more while it recovers."""

    victims: tuple[Victim, ...]
    weight: int
    again: bool = False

    @property
    def name(self) -> str:
        return " + ".join(self.victims) + (", again" if self.again else "")

    @property
    def goal_s(self) -> float:
        return max(GOAL_S[victim] for victim in self.victims)


BLOWS = (
    Blow(victims=(Victim.DAEMON,), weight=40),
    Blow(victims=(Victim.DAEMON,), weight=10, again=True),
    Blow(victims=(Victim.POSTGRES,), weight=15),
    Blow(victims=(Victim.ASTERISK,), weight=15),
    Blow(victims=(Victim.DAEMON, Victim.POSTGRES), weight=7),
    Blow(victims=(Victim.DAEMON, Victim.ASTERISK), weight=7),
    Blow(victims=(Victim.POSTGRES, Victim.ASTERISK), weight=3),
    Blow(victims=(Victim.DAEMON, Victim.POSTGRES, Victim.ASTERISK), weight=3),
)
GOAL_S = {Victim.DAEMON: 5.0, Victim.POSTGRES: 10.0, Victim.ASTERISK: 10.0}
"""From the return of the last that was killed to the next INVITE, of 99 kills in 100."""


# --- the load --------------------------------------------------------------------------------------------------------

MENU = VoiceMenu(
    name="soak",
    nodes={
        "start": MenuNode(
            prompt="lab-menu/main",
            wait=timedelta(seconds=2),
            tries=1,
            choices={"1": Choice(action=MenuAction.END, result="confirmed")},
        )
    },
)
PRESSES_1 = 93
LOADS: Sequence[tuple[int, Sequence[int], dict[str, Any]]] = (
    (
        800,
        [*PERSON[:9], *BUSY[:7], *NOBODY[:2]],
        {"name": "progressive", "queue": "sales", "calls_per_second": 4.0, "concurrency": 12},
    ),
    (
        300,
        [*PERSON[20:28], *BUSY[7:9]],
        {
            "name": "agent-first",
            "queue": "support",
            "dial_mode": DialMode.AGENT_FIRST,
            "calls_per_second": 2.0,
            "concurrency": 4,
        },
    ),
    (
        800,
        [BUSY[9], PRESSES_1],
        {
            "name": "menu",
            "queue": "",
            "target": Target.MENU,
            "menu": MENU.name,
            "calls_per_second": 3.0,
            "concurrency": 12,
        },
    ),
)
"""Leads, their fates and the settings of each campaign. More leads than a round can use up; the menu needs no agent, and so dials
whenever dialing works."""
EVERY_CAMPAIGN = {"max_attempts": 3, "cooloff_s": 5, "ring_timeout_s": 6}
SUPPORT = ("1030", "1031", "1032")


async def staff(lab: Lab) -> None:
    """The agents who log in. An Asterisk that was killed has forgotten them; those of `sales` stand in its configuration."""
    there = {member.extension for member in await lab.queue_members("support")}
    for extension in SUPPORT:
        if extension not in there:
            await lab.queue_add("support", extension)


# --- what is found out -----------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Kill:
    """Moments are seconds since the epoch."""

    blow: Blow
    at: float
    back: float = 0.0
    """When the last of the victims was back: the start of the process of a daemon; the others take connections."""
    starts: int = 0
    """Of the daemon, until one of them lived."""
    dialed: float | None = None
    """The first INVITE after that, by the far end's clock."""
    talks: int = 0
    cut: int = 0
    """Talks at that moment, and those that did not go on until the lead hung up. Where Asterisk died, none is counted."""

    @property
    def took_s(self) -> float | None:
        return None if self.dialed is None else self.dialed - self.back


@dataclass(kw_only=True)
class Tally:
    """Of the whole run, over all laboratories."""

    kills: list[Kill] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    """How often, by name of the law or invariant."""
    rounds: int = 0
    given_up: int = 0
    calls: int = 0
    attempts: int = 0

    def add(self, campaign: str, found: Findings) -> bool:
        """Whether nothing was broken."""
        before = self.broken.total()
        for check, violations in found:
            if isinstance(violations, str):  # the record cannot tell
                continue
            name = name_of(check)
            self.broken[name] += len(violations)
            for violation in violations[:TOLD]:
                say(f"BROKEN {campaign}: {name}: {violation.what}")
        return self.broken.total() == before

    @property
    def late(self) -> list[str]:
        return [name for name, kills in by_blow(self.kills).items() if not is_in_time(kills)]

    @property
    def is_good(self) -> bool:
        whole = bool(self.rounds) and not self.given_up and not self.broken.total()
        return whole and not self.late and not any(kill.cut for kill in self.kills)


def name_of(check: Check) -> str:
    """What it looks after, in words."""
    if check.invariant in (None, "INV5"):  # which holds several laws
        return f"{LAW_NAMES[check.law]} ({check.law})"
    return f"{INVARIANT_NAMES[check.invariant]} ({check.law}, {check.invariant})"


def by_blow(kills: Sequence[Kill]) -> dict[str, list[Kill]]:
    grouped: dict[str, list[Kill]] = defaultdict(list)
    for blow in BLOWS:
        for kill in kills:
            if kill.blow is blow:
                grouped[blow.name].append(kill)
    return grouped


def is_in_time(kills: Sequence[Kill]) -> bool:
    return percentile(kills, 0.99) <= kills[0].blow.goal_s


def percentile(kills: Sequence[Kill], share: float) -> float:
    """The time that this share of the kills did not exceed; a kill after which nothing was dialed took for ever."""
    times = sorted(math.inf if kill.took_s is None else kill.took_s for kill in kills)
    return times[max(0, math.ceil(share * len(times)) - 1)]


def note_recoveries(kills: Sequence[Kill], calls: Sequence[FarEndCall]) -> None:
    """By the whole record: a call that was dialed first may have ended last."""
    invites = sorted(call.invite.timestamp() for call in calls if call.kind == "lead")
    for kill in kills:
        kill.dialed = next((invite for invite in invites if invite > kill.back), None)


def note_talks(kills: Sequence[Kill], calls: Sequence[FarEndCall]) -> None:
    """What became of the talks at the moment of each kill (law L8): all end because the lead hangs up, unless Asterisk dies."""
    asterisk_died = [kill.at for kill in kills if Victim.ASTERISK in kill.blow.victims]
    for kill in kills:
        for lead in talking_at(kill.at, calls):
            if any(kill.at <= at <= lead.end.timestamp() for at in asterisk_died):
                continue
            kill.talks += 1
            kill.cut += lead.hung_up_by != "far_end"


def talking_at(moment: float, calls: Sequence[FarEndCall]) -> Iterator[FarEndCall]:
    """Leads whose number an agent's phone showed who was on the line as well."""
    on_line = [call for call in calls if call.answer and call.answer.timestamp() < moment < call.end.timestamp()]
    shown = {call.caller_number.lstrip("+") for call in on_line if call.kind == "agent"}
    return (call for call in on_line if call.kind == "lead" and call.dialed in shown)


# --- one laboratory --------------------------------------------------------------------------------------------------


class NotHealed(Exception):
    """The message says what was waited for."""


async def until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Whatever is out of reach meanwhile is not so."""
    deadline = time.monotonic() + HEALED_S
    while time.monotonic() < deadline:
        with suppress(DialerdError, LabError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if await is_so():
                return
        await asyncio.sleep(LOOK_S)
    raise NotHealed(f"{what}: not within {HEALED_S:g} s")


class Round:
    """Some kills on one database."""

    def __init__(self, lab: Lab, server: OwnPostgres, daemon: Daemon, pool: Pool, chance: Random) -> None:
        self.kills: list[Kill] = []
        self._lab = lab
        self._server = server
        self._daemon = daemon
        self._pool = pool
        self._chance = chance
        self._desk = Desk(lab, daemon, pool)
        self._campaigns: list[int] = []

    async def begin(self) -> None:
        lab = self._lab
        await lab.reset()
        await lab.set_fates(ring_s=(0.3, 3), talk_s=(1, 9), voice=False)
        await lab.set_agents(ring_s=(0.1, 1))
        await staff(lab)
        await self._desk.put_menu(MENU)
        for leads, fates, settings in LOADS:
            self._campaigns.append(await self._desk.dial(some(leads, fates), **EVERY_CAMPAIGN, **settings))
        await self._until_dialed_after(time.time())

    async def strike(self) -> Kill:
        """Kill, let it return, and wait until something is dialed again."""
        await asyncio.sleep(self._chance.uniform(*CALM_S))
        blow = self._chance.choices(BLOWS, [blow.weight for blow in BLOWS])[0]
        downs = {victim: self._chance.uniform(*DOWN_S) for victim in Victim}
        kill = Kill(blow=blow, at=time.time())
        self.kills.append(kill)
        await asyncio.gather(*(self._kill(victim) for victim in blow.victims))
        if blow.again:
            await self._die_recovering(kill)
        kill.back = max(
            await asyncio.gather(*(self._bring_back(kill, victim, downs[victim]) for victim in blow.victims))
        )
        kill.dialed = await self._until_dialed_after(kill.back)
        self._lab.pbx.events.clear()
        return kill

    async def end(self, tally: Tally) -> bool:
        """Everything is paused, settled, silent, and judged. Whether all was held."""
        for campaign in self._campaigns:
            await until(lambda campaign=campaign: self._paused(campaign), "a campaign is paused")  # type: ignore[misc]
        with suppress(NotHealed):  # then the referee tells which
            await until(self._is_settled, "no call is open")
        await until(self._lab.is_silent, "everything is silent")
        calls = self._lab.calls()
        note_recoveries(self.kills, calls)
        note_talks(self.kills, calls)
        judged = [tally.add(name, found) for name, found in (await findings(self._lab, self._pool)).items()]
        tally.rounds += 1
        tally.calls += sum(call.kind == "lead" for call in calls)
        tally.attempts += await self._pool.fetchval("SELECT count(*) FROM attempts")
        return all(judged) and all(is_in_time([kill]) and not kill.cut for kill in self.kills)

    async def _paused(self, campaign: int) -> bool:
        if (await self._desk.overview(campaign)).campaign.status == "running":
            await self._desk.pause(campaign)
        return True

    async def _is_settled(self) -> bool:
        return not await self._pool.fetchval("SELECT EXISTS (SELECT FROM attempts WHERE ended_at IS NULL)")

    async def _until_dialed_after(self, moment: float) -> float:
        """The first INVITE after it of those calls that have ended."""
        seen: list[float] = []

        async def is_dialed() -> bool:
            invites = (call.invite.timestamp() for call in self._lab.calls("lead"))
            seen.extend(invite for invite in invites if invite > moment)
            return bool(seen)

        await until(is_dialed, "something is dialed")
        return min(seen)

    # --- the victims ---

    async def _kill(self, victim: Victim) -> None:
        match victim:
            case Victim.DAEMON:
                await self._daemon.stop(SIGKILL)
            case Victim.POSTGRES:
                await self._server.die("kill -9")
            case Victim.ASTERISK:
                await signal_pbx(self._lab, "KILL")
                await self._end_at_far_end()

    async def _end_at_far_end(self) -> None:
        """As a carrier does who hears nothing any more. Nobody tells these phones that their calls are over."""
        for channel in await self._lab.far_end.list("CoreShowChannels"):
            with suppress(LabError):  # it may have ended by itself
                await self._lab.far_end.act("Hangup", Channel=channel["Channel"])

    async def _bring_back(self, kill: Kill, victim: Victim, down_s: float) -> float:
        """The moment of its return."""
        await asyncio.sleep(down_s)
        match victim:
            case Victim.DAEMON:
                return await self._start_daemon(kill)
            case Victim.POSTGRES:
                await self._server.start()
            case Victim.ASTERISK:
                gone = self._lab.pbx
                await start_pbx(self._lab)
                await gone.close()
                await staff(self._lab)
        return time.time()

    async def _start_daemon(self, kill: Kill) -> float:
        """The start of the process that lived."""
        deadline = time.monotonic() + HEALED_S
        while True:
            kill.starts += 1
            started = time.time()
            try:
                await self._daemon.start()
                return started
            except RuntimeError:  # it has ended
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(START_AGAIN_S)

    async def _die_recovering(self, kill: Kill) -> None:
        starting = asyncio.create_task(self._start_daemon(kill))
        await asyncio.sleep(self._chance.uniform(*RECOVERING_S))
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        kill.at = time.time()
        await self._daemon.stop(SIGKILL)


@asynccontextmanager
async def laboratory(number: int) -> AsyncIterator[Lab]:
    """Each restart of Asterisk asks for another session of ours; the newest is closed here."""
    async with Lab.running(number) as lab:
        try:
            yield lab
        finally:
            await lab.pbx.close()


class Bench:
    """One laboratory, with a Postgres, in which one round follows the other. `turns` are the kills that are left, of all."""

    def __init__(self, number: int, seed: int, turns: Iterator[int], kills: int, tally: Tally) -> None:
        self._number = number
        self._chance = Random(f"{seed}-{number}")
        self._turns = turns
        self._kills = kills
        self._tally = tally
        self._databases = 0
        self._logs_kept = 0
        self._is_over = False

    async def run(self) -> None:
        failures = 0
        while not self._is_over and failures < MOST_GIVEN_UP:
            try:
                await self._rounds()
            except Exception:  # noqa: BLE001  a run of hours goes on with a laboratory that is set up anew
                say(f"lab {self._number}: round given up\n{traceback.format_exc()}")
                self._tally.given_up += 1
                failures += 1

    async def _rounds(self) -> None:
        async with AsyncExitStack() as stack:
            lab = await stack.enter_async_context(laboratory(self._number))
            server = await stack.enter_async_context(own_postgres())
            await server.initialize()
            while (turn := next(self._turns, None)) is not None:
                await self._round(lab, server, chain([turn], islice(self._turns, KILLS_A_ROUND - 1)))
        self._is_over = True

    async def _round(self, lab: Lab, server: OwnPostgres, turns: Iterator[int]) -> None:
        async with AsyncExitStack() as stack:
            dsn = await self._new_database(server)
            pool = await connect(dsn, max_connections=3, application_name="soak")
            stack.callback(pool.terminate)
            daemon = await stack.enter_async_context(running_daemon(lab, DIALERD_DATABASE__DSN=dsn))
            stack.push_async_callback(daemon.stop, SIGKILL)
            this = Round(lab, server, daemon, pool, self._chance)
            held = False
            try:
                await this.begin()
                await self._strike(this, turns)
                held = await this.end(self._tally)
            finally:
                self._tally.kills += this.kills
                if not held:
                    self._keep_log(daemon)

    async def _strike(self, this: Round, turns: Iterator[int]) -> None:
        for turn in turns:
            kill = await this.strike()
            starts = f" ({kill.starts} starts)" if kill.starts > 1 else ""
            say(
                f"{turn:6}/{self._kills} lab {self._number} {kill.blow.name:30} dials {kill.took_s:5.2f} s after the return{starts}"
            )

    async def _new_database(self, server: OwnPostgres) -> str:
        """Its DSN. Those of the rounds before are gone."""
        self._databases += 1
        async with server.session() as session:
            for row in await session.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'round%'"):
                await session.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
            await session.execute(f"CREATE DATABASE round{self._databases} OWNER {USER} TEMPLATE {DATABASE}")
        return dsn_of(server.dsn, f"round{self._databases}")

    def _keep_log(self, daemon: Daemon) -> None:
        """The daemon's, of the last rounds in which something was wrong."""
        folder = Path(tempfile.gettempdir()) / "dialerd-soak"
        folder.mkdir(exist_ok=True)
        kept = folder / f"lab-{self._number}-{self._logs_kept % MOST_LOGS}.log"
        self._logs_kept += 1
        shutil.copy(daemon.log, kept)
        say(f"lab {self._number}: the daemon's log of this round: {kept}")


# --- the report ------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, flush=True)


def table(tally: Tally) -> str:
    kills = tally.kills
    lines = [f"{'killed':32}{'kills':>6}{'p50':>8}{'p99':>8}{'max':>8}{'goal':>8}{'talks':>8}{'cut':>6}"]
    for name, of_blow in by_blow(kills).items():
        times = "".join(f"{percentile(of_blow, share):8.2f}" for share in (0.5, 0.99, 1.0))
        talks, cut = sum(kill.talks for kill in of_blow), sum(kill.cut for kill in of_blow)
        lines.append(f"{name:32}{len(of_blow):6}{times}{of_blow[0].blow.goal_s:8.2f}{talks:8}{cut:6}")
    lines += [
        f"{len(kills)} kills in {tally.rounds} rounds; {tally.calls} INVITEs, {tally.attempts} attempts; rounds given up: {tally.given_up}",
        "violations:",
        *(f"  {times:6}  {name}" for name, times in tally.broken.items()),
        "seconds from the return of the last that was killed to the next INVITE"
        + (f"; missed: {'; '.join(tally.late)}" if tally.late else ""),
        "held" if tally.is_good else "NOT HELD",
    ]
    return "\n".join(lines)


async def soak(*, kills: int, first_lab: int, labs: int, seed: int, tally: Tally) -> None:
    turns = iter(range(1, kills + 1))
    benches = [Bench(first_lab + index, seed, turns, kills, tally) for index in range(labs)]
    await asyncio.gather(*(bench.run() for bench in benches))


def main() -> int:
    asked = argparse.ArgumentParser(description="Kill daemon, Postgres and Asterisk at random while campaigns dial.")
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument("--labs", type=int, default=1, help="laboratories that share the kills")
    asked.add_argument("--lab", type=int, default=80, help="number of the first laboratory")
    asked.add_argument("--seed", type=int, default=None, help="of what is killed, when, and for how long")
    options = asked.parse_args()
    seed = SystemRandom().randrange(10**6) if options.seed is None else options.seed
    say(f"{options.kills} kills, {options.labs} laboratories, --seed {seed}")
    logging.getLogger("asyncio").setLevel(
        logging.ERROR
    )  # it tells of each write to an Asterisk that has just been killed
    tally = Tally()
    try:
        asyncio.run(soak(kills=options.kills, first_lab=options.lab, labs=options.labs, seed=seed, tally=tally))
    finally:
        say(table(tally))
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
