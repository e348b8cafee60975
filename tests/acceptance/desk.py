"""What one acceptance test does at a daemon: campaigns are laid out through the store, acts go through the command line as a user's
would, rows are read back, and at the end the judge compares them with what the far end saw."""

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg
from yarl import URL

from dialerd.audit import Evidence, Span, is_broken, judge, read_record
from dialerd.compliance import profiles
from dialerd.domain.abandonment import Ledger
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AttemptState
from dialerd.domain.campaigns import CampaignAction, CampaignSettings, CampaignStatus
from dialerd.domain.eligibility import Rule
from dialerd.domain.leads import LeadState, NewLead
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.outcomes import Outcome
from dialerd.domain.timezones import in_zone
from dialerd.errors import IllegalTransition
from dialerd.store.campaigns import CampaignOverview, CampaignStore
from dialerd.store.evidence import with_record
from dialerd.store.leads import LeadRecord, LeadStore
from dialerd.store.menus import MenuStore
from dialerd.store.offers import AgentCall, OfferStore
from dialerd.store.pool import Pool
from tests.daemon import Daemon
from tests.faults.referee import books_of, recorded_by, referee
from tests.first_sounds import with_first_sounds
from tests.heard import Heard
from tests.lab import DIALERD_ARI_LOGIN, FarEndCall, Lab, LabError
from tests.lab import PATIENCE_S as PATIENCE_S
from tests.numbers import numbers

QUEUE = "q1"
NAME = "list"
GOES_ON_S = 3.0
"""A call that lasts for so long after the last one of a campaign is not the campaign's."""
PERSON, BUSY, NOBODY, LONG_RING = range(50), range(50, 60), range(60, 70), [97]


def some(count: int, fates: Sequence[int]) -> list[str]:
    """So many different fictional numbers with these fates, each fate in its turn."""
    each = [numbers([fate]) for fate in fates]
    return list(islice((next(supply) for supply in _for_ever(each)), count))


def _for_ever(supplies: list[Iterator[str]]) -> Iterator[Iterator[str]]:
    while True:
        yield from supplies


def person_lead(number: str, **fields: Any) -> NewLead:
    return NewLead(number=number, **{"first_name": "Ada", "last_name": "Nguyen", **fields})


def now() -> datetime:
    return datetime.now(UTC)


# --- hours of the day that hold whenever the tests run ---------------------------------------------------------------

AROUND = timedelta(minutes=90)
"""More than an hour to either side: a clock that is put forward or back meanwhile leaves the window open."""


def hours(since: datetime, until: datetime, zone: str = "UTC") -> str:
    """A window as options have it, on the clocks of a zone; it may go over midnight."""
    return f"{in_zone(since, zone):%H:%M}-{in_zone(until, zone):%H:%M}"


def open_hours(zone: str = "UTC") -> str:
    return hours(now() - AROUND, now() + AROUND, zone)


def closed_hours(zone: str = "UTC") -> str:
    """They open in more than an hour."""
    return hours(now() + AROUND, now() + 2 * AROUND, zone)


def next_minute(at_least_s: float) -> datetime:
    """The first full minute that is so far away."""
    return (now() + timedelta(seconds=at_least_s, minutes=1)).replace(second=0, microsecond=0)


def zone_far_from_midnight(zones: Iterable[str]) -> str:
    """Where the day changes neither during the test nor just before it; of two zones eight hours apart one is always so."""

    def minutes_from_midnight(zone: str) -> int:
        wall = in_zone(now(), zone)
        since = wall.hour * 60 + wall.minute
        return min(since, 24 * 60 - since)

    return max(zones, key=minutes_from_midnight)


class LawBroken(AssertionError):
    """The referee's verdict on what was dialed: never the machine's fault."""


