"""The limiters that a call has to pass: the campaign's, and the node's for its trunk. It is debited from both, or none."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from dialerd.clock import Clock
from dialerd.domain.pacing import Gcra, starting


class Pacer:
    """Shared by all campaigns of a node. Times are monotonic seconds."""

    def __init__(self, *, node_calls_per_second: float, now: float) -> None:
        self._node = starting(node_calls_per_second, now)
        self._campaigns: dict[int, Gcra] = {}
        self._preparing = 0

    def set_rate(self, campaign_id: int, calls_per_second: float, now: float) -> None:
        """Start the campaign's limiter, or change its rate from the next call on."""
        known = self._campaigns.get(campaign_id)
        self._campaigns[campaign_id] = (
            known.at_rate(calls_per_second, now) if known else starting(calls_per_second, now)
        )

    def forget(self, campaign_id: int) -> None:
        """A campaign that starts again begins with a fresh limiter, and so without a burst."""
        self._campaigns.pop(campaign_id, None)

    def wait(self, campaign_id: int, now: float) -> float:
        """Seconds until a call may start; the calls that are just being prepared on this node go first."""
        behind_others = self._node.wait(now) + self._preparing * self._node.interval
        return max(behind_others, self._campaigns[campaign_id].wait(now))

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """While a call is written down, shortly before it may start."""
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    async def slot(self, campaign_id: int, clock: Clock) -> None:
        """Until a prepared call may start; then all limiters are debited."""
        while True:
            wait = self.spend(campaign_id, clock.monotonic())
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    def spend(self, campaign_id: int, now: float) -> float:
        """Start a prepared call now: 0, and all limiters are debited. Else the seconds to wait, and nothing is."""
        campaign = self._campaigns.get(campaign_id)  # gone: it was paused, while an agent was already on the line
        wait = max(self._node.wait(now), campaign.wait(now) if campaign else 0.0)
        if wait <= 0:
            self._node = self._node.spend(now)
            if campaign:
                self._campaigns[campaign_id] = campaign.spend(now)
        return wait
