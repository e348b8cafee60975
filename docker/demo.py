"""`make demo`: the main job as a user would do it, through the real doors, and judged by what the carrier saw.

It starts the laboratory (a real Asterisk, and a far end that plays the world), makes a campaign of the sample list with the
`dialerd` command, runs the daemon, lets inbound callers come in between, and compares tables and far end at the end. Exit status
0 only if both agree and every law was held.

MODE=progressive, preview, agent-first or menu chooses the way that calls go, LAB=50 the laboratory; KEEP_LAB=1 leaves it running,
SUMMARY=file.json is where the numbers go for machines.
"""

import asyncio
import csv
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count as counting
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dialerd import audit
from dialerd.audit import Evidence, FarEndCall, Span
from dialerd.log import configure
from dialerd.settings import LogSettings
from dialerd.store.embedded import embedded_postgres
from dialerd.store.evidence import with_record
from dialerd.store.pool import connect
from docker.demo_modes import MODES, DemoMode
from tests.faults.referee import books_of
from tests.first_sounds import hear, with_first_sounds
from tests.lab import DIALERD_AMI_LOGIN, DIALERD_ARI_LOGIN, Lab, LabError

REPOSITORY = Path(__file__).resolve().parent.parent
MATERIAL = REPOSITORY / "docker" / "demo"
LAB_SCRIPT = REPOSITORY / "docker" / "lab.py"
LAB_STATE = REPOSITORY / "docker" / ".lab"

CAMPAIGN = "Spring offer"
QUEUE, AGENTS = "sales", ("1001", "1002", "1003", "1004")
CALLS_PER_SECOND, CONCURRENCY = 2.0, 6
MAX_ATTEMPTS, COOLOFF_S, COOLOFF_2ND_S = 2, 5, 4
RING_TIMEOUT_S = 8
SHOWN_NUMBER = "+12025550199"
LATE_NUMBER = "+12125550147"
"""The lead with the lowest priority: listed as do-not-call while the campaign runs, before its turn comes."""
CALLERS = tuple(f"1646555018{last}" for last in range(6))
PATIENCE_S = 90.0

LAB_TIMEOUT_S = 1800.0
"""The first time, images are built."""
COMMAND_TIMEOUT_S = 60.0
CAMPAIGN_TIMEOUT_S = 330.0
STOP_TIMEOUT_S = 30.0
REFRESH_S = 0.5
LINE_EVERY_S = 5.0
"""Where no terminal is watching, progress is one line now and then."""
LOG_LINES = 15
SLOW_S = 0.25
FIRST_FATE_OF_OTHERS = 50
"""Numbers that end in less are people."""

FINAL = ("success", "failed", "blocked", "abandoned")
console = Console(highlight=False, emoji=False)
T = TypeVar("T")


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


# --- dialerd, as a user has it ----------------------------------------------------------------------------------------