class Desk:
    """`daemon` dials; `pool` reads and lays out rows in its database. A test that judges names the agents whom it had."""

    def __init__(self, lab: Lab, daemon: Daemon, pool: Pool) -> None:
        self.lab = lab
        self.daemon = daemon
        self.waived: set[str] = set()
        """Laws that cannot be told from the records after this test."""
        self.cli = daemon.cli
        self._pool = pool
        self._campaigns = CampaignStore(pool, profiles())
        self._leads = LeadStore(pool)
        self._menus = MenuStore(pool)
        self._offers = OfferStore(pool, profiles())

    # --- laying out ---

    async def staff(self, *extensions: str, paused: bool = False) -> tuple[str, ...]:
        """Agents of the bound queue; an earlier one is rung before a later one."""
        for penalty, extension in enumerate(extensions):
            await self.lab.queue_add(QUEUE, extension, paused=paused, penalty=penalty)
        return extensions

    async def campaign(
        self, leads: Iterable[NewLead | str], *, name: str = NAME, pool: Sequence[CallerId] = (), **settings: Any
    ) -> int:
        """A draft with leads; numbers alone are enough of a lead. What a test does not say is out of its way."""
        usual = {"queue": QUEUE, "calls_per_second": 20.0, "concurrency": 50, "max_attempts": 1, "ring_timeout_s": 10}
        usual["caller_id_enabled"] = bool(pool)
        campaign = await self._campaigns.create(CampaignSettings(name=name, **{**usual, **settings}), pool)
        await self._leads.add(campaign.id, [lead if isinstance(lead, NewLead) else person_lead(lead) for lead in leads])
        return campaign.id

    async def put_menu(self, menu: VoiceMenu) -> None:
        await self._menus.put(menu)

    async def start(self, campaign: int) -> None:
        await self._campaigns.act(campaign, CampaignAction.START)

    async def dial(self, leads: Iterable[NewLead | str], **settings: Any) -> int:
        """A campaign that runs."""
        campaign = await self.campaign(leads, **settings)
        await self.start(campaign)
        return campaign

    async def pause(self, campaign: int) -> None:
        """Sooner than a command starts up."""
        await self._campaigns.act(campaign, CampaignAction.PAUSE)

    async def act(self, action: str, name: str = NAME) -> None:
        """`dialerd campaign pause`, and so on."""
        await self.cli("campaign", action, name)

    async def edit(self, *options: str, name: str = NAME) -> None:
        await self.cli("campaign", "edit", name, *options)

    def file(self, name: str) -> Path:
        """A place for a file, gone after the test."""
        return self.daemon.folder / name

    def csv_file(self, header: Sequence[str], *rows: Sequence[object]) -> str:
        """The path of a file with these rows."""
        path = self.file("leads.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return str(path)

    async def end_ringing_in_vain(self, *, until: Callable[[], Awaitable[bool]]) -> None:
        """Ignored phones fall silent, as if somebody had pressed the red button: the queue asks the next agent. One may begin to ring
        only now."""

        async def is_so() -> bool:
            for channel in await self.lab.far_end.list("CoreShowChannels"):
                if channel["Context"] == "never":
                    with suppress(LabError):  # the queue may have given up this very moment
                        await self.lab.far_end.act("Hangup", Channel=channel["Channel"])
            return await until()

        await self.lab.wait_for(is_so)

    async def talks(self, number: str) -> bool:
        return bool((await self.attempts(number))[-1]["state"] == AttemptState.CONNECTED)

    # --- reading back ---

    async def overview(self, campaign: int) -> CampaignOverview:
        return await self._campaigns.overview(campaign)

    async def leads(self, campaign: int) -> dict[str, LeadRecord]:
        return {record.lead.number: record async for record in self._leads.export(campaign)}

    async def lead_states(self, campaign: int) -> dict[str, LeadState]:
        return {number: record.lead.state for number, record in (await self.leads(campaign)).items()}

    async def attempts(self, number: str) -> list[asyncpg.Record]:
        """In the order of their ordinals."""
        return await self._pool.fetch("SELECT * FROM attempts WHERE number = $1 ORDER BY ordinal", number)

    async def outcomes(self, number: str) -> list[Outcome | None]:
        return [row["outcome"] and Outcome(row["outcome"]) for row in await self.attempts(number)]

    async def outcomes_of(self, campaign: int) -> list[Outcome | None]:
        """Of all attempts, in the order in which they were opened."""
        return [row["outcome"] and Outcome(row["outcome"]) for row in await self._attempts_of(campaign)]

    async def call_on_desktop(self, extension: str) -> AgentCall | None:
        """What this agent's desktop shows of a call, if it shows one."""
        return await self._offers.call(f"PJSIP/{extension}")

    async def results_for_crm(self, campaign: int) -> list[dict[str, Any]]:
        """What is queued for the CRM, the oldest first."""
        rows = await self._pool.fetch("SELECT result FROM crm_results WHERE campaign_id = $1 ORDER BY id", campaign)
        return [row["result"] for row in rows]

    async def ledger(self, campaign: int) -> Ledger:
        """The campaign's abandonment ledger, over all periods."""
        row = await self._pool.fetchrow(
            "SELECT coalesce(sum(answered), 0) AS answered, coalesce(sum(in_time), 0) AS in_time, "
            "coalesce(sum(abandoned), 0) AS abandoned FROM abandonment WHERE campaign_id = $1",
            campaign,
        )
        assert row is not None
        return Ledger(**row)

    async def until_recording_is(self, number: str, state: str) -> asyncpg.Record:
        """The row of the recording of the number's newest attempt, once it is in this state."""

        async def found() -> list[asyncpg.Record]:
            return await self._pool.fetch(
                "SELECT recordings.* FROM recordings JOIN attempts ON attempts.id = recordings.attempt_id "
                "WHERE attempts.number = $1 AND recordings.state = $2::recording_state",
                number,
                state,
            )

        [row] = await self.lab.wait_for(found, PATIENCE_S)
        return row

    async def let_recordings_expire(self) -> None:
        """As if the time for which they are kept were over."""
        await self._pool.execute("UPDATE recordings SET keep_until = now() WHERE state = 'stored'")

    async def recorded(self, name: str) -> bytes:
        """The file as Asterisk has it; empty if it has none."""
        url = f"{self.lab.ari_url}/recordings/stored/{quote(name, safe='')}/file"
        async with (
            aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(*DIALERD_ARI_LOGIN)}) as session,
            session.get(URL(url, encoded=True)) as answer,
        ):
            return await answer.read() if answer.status == 200 else b""

    def voices_in(self, sound: bytes) -> list[str]:
        """Who is heard in a WAV file."""
        file = self.file("recording.wav")
        file.write_bytes(sound)
        return Heard.in_file(file).voices()

    async def held_by(self, campaign: int) -> str | None:
        return (await self.overview(campaign)).held_by

    async def owner_of(self, campaign: int) -> str | None:
        """The node that dials it."""
        owner: str | None = await self._pool.fetchval("SELECT owner FROM campaigns WHERE id = $1", campaign)
        return owner

    async def explained(self, name: str = NAME) -> str:
        """What the user is told about why nothing is dialed."""
        return str(json.loads(await self.cli("explain", "campaign", name, "--json"))["why"])

    async def explained_lead(self, campaign: int, number: str) -> dict[str, Any]:
        """What the user is told about why a lead is not called, and what each rule says of it: `why`, `rules`."""
        lead = (await self.leads(campaign))[number].lead
        told: dict[str, Any] = json.loads(await self.cli("explain", "lead", str(lead.id), "--json"))
        return told

    async def shown_status(self, name: str = NAME) -> str:
        """What `dialerd status` says that the campaign does."""
        shown = {each["name"]: each["shown_status"] for each in json.loads(await self.cli("status", "--json"))}
        return str(shown[name])

    async def metric(self, series: str) -> float | None:
        """The value of one series, named with its labels as /metrics has it; None where it is not there."""
        lines = (line.rpartition(" ") for line in (await self.daemon.get("/metrics")).splitlines())
        return next((float(value) for name, _, value in lines if name == series), None)

    # --- waiting for facts ---

    async def until_held(self, campaign: int, reason: str, *, timeout_s: float = PATIENCE_S) -> None:
        async def is_held() -> bool:
            return await self.held_by(campaign) == reason

        await self.lab.wait_for(is_held, timeout_s)

    async def until_queues_are_known(self) -> None:
        """Until the daemon has told which queues Asterisk has."""
        await self.lab.wait_for(lambda: self._pool.fetch("SELECT FROM pbx_queues"), PATIENCE_S)

    async def until_shown_as(self, campaign: int, status: CampaignStatus) -> None:
        async def is_shown() -> bool:
            return (await self.overview(campaign)).shown_status is status

        await self.lab.wait_for(is_shown, PATIENCE_S)

    async def until_over(self, moment: datetime, *, timeout_s: float = 90.0) -> None:
        await self.lab.wait_for(lambda: now() > moment, timeout_s)

    async def until_lead_waits(self, campaign: int, number: str, rule: Rule) -> LeadRecord:
        """Until the rule has put the lead off, or ended it."""

        async def found() -> list[LeadRecord]:
            record = (await self.leads(campaign))[number]
            return [record] if record.held_by == rule else []

        [record] = await self.lab.wait_for(found, PATIENCE_S)
        return record

    async def until_call_is(self, number: str, *states: AttemptState) -> asyncpg.Record:
        """Until the newest attempt is in one of these states; its row."""

        async def found() -> list[asyncpg.Record]:
            return [row for row in (await self.attempts(number))[-1:] if row["state"] in states]

        [row] = await self.lab.wait_for(found, PATIENCE_S)
        return row

    async def until_somebody_has_a_card(self, *extensions: str) -> str:
        """The extension of the first of these agents before whom a lead's card lies."""

        async def found() -> list[str]:
            agents = [f"PJSIP/{extension}" for extension in extensions]
            rows = await self._pool.fetch(
                "SELECT agent FROM offers WHERE state = 'open' AND agent = ANY($1::text[])", agents
            )
            return [row["agent"].removeprefix("PJSIP/") for row in rows]

        [extension, *_] = await self.lab.wait_for(found, PATIENCE_S)
        return str(extension)

    async def until_card(self, extension: str) -> str:
        """The card that the agent is shown, as JSON."""
        await self.until_somebody_has_a_card(extension)
        return await self.cli("agent", "offer", extension, "--json")

    async def until_outcome(self, number: str, ordinal: int = 1) -> Outcome:
        """Of this attempt, whose call is in the far end's record by then."""

        async def found() -> list[Outcome]:
            return [outcome for outcome in (await self.outcomes(number))[ordinal - 1 : ordinal] if outcome]

        async def is_recorded() -> bool:
            return not await self.lab.is_in_call(number.lstrip("+"))

        [outcome] = await self.lab.wait_for(found, PATIENCE_S)
        await self.lab.wait_for(is_recorded, PATIENCE_S)
        return outcome

    async def until_lead_is(self, campaign: int, number: str, state: LeadState) -> None:
        async def is_so() -> bool:
            return (await self.lead_states(campaign))[number] is state

        await self.lab.wait_for(is_so, PATIENCE_S)

    async def until_no_call_is_open(self, campaign: int) -> None:
        async def is_so() -> bool:
            return not (await self.overview(campaign)).open_attempts

        await self.lab.wait_for(is_so, PATIENCE_S)

    async def until_at_rest(self, campaign: int, *, timeout_s: float = 60.0) -> None:
        """Every lead has been dialed and no call is open: what is left waits for a cool-off, or is done."""

        async def is_at_rest() -> bool:
            overview = await self.overview(campaign)
            due = overview.leads[LeadState.ACTIVE] + overview.leads[LeadState.RETRY]
            return not due and not overview.open_attempts

        await self.lab.wait_for(is_at_rest, timeout_s)

    async def until_at_rest_but_for(self, campaign: int, dead_node: str, *, timeout_s: float = 60.0) -> None:
        """Every lead has been dialed, and no call is open except those that a dead daemon has left."""

        async def is_at_rest() -> bool:
            due = [lead for lead in (await self.leads(campaign)).values() if lead.lead.state in ("active", "retry")]
            rows = await self._attempts_of(campaign)
            return not due and not [row for row in rows if row["ended_at"] is None and row["node"] != dead_node]

        await self.lab.wait_for(is_at_rest, timeout_s)

    async def until_completed(self, campaign: int, *, timeout_s: float = 60.0) -> None:
        """And until every call is in the far end's record, but for those that go on: callers from outside, other campaigns' talks."""

        async def is_completed() -> bool:
            return (await self.overview(campaign)).campaign.status == "completed"

        await self.lab.wait_for(is_completed, timeout_s)
        with suppress(LabError):
            await self.lab.wait_for(self.lab.is_silent, GOES_ON_S)

    async def until_seen(self, count: int, kind: str = "lead", *, timeout_s: float = PATIENCE_S) -> list[FarEndCall]:
        """Until the far end has recorded so many ended calls of the kind; all of them."""
        await self.lab.wait_for(lambda: len(self.lab.calls(kind)) >= count, timeout_s)
        return self.lab.calls(kind)

    async def until_silent(self) -> None:
        """Every call has ended and is in the far end's record."""
        await self.lab.wait_for(self.lab.is_silent, PATIENCE_S)

    # --- what the far end saw ---

    def calls_to(self, number: str) -> list[FarEndCall]:
        return [call for call in self.calls_in_order() if call.dialed == number.lstrip("+")]

    def calls_in_order(self) -> list[FarEndCall]:
        """To leads, in the order of their INVITEs."""
        return sorted(self.lab.calls("lead"), key=lambda call: call.invite)

    def dialed(self) -> list[str]:
        """The numbers of those calls."""
        return [f"+{call.dialed}" for call in self.calls_in_order()]

    async def each_was_dialed_once(
        self, numbers: Collection[str], *, in_doubt: int = 0, dialed: Sequence[str] | None = None
    ) -> None:
        """But those in doubt, so many at most, may have never been: their order was on a line that was lost, or not yet given when
        their daemon was killed. `dialed` is what the far ends saw, where that is more than this laboratory's."""
        dialed = self.dialed() if dialed is None else dialed
        never = sorted(set(numbers) - set(dialed))
        assert sorted([*dialed, *never]) == sorted(numbers)
        assert len(never) <= in_doubt
        for number in never:
            assert await self.until_outcome(number) is Outcome.UNKNOWN
            assert len(await self.outcomes(number)) == 1, "nobody calls it again as if nothing had been"

    def shown(self) -> list[str]:
        """The numbers that those calls showed."""
        return [f"+{call.caller_number.lstrip('+')}" for call in self.calls_in_order()]

    def agent_legs_for(self, number: str) -> list[FarEndCall]:
        """Calls to agents whose phones showed this number, and who answered."""
        legs = [call for call in self.lab.calls("agent") if call.answer]
        return [leg for leg in legs if leg.caller_number.lstrip("+") == number.lstrip("+")]

    def talk_of(self, number: str) -> float:
        """Seconds for which the lead and an agent were on the phone with each other; 0 where they never were."""
        [lead] = self.calls_to(number)
        return max((overlap_s(lead, agent) for agent in self.agent_legs_for(number)), default=0.0)

    # --- the judge ---

    async def judge(
        self, campaign: int, *, agents: Sequence[str], allowed: Sequence[Span] = (), but: Iterable[str] = ()
    ) -> None:
        """When everything is silent: every law was kept, except those that the test itself has put out of reach."""
        self.waived |= set(but)
        evidence = await self.evidence(campaign, agents=agents, allowed=allowed)
        broken = {law: said for law, said in judge(evidence).items() if is_broken(said) and law not in self.waived}
        if broken:
            raise LawBroken(broken)

    async def evidence(
        self, campaign: int, *, agents: Sequence[str] = (), allowed: Sequence[Span] = (), **rules: Any
    ) -> Evidence:
        """Of a campaign whose every call has ended: nothing may be open any more."""
        await self.lab.wait_for(self.lab.is_silent, 60)
        queue = (await self.overview(campaign)).campaign.settings.queue
        books = await books_of(self._pool, {queue: agents}, [campaign])
        record = with_first_sounds(self.lab, read_record(self.lab.calls_csv))
        [evidence] = with_record(books, record, recorded=recorded_by(self.lab))
        assert evidence.rules.allowed, "a campaign that never ran has nothing to be judged for"
        spans = {"allowed": tuple(allowed)} if allowed else {}
        return replace(evidence, at_work=None, rules=replace(evidence.rules, **{**spans, **rules}))

    async def conclude(self) -> None:
        """After the test: whatever it has left is brought to an end, and all that was ever dialed is judged, of every campaign."""
        await self._pause_everything()
        nobody_talks = await self.lab.is_silent()
        if not nobody_talks:
            await self.daemon.stop()
            await self.lab.hang_up_everything()
        judged = partial(referee, self.lab, self._pool, but=self.waived, daemons_have_gone=not nobody_talks)

        async def is_closed() -> bool:
            return not any("has no outcome" in broken or "is still" in broken for broken in await judged())

        with suppress(LabError):  # the last call may have ended this very moment; else it is told below
            await self.lab.wait_for(is_closed, PATIENCE_S)
        if broken := await judged():
            raise LawBroken(broken)

    async def _pause_everything(self) -> None:
        for row in await self._pool.fetch("SELECT id FROM campaigns WHERE status = 'running'"):
            with suppress(IllegalTransition):  # it may have completed meanwhile
                await self.pause(row["id"])

    async def _attempts_of(self, campaign: int) -> list[asyncpg.Record]:
        return await self._pool.fetch("SELECT * FROM attempts WHERE campaign_id = $1 ORDER BY opened_at", campaign)


