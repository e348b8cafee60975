"""The rules get from SQL what a plain look over all rows finds, and what they explain of a lead is what is then done with it.

Random scenes: accounts, campaigns with leads that share numbers, lists with entries that have expired or not, calls of the past.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from dialerd.domain.accounts import AccountRules
from dialerd.domain.attempts import Claim
from dialerd.domain.caller_id import CallerId, PoolEntry, Rotation
from dialerd.domain.campaigns import Alternates
from dialerd.domain.eligibility import Rule, Verdict
from dialerd.domain.leads import LeadState, NewLead
from dialerd.domain.outcomes import Outcome
from dialerd.store.queries import queries_of
from tests.factories import a_new_lead
from tests.integration.store.scene import Dialed, Stores
from tests.numbers import numbers

SEEDS, SCENES = 6, 25
NUMBERS_EACH = 7
SHOWN = [f"+1202555019{digit}" for digit in range(4)]
DUE = (LeadState.ACTIVE, LeadState.RETRY)
OF_CAMPAIGN_OR_LEAD = (Rule.PROFILE, Rule.SCHEDULE, Rule.ATTEMPTS, Rule.DIAL_CYCLES)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_facts_are_those_of_all_rows_and_what_is_explained_is_what_is_done(stores: Stores, seed: int) -> None:
    chance = random.Random(seed)
    supply = numbers(range(100))
    for index in range(SCENES):
        scene = Scene(stores, chance, f"{seed}-{index}", list(islice(supply, NUMBERS_EACH)))
        campaigns = await scene.build()
        await agrees_with_all_rows(stores, campaigns)
        for dialed in campaigns:
            await does_what_it_explains(stores, dialed)


class Scene:
    """Two accounts, three campaigns, and what has happened to a handful of numbers."""

    def __init__(self, stores: Stores, chance: random.Random, name: str, known: Sequence[str]) -> None:
        self._stores = stores
        self._chance = chance
        self._name = name
        self._numbers = known
        self._now = datetime.now(UTC)

    async def build(self) -> list[Dialed]:
        accounts = [await self._account(index) for index in range(2)]
        drafts = [await self._campaign(accounts[index % 2], index) for index in range(3)]
        await self._lists([None, *[await self._account_id(name) for name in accounts]])
        dialed = [await self._stores.dialing(draft) for draft in drafts]
        await self._history([campaign.campaign.id for campaign in dialed])
        return dialed

    async def _account(self, index: int) -> str:
        account = await self._stores.accounts.create(f"{self._name}-{index}")
        rules = AccountRules(
            time_zone=self._chance.choice(["UTC", "America/Chicago", "Pacific/Kiritimati"]),
            max_calls_24h=self._chance.choice([None, 1, 2, 5]),
            max_calls_7d=self._chance.choice([None, 2, 4]),
            abandon_lockout_h=self._chance.choice([0, 72, 240]),
            allowed_prefixes=self._chance.choice([None, None, ("+120", "+121")]),
        )
        await self._stores.accounts.save(replace(account, rules=rules))
        return account.name

    async def _account_id(self, name: str) -> int:
        return (await self._stores.accounts.get(name)).id

    async def _campaign(self, account: str, index: int) -> Any:
        chance = self._chance
        pool = [PoolEntry(number=n, daily_cap=chance.choice([None, 1, 3])) for n in chance.sample(SHOWN, 3)]
        draft = await self._stores.a_draft(
            name=f"{self._name}-{index}",
            account=account,
            caller_ids=[CallerId(number=one.number) for one in pool],
            rotation=chance.choice(list(Rotation)),
            alternates=chance.choice(list(Alternates)),
            dial_cycles=chance.choice([0, 0, 1, 2]),
            max_attempts=chance.choice([2, 5]),
        )
        await self._stores.caller_ids.replace(draft.id, pool)
        await self._stores.leads.add(draft.id, self._leads())
        return draft

    def _leads(self) -> Iterator[NewLead]:
        for number in self._chance.sample(self._numbers, 4):
            others = [other for other in self._numbers if other != number]
            alternates = self._chance.sample(others, self._chance.choice([0, 0, 1, 2]))
            yield a_new_lead(number=number, alternate_numbers=tuple(alternates), priority=self._chance.randint(0, 2))

    async def _lists(self, lists: Sequence[int | None]) -> None:
        for number in self._chance.sample(self._numbers, 4):
            ends = self._chance.choice([None, self._now - timedelta(hours=1), self._now + timedelta(hours=1)])
            await self._stores.dnc.add(number, self._chance.choice(lists), expires_at=ends)

    async def _history(self, campaigns: Sequence[int]) -> None:
        rows = await self._stores.pool.fetch("SELECT * FROM leads WHERE campaign_id = ANY ($1)", campaigns)
        busy: set[str] = set()
        for lead in rows:
            calls = self._chance.choice([0, 0, 1, 2, 4])
            for ordinal in range(1, calls + 1):
                await self._past_call(lead, ordinal, busy)
            used = self._chance.randint(0, calls)
            states = ["active", "retry"] if lead["id"] not in busy else ["dialing"]
            await self._stores.pool.execute(
                "UPDATE leads SET dials = $2, attempts_used = $3, state = $4 WHERE id = $1",
                *(lead["id"], calls, used, self._chance.choice(states)),
            )
        for number in SHOWN:
            await self._shown(number)

    async def _past_call(self, lead: asyncpg.Record, ordinal: int, busy: set[Any]) -> None:
        """Some go on: at most one to a number, and one of a lead."""
        number = self._chance.choice([lead["number"], *lead["alternate_numbers"]])
        opened_at = self._now - timedelta(minutes=self._chance.choice([6, 90, 1430, 1450, 10_000, 10_100, 20_000]))
        outcome: Outcome | None = self._chance.choice(list(Outcome))
        if self._chance.random() < 0.1 and busy.isdisjoint({number, lead["id"]}):
            outcome = None
            busy |= {number, lead["id"]}
        await self._stores.pool.execute(
            _PAST_CALL, uuid4(), lead["id"], ordinal, number, opened_at, outcome, self._shown_then()
        )

    def _shown_then(self) -> str:
        return self._chance.choice([*SHOWN, "+12025550150", ""])

    async def _shown(self, number: str) -> None:
        for days_ago in self._chance.sample(range(-1, 4), 2):
            await self._stores.pool.execute(
                "INSERT INTO caller_id_days SELECT id, $1, $2, $3 FROM accounts WHERE name LIKE $4 || '-%'",
                *(number, self._now.date() - timedelta(days=days_ago), self._chance.randint(0, 4), self._name),
            )


_PAST_CALL = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, opened_at, outcome, caller_id_number, queue, node, epoch,
                          admitted_by, state, ended_at, connected_at)
    SELECT $1, campaign_id, id, $3, $4, $5::timestamptz, $6::text::outcome, $7, 'sales', 'one', 1, '{}',
           CASE WHEN $6::text IS NULL THEN 'dialing' ELSE 'ended' END::attempt_state,
           CASE WHEN $6::text IS NOT NULL THEN $5::timestamptz END, CASE WHEN $6::text = 'connected' THEN $5::timestamptz END
    FROM leads WHERE id = $2
"""


