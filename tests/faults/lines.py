"""What drills of the lines to Asterisk share: who said what on a wire, how long a link was gone, what floods it, and the PBX's own
process, which may be killed, frozen and started again."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

from tests.acceptance.desk import PATIENCE_S, Desk
from tests.faults.proxy import FaultProxy, Way
from tests.lab import LAB_LOGIN, Ami, Lab, LabError

AGENTS = ("1010", "1011", "1012", "1013")
AMI_PORT, ARI_PORT = 5038, 8088
ORIGINATED = re.compile(rb"Response: Success\r\nActionID: [^\r]*\r\nMessage: Originate successfully queued\r\n\r\n")
"""What Asterisk says to an Originate, before it dials."""
LEAD = b"Context: dialerd-answered\r\n"
"""Where a lead is sent who answers: so an order to dial a lead is told from one to ring an agent."""


class Wire:
    """What the daemon has said to Asterisk since this began, as far as it has passed the proxy; `on_dial` is called just before
    an order to dial a lead passes."""

    def __init__(self, line: FaultProxy, on_dial: Callable[[], None] = lambda: None) -> None:
        self._on_dial = on_dial
        self._said = b""
        line.garble(self._hear, Way.TO_SERVER)

    def actions(self) -> list[str]:
        return [name.decode() for name in re.findall(rb"Action: (\w+)\r\n", self._said)]

    def leads_dialed(self) -> int:
        return self._said.count(LEAD)

    def _hear(self, piece: bytes) -> bytes:
        if LEAD in piece:
            self._on_dial()
        self._said += piece
        return piece


class LateReplies:
    """Asterisk's replies to orders to dial come only when `is_time` says so of a later piece: behind the events that followed them."""

    def __init__(self, line: FaultProxy, is_time: Callable[[bytes], bool]) -> None:
        self.held = 0
        self.let_go = 0
        self._is_time = is_time
        self._replies = b""
        line.garble(self._pass, Way.TO_CLIENT)

    def _pass(self, piece: bytes) -> bytes:
        replies = ORIGINATED.findall(piece)
        self.held += len(replies)
        self._replies += b"".join(replies)
        rest = ORIGINATED.sub(b"", piece)
        if not self._is_time(rest):
            return rest
        late, self._replies = self._replies, b""
        self.let_go += len(ORIGINATED.findall(late))
        return rest + late


# --- the daemon's own words ------------------------------------------------------------------------------------------


async def link_is(desk: Desk, link: str, *, up: bool) -> bool:
    return await desk.metric(f'dialerd_link_up{{link="{link}"}}') == float(up)


async def until_link_is(desk: Desk, link: str, *, up: bool) -> float:
    """The seconds for which it was waited."""
    since = monotonic()
    await desk.lab.wait_for(lambda: link_is(desk, link, up=up), 60)
    return round(monotonic() - since, 2)


async def until_readiness_says(desk: Desk, words: str) -> None:
    async def said() -> bool:
        return words in await desk.daemon.get("/readyz")

    await desk.lab.wait_for(said, PATIENCE_S)


def logged(desk: Desk, event: str) -> int:
    """How often the daemon's log tells of it."""
    return len(re.findall(rf"\b{event}\b", desk.daemon.log.read_text(encoding="utf-8")))


def measured(**figures: Any) -> None:
    """Figures of a drill, shown with `-s`, and where it fails."""
    print("measured:", ", ".join(f"{name} {value}" for name, value in figures.items()))


# --- a flood ---------------------------------------------------------------------------------------------------------

LOCAL_CALL = {"Channel": "Local/1@agents/n", "Application": "Wait", "Data": "1", "Async": "true"}
NOISE = {"UserEvent": "Noise"}
AT_ONCE = 10


@asynccontextmanager
async def flood(lab: Lab) -> AsyncIterator[None]:
    """Another program of the PBX makes Local channels and events of its own, as many as Asterisk takes."""
    await lab.pbx.act("Events", EventMask="off")  # the laboratory itself need not read it
    sessions = [await Ami.connect(lab.pbx_address, LAB_LOGIN, events="off") for _ in range(2)]
    pouring = [
        asyncio.create_task(_pour(session, action, headers))
        for session, (action, headers) in zip(sessions, (("Originate", LOCAL_CALL), ("UserEvent", NOISE)), strict=True)
    ]
    try:
        yield
    finally:
        for each in pouring:
            each.cancel()
        await asyncio.gather(*pouring, return_exceptions=True)
        for session in sessions:
            await session.close()
        await lab.pbx.act("Events", EventMask="call,agent,user")


async def _pour(session: Ami, action: str, headers: Mapping[str, str]) -> None:
    """Some at a time, so that no more is under way than Asterisk takes."""
    while True:
        await asyncio.gather(*(session.act(action, None, **headers) for _ in range(AT_ONCE)))


# --- the PBX's own process -------------------------------------------------------------------------------------------


async def docker(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait() != 0:
        raise LabError(f"docker {' '.join(arguments)} failed")


def pbx_container(lab: Lab) -> str:
    return f"dialerd-lab-{lab.number}-pbx"


async def signal_pbx(lab: Lab, name: str) -> None:
    """Asterisk is the first process of its container."""
    await docker("kill", "--signal", name, pbx_container(lab))


@asynccontextmanager
async def pbx_frozen(lab: Lab) -> AsyncIterator[None]:
    await signal_pbx(lab, "STOP")
    try:
        yield
    finally:
        await signal_pbx(lab, "CONT")


async def start_pbx(lab: Lab) -> None:
    """After a kill; until it has a session for the laboratory."""
    await docker("start", pbx_container(lab))
    await until_pbx_is_back(lab)


async def until_pbx_is_back(lab: Lab) -> None:
    """A new session of the laboratory's own, once Asterisk has loaded its queues."""
    await lab.wait_for(lambda: lab.pbx.is_lost, PATIENCE_S)
    [lab.pbx] = await lab.wait_for(lambda: _sessions(lab), 2 * PATIENCE_S)


async def _sessions(lab: Lab) -> list[Ami]:
    """A new one, or none while Asterisk is not there."""
    with suppress(OSError, LabError):
        session = await Ami.connect(lab.pbx_address, LAB_LOGIN)
        with suppress(LabError):
            await session.list("QueueStatus")
            return [session]
        await session.close()
    return []
