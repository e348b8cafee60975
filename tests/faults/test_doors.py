"""Doors under attack: whatever comes in over AMI, ARI, a settings file, a menu or a list is understood or refused, and stops nothing.

What a single door does with single inputs stands in the unit tests beside it; here each one is flooded, with what it leads to behind it.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from dialerd.asterisk.ami import MESSAGE_LIMIT, Ami
from dialerd.asterisk.ari import Ari
from dialerd.asterisk.caller_monitor import CallerMonitor
from dialerd.asterisk.events import CallNews, EventReader
from dialerd.asterisk.listener import Listener
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.domain.caller_id import CallerId
from dialerd.domain.callers import Caller
from dialerd.domain.calls import LeadLeft
from dialerd.domain.leads import NewLead
from dialerd.domain.menus import problems_of_menu
from dialerd.errors import AsteriskUnavailable, InvalidMenu, SettingsError
from dialerd.settings import ENV_PREFIX, Settings, load
from dialerd.store.menus import menu_data, menu_of
from dialerd.store.pool import Pool
from tests.acceptance.conftest import as_url
from tests.acceptance.desk import Desk, some
from tests.benchmarks.csv_import import write_list
from tests.factories import ATTEMPT, a_menu
from tests.fakes.fake_ami import FakeAmi
from tests.fakes.fake_ari import FakeAri
from tests.faults.proxy import FaultProxy, Way
from tests.lab import LAB_LOGIN, FarEndCall, Lab, Message
from tests.lab import Ami as LabAmi

PATIENCE_S = 60.0
QUICK_KEEP_ALIVE_S = 0.2
attacked = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60, database=None)


# --- what a daemon listens with ---------------------------------------------------------------------------------------


class Ears:
    """The listener of a daemon with one call in flight; `news` is what it has understood of that call."""

    def __init__(self, ami: Ami) -> None:
        self.news: list[CallNews] = []
        self.callers: list[Caller] = []
        reader = EventReader()
        reader.watch_lead(ATTEMPT)
        reader.watch_hunt(ATTEMPT, 1)
        reader.watch_menu_sound(ATTEMPT, 1)
        self.listener = Listener(
            ami=ami,
            reader=reader,
            queues=QueueMonitor(now=lambda: 0.0),
            callers=CallerMonitor(on_change=self.callers.append),
            on_call_news=self.news.append,
            on_link=lambda up: None,
            on_lag=lambda link, lag_s: None,
        )

    def texts(self) -> Iterator[str]:
        """Every text that would go on to rows."""
        for news in self.news:
            yield from (value for value in vars(news.event).values() if isinstance(value, str))
        for caller in self.callers:
            yield from (caller.channel, *caller.agents)


@asynccontextmanager
async def attentive(listening: asyncio.Task[None]) -> AsyncIterator[None]:
    """At the end the listener listens still, and nothing was raised that nobody was there to catch."""
    uncaught: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: uncaught.append(trouble))
    yield
    assert not listening.done(), listening.exception()
    assert not uncaught
    listening.cancel()


@asynccontextmanager
async def ami_link() -> AsyncIterator[tuple[FakeAmi, Ami, Ears]]:
    async with FakeAmi() as pbx, pbx.daemon(keepalive_s=QUICK_KEEP_ALIVE_S) as (ami, events):
        ears = Ears(ami)
        async with attentive(asyncio.create_task(ears.listener.listen_to_ami(events))):
            yield pbx, ami, ears


@asynccontextmanager
async def ari_link() -> AsyncIterator[tuple[FakeAri, Ari, Ears]]:
    async with FakeAri() as pbx, FakeAmi() as other, other.daemon() as (ami, _), pbx.daemon() as (ari, events):
        ears = Ears(ami)
        async with attentive(asyncio.create_task(ears.listener.listen_to_ari(events))):
            yield pbx, ari, ears


async def heals(up: asyncio.Event, ask: Callable[[], Any]) -> None:
    """The link stands, or comes back, and answers."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await up.wait()
            try:
                await ask()
            except AsteriskUnavailable:
                continue
            return


