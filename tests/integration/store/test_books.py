"""Law L7: whatever happens in whatever order, each lead is in one state and each attempt ends with one outcome."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.leads import IN_FLIGHT
from dialerd.domain.outcomes import Outcome
from dialerd.errors import DialerdError
from tests.integration.store.scene import LEASE, Dialed, Stores, ended

LEADS = 40
WANDERERS = 3
STEPS = 100


@pytest.mark.parametrize("seed", range(4))
async def test_the_books_balance_after_a_random_walk(stores: Stores, seed: int) -> None:
    dialed = await stores.a_dialed_campaign(leads=LEADS, cooloff_s=0, max_attempts=3)
    walk = Walk(dialed, random.Random(seed))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WANDERERS):
            tasks.create_task(walk.wander())
    assert await unbalanced(stores) == []
    for known in await stores.attempts.open_calls():
        await stores.attempts.close_attempt(ended(known.call, Outcome.UNKNOWN))
    assert await unbalanced(stores) == []
    counts = await stores.leads.counts(dialed.campaign.id)
    assert sum(counts.values()) == LEADS
    assert sum(counts[state] for state in IN_FLIGHT) == 0


class Walk:
    """What daemons and people do to a campaign, in an order that nobody thought of."""

    def __init__(self, dialed: Dialed, chance: random.Random) -> None:
        self._stores = dialed.stores
        self._campaign = dialed.campaign
        self._chance = chance

    async def wander(self) -> None:
        steps = [self._open] * 8 + [self._progress] * 4 + [self._end] * 6
        steps += [self._release, self._act, self._act, self._list_number, self._reset, self._edit, self._complete]
        for _ in range(STEPS):
            with suppress(DialerdError):  # what may not be was refused; that it changed nothing, the books show
                await self._chance.choice(steps)()

    async def _open(self) -> None:
        lease = await self._stores.campaigns.take_lease(self._campaign.id, node="one", duration=LEASE)
        if lease is not None:
            await self._stores.attempts.open_next(self._campaign, lease)

    async def _progress(self) -> None:
        now = datetime.now(UTC)
        state = self._chance.choice([AttemptState.RINGING, AttemptState.QUEUED, AttemptState.CONNECTED])
        for call in await self._some_calls():
            await self._stores.attempts.record_progress(
                replace(call, state=state, ringing_at=now, answered_at=now, connected_at=now)
            )

    async def _end(self) -> None:
        ago = timedelta(seconds=self._chance.choice([0, 10]))
        for call in await self._some_calls():
            end = ended(call, self._chance.choice(list(Outcome)), ended_at=datetime.now(UTC) - ago)
            await self._stores.attempts.close_attempt(end)

    async def _some_calls(self) -> Sequence[Call]:
        calls = [known.call for known in await self._stores.attempts.open_calls()]
        return self._chance.sample(calls, min(len(calls), 2))

    async def _release(self) -> None:
        await self._stores.attempts.release_waiting(self._campaign.id)

    async def _act(self) -> None:
        halt = self._chance.choice([CampaignAction.PAUSE, CampaignAction.STOP])
        with suppress(DialerdError):
            await self._stores.campaigns.act(self._campaign.id, halt)
        await self._stores.campaigns.act(self._campaign.id, CampaignAction.START)

    async def _list_number(self) -> None:
        await self._stores.dnc.add((await self._any_lead())[1])

    async def _reset(self) -> None:
        await self._stores.leads.reset((await self._any_lead())[0])

    async def _edit(self) -> None:
        await self._stores.campaigns.edit(self._campaign.id, {"max_attempts": self._chance.randint(1, 5)})

    async def _complete(self) -> None:
        lease = await self._stores.campaigns.take_lease(self._campaign.id, node="one", duration=LEASE)
        if lease is not None:
            await self._stores.campaigns.complete_campaign(lease)

    async def _any_lead(self) -> tuple[int, str]:
        records = await self._stores.leads.list(self._campaign.id)
        lead = self._chance.choice(records).lead
        return lead.id, lead.number


async def unbalanced(stores: Stores) -> list[str]:
    """What the books get wrong: the lead, and how."""
    rows = await stores.pool.fetch(
        """
        SELECT lead.id, wrong.how
        FROM (
            SELECT leads.id, dials, leads.state IN ('dialing', 'ringing', 'answered') AS in_flight,
                   count(attempts.id) AS attempts, count(attempts.id) FILTER (WHERE ended_at IS NULL) AS open,
                   coalesce(max(ordinal), 0) AS last_ordinal,
                   (SELECT count(*) FROM activity WHERE lead_id = leads.id AND fact = 'opened') AS opened_lines,
                   (SELECT count(*) FROM activity WHERE lead_id = leads.id AND fact = 'ended') AS ended_lines
            FROM leads LEFT JOIN attempts ON attempts.lead_id = leads.id
            GROUP BY leads.id
        ) AS lead
        CROSS JOIN LATERAL (VALUES
            (dials <> attempts, 'dials are not attempts'),
            (attempts <> last_ordinal, 'the ordinals have a gap'),
            (open > 1, 'more than one open attempt'),
            ((open = 1) <> in_flight, 'in flight without an open attempt, or the other way round'),
            (attempts <> opened_lines, 'an attempt without a line for its opening'),
            (attempts - open <> ended_lines, 'an ended attempt without just one line for that')
        ) AS wrong (is_so, how)
        WHERE wrong.is_so
        """
    )
    return [f"lead {row['id']}: {row['how']}" for row in rows]