# --- the facts --------------------------------------------------------------------------------------------------------


async def agrees_with_all_rows(stores: Stores, campaigns: Sequence[Dialed]) -> None:
    everything = await AllRows.read(stores)
    for lead in [row for row in everything.leads if row["campaign_id"] in {one.campaign.id for one in campaigns}]:
        facts = await queries_of("claims").facts_of_lead(stores.pool, lead_id=lead["id"])
        campaign = everything.campaigns[lead["campaign_id"]]
        known = [lead["number"], *lead["alternate_numbers"]]
        now = facts["opened_at"]
        assert sorted(facts["listed"]) == sorted(everything.listed(known, campaign, now))
        recent = [(call["number"], call["opened_at"], call["outcome"], call["lead_id"]) for call in facts["recent"]]
        assert sorted(recent, key=str) == sorted(everything.recent(known), key=str)
        assert [call[1] for call in recent] == sorted((call[1] for call in recent), reverse=True)
        assert facts["last_shown"] in everything.may_be_last_shown(known, campaign)
        assert {values[1]: values[-1] or {} for values in facts["pool"]} == everything.days(campaign, now.date())


class AllRows:
    """The whole database, and the rules' questions answered by looking at all of it."""

    def __init__(self, **tables: list[asyncpg.Record]) -> None:
        self.leads = tables["leads"]
        self._calls = tables["attempts"]
        self._entries = tables["dnc_numbers"]
        self._pools = tables["caller_ids"]
        self._days = tables["caller_id_days"]
        self.campaigns = {row["id"]: row for row in tables["campaigns"]}

    @classmethod
    async def read(cls, stores: Stores) -> "AllRows":
        tables = ("leads", "attempts", "dnc_numbers", "caller_ids", "caller_id_days", "campaigns")
        return cls(**{table: await stores.pool.fetch(f"SELECT * FROM {table}") for table in tables})  # noqa: S608

    def listed(self, known: Sequence[str], campaign: asyncpg.Record, now: datetime) -> set[str]:
        return {
            entry["number"]
            for entry in self._entries
            if entry["number"] in known
            and entry["account_id"] in (None, campaign["account_id"])
            and (entry["expires_at"] is None or entry["expires_at"] > now)
        }

    def recent(self, known: Sequence[str]) -> list[tuple[Any, ...]]:
        calls = [call for call in self._calls if call["number"] in known and call["outcome"] != Outcome.NOT_PLACED]
        return [(call["number"], call["opened_at"], call["outcome"], call["lead_id"]) for call in calls]

    def may_be_last_shown(self, known: Sequence[str], campaign: asyncpg.Record) -> set[str | None]:
        """Several calls may have begun in the same instant."""
        pool = {row["number"] for row in self._pools if row["campaign_id"] == campaign["id"]}
        seen = [call for call in self._calls if call["number"] in known and call["caller_id_number"] in pool]
        if campaign["rotation"] != Rotation.STICKY or not seen:
            return {None}
        last = max(call["opened_at"] for call in seen)
        return {call["caller_id_number"] for call in seen if call["opened_at"] == last}

    def days(self, campaign: asyncpg.Record, today: date) -> Mapping[str, Mapping[str, int]]:
        pool = [row["number"] for row in self._pools if row["campaign_id"] == campaign["id"]]
        return {number: self._days_of(number, campaign["account_id"], today) for number in pool}

    def _days_of(self, number: str, account: int, today: date) -> Mapping[str, int]:
        return {
            row["day"].isoformat(): row["uses"]
            for row in self._days
            if (row["number"], row["account_id"]) == (number, account) and row["day"] >= today - timedelta(days=1)
        }


# --- what is explained ------------------------------------------------------------------------------------------------


async def does_what_it_explains(stores: Stores, dialed: Dialed) -> None:
    while True:
        listed = await stores.leads.list(dialed.campaign.id)
        due = [record.lead.id for record in listed if record.lead.state in DUE]
        explained = {lead: await stores.attempts.explain(lead) for lead in due}
        claim = await dialed.claim()
        if claim == Claim():
            return
        for opened in claim.opened:
            assert opened.call.number == admitted_number(explained[opened.call.lead_id])
        for passed in claim.passed:
            verdicts = explained[passed.lead_id]
            assert admitted_number(verdicts) is None
            assert passed.refusal.rule in {verdict.rule for verdict in verdicts if not verdict.allows}


def admitted_number(verdicts: Sequence[Verdict]) -> str | None:
    """The first number of which, and of whose lead and campaign, no rule refuses the call."""
    if not all(verdict.allows for verdict in verdicts if verdict.rule in OF_CAMPAIGN_OR_LEAD):
        return None
    of_numbers = [verdict for verdict in verdicts if verdict.number is not None]
    refused = {verdict.number for verdict in of_numbers if not verdict.allows}
    return next((verdict.number for verdict in of_numbers if verdict.number not in refused), None)
