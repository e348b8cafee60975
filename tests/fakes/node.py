"""One node's dialer, whole, on fakes of all that it needs of the world."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from math import inf
from typing import TypeVar
from uuid import UUID

from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.campaign_runner import CampaignRunner
from dialerd.dialer.card_desk import CardDesk
from dialerd.dialer.leases import Leases
from dialerd.dialer.lost_rows import LostRows
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.presence import Presence
from dialerd.dialer.rescuer import Rescuer
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.dialer.supervisor import Supervisor
from dialerd.dialer.trunks import Trunks
from dialerd.domain.activity import Fact
from dialerd.domain.attempts import Lease
from dialerd.domain.calls import Call, CallEvent, KeptAgent
from dialerd.domain.campaigns import Campaign
from dialerd.domain.pacing import HoldReason
from tests.factories import ATTEMPT, TRUNK
from tests.fakes.clock import settle, virtual_clock
from tests.fakes.queues import FakeQueues
from tests.fakes.store import FakeAttempts, FakeCampaigns, FakeNodes, FakeOffers, FakeSpool
from tests.fakes.telephony import FakeTelephony

NODE = "node-1"
LEASE_S = 15.0
CAMPAIGNS = (1, 2, 3)
"""Whose calls tests place by themselves."""

F = TypeVar("F")


class FakeNode:
    """`journal` holds, in order, what was asked of the PBX and what was written into rows of attempts."""

    def __init__(self, tasks: asyncio.TaskGroup, *, node_calls_per_second: float, trunks: Sequence[str]) -> None:
        self.tasks = tasks
        self.clock = virtual_clock()
        self.journal: list[str] = []
        self.facts: list[Fact] = []
        self.changes = 0
        self.runners: list[CampaignRunner] = []
        self.asterisk_ready = True
        self.holds: frozenset[HoldReason] = frozenset()
        self.campaigns = FakeCampaigns(now=self.clock.now)
        self.attempts = FakeAttempts(journal=self.journal, now=self.clock.now)
        self.telephony = FakeTelephony(journal=self.journal)
        self.queues = FakeQueues()
        self.offers = FakeOffers(journal=self.journal, now=self.clock.now)
        self.kept: list[KeptAgent] = []
        self.trunks = Trunks(dict.fromkeys(trunks, node_calls_per_second), now=self.clock.monotonic())
        pacer = Pacer(self.trunks)
        self.nodes = FakeNodes()
        self.leases = Leases(self.clock)
        for campaign in CAMPAIGNS:  # for calls that no runner opens
            self.leases.hold(Lease(campaign_id=campaign, node=NODE, epoch=0), until=inf)
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
        self.spool = FakeSpool()
        self.tracker = CallTracker(
            attempts=self.attempts,
            cards=self.cards,
            spool=self.spool,
            telephony=self.telephony,
            queues=self.queues,
            clock=self.clock,
            publish=self.facts.append,
            trunks=self.trunks,
            pacer=pacer,
            leases=self.leases,
            on_change=self._changed,
            on_kept=self._keep,
            asterisk_ready=lambda: self.asterisk_ready,
            node_holds=lambda: self.holds,
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
            trunks=self.trunks,
            pacer=pacer,
            clock=self.clock,
            publish=self.facts.append,
            node=NODE,
            lease_duration=timedelta(seconds=LEASE_S),
            leases=self.leases,
            asterisk_ready=lambda: self.asterisk_ready,
            node_holds=lambda: self.holds,
        )
        self.supervisor = Supervisor(
            campaigns=self.campaigns, nodes=self.nodes, tracker=self.tracker, parts=self.parts, tasks=tasks
        )
        self.presence = Presence(
            nodes=self.nodes,
            telephony=self.telephony,
            clock=self.clock,
            node=NODE,
            silent_after=LEASE_S,
            on_news=lambda: self.rescuer.look_again(),  # noqa: PLW0108 - it is made later
        )
        self.lost_rows = LostRows(
            attempts=self.attempts,
            spool=self.spool,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=self.clock,
            node=NODE,
        )
        self.rescuer = Rescuer(
            lost_rows=self.lost_rows,
            attempts=self.attempts,
            telephony=self.telephony,
            tracker=self.tracker,
            clock=self.clock,
            publish=self.facts.append,
            node=NODE,
            every_s=30.0,
            rescue_after=timedelta(seconds=60),
            give_up_after=timedelta(hours=2),
            presence=self.presence,
            on_ready=self._changed,
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
async def a_node(*, node_calls_per_second: float = 100.0, trunks: Sequence[str] = (TRUNK,)) -> AsyncIterator[FakeNode]:
    """The node lives in the block; at its end all of its tasks have to come to theirs."""
    async with asyncio.TaskGroup() as tasks:
        node = FakeNode(tasks, node_calls_per_second=node_calls_per_second, trunks=trunks)
        yield node
        node.stop()
        await settle()
        node.tracker.let_all_go()