# --- F21: the manager interface ---------------------------------------------------------------------------------------

ORDER = [
    b"Event: Newchannel",
    b"Event: Newstate",
    b"Event: Hangup",
    b"Event: OriginateResponse",
    b"Event: UserEvent",
    b"Event: QueueMember",
    b"Event: QueueEntry",
    b"Event: QueueCallerJoin",
    b"Event: AgentCalled",
    b"Event: AgentConnect",
    b"Event: AgentComplete",
    b"Event: QueueStatusComplete",
    b"Event: FullyBooted",
    b"Response: Success",
    b"Response: Error",
]
HEADS = st.sampled_from(ORDER)
NAMES = st.sampled_from(
    b"Uniqueid Channel ChannelState Cause TechCause Queue Interface Status ActionID Wrapuptime Paused MemberName UserEvent "
    b"Attempt Uptime LastReload Response Event".split()
)
VALUES = st.one_of(
    st.sampled_from(
        [
            str(ATTEMPT).encode(),
            b"6",
            b"9" * 5000,
            b"-1",
            b"\0",
            b"SIP 486\0",
            b"\xff\xfe",
            b"q1",
            b"PJSIP/1001",
            b"",
            b" : ",
            "٣".encode(),
            b"x" * 70_000,
            b"DialerdOptOut",
            b"queues-0",
            b"1e999",
            b"Failure",
        ]
    ),
    st.binary(max_size=30),
)
LINES = st.builds(lambda name, value: name + b": " + value, NAMES, VALUES)
WHOLE = st.builds(lambda head, lines: b"\r\n".join([head, *lines]) + b"\r\n\r\n", HEADS, st.lists(LINES, max_size=5))
BROKEN = st.builds(lambda message, cut: message[: cut % (len(message) + 1)], WHOLE, st.integers(0, 10_000))


def of_our_call(*lines: bytes) -> list[bytes]:
    return [b"\r\n".join([lines[0], b"Uniqueid: " + str(ATTEMPT).encode(), *lines[1:]]) + b"\r\n\r\n"]


@pytest.mark.integration
@attacked
@example(pieces=of_our_call(b"Event: Hangup", b"Cause: " + b"9" * 5000, b"TechCause: SIP 486\0"))
@example(pieces=of_our_call(b"Event: Hangup", b"Cause: 99999999999"))
@example(pieces=of_our_call(b"Event: AgentConnect", b"Interface: PJSIP/\0\xff", b"Queue: q1\0"))
@example(pieces=of_our_call(b"Event: FullyBooted", b"Uptime: " + b"9" * 5000))
@example(
    pieces=of_our_call(b"Event: QueueMember", b"Queue: q1", b"Status: " + b"9" * 5000, b"Wrapuptime: " + b"9" * 5000)
)
@given(pieces=st.lists(st.one_of(WHOLE, WHOLE, BROKEN, st.binary(max_size=60)), min_size=1, max_size=8))
def test_whatever_comes_over_the_manager_interface_the_link_heals_and_no_text_is_one_that_no_row_can_hold(
    pieces: list[bytes],
) -> None:
    """F21: truncated headers, no UTF-8, NULs, duplicate headers, replies to nobody, events in no order, numbers of 5,000 digits."""

    async def attack() -> None:
        async with ami_link() as (pbx, ami, ears):
            for piece in pieces:
                pbx.write(piece)
            await heals(ami.up, lambda: ami.action("Ping", {}, timeout=1.0))
            assert not any("\0" in text for text in ears.texts())
            causes = [news.event.cause for news in ears.news if isinstance(news.event, LeadLeft)]
            assert all(cause is None or 0 <= cause <= 999 for cause in causes)

    asyncio.run(attack())