class Dialerd:
    """The command and the daemon, with a state directory of their own."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.log = folder / "dialerd.log"
        self._http_port = free_port()
        self.metrics_url = f"http://127.0.0.1:{self._http_port}/metrics"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DIALERD_")},
            "DIALERD_CONFIG": str(MATERIAL / "dialerd.toml"),
            "DIALERD_DATABASE__STATE_DIR": str(self.state_dir),
            "DIALERD_AMI__HOST": lab.pbx_address,
            "DIALERD_AMI__USER": DIALERD_AMI_LOGIN[0],
            "DIALERD_AMI__SECRET": DIALERD_AMI_LOGIN[1],
            "DIALERD_ARI__BASE_URL": lab.ari_url,
            "DIALERD_ARI__USER": DIALERD_ARI_LOGIN[0],
            "DIALERD_ARI__PASSWORD": DIALERD_ARI_LOGIN[1],
            "DIALERD_HTTP__PORT": str(self._http_port),
        }
        self._daemon: asyncio.subprocess.Process | None = None

    async def command(self, *arguments: str) -> str:
        """Run one command to its end; what it printed."""
        console.print(f"[bold]$ dialerd {' '.join(quoted(argument) for argument in arguments)}[/]", soft_wrap=True)
        printed = await self.quiet_command(*arguments)
        console.print(Text(indented(printed), style="dim"), soft_wrap=True)
        return printed

    async def quiet_command(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *program(*arguments), env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            out, err = await in_time(process.communicate(), COMMAND_TIMEOUT_S, f"`dialerd {arguments[0]}` did not end")
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise DemoFailed(f"`dialerd {' '.join(arguments)}` refused:\n{err.decode()}{out.decode()}")
        return (out + err).decode().strip()

    async def start(self) -> None:
        """Start `dialerd run`, and wait until it is ready."""
        console.print("[bold]$ dialerd run[/]")
        with self.log.open("ab") as log:
            self._daemon = await asyncio.create_subprocess_exec(
                *dying_with_us(*program("run")),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches it through us
            )
        await in_time(self._ready(), COMMAND_TIMEOUT_S, "the daemon was not ready")
        console.print(Text(indented(f"ready; metrics: {self.metrics_url}\nlog: {self.log}"), style="dim"))

    async def _ready(self) -> None:
        while " 200 " not in await self._status_line("/readyz"):
            self.check_alive()
            await asyncio.sleep(0.1)

    async def _status_line(self, path: str) -> str:
        """Of the HTTP answer; empty while nobody listens."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._http_port)
        except OSError:
            return ""
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.readline()
        writer.close()
        return answer.decode()

    def check_alive(self) -> None:
        if self._daemon is not None and self._daemon.returncode is not None:
            raise DemoFailed(f"the daemon has ended by itself with exit status {self._daemon.returncode}")

    async def stop(self) -> int | None:
        """SIGTERM, as systemd does it; the exit status. None: it was not running."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return None
        if daemon.returncode is None:
            daemon.terminate()
        try:
            return await in_time(daemon.wait(), STOP_TIMEOUT_S, "the daemon did not end")
        except DemoFailed:
            daemon.kill()
            return await daemon.wait()

    def last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_LINES:])


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dialerd.cli", *arguments]


def dying_with_us(*command: str) -> list[str]:
    """No daemon may outlive a demo that was killed: it would dial on in the next one's laboratory."""
    wrapper = REPOSITORY / "dialerd" / "store" / "dies_with_parent.py"
    who = (os.getpid(), os.getuid(), os.getgid(), int(signal.SIGTERM))
    return [sys.executable, str(wrapper), *map(str, who), *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


# --- progress ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The campaign at one moment."""

    status: str
    hold: str | None
    states: Mapping[str, int]
    attempts: Mapping[str, int]
    """By outcome; `in flight` are those without one."""
    waiting: int
    """Inbound callers who wait for an agent."""
    gone: int
    """Inbound callers who have hung up again."""

    @property
    def done(self) -> int:
        return sum(self.states.get(state, 0) for state in FINAL)

    def line(self) -> str:
        shown = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"{self.status}: {shown}; {sum(self.attempts.values())} attempts; {self.waiting} callers wait"


NOTHING_YET = Snapshot(status="", hold=None, states={}, attempts={}, waiting=0, gone=0)


@dataclass
class Watch:
    """Looks again and again, shows what it sees, and lets the script wait for a fact."""

    lab: Lab
    dialerd: Dialerd
    database: "asyncpg.Connection[asyncpg.Record]"
    now: Snapshot = NOTHING_YET
    happened: list[str] = field(default_factory=list)
    _seen: asyncio.Condition = field(default_factory=asyncio.Condition)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, screen: "Screen") -> None:
        """Until cancelled. Raises DemoFailed when the daemon has died."""
        while True:
            self.dialerd.check_alive()
            try:
                self.now = await self._look()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(REFRESH_S)
                self.dialerd.check_alive()  # its Postgres goes with it, and this is the better explanation
                raise
            screen.show(self)
            async with self._seen:
                self._seen.notify_all()
            await asyncio.sleep(REFRESH_S)

    async def until(self, fact: Callable[[Snapshot], bool]) -> None:
        async with self._seen:
            await self._seen.wait_for(lambda: fact(self.now))

    async def agents_with_cards(self) -> list[str]:
        async with self._asking:
            rows = await self.database.fetch("SELECT agent FROM offers WHERE state = 'open'")
        return [row["agent"] for row in rows]

    def tell(self, what: str) -> None:
        self.happened.append(f"{datetime.now(UTC):%H:%M:%S}  {what}")

    async def _look(self) -> Snapshot:
        async with self._asking:
            campaign = await self.database.fetchrow("SELECT status::text, hold_reason FROM campaigns")
            states = await self.database.fetch("SELECT state::text, count(*) FROM leads GROUP BY state")
            attempts = await self.database.fetch(
                "SELECT coalesce(outcome::text, 'in flight'), count(*) FROM attempts GROUP BY outcome"
            )
        if campaign is None:
            raise DemoFailed("the campaign is not in the table")
        return Snapshot(
            status=campaign[0],
            hold=campaign[1],
            states=dict(tuple(row) for row in states),
            attempts=dict(tuple(row) for row in attempts),
            waiting=sum(number in CALLERS for number in await self.lab.callers_waiting(QUEUE)),
            gone=len(self.lab.calls("inbound")),
        )


