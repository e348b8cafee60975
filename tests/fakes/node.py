"""One node's dialer, whole, on fakes of all that it needs of the world."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.campaign_runner import CampaignRunner
from dialerd.dialer.card_desk import CardDesk
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.rescuer import Rescuer
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.dialer.supervisor import Supervisor
from dialerd.dialer.trunk import Trunk
from dialerd.domain.activity import Fact
from dialerd.domain.calls import Call, CallEvent, KeptAgent
from dialerd.domain.campaigns import Campaign
from tests.factories import ATTEMPT
from tests.fakes.clock import settle, virtual_clock
from tests.fakes.queues import FakeQueues
from tests.fakes.store import FakeAttempts, FakeCampaigns, FakeOffers
from tests.fakes.telephony import FakeTelephony

NODE = "node-1"
LEASE_S = 15.0

F = TypeVar("F")


class FakeNode:
    """`journal` holds, in order, what was asked of the PBX and what was written into rows of attempts."""

    def __init__(self, tasks: asyncio.TaskGroup, *, node_calls_per_second: float) -> None:
        self.tasks = tasks
        self.clock = virtual_clock()
        self.journal: list[str] = []
        self.facts: list[Fact] = []
        self.changes = 0
        self.runners: list[CampaignRunner] = []
        self.asterisk_ready = True
        self.campaigns = FakeCampaigns(now=self.clock.now)
        self.trunk = Trunk(self.clock)
        self.attempts = FakeAttempts(journal=self.journal, now=self.clock.now)
        self.telephony = FakeTelephony(journal=self.journal)
        self.queues = FakeQueues()
        self.offers = FakeOffers(journal=self.journal, now=self.clock.now)
        self.kept: list[KeptAgent] = []
        pacer = Pacer(node_calls_per_second=node_calls_per_second, now=self.clock.monotonic())
        self.cards = CardDesk(
            offers=self.offers,
            queues=self.queues,
            clock=self.clock,
            publish=self.facts.append,
            node=NODE,
            on_answer=lambda offer, event: self.tracker.feed(offer.attempt_id or ATTEMPT, event),
            on_accept=lambda offer: self.runner_of(offer.campaign_id).accept(offer),
            on_change=self._changed,
        )
        self.tracker = CallTracker(
            attempts=self.attempts,
            cards=self.cards,
            telephony=self.telephony,
            queues=self.queues,
            clock=self.clock,
            publish=self.facts.append,
            trunk=self.trunk,
            pacer=pacer,
            on_change=self._changed,
            on_kept=self._keep,
            tasks=tasks,
        )
        self.parts = RunnerParts(
            campaigns=self.campaigns,
            attempts=self.attempts,
            offers=self.offers,
            cards=self.cards,
            queues=self.queues,
            telephony=self.telephony,
            tracker=self.tracker,
            trunk=self.trunk,
            pacer=pacer,
            clock=self.clock,
            publish=self.facts.append,
            node=NODE,
            lease_duration=timedelta(seconds=LEASE_S),
            asterisk_ready=lambda: self.asterisk_ready,
        )
        self.supervisor = Supervisor(campaigns=self.campaigns, tracker=self.tracker, parts=self.parts, tasks=tasks)
        self.rescuer = Rescuer(
            attempts=self.attempts,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=self.clock,
            publish=self.facts.append,
            node=NODE,
            every_s=30.0,
            rescue_after=timedelta(seconds=60),
        )

    def run(self, campaign: Campaign) -> CampaignRunner:
        """Dial it, without any supervisor."""
        self.campaigns.put(campaign)
        runner = CampaignRunner(campaign, self.parts)
        self.runners.append(runner)
        self.tasks.create_task(runner.run())
        return runner

    def runner_of(self, campaign_id: int) -> CampaignRunner:
        return next(runner for runner in self.runners if runner.campaign.id == campaign_id)

    def _keep(self, agent: KeptAgent) -> None:
        """As the supervisor does it, where a runner is there."""
        self.kept.append(agent)
        for runner in self.runners:
            if runner.campaign.id == agent.campaign_id:
                runner.keep(agent)

    def stop(self) -> None:
        self.supervisor.stop_dialing()
        for runner in self.runners:
            runner.stop_dialing()

    def _changed(self) -> None:
        self.changes += 1
        self.supervisor.wake_all()
        for runner in self.runners:
            runner.wake()

    async def tell(self, *events: CallEvent, of: UUID = ATTEMPT) -> None:
        """Something happens to the call, and all that follows from it."""
        for event in events:
            self.tracker.feed(of, event)
            await settle()

    def call(self, attempt: UUID = ATTEMPT) -> Call:
        return next(call for call in self.tracker.calls if call.id == attempt)

    def said(self, kind: type[F]) -> list[F]:
        """The facts of that kind that were published."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


@asynccontextmanager
async def a_node(*, node_calls_per_second: float = 100.0) -> AsyncIterator[FakeNode]:
    """The node lives in the block; at its end all of its tasks have to come to theirs."""
    async with asyncio.TaskGroup() as tasks:
        node = FakeNode(tasks, node_calls_per_second=node_calls_per_second)
        yield node
        node.stop()
        await settle()
        node.tracker.let_all_go()
