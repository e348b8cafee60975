"""Keeps one runner for every running campaign, follows changes of their rows, and stops them."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from dialerd.clock import set_within
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.campaign_runner import CampaignRunner
from dialerd.dialer.ports import Campaigns, Nodes
from dialerd.dialer.ready_agents import hang_up
from dialerd.dialer.runner_parts import RunnerParts
from dialerd.domain.activity import CampaignClosed, CampaignPace
from dialerd.domain.calls import KeptAgent, StopRequested
from dialerd.domain.campaigns import Campaign, CampaignStatus
from dialerd.domain.offers import Offer
from dialerd.domain.pacing import HoldReason
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""A change rings the bell; this look stands behind it, for a bell that was not heard."""


class Supervisor:
    """`draining` while this node is to start no call, since people want it so, or since its Asterisk is away and another node's is not: its
    campaigns are handed to the others, its calls go on."""

    def __init__(
        self,
        *,
        campaigns: Campaigns,
        nodes: Nodes,
        tracker: CallTracker,
        parts: RunnerParts,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.draining = False
        self._campaigns = campaigns
        self._nodes = nodes
        self._tracker = tracker
        self._parts = parts
        self._tasks = tasks
        self._runners: dict[int, CampaignRunner] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()
        self._open = True

    @property
    def holds(self) -> frozenset[HoldReason]:
        """What has held the campaigns of this daemon last."""
        return frozenset(runner.held for runner in self._runners.values() if runner.held is not None)

    @property
    def paces(self) -> Sequence[CampaignPace]:
        """Of every campaign that is run here."""
        return [runner.pace for runner in list(self._runners.values())]  # copied first: the metrics read it in a thread

    def ring(self) -> None:
        """Something in the campaigns' rows has changed: look."""
        self._bell.set()

    def wake_all(self) -> None:
        """A call has moved. Campaigns may share agents, so all decide again."""
        for runner in self._runners.values():
            runner.wake()

    def accept(self, offer: Offer) -> None:
        """An agent has accepted a card. Of a campaign that is not dialed any more nothing follows: its lead stays due."""
        runner = self._runners.get(offer.campaign_id)
        if runner is None:
            log.info("accepted_card_of_no_campaign", offer=offer.id, campaign=offer.campaign_id)
            self._parts.cards.forget(offer)
        else:
            runner.accept(offer)

    def keep(self, agent: KeptAgent) -> None:
        """An agent stays on the line for another lead of the campaign; of one that is not dialed any more, he is let go."""
        runner = self._runners.get(agent.campaign_id)
        if runner is None:
            self._spawn(hang_up(self._parts, agent), name=f"let-go-{agent.leg}")
        else:
            runner.keep(agent)

    async def run(self) -> None:
        while self._open:
            self._bell.clear()
            try:
                await self._look()
            except DialerdError as trouble:
                log.warning("campaigns_not_read", why=str(trouble))
            await set_within(self._bell, LOOK_S)

    def stop_dialing(self) -> None:
        """No new calls, of any campaign, from now on."""
        self._open = False
        self._tracker.stop_dialing()
        self._bell.set()
        for runner in self._runners.values():
            runner.stop_dialing()

    async def closed(self) -> None:
        """Until every runner has ended and handed its lease back, and every agent was let go; to be awaited after
        `stop_dialing`."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _look(self) -> None:
        if started := await self._campaigns.start_due():
            log.info("scheduled_campaigns_started", campaigns=started)
        await self._look_whether_to_drain()
        running = {campaign.id: campaign for campaign in await self._campaigns.dialable_campaigns()}
        if not self._open:
            return
        dialed = {} if self.draining else running
        for campaign in dialed.values():
            self._follow(campaign)
        for campaign_id in self._runners.keys() - dialed.keys():
            self._runners[campaign_id].stop_dialing()
        for runner in self._runners.values():
            runner.decide_anew()
        await self._end_dials_of_stopped(running)

    async def _look_whether_to_drain(self) -> None:
        wanted = await self._nodes.is_draining(self._parts.node)
        if wanted != self.draining:
            log.info("node_drains" if wanted else "node_drains_no_more", calls_in_flight=len(self._tracker.calls))
        self.draining = wanted

    def _follow(self, campaign: Campaign) -> None:
        runner = self._runners.get(campaign.id)
        if runner is None:
            log.info("campaign_taken_up", campaign=campaign.id, name=campaign.settings.name)
            runner = self._runners[campaign.id] = CampaignRunner(campaign, self._parts)
            self._spawn(self._run(runner), name=f"campaign-{campaign.id}")
        elif runner.campaign != campaign:
            runner.change(campaign)

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, runner: CampaignRunner) -> None:
        campaign_id = runner.campaign.id
        try:
            await runner.run()
        except Exception:
            # One campaign's trouble is not the others'; it is taken up again at the next look.
            log.exception("campaign_runner_failed", campaign=campaign_id)
        finally:
            del self._runners[campaign_id]
            self._parts.publish(CampaignClosed(campaign_id=campaign_id))
            log.info("campaign_let_go", campaign=campaign_id)

    async def _end_dials_of_stopped(self, running: dict[int, Campaign]) -> None:
        """ "In-progress dials are stopped and moved to retry": those of a stopped campaign. A paused or cancelled one lets
        them be."""
        for campaign_id in {call.campaign_id for call in self._tracker.calls} - running.keys():
            campaign = await self._campaigns.get_campaign(campaign_id)
            if campaign.status is CampaignStatus.STOPPED:
                for call in self._tracker.calls:
                    if call.campaign_id == campaign_id and not call.stop_requested:
                        self._tracker.feed(call.id, StopRequested())