class Screen:
    """A picture that changes where somebody is watching, else a line now and then."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._began = time.monotonic()
        self._next_line = 0.0
        self._told = 0

    def show(self, watch: Watch) -> None:
        if self._live is not None:
            self._live.update(picture(watch, time.monotonic() - self._began))
            return
        for line in watch.happened[self._told :]:
            console.print(Text(line), soft_wrap=True)
        self._told = len(watch.happened)
        if time.monotonic() >= self._next_line:
            console.print(Text(f"{datetime.now(UTC):%H:%M:%S}  {watch.now.line()}", style="dim"), soft_wrap=True)
            self._next_line = time.monotonic() + LINE_EVERY_S


@contextmanager
def a_screen() -> Iterator[Screen]:
    if not console.is_terminal:
        yield Screen(None)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield Screen(live)


def picture(watch: Watch, elapsed_s: float) -> RenderableType:
    now = watch.now
    head = Text.assemble((f"{CAMPAIGN}: {now.status}", "bold"), f"   {elapsed_s:.0f} s   ", (now.hold or "", "yellow"))
    tables = Table.grid(padding=(0, 4))
    tables.add_row(
        counts("leads", now.states), counts("attempts", now.attempts), counts("queue", {"callers waiting": now.waiting})
    )
    happened = Text("\n".join(watch.happened[-8:]), style="cyan")
    return Group(Text(), head, bar(now), tables, happened, Text(f"metrics: {watch.dialerd.metrics_url}", style="dim"))


def bar(now: Snapshot, width: int = 60) -> Text:
    leads = sum(now.states.values()) or 1
    filled = width * now.done // leads
    return (
        Text("━" * filled, style="green")
        + Text("━" * (width - filled), style="dim")
        + f" {now.done} of {leads} leads done"
    )


def counts(title: str, numbers: Mapping[str, int]) -> Table:
    table = Table(title=title, box=None, show_header=False, title_justify="left", title_style="bold")
    for name, number in sorted(numbers.items()):
        table.add_row(name.replace("_", " "), str(number))
    return table


# --- the script -------------------------------------------------------------------------------------------------------


async def prepare(lab: Lab, dialerd: Dialerd, mode: DemoMode) -> None:
    """All that comes before the first call, and a world that does not take an hour."""
    hear(lab)
    await lab.reset()
    await lab.set_fates(ring_s=(0.5, 1.5), talk_s=(20, 20) if mode.keys else (3, 8), edge_s=RING_TIMEOUT_S - 3)
    await press_keys(lab, mode)
    await dialerd.command("migrate")
    await dialerd.command("check")
    if mode.menu is not None:
        await dialerd.command("menu", "import", str(mode.menu))
    await dialerd.command("campaign", "create", CAMPAIGN, *campaign_options(mode))
    await dialerd.command("dnc", "import", str(MATERIAL / "dnc.csv"), "--reason", "asked not to be called")
    await dialerd.command("leads", "import", CAMPAIGN, str(MATERIAL / "leads.csv"))
    await dialerd.start()


async def press_keys(lab: Lab, mode: DemoMode) -> None:
    """People do not all press the same: 1.5 s after the answer the first key, 2 s later the next."""
    people = [number for number in numbers_in_file() if int(number[-2:]) < FIRST_FATE_OF_OTHERS]
    for number, keys in zip(people, cycle(mode.keys), strict=False):
        after_s = [1.5, *[2.0] * 9]
        await lab.set_keys(number, [(wait, key) for wait, key in zip(after_s, keys.split(","), strict=False) if key])


def campaign_options(mode: DemoMode) -> list[str]:
    options = {
        "queue": QUEUE,
        "calls-per-second": CALLS_PER_SECOND,
        "concurrency": CONCURRENCY,
        "max-attempts": MAX_ATTEMPTS,
        "cooloff": COOLOFF_S,
        "cooloff-2nd": COOLOFF_2ND_S,
        "ring-timeout": RING_TIMEOUT_S,
        "customer-wait": 3,
        "agent-dial-timeout": 15,
        "caller-id": f"{SHOWN_NUMBER}={CAMPAIGN}",
        **mode.options,
    }
    return [
        part
        for name, value in options.items()
        for part in (f"--{name}", f"{value:g}" if isinstance(value, float) else str(value))
    ]


@dataclass
class Script:
    """What happens while the campaign runs, and when it was allowed to dial."""

    lab: Lab
    dialerd: Dialerd
    watch: Watch
    mode: DemoMode
    allowed: list[Span] = field(default_factory=list)

    async def play(self) -> None:
        """Agents look at cards all the while, where there are cards."""
        if self.mode.cards:
            await both(self._work_at_cards(), self._play())
        else:
            await self._play()

    async def _play(self) -> None:
        await self._start()
        await self.watch.until(lambda now: sum(now.attempts.values()) >= 5)
        await self._list_a_number()
        await self.watch.until(lambda now: now.done >= 20)
        await self._callers_come()
        await self._pause()
        await self.watch.until(lambda now: now.status == "completed")
        self.watch.tell("the campaign is completed")

    async def _start(self) -> None:
        self.allowed.append(Span(start=datetime.now(UTC)))
        await self.dialerd.quiet_command("campaign", "start", CAMPAIGN)
        self.watch.tell("campaign started")

    async def _list_a_number(self) -> None:
        await self.dialerd.quiet_command("dnc", "add", LATE_NUMBER, "--reason", "called and asked for it")
        self.watch.tell("a lead asks not to be called any more, before its turn: dialerd dnc add")

    async def _callers_come(self) -> None:
        for caller in CALLERS:
            await self.lab.call_in(QUEUE, caller, talk_s=4, patience_s=PATIENCE_S)
        self.watch.tell(f"{len(CALLERS)} callers call in: no campaign call starts while one of them waits")
        await self.watch.until(lambda now: now.gone == len(CALLERS))
        self.watch.tell("every caller has been served")

    async def _work_at_cards(self) -> None:
        """Each card is accepted, but for every sixth, which is skipped. One that has lapsed meanwhile is nobody's fault."""
        for turn in counting(1):
            agents = await self.watch.agents_with_cards()
            answers = [self._answer_card(agent, "skip" if turn % 6 == 0 else "accept") for agent in agents]
            await asyncio.gather(*answers)
            await asyncio.sleep(REFRESH_S / 5)

    async def _answer_card(self, agent: str, answer: str) -> None:
        with suppress(DemoFailed):
            await self.dialerd.quiet_command("agent", answer, agent)
            self.watch.tell(f"{agent}: {answer}s the card")

    async def _pause(self) -> None:
        await self.dialerd.quiet_command("campaign", "pause", CAMPAIGN)
        self.allowed[-1] = Span(start=self.allowed[-1].start, end=datetime.now(UTC))
        self.watch.tell("campaign paused: calls in flight complete")
        await self.watch.until(lambda now: not now.attempts.get("in flight"))
        await self._start()