def overlap_s(one: FarEndCall, other: FarEndCall) -> float:
    if one.answer is None or other.answer is None:
        return 0.0
    return max(0.0, (min(one.end, other.end) - max(one.answer, other.answer)).total_seconds())


# --- a line that can be cut ------------------------------------------------------------------------------------------


class AmiProxy:
    """Stands between a daemon and the PBX's AMI. While `holds_originates`, orders to dial are taken and not passed on."""

    def __init__(self, lab: Lab) -> None:
        self.holds_originates = False
        self.held: list[bytes] = []
        self.port = 0
        self._lab = lab
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for flow in self._flows:
            flow.cancel()
        await asyncio.gather(*self._flows, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._lab.pbx_address, 5038)
        for flow in (self._pass_orders(reader, back), self._pass_answers(there, writer)):
            task = asyncio.create_task(flow)
            self._flows.add(task)
            task.add_done_callback(self._flows.discard)

    async def _pass_orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _closing(writer):
            while True:
                try:
                    order = await reader.readuntil(b"\r\n\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    return
                if self.holds_originates and b"Originate" in order:
                    self.held.append(order)
                else:
                    writer.write(order)

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _closing(writer):
            while news := await reader.read(65536):
                writer.write(news)


@contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    except ConnectionError:
        pass
    finally:
        writer.close()
