"""Keeps one runner for every running campaign, follows changes of their rows, and stops them."""

import asyncio

import structlog

from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.campaign_runner import CampaignRunner, RunnerParts
from dialerd.dialer.ports import Campaigns
from dialerd.domain.activity import CampaignClosed
from dialerd.domain.calls import StopRequested
from dialerd.domain.campaigns import Campaign, CampaignStatus
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""A change rings the bell; this look stands behind it, for a bell that was not heard."""


class Supervisor:
    def __init__(
        self, *, campaigns: Campaigns, tracker: CallTracker, parts: RunnerParts, tasks: asyncio.TaskGroup
    ) -> None:
        self._campaigns = campaigns
        self._tracker = tracker
        self._parts = parts
        self._tasks = tasks
        self._runners: dict[int, CampaignRunner] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()
        self._open = True

    def ring(self) -> None:
        """Something in the campaigns' rows has changed: look."""
        self._bell.set()

    def wake_all(self) -> None:
        """A call has moved. Campaigns may share agents, so all decide again."""
        for runner in self._runners.values():
            runner.wake()

    async def run(self) -> None:
        while self._open:
            self._bell.clear()
            try:
                await self._look()
            except DialerdError as trouble:
                log.warning("campaigns_not_read", why=str(trouble))
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._bell.wait()
            except TimeoutError:
                pass

    def stop_dialing(self) -> None:
        """No new calls, of any campaign, from now on."""
        self._open = False
        self._bell.set()
        for runner in self._runners.values():
            runner.stop_dialing()

    async def closed(self) -> None:
        """Until every runner has ended and handed its lease back; to be awaited after `stop_dialing`."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _look(self) -> None:
        if started := await self._campaigns.start_due():
            log.info("scheduled_campaigns_started", campaigns=started)
        running = {campaign.id: campaign for campaign in await self._campaigns.dialable_campaigns()}
        if not self._open:
            return
        for campaign in running.values():
            self._follow(campaign)
        for campaign_id in self._runners.keys() - running.keys():
            self._runners[campaign_id].stop_dialing()
        for runner in self._runners.values():
            runner.decide_anew()
        await self._end_dials_of_stopped(running)

    def _follow(self, campaign: Campaign) -> None:
        runner = self._runners.get(campaign.id)
        if runner is None:
            log.info("campaign_taken_up", campaign=campaign.id, name=campaign.settings.name)
            runner = self._runners[campaign.id] = CampaignRunner(campaign, self._parts)
            task = self._tasks.create_task(self._run(runner), name=f"campaign-{campaign.id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        elif runner.campaign != campaign:
            runner.change(campaign)

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
