"""The laboratory as tests, the demo and the benchmarks see it: what the far end saw, and every lever on both Asterisks.

It speaks AMI with a small client of its own: the judge shares no code with the judged.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import inspect
import itertools
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, TypeVar, overload
from urllib.parse import parse_qsl, unquote

import aiohttp

from docker.both.ear import ECHO_PORT
from tests.heard import Heard as Heard

LAB_SCRIPT = Path(__file__).resolve().parent.parent / "docker" / "lab.py"
LAB_LOGIN = ("lab", "lab-secret")
DIALERD_AMI_LOGIN = ("dialerd", "lab-dialerd")
DIALERD_ARI_LOGIN = ("dialerd", "lab-dialerd")
LAB_NUMBER = int(os.environ.get("DIALERD_LAB", "50")) + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
"""Which laboratory this process uses: each xdist worker has its own, so that they do not hang up on each other."""
PATIENCE_S = 30.0
"""How long a fact is waited for: far longer than it takes, since other work may share the machine."""
COMPANY_NUMBER = "12025550199"
"""The caller ID that leads are shown when a test does not care."""

Message = dict[str, str]
"""One AMI message; of a header that occurs twice, the last."""

Behaviour = Literal["answer", "reject", "ignore", "slow"]
Voice = Literal["no", "yes", "talk", "yes-talk"]
"""What people on the phone say: nothing; a word; a tone of their own, all the time; a word, and after 1.2 s the tone."""
Trunk = Literal["carrier", "carrier2"]
Span = tuple[float, float]
"""At least and at most, in seconds."""
FOR_EVER: Span = (3600.0, 3600.0)
"""Phones ring and people talk until the test says otherwise. Where a daemon is killed and started that is the only sure way: how long
a start takes is the machine's affair, and a call that ends meanwhile is `unknown`, and is dialed again by right."""

T = TypeVar("T")
Stream = TypeVar("Stream", asyncio.StreamReader, asyncio.StreamWriter)


class LabError(AssertionError):
    """The laboratory did not do what a test leans on."""


class SpoiledEvidence(LabError):
    """The machine had no time for the laboratory: what was seen proves nothing, and the test is repeated."""


# --- AMI -------------------------------------------------------------------------------------------------------------


class Ami:
    """One AMI session: actions with their answers, and every event of its mask since the login, in order."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: BinaryIO | None = None
    ) -> None:
        self.events: list[Message] = []
        self.is_lost = False
        """Asterisk closed the connection."""
        self._reader = reader
        self._writer = writer
        self._copy = copy
        self._ids = itertools.count(1)
        self._answers: dict[str, asyncio.Queue[Message]] = {}
        self._reading = asyncio.create_task(self._read(), name="lab-ami")

    @classmethod
    async def connect(
        cls,
        address: str,
        login: tuple[str, str],
        *,
        port: int = 5038,
        events: str = "call,agent,user",
        copy: BinaryIO | None = None,
    ) -> Self:
        """Log in. `events` is a mask of classes, or `off`: at hundreds of calls a second `all` is a burden on Asterisk.

        All that Asterisk says is also written to `copy`, byte for byte.
        """
        reader, writer = await asyncio.open_connection(address, port)
        greeting = await reader.readline()
        if copy is not None:
            copy.write(greeting)
        session = cls(reader, writer, copy)
        try:
            await session.act("Login", Username=login[0], Secret=login[1], Events=events)
        except LabError:
            await session.close()
            raise
        return session

    async def close(self) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def act(self, action: str, variables: dict[str, str] | None = None, **headers: str) -> Message:
        """Send one action and return its response; raise LabError when Asterisk refuses it."""
        async with self._answers_to(action, variables, headers) as answers:
            return await self._response(action, answers)

    async def list(self, action: str, **headers: str) -> list[Message]:
        """Send an action that is answered by a list, and return the list's events."""
        async with self._answers_to(action, None, headers) as answers:
            await self._response(action, answers)
            found: list[Message] = []
            while "EventList" not in (message := await self._next(action, answers)):
                found.append(message)
            return found

    @asynccontextmanager
    async def _answers_to(
        self, action: str, variables: dict[str, str] | None, headers: dict[str, str]
    ) -> AsyncIterator[asyncio.Queue[Message]]:
        action_id = f"lab-{next(self._ids)}"
        lines = [("Action", action), ("ActionID", action_id), *headers.items()]
        lines += [("Variable", f"{name}={value}") for name, value in (variables or {}).items()]
        self._answers[action_id] = asyncio.Queue()
        try:
            self._writer.write(encode(lines))
            await self._writer.drain()
            yield self._answers[action_id]
        finally:
            del self._answers[action_id]

    async def _response(self, action: str, answers: asyncio.Queue[Message]) -> Message:
        message = await self._next(action, answers)
        if message.get("Response") == "Error":
            raise LabError(f"{action}: {message.get('Message')}")
        return message

    async def _next(self, action: str, answers: asyncio.Queue[Message]) -> Message:
        try:
            return await asyncio.wait_for(answers.get(), PATIENCE_S)
        except TimeoutError:
            raise LabError(f"{action}: no answer within {PATIENCE_S:g} s") from None

    async def _read(self) -> None:
        while message := await read_message(self._reader, self._copy):
            waiting = self._answers.get(message.get("ActionID", ""))
            is_answer = "Response" in message or message.get("Event") != "OriginateResponse"
            if waiting is not None and is_answer:
                waiting.put_nowait(message)
            elif "Event" in message:
                self.events.append(message)
        self.is_lost = True