@pytest.mark.integration
async def test_an_endless_message_is_given_up_before_it_fills_the_memory() -> None:
    """F21: 64 MB without a blank line; what is kept of it never exceeds the limit of one message by more than a piece of the wire."""
    kept = []
    async with ami_link() as (pbx, ami, _):
        for _ in range(64):
            pbx.write(b"Event: Newstate\r\nData: " + b"x" * 1_000_000)
            await asyncio.sleep(0)
            link = ami._link
            kept.append(len(link._unread) if link is not None else 0)
        await heals(ami.up, lambda: ami.action("Ping", {}, timeout=1.0))
        assert ami.counters.malformed >= 1
    assert max(kept) <= MESSAGE_LIMIT + 1_000_000


# --- F21: the REST interface's events ---------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
IDS = st.sampled_from([str(ATTEMPT), "1700000000.1"])
CHANNELS = st.fixed_dictionaries({}, optional={"id": IDS | JSON, "name": st.just("PJSIP/carrier-1") | JSON})
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["StasisStart", "ChannelDtmfReceived", "PlaybackFinished", "Unheard"]) | JSON},
    optional={
        "channel": CHANNELS | JSON,
        "args": st.lists(st.sampled_from(["lead", "agent", "HUMAN"]) | JSON, max_size=4) | JSON,
        "digit": st.sampled_from(["1", "#"]) | JSON,
        "playback": st.fixed_dictionaries({}, optional={"id": IDS | JSON}) | JSON,
    },
)


@pytest.mark.integration
@attacked
@example(
    said=['{"type": "StasisStart"}', '{"type": "ChannelDtmfReceived", "channel": 1}', '{"type": "PlaybackFinished"}']
)
@example(said=[f'{{"type": "StasisStart", "channel": {{"id": "{ATTEMPT}", "name": "x"}}, "args": ["lead", [], {{}}]}}'])
@example(said=["[]", '{"type": []}', '"x"', "null"])
@given(
    said=st.lists(st.one_of(EVENTS.map(json.dumps), JSON.map(json.dumps), st.text(max_size=60)), min_size=1, max_size=6)
)
def test_whatever_comes_as_events_of_the_rest_interface_the_daemon_goes_on(said: list[str]) -> None:
    """F21: JSON of wrong types, unknown events, missing fields, and what is no JSON."""

    async def attack() -> None:
        async with ari_link() as (pbx, ari, _):
            for text in said:
                await pbx.write(text.encode(errors="replace").decode())
            await heals(ari.up, lambda: ari.call("channels.list"))

    asyncio.run(attack())


@pytest.mark.integration
async def test_an_event_of_ten_megabytes_is_not_taken() -> None:
    """F21: the websocket is given up, and built anew."""
    async with ari_link() as (pbx, ari, _):
        with suppress(ConnectionError):  # it is hung up upon while it speaks
            await pbx.write(json.dumps({"type": "StasisStart", "args": ["x" * 10_000_000]}))
        await pbx.until(lambda: pbx.websockets == 2)
        await heals(ari.up, lambda: ari.call("channels.list"))


# --- settings ---------------------------------------------------------------------------------------------------------