async def run_campaign(lab: Lab, dialerd: Dialerd, mode: DemoMode) -> list[Span]:
    """From start to completion; the spans in which dialing was allowed."""
    async with database_of(dialerd) as database:
        watch = Watch(lab, dialerd, database)
        script = Script(lab, dialerd, watch, mode)
        with a_screen() as screen:
            await in_time(both(watch.run(screen), script.play()), CAMPAIGN_TIMEOUT_S, "the campaign was not completed")
            screen.show(watch)
        await in_time(silence(lab), STOP_TIMEOUT_S, "the last calls did not end")
    return script.allowed


async def silence(lab: Lab) -> None:
    """The far end records a call when it has ended."""
    while not await lab.is_silent():  # noqa: ASYNC110  nothing tells of it: it has to be asked for
        await asyncio.sleep(0.1)


async def both(eternal: Coroutine[Any, Any, None], script: Coroutine[Any, Any, None]) -> None:
    """Until the script has ended; the error of either ends both."""
    tasks = [asyncio.ensure_future(eternal), asyncio.ensure_future(script)]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_time(work: Awaitable[T], limit_s: float, complaint: str) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        raise DemoFailed(f"{complaint} within {limit_s:.0f} s") from None


@asynccontextmanager
async def database_of(dialerd: Dialerd) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """The tables, to be looked at: the server of the running daemon, or one of our own when it has gone."""
    async with embedded_postgres(dialerd.state_dir) as dsn:
        connection = await asyncpg.connect(dsn, timeout=30, command_timeout=30)
        try:
            yield connection
        finally:
            connection.terminate()