def encode(lines: Iterable[tuple[str, str]]) -> bytes:
    for name, value in lines:
        if "\r" in value or "\n" in value:
            raise LabError(f"{name} would break out of its line")
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode() + b"\r\n"


async def read_message(reader: asyncio.StreamReader, copy: BinaryIO | None = None) -> Message | None:
    """The next message; None at the end of the connection."""
    message: Message = {}
    output: list[str] = []
    while line := await reader.readline():
        if copy is not None:
            copy.write(line)
        text = line.decode(errors="replace").rstrip("\r\n")
        if not text:
            return message | ({"Output": "\n".join(output)} if output else {})
        name, _, value = text.partition(":")
        if name == "Output":
            output.append(value.removeprefix(" "))
        else:
            message[name] = value.removeprefix(" ")
    return None


# --- The daemon's part, played by hand -------------------------------------------------------------------------------


async def dial_lead(
    ami: Ami, number: str, *, queue: str = "", message: str = "", hold_limit_s: int = 20, ring_timeout_s: float = 20.0
) -> str:
    """Originate a lead leg as the contract in asterisk-config/README.md has it; returns the attempt id."""
    attempt = str(uuid.uuid4())
    variables = {
        "DIALERD_APP": "dialerd",
        "__DIALERD_ATTEMPT": attempt,
        "DIALERD_CAMPAIGN": "7",
        "DIALERD_QUEUE": queue,
        "DIALERD_MESSAGE": message,
        "DIALERD_HOLD_LIMIT": str(hold_limit_s),
    }
    await ami.act(
        "Originate",
        variables,
        Channel=f"PJSIP/{number}@carrier",
        ChannelId=attempt,
        CallerID=f'"Acme" <{COMPANY_NUMBER}>',
        Context="dialerd-answered",
        Exten="s",
        Priority="1",
        Timeout=str(round(ring_timeout_s * 1000)),
        Async="true",
    )
    return attempt


async def hunt(ami: Ami, queue: str, attempt: str, *, lead_channel: str, lead_number: str, timeout_s: int = 20) -> str:
    """Originate a hunt for an agent as the contract has it; returns the near half's channel id."""
    near, far = str(uuid.uuid4()), str(uuid.uuid4())
    variables = {
        "DIALERD_APP": "dialerd",
        "__DIALERD_ATTEMPT": attempt,
        "DIALERD_LEAD_CHANNEL": lead_channel,
        "__DIALERD_HUNT_TIMEOUT": str(timeout_s),
    }
    await ami.act(
        "Originate",
        variables,
        Channel=f"Local/{queue}@dialerd-hunt/n",
        ChannelId=near,
        OtherChannelId=far,
        CallerID=f'"Lee" <{lead_number}>',
        Context="dialerd-hunted",
        Exten="s",
        Priority="1",
        Timeout=str((timeout_s + 5) * 1000),
        Async="true",
    )
    return near


# --- ARI -------------------------------------------------------------------------------------------------------------