FIELDS = sorted(
    f"{group}.{field}" for group in Settings.model_fields for field in type(getattr(Settings(), group)).model_fields
)
ODD = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "1e309",
        "nan",
        "inf",
        "9" * 400 + "d",
        "9" * 5000,
        "{}",
        "[]",
        "{",
        "null",
        "true",
        "٣s",
        "10.0.0.0/33",
        "postgresql://",
        "http://[",
        "PJSIP/{digits}@a&b",
        "../..",
        "a\nb",
        "1s",
        "none",
        "x" * 100_000,
    ]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def loads_or_says_why(config: Path | None = None) -> None:
    try:
        load(config)
    except SettingsError as wrong:
        told = wrong.message
    else:
        return
    assert 10 < len(told) < 50_000


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(ENV_PREFIX) or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("nothing_set")
@settings(attacked, max_examples=400)
@given(values=st.dictionaries(st.sampled_from(FIELDS), ODD | TEXT, min_size=1, max_size=3))
def test_whatever_stands_in_the_environment_is_a_setting_or_told_as_none(values: Mapping[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(f"{ENV_PREFIX}{name.replace('.', '__').upper()}", value)
        loads_or_says_why()


@pytest.mark.usefixtures("nothing_set")
@settings(attacked, max_examples=300)
@given(group=st.sampled_from([*Settings.model_fields]), value=ODD | TEXT)
def test_whatever_stands_in_the_environment_for_a_whole_group_is_told(group: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"{ENV_PREFIX}{group.upper()}", value)
        loads_or_says_why()


def as_toml(value: Any) -> str:
    """JSON's words are TOML's, but for the empty one and the colon."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case float():
            return repr(value)
        case _:
            return json.dumps(value)


TOML = st.recursive(
    st.booleans() | st.integers() | st.floats() | ODD | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.usefixtures("nothing_set")
@settings(attacked, max_examples=400)
@given(values=st.dictionaries(st.sampled_from(FIELDS), TOML, min_size=1, max_size=3))
def test_whatever_type_a_settings_file_gives_a_field_is_a_setting_or_told_as_none(
    values: Mapping[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "dialerd.toml"
    config.write_text("\n".join(f"{name} = {as_toml(value)}" for name, value in values.items()), encoding="utf-8")
    loads_or_says_why(config)


@pytest.mark.usefixtures("nothing_set")
@settings(attacked, max_examples=200)
@given(
    content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"[ami]\n{text}".encode(errors="replace"))
)
def test_whatever_bytes_a_settings_file_has_it_is_read_or_told(content: bytes, tmp_path: Path) -> None:
    config = tmp_path / "dialerd.toml"
    config.write_bytes(content)
    loads_or_says_why(config)


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 100_000, b"[" + b"a." * 100_000 + b"b]", b"x = " + b"9" * 1_000_000]
)
def test_a_settings_file_that_is_deep_or_long_is_told(content: bytes, tmp_path: Path) -> None:
    config = tmp_path / "dialerd.toml"
    config.write_bytes(content)
    with pytest.raises(SettingsError):
        load(config)


# --- voice menus ------------------------------------------------------------------------------------------------------


def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))


def with_value(menu: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**menu, path[0]: with_value(menu[path[0]], path[1:], value)}


MENU = menu_data(a_menu())
MENU_PLACES = [path for path in places(MENU) if path]


@settings(attacked, max_examples=500)
@given(changes=st.lists(st.tuples(st.sampled_from(MENU_PLACES), TOML | JSON), min_size=1, max_size=3))
def test_whatever_a_menu_is_made_of_it_is_one_or_every_flaw_is_told_with_its_place(
    changes: list[tuple[Any, Any]],
) -> None:
    data: Any = MENU
    for path, value in changes:
        if path in places(data):
            data = with_value(data, path, value)
    try:
        menu = menu_of(data)
    except InvalidMenu as wrong:
        problems = wrong.problems
    else:
        problems = tuple(problems_of_menu(menu))
        assert menu_of(json.loads(json.dumps(menu_data(menu)))) == menu
    assert all(": " in problem for problem in problems)


# --- F38: an upload that dies half way --------------------------------------------------------------------------------

ROWS = 200_000
HALF_WAY = "half way through the file"


def long_list(folder: Path) -> Path:
    """With a note in the middle that is seen on the wire while the rows are copied."""
    path = folder / "long.csv"
    write_list(path, ROWS)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    middle = slice(ROWS // 2, ROWS // 2 + 100)
    lines[middle] = [line.replace("asked for a quote", HALF_WAY) for line in lines[middle]]
    path.write_text("".join(lines), encoding="utf-8")
    return path


async def run_cli(environment: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialerd.cli", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def output_of(environment: Mapping[str, str], *arguments: str) -> str:
    process = await run_cli(environment, *arguments)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.integration
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("nothing_set")
@pytest.mark.long
async def test_an_upload_that_is_killed_half_way_leaves_nothing_and_the_same_file_goes_in_afterwards_once(
    database: str, pool: Pool, tmp_path: Path
) -> None:
    """F38: 200,000 rows, kill -9 in the middle of the COPY; then the same file, and once more."""
    file = str(long_list(tmp_path))
    direct = {"DIALERD_DATABASE__DSN": as_url(database)}
    await output_of(direct, "campaign", "create", "Long", "--queue", "sales")
    async with FaultProxy.to_postgres(as_url(database)) as proxy:
        caught = proxy.catch(HALF_WAY.encode(), Way.TO_SERVER)
        upload = await run_cli({"DIALERD_DATABASE__DSN": proxy.dsn(as_url(database))}, "leads", "import", "Long", file)
        async with asyncio.timeout(PATIENCE_S):
            await caught.caught.wait()
        upload.kill()
        await upload.communicate()
    assert await pool.fetchval("SELECT count(*) FROM leads") == 0
    first = json.loads(await output_of(direct, "leads", "import", "Long", file, "--json"))
    assert (first["added"], first["uploaded_before"]) == (ROWS, None)
    again = json.loads(await output_of(direct, "leads", "import", "Long", file, "--json"))
    assert (again["added"], again["uploaded_before"] is not None) == (0, True)
    assert await pool.fetchval("SELECT count(*) FROM leads") == ROWS


# --- what a lead's own data does to a call ----------------------------------------------------------------------------

LEADS = 150
VICIOUS = st.sampled_from(
    [
        "${SHELL(echo 4141)}",
        "${EXTEN}",
        "$[40 + 2]",
        ";1",
        ";n",
        "&PJSIP/12025550198@carrier",
        "\r\nVariable: EVIL=1\r\n",
        '"',
        "'",
        ",",
        "\\",
        "<12025550198>",
        "\u202e",
        "\u200f",
        "👩‍🚒",
        "\x1b[31m",
        "\x7f",
        "\x01",
        "ü" * 400,
        "=HYPERLINK(1)",
        "^",
        "|",
        "%41",
        "@",
        "Local/s@default/n",
        "_X.",
        "same => n,Hangup()",
        "#include /etc/passwd",
        "EVIL=1",
        "__EVIL=1",
        "\r\n\r\nAction: Logoff\r\n\r\n",
    ]
)
# What a row can hold: any text but NUL and half a character.
ANY_TEXT = st.lists(
    VICIOUS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4
).map("".join)
LEAD_FIELDS = st.fixed_dictionaries(
    {"first_name": ANY_TEXT.filter(bool)},
    optional={
        "last_name": ANY_TEXT,
        "note": ANY_TEXT,
        "ticket_id": ANY_TEXT,
        "lead_type": ANY_TEXT,
        "skill": ANY_TEXT,
        "extension": ANY_TEXT,
        "custom": st.dictionaries(ANY_TEXT.filter(bool), ANY_TEXT, max_size=4),
    },
)
PLAIN: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Nguyen",
    "ticket_id": "T-1",
    "skill": "sales",
    "extension": "4711",
    "custom": {f"Field {n}": str(n) for n in range(10)},
}
"""A lead that has every field of which anything leaves for Asterisk."""


ACME = CallerId(number="+12025550199", name="Acme")


def drawn_leads(count: int) -> list[dict[str, Any]]:
    """So many leads with fields that hypothesis has made up."""
    drawn: list[dict[str, Any]] = []

    @settings(attacked, max_examples=count, phases=[Phase.generate])
    @given(fields=LEAD_FIELDS)
    def draw(fields: dict[str, Any]) -> None:
        drawn.append(fields)

    draw()
    return drawn


class Witness:
    """What Asterisk has done since it was called, in words that are alike for all calls: each variable that was set, each step of
    the dialplan that was taken, each channel that was made. Ids and numbers are left out."""

    def __init__(self, session: LabAmi) -> None:
        self._session = session
        self._since = len(session.events)

    def _events(self, name: str) -> list[Message]:
        return [event for event in self._session.events[self._since :] if event["Event"] == name]

    def deeds(self) -> set[str]:
        """The same for every lead, whatever its data."""
        return {
            *(f"sets {_kind(event['Channel'])} {event['Variable']}" for event in self._events("VarSet")),
            *(
                f"runs {event['Context']} {event['Priority']} {event['Application']}"
                for event in self._events("Newexten")
            ),
            *(f"makes {_kind(event['Channel'])} in {event['Context']}" for event in self._events("Newchannel")),
        }


def _kind(channel: str) -> str:
    """`PJSIP/carrier`, `PJSIP/agent`, `Local/q1@dialerd-hunt;2`: a channel without its number."""
    name, _, serial = channel.rpartition("-")
    if name.startswith("PJSIP/1"):
        return "PJSIP/agent"
    return name + serial[8:]


@asynccontextmanager
async def witnessed(lab: Lab) -> AsyncIterator[Callable[[], Witness]]:
    session = await LabAmi.connect(lab.pbx_address, LAB_LOGIN, events="call,dialplan")
    yield lambda: Witness(session)
    await session.close()


def harmless(name: str) -> str:
    """Letter by letter what a display may show."""
    return "".join(letter for letter in name if letter.isprintable() and letter not in '"<>\\').strip()


def told_of(lead: NewLead, leg: FarEndCall) -> None:
    """The agent's phone was told of this lead what it has, cut where it is too long, and nothing else."""
    name = f"{lead.first_name} {lead.last_name}".strip()
    texts = {"Name": name, "Ticket": lead.ticket_id, "Skill": lead.skill, "Extension": lead.extension}
    for header, value in leg.headers.items():
        kind = header.removeprefix("X-Dialerd-").partition("-")[0]
        if kind == "Custom":
            assert any(text.startswith(value) for text in lead.custom.values()), (header, value)
        elif kind != "Attempt":
            assert texts[kind].startswith(value), (header, value)
    assert harmless(name).startswith(leg.caller_name), leg.caller_name


@pytest.mark.acceptance
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_no_data_of_a_lead_changes_which_channels_are_made_which_steps_are_taken_or_which_variables_are_set(
    desk: Desk, lab: Lab
) -> None:
    """Law L10: 150 leads with made-up names, notes, tickets, skills and custom fields, against one plain lead on the same Asterisk.

    Both campaigns are judged when the test is over, as all are."""
    await desk.staff(*(str(1010 + index) for index in range(40)))
    await lab.set_fates(ring_s=(0.1, 0.2), talk_s=(3, 3.5))
    plain, *numbers = some(1 + LEADS, range(50))
    leads = {
        number: NewLead(number=number, **fields) for number, fields in zip(numbers, drawn_leads(LEADS), strict=False)
    }
    assert len(leads) > LEADS * 0.9
    async with witnessed(lab) as witness:
        seen = witness()
        await desk.until_completed(
            await desk.dial([NewLead(number=plain, **PLAIN)], name="plain", pool=[ACME], send_lead_data=True)
        )
        await desk.until_silent()
        usual, seen = seen.deeds(), witness()
        await desk.until_completed(await desk.dial(leads.values(), pool=[ACME], send_lead_data=True), timeout_s=200)
        await desk.until_silent()
        assert "sets PJSIP/carrier DIALERD_QUEUE" in usual
        assert "runs dialerd-answered 1 ExecIf" in usual
        assert seen.deeds() - usual == set()
    legs = {f"+{call.caller_number.lstrip('+')}": call for call in lab.calls("agent") if call.answer}
    assert sorted(call.dialed for call in lab.calls("lead")) == sorted(number[1:] for number in [plain, *leads])
    assert {(call.caller_number.lstrip("+"), call.caller_name) for call in lab.calls("lead")} == {
        ("12025550199", "Acme")
    }
    for number, lead in leads.items():
        told_of(lead, legs[number])