# --- the verdict ------------------------------------------------------------------------------------------------------


async def collect(lab: Lab, dialerd: Dialerd, allowed: Sequence[Span], mode: DemoMode) -> Evidence:
    """The campaign is held to what it was told here, whatever its settings say of it."""
    record = with_first_sounds(lab, audit.read_record(lab.calls_csv))
    async with embedded_postgres(dialerd.state_dir) as dsn:
        pool = await connect(dsn, max_connections=1)
        try:
            books = await books_of(pool, {QUEUE: AGENTS})
        finally:
            pool.terminate()
    [evidence] = with_record(books, record)
    rules = replace(
        evidence.rules,
        calls_per_second=CALLS_PER_SECOND,
        concurrency=CONCURRENCY,
        max_attempts=MAX_ATTEMPTS,
        cooloff_s=COOLOFF_S,
        cooloff_2nd_s=COOLOFF_2ND_S,
        allowed=tuple(allowed),
        imported=len(numbers_in_file()),
        agents_wanted=mode.agents_wanted,
    )
    return replace(evidence, rules=rules, at_work=None)


def numbers_in_file() -> list[str]:
    with (MATERIAL / "leads.csv").open(newline="", encoding="utf-8") as file:
        return [row["number"] for row in csv.DictReader(file)]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the tables say, what the far end says, and where the two do not agree."""

    states: Mapping[str, int]
    outcomes: Mapping[str, int]
    answered: int
    lead_calls: Sequence[FarEndCall]
    callers: int
    callers_served: int
    crossed: int
    """Answers that met the giving up of the PBX on the wire: the far end saw them, the PBX did not."""
    journey_s: float
    """The longest way from a row to its INVITE: what the judge allows for."""
    laws: Mapping[str, str]
    invariants: Mapping[str, str]
    disagreements: Sequence[str]

    @property
    def ok(self) -> bool:
        return not self.disagreements and not any(map(audit.is_broken, self.laws.values()))

    @property
    def leads(self) -> int:
        return sum(self.states.values())

    @property
    def attempts(self) -> int:
        return sum(self.outcomes.values())

    @property
    def far_end(self) -> dict[str, int]:
        return {
            "invites": len(self.lead_calls),
            "answered": sum(call.answer is not None for call in self.lead_calls),
            "numbers": len({call.dialed for call in self.lead_calls}),
        }

    def as_json(self) -> dict[str, object]:
        return {
            "leads": self.leads,
            "states": self.states,
            "attempts": self.attempts,
            "outcomes": self.outcomes,
            "answered": self.answered,
            "connected": self.outcomes.get("connected", 0),
            "abandoned": self.outcomes.get("abandoned", 0),
            "dnc_blocked": self.states.get("blocked", 0),
            "inbound": {"callers": self.callers, "served": self.callers_served},
            "far_end": self.far_end,
            "longest_journey_ms": round(self.journey_s * 1000),
            "laws": self.laws,
            "invariants": self.invariants,
            "disagreements": self.disagreements,
            "ok": self.ok,
        }


def judge(evidence: Evidence, overview: Mapping[str, Any], exit_status: int | None, mode: DemoMode) -> Verdict:
    """`overview` is what `dialerd campaign show --json` says of the campaign."""
    calls, attempts = evidence.calls, evidence.attempts
    callers = [call for call in calls if call.kind == "inbound"]
    found = audit.violations_of(evidence)
    verdict = Verdict(
        states={state: count for state, count in overview["leads"].items() if count},
        outcomes=dict(sorted(Counter(attempt.outcome or "none" for attempt in attempts).items())),
        answered=sum(attempt.answered_at is not None for attempt in attempts),
        lead_calls=[call for call in calls if call.kind == "lead"],
        callers=len(callers),
        callers_served=sum(is_served(caller, calls) for caller in callers),
        crossed=audit.crossed_answers(evidence),
        journey_s=evidence.tolerances.journey.total_seconds(),
        laws=audit.by_law(found),
        invariants=audit.by_invariant(found),
        disagreements=[],
    )
    facts = (*compared(verdict, evidence), *as_the_mode_promises(verdict, mode), *completed(overview, exit_status))
    return replace(verdict, disagreements=[sentence for holds, sentence in facts if not holds])


def is_served(caller: FarEndCall, calls: Sequence[FarEndCall]) -> bool:
    return any(call.kind == "agent" and call.answer and call.caller_number == caller.caller_number for call in calls)


def compared(verdict: Verdict, evidence: Evidence) -> Iterator[tuple[bool, str]]:
    """What has to be the same in the tables and at the far end, each with the sentence for when it is not."""
    rows = Counter(lead.state for lead in evidence.leads)
    far_end, placed = verdict.far_end, verdict.attempts - verdict.outcomes.get("not_placed", 0)
    listed = {entry.number for entry in evidence.dnc}
    listed_leads = sum(lead.number in listed for lead in evidence.leads)
    called = len({attempt.lead_id for attempt in evidence.attempts if attempt.outcome != "not_placed"})
    yield dict(rows) == verdict.states, f"the command says {verdict.states} of the leads, the table {dict(rows)}"
    yield (
        verdict.leads == evidence.rules.imported,
        f"{evidence.rules.imported} leads in the file, {verdict.leads} in the table",
    )
    yield placed == far_end["invites"], f"{placed} attempts in the table, {far_end['invites']} INVITEs at the far end"
    seen = far_end["answered"] - verdict.crossed
    yield verdict.answered == seen, f"{verdict.answered} answers in the table, {seen} at the far end"
    yield (
        called == far_end["numbers"],
        f"{called} leads called in the table, {far_end['numbers']} numbers at the far end",
    )
    yield "unknown" not in verdict.outcomes, "some attempts ended nobody knows how, though nothing was broken"
    yield (
        rows["blocked"] == listed_leads,
        f"{listed_leads} leads are listed as do-not-call, {rows['blocked']} are blocked",
    )
    yield verdict.callers == len(CALLERS), f"{len(CALLERS)} callers called in, the far end saw {verdict.callers}"
    yield (
        verdict.callers_served == verdict.callers,
        f"of {verdict.callers} callers {verdict.callers_served} got an agent",
    )


def as_the_mode_promises(verdict: Verdict, mode: DemoMode) -> Iterator[tuple[bool, str]]:
    yield verdict.outcomes.get(mode.wanted, 0) > 0, f"no call ended {mode.wanted}"
    broken = mode.never & verdict.outcomes.keys()
    yield not broken, f"some calls ended {', '.join(sorted(broken))}, which this mode rules out"


def completed(overview: Mapping[str, Any], exit_status: int | None) -> Iterator[tuple[bool, str]]:
    yield overview["status"] == "completed", f"the campaign is {overview['status']}, not completed"
    yield exit_status == 0, f"the daemon ended with exit status {exit_status} after SIGTERM"


def summary(verdict: Verdict) -> RenderableType:
    numbers = Table(box=None, pad_edge=False, header_style="bold")
    numbers.add_column("what came of it")
    numbers.add_column("dialerd's tables", justify="right")
    numbers.add_column("the far end", justify="right")
    far_end = verdict.far_end
    for name, ours, theirs in (
        ("leads", verdict.leads, ""),
        *((f"  {state}", count, "") for state, count in verdict.states.items()),
        ("attempts / INVITEs", verdict.attempts, far_end["invites"]),
        *((f"  {outcome.replace('_', ' ')}", count, "") for outcome, count in verdict.outcomes.items()),
        ("answered", verdict.answered, far_end["answered"]),
        ("numbers called", "", far_end["numbers"]),
        ("inbound callers / served", "", f"{verdict.callers} / {verdict.callers_served}"),
        ("longest way from row to INVITE", "", f"{verdict.journey_s * 1000:.0f} ms"),
    ):
        numbers.add_row(name, str(ours), str(theirs))
    disagreements = [Text(f"disagreement: {line}", style="red") for line in verdict.disagreements]
    title = Text("\nthe laws, judged from the far end's records", style="bold")
    return Group(Text(), numbers, title, laws(verdict), Text(), *disagreements, *slowness(verdict))


def slowness(verdict: Verdict) -> list[Text]:
    if verdict.journey_s < SLOW_S:
        return []
    return [
        Text("This machine was very busy: calls left late, and pace and precedence are judged with that much patience.")
    ]


def laws(verdict: Verdict) -> Table:
    table = Table.grid(padding=(0, 2))
    names = audit.INVARIANT_NAMES | audit.LAW_NAMES
    for name, said in {**verdict.laws, **verdict.invariants}.items():
        table.add_row(name, names[name], Text(said, style="red" if audit.is_broken(said) else "green"))
    return table


# --- the whole --------------------------------------------------------------------------------------------------------


async def demo(number: int, folder: Path, mode: DemoMode) -> Verdict:
    console.print(f"[bold]{mode.title}[/]")
    console.print(f"[bold]starting laboratory {number}[/] (the first time it builds its images: some minutes)")
    async with AsyncExitStack() as stack:
        starting = stack.enter_async_context(Lab.running(number))
        lab = await in_time(starting, LAB_TIMEOUT_S, "the laboratory did not come up")
        return await demo_in(lab, folder, mode)


async def demo_in(lab: Lab, folder: Path, mode: DemoMode) -> Verdict:
    dialerd = Dialerd(lab, folder)
    try:
        await prepare(lab, dialerd, mode)
        allowed = await run_campaign(lab, dialerd, mode)
        exit_status = await dialerd.stop()
        overview = json.loads(await dialerd.quiet_command("campaign", "show", CAMPAIGN, "--json"))
        return judge(await collect(lab, dialerd, allowed, mode), overview, exit_status, mode)
    except Exception:
        console.print(f"[bold]the daemon's last log lines[/] (all of them: {dialerd.log})", soft_wrap=True)
        console.print(Text(dialerd.last_words(), style="dim"), soft_wrap=True)
        raise
    finally:
        await dialerd.stop()
        with suppress(LabError, OSError):
            await lab.hang_up_everything()


@contextmanager
def alone_in(number: int) -> Iterator[None]:
    """Two demos in one laboratory would judge each other's calls."""
    LAB_STATE.mkdir(parents=True, exist_ok=True)
    with (LAB_STATE / f"{number}.demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"another demo runs in laboratory {number}; choose another with LAB=51") from None
        yield


@contextmanager
def tidy_lab(number: int) -> Iterator[None]:
    """Afterwards the laboratory is as it was: what was not running is stopped, unless KEEP_LAB is set."""
    was_up = "running" in lab_script("status", number)
    try:
        yield
    finally:
        if not was_up and os.environ.get("KEEP_LAB", "") in ("", "0"):
            lab_script("down", number)


def lab_script(command: str, number: int) -> str:
    done = subprocess.run(
        [sys.executable, str(LAB_SCRIPT), command, "--lab", str(number)], capture_output=True, timeout=120, check=False
    )
    return done.stdout.decode()


@contextmanager
def a_folder() -> Iterator[Path]:
    """Where the daemon keeps its state and log; kept for a look when the demo fails, but not when it is interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="dialerd-demo-"))
    folder.chmod(0o755)  # the embedded Postgres runs as another user
    try:
        yield folder
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


async def until_told_to_stop(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends the demo in the same order as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def chosen_mode() -> DemoMode:
    name = os.environ.get("MODE") or "progressive"
    if name not in MODES:
        raise DemoFailed(f"there is no mode {name}; there are {', '.join(MODES)}")
    return MODES[name]


def write_summary(verdict: Verdict) -> None:
    if path := os.environ.get("SUMMARY"):
        Path(path).write_text(json.dumps(verdict.as_json(), indent=2) + "\n", encoding="utf-8")


def main() -> int:
    configure(LogSettings(level="error", format="console"))
    try:
        number, mode = int(os.environ.get("LAB") or 50), chosen_mode()
        with alone_in(number), tidy_lab(number), a_folder() as folder:
            verdict = asyncio.run(until_told_to_stop(demo(number, folder, mode)))
            console.print(summary(verdict))
            write_summary(verdict)
            if not verdict.ok:
                raise DemoFailed(
                    f"tables and far end do not agree, or a law was broken; the daemon's log: {folder}/dialerd.log"
                )
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("[bold red]the demo was interrupted[/]")
        return 130
    except Exception as failure:  # noqa: BLE001  the last door: whatever it was, it is told in one line
        console.print(Text(f"the demo has failed: {str(failure) or type(failure).__name__}", style="bold red"))
        return 1
    console.print("[bold green]the tables and the far end agree, and every law was held[/]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