class StasisApp:
    """A stand-in for the daemon's ARI half: holds the websocket of an application, and sends requests."""

    def __init__(self, session: aiohttp.ClientSession, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._websocket = websocket

    @classmethod
    @asynccontextmanager
    async def connected(cls, ari_url: str, app: str = "dialerd") -> AsyncIterator[Self]:
        login = base64.b64encode(":".join(DIALERD_ARI_LOGIN).encode()).decode()
        async with (
            aiohttp.ClientSession(f"{ari_url}/", headers={"Authorization": f"Basic {login}"}) as session,
            session.ws_connect("events", params={"app": app}) as websocket,
        ):
            yield cls(session, websocket)

    async def die(self) -> None:
        """Close the websocket, as a daemon's death would."""
        await self._websocket.close()

    async def next(self, event_type: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next event of this type; others are passed over."""
        async with asyncio.timeout(timeout_s):
            while (event := await self._websocket.receive_json())["type"] != event_type:
                pass
        found: dict[str, Any] = event
        return found

    async def post(self, path: str, **parameters: str) -> None:
        async with self._session.post(path, params=parameters) as response:
            if response.status >= 300:
                raise LabError(f"POST {path}: {response.status} {await response.text()}")


# --- What the far end saw --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FarEndCall:
    """One call as the carrier saw it; a moment that did not come is None."""

    call_id: str
    kind: Literal["lead", "agent", "inbound"]
    invite: datetime
    ringing: datetime | None
    answer: datetime | None
    end: datetime
    dialed: str
    caller_number: str
    caller_name: str
    hung_up_by: Literal["far_end", "pbx"]
    cause: int
    """Q.850."""
    headers: Mapping[str, str]
    """The INVITE's X-Dialerd headers, percent-decoded. A lead's are looked at only while the laboratory listens."""
    trunk: str
    """By which of the carrier's trunks a lead's call came; empty for the others."""

    @property
    def talk_s(self) -> float:
        return (self.end - self.answer).total_seconds() if self.answer else 0.0


def moment(epoch_s: str) -> datetime | None:
    return datetime.fromtimestamp(float(epoch_s), UTC) if epoch_s else None


def certain(epoch_s: str) -> datetime:
    return datetime.fromtimestamp(float(epoch_s), UTC)


def read_calls(path: Path) -> list[FarEndCall]:
    """Every ended call in the record, in the order in which they ended. A row that is not whole raises ValueError."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [far_end_call(row) for row in csv.DictReader(lines, strict=True)]


def far_end_call(row: dict[str, str]) -> FarEndCall:
    kinds: dict[str, Literal["lead", "agent", "inbound"]] = {"lead": "lead", "agent": "agent", "inbound": "inbound"}
    sides: dict[str, Literal["far_end", "pbx"]] = {"far_end": "far_end", "pbx": "pbx"}
    return FarEndCall(
        call_id=row["call_id"],
        kind=kinds[row["kind"]],
        invite=certain(row["invite"]),
        ringing=moment(row["ringing"]),
        answer=moment(row["answer"]),
        end=certain(row["end"]),
        dialed=row["dialed"],
        caller_number=row["caller_number"],
        caller_name=row["caller_name"],
        hung_up_by=sides[row["hung_up_by"]],
        cause=int(row["cause"]),
        headers=headers_in(row["headers"]),
        trunk=row["trunk"],
    )


def headers_in(field: str) -> dict[str, str]:
    """The far end writes them as a web form would, around the percent signs that the PBX may have sent."""
    pairs = parse_qsl(field.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True) if field else []
    return {name: unquote(value) for name, value in pairs}


class Ear:
    """docker/both/ear.py at work, in the far end of one laboratory."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self._address = far_end_address(number)
        self._process = process
        self._echoes = itertools.count(1)

    @classmethod
    async def listening(cls, number: int) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(LAB_SCRIPT),
            "listen",
            "--lab",
            str(number),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        ear = cls(number, process)
        await ear._says("listening")
        return ear

    async def catch_up(self) -> None:
        """Return when all that has arrived until now is written."""
        word = f"echo-{next(self._echoes)}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anyone:
            anyone.sendto(word.encode(), (self._address, ECHO_PORT))
        await self._says(word)

    async def stop(self) -> None:
        self._stream(self._process.stdin).close()
        await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def _says(self, word: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await self._stream(self._process.stdout).readline()
        except TimeoutError:
            raise LabError(f"the ear said nothing for {PATIENCE_S:g} s") from None
        if said.decode().rstrip() != word:
            raise LabError(f"the ear said {said!r} instead of {word!r}; what it complained about stands above")

    @staticmethod
    def _stream(pipe: Stream | None) -> Stream:
        assert pipe is not None
        return pipe


# --- The laboratory --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class QueueMember:
    """An agent in a queue, as the PBX counts it."""

    extension: str
    name: str
    paused: bool
    in_call: bool
    device_state: int
    """Asterisk's number: 1 not in use, 2 in use, 3 busy, 5 unavailable, 6 ringing."""
    calls_taken: int


DEFAULT_GLOBALS = {
    "FATE_RING_MS": "1000-3000",
    "FATE_TALK_MS": "3000-20000",
    "FATE_LONG_RING_MS": "45000-60000",
    "FATE_EDGE_MS": "30000-30000",
    "FATE_KEY_MS": "1000-1000",
    "FATE_VOICE": "yes",
    "AGENT_RING_MS": "300-1000",
    "AGENT_SLOW_MS": "8000-12000",
    "AGENT_TALK_MS": "7200000-7200000",
    "AGENT_VOICE": "no",
    "FATE_LISTEN": "no",
    "TAKES_carrier": "all",
    "TAKES_carrier2": "all",
    "REFUSES_carrier": "34",
    "REFUSES_carrier2": "34",
}
BEHAVIOUR_FAMILIES = ("agent", "answer", "keys")
"""Of the far end's database: what single phones do."""
STATIC_QUEUES = {"sales": ("1001", "1002", "1003", "1004")}


def milliseconds(span: Span) -> str:
    least, most = (round(seconds * 1000) for seconds in span)
    return f"{least}-{most}"


async def run_lab_script(command: str, number: int) -> dict[str, str]:
    """Run docker/lab.py and return the addresses it prints."""
    script = await asyncio.create_subprocess_exec(
        sys.executable, str(LAB_SCRIPT), command, "--lab", str(number), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await script.communicate()
    if script.returncode != 0:
        raise LabError(f"docker/lab.py {command} failed; what it said stands above")
    pairs = (line.partition("=") for line in printed.decode().splitlines())
    return {name: value for name, _, value in pairs}


class Lab:
    """Both Asterisks of a running laboratory. `pbx` and `far_end` are open AMI sessions with every permission."""

    def __init__(self, *, number: int, calls_csv: Path, heard_folder: Path, pbx: Ami, far_end: Ami) -> None:
        self.number = number
        self.calls_csv = calls_csv
        self.heard_folder = heard_folder
        self.pbx = pbx
        self.far_end = far_end
        self.members_ever: dict[str, list[str]] = {queue: [*members] for queue, members in STATIC_QUEUES.items()}
        """Queue -> extensions of everybody who was in it since `reset`: the referee asks who may have been free."""
        self.record_since: datetime | None = None
        """When the record was last emptied. None: it was not."""
        self._ear: Ear | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, number: int = LAB_NUMBER) -> AsyncIterator[Self]:
        """Bring the laboratory up (quick if it already is) and connect to it; it stays up afterwards."""
        facts = await run_lab_script("up", number)
        pbx = await Ami.connect(pbx_address(number), LAB_LOGIN)
        try:
            far_end = await Ami.connect(far_end_address(number), LAB_LOGIN, events="off")
            try:
                calls_csv, heard_folder = Path(facts["calls_csv"]), Path(facts["heard"])
                lab = cls(number=number, calls_csv=calls_csv, heard_folder=heard_folder, pbx=pbx, far_end=far_end)
                try:
                    yield lab
                finally:
                    await lab.stop_listening()
            finally:
                await far_end.close()
        finally:
            await pbx.close()

    @property
    def pbx_address(self) -> str:
        return pbx_address(self.number)

    @property
    def ari_url(self) -> str:
        return f"http://{self.pbx_address}:8088/ari"

    # what the far end saw

    def calls(self, kind: str | None = None) -> list[FarEndCall]:
        """The calls that have ended so far."""
        return [call for call in read_calls(self.calls_csv) if kind in (None, call.kind)]

    def forget_calls(self) -> None:
        """Empty the record down to its header, and forget what was heard. The far end appends, so that no later line is harmed."""
        for sound in self.heard_folder.iterdir():
            sound.unlink()
        with self.calls_csv.open("rb") as record:
            header = record.readline()
        os.truncate(self.calls_csv, len(header))
        self.record_since = datetime.now(UTC)

    async def listen(self) -> None:
        """What the phones hear is written down from now on, of calls that begin from now on; until `reset`."""
        if self._ear is None:
            self._ear = await Ear.listening(self.number)
        await self._set_globals({"FATE_LISTEN": "yes"})

    async def stop_listening(self) -> None:
        if self._ear is not None:
            ear, self._ear = self._ear, None
            await ear.stop()

    async def heard(self, call: FarEndCall) -> Heard:
        """What this phone heard from its answer to its end; LabError if nobody listened, SpoiledEvidence if packets were lost."""
        packets = self.heard_folder / f"{call.call_id}.rtp"
        if self._ear is None or call.answer is None or not packets.exists():
            raise LabError(f"nobody heard the call to {call.dialed}: not answered, or not after `listen`")
        await self._ear.catch_up()
        answered_s, ended_s = call.answer.timestamp(), call.end.timestamp()
        try:
            return await asyncio.to_thread(Heard.on_wire, packets, answered_s=answered_s, ended_s=ended_s)
        except ValueError as unheard:
            raise SpoiledEvidence(f"the call to {call.dialed}: {unheard}") from unheard

    async def is_whole(self, talk: FarEndCall, recorded_s: float) -> bool:
        """Whether so long a recording has the talk from its beginning to its end. Asterisk writes down what arrives, and phones on a
        machine that has too much to do send less than a second of sound in a second: what came of the talk to the lead must be there.
        Only after `listen`."""
        arrived_s = (await self.heard(talk)).arrived_s
        return arrived_s > 1 and arrived_s - 1 < recorded_s < talk.talk_s + 1

    # the world's behaviour

    async def set_fates(
        self,
        *,
        ring_s: Span | None = None,
        talk_s: Span | None = None,
        edge_s: float | None = None,
        long_ring_s: Span | None = None,
        voice: Voice | bool | None = None,
    ) -> None:
        """How long leads ring and talk; `edge_s` is when fate 98 answers: set it to the ring timeout under test."""
        spans = {
            "FATE_RING_MS": ring_s,
            "FATE_TALK_MS": talk_s,
            "FATE_LONG_RING_MS": long_ring_s,
            "FATE_EDGE_MS": None if edge_s is None else (edge_s, edge_s),
        }
        values = {name: milliseconds(span) for name, span in spans.items() if span is not None}
        if voice is not None:
            values["FATE_VOICE"] = voice if isinstance(voice, str) else "yes" if voice else "no"
        await self._set_globals(values)

    async def set_agents(
        self, *, ring_s: Span | None = None, talk_s: Span | None = None, talking: bool | None = None
    ) -> None:
        """How long agents' phones ring before they answer, when agents hang up (by default never), if they speak."""
        spans = {"AGENT_RING_MS": ring_s, "AGENT_TALK_MS": talk_s}
        values = {name: milliseconds(span) for name, span in spans.items() if span is not None}
        if talking is not None:
            values["AGENT_VOICE"] = "talk" if talking else "no"
        await self._set_globals(values)

    async def set_trunk(self, trunk: Trunk, *, takes: int | None = None, cause: int = 34) -> None:
        """How many calls the carrier takes by this trunk within a second of its clock (None: all), and how it refuses the others:
        34 is a 503, 19 a 480."""
        taken = "all" if takes is None else str(takes)
        await self._set_globals({f"TAKES_{trunk}": taken, f"REFUSES_{trunk}": str(cause)})

    async def agent_behaviour(self, extension: str, behaviour: Behaviour) -> None:
        await self._set_behaviour("agent", extension, behaviour)

    async def agent_leaves_early(self, extension: str, *, after_s: float) -> None:
        """This agent answers, and hangs up so long afterwards."""
        await self._set_behaviour("agent", extension, f"early:{round(after_s * 1000)}")

    async def set_answer(self, number: str, after_s: float) -> None:
        """If this phone answers at all, then so long after its INVITE. `number` is a lead's, or an agent's extension."""
        await self._set_behaviour("answer", number.lstrip("+"), str(round(after_s * 1000)))

    async def set_keys(self, number: str, keys: Sequence[tuple[float, str]]) -> None:
        """What the person at this number presses: (seconds after the answer, or after the key before was let go; key).

        A key is held for 0.1 s. A person who says a word (`voice`) begins to count afterwards.
        """
        script = ",".join(f"{round(after_s * 1000)}:{key}" for after_s, key in keys)
        await self._set_behaviour("keys", number.lstrip("+"), script)

    async def _set_behaviour(self, family: str, phone: str, value: str) -> None:
        await self.far_end.act("DBPut", Family=family, Key=phone, Val=value)

    async def is_in_call(self, dialed: str) -> bool:
        """Whether the phone with this number or extension rings, or talks."""
        return bool(await self._calls_of(dialed))

    async def _calls_of(self, dialed: str) -> list[Message]:
        return [call for call in await self.far_end.list("CoreShowChannels") if call["AccountCode"] == dialed]

    async def _calls_that_go_on(self, dialed: str) -> list[Message]:
        if calls := await self._calls_of(dialed):
            return calls
        raise LabError(f"the phone {dialed} is in no call")

    async def pick_up(self, lead: str) -> None:
        """The person at this number, whose phone rings, answers now; LabError if it is in no call. A person's fate rings at its first
        step and answers at its second."""
        for call in await self._calls_that_go_on(lead.lstrip("+")):
            await self.far_end.act("Redirect", Channel=call["Channel"], Context="fate", Exten=lead[-2:], Priority="2")

    async def hang_up(self, dialed: str) -> None:
        """The phone with this number or extension hangs up now; LabError if it is in no call."""
        for call in await self._calls_that_go_on(dialed):
            await self.far_end.act("Setvar", Channel=call["Channel"], Variable="call_by", Value="far_end")
            await self.far_end.act("Hangup", Channel=call["Channel"], Cause="16")

    async def _set_globals(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            await self.far_end.act("Setvar", Variable=name, Value=value)

    # queues and agents

    async def queue_add(
        self, queue: str, extension: str, *, paused: bool = False, penalty: int = 0, device: str = ""
    ) -> None:
        """`device`: whose state tells whether the agent is free, if it is not the phone's own."""
        members = self.members_ever.setdefault(queue, [])
        if extension not in members:  # a PBX that was restarted is told again
            members.append(extension)
        await self.pbx.act(
            "QueueAdd",
            Queue=queue,
            Interface=f"PJSIP/{extension}",
            MemberName=f"Agent {extension}",
            StateInterface=device or f"PJSIP/{extension}",
            Paused="true" if paused else "false",
            Penalty=str(penalty),
        )

    async def queue_remove(self, queue: str, extension: str) -> None:
        await self.pbx.act("QueueRemove", Queue=queue, Interface=f"PJSIP/{extension}")

    async def queue_pause(self, queue: str, extension: str, *, paused: bool = True, reason: str = "") -> None:
        state = "true" if paused else "false"
        await self.pbx.act("QueuePause", Queue=queue, Interface=f"PJSIP/{extension}", Paused=state, Reason=reason)

    async def queue_members(self, queue: str) -> list[QueueMember]:
        events = await self.pbx.list("QueueStatus", Queue=queue)
        return [queue_member(event) for event in events if event["Event"] == "QueueMember"]

    async def callers_waiting(self, queue: str) -> list[str]:
        """The numbers of those who wait in the queue, first in line first."""
        events = await self.pbx.list("QueueStatus", Queue=queue)
        return [event["CallerIDNum"] for event in events if event["Event"] == "QueueEntry"]

    async def call_in(self, queue: str, caller: str, *, talk_s: float = 5.0, patience_s: float = 60.0) -> None:
        """Somebody calls the queue: hangs up after `talk_s` with an agent, or when `patience_s` of waiting is over."""
        times = {"TALK_MS": milliseconds((talk_s, talk_s)), "PATIENCE_MS": str(round(patience_s * 1000))}
        await self.dial_pbx(f"queue-{queue}", caller, context="call-in", **times)

    async def dial_pbx(self, extension: str, caller: str, *, context: str = "call-extension", **variables: str) -> None:
        """Somebody calls an extension of the PBX, and once it has answered does as a lead: presses the keys of the own number
        (`set_keys`), stays as long as leads talk, and hangs up."""
        opened = {
            "call_kind": "inbound",
            "call_dialed": extension if context == "call-in" else caller,
            "call_invite": f"{datetime.now(UTC).timestamp():.3f}",
            # AMI splits a variable's value at commas that are not escaped.
            "CHANNEL(hangup_handler_push)": r"record\,s\,1",
            **variables,
        }
        await self.far_end.act(
            "Originate",
            opened,
            Channel=f"PJSIP/{extension}@pbx",
            CallerID=f"<{caller}>",
            Account=caller,
            Context=context,
            Exten="s",
            Priority="1",
            Timeout="15000",
            Async="true",
        )

    # the whole

    async def channels(self) -> list[Message]:
        """Every channel of the PBX."""
        return await self.pbx.list("CoreShowChannels")

    async def hang_up_everything(self) -> None:
        """End every call, and wait until the far end has recorded its side of them."""
        for side in (self.pbx, self.far_end):
            for channel in await side.list("CoreShowChannels"):
                with suppress(LabError):  # it may have ended by itself
                    await side.act("Hangup", Channel=channel["Channel"])
        await self.wait_for(self.is_silent)

    @asynccontextmanager
    async def recording_folder_broken(self) -> AsyncIterator[None]:
        """The PBX may not write where it records."""
        await self._as_root_of_pbx(
            "mkdir -p /var/spool/asterisk/recording && chown -R root /var/spool/asterisk/recording"
        )
        try:
            yield
        finally:
            await self._as_root_of_pbx("chown -R asterisk /var/spool/asterisk/recording")

    @asynccontextmanager
    async def pbx_configured(self, file: str, edit: str, *, reload: str) -> AsyncIterator[None]:
        """Meanwhile a file of the PBX's configuration is as `sed` makes it. `reload` is the command that has it read again."""
        path = f"/etc/asterisk/{file}"
        await self._as_root_of_pbx(f"cp -p {path} {path}.before && sed -i '{edit}' {path}")
        try:
            await self.pbx_command(reload)
            yield
        finally:
            await self._as_root_of_pbx(f"mv {path}.before {path}")
            await self.pbx_command(reload)

    async def _as_root_of_pbx(self, command: str) -> None:
        container = f"dialerd-lab-{self.number}-pbx"
        process = await asyncio.create_subprocess_exec(
            "docker", "exec", "--user=root", container, "sh", "-c", command, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise LabError(f"{container} refused: {command}")

    async def is_silent(self) -> bool:
        return not await self.channels() and not await self.far_end.list("CoreShowChannels")

    async def reset(self) -> None:
        """Back to the state after `up`: no calls, no records, default behaviour, only the static members, unpaused."""
        await self.hang_up_everything()
        await self.stop_listening()
        await self._set_globals(DEFAULT_GLOBALS)
        for family in BEHAVIOUR_FAMILIES:
            with suppress(LabError):  # there may be nothing to delete
                await self.far_end.act("DBDelTree", Family=family)
        for event in await self.pbx.list("QueueStatus"):
            if event["Event"] == "QueueMember":
                await self._reset_member(event)
        self.forget_calls()

    async def _reset_member(self, member: Message) -> None:
        queue, extension = member["Queue"], member["Location"].removeprefix("PJSIP/")
        if extension not in STATIC_QUEUES.get(queue, ()):
            await self.queue_remove(queue, extension)
        elif member["Paused"] == "1":
            await self.queue_pause(queue, extension, paused=False)

    async def pbx_command(self, command: str) -> str:
        """What the PBX's command line prints."""
        return (await self.pbx.act("Command", Command=command)).get("Output", "")

    async def far_end_command(self, command: str) -> str:
        return (await self.far_end.act("Command", Command=command)).get("Output", "")

    @overload
    async def wait_for(self, predicate: Callable[[], Coroutine[Any, Any, T]], timeout_s: float = PATIENCE_S) -> T: ...

    @overload
    async def wait_for(self, predicate: Callable[[], T], timeout_s: float = PATIENCE_S) -> T: ...

    async def wait_for(self, predicate: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Wait until the predicate (plain or async) is true, and return what it said; raise LabError if it never is."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            said = predicate()
            result = await said if inspect.isawaitable(said) else said
            if result:
                return result
            if asyncio.get_running_loop().time() > deadline:
                raise LabError(f"still not so after {timeout_s:g} s")
            await asyncio.sleep(0.02)


def pbx_address(number: int) -> str:
    return f"127.0.{number}.1"


def far_end_address(number: int) -> str:
    return f"127.0.{number}.2"


def queue_member(event: Message) -> QueueMember:
    return QueueMember(
        extension=event["Location"].removeprefix("PJSIP/"),
        name=event["Name"],
        paused=event["Paused"] == "1",
        in_call=event["InCall"] == "1",
        device_state=int(event["Status"]),
        calls_taken=int(event["CallsTaken"]),
    )
