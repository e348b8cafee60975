"""The limiters that a call has to pass: the campaign's, and its trunk's. It is debited from both, or none."""

import asyncio

from dialerd.clock import Clock
from dialerd.dialer.trunks import Trunks
from dialerd.domain.pacing import Gcra, starting


class Pacer:
    """Shared by all campaigns of a node. Times are monotonic seconds."""

    def __init__(self, trunks: Trunks) -> None:
        self._trunks = trunks
        self._campaigns: dict[int, Gcra] = {}

    def set_rate(self, campaign_id: int, calls_per_second: float, now: float) -> None:
        """Start the campaign's limiter, or change its rate from the next call on."""
        known = self._campaigns.get(campaign_id)
        self._campaigns[campaign_id] = (
            known.at_rate(calls_per_second, now) if known else starting(calls_per_second, now)
        )

    def note_call(self, campaign_id: int, call_at: float) -> None:
        """Of another node, or of an earlier life of this one: the campaign's next call keeps its distance from it."""
        self._campaigns[campaign_id] = self._campaigns[campaign_id].after(call_at)

    def forget(self, campaign_id: int) -> None:
        """A campaign that starts again begins with a fresh limiter, and so without a burst."""
        self._campaigns.pop(campaign_id, None)

    def wait(self, campaign_id: int, now: float) -> float:
        """Seconds until a call may start; the calls that are just being prepared on this node go first."""
        return max(self._trunks.slot_in(now), self._campaigns[campaign_id].wait(now))

    async def slot(self, campaign_id: int, trunk: str, clock: Clock) -> None:
        """Until a prepared call may start; then all limiters are debited."""
        while True:
            wait = self.spend(campaign_id, trunk, clock.monotonic())
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    def spend(self, campaign_id: int, trunk: str, now: float) -> float:
        """Start a prepared call now: 0, and all limiters are debited. Else the seconds to wait, and nothing is."""
        campaign = self._campaigns.get(campaign_id)  # gone: it was paused, while an agent was already on the line
        wait = max(self._trunks.wait_for_slot(trunk, now), campaign.wait(now) if campaign else 0.0)
        if wait <= 0:
            self._trunks.spend(trunk, now)
            if campaign:
                self._campaigns[campaign_id] = campaign.spend(now)
        return wait
